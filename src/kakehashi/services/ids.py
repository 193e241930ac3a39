"""Ids that sort by time and never repeat, and the system's clock."""

import itertools
import secrets
import time
from functools import cache
from pathlib import Path

from kakehashi.domain.eras import Clocks
from kakehashi.ports import Clock

# Chance once per process, then a counter: asking the kernel for every id costs as much as parsing an alert.
_PROCESS = secrets.token_hex(5)
_COUNTER = itertools.count()
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def new_id(prefix: str, at_ms: int) -> str:
    """``prefix-`` + time in 11 hex digits + a count + the process's own 10 digits: sorts by time, never repeats."""
    return f"{prefix}-{at_ms:011x}{next(_COUNTER) & 0xFFFFFF:06x}{_PROCESS}"


class SystemClock:
    """The machine's own clock."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    def boot(self) -> str:
        return _boot_id()


@cache
def _boot_id() -> str:
    """Linux tells it, and counts monotonic time from it in every process; elsewhere nothing is claimed."""
    try:
        return _BOOT_ID.read_text("ascii").strip()
    except OSError:
        return ""


def clocks(clock: Clock) -> Clocks:
    """What the machine's clocks say now."""
    return Clocks(boot=clock.boot(), wall_ahead=clock.now_ms() - int(clock.monotonic() * 1000))
