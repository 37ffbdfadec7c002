"""One performance of the demo, from a set stage to an outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dagboek.cli.children import Child
from dagboek.cli.wording import Wording
from dagboek.demo import story
from dagboek.demo.invoices import book_folder
from dagboek.demo.stage import SETTINGS_FILE, TOOL, stage
from dagboek.demo.telling import Teller
from dagboek.demo.wishes import Wishes
from dagboek.embedded import Services
from dagboek.plugins import Plugins
from dagboek.settings import Settings


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of it."""

    summary: Mapping[str, Any]
    faults: tuple[str, ...]
    advice: str


async def perform(
    wishes: Wishes,
    settings: Settings,
    services: Services,
    plugins: Plugins,
    children: list[Child],
    teller: Teller,
) -> Outcome:
    """Sets the stage, plays, clears the stage."""
    limits = wishes.invoices is None
    tools = story.TOOLS if wishes.invoices is None else (TOOL,)
    async with stage(settings, services, plugins, teller.step, children, tools, limits=limits) as set_stage:
        titles = " and ".join(plugins.tool(tool).about.title for tool in tools)
        teller.step(f"Kafka, PostgreSQL, core, workers and a sandbox of {titles} are up.")
        wording = Wording(plugins, wishes.language)
        if wishes.invoices is None:
            told = await story.play(set_stage, teller, wording)
            return Outcome(story.summary(told), tuple(told.faults), _advice(settings))
        booked = await book_folder(set_stage, wishes, teller, wording)
        return Outcome(booked.summary, tuple(booked.faults), _advice(settings))


def _advice(settings: Settings) -> str:
    file = settings.data_dir / SETTINGS_FILE
    return (
        f"The demo's data stays until the next one. Look at it with its settings file:\n"
        f"  export DAGBOEK_SETTINGS={file}\n"
        f"  dagboek history                     the runs; with a RUN and --details: what, why, how to fix it\n"
        f"  dagboek documents                   every document with its booking number\n"
        f"  dagboek documents --not-synced --language nl\n"
        f"Then, without it:\n"
        f"  dagboek demo --invoices FOLDER      the same with your own UBL files\n"
        f"  dagboek sandbox octopus             a sandbox alone, for any client; there is one of exact too\n"
        f"  dagboek up                          everything for real; then `dagboek connect` in another terminal"
    )
