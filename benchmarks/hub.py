"""A real hub process on a store of its own, made ready by the command line; and a store filled with a long past."""

import contextlib
import json
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec

from benchmarks.floors import Rows
from benchmarks.load import Load, Measured
from kakehashi.domain.orders import Order
from kakehashi.ports import JournalEntry, SignalRow


class Hub(msgspec.Struct, frozen=True, kw_only=True):
    port: int
    pid: int
    webhook: str
    ea: str
    db: Path

    def load(self, **wishes: object) -> Measured:
        return run_load(msgspec.convert({"port": self.port, "webhook": self.webhook, "ea": self.ea, **wishes}, Load))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def run_load(load: Load) -> Measured:
    limit_s = 600 if load.count else load.seconds + 90
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.load"],
        input=msgspec.json.encode(load), capture_output=True, timeout=limit_s, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the load failed: {done.stderr.decode()[-2000:]}")
    return msgspec.json.decode(done.stdout, type=Measured)


def wait_for(port: int, process: subprocess.Popen[bytes], *, seconds: float = 60) -> None:
    ends = time.monotonic() + seconds
    while time.monotonic() < ends and process.poll() is None:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
            return
        time.sleep(0.05)
    raise RuntimeError(f"nothing listens on {port}")


@contextlib.contextmanager
def process(*argv: str, port: int, env: dict[str, str] | None = None, log: Path) -> Iterator[int]:
    """A process that listens on ``port``; ended afterwards, whatever happened."""
    with log.open("wb") as err:
        running = subprocess.Popen(argv, env=env, stdout=err, stderr=err)
        try:
            wait_for(port, running)
            yield running.pid
        finally:
            running.send_signal(signal.SIGINT)  # uvicorn dies of the SIGTERM it got, and a profiler with it
            try:
                running.wait(15)
            except subprocess.TimeoutExpired:
                running.kill()
                running.wait()


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """A store with one account, one route (fixed lots, no rails) and its two tokens; each hub gets a copy of it."""

    db: Path
    webhook: str
    ea: str


def environment(db: Path) -> dict[str, str]:
    """Without rate limits, and without whatever the user has set."""
    return {k: v for k, v in os.environ.items() if not k.startswith("KAKEHASHI_")} | {
        "KAKEHASHI_STORE__URL": f"sqlite:///{db}",
        "KAKEHASHI_INGEST__RATE_PER_TOKEN": "off",
        "KAKEHASHI_MAILBOX__RATE_PER_TOKEN": "off",
        "KAKEHASHI_LOG__LEVEL": "warning",
    }


def prepare(folder: Path, *, margin_mode: str = "hedging") -> Ready:
    """By the command line, as a user would."""
    db = folder / "ready.db"

    def cli(*args: str) -> dict[str, str]:
        argv = [sys.executable, "-m", "kakehashi", *args, "--json"]
        done = subprocess.run(argv, env=environment(db), capture_output=True, check=False, timeout=60)
        if done.returncode:
            raise RuntimeError(f"kakehashi {' '.join(args)}: {done.stdout.decode()}{done.stderr.decode()}")
        found: dict[str, str] = json.loads(done.stdout)["data"]
        return found

    cli("accounts", "add", "bench", "--number", "1001", "--margin-mode", margin_mode)
    cli("routes", "add", "trend", "--account", "bench", "--lots", "0.10", "--no-rails")
    webhook = cli("token", "create", "--scope", "webhook", "--route", "trend")["token"]
    ea = cli("token", "create", "--scope", "ea", "--account", "bench")["token"]
    with contextlib.closing(sqlite3.connect(db)) as c:
        c.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Ready(db=db, webhook=webhook, ea=ea)


@contextlib.contextmanager
def running(ready: Ready, folder: Path, *, past: int = 0, wrap: tuple[str, ...] = (), **settings: str) -> Iterator[Hub]:
    """A hub with auth, decide and journal, in a process of its own.

    :param past: signals the store holds already (copies of a real one, which is sent first)
    :param wrap: what stands between python and ``-m kakehashi``, e.g. a profiler
    :param settings: more of its environment
    """
    folder.mkdir()
    db, port = folder / "kakehashi.db", free_port()
    shutil.copyfile(ready.db, db)
    argv = (sys.executable, *wrap, "-m", "kakehashi", "run", "hub", "--port", str(port))

    @contextlib.contextmanager
    def started() -> Iterator[Hub]:
        with process(*argv, port=port, env=environment(db) | settings, log=folder / "hub.log") as pid:
            yield Hub(port=port, pid=pid, webhook=ready.webhook, ea=ready.ea, db=db)

    if past:
        with started() as hub:
            hub.load(count=1, connections=1, run="past")
        fill(db, past)
    with started() as hub:
        yield hub


def fill(db: Path, count: int) -> None:
    """Copies of the newest signal with its key, order and journal lines, under ids of their own."""
    with contextlib.closing(sqlite3.connect(db, isolation_level=None)) as c:
        c.execute("PRAGMA synchronous=OFF")
        c.execute("PRAGMA cache_size=-400000")
        c.execute("BEGIN")
        for table, key, named in (
            ("signals", "id", ("id", "trace_id", "idem")),
            ("idem", "key", ("key", "signal_id")),
            ("orders", "id", ("id", "signal_id", "trace_id")),
            ("journal", "seq", ("trace_id",)),
        ):
            columns = [r[1] for r in c.execute(f"PRAGMA table_info({table})") if (table, r[1]) != ("journal", "seq")]
            # Keys spread over the whole index, as hashes do; ids grow with time, as ours do.
            picks = [
                "lower(hex(randomblob(16)))" if x in ("key", "idem")
                else f"'{x[0]}-0' || printf('%021d', n)" if x in named
                else "seq + n" if x == "seq"
                else f'"{x}"'
                for x in columns
            ]  # fmt: skip
            source = f"SELECT * FROM {table} ORDER BY {key} LIMIT 1"
            if table == "journal":
                source = "SELECT * FROM journal WHERE kind = 'SignalReceived' LIMIT 1"
            names = ", ".join(f'"{x}"' for x in columns)
            c.execute(
                f"WITH RECURSIVE k(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM k WHERE n < {count})"
                f" INSERT INTO {table} ({names}) SELECT {', '.join(picks)} FROM k, ({source})"
            )
        c.execute("COMMIT")
        c.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def rows_of(db: Path) -> Rows:
    """What the newest alert left behind."""
    with contextlib.closing(sqlite3.connect(db)) as c:
        c.row_factory = sqlite3.Row
        signal = dict(c.execute("SELECT * FROM signals ORDER BY received_at DESC LIMIT 1").fetchone())
        order = c.execute("SELECT body FROM orders ORDER BY seq DESC LIMIT 1").fetchone()[0]
        line = dict(c.execute("SELECT * FROM journal WHERE kind = 'SignalReceived' LIMIT 1").fetchone())
    del line["seq"]
    return Rows(
        signal=SignalRow(**{**signal, "body": signal["body"].encode()}),
        order=msgspec.json.decode(order, type=Order),
        journal=JournalEntry(**{**line, "body": line["body"].encode()}),
    )
