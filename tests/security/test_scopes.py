"""SEC-1: every route has a declared scope, and each kind of token opens its own doors and no other."""

import sys
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import Room, room

from kakehashi.api.doors import ANYONE, scopes_of
from kakehashi.services import desk
from kakehashi.services.access import SCOPES

__all__ = ["room"]

EVERYBODY = {"", *SCOPES}
READERS = {"read", "operator", "admin"}
# Written down from SECURITY's table, not from the code's.
EXPECTED: dict[str, set[str]] = {
    "GET /health": EVERYBODY,
    "GET /livez": EVERYBODY,
    "GET /readyz": EVERYBODY,
    "GET /metrics": {"metrics", "admin"},
    "POST /webhook": {"webhook"},
    "POST /webhook/{token}": {"webhook"},
    "POST /webhook/tradingview": {"webhook"},
    "POST /webhook/tradingview/{token}": {"webhook"},
    "GET /api/poll": {"ea"},
    "POST /api/ack": {"ea"},
    "POST /api/report": {"ea"},
    "POST /ea/v1/poll": {"ea"},
    **{
        f"GET /api/v1/{what}": READERS
        for what in (
            *("knocks", "signals", "orders", "fills", "positions", "dlq", "kills", "accounts", "routes"),
            *("routes/{name}", "accounts/{name}/check", "trace/{id}", "openapi.json"),
        )
    },
    **{f"GET /api/v1/{what}": READERS for what in ("incidents", "reliability")},
    **{f"POST /api/v1/incidents/{{id}}/{do}": {"operator", "admin"} for do in ("ack", "close")},
    "POST /api/v1/accounts/{name}/maintenance": {"operator", "admin"},
    "POST /api/v1/notify/test": {"admin"},
    "POST /api/v1/dlq/{id}/retry": {"operator"},
    "POST /api/v1/dlq/{id}/discard": {"operator"},
    "POST /api/v1/kill/on": {"operator", "admin"},
    "POST /api/v1/kill/off": {"admin"},
    "PUT /api/v1/routes/{name}": {"admin"},
    "DELETE /api/v1/routes/{name}": {"admin"},
    **{f"POST /api/v1/routes/{{name}}/{do}": {"admin"} for do in ("enable", "disable")},
    **{f"POST /api/v1/accounts/{{name}}/{do}": {"admin"} for do in ("arm", "disarm", "enable", "disable")},
    "POST /api/v1/accounts/{name}/resync": {"operator"},
    "POST /api/v1/accounts/{name}/confirm": {"admin"},
    "GET /api/v1/tokens": {"admin"},
    "POST /api/v1/tokens": {"admin"},
    "POST /api/v1/tokens/{id}/revoke": {"admin"},
}


def doors(room: Room) -> list[str]:
    """Every method and path that the application answers, the hot routes too."""
    found = []
    for route in room.app.routes:
        methods = getattr(route, "methods", None)
        assert methods, f"{route} is not a plain route: teach this test to walk it"
        found += [f"{method} {route.path}" for method in sorted(methods)]  # type: ignore[attr-defined]
    return found


@pytest.fixture
async def keys(room: Room) -> dict[str, str]:
    """A live token of every scope, and nobody's."""
    tokens = {"": ""}
    for scope in SCOPES:
        account = "demo" if scope == "ea" else ""
        new = await desk.issue_token(room.store, scope, by="test", at=room.clock.now_ms(), account_name=account)
        tokens[scope] = new.secret
    room.hub.tokens.refresh(await room.store.tokens())
    return tokens


async def opened(room: Room, door: str, token: str) -> httpx.Response:
    method, path = door.split(" ")
    path = path.replace("{token}", token or "none").replace("{name}", "nobody").replace("{id}", "nothing")
    headers = {"authorization": f"Bearer {token}"} if token else {}
    return await room.http.request(method, path, headers=headers, json=None if method == "GET" else {})


async def test_every_route_declares_who_may_use_it(room: Room) -> None:
    undeclared = [door for door in doors(room) if not scopes_of(*door.split(" "))]
    assert undeclared == []


async def test_the_declared_scopes_are_the_tables(room: Room) -> None:
    declared = {door: set(scopes_of(*door.split(" "))) for door in doors(room) if not door.startswith("HEAD ")}
    assert declared == EXPECTED


async def test_each_token_opens_its_own_doors_and_no_other(room: Room, keys: dict[str, str]) -> None:
    wrong = []
    for door in doors(room):
        allowed = EXPECTED[door.replace("HEAD ", "GET ")]
        for scope, token in keys.items():
            answer = await opened(room, door, token)
            refused = answer.status_code in (401, 403)
            if refused == (scope in allowed) or answer.status_code >= 500:
                wrong.append((door, scope, answer.status_code))
            if not scope and scope not in allowed and answer.status_code != 401:
                wrong.append((door, "no token", answer.status_code))
    assert wrong == []


async def test_a_route_that_nobody_declared_is_refused_to_everybody(room: Room, keys: dict[str, str]) -> None:
    from fastapi import APIRouter

    from kakehashi.api.rest import Door, done

    router = APIRouter(prefix="/api/v1", route_class=Door)

    @router.get("/forgotten")
    async def forgotten() -> object:
        return done("secret")

    room.app.router.routes += router.routes
    answers = {scope: await opened(room, "GET /api/v1/forgotten", token) for scope, token in keys.items()}
    assert {scope for scope, answer in answers.items() if answer.status_code not in (401, 403)} == set()
    assert "" not in scopes_of("GET", "/api/v1/forgotten") < ANYONE


async def test_who_may_not_is_told_so_before_anything_of_the_body_is_read(room: Room, keys: dict[str, str]) -> None:
    for token, status in ((keys["read"], 403), ("", 401)):
        headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        answer = await room.http.put("/api/v1/routes/x", content=b"{" * 300_000, headers=headers)
        assert answer.status_code == status


async def test_a_revoked_token_opens_nothing(room: Room, keys: dict[str, str]) -> None:
    found = room.hub.tokens.find(keys["admin"], at=room.clock.now_ms())
    assert found is not None
    await desk.revoke_token(room.store, found.id, by="test", at=room.clock.now_ms())
    room.hub.tokens.refresh(await room.store.tokens())
    assert (await opened(room, "GET /api/v1/tokens", keys["admin"])).status_code == 401
