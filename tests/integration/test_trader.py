"""The trader loop on a real store: shared commits, failures, wishes from other processes, restarts."""

import asyncio
import shutil
import sqlite3
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import ACCOUNT, ROUTE, Room, a_room, filled, plain_route, room, standing

from kakehashi.domain.errors import Rejected, Unavailable
from kakehashi.domain.messages import TimePassed
from kakehashi.domain.orders import State
from kakehashi.ports import Commit
from kakehashi.services import desk, trader

__all__ = ["room"]


async def until(holds: Callable[[], bool], *, within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.01)


@pytest.fixture
def counted(room: Room, monkeypatch: pytest.MonkeyPatch) -> list[Commit]:
    """Every commit the trader asks for, in order."""
    commits: list[Commit] = []
    really = room.store.commit

    async def noted(wanted: Commit) -> None:
        commits.append(wanted)
        await really(wanted)

    monkeypatch.setattr(room.store, "commit", noted)
    return commits


async def test_what_arrives_together_shares_a_commit(room: Room, counted: list[Commit]) -> None:
    answers = await asyncio.gather(*(room.alert("LONG", f"a{n}") for n in range(100)))
    assert {a.json()["status"] for a in answers} == {"queued"}
    assert sum(len(c.journal) for c in counted) == 100
    assert len(counted) < 50


async def test_a_poll_for_nothing_and_a_clock_that_ends_nothing_write_nothing(
    room: Room, counted: list[Commit]
) -> None:
    assert await room.poll() == []
    await room.hub.trader.submit(TimePassed(at=room.clock.now_ms()))
    assert counted == []


async def test_after_a_failed_commit_the_engine_is_what_the_store_says(room: Room) -> None:
    (kept,) = await room.ordered("LONG", "a1")

    def fail_before_commit(where: str) -> None:
        if where == "before_commit":
            raise sqlite3.OperationalError("database or disk is full")

    room.store.crash_point = fail_before_commit
    answers = await asyncio.gather(*(room.alert("LONG", f"b{n}") for n in range(5)))
    assert {a.status_code for a in answers} == {503}
    room.store.crash_point = lambda _: None
    await until(lambda: room.hub.trader.available)
    assert [o.id for o in room.hub.trader.engine.book.of(ACCOUNT)] == [kept]
    assert (await room.http.get("/readyz")).status_code == 200
    assert len(await room.ordered("LONG", "b0")) == 1


async def test_while_the_store_is_away_the_hub_is_not_ready_and_says_so_at_once(room: Room) -> None:
    really = room.store.rows

    async def away(*_: Any, **__: Any) -> Any:
        raise Unavailable("STORE_UNAVAILABLE", "gone")

    def fail(_: str) -> None:
        raise sqlite3.OperationalError("gone")

    room.store.crash_point = fail
    room.store.rows = away  # type: ignore[method-assign]
    assert (await room.alert("LONG", "a1")).status_code == 503
    assert (await room.http.get("/readyz")).status_code == 503
    assert (await room.http.get("/livez")).status_code == 200
    assert (await room.alert("CLOSE", "a2")).status_code == 503
    room.store.crash_point = lambda _: None
    room.store.rows = really  # type: ignore[method-assign]
    await until(lambda: room.hub.trader.available)
    assert (await room.alert("LONG", "a1")).json()["status"] == "queued"


async def test_a_full_inbox_is_refused_at_once(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trader, "INBOX", 0)
    with pytest.raises(Unavailable) as caught:
        await room.hub.trader.submit(TimePassed(at=0))
    assert caught.value.code == "BACKLOG"


# -- wishes from other processes


async def test_a_dead_letter_is_retried_once_asked_for_and_discarded_for_good(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    await room.pass_time(16)
    assert (await room.order(order)).state is State.DEAD
    operator = {"authorization": f"Bearer {room.tokens['operator']}"}
    assert (await room.http.post(f"/api/v1/dlq/{order}/retry", json={}, headers=operator)).status_code == 200
    items: list[dict[str, Any]] = []
    async with asyncio.timeout(20):
        while not items:
            await asyncio.sleep(0.05)
            items = await room.poll()
    assert [i["key"] for i in items] == [order]
    assert await room.store.inbox("hub") == []

    await room.pass_time(16)
    assert (await room.http.post(f"/api/v1/dlq/{order}/retry", json={}, headers=operator)).status_code == 409
    assert (await room.http.post(f"/api/v1/dlq/{order}/discard", json={}, headers=operator)).status_code == 200
    await until(lambda: room.hub.trader.engine.book.get(order).state is State.CANCELLED)  # type: ignore[union-attr]
    await room.pass_time(0)  # the engine is ahead of the store until its commit: the next turn comes after it
    kept = await room.order(order)
    assert (kept.state, kept.code) == (State.CANCELLED, "DISCARDED")


@pytest.mark.parametrize("body", [b"{", b"{}", b'{"t":"retried","at":1,"order":"o-0-0","by":"x","expires_at":2}'])
async def test_a_wish_that_makes_no_sense_is_taken_out_and_the_loop_goes_on(room: Room, body: bytes) -> None:
    await room.store.post("hub", room.clock.now_ms(), body)
    async with asyncio.timeout(20):
        while await room.store.inbox("hub"):
            await asyncio.sleep(0.02)
    assert len(await room.ordered("LONG", "a1")) == 1


async def test_a_changed_route_takes_hold_while_running(room: Room) -> None:
    changed = plain_route(symbols=("GBPUSD",))
    await desk.put_route(room.store, changed, by="test", at=room.clock.now_ms())
    await until(lambda: room.hub.trader.engine.routes[ROUTE].rules.symbols == ("GBPUSD",))
    answer = (await room.alert("LONG", "a1")).json()
    assert answer["status"] == "refused"
    assert answer["code"]


async def test_a_disabled_account_is_handed_nothing(room: Room) -> None:
    await room.ordered("LONG", "a1")
    await desk.change_account(room.store, ACCOUNT, by="test", at=room.clock.now_ms(), enabled=False)
    await until(lambda: not room.hub.trader.engine.accounts[ACCOUNT].enabled)
    assert await room.poll() == []


# -- reversal


async def test_a_reversal_opens_only_after_its_exit_has_filled(room: Room) -> None:
    await room.report()
    (entry,) = await room.ordered("LONG", "a1")
    await room.poll()
    await room.ack(filled(entry, 0.1, ticket="5"))
    await room.report(standing("5", 0.1, magic=(await room.order(entry)).magic))
    close, turned = await room.ordered("REVERSE", "a2")
    assert [(i["key"], i["action"]) for i in await room.poll()] == [(close, "CLOSE")]
    assert await room.poll() == []
    await room.ack(filled(close, 0.1, ticket="5"))
    (item,) = await room.poll()
    assert (item["key"], item["action"], item["volume"]) == (turned, "SELL", 0.1)


async def test_a_reversal_whose_exit_was_rejected_opens_nothing(room: Room) -> None:
    await room.report()
    (entry,) = await room.ordered("LONG", "a1")
    await room.poll()
    await room.ack(filled(entry, 0.1, ticket="5"))
    await room.report(standing("5", 0.1, magic=(await room.order(entry)).magic))
    close, turned = await room.ordered("REVERSE", "a2")
    await room.poll()
    await room.ack({"key": close, "status": "rejected", "retcode": 10018, "message": "Market closed"})
    kept = await room.order(turned)
    assert (kept.state, kept.code) == (State.REJECTED, "REVERSAL_INCOMPLETE")


async def test_a_reversal_goes_on_after_a_restart_between_its_two_halves(tmp_path: Path) -> None:
    async with a_room(tmp_path) as first:
        await first.report()
        (entry,) = await first.ordered("LONG", "a1")
        await first.poll(journal=True)
        await first.ack(filled(entry, 0.1, ticket="5"))
        await first.report(standing("5", 0.1, magic=(await first.order(entry)).magic))
        close, turned = await first.ordered("REVERSE", "a2")
        await first.poll(journal=True)
        tokens = first.tokens
    async with a_room(tmp_path, tokens) as second:
        await second.ack(filled(close, 0.1, ticket="5"))
        assert [i["key"] for i in await second.poll(journal=True)] == [turned]


# -- loading


async def test_a_hub_put_back_from_a_copy_gives_no_number_twice_although_the_clock_was_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The EA remembers what the forgotten future sent under its numbers (R20)."""
    monkeypatch.setattr(trader, "NUMBERED_FROM_MS", 9_000_000_000_000)  # the time of day parts nothing
    async with a_room(tmp_path / "hub") as first:
        tokens = first.tokens
    shutil.copytree(tmp_path / "hub", tmp_path / "copy")
    given: list[str] = []
    for folder in ("hub", "copy"):
        async with a_room(tmp_path / folder, tokens) as room:
            await room.report()
            for number in range(3):
                given += await room.ordered("LONG", f"{folder}{number}")
    assert len(given) == len(set(given)) == 6


async def test_a_restart_loads_what_was_there(tmp_path: Path) -> None:
    async with a_room(tmp_path) as first:
        await first.report()
        (done,) = await first.ordered("LONG", "a1")
        await first.poll(journal=True)
        await first.ack(filled(done, 0.1, ticket="5"))
        await first.report(standing("5", 0.1, magic=(await first.order(done)).magic))
        await first.ordered("LONG", "a2")
        before, tokens = first.hub.trader.engine, first.tokens
    async with a_room(tmp_path, tokens) as second:
        after = second.hub.trader.engine
    assert after.settings == before.settings
    assert (after.accounts, after.routes, after.kills) == (before.accounts, before.routes, before.kills)
    assert after.seq > before.seq
    assert (after.memories, after.magics) == (before.memories, before.magics)
    assert list(after.book.of(ACCOUNT)) == list(before.book.of(ACCOUNT))
    assert after.mirrors[ACCOUNT].positions == before.mirrors[ACCOUNT].positions
    assert msgspec.to_builtins(after.mirrors[ACCOUNT].quotes) == msgspec.to_builtins(before.mirrors[ACCOUNT].quotes)


async def test_a_trader_that_lost_its_ownership_stops_writing(room: Room) -> None:
    with sqlite3.connect(room.store.path) as other:
        tables = [r[0] for r in other.execute("SELECT name FROM sqlite_master WHERE type='table'")]
        table = next(t for t in tables if "own" in t or "lease" in t)
        other.execute(f"UPDATE {table} SET epoch = epoch + 1")
    answer = await room.alert("LONG", "a1")
    assert answer.status_code == 503
    assert await room.signals() == []
    assert (await room.http.get("/readyz")).status_code == 503
    with pytest.raises(Rejected):
        await room.store.commit(Commit(ownership=room.hub.ownership))


async def test_a_fault_of_the_engine_in_one_event_does_not_end_the_trading_of_others(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = room.hub.trader.engine.process

    def broken(event: Any, **views: Any) -> Any:
        if getattr(getattr(event, "signal", None), "alert", None) and event.signal.alert.id == "poison":
            raise ValueError("a bug")
        return really(event, **views)

    monkeypatch.setattr(room.hub.trader.engine, "process", broken)
    assert (await room.alert("LONG", "poison")).status_code >= 400
    await until(lambda: room.hub.trader.available)
    assert (await room.alert("LONG", "sound")).json()["status"] == "queued"
    assert await room.signals("queued") != []


async def test_a_route_that_an_alert_paused_is_still_paused_after_a_restart(tmp_path: Path) -> None:
    async with a_room(tmp_path) as before:
        await before.alert("PAUSE", "p")
        assert (await before.alert("LONG", "a")).json()["code"] == "PAUSED"
        tokens = before.tokens
    async with a_room(tmp_path, tokens) as after:
        assert (await after.alert("LONG", "b")).json()["code"] == "PAUSED"
