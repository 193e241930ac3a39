"""Ids that sort by time and never repeat, and the system's clock."""

import itertools
import secrets
import time

# Chance once per process, then a counter: asking the kernel for every id costs as much as parsing an alert.
_PROCESS = secrets.token_hex(5)
_COUNTER = itertools.count()


def new_id(prefix: str, at_ms: int) -> str:
    """``prefix-`` + time in 11 hex digits + a count + the process's own 10 digits: sorts by time, never repeats."""
    return f"{prefix}-{at_ms:011x}{next(_COUNTER) & 0xFFFFFF:06x}{_PROCESS}"


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()
