"""Which document has a number that a tool keeps once in all of an administration.

Revision ID: 0015
"""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """CREATE TABLE number_once (
            administration_id uuid NOT NULL REFERENCES administration,
            number text NOT NULL, -- as the plugin says
            identity text NOT NULL, -- of the document that has it, or is about to
            run_id uuid NOT NULL, -- that planned it last
            PRIMARY KEY (administration_id, number)
        )"""
    )
