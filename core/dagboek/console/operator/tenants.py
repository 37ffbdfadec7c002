"""All tenants, and one of them: its connections, its runs under way, its people."""

from typing import Annotated
from uuid import UUID

from fastapi import Form, Query, Request, Response

from dagboek.api.operator import overview, people, runs
from dagboek.api.operator import tenants as of_api
from dagboek.api.people import NewMember
from dagboek.console.operator.people import why
from dagboek.console.pages import Operating, Visitor, page_router, see
from dagboek.web.paging import Paged, Paging
from dagboek.web.rights import Role

router = page_router()

SHOWN = 100
"""Connections and people of a tenant that its page shows; the rest is on pages of their own."""


@router.get("/operator/tenants")
async def listed(visitor: Operating, paged: Paging, search: Annotated[str, Query(max_length=200)] = "") -> Response:
    """All of them, by name."""
    return await _page(visitor, paged, search)


@router.post("/operator/tenants")
async def add(visitor: Operating, name: Annotated[str, Form(max_length=200)] = "") -> Response:
    """A new one."""
    try:
        made = await of_api.new_tenant(visitor.caller, of_api.NewTenant(name=name.strip()))
    except Exception as error:
        return await _page(visitor, Paged(50), "", fault=why(visitor, error), name=name)
    return see(f"/operator/tenants/{made.id}")


@router.get("/operator/tenants/{tenant_id}")
async def one(visitor: Operating, tenant_id: UUID) -> Response:
    """One of them."""
    return await _one(visitor, tenant_id)


@router.post("/operator/tenants/{tenant_id}/people")
async def add_person(
    visitor: Operating,
    tenant_id: UUID,
    email: Annotated[str, Form(max_length=254)],
    role: Annotated[Role, Form()],
    name: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Adds somebody, or changes what they are."""
    try:
        given = NewMember(email=email.strip(), name=name.strip(), role=role)
        await people.add_to_tenant(visitor.caller, tenant_id, given)
    except Exception as error:
        return await _one(visitor, tenant_id, fault=why(visitor, error))
    return see(f"/operator/tenants/{tenant_id}#people")


@router.post("/operator/tenants/{tenant_id}/people/{person_id}/remove")
async def remove_person(visitor: Operating, tenant_id: UUID, person_id: UUID) -> Response:
    """Takes somebody out of it."""
    try:
        await people.remove_from_tenant(visitor.caller, tenant_id, person_id)
    except Exception as error:
        return await _one(visitor, tenant_id, fault=why(visitor, error))
    return see(f"/operator/tenants/{tenant_id}#people")


@router.post("/operator/tenants/{tenant_id}/people/{person_id}/link")
async def link(visitor: Operating, request: Request, tenant_id: UUID, person_id: UUID) -> Response:
    """An address that signs them in once, which is shown this once."""
    try:
        made = await people.new_link(visitor.caller, request, Response(), person_id)
    except Exception as error:
        return await _one(visitor, tenant_id, fault=why(visitor, error))
    return await _one(visitor, tenant_id, made=made)


async def _page(visitor: Visitor, paged: Paged, search: str, fault: str = "", name: str = "") -> Response:
    wanted = search.strip().replace("\x00", "")
    shown = await of_api.all_tenants(visitor.caller, paged, wanted or None)
    return await visitor.page(
        "operator_tenants.html",
        status=422 if fault else 200,
        found=shown.items,
        next=shown.next,
        first=paged.cursor is None,
        search=wanted,
        fault=fault,
        name=name,
        longest=200,
    )


async def _one(visitor: Visitor, tenant_id: UUID, fault: str = "", made: people.SignInLink | None = None) -> Response:
    caller = visitor.caller
    found = await of_api.one_tenant(caller, tenant_id)
    connections = await overview.all_connections(caller, Paged(SHOWN), tenant_id=tenant_id)
    members = await people.people_of_tenant(caller, Paged(SHOWN), tenant_id)
    under_way = await runs.open_runs(caller, visitor.texts, Paged(20), tenant_id=tenant_id)
    return await visitor.page(
        "operator_tenant.html",
        status=422 if fault else 200,
        of=found,
        connections=connections.items,
        more_connections=connections.next is not None,
        people=members.items,
        more_people=members.next is not None,
        runs=under_way.items,
        roles=list(Role),
        fault=fault,
        made=made,
    )
