"""kill -9, bad lines, rivals and crowds, with the compiled EA on a real hub and a real simulated broker.

The worlds and their judges are those of the Python EA's tests (tests/system): the sender's 200s and the broker's ledger
against the hub's own tables.
"""

import asyncio
import itertools
import signal
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from bad_line import BadLine
from linkworld import Place, linked_world
from native_world import HASTY, PACE, NativeWorld, all_fresh, start
from room import ACCOUNT, plain_route
from test_kill import (
    EA,
    HUB,
    LINK_CRASHES,
    SOAK_KILLS,
    crashed_at_each,
    judged,
    killed_again_and_again,
    under_load,
    until_live,
)
from tests.native.building import Build

from kakehashi.services import desk
from kakehashi.services.ids import SystemClock

pytestmark = pytest.mark.timeout(300)  # compiling takes a while on a busy machine


@pytest.fixture
def world(build: Build) -> type[NativeWorld]:
    class Compiled(NativeWorld):
        program = build("HastyEA").program

    return Compiled


@pytest.fixture
def places(request: pytest.FixtureRequest, tmp_path: Path, world: type[NativeWorld]) -> Iterator[list[Place]]:
    """As many accounts as the test asks for, without EAs yet."""
    with linked_world(tmp_path, request.param, kind=world, **HASTY) as each:
        found = list(each)
        found[0].world.start_broker()
        yield found


async def traded(place: Place, order: str) -> list[Decimal]:
    """The volumes that the broker dealt for an order, once it has come to its end."""
    magic = place.order(order)["magic"]
    return [Decimal(d["volume"]) for d in place.world.ledger() if d["magic"] == str(magic)]


# -- kills


async def test_hub_and_compiled_ea_killed_at_random_lose_and_double_nothing(
    tmp_path: Path, world: type[NativeWorld]
) -> None:
    async with under_load(tmp_path, link="ws", kind=world, **HASTY) as (running, sender):
        await killed_again_and_again(running, [HUB, EA, ("hub", "ea")], 3, seed=40, longest_s=3.0)
        await until_live(running)
        seen = await judged(running, sender)
    assert seen["states"]["FILLED"] > 10
    assert seen["doubtful"] == []


async def test_a_hub_that_dies_around_its_commits_loses_and_doubles_nothing_with_a_compiled_ea(
    tmp_path: Path, world: type[NativeWorld]
) -> None:
    async with under_load(tmp_path, link="ws", kind=world, **HASTY) as (running, sender):
        await crashed_at_each(running, LINK_CRASHES)
        await until_live(running)
        seen = await judged(running, sender)
    assert seen["states"]["FILLED"] > 10
    assert seen["doubtful"] == []


async def test_a_bad_line_to_a_compiled_ea_loses_and_doubles_nothing(tmp_path: Path, world: type[NativeWorld]) -> None:
    async with (
        under_load(tmp_path, link="ws", kind=world, **HASTY) as (running, sender),
        BadLine(running.url, seed=6) as line,
    ):
        await asyncio.to_thread(running.kill, "ea")
        running.start_linked_ea(ACCOUNT, "1001", running.tokens["ea"], "--link", "ws", url=line.url)
        await until_live(running)
        await line.every_trouble()
        await until_live(running)
        seen = await judged(running, sender)
    assert line.troubled >= 5
    assert seen["states"]["FILLED"] > 10
    assert seen["doubtful"] == []


# -- rivals, latecomers, crowds


@pytest.mark.parametrize("places", [1], indirect=True)
async def test_of_two_eas_on_one_account_the_second_is_refused_and_the_first_goes_on(places: list[Place]) -> None:
    (place,) = places
    start(place)
    await all_fresh(places)
    start(place, "rival")
    rival = place.world.running["rival"]
    async with asyncio.timeout(30):
        while "LEASE_HELD" not in place.world.log("rival"):
            assert rival.poll() is None
            await asyncio.sleep(0.05)
    await all_fresh(places)
    (order,) = await place.alert("LONG")
    await place.becomes(order, "FILLED")
    assert await traded(place, order) == [Decimal("0.10")]
    assert rival.poll() is None


@pytest.mark.parametrize("places", [1], indirect=True)
async def test_an_entry_whose_time_ran_out_while_its_terminal_stood_still_is_never_traded(places: list[Place]) -> None:
    (place,) = places
    rules = msgspec.structs.replace(plain_route().rules, entry_ttl_s=2)
    route = msgspec.structs.replace(plain_route(), name=f"r-{place.name}", accounts=(place.name,), rules=rules)
    await place.asks(desk.put_route, route)
    start(place)
    await all_fresh(places)
    terminal = place.world.running[place.name]
    terminal.send_signal(signal.SIGSTOP)
    (late,) = await place.alert("LONG", id="late")
    await place.becomes(late, "SENT")
    await asyncio.sleep(3)  # the pause itself
    terminal.send_signal(signal.SIGCONT)
    await place.becomes(late, "EXPIRED")
    assert [(e["st"], e["reason"]) for e in place.events()] == [("EXPIRED", "TTL")]
    await all_fresh(places)
    (soon,) = await place.alert("LONG", id="soon")
    await place.becomes(soon, "FILLED")
    assert [d["magic"] for d in place.world.ledger()] == [str(place.order(soon)["magic"])]


async def entered(place: Place, name: str) -> str:
    """Send an entry until the hub takes it: an EA that has just come back may be late with a heartbeat. The order's id."""
    async with asyncio.timeout(60):
        for number in itertools.count():
            said = await place.answer("LONG", id=f"{name}-{number}")
            if said["status"] == "queued":
                return str(said["legs"][0]["orders"][0])
            assert said["code"] == "STALE_ACCOUNT", said
            await asyncio.sleep(0.5)
    raise AssertionError


async def storm(places: list[Place], *, storms: int, pace: float) -> tuple[list[list[Decimal]], float]:
    """Every connection is cut at once, then the hub is killed, again and again; each time every EA comes back and trades.

    :returns: the lots that the broker dealt for each entry; seconds from the worst storm to the last mirror proven again
    """
    worst, dealt = 0.0, []
    async with BadLine(places[0].world.url, seed=8) as line:
        for place in places:
            start(place, url=line.url, pace=pace)
        await all_fresh(places, within_s=120)
        for number in range(storms):
            cut = SystemClock().now_ms()
            if number % 2 == 0:
                line.reset()
            else:
                await asyncio.to_thread(places[0].world.kill, "hub")
                places[0].world.restart("hub")
                await asyncio.to_thread(places[0].world.wait_for_hub)
            begun = time.monotonic()
            await all_fresh(places, since=cut, within_s=120)
            worst = max(worst, time.monotonic() - begun)
            placed = await asyncio.gather(*(entered(place, f"s{number}") for place in places))
            for place, order in zip(places, placed, strict=True):
                await place.becomes(order, "FILLED", 30)
                dealt.append(await traded(place, order))
    return dealt, worst


@pytest.mark.parametrize("places", [10], indirect=True)
async def test_ten_compiled_eas_that_lose_their_hub_at_once_all_come_back_and_trade(places: list[Place]) -> None:
    dealt, _ = await storm(places, storms=2, pace=PACE)
    assert dealt == [[Decimal("0.10")]] * 20
    assert len(places[0].world.ledger()) == 20


# -- long


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("places", [100], indirect=True)
async def test_a_hundred_compiled_eas_storm_back_again_and_again(places: list[Place]) -> None:
    dealt, worst = await storm(places, storms=6, pace=1.0)
    assert dealt == [[Decimal("0.10")]] * 600
    assert len(places[0].world.ledger()) == 600
    print(f"100 EAs were back {worst:.1f} s after the worst storm", file=sys.__stderr__, flush=True)


@pytest.mark.soak
@pytest.mark.timeout(0)
@pytest.mark.parametrize("link", ["ws", "poll"])
async def test_hundreds_of_kills_of_hub_and_compiled_ea_lose_and_double_nothing(
    tmp_path: Path, world: type[NativeWorld], link: str
) -> None:
    async with under_load(tmp_path, link=link, kind=world, **HASTY) as (running, sender):
        await killed_again_and_again(running, [HUB, EA, ("hub", "ea")], SOAK_KILLS, seed=400, longest_s=4.0)
        await until_live(running)
        seen = await judged(running, sender)
    assert seen["states"]["FILLED"] > SOAK_KILLS
    assert seen["doubtful"] == []
