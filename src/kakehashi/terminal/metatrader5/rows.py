"""The server's records as the package's tuples.

Tables are keyed by the words' plain text: an enumeration hashes ten times slower, and there may be many rows.
"""

from typing import Any, Final

from kakehashi.terminal.core.kinds import DealKind
from kakehashi.terminal.core.words import Deal, Entry, Order, OrderState, Reason, Side
from kakehashi.terminal.metatrader5 import constants as c
from kakehashi.terminal.metatrader5.requests import FILLINGS, ORDER_TIMES, ORDER_TYPES
from kakehashi.terminal.metatrader5.structs import TradeDeal, TradeOrder, TradePosition
from kakehashi.terminal.wire import PositionFacts

_TYPES: Final = {kind.value: n for n, kind in enumerate(ORDER_TYPES)}
_TIMES: Final = {kind.value: n for n, kind in enumerate(ORDER_TIMES)}
_FILLINGS: Final = {kind.value: n for n, kind in enumerate(FILLINGS)}
_STATES: Final = {state.value: n for n, state in enumerate(OrderState)}
_ENTRIES: Final = {entry.value: n for n, entry in enumerate(Entry)}
_KINDS: Final = {
    DealKind.BALANCE.value: c.DEAL_TYPE_BALANCE,
    DealKind.CREDIT.value: c.DEAL_TYPE_CREDIT,
    DealKind.CHARGE.value: c.DEAL_TYPE_CHARGE,
    DealKind.CORRECTION.value: c.DEAL_TYPE_CORRECTION,
    DealKind.BONUS.value: c.DEAL_TYPE_BONUS,
}
_REASONS: Final = {
    Reason.CLIENT.value: c.DEAL_REASON_CLIENT,
    Reason.MOBILE.value: c.DEAL_REASON_MOBILE,
    Reason.WEB.value: c.DEAL_REASON_WEB,
    Reason.EXPERT.value: c.DEAL_REASON_EXPERT,
    Reason.SL.value: c.DEAL_REASON_SL,
    Reason.TP.value: c.DEAL_REASON_TP,
    Reason.SO.value: c.DEAL_REASON_SO,
    Reason.ROLLOVER.value: c.DEAL_REASON_ROLLOVER,
}
"""Positions and orders have the same numbers."""


def position_row(p: PositionFacts) -> TradePosition:
    return tuple.__new__(
        TradePosition,
        (
            p.ticket,
            p.time // 1000,
            p.time,
            (p.time_update or p.time) // 1000,
            p.time_update or p.time,
            0 if p.side is Side.BUY else 1,
            p.magic,
            p.identifier,
            _REASONS[p.reason._value_],
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
        ),
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
            _TYPES[o.type._value_],
            _TIMES[o.type_time._value_],
            _FILLINGS[o.filling._value_],
            _STATES[o.state._value_],
            o.magic,
            o.position_id,
            o.position_by_id,
            _REASONS[o.reason._value_],
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
        _KINDS[d.kind._value_] if d.kind is not DealKind.TRADE else 0 if d.side is Side.BUY else 1,
        _ENTRIES[d.entry._value_],
        d.magic,
        d.position,
        _REASONS[d.reason._value_],
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
