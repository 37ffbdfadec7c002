"""All tenants: how each stands, and new ones."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from dagboek_schemas.statuses import RunStatus
from fastapi import Query
from pydantic import BaseModel, Field

from dagboek.api.fields import Text
from dagboek.installation import tenants
from dagboek.tenants import add_tenant
from dagboek.web.caller import Caller, Operator
from dagboek.web.paging import Page, Paging, words
from dagboek.web.problems import not_found
from dagboek.web.routes import api_router

router = api_router("operator")


class LatestRunShown(BaseModel):
    """The latest run of a tenant."""

    id: UUID
    status: RunStatus
    at: datetime


class TenantShown(BaseModel):
    """A tenant, and how it stands."""

    id: UUID
    name: str
    created_at: datetime
    entities: int
    people: int
    connections: dict[str, int] = Field(description="by state")
    open_runs: int
    person: int = Field(description="documents and parties that need a person")
    last_run: LatestRunShown | None


class NewTenant(BaseModel):
    """A tenant to be made."""

    name: Text


@router.get("/tenants")
async def all_tenants(
    caller: Operator,
    paged: Paging,
    search: Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$")] = None,
) -> Page[TenantShown]:
    """All tenants by name."""
    after = paged.after(words)
    rows = await tenants.tenants_page(
        caller.installation, search=search or None, after=after[0] if after else None, limit=paged.limit + 1
    )
    return paged.page(rows, _shown, lambda row: (row.name,))


@router.post("/tenants", status_code=201)
async def new_tenant(caller: Operator, given: NewTenant) -> TenantShown:
    """Make a tenant. 422 where another has this name."""
    made = await add_tenant(caller.web.core, given.name)
    await caller.within(made.id).note("tenant.add", made.id, name=made.name)
    return await one_tenant(caller, made.id)


@router.get("/tenants/{tenant_id}")
async def one_tenant(caller: Operator, tenant_id: UUID) -> TenantShown:
    """One of them."""
    return _shown(await found(caller, tenant_id))


async def found(caller: Caller, tenant_id: UUID) -> tenants.TenantSummary:
    """A tenant; Problem 404."""
    row = await tenants.one_tenant(caller.installation, tenant_id)
    if row is None:
        raise not_found("tenant")
    return row


def _shown(row: tenants.TenantSummary) -> TenantShown:
    return TenantShown(
        id=row.id,
        name=row.name,
        created_at=row.created_at,
        entities=row.entities,
        people=row.people,
        connections=dict(row.connections),
        open_runs=row.open_runs,
        person=row.person,
        last_run=row.last and LatestRunShown(id=row.last.id, status=row.last.status, at=row.last.at),
    )
