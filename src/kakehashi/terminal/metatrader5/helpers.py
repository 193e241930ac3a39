"""``Buy``, ``Sell`` and ``Close``: market orders in one line, tried again while the price runs away."""

from typing import Any, Final, Literal

from kakehashi.terminal.metatrader5 import constants as c
from kakehashi.terminal.metatrader5.structs import OrderSendResult
from kakehashi.terminal.metatrader5.symbols import symbol_info_tick
from kakehashi.terminal.metatrader5.trade import order_send, positions_get

_TRIES: Final = 10
_DEVIATION: Final = 10
_AGAIN: Final = frozenset({c.TRADE_RETCODE_REQUOTE, c.TRADE_RETCODE_PRICE_OFF})


def Buy(  # noqa: N802  the package's own name
    symbol: str, volume: float, price: float | None = None, *, comment: str | None = None, ticket: int | None = None
) -> OrderSendResult | None:
    """Buy at the market, or at ``price``; with ``ticket``, close that position by it."""
    return _deal(c.ORDER_TYPE_BUY, symbol, volume, price, comment, ticket)


def Sell(  # noqa: N802
    symbol: str, volume: float, price: float | None = None, *, comment: str | None = None, ticket: int | None = None
) -> OrderSendResult | None:
    """Sell at the market, or at ``price``; with ``ticket``, close that position by it."""
    return _deal(c.ORDER_TYPE_SELL, symbol, volume, price, comment, ticket)


def Close(  # noqa: N802
    symbol: str, *, comment: str | None = None, ticket: int | None = None
) -> bool | Literal["Partially"] | None:
    """Close the positions of a symbol, or one of them.

    :returns: True: all; False: none; ``Partially``; None where a quote or an answer is missing
    """
    found = positions_get(symbol=symbol) if ticket is None else positions_get(ticket=ticket)
    if found is None:
        return None
    done = 0
    for position in found:
        opposite = c.ORDER_TYPE_SELL if position.type == c.POSITION_TYPE_BUY else c.ORDER_TYPE_BUY
        result: Any = _deal(opposite, symbol, position.volume, None, comment, position.ticket)
        if result is None:
            return None
        done += result.retcode == c.TRADE_RETCODE_DONE
    if not done:
        return False
    return True if done == len(found) else "Partially"


def _deal(
    kind: int, symbol: str, volume: float, price: float | None, comment: str | None, ticket: int | None
) -> OrderSendResult | None:
    result: Any = None
    for _ in range(_TRIES if price is None else 1):
        tick = symbol_info_tick(symbol) if price is None else None
        if price is None and tick is None:
            return None
        at = price if tick is None else (tick.ask if kind == c.ORDER_TYPE_BUY else tick.bid)
        request = {
            "action": c.TRADE_ACTION_DEAL,
            "symbol": symbol,
            "volume": volume,
            "type": kind,
            "price": at,
            "deviation": _DEVIATION,
        }
        request |= {k: v for k, v in (("comment", comment), ("position", ticket)) if v is not None}
        result = order_send(request)
        if result is None or result.retcode not in _AGAIN:
            break
    return result  # type: ignore[no-any-return]
