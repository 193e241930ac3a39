"""A hundred compiled EAs, killed with their hub at random while alerts flow; then EAs alone, and the hub must not grow.

``KK_SOAK_EAS`` (100) and ``KK_SOAK_KILLS`` (200) set how many. Judges are the sender's 200s and the broker's ledger.
"""

import asyncio
import os
import random
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from linkworld import Place, linked_world
from native_world import HASTY, NativeWorld, all_fresh, start
from test_kill import SOAK_KILLS
from tests.native.building import Build
from witnesses import Sender, settled, verdict

EAS = int(os.environ.get("KK_SOAK_EAS", "100"))
ALERTS_PER_S = 25
LEAST = 32
"""Descriptors of a hub without EAs (22), and ten to spare; each EA has one connection."""
SHARE_OF_HUB = 0.2
"""How many of the kills befall the hub."""
CACHED_KB, CACHES = 65_536, 2
"""What SQLite keeps of the store's file in memory (``cache_size``), on the writer's connection and on a reader's: until they
are full, the hub grows as the file does."""
FREE_KB = 3_072
"""What EAs that come and go may leave in the hub beyond that."""


@dataclass(frozen=True)
class Size:
    """A process as /proc has it. :ivar resident: kB, as ``store`` is: the size of the store's files"""

    resident: int
    descriptors: int
    threads: int
    store: int = 0

    @classmethod
    def of(cls, pid: int, store: Path | None = None) -> "Size":
        proc = Path(f"/proc/{pid}")
        words = {line.split(":")[0]: line.split(":")[1] for line in (proc / "status").read_text().splitlines()}
        files = (store, store.with_name(f"{store.name}-wal")) if store else ()
        held = sum(file.stat().st_size for file in files if file.exists()) // 1024
        return cls(int(words["VmRSS"].split()[0]), len([*(proc / "fd").iterdir()]), int(words["Threads"]), held)

    def grown(self, since: "Size") -> int:
        """KB beyond what the store's cache took."""
        return self.resident - since.resident - (min(self.store, CACHED_KB) - min(since.store, CACHED_KB))

    def __str__(self) -> str:
        held = f"; store {self.store / 1024:.1f} MB" if self.store else ""
        return f"{self.resident / 1024:.1f} MB, {self.descriptors} descriptors, {self.threads} threads{held}"


def say(text: str) -> None:
    print(text, file=sys.__stderr__, flush=True)


@pytest.fixture
def places(tmp_path: Path, build: Build) -> Iterator[list[Place]]:
    class Compiled(NativeWorld):
        program = build("HastyEA").program

    with linked_world(tmp_path, EAS, kind=Compiled, **HASTY) as each:
        found = list(each)
        found[0].world.start_broker()
        yield found


async def killed(places: Sequence[Place], kills: int, chance: random.Random, *, hub: float) -> None:
    """One EA, a few, or the hub, or both, at random instants; all of them are started again at once.

    :param hub: how many of the kills befall the hub
    """
    world = places[0].world
    done = 0
    while done < kills:
        await asyncio.sleep(chance.uniform(0.0, 1.0))
        victims = [place.name for place in chance.sample(places, chance.choice((1, 1, 1, min(3, len(places)))))]
        if chance.random() < hub:
            if chance.random() < 0.75:  # at work; else while it starts
                await asyncio.to_thread(world.wait_for_hub)
            victims = ["hub", *victims[: chance.randint(0, 1)]]
        for name in victims:
            await asyncio.to_thread(world.kill, name)
        for name in victims:
            world.restart(name)
        if done // 20 != (done + len(victims)) // 20:
            say(f"{done + len(victims)}/{kills} kills, hub {Size.of(world.running['hub'].pid)}")
        done += len(victims)


async def at_rest(places: Sequence[Place], flow: Sender) -> Size:
    """The hub, once every alert has come to its end, every EA is there, and nobody else is connected."""
    world = places[0].world
    await flow.finish()
    await asyncio.to_thread(world.wait_for_hub)
    await settled(world, within_s=300)
    await all_fresh(places, within_s=120)
    pid, store = world.running["hub"].pid, world.folder / "k.db"
    async with asyncio.timeout(30):  # the connections of the alerts are closed by now, or in a moment
        while (size := Size.of(pid, store)).descriptors > LEAST + len(places):
            await asyncio.sleep(0.2)
    eas = [Size.of(world.running[place.name].pid) for place in places]
    memory, most = sum(ea.resident for ea in eas) / 1024, max(ea.descriptors for ea in eas)
    say(f"at rest: hub {size}; {len(eas)} EAs {memory:.0f} MB, at most {most} descriptors each")
    say(f"{flow.number} alerts, {flow.resent} sent again")
    return size


@pytest.mark.soak
@pytest.mark.timeout(0)
async def test_a_hundred_compiled_eas_killed_with_their_hub_lose_and_double_nothing_and_nothing_leaks(
    places: list[Place],
) -> None:
    world, chance = places[0].world, random.Random(500)
    tokens = [place.secrets["webhook"] for place in places]
    flow = Sender(world.url, tokens[0], ALERTS_PER_S, others=tokens[1:])
    flow.word = lambda number: "CLOSE" if number // len(places) % 3 == 2 else "LONG"  # positions come and go
    for place in places:
        start(place)
    await all_fresh(places, within_s=180)
    flow.start()
    try:
        await killed(places, SOAK_KILLS, chance, hub=SHARE_OF_HUB)
        await at_rest(places, flow)
        flow.start()
        await killed(places, SOAK_KILLS // 2, chance, hub=0.0)
        rests = [await at_rest(places, flow)]
        for _ in range(2):  # without alerts: what the hub holds of EAs that were killed has to go
            await killed(places, SOAK_KILLS // 2, chance, hub=0.0)
            rests.append(await at_rest(places, flow))
    finally:
        flow.cancel()
    seen = await verdict(world, flow)
    say(f"{ {k: v for k, v in seen.items() if k != 'doubtful'} }, doubtful {len(seen['doubtful'])}")
    assert seen["doubtful"] == []
    assert seen["states"]["FILLED"] > SOAK_KILLS
    told = [str(size) for size in rests]
    assert {size.threads for size in rests} == {rests[0].threads}, told
    assert rests[-1].grown(rests[-2]) < FREE_KB, told
