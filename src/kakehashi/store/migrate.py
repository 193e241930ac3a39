"""Brings a store's schema up to date. Synchronous: it runs before anything else does, or in a thread.

Alembic is imported only where there is something to do: a restart has to be quick.

PostgreSQL is reached by asyncpg, which Alembic cannot drive without greenlet; so Alembic writes the SQL script there
and asyncpg runs it. Revisions must therefore be plain DDL and SQL: none may read rows into Python.
"""

import asyncio
import contextlib
import io
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote

import sqlalchemy as sa

from kakehashi.domain.errors import KakehashiError, Unavailable

if TYPE_CHECKING:
    from alembic.config import Config

HEAD: Final = "0004_bridge"
"""The revision this code works with; a store opens only at this one."""

LOCK_KEY: Final = 0x6B616B65
"""Any number, the same for every process: two of them must not migrate at once."""

_TIMEOUT_S: Final = 60.0


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """The databases' errors in our words; the driver's are known only where it is in use."""
    try:
        yield
    except KakehashiError:
        raise
    except Exception as e:
        if not isinstance(e, OSError | sqlite3.Error | sa.exc.SQLAlchemyError | TimeoutError) and not (
            type(e).__module__.startswith("asyncpg")
        ):
            raise
        first = str(e).splitlines()[0] if str(e) else ""
        message = f"the store cannot be opened: {type(e).__name__}: {first}"
        raise Unavailable("STORE_UNAVAILABLE", message, hint="look at store.url, its file or its server") from e


@_told()
def upgrade(url: str, revision: str = HEAD) -> None:
    """Bring the schema to ``revision``, in one transaction; nothing to do is fine, and so are two processes at once.

    :param url: ``sqlite:////abs/file.db`` or ``postgresql://...``
    """
    if current(url) == revision:
        return
    from alembic import command  # noqa: PLC0415

    if url.startswith("sqlite:"):
        _in_sqlite(url, lambda connection: command.upgrade(_config(connection=connection), revision))
    else:
        asyncio.run(
            _in_postgres(url, lambda config, now: command.upgrade(config, f"{now or 'base'}:{revision}", sql=True))
        )


@_told()
def downgrade(url: str, revision: str) -> None:
    """Undo revisions down to ``revision`` (``base``: all of them). Drops what they added, data included."""
    from alembic import command  # noqa: PLC0415

    if url.startswith("sqlite:"):
        _in_sqlite(url, lambda connection: command.downgrade(_config(connection=connection), revision))
    else:
        asyncio.run(
            _in_postgres(url, lambda config, now: command.downgrade(config, f"{now or 'base'}:{revision}", sql=True))
        )


@_told()
def current(url: str) -> str | None:
    """The revision the store is at; None for one that was never set up."""
    if not url.startswith("sqlite:"):
        return asyncio.run(_in_postgres(url, None))
    path = Path(sa.make_url(url).database or "")
    if not path.exists():
        return None  # asking must not create the file
    reading = sqlite3.connect(f"file:{quote(str(path))}?mode=ro", uri=True, timeout=_TIMEOUT_S)
    with contextlib.closing(reading) as connection:
        tables = "SELECT 1 FROM sqlite_master WHERE name = 'alembic_version'"
        if connection.execute(tables).fetchone() is None:
            return None
        found = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if found is None else str(found[0])


def _config(output: io.StringIO | None = None, **attributes: object) -> "Config":
    from alembic.config import Config  # noqa: PLC0415

    config = Config(output_buffer=output)
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations").replace("%", "%%"))
    config.attributes.update(attributes)
    return config


def _in_sqlite(url: str, work: Callable[[sa.Connection], object]) -> None:
    engine = sa.create_engine(url, poolclass=sa.NullPool, connect_args={"timeout": _TIMEOUT_S})

    @sa.event.listens_for(engine, "connect")
    def no_implicit_begin(raw: Any, _record: object) -> None:
        raw.isolation_level = None  # else the driver leaves DDL outside the transaction

    @sa.event.listens_for(engine, "begin")
    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # a second process waits here

    with engine.begin() as connection:
        work(connection)


async def _in_postgres(url: str, script: Callable[["Config", str | None], object] | None) -> str | None:
    """Run the script that Alembic writes for the revision found; the revision that was found."""
    import asyncpg  # noqa: PLC0415

    connection = await asyncpg.connect(url, timeout=_TIMEOUT_S)
    try:
        async with asyncio.timeout(_TIMEOUT_S), connection.transaction():
            await connection.execute(f"SELECT pg_advisory_xact_lock({LOCK_KEY})")
            now = await revision_of(connection)
            if script is not None:
                written = io.StringIO()
                await asyncio.to_thread(script, _config(written, dialect="postgresql"), now)
                if now is None:  # the script makes this table; a downgrade to base leaves it, empty
                    await connection.execute("DROP TABLE IF EXISTS alembic_version")
                if sql := written.getvalue():
                    await connection.execute(sql)
            return now
    finally:
        await connection.close(timeout=_TIMEOUT_S)


async def revision_of(connection: Any) -> str | None:
    """The revision a PostgreSQL database is at, by its asyncpg connection."""
    if await connection.fetchval("SELECT to_regclass('alembic_version')") is None:
        return None
    found = await connection.fetchval("SELECT version_num FROM alembic_version")
    return None if found is None else str(found)
