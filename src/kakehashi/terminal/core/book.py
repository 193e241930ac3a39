"""One account's book: balance, positions, resting orders, history, and what they are worth now."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping
from decimal import ROUND_HALF_EVEN, Decimal

import msgspec
from msgspec.structs import replace

from kakehashi.terminal.core.levels import AT_ONCE, Edge, Watch
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
    """Order and deal numbers, one sequence each for the whole server; a position takes its order's."""

    def __init__(self, last_order: int = 1_000_000, last_deal: int = 5_000_000) -> None:
        self.last_order = last_order
        self.last_deal = last_deal

    def order(self) -> int:
        self.last_order += 1
        return self.last_order

    def deal(self) -> int:
        self.last_deal += 1
        return self.last_deal


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


class Exposure:
    """All positions of one symbol on one account, added up; as floats too, for what is asked at every tick."""

    def __init__(self, spec: Symbol) -> None:
        self.spec = spec
        self.contract, self.hedged = float(spec.contract_size), float(spec.margin_hedged)
        self.bought = self.sold = self.paid = self.got = self.swap = ZERO
        self.rough = (0.0, 0.0, 0.0, 0.0, 0.0)

    def count(self, p: Position, sign: int) -> None:
        """Add a position, or with -1 take it away."""
        if p.side is Side.BUY:
            self.bought += p.volume * sign
            self.paid += p.volume * p.price_open * sign
        else:
            self.sold += p.volume * sign
            self.got += p.volume * p.price_open * sign
        self.swap += p.swap * sign
        self.rough = (float(self.bought), float(self.sold), float(self.paid), float(self.got), float(self.swap))


class Book:
    """Owned by one :class:`~kakehashi.terminal.core.broker.Broker`; everything here happens at once.

    ``positions`` and ``orders`` are for reading: :meth:`hold`, :meth:`drop`, :meth:`rest` and :meth:`end` change them,
    and keep what is derived from them.

    :ivar rank: the account's number in what the server watches
    :ivar fresh_deals: deals since the server last wrote them down; likewise ``fresh_done`` (ended orders), and by ticket
        the positions and resting orders that came, changed or went
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
        self.balance = spec.balance
        self.positions: dict[int, Position] = {}
        self.orders: dict[int, Order] = {}
        self.deals: list[Deal] = []
        self._by_order: dict[int, list[Deal]] = {}
        self._by_magic: dict[int, list[Deal]] = {}
        self.done: list[Order] = []
        self.fresh_deals: list[Deal] = []
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
            held = self._held[position.symbol] = Exposure(self.symbol(position.symbol))
        held.count(position, 1)
        for edge, points in _stops(position, held.spec):
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
        held.count(position, -1)
        for edge, points in _stops(position, held.spec):
            self._watch.stops.remove(held.spec.name, edge, points, self.rank, position.ticket)
        if not held.bought and not held.sold:
            del self._held[position.symbol]

    def rest(self, order: Order) -> None:
        """Put a pending order among the resting ones, or its new state in place of the old."""
        before = self.orders.get(order.ticket)
        if before is not None:
            self._unwatch(before)
        spec = self.symbol(order.symbol)
        self.orders[order.ticket] = order
        self.fresh_orders.add(order.ticket)
        self._watch.orders.add(spec.name, *_trigger(order, spec), self.rank, order.ticket)
        if order.expiration is not None:
            self._watch.expire(order.expiration, self.rank, order.ticket)
        self.changed = True

    def _unwatch(self, order: Order) -> None:
        spec = self.symbol(order.symbol)
        self._watch.orders.remove(spec.name, *_trigger(order, spec), self.rank, order.ticket)
        if order.expiration is not None:
            self._watch.keep(order.expiration, self.rank, order.ticket)

    def restore(self, balance: Decimal, positions: Iterable[Position], orders: Iterable[Order]) -> None:
        """Stand as it was written down; what stood before is forgotten."""
        for position in list(self.positions.values()):
            self.drop(position.ticket)
        for order in list(self.orders.values()):
            self._unwatch(self.orders.pop(order.ticket))
        self.balance = balance
        for position in positions:
            self.hold(position)
        for order in orders:
            self.rest(order)
        self.written()

    def written(self) -> None:
        """All that is fresh has been written down."""
        self.fresh_deals, self.fresh_done, self.changed = [], [], False
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
        points = (price - position.price_open) * position.side.sign
        return self.money(points * spec.contract_size * volume, spec.profit)

    def floating(self, position: Position) -> Decimal:
        return self.gain(position, position.volume, self.tick(position.symbol).exit(position.side))

    def equity(self) -> Decimal:
        return self.balance + sum((self.floating(p) + p.swap for p in self.positions.values()), ZERO)

    def volumes(self) -> dict[str, tuple[Decimal, Decimal]]:
        """Lots bought and sold, by symbol."""
        return {name: (held.bought, held.sold) for name, held in self._held.items()}

    def margin(self, volumes: Mapping[str, tuple[Decimal, Decimal]] | None = None) -> Decimal:
        """Margin in use, or what ``volumes`` would use: lots * contract / leverage, in the margin currency.

        Covered lots of a hedging account are margined by ``margin_hedged`` instead of the contract size.
        """
        lots = self.volumes() if volumes is None else volumes
        return sum((self._margin_of(self.symbol(name), both) for name, both in lots.items()), ZERO)

    def _margin_of(self, spec: Symbol, lots: tuple[Decimal, Decimal]) -> Decimal:
        units = abs(lots[0] - lots[1]) * spec.contract_size
        if self.hedging:
            units += min(lots) * spec.margin_hedged
        return self.money(units / self.spec.leverage, spec.base)

    def roughly(self) -> tuple[float, float, float]:
        """Equity, margin, and how far each may be from the exact figure, which rounds every position to the cent.

        It costs what the number of symbols says, not that of positions: cheap enough for every tick.
        """
        equity, margin, currency = float(self.balance), 0.0, self.spec.currency
        hedging, leverage, rate = self.hedging, self.spec.leverage, self.market.rough_rate
        for held in self._held.values():
            bought, sold, paid, got, swap = held.rough
            bid, ask = self.market.floats[held.spec.name]
            worth = (bought * bid - paid + got - sold * ask) * held.contract
            equity += worth * rate(held.spec.profit, currency) + swap
            units = abs(bought - sold) * held.contract
            if hedging:
                units += min(bought, sold) * held.hedged
            margin += units * rate(held.spec.base, currency) / leverage
        doubt = (len(self.positions) + len(self._held) + 1) * float(self.spec.cent) + 1e-9 * (abs(equity) + margin)
        return equity, margin, doubt

    def require_margin(self, symbol: str, side: Side, volume: Decimal) -> None:
        """
        :raises Refused: NO_MONEY, this order would use more margin than there is equity
        """
        spec, held = self.symbol(symbol), self._held.get(symbol)
        lots = (held.bought, held.sold) if held else (ZERO, ZERO)
        more = self._margin_of(spec, with_lots(lots, side, volume)) - self._margin_of(spec, lots)
        if more <= 0:
            return
        more += self.commission(volume)
        equity, margin, doubt = self.roughly()
        if margin + float(more) < equity - 3 * doubt:
            return
        if self.margin() + more > self.equity():
            raise Refused(Retcode.NO_MONEY, "not enough money")

    def commission(self, volume: Decimal) -> Decimal:
        return (self.spec.commission_per_lot * volume).quantize(self.spec.cent)

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
            return self._open(fill, identifier=fill.order)
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
            self.hold(replace(position, volume=left, swap=position.swap - swap))
        else:
            self.drop(position.ticket)
        return self._deal(fill, position.identifier, entry, profit, swap)

    def remember(self, deal: Deal) -> None:
        """Put a deal into history."""
        self.deals.append(deal)
        self._by_order.setdefault(deal.order, []).append(deal)
        self._by_magic.setdefault(deal.magic, []).append(deal)

    def deals_among(self, *, order: int | None, magic: int | None, after: int) -> list[Deal]:
        """The deals to look through for these, oldest first; a long history must not slow an order down."""
        if order is not None:
            return self._by_order.get(order, [])
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
        self.done.append(order)
        self.fresh_done.append(order)
        self.changed = True

    def _open(self, fill: Fill, *, identifier: int, volume: Decimal | None = None) -> Deal:
        self._put(fill, identifier, fill.volume if volume is None else volume)
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
        )
        self.balance += deal.profit + deal.swap + deal.commission
        self.remember(deal)
        self.fresh_deals.append(deal)
        self.changed = True
        return deal


def with_lots(lots: tuple[Decimal, Decimal], side: Side, volume: Decimal) -> tuple[Decimal, Decimal]:
    """(bought, sold) with ``volume`` more on one side."""
    bought, sold = lots
    return (bought + volume, sold) if side is Side.BUY else (bought, sold + volume)


def _stops(position: Position, spec: Symbol) -> list[tuple[Edge, int]]:
    """Where a position closes by itself: levels of a buy are tested on the bid, of a sell on the ask."""
    down, up = (Edge.BID_FALLS, Edge.BID_RISES) if position.side is Side.BUY else (Edge.ASK_FALLS, Edge.ASK_RISES)
    lower, upper = (position.sl, position.tp) if position.side is Side.BUY else (position.tp, position.sl)
    found = ((down, lower), (up, upper))
    return [(edge, int(level.scaleb(spec.digits))) for edge, level in found if level]


def _trigger(order: Order, spec: Symbol) -> tuple[Edge, int]:
    """Where a pending order wakes up: buys are tested on the ask, sells on the bid."""
    down, up = (Edge.ASK_FALLS, Edge.ASK_RISES) if order.type.side is Side.BUY else (Edge.BID_FALLS, Edge.BID_RISES)
    edge = down if order.type.waits_for_fall else up
    if order.state is OrderState.PARTIAL and order.type.is_stop:  # it has been triggered: the rest goes at any price
        return edge, AT_ONCE[edge]
    return edge, int(order.price_open.scaleb(spec.digits))
