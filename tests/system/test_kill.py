"""kill -9 of the hub at random instants under load: no acknowledged alert is lost, no order is doubled.

Two witnesses share no code with the hub: the sender's log of every 200, and the simulated broker's ledger. Killed here is
the process; a power cut of the machine is not simulated.
"""

import asyncio
import collections
import random
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from room import ACCOUNT, ROUTE, furnish, plain_route
from world import World

from kakehashi.domain.orders import TERMINAL
from kakehashi.domain.values import Account
from kakehashi.store.migrate import upgrade
from kakehashi.store.sqlite import SqliteStore

ENDED = {state.value for state in TERMINAL}
EXIT_EVERY = 50


class Sender:
    """Sends numbered alerts at a steady pace, as TradingView does: what was not answered 200 is sent again."""

    def __init__(self, url: str, token: str, rate_per_s: float) -> None:
        self.url, self.pause_s = f"{url}/webhook/tradingview/{token}", 1 / rate_per_s
        self.acknowledged: list[tuple[str, str, str]] = []
        """(alert, status, signal id) of every 200."""
        self.resent = 0
        self.other: collections.Counter[int] = collections.Counter()
        self.stop = asyncio.Event()

    async def run(self) -> None:
        async with httpx.AsyncClient(timeout=10) as http, asyncio.TaskGroup() as sending:
            number = 0
            while not self.stop.is_set():
                number += 1
                sending.create_task(self._deliver(http, number))
                await asyncio.sleep(self.pause_s)

    async def _deliver(self, http: httpx.AsyncClient, number: int) -> None:
        word = "CLOSE" if number % EXIT_EVERY == 0 else "LONG"
        body = {"signal": word, "symbol": "EURUSD", "timeframe": "5", "id": f"n{number}"}
        for _ in range(40):
            try:
                answer = await http.post(self.url, json=body)
            except httpx.HTTPError:
                self.resent += 1
                await asyncio.sleep(0.25)
                continue
            if answer.status_code == 200:
                said = answer.json()
                self.acknowledged.append((f"n{number}", said["status"], said["signal_id"]))
                return
            self.other[answer.status_code] += 1
            await asyncio.sleep(0.25)
        raise AssertionError(f"alert n{number} was never taken: {dict(self.other)}")


async def killed_again_and_again(folder: Path, kills: int, *, seed: int, rate_per_s: float = 25) -> dict[str, Any]:
    """Run the world, kill its hub ``kills`` times, let it settle, and hold the witnesses against the store."""
    chance = random.Random(seed)
    upgrade(f"sqlite:///{folder}/k.db")
    store = SqliteStore(str(folder / "k.db"))
    await store.open()
    tokens = await furnish(store, plain_route(max_backlog=None), [Account(name=ACCOUNT, number="1001")])
    await store.close()
    with World(folder, KAKEHASHI_MAILBOX__LEASE_S="1.5", KAKEHASHI_MAILBOX__MAX_ATTEMPTS="50") as world:
        await asyncio.to_thread(world.start_broker)
        await asyncio.to_thread(world.start_hub)
        world.start_ea(ACCOUNT, "1001", tokens["ea"], "--balance", "1000000000")
        sender = Sender(world.url, tokens["webhook"], rate_per_s)
        load = asyncio.create_task(sender.run())
        for _ in range(kills):
            if chance.random() < 0.75:  # at work; else anywhere from its first instruction to the end of loading
                await asyncio.to_thread(world.wait_for_hub)
            await asyncio.sleep(chance.uniform(0.0, 2.0))
            await asyncio.to_thread(world.kill_hub)
            world.start_hub(wait=False)
        await asyncio.sleep(2.0)
        sender.stop.set()
        async with asyncio.timeout(30):
            await load
        orders = await settled(world, within_s=30)
        signals = await world.rows("signals")
        fills = await world.rows("fills")
        ledger = world.ledger()
    return verdict(sender, orders, signals, fills, ledger)


async def settled(world: World, *, within_s: float) -> list[dict[str, Any]]:
    """The orders, once each has come to an end."""
    until = time.monotonic() + within_s
    while True:
        orders = await world.rows("orders")
        open_ones = collections.Counter(o["state"] for o in orders if o["state"] not in ENDED)
        if not open_ones:
            return orders
        if time.monotonic() > until:
            raise AssertionError(f"not settled: {open_ones}\n{world.log('hub.log')}\n{world.log(f'ea-{ACCOUNT}.log')}")
        await asyncio.sleep(0.25)


def verdict(
    sender: Sender,
    orders: list[dict[str, Any]],
    signals: list[dict[str, Any]],
    fills: list[dict[str, Any]],
    ledger: list[dict[str, Any]],
) -> dict[str, Any]:
    """The checks; what was counted is returned, so that a run that tested nothing shows."""
    taken = {s["id"]: s for s in signals}
    names = [s["body"]["signal"]["alert"]["id"] for s in signals if s["status"] != "duplicate"]
    lost = [a for a in sender.acknowledged if a[2] not in taken]
    assert lost == [], "acknowledged and not in the store"
    assert len(names) == len(set(names)), "an alert was taken twice"
    assert {a[0] for a in sender.acknowledged} == set(names)

    entries = collections.defaultdict(set)
    for deal in ledger:
        if deal["entry"] == "IN":
            entries[deal["magic"]].add(deal["order"])
    doubled = {magic: found for magic, found in entries.items() if len(found) > 1}
    assert doubled == {}, "one command, several entries at the broker"
    ours = {str(o["body"]["magic"]): o for o in orders}
    assert set(entries) <= set(ours), "the broker has an entry nobody ordered"

    filled_entries = {m for m, o in ours.items() if o["body"]["op"] == "OPEN" and o["state"] == "FILLED"}
    assert filled_entries == set(entries), "the hub's fills and the broker's deals differ"
    closed = {str(deal["position"]) for deal in ledger if deal["entry"] == "OUT"}
    exits = [o["body"] for o in orders if o["body"]["op"] == "CLOSE" and o["state"] == "FILLED"]
    assert {o["target"] for o in exits if o["target"]} <= closed, "an exit is FILLED and the broker closed nothing"
    assert {o["id"] for o in orders if o["state"] == "FILLED"} <= {f["order_id"] for f in fills}
    return {
        "acknowledged": len(sender.acknowledged),
        "resent": sender.resent,
        "other": dict(sender.other),
        "states": dict(collections.Counter(o["state"] for o in orders)),
        "redelivered": sum(1 for o in orders if o["body"].get("attempt", 0) > 1),
        "deals": len(ledger),
        "route": ROUTE,
    }


async def test_five_kills_lose_no_alert_and_double_no_order(tmp_path: Path) -> None:
    seen = await killed_again_and_again(tmp_path, 5, seed=20)
    assert seen["acknowledged"] > 100
    assert seen["states"]["FILLED"] > 100


@pytest.mark.soak
async def test_two_hundred_kills_lose_no_alert_and_double_no_order(tmp_path: Path) -> None:
    seen = await killed_again_and_again(tmp_path, 200, seed=200, rate_per_s=25)
    assert seen["acknowledged"] > 3_000
    assert seen["resent"] > 0
