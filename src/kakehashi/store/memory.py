"""A store in memory, for the simulation: the same SQL as the embedded one, on the caller's own loop and without threads.

What a process committed is on its :class:`Disk`, which outlives the process; what it had not is gone with it. Nothing here
may be configured for a real hub: memory is not durable (law 1).
"""

import asyncio
import contextlib
import sqlite3
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from kakehashi.domain.errors import Unavailable
from kakehashi.ports import Ownership
from kakehashi.store import migrate, queries
from kakehashi.store.sqlite import SqliteStore, _Job, _Transaction, _unavailable

T = TypeVar("T")


class Disk:
    """What is kept when a process ends: the rows, and who owns what.

    :ivar fsync_s: how long a commit takes, seconds of the loop's time
    """

    def __init__(self, image: sqlite3.Connection | None = None) -> None:
        self.connection = _copy(image or _empty())
        self.connection.execute("PRAGMA temp_store=MEMORY")
        self.holders: dict[str, MemoryStore] = {}
        self.fsync_s: Callable[[], float] = lambda: 0.0

    def image(self) -> sqlite3.Connection:
        """A copy as of now: a backup."""
        return _copy(self.connection)

    def restore(self, image: sqlite3.Connection) -> None:
        """Put an old copy back; no process may be using the disk."""
        image.backup(self.connection)


def _copy(source: sqlite3.Connection) -> sqlite3.Connection:
    target = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False, cached_statements=1024)
    source.backup(target)
    return target


@cache
def _empty() -> sqlite3.Connection:
    """The schema as the migrations make it; they know files only."""
    with tempfile.TemporaryDirectory(prefix="kakehashi-") as folder:
        path = Path(folder) / "empty.db"
        migrate.upgrade(f"sqlite:///{path}")
        with contextlib.closing(sqlite3.connect(path)) as written:
            return _copy(written)


class MemoryStore(SqliteStore):
    """A :class:`~kakehashi.ports.Store` on a :class:`Disk`. Its ``crash_point`` may raise: then its caller is told so.

    :ivar crash_point: as on :class:`~kakehashi.store.sqlite.SqliteStore`; one that raises ``after_commit`` has committed
    """

    def __init__(self, disk: Disk) -> None:
        super().__init__(":memory:")
        self.disk = disk

    async def open(self) -> None:
        self._writer = self.disk.connection
        self._loop = asyncio.get_running_loop()

    async def close(self) -> None:
        """What waits is still written."""
        self._write()
        self.killed()

    def killed(self) -> None:
        """The process is gone: what waits is never written, and its ownerships are free, as with the OS's locks."""
        self._loop, self._waiting = None, []
        for owner in [owner for owner, store in self.disk.holders.items() if store is self]:
            del self.disk.holders[owner]

    async def claim(self, owner: str, *, holder: str) -> Ownership:
        if owner in self.disk.holders:
            found = await self._fetch(queries.EPOCHS, (owner,))
            raise queries.owned(owner, found[0]["holder"] if found else "")
        self.disk.holders[owner] = self
        params = (owner, holder, 0)
        epoch = await self._submit(lambda t: int(t.connection.execute(queries.CLAIM, params).fetchone()[0]))
        return Ownership(owner, epoch)

    async def release(self, ownership: Ownership) -> None:
        if self.disk.holders.get(ownership.owner) is self:
            del self.disk.holders[ownership.owner]

    async def _submit(self, apply: Callable[[_Transaction], T]) -> T:
        if self._loop is None:
            raise Unavailable("STORE_UNAVAILABLE", "the store is not open")
        job = _Job(apply, self._loop.create_future())
        self._waiting.append(job)
        if len(self._waiting) == 1:
            self._loop.call_later(self.disk.fsync_s(), self._write)
        done: T = await job.future
        return done

    def _write(self) -> None:
        """Everything that waits, in one transaction."""
        jobs: list[_Job[Any]] = self._waiting
        self._waiting = []
        if not jobs:
            return
        try:
            self._write_group(jobs)
        except BaseException as e:  # noqa: BLE001 a crash point's own: whoever waits is told
            for job in jobs:
                job.error = e  # type: ignore[assignment]  # futures carry any exception
        for job in jobs:
            job.settle()

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._loop is None:
            raise Unavailable("STORE_UNAVAILABLE", "the store is not open")
        try:
            return work(self._writer)
        except (sqlite3.Error, OSError) as e:
            raise _unavailable(e) from e
