"""The trader loop: every event of the accounts this process owns, one after the other, durable before visible.

``inbox -> engine (synchronous) -> one commit -> release``: answers and deliveries leave only after the commit (law 1).
Whatever arrives while a commit is on its way shares the next one.
"""

import asyncio
import contextlib
import math
import secrets
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
import structlog

from kakehashi.domain.alerts import Alert
from kakehashi.domain.errors import IllegalTransition, KakehashiError, Rejected, Unavailable
from kakehashi.domain.messages import (
    AccountReport,
    ConfigChanged,
    DeliveriesLeased,
    Event,
    SignalReceived,
    TimePassed,
)
from kakehashi.domain.orders import TERMINAL, Order, State
from kakehashi.domain.signals import DIFFERS, differences
from kakehashi.domain.views import RouteMemory, Signal
from kakehashi.engine.engine import Engine, EngineSettings
from kakehashi.engine.mirror import Mirror
from kakehashi.engine.outcome import Outcome
from kakehashi.ports import Clock, Ownership, Store
from kakehashi.services.figures import Figures
from kakehashi.services.keys import TakenKeys
from kakehashi.services.scribe import Batch, Scribe, StoredSignal

log = structlog.get_logger("trader")

BATCH = 512
INBOX = 20_000
CONFIG_EVERY_S = 0.25
PATIENCE_EVERY_S = 0.1
LIVE_STATES = tuple(s.value for s in State if s not in TERMINAL or s is State.DEAD)


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


class Asked(NamedTuple):
    """A wish and who waits for it; nobody waits for what the loop asks itself.

    :ivar due: when the caller gives up, on the monotonic clock
    """

    wish: Wish
    future: asyncio.Future[Outcome] | None = None
    due: float = math.inf


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
        unconfirmed_ms: int = 300_000,
    ) -> None:
        self._store, self._clock, self._ownership = store, clock, ownership
        self._max_attempts, self._stale_ms, self._day_offset_ms = max_attempts, stale_ms, day_offset_ms
        self._unconfirmed_ms = unconfirmed_ms
        self._urgent: deque[Asked] = deque()
        self._waiting: deque[Asked] = deque()
        self._taken: Sequence[Asked] = ()
        self._arrived = asyncio.Event()
        self._versions: dict[tuple[str, str], int] = {}
        self._keys = TakenKeys()
        self._available = False
        self._scribe: Scribe
        self.engine: Engine

    # -- asking --------------------------------------------------------------------------------------------------

    async def submit(self, wish: Wish, *, within_s: float | None = None) -> Outcome:
        """Have one event processed and committed.

        :param within_s: how long the caller can wait (a tenth of a second more or less); None: for ever
        :raises Unavailable: the store is away, or the inbox is full: nothing was written; STORE_TIMEOUT: not yet
        :raises Rejected: the event cannot be applied; nothing was changed
        """
        if not self._available:
            raise Unavailable("STORE_UNAVAILABLE", "the store is not answering", hint="the sender should try again")
        future: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        asked = Asked(wish, future, math.inf if within_s is None else self._clock.monotonic() + within_s)
        if isinstance(wish, ConfigChanged):  # a kill switch stands in no queue (SEC-10)
            self._urgent.append(asked)
        elif len(self._waiting) >= INBOX:
            raise Unavailable("BACKLOG", f"{INBOX} events are waiting already")
        else:
            self._waiting.append(asked)
        self._arrived.set()
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
            tasks.create_task(self._watch_patience())
            tasks.create_task(self._remember_keys())
            while True:
                self._taken = await self._take()
                await self._turn(self._taken)

    async def _take(self) -> Sequence[Asked]:
        if self._urgent or self._waiting:
            await asyncio.sleep(0)  # whoever is about to ask in this round of the loop rides along
        else:
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._until_deadline()):
                    await self._arrived.wait()
        taken = [*self._urgent]
        self._urgent.clear()
        while len(taken) < BATCH and self._waiting:
            taken.append(self._waiting.popleft())
        now = self._clock.now_ms()
        if (due := self.engine.next_deadline) is not None and due <= now:
            taken.append(Asked(TimePassed(at=now)))
        return taken

    def _until_deadline(self) -> float:
        due = self.engine.next_deadline
        return 1.0 if due is None else min(1.0, max(0.0, (due - self._clock.now_ms()) / 1000))

    async def _turn(self, taken: Sequence[Asked]) -> None:
        if not taken:
            return
        batch, figures, began = Batch(), Figures(), self._clock.monotonic()
        answers: list[tuple[asyncio.Future[Outcome], Outcome | KakehashiError]] = []
        try:
            taken = await self._mark_duplicates(taken)
            for wish, future, _ in taken:
                try:
                    said: Outcome | KakehashiError = self._process(wish, batch, figures)
                except KakehashiError as e:
                    log.warning("event_refused", kind=type(wish).__name__, code=e.code, message=e.message)
                    said = e
                except Exception as e:  # noqa: BLE001 a fault of ours in one event must not end the trading of all others
                    await self._faulty(wish, future, taken, e)
                    return
                if future is not None:
                    answers.append((future, said))
            if batch:
                await self._store.commit(self._scribe.commit(batch))
        except KakehashiError as e:
            await self._fail(taken, e)
            return
        if batch:
            seconds = self._clock.monotonic() - began
            figures.committed(events=len(taken), seconds=seconds, waiting=len(self._waiting))
        for future, said in answers:
            if future.done():
                continue
            if isinstance(said, Outcome):
                future.set_result(said)
            else:
                future.set_exception(said)

    async def _faulty(
        self, wish: Wish, future: asyncio.Future[Outcome] | None, taken: Sequence[Asked], error: Exception
    ) -> None:
        """The engine broke on one event: that sender is told, nothing of the batch is written, the rest may come again."""
        log.critical("engine_fault", kind=type(wish).__name__, error=repr(error), exc_info=error)
        if future is not None and not future.done():
            future.set_exception(Rejected("INTERNAL", "the hub could not process this event; see its log"))
        await self._fail(taken, Unavailable("STORE_UNAVAILABLE", "another event of the same moment failed"))
        if future is None:
            await asyncio.sleep(1)  # a deadline that fails comes back at once: do not spin on it

    async def _fail(self, taken: Sequence[Asked], error: KakehashiError) -> None:
        """Nothing was written, but the engine has moved on: forget it and load what is true."""
        self._available = False
        log.error("commit_failed", code=error.code, message=error.message, events=len(taken))
        for _, future, _ in taken:
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

    async def _watch_patience(self) -> None:
        """Tell those who cannot wait longer. Looking at the few who wait costs less than a timer for each."""
        while True:
            await asyncio.sleep(PATIENCE_EVERY_S)
            now = self._clock.monotonic()
            for asked in (*self._taken, *self._waiting):
                if asked.due <= now and asked.future is not None and not asked.future.done():
                    asked.future.set_exception(
                        Unavailable("STORE_TIMEOUT", "it could not be written in time", hint="it is resent after 5 s")
                    )

    async def _remember_keys(self) -> None:
        """Learn which keys the store holds, page by page, and anew when the filter has become full."""
        while True:
            if not self._keys.complete:
                with contextlib.suppress(Unavailable):
                    await self._fill_keys()
            elif self._keys.full:
                self._keys = TakenKeys()
            await asyncio.sleep(1)

    async def _fill_keys(self) -> None:
        keys, after = self._keys, ""
        while page := await self._store.taken_keys(after=after):
            keys.add(page)
            after = page[-1]
        keys.completed()

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
                await self._turn([Asked(wish)])
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

    async def _mark_duplicates(self, taken: Sequence[Asked]) -> Sequence[Asked]:
        """Say of each signal whose key is taken which signal took it, in the store or earlier in this batch, and in
        what the two differ.
        """
        arrived = [a.wish.signal for a in taken if isinstance(a.wish, SignalReceived)]
        keys = [s.idem for s in arrived]
        doubtful = [key for key in keys if self._keys.perhaps(key)]
        known = dict(await self._store.known(doubtful, now=self._clock.now_ms())) if doubtful else {}
        self._keys.add(keys)  # whatever becomes of the commit: "perhaps" is never wrong
        for signal in arrived:
            known.setdefault(signal.idem, signal.id)
        repeated = {s.id: known[s.idem] for s in arrived if known[s.idem] != s.id}
        if not repeated:
            return taken
        first = await self._alerts(set(repeated.values()), arrived)
        marked: list[Asked] = []
        for asked in taken:
            wish = asked.wish
            if isinstance(wish, SignalReceived) and wish.signal.id in repeated:
                original = repeated[wish.signal.id]
                asked = asked._replace(wish=_duplicate(wish, original, first.get(original)))  # noqa: PLW2901
            marked.append(asked)
        return marked

    async def _alerts(self, ids: set[str], arrived: Sequence[Signal]) -> Mapping[str, Alert]:
        """The alerts of these signals, where they are still kept."""
        found = {s.id: s.alert for s in arrived if s.id in ids}
        if missing := tuple(sorted(ids - found.keys())):
            for row in await self._store.rows("signals", where={"id": missing}, limit=len(missing)):
                found[row["id"]] = msgspec.json.decode(row["body"], type=StoredSignal).signal.alert
        return found

    def _process(self, wish: Wish, batch: Batch, figures: Figures) -> Outcome:
        if isinstance(wish, AccountReport):
            return self._report(wish, batch, figures)
        if isinstance(wish, Left):
            outcome = self._process(wish.event, batch, figures) if wish.event is not None else Outcome()
            batch.deletes.append(("inbox", str(wish.id)))
            return outcome
        if isinstance(wish, Poll):
            orders = self.engine.offerable(
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
        self._scribe.gather(outcome, batch, at=wish.at)
        for name in outcome.paused:
            version = self._versions.get(("route", name), 0)
            self._scribe.paused(self.engine.routes[name], version=version, at=self._clock.now_ms(), batch=batch)
        if isinstance(wish, ConfigChanged):
            self._versions[(wish.kind, wish.name)] = wish.version
            self._scribe.config(wish, batch)
        figures.note(outcome)
        return outcome

    def _report(self, report: AccountReport, batch: Batch, figures: Figures) -> Outcome:
        events = self.engine.report(report, day_offset_ms=self._day_offset_ms)
        total = Outcome()
        for event in events:
            try:
                outcome = self.engine.process(event)
            except Rejected as e:
                log.warning("evidence_refused", code=e.code, message=e.message)
                continue
            self._scribe.gather(outcome, batch, at=report.at)
            figures.note(outcome)
            total.orders.update(outcome.orders)
        self._scribe.mirror(report, batch)
        return total

    # -- loading -------------------------------------------------------------------------------------------------

    async def _load(self) -> None:
        state = {r["key"]: r["body"] for r in await self._store.rows("states", limit=1_000_000)}
        counters: Mapping[str, Any] = {}
        if (raw := state.get(f"engine|{self._ownership.owner}")) is not None:
            counters = msgspec.json.decode(raw)
        # 15 random bits, non-zero, once per installation: two hubs on one account never share a magic (R18).
        prefix = int(counters.get("prefix") or secrets.randbelow(2**15 - 1) + 1)
        engine = Engine(
            EngineSettings(
                prefix=prefix,
                max_attempts=self._max_attempts,
                stale_ms=self._stale_ms,
                unconfirmed_ms=self._unconfirmed_ms,
            )
        )
        engine.seq = int(counters.get("seq", 0))
        self._versions = {}
        scribe = Scribe(engine, self._ownership)
        for key, raw in state.items():
            self._load_state(engine, scribe, key, raw)
        await self._load_orders(engine)
        self.engine, self._scribe = engine, scribe
        self._available = True

    def _load_state(self, engine: Engine, scribe: Scribe, key: str, raw: Any) -> None:
        kind, _, name = key.partition("|")
        if kind == "config":
            event = msgspec.json.decode(raw, type=ConfigChanged)
            engine.process(event)
            self._versions[(event.kind, event.name)] = event.version
        elif kind == "memory":
            engine.memories[name] = msgspec.json.decode(raw, type=RouteMemory)
        elif kind == "mirror":
            engine.mirrors[name] = msgspec.json.decode(raw, type=Mirror)
            scribe.found(name, engine.mirrors[name].positions)

    async def _load_orders(self, engine: Engine) -> None:
        live = await self._store.rows("orders", where={"state": LIVE_STATES}, limit=1_000_000, newest_first=False)
        for row in live:
            order = msgspec.json.decode(row["body"], type=Order)
            engine.book.put(order)
            if order.held:
                await self._load_signal(engine, order)
        for name in engine.accounts:
            rows = await self._store.rows("orders", where={"account": name}, limit=10_000)
            for row in reversed(rows):
                order = msgspec.json.decode(row["body"], type=Order)
                engine.know_magic(order)
                if order.terminal:
                    engine.book.put(order)  # so that a result repeated after a restart is known for what it is

    async def _load_signal(self, engine: Engine, order: Order) -> None:
        for row in await self._store.rows("signals", where={"id": order.signal_id}, limit=1):
            engine.signals[order.id] = msgspec.json.decode(row["body"], type=StoredSignal).signal


def _duplicate(event: SignalReceived, original: str, first: Alert | None) -> SignalReceived:
    differs = tuple(f"{DIFFERS}{what}" for what in differences(first, event.signal.alert)) if first else ()
    signal = msgspec.structs.replace(event.signal, notes=(*event.signal.notes, *differs))
    return msgspec.structs.replace(event, signal=signal, duplicate_of=original)
