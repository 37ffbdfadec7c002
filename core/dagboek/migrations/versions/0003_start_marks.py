"""Start marks: who holds a lane, and how often work on an item began without an outcome.

Revision ID: 0003
"""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE lane ADD COLUMN holder uuid")  # the process at work on it; NULL: given back in order
    op.execute("ALTER TABLE lane ADD COLUMN suspect boolean NOT NULL DEFAULT false")  # its last holder gave nothing back
    op.execute("ALTER TABLE item ADD COLUMN starts smallint NOT NULL DEFAULT 0")  # without outcome, on suspicion only
