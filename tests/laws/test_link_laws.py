"""Laws 3 to 6 over the EA link: the mirror is the terminal, what may have happened is never repeated, one id is one act."""

import asyncio
import sys
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import Room, room
from wire import Wire, deal

from kakehashi.domain import commands, orders
from kakehashi.domain.frames import Bye, PositionRow, position_crc
from kakehashi.domain.orders import State

__all__ = ["room"]


async def until(holds: Callable[[], bool], *, within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.005)


def test_whatever_can_become_of_a_command_of_the_link_can_become_of_its_order() -> None:
    for before, followers in commands.TRANSITIONS.items():
        for after in followers:
            happening = commands.HAPPENINGS[after]
            assert happening in orders.TRANSITIONS[before], f"{before}: {happening}"


async def test_law_4_a_command_of_one_ea_is_never_carried_out_by_another_but_asked_after(room: Room) -> None:
    first = Wire(room, "ea-a")
    await first.come()
    (order,) = await room.ordered("LONG", "a1")
    cmd = await first.wait("CMD", id=order)
    first.say("ACK", id=order, j=2)
    first.cut()
    await room.pass_time(16)
    second = Wire(room, "ea-b")
    await second.come()
    await second.wait("QUERY", id=order)
    assert (await room.order(order)).state is State.UNKNOWN
    assert await room.poll(journal=True) == []
    second.say("QRES", id=order, magic=cmd["magic"], found=[deal(cmd)], synced=True, hist_from=1)
    await until(lambda: room.hub.trader.engine.book.get(order).state is State.FILLED)  # type: ignore[union-attr]
    assert second.all("CMD") == []


async def test_law_4_an_entry_that_is_known_to_be_absent_is_not_sent_again(room: Room) -> None:
    first = Wire(room, "ea-a")
    await first.come()
    (order,) = await room.ordered("LONG", "a1")
    cmd = await first.wait("CMD", id=order)
    first.say("EVT", n=1, j=2, id=order, st="NOT_EXECUTED", retcode=0, reason="ABSENT")
    await first.wait("EVTA", n=1)
    assert (await room.order(order)).state is State.NOT_EXECUTED
    assert await room.poll(journal=True) == []
    first.filled(cmd, n=2)  # the venue knows better after all
    await first.wait("EVTA", n=2)
    assert (await room.order(order)).state is State.FILLED
    assert len(first.all("CMD")) == 1


async def test_law_5_a_command_is_sent_again_under_its_id_until_it_is_acknowledged(room: Room) -> None:
    ea = Wire(room)
    await ea.come()
    (order,) = await room.ordered("LONG", "a1")
    await ea.wait("CMD", id=order)
    await room.pass_time(2.1)
    await until(lambda: len(ea.all("CMD")) == 2)
    first, again = ea.all("CMD")
    moving = ("age_ms", "hn", "hn_ago_ms", "ep")
    assert {k: v for k, v in first.items() if k not in moving} == {k: v for k, v in again.items() if k not in moving}
    ea.say("ACK", id=order, j=2)
    ea.filled(first, n=1)
    await ea.wait("EVTA", n=1)
    await room.pass_time(2.1)
    assert len(ea.all("CMD")) == 2


async def test_law_5_an_event_told_twice_is_one_fill(room: Room) -> None:
    ea = Wire(room)
    await ea.come()
    (order,) = await room.ordered("LONG", "a1")
    cmd = await ea.wait("CMD", id=order)
    ea.filled(cmd, n=1)
    ea.filled(cmd, n=1)
    await until(lambda: len(ea.all("EVTA")) == 2)
    assert len(await room.hub.store.rows("fills")) == 1


async def test_law_5_what_goes_over_the_link_is_not_in_the_mailbox_as_well(room: Room) -> None:
    ea = Wire(room)
    await ea.come()
    (order,) = await room.ordered("LONG", "a1")
    assert await room.poll(journal=True) == []
    await ea.wait("CMD", id=order)
    ea.cut()
    assert await room.poll(journal=True) == [], "the EA may still believe that it holds the account"


async def test_law_5_what_no_ea_was_told_of_goes_to_the_mailbox_when_the_lease_is_over(room: Room) -> None:
    ea = Wire(room)
    await ea.come()
    ea.cut()
    await room.pass_time(16)
    await room.report()
    (order,) = await room.ordered("LONG", "a1")
    assert [item["id"] for item in await room.poll(journal=True)] == [order]
    again = Wire(room, "ea-b")
    await again.come()
    await again.beat(sseq=1)
    assert again.all("CMD") == []


# -- 6 over the EA link: an exit that the world overtook is decided again


async def half_is_to_be_closed(room: Room, ea: Wire) -> dict[str, Any]:
    """The command of a TP for half of the 0.40 lots that the EA's mirror shows."""
    await ea.come()
    ea.snap(sseq=2, positions=[ours(room, "0.40")])
    await until(lambda: bool(room.hub.trader.engine.mirrors["demo"].positions))
    await ea.beat(sseq=2, crc=crc_of(ours(room, "0.40")))
    (order,) = await room.ordered("TP", "a1")
    return await ea.wait("CMD", id=order)


async def test_law_6_a_partial_close_that_came_too_late_is_decided_again_on_what_is_left(room: Room) -> None:
    ea = Wire(room)
    cmd = await half_is_to_be_closed(room, ea)
    assert (cmd["vol"], cmd["expect_vol"]) == ("0.20", "0.40")
    ea.say("EVT", n=1, j=2, id=cmd["id"], st="REJECTED", retcode=0, reason="PRECOND")
    await ea.wait("EVTA", n=1)
    assert len(ea.all("CMD")) == 1, "the mirror does not show yet what the EA has seen"
    ea.snap(sseq=3, positions=[ours(room, "0.10")])
    await until(lambda: len(ea.all("CMD")) == 2)
    again = ea.all("CMD")[1]
    assert again["id"] != cmd["id"]
    assert (again["op"], again["target"], again["vol"], again["expect_vol"]) == ("CLOSE_PARTIAL", "9", "0.05", "0.10")


async def test_law_6_a_close_in_doubt_does_not_keep_the_next_ea_from_closing(room: Room) -> None:
    first = Wire(room, "ea-a")
    await first.come()
    first.snap(sseq=2, positions=[ours(room, "0.40")])
    await until(lambda: bool(room.hub.trader.engine.mirrors["demo"].positions))
    (order,) = await room.ordered("CLOSE", "a1")
    await first.wait("CMD", id=order)
    first.cut()
    await room.pass_time(16)
    second = Wire(room, "ea-b")
    await second.come()
    second.snap(sseq=2, positions=[ours(room, "0.40")])
    again = await second.wait("CMD", op="CLOSE", target="9")
    assert again["id"] != order
    await second.wait("QUERY", id=order)


def ours(room: Room, volume: str) -> dict[str, Any]:
    """A position that an order of the hub opened."""
    magic = (room.hub.trader.engine.settings.prefix << 48) | 1
    room.hub.trader.engine.magics.setdefault("demo", OrderedDict())[magic] = "trend"
    return {
        "ticket": "9",
        "ident": "9",
        "symbol": "EURUSD",
        "side": "B",
        "volume": volume,
        "open": "1.1",
        "magic": str(magic),
    }


def crc_of(*rows: dict[str, Any]) -> int:
    return position_crc(msgspec.convert(rows, tuple[PositionRow, ...], strict=False))


async def test_law_3_an_execution_that_the_mirror_shows_already_is_not_counted_off_again(room: Room) -> None:
    ea = Wire(room)
    cmd = await half_is_to_be_closed(room, ea)
    ea.snap(sseq=3, positions=[ours(room, "0.20")])
    ea.filled(cmd, n=1)
    await ea.wait("EVTA", n=1)
    held = room.hub.trader.engine.mirrors["demo"].positions
    assert [str(p.volume) for p in held.values()] == ["0.20"]


# -- 2 over the EA link: one account's trouble is its own


async def test_an_ea_whose_word_breaks_a_turn_is_not_listened_to_for_a_while_and_the_others_are(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    ea = Wire(room)
    await ea.come()
    links = type(room.hub.trader.links)
    step = links.step

    def broken(self: Any, account: str, event: Any) -> Any:
        if isinstance(getattr(event, "frame", None), Bye):
            raise RuntimeError("a fault of ours")
        return step(self, account, event)

    monkeypatch.setattr(links, "step", broken)
    ea.say("BYE")
    await until(lambda: ea.closed is not None)
    await until(lambda: room.hub.trader.available)
    again = Wire(room, "ea-b")
    again.hello()
    await until(lambda: again.closed is not None)
    assert again.closed is not None
    assert again.closed[0] == 1011
    assert (await room.alert("LONG", "a1")).status_code == 200
    await room.pass_time(61)
    await Wire(room, "ea-c").come()


async def test_law_3_what_was_shown_ahead_of_the_terminal_gives_way_to_a_proven_mirror(room: Room) -> None:
    ea = Wire(room)
    await ea.come()
    (order,) = await room.ordered("LONG", "a1")
    cmd = await ea.wait("CMD", id=order)
    ea.filled(cmd, n=1)  # its position was stopped out before the terminal was read
    await ea.wait("EVTA", n=1)
    assert room.hub.trader.engine.mirrors["demo"].positions
    await ea.beat(sseq=1)
    assert not room.hub.trader.engine.mirrors["demo"].positions
