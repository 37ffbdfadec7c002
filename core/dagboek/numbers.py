"""Numbers that a tool keeps once in all of an administration: who has one is known before anything is sent.

Two entities with one range of numbers, or invoices and credit notes with one, meet in a tool without journals. A number
is taken when its document is planned, by one statement that no other run can pass; it is given up only for another
document, once its own is not in the tool and the run that planned it has ended (decision 0024).
"""

from collections.abc import Mapping
from typing import Any
from uuid import UUID

from dagboek_schemas.documents import Document
from dagboek_schemas.issues import Issue
from dagboek_sdk.accounting import AccountingPlugin

from dagboek.database import Connection
from dagboek.plugins import unexpected

_TAKE = """
INSERT INTO number_once AS n (administration_id, number, identity, run_id)
SELECT %(administration)s, w.number, w.identity, %(run)s
FROM unnest(%(numbers)s::text[], %(identities)s::text[]) AS w(number, identity) ORDER BY w.number
ON CONFLICT (administration_id, number) DO UPDATE SET identity = excluded.identity, run_id = excluded.run_id
WHERE n.identity = excluded.identity
   OR NOT EXISTS (SELECT 1 FROM link l WHERE l.administration_id = n.administration_id AND l.identity = n.identity
                  AND l.current AND l.state <> 'free')
  AND NOT EXISTS (SELECT 1 FROM run WHERE id = n.run_id AND state <> 'ended')
"""

_OWNERS = """
SELECT n.number, n.identity, d.number AS document, d.kind, e.name AS entity
FROM number_once n
LEFT JOIN document d ON d.tenant_id = %(tenant)s AND d.identity = n.identity
LEFT JOIN entity e ON e.id = d.entity_id
WHERE n.administration_id = %(administration)s AND n.number = ANY(%(numbers)s)
"""


def number_of(tool: type[AccountingPlugin], document: Document) -> str | None:
    """The number under which the tool keeps the document, where that is one for all; a bug's document has none."""
    try:
        return tool.number_once(document)
    except Exception as bug:
        unexpected("number_once", bug)
        return None


async def take_numbers(
    connection: Connection, run: Mapping[str, Any], wanted: Mapping[int, tuple[str, str, Document]]
) -> dict[int, Issue]:
    """Takes numbers for planned items, given by sequence as number, identity and document, in that order.

    The issues of those whose number another document has.
    """
    if not wanted:
        return {}
    first: dict[str, str] = {}
    for number, identity, _ in wanted.values():
        first.setdefault(number, identity)
    given = {
        "tenant": run["tenant_id"],
        "administration": run["administration_id"],
        "run": run["id"],
        "numbers": list(first),
        "identities": list(first.values()),
    }
    await connection.execute(_TAKE, given)
    found = await connection.execute(_OWNERS, given)
    owners = {row["number"]: row for row in await found.fetchall()}
    ours = await _name(connection, run["entity_id"])
    return {
        sequence: _taken(document, ours, owners[number])
        for sequence, (number, identity, document) in wanted.items()
        if owners[number]["identity"] != identity
    }


async def _name(connection: Connection, entity_id: UUID) -> str:
    found = await connection.execute("SELECT name FROM entity WHERE id = %s", (entity_id,))
    row = await found.fetchone()
    return str(row["name"]) if row else "?"


def _taken(document: Document, entity: str, owner: Mapping[str, Any]) -> Issue:
    facts = {
        "number": document.number,
        "document_kind": document.kind,
        "entity": entity,
        "other": owner["document"] or "?",
        "other_kind": owner["kind"] or "?",
        "other_entity": owner["entity"] or "?",
    }
    return Issue(code="D43", facts=facts)
