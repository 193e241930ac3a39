"""When a market is closed, so that a weekend is no outage.

Times are ms UTC; the pattern repeats every week. Source: S1.5, PROTOCOL R16.
"""

import re
from functools import lru_cache
from typing import Final

import msgspec

from kakehashi.domain.errors import Malformed
from kakehashi.domain.values import Millis

MINUTE_MS: Final = 60_000
WEEK_MS: Final = 7 * 24 * 60 * MINUTE_MS
MONDAY_MS: Final = 4 * 24 * 60 * MINUTE_MS
"""The first Monday of 1970, ms after the epoch."""

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
NAMED: Final = {"fx": "fri 22:00-sun 22:00", "always": ""}
_SPAN: Final = re.compile(
    r"(mon|tue|wed|thu|fri|sat|sun) ([01]\d|2[0-3]):([0-5]\d)-(mon|tue|wed|thu|fri|sat|sun) ([01]\d|2[0-3]):([0-5]\d)"
)


class MarketHours(msgspec.Struct, frozen=True):
    """When one account's market is closed.

    :ivar closed: (start, end) in ms since Monday 00:00 UTC, ascending, apart from each other, within one week
    """

    closed: tuple[tuple[int, int], ...] = ()

    def is_open(self, at: Millis) -> bool:
        return self.opens(at) == at

    def opens(self, at: Millis) -> Millis:
        """The first moment from ``at`` on at which the market is open."""
        for _ in range(2):  # a closure that runs over Sunday night is two
            within = (at - MONDAY_MS) % WEEK_MS
            at += next((end - within for start, end in self.closed if start <= within < end), 0)
        return at

    def open_between(self, start: Millis, end: Millis) -> Millis:
        """How much of the time from ``start`` to ``end`` it was open, ms; 0 where the clock went back."""
        return max(0, end - start - (self._closed_until(end) - self._closed_until(start)))

    def after(self, start: Millis, span_ms: int) -> Millis:
        """When ``span_ms`` of open time have passed since ``start``."""
        left, at = span_ms, self.opens(start)
        while True:
            within = (at - MONDAY_MS) % WEEK_MS
            ahead = min(((begin - within) % WEEK_MS for begin, _ in self.closed), default=left)
            if left <= ahead:
                return at + left
            left, at = left - ahead, self.opens(at + ahead)

    def _closed_until(self, at: Millis) -> int:
        weeks, within = divmod(at - MONDAY_MS, WEEK_MS)
        whole = sum(end - start for start, end in self.closed)
        return weeks * whole + sum(min(max(within - start, 0), end - start) for start, end in self.closed)


@lru_cache(maxsize=256)
def market_hours(text: str) -> MarketHours:
    """``fx`` (closed from Friday 22:00 to Sunday 22:00 UTC), ``always`` (open), or closures of one's own.

    :raises Malformed: BAD_CONFIG

    >>> market_hours("sat 00:00-mon 00:00").is_open(2 * 24 * 3_600_000)  # Saturday, 3 January 1970
    False
    """
    spans: list[tuple[int, int]] = []
    for part in filter(None, (p.strip() for p in NAMED.get(text, text).split(","))):
        found = _SPAN.fullmatch(part)
        if found is None:
            raise Malformed(
                "BAD_CONFIG",
                f"expected fx, always or closed times such as 'fri 22:00-sun 22:00' (UTC), got {text[:60]!r}",
                hint="several are separated by commas",
            )
        start, end = (_in_week(*found.groups()[i : i + 3]) for i in (0, 3))
        spans += [(start, end)] if start < end else [(start, WEEK_MS), (0, end)]
    spans = sorted((start, end) for start, end in spans if start < end)
    joined: list[tuple[int, int]] = []
    for start, end in spans:
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        else:
            joined.append((start, end))
    if sum(end - start for start, end in joined) >= WEEK_MS:
        raise Malformed("BAD_CONFIG", f"a market that never opens: {text[:60]!r}", hint="always means always open")
    return MarketHours(tuple(joined))


def _in_week(day: str, hour: str, minute: str) -> int:
    return ((DAYS.index(day) * 24 + int(hour)) * 60 + int(minute)) * MINUTE_MS
