"""The floors: a server that stores nothing, a WebSocket that only echoes, and a store that nobody asks over HTTP.

``python -m benchmarks.floors server PORT ANSWER_FILE``, ``... echo PORT``, ``... write DB_FILE SECONDS ROWS_FILE`` (as many
commits as can be) and ``... paced DB_FILE SECONDS ROWS_FILE`` (one by one at 100/s; their times).
"""

import asyncio
import sys
import time
from hashlib import sha256
from pathlib import Path
from typing import cast

import msgspec
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.routing import Route
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.server import ServerProtocol

from benchmarks.load import percentiles
from kakehashi.api.door import raise_file_limit
from kakehashi.api.hot import Call, HotDoor, Said, Shortcut
from kakehashi.domain.framecodec import MAX_FRAME, encode
from kakehashi.domain.frames import HeartbeatAck
from kakehashi.domain.orders import Order
from kakehashi.ports import Commit, JournalEntry, SignalRow
from kakehashi.store.sqlite import SqliteStore

COMMITTERS = 32


class Rows(msgspec.Struct, kw_only=True):
    """What one alert leaves behind, taken from a real run."""

    signal: SignalRow
    order: Order
    journal: JournalEntry


def app(answer: bytes) -> Shortcut:
    """The webhook's routes, the body read, an answer of the same size; nothing else."""
    said = msgspec.json.decode(answer)

    async def receive(call: Call) -> Said:
        await call.body(limit=65_536)
        return 200, msgspec.json.encode(said)

    paths = ("/webhook/tradingview/{token}", "/webhook/tradingview", "/webhook/{token}", "/webhook")
    routes = [Route(path, HotDoor(receive), methods=["POST"]) for path in paths]
    return Shortcut(Starlette(routes=routes), routes)


class Echo(asyncio.Protocol):
    """A WebSocket under the hub's server that answers each frame: a heartbeat with an HBA, another with itself."""

    def __init__(self, **_unused: object) -> None:
        self._ws = ServerProtocol(max_size=MAX_FRAME)
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._ws.receive_data(data)
        for event in self._ws.events_received():
            if isinstance(event, Request):
                self._ws.send_response(self._ws.accept(event))
            elif isinstance(event, Frame) and event.opcode is Opcode.TEXT:
                self._ws.send_text(_HBA if b'"HB"' in bytes(event.data[:20]) else bytes(event.data))
        for part in self._ws.data_to_send():
            self._transport.write(part)


_HBA = encode(HeartbeatAck(n=1_000_000_000, ep=1))


def serve(port: int, answer: bytes) -> None:
    """With the hub's settings of uvicorn."""
    raise_file_limit()
    config = uvicorn.Config(
        app(answer), host="127.0.0.1", port=port, access_log=False, log_config=None, server_header=False,
        date_header=False, timeout_keep_alive=75, timeout_graceful_shutdown=1, forwarded_allow_ips="",
        proxy_headers=False, backlog=2048, ws=cast("type[asyncio.Protocol]", Echo),
    )  # fmt: skip
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


async def commits(
    path: str, seconds: float, rows: Rows, *, committers: int = COMMITTERS, rate: float = 0
) -> list[float]:
    """The seconds each durable commit of one signal, one order and one journal line took.

    :param rate: of each committer, per second; 0 goes on at once
    """
    store = SqliteStore(path)
    await store.open()
    ownership = await store.claim("bench", holder="bench")
    number = 0
    times: list[float] = []
    began = time.perf_counter()

    async def one() -> None:
        nonlocal number
        replace = msgspec.structs.replace
        while (now := time.perf_counter()) - began < seconds:
            number += 1
            ident = f"{number:010d}"
            signal = replace(
                rows.signal, id=f"s-{ident}", trace_id=f"t-{ident}", idem=sha256(ident.encode()).hexdigest()
            )
            order = replace(rows.order, id=f"o-{ident}", seq=number, signal_id=signal.id, trace_id=signal.trace_id)
            journal = replace(rows.journal, owner="bench", trace_id=signal.trace_id)
            await store.commit(Commit(ownership=ownership, journal=[journal], changes=[signal, order]))
            times.append(time.perf_counter() - now)
            if rate:
                await asyncio.sleep(1 / rate)

    await asyncio.gather(*(one() for _ in range(committers)))
    await store.release(ownership)
    await store.close()
    return times


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "server":
        serve(int(rest[0]), Path(rest[1]).read_bytes())
        return
    if what == "echo":
        serve(int(rest[0]), b"{}")
        return
    rows, seconds = msgspec.json.decode(Path(rest[2]).read_bytes(), type=Rows), float(rest[1])
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        if what == "paced":
            print(
                msgspec.json.encode(
                    percentiles(runner.run(commits(rest[0], seconds, rows, committers=1, rate=100)))
                ).decode()
            )
        else:
            print(len(runner.run(commits(rest[0], seconds, rows))) / seconds)


if __name__ == "__main__":
    main()
