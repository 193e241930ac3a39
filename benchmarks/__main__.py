"""Measure the hub, its floors, its memory and a full store in one run, and say how it compares."""

import argparse
import json
import os
import platform
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.floors import COMMITTERS
from benchmarks.hub import Hub, Ready, free_port, prepare, process, rows_of, run_load, running
from benchmarks.load import Load, Measured, post
from kakehashi import __version__

ALERT = b'{"signal":"LONG","symbol":"EURUSD","timeframe":"5","price":"1.08512","id":"answer"}'


def answer_of(hub: Hub) -> bytes:
    """The body of a real 200."""
    with socket.create_connection(("127.0.0.1", hub.port), timeout=10) as s:
        s.sendall(post("/webhook/tradingview", hub.webhook, ALERT))
        said = b""
        while not said.endswith(b"}"):  # head and body come apart
            said += s.recv(65_536)
    return said.partition(b"\r\n\r\n")[2]


def fsync_ms(folder: Path) -> float:
    """Median of one 4 KiB append and fdatasync: what the disk itself costs."""
    times = []
    with (folder / "fsync").open("wb", buffering=0) as file:
        for _ in range(200):
            file.write(b"x" * 4096)
            began = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - began)
    return round(statistics.median(times) * 1000, 3)


def bare_server(folder: Path, answer: bytes, *, seconds: float) -> float:
    file = folder / "answer.json"
    file.write_bytes(answer)
    port = free_port()
    argv = (sys.executable, "-m", "benchmarks.floors", "server", str(port), str(file))
    with process(*argv, port=port, log=folder / "server.log"):
        return run_load(Load(port=port, webhook="kk_webhook_bench", seconds=seconds)).rate


def bare_write(folder: Path, hub: Hub, *, seconds: float) -> float:
    rows, db = folder / "rows.json", folder / f"write-{time.monotonic_ns()}.db"
    rows.write_bytes(msgspec.json.encode(rows_of(hub.db)))
    argv = [sys.executable, "-m", "benchmarks.floors", "write", str(db), str(seconds), str(rows)]
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=seconds + 60)
    return float(done.stdout)


def honest(measured: Measured) -> Measured:
    """:raises RuntimeError: an alert was not queued, or an order did not end: the figures would mean nothing"""
    if measured.other or not measured.drained:
        raise RuntimeError(f"not all was queued and acked: {measured}")
    return measured


def measure(folder: Path, *, quick: bool) -> dict[str, Any]:
    seconds = 1.5 if quick else 8.0
    memory, past, rounds = (4_000, 50_000, 1) if quick else (100_000, 1_000_000, 3)
    found: dict[str, Any] = {"fdatasync_ms": fsync_ms(folder)}
    ready = prepare(folder)
    with running(ready, folder / "hub") as hub:
        answer = answer_of(hub)
        honest(hub.load(seconds=1, run="warm"))
        alerts, worked, servers, writes = [], [], [], []
        for n in range(rounds):  # one after the other, so that a machine that slows down slows all of them
            alerts.append(honest(hub.load(seconds=seconds / 2, run=f"a{n}", ea_after=True)))
            worked.append(honest(hub.load(seconds=seconds, run=f"w{n}")))
            servers.append(bare_server(folder, answer, seconds=seconds / 2))
            writes.append(bare_write(folder, hub, seconds=seconds / 2))
        found["alerts_per_s"] = [round(m.rate) for m in alerts]
        found["alerts_answer_ms"] = alerts[-1].answer_ms
        found["worked_per_s"] = [round(m.rate) for m in worked]
        found["bare_server_per_s"] = [round(r) for r in servers]
        found["bare_write_per_s"] = [round(r) for r in writes]
        paced = honest(hub.load(rate=100, seconds=seconds * 2, run="p", poll_s=0.1))
        seen = honest(hub.load(rate=100, seconds=seconds * 2, run="v", poll_s=0))
        found["paced_answer_ms"], found["paced_visible_ms"] = paced.answer_ms, seen.visible_ms
        found["paced_answer_while_polled_ms"] = seen.answer_ms
    with running(ready, folder / "memory") as hub:
        held = honest(hub.load(count=memory, pid=hub.pid, every=memory // 10, run="m"))
        found["memory_mb"], found["memory_run_per_s"] = held.memory_mb, round(held.rate)
    found |= full_store(ready, folder, past=past, rounds=rounds, seconds=seconds)
    return found


def full_store(ready: Ready, folder: Path, *, past: int, rounds: int, seconds: float) -> dict[str, Any]:
    """Both hubs are up; the load goes to one after the other."""
    began = time.monotonic()
    with running(ready, folder / "empty") as empty, running(ready, folder / "full", past=past) as full:
        filling_s = time.monotonic() - began
        rates: dict[str, list[int]] = {"empty": [], "full": []}
        for n in range(-1, rounds):
            for name, hub in (("empty", empty), ("full", full)):
                rate = honest(hub.load(seconds=1 if n < 0 else seconds, run=f"{name}{n + 1}")).rate
                rates[name] += [round(rate)] if n >= 0 else []
        size = full.db.stat().st_size / 1e6
    return {"past": past, "past_mb": round(size), "filling_s": round(filling_s), "store_rates": rates}


def judged(found: dict[str, Any]) -> dict[str, Any]:
    """The ratios the targets are about."""
    alerts = statistics.median(found["alerts_per_s"])
    server, write = (statistics.median(found[k]) for k in ("bare_server_per_s", "bare_write_per_s"))
    memory = [mb for _, mb in found["memory_mb"]]
    rates = {k: statistics.median(v) for k, v in found["store_rates"].items()}
    return {
        "of_slower_floor": round(alerts / min(server, write), 3),
        "of_bare_server": round(alerts / server, 3),
        "of_bare_write": round(alerts / write, 3),
        "memory_second_half": round(memory[-1] / memory[len(memory) // 2 - 1], 3),
        "full_store": round(rates["full"] / rates["empty"], 3),
    }


def table(found: dict[str, Any], ratios: dict[str, Any]) -> str:
    def median(key: str) -> str:
        return f"{statistics.median(found[key]):,.0f}/s"

    def times(key: str) -> str:
        return f"p50 {found[key]['p50']:.2f} ms, p99 {found[key]['p99']:.2f} ms"

    memory, rates = found["memory_mb"], found["store_rates"]
    full, empty = statistics.median(rates["full"]), statistics.median(rates["empty"])
    lines = [
        ("durable alerts, 32 connections", median("alerts_per_s"), ""),
        ("the same, an EA polling and filling each", median("worked_per_s"), ""),
        ("floor: bare server", median("bare_server_per_s"), f"alerts are {ratios['of_bare_server']:.2f} of it"),
        (f"floor: bare write, {COMMITTERS} committers", median("bare_write_per_s"),
         f"alerts are {ratios['of_bare_write']:.2f} of it"),
        ("of the slower floor", f"{ratios['of_slower_floor']:.2f}", "wanted 0.50, aim 0.80"),
        ("POST to 200 at 100/s", times("paced_answer_ms"), "wanted p50 < 1, p99 < 5"),
        ("POST to visible in poll at 100/s", times("paced_visible_ms"), "wanted p50 < 1, p99 < 5"),
        (f"memory over {memory[-1][0]:,} alerts", f"{memory[0][1]:.0f} -> {memory[-1][1]:.0f} MB",
         f"second half x{ratios['memory_second_half']:.2f}"),
        (f"store with {found['past']:,} signals", f"{full:,.0f}/s, empty {empty:,.0f}/s",
         f"x{ratios['full_store']:.2f}, wanted >= 0.90"),
        ("fdatasync of 4 KiB", f"{found['fdatasync_ms']:.2f} ms", ""),
    ]  # fmt: skip
    return "\n".join(f"{a:<40} {b:<34} {c}".rstrip() for a, b, c in lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="under a minute: few alerts, a store of 50,000")
    parser.add_argument("--folder", type=Path, help="where the stores lie for the time being; a disk, not a tmpfs")
    parser.add_argument("--json", type=Path, dest="out", help="write the figures here as JSON too")
    given = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory(dir=given.folder, prefix="kakehashi-bench-") as folder:
        found = measure(Path(folder), quick=given.quick)
    ratios = judged(found)
    machine = {
        "cpus": os.cpu_count(), "machine": platform.machine(), "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(), "sqlite": sqlite3.sqlite_version, "kakehashi": __version__,
    }  # fmt: skip
    whole = {"machine": machine, "ratios": ratios, **found, "took_s": round(time.monotonic() - began)}
    print(table(found, ratios))
    print(json.dumps(whole))
    if given.out:
        given.out.write_text(json.dumps(whole, indent=2) + "\n")


if __name__ == "__main__":
    main()
