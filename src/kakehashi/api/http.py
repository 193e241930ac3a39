"""What every HTTP face shares: reading a bounded body, answering JSON, saying no."""

import asyncio
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from kakehashi.domain.errors import KakehashiError, Malformed, Rejected
from kakehashi.services.ingest import refusal

BODY_TIMEOUT_S = 5.0
"""Where no door says otherwise (``hub.body_timeout_s``)."""


def json_response(body: Any, status: int = 200) -> Response:
    """Compact JSON."""
    content = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return Response(content, status_code=status, media_type="application/json")


def error_response(error: KakehashiError) -> Response:
    answer = refusal(error)
    return json_response(answer.body, answer.status)


async def read_body(request: Request, *, limit: int) -> bytes:
    """The body, capped while it streams and bounded in time: a slow sender holds no memory and no slot for long.

    :raises Rejected: TOO_LARGE
    :raises Malformed: BODY_TIMEOUT, or the sender hung up
    """
    chunks: list[bytes] = []
    size = 0
    timeout_s: float = request.scope.get("body_timeout_s", BODY_TIMEOUT_S)
    try:
        async with asyncio.timeout(timeout_s):
            async for chunk in request.stream():
                size += len(chunk)
                if size > limit:
                    raise Rejected("TOO_LARGE", f"the body is over {limit} bytes")
                chunks.append(chunk)
    except TimeoutError:
        raise Malformed("BODY_TIMEOUT", f"the body took over {timeout_s:g} s to arrive") from None
    except ClientDisconnect:
        raise Malformed("BODY_TIMEOUT", "the sender hung up before the body was complete") from None
    return b"".join(chunks)


def bearer(request: Request) -> str | None:
    """The token of the Authorization header, or None."""
    value = request.headers.get("authorization", "")
    kind, _, token = value.partition(" ")
    return token.strip() or None if kind.lower() == "bearer" else None
