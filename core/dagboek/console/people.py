"""People of the tenant and what they may do, API keys, and the trail of who did what."""

from typing import Annotated
from uuid import UUID

from fastapi import Form, Response

from dagboek.api import api_keys
from dagboek.api import people as members
from dagboek.console.pages import Managing, Visitor, page_router, see
from dagboek.notices import outbox
from dagboek.web.paging import Paged, Paging, number, words
from dagboek.web.rights import SCOPES, Right, Role
from dagboek.web.signin import keys, people
from dagboek.web.signin.trail import deeds

router = page_router()


@router.get("/people")
async def listed(visitor: Managing, paged: Paging) -> Response:
    """People, by e-mail address, and keys."""
    return await _page(visitor, paged)


@router.post("/people")
async def add(
    visitor: Managing,
    email: Annotated[str, Form(max_length=254)],
    role: Annotated[Role, Form()],
    name: Annotated[str, Form(max_length=200)] = "",
) -> Response:
    """Adds somebody, or changes what they are."""
    try:
        await members.add_member(visitor.caller, members.NewMember(email=email.strip(), name=name.strip(), role=role))
    except Exception as error:
        return await _refused(visitor, error)
    return see("/people")


@router.post("/people/{person_id}/role")
async def change_role(visitor: Managing, person_id: UUID, role: Annotated[Role, Form()]) -> Response:
    """Changes what somebody is."""
    try:
        await members.change_role(visitor.caller, person_id, members.NewRole(role=role))
    except Exception as error:
        return await _refused(visitor, error)
    return see("/people")


@router.post("/people/{person_id}/link")
async def send_link(visitor: Managing, person_id: UUID) -> Response:
    """Mails somebody a link to sign in with."""
    try:
        await members.send_link(visitor.caller, person_id)
    except Exception as error:
        return await _refused(visitor, error)
    return see("/people?done=link")


@router.post("/people/{person_id}/remove")
async def remove(visitor: Managing, person_id: UUID) -> Response:
    """Takes somebody out of the tenant."""
    try:
        await members.remove_member(visitor.caller, person_id)
    except Exception as error:
        return await _refused(visitor, error)
    return see("/people")


@router.post("/api-keys")
async def make_key(
    visitor: Managing,
    name: Annotated[str, Form(max_length=100)],
    scopes: Annotated[list[Right] | None, Form()] = None,
) -> Response:
    """Makes a key, which is shown this once."""
    try:
        made = await api_keys.make_key(visitor.caller, Response(), api_keys.NewKey(name=name, scopes=scopes or []))
    except Exception as error:
        return await _refused(visitor, error)
    return await _page(visitor, made=made.key)


@router.post("/api-keys/{key_id}/revoke")
async def revoke(visitor: Managing, key_id: UUID) -> Response:
    """Ends a key."""
    await api_keys.revoke_key(visitor.caller, key_id)
    return see("/people#keys")


@router.get("/trail")
async def trail(visitor: Managing, paged: Paging) -> Response:
    """Who did what, newest first."""
    after = paged.after(number)
    rows = await deeds(visitor.caller.db, before=after[0] if after else None, limit=paged.limit + 1)
    shown = paged.page(rows, lambda row: row, lambda row: (row.id,))
    return await visitor.page("trail.html", deeds=shown.items, next=shown.next, first=paged.cursor is None)


async def _refused(visitor: Visitor, error: Exception) -> Response:
    if isinstance(error, ValueError):  # of the API's models, which take no more than a form can say
        return await _page(visitor, fault=visitor.speech.say("people.unusable"))
    return await _page(visitor, fault=" ".join(visitor.why(error)))


async def _page(visitor: Visitor, paged: Paged | None = None, fault: str = "", made: str = "") -> Response:
    caller, paged = visitor.caller, paged or Paged()
    after = paged.after(words)
    rows = await people.members(caller.db, after=(after[0],) if after else None, limit=paged.limit + 1)
    shown = paged.page(rows, lambda row: row, lambda row: (row.email,))
    return await visitor.page(
        "people.html",
        status=422 if fault else 200,
        members=shown.items,
        next=shown.next,
        first=paged.cursor is None,
        invited=await outbox.invitations(caller.db, [one.person_id for one in shown.items]),
        sends_mail=caller.web.sends_mail,
        done=visitor.request.query_params.get("done") == "link",
        keys=await keys.keys(caller.db, after=None, limit=500),
        roles=list(Role),
        scopes=[one for one in SCOPES if one in caller.rights],
        me=caller.person.id if caller.person else None,
        fault=fault,
        made=made,
    )
