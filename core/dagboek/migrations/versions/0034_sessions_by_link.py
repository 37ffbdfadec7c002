"""Who forgot a password and came by a link chooses a new one, which needs to be told from other sessions.

Revision ID: 0034
"""

from alembic import op

revision = "0034"
down_revision = "0031"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # began by a link, and no password was chosen in it since; older processes, which do not know of it, ask for the old one
    op.execute("ALTER TABLE web_session ADD by_link boolean NOT NULL DEFAULT false")
