"""What every section of settings is made of."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field


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
