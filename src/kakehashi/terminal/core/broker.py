"""The trade server's rules: requests in, answers out, and what every tick sets off.

Synchronous and without I/O: the caller brings the time and writes down what ``fresh_deals`` says.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from kakehashi.terminal.core import checks
from kakehashi.terminal.core.book import Book, Fill, Refused, Tickets
from kakehashi.terminal.core.market import SYMBOLS, Market
from kakehashi.terminal.core.words import (
    ZERO,
    AccountSpec,
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
    Side,
    Symbol,
    TradeAction,
)

_DAY_MS: Final = 86_400_000
_NIGHTS: Final = (1, 1, 3, 1, 1, 0, 0)
"""Swap nights charged at the end of Monday to Sunday: the weekend is charged on Wednesday."""


class Broker:
    """All accounts of one trade server. The same seed and calls give the same deals.

    :ivar liquidity: most lots one market order gets, by symbol without suffix; absent is without limit
    """

    def __init__(self, *, seed: int, at: int, symbols: Iterable[Symbol] = SYMBOLS, strict: bool = False) -> None:
        self.market = Market(symbols, seed, at)
        self.tickets = Tickets()
        self.books: dict[str, Book] = {}
        self.liquidity: dict[str, Decimal] = {}
        self._strict = strict
        self._day = at // _DAY_MS

    def open_account(self, spec: AccountSpec) -> Book:
        """
        :raises ValueError: the name or number is taken, or no quotes lead to the currency
        """
        if self.find(spec.account) or self.find(spec.number):
            raise ValueError(f"account {spec.account} ({spec.number}) exists already")
        book = self.books[spec.account] = Book(spec, self.market, self.tickets)
        return book

    def find(self, account: str) -> Book | None:
        """By name, else by number."""
        book = self.books.get(account)
        return book or next((b for b in self.books.values() if b.spec.number == account), None)

    def login(self, spec: AccountSpec) -> Book:
        """The account as it is; one that does not exist is opened as ``spec`` says, unless strict.

        :raises ValueError: unknown and strict, or :meth:`open_account`'s reasons
        """
        book = self.find(spec.account)
        if book is not None:
            return book
        if self._strict:
            raise ValueError(f"no account {spec.account}: add it to the accounts file, or run without --strict")
        return self.open_account(spec)

    def order_send(self, account: str, request: Request, at: int) -> Result:
        """One trade request to its end; a refusal changes nothing.

        :raises ValueError: no such account (a terminal that never logged in)
        """
        book = self.find(account)
        if book is None:
            raise ValueError(f"no account {account}: log in first")
        try:
            result = _ACTIONS[request.action](self, book, request, at)
        except Refused as refusal:
            return Result(retcode=int(refusal.retcode), comment=refusal.comment)
        book.changed = True
        if not request.symbol:
            return result
        tick = book.tick(request.symbol)
        return replace(result, bid=tick.bid, ask=tick.ask)

    def tick(self, at: int) -> None:
        """Move every price by one step, then let the market act on orders and positions."""
        self.market.move(at)
        self._charge_swaps(at)
        self.act(at)

    def act(self, at: int) -> None:
        """What the present prices set off: expiry, pending orders, stops and targets, stop-out."""
        for book in self.books.values():
            for order in list(book.orders.values()):
                self._try_pending(book, order, at)
            for position in list(book.positions.values()):
                _try_exit(self, book, position, at)
            self._stop_out(book, at)

    def _try_pending(self, book: Book, order: Order, at: int) -> None:
        if order.expiration is not None and at >= order.expiration:
            book.end(replace(order, state=OrderState.EXPIRED, time_done=at))
            return
        market = book.tick(order.symbol).entry(order.type.side)
        below = order.type in (OrderType.BUY_LIMIT, OrderType.SELL_STOP)
        if market > order.price_open if below else market < order.price_open:
            return
        try:
            book.require_margin(order.symbol, order.type.side, order.volume_current)
        except Refused as refusal:
            book.end(replace(order, state=OrderState.REJECTED, time_done=at, comment=refusal.comment))
            return
        fill = Fill(
            order=order.ticket,
            symbol=order.symbol,
            side=order.type.side,
            volume=order.volume_current,
            requested=order.volume_initial,
            price=market,
            at=at,
            sl=order.sl,
            tp=order.tp,
            magic=order.magic,
            comment=order.comment,
            reason=order.reason,
        )
        deal = book.take(fill, None)
        done = replace(order, state=OrderState.FILLED, volume_current=ZERO, time_done=at, position_id=deal.position)
        book.end(done)

    def _stop_out(self, book: Book, at: int) -> None:
        """Close the most losing position until the margin level is back, or nothing is left."""
        while book.positions:
            margin, equity = book.margin(), book.equity()
            if margin <= 0 and equity >= 0:
                return
            if margin > 0 and equity * 100 / margin >= book.spec.so_so:
                return
            worst = min(book.positions.values(), key=lambda p: (book.floating(p) + p.swap, p.ticket))
            close_by_server(self, book, worst, Reason.SO, f"so {equity}/{margin}", at)

    def _charge_swaps(self, at: int) -> None:
        while self._day < at // _DAY_MS:
            nights = _NIGHTS[(self._day + 3) % 7]  # 1970-01-01 was a Thursday
            self._day += 1
            if nights:
                for book in self.books.values():
                    _charge_swap(book, nights)


def _charge_swap(book: Book, nights: int) -> None:
    for position in list(book.positions.values()):
        spec = book.symbol(position.symbol)
        points = spec.swap_long if position.side is Side.BUY else spec.swap_short
        amount = book.money(points * spec.point * spec.contract_size * position.volume * nights, spec.profit)
        book.positions[position.ticket] = replace(position, swap=position.swap + amount)
        book.changed = True


def _try_exit(broker: Broker, book: Book, position: Position, at: int) -> None:
    """SL and TP fill at the market, so a gap costs what it costs. Levels of a buy are tested on the bid.

    The position is read anew: a pending order of a netting account may just have changed it.
    """
    held = book.positions.get(position.ticket)
    if held is None:
        return
    price, sign = book.tick(held.symbol).exit(held.side), held.side.sign
    if held.sl and (price - held.sl) * sign <= 0:
        close_by_server(broker, book, held, Reason.SL, f"[sl {held.sl}]", at)
    elif held.tp and (price - held.tp) * sign >= 0:
        close_by_server(broker, book, held, Reason.TP, f"[tp {held.tp}]", at)


def close_by_server(broker: Broker, book: Book, position: Position, reason: Reason, comment: str, at: int) -> Deal:
    """Close all of one position without a request; such deals carry no magic of ours."""
    request = Request(
        action=TradeAction.DEAL,
        symbol=position.symbol,
        type=OrderType(position.side.opposite.value),
        volume=position.volume,
        comment=comment,
        reason=reason,
    )
    return _fill(broker, book, request, position.volume, position, at)


def _fill(broker: Broker, book: Book, request: Request, volume: Decimal, position: Position | None, at: int) -> Deal:
    """A market order that nothing stands against: its deal, and its entry in the order history."""
    ticket = broker.tickets.order()
    side = request.type.side
    fill = Fill(
        order=ticket,
        symbol=request.symbol,
        side=side,
        volume=volume,
        requested=request.volume,
        price=book.tick(request.symbol).entry(side),
        at=at,
        sl=request.sl,
        tp=request.tp,
        magic=request.magic,
        comment=request.comment,
        reason=request.reason,
    )
    deal = book.take(fill, position)
    state = OrderState.FILLED if volume == request.volume else OrderState.PARTIAL
    book.end(_order(ticket, request, state, at, price=deal.price, left=request.volume - volume, position=deal.position))
    return deal


def _order(
    ticket: int, request: Request, state: OrderState, at: int, *, price: Decimal, left: Decimal, position: int = 0
) -> Order:
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
        time_done=0 if state is OrderState.PLACED else at,
        expiration=request.expiration,
        position_id=position,
    )


def _deal(broker: Broker, book: Book, request: Request, at: int) -> Result:
    spec, side, tick = book.symbol(request.symbol), request.type.side, book.tick(request.symbol)
    if request.type not in (OrderType.BUY, OrderType.SELL):
        raise Refused(Retcode.INVALID, f"DEAL takes BUY or SELL, got {request.type}")
    checks.check_volume(spec, request.volume)
    checks.check_market_filling(request.filling)
    position = None
    if request.position:
        position = checks.position_of(book, request)
        if position.side is side:
            raise Refused(Retcode.INVALID, f"{side} does not close the {position.side} position {position.ticket}")
        if request.volume > position.volume:
            raise Refused(Retcode.INVALID_CLOSE_VOLUME, f"{request.volume} of {position.volume} lots")
        checks.check_position_free(spec, position, tick)
    else:
        checks.check_stops(spec, side, request.sl, request.tp, tick.exit(side))
        checks.check_volume_limit(book, spec, request.symbol, side, request.volume)
    volume = min(request.volume, broker.liquidity.get(spec.name, request.volume))
    if volume < spec.vol_min or (volume < request.volume and request.filling is Filling.FOK):
        raise Refused(Retcode.REJECT, f"no liquidity for {request.volume} lots of {request.symbol}")
    if position is None:
        book.require_margin(request.symbol, side, volume)
    deal = _fill(broker, book, request, volume, position, at)
    retcode = Retcode.DONE if volume == request.volume else Retcode.DONE_PARTIAL
    return Result(retcode=retcode, deal=deal.ticket, order=deal.order, volume=volume, price=deal.price, comment="done")


def _pending(broker: Broker, book: Book, request: Request, at: int) -> Result:
    spec, tick = book.symbol(request.symbol), book.tick(request.symbol)
    if not request.type.is_pending:
        raise Refused(Retcode.INVALID, f"PENDING takes a limit or stop order, got {request.type}")
    if request.filling not in (None, Filling.RETURN):
        raise Refused(Retcode.INVALID_FILL, "unsupported filling mode: pending orders are RETURN")
    if request.expiration is not None and request.expiration <= at:
        raise Refused(Retcode.INVALID_EXPIRATION, "the expiration has passed")
    checks.check_volume(spec, request.volume)
    checks.check_pending_price(spec, request.type, request.price, tick)
    checks.check_stops(spec, request.type.side, request.sl, request.tp, request.price)
    checks.check_volume_limit(book, spec, request.symbol, request.type.side, request.volume)
    if len(book.orders) >= book.spec.limit_orders:
        raise Refused(Retcode.LIMIT_ORDERS, f"at most {book.spec.limit_orders} pending orders")
    ticket = broker.tickets.order()
    order = _order(ticket, request, OrderState.PLACED, at, price=request.price, left=request.volume)
    book.orders[ticket] = order
    # DONE, not PLACED: the request itself is finished; 10008 is for requests still on their way
    return Result(retcode=Retcode.DONE, order=ticket, volume=request.volume, price=request.price, comment="placed")


def _sltp(broker: Broker, book: Book, request: Request, at: int) -> Result:
    position = checks.position_of(book, request)
    spec, tick = book.symbol(position.symbol), book.tick(position.symbol)
    if (request.sl, request.tp) == (position.sl, position.tp):
        raise Refused(Retcode.NO_CHANGES, "no changes")
    checks.check_position_free(spec, position, tick)
    sl = request.sl if request.sl != position.sl else ZERO
    tp = request.tp if request.tp != position.tp else ZERO
    checks.check_stops(spec, position.side, sl, tp, tick.exit(position.side))
    book.positions[position.ticket] = replace(position, sl=request.sl, tp=request.tp)
    return Result(retcode=Retcode.DONE, volume=position.volume, comment="done")


def _modify(broker: Broker, book: Book, request: Request, at: int) -> Result:
    order = checks.order_of(book, request)
    spec, tick = book.symbol(order.symbol), book.tick(order.symbol)
    after = replace(
        order,
        price_open=request.price or order.price_open,
        sl=request.sl,
        tp=request.tp,
        expiration=request.expiration,
    )
    if after == order:
        raise Refused(Retcode.NO_CHANGES, "no changes")
    if request.expiration is not None and request.expiration <= at:
        raise Refused(Retcode.INVALID_EXPIRATION, "the expiration has passed")
    checks.check_order_free(spec, order, tick)
    checks.check_pending_price(spec, order.type, after.price_open, tick)
    checks.check_stops(spec, order.type.side, after.sl, after.tp, after.price_open)
    book.orders[order.ticket] = after
    return Result(retcode=Retcode.DONE, order=order.ticket, price=after.price_open, comment="done")


def _remove(broker: Broker, book: Book, request: Request, at: int) -> Result:
    order = checks.order_of(book, request)
    checks.check_order_free(book.symbol(order.symbol), order, book.tick(order.symbol))
    book.end(replace(order, state=OrderState.CANCELED, time_done=at))
    return Result(retcode=Retcode.DONE, order=order.ticket, volume=order.volume_current, comment="done")


def _close_by(broker: Broker, book: Book, request: Request, at: int) -> Result:
    """Pair two opposite positions: two OUT_BY deals at each other's opening price, no spread paid."""
    position = checks.position_of(book, request)
    other = checks.position_of(book, replace(request, position=request.position_by))
    if not book.hedging or position.symbol != other.symbol or position.side is other.side:
        raise Refused(Retcode.INVALID, "CLOSE_BY takes two opposite positions of one symbol on a hedging account")
    volume = min(position.volume, other.volume)
    ticket = broker.tickets.order()
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
    book.end(_order(ticket, entry, OrderState.FILLED, at, price=deal.price, left=ZERO, position=deal.position))
    return Result(retcode=Retcode.DONE, deal=deal.ticket, order=ticket, volume=volume, price=deal.price, comment="done")


_ACTIONS: Final = {
    TradeAction.DEAL: _deal,
    TradeAction.PENDING: _pending,
    TradeAction.SLTP: _sltp,
    TradeAction.MODIFY: _modify,
    TradeAction.REMOVE: _remove,
    TradeAction.CLOSE_BY: _close_by,
}
