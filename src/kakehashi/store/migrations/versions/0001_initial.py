"""The first schema.

Frozen: later changes are later revisions.
"""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0001_initial"
down_revision: Final[str | None] = None
branch_labels: Final[str | None] = None
depends_on: Final[str | None] = None

SERIAL: Final = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null)


def _int(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null, autoincrement=False)


def _signals() -> None:
    op.create_table(
        "signals",
        _text("id"),
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
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_signals_received_at", "signals", ["received_at"])
    op.create_index("ix_signals_trace_id", "signals", ["trace_id"])


def _idem() -> None:
    op.create_table(
        "idem",
        _text("key"),
        _text("signal_id"),
        _int("taken_at"),
        _int("until", null=True),
        sa.PrimaryKeyConstraint("key"),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_idem_until", "idem", ["until"])


def _orders() -> None:
    op.create_table(
        "orders",
        _text("id"),
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
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_orders_account_state", "orders", ["account", "state"])
    op.create_index("ix_orders_seq", "orders", ["seq"])
    op.create_index("ix_orders_signal_id", "orders", ["signal_id"])
    op.create_index("ix_orders_state", "orders", ["state"])
    op.create_index("ix_orders_ticket", "orders", ["ticket"])
    op.create_index("ix_orders_trace_id", "orders", ["trace_id"])


def _fills() -> None:
    op.create_table(
        "fills",
        _text("id"),
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
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_fills_at", "fills", ["at"])
    op.create_index("ix_fills_order_id", "fills", ["order_id"])


def _positions() -> None:
    op.create_table(
        "positions",
        _text("key"),
        _text("account"),
        _text("ident"),
        _text("ticket"),
        _text("symbol"),
        _text("side"),
        _text("volume"),
        _text("open_price"),
        _text("magic"),
        _text("profit"),
        _int("opened_at", null=True),
        _text("body"),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_positions_account", "positions", ["account"])


def _states() -> None:
    op.create_table("states", _text("key"), _text("body"), sa.PrimaryKeyConstraint("key"))


def _configs() -> None:
    op.create_table(
        "configs",
        _text("kind"),
        _text("name"),
        _int("version"),
        _int("at"),
        _text("by"),
        _text("body"),
        sa.PrimaryKeyConstraint("kind", "name", "version"),
    )


def _tokens() -> None:
    op.create_table(
        "tokens",
        _text("id"),
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
        sa.PrimaryKeyConstraint("id"),
    )


def _journal() -> None:
    op.create_table(
        "journal",
        sa.Column("seq", SERIAL, autoincrement=True, nullable=False),
        _int("at"),
        _text("owner"),
        _text("kind"),
        _text("trace_id"),
        _text("body"),
        sa.PrimaryKeyConstraint("seq"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_journal_owner_seq", "journal", ["owner", "seq"])
    op.create_index("ix_journal_trace_id", "journal", ["trace_id"])


def _inbox() -> None:
    op.create_table(
        "inbox",
        sa.Column("id", SERIAL, autoincrement=True, nullable=False),
        _text("owner"),
        _int("at"),
        _text("body"),
        sa.PrimaryKeyConstraint("id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_inbox_owner_id", "inbox", ["owner", "id"])


def _owners() -> None:
    op.create_table(
        "owners",
        _text("owner"),
        _int("epoch"),
        _text("holder"),
        _int("at"),
        sa.PrimaryKeyConstraint("owner"),
    )


def _audits() -> None:
    op.create_table(
        "audits",
        _int("seq"),
        _int("at"),
        _text("actor"),
        _text("action"),
        _text("subject"),
        _text("detail"),
        _text("prev"),
        _text("hash"),
        sa.PrimaryKeyConstraint("seq"),
    )


def upgrade() -> None:
    _signals()
    _idem()
    _orders()
    _fills()
    _positions()
    _states()
    _configs()
    _tokens()
    _journal()
    _inbox()
    _owners()
    _audits()


def downgrade() -> None:
    for table in (
        "audits",
        "owners",
        "inbox",
        "journal",
        "tokens",
        "configs",
        "states",
        "positions",
        "fills",
        "orders",
        "idem",
        "signals",
    ):
        op.drop_table(table)
