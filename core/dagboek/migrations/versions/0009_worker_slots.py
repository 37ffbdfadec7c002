"""Which process a worker's slot belongs to, so that of two that were started with one slot the older ends.

Revision ID: 0009
"""

from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """CREATE TABLE worker_slot (
            member text PRIMARY KEY, -- of the consumer group: topic prefix and slot
            holder uuid NOT NULL, -- the process that took it last
            taken_at timestamptz NOT NULL DEFAULT now()
        )"""
    )
