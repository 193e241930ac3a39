"""The server's records as the package's tuples."""

from typing import Any, Final

from kakehashi.terminal.core.kinds import DealKind
from kakehashi.terminal.core.words import Deal, Entry, Order, OrderState, Reason, Side
from kakehashi.terminal.metatrader5 import constants as c
from kakehashi.terminal.metatrader5.requests import FILLINGS, ORDER_TIMES, ORDER_TYPES
from kakehashi.terminal.metatrader5.structs import TradeDeal, TradeOrder, TradePosition
from kakehashi.terminal.wire import PositionFacts

_TYPES: Final = {kind: n for n, kind in enumerate(ORDER_TYPES)}
_TIMES: Final = {kind: n for n, kind in enumerate(ORDER_TIMES)}
_FILLINGS: Final = {kind: n for n, kind in enumerate(FILLINGS)}
_STATES: Final = {state: n for n, state in enumerate(OrderState)}
_ENTRIES: Final = {entry: n for n, entry in enumerate(Entry)}
_SIDES: Final = {Side.BUY: 0, Side.SELL: 1}
_KINDS: Final = {
    DealKind.BALANCE: c.DEAL_TYPE_BALANCE,
    DealKind.CREDIT: c.DEAL_TYPE_CREDIT,
    DealKind.CHARGE: c.DEAL_TYPE_CHARGE,
    DealKind.CORRECTION: c.DEAL_TYPE_CORRECTION,
    DealKind.BONUS: c.DEAL_TYPE_BONUS,
}
_REASONS: Final = {
    Reason.CLIENT: c.DEAL_REASON_CLIENT,
    Reason.MOBILE: c.DEAL_REASON_MOBILE,
    Reason.WEB: c.DEAL_REASON_WEB,
    Reason.EXPERT: c.DEAL_REASON_EXPERT,
    Reason.SL: c.DEAL_REASON_SL,
    Reason.TP: c.DEAL_REASON_TP,
    Reason.SO: c.DEAL_REASON_SO,
    Reason.ROLLOVER: c.DEAL_REASON_ROLLOVER,
}
"""Positions and orders have the same numbers."""


def position_row(p: PositionFacts) -> TradePosition:
    return TradePosition(
        (
            p.ticket,
            p.time // 1000,
            p.time,
            (p.time_update or p.time) // 1000,
            p.time_update or p.time,
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
            p.external_id,
        )
    )


def order_row(o: Order) -> TradeOrder:
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
            _FILLINGS[o.filling],
            _STATES[o.state],
            o.magic,
            o.position_id,
            o.position_by_id,
            _REASONS[o.reason],
            float(o.volume_initial),
            float(o.volume_current),
            float(o.price_open),
            float(o.sl),
            float(o.tp),
            float(o.price_current),
            float(o.stoplimit),
            o.symbol,
            o.comment,
            o.external_id,
        )
    )


def deal_row(d: Deal) -> TradeDeal:
    values: tuple[Any, ...] = (
        d.ticket,
        d.order,
        d.time // 1000,
        d.time,
        _SIDES[d.side] if d.kind is DealKind.TRADE else _KINDS[d.kind],
        _ENTRIES[d.entry],
        d.magic,
        d.position,
        _REASONS[d.reason],
        float(d.volume),
        float(d.price),
        float(d.commission),
        float(d.swap),
        float(d.profit),
        float(d.fee),
        d.symbol,
        d.comment,
        d.external_id,
    )
    return TradeDeal(values)
