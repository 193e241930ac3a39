"""The operator's REST face: what each request does, and that every answer is what the schema says."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import ACCOUNT, ROUTE, Room, filled, room, standing

from kakehashi.api import operator
from kakehashi.api.doors import DOORS, scopes_of
from kakehashi.domain.orders import State

__all__ = ["room"]

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]


async def ask(room: Room, method: str, path: str, body: Any = None, *, scope: str = "admin") -> httpx.Response:
    headers = {"authorization": f"Bearer {room.tokens[scope]}"}
    more = {} if body is None else {"json": body}
    return await room.http.request(method, f"/api/v1{path}", headers=headers, **more)


async def told(room: Room, method: str, path: str, body: Any = None, *, scope: str = "admin") -> Any:
    """The data of a request that must succeed."""
    answer = await ask(room, method, path, body, scope=scope)
    said = answer.json()
    assert (answer.status_code, said["ok"]) == (200, True), said
    return said["data"]


async def why(room: Room, method: str, path: str, body: Any = None, *, scope: str = "admin") -> tuple[int, str]:
    """Status and code of a request that must be refused."""
    answer = await ask(room, method, path, body, scope=scope)
    said = answer.json()
    assert said["ok"] is False
    assert set(said) == {"ok", "error"}
    assert said["error"]["message"]
    assert said["error"]["hint"]
    return answer.status_code, said["error"]["code"]


async def dead(room: Room) -> str:
    """An entry whose delivery was never answered."""
    (order,) = await room.ordered("LONG", "dead")
    await room.poll()
    await room.pass_time(16)
    assert (await room.order(order)).state is State.DEAD
    return order


async def until(room: Room, order: str, state: State) -> None:
    """The owner takes wishes up by itself, a few times a second."""
    async with asyncio.timeout(5):
        while (await room.order(order)).state is not state:
            await asyncio.sleep(0.02)


# -- the schema --------------------------------------------------------------------------------------------------


def every_case(room: Room, loop: asyncio.AbstractEventLoop, schema: Any, mode: GenerationMode) -> int:
    """Send generated requests to each operation and hold the answers against the schema; how many were sent."""
    sent = 0

    def send(case: Any) -> httpx.Response:
        kwargs = case.as_transport_kwargs(base_url="http://hub")
        wire = requests.Request(**{k: v for k, v in kwargs.items() if k in REQUEST}).prepare()
        scope = next(s for s in room.tokens if s in scopes_of(case.method, case.operation.path))
        headers = {**wire.headers, "authorization": f"Bearer {room.tokens[scope]}"}
        work = room.http.request(wire.method or "", wire.url or "", headers=headers, content=wire.body)
        return asyncio.run_coroutine_threadsafe(work, loop).result(10)

    for found in schema.get_all_operations():
        operation = found.ok()

        @seed(20_260_101)
        @settings(
            max_examples=15,
            database=None,
            deadline=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @given(operation.as_strategy(generation_mode=mode))
        def examine(case: Any) -> None:
            nonlocal sent
            sent += 1
            more = [negative_data_rejection] if mode is GenerationMode.NEGATIVE else []
            case.validate_response(send(case), checks=[*CHECKS, *more])

        examine()
    return sent


REQUEST = ("method", "url", "headers", "params", "data", "json", "cookies", "files")


@pytest.mark.timeout(120)
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=["valid", "invalid"])
async def test_every_answer_is_what_the_schema_says(room: Room, mode: GenerationMode) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    await room.ack(filled(order, 0.1))
    await dead(room)
    await room.report(standing("501", 0.1))
    await told(room, "POST", "/kill/on", {"account": ACCOUNT})
    lists = [name for name in all_lists() if await told(room, "GET", f"/{name}") == []]
    assert lists == [], "an empty list shows nothing of its lines' form"
    answer = await ask(room, "GET", "/openapi.json")
    schema = schemathesis.openapi.from_dict(answer.json())
    assert await asyncio.to_thread(every_case, room, asyncio.get_running_loop(), schema, mode) > 100


def all_lists() -> list[str]:
    """The names of all lists."""
    return [*operator.OF_THE_HUB, *operator.OF_AN_ACCOUNT]


@pytest.mark.parametrize("lang", ["en", "ja"])
def test_the_reference_names_every_rest_request(lang: str) -> None:
    page = (Path(__file__).parents[2] / "docs" / lang / "reference.md").read_text("utf-8")
    rest = [door.replace("{id}", "ID").replace("{name}", "NAME") for door in DOORS if "/api/v1/" in door]
    assert [door for door in rest if f"`{door}`" not in page] == []


async def test_the_schema_knows_every_rest_route_and_is_not_public(room: Room) -> None:
    paths = (await ask(room, "GET", "/openapi.json")).json()["paths"]
    in_schema = {f"{method.upper()} {path}" for path, item in paths.items() for method in item}
    of_app = {
        f"{method} {route.path}"
        for route in room.app.routes
        for method in getattr(route, "methods", ())
        if getattr(route, "path", "").startswith("/api/v1/")
    }
    assert in_schema == of_app - {"GET /api/v1/openapi.json"}
    assert (await room.http.get("/api/v1/openapi.json")).status_code == 401
    assert {(await room.http.get(path)).status_code for path in ("/docs", "/redoc", "/openapi.json")} == {404}


# -- one form for every no ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "code"),
    [
        ("GET", "/nowhere", None, 404, "NOT_FOUND"),
        ("GET", "/orders/", None, 404, "NOT_FOUND"),
        ("PATCH", "/orders", None, 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/orders?limit=0", None, 422, "BAD_PARAMETER"),
        ("GET", "/orders?acount=demo", None, 422, "BAD_PARAMETER"),
        ("GET", "/trace/nothing", None, 404, "NOT_FOUND"),
        ("GET", f"/trace/{'x' * 201}", None, 422, "BAD_PARAMETER"),
        ("PUT", "/routes/x", {}, 422, "BAD_FIELD"),
        ("PUT", "/routes/x", {"accounts": [ACCOUNT], "acount": 1}, 422, "BAD_FIELD"),
        ("PUT", "/routes/x", {"accounts": [ACCOUNT], "dry_run": "yes"}, 422, "BAD_FIELD"),
        ("PUT", "/routes/x", {"accounts": [ACCOUNT], "rules": {"max_lots": 0}}, 422, "BAD_FIELD"),
        ("PUT", "/routes/x", {"accounts": [ACCOUNT], "rules": {"zone": "Mars"}}, 400, "BAD_CONFIG"),
        ("PUT", "/routes/x", {"accounts": ["nobody"]}, 404, "NOT_FOUND"),
        ("PUT", "/routes/x", {"accounts": [ACCOUNT], "per_account": {"nobody": {}}}, 400, "BAD_CONFIG"),
        ("PUT", "/routes/x", {"accounts": [ACCOUNT], "strategy": "x" * 300_000}, 413, "TOO_LARGE"),
        ("DELETE", "/routes/nobody", None, 404, "NOT_FOUND"),
        ("POST", "/accounts/nobody/arm", None, 404, "NOT_FOUND"),
        ("POST", "/kill/on", {"account": "dmeo"}, 404, "NOT_FOUND"),
        ("POST", "/kill/on", {"account": ACCOUNT, "user": "me"}, 422, "CONFLICTING_FIELDS"),
        ("POST", "/tokens", {"scope": "root"}, 422, "BAD_FIELD"),
        ("POST", "/tokens", {"scope": "ea"}, 422, "BAD_SCOPE"),
        ("POST", "/tokens/nobody/revoke", None, 404, "NOT_FOUND"),
    ],
)
async def test_every_refusal_has_code_message_and_hint(
    room: Room, method: str, path: str, body: Any, status: int, code: str
) -> None:
    assert await why(room, method, path, body) == (status, code)


async def test_a_body_that_is_not_sent_as_json_or_says_a_field_twice_is_refused(room: Room) -> None:
    headers = {"authorization": f"Bearer {room.tokens['admin']}"}
    body = b'{"account":"demo","account":""}'
    as_text = await room.http.post("/api/v1/kill/on", content=body, headers=headers | {"content-type": "text/plain"})
    assert (as_text.status_code, as_text.json()["error"]["code"]) == (415, "NOT_JSON")
    twice = await room.http.post(
        "/api/v1/kill/on", content=body, headers=headers | {"content-type": "application/json"}
    )
    assert (twice.status_code, twice.json()["error"]["code"]) == (400, "DUPLICATE_FIELD")
    assert await told(room, "GET", "/kills") == []


# -- what it does ------------------------------------------------------------------------------------------------


async def test_the_lists_show_an_alert_its_order_its_fill_and_its_trace(room: Room) -> None:
    (order,) = await room.ordered("LONG", "a1")
    await room.poll()
    await room.ack(filled(order, 0.1))
    await room.report(standing("77", 0.1))
    signal, line = (await told(room, "GET", "/signals"))[0], (await told(room, "GET", f"/orders?account={ACCOUNT}"))[0]
    assert (signal["status"], line["id"], line["state"]) == ("queued", order, "FILLED")
    assert [f["order_id"] for f in await told(room, "GET", "/fills")] == [order]
    assert [p["ident"] for p in await told(room, "GET", "/positions")] == ["77"]
    assert await told(room, "GET", "/orders?account=other") == []
    trace = await told(room, "GET", f"/trace/{order}")
    assert [hop["hop"] for hop in trace["hops"]][:2] == ["received", "decided"]


async def test_a_route_is_written_read_paused_and_removed_and_every_version_is_kept(room: Room) -> None:
    rules = {"size_value": "0.20", "max_lots": 0.5, "cooldown_s": None, "sl": {"unit": "PIPS", "value": 20}}
    put = await told(room, "PUT", "/routes/new", {"accounts": [ACCOUNT], "symbols": ["eurusd"], "rules": rules})
    assert (put["version"], put["symbols"]) == (1, ["EURUSD"])
    kept = {"size_value": "0.20", "max_lots": "0.5", "cooldown_s": None, "sl": {"unit": "PIPS", "value": "20"}}
    assert put["rules"] == kept
    assert (await told(room, "POST", "/routes/new/disable"))["enabled"] is False
    again = {"accounts": [ACCOUNT], "rules": put["rules"], "after_version": 1}
    assert await why(room, "PUT", "/routes/new", again) == (409, "VERSION_CONFLICT")
    assert (await told(room, "PUT", "/routes/new", again | {"after_version": 2}))["rules"] == kept
    assert await told(room, "DELETE", "/routes/new") == {"name": "new", "removed": True}
    story = await told(room, "GET", "/routes/new")
    assert story["route"] is None
    assert [(v["version"], v["value"] is None) for v in story["history"]] == [(1, 0), (2, 0), (3, 0), (4, 1)]
    assert "new" not in {r["name"] for r in await told(room, "GET", "/routes")}
    audits = [(a["action"], a["subject"]) for a in await room.store.audits(limit=4)]
    assert audits == [("route delete", "new"), *[("route put", "new")] * 3]


async def test_a_route_that_is_put_is_what_the_next_alert_meets(room: Room) -> None:
    paused = {"accounts": [ACCOUNT], "rules": {"size_value": "0.30"}, "no_rails": True}
    await told(room, "PUT", f"/routes/{ROUTE}", paused)
    volumes: list[str] = []
    async with asyncio.timeout(5):
        while "0.30" not in volumes:
            [order] = await room.ordered("LONG", f"a{len(volumes)}")
            volumes.append(str((await room.order(order)).volume))
            await asyncio.sleep(0.02)
    assert set(volumes[:-1]) <= {"0.10"}, "before it, the old size"


async def test_a_real_account_is_armed_and_disarmed(room: Room) -> None:
    assert (await told(room, "POST", f"/accounts/{ACCOUNT}/arm"))["armed"] is True
    assert (await told(room, "POST", f"/accounts/{ACCOUNT}/disarm"))["armed"] is False
    assert (await told(room, "GET", "/accounts"))[0]["version"] == 3


async def test_a_dead_letter_past_its_time_is_only_retried_by_force(room: Room) -> None:
    order = await dead(room)
    await room.pass_time(60)
    assert [d["id"] for d in await told(room, "GET", "/dlq", scope="operator")] == [order]
    assert await why(room, "POST", f"/dlq/{order}/retry", scope="operator") == (409, "TTL_OVER")
    await told(room, "POST", f"/dlq/{order}/retry", {"force": True}, scope="operator")
    await until(room, order, State.QUEUED)
    assert [item["key"] for item in await room.poll()] == [order]


async def test_a_dead_letter_that_is_discarded_is_not_offered_again(room: Room) -> None:
    order = await dead(room)
    await told(room, "POST", f"/dlq/{order}/discard", scope="operator")
    await until(room, order, State.CANCELLED)
    assert await why(room, "POST", f"/dlq/{order}/retry", scope="operator") == (404, "NOT_FOUND")


async def test_the_kill_switch_of_one_account_is_shown_and_cleared(room: Room) -> None:
    await told(room, "POST", "/kill/on", {"account": ACCOUNT}, scope="operator")
    assert [k["scope"] for k in await told(room, "GET", "/kills")] == [ACCOUNT]
    await told(room, "POST", "/kill/off", {"account": ACCOUNT})
    assert await told(room, "GET", "/kills") == []


async def test_a_token_works_until_it_is_revoked_and_its_secret_is_shown_once(room: Room) -> None:
    made = await told(room, "POST", "/tokens", {"scope": "read", "name": "phone", "days": 1})
    room.tokens["read"] = made["token"]
    room.hub.tokens.refresh(await room.store.tokens())
    await told(room, "GET", "/orders", scope="read")
    shown = await ask(room, "GET", "/tokens")
    assert made["id"] == shown.json()["data"][0]["id"]
    assert made["token"].rsplit("_", 1)[1] not in shown.text
    assert "sha256" not in shown.text
    await told(room, "POST", f"/tokens/{made['id']}/revoke")
    async with asyncio.timeout(5):
        while (await ask(room, "GET", "/orders", scope="read")).status_code != 401:
            await asyncio.sleep(0.02)
