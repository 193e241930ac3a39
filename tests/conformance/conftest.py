"""What a suite holds to the same rules: every store (SQLite in a file, in memory, PostgreSQL in a database of the test's
own), and an EA on either transport of the link.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parents[1] / "system"))

from linkworld import Place
from rawea import Poller, RawEa, Socket


@pytest.fixture(params=["sqlite", "memory", "postgres"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/hub.db"
    if request.param == "memory":
        return f"memory:{tmp_path}"
    return str(request.getfixturevalue("postgres_database"))


@pytest.fixture(params=[Socket, Poller])
def kind(request: pytest.FixtureRequest) -> type[RawEa]:
    """Over a WebSocket, and by polling."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def place(places: Iterator[Place]) -> Place:
    """An account of its own, of the module's hub."""
    return next(places)
