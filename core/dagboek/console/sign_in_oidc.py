"""Signing in at the OpenID provider of the installation: there, and back with its answer."""

from typing import Annotated, Final

import structlog
from dagboek_sdk import clock
from fastapi import Query, Request, Response

from dagboek.api.session import address_of, signed_in
from dagboek.console.pages import SIGN_IN, page_router, plain_page, see
from dagboek.console.sign_in import HOME, inside
from dagboek.tenants import Unusable
from dagboek.vault import VaultError
from dagboek.web.problems import Problem
from dagboek.web.signin import people
from dagboek.web.signin.oidc import Asked, Known, OidcError, Provider
from dagboek.web.signin.people import Person
from dagboek.web.signin.throttle import failed, refuse_too_many
from dagboek.web.state import Web, web_of

log = structlog.get_logger()

router = page_router()

PATH: Final = f"{SIGN_IN}/oidc"
ANSWER: Final = f"{PATH}/answer"
"""What the provider has to know as address to come back to."""
WAITS: Final = "dagboek-oidc"
"""The cookie of who is at the provider: an answer without it is to nobody's question."""
LASTS: Final = 600
"""Seconds that somebody may be away."""


@router.get(PATH)
async def leave(request: Request, next: Annotated[str, Query(max_length=2000)] = HOME) -> Response:
    """To the provider."""
    web, provider = web_of(request), _provider(request)
    asked = Asked.new(inside(next))
    try:
        await refuse_too_many(web.core, "", address_of(request))
        response = see(await provider.address(asked, _back(request)))
    except (OidcError, Problem) as refused:
        return _refused(request, refused)
    ticket = web.vault.encrypt(asked.model_dump()).decode()
    response.set_cookie(WAITS, ticket, max_age=LASTS, path=PATH, secure=web.secure, httponly=True, samesite="lax")
    return response


@router.get(ANSWER)
async def answered(
    request: Request,
    state: Annotated[str, Query(max_length=200)] = "",
    code: Annotated[str, Query(max_length=4000)] = "",
    error: Annotated[str, Query(max_length=200)] = "",
) -> Response:
    """Back from the provider."""
    web, provider = web_of(request), _provider(request)
    try:
        await refuse_too_many(web.core, "", address_of(request))
        asked = _open_question(web, request.cookies.get(WAITS, ""), state)
        if error or not code:
            raise OidcError("oidc_denied", "the provider signed nobody in")
        known = await provider.who(asked, code, _back(request))
        person = await _person(web, known)
    except (OidcError, Problem) as refused:
        if isinstance(refused, OidcError) and refused.code != "oidc_away":
            await failed(web.core, "", address_of(request))
        return _refused(request, refused)
    response = see(asked.next)
    response.delete_cookie(WAITS, path=PATH, secure=web.secure, httponly=True, samesite="lax")
    await signed_in(web, request, response, person, by="oidc")
    return response


async def _person(web: Web, known: Known) -> Person:
    """Whom the provider means: as before; at the first time, whose its verified address is. OidcError."""
    person = await people.person_of_login(web.core, known.issuer, known.subject)
    found = person or await _first_time(web, known)
    if not await people.may_sign_in(web.core, found.id):
        raise OidcError("oidc_unknown", "the person was disabled")
    if person is None:
        await people.keep_login(web.core, found, known.issuer, known.subject)
        kept = await people.person_of_login(web.core, known.issuer, known.subject)
        if kept is None or kept.id != found.id:  # the address has changed hands at the provider
            raise OidcError("oidc_other", "the person is another subject of the provider")
        log.info("signin.oidc_known", person=str(found.id))
    return found


async def _first_time(web: Web, known: Known) -> Person:
    if not known.email:
        raise OidcError("oidc_unverified", "the provider has verified no e-mail address")
    try:
        return await people.find_person(web.core, known.email)
    except Unusable:
        if not web.settings.oidc_new_people:
            raise OidcError("oidc_unknown", "nobody was added with the address") from None
    try:
        return await people.ensure_person(web.core, known.email, known.name.replace("\x00", ""))
    except Unusable:
        raise OidcError("oidc_unverified", "the provider's e-mail address is none") from None


def _open_question(web: Web, ticket: str, state: str) -> Asked:
    """The question of this browser that the answer is to. OidcError."""
    try:
        asked = Asked.model_validate(web.vault.decrypt(ticket.encode()))
    except (VaultError, ValueError):
        raise OidcError("oidc_late", "there is no open question") from None
    if not asked.answered_by(state) or asked.at < clock.now().timestamp() - LASTS:
        raise OidcError("oidc_late", "the answer is to another question, or late")
    return asked


def _provider(request: Request) -> Provider:
    provider = web_of(request).oidc
    if provider is None:
        raise Problem(404, "not_found", "There is no OpenID provider.")
    return provider


def _back(request: Request) -> str:
    """Our own address; which names we answer to is looked at before (`web/headers.py`)."""
    base = web_of(request).settings.web_url or f"{request.url.scheme}://{request.url.netloc}"
    return f"{base}{ANSWER}"


def _refused(request: Request, refused: OidcError | Problem) -> Response:
    status = refused.status_code if isinstance(refused, Problem) else 503 if refused.code == "oidc_away" else 403
    log.warning("signin.oidc_refused", code=refused.code, reason=str(refused) if status != 429 else "too many tries")
    response = plain_page(
        request, "sign_in.html", status=status, next=HOME, email="", problem=refused, oidc=web_of(request).oidc_title
    )
    response.delete_cookie(WAITS, path=PATH, secure=web_of(request).secure, httponly=True, samesite="lax")
    return response
