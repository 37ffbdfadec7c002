"""Sync history: the runs of seven days and each latest success, one run live, and what did not go through."""

from collections.abc import AsyncIterator
from typing import Annotated, Any, Final
from uuid import UUID

from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component, ItemState
from fastapi import Query, Request, Response
from fastapi.responses import StreamingResponse

from dagboek import connections
from dagboek.api.runs import STILL_THERE, watched
from dagboek.console.pages import Reading, Syncing, Visitor, page_router, query_of, see
from dagboek.history import RunDetails, booked_since, details_page, run_overview, runs_page
from dagboek.runs import cancel
from dagboek.web.paging import Paging, identifier, moment, number, words

router = page_router()

OPEN: Final = (ItemState.SKIPPED, ItemState.NEEDS_PERSON, ItemState.NOT_READY, ItemState.NOT_TRIED)
"""What a run left for later: it may be booked since, or can be tried again."""


@router.get("/runs")
async def runs(
    visitor: Reading, paged: Paging, connection_id: Annotated[UUID | None, Query(alias="integration")] = None
) -> Response:
    """All of the tenant's, or those of one integration."""
    caller = visitor.caller
    of = await connections.find(caller.db, connection_id, caller.tenant) if connection_id else None
    after = paged.after(moment, identifier)
    rows = await runs_page(
        caller.db,
        caller.tenant,
        connection_id=connection_id,
        after=(after[0], after[1]) if after else None,
        limit=paged.limit + 1,
    )
    shown = paged.page(rows, lambda row: row, lambda row: (row.requested_at, row.id))
    values: dict[str, Any] = {
        "runs": shown.items,
        "next": shown.next,
        "of": of,
        "first": paged.cursor is None,
        "live": any(not run.ended for run in shown.items),
    }
    if visitor.asked_by_htmx:
        return visitor.part("runs_list.html", **values)
    return await visitor.page("runs.html", **values)


@router.get("/runs/{run_id}")
async def one_run(
    visitor: Reading,
    paged: Paging,
    run_id: UUID,
    component: Annotated[Component | None, Query()] = None,
    state: Annotated[ItemState | None, Query()] = None,
    everything: Annotated[bool, Query()] = False,
) -> Response:
    """One run: its components, and what a person should know about."""
    caller = visitor.caller
    found = await run_overview(caller.db, caller.tenant, run_id)
    of = found.summary.connection_id
    after = paged.after(number, words, words)
    rows = await details_page(
        caller.db,
        caller.tenant,
        run_id,
        component=component,
        state=state,
        everything=everything,
        after=(after[0], after[1], after[2]) if after else None,
        limit=paged.limit + 1,
    )
    details = paged.page(
        rows,
        lambda row: (row, [visitor.told(issue, of) for issue in row.issues]),
        lambda row: (row.place, row.component, row.identity),
    )
    values: dict[str, Any] = {
        "run": found.summary,
        "components": [
            (one, visitor.told(Issue.model_validate(one.issue), of) if one.issue else None) for one in found.components
        ],
        "waits_for": visitor.told(found.park_issue, of) if found.park_issue else None,
        "details": details.items,
        "next": details.next,
        "component": component,
        "state": state,
        "everything": everything,
        "since": await booked_since(caller.db, run_id, [row.identity for row, _ in details.items]),
        "open_states": OPEN,
        "query": query_of(visitor.request),
        "live": not found.summary.ended,
        "first": paged.cursor is None,
    }
    if visitor.asked_by_htmx:
        return visitor.part("run_parts.html", **values)
    return await visitor.page("run.html", **values)


@router.get("/runs/{run_id}/live")
async def live(visitor: Reading, request: Request, run_id: UUID) -> StreamingResponse:
    """Says that a run has changed: whoever watches fetches its page's part again, as they have filtered it."""
    first = await run_overview(visitor.caller.db, visitor.caller.tenant, run_id)
    return StreamingResponse(
        _changes(visitor, request, first),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _changes(visitor: Visitor, request: Request, first: RunDetails) -> AsyncIterator[str]:
    async for found in watched(visitor.caller, request, first):
        yield f"event: changed\ndata: {found.summary.status}\n\n" if found else STILL_THERE


@router.post("/runs/{run_id}/cancel")
async def stop(visitor: Syncing, run_id: UUID) -> Response:
    """Ends a run; one that has ended already stays as it is."""
    caller = visitor.caller
    await run_overview(caller.db, caller.tenant, run_id)
    if await cancel(caller.db, run_id, caller.tenant):
        await caller.note("run.cancel", run_id)
    return see(f"/runs/{run_id}")
