"""One performance of the demo, from a set stage to an outcome."""

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from dagboek.cli.children import Child
from dagboek.cli.wording import Wording
from dagboek.demo import story
from dagboek.demo.console import Door, look_in, open_door
from dagboek.demo.invoices import book_folder
from dagboek.demo.stage import TOOL, Stage, stage
from dagboek.demo.telling import Teller
from dagboek.demo.wishes import Ending, Wishes
from dagboek.embedded import Services
from dagboek.plugins import Plugins
from dagboek.settings import Settings


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    summary: Mapping[str, Any]
    faults: tuple[str, ...]
    door: Door | None = None
    """To the console, which answers as long as the stage is set."""


@asynccontextmanager
async def performance(
    wishes: Wishes,
    settings: Settings,
    services: Services,
    plugins: Plugins,
    children: list[Child],
    console: Child | None,
    teller: Teller,
) -> AsyncIterator[Outcome]:
    """Sets the stage and plays; the stage is cleared afterwards."""
    limits = wishes.invoices is None
    tools = story.TOOLS if wishes.invoices is None else (TOOL,)
    async with stage(settings, services, plugins, teller.step, children, tools, console, limits=limits) as set_stage:
        *titles, last = (plugins.tool(tool).about.title for tool in tools)
        each = f"{', '.join(titles)} and {last}" if titles else last
        teller.step(f"Kafka, PostgreSQL, core, workers and a sandbox of {each} are up.")
        summary, faults = await _play(wishes, set_stage, teller, Wording(plugins, wishes.language))
        door = await _door(wishes, set_stage)
        yield Outcome({**summary, "console": door.summary if door else None}, faults, door)


async def _play(
    wishes: Wishes, set_stage: Stage, teller: Teller, wording: Wording
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    if wishes.invoices is None:
        told = await story.play(set_stage, teller, wording)
        return story.summary(told), tuple(told.faults)
    booked = await book_folder(set_stage, wishes, teller, wording)
    return booked.summary, tuple(booked.faults)


async def _door(wishes: Wishes, set_stage: Stage) -> Door | None:
    if wishes.ending is Ending.WITHOUT:
        return None
    return await (open_door if wishes.ending is Ending.STAYS else look_in)(set_stage, wishes.language)
