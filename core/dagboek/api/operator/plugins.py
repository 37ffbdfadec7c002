"""Plugins and who uses them, also those that are gone; what `dagboek doctor` finds."""

from typing import Final

from pydantic import BaseModel, Field

from dagboek.api.plugins import BrokenShown, Capabilities, capabilities_of, origin_of
from dagboek.doctor import Health, examine
from dagboek.installation.connections import connections_by_plugin, sources_by_plugin
from dagboek.installation.runs import circuits
from dagboek.web.caller import Operator
from dagboek.web.routes import api_router

router = api_router("operator")

MOST: Final = 200
"""Findings that are told; faults and notes go before what is well."""


class ToolUsed(BaseModel):
    """An accounting tool, and the connections that use it."""

    name: str
    title: str
    origin: str = Field(description="distribution and version that brings it")
    countries: list[str]
    capabilities: Capabilities
    connections: dict[str, int] = Field(description="by state")
    failing: int = Field(description="runs that wait because the plugin keeps failing: its circuit is open")


class SourceUsed(BaseModel):
    """A kind of source, and how many there are of it."""

    name: str
    title: str
    origin: str
    sources: int


class GoneShown(BaseModel):
    """A plugin that is not installed, though something uses it."""

    name: str
    connections: int
    sources: int


class PluginsUsed(BaseModel):
    """Everything that is installed or should be."""

    tools: list[ToolUsed]
    sources: list[SourceUsed]
    gone: list[GoneShown]
    broken: list[BrokenShown]


class FindingShown(BaseModel):
    """One thing looked at."""

    subject: str
    health: Health
    what: str
    fix: str = Field(description="what to do; empty where it is well")


class Examined(BaseModel):
    """What was found."""

    wrong: int
    notes: int
    well: int
    findings: list[FindingShown] = Field(description=f"up to {MOST}, faults first")


@router.get("/plugins")
async def plugins_in_use(caller: Operator) -> PluginsUsed:
    """Accounting tools and sources, with who uses them; also what is used and not installed."""
    found = caller.web.plugins
    connections = await connections_by_plugin(caller.installation)
    sources = await sources_by_plugin(caller.installation)
    failing = await circuits(caller.installation)
    gone = {name for name in connections if name not in found.tools}
    gone |= {name for name in sources if name not in found.sources}
    return PluginsUsed(
        tools=[
            ToolUsed(
                name=name,
                title=tool.about.title,
                origin=origin_of(found, name, "tools"),
                countries=sorted(tool.about.countries),
                capabilities=capabilities_of(tool),
                connections=connections.get(name, {}),
                failing=failing.get(name, 0),
            )
            for name, tool in sorted(found.tools.items())
        ],
        sources=[
            SourceUsed(
                name=name,
                title=source.about.title,
                origin=origin_of(found, name, "sources"),
                sources=sources.get(name, 0),
            )
            for name, source in sorted(found.sources.items())
        ],
        gone=[
            GoneShown(
                name=name,
                connections=0 if name in found.tools else sum(connections.get(name, {}).values()),
                sources=0 if name in found.sources else sources.get(name, 0),
            )
            for name in sorted(gone)
        ],
        broken=[BrokenShown(name=one.name, origin=one.origin, reason=one.reason) for one in found.broken],
    )


@router.post("/examination")
async def examination(caller: Operator) -> Examined:
    """Look at the whole installation as `dagboek doctor` does. Up to 40 logins are asked, which counts as calls."""
    await caller.note_apart("installation.examine")
    order = (Health.WRONG, Health.NOTE, Health.OK)
    found = sorted(
        [one async for one in examine(caller.web.settings, caller.web.services)],
        key=lambda one: order.index(one.health),
    )
    wrong, notes, well = (sum(one.health is health for one in found) for health in order)
    return Examined(
        wrong=wrong,
        notes=notes,
        well=well,
        findings=[
            FindingShown(
                subject=one.subject,
                health=one.health,
                what=one.what,
                fix=one.fix if one.health is not Health.OK else "",
            )
            for one in found[:MOST]
        ],
    )
