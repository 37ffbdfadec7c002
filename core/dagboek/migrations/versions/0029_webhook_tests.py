"""Tests of webhooks are found without looking at all that waits.

Revision ID: 0029
"""

from alembic import op

revision = "0029"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        """CREATE INDEX webhook_delivery_test ON webhook_delivery (webhook_id, next_at)
           WHERE state = 'waiting' AND type = 'dagboek.webhook.test.v1'"""
    )
