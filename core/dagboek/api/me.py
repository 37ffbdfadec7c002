"""Who asks: rights, tenants, language, password, sessions."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Request, Response
from pydantic import BaseModel, Field

from dagboek.api.texts import Language
from dagboek.web.caller import Anyone, Caller, Somebody
from dagboek.web.problems import Problem, answers, not_found
from dagboek.web.rights import Right, Role
from dagboek.web.routes import api_router
from dagboek.web.signin import passwords, people, sessions
from dagboek.web.signin.throttle import failed, refuse_too_many
from dagboek.web.state import Web

router = api_router("me")

Password = Annotated[str, Field(max_length=passwords.LONGEST)]


class TenantOfMine(BaseModel):
    """A tenant, and what the caller is in it."""

    id: UUID
    name: str
    role: Role | None = Field(None, description="null for an API key, and for an operator who is no member")


class PersonShown(BaseModel):
    """Somebody who is signed in."""

    id: UUID
    email: str
    name: str
    language: str
    operator: bool
    emails: bool = Field(description="whether notices are mailed, too")


class Me(BaseModel):
    """Who asks."""

    who: str = Field(description="as the trail and runs name the caller")
    person: PersonShown | None = Field(None, description="null for an API key")
    tenant: TenantOfMine | None = Field(None, description="that all other calls are about")
    rights: list[Right] = Field(description="in that tenant")
    csrf_token: str | None = Field(None, description="for writes of a session, in the header X-CSRF-Token")


class TenantChoice(BaseModel):
    """The tenant to go on with."""

    tenant_id: UUID


class Profile(BaseModel):
    """What people say of themselves; what is left out stays."""

    language: Language | None = None
    emails: bool | None = Field(None, strict=True, description="whether notices are mailed, too")


class PasswordChange(BaseModel):
    """A new password."""

    old: Password | None = Field(
        None,
        description="where there is one already; not needed, once, in a session that began by a one-time link less than"
        " an hour ago",
    )
    new: Password = Field(
        description=f"{passwords.SHORTEST} to {passwords.LONGEST} characters", examples=["wind in the old chimney"]
    )


class SessionShown(BaseModel):
    """Somewhere one is signed in."""

    id: UUID
    browser: str
    created_at: datetime
    seen_at: datetime
    expires_at: datetime
    current: bool = Field(description="the one that asks")


class Sessions(BaseModel):
    """Everywhere one is signed in."""

    items: list[SessionShown]


async def me_of(caller: Caller) -> Me:
    """Who asks, as the API tells it."""
    person = caller.person
    return Me(
        who=caller.who,
        person=person
        and PersonShown(
            id=person.id,
            email=person.email,
            name=person.name,
            language=person.language,
            operator=person.operator,
            emails=await people.wants_mail(caller.web.core, person.id),
        ),
        tenant=await _tenant(caller),
        rights=sorted(caller.rights),
        csrf_token=caller.csrf or None,
    )


async def _tenant(caller: Caller) -> TenantOfMine | None:
    row = await caller.db.one("SELECT id, name FROM tenant")
    if row is None:
        return None
    role = None
    if caller.person is not None:
        found = await caller.db.one("SELECT role FROM membership WHERE person_id = %s", caller.person.id)
        role = Role(found["role"]) if found else None
    return TenantOfMine(id=row["id"], name=row["name"], role=role)


@router.get("/me")
async def who_asks(caller: Anyone) -> Me:
    """Who asks, for which tenant, with which rights."""
    return await me_of(caller)


@router.patch("/me", status_code=204)
async def change_profile(caller: Somebody, given: Profile) -> None:
    """The language that texts are shown in, and whether notices are mailed."""
    assert caller.person is not None
    if given.language is not None:
        await people.choose_language(caller.web.core, caller.person.id, given.language)
    if given.emails is not None:
        await people.choose_mail(caller.web.core, caller.person.id, given.emails)


@router.put("/me/tenant", status_code=204, responses=answers(404))
async def choose_tenant(caller: Somebody, given: TenantChoice) -> None:
    """Go on with another tenant of one's own."""
    assert caller.person is not None and caller.session_id is not None
    mine = await people.belongings(caller.web.core, caller.person.id)
    if given.tenant_id not in [one.tenant_id for one in mine]:
        known = await caller.web.core.one("SELECT 1 FROM tenant WHERE id = %s", given.tenant_id)
        if not caller.person.operator or known is None:
            raise not_found("tenant")
        await caller.within(given.tenant_id).note("operator.look")
    await sessions.look_at(caller.web.core, caller.session_id, given.tenant_id)


@router.put("/me/password", status_code=204, responses=answers(429))
async def change_password(caller: Somebody, request: Request, given: PasswordChange) -> None:
    """Choose a password; all other sessions end.

    Who forgot the old one signs in by a one-time link, and chooses another without it within an hour.
    """
    assert caller.person is not None and caller.session_id is not None
    core, person = caller.web.core, caller.person
    passwords.check(given.new, person.email)  # first, so that the link is not used up by one that is not taken
    by_link = await sessions.use_link_up(core, caller.session_id)
    if not by_link:
        await _refuse_without_old(caller.web, person, given.old, request.client.host if request.client else "")
    await people.choose_password(core, person, given.new)
    await sessions.end_others(core, person.id, caller.session_id)
    if caller.tenant_id is not None:
        await caller.note("person.password", person.id, **({"by": "link"} if by_link else {}))


async def _refuse_without_old(web: Web, person: people.Person, old: str | None, address: str) -> None:
    """Problem 422 for who has a password and does not give it, after too many tries 429."""
    row = await web.core.one("SELECT password FROM person WHERE id = %s", person.id)
    if row is None or row["password"] is None:
        return
    await refuse_too_many(web.core, person.email, address)
    if old is None:
        raise Problem(422, "old_password", "Send the old password along, or sign in by a new one-time link first.")
    if not await passwords.fits(old, row["password"]):
        await failed(web.core, person.email, address)
        raise Problem(422, "wrong_password", "The old password is another one.")


@router.get("/me/sessions")
async def my_sessions(caller: Somebody) -> Sessions:
    """Where one is signed in."""
    assert caller.person is not None
    found = await sessions.sessions_of(caller.web.core, caller.person.id)
    return Sessions(
        items=[
            SessionShown(
                id=one.id,
                browser=one.browser,
                created_at=one.created_at,
                seen_at=one.seen_at,
                expires_at=one.expires_at,
                current=one.id == caller.session_id,
            )
            for one in found
        ]
    )


@router.delete("/me/sessions/{session_id}", status_code=204)
async def end_session(caller: Somebody, session_id: UUID) -> Response:
    """Sign out there."""
    assert caller.person is not None
    if not await sessions.end(caller.web.core, session_id, caller.person.id):
        raise not_found("session")
    return Response(status_code=204)
