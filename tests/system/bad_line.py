"""A TCP proxy that treats a connection as a bad network does: late, in slices, reset, half-open, swallowing everything."""

import asyncio
import contextlib
import random
from types import TracebackType
from typing import Any
from urllib.parse import urlsplit


class BadLine:
    """Stands between an EA and its hub, on a free port of loopback. :ivar troubled: connections that trouble befell"""

    def __init__(self, hub: str, *, seed: int) -> None:
        self._hub = urlsplit(hub)
        self._chance = random.Random(seed)
        self._open: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._late_s, self._slices = 0.0, False
        self._silent: set[str] = set()
        self.troubled = 0

    async def __aenter__(self) -> "BadLine":
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, kind: Any, error: BaseException | None, trace: TracebackType | None) -> None:
        self._server.close()
        for task in self._tasks:
            task.cancel()
        self._cut()

    # -- trouble

    def delay(self) -> None:
        """Everything comes up to a third of a second late, in order."""
        self._befell()
        self._late_s = 0.3

    def slice(self) -> None:
        """Everything comes in pieces of a few bytes."""
        self._befell()
        self._slices = True

    def reset(self) -> None:
        """Every connection is cut off in the middle of whatever it was saying."""
        self._befell()
        self._cut()

    def half_open(self) -> None:
        """What the hub says never arrives, and nobody is told."""
        self._befell()
        self._silent = {"down"}

    def swallow(self) -> None:
        """Nothing arrives in either direction, and nobody is told."""
        self._befell()
        self._silent = {"up", "down"}

    async def every_trouble(self, each_s: float = 4) -> None:
        """One trouble after another on top of those before, and at last a good line again."""
        for trouble in (self.delay, self.slice, self.reset, self.half_open, self.swallow):
            trouble()
            await asyncio.sleep(each_s)
        self.mend()

    def mend(self) -> None:
        """A good line again; what hangs is cut."""
        self._late_s, self._slices, self._silent = 0.0, False, set()
        self._cut()

    def _befell(self) -> None:
        self.troubled += max(1, len(self._open) // 2)

    def _cut(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()

    # -- the line

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            to_hub = await asyncio.open_connection(self._hub.hostname, self._hub.port)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, to_hub[1]}
        both = (self._pump("up", reader, to_hub[1]), self._pump("down", to_hub[0], writer))
        tasks = [asyncio.create_task(pump) for pump in both]
        self._tasks.update(tasks)
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
            self._tasks.difference_update(tasks)
            for end in (writer, to_hub[1]):
                self._open.discard(end)
                end.close()

    async def _pump(self, way: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                if way in self._silent:
                    continue
                if self._late_s:
                    await asyncio.sleep(self._chance.uniform(0, self._late_s))
                for piece in self._pieces(data):
                    writer.write(piece)
                    await writer.drain()

    def _pieces(self, data: bytes) -> list[bytes]:
        if not self._slices:
            return [data]
        size = self._chance.randint(1, 40)
        return [data[at : at + size] for at in range(0, len(data), size)]
