"""Who has had how many of the calls that a day's budget shares.

Revision ID: 0014
"""

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """CREATE TABLE limit_share (
            key text NOT NULL,
            operation_group text NOT NULL,
            period text NOT NULL,
            administration_id uuid NOT NULL REFERENCES administration,
            window_start timestamptz NOT NULL, -- of the budget: what was used in an earlier one is over
            used integer NOT NULL,
            PRIMARY KEY (key, operation_group, period, administration_id)
        ) WITH (fillfactor = 50)"""
    )
    op.execute("CREATE INDEX run_at_work ON run (administration_id) WHERE state <> 'ended'")
