"""The catalogue of issues: what each means, and what to do."""

from dagboek_schemas.issues import Severity
from dagboek_schemas.statuses import Component
from dagboek_sdk.hooks import CatalogueEntry
from pydantic import BaseModel, Field

from dagboek.api.texts import Words
from dagboek.web.caller import Anyone
from dagboek.web.problems import not_found
from dagboek.web.routes import api_router

router = api_router("issues")


class EntryShown(BaseModel):
    """An entry of the catalogue. Placeholders such as `{account}` are filled in issues of documents."""

    code: str
    severity: Severity
    title: str
    cause: str
    remedy: str
    tool: str | None = Field(None, description="accounting tool that it is of; null: of all")
    components: list[Component] = Field(description="where it comes up; none: anywhere")
    origin: str = Field(description="distribution that brings it")


class Entries(BaseModel):
    """The whole catalogue."""

    items: list[EntryShown]


@router.get("/issues")
async def catalogue(caller: Anyone, words: Words) -> Entries:
    """All issues that there can be, by code."""
    return Entries(items=[_shown(caller, words, entry) for entry in caller.web.catalogue])


@router.get("/issues/{code}")
async def entry(caller: Anyone, words: Words, code: str) -> EntryShown:
    """One of them."""
    found = caller.web.catalogue.entry(code)
    if found is None:
        raise not_found("issue")
    return _shown(caller, words, found)


def _shown(caller: Anyone, words: Words, entry: CatalogueEntry) -> EntryShown:
    text = entry.texts.get(words.language) or entry.texts["en"]
    return EntryShown(
        code=entry.code,
        severity=entry.severity,
        title=text.title,
        cause=text.cause,
        remedy=text.remedy,
        tool=entry.tool,
        components=sorted(entry.components, key=lambda one: one.position),
        origin=caller.web.catalogue.origin(entry.code) or "",
    )
