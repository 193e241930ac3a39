"""A hub process with many accounts, for EAs typed by hand (:mod:`rawea`); and what its store holds of each account."""

import asyncio
import json
import os
import sqlite3
import subprocess
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
from rawea import RawEa, Socket
from room import plain_route
from world import KAKEHASHI, World

from kakehashi import bootstrap
from kakehashi.config import load_settings
from kakehashi.domain.values import Account
from kakehashi.ports import AuditRow, Store
from kakehashi.services import desk
from kakehashi.services.access import create_token
from kakehashi.services.ids import SystemClock
from kakehashi.store.open import open_store

AnyEa = TypeVar("AnyEa", bound=RawEa)
KEPT = ("journal", "orders", "fills", "positions", "closures", "signals")


class Place:
    """One account of the hub, with a token of its own and a route that sends it every alert."""

    def __init__(self, world: World, name: str, number: str, secrets: dict[str, str]) -> None:
        self.world, self.name, self.number, self.secrets = world, name, number, secrets

    @property
    def token(self) -> str:
        return self.secrets["ea"]

    def ea(self, kind: type[AnyEa] = Socket, *, instance: str = "") -> AnyEa:  # type: ignore[assignment]
        return kind(self.world.url, self.name, self.number, self.token, instance=instance)

    async def alert(self, signal: str, **more: Any) -> list[str]:
        """Send an alert that must be queued; the ids of its orders."""
        said = await self.answer(signal, **more)
        assert said.get("status") == "queued", said
        return [order for leg in said["legs"] for order in leg["orders"]]

    async def answer(self, signal: str, **more: Any) -> dict[str, Any]:
        """What the hub says to an alert."""
        body = {"signal": signal, "symbol": "EURUSD", "timeframe": "5"} | more
        async with httpx.AsyncClient(timeout=10) as http:
            url = f"{self.world.url}/webhook/tradingview/{self.secrets['webhook']}"
            return dict((await http.post(url, json=body)).json())

    def kept(self) -> dict[str, Any]:
        """Everything the store holds of this account, but for what it is worth at the moment."""
        with sqlite3.connect(f"file:{self.world.folder}/k.db?mode=ro", uri=True) as db:
            found: dict[str, Any] = {
                table: db.execute(f"SELECT count(*) FROM {table} WHERE body LIKE ?", (f'%"{self.name}"%',)).fetchone()[
                    0
                ]
                for table in KEPT
            }
            for key in ("link", "mirror"):
                row = db.execute("SELECT body FROM states WHERE key = ?", (f"{key}|{self.name}",)).fetchone()
                found[key] = json.loads(row[0]) if row else None
        return found

    def held(self) -> list[dict[str, Any]]:
        """The account's positions as the store has them."""
        with sqlite3.connect(f"file:{self.world.folder}/k.db?mode=ro", uri=True) as db:
            rows = db.execute("SELECT body FROM positions WHERE account = ?", (self.name,))
            return [json.loads(body) for (body,) in rows]

    def events(self) -> list[dict[str, Any]]:
        """The EA's events that are on disk, oldest first."""
        with sqlite3.connect(f"file:{self.world.folder}/k.db?mode=ro", uri=True) as db:
            rows = db.execute("SELECT body FROM journal WHERE kind = 'EventBooked' ORDER BY rowid").fetchall()
        found = [json.loads(row[0]) for row in rows]
        return [body["evt"] for body in found if body["account"] == self.name]

    def order(self, order_id: str) -> dict[str, Any]:
        with sqlite3.connect(f"file:{self.world.folder}/k.db?mode=ro", uri=True) as db:
            row = db.execute("SELECT body FROM orders WHERE id = ?", (order_id,)).fetchone()
        return dict(json.loads(row[0]))

    async def becomes(self, order_id: str, state: str, within_s: float = 8.0) -> dict[str, Any]:
        """Wait until an order is in this state."""
        until = asyncio.get_running_loop().time() + within_s
        while (order := self.order(order_id))["state"] != state:
            if asyncio.get_running_loop().time() > until:
                raise AssertionError(f"{order_id} is {order['state']}, not {state}: {order}")
            await asyncio.sleep(0.02)
        return order

    async def asks(self, what: Callable[..., Awaitable[Any]], *args: Any, **more: Any) -> Any:
        """What a person asks for at the desk (:mod:`kakehashi.services.desk`), without starting a program for it."""
        store = open_store(self.world.store_url)
        await store.open()
        try:
            return await what(store, *args, by="test", at=SystemClock().now_ms(), **more)
        finally:
            await store.close()

    async def cli(self, *argv: str) -> Any:
        """A command of the installed program on this world's store: the data of its ``--json``."""

        def run() -> subprocess.CompletedProcess[bytes]:
            env = {k: v for k, v in os.environ.items() if not k.startswith("KAKEHASHI_")}
            env |= {"KAKEHASHI_STORE__URL": self.world.store_url, "PYTHONPYCACHEPREFIX": str(self.world.folder.parent)}
            return subprocess.run((*KAKEHASHI, *argv, "--json"), capture_output=True, env=env, timeout=60, check=False)

        done = await asyncio.to_thread(run)
        assert done.returncode == 0, done.stderr.decode()
        return json.loads(done.stdout)["data"]


@contextmanager
def linked_world(
    folder: Path, accounts: int, *, kind: type[World] = World, **settings: str
) -> Iterator[Iterator[Place]]:
    """Start a hub with so many accounts; each is given out once."""
    with kind(folder, **settings) as world:
        places = asyncio.run(_furnish(world, accounts))
        world.start_hub()
        yield iter(places)


async def _furnish(world: World, accounts: int) -> list[Place]:
    store = open_store(bootstrap.prepare_store(load_settings({"store.url": world.store_url})))
    await store.open()
    try:
        places = [Place(world, f"a{number:03}", str(700_000 + number), {}) for number in range(1, accounts + 1)]
        await asyncio.gather(*(_settle(store, place) for place in places))  # they share the commits
        return places
    finally:
        await store.close()


async def _settle(store: Store, place: Place) -> None:
    at = SystemClock().now_ms()
    await desk.add_account(store, Account(name=place.name, number=place.number), by="test", at=at)
    route = msgspec.structs.replace(plain_route(), name=f"r-{place.name}", accounts=(place.name,))
    await desk.put_route(store, route, by="test", at=at)
    for new in (
        create_token("ea", at=at, account=place.name),
        create_token("webhook", at=at, route=route.name),
    ):
        await store.put_token(new.row, AuditRow(at=at, actor="test", action="token", subject=new.row.id))
        place.secrets[new.row.scope], place.secrets[f"{new.row.scope}_id"] = new.secret, new.row.id
