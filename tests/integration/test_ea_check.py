"""``ea check`` through a real hub: what an EA said is on disk, and found from there."""

import json
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import Room, a_room, room
from wire import SPEC, Wire

from kakehashi import cli
from kakehashi.services import desk, eachecks
from kakehashi.services.scribe import MAX_EARLY
from kakehashi.services.wishes import Beat

__all__ = ["room"]

ALLOWED = {"terminal": True, "expert": True, "account": True, "server": True}


async def codes(room: Room) -> list[str]:
    await room.hub.trader.submit(Beat(at=room.clock.now_ms()))  # the hub's own comes every two seconds only
    rows = await eachecks.findings(room.store, "demo", at=room.clock.now_ms())
    return [row["code"] for row in rows]


async def test_an_ea_that_is_well_has_no_findings_and_one_that_never_came_has(room: Room) -> None:
    assert await codes(room) == ["EA_NEVER_CONNECTED"]
    ea = Wire(room)
    await ea.come(perms=ALLOWED, margin_mode="hedging", trade_mode="demo")
    assert await codes(room) == []


async def test_the_button_in_the_toolbar_is_followed_by_heartbeats(room: Room) -> None:
    ea = Wire(room)
    ea.hello(perms=ALLOWED | {"terminal": False})
    await ea.wait("WELCOME")
    ea.say("SYMS", rows=[SPEC])
    ea.snap(sseq=1)
    await ea.beat(sseq=1, trade_allowed=False)
    assert await codes(room) == ["ALGO_TRADING_OFF"]
    await ea.beat(sseq=1, trade_allowed=True)
    assert await codes(room) == []


async def test_an_ea_on_another_account_is_told_apart_until_the_right_one_comes(room: Room) -> None:
    for wrong, code in (
        ({"account": "2002"}, "LOGIN_DIFFERS"),
        ({"margin_mode": "netting"}, "MARGIN_MODE_DIFFERS"),
        ({"trade_mode": "real"}, "ACCOUNT_MODE_DIFFERS"),
    ):
        stranger = Wire(room)
        stranger.hello(**wrong)
        await stranger.wait("REFUSE")
        assert await codes(room) == [code]
        await room.pass_time(0.001)
    await room.pass_time(1)
    ea = Wire(room)
    await ea.come()
    assert await codes(room) == []


async def test_an_ea_that_is_sent_away_again_and_again_is_written_down_once_a_minute(room: Room) -> None:
    async def knock() -> str:
        stranger = Wire(room)
        stranger.hello(account="2002", broker_time=room.clock.now_ms())
        await stranger.wait("REFUSE")
        (row,) = await room.store.rows("states", where={"key": "refused|demo"}, limit=1)
        return str(row["body"])

    first = await knock()
    await room.pass_time(5)
    assert await knock() == first
    await room.pass_time(60)
    assert await knock() != first


async def test_symbols_told_in_a_later_frame_are_known_at_once(room: Room) -> None:
    await desk.map_symbols(room.store, "demo", ["GBPUSD=GBPUSD.x"], by="test", at=room.clock.now_ms())
    ea = Wire(room)
    await ea.come()
    assert await codes(room) == ["SYMBOL_MISSING"]
    ea.say("SYMS", rows=[SPEC | {"symbol": "GBPUSD.x", "vol_min": "0.5"}])
    await ea.beat(sseq=1)
    (row,) = await eachecks.findings(room.store, "demo", at=room.clock.now_ms(), lang="ja")
    assert row["code"] == "LOTS_BELOW_MINIMUM"
    assert row["severity"] == "error"
    assert "trend は GBPUSD.x を 0.1 ロット" in row["message"]
    assert "0.5 以上" in row["remedy"]


async def test_an_ea_that_makes_symbols_up_does_not_have_its_mirror_written_for_each(room: Room) -> None:
    ea = Wire(room)
    await ea.come()
    for n in range(MAX_EARLY + 20):
        ea.say("SYMS", rows=[SPEC | {"symbol": f"X{n}"}])
        await ea.beat(sseq=1)
    (row,) = await room.store.rows("states", where={"key": "symbols|demo"}, limit=1)
    kept = len(json.loads(row["body"]))
    assert MAX_EARLY <= kept < MAX_EARLY + 5


async def test_a_connection_that_is_gone_is_found_and_the_report_survives_a_restart(tmp_path: Path) -> None:
    async with a_room(tmp_path) as room:
        ea = Wire(room)
        await ea.come(perms=ALLOWED | {"expert": False})
        await ea.beat(sseq=1, trade_allowed=False)
        ea.cut()
        assert sorted(await codes(room)) == ["CHART_NOT_ALLOWED", "EA_STALE"]
        tokens = room.tokens
    async with a_room(tmp_path, tokens) as room:
        await room.pass_time(20)
        assert sorted(await codes(room)) == ["CHART_NOT_ALLOWED", "EA_STOPPED"]


async def test_the_rest_face_says_the_same_in_the_language_asked_for(room: Room) -> None:
    as_operator = {"authorization": f"Bearer {room.tokens['operator']}"}
    answer = await room.http.get("/api/v1/accounts/demo/check", params={"lang": "ja"}, headers=as_operator)
    (row,) = answer.json()["data"]
    assert row.keys() == {"code", "severity", "message", "remedy"}
    assert row["message"] == "demo の EA はまだ一度も接続していません"
    missing = await room.http.get("/api/v1/accounts/nobody/check", headers=as_operator)
    assert missing.status_code == 404


def test_the_command_line_shows_rows_to_programs_and_remedies_to_people(
    in_empty_dir: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAKEHASHI_STORE__URL", f"sqlite:///{in_empty_dir}/k.db")
    assert cli.execute(["accounts", "add", "demo", "--number", "1001"]) == 0
    capsys.readouterr()
    assert cli.execute(["ea", "check", "demo", "--json"]) == 0
    (row,) = json.loads(capsys.readouterr().out)["data"]
    assert (row["code"], row["severity"]) == ("EA_NEVER_CONNECTED", "error")
    assert cli.execute(["ea", "check", "demo", "--lang", "ja"]) == 0
    shown = capsys.readouterr().out
    assert "demo の EA はまだ一度も接続していません" in shown
    assert "HubUrl・Token を確認してください" in shown
    assert cli.execute(["ea", "check", "nobody"]) == 3
