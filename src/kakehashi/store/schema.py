"""The tables, for both databases. The migrations build them; ``tests/integration/test_migrations.py`` compares the two.

Decimals are TEXT (exact, and as written), times BIGINT milliseconds UTC, whole structs JSON in a TEXT ``body``.
Only what is searched or listed has a column of its own.
"""

from typing import Final

import sqlalchemy as sa

metadata: Final = sa.MetaData()

SERIAL: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
"""SQLite numbers rows by itself only in a column declared INTEGER."""


def _text(name: str, *, key: bool = False, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), primary_key=key, nullable=null)


def _int(name: str, *, key: bool = False, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), primary_key=key, nullable=null, autoincrement=False)


signals: Final = sa.Table(
    "signals",
    metadata,
    _text("id", key=True),
    _text("trace_id"),
    _int("received_at"),
    _text("strategy"),
    _text("symbol"),
    _text("action"),
    _text("status"),
    _text("code"),
    _text("idem", null=True),
    _int("idem_until", null=True),
    _text("body"),
    sa.Index("ix_signals_received_at", "received_at"),
    sa.Index("ix_signals_trace_id", "trace_id"),
)

idem: Final = sa.Table(
    "idem",
    metadata,
    _text("key", key=True),
    _text("signal_id"),
    _int("taken_at"),
    _int("until", null=True),
    sqlite_with_rowid=False,
)
"""Apart from ``signals`` so that keys expire and are pruned without touching the signals themselves."""

orders: Final = sa.Table(
    "orders",
    metadata,
    _text("id", key=True),
    _int("seq"),
    _text("account"),
    _text("route"),
    _text("signal_id"),
    _text("trace_id"),
    _text("op"),
    _text("symbol"),
    _text("side", null=True),
    _int("magic"),
    _text("volume", null=True),
    _text("state"),
    _text("filled_volume"),
    _text("filled_price", null=True),
    _text("ticket"),
    _int("retcode", null=True),
    _text("code"),
    _text("reason"),
    _int("created_at"),
    _int("updated_at"),
    _int("expires_at"),
    _text("body"),
    sa.Index("ix_orders_seq", "seq"),
    sa.Index("ix_orders_account_seq", "account", "seq"),
    sa.Index("ix_orders_state", "state"),
    sa.Index("ix_orders_signal_id", "signal_id"),
    sa.Index("ix_orders_trace_id", "trace_id"),
    sa.Index("ix_orders_ticket", "ticket"),
)

fills: Final = sa.Table(
    "fills",
    metadata,
    _text("id", key=True),
    _text("order_id"),
    _text("account"),
    _text("symbol"),
    _text("side", null=True),
    _text("op"),
    _text("volume"),
    _text("price"),
    _int("at"),
    _text("ticket"),
    _text("profit"),
    _text("body"),
    sa.Index("ix_fills_order_id", "order_id"),
    sa.Index("ix_fills_at", "at"),
)

positions: Final = sa.Table(
    "positions",
    metadata,
    _text("key", key=True),
    _text("account"),
    _text("ident"),
    _text("ticket"),
    _text("symbol"),
    _text("side"),
    _text("volume"),
    _text("open_price"),
    _text("magic"),  # MetaTrader's magic is unsigned 64 bit and a foreign one may use all of it: no BIGINT holds that
    _text("profit"),
    _int("opened_at", null=True),
    _text("body"),
    sa.Index("ix_positions_account", "account"),
)

closures: Final = sa.Table(
    "closures",
    metadata,
    _text("key", key=True),
    _text("account"),
    _text("ident"),
    _text("symbol"),
    _text("reason"),
    _text("origin"),
    _int("closed_at"),
    _text("body"),
    sa.Index("ix_closures_account_closed_at", "account", "closed_at"),
)

incidents: Final = sa.Table(
    "incidents",
    metadata,
    _text("id", key=True),
    _text("code"),
    _text("severity"),
    _text("account"),
    _text("state"),
    _int("opened_at"),
    _int("cleared_at", null=True),
    _text("body"),
    sa.Index("ix_incidents_state", "state"),
    sa.Index("ix_incidents_opened_at", "opened_at"),
)

notices: Final = sa.Table(
    "notices",
    metadata,
    _text("id", key=True),
    _text("incident"),
    _text("target"),
    _text("state"),
    _int("at"),
    _int("due_at"),
    _text("body"),
    sa.Index("ix_notices_state", "state"),
)

bridge_sessions: Final = sa.Table("bridge_sessions", metadata, _text("id", key=True), _text("owner"), _text("body"))

bridge_commands: Final = sa.Table(
    "bridge_commands",
    metadata,
    _text("key", key=True),
    _text("session"),
    _text("state"),
    _int("at"),
    _text("body"),
    sa.Index("ix_bridge_commands_state", "state"),
    sa.Index("ix_bridge_commands_at", "at"),
)

states: Final = sa.Table("states", metadata, _text("key", key=True), _text("body"))

configs: Final = sa.Table(
    "configs",
    metadata,
    _text("kind", key=True),
    _text("name", key=True),
    _int("version", key=True),
    _int("at"),
    _text("by"),
    _text("body"),
)

tokens: Final = sa.Table(
    "tokens",
    metadata,
    _text("id", key=True),
    _text("scope"),
    sa.Column("sha256", sa.LargeBinary(), nullable=False),
    _text("name"),
    _text("route"),
    _text("account"),
    _text("user"),
    _text("slot"),
    sa.Column("hmac_key", sa.LargeBinary(), nullable=False),
    _int("created_at"),
    _int("expires_at", null=True),
    _int("revoked_at", null=True),
    _int("last_used_at", null=True),
)

journal: Final = sa.Table(
    "journal",
    metadata,
    sa.Column("seq", SERIAL, primary_key=True, autoincrement=True),
    _int("at"),
    _text("owner"),
    _text("kind"),
    _text("trace_id"),
    _text("body"),
    sa.Index("ix_journal_trace_id", "trace_id"),
    sqlite_autoincrement=True,  # a number is never given twice, also after the newest rows were pruned
)

inbox: Final = sa.Table(
    "inbox",
    metadata,
    sa.Column("id", SERIAL, primary_key=True, autoincrement=True),
    _text("owner"),
    _int("at"),
    _text("body"),
    sa.Index("ix_inbox_owner_id", "owner", "id"),
    sqlite_autoincrement=True,
)

owners: Final = sa.Table("owners", metadata, _text("owner", key=True), _int("epoch"), _text("holder"), _int("at"))

audits: Final = sa.Table(
    "audits",
    metadata,
    _int("seq", key=True),
    _int("at"),
    _text("actor"),
    _text("action"),
    _text("subject"),
    _text("detail"),
    _text("prev"),
    _text("hash"),
)
"""Numbered without gaps: ``seq`` is part of what each hash covers."""
