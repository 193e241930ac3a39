"""What is true after a start or a lost store: the engine, its links and what is on disk of them, read from the tables."""

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple

import msgspec

from kakehashi.domain.linkwords import LinkSettings, LinkState
from kakehashi.domain.messages import ConfigChanged
from kakehashi.domain.orders import TERMINAL, Order, State
from kakehashi.domain.values import Instrument, Millis
from kakehashi.domain.views import BrokerPosition, RouteMemory
from kakehashi.engine.engine import Engine
from kakehashi.engine.links import Links
from kakehashi.engine.mirror import Mirror
from kakehashi.engine.state import EngineSettings
from kakehashi.ports import Clock, Ownership, Store
from kakehashi.services.ids import clocks
from kakehashi.services.scribe import Counters, Scribe, StoredSignal
from kakehashi.services.watch import Watch, WatchSettings, look_at, standing

LIVE_STATES = tuple(s.value for s in State if s not in TERMINAL or s is State.DEAD)
ORDERS_REMEMBERED = 10_000


class Loaded(NamedTuple):
    """:ivar versions: of each piece of configuration that the engine knows, by (kind, name)"""

    engine: Engine
    links: Links
    scribe: Scribe
    versions: dict[tuple[str, str], int]
    watch: Watch


class Rules(NamedTuple):
    """What the trader's parts are told once."""

    engine: EngineSettings
    link: LinkSettings
    watch: WatchSettings


async def load(store: Store, ownership: Ownership, clock: Clock, rules: Rules) -> Loaded:
    """:param rules: the engine's prefix counts only where the store holds none
    :raises Unavailable: the store does not answer
    """
    state = {r["key"]: r["body"] for r in await store.rows("states", limit=1_000_000)}
    counters = Counters()
    if (raw := state.get(f"engine|{ownership.owner}")) is not None:
        counters = msgspec.json.decode(raw, type=Counters)
    prefix = counters.prefix or rules.engine.prefix
    engine = Engine(msgspec.structs.replace(rules.engine, prefix=prefix))
    engine.seq = counters.seq
    loaded = Loaded(
        engine,
        Links(engine, rules.link),
        Scribe(engine, ownership, clock, counters),
        {},
        Watch(rules.watch, look=look_at(lambda: engine)),
    )
    for key, raw in state.items():
        _load_state(loaded, key, raw)
    await _load_mirrors(store, loaded, state)
    linked = await _load_orders(store, engine)

    said = clocks(clock)

    def set_back(order: Order) -> Millis:
        return counters.eras.set_back_since(order.seq, said)

    now, at = int(clock.monotonic() * 1000), clock.now_ms()
    for key, raw in state.items():
        kind, _, name = key.partition("|")
        if kind == "link" and name in engine.accounts:
            kept = msgspec.json.decode(raw, type=LinkState)
            loaded.links.load(name, kept, linked.get(name, ()), now=now, at=at, set_back=set_back)
            loaded.links.see_routes(name)
    loaded.watch.load(
        at=at,
        incidents=await standing(store),
        states=state,
        accounts=engine.accounts.values(),
        orders=[o for name in engine.book.accounts for o in engine.book.of(name).standing(*State)],
        heard={name: m.reported_at for name, m in engine.mirrors.items() if m.reported_at and name not in loaded.links},
    )
    return loaded


def new_prefix(*, but: frozenset[int] = frozenset()) -> int:
    """15 random bits, non-zero, once per installation: two hubs on one account never share a magic (R18)."""
    while (prefix := secrets.randbelow(2**15 - 1) + 1) in but:
        pass
    return prefix


def new_leap() -> int:
    """How many command numbers a start leaves out: up to four million of the 2^40 there are.

    A hub that was put back from an old copy counts on from that copy's last number, as its forgotten future did; with the
    clock set back too, the time of day does not part the two. Chance does (R20).
    """
    return 1 + secrets.randbelow(2**22)


def _load_state(loaded: Loaded, key: str, raw: Any) -> None:
    kind, _, name = key.partition("|")
    engine = loaded.engine
    if kind == "config":
        event = msgspec.json.decode(raw, type=ConfigChanged)
        engine.process(event)
        loaded.versions[(event.kind, event.name)] = event.version
    elif kind == "memory":
        engine.memories[name] = msgspec.json.decode(raw, type=RouteMemory)


async def _load_mirrors(store: Store, loaded: Loaded, state: Mapping[str, Any]) -> None:
    """Of each account its mirror's own row, its symbols and its positions."""
    mirrors = loaded.engine.mirrors
    for key, raw in state.items():
        if key.startswith("mirror|"):
            mirrors[key.partition("|")[2]] = msgspec.json.decode(raw, type=Mirror)
    for row in await store.rows("positions", limit=1_000_000):
        if (mirror := mirrors.get(row["account"])) is not None:
            held = msgspec.json.decode(row["body"], type=BrokerPosition)
            mirror.positions[held.ident] = held
    for name, mirror in mirrors.items():
        if (raw := state.get(f"symbols|{name}")) is not None:
            mirror.instruments = msgspec.json.decode(raw, type=dict[str, Instrument])
        loaded.scribe.found(name, mirror.positions, mirror.instruments)


async def _load_orders(store: Store, engine: Engine) -> Mapping[str, list[Order]]:
    """Fill the book; the orders of each account that went out over its link."""
    linked: dict[str, list[Order]] = {}
    live = await store.rows("orders", where={"state": LIVE_STATES}, limit=1_000_000, newest_first=False)
    for row in live:
        order = msgspec.json.decode(row["body"], type=Order)
        engine.book.put(order)
        if order.linked:
            linked.setdefault(order.account, []).append(order)
        if order.held:
            for kept in await store.rows("signals", where={"id": order.signal_id}, limit=1):
                engine.signals[order.id] = msgspec.json.decode(kept["body"], type=StoredSignal).signal
    for name in engine.accounts:
        rows = await store.rows("orders", where={"account": name}, limit=ORDERS_REMEMBERED)
        for row in reversed(rows):
            order = msgspec.json.decode(row["body"], type=Order)
            engine.know_magic(order)
            if order.terminal:
                engine.book.put(order)  # so that a result repeated after a restart is known for what it is
                if order.linked and order.state in (State.NOT_EXECUTED, State.CANCELLED):
                    linked.setdefault(name, []).append(order)
    return linked
