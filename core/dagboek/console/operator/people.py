"""People of all tenants: first sign-ins, and who may not sign in any more."""

from typing import Annotated
from uuid import UUID

from fastapi import Query, Request, Response

from dagboek.api.operator import people as of_api
from dagboek.console.pages import Operating, Visitor, page_router
from dagboek.web.paging import Paged, Paging

router = page_router()


@router.get("/operator/people")
async def listed(visitor: Operating, paged: Paging, search: Annotated[str, Query(max_length=200)] = "") -> Response:
    """All of them, by e-mail address."""
    return await _page(visitor, paged, search)


@router.post("/operator/people/{person_id}/link")
async def link(visitor: Operating, request: Request, person_id: UUID) -> Response:
    """An address that signs them in once, which is shown this once."""
    try:
        made = await of_api.new_link(visitor.caller, request, Response(), person_id)
    except Exception as error:
        return await _page(visitor, Paged(50), "", fault=why(visitor, error))
    return await _page(visitor, Paged(50), "", made=made)


@router.post("/operator/people/{person_id}/disable")
async def disable(visitor: Operating, person_id: UUID) -> Response:
    """Keeps them from signing in."""
    try:
        person = await of_api.disable(visitor.caller, person_id)
    except Exception as error:
        return await _page(visitor, Paged(50), "", fault=why(visitor, error))
    return await _page(visitor, Paged(50), person.email)


@router.post("/operator/people/{person_id}/enable")
async def enable(visitor: Operating, person_id: UUID) -> Response:
    """Lets them sign in again."""
    person = await of_api.enable(visitor.caller, person_id)
    return await _page(visitor, Paged(50), person.email)


def why(visitor: Visitor, error: Exception) -> str:
    """Why something could not be done, in words of the page where there are some."""
    if isinstance(error, ValueError):  # of the API's models, which take no more than a form can say
        return visitor.speech.say("people.unusable")
    return " ".join(visitor.why(error))


async def _page(
    visitor: Visitor, paged: Paged, search: str, fault: str = "", made: of_api.SignInLink | None = None
) -> Response:
    wanted = search.strip().replace("\x00", "")
    shown = await of_api.all_people(visitor.caller, paged, wanted or None)
    return await visitor.page(
        "operator_people.html",
        status=422 if fault else 200,
        people=shown.items,
        next=shown.next,
        first=paged.cursor is None,
        search=wanted,
        fault=fault,
        made=made,
    )
