"""What was skipped is remembered at its link, so that it is not tried again each night for nothing.

Revision ID: 0007
"""

from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n\n"):
        op.execute(statement)


STATEMENTS = """
ALTER TABLE link
    ADD COLUMN refusals integer NOT NULL DEFAULT 0, -- in a row, under the same circumstances
    ADD COLUMN refused_at timestamptz,
    ADD COLUMN refused_under text, -- those circumstances
    ADD COLUMN refused_issues jsonb,
    ADD COLUMN retry_at timestamptz; -- until then automatic runs skip it, if nothing has changed

CREATE INDEX link_retry ON link (administration_id) WHERE retry_at IS NOT NULL;

ALTER TABLE item ADD COLUMN repeated boolean NOT NULL DEFAULT false -- skipped as before, without being tried
"""
