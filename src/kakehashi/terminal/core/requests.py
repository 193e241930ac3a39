"""What each trade request does to a book."""

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

import msgspec
from msgspec.structs import replace

from kakehashi.terminal.core import checks
from kakehashi.terminal.core.book import Book, Fill, Refused
from kakehashi.terminal.core.faults import Dice
from kakehashi.terminal.core.fills import available, fill_now, new_order
from kakehashi.terminal.core.kinds import Execution
from kakehashi.terminal.core.words import (
    ZERO,
    CheckResult,
    Entry,
    Filling,
    Order,
    OrderState,
    OrderType,
    Position,
    Request,
    Result,
    Retcode,
    Side,
    TradeAction,
)


def perform(book: Book, request: Request, dice: Dice, at: int) -> Result:
    """
    :raises Refused: nothing was changed
    """
    checks.check_permission(book, request.reason)
    return _ACTIONS[request.action](book, request, dice, at)


def check(book: Book, request: Request, at: int) -> CheckResult:
    """What :func:`perform` would make of it, as far as rules tell: faults and thin markets come as they come."""
    more = ZERO
    try:
        checks.check_permission(book, request.reason)
        if request.action is TradeAction.DEAL:
            _check_deal(book, request, at)
            more = _more_margin(book, request, book.tick(request.symbol).entry(request.type.side))
        elif request.action is TradeAction.PENDING:
            order = _check_pending(book, request, at)
            more = _more_margin(book, request, order.price_open)
        else:
            _CHECKS[request.action](book, request, at)
    except Refused as refusal:
        return CheckResult(retcode=int(refusal.retcode), comment=refusal.comment)
    equity, margin = book.equity(), book.margin() + more
    return CheckResult(
        retcode=int(Retcode.NO_MONEY) if more > 0 and margin > equity else 0,
        balance=book.balance,
        equity=equity,
        profit=equity - book.balance - book.credit,
        margin=margin,
        margin_free=equity - margin,
        margin_level=(equity * 100 / margin).quantize(Decimal("0.01")) if margin > 0 else None,
        comment="Done" if more <= 0 or margin <= equity else "not enough money",
    )


def _more_margin(book: Book, request: Request, price: Decimal) -> Decimal:
    """A position that is named is closed: its margin comes free, whatever the account's mode."""
    side, volume = request.type.side, request.volume
    if request.position and book.hedging:
        held = checks.position_of(book, request)
        side, volume, price = held.side, -volume, held.price_open
    return book.more_margin(request.symbol, side, volume, price)


class _Deal(msgspec.Struct, frozen=True):
    """A market order that nothing forbids; ``volume``: as much of it as the market has."""

    position: Position | None
    volume: Decimal
    rests: bool


def _deal(book: Book, request: Request, dice: Dice, at: int) -> Result:
    if request.position and not book.hedging and dice.sides_only(book.spec.account):
        request = replace(request, position=0)
    checked = _check_deal(book, request, at)
    _let_pass(book, dice, market_order=True)
    if wait_ms := dice.queued_ms(book.spec.account):
        return _queue(book, request, checked, at, wait_ms)
    if request.filling is not Filling.FOK:
        part = dice.part_of(book.spec.account, book.symbol(request.symbol), checked.volume)
        checked = replace(checked, volume=part)
    return _execute(book, request, checked, dice, at, ticket=0)


def execute_queued(book: Book, order: Order, dice: Dice, at: int) -> None:
    """A market order that was answered 10008 comes to be dealt; what is against it now makes it REJECTED."""
    named = next((p for p in book.positions.values() if p.identifier == order.position_id), None)
    if order.position_id and named is None:
        book.end(replace(order, state=OrderState.REJECTED, time_done=at, expiration=None))
        return
    request = Request(
        action=TradeAction.DEAL,
        symbol=order.symbol,
        type=order.type,
        volume=order.volume_initial,
        price=order.price_open,
        sl=order.sl,
        tp=order.tp,
        position=named.ticket if named else 0,
        filling=order.filling,
        magic=order.magic,
        comment=order.comment,
        reason=order.reason,
    )
    try:
        _execute(book, request, _check_deal(book, request, at, queued=True), dice, at, ticket=order.ticket)
    except Refused as refusal:
        done = replace(order, state=OrderState.REJECTED, time_done=at, expiration=None, comment=refusal.comment)
        book.end(done)


def _queue(book: Book, request: Request, checked: _Deal, at: int, wait_ms: int) -> Result:
    position = checked.position.identifier if checked.position else 0
    ticket = book.tickets.order()
    left = request.volume
    order = new_order(ticket, request, OrderState.STARTED, at, price=request.price, left=left, position=position)
    book.rest(replace(order, expiration=at + wait_ms))
    return Result(retcode=Retcode.PLACED, order=ticket, volume=left, comment="placed")


def _execute(book: Book, request: Request, checked: _Deal, dice: Dice, at: int, *, ticket: int) -> Result:
    spec, side = book.symbol(request.symbol), request.type.side
    price = book.tick(request.symbol).entry(side)
    if spec.execution in (Execution.MARKET, Execution.EXCHANGE):
        price = dice.slipped(book.spec.account, spec, side, price)
    volume, position = checked.volume, checked.position
    deal = fill_now(book, request, volume, price, position, at, ticket=ticket, rests=checked.rests)
    retcode = Retcode.DONE if volume == request.volume else Retcode.DONE_PARTIAL
    return Result(retcode=retcode, deal=deal.ticket, order=deal.order, volume=volume, price=deal.price, comment="done")


def _check_deal(book: Book, request: Request, at: int, *, queued: bool = False) -> _Deal:
    """
    :param queued: it was taken before, with this order now being its own
    :raises Refused: as the rules say, the first of them that it breaks
    """
    spec, side, tick = book.symbol(request.symbol), request.type.side, book.tick(request.symbol)
    if request.type not in (OrderType.BUY, OrderType.SELL):
        raise Refused(Retcode.INVALID, f"DEAL takes BUY or SELL, got {request.type}")
    checks.check_open(book, request.symbol, at)
    checks.check_kind(spec, request.type)
    checks.check_volume(spec, request.volume)
    checks.check_market_filling(spec, request.filling)
    if not queued:
        checks.check_deal_price(spec, request, tick)
    position = checks.position_of(book, request) if request.position else None
    checks.check_direction(spec, side, closes=position is not None or _reduces(book, request))
    if position is not None:
        _check_closing(book, request, position, queued=queued)
    else:
        checks.check_stops(spec, side, request.sl, request.tp, tick.exit(side))
        checks.check_volume_limit(book, spec, request.symbol, side, request.volume)
        checks.check_positions_limit(book, request.symbol)
    volume = available(book, spec, request.volume)
    if not volume or (volume < request.volume and request.filling is Filling.FOK):
        raise Refused(Retcode.REJECT, f"no liquidity for {request.volume} lots of {request.symbol}")
    if position is None:
        book.require_margin(request.symbol, side, volume, tick.entry(side))
    return _Deal(position, volume, rests=position is None and request.filling is Filling.RETURN)


def _check_closing(book: Book, request: Request, position: Position, *, queued: bool) -> None:
    side = request.type.side
    if position.side is side:
        raise Refused(Retcode.INVALID, f"{side} does not close the {position.side} position {position.ticket}")
    if request.volume > position.volume:
        raise Refused(Retcode.INVALID_CLOSE_VOLUME, f"{request.volume} of {position.volume} lots")
    if not queued:
        checks.check_not_closing(book, position)
    checks.check_fifo(book, position)
    checks.check_position_free(book.symbol(request.symbol), position, book.tick(request.symbol))


def _reduces(book: Book, request: Request) -> bool:
    """On a netting account an order the other way closes, as far as there is something to close."""
    held = None if book.hedging else book.on_symbol(request.symbol)
    return held is not None and held.side is not request.type.side and request.volume <= held.volume


def _let_pass(book: Book, dice: Dice, *, market_order: bool) -> None:
    """
    :raises Refused: a fault was asked for, and this request drew it
    """
    if refusal := dice.refusal(book.spec.account, market_order=market_order):
        raise Refused(*refusal)


def _pending(book: Book, request: Request, dice: Dice, at: int) -> Result:
    order = _check_pending(book, request, at)
    _let_pass(book, dice, market_order=False)
    order = replace(order, ticket=book.tickets.order())
    book.rest(order)
    # DONE, not PLACED: the request itself is finished; 10008 is for requests still on their way
    return Result(
        retcode=Retcode.DONE, order=order.ticket, volume=request.volume, price=request.price, comment="placed"
    )


def _check_pending(book: Book, request: Request, at: int) -> Order:
    """The order as it would rest, without a ticket. Its price is looked at before its filling mode."""
    spec, side = book.symbol(request.symbol), request.type.side
    if not request.type.is_pending:
        raise Refused(Retcode.INVALID, f"PENDING takes a limit or stop order, got {request.type}")
    checks.check_open(book, request.symbol, at)
    checks.check_kind(spec, request.type)
    checks.check_direction(spec, side, closes=False)
    checks.check_volume(spec, request.volume)
    order = new_order(0, request, OrderState.PLACED, at, price=request.price, left=request.volume)
    order = replace(order, stoplimit=request.stoplimit)
    _check_prices(book, order)
    checks.check_pending_filling(spec, request.type, request.filling)
    type_time, expiration = checks.expiration_of(spec, request, at)
    checks.check_volume_limit(book, spec, request.symbol, side, request.volume)
    if len(book.orders) >= book.spec.limit_orders:
        raise Refused(Retcode.LIMIT_ORDERS, f"at most {book.spec.limit_orders} pending orders")
    return replace(order, type_time=type_time, expiration=expiration)


def _check_prices(book: Book, order: Order) -> None:
    """The order's prices against the market, its stops against the price that it will open at."""
    spec, tick = book.symbol(order.symbol), book.tick(order.symbol)
    checks.check_pending_price(spec, order, tick)
    opens_at = order.stoplimit if order.type.is_stop_limit else order.price_open
    checks.check_stops(spec, order.type.side, order.sl, order.tp, opens_at)


def _sltp(book: Book, request: Request, dice: Dice, at: int) -> Result:
    position = _check_sltp(book, request, at)
    book.hold(replace(position, sl=request.sl, tp=request.tp, time_update=at))
    return Result(retcode=Retcode.DONE, volume=position.volume, comment="done")


def _check_sltp(book: Book, request: Request, at: int) -> Position:
    position = checks.position_of(book, request)
    spec, tick = book.symbol(position.symbol), book.tick(position.symbol)
    checks.check_open(book, position.symbol, at)
    if (request.sl, request.tp) == (position.sl, position.tp):
        raise Refused(Retcode.NO_CHANGES, "no changes")
    checks.check_position_free(spec, position, tick)
    sl = request.sl if request.sl != position.sl else ZERO
    tp = request.tp if request.tp != position.tp else ZERO
    checks.check_stops(spec, position.side, sl, tp, tick.exit(position.side))
    return position


def _modify(book: Book, request: Request, dice: Dice, at: int) -> Result:
    after = _check_modify(book, request, at)
    book.rest(after)
    return Result(retcode=Retcode.DONE, order=after.ticket, price=after.price_open, comment="done")


def _check_modify(book: Book, request: Request, at: int) -> Order:
    """The order as it would be afterwards."""
    order = checks.order_of(book, request)
    spec = book.symbol(order.symbol)
    checks.check_open(book, order.symbol, at)
    same_end = request.type_time is None and request.expiration == order.expiration
    type_time, expiration = (order.type_time, order.expiration) if same_end else checks.expiration_of(spec, request, at)
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
    checks.check_order_free(spec, order, book.tick(order.symbol))
    _check_prices(book, after)
    return after


def _remove(book: Book, request: Request, dice: Dice, at: int) -> Result:
    order = _check_remove(book, request, at)
    book.end(replace(order, state=OrderState.CANCELED, time_done=at))
    return Result(retcode=Retcode.DONE, order=order.ticket, volume=order.volume_current, comment="done")


def _check_remove(book: Book, request: Request, at: int) -> Order:
    order = checks.order_of(book, request)
    checks.check_open(book, order.symbol, at)
    checks.check_order_free(book.symbol(order.symbol), order, book.tick(order.symbol))
    return order


def _close_by(book: Book, request: Request, dice: Dice, at: int) -> Result:
    """Pair two opposite positions: two OUT_BY deals at each other's opening price, no spread paid."""
    position, other = _check_close_by(book, request, at)
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
    order = new_order(ticket, entry, OrderState.FILLED, at, price=deal.price, left=ZERO, position=deal.position)
    book.end(replace(order, position_by_id=other.identifier))
    return Result(retcode=Retcode.DONE, deal=deal.ticket, order=ticket, volume=volume, price=deal.price, comment="done")


def _check_close_by(book: Book, request: Request, at: int) -> tuple[Position, Position]:
    position = checks.position_of(book, request)
    other = checks.position_of(book, replace(request, position=request.position_by))
    if not book.hedging or position.symbol != other.symbol or position.side is other.side:
        raise Refused(Retcode.INVALID, "CLOSE_BY takes two opposite positions of one symbol on a hedging account")
    spec = book.symbol(position.symbol)
    checks.check_open(book, position.symbol, at)
    checks.check_kind(spec, OrderType.CLOSE_BY)
    checks.check_direction(spec, Side.BUY, closes=True)
    for leg in (position, other):
        checks.check_not_closing(book, leg)
        checks.check_position_free(spec, leg, book.tick(position.symbol))
    checks.check_fifo(book, min(position, other, key=lambda p: p.ticket))
    return position, other


_CHECKS: Final[Mapping[TradeAction, Callable[[Book, Request, int], object]]] = {
    TradeAction.SLTP: _check_sltp,
    TradeAction.MODIFY: _check_modify,
    TradeAction.REMOVE: _check_remove,
    TradeAction.CLOSE_BY: _check_close_by,
}

_ACTIONS: Final[Mapping[TradeAction, Callable[[Book, Request, Dice, int], Result]]] = {
    TradeAction.DEAL: _deal,
    TradeAction.PENDING: _pending,
    TradeAction.SLTP: _sltp,
    TradeAction.MODIFY: _modify,
    TradeAction.REMOVE: _remove,
    TradeAction.CLOSE_BY: _close_by,
}
