"""Logins by OAuth: one per app and user, with why they ended; limits as the tool tells them, and errors that it counts.

Revision ID: 0010
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """ALTER TABLE login
               ADD COLUMN app text NOT NULL DEFAULT '', -- by which the user consented; empty for other kinds of login
               ADD COLUMN user_name text NOT NULL DEFAULT '', -- for people, where tool_user is an id
               ADD COLUMN broken_issue jsonb, -- why
               DROP CONSTRAINT login_tenant_id_plugin_tool_user_key,
               ADD UNIQUE (tenant_id, plugin, app, tool_user)"""
    )
    # A second consent of the same user for the same app ends the tokens of the first, whoever's tenant it is for.
    op.execute(
        "CREATE UNIQUE INDEX login_chain ON login (plugin, app, tool_user) WHERE app <> '' AND settings <> ''"
    )
    op.execute("CREATE INDEX login_token_until ON login_token (until)")
    op.execute("ALTER TABLE limit_use RENAME COLUMN blocked_until TO ends")  # of the window, as the tool says
    op.execute("ALTER TABLE limit_use ADD COLUMN amount integer")  # as the tool says
    op.execute(
        """CREATE TABLE limit_error ( -- answers that the tool counts as errors
               key text NOT NULL,
               operation_group text NOT NULL,
               at timestamptz NOT NULL DEFAULT clock_timestamp()
           )"""
    )
    op.execute("CREATE INDEX limit_error_recent ON limit_error (key, operation_group, at)")
