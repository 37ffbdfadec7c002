"""The bell tells of audits and webhooks, too; the end of a run looks at what of its batch is left alone.

Revision ID: 0032
"""

from alembic import op

revision = "0032"
down_revision = "0033"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n\n"):
        op.execute(statement)


STATEMENTS = """
ALTER TABLE audit ADD person_id uuid REFERENCES person ON DELETE SET NULL; -- who asked for it, where that is a person

CREATE INDEX audit_person_waits ON audit (person_id)
WHERE state IN ('requested', 'running', 'waiting') AND person_id IS NOT NULL;

ALTER TABLE notice DROP CONSTRAINT notice_kind_check;

ALTER TABLE notice ADD CONSTRAINT notice_kind_check CHECK (kind IN ('runs', 'nights', 'audit', 'webhook'));

CREATE INDEX run_batch_open ON run (batch_id) WHERE state <> 'ended' AND batch_id IS NOT NULL;

CREATE INDEX email_given_up ON email (person_id, ended_at DESC) WHERE state = 'given_up'
"""
