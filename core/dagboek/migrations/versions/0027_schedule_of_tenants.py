"""The night of each tenant: its hours and its time zone.

Revision ID: 0027
"""

from alembic import op

from dagboek.migrations.isolation import granted

revision = "0027"
down_revision = "0025"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(COLUMNS)
    op.execute(granted("UPDATE (nightly, time_zone)", "tenant"))


# NULL: what the installation says.
COLUMNS = r"""
ALTER TABLE tenant
    ADD nightly text CHECK (nightly ~ '^([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d$'),
    ADD time_zone text
"""
