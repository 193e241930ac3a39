"""What each trade request does to a book, and what the server does there by itself."""

from collections.abc import Callable, Mapping
from decimal import ROUND_DOWN, Decimal
from typing import Final

from msgspec.structs import replace

from kakehashi.terminal.core import checks
from kakehashi.terminal.core.book import Book, Fill, Refused
from kakehashi.terminal.core.faults import Dice
from kakehashi.terminal.core.words import (
    ZERO,
    Deal,
    Entry,
    Filling,
    Order,
    OrderState,
    OrderType,
    Position,
    Reason,
    Request,
    Result,
    Retcode,
    Symbol,
    TradeAction,
)


def perform(book: Book, request: Request, dice: Dice, at: int) -> Result:
    """
    :raises Refused: nothing was changed
    """
    return _ACTIONS[request.action](book, request, dice, at)


def close_by_server(book: Book, position: Position, reason: Reason, comment: str, dice: Dice, at: int) -> Deal:
    """Close all of one position without a request; such deals carry no magic of ours. A target does not slip."""
    request = Request(
        action=TradeAction.DEAL,
        symbol=position.symbol,
        type=OrderType(position.side.opposite.value),
        volume=position.volume,
        comment=comment,
        reason=reason,
    )
    price = book.tick(position.symbol).exit(position.side)
    if reason is not Reason.TP:
        price = dice.slipped(book.spec.account, book.symbol(position.symbol), position.side.opposite, price)
    return _fill(book, request, position.volume, price, position, at)


def fill_pending(book: Book, order: Order, dice: Dice, at: int) -> None:
    """A pending order whose price was reached: filled as far as the market has it (RETURN: the rest goes on resting).

    A STOP LIMIT becomes its limit order. Without the margin, the order ends as rejected.
    """
    if order.type.is_stop_limit:
        limit = OrderType(f"{order.type.side}_LIMIT")
        book.rest(replace(order, type=limit, price_open=order.stoplimit, stoplimit=ZERO))
        return
    spec = book.symbol(order.symbol)
    volume = available(book, spec, order.volume_current)
    if not volume:
        return
    try:
        book.require_margin(order.symbol, order.type.side, volume)
    except Refused as refusal:
        book.end(replace(order, state=OrderState.REJECTED, time_done=at, comment=refusal.comment))
        return
    price = book.tick(order.symbol).entry(order.type.side)
    if order.type.is_stop:
        price = dice.slipped(book.spec.account, spec, order.type.side, price)
    fill = Fill(
        order=order.ticket,
        symbol=order.symbol,
        side=order.type.side,
        volume=volume,
        requested=order.volume_initial,
        price=price,
        at=at,
        sl=order.sl,
        tp=order.tp,
        magic=order.magic,
        comment=order.comment,
        reason=order.reason,
    )
    deal = book.take(fill, None)
    left = order.volume_current - volume
    if left:
        book.rest(replace(order, state=OrderState.PARTIAL, volume_current=left, position_id=deal.position))
        return
    done = replace(order, state=OrderState.FILLED, volume_current=ZERO, time_done=at, position_id=deal.position)
    book.end(done)


def available(book: Book, spec: Symbol, volume: Decimal) -> Decimal:
    """How many of these lots one tick fills: all, as many steps as there is liquidity for, or 0."""
    most = book.market.liquidity.get(spec.name)
    if most is None or most >= volume:
        return volume
    there = (most / spec.vol_step).to_integral_value(ROUND_DOWN) * spec.vol_step
    return there if there >= spec.vol_min else ZERO


def _fill(book: Book, request: Request, volume: Decimal, price: Decimal, position: Position | None, at: int) -> Deal:
    """A market order that nothing stands against: its deal, and its entry in the order history."""
    ticket = book.tickets.order()
    fill = Fill(
        order=ticket,
        symbol=request.symbol,
        side=request.type.side,
        volume=volume,
        requested=request.volume,
        price=price,
        at=at,
        sl=request.sl,
        tp=request.tp,
        magic=request.magic,
        comment=request.comment,
        reason=request.reason,
    )
    deal = book.take(fill, position)
    state = OrderState.FILLED if volume == request.volume else OrderState.PARTIAL
    book.end(
        new_order(ticket, request, state, at, price=deal.price, left=request.volume - volume, position=deal.position)
    )
    return deal


def new_order(
    ticket: int,
    request: Request,
    state: OrderState,
    at: int,
    *,
    price: Decimal = ZERO,
    left: Decimal = ZERO,
    position: int = 0,
) -> Order:
    """A request as an order in ``state``; one that neither rests nor is on its way is done."""
    return Order(
        ticket=ticket,
        symbol=request.symbol,
        type=request.type,
        state=state,
        volume_initial=request.volume,
        volume_current=left,
        price_open=price,
        sl=request.sl,
        tp=request.tp,
        magic=request.magic,
        comment=request.comment,
        reason=request.reason,
        time_setup=at,
        time_done=0 if state in (OrderState.PLACED, OrderState.STARTED) else at,
        position_id=position,
    )


def _deal(book: Book, request: Request, dice: Dice, at: int) -> Result:
    spec, side, tick = book.symbol(request.symbol), request.type.side, book.tick(request.symbol)
    if request.type not in (OrderType.BUY, OrderType.SELL):
        raise Refused(Retcode.INVALID, f"DEAL takes BUY or SELL, got {request.type}")
    checks.check_open(book, request.symbol, at)
    checks.check_volume(spec, request.volume)
    checks.check_market_filling(spec, request.filling)
    position = None
    if request.position and (book.hedging or not dice.sides_only(book.spec.account)):
        position = checks.position_of(book, request)
        if position.side is side:
            raise Refused(Retcode.INVALID, f"{side} does not close the {position.side} position {position.ticket}")
        if request.volume > position.volume:
            raise Refused(Retcode.INVALID_CLOSE_VOLUME, f"{request.volume} of {position.volume} lots")
        checks.check_position_free(spec, position, tick)
    else:
        checks.check_stops(spec, side, request.sl, request.tp, tick.exit(side))
        checks.check_volume_limit(book, spec, request.symbol, side, request.volume)
    volume = available(book, spec, request.volume)
    if not volume or (volume < request.volume and request.filling is Filling.FOK):
        raise Refused(Retcode.REJECT, f"no liquidity for {request.volume} lots of {request.symbol}")
    if position is None:
        book.require_margin(request.symbol, side, volume)
    _let_pass(book, dice, market_order=True)
    price = dice.slipped(book.spec.account, spec, side, tick.entry(side))
    deal = _fill(book, request, volume, price, position, at)
    retcode = Retcode.DONE if volume == request.volume else Retcode.DONE_PARTIAL
    return Result(retcode=retcode, deal=deal.ticket, order=deal.order, volume=volume, price=deal.price, comment="done")


def _let_pass(book: Book, dice: Dice, *, market_order: bool) -> None:
    """
    :raises Refused: a fault was asked for, and this request drew it
    """
    if refusal := dice.refusal(book.spec.account, market_order=market_order):
        raise Refused(*refusal)


def _pending(book: Book, request: Request, dice: Dice, at: int) -> Result:
    spec = book.symbol(request.symbol)
    if not request.type.is_pending:
        raise Refused(Retcode.INVALID, f"PENDING takes a limit or stop order, got {request.type}")
    checks.check_open(book, request.symbol, at)
    if request.filling not in (None, Filling.RETURN):
        raise Refused(Retcode.INVALID_FILL, "unsupported filling mode: pending orders are RETURN")
    checks.check_volume(spec, request.volume)
    type_time, expiration = checks.expiration_of(request, at)
    order = new_order(0, request, OrderState.PLACED, at, price=request.price, left=request.volume)
    order = replace(order, stoplimit=request.stoplimit, type_time=type_time, expiration=expiration)
    _check_pending(book, order)
    checks.check_volume_limit(book, spec, request.symbol, request.type.side, request.volume)
    if len(book.orders) >= book.spec.limit_orders:
        raise Refused(Retcode.LIMIT_ORDERS, f"at most {book.spec.limit_orders} pending orders")
    _let_pass(book, dice, market_order=False)
    order = replace(order, ticket=book.tickets.order())
    book.rest(order)
    # DONE, not PLACED: the request itself is finished; 10008 is for requests still on their way
    return Result(
        retcode=Retcode.DONE, order=order.ticket, volume=request.volume, price=request.price, comment="placed"
    )


def _check_pending(book: Book, order: Order) -> None:
    """The order's prices against the market, its stops against the price that it will open at."""
    spec, tick = book.symbol(order.symbol), book.tick(order.symbol)
    checks.check_pending_price(spec, order, tick)
    opens_at = order.stoplimit if order.type.is_stop_limit else order.price_open
    checks.check_stops(spec, order.type.side, order.sl, order.tp, opens_at)


def _sltp(book: Book, request: Request, dice: Dice, at: int) -> Result:
    position = checks.position_of(book, request)
    spec, tick = book.symbol(position.symbol), book.tick(position.symbol)
    checks.check_open(book, position.symbol, at)
    if (request.sl, request.tp) == (position.sl, position.tp):
        raise Refused(Retcode.NO_CHANGES, "no changes")
    checks.check_position_free(spec, position, tick)
    sl = request.sl if request.sl != position.sl else ZERO
    tp = request.tp if request.tp != position.tp else ZERO
    checks.check_stops(spec, position.side, sl, tp, tick.exit(position.side))
    book.hold(replace(position, sl=request.sl, tp=request.tp))
    return Result(retcode=Retcode.DONE, volume=position.volume, comment="done")


def _modify(book: Book, request: Request, dice: Dice, at: int) -> Result:
    order = checks.order_of(book, request)
    checks.check_open(book, order.symbol, at)
    same_end = request.type_time is None and request.expiration == order.expiration
    type_time, expiration = (order.type_time, order.expiration) if same_end else checks.expiration_of(request, at)
    after = replace(
        order,
        price_open=request.price or order.price_open,
        stoplimit=request.stoplimit or order.stoplimit,
        sl=request.sl,
        tp=request.tp,
        type_time=type_time,
        expiration=expiration,
    )
    if after == order:
        raise Refused(Retcode.NO_CHANGES, "no changes")
    checks.check_order_free(book.symbol(order.symbol), order, book.tick(order.symbol))
    _check_pending(book, after)
    book.rest(after)
    return Result(retcode=Retcode.DONE, order=order.ticket, price=after.price_open, comment="done")


def _remove(book: Book, request: Request, dice: Dice, at: int) -> Result:
    order = checks.order_of(book, request)
    checks.check_open(book, order.symbol, at)
    checks.check_order_free(book.symbol(order.symbol), order, book.tick(order.symbol))
    book.end(replace(order, state=OrderState.CANCELED, time_done=at))
    return Result(retcode=Retcode.DONE, order=order.ticket, volume=order.volume_current, comment="done")


def _close_by(book: Book, request: Request, dice: Dice, at: int) -> Result:
    """Pair two opposite positions: two OUT_BY deals at each other's opening price, no spread paid."""
    position = checks.position_of(book, request)
    other = checks.position_of(book, replace(request, position=request.position_by))
    if not book.hedging or position.symbol != other.symbol or position.side is other.side:
        raise Refused(Retcode.INVALID, "CLOSE_BY takes two opposite positions of one symbol on a hedging account")
    checks.check_open(book, position.symbol, at)
    volume = min(position.volume, other.volume)
    ticket = book.tickets.order()
    first = Fill(
        order=ticket,
        symbol=position.symbol,
        side=position.side.opposite,
        volume=volume,
        requested=volume,
        price=other.price_open,
        at=at,
        magic=request.magic,
        comment=request.comment,
        reason=request.reason,
    )
    deal = book.reduce(first, position, Entry.OUT_BY)
    # both legs are booked at one price: the profit of the pair is in the first
    book.reduce(replace(first, side=other.side.opposite), other, Entry.OUT_BY)
    entry = replace(request, symbol=position.symbol, type=OrderType.CLOSE_BY, volume=volume)
    book.end(new_order(ticket, entry, OrderState.FILLED, at, price=deal.price, left=ZERO, position=deal.position))
    return Result(retcode=Retcode.DONE, deal=deal.ticket, order=ticket, volume=volume, price=deal.price, comment="done")


_ACTIONS: Final[Mapping[TradeAction, Callable[[Book, Request, Dice, int], Result]]] = {
    TradeAction.DEAL: _deal,
    TradeAction.PENDING: _pending,
    TradeAction.SLTP: _sltp,
    TradeAction.MODIFY: _modify,
    TradeAction.REMOVE: _remove,
    TradeAction.CLOSE_BY: _close_by,
}
