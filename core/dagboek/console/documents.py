"""Documents: revenue and expenses with their booking numbers, and one document from its source to the ledger."""

from collections.abc import AsyncIterator, Sequence
from typing import Annotated, Any, Final
from urllib.parse import quote
from uuid import UUID

from dagboek_schemas.issues import Issue
from fastapi import Depends, Form, Response
from fastapi.responses import StreamingResponse

from dagboek import connections, documents, tenants
from dagboek.api import decisions
from dagboek.api.documents import Filter
from dagboek.console.pages import Deciding, Reading, Syncing, Visitor, page_router, query_of, refusal, see
from dagboek.documents import DocumentRow, Standing, Wanted
from dagboek.exchanges import of_document
from dagboek.speech import Told
from dagboek.web.paging import Paging, day, identifier, words
from dagboek.web.spreadsheet import csv_lines

router = page_router()

EXPORTED: Final = 500
"""Rows that an export reads at a time."""
Filtered = Annotated[Filter, Depends()]


@router.get("/documents")
async def listed(visitor: Reading, paged: Paging, filtered: Filtered) -> Response:
    """Documents of the tenant, newest first; where few of many are asked for, what was found so far."""
    caller = visitor.caller
    after = paged.after(day, words)
    found = await documents.part(
        caller.db,
        caller.tenant,
        filtered.wanted,
        after=(after[0], after[1]) if after else None,
        limit=paged.limit + 1,
    )
    shown = paged.page(found.rows, lambda row: (row, _told(visitor, row.issues)), lambda row: row.place, found.reached)
    return await visitor.page(
        "documents.html",
        documents=shown.items,
        next=shown.next,
        reached=found.reached[0] if found.reached else None,
        first=paged.cursor is None,
        wanted=filtered.wanted,
        query=query_of(visitor.request),
        standings=[one for one in Standing if one not in (Standing.DUPLICATE, Standing.UNREADABLE)],
        entities=await tenants.entities_page(caller.db, caller.tenant, after=None, limit=500),
    )


@router.get("/documents.csv")
async def exported(visitor: Reading, filtered: Filtered) -> StreamingResponse:
    """The same as a file for spreadsheets, whole."""
    name = visitor.speech.say("documents.file_name")
    return StreamingResponse(
        _csv(visitor, filtered.wanted),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


@router.get("/leftovers")
async def leftovers(visitor: Reading, paged: Paging) -> Response:
    """What sources hold that could not be read, or came a second time, by title."""
    after = paged.after(words, identifier, words)
    rows = await documents.leftovers(
        visitor.caller.db,
        visitor.caller.tenant,
        Wanted(),
        after=(after[0], after[1], after[2]) if after else None,
        limit=paged.limit + 1,
    )
    shown = paged.page(
        rows,
        lambda row: (row, _told(visitor, row.issues)),
        lambda row: (row.sort_title, row.source_id, row.origin_id),
    )
    return await visitor.page("leftovers.html", rows=shown.items, next=shown.next, first=paged.cursor is None)


@router.get("/documents/{identity:path}")
async def one(visitor: Reading, identity: str) -> Response:
    """One document: its story from the source to the ledger."""
    return await _one(visitor, identity)


@router.post("/retry/{identity:path}")
async def retry(visitor: Syncing, identity: str) -> Response:
    """Tries it again now: the run that does."""
    try:
        started = await decisions.retry(visitor.caller, identity)
    except Exception as error:  # of whatever kind: `refusal` tells what is one
        return await _one(visitor, identity, refused=error)
    return see(f"/runs/{started.run_ids[0]}" if started.run_ids else _address(identity))


@router.post("/mark-booked/{identity:path}")
async def mark_booked(
    visitor: Deciding,
    identity: str,
    link_version: Annotated[int, Form()],
    booking_number: Annotated[str, Form(max_length=100)] = "",
) -> Response:
    """It stands in the tool."""
    if not booking_number.strip():
        return await _one(visitor, identity, fault="documents.number_needed")
    given = decisions.FoundInTool(link_version=link_version, booking_number=booking_number.strip())
    return await _decided(visitor, identity, decisions.mark_booked(visitor.caller, visitor.texts, identity, given))


@router.post("/send-again/{identity:path}")
async def send_again(
    visitor: Deciding, identity: str, link_version: Annotated[int, Form()], looked: Annotated[str, Form()] = ""
) -> Response:
    """It does not stand there, says somebody who has looked: it is sent as a new entry. The run that does."""
    if not looked:
        return await _one(visitor, identity, fault="documents.look_first")
    given = decisions.Seen(link_version=link_version)
    try:
        sent = await decisions.send_again(visitor.caller, identity, given)
    except Exception as error:  # of whatever kind: `refusal` tells what is one
        return await _one(visitor, identity, refused=error)
    return see(f"/runs/{sent.run_id}" if sent.run_id else _address(identity))


@router.post("/reset-link/{identity:path}")
async def reset_link(
    visitor: Deciding, identity: str, link_version: Annotated[int, Form()], deleted: Annotated[str, Form()] = ""
) -> Response:
    """Its entry is forgotten: the next synchronisation books it as new."""
    if not deleted:
        return await _one(visitor, identity, fault="documents.delete_first")
    given = decisions.Seen(link_version=link_version)
    return await _decided(visitor, identity, decisions.reset_link(visitor.caller, visitor.texts, identity, given))


@router.post("/acknowledge/{identity:path}")
async def acknowledge(visitor: Deciding, identity: str) -> Response:
    """Somebody has seen to a change after booking."""
    return await _decided(visitor, identity, decisions.acknowledge(visitor.caller, identity))


async def _decided(visitor: Visitor, identity: str, decision: Any) -> Response:
    """Back to the document; with the reason where the decision cannot be taken, as when another has decided."""
    try:
        await decision
    except Exception as error:  # of whatever kind: `refusal` tells what is one
        return await _one(visitor, identity, refused=error)
    return see(_address(identity))


async def _one(visitor: Visitor, identity: str, fault: str | None = None, refused: Exception | None = None) -> Response:
    caller = visitor.caller
    row = await documents.one(caller.db, caller.tenant, identity)
    tries = await documents.attempts(caller.db, caller.tenant, identity)
    of = await _connection(visitor, row)
    return await visitor.page(
        "document.html",
        status=422 if fault else refusal(refused).status_code if refused else 200,
        row=row,
        issues=_told(visitor, row.issues, of),
        tries=[(one, _told(visitor, one.issues, of)) for one in tries],
        exchanges=await of_document(caller.db, caller.tenant, identity),
        fault=fault,
        refused=visitor.why(refused) if refused else [],
    )


async def _csv(visitor: Visitor, wanted: Wanted) -> AsyncIterator[str]:
    yield "\ufeff" + csv_lines([[visitor.speech.say(f"documents.{name}") for name in _COLUMNS]])
    caller, after = visitor.caller, None
    while True:
        found = await documents.part(caller.db, caller.tenant, wanted, after=after, limit=EXPORTED)
        if found.rows:
            yield csv_lines([_cells(visitor, row) for row in found.rows])
        after = found.rows[-1].place if len(found.rows) == EXPORTED else found.reached
        if after is None:
            return


_COLUMNS: Final = (
    "entity", "direction", "kind", "number", "party", "issue_date", "due_date", "amount", "currency", "standing",
    "booking_number", "payment", "why",
)  # fmt: skip


def _cells(visitor: Visitor, row: DocumentRow) -> list[str]:
    speech = visitor.speech
    why = "; ".join(f"{one.text.title}. {one.text.remedy}" for one in _told(visitor, row.issues))
    return [
        row.entity,
        speech.say(f"documents.direction_{row.direction}"),
        speech.say(f"documents.kind_{row.kind}"),
        row.title,
        row.party or "",
        str(row.issue_date or ""),
        str(row.due_date or ""),
        str(row.gross),
        row.currency or "",
        speech.say(f"documents.standing_{row.standing.replace(' ', '_')}"),
        row.booking_number or "",
        row.payment or "",
        why,
    ]


def _address(identity: str) -> str:
    return f"/documents/{quote(identity, safe='')}"


def _told(visitor: Visitor, issues: Sequence[Issue], of: UUID | None = None) -> list[Told]:
    return [visitor.told(issue, of) for issue in issues]


async def _connection(visitor: Visitor, row: DocumentRow) -> UUID | None:
    """The one integration that books documents of this company; None where there are several."""
    caller = visitor.caller
    found = await connections.page(caller.db, caller.tenant, entity_id=row.entity_id, limit=2)
    return found[0].id if len(found) == 1 else None
