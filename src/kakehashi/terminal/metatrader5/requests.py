"""A trade request: from the caller's dictionary to the package's tuple, and on to the server's words."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any, Final

from kakehashi.terminal.core.words import Filling, OrderTime, OrderType, Request, TradeAction
from kakehashi.terminal.metatrader5 import constants as c
from kakehashi.terminal.metatrader5.face import invalid, number, text, whole
from kakehashi.terminal.metatrader5.structs import TradeRequest

MAX_COMMENT: Final = 31
_HUGE: Final = 1e12
ACTIONS: Final = {
    c.TRADE_ACTION_DEAL: TradeAction.DEAL,
    c.TRADE_ACTION_PENDING: TradeAction.PENDING,
    c.TRADE_ACTION_SLTP: TradeAction.SLTP,
    c.TRADE_ACTION_MODIFY: TradeAction.MODIFY,
    c.TRADE_ACTION_REMOVE: TradeAction.REMOVE,
    c.TRADE_ACTION_CLOSE_BY: TradeAction.CLOSE_BY,
}
ORDER_TYPES: Final = tuple(OrderType)
FILLINGS: Final = tuple(Filling)
ORDER_TIMES: Final = tuple(OrderTime)


def _price(value: object, name: str) -> float:
    return number(value, name)


def _enumeration(value: object, name: str) -> int:
    return whole(value, name, least=-(2**31), most=2**31 - 1)


def _seconds(value: object, name: str) -> int:
    """Seconds since 1970; the package does not take a datetime here."""
    return whole(value, name, most=2**40)


def _comment(value: object, name: str) -> str:
    if len(text(value, name)) > MAX_COMMENT:
        raise invalid(name)
    return str(value)


_FIELDS: Final[Mapping[str, tuple[Callable[[object, str], Any], Any]]] = {
    "action": (_enumeration, 0),
    "magic": (whole, 0),
    "order": (whole, 0),
    "symbol": (text, ""),
    "volume": (number, 0.0),
    "price": (_price, 0.0),
    "stoplimit": (_price, 0.0),
    "sl": (_price, 0.0),
    "tp": (_price, 0.0),
    "deviation": (whole, 0),
    "type": (_enumeration, 0),
    "type_filling": (_enumeration, 0),
    "type_time": (_enumeration, 0),
    "expiration": (_seconds, 0),
    "comment": (_comment, ""),
    "position": (whole, 0),
    "position_by": (whole, 0),
}
"""How each field is read, and what it is when it is missing; in the order of :class:`TradeRequest`."""


def parsed(request: Mapping[Any, Any]) -> TradeRequest:
    """
    :raises Failed: an unknown field, or one of a wrong type
    """
    if stranger := next((key for key in request if key not in _FIELDS), None):
        raise invalid(str(stranger))
    return TradeRequest(
        read(request[name], name) if name in request else default for name, (read, default) in _FIELDS.items()
    )


def said(request: TradeRequest, digits: int, *, filling: bool) -> Request | None:
    """The request in the server's words; None where a number in it stands for nothing.

    :param digits: of the symbol's prices; what a float has beyond them is its own inexactness
    :param filling: whether the caller named a filling mode: a pending order without one is RETURN
    """
    r: Any = request
    try:
        action, kind = ACTIONS[r.action], ORDER_TYPES[_at_least_0(r.type)]
        mode, until = FILLINGS[_at_least_0(r.type_filling)], ORDER_TIMES[_at_least_0(r.type_time)]
    except (KeyError, IndexError):
        return None
    return Request(
        action=action,
        symbol=r.symbol,
        type=kind,
        volume=rounded(r.volume, 8),
        price=rounded(r.price, digits),
        stoplimit=rounded(r.stoplimit, digits),
        sl=rounded(r.sl, digits),
        tp=rounded(r.tp, digits),
        deviation=r.deviation,
        position=r.position,
        position_by=r.position_by,
        order=r.order,
        filling=mode if filling or action is TradeAction.DEAL else None,
        type_time=until,
        expiration=r.expiration * 1000 if r.expiration and until in _ENDING else None,
        magic=r.magic,
        comment=r.comment,
    )


_ENDING: Final = frozenset({OrderTime.SPECIFIED, OrderTime.SPECIFIED_DAY})


def rounded(value: float, digits: int) -> Decimal:
    """What the float was meant to be; one beyond all sense is cut to a size that the server can refuse."""
    return Decimal(f"{max(-_HUGE, min(value, _HUGE)):.{digits}f}")


def _at_least_0(n: int) -> int:
    if n < 0:
        raise IndexError(n)
    return n
