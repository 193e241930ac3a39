"""Bars and ticks as plain rows, and as a table for a process that only passes them on.

Importing numpy takes the processor longer than all the rest of a terminal's start: a process that writes JSON in the end
does without.
"""

from collections.abc import Iterable
from typing import Any, Final, NamedTuple

from kakehashi.terminal.core.bars import Bar, TickRow

RATES: Final = ("time", "open", "high", "low", "close", "tick_volume", "spread", "real_volume")
TICKS: Final = ("time", "bid", "ask", "last", "volume", "time_msc", "flags", "volume_real")


class Names(NamedTuple):
    """A table's dtype, as far as it is used."""

    names: tuple[str, ...]


class Rows:
    """What the worker asks of a numpy table: ``dtype.names`` and ``tolist()``."""

    def __init__(self, names: tuple[str, ...], rows: list[tuple[Any, ...]]) -> None:
        self.dtype, self._rows = Names(names), rows

    def __len__(self) -> int:
        return len(self._rows)

    def tolist(self) -> list[tuple[Any, ...]]:
        return self._rows


def rows_of_bars(bars: Iterable[Bar]) -> list[tuple[Any, ...]]:
    return [(b.time, b.open, b.high, b.low, b.close, b.tick_volume, b.spread, b.real_volume) for b in bars]


def rows_of_ticks(ticks: Iterable[TickRow]) -> list[tuple[Any, ...]]:
    """There is no last price on these markets, and no volume."""
    return [(k.at // 1000, k.bid, k.ask, 0.0, 0, k.at, k.flags, 0.0) for k in ticks]


def of_bars(bars: Iterable[Bar]) -> Rows:
    return Rows(RATES, rows_of_bars(bars))


def of_ticks(ticks: Iterable[TickRow]) -> Rows:
    return Rows(TICKS, rows_of_ticks(ticks))
