"""Law 8: a store's journal, folded through a fresh Engine, must give the store's own rows."""

from typing import Any

import msgspec

from kakehashi.domain.messages import Recorded
from kakehashi.domain.orders import Fill, Order
from kakehashi.domain.views import RouteMemory
from kakehashi.engine.engine import Engine
from kakehashi.engine.state import EngineSettings
from kakehashi.ports import Store

ALL = 10_000_000


class Picture(msgspec.Struct, kw_only=True):
    """What an engine's decisions leave behind. ``signals``: id to (status, code)."""

    orders: dict[str, Order] = {}
    fills: dict[str, Fill] = {}
    memories: dict[str, RouteMemory] = {}
    signals: dict[str, tuple[str, str]] = {}


async def kept(store: Store) -> Picture:
    """As the tables have it."""
    states = {row["key"]: row["body"] for row in await store.rows("states", limit=ALL)}
    return Picture(
        orders=await _decoded(store, "orders", Order),
        fills=await _decoded(store, "fills", Fill),
        memories={
            key.removeprefix("memory|"): msgspec.json.decode(body, type=RouteMemory)
            for key, body in states.items()
            if key.startswith("memory|")
        },
        signals={row["id"]: (row["status"], row["code"]) for row in await store.rows("signals", limit=ALL)},
    )


async def replayed(store: Store, settings: EngineSettings) -> Picture:
    """As the journal tells it, from the first event on."""
    engine, out = Engine(settings), Picture()
    for _, line in await store.journal(owner="hub", limit=ALL):
        recorded = msgspec.json.decode(line.body, type=Recorded)
        done = engine.process(recorded.event, views=recorded.views)
        out.orders |= done.orders
        out.fills |= done.fills
        out.memories |= done.memories
        if done.heard is not None:
            out.signals[done.heard.signal.id] = (done.heard.status, done.heard.code)
    return out


async def _decoded(store: Store, table: str, kind: type[Any]) -> dict[str, Any]:
    rows = await store.rows(table, limit=ALL)
    return {row["id"]: msgspec.json.decode(row["body"], type=kind) for row in rows}
