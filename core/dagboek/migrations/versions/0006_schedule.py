"""When the next automatic run of each connection is due.

Revision ID: 0006
"""

from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n\n"):
        op.execute(statement)


STATEMENTS = """
ALTER TABLE connection ADD next_run_at timestamptz;

CREATE INDEX connection_due ON connection (next_run_at) WHERE next_run_at IS NOT NULL;

CREATE INDEX connection_unscheduled ON connection (id)
WHERE next_run_at IS NULL AND deleted_at IS NULL AND settings ->> 'automatic' = 'true'
"""
