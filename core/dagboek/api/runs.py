"""Runs: synchronisations, with their components and details, live where somebody watches."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from dagboek_schemas.events import Counts
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component, ComponentStatus, ItemKind, ItemState, RunStatus, Trigger
from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from dagboek import connections, exchanges
from dagboek.api.fields import Shown
from dagboek.api.texts import IssueShown, Texts, Words
from dagboek.history import Detail, RunDetails, RunSummary, details_page, run_overview, runs_page
from dagboek.runs import cancel, request_all, request_run
from dagboek.status import ComponentRow
from dagboek.web.caller import Caller, Reader, Syncer
from dagboek.web.paging import Page, Paging, identifier, moment, number
from dagboek.web.paging import words as text
from dagboek.web.problems import Problem, answers
from dagboek.web.routes import api_router

router = api_router("runs")

PATIENCE: Final = 5.0
"""Seconds that a request waits for the brokers; the run is started without it."""
LOOK: Final = 1.0
"""Seconds between two looks at a run that is watched."""
ALIVE: Final = 15.0
STILL_THERE: Final = ": alive\n\n"
"""A comment of a stream of events: nothing has changed."""
LONGEST: Final = 600.0
"""Seconds after which a browser asks again, and again may or may not."""


class RunShown(BaseModel):
    """A synchronisation of a connection."""

    id: UUID
    connection_id: UUID
    entity: str
    tool: str
    administration: str
    status: RunStatus
    trigger: Trigger
    requested_by: str | None
    small: bool = Field(description="one document tried again, rather than a whole synchronisation")
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    seconds: float | None = Field(description="that it took, or takes so far")
    goes_on_at: datetime | None = Field(description="when it goes on, or is tried again; null where it does not wait")
    waits_for: IssueShown | None = Field(description="what it waits for, or what ended it")
    ended: bool
    counts: Counts


class ComponentShown(BaseModel):
    """A step of a run."""

    component: Component
    status: ComponentStatus
    counts: Counts
    issue: IssueShown | None = Field(description="what stopped it, where it alone is in error")


class RunWithComponents(RunShown):
    """A run with its steps, in the order of the work."""

    components: list[ComponentShown]


class DetailShown(BaseModel):
    """A document or party of a run that a person should know about."""

    component: Component
    kind: ItemKind
    identity: str
    title: str
    state: ItemState
    booking_number: str | None
    entry_id: str | None
    issues: list[IssueShown]
    source_url: str | None
    repeated: bool = Field(description="skipped as before, without being tried, as nothing has changed")


class StartedAll(BaseModel):
    """Synchronisations that were started."""

    started: int = Field(description="one for each connection that is ready and had none under way")


class ExchangeShown(Shown):
    """What was asked of the tool and answered, where it was no plain success. Secrets are struck out."""

    id: int
    at: datetime
    title: str | None
    method: str
    url: str
    status: int | None
    trouble: str | None
    request: str | None
    answer: str | None


@router.get("/runs")
async def list_runs(
    caller: Reader,
    words: Words,
    paged: Paging,
    connection_id: Annotated[UUID | None, Query(description="of one connection")] = None,
    open: Annotated[bool, Query(description="only those that have not ended")] = False,
) -> Page[RunShown]:
    """Runs of seven days and the latest success of each connection, newest first."""
    after = paged.after(moment, identifier)
    rows = await runs_page(
        caller.db,
        caller.tenant,
        connection_id=connection_id,
        open_only=open,
        after=(after[0], after[1]) if after else None,
        limit=paged.limit + 1,
    )
    return paged.page(rows, lambda row: RunShown(**_run(row, words)), lambda row: (row.requested_at, row.id))


@router.post("/connections/{connection_id}/runs", status_code=202, responses=answers(409))
async def start(caller: Syncer, words: Words, response: Response, connection_id: UUID) -> RunWithComponents:
    """Start a synchronisation. One of a connection at a time: 409 names the one that has not ended."""
    await connections.find(caller.db, connection_id, caller.tenant)
    run_id = await request_run(
        caller.db,
        caller.web.publisher,
        connection_id,
        Trigger.MANUAL,
        caller.who,
        person_id=caller.person_id,
        patience=PATIENCE,
    )
    await caller.note("run.start", run_id, connection=str(connection_id))
    response.headers["Location"] = f"/api/v1/runs/{run_id}"
    return with_components(await run_overview(caller.db, caller.tenant, run_id), words)


@router.post("/runs", status_code=202)
async def start_all(caller: Syncer) -> StartedAll:
    """Start a synchronisation of every connection that can; where one has not ended, that one goes on."""
    started = await request_all(
        caller.db, caller.web.publisher, caller.tenant, caller.who, person_id=caller.person_id, patience=PATIENCE
    )
    await caller.note("run.start_all", started=started)
    return StartedAll(started=started)


@router.get("/runs/{run_id}")
async def one_run(caller: Reader, words: Words, run_id: UUID) -> RunWithComponents:
    """One run with its components."""
    return with_components(await run_overview(caller.db, caller.tenant, run_id), words)


@router.post("/runs/{run_id}/cancel", status_code=202, responses=answers(409))
async def cancel_run(caller: Syncer, words: Words, run_id: UUID) -> RunWithComponents:
    """End a run: what is being sent is finished, the rest is not tried, and the next run goes on from there."""
    found = await run_overview(caller.db, caller.tenant, run_id)
    if not await cancel(caller.db, run_id, caller.tenant):
        raise Problem(409, "ended", f"The run has ended already ({found.summary.status}).")
    await caller.note("run.cancel", run_id)
    return with_components(await run_overview(caller.db, caller.tenant, run_id), words)


@router.get("/runs/{run_id}/details")
async def details(
    caller: Reader,
    words: Words,
    paged: Paging,
    run_id: UUID,
    component: Annotated[Component | None, Query()] = None,
    state: Annotated[ItemState | None, Query()] = None,
    everything: Annotated[bool, Query(description="also what went well")] = False,
) -> Page[DetailShown]:
    """What a person should know about of a run: cause and remedy of each."""
    await run_overview(caller.db, caller.tenant, run_id)
    after = paged.after(number, text, text)
    rows = await details_page(
        caller.db,
        caller.tenant,
        run_id,
        everything=everything,
        component=component,
        state=state,
        after=(after[0], after[1], after[2]) if after else None,
        limit=paged.limit + 1,
    )
    return paged.page(rows, lambda row: _detail(row, words), lambda row: (row.place, row.component, row.identity))


@router.get("/runs/{run_id}/exchanges")
async def exchanges_of_run(caller: Reader, paged: Paging, run_id: UUID) -> Page[ExchangeShown]:
    """What was asked of the tool in a run and answered, in the order of time."""
    await run_overview(caller.db, caller.tenant, run_id)
    after = paged.after(number)
    rows = await exchanges.of_run(
        caller.db, caller.tenant, run_id, after=after[0] if after else 0, limit=paged.limit + 1
    )
    return paged.page(rows, ExchangeShown.model_validate, lambda one: (one.id,))


@router.get(
    "/runs/{run_id}/events",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "server-sent events: `run` with the run as of `GET /runs/{run_id}`, at once and whenever it "
            "changes; after the one with `ended` the stream closes",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def events(caller: Reader, words: Words, request: Request, run_id: UUID) -> StreamingResponse:
    """Progress of a run, live."""
    first = await run_overview(caller.db, caller.tenant, run_id)
    return StreamingResponse(
        _live(caller, words, request, first),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _live(caller: Caller, words: Texts, request: Request, first: RunDetails) -> AsyncIterator[str]:
    async for found in watched(caller, request, first):
        shown = with_components(found, words) if found else None
        yield f"event: run\ndata: {shown.model_dump_json()}\n\n" if shown else STILL_THERE


async def watched(caller: Caller, request: Request, found: RunDetails) -> AsyncIterator[RunDetails | None]:
    """A run at once and whenever it changes, until it has ended or nobody listens; None when nothing has changed for
    a while, for the line to be kept open."""
    loop = asyncio.get_running_loop()
    begun = said = loop.time()
    last: RunDetails | None = None
    while True:
        if found != last:
            yield found
            last, said = found, loop.time()
        elif loop.time() - said > ALIVE:
            yield None
            said = loop.time()
        if found.summary.ended or loop.time() - begun > LONGEST or await request.is_disconnected():
            return
        with suppress(TimeoutError):
            await asyncio.wait_for(caller.web.stopping.wait(), LOOK)
        if caller.web.stopping.is_set():
            return
        found = await run_overview(caller.db, caller.tenant, found.summary.id)


def with_components(found: RunDetails, words: Texts) -> RunWithComponents:
    """A run with its steps, as the API tells it."""
    return RunWithComponents(
        **_run(found.summary, words), components=[_component(one, words) for one in found.components]
    )


def _run(row: RunSummary, words: Texts) -> dict[str, Any]:
    return {
        "id": row.id,
        "connection_id": row.connection_id,
        "entity": row.entity,
        "tool": row.tool,
        "administration": row.administration,
        "status": row.status,
        "trigger": row.trigger,
        "requested_by": row.requested_by,
        "small": row.small,
        "requested_at": row.requested_at,
        "started_at": row.started_at,
        "finished_at": row.finished_at,
        "seconds": row.seconds(),
        "goes_on_at": row.parked_until,
        "waits_for": words.of(row.park_issue) if row.park_issue else None,
        "ended": row.ended,
        "counts": row.counts,
    }


def _component(row: ComponentRow, words: Texts) -> ComponentShown:
    issue = words.of(Issue.model_validate(row.issue)) if row.issue else None
    return ComponentShown(component=row.component, status=row.status, counts=row.counts, issue=issue)


def _detail(row: Detail, words: Texts) -> DetailShown:
    return DetailShown(
        component=row.component,
        kind=row.kind,
        identity=row.identity,
        title=row.title,
        state=row.state,
        booking_number=row.booking_number,
        entry_id=row.entry_id,
        issues=[words.of(issue) for issue in row.issues],
        source_url=row.source_url,
        repeated=row.repeated,
    )
