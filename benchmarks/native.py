"""Compiled EAs on a real hub and a real simulated broker: the load, and when each EA had what.

The runner tapes what comes over an EA's socket with CLOCK_MONOTONIC, the clock that this process times its POSTs by: a command
counts as received when the last byte of its frame was read by the EA's own ``SocketRead``, a fill as recorded when the EVTA that
covers it was; the hub sends that after the commit. Nothing stands between EA and hub or EA and broker. The accounts are netting
ones: each holds one position, however many fills there were.
"""

import asyncio
import contextlib
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path

import msgspec
import uvloop

from benchmarks.ea import EaAccount, cpu_s
from benchmarks.hub import Hub, environment
from benchmarks.load import Line, percentiles, post, resident_mb
from kakehashi.services.ids import SystemClock
from kakehashi.services.mirrors import standings
from kakehashi.store.sqlite import SqliteStore
from kakehashi.terminal.core.words import MarginMode
from kakehashi.terminal.native import TOKEN_VARIABLE, NativeConfig, command_of
from kakehashi.terminal.wire import Login

WARM_S = 2.0
SETTLE_S = 60.0


class NativeMeasured(msgspec.Struct, kw_only=True):
    """Times in milliseconds: from the POST ``command`` to the CMD read by the EA, ``sent`` to the EVT of its fill leaving the EA,
    ``recorded`` to its EVTA read by the EA, ``answer`` to the 200; ``fill`` from EVT to EVTA.

    :ivar refused: alerts that the hub did not take, by code
    :ivar cpu: shares of one core, user and system, while measured: ``hub``, ``broker``, and all EAs together
    :ivar mb: resident at the end: ``hub``, ``broker``, and one EA on average
    """

    sent: int
    refused: dict[str, int]
    command_ms: dict[str, float]
    told_ms: dict[str, float]
    recorded_ms: dict[str, float]
    fill_ms: dict[str, float]
    answer_ms: dict[str, float]
    cpu: dict[str, float]
    mb: dict[str, float]


class _Frame(msgspec.Struct):
    t: str
    id: str = ""
    n: int = 0
    st: str = ""
    evt_ack: int = 0


_frame = msgspec.json.Decoder(_Frame).decode
_PIECE = struct.Struct("<qcI")


class Tape:
    """One EA's: when each command came, when its fill was told, when that was acknowledged; seconds of CLOCK_MONOTONIC."""

    def __init__(self, path: Path) -> None:
        self.commanded: dict[str, float] = {}
        self.told: dict[str, float] = {}
        self.recorded: dict[str, float] = {}
        self._unbooked: list[tuple[int, str]] = []
        self._left = {b"<": b"", b">": b""}
        raw, at = path.read_bytes(), 0
        while at + _PIECE.size <= len(raw):
            ns, way, size = _PIECE.unpack_from(raw, at)
            at += _PIECE.size
            self._take(way, ns / 1e9, raw[at : at + size])
            at += size

    def _take(self, way: bytes, when: float, piece: bytes) -> None:
        data = self._left[way] + piece
        if data.startswith((b"HTTP", b"GET ")):
            _, end, rest = data.partition(b"\r\n\r\n")
            data = rest if end else data
        while not data.startswith((b"HTTP", b"GET ")) and (text := _first_frame(data)) is not None:
            payload, size = text
            data = data[size:]
            if payload:
                self._hear(_frame(payload), when)
        self._left[way] = data

    def _hear(self, frame: _Frame, when: float) -> None:
        if frame.t == "CMD":
            self.commanded.setdefault(frame.id, when)
        elif frame.t == "EVT" and frame.st == "FILLED" and frame.id not in self.told:
            self.told[frame.id] = when
            self._unbooked.append((frame.n, frame.id))
        elif frame.t in ("EVTA", "HBA"):
            n = frame.n if frame.t == "EVTA" else frame.evt_ack
            while self._unbooked and self._unbooked[0][0] <= n:
                self.recorded[self._unbooked.pop(0)[1]] = when


def _first_frame(data: bytes) -> tuple[bytes, int] | None:
    """The payload of the first WebSocket frame (empty where it is no text) and how long the frame is; None: not whole yet."""
    if len(data) < 2:
        return None
    size, head = data[1] & 0x7F, 2
    if size >= 126:
        width = 2 if size == 126 else 8
        size, head = int.from_bytes(data[2 : 2 + width], "big"), 2 + width
    mask = b""
    if data[1] & 0x80:
        mask, head = data[head : head + 4], head + 4
    if len(data) < head + size:
        return None
    payload = data[head : head + size]
    if any(mask):
        key = int.from_bytes((mask * (size // 4 + 1))[:size], "big")
        payload = (int.from_bytes(payload, "big") ^ key).to_bytes(size, "big")
    return (payload if data[0] & 0x0F == 1 else b""), head + size


@contextlib.contextmanager
def broker(folder: Path) -> Iterator[tuple[str, int]]:
    """Its socket and its process id."""
    socket = folder / "b.sock"
    argv = [sys.executable, "-m", "kakehashi", "run", "broker", "--socket", str(socket), "--ledger", str(folder / "l")]
    process = subprocess.Popen(argv, stderr=subprocess.PIPE, env=environment(folder / "unused.db"))
    try:
        if process.stderr is None or b"broker ready" not in process.stderr.readline():
            raise RuntimeError("the simulated broker did not start")
        yield str(socket), process.pid
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=15)


@contextlib.contextmanager
def compiled_eas(
    program: Path, accounts: Sequence[EaAccount], socket: str, port: int, folder: Path
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """One process for each account; after the ``with`` block their tapes are whole."""
    started: list[subprocess.Popen[bytes]] = []
    try:
        for account in accounts:
            login = Login(
                account=account.number, number=account.number, margin_mode=MarginMode.NETTING, balance=Decimal(10**9)
            )
            config = NativeConfig(
                base_url=f"http://127.0.0.1:{port}", broker=socket, login=login, data=folder / account.number
            )
            argv = [*command_of(config, program), "--tape", str(folder / f"{account.number}.tape")]
            env = {"PATH": os.environ.get("PATH", ""), TOKEN_VARIABLE: account.ea}
            with (folder / f"{account.number}.log").open("wb") as log:
                started.append(subprocess.Popen(argv, stdout=log, stderr=log, env=env))
        yield started
    finally:
        for process in started:
            process.send_signal(signal.SIGTERM)
        for process in started:
            process.wait(30)


class Alerts:
    """Alerts at a rate, to each account in turn. :ivar posted: when the POST of each order began
    :ivar refused: by code
    """

    def __init__(self, port: int, accounts: Sequence[EaAccount]) -> None:
        self._port, self._accounts = port, accounts
        self._lines: list[Line] = []
        self._number = 0
        self.posted: dict[str, float] = {}
        self.answers: list[float] = []
        self.refused: dict[str, int] = {}

    async def _one(self, number: int) -> None:
        loop = asyncio.get_running_loop()
        line = self._lines.pop() if self._lines else (await loop.create_connection(Line, "127.0.0.1", self._port))[1]
        token = self._accounts[number % len(self._accounts)].webhook
        body = b'{"signal":"LONG","symbol":"EURUSD","timeframe":"5","price":"1.08512","id":"n%d"}' % number
        began = time.monotonic()
        status, said = await line.ask(post("/webhook/tradingview", token, body))
        self.answers.append(time.monotonic() - began)
        self._lines.append(line)
        if status != b"200" or b'"status":"queued"' not in said:
            code = str(msgspec.json.decode(said).get("code", status.decode()))
            self.refused[code] = self.refused.get(code, 0) + 1
            return
        for leg in msgspec.json.decode(said)["legs"]:
            self.posted[leg["orders"][0]] = began

    async def send(self, rate: float, seconds: float) -> None:
        due = time.monotonic()
        ends = due + seconds
        async with asyncio.TaskGroup() as sending:
            while due < ends:
                await asyncio.sleep(max(0.0, due - time.monotonic()))
                sending.create_task(self._one(self._number))
                self._number += 1
                due += 1 / rate

    def forget(self) -> None:
        self.posted.clear()
        self.answers.clear()
        self.refused.clear()


async def until(store: SqliteStore, what: str, accounts: int) -> None:
    """Until every EA is there (``fresh``), or every order has come to its end (``filled``).

    :raises TimeoutError: it never comes to that
    """
    async with asyncio.timeout(SETTLE_S):
        while True:
            if what == "fresh":
                now = await standings(store, now=SystemClock().now_ms())
                if sum(standing.fresh for standing in now.values()) >= accounts:
                    return
            elif await store.rows("orders", limit=1) and not [
                row
                for state in ("QUEUED", "SENT", "ACKED", "UNKNOWN", "PARTIAL")
                for row in await store.rows("orders", where={"state": state}, limit=1)
            ]:
                return
            await asyncio.sleep(0.25)


MEMORY = Path("/dev/shm")


def measure(program: Path, hub: Hub, accounts: Sequence[EaAccount], *, rate: float, seconds: float) -> NativeMeasured:
    """Start broker and EAs beside a hub that runs, send alerts, and read the tapes.

    In life a terminal and a broker have disks of their own: where there is a disk in memory their files are on it, so that
    the hub has this machine's disk for itself. An EA's four writes for each command would be four more waits of everybody.

    :raises RuntimeError: a command has no fill
    """
    with tempfile.TemporaryDirectory(prefix="kk-native-", dir=MEMORY if MEMORY.is_dir() else None) as folder:
        return _measured(program, hub, accounts, Path(folder), rate=rate, seconds=seconds)


def _measured(
    program: Path, hub: Hub, accounts: Sequence[EaAccount], folder: Path, *, rate: float, seconds: float
) -> NativeMeasured:
    with broker(folder) as (socket, broker_pid), compiled_eas(program, accounts, socket, hub.port, folder) as eas:
        pids = {"hub": [hub.pid], "broker": [broker_pid], "eas": [ea.pid for ea in eas]}
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            try:
                alerts, cpu = runner.run(_loaded(hub, accounts, pids, rate=rate, seconds=seconds))
            except TimeoutError as e:
                raise RuntimeError(
                    f"the EAs did not come so far: {(folder / f'{accounts[0].number}.log').read_text()}"
                ) from e
        mb = {name: sum(resident_mb(pid) for pid in each) / len(each) for name, each in pids.items()}
    tapes = [Tape(folder / f"{account.number}.tape") for account in accounts]
    since = alerts.posted
    commanded, told, recorded = (
        {k: v for tape in tapes for k, v in part(tape).items()}
        for part in (lambda t: t.commanded, lambda t: t.told, lambda t: t.recorded)
    )
    if lacking := [order for order in since if order not in recorded]:
        raise RuntimeError(f"{len(lacking)} of {len(since)} commands have no fill that was recorded: {lacking[:3]}")
    return NativeMeasured(
        sent=len(since),
        refused=alerts.refused,
        command_ms=percentiles([commanded[k] - t for k, t in since.items()]),
        told_ms=percentiles([told[k] - t for k, t in since.items()]),
        recorded_ms=percentiles([recorded[k] - t for k, t in since.items()]),
        fill_ms=percentiles([recorded[k] - told[k] for k in since]),
        answer_ms=percentiles(alerts.answers),
        cpu={name: round(share, 3) for name, share in cpu.items()},
        mb={name: round(size, 1) for name, size in mb.items()},
    )


async def _loaded(
    hub: Hub, accounts: Sequence[EaAccount], pids: dict[str, list[int]], *, rate: float, seconds: float
) -> tuple[Alerts, dict[str, float]]:
    """Warm up, then measure; the CPU of each group of processes meanwhile."""
    store = SqliteStore(str(hub.db))
    await store.open()
    alerts = Alerts(hub.port, accounts)

    def spent() -> dict[str, float]:
        return {name: sum(cpu_s(pid) for pid in each) for name, each in pids.items()}

    try:
        await until(store, "fresh", len(accounts))
        await alerts.send(rate, WARM_S)
        await until(store, "filled", 0)
        alerts.forget()
        before, began = spent(), time.monotonic()
        await alerts.send(rate, seconds)
        took = time.monotonic() - began
        cpu = {name: (after - before[name]) / took for name, after in spent().items()}
        await until(store, "filled", 0)
        await asyncio.sleep(0.5)  # the last EVTA is on its way
    finally:
        await store.close()
    return alerts, cpu
