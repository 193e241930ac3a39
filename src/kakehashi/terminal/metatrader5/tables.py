"""Bars and ticks as the package's numpy tables. Imported when the first is asked for: numpy doubles a terminal's start."""

from collections.abc import Iterable
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from kakehashi.terminal.core.bars import Bar, TickRow

Table: TypeAlias = npt.NDArray[np.void]
RATES: Final = np.dtype(
    [
        ("time", "<i8"),
        ("open", "<f8"),
        ("high", "<f8"),
        ("low", "<f8"),
        ("close", "<f8"),
        ("tick_volume", "<u8"),
        ("spread", "<i4"),
        ("real_volume", "<u8"),
    ]
)
"""What copy_rates_* give: 60 bytes a bar, ``time`` of its opening in seconds."""

TICKS: Final = np.dtype(
    [
        ("time", "<i8"),
        ("bid", "<f8"),
        ("ask", "<f8"),
        ("last", "<f8"),
        ("volume", "<u8"),
        ("time_msc", "<i8"),
        ("flags", "<u4"),
        ("volume_real", "<f8"),
    ]
)
"""What copy_ticks_* give: 60 bytes a tick."""


def of_bars(bars: Iterable[Bar]) -> Table:
    rows = [(b.time, b.open, b.high, b.low, b.close, b.tick_volume, b.spread, b.real_volume) for b in bars]
    return np.array(rows, dtype=RATES)


def of_ticks(ticks: Iterable[TickRow]) -> Table:
    """There is no last price on these markets, and no volume."""
    return np.array([(k.at // 1000, k.bid, k.ask, 0.0, 0, k.at, k.flags, 0.0) for k in ticks], dtype=TICKS)
