"""What an order comes to, whichever way it goes to a terminal: by mailbox, by link, by polls of the link, in a session.

Real processes: hub, simulated broker, executor, and for sessions the bridge. The judges are the hub's orders and the ledger.
"""

import asyncio
import socket
import sys
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from linkworld import Place, linked_world
from test_kill import until_live

from kakehashi.domain.orders import TERMINAL
from kakehashi.terminal.client import BrokerClient

pytestmark = pytest.mark.timeout(120)
VENUES = ("mailbox", "link ws", "link poll", "session")
LOTS, HALF = Decimal("0.10"), Decimal("0.05")


class Venue:
    """One account and its executor, which can be killed and started again."""

    def __init__(self, place: Place, kind: str) -> None:
        self.place, self.kind, self._bridge = place, kind, ""

    async def start(self) -> None:
        place, world = self.place, self.place.world
        memory = ("--journal", str(world.folder / "ea.journal"))
        if self.kind == "mailbox":
            world.start_ea(place.name, place.number, place.token, *memory)
        elif self.kind == "session":
            await self._start_session(memory)
        else:
            world.start_linked_ea(place.name, place.number, place.token, "--link", self.kind.split()[1])
        await until_live(world)

    async def _start_session(self, memory: tuple[str, ...]) -> None:
        place, world = self.place, self.place.world
        if not self._bridge:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            broker = str(world.folder / "b.sock")
            world.spawn("bridge", "run", "bridge", "--port", str(port), "--broker", broker)
            self._bridge = f"http://127.0.0.1:{port}"
            await answers(f"{self._bridge}/livez")
            self._token = (await place.cli("token", "create", "--scope", "session"))["token"]
        who = ("--account", place.name, "--token", place.token, "--login", place.number, "--password", "any")
        where = ("--url", world.url, "--bridge", self._bridge, "--session-token", self._token)
        world.spawn("ea", "ea", "session", *who, *where, "--poll-s", "0.05", "--report-s", "0.5", *memory)

    async def kill(self) -> None:
        await asyncio.to_thread(self.place.world.kill, "ea")

    def volumes(self) -> list[tuple[str, Decimal]]:
        return [(deal["entry"], Decimal(deal["volume"])) for deal in self.place.world.ledger()]

    async def flat(self) -> None:
        """Until the hub sees no position any more."""
        async with asyncio.timeout(20):
            while self.place.held():
                await asyncio.sleep(0.05)


async def answers(url: str) -> None:
    async with asyncio.timeout(60), httpx.AsyncClient() as http:
        while True:
            try:
                if (await http.get(url)).status_code == 200:
                    return
            except httpx.HTTPError:
                await asyncio.sleep(0.1)


@pytest.fixture(params=VENUES)
def venue(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Venue]:
    hasty = {
        "KAKEHASHI_LINK__NO_ANSWER_S": "4",
        "KAKEHASHI_LINK__IN_FLIGHT_S": "4",
        "KAKEHASHI_MAILBOX__LEASE_S": "1.5",
    }
    with linked_world(tmp_path, 1, XDG_DATA_HOME=str(tmp_path), **hasty) as places:
        place = next(places)
        place.world.start_broker()
        yield Venue(place, request.param)


async def test_an_entry_is_filled_closed_in_parts_and_turned(venue: Venue) -> None:
    await venue.start()
    place = venue.place
    (entry,) = await place.alert("LONG", id="1")
    bought = await place.becomes(entry, "FILLED", 20)
    assert Decimal(bought["filled_volume"]) == LOTS
    assert Decimal(bought["filled_price"]) == Decimal(place.world.ledger()[0]["price"])
    (half,) = await place.alert("TP", id="2")
    await place.becomes(half, "FILLED", 20)
    closed, turned = await place.alert("REVERSE", id="3")
    await place.becomes(closed, "FILLED", 20)
    await place.becomes(turned, "FILLED", 20)
    (rest,) = await place.alert("CLOSE", id="4")
    await place.becomes(rest, "FILLED", 20)
    await venue.flat()
    assert venue.volumes() == [("IN", LOTS), ("OUT", HALF), ("OUT", HALF), ("IN", LOTS), ("OUT", LOTS)]


async def test_a_pending_order_rests_and_is_cancelled(venue: Venue) -> None:
    await venue.start()
    place = venue.place
    (entry,) = await place.alert("LONG", id="1", order_type="limit", entry_price=1.05)
    await place.becomes(entry, "PLACED", 20)
    (cancel,) = await place.alert("CANCEL", id="2")
    await place.becomes(cancel, "DONE", 20)
    await place.becomes(entry, "CANCELLED", 20)
    assert venue.volumes() == []


async def test_a_pending_order_that_the_price_reaches_is_filled_and_can_be_closed(venue: Venue) -> None:
    await venue.start()
    place, broker = venue.place, BrokerClient(str(venue.place.world.folder / "b.sock"))
    (entry,) = await place.alert("LONG", id="1", order_type="limit", entry_price=1.05)
    await place.becomes(entry, "PLACED", 20)
    await broker.set_price("EURUSD", Decimal("1.0490"))
    await broker.close()
    bought = await place.becomes(entry, "FILLED", 20)
    assert Decimal(bought["filled_volume"]) == LOTS
    (closed,) = await place.alert("CLOSE", id="2")
    await place.becomes(closed, "FILLED", 20)
    await venue.flat()
    assert venue.volumes() == [("IN", LOTS), ("OUT", LOTS)]


async def test_an_executor_that_is_killed_leaves_no_order_behind_and_makes_none_twice(venue: Venue) -> None:
    await venue.start()
    place, orders = venue.place, list[str]()
    for n in range(6):
        orders += await place.alert("LONG", id=str(n))
        if n in (2, 4):
            await venue.kill()
            await venue.start()
    async with asyncio.timeout(60):
        while any(place.order(o)["state"] not in TERMINAL for o in orders):
            await asyncio.sleep(0.1)
    filled = [o for o in orders if place.order(o)["state"] == "FILLED"]
    assert len(filled) == len(place.world.ledger())
    assert len({deal["magic"] for deal in place.world.ledger()}) == len(filled)
    assert len(filled) >= 2  # what was under way at a death may have come to nothing
