"""Between which hours of the night integrations that are switched to automatic are synchronised, in which time zone."""

from functools import cache
from typing import Annotated
from zoneinfo import available_timezones

from fastapi import Form, Query, Response

from dagboek.api import schedule as of_api
from dagboek.console.pages import Connecting, Visitor, page_router, see
from dagboek.night import Night
from dagboek.schedule import hours_of

router = page_router()


@router.get("/schedule")
async def shown(visitor: Connecting, done: Annotated[str, Query()] = "") -> Response:
    """The page."""
    return await _page(visitor, done=bool(done))


@router.post("/schedule")
async def choose(
    visitor: Connecting,
    start: Annotated[str, Form(max_length=8)],
    until: Annotated[str, Form(max_length=8)],
    time_zone: Annotated[str, Form(max_length=60)],
) -> Response:
    """Stores them. What is as the installation has it follows the installation from now on."""
    settings, hours = visitor.web.settings, f"{start[:5]}-{until[:5]}"
    try:
        given = of_api.Schedule(
            hours=hours if hours != settings.nightly else None,
            time_zone=time_zone if time_zone != settings.time_zone else None,
        )
        await of_api.choose_schedule(visitor.caller, given)
    except Exception as error:
        names = {"hours": visitor.speech.say("schedule.title"), "time_zone": visitor.speech.say("schedule.zone")}
        why = " ".join(visitor.why(error, lambda place: names.get(place, place)))
        return await _page(visitor, fault=why, refused=(start[:5], until[:5], time_zone))
    return see("/schedule?done=1")


async def _page(
    visitor: Visitor, *, done: bool = False, fault: str = "", refused: tuple[str, str, str] | None = None
) -> Response:
    """`refused`: what somebody chose that cannot be, to be put right rather than chosen again."""
    caller = visitor.caller
    night: Night = of_api.night_of(caller, await hours_of(caller.db, caller.tenant))
    start, until, zone = refused or (f"{night.start:%H:%M}", f"{night.until:%H:%M}", night.zone.key)
    return await visitor.page(
        "schedule.html",
        status=422 if fault else 200,
        start=start,
        until=until,
        zone=zone,
        zones=_zones(),
        done=done,
        fault=fault,
    )


@cache
def _zones() -> tuple[str, ...]:
    """Of Europe first; names that only computers use are left out."""
    named = {one for one in available_timezones() if "/" in one and not one.startswith(("Etc/", "SystemV/", "posix"))}
    return (*sorted(named | {"UTC"}, key=lambda one: (not one.startswith("Europe/"), one)),)
