"""Windows wait in the database until their partition has room.

Revision ID: 0004
"""

from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n\n"):
        op.execute(statement)


STATEMENTS = """
ALTER TABLE run
    ADD partition integer, -- of the documents topic; known before anything is published
    ADD admitted_no integer NOT NULL DEFAULT 0 -- the last window of this generation that may be on the log;

-- What was planned by the release before went out without asking.
UPDATE run SET admitted_no = window_no WHERE state <> 'ended';

-- Each window is looked at by the few runs of its partition, however many others and however much history there is.
CREATE INDEX run_active ON run (partition) WHERE state = 'active';

CREATE INDEX run_waiting ON run (partition) WHERE state = 'active' AND window_no > admitted_no;

CREATE INDEX item_window ON item (run_id, window_no, generation)
"""
