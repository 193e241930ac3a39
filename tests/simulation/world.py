"""One seeded world: a broker, a wire, a hub, an EA, alerts, and everything that goes wrong; then calm, and the reckoning."""

import asyncio
import random
from collections.abc import Awaitable
from decimal import Decimal
from typing import Any

import msgspec
from tests.simulation.oracle import Verdicts, judge
from tests.simulation.processes import EaProcess, HubProcess, JournalFile, identity
from tests.simulation.server import NAMES, TradeServer
from tests.simulation.terminal import SimTerminal
from tests.simulation.virtual import EPOCH_MS, Machine, until
from tests.simulation.wire import Network

from kakehashi.domain.alerts import Action, Alert, Level, LevelUnit, OrderKind, Size, SizeUnit, TakeProfit
from kakehashi.domain.corrections import EXIT_OPENED
from kakehashi.domain.frames import order_crc, position_crc
from kakehashi.domain.link import Link
from kakehashi.domain.linkwords import LinkSettings
from kakehashi.domain.messages import SignalReceived
from kakehashi.domain.orders import TERMINAL, Order, State
from kakehashi.domain.rules import Route, RouteRules
from kakehashi.domain.values import Account, MarginMode
from kakehashi.domain.views import Signal
from kakehashi.ports import AuditRow, ConfigRow
from kakehashi.store.memory import Disk, MemoryStore
from kakehashi.terminal.core.words import AccountSpec
from kakehashi.terminal.core.words import MarginMode as TerminalMargin

ACCOUNT, ROUTE = "A", "r"
SETTLED_S = 5.0
LIVENESS_S = 900.0
SLACK_S = 2.0
_encode = msgspec.json.Encoder().encode


class World:
    """Everything of one seed.

    :ivar chaos_s: how long things go wrong, virtual seconds
    :ivar ttl_s: how long an entry may wait
    :ivar blind: on this netting account an exit may open a position (R10)
    :ivar bugs: exceptions that ended a process by themselves
    :ivar forgotten: orders that a restored backup does not know
    :ivar unsent: orders that it has as unsent, whatever its newer self had done with them: if one runs out before an EA
        comes that knows better, the backup cannot know
    """

    def __init__(
        self,
        seed: int,
        *,
        chaos_s: float = 180.0,
        netting: bool | None = None,
        blind: bool | None = None,
        loss: float = 0.01,
        ttl_s: int = 30,
    ) -> None:
        self.seed, self.chaos_s, self.ttl_s = seed, chaos_s, ttl_s
        self.loop = asyncio.get_running_loop()
        self.rng = self.dice("world")
        self.netting = self.rng.random() < 0.25 if netting is None else netting
        mode = TerminalMargin.NETTING if self.netting else TerminalMargin.HEDGING
        spec = AccountSpec(account=ACCOUNT, number="7001", margin_mode=mode, server="Sim-1")
        self.blind = self.netting and (self.dice("blind").random() < 0.5 if blind is None else blind)
        self.server = TradeServer(self.dice("server"), spec, seed, blind=self.dice("hurry") if self.blind else None)
        self.network = Network(ACCOUNT, self.dice("wire"), loss=loss)
        self.disk = Disk()
        self.settings = LinkSettings()
        self.bugs: list[BaseException] = []
        self.hub_machine = Machine(offset_ms=self.rng.randrange(-2000, 2000))
        self.hub: HubProcess | None = None
        self.ea: EaProcess | None = None
        self.others: list[EaProcess] = []
        self.journal = JournalFile()
        self.ea_machine = Machine(offset_ms=self.rng.randrange(-5000, 5000), boot_s=50_000.0)
        self._starts = 0
        self.orders: dict[str, Order] = {}
        self.accepted: dict[str, None] = {}
        self.signals = self.kills = 0
        self.faults: dict[str, int] = {}
        self.alarms: list[tuple[float, str, str]] = []
        self.blocked_until = 0.0
        self.calm = False
        self.restored = self.cloned = False
        self.forgotten: dict[str, None] = {}
        self.born: dict[str, float] = {}
        self.late: list[str] = []
        self.unsent: dict[str, None] = {}
        self.tasks: dict[asyncio.Task[Any], None] = {}

    def dice(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}:{name}")

    def beside(self, work: Awaitable[Any]) -> None:
        task = asyncio.ensure_future(work)
        self.tasks[task] = None
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[Any]) -> None:
        self.tasks.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self.bugs.append(error)

    def count(self, fault: str) -> None:
        self.faults[fault] = self.faults.get(fault, 0) + 1

    # -- setting up ---------------------------------------------------------------------------------------------------

    async def configure(self) -> None:
        store = MemoryStore(self.disk)
        await store.open()
        margin = MarginMode.NETTING if self.netting else MarginMode.HEDGING
        account = Account(name=ACCOUNT, number=self.server.spec.number, margin_mode=margin)
        rules = RouteRules(size_value=Decimal("0.10"), entry_ttl_s=self.ttl_s, reverse=False)
        route = Route(name=ROUTE, accounts=(ACCOUNT,), rules=rules, no_rails=True, symbols=NAMES)
        for kind, name, value in (("account", ACCOUNT, account), ("route", ROUTE, route)):
            body = _encode(msgspec.to_builtins(value, str_keys=True))
            row = ConfigRow(kind=kind, name=name, version=1, at=EPOCH_MS, by="sim", body=body)
            await store.put_config(row, AuditRow(at=EPOCH_MS, actor="sim", action="config", subject=name))
        await store.close()

    async def start_hub(self) -> None:
        hub = HubProcess(self.disk, self.hub_machine, self.network, self.settings, self.bugs)
        hub.on_death = self._hub_died
        self.hub = hub
        await hub.start()

    def _hub_died(self) -> None:
        self.kills += 1
        if not self.calm:
            self.beside(self._hub_again(self.rng.uniform(0.2, 6)))

    async def _hub_again(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        if self.hub is None or self.hub.group.dead:
            await self.remember()
            await self.start_hub()

    def start_ea(self, *, journal: JournalFile | None = None, machine: Machine | None = None) -> EaProcess:
        self._starts += 1
        rng = self.dice(f"ea-{self._starts}")
        machine = machine or self.ea_machine
        terminal = SimTerminal(self.server, machine, self.dice(f"terminal-{self._starts}"), calm=self.calm)
        ea = EaProcess(
            identity(self.server), self.server, machine, journal or self.journal, terminal, self.network, rng, self.bugs
        )
        ea.on_death = self._ea_died
        ea.on_request = self._requested
        return ea

    def _requested(self, command: str) -> None:
        """R9: however it came here, an entry that is older than its time to live is not sent."""
        born = self.born.get(command)
        if born is not None and self.loop.time() - born > self.ttl_s + SLACK_S:
            self.late.append(f"{command} was sent {self.loop.time() - born:.1f} s after its alert")

    def _ea_died(self) -> None:
        self.kills += 1
        self.beside(self._ea_again(self.rng.uniform(0.2, 8)))

    async def _ea_again(self, after_s: float) -> None:
        await asyncio.sleep(after_s)
        await self.ea_machine.awake()
        if self.ea is None or self.ea.group.dead:
            self.ea = self.start_ea()

    # -- alerts -------------------------------------------------------------------------------------------------------

    async def alerts(self) -> None:
        rng = self.dice("alerts")
        while True:
            await asyncio.sleep(rng.expovariate(1 / 1.2))
            self.signals += 1
            self.beside(self._send(self._alert(rng), f"k{self.signals}", again=rng.random() < 0.05))

    def _alert(self, rng: random.Random) -> Alert:
        symbol = rng.choice(NAMES)
        action = rng.choices(
            [Action.BUY, Action.SELL, Action.CLOSE, Action.CLOSE_LONG, Action.TP, Action.MODIFY, Action.CANCEL],
            [30, 26, 12, 4, 10, 10, 3],
        )[0]
        fields: dict[str, Any] = {}
        if action in (Action.BUY, Action.SELL):
            fields["size"] = Size(SizeUnit.LOTS, Decimal(rng.randrange(2, 20)).scaleb(-2))
            if rng.random() < 0.6:
                fields["sl"] = Level(LevelUnit.PIPS, Decimal(rng.randrange(3, 20)))
            if rng.random() < 0.4:
                fields["tps"] = (TakeProfit(Level(LevelUnit.PIPS, Decimal(rng.randrange(3, 20)))),)
            if rng.random() < 0.12:
                fields["kind"] = OrderKind.LIMIT
                fields["entry"] = Level(LevelUnit.PIPS, Decimal(rng.randrange(1, 8)))
        elif action is Action.MODIFY:
            fields["sl"] = Level(LevelUnit.PIPS, Decimal(rng.randrange(4, 25)))
        return Alert(format="sim", action=action, symbol=symbol, **fields)

    async def _send(self, alert: Alert, key: str, *, again: bool) -> None:
        """As a sender does: again until it is told that it was taken, and sometimes once more."""
        number = 0
        fired = self.hub_machine.now_ms()
        while not self.calm:
            hub = self.hub
            if hub is None or hub.trader is None or hub.group.dead:
                await asyncio.sleep(1.0)
                continue
            at = self.hub_machine.now_ms()
            number += 1
            signal = Signal(
                id=f"s-{key}-{number}", trace_id=f"t-{key}-{number}", strategy=ROUTE, token_id="t", idem=key,
                received_at=at, alert=alert, age_ms=max(0, at - fired),
            )  # fmt: skip
            wish = SignalReceived(at=at, signal=signal, idem_until=at + 3_600_000)
            task = hub.group.start(hub.trader.submit(wish, within_s=5.0))
            await asyncio.wait([task])
            if not task.cancelled() and task.exception() is None:
                heard = task.result().heard
                for leg in heard.legs if heard is not None else ():
                    if alert.action in (Action.BUY, Action.SELL):
                        self.born |= {name: self.born.get(name, self.loop.time()) for name in leg.orders}
                    self.accepted.update(dict.fromkeys(leg.orders))
                if not again:
                    return
                again = False
            await asyncio.sleep(1.0)

    # -- what is known ------------------------------------------------------------------------------------------------

    async def remember(self) -> None:
        """Every order on the disk, as it is: a backup that is put back must not make the oracle forget."""
        store = MemoryStore(self.disk)
        await store.open()
        for row in await store.rows("orders", limit=1_000_000, newest_first=False):
            order = msgspec.json.decode(row["body"], type=Order)
            if order.id in self.forgotten and self.orders[order.id].created_at != order.created_at:
                del self.forgotten[order.id]  # its name was given again: from now on it is this one's
            self.orders[order.id] = order

    async def forget(self) -> None:
        """An old copy was put back: what it does not hold, nobody can be asked for."""
        before = dict(self.orders)
        self.orders.clear()
        await self.remember()
        kept = set(self.orders)
        self.forgotten |= {name: None for name in before if name not in kept}
        self.unsent |= {name: None for name in kept if self.orders[name].state is State.QUEUED}
        self.orders = before | self.orders
        self.accepted = {name: None for name in self.accepted if name in kept}

    def block(self, seconds: float) -> None:
        """A fault lasts until then."""
        self.blocked_until = max(self.blocked_until, self.loop.time() + seconds)

    def unblock(self) -> None:
        self.blocked_until = self.loop.time()
        for connection in self.network.live:
            connection.unblock()

    @property
    def suspended(self) -> bool:
        """Whether a restored hub waits for a person."""
        link = self.link
        return link is not None and link.record.suspended

    @property
    def link(self) -> Link | None:
        hub = self.hub
        if hub is None or hub.trader is None or hub.group.dead or not hub.trader.available:
            return None
        return hub.trader.links.get(ACCOUNT)

    @property
    def fresh(self) -> bool:
        link = self.link
        return link is not None and link.fresh(self.hub_machine.now())

    @property
    def able(self) -> bool:
        """Whether nothing that was done to the world keeps the hub from knowing the account."""
        hub, ea = self.hub, self.ea
        return (
            hub is not None and hub.trader is not None and not hub.group.dead
            and ea is not None and not ea.group.dead and not ea.machine.asleep
            and ea.terminal.connected_at is not None
            and self.network.up and not self.others and self.loop.time() >= self.blocked_until
        )  # fmt: skip

    @property
    def mirrored(self) -> bool:
        """Whether the hub's mirror is what the broker has."""
        link, last = self.link, self.server.snapshots[-1]
        if link is None:
            return False
        return link.mirror._crcs == (position_crc(last.positions), order_crc(last.orders))

    # -- the end ------------------------------------------------------------------------------------------------------

    async def settle(self) -> bool:
        """Whether, after the faults have stopped, everything came to rest as it should."""
        since: float | None = None

        def resting() -> bool:
            nonlocal since
            if not self._quiet():
                since = None
            elif since is None:
                since = self.loop.time()
            return since is not None and self.loop.time() - since >= SETTLED_S

        return await until(resting, within_s=LIVENESS_S, every_s=0.5)

    def _quiet(self) -> bool:
        if self.server.busy or not self.fresh or not self.mirrored:
            return False
        if self.ea is not None and self.ea.shell.link._executions.in_flight:
            return False
        assert self.hub is not None
        assert self.hub.trader is not None
        resting = {o.magic for o in self.server.book.orders.values()}
        return all(
            o.state in TERMINAL or (o.state is State.PLACED and o.magic in resting)
            for o in self.hub.trader.engine.book.of(ACCOUNT)
        )

    async def verdicts(self, *, settled: bool) -> Verdicts:
        await self.remember()
        over = (State.EXPIRED, State.CANCELLED)
        unknowable = {name for name in self.unsent if self.orders[name].state in over}
        verdicts = judge(self.server, self.orders, self.accepted, unknowable | self.forgotten.keys())
        if not settled:
            why = f"fresh {self.fresh}, mirror right {self.mirrored}, broker busy {self.server.busy}"
            verdicts.wrong.append(f"it did not come to rest in {LIVENESS_S:.0f} s: {why}")
        elif self.hub is not None and self.hub.trader is not None:
            self._compare_engine(verdicts)
        verdicts.wrong += self._silent_about(verdicts.opened)
        verdicts.wrong += self.late
        verdicts.wrong += [f"{code} {text}" for _, code, text in self.alarms if code == "EXECUTED_AFTER_ALL"]
        verdicts.lost += [f"{code} {text}" for _, code, text in self.alarms if code == "EVENTS_LOST"]
        verdicts.wrong += [f"a process ended by itself: {error!r}" for error in self.bugs]
        return verdicts

    def _silent_about(self, opened: list[str]) -> list[str]:
        """Exits that opened something, of which nobody was told; a hub put back from an old copy may have forgotten."""
        told = {text.split(" ", 1)[0] for _, code, text in self.alarms if code == EXIT_OPENED}
        return [f"{name} opened something, and no incident says so" for name in opened if name not in told]

    def _compare_engine(self, verdicts: Verdicts) -> None:
        """What is shown and decided with must be the broker's too, not only the link's own mirror."""
        assert self.hub is not None
        assert self.hub.trader is not None
        mirror = self.hub.trader.engine.mirrors.get(ACCOUNT)
        shown = {(p.ticket, p.volume) for p in mirror.positions.values()} if mirror is not None else set()
        real = {(str(p.ticket), p.volume) for p in self.server.book.positions.values()}
        if shown != real:
            verdicts.wrong.append(f"positions shown {sorted(shown - real)}, at the broker {sorted(real - shown)}")
