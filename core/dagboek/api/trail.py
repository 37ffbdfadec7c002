"""The trail of who did what."""

from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from dagboek.web.caller import Manager
from dagboek.web.paging import Page, Paging, number
from dagboek.web.routes import api_router
from dagboek.web.signin.trail import Deed, deeds

router = api_router("trail")


class DeedShown(BaseModel):
    """Something that somebody did."""

    id: int
    at: datetime
    who: str
    action: str = Field(description="such as `run.start` or `document.mark_booked`")
    subject: str = Field(description="id of what it was done to")
    details: dict[str, Any]


@router.get("/trail")
async def trail(caller: Manager, paged: Paging) -> Page[DeedShown]:
    """Who did what in the tenant, newest first."""
    after = paged.after(number)
    rows = await deeds(caller.db, before=after[0] if after else None, limit=paged.limit + 1)
    return paged.page(rows, deed_shown, lambda one: (one.id,))


def deed_shown(deed: Deed) -> DeedShown:
    """A line of the trail, as the API tells it."""
    return DeedShown(
        id=deed.id, at=deed.at, who=deed.who, action=deed.action, subject=deed.subject, details=deed.details
    )
