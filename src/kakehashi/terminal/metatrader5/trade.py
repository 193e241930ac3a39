"""Trade requests, open positions and resting orders."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from kakehashi.terminal.core.words import CheckResult, OrderType, Result
from kakehashi.terminal.metatrader5 import constants as c
from kakehashi.terminal.metatrader5.face import Failed, answers, invalid, number, text, whole
from kakehashi.terminal.metatrader5.groups import every, group_filter
from kakehashi.terminal.metatrader5.requests import ORDER_TYPES, parsed, rounded, said
from kakehashi.terminal.metatrader5.rows import order_row, position_row
from kakehashi.terminal.metatrader5.session import terminal
from kakehashi.terminal.metatrader5.structs import (
    OrderCheckResult,
    OrderSendResult,
    TradeOrder,
    TradePosition,
    TradeRequest,
)
from kakehashi.terminal.metatrader5.terminal import Offline, Terminal
from kakehashi.terminal.wire import OrderFacts, PositionFacts

_MOST_DIGITS: Final = 8
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
    10012: "Request timed out",
    10026: "AutoTrading disabled by server",
    10031: "No connection",
    10038: "Invalid close volume",
    10039: "Close order already exists",
    10040: "Limit of positions reached",
    10042: "Only long positions allowed",
    10043: "Only short positions allowed",
    10044: "Only position closing allowed",
    10045: "FIFO close only",
}


def _request(args: tuple[Any, ...], named: dict[str, Any]) -> tuple[TradeRequest, bool]:
    """The request of a call, and whether it named a filling mode: one dictionary, or the fields by keyword.

    :raises Failed: anything else
    """
    if not args and not named:
        raise Failed(c.RES_E_INVALID_PARAMS, "Invalid arguments")
    fields = args[0] if len(args) == 1 and not named else named
    if not args and set(named) == {"request"}:
        fields = named["request"]
        if not isinstance(fields, Mapping):
            raise invalid("request")
    if not isinstance(fields, Mapping) or (args and fields is named):
        raise Failed(c.RES_E_INVALID_PARAMS, "Unnamed arguments not allowed")
    return parsed(fields), "type_filling" in fields


def _digits(t: Terminal, request: TradeRequest) -> int:
    """Of the prices in a request; of one that names no symbol, or one that is not there, as many as any has."""
    try:
        return t.digits_of(request.symbol) if request.symbol else _MOST_DIGITS
    except Failed as e:
        if e.error[0] == c.RES_E_NOT_FOUND:
            return _MOST_DIGITS
        raise


def _order_send(*args: Any, **named: Any) -> OrderSendResult:
    """Send a request: one dictionary, or its fields by keyword.

    :returns: the server's answer, refusals too
    """
    t = terminal(trading=True)
    request, filling = _request(args, named)
    wanted = said(request, _digits(t, request), filling=filling)
    t.requests += 1
    if wanted is None:
        result = Result(retcode=c.TRADE_RETCODE_INVALID)
    else:
        try:
            result = t.send(Result, wanted)
        except Offline as e:
            result = Result(retcode=c.TRADE_RETCODE_TIMEOUT if e.sent else c.TRADE_RETCODE_CONNECTION)
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
            result.retcode_external,
            request,
        )
    )


def _order_check(*args: Any, **named: Any) -> OrderCheckResult:
    """Whether the server would object to a request, and how the account would stand after it."""
    t = terminal()
    request, filling = _request(args, named)
    wanted = said(request, _digits(t, request), filling=filling)
    refused = CheckResult(retcode=c.TRADE_RETCODE_INVALID)
    result = refused if wanted is None else t.ask("order_check", CheckResult, request=wanted)
    return OrderCheckResult(
        (
            int(result.retcode),
            float(result.balance),
            float(result.equity),
            float(result.profit),
            float(result.margin),
            float(result.margin_free),
            float(result.margin_level or 0),
            "Done" if result.retcode == 0 else COMMENTS.get(result.retcode, result.comment),
            request,
        )
    )


def _order_calc_margin(action: object, symbol: object, volume: object, price: object, /) -> float:
    """Margin of one order at ``price``, account currency; open positions do not matter."""
    t = terminal()
    kind = whole(action, "action", most=c.ORDER_TYPE_SELL_STOP_LIMIT)
    asked = _calculation(t, symbol, volume, price, "price")
    return float(t.ask("calc_margin", Decimal, type=OrderType(ORDER_TYPES[kind].side.value), **asked))


def _order_calc_profit(
    action: object, symbol: object, volume: object, price_open: object, price_close: object, /
) -> float:
    """Profit between two prices, account currency; open positions do not matter."""
    t = terminal()
    kind = whole(action, "action", most=c.ORDER_TYPE_SELL)
    asked = _calculation(t, symbol, volume, price_open, "price_open")
    asked["close"] = _priced(price_close, "price_close")
    return float(t.ask("calc_profit", Decimal, type=ORDER_TYPES[kind], **asked))


def _calculation(t: Terminal, symbol: object, volume: object, price: object, name: str) -> dict[str, Any]:
    known = text(symbol, "symbol")
    lots, at = number(volume, "volume"), _priced(price, name)
    t.digits_of(known)
    if lots <= 0:
        raise invalid("volume")
    return {"symbol": known, "volume": rounded(lots, _MOST_DIGITS), "price": at}


def _priced(price: object, name: str) -> Decimal:
    found = number(price, name)
    if found <= 0:
        raise invalid(name)
    return rounded(found, _MOST_DIGITS)


def _chosen(symbol: object, group: object, ticket: object) -> tuple[dict[str, Any], Callable[[str], bool]]:
    """What to ask the server for, and which symbols of its answer to keep; a symbol wins over a ticket."""
    wanted: dict[str, Any] = {}
    takes: Callable[[str], bool] = every
    if group is not None:
        takes = group_filter(text(group, "group"))
    if symbol is not None:
        wanted["symbol"] = text(symbol, "symbol")
    elif ticket is not None:
        wanted["ticket"] = whole(ticket, "ticket")
    return wanted, takes


def _positions_total() -> int:
    """How many positions are open."""
    return len(terminal().ask("positions", list[PositionFacts]))


def _positions_get(*, symbol: object = None, group: object = None, ticket: object = None) -> tuple[TradePosition, ...]:
    """Open positions: all, of a symbol, of a ticket, of a group of symbols."""
    t = terminal()
    wanted, takes = _chosen(symbol, group, ticket)
    return tuple(position_row(p) for p in t.ask("positions", list[PositionFacts], **wanted) if takes(p.symbol))


def _orders_total() -> int:
    """How many orders rest."""
    return len(terminal().ask("resting", list[OrderFacts]))


def _orders_get(*, symbol: object = None, group: object = None, ticket: object = None) -> tuple[TradeOrder, ...]:
    """Resting orders: all, of a symbol, of a ticket, of a group of symbols."""
    t = terminal()
    wanted, takes = _chosen(symbol, group, ticket)
    return tuple(order_row(o) for o in t.ask("resting", list[OrderFacts], **wanted) if takes(o.symbol))


order_send = answers(_order_send)
order_check = answers(_order_check)
order_calc_margin = answers(_order_calc_margin)
order_calc_profit = answers(_order_calc_profit)
positions_total = answers(_positions_total)
positions_get = answers(_positions_get)
orders_total = answers(_orders_total)
orders_get = answers(_orders_get)
