"""Keeps the tokens that a door knows in step with the store."""

import asyncio
import contextlib
from typing import Final, NoReturn

from kakehashi.domain.errors import Unavailable
from kakehashi.ports import Clock, Ownership, Store
from kakehashi.services.access import Tokens
from kakehashi.services.changes import Changes

READ_EVERY_S: Final = 0.25
SAVED_EVERY_S: Final = 60.0


async def keep_tokens(tokens: Tokens, store: Store, clock: Clock, ownership: Ownership) -> NoReturn:
    """Read them anew soon after somebody changed one, and write down now and then when each was used last."""
    save_at, changes = clock.monotonic(), Changes(store)
    while True:
        await asyncio.sleep(READ_EVERY_S)
        with contextlib.suppress(Unavailable):
            if tokens.used and clock.monotonic() >= save_at:
                save_at = clock.monotonic() + SAVED_EVERY_S
                await tokens.save_used(store, ownership)
            if (newest := await changes.newest()) is not None:
                tokens.refresh(await store.tokens())
                changes.taken(newest)
