"""Tenants, entities and sources on a real database."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from dagboek import database
from dagboek.database import Database
from dagboek.logins import LoginProblem
from dagboek.plugins import Plugins
from dagboek.sources import ensure_source, open_source, sources_of
from dagboek.tenants import (
    Entity,
    Unusable,
    ensure_entity,
    ensure_tenant,
    entities,
    find_entity,
    find_tenant,
    vat_number_fault,
)
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
    await known_by_a_document(db, filled)
    with pytest.raises(Unusable, match="BE0403019261"):
        await ensure_entity(db, tenant.id, "North Trading", vat_number="BE0404483367")
    with pytest.raises(Unusable, match="fiscal year"):
        await ensure_entity(db, tenant.id, "North Trading", fiscal_year_start=7)
    assert await find_entity(db, tenant.id, "BE 0403.019.261") == filled
    assert await entities(db, tenant.id) == [filled]


async def test_a_mistyped_number_is_corrected_as_long_as_no_document_is_known_by_it(db: Database) -> None:
    tenant = await ensure_tenant(db, "North")
    made = await ensure_entity(db, tenant.id, "North Trading", vat_number="BE0403019261")
    right = await ensure_entity(db, tenant.id, "North Trading", vat_number="NL004495445B01", fiscal_year_start=7)
    assert right.id == made.id
    assert (right.vat_number, right.country, right.fiscal_year_start) == ("NL004495445B01", "NL", 7)
    await known_by_a_document(db, right)
    with pytest.raises(Unusable, match="was synchronised before"):
        await ensure_entity(db, tenant.id, "North Trading", vat_number="BE0403019261")
    assert await find_entity(db, tenant.id, "North Trading") == right


async def known_by_a_document(db: Database, entity: Entity) -> None:
    """As after a first synchronisation."""
    await db.run(
        """WITH made AS (INSERT INTO source (tenant_id, plugin, name, settings) VALUES (%(tenant)s, 'x', 'x', '{}')
                         RETURNING id)
           INSERT INTO document (tenant_id, identity, entity_id, direction, kind, number, issue_date, currency, gross,
                                 party_identity, party_name, source_id, origin_id, revision)
           SELECT %(tenant)s, 'd1:1', %(entity)s, 'sales', 'invoice', '1', '2026-01-01', 'EUR', 1, 'p1:1', 'P', id,
                  'o', 'rev1:x' FROM made""".replace("%(tenant)s", f"'{entity.tenant_id}'").replace(
            "%(entity)s", f"'{entity.id}'"
        )
    )


@pytest.mark.parametrize(
    ("written", "words", "certain"),
    [
        ("hello", "begins with the two letters of its country", True),
        ("0403019261", "begins with the two letters of its country", True),
        ("BE12", "its form is BE0999999999", True),
        ("BE0999999999", "check digit", False),
        ("ZZ123", "not known", False),
    ],
)
def test_what_is_no_vat_number_is_told(written: str, words: str, certain: bool) -> None:
    fault = vat_number_fault(written)
    assert fault is not None
    assert (words in fault.what, fault.certain) == (True, certain), fault


def test_vat_numbers_are_taken_as_people_write_them() -> None:
    for written in ("BE0403019261", "be 0403.019.261", "NL004495445B01", "EL094259216"):
        assert vat_number_fault(written) is None


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
    opened = open_source(db, plugins, source, entity)
    assert opened.settings == FolderSettings(folder="in")
    assert (opened.entity.name, opened.entity.vat_number) == ("Trading", "BE0403019261")
    with pytest.raises(SourceUnavailable, match="not installed"):
        open_source(db, Plugins(entry_points=False), source, entity)
    with pytest.raises(SourceUnavailable, match="folder: is missing"):
        open_source(db, plugins, {**source, "settings": {}}, entity)
