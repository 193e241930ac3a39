"""A :class:`~world.World` whose linked EAs are compiled ones."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from linkworld import Place
from world import World

from kakehashi.domain.linkwords import LinkState
from kakehashi.services.ids import SystemClock
from kakehashi.services.mirrors import standings
from kakehashi.store.open import open_store

PACE = 4.0
"""How much faster the EAs' time passes than the hub's."""
HASTY = {"KAKEHASHI_LINK__NO_ANSWER_S": "4", "KAKEHASHI_LINK__IN_FLIGHT_S": "4"}
"""The hub need not wait for what their broker cannot hold any more."""
TRANSPORTS = {"ws": "1", "poll": "2"}


class NativeWorld(World):
    """:ivar program: the compiled EA; a test's fixture sets it"""

    program: Path

    def start_linked_ea(
        self, account: str, number: str, token: str, *more: str, url: str = "", pace: float = PACE
    ) -> None:
        link = more[more.index("--link") + 1] if "--link" in more else "ws"
        self.start_compiled("ea", account, number, token, link=link, url=url, pace=pace)

    def start_compiled(
        self, name: str, account: str, number: str, token: str, *more: str,
        link: str = "ws", url: str = "", pace: float = PACE,
    ) -> None:  # fmt: skip
        """An EA on the chart of a terminal of its own: its data folder has the process's name."""
        inputs = {"HubUrl": f"{(url or self.url).replace('http', 'ws', 1)}/ea/v1", "Transport": TRANSPORTS[link]}
        argv = [str(self.program), "--account", account, "--number", number, "--balance", "1000000000"]
        argv += ["--broker", str(self._broker_socket), "--data", str(self.folder / name), "--pace", str(pace)]
        argv += [part for item in inputs.items() for part in ("--set", "=".join(item))]
        self._commands[name] = (*argv, "--set", f"Token={token}", *more)
        self.restart(name)


def native(place: Place) -> NativeWorld:
    assert isinstance(place.world, NativeWorld)
    return place.world


def start(place: Place, name: str = "", *, url: str = "", pace: float = PACE) -> None:
    native(place).start_compiled(name or place.name, place.name, place.number, place.token, url=url, pace=pace)


async def all_fresh(places: Sequence[Place], *, since: int = 0, within_s: float = 60.0) -> None:
    """Until the mirror of each is proven.

    :param since: ms UTC; who was proven before and has not been away since then does not count
    """
    store = open_store(places[0].world.store_url)
    await store.open()
    try:
        async with asyncio.timeout(within_s):
            while True:
                rows = {row["key"]: row["body"] for row in await store.rows("states", limit=1_000_000)}
                moved = {
                    place.name: msgspec.json.decode(rows[f"link|{place.name}"], type=LinkState).since
                    for place in places
                    if f"link|{place.name}" in rows
                }
                now = await standings(store, now=SystemClock().now_ms())
                if all(moved.get(place.name, 0) >= since and place.name in now for place in places) and all(
                    now[place.name].fresh for place in places
                ):
                    return
                await asyncio.sleep(0.05)
    finally:
        await store.close()
