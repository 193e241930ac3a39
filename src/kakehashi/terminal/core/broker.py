"""The trade server's rules: requests in, answers out, and what every tick sets off.

Synchronous and without I/O: the caller brings the time and writes down what ``fresh_deals`` says.
"""

from collections.abc import Iterable
from decimal import Decimal
from typing import Final

from msgspec.structs import replace

from kakehashi.terminal.core.book import Book, Refused, Tickets
from kakehashi.terminal.core.faults import Dice, Faults
from kakehashi.terminal.core.fills import close_by_server, fill_pending, roll_over
from kakehashi.terminal.core.kinds import DealKind, SwapMode
from kakehashi.terminal.core.levels import Levels, Watch
from kakehashi.terminal.core.market import SYMBOLS, Market
from kakehashi.terminal.core.money import swap
from kakehashi.terminal.core.requests import check, execute_queued, perform
from kakehashi.terminal.core.sessions import DAY_MS, weekday
from kakehashi.terminal.core.words import (
    AccountSpec,
    CheckResult,
    Deal,
    OrderState,
    OrderTime,
    Position,
    Reason,
    Request,
    Result,
    Symbol,
    Weekday,
)

_NO_NIGHT: Final = frozenset({Weekday.SAT, Weekday.SUN})


class Broker:
    """All accounts of one trade server. The same seed and calls give the same deals.

    :param faults: what goes wrong with requests, on request
    :ivar at: the time of what happened last, ms
    :ivar liquidity: most lots one order gets from one tick, by symbol without suffix; absent is without limit
    """

    def __init__(
        self,
        *,
        seed: int,
        at: int,
        symbols: Iterable[Symbol] = SYMBOLS,
        strict: bool = False,
        faults: Faults | None = None,
    ) -> None:
        self.market = Market(symbols, seed, at)
        self.tickets = Tickets()
        self.dice = Dice(faults or Faults(), seed)
        self.books: dict[str, Book] = {}
        self.liquidity: dict[str, Decimal] = self.market.liquidity
        self._strict = strict
        self.at = at
        self._day = at // DAY_MS
        self._watch = Watch()
        self._ranked: list[Book] = []

    def open_account(self, spec: AccountSpec, *, funded: bool = True) -> Book:
        """
        :param funded: pay its balance and credit in; false where its payments will be restored
        :raises ValueError: the name or number is taken, or no quotes lead to the currency
        """
        if self.find(spec.account) or self.find(spec.number):
            raise ValueError(f"account {spec.account} ({spec.number}) exists already")
        book = Book(spec, self.market, self.tickets, self._watch, len(self._ranked))
        self.books[spec.account] = book
        self._ranked.append(book)
        if funded:
            book.pay(DealKind.BALANCE, spec.balance, "deposit", self.at)
            if spec.credit:
                book.pay(DealKind.CREDIT, spec.credit, "credit", self.at)
        return book

    def pay(self, account: str, amount: Decimal, at: int, *, credit: bool = False, comment: str = "") -> Deal:
        """Deposit or, negative, withdraw; as ``credit`` the broker's money.

        :raises ValueError: no such account, or less than nothing would be left
        """
        book = self._book(account)
        if (book.credit if credit else book.balance) + amount < 0 or not amount.is_finite():
            raise ValueError(f"{amount}: the account has a balance of {book.balance} and a credit of {book.credit}")
        kind = DealKind.CREDIT if credit else DealKind.BALANCE
        return book.pay(kind, amount, comment or ("deposit" if amount >= 0 else "withdrawal"), at)

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
        book, self.at = self._book(account), at
        try:
            result = perform(book, request, self.dice, at)
            book.changed = True
        except Refused as refusal:
            result = Result(retcode=int(refusal.retcode), comment=refusal.comment)
        try:
            tick = book.tick(request.symbol)
        except Refused:  # it named none, or one that does not exist
            return result
        return replace(result, bid=tick.bid, ask=tick.ask)

    def order_check(self, account: str, request: Request, at: int) -> CheckResult:
        """What the rules would say to a request, and what the account would be after it.

        :raises ValueError: no such account
        """
        return check(self._book(account), request, at)

    def _book(self, account: str) -> Book:
        book = self.find(account)
        if book is None:
            raise ValueError(f"no account {account}: log in first")
        return book

    def tick(self, at: int) -> None:
        """Move every price by one step, then let the market act on orders and positions."""
        self.at = at
        self.market.move(at)
        self._charge_swaps(at)
        self.act(at)

    def hear(self, symbol: str, bid: Decimal, ask: Decimal, at: int) -> None:
        """One tick from outside instead of a step of the walk.

        :raises ValueError: no such symbol, or prices it cannot have
        """
        self._charge_swaps(at)
        if self.market.hear(symbol, bid, ask, at):
            self.act(at, symbol)

    def act(self, at: int, symbol: str | None = None) -> None:
        """What the present prices set off: expiry, pending orders, stops and targets, stop-out.

        Account after account in the order of their opening, and by ticket; a closed symbol waits.

        :param symbol: the only one that moved; None is all
        """
        self.at = at
        self._expire(at)
        for rank, ticket in self._reached(self._watch.orders, at, symbol):
            order = self._ranked[rank].orders.get(ticket)
            if order is not None:
                fill_pending(self._ranked[rank], order, self.dice, at)
        for rank, ticket in self._reached(self._watch.stops, at, symbol):
            position = self._ranked[rank].positions.get(ticket)
            if position is not None:
                self._exit(self._ranked[rank], position, at)
        for book in self._ranked:
            if book.positions:
                self._stop_out(book, at, symbol)
            if book.balance < 0 and book.spec.zero_cut:
                book.cut_to_zero(at)

    def _reached(self, levels: Levels, at: int, symbol: str | None) -> list[tuple[int, int]]:
        found: set[tuple[int, int]] = set()
        points = self.market.points
        for name, (bid, ask) in points.items() if symbol is None else ((symbol, points[symbol]),):
            for who in levels.reached(name, bid, ask):
                if not self.market.is_open(name, at):
                    break
                found.add(who)
        return sorted(found)

    def _expire(self, at: int) -> None:
        for _, rank, ticket in self._watch.expired(at):
            book = self._ranked[rank]
            order = book.orders[ticket]
            if order.state is OrderState.STARTED:
                execute_queued(book, order, self.dice, at)
                continue
            waits = order.type_time is OrderTime.SPECIFIED_DAY
            if not waits or self.market.is_open(book.symbol(order.symbol).name, at):
                book.end(replace(order, state=OrderState.EXPIRED, time_done=at))

    def _exit(self, book: Book, position: Position, at: int) -> None:
        """SL and TP fill at the market, so a gap costs what it costs. Levels of a buy are tested on the bid."""
        price, sign = book.tick(position.symbol).exit(position.side), position.side.sign
        if position.sl and (price - position.sl) * sign <= 0:
            close_by_server(book, position, Reason.SL, f"[sl {position.sl}]", self.dice, at)
        elif position.tp and (price - position.tp) * sign >= 0:
            close_by_server(book, position, Reason.TP, f"[tp {position.tp}]", self.dice, at)

    def _stop_out(self, book: Book, at: int, moved: str | None) -> None:
        """Close the most losing position until the margin level is back, or nothing is left that trades now."""
        if book.surely_above(float(book.spec.so_so), moved):
            return
        while book.short_of(book.spec.so_so):
            trading = [p for p in book.positions.values() if self.market.is_open(book.symbol(p.symbol).name, at)]
            if not trading:
                return
            worst = min(trading, key=lambda p: (book.floating(p) + p.swap, p.ticket))
            comment = f"so {book.equity()}/{book.margin()}"
            close_by_server(book, worst, Reason.SO, comment, self.dice, at)

    def force_stop_out(self, account: str, at: int) -> list[Deal]:
        """Close all that trades now as if the margin had gone, the most losing position first (test control).

        :raises ValueError: no such account
        """
        book = self._book(account)
        trading = [p for p in book.positions.values() if self.market.is_open(book.symbol(p.symbol).name, at)]
        worst_first = sorted(trading, key=lambda p: (book.floating(p) + p.swap, p.ticket))
        comment = f"so {book.equity()}/{book.margin()}"
        return [close_by_server(book, p, Reason.SO, comment, self.dice, at) for p in worst_first]

    def _charge_swaps(self, at: int) -> None:
        """At the server's midnight, once for each day that ended."""
        while self._day < at // DAY_MS:
            ended = weekday(self._day * DAY_MS)
            self._day += 1
            if ended not in _NO_NIGHT:
                for book in self._ranked:
                    _charge_swap(book, ended, at)


def _charge_swap(book: Book, ended: Weekday, at: int) -> None:
    """A symbol whose swap is 0 or disabled costs nothing; one that re-opens does so once, three nights at a time."""
    for position in list(book.positions.values()):
        spec = book.symbol(position.symbol)
        nights = 3 if spec.swap_3days is ended else 1
        if spec.swap_mode in (SwapMode.REOPEN_CURRENT, SwapMode.REOPEN_BID):
            roll_over(book, position, nights, at)
            continue
        now = book.tick(position.symbol).exit(position.side)
        a_night, currency = swap(spec, position.side, position.volume, position.price_open, now, book.spec.currency)
        if amount := book.money(a_night * nights, currency):
            book.hold(replace(position, swap=position.swap + amount, time_update=at))
