"""What the kill tests are judged by: the sender's log of every 200 and the broker's ledger, which share no code with the
hub, held against the hub's own tables.
"""

import asyncio
import collections
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import httpx
from world import World

from kakehashi.domain.orders import TERMINAL

ENDED = {state.value for state in TERMINAL}
DOUBTFUL = {"UNKNOWN", "DEAD"}
"""States that say that a person has to look."""
UNTOLD = DOUBTFUL | {"TAKEN"}
"""States that do not claim to know what was executed."""
EXIT_EVERY, PART_EVERY = 120, 40


def word(number: int) -> str:
    """What the alert of this number asks for: mostly entries, now and then half of everything, or all, to be closed."""
    return "CLOSE" if number % EXIT_EVERY == 0 else "TP" if number % PART_EVERY == 0 else "LONG"


class Sender:
    """Sends numbered alerts at a steady pace until told to stop; what was not answered 200 is sent again.

    Harsher than TradingView, which sends again after a 5xx only: here a connection that broke is tried again too, so that
    every alert that died in the hub's hands comes back, and one that it had written comes twice.

    :param others: tokens of more routes: each is sent to in turn
    """

    def __init__(
        self, url: str, token: str, rate_per_s: float, *, entries_only: bool = False, others: Sequence[str] = ()
    ) -> None:
        self.word = (lambda _: "LONG") if entries_only else word
        self.doors = [f"{url}/webhook/tradingview/{each}" for each in (token, *others)]
        self.pause_s = 1 / rate_per_s
        self.acknowledged: list[tuple[str, str, str]] = []
        """(alert, status, signal id) of every 200."""
        self.resent, self.number = 0, 0
        self.other: collections.Counter[int] = collections.Counter()
        self._stop = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Also after :meth:`finish`: the numbers go on."""
        self._stop.clear()
        self._running = asyncio.create_task(self._run())

    async def finish(self) -> None:
        """No new alert; those on their way arrive."""
        self._stop.set()
        assert self._running is not None
        async with asyncio.timeout(60):
            await self._running

    def cancel(self) -> None:
        if self._running is not None:
            self._running.cancel()

    async def _run(self) -> None:
        async with (
            httpx.AsyncClient(timeout=10, limits=httpx.Limits(max_connections=None)) as http,
            asyncio.TaskGroup() as sending,
        ):
            while not self._stop.is_set():
                self.number += 1
                sending.create_task(self._deliver(http, self.number))
                await asyncio.sleep(self.pause_s)

    async def _deliver(self, http: httpx.AsyncClient, number: int) -> None:
        body = {"signal": self.word(number), "symbol": "EURUSD", "timeframe": "5", "id": f"n{number}"}
        for _ in range(400):  # on a busy machine a hub may take seconds to come back, many times over
            try:
                answer = await http.post(self.doors[number % len(self.doors)], json=body)
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


async def settled(world: World, *, within_s: float = 90) -> list[dict[str, Any]]:
    """The orders, once each has come to an end."""
    orders: list[dict[str, Any]] = []
    try:
        async with asyncio.timeout(within_s):
            while True:
                orders = await world.rows("orders")
                if all(order["state"] in ENDED for order in orders):
                    return orders
                await asyncio.sleep(0.25)
    except TimeoutError:
        still = collections.Counter(o["state"] for o in orders if o["state"] not in ENDED)
        raise AssertionError(f"not settled: {still}\n{world.logs()}") from None


async def verdict(world: World, sender: Sender) -> dict[str, Any]:
    """Wait for the end of every order, then compare; what was counted is returned, so that a run that tested nothing shows.

    ``doubtful`` are the ids of orders whose outcome nobody could learn: each shows as UNKNOWN or in the dead letters.
    """
    orders = await settled(world)
    signals, fills = await world.rows("signals"), await world.rows("fills")
    ledger = world.ledger()
    every_alert_is_there_once(sender, signals, orders)
    doubtful = every_order_was_executed_once(orders, ledger)
    assert {o["id"] for o in orders if o["state"] == "FILLED"} <= {f["order_id"] for f in fills}
    codes: dict[str, set[str]] = collections.defaultdict(set)
    for order in orders:
        codes[order["state"]].add(order["code"])
    return {
        "acknowledged": len(sender.acknowledged),
        "resent": sender.resent,
        "duplicates": sum(1 for a in sender.acknowledged if a[1] == "duplicate"),
        "other": dict(sender.other),
        "states": dict(collections.Counter(o["state"] for o in orders)),
        "ops": dict(collections.Counter(o["body"]["op"] for o in orders)),
        "redelivered": sum(1 for o in orders if o["body"].get("attempt", 0) > 1),
        "codes": dict(codes),
        "doubtful": doubtful,
        "deals": len(ledger),
    }


def every_alert_is_there_once(sender: Sender, signals: list[dict[str, Any]], orders: list[dict[str, Any]]) -> None:
    taken = {s["id"]: s for s in signals}
    assert [a for a in sender.acknowledged if a[2] not in taken] == [], "acknowledged and not in the store"
    first = {s["body"]["signal"]["alert"]["id"]: s for s in signals if s["status"] != "duplicate"}
    assert len(first) == sum(s["status"] != "duplicate" for s in signals), "an alert was taken twice"
    assert {a[0] for a in sender.acknowledged} == set(first)
    ordered = collections.Counter(o["signal_id"] for o in orders if o["body"]["op"] == "OPEN")
    entries = {
        s["id"]: 1 for name, s in first.items() if s["status"] == "queued" and sender.word(int(name[1:])) == "LONG"
    }
    assert ordered == entries, "an entry that was queued has not exactly one order"


def every_order_was_executed_once(orders: list[dict[str, Any]], ledger: list[dict[str, Any]]) -> list[str]:
    """Each deal belongs to an order, no order traded twice or more than the hub knows; the ids of the doubtful."""
    ours = {str(o["magic"]): o for o in orders}
    executed: dict[str, Decimal] = collections.defaultdict(Decimal)
    acts: dict[str, set[int]] = collections.defaultdict(set)
    for deal in ledger:
        assert deal["magic"] in ours, f"the broker has a deal nobody ordered: {deal}"
        executed[deal["magic"]] += Decimal(deal["volume"])
        if deal["entry"] == "IN":
            acts[deal["magic"]].add(deal["order"])
    assert {m: found for m, found in acts.items() if len(found) > 1} == {}, "one command, several entries"
    assert len(ledger) == len({deal["deal"] for deal in ledger}), "the ledger has a deal twice"
    for magic, order in ours.items():
        done, known, wanted = executed[magic], Decimal(order["filled_volume"]), order["volume"]
        assert wanted is None or done <= Decimal(wanted), f"more was traded than ordered: {order}"
        assert done == known or order["state"] in UNTOLD, f"the broker traded {done}, the hub knows {known}: {order}"
    return [o["id"] for o in orders if o["state"] in DOUBTFUL]
