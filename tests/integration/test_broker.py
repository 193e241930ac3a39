"""The trade server as a process: several terminals, kill -9, restart, and the ledger as the witness."""

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path

import duckdb
import httpx
import pytest

from kakehashi.domain.errors import OutcomeUnknown, Rejected, Unavailable
from kakehashi.terminal.accounts import World, read_world
from kakehashi.terminal.client import BrokerClient
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.faults import Dice, Faults
from kakehashi.terminal.core.words import MarginMode, OrderType, Request, Retcode, TradeAction
from kakehashi.terminal.ea import EaConfig, MockEa
from kakehashi.terminal.ledger import Ledger
from kakehashi.terminal.server import TradeServer, serve_broker
from kakehashi.terminal.wire import Filter, Follow, Login

AT = 1_790_557_200_000

BUY = Request(action=TradeAction.DEAL, symbol="EURUSD", type=OrderType.BUY, volume=Decimal("0.10"), magic=2**62)

_SERVE = """
import asyncio, pathlib, sys
from kakehashi.terminal.server import serve_broker
accounts, ticks = (pathlib.Path(name) if name else None for name in sys.argv[3:5])
strict = bool(sys.argv[3])
asyncio.run(serve_broker(sys.argv[1], pathlib.Path(sys.argv[2]), accounts, 1, strict=strict, ticks=ticks, speed=1e6))
"""


class Process:
    """A broker that can be killed and started again on the same files."""

    def __init__(self, folder: Path, accounts: Path | None = None, ticks: Path | None = None) -> None:
        self.socket = str(folder / "b.sock")
        self.ledger = folder / "ledger.jsonl"
        self._files = [str(accounts or ""), str(ticks or "")]
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-c", _SERVE, self.socket, str(self.ledger), *self._files]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        assert self.process.stderr.readline() == f"broker ready on {self.socket}\n"

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        assert self.process.stderr is not None
        self.process.stderr.close()
        return self.process.wait(10)

    def deals(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.ledger.read_bytes().splitlines()]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Process]:
    process = Process(tmp_path)
    yield process
    if process.process.poll() is None:
        process.end(signal.SIGKILL)


def test_two_terminals_share_one_account(broker: Process) -> None:
    async def scene() -> None:
        one, two = BrokerClient(broker.socket), BrokerClient(broker.socket)
        await one.login(Login(account="alpha", margin_mode=MarginMode.NETTING, suffix=".m"))
        assert (await two.login(Login(account="alpha"))).margin_mode is MarginMode.NETTING
        await one.set_price("EURUSD", Decimal("1.10000"))
        results = await asyncio.gather(*(c.order_send("alpha", _suffixed(BUY)) for c in (one, two, one, two)))
        assert {r.retcode for r in results} == {Retcode.DONE}
        (position,) = await two.positions(Filter(account="alpha"))
        assert (position.volume, position.symbol) == (Decimal("0.40"), "EURUSD.m")
        assert len(await one.history_deals(Filter(account="alpha", magic=2**62))) == 4
        with pytest.raises(Rejected):
            await one.account_info("nobody")
        await one.close()
        await two.close()

    asyncio.run(scene())
    assert [(d["account"], d["entry"], d["magic"]) for d in broker.deals()] == [("alpha", "IN", str(2**62))] * 4
    assert broker.end(signal.SIGTERM) == 0


def _suffixed(request: Request) -> Request:
    return Request(**{f: getattr(request, f) for f in request.__struct_fields__} | {"symbol": "EURUSD.m"})


def test_a_terminal_killed_in_mid_request_changes_nothing_accepted(broker: Process) -> None:
    async def scene() -> None:
        steady = BrokerClient(broker.socket)
        await steady.login(Login(account="alpha"))
        await steady.order_send("alpha", BUY)
        _, writer = await asyncio.open_unix_connection(broker.socket)
        writer.write(b'{"id":1,"method":"order_send","params":{"account":"alpha","requ')
        await writer.drain()
        writer.transport.abort()
        _, writer = await asyncio.open_unix_connection(broker.socket)
        writer.write(b"not json\n" + b'{"id":1,"method":"order_send","params":{"request":{"volume":"NaN"}}}\n')
        await writer.drain()
        writer.transport.abort()
        assert len(await steady.positions(Filter(account="alpha"))) == 1
        await steady.close()

    asyncio.run(scene())
    assert len(broker.deals()) == 1


def test_a_killed_broker_continues_from_its_books(broker: Process) -> None:
    async def scene() -> None:
        client = BrokerClient(broker.socket)
        await client.login(Login(account="alpha", balance=Decimal(5_000)))
        first = await client.order_send("alpha", BUY)
        before = await client.positions(Filter(account="alpha"))
        broker.end(signal.SIGKILL)
        with pytest.raises((Unavailable, OutcomeUnknown)):
            await client.order_send("alpha", BUY)
        with broker.ledger.open("ab") as ledger:
            ledger.write(b'{"account":"alpha","dea')  # as a kill in mid-write leaves it
        broker.start()
        (position,) = await client.positions(Filter(account="alpha"))
        assert (position.ticket, position.price_open) == (before[0].ticket, before[0].price_open)
        assert (await client.account_info("alpha")).balance == Decimal(5_000)
        second = await client.order_send("alpha", BUY)
        assert (second.order, second.deal) == (first.order + 1, first.deal + 1)
        assert [d.ticket for d in await client.history_deals(Filter(account="alpha"))] == [first.deal, second.deal]
        await client.close()

    asyncio.run(scene())
    assert len({d["deal"] for d in broker.deals()}) == 2


def test_deals_missing_from_the_ledger_are_written_at_the_next_start(broker: Process) -> None:
    async def scene() -> None:
        client = BrokerClient(broker.socket)
        await client.login(Login(account="alpha"))
        await client.order_send("alpha", BUY)
        await client.close()

    asyncio.run(scene())
    broker.end(signal.SIGKILL)
    whole = broker.ledger.read_bytes()
    os.truncate(broker.ledger, 0)  # killed between the books and the ledger
    broker.start()
    assert broker.ledger.read_bytes() == whole


def test_a_strict_broker_knows_only_its_accounts_file(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.toml"
    accounts.write_text('[[account]]\naccount = "small"\nbalance = 200.5\nmargin_mode = "netting"\nsuffix = ".m"\n')
    process = Process(tmp_path, accounts)

    async def scene() -> None:
        client = BrokerClient(process.socket)
        facts = await client.login(Login(account="small"))
        assert (facts.balance, facts.margin_mode) == (Decimal("200.5"), MarginMode.NETTING)
        with pytest.raises(Rejected):
            await client.login(Login(account="other"))
        await client.stop()
        await client.close()

    asyncio.run(scene())
    assert process.process.wait(10) == 0


def test_an_unknown_field_in_the_accounts_file_is_named(tmp_path: Path) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text('[[account]]\naccount = "a"\nlevrage = 5\n')
    with pytest.raises(ValueError, match="levrage"):
        read_world(file)


def test_a_broker_plays_a_parquet_file_and_a_bad_row_ends_it_by_name(tmp_path: Path) -> None:
    ticks = tmp_path / "ticks.parquet"
    rows = f"({AT}, 'EURUSD', 1.1, 1.1001), ({AT + 1000}, 'EURUSD', 1.2, 1.1)"
    duckdb.sql(f"COPY (FROM (VALUES {rows}) t(time_ms, symbol, bid, ask)) TO '{ticks}' (FORMAT parquet)")
    with pytest.raises(ValueError, match=r"ticks\.parquet: row 2: expected 0 < bid <= ask"):
        asyncio.run(serve_broker("127.0.0.1:0", tmp_path / "ledger.jsonl", ticks=ticks, speed=1e6))


def test_recorded_ticks_are_played_to_their_end_and_a_restart_goes_on_after_them(tmp_path: Path) -> None:
    ticks = tmp_path / "ticks.csv"
    lines = [
        f"{AT + n * 100},EURUSD,{Decimal(110_000 + n) / 100_000},{Decimal(110_010 + n) / 100_000}" for n in range(500)
    ]
    ticks.write_text("\n".join(["time_ms,symbol,bid,ask", *lines]) + "\n")
    process = Process(tmp_path, ticks=ticks)

    async def scene() -> None:
        client = BrokerClient(process.socket)
        await client.login(Login(account="alpha"))
        while (quote := await client.quote("EURUSD")).at < AT + 49_900:
            await asyncio.sleep(0.005)
        assert (quote.bid, quote.ask) == (Decimal("1.10499"), Decimal("1.10509"))
        await client.order_send("alpha", BUY)
        (deal,) = await client.history_deals(Filter(account="alpha"))
        assert (deal.price, deal.time) == (Decimal("1.10509"), AT + 49_900)
        process.end(signal.SIGKILL)
        with ticks.open("a") as file:
            file.write(f"{AT + 60_000},EURUSD,1.2,1.3\n")
        await client.close()
        for turn in range(2):  # the second time there is nothing left to play
            process.start()
            while (quote := await client.quote("EURUSD")).at < AT + 60_000:
                await asyncio.sleep(0.005)
            await client.order_send("alpha", BUY)
            await client.close()
            if turn == 0:
                process.end(signal.SIGKILL)

    asyncio.run(scene())
    assert process.end(signal.SIGTERM) == 0


def test_a_bad_line_ends_the_broker_with_its_number(tmp_path: Path) -> None:
    ticks = tmp_path / "ticks.csv"
    ticks.write_text(f"{AT},EURUSD,1.1,1.2\n{AT},NOPE,1.1,1.2\n")
    environment = os.environ | {"KAKEHASHI_BROKER__SOCKET": str(tmp_path / "b.sock")}
    command = [sys.executable, "-m", "kakehashi", "run", "broker", "--ticks", str(ticks)]
    ended = subprocess.run(
        command, env=environment, cwd=tmp_path, check=False, capture_output=True, text=True, timeout=30
    )
    assert ended.returncode == 4
    assert f"{ticks}:2: no symbol NOPE" in ended.stderr


def test_the_accounts_file_of_the_documents_opens_a_broker() -> None:
    for lang in ("en", "ja"):
        page = (Path(__file__).parents[2] / "docs" / lang / "simulated-broker.md").read_text("utf-8")
        world = _world_of(page)
        assert [a.account for a in world.accounts] == ["hedge-demo", "net-demo"]
        symbols = {s.name: s for s in world.symbols}
        assert symbols["EURUSD"].contract_size == 100_000  # what the file leaves out stays
        assert symbols["USDSGD"].sessions
        assert world.faults.requote > 0
        broker = Broker(seed=1, at=AT, symbols=world.symbols, faults=world.faults)
        for spec in world.accounts:
            broker.open_account(spec)


def _world_of(page: str) -> World:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "accounts.toml"
        file.write_text(page.partition("```toml\n")[2].partition("```")[0], "utf-8")
        return read_world(file)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('[[symbol]]\nname = "EURUSD"\nsessions = ["never"]\n', "session 'never'"),
        ('[[symbol]]\nname = "NEW"\ndigits = 2\n', "base"),
        ('[[symbol]]\nname = "EURUSD"\nvol_step = 0\n', "EURUSD"),
        ("[faults]\nrequote = 1.5\n", "requote"),
        ("[fault]\nrequote = 0.5\n", "fault"),
        ("[[account]\n", "accounts.toml"),
    ],
)
def test_a_fault_in_the_accounts_file_is_named(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "accounts.toml"
    file.write_text(text)
    with pytest.raises(ValueError, match=said):
        read_world(file)


class Room:
    """A trade server on a socket of this process, whose faults can be changed, and an EA with a hub of three routes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.core = Broker(seed=1, at=AT)
        self.ledger = Ledger(folder / "ledger.jsonl")
        self.server = TradeServer(self.core, self.ledger, lambda: AT)
        self.items: list[dict[str, object]] = []
        self.results: list[dict[str, object]] = []

    def faults(self, **wanted: float) -> None:
        self.core.dice = Dice(Faults(**wanted), 1)  # type: ignore[arg-type]

    @contextlib.asynccontextmanager
    async def ea(self) -> AsyncIterator[MockEa]:
        socket = str(self.folder / "b.sock")
        listener = await asyncio.start_unix_server(self.server.serve, socket)
        self.client = client = BrokerClient(socket)
        config = EaConfig(base_url="http://hub", token="t", account="a", socket=socket, journal=self.folder / "j")
        async with httpx.AsyncClient(transport=httpx.MockTransport(self._hub)) as http:
            ea = MockEa(config, client, http)
            await ea.login()
            yield ea
            ea.close()
        await client.close()
        listener.close()
        self.server.hang_up()
        self.ledger.close()

    def _hub(self, request: httpx.Request) -> httpx.Response:
        if request.url.path == "/api/ack":
            self.results += json.loads(request.content)["results"]
        return httpx.Response(200, json={"items": self.items})

    def deals(self) -> int:
        return len((self.folder / "ledger.jsonl").read_bytes().splitlines())


def command(attempt: int = 1) -> dict[str, object]:
    far, magic = 4_102_444_800_000, str(0x1234 << 48 | 1)
    item: dict[str, object] = {
        "id": "k1",
        "key": "k1",
        "symbol": "EURUSD",
        "action": "BUY",
        "op": "OPEN",
        "side": "BUY",
    }
    return item | {"magic": magic, "volume": 0.1, "attempt": attempt, "expires_at": far}


def test_an_order_that_the_broker_is_still_at_work_on_is_waited_for_and_not_repeated(tmp_path: Path) -> None:
    async def scene() -> None:
        room = Room(tmp_path)
        room.faults(delay_s=3.0)
        async with room.ea() as ea:
            patience, room.client.timeout_s = room.client.timeout_s, 0.1
            room.items = [command()]
            await ea.turn()
            room.items = [command(attempt=2)]  # the hub asks for it once more: even so
            await ea.turn()
            assert (room.deals(), room.results) == (0, [])
            looker = BrokerClient(str(tmp_path / "b.sock"))
            assert len(await looker.orders(Filter(account="a", started=True))) == 1
            await looker.close()
            while not room.deals():
                await asyncio.sleep(0.01)
            room.items, room.client.timeout_s = [], patience
            room.faults()
            await ea.turn()
            assert (room.deals(), [r["status"] for r in room.results]) == (1, ["filled"])

    asyncio.run(scene())


def test_an_answer_that_the_broker_lost_is_looked_up(tmp_path: Path) -> None:
    async def scene() -> None:
        room = Room(tmp_path)
        room.faults(lose_answer=1.0)
        async with room.ea() as ea:
            room.items = [command()]
            await ea.turn()
            assert (room.deals(), room.results) == (1, [])
            room.items = []
            await ea.turn()
            assert (room.deals(), [r["status"] for r in room.results]) == (1, ["filled"])

    asyncio.run(scene())


def test_an_order_of_unknown_outcome_is_sent_again_only_when_the_hub_offers_it_again(tmp_path: Path) -> None:
    async def scene() -> None:
        room = Room(tmp_path)
        room.faults(lose_answer=1.0, reject=1.0)
        async with room.ea() as ea:
            room.items = [command()]
            await ea.turn()
            room.faults()
            room.items = []
            for _ in range(3):
                await ea.turn()
            assert (room.deals(), room.results) == (0, [])
            room.items = [command(attempt=2)]
            await ea.turn()
            assert (room.deals(), [r["status"] for r in room.results]) == (1, ["filled"])

    asyncio.run(scene())


@pytest.mark.parametrize(
    ("faults", "retcode"), [({"requote": 1.0}, 10004), ({"price_off": 1.0}, 10021), ({"reject": 1.0}, 10006)]
)
def test_an_ea_reports_a_refusal_as_the_broker_gave_it(tmp_path: Path, faults: dict[str, float], retcode: int) -> None:
    async def scene() -> None:
        room = Room(tmp_path)
        room.faults(**faults)
        async with room.ea() as ea:
            room.items = [command()]
            await ea.turn()
            room.faults()
            await ea.turn()  # delivered again: refused once is refused
            assert [(r["status"], r["retcode"]) for r in room.results] == [("rejected", retcode)] * 2
            assert all(r["message"] for r in room.results)
            assert room.deals() == 0

    asyncio.run(scene())


def test_a_terminal_that_follows_is_told_what_it_does_not_know(broker: Process) -> None:
    async def scene() -> None:
        following, trading = BrokerClient(broker.socket), BrokerClient(broker.socket)
        await following.login(Login(account="alpha"))
        state = await following.follow(Follow(account="alpha"))
        assert {q.symbol for q in state.quotes} >= {"EURUSD", "USDJPY"}
        await trading.order_send("alpha", BUY)
        while not state.deals:  # a tick is news, too
            state = await following.follow(Follow(account="alpha", turn=state.turn, wait_ms=5_000))
        assert (len(state.deals), len(state.positions), len(state.done)) == (1, 1, 1)
        state = await following.follow(Follow(account="alpha", deals=1, done=1))
        assert (state.deals, state.done, len(state.positions)) == ([], [], 1)
        for client in (following, trading):
            await client.close()

    asyncio.run(scene())


def test_a_forced_stop_out_closes_the_worst_position_first(broker: Process) -> None:
    async def scene() -> None:
        client = BrokerClient(broker.socket)
        await client.login(Login(account="alpha"))
        await client.set_price("EURUSD", Decimal("1.10000"))
        await client.order_send("alpha", BUY)
        await client.set_price("EURUSD", Decimal("1.20000"))
        worst = await client.order_send("alpha", BUY)
        await client.set_price("EURUSD", Decimal("1.15000"))
        closed = await client.stop_out("alpha")
        assert [(d.reason, d.entry) for d in closed] == [("SO", "OUT")] * 2
        assert closed[0].position == worst.order
        assert await client.positions(Filter(account="alpha")) == []
        await client.close()

    asyncio.run(scene())
