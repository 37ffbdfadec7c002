"""Runs under way in all tenants: what they wait for, waking and ending them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from dagboek_schemas.statuses import RunStatus, Trigger
from fastapi import Query, Response
from pydantic import BaseModel, Field

from dagboek.api.texts import IssueShown, Texts, Words
from dagboek.installation import runs
from dagboek.installation.runs import RunState
from dagboek.runs import cancel, wake
from dagboek.web.caller import Caller, Operator
from dagboek.web.paging import Page, Paging, identifier, moment
from dagboek.web.problems import Problem, answers, not_found
from dagboek.web.routes import api_router

router = api_router("operator")


class OpenRunShown(BaseModel):
    """A run that has not ended."""

    id: UUID
    tenant_id: UUID
    tenant: str
    connection_id: UUID
    entity: str
    tool: str
    administration: str
    state: RunState
    status: RunStatus = Field(description="as the tenant sees it")
    trigger: Trigger
    requested_by: str | None
    small: bool
    requested_at: datetime
    started_at: datetime | None
    moved_at: datetime = Field(description="when something of it was done last")
    generation: int = Field(description="how often it was begun, with the first")
    parked_until: datetime | None
    park_reason: str | None = Field(description="what it waits for: limit, tool_unavailable, circuit, settling ...")
    waits_for: IssueShown | None
    left: int = Field(description=f"items without an outcome, up to {runs.COUNTED}")


@router.get("/runs")
async def open_runs(
    caller: Operator,
    words: Words,
    paged: Paging,
    state: Annotated[RunState | None, Query()] = None,
    reason: Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00]*$", description="of parked runs")] = None,
    tenant_id: Annotated[UUID | None, Query(description="of one tenant")] = None,
) -> Page[OpenRunShown]:
    """Runs of all tenants that have not ended, newest first."""
    after = paged.after(moment, identifier)
    rows = await runs.open_runs(
        caller.installation,
        state=state,
        reason=reason or None,
        tenant_id=tenant_id,
        after=(after[0], after[1]) if after else None,
        limit=paged.limit + 1,
    )
    return paged.page(rows, lambda row: _shown(row, words), lambda row: (row.requested_at, row.id))


@router.post("/runs/{run_id}/wake", status_code=204, responses=answers(409))
async def wake_run(caller: Operator, run_id: UUID) -> Response:
    """Have a parked run tried at once. What it waits for may not be there yet: then it is parked again."""
    run = await _open(caller, run_id)
    within = caller.within(run.tenant_id)
    if not await wake(within.db, run_id, run.tenant_id):
        raise Problem(409, "not_parked", "The run does not wait: it is not parked.")
    await within.note("run.wake", run_id, reason=run.park_reason or "")
    return Response(status_code=204)


@router.post("/runs/{run_id}/cancel", status_code=204, responses=answers(409))
async def cancel_run(caller: Operator, run_id: UUID) -> Response:
    """End a run: what is being sent is finished, the rest is not tried, and the next run goes on from there."""
    run = await _open(caller, run_id)
    within = caller.within(run.tenant_id)
    if not await cancel(within.db, run_id, run.tenant_id):
        raise Problem(409, "ended", "The run has ended already, or is about to.")
    await within.note("run.cancel", run_id)
    return Response(status_code=204)


async def _open(caller: Caller, run_id: UUID) -> runs.OpenRun:
    run = await runs.open_run(caller.installation, run_id)
    if run is None:
        raise not_found("run under way")
    return run


def _shown(row: runs.OpenRun, words: Texts) -> OpenRunShown:
    return OpenRunShown(
        id=row.id,
        tenant_id=row.tenant_id,
        tenant=row.tenant,
        connection_id=row.connection_id,
        entity=row.entity,
        tool=row.tool,
        administration=row.administration,
        state=row.state,
        status=row.status,
        trigger=row.trigger,
        requested_by=row.requested_by,
        small=row.small,
        requested_at=row.requested_at,
        started_at=row.started_at,
        moved_at=row.moved_at,
        generation=row.generation,
        parked_until=row.parked_until,
        park_reason=row.park_reason,
        waits_for=words.of(row.park_issue) if row.park_issue else None,
        left=row.left,
    )
