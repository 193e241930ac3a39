"""What every HTTP face shares: reading a bounded body, answering JSON, saying no."""

import asyncio
from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive

from kakehashi.domain.errors import KakehashiError, Malformed, Rejected
from kakehashi.services.ingest import refusal

BODY_TIMEOUT_S = 5.0
"""Where there is no door that watches the time."""


def json_response(body: Any, status: int = 200) -> Response:
    """Compact JSON."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Response(content, status_code=status, media_type="application/json")


def error_response(error: KakehashiError) -> Response:
    answer = refusal(error)
    return json_response(answer.body, answer.status)


async def read_body(request: Request, *, limit: int) -> bytes:
    """A request's body, as :func:`read_chunks` reads it."""
    return await read_chunks(request.receive, limit=limit, bounded="door_bounds_body" in request.scope)


async def read_chunks(receive: Receive, *, limit: int, bounded: bool = False) -> bytes:
    """The body, capped while it streams and bounded in time: a slow sender holds no memory and no slot for long.

    :param bounded: the door hangs up on a body that is late (``hub.body_timeout_s``): no timer is needed here
    :raises Rejected: TOO_LARGE
    :raises Malformed: BODY_TIMEOUT, or the sender hung up
    """
    if bounded:
        return await _all_of(receive, limit)
    try:
        async with asyncio.timeout(BODY_TIMEOUT_S):
            return await _all_of(receive, limit)
    except TimeoutError:
        raise Malformed("BODY_TIMEOUT", f"the body took over {BODY_TIMEOUT_S:g} s to arrive") from None


async def _all_of(receive: Receive, limit: int) -> bytes:
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Malformed("BODY_TIMEOUT", "the body took too long, or the sender hung up before it was complete")
        chunk: bytes = message.get("body", b"")
        body += chunk
        if len(body) > limit:
            raise Rejected("TOO_LARGE", f"the body is over {limit} bytes")
        if not message.get("more_body"):
            return body


def bearer(request: Request) -> str | None:
    """The token of the Authorization header, or None."""
    value = request.headers.get("authorization", "")
    kind, _, token = value.partition(" ")
    return token.strip() or None if kind.lower() == "bearer" else None
