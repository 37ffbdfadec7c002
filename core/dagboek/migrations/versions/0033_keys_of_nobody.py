"""Writes of somebody who is in no tenant, such as an operator, may bear an Idempotency-Key too.

Revision ID: 0033
"""

from alembic import op

revision = "0033"
down_revision = "0030"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE idempotency_key DROP CONSTRAINT idempotency_key_pkey")
    op.execute("ALTER TABLE idempotency_key ALTER COLUMN tenant_id DROP NOT NULL")  # NULL: requests do not see it
    op.execute("CREATE UNIQUE INDEX idempotency_key_once ON idempotency_key (tenant_id, who, key) NULLS NOT DISTINCT")
