"""Integrations: each entity with its tool, where it stands, its last synchronisation, and the button."""

from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query, Response

from dagboek import connections
from dagboek.api import runs as api_runs
from dagboek.connections import ConnectionRow
from dagboek.console.pages import Reading, Syncing, page_router, see
from dagboek.history import LastRun, last_runs
from dagboek.runs import AlreadyRunning
from dagboek.web.paging import Paging, identifier, moment
from dagboek.webhooks import endpoints

router = page_router()


@dataclass(frozen=True)
class Integration:
    """A line of the list."""

    row: ConnectionRow
    title: str
    """Of the tool."""
    installed: bool
    """Whether its plugin is."""
    last: LastRun | None

    @property
    def running(self) -> bool:
        """Whether it is at work."""
        return self.last is not None and self.last.finished_at is None


@router.get("/")
async def listed(visitor: Reading, paged: Paging, search: Annotated[str, Query(max_length=200)] = "") -> Response:
    """All of the tenant."""
    caller, wanted = visitor.caller, search.strip()
    after = paged.after(moment, identifier)
    rows = await connections.page(
        caller.db,
        caller.tenant,
        search=wanted or None,
        after=(after[0], after[1]) if after else None,
        limit=paged.limit + 1,
    )
    latest = await last_runs(caller.db, [row.id for row in rows])
    shown = paged.page(
        rows,
        lambda row: Integration(
            row, visitor.tool_title(row.plugin), row.plugin in visitor.web.plugins.tools, latest.get(row.id)
        ),
        lambda row: (row.created_at, row.id),
    )
    values: dict[str, Any] = {
        "integrations": shown.items,
        "next": shown.next,
        "search": wanted,
        "first": paged.cursor is None,
        "live": any(one.running for one in shown.items),
    }
    if visitor.asked_by_htmx:
        return visitor.part("integrations_list.html", **values)
    told = visitor.may("manage") and await endpoints.any_switched_off(caller.db, caller.tenant)
    return await visitor.page("integrations.html", webhook_off=told, **values)


@router.post("/integrations/{connection_id}/sync")
async def sync(visitor: Syncing, connection_id: UUID) -> Response:
    """Starts a synchronisation; says so, and shows it, where one is under way."""
    try:
        started = await api_runs.start(visitor.caller, visitor.texts, Response(), connection_id)
    except AlreadyRunning as running:
        return see(f"/runs/{running.run_id}?told=running")
    return see(f"/runs/{started.id}")


@router.post("/integrations/sync")
async def sync_all(visitor: Syncing) -> Response:
    """Starts one of every integration that can; those that run already go on."""
    await api_runs.start_all(visitor.caller)
    return see("/")
