"""A person's language follows their browser until they choose one.

Revision ID: 0030
"""

from alembic import op

revision = "0030"
down_revision = "0029"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE person ADD COLUMN language_chosen boolean NOT NULL DEFAULT false")
    op.execute("UPDATE person SET language_chosen = true WHERE language <> 'nl'")  # who has another one chose it
