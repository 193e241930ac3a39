"""Which struct lives in which table, and the SQL that writes it. Both databases share the text; only places differ."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import msgspec

from kakehashi.domain.closures import Closed
from kakehashi.domain.errors import Rejected
from kakehashi.domain.incidents import Incident, Notice
from kakehashi.domain.orders import Fill, Order
from kakehashi.domain.views import BrokerPosition
from kakehashi.ports import (
    AuditRow,
    CommandRow,
    Commit,
    JournalEntry,
    Ownership,
    SessionRow,
    SignalRow,
    StateRow,
    TokenRow,
)
from kakehashi.store import schema

Params = tuple[Any, ...]

_encode: Final = msgspec.json.Encoder().encode


class Upsert(msgspec.Struct, frozen=True):
    """How one table is written: ``head (?, ?) tail``, with as many value groups as there are rows."""

    table: str
    columns: tuple[str, ...]
    tail: str = ""

    @property
    def head(self) -> str:
        return f"INSERT INTO {self.table} ({', '.join(map(quoted, self.columns))}) VALUES "  # noqa: S608 our own names

    def many(self, rows: int) -> str:
        """For SQLite: one statement for ``rows`` rows, places written ``?``."""
        group = f"({', '.join('?' * len(self.columns))})"
        return f"{self.head}{', '.join([group] * rows)} {self.tail}"


def quoted(name: str) -> str:
    """``by`` and ``user`` are words of SQL."""
    return f'"{name}"'


@cache
def numbered(sql: str) -> str:
    """The same statement with PostgreSQL's places, ``$1`` for the first ``?``."""
    first, *rest = sql.split("?")
    return first + "".join(f"${i}{part}" for i, part in enumerate(rest, 1))


def _upsert(table: str, *, key: str = "id") -> Upsert:
    columns = tuple(column.name for column in schema.metadata.tables[table].columns)
    sets = ", ".join(f"{quoted(name)} = excluded.{quoted(name)}" for name in columns if name != key)
    return Upsert(table, columns, f"ON CONFLICT ({quoted(key)}) DO UPDATE SET {sets}")


IDEM_TAIL: Final = (
    "ON CONFLICT (key)"
    " DO UPDATE SET signal_id = excluded.signal_id, taken_at = excluded.taken_at, until = excluded.until"
    " WHERE idem.signal_id = excluded.signal_id OR idem.until <= excluded.taken_at"
)
"""A key is taken once: its own signal may be written again, an expired key is free, a row not written is a duplicate."""


def _tokens() -> Upsert:
    """Whoever notes a token's use may have read it before it was revoked: revocation and the later use stay."""
    upsert = _upsert("tokens")
    latest = "CASE WHEN excluded.last_used_at > tokens.last_used_at THEN excluded.last_used_at ELSE"
    kept = {
        "revoked_at": "coalesce(tokens.revoked_at, excluded.revoked_at)",
        "last_used_at": f"{latest} coalesce(tokens.last_used_at, excluded.last_used_at) END",
    }
    sets = ", ".join(f"{quoted(n)} = {kept.get(n, f'excluded.{quoted(n)}')}" for n in upsert.columns if n != "id")
    return msgspec.structs.replace(upsert, tail=f"ON CONFLICT (id) DO UPDATE SET {sets}")


UPSERTS: Final[Mapping[str, Upsert]] = {
    "idem": Upsert("idem", ("key", "signal_id", "taken_at", "until"), IDEM_TAIL),
    "signals": _upsert("signals"),
    "orders": _upsert("orders"),
    "fills": _upsert("fills"),
    "positions": _upsert("positions", key="key"),
    "closures": _upsert("closures", key="key"),
    "incidents": _upsert("incidents"),
    "notices": _upsert("notices"),
    "states": _upsert("states", key="key"),
    "bridge_sessions": _upsert("bridge_sessions"),
    "bridge_commands": _upsert("bridge_commands", key="key"),
    "tokens": _tokens(),
    "journal": Upsert("journal", ("at", "owner", "kind", "trace_id", "body")),
    "audits": Upsert("audits", ("seq", "at", "actor", "action", "subject", "detail", "prev", "hash")),
}

DELETABLE: Final[Mapping[str, str]] = {
    "idem": "key",
    "signals": "id",
    "orders": "id",
    "fills": "id",
    "positions": "key",
    "states": "key",
    "bridge_sessions": "id",
    "bridge_commands": "key",
    "inbox": "id",
}
"""Table to the key that ``Commit.deletes`` names. Journal, audits, configurations and tokens are history."""


class Plan(msgspec.Struct, frozen=True):
    """A commit as the databases take it: made in the caller, so that what cannot be written fails only there."""

    ownership: Ownership
    writes: Mapping[str, list[Params]]
    deletes: Sequence[tuple[str, str | int]]
    audits: Sequence[AuditRow]


def plan(commit: Commit) -> Plan:
    """:raises Rejected: ``UNSTORABLE_ROW``: no table for a type, no deletes in a table, no encoding of a text"""
    writes: dict[str, list[Params]] = {}
    try:
        for row in commit.changes:
            for table, params in _WRITERS[type(row)](row):
                writes.setdefault(table, []).append(params)
        if commit.journal:
            writes["journal"] = [_journal(entry) for entry in commit.journal]
        deletes = [_delete(table, key) for table, key in commit.deletes]
    except (KeyError, TypeError, ValueError) as e:
        raise Rejected("UNSTORABLE_ROW", f"a row that no table takes: {e!r}", value=repr(e)) from e
    return Plan(commit.ownership, writes, deletes, commit.audits)


def _delete(table: str, key: str) -> tuple[str, str | int]:
    sql = f"DELETE FROM {table} WHERE {quoted(DELETABLE[table])} = ?"  # noqa: S608 the table is one of DELETABLE
    return sql, int(key) if table == "inbox" else key


def _opt(value: object) -> str | None:
    return None if value is None else str(value)


def _signal(row: SignalRow) -> list[tuple[str, Params]]:
    body = row.body.decode()
    params = (row.id, row.trace_id, row.received_at, row.strategy, row.symbol, row.action, row.status, row.code)
    written: list[tuple[str, Params]] = [("signals", (*params, row.idem, row.idem_until, body))]
    if row.idem is not None:
        written.append(("idem", (row.idem, row.id, row.received_at, row.idem_until)))
    return written


def _order(o: Order) -> list[tuple[str, Params]]:
    who = (o.id, o.seq, o.account, o.route, o.signal_id, o.trace_id, o.op.value, o.symbol, _opt(o.side), o.magic)
    what = (_opt(o.volume), o.state.value, str(o.filled_volume), _opt(o.filled_price), o.ticket)
    end = (o.retcode, o.code, o.reason)
    return [("orders", (*who, *what, *end, o.created_at, o.updated_at, o.expires_at, _encode(o).decode()))]


def _fill(f: Fill) -> list[tuple[str, Params]]:
    who = (f.id, f.order_id, f.account, f.symbol, _opt(f.side), f.op.value)
    what = (str(f.volume), str(f.price), f.at, f.ticket, str(f.profit))
    return [("fills", (*who, *what, _encode(f).decode()))]


def _position(p: BrokerPosition) -> list[tuple[str, Params]]:
    who = (p.key, p.account, p.ident, p.ticket, p.symbol, p.side.value)
    what = (str(p.volume), str(p.open_price), str(p.magic), str(p.profit), p.opened_at)
    return [("positions", (*who, *what, _encode(p).decode()))]


def _closed(c: Closed) -> list[tuple[str, Params]]:
    what = (c.key, c.account, c.ident, c.symbol, c.reason, c.origin, c.closed_at)
    return [("closures", (*what, _encode(c).decode()))]


def _incident(i: Incident) -> list[tuple[str, Params]]:
    what = (i.id, i.code, i.severity.value, i.account, i.state.value, i.opened_at, i.cleared_at)
    return [("incidents", (*what, _encode(i).decode()))]


def _notice(n: Notice) -> list[tuple[str, Params]]:
    return [("notices", (n.id, n.incident, n.target, n.state.value, n.at, n.due_at, _encode(n).decode()))]


def _state(s: StateRow) -> list[tuple[str, Params]]:
    return [("states", (s.key, s.body.decode()))]


def _session(s: SessionRow) -> list[tuple[str, Params]]:
    return [("bridge_sessions", (s.id, s.owner, s.body.decode()))]


def _command(c: CommandRow) -> list[tuple[str, Params]]:
    return [("bridge_commands", (c.key, c.session, c.state, c.at, c.body.decode()))]


def token_params(t: TokenRow) -> Params:
    """In the order of the table's columns."""
    who = (t.id, t.scope, t.sha256, t.name, t.route, t.account, t.user, t.slot, t.hmac_key)
    return (*who, t.created_at, t.expires_at, t.revoked_at, t.last_used_at)


def _journal(entry: JournalEntry) -> Params:
    return (entry.at, entry.owner, entry.kind, entry.trace_id, entry.body.decode())


_WRITERS: Final[Mapping[type[Any], Callable[[Any], list[tuple[str, Params]]]]] = {
    SignalRow: _signal,
    Order: _order,
    Fill: _fill,
    BrokerPosition: _position,
    Closed: _closed,
    Incident: _incident,
    Notice: _notice,
    StateRow: _state,
    SessionRow: _session,
    CommandRow: _command,
    TokenRow: lambda row: [("tokens", token_params(row))],
}
