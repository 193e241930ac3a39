"""What the core asks of the outside, in the core's words. Adapters implement these; bootstrap chooses them."""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from kakehashi.domain.values import Millis


class Clock(Protocol):
    """Wall and monotonic time. The pure core never sees one: time comes as ``at`` on the event."""

    def now_ms(self) -> Millis:
        """UTC, integer milliseconds."""
        ...

    def monotonic(self) -> float:
        """Seconds that never go back; for deadlines and leases only."""
        ...

    def boot(self) -> str:
        """Which start of the machine :meth:`monotonic` counts in; empty where that cannot be told."""
        ...


class JournalEntry(msgspec.Struct, frozen=True, kw_only=True):
    """One event as it is kept: the audit, the trace and the replay are this list.

    :ivar owner: the ownership (e.g. ``hub``) whose engine processed it
    :ivar body: the event as JSON (:mod:`kakehashi.domain.messages`)
    """

    at: Millis
    owner: str
    kind: str
    trace_id: str
    body: bytes


class Ownership(msgspec.Struct, frozen=True):
    """The right to write for ``owner``, valid while ``epoch`` is the newest (law 2)."""

    owner: str
    epoch: int


class Commit(msgspec.Struct, frozen=True, kw_only=True):
    """Everything one batch changed, written in ONE transaction or not at all.

    :ivar changes: rows as domain structs (Signal and Leg as SignalRow, Order, Fill, BrokerPosition, ...);
        the store knows which table each type lives in and upserts by its key
    :ivar deletes: (table, key) pairs
    :ivar audits: audit rows, chained by hash as they are written (SEC-16)
    """

    ownership: Ownership
    journal: Sequence[JournalEntry] = ()
    changes: Sequence[msgspec.Struct] = ()
    deletes: Sequence[tuple[str, str]] = ()
    audits: Sequence["AuditRow"] = ()


class SignalRow(msgspec.Struct, frozen=True, kw_only=True):
    """A signal and what became of it, as listed by ``kakehashi signals list``.

    :ivar status: queued, duplicate, refused, dry_run
    :ivar idem: unique where not None; a duplicate or an unparsable alert has None here
    :ivar idem_until: when the key may be forgotten, ms UTC
    :ivar body: the whole Signal with its legs, JSON
    """

    id: str
    trace_id: str
    received_at: Millis
    strategy: str
    symbol: str
    action: str
    status: str
    code: str
    idem: str | None
    idem_until: Millis | None
    body: bytes


class ConfigRow(msgspec.Struct, frozen=True, kw_only=True):
    """One versioned piece of configuration: kind is account, route, kill. Older versions are kept as history.

    :ivar body: JSON of the value; empty when deleted
    """

    kind: str
    name: str
    version: int
    at: Millis
    by: str
    body: bytes


class TokenRow(msgspec.Struct, frozen=True, kw_only=True):
    """A token as it is kept: never the secret, only its SHA-256."""

    id: str
    scope: str
    sha256: bytes
    name: str = ""
    route: str = ""
    account: str = ""
    user: str = "default"
    slot: str = ""
    hmac_key: bytes = b""
    created_at: Millis = 0
    expires_at: Millis | None = None
    revoked_at: Millis | None = None
    last_used_at: Millis | None = None


class StateRow(msgspec.Struct, frozen=True, kw_only=True):
    """A small piece of an engine's state that is no order: a route's memory, a mirror, a counter.

    :ivar key: unique, e.g. ``memory|trend|demo-1|EURUSD`` or ``mirror|demo-1``
    :ivar body: JSON
    """

    key: str
    body: bytes


class SessionRow(msgspec.Struct, frozen=True, kw_only=True):
    """A bridge's session as it comes back after a restart. :ivar body: JSON; the password in it is sealed"""

    id: str
    owner: str
    body: bytes


class CommandRow(msgspec.Struct, frozen=True, kw_only=True):
    """A command that a bridge was about to send to a terminal, and what became of it.

    :ivar key: ``<session>|<command id>``
    :ivar state: PENDING or RESOLVED
    :ivar body: JSON
    """

    key: str
    session: str
    state: str
    at: Millis
    body: bytes


class AuditRow(msgspec.Struct, frozen=True, kw_only=True):
    """Who did what: append-only, each row's hash covers the one before."""

    at: Millis
    actor: str
    action: str
    subject: str
    detail: str = ""


class InboxRow(msgspec.Struct, frozen=True, kw_only=True):
    """A wish left for an owner by another process (law 9); the owner takes it, journals it and deletes it."""

    id: int
    owner: str
    at: Millis
    body: bytes


class Store(Protocol):
    """Durable truth. Every method that returns has happened; a raise means nothing of it did.

    Raises :class:`~kakehashi.domain.errors.Unavailable` (code ``STORE_UNAVAILABLE``; nothing written) or
    ``Rejected`` with code ``NOT_OWNER`` (a stale epoch) or ``DUPLICATE_KEY`` (the unique index of ``idem``).
    Each implementation passes ``tests/conformance/test_store.py``.
    """

    async def open(self) -> None: ...
    async def close(self) -> None: ...

    async def claim(self, owner: str, *, holder: str) -> Ownership:
        """Take ownership; refused with ``Rejected('OWNED')`` while another live process holds it.

        On one host an OS lock (PostgreSQL: a session advisory lock) guards it, so a killed owner is replaced at once.
        """
        ...

    async def release(self, ownership: Ownership) -> None: ...

    async def commit(self, commit: Commit) -> None:
        """Write a batch durably. Concurrent callers share one transaction and one fsync (group commit)."""
        ...

    async def known(self, keys: Sequence[str], *, now: Millis) -> Mapping[str, str]:
        """Which idempotency keys are taken and unexpired: key to signal id. Expired ones are freed."""
        ...

    async def taken_keys(self, *, after: str = "", limit: int = 1000) -> Sequence[str]:
        """Idempotency keys in their own order, a page at a time, expired ones among them."""
        ...

    async def journal(self, *, owner: str, after: int = 0, limit: int = 1000) -> Sequence[tuple[int, JournalEntry]]: ...
    async def rows(
        self, table: str, *, where: Mapping[str, Any] | None = None, limit: int = 100, newest_first: bool = True
    ) -> Sequence[Mapping[str, Any]]:
        """Rows of a table for views and start-up, as plain mappings; ``where`` is equality on columns (a tuple means IN)."""
        ...

    async def put_config(self, row: ConfigRow, audit: AuditRow) -> None:
        """Write the next version (``row.version`` must be the newest + 1, else Rejected('VERSION_CONFLICT'))."""
        ...

    async def put_configs(self, rows: Sequence[tuple[ConfigRow, AuditRow]]) -> None:
        """The same for several, in one transaction: all of them or none."""
        ...

    async def configs(self, kind: str | None = None) -> Sequence[ConfigRow]:
        """The newest version of each (kind, name), deleted ones left out."""
        ...

    async def config_history(self, kind: str, name: str) -> Sequence[ConfigRow]: ...
    async def put_token(self, row: TokenRow, audit: AuditRow) -> None: ...
    async def tokens(self) -> Sequence[TokenRow]: ...
    async def post(self, owner: str, at: Millis, body: bytes) -> int:
        """Leave a wish in an owner's inbox; its id."""
        ...

    async def inbox(self, owner: str) -> Sequence[InboxRow]: ...
    async def audits(self, *, limit: int = 100) -> Sequence[Mapping[str, Any]]: ...
    async def verify_audits(self) -> int:
        """Number of audit rows whose chain was checked; Rejected('AUDIT_BROKEN') where it does not hold."""
        ...

    async def backup(self, path: str) -> None: ...
    async def prune(self, *, before: Millis) -> Mapping[str, int]: ...
