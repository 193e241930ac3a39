"""What EAs say to a running hub: heartbeats are answered at once, and nothing is told that is not on disk."""

import asyncio
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import ACCOUNT, Room, room

from kakehashi.domain.framecodec import encode, from_hub
from kakehashi.domain.frames import DealRow, Evt, FromEa, Heartbeat, Hello, Snap
from kakehashi.domain.linkwords import Session
from kakehashi.ports import Commit
from kakehashi.services.hub import Hub

__all__ = ["room"]


class Wire:
    """An EA's line, as its face gives it: what the hub said is kept."""

    def __init__(self, hub: Hub) -> None:
        self._hub, self._beats = hub, 0
        self.said: list[str] = []
        self.closed = False
        self._conn = hub.trader.gateway.open(ACCOUNT, self)

    def say(self, frame: FromEa) -> None:
        self._hub.trader.gateway.heard(self._conn, encode(frame))

    def beat(self) -> None:
        self._beats += 1
        self.say(Heartbeat(n=self._beats, boot=1, sseq=1, synced=True, gen=99))

    def send(self, frame: bytes) -> None:
        self.said.append(type(from_hub(frame)).__name__)

    def close(self, code: int, reason: str) -> None:
        self.closed = code > 0 and bool(reason)
        self._hub.trader.gateway.lost(self._conn)

    def pause(self, on: bool) -> None: ...
    def idle(self) -> None: ...


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


async def linked(room: Room) -> Wire:
    """An EA whose account is fresh, and a trader that has nothing to do."""
    wire = Wire(room.hub)
    wire.say(Hello(account="1001", instance="i-1", boot=1))
    wire.say(Snap(boot=1, sseq=1, synced=True))
    wire.beat()
    link = None
    while link is None or link.session is not Session.FRESH or not resting(room):
        await asyncio.sleep(0.01)
        link = room.hub.trader.links.get(ACCOUNT)
    wire.said.clear()
    return wire


def resting(room: Room) -> bool:
    return room.hub.trader.resting


@pytest.fixture
async def wire(room: Room) -> AsyncIterator[Wire]:
    async with asyncio.timeout(60):
        yield await linked(room)


@pytest.fixture
def gate(room: Room, wire: Wire, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Commits wait for it; set at first."""
    gate, really = asyncio.Event(), room.store.commit
    gate.set()

    async def held(wanted: Commit) -> None:
        await gate.wait()
        await really(wanted)

    monkeypatch.setattr(room.store, "commit", held)
    return gate


async def test_a_heartbeat_that_changes_nothing_is_answered_before_the_loop_turns(
    room: Room, wire: Wire, gate: asyncio.Event
) -> None:
    gate.clear()  # whatever were written would wait for ever
    wire.beat()
    wire.beat()
    assert wire.said == ["HeartbeatAck", "HeartbeatAck"]
    gate.set()


async def test_what_changes_something_is_on_disk_before_it_is_acknowledged(
    room: Room, wire: Wire, gate: asyncio.Event
) -> None:
    gate.clear()
    deal = DealRow(ticket="7", symbol="EURUSD", side="B", entry="IN", volume=1, price=1, time=1)  # type: ignore[arg-type]
    wire.say(Evt(n=1, st="DEAL", deals=(deal,)))
    await asyncio.sleep(0)
    wire.beat()  # its answer would tell how far events are booked
    assert wire.said == []
    gate.set()
    await until(lambda: "HeartbeatAck" in wire.said)
    assert wire.said == ["EvtAck", "HeartbeatAck"]
    assert [row["kind"] for row in await room.store.rows("journal", where={"owner": "link"})] == ["EventBooked"]


async def test_an_engine_that_breaks_on_a_frame_costs_the_lines_and_not_the_trading(
    room: Room, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("a fault of ours")

    monkeypatch.setattr(room.hub.trader.links, "step", broken)
    wire.beat()
    await until(lambda: wire.closed)
    monkeypatch.undo()
    await until(lambda: room.hub.trader.available)
    await room.pass_time(61)  # for so long its account is not listened to
    await linked(room)
    assert (await room.alert("LONG", "after")).status_code == 200


async def test_a_deadline_that_a_heartbeat_moved_wakes_nobody(room: Room, wire: Wire) -> None:
    links = room.hub.trader.links
    room.clock.ahead_ms += 1_000
    wire.beat()
    first = links.next_deadline
    assert first is not None
    assert links.due(first) == []
    moved = links.next_deadline
    assert moved is not None
    assert moved > first
    assert links.due(moved) == [ACCOUNT]
