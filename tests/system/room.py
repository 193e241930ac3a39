"""A whole hub inside the test's own process: real store, real HTTP faces, a clock the test may move."""

import contextlib
import json
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from kakehashi import bootstrap
from kakehashi.api.app import build_app
from kakehashi.api.hot import Shortcut
from kakehashi.config import Settings, load_settings
from kakehashi.domain.messages import TimePassed
from kakehashi.domain.orders import Order
from kakehashi.domain.rules import Route
from kakehashi.domain.values import Account, Side
from kakehashi.ports import AuditRow, Store
from kakehashi.services import desk
from kakehashi.services.access import create_token
from kakehashi.services.hub import Hub
from kakehashi.services.ids import SystemClock
from kakehashi.store.sqlite import SqliteStore

ACCOUNT, ROUTE = "demo", "trend"
EURUSD = {
    "symbol": "EURUSD", "digits": 5, "point": 0.00001, "tick_size": 0.00001, "tick_value": 1, "contract_size": 100_000,
    "vol_min": 0.01, "vol_max": 100, "vol_step": 0.01, "bid": 1.1, "ask": 1.1001, "profit_currency": "USD",
}  # fmt: skip


class MovableClock(SystemClock):
    """The machine's clock and what the test added to it."""

    def __init__(self) -> None:
        self.ahead_ms = 0

    def now_ms(self) -> int:
        return super().now_ms() + self.ahead_ms

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead_ms / 1000


class Room:
    """A running hub with one account, one route without rails, and a token for each of its doors."""

    def __init__(self, hub: Hub, settings: Settings, clock: MovableClock, tokens: dict[str, str]) -> None:
        self.hub, self.clock, self.tokens = hub, clock, tokens
        self.app = build_app(hub, settings)
        self.http = self.client_from("127.0.0.1")

    def client_from(self, address: str) -> httpx.AsyncClient:
        """HTTP from a peer of this address."""
        transport = httpx.ASGITransport(Shortcut(self.app, self.app.routes), client=(address, 50_000))
        return httpx.AsyncClient(transport=transport, base_url="http://hub")

    @property
    def store(self) -> SqliteStore:
        assert isinstance(self.hub.store, SqliteStore)
        return self.hub.store

    async def knock(self, body: bytes | str, *, secret: str | None = "", headers: Any = None) -> httpx.Response:
        """Send a body as it is; ``secret`` None sends no token, empty the route's own."""
        token = self.tokens["webhook"] if secret == "" else secret
        sent = {"content-type": "text/plain", **(headers or {})}
        if token is not None:
            sent["authorization"] = f"Bearer {token}"
        content = body if isinstance(body, bytes) else body.encode("utf-8", "surrogatepass")
        return await self.http.post("/webhook/tradingview", content=content, headers=sent)

    async def alert(self, signal: str, name: str, **more: Any) -> httpx.Response:
        """One alert in the relay's own format."""
        return await self.knock(json.dumps({"signal": signal, "symbol": "EURUSD", "timeframe": "5", "id": name} | more))

    async def ordered(self, signal: str, name: str, **more: Any) -> list[str]:
        """Send an alert that must be queued; the ids of its orders."""
        answer = await self.alert(signal, name, **more)
        said = answer.json()
        assert (answer.status_code, said["status"]) == (200, "queued"), said
        return [order for leg in said["legs"] for order in leg["orders"]]

    async def poll_raw(self, *, journal: bool = False, **params: Any) -> httpx.Response:
        query = {"account": ACCOUNT, **({"caps": "journal"} if journal else {}), **params}
        return await self.http.get("/api/poll", params=query, headers=self.as_ea)

    async def poll(self, *, journal: bool = False, **params: Any) -> list[dict[str, Any]]:
        answer = await self.poll_raw(journal=journal, **params)
        assert answer.status_code == 200, answer.text
        items: list[dict[str, Any]] = answer.json()["items"]
        return items

    async def ack(self, *results: dict[str, Any], keys: Sequence[str] = ()) -> httpx.Response:
        body = {"account": ACCOUNT, "keys": list(keys), "results": list(results)}
        return await self.http.post("/api/ack", json=body, headers=self.as_ea)

    async def report(self, *positions: dict[str, Any], **more: Any) -> httpx.Response:
        body = {"account": ACCOUNT, "balance": 10_000, "equity": 10_000, "positions": list(positions)}
        body |= {"symbols": [EURUSD], "currency": "USD", **more}
        return await self.http.post("/api/report", json=body, headers=self.as_ea)

    @property
    def as_ea(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self.tokens['ea']}"}

    async def pass_time(self, seconds: float) -> None:
        """Move the clock, and let the trader see it."""
        self.clock.ahead_ms += int(seconds * 1000)
        await self.hub.trader.submit(TimePassed(at=self.clock.now_ms()))

    async def order(self, order_id: str) -> Order:
        """As it stands in the store."""
        rows = await self.hub.store.rows("orders", where={"id": order_id}, limit=1)
        return msgspec.json.decode(rows[0]["body"], type=Order)

    async def signals(self, status: str | None = None) -> list[dict[str, Any]]:
        lines = await desk.listing(self.hub.store, "signals", limit=10_000)
        return [line for line in lines if status in (None, line["status"])]


def filled(key: str, volume: float, *, ticket: str = "77", price: float = 1.1) -> dict[str, Any]:
    """The result an EA sends of a delivery that was executed."""
    return {"key": key, "status": "filled", "volume": volume, "ticket": ticket, "price": price, "retcode": 10009}


def standing(ticket: str, volume: float, *, magic: int | str = 0, side: Side = Side.BUY) -> dict[str, Any]:
    """One position of a report."""
    return {
        "ticket": ticket, "symbol": "EURUSD", "side": side.value, "volume": volume, "open": 1.1, "magic": str(magic)
    }  # fmt: skip


async def furnish(store: Store, route: Route | None = None, accounts: Sequence[Account] = ()) -> dict[str, str]:
    """Write account, route and tokens as an operator would; the tokens by scope."""
    at = SystemClock().now_ms()
    for account in accounts or (Account(name=ACCOUNT, number="1001"),):
        await desk.add_account(store, account, by="test", at=at)
    await desk.put_route(store, route or plain_route(), by="test", at=at)
    tokens: dict[str, str] = {}
    for scope in ("webhook", "ea", "operator", "admin"):
        route_name = ROUTE if scope == "webhook" else ""
        new = create_token(scope, at=at, route=route_name, account=ACCOUNT if scope == "ea" else "")
        await store.put_token(new.row, AuditRow(at=at, actor="test", action="token.create", subject=new.row.id))
        tokens[scope] = new.secret
    return tokens


def plain_route(**rules: Any) -> Route:
    """Fixed 0.10 lots, no rails, so that nothing but the rule under test refuses."""
    changed = msgspec.structs.replace(Route(name=ROUTE, accounts=(ACCOUNT,)).rules, size_value="0.10", **rules)
    fresh = msgspec.convert(msgspec.to_builtins(changed), type(changed), strict=False)
    return Route(name=ROUTE, accounts=(ACCOUNT,), rules=fresh, no_rails=True)


@contextlib.asynccontextmanager
async def a_room(folder: Path, tokens: dict[str, str] | None = None, **settings: Any) -> AsyncIterator[Room]:
    """Start a hub on ``folder``; the same folder again, with the tokens of the first, is a restart.

    :param settings: dotted keys with ``__`` for the dot, e.g. ``ingest__rate_per_token="2/m"``
    """
    flags = {"store.url": f"sqlite:///{folder}/k.db", "ingest.rate_per_token": "off", "mailbox.rate_per_token": "off"}
    loaded = load_settings(flags | {k.replace("__", "."): v for k, v in settings.items()})
    url = bootstrap.prepare_store(loaded)
    clock = MovableClock()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bootstrap, "SystemClock", lambda: clock)
        hub = await bootstrap.build_hub(loaded, url)
    tokens = tokens or await furnish(hub.store)
    async with hub.running():
        room = Room(hub, loaded, clock, tokens)
        async with room.http:
            yield room


@pytest.fixture
async def room(tmp_path: Path) -> AsyncIterator[Room]:
    async with a_room(tmp_path) as room:
        yield room
