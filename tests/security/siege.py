"""A real hub process with one furnished account, a healthy sender, and the rude clients that beset it."""

import asyncio
import contextlib
import socket
import statistics
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from room import furnish
from world import World

from kakehashi.store.migrate import upgrade
from kakehashi.store.sqlite import SqliteStore


class Besieged:
    """The hub under attack, and what one needs to knock at it."""

    def __init__(self, world: World, tokens: dict[str, str]) -> None:
        self.world, self.tokens = world, tokens
        self.port = int(world.url.rsplit(":", 1)[1])
        self.idle_sockets = 0
        """Those of the hub itself: the listening one, the loop's."""

    @property
    def pid(self) -> int:
        return self.world.running["hub"].pid

    @property
    def connections(self) -> int:
        """TCP connections the hub holds now."""
        links = Path(f"/proc/{self.pid}/fd").iterdir()
        return sum(1 for link in links if _target(link).startswith("socket:")) - self.idle_sockets

    @property
    def resident_mb(self) -> float:
        status = Path(f"/proc/{self.pid}/status").read_text("ascii")
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    async def connect(self, *, source: str = "127.0.0.1", receive: int = 0) -> "Wire":
        """One TCP connection; ``receive`` bounds what the kernel takes in for it, bytes."""
        sock = socket.socket()
        sock.setblocking(False)
        if receive:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive)
        sock.bind((source, 0))
        await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", self.port))
        return Wire(sock)


class Wire:
    """A connection that is driven by hand."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock, self._loop = sock, asyncio.get_running_loop()
        self.opened = time.monotonic()
        self.said = b""

    async def send(self, data: bytes) -> bool:
        """Whether the other side still took it."""
        try:
            await self._loop.sock_sendall(self._sock, data)
        except OSError:
            return False
        return True

    async def answer(self, *, within_s: float = 30.0) -> bytes:
        """All that comes until the hub closes; what a reset swallows is lost, as it is for anybody."""
        said = b""
        with contextlib.suppress(OSError):
            async with asyncio.timeout(within_s):
                while chunk := await self._loop.sock_recv(self._sock, 65_536):
                    said += chunk
        return said

    async def ask(self, request: bytes) -> int:
        """Send one whole request; the status of its answer, 0 when the hub hung up."""
        said = b""
        if not await self.send(request):
            return 0
        with contextlib.suppress(OSError):
            while b"\r\n\r\n" not in said or len(said.partition(b"\r\n\r\n")[2]) < _length(said):
                chunk = await self._loop.sock_recv(self._sock, 65_536)
                if not chunk:
                    break
                said += chunk
        return int(said[9:12]) if said else 0

    async def pour(self, start: bytes, more: bytes, *, most: int) -> int:
        """Send ``start``, then ``more`` without end until the hub hangs up or ``most`` bytes are sent; how many it took."""
        sent = 0
        reading = asyncio.create_task(self.answer())
        alive = await self.send(start)
        while alive and sent < most and not reading.done():
            sending = asyncio.create_task(self.send(more))
            await asyncio.wait({sending, reading}, return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                sending.cancel()
                break
            alive = sending.result()
            sent += len(more)
        self.said = await reading
        return sent

    async def drip(self, start: bytes, drop: bytes, *, every_s: float = 0.5, within_s: float = 30.0) -> float:
        """Send ``start``, then ``drop`` again and again; seconds until the hub hung up."""
        await self.send(start)
        reading = asyncio.create_task(self.answer(within_s=within_s))
        while not reading.done() and await self.send(drop):
            await asyncio.wait({reading}, timeout=every_s)
        await reading
        return time.monotonic() - self.opened

    def close(self) -> None:
        self._sock.close()


def _length(said: bytes) -> int:
    return int(said.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)


def post(body: bytes, *, token: str = "", path: str = "/webhook/tradingview") -> bytes:
    """A whole alert request."""
    bearer = f"authorization: Bearer {token}\r\n" if token else ""
    return f"POST {path} HTTP/1.1\r\nhost: hub\r\n{bearer}content-length: {len(body)}\r\n\r\n".encode() + body


class HealthySender:
    """Sends an entry every 50 ms, each on a connection of its own as TradingView does, and times each answer."""

    def __init__(self, hub: Besieged, *, rate_per_s: float = 20.0, name: str = "healthy") -> None:
        self._name = name
        self._url = f"{hub.world.url}/webhook/tradingview/{hub.tokens['webhook']}"
        self._pause_s = 1 / rate_per_s
        self.answers: list[tuple[int | str, float]] = []
        """Status, or the error's name, and seconds."""

    @contextlib.asynccontextmanager
    async def at_work(self) -> AsyncIterator["HealthySender"]:
        stop = asyncio.Event()
        sending = asyncio.create_task(self._run(stop))
        try:
            yield self
        finally:
            stop.set()
            await sending

    async def _run(self, stop: asyncio.Event) -> None:
        number = 0
        async with asyncio.TaskGroup() as tasks:
            while not stop.is_set():
                number += 1
                tasks.create_task(self._send(number))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(stop.wait(), self._pause_s)

    async def _send(self, number: int) -> None:
        word = "CLOSE" if number % 2 else "LONG"
        began = time.monotonic()
        status: int | str
        try:
            async with httpx.AsyncClient(timeout=10, verify=False) as http:
                began = time.monotonic()
                answer = await http.post(
                    self._url, json={"signal": word, "symbol": "EURUSD", "id": f"{self._name}-{number}"}
                )
            status = answer.status_code
        except httpx.HTTPError as e:
            status = type(e).__name__
        self.answers.append((status, time.monotonic() - began))

    @property
    def not_200(self) -> list[int | str]:
        return [status for status, _ in self.answers if status != 200]

    @property
    def slowest_s(self) -> float:
        return max(seconds for _, seconds in self.answers)

    def report(self, what: str) -> None:
        """One line for whoever reads the test's output."""
        times = sorted(seconds * 1000 for _, seconds in self.answers)
        p99 = times[min(len(times) - 1, int(len(times) * 0.99))]
        print(f"{what}: {len(times)} alerts, p50 {statistics.median(times):.1f} p99 {p99:.1f} max {times[-1]:.1f} ms")


@contextlib.asynccontextmanager
async def besieged(folder: Path, **settings: str) -> AsyncIterator[Besieged]:
    """Start it; ``settings`` are environment variables of the hub."""
    url = f"sqlite:///{folder}/k.db"
    await asyncio.to_thread(upgrade, url)
    store = SqliteStore(str(folder / "k.db"))
    await store.open()
    tokens = await furnish(store)
    await store.close()
    with World(folder, **settings) as world:
        # a small buffer in the kernel, so that an unread answer is felt; accepted sockets inherit it
        world._listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 32_768)
        await asyncio.to_thread(world.start_hub)
        hub = Besieged(world, tokens)
        before = -1
        while (now := hub.connections) != before:  # until whoever asked whether it is ready has gone
            before = now
            await asyncio.sleep(0.2)
        hub.idle_sockets = now
        yield hub


def _target(link: Path) -> str:
    try:
        return str(link.readlink())
    except OSError:  # closed a moment ago
        return ""


async def until(holds: Callable[[], Any], *, within_s: float = 20.0, what: str = "") -> None:
    """Wait for a condition."""
    async with asyncio.timeout(within_s):
        while not holds():
            await asyncio.sleep(0.05)


async def all_of(*many: Awaitable[Any]) -> list[Any]:
    return list(await asyncio.gather(*many))
