"""Terminals that die, hang and lose answers: every command gets an answer or a clear error, and no order is doubled or lost."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from bridgeroom import BridgeRoom, bridge_room, until, zombies

from kakehashi.services.sessions.line import Line


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[BridgeRoom]:
    async with bridge_room(tmp_path) as room:
        yield room


def line_of(room: BridgeRoom, session: str) -> Line:
    return room.bridge.keeper.sessions[session].line


def pid_of(room: BridgeRoom, session: str) -> int:
    child = line_of(room, session).child
    assert child is not None
    return child.pid


async def at_the_broker(room: BridgeRoom) -> None:
    """Until the broker has received an order request and thinks about it."""
    await until(lambda: room.server.desk.waiting)


async def test_a_killed_terminal_is_replaced_and_reads_do_not_notice(room: BridgeRoom) -> None:
    session = await room.create(1000)
    for _ in range(3):
        os.kill(pid_of(room, session), signal.SIGKILL)
        assert (await room.result(session, "account_info"))["login"] == 1000
    assert (await room.view(session))["restarts"] == 3
    assert zombies() == []


async def test_the_process_that_has_stood_ready_longest_takes_the_place_of_a_killed_one(room: BridgeRoom) -> None:
    session = await room.create(1000)
    spares = room.bridge.keeper._spares
    await until(lambda: len(spares) == 2)
    for _ in range(2):
        expected = spares[0].pid
        os.kill(pid_of(room, session), signal.SIGKILL)
        await room.result(session, "account_info")
        assert pid_of(room, session) == expected
        await until(lambda: len(spares) == 2)


async def test_a_stopped_terminal_costs_its_command_the_deadline_and_is_replaced(room: BridgeRoom) -> None:
    session = await room.create(1000)
    pid = pid_of(room, session)
    os.kill(pid, signal.SIGSTOP)
    answer = await room.command(session, "account_info", timeout_s=0.6)
    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "TIMEOUT")
    assert (await room.result(session, "account_info"))["login"] == 1000
    assert not psutil.pid_exists(pid)


async def test_a_short_deadline_does_not_cost_a_healthy_terminal_its_life(tmp_path: Path) -> None:
    async with bridge_room(tmp_path, **{"bridge.hang_s": 20.0}) as room:
        session = await room.create(1000)
        room.faults(delay_s=0.5)
        pid = pid_of(room, session)
        answer = await room.send(session, "hasty", timeout_s=0.1)
        assert (answer.status_code, answer.json()["error"]["code"]) == (504, "OUTCOME_UNKNOWN")
        await room.resolved(session, "hasty")
        assert pid_of(room, session) == pid
        assert len(room.deals(1000)) <= 1


async def test_an_order_whose_terminal_died_at_the_broker_is_found_and_answered_in_time(room: BridgeRoom) -> None:
    session = await room.create(1000)
    room.faults(delay_s=0.5)
    sending = asyncio.create_task(room.send(session, "doubt"))
    await at_the_broker(room)
    os.kill(pid_of(room, session), signal.SIGKILL)
    answer = (await sending).json()
    (deal,) = room.deals(1000)
    assert (answer["ok"], answer["result"]["deal"], answer["result"]["order"]) == (True, deal.ticket, deal.order)
    assert (answer["result"]["volume"], answer["result"]["price"]) == (0.1, float(deal.price))


async def test_an_order_whose_answer_is_late_is_pending_until_the_broker_is_done_with_it(room: BridgeRoom) -> None:
    session = await room.create(1000)
    room.faults(delay_s=2.0)
    answer = await room.send(session, "late", timeout_s=0.6)
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["id"]) == (504, "OUTCOME_UNKNOWN", "late")
    assert (await room.known(session, "late"))["state"] == "PENDING"
    again = await room.send(session, "late", timeout_s=0.1)
    assert again.json()["error"]["code"] == "OUTCOME_UNKNOWN"
    said = await room.resolved(session, "late", within_s=5)
    assert said["result"]["deal"] == room.deals(1000)[0].ticket
    assert len(room.deals(1000)) == 1


async def test_an_order_that_the_broker_never_got_is_proven_not_executed(room: BridgeRoom) -> None:
    session = await room.create(1000)
    room.faults(drop=1.0)
    answer = (await room.send(session, "lost")).json()
    assert (answer["ok"], answer["result"], answer["last_error"][0]) == (False, None, -10001)
    assert answer["last_error"][1].startswith("NOT_EXECUTED")
    room.faults()
    assert (await room.send(session, "lost")).json()["ok"] is False
    assert room.deals(1000) == []
    assert (await room.send(session, "anew")).json()["ok"]


async def test_an_order_whose_answer_was_lost_is_found(room: BridgeRoom) -> None:
    session = await room.create(1000)
    room.faults(lose_answer=1.0)
    answer = (await room.send(session, "one")).json()
    assert answer["result"]["deal"] == room.deals(1000)[0].ticket
    assert len(room.deals(1000)) == 1


async def test_twins_of_an_order_in_doubt_wait_and_each_finds_its_own(room: BridgeRoom) -> None:
    session = await room.create(1000)
    room.faults(lose_answer=1.0)
    answers = await asyncio.gather(*(room.send(session, f"twin-{n}") for n in range(4)))
    found = sorted(a.json()["result"]["deal"] for a in answers)
    assert found == sorted(d.ticket for d in room.deals(1000))
    assert len(found) == 4


async def test_an_order_that_another_wanted_just_alike_stays_unknown(room: BridgeRoom) -> None:
    """Two new orders fit, one of them a stranger's: nobody can say which."""
    session, stranger = await room.create(1000), await room.create(1000, server="another-label")
    room.faults(delay_s=0.8)
    sending = asyncio.create_task(room.send(session, "mine", timeout_s=3))
    await at_the_broker(room)
    os.kill(pid_of(room, session), signal.SIGSTOP)
    assert (await room.send(stranger, "theirs")).json()["ok"]
    os.kill(pid_of(room, session), signal.SIGKILL)
    assert (await sending).json()["error"]["code"] == "OUTCOME_UNKNOWN"
    assert (await room.known(session, "mine"))["state"] == "PENDING"
    assert len(room.deals(1000)) == 2


async def test_a_command_that_an_earlier_bridge_sent_is_looked_for_by_the_next(tmp_path: Path) -> None:
    room = BridgeRoom(tmp_path)
    room.faults(delay_s=0.8)
    async with room.broker_open():
        async with room.bridge_open():
            session = await room.create(1000)
            sending = asyncio.create_task(room.send(session, "one"))
            await at_the_broker(room)
            os.kill(pid_of(room, session), signal.SIGKILL)
            found = room.bridge.keeper.sessions[session]
            for task in found._tasks:  # the bridge dies: nothing more is found out or written down
                task.cancel()
        sending.cancel()
        async with room.bridge_open():
            said = await room.resolved(session, "one")
            assert said["result"]["deal"] == room.deals(1000)[0].ticket
    await room.http.aclose()


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        ({"action": "TRADE_ACTION_SLTP", "sl": 1.0}, lambda p: p["sl"] == 1.0),
        ({"action": "TRADE_ACTION_DEAL", "type": "ORDER_TYPE_SELL"}, lambda p: p is None),
    ],
    ids=["levels", "close"],
)
async def test_changes_in_doubt_are_judged_by_what_is_there(
    room: BridgeRoom, change: dict[str, Any], shown: Any
) -> None:
    session = await room.create(1000)
    opened = (await room.send(session, "open")).json()["result"]
    room.faults(lose_answer=1.0)
    answer = (await room.send(session, "change", position=opened["order"], **change)).json()
    assert answer["result"]["retcode"] == 10009, answer
    rows = await room.result(session, "positions_get")
    assert shown(rows[0] if rows else None)


async def test_a_crash_loop_is_broken_and_the_session_heals_by_itself(room: BridgeRoom) -> None:
    session = await room.create(1000)
    found = room.bridge.keeper.sessions[session]
    terms = room.bridge.keeper.terms
    found.line._terms = type(terms)(broker=terms.broker, breaker=2, breaker_pause_s=0.3, backoff_s=(0.0,))
    room.bridge.keeper.terms = type(terms)(broker="/nowhere/at/all.sock")
    os.kill(pid_of(room, session), signal.SIGKILL)
    await until(lambda: found.line.state == "FAILED")
    answer = await room.command(session, "account_info")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SESSION_FAILED")
    room.bridge.keeper.terms = terms
    await until(lambda: found.line.state == "READY")
    assert (await room.result(session, "account_info"))["login"] == 1000


async def test_children_die_with_a_killed_bridge(tmp_path: Path) -> None:
    async with bridge_room(tmp_path) as room:
        environ = {k: v for k, v in os.environ.items() if k != "KAKEHASHI_BRIDGE__KEY"}
        environ |= {"KAKEHASHI_STORE__URL": f"sqlite:///{tmp_path}/other.db", "XDG_DATA_HOME": str(tmp_path / "other")}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "kakehashi", "run", "bridge", "--port", "0", "--broker", room.broker_socket),
            env=environ, stderr=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
        bridge = psutil.Process(process.pid)
        spare, *_ = await until(
            lambda: [c for c in bridge.children() if "kakehashi.terminal.worker" in c.cmdline()], within_s=40
        )
        process.kill()
        await process.wait()
        assert await until(lambda: not spare.is_running() or spare.status() == psutil.STATUS_ZOMBIE)


async def test_a_fault_of_the_bridge_costs_a_process_and_not_the_session(
    room: BridgeRoom, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = await room.create(1000)
    orders = room.bridge.keeper.sessions[session].orders

    async def faulty(*_: object) -> None:
        monkeypatch.undo()
        raise KeyError("ours")

    monkeypatch.setattr(orders, "prepare", faulty)
    answer = await room.send(session, "unlucky")
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "SESSION_FAILED")
    again = (await room.send(session, "lucky")).json()
    assert again["ok"]
    assert len(room.deals(1000)) == 1
