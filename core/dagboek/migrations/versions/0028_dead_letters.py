"""Which dead letters were published again, so that none is published twice.

Revision ID: 0028
"""

from alembic import op

revision = "0028"
down_revision = "0020"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """CREATE TABLE dead_letter (
            partition integer NOT NULL,
            place bigint NOT NULL, -- its offset
            reference text NOT NULL, -- a topic that was made anew counts from 0 again
            begun_by text NOT NULL,
            begun_at timestamptz NOT NULL DEFAULT now(),
            published_at timestamptz, -- NULL: the brokers have not said that they have it
            PRIMARY KEY (partition, place, reference)
        )"""
    )
