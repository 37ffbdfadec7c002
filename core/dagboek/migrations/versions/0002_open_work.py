"""What is open is found by its run: an index of all that is open was read whole, as it looks small to the database.

Revision ID: 0002
"""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in STATEMENTS.split(";\n\n"):
        op.execute(statement)


STATEMENTS = """
DROP INDEX run_open;

CREATE INDEX run_open ON run (id) WHERE state <> 'ended';

CREATE INDEX item_open ON item (run_id, sequence) WHERE state IN ('planned', 'to_settle');

-- What a source has that is no plain document is little, however much it has.
CREATE INDEX origin_remarks ON origin (entity_id) WHERE issues <> '[]';

CREATE INDEX origin_copies ON origin (source_id, entity_id) WHERE duplicate_of IS NOT NULL
"""
