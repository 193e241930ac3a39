"""EAs on raw WebSockets, as lean as can be: in a process of their own they keep heartbeats, take commands and fill them.

Frames are cut and masked by hand (the mask is zero: the hub has the same work with it). Run as ``python -m benchmarks.ea``
with an :class:`EaLoad` as JSON on stdin; an :class:`EaMeasured` as JSON on stdout.
"""

import asyncio
import base64
import gc
import itertools
import resource
import sys
import time
import zlib
from collections import deque
from typing import cast

import msgspec
import uvloop

from benchmarks.load import Line, percentiles, post, resident_mb

HEARTBEAT_S = 5.0
OPENING = 100
"""Connections opened at once."""
PER_ADDRESS = 5_000
"""Connections from one loopback address, which has some 28,000 ports."""
TICKS = 100
"""In how many groups a second the heartbeats go out."""


class EaAccount(msgspec.Struct, kw_only=True):
    """An account, its EA's token and the token of a route of its own; empty where nobody sends alerts."""

    number: str
    ea: str
    webhook: str = ""


class EaLoad(msgspec.Struct, kw_only=True):
    """:ivar rate: alerts/s over all accounts in turns; 0 leaves the EAs idle
    :ivar echo: against the bare server: no HELLO, and with a rate its round trips are measured
    :ivar pid: whose CPU and memory are noted
    """

    port: int
    accounts: list[EaAccount]
    seconds: float
    rate: float = 0.0
    echo: bool = False
    pid: int = 0
    run: str = "r"


class EaMeasured(msgspec.Struct, kw_only=True):
    """Times in milliseconds, all from the POST: ``command`` to the CMD here, ``recorded`` to the EVTA of its fill, ``answer``
    to the 200; ``fill`` from the EVT to its EVTA.

    :ivar cpu: share of one core, user and system
    :ivar kb_each: resident memory by connection
    """

    connections: int
    beats: int
    beats_answered: int
    sent: int = 0
    command_ms: dict[str, float] = {}
    recorded_ms: dict[str, float] = {}
    fill_ms: dict[str, float] = {}
    answer_ms: dict[str, float] = {}
    echo_ms: dict[str, float] = {}
    cpu: float = 0.0
    kb_each: float = 0.0
    lost: int = 0
    unanswered: int = 0


class _Cmd(msgspec.Struct):
    id: str
    magic: str


class _Numbered(msgspec.Struct):
    n: int


_cmd = msgspec.json.Decoder(_Cmd).decode
_numbered = msgspec.json.Decoder(_Numbered).decode
_KEY = base64.b64encode(b"0123456789abcdef").decode()
_BEAT = (
    '{"v":1,"t":"HB","n":%d,"boot":1,"sseq":%d,"crc":%d,"ocrc":0,"npos":%d,"gen":%d,"synced":true,"balance":"10000.00",'
    '"equity":"10000.00","credit":"0","margin":"0","trade_allowed":true,"inflight":0}'
)
_SYMS = (
    '{"v":1,"t":"SYMS","rows":[{"symbol":"EURUSD","digits":5,"point":"0.00001","tick_size":"0.00001","tick_value":"1",'
    '"contract_size":"100000","vol_min":"0.01","vol_max":"1000","vol_step":"0.01","filling":"IOC","profit_currency":"USD",'
    '"trade_mode":"FULL"}]}'
)
_FIRST_BEAT = 1_000_000_000
"""So that every heartbeat is as long as the first."""


def masked(text: bytes) -> bytes:
    """A text frame from a client."""
    size = len(text)
    head = b"\x81" + (bytes((0x80 | size,)) if size < 126 else b"\xfe" + size.to_bytes(2, "big"))
    return head + b"\0\0\0\0" + text


class Ea(asyncio.Protocol):
    """One EA. It holds at most one position, which every fill makes larger."""

    __slots__ = (
        "_buffer",
        "_crc",
        "_gen",
        "_journal",
        "_sseq",
        "_transport",
        "account",
        "beats",
        "done",
        "events",
        "run",
        "up",
        "waiting",
    )

    def __init__(self, run: "Run", account: EaAccount) -> None:
        self.run, self.account = run, account
        self._buffer = b""
        self._transport: asyncio.Transport
        self._sseq = 1
        self._crc = self._gen = self._journal = self.events = 0
        self.beats = _FIRST_BEAT
        self.up: asyncio.Future[None] | None = asyncio.get_running_loop().create_future()
        self.waiting: deque[tuple[str, float]] = deque()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is no subclass of asyncio's
        self._transport.write(
            (
                "GET /ea/v1 HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                f"Sec-WebSocket-Key: {_KEY}\r\nSec-WebSocket-Version: 13\r\nAuthorization: Bearer {self.account.ea}\r\n\r\n"
            ).encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self.run.lost += not self.run.over
        if self.up is not None and not self.up.done():
            self.up.set_exception(ConnectionError(f"the hub hung up: {exc} {self._buffer!r}"))

    def data_received(self, data: bytes) -> None:
        buffer = self._buffer + data if self._buffer else data
        if self.up is not None and buffer.startswith(b"HTTP"):
            end = buffer.find(b"\r\n\r\n")
            if end < 0:
                self._buffer = buffer
                return
            buffer = buffer[end + 4 :]
            self.greet()
        at, end = 0, len(buffer)
        while end - at >= 2:
            size, start = buffer[at + 1], at + 2
            if size == 126:
                size, start = int.from_bytes(buffer[at + 2 : at + 4], "big"), at + 4
            if end < start + size:
                break
            if buffer[at] == 0x81:
                self.hear(buffer[start : start + size])
            at = start + size
        self._buffer = buffer[at:]

    def greet(self) -> None:
        if self.run.load.echo:
            self.ready()
            return
        number = self.account.number
        hello = (
            f'{{"v":1,"t":"HELLO","account":"{number}","server":"Bench","instance":"i-{number}","boot":1,"currency":"USD",'
            f'"caps":["mt5","journal"],"leverage":100,"margin_mode":"hedging","trade_mode":"demo"}}'
        )
        snap = '{"v":1,"t":"SNAP","boot":1,"sseq":1,"synced":true,"positions":[],"orders":[],"crc":0,"ocrc":0}'
        first = (hello, snap, _SYMS) if self.account.webhook else (hello, snap)
        self._transport.write(b"".join(masked(text.encode()) for text in first))

    def ready(self) -> None:
        if self.up is not None and not self.up.done():
            self.up.set_result(None)
            self.up = None

    def hear(self, text: bytes) -> None:
        kind = text[6:10]  # {"t":"HBA",...
        if kind == b'HBA"':
            self.run.answered += 1
            self.ready()
        elif kind == b'CMD"':
            self.fill(_cmd(text))
        elif kind == b"EVTA":
            self.booked(_numbered(text).n)
        elif kind in (b"WELC", b'SET"', b"HALT", b"RESU"):
            self._gen = msgspec.json.decode(text).get("gen", 0)
            self.beat()
        elif kind == b"ECHO":
            self.run.echoes.append(time.perf_counter() - self.waiting.popleft()[1])
        elif kind == b"TEST":
            self._transport.write(masked(text.replace(b'"re":false', b'"re":true')))
        elif kind != b"REQ_":
            raise ValueError(f"the hub said {text[:200]!r}")

    def beat(self) -> None:
        self.beats += 1
        self.run.beats += 1
        text = _BEAT % (self.beats, self._sseq, self._crc, self._sseq > 1, self._gen)
        self._transport.write(masked(text.encode()))

    def ping(self) -> None:
        """For the bare server: answered with a frame as long as a CMD is."""
        self.waiting.append(("", time.perf_counter()))
        self._transport.write(masked(b'{"t":"ECHO"' + b" " * 330 + b"}"))

    def fill(self, cmd: _Cmd) -> None:
        """Journalled, done at once, and told: the acknowledgement, the result with its deal, and the position as it is now."""
        now = time.perf_counter()
        if cmd.id in self.run.commanded:
            return
        self.run.commanded[cmd.id] = now
        self.events += 1
        self._journal += 3
        ack = f'{{"v":1,"t":"ACK","id":"{cmd.id}","j":{self._journal - 2}}}'
        deal = (
            f'{{"ticket":"{self.events}","order":"{self.events}","position":"1","symbol":"EURUSD","side":"B","entry":"IN",'
            f'"volume":"0.10","price":"1.08551","profit":"0","swap":"0","commission":"0","fee":"0","reason":"EXPERT",'
            f'"magic":"{cmd.magic}","time":{int(time.time() * 1000)}}}'
        )
        evt = (
            f'{{"v":1,"t":"EVT","n":{self.events},"j":{self._journal},"id":"{cmd.id}","st":"FILLED","retcode":10009,'
            f'"order":"{self.events}","deals":[{deal}],"vol":"0.10","price":"1.08551","reason":""}}'
        )
        self._transport.write(masked(ack.encode()) + masked(evt.encode()) + masked(self.delta().encode()))
        self.waiting.append((cmd.id, now))

    def delta(self) -> str:
        self._sseq += 1
        lots = self.events * 10_000_000
        self._crc = zlib.crc32(b"1|EURUSD|B|%d|108551000|0|0|7" % lots)
        row = (
            f'{{"ticket":"1","ident":"1","symbol":"EURUSD","side":"B","volume":"{lots / 1e8:.2f}","open":"1.08551","sl":"0",'
            f'"tp":"0","magic":"7","opened":1790000000000}}'
        )
        return (
            f'{{"v":1,"t":"DELTA","boot":1,"sseq":{self._sseq},"rows":[{{"ticket":"1","row":{row}}}],"orders":[],'
            f'"reason":"DEAL"}}'
        )

    def booked(self, n: int) -> None:
        """All events up to the n-th are on disk."""
        now = time.perf_counter()
        while self.waiting and self.events - len(self.waiting) < n:
            order, since = self.waiting.popleft()
            self.run.recorded[order] = now
            self.run.fills.append(now - since)
        self.run.news.set()


class Run:
    """One load from the first connection to the last fill."""

    def __init__(self, load: EaLoad) -> None:
        self.load = load
        self.eas: list[Ea] = []
        self.beats = self.answered = self.lost = self.sent = 0
        self.over = False
        self.news = asyncio.Event()
        self.posted: dict[str, float] = {}
        self.commanded: dict[str, float] = {}
        self.recorded: dict[str, float] = {}
        self.fills: list[float] = []
        self.answers: list[float] = []
        self.echoes: list[float] = []

    async def connect(self) -> None:
        loop, numbered = asyncio.get_running_loop(), enumerate(self.load.accounts)

        async def some() -> None:
            for n, account in numbered:
                address = f"127.0.0.{2 + n // PER_ADDRESS}"
                async with asyncio.timeout(60):
                    _, ea = await loop.create_connection(
                        lambda account=account: Ea(self, account), "127.0.0.1", self.load.port, local_addr=(address, 0)
                    )
                    up = ea.up
                    self.eas.append(ea)
                    if up is not None:
                        await up

        await asyncio.gather(*(some() for _ in range(OPENING)))

    async def heart(self) -> None:
        """Each EA's heartbeat every 5 s, evenly spread."""
        due, groups = time.perf_counter(), int(HEARTBEAT_S * TICKS)
        for n in itertools.count():
            for ea in self.eas[n % groups :: groups]:
                ea.beat()
            due += 1 / TICKS
            await asyncio.sleep(max(0.0, due - time.perf_counter()))

    async def line(self) -> Line:
        return (await asyncio.get_running_loop().create_connection(Line, "127.0.0.1", self.load.port))[1]

    def fail(self, why: str) -> None:
        """The first reason ends the run."""
        sys.exit(why)

    async def alert(self, line: Line, ea: Ea, body: bytes) -> None:
        began = time.perf_counter()
        status, said = await line.ask(post("/webhook/tradingview", ea.account.webhook, body))
        self.answers.append(time.perf_counter() - began)
        if status != b"200" or b'"status":"queued"' not in said:
            self.fail(f"the alert was refused: {said!r}")
        for leg in msgspec.json.decode(said)["legs"]:
            self.posted[leg["orders"][0]] = began

    async def work(self, seconds: float) -> None:
        """At the rate, whatever comes back."""
        loop, running = asyncio.get_running_loop(), set[asyncio.Task[None]]()
        lines = [await self.line() for _ in range(32)]

        async def one(n: int) -> None:
            line = lines.pop() if lines else await self.line()
            body = b'{"signal":"LONG","symbol":"EURUSD","timeframe":"5","price":"1.08512","id":"%s-%d"}' % (
                self.load.run.encode(), n,
            )  # fmt: skip
            await self.alert(line, self.eas[n % len(self.eas)], body)
            lines.append(line)

        due = time.perf_counter()
        ends = due + seconds
        while due < ends:
            await asyncio.sleep(max(0.0, due - time.perf_counter()))
            if self.load.echo:
                self.eas[self.sent % len(self.eas)].ping()
            else:
                task = loop.create_task(one(self.sent))
                running.add(task)
                task.add_done_callback(running.discard)
            self.sent += 1
            due += 1 / self.load.rate
        await asyncio.gather(*running)
        async with asyncio.timeout(30):
            while len(self.recorded) < len(self.posted):
                self.news.clear()
                await self.news.wait()

    def forget(self) -> None:
        """What came before the measuring does not count."""
        for times in (self.posted, self.commanded, self.recorded, self.fills, self.answers, self.echoes):
            times.clear()
        self.sent = self.beats = self.answered = 0

    async def __call__(self) -> EaMeasured:
        load = self.load
        before_mb = resident_mb(load.pid) if load.pid else 0.0
        await self.connect()
        heart = asyncio.create_task(self.heart())
        if load.rate:
            await self.work(2.0)
            load.run += "m"
        else:
            await asyncio.sleep(HEARTBEAT_S + 1)
        self.forget()
        cpu, began = cpu_s(load.pid) if load.pid else 0.0, time.perf_counter()
        await (self.work(load.seconds) if load.rate else asyncio.sleep(load.seconds))
        share = (cpu_s(load.pid) - cpu) / (time.perf_counter() - began) if load.pid else 0.0
        held_mb = resident_mb(load.pid) - before_mb if load.pid else 0.0
        self.over = True
        if heart.done():
            heart.result()  # raises
        heart.cancel()
        since = self.posted
        return EaMeasured(
            connections=len(self.eas), beats=self.beats, beats_answered=self.answered, sent=self.sent, lost=self.lost,
            command_ms=percentiles([self.commanded[k] - t for k, t in since.items() if k in self.commanded]),
            recorded_ms=percentiles([self.recorded[k] - t for k, t in since.items() if k in self.recorded]),
            fill_ms=percentiles(self.fills), answer_ms=percentiles(self.answers), echo_ms=percentiles(self.echoes),
            cpu=round(share, 3), kb_each=round(held_mb * 1000 / len(self.eas), 1),
            unanswered=sum(k not in self.recorded for k in since),
        )  # fmt: skip


def cpu_s(pid: int) -> float:
    """CPU seconds of a process so far, user and system."""
    with open(f"/proc/{pid}/stat") as file:  # noqa: PTH123 read while measuring
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100


def main() -> None:
    load = msgspec.json.decode(sys.stdin.buffer.read(), type=EaLoad)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    gc.freeze()
    gc.disable()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        sys.stdout.buffer.write(msgspec.json.encode(runner.run(Run(load)())))


if __name__ == "__main__":
    main()
