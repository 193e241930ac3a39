"""Ids that sort by time and never repeat, the system's clock, and how far somebody set it back behind our back."""

import itertools
import secrets
import time
from functools import cache
from pathlib import Path

import msgspec

from kakehashi.domain.values import Millis
from kakehashi.ports import Clock

# Chance once per process, then a counter: asking the kernel for every id costs as much as parsing an alert.
_PROCESS = secrets.token_hex(5)
_COUNTER = itertools.count()
MAX_ERAS = 50
SLEWED_MS = 500
"""A clock that is kept right by small corrections drifts by less than this between two eras."""
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


class Era(msgspec.Struct, frozen=True, kw_only=True):
    """A stretch of orders that were made while the wall clock was right, or wrong, by the same amount.

    :ivar first: the number of its first order
    :ivar wall_ahead: wall time less monotonic time, ms
    """

    first: int
    wall_ahead: Millis


class Eras(msgspec.Struct, frozen=True, kw_only=True):
    """Every time somebody set the wall clock, as far as orders show it: kept on disk by one process for the next, which
    otherwise would take an old entry for a young one.

    :ivar boot: in which start of the machine monotonic time was counted
    """

    boot: str = ""
    eras: tuple[Era, ...] = ()

    def on(self, clock: Clock, first: int) -> "Eras":
        """With what the clocks say now, when the orders from number ``first`` on are written."""
        boot, ahead = clock.boot(), _wall_ahead(clock)
        if boot != self.boot:
            return Eras(boot=boot, eras=(Era(first=first, wall_ahead=ahead),))
        if self.eras and abs(self.eras[-1].wall_ahead - ahead) < SLEWED_MS:
            return self
        return Eras(boot=boot, eras=(*self.eras[-MAX_ERAS:], Era(first=first, wall_ahead=ahead)))

    def set_back_since(self, order: int, clock: Clock) -> Millis:
        """How far the wall clock was set back since the order of this number was made, ms; 0 where that is not known."""
        if not self.boot or clock.boot() != self.boot:
            return 0
        then = next((era.wall_ahead for era in reversed(self.eras) if era.first <= order), None)
        return 0 if then is None else max(0, then - _wall_ahead(clock))


def _wall_ahead(clock: Clock) -> Millis:
    return clock.now_ms() - int(clock.monotonic() * 1000)
