"""kill -9 of every process, at random instants and at each point around the store's COMMIT, under load.

No acknowledged alert is lost, no order is doubled, and what cannot be known shows. The judges are in ``witnesses``.
Killed are processes; a power cut of the machine is not simulated.
"""

import asyncio
import contextlib
import itertools
import os
import random
import sys
from collections.abc import AsyncIterator, Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from replay import kept, replayed
from room import ACCOUNT, furnish, plain_route
from witnesses import Sender, verdict
from world import World

from kakehashi.domain.values import Account
from kakehashi.engine.state import EngineSettings
from kakehashi.services.ids import SystemClock
from kakehashi.services.mirrors import standings
from kakehashi.store.open import open_store

MAX_ATTEMPTS, RATE_PER_S = 50, 25
PATIENT = pytest.mark.timeout(240)
"""Dozens of process starts: half a minute on an idle machine, several times that on a busy one."""
SOAK_KILLS = int(os.environ.get("KK_SOAK_KILLS", "200"))
POINTS = ("after_begin", "after_orders", "before_commit", "after_commit")
ALERT, LEASE, RESULT = KINDS = ("SignalReceived", "DeliveriesLeased", "OrderReported")
"""What a commit makes durable: an alert before its 200, a lease before its delivery, a result before its ack."""

Crash = tuple[str, str, int]
LINK_CRASHES = (
    ("before_commit", "DeliveriesLeased", 2),
    ("after_commit", "DeliveriesLeased", 1),
    ("before_commit", "EventBooked", 2),
    ("after_commit", "EventBooked", 1),
)
"""Around what a linked EA waits for: that its command, and its event, are on disk."""
"""(point, kind, nth): at that point of the nth commit that journals an event of that kind"""

HUB, EA, BROKER = ("hub",), ("ea",), ("broker",)
EVERYBODY = (EA, BROKER, ("hub", "ea"), ("hub", "broker"), ("ea", "broker"), ("hub", "ea", "broker"))


@pytest.fixture(params=["sqlite", "postgres"])
def store_url(request: pytest.FixtureRequest) -> str | None:
    return None if request.param == "sqlite" else str(request.getfixturevalue("postgres_database"))


@contextlib.asynccontextmanager
async def under_load(
    folder: Path,
    store_url: str | None = None,
    *,
    ea_options: Sequence[str] = (),
    link: str = "",
    kind: type[World] = World,
    **settings: str,
) -> AsyncIterator[tuple[World, Sender]]:
    """Broker, hub and EA at work on a steady stream of alerts.

    :param ea_options: in place of its journal; such an EA is sent entries only
    :param link: ``ws`` or ``poll``: the EA speaks klink/1
    :param kind: whose EA it starts: the Python one, or another
    """
    lasting = settings | {"KAKEHASHI_MAILBOX__LEASE_S": "1.5", "KAKEHASHI_MAILBOX__MAX_ATTEMPTS": str(MAX_ATTEMPTS)}
    with kind(folder, store_url, **lasting) as world:
        store = open_store(world.store_url)
        await store.open()
        world.tokens = tokens = await furnish(
            store, plain_route(max_backlog=None), [Account(name=ACCOUNT, number="1001")]
        )
        await store.close()
        await asyncio.to_thread(world.start_broker)
        await asyncio.to_thread(world.start_hub)
        memory = ea_options or ("--journal", str(folder / "ea.journal"))
        if link:
            world.start_linked_ea(ACCOUNT, "1001", tokens["ea"], "--link", link)
            await until_live(world)
        else:
            world.start_ea(ACCOUNT, "1001", tokens["ea"], *memory)
        sender = Sender(world.url, tokens["webhook"], RATE_PER_S, entries_only=bool(ea_options))
        sender.start()
        try:
            yield world, sender
        finally:
            sender.cancel()


async def until_live(world: World, *, within_s: float = 60.0) -> None:
    """Until the account's mirror is proven."""
    store = open_store(world.store_url)
    await store.open()
    try:
        async with asyncio.timeout(within_s):
            while not any(s.fresh for s in (await standings(store, now=SystemClock().now_ms())).values()):
                await asyncio.sleep(0.1)
    finally:
        await store.close()


async def killed_again_and_again(
    world: World, victims: Iterable[Sequence[str]], kills: int, *, seed: int, longest_s: float = 2.0
) -> None:
    """Kill and start again ``kills`` times, at instants drawn from ``seed``; the victims come in turn."""
    chance, turn = random.Random(seed), itertools.cycle(victims)
    for number in range(1, kills + 1):
        if chance.random() < 0.75:  # at work; else anywhere from its first instruction to the end of loading
            await asyncio.to_thread(world.wait_for_hub)
        await asyncio.sleep(chance.uniform(0.0, longest_s))
        names = next(turn)
        for name in names:
            await asyncio.to_thread(world.kill, name)
        for name in names:
            world.restart(name)
        show_progress(number, kills)


async def crashed_at_each(world: World, crashes: Sequence[Crash]) -> None:
    """One hub after another that kills itself; at last one that lives."""
    await asyncio.to_thread(world.kill, "hub")
    for number, crash in enumerate(crashes, 1):
        world.start_crashing_hub(*crash)
        await asyncio.to_thread(world.wait_for_crash, "hub")
        show_progress(number, len(crashes))
    await asyncio.to_thread(world.start_hub)


def show_progress(done: int, of: int) -> None:
    """Every twenty, past pytest's capture: a soak is long."""
    if done % 20 == 0:
        print(f"{done}/{of} kills", file=sys.__stderr__, flush=True)


async def until_filled(world: World, count: int, *, within_s: float = 90.0) -> None:
    """Until so many orders are filled: a machine that is slow to start a hub has done little work between two deaths."""
    async with asyncio.timeout(within_s):
        while len(await world.rows("orders", state="FILLED")) < count:
            await asyncio.sleep(0.25)


async def judged(world: World, sender: Sender, *, filled: int = 0) -> dict[str, Any]:
    """The stream ends, every order comes to its end, the witnesses agree, and the journal rebuilds what the dead left.

    :param filled: how many orders at least are filled before the stream ends, so that something was tested
    """
    await until_filled(world, filled)
    await sender.finish()
    seen = await verdict(world, sender)
    await asyncio.to_thread(world.kill, "hub")
    store = open_store(world.store_url)
    await store.open()
    try:
        (counters,) = await store.rows("states", where={"key": "engine|hub"})
        prefix = msgspec.json.decode(counters["body"])["prefix"]
        want = await kept(store)
        found = await replayed(store, EngineSettings(prefix=prefix, max_attempts=MAX_ATTEMPTS))
    finally:
        await store.close()
    for part in ("signals", "orders", "fills", "memories"):
        assert getattr(found, part) == getattr(want, part), f"the journal tells another story of the {part}"
    print(seen)
    return seen


# -- at each point around COMMIT


async def survived(folder: Path, store_url: str | None, crashes: Sequence[Crash]) -> dict[str, Any]:
    """What the witnesses saw of a hub that died at each of these points."""
    async with under_load(folder, store_url) as (world, sender):
        await crashed_at_each(world, crashes)
        return await judged(world, sender)


@PATIENT
async def test_a_hub_that_dies_around_a_commit_loses_and_doubles_nothing(tmp_path: Path, store_url: str | None) -> None:
    early = [("after_begin", RESULT, 1), ("after_orders", ALERT, 1), ("before_commit", LEASE, 2)]
    late = [("after_commit", kind, 1) for kind in KINDS]
    seen = await survived(tmp_path, store_url, [*early, *late])
    assert seen["duplicates"] > 0, "no alert was written and its 200 lost: the hub did not die where it should"
    assert seen["redelivered"] > 0
    assert seen["doubtful"] == []


@pytest.mark.soak
async def test_a_hub_that_dies_at_every_point_of_many_commits_loses_and_doubles_nothing(
    tmp_path: Path, store_url: str | None
) -> None:
    every = [(point, kind, nth) for nth in (1, 2, 3, 5, 8) for point in POINTS for kind in KINDS]
    seen = await survived(tmp_path, store_url, every)
    assert seen["duplicates"] > 0
    assert seen["redelivered"] > 0
    assert seen["doubtful"] == []


@PATIENT
async def test_a_deal_whose_answer_the_ea_never_got_is_found_and_not_made_again(tmp_path: Path) -> None:
    async with under_load(tmp_path) as (world, sender):
        await asyncio.to_thread(world.kill, "broker")
        for point in ("after_ledger", "after_books"):
            world.start_crashing_broker(point, 7)
            await asyncio.to_thread(world.wait_for_crash, "broker")
        await asyncio.to_thread(world.start_broker)
        seen = await judged(world, sender, filled=10)
    assert seen["doubtful"] == []


# -- at random instants


@PATIENT
async def test_a_hub_killed_at_random_loses_no_alert_and_doubles_no_order(tmp_path: Path) -> None:
    async with under_load(tmp_path) as (world, sender):
        await killed_again_and_again(world, [HUB], 5, seed=20)
        seen = await judged(world, sender)
    assert seen["acknowledged"] > 50
    assert seen["states"]["FILLED"] > 20
    assert seen["doubtful"] == []


@PATIENT
async def test_ea_and_broker_killed_alone_and_with_the_hub_double_no_order(tmp_path: Path) -> None:
    async with under_load(tmp_path) as (world, sender):
        await killed_again_and_again(world, EVERYBODY, len(EVERYBODY), seed=21, longest_s=1.0)
        seen = await judged(world, sender, filled=20)
    assert seen["doubtful"] == []


@PATIENT
async def test_what_an_ea_without_memory_took_to_its_grave_is_a_dead_letter_and_no_second_order(tmp_path: Path) -> None:
    async with under_load(tmp_path, ea_options=("--legacy", "--die-after-poll", "5")) as (world, sender):
        await asyncio.to_thread(world.wait_for_end, "ea")
        world.start_ea(ACCOUNT, "1001", world.tokens["ea"], "--legacy")
        await killed_again_and_again(world, [EA], 3, seed=22, longest_s=1.0)
        seen = await judged(world, sender)
    assert seen["doubtful"]
    assert seen["codes"]["DEAD"] == {"OUTCOME_UNKNOWN"}
    assert seen["states"]["TAKEN"] > 10


@pytest.mark.soak
async def test_hundreds_of_kills_of_the_hub_lose_no_alert_and_double_no_order(tmp_path: Path) -> None:
    async with under_load(tmp_path) as (world, sender):
        await killed_again_and_again(world, [HUB], SOAK_KILLS, seed=200)
        seen = await judged(world, sender)
    assert seen["acknowledged"] > 15 * SOAK_KILLS
    assert seen["resent"] > 0
    assert seen["doubtful"] == []


@pytest.mark.soak
async def test_hundreds_of_kills_of_everybody_double_no_order(tmp_path: Path) -> None:
    async with under_load(tmp_path) as (world, sender):
        await killed_again_and_again(world, (HUB, *EVERYBODY), SOAK_KILLS, seed=201)
        seen = await judged(world, sender, filled=3 * SOAK_KILLS)
    assert seen["doubtful"] == []
