"""What the commands that work on the store or talk to the hub share: opening it, finding it, and who is asking."""

import contextlib
import getpass
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, TypeVar

import msgspec

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


def shown(value: msgspec.Struct) -> dict[str, Any]:
    """A struct as a command's data."""
    fields: dict[str, Any] = msgspec.to_builtins(value)
    return fields


def hub_url(url: str | None) -> str:
    """Where the hub is: what the caller says, else what the settings say."""
    from kakehashi.config import load_settings

    if url:
        return url.rstrip("/")
    settings = load_settings()
    return f"http://{settings.hub.host}:{settings.hub.port}"


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


async def change(work: Callable[..., Awaitable[T]], *args: Any, **options: Any) -> T:
    """Change something on the store in the name of the person at this machine: ``work(store, ..., by=, at=)``."""
    return await on_store(lambda store: work(store, *args, **options, by=actor(), at=now_ms()))
