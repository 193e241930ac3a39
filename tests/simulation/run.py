"""One seed from its beginning to the reckoning, and what was measured on the way."""

import asyncio
import contextlib
import logging
import random
from collections.abc import Iterator, Mapping
from typing import Any

import msgspec
import structlog
from tests.simulation import virtual
from tests.simulation.chaos import Chaos, calm_down, confirm, fast
from tests.simulation.world import World

from kakehashi.domain.incidentkinds import kind_of
from kakehashi.domain.incidents import Severity
from kakehashi.domain.link import Link
from kakehashi.domain.linkwords import Alarm
from kakehashi.services import trader, turn

SAMPLE_S = 0.25
PAGE_S = 20.0
WRONG_S = 3.0


class Report(msgspec.Struct, kw_only=True):
    """One seed's figures. Times are virtual seconds."""

    seed: int
    hours: float = 0.0
    commands: int = 0
    faults: int = 0
    kills: int = 0
    lost: list[str] = []
    doubled: list[str] = []
    wrong: list[str] = []
    false_alerts: int = 0
    pages: int = 0
    false_pages: int = 0
    recoveries: list[float] = []
    fresh_s: float = 0.0
    wrong_fresh_s: float = 0.0
    kinds: dict[str, int] = {}

    @property
    def clean(self) -> bool:
        return not (self.lost or self.doubled or self.wrong)


class Watch:
    """Looks at the world four times a virtual second."""

    def __init__(self, world: World, report: Report) -> None:
        self._world, self._report = world, report
        self._able_since: float | None = None
        self._hurt = False
        self._stale_since: float | None = None
        self._paged = False
        self._wrong_since: float | None = None

    async def run(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_S)
            self.look()

    def look(self) -> None:
        world, report, now = self._world, self._report, self._world.loop.time()
        able, fresh = world.able, world.fresh
        if not able:
            self._able_since = None
            self._hurt = True
        elif self._able_since is None:
            self._able_since = now
        if fresh:
            report.fresh_s += SAMPLE_S
            if self._hurt and self._able_since is not None and self._stale_since is not None:
                report.recoveries.append(round(now - max(self._able_since, self._stale_since), 3))
            self._stale_since, self._paged = None, False
            self._hurt = self._hurt and not able
        elif self._stale_since is None:
            self._stale_since = now
        self._page(now)
        self._mirror(now, fresh=fresh)

    def _page(self, now: float) -> None:
        """Stale for longer than 20 s; false where nothing was wrong for all that time."""
        if self._stale_since is None or self._paged or now - self._stale_since <= PAGE_S:
            return
        self._paged = True
        self._report.pages += 1
        if self._able_since is not None and now - self._able_since > PAGE_S and not self._world.suspended:
            self._report.false_pages += 1

    def _mirror(self, now: float, *, fresh: bool) -> None:
        if not fresh or self._world.mirrored:
            self._wrong_since = None
            return
        if self._wrong_since is None:
            self._wrong_since = now
        elif now - self._wrong_since >= WRONG_S:
            self._report.wrong_fresh_s += SAMPLE_S if now - self._wrong_since > WRONG_S + SAMPLE_S / 2 else WRONG_S


@contextlib.contextmanager
def observed(world: World) -> Iterator[None]:
    """Note every alarm that a link of this world raises; take the hub's chance from the seed."""
    really, prefix, leap = Link.step, turn.new_prefix, trader.new_leap
    rng = world.dice("prefix")

    def step(self: Link, event: Any) -> Any:
        steps = really(self, event)
        for fact in steps.facts:
            if isinstance(fact, Alarm):
                world.alarms.append((world.loop.time(), fact.code, f"{fact.subject} {fact.text}"))
        return steps

    def seeded(*, but: frozenset[int] = frozenset()) -> int:
        while (found := rng.randrange(1, 2**15)) in but:
            pass
        return found

    Link.step, turn.new_prefix = step, seeded  # type: ignore[method-assign]
    trader.new_leap = lambda: rng.randrange(1, 2**22)
    try:
        yield
    finally:
        Link.step, turn.new_prefix, trader.new_leap = really, prefix, leap  # type: ignore[method-assign]


def quiet() -> None:
    """The product's log is of no use at a thousand virtual restarts a minute."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(50), cache_logger_on_first_use=False)


async def live(world: World, report: Report, chaos: Chaos) -> None:
    """The whole life of one world."""
    with observed(world):
        world.disk.fsync_s = fast(world)
        await world.configure()
        world.beside(world.server.run())
        await world.start_hub()
        world.ea = world.start_ea()
        watch = Watch(world, report)
        work = [asyncio.ensure_future(w) for w in (watch.run(), world.alerts(), chaos.run())]
        await asyncio.sleep(world.chaos_s)
        work[1].cancel()
        work[2].cancel()
        await calm_down(world)
        await asyncio.sleep(30)
        if world.suspended:
            await confirm(world)
        settled = await world.settle()
        verdicts = await world.verdicts(settled=settled)
        report.lost, report.doubled, report.wrong = verdicts.lost, verdicts.doubled, verdicts.wrong
        work[0].cancel()
    await _end(world)
    report.hours = world.loop.time() / 3600
    report.commands, report.kills = len(world.orders), world.kills
    report.kinds = dict(sorted((world.faults | world.network.faults | world.server.fates).items()))
    report.faults = sum(n for kind, n in report.kinds.items() if kind not in ("fine", "back_up"))
    _count_alarms(world, report)


def _count_alarms(world: World, report: Report) -> None:
    """Pages by code: what wakes a person must have had its fault."""
    cause = {
        "HUB_RESTORED": world.restored,
        "INSTANCE_CLONED": world.cloned,
        "EXIT_OPENED": world.blind,
    }
    for _, code, _ in world.alarms:
        report.false_alerts += code == "MIRROR_MISMATCH"
        if kind_of(code).severity is Severity.CRITICAL:
            report.pages += 1
            report.false_pages += not cause.get(code, False)


async def _end(world: World) -> None:
    if world.ea is not None:
        world.ea.kill(power=False)
    if world.hub is not None:
        world.hub.kill(silent=False)
    for task in list(world.tasks):
        task.cancel()
    await asyncio.sleep(0.1)


def run_seed(
    seed: int,
    *,
    chaos_s: float | None = None,
    weights: Mapping[str, float] | None = None,
    every_s: float = 9.0,
    **options: Any,
) -> Report:
    """Everything of one seed; the same seed gives the same report.

    :param weights: other faults, or how often, than :data:`~tests.simulation.chaos.WEIGHTS`
    :param options: of the :class:`~tests.simulation.world.World`
    """
    quiet()
    report = Report(seed=seed)

    async def main() -> None:
        world = World(seed, chaos_s=chaos_s or random.Random(f"{seed}:length").uniform(60, 180), **options)
        await live(world, report, Chaos(world, weights, every_s=every_s))

    virtual.run(main())
    return report
