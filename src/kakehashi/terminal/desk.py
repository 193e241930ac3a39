"""What terminals can ask of a trade server: each method of the wire, on the books as they are now.

Over a socket :mod:`kakehashi.terminal.server` reads the parameters from JSON; a terminal in the same process calls
:meth:`Desk.answer` with the wire's structs, or the typed methods themselves.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final, TypeVar

import msgspec
from msgspec.structs import replace

from kakehashi.terminal.accounts import login_number
from kakehashi.terminal.core import money
from kakehashi.terminal.core.bars import Bar, TickRow
from kakehashi.terminal.core.book import Book, Refused
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.sessions import DAY_MS
from kakehashi.terminal.core.words import AccountSpec, CheckResult, Deal, Order, OrderState, Request, Result, Side
from kakehashi.terminal.facts import account_facts, position_facts, symbol_card, symbol_facts, terminal_symbol
from kakehashi.terminal.news import News
from kakehashi.terminal.wire import (
    AccountFacts,
    AccountState,
    BookRow,
    Calc,
    Check,
    Evidence,
    Filter,
    Follow,
    Liquidity,
    Login,
    Money,
    Opening,
    OrderFacts,
    Pin,
    PositionFacts,
    QuoteFacts,
    RatesWanted,
    Read,
    SymbolCard,
    TerminalState,
    TicksWanted,
    Traces,
)

T = TypeVar("T")
MOST_ROWS: Final = 1_000_000


class UnknownMethod(ValueError):
    """A request for something this server does not do."""


class Desk:
    """:param now_ms: the server's clock

    :ivar waiting: requests that are being worked on, as orders in state STARTED, with their account's name
    """

    def __init__(self, broker: Broker, now_ms: Callable[[], int], news: News) -> None:
        self.broker = broker
        self.waiting: list[tuple[str, Order]] = []
        self._now_ms = now_ms
        self._news = news
        self._methods: dict[str, Callable[[Any], Any]] = {
            "login": lambda p: self.login(_read(p, Login)),
            "account_info": lambda p: account_facts(self._book(p["account"])),
            "symbols": self._symbols,
            "terminal_symbols": self._terminal_symbols,
            "symbol_card": lambda p: self.symbol_card(str(p["account"]), str(p["symbol"])),
            "symbol_cards": lambda p: self.symbol_cards(p["account"]),
            "quote": self._quote,
            "positions": lambda p: self.positions(_read(p, Filter)),
            "orders": lambda p: self.orders(_read(p, Filter)),
            "resting": lambda p: self.resting(_read(p, Filter)),
            "history_deals": lambda p: self.history_deals(_read(p, Filter)),
            "history_orders": lambda p: self.history_orders(_read(p, Filter)),
            "account_state": lambda p: self._account_state(_read(p, Read)),
            "evidence": lambda p: self._evidence(_read(p, Traces)),
            "follow": lambda p: self._follow(_read(p, Follow)),
            "order_send": lambda p: self.order_send(str(p["account"]), _read(p["request"], Request)),
            "order_check": lambda p: self.order_check(_read(p, Check)),
            "calc_margin": lambda p: self.calc_margin(_read(p, Calc)),
            "calc_profit": lambda p: self.calc_profit(_read(p, Calc)),
            "rates": lambda p: self.rates(_read(p, RatesWanted)),
            "ticks": lambda p: self.ticks(_read(p, TicksWanted)),
            "market_book": lambda p: self.market_book(p["account"], p["symbol"]),
            "stop_out": self._stop_out,
            "set_price": lambda p: self._set_price(_read(p, Pin)),
            "set_liquidity": lambda p: self._set_liquidity(_read(p, Liquidity)),
            "set_open": lambda p: self._set_open(_read(p, Opening)),
            "pay": lambda p: self._pay(_read(p, Money)),
        }

    @property
    def methods(self) -> list[str]:
        return list(self._methods)

    def answer(self, method: str, params: Any) -> Any:
        """
        :raises UnknownMethod: there is none of this name
        :raises ValueError: the parameters are of no use, and why
        """
        found = self._methods.get(method)
        if found is None:
            raise UnknownMethod(f"no method {method}")
        try:
            return found(params)
        except KeyError as e:
            raise ValueError(f"{method} needs {e}") from None
        except Refused as e:
            raise ValueError(e.comment) from None

    def _book(self, account: object) -> Book:
        book = self.broker.find(str(account))
        if book is None:
            raise ValueError(f"no account {account}: log in first")
        return book

    # -- account and symbols ---------------------------------------------------------------------------------------

    def login(self, asked: Login) -> AccountFacts:
        fields = msgspec.structs.asdict(asked) | {"number": asked.number or login_number(asked.account)}
        return account_facts(self.broker.login(AccountSpec(**fields)))

    def account(self, account: str) -> AccountFacts:
        return account_facts(self._book(account))

    def symbol_cards(self, account: str) -> list[SymbolCard]:
        """Every symbol, in the broker's order."""
        book, at = self._book(account), self._now_ms()
        return [symbol_card(book, spec, at) for spec in self.broker.market.symbols.values()]

    def symbol_card(self, account: str, name: str) -> SymbolCard | None:
        """One symbol by the account's name for it; None where there is none."""
        book = self._book(account)
        try:
            return symbol_card(book, book.symbol(name), self._now_ms())
        except Refused:
            return None

    def quote(self, account: str, name: str) -> QuoteFacts:
        tick = self._book(account).tick(name)
        return QuoteFacts(symbol=name, bid=tick.bid, ask=tick.ask, at=tick.at)

    def _symbols(self, params: Any) -> Any:
        book = self._book(params["account"])
        return [symbol_facts(book, s) for s in self.broker.market.symbols.values()]

    def _terminal_symbols(self, params: Any) -> Any:
        book = self._book(params["account"])
        return [terminal_symbol(book, s) for s in self.broker.market.symbols.values()]

    def _quote(self, params: dict[str, Any]) -> QuoteFacts:
        name = str(params.get("symbol"))
        book = self.broker.find(str(params.get("account"))) if "account" in params else None
        bare = name.removesuffix(book.spec.suffix) if book else name
        tick = self.broker.market.ticks.get(bare)
        if tick is None:
            raise ValueError(f"no symbol {name}; there are {', '.join(self.broker.market.symbols)}")
        return QuoteFacts(symbol=name, bid=tick.bid, ask=tick.ask, at=tick.at)

    # -- positions, orders, history ----------------------------------------------------------------------------------

    def positions(self, wanted: Filter) -> list[PositionFacts]:
        book = self._book(wanted.account)
        return [position_facts(book, p) for p in book.positions.values() if wanted.takes_position(p)][: wanted.limit]

    def orders(self, wanted: Filter) -> list[Order]:
        """Resting orders; with ``started`` also those that are being worked on."""
        book = self._book(wanted.account)
        rows = list(book.orders.values())
        if book.queued and not wanted.started:
            rows = [o for o in rows if o.state is not OrderState.STARTED]
        if wanted.started:
            rows += [order for account, order in self.waiting if account == book.spec.account]
        return [row for row in rows if wanted.takes_order(row)][: wanted.limit]

    def resting(self, wanted: Filter) -> list[OrderFacts]:
        """:meth:`orders`, each with the market's price now."""
        book = self._book(wanted.account)
        return [_with_price(book, order) for order in self.orders(wanted)]

    def history_deals(self, wanted: Filter) -> list[Deal]:
        """Oldest first; with ``money`` also what moved the balance without a trade."""
        book = self._book(wanted.account)
        among = book.deals_among(order=wanted.order, magic=wanted.magic, after=wanted.after, position=wanted.position)
        if among is book.deals and wanted.since:
            among = book.deals_since(wanted.since)
        found = [deal for deal in among if wanted.takes_deal(deal)]
        if wanted.money:
            found = sorted(
                [*found, *(d for d in book.payments if wanted.takes_deal(d))], key=lambda d: (d.time, d.ticket)
            )
        return found[: wanted.limit]

    def history_orders(self, wanted: Filter) -> list[Order]:
        """Orders that have ended, in the order of their ends."""
        return [o for o in self._book(wanted.account).done if wanted.takes_order(o)][: wanted.limit]

    def _account_state(self, wanted: Read) -> AccountState:
        book, at = self._book(wanted.account), self._now_ms()
        newer = book.deals_among(order=None, magic=None, after=wanted.after)
        return AccountState(
            at=at,
            facts=account_facts(book),
            positions=[position_facts(book, p) for p in book.positions.values()],
            orders=list(book.orders.values()),
            deals=newer if wanted.after else book.deals_since(wanted.since or at - DAY_MS),
        )

    def _follow(self, wanted: Follow) -> TerminalState:
        book, market = self._book(wanted.account), self.broker.market
        suffix = book.spec.suffix
        return TerminalState(
            at=self._now_ms(),
            turn=self._news.turn(book.spec.account),
            facts=account_facts(book),
            positions=[position_facts(book, p) for p in book.positions.values()],
            orders=[*book.orders.values(), *(o for account, o in self.waiting if account == book.spec.account)],
            deals=book.deals[wanted.deals :],
            done=book.done[wanted.done :],
            quotes=[QuoteFacts(symbol=n + suffix, bid=t.bid, ask=t.ask, at=t.at) for n, t in market.ticks.items()],
            so_call=book.spec.so_call,
            so_so=book.spec.so_so,
            limit_orders=book.spec.limit_orders,
        )

    def _evidence(self, wanted: Traces) -> Evidence:
        book = self._book(wanted.account)
        waiting = [order for account, order in self.waiting if account == book.spec.account]
        return Evidence(
            working=[o for o in (*book.orders.values(), *waiting) if wanted.of_order(o)],
            ended=[o for o in book.done_since(wanted.since) if wanted.of_order(o)],
            deals=[d for d in book.deals_since(wanted.since) if wanted.of_deal(d)],
        )

    # -- trading -----------------------------------------------------------------------------------------------------

    def order_send(self, account: str, request: Request) -> Result:
        return self.broker.order_send(account, request, self._now_ms())

    def order_check(self, wanted: Check) -> CheckResult:
        return self.broker.order_check(wanted.account, wanted.request, self._now_ms())

    def calc_margin(self, wanted: Calc) -> Decimal:
        """Margin of one order alone, account currency, converted at its own price where its symbol is the conversion."""
        book = self._book(wanted.account)
        spec = book.symbol(wanted.symbol)
        amount = money.margin(spec, wanted.type.side, wanted.volume, wanted.price, book.spec.leverage)
        return _converted(book, amount, money.margin_currency(spec), wanted.symbol, wanted.price)

    def calc_profit(self, wanted: Calc) -> Decimal:
        """Profit of a trade from ``price`` to ``close``, account currency."""
        book = self._book(wanted.account)
        spec, closed = book.symbol(wanted.symbol), wanted.close
        if closed is None:
            raise ValueError("calc_profit needs a closing price")
        amount = money.profit(spec, wanted.type.side, wanted.volume, wanted.price, closed)
        return _converted(book, amount, spec.profit, wanted.symbol, closed)

    # -- market ------------------------------------------------------------------------------------------------------

    def rates(self, wanted: RatesWanted) -> list[Bar]:
        """Oldest first."""
        name = self._book(wanted.account).symbol(wanted.symbol).name
        most = min(wanted.count or MOST_ROWS, MOST_ROWS)
        history, at, kind = self.broker.market.history, self._now_ms(), wanted.timeframe
        if wanted.pos is not None:
            return history.bars_back(name, kind, wanted.pos, most, at)
        until = at if wanted.until is None else wanted.until
        if wanted.since is not None:
            return history.bars_between(name, kind, wanted.since, until, at)
        return history.bars_until(name, kind, until, most, at)

    def ticks(self, wanted: TicksWanted) -> list[TickRow]:
        """Oldest first."""
        name = self._book(wanted.account).symbol(wanted.symbol).name
        most = min(wanted.count or MOST_ROWS, MOST_ROWS)
        return self.broker.market.history.ticks(name, wanted.since, wanted.until, most)

    def market_book(self, account: str, name: str) -> list[BookRow]:
        """Depth of market around the quote, dearest first; the nearest levels hold what the market has."""
        book = self._book(account)
        spec, tick = book.symbol(name), book.tick(name)
        near = self.broker.liquidity.get(spec.name) or spec.vol_max / 10
        levels = range(spec.book_depth)
        asks = [BookRow(Side.SELL, tick.ask + n * spec.step, near * (n + 1)) for n in levels]
        bids = [BookRow(Side.BUY, tick.bid - n * spec.step, near * (n + 1)) for n in levels]
        return [*reversed(asks), *bids]

    # -- test controls -----------------------------------------------------------------------------------------------

    def _stop_out(self, params: dict[str, Any]) -> list[Deal]:
        closed = self.broker.force_stop_out(str(params.get("account")), self._now_ms())
        self._news.of_all()
        return closed

    def _set_price(self, pin: Pin) -> None:
        at = self._now_ms()
        if pin.bid is None:
            self.broker.market.release(pin.symbol)
        else:
            self.broker.market.pin(pin.symbol, pin.bid, pin.ask, at)
            self.broker.act(at)
        self._news.of_all()

    def _set_liquidity(self, wanted: Liquidity) -> None:
        if wanted.volume is None:
            self.broker.liquidity.pop(wanted.symbol, None)
        else:
            self.broker.liquidity[wanted.symbol] = wanted.volume

    def _set_open(self, wanted: Opening) -> None:
        self.broker.market.shut(wanted.symbol, shut=not wanted.open)

    def _pay(self, wanted: Money) -> Deal:
        paid = self.broker.pay(
            wanted.account, wanted.amount, self._now_ms(), credit=wanted.credit, comment=wanted.comment
        )
        self._news.of_all()
        return paid


def _read(params: Any, kind: type[T]) -> T:
    return params if isinstance(params, kind) else msgspec.convert(params, kind, strict=False)


def _with_price(book: Book, order: Order) -> OrderFacts:
    price = book.tick(order.symbol).entry(order.type.side)
    return OrderFacts(**msgspec.structs.asdict(replace(order, price_current=price)))


def _converted(book: Book, amount: Decimal, currency: str, symbol: str, price: Decimal) -> Decimal:
    """As MetaTrader converts a calculation: by the symbol's own price where that is the way, else at the quotes."""
    spec, into = book.symbol(symbol), book.spec.currency
    if (spec.base, spec.profit) == (currency, into):
        return (amount * price).quantize(book.spec.cent)
    if (spec.base, spec.profit) == (into, currency) and price:
        return (amount / price).quantize(book.spec.cent)
    return book.money(amount, currency)
