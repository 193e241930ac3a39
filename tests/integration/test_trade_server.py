"""What a terminal can ask the trade server for, over a socket and in the same process, and its troubles on request."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from kakehashi.terminal.clock import Clock
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.faults import Faults
from kakehashi.terminal.core.kinds import DealKind, Timeframe
from kakehashi.terminal.core.words import OrderType, Request, Retcode, TradeAction
from kakehashi.terminal.ledger import Ledger
from kakehashi.terminal.server import TradeServer
from kakehashi.terminal.wire import Calc, Filter, Login, Outage, RatesWanted, TicksWanted

D = Decimal
AT = 1_790_557_200_000
BUY = {"action": "DEAL", "symbol": "EURUSD.m", "volume": "0.10", "magic": 9}


def here(faults: Faults | None = None, ledger: Ledger | None = None) -> tuple[TradeServer, Clock]:
    """A server in this process on a clock that stands until it is stepped."""
    clock = Clock(AT, 0.0)
    broker = Broker(seed=3, at=AT, faults=faults)
    if ledger:
        ledger.restore(broker, AT)
    server = TradeServer(broker, ledger, clock.now_ms)
    server.perform("login", Login(account="a", suffix=".m"))
    return server, clock


class Wire:
    """A terminal's end of the socket, as bytes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def ask(self, method: str, **params: object) -> Any:
        self.writer.write(msgspec.json.encode({"id": 1, "method": method, "params": params}) + b"\n")
        line = await self.reader.readline()
        if not line:
            raise ConnectionError("hung up")
        reply = msgspec.json.decode(line)
        if "error" in reply:
            raise ValueError(reply["error"]["message"])
        return reply["result"]


@asynccontextmanager
async def serving(server: TradeServer, path: Path) -> AsyncIterator[Any]:
    listener = await asyncio.start_unix_server(server.serve, str(path))
    ends: list[Wire] = []

    async def connect() -> Wire:
        ends.append(Wire(*await asyncio.open_unix_connection(str(path))))
        return ends[-1]

    try:
        yield connect
    finally:
        listener.close()
        for end in ends:
            end.writer.close()


async def test_the_same_questions_have_the_same_answers_in_the_process_and_over_the_socket(tmp_path: Path) -> None:
    server, clock = here()
    clock.step(5_000)
    server.catch_up()
    ticket = server.desk.order_send("a", msgspec.convert(BUY, Request, strict=False)).order
    rates = RatesWanted(account="a", symbol="EURUSD.m", timeframe=Timeframe.H1, pos=0, count=3)
    calc = Calc(account="a", type=OrderType.BUY, symbol="EURUSD.m", volume=D(1), price=D("1.2"), close=D("1.3"))
    asked: list[tuple[str, Any]] = [
        ("account_info", {"account": "a"}),
        ("symbol_cards", {"account": "a"}),
        ("positions", Filter(account="a", ticket=ticket)),
        ("resting", Filter(account="a")),
        ("history_orders", Filter(account="a", ticket=ticket)),
        ("history_deals", Filter(account="a", position=ticket, money=True)),
        ("order_check", {"account": "a", "request": BUY}),
        ("calc_margin", calc),
        ("calc_profit", calc),
        ("rates", rates),
        ("ticks", TicksWanted(account="a", symbol="EURUSD.m", since=AT, count=5)),
        ("market_book", {"account": "a", "symbol": "EURUSD.m"}),
    ]
    async with serving(server, tmp_path / "s") as connect:
        terminal = await connect()
        for method, params in asked:
            local = msgspec.json.decode(msgspec.json.encode(server.perform(method, params)))
            assert await terminal.ask(method, **msgspec.to_builtins(params)) == local
            assert local or method == "resting"


def test_a_calculation_converts_at_its_own_price() -> None:
    server, _ = here()
    usd = Calc(account="a", type=OrderType.BUY, symbol="EURUSD.m", volume=D(1), price=D("1.2"))
    yen = Calc(account="a", type=OrderType.SELL, symbol="USDJPY.m", volume=D(1), price=D(150), close=D(120))
    assert server.desk.calc_margin(usd) == D("1200.00")  # 1,000 EUR at 1.2
    assert server.desk.calc_profit(yen) == D("25000.00")  # 3,000,000 JPY at 120


def test_history_is_asked_for_by_time_and_the_deposit_is_part_of_it() -> None:
    server, clock = here()
    first = server.desk.order_send("a", msgspec.convert(BUY, Request, strict=False))
    clock.step(60_000)
    later = server.desk.order_send("a", msgspec.convert(BUY, Request, strict=False))
    rows = server.desk.history_deals(Filter(account="a", money=True))
    assert [(d.kind, d.order) for d in rows] == [
        (DealKind.BALANCE, 0),
        (DealKind.TRADE, first.order),
        (DealKind.TRADE, later.order),
    ]
    assert sum(d.paid for d in rows) == server.desk.account("a").balance
    only = Filter(account="a", since=AT + 1, until=AT + 60_000)
    assert [d.order for d in server.desk.history_deals(only)] == [later.order]
    assert [o.ticket for o in server.desk.history_orders(only)] == [later.order]


def test_what_was_paid_is_there_again_after_a_restart(tmp_path: Path) -> None:
    server, _ = here(ledger=Ledger(tmp_path / "l"))
    server.perform("pay", {"account": "a", "amount": "250", "credit": True, "comment": "bonus"})
    server.perform("pay", {"account": "a", "amount": "-100"})
    server.ledger.close()  # type: ignore[union-attr]
    again, _ = here(ledger=Ledger(tmp_path / "l"))
    assert again.desk.account("a").balance == D(9_900)
    assert again.desk.account("a").credit == D(250)
    rows = again.desk.history_deals(Filter(account="a", money=True))
    assert [(d.ticket, d.comment) for d in rows] == [
        (4_000_001, "deposit"),
        (4_000_002, "bonus"),
        (4_000_003, "withdrawal"),
    ]
    assert again.perform("pay", {"account": "a", "amount": "1"}).ticket == 4_000_004
    again.ledger.close()  # type: ignore[union-attr]


def test_a_market_is_shut_and_opened_by_hand() -> None:
    server, _ = here()
    request = msgspec.convert(BUY, Request, strict=False)
    server.perform("set_open", {"symbol": "EURUSD", "open": False})
    assert server.desk.order_send("a", request).retcode == Retcode.MARKET_CLOSED
    server.perform("set_open", {"symbol": "EURUSD", "open": True})
    assert server.desk.order_send("a", request).retcode == Retcode.DONE


def test_the_market_walks_to_the_present_in_the_same_steps_whoever_looks() -> None:
    one, clock = here()
    other, second = here()
    for n in range(100):
        clock.step(70 if n % 2 else 130)
        one.catch_up()
        one.catch_up()
        one.desk.order_send("a", msgspec.convert(BUY, Request, strict=False))
    second.step(10_000)
    other.catch_up()
    wanted = TicksWanted(account="a", symbol="EURUSD.m", since=AT)
    assert one.desk.ticks(wanted) == other.desk.ticks(wanted)
    assert [tick.at for tick in one.desk.ticks(wanted)] == [AT + 200 * n for n in range(51)]


async def test_a_request_that_is_dropped_was_never_read_and_one_whose_answer_is_lost_was_done(tmp_path: Path) -> None:
    for faults, done in ((Faults(drop=1.0), 0), (Faults(lose_answer=1.0), 1)):
        server, _ = here(faults)
        async with serving(server, tmp_path / f"s{done}") as connect:
            terminal = await connect()
            with pytest.raises(ConnectionError):
                await terminal.ask("order_send", account="a", request=BUY)
        assert len(server.desk.positions(Filter(account="a"))) == done


async def test_an_outage_hangs_up_and_answers_nobody_until_it_is_over(tmp_path: Path) -> None:
    server, _ = here()
    async with serving(server, tmp_path / "s") as connect:
        terminal = await connect()
        await terminal.ask("outage", seconds=600)
        with pytest.raises((ConnectionError, OSError)):
            await terminal.ask("account_info", account="a")
        with pytest.raises(ConnectionError):
            await (await connect()).ask("account_info", account="a")
        server.perform("outage", Outage(seconds=0))
        await asyncio.sleep(0)
        assert (await (await connect()).ask("account_info", account="a"))["balance"] == "10000"


async def test_a_dead_terminals_connection_is_drained_once_its_last_request_is_done(tmp_path: Path) -> None:
    server, _ = here(Faults(delay_s=0.3))
    async with serving(server, tmp_path / "s") as connect:
        dying, watching = await connect(), await connect()
        await dying.ask("hello", client="child-1")
        await watching.ask("hello", client="bridge")
        assert await watching.ask("drained", client="child-1") is False
        asking = asyncio.create_task(dying.ask("order_send", account="a", request=BUY))
        while not await watching.ask("orders", account="a", started=True):
            await asyncio.sleep(0)
        dying.writer.transport.abort()
        assert await watching.ask("drained", client="child-1") is False
        while not await watching.ask("drained", client="child-1"):
            await asyncio.sleep(0.01)
        assert len(await watching.ask("positions", account="a")) == 1
        assert await watching.ask("drained", client="bridge") is False
        with pytest.raises((ConnectionError, OSError)):
            await asking


def test_an_unknown_symbol_or_method_is_said_and_not_raised_as_something_else() -> None:
    server, _ = here()
    assert server.desk.symbol_card("a", "EURUSD") is None  # the suffix is missing
    with pytest.raises(ValueError, match="unknown symbol"):
        server.perform("ticks", TicksWanted(account="a", symbol="EURUSD", since=0))
    with pytest.raises(ValueError, match="no method nonesuch"):
        server.perform("nonesuch", {})
    with pytest.raises(ValueError, match="needs 'account'"):
        server.perform("market_book", {})


def test_a_request_of_every_kind_can_be_checked() -> None:
    server, _ = here()
    ticket = server.desk.order_send("a", msgspec.convert(BUY, Request, strict=False)).order
    for action in (TradeAction.SLTP, TradeAction.REMOVE, TradeAction.MODIFY, TradeAction.CLOSE_BY):
        request = Request(action=action, position=ticket, position_by=ticket, order=ticket)
        checked = server.perform("order_check", {"account": "a", "request": msgspec.to_builtins(request)})
        assert checked.retcode in (Retcode.NO_CHANGES, Retcode.INVALID_ORDER, Retcode.INVALID)
