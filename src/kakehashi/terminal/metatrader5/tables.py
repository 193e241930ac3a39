"""Bars and ticks as the package's numpy tables. Imported when the first is asked for: numpy doubles a terminal's start."""

from collections.abc import Iterable
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from kakehashi.terminal.core.bars import Bar, TickRow
from kakehashi.terminal.metatrader5.plain import rows_of_bars, rows_of_ticks

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
    return np.array(rows_of_bars(bars), dtype=RATES)


def of_ticks(ticks: Iterable[TickRow]) -> Table:
    return np.array(rows_of_ticks(ticks), dtype=TICKS)
