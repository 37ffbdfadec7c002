"""People of all tenants: who is what where, first sign-ins, and who may not sign in any more."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from dagboek_sdk import clock
from fastapi import Query, Request, Response
from pydantic import BaseModel, Field

from dagboek.api import people as members
from dagboek.api.me import TenantOfMine
from dagboek.api.operator.tenants import found
from dagboek.api.people import MemberShown, NewMember
from dagboek.installation.tenants import PersonRow, one_person, people_page
from dagboek.web.caller import Caller, Operator
from dagboek.web.paging import Page, Paging, words
from dagboek.web.problems import Problem, answers, not_found
from dagboek.web.routes import api_router
from dagboek.web.signin import links, people

router = api_router("operator")


class PersonOfTenants(BaseModel):
    """Somebody who can sign in, or could."""

    id: UUID
    email: str
    name: str
    operator: bool
    disabled: bool = Field(description="cannot sign in any more")
    has_password: bool = Field(description="without one, a one-time link is the way in")
    tenants: list[TenantOfMine]


class SignInLink(BaseModel):
    """An address that signs a person in once."""

    link: str
    expires_at: datetime


Search = Annotated[str | None, Query(max_length=200, pattern=r"^[^\x00]*$", description="part of address or name")]


@router.get("/people")
async def all_people(caller: Operator, paged: Paging, search: Search = None) -> Page[PersonOfTenants]:
    """People of all tenants, by e-mail address."""
    return await _people(caller, paged, None, search)


@router.get("/tenants/{tenant_id}/people")
async def people_of_tenant(
    caller: Operator, paged: Paging, tenant_id: UUID, search: Search = None
) -> Page[PersonOfTenants]:
    """People of one tenant."""
    await found(caller, tenant_id)
    return await _people(caller, paged, tenant_id, search)


@router.post("/tenants/{tenant_id}/people", status_code=201)
async def add_to_tenant(caller: Operator, tenant_id: UUID, given: NewMember) -> MemberShown:
    """Add somebody to a tenant, or change what they are in it."""
    await found(caller, tenant_id)
    return await members.add_member(caller.within(tenant_id), given)


@router.delete("/tenants/{tenant_id}/people/{person_id}", status_code=204, responses=answers(409))
async def remove_from_tenant(caller: Operator, tenant_id: UUID, person_id: UUID) -> Response:
    """Take somebody out of a tenant."""
    await found(caller, tenant_id)
    return await members.remove_member(caller.within(tenant_id), person_id)


@router.post("/people/{person_id}/link", status_code=201, responses=answers(409))
async def new_link(caller: Operator, request: Request, response: Response, person_id: UUID) -> SignInLink:
    """Make an address that signs the person in once, for two days. It is told this once; whoever has it can use it."""
    response.headers["Cache-Control"] = "no-store"
    person = await _person(caller, person_id)
    if person.disabled:
        raise Problem(409, "disabled", "This person cannot sign in. Let them sign in again first.")
    token = await links.make_link(caller.web.core, person_id)
    await _note(caller, person, "person.link")
    own = caller.web.settings.web_url or str(request.base_url)
    return SignInLink(link=f"{own.rstrip('/')}{links.PATH}{token}", expires_at=clock.now() + links.VALID)


@router.post("/people/{person_id}/disable", responses=answers(409))
async def disable(caller: Operator, person_id: UUID) -> PersonOfTenants:
    """Keep somebody from signing in; what they have open ends."""
    person = await _person(caller, person_id)
    if caller.person is not None and person_id == caller.person.id:
        raise Problem(409, "yourself", "You cannot keep yourself from signing in. Another operator can.")
    await people.disable(caller.web.core, person_id)
    await _note(caller, person, "person.disable")
    return _shown(await _person(caller, person_id))


@router.post("/people/{person_id}/enable")
async def enable(caller: Operator, person_id: UUID) -> PersonOfTenants:
    """Let somebody sign in again."""
    person = await _person(caller, person_id)
    await people.enable(caller.web.core, person_id)
    await _note(caller, person, "person.enable")
    return _shown(await _person(caller, person_id))


async def _people(caller: Caller, paged: Paging, tenant_id: UUID | None, search: str | None) -> Page[PersonOfTenants]:
    after = paged.after(words)
    rows = await people_page(
        caller.installation,
        tenant_id=tenant_id,
        search=search or None,
        after=after[0] if after else None,
        limit=paged.limit + 1,
    )
    return paged.page(rows, _shown, lambda row: (row.email,))


async def _person(caller: Caller, person_id: UUID) -> PersonRow:
    person = await one_person(caller.installation, person_id)
    if person is None:
        raise not_found("person")
    return person


async def _note(caller: Caller, person: PersonRow, action: str) -> None:
    """In each tenant of the person, whose administrators should know; of none, in the trail of the installation."""
    for one in person.tenants:
        await caller.within(one.tenant_id).note(action, person.email)
    if not person.tenants:
        await caller.note_apart(action, person.email)


def _shown(row: PersonRow) -> PersonOfTenants:
    return PersonOfTenants(
        id=row.id,
        email=row.email,
        name=row.name,
        operator=row.operator,
        disabled=row.disabled,
        has_password=row.has_password,
        tenants=[TenantOfMine(id=one.tenant_id, name=one.name, role=one.role) for one in row.tenants],
    )
