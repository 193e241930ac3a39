"""SEC-10: the kill switch stops everything new: healthy within a second, and also when nothing else goes well."""

import asyncio
import collections
import contextlib
import sqlite3
import sys
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import Room, a_room, room

from kakehashi.domain.orders import State
from kakehashi.domain.values import Account
from kakehashi.ports import Commit
from kakehashi.services import desk, trader

__all__ = ["room"]


async def kill(room: Room, *, do: str = "on", scope: str = "operator", **body: Any) -> int:
    """As an operator does; the status."""
    headers = {"authorization": f"Bearer {room.tokens[scope]}"}
    return (await room.http.post(f"/api/v1/kill/{do}", json=body, headers=headers)).status_code


async def handed_out(room: Room) -> list[str]:
    """The entries that a poll gives an EA now."""
    answer = await room.poll_raw(journal=True, limit=100)
    return [i["key"] for i in answer.json()["items"] if i["op"] == "OPEN"] if answer.status_code == 200 else []


async def until_none_is_handed_out(room: Room, *, names: str, within_s: float) -> float:
    """Send entries and poll until they are refused and nothing of them comes out; seconds that took."""
    began, n = time.monotonic(), 0
    while True:
        n += 1
        answer = await room.alert("LONG", f"{names}{n}")
        out = await handed_out(room)
        if not out and answer.status_code == 200 and answer.json()["code"] == "KILLED":
            return time.monotonic() - began
        assert time.monotonic() - began < within_s, (answer.text, out)
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def a_slow_store(room: Room, monkeypatch: pytest.MonkeyPatch, seconds: float) -> AsyncIterator[list[Commit]]:
    """Each commit of the trader takes so long; those that have begun."""
    commit, begun = room.store.commit, list[Commit]()

    async def slow(wanted: Commit) -> None:
        begun.append(wanted)
        await asyncio.sleep(seconds)
        await commit(wanted)

    with monkeypatch.context() as patch:
        patch.setattr(room.store, "commit", slow)
        yield begun


async def test_sec_10_when_healthy_no_entry_is_handed_out_a_second_after_the_switch(room: Room) -> None:
    waiting = [(await room.ordered("LONG", f"w{n}"))[0] for n in range(20)]
    began = time.monotonic()
    assert await kill(room) == 200
    await until_none_is_handed_out(room, names="k", within_s=20.0)
    took = time.monotonic() - began
    print(f"kill on to nothing handed out: {took * 1000:.0f} ms, a second by design")
    assert {(await room.order(o)).state for o in waiting} <= {State.CANCELLED, State.SENT}
    (close,) = await room.ordered("CLOSE", "x")
    assert close in [i["key"] for i in await room.poll(journal=True)]


async def test_sec_10_it_works_with_a_store_whose_commits_take_a_second(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    (waiting,) = await room.ordered("LONG", "w1")
    async with a_slow_store(room, monkeypatch, 1.0):
        assert await kill(room) == 200
        await asyncio.sleep(0.6)  # the switch has been read; its own commit is still on the way
        assert await handed_out(room) == [], "an entry left after the switch was thrown"
        answer = await room.alert("LONG", "w2")
        assert answer.json()["code"] in ("KILLED", "STORE_TIMEOUT")
    assert await handed_out(room) == []
    assert (await room.order(waiting)).code == "KILLED"


async def test_sec_10_it_works_while_another_process_holds_the_write_lock(room: Room, tmp_path: Path) -> None:
    """The operator's request waits for the lock, as every write does; nothing is handed out meanwhile."""
    (waiting,) = await room.ordered("LONG", "w1")
    other = sqlite3.connect(tmp_path / "k.db", isolation_level=None, check_same_thread=False)
    other.execute("BEGIN IMMEDIATE")
    killing = asyncio.create_task(kill(room))
    polling = asyncio.create_task(room.poll_raw(journal=True))
    await asyncio.sleep(1.0)
    assert not killing.done()
    assert not polling.done(), "a lease needs a commit"
    other.execute("ROLLBACK")
    other.close()
    assert await killing == 200
    await polling  # it came before the switch: it may have got what was leased to it
    await until_none_is_handed_out(room, names="k", within_s=20.0)
    assert (await room.order(waiting)).state in (State.CANCELLED, State.SENT)


async def test_sec_10_it_works_with_a_queue_that_stays_full(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """It overtakes the alerts that wait: they are refused by it when their turn comes."""
    (waiting,) = await room.ordered("LONG", "w1")
    stop, codes = asyncio.Event(), collections.Counter[str]()

    async def flood(worker: int) -> None:
        n = 0
        while not stop.is_set():
            n += 1
            codes[(await room.alert("LONG", f"f{worker}-{n}")).json()["code"]] += 1
            await asyncio.sleep(0)  # a refusal is given at once: without a socket nobody else would get a turn

    async with a_slow_store(room, monkeypatch, 0.3) as turns:
        monkeypatch.setattr(trader, "INBOX", 12)
        monkeypatch.setattr(trader, "BATCH", 1)  # so that a full queue is twelve turns long
        flooding = [asyncio.create_task(flood(n)) for n in range(20)]
        async with asyncio.timeout(10):
            while not codes["BACKLOG"]:
                await asyncio.sleep(0.01)
        assert await kill(room) == 200
        before = len(turns)
        async with asyncio.timeout(10):
            while not room.hub.trader.engine.kills:
                await asyncio.sleep(0.01)
        assert len(turns) - before <= 5, "those until it is seen and its own, however many wait"
        stop.set()
        await asyncio.gather(*flooding)
    assert codes["KILLED"] > 0
    assert await handed_out(room) == []
    assert (await room.order(waiting)).code == "KILLED"


async def test_sec_10_it_reaches_an_account_whose_ea_is_offline_and_survives_a_restart(tmp_path: Path) -> None:
    async with a_room(tmp_path) as first:
        (waiting,) = await first.ordered("LONG", "w1")
        assert await kill(first) == 200
        tokens = first.tokens
        await first.store.rows("configs", limit=1)
    async with a_room(tmp_path, tokens) as second:
        assert await handed_out(second) == [], "not even to the first poll after the start"
        assert (await second.order(waiting)).code == "KILLED"
        assert (await second.alert("LONG", "w2")).json()["code"] == "KILLED"
        assert await kill(second, do="off") == 403
        assert await kill(second, do="off", scope="admin") == 200
        async with asyncio.timeout(5):
            while (await second.alert("LONG", f"again-{time.monotonic()}")).json()["status"] != "queued":
                await asyncio.sleep(0.05)


async def test_sec_10_one_accounts_switch_leaves_the_others_alone(room: Room) -> None:
    await desk.add_account(room.store, Account(name="another", number="1002"), by="test", at=0)
    assert await kill(room, account="another") == 200
    await asyncio.sleep(0.6)
    assert len(await room.ordered("LONG", "w1")) == 1
    assert await desk.kill_status(room.store) == {"killed": ["another"]}
