"""The EA link of a real hub process, beside its floors: ``python -m benchmarks.link [latency] [idle] [busy] [native]``.

``latency``: one EA at 100 alerts/s. ``idle``: as many EAs as fit, with heartbeats alone. ``busy``: 100 EAs at 500 commands/s.
``native``: the first and the last with the EA in MQL5, compiled, on a real simulated broker (:mod:`benchmarks.native`).
"""

import argparse
import asyncio
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from benchmarks.ea import EaAccount, EaLoad, EaMeasured
from benchmarks.hub import Hub, Ready, free_port, prepare, process, rows_of, running
from benchmarks.native import NativeMeasured, measure
from kakehashi.domain.values import Account, MarginMode
from kakehashi.ports import AuditRow
from kakehashi.services import desk
from kakehashi.services.access import create_token
from kakehashi.store.sqlite import SqliteStore
from kakehashi.terminal.native import build

IDLE = 10_000
SPARE_FILES = 256
Runs = list[EaMeasured]


def run_eas(load: EaLoad) -> EaMeasured:
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.ea"],
        input=msgspec.json.encode(load), capture_output=True, timeout=load.seconds + 240, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"the EAs failed: {done.stderr.decode()[:1500]} ... {done.stderr.decode()[-500:]}")
    measured = msgspec.json.decode(done.stdout, type=EaMeasured)
    if measured.lost or measured.unanswered:
        raise RuntimeError(f"not every connection lived, or not every fill was booked: {measured}")
    return measured


async def populate(
    ready: Ready, count: int, *, routes: bool, margin_mode: MarginMode = MarginMode.HEDGING
) -> list[EaAccount]:
    """So many accounts with their tokens and, where wanted, a route each, beside what the command line made ready."""
    store = SqliteStore(str(ready.db))
    await store.open()
    model, now = await desk.route(store, "trend"), int(time.time() * 1000)

    async def one(n: int) -> EaAccount:
        name, number = f"bench-{n}", str(500_000 + n)
        account = Account(name=name, number=number, margin_mode=margin_mode)
        await desk.put(store, "account", name, account, by="bench", at=now, after=0)
        tokens = [create_token("ea", at=now, account=name)]
        if routes:
            own = msgspec.structs.replace(model, name=name, strategy=name, accounts=(name,))
            await desk.put(store, "route", name, own, by="bench", at=now, after=0)
            tokens.append(create_token("webhook", at=now, route=name, slot=name))
        for token in tokens:
            audit = AuditRow(at=now, actor="bench", action="token create", subject=token.row.id)
            await store.put_token(token.row, audit)
        return EaAccount(number=number, ea=tokens[0].secret, webhook=tokens[-1].secret if routes else "")

    made: list[EaAccount] = []
    for start in range(0, count, 500):
        made += await asyncio.gather(*(one(n) for n in range(start, min(count, start + 500))))
    await store.close()
    return made


def floors(folder: Path, hub: Hub, ea: EaAccount, n: int, seconds: float) -> tuple[dict[str, float], dict[str, float]]:
    """At 100/s: round trips on the bare server, and single commits of what an alert leaves behind."""
    port = free_port()
    argv = (sys.executable, "-m", "benchmarks.floors", "echo", str(port))
    with process(*argv, port=port, log=folder / "echo.log"):
        echo = run_eas(EaLoad(port=port, accounts=[ea], seconds=seconds, rate=100, echo=True)).echo_ms
    rows = folder / "rows.json"
    rows.write_bytes(msgspec.json.encode(rows_of(hub.db)))
    paced = (sys.executable, "-m", "benchmarks.floors", "paced")
    argv = (*paced, str(folder / f"paced-{n}.db"), str(seconds), str(rows))
    done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=90)
    return echo, json.loads(done.stdout)


def latency(folder: Path, *, quick: bool, rounds: int) -> dict[str, Any]:
    """One EA, and in turns with it the two floors."""
    seconds = 3.0 if quick else 10.0
    ready = prepare(folder)
    ea = EaAccount(number="1001", ea=ready.ea, webhook=ready.webhook)
    runs: Runs = []
    echoes, writes = list[dict[str, float]](), list[dict[str, float]]()
    for n in range(rounds):
        with running(ready, folder / f"hub-{n}") as hub:
            runs.append(run_eas(EaLoad(port=hub.port, accounts=[ea], seconds=seconds, rate=100, pid=hub.pid)))
        echo, write = floors(folder, hub, ea, n, seconds)
        echoes.append(echo)
        writes.append(write)
    return {
        "command_ms": [m.command_ms for m in runs], "recorded_ms": [m.recorded_ms for m in runs],
        "fill_ms": [m.fill_ms for m in runs], "answer_ms": [m.answer_ms for m in runs], "cpu": [m.cpu for m in runs],
        "echo_ms": echoes, "write_ms": writes,
    }  # fmt: skip


def idle(folder: Path, *, quick: bool, rounds: int) -> dict[str, Any]:
    """Sessions with heartbeats alone, on the hub and on the bare server."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 1_000 if quick else IDLE
    count = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard - SPARE_FILES)
    seconds = 5.0 if quick else 15.0
    ready = prepare(folder)
    accounts = asyncio.run(populate(ready, count, routes=False))
    runs, bare = list[EaMeasured](), list[EaMeasured]()
    for n in range(rounds):
        with running(ready, folder / f"hub-{n}", KAKEHASHI_LINK__MAX_SESSIONS=str(count)) as hub:
            runs.append(run_eas(EaLoad(port=hub.port, accounts=accounts, seconds=seconds, pid=hub.pid)))
        port = free_port()
        argv = (sys.executable, "-m", "benchmarks.floors", "echo", str(port))
        with process(*argv, port=port, log=folder / "echo.log") as pid:
            bare.append(run_eas(EaLoad(port=port, accounts=accounts, seconds=seconds, pid=pid, echo=True)))
    return {
        "sessions": count, "wanted_sessions": wanted,
        "cpu": [m.cpu for m in runs], "kb_each": [m.kb_each for m in runs],
        "beats_per_s": [round(m.beats / seconds) for m in runs],
        "answered_per_s": [round(m.beats_answered / seconds) for m in runs],
        "bare_cpu": [m.cpu for m in bare], "bare_kb_each": [m.kb_each for m in bare],
    }  # fmt: skip


def busy(folder: Path, *, quick: bool, rounds: int) -> dict[str, Any]:
    """100 EAs, each with a route of its own, five alerts a second each."""
    ready = prepare(folder)
    accounts = asyncio.run(populate(ready, 100, routes=True))
    runs: Runs = []
    for n in range(rounds):
        with running(ready, folder / f"hub-{n}") as hub:
            load = EaLoad(port=hub.port, accounts=accounts, seconds=3.0 if quick else 10.0, rate=500, pid=hub.pid)
            runs.append(run_eas(load))
    return {
        "command_ms": [m.command_ms for m in runs], "recorded_ms": [m.recorded_ms for m in runs],
        "answer_ms": [m.answer_ms for m in runs], "cpu": [m.cpu for m in runs],
    }  # fmt: skip


def native(folder: Path, *, quick: bool, rounds: int) -> dict[str, Any]:
    """The compiled EA: one at 100 alerts/s, in turns with the floors; then 100 at 500 in all."""
    seconds = 3.0 if quick else 10.0
    program = build(limit_s=300)
    ready = prepare(folder, margin_mode="netting")
    one = [EaAccount(number="1001", ea=ready.ea, webhook=ready.webhook)]
    single, crowd = list[NativeMeasured](), list[NativeMeasured]()
    echoes, writes = list[dict[str, float]](), list[dict[str, float]]()
    for n in range(rounds):
        with running(ready, folder / f"hub-{n}") as hub:
            single.append(measure(program, hub, one, rate=100, seconds=seconds))
        echo, write = floors(folder, hub, one[0], n, seconds)
        echoes.append(echo)
        writes.append(write)
    accounts = asyncio.run(populate(ready, 100, routes=True, margin_mode=MarginMode.NETTING))
    for n in range(rounds):
        with running(ready, folder / f"hub-crowd-{n}") as hub:
            crowd.append(measure(program, hub, accounts, rate=500, seconds=seconds))
    return {
        "one": msgspec.to_builtins(single), "crowd": msgspec.to_builtins(crowd), "echo_ms": echoes, "write_ms": writes,
    }  # fmt: skip


PARTS: dict[str, Callable[..., dict[str, Any]]] = {"latency": latency, "idle": idle, "busy": busy, "native": native}


def spread(figures: Sequence[float], unit: str = "") -> str:
    """The median, and the best run."""
    return f"{statistics.median(figures):.2f} ({min(figures):.2f}){unit}"


def times(runs: Sequence[dict[str, float]]) -> str:
    return f"p50 {spread([r['p50'] for r in runs])}, p99 {spread([r['p99'] for r in runs])} ms"


def table(found: dict[str, dict[str, Any]]) -> str:
    """Each figure as the median of the runs, the best one in brackets."""
    lines: list[tuple[str, str, str]] = []
    if one := found.get("latency"):
        lines += [
            ("link: POST to CMD at 100/s", times(one["command_ms"]), "wanted p50 < 1, p99 < 4"),
            ("link: fill told to fill recorded", times(one["fill_ms"]), "wanted p50 < 2"),
            ("link: POST to fill recorded", times(one["recorded_ms"]), ""),
            ("floor: bare WebSocket round trip", times(one["echo_ms"]), ""),
            ("floor: one group-committed write", times(one["write_ms"]), ""),
        ]
    if one := found.get("idle"):
        lines += [
            (f"link: {one['sessions']:,} idle sessions", f"{spread([100 * c for c in one['cpu']])} % of a core",
             "wanted < 60"),
            ("link: memory of a session", f"{spread(one['kb_each'])} kB", "wanted < 40 beyond the bare server's"),
            ("floor: the same on the bare server",
             f"{spread([100 * c for c in one['bare_cpu']])} %, {spread(one['bare_kb_each'])} kB", ""),
        ]  # fmt: skip
    if one := found.get("busy"):
        lines += [
            ("link: 100 EAs, 500/s, POST to CMD", times(one["command_ms"]), "wanted p99 < 10"),
            ("link: the same, POST to fill recorded", times(one["recorded_ms"]), ""),
            ("link: the same, CPU", f"{spread([100 * c for c in one['cpu']])} % of a core", ""),
        ]
    if one := found.get("native"):
        lines += native_lines(one)
    return "\n".join(f"{a:<40} {b:<46} {c}".rstrip() for a, b, c in lines)


def native_lines(found: dict[str, Any]) -> list[tuple[str, str, str]]:
    one, crowd = found["one"], found["crowd"]
    lines = [
        ("native EA: POST to CMD read at 100/s", times([m["command_ms"] for m in one]), "wanted p50 < 1.5, p99 < 6"),
        ("native EA: POST to fill told", times([m["told_ms"] for m in one]), ""),
        ("native EA: POST to fill recorded", times([m["recorded_ms"] for m in one]), "wanted p50 < 3"),
        ("native EA: fill told to fill recorded", times([m["fill_ms"] for m in one]), ""),
        ("floor: bare WebSocket round trip", times(found["echo_ms"]), ""),
        ("floor: one group-committed write", times(found["write_ms"]), ""),
        ("100 native EAs, 500/s, POST to CMD read", times([m["command_ms"] for m in crowd]), ""),
        ("the same, POST to fill recorded", times([m["recorded_ms"] for m in crowd]), ""),
        ("the same, alerts taken and refused", str([(m["sent"], m["refused"]) for m in crowd]), ""),
    ]
    for name, whose in (("hub", "the hub"), ("broker", "the simulated broker"), ("eas", "the 100 EAs together")):
        each = " each" if name == "eas" else ""
        share = f"{spread([100 * m['cpu'][name] for m in crowd])} % of a core"
        lines.append((f"the same, {whose}", f"{share}, {spread([m['mb'][name] for m in crowd])} MB{each}", ""))
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.link", description=__doc__)
    parser.add_argument("parts", nargs="*", choices=[[], *PARTS], help="one or more; all without any")
    parser.add_argument("--quick", action="store_true", help="short runs, 1,000 idle EAs")
    parser.add_argument("--rounds", type=int, default=3, help="how often each is measured")
    parser.add_argument("--folder", type=Path, help="where the stores lie for the time being; a disk, not a tmpfs")
    parser.add_argument("--json", type=Path, dest="out", help="write the figures here as JSON too")
    given = parser.parse_args()
    found: dict[str, Any] = {}
    for part in given.parts or PARTS:
        with tempfile.TemporaryDirectory(dir=given.folder, prefix="kakehashi-bench-") as folder:
            found[part] = PARTS[part](Path(folder), quick=given.quick, rounds=1 if given.quick else given.rounds)
    whole = {"cpus": os.cpu_count(), "load_average": os.getloadavg(), **found}
    print(table(found))
    print(json.dumps(whole))
    if given.out:
        given.out.write_text(json.dumps(whole, indent=2) + "\n")


if __name__ == "__main__":
    main()
