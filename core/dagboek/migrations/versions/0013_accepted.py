"""What tools have accepted and book later: when an administration was last asked for it.

Revision ID: 0013
"""

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE administration ADD COLUMN polled_at timestamptz")
    op.execute("DROP INDEX link_accepted")
    op.execute("CREATE INDEX link_accepted ON link (administration_id) WHERE accepted_token IS NOT NULL")
