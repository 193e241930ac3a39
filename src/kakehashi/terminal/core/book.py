"""One account's book: balance, positions, resting orders, history, and what they are worth now."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec
from msgspec.structs import replace

from kakehashi.terminal.core import money as sums
from kakehashi.terminal.core.exposure import Exposure, Rates, Sums, netted, with_more
from kakehashi.terminal.core.kinds import DealKind, StopOutMode
from kakehashi.terminal.core.levels import Watch, stops_of, trigger_of
from kakehashi.terminal.core.market import Market
from kakehashi.terminal.core.words import (
    ZERO,
    AccountSpec,
    Deal,
    Entry,
    MarginMode,
    Order,
    OrderState,
    Position,
    Reason,
    Retcode,
    Side,
    Symbol,
    Tick,
)


class Refused(Exception):
    """The server says no: nothing was changed."""

    def __init__(self, retcode: Retcode, comment: str) -> None:
        super().__init__(f"{int(retcode)} {comment}")
        self.retcode = retcode
        self.comment = comment


class Tickets:
    """Numbers of orders, deals and payments, one sequence each for the whole server; a position takes its order's."""

    def __init__(self, last_order: int = 1_000_000, last_deal: int = 5_000_000, last_paid: int = 4_000_000) -> None:
        self.last_order = last_order
        self.last_deal = last_deal
        self.last_paid = last_paid

    def order(self) -> int:
        self.last_order += 1
        return self.last_order

    def deal(self) -> int:
        self.last_deal += 1
        return self.last_deal

    def payment(self) -> int:
        """Operations on balances are numbered apart: paying in does not renumber trades."""
        self.last_paid += 1
        return self.last_paid


class Fill(msgspec.Struct, frozen=True, kw_only=True):
    """An order meeting the market, before the book has said what it does to the positions."""

    order: int
    symbol: str
    side: Side
    volume: Decimal
    requested: Decimal
    price: Decimal
    at: int
    sl: Decimal = ZERO
    tp: Decimal = ZERO
    magic: int = 0
    comment: str = ""
    reason: Reason = Reason.EXPERT


class Book:
    """Owned by one :class:`~kakehashi.terminal.core.broker.Broker`; everything here happens at once.

    ``positions`` and ``orders`` are for reading: :meth:`hold`, :meth:`drop`, :meth:`rest` and :meth:`end` change them,
    and keep what is derived from them.

    :ivar rank: the account's number in what the server watches
    :ivar balance: the sum of all ``deals`` and ``payments``; ``credit`` is what the payments of that kind come to
    :ivar fresh_deals: deals since the server last wrote them down; likewise ``fresh_payments`` and ``fresh_done``
        (ended orders), and by ticket the positions and resting orders that came, changed or went
    :ivar queued: tickets of the market orders among ``orders`` that have been taken and not dealt yet
    :ivar changed: whether anything worth keeping changed since then
    """

    def __init__(self, spec: AccountSpec, market: Market, tickets: Tickets, watch: Watch, rank: int) -> None:
        market.rate("USD", spec.currency)  # an account that cannot be valued must not be opened
        self.spec = spec
        self.market = market
        self.tickets = tickets
        self.rank = rank
        self._watch = watch
        self._held: dict[str, Exposure] = {}
        self._sums = Sums()
        self._rates: dict[str, Rates] = {}
        self._cent = float(spec.cent)
        self.balance = self.credit = ZERO
        self.positions: dict[int, Position] = {}
        self.orders: dict[int, Order] = {}
        self.queued: set[int] = set()
        self.deals: list[Deal] = []
        self._by_order: dict[int, list[Deal]] = {}
        self._by_magic: dict[int, list[Deal]] = {}
        self._by_position: dict[int, list[Deal]] = {}
        self.payments: list[Deal] = []
        self.done: list[Order] = []
        self.fresh_deals: list[Deal] = []
        self.fresh_payments: list[Deal] = []
        self.fresh_done: list[Order] = []
        self.fresh_positions: set[int] = set()
        self.fresh_orders: set[int] = set()
        self.changed = True

    @property
    def hedging(self) -> bool:
        return self.spec.margin_mode is MarginMode.HEDGING

    def symbol(self, name: str) -> Symbol:
        """The specification behind an account's name for it (suffix included).

        :raises Refused: INVALID, there is no such symbol on this account
        """
        suffix = self.spec.suffix
        spec = self.market.symbols.get(name.removesuffix(suffix)) if name.endswith(suffix) else None
        if spec is None:
            raise Refused(Retcode.INVALID, f"unknown symbol {name}")
        return spec

    def hold(self, position: Position) -> None:
        """Open a position, or put its new state in place of the old."""
        before = self.positions.get(position.ticket)
        if before is not None:
            self._discount(before)
        self.positions[position.ticket] = position
        self.fresh_positions.add(position.ticket)
        held = self._held.get(position.symbol)
        if held is None:
            spec = self.symbol(position.symbol)
            held = self._held[position.symbol] = Exposure(spec, self._rates_of(spec))
        held.add(position, 1)
        self._sums.changed()
        for edge, points in stops_of(position, held.spec):
            self._watch.stops.add(held.spec.name, edge, points, self.rank, position.ticket)
        self.changed = True

    def drop(self, ticket: int) -> None:
        """A position is no more; without one of this ticket nothing happens."""
        position = self.positions.pop(ticket, None)
        if position is not None:
            self._discount(position)
            self.fresh_positions.add(ticket)
            self.changed = True

    def _discount(self, position: Position) -> None:
        held = self._held[position.symbol]
        held.add(position, -1)
        self._sums.changed()
        for edge, points in stops_of(position, held.spec):
            self._watch.stops.remove(held.spec.name, edge, points, self.rank, position.ticket)
        if not held.count:
            del self._held[position.symbol]

    def rest(self, order: Order) -> None:
        """Put a pending order among the resting ones, or its new state in place of the old."""
        before = self.orders.get(order.ticket)
        if before is not None:
            self._unwatch(before)
        spec = self.symbol(order.symbol)
        self.orders[order.ticket] = order
        self.fresh_orders.add(order.ticket)
        if order.state is OrderState.STARTED:
            self.queued.add(order.ticket)
        else:
            self._watch.orders.add(spec.name, *trigger_of(order, spec), self.rank, order.ticket)
        if order.expiration is not None:
            self._watch.expire(order.expiration, self.rank, order.ticket)
        self.changed = True

    def _unwatch(self, order: Order) -> None:
        spec = self.symbol(order.symbol)
        if order.state is OrderState.STARTED:
            self.queued.discard(order.ticket)
        else:
            self._watch.orders.remove(spec.name, *trigger_of(order, spec), self.rank, order.ticket)
        if order.expiration is not None:
            self._watch.keep(order.expiration, self.rank, order.ticket)

    def restore(
        self, balance: Decimal, positions: Iterable[Position], orders: Iterable[Order], payments: Iterable[Deal] = ()
    ) -> None:
        """Stand as it was written down; what stood before is forgotten."""
        for position in list(self.positions.values()):
            self.drop(position.ticket)
        for order in list(self.orders.values()):
            self._unwatch(self.orders.pop(order.ticket))
        self.balance = balance
        self.payments = list(payments)
        self.credit = sum((p.profit for p in self.payments if p.kind is DealKind.CREDIT), ZERO)
        for position in positions:
            self.hold(position)
        for order in orders:
            self.rest(order)
        self.written()

    def written(self) -> None:
        """All that is fresh has been written down."""
        self.fresh_deals, self.fresh_payments, self.fresh_done, self.changed = [], [], [], False
        self.fresh_positions.clear()
        self.fresh_orders.clear()

    def tick(self, name: str) -> Tick:
        return self.market.ticks[self.symbol(name).name]

    def money(self, amount: Decimal, currency: str) -> Decimal:
        """``amount`` in the account's currency, to its smallest unit."""
        rate = self.market.rate(currency, self.spec.currency)
        return (amount * rate).quantize(self.spec.cent, ROUND_HALF_EVEN)

    def gain(self, position: Position, volume: Decimal, price: Decimal) -> Decimal:
        """Profit of closing ``volume`` lots at ``price``, account currency, without swap and commission."""
        spec = self.symbol(position.symbol)
        return self.money(sums.profit(spec, position.side, volume, position.price_open, price), spec.profit)

    def floating(self, position: Position) -> Decimal:
        return self.gain(position, position.volume, self.tick(position.symbol).exit(position.side))

    def equity(self) -> Decimal:
        floating = sum((self.floating(p) + p.swap for p in self.positions.values()), ZERO)
        return self.balance + self.credit + floating

    def margin(self) -> Decimal:
        """Margin in use by open positions, account currency."""
        return sum((self.money(held.margin(), held.rates.margined_in) for held in self._held.values()), ZERO)

    def short_of(self, level: Decimal) -> bool:
        """Whether the account is below a margin call's or stop-out's level; nothing open is below nothing."""
        if not self.positions:
            return False
        equity = self.equity()
        if self.spec.so_mode is StopOutMode.MONEY:
            return equity < level
        margin = self.margin()
        return equity * 100 / margin < level if margin > 0 else equity < 0

    def surely_above(self, level: float, moved: str | None = None) -> bool:
        """The same the other way round and quickly; false where only an exact look would tell."""
        equity, margin, doubt = self.roughly(moved)
        if self.spec.so_mode is StopOutMode.MONEY:
            return equity - doubt > level
        return equity - doubt > (margin + doubt) * level / 100

    def _rates_of(self, spec: Symbol) -> Rates:
        found = self._rates.get(spec.name)
        if found is None:
            found = self._rates[spec.name] = Rates(
                spec, self.spec.leverage, self.market, self.spec.currency, hedging=self.hedging
            )
        return found

    def roughly(self, moved: str | None = None) -> tuple[float, float, float]:
        """Equity, margin, and how far each may be from the exact figure, which rounds every position to the cent.

        It costs what the number of symbols says, not that of positions: cheap enough for every tick.

        :param moved: the last quote is of this symbol: if it is the only new one, no other position is looked at
        """
        self._sums.look(self._held.values(), self.market, moved)
        equity, margin = float(self.balance + self.credit) + self._sums.worth, self._sums.needs
        doubt = (len(self.positions) + len(self._held) + 1) * self._cent + 1e-9 * (abs(equity) + margin)
        return equity, margin, doubt

    def more_margin(self, symbol: str, side: Side, volume: Decimal, price: Decimal) -> Decimal:
        """What an order would add to the margin in use; negative where it covers or reduces."""
        spec, held = self.symbol(symbol), self._held.get(symbol)
        lots = held.lots if held else sums.Lots(ZERO, ZERO, ZERO, ZERO)
        rates = self._rates_of(spec)
        after = netted(lots, side, volume, price) if not self.hedging else with_more(lots, side, volume, price)
        return self.money(rates.initial.of(after) - rates.initial.of(lots), rates.margined_in)

    def require_margin(self, symbol: str, side: Side, volume: Decimal, price: Decimal) -> None:
        """
        :raises Refused: NO_MONEY, this order would use more margin than there is equity
        """
        more = self.more_margin(symbol, side, volume, price)
        if more <= 0:
            return
        more += self.commission(volume) + self.fee(volume)
        equity, margin, doubt = self.roughly()
        if margin + float(more) < equity - 3 * doubt:
            return
        if self.margin() + more > self.equity():
            raise Refused(Retcode.NO_MONEY, "not enough money")

    def commission(self, volume: Decimal) -> Decimal:
        return (self.spec.commission_per_lot * volume).quantize(self.spec.cent)

    def fee(self, volume: Decimal) -> Decimal:
        return (self.spec.fee_per_lot * volume).quantize(self.spec.cent)

    def on_symbol(self, name: str) -> Position | None:
        """The netting position of a symbol."""
        return next((p for p in self.positions.values() if p.symbol == name), None)

    def take(self, fill: Fill, position: Position | None) -> Deal:
        """Book one fill: open, add, reduce or reverse, as the account's margin mode says.

        :param position: what a hedging account closes; None opens. A netting account finds its own.
        """
        if not self.hedging:
            position = self.on_symbol(fill.symbol)
        elif position is None:
            position = self.positions.get(fill.order)  # what an earlier part of the same order opened
        if position is None:
            return self.open(fill, identifier=fill.order)
        if position.side is fill.side:
            return self._add(fill, position)
        if fill.volume <= position.volume:
            return self.reduce(fill, position, Entry.OUT)
        return self._reverse(fill, position)

    def reduce(self, fill: Fill, position: Position, entry: Entry) -> Deal:
        """Close a part or all of one position, with its share of the swap."""
        share = position.swap * fill.volume / position.volume
        swap = position.swap if fill.volume == position.volume else share.quantize(self.spec.cent)
        profit = self.gain(position, fill.volume, fill.price)
        left = position.volume - fill.volume
        if left > 0:
            self.hold(replace(position, volume=left, swap=position.swap - swap, time_update=fill.at))
        else:
            self.drop(position.ticket)
        return self._deal(fill, position.identifier, entry, profit, swap)

    def remember(self, deal: Deal) -> None:
        """Put a deal into history."""
        self.deals.append(deal)
        self._by_order.setdefault(deal.order, []).append(deal)
        self._by_magic.setdefault(deal.magic, []).append(deal)
        self._by_position.setdefault(deal.position, []).append(deal)

    def pay(self, kind: DealKind, amount: Decimal, comment: str, at: int) -> Deal:
        """Move money without a trade; a CREDIT is the broker's, everything else the balance."""
        payment = Deal(
            account=self.spec.account,
            ticket=self.tickets.payment(),
            order=0,
            position=0,
            symbol="",
            side=Side.BUY,
            entry=Entry.IN,
            volume=ZERO,
            requested_volume=ZERO,
            price=ZERO,
            profit=amount,
            swap=ZERO,
            commission=ZERO,
            reason=Reason.CLIENT,
            magic=0,
            comment=comment,
            time=at,
            kind=kind,
        )
        self.balance += payment.paid
        if kind is DealKind.CREDIT:
            self.credit += amount
        self.payments.append(payment)
        self.fresh_payments.append(payment)
        self.changed = True
        return payment

    def cut_to_zero(self, at: int) -> None:
        """What is owed after everything was closed: the credit pays first, the broker forgives the rest."""
        owed = -self.balance
        if owed <= 0 or self.positions:
            return
        if used := min(self.credit, owed):
            self.pay(DealKind.CREDIT, -used, "credit used up", at)
        self.pay(DealKind.CORRECTION, owed, "negative balance protection", at)

    def deals_among(
        self, *, order: int | None, magic: int | None, after: int, position: int | None = None
    ) -> list[Deal]:
        """The deals to look through for these, oldest first; a long history must not slow an order down."""
        if order is not None:
            return self._by_order.get(order, [])
        if position is not None:
            return self._by_position.get(position, [])
        found = self.deals if magic is None else self._by_magic.get(magic, [])
        return found[bisect_right(found, after, key=lambda d: d.ticket) :] if after else found

    def deals_since(self, at: int) -> list[Deal]:
        """Oldest first."""
        return self.deals[bisect_left(self.deals, at, key=lambda d: d.time) :]

    def done_since(self, at: int) -> list[Order]:
        """Orders that ended at this time or later, oldest first."""
        return self.done[bisect_left(self.done, at, key=lambda o: o.time_done) :]

    def end(self, order: Order) -> None:
        """Put an order into history."""
        resting = self.orders.pop(order.ticket, None)
        if resting is not None:
            self._unwatch(resting)
        if not order.price_current:
            order = replace(order, price_current=self.tick(order.symbol).entry(order.type.side))
        self.done.append(order)
        self.fresh_done.append(order)
        self.changed = True

    def open(self, fill: Fill, *, identifier: int) -> Deal:
        """A new position, or one that is opened again under its old identifier."""
        self._put(fill, identifier, fill.volume)
        return self._deal(fill, identifier, Entry.IN, ZERO, ZERO)

    def _put(self, fill: Fill, identifier: int, volume: Decimal) -> None:
        position = Position(
            ticket=fill.order,
            identifier=identifier,
            symbol=fill.symbol,
            side=fill.side,
            volume=volume,
            price_open=fill.price,
            sl=fill.sl,
            tp=fill.tp,
            magic=fill.magic,
            comment=fill.comment,
            time=fill.at,
            time_update=fill.at,
            reason=fill.reason,
        )
        self.hold(position)

    def _add(self, fill: Fill, position: Position) -> Deal:
        total = position.volume + fill.volume
        average = (position.price_open * position.volume + fill.price * fill.volume) / total
        grown = replace(
            position,
            volume=total,
            price_open=average.quantize(self.symbol(fill.symbol).point / 1000),
            sl=fill.sl or position.sl,
            tp=fill.tp or position.tp,
            time_update=fill.at,
        )
        self.hold(grown)
        return self._deal(fill, position.identifier, Entry.IN, ZERO, ZERO)

    def _reverse(self, fill: Fill, position: Position) -> Deal:
        """One INOUT deal: the position keeps its identifier and takes the new order's ticket."""
        profit = self.gain(position, position.volume, fill.price)
        self.drop(position.ticket)
        self._put(fill, position.identifier, fill.volume - position.volume)
        return self._deal(fill, position.identifier, Entry.INOUT, profit, position.swap)

    def _deal(self, fill: Fill, identifier: int, entry: Entry, profit: Decimal, swap: Decimal) -> Deal:
        deal = Deal(
            account=self.spec.account,
            ticket=self.tickets.deal(),
            order=fill.order,
            position=identifier,
            symbol=fill.symbol,
            side=fill.side,
            entry=entry,
            volume=fill.volume,
            requested_volume=fill.requested,
            price=fill.price,
            profit=profit,
            swap=swap,
            commission=-self.commission(fill.volume),
            reason=fill.reason,
            magic=fill.magic,
            comment=fill.comment,
            time=fill.at,
            fee=-self.fee(fill.volume),
        )
        self.balance += deal.paid
        self.remember(deal)
        self.fresh_deals.append(deal)
        self.changed = True
        return deal
