"""The hub: the webhook door, the EA's door and the trader between them, with one life."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

import structlog

from kakehashi.domain.errors import KakehashiError, Unavailable
from kakehashi.ports import Clock, Ownership, Store
from kakehashi.services.access import Peers, RateLimit, Tokens
from kakehashi.services.ingest import Ingest
from kakehashi.services.postbox import Postbox
from kakehashi.services.reception import Reception
from kakehashi.services.tokenwatch import keep_tokens
from kakehashi.services.trader import Trader

log = structlog.get_logger("hub")


class Hub:
    """What the faces talk to. Built by bootstrap, run by :meth:`running`."""

    def __init__(
        self,
        *,
        store: Store,
        clock: Clock,
        ownership: Ownership,
        trader: Trader,
        ingest: Ingest,
        postbox: Postbox,
        tokens: Tokens,
        peers: Peers,
        ea_rate: RateLimit,
        reception: Reception,
    ) -> None:
        self.on_dead_loop: Callable[[], None] = lambda: None
        """Called when a loop has ended by itself: a hub without its trader must not stay up."""
        self.beside: list[Callable[[], Coroutine[Any, Any, None]]] = []
        """More loops that live as long as the hub."""
        self.store, self.clock, self.ownership = store, clock, ownership
        self.trader, self.ingest, self.postbox = trader, ingest, postbox
        self.reception = reception
        self.tokens, self.peers, self.ea_rate = tokens, peers, ea_rate

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Load, run the loops, and give the ownership back at the end."""
        self.tokens.refresh(await self.store.tokens())
        await self.trader.start()
        loops = [asyncio.create_task(run()) for run in (self.trader.run, *self.beside)]
        loops.append(asyncio.create_task(keep_tokens(self.tokens, self.store, self.clock, self.ownership)))
        for task in loops:
            task.add_done_callback(self._ended)
        try:
            yield
        finally:
            for task in loops:
                task.cancel()
            for result in await asyncio.gather(*loops, return_exceptions=True):
                if isinstance(result, Exception):
                    log.error("loop_failed", error=repr(result))
            with contextlib.suppress(KakehashiError):  # also NOT_OWNER: whoever took over notes its own uses
                await self.tokens.save_used(self.store, self.ownership)
            with contextlib.suppress(Unavailable):
                await self.store.release(self.ownership)
            await self.store.close()

    def _ended(self, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            log.critical("loop_ended", error=repr(task.exception()))
            self.on_dead_loop()
