"""One session: its commands and their ids, its health, and the process behind it."""

import asyncio
import secrets
import time
from collections import OrderedDict, deque
from collections.abc import Awaitable, Callable, Coroutine
from functools import cache
from typing import Any, Final

import msgspec
import structlog

from kakehashi.domain.errors import KakehashiError, OutcomeUnknown, Rejected, Unavailable
from kakehashi.domain.terminalcalls import FUNCTIONS, Format, Result, numbered
from kakehashi.ports import Clock
from kakehashi.services.sessions.child import Child
from kakehashi.services.sessions.health import Health
from kakehashi.services.sessions.jobs import Calls, Job
from kakehashi.services.sessions.ledger import PENDING, RESOLVED, Definition, Ledger, Outcome, Record
from kakehashi.services.sessions.line import Line, cancelled
from kakehashi.services.sessions.orders import Claims, Drained, Orders, fingerprint_of
from kakehashi.services.sessions.terms import State, Terms
from kakehashi.services.sessions.trees import resources
from kakehashi.telemetry import counter, histogram

log = structlog.get_logger("sessions")

COMMANDS: Final = counter("bridge_commands", "Commands of callers, by how they ended", ("outcome",))
SECONDS: Final = histogram("bridge_command_seconds", "From a command's arrival to its answer", ("command",))
RESTARTS: Final = counter("bridge_restarts", "Terminal processes replaced")
MOST_REMEMBERED: Final = 1_000
MOST_BYTES: Final = 8 * 1024 * 1024
"""Of answers to reads that are kept for a second request with the same id."""

_ended: Final = cache(lambda outcome: COMMANDS.labels(outcome=outcome))
_seconds: Final = cache(lambda command: SECONDS.labels(command=command))
"""Finding a metric by its label costs more than counting; there are few outcomes and 32 commands."""

Started = Callable[["Session"], Awaitable[tuple[Child, str]]]


class Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What a caller gets. :ivar took_ms: from the command's arrival, waiting included"""

    id: str
    outcome: Outcome
    took_ms: float


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """A command that was given an id."""

    state: str
    answer: Answer | None


class _Live:
    """A command under way, or one that is over and remembered."""

    __slots__ = ("job", "size")

    def __init__(self, job: Job) -> None:
        self.job, self.size = job, 0

    @property
    def settled(self) -> bool:
        """It has results."""
        future = self.job.future
        return future.done() and not future.cancelled() and future.exception() is None


class Session:
    """:param started: gives a process that is logged in, and the name of its connection to the trade server"""

    def __init__(
        self, definition: Definition, terms: Terms, ledger: Ledger, clock: Clock, *, started: Started, drained: Drained,
        claims: Claims,
    ) -> None:  # fmt: skip
        self.definition = definition
        self._terms, self._ledger, self._clock, self._started = terms, ledger, clock, started
        self.line = Line(terms, self)
        self.orders = Orders(
            definition.id, ledger, clock, claims, ask=self.ask, drained=drained, again=self.line.queue.put_back
        )
        self.health = Health(terms)
        self.cpu_s, self.rss_bytes = 0.0, 0
        self.took_ms: deque[float] = deque(maxlen=1_000)
        self._live: OrderedDict[str, _Live] = OrderedDict()
        self._bytes = 0
        self._tasks: list[asyncio.Task[None]] = []
        self._keeping: set[asyncio.Task[None]] = set()
        self._id_prefix, self._ids = f"c-{secrets.token_hex(6)}-", 0

    # -- its life ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        self._tasks = [asyncio.create_task(self.line.run()), asyncio.create_task(self.orders.resolve())]

    async def end(self) -> None:
        """Stop the process; whoever waits is told."""
        for task in self._tasks:
            await cancelled(task)
        if self._keeping:
            await asyncio.wait(self._keeping, timeout=self._terms.grace_s)
        self.line.queue.fail_all(Unavailable("SESSION_CLOSED", "the session was closed"))

    # -- what the line asks (line.Owner) -------------------------------------------------------------------------

    async def start(self) -> Child:
        child, self.orders.connection = await self._started(self)
        return child

    def opened(self) -> None:
        self.orders.synced()
        if self.line.restarts:
            RESTARTS.inc()

    def postponed(self, job: Job) -> bool:
        return job.writes and self.orders.postponed(job)

    async def prepare(self, child: Child, job: Job) -> None:
        await self.orders.prepare(child, job)

    def unsent(self, job: Job) -> None:
        self._keep(self.orders.unsent(job))

    def doubtful(self, job: Job, why: str) -> None:
        self.orders.doubtful(job, why)

    def _keep(self, work: Coroutine[Any, Any, None]) -> None:
        """Write something down without anybody waiting for it."""
        task = asyncio.create_task(work)
        self._keeping.add(task)
        task.add_done_callback(self._kept)

    def _kept(self, task: asyncio.Task[None]) -> None:
        self._keeping.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("session_record_not_kept", session=self.definition.id, error=repr(error))

    # -- commands ------------------------------------------------------------------------------------------------

    async def command(
        self, name: str, params: dict[str, Any], *, timeout_s: float | None = None, command_id: str = "",
        form: Format = "objects",
    ) -> Answer:  # fmt: skip
        """Call one function of the package, once for one id.

        :param command_id: the caller's; without one a write gets one, and a read is not remembered
        :raises Rejected: QUEUE_FULL, ID_REUSED, BAD_PARAMETER
        :raises Unavailable: SESSION_RESTARTING, SESSION_FAILED, STORE_UNAVAILABLE: nothing was sent
        :raises OutcomeUnknown: OUTCOME_UNKNOWN: the deadline of an order request passed
        :raises KakehashiError: TIMEOUT: the deadline of a read passed
        """
        began = time.perf_counter()
        if "request" in params:
            params = {"request": numbered(params["request"])}
        timeout_s = timeout_s or self._terms.command_timeout_s
        try:
            ident, outcome = await self._command(name, params, timeout_s, command_id, form)
        except KakehashiError as e:
            _ended(e.code).inc()
            raise
        took_s = time.perf_counter() - began
        took_ms = round(took_s * 1000, 3)
        self.took_ms.append(took_ms)
        _ended("ok" if outcome.ok else "none").inc()
        _seconds(name).observe(took_s)
        return Answer(id=ident, outcome=outcome, took_ms=took_ms)

    async def _command(
        self, name: str, params: dict[str, Any], timeout_s: float, command_id: str, form: Format
    ) -> tuple[str, Outcome]:
        writes, calls = FUNCTIONS[name].writes, ((name, params, form),)
        self.health.used(params)
        if not command_id and not writes:
            job = self._queued(Job(calls, timeout_s))
            return self._new_id(), self._outcome("", await self._await(job, timeout_s))
        fingerprint = fingerprint_of(name, params)
        if command_id and (known := await self._known(command_id, fingerprint, writes=writes)) is not None:
            if isinstance(known, Record):
                return command_id, _of_record(known).outcome
            return command_id, self._outcome(command_id, await self._await(known, timeout_s, first=False))
        ident = command_id or self._new_id()
        job = self._queued(Job(calls, timeout_s, record_id=ident if writes else "", fingerprint=fingerprint))
        self._remember(ident, job)
        return ident, self._outcome(ident, await self._await(job, timeout_s, command_id=ident))

    def _new_id(self) -> str:
        self._ids += 1
        return f"{self._id_prefix}{self._ids}"

    def _queued(self, job: Job) -> Job:
        line = self.line
        if line.state is State.FAILED:
            raise line.failed()
        if line.state is State.CLOSED:
            raise Unavailable("SESSION_CLOSED", "the session was closed")
        line.queue.put(job, restarting=line.state in (State.RESTARTING, State.STARTING))
        line.last_command = time.monotonic()
        return job

    async def _await(
        self, job: Job, timeout_s: float, *, first: bool = True, command_id: str = ""
    ) -> tuple[Result, ...]:
        if await job.over(within_s=timeout_s):
            if job.future.cancelled():
                raise Rejected("CANCELLED", "the command was cancelled before it was sent")
            return job.future.result()
        if job.writes:
            if first and not job.sent:
                self._keep(self.orders.abandon(job))
            hint = f"GET .../command/{job.record_id} says what became of it; do not send it again"
            text = f"no answer in {timeout_s:g} s"
            raise OutcomeUnknown("OUTCOME_UNKNOWN", text, hint=hint, value=job.record_id)
        if job.sent:
            raise KakehashiError("TIMEOUT", f"no answer in {timeout_s:g} s")
        if first:
            job.future.cancel()
            self._forget(command_id)
        raise KakehashiError("TIMEOUT", f"it waited {timeout_s:g} s for the terminal and was not sent")

    def _outcome(self, ident: str, results: tuple[Result, ...]) -> Outcome:
        result = results[0]
        if result.fault:
            self._forget(ident)
            raise Rejected("BAD_PARAMETER", result.fault)
        code = "NOT_EXECUTED" if result.error[1].startswith("NOT_EXECUTED") else ""
        return Outcome(ok=result.ok, result=result.json, error=result.error, took_us=result.took_us, code=code)

    # -- command ids ---------------------------------------------------------------------------------------------

    async def _known(self, ident: str, fingerprint: str, *, writes: bool) -> Job | Record | None:
        """What already bears this id. Only orders are looked for in the store: a read costs no access to it, and one
        with the id of an order that is long over is a read.

        :param fingerprint: the digest of what the id is to stand for
        :raises Rejected: ID_REUSED: it stands for something else
        """
        found: Job | Record | None = None
        if (live := self._live.get(ident)) is not None:
            found, kept = live.job, live.job.fingerprint
        elif (record := await self._record(ident) if writes else self.orders.record(ident)) is not None:
            found, kept = record, record.fingerprint
        if found is not None and kept != fingerprint:
            raise Rejected(
                "ID_REUSED", f"the id {ident} stands for another command", hint="a new command needs a new id"
            )
        live = self._live.get(ident)  # it may have come meanwhile
        return live.job if live is not None else found

    async def _record(self, ident: str) -> Record | None:
        return self.orders.record(ident) or await self._ledger.find(self.definition.id, ident)

    async def known(self, ident: str) -> Known:
        """What became of a command. :raises Rejected: NOT_FOUND"""
        live = self._live.get(ident)
        if live is not None and not live.job.future.done():
            return Known(state=PENDING, answer=None)
        if live is not None and live.settled and (live.job.writes or await self._record(ident) is None):
            outcome = self._outcome(ident, live.job.future.result())
            return Known(state=RESOLVED, answer=Answer(id=ident, outcome=outcome, took_ms=0.0))
        record = await self._record(ident)
        if record is None:
            raise Rejected("NOT_FOUND", f"no command {ident} in the last 25 hours", value=ident)
        return Known(state=record.state, answer=_of_record(record) if record.outcome else None)

    def cancel(self, ident: str) -> None:
        """Take a command back that was not sent. :raises Rejected: NOT_FOUND; ALREADY_SENT"""
        live = self._live.get(ident)
        if live is None:
            raise Rejected("NOT_FOUND", f"no command {ident} waits", value=ident)
        if live.job.sent or live.job.future.done():
            raise Rejected("ALREADY_SENT", "the terminal has it already")
        live.job.future.cancel()
        self._forget(ident)

    def _remember(self, ident: str, job: Job) -> None:
        self._live[ident] = live = _Live(job)
        job.future.add_done_callback(lambda _: self._over(ident, live))

    def _over(self, ident: str, live: _Live) -> None:
        job = live.job
        if job.future.cancelled() or job.future.exception() is not None:
            self._forget(ident, live)
            return
        if job.writes and not self.orders.is_settled(ident):
            self._keep(self.orders.finished(job, job.future.result()))
        job.calls = ()  # what is left to remember is the answer
        live.size = len(job.future.result()[0].json)
        self._bytes += live.size
        while self._live and (len(self._live) > MOST_REMEMBERED or self._bytes > MOST_BYTES):
            oldest = next((i for i, other in self._live.items() if other.job.future.done()), None)
            if oldest is None:
                break
            self._forget(oldest)

    def _forget(self, ident: str, only: _Live | None = None) -> None:
        live = self._live.get(ident)
        if live is not None and only in (None, live):
            del self._live[ident]
            self._bytes -= live.size

    # -- the bridge's own questions ------------------------------------------------------------------------------

    async def ask(self, calls: Calls, timeout_s: float = 5.0) -> tuple[Result, ...]:
        """Put calls to the terminal before the callers' own. :raises KakehashiError: no answer in time"""
        job = Job(calls, timeout_s, own=True)
        self.line.queue.put_own(job)
        if await job.over(within_s=timeout_s):
            return job.future.result()
        if not job.sent:
            job.future.cancel()
        raise KakehashiError("TIMEOUT", f"no answer in {timeout_s:g} s")

    async def check(self) -> None:
        """Look at the process and the terminal; replace what has grown, put to sleep what is idle."""
        line, terms = self.line, self._terms
        if line.child is None or line.state is not State.READY:
            return
        self.rss_bytes, self.cpu_s = resources(line.child.pid)
        if self.rss_bytes > terms.rss_bytes:
            line.replace("grown")
        elif terms.idle_s and not self.orders.in_doubt and time.monotonic() - line.last_command > terms.idle_s:
            line.replace("idle")
            return
        try:
            answers = await self.ask(self.health.calls(), timeout_s=terms.hang_s)
        except KakehashiError:
            self.health.silent()
            return
        self.health.told(answers, self._clock.now_ms())
        self.orders.server_s = max(self.orders.server_s, self.health.server_s)

    def view(self) -> dict[str, Any]:
        """What anybody who may see the session sees; never its password."""
        line, d = self.line, self.definition
        child = line.child
        if child is not None and line.state is State.READY:
            self.rss_bytes, self.cpu_s = resources(child.pid)
        return {
            "session_id": d.id,
            "name": d.name,
            "login": d.login,
            "server": d.server,
            "terminal": self._terms.terminal,
            "state": line.state.value,
            "pid": child.pid if child is not None and line.state is State.READY else None,
            "restarts": line.restarts,
            "rss_bytes": self.rss_bytes,
            "cpu_s": round(self.cpu_s, 3),
            "queue_depth": len(line.queue),
            "commands": line.commands,
            "in_doubt": self.orders.in_doubt,
            "last_command_age_s": round(time.monotonic() - line.last_command, 3),
            "healthy": self.healthy(),
            "connected": self.health.connected,
            "trade_allowed": self.health.trade_allowed,
            "tick_age_s": self.health.tick_age_s(self._clock.now_ms()),
            "downtimes_s": [round(s, 4) for s in line.downtimes],
            "slowest_ms": round(max(self.took_ms, default=0.0), 3),
            "created_at": d.created_at,
            "problem": line.problem.message if line.problem is not None else "",
        }

    def healthy(self) -> bool:
        return self.line.state is State.READY and self.health.is_well(self._clock.now_ms())


def _of_record(record: Record) -> Answer:
    """:raises OutcomeUnknown: it is not known yet"""
    if record.outcome is None:
        raise OutcomeUnknown("OUTCOME_UNKNOWN", "sent earlier, and its outcome is not known yet", value=record.id)
    return Answer(id=record.id, outcome=record.outcome, took_ms=record.outcome.took_us / 1000)
