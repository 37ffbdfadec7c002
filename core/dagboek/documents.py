"""Overview of the documents of a tenant: the booking number, or where each stands and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from dagboek_schemas.documents import Direction, Kind
from dagboek_schemas.issues import Issue

from dagboek.database import Database


class Standing(StrEnum):
    """Where a document stands, for people."""

    BOOKED = "booked"
    ACCEPTED = "accepted"
    """The tool took it and books it later."""
    NEEDS_PERSON = "needs a person"
    TO_SETTLE = "to settle"
    SKIPPED = "skipped"
    NOT_READY = "not ready"
    WAITING = "waiting"
    """Not tried yet, or a run is under way."""
    DUPLICATE = "duplicate"
    UNREADABLE = "unreadable"


SYNCED = frozenset({Standing.BOOKED, Standing.ACCEPTED})


@dataclass(frozen=True, slots=True)
class DocumentRow:
    """A line of the overview. What could not be read has no more than a title and its issues."""

    entity: str
    title: str
    """The number that the document bears, or the name of its file."""
    standing: Standing
    identity: str | None = None
    direction: Direction | None = None
    kind: Kind | None = None
    party: str | None = None
    issue_date: date | None = None
    gross: Decimal | None = None
    currency: str | None = None
    booking_number: str | None = None
    entry_url: str | None = None
    source_url: str | None = None
    origin_id: str | None = None
    link_id: int | None = None
    duplicate_of: str | None = None
    payment: str | None = None
    issues: tuple[Issue, ...] = ()


_DOCUMENTS = """
SELECT * FROM (
SELECT entity.name AS entity, document.*, link.id AS link_id, link.state AS link_state, link.entry_number,
       link.entry_id, link.entry_url, link.needs_person_issue, link.revision AS booked_revision,
       last.state AS item_state, last.issues AS item_issues, payment_status.state AS payment
  FROM document
  JOIN entity ON entity.id = document.entity_id
  LEFT JOIN LATERAL (
       SELECT link.* FROM administration JOIN link
           ON link.administration_id = administration.id AND link.identity = document.identity AND link.current
        WHERE administration.tenant_id = document.tenant_id
        ORDER BY link.state IN ('booked', 'accepted') DESC, link.updated_at DESC LIMIT 1) AS link ON true
  LEFT JOIN payment_status ON payment_status.link_id = link.id
  LEFT JOIN (
       SELECT DISTINCT ON (item.identity) item.identity, item.state, item.issues
         FROM run JOIN item ON item.run_id = run.id
        WHERE run.tenant_id = %(tenant)s AND item.kind = 'document'
        ORDER BY item.identity, run.requested_at DESC) AS last ON last.identity = document.identity
 WHERE document.tenant_id = %(tenant)s
   AND (%(entity)s::uuid IS NULL OR document.entity_id = %(entity)s)
   AND (%(direction)s::text IS NULL OR document.direction = %(direction)s)
   AND (NOT %(not_synced)s OR link.state IS NULL OR link.state NOT IN ('booked', 'accepted'))
   AND (%(named)s::text IS NULL OR %(named)s IN (document.number, document.identity, document.origin_id))
 ORDER BY document.issue_date DESC, document.number DESC
 LIMIT %(limit)s) AS newest
 ORDER BY entity, direction DESC, issue_date, number
"""

# What a source listed and is no document of its own: unreadable, or here already from elsewhere.
_ORIGINS = """
SELECT entity.name AS entity, origin.*, document.number, document.issue_date, document.gross, document.currency,
       document.party_name, document.direction, document.kind
  FROM origin
  JOIN entity ON entity.id = origin.entity_id
  LEFT JOIN document ON document.tenant_id = entity.tenant_id AND document.identity = origin.identity
 WHERE entity.tenant_id = %(tenant)s
   AND (%(entity)s::uuid IS NULL OR origin.entity_id = %(entity)s)
   AND (%(direction)s::text IS NULL OR document.direction IS NULL OR document.direction = %(direction)s)
   AND (origin.duplicate_of IS NOT NULL OR (origin.identity IS NULL AND jsonb_array_length(origin.issues) > 0))
   AND (%(named)s::text IS NULL OR %(named)s IN (origin.title, origin.identity, origin.origin_id))
 ORDER BY entity.name, origin.title
 LIMIT %(limit)s
"""


async def documents(
    database: Database,
    tenant_id: UUID,
    *,
    entity_id: UUID | None = None,
    direction: Direction | None = None,
    not_synced: bool = False,
    named: str | None = None,
    limit: int = 10_000,
) -> list[DocumentRow]:
    """Documents of a tenant by entity, sales before purchases, then date; of more than `limit` the newest.

    `not_synced`: those without an entry. `named`: by their number, identity, or the source's id. What a source holds
    but could not be read, and what came a second time, stands at the end of the list.
    """
    values = {
        "tenant": tenant_id,
        "entity": entity_id,
        "direction": direction,
        "not_synced": not_synced,
        "named": named,
        "limit": limit,
    }
    async with database.connection() as connection:
        known = await (await connection.execute(_DOCUMENTS, values)).fetchall()
        others = await (await connection.execute(_ORIGINS, values)).fetchall()
    return [*map(_document, known), *map(_origin, others)]


_PARTIES = """
SELECT link.id AS link_id, link.identity, link.needs_person_issue, seen.party_name, entity.name AS entity
  FROM link
  LEFT JOIN LATERAL (
       SELECT document.party_name, document.entity_id FROM document
        WHERE document.tenant_id = link.tenant_id AND document.party_identity = link.identity LIMIT 1) AS seen ON true
  LEFT JOIN entity ON entity.id = seen.entity_id
 WHERE link.tenant_id = %s AND link.kind = 'party' AND link.state = 'needs_person' AND link.current
 ORDER BY entity.name, seen.party_name
"""


async def parties_in_doubt(database: Database, tenant_id: UUID) -> list[DocumentRow]:
    """Customers and suppliers of which only a person can tell whether the tool has them; their documents wait."""
    return [
        DocumentRow(
            entity=row["entity"] or "",
            title="",
            standing=Standing.NEEDS_PERSON,
            identity=row["identity"],
            party=row["party_name"],
            link_id=row["link_id"],
            issues=(Issue.model_validate(row["needs_person_issue"] or {"code": "D10"}),),
        )
        for row in await database.all(_PARTIES, tenant_id)
    ]


def _document(row: Mapping[str, Any]) -> DocumentRow:
    standing = _standing(row["link_state"], row["item_state"])
    issues = [row["needs_person_issue"]] if standing is Standing.NEEDS_PERSON and row["needs_person_issue"] else None
    return DocumentRow(
        entity=row["entity"],
        title=row["number"],
        standing=standing,
        identity=row["identity"],
        direction=Direction(row["direction"]),
        kind=Kind(row["kind"]),
        party=row["party_name"],
        issue_date=row["issue_date"],
        gross=row["gross"],
        currency=row["currency"],
        booking_number=(row["entry_number"] or row["entry_id"]) if standing is Standing.BOOKED else None,
        entry_url=row["entry_url"],
        source_url=row["source_url"],
        origin_id=row["origin_id"],
        link_id=row["link_id"],
        payment=row["payment"],
        issues=tuple(map(Issue.model_validate, issues or row["item_issues"] or ())),
    )


_BY_LINK = {
    "booked": Standing.BOOKED,
    "accepted": Standing.ACCEPTED,
    "needs_person": Standing.NEEDS_PERSON,
    "intent": Standing.TO_SETTLE,
}
_BY_ITEM = {
    "skipped": Standing.SKIPPED,
    "needs_person": Standing.NEEDS_PERSON,
    "not_ready": Standing.NOT_READY,
}


def _standing(link_state: str | None, item_state: str | None) -> Standing:
    """The link says where it stands; only where it is free, the last run tells why."""
    return _BY_LINK.get(link_state or "") or _BY_ITEM.get(item_state or "") or Standing.WAITING


def _origin(row: Mapping[str, Any]) -> DocumentRow:
    return DocumentRow(
        entity=row["entity"],
        title=row["title"] or row["origin_id"],
        standing=Standing.DUPLICATE if row["duplicate_of"] else Standing.UNREADABLE,
        identity=row["identity"],
        direction=Direction(row["direction"]) if row["direction"] else None,
        kind=Kind(row["kind"]) if row["kind"] else None,
        party=row["party_name"],
        issue_date=row["issue_date"],
        gross=row["gross"],
        currency=row["currency"],
        origin_id=row["origin_id"],
        duplicate_of=row["duplicate_of"],
        issues=tuple(map(Issue.model_validate, row["issues"])),
    )
