"""Customers and suppliers of which only a person can tell whether the tool has them; their documents wait."""

from typing import Annotated

from fastapi import Path
from pydantic import BaseModel, Field

from dagboek import documents, resolve
from dagboek.api.decisions import BookingNumber, Seen
from dagboek.api.texts import IssueShown, Words
from dagboek.web.caller import Caller, Decider, Reader
from dagboek.web.problems import answers, not_found
from dagboek.web.routes import api_router

router = api_router("parties")

LinkId = Annotated[int, Path(ge=1, lt=2**63, description="of the push record")]


class PartyInDoubt(BaseModel):
    """A customer or supplier that needs a person."""

    link_id: int
    identity: str
    name: str | None
    entity: str
    issues: list[IssueShown]


class PartiesInDoubt(BaseModel):
    """All of them."""

    items: list[PartyInDoubt]


class FoundParty(Seen):
    """It stands in the tool."""

    entry_id: BookingNumber = Field(description="the tool's own id of it")


@router.get("/parties-in-doubt")
async def parties_in_doubt(caller: Reader, words: Words) -> PartiesInDoubt:
    """Customers and suppliers that need a person."""
    found = await documents.parties_in_doubt(caller.db, caller.tenant)
    return PartiesInDoubt(
        items=[
            PartyInDoubt(
                link_id=row.link_id or 0,
                identity=row.identity or "",
                name=row.party,
                entity=row.entity,
                issues=[words.of(issue) for issue in row.issues],
            )
            for row in found
        ]
    )


@router.post("/parties/{link_id}/mark-booked", status_code=204, responses=answers(409))
async def mark_booked(caller: Decider, link_id: LinkId, given: FoundParty) -> None:
    """It stands in the tool under this id: that is remembered, and nothing is sent."""
    await _require_party(caller, link_id)
    await resolve.mark_as_booked(
        caller.db, caller.tenant, link_id, given.entry_id.strip(), caller.who, seen=given.link_version
    )
    await caller.note("party.mark_booked", link_id, entry_id=given.entry_id.strip())


@router.post("/parties/{link_id}/send-again", status_code=204, responses=answers(409))
async def send_again(caller: Decider, link_id: LinkId, given: Seen) -> None:
    """It does not stand in the tool: the next synchronisation makes it there."""
    await _require_party(caller, link_id)
    await resolve.send_again(
        caller.db, caller.web.publisher, caller.tenant, link_id, caller.who, seen=given.link_version
    )
    await caller.note("party.send_again", link_id)


async def _require_party(caller: Caller, link_id: int) -> None:
    row = await caller.db.one(
        "SELECT 1 FROM link WHERE id = %s AND tenant_id = %s AND kind = 'party' AND current", link_id, caller.tenant
    )
    if row is None:
        raise not_found("customer or supplier")
