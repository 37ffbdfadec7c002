"""Notices: the bell, and the mail that waits to be sent.

Revision ID: 0026
"""

from alembic import op

from dagboek.migrations.isolation import granted, isolated

revision = "0026"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for statement in TABLES.split(";\n\n"):
        op.execute(statement)
    for table in ("notice", "email", "night_watch"):
        for statement in isolated(table):
            op.execute(statement)
    for statement in RIGHTS:
        op.execute(statement)


TABLES = """
ALTER TABLE run
    ADD person_id uuid REFERENCES person ON DELETE SET NULL, -- who started it, where that is a user of the console
    ADD batch_id uuid; -- what they started together

CREATE INDEX run_batch ON run (batch_id) WHERE batch_id IS NOT NULL;

CREATE INDEX run_person_waits ON run (person_id) WHERE state <> 'ended' AND person_id IS NOT NULL;

CREATE INDEX run_event_run ON run_event (run_id);

ALTER TABLE person ADD emails boolean NOT NULL DEFAULT true; -- whether notices are mailed, too

-- The outbox. Its id is the Message-ID, so that a mail that is sent again is known for the same.
CREATE TABLE email (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenant,
    person_id uuid NOT NULL REFERENCES person ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('runs', 'nights', 'invitation', 'link')),
    invited_by text,
    state text NOT NULL DEFAULT 'waiting' CHECK (state IN ('waiting', 'sent', 'given_up')),
    tries integer NOT NULL DEFAULT 0,
    due_at timestamptz NOT NULL DEFAULT now(),
    reason text, -- why the last try failed, or it was given up
    created_at timestamptz NOT NULL DEFAULT now(),
    ended_at timestamptz
);

CREATE INDEX email_due ON email (due_at) WHERE state = 'waiting';

CREATE INDEX email_person ON email (tenant_id, person_id, created_at DESC);

CREATE INDEX email_ended ON email (ended_at) WHERE state <> 'waiting';

-- Of failed nights, one collects what comes until it is sent.
CREATE UNIQUE INDEX email_nights ON email (tenant_id, person_id)
WHERE kind = 'nights' AND state = 'waiting' AND tries = 0;

CREATE TABLE notice (
    id uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    tenant_id uuid NOT NULL REFERENCES tenant,
    person_id uuid NOT NULL REFERENCES person ON DELETE CASCADE,
    kind text NOT NULL CHECK (kind IN ('runs', 'nights')),
    about uuid NOT NULL, -- a batch of runs, or a night of an integration: told once
    facts jsonb NOT NULL,
    email_id uuid REFERENCES email ON DELETE SET NULL, -- that tells it, too
    created_at timestamptz NOT NULL DEFAULT now(),
    read_at timestamptz,
    UNIQUE (person_id, about)
);

CREATE INDEX notice_newest ON notice (tenant_id, person_id, created_at DESC, id DESC);

CREATE INDEX notice_unread ON notice (tenant_id, person_id) WHERE read_at IS NULL;

CREATE INDEX notice_email ON notice (email_id) WHERE email_id IS NOT NULL;

CREATE INDEX notice_old ON notice (created_at);

-- Who wants to know of an integration whose nights fail.
CREATE TABLE night_watch (
    tenant_id uuid NOT NULL REFERENCES tenant,
    connection_id uuid NOT NULL REFERENCES connection ON DELETE CASCADE,
    person_id uuid NOT NULL REFERENCES person ON DELETE CASCADE,
    nights integer NOT NULL CHECK (nights BETWEEN 1 AND 30), -- in a row, after which they are told
    failed integer NOT NULL DEFAULT 0, -- in a row until now
    PRIMARY KEY (connection_id, person_id)
);

CREATE INDEX night_watch_person ON night_watch (person_id)
"""

RIGHTS = [
    granted("SELECT, UPDATE (read_at)", "notice"),
    granted("SELECT (id, tenant_id, person_id, kind, state, created_at, ended_at), INSERT", "email"),
    granted("SELECT, INSERT, UPDATE, DELETE", "night_watch"),
]
