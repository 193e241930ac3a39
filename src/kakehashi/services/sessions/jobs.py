"""Commands that wait for a session's one terminal: first come, first served, not for ever, and cancellable."""

import asyncio
from collections import deque
from functools import partial
from typing import Any

from kakehashi.domain.errors import Rejected, Unavailable
from kakehashi.domain.terminalcalls import Format, Result

Calls = tuple[tuple[str, dict[str, Any], Format], ...]


class Job:
    """Some calls, and who waits for their results.

    :ivar sent: whether the terminal process has them
    :ivar record_id: under which a write is kept; empty: it only reads
    :ivar own: the bridge's own question
    """

    __slots__ = ("calls", "fingerprint", "future", "own", "record_id", "retries", "sent", "since", "timeout_s")

    def __init__(
        self, calls: Calls, timeout_s: float, *, record_id: str = "", fingerprint: str = "", own: bool = False
    ) -> None:
        loop = asyncio.get_running_loop()
        self.calls, self.timeout_s, self.own = calls, timeout_s, own
        self.record_id, self.fingerprint = record_id, fingerprint
        self.future: asyncio.Future[tuple[Result, ...]] = loop.create_future()
        self.future.add_done_callback(_seen)
        self.since = loop.time()
        self.sent = False
        self.retries = 0

    @property
    def writes(self) -> bool:
        return bool(self.record_id)

    async def over(self, *, within_s: float) -> bool:
        """Wait for its end; whether it came in time. Giving up waiting does not end the job, and others may wait too."""
        if self.future.done():
            return True
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        wake = partial(_wake, waiter)
        timer = loop.call_later(within_s, wake)
        self.future.add_done_callback(wake)
        try:
            await waiter
        finally:
            timer.cancel()
            self.future.remove_done_callback(wake)
        return self.future.done()

    def settle(self, results: tuple[Result, ...]) -> None:
        if not self.future.done():
            self.future.set_result(results)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


def _wake(waiter: "asyncio.Future[None]", *_: object) -> None:
    if not waiter.done():
        waiter.set_result(None)


def _seen(future: "asyncio.Future[Any]") -> None:
    """An error that nobody waited for is no fault of the loop."""
    if not future.cancelled():
        future.exception()


class Queue:
    """:param most: commands of callers that may wait; the bridge's own come on top, and first"""

    def __init__(self, most: int) -> None:
        self._most = most
        self._waiting: deque[Job] = deque()
        self._own: deque[Job] = deque()
        self.filled = asyncio.Event()

    def __len__(self) -> int:
        return sum(1 for job in self._waiting if not job.future.done())

    def put(self, job: Job, *, restarting: bool) -> None:
        """
        :raises Rejected: QUEUE_FULL
        :raises Unavailable: SESSION_RESTARTING: it is full while the terminal is being replaced
        """
        if len(self._waiting) >= self._most:
            self._waiting = deque(j for j in self._waiting if not j.future.done())
        if len(self._waiting) >= self._most:
            full = f"{self._most} commands wait for this session already"
            if restarting:
                raise Unavailable("SESSION_RESTARTING", f"its terminal is being replaced, and {full}")
            raise Rejected("QUEUE_FULL", full, hint="wait for answers before sending more")
        self._waiting.append(job)
        self.filled.set()

    def put_own(self, job: Job) -> None:
        """The bridge's own questions; they do not wait behind what they are about."""
        self._own.append(job)
        self.filled.set()

    def put_back(self, job: Job) -> None:
        """It was not carried out: it is the next again."""
        self._waiting.appendleft(job)
        self.filled.set()

    def take(self, *, oldest_s: float) -> Job | None:
        """The next that somebody still waits for. What is older than ``oldest_s`` is failed with TIMEOUT."""
        now = asyncio.get_running_loop().time()
        while self._own or self._waiting:
            job = self._own.popleft() if self._own else self._waiting.popleft()
            if job.future.done():
                continue
            if now - job.since > oldest_s:
                job.fail(Unavailable("TIMEOUT", f"it waited over {oldest_s:g} s and was not sent"))
                continue
            return job
        self.filled.clear()
        return None

    def fail_all(self, error: Exception) -> None:
        for job in (*self._own, *self._waiting):
            job.fail(error)
        self._own.clear()
        self._waiting.clear()
