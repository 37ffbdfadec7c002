"""Tenants, connections, runs, the push record.

Revision ID: 0001
"""

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in TABLES.split(";\n\n"):
        if statement.strip():
            op.execute(statement)


TABLES = """
CREATE TABLE tenant (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    name text NOT NULL UNIQUE,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE entity (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenant,
    name text NOT NULL,
    vat_number text,
    company_number text,
    country text NOT NULL DEFAULT 'BE',
    fiscal_year_start smallint NOT NULL DEFAULT 1 CHECK (fiscal_year_start BETWEEN 1 AND 12),
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, name)
);

-- One set of books in one tool: the unit of order and concurrency. It outlives its connections.
CREATE TABLE administration (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenant,
    plugin text NOT NULL,
    host text NOT NULL,
    tool_id text NOT NULL,
    name text NOT NULL,
    next_link_no integer NOT NULL DEFAULT 1,
    looked_up_at timestamptz,
    suspect_since timestamptz,
    shared boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, plugin, host, tool_id)
);

-- The same books under a second tenant are refused, unless an operator marked them as shared.
CREATE UNIQUE INDEX administration_one_tenant ON administration (plugin, host, tool_id) WHERE NOT shared;

CREATE TABLE login (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenant,
    plugin text NOT NULL,
    tool_user text NOT NULL,
    settings bytea NOT NULL, -- the tool's own settings, encrypted
    broken_since timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, plugin, tool_user)
);

CREATE TABLE login_token (
    login_id uuid NOT NULL REFERENCES login ON DELETE CASCADE,
    name text NOT NULL,
    value bytea NOT NULL, -- encrypted
    until timestamptz NOT NULL,
    PRIMARY KEY (login_id, name)
);

CREATE TABLE source (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenant,
    plugin text NOT NULL,
    name text NOT NULL,
    settings jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (tenant_id, name)
);

CREATE TABLE connection (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenant,
    entity_id uuid NOT NULL REFERENCES entity,
    administration_id uuid REFERENCES administration,
    login_id uuid NOT NULL REFERENCES login,
    plugin text NOT NULL,
    state text NOT NULL DEFAULT 'connecting'
        CHECK (state IN ('connecting', 'configuration_needed', 'connected', 'reconnect')),
    settings jsonb NOT NULL DEFAULT '{}',
    created_at timestamptz NOT NULL DEFAULT now(),
    deleted_at timestamptz
);

CREATE UNIQUE INDEX connection_once ON connection (entity_id, administration_id) WHERE deleted_at IS NULL;

-- What a mapping looked at, frozen: preview, replay and "where did this account come from" read it again.
CREATE TABLE mapping_context (
    connection_id uuid NOT NULL REFERENCES connection,
    version integer NOT NULL,
    settings jsonb NOT NULL,
    lists jsonb NOT NULL,
    lists_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection_id, version)
);

-- A document as first seen, whatever the source; its identity is unique over all sources.
CREATE TABLE document (
    tenant_id uuid NOT NULL REFERENCES tenant,
    identity text NOT NULL,
    entity_id uuid NOT NULL REFERENCES entity,
    direction text NOT NULL,
    kind text NOT NULL,
    number text NOT NULL,
    issue_date date NOT NULL,
    due_date date,
    currency text NOT NULL,
    gross numeric NOT NULL,
    party_identity text NOT NULL,
    party_name text NOT NULL,
    source_id uuid NOT NULL REFERENCES source,
    origin_id text NOT NULL,
    revision text NOT NULL,
    source_url text,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    changed_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, identity)
);

CREATE INDEX document_overview ON document (tenant_id, entity_id, direction, issue_date);

-- What a source listed, seen for one entity. `identity` is NULL for what is another entity's or unreadable.
CREATE TABLE origin (
    source_id uuid NOT NULL REFERENCES source,
    entity_id uuid NOT NULL REFERENCES entity,
    origin_id text NOT NULL,
    fingerprint text NOT NULL,
    identity text,
    component text,
    party_identity text,
    revision text,
    party_revision text,
    sort_key text,
    title text NOT NULL DEFAULT '',
    issues jsonb NOT NULL DEFAULT '[]',
    duplicate_of text, -- the origin that has this document already
    seen_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (source_id, entity_id, origin_id)
);

CREATE INDEX origin_identity ON origin (entity_id, identity);

CREATE TABLE run (
    id uuid PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant,
    entity_id uuid NOT NULL REFERENCES entity,
    connection_id uuid NOT NULL REFERENCES connection,
    administration_id uuid NOT NULL REFERENCES administration,
    trigger text NOT NULL,
    requested_by text,
    small boolean NOT NULL DEFAULT false,
    scope jsonb, -- identities of a small run
    state text NOT NULL DEFAULT 'requested'
        CHECK (state IN ('requested', 'active', 'parked', 'cancelling', 'ended')),
    generation integer NOT NULL DEFAULT 1,
    selected boolean NOT NULL DEFAULT false,
    context_version integer,
    window_no integer NOT NULL DEFAULT 0, -- the last published window of this generation
    window_partition integer,
    window_offset bigint, -- offset of the last event of that window
    published_at timestamptz,
    moved_at timestamptz NOT NULL DEFAULT now(), -- last step of planner or lane
    parked_until timestamptz,
    parked_seconds double precision NOT NULL DEFAULT 0, -- of waiting without a known end
    park_reason text,
    park_issue jsonb,
    component_errors jsonb NOT NULL DEFAULT '{}',
    status text, -- set when it ends
    requested_at timestamptz NOT NULL DEFAULT now(),
    started_at timestamptz,
    finished_at timestamptz
);

CREATE UNIQUE INDEX run_one_active ON run (connection_id) WHERE state <> 'ended' AND NOT small;

CREATE INDEX run_history ON run (connection_id, requested_at DESC);

CREATE INDEX run_open ON run (moved_at) WHERE state <> 'ended';

CREATE TABLE item (
    run_id uuid NOT NULL REFERENCES run ON DELETE CASCADE,
    component text NOT NULL,
    identity text NOT NULL,
    kind text NOT NULL,
    sequence integer, -- order of work, set when selection is complete
    sort_key text NOT NULL DEFAULT '',
    source_id uuid,
    origin_id text,
    title text NOT NULL DEFAULT '',
    party_identity text,
    revision text,
    link_id bigint,
    window_no integer,
    generation integer, -- in which it was last published
    state text NOT NULL DEFAULT 'planned',
    issues jsonb NOT NULL DEFAULT '[]',
    attempt integer NOT NULL DEFAULT 0,
    link_version bigint NOT NULL DEFAULT 0,
    booking_number text,
    entry_id text,
    updated boolean NOT NULL DEFAULT false,
    outcome_at timestamptz,
    event bytea, -- value of its outcome event, delivered or to be; with an outcome and empty: to be written
    reported_at timestamptz,
    PRIMARY KEY (run_id, component, identity)
);

CREATE UNIQUE INDEX item_sequence ON item (run_id, sequence);

CREATE INDEX item_unreported ON item (outcome_at) WHERE outcome_at IS NOT NULL AND reported_at IS NULL;

CREATE INDEX item_untold ON item (run_id) WHERE outcome_at IS NOT NULL AND reported_at IS NULL;

CREATE INDEX item_unsettled ON item (link_id) WHERE state = 'to_settle';

-- What was planned is what is pushed, even if the source changes meanwhile.
CREATE TABLE snapshot (
    run_id uuid NOT NULL REFERENCES run ON DELETE CASCADE,
    sequence integer NOT NULL,
    body bytea NOT NULL,
    PRIMARY KEY (run_id, sequence)
);

-- Ends of components and runs, to be delivered like the outcomes of items.
CREATE TABLE run_event (
    event_id uuid PRIMARY KEY,
    run_id uuid NOT NULL REFERENCES run ON DELETE CASCADE,
    administration_id uuid NOT NULL,
    type text NOT NULL,
    value bytea NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    reported_at timestamptz
);

CREATE INDEX run_event_unreported ON run_event (created_at) WHERE reported_at IS NULL;

-- The register: one current link per administration and identity says where the item stands.
CREATE TABLE link (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant,
    administration_id uuid NOT NULL REFERENCES administration,
    identity text NOT NULL,
    incarnation integer NOT NULL DEFAULT 1,
    current boolean NOT NULL DEFAULT true,
    kind text NOT NULL,
    link_no integer NOT NULL,
    link_version bigint NOT NULL DEFAULT 0,
    state text NOT NULL DEFAULT 'free'
        CHECK (state IN ('free', 'intent', 'booked', 'accepted', 'needs_person')),
    op text,
    prior_state text,
    attempt integer NOT NULL DEFAULT 0,
    settle_due timestamptz,
    run_id uuid, -- of the open attempt
    sequence integer,
    revision text, -- booked at
    refused_revision text, -- the last attempt at it was refused
    entry_id text,
    entry_number text,
    entry_url text,
    entry_details jsonb,
    roles text[] NOT NULL DEFAULT '{}', -- of a party: customers, suppliers
    accepted_token text,
    needs_person_issue jsonb,
    acknowledged_revision text, -- a change after booking that a person has seen
    updated_at timestamptz NOT NULL DEFAULT now(),
    UNIQUE (administration_id, link_no),
    UNIQUE (administration_id, identity, incarnation)
) WITH (fillfactor = 70);

CREATE UNIQUE INDEX link_current ON link (administration_id, identity) WHERE current;

CREATE UNIQUE INDEX link_entry ON link (administration_id, kind, entry_id) WHERE current AND entry_id IS NOT NULL;

CREATE INDEX link_settle ON link (settle_due) WHERE state = 'intent';

CREATE INDEX link_accepted ON link (updated_at) WHERE state = 'accepted';

CREATE TABLE attempt (
    link_id bigint NOT NULL REFERENCES link,
    number integer NOT NULL,
    op text NOT NULL,
    run_id uuid NOT NULL,
    sequence integer NOT NULL,
    generation integer NOT NULL,
    epoch bigint NOT NULL,
    revision text,
    context_version integer,
    booking jsonb NOT NULL,
    series text,
    series_number integer,
    party_entry text,
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    outcome text CHECK (outcome IN ('booked', 'accepted', 'refused', 'not_processed', 'uncertain', 'absent', 'person')),
    outcome_at timestamptz,
    entry_id text,
    entry_number text,
    issues jsonb,
    PRIMARY KEY (link_id, number)
);

-- Numbers that we choose, gapless: the next one, and the attempt that holds it.
CREATE TABLE series (
    administration_id uuid NOT NULL REFERENCES administration,
    key text NOT NULL,
    next_number integer NOT NULL,
    open_link bigint,
    open_attempt integer,
    PRIMARY KEY (administration_id, key)
) WITH (fillfactor = 50);

-- Raised by the first event after an assignment; every intent carries it.
CREATE TABLE lane (
    administration_id uuid PRIMARY KEY REFERENCES administration,
    epoch bigint NOT NULL DEFAULT 0,
    slot text NOT NULL DEFAULT '',
    taken_at timestamptz NOT NULL DEFAULT now()
);

-- What the tool held before we came: looked up in bulk on the first run, compared before anything is booked.
CREATE TABLE tool_entry (
    administration_id uuid NOT NULL REFERENCES administration,
    entry_id text NOT NULL,
    number text,
    reference text,
    texts text[] NOT NULL DEFAULT '{}',
    marks text[] NOT NULL DEFAULT '{}', -- reference and texts as they are compared
    journal text,
    party_id text,
    day date,
    gross numeric,
    currency text,
    url text,
    PRIMARY KEY (administration_id, entry_id)
);

CREATE INDEX tool_entry_match ON tool_entry (administration_id, day, gross);

CREATE INDEX tool_entry_marks ON tool_entry USING gin (marks);

CREATE TABLE payment_status (
    link_id bigint PRIMARY KEY REFERENCES link,
    state text NOT NULL,
    open_amount numeric,
    currency text,
    changed_at timestamptz NOT NULL DEFAULT now()
);

CREATE TABLE pull_cursor (
    connection_id uuid NOT NULL REFERENCES connection,
    name text NOT NULL,
    cursor text,
    pulled_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (connection_id, name)
);

CREATE TABLE limit_use (
    key text NOT NULL,
    operation_group text NOT NULL,
    period text NOT NULL CHECK (period IN ('second', 'minute', 'hour', 'day')),
    window_start timestamptz NOT NULL,
    used integer NOT NULL DEFAULT 0,
    blocked_until timestamptz, -- the tool itself said so
    PRIMARY KEY (key, operation_group, period)
) WITH (fillfactor = 50);

-- Exchanges with the tool that were no plain success; redacted before they come here.
CREATE TABLE exchange (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    administration_id uuid NOT NULL REFERENCES administration,
    run_id uuid,
    link_id bigint,
    at timestamptz NOT NULL DEFAULT now(),
    method text NOT NULL,
    url text NOT NULL,
    status integer,
    request text,
    answer text,
    trouble text
);

CREATE INDEX exchange_link ON exchange (link_id, at);
"""
