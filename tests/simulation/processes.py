"""The product's own processes on virtual time: a hub on a disk, EAs on machines. Each can be killed anywhere, and starts again.

A killed process does nothing more: its tasks are cancelled, and whatever they still try meets a dead disk, line and terminal.
"""

import asyncio
import random
from collections.abc import Callable
from typing import Any

import msgspec
from tests.simulation.server import TradeServer
from tests.simulation.terminal import SimTerminal
from tests.simulation.virtual import Machine
from tests.simulation.wire import EaLine, Network

from kakehashi.domain.errors import KakehashiError
from kakehashi.domain.frames import Cmd
from kakehashi.domain.linkwords import LinkSettings
from kakehashi.services.trader import Trader
from kakehashi.store.memory import Disk, MemoryStore
from kakehashi.terminal.core.link_words import Identity, Input, Passed, Trade
from kakehashi.terminal.core.words import Position
from kakehashi.terminal.shell import EaShell

PREFIX = 0x2BAD


class Killed(BaseException):
    """The process ended in the middle of this call."""


class Group:
    """The tasks of one process: killed together, at once, without a word.

    :ivar faults: exceptions that ended one of them while the process was to live: bugs
    """

    def __init__(self, faults: list[BaseException]) -> None:
        self.dead = False
        self._faults = faults
        self._tasks: dict[asyncio.Task[Any], None] = {}

    def start(self, work: Any) -> asyncio.Task[Any]:
        task = asyncio.ensure_future(work)
        self._tasks[task] = None
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[Any]) -> None:
        self._tasks.pop(task, None)
        if task.cancelled():
            return
        error = task.exception()
        if error is not None and not self.dead and not isinstance(error, KakehashiError):
            self._faults.append(error)

    def kill(self) -> None:
        self.dead = True
        for task in list(self._tasks):
            task.cancel()


class HubProcess:
    """One hub from start to kill; the :class:`~kakehashi.store.memory.Disk` outlives it.

    :ivar doom: (crash point, how many more times it is passed): there it dies
    """

    def __init__(
        self, disk: Disk, machine: Machine, network: Network, settings: LinkSettings, faults: list[BaseException]
    ) -> None:
        self.disk, self.machine, self.network, self.settings = disk, machine, network, settings
        self.group = Group(faults)
        self.doom: tuple[str, int] | None = None
        self.on_death: Callable[[], None] = lambda: None
        self.trader: Trader | None = None
        self.store = MemoryStore(disk)
        self.store.crash_point = self._crash_point

    async def start(self) -> None:
        await self.store.open()
        ownership = await self.store.claim("hub", holder="sim")
        trader = self.make(self.store, self.machine, ownership)
        await trader.start()
        self.group.start(trader.run())
        self.trader = trader
        self.network.hub = trader.gateway

    def make(self, store: MemoryStore, machine: Machine, ownership: Any) -> Trader:
        return Trader(
            store, machine, ownership, max_attempts=5, stale_ms=30_000, link_settings=self.settings, prefix=PREFIX
        )

    def _crash_point(self, where: str) -> None:
        if self.group.dead:
            raise Killed(where)
        if self.doom is None or self.doom[0] != where:
            return
        point, left = self.doom
        self.doom = (point, left - 1)
        if left <= 0:
            self.kill(silent=False)
            self.on_death()
            raise Killed(where)

    def kill(self, *, silent: bool) -> None:
        if self.group.dead:
            return
        self.trader = None
        self.group.kill()
        self.store.killed()
        self.network.hub_died(silent=silent)


class JournalFile:
    """An EA's journal on its machine's disk. The power may take its last lines, or the half of one.

    :ivar doom: (``before``, ``torn`` or ``after`` a write, how many more writes): there the EA dies
    """

    def __init__(self, raw: bytes = b"") -> None:
        self.raw = bytearray(raw)
        self.dead = False
        self.doom: tuple[str, int] | None = None
        self.on_death: Callable[[], None] = lambda: None
        self.on_flat: Callable[[str], None] = lambda _: None

    def read(self) -> bytes:
        return bytes(self.raw)

    def append(self, raw: bytes) -> None:
        if self.dead:
            raise Killed("dead")
        if self.doom is not None:
            point, left = self.doom
            self.doom = (point, left - 1)
            if left <= 0:
                self.raw += {"before": b"", "torn": raw[: len(raw) // 2], "after": raw}[point]
                self.on_death()
                raise Killed(point)
        self.raw += raw
        if b"ALREADY_FLAT" in raw:
            self.on_flat(msgspec.json.decode(raw.split(b" ", 3)[3])["evt"]["id"])

    def cut(self, size: int) -> None:
        del self.raw[size:]

    def lose(self, lines: int) -> None:
        """The last whole lines were never on the platter."""
        kept = bytes(self.raw).split(b"\n")[:-1]
        self.raw = bytearray(b"".join(line + b"\n" for line in kept[: max(0, len(kept) - lines)]))


class _Shell(EaShell):
    """The product's shell on a machine that may sleep: what is not held up by its own parts is held up here."""

    def _take(self, event: Input) -> None:
        machine = self._clock
        if isinstance(event, Passed) and isinstance(machine, Machine) and machine.asleep:
            return
        super()._take(event)


class EaProcess:
    """One EA, from start to kill or stop; its machine and its journal outlive it."""

    def __init__(
        self,
        identity: Identity,
        server: TradeServer,
        machine: Machine,
        journal: JournalFile,
        terminal: SimTerminal,
        network: Network,
        rng: random.Random,
        faults: list[BaseException],
    ) -> None:
        self.machine, self.journal, self.terminal, self.network = machine, journal, terminal, network
        self.server = server
        self.group = Group(faults)
        self.on_death: Callable[[], None] = lambda: None
        terminal.on_trade = self._witness
        self.on_request: Callable[[str], None] = lambda _: None
        self._faults = faults
        journal.on_flat = self._flat
        journal.dead, journal.doom, journal.on_death = False, None, self._died
        self.shell = _Shell(
            identity, terminal=terminal, journal_file=journal, connect=self._connect, clock=machine, rng=rng
        )
        self.main = self.group.start(self.shell.run())

    async def _connect(self) -> EaLine:
        line = await self.network.connect()
        line.machine = self.machine
        line.connection.owner = self
        await self.machine.awake()
        return line

    def _witness(self, trade: Trade) -> None:
        """R2: what is about to be done is on disk."""
        if f'"k":"SENT","id":"{trade.id}"'.encode() not in self.journal.raw:
            self._faults.append(AssertionError(f"OrderSend for {trade.id}, and no SENT in the journal"))
        self.on_request(trade.id)

    def _flat(self, command: str) -> None:
        """R13: what is called flat is, whatever a terminal shows that has just begun."""
        cmd = self.shell.link.memory.works[command].cmd
        target, side = cmd.target, cmd.side[:1]  # a netting reversal keeps the identifier: then the side named is flat
        standing = [
            p
            for p in self.server.book.positions.values()
            if (str(p.identifier) == target if target else self._ours(p, cmd))
        ]
        if any(side in ("", p.side.value[0]) for p in standing):
            self._faults.append(AssertionError(f"{command} was called flat, and position {target} stands"))

    @staticmethod
    def _ours(p: Position, cmd: Cmd) -> bool:
        """What an exit without a target means: ours on the symbol, and no younger than it says."""
        return p.symbol == cmd.sym and p.time <= cmd.opened_before and p.magic >> 48 == int(cmd.magic) >> 48

    def _died(self) -> None:
        self.kill(power=False)
        self.on_death()

    def kill(self, *, power: bool) -> None:
        """``power``: its machine is off, so nobody is told."""
        if self.group.dead:
            return
        self.group.kill()
        self.journal.dead = self.terminal.dead = True
        for connection in self.network.live:
            if connection.owner is self:
                connection.ea_gone(silent=power)

    async def stop(self) -> None:
        """As the terminal stops it: BYE, CLEAN."""
        self.shell.stop()
        await asyncio.wait([self.main], timeout=5)
        self.kill(power=False)


def identity(server: TradeServer) -> Identity:
    spec = server.spec
    return Identity(
        account=spec.number, server=spec.server, currency=spec.currency, leverage=spec.leverage,
        margin_mode=spec.margin_mode, trade_mode=spec.trade_mode,
    )  # fmt: skip


def copy(journal: JournalFile) -> JournalFile:
    """What a machine that is cloned while it runs takes along."""
    return JournalFile(bytes(journal.raw))
