"""The trade server's clock: real, faster or slower, moved by hand, or set by recorded ticks."""

import time
from collections.abc import Callable
from datetime import datetime

import msgspec


class Clock:
    """Milliseconds UTC as the trade server counts them.

    :param at: where it begins, ms; None is now
    :param speed: how many of its seconds pass in one; 0 stands still until :meth:`step`
    :param offset_ms: how far a broker's clock is off; MetaTrader servers often keep the time of Athens or New York
    :param monotonic_s: seconds that only go forward
    """

    def __init__(
        self,
        at: int | None = None,
        speed: float = 1.0,
        *,
        offset_ms: int = 0,
        monotonic_s: Callable[[], float] = time.monotonic,
    ) -> None:
        if not 0 <= speed <= 1e6:
            raise ValueError(f"speed: expected 0 to 1,000,000, got {speed}")
        self._begin = (time.time_ns() // 1_000_000 if at is None else at) + offset_ms
        self._speed = speed
        self._monotonic_s = monotonic_s
        self._began_s = monotonic_s()

    def now_ms(self) -> int:
        return self._begin + int((self._monotonic_s() - self._began_s) * 1000 * self._speed)

    def step(self, ms: int) -> int:
        """Move it on by hand, beside what passes by itself; the new time."""
        if ms < 0:
            raise ValueError(f"a clock does not go back: {ms} ms")
        self._begin += ms
        return self.now_ms()


class ClockSpec(msgspec.Struct, frozen=True, kw_only=True):
    """The ``[clock]`` table of an accounts file: :class:`Clock`'s parameters.

    :ivar start: ISO 8601 with a zone, e.g. ``2026-09-28T00:00:00Z``; none is now
    """

    start: str = ""
    speed: float = 1.0
    offset_s: int = 0

    def __post_init__(self) -> None:
        self.started(after=0)

    def started(self, *, after: int) -> Clock:
        """
        :param after: it does not begin before this, ms
        :raises ValueError: a start that is no time, or a speed out of range
        """
        at = None
        if self.start:
            begin = datetime.fromisoformat(self.start)
            if begin.tzinfo is None:
                raise ValueError(f"clock: start needs a zone, e.g. 2026-09-28T00:00:00Z, got {self.start}")
            at = max(int(begin.timestamp() * 1000), after - self.offset_s * 1000)
        return Clock(at, self.speed, offset_ms=self.offset_s * 1000)


class PlayedClock:
    """The time of the tick that was played last."""

    def __init__(self, at: int) -> None:
        self.at = at

    def now_ms(self) -> int:
        return self.at
