"""Tables that are filled, and connections that keep the plans of what they execute."""

from typing import Any, ClassVar

from dagboek.database import Connection

CONNECTIONS, DOCUMENTS, RUNS = 200, 100, 100
BIG = {
    "document",
    "item",
    "limit_error",
    "limit_share",
    "limit_use",
    "link",
    "origin",
    "run",
    "run_event",
    "snapshot",
    "api_key",
    "person",
    "trail",
    "web_session",
    "webhook_attempt",
    "webhook_delivery",
}
"""Tables that grow with connections and time."""


FILL = f"""
INSERT INTO tenant (id, name) SELECT md5('t' || n)::uuid, 'T' || n FROM generate_series(1, {CONNECTIONS}) n;

INSERT INTO entity (id, tenant_id, name) SELECT md5('e' || n)::uuid, md5('t' || n)::uuid, 'E'
FROM generate_series(1, {CONNECTIONS}) n;

INSERT INTO administration (id, tenant_id, plugin, host, tool_id, name, next_link_no, looked_up_at)
SELECT md5('a' || n)::uuid, md5('t' || n)::uuid, 'x', 'h', n::text, 'A', {DOCUMENTS + 1}, now()
FROM generate_series(1, {CONNECTIONS}) n;

INSERT INTO login (id, tenant_id, plugin, tool_user, settings)
SELECT md5('l' || n)::uuid, md5('t' || n)::uuid, 'x', 'u', '' FROM generate_series(1, {CONNECTIONS}) n;

INSERT INTO source (id, tenant_id, plugin, name) SELECT md5('s' || n)::uuid, md5('t' || n)::uuid, 'x', 's'
FROM generate_series(1, {CONNECTIONS}) n;

INSERT INTO connection (id, tenant_id, entity_id, administration_id, login_id, plugin, state)
SELECT md5('c' || n)::uuid, md5('t' || n)::uuid, md5('e' || n)::uuid, md5('a' || n)::uuid, md5('l' || n)::uuid, 'x',
       'connected' FROM generate_series(1, {CONNECTIONS}) n;

INSERT INTO mapping_context (connection_id, version, settings, lists)
SELECT md5('c' || n)::uuid, 1, '{{}}', '{{}}' FROM generate_series(1, {CONNECTIONS}) n;

INSERT INTO document (tenant_id, identity, entity_id, direction, kind, number, issue_date, currency, gross,
                      party_identity, party_name, source_id, origin_id, revision)
SELECT md5('t' || n)::uuid, 'd1:' || d, md5('e' || n)::uuid, 'sales', 'invoice', d::text, '2026-01-01', 'EUR', 1,
       'p1:' || d, 'P', md5('s' || n)::uuid, 'o' || d, 'rev1:a'
FROM generate_series(1, {CONNECTIONS}) n, generate_series(1, {DOCUMENTS}) d;

INSERT INTO origin (source_id, entity_id, origin_id, fingerprint, identity, component, party_identity, revision,
                    party_revision, sort_key)
SELECT source_id, entity_id, origin_id, 'f', identity, 'sales_invoices', party_identity, revision, 'rev1:p', number
FROM document;

INSERT INTO link (tenant_id, administration_id, identity, kind, link_no, state, revision, entry_id, entry_number)
SELECT d.tenant_id, a.id, d.identity, 'document', d.number::int, 'booked', d.revision, d.number, d.number
FROM document d JOIN administration a USING (tenant_id);

INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, state, selected, window_no,
                 published_at, finished_at, status)
SELECT md5('r' || n || '-' || r)::uuid, md5('t' || n)::uuid, md5('e' || n)::uuid, md5('c' || n)::uuid,
       md5('a' || n)::uuid, 'automatic', 'ended', true, 1, now(), now(), 'Success'
FROM generate_series(1, {CONNECTIONS}) n, generate_series(1, {RUNS}) r;

INSERT INTO item (run_id, component, identity, kind, sequence, state, window_no, generation, link_id, outcome_at,
                  event, reported_at)
SELECT r.id, 'sales_invoices', l.identity, 'document', row_number() OVER (PARTITION BY r.id), 'synced', 1, 1, l.id,
       now(), '', now()
FROM run r JOIN link l ON l.administration_id = r.administration_id AND l.link_no <= {DOCUMENTS // RUNS};

INSERT INTO payment_status (link_id, state) SELECT id, 'paid' FROM link WHERE link_no <= 50;

INSERT INTO snapshot (run_id, sequence, body) SELECT run_id, sequence, 'body' FROM item;

INSERT INTO run_event (event_id, run_id, administration_id, type, value, reported_at)
SELECT gen_random_uuid(), run.id, administration_id, 'run', '', now() FROM run, generate_series(1, 3)
"""


class Explained(Connection):
    """A connection that keeps the plans of what it executes.

    What a new connection asks first is left out: the pool may open one at any time, beside what is looked at.
    """

    plans: ClassVar[list[tuple[str, dict[str, Any]]]] = []

    async def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
        verb = str(query).lstrip().partition(" ")[0]
        if verb in ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH") and "FROM stamp" not in str(query):
            found = await super().execute(f"EXPLAIN (FORMAT JSON) {query}", params, prepare=False)
            row = await found.fetchone()
            assert row is not None
            self.plans.append((query, row["QUERY PLAN"][0]["Plan"]))
        return await super().execute(query, params, **options)


def read_whole(plan: dict[str, Any]) -> set[str]:
    """Big tables, and indexes of all that is open, that a plan reads from end to end to find what belongs to one."""
    name, condition = plan.get("Relation Name"), plan.get("Index Cond")
    by_filter = "id = " in plan.get("Filter", "") and not condition and plan["Node Type"] != "Bitmap Heap Scan"
    whole = plan["Node Type"] == "Seq Scan" or by_filter
    found = {plan.get("Index Name", name)} if name in BIG and whole else set()
    return found.union(*(read_whole(part) for part in plan.get("Plans", ())))
