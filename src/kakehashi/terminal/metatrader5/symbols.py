"""Symbols, their prices, and the depth of market."""

from typing import Any

from kakehashi.terminal.metatrader5 import constants as c
from kakehashi.terminal.metatrader5.face import Failed, answers, decides, not_found, text
from kakehashi.terminal.metatrader5.groups import group_filter
from kakehashi.terminal.metatrader5.session import terminal
from kakehashi.terminal.metatrader5.structs import BookInfo, SymbolInfo, Tick, TradeRequest
from kakehashi.terminal.metatrader5.terminal import Terminal
from kakehashi.terminal.wire import QuoteFacts, TerminalSymbol


def _cards(t: Terminal) -> dict[str, TerminalSymbol]:
    return {s.symbol: s for s in t.ask("terminal_symbols", list[TerminalSymbol])}


def digits_of(t: Terminal, request: TradeRequest) -> int:
    name: str = request[3]
    card = _cards(t).get(name)
    return card.digits if card else 8


def _symbols_total() -> int:
    return len(_cards(terminal()))


def _symbols_get(group: object = None) -> tuple[SymbolInfo, ...]:
    t = terminal()
    takes = group_filter("*" if group is None else text(group, "group"))
    return tuple(_info(t, card) for name, card in _cards(t).items() if takes(name))


def _symbol_info(symbol: object, /) -> SymbolInfo:
    t, name = terminal(), text(symbol, "symbol")
    card = _cards(t).get(name)
    if card is None:
        raise not_found()
    return _info(t, card)


def _info(t: Terminal, s: TerminalSymbol) -> SymbolInfo:
    told: dict[str, Any] = {
        "select": s.symbol not in t.hidden,
        "visible": s.symbol not in t.hidden,
        "digits": s.digits,
        "spread": round((s.ask - s.bid) / s.point),
        "trade_mode": c.SYMBOL_TRADE_MODE_FULL,
        "trade_stops_level": s.stops_level,
        "trade_freeze_level": s.freeze_level,
        "trade_exemode": c.SYMBOL_TRADE_EXECUTION_MARKET,
        "filling_mode": sum({"FOK": 1, "IOC": 2}.get(f.value, 0) for f in s.fillings),
        "bid": float(s.bid),
        "ask": float(s.ask),
        "point": float(s.point),
        "trade_tick_value": float(s.tick_value),
        "trade_tick_size": float(s.tick_size),
        "trade_contract_size": float(s.contract_size),
        "volume_min": float(s.vol_min),
        "volume_max": float(s.vol_max),
        "volume_step": float(s.vol_step),
        "currency_base": s.base,
        "currency_profit": s.profit_currency,
        "currency_margin": s.base,
        "name": s.symbol,
    }
    return SymbolInfo(told.get(name, 0) for name in SymbolInfo._names)


def _symbol_info_tick(symbol: object, /) -> Tick:
    t, name = terminal(), text(symbol, "symbol")
    if name not in _cards(t):
        raise not_found()
    q = t.ask("quote", QuoteFacts, symbol=name)
    return Tick((q.at // 1000, float(q.bid), float(q.ask), 0.0, 0, q.at, c.TICK_FLAG_BID | c.TICK_FLAG_ASK, 0.0))


def _symbol_select(symbol: object, enable: object = True, /) -> bool:
    t, name = terminal(), text(symbol, "symbol")
    if name not in _cards(t):
        raise not_found()
    if enable:
        t.hidden.discard(name)
    else:
        t.hidden.add(name)
    return True


def _market_book_add(symbol: object, /) -> bool:
    raise Failed(c.RES_E_UNSUPPORTED, "Terminal: Unsupported")


def _market_book_get(symbol: object, /) -> tuple[BookInfo, ...]:
    raise Failed(c.RES_E_UNSUPPORTED, "Terminal: Unsupported")


def _market_book_release(symbol: object, /) -> bool:
    raise Failed(c.RES_E_UNSUPPORTED, "Terminal: Unsupported")


symbols_total = answers(_symbols_total)
symbols_get = answers(_symbols_get)
symbol_info = answers(_symbol_info)
symbol_info_tick = answers(_symbol_info_tick)
symbol_select = decides(_symbol_select)
market_book_add = decides(_market_book_add)
market_book_get = answers(_market_book_get)
market_book_release = decides(_market_book_release)
