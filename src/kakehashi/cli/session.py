"""What the commands that work on the store share: opening it, and who is asking."""

import contextlib
import getpass
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from kakehashi.ports import Store

T = TypeVar("T")


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def actor() -> str:
    """Who the audit row names: the person at this machine."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli"


@contextlib.asynccontextmanager
async def open_session() -> AsyncIterator["Store"]:
    """The store of the settings, its tables made on first use."""
    import asyncio

    from kakehashi.bootstrap import opened_store, prepare_store
    from kakehashi.config import load_settings

    url = await asyncio.to_thread(prepare_store, load_settings())
    store = await opened_store(url)
    try:
        yield store
    finally:
        await store.close()


async def on_store(work: Callable[["Store"], Awaitable[T]]) -> T:
    """Do one thing on the store."""
    async with open_session() as store:
        return await work(store)
