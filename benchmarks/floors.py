"""The two floors: a server that stores nothing, and a store that nobody asks over HTTP.

``python -m benchmarks.floors server PORT ANSWER_FILE`` and ``... write DB_FILE SECONDS ROWS_FILE``.
"""

import asyncio
import sys
import time
from hashlib import sha256
from pathlib import Path

import msgspec
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.routing import Route

from kakehashi.api.hot import Call, HotDoor, Said, Shortcut
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


def serve(port: int, answer: bytes) -> None:
    """With the hub's settings of uvicorn."""
    config = uvicorn.Config(
        app(answer), host="127.0.0.1", port=port, access_log=False, log_config=None, server_header=False,
        date_header=False, timeout_keep_alive=75, timeout_graceful_shutdown=1, forwarded_allow_ips="",
        proxy_headers=False, backlog=2048,
    )  # fmt: skip
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve())


async def commits(path: str, seconds: float, rows: Rows) -> float:
    """Durable commits/s of one signal, one order and one journal line each, from 32 committers."""
    store = SqliteStore(path)
    await store.open()
    ownership = await store.claim("bench", holder="bench")
    number, done = 0, 0
    began = time.perf_counter()

    async def one() -> None:
        nonlocal number, done
        replace = msgspec.structs.replace
        while time.perf_counter() - began < seconds:
            number += 1
            ident = f"{number:010d}"
            signal = replace(
                rows.signal, id=f"s-{ident}", trace_id=f"t-{ident}", idem=sha256(ident.encode()).hexdigest()
            )
            order = replace(rows.order, id=f"o-{ident}", seq=number, signal_id=signal.id, trace_id=signal.trace_id)
            journal = replace(rows.journal, owner="bench", trace_id=signal.trace_id)
            await store.commit(Commit(ownership=ownership, journal=[journal], changes=[signal, order]))
            done += 1

    await asyncio.gather(*(one() for _ in range(COMMITTERS)))
    rate = done / (time.perf_counter() - began)
    await store.release(ownership)
    await store.close()
    return rate


def main() -> None:
    what, *rest = sys.argv[1:]
    if what == "server":
        serve(int(rest[0]), Path(rest[1]).read_bytes())
        return
    rows = msgspec.json.decode(Path(rest[2]).read_bytes(), type=Rows)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        print(runner.run(commits(rest[0], float(rest[1]), rows)))


if __name__ == "__main__":
    main()
