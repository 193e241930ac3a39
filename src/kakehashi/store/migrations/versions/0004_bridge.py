"""The bridge's sessions, and the commands it was about to send."""

from typing import Final

import sqlalchemy as sa
from alembic import op

revision: Final = "0004_bridge"
down_revision: Final[str | None] = "0003_incidents"
branch_labels: Final[str | None] = None
depends_on: Final[str | None] = None


def _text(name: str) -> sa.Column[str]:
    return sa.Column(name, sa.Text(), nullable=False)


def upgrade() -> None:
    op.create_table("bridge_sessions", _text("id"), _text("owner"), _text("body"), sa.PrimaryKeyConstraint("id"))
    op.create_table(
        "bridge_commands",
        _text("key"),
        _text("session"),
        _text("state"),
        sa.Column("at", sa.BigInteger(), nullable=False, autoincrement=False),
        _text("body"),
        sa.PrimaryKeyConstraint("key"),
    )
    op.create_index("ix_bridge_commands_state", "bridge_commands", ["state"])
    op.create_index("ix_bridge_commands_at", "bridge_commands", ["at"])


def downgrade() -> None:
    for table in ("bridge_commands", "bridge_sessions"):
        op.drop_table(table)
