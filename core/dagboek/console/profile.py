"""One's own profile: language, password, where one is signed in, and which tenant one looks at."""

from typing import Annotated, Final
from uuid import UUID

from fastapi import Depends, Form, Request, Response

from dagboek.api import me
from dagboek.catalogue import LANGUAGES
from dagboek.console.pages import Visitor, Visits, page_router, see
from dagboek.notices import outbox
from dagboek.web.signin import people, sessions
from dagboek.web.signin.passwords import LONGEST, SHORTEST

router = page_router()

BROWSERS: Final = {"Edg": "Edge", "OPR/": "Opera", "Firefox/": "Firefox", "Chrom": "Chrome", "Safari/": "Safari"}
SYSTEMS: Final = ("iPhone", "iPad", "Android", "Windows", "Mac OS X", "CrOS", "Linux")
"""What browsers call themselves, most precise first: Edge says that it is Chrome and Safari, too."""

Somebody = Annotated[Visitor, Depends(Visits(None))]
"""Anyone who is signed in, also without a tenant."""


@router.get("/profile")
async def shown(visitor: Somebody) -> Response:
    """The page."""
    return await _page(visitor)


@router.post("/profile/language")
async def language(visitor: Somebody, language: Annotated[str, Form()]) -> Response:
    """Chooses the language of pages and mail."""
    if language in LANGUAGES:
        await me.change_profile(visitor.caller, me.Profile.model_validate({"language": language}))
    return see("/profile")


@router.post("/profile/emails")
async def emails(visitor: Somebody, emails: Annotated[bool, Form()] = False) -> Response:
    """Chooses whether notices are mailed, too."""
    await me.change_profile(visitor.caller, me.Profile(emails=emails))
    return see("/profile")


@router.post("/profile/tenant")
async def tenant(visitor: Somebody, tenant_id: Annotated[UUID, Form()]) -> Response:
    """Goes on with another tenant."""
    await me.choose_tenant(visitor.caller, me.TenantChoice(tenant_id=tenant_id))
    return see("/")


@router.post("/profile/password")
async def password(
    visitor: Somebody,
    request: Request,
    new: Annotated[str, Form(max_length=LONGEST)],
    again: Annotated[str, Form(max_length=LONGEST)],
    old: Annotated[str, Form(max_length=LONGEST)] = "",
) -> Response:
    """Chooses a password."""
    if new != again:
        return await _page(visitor, fault=visitor.speech.say("profile.not_the_same"))
    try:
        await me.change_password(visitor.caller, request, me.PasswordChange(old=old or None, new=new))
    except Exception as error:
        return await _page(visitor, fault=" ".join(visitor.why(error)))
    return see("/profile?done=password")


@router.post("/profile/sessions/{session_id}/end")
async def end_session(visitor: Somebody, session_id: UUID) -> Response:
    """Signs out somewhere else."""
    await me.end_session(visitor.caller, session_id)
    return see("/profile")


async def _page(visitor: Visitor, fault: str = "") -> Response:
    caller = visitor.caller
    assert caller.person is not None and caller.session_id is not None
    core = caller.web.core
    row = await core.one("SELECT password IS NOT NULL AS there FROM person WHERE id = %s", caller.person.id)
    return await visitor.page(
        "profile.html",
        status=422 if fault else 200,
        fault=fault,
        done=visitor.request.query_params.get("done") == "password",
        has_password=bool(row and row["there"]),
        by_link=await sessions.needs_no_old_password(core, caller.session_id),
        shortest=SHORTEST,
        languages=LANGUAGES,
        sessions=await sessions.sessions_of(core, caller.person.id),
        emails=await people.wants_mail(core, caller.person.id),
        sends_mail=caller.web.sends_mail,
        undelivered=await outbox.last_undelivered(core, caller.person.id),
        current=caller.session_id,
        browser=browser,
    )


def browser(told: str) -> str:
    """What people call a browser: Firefox, Windows. As it calls itself where it is none that is known."""
    name = next((name for mark, name in BROWSERS.items() if mark in told), "")
    system = next((one for one in SYSTEMS if one in told), "")
    return ", ".join(word for word in (name, system) if word) if name else told[:80] or "?"
