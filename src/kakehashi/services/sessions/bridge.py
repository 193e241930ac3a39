"""The bridge: who may, and which sessions there are, with one life."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable

import structlog

from kakehashi.domain.errors import KakehashiError, Unavailable
from kakehashi.ports import Clock, Ownership, Store
from kakehashi.services.access import Tokens
from kakehashi.services.sessions.keeper import Keeper
from kakehashi.services.sessions.line import cancelled
from kakehashi.services.tokenwatch import keep_tokens

log = structlog.get_logger("bridge")


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
        refreshing = asyncio.create_task(keep_tokens(self.tokens, self.store, self.clock, self.ownership))
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
