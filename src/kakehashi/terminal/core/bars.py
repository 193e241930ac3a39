"""Ticks and the bars made of them, in points: what was heard, minute by minute, and longer bars out of minutes."""

from array import array
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple

import msgspec

from kakehashi.terminal.core.kinds import Timeframe
from kakehashi.terminal.core.words import ZERO

MINUTE_MS: Final = 60_000
DAY_MINUTES: Final = 1_440
KEPT_TICKS: Final = 50_000
"""Of each symbol; the oldest are forgotten, their bars stay."""


_LENGTHS: Final = {
    **{kind: int(kind) for kind in Timeframe if kind < Timeframe.H1},
    **{kind: (kind - 0x4000) * 60 for kind in Timeframe if Timeframe.H1 <= kind <= Timeframe.D1},
    Timeframe.W1: 7 * DAY_MINUTES,
}
"""Minutes; months have none of their own."""


class Bar(msgspec.Struct, frozen=True, array_like=True):
    """``time``: when it opens, seconds; prices of the bid; ``spread`` in points, the last of the bar."""

    time: int
    open: float
    high: float
    low: float
    close: float
    tick_volume: int
    spread: int
    real_volume: int = 0


class TickRow(msgspec.Struct, frozen=True, array_like=True):
    """``at``: ms; ``flags``: TICK_FLAG_BID 2 and _ASK 4, for what changed."""

    at: int
    bid: float
    ask: float
    flags: int


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """The server's day so far; ``close`` is the last bid before it, 0 where there is none."""

    open: Decimal = ZERO
    close: Decimal = ZERO
    bid_high: Decimal = ZERO
    bid_low: Decimal = ZERO
    ask_high: Decimal = ZERO
    ask_low: Decimal = ZERO


class Row(NamedTuple):
    """A bar in points; ``start`` in minutes since the epoch."""

    start: int
    open: int
    high: int
    low: int
    close: int
    ticks: int
    spread: int


class Tape:
    """What was quoted of one symbol since the server began, oldest first.

    :ivar provisional: nothing but the first quote is on it; another one may take its place
    """

    def __init__(self, at: int, bid: int, ask: int) -> None:
        self.provisional = True
        self.at, self.bid, self.ask = array("q", [at]), array("q", [bid]), array("q", [ask])
        self.began, self.first_bid = at, bid
        self._rows: list[Row] = []
        self._minute = at // MINUTE_MS
        self._open = self._high = self._low = bid
        self._count = 1

    def add(self, at: int, bid: int, ask: int) -> None:
        """A clock that went back does not put ticks before ticks."""
        self.provisional = False
        at = max(at, self.at[-1])
        minute = at // MINUTE_MS
        if minute != self._minute:
            self._rows.append(self._now())
            self._minute, self._count = minute, 0
            self._open = self._high = self._low = bid
        elif bid > self._high:
            self._high = bid
        elif bid < self._low:
            self._low = bid
        self._count += 1
        self.at.append(at)
        self.bid.append(bid)
        self.ask.append(ask)
        if len(self.at) >= 2 * KEPT_TICKS:
            for column in (self.at, self.bid, self.ask):
                del column[:KEPT_TICKS]

    def rows(self, first: int, last: int) -> list[Row]:
        """The minutes from ``first`` to before ``last`` that had ticks."""
        start = bisect_left(self._rows, first, key=lambda r: r.start)
        found = self._rows[start : bisect_left(self._rows, last, key=lambda r: r.start)]
        return [*found, self._now()] if first <= self._minute < last else found

    def _now(self) -> Row:
        close, spread = self.bid[-1], self.ask[-1] - self.bid[-1]
        return Row(self._minute, self._open, self._high, self._low, close, self._count, spread)


def joined(rows: Sequence[Row], kind: Timeframe) -> Iterator[Row]:
    """Longer bars out of shorter ones, which come in order."""
    first = 0
    while first < len(rows):
        start = opening(rows[first].start, kind)
        after = bisect_left(rows, _next(start, kind), first, key=lambda r: r.start)
        yield _one(start, rows[first:after])
        first = after


def _one(start: int, rows: Sequence[Row]) -> Row:
    return Row(
        start,
        rows[0].open,
        max(r.high for r in rows),
        min(r.low for r in rows),
        rows[-1].close,
        sum(r.ticks for r in rows),
        rows[-1].spread,
    )


def opening(minute: int, kind: Timeframe) -> int:
    """When the bar begins that this minute is in. Weeks begin on Sunday."""
    if kind is Timeframe.MN1:
        day = minute // DAY_MINUTES
        return (day - datetime.fromtimestamp(day * 86_400, UTC).day + 1) * DAY_MINUTES
    length = _LENGTHS[kind]
    return minute - (minute + (4 * DAY_MINUTES if kind is Timeframe.W1 else 0)) % length  # the epoch was a Thursday


def _next(start: int, kind: Timeframe) -> int:
    """When the bar after the one that begins then begins."""
    return opening(start + 31 * DAY_MINUTES, kind) if kind is Timeframe.MN1 else start + _LENGTHS[kind]


def within_a_day(kind: Timeframe) -> bool:
    return kind < Timeframe.D1
