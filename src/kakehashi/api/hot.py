"""The hot doors: one alert, one poll, one ack with as little between the socket and the trader as ASGI allows.

Starlette's routing, request and response objects cost as much again as the server itself (ADR 0007). A hot door is a
plain ASGI application that stands in the list of routes like any other; :class:`Shortcut` finds it first.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

import structlog
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from kakehashi.api.http import read_chunks

log = structlog.get_logger("door")

_FAULT: Final = b'{"status":"error","code":"INTERNAL","message":"the hub could not process this request; see its log"}'
_JSON: Final = (b"content-type", b"application/json")

LAST_TOKEN: Final = "/{token}"
"""The end of a path whose last segment is a token."""

Said = tuple[int, bytes]
"""Status and body."""


class Call:
    """One request at a hot door; nothing of it is read before it is asked for."""

    __slots__ = ("_receive", "_scope")

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._scope, self._receive = scope, receive

    @property
    def method(self) -> str:
        method: str = self._scope["method"]
        return method

    @property
    def path(self) -> str:
        path: str = self._scope["path"]
        return path

    @property
    def target(self) -> str:
        """Path and query as they were sent."""
        query = self._scope["query_string"].decode("latin-1")
        return f"{self.path}?{query}" if query else self.path

    @property
    def peer(self) -> str:
        client = self._scope.get("client")
        return client[0] if client else ""

    @property
    def query(self) -> Mapping[str, str]:
        """The last of each name; empty values are kept."""
        query: bytes = self._scope["query_string"]
        return dict(parse_qsl(query.decode("latin-1"), keep_blank_values=True)) if query else {}

    def header(self, name: bytes) -> str:
        """A header's value, or empty; ``name`` in lower case, as ASGI servers give them."""
        for key, value in self._scope["headers"]:
            if key == name:
                text: str = value.decode("latin-1")
                return text
        return ""

    @property
    def bearer(self) -> str | None:
        kind, _, token = self.header(b"authorization").partition(" ")
        return token.strip() or None if kind.lower() == "bearer" else None

    async def body(self, *, limit: int) -> bytes:
        """:raises KakehashiError: TOO_LARGE, BODY_TIMEOUT"""
        return await read_chunks(self._receive, limit=limit, bounded="door_bounds_body" in self._scope)

    async def gone(self) -> None:
        """Returns when the caller has hung up. Only after the body was read."""
        while (await self._receive())["type"] != "http.disconnect":
            pass


class HotDoor:
    """An ASGI application around a function from a call to its answer, which must not raise for bad input."""

    def __init__(self, answer: Callable[[Call], Awaitable[Said]]) -> None:
        self._answer = answer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            status, body = await self._answer(Call(scope, receive))
        except Exception as e:
            log.critical("door_fault", error=repr(e), exc_info=e)
            status, body = 500, _FAULT
        headers = [_JSON, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class Shortcut:
    """The whole application; calls that are for a hot door do not walk the list of routes."""

    def __init__(self, app: ASGIApp, routes: list[Any]) -> None:
        self._app = app
        self._hot: dict[tuple[str, str], ASGIApp] = {
            (route.path, method): route.app
            for route in routes
            if isinstance(route, Route) and isinstance(route.app, HotDoor)
            for method in route.methods or ()
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await (self._door(scope) or self._app)(scope, receive, send)

    def _door(self, scope: Scope) -> ASGIApp | None:
        if scope["type"] != "http":
            return None
        path, method = scope["path"], scope["method"]
        door = self._hot.get((path, method))
        return door or self._hot.get((path.rpartition("/")[0] + LAST_TOKEN, method))
