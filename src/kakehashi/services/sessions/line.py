"""One session's line to its terminal: the process is started, served, judged by its deadlines, and replaced.

All that happens to the process happens in one task, one thing after the other; callers only leave jobs in the queue.
"""

import asyncio
import contextlib
import time
from typing import Final, Protocol

import msgspec
import structlog

from kakehashi.domain.errors import KakehashiError, Unavailable
from kakehashi.domain.retcodes import NOBODY_KNOWS
from kakehashi.domain.terminalcalls import Result
from kakehashi.services.sessions.child import Child, ChildGone
from kakehashi.services.sessions.jobs import Job, Queue
from kakehashi.services.sessions.terms import State, Terms

log = structlog.get_logger("sessions")

MOST_RETRIES: Final = 2
NOT_INITIALIZED: Final = -10004
"""The package has lost its terminal: only a fresh process gets a fresh one."""
MAYBE_SENT: Final = frozenset({-10000, -10002, -10005})
"""RES_E_INTERNAL_FAIL, _RECEIVE and _TIMEOUT: the request may have left."""


class Owner(Protocol):
    """What the line asks of the session it belongs to."""

    async def start(self) -> Child:
        """A process that is logged in. Raises KakehashiError or OSError."""
        ...

    def opened(self) -> None:
        """The terminal answers (again)."""

    def postponed(self, job: Job) -> bool:
        """Whether the job must not be sent now; the session keeps it then."""
        ...

    async def prepare(self, child: Child, job: Job) -> None:
        """What has to be on disk before the job is sent. Raises ChildGone or KakehashiError: it is not sent."""

    def unsent(self, job: Job) -> None:
        """It was prepared, and nobody waits for it any more: it is not sent."""

    def doubtful(self, job: Job, why: str) -> None:
        """It was sent, and there is no answer."""


class Line:
    """:ivar downtimes: how long each replacement took, seconds, from the end of one process to the next one's first answer"""

    def __init__(self, terms: Terms, owner: Owner) -> None:
        self.queue = Queue(terms.queue_max)
        self.state = State.STARTING
        self.child: Child | None = None
        self.ready = asyncio.Event()
        self.problem: KakehashiError | None = None
        self.restarts = 0
        self.commands = 0
        self.last_command = time.monotonic()
        self.downtimes: list[float] = []
        self._terms, self._owner = terms, owner
        self._wish = ""

    def replace(self, why: str) -> None:
        """End the process between two commands: ``idle`` puts the session to sleep, anything else starts the next."""
        self._wish = self._wish or why
        self.queue.filled.set()

    async def run(self) -> None:
        """Until cancelled."""
        failures, since = 0, time.monotonic()
        try:
            while True:
                failures = await self._start(failures)
                self._up(since)
                child = self.child
                assert child is not None  # noqa: S101  it was started
                why = await self._serve(child)
                since = time.monotonic()
                self._down(why)
                await (child.close(within_s=self._terms.grace_s) if why in ("idle", "grown") else child.kill())
                failures = 0 if child.answered else failures + 1
                if why == "idle":
                    await self._sleep()
                    since = time.monotonic()
        finally:
            self.state = State.CLOSED
            self.ready.clear()
            if (last := self.child) is not None:
                await asyncio.shield(last.close(within_s=self._terms.grace_s))

    def _up(self, since: float) -> None:
        self.state, self.problem, self._wish = State.READY, None, ""
        self.ready.set()
        if self.restarts:
            self.downtimes = [*self.downtimes[-99:], time.monotonic() - since]
        self._owner.opened()

    def _down(self, why: str) -> None:
        log.warning("session_process_ended", why=why, pid=self.child.pid if self.child else 0)
        self.state = State.ASLEEP if why == "idle" else State.RESTARTING
        self.ready.clear()
        self.restarts += 1

    async def _sleep(self) -> None:
        self.child = None
        while not len(self.queue):
            self.queue.filled.clear()
            await self.queue.filled.wait()
        self.state = State.RESTARTING

    async def _start(self, failures: int) -> int:
        """Start until one is there; how many starts have failed in a row."""
        terms = self._terms
        while True:
            if failures >= terms.breaker:
                self.state = State.FAILED
                self.queue.fail_all(self.failed())
                await asyncio.sleep(terms.breaker_pause_s)
            elif delay_s := terms.backoff_s[min(failures, len(terms.backoff_s) - 1)]:
                await asyncio.sleep(delay_s)
            try:
                self.child = await self._owner.start()
            except KakehashiError as e:
                self.problem = e
            except OSError as e:
                self.problem = Unavailable("SESSION_FAILED", f"no process could be started: {e}")
            else:
                self.child.on_gone = self.queue.filled.set
                return failures
            failures += 1
            log.warning("session_start_failed", failures=failures, code=self.problem.code, error=self.problem.message)

    def failed(self) -> Unavailable:
        why = self.problem.message if self.problem else "its terminal dies as soon as it has started"
        return Unavailable("SESSION_FAILED", f"the terminal cannot be kept running: {why}")

    async def _serve(self, child: Child) -> str:
        """Carry out jobs until the process has to be replaced; why."""
        queue, oldest_s = self.queue, self._terms.queue_age_s
        while True:
            if child.gone.is_set():
                return "died"
            if self._wish and (self._wish != "idle" or not len(queue)):
                return self._wish
            self._wish = ""
            job = queue.take(oldest_s=oldest_s)
            if job is None:
                await queue.filled.wait()
            elif not self._owner.postponed(job) and (why := await self._perform(child, job)):
                return why

    async def _perform(self, child: Child, job: Job) -> str:
        try:
            return await self._prepared(child, job) or await self._sent(child, job)
        except Exception:
            log.exception("session_fault", pid=child.pid)  # of ours: it costs this process, not the session
            if job.sent:
                return self._lost(job, "failed")
            job.fail(KakehashiError("SESSION_FAILED", "a fault of the bridge: it was not sent"))
            return "failed"

    async def _prepared(self, child: Child, job: Job) -> str:
        if not job.writes:
            return ""
        try:
            async with asyncio.timeout(self._patience_s(job)):
                await self._owner.prepare(child, job)
        except (ChildGone, TimeoutError) as e:
            self.queue.put_back(job)  # nothing of it was sent
            return "died" if isinstance(e, ChildGone) else "hung"
        except KakehashiError as e:
            job.fail(e)
        return ""

    async def _sent(self, child: Child, job: Job) -> str:
        if job.future.done():
            if job.writes:
                self._owner.unsent(job)
            return ""
        job.sent = True
        try:
            results = await child.run(job.calls, within_s=self._patience_s(job))
        except TimeoutError:
            return self._lost(job, "hung")
        except ChildGone:
            return self._lost(job, "died")
        self.commands += 0 if job.own else len(job.calls)
        if job.writes and _maybe_sent(results[0]):
            self._owner.doubtful(job, "unanswered")
            # a simulated terminal's end can be proven to the server; a real one is fine, and shows what came of it
            ended = self._terms.terminal == "simulated" or not results[0].ok
            return "unanswered" if ended else ""
        job.settle(results)
        return "uninitialized" if any(r.error[0] == NOT_INITIALIZED for r in results) else ""

    def _patience_s(self, job: Job) -> float:
        """A short deadline is the caller's affair: it does not make a terminal hung."""
        waited_s = asyncio.get_running_loop().time() - job.since
        return max(job.timeout_s - waited_s, self._terms.hang_s)

    def _lost(self, job: Job, why: str) -> str:
        if job.writes:
            self._owner.doubtful(job, why)
        elif why == "died" and job.retries < MOST_RETRIES and not job.future.done():
            job.retries, job.sent = job.retries + 1, False  # reading twice is harmless
            self.queue.put_back(job)
        else:
            job.fail(KakehashiError("TIMEOUT", f"the terminal did not answer: it {why}, and is being replaced"))
        return why


def _maybe_sent(result: Result) -> bool:
    """Whether this answer to an order request says that nobody knows what became of it."""
    if result.fault:
        return False
    if not result.ok:
        return result.error[0] in MAYBE_SENT
    told = msgspec.json.decode(result.json)
    return told.get("retcode") in NOBODY_KNOWS and not told.get("deal")


async def cancelled(task: "asyncio.Task[None]") -> None:
    """Cancel a task and wait for its end."""
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
