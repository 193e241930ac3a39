"""What goes wrong, drawn from the seed: one row of PROTOCOL's failure cases after the other, several at a time."""

import asyncio
import sqlite3
from collections.abc import Mapping

from tests.simulation.processes import EaProcess, JournalFile, copy
from tests.simulation.server import CALM
from tests.simulation.virtual import Machine
from tests.simulation.world import ACCOUNT, World

from kakehashi.domain.errors import KakehashiError
from kakehashi.domain.messages import Ask, LinkAsked

COMMIT_POINTS = ("after_begin", "before_commit", "after_commit")
WRITE_POINTS = ("before", "torn", "after")


class Chaos:
    """The faults of one world. ``weights`` says how often which; a name left out never happens."""

    def __init__(self, world: World, weights: Mapping[str, float] | None = None, *, every_s: float = 9.0) -> None:
        self.world, self.rng = world, world.dice("chaos")
        self.weights = WEIGHTS if weights is None else weights
        self.every_s = every_s
        self._image: sqlite3.Connection | None = None

    async def run(self) -> None:
        """Until cancelled."""
        names, weights = list(self.weights), list(self.weights.values())
        while names:
            await asyncio.sleep(self.rng.expovariate(1 / self.every_s))
            name = self.rng.choices(names, weights)[0]
            self.world.count(name)
            work = getattr(self, name)()
            if asyncio.iscoroutine(work):
                self.world.beside(work)

    # -- the wire -----------------------------------------------------------------------------------------------------

    def cut(self) -> None:
        self.world.network.cut()

    async def blackhole(self) -> None:
        seconds = self.rng.uniform(1, 30)
        self.world.block(seconds)
        self.world.network.blackhole(seconds, both=self.rng.random() < 0.5)

    async def outage(self) -> None:
        seconds = self.rng.uniform(2, 60)
        self.world.block(seconds)
        self.world.network.up = False
        self.world.network.cut()
        await asyncio.sleep(seconds)
        self.world.network.up = True

    # -- the hub ------------------------------------------------------------------------------------------------------

    def kill_hub(self) -> None:
        hub = self.world.hub
        if hub is not None and not hub.group.dead:
            hub.kill(silent=self.rng.random() < 0.2)
            self.world._hub_died()

    def kill_hub_at_commit(self) -> None:
        if self.world.hub is not None:
            self.world.hub.doom = (self.rng.choice(COMMIT_POINTS), self.rng.randrange(12))

    async def slow_disk(self) -> None:
        rng = self.world.dice(f"disk-{self.world.loop.time()}")
        self.world.disk.fsync_s = lambda: rng.uniform(0.01, 0.8)
        await asyncio.sleep(self.rng.uniform(2, 10))
        self.world.disk.fsync_s = fast(self.world)

    def back_up(self) -> None:
        """The copy that :meth:`restore_hub` puts back later."""
        self._image = self.world.disk.image()

    async def restore_hub(self) -> None:
        """The machine is gone; an old copy is put back, and after a while a person lets it trade."""
        world = self.world
        if self._image is None or world.hub is None or world.hub.group.dead:
            return
        image, self._image = self._image, None
        await world.remember()
        world.hub.kill(silent=self.rng.random() < 0.5)
        world.kills += 1
        world.disk.restore(image)
        await world.forget()
        world.restored = True
        await asyncio.sleep(self.rng.uniform(1, 10))
        await world._hub_again(0)
        await asyncio.sleep(self.rng.uniform(5, 40))
        await confirm(world)

    def hub_clock(self) -> None:
        self.world.hub_machine.jump(self.rng.choice([-3_600_000, 3_600_000, -60_000, 45_000, 5_000]))

    # -- the EA -------------------------------------------------------------------------------------------------------

    def kill_ea(self) -> None:
        ea = self.world.ea
        if ea is not None and not ea.group.dead:
            ea.kill(power=False)
            self.world._ea_died()

    def kill_ea_at_write(self) -> None:
        ea = self.world.ea
        if ea is not None and not ea.group.dead:
            ea.journal.doom = (self.rng.choice(WRITE_POINTS), self.rng.randrange(8))

    def power_cut(self) -> None:
        """Also the journal's last lines are gone: they never reached the platter."""
        ea = self.world.ea
        if ea is not None and not ea.group.dead:
            ea.kill(power=True)
            ea.journal.lose(self.rng.randrange(7))
            self.world._ea_died()

    async def restart_ea(self) -> None:
        ea = self.world.ea
        if ea is not None and not ea.group.dead and not ea.machine.asleep:
            await ea.stop()
            self.world._ea_died()

    async def suspend(self) -> None:
        ea = self.world.ea
        if ea is not None and not ea.group.dead:
            await ea.machine.sleep(self.rng.uniform(0.5, 45), frozen=self.rng.random() < 0.5)

    def ea_clock(self) -> None:
        self.world.ea_machine.jump(self.rng.choice([-3_600_000, 3_600_000, -60_000, 45_000, 5_000]))

    async def clone(self) -> None:
        """The machine is copied while it runs; for a while both are there."""
        ea = self.world.ea
        if ea is not None and not ea.group.dead and not self.world.others:
            self.world.cloned = True
            await self._beside(copy(ea.journal))

    async def second(self) -> None:
        """Another EA on the same account, with a journal of its own."""
        if not self.world.others:
            await self._beside(JournalFile())

    async def _beside(self, journal: JournalFile) -> None:
        machine = Machine(offset_ms=self.rng.randrange(-5000, 5000), boot_s=self.rng.uniform(0, 9e4))
        other: EaProcess = self.world.start_ea(journal=journal, machine=machine)
        other.on_death = lambda: None
        self.world.others.append(other)
        await asyncio.sleep(self.rng.uniform(5, 40))
        other.kill(power=self.rng.random() < 0.5)
        self.world.kills += 1
        if other in self.world.others:
            self.world.others.remove(other)

    # -- the terminal and the broker ------------------------------------------------------------------------------------

    async def broker_away(self) -> None:
        ea = self.world.ea
        if ea is not None:
            ea.terminal.disconnect()
            await asyncio.sleep(self.rng.uniform(0.5, 40))
            ea.terminal.connect()

    def by_hand(self) -> None:
        self.world.server.by_hand()

    def stop_out(self) -> None:
        self.world.server.crash()


WEIGHTS = {
    "cut": 10.0, "blackhole": 8.0, "outage": 3.0,
    "kill_hub": 4.0, "kill_hub_at_commit": 8.0, "slow_disk": 2.0, "back_up": 2.0, "restore_hub": 0.7, "hub_clock": 1.5,
    "kill_ea": 4.0, "kill_ea_at_write": 8.0, "power_cut": 4.0, "restart_ea": 2.0, "suspend": 3.0, "ea_clock": 1.5,
    "clone": 1.0, "second": 1.0,
    "broker_away": 5.0, "by_hand": 9.0, "stop_out": 0.7,
}  # fmt: skip


def fast(world: World):
    rng = world.dice("disk")
    return lambda: rng.uniform(0.0005, 0.004)


async def confirm(world: World) -> None:
    """A person lets a restored hub trade again."""
    hub = world.hub
    if hub is None or hub.trader is None or hub.group.dead:
        return
    ask = LinkAsked(at=world.hub_machine.now_ms(), account=ACCOUNT, ask=Ask.CONFIRM, by="sim")
    task = hub.group.start(hub.trader.submit(ask))
    await asyncio.wait([task])
    if not task.cancelled() and isinstance(task.exception(), KakehashiError):
        return


async def calm_down(world: World) -> None:
    """No fault any more: whoever is dead is started, whoever is too many is gone."""
    world.calm = True
    world.network.up, world.network.harsh = True, False
    world.server.chances = CALM
    for other in world.others:
        other.kill(power=False)
    world.others.clear()
    if world.hub is not None:
        world.hub.doom = None
    world.disk.fsync_s = fast(world)
    world.unblock()
    await asyncio.sleep(0)
    if world.ea is not None:
        world.ea.journal.doom = None
        world.ea.terminal.calm = True
        world.ea.terminal.connect()
    if world.ea is None or world.ea.group.dead:
        world.ea = world.start_ea()
    await world._hub_again(0)
