"""A :class:`~world.World` whose linked EAs are compiled ones."""

import asyncio
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from linkworld import Place
from world import World

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


def start(place: Place, name: str = "", *, url: str = "") -> None:
    native(place).start_compiled(name or place.name, place.name, place.number, place.token, url=url)


async def all_fresh(places: Sequence[Place], *, within_s: float = 60.0) -> None:
    """Until the mirror of each is proven."""
    store = open_store(places[0].world.store_url)
    await store.open()
    try:
        async with asyncio.timeout(within_s):
            while True:
                now = await standings(store, now=SystemClock().now_ms())
                if all(place.name in now and now[place.name].fresh for place in places):
                    return
                await asyncio.sleep(0.05)
    finally:
        await store.close()
