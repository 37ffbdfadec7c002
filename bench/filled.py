"""A database as large as an installation gets: many tenants, one of them a whale, written straight into the tables."""

from dataclasses import dataclass
from hashlib import md5
from typing import Final
from uuid import UUID

import psycopg


@dataclass(frozen=True, slots=True)
class Sizes:
    """Of the whole installation; half of it is the whale's."""

    connections: int = 10_000
    documents: int = 1_000_000
    tenants: int = 200
    issues: int = 10_000
    """In one run of each of two tenants."""


WHALE, MIDDLE = "t1", "t2"
"""Tenants that are looked at: the largest, and the largest of the others."""


SHARED = "octopus:all"
"""The limit of which every connection has a share."""


def named(what: str) -> UUID:
    """The id of a row, such as that of tenant `t1`, connection `c1` or run `r1-3`."""
    return UUID(md5(what.encode(), usedforsecurity=False).hexdigest())


def fill(connection: psycopg.Connection, sizes: Sizes) -> None:
    """Fills an empty database that was migrated. The connection is the owner's, in autocommit."""
    values = {
        "connections": sizes.connections,
        "whale": sizes.connections // 2,
        "tenants": sizes.tenants,
        "each": sizes.documents // sizes.connections,
        "issues": sizes.issues,
        "SHARED": SHARED,
    }
    connection.execute("SET synchronous_commit = off")
    connection.execute("SET session_replication_role = replica")  # references are right, and not looked up
    for statement in (*_HELP, *STATEMENTS.split(";\n\n")):
        connection.execute(statement.format(**values))
    connection.execute("SET session_replication_role = origin")
    connection.execute("VACUUM ANALYZE")


_HELP: Final = (
    "CREATE FUNCTION pg_temp.id(what text) RETURNS uuid LANGUAGE sql IMMUTABLE AS 'SELECT md5(what)::uuid'",
    """CREATE FUNCTION pg_temp.one_of(at bigint, words text) RETURNS text LANGUAGE sql IMMUTABLE AS
       'SELECT (string_to_array(words, '' ''))[1 + mod(at, array_length(string_to_array(words, '' ''), 1))]'""",
)

# Tenants other than the whale have few connections or many. `n` numbers connections, `d` the documents of each.
STATEMENTS: Final = """
INSERT INTO tenant (id, name) SELECT pg_temp.id('t' || n), 'Tenant ' || n FROM generate_series(1, {tenants}) n;

CREATE TEMP TABLE c ON COMMIT PRESERVE ROWS AS
SELECT n, pg_temp.id('e' || n) AS entity, pg_temp.id('a' || n) AS administration, pg_temp.id('l' || n) AS login,
       pg_temp.id('c' || n) AS connection, t.t, pg_temp.id('t' || t.t) AS tenant
FROM generate_series(1, {connections}) n
CROSS JOIN LATERAL (SELECT CASE WHEN n <= {whale} THEN 1 ELSE
    2 + floor(({tenants} - 1) * power((n - {whale} - 1)::float / ({connections} - {whale}), 2))::int END AS t) t;

INSERT INTO entity (id, tenant_id, name, vat_number)
SELECT entity, tenant, pg_temp.one_of(n, 'Bakkerij Garage Kapsalon Drukkerij Slagerij Tuinen') || ' ' ||
       pg_temp.one_of(n / 6, 'Janssens Peeters Maes Jacobs Mertens Willems Claes Goossens') || ' ' || n,
       'BE' || lpad(n::text, 10, '0') FROM c;

INSERT INTO administration (id, tenant_id, plugin, host, tool_id, name, next_link_no, looked_up_at)
SELECT administration, tenant, 'octopus', 'h', n::text, 'Books ' || n, {each} + 1, now() FROM c;

INSERT INTO login (id, tenant_id, plugin, tool_user, settings) SELECT login, tenant, 'octopus', 'u' || n, '' FROM c;

INSERT INTO source (id, tenant_id, plugin, name)
SELECT pg_temp.id('s' || n), pg_temp.id('t' || n), 'ubl', 'files' FROM generate_series(1, {tenants}) n;

INSERT INTO connection (id, tenant_id, entity_id, administration_id, login_id, plugin, state, created_at)
SELECT connection, tenant, entity, administration, login, 'octopus',
       pg_temp.one_of(n, 'connected connected connected connected connected reconnect connected configuration_needed'),
       now() - n * interval '1 minute' FROM c;

INSERT INTO mapping_context (connection_id, version, settings, lists, lists_at)
SELECT connection, 1, '{{}}', jsonb_build_object('vat_codes', '[]'::jsonb, 'ledger_accounts', (
    SELECT jsonb_agg(jsonb_build_object('code', (700000 + k)::text, 'name', 'Account ' || k))
    FROM generate_series(1, CASE WHEN mod(n, {whale}) = 1 THEN 800 ELSE 40 END) k), 'journals',
    '[{{"code": "V1", "name": "Sales", "kind": "sales"}}]'::jsonb), now() FROM c;

INSERT INTO document (tenant_id, identity, entity_id, direction, kind, number, issue_date, currency, gross,
                      party_identity, party_name, source_id, origin_id, revision, linked)
SELECT tenant, 'd1:' || md5(n || '-' || d), entity, CASE WHEN mod(d, 3) = 0 THEN 'purchase' ELSE 'sales' END,
       CASE WHEN mod(d, 20) = 19 THEN 'credit_note' ELSE 'invoice' END,
       (CASE mod(n, 3) WHEN 0 THEN '' WHEN 1 THEN 'F' ELSE 'VF/' END) || day.year || '-' || lpad(d::text, 5, '0'),
       day.day, 'EUR', 121, 'p1:' || md5((mod(n * 7 + d, 9973))::text),
       pg_temp.one_of(mod(n * 7 + d, 9973), 'Bouwbedrijf Café Garage Advocaten Transport Électro Tuinaanleg Studio')
       || ' ' || pg_temp.one_of(mod(n * 7 + d, 9973) / 8, 'Janssens Peeters Maes Jacobs Mertens Willems Claes '
       'Wouters Goossens Lefèvre Dubois Lambert Dupont Martin Simon Laurent Leroy Declercq Vandamme Bogaert Sørensen')
       || ' ' || mod(n * 7 + d, 9973), pg_temp.id('s' || t), n || '-' || d || '.xml', 'rev1:a',
       mod(n * 31 + d, 997) <> 3
FROM c, generate_series(1, {each}) d,
     LATERAL (SELECT current_date - (1100 - 1100 * d / {each}) AS day) at,
     LATERAL (SELECT at.day, extract(year FROM at.day)::int AS year) day;

INSERT INTO origin (source_id, entity_id, origin_id, fingerprint, identity, component, party_identity, revision,
                    party_revision, sort_key, title, duplicate_of, issues)
SELECT source_id, entity_id, origin_id, 'f', identity, direction || '_invoices', party_identity, revision, 'rev1:p',
       number, number, NULL, '[]'::jsonb FROM document
UNION ALL
SELECT source_id, entity_id, 'copy of ' || origin_id, 'f', identity, direction || '_invoices', party_identity, revision,
       'rev1:p', number, number, origin_id, '[{{"code": "D05"}}]' FROM document WHERE origin_id LIKE '%7-1.xml';

INSERT INTO link (tenant_id, administration_id, identity, kind, link_no, state, revision, entry_id, entry_number,
                  needs_person_issue)
SELECT tenant, administration, 'd1:' || md5(n || '-' || d), 'document', d, state.state, 'rev1:a', '1/V1/' || d,
       CASE WHEN state.state = 'booked' THEN (n * 1000 + d)::text END,
       CASE WHEN state.state = 'needs_person' THEN '{{"code": "D10"}}'::jsonb END
FROM c, generate_series(1, {each}) d, LATERAL (SELECT CASE WHEN mod(n * 31 + d, 1000) = 0 THEN 'needs_person'
     WHEN mod(n * 31 + d, 500) = 1 THEN 'free' WHEN mod(n * 31 + d, 5000) = 7 THEN 'accepted' ELSE 'booked' END AS state
     ) state WHERE mod(n * 31 + d, 997) <> 3;

INSERT INTO link (tenant_id, administration_id, identity, kind, link_no, state, entry_id, entry_number)
SELECT tenant, administration, 'p1:' || md5((mod(n * 7 + d, 9973))::text), 'party', {each} + d,
       CASE WHEN mod(n + d, 1000) = 0 THEN 'needs_person' ELSE 'booked' END, d::text, d::text
FROM c, generate_series(1, 10) d;

INSERT INTO payment_status (link_id, state) SELECT id, 'paid' FROM link WHERE kind = 'document' AND mod(link_no, 2) = 0;

INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, state, selected, window_no,
                 requested_at, started_at, finished_at, status)
SELECT pg_temp.id('r' || n || '-' || r), tenant, entity, connection, administration,
       CASE WHEN mod(n + r, 10) = 0 THEN 'manual' ELSE 'automatic' END, 'ended', true, 1,
       at, at, at + interval '9 seconds', CASE WHEN mod(n + r, 9) = 0 THEN 'Warning' ELSE 'Success' END
FROM c, generate_series(1, 7) r, LATERAL (SELECT now() - r * interval '1 day' + n * interval '1 second' AS at) at;

UPDATE run SET state = 'active', status = NULL, finished_at = NULL
WHERE id IN (SELECT pg_temp.id('r' || n || '-1') FROM c WHERE mod(n, 500) = 3);

UPDATE run SET state = 'parked', park_reason = 'limit', parked_until = now() + interval '1 day', status = NULL,
               finished_at = NULL
WHERE id IN (SELECT pg_temp.id('r' || n || '-1') FROM c WHERE mod(n, 5) = 4);

INSERT INTO lane (administration_id, epoch, slot, holder)
SELECT administration, 1, mod(n, 4)::text, pg_temp.id('w' || mod(n, 4)) FROM c;

INSERT INTO item (run_id, component, identity, kind, sequence, state, window_no, generation, title, issues, outcome_at,
                  reported_at)
SELECT pg_temp.id('r' || n || '-' || r), CASE WHEN mod(d, 3) = 0 THEN 'purchase' ELSE 'sales' END ||
       CASE WHEN mod(d, 20) = 19 THEN '_credit_notes' ELSE '_invoices' END, 'd1:' || md5(n || '-' || d),
       'document', d, CASE WHEN mod(n * 31 + d, 500) = 1 THEN 'skipped' ELSE 'synced' END, 1, 1, d::text,
       CASE WHEN mod(n * 31 + d, 500) = 1 THEN '[{{"code": "B04", "facts": {{"number": "1"}}}}]'::jsonb ELSE '[]' END,
       now(), now()
FROM c, generate_series(1, 7) r, generate_series(r * {each} / 14 + 1, (r + 1) * {each} / 14) d;

INSERT INTO item (run_id, component, identity, kind, sequence, state, window_no, generation, title, issues, outcome_at,
                  reported_at)
SELECT pg_temp.id(r || '-2'), 'customers', 'p1:many' || d, 'party', 100000 + d, 'skipped', 1, 1, d::text,
       '[{{"code": "B04", "facts": {{"number": "1"}}}}]'::jsonb, now(), now()
FROM (SELECT 'r1' AS r UNION ALL SELECT 'r' || min(n) FROM c WHERE t = 2) of_two, generate_series(1, {issues}) d;

INSERT INTO attempt (link_id, number, op, run_id, sequence, generation, epoch, booking, outcome, outcome_at)
SELECT l.id, 1, 'create', pg_temp.id('r' || n || '-1'), 1, 1, 1,
       '{{"payload": {{}}, "lines": [{{"account": "400000", "debit": "121", "credit": "0", "vat_code": null, "text": "",
       "because": "customer"}}], "journal": "V1", "series": null, "reference": "Dagboek", "day": null, "gross": "121",
       "currency": "EUR"}}', 'booked', now()
FROM c JOIN link l ON l.administration_id = c.administration AND l.kind = 'document' AND mod(l.link_no, 4) = 0;

INSERT INTO exchange (administration_id, link_id, run_id, method, url, status, answer)
SELECT administration, l.id, pg_temp.id('r' || n || '-2'), 'POST', '/bookings', 500, 'no'
FROM c JOIN link l ON l.administration_id = c.administration AND l.kind = 'document' AND l.link_no < 4;

INSERT INTO limit_use (key, operation_group, period, window_start, used, known)
SELECT 'octopus:' || n, part, 'day', now() - interval '1 hour', mod(n, 1001), 1000
FROM c, unnest(ARRAY['*', 'book', 'read']) part
UNION ALL SELECT '{SHARED}', '*', 'day', now() - interval '1 hour', 900, 1000;

INSERT INTO limit_share (key, operation_group, period, administration_id, window_start, used)
SELECT '{SHARED}', '*', 'day', administration, u.window_start, mod(n, 97)
FROM c JOIN limit_use u ON u.key = '{SHARED}';

INSERT INTO limit_error (key, operation_group, at)
SELECT 'octopus:' || n, '*', now() - e * interval '1 minute' FROM c, generate_series(1, 5) e;

INSERT INTO audit (id, tenant_id, connection_id, administration_id, first_day, last_day, state, requested_by,
                   requested_at, started_at, finished_at, expected_calls, counts)
SELECT CASE WHEN a = 1 THEN pg_temp.id('u' || t) ELSE gen_random_uuid() END, tenant, connection, administration,
       current_date - 90, current_date, 'done', 'p1@example.com', at, at, at, 9, '{{"missing": {issues}}}'
FROM (SELECT DISTINCT ON (t) * FROM c ORDER BY t, n) first, generate_series(1, 100) a,
     LATERAL (SELECT now() - a * interval '1 day' AS at) at;

INSERT INTO audit_finding (audit_id, place, kind, differences, document_number, document_day, document_gross,
                           document_currency)
SELECT pg_temp.id(u), p, 'missing', '{{}}', p::text, current_date, 121, 'EUR'
FROM unnest(ARRAY['u1', 'u2']) u, generate_series(1, {issues}) p;

CREATE TEMP TABLE first AS SELECT DISTINCT ON (t) * FROM c WHERE t < 3 ORDER BY t, n;

INSERT INTO sent_document (id, tenant_id, entity_id, origin_id, version, direction, kind, number, issue_date,
                           party_name, gross, currency)
SELECT pg_temp.id('sent' || d || 't' || t), tenant, entity, d::text, 1, 'sales', 'invoice', d::text, current_date,
       'Janssens', 121, 'EUR' FROM first, generate_series(1, 5000) d;

INSERT INTO sent_version (tenant_id, document_id, version, format, body, digest, direction, sent_by)
SELECT tenant_id, id, 1, 'ubl', '', '', direction, 'x' FROM sent_document;

INSERT INTO webhook (id, tenant_id, address, types, secret, created_by)
SELECT pg_temp.id('webhook t' || t), tenant, 'https://receiver.example/', '{{*}}', '', 'x' FROM first;

INSERT INTO webhook_delivery (id, tenant_id, webhook_id, event_id, type, body, state, give_up_at)
SELECT pg_temp.id('delivery' || d || 't' || t), tenant, pg_temp.id('webhook t' || t), gen_random_uuid(),
       'dagboek.document.booked.v1', '{{}}', 'delivered', now() FROM first, generate_series(1, 20000) d;

INSERT INTO webhook_attempt (delivery_id, at, status, milliseconds) SELECT id, now(), 200, 9 FROM webhook_delivery;

INSERT INTO person (id, email) SELECT pg_temp.id('p' || n), 'p' || n || '@example.com' FROM generate_series(1, 5000) n;

INSERT INTO membership (tenant_id, person_id, role)
SELECT pg_temp.id('t' || CASE WHEN n < 1000 THEN 1 ELSE 2 + mod(n, {tenants} - 1) END), pg_temp.id('p' || n), 'viewer'
FROM generate_series(1, 5000) n;

INSERT INTO web_session (token_hash, person_id, expires_at)
SELECT 's' || n, pg_temp.id('p' || n), now() + interval '1 day' FROM generate_series(1, 5000) n;

INSERT INTO api_key (tenant_id, name, start, key_hash, scopes, created_by)
SELECT pg_temp.id('t' || 1 + mod(n, {tenants})), 'program', 'dgb_', 'k' || n, '{{read}}', 'x'
FROM generate_series(1, 2000) n;

INSERT INTO trail (tenant_id, at, who, action)
SELECT pg_temp.id('t' || CASE WHEN mod(n, 2) = 0 THEN 1 ELSE 2 + mod(n / 2, {tenants} - 1) END),
       now() - (200000 - n) * interval '10 seconds', 'p1@example.com', 'run.start' FROM generate_series(1, 200000) n
"""
