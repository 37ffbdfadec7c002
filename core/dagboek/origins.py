"""What a source brought: which document each of its origins is, and what is known of it already (design section 2).

A lot of fetched documents costs four statements, however large it is. What each of them is is decided in the order in
which they came, from what the database knew before the lot and what the earlier ones of it changed.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter, itemgetter
from typing import Any, Self
from uuid import UUID

import orjson
from dagboek_schemas.documents import Direction, Document, Kind
from dagboek_schemas.identity import document_identity, party_identity
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.revision import document_revision, party_revision, same_document
from dagboek_schemas.statuses import Component
from dagboek_sdk.source import Fetched, Listed

from dagboek.database import Connection

Row = Mapping[str, Any]

_COMPONENTS = {
    (Direction.SALES, Kind.INVOICE): Component.SALES_INVOICES,
    (Direction.SALES, Kind.CREDIT_NOTE): Component.SALES_CREDIT_NOTES,
    (Direction.PURCHASE, Kind.INVOICE): Component.PURCHASE_INVOICES,
    (Direction.PURCHASE, Kind.CREDIT_NOTE): Component.PURCHASE_CREDIT_NOTES,
}

_DIGITS = re.compile(r"\d+")


def component_of(document: Document) -> Component:
    """The component that a document belongs to."""
    return _COMPONENTS[document.direction, document.kind]


def party_component(component: Component) -> Component:
    """The component of the parties of documents in `component`."""
    sales = component in (Component.SALES_INVOICES, Component.SALES_CREDIT_NOTES)
    return Component.CUSTOMERS if sales else Component.SUPPLIERS


def sort_key(document: Document) -> str:
    """Order of booking: by date, then by number with its digits compared as numbers."""
    return document.issue_date.isoformat() + " " + _DIGITS.sub(lambda n: n.group().zfill(18), document.number)


def identity_of(document: Document, entity: Row) -> str:
    """Identity of a document of `entity`, a row."""
    number = entity["vat_number"] or entity["company_number"] or entity["name"]
    return document_identity(document, str(entity["tenant_id"]), number, entity["fiscal_year_start"])


@dataclass(frozen=True, slots=True)
class Identified:
    """A document and its other party, with what each is and what would be booked of it: computed once."""

    document: Document
    identity: str
    revision: str
    party: str
    """Identity of the other party."""
    party_revision: str

    @classmethod
    def of(cls, document: Document, entity: Row) -> Self:
        """A document of `entity`, a row."""
        party = document.other_party
        return cls(
            document,
            identity_of(document, entity),
            document_revision(document),
            party_identity(party),
            party_revision(party),
        )


async def register(
    connection: Connection, administration_id: UUID, source: Row, entity: Row, lot: Iterable[tuple[Listed, Fetched]]
) -> "Registered":
    """Writes what each fetched document is: ours, another entity's, unreadable, or one that is there already.

    Within a transaction of the caller. `source` and `entity` are rows; an origin that comes twice is what it was last.
    """
    brought = list({listed.origin_id: _Brought.of(listed, fetched, entity) for listed, fetched in lot}.values())
    place = {"source": source["id"], "entity": entity["id"], "tenant": entity["tenant_id"]}
    booked = await _booked(connection, brought, place | {"administration": administration_id})
    firsts = await _firsts(connection, brought, place)
    new = [one for one in brought if _decide(one, booked.get(one.origin), firsts)]
    await _write_documents(connection, new, place)
    await _write_origins(connection, brought, place)
    first = {one.origin: one.read for one in new if one.read is not None}
    return Registered(first, any(one.duplicate is not None for one in brought))


@dataclass(frozen=True, slots=True)
class Registered:
    """What came of a lot."""

    first: Mapping[str, Identified]
    """By origin, the documents that this one is to be booked from."""
    copies: bool
    """Whether any is a copy of what another origin has."""


@dataclass(slots=True)
class _Brought:
    """A row of `origin` as it is to be, and the document that it was read from."""

    read: Identified | None
    origin: str
    fingerprint: str
    title: str
    issues: Sequence[Issue]
    identity: str | None = None
    duplicate: str | None = None

    @classmethod
    def of(cls, listed: Listed, fetched: Fetched, entity: Row) -> Self:
        """As it came."""
        origin, document = listed.origin_id, fetched.document
        if document is None:
            return cls(None, origin, listed.fingerprint, listed.title or origin, fetched.issues)
        read = Identified.of(document, entity)
        return cls(read, origin, listed.fingerprint, document.number, fetched.issues, identity=read.identity)


class _Firsts:
    """By identity, the origin that has the document: (source, origin, revision)."""

    def __init__(self, source: UUID, rows: Iterable[Row]) -> None:
        self._source = source
        self._by_identity = {row["identity"]: (row["source_id"], row["origin_id"], row["revision"]) for row in rows}
        self._mine = {origin: identity for identity, (of, origin, _) in self._by_identity.items() if of == source}

    def other(self, one: _Brought, identity: str) -> tuple[str, str] | None:
        """Origin and revision where the document is already, if that is elsewhere."""
        first = self._by_identity.get(identity)
        return first[1:] if first and first[:2] != (self._source, one.origin) else None

    def stands_for(self, one: _Brought, identity: str | None) -> None:
        """From now on an origin has this identity; what it had before is free for whoever comes next."""
        before = self._mine.get(one.origin)
        if before is not None and before != identity:
            del self._by_identity[before], self._mine[one.origin]

    def add(self, one: _Brought, identity: str, revision: str) -> None:
        """An origin is the first of a document."""
        self._by_identity[identity] = (self._source, one.origin, revision)
        self._mine[one.origin] = identity


def _decide(one: _Brought, booked: Row | None, firsts: _Firsts) -> bool:
    """Whether a document is the first of its identity; where it is not, its row says why."""
    if one.read is None or one.identity is None:
        firsts.stands_for(one, None)
        return False
    if booked is not None and booked["identity"] != one.identity:
        facts = {"number": booked["title"], "booking_number": booked["entry_number"] or "?", "origin": one.origin}
        one.identity, one.issues = None, (Issue(code="D07", facts=facts),)
        return False
    firsts.stands_for(one, one.identity)
    if (first := firsts.other(one, one.identity)) is None:
        firsts.add(one, one.identity, one.read.revision)
        return True
    one.duplicate, revision = first
    same = revision == one.read.revision or _same(revision, one.read.document)
    number = one.read.document.number
    facts = {"number": number, "origin": called(one.origin, number), "first": called(one.duplicate, number)}
    severity = Severity.INFORMATION if same else Severity.WARNING
    one.issues = (Issue(code="D05" if same else "D06", severity=severity, facts=facts),)
    return False


def called(origin: str, number: str) -> str:
    """What people know an origin by: its number, where it was sent in without an id of its own and has one of ours."""
    return number if origin.startswith("d1:") else origin


def _same(revision: str, document: Document) -> bool:
    try:
        return same_document(revision, document)
    except KeyError:  # a newer release computed it
        return True


async def _booked(connection: Connection, brought: Sequence[_Brought], place: Row) -> dict[str, Row]:
    """By origin, what it stands for in the books: under another identity it changed after booking, and is not new."""
    found = await connection.execute(
        """SELECT o.origin_id, o.identity, o.title, l.entry_number FROM origin o
           JOIN link l ON l.administration_id = %(administration)s AND l.identity = o.identity AND l.current
           WHERE o.source_id = %(source)s AND o.entity_id = %(entity)s AND o.origin_id = ANY(%(origins)s)
             AND o.duplicate_of IS NULL AND l.state <> 'free'""",
        {**place, "origins": [one.origin for one in brought]},
    )
    return {row["origin_id"]: row for row in await found.fetchall()}


async def _firsts(connection: Connection, brought: Sequence[_Brought], place: Row) -> _Firsts:
    found = await connection.execute(
        """SELECT d.identity, d.source_id, d.origin_id, d.revision FROM document d
           JOIN origin o ON o.source_id = d.source_id AND o.entity_id = %(entity)s AND o.origin_id = d.origin_id
                        AND o.identity = d.identity
           WHERE d.tenant_id = %(tenant)s AND d.identity = ANY(%(identities)s)""",
        {**place, "identities": [one.identity for one in brought if one.identity]},
    )
    return _Firsts(place["source"], await found.fetchall())


async def _write_documents(connection: Connection, new: Sequence[_Brought], place: Row) -> None:
    """In the order of their identities: another run may be writing the same."""
    rows = [_document_row(one.origin, one.read) for one in new if one.read is not None]
    if rows:
        rows.sort(key=itemgetter("identity"))
        await connection.execute(_UPSERT_DOCUMENTS, {**place, "rows": _json(rows)})


def _document_row(origin: str, read: Identified) -> dict[str, Any]:
    document = read.document
    return {
        "identity": read.identity,
        "direction": document.direction,
        "kind": document.kind,
        "number": document.number,
        "issue_date": document.issue_date,
        "due_date": document.due_date,
        "currency": document.currency,
        "gross": document.totals.gross,
        "party": read.party,
        "party_name": document.other_party.name,
        "origin": origin,
        "revision": read.revision,
        "url": document.source_url,
    }


async def _write_origins(connection: Connection, brought: Sequence[_Brought], place: Row) -> None:
    """In the order of their ids, for the same reason."""
    rows = [_origin_row(one) for one in sorted(brought, key=attrgetter("origin"))]
    await connection.execute(_UPSERT_ORIGINS, {**place, "rows": _json(rows)})


def _origin_row(one: _Brought) -> dict[str, Any]:
    row: dict[str, Any] = {
        "origin": one.origin,
        "fingerprint": one.fingerprint,
        "identity": one.identity,
        "title": one.title,
        "issues": [issue.model_dump(mode="json") for issue in one.issues],
        "duplicate": one.duplicate,
    }
    if one.read is not None:
        row |= {
            "component": component_of(one.read.document),
            "party": one.read.party,
            "revision": one.read.revision,
            "party_revision": one.read.party_revision,
            "sort_key": sort_key(one.read.document),
        }
    return row


def _json(rows: Sequence[Row]) -> str:
    """One text for many rows: arrays of them would be made value by value."""
    return orjson.dumps(rows, default=str).decode()


_UPSERT_DOCUMENTS = """
INSERT INTO document (tenant_id, identity, entity_id, direction, kind, number, issue_date, due_date, currency, gross,
                      party_identity, party_name, source_id, origin_id, revision, source_url)
SELECT %(tenant)s, n.identity, %(entity)s, direction, kind, number, issue_date, due_date, currency, gross,
       party, party_name, %(source)s, origin, revision, url
FROM json_to_recordset(%(rows)s::json)
    AS n(identity text, direction text, kind text, number text, issue_date date, due_date date, currency text,
         gross numeric, party text, party_name text, origin text, revision text, url text)
ON CONFLICT (tenant_id, identity) DO UPDATE SET
    number = excluded.number, issue_date = excluded.issue_date, due_date = excluded.due_date,
    currency = excluded.currency, gross = excluded.gross, party_identity = excluded.party_identity,
    party_name = excluded.party_name, source_id = excluded.source_id, origin_id = excluded.origin_id,
    revision = excluded.revision, source_url = excluded.source_url,
    changed_at = CASE WHEN document.revision = excluded.revision THEN document.changed_at ELSE now() END
"""

# One that was booked under another identity keeps that identity.
_UPSERT_ORIGINS = """
INSERT INTO origin (source_id, entity_id, origin_id, fingerprint, identity, component, party_identity, revision,
                    party_revision, sort_key, title, issues, duplicate_of)
SELECT %(source)s, %(entity)s, origin, fingerprint, identity, component, party, revision, party_revision, sort_key,
       title, issues, duplicate
FROM json_to_recordset(%(rows)s::json)
    AS n(origin text, fingerprint text, identity text, component text, party text, revision text, party_revision text,
         sort_key text, title text, issues jsonb, duplicate text)
ON CONFLICT (source_id, entity_id, origin_id) DO UPDATE SET
    fingerprint = excluded.fingerprint,
    identity = CASE WHEN excluded.identity IS NULL AND excluded.issues <> '[]' AND excluded.revision IS NOT NULL
                    THEN origin.identity ELSE excluded.identity END,
    component = excluded.component, party_identity = excluded.party_identity, revision = excluded.revision,
    party_revision = excluded.party_revision, sort_key = excluded.sort_key, title = excluded.title,
    issues = excluded.issues, duplicate_of = excluded.duplicate_of, seen_at = now()
"""
