"""The night of the tenant: when integrations that are switched to automatic are synchronised."""

from typing import Annotated

from pydantic import BaseModel, Field

from dagboek.night import HOURS, Night
from dagboek.schedule import Hours, choose_hours, hours_of
from dagboek.web.caller import Caller, Connector, Reader
from dagboek.web.routes import api_router

router = api_router("schedule")


class Schedule(BaseModel):
    """What the tenant chooses; null: as the installation has it."""

    hours: Annotated[str, Field(pattern=f"^{HOURS}$")] | None = Field(
        None,
        description="between which nightly synchronisations begin, such as 22:00-04:00",
        examples=["22:00-04:00"],
    )
    time_zone: Annotated[str, Field(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9_+/-]+$")] | None = Field(
        None,
        description="of these hours, and of the times on pages, such as Europe/Brussels",
        examples=["Europe/Brussels"],
    )


class ScheduleShown(BaseModel):
    """The night that holds, and what of it the tenant has chosen."""

    hours: str
    time_zone: str
    chosen: Schedule


@router.get("/schedule")
async def schedule(caller: Reader) -> ScheduleShown:
    """When integrations that are switched to automatic are synchronised: each at a moment of its own."""
    chosen = await hours_of(caller.db, caller.tenant)
    night = night_of(caller, chosen)
    return ScheduleShown(
        hours=night.hours,
        time_zone=night.zone.key,
        chosen=Schedule(hours=chosen.nightly, time_zone=chosen.time_zone),
    )


@router.put("/schedule")
async def choose_schedule(caller: Connector, given: Schedule) -> ScheduleShown:
    """Choose other hours. They hold from the next night that begins."""
    await choose_hours(caller.db, caller.tenant, Hours(given.hours, given.time_zone))
    await caller.note("schedule.choose", hours=given.hours, time_zone=given.time_zone)
    return await schedule(caller)


def night_of(caller: Caller, chosen: Hours) -> Night:
    """The night that holds for the caller's tenant."""
    settings = caller.web.settings
    return Night.of(settings.nightly, settings.time_zone).changed(chosen.nightly, chosen.time_zone)
