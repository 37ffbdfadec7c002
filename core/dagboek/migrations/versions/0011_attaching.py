"""Files that go to an entry after it was booked: what is still to be done, and who is at it.

Revision ID: 0011
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """CREATE TABLE attaching (
            link_id bigint PRIMARY KEY REFERENCES link,
            source_id uuid NOT NULL,
            entity_id uuid NOT NULL,
            files jsonb NOT NULL,
            attempt integer NOT NULL DEFAULT 0, -- how often it was begun
            due timestamptz NOT NULL DEFAULT clock_timestamp(), -- what was sent may arrive until then
            made_at timestamptz NOT NULL DEFAULT clock_timestamp()
        )"""
    )
    op.execute("CREATE INDEX attaching_due ON attaching (due)")
