"""A run that was parked because its plugin failed time after time stays half-open until something of it succeeds.

Revision ID: 0005
"""

from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE run ADD COLUMN half_open boolean NOT NULL DEFAULT false")
