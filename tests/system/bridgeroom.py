"""A whole bridge inside the test's own process: real store, real HTTP and WebSocket, real terminal processes, and the
trade server beside it, so that a test can read its books and tell it what goes wrong.
"""

import asyncio
import contextlib
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import httpx
import psutil
import uvicorn
import websockets

from kakehashi import bootstrap
from kakehashi.api.bridge import build_bridge_app
from kakehashi.config import Settings, load_settings
from kakehashi.services import desk
from kakehashi.services.sessions.bridge import Bridge
from kakehashi.store.sqlite import SqliteStore
from kakehashi.terminal.core.broker import Broker
from kakehashi.terminal.core.faults import Dice, Faults
from kakehashi.terminal.core.words import Deal
from kakehashi.terminal.server import TradeServer
from kakehashi.terminal.wire import MAX_LINE

BUY = {
    "action": "TRADE_ACTION_DEAL", "symbol": "EURUSD", "volume": 0.1, "type": "ORDER_TYPE_BUY", "magic": 7,
    "comment": "mine", "type_filling": "ORDER_FILLING_IOC",
}  # fmt: skip
KEY = "a-long-enough-key-for-the-bridge-0123456789"


async def until(what: Callable[[], Any], *, within_s: float = 10.0) -> Any:
    """Wait for a condition; what it gave."""
    async with asyncio.timeout(within_s):
        while not (found := what()):
            await asyncio.sleep(0.01)
    return found


async def until_said(ask: Callable[[], Awaitable[Any]], holds: Callable[[Any], bool], *, within_s: float = 10.0) -> Any:
    async with asyncio.timeout(within_s):
        while not holds(found := await ask()):
            await asyncio.sleep(0.02)
    return found


class BridgeRoom:
    """A running bridge, its broker, and a client with a session token."""

    def __init__(self, folder: Path, **settings: Any) -> None:
        self.folder = folder
        self.broker_socket = str(folder / "broker.sock")
        flags = {"bridge.port": 0, "bridge.broker": self.broker_socket, "bridge.hang_s": 0.5, "bridge.health_s": 30.0}
        os.environ["KAKEHASHI_BRIDGE__KEY"] = KEY
        self.settings: Settings = load_settings({"store.url": f"sqlite:///{folder}/bridge.db", **flags, **settings})
        self.broker = Broker(seed=1, at=_now_ms())
        self.server = TradeServer(self.broker, None, _now_ms)
        self.bridge: Bridge
        self.base = self.token = ""
        self.http = httpx.AsyncClient(timeout=30)

    def faults(self, **faults: Any) -> None:
        """What goes wrong at the broker from now on."""
        self.broker.dice = Dice(Faults(**faults), 1)

    def deals(self, login: int, magic: int = 7) -> list[Deal]:
        """What the broker itself has in its books."""
        book = self.broker.find(str(login))
        return [d for d in book.deals if d.magic == magic] if book else []

    @contextlib.asynccontextmanager
    async def broker_open(self) -> AsyncIterator[None]:
        listener = await asyncio.start_unix_server(self.server.serve, self.broker_socket, limit=MAX_LINE)

        async def tick() -> None:
            while True:
                self.server.tick()
                await asyncio.sleep(0.2)

        ticking = asyncio.create_task(tick())
        try:
            yield
        finally:
            ticking.cancel()
            listener.close()
            self.server.hang_up()

    @contextlib.asynccontextmanager
    async def bridge_open(self) -> AsyncIterator[None]:
        """One life of the bridge."""
        url = await asyncio.to_thread(bootstrap.prepare_store, self.settings)
        self.bridge = await bootstrap.build_bridge(self.settings, url)
        if not self.token:
            self.token = await self.new_token()
        app = build_bridge_app(self.bridge, self.settings)
        config = uvicorn.Config(app, lifespan="on", log_config=None, access_log=False, ws="websockets-sansio")
        listening = bootstrap.bind(self.settings, "bridge")
        self.base = f"http://127.0.0.1:{listening.getsockname()[1]}"
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server._serve([listening]))  # serve() would take the test run's signals
        await until(lambda: server.started or serving.done())
        try:
            yield
        finally:
            server.should_exit = True
            await serving

    @property
    def store(self) -> SqliteStore:
        assert isinstance(self.bridge.store, SqliteStore)
        return self.bridge.store

    async def new_token(self, scope: str = "session") -> str:
        at = self.bridge.clock.now_ms()
        new = await desk.issue_token(self.store, scope, by="test", at=at)
        self.bridge.tokens.refresh(await self.store.tokens())
        return new.secret

    async def request(self, method: str, path: str, *, token: str | None = None, json: Any = None) -> httpx.Response:
        secret = self.token if token is None else token
        headers = {"authorization": f"Bearer {secret}"} if secret else {}
        return await self.http.request(method, f"{self.base}/v5{path}", headers=headers, json=json)

    async def create(self, login: int, **more: Any) -> str:
        answer = await self.request("POST", "/session/create", json={"login": login, "password": "pw", **more})
        assert answer.status_code == 201, answer.text
        ident: str = answer.json()["session_id"]
        return ident

    async def view(self, session: str) -> dict[str, Any]:
        view: dict[str, Any] = (await self.request("GET", f"/session/{session}")).json()
        return view

    async def command(self, session: str, name: str, params: Any = None, **more: Any) -> httpx.Response:
        body = {"command": name, **({"params": params} if params is not None else {}), **more}
        return await self.request("POST", f"/session/{session}/command", json=body)

    async def result(self, session: str, name: str, params: Any = None, **more: Any) -> Any:
        answer = await self.command(session, name, params, **more)
        assert answer.status_code == 200, answer.text
        assert answer.json()["ok"], answer.text
        return answer.json()["result"]

    async def send(self, session: str, ident: str, *, timeout_s: float = 10.0, **fields: Any) -> httpx.Response:
        """An order request; EURUSD, 0.1 lots bought, where the test does not say otherwise."""
        return await self.command(session, "order_send", {"request": BUY | fields}, id=ident, timeout_s=timeout_s)

    async def known(self, session: str, ident: str) -> dict[str, Any]:
        known: dict[str, Any] = (await self.request("GET", f"/session/{session}/command/{ident}")).json()
        return known

    async def resolved(self, session: str, ident: str, *, within_s: float = 10.0) -> dict[str, Any]:
        found: dict[str, Any] = await until_said(
            lambda: self.known(session, ident), lambda said: said.get("state") == "RESOLVED", within_s=within_s
        )
        return found

    def socket(self, session: str, *, token: str | None = None, query: str = "", **options: Any) -> Any:
        headers = {"authorization": f"Bearer {self.token}"} if token is None and not query else {}
        url = self.base.replace("http", "ws") + f"/v5/ws/{session}{query}"
        return websockets.connect(url, additional_headers=headers, **options)


@contextlib.asynccontextmanager
async def bridge_room(folder: Path, **settings: Any) -> AsyncIterator[BridgeRoom]:
    room = BridgeRoom(folder, **settings)
    try:
        async with room.broker_open(), room.bridge_open():
            yield room
    finally:
        os.environ.pop("KAKEHASHI_BRIDGE__KEY", None)
        await room.http.aclose()


def zombies() -> list[psutil.Process]:
    """Children of this process that have ended and that nobody waited for."""
    found = []
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.status() == psutil.STATUS_ZOMBIE:
                found.append(child)
    return found


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
