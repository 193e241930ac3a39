"""Laws of the simulated broker that hold for every history of requests and ticks."""

import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kakehashi.terminal.core.book import Book
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.faults import Faults
from kakehashi.terminal.core.kinds import CalcMode, DealKind, Execution, SwapMode
from kakehashi.terminal.core.market import SYMBOLS
from kakehashi.terminal.core.words import (
    ZERO,
    AccountSpec,
    Filling,
    MarginMode,
    OrderTime,
    OrderType,
    Request,
    Symbol,
    TradeAction,
)
from kakehashi.terminal.ledger import Ledger, LedgerLine

D = Decimal
AT = 1_790_557_200_000
HOUR = 3_600_000
NAMES = ("EURUSD", "USDJPY", "XAUUSD")
CHANGED = {
    "EURUSD": {"sessions": ("sun 22:05 - fri 21:55",), "gap": 250.0, "liquidity": D("0.50")},
    "USDJPY": {"swap_mode": SwapMode.REOPEN_CURRENT, "execution": Execution.EXCHANGE, "liquidity": D("0.90")},
    "XAUUSD": {"liquidity": D("0.07"), "freeze_level": 5, "calc_mode": CalcMode.CFDLEVERAGE, "margin_buy": D("1.5")},
}
WORLD = [Symbol(**{n: getattr(s, n) for n in s.__struct_fields__} | CHANGED.get(s.name, {})) for s in SYMBOLS]
FAULTS = Faults(partial=0.2, requote=0.1, price_off=0.05, reject=0.05, slippage=3.0, queue=0.3, queue_s=0.3)


class Step(msgspec.Struct, frozen=True):
    """One thing that happens; numbers are taken modulo what there is."""

    what: str
    symbol: str
    kind: OrderType
    cents: int
    distance: int
    nth: int
    time: OrderTime
    hours: int


steps = st.builds(
    Step,
    st.sampled_from(
        "deal deal deal pending pending pending close sltp modify remove close_by tick tick jump shock".split()
    ),
    st.sampled_from(NAMES),
    st.sampled_from([kind for kind in OrderType if kind.is_pending]),
    st.integers(1, 150),
    st.integers(1, 60),
    st.integers(0, 9),
    st.sampled_from(OrderTime),
    st.integers(0, 30),
)
histories = st.lists(steps, min_size=15, max_size=40)
LONG = settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
worlds = st.tuples(st.sampled_from(MarginMode), st.integers(0, 5), st.sampled_from([Faults(), FAULTS]))


def requested(step: Step, broker: Broker, book: Book, at: int) -> Request | None:
    spec, tick = broker.market.symbols[step.symbol], broker.market.ticks[step.symbol]
    sign, away = step.kind.side.sign, step.distance * spec.point
    volume = D(step.cents) / 100
    positions, orders = list(book.positions.values()), list(book.orders.values())
    position = positions[step.nth % len(positions)] if positions else None
    order = orders[step.nth % len(orders)] if orders else None
    match step.what:
        case "deal":
            stops = {("sl", "tp")[step.nth // 2 % 2]: tick.exit(step.kind.side) - sign * away} if step.nth % 2 else {}
            if "tp" in stops:
                stops["tp"] += 2 * sign * away
            kind = OrderType(step.kind.side.value)
            filling = (Filling.FOK, Filling.IOC, Filling.RETURN)[step.nth % 3]
            return Request(
                action=TradeAction.DEAL, symbol=step.symbol, type=kind, volume=volume, filling=filling, **stops
            )
        case "pending":
            market = tick.entry(step.kind.side)
            price = market - away if step.kind.waits_for_fall else market + away
            return Request(
                action=TradeAction.PENDING,
                symbol=step.symbol,
                type=step.kind,
                volume=volume,
                price=price,
                stoplimit=price - sign * away / 2 if step.kind.is_stop_limit else ZERO,
                type_time=step.time,
                expiration=at + step.hours * HOUR,
            )
        case "close" if position:
            return Request(
                action=TradeAction.DEAL,
                symbol=position.symbol,
                type=OrderType(position.side.opposite.value),
                volume=min(volume, position.volume),
                position=position.ticket,
            )
        case "sltp" if position:
            level = broker.market.ticks[position.symbol].exit(position.side) - position.side.sign * away
            return Request(action=TradeAction.SLTP, position=position.ticket, sl=level)
        case "close_by" if position:
            return Request(action=TradeAction.CLOSE_BY, position=position.ticket, position_by=positions[0].ticket)
        case "modify" if order:
            return Request(action=TradeAction.MODIFY, order=order.ticket, price=order.price_open - away)
        case "remove" if order:
            return Request(action=TradeAction.REMOVE, order=order.ticket)
    return None


def play(history: list[Step], world: tuple[MarginMode, int, Faults], ledger: Ledger | None = None) -> Iterator[Broker]:
    """The broker at first and after each step; two accounts, so that one may disturb the other."""
    mode, seed, faults = world
    broker, at = Broker(seed=seed, at=AT, symbols=WORLD, faults=faults), AT
    for name, number in (("a", "1"), ("b", "2")):
        broker.open_account(
            AccountSpec(
                account=name,
                number=number,
                margin_mode=mode,
                balance=D(1_200),
                leverage=500,
                commission_per_lot=D("3.5"),
                fee_per_lot=D("0.2"),
                credit=D(300),
                zero_cut=True,
            )
        )
    yield broker
    for step in history:
        at += step.hours * HOUR if step.what == "jump" else 200
        book = broker.books["b" if step.nth == 5 else "a"]
        if step.what == "jump":
            broker.tick(at)
        elif step.what == "tick":
            for _ in range(10):
                at += 200
                broker.tick(at)
        elif step.what == "shock":
            bid = broker.market.ticks[step.symbol].bid
            broker.market.pin(step.symbol, bid * (1 + D(step.distance - 30) / 1000), None, at)
            broker.act(at)
            broker.market.release(step.symbol)
        elif request := requested(step, broker, book, at):
            broker.order_send(book.spec.account, request, at)
            broker.act(at)
        if ledger:
            ledger.write(broker, at)
        yield broker


@given(histories, worlds)
@LONG
def test_money_and_lots_add_up_after_every_step(history: list[Step], world: tuple[MarginMode, int, Faults]) -> None:
    for broker in play(history, world):
        for book in broker.books.values():
            assert book.balance == sum((d.paid for d in [*book.deals, *book.payments]), ZERO)
            assert book.credit == sum((d.profit for d in book.payments if d.kind is DealKind.CREDIT), ZERO) >= 0
            assert book.equity() == book.balance + book.credit + sum(
                (book.floating(p) + p.swap for p in book.positions.values()), ZERO
            )
            assert book.margin() >= 0
            for name in NAMES:
                held = sum((p.side.sign * p.volume for p in book.positions.values() if p.symbol == name), ZERO)
                assert held == sum((d.side.sign * d.volume for d in book.deals if d.symbol == name), ZERO)
            if not book.hedging:
                symbols = [p.symbol for p in book.positions.values()]
                assert len(symbols) == len(set(symbols))


@given(histories, worlds)
@LONG
def test_every_position_is_explained_by_its_deals_and_every_deal_by_its_order(
    history: list[Step], world: tuple[MarginMode, int, Faults]
) -> None:
    *_, broker = play(history, world)
    for book in broker.books.values():
        orders = {o.ticket: o for o in [*book.done, *book.orders.values()]}
        assert len(orders) == len(book.done) + len(book.orders)
        lots: dict[int, Decimal] = {}
        for deal in book.deals:
            order = orders[deal.order]
            assert order.symbol == deal.symbol
            assert deal in book.deals_among(order=None, magic=None, after=0, position=deal.position)
            lots[deal.position] = lots.get(deal.position, ZERO) + deal.side.sign * deal.volume
        standing = {p.identifier: p.side.sign * p.volume for p in book.positions.values()}
        assert {n: v for n, v in lots.items() if v} == standing
        assert all(p.ticket in orders for p in book.positions.values())


@given(histories, worlds)
@LONG
def test_every_order_gets_what_it_asked_for_at_most(history: list[Step], world: tuple[MarginMode, int, Faults]) -> None:
    *_, broker = play(history, world)
    for book in broker.books.values():
        for order in [*book.done, *book.orders.values()]:
            filled = sum((d.volume for d in book.deals if d.order == order.ticket), ZERO)
            both = 2 if order.type is OrderType.CLOSE_BY else 1  # a deal for each of the two
            assert filled == (order.volume_initial - order.volume_current) * both


@given(histories, worlds)
@LONG
def test_what_is_added_up_as_it_goes_is_what_a_recount_gives(
    history: list[Step], world: tuple[MarginMode, int, Faults]
) -> None:
    for broker in play(history, world):
        for book in broker.books.values():
            equity, margin, doubt = book.roughly()
            assert abs(float(book.equity()) - equity) <= doubt
            assert abs(float(book.margin()) - margin) <= doubt
            for p in book.positions.values():  # nothing that has been reached is left standing
                if broker.market.is_open(p.symbol, broker.market.ticks["BTCUSD"].at):
                    price = broker.market.ticks[p.symbol].exit(p.side)
                    assert not p.sl or (price - p.sl) * p.side.sign > 0


@given(histories, worlds)
@settings(LONG, max_examples=15)
def test_the_same_seed_writes_the_same_files_and_they_restore_what_stood(
    history: list[Step], world: tuple[MarginMode, int, Faults]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        files, books = [], []
        for run in ("one", "two"):
            path = Path(folder) / run
            ledger = Ledger(path, compact_at=3_000)
            *_, broker = play(history, world, ledger)
            ledger.write(broker, AT)
            ledger.close()
            files.append((path.read_bytes(), path.with_name(run + ".books").read_bytes()))
            books = list(broker.books.values())
        assert files[0] == files[1]
        lines = [msgspec.json.decode(line, type=LedgerLine) for line in files[0][0].splitlines()]
        assert sorted(line.deal for line in lines) == sorted(d.ticket for book in books for d in book.deals)
        fresh, ledger = Broker(seed=1, at=AT, symbols=WORLD), Ledger(Path(folder) / "two")
        ledger.restore(fresh, AT)
        ledger.close()
        for book in books:
            again = fresh.books[book.spec.account]
            assert (again.balance, again.positions, again.orders) == (book.balance, book.positions, book.orders)
            assert (again.deals, again.done) == (book.deals, book.done)


QUOTED = ("EURUSD", "USDJPY", "EURJPY", "XAUUSD", "US500")
quotes = st.lists(
    st.tuples(
        st.sampled_from(["quote", "quote", "quote", "buy", "sell", "pin"]),
        st.sampled_from(QUOTED),
        st.integers(-40, 40),
    ),
    min_size=5,
    max_size=60,
)


@given(quotes, st.sampled_from(MarginMode), st.sampled_from(["USD", "JPY", "EUR"]))
@LONG
def test_an_account_is_stopped_out_at_the_quote_that_takes_its_margin(
    happens: list[tuple[str, str, int]], mode: MarginMode, currency: str
) -> None:
    """Sums that follow one quote after the other are those of a recount, and what is short does not stand."""
    broker = Broker(seed=1, at=AT)
    balance = D(300_000) if currency == "JPY" else D(2_000)
    spec = AccountSpec(account="a", number="1", margin_mode=mode, currency=currency, balance=balance, leverage=500)
    book = broker.open_account(spec)
    for n, (what, name, points) in enumerate(happens):
        at, tick, symbol = AT + n, broker.market.ticks[name], broker.market.symbols[name]
        if what in ("buy", "sell"):
            request = Request(action=TradeAction.DEAL, symbol=name, type=OrderType(what.upper()), volume=D("0.5"))
            broker.order_send("a", request, at)
            continue
        bid = tick.bid + points * symbol.point * 10
        if what == "pin":
            broker.market.pin(name, bid, None, at)  # nobody acts on it yet
            broker.market.release(name)
            continue
        broker.hear(name, bid, bid + symbol.point * symbol.spread, at)
        equity, margin, doubt = book.roughly(name)
        assert abs(float(book.equity()) - equity) <= doubt
        assert abs(float(book.margin()) - margin) <= doubt
        assert not book.short_of(spec.so_so)
