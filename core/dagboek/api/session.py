"""Signing in and out."""

from typing import Annotated, Literal

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from dagboek.api.me import Me, Password, me_of
from dagboek.speech import language_of
from dagboek.web.caller import Caller, Somebody, drop_cookie, refuse_other_origin, set_cookie
from dagboek.web.problems import Problem, answers
from dagboek.web.rights import rights_of
from dagboek.web.routes import ALWAYS, ApiRoute
from dagboek.web.signin import links, passwords, people, sessions
from dagboek.web.signin.throttle import failed, forgive, refuse_too_many
from dagboek.web.state import Web, web_of

router = APIRouter(route_class=ApiRoute, tags=["session"], responses=answers(*ALWAYS))


class Credentials(BaseModel):
    """E-mail address and password."""

    email: Annotated[str, Field(max_length=254)]
    password: Password


class OneTimeLink(BaseModel):
    """The last part of a sign-in link."""

    token: Annotated[str, Field(max_length=100)]


@router.post("/session", responses=answers(413, 429))
async def sign_in(request: Request, response: Response, given: Credentials) -> Me:
    """Sign in with a password; the session is a cookie."""
    refuse_other_origin(request)
    web = web_of(request)
    person = await checked(web, given.email, given.password, address_of(request))
    return await signed_in(web, request, response, person)


@router.post("/session/link", responses=answers(413, 429))
async def sign_in_by_link(request: Request, response: Response, given: OneTimeLink) -> Me:
    """Sign in with a one-time link, which is used up by it."""
    refuse_other_origin(request)
    web = web_of(request)
    await refuse_too_many(web.core, "", address_of(request))
    person = await links.use_link(web.core, given.token)
    if person is None:
        await failed(web.core, "", address_of(request))
        raise Problem(401, "link_used", "This link was used already, or has expired. Ask for a new one.")
    return await signed_in(web, request, response, person, by="link")


@router.delete("/session", status_code=204)
async def sign_out(caller: Somebody) -> Response:
    """Sign out here."""
    assert caller.person is not None and caller.session_id is not None
    await sessions.end(caller.web.core, caller.session_id, caller.person.id)
    response = Response(status_code=204)
    drop_cookie(caller.web, response)
    return response


async def checked(web: Web, email: str, password: str, address: str) -> people.Person:
    """The person with this password. Problem 401, after too many tries 429."""
    await refuse_too_many(web.core, email, address)
    row = await web.core.one(
        """SELECT id, email, name, language, operator, password FROM person
           WHERE email = %s AND disabled_at IS NULL""",
        email.strip().lower().replace("\x00", ""),
    )
    if not await passwords.fits(password, row["password"] if row else None) or row is None:
        await failed(web.core, email, address)
        raise Problem(401, "wrong_credentials", "E-mail address and password do not fit.")
    await forgive(web.core, email)
    return people.Person(row["id"], row["email"], row["name"], row["language"], row["operator"])


async def signed_in(
    web: Web, request: Request, response: Response, person: people.Person, by: Literal["link", "oidc"] | None = None
) -> Me:
    """Begins a session for the browser that asks. `by`: what the person showed, where that is no password."""
    if asked := request.headers.get("Accept-Language"):
        await people.suppose_language(web.core, person.id, language_of(asked))
    token = await sessions.begin(web.core, person, request.headers.get("User-Agent", ""), by_link=by == "link")
    set_cookie(web, response, token)
    response.headers["Cache-Control"] = "no-store"
    session = await sessions.session_of(web.core, token)
    assert session is not None
    caller = Caller(
        web=web,
        who=person.email,
        tenant_id=session.tenant_id,
        rights=rights_of(session.role, operator=person.operator),
        language=session.person.language,
        person=session.person,
        session_id=session.id,
        time_zone=session.time_zone,
        token=token,
    )
    if caller.tenant_id is not None:
        await caller.note("session.begin", session.id, **({"by": by} if by else {}))
    return await me_of(caller)


def address_of(request: Request) -> str:
    """Where a request comes from, as far as it can be told."""
    return request.client.host if request.client else ""
