"""Signing in with a password or a one-time link, and out."""

from typing import Annotated, Final

from fastapi import Form, Request, Response

from dagboek.api.session import address_of, checked, signed_in
from dagboek.console.pages import SIGN_IN, page_router, plain_page, see
from dagboek.web.caller import Caller, drop_cookie, identified, refuse_other_origin
from dagboek.web.problems import Problem
from dagboek.web.signin import links, sessions
from dagboek.web.signin.throttle import failed, refuse_too_many
from dagboek.web.state import web_of

router = page_router()

HOME: Final = "/"


@router.get(SIGN_IN)
async def ask(request: Request, next: str = HOME) -> Response:
    """The form."""
    caller = await identified(request)
    if caller is not None and caller.person is not None:
        return see(inside(next))
    return plain_page(
        request, "sign_in.html", next=inside(next), email="", problem=None, oidc=web_of(request).oidc_title
    )


@router.post(SIGN_IN)
async def sign_in(
    request: Request,
    email: Annotated[str, Form(max_length=254)],
    password: Annotated[str, Form(max_length=1000)],
    next: Annotated[str, Form()] = HOME,
) -> Response:
    """Tries the password."""
    refuse_other_origin(request)
    web = web_of(request)
    try:
        person = await checked(web, email, password, address_of(request))
    except Problem as problem:
        values = {"next": inside(next), "email": email, "problem": problem, "oidc": web.oidc_title}
        return plain_page(request, "sign_in.html", status=problem.status_code, **values)
    response = see(inside(next))
    await signed_in(web, request, response, person)
    return response


@router.get(links.PATH + "{token}")
async def offered(request: Request, token: str) -> Response:
    """Where a link leads: a button, as programs that look at mail open links as well."""
    person = await links.person_of_link(web_of(request).core, token)
    if person is None:
        return plain_page(request, "link.html", status=410, person=None, token="")
    return plain_page(request, "link.html", person=person, token=token)


@router.post(links.PATH + "{token}")
async def used(request: Request, token: str) -> Response:
    """Uses the link up."""
    refuse_other_origin(request)
    web, address = web_of(request), address_of(request)
    await refuse_too_many(web.core, "", address)
    person = await links.use_link(web.core, token)
    if person is None:
        await failed(web.core, "", address)
        return plain_page(request, "link.html", status=410, person=None, token="")
    response = see(HOME)
    await signed_in(web, request, response, person, by="link")
    return response


@router.post("/sign-out")
async def sign_out(request: Request) -> Response:
    """Ends the session of this browser."""
    caller: Caller | None = await identified(request)
    response = see(SIGN_IN)
    if caller is not None and caller.person is not None and caller.session_id is not None:
        await sessions.end(caller.web.core, caller.session_id, caller.person.id)
        drop_cookie(caller.web, response)
    return response


def inside(address: str) -> str:
    """An address of ours, never another site's."""
    ours = address.startswith("/") and not address.startswith("//") and "\\" not in address and address.isprintable()
    return address if ours and not address.startswith(SIGN_IN) else HOME
