"""What people see of incidents and do about them, at the command line and over REST."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import Room, a_room

from kakehashi import cli
from kakehashi.domain.errors import Malformed, Rejected
from kakehashi.domain.incidentkinds import Severity
from kakehashi.domain.incidents import Incident, Standing
from kakehashi.domain.linkwords import Session
from kakehashi.domain.markethours import market_hours
from kakehashi.domain.messages import Event, IncidentAcked, IncidentClosed, MaintenanceSet
from kakehashi.domain.reliability import Month, Reliability
from kakehashi.domain.values import Account
from kakehashi.ports import Commit, StateRow, Store
from kakehashi.services import desk, oncall
from kakehashi.services.watch import ALIVE, Alive
from kakehashi.store.open import open_store

AT = 1_790_000_000_000  # a Monday
HOURS = market_hours("fx")


def incident(name: str, *, state: Standing = Standing.OPEN, account: str = "demo") -> Incident:
    over = AT if state is Standing.CLEARED else None
    return Incident(
        id=name, code="EA_STOPPED", severity=Severity.CRITICAL, account=account, state=state, opened_at=AT, last_at=AT,
        cleared_at=over, values={"open": ["EURUSD BUY 0.10"]},
    )  # fmt: skip


def figures_row(name: str, **month: Any) -> StateRow:
    kept = Reliability(account=name, at=AT, session=Session.FRESH, months={"2026-09": Month(**month)})
    return StateRow(key=f"reliability|{name}", body=msgspec.json.encode(kept))


async def fill(store: Store) -> None:
    """Three incidents, two accounts with figures, as a hub leaves them."""
    owner = await store.claim("somebody", holder="test")
    good = figures_row("demo", fresh_ms=999_500, unproven_ms=500, recoveries={12: 1}, recovery_ms=800, slowest_ms=800)
    bad = figures_row("far", fresh_ms=90_000, unproven_ms=10_000, away_ms=61_000, alerts=4, false=1)
    alive = StateRow(key=ALIVE, body=msgspec.json.encode(Alive(at=AT + 10_000)))
    three = [
        incident("i-a"),
        incident("i-b", state=Standing.ACKED, account="far"),
        incident("i-c", state=Standing.CLEARED),
    ]
    await store.commit(Commit(ownership=owner, changes=[*three, good, bad, alive]))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    store = open_store(f"sqlite:///{tmp_path}/k.db")
    await store.open()
    await fill(store)
    yield store
    await store.close()


async def left(store: Store) -> list[Any]:
    """The wishes in the hub's inbox."""
    return [msgspec.json.decode(row.body, type=Event) for row in await store.inbox(desk.OWNER)]


async def test_incidents_are_listed_with_what_to_do(store: Store) -> None:
    assert {line["id"] for line in await oncall.incidents(store)} == {"i-a", "i-b", "i-c"}
    assert {line["id"] for line in await oncall.incidents(store, open_only=True)} == {"i-a", "i-b"}
    (line,) = await oncall.incidents(store, account="far", lang="ja")
    assert {"id", "code", "severity", "account", "state", "opened_at", "cleared_at"} <= line.keys()
    assert (line["state"], line["runbook"]) == ("ACKED", "runbook/EA_STOPPED.md")
    assert "停止" in line["message"]
    assert len(line["actions"]) == 4


async def test_a_wish_about_an_incident_is_left_for_its_owner(store: Store) -> None:
    await oncall.tend(store, "i-a", do="ack", by="me", at=AT)
    await oncall.tend(store, "i-b", do="close", false=True, by="me", at=AT)
    assert await left(store) == [
        IncidentAcked(at=AT, incident="i-a", by="me"),
        IncidentClosed(at=AT, incident="i-b", by="me", false=True),
    ]
    with pytest.raises(Rejected, match="NOT_FOUND"):
        await oncall.tend(store, "i-none", do="ack", by="me", at=AT)
    with pytest.raises(Rejected, match="INCIDENT_OVER"):
        await oncall.tend(store, "i-c", do="ack", by="me", at=AT)


async def test_a_planned_stop_is_of_an_account_that_exists(store: Store) -> None:
    with pytest.raises(Rejected, match="NOT_FOUND"):
        await oncall.maintain(store, "demo", on=True, by="me", at=AT)
    await desk.add_account(store, Account(name="demo", number="1"), by="me", at=AT)
    told = await oncall.maintain(store, "demo", on=True, by="me", at=AT, for_ms=60_000)
    assert told["until"] == AT + 60_000
    assert await left(store) == [MaintenanceSet(at=AT, account="demo", on=True, by="me", until=AT + 60_000)]


async def test_reliability_is_measured_against_the_targets(store: Store) -> None:
    told = await oncall.reliability(store, at=AT + 99_000, hours=HOURS, month="2026-09")
    demo, far = told["accounts"]
    assert (demo["consistency_percent"], demo["mean_recovery_s"]) == (99.9505, 0.8), "counted until the hub last lived"
    assert demo["met"] == {
        "consistency_percent": True,
        "mean_recovery_s": True,
        "false_alerts_percent": None,
        "downtime_s": True,
    }
    assert (far["false_alerts_percent"], far["downtime_s"], far["met"]["downtime_s"]) == (25.0, 61.0, False)
    assert told["all"]["downtime_s"] == 61.0
    assert (await oncall.reliability(store, at=AT, hours=HOURS, month="2026-08"))["all"]["watched_s"] == 0
    with pytest.raises(Malformed, match="BAD_PARAMETER"):
        await oncall.reliability(store, at=AT, hours=HOURS, month="August")


def test_the_command_line_says_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAKEHASHI_STORE__URL", f"sqlite:///{tmp_path}/k.db")

    def run(*words: str) -> tuple[int, Any]:
        code = cli.execute([*words, "--json"])
        return code, json.loads(capsys.readouterr().out)

    async def prepare() -> None:
        store = open_store(f"sqlite:///{tmp_path}/k.db")
        await store.open()
        await fill(store)
        await store.close()

    asyncio.run(prepare())
    code, told = run("incidents", "list")
    assert (code, {row["state"] for row in told["data"]}) == (0, {"OPEN", "ACKED", "CLEARED"})
    assert run("incidents", "ack", "i-a") == (0, {"ok": True, "data": {"id": "i-a", "asked": "ack"}})
    assert run("incidents", "close", "i-c", "--false")[0] == 8
    assert run("reliability", "--month", "2026-09")[1]["data"]["all"]["alerts"] == 4
    assert cli.execute(["reliability", "--month", "2026-09"]) == 0
    assert "MISSED" in capsys.readouterr().out
    assert run("notify", "test")[1]["error"]["code"] == "NOT_FOUND"
    assert run("accounts", "add", "demo", "--number", "1")[0] == 0
    assert run("accounts", "hours", "demo", "always")[1]["data"]["market_hours"] == "always"
    assert run("accounts", "hours", "demo", "never")[0] == 4
    assert run("maintenance", "on", "demo", "--for", "2h")[1]["data"]["maintenance"] is True


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with a_room(tmp_path) as room:
        await fill(room.store)
        yield room


@pytest.fixture
def ask(room: Room) -> Callable[..., Any]:
    async def ask(method: str, path: str, body: Any = None, scope: str = "operator") -> tuple[int, Any]:
        headers = {"authorization": f"Bearer {room.tokens[scope]}"}
        answer = await room.http.request(method, f"/api/v1{path}", json=body, headers=headers)
        return answer.status_code, answer.json()

    return ask


async def test_rest_says_the_same(room: Room, ask: Callable[..., Any]) -> None:
    status, told = await ask("GET", "/incidents?open=true&lang=ja")
    assert (status, {row["id"] for row in told["data"]}) == (200, {"i-a", "i-b"})
    assert await ask("POST", "/incidents/i-a/ack") == (200, {"ok": True, "data": {"id": "i-a", "asked": "ack"}})
    assert (await ask("POST", "/incidents/i-c/close", {"false": True}))[0] == 409
    assert (await ask("POST", "/incidents/i-none/close"))[0] == 404
    status, told = await ask("GET", "/reliability?month=2026-09")
    assert (status, told["data"]["all"]["downtime_s"]) == (200, 61.0)
    assert (await ask("GET", "/reliability?month=x"))[0] == 422
    status, told = await ask("POST", "/accounts/demo/maintenance", {"on": True, "for_s": 60})
    assert (status, told["data"]["maintenance"]) == (200, True)
    assert (await ask("POST", "/notify/test", {}, "admin"))[0] == 404
    assert (await ask("POST", "/notify/test", {}))[0] == 403


def test_targets_are_read_from_a_file_and_never_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from kakehashi.config import load_settings

    monkeypatch.chdir(tmp_path)
    (tmp_path / "targets").write_text(
        "# who is told\nmail=mailtos://me:longsecret@x.example\n ops=slack://A/B/C\n", "utf-8"
    )
    monkeypatch.setenv("KAKEHASHI_NOTIFY__TARGETS_FILE", str(tmp_path / "targets"))
    assert load_settings().notify.resolved_targets() == {
        "mail": "mailtos://me:longsecret@x.example",
        "ops": "slack://A/B/C",
    }
    monkeypatch.delenv("KAKEHASHI_NOTIFY__TARGETS_FILE")
    monkeypatch.setenv("KAKEHASHI_NOTIFY__TARGETS", "ops=slack://tokenA/tokenB/tokenC")
    assert cli.execute(["config", "show", "--json"]) == 0
    assert "tokenA" not in capsys.readouterr().out
    (tmp_path / "kakehashi.toml").write_text('[notify]\ntargets = "ops=slack://tokenA/B/C"\n', "utf-8")
    monkeypatch.delenv("KAKEHASHI_NOTIFY__TARGETS")
    assert cli.execute(["config", "check", "--json"]) == 4
    said = capsys.readouterr()
    assert "notify.targets" in said.out
    assert "tokenA" not in said.out + said.err
