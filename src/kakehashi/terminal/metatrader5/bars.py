"""Bars and ticks as numpy tables."""

import importlib
from types import ModuleType
from typing import TYPE_CHECKING, Any, Final

from kakehashi.terminal.core.bars import Bar, TickRow
from kakehashi.terminal.core.kinds import Timeframe
from kakehashi.terminal.metatrader5 import constants as c
from kakehashi.terminal.metatrader5.face import answers, invalid, moment_ms, text, whole
from kakehashi.terminal.metatrader5.session import terminal
from kakehashi.terminal.metatrader5.terminal import Terminal

if TYPE_CHECKING:
    from kakehashi.terminal.metatrader5.tables import Table

_MOST: Final = 2**31 - 1
_tables = "tables"


def _copy_rates_from(symbol: object, timeframe: object, date_from: object, count: object, /) -> "Table":
    """``count`` bars up to a date, the oldest first."""
    t, name, frame = _asked(symbol, timeframe)
    until, most = moment_ms(date_from, "date_from"), whole(count, "count", least=1, most=_MOST)
    return _bars(t, symbol=name, timeframe=frame, until=until, count=min(most, t.maxbars))


def _copy_rates_from_pos(symbol: object, timeframe: object, start_pos: object, count: object, /) -> "Table":
    """``count`` bars that end ``start_pos`` bars before the present one, which is 0."""
    t, name, frame = _asked(symbol, timeframe)
    pos, most = whole(start_pos, "start_pos", most=_MOST), whole(count, "count", least=1, most=_MOST)
    return _bars(t, symbol=name, timeframe=frame, pos=pos, count=min(most, t.maxbars))


def _copy_rates_range(symbol: object, timeframe: object, date_from: object, date_to: object, /) -> "Table":
    """The bars that open between two dates, both included."""
    t, name, frame = _asked(symbol, timeframe)
    since, until = moment_ms(date_from, "date_from"), moment_ms(date_to, "date_to")
    return _bars(t, symbol=name, timeframe=frame, since=since, until=until)


def _copy_ticks_from(symbol: object, date_from: object, count: object, flags: object, /) -> "Table":
    """``count`` ticks from a date on."""
    t, name = terminal(), text(symbol, "symbol")
    since, most, kind = moment_ms(date_from, "date_from"), whole(count, "count", least=1, most=_MOST), _flags(flags)
    return _ticks(t, kind, symbol=name, since=since, count=most)


def _copy_ticks_range(symbol: object, date_from: object, date_to: object, flags: object, /) -> "Table":
    """The ticks between two dates, both included."""
    t, name = terminal(), text(symbol, "symbol")
    since, until, kind = moment_ms(date_from, "date_from"), moment_ms(date_to, "date_to"), _flags(flags)
    return _ticks(t, kind, symbol=name, since=since, until=until)


def _asked(symbol: object, timeframe: object) -> tuple[Terminal, str, Timeframe]:
    t, name = terminal(), text(symbol, "symbol")
    try:
        return t, name, Timeframe(whole(timeframe, "timeframe"))
    except ValueError:
        raise invalid("timeframe") from None


def _flags(flags: object) -> int:
    kind = whole(flags, "flags", least=c.COPY_TICKS_ALL, most=2**32 - 1)
    if kind not in (c.COPY_TICKS_ALL, c.COPY_TICKS_INFO, c.COPY_TICKS_TRADE):
        raise invalid("flags")
    return kind


def pass_on() -> None:
    """From now on give tables that are good for passing on only (:mod:`.plain`), in this process."""
    global _tables  # noqa: PLW0603  how the whole process is used
    _tables = "plain"


def _bars(t: Terminal, **wanted: Any) -> "Table":
    t.digits_of(wanted["symbol"])
    made: Table = _maker().of_bars(t.ask("rates", list[Bar], **wanted)[-t.maxbars :])
    return made


def _ticks(t: Terminal, kind: int, **wanted: Any) -> "Table":
    t.digits_of(wanted["symbol"])
    # no tick here changes a last price
    made: Table = _maker().of_ticks([] if kind == c.COPY_TICKS_TRADE else t.ask("ticks", list[TickRow], **wanted))
    return made


def _maker() -> ModuleType:
    """Imported when the first table is asked for: numpy takes longer than a terminal's start."""
    return importlib.import_module(f"kakehashi.terminal.metatrader5.{_tables}")


copy_rates_from = answers(_copy_rates_from)
copy_rates_from_pos = answers(_copy_rates_from_pos)
copy_rates_range = answers(_copy_rates_range)
copy_ticks_from = answers(_copy_ticks_from)
copy_ticks_range = answers(_copy_ticks_range)
