"""The two doors of a :class:`~tests.link_peer.Peer`: a WebSocket server and an HTTP server for polls, on one loop."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
from tests.link_peer import Peer
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

TOKEN = "kk_ea_test_secret"


class WebSocketDoor:
    """``ws://127.0.0.1:port/ea/v1``. :ivar open: the connections there are; ``tls``: behind this, and as localhost"""

    def __init__(self, peer: Peer) -> None:
        self._peer, self._count = peer, 0
        self.tls: ssl.SSLContext | None = None
        self.open: dict[str, ServerConnection] = {}

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await serve(
            self._serve, "127.0.0.1", 0,
            subprotocols=["klink.1"], compression=None, ping_interval=None, max_size=65_536, process_request=self._check,
            ssl=self.tls,
        )  # fmt: skip
        try:
            port = server.sockets[0].getsockname()[1]
            yield f"wss://localhost:{port}" if self.tls else f"http://127.0.0.1:{port}"
        finally:
            server.close()
            await server.wait_closed()

    def _check(self, _connection: ServerConnection, request: Request) -> Response | None:
        asked = (request.path, request.headers.get("Authorization"), request.headers.get("Sec-WebSocket-Extensions"))
        if asked == ("/ea/v1", f"Bearer {TOKEN}", None):
            return None
        return Response(HTTPStatus.FORBIDDEN, "Forbidden", Headers({"Content-Length": "0"}), b"")

    async def _serve(self, socket: ServerConnection) -> None:
        self._count += 1
        name, out = f"ws{self._count}", asyncio.Queue[Any]()
        self.open[name] = socket
        self._peer.come(name, out.put_nowait, lambda code, why: out.put_nowait((code, why)))
        writing = asyncio.create_task(_write(socket, out))
        try:
            async for text in socket:
                assert isinstance(text, str), "frames are text"
                self._peer.hear(name, text.encode())
        except ConnectionClosed:
            pass
        finally:
            writing.cancel()
            del self.open[name]
            self._peer.gone(name)


async def _write(socket: ServerConnection, out: asyncio.Queue[Any]) -> None:
    with contextlib.suppress(ConnectionClosed):
        while True:
            match await out.get():
                case bytes() as frame:
                    await socket.send(frame.decode())
                case (code, why):
                    await socket.close(code, why)


class PollDoor:
    """``POST http://127.0.0.1:port/ea/v1/poll``. :ivar fail_next: answer the next poll, whatever it brought, with 503"""

    def __init__(self, peer: Peer) -> None:
        self._peer = peer
        self._down: dict[str, asyncio.Queue[bytes | None]] = {}
        self.open = self._down
        self.fail_next, self._failed = False, ""

    @contextlib.asynccontextmanager
    async def listening(self) -> AsyncIterator[str]:
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        try:
            yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()
                headers = {k.lower(): v.strip() for k, _, v in (line.partition(":") for line in head[1:] if line)}
                if "upgrade" in headers:
                    writer.write(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n")
                    break
                body = await reader.readexactly(int(headers["content-length"]))
                status, answer = await self._answer(head[0].split()[1], headers, body)
                top = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(answer)}\r\n\r\n"
                writer.write(top.encode() + answer)
                await writer.drain()
        writer.close()  # what is written still goes

    async def _answer(self, target: str, headers: dict[str, str], body: bytes) -> tuple[str, bytes]:
        url = urlsplit(target)
        asked = {k: v[0] for k, v in parse_qs(url.query).items()}
        if url.path != "/ea/v1/poll" or headers.get("authorization") != f"Bearer {TOKEN}":
            return "403 Forbidden", b"{}"
        session = asked["session"]
        assert int(asked["wait_ms"]) <= 750
        if self.fail_next:
            self.fail_next, self._failed = False, session
            self._peer.gone(session)
            return "503 Service Unavailable", b"[]"
        assert session != self._failed, "a connection ended and goes on"
        if session not in self._down:
            down = self._down[session] = asyncio.Queue[bytes | None]()
            self._peer.come(session, down.put_nowait, lambda _code, _why: down.put_nowait(None))
        for raw in msgspec.json.decode(body, type=list[msgspec.Raw]):
            self._peer.hear(session, bytes(raw))
        frames = await self._frames(self._down[session], int(asked["wait_ms"]))
        if None in frames:
            self._peer.gone(session)
            if frames == [None]:
                return "410 Gone", b"{}"
        return "200 OK", b"[" + b",".join(x for x in frames if x) + b"]"

    async def _frames(self, down: asyncio.Queue[bytes | None], wait_ms: int) -> list[bytes | None]:
        frames: list[bytes | None] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_ms / 1000):
                frames.append(await down.get())
        while not down.empty():
            frames.append(down.get_nowait())
        return frames
