"""The session bridge: ``python -m benchmarks.bridge [load|chaos] [--seconds N] [--sessions N] [--users N]``.

load: users with mixed commands, over HTTP and over WebSocket, first each user ten commands a second on schedule, then each as
fast as it is answered, which measures how much fits. Beside them two floors: the bare round trip to one terminal process, and
the very same users on as many terminal processes straight over their pipes, which is the same work without a bridge. Every part
has accounts of its own, so that none has the positions of the part before it to carry.
chaos: the same while terminal processes are killed, stopped and hung; then the broker's books are compared.
Prints JSON, one line for each part.
"""

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import statistics
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import psutil
import websockets

if TYPE_CHECKING:
    from kakehashi.services.sessions.child import Child

MIXED = (
    ("account_info", None),
    ("symbol_info_tick", {"symbol": "EURUSD"}),
    ("positions_get", {}),
    ("orders_total", None),
    ("symbol_info_tick", {"symbol": "USDJPY"}),
    ("terminal_info", None),
    ("copy_rates_from_pos", {"symbol": "EURUSD", "timeframe": 1, "start_pos": 0, "count": 10}),
)
PACE_PER_S = 10.0
MOST_HELD = 20
ORDER = {"action": 1, "symbol": "EURUSD", "volume": 0.01, "type": 0, "type_filling": 1}


def figures(seconds: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(sorted(seconds), n=1000) if len(seconds) > 1 else [0.0] * 999
    return {
        "n": len(seconds),
        "p50_ms": round(cuts[499] * 1e3, 3),
        "p95_ms": round(cuts[949] * 1e3, 3),
        "p99_ms": round(cuts[989] * 1e3, 3),
        "max_ms": round(max(seconds, default=0) * 1e3, 3),
    }


class World:
    """A bridge of its own with its own broker, on free sockets, in processes of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environ = {k: v for k, v in os.environ.items() if not k.startswith("KAKEHASHI_")} | {
            "KAKEHASHI_STORE__URL": f"sqlite:///{folder}/bench.db",
            "KAKEHASHI_BRIDGE__HANG_S": "0.5",
            "KAKEHASHI_BROKER__SOCKET": str(folder / "broker.sock"),
            "KAKEHASHI_LOG__LEVEL": "error",
            "XDG_DATA_HOME": str(folder),
        }
        self.base = self.token = ""
        self.pid = 0

    async def cli(self, *words: str) -> Any:
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "kakehashi", *words, "--json", env=self.environ, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        said = json.loads(out)
        return said.get("data", said)

    @contextlib.asynccontextmanager
    async def running(self, **settings: str) -> AsyncIterator["World"]:
        self.environ |= settings
        self.token = (await self.cli("token", "create", "--scope", "session"))["token"]
        argv = ("run", "bridge", "--port", "0")
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "kakehashi", *argv, env=self.environ, stderr=asyncio.subprocess.PIPE
        )
        assert process.stderr is not None
        self.pid = process.pid
        try:
            while not self.base:
                line = (await process.stderr.readline()).decode()
                if not line:
                    raise RuntimeError("the bridge did not start")
                if "bridge on http" in line:
                    self.base = line.split("bridge on ")[1].split()[0]
            drain = asyncio.create_task(process.stderr.read())
            async with httpx.AsyncClient() as http:
                async with asyncio.timeout(40):
                    while True:
                        with contextlib.suppress(httpx.HTTPError):
                            if (await http.get(f"{self.base}/livez", timeout=1)).status_code == 200:
                                break
                        await asyncio.sleep(0.1)
            yield self
        finally:
            process.terminate()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(process.wait(), 20)
            drain.cancel()

    def http(self) -> httpx.AsyncClient:
        limits = httpx.Limits(max_connections=None)
        return httpx.AsyncClient(
            base_url=self.base, headers={"authorization": f"Bearer {self.token}"}, timeout=60, limits=limits
        )

    async def create(self, http: httpx.AsyncClient, login: int) -> str:
        answer = await http.post("/v5/session/create", json={"login": login, "password": "benchmark"})
        answer.raise_for_status()
        ident: str = answer.json()["session_id"]
        return ident


Carry = Callable[[str, Any, str, float], Awaitable[tuple[int, dict[str, Any]]]]


async def user(
    n: int, carry: Carry, until: float, took: dict[str, list[float]], errors: Counter[str], rate: float
) -> None:
    """One user: commands one after the other, every tenth an order.

    :param rate: commands a second on schedule; 0: as fast as they are answered
    """
    dice = random.Random(n)
    count, due = 0, time.monotonic() + (dice.random() / rate if rate else 0)
    while time.monotonic() < until:
        count += 1
        if rate:
            await asyncio.sleep(max(0.0, due - time.monotonic()))
            due += 1 / rate
        name, params = dice.choice(MIXED)
        if count % 10 == 0:
            side = dice.choice((0, 1))
            name, params = "order_send", {"request": ORDER | {"type": side, "magic": n * 1_000_000 + count}}
        began = time.perf_counter()
        status, said = await carry(name, params, f"u{n}-{count}", 10.0)
        took["order" if name == "order_send" else "read"].append(time.perf_counter() - began)
        if status != 200 or not said.get("ok"):
            errors[str(said.get("error", {}).get("code") or said.get("last_error"))] += 1


class Wire:
    """One kept-alive HTTP connection with as little client as possible: a comfortable one costs more than the bridge."""

    def __init__(self, world: World, session: str) -> None:
        self._world, self._session = world, session
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def carry(self, name: str, params: Any, ident: str, timeout_s: float) -> tuple[int, dict[str, Any]]:
        body: dict[str, Any] = {"command": name, "timeout_s": timeout_s}
        if params is not None:
            body["params"] = params
        if name == "order_send":
            body["id"] = ident
        content = json.dumps(body).encode()
        if self._streams is None:
            host, port = self._world.base.removeprefix("http://").split(":")
            self._streams = await asyncio.open_connection(host, int(port), limit=1 << 24)
        reader, writer = self._streams
        head = (
            f"POST /v5/session/{self._session}/command HTTP/1.1\r\nhost: bridge\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer {self._world.token}\r\ncontent-length: {len(content)}\r\n\r\n"
        )
        writer.write(head.encode() + content)
        answered = (await reader.readuntil(b"\r\n\r\n")).decode().lower()
        size = int(answered.split("content-length:")[1].split("\r\n")[0])
        return int(answered.split(" ", 2)[1]), json.loads(await reader.readexactly(size))


def over_http(world: World, session: str) -> Carry:
    return Wire(world, session).carry


def over_socket(socket: Any) -> Carry:
    async def carry(name: str, params: Any, ident: str, timeout_s: float) -> tuple[int, dict[str, Any]]:
        body: dict[str, Any] = {"command": name, "id": ident, "timeout_s": timeout_s}
        if params is not None:
            body["params"] = params
        await socket.send(json.dumps(body))
        said = json.loads(await socket.recv())
        return (200 if "error" not in said else 500), said

    return carry


async def bare(seconds: float) -> dict[str, Any]:
    """The round trip to one warm terminal process and back, nothing else."""
    async with terminals("", (1,)) as (child,):
        took, until = [], time.monotonic() + seconds
        while time.monotonic() < until:
            began = time.perf_counter()
            async with asyncio.timeout(5):
                await child.run((("version", {}, "objects"),))
            took.append(time.perf_counter() - began)
    return {"part": "bare IPC", **figures(took)}


@contextlib.asynccontextmanager
async def terminals(broker: str, logins: Iterable[int]) -> AsyncIterator[list["Child"]]:
    """Terminal processes that are logged in, without a bridge."""
    from kakehashi.domain.terminalcalls import Open
    from kakehashi.services.sessions.child import Child
    from kakehashi.services.sessions.trees import Job

    started = []
    try:
        for login in logins:
            started.append(await Child.start(Job(), "simulated"))
            assert (await started[-1].open(Open(login=login, password="benchmark", broker=broker))).ok
        yield started
    finally:
        for child in started:
            await child.kill()


def over_pipe(child: "Child") -> Carry:
    async def carry(name: str, params: Any, _ident: str, _timeout_s: float) -> tuple[int, dict[str, Any]]:
        (result,) = await child.run(((name, params or {}, "objects"),))
        return 200, {"ok": result.ok, "result": json.loads(result.json), "last_error": result.error}

    return carry


@contextlib.asynccontextmanager
async def lines(world: World, way: str, users: int, sessions: int, login: int) -> AsyncIterator[list[Carry]]:
    """A line for each user to its session, or to its terminal process; the accounts from ``login`` on are fresh."""
    logins = range(login, login + sessions)
    async with contextlib.AsyncExitStack() as stack:
        if way == "pipes":
            children = await stack.enter_async_context(terminals(str(world.folder / "broker.sock"), logins))
            yield [over_pipe(children[n]) for n in range(users)]
            return
        http = await stack.enter_async_context(world.http())
        names = [await world.create(http, each) for each in logins]
        carries = []
        for n in range(users):
            if way == "http":
                carries.append(over_http(world, names[n % sessions]))
                continue
            url = f"{world.base.replace('http', 'ws')}/v5/ws/{names[n % sessions]}"
            headers = {"authorization": f"Bearer {world.token}"}
            connecting = websockets.connect(url, additional_headers=headers, compression=None)
            carries.append(over_socket(await stack.enter_async_context(connecting)))
        yield carries
        for name in names:
            (await http.delete(f"/v5/session/{name}")).raise_for_status()


def processor_time() -> dict[str, float]:
    """Seconds that each kind of process has had so far; ``client`` is this one, in part ``pipes`` the floor's parent."""
    spent = {"client": sum(os.times()[:2]), "bridge": 0.0, "broker": 0.0, "terminals": 0.0}
    for process in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            words, times = process.cmdline(), process.cpu_times()
            kind = "terminals" if "kakehashi.terminal.worker" in words else "broker" if "broker" in words else "bridge"
            spent[kind] += times.user + times.system
    return spent


async def load(world: World, seconds: float, users: int, sessions: int) -> list[dict[str, Any]]:
    parts = [await bare(min(5.0, seconds))]
    for turn, (rate, way) in enumerate((r, w) for r in (PACE_PER_S, 0) for w in ("pipes", "http", "websocket")):
        took: dict[str, list[float]] = {"read": [], "order": []}
        errors: Counter[str] = Counter()
        shared = users if way == "pipes" else sessions  # a pipe carries one command at a time: one user each
        async with lines(world, way, users, shared, 2000 + 100 * turn) as carries:
            before, until = processor_time(), time.monotonic() + seconds
            offset = 250 * turn
            await asyncio.gather(*(user(offset + n, c, until, took, errors, rate) for n, c in enumerate(carries)))
            after = processor_time()
        every = took["read"] + took["order"]
        parts.append(
            {
                "part": f"{way}, {rate:g} commands/s each" if rate else f"{way}, flat out",
                "users": users,
                "per_s": round(len(every) / seconds),
                "all": figures(every),
                "reads": figures(took["read"]),
                "orders": figures(took["order"]),
                "cpu_ms_per_command": {k: round(1e3 * (after[k] - before[k]) / len(every), 3) for k in after},
                "errors": dict(errors),
            }
        )
    return compared(parts)


def compared(parts: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Each part's median beside both floors: of bare IPC, and of the same commands at the same pace without a bridge."""
    bare_ms, floor_ms = parts[0]["p50_ms"], 0.0
    for part in parts[1:]:
        if part["part"].startswith("pipes"):
            floor_ms = part["all"]["p50_ms"]
        part["p50_over_bare"] = round(part["all"]["p50_ms"] / bare_ms, 1)
        part["p50_over_pipes"] = round(part["all"]["p50_ms"] / floor_ms, 2)
    return parts


async def chaos(
    world: World, seconds: float, sessions: int, *, seed: int = 1, spared: int = 0, orders: float = 0.4
) -> dict[str, Any]:
    """Kill and stop processes under load; every order must be in the broker's books exactly as it was answered.

    :param spared: so many sessions keep their process, to see whether that grows
    :param orders: their share in all commands
    """
    dice = random.Random(seed)
    sent: dict[int, dict[str, tuple[int, dict[str, Any]]]] = {n: {} for n in range(sessions)}
    late: list[float] = []
    codes: Counter[str] = Counter()
    faults: Counter[str] = Counter()
    async with world.http() as http:
        names = [await world.create(http, 3000 + n) for n in range(sessions)]
        until = time.monotonic() + seconds

        async def trade(n: int) -> None:
            carry, count, held = over_http(world, names[n]), 0, deque[int]()
            while time.monotonic() < until:
                count += 1
                order = dice.random() < orders
                name, params = dice.choice(MIXED)
                if order:
                    closing = {"position": held.popleft(), "type": 1} if len(held) >= MOST_HELD else {}
                    name, params = "order_send", {"request": ORDER | {"magic": n * 1_000_000 + count} | closing}
                timeout_s, began = dice.choice((0.05, 0.1, 1.0, 2.0, 4.0)), time.monotonic()
                status, said = await carry(name, params, f"c{count}", timeout_s)
                late.append(time.monotonic() - began - timeout_s)
                codes[str(status if status == 200 else said["error"]["code"])] += 1
                if order:
                    sent[n][f"c{count}"] = (n * 1_000_000 + count, said)
                    if not closing and said.get("ok"):
                        held.append(said["result"]["order"])

        async def hurt() -> None:
            while time.monotonic() < until - 2:
                await asyncio.sleep(dice.uniform(0.1, 0.5))
                view = (await http.get(f"/v5/session/{dice.choice(names[spared:])}")).json()
                if view.get("pid"):
                    how = dice.choice((signal.SIGKILL, signal.SIGSTOP))
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(view["pid"], how)
                        faults[how.name] += 1

        files = psutil.Process(world.pid).num_fds()
        watching = asyncio.create_task(watch(world, until))
        await asyncio.gather(hurt(), *(trade(n) for n in range(sessions)))
        sizes = await watching
        wrong = await compare(http, names, sent)
        views = (await http.get("/v5/session/list")).json()["sessions"]
    children = psutil.Process(world.pid).children(recursive=True)
    return {
        "part": "chaos",
        "seconds": seconds,
        "faults": dict(faults),
        "answers": dict(codes),
        "orders": sum(map(len, sent.values())),
        "over_deadline_s": round(max(late), 3),
        "replacement": figures([s for v in views for s in v["downtimes_s"]]),
        "zombies": sum(c.status() == psutil.STATUS_ZOMBIE for c in children),
        "files_before_after": [files, psutil.Process(world.pid).num_fds()],
        "mb_halfway_end": {kind: [mb[len(mb) // 2], mb[-1]] for kind, mb in sizes.items()},
        **wrong,
    }


async def watch(world: World, until: float) -> dict[str, list[float]]:
    """MB of the bridge and of its oldest terminal process, every second."""
    sizes: dict[str, list[float]] = {"bridge": [], "oldest_terminal": []}
    bridge = psutil.Process(world.pid)
    while time.monotonic() < until:
        await asyncio.sleep(1)
        with contextlib.suppress(psutil.Error):
            oldest = min(terminals_of(bridge), key=psutil.Process.create_time)
            for kind, process in (("bridge", bridge), ("oldest_terminal", oldest)):
                sizes[kind].append(round(process.memory_info().rss / 1e6, 1))
    return sizes


def terminals_of(bridge: psutil.Process) -> list[psutil.Process]:
    return [c for c in bridge.children() if "kakehashi.terminal.worker" in c.cmdline()]


async def compare(http: httpx.AsyncClient, names: list[str], sent: dict[int, Any]) -> dict[str, Any]:
    """Each order against the deals that the broker has under its magic; what was said of those that are wrong."""
    found = Counter({"doubled": 0, "lost": 0, "invented": 0, "unresolved": 0})
    accused: list[Any] = []
    for n, name in enumerate(names):
        period = {"date_from": 0, "date_to": 4_000_000_000}
        body = {"command": "history_deals_get", "params": period, "timeout_s": 30}
        deals = (await http.post(f"/v5/session/{name}/command", json=body)).json()["result"]
        by_magic = Counter(d["magic"] for d in deals)
        for ident, (magic, said) in sent[n].items():
            if said.get("error"):
                said = await resolution(http, name, ident)  # noqa: PLW2901
            done = bool(said.get("ok") and said["result"]["retcode"] == 10009)
            wrong = {
                "unresolved": said.get("state") == "PENDING",
                "doubled": by_magic[magic] > 1,
                "lost": done and by_magic[magic] == 0,
                "invented": not done and said.get("state") != "PENDING" and by_magic[magic] > 0,
            }
            found.update({name: 1 for name, so in wrong.items() if so})
            if any(wrong.values()):
                accused.append({"said": said, "deals": [d for d in deals if d["magic"] == magic]})
    return {**found, "accused": accused[:10]}


async def resolution(http: httpx.AsyncClient, name: str, ident: str) -> dict[str, Any]:
    until = time.monotonic() + 10
    while True:
        answer = await http.get(f"/v5/session/{name}/command/{ident}")
        said: dict[str, Any] = answer.json()
        if answer.status_code == 404 or said.get("state") == "RESOLVED" or time.monotonic() > until:
            return said
        await asyncio.sleep(0.1)


async def run(args: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="kk-bridge-") as folder:
        async with World(Path(folder)).running() as world:
            if args.part in ("load", "all"):
                for part in await load(world, args.seconds, args.users, args.sessions):
                    print(json.dumps(part), flush=True)
            if args.part in ("chaos", "all"):
                print(json.dumps(await chaos(world, args.seconds, args.sessions)), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("part", nargs="?", default="all", choices=["all", "load", "chaos"])
    parser.add_argument("--seconds", type=float, default=30)
    parser.add_argument("--users", type=int, default=10)
    parser.add_argument("--sessions", type=int, default=10)
    asyncio.run(run(parser.parse_args()))


if __name__ == "__main__":
    main()
