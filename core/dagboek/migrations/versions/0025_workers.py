"""When a worker was seen last, and how much a limit is, so that both can be looked at without a worker or a plugin.

Revision ID: 0025
"""

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """ALTER TABLE worker_slot
               ADD COLUMN seen_at timestamptz NOT NULL DEFAULT now(), -- every few seconds
               ADD COLUMN ended_at timestamptz -- in order; NULL: it works, or has died"""
    )
    op.execute("ALTER TABLE limit_use ADD COLUMN known integer")  # as the plugin says; `amount`: as the tool does
