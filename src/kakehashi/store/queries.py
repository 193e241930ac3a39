"""What is read, and the few writes beside the hot path.

Places are ``?``; :func:`~kakehashi.store.rows.numbered` turns them into PostgreSQL's.
"""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from kakehashi.domain.errors import Rejected
from kakehashi.domain.incidents import Post, Standing
from kakehashi.domain.orders import TERMINAL, State
from kakehashi.domain.values import Millis
from kakehashi.ports import AuditRow, ConfigRow
from kakehashi.store import schema
from kakehashi.store.rows import Params, quoted

EPOCHS: Final = "SELECT epoch, holder FROM owners WHERE owner = ?"
CLAIM: Final = (
    "INSERT INTO owners (owner, epoch, holder, at) VALUES (?, 1, ?, ?) ON CONFLICT (owner)"
    " DO UPDATE SET epoch = owners.epoch + 1, holder = excluded.holder, at = excluded.at RETURNING epoch"
)
JOURNAL: Final = (
    "SELECT seq, at, owner, kind, trace_id, body FROM journal WHERE owner = ? AND seq > ? ORDER BY seq LIMIT ?"
)
NEWEST_VERSION: Final = "SELECT max(version) FROM configs WHERE kind = ? AND name = ?"
PUT_CONFIG: Final = 'INSERT INTO configs (kind, name, version, at, "by", body) VALUES (?, ?, ?, ?, ?, ?)'
CONFIGS: Final = (
    'SELECT c.kind, c.name, c.version, c.at, c."by", c.body FROM configs c'
    " JOIN (SELECT kind, name, max(version) AS version FROM configs GROUP BY kind, name) newest"
    " ON c.kind = newest.kind AND c.name = newest.name AND c.version = newest.version WHERE c.body <> '' ORDER BY c.kind, c.name"
)
CONFIG_HISTORY: Final = (
    'SELECT kind, name, version, at, "by", body FROM configs WHERE kind = ? AND name = ? ORDER BY version'
)
TOKENS: Final = "SELECT * FROM tokens ORDER BY created_at, id"
POST: Final = "INSERT INTO inbox (owner, at, body) VALUES (?, ?, ?) RETURNING id"
INBOX: Final = "SELECT id, owner, at, body FROM inbox WHERE owner = ? ORDER BY id"
AUDIT_HEAD: Final = "SELECT seq, hash FROM audits ORDER BY seq DESC LIMIT 1"
AUDIT_ADD: Final = (
    "INSERT INTO audits (seq, at, actor, action, subject, detail, prev, hash) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
)
AUDITS: Final = (
    "SELECT seq, at, actor, action, subject, detail, prev, hash FROM audits WHERE seq > ? ORDER BY seq LIMIT ?"
)
KEYS: Final = "SELECT key FROM idem WHERE key > ? ORDER BY key LIMIT ?"
IDEM_HOLDER: Final = "SELECT signal_id FROM idem WHERE key = ?"

GENESIS: Final = "0" * 64
"""What the first audit row's ``prev`` is."""

_ORDER_BY: Final[Mapping[str, str]] = {
    "signals": "received_at, id",
    "idem": "key",
    "orders": "seq, id",
    "fills": "at, id",
    "positions": "key",
    "closures": "closed_at, key",
    "incidents": "opened_at, id",
    "notices": "at, id",
    "states": "key",
    "bridge_sessions": "id",
    "bridge_commands": "at, key",
    "configs": "at, kind, name, version",
    "journal": "seq",
    "inbox": "id",
    "owners": "owner",
    "audits": "seq",
}
"""The tables that views may list, oldest first. ``tokens`` is not among them: it holds keys."""


def places(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))


def listing(table: str, where: Mapping[str, Any] | None, limit: int, *, newest_first: bool) -> tuple[str, Params]:
    """The statement and parameters of ``Store.rows``; ``dead_letters`` are the orders whose state is DEAD.

    :raises Rejected: ``NO_SUCH_TABLE`` or ``NO_SUCH_COLUMN``
    """
    where = dict(where or {})
    if table == "dead_letters":
        table, where["state"] = "orders", State.DEAD
    if table not in _ORDER_BY:
        raise Rejected(
            "NO_SUCH_TABLE", f"expected one of {', '.join(_ORDER_BY)}, dead_letters; got {table!r}", value=table
        )
    columns = schema.metadata.tables[table].columns
    clauses, params = ["1 = 1"], []
    for name, wanted in where.items():
        if name not in columns:
            raise Rejected("NO_SUCH_COLUMN", f"{table} has {', '.join(columns.keys())}; got {name!r}", value=name)
        if wanted is None:
            clauses.append(f"{quoted(name)} IS NULL")
            continue
        values = [
            _plain(v, text=name not in _INTEGERS[table]) for v in (wanted if isinstance(wanted, tuple) else (wanted,))
        ]
        clauses.append(f"{quoted(name)} IN ({places(values)})" if values else "1 = 0")
        params += values
    order = ", ".join(f"{column} {'DESC' if newest_first else 'ASC'}" for column in _ORDER_BY[table].split(", "))
    names = ", ".join(quoted(column) for column in columns.keys())  # noqa: SIM118 iterates columns
    sql = f"SELECT {names} FROM {table} WHERE {' AND '.join(clauses)} ORDER BY {order} LIMIT ?"  # noqa: S608
    return sql, (*params, limit)


_INTEGERS: Final = {
    name: frozenset(column.name for column in table.columns if column.type.python_type is int)
    for name, table in schema.metadata.tables.items()
}


def _plain(value: object, *, text: bool) -> str | int:
    return str(value) if text else int(str(value))


def taken(keys: Sequence[str]) -> str:
    return f"SELECT key, signal_id, until FROM idem WHERE key IN ({places(keys)})"  # noqa: S608 only places


def free(keys: Sequence[str]) -> str:
    return f"DELETE FROM idem WHERE until <= ? AND key IN ({places(keys)})"  # noqa: S608 only places


def config_params(row: ConfigRow) -> Params:
    return (row.kind, row.name, row.version, row.at, row.by, row.body.decode())


def check_version(row: ConfigRow, newest: int | None) -> None:
    """:raises Rejected: ``VERSION_CONFLICT``: somebody else wrote the version this one was made from, or a newer one"""
    if row.version != (newest or 0) + 1:
        raise Rejected(
            "VERSION_CONFLICT",
            f"{row.kind} {row.name} is at version {newest or 0}, so the next is {(newest or 0) + 1}; got {row.version}",
            hint="read it again and repeat the change",
            value=row.version,
        )


def duplicate(key: str, holder: str | None) -> Rejected:
    return Rejected("DUPLICATE_KEY", f"idempotency key {key} is taken by signal {holder or 'of this batch'}", value=key)


def not_owner(owner: str, epoch: int, newest: int | None, holder: str) -> Rejected:
    return Rejected(
        "NOT_OWNER",
        f"{owner} epoch {epoch} is stale: {holder or 'nobody'} holds epoch {newest or 0}",
        hint="another process took over; this one must stop",
        value=epoch,
    )


def owned(owner: str, holder: str) -> Rejected:
    return Rejected("OWNED", f"{owner} is held by {holder or 'another process'}", hint="stop it first, or let it work")


def unstorable(error: Exception) -> Rejected:
    return Rejected("UNSTORABLE_ROW", f"the database does not take a value: {error}", value=str(error))


def schema_outdated(found: str, needed: str) -> Rejected:
    return Rejected(
        "SCHEMA_OUTDATED",
        f"the store is at revision {found}, this version needs {needed}",
        hint="kakehashi db upgrade",
        value=found,
    )


class AuditHead(msgspec.Struct, frozen=True):
    """Where the chain ends now."""

    seq: int = 0
    hash: str = GENESIS


def chained(head: AuditHead, rows: Sequence[AuditRow]) -> tuple[AuditHead, list[Params]]:
    """The rows as they are written after ``head``, and the new head (SEC-16)."""
    written: list[Params] = []
    for row in rows:
        seq = head.seq + 1
        digest = audit_hash(seq, row, head.hash)
        written.append((seq, row.at, row.actor, row.action, row.subject, row.detail, head.hash, digest))
        head = AuditHead(seq, digest)
    return head, written


def audit_hash(seq: int, row: AuditRow, prev: str) -> str:
    """SHA-256 over the row, its number and the hash before it, so none can be changed, removed or put between."""
    covered = msgspec.json.encode((seq, row.at, row.actor, row.action, row.subject, row.detail, prev))
    return hashlib.sha256(covered).hexdigest()


def check_chain(head: AuditHead, rows: Sequence[Mapping[str, Any]]) -> AuditHead:
    """Follow the chain over the next rows.

    :raises Rejected: ``AUDIT_BROKEN``, with the number of the first row that does not hold
    """
    for row in rows:
        entry = AuditRow(
            at=row["at"], actor=row["actor"], action=row["action"], subject=row["subject"], detail=row["detail"]
        )
        seq = head.seq + 1
        digest = audit_hash(seq, entry, head.hash)
        if (row["seq"], row["prev"], row["hash"]) != (seq, head.hash, digest):
            raise Rejected("AUDIT_BROKEN", f"audit row {seq} was changed, removed or inserted", value=seq)
        head = AuditHead(seq, digest)
    return head


class Pruning(msgspec.Struct, frozen=True):
    """Which rows of a table are old: found by readers, then deleted by the writer in small steps, checked again."""

    table: str
    key: str
    old: str
    params: Params

    def find(self) -> str:
        return f"SELECT {self.key} FROM {self.table} WHERE {self.old}"  # noqa: S608 our own names

    def delete(self, keys: Sequence[Any]) -> str:
        return f"DELETE FROM {self.table} WHERE {self.old} AND {self.key} IN ({places(keys)})"  # noqa: S608


PRUNE_STEP: Final = 500


def prunings(before: Millis) -> tuple[Pruning, ...]:
    """In this order. A dead letter waits for a person, a live order or incident for its end, a notice for its delivery;
    a signal stays while an order has it.

    Audits, configurations and tokens are kept for good.
    """
    ended = sorted(TERMINAL - {State.DEAD})
    over = f"updated_at < ? AND state IN ({places(ended)})"
    return (
        Pruning("orders", "id", over, (before, *ended)),
        Pruning(
            "fills", "id", "at < ? AND NOT EXISTS (SELECT 1 FROM orders WHERE orders.id = fills.order_id)", (before,)
        ),
        Pruning(
            "signals",
            "id",
            "received_at < ? AND (idem_until IS NULL OR idem_until <= ?)"
            " AND NOT EXISTS (SELECT 1 FROM orders WHERE orders.signal_id = signals.id)",
            (before, before),
        ),
        Pruning("closures", "key", "closed_at < ?", (before,)),
        Pruning("incidents", "id", "cleared_at < ? AND state = ?", (before, Standing.CLEARED.value)),
        Pruning("notices", "id", "at < ? AND state <> ?", (before, Post.WAITING.value)),
        Pruning("idem", "key", "until <= ?", (before,)),
        Pruning("journal", "seq", "at < ?", (before,)),
    )
