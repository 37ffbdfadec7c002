"""What people decide about documents: try again, it is booked, send again, forget the entry, seen."""

from typing import Annotated
from uuid import UUID

from pydantic import BaseModel, Field

from dagboek import connections, documents, resolve
from dagboek.api.documents import DocumentShown, shown
from dagboek.api.fields import Day
from dagboek.api.runs import PATIENCE
from dagboek.api.texts import Words
from dagboek.connections import State
from dagboek.documents import DocumentRow
from dagboek.reasons import Refusal
from dagboek.web.caller import Caller, Decider, Syncer
from dagboek.web.problems import Problem, answers
from dagboek.web.routes import api_router

router = api_router("decisions")

Version = Annotated[int, Field(ge=0, lt=2**63)]
BookingNumber = Annotated[str, Field(min_length=1, max_length=100, pattern=r"^[^\x00]*\S[^\x00]*$")]


class Started(BaseModel):
    """Small runs that were started, one for each of the books that the document goes into."""

    run_ids: list[UUID]


class Seen(BaseModel):
    """A decision."""

    link_version: Version | None = Field(None, description="of what was seen: 409 where something happened since")


class FoundInTool(Seen):
    """It stands in the tool."""

    booking_number: BookingNumber


class Resent(BaseModel):
    """What sending again means."""

    run_id: UUID | None = Field(description="that sends it; null: the next synchronisation does")


class ResetFrom(BaseModel):
    """From when on links are reset."""

    since: Day = Field(description="issue date")


class WereReset(BaseModel):
    """What became of them."""

    reset: int
    left: int = Field(description="that were sent just now or are being settled: reset them later")


@router.post("/documents/{identity}/retry", status_code=202, responses=answers(409))
async def retry(caller: Syncer, identity: str) -> Started:
    """Try it again now, with its customer or supplier where that is not booked."""
    row = await documents.one(caller.db, caller.tenant, identity)
    found = await connections.page(caller.db, caller.tenant, entity_id=row.entity_id, state=State.CONNECTED, limit=200)
    if not found:
        raise Problem(409, "no_connection", "No connection books documents of this company. Connect it first.")
    started, refused = [], None
    for books in (one.administration_id for one in found if one.administration_id is not None):
        try:
            started.append(
                await resolve.retry(caller.db, caller.web.publisher, books, identity, by=caller.who, patience=PATIENCE)
            )
        except Refusal as error:  # of these books alone: what was started for others is told
            refused = error
    if refused is not None and not started:
        raise refused
    await caller.note("document.retry", identity)
    return Started(run_ids=started)


@router.post("/documents/{identity}/mark-booked", responses=answers(409))
async def mark_booked(caller: Decider, words: Words, identity: str, given: FoundInTool) -> DocumentShown:
    """It stands in the tool under this number: that is remembered, and nothing is sent."""
    row = await _in_record(caller, identity)
    await resolve.mark_as_booked(
        caller.db, caller.tenant, _link(row), given.booking_number.strip(), caller.who, seen=given.link_version
    )
    await caller.note("document.mark_booked", identity, booking_number=given.booking_number.strip())
    return shown(await documents.one(caller.db, caller.tenant, identity), words)


@router.post("/documents/{identity}/send-again", status_code=202, responses=answers(409))
async def send_again(caller: Decider, identity: str, given: Seen) -> Resent:
    """It does not stand in the tool: send it as a new entry, now. Whoever says so has looked there.

    If it does stand there, it will be booked twice.
    """
    row = await _in_record(caller, identity)
    run_id = await resolve.send_again(
        caller.db,
        caller.web.publisher,
        caller.tenant,
        _link(row),
        caller.who,
        seen=given.link_version,
        patience=PATIENCE,
    )
    await caller.note("document.send_again", identity)
    return Resent(run_id=run_id)


@router.post("/documents/{identity}/reset-link", responses=answers(409))
async def reset_link(caller: Decider, words: Words, identity: str, given: Seen) -> DocumentShown:
    """Forget its entry: the next synchronisation books it as new. Delete the entry in the tool first.

    Nothing is sent now, and nothing is removed from the tool.
    """
    row = await _in_record(caller, identity)
    await resolve.reset_link(caller.db, caller.tenant, _link(row), caller.who, seen=given.link_version)
    await caller.note("document.reset_link", identity)
    return shown(await documents.one(caller.db, caller.tenant, identity), words)


@router.post("/documents/{identity}/acknowledge", status_code=204, responses=answers(409))
async def acknowledge(caller: Decider, identity: str) -> None:
    """It was changed after it was booked, and somebody has seen to that: it is not reported again."""
    row = await _in_record(caller, identity)
    await resolve.acknowledge_change(caller.db, caller.tenant, _link(row))
    await caller.note("document.acknowledge", identity)


@router.post("/connections/{connection_id}/reset-links", responses=answers(409))
async def reset_links(caller: Decider, connection_id: UUID, given: ResetFrom) -> WereReset:
    """Forget the entries of all documents issued on this day or later: the next synchronisation books them as new.

    As after the entries were deleted in the tool, or the books were copied. Where they still stand, all of them will be
    booked twice.
    """
    row = await connections.find(caller.db, connection_id, caller.tenant)
    if row.administration_id is None:
        raise Problem(409, "connection", "No books are chosen for this connection yet.")
    done = await resolve.reset_links_from(caller.db, caller.tenant, row.administration_id, given.since, caller.who)
    await caller.note("connection.reset_links", connection_id, since=str(given.since), reset=done.reset)
    return WereReset(reset=done.reset, left=done.left)


async def _in_record(caller: Caller, identity: str) -> DocumentRow:
    return await documents.one(caller.db, caller.tenant, identity)


def _link(row: DocumentRow) -> int:
    if row.link_id is None:
        raise Problem(409, "never_planned", "No synchronisation has come to this document yet. Start one.")
    return row.link_id
