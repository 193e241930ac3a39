"""``GET /api/poll``, ``POST /api/ack``, ``POST /api/report``: the door of an EA that polls."""

import hashlib
import hmac

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from kakehashi.api.http import bearer, error_response, json_response, read_body
from kakehashi.domain.errors import KakehashiError, Malformed, Rejected
from kakehashi.ports import TokenRow
from kakehashi.services.hub import Hub
from kakehashi.venues.mailbox import poll_answer, read_ack, read_report, reported

MAX_BODY = 262_144
MAX_LIMIT = 100
CLOCK_SKEW_MS = 30_000


def routes(hub: Hub, *, require_hmac: bool) -> list[Route]:
    """The three requests of the mailbox contract; each is of one account, the token's own."""

    def admit(request: Request, body: bytes, account: str) -> TokenRow:
        peer = request.client.host if request.client else ""
        if not hub.ea_peers.allowed(hub.peers.client(peer, request.headers.get("x-forwarded-for", ""))):
            raise Rejected("FORBIDDEN", "this address may not poll")
        raw = bearer(request)
        token = hub.tokens.find(raw, at=hub.clock.now_ms())
        if token is None:
            raise Rejected("UNAUTHORIZED", "no valid EA token", hint="Authorization: Bearer kk_ea_...")
        if token.scope != "ea" or (account and account != token.account):
            raise Rejected("FORBIDDEN", "this token is not of that account's EA")
        if not hub.ea_rate.take(token.id):
            raise Rejected("RATE_LIMITED", "too many requests from this EA")
        signature = request.headers.get("x-signature", "")
        if require_hmac or signature:
            _check_signature(request, body, raw or "", signature, now=hub.clock.now_ms())
        return token

    async def poll(request: Request) -> Response:
        query = request.query_params
        try:
            token = admit(request, b"", query.get("account", ""))
            orders = await hub.postbox.poll(
                token.account,
                symbol=query.get("symbol", ""),
                limit=_limit(query.get("limit", "10")),
                instance=query.get("instance", "")[:64],
                remembers="journal" in query.get("caps", "").split(","),
            )
        except KakehashiError as e:
            return error_response(e)
        return json_response(poll_answer(orders))

    async def ack(request: Request) -> Response:
        try:
            body = await read_body(request, limit=MAX_BODY)
            token = admit(request, body, "")
            told = read_ack(body)
            if told.account and told.account != token.account:
                raise Rejected("FORBIDDEN", "this token is not of that account's EA")
            count = await hub.postbox.ack(reported(told, account=token.account, at=hub.clock.now_ms()))
        except KakehashiError as e:
            return error_response(e)
        return json_response(count)

    async def report(request: Request) -> Response:
        try:
            body = await read_body(request, limit=MAX_BODY)
            token = admit(request, body, "")
            told = read_report(body, account=token.account, at=hub.clock.now_ms())
            await hub.postbox.report(told)
        except KakehashiError as e:
            return error_response(e)
        return json_response({"status": "ok"})

    return [
        Route("/api/poll", poll, methods=["GET"]),
        Route("/api/ack", ack, methods=["POST"]),
        Route("/api/report", report, methods=["POST"]),
    ]


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MAX_LIMIT):
        raise Malformed("BAD_PARAMETER", f"limit is a whole number from 1 to {MAX_LIMIT}", value=text[:40])
    return int(text)


def _check_signature(request: Request, body: bytes, key: str, signature: str, *, now: int) -> None:
    """HMAC-SHA256 of ``timestamp LF method LF path?query LF body`` with the token as key, hex."""
    stamp = request.headers.get("x-timestamp", "")
    fresh = stamp.isascii() and stamp.isdigit() and len(stamp) < 16 and abs(now - int(stamp)) <= CLOCK_SKEW_MS
    path = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    text = f"{stamp}\n{request.method}\n{path}\n".encode() + body
    wanted = hmac.new(key.encode(), text, hashlib.sha256).hexdigest()
    if not fresh or not hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "replace")):
        raise Rejected("UNAUTHORIZED", "the request's signature or timestamp does not hold")
