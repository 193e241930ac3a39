"""Which store a URL means."""

from kakehashi.domain.errors import Rejected
from kakehashi.ports import Store
from kakehashi.store.postgres import PostgresStore
from kakehashi.store.sqlite import SqliteStore


def open_store(url: str) -> Store:
    """The store for ``url``, not yet opened.

    :param url: ``sqlite:////abs/file.db`` or ``postgresql://user@host/database``
    :raises Rejected: ``BAD_STORE_URL``
    """
    scheme, _, rest = url.partition("://")
    if scheme == "sqlite" and rest.startswith("/") and len(rest) > 1:
        return SqliteStore(rest[1:])
    if scheme == "postgresql" and rest:
        return PostgresStore(url)
    raise Rejected(
        "BAD_STORE_URL",
        f"expected sqlite:////abs/file.db or postgresql://host/database, got {scheme or 'nothing'}://...",
        hint="set KAKEHASHI_STORE__URL",  # the URL itself may hold a password and is not shown
    )
