"""A connection to the hub by WebSocket: ``/ea/v1``, sub-protocol ``klink.1``. Source: PROTOCOL."""

import asyncio
import contextlib
from collections import deque
from typing import Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidURI
from websockets.typing import Subprotocol

from kakehashi.domain.errors import Unavailable
from kakehashi.domain.framecodec import MAX_FRAME

_SUBPROTOCOL: Final = Subprotocol("klink.1")
_OPEN_S: Final = 5.0


async def open_websocket(base_url: str, token: str) -> "WebSocketLine":
    """Connect to the hub at ``http(s)://`` ``base_url``.

    The library's pings are off (klink has its own heartbeat), and so is compression.

    :raises Unavailable: HUB_UNREACHABLE
    """
    url = "ws" + base_url.removeprefix("http") + "/ea/v1"
    try:
        socket = await connect(
            url,
            subprotocols=[_SUBPROTOCOL],
            additional_headers={"Authorization": f"Bearer {token}"},
            compression=None,
            ping_interval=None,
            max_size=MAX_FRAME,
            open_timeout=_OPEN_S,
        )
    except (OSError, TimeoutError, InvalidHandshake, InvalidURI) as e:
        raise Unavailable("HUB_UNREACHABLE", f"{url}: {e}") from e
    return WebSocketLine(socket)


class WebSocketLine:
    """An open connection. What is sent waits in a queue here until the network takes it."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._queue: deque[bytes] = deque()
        self._queued = 0
        self._more = asyncio.Event()
        self._closing = False
        self._writer = asyncio.create_task(self._write())

    async def receive(self) -> bytes | None:
        try:
            return await self._socket.recv(decode=False)
        except ConnectionClosed:
            return None

    def send(self, frame: bytes) -> None:
        if not self._closing:
            self._queue.append(frame)
            self._queued += len(frame)
            self._more.set()

    @property
    def backlog(self) -> int:
        return self._queued + self._socket.transport.get_write_buffer_size()

    async def close(self, code: int, reason: str) -> None:
        if self._closing:
            return
        self._closing = True
        self._more.set()
        try:
            await self._writer
            await self._socket.close(code, reason)
        finally:  # also when there is no time left for a farewell
            self._writer.cancel()
            self._socket.transport.abort()

    async def _write(self) -> None:
        with contextlib.suppress(ConnectionClosed):
            while self._queue or not self._closing:
                if not self._queue:
                    self._more.clear()
                    await self._more.wait()
                    continue
                frame = self._queue.popleft()
                await self._socket.send(frame.decode())
                self._queued -= len(frame)
