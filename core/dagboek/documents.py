"""Overview of the documents of a tenant: the booking number, or where each stands and why."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from dagboek_schemas.documents import Direction, Kind
from dagboek_schemas.issues import Issue
from dagboek_sdk import clock
from dagboek_sdk.attempt import Booking
from psycopg.rows import DictRow

from dagboek.booking_json import booking_from
from dagboek.database import Database

Place = tuple[date, str]
"""Of a document in the list: its date and identity."""


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
    entity_id: UUID | None = None
    source_id: UUID | None = None
    link_version: int | None = None
    """Rises with each change of where it stands: what a person decides names the one that they have seen."""
    due_date: date | None = None
    sort_title: str = ""
    """Of what is no document: by which it is listed."""

    @property
    def place(self) -> Place:
        """Of a document: after which the next one comes."""
        return self.issue_date or date.min, self.identity or ""


@dataclass(frozen=True, slots=True)
class Part:
    """Documents that were found."""

    rows: list[DocumentRow]
    reached: Place | None = None
    """Where looking ended before there were enough, as time was up; None where it did not."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which documents are asked for; all where nothing is said."""

    entity_id: UUID | None = None
    direction: Direction | None = None
    kind: Kind | None = None
    since: date | None = None
    until: date | None = None
    """Issue dates, both included."""
    standing: Standing | None = None
    not_synced: bool = False
    """Without an entry in the tool."""
    named: str | None = None
    """By number, identity, or the source's id."""
    identity: str | None = None
    search: str | None = None
    """How words of the number or of the other party's name begin, in any order; or a whole booking number."""

    @property
    def unbooked(self) -> bool:
        """Whether what is booked is none of it."""
        return self.not_synced or self.standing not in (None, Standing.BOOKED)


class UnknownDocument(LookupError):
    """The tenant has no such document."""


# Where a document stands: its link says; only where that is free, the last run tells why. What was asked of a person
# about an earlier link is answered once there is another.
STANDING = """
CASE link.state WHEN 'booked' THEN 'booked' WHEN 'accepted' THEN 'accepted' WHEN 'needs_person' THEN 'needs a person'
                WHEN 'intent' THEN 'to settle'
ELSE CASE WHEN last.state = 'needs_person' AND last.link_id IS DISTINCT FROM link.id THEN 'waiting'
          ELSE CASE last.state WHEN 'skipped' THEN 'skipped' WHEN 'needs_person' THEN 'needs a person'
                               WHEN 'not_ready' THEN 'not ready' ELSE 'waiting' END END END
"""

_NOT_BOOKED = ("free", "intent", "accepted", "needs_person")

# Of those that are not booked: a link that is free does not say why, the last run does.
_LINK_STATES: Mapping[Standing | None, tuple[str, ...]] = {
    Standing.ACCEPTED: ("accepted",),
    Standing.TO_SETTLE: ("intent",),
    Standing.NEEDS_PERSON: ("needs_person", "free"),
    Standing.SKIPPED: ("free",),
    Standing.NOT_READY: ("free",),
    Standing.WAITING: ("free",),
}

PATIENCE = 5.0
"""Seconds that few of many are looked for at a time, as whoever looks holds a connection that others wait for."""

LARGEST_LOT = 5_000
"""Documents that are looked at in one statement where few of those that could be wanted are."""

# What a document says of itself, and its place in the list.
_KEPT = """
   AND (%(entity)s::uuid IS NULL OR document.entity_id = %(entity)s)
   AND (%(direction)s::text IS NULL OR document.direction = %(direction)s)
   AND (%(kind)s::text IS NULL OR document.kind = %(kind)s)
   AND (%(since)s::date IS NULL OR document.issue_date >= %(since)s)
   AND (%(until)s::date IS NULL OR document.issue_date <= %(until)s)
   AND (%(identity)s::text IS NULL OR document.identity = %(identity)s)
   AND (%(named)s::text IS NULL OR %(named)s IN (document.number, document.identity, document.origin_id))
   AND (%(after_date)s::date IS NULL
        OR (document.issue_date, document.identity) < (%(after_date)s, %(after_identity)s))
"""

_FIRST = "ORDER BY issue_date DESC, identity DESC LIMIT %(most)s"

_ALL_PLACES = f"SELECT issue_date, identity FROM document WHERE tenant_id = %(tenant)s {_KEPT} {_FIRST}"

# By the service's own function, as row-level security keeps the index of words from being used (decision 0035).
_FOUND_PLACES = """
SELECT found_date AS issue_date, found_identity AS identity
  FROM documents_found(%(search)s, %(entity)s, %(direction)s, %(kind)s, %(since)s, %(until)s, %(after_date)s,
                       %(after_identity)s, %(most)s)
"""

_OF_WORDS = """
   AND (%(search)s::text IS NULL
        OR document.words @@ search_query(search_form(%(search)s), search_shelf(
               document.tenant_id, document.issue_date, document.direction, document.kind))
        OR document.identity IN (SELECT l.identity FROM link l WHERE l.tenant_id = %(tenant)s AND l.current
                                    AND l.kind = 'document' AND l.entry_number = %(search)s))
"""

# Few of many are not booked, and they are found by their links, or by the mark that they have none.
_UNBOOKED_PLACES = f"""
SELECT issue_date, identity FROM (
    (SELECT issue_date, identity FROM document
      WHERE tenant_id = %(tenant)s AND NOT linked AND %(unlinked)s {_KEPT} {_OF_WORDS} {_FIRST})
    UNION
    (SELECT issue_date, identity FROM document WHERE tenant_id = %(tenant)s AND identity IN (
        SELECT l.identity FROM link l WHERE l.tenant_id = %(tenant)s AND l.current AND l.kind = 'document'
           AND l.state <> 'booked' AND l.state = ANY(%(states)s)) {_KEPT} {_OF_WORDS} {_FIRST})
 ) AS unbooked {_FIRST}
"""

# Everything about a document is looked up by its own entity, whatever else the tenant has. Where it goes into several
# books, those that are connected count, and of them those where it does not stand.
LINK_OF_DOCUMENT = """
SELECT link.* FROM connection JOIN link
    ON link.administration_id = connection.administration_id AND link.identity = document.identity
       AND link.current
 WHERE connection.entity_id = document.entity_id
 ORDER BY connection.deleted_at IS NOT NULL, (connection.deleted_at IS NULL) = (link.state IN ('booked', 'accepted')),
          link.state <> 'needs_person', link.updated_at DESC LIMIT 1
"""

LAST_OF_DOCUMENT = """
SELECT item.state, item.issues, item.link_id FROM run JOIN item
    ON item.run_id = run.id AND item.identity = document.identity AND item.kind = 'document'
       AND item.component = document.direction
           || CASE document.kind WHEN 'invoice' THEN '_invoices' ELSE '_credit_notes' END
 WHERE run.entity_id = document.entity_id AND (link.id IS NULL OR run.administration_id = link.administration_id)
 ORDER BY run.requested_at DESC LIMIT 1
"""

_DOCUMENTS = f"""
SELECT * FROM (
SELECT entity.name AS entity, document.*, link.id AS link_id, link.state AS link_state, link.link_version,
       link.entry_number, link.entry_id, link.entry_url, link.needs_person_issue, link.revision AS booked_revision,
       last.issues AS item_issues, payment_status.state AS payment, {STANDING} AS standing
  FROM document
  JOIN entity ON entity.id = document.entity_id
  LEFT JOIN LATERAL ({LINK_OF_DOCUMENT}) AS link ON true
  LEFT JOIN payment_status ON payment_status.link_id = link.id
  LEFT JOIN LATERAL ({LAST_OF_DOCUMENT}) AS last ON true
 WHERE document.tenant_id = %(tenant)s AND document.identity = ANY(%(identities)s)
 ) AS found
 WHERE (%(standing)s::text IS NULL OR standing = %(standing)s)
   AND (NOT %(not_synced)s OR link_state IS NULL OR link_state NOT IN ('booked', 'accepted'))
 ORDER BY issue_date DESC, identity DESC
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
   AND (origin.duplicate_of IS NOT NULL OR (origin.identity IS NULL AND origin.issues <> '[]'))
   AND (%(named)s::text IS NULL OR %(named)s IN (origin.title, origin.identity, origin.origin_id))
   AND (%(after_title)s::text IS NULL
        OR (origin.title, origin.source_id, origin.origin_id) > (%(after_title)s, %(after_source)s, %(after_origin)s))
 ORDER BY origin.title, origin.source_id, origin.origin_id
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
    wanted = Wanted(entity_id=entity_id, direction=direction, not_synced=not_synced, named=named)
    known = await page(database, tenant_id, wanted, limit=limit)
    known.sort(key=lambda row: row.title)
    known.sort(key=lambda row: row.issue_date or date.min)
    known.sort(key=lambda row: (row.entity, row.direction is not Direction.SALES))
    return [*known, *await leftovers(database, tenant_id, wanted, limit=limit)]


async def page(
    database: Database, tenant_id: UUID, wanted: Wanted, *, after: Place | None = None, limit: int
) -> list[DocumentRow]:
    """Documents, newest first, that come after the one at this place, however long it takes; pages take a `part`."""
    found = list[DocumentRow]()
    while True:
        some = await part(database, tenant_id, wanted, after=after, limit=limit - len(found))
        found += some.rows
        if some.reached is None:
            return found
        after = some.reached


async def part(database: Database, tenant_id: UUID, wanted: Wanted, *, after: Place | None = None, limit: int) -> Part:
    """Documents, newest first, that come after the one at this place: `limit` of them, or what `PATIENCE` finds.

    Their places in the list come first, by what they say of themselves; where they stand is looked up for these alone,
    lot by lot until there are enough. A `search` needs a database that names its tenant (`TenantDatabase`).
    """
    values, found = _values(tenant_id, wanted, after), list[DictRow]()
    most = limit if wanted.standing is None else limit * 2
    async with database.connection() as connection:
        until = clock.boot_time() + PATIENCE
        while True:
            cursor = await connection.execute(_places(wanted), {**values, "most": most})
            places = await cursor.fetchall()
            values["identities"] = [place["identity"] for place in places]
            found += await (await connection.execute(_DOCUMENTS, values)).fetchall()
            done = len(places) < most or len(found) >= limit
            reached = None if done else (places[-1]["issue_date"], places[-1]["identity"])
            if reached is None or clock.boot_time() >= until:
                return Part([_document(row) for row in found[:limit]], reached)
            values |= {"after_date": reached[0], "after_identity": reached[1]}
            most = max(most, min(most * 4, LARGEST_LOT))


def _places(wanted: Wanted) -> str:
    if wanted.unbooked:
        return _UNBOOKED_PLACES
    return _FOUND_PLACES if wanted.search else _ALL_PLACES


async def leftovers(
    database: Database, tenant_id: UUID, wanted: Wanted, *, after: tuple[str, UUID, str] | None = None, limit: int
) -> list[DocumentRow]:
    """What a source listed and is no document of its own, by title: unreadable, or here already from elsewhere."""
    title, source, origin = after or (None, None, None)
    values = {
        **_values(tenant_id, wanted, None),
        "after_title": title,
        "after_source": source,
        "after_origin": origin,
        "limit": limit,
    }
    return [_origin(row) for row in await database.all(_ORIGINS, values)]


async def one(database: Database, tenant_id: UUID, identity: str) -> DocumentRow:
    """A document by its identity. UnknownDocument."""
    found = await page(database, tenant_id, Wanted(identity=identity), limit=1)
    if not found:
        raise UnknownDocument("There is no such document.")
    return found[0]


def _values(tenant_id: UUID, wanted: Wanted, after: Place | None) -> dict[str, Any]:
    names = ("direction", "kind", "since", "until", "not_synced", "standing", "named", "identity", "search")
    return {
        **{name: getattr(wanted, name) for name in names},
        "tenant": tenant_id,
        "entity": wanted.entity_id,
        "unlinked": wanted.standing in (None, Standing.WAITING),
        "states": list(_LINK_STATES.get(wanted.standing, _NOT_BOOKED)),
        "after_date": after[0] if after else None,
        "after_identity": after[1] if after else None,
    }


@dataclass(frozen=True, slots=True)
class Try:
    """One attempt to write a document, with what the tool made of it."""

    link_id: int
    number: int
    incarnation: int
    administration: str
    op: str
    run_id: UUID
    started_at: datetime
    outcome: str | None
    outcome_at: datetime | None
    entry_id: str | None
    entry_number: str | None
    series_number: int | None
    booking: Booking
    issues: tuple[Issue, ...]
    notes: tuple[str, ...]
    """What people decided."""


async def attempts(database: Database, tenant_id: UUID, identity: str) -> list[Try]:
    """All attempts at a document, newest first, also on links that were closed."""
    rows = await database.all(
        """SELECT a.*, l.incarnation, adm.name AS administration FROM document d
           JOIN connection c ON c.entity_id = d.entity_id JOIN administration adm ON adm.id = c.administration_id
           JOIN link l ON l.administration_id = adm.id AND l.identity = d.identity
           JOIN attempt a ON a.link_id = l.id
           WHERE d.tenant_id = %s AND d.identity = %s ORDER BY a.started_at DESC, a.link_id DESC LIMIT 200""",
        tenant_id,
        identity,
    )
    return list({(row["link_id"], row["number"]): _try(row) for row in rows}.values())


def _try(row: Mapping[str, Any]) -> Try:
    said = row["issues"] or []
    plain = ("link_id", "number", "incarnation", "administration", "op", "run_id", "started_at", "outcome",
             "outcome_at", "entry_id", "entry_number", "series_number")  # fmt: skip
    return Try(
        **{name: row[name] for name in plain},
        booking=booking_from(row["booking"]),
        issues=tuple(Issue.model_validate(one) for one in said if "code" in one),
        notes=tuple(str(one["note"]) for one in said if "note" in one),
    )


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
    standing = Standing(row["standing"])
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
        link_version=row["link_version"],
        entity_id=row["entity_id"],
        due_date=row["due_date"],
        payment=row["payment"],
        issues=tuple(map(Issue.model_validate, issues or row["item_issues"] or ())),
    )


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
        entity_id=row["entity_id"],
        source_id=row["source_id"],
        sort_title=row["title"],
        duplicate_of=row["duplicate_of"],
        issues=tuple(map(Issue.model_validate, row["issues"])),
    )
