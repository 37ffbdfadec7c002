"""Audits: what we have booked in a period against the tool's books.

Revision ID: 0019
"""

from alembic import op

from dagboek.migrations.isolation import granted, isolated, isolated_by_parent

revision = "0019"
down_revision = "0027"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in TABLES.split(";\n\n"):
        op.execute(statement)
    for statement in (
        *isolated("audit"),
        *isolated_by_parent("audit_entry", "audit_id", "audit"),
        *isolated_by_parent("audit_finding", "audit_id", "audit"),
        granted("SELECT, INSERT, UPDATE (state, finished_at)", "audit"),
        granted("SELECT", "audit_finding"),
    ):
        op.execute(statement)


TABLES = """
CREATE TABLE audit (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenant,
    connection_id uuid NOT NULL REFERENCES connection,
    administration_id uuid NOT NULL REFERENCES administration,
    first_day date NOT NULL,
    last_day date NOT NULL CHECK (last_day >= first_day),
    state text NOT NULL DEFAULT 'requested'
        CHECK (state IN ('requested', 'running', 'waiting', 'done', 'failed', 'cancelled')),
    requested_by text NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz,
    due_at timestamptz NOT NULL DEFAULT now(), -- when whoever is free goes on with it
    claim integer NOT NULL DEFAULT 0, -- raised by whoever takes it: who had it before stores nothing more
    cursor text, -- where the next part of the books begins
    read_all boolean NOT NULL DEFAULT false,
    waited_seconds double precision NOT NULL DEFAULT 0, -- without a known end
    expected_calls integer NOT NULL,
    calls integer NOT NULL DEFAULT 0,
    entries integer NOT NULL DEFAULT 0,
    issue jsonb, -- what it waits for, or why it failed
    remarks jsonb NOT NULL DEFAULT '[]',
    counts jsonb NOT NULL DEFAULT '{}'
);

CREATE UNIQUE INDEX audit_one_open ON audit (connection_id) WHERE state IN ('requested', 'running', 'waiting');

CREATE INDEX audit_due ON audit (due_at) WHERE state IN ('requested', 'running', 'waiting');

CREATE INDEX audit_of_tenant ON audit (tenant_id, requested_at DESC, id DESC);

CREATE INDEX audit_of_connection ON audit (connection_id, requested_at DESC, id DESC);

-- What was read of the books so far; dropped when it has been compared.
CREATE TABLE audit_entry (
    audit_id uuid NOT NULL REFERENCES audit ON DELETE CASCADE,
    id bigint GENERATED ALWAYS AS IDENTITY,
    entry_id text NOT NULL,
    number text,
    reference text,
    texts text[] NOT NULL,
    journal text,
    party_id text,
    name text,
    day date,
    gross numeric,
    currency text,
    url text,
    PRIMARY KEY (audit_id, id)
);

CREATE INDEX audit_entry_id ON audit_entry (audit_id, entry_id);

CREATE TABLE audit_finding (
    audit_id uuid NOT NULL REFERENCES audit ON DELETE CASCADE,
    place integer NOT NULL,
    kind text NOT NULL,
    differences text[] NOT NULL,
    identity text, -- of our document, and what of it was sent
    component text,
    document_number text,
    document_party text,
    document_state text,
    document_day date,
    document_gross numeric,
    document_currency text,
    document_journal text,
    booked_number text,
    entry_id text, -- of what stands in the tool
    entry_number text,
    entry_reference text,
    entry_party text,
    entry_journal text,
    entry_day date,
    entry_gross numeric,
    entry_currency text,
    entry_url text,
    PRIMARY KEY (audit_id, place)
);

CREATE INDEX audit_finding_kind ON audit_finding (audit_id, kind, place)
"""
