"""Every store that the suite runs on, by URL: memory's disks are known here only, no setting leads to them."""

import contextlib
import sqlite3
from pathlib import Path

import asyncpg

from kakehashi.ports import Store
from kakehashi.store import open as real
from kakehashi.store.memory import Disk, MemoryStore

DISKS: dict[str, Disk] = {}


def open_store(url: str) -> Store:
    if url.startswith("memory:"):
        return MemoryStore(DISKS.setdefault(url, Disk()))
    return real.open_store(url)


def from_backup(url: str, target: Path) -> Store:
    """A store on the file that ``backup`` made."""
    if not url.startswith("memory:"):
        return real.open_store(f"sqlite:///{target}")
    with contextlib.closing(sqlite3.connect(target)) as image:
        return MemoryStore(Disk(image))


async def raw(url: str, sql: str) -> None:
    """Change a database behind the store's back."""
    if url.startswith("memory:"):
        DISKS[url].connection.execute(sql)
    elif url.startswith("sqlite"):
        with contextlib.closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as connection, connection:
            connection.execute(sql)
    else:
        server = await asyncpg.connect(url)
        await server.execute(sql)
        await server.close()
