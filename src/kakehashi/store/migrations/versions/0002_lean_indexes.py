"""Fewer indexes: each one costs every alert a page of the write-ahead log.

Expired keys and one owner's journal are found by scanning, which only pruning and replaying do; an account's newest
orders by their number, which never changes, instead of their state, which always does.
"""

from typing import Final

from alembic import op

revision: Final = "0002_lean_indexes"
down_revision: Final[str | None] = "0001_initial"
branch_labels: Final[str | None] = None
depends_on: Final[str | None] = None


def upgrade() -> None:
    op.drop_index("ix_idem_until", "idem")
    op.drop_index("ix_journal_owner_seq", "journal")
    op.drop_index("ix_orders_account_state", "orders")
    op.create_index("ix_orders_account_seq", "orders", ["account", "seq"])


def downgrade() -> None:
    op.drop_index("ix_orders_account_seq", "orders")
    op.create_index("ix_orders_account_state", "orders", ["account", "state"])
    op.create_index("ix_journal_owner_seq", "journal", ["owner", "seq"])
    op.create_index("ix_idem_until", "idem", ["until"])
