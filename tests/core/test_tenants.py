"""Tenants, entities and sources on a real database."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from dagboek import database
from dagboek.database import Database
from dagboek.logins import LoginProblem
from dagboek.plugins import Plugins
from dagboek.sources import ensure_source, open_source, sources_of
from dagboek.tenants import Unusable, ensure_entity, ensure_tenant, entities, find_entity, find_tenant
from dagboek_sdk.hooks import hookimpl
from dagboek_sdk.source import DocumentSource, SourceAbout, SourceUnavailable
from pydantic import BaseModel


class FolderSettings(BaseModel):
    folder: str


class Folder(DocumentSource):
    about = SourceAbout("folder", "A folder", FolderSettings)

    def list(self, since: Any) -> Any:
        raise NotImplementedError

    async def fetch(self, origin_ids: Sequence[str]) -> Any:
        raise NotImplementedError

    async def attachment(self, ref: str) -> bytes:
        raise FileNotFoundError(ref)


class FolderHooks:
    @hookimpl
    def dagboek_sources(self) -> Sequence[type[DocumentSource]]:
        return [Folder]


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database.migrate(database_url)
    async with Database(database_url, size=2) as opened:
        yield opened


async def test_a_tenant_is_made_once(db: Database) -> None:
    made = await ensure_tenant(db, " North ")
    assert await ensure_tenant(db, "North") == made == await find_tenant(db, "North")
    with pytest.raises(Unusable, match="Known: North"):
        await find_tenant(db, "South")
    with pytest.raises(Unusable):
        await ensure_tenant(db, "  ")


async def test_an_entity_keeps_the_numbers_that_its_documents_are_known_by(db: Database) -> None:
    tenant = await ensure_tenant(db, "North")
    made = await ensure_entity(db, tenant.id, "North Trading", vat_number="be 0403.019.261")
    assert (made.vat_number, made.country, made.fiscal_year_start) == ("BE0403019261", "BE", 1)
    assert await ensure_entity(db, tenant.id, "North Trading") == made
    filled = await ensure_entity(db, tenant.id, "North Trading", company_number="0403.019.261")
    assert filled.company_number == "0403019261"
    with pytest.raises(Unusable, match="BE0403019261"):
        await ensure_entity(db, tenant.id, "North Trading", vat_number="BE0404483367")
    with pytest.raises(Unusable, match="fiscal year"):
        await ensure_entity(db, tenant.id, "North Trading", fiscal_year_start=7)
    assert await find_entity(db, tenant.id, "BE 0403.019.261") == filled
    assert await entities(db, tenant.id) == [filled]


async def test_the_country_is_that_of_the_vat_number(db: Database) -> None:
    tenant = await ensure_tenant(db, "North")
    assert (await ensure_entity(db, tenant.id, "Attica", vat_number="EL094259216")).country == "GR"
    assert (await ensure_entity(db, tenant.id, "Utrecht", vat_number="NL004495445B01")).country == "NL"
    assert (await ensure_entity(db, tenant.id, "Small", company_number="0403019261")).country == "BE"
    with pytest.raises(Unusable, match="country"):
        await ensure_entity(db, tenant.id, "Odd", country="belgium")
    with pytest.raises(Unusable, match="month"):
        await ensure_entity(db, tenant.id, "Odd", fiscal_year_start=13)


async def test_entities_are_their_tenants_own(db: Database) -> None:
    north, south = await ensure_tenant(db, "North"), await ensure_tenant(db, "South")
    await ensure_entity(db, north.id, "Trading", vat_number="BE0403019261")
    with pytest.raises(Unusable, match="Known: none"):
        await find_entity(db, south.id, "Trading")


async def test_a_source_is_checked_stored_and_opened_for_an_entity(db: Database) -> None:
    plugins = Plugins(entry_points=False)
    plugins.register(FolderHooks(), "folder")
    tenant = await ensure_tenant(db, "North")
    await ensure_entity(db, tenant.id, "Trading", vat_number="BE0403019261")
    await ensure_source(db, plugins, tenant.id, "folder", "invoices", {"folder": "old"})
    row = await ensure_source(db, plugins, tenant.id, "folder", "invoices", {"folder": "in"})
    assert await sources_of(db, tenant.id) == [row]
    with pytest.raises(LoginProblem, match="folder: is missing"):
        await ensure_source(db, plugins, tenant.id, "folder", "other", {})
    source = await db.one("SELECT * FROM source")
    entity = await db.one("SELECT * FROM entity")
    assert source is not None and entity is not None
    opened = open_source(plugins, source, entity)
    assert opened.settings == FolderSettings(folder="in")
    assert (opened.entity.name, opened.entity.vat_number) == ("Trading", "BE0403019261")
    with pytest.raises(SourceUnavailable, match="not installed"):
        open_source(Plugins(entry_points=False), source, entity)
    with pytest.raises(SourceUnavailable, match="folder: is missing"):
        open_source(plugins, {**source, "settings": {}}, entity)
