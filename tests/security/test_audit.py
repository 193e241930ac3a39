"""SEC-16: who did what is written down with the deed, cannot be changed afterwards unseen, and holds under test."""

import asyncio
import collections
import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import ACCOUNT, Room, a_room, plain_route, room

from kakehashi.domain.errors import Rejected
from kakehashi.domain.values import Account
from kakehashi.services import desk

__all__ = ["room"]


async def audits(room: Room, action: str = "") -> list[dict[str, Any]]:
    """Oldest first."""
    rows = [dict(r) for r in await room.store.audits(limit=10_000)]
    return [r for r in reversed(rows) if action in ("", r["action"])]


async def first_save(room: Room, count: int) -> None:
    """Until so many uses of tokens are audited."""
    async with asyncio.timeout(10):
        while len(await audits(room, "token use")) < count:
            await asyncio.sleep(0.02)


async def test_sec_16_each_order_has_one_audit_row_in_the_commit_that_made_it(room: Room) -> None:
    for n in range(3):
        await room.ordered("LONG", f"a{n}")
    await room.ordered("TP", "t")
    await room.ordered("REVERSE", "r")
    await room.ordered("CLOSE", "x")
    await room.alert("LONG", "a0")
    await room.poll(journal=True)
    orders = [r["id"] for r in await room.store.rows("orders", limit=100)]
    rows = await audits(room, "order")
    assert sorted(r["subject"] for r in rows) == sorted(orders)
    assert all(r["actor"] == "trend" and "EURUSD on demo" in r["detail"] for r in rows)


async def test_sec_16_every_change_of_configuration_tokens_and_kill_switch_is_audited_with_its_author(
    room: Room,
) -> None:
    operator, admin = ({"authorization": f"Bearer {room.tokens[scope]}"} for scope in ("operator", "admin"))
    await desk.put_route(room.store, plain_route(cooldown_s=5), by="alice", at=1)
    await desk.change_account(room.store, ACCOUNT, by="bob", at=2, symbols={"EURUSD": "EURUSD.m"})
    assert (await room.http.post("/api/v1/kill/on", json={}, headers=operator)).status_code == 200
    assert (await room.http.post("/api/v1/kill/off", json={}, headers=admin)).status_code == 200
    seen = [(r["action"], r["actor"].partition(" ")[0], r["subject"]) for r in await audits(room)]
    assert [s for s in seen if s[0] == "token create" or s[0] == "token.create"][:1] != []
    assert {
        ("route put", "alice", "trend"),
        ("account put", "bob", ACCOUNT),
        ("kill put", "token", "*"),
        ("kill delete", "token", "*"),
    } <= set(seen)
    ids = {r.scope: r.id for r in await room.store.tokens()}
    by = {r["action"]: r["actor"] for r in await audits(room) if r["subject"] == "*"}
    assert by == {"kill put": f"token {ids['operator']}", "kill delete": f"token {ids['admin']}"}


async def test_sec_16_a_tokens_first_use_of_a_day_is_audited_and_its_last_use_is_kept_once_a_minute(
    tmp_path: Path,
) -> None:
    async with a_room(tmp_path) as room:
        before = room.clock.now_ms()
        await room.ordered("LONG", "a1")
        await room.poll()
        await first_save(room, 2)
        kept = {r.scope: r.last_used_at for r in await room.store.tokens()}
        assert kept["operator"] is kept["admin"] is None
        assert kept["webhook"] is not None
        assert kept["webhook"] >= before
        rows = await audits(room, "token use")
        assert collections.Counter(r["detail"] for r in rows) == {"webhook": 1, "ea": 1}
        await room.alert("LONG", "a2")
        await asyncio.sleep(0.6)
        assert {r.scope: r.last_used_at for r in await room.store.tokens()} == kept, "not at every use"
        tokens = room.tokens
    async with a_room(tmp_path, tokens) as room:
        last = {r.scope: r.last_used_at for r in await room.store.tokens()}
        assert last["webhook"] is not None
        assert last["webhook"] > kept["webhook"], "what was not yet written is written at the end"
        assert len(await audits(room, "token use")) == 2, "the same day, also after a restart"
        room.clock.ahead_ms += 86_400_000
        await room.alert("LONG", "a3")
        await first_save(room, 3)
        await room.store.verify_audits()


TAMPERINGS = {
    "changed": "UPDATE audits SET detail = detail || '!' WHERE seq = 4",
    "another author": "UPDATE audits SET actor = 'nobody' WHERE seq = 4",
    "removed": "DELETE FROM audits WHERE seq = 4",
    "swapped": "UPDATE audits SET seq = CASE seq WHEN 4 THEN -5 ELSE -4 END WHERE seq IN (4, 5)",
    "inserted": "INSERT INTO audits SELECT 1000, at, actor, action, subject, detail, prev, hash FROM audits WHERE seq = 4",
    "cut at the front": "DELETE FROM audits WHERE seq <= 3",
}


@pytest.mark.parametrize("how", TAMPERINGS)
async def test_sec_16_a_row_that_was_tampered_with_breaks_the_chain(tmp_path: Path, how: str) -> None:
    async with a_room(tmp_path) as room:
        for n in range(5):
            await room.ordered("LONG", f"a{n}")
        assert await room.store.verify_audits() >= 10
        with sqlite3.connect(tmp_path / "k.db") as beside:
            beside.execute(TAMPERINGS[how])
            beside.execute("UPDATE audits SET seq = -seq WHERE seq < 0")
        with pytest.raises(Rejected) as caught:
            await room.store.verify_audits()
        assert caught.value.code == "AUDIT_BROKEN"


async def test_sec_16_the_chain_is_whole_after_writers_in_two_processes_and_a_restart(tmp_path: Path) -> None:
    async with a_room(tmp_path) as room:
        await desk.add_account(room.store, Account(name="other", number="1002"), by="test", at=0)
        env = {k: v for k, v in os.environ.items() if not k.startswith("KAKEHASHI_")}
        argv = (sys.executable, "-m", "kakehashi", "kill", "on", "--account", "other")
        beside = subprocess.Popen(argv, env=env | {"KAKEHASHI_STORE__URL": f"sqlite:///{tmp_path}/k.db"})
        n = 0
        while beside.poll() is None:
            n += 1
            await room.ordered("LONG", f"a{n}")
            await asyncio.sleep(0.02)
        assert beside.returncode == 0
        tokens = room.tokens
    async with a_room(tmp_path, tokens) as room:
        await room.ordered("LONG", "b")
        assert len(await audits(room, "kill put")) == 1
        assert await room.store.verify_audits() == len(await audits(room))
