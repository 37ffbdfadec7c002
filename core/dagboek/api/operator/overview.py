"""The installation at a glance, connections of all tenants, and who did what in them."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel, Field

from dagboek.api.trail import DeedShown, deed_shown
from dagboek.connections import State
from dagboek.installation import connections
from dagboek.installation.overview import overview
from dagboek.web.caller import Operator
from dagboek.web.paging import Page, Paging, identifier, moment, number
from dagboek.web.routes import api_router
from dagboek.web.signin.trail import TenantDeed, all_deeds

router = api_router("operator")


class OverviewShown(BaseModel):
    """Counts over all tenants."""

    tenants: int
    connections: dict[str, int] = Field(description="by state")
    not_installed: dict[str, int] = Field(description="connections whose plugin is not installed, by plugin")
    runs: dict[str, int] = Field(description="that have not ended, by state")
    parked: dict[str, int] = Field(description="by what they wait for")
    person: int = Field(description="documents and parties that need a person")
    overdue: int = Field(description="nightly runs that are more than an hour overdue")
    core_seen_at: datetime | None = Field(description="when a core process wrote last; it does every few seconds")


class ConnectionOfTenant(BaseModel):
    """A connection of some tenant."""

    id: UUID
    tenant_id: UUID
    tenant: str
    entity: str
    plugin: str
    installed: bool = Field(description="whether its plugin is")
    administration: str = Field(description="empty while none is chosen")
    state: State
    automatic: bool
    next_run_at: datetime | None
    created_at: datetime


class DeedOfTenant(DeedShown):
    """Something that somebody did, and in which tenant."""

    tenant_id: UUID | None = Field(description="null for what was done for none")
    tenant: str


@router.get("/overview")
async def at_a_glance(caller: Operator) -> OverviewShown:
    """Tenants, connections and runs in numbers."""
    found = await overview(caller.installation, caller.web.plugins.tools)
    return OverviewShown(
        tenants=found.tenants,
        connections=dict(found.connections),
        not_installed=dict(found.not_installed),
        runs=dict(found.runs),
        parked=dict(found.parked),
        person=found.person,
        overdue=found.overdue,
        core_seen_at=found.core_seen_at,
    )


@router.get("/connections")
async def all_connections(
    caller: Operator,
    paged: Paging,
    tenant_id: Annotated[UUID | None, Query(description="of one tenant")] = None,
    plugin: Annotated[str | None, Query(max_length=100, pattern=r"^[^\x00]*$")] = None,
    state: Annotated[State | None, Query()] = None,
    not_installed: Annotated[bool, Query(description="only those whose plugin is not installed")] = False,
) -> Page[ConnectionOfTenant]:
    """Connections of all tenants, oldest first."""
    after = paged.after(moment, identifier)
    tools = caller.web.plugins.tools
    rows = await connections.connections_page(
        caller.installation,
        tenant_id=tenant_id,
        plugin=plugin,
        state=state,
        besides=tools if not_installed else None,
        after=(after[0], after[1]) if after else None,
        limit=paged.limit + 1,
    )
    return paged.page(
        rows,
        lambda row: ConnectionOfTenant(
            id=row.id,
            tenant_id=row.tenant_id,
            tenant=row.tenant,
            entity=row.entity,
            plugin=row.plugin,
            installed=row.plugin in tools,
            administration=row.administration,
            state=row.state,
            automatic=row.automatic,
            next_run_at=row.next_run_at,
            created_at=row.created_at,
        ),
        lambda row: (row.created_at, row.id),
    )


@router.get("/trail")
async def whole_trail(caller: Operator, paged: Paging) -> Page[DeedOfTenant]:
    """Who did what in all tenants and in the installation, newest first."""
    after = paged.after(number)
    rows = await all_deeds(caller.installation, before=after[0] if after else None, limit=paged.limit + 1)
    return paged.page(rows, _deed, lambda one: (one.deed.id,))


def _deed(one: TenantDeed) -> DeedOfTenant:
    return DeedOfTenant(**deed_shown(one.deed).model_dump(), tenant_id=one.tenant_id, tenant=one.tenant)
