"""Who makes a request, and what they may: by session cookie or API key. `needs` is how routes ask for a right."""

import hmac
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Annotated, Any, Final, Self
from urllib.parse import urlsplit
from uuid import UUID

from fastapi import Depends, Request, Response

from dagboek.web.problems import Problem
from dagboek.web.rights import Right, rights_of
from dagboek.web.signin import keys, sessions, trail
from dagboek.web.signin.people import Person
from dagboek.web.signin.tokens import csrf_of
from dagboek.web.state import Web, web_of
from dagboek.web.tenancy import InstallationDatabase, TenantDatabase

COOKIE: Final = "dagboek"
SECURE_COOKIE: Final = "__Host-dagboek"
"""Where the console is reached by https."""
CSRF_HEADER: Final = "X-CSRF-Token"
SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})


@dataclass(frozen=True)
class Caller:
    """Who makes a request, for which tenant."""

    web: Web
    who: str
    """For the trail and as starter of runs: an e-mail address, or the name of a key."""
    tenant_id: UUID | None
    rights: frozenset[Right]
    language: str = "en"
    person: Person | None = None
    session_id: UUID | None = None
    token: str | None = None
    """Of the session."""
    key_id: UUID | None = None
    time_zone: str | None = None
    """Of the tenant; None where it has chosen none."""

    @cached_property
    def db(self) -> TenantDatabase:
        """The database as the caller's tenant sees it."""
        return self.web.requests.of(self.tenant_id)

    @cached_property
    def installation(self) -> InstallationDatabase:
        """The whole database, to be read alone; Problem 403 for anybody but an operator."""
        self._refuse_all_but_operators()
        return InstallationDatabase(self.web.core)

    def within(self, tenant_id: UUID) -> Self:
        """The operator as a caller of this tenant: what is done then is done, and noted, there alone."""
        self._refuse_all_but_operators()
        return replace(self, tenant_id=tenant_id)

    def _refuse_all_but_operators(self) -> None:
        if Right.OPERATE not in self.rights:
            raise no_right(Right.OPERATE, self.who)

    @property
    def tenant(self) -> UUID:
        """The caller's tenant; routes that need a right have one."""
        assert self.tenant_id is not None
        return self.tenant_id

    @property
    def person_id(self) -> UUID | None:
        """Who asks, where that is a person and no program."""
        return self.person.id if self.person else None

    @property
    def csrf(self) -> str:
        """What forms and scripts of the console send along; empty for API keys, which need none."""
        return csrf_of(self.token) if self.token else ""

    async def note(self, action: str, subject: object = "", **details: Any) -> None:
        """Writes into the trail that the caller did it."""
        await trail.note(self.db, self.tenant, self.who, action, subject, **details)

    async def note_apart(self, action: str, subject: object = "", **details: Any) -> None:
        """The same for what an operator does for no tenant."""
        self._refuse_all_but_operators()
        await trail.note(self.web.core, None, self.who, action, subject, **details)


async def identified(request: Request) -> Caller | None:
    """Who makes the request; None for nobody. Problem 401 for a key or 403 for a CSRF token that is wrong."""
    if not hasattr(request.state, "caller"):
        request.state.caller = await _identified(request)
    found: Caller | None = request.state.caller
    return found


async def _identified(request: Request) -> Caller | None:
    web = web_of(request)
    if (authorization := request.headers.get("Authorization")) is not None:
        return await _of_key(web, authorization)
    token = request.cookies.get(cookie_name(web))
    session = await sessions.session_of(web.core, token) if token else None
    if session is None:
        return None
    if request.method not in SAFE:
        await _refuse_forged(request, csrf_of(token or ""))
    return Caller(
        web=web,
        who=session.person.email,
        tenant_id=session.tenant_id,
        rights=rights_of(session.role, operator=session.person.operator),
        language=session.person.language,
        person=session.person,
        session_id=session.id,
        time_zone=session.time_zone,
        token=token,
    )


async def _of_key(web: Web, authorization: str) -> Caller:
    scheme, _, secret = authorization.partition(" ")
    key = await keys.key_of(web.core, secret.strip()) if scheme.lower() == "bearer" else None
    if key is None:
        raise unauthorized("The API key is not valid: it was revoked, has expired, or was mistyped.")
    return Caller(web=web, who=f"key {key.name}", tenant_id=key.tenant_id, rights=frozenset(key.scopes), key_id=key.id)


async def _refuse_forged(request: Request, expected: str) -> None:
    """Problem 403 for a write that another site may have had the browser send."""
    refuse_other_origin(request)
    given = request.headers.get(CSRF_HEADER, "")
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if not given and kind in ("application/x-www-form-urlencoded", "multipart/form-data"):
        form = await request.form()
        given = str(form.get("csrf", ""))
    if not hmac.compare_digest(given.encode(), expected.encode()):
        raise Problem(
            403, "csrf", f"Send the session's CSRF token along, in the header {CSRF_HEADER} or the field csrf."
        )


def refuse_other_origin(request: Request) -> None:
    """Problem 403 for what a browser says comes from a page of another site."""
    origin = request.headers.get("Origin")
    if origin and urlsplit(origin).netloc.lower() != request.headers.get("Host", "").lower():
        raise Problem(403, "csrf", "The request comes from a page of another site.")


def no_right(right: Right, who: str) -> Problem:
    """Somebody is known who may not."""
    return Problem(403, "no_right", f"This needs the right {right}, which {who} does not have.")


def unauthorized(detail: str = "Sign in, or send an API key: Authorization: Bearer dgb_...") -> Problem:
    """Nobody is known."""
    return Problem(401, "not_signed_in", detail, headers={"WWW-Authenticate": "Bearer"})


def cookie_name(web: Web) -> str:
    """Name of the session's cookie."""
    return SECURE_COOKIE if web.secure else COOKIE


def set_cookie(web: Web, response: Response, token: str) -> None:
    """Has the browser keep a session."""
    response.set_cookie(
        cookie_name(web),
        token,
        max_age=sessions.DAYS * 86_400,
        path="/",
        secure=web.secure,
        httponly=True,
        samesite="lax",
    )


def drop_cookie(web: Web, response: Response) -> None:
    """Has the browser forget its session."""
    response.delete_cookie(cookie_name(web), path="/", secure=web.secure, httponly=True, samesite="lax")


async def _signed_in(request: Request) -> Caller:
    caller = await identified(request)
    if caller is None:
        raise unauthorized()
    return caller


class Needs:
    """The dependency of a route: a caller with a tenant and this right. Tests and OpenAPI read `right`.

    Operators need no tenant for what only they may.
    """

    def __init__(self, right: Right) -> None:
        self.right = right

    async def __call__(self, request: Request) -> Caller:
        """The caller; Problem 401 or 403."""
        caller = await _signed_in(request)
        if self.right not in caller.rights:
            raise no_right(self.right, caller.who)
        if caller.tenant_id is None and self.right is not Right.OPERATE:
            raise Problem(403, "no_tenant", "Choose a tenant first: PUT /api/v1/me/tenant.")
        return caller


class SignedIn:
    """The dependency of a route that anyone may use who is known, with or without a tenant."""

    right = None

    async def __call__(self, request: Request) -> Caller:
        """The caller; Problem 401."""
        return await _signed_in(request)


class SignedInPerson(SignedIn):
    """The same for people alone: what it is about belongs to a person."""

    async def __call__(self, request: Request) -> Caller:
        """The caller; Problem 401, or 403 for an API key."""
        caller = await _signed_in(request)
        if caller.person is None:
            raise Problem(403, "people_only", "An API key is no person. Sign in for this.")
        return caller


Anyone = Annotated[Caller, Depends(SignedIn())]
Somebody = Annotated[Caller, Depends(SignedInPerson())]
Reader = Annotated[Caller, Depends(Needs(Right.READ))]
Syncer = Annotated[Caller, Depends(Needs(Right.SYNC))]
Sender = Annotated[Caller, Depends(Needs(Right.SEND))]
Decider = Annotated[Caller, Depends(Needs(Right.DECIDE))]
Connector = Annotated[Caller, Depends(Needs(Right.CONNECT))]
Manager = Annotated[Caller, Depends(Needs(Right.MANAGE))]
Operator = Annotated[Caller, Depends(Needs(Right.OPERATE))]
