"""SEC-11: what was said once and is said again, late, or by another, changes nothing."""

import hashlib
import hmac
import sys
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import ACCOUNT, Room, a_room, filled, room

from kakehashi.domain.orders import State
from kakehashi.domain.values import Account
from kakehashi.ports import AuditRow
from kakehashi.services import desk
from kakehashi.services.access import create_token
from kakehashi.store.sqlite import SqliteStore

__all__ = ["room"]


async def test_sec_11_the_same_webhook_again_is_one_order_also_after_a_restart(tmp_path: Path) -> None:
    async with a_room(tmp_path) as first:
        await first.ordered("LONG", "a1")
        assert (await first.alert("LONG", "a1")).json()["status"] == "duplicate"
        tokens = first.tokens
    async with a_room(tmp_path, tokens) as second:
        assert (await second.alert("LONG", "a1")).json()["status"] == "duplicate"
        assert len(await second.store.rows("orders", limit=10)) == 1


async def test_sec_11_the_same_ack_again_is_one_fill_and_a_changed_one_does_not_change_it(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    await room.ack(filled(order, 0.1, price=1.1))
    kept = await room.order(order)
    for replay in (filled(order, 0.1, price=1.1), filled(order, 9.0, ticket="78", price=9.9)):
        await room.ack(replay)
    await room.ack({"key": order, "status": "rejected", "retcode": 10019, "message": "No money"})
    await room.ack(keys=[order])
    again = await room.order(order)
    assert (again.state, again.filled_volume, again.ticket) == (State.FILLED, kept.filled_volume, "77")
    assert len(await room.store.rows("fills", limit=10)) == 1


async def test_sec_11_an_ack_after_its_lease_tells_the_truth_once_and_orders_nothing_anew(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.poll(journal=True)
    await room.pass_time(16)
    assert (await room.order(order)).state is State.UNKNOWN
    for _ in range(2):
        assert (await room.ack(filled(order, 0.1))).status_code == 200
    assert (await room.order(order)).state is State.FILLED
    assert await room.poll(journal=True) == []
    assert len(await room.store.rows("fills", limit=10)) == 1


async def test_sec_11_an_ack_for_another_accounts_order_is_missing_and_changes_nothing(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    other = await another_ea(room)
    for result in (filled(order, 0.1), {"key": order, "status": "rejected", "retcode": 1, "message": "x"}):
        body = {"account": "other", "keys": [], "results": [result]}
        answer = await room.http.post("/api/ack", json=body, headers=other)
        assert answer.json() == {"acknowledged": 0, "missing": 1, "refused": []}
    bare = await room.http.post("/api/ack", json={"account": "other", "keys": [order]}, headers=other)
    assert bare.json()["missing"] == 1
    assert (await room.http.get("/api/poll", params={"account": ACCOUNT}, headers=other)).status_code == 403
    assert (await room.order(order)).state is State.SENT
    assert await room.store.rows("fills", limit=10) == []


async def test_sec_11_an_old_poll_sent_again_hands_nothing_out_twice(tmp_path: Path) -> None:
    """Signed: the copy is refused once its time stamp is old, or anything in it was changed. Before that, the lease holds."""
    async with a_room(tmp_path, mailbox__require_hmac=True) as room:
        await room.ordered("LONG", "a1")
        request = signed_poll(room, at=room.clock.now_ms())
        first = await room.http.send(request)
        assert len(first.json()["items"]) == 1
        assert (await room.http.send(signed_poll(room, like=request))).json()["items"] == []
        forged = signed_poll(room, like=request, query="limit=100")
        assert (await room.http.send(forged)).status_code == 401
        room.clock.ahead_ms += 31_000
        assert (await room.http.send(signed_poll(room, like=request))).status_code == 401
        ahead = signed_poll(room, at=room.clock.now_ms() + 60_000)
        assert (await room.http.send(ahead)).status_code == 401


@pytest.mark.parametrize("stamp", ["", "0", "-1", "NaN", "٣", "9" * 400, "1.5"])
async def test_sec_11_a_signature_without_a_sound_time_stamp_is_no_signature(room: Room, stamp: str) -> None:
    key = room.tokens["ea"].encode()
    wanted = hmac.new(key, f"{stamp}\nGET\n/api/poll\n".encode(), hashlib.sha256).hexdigest()
    headers = httpx.Headers({**room.as_ea, "x-signature": wanted, "x-timestamp": stamp}, encoding="utf-8")
    assert (await room.http.get("/api/poll", headers=headers)).status_code == 401


async def test_sec_11_a_revoked_token_is_refused_and_its_later_use_does_not_bring_it_back(tmp_path: Path) -> None:
    """The hub notes uses in the same row that the revocation is written to, by another process."""
    async with a_room(tmp_path) as room:
        await room.ordered("LONG", "a1")
        hub_knows = next(r for r in await room.store.tokens() if r.scope == "webhook")
        beside = SqliteStore(str(tmp_path / "k.db"))
        await beside.open()
        revoked = hub_knows.__class__(
            **{f: getattr(hub_knows, f) for f in hub_knows.__struct_fields__} | {"revoked_at": 1}
        )
        await beside.put_token(revoked, AuditRow(at=1, actor="test", action="token revoke", subject=revoked.id))
        await beside.close()
        room.hub.tokens.used[hub_knows.id] = room.clock.now_ms()
        await room.hub.tokens.save_used(room.store, room.hub.ownership)
        kept = next(r for r in await room.store.tokens() if r.scope == "webhook")
        assert kept.revoked_at == 1
        assert kept.last_used_at is not None
        room.hub.tokens.refresh(await room.store.tokens())
        assert (await room.alert("LONG", "a2")).status_code == 401


def signed_poll(room: Room, *, at: int = 0, like: httpx.Request | None = None, query: str = "") -> httpx.Request:
    """A poll with its signature; ``like`` copies an older one's headers, ``query`` is put behind it."""
    text = f"{at}\nGET\n/api/poll\n".encode()
    headers = room.as_ea | {
        "x-timestamp": str(at),
        "x-signature": hmac.new(room.tokens["ea"].encode(), text, hashlib.sha256).hexdigest(),
    }
    if like is not None:
        headers = {k: v for k, v in like.headers.items() if k.startswith("x-") or k == "authorization"}
    return room.http.build_request("GET", "/api/poll" + (f"?{query}" if query else ""), headers=headers)


async def another_ea(room: Room) -> dict[str, str]:
    """The bearer of a second account's EA."""
    at = room.clock.now_ms()
    await desk.add_account(room.store, Account(name="other", number="2002"), by="test", at=at)
    new = create_token("ea", at=at, account="other")
    await room.store.put_token(new.row, AuditRow(at=at, actor="test", action="token create", subject=new.row.id))
    room.hub.tokens.refresh(await room.store.tokens())
    return {"authorization": f"Bearer {new.secret}"}
