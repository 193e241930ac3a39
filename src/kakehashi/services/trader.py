"""The trader loop: every event of the accounts this process owns, one after the other, durable before visible.

``inbox -> engine (synchronous) -> one commit -> release``: answers and deliveries leave only after the commit (law 1).
Whatever arrives while a commit is on its way shares the next one.
"""

import asyncio
import contextlib
import secrets
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec
import structlog

from kakehashi.domain.errors import IllegalTransition, KakehashiError, Rejected, Unavailable
from kakehashi.domain.messages import (
    AccountReport,
    ConfigChanged,
    DeliveriesLeased,
    Event,
    Recorded,
    SignalReceived,
    TimePassed,
)
from kakehashi.domain.orders import Order, State
from kakehashi.domain.views import BrokerPosition, RouteMemory, Signal
from kakehashi.engine.engine import Engine, EngineSettings
from kakehashi.engine.mirror import Mirror
from kakehashi.engine.outcome import Heard, Outcome
from kakehashi.ports import AuditRow, Clock, Commit, JournalEntry, Ownership, SignalRow, StateRow, Store

log = structlog.get_logger("trader")

BATCH = 512
INBOX = 20_000
CONFIG_EVERY_S = 0.25
MIRROR_EVERY_MS = 30_000
LIVE_STATES = tuple(
    s.value for s in State if s not in (State.FILLED, State.DONE, State.REJECTED, State.EXPIRED)
    and s not in (State.NOT_EXECUTED, State.CANCELLED, State.TAKEN)
)  # fmt: skip


class Poll(msgspec.Struct, frozen=True, kw_only=True):
    """An executor asks for work; what it is given is leased to it."""

    at: int
    account: str
    symbol: str
    limit: int
    instance: str
    remembers: bool
    lease_ms: int


class Left(msgspec.Struct, frozen=True, kw_only=True):
    """A wish from the inbox; without an event it is only taken out."""

    id: int
    event: Event | None


Wish = Event | Poll | AccountReport | Left


class _Batch:
    """What one turn of the loop will commit, and whom it answers afterwards."""

    def __init__(self) -> None:
        self.recorded: list[Recorded] = []
        self.rows: dict[tuple[str, str], msgspec.Struct] = {}
        self.deletes: list[tuple[str, str]] = []
        self.audits: list[AuditRow] = []
        self.answers: list[tuple[asyncio.Future[Outcome], Outcome]] = []
        self.heard: list[Heard] = []
        self.memories: dict[str, RouteMemory] = {}


class Trader:
    """Owner of the accounts of one process (law 2)."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ownership: Ownership,
        *,
        max_attempts: int,
        stale_ms: int,
        day_offset_ms: int = 0,
        on_outcome: Callable[[Outcome], None] = lambda _: None,
    ) -> None:
        self._store, self._clock, self._ownership = store, clock, ownership
        self._max_attempts, self._stale_ms, self._day_offset_ms = max_attempts, stale_ms, day_offset_ms
        self._on_outcome = on_outcome
        self._inbox: asyncio.Queue[tuple[Wish, asyncio.Future[Outcome]] | None] = asyncio.Queue(INBOX)
        """None only wakes the loop."""
        self._urgent: deque[tuple[Wish, asyncio.Future[Outcome]]] = deque()
        self._versions: dict[tuple[str, str], int] = {}
        self._mirror_saved: dict[str, int] = {}
        self._positions_saved: dict[str, dict[str, BrokerPosition]] = {}
        self._available = False
        self.engine: Engine

    # -- asking --------------------------------------------------------------------------------------------------

    async def submit(self, wish: Wish) -> Outcome:
        """Have one event processed and committed.

        :raises Unavailable: nothing was written: the store is away or the inbox is full
        :raises Rejected: the event cannot be applied; nothing was changed
        """
        if not self._available:
            raise Unavailable("STORE_UNAVAILABLE", "the store is not answering", hint="the sender should try again")
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        if isinstance(wish, ConfigChanged):  # a kill switch stands in no queue (SEC-10)
            self._urgent.append((wish, future))
            if self._inbox.empty():
                self._inbox.put_nowait(None)
            return await future
        try:
            self._inbox.put_nowait((wish, future))
        except asyncio.QueueFull:
            raise Unavailable("BACKLOG", f"{INBOX} events are waiting already") from None
        return await future

    @property
    def available(self) -> bool:
        return self._available

    # -- the loops -----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load the state; afterwards :meth:`run` may be started."""
        await self._load()
        await self._refresh_config(direct=True)

    async def run(self) -> None:
        """Until cancelled: take what has arrived, process, commit, release."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_config())
            while True:
                batch = await self._take()
                await self._turn(batch)

    async def _take(self) -> list[tuple[Wish, asyncio.Future[Outcome] | None]]:
        arrived: list[tuple[Wish, asyncio.Future[Outcome]] | None] = []
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._until_deadline()):
                arrived.append(await self._inbox.get())
        while len(arrived) < BATCH and not self._inbox.empty():
            arrived.append(self._inbox.get_nowait())
        taken: list[tuple[Wish, asyncio.Future[Outcome] | None]] = [*self._urgent, *filter(None, arrived)]
        self._urgent.clear()
        now = self._clock.now_ms()
        if (due := self.engine.next_deadline) is not None and due <= now:
            taken.append((TimePassed(at=now), None))
        return taken

    def _until_deadline(self) -> float:
        due = self.engine.next_deadline
        return 1.0 if due is None else min(1.0, max(0.0, (due - self._clock.now_ms()) / 1000))

    async def _turn(self, taken: Sequence[tuple[Wish, asyncio.Future[Outcome] | None]]) -> None:
        if not taken:
            return
        batch = _Batch()
        failed: list[tuple[asyncio.Future[Outcome], KakehashiError]] = []
        try:
            taken = await self._mark_duplicates(taken)
            for wish, future in taken:
                try:
                    outcome = self._process(wish, batch)
                except KakehashiError as e:
                    self._refused(wish, future, e, failed)
                    continue
                except Exception as e:  # noqa: BLE001 a fault of ours in one event must not end the trading of all others
                    await self._faulty(wish, future, taken, e)
                    return
                if future is not None:
                    batch.answers.append((future, outcome))
            if batch.recorded or batch.rows or batch.deletes:
                await self._store.commit(self._commit_of(batch))
        except KakehashiError as e:
            await self._fail(taken, e)
            return
        for future, outcome in batch.answers:
            if not future.done():
                future.set_result(outcome)
        for future, error in failed:
            if not future.done():
                future.set_exception(error)

    def _refused(
        self,
        wish: Wish,
        future: asyncio.Future[Outcome] | None,
        error: KakehashiError,
        failed: list[tuple[asyncio.Future[Outcome], KakehashiError]],
    ) -> None:
        log.warning("event_refused", kind=type(wish).__name__, code=error.code, message=error.message)
        if future is not None:
            failed.append((future, error))

    async def _faulty(
        self,
        wish: Wish,
        future: asyncio.Future[Outcome] | None,
        taken: Sequence[tuple[Wish, asyncio.Future[Outcome] | None]],
        error: Exception,
    ) -> None:
        """The engine broke on one event: that sender is told, nothing of the batch is written, the rest may come again."""
        log.critical("engine_fault", kind=type(wish).__name__, error=repr(error), exc_info=error)
        if future is not None and not future.done():
            future.set_exception(Rejected("INTERNAL", "the hub could not process this event; see its log"))
        await self._fail(taken, Unavailable("STORE_UNAVAILABLE", "another event of the same moment failed"))
        if future is None:
            await asyncio.sleep(1)  # a deadline that fails comes back at once: do not spin on it

    async def _fail(self, taken: Sequence[tuple[Wish, asyncio.Future[Outcome] | None]], error: KakehashiError) -> None:
        """Nothing was written, but the engine has moved on: forget it and load what is true."""
        self._available = False
        log.error("commit_failed", code=error.code, message=error.message, events=len(taken))
        for _, future in taken:
            if future is not None and not future.done():
                future.set_exception(Unavailable(error.code, error.message, hint="nothing was written; try again"))
        if error.code == "NOT_OWNER":
            raise error
        delay_s = 0.1
        while not self._available:
            try:
                await self._load()
            except KakehashiError as e:
                log.error("store_unavailable", code=e.code, retry_in_s=delay_s)
                await asyncio.sleep(delay_s)
                delay_s = min(delay_s * 2, 5.0)

    async def _watch_config(self) -> None:
        while True:
            await asyncio.sleep(CONFIG_EVERY_S)
            if self._available:
                with contextlib.suppress(Unavailable):
                    await self._refresh_config(direct=False)
                    await self._take_wishes()

    async def _refresh_config(self, *, direct: bool) -> None:
        """Take up newer versions of accounts, routes and kill switches, each as an event (law 9)."""
        rows = await self._store.configs()
        seen = {(r.kind, r.name): r for r in rows}
        wishes: list[ConfigChanged] = []
        for key, row in seen.items():
            if row.version > self._versions.get(key, 0) and row.kind in ("account", "route", "kill"):
                body = msgspec.json.decode(row.body) if row.body else None
                wishes.append(
                    ConfigChanged(
                        at=self._clock.now_ms(), kind=row.kind, name=row.name, version=row.version, by=row.by, body=body
                    )
                )
        for kind, name in [k for k in self._versions if k not in seen]:
            version = self._versions[(kind, name)] + 1
            wishes.append(
                ConfigChanged(at=self._clock.now_ms(), kind=kind, name=name, version=version, by="", body=None)
            )
        for wish in sorted(wishes, key=lambda w: ("account", "route", "kill").index(w.kind)):
            if direct:
                await self._turn([(wish, None)])
            else:
                await self.submit(wish)

    async def _take_wishes(self) -> None:
        """What other processes left for this owner: each is taken once, in one transaction with what it caused."""
        for row in await self._store.inbox(self._ownership.owner):
            try:
                await self.submit(Left(id=row.id, event=msgspec.json.decode(row.body, type=Event)))
            except (msgspec.DecodeError, Rejected, IllegalTransition) as e:
                log.error("wish_refused", inbox=row.id, message=str(e))
                await self.submit(Left(id=row.id, event=None))

    # -- one event -----------------------------------------------------------------------------------------------

    async def _mark_duplicates(
        self, taken: Sequence[tuple[Wish, asyncio.Future[Outcome] | None]]
    ) -> Sequence[tuple[Wish, asyncio.Future[Outcome] | None]]:
        """Say of each signal whose key is taken which signal took it: in the store, or earlier in this batch."""
        keys = [w.signal.idem for w, _ in taken if isinstance(w, SignalReceived)]
        if not keys:
            return taken
        known = dict(await self._store.known(keys, now=self._clock.now_ms()))
        marked: list[tuple[Wish, asyncio.Future[Outcome] | None]] = []
        for wish, future in taken:
            if isinstance(wish, SignalReceived):
                first = known.setdefault(wish.signal.idem, wish.signal.id)
                if first != wish.signal.id:
                    wish = msgspec.structs.replace(wish, duplicate_of=first)  # noqa: PLW2901
            marked.append((wish, future))
        return marked

    def _process(self, wish: Wish, batch: _Batch) -> Outcome:
        if isinstance(wish, AccountReport):
            return self._report(wish, batch)
        if isinstance(wish, Left):
            outcome = self._process(wish.event, batch) if wish.event is not None else Outcome()
            batch.deletes.append(("inbox", str(wish.id)))
            return outcome
        if isinstance(wish, Poll):
            orders, _ = self.engine.offerable(
                wish.account, symbol=wish.symbol, limit=wish.limit, at=wish.at, remembers=wish.remembers
            )
            if not orders:
                return Outcome()
            wish = DeliveriesLeased(
                at=wish.at,
                account=wish.account,
                orders=orders,
                instance=wish.instance,
                until=wish.at + wish.lease_ms,
                remembers=wish.remembers,
            )
        outcome = self.engine.process(wish)
        self._gather(outcome, batch)
        if isinstance(wish, ConfigChanged):
            self._versions[(wish.kind, wish.name)] = wish.version
            key = f"config|{wish.kind}|{wish.name}"
            batch.rows[("state", key)] = StateRow(key=key, body=msgspec.json.encode(wish))
        return outcome

    def _report(self, report: AccountReport, batch: _Batch) -> Outcome:
        events = self.engine.report(report, day_offset_ms=self._day_offset_ms)
        total = Outcome()
        for event in events:
            try:
                outcome = self.engine.process(event)
            except Rejected as e:
                log.warning("evidence_refused", code=e.code, message=e.message)
                continue
            self._gather(outcome, batch)
            total.orders.update(outcome.orders)
        self._save_mirror(report, batch)
        return total

    def _save_mirror(self, report: AccountReport, batch: _Batch) -> None:
        """Positions when they changed; the mirror with them, else every half minute: it is rebuilt by the next report."""
        mirror = self.engine.mirrors[report.account]
        saved = self._positions_saved.get(report.account, {})
        moved = {i: msgspec.structs.replace(p, profit=p.profit * 0) for i, p in mirror.positions.items()}
        changed = moved != saved
        if changed:
            for ident in saved.keys() - moved.keys():
                batch.deletes.append(("positions", saved[ident].key))
            for ident in sorted(moved):
                batch.rows[("positions", mirror.positions[ident].key)] = mirror.positions[ident]
            self._positions_saved[report.account] = moved
        if changed or report.at - self._mirror_saved.get(report.account, 0) >= MIRROR_EVERY_MS:
            self._mirror_saved[report.account] = report.at
            key = f"mirror|{report.account}"
            batch.rows[("state", key)] = StateRow(key=key, body=msgspec.json.encode(mirror))

    def _gather(self, outcome: Outcome, batch: _Batch) -> None:
        batch.recorded.extend(outcome.recorded)
        for order in outcome.orders.values():
            batch.rows[("orders", order.id)] = order
        for fill in outcome.fills.values():
            batch.rows[("fills", fill.id)] = fill
        batch.memories.update(outcome.memories)
        if outcome.heard is not None:
            batch.rows[("signals", outcome.heard.signal.id)] = signal_row(outcome.heard)
        for name in outcome.paused:
            self._keep_pause(name, batch)
        if outcome.orders:
            key = f"engine|{self._ownership.owner}"
            counters = {"seq": self.engine.seq, "prefix": self.engine.settings.prefix}
            batch.rows[("state", key)] = StateRow(key=key, body=msgspec.json.encode(counters))
            for order in outcome.orders.values():
                if order.state is State.QUEUED and order.created_at == order.updated_at and not order.attempt:
                    detail = f"{order.op} {order.side} {order.volume} {order.symbol} on {order.account}"
                    batch.audits.append(
                        AuditRow(
                            at=order.created_at, actor=order.route, action="order", subject=order.id, detail=detail
                        )
                    )
        self._on_outcome(outcome)

    def _keep_pause(self, name: str, batch: _Batch) -> None:
        """A route that an alert paused stays paused after a restart, until an alert or its next version says otherwise."""
        route, version = self.engine.routes[name], self._versions.get(("route", name), 0)
        event = ConfigChanged(
            at=self._clock.now_ms(),
            kind="route",
            name=name,
            version=version,
            by="alert",
            body=msgspec.to_builtins(route, str_keys=True),
        )
        key = f"config|route|{name}"
        batch.rows[("state", key)] = StateRow(key=key, body=msgspec.json.encode(event))

    def _commit_of(self, batch: _Batch) -> Commit:
        for key, memory in batch.memories.items():  # encoded once a batch: it may hold a thousand times
            name = f"memory|{key}"
            batch.rows[("state", name)] = StateRow(key=name, body=msgspec.json.encode(memory))
        return Commit(
            ownership=self._ownership,
            journal=[self._entry(r) for r in batch.recorded],
            changes=list(batch.rows.values()),
            deletes=batch.deletes,
            audits=batch.audits,
        )

    def _entry(self, recorded: Recorded) -> JournalEntry:
        event = recorded.event
        trace = event.signal.trace_id if isinstance(event, SignalReceived) else ""
        order_id = getattr(event, "order", "")
        if order_id and (order := self.engine.book.get(order_id)) is not None:
            trace = order.trace_id
        return JournalEntry(
            at=event.at,
            owner=self._ownership.owner,
            kind=type(event).__name__,
            trace_id=trace,
            body=msgspec.json.encode(recorded),
        )

    # -- loading -------------------------------------------------------------------------------------------------

    async def _load(self) -> None:
        state = {r["key"]: r["body"] for r in await self._store.rows("states", limit=1_000_000)}
        counters: Mapping[str, Any] = {}
        if (raw := state.get(f"engine|{self._ownership.owner}")) is not None:
            counters = msgspec.json.decode(raw)
        # 15 random bits, non-zero, once per installation: two hubs on one account never share a magic (R18).
        prefix = int(counters.get("prefix") or secrets.randbelow(2**15 - 1) + 1)
        engine = Engine(EngineSettings(prefix=prefix, max_attempts=self._max_attempts, stale_ms=self._stale_ms))
        engine.seq = int(counters.get("seq", 0))
        self._versions = {}
        for key, raw in state.items():
            self._load_state(engine, key, raw)
        await self._load_orders(engine)
        self.engine = engine
        self._available = True

    def _load_state(self, engine: Engine, key: str, raw: Any) -> None:
        kind, _, name = key.partition("|")
        if kind == "config":
            event = msgspec.json.decode(raw, type=ConfigChanged)
            engine.process(event)
            self._versions[(event.kind, event.name)] = event.version
        elif kind == "memory":
            engine.memories[name] = msgspec.json.decode(raw, type=RouteMemory)
        elif kind == "mirror":
            engine.mirrors[name] = msgspec.json.decode(raw, type=Mirror)
            self._positions_saved[name] = dict(engine.mirrors[name].positions)

    async def _load_orders(self, engine: Engine) -> None:
        live = await self._store.rows("orders", where={"state": LIVE_STATES}, limit=1_000_000, newest_first=False)
        for row in live:
            order = msgspec.json.decode(row["body"], type=Order)
            engine.book.put(order)
            if order.held:
                await self._load_signal(engine, order)
        for name in engine.accounts:
            rows = await self._store.rows("orders", where={"account": name}, limit=10_000)
            magics = engine.magics.setdefault(name, {})
            for row in reversed(rows):
                order = msgspec.json.decode(row["body"], type=Order)
                magics[order.magic] = order.route

    async def _load_signal(self, engine: Engine, order: Order) -> None:
        for row in await self._store.rows("signals", where={"id": order.signal_id}, limit=1):
            engine.signals[order.id] = msgspec.json.decode(row["body"], type=StoredSignal).signal


class StoredSignal(msgspec.Struct, frozen=True, kw_only=True):
    """The body of a signal's row: the signal and its legs."""

    signal: Signal
    legs: tuple[Any, ...] = ()
    duplicate_of: str = ""


def signal_row(heard: Heard) -> SignalRow:
    """The row that ``signals list`` shows."""
    signal, duplicate = heard.signal, heard.status == "duplicate"
    return SignalRow(
        id=signal.id,
        trace_id=signal.trace_id,
        received_at=signal.received_at,
        strategy=signal.strategy,
        symbol=signal.alert.symbol,
        action=signal.alert.action.value,
        status=heard.status,
        code=heard.code,
        idem=None if duplicate else signal.idem,
        idem_until=None if duplicate else heard.idem_until,
        body=msgspec.json.encode(StoredSignal(signal=signal, legs=heard.legs, duplicate_of=heard.duplicate_of)),
    )
