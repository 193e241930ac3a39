"""The embedded store: one file, one writer thread, one fsync for all who wait (law 1; ADR: our own SQLite writer).

The standard library's driver lets go of the GIL at each statement and may wait milliseconds to get it back from a busy
event loop; so a group of commits is written in few statements of many rows.
"""

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, Generic, TypeVar
from urllib.parse import quote

from kakehashi.domain.errors import KakehashiError, Rejected, Unavailable
from kakehashi.domain.values import Millis
from kakehashi.ports import AuditRow, Commit, ConfigRow, InboxRow, JournalEntry, Ownership, TokenRow
from kakehashi.store import migrate, queries
from kakehashi.store.locks import FileLock
from kakehashi.store.rows import UPSERTS, Params, Plan, plan, token_params

T = TypeVar("T")

_MOST_ROWS: Final = 64
"""Rows in one statement at most: so many different statements of each table are prepared in time, and kept."""

_AUDIT_PAGE: Final = 5000

_PRAGMAS: Final = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "cache_size=-65536",
    "wal_autocheckpoint=4000",
    "temp_store=MEMORY",  # an upsert of many rows notes how to undo itself: not in a file of its own
)

# What one commit may have done wrong by itself; any other error is the database's and strikes the whole group.
_GUILT: Final = (KakehashiError, sqlite3.IntegrityError, sqlite3.InterfaceError, sqlite3.ProgrammingError)
_BAD_VALUE: Final = (OverflowError, UnicodeError, ValueError, TypeError)


class _Job(Generic[T]):
    """Something to write, and who waits for it."""

    __slots__ = ("apply", "error", "future", "result")

    def __init__(self, apply: "Callable[[_Transaction], T]", future: "asyncio.Future[T]") -> None:
        self.apply = apply
        self.future = future
        self.result: T | None = None
        self.error: Exception | None = None

    def settle(self) -> None:
        """On the event loop; who stopped waiting is left alone."""
        if self.future.done():
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)  # type: ignore[arg-type]  # set by apply whenever there is no error


class _Transaction:
    """What the writer has in hand between BEGIN and COMMIT. Upserts are gathered and written together."""

    def __init__(self, connection: sqlite3.Connection, crash_point: Callable[[str], None]) -> None:
        self.connection = connection
        self._crash_point = crash_point
        self._pending: dict[str, list[Params]] = {}
        self._epochs: dict[str, tuple[int | None, str]] = {}
        self._head: queries.AuditHead | None = None

    def write(self, plan: Plan) -> None:
        self._fence(plan.ownership)
        for table, rows in plan.writes.items():
            self._pending.setdefault(table, []).extend(rows)
        if plan.deletes:
            self.flush()  # a row that is deleted may have been written a moment ago
            for sql, key in plan.deletes:
                self.connection.execute(sql, (key,))
        if plan.audits:
            self.audit(plan.audits)

    def audit(self, rows: Sequence[AuditRow]) -> None:
        if self._head is None:
            last = self.connection.execute(queries.AUDIT_HEAD).fetchone()
            self._head = queries.AuditHead(*last) if last else queries.AuditHead()
        self._head, written = queries.chained(self._head, rows)
        self._pending.setdefault("audits", []).extend(written)

    def flush(self) -> None:
        """:raises Rejected: ``DUPLICATE_KEY``"""
        pending, self._pending = self._pending, {}
        for table, rows in pending.items():
            for start, size in _slices(len(rows)):
                part = rows[start : start + size]
                params = part[0] if size == 1 else [value for row in part for value in row]
                done = self.connection.execute(UPSERTS[table].many(size), params)
                if table == "idem" and done.rowcount < size:
                    raise self._duplicate(part)
            self._crash_point(f"after_{table}")

    def _fence(self, ownership: Ownership) -> None:
        """Law 2: whoever was replaced writes nothing more."""
        if ownership.owner not in self._epochs:
            found = self.connection.execute(queries.EPOCHS, (ownership.owner,)).fetchone()
            self._epochs[ownership.owner] = found or (None, "")
        newest, holder = self._epochs[ownership.owner]
        if newest != ownership.epoch:
            raise queries.not_owner(ownership.owner, ownership.epoch, newest, holder)

    def _duplicate(self, rows: Sequence[Params]) -> Rejected:
        holder = None
        key = str(rows[0][0])
        for row in rows:
            found = self.connection.execute(queries.IDEM_HOLDER, (row[0],)).fetchone()
            if found and found[0] != row[1]:
                key, holder = str(row[0]), str(found[0])
                break
        return queries.duplicate(key, holder)


def _slices(count: int) -> list[tuple[int, int]]:
    """Start and size of each statement. As few as can be: each one waits for the interpreter's lock."""
    return [(start, min(_MOST_ROWS, count - start)) for start in range(0, count, _MOST_ROWS)]


class SqliteStore:
    """A :class:`~kakehashi.ports.Store` in one SQLite file (WAL, ``synchronous=FULL``).

    :param path: the database file; its directory must exist
    :param busy_timeout_s: how long to wait for another process's write before Unavailable
    :param max_waiting: commits that may wait; more are refused with Unavailable
    :ivar crash_point: for crash tests: called on the writer thread with ``after_begin``, ``after_<table>`` for each
        table written (``after_orders``: the journal is not yet), ``before_commit`` and ``after_commit``
    """

    def __init__(self, path: str, *, busy_timeout_s: float = 5.0, max_waiting: int = 10_000) -> None:
        self.path = Path(path)
        self.crash_point: Callable[[str], None] = lambda _where: None
        self._busy_timeout_s = busy_timeout_s
        self._max_waiting = max_waiting
        self._waiting: list[_Job[Any]] = []
        self._unsettled = 0
        self._groups: queue.SimpleQueue[list[_Job[Any]] | None] = queue.SimpleQueue()
        self._locks: dict[str, FileLock] = {}
        self._local = threading.local()
        self._read_connections: list[sqlite3.Connection] = []
        self._loop: asyncio.AbstractEventLoop | None = None

    async def open(self) -> None:
        try:
            await asyncio.to_thread(self._prepare)
            self._writer = await asyncio.to_thread(self._connect)
        except (sqlite3.Error, OSError) as e:
            raise _unavailable(e) from e
        self._readers = ThreadPoolExecutor(2, thread_name_prefix="store-read")
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._write_loop, name="store-write", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """What waits is still written; then ownerships are let go."""
        if self._loop is None:
            return
        self._kick()
        self._loop = None
        self._groups.put(None)
        await asyncio.to_thread(self._thread.join)
        await asyncio.to_thread(self._readers.shutdown)
        for connection in [*self._read_connections, self._writer]:
            connection.close()
        self._read_connections.clear()
        for lock in self._locks.values():
            lock.free()
        self._locks.clear()

    async def claim(self, owner: str, *, holder: str) -> Ownership:
        lock = FileLock(Path(f"{self.path.resolve()}.{quote(owner, safe='')}.lock"))
        try:
            taken = lock.take()
        except OSError as e:
            raise _unavailable(e) from e
        if not taken:
            found = await self._fetch(queries.EPOCHS, (owner,))
            raise queries.owned(owner, found[0]["holder"] if found else "")
        params = (owner, holder, time.time_ns() // 1_000_000)
        try:
            epoch = await self._submit(lambda t: int(t.connection.execute(queries.CLAIM, params).fetchone()[0]))
        except BaseException:
            lock.free()
            raise
        self._locks[owner] = lock
        return Ownership(owner, epoch)

    async def release(self, ownership: Ownership) -> None:
        lock = self._locks.pop(ownership.owner, None)
        if lock is not None:
            lock.free()

    async def commit(self, commit: Commit) -> None:
        planned = plan(commit)
        await self._submit(lambda t: t.write(planned))

    async def known(self, keys: Sequence[str], *, now: Millis) -> Mapping[str, str]:
        if not keys:
            return {}
        rows = await self._fetch(queries.taken(keys), tuple(keys))
        expired = [row["key"] for row in rows if row["until"] is not None and row["until"] <= now]
        if expired:
            await self._submit(lambda t: t.connection.execute(queries.free(expired), (now, *expired)).rowcount)
        return {row["key"]: row["signal_id"] for row in rows if row["key"] not in expired}

    async def taken_keys(self, *, after: str = "", limit: int = 1000) -> Sequence[str]:
        return [row["key"] for row in await self._fetch(queries.KEYS, (after, limit))]

    async def journal(self, *, owner: str, after: int = 0, limit: int = 1000) -> Sequence[tuple[int, JournalEntry]]:
        rows = await self._fetch(queries.JOURNAL, (owner, after, limit))
        return [(row.pop("seq"), JournalEntry(**{**row, "body": row["body"].encode()})) for row in rows]

    async def rows(
        self, table: str, *, where: Mapping[str, Any] | None = None, limit: int = 100, newest_first: bool = True
    ) -> Sequence[Mapping[str, Any]]:
        return await self._fetch(*queries.listing(table, where, limit, newest_first=newest_first))

    async def put_config(self, row: ConfigRow, audit: AuditRow) -> None:
        await self.put_configs([(row, audit)])

    async def put_configs(self, rows: Sequence[tuple[ConfigRow, AuditRow]]) -> None:
        def write(t: _Transaction) -> None:
            for row, _ in rows:
                newest = t.connection.execute(queries.NEWEST_VERSION, (row.kind, row.name)).fetchone()[0]
                queries.check_version(row, newest)
                t.connection.execute(queries.PUT_CONFIG, queries.config_params(row))
            t.audit([audit for _, audit in rows])

        await self._submit(write)

    async def configs(self, kind: str | None = None) -> Sequence[ConfigRow]:
        rows = [ConfigRow(**{**row, "body": row["body"].encode()}) for row in await self._fetch(queries.CONFIGS)]
        return [row for row in rows if kind in (None, row.kind)]

    async def config_history(self, kind: str, name: str) -> Sequence[ConfigRow]:
        rows = await self._fetch(queries.CONFIG_HISTORY, (kind, name))
        return [ConfigRow(**{**row, "body": row["body"].encode()}) for row in rows]

    async def put_token(self, row: TokenRow, audit: AuditRow) -> None:
        def write(t: _Transaction) -> None:
            t.connection.execute(UPSERTS["tokens"].many(1), token_params(row))
            t.audit([audit])

        await self._submit(write)

    async def tokens(self) -> Sequence[TokenRow]:
        return [TokenRow(**row) for row in await self._fetch(queries.TOKENS)]

    async def post(self, owner: str, at: Millis, body: bytes) -> int:
        params = (owner, at, body.decode())
        return await self._submit(lambda t: int(t.connection.execute(queries.POST, params).fetchone()[0]))

    async def inbox(self, owner: str) -> Sequence[InboxRow]:
        rows = await self._fetch(queries.INBOX, (owner,))
        return [InboxRow(**{**row, "body": row["body"].encode()}) for row in rows]

    async def audits(self, *, limit: int = 100) -> Sequence[Mapping[str, Any]]:
        return await self.rows("audits", limit=limit)

    async def verify_audits(self) -> int:
        head = queries.AuditHead()
        while rows := await self._fetch(queries.AUDITS, (head.seq, _AUDIT_PAGE)):
            head = queries.check_chain(head, rows)
        return head.seq

    async def backup(self, path: str) -> None:
        """A whole, consistent database file at ``path``, made while others go on writing."""
        target = Path(path)
        part = target.with_name(target.name + ".part")

        def copy(connection: sqlite3.Connection) -> None:
            part.unlink(missing_ok=True)
            connection.execute("VACUUM INTO ?", (str(part),))
            part.replace(target)

        await self._read(copy)

    async def prune(self, *, before: Millis) -> Mapping[str, int]:
        deleted: dict[str, int] = {}
        for rule in queries.prunings(before):
            keys = [row[rule.key] for row in await self._fetch(rule.find(), rule.params)]
            deleted[rule.table] = 0
            for start in range(0, len(keys), queries.PRUNE_STEP):
                part = keys[start : start + queries.PRUNE_STEP]
                sql, params = rule.delete(part), (*rule.params, *part)
                deleted[rule.table] += await self._submit(_deleting(sql, params))
        return deleted

    # --- the event loop's side -------------------------------------------------------------------------------------

    async def _submit(self, apply: Callable[[_Transaction], T]) -> T:
        if self._loop is None:
            raise Unavailable("STORE_UNAVAILABLE", "the store is not open")
        if self._unsettled >= self._max_waiting:
            raise Unavailable("STORE_UNAVAILABLE", f"{self._unsettled} commits wait for the disk already")
        job = _Job(apply, self._loop.create_future())
        self._unsettled += 1
        self._waiting.append(job)
        if self._unsettled == 1:
            self._kick()  # the writer is idle: it works while this round of the loop goes on
        elif len(self._waiting) == 1:
            self._loop.call_soon(self._kick)  # at the end of this round of the loop: whoever commits in it rides along
        done: T = await job.future
        return done

    def _kick(self) -> None:
        if self._waiting:
            self._groups.put(self._waiting)
            self._waiting = []

    def _settle(self, group: list[_Job[Any]]) -> None:
        self._unsettled -= len(group)
        for job in group:
            job.settle()

    async def _fetch(self, sql: str, params: Params = ()) -> list[dict[str, Any]]:
        def fetch(connection: sqlite3.Connection) -> list[dict[str, Any]]:
            cursor = connection.execute(sql, params)
            names = [column[0] for column in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

        return await self._read(fetch)

    async def _read(self, work: Callable[[sqlite3.Connection], T]) -> T:
        if self._loop is None:
            raise Unavailable("STORE_UNAVAILABLE", "the store is not open")
        try:
            found: T = await self._loop.run_in_executor(self._readers, lambda: work(self._read_connection()))
            return found
        except (sqlite3.Error, OSError) as e:
            raise _unavailable(e) from e

    # --- the threads' side -----------------------------------------------------------------------------------------

    def _prepare(self) -> None:
        url = f"sqlite:///{self.path.resolve()}"
        found = migrate.current(url)
        if found is None:
            migrate.upgrade(url)
        elif found != migrate.HEAD:
            raise queries.schema_outdated(found, migrate.HEAD)

    def _connect(self, *, read_only: bool = False) -> sqlite3.Connection:
        uri = f"file:{quote(str(self.path.resolve()))}?mode={'ro' if read_only else 'rw'}"
        connection = sqlite3.connect(
            uri,
            uri=True,
            timeout=self._busy_timeout_s,
            isolation_level=None,
            check_same_thread=False,  # opened and closed by one thread, used by another, never by two at once
            cached_statements=1024,
        )
        if not read_only:
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
        return connection

    def _read_connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._connect(read_only=True)
            self._read_connections.append(connection)
        return connection

    def _write_loop(self) -> None:
        loop, stop = self._loop, False
        while not stop:
            group = self._groups.get()
            stop = group is None
            jobs = group or []
            while not stop and not self._groups.empty():
                more = self._groups.get()
                stop = more is None
                jobs += more or []
            if jobs:
                self._write_group(jobs)
                if loop is not None and not loop.is_closed():
                    loop.call_soon_threadsafe(self._settle, jobs)

    def _write_group(self, jobs: list[_Job[Any]]) -> None:
        """All in one transaction; where one of them is at fault, all again, each in its own savepoint."""
        try:
            try:
                self._transact(jobs, self._apply_together)
            except (*_GUILT, *_BAD_VALUE):
                self._transact(jobs, self._apply_apart)
        except Exception as e:  # noqa: BLE001 the writer thread must outlive anything; who waits is told
            for job in jobs:
                job.error = _unavailable(e)

    def _transact(self, jobs: list[_Job[Any]], apply: Callable[[list[_Job[Any]]], None]) -> None:
        self._writer.execute("BEGIN IMMEDIATE")
        try:
            self.crash_point("after_begin")
            apply(jobs)
            self.crash_point("before_commit")
            self._writer.execute("COMMIT")
        except BaseException:
            if self._writer.in_transaction:
                self._writer.execute("ROLLBACK")
            raise
        self.crash_point("after_commit")

    def _apply_together(self, jobs: list[_Job[Any]]) -> None:
        transaction = _Transaction(self._writer, self.crash_point)
        for job in jobs:
            job.result = job.apply(transaction)
        transaction.flush()

    def _apply_apart(self, jobs: list[_Job[Any]]) -> None:
        for job in jobs:
            self._writer.execute("SAVEPOINT job")
            try:
                transaction = _Transaction(self._writer, self.crash_point)
                job.result = job.apply(transaction)
                transaction.flush()
            except (*_GUILT, *_BAD_VALUE) as e:
                self._writer.execute("ROLLBACK TO job")
                job.error = e if isinstance(e, KakehashiError) else queries.unstorable(e)
            self._writer.execute("RELEASE job")


def _deleting(sql: str, params: Params) -> Callable[[_Transaction], int]:
    return lambda t: t.connection.execute(sql, params).rowcount


def _unavailable(error: Exception) -> Unavailable:
    """Busy, full, read-only or broken: nothing was written."""
    return Unavailable("STORE_UNAVAILABLE", f"{type(error).__name__}: {error}", hint="check the disk")
