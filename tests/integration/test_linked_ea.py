"""A real EA process on the link: a real simulated broker behind it, a hub's pure machine before it, the ledger as witness.

EA and hub live ``PACE`` times as fast as the wall's clock, so that settling and waiting for leases cost tenths of seconds.
"""

import asyncio
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.link_doors import TOKEN, PollDoor, WebSocketDoor
from tests.link_peer import D, Peer, command, exit_of
from tests.odd_time import run_hasty

from kakehashi.domain import frames as f
from kakehashi.domain import linkwords as w
from kakehashi.domain.linkwords import LinkSettings
from kakehashi.terminal.accounts import login_number
from kakehashi.terminal.client import BrokerClient
from kakehashi.terminal.core import journal
from kakehashi.terminal.core.words import OrderType, Reason, Request, TradeAction
from kakehashi.terminal.dying import Point

PACE = 8.0
HASTY = str(Path(__file__).parents[1] / "system" / "hasty_ea.py")
SETTINGS = LinkSettings(no_answer_ms=12_000)
_BROKER = """
import asyncio, pathlib, sys
from kakehashi.terminal.server import serve_broker
asyncio.run(serve_broker(sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3]), 1))
"""
DEAF = "deaf"
"""The account whose trade requests are carried out and never answered."""
NET, SLOW_S = "net", 0.5
"""A netting account, and how long its broker takes over each request, seconds of the wall's clock."""


class Books:
    """The trade server's process and what it wrote down."""

    def __init__(self, folder: Path, world: str) -> None:
        self.socket, self._ledger = str(folder / "b.sock"), folder / "ledger.jsonl"
        self._world = folder / "world.toml"
        self._world.write_text(world)
        self.start()

    def start(self) -> None:
        argv = [sys.executable, "-c", _BROKER, self.socket, str(self._ledger), str(self._world)]
        self._process = subprocess.Popen(argv, stderr=subprocess.PIPE)
        assert self._process.stderr is not None
        assert self._process.stderr.readline().startswith(b"broker ready")

    def kill(self) -> None:
        self._process.kill()
        self._process.communicate()

    def deals(self, account: str, number: int | None = None) -> list[dict[str, Any]]:
        """Of one account, and of one command."""
        lines = [json.loads(line) for line in self._ledger.read_bytes().splitlines()]
        magic = None if number is None else command(number).magic
        return [d for d in lines if d["account"] == account and magic in (None, d["magic"])]


@pytest.fixture(scope="module")
def books(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    books = Books(tmp_path_factory.mktemp("broker"), f'[faults]\nlose_answer = 1.0\naccounts = ["{DEAF}"]\n')
    yield books
    books.kill()


@pytest.fixture
def slow_netting(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Books]:
    """A broker that takes its time, and looks at the sides of netting orders only."""
    world = (
        f'[[account]]\naccount = "{NET}"\nmargin_mode = "netting"\n[faults]\ndelay_s = {SLOW_S}\nsides_only = true\n'
    )
    books = Books(tmp_path_factory.mktemp("net"), world)
    yield books
    books.kill()


class Scene:
    """One account: its hub, its EA's process, and a hand on the market."""

    def __init__(self, books: Books, folder: Path, account: str, door: str) -> None:
        self.books, self.account, self.folder, self._link = books, account, folder, door
        self.peer = Peer(login_number(account), SETTINGS)
        self.door = PollDoor(self.peer) if door == "poll" else WebSocketDoor(self.peer)
        self.broker = BrokerClient(books.socket)
        self.journal = folder / f"{account}.journal"
        self.url = ""
        self.ea: subprocess.Popen[bytes] | None = None

    def start(self, *more: str) -> "subprocess.Popen[bytes]":
        argv = [sys.executable, HASTY, str(PACE), "ea", "simulate", "--link", self._link, "--account", self.account]
        argv += [
            "--token",
            TOKEN,
            "--url",
            self.url,
            "--socket",
            self.books.socket,
            "--journal",
            str(self.journal),
            *more,
        ]
        with (self.folder / "ea.log").open("ab") as log:
            self.ea = subprocess.Popen(argv, stdout=log, stderr=log)
        return self.ea

    async def dies(self) -> None:
        """Wait until the EA's process has ended by kill -9."""
        assert self.ea is not None
        assert await asyncio.to_thread(self.ea.wait, 20) == -signal.SIGKILL

    def drop(self) -> None:
        """Let nothing be left running."""
        if self.ea is not None and self.ea.poll() is None:
            self.ea.kill()
            self.ea.wait()

    async def ends(self) -> None:
        """Stop it as a service manager does."""
        assert self.ea is not None
        self.ea.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(self.ea.wait, 20) == 0

    async def price(self, bid: str | None) -> None:
        await self.broker.set_price("EURUSD", D(bid) if bid else None)

    @property
    def log(self) -> str:
        return (self.folder / "ea.log").read_text()


@contextlib.asynccontextmanager
async def a_scene(make: type[Scene], books: Books, folder: Path, account: str, door: str) -> AsyncIterator[Scene]:
    scene = make(books, folder, account, door)
    time = asyncio.create_task(scene.peer.keep_time())
    try:
        async with scene.door.listening() as scene.url:
            try:
                await scene.price("1.10000")
                yield scene
            finally:
                await asyncio.to_thread(scene.drop)
    finally:
        time.cancel()
        await scene.broker.close()


Play = Callable[[Callable[[Scene], Awaitable[None]]], None]


@pytest.fixture
def make() -> type[Scene]:
    """Whose EA it is: tests/native plays the same scenes with the one in MQL5."""
    return Scene


@pytest.fixture(params=["ws", "poll"])
def play(request: pytest.FixtureRequest, make: type[Scene], books: Books, tmp_path: Path) -> Play:
    """Run a scene, on either transport."""
    return player(make, books, tmp_path, request.node.name, request.param)


@pytest.fixture
def play_poll(request: pytest.FixtureRequest, make: type[Scene], books: Books, tmp_path: Path) -> Play:
    return player(make, books, tmp_path, request.node.name, "poll")


@pytest.fixture
def play_ws(request: pytest.FixtureRequest, make: type[Scene], books: Books, tmp_path: Path) -> Play:
    return player(make, books, tmp_path, request.node.name, "ws")


Kill = tuple[Point, int, str]
PlayAll = Callable[[list[Kill], Callable[[Scene, Point, int], Awaitable[Any]]], list[Any]]


@pytest.fixture
def play_all(make: type[Scene], books: Books, tmp_path: Path) -> PlayAll:
    """Run one scene for each kill, side by side; what each gave."""

    async def one(kill: Kill, act: Callable[[Scene, Point, int], Awaitable[Any]]) -> Any:
        point, nth, door = kill
        folder = tmp_path / f"{point}-{nth}"
        folder.mkdir()
        async with a_scene(make, books, folder, f"{point}-{nth}-{door}", door) as scene:
            return await act(scene, point, nth)

    async def every(kills: list[Kill], act: Callable[[Scene, Point, int], Awaitable[Any]]) -> list[Any]:
        return await asyncio.gather(*(one(kill, act) for kill in kills))

    return lambda kills, act: list(run_hasty(every(kills, act), PACE))


def player(make: type[Scene], books: Books, folder: Path, account: str, door: str) -> Play:
    def play(act: Callable[[Scene], Awaitable[None]]) -> None:
        async def whole() -> None:
            async with a_scene(make, books, folder, account, door) as scene:
                await act(scene)

        run_hasty(whole(), PACE)

    return play


def test_every_kind_of_order_is_carried_out_and_told(play: Play) -> None:
    async def act(s: Scene) -> None:
        s.start()
        await s.peer.fresh(200)
        opened = await s.peer.ends(command(1, sl=D("1.05")))
        ticket = opened.deals[0].position
        assert (opened.st, opened.vol, opened.deals[0].reason) == ("FILLED", D("0.10"), "EXPERT")
        await s.peer.until(lambda: ticket in s.peer.link.mirror.positions)
        assert (await s.peer.ends(command(2, "MODIFY", target=ticket, sl=D("1.06"), tp=D("1.2")))).st == "DONE"
        part = await s.peer.ends(command(3, "CLOSE_PARTIAL", target=ticket, vol=D("0.04"), expect_vol=D("0.10")))
        assert (part.st, part.vol) == ("FILLED", D("0.04"))
        assert (await s.peer.ends(exit_of(4, ticket, "0.06"))).vol == D("0.06")
        s.peer.deliver(command(5, "PENDING", kind="LIMIT", price=D("1.09")))
        await s.peer.until(lambda: s.peer.states["c-5"] == "PLACED")
        assert (await s.peer.ends(command(6, "CANCEL", target=s.peer.told("c-5").order, magic="0"))).st == "DONE"
        assert await s.peer.ended("c-5") == "CANCELLED"
        s.peer.deliver(command(10, "PENDING", kind="STOP", side="S", price=D("1.09")))
        await s.peer.until(lambda: s.peer.states["c-10"] == "PLACED")
        await s.price("1.08900")
        assert await s.peer.ended("c-10") == "FILLED"
        refused = await s.peer.ends(command(7, vol=D("0.001")))
        assert (refused.st, refused.retcode) == ("REJECTED", 10014)
        await s.broker.set_liquidity("GBPUSD", D("0.04"))
        thin = await s.peer.ends(command(8, sym="GBPUSD"))
        assert (thin.st, thin.vol) == ("CANCELLED", D("0.04"))
        await s.ends()
        assert {d["deal"] for d in s.books.deals(s.account)} == {int(ticket) for ticket in s.peer.deals}

    play(act)


def test_a_stop_out_is_told_with_its_reason(play_ws: Play) -> None:
    async def act(s: Scene) -> None:
        s.start()
        await s.peer.fresh(200)
        await s.peer.ends(command(1, vol=D(5)))
        await s.price("1.00000")
        told = await s.peer.until(lambda: next((e for e in s.peer.events if e.st == "DEAL"), None))
        assert (told.id, told.deals[0].reason, told.deals[0].magic) == ("", "SO", "0")
        await s.peer.until(lambda: not s.peer.link.mirror.positions)

    play_ws(act)


def test_a_planned_stop_keeps_the_instance_and_tells_what_happened_meanwhile(play: Play) -> None:
    async def act(s: Scene) -> None:
        s.start()
        await s.peer.fresh(200)
        opened = await s.peer.ends(command(1, sl=D("1.09")))
        instance = s.peer.link.record.instance
        await s.ends()
        assert isinstance(s.peer.heard[-1], f.Bye)
        assert journal.read(s.journal.read_bytes()).clean
        await s.price("1.08000")
        s.start()
        stopped = await s.peer.until(lambda: next((e for e in s.peer.events if e.st == "DEAL"), None), 200)
        assert (stopped.deals[0].position, stopped.deals[0].reason) == (opened.deals[0].position, "SL")
        await s.peer.fresh()
        assert s.peer.link.record.instance == instance
        assert len(s.peer.deals) == len(s.books.deals(s.account)) == 2

    play(act)


def test_a_cut_connection_and_a_frame_that_is_none_disturb_nothing(play_ws: Play) -> None:
    async def act(s: Scene) -> None:
        s.start()
        await s.peer.fresh(200)
        (socket,) = s.door.open.values()
        await socket.send("{not json")
        await s.peer.until(lambda: [x for x in s.peer.heard if isinstance(x, f.Err)])
        s.peer.deliver(command(1))
        socket.transport.abort()
        assert await s.peer.ended("c-1", 100) == "FILLED"
        assert len(s.books.deals(s.account, 1)) == 1
        await s.ends()

    play_ws(act)


def test_after_a_poll_that_failed_everything_is_said_again_in_a_new_session(play_poll: Play) -> None:
    async def act(s: Scene) -> None:
        s.start()
        await s.peer.fresh(200)
        assert isinstance(s.door, PollDoor)
        s.peer.deliver(command(1))
        s.door.fail_next = True  # the one with ACK and EVT
        assert await s.peer.ended("c-1", 100) == "FILLED"
        assert (len(s.door.open), len(s.books.deals(s.account, 1))) == (2, 1)
        await s.ends()

    play_poll(act)


def test_without_its_broker_a_terminal_is_not_believed_and_what_was_asked_then_is_done_later(play_ws: Play) -> None:
    async def act(s: Scene) -> None:
        s.start()
        await s.peer.fresh(200)
        opened = await s.peer.ends(command(1))
        s.books.kill()
        await s.peer.until(lambda: not s.peer.link.fresh(s.peer.now))
        s.peer.deliver(exit_of(2, opened.deals[0].position))
        await s.peer.until(lambda: s.peer.states["c-2"] == "ACKED")
        assert opened.deals[0].position in s.peer.link.mirror.positions
        s.books.start()
        assert await s.peer.ended("c-2", 100) == "FILLED"
        await s.peer.fresh()
        assert len(s.books.deals(s.account)) == 2

    play_ws(act)


def test_an_order_whose_answer_is_lost_is_found_at_the_broker_and_sent_once(
    make: type[Scene], books: Books, tmp_path: Path
) -> None:
    async def act(s: Scene) -> None:
        s.start()
        await s.peer.fresh(200)
        opened = await s.peer.ends(command(1))
        assert (opened.st, opened.vol) == ("FILLED", D("0.10"))
        assert (await s.peer.ends(exit_of(2, opened.deals[0].position))).st == "FILLED"
        assert [d["entry"] for d in s.books.deals(s.account)] == ["IN", "OUT"]

    player(make, books, tmp_path, DEAF, "ws")(act)


def test_a_second_ea_on_the_same_journal_does_not_start(play_ws: Play) -> None:
    async def act(s: Scene) -> None:
        first = s.start()
        await s.peer.fresh(200)
        second = s.start()
        assert await asyncio.to_thread(second.wait, 20) != 0
        assert "JOURNAL_HELD" in s.log
        assert first.poll() is None
        s.ea = first

    play_ws(act)


def test_a_halt_cancels_what_rests_lets_exits_through_and_outlives_a_restart(play_ws: Play) -> None:
    async def act(s: Scene) -> None:
        s.start()
        await s.peer.fresh(200)
        opened = await s.peer.ends(command(1))
        s.peer.deliver(command(2, "PENDING", kind="LIMIT", price=D("1.05")))
        await s.peer.until(lambda: s.peer.states["c-2"] == "PLACED")
        s.peer.step(w.SetHalt, on=True)
        assert await s.peer.ended("c-2") == "CANCELLED"
        assert journal.read(s.journal.read_bytes()).control.halted
        await s.ends()
        s.start()
        await s.peer.fresh(200)
        s.peer.deliver(command(3))
        assert (await s.peer.ends(exit_of(4, opened.deals[0].position))).st == "FILLED"
        assert s.peer.states["c-3"] == "QUEUED"
        s.peer.step(w.SetHalt, on=False)
        assert await s.peer.ended("c-3") == "FILLED"
        assert not journal.read(s.journal.read_bytes()).control.halted

    play_ws(act)


def test_what_a_person_trades_by_hand_is_told_and_shown(play: Play) -> None:
    async def act(s: Scene) -> None:
        s.start()
        await s.peer.fresh(200)
        bought = await s.broker.order_send(
            s.account,
            Request(action=TradeAction.DEAL, symbol="EURUSD", volume=D("0.30"), reason=Reason.CLIENT),
        )
        told = await s.peer.until(lambda: next((e for e in s.peer.events if e.st == "DEAL"), None))
        assert (told.id, told.deals[0].reason, told.deals[0].magic) == ("", "CLIENT", "0")
        row = await s.peer.until(lambda: s.peer.link.mirror.positions.get(str(bought.order)))
        assert (row.volume, row.side) == (D("0.30"), "B")

    play(act)


def test_an_exit_that_a_person_overtakes_on_a_netting_account_is_corrected_and_told(
    make: type[Scene], slow_netting: Books, tmp_path: Path
) -> None:
    async def act(s: Scene) -> None:
        s.start()
        await s.peer.fresh(200)
        ticket = (await s.peer.ends(command(1))).deals[0].position
        await s.peer.until(lambda: ticket in s.peer.link.mirror.positions)
        sell = Request(
            action=TradeAction.DEAL, symbol="EURUSD", type=OrderType.SELL, volume=D("0.06"), reason=Reason.CLIENT
        )
        by_hand = asyncio.create_task(s.broker.order_send(s.account, sell))
        await asyncio.sleep(PACE * SLOW_S / 5)  # the broker thinks about it: what the EA sends now comes after it
        exited = await s.peer.ends(exit_of(2, ticket))
        assert (exited.st, [d.entry for d in exited.deals]) == ("FILLED", ["INOUT"])
        await by_hand
        fixed = await s.peer.until(lambda: next((e for e in s.peer.events if e.id == "fix1-c-2"), None))
        assert (fixed.st, fixed.vol, [d.entry for d in fixed.deals]) == ("FILLED", D("0.06"), ["OUT"])
        await s.peer.until(lambda: not s.peer.link.mirror.positions)
        alarms = [x.subject for x in s.peer.facts if isinstance(x, w.Alarm) and x.code == "EXIT_OPENED"]
        assert alarms == ["c-2", "c-2"]
        entries = [(d["entry"], d["reason"], D(d["volume"])) for d in s.books.deals(s.account)]
        assert entries == [
            ("IN", "EXPERT", D("0.10")), ("OUT", "CLIENT", D("0.06")),
            ("INOUT", "EXPERT", D("0.10")), ("OUT", "EXPERT", D("0.06")),
        ]  # fmt: skip

    player(make, slow_netting, tmp_path, NET, "ws")(act)


def test_an_ea_says_what_its_symbols_are_and_what_they_cost(play: Play) -> None:
    async def act(s: Scene) -> None:
        s.start()
        await s.peer.fresh(200)
        specs = {row.symbol: row for fact in s.peer.facts if isinstance(fact, w.SymbolsTold) for row in fact.rows}
        spec = specs["EURUSD"]
        assert (spec.digits, spec.vol_min, spec.vol_max, spec.vol_step) == (5, D("0.01"), D(100), D("0.01"))
        assert (spec.filling, spec.contract_size, spec.profit_currency) == ("FOK,IOC", D(100_000), "USD")
        s.peer.step(w.Watch, symbols=("EURUSD", "NOSUCH"))
        await s.price("1.20000")
        quoted = [fact.rows for fact in s.peer.facts if isinstance(fact, w.Quoted)]
        await s.peer.until(
            lambda: any(
                row[:2] == ("EURUSD", D("1.20000"))
                for fact in s.peer.facts
                if isinstance(fact, w.Quoted)
                for row in fact.rows
            )
        )
        assert all(row[0] == "EURUSD" for rows in quoted for row in rows)

    play(act)


class Survived(NamedTuple):
    """How a command ended in whose midst the EA was killed, and the next one; ``dealt``: its lots in the broker's ledger.
    ``agree``: whether the hub has been told of each deal that is in the ledger, and of no other.
    """

    end: str
    dealt: list[Decimal]
    next_end: str = "FILLED"
    agree: bool = True


async def killed_at(s: Scene, point: Point, nth: int) -> Survived:
    """Kill the EA there and start it again.

    :param nth: 1 kills in an OPEN, 2 in the CLOSE of what it opened
    """
    s.start("--die-at", f"{point}:{nth}")
    await s.peer.fresh(300)
    target = (await s.peer.ends(command(1))).deals[0].position if nth == 2 else ""
    wanted = exit_of(2, target) if nth == 2 else command(1)
    s.peer.deliver(wanted)
    await s.dies()
    s.start()
    end = str(await s.peer.ended(wanted.id, 300))
    dealt = [D(d["volume"]) for d in s.books.deals(s.account, wanted.seq)]
    again = exit_of(9, target) if nth == 2 and not dealt else command(9)
    next_end = (await s.peer.ends(again, 100)).st
    told = {int(ticket) for ticket in s.peer.deals}
    return Survived(end, dealt, next_end, {d["deal"] for d in s.books.deals(s.account)} == told)


def test_killed_before_an_order_left_it_is_known_to_be_absent_and_the_next_one_goes(play_all: PlayAll) -> None:
    never = [(Point.BEFORE_INTENT, 1, "ws"), (Point.AFTER_INTENT, 1, "poll"), (Point.AFTER_SENT, 1, "ws")]
    seen = play_all([*never, (Point.AFTER_SENT, 2, "ws")], killed_at)
    assert seen == [Survived("NOT_EXECUTED", [])] * 4


def test_killed_after_an_order_left_it_is_found_and_not_repeated(play_all: PlayAll) -> None:
    known = [(Point.IN_ORDER_SEND, 1, "ws"), (Point.AFTER_RESULT, 1, "poll"), (Point.AFTER_OUTBOX, 1, "ws")]
    seen = play_all([*known, (Point.IN_ORDER_SEND, 2, "ws")], killed_at)
    assert seen == [Survived("FILLED", [D("0.10")])] * 4


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("door", ["ws", "poll"])
def test_killed_at_random_while_orders_stream_in(make: type[Scene], books: Books, tmp_path: Path, door: str) -> None:
    """``KK_SOAK_KILLS`` kills (20): every command ends, as the ledger says it did."""
    kills, seed = int(os.environ.get("KK_SOAK_KILLS", "20")), 7
    rng = random.Random(seed)

    async def orders(s: Scene) -> None:
        for number in range(1, 100_000):
            s.peer.deliver(command(number, ttl_ms=3_600_000))
            await asyncio.sleep(rng.uniform(0.1, 2.0))

    async def act(s: Scene) -> None:
        stream = asyncio.create_task(orders(s))
        for kill in range(kills):
            ea = s.start("--balance", "1000000000")
            await asyncio.sleep(PACE * rng.uniform(0.8, 4.0))
            if kill % 3 == 0:
                s.peer.cut()
                await asyncio.sleep(rng.uniform(0.0, 2.0))
            ea.kill()
            await s.dies()
        stream.cancel()
        s.start()
        await s.peer.until(lambda: not any(state in OPEN for state in s.peer.states.values()), 600)
        for name, state in s.peer.states.items():
            volumes = [D(d["volume"]) for d in s.books.deals(s.account, int(name[2:]))]
            assert (name, volumes) == (name, [D("0.10")] if state == "FILLED" else [])
        assert {d["deal"] for d in s.books.deals(s.account)} == {int(ticket) for ticket in s.peer.deals}
        print(door, len(s.peer.states), {x: [*s.peer.states.values()].count(x) for x in set(s.peer.states.values())})

    player(make, books, tmp_path, f"soak-{door}", door)(act)


OPEN = frozenset({"QUEUED", "SENT", "ACKED", "UNKNOWN", "PLACED", "PARTIAL"})
