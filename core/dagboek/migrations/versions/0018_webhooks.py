"""Webhooks: where events are sent to, those that wait to be spread, their deliveries, and the log of each try.

Revision ID: 0018
"""

from alembic import op

from dagboek.migrations.isolation import granted, isolated, isolated_by_parent

revision = "0018"
down_revision = "0028"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in TABLES.split(";\n\n"):
        op.execute(statement)
    for table in ("webhook", "webhook_event", "webhook_delivery"):
        _execute(isolated(table))
    _execute(isolated_by_parent("webhook_attempt", "delivery_id", "webhook_delivery"))
    _execute(RIGHTS)


def _execute(statements: list[str]) -> None:
    for statement in statements:
        op.execute(statement)


TABLES = """
CREATE TABLE webhook (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenant,
    address text NOT NULL,
    description text NOT NULL DEFAULT '',
    types text[] NOT NULL,
    state text NOT NULL DEFAULT 'on' CHECK (state IN ('on', 'paused', 'off', 'deleted')),
    off_reason text CHECK (off_reason IN ('gone', 'failing')), -- NULL: nobody but a person has touched it
    secret bytea NOT NULL, -- encrypted
    old_secret bytea, -- signs as well until then
    old_secret_until timestamptz,
    failures integer NOT NULL DEFAULT 0, -- in a row
    failing_since timestamptz,
    rest_until timestamptz, -- nothing is sent before
    created_by text NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now()
);

CREATE INDEX webhook_tenant ON webhook (tenant_id, created_at, id) WHERE state <> 'deleted';

CREATE INDEX webhook_listening ON webhook (tenant_id) WHERE state IN ('on', 'paused');

-- What is to be told to webhooks, written with what happened. Without type and id: the outcome of an item, which names
-- them itself.
CREATE TABLE webhook_event (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    tenant_id uuid NOT NULL,
    event_id uuid,
    type text,
    value bytea NOT NULL
);

CREATE TABLE webhook_delivery (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL,
    webhook_id uuid NOT NULL REFERENCES webhook ON DELETE CASCADE,
    event_id uuid NOT NULL,
    type text NOT NULL,
    body bytea NOT NULL, -- as it is sent
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'delivered', 'failed')),
    attempts integer NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT now(),
    next_at timestamptz NOT NULL DEFAULT now(), -- in the future too while a process is at it
    give_up_at timestamptz NOT NULL,
    ended_at timestamptz,
    UNIQUE (webhook_id, event_id)
);

CREATE INDEX webhook_delivery_due ON webhook_delivery (webhook_id, next_at) WHERE state = 'waiting';

CREATE INDEX webhook_delivery_log ON webhook_delivery (tenant_id, webhook_id, created_at DESC, id DESC);

CREATE INDEX webhook_delivery_old ON webhook_delivery (created_at);

CREATE TABLE webhook_attempt (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    delivery_id uuid NOT NULL REFERENCES webhook_delivery ON DELETE CASCADE,
    at timestamptz NOT NULL,
    status smallint, -- NULL: there was no answer
    trouble text,
    milliseconds integer NOT NULL,
    answer text NOT NULL DEFAULT '' -- its beginning, redacted
);

CREATE INDEX webhook_attempt_delivery ON webhook_attempt (delivery_id, id)
"""

RIGHTS = [
    # Secrets are written by requests, and opened by who sends.
    granted(
        "SELECT (id, tenant_id, address, description, types, state, off_reason, old_secret_until, failures, "
        "failing_since, rest_until, created_by, created_at), INSERT, "
        "UPDATE (address, description, types, state, off_reason, secret, old_secret, failures, failing_since, rest_until)",
        "webhook",
    ),
    granted("SELECT, INSERT, UPDATE (state, next_at, give_up_at, ended_at)", "webhook_delivery"),
    granted("SELECT", "webhook_attempt"),
]
