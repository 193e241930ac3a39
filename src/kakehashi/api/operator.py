"""``/api/v1/...``: what an operator sees and does over HTTP. The CLI does the same on the store."""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kakehashi.api.http import bearer, error_response, json_response, read_body
from kakehashi.domain.errors import KakehashiError, Malformed, Rejected
from kakehashi.ports import TokenRow
from kakehashi.services import desk
from kakehashi.services.hub import Hub

MAX_BODY = 262_144
MAX_LIMIT = 1_000
READ = frozenset({"read", "operator", "admin"})
ACT = frozenset({"operator", "admin"})
ADMIN = frozenset({"admin"})


class _Wish(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """Body of the acting requests."""

    account: str = ""
    force: bool = False


def routes(hub: Hub) -> list[Route]:
    """Lists for readers, dead letters and the kill switch for operators; only an admin clears the switch."""

    def admit(request: Request, scopes: frozenset[str]) -> TokenRow:
        token = hub.tokens.find(bearer(request), at=hub.clock.now_ms())
        if token is None:
            raise Rejected("UNAUTHORIZED", "no valid token", hint="Authorization: Bearer kk_operator_...")
        if token.scope not in scopes:
            raise Rejected("FORBIDDEN", f"a {token.scope} token may not do this")
        return token

    async def listing(request: Request) -> Response:
        try:
            admit(request, READ)
            limit = _limit(request.query_params.get("limit", "100"))
            what = request.path_params["what"]
            account = request.query_params.get("account", "")
            data: Any = await desk.listing(hub.store, what, account=account, limit=limit)
        except KakehashiError as e:
            return error_response(e)
        return json_response({"ok": True, "data": data})

    async def trace(request: Request) -> Response:
        try:
            admit(request, READ)
            data = await desk.trace(hub.store, request.path_params["id"])
        except KakehashiError as e:
            return error_response(e)
        return json_response({"ok": True, "data": data})

    async def dead_letter(request: Request) -> Response:
        try:
            token = admit(request, ACT)
            wish = await _wish(request)
            do, order_id, by = request.path_params["do"], request.path_params["id"], f"token {token.id}"
            data = await desk.dead_letter(
                hub.store, order_id, do=do, force=wish.force, by=by, at=hub.clock.now_ms(), ttl=desk.DEFAULT_TTL
            )
        except KakehashiError as e:
            return error_response(e)
        return json_response({"ok": True, "data": data})

    async def kill(request: Request) -> Response:
        try:
            on = request.path_params["do"] == "on"
            token = admit(request, ACT if on else ADMIN)
            wish = await _wish(request)
            data = await desk.kill(
                hub.store, on=on, scope=wish.account or "*", by=f"token {token.id}", at=hub.clock.now_ms()
            )
        except KakehashiError as e:
            return error_response(e)
        return json_response({"ok": True, "data": data})

    return [
        Route("/api/v1/trace/{id}", trace, methods=["GET"]),
        Route("/api/v1/dlq/{id}/{do}", dead_letter, methods=["POST"]),
        Route("/api/v1/kill/{do}", kill, methods=["POST"]),
        Route("/api/v1/{what}", listing, methods=["GET"]),
    ]


async def _wish(request: Request) -> _Wish:
    body = await read_body(request, limit=MAX_BODY)
    try:
        return msgspec.json.decode(body or b"{}", type=_Wish)
    except (msgspec.DecodeError, UnicodeDecodeError) as e:
        raise Malformed("BAD_JSON", str(e)) from None


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MAX_LIMIT):
        raise Malformed("BAD_PARAMETER", f"limit is a whole number from 1 to {MAX_LIMIT}", value=text[:40])
    return int(text)
