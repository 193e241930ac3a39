"""Secrets: where they may come from, and which ones are too weak to start with."""

import re
from pathlib import Path
from typing import Final

import msgspec

from kakehashi.domain.errors import KakehashiError

WEAK_SECRETS: Final = frozenset(
    {"admin", "changeme", "example", "kakehashi", "letmein", "password", "postgres", "qwerty", "secret", "test"}
)
MIN_SECRET_LENGTH: Final = 12


def bad_config(key: str, message: str, *, hint: str = "") -> KakehashiError:
    """What every fault of the configuration looks like."""
    return KakehashiError("BAD_CONFIG", f"{key}: {message}", hint=hint or f"kakehashi config explain {key}")


def resolve_secret(value: str, file: Path | None, *, key: str) -> str:
    """The secret itself: the file's content, the secret manager's answer, or ``value`` as it is.

    :param value: the secret, or ``secret://aws/NAME[#FIELD]`` or ``secret://gcp/projects/P/secrets/S[/versions/V]``
    :raises KakehashiError: BAD_CONFIG: it cannot be read, or it is one everybody knows
    """
    if file is not None:
        try:
            value = file.read_text("utf-8").strip()
        except (OSError, UnicodeDecodeError) as e:
            raise bad_config(f"{key}_file", f"cannot read {file}: {type(e).__name__}") from e
    if value.startswith("secret://"):
        value = _from_manager(value, key=key)
    refuse_weak(value, key=key)
    return value


def _from_manager(reference: str, *, key: str) -> str:
    cloud, _, name = reference.removeprefix("secret://").partition("/")
    name, _, field = name.partition("#")
    try:
        if cloud == "aws":
            import boto3  # noqa: PLC0415  an extra, and slow to import

            value = str(boto3.client("secretsmanager").get_secret_value(SecretId=name)["SecretString"])
        elif cloud == "gcp":
            from google.cloud import secretmanager  # noqa: PLC0415  an extra, and slow to import

            path = name if "/versions/" in name else f"{name}/versions/latest"
            client = secretmanager.SecretManagerServiceClient()
            value = client.access_secret_version(name=path).payload.data.decode()
        else:
            raise bad_config(key, f"expected secret://aws/... or secret://gcp/..., got secret://{cloud}/...")
        return str(msgspec.json.decode(value)[field]) if field else value
    except ImportError as e:
        raise bad_config(key, f"secret://{cloud} needs an extra", hint=f"pip install 'kakehashi[{cloud}]'") from e
    except KakehashiError:
        raise
    except Exception as e:  # noqa: BLE001  the clouds' errors have no common base; all mean "no secret, no start"
        raise bad_config(key, f"the secret manager gave nothing for {name!r}: {type(e).__name__}") from None


def refuse_weak(value: str, *, key: str) -> None:
    """Stop at a secret (or a URL whose password) that everybody knows.

    :raises KakehashiError: BAD_CONFIG
    """
    secret = password_in(value) if "://" in value else value
    if secret and (secret.lower() in WEAK_SECRETS or len(secret) < MIN_SECRET_LENGTH):
        raise bad_config(
            key,
            f"its password is a well-known one or shorter than {MIN_SECRET_LENGTH} characters",
            hint="python3 -c 'import secrets; print(secrets.token_urlsafe(24))' makes a good one",
        )


def password_in(url: str) -> str:
    """The password a URL carries, or an empty string."""
    match = re.match(r"[\w+.-]+://[^/?#:@]*:([^/@]*)@", url)
    return match[1] if match else ""


def masked(text: str) -> str:
    """``text`` with the password of a URL in it replaced."""
    return re.sub(r"(://[^/?#:@]*:)[^/@]*@", r"\1***@", text)
