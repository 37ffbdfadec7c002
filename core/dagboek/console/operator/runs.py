"""Runs under way in all tenants, live: what they wait for, waking and ending them."""

from typing import Annotated, Any
from urllib.parse import urlencode
from uuid import UUID

from fastapi import Query, Response

from dagboek.api.operator import runs as of_api
from dagboek.console.pages import Operating, page_router, see
from dagboek.installation.runs import RunState, parked_by_reason, runs_by_state
from dagboek.web.paging import Paging
from dagboek.web.problems import Problem

router = page_router()


@router.get("/operator/runs")
async def listed(
    visitor: Operating,
    paged: Paging,
    state: Annotated[RunState | None, Query()] = None,
    reason: Annotated[str, Query(max_length=100)] = "",
    done: Annotated[str, Query()] = "",
) -> Response:
    """All that have not ended."""
    caller, reason = visitor.caller, reason.replace("\x00", "")
    shown = await of_api.open_runs(caller, visitor.texts, paged, state=state, reason=reason or None)
    values: dict[str, Any] = {
        "runs": shown.items,
        "next": shown.next,
        "first": paged.cursor is None,
        "state": state,
        "reason": reason,
        "query": urlencode({name: value for name, value in (("state", state), ("reason", reason)) if value}),
        "by_state": await runs_by_state(caller.installation),
        "by_reason": await parked_by_reason(caller.installation),
        "states": list(RunState),
        "live": True,
    }
    if visitor.asked_by_htmx:
        return visitor.part("operator_runs_list.html", **values)
    return await visitor.page("operator_runs.html", done=done, **values)


@router.post("/operator/runs/{run_id}/wake")
async def wake(visitor: Operating, run_id: UUID) -> Response:
    """Has it tried at once; one that does not wait goes on as it is."""
    return await _done(of_api.wake_run, visitor, run_id, "wake")


@router.post("/operator/runs/{run_id}/cancel")
async def stop(visitor: Operating, run_id: UUID) -> Response:
    """Ends it; one that has ended stays as it is."""
    return await _done(of_api.cancel_run, visitor, run_id, "cancel")


async def _done(act: Any, visitor: Operating, run_id: UUID, what: str) -> Response:
    try:
        await act(visitor.caller, run_id)
    except Problem as problem:
        if problem.status_code not in (404, 409):  # it moved on since the page was looked at
            raise
        return see("/operator/runs?done=late")
    return see(f"/operator/runs?done={what}")
