"""Documents that are sent in: each with all its versions, and the files that came beside them.

Revision ID: 0020
"""

from alembic import op

from dagboek.migrations.isolation import granted, isolated

revision = "0020"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in TABLES.split(";\n\n"):
        op.execute(statement)
    for table in ("sent_document", "sent_version", "sent_file"):
        for statement in isolated(table):
            op.execute(statement)
    op.execute(granted("SELECT, INSERT, UPDATE", "sent_document"))
    op.execute(granted("SELECT, INSERT", "sent_version", "sent_file"))


TABLES = """
CREATE TABLE sent_document (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenant,
    entity_id uuid NOT NULL REFERENCES entity,
    origin_id text NOT NULL, -- the sender's own id, or what the document is
    version integer NOT NULL DEFAULT 0, -- the latest
    direction text NOT NULL,
    kind text NOT NULL,
    number text NOT NULL,
    issue_date date NOT NULL,
    party_name text NOT NULL,
    gross numeric NOT NULL,
    currency text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp(), -- the latest version
    withdrawn_at timestamptz,
    UNIQUE (entity_id, origin_id)
);

CREATE INDEX sent_document_listed ON sent_document (entity_id, created_at, id) WHERE withdrawn_at IS NULL;

CREATE INDEX sent_document_latest ON sent_document (entity_id, sent_at DESC, id DESC);

-- As it came. Rows are added and never changed.
CREATE TABLE sent_version (
    tenant_id uuid NOT NULL REFERENCES tenant,
    document_id uuid NOT NULL REFERENCES sent_document,
    version integer NOT NULL,
    format text NOT NULL, -- who reads it
    file_name text NOT NULL DEFAULT '',
    body bytea NOT NULL,
    digest text NOT NULL,
    direction text NOT NULL, -- as it was decided when it came
    sent_by text NOT NULL,
    sent_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (document_id, version)
);

CREATE TABLE sent_file (
    tenant_id uuid NOT NULL REFERENCES tenant,
    document_id uuid NOT NULL,
    version integer NOT NULL,
    position smallint NOT NULL,
    name text NOT NULL,
    media_type text NOT NULL,
    size integer NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (document_id, version, position),
    FOREIGN KEY (document_id, version) REFERENCES sent_version
);

-- It has no settings: a second one would list everything twice.
CREATE UNIQUE INDEX source_sent_in ON source (tenant_id) WHERE plugin = 'sent-in'
"""
