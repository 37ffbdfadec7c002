"""Mapping contexts: a version only for a change, exact figures, one object per version."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from uuid import UUID, uuid4

import pytest
from dagboek import contexts, database
from dagboek.contexts import NoContext
from dagboek.database import Database, Jsonb
from dagboek.tenants import ensure_entity, ensure_tenant
from dagboek_sdk.accounting import Lists, MappingContext, Row
from dagboek_sdk.settings import ConnectionSettings, Side


class Tool:
    """Gives the lists that it holds, and counts how often."""

    def __init__(self) -> None:
        self.held: dict[str, tuple[Row, ...]] = {
            "vat_codes": (Row("21", "21 %", kind="sales", rate=Decimal("21.00")), Row("6", "6 %", rate=Decimal("6"))),
            "journals": (Row("V1", "Sales", details={"years": {"9": {"closed_period": 202_603}}}),),
        }
        self.reads = 0

    async def lists(self) -> Lists:
        self.reads += 1
        return self.held


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    database.migrate(database_url)
    async with Database(database_url, size=4) as opened:
        yield opened


@pytest.fixture
async def connection_id(db: Database) -> UUID:
    tenant = await ensure_tenant(db, "North")
    entity = await ensure_entity(db, tenant.id, "North Trading")
    login = await db.one(
        "INSERT INTO login (tenant_id, plugin, tool_user, settings) VALUES (%s, 'x', 'y', '') RETURNING id", tenant.id
    )
    assert login is not None
    made = await db.one(
        "INSERT INTO connection (tenant_id, entity_id, login_id, plugin) VALUES (%s, %s, %s, 'x') RETURNING id",
        tenant.id,
        entity.id,
        login["id"],
    )
    assert made is not None
    return UUID(str(made["id"]))


async def set_settings(db: Database, connection_id: UUID, settings: ConnectionSettings) -> None:
    stored = Jsonb(settings.model_dump(mode="json"))
    await db.run("UPDATE connection SET settings = %s WHERE id = %s", stored, connection_id)


async def test_what_comes_back_is_what_the_tool_gave(db: Database, connection_id: UUID) -> None:
    tool = Tool()
    assert await contexts.refresh(db, connection_id, tool) == 1
    version, context = await contexts.current(db, connection_id)
    assert version == 1
    assert context.lists == tool.held
    assert str(context.lists["vat_codes"][0].rate) == "21.00"
    assert context.settings == ConnectionSettings()
    assert context.lists_at is not None and datetime.now(UTC) - context.lists_at < timedelta(minutes=1)
    assert context.reference


async def test_nothing_changed_is_no_new_version_whatever_the_order(db: Database, connection_id: UUID) -> None:
    tool = Tool()
    await contexts.refresh(db, connection_id, tool)
    await db.run("UPDATE mapping_context SET lists_at = now() - interval '2 days'")
    tool.held["vat_codes"] = tool.held["vat_codes"][::-1]
    assert await contexts.refresh(db, connection_id, tool) == 1
    row = await db.one("SELECT now() - lists_at < interval '1 minute' AS fresh FROM mapping_context")
    assert row is not None and row["fresh"]


async def test_a_changed_list_or_setting_is_a_new_version_and_the_old_one_stays(
    db: Database, connection_id: UUID
) -> None:
    tool = Tool()
    await contexts.refresh(db, connection_id, tool)
    tool.held["journals"] = ()
    assert await contexts.refresh(db, connection_id, tool) == 2
    settings = ConnectionSettings(
        sales=Side(invoice_journal="V1"), exchange_rates={"USD": Decimal("0.91250")}, start_date=None
    )
    await set_settings(db, connection_id, settings)
    async with db.transaction() as connection:
        assert await contexts.record(connection, connection_id) == 3
    newest = await contexts.load(db, connection_id, 3)
    assert newest.settings == settings
    assert newest.lists["journals"] == ()
    assert (await contexts.load(db, connection_id, 1)).lists["journals"][0].code == "V1"


async def test_the_same_version_is_the_same_object(db: Database, connection_id: UUID) -> None:
    await contexts.refresh(db, connection_id, Tool())
    found = await asyncio.gather(*(contexts.load(db, connection_id, 1) for _ in range(5)))
    assert all(one is found[0] for one in found)


async def test_fresh_lists_are_not_read_again(db: Database, connection_id: UUID) -> None:
    tool = Tool()
    await contexts.refresh(db, connection_id, tool, older_than=timedelta(hours=20))
    await contexts.refresh(db, connection_id, tool, older_than=timedelta(hours=20))
    assert tool.reads == 1
    await db.run("UPDATE mapping_context SET lists_at = now() - interval '21 hours'")
    await contexts.refresh(db, connection_id, tool, older_than=timedelta(hours=20))
    assert tool.reads == 2


async def test_two_that_refresh_at_once_agree(db: Database, connection_id: UUID) -> None:
    versions = await asyncio.gather(*(contexts.refresh(db, connection_id, Tool()) for _ in range(3)))
    assert versions == [1, 1, 1]


async def test_text_that_the_database_cannot_hold_is_cleaned(db: Database, connection_id: UUID) -> None:
    tool = Tool()
    tool.held["journals"] = (Row("V1", "Sa\x00les", details={"note": ["a\x00b"], "rate": Decimal("0.50")}),)
    await contexts.refresh(db, connection_id, tool)
    _, context = await contexts.current(db, connection_id)
    assert context.lists["journals"] == (Row("V1", "Sales", details={"note": ["ab"], "rate": "0.50"}),)


async def test_no_lists_yet_and_no_such_version_are_said(db: Database, connection_id: UUID) -> None:
    with pytest.raises(NoContext, match="settings refresh"):
        await contexts.current(db, connection_id)
    with pytest.raises(NoContext, match="context 7"):
        await contexts.load(db, connection_id, 7)
    with pytest.raises(NoContext, match="no connection"):
        await contexts.refresh(db, uuid4(), Tool())


def test_the_contexts_used_last_are_kept() -> None:
    kept = contexts._ParsedContexts(rows=250)
    key = [(uuid4(), 1) for _ in range(3)]
    many = [
        MappingContext(ConnectionSettings(), {"ledger_accounts": tuple(Row(str(one), "") for one in range(60))})
        for _ in key
    ]
    for one, context in zip(key[:2], many, strict=False):
        assert kept.put(one, context) is context
    assert kept.put(key[0], many[2]) is many[0]
    assert kept.get(key[0]) is many[0]
    kept.put(key[2], many[2])
    assert [kept.get(one) for one in key] == [many[0], None, many[2]]
