"""``GET /api/poll``, ``POST /api/ack``, ``POST /api/report``: the door of an EA that polls."""

import hashlib
import hmac
from collections.abc import Awaitable, Callable

import msgspec
from starlette.routing import Route

from kakehashi.api.hot import Call, HotDoor, Said
from kakehashi.domain.errors import KakehashiError, Malformed, Rejected
from kakehashi.ports import TokenRow
from kakehashi.services.hub import Hub
from kakehashi.services.ingest import refusal
from kakehashi.venues.mailbox import poll_answer, read_ack, read_report, reported

MAX_BODY = 262_144
MAX_LIMIT = 100
CLOCK_SKEW_MS = 30_000


def routes(hub: Hub, *, require_hmac: bool) -> list[Route]:
    """The three requests of the mailbox contract; each is of one account, the token's own."""

    def admit(call: Call, body: bytes, account: str) -> TokenRow:
        peer = hub.peers.client(call.peer, call.header(b"x-forwarded-for"))
        if not hub.reception.may_knock(peer):
            raise Rejected("FORBIDDEN", "this address may not poll")
        raw = call.bearer
        token = hub.tokens.find(raw, at=hub.clock.now_ms())
        if token is None:
            raise Rejected("UNAUTHORIZED", "no valid EA token", hint="Authorization: Bearer kk_ea_...")
        if token.scope != "ea" or (account and account != token.account):
            raise Rejected("FORBIDDEN", "this token is not of that account's EA")
        if not hub.ea_rate.take(token.id):
            raise Rejected("RATE_LIMITED", "too many requests from this EA")
        signature = call.header(b"x-signature")
        if require_hmac or signature:
            _check_signature(call, body, raw or "", signature, now=hub.clock.now_ms())
        return token

    async def poll(call: Call) -> bytes:
        query = call.query
        token = admit(call, b"", query.get("account", ""))
        if call.method != "GET":
            raise Rejected("METHOD_NOT_ALLOWED", "a poll takes work: it must be a GET")
        orders = await hub.postbox.poll(
            token.account,
            symbol=query.get("symbol", ""),
            limit=_limit(query.get("limit", "10")),
            instance=query.get("instance", "")[:64],
            remembers="journal" in query.get("caps", "").split(","),
        )
        return poll_answer(orders)

    async def ack(call: Call) -> bytes:
        body = await call.body(limit=MAX_BODY)
        token = admit(call, body, "")
        told = read_ack(body)
        if told.account and told.account != token.account:
            raise Rejected("FORBIDDEN", "this token is not of that account's EA")
        return msgspec.json.encode(await hub.postbox.ack(reported(told, account=token.account, at=hub.clock.now_ms())))

    async def report(call: Call) -> bytes:
        body = await call.body(limit=MAX_BODY)
        token = admit(call, body, "")
        await hub.postbox.report(read_report(body, account=token.account, at=hub.clock.now_ms()))
        return b'{"status":"ok"}'

    return [
        Route("/api/poll", _door(poll), methods=["GET"]),
        Route("/api/ack", _door(ack), methods=["POST"]),
        Route("/api/report", _door(report), methods=["POST"]),
    ]


def _door(answer: Callable[[Call], Awaitable[bytes]]) -> HotDoor:
    async def said(call: Call) -> Said:
        try:
            return 200, await answer(call)
        except KakehashiError as e:
            no = refusal(e)
            return no.status, msgspec.json.encode(no.body)

    return HotDoor(said)


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:6]) <= MAX_LIMIT):
        raise Malformed("BAD_PARAMETER", f"limit is a whole number from 1 to {MAX_LIMIT}", value=text[:40])
    return int(text)


def _check_signature(call: Call, body: bytes, key: str, signature: str, *, now: int) -> None:
    """HMAC-SHA256 of ``timestamp LF method LF path?query LF body`` with the token as key, hex."""
    stamp = call.header(b"x-timestamp")
    fresh = stamp.isascii() and stamp.isdigit() and len(stamp) < 16 and abs(now - int(stamp)) <= CLOCK_SKEW_MS
    text = f"{stamp}\n{call.method}\n{call.target}\n".encode() + body
    wanted = hmac.new(key.encode(), text, hashlib.sha256).hexdigest()
    if not fresh or not hmac.compare_digest(wanted.encode(), signature.encode("utf-8", "replace")):
        raise Rejected("UNAUTHORIZED", "the request's signature or timestamp does not hold")
