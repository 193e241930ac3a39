"""Symbols, their prices, and the depth of market."""

from collections.abc import Mapping
from typing import Any, Final

from kakehashi.terminal.core.kinds import CalcMode, Execution, SwapMode, Trading
from kakehashi.terminal.core.money import margin_currency
from kakehashi.terminal.core.words import Filling, OrderTime, Side, Weekday
from kakehashi.terminal.metatrader5 import constants as c
from kakehashi.terminal.metatrader5.face import Failed, answers, decides, text
from kakehashi.terminal.metatrader5.groups import group_filter
from kakehashi.terminal.metatrader5.session import terminal
from kakehashi.terminal.metatrader5.structs import BookInfo, SymbolInfo, Tick
from kakehashi.terminal.metatrader5.terminal import Terminal
from kakehashi.terminal.wire import BookRow, OrderFacts, PositionFacts, QuoteFacts, SymbolCard

_CALC_MODES: Final[Mapping[CalcMode, int]] = {mode: getattr(c, f"SYMBOL_CALC_MODE_{mode.value}") for mode in CalcMode}
_SWAP_MODES: Final[Mapping[SwapMode, int]] = {mode: getattr(c, f"SYMBOL_SWAP_MODE_{mode.value}") for mode in SwapMode}
_TRADE_MODES: Final[Mapping[Trading, int]] = {mode: getattr(c, f"SYMBOL_TRADE_MODE_{mode.value}") for mode in Trading}
_EXECUTIONS: Final[Mapping[Execution, int]] = {
    mode: getattr(c, f"SYMBOL_TRADE_EXECUTION_{mode.value}") for mode in Execution
}
_DAYS: Final = {day: (n + 1) % 7 for n, day in enumerate(Weekday)}
"""A week begins with Sunday, 0."""
_FILLING_FLAGS: Final = {Filling.FOK: 1, Filling.IOC: 2, Filling.BOC: 4}
_EXPIRATION_FLAGS: Final = {OrderTime.GTC: 1, OrderTime.DAY: 2, OrderTime.SPECIFIED: 4, OrderTime.SPECIFIED_DAY: 8}
_TEXTS: Final = frozenset(name for name, kind in SymbolInfo.__annotations__.items() if kind is str)
_FLOATS: Final = frozenset(name for name, kind in SymbolInfo.__annotations__.items() if kind is float)


def _symbols_total() -> int:
    """How many symbols the broker has."""
    return len(terminal().cards())


def _symbols_get(group: object = None) -> tuple[SymbolInfo, ...]:
    """All symbols, or those of a group: ``*USD*,!EURUSD``."""
    t = terminal()
    takes = group_filter("*" if group is None else text(group, "group"))
    return tuple(_info(t, card) for card in t.cards() if takes(card.name))


def _symbol_info(symbol: object, /) -> SymbolInfo:
    """One symbol: what the broker specified, and its prices now."""
    t, name = terminal(), text(symbol, "symbol")
    return _info(t, t.card(name))


def _info(t: Terminal, card: SymbolCard) -> SymbolInfo:
    told = {**_specified(card), **_quoted(card)}
    told["select"] = told["visible"] = card.name not in t.hidden
    return SymbolInfo(
        float(told[name]) if name in _FLOATS and name in told else told.get(name, _nothing(name))
        for name in SymbolInfo._names
    )


def _nothing(name: str) -> Any:
    if name in _TEXTS:
        return ""
    return 0.0 if name in _FLOATS else False if SymbolInfo.__annotations__[name] is bool else 0


def _specified(card: SymbolCard) -> dict[str, Any]:
    s = card.spec
    return {
        "chart_mode": c.SYMBOL_CHART_MODE_BID,
        "digits": s.digits,
        "ticks_bookdepth": s.book_depth,
        "trade_calc_mode": _CALC_MODES[s.calc_mode],
        "trade_mode": _TRADE_MODES[s.trading],
        "trade_stops_level": s.stops_level,
        "trade_freeze_level": s.freeze_level,
        "trade_exemode": _EXECUTIONS[s.execution],
        "swap_mode": _SWAP_MODES[s.swap_mode],
        "swap_rollover3days": _DAYS[s.swap_3days],
        "margin_hedged_use_leg": s.margin_hedged_use_leg,
        "expiration_mode": sum(_EXPIRATION_FLAGS[kind] for kind in s.expirations),
        "filling_mode": sum(_FILLING_FLAGS.get(mode, 0) for mode in s.fillings),
        "order_mode": s.order_mode,
        "order_gtc_mode": c.SYMBOL_ORDERS_GTC,
        "point": s.point,
        "trade_tick_value": card.tick_value,
        "trade_tick_value_profit": card.tick_value_profit,
        "trade_tick_value_loss": card.tick_value_loss,
        "trade_tick_size": s.step,
        "trade_contract_size": s.contract_size,
        "volume_min": s.vol_min,
        "volume_max": s.vol_max,
        "volume_step": s.vol_step,
        "volume_limit": s.volume_limit,
        "swap_long": s.swap_long,
        "swap_short": s.swap_short,
        "margin_initial": s.margin_initial,
        "margin_maintenance": s.margin_maintenance,
        "margin_hedged": s.margin_hedged,
        "currency_base": s.base,
        "currency_profit": s.profit,
        "currency_margin": margin_currency(s),
        "description": s.description or card.name,
        "exchange": s.exchange,
        "isin": s.isin,
        "name": card.name,
        "path": f"{s.path or 'Simulated'}\\{card.name}",
    }


def _quoted(card: SymbolCard) -> dict[str, Any]:
    day = card.day
    return {
        "time": card.at // 1000,
        "spread": round((card.ask - card.bid) / card.spec.point),
        "spread_float": True,
        "bid": card.bid,
        "bidhigh": day.bid_high or card.bid,
        "bidlow": day.bid_low or card.bid,
        "ask": card.ask,
        "askhigh": day.ask_high or card.ask,
        "asklow": day.ask_low or card.ask,
        "session_open": day.open,
        "session_close": day.close,
        "price_change": (card.bid / day.close - 1) * 100 if day.close else 0,
    }


def _symbol_info_tick(symbol: object, /) -> Tick:
    """The last tick of a symbol."""
    t, name = terminal(), text(symbol, "symbol")
    t.digits_of(name)
    q = t.ask("quote", QuoteFacts, symbol=name)
    return Tick((q.at // 1000, float(q.bid), float(q.ask), 0.0, 0, q.at, c.TICK_FLAG_BID | c.TICK_FLAG_ASK, 0.0))


def _symbol_select(symbol: object, enable: object = True, /) -> bool:
    """Show a symbol in the Market Watch, or take it out: not one with open positions or orders."""
    t, name = terminal(), text(symbol, "symbol")
    t.card(name)
    if enable:
        t.hidden.discard(name)
        return True
    held, resting = (
        t.ask("positions", list[PositionFacts], symbol=name),
        t.ask("resting", list[OrderFacts], symbol=name),
    )
    if held or resting:
        raise Failed(c.RES_E_FAIL, "Terminal: Call failed")
    t.hidden.add(name)
    return True


def _market_book_add(symbol: object, /) -> bool:
    """Follow a symbol's depth of market."""
    t, name = terminal(), text(symbol, "symbol")
    t.card(name)
    t.books.add(name)
    return True


def _market_book_get(symbol: object, /) -> tuple[BookInfo, ...]:
    """The levels from the highest price down; of a symbol that was added."""
    t, name = terminal(), text(symbol, "symbol")
    if name not in t.books:
        t.card(name)
        raise Failed(c.RES_E_FAIL, "Terminal: Call failed")
    rows = sorted(t.ask("market_book", list[BookRow], symbol=name), key=lambda row: -row.price)
    kinds = {Side.SELL: c.BOOK_TYPE_SELL, Side.BUY: c.BOOK_TYPE_BUY}
    return tuple(BookInfo((kinds[r.side], float(r.price), int(r.volume), float(r.volume))) for r in rows)


def _market_book_release(symbol: object, /) -> bool:
    """Follow it no longer."""
    t, name = terminal(), text(symbol, "symbol")
    t.card(name)
    t.books.discard(name)
    return True


symbols_total = answers(_symbols_total)
symbols_get = answers(_symbols_get)
symbol_info = answers(_symbol_info)
symbol_info_tick = answers(_symbol_info_tick)
symbol_select = decides(_symbol_select)
market_book_add = decides(_market_book_add)
market_book_get = answers(_market_book_get)
market_book_release = decides(_market_book_release)
