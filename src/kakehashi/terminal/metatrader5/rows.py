"""The server's records as the package's tuples."""

from typing import Any, Final

from kakehashi.terminal.core.words import Deal, Entry, Order, OrderState, OrderType, Reason, Side
from kakehashi.terminal.metatrader5.requests import ORDER_TIMES, ORDER_TYPES
from kakehashi.terminal.metatrader5.structs import TradeDeal, TradeOrder, TradePosition
from kakehashi.terminal.wire import PositionFacts

_TYPES: Final = {kind: n for n, kind in enumerate(ORDER_TYPES)}
_TIMES: Final = {kind: n for n, kind in enumerate(ORDER_TIMES)}
_STATES: Final = {state: n for n, state in enumerate(OrderState)}
_ENTRIES: Final = {entry: n for n, entry in enumerate(Entry)}
_SIDES: Final = {Side.BUY: 0, Side.SELL: 1}
_REASONS: Final = {Reason.CLIENT: 0, Reason.EXPERT: 3, Reason.SL: 4, Reason.TP: 5, Reason.SO: 6}


def position_row(p: PositionFacts) -> TradePosition:
    return TradePosition(
        (
            p.ticket,
            p.time // 1000,
            p.time,
            p.time // 1000,
            p.time,
            _SIDES[p.side],
            p.magic,
            p.identifier,
            _REASONS[p.reason],
            float(p.volume),
            float(p.price_open),
            float(p.sl),
            float(p.tp),
            float(p.price_current),
            float(p.swap),
            float(p.profit),
            p.symbol,
            p.comment,
            "",
        )
    )


def order_row(o: Order, price_current: float = 0.0) -> TradeOrder:
    market = o.type in (OrderType.BUY, OrderType.SELL, OrderType.CLOSE_BY)
    return TradeOrder(
        (
            o.ticket,
            o.time_setup // 1000,
            o.time_setup,
            o.time_done // 1000,
            o.time_done,
            (o.expiration or 0) // 1000,
            _TYPES[o.type],
            _TIMES[o.type_time],
            0 if market else 2,
            _STATES[o.state],
            o.magic,
            o.position_id,
            0,
            _REASONS[o.reason],
            float(o.volume_initial),
            float(o.volume_current),
            float(o.price_open),
            float(o.sl),
            float(o.tp),
            price_current,
            float(o.stoplimit),
            o.symbol,
            o.comment,
            "",
        )
    )


def deal_row(d: Deal) -> TradeDeal:
    values: tuple[Any, ...] = (
        d.ticket,
        d.order,
        d.time // 1000,
        d.time,
        _SIDES[d.side],
        _ENTRIES[d.entry],
        d.magic,
        d.position,
        _REASONS[d.reason],
        float(d.volume),
        float(d.price),
        float(d.commission),
        float(d.swap),
        float(d.profit),
        0.0,
        d.symbol,
        d.comment,
        "",
    )
    return TradeDeal(values)
