"""Bars and ticks as numpy tables."""

from typing import Any

from kakehashi.terminal.metatrader5 import constants as c
from kakehashi.terminal.metatrader5.face import Failed, answers


def _copy_rates_from(symbol: object, timeframe: object, date_from: object, count: object, /) -> Any:
    raise Failed(c.RES_E_UNSUPPORTED, "Terminal: Unsupported")


def _copy_rates_from_pos(symbol: object, timeframe: object, start_pos: object, count: object, /) -> Any:
    raise Failed(c.RES_E_UNSUPPORTED, "Terminal: Unsupported")


def _copy_rates_range(symbol: object, timeframe: object, date_from: object, date_to: object, /) -> Any:
    raise Failed(c.RES_E_UNSUPPORTED, "Terminal: Unsupported")


def _copy_ticks_from(symbol: object, date_from: object, count: object, flags: object, /) -> Any:
    raise Failed(c.RES_E_UNSUPPORTED, "Terminal: Unsupported")


def _copy_ticks_range(symbol: object, date_from: object, date_to: object, flags: object, /) -> Any:
    raise Failed(c.RES_E_UNSUPPORTED, "Terminal: Unsupported")


copy_rates_from = answers(_copy_rates_from)
copy_rates_from_pos = answers(_copy_rates_from_pos)
copy_rates_range = answers(_copy_rates_range)
copy_ticks_from = answers(_copy_ticks_from)
copy_ticks_range = answers(_copy_ticks_range)
