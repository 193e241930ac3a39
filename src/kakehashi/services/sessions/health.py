"""What a session's terminal says of itself: its connection, its permission to trade, and whether prices come."""

from typing import Any, Final

import msgspec

from kakehashi.domain.terminalcalls import Result
from kakehashi.domain.tickage import Ticks, age_ms, looked
from kakehashi.domain.values import Millis
from kakehashi.services.sessions.jobs import Calls
from kakehashi.services.sessions.terms import Terms

MOST_SYMBOLS: Final = 8
_DISABLED: Final = 0
"""SYMBOL_TRADE_MODE_DISABLED: nobody trades it, so that its silence means nothing."""


class Health:
    """
    :ivar connected: to the trade server; None: not asked yet
    :ivar server_s: the newest time that the trade server is known to have had, its seconds
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._symbols: dict[str, None] = {}
        self._ticks = Ticks()
        self.connected: bool | None = None
        self.trade_allowed: bool | None = None
        self.server_s = 0

    def used(self, params: dict[str, Any]) -> None:
        """A command names a symbol: whether prices come is seen by those that were asked for last."""
        symbol = str(params.get("symbol") or params.get("request", {}).get("symbol") or "")
        if symbol:
            self._symbols.pop(symbol, None)
            self._symbols[symbol] = None
            if len(self._symbols) > MOST_SYMBOLS:
                del self._symbols[next(iter(self._symbols))]

    def calls(self) -> Calls:
        return (
            ("terminal_info", {}, "objects"),
            *(("symbol_info", {"symbol": symbol}, "objects") for symbol in self._symbols),
        )

    def told(self, answers: tuple[Result, ...], at: Millis) -> None:
        """The answers to :meth:`calls`."""
        terminal, *symbols = (msgspec.json.decode(a.json) or {} if a.ok else {} for a in answers)
        self.connected = bool(terminal.get("connected"))
        self.trade_allowed = bool(terminal.get("trade_allowed"))
        newest_s = max((int(s["time"]) for s in symbols if s and s["trade_mode"] != _DISABLED), default=0)
        self.server_s = max(self.server_s, newest_s)
        self._ticks = looked(self._ticks, newest_s * 1000, at)

    def silent(self) -> None:
        """The terminal does not answer."""
        self.connected = self.trade_allowed = False

    def tick_age_s(self, at: Millis) -> float | None:
        """Seconds of market hours without a tick."""
        age = age_ms(self._ticks, at, self._terms.hours)
        return None if age is None else round(age / 1000, 3)

    def is_well(self, at: Millis) -> bool:
        """Also before it was asked."""
        age_s, most_s = self.tick_age_s(at), self._terms.tick_age_s
        stale = age_s is not None and 0 < most_s < age_s
        return self.connected is not False and self.trade_allowed is not False and not stale
