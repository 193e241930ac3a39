"""kill -9 of hub and EA on the link, at random instants and at every named point, and a bad line between the two.

The judges are those of the mailbox's kill tests: the sender's 200s and the broker's ledger against the hub's own tables.
"""

import asyncio
import os
import random
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from bad_line import BadLine
from room import ACCOUNT
from test_kill import (
    EA,
    HUB,
    LINK_CRASHES,
    PATIENT,
    SOAK_KILLS,
    crashed_at_each,
    judged,
    killed_again_and_again,
    show_progress,
    store_url,
    under_load,
    until_live,
)
from world import World

from kakehashi.terminal.dying import Point

__all__ = ["store_url"]

# The EA's time passes four times as fast: what it cannot have any more in flight, the hub need not wait for.
HASTY = {"KAKEHASHI_LINK__NO_ANSWER_S": "4", "KAKEHASHI_LINK__IN_FLIGHT_S": "4"}
MOMENTS = ("SignalReceived", "DeliveriesLeased", "EventBooked")
"""What a commit makes durable: an alert before its 200, a command before its CMD, an event before its EVTA."""
POINTS = ("after_begin", "before_commit", "after_commit")


async def dies_at(world: World, point: Point, nth: int, token: str, link: str) -> None:
    """An EA that dies at its nth time at this point, and the one after it that lives."""
    await asyncio.to_thread(world.kill, "ea")
    world.start_linked_ea(ACCOUNT, "1001", token, "--link", link, "--die-at", f"{point}:{nth}")
    await asyncio.to_thread(world.wait_for_crash, "ea")
    world.start_linked_ea(ACCOUNT, "1001", token, "--link", link)
    await until_live(world)


@PATIENT
@pytest.mark.parametrize("link", ["ws", "poll"])
async def test_hub_and_linked_ea_killed_at_random_lose_and_double_nothing(tmp_path: Path, link: str) -> None:
    async with under_load(tmp_path, link=link, **HASTY) as (world, sender):
        await killed_again_and_again(world, [HUB, EA, ("hub", "ea")], 3, seed=30, longest_s=3.0)
        await until_live(world)
        seen = await judged(world, sender, filled=10)
    assert seen["doubtful"] == []


@PATIENT
async def test_a_hub_that_dies_around_the_commits_of_the_link_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with under_load(tmp_path, link="ws", **HASTY) as (world, sender):
        await crashed_at_each(world, LINK_CRASHES)
        await until_live(world)
        seen = await judged(world, sender, filled=10)
    assert seen["doubtful"] == []


@PATIENT
async def test_a_linked_ea_that_dies_with_an_order_at_the_broker_finds_it_and_makes_no_other(tmp_path: Path) -> None:
    async with under_load(tmp_path, link="ws", **HASTY) as (world, sender):
        await dies_at(world, Point.AFTER_SENT, 2, world.tokens["ea"], "ws")
        await dies_at(world, Point.IN_ORDER_SEND, 3, world.tokens["ea"], "ws")
        seen = await judged(world, sender, filled=5)
    assert seen["doubtful"] == []


@PATIENT
async def test_a_bad_line_between_hub_and_ea_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with under_load(tmp_path, link="ws", **HASTY) as (world, sender), BadLine(world.url, seed=5) as line:
        await asyncio.to_thread(world.kill, "ea")
        world.start_linked_ea(ACCOUNT, "1001", world.tokens["ea"], "--link", "ws", url=line.url)
        await until_live(world)
        await line.every_trouble()
        await until_live(world)
        seen = await judged(world, sender, filled=10)
    assert line.troubled >= 5
    assert seen["doubtful"] == []


# -- long


@pytest.mark.soak
@pytest.mark.parametrize("link", ["ws", "poll"])
async def test_hundreds_of_kills_of_hub_and_linked_ea_lose_and_double_nothing(tmp_path: Path, link: str) -> None:
    async with under_load(tmp_path, link=link, **HASTY) as (world, sender):
        await killed_again_and_again(world, [HUB, EA, ("hub", "ea")], SOAK_KILLS, seed=300, longest_s=4.0)
        await until_live(world)
        seen = await judged(world, sender, filled=SOAK_KILLS)
    assert seen["doubtful"] == []


@pytest.mark.soak
async def test_hub_and_linked_ea_that_die_at_every_point_lose_and_double_nothing(
    tmp_path: Path, store_url: str | None
) -> None:
    crashes = [(point, moment, nth) for nth in (1, 2, 3, 5) for point in POINTS for moment in MOMENTS]
    async with under_load(tmp_path, store_url, link="ws", **HASTY) as (world, sender):
        await crashed_at_each(world, crashes)
        await until_live(world)
        chance = random.Random(31)
        for number in range(1, int(os.environ.get("KK_SOAK_DEATHS", "5")) + 1):
            for point in Point:
                await dies_at(world, point, chance.randint(1, 5), world.tokens["ea"], "ws")
            show_progress(number * len(Point), 5 * len(Point))
        seen = await judged(world, sender)
    assert seen["doubtful"] == []
