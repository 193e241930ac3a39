"""The postman: takes notices out of the outbox, has them carried, and says what became of each try.

A notice leaves the outbox only when the trader has recorded that it was sent, so each is delivered at least once.
One loop and one thread a target: a slow mail server delays neither the hub nor the other targets.
"""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Protocol

import msgspec

from kakehashi.domain.errors import KakehashiError, Unavailable
from kakehashi.domain.incidentkinds import Severity
from kakehashi.domain.incidents import Notice, Post
from kakehashi.domain.notices import NoticeTold
from kakehashi.ports import Clock, Store
from kakehashi.telemetry import counter, get_logger

log = get_logger("notify")

LOOK_EVERY_S: Final = 1.0
WAITING: Final = 500
_TRIES = counter("notices", "Tries to deliver a message, by outcome", ["outcome"])


class Carries(Protocol):
    """Delivers to one target, blocking; see :class:`~kakehashi.notify.carrier.Carrier`."""

    def carry(self, title: str, body: str, severity: Severity) -> None: ...


class Postman:
    """Delivers the notices of one hub. Run it beside the trader; :meth:`wake` it when notices were committed."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        carriers: Mapping[str, Carries],
        *,
        tell: Callable[[NoticeTold], Awaitable[object]],
        timeout_s: float = 15.0,
    ) -> None:
        """:param tell: records what became of a try (the trader's ``submit``); ``timeout_s`` bounds one try"""
        self._store, self._clock, self._carriers, self._tell = store, clock, carriers, tell
        self._timeout_s = timeout_s
        self._wakes = {name: asyncio.Event() for name in (*carriers, "")}
        self._untold: dict[str, NoticeTold] = {}

    def wake(self) -> None:
        """Something may be waiting. Lost wake-ups cost a second."""
        for event in self._wakes.values():
            event.set()

    async def run(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for name in self._wakes:
                tasks.create_task(self._serve(name))

    async def _serve(self, target: str) -> None:
        """One target's loop; that of the empty name takes the notices nobody delivers any more."""
        wake = self._wakes[target]
        while True:
            wake.clear()
            try:
                for notice in await self._due(target):
                    await self._deliver(notice)
            except KakehashiError as e:  # the store is away: what was sent is remembered, and told when it is back
                log.warning("notices_wait", target=target, code=e.code)
            except Exception as e:
                log.error("notices_fault", target=target, error=repr(e), exc_info=e)
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await wake.wait()
            except TimeoutError:
                pass

    async def _due(self, target: str) -> list[Notice]:
        where = {"state": Post.WAITING.value} | ({"target": target} if target else {})
        rows = await self._store.rows("notices", where=where, limit=WAITING, newest_first=False)
        found = [msgspec.json.decode(row["body"], type=Notice) for row in rows]
        now = self._clock.now_ms()
        return [n for n in found if n.due_at <= now and (target or n.target not in self._carriers)]

    async def _deliver(self, notice: Notice) -> None:
        told = self._untold.get(notice.id)
        if told is None:
            error = await self._try(notice)
            told = NoticeTold(at=self._clock.now_ms(), notice=notice, sent=error is None, error=error or "")
            _TRIES.labels("sent" if told.sent else "failed").inc()
            if not told.sent:
                log.warning("notice_failed", target=notice.target, notice=notice.id, error=told.error)
            self._untold[notice.id] = told
        await self._tell(told)
        del self._untold[notice.id]

    async def _try(self, notice: Notice) -> str | None:
        """Why it could not be delivered; None where it was."""
        carrier = self._carriers.get(notice.target)
        if carrier is None:
            return "no such target is configured"
        try:
            async with asyncio.timeout(2 * self._timeout_s + 5):  # connecting and reading have a limit each
                await in_thread(lambda: carrier.carry(notice.title, notice.body, notice.severity), name=notice.target)
        except TimeoutError:
            return "no answer in time"
        except KakehashiError as e:
            return e.message
        return None


async def in_thread(work: Callable[[], None], *, name: str) -> None:
    """Do blocking work in a thread that does not keep the process alive.

    :raises Unavailable: NOTICE_UNDELIVERED: ``work`` broke in a way nobody foresaw
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[None] = loop.create_future()

    def settle(error: BaseException | None) -> None:
        if done.done():
            return
        if error is None:
            done.set_result(None)
        elif isinstance(error, KakehashiError):
            done.set_exception(error)
        else:  # a plug-in's fault must not end the loop that serves the other messages
            done.set_exception(Unavailable("NOTICE_UNDELIVERED", f"a fault in the plug-in: {type(error).__name__}"))

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except BaseException as e:  # noqa: BLE001 told to who waits
            error = e
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, error)

    threading.Thread(target=run, name=f"notify-{name}", daemon=True).start()
    await done
