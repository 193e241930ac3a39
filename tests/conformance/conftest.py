"""Every store, for every test of the suite: SQLite in a file, in memory, PostgreSQL in a database of the test's own."""

from pathlib import Path

import pytest


@pytest.fixture(params=["sqlite", "memory", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/hub.db"
    if request.param == "memory":
        return f"memory:{tmp_path}"
    return str(request.getfixturevalue("postgres_database"))
