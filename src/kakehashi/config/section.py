"""What every section of settings is made of."""

from ipaddress import ip_address
from typing import Annotated, Any, TypeAlias

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_settings import NoDecode


def _check_host(host: str) -> str:
    if host != "localhost":
        ip_address(host)
    return host


def _split(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


Host: TypeAlias = Annotated[str, AfterValidator(_check_host)]
Listed: TypeAlias = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
"""Several, separated by commas."""


def setting(
    default: Any, en: str, ja: str, *, secret: bool = False, hidden: bool = False, example: str = "", **limits: Any
) -> Any:
    """One setting: its default (or the function that makes it) and its meaning, for ``config explain``.

    :param secret: nothing of it in messages; ``hidden``: not shown at all, as every part of it may be a secret
    """
    extra: dict[str, Any] = {"ja": ja, "secret": secret, "hidden": hidden, "example": example}
    if callable(default):
        return Field(default_factory=default, description=en, json_schema_extra=extra, **limits)
    return Field(default, description=en, json_schema_extra=extra, **limits)


class Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
