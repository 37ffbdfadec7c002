"""Sources of the tenant: where its documents come from. Every company of the tenant uses all of them."""

from typing import Annotated, Any
from uuid import UUID

from pydantic import BaseModel, Field

from dagboek.api.fields import Text
from dagboek.plugins import Plugins
from dagboek.sent_in import PLUGIN as SENT_IN
from dagboek.sources import SourceRow, ensure_source, sources_of
from dagboek.web.caller import Caller, Connector, Reader
from dagboek.web.problems import Problem
from dagboek.web.rights import Right
from dagboek.web.routes import api_router

router = api_router("sources")


class SourceOfTenant(BaseModel):
    """A source of the tenant."""

    id: UUID
    plugin: str
    name: str
    title: str = Field(description="of its kind, for people")


class SourcesOfTenant(BaseModel):
    """All sources of the tenant."""

    items: list[SourceOfTenant]


class NewSource(BaseModel):
    """A source to be added, or the settings of the one of that name."""

    plugin: Annotated[str, Field(max_length=100, pattern=r"^[^\x00]*$")] = Field(
        SENT_IN, description="as in `/plugins`; `sent-in` is what this API is sent"
    )
    name: Text | None = Field(None, description="to tell several apart")
    settings: dict[str, Any] = Field(default_factory=dict, description="as the plugin's schema has them")


@router.get("/sources")
async def sources(caller: Reader) -> SourcesOfTenant:
    """Sources of the tenant."""
    rows = await sources_of(caller.db, caller.tenant)
    return SourcesOfTenant(items=[_shown(caller.web.plugins, row) for row in rows])


@router.post("/sources", status_code=201)
async def add_source(caller: Connector, given: NewSource) -> SourceOfTenant:
    """Add a source. One that reads the server's own folders is for operators alone."""
    row = await add(caller, given)
    return _shown(caller.web.plugins, row)


async def add(caller: Caller, given: NewSource) -> SourceRow:
    """Adds a source, or changes the settings of the one of that name."""
    if given.plugin != SENT_IN and Right.OPERATE not in caller.rights:
        detail = "Only an operator adds a source that reads folders of the server. What is sent in anybody may add."
        raise Problem(403, "operators_only", detail)
    row = await ensure_source(
        caller.db, caller.web.plugins, caller.tenant, given.plugin, given.name or given.plugin, given.settings
    )
    await caller.note("source.add", row.id, plugin=row.plugin, name=row.name)
    return row


def title_of(plugins: Plugins, plugin: str) -> str:
    """What a kind of source is called; the name it is stored by where it is not installed any more."""
    source = plugins.sources.get(plugin)
    return source.about.title if source else plugin


def _shown(plugins: Plugins, row: SourceRow) -> SourceOfTenant:
    return SourceOfTenant(id=row.id, plugin=row.plugin, name=row.name, title=title_of(plugins, row.plugin))
