"""Trade requests, open positions, resting orders and history."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from kakehashi.terminal.core.words import Deal, Order, Result
from kakehashi.terminal.metatrader5 import constants as c
from kakehashi.terminal.metatrader5.face import Failed, answers, moment_ms, text, whole
from kakehashi.terminal.metatrader5.groups import group_filter
from kakehashi.terminal.metatrader5.requests import parsed, said
from kakehashi.terminal.metatrader5.rows import deal_row, order_row, position_row
from kakehashi.terminal.metatrader5.session import terminal
from kakehashi.terminal.metatrader5.structs import (
    OrderCheckResult,
    OrderSendResult,
    TradeDeal,
    TradeOrder,
    TradePosition,
    TradeRequest,
)
from kakehashi.terminal.metatrader5.symbols import digits_of
from kakehashi.terminal.wire import PositionFacts

COMMENTS: Final[Mapping[int, str]] = {
    10004: "Requote",
    10006: "Request rejected",
    10008: "Order placed",
    10009: "Request executed",
    10010: "Request executed partially",
    10013: "Invalid request",
    10014: "Invalid volume",
    10015: "Invalid price",
    10016: "Invalid stops",
    10017: "Trade disabled",
    10018: "Market closed",
    10019: "No money",
    10021: "No prices",
    10022: "Invalid expiration",
    10025: "No changes",
    10029: "Order or position frozen",
    10030: "Unsupported filling mode",
    10033: "Limit of orders reached",
    10034: "Limit of volume reached",
    10035: "Invalid order",
    10036: "Position already closed",
    10038: "Invalid close volume",
}


def _request(args: tuple[Any, ...], named: dict[str, Any]) -> tuple[TradeRequest, bool]:
    """The request of a call, and whether it named a filling mode: one dictionary, or the fields by keyword.

    :raises Failed: anything else
    """
    if args and (named or len(args) > 1 or not isinstance(args[0], Mapping)):
        raise Failed(c.RES_E_INVALID_PARAMS, "Unnamed arguments not allowed")
    fields = args[0] if args else named
    if not args and set(named) == {"request"}:
        fields = named["request"]
        if not isinstance(fields, Mapping):
            raise Failed(c.RES_E_INVALID_PARAMS, 'Invalid "request" argument')
    return parsed(fields), "type_filling" in fields


def _order_send(*args: Any, **named: Any) -> OrderSendResult:
    """Send a request: one dictionary, or its fields by keyword.

    :returns: the server's answer, refusals too
    """
    t = terminal()
    request, filling = _request(args, named)
    t.requests += 1
    wanted = said(request, digits_of(t, request), filling=filling)
    if wanted is None:
        result = Result(retcode=c.TRADE_RETCODE_INVALID)
    else:
        result = t.ask("order_send", Result, request=msgspec.to_builtins(wanted))
    return OrderSendResult(
        (
            int(result.retcode),
            result.deal,
            result.order,
            float(result.volume),
            float(result.price),
            float(result.bid),
            float(result.ask),
            COMMENTS.get(result.retcode, result.comment),
            t.requests,
            0,
            request,
        )
    )


def _order_check(*args: Any, **named: Any) -> OrderCheckResult:
    terminal()
    _request(args, named)
    raise Failed(c.RES_E_UNSUPPORTED, "Terminal: Unsupported")


def _order_calc_margin(action: object, symbol: object, volume: object, price: object, /) -> float:
    raise Failed(c.RES_E_UNSUPPORTED, "Terminal: Unsupported")


def _order_calc_profit(
    action: object, symbol: object, volume: object, price_open: object, price_close: object, /
) -> float:
    raise Failed(c.RES_E_UNSUPPORTED, "Terminal: Unsupported")


def _chosen(symbol: object, group: object, ticket: object) -> tuple[dict[str, Any], Callable[[str], bool]]:
    """What to ask the server for, and which symbols of its answer to keep; a symbol wins over a ticket."""
    wanted: dict[str, Any] = {}
    takes: Callable[[str], bool] = _all
    if group is not None:
        takes = group_filter(text(group, "group"))
    if symbol is not None:
        wanted["symbol"] = text(symbol, "symbol")
    elif ticket is not None:
        wanted["ticket"] = whole(ticket, "ticket")
    return wanted, takes


def _all(symbol: str) -> bool:
    return True


def _positions_total() -> int:
    return len(terminal().ask("positions", list[PositionFacts]))


def _positions_get(*, symbol: object = None, group: object = None, ticket: object = None) -> tuple[TradePosition, ...]:
    t = terminal()
    wanted, takes = _chosen(symbol, group, ticket)
    return tuple(position_row(p) for p in t.ask("positions", list[PositionFacts], **wanted) if takes(p.symbol))


def _orders_total() -> int:
    return len(terminal().ask("orders", list[Order]))


def _orders_get(*, symbol: object = None, group: object = None, ticket: object = None) -> tuple[TradeOrder, ...]:
    t = terminal()
    wanted, takes = _chosen(symbol, group, ticket)
    return tuple(order_row(o) for o in t.ask("orders", list[Order], **wanted) if takes(o.symbol))


def _period(date_from: object, date_to: object) -> tuple[int, int]:
    return moment_ms(date_from, "date_from"), moment_ms(date_to, "date_to")


def _history_orders_total(date_from: object, date_to: object, /) -> int:
    return len(_history_orders_get(date_from, date_to))


def _history_orders_get(
    date_from: object = None, date_to: object = None, *, group: object = None, ticket: object = None,
    position: object = None,
) -> tuple[TradeOrder, ...]:  # fmt: skip
    t = terminal()
    since, until, wanted, takes = _history(date_from, date_to, group, ticket, position, ticket_of="ticket")
    rows = t.ask("history_orders", list[Order], **wanted)
    return tuple(order_row(o) for o in rows if takes(o.symbol) and since <= o.time_done <= until)


def _history_deals_total(date_from: object, date_to: object, /) -> int:
    return len(_history_deals_get(date_from, date_to))


def _history_deals_get(
    date_from: object = None, date_to: object = None, *, group: object = None, ticket: object = None,
    position: object = None,
) -> tuple[TradeDeal, ...]:  # fmt: skip
    """Deals of a period, of an ORDER's ticket, or of a position's identifier."""
    t = terminal()
    since, until, wanted, takes = _history(date_from, date_to, group, ticket, position, ticket_of="order")
    rows = t.ask("history_deals", list[Deal], **wanted)
    return tuple(deal_row(d) for d in rows if takes(d.symbol) and since <= d.time <= until)


def _history(
    date_from: object, date_to: object, group: object, ticket: object, position: object, *, ticket_of: str
) -> tuple[int, int, dict[str, Any], Callable[[str], bool]]:
    takes = group_filter(text(group, "group")) if group is not None else _all
    if ticket is not None:
        return 0, 2**62, {ticket_of: whole(ticket, "ticket")}, takes
    if position is not None:
        return 0, 2**62, {"position": whole(position, "position")}, takes
    if date_from is None or date_to is None:
        raise Failed(c.RES_E_INVALID_PARAMS, "Invalid arguments")
    since, until = _period(date_from, date_to)
    return since, until, {}, takes


order_send = answers(_order_send)
order_check = answers(_order_check)
order_calc_margin = answers(_order_calc_margin)
order_calc_profit = answers(_order_calc_profit)
positions_total = answers(_positions_total)
positions_get = answers(_positions_get)
orders_total = answers(_orders_total)
orders_get = answers(_orders_get)
history_orders_total = answers(_history_orders_total)
history_orders_get = answers(_history_orders_get)
history_deals_total = answers(_history_deals_total)
history_deals_get = answers(_history_deals_get)
