"""The EA's shell between a hub and a simulated broker, in memory and on virtual time."""

import asyncio
import contextlib
import random
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import pytest
from tests.link_peer import WALL, D, Peer, command, exit_of
from tests.odd_time import LoopClock, run_virtual

from kakehashi.domain import frames as f
from kakehashi.domain.errors import Unavailable
from kakehashi.terminal.core import journal
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.link_words import Answered, Identity, Look, Quotes, Seen, Stopping, Symbols, Trade, View
from kakehashi.terminal.core.rows import deal_row, order_row, position_row
from kakehashi.terminal.core.words import AccountSpec
from kakehashi.terminal.shell import BACKLOG, EaShell

IDENTITY = Identity(account="77", server="Demo")


class Account:
    """A terminal over a real book.

    ``held_s``: how long the dealer takes over an order; ``deaf``: answers are lost; ``slow_view_s``: of the next read.
    """

    def __init__(self, paper: "Paper") -> None:
        self.broker = Broker(seed=7, at=WALL)
        self.book = self.broker.open_account(AccountSpec(account="a", number="77", server="Demo"))
        self.broker.market.pin("EURUSD", D("1.10000"), None, WALL)
        self.held_s, self.deaf, self.slow_view_s = 0.0, False, 0.0
        self.paper = paper
        self.written_at_call: list[list[str]] = []

    async def view(self, after_deal: int, since: int) -> View:
        seen = View(
            connected=True,
            login="77",
            server="Demo",
            broker_time=WALL,
            positions=tuple(position_row(p) for p in self.book.positions.values()),
            orders=tuple(order_row(o) for o in self.book.orders.values()),
            deals=tuple(deal_row(d) for d in self.book.deals if d.ticket > after_deal and d.time >= since),
        )
        pause_s, self.slow_view_s = self.slow_view_s, 0.0
        await asyncio.sleep(pause_s)
        return seen

    async def symbols(self) -> Symbols:
        return Symbols((f.SymbolRow(symbol="EURUSD"),))

    async def quotes(self, symbols: tuple[str, ...]) -> Quotes:
        ticks = [(s, self.broker.market.ticks[s]) for s in symbols]
        return Quotes(tuple((s, t.bid, t.ask, t.at) for s, t in ticks))

    async def trade(self, trade: Trade) -> Answered:
        self.written_at_call.append(self.paper.kinds())
        await asyncio.sleep(self.held_s)
        result = self.broker.order_send("a", trade.request, WALL)
        return Answered(id=trade.id, result=None if self.deaf else result)

    async def look(self, look: Look) -> Seen | None:
        book = self.book
        return Seen(
            id=look.id,
            n=look.n,
            working=tuple(o for o in book.orders.values() if look.magic == o.magic or look.order == o.ticket),
            ended=tuple(o for o in book.done if look.magic == o.magic or look.order == o.ticket),
            deals=tuple(deal_row(d) for d in book.deals if look.magic == d.magic or look.order == d.order),
        )


class Paper:
    """A journal file in memory. ``torn``: what was cut off."""

    def __init__(self, raw: bytes = b"") -> None:
        self.raw, self.torn, self.full = raw, b"", False
        self.meanwhile: Callable[[], object] = lambda: None

    def read(self) -> bytes:
        return self.raw

    def append(self, raw: bytes) -> None:
        if self.full:
            self.full = False
            self.meanwhile()
            raise OSError(28, "No space left on device")
        self.raw += raw

    def cut(self, size: int) -> None:
        self.raw, self.torn = self.raw[:size], self.raw[size:]

    def replace(self, raw: bytes) -> None:
        self.raw = raw

    def kinds(self) -> list[str]:
        return [line.split(b'"')[3].decode() for line in self.raw.splitlines()]


class Pipe:
    """A connection in memory: what one end says the other hears in the loop's next turn, and in order."""

    def __init__(self, name: str, peer: Peer) -> None:
        self._name, self._peer, self._in = name, peer, asyncio.Queue[bytes | None]()
        self.backlog, self.stuck, self.closed = 0, False, ""
        peer.come(name, self._arrives, lambda _code, _why: self._arrives(None))

    def _arrives(self, frame: bytes | None) -> None:
        if not self.stuck:
            self._in.put_nowait(frame)

    async def receive(self) -> bytes | None:
        return await self._in.get()

    def send(self, frame: bytes) -> None:
        if not self.stuck:
            asyncio.get_running_loop().call_soon(self._peer.hear, self._name, frame)

    async def close(self, _code: int, reason: str) -> None:
        self.closed = self.closed or reason or "closed"
        await asyncio.sleep(0)
        self._peer.gone(self._name)


class Room:
    """A hub, an account, a journal, and an EA that is up."""

    def __init__(self, paper: Paper | None = None) -> None:
        self.peer = Peer("77")
        self.paper = paper or Paper()
        self.account = Account(self.paper)
        self.pipes: list[Pipe] = []
        self.refused = 0
        self.tried: list[float] = []
        self.shell = EaShell(
            IDENTITY,
            terminal=self.account,
            journal_file=self.paper,
            connect=self.connect,
            clock=LoopClock(),
            rng=random.Random(1),
        )

    async def connect(self) -> Pipe:
        self.tried.append(asyncio.get_running_loop().time())
        if self.refused:
            self.refused -= 1
            raise Unavailable("BROKER_UNREACHABLE", "refused")
        self.pipes.append(Pipe(f"p{len(self.pipes)}", self.peer))
        return self.pipes[-1]

    @contextlib.asynccontextmanager
    async def open(self, *, fresh: bool = True) -> AsyncIterator["Room"]:
        time, ea = asyncio.create_task(self.peer.keep_time()), asyncio.create_task(self.shell.run())
        try:
            if fresh:
                await self.peer.fresh()
            yield self
            self.shell.stop()
            await ea
        finally:
            time.cancel()
            ea.cancel()
            await asyncio.gather(time, ea, return_exceptions=True)


Scene = Callable[[], Coroutine[Any, Any, None]]


def virtual(scene: Scene) -> Callable[[], None]:
    """The scene, asserts and all, as a plain test on virtual time."""

    def played() -> None:
        run_virtual(scene())

    played.__name__ = scene.__name__
    return played


@virtual
async def test_an_order_goes_to_the_broker_once_and_only_after_its_line_sent_is_written() -> None:
    async with Room().open() as room:
        opened = await room.peer.ends(command(1))
        assert (opened.st, opened.vol) == ("FILLED", D("0.10"))
        closed = await room.peer.ends(exit_of(2, opened.deals[0].position))
        assert (closed.st, closed.deals[0].entry) == ("FILLED", "OUT")
        assert [kinds[-2:] for kinds in room.account.written_at_call] == [["INTENT", "SENT"]] * 2
    assert len(room.account.book.deals) == 2


@virtual
async def test_heartbeats_go_on_while_a_dealer_holds_an_order_for_two_minutes() -> None:
    async with Room().open() as room:
        room.account.held_s = 120
        beats = sum(isinstance(x, f.Heartbeat) for x in room.peer.heard)
        done = await room.peer.ends(command(1), seconds=200)
        assert done.st == "FILLED"
        assert sum(isinstance(x, f.Heartbeat) for x in room.peer.heard) - beats >= 23
        assert len(room.pipes) == 1
    assert len(room.account.book.deals) == 1


@virtual
async def test_an_order_whose_answer_is_lost_is_found_and_not_repeated() -> None:
    async with Room().open() as room:
        room.account.deaf = True
        assert (await room.peer.ends(command(1))).st == "FILLED"
    assert len(room.account.book.deals) == 1


@virtual
async def test_a_read_begun_before_a_trade_is_not_told_after_it() -> None:
    async with Room().open() as room:
        room.account.slow_view_s = 0.5
        while room.account.slow_view_s:
            await asyncio.sleep(0.01)
        opened = await room.peer.ends(command(1))
        await asyncio.sleep(3)
        changes = [c for x in room.peer.heard if isinstance(x, f.Delta) for c in x.rows]
        assert [(c.ticket, c.row is not None) for c in changes] == [(opened.deals[0].position, True)]


@virtual
async def test_a_clean_stop_says_bye_and_keeps_the_instance_for_the_next_start() -> None:
    async with Room().open() as room:
        pass
    assert room.paper.kinds()[-1] == "CLEAN"
    assert isinstance(room.peer.heard[-1], f.Bye)
    assert room.pipes[-1].closed == "STOP"
    again = Room(Paper(room.paper.raw))
    async with again.open():
        assert again.shell.link.memory.instance == room.shell.link.memory.instance
        assert again.shell.link.memory.boot == 2


@virtual
async def test_what_lies_beyond_the_last_good_line_is_cut_off_before_anything_is_written() -> None:
    async with Room().open() as room:
        whole = room.paper.raw
    async with Room(Paper(whole + b'9 40 77 {"k":"SENT')).open() as again:
        assert again.paper.torn == b'9 40 77 {"k":"SENT'
        assert again.shell.link.memory.prev == room.shell.link.memory.instance
    assert journal.read(again.paper.raw).clean


@virtual
async def test_a_killed_ea_writes_nothing_more() -> None:
    room = Room()
    ea, time = asyncio.create_task(room.shell.run()), asyncio.create_task(room.peer.keep_time())
    await room.peer.fresh()
    room.account.held_s = 5
    room.peer.deliver(command(1))
    await room.peer.until(lambda: room.account.written_at_call)
    written = room.paper.raw
    ea.cancel()
    await asyncio.gather(ea, return_exceptions=True)
    await asyncio.sleep(10)
    assert room.paper.raw == written
    time.cancel()


@virtual
async def test_an_ea_whose_journal_cannot_be_written_ends_without_trading() -> None:
    room = Room()
    ea, time = asyncio.create_task(room.shell.run()), asyncio.create_task(room.peer.keep_time())
    await room.peer.fresh()
    room.paper.full = True
    # something else happens in the loop's same turn
    room.paper.meanwhile = lambda: asyncio.get_running_loop().call_soon(room.shell._take, Stopping())
    room.peer.deliver(command(1))
    with pytest.raises(ExceptionGroup):
        await ea
    assert room.paper.kinds()[-1] not in ("INTENT", "CLEAN")
    assert not room.account.book.deals
    assert not any(isinstance(x, f.Ack) for x in room.peer.heard)
    time.cancel()


@virtual
async def test_it_comes_back_with_growing_pauses_that_never_fall_together() -> None:
    room = Room()
    async with room.open():
        room.refused = 6
        room.peer.cut()
        await room.peer.until(lambda: len(room.pipes) == 2, 60)
        pauses = [b - a for a, b in zip(room.tried[1:], room.tried[2:], strict=False)]
        assert all(0.5 * want <= got <= 1.5 * want for got, want in zip(pauses, (1, 2, 4, 5, 5, 5), strict=False))
        assert len(set(pauses)) == len(pauses)
        await room.peer.fresh()


@virtual
async def test_a_half_open_line_is_given_up_and_replaced() -> None:
    async with Room().open() as room:
        room.pipes[0].stuck = True
        await asyncio.sleep(20)
        await room.peer.fresh()
        assert (len(room.pipes), room.pipes[0].closed) == (2, "closed")


@virtual
async def test_a_slow_line_is_told_no_state_but_its_heartbeat() -> None:
    async with Room().open() as room:
        room.pipes[0].backlog = BACKLOG + 1
        await asyncio.sleep(1)
        said = len(room.peer.heard)
        room.account.broker.order_send("a", _buy(), WALL)
        await asyncio.sleep(11)
        kinds = {type(x) for x in room.peer.heard[said:]}
        assert f.Heartbeat in kinds
        assert not kinds & {f.Delta, f.Snap, f.Price}
        room.pipes[0].backlog = 0
        await room.peer.until(lambda: room.peer.link.mirror.positions)


@virtual
async def test_watched_symbols_are_quoted_when_they_move() -> None:
    from kakehashi.domain import linkwords as w

    async with Room().open() as room:
        room.peer.step(w.Watch, symbols=("EURUSD",))
        await room.peer.until(lambda: _prices(room))
        await asyncio.sleep(2)
        assert len(_prices(room)) == 1
        room.account.broker.market.pin("EURUSD", D("1.20000"), None, WALL)
        await room.peer.until(lambda: len(_prices(room)) == 2)
        assert _prices(room)[-1].q[0][1] == D("1.20000")


def _prices(room: Room) -> list[f.Price]:
    return [x for x in room.peer.heard if isinstance(x, f.Price)]


def _buy() -> Any:
    from kakehashi.terminal.core.words import OrderType, Request, TradeAction

    return Request(action=TradeAction.DEAL, symbol="EURUSD", type=OrderType.BUY, volume=D("0.10"))
