"""The bell: what one is told of, and since when it was read; and which integrations' nights one watches."""

from typing import Annotated, Any
from uuid import UUID

from fastapi import Form, Query, Response

from dagboek.api import notices as of_api
from dagboek.console.pages import Connecting, Reading, Visitor, page_router, see
from dagboek.notices import bell
from dagboek.notices.telling import Told, told
from dagboek.web.paging import Paging, identifier, moment
from dagboek.web.problems import not_found
from dagboek.web.signin import sessions
from dagboek.web.signin.people import belongings

router = page_router()

LATEST = 5
"""How many the bell lists."""


@router.get("/notices")
async def listed(visitor: Reading, paged: Paging, unread: Annotated[bool, Query()] = False) -> Response:
    """All of one's own, newest first."""
    after = paged.after(moment, identifier)
    rows = await bell.page(
        visitor.caller.db,
        _me(visitor),
        unread=unread,
        after=(after[0], after[1]) if after else None,
        limit=paged.limit + 1,
    )
    shown = paged.page(rows, lambda one: (one, _told(visitor, one)), lambda one: (one.created_at, one.id))
    return await visitor.page(
        "notices.html", notices=shown.items, next=shown.next, first=paged.cursor is None, unread=unread
    )


@router.get("/notices/latest")
async def latest(visitor: Reading) -> Response:
    """The list in the bell."""
    rows = await bell.page(visitor.caller.db, _me(visitor), limit=LATEST)
    return visitor.part("bell_latest.html", notices=[(one, _told(visitor, one)) for one in rows])


@router.get("/notices/count")
async def count(visitor: Reading) -> Response:
    """How many are not read, while one waits for the end of something."""
    return visitor.part("bell.html", bell=await bell.standing(visitor.caller.db, _me(visitor)))


@router.post("/notices/read")
async def read_all(visitor: Reading) -> Response:
    """Marks all as read."""
    await bell.read_all(visitor.caller.db, _me(visitor))
    return see("/notices")


@router.get("/notices/{notice_id}")
async def one(visitor: Reading, notice_id: UUID) -> Response:
    """What it is about, which is read by that. One of another tenant of the reader says so first."""
    found = await bell.find(visitor.caller.db, _me(visitor), notice_id)
    if found is None:
        elsewhere = await _elsewhere(visitor, notice_id)
        return await visitor.page("notice_elsewhere.html", notice_id=notice_id, other=elsewhere["name"])
    await bell.read(visitor.caller.db, _me(visitor), notice_id)
    said = _told(visitor, found)
    if said.address != visitor.request.url.path:
        return see(said.address)
    return await visitor.page("notice.html", notice=found, told=said)


@router.post("/notices/{notice_id}/tenant")
async def go_on(visitor: Reading, notice_id: UUID) -> Response:
    """Goes on with the tenant that it is of."""
    elsewhere = await _elsewhere(visitor, notice_id)
    assert visitor.caller.session_id is not None
    await sessions.look_at(visitor.web.core, visitor.caller.session_id, elsewhere["id"])
    return see(f"/notices/{notice_id}")


@router.post("/integrations/{connection_id}/night-watch")
async def watch(visitor: Connecting, connection_id: UUID, nights: Annotated[int, Form(ge=0, le=30)]) -> Response:
    """After how many failed nights one is told; 0: not at all."""
    if nights:
        await of_api.watch_nights(visitor.caller, connection_id, of_api.NightWatchChoice(nights=nights))
    else:
        await of_api.unwatch_nights(visitor.caller, connection_id)
    return see(f"/integrations/{connection_id}?tab=sync&done=night_watch")


async def _elsewhere(visitor: Visitor, notice_id: UUID) -> dict[str, Any]:
    """The tenant of a notice of the reader, where they still belong to it. Problem 404."""
    mine = await belongings(visitor.web.core, _me(visitor))
    row = await visitor.web.core.one(
        """SELECT t.id, t.name FROM notice n JOIN tenant t ON t.id = n.tenant_id
           WHERE n.id = %s AND n.person_id = %s AND t.id = ANY(%s)""",
        notice_id,
        _me(visitor),
        [belonging.tenant_id for belonging in mine],
    )
    if row is None:
        raise not_found("notice")
    return row


def _me(visitor: Visitor) -> UUID:
    assert visitor.caller.person is not None
    return visitor.caller.person.id


def _told(visitor: Visitor, notice: bell.Notice) -> Told:
    return told(notice, visitor.speech, visitor.tool_title)
