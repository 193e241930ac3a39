"""The load: alerts over keep-alive connections and an EA that polls and acks, in a process of its own.

Requests are prebuilt and answers are cut by hand, so that two cores are left to the hub as far as possible. Run as
``python -m benchmarks.load`` with a :class:`Load` as JSON on stdin; a :class:`Measured` as JSON on stdout.
"""

import asyncio
import gc
import sys
import time
from collections.abc import Iterator
from typing import cast

import msgspec
import uvloop

ACK_MOST = 200


class Load(msgspec.Struct, kw_only=True):
    """:ivar rate: alerts/s to send whatever comes back; 0 is as fast as the connections allow
    :ivar count: stop after so many alerts; 0 goes by ``seconds``
    :ivar ea: the EA's token; empty runs no EA
    :ivar pid: whose resident memory is noted every ``every`` alerts; 0 is nobody's
    :ivar ea_after: the EA comes when all alerts are sent: they are measured alone, and nothing is left behind
    :ivar poll_s: the EA's pause when it found nothing; 0 polls at the moment of each 200
    """

    port: int
    webhook: str
    ea: str = ""
    connections: int = 32
    seconds: float = 5.0
    count: int = 0
    rate: float = 0.0
    pid: int = 0
    every: int = 10_000
    poll_s: float = 0.02
    run: str = "r"
    ea_after: bool = False


class Measured(msgspec.Struct, kw_only=True):
    """Times in milliseconds. ``visible``: from the POST to the poll's answer that holds the order."""

    sent: int
    queued: int
    other: dict[str, int]
    seconds: float
    acked: int
    drained: bool
    answer_ms: dict[str, float]
    visible_ms: dict[str, float]
    memory_mb: list[tuple[int, float]]

    @property
    def rate(self) -> float:
        return self.queued / self.seconds


class Line(asyncio.Protocol):
    """One keep-alive connection, one request at a time."""

    def __init__(self) -> None:
        self._buffer = b""
        self._answer: asyncio.Future[tuple[bytes, bytes]] | None = None
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of asyncio's

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionError(f"the hub hung up: {exc}"))

    def data_received(self, data: bytes) -> None:
        self._buffer = self._buffer + data if self._buffer else data
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return
        at = self._buffer.find(b"content-length: ", 0, end)
        if at < 0:
            raise ValueError(f"an answer without a length: {self._buffer[:end]!r}")
        length = int(self._buffer[at + 16 : self._buffer.find(b"\r", at)])
        whole = end + 4 + length
        if len(self._buffer) >= whole and self._answer is not None and not self._answer.done():
            head, body = self._buffer[9:12], self._buffer[end + 4 : whole]
            self._buffer = self._buffer[whole:]
            self._answer.set_result((head, body))

    async def ask(self, request: bytes) -> tuple[bytes, bytes]:
        """Status and body."""
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer


def post(path: str, token: str, body: bytes) -> bytes:
    return (
        f"POST {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {token}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    ).encode() + body


def alerts(load: Load) -> Iterator[bytes]:
    """An endless row of different alerts, each a whole request."""
    number, stamp, template = 0, 0, b""
    while True:
        now = int(time.time())
        if now != stamp:
            stamp = now
            when, bar = (time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t)) for t in (now, now - now % 300))
            body = (
                f'{{"signal":"LONG","symbol":"EURUSD","timeframe":"5","price":"1.08512","time":"{bar}","timenow":"{when}",'
                f'"id":"{load.run}-0123456789"}}'
            )
            template = post("/webhook/tradingview", load.webhook, body.encode())
        yield template[:-12] + b"%010d" % number + template[-2:]
        number += 1


def percentiles(times: list[float]) -> dict[str, float]:
    """Milliseconds; empty without times."""
    ordered = sorted(times)
    if not ordered:
        return {}
    picks = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "max": 1.0}
    return {k: round(ordered[min(len(ordered) - 1, int(len(ordered) * q))] * 1000, 3) for k, q in picks.items()}


def resident_mb(pid: int) -> float:
    with open(f"/proc/{pid}/statm") as file:  # noqa: PTH123 read every few seconds while measuring
        return round(int(file.read().split()[1]) * 4096 / 1e6, 1)


class Run:
    """One load from start to the last ack."""

    def __init__(self, load: Load) -> None:
        self.load = load
        self.alerts = alerts(load)
        self.sent = self.queued = self.acked = 0
        self.other: dict[str, int] = {}
        self.answers: list[float] = []
        self.visible: list[float] = []
        self.memory: list[tuple[int, float]] = []
        self.posted: dict[str, float] = {}
        self.work = asyncio.Event()
        self.done = False

    async def line(self) -> Line:
        _, line = await asyncio.get_running_loop().create_connection(Line, "127.0.0.1", self.load.port)
        return line

    async def send(self, line: Line) -> None:
        request = next(self.alerts)
        self.sent += 1
        began = time.perf_counter()
        status, body = await line.ask(request)
        self.answers.append(time.perf_counter() - began)
        if status == b"200" and b'"status":"queued"' in body:
            self.queued += 1
            if self.load.rate and self.load.ea:
                for leg in msgspec.json.decode(body)["legs"]:
                    self.posted[leg["orders"][0]] = began
            if self.load.pid and self.queued % self.load.every == 0:
                self.memory.append((self.queued, resident_mb(self.load.pid)))
        else:
            said = status.decode() + " " + body[:80].decode()
            self.other[said] = self.other.get(said, 0) + 1
        self.work.set()

    async def closed_loop(self, ends: float) -> None:
        async def one() -> None:
            line = await self.line()
            while self.sent < self.load.count if self.load.count else time.perf_counter() < ends:
                await self.send(line)

        await asyncio.gather(*(one() for _ in range(self.load.connections)))

    async def open_loop(self, ends: float) -> None:
        """At the rate, whatever comes back; a connection that is busy is left out."""
        free = [await self.line() for _ in range(self.load.connections)]
        running: set[asyncio.Task[None]] = set()

        async def one() -> None:
            line = free.pop()
            await self.send(line)
            free.append(line)

        due = time.perf_counter()
        while due < ends:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            task = asyncio.create_task(one())
            running.add(task)
            task.add_done_callback(running.discard)
            due += 1 / self.load.rate
        await asyncio.gather(*running)

    async def ea(self) -> None:
        """Polls, calls everything filled, acks."""
        polls, acks = await self.line(), await self.line()
        path = "/api/poll?limit=100&instance=bench&caps=journal"
        request = f"GET {path} HTTP/1.1\r\nhost: bench\r\nauthorization: Bearer {self.load.ea}\r\n\r\n".encode()
        filled: list[str] = []
        keys = [""]
        while not self.done or self.acked < self.queued or keys:
            status, body = await polls.ask(request)
            now = time.perf_counter()
            if status != b"200":
                raise ValueError(f"the poll was refused: {body!r}")
            keys = [item["key"] for item in msgspec.json.decode(body)["items"]]
            for key in keys:
                if (began := self.posted.pop(key, None)) is not None:
                    self.visible.append(now - began)
            filled += keys
            if filled:
                await self.ack(acks, filled[:ACK_MOST])
                del filled[:ACK_MOST]
            elif self.load.poll_s:
                await asyncio.sleep(self.load.poll_s)
            else:
                self.work.clear()
                await asyncio.wait({asyncio.ensure_future(self.work.wait())}, timeout=0.05)

    async def ack(self, line: Line, keys: list[str]) -> None:
        results = [
            {"key": k, "status": "filled", "ticket": k[-9:], "volume": 0.1, "price": 1.085, "retcode": 10009}
            for k in keys
        ]
        body = msgspec.json.encode({"instance": "bench", "results": results})
        status, said = await line.ask(post("/api/ack", self.load.ea, body))
        if status != b"200" or msgspec.json.decode(said)["acknowledged"] != len(keys):
            raise ValueError(f"the ack was refused: {said!r}")
        self.acked += len(keys)

    async def __call__(self) -> Measured:
        ea = asyncio.create_task(self.ea()) if self.load.ea and not self.load.ea_after else None
        began = time.perf_counter()
        ends = began + self.load.seconds
        await (self.open_loop(ends) if self.load.rate else self.closed_loop(ends))
        seconds = time.perf_counter() - began
        self.done = True
        self.work.set()
        if self.load.ea_after:
            ea = asyncio.create_task(self.ea())
        if ea is not None:
            await asyncio.wait({ea}, timeout=60)
            if ea.done():
                ea.result()
            else:
                ea.cancel()
        return Measured(
            sent=self.sent, queued=self.queued, other=self.other, seconds=seconds, acked=self.acked,
            drained=self.acked >= self.queued, answer_ms=percentiles(self.answers),
            visible_ms=percentiles(self.visible), memory_mb=self.memory,
        )  # fmt: skip


def main() -> None:
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=Load)
    gc.freeze()
    gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.buffer.write(msgspec.json.encode(runner.run(Run(load)())))


if __name__ == "__main__":
    main()
