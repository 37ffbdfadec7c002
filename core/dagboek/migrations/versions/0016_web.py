"""People and their rights, and the role of console and API, which sees the rows of one tenant.

Revision ID: 0016
"""

from alembic import op

from dagboek.migrations.isolation import MAKE_ROLE, ROLE, granted, isolated, isolated_by_parent

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(MAKE_ROLE)
    for statement in TABLES.split(";\n\n"):
        op.execute(statement)
    for table in OF_TENANTS:
        _execute(isolated(table))
    _execute(isolated("tenant", column="id"))
    for parent, (column, tables) in BY_PARENT.items():
        for table in tables:
            _execute(isolated_by_parent(table, column, parent))
    for table in HIDDEN:
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")  # without a policy: nothing is seen
    _execute(RIGHTS)


def _execute(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


TABLES = """
CREATE TABLE person (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    email text NOT NULL UNIQUE CHECK (email = lower(email)),
    name text NOT NULL DEFAULT '',
    password text, -- argon2; NULL: none was chosen yet
    language text NOT NULL DEFAULT 'nl',
    operator boolean NOT NULL DEFAULT false, -- of the whole installation
    created_at timestamptz NOT NULL DEFAULT now(),
    disabled_at timestamptz
);

CREATE TABLE membership (
    tenant_id uuid NOT NULL REFERENCES tenant,
    person_id uuid NOT NULL REFERENCES person ON DELETE CASCADE,
    role text NOT NULL CHECK (role IN ('viewer', 'bookkeeper', 'admin')),
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, person_id)
);

CREATE INDEX membership_person ON membership (person_id);

-- Tokens are kept as their SHA-256 alone: they are random, so nothing slower is needed.
CREATE TABLE web_session (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    token_hash text NOT NULL UNIQUE,
    person_id uuid NOT NULL REFERENCES person ON DELETE CASCADE,
    tenant_id uuid REFERENCES tenant, -- that is looked at
    browser text NOT NULL DEFAULT '',
    created_at timestamptz NOT NULL DEFAULT now(),
    seen_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

CREATE INDEX web_session_person ON web_session (person_id);

CREATE TABLE one_time_link (
    token_hash text PRIMARY KEY,
    person_id uuid NOT NULL REFERENCES person ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL
);

CREATE TABLE sign_in_failure (
    key text NOT NULL, -- hash of an address or of an e-mail address
    at timestamptz NOT NULL DEFAULT clock_timestamp()
);

CREATE INDEX sign_in_failure_recent ON sign_in_failure (key, at);

CREATE TABLE api_key (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenant,
    name text NOT NULL,
    start text NOT NULL, -- of the key, for people to recognise it by
    key_hash text NOT NULL UNIQUE,
    scopes text[] NOT NULL,
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz,
    used_at timestamptz,
    revoked_at timestamptz
);

CREATE INDEX api_key_tenant ON api_key (tenant_id, created_at, id);

-- Who did what. Rows are added and never changed.
CREATE TABLE trail (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL REFERENCES tenant,
    at timestamptz NOT NULL DEFAULT now(),
    who text NOT NULL,
    action text NOT NULL,
    subject text NOT NULL DEFAULT '',
    details jsonb NOT NULL DEFAULT '{}'
);

CREATE INDEX trail_tenant ON trail (tenant_id, id DESC);

-- Answers to writes that bore an Idempotency-Key; without an answer: it is being worked on.
CREATE TABLE idempotency_key (
    tenant_id uuid NOT NULL REFERENCES tenant,
    who text NOT NULL,
    key text NOT NULL,
    request_hash text NOT NULL,
    status smallint,
    headers jsonb,
    body bytea,
    created_at timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (tenant_id, who, key)
);

CREATE INDEX idempotency_key_old ON idempotency_key (created_at);

CREATE INDEX run_of_tenant ON run (tenant_id, requested_at DESC, id DESC);

CREATE INDEX document_newest ON document (tenant_id, issue_date DESC, identity DESC);

CREATE INDEX connection_of_tenant ON connection (tenant_id, created_at, id) WHERE deleted_at IS NULL;

-- What is not booked is little of what there is.
CREATE INDEX link_not_booked ON link (tenant_id, identity) WHERE current AND kind = 'document' AND state <> 'booked';

ALTER TABLE document ADD linked boolean NOT NULL DEFAULT false; -- a run has come to it

UPDATE document d SET linked = true WHERE EXISTS (
    SELECT 1 FROM administration a JOIN link l ON l.administration_id = a.id AND l.identity = d.identity AND l.current
    WHERE a.tenant_id = d.tenant_id);

CREATE INDEX document_unlinked ON document (tenant_id, issue_date DESC, identity DESC) WHERE NOT linked;

-- Parties of which only a person can tell.
CREATE INDEX link_party_in_doubt ON link (tenant_id) WHERE current AND kind = 'party' AND state = 'needs_person';

CREATE INDEX run_open_of_tenant ON run (tenant_id) WHERE state <> 'ended';

CREATE INDEX origin_leftover ON origin (entity_id)
WHERE duplicate_of IS NOT NULL OR (identity IS NULL AND issues <> '[]');

CREATE INDEX run_of_entity ON run (entity_id, requested_at DESC);

CREATE INDEX connection_of_entity ON connection (entity_id);

CREATE INDEX exchange_run ON exchange (run_id) WHERE run_id IS NOT NULL
"""

OF_TENANTS = (
    "entity", "administration", "login", "source", "connection", "document", "run", "link",
    "membership", "api_key", "trail", "idempotency_key",
)  # fmt: skip

BY_PARENT = {
    "login": ("login_id", ["login_token"]),
    "connection": ("connection_id", ["mapping_context", "pull_cursor"]),
    "entity": ("entity_id", ["origin"]),
    "run": ("run_id", ["item", "snapshot", "run_event"]),
    "link": ("link_id", ["attempt", "payment_status", "attaching"]),
    "administration": ("administration_id", ["series", "lane", "tool_entry", "exchange", "limit_share", "number_once"]),
}

HIDDEN = ("web_session", "one_time_link", "sign_in_failure")

SEEN = (
    "tenant", "entity", "administration", "source", "connection", "document", "run", "link", "mapping_context",
    "pull_cursor", "origin", "item", "snapshot", "attempt", "payment_status", "attaching", "tool_entry", "exchange",
    "membership", "trail",
)  # fmt: skip

RIGHTS = [
    # People are seen as far as they are members of the tenant.
    "ALTER TABLE person ENABLE ROW LEVEL SECURITY",
    f"""CREATE POLICY one_tenant ON person FOR SELECT TO {ROLE}
        USING (EXISTS (SELECT 1 FROM membership m WHERE m.person_id = person.id))""",
    f"GRANT USAGE ON SCHEMA public TO {ROLE}",
    granted("SELECT", *SEEN),
    # Credentials are opened by the service, never by the role of requests.
    granted("SELECT (id, tenant_id, plugin, app, tool_user, user_name, broken_since, broken_issue, created_at)", "login"),
    granted("UPDATE (settings)", "login"),
    granted("SELECT (login_id), DELETE", "login_token"),
    granted("SELECT (id, email, name, language, created_at, disabled_at)", "person"),
    granted(
        "SELECT (id, tenant_id, name, start, scopes, created_by, created_at, expires_at, used_at, revoked_at)",
        "api_key",
    ),
    granted("INSERT, UPDATE", "entity", "source", "connection", "run", "link", "mapping_context"),
    granted("UPDATE", "administration", "attempt", "item"),
    granted("INSERT", "trail", "api_key"),
    granted("INSERT, UPDATE, DELETE", "membership"),
    granted("UPDATE (revoked_at)", "api_key"),
    granted("SELECT, INSERT, UPDATE, DELETE", "idempotency_key"),
]
