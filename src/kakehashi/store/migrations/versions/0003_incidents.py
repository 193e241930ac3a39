"""How positions ended, what went wrong, and the messages about it."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0003_incidents"
down_revision: Final[str | None] = "0002_lean_indexes"
branch_labels: Final[str | None] = None
depends_on: Final[str | None] = None


def _text(name: str, *, null: bool = False) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=null)


def _int(name: str, *, null: bool = False) -> sa.Column[int]:
    return sa.Column(name, sa.BigInteger(), nullable=null, autoincrement=False)


def upgrade() -> None:
    op.create_table(
        "closures",
        _text("key"),
        _text("account"),
        _text("ident"),
        _text("symbol"),
        _text("reason"),
        _text("origin"),
        _int("closed_at"),
        _text("body"),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_closures_account_closed_at", "closures", ["account", "closed_at"])
    op.create_table(
        "incidents",
        _text("id"),
        _text("code"),
        _text("severity"),
        _text("account"),
        _text("state"),
        _int("opened_at"),
        _int("cleared_at", null=True),
        _text("body"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_incidents_state", "incidents", ["state"])
    op.create_index("ix_incidents_opened_at", "incidents", ["opened_at"])
    op.create_table(
        "notices",
        _text("id"),
        _text("incident"),
        _text("target"),
        _text("state"),
        _int("at"),
        _int("due_at"),
        _text("body"),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("ix_notices_state", "notices", ["state"])


def downgrade() -> None:
    for table in ("notices", "incidents", "closures"):
        op.drop_table(table)
