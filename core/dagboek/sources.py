"""Sources of a tenant: where its documents come from."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, TypeVar
from uuid import UUID

from dagboek_sdk.source import DocumentSource, EntityRef, Fetched, SourceUnavailable
from psycopg.errors import UniqueViolation
from psycopg.rows import DictRow

from dagboek.database import Database, Jsonb
from dagboek.logins import LoginProblem, check_settings, names_of_secrets
from dagboek.plugins import Plugins, UnknownPlugin
from dagboek.sent_in.source import SentIn
from dagboek.tenants import Unusable

T = TypeVar("T")

DEADLINE = 120.0
"""Seconds that a source may take for a page of its list, or for a lot of documents."""
FETCHED_AT_ONCE = 100
"""Documents of a lot."""


@dataclass(frozen=True, slots=True)
class SourceRow:
    """A source of a tenant."""

    id: UUID
    tenant_id: UUID
    plugin: str
    name: str
    settings: Mapping[str, Any]


async def ensure_source(
    db: Database, plugins: Plugins, tenant_id: UUID, plugin: str, name: str, settings: Mapping[str, Any]
) -> SourceRow:
    """Adds a source to the tenant, or changes the settings of the one called `name`.

    Raises UnknownPlugin, LoginProblem for wrong settings, Unusable when `name` is a source of another plugin.
    """
    about = plugins.source(plugin).about
    if names_of_secrets(about.settings):
        raise Unusable(
            f"{about.title} needs credentials, which sources cannot keep yet.", "source_login", source=about.title
        )
    checked = check_settings(about.settings, settings, about.title).model_dump(mode="json")
    try:
        row = await _written(db, tenant_id, plugin, name, checked)
    except UniqueViolation:  # of what is sent in
        raise Unusable(
            f"The tenant has this source already: {about.title}.", "source_there", source=about.title
        ) from None
    if row is None:
        text = f"The tenant has a source {name!r} of another kind already. Choose another name."
        raise Unusable(text, "source_other", name=name)
    return SourceRow(**row)


async def _written(
    db: Database, tenant_id: UUID, plugin: str, name: str, settings: Mapping[str, Any]
) -> DictRow | None:
    return await db.one(
        """INSERT INTO source AS s (tenant_id, plugin, name, settings) VALUES (%s, %s, %s, %s)
           ON CONFLICT (tenant_id, name) DO UPDATE SET settings = excluded.settings
           WHERE s.plugin = excluded.plugin RETURNING id, tenant_id, plugin, name, settings""",
        tenant_id,
        plugin,
        name,
        Jsonb(settings),
    )


async def sources_of(db: Database, tenant_id: UUID) -> list[SourceRow]:
    """All sources of the tenant, by name."""
    rows = await db.all(
        "SELECT id, tenant_id, plugin, name, settings FROM source WHERE tenant_id = %s ORDER BY name", tenant_id
    )
    return [SourceRow(**row) for row in rows]


def open_source(db: Database, plugins: Plugins, source: Mapping[str, Any], entity: Mapping[str, Any]) -> DocumentSource:
    """The source of a row of `source`, seen for a row of `entity`; the caller closes it.

    SourceUnavailable when its plugin is missing or its settings no longer fit.
    """
    try:
        source_class = plugins.source(source["plugin"])
        settings = check_settings(source_class.about.settings, source["settings"], f"source {source['name']}")
    except (UnknownPlugin, LoginProblem) as problem:
        raise SourceUnavailable(str(problem)) from problem
    seen_for = EntityRef(
        name=entity["name"],
        vat_number=entity["vat_number"],
        company_number=entity["company_number"],
        country=entity["country"],
    )
    if issubclass(source_class, SentIn):
        return source_class(settings, seen_for, db, plugins.readers, entity.get("id"))
    return source_class(settings, seen_for)


@asynccontextmanager
async def reading(
    db: Database, plugins: Plugins, source: Mapping[str, Any], entity: Mapping[str, Any]
) -> AsyncIterator[DocumentSource]:
    """The source of a row as `open_source` has it, closed at the end, also where it does not let itself be closed."""
    reader = open_source(db, plugins, source, entity)
    try:
        yield reader
    finally:
        with suppress(SourceUnavailable):
            await in_time(reader.close())


async def fetched(reader: DocumentSource, origin_ids: Sequence[str]) -> AsyncIterator[Sequence[Fetched]]:
    """The documents themselves, lot by lot."""
    for at in range(0, len(origin_ids), FETCHED_AT_ONCE):
        yield await in_time(reader.fetch(origin_ids[at : at + FETCHED_AT_ONCE]))


async def in_time(answer: Awaitable[T]) -> T:
    """What a source answers; one that hangs is away."""
    try:
        async with asyncio.timeout(DEADLINE):
            return await answer
    except TimeoutError:
        raise SourceUnavailable(f"It did not answer within {DEADLINE:.0f} seconds.") from None
