"""The webhook door over HTTP: what is refused and how, what is a duplicate, who is limited."""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import Room, a_room, room

from kakehashi.ports import AuditRow
from kakehashi.services import desk
from kakehashi.services.access import rotated

__all__ = ["room"]

MALFORMED: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[1] / "data" / "malformed_alerts.json").read_text("utf-8")
)
LONG = json.dumps({"signal": "LONG", "symbol": "EURUSD", "id": "a1"})
TRADINGVIEW = "52.89.214.238"


def body_of(row: dict[str, Any]) -> bytes:
    """A row's body: text, or hex where text cannot say it."""
    if row.get("hex"):
        return bytes.fromhex(row["body"])
    text: str = row["body"]
    return text.encode() + b" " * row.get("pad", 0)


def as_bytes(kept: str | bytes) -> bytes:
    return kept.encode() if isinstance(kept, str) else bytes(kept)


async def test_each_malformed_alert_gets_its_4xx_and_nothing_of_it_is_queued(room: Room) -> None:
    wrong = []
    for row in MALFORMED:
        answer = await room.knock(body_of(row), headers={"content-type": row.get("content_type", "text/plain")})
        said = answer.json()
        if not (400 <= answer.status_code < 500 and said["code"] == row["code"] and said["message"]):
            wrong.append((row["name"], row["code"], answer.status_code, said))
    assert wrong == []
    assert await room.signals("queued") == []
    assert await room.store.rows("orders", limit=10) == []


async def test_a_duplicate_says_in_what_it_differs(room: Room) -> None:
    await room.alert("LONG", "a1", price=1.1)
    again = (await room.alert("LONG", "a1", price=1.2)).json()
    assert (again["status"], again["warnings"][-1]) == ("duplicate", "DIFFERS: price: 1.1 -> 1.2")


async def test_the_same_alert_twice_is_a_duplicate_that_names_the_first(room: Room) -> None:
    first, again = (await room.knock(LONG)).json(), (await room.knock(LONG)).json()
    assert (first["status"], again["status"], again["code"]) == ("queued", "duplicate", "DUPLICATE")
    assert (again["signal_id"], again["idem"]) == (first["signal_id"], first["idem"])
    assert again["legs"] == []
    assert len(await room.store.rows("orders", limit=10)) == 1
    assert sorted(s["status"] for s in await room.signals()) == ["duplicate", "queued"]


async def test_an_alert_is_known_again_after_a_restart(tmp_path: Path) -> None:
    async with a_room(tmp_path) as first:
        assert (await first.knock(LONG)).json()["status"] == "queued"
        tokens = first.tokens
    async with a_room(tmp_path, tokens) as second:
        assert (await second.knock(LONG)).json()["status"] == "duplicate"


async def test_of_two_equal_alerts_at_once_one_is_queued(room: Room) -> None:
    answers = await asyncio.gather(*(room.knock(LONG) for _ in range(20)))
    assert sorted(a.json()["status"] for a in answers) == ["duplicate"] * 19 + ["queued"]
    assert len(await room.store.rows("orders", limit=10)) == 1


async def test_without_id_and_time_there_is_a_warning_and_an_equal_alert_passes_after_a_minute(room: Room) -> None:
    body = json.dumps({"signal": "CLOSE", "symbol": "EURUSD"})
    first = (await room.knock(body)).json()
    assert any(w.startswith("NO_ID_NO_TIME") for w in first["warnings"])
    assert (await room.knock(body)).json()["status"] == "duplicate"
    await room.pass_time(61)
    assert (await room.knock(body)).json()["status"] == "queued"


@pytest.mark.parametrize(
    "secret", [None, "nonsense", "kk_webhook_000000000000_nothing", "é\udc80".encode("utf-8", "replace").decode()]
)
async def test_without_a_valid_token_every_body_gets_the_same_401(room: Room, secret: str | None) -> None:
    headers = {} if secret is None or not secret.isascii() else {"authorization": f"Bearer {secret}"}
    path = "/webhook/tradingview" if headers or secret is None else f"/webhook/tradingview/{secret}"
    said = set()
    for body in (LONG.encode(), b"", b"{", b"\xff\xfe", b'{"signal":"NOPE"}'):
        answer = await room.http.post(path, content=body, headers=headers)
        assert answer.status_code == 401
        said.add(answer.text)
    assert len(said) == 1
    assert "EURUSD" not in said.pop()
    assert await room.signals() == []


@pytest.mark.parametrize("scope", ["ea", "operator", "admin"])
async def test_another_scopes_token_sends_no_alert(room: Room, scope: str) -> None:
    answer = await room.knock(LONG, secret=room.tokens[scope])
    assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")


async def test_the_secret_may_stand_in_path_query_header_or_body(room: Room) -> None:
    token = room.tokens["webhook"]

    def body(name: str, **more: str) -> dict[str, Any]:
        return {"json": {"signal": "LONG", "symbol": "EURUSD", "id": name, **more}}

    answers = [
        await room.http.post(f"/webhook/tradingview/{token}", **body("p")),
        await room.http.post(f"/webhook/{token}", **body("q")),
        await room.http.post(f"/webhook?token={token}", **body("r")),
        *[
            await room.http.post("/webhook", **body(f"b{name}", **{name: token}))
            for name in ("token", "secret", "auth_token", "passphrase")
        ],
    ]
    assert [(a.status_code, a.json()["status"]) for a in answers] == [(200, "queued")] * 7
    rows = await room.store.rows("signals", limit=100)
    assert all(token.rsplit("_", 1)[1].encode() not in as_bytes(r["body"]) for r in rows)


async def test_a_body_over_the_limit_is_413_and_one_just_under_it_is_read(room: Room) -> None:
    over = await room.knock(b"x" * 65_537)
    assert (over.status_code, over.json()["code"]) == (413, "TOO_LARGE")
    pad = " " * (65_536 - len(LONG))
    assert (await room.knock(LONG + pad)).status_code == 200


async def test_a_valid_token_over_its_limit_is_503_so_that_it_is_resent_and_an_exit_is_never_limited(
    tmp_path: Path,
) -> None:
    async with a_room(tmp_path, ingest__rate_per_token="3/m") as room:
        codes = [(await room.alert("LONG", f"a{n}")).status_code for n in range(5)]
        assert codes == [200, 200, 200, 503, 503]
        for n, word in enumerate(("CLOSE", "TP", "CLOSE_LONG", "TP_SHORT")):
            answer = await room.alert(word, f"x{n}")
            assert (answer.status_code, answer.json()["status"]) == (200, "queued"), answer.text
        assert len(await room.signals()) == 7


async def test_without_a_token_an_address_is_limited_by_429_but_never_a_valid_token(tmp_path: Path) -> None:
    async with a_room(tmp_path, ingest__rate_per_ip="3/m") as room:
        codes = [(await room.knock(LONG, secret=None)).status_code for _ in range(5)]
        assert codes == [401, 401, 401, 429, 429]
        assert (await room.knock(LONG)).status_code == 200
        async with room.client_from(TRADINGVIEW) as burst:
            assert {(await burst.post("/webhook", content=LONG)).status_code for _ in range(10)} == {401}


async def test_a_forged_forwarded_address_does_not_pass_the_allow_list(tmp_path: Path) -> None:
    async with a_room(tmp_path, ingest__allow_ips="tradingview") as room:
        for forged in (TRADINGVIEW, f"{TRADINGVIEW}, 127.0.0.1", f"127.0.0.1, {TRADINGVIEW}"):
            answer = await room.knock(LONG, headers={"x-forwarded-for": forged})
            assert (answer.status_code, answer.json()["code"]) == (403, "FORBIDDEN")
        bearer = {"authorization": f"Bearer {room.tokens['webhook']}"}
        async with room.client_from(TRADINGVIEW) as real:
            assert (await real.post("/webhook", content=LONG, headers=bearer)).status_code == 200


async def test_behind_a_trusted_proxy_only_the_hop_it_wrote_itself_counts(tmp_path: Path) -> None:
    settings = {"ingest__allow_ips": "tradingview", "ingest__trusted_proxies": "127.0.0.1"}
    async with a_room(tmp_path, **settings) as room:
        forged = await room.knock(LONG, headers={"x-forwarded-for": f"{TRADINGVIEW}, 198.51.100.7"})
        assert forged.status_code == 403
        true = await room.knock(LONG, headers={"x-forwarded-for": f"198.51.100.7, {TRADINGVIEW}"})
        assert true.status_code == 200


async def test_the_kill_switch_stops_entries_and_no_exit(room: Room) -> None:
    operator = {"authorization": f"Bearer {room.tokens['operator']}"}
    assert (await room.http.post("/api/v1/kill/on", json={}, headers=operator)).status_code == 200
    said: dict[str, Any] = {}
    n = 0
    async with asyncio.timeout(20):  # a second by design; a busy machine takes its own time
        while said.get("code") != "KILLED":
            n += 1
            said = (await room.alert("LONG", f"a{n}")).json()
    assert (await room.alert("CLOSE", "x")).json()["status"] == "queued"
    assert (await room.http.post("/api/v1/kill/off", json={}, headers=operator)).status_code == 403


async def test_what_cannot_be_written_in_time_is_503(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import asyncio

    async with a_room(tmp_path, ingest__commit_timeout_s="0.2") as room:
        commit = room.store.commit

        async def slow(wanted: Any) -> None:
            await asyncio.sleep(0.5)
            await commit(wanted)

        monkeypatch.setattr(room.store, "commit", slow)
        answer = await room.knock(LONG)
        assert (answer.status_code, answer.json()["code"]) == (503, "STORE_TIMEOUT")
        monkeypatch.undo()
        await asyncio.sleep(0.5)
        again = (await room.knock(LONG)).json()
        assert again["status"] == "duplicate"
        assert len(await desk.listing(room.store, "orders")) == 1


async def test_during_a_rotation_both_tokens_work_as_one_strategy_and_then_only_the_new_one(room: Room) -> None:
    old = next(row for row in await room.store.tokens() if row.scope == "webhook")
    new, ending = rotated(old, at=room.clock.now_ms(), overlap_ms=60_000)
    for row in (new.row, ending):
        await room.store.put_token(row, AuditRow(at=0, actor="test", action="token rotate", subject=row.id))
    room.hub.tokens.refresh(await room.store.tokens())
    assert (await room.knock(LONG)).json()["status"] == "queued"
    assert (await room.knock(LONG, secret=new.secret)).json()["status"] == "duplicate"
    second = LONG.replace("a1", "a2")
    assert (await room.knock(second, secret=new.secret)).json()["status"] == "queued"
    assert (await room.knock(second)).json()["status"] == "duplicate"
    await room.pass_time(61)
    assert (await room.knock(LONG)).status_code == 401
    assert (await room.knock(LONG, secret=new.secret)).json()["status"] == "duplicate"
