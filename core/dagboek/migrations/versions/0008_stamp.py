"""Where the database is, so that one that was put back to an earlier time is noticed.

Revision ID: 0008
"""

from alembic import op

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """CREATE TABLE stamp (
            one boolean PRIMARY KEY DEFAULT true CHECK (one),
            system text, -- of the server, timeline and database that this one was in, when it was last looked at
            timeline text,
            database bigint,
            started_at timestamptz, -- of the server
            unchecked boolean NOT NULL DEFAULT false, -- the server was restarted: compare with the results topic first
            seen_at timestamptz NOT NULL, -- written by the core every few seconds
            gap_from timestamptz, -- nothing was written from here to `gap_at`: it may have been lost
            gap_at timestamptz,
            noticed_at timestamptz, -- when it was last noticed that the database went back
            proof text,
            since timestamptz, -- from here on the results topic may know more
            replayed_until timestamptz -- everything told before was adopted
        ) WITH (fillfactor = 50)"""
    )
    op.execute("INSERT INTO stamp (seen_at) SELECT coalesce(max(moved_at), now()) FROM run")
