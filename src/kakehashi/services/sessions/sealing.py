"""Passwords at rest: sealed with a key that is not in the store (SEC-12)."""

import base64
import contextlib
import hashlib
import os
import secrets
from pathlib import Path
from typing import Final

from cryptography.fernet import Fernet, InvalidToken

from kakehashi.domain.errors import Rejected, Unavailable

MIN_KEY: Final = 24


class Seal:
    """Seals and unseals. The key is stretched to what the cipher needs, so any long random text will do.

    :param secret: at least 24 characters, random
    :raises Rejected: BAD_CONFIG: it is shorter
    """

    def __init__(self, secret: str) -> None:
        if len(secret) < MIN_KEY:
            raise Rejected(
                "BAD_CONFIG",
                f"bridge.key has {len(secret)} characters; at least {MIN_KEY} are needed",
                hint="python3 -c 'import secrets; print(secrets.token_urlsafe(32))' makes a good one",
            )
        digest = hashlib.sha256(b"kakehashi bridge sessions 1\0" + secret.encode()).digest()
        self._cipher = Fernet(base64.urlsafe_b64encode(digest))

    def seal(self, text: str) -> str:
        return self._cipher.encrypt(text.encode()).decode()

    def unseal(self, sealed: str) -> str:
        """:raises Rejected: KEY_MISMATCH: it was sealed with another key"""
        try:
            return self._cipher.decrypt(sealed.encode()).decode()
        except InvalidToken:
            raise Rejected("KEY_MISMATCH", "the password was sealed with another bridge.key") from None


def key_in(path: Path) -> str:
    """The key of a file; made on first use, readable by its owner only.

    :raises Unavailable: BRIDGE_KEY: it can be neither read nor made
    """
    try:
        with contextlib.suppress(FileExistsError):
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(fd, "w", encoding="ascii") as file:
                file.write(secrets.token_urlsafe(48))
        return path.read_text("utf-8").strip()
    except OSError as e:
        raise Unavailable("BRIDGE_KEY", f"the key file {path}: {e.strerror}", hint="see bridge.key_file") from e
