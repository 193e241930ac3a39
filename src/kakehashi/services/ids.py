"""Ids that sort by time and never repeat, and the system's clock."""

import secrets
import time


def new_id(prefix: str, at_ms: int) -> str:
    """``prefix-`` + 11 hex digits of time + 10 of chance, e.g. ``s-19a1b2c3d4e0f1a2b3c4d5``."""
    return f"{prefix}-{at_ms:011x}{secrets.token_hex(5)}"


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()
