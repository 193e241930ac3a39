"""The bridge: who may, and which sessions there are, with one life."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import structlog

from kakehashi.domain.errors import KakehashiError, Unavailable
from kakehashi.ports import Clock, Ownership, Store
from kakehashi.services.access import Tokens
from kakehashi.services.changes import Changes
from kakehashi.services.sessions.keeper import Keeper
from kakehashi.services.sessions.line import cancelled

log = structlog.get_logger("bridge")

TOKENS_EVERY_S = 0.25
USED_EVERY_S = 60.0


class Bridge:
    """What the ``/v5`` faces talk to."""

    def __init__(self, store: Store, clock: Clock, ownership: Ownership, keeper: Keeper) -> None:
        self.store, self.clock, self.ownership, self.keeper = store, clock, ownership, keeper
        self.tokens = Tokens()
        self.on_dead_loop: Callable[[], None] = lambda: None
        """Called when the tokens' loop has ended by itself: a revoked token must not go on working."""

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        self.tokens.refresh(await self.store.tokens())
        refreshing = asyncio.create_task(self._refresh_tokens())
        refreshing.add_done_callback(self._ended)
        try:
            async with self.keeper.running():
                yield
        finally:
            await cancelled(refreshing)
            with contextlib.suppress(KakehashiError):
                await self.tokens.save_used(self.store, self.ownership)
            with contextlib.suppress(Unavailable):
                await self.store.release(self.ownership)
            await self.store.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.critical("loop_ended", error=repr(task.exception()))
            self.on_dead_loop()

    async def _refresh_tokens(self) -> None:
        save_at, changes = self.clock.monotonic(), Changes(self.store)
        while True:
            await asyncio.sleep(TOKENS_EVERY_S)
            with contextlib.suppress(Unavailable):
                if self.tokens.used and self.clock.monotonic() >= save_at:
                    save_at = self.clock.monotonic() + USED_EVERY_S
                    await self.tokens.save_used(self.store, self.ownership)
                if (newest := await changes.newest()) is not None:
                    self.tokens.refresh(await self.store.tokens())
                    changes.taken(newest)
