"""A world of real processes in one directory: the simulated broker, the hub, its EAs. Ends with the ``with`` block.

The hub's listening socket belongs to the test, as ``kakehashi up`` would hold it: while a hub is dead, callers wait.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import msgspec

from kakehashi.store.sqlite import SqliteStore

KAKEHASHI = (sys.executable, "-m", "kakehashi")


class World(AbstractContextManager["World"]):
    """Starts and stops the processes; every one of them dies with the world.

    :param folder: store, ledger, journals and logs go here
    :param settings: environment of the hub, e.g. ``KAKEHASHI_MAILBOX__LEASE_S="2"``
    """

    def __init__(self, folder: Path, **settings: str) -> None:
        self.folder = folder
        self.store_url = f"sqlite:///{folder}/k.db"
        self.ledger_file, self._broker_socket = folder / "ledger.jsonl", folder / "b.sock"
        self._settings = {
            "KAKEHASHI_STORE__URL": self.store_url,
            "KAKEHASHI_INGEST__RATE_PER_TOKEN": "off",
            "KAKEHASHI_INGEST__RATE_PER_IP": "off",
            "KAKEHASHI_MAILBOX__RATE_PER_TOKEN": "off",
            **settings,
        }
        self._listening = socket.socket()
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen(2048)
        self._listening.set_inheritable(True)
        self.url = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        self._children: list[subprocess.Popen[bytes]] = []
        self.hub: subprocess.Popen[bytes] | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in reversed(self._children):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in self._children:
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(5)
        self._listening.close()

    def spawn(self, log: str, *argv: str, fds: Sequence[int] = ()) -> subprocess.Popen[bytes]:
        """Start one ``kakehashi`` command; what it says goes to ``log`` in the folder."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("KAKEHASHI_")}
        with (self.folder / log).open("ab") as out:
            child = subprocess.Popen(
                [*KAKEHASHI, *argv],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env=clean | self._settings,
                pass_fds=fds,
            )
        self._children.append(child)
        return child

    def start_broker(self, *, seed: int = 1) -> None:
        where = ("--socket", str(self._broker_socket), "--ledger", str(self.ledger_file), "--seed", str(seed))
        child = self.spawn("broker.log", "run", "broker", *where)
        self._wait(self._broker_socket.exists, child, "the broker")

    def start_hub(self, *, wait: bool = True) -> None:
        fd = self._listening.fileno()
        self.hub = self.spawn("hub.log", "run", "hub", "--fd", str(fd), fds=(fd,))
        if wait:
            self.wait_for_hub()

    def wait_for_hub(self) -> None:
        assert self.hub is not None
        self._wait(self._ready, self.hub, "the hub")

    def kill_hub(self) -> None:
        """``kill -9``: nothing in that process gets to say goodbye."""
        assert self.hub is not None
        self.hub.kill()
        self.hub.wait(5)
        self._children.remove(self.hub)

    def start_ea(self, account: str, number: str, token: str, *more: str, poll_s: float = 0.05) -> None:
        where = (
            "--url",
            self.url,
            "--socket",
            str(self._broker_socket),
            "--journal",
            str(self.folder / f"j-{account}"),
        )
        who = ("--account", account, "--number", number, "--token", token)
        pace = ("--poll-s", str(poll_s), "--report-s", "0.5")
        self.spawn(f"ea-{account}.log", "ea", "simulate", *who, *where, *pace, *more)

    def ledger(self) -> list[dict[str, Any]]:
        """Every deal the broker has accepted, oldest first."""
        if not self.ledger_file.exists():
            return []
        return [json.loads(line) for line in self.ledger_file.read_text("utf-8").splitlines()]

    async def rows(self, table: str, **where: Any) -> list[dict[str, Any]]:
        """All rows of a table, bodies decoded, read beside the running hub."""
        store = SqliteStore(str(self.folder / "k.db"))
        await store.open()
        try:
            found = await store.rows(table, where=where or None, limit=10_000_000, newest_first=False)
        finally:
            await store.close()
        return [dict(r) | {"body": msgspec.json.decode(r["body"])} for r in found]

    def log(self, name: str) -> str:
        path = self.folder / name
        return path.read_text("utf-8", "replace")[-4000:] if path.exists() else ""

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    def _wait(self, holds: Any, child: subprocess.Popen[bytes], what: str, within_s: float = 20.0) -> None:
        until = time.monotonic() + within_s
        while not holds():
            if child.poll() is not None or time.monotonic() > until:
                logs = "\n".join(self.log(p.name) for p in self.folder.glob("*.log"))
                raise AssertionError(f"{what} did not come up (exit {child.poll()}):\n{logs}")
            time.sleep(0.02)
