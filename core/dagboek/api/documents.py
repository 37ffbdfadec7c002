"""Documents: where each stands, what was tried, what stands in the ledger."""

from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID

from dagboek_schemas.documents import Direction, Kind
from fastapi import Depends, Query
from pydantic import BaseModel, Field

from dagboek import documents, exchanges
from dagboek.api.fields import Day
from dagboek.api.previews import LineShown
from dagboek.api.runs import ExchangeShown
from dagboek.api.texts import IssueShown, Texts, Words
from dagboek.documents import DocumentRow, Standing, Try, Wanted
from dagboek.web.caller import Reader
from dagboek.web.paging import Page, Paging, day, identifier
from dagboek.web.paging import words as text
from dagboek.web.routes import api_router

router = api_router("documents")


class DocumentShown(BaseModel):
    """An invoice or credit note, and where it stands."""

    identity: str = Field(description="the same over all sources and for good; names it in addresses of this API")
    entity_id: UUID
    entity: str
    direction: Direction
    kind: Kind
    number: str
    party: str | None
    issue_date: date
    due_date: date | None
    gross: Decimal
    currency: str
    standing: Standing
    booking_number: str | None
    entry_url: str | None = Field(description="the entry in the tool")
    source_url: str | None = Field(description="the document in its source")
    origin_id: str | None = Field(description="the source's own id, such as the name of a file")
    payment: str | None = Field(description="whether it is paid, as the tool says")
    link_id: int | None = Field(description="its row in the push record; null where it was never planned")
    link_version: int | None = Field(description="for decisions: that of what was seen")
    issues: list[IssueShown]


class LeftoverShown(BaseModel):
    """What a source holds that is no document of its own."""

    entity_id: UUID
    entity: str
    source_id: UUID
    origin_id: str
    title: str
    standing: Standing = Field(description="`unreadable`, or `duplicate` of a document that came before")
    identity: str | None = Field(description="of the document that it is a copy of")
    duplicate_of: str | None
    issues: list[IssueShown]


class AttemptShown(BaseModel):
    """One try to write the document into the tool."""

    link_id: int
    number: int
    incarnation: int = Field(description="1, and one more whenever it was sent again or reset")
    administration: str
    op: str = Field(description="`create` or `update`")
    run_id: UUID
    started_at: datetime
    outcome: str | None = Field(description="null while it is open; `uncertain` while nobody knows")
    outcome_at: datetime | None
    entry_id: str | None
    entry_number: str | None
    series_number: int | None = Field(description="that we chose, where the tool wants it")
    journal: str | None
    lines: list[LineShown]
    issues: list[IssueShown]
    notes: list[str] = Field(description="what people decided")


class Attempts(BaseModel):
    """All tries, newest first."""

    items: list[AttemptShown]


class Exchanges(BaseModel):
    """What was asked of the tool and answered, newest first."""

    items: list[ExchangeShown]


class Filter:
    """Which documents are asked for."""

    def __init__(
        self,
        entity_id: Annotated[UUID | None, Query(description="of one entity")] = None,
        direction: Annotated[Direction | None, Query(description="revenue or expenses")] = None,
        kind: Annotated[Kind | None, Query()] = None,
        standing: Annotated[Standing | None, Query()] = None,
        not_synced: Annotated[bool, Query(description="only those without an entry in the tool")] = False,
        since: Annotated[Day | None, Query(description="issued on this day or later")] = None,
        until: Annotated[Day | None, Query(description="issued on this day or before")] = None,
        search: Annotated[
            str | None,
            Query(
                max_length=100,
                pattern=r"^[^\x00]*$",
                description="beginnings of words of number or party, or a whole booking number",
            ),
        ] = None,
    ) -> None:
        self.wanted = Wanted(
            entity_id=entity_id,
            direction=direction,
            kind=kind,
            standing=standing,
            not_synced=not_synced,
            since=since,
            until=until,
            search=search.strip() if search and search.strip() else None,
        )


@router.get("/documents")
async def list_documents(
    caller: Reader, words: Words, paged: Paging, filtered: Annotated[Filter, Depends()]
) -> Page[DocumentShown]:
    """Documents of the tenant, newest first, with booking number or why there is none.

    Where few of many are asked for, a page is what was found in some seconds: it may be short or empty, and `next`
    goes on.
    """
    after = paged.after(day, text)
    found = await documents.part(
        caller.db,
        caller.tenant,
        filtered.wanted,
        after=(after[0], after[1]) if after else None,
        limit=paged.limit + 1,
    )
    return paged.page(found.rows, lambda row: shown(row, words), lambda row: row.place, found.reached)


@router.get("/leftovers")
async def list_leftovers(
    caller: Reader,
    words: Words,
    paged: Paging,
    entity_id: Annotated[UUID | None, Query(description="of one entity")] = None,
) -> Page[LeftoverShown]:
    """What sources hold that could not be read, or came a second time, by title."""
    after = paged.after(text, identifier, text)
    rows = await documents.leftovers(
        caller.db,
        caller.tenant,
        Wanted(entity_id=entity_id),
        after=(after[0], after[1], after[2]) if after else None,
        limit=paged.limit + 1,
    )
    return paged.page(
        rows, lambda row: _leftover(row, words), lambda row: (row.sort_title, row.source_id, row.origin_id)
    )


@router.get("/documents/{identity}")
async def one_document(caller: Reader, words: Words, identity: str) -> DocumentShown:
    """One of them."""
    return shown(await documents.one(caller.db, caller.tenant, identity), words)


@router.get("/documents/{identity}/attempts")
async def attempts(caller: Reader, words: Words, identity: str) -> Attempts:
    """What was tried: the booking with its journal lines, and what came of it."""
    await documents.one(caller.db, caller.tenant, identity)
    found = await documents.attempts(caller.db, caller.tenant, identity)
    return Attempts(items=[_attempt(one, words) for one in found])


@router.get("/documents/{identity}/exchanges")
async def exchanges_of_document(caller: Reader, identity: str) -> Exchanges:
    """What was asked of the tool for it and answered, where it was no plain success; of seven days."""
    await documents.one(caller.db, caller.tenant, identity)
    found = await exchanges.of_document(caller.db, caller.tenant, identity)
    return Exchanges(items=[ExchangeShown.model_validate(one) for one in found])


def shown(row: DocumentRow, words: Texts) -> DocumentShown:
    """A document, as the API tells it."""
    return DocumentShown(
        **_plain(row, "identity", "entity_id", "entity", "direction", "kind", "party", "issue_date", "due_date"),
        **_plain(row, "gross", "currency", "standing", "booking_number", "entry_url", "source_url", "origin_id"),
        **_plain(row, "payment", "link_id", "link_version"),
        number=row.title,
        issues=[words.of(issue) for issue in row.issues],
    )


def _leftover(row: DocumentRow, words: Texts) -> LeftoverShown:
    return LeftoverShown(
        **_plain(row, "entity_id", "entity", "source_id", "origin_id", "title", "standing", "identity", "duplicate_of"),
        issues=[words.of(issue) for issue in row.issues],
    )


def _attempt(one: Try, words: Texts) -> AttemptShown:
    return AttemptShown(
        **_plain(one, "link_id", "number", "incarnation", "administration", "op", "run_id", "started_at", "outcome"),
        **_plain(one, "outcome_at", "entry_id", "entry_number", "series_number"),
        journal=one.booking.journal,
        lines=[LineShown.model_validate(line) for line in one.booking.lines],
        issues=[words.of(issue) for issue in one.issues],
        notes=list(one.notes),
    )


def _plain(row: object, *names: str) -> dict[str, Any]:
    return {name: getattr(row, name) for name in names}
