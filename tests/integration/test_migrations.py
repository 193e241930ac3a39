"""The migrations build what the code expects, on both databases, from nothing and from the revision before."""

import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from kakehashi.domain.errors import Unavailable
from kakehashi.store import migrate
from kakehashi.store.schema import metadata


@pytest.fixture(scope="module")
def server(postgres_url: str) -> str:
    return postgres_url


def run_sql(url: str, *statements: str) -> list[tuple[object, ...]]:
    import asyncio

    import asyncpg

    async def run() -> list[tuple[object, ...]]:
        connection = await asyncpg.connect(url)
        try:
            return [tuple(row) for sql in statements for row in await connection.fetch(sql)]
        finally:
            await connection.close()

    return asyncio.run(run())


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/hub.db"
        return
    server = request.getfixturevalue("server")
    name = f"kk_mig_{abs(hash(str(tmp_path)))}"
    run_sql(server, f"CREATE DATABASE {name}")
    yield urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    run_sql(server, f"DROP DATABASE {name} WITH (FORCE)")


def columns(url: str) -> dict[str, set[str]]:
    if url.startswith("sqlite"):
        inspector = sa.inspect(sa.create_engine(url, poolclass=sa.NullPool))
        return {table: {c["name"] for c in inspector.get_columns(table)} for table in inspector.get_table_names()}
    found: dict[str, set[str]] = {}
    sql = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = 'public'"
    for table, column in run_sql(url, sql):
        found.setdefault(str(table), set()).add(str(column))
    return found


def expected() -> dict[str, set[str]]:
    tables = {name: {c.name for c in table.columns} for name, table in metadata.tables.items()}
    return {**tables, "alembic_version": {"version_num"}}


def test_a_new_store_gets_every_table(url: str) -> None:
    assert migrate.current(url) is None
    migrate.upgrade(url)
    assert migrate.current(url) == migrate.HEAD
    assert columns(url) == expected()


def test_a_file_that_is_no_database_and_a_server_that_is_not_there_are_said_plainly(tmp_path: Path) -> None:
    (tmp_path / "text.db").write_text("this was never a database" * 100, encoding="utf-8")
    for url in (f"sqlite:///{tmp_path}/text.db", "postgresql://nobody@127.0.0.1:1/none"):
        with pytest.raises(Unavailable, match="STORE_UNAVAILABLE: the store cannot be opened"):
            migrate.upgrade(url)


def test_upgrading_twice_changes_nothing(url: str) -> None:
    migrate.upgrade(url)
    migrate.upgrade(url)
    assert columns(url) == expected()


def test_each_revision_goes_down_and_up_again(url: str) -> None:
    migrate.upgrade(url)
    migrate.downgrade(url, "base")
    assert migrate.current(url) is None
    assert columns(url).keys() <= {"alembic_version"}
    migrate.upgrade(url)
    assert columns(url) == expected()


def test_two_processes_may_upgrade_at_once(url: str) -> None:
    failures: list[BaseException] = []

    def up() -> None:
        try:
            migrate.upgrade(url)
        except BaseException as e:
            failures.append(e)

    threads = [threading.Thread(target=up) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert columns(url) == expected()


def test_the_migrations_and_the_metadata_agree_to_the_index(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/hub.db"
    migrate.upgrade(url)
    with sa.create_engine(url, poolclass=sa.NullPool).connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), metadata) == []


def test_both_databases_get_the_same_indexes(server: str, tmp_path: Path) -> None:
    name = "kk_indexes"
    run_sql(server, f"DROP DATABASE IF EXISTS {name}", f"CREATE DATABASE {name}")
    url = urlunsplit(urlsplit(server)._replace(path=f"/{name}"))
    migrate.upgrade(url)
    found = {str(row[0]) for row in run_sql(url, "SELECT indexname FROM pg_indexes WHERE schemaname = 'public'")}
    assert {str(index.name) for table in metadata.tables.values() for index in table.indexes} <= found


def test_the_code_works_with_the_newest_revision() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_heads() == [migrate.HEAD]
