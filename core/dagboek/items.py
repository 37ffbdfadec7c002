"""What a run consists of: an item for everything that is new, changed or due, linked and numbered (design section 4).

Told by the database alone, from what the sources brought and where the links stand.
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component, ItemKind, Trigger
from dagboek_sdk.accounting import About
from dagboek_sdk.source import SourceUnavailable

from dagboek.database import Connection, Jsonb
from dagboek.plugins import Plugins, UnknownPlugin, unexpected
from dagboek.refusals import skip_known


async def write_items(
    connection: Connection, plugins: Plugins, run: Mapping[str, Any], version: int, away: Mapping[UUID, Exception]
) -> bool:
    """Items of what is known, without what comes from sources that are `away`: those are told themselves.

    Within a transaction of the caller; `version` is that of the run's mapping context. False when there are none.
    """
    held = await connection.execute(
        "SELECT id FROM run WHERE id = %s AND state = 'active' AND NOT selected FOR UPDATE", (run["id"],)
    )
    if await held.fetchone() is None:
        return True
    given = _given(plugins, run, version, away)
    found = await _write_found(connection, plugins.tool(run["plugin"]).about, given)
    found += await _tell_away(connection, given, away)
    if found:
        await connection.execute(_MAKE_LINKS, given)
        await connection.execute(_NOTE_LINKED, given)
        await connection.execute(_NUMBER_ITEMS, {**given, "components": list(Component)})
    await connection.execute(
        "UPDATE run SET selected = true, context_version = %(version)s, moved_at = now() WHERE id = %(run)s", given
    )
    return found > 0


def _given(plugins: Plugins, run: Mapping[str, Any], version: int, away: Mapping[UUID, Exception]) -> dict[str, Any]:
    """What the statements are told of a run."""
    asked = run["trigger"] != Trigger.AUTOMATIC
    return {
        "run": run["id"],
        "entity": run["entity_id"],
        "administration": run["administration_id"],
        "tenant": run["tenant_id"],
        "connection": run["connection_id"],
        "scope": Jsonb(run["scope"]) if run["scope"] is not None else None,
        "asked": asked,
        "releases": None if asked else plugins.releases(run["plugin"]),
        "version": version,
        "away": list(away),
    }


async def _write_found(connection: Connection, about: About, given: Mapping[str, Any]) -> int:
    """Writes the items that a run consists of, as yet without links and order; how many."""
    given = {**given, "components": list(about.components)}
    found = (await connection.execute(_NEW_DOCUMENTS, given)).rowcount
    if found and not given["asked"]:
        await skip_known(connection, given, ItemKind.DOCUMENT)
    if found and not about.parties_inside_documents:
        found += (await connection.execute(_NEW_PARTIES, given)).rowcount
        if not given["asked"]:
            await skip_known(connection, given, ItemKind.PARTY)
    found += (await connection.execute(_UNREADABLE, given)).rowcount
    found += (await connection.execute(_DUE_PULLS, given)).rowcount
    return found


async def _tell_away(connection: Connection, given: Mapping[str, Any], away: Mapping[UUID, Exception]) -> int:
    """An item for each source that could not be listed; how many."""
    found = 0
    for source_id, trouble in away.items():
        issues = Jsonb([_source_issue(trouble).model_dump(mode="json")])
        told = await connection.execute(_AWAY, {**given, "source": source_id, "issues": issues})
        found += told.rowcount
    return found


def _source_issue(trouble: Exception) -> Issue:
    """What a person reads about a source that could not be listed."""
    if isinstance(trouble, SourceUnavailable | UnknownPlugin):
        return Issue(code="D20", facts={"reason": str(trouble)})
    return unexpected("source", trouble)


# Numbered by the administration, whose row is locked until these are written.
_MAKE_LINKS = """
WITH missing AS MATERIALIZED (
    SELECT DISTINCT i.identity, i.kind FROM item i
    WHERE i.run_id = %(run)s AND i.kind <> 'pull' AND i.state = 'planned'
      AND NOT EXISTS (SELECT 1 FROM link l WHERE l.administration_id = %(administration)s
                      AND l.identity = i.identity AND l.current)
), numbers AS (
    UPDATE administration SET next_link_no = next_link_no + (SELECT count(*) FROM missing)
    WHERE id = %(administration)s AND EXISTS (SELECT 1 FROM missing) RETURNING next_link_no AS next
)
INSERT INTO link (tenant_id, administration_id, identity, kind, link_no)
SELECT %(tenant)s, %(administration)s, m.identity, m.kind,
       n.next - row_number() OVER (ORDER BY m.identity DESC)::int
FROM missing m, numbers n
ON CONFLICT DO NOTHING
"""

# Those without are found by it, among all that were booked long ago.
_NOTE_LINKED = """
UPDATE document d SET linked = true FROM (
    SELECT d.identity FROM item i JOIN document d ON d.tenant_id = %(tenant)s AND d.identity = i.identity
    WHERE i.run_id = %(run)s AND i.kind = 'document' AND NOT d.linked ORDER BY d.identity FOR NO KEY UPDATE OF d
) unmarked WHERE d.tenant_id = %(tenant)s AND d.identity = unmarked.identity
"""

# Lists serve the documents that are mapped by them: a night without any needs none.
_LEDGER_DUE = """(
    (%(asked)s OR EXISTS (SELECT 1 FROM item WHERE run_id = %(run)s AND kind = 'document' AND state = 'planned'))
    AND NOT EXISTS (SELECT 1 FROM pull_cursor WHERE connection_id = %(connection)s
                    AND name = 'ledger_accounts' AND pulled_at > now() - interval '12 hours')
    OR EXISTS (SELECT 1 FROM administration WHERE id = %(administration)s AND looked_up_at IS NULL)
)"""

_PAYMENTS_DUE = """
    NOT EXISTS (SELECT 1 FROM pull_cursor WHERE connection_id = %(connection)s
                AND name = 'payment_statuses' AND pulled_at > now() - interval '1 hour')
    AND EXISTS (SELECT 1 FROM link l LEFT JOIN payment_status p ON p.link_id = l.id
                WHERE l.administration_id = %(administration)s AND l.kind = 'document' AND l.state = 'booked'
                  AND p.state IS DISTINCT FROM 'paid')
"""

_DUE_PULLS = f"""
INSERT INTO item (run_id, component, identity, kind, title)
SELECT %(run)s, due.component, due.component, 'pull', '' FROM (
    SELECT '{Component.LEDGER_ACCOUNTS}' AS component WHERE {_LEDGER_DUE}
    UNION ALL
    SELECT '{Component.PAYMENT_STATUSES}' WHERE {_PAYMENTS_DUE}
) due
WHERE %(scope)s::jsonb IS NULL AND due.component = ANY(%(components)s)
ON CONFLICT DO NOTHING
"""

_NEW_DOCUMENTS = """
INSERT INTO item (run_id, component, identity, kind, sort_key, source_id, origin_id, title, party_identity, revision,
                  issues)
SELECT %(run)s, o.component, o.identity, 'document', o.sort_key, o.source_id, o.origin_id, o.title, o.party_identity,
       o.revision, o.issues -- remarks of its source: they stand beside the booking
FROM origin o
JOIN source s ON s.id = o.source_id AND s.tenant_id = %(tenant)s AND s.id <> ALL(%(away)s)
LEFT JOIN link l ON l.administration_id = %(administration)s AND l.identity = o.identity AND l.current
WHERE o.entity_id = %(entity)s AND o.identity IS NOT NULL AND o.duplicate_of IS NULL AND o.revision IS NOT NULL
  AND o.component = ANY(%(components)s)
  AND (%(scope)s::jsonb IS NULL OR %(scope)s::jsonb ? o.identity)
  AND NOT (o.issues @> '[{"code": "D07"}]')
  AND (l.id IS NULL OR l.state IN ('free', 'intent', 'needs_person')
       OR (l.state = 'booked' AND l.revision IS DISTINCT FROM o.revision
           AND l.acknowledged_revision IS DISTINCT FROM o.revision))
ON CONFLICT DO NOTHING
"""

_NEW_PARTIES = """
INSERT INTO item (run_id, component, identity, kind, sort_key, source_id, origin_id, title, revision)
SELECT DISTINCT ON (component, party_identity)
       %(run)s, component, party_identity, 'party', '', source_id, origin_id, title, party_revision
FROM (
    SELECT CASE WHEN i.component IN ('sales_invoices', 'sales_credit_notes') THEN 'customers' ELSE 'suppliers' END
               AS component,
           o.party_identity, o.source_id, o.origin_id, d.party_name AS title, o.party_revision, o.sort_key
    FROM item i
    JOIN origin o ON o.source_id = i.source_id AND o.entity_id = %(entity)s AND o.origin_id = i.origin_id
    JOIN document d ON d.tenant_id = %(tenant)s AND d.identity = i.identity
    WHERE i.run_id = %(run)s AND i.kind = 'document' AND i.state = 'planned'
) p
LEFT JOIN LATERAL (
    SELECT * FROM link l WHERE l.administration_id = %(administration)s AND l.identity = p.party_identity AND l.current
) l ON true
WHERE l.id IS NULL OR l.state IN ('free', 'intent', 'needs_person') OR l.revision IS DISTINCT FROM p.party_revision
   OR NOT p.component = ANY(l.roles)
ORDER BY component, party_identity, p.sort_key DESC
ON CONFLICT DO NOTHING
"""

_UNREADABLE = """
INSERT INTO item (run_id, component, identity, kind, sort_key, source_id, origin_id, title, state, issues, outcome_at)
SELECT %(run)s, coalesce(o.component, 'sales_invoices'),
       'o1:' || left(encode(sha256(convert_to(o.source_id || '/' || o.origin_id, 'UTF8')), 'hex'), 40),
       'document', 'a' || o.origin_id, o.source_id, o.origin_id, o.title,
       CASE WHEN o.issues @> '[{"severity": "warning"}]' OR o.issues @> '[{"severity": "error"}]'
            THEN 'skipped' ELSE 'not_ready' END, o.issues, now()
FROM origin o JOIN source s ON s.id = o.source_id AND s.tenant_id = %(tenant)s AND s.id <> ALL(%(away)s)
WHERE o.entity_id = %(entity)s AND %(scope)s::jsonb IS NULL AND o.issues <> '[]'
  AND (o.identity IS NULL OR o.duplicate_of IS NOT NULL OR o.issues @> '[{"code": "D07"}]')
ON CONFLICT DO NOTHING
"""

_AWAY = """
INSERT INTO item (run_id, component, identity, kind, title, state, issues, outcome_at)
SELECT %(run)s, 'sales_invoices', 'o1:' || left(encode(sha256(convert_to(s.id::text, 'UTF8')), 'hex'), 40), 'document',
       s.name, 'skipped', %(issues)s, now()
FROM source s WHERE s.id = %(source)s
  AND (%(scope)s::jsonb IS NULL OR EXISTS (SELECT 1 FROM origin o WHERE o.source_id = s.id AND o.entity_id = %(entity)s
                                           AND %(scope)s::jsonb ? o.identity))
"""

# Through a list of places: joined by key, each item may be compared with each, as a new run is taken for a small one.
_NUMBER_ITEMS = """
WITH ordered AS (
    SELECT array_agg(i.ctid ORDER BY array_position(%(components)s::text[], i.component), i.sort_key, i.identity)
               AS places
    FROM item i WHERE i.run_id = %(run)s
)
UPDATE item i SET sequence = n.number - 1,
       link_id = coalesce(i.link_id, (SELECT l.id FROM link l WHERE l.administration_id = %(administration)s
                                      AND l.identity = i.identity AND l.current))
FROM ordered, unnest(places) WITH ORDINALITY AS n(place, number)
WHERE i.ctid = n.place
"""
