"""Domains: what holds several administrations of a tool, with limits and sessions of its own.

Revision ID: 0012
"""

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE administration ADD COLUMN domain text NOT NULL DEFAULT ''")  # the tool's own id; '': none
