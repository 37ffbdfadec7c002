"""What operators do for no tenant is in the trail too; what needs a person is counted without looking at all links.

Revision ID: 0024
"""

from alembic import op

revision = "0024"
down_revision = "0016"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE trail ALTER COLUMN tenant_id DROP NOT NULL")  # NULL: of the installation, seen by operators
    op.execute("CREATE INDEX link_person ON link (tenant_id) WHERE current AND state = 'needs_person'")
    op.execute("CREATE INDEX run_parked ON run (parked_until) WHERE state = 'parked'")
