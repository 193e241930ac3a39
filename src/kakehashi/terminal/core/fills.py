"""How orders turn into deals: what the market has of them, what the server closes, fills and re-opens by itself."""

from decimal import ROUND_DOWN, Decimal

from msgspec.structs import replace

from kakehashi.terminal.core.book import Book, Fill, Refused
from kakehashi.terminal.core.faults import Dice
from kakehashi.terminal.core.kinds import SwapMode
from kakehashi.terminal.core.money import reopened_at
from kakehashi.terminal.core.words import (
    ZERO,
    Deal,
    Filling,
    Order,
    OrderState,
    OrderType,
    Position,
    Reason,
    Request,
    Symbol,
    TradeAction,
)


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
    return fill_now(book, request, position.volume, price, position, at)


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
    price = book.tick(order.symbol).entry(order.type.side)
    try:
        book.require_margin(order.symbol, order.type.side, volume, price)
    except Refused as refusal:
        book.end(replace(order, state=OrderState.REJECTED, time_done=at, comment=refusal.comment))
        return
    if order.type.is_stop:
        price = dice.slipped(book.spec.account, spec, order.type.side, price)
    deal = book.take(_fill(order, order.ticket, volume, price, at), None)
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


def fill_now(
    book: Book,
    request: Request,
    volume: Decimal,
    price: Decimal,
    position: Position | None,
    at: int,
    *,
    ticket: int = 0,
    rests: bool = False,
) -> Deal:
    """A market order that nothing stands against: its deal, and its entry in the order history.

    :param ticket: of an order that has been taken before
    :param rests: what the market does not have goes on waiting for it (RETURN)
    """
    began = book.orders[ticket].time_setup if ticket in book.orders else at
    ticket = ticket or book.tickets.order()
    deal = book.take(_fill(request, ticket, volume, price, at), position)
    left = request.volume - volume
    state = OrderState.PARTIAL if left else OrderState.FILLED
    order = new_order(ticket, request, state, at, price=deal.price, left=left, position=deal.position)
    if rests and left:
        book.rest(replace(order, time_setup=began, time_done=0))
    else:
        book.end(replace(order, time_setup=began))
    return deal


def _fill(of: Order | Request, ticket: int, volume: Decimal, price: Decimal, at: int) -> Fill:
    """So many lots of what was asked for, dealt at a price."""
    return Fill(
        order=ticket,
        symbol=of.symbol,
        side=of.type.side,
        volume=volume,
        requested=of.volume_initial if isinstance(of, Order) else of.volume,
        price=price,
        at=at,
        sl=of.sl,
        tp=of.tp,
        magic=of.magic,
        comment=of.comment,
        reason=of.reason,
    )


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
        reason=Reason.CLIENT if request.reason is Reason.ROLLOVER else request.reason,  # only deals know that one
        time_setup=at,
        time_done=0 if state in (OrderState.PLACED, OrderState.STARTED) else at,
        position_id=position,
        filling=request.filling or (Filling.RETURN if request.type.is_pending else Filling.FOK),
    )


def roll_over(book: Book, position: Position, nights: int, at: int) -> None:
    """Swap by re-opening: closed at the day's last price, opened again some points away. The identifier stays, the
    ticket is the new order's.
    """
    spec, tick = book.symbol(position.symbol), book.tick(position.symbol)
    price = tick.bid if spec.swap_mode is SwapMode.REOPEN_BID else tick.exit(position.side)
    closing = Request(
        action=TradeAction.DEAL,
        symbol=position.symbol,
        type=OrderType(position.side.opposite.value),
        volume=position.volume,
        reason=Reason.ROLLOVER,
    )
    fill_now(book, closing, position.volume, price, position, at)
    ticket = book.tickets.order()
    opening = replace(closing, type=OrderType(position.side.value), magic=position.magic, comment=position.comment)
    fill = _fill(opening, ticket, position.volume, reopened_at(spec, position.side, price, nights), at)
    deal = book.open(replace(fill, sl=position.sl, tp=position.tp), identifier=position.identifier)
    book.hold(replace(book.positions[ticket], reason=position.reason))
    book.end(new_order(ticket, opening, OrderState.FILLED, at, price=deal.price, position=deal.position))
