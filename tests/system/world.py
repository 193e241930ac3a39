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
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx
import msgspec

from kakehashi.ports import Store
from kakehashi.store.open import open_store

KAKEHASHI = (sys.executable, "-m", "kakehashi")
CRASHING_HUB = (sys.executable, str(Path(__file__).with_name("crashing_hub.py")))
CRASHING_BROKER = (sys.executable, str(Path(__file__).with_name("crashing_broker.py")))


class World(AbstractContextManager["World"]):
    """Starts, kills and stops processes by name: ``broker``, ``hub``, ``ea``. Every one of them dies with the world.

    :param folder: store, ledger, journals and logs go here
    :param store_url: of a store that has its tables; None is a SQLite file in the folder
    :param settings: environment of the processes, e.g. ``KAKEHASHI_MAILBOX__LEASE_S="2"``
    """

    def __init__(self, folder: Path, store_url: str | None = None, **settings: str) -> None:
        self.folder = folder
        self.store_url = store_url or f"sqlite:///{folder}/k.db"
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
        self.tokens: dict[str, str] = {}
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, tuple[str, ...]] = {}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for child in reversed(self.running.values()):
            if child.poll() is None:
                child.send_signal(signal.SIGTERM)
        for child in self.running.values():
            try:
                child.wait(5)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait(5)
        self._listening.close()

    def start_broker(self) -> None:
        self._commands["broker"] = (*KAKEHASHI, "run", "broker", *self._books())
        self.restart("broker")
        self._wait(self._broker_socket.exists, "broker")

    def start_crashing_broker(self, point: str, nth: int) -> None:
        """A broker that kills itself at ``point`` of its ``nth`` deal."""
        self._commands["broker"] = (*CRASHING_BROKER, point, str(nth), *self._books())
        self.restart("broker")

    def _books(self) -> tuple[str, ...]:
        return ("--socket", str(self._broker_socket), "--ledger", str(self.ledger_file), "--seed", "1")

    def start_hub(self, *, wait: bool = True) -> None:
        self._commands["hub"] = (*KAKEHASHI, "run", "hub", "--fd", str(self._listening.fileno()))
        self.restart("hub")
        if wait:
            self.wait_for_hub()

    def start_crashing_hub(self, point: str, kind: str, nth: int) -> None:
        """A hub that kills itself at ``point`` of the ``nth`` commit that journals an event of ``kind``."""
        self._commands["hub"] = (*CRASHING_HUB, str(self._listening.fileno()), point, kind, str(nth))
        self.restart("hub")

    def start_ea(self, account: str, number: str, token: str, *more: str, poll_s: float = 0.05) -> None:
        who = ("--account", account, "--number", number, "--token", token)
        where = ("--url", self.url, "--socket", str(self._broker_socket))
        pace = ("--balance", "1000000000", "--poll-s", str(poll_s), "--report-s", "0.5")
        self._commands["ea"] = (*KAKEHASHI, "ea", "simulate", *who, *where, *pace, *more)
        self.restart("ea")

    def start_linked_ea(
        self, account: str, number: str, token: str, *more: str, url: str = "", pace: float = 4.0
    ) -> None:
        """An EA on the link, whose time passes ``pace`` times as fast.

        :param url: of the hub; another one than its own is a proxy's
        """
        who = ("--account", account, "--number", number, "--token", token)
        where = (
            "--url",
            url or self.url,
            "--socket",
            str(self._broker_socket),
            "--journal",
            str(self.folder / "ea.journal"),
        )
        hasty = (sys.executable, str(Path(__file__).with_name("hasty_ea.py")), str(pace))
        self._commands["ea"] = (*hasty, "ea", "simulate", *who, *where, "--balance", "1000000000", *more)
        self.restart("ea")

    def spawn(self, name: str, *argv: str) -> int:
        """Start any ``kakehashi`` command; its process id."""
        self._commands[name] = (*KAKEHASHI, *argv)
        self.restart(name)
        return self.running[name].pid

    def restart(self, name: str) -> None:
        """Start the process ``name`` as it was last started; what it says goes to ``<name>.log`` in the folder."""
        clean = {k: v for k, v in os.environ.items() if not k.startswith("KAKEHASHI_")}
        if clean.pop("PYTHONDONTWRITEBYTECODE", None):  # or each start compiles everything anew, for seconds
            clean["PYTHONPYCACHEPREFIX"] = str(self.folder.parent / "pycache")
        with (self.folder / f"{name}.log").open("ab") as out:
            self.running[name] = subprocess.Popen(
                self._commands[name],
                stdout=out,
                stderr=out,
                stdin=subprocess.DEVNULL,
                cwd=self.folder,
                env=clean | self._settings,
                pass_fds=(self._listening.fileno(),) if name == "hub" else (),
            )

    def kill(self, name: str) -> None:
        """``kill -9``: nothing in that process gets to say goodbye."""
        child = self.running.pop(name)
        assert child.poll() is None, f"{name} had ended by itself: {child.returncode}\n{self.log(name)}"
        child.kill()
        child.wait(5)

    def wait_for_end(self, name: str) -> None:
        """Until a process has ended by itself."""
        self.running.pop(name).wait(60)

    def wait_for_hub(self) -> None:
        self._wait(self._ready, "hub")

    def wait_for_crash(self, name: str, within_s: float = 60.0) -> None:
        """Until the process has killed itself."""
        child = self.running.pop(name)
        try:
            code = child.wait(within_s)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait(5)
            raise AssertionError(f"{name} never came to its crash point\n{self.logs()}") from None
        assert code == -signal.SIGKILL, f"{name} ended otherwise ({code})\n{self.logs()}"

    def ledger(self) -> list[dict[str, Any]]:
        """Every deal the broker has accepted, oldest first."""
        if not self.ledger_file.exists():
            return []
        return [json.loads(line) for line in self.ledger_file.read_text("utf-8").splitlines()]

    async def rows(self, table: str, **where: Any) -> list[dict[str, Any]]:
        """All rows of a table, bodies decoded, read beside the running hub."""
        store = open_store(self.store_url)
        await store.open()
        try:
            return await decoded_rows(store, table, **where)
        finally:
            await store.close()

    def log(self, name: str) -> str:
        path = self.folder / f"{name}.log"
        return path.read_text("utf-8", "replace")[-4000:] if path.exists() else ""

    def logs(self) -> str:
        return "\n".join(f"--- {name}\n{self.log(name)}" for name in self._commands)

    def _ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz", timeout=1).status_code == 200
        except httpx.HTTPError:
            return False

    def _wait(self, holds: Callable[[], bool], name: str, within_s: float = 60.0) -> None:
        child, until = self.running[name], time.monotonic() + within_s
        while not holds():
            if child.poll() is not None or time.monotonic() > until:
                raise AssertionError(f"{name} did not come up (exit {child.poll()}):\n{self.logs()}")
            time.sleep(0.02)


async def decoded_rows(store: Store, table: str, **where: Any) -> list[dict[str, Any]]:
    """All rows of a table, oldest first, their bodies decoded."""
    found = await store.rows(table, where=where or None, limit=10_000_000, newest_first=False)
    return [dict(row) | {"body": msgspec.json.decode(row["body"])} for row in found]
