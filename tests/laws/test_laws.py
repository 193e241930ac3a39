"""The laws of the design, one or more named tests each. A law that holds elsewhere too says where.

Not here: law 9 (no ``api`` role exists yet). Law 8 is held for replay; there is no backtest yet that could differ.
"""

import asyncio
import sqlite3
import sys
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from replay import kept, replayed
from room import ACCOUNT, ROUTE, Room, a_room, filled, plain_route, room, standing

from kakehashi.domain.codes import CODES
from kakehashi.domain.errors import Rejected
from kakehashi.domain.orders import TRANSITIONS, Happening, State
from kakehashi.ports import Commit
from kakehashi.services import desk
from kakehashi.store.postgres import PostgresStore

__all__ = ["room"]


def failing_disk(where: str) -> None:
    if where == "before_commit":
        raise sqlite3.OperationalError("disk I/O error")


async def until(holds: Callable[[], bool], *, within_s: float = 20.0) -> None:
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.01)


# -- 1. durable before visible


async def test_law_1_no_200_is_given_while_the_disk_fails_and_the_resend_is_no_duplicate(room: Room) -> None:
    room.store.crash_point = failing_disk
    answer = await room.alert("LONG", "a1")
    assert (answer.status_code, answer.json()["code"]) == (503, "STORE_UNAVAILABLE")
    assert await room.signals() == []
    assert "EURUSD" not in (await room.poll_raw()).text

    room.store.crash_point = lambda _: None
    await until(lambda: room.hub.trader.available)
    again = await room.alert("LONG", "a1")
    assert (again.status_code, again.json()["status"]) == (200, "queued")
    assert [s["status"] for s in await room.signals()] == ["queued"]
    assert len(await room.poll()) == 1


async def test_law_1_nothing_is_delivered_while_the_lease_cannot_be_written(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    room.store.crash_point = failing_disk
    answer = await room.poll_raw()
    assert answer.status_code == 503
    assert order not in answer.text
    room.store.crash_point = lambda _: None
    await until(lambda: room.hub.trader.available)
    (item,) = await room.poll()
    assert (item["key"], item["attempt"]) == (order, 1)


async def test_law_1_an_ack_is_not_confirmed_while_its_result_cannot_be_written(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    room.store.crash_point = failing_disk
    assert (await room.ack(filled(order, 0.1))).status_code == 503
    room.store.crash_point = lambda _: None
    await until(lambda: room.hub.trader.available)
    assert (await room.order(order)).state is State.SENT
    assert (await room.ack(filled(order, 0.1))).json()["acknowledged"] == 1
    assert (await room.order(order)).state is State.FILLED


async def test_law_1_the_answer_waits_for_the_commit(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, gate, reached = room.store.commit, asyncio.Event(), asyncio.Event()

    async def held_back(wanted: Commit) -> None:
        reached.set()
        await gate.wait()
        await commit(wanted)

    monkeypatch.setattr(room.store, "commit", held_back)
    sending = asyncio.create_task(room.alert("LONG", "a1"))
    async with asyncio.timeout(20):
        await reached.wait()
    await asyncio.sleep(0)
    assert not sending.done()
    gate.set()
    assert (await sending).status_code == 200


async def test_law_1_a_commit_of_either_store_waits_for_the_disk(room: Room, postgres_database: str) -> None:
    """No test can cut the power; so the settings that make COMMIT wait are read where the writer has them."""
    asked = {
        name: room.store._writer.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")
    }
    assert asked == {"journal_mode": "wal", "synchronous": 2}
    store = PostgresStore(postgres_database)
    await store.open()
    try:
        source = "SELECT setting, source FROM pg_settings WHERE name = 'synchronous_commit'"
        assert tuple(await store._writer.fetchrow(source)) == ("on", "client"), "a server's default may be off"
    finally:
        await store.close()


# -- 2. one owner


async def test_law_2_a_second_hub_on_the_same_store_is_refused(room: Room, tmp_path: Path) -> None:
    with pytest.raises(Rejected) as caught:
        async with a_room(tmp_path, room.tokens):
            pass
    assert caught.value.code == "OWNED"


async def test_law_2_whoever_was_replaced_writes_nothing_more(tmp_path: Path) -> None:
    async with a_room(tmp_path) as first:
        stale, tokens = first.hub.ownership, first.tokens
    async with a_room(tmp_path, tokens) as second:
        with pytest.raises(Rejected) as caught:
            await second.store.commit(Commit(ownership=stale))
        assert caught.value.code == "NOT_OWNER"


# -- 3. pure core: the architecture tests hold it


def test_law_3_the_architecture_tests_look_at_every_pure_package() -> None:
    here = Path(__file__).parents[1]
    assert "purity" in (here.parent / "pyproject.toml").read_text("utf-8")
    text = (here / "architecture" / "test_purity.py").read_text("utf-8")
    assert all(package in text for package in ("domain", "engine", "terminal"))


# -- 4. unknown is a state


async def test_law_4_a_delivery_without_answer_is_never_offered_again_to_an_executor_without_memory(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    assert len(await room.poll()) == 1
    await room.pass_time(16)
    kept = await room.order(order)
    assert (kept.state, kept.code) == (State.DEAD, "OUTCOME_UNKNOWN")
    assert await room.poll() == []
    assert await room.poll(journal=True) == []


async def test_law_4_absence_from_a_report_ends_no_entry_but_its_magic_proves_it(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.poll(journal=True)
    await room.pass_time(16)
    assert (await room.order(order)).state is State.UNKNOWN
    await room.report()
    assert (await room.order(order)).state is State.UNKNOWN
    await room.report(standing("9", 0.1, magic=(await room.order(order)).magic))
    kept = await room.order(order)
    assert (kept.state, kept.filled_volume, kept.ticket) == (State.FILLED, Decimal("0.1"), "9")


def test_law_4_only_proof_leads_out_of_unknown_to_not_executed() -> None:
    out = {happening for happening, state in TRANSITIONS[State.UNKNOWN].items() if state is State.NOT_EXECUTED}
    assert out == {Happening.ABSENT}


# -- 5. every command carries an id


async def test_law_5_the_same_result_twice_is_one_fill(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    for _ in range(3):
        assert (await room.ack(filled(order, 0.1))).json()["acknowledged"] == 1
    fills = await room.store.rows("fills", limit=10)
    assert [f["order_id"] for f in fills] == [order]


async def test_law_5_ids_and_magics_never_repeat_also_after_a_restart(tmp_path: Path) -> None:
    async with a_room(tmp_path) as first:
        before = [await first.ordered("LONG", f"a{n}") for n in range(3)]
        tokens, magics = first.tokens, {(await first.order(o)).magic for (o,) in before}
    async with a_room(tmp_path, tokens) as second:
        after = [await second.ordered("LONG", f"b{n}") for n in range(3)]
        more = {(await second.order(o)).magic for (o,) in after}
    assert len({o for (o,) in before + after}) == 6
    assert len(magics | more) == 6


# -- 6. exits are privileged


async def test_law_6_the_kill_switch_stops_entries_survives_a_restart_and_lets_exits_pass(tmp_path: Path) -> None:
    async with a_room(tmp_path) as first:
        (leaving,) = await first.ordered("CLOSE", "a0", symbol="USDJPY")
        (waiting,) = await first.ordered("LONG", "a1")
        await desk.kill(first.store, on=True, scope="*", by="test", at=first.clock.now_ms())
        await until(lambda: bool(first.hub.trader.engine.kills), within_s=1)
        await first.pass_time(0)  # the engine is ahead of the store until its commit: the next turn comes after it
        kept = await first.order(waiting)
        assert (kept.state, kept.code) == (State.CANCELLED, "KILLED")
        assert (await first.order(leaving)).state is State.QUEUED
        tokens = first.tokens
    async with a_room(tmp_path, tokens) as second:
        answer = (await second.alert("LONG", "a2")).json()
        assert (answer["status"], answer["code"]) == ("refused", "KILLED")
        (close,) = await second.ordered("CLOSE", "a3")
        assert [i["key"] for i in await second.poll()] == [leaving, close]


async def test_law_6_an_exit_passes_every_rail_but_never_the_duplicate_check(tmp_path: Path) -> None:
    async with a_room(tmp_path, ingest__rate_per_token="1/m") as room:
        route = plain_route(cooldown_s=3600, max_orders=1, max_positions=1, max_backlog=1)
        await desk.put_route(room.store, msgspec.structs.replace(route, no_rails=False), by="test", at=0)
        await until(lambda: room.hub.trader.engine.routes[ROUTE].rules.cooldown_s == 3600)
        await room.ordered("LONG", "a1")
        assert (await room.alert("LONG", "a2")).status_code == 503
        for n in range(5):
            await room.ordered("CLOSE", f"x{n}")
        assert (await room.alert("CLOSE", "x0")).json()["status"] == "duplicate"


# -- 7. nothing is dropped silently


async def test_law_7_a_refusal_is_kept_with_its_code_and_every_code_is_in_the_one_list(room: Room) -> None:
    answer = (await room.alert("LONG", "a1", lots="0")).json()
    await desk.kill(room.store, on=True, scope=ACCOUNT, by="test", at=room.clock.now_ms())
    await until(lambda: bool(room.hub.trader.engine.kills))
    killed = (await room.alert("LONG", "a2")).json()
    kept = {s["id"]: s for s in await room.signals()}
    assert (kept[killed["signal_id"]]["status"], kept[killed["signal_id"]]["code"]) == ("refused", "KILLED")
    for code in (answer["code"], killed["code"]):
        assert not code or CODES[code].fix_en


async def test_law_7_what_expires_unseen_says_so(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.pass_time(31)
    kept = await room.order(order)
    assert (kept.state, kept.code) == (State.EXPIRED, "EXPIRED_ENTRY")
    assert "EXPIRED_ENTRY" in CODES


async def test_law_7_an_illegal_step_changes_nothing_and_the_loop_goes_on(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    answer = (await room.ack(filled(order, 0.1))).json()
    assert answer["refused"] == [order]
    assert (await room.order(order)).state is State.QUEUED
    assert len(await room.poll()) == 1


# -- 8. live is replay


async def test_law_8_replaying_the_journal_rebuilds_the_same_rows(tmp_path: Path) -> None:
    """A session with a restart in it: fills, partial exits, a reversal, a kill switch, a lease that ended."""
    async with a_room(tmp_path) as room:
        tokens = room.tokens
        await _first_half(room)
    async with a_room(tmp_path, tokens) as room:
        await _second_half(room)
        settings = room.hub.trader.engine.settings
        want, found = await kept(room.store), await replayed(room.store, settings)
    assert {State.FILLED, State.EXPIRED, State.CANCELLED} <= {o.state for o in want.orders.values()}
    assert len(want.fills) >= 4
    assert want.memories
    assert found == want


async def _first_half(room: Room) -> None:
    await room.report()
    (entry,) = await room.ordered("LONG", "a1")
    await room.poll(journal=True)
    await room.ack(filled(entry, 0.1, ticket="5"))
    await room.report(standing("5", 0.1, magic=(await room.order(entry)).magic))
    (part,) = await room.ordered("TP", "a2")
    await room.poll(journal=True)
    await room.ack(filled(part, 0.05, ticket="5"))
    await room.alert("TP", "a2")
    await room.report(standing("5", 0.05, magic=(await room.order(entry)).magic))
    await room.ordered("REVERSE", "a3")
    for n in range(2):
        for item in await room.poll(journal=True):
            await room.ack(filled(item["key"], item["volume"] or 0.05, ticket=str(6 + n)))
    await room.ordered("LONG", "a4")


async def _second_half(room: Room) -> None:
    await room.poll(journal=True)
    await room.pass_time(16)
    (item,) = await room.poll(journal=True)
    await room.ack(filled(item["key"], 0.1, ticket="8"))
    await room.ordered("LONG", "a5")
    await room.pass_time(31)
    await room.report()
    await room.ordered("LONG", "a6")
    await desk.kill(room.store, on=True, scope="*", by="test", at=room.clock.now_ms())
    await until(lambda: bool(room.hub.trader.engine.kills))
    await room.alert("LONG", "a7")


# -- 10. one trace


async def test_law_10_one_trace_leads_from_the_alert_to_the_fill_each_hop_with_its_time(room: Room) -> None:
    said = (await room.alert("LONG", "a1")).json()
    (order,) = said["legs"][0]["orders"]
    await room.poll()
    await room.ack(filled(order, 0.1, ticket="77"))
    for known_by in (said["trace_id"], said["signal_id"], order, "77"):
        found = await desk.trace(room.store, known_by)
        assert found["trace_id"] == said["trace_id"]
        assert [h["hop"] for h in found["hops"]][:3] == ["received", "decided", "ordered"]
        assert [h["hop"] for h in found["hops"]][3:] == ["SENT", "filled", "FILLED"]
        assert all(h["at"] > 0 for h in found["hops"])
    journal = await room.store.journal(owner="hub", limit=1000)
    kinds = [e.kind for _, e in journal if e.trace_id == said["trace_id"]]
    assert kinds[0] == "SignalReceived"
    assert "OrderReported" in kinds
