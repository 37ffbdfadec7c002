"""People of a tenant, and what they may do in it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, Field

from dagboek.notices import outbox
from dagboek.web.caller import Caller, Manager
from dagboek.web.paging import Page, Paging, words
from dagboek.web.problems import Problem, answers, not_found
from dagboek.web.rights import Role
from dagboek.web.routes import api_router
from dagboek.web.signin import people

router = api_router("people")


class MemberShown(BaseModel):
    """A person of the tenant."""

    person_id: UUID
    email: str
    name: str
    role: Role
    since: datetime
    disabled: bool = Field(description="cannot sign in any more")
    invitation: outbox.State | None = Field(
        None, description="what became of the last mail with a sign-in link, where there was one lately"
    )


class NewMember(BaseModel):
    """Somebody to be added. They sign in by a one-time link first, which is mailed to their address alone."""

    email: Annotated[str, Field(max_length=254, json_schema_extra={"format": "email"})]
    name: Annotated[str, Field(max_length=200, pattern=r"^[^\x00]*$")] = ""
    role: Role


class NewRole(BaseModel):
    """What somebody is from now on."""

    role: Role


@router.get("/people")
async def members(caller: Manager, paged: Paging) -> Page[MemberShown]:
    """People of the tenant, by e-mail address."""
    after = paged.after(words)
    rows = await people.members(caller.db, after=(after[0],) if after else None, limit=paged.limit + 1)
    invited = await outbox.invitations(caller.db, [row.person_id for row in rows])
    return paged.page(rows, lambda one: _shown(one, invited), lambda one: (one.email,))


@router.post("/people", status_code=201)
async def add_member(caller: Manager, given: NewMember) -> MemberShown:
    """Add somebody, or change what they are.

    Who is new in the tenant gets a mail, with a link that signs them in where they have no password yet. Where this
    installation sends no mail, an operator makes the link.
    """
    # The address is not shown to be ours: whoever owns it may be of other tenants, too.
    row = await caller.web.core.one("SELECT id FROM person WHERE email = %s", people.checked_email(given.email))
    if row is None:
        person = await people.ensure_person(caller.web.core, given.email, given.name)
        person_id = person.id
        await people.suppose_language(caller.web.core, person_id, caller.language)
    else:
        person_id = row["id"]
        await _keep_an_admin(caller, person_id, given.role)
    is_new = await people.member(caller.db, person_id) is None
    await people.set_role(caller.db, caller.tenant, person_id, given.role)
    await caller.note("member.role", people.checked_email(given.email), role=given.role)
    if is_new and caller.web.sends_mail:
        await outbox.invite(caller.db, caller.tenant, person_id, caller.who)
    return await _with_invitation(caller, await _member(caller, person_id))


@router.post("/people/{person_id}/link", status_code=202, responses=answers(409))
async def send_link(caller: Manager, person_id: UUID) -> MemberShown:
    """Mail somebody a link that signs them in once, for who has no password or forgot it. Nobody else sees it."""
    member = await _member(caller, person_id)
    if not caller.web.sends_mail:
        raise Problem(409, "no_mail", "This installation sends no mail. An operator makes links: dagboek user link.")
    if member.disabled:
        raise Problem(409, "disabled", "This person cannot sign in any more.")
    if not await outbox.invite(caller.db, caller.tenant, person_id, caller.who, "link"):
        raise Problem(409, "just_mailed", "A mail was on its way a moment ago. Wait ten minutes before the next one.")
    await caller.note("member.link", member.email)
    return await _with_invitation(caller, member)


@router.put("/people/{person_id}/role", responses=answers(409))
async def change_role(caller: Manager, person_id: UUID, given: NewRole) -> MemberShown:
    """Change what somebody is in the tenant."""
    member = await _member(caller, person_id)
    await _keep_an_admin(caller, person_id, given.role)
    await people.set_role(caller.db, caller.tenant, person_id, given.role)
    await caller.note("member.role", member.email, role=given.role)
    return await _with_invitation(caller, await _member(caller, person_id))


@router.delete("/people/{person_id}", status_code=204, responses=answers(409))
async def remove_member(caller: Manager, person_id: UUID) -> Response:
    """Take somebody out of the tenant."""
    member = await _member(caller, person_id)
    await _keep_an_admin(caller, person_id, None)
    await people.remove_member(caller.db, caller.tenant, person_id)
    await caller.note("member.remove", member.email)
    return Response(status_code=204)


async def _member(caller: Caller, person_id: UUID) -> people.Member:
    found = await people.member(caller.db, person_id)
    if found is None:
        raise not_found("person")
    return found


async def _keep_an_admin(caller: Caller, person_id: UUID, role: Role | None) -> None:
    """Problem 409 where nobody could manage the tenant any more."""
    before = await people.member(caller.db, person_id)
    if before is None or before.disabled or before.role is not Role.ADMIN or role is Role.ADMIN:
        return
    if await people.admins(caller.db, caller.tenant) <= 1:
        raise Problem(409, "last_admin", "This is the last admin of the tenant. Make somebody else one first.")


async def _with_invitation(caller: Caller, member: people.Member) -> MemberShown:
    return _shown(member, await outbox.invitations(caller.db, [member.person_id]))


def _shown(member: people.Member, invited: Mapping[UUID, outbox.State]) -> MemberShown:
    return MemberShown(
        person_id=member.person_id,
        email=member.email,
        name=member.name,
        role=member.role,
        since=member.since,
        disabled=member.disabled,
        invitation=invited.get(member.person_id),
    )
