"""The grown store: PostgreSQL by asyncpg, with the same group commit as the embedded one."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
import msgspec

from kakehashi.domain.errors import KakehashiError, OutcomeUnknown, Unavailable
from kakehashi.domain.values import Millis
from kakehashi.ports import AuditRow, Commit, ConfigRow, InboxRow, JournalEntry, Ownership, TokenRow
from kakehashi.store import migrate, queries, schema
from kakehashi.store.rows import IDEM_TAIL, UPSERTS, Params, Plan, numbered, plan, token_params

T = TypeVar("T")

_AUDIT_PAGE: Final = 5000
_AUDIT_LOCK: Final = migrate.LOCK_KEY + 1
"""Taken by whoever extends the audit chain, until its transaction ends: two processes must not both see one head."""

_IDEM: Final = (
    "INSERT INTO idem (key, signal_id, taken_at, until)"  # noqa: S608 our own text
    f" SELECT * FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) {IDEM_TAIL} RETURNING key"
)

# What one commit may have done wrong by itself.
_GUILT: Final = (
    KakehashiError,
    asyncpg.IntegrityConstraintViolationError,
    asyncpg.CardinalityViolationError,  # one key twice in one statement
    asyncpg.DataError,
    asyncpg.exceptions.ProgramLimitExceededError,
    OverflowError,
    UnicodeError,
)


class _Job(msgspec.Struct):
    apply: Callable[["_Transaction"], Awaitable[Any]]
    future: asyncio.Future[Any]
    result: Any = None
    error: Exception | None = None


class _Transaction:
    """What the committer has in hand inside one transaction. Upserts are gathered and written together."""

    def __init__(self, connection: Any, crash_point: Callable[[str], None]) -> None:
        self.connection = connection
        self._crash_point = crash_point
        self._pending: dict[str, list[Params]] = {}
        self._epochs: dict[str, tuple[int | None, str]] = {}
        self._head: queries.AuditHead | None = None

    async def write(self, plan: Plan) -> None:
        await self._fence(plan.ownership)
        for table, rows in plan.writes.items():
            self._pending.setdefault(table, []).extend(rows)
        if plan.deletes:
            await self.flush()  # a row that is deleted may have been written a moment ago
            for sql, key in plan.deletes:
                await self.connection.execute(numbered(sql), key)
        if plan.audits:
            await self.audit(plan.audits)

    async def audit(self, rows: Sequence[AuditRow]) -> None:
        if self._head is None:
            await self.connection.execute(f"SELECT pg_advisory_xact_lock({_AUDIT_LOCK})")
            last = await self.connection.fetchrow(queries.AUDIT_HEAD)
            self._head = queries.AuditHead(*last) if last else queries.AuditHead()
        self._head, written = queries.chained(self._head, rows)
        await self.connection.executemany(numbered(queries.AUDIT_ADD), written)

    async def flush(self) -> None:
        """:raises Rejected: ``DUPLICATE_KEY``"""
        pending, self._pending = self._pending, {}
        for table, rows in pending.items():
            clean = [tuple(map(_clean, row)) for row in rows]
            if table == "idem":
                await self._take_keys(clean)
            else:
                await self.connection.executemany(numbered(UPSERTS[table].many(1)), clean)
            self._crash_point(f"after_{table}")

    async def _take_keys(self, rows: list[Params]) -> None:
        taken = await self.connection.fetch(_IDEM, *map(list, zip(*rows, strict=True)))
        if len(taken) == len(rows):
            return
        done = {row["key"] for row in taken}
        key = next(str(row[0]) for row in rows if row[0] not in done)
        raise queries.duplicate(key, await self.connection.fetchval(numbered(queries.IDEM_HOLDER), key))

    async def _fence(self, ownership: Ownership) -> None:
        """Law 2. The share lock keeps a successor's claim waiting until this transaction has ended."""
        if ownership.owner not in self._epochs:
            found = await self.connection.fetchrow(numbered(queries.EPOCHS) + " FOR SHARE", ownership.owner)
            self._epochs[ownership.owner] = tuple(found) if found else (None, "")
        newest, holder = self._epochs[ownership.owner]
        if newest != ownership.epoch:
            raise queries.not_owner(ownership.owner, ownership.epoch, newest, holder)


def _clean(value: Any) -> Any:
    """PostgreSQL's text holds no NUL; the body keeps it, escaped."""
    return value.replace("\x00", "\ufffd") if isinstance(value, str) and "\x00" in value else value


class PostgresStore:
    """A :class:`~kakehashi.ports.Store` in a PostgreSQL database.

    A connection lost at COMMIT leaves open whether it happened: the server is asked (``pg_xact_status``); where it does
    not answer in time, waiters get OutcomeUnknown (``STORE_OUTCOME_UNKNOWN``, law 4).

    :param timeout_s: for each round of writing or reading
    :ivar crash_point: for crash tests: called with ``after_begin``, ``after_<table>`` for each table written
        (``after_orders``: the journal is not yet), ``before_commit`` and ``after_commit``
    """

    def __init__(self, url: str, *, timeout_s: float = 10.0, max_waiting: int = 10_000) -> None:
        self.url = url
        self.crash_point: Callable[[str], None] = lambda _where: None
        self._timeout_s = timeout_s
        self._max_waiting = max_waiting
        self._waiting: list[_Job] = []
        self._writing = 0
        self._wake = asyncio.Event()
        self._closing = False
        self._committer: asyncio.Task[None] | None = None
        self._writer: Any = None
        self._guard: Any = None
        self._pool: Any = None
        self._held: set[str] = set()

    async def open(self) -> None:
        with _mapped():
            async with asyncio.timeout(self._timeout_s):
                probe = await self._connect()
                try:
                    found = await migrate.revision_of(probe)
                finally:
                    await probe.close()
            if found is None:
                await asyncio.to_thread(migrate.upgrade, self.url)
            elif found != migrate.HEAD:
                raise queries.schema_outdated(found, migrate.HEAD)
            async with asyncio.timeout(self._timeout_s):
                self._writer = await self._connect()
                self._pool = await asyncpg.create_pool(self.url, min_size=1, max_size=4)
        self._closing = False
        self._committer = asyncio.create_task(self._write_loop(), name="store-write")

    async def close(self) -> None:
        """What waits is still written; then ownerships are let go."""
        if self._committer is None:
            return
        self._closing = True
        self._wake.set()
        await self._committer
        self._committer = None
        for connection in (self._writer, self._guard):
            if connection is not None:
                connection.terminate() if connection.is_closed() else await connection.close(timeout=self._timeout_s)
        self._guard = None
        self._held.clear()
        async with asyncio.timeout(self._timeout_s):
            await self._pool.close()

    async def claim(self, owner: str, *, holder: str) -> Ownership:
        if owner in self._held or not await self._lock(owner):
            found = await self._fetch(queries.EPOCHS, (owner,))
            raise queries.owned(owner, found[0]["holder"] if found else "")
        params = (owner, holder, time.time_ns() // 1_000_000)
        epoch = await self._submit(lambda t: t.connection.fetchval(numbered(queries.CLAIM), *params))
        self._held.add(owner)
        return Ownership(owner, epoch)

    async def release(self, ownership: Ownership) -> None:
        if ownership.owner in self._held:
            self._held.discard(ownership.owner)
            with _mapped():
                await self._guard.execute(
                    "SELECT pg_advisory_unlock(hashtextextended($1, 0))",
                    _lock_name(ownership.owner),
                    timeout=self._timeout_s,
                )

    async def commit(self, commit: Commit) -> None:
        planned = plan(commit)
        await self._submit(lambda t: t.write(planned))

    async def known(self, keys: Sequence[str], *, now: Millis) -> Mapping[str, str]:
        if not keys:
            return {}
        rows = await self._fetch(queries.taken(keys), tuple(keys))
        expired = [row["key"] for row in rows if row["until"] is not None and row["until"] <= now]
        if expired:
            await self._submit(lambda t: t.connection.execute(numbered(queries.free(expired)), now, *expired))
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
        async def write(t: _Transaction) -> None:
            # takes the chain's lock first: two writers of one version come one after the other
            await t.audit([audit for _, audit in rows])
            for row, _ in rows:
                newest = await t.connection.fetchval(numbered(queries.NEWEST_VERSION), row.kind, row.name)
                queries.check_version(row, newest)
                await t.connection.execute(numbered(queries.PUT_CONFIG), *queries.config_params(row))

        await self._submit(write)

    async def configs(self, kind: str | None = None) -> Sequence[ConfigRow]:
        rows = [ConfigRow(**{**row, "body": row["body"].encode()}) for row in await self._fetch(queries.CONFIGS)]
        return [row for row in rows if kind in (None, row.kind)]

    async def config_history(self, kind: str, name: str) -> Sequence[ConfigRow]:
        rows = await self._fetch(queries.CONFIG_HISTORY, (kind, name))
        return [ConfigRow(**{**row, "body": row["body"].encode()}) for row in rows]

    async def put_token(self, row: TokenRow, audit: AuditRow) -> None:
        async def write(t: _Transaction) -> None:
            await t.connection.execute(numbered(UPSERTS["tokens"].many(1)), *token_params(row))
            await t.audit([audit])

        await self._submit(write)

    async def tokens(self) -> Sequence[TokenRow]:
        return [TokenRow(**row) for row in await self._fetch(queries.TOKENS)]

    async def post(self, owner: str, at: Millis, body: bytes) -> int:
        return int(
            await self._submit(lambda t: t.connection.fetchval(numbered(queries.POST), owner, at, body.decode()))
        )

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
        """Our tables as of one instant, as JSON lines ``{"table", "row"}``; bytes are base64."""
        target = Path(path)
        part = target.with_name(target.name + ".part")
        with _mapped():
            async with (
                self._pool.acquire(timeout=self._timeout_s) as connection,
                connection.transaction(isolation="repeatable_read", readonly=True),
            ):
                with part.open("wb") as out:
                    for table in schema.metadata.tables:
                        async for row in connection.cursor(f"SELECT * FROM {table}"):  # noqa: S608 our own names
                            out.write(msgspec.json.encode({"table": table, "row": dict(row)}) + b"\n")
            part.replace(target)

    async def prune(self, *, before: Millis) -> Mapping[str, int]:
        deleted: dict[str, int] = {}
        for rule in queries.prunings(before):
            keys = [row[rule.key] for row in await self._fetch(rule.find(), rule.params)]
            deleted[rule.table] = 0
            for start in range(0, len(keys), queries.PRUNE_STEP):
                part = keys[start : start + queries.PRUNE_STEP]
                deleted[rule.table] += await self._submit(_deleting(rule.delete(part), (*rule.params, *part)))
        return deleted

    async def _submit(self, apply: Callable[[_Transaction], Awaitable[T]]) -> T:
        if self._committer is None or self._closing:
            raise Unavailable("STORE_UNAVAILABLE", "the store is not open")
        if len(self._waiting) + self._writing >= self._max_waiting:
            raise Unavailable("STORE_UNAVAILABLE", f"{self._max_waiting} commits wait for the database already")
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Job(apply, future))
        self._wake.set()
        return await future

    async def _write_loop(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            jobs, self._waiting = self._waiting, []
            self._writing = len(jobs)
            if jobs:
                await self._write_group(jobs)
            self._writing = 0
            for job in jobs:
                if job.future.done():
                    continue  # who stopped waiting is left alone
                if job.error is not None:
                    job.future.set_exception(job.error)
                else:
                    job.future.set_result(job.result)
            if self._closing and not self._waiting:
                return

    async def _write_group(self, jobs: list[_Job]) -> None:
        """All in one transaction; where one of them is at fault, all again, each in its own savepoint."""
        try:
            try:
                await self._transact(jobs, self._apply_together)
            except OutcomeUnknown:
                raise
            except _GUILT:
                await self._transact(jobs, self._apply_apart)
        except Exception as e:  # noqa: BLE001 the committer must outlive anything; who waits is told
            for job in jobs:
                job.error = e if isinstance(e, OutcomeUnknown) else _unavailable(e)

    async def _transact(self, jobs: list[_Job], apply: Callable[[list[_Job]], Awaitable[None]]) -> None:
        xid: str | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._ready()
                transaction = self._writer.transaction()
                await transaction.start()
                self.crash_point("after_begin")
                try:
                    await apply(jobs)
                except _GUILT:
                    await transaction.rollback()
                    raise
                found = str(await self._writer.fetchval("SELECT pg_current_xact_id()::text"))
                self.crash_point("before_commit")
                xid = found
                await transaction.commit()
        except _GUILT:
            raise
        except Exception:
            self._writer.terminate()  # whatever it was in the middle of
            if xid is None or not await self._happened(xid):
                raise
        self.crash_point("after_commit")

    async def _happened(self, xid: str) -> bool:
        """Ask the server what became of a COMMIT that was not answered."""
        try:
            async with asyncio.timeout(self._timeout_s):
                connection = await self._connect()
                try:
                    while (  # noqa: ASYNC110 the server tells nobody when it is decided
                        status := await connection.fetchval("SELECT pg_xact_status($1::text::xid8)", xid)
                    ) == "in progress":
                        await asyncio.sleep(0.05)
                finally:
                    connection.terminate()
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError) as e:
            raise OutcomeUnknown(
                "STORE_OUTCOME_UNKNOWN", f"COMMIT {xid} was sent and not answered: {e}", value=xid
            ) from e
        return bool(status == "committed")

    async def _apply_together(self, jobs: list[_Job]) -> None:
        transaction = _Transaction(self._writer, self.crash_point)
        for job in jobs:
            job.result = await job.apply(transaction)
        await transaction.flush()

    async def _apply_apart(self, jobs: list[_Job]) -> None:
        for job in jobs:
            try:
                async with self._writer.transaction():
                    transaction = _Transaction(self._writer, self.crash_point)
                    job.result = await job.apply(transaction)
                    await transaction.flush()
            except _GUILT as e:
                job.error = e if isinstance(e, KakehashiError) else queries.unstorable(e)

    async def _ready(self) -> None:
        """Connections lost are made again; an ownership is still ours only where its lock can be had again."""
        if self._writer.is_closed():
            self._writer = await self._connect()
        if self._held and (self._guard is None or self._guard.is_closed()):
            for owner in sorted(self._held):
                if not await self._lock(owner):
                    self._held.discard(owner)  # somebody else's now: their epoch refuses our commits

    async def _lock(self, owner: str) -> bool:
        with _mapped():
            if self._guard is None or self._guard.is_closed():
                self._guard = await self._connect()
            sql = "SELECT pg_try_advisory_lock(hashtextextended($1, 0))"
            return bool(await self._guard.fetchval(sql, _lock_name(owner), timeout=self._timeout_s))

    async def _connect(self) -> Any:
        return await asyncpg.connect(
            self.url,
            timeout=self._timeout_s,
            server_settings={"synchronous_commit": "on", "application_name": "kakehashi"},
        )

    async def _fetch(self, sql: str, params: Params = ()) -> list[dict[str, Any]]:
        if self._committer is None:
            raise Unavailable("STORE_UNAVAILABLE", "the store is not open")
        with _mapped():
            async with self._pool.acquire(timeout=self._timeout_s) as connection:
                return [dict(row) for row in await connection.fetch(numbered(sql), *params, timeout=self._timeout_s)]


class _mapped:  # noqa: N801 reads as the statement it is used in
    """The driver's exceptions, in our words, where they enter."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, _kind: object, error: BaseException | None, _trace: object) -> None:
        if isinstance(error, asyncpg.PostgresError | asyncpg.InterfaceError | OSError):
            raise _unavailable(error) from error


def _deleting(sql: str, params: Params) -> Callable[[_Transaction], Awaitable[int]]:
    async def delete(t: _Transaction) -> int:
        return int((await t.connection.execute(numbered(sql), *params)).split()[-1])

    return delete


def _lock_name(owner: str) -> str:
    return f"kakehashi:{owner}"


def _unavailable(error: Exception) -> Unavailable:
    return Unavailable(
        "STORE_UNAVAILABLE", f"{type(error).__name__}: {error}", hint="check that PostgreSQL runs and has room"
    )
