"""A whole hub that knows when something needs a person: raised, told by mail, acknowledged, over, and not forgotten."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))
sys.path.insert(0, str(Path(__file__).parent))

from room import ACCOUNT, Room, a_room, standing
from test_notify import Mailbox, listening
from wire import Wire

from kakehashi.domain.markethours import market_hours
from kakehashi.services import oncall


async def incidents(room: Room, **how: Any) -> dict[str, dict[str, Any]]:
    return {line["code"]: line for line in await oncall.incidents(room.store, **how)}


async def becomes(room: Room, code: str, state: str) -> dict[str, Any]:
    async with asyncio.timeout(10):
        while (line := (await incidents(room)).get(code)) is None or line["state"] != state:
            await asyncio.sleep(0.02)
    return line


@pytest.fixture(autouse=True)
def open_market(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAKEHASHI_INCIDENTS__MARKET_HOURS", "always")


async def test_a_stopped_ea_is_told_by_mail_with_what_is_open_and_clears_when_it_is_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mail = Mailbox()
    async with listening(mail):
        monkeypatch.setenv("KAKEHASHI_NOTIFY__TARGETS", f"me={mail.url}")
        async with a_room(tmp_path) as room:
            await room.report(standing("501", 0.3))
            await room.pass_time(61)
            await becomes(room, "EA_STOPPED", "OPEN")
            async with asyncio.timeout(10):
                while not mail.mails:
                    await asyncio.sleep(0.02)
            assert "[CRITICAL] demo" in mail.mails[0]
            assert "EURUSD BUY 0.3 at 1.1" in mail.mails[0]
            assert "Close or protect by hand" in mail.mails[0].replace("=\r\n", "")
            await room.poll()
            await becomes(room, "EA_STOPPED", "CLEARED")
            async with asyncio.timeout(10):
                while len(mail.mails) < 2:
                    await asyncio.sleep(0.02)


async def test_an_incident_outlives_a_restart_and_is_acknowledged_by_a_person(tmp_path: Path) -> None:
    async with a_room(tmp_path) as room:
        tokens = room.tokens
        await room.ordered("LONG", "a1")
        await room.pass_time(31)
        first = await becomes(room, "EXPIRED_ENTRY", "OPEN")
    async with a_room(tmp_path, tokens) as room:
        await oncall.tend(room.store, first["id"], do="ack", by="me", at=room.clock.now_ms())
        line = await becomes(room, "EXPIRED_ENTRY", "ACKED")
        assert (line["id"], line["acked_by"]) == (first["id"], "me")


async def test_a_dead_letter_is_an_incident_until_it_is_discarded(tmp_path: Path) -> None:
    async with a_room(tmp_path) as room:
        (order,) = await room.ordered("LONG", "a1")
        await room.poll()
        await room.pass_time(16)
        line = await becomes(room, "DEAD_LETTER", "OPEN")
        assert line["values"]["items"] == [order]
        headers = {"authorization": f"Bearer {room.tokens['operator']}"}
        await room.http.post(f"/api/v1/dlq/{order}/discard", json={}, headers=headers)
        await becomes(room, "DEAD_LETTER", "CLEARED")


async def test_maintenance_keeps_a_silent_ea_from_being_missed(tmp_path: Path) -> None:
    async with a_room(tmp_path) as room:
        await room.report()
        await oncall.maintain(room.store, ACCOUNT, on=True, by="me", at=room.clock.now_ms())
        async with asyncio.timeout(5):
            while await room.store.inbox("hub"):
                await asyncio.sleep(0.02)
        await room.pass_time(600)
        assert await incidents(room) == {}


async def test_an_ea_that_is_cut_is_stale_stopped_and_recovered_and_the_figures_say_for_how_long(
    tmp_path: Path,
) -> None:
    async with a_room(tmp_path) as room:
        first = Wire(room)
        await first.come()
        first.cut()
        for seconds, code in ((21, "EA_STALE"), (40, "EA_STOPPED")):
            await room.pass_time(seconds)
            assert (await becomes(room, code, "OPEN"))["account"] == ACCOUNT
        second = Wire(room)
        second._beats = 5  # the same EA goes on counting
        await second.come()
        for code in ("EA_STALE", "EA_STOPPED"):
            await becomes(room, code, "CLEARED")
        at = room.clock.now_ms()
        told = (await oncall.reliability(room.store, at=at, hours=market_hours("always")))["accounts"][0]
        assert (told["account"], told["recoveries"], told["alerts"]) == (ACCOUNT, 1, 2)
        assert 61 <= told["mean_recovery_s"] < 71
        assert 61 <= told["downtime_s"] < 71
        metrics = await room.http.get("/metrics", headers={"authorization": f"Bearer {room.tokens['admin']}"})
        assert "kakehashi_reliability_consistency_percent" in metrics.text
