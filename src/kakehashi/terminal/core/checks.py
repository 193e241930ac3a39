"""What the trade server refuses, and with which retcode. Source: MQL5 docs, facts on order checks."""

from decimal import Decimal

from kakehashi.terminal.core.book import Book, Refused
from kakehashi.terminal.core.sessions import DAY_MS
from kakehashi.terminal.core.words import (
    ZERO,
    Filling,
    Order,
    OrderTime,
    Position,
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
    if not spec.volume_limit:
        return
    held = sum((p.volume for p in book.positions.values() if p.symbol == name and p.side is side), ZERO)
    held += sum((o.volume_current for o in book.orders.values() if o.symbol == name and o.type.side is side), ZERO)
    if held + volume > spec.volume_limit:
        raise Refused(Retcode.LIMIT_VOLUME, f"{held + volume} lots {side} of {name}: at most {spec.volume_limit}")


def check_open(book: Book, name: str, at: int) -> None:
    """Outside its sessions nothing can be ordered, changed or taken back on a symbol."""
    if not book.market.is_open(book.symbol(name).name, at):
        raise Refused(Retcode.MARKET_CLOSED, "market closed")


def check_market_filling(spec: Symbol, filling: Filling | None) -> None:
    """Market execution knows FOK and IOC, as far as the symbol allows them; RETURN belongs to pending orders."""
    if filling is Filling.RETURN or (filling is not None and filling not in spec.fillings):
        raise Refused(Retcode.INVALID_FILL, f"unsupported filling mode: {' or '.join(spec.fillings)}")


def check_stops(spec: Symbol, side: Side, sl: Decimal, tp: Decimal, market: Decimal) -> None:
    """
    :param market: what the levels are tested against: the bid for a BUY, or a pending order's price
    """
    least = spec.stops_level * spec.point
    for level, away in ((sl, -side.sign), (tp, side.sign)):
        if not level:
            continue
        check_digits(spec, level, Retcode.INVALID_STOPS)
        distance = (level - market) * away
        if distance <= 0 or distance < least:
            raise Refused(Retcode.INVALID_STOPS, f"invalid stops: {level} against {market}, at least {least} away")


def check_digits(spec: Symbol, price: Decimal, retcode: Retcode) -> None:
    if price <= 0 or price % spec.point:
        raise Refused(retcode, f"price {price}: expected a positive multiple of {spec.point}")


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


def expiration_of(request: Request, at: int) -> tuple[OrderTime, int | None]:
    """How long a pending order rests, and when that ends.

    :raises Refused: INVALID_EXPIRATION, that has passed or is missing
    """
    kind = request.type_time
    if kind is None:
        kind = OrderTime.GTC if request.expiration is None else OrderTime.SPECIFIED
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
    """The position a request names, by ticket or identifier (after a netting reversal they differ)."""
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
    return found
