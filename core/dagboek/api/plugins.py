"""What is installed: accounting tools with what they can, and sources."""

from typing import Any

from dagboek_schemas.statuses import Component
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.oauth import OAuthPlugin
from pydantic import BaseModel, Field

from dagboek.logins import names_of_secrets
from dagboek.plugins import Plugins
from dagboek.web.caller import Anyone
from dagboek.web.problems import not_found
from dagboek.web.routes import api_router

router = api_router("plugins")


class Capabilities(BaseModel):
    """What a tool can."""

    components: list[Component]
    updates_documents: bool
    updates_parties: bool
    attachments: bool = Field(description="files go into the books, with the entry or after it")
    has_journals: bool
    parties_inside_documents: bool
    batch_size: int


class ToolShown(BaseModel):
    """An accounting tool."""

    name: str
    title: str
    origin: str = Field(description="distribution and version that brings it")
    countries: list[str]
    capabilities: Capabilities
    consent: bool = Field(description="a person consents in a browser to connect it")
    settings: dict[str, Any] = Field(description="JSON Schema of what connecting it needs")
    secrets: list[str] = Field(description="settings that are never shown again")


class SourceShown(BaseModel):
    """Where documents can come from."""

    name: str
    title: str
    origin: str
    settings: dict[str, Any] = Field(description="JSON Schema")


class BrokenShown(BaseModel):
    """A plugin that is installed and cannot be used."""

    name: str
    origin: str
    reason: str


class PluginsShown(BaseModel):
    """Everything that is installed."""

    tools: list[ToolShown]
    sources: list[SourceShown]
    broken: list[BrokenShown]


@router.get("/plugins")
async def plugins(caller: Anyone) -> PluginsShown:
    """Accounting tools and sources that are installed."""
    found = caller.web.plugins
    return PluginsShown(
        tools=[_tool(caller, tool) for _, tool in sorted(found.tools.items())],
        sources=[
            SourceShown(
                name=name,
                title=source.about.title,
                origin=origin_of(caller.web.plugins, name, "sources"),
                settings=source.about.settings.model_json_schema(),
            )
            for name, source in sorted(found.sources.items())
        ],
        broken=[BrokenShown(name=one.name, origin=one.origin, reason=one.reason) for one in found.broken],
    )


@router.get("/plugins/tools/{name}")
async def tool(caller: Anyone, name: str) -> ToolShown:
    """One accounting tool."""
    found = caller.web.plugins.tools.get(name)
    if found is None:
        raise not_found("accounting tool")
    return _tool(caller, found)


def _tool(caller: Anyone, tool: type[AccountingPlugin]) -> ToolShown:
    about = tool.about
    return ToolShown(
        name=about.name,
        title=about.title,
        origin=origin_of(caller.web.plugins, about.name, "tools"),
        countries=sorted(about.countries),
        capabilities=capabilities_of(tool),
        consent=issubclass(tool, OAuthPlugin),
        settings=about.settings.model_json_schema(),
        secrets=list(names_of_secrets(about.settings)),
    )


def capabilities_of(tool: type[AccountingPlugin]) -> Capabilities:
    """What a tool can."""
    about = tool.about
    return Capabilities(
        components=list(about.components),
        updates_documents=about.updates_documents,
        updates_parties=about.updates_parties,
        attachments=about.attachments or about.attaches,
        has_journals=about.has_journals,
        parties_inside_documents=about.parties_inside_documents,
        batch_size=about.batch_size,
    )


def origin_of(plugins: Plugins, name: str, kind: str) -> str:
    """Distribution and version that brings it; `kind`: tools or sources."""
    return next((one.origin for one in plugins.installed if name in getattr(one, kind)), "")
