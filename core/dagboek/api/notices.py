"""One's own notices: what somebody is told of by the bell, and which integrations' nights they watch."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from dagboek_schemas.statuses import Component, RunStatus
from fastapi import Query, Response
from pydantic import BaseModel, Field

from dagboek import connections
from dagboek.api.texts import Texts, Words
from dagboek.night import zone_of
from dagboek.notices import bell, nights
from dagboek.notices.telling import told
from dagboek.speech import Speech
from dagboek.web.caller import Caller, Connector, Reader, Somebody
from dagboek.web.paging import Page, Paging, identifier, moment
from dagboek.web.problems import Problem, not_found
from dagboek.web.routes import api_router

router = api_router("notices")


class CountShown(BaseModel):
    """What became of one kind of document."""

    component: Component
    synced: int
    skipped: int


class RunTold(BaseModel):
    """A run that a notice is about."""

    id: UUID
    entity: str
    tool: str
    status: RunStatus
    synced: int
    skipped: int


class NoticeShown(BaseModel):
    """Something that one is told of."""

    id: UUID
    kind: bell.Kind = Field(
        description="`runs`: what one started has ended; `nights`: an integration failed several nights in a row; "
        "`audit`: one that one asked for has ended; `webhook`: one was switched off"
    )
    title: str
    summary: str
    status: RunStatus = Field(description="the worst of what it tells")
    counts: list[CountShown] = Field(description="of all its runs together")
    runs: list[RunTold] = Field(description="at most 50, those to look at first")
    connection_id: UUID | None = Field(None, description="whose nights failed")
    audit_id: UUID | None = Field(None, description="that has ended")
    webhook_id: UUID | None = Field(None, description="that was switched off")
    created_at: datetime
    read_at: datetime | None


class ReadAll(BaseModel):
    """How many were marked as read."""

    read: int


class NightWatch(BaseModel):
    """When one is told of an integration's failed nights."""

    nights: int | None = Field(description="in a row, after which one is told; null: not at all")


class NightWatchChoice(BaseModel):
    """When one wants to be told."""

    nights: Annotated[int, Field(ge=1, le=30, description="in a row")]


@router.get("/notices")
async def my_notices(
    caller: Somebody,
    words: Words,
    paged: Paging,
    unread: Annotated[bool, Query(description="only those that were not read")] = False,
) -> Page[NoticeShown]:
    """One's own notices in the tenant that one looks at, newest first."""
    assert caller.person is not None
    after = paged.after(moment, identifier)
    rows = await bell.page(
        caller.db,
        caller.person.id,
        unread=unread,
        after=(after[0], after[1]) if after else None,
        limit=paged.limit + 1,
    )
    return paged.page(rows, lambda one: _shown(caller, words, one), lambda one: (one.created_at, one.id))


@router.post("/notices/read")
async def read_all(caller: Somebody) -> ReadAll:
    """Mark all of them as read."""
    assert caller.person is not None
    return ReadAll(read=await bell.read_all(caller.db, caller.person.id))


@router.post("/notices/{notice_id}/read", status_code=204)
async def read(caller: Somebody, notice_id: UUID) -> Response:
    """Mark one as read."""
    assert caller.person is not None
    if await bell.find(caller.db, caller.person.id, notice_id) is None:
        raise not_found("notice")
    await bell.read(caller.db, caller.person.id, notice_id)
    return Response(status_code=204)


@router.get("/connections/{connection_id}/night-watch")
async def night_watch(caller: Reader, connection_id: UUID) -> NightWatch:
    """After how many failed nights in a row one is told of a connection."""
    await connections.find(caller.db, connection_id, caller.tenant)
    if caller.person is None:
        return NightWatch(nights=None)
    return NightWatch(nights=await nights.watched_after(caller.db, connection_id, caller.person.id))


@router.put("/connections/{connection_id}/night-watch")
async def watch_nights(caller: Connector, connection_id: UUID, given: NightWatchChoice) -> NightWatch:
    """Be told by bell and mail after so many failed nights in a row."""
    person_id = await _who(caller, connection_id)
    await nights.watch(caller.db, caller.tenant, connection_id, person_id, given.nights)
    await caller.note("connection.night_watch", connection_id, nights=given.nights)
    return NightWatch(nights=given.nights)


@router.delete("/connections/{connection_id}/night-watch", status_code=204)
async def unwatch_nights(caller: Connector, connection_id: UUID) -> Response:
    """Not be told of its nights any more."""
    person_id = await _who(caller, connection_id)
    if await nights.unwatch(caller.db, connection_id, person_id):
        await caller.note("connection.night_watch", connection_id, nights=0)
    return Response(status_code=204)


async def _who(caller: Caller, connection_id: UUID) -> UUID:
    await connections.find(caller.db, connection_id, caller.tenant)
    if caller.person is None:
        raise Problem(403, "people_only", "An API key is no person. Sign in for this.")
    return caller.person.id


def _shown(caller: Caller, words: Texts, notice: bell.Notice) -> NoticeShown:
    speech = Speech(words.language, zone_of(caller.time_zone or caller.web.settings.time_zone))
    said, facts = told(notice, speech, caller.web.plugins.tool_title), notice.facts
    counts: Mapping[str, Mapping[str, int]] = facts.get("components", {})
    runs: list[dict[str, Any]] = facts.get("runs", [])
    return NoticeShown(
        id=notice.id,
        kind=notice.kind,
        title=said.title,
        summary=said.summary,
        status=said.status,
        counts=[CountShown(component=one, **counts[one]) for one in Component if one in counts],
        runs=[RunTold.model_validate(one) for one in runs],
        connection_id=facts.get("connection"),
        audit_id=facts.get("audit"),
        webhook_id=facts.get("webhook"),
        created_at=notice.created_at,
        read_at=notice.read_at,
    )
