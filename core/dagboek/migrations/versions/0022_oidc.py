"""Whom an OpenID provider means: a person, by issuer and subject.

Revision ID: 0022
"""

from alembic import op

revision = "0022"
down_revision = "0023"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """CREATE TABLE person_login (
               issuer text NOT NULL,
               subject text NOT NULL, -- of the issuer's own; an e-mail address may change hands
               person_id uuid NOT NULL REFERENCES person ON DELETE CASCADE,
               created_at timestamptz NOT NULL DEFAULT now(),
               PRIMARY KEY (issuer, subject),
               UNIQUE (person_id, issuer)
           )"""
    )
    op.execute("ALTER TABLE person_login ENABLE ROW LEVEL SECURITY")  # without a policy: requests see nothing of it
