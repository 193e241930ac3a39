"""What the trade server refuses, and with which retcode. Source: MQL5 docs, facts on order checks."""

from decimal import Decimal
from typing import Final

from kakehashi.terminal.core.book import Book, Refused
from kakehashi.terminal.core.kinds import Allowed, Execution, Trading
from kakehashi.terminal.core.sessions import DAY_MS
from kakehashi.terminal.core.words import (
    ZERO,
    Filling,
    Order,
    OrderState,
    OrderTime,
    OrderType,
    Position,
    Reason,
    Request,
    Retcode,
    Side,
    Symbol,
    Tick,
)


def check_volume(spec: Symbol, volume: Decimal) -> None:
    if not spec.vol_min <= volume <= spec.vol_max or volume % spec.vol_step:
        raise Refused(
            Retcode.INVALID_VOLUME, f"volume {volume}: {spec.vol_min} to {spec.vol_max} in steps of {spec.vol_step}"
        )


def check_volume_limit(book: Book, spec: Symbol, name: str, side: Side, volume: Decimal) -> None:
    """One way, positions and pending orders together; on a netting account an opposite position comes off first."""
    if not spec.volume_limit:
        return
    signs = {side: 1, side.opposite: 0 if book.hedging else -1}
    held = sum((p.volume * signs[p.side] for p in book.positions.values() if p.symbol == name), ZERO)
    held += sum((o.volume_current for o in book.orders.values() if o.symbol == name and o.type.side is side), ZERO)
    if held + volume > spec.volume_limit:
        raise Refused(Retcode.LIMIT_VOLUME, f"{held + volume} lots {side} of {name}: at most {spec.volume_limit}")


def check_positions_limit(book: Book, name: str) -> None:
    most = book.spec.limit_positions
    if most and len(book.positions) >= most and (book.hedging or book.on_symbol(name) is None):
        raise Refused(Retcode.LIMIT_POSITIONS, f"at most {most} open positions")


def check_permission(book: Book, reason: Reason) -> None:
    if not book.spec.trade_allowed:
        raise Refused(Retcode.TRADE_DISABLED, "trade is disabled on this account")
    if reason is Reason.EXPERT and not book.spec.trade_expert:
        raise Refused(Retcode.SERVER_DISABLES_AT, "automated trading is disabled on this account by the server")


_KINDS: Final = {
    OrderType.BUY: Allowed.MARKET,
    OrderType.SELL: Allowed.MARKET,
    OrderType.BUY_LIMIT: Allowed.LIMIT,
    OrderType.SELL_LIMIT: Allowed.LIMIT,
    OrderType.BUY_STOP: Allowed.STOP,
    OrderType.SELL_STOP: Allowed.STOP,
    OrderType.BUY_STOP_LIMIT: Allowed.STOP_LIMIT,
    OrderType.SELL_STOP_LIMIT: Allowed.STOP_LIMIT,
    OrderType.CLOSE_BY: Allowed.CLOSE_BY,
}


def check_kind(spec: Symbol, kind: OrderType) -> None:
    if not spec.order_mode & _KINDS[kind]:
        raise Refused(Retcode.INVALID_ORDER, f"{spec.name} takes no {kind} orders")


def check_direction(spec: Symbol, side: Side, *, closes: bool) -> None:
    """What the symbol's trade mode allows to open; closing is refused by DISABLED only."""
    match spec.trading:
        case Trading.DISABLED:
            raise Refused(Retcode.TRADE_DISABLED, f"trade in {spec.name} is disabled")
        case Trading.CLOSEONLY if not closes:
            raise Refused(Retcode.CLOSE_ONLY, f"only closing is allowed in {spec.name}")
        case Trading.LONGONLY if not closes and side is Side.SELL:
            raise Refused(Retcode.LONG_ONLY, f"only buys are allowed in {spec.name}")
        case Trading.SHORTONLY if not closes and side is Side.BUY:
            raise Refused(Retcode.SHORT_ONLY, f"only sells are allowed in {spec.name}")


def check_open(book: Book, name: str, at: int) -> None:
    """Outside its sessions nothing can be ordered, changed or taken back on a symbol."""
    if not book.market.is_open(book.symbol(name).name, at):
        raise Refused(Retcode.MARKET_CLOSED, "market closed")


def check_market_filling(spec: Symbol, filling: Filling | None) -> None:
    """Request and Instant execution take FOK, IOC and RETURN; Market and Exchange what the symbol names, Exchange
    RETURN as well. BOC is for limit orders.
    """
    if filling is None:
        return
    asked_price = spec.execution in (Execution.REQUEST, Execution.INSTANT)
    always = filling is Filling.RETURN and spec.execution is not Execution.MARKET
    named = filling in (Filling.FOK, Filling.IOC) and (asked_price or filling in spec.fillings)
    if not (always or named):
        raise Refused(Retcode.INVALID_FILL, f"unsupported filling mode: {' or '.join(spec.fillings)}")


def check_pending_filling(spec: Symbol, kind: OrderType, filling: Filling | None) -> None:
    """Pending orders are RETURN; limit and stop-limit orders BOC too, where the symbol says so."""
    passive = filling is Filling.BOC and not kind.is_stop and Filling.BOC in spec.fillings
    if filling not in (None, Filling.RETURN) and not passive:
        raise Refused(Retcode.INVALID_FILL, "unsupported filling mode: pending orders are RETURN")


def check_deal_price(spec: Symbol, request: Request, tick: Tick) -> None:
    """Request and Instant execution deal at the price that was asked for, give or take the deviation."""
    if spec.execution not in (Execution.REQUEST, Execution.INSTANT):
        return
    check_digits(spec, request.price, Retcode.INVALID_PRICE)
    if abs(request.price - tick.entry(request.type.side)) > request.deviation * spec.point:
        raise Refused(Retcode.REQUOTE, "requote")


def check_fifo(book: Book, position: Position) -> None:
    """
    :raises Refused: FIFO_CLOSE, the account closes a symbol's positions oldest first, and this one is not it
    """
    if not book.spec.fifo_close:
        return
    oldest = min(p.ticket for p in book.positions.values() if p.symbol == position.symbol)
    if position.ticket != oldest:
        raise Refused(Retcode.FIFO_CLOSE, f"position {oldest} must be closed before {position.ticket}")


def check_not_closing(book: Book, position: Position) -> None:
    """One order at a time may be on its way to close a position."""
    if any(book.orders[n].position_id == position.identifier for n in book.queued):
        raise Refused(Retcode.CLOSE_ORDER_EXIST, f"an order to close position {position.ticket} is on its way")


def check_stops(spec: Symbol, side: Side, sl: Decimal, tp: Decimal, market: Decimal) -> None:
    """
    :param market: what the levels are tested against: the bid for a BUY, or a pending order's price
    """
    least = spec.stops_level * spec.point
    for level, away, kind in ((sl, -side.sign, Allowed.SL), (tp, side.sign, Allowed.TP)):
        if not level:
            continue
        if not spec.order_mode & kind:
            raise Refused(Retcode.INVALID_STOPS, f"{spec.name} takes no {kind.name}")
        check_digits(spec, level, Retcode.INVALID_STOPS)
        distance = (level - market) * away
        if distance <= 0 or distance < least:
            raise Refused(Retcode.INVALID_STOPS, f"invalid stops: {level} against {market}, at least {least} away")


def check_digits(spec: Symbol, price: Decimal, retcode: Retcode) -> None:
    if price <= 0 or price % spec.step:
        raise Refused(retcode, f"price {price}: expected a positive multiple of {spec.step}")


def check_pending_price(spec: Symbol, order: Order, tick: Tick) -> None:
    """A BUY LIMIT rests below the ask, a BUY STOP above it; SELL the other way round, against the bid.

    A STOP LIMIT's second price lies on the limit's side of its first: below it for a BUY.
    """
    price = order.price_open
    check_digits(spec, price, Retcode.INVALID_PRICE)
    market = tick.entry(order.type.side)
    distance = market - price if order.type.waits_for_fall else price - market
    if distance <= 0:
        raise Refused(Retcode.INVALID_PRICE, f"{order.type} at {price}: the market is at {market}")
    if distance < spec.stops_level * spec.point:
        raise Refused(Retcode.INVALID_STOPS, f"{order.type} at {price} is too near the market at {market}")
    if not order.type.is_stop_limit:
        return
    check_digits(spec, order.stoplimit, Retcode.INVALID_PRICE)
    distance = (price - order.stoplimit) * order.type.side.sign
    if distance <= 0 or distance < spec.stops_level * spec.point:
        raise Refused(Retcode.INVALID_PRICE, f"{order.type} at {price}: its limit price {order.stoplimit} is amiss")


def expiration_of(spec: Symbol, request: Request, at: int) -> tuple[OrderTime, int | None]:
    """How long a pending order rests, and when that ends.

    :raises Refused: INVALID_EXPIRATION, that has passed, is missing, or of a kind that the symbol does not know
    """
    kind = request.type_time
    if kind is None:
        kind = OrderTime.GTC if request.expiration is None else OrderTime.SPECIFIED
    if kind not in spec.expirations:
        raise Refused(Retcode.INVALID_EXPIRATION, f"{spec.name} takes {' or '.join(spec.expirations)} orders")
    if kind is OrderTime.GTC:
        return kind, None
    if kind is OrderTime.DAY:
        return kind, at // DAY_MS * DAY_MS + DAY_MS
    if request.expiration is None:
        raise Refused(Retcode.INVALID_EXPIRATION, f"{kind} needs an expiration")
    until = request.expiration
    if kind is OrderTime.SPECIFIED_DAY:
        until = until // DAY_MS * DAY_MS + DAY_MS - 1_000
    if until <= at:
        raise Refused(Retcode.INVALID_EXPIRATION, "the expiration has passed")
    return kind, until


def check_position_free(spec: Symbol, position: Position, tick: Tick) -> None:
    """A position about to hit its own stop is left to it."""
    near = spec.freeze_level * spec.point
    market = tick.exit(position.side)
    if any(level and abs(level - market) < near for level in (position.sl, position.tp)):
        raise Refused(Retcode.FROZEN, f"position {position.ticket} is within the freeze level")


def check_order_free(spec: Symbol, order: Order, tick: Tick) -> None:
    if abs(order.price_open - tick.entry(order.type.side)) < spec.freeze_level * spec.point:
        raise Refused(Retcode.FROZEN, f"order {order.ticket} is within the freeze level")


def position_of(book: Book, request: Request) -> Position:
    """The position a request names, by ticket or identifier (after a netting reversal they differ), or by symbol."""
    if not request.position and not book.hedging and (named := book.on_symbol(request.symbol)):
        return named
    found = book.positions.get(request.position)
    if found is None:
        found = next((p for p in book.positions.values() if p.identifier == request.position), None)
    if found is None:
        raise Refused(Retcode.POSITION_CLOSED, f"no position {request.position}")
    if request.symbol and request.symbol != found.symbol:
        raise Refused(Retcode.INVALID, f"position {request.position} is {found.symbol}, not {request.symbol}")
    return found


def order_of(book: Book, request: Request) -> Order:
    found = book.orders.get(request.order)
    if found is None:
        raise Refused(Retcode.INVALID_ORDER, f"no order {request.order}")
    if found.state is OrderState.STARTED:
        raise Refused(Retcode.LOCKED, f"order {request.order} is being worked on")
    return found
