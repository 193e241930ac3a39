"""The trader loop: every event of the accounts this process owns, one after the other, durable before visible.

``inbox -> engine (synchronous) -> one commit -> release``: answers and deliveries leave only after the commit (law 1).
Whatever arrives while a commit is on its way shares the next one.
"""

import asyncio
import contextlib
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec
import structlog

from kakehashi.domain import linkwords
from kakehashi.domain.alerts import Alert
from kakehashi.domain.errors import IllegalTransition, KakehashiError, Rejected, Unavailable
from kakehashi.domain.linkwords import LinkSettings
from kakehashi.domain.messages import ConfigChanged, Event, Renumbered, SignalReceived, TimePassed
from kakehashi.domain.signals import DIFFERS, differences
from kakehashi.domain.views import Signal
from kakehashi.engine.engine import Engine
from kakehashi.engine.links import Links
from kakehashi.engine.outcome import Outcome
from kakehashi.engine.state import EngineSettings
from kakehashi.ports import Clock, Ownership, Store
from kakehashi.services.changes import Changes
from kakehashi.services.gateway import Gateway, LinkInput
from kakehashi.services.keys import TakenKeys
from kakehashi.services.loading import Loaded, Rules, load, new_leap, new_prefix
from kakehashi.services.scribe import StoredSignal
from kakehashi.services.turn import Turn
from kakehashi.services.watch import SignOfLife, WatchSettings
from kakehashi.services.wishes import Beat, Left, Wish

log = structlog.get_logger("trader")

BATCH = 512
INBOX = 20_000
CONFIG_EVERY_S = 0.25
PATIENCE_EVERY_S = 0.1
BEAT_EVERY_S = 2.0
NUMBERED_FROM_MS = 1_700_000_000_000


class Asked(NamedTuple):
    """A wish and who waits for it; nobody waits for what the loop asks itself.

    :ivar due: when the caller gives up, on the monotonic clock
    """

    wish: Wish
    future: asyncio.Future[Outcome] | None = None
    due: float = math.inf


class Begun(NamedTuple):
    """A turn that an input began while the loop rested. :ivar error: the engine broke on it"""

    turn: Turn
    wish: LinkInput
    error: Exception | None


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
        link_settings: LinkSettings | None = None,
        watch_settings: WatchSettings | None = None,
        prefix: int | None = None,
    ) -> None:
        """:param prefix: of a new installation; None draws one"""
        self._store, self._clock, self._ownership = store, clock, ownership
        self._day_offset_ms = day_offset_ms
        engine = EngineSettings(
            prefix=prefix or new_prefix(), max_attempts=max_attempts, stale_ms=stale_ms, unconfirmed_ms=unconfirmed_ms
        )
        self._rules = Rules(engine, link_settings or LinkSettings(), watch_settings or WatchSettings())
        self.on_notices: Callable[[], None] = lambda: None
        """Called when messages for people have been committed."""
        self.gateway = Gateway(clock)
        self.gateway.submit = self._take_input
        self._urgent: deque[Asked] = deque()
        self._waiting: deque[Asked] = deque()
        self._taken: Sequence[Asked] = ()
        self._arrived = asyncio.Event()
        self._resting, self._wakes_at = False, 0
        self._begun: Begun | None = None
        self._keys = TakenKeys()
        self._available = False
        self._changes = Changes(store)
        self._state: Loaded
        self.engine: Engine
        self.links: Links

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

    def _take_input(self, wish: LinkInput) -> None:
        """Something of an EA's link; its line is read no further when too much of it waits.

        Most are heartbeats that change nothing. While the loop rests, and so everything is on disk, such a one is answered
        here; any other begins the loop's next turn.
        """
        if not self.resting:
            self._waiting.append(Asked(wish))
            self._arrived.set()
            return
        turn, error = self._new_turn(), None
        try:
            turn.process(wish)
        except KakehashiError as e:
            _refused(wish, e)
        except Exception as e:  # noqa: BLE001 the loop knows what to do with it
            error = e
        if error is not None or not turn.silent:
            self._begun = Begun(turn, wish, error)
            self._arrived.set()
            return
        self._release(turn, (), (Asked(wish),))
        if (due := self.links.next_deadline) is not None and due < self._wakes_at:
            self._arrived.set()

    def _new_turn(self) -> Turn:
        return Turn(self._state, self._clock, day_offset_ms=self._day_offset_ms)

    @property
    def resting(self) -> bool:
        """Whether it waits for something to arrive or to be due: all that it has taken is on disk."""
        return self._resting and not self._arrived.is_set()

    def heard(self, account: str) -> None:
        """An EA without a link has polled; only where it was missed is that worth a commit."""
        watch, now = self._state.watch, self._clock.now_ms()
        if watch.misses(account):
            self._waiting.append(Asked(SignOfLife(at=now, account=account)))
            self._arrived.set()
        else:
            watch.heard(account, at=now)

    @property
    def available(self) -> bool:
        return self._available

    # -- the loops -----------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Load the state; afterwards :meth:`run` may be started."""
        await self._load()
        await self._number_on()
        await self._refresh_config(direct=True)

    async def _number_on(self) -> None:
        """Count orders on from the time of day, or a leap further: a store that was put back from an old copy must not give
        out again the numbers, and with them the magics, that its forgotten future gave out (R20). Ten orders a second are
        counted for; the leap is for a clock that was set back as well.
        """
        now = self._clock.now_ms()
        seq = max((now - NUMBERED_FROM_MS) // 100, self.engine.seq) + new_leap()
        await self._turn([Asked(Renumbered(at=now, prefix=self.engine.settings.prefix, seq=seq))])

    async def run(self) -> None:
        """Until cancelled: take what has arrived, process, commit, release."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_config())
            tasks.create_task(self._watch_patience())
            tasks.create_task(self._remember_keys())
            tasks.create_task(self._beat())
            while True:
                self._taken = await self._take()
                await self._turn(self._taken)

    async def _take(self) -> Sequence[Asked]:
        if self._urgent or self._waiting:
            await asyncio.sleep(0)  # whoever is about to ask in this round of the loop rides along
        else:
            await self._rest()
        taken = [*self._urgent]
        self._urgent.clear()
        while len(taken) < BATCH and self._waiting:
            taken.append(self._waiting.popleft())
        now, ticks = self._clock.now_ms(), int(self._clock.monotonic() * 1000)
        passed = linkwords.TimePassed(now=ticks, at=now)
        taken.extend(Asked(LinkInput(account, passed)) for account in self.links.due(ticks))
        if (due := self._next_deadline) is not None and due <= now:
            taken.append(Asked(TimePassed(at=now)))
        return taken

    @property
    def _next_deadline(self) -> int | None:
        """When the engine or the watch has something to do, ms UTC."""
        engine, watch = self.engine.next_deadline, self._state.watch.next_deadline
        return engine if watch is None else watch if engine is None else min(engine, watch)

    async def _rest(self) -> None:
        """Until something arrives or is due."""
        wait_s = self._until_deadline()
        self._wakes_at = int((self._clock.monotonic() + wait_s) * 1000)
        self._arrived.clear()
        self._resting = True
        try:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._arrived.wait()
        finally:
            self._resting = False

    def _until_deadline(self) -> float:
        wait = 1000.0
        if (due := self._next_deadline) is not None:
            wait = min(wait, due - self._clock.now_ms())
        if (due := self.links.next_deadline) is not None:
            wait = min(wait, due - self._clock.monotonic() * 1000)
        return max(0.0, wait / 1000)

    async def _turn(self, taken: Sequence[Asked]) -> None:
        begun, self._begun = self._begun, None
        if begun is not None and begun.error is not None:
            await self._faulty(begun.wish, None, taken, begun.error)
            return
        if not taken and begun is None:
            return
        began = self._clock.monotonic()
        turn = begun.turn if begun else self._new_turn()
        answers: list[tuple[asyncio.Future[Outcome], Outcome | KakehashiError]] = []
        try:
            taken = await self._mark_duplicates(taken)
            for wish, future, _ in taken:
                try:
                    said: Outcome | KakehashiError = turn.process(wish)
                except KakehashiError as e:
                    said = _refused(wish, e)
                except Exception as e:  # noqa: BLE001 a fault of ours in one event must not end the trading of all others
                    await self._faulty(wish, future, taken, e)
                    return
                if future is not None:
                    answers.append((future, said))
            turn.settle()
            if turn.batch:
                await self._store.commit(self._state.scribe.commit(turn.batch))
        except KakehashiError as e:
            await self._fail(taken, e)
            return
        except Exception as e:  # noqa: BLE001 as above; here nobody in particular asked for it
            await self._faulty(TimePassed(at=0), None, taken, e)
            return
        if turn.batch:
            seconds = self._clock.monotonic() - began
            turn.figures.committed(events=len(taken), seconds=seconds, waiting=len(self._waiting))
        self._release(turn, answers, taken if begun is None else [Asked(begun.wish), *taken])

    def _release(
        self,
        turn: Turn,
        answers: Sequence[tuple[asyncio.Future[Outcome], Outcome | KakehashiError]],
        taken: Sequence[Asked],
    ) -> None:
        """It is on disk: now it may be seen."""
        self.gateway.send(turn.batch.frames)
        self.gateway.close(turn.batch.closes)
        if turn.batch.notices:
            self.on_notices()
        for future, said in answers:
            if future.done():
                continue
            if isinstance(said, Outcome):
                future.set_result(said)
            else:
                future.set_exception(said)
        for asked in taken:
            if isinstance(asked.wish, LinkInput):
                self.gateway.handled(asked.wish.conn)

    async def _faulty(
        self, wish: Wish, future: asyncio.Future[Outcome] | None, taken: Sequence[Asked], error: Exception
    ) -> None:
        """The engine broke on one event: that sender is told, nothing of the batch is written, the rest may come again."""
        log.critical("engine_fault", kind=type(wish).__name__, error=repr(error), exc_info=error)
        if isinstance(wish, LinkInput):
            self.gateway.bar(wish.account)  # or it would do the same again as soon as it is back
        if future is not None and not future.done():
            future.set_exception(Rejected("INTERNAL", "the hub could not process this event; see its log"))
        await self._fail(taken, Unavailable("STORE_UNAVAILABLE", "another event of the same moment failed"))
        if future is None:
            await asyncio.sleep(1)  # a deadline that fails comes back at once: do not spin on it

    async def _fail(self, taken: Sequence[Asked], error: KakehashiError) -> None:
        """Nothing was written, but the engine has moved on: forget it and load what is true."""
        self._available = False
        self.gateway.drop_all(error.code)
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

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(BEAT_EVERY_S)
            if self._available and self.gateway.busy:
                with contextlib.suppress(KakehashiError):
                    await self.submit(Beat(at=self._clock.now_ms()))

    async def _refresh_config(self, *, direct: bool) -> None:
        """Take up newer versions of accounts, routes and kill switches, each as an event (law 9)."""
        changes = self._changes
        if (newest := await changes.newest()) is None:
            return
        rows = await self._store.configs()
        seen = {(r.kind, r.name): r for r in rows}
        wishes: list[ConfigChanged] = []
        for key, row in seen.items():
            if row.version > self._state.versions.get(key, 0) and row.kind in ("account", "route", "kill"):
                body = msgspec.json.decode(row.body) if row.body else None
                wishes.append(
                    ConfigChanged(
                        at=self._clock.now_ms(), kind=row.kind, name=row.name, version=row.version, by=row.by, body=body
                    )
                )
        for kind, name in [k for k in self._state.versions if k not in seen]:
            version = self._state.versions[(kind, name)] + 1
            wishes.append(
                ConfigChanged(at=self._clock.now_ms(), kind=kind, name=name, version=version, by="", body=None)
            )
        for wish in sorted(wishes, key=lambda w: ("account", "route", "kill").index(w.kind)):
            if direct:
                await self._turn([Asked(wish)])
            else:
                await self.submit(wish)
        changes.taken(newest)

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

    async def _load(self) -> None:
        self._state = await load(self._store, self._ownership, self._clock, self._rules)
        self._changes = Changes(self._store)  # what was read is forgotten with the rest
        self.engine, self.links = self._state.engine, self._state.links
        self._available = True


def _refused(wish: Wish, error: KakehashiError) -> KakehashiError:
    log.warning("event_refused", kind=type(wish).__name__, code=error.code, message=error.message)
    return error


def _duplicate(event: SignalReceived, original: str, first: Alert | None) -> SignalReceived:
    differs = tuple(f"{DIFFERS}{what}" for what in differences(first, event.signal.alert)) if first else ()
    signal = msgspec.structs.replace(event.signal, notes=(*event.signal.notes, *differs))
    return msgspec.structs.replace(event, signal=signal, duplicate_of=original)
