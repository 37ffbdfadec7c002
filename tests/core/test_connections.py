"""Setting up connections on a real database, with a tool that answers from memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID, uuid4

import pytest
from dagboek import administrations, connections, contexts, database, logins
from dagboek.connections import ConnectionProblem, ConnectionRow, State
from dagboek.database import Database
from dagboek.logins import LoginProblem, LoginSecrets
from dagboek.plugins import Plugins, UnknownPlugin
from dagboek.tenants import Entity, Tenant, ensure_entity, ensure_tenant
from dagboek.vault import Vault, new_key
from dagboek_schemas.documents import Document, Party
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component
from dagboek_sdk.accounting import About, AccountingPlugin, Administration, Lists, MappingContext, Row
from dagboek_sdk.attempt import Accepted, Attempt, Booked, Booking
from dagboek_sdk.errors import LoginBroken, Throttled, ToolError
from dagboek_sdk.hooks import hookimpl
from dagboek_sdk.http import new_session
from dagboek_sdk.limits import Limit, Window
from dagboek_sdk.settings import ConnectionSettings, LedgerRule, Side, VatCode, VatKey
from pydantic import BaseModel, SecretStr


class ToolSettings(BaseModel):
    base_url: str = "https://books.example/v1"
    user: str
    password: SecretStr


NORTH = Administration("11", "North books", domain="group")
SOUTH = Administration("12", "South books")


class MemoryTool(AccountingPlugin):
    about = About(
        name="memory",
        title="Memory Books",
        countries=frozenset({"BE"}),
        components=(Component.SALES_INVOICES,),
        settings=ToolSettings,
    )
    password: ClassVar[str] = "right horse"
    reads: ClassVar[int] = 0

    @classmethod
    def limits(cls, settings: Any, administration: str, domain: str) -> Sequence[Limit]:
        return [Limit(f"memory:{administration}", "lists", 3, Window.DAY)]

    async def administrations(self) -> Sequence[Administration]:
        if self.link.settings.password.get_secret_value() != self.password:
            raise LoginBroken(tool_words="wrong password")
        return [NORTH, SOUTH, Administration("13", "Old books", disabled=True)]

    async def lists(self) -> Lists:
        await self.link.permits.take("lists")
        type(self).reads += 1
        return {
            "journals": (
                Row("V1", "Sales", kind="sales"),
                Row("V2", "Credit notes", kind="sales"),
                Row("V9", "Old sales", kind="sales", active=False),
                Row("A1", "Purchases", kind="purchase"),
            ),
            "ledger_accounts": (Row("700000", "Turnover"), Row("709000", "Discounts")),
            "vat_codes": (
                Row("21", "21 %", kind="sales", rate=Decimal(21)),
                Row("I21", "21 %", kind="purchase", rate=Decimal(21)),
            ),
        }

    def map_party(self, party: Party, component: Component, context: MappingContext) -> Booking:
        raise NotImplementedError

    def map_document(self, document: Document, component: Component, context: MappingContext) -> Booking:
        raise NotImplementedError

    async def push(self, attempt: Attempt) -> Booked | Accepted:
        raise NotImplementedError

    def classify(self, answer: Any) -> ToolError | None:
        return None


class MemoryHooks:
    """What a plugin distribution registers."""

    @hookimpl
    def dagboek_accounting_plugins(self) -> Sequence[type[AccountingPlugin]]:
        return [MemoryTool]


GIVEN = {"user": "clerk", "password": "right horse"}
SETTINGS = ConnectionSettings(
    sales=Side(
        invoice_journal="V1",
        credit_note_journal="V2",
        vat_codes=(VatCode(key=VatKey(rate=Decimal(21)), code="21"),),
        ledger_accounts=(LedgerRule(account="700000"),),
        discount_account="709000",
    )
)


class World:
    """A database with two tenants, and a tool."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.vault = Vault([new_key()])
        self.plugins = Plugins(entry_points=False)

        self.plugins.register(MemoryHooks(), "memory")
        self.tenant: Tenant
        self.entity: Entity

    async def connect(self, entity: Entity | None = None, given: dict[str, str] = GIVEN) -> connections.Connecting:
        entity = entity or self.entity
        return await connections.connect(
            self.db,
            self.plugins,
            self.vault,
            tenant_id=entity.tenant_id,
            entity_id=entity.id,
            plugin="memory",
            given=given,
        )

    async def choose(self, connection_id: UUID, chosen: Administration = NORTH) -> ConnectionRow:
        return await connections.choose_administration(self.db, self.plugins, self.vault, connection_id, chosen)

    async def connected(self, entity: Entity | None = None, chosen: Administration = NORTH) -> ConnectionRow:
        row = await self.choose((await self.connect(entity)).connection_id, chosen)
        tool = await self.open(row.id)
        await contexts.refresh(self.db, row.id, tool)
        await tool.close()
        return row

    async def open(self, connection_id: UUID) -> AccountingPlugin:
        return await connections.open_tool(self.db, self.plugins, self.vault, connection_id)

    async def save(self, connection_id: UUID, settings: ConnectionSettings) -> list[str]:
        problems = await connections.save_settings(self.db, self.plugins, connection_id, settings)
        return [problem.field for problem in problems]


@pytest.fixture
async def world(database_url: str) -> AsyncIterator[World]:
    database.migrate(database_url)
    async with Database(database_url, size=4) as db:
        made = World(db)
        made.tenant = await ensure_tenant(db, "North")
        made.entity = await ensure_entity(db, made.tenant.id, "North Trading", vat_number="BE 0403.019.261")
        yield made


async def test_from_credentials_to_connected(world: World) -> None:
    begun = await world.connect()
    assert [one.id for one in begun.administrations] == ["11", "12", "13"]
    assert (await connections.find(world.db, begun.connection_id)).state is State.CONNECTING
    row = await world.choose(begun.connection_id)
    assert (row.state, row.tool_id, row.host, row.administration_name) == (
        State.CONFIGURATION_NEEDED,
        "11",
        "books.example",
        "North books",
    )
    tool = await world.open(row.id)
    assert (tool.link.administration, tool.link.domain) == ("11", "group")
    await contexts.refresh(world.db, row.id, tool)
    await tool.close()
    assert await world.save(row.id, SETTINGS) == []
    found = await connections.find(world.db, row.id)
    assert found.state is State.CONNECTED
    assert found.settings == SETTINGS
    version, context = await contexts.current(world.db, row.id)
    assert (version, context.settings) == (2, SETTINGS)


async def test_wrong_credentials_leave_nothing_behind(world: World) -> None:
    with pytest.raises(LoginBroken):
        await world.connect(given={"user": "clerk", "password": "wrong"})
    assert await world.db.all("SELECT id FROM login UNION ALL SELECT id FROM connection") == []


async def test_wrong_credentials_do_not_replace_good_ones(world: World) -> None:
    row = await world.connected()
    with pytest.raises(LoginBroken):
        await world.connect(given={"user": "clerk", "password": "wrong"})
    tool = await world.open(row.id)
    assert len(await tool.administrations()) == 3
    await tool.close()


async def test_settings_of_the_wrong_shape_are_all_named_and_never_shown(world: World) -> None:
    with pytest.raises(LoginProblem) as refused:
        await world.connect(given={"pasword": "top secret", "base_url": "https://books.example"})
    text = str(refused.value)
    assert "pasword: there is no such setting" in text
    assert "user: is missing" in text and "password: is missing" in text
    assert "top secret" not in text


async def test_a_missing_plugin_is_named(world: World) -> None:
    with pytest.raises(UnknownPlugin, match="memry"):
        await connections.connect(
            world.db,
            world.plugins,
            world.vault,
            tenant_id=world.tenant.id,
            entity_id=world.entity.id,
            plugin="memry",
            given=GIVEN,
        )


async def test_no_secret_is_readable_in_the_database(world: World, database_url: str) -> None:
    row = await world.connected()
    await LoginSecrets(world.db, world.vault, row.login_id).save("login", "token-of-today", datetime.now(UTC))
    stored = await world.db.all("SELECT settings AS value FROM login UNION ALL SELECT value FROM login_token")
    assert len(stored) == 2
    assert not any(b"horse" in one["value"] or b"token-of-today" in one["value"] for one in stored)


async def test_an_unfinished_connection_is_taken_up_again(world: World) -> None:
    assert (await world.connect()).connection_id == (await world.connect()).connection_id


async def test_deleted_and_added_again_keeps_the_administration(world: World) -> None:
    first = await world.connected()
    said = await connections.delete_connection(world.db, first.id)
    assert any("not booked twice" in sentence for sentence in said)
    with pytest.raises(ConnectionProblem, match="deleted"):
        await connections.find(world.db, first.id)
    second = await world.connected()
    assert second.id != first.id
    assert second.administration_id == first.administration_id


async def test_credentials_go_with_the_last_connection(world: World) -> None:
    first = await world.connected()
    other = await ensure_entity(world.db, world.tenant.id, "North Services", vat_number="BE0403170701")
    second = await world.connected(other, SOUTH)
    assert "kept" in (await connections.delete_connection(world.db, first.id))[-1]
    assert "deleted" in (await connections.delete_connection(world.db, second.id))[-1]
    row = await world.db.one("SELECT settings FROM login")
    assert row is not None and row["settings"] == b""


async def test_a_connection_with_an_open_run_is_not_deleted(world: World) -> None:
    row = await world.connected()
    await world.db.run(
        """INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger)
           VALUES (%s, %s, %s, %s, %s, 'manual')""",
        uuid4(),
        row.tenant_id,
        row.entity_id,
        row.id,
        row.administration_id,
    )
    with pytest.raises(ConnectionProblem, match="cancel"):
        await connections.delete_connection(world.db, row.id)
    await world.db.run("UPDATE run SET state = 'ended'")
    assert await connections.delete_connection(world.db, row.id)


async def test_the_same_books_under_a_second_tenant_are_refused_unless_shared(world: World) -> None:
    await world.connected()
    tenant = await ensure_tenant(world.db, "Elsewhere")
    entity = await ensure_entity(world.db, tenant.id, "Elsewhere Ltd", vat_number="BE0404483367")
    begun = await world.connect(entity)
    with pytest.raises(ConnectionProblem, match="another tenant") as refused:
        await world.choose(begun.connection_id)
    assert world.tenant.name not in str(refused.value).replace("North books", "")
    assert await administrations.share(world.db, "memory", "11") == 1
    row = await world.choose(begun.connection_id)
    assert row.administration_id != (await connections.listed(world.db, world.tenant.id))[0].administration_id


async def test_two_entities_share_one_administration(world: World) -> None:
    other = await ensure_entity(world.db, world.tenant.id, "North Services", vat_number="BE0403170701")
    first, second = await world.connected(), await world.connected(other)
    assert first.id != second.id
    assert first.administration_id == second.administration_id


async def test_connecting_again_repairs_the_connection_that_is_there(world: World) -> None:
    row = await world.connected()
    await world.save(row.id, SETTINGS)
    async with world.db.transaction() as connection:
        await connections.break_login(connection, row.id, Issue(code="B08"))
    assert (await connections.find(world.db, row.id)).state is State.RECONNECT
    again = await world.choose((await world.connect()).connection_id)
    assert (again.id, again.state) == (row.id, State.CONNECTED)
    assert len(await connections.listed(world.db)) == 1


async def test_another_user_takes_over_a_broken_connection(world: World) -> None:
    row = await world.connected()
    await world.save(row.id, SETTINGS)
    async with world.db.transaction() as connection:
        await connections.break_login(connection, row.id, Issue(code="B08"))
    begun = await world.connect(given={"user": "successor", "password": "right horse"})
    again = await world.choose(begun.connection_id)
    assert (again.id, again.state, again.tool_user) == (row.id, State.CONNECTED, "successor@books.example")
    assert len(await connections.listed(world.db)) == 1


async def test_books_disabled_in_the_tool_cannot_be_chosen(world: World) -> None:
    begun = await world.connect()
    with pytest.raises(ConnectionProblem, match="disabled"):
        await world.choose(begun.connection_id, begun.administrations[2])


async def test_country_and_currency_are_those_of_the_books(world: World) -> None:
    abroad = await ensure_entity(world.db, world.tenant.id, "Utrecht BV", vat_number="NL004495445B01")
    assert abroad.country == "NL"
    row = await world.choose((await world.connect(abroad)).connection_id)
    assert (row.settings.country, row.settings.currency) == ("BE", "EUR")  # the tool keeps Belgian books only
    other = Administration("12", "South books", country="LU", currency="USD")
    row = await world.choose((await world.connect(abroad)).connection_id, other)
    assert (row.settings.country, row.settings.currency) == ("LU", "USD")


async def test_two_that_choose_the_same_books_at_once_get_one_administration(world: World) -> None:
    other = await ensure_entity(world.db, world.tenant.id, "North Services", vat_number="BE0403170701")
    begun = [await world.connect(), await world.connect(other)]
    found = await asyncio.gather(*(world.choose(one.connection_id) for one in begun), return_exceptions=True)
    rows = await world.db.all("SELECT id FROM administration")
    assert len(rows) == 1
    for one in found:
        assert isinstance(one, ConnectionRow) or "Try again" in str(one)


@pytest.mark.parametrize(
    ("settings", "field", "words"),
    [
        (Side(invoice_journal="V7", credit_note_journal="V2"), "sales.invoice_journal", "no journal V7"),
        (Side(invoice_journal="A1", credit_note_journal="V2"), "sales.invoice_journal", "for purchase"),
        (Side(invoice_journal="V9", credit_note_journal="V2"), "sales.invoice_journal", "closed or inactive"),
        (Side(discount_account="1"), "sales.discount_account", "no ledger account 1"),
        (Side(ledger_accounts=(LedgerRule(account="2"),)), "sales.ledger_accounts[0]", "no ledger account 2"),
        (
            Side(ledger_accounts=(LedgerRule(account="700000"), LedgerRule(account="709000"))),
            "sales.ledger_accounts[1]",
            "says again",
        ),
        (Side(vat_codes=(VatCode(key=VatKey(rate=Decimal(21)), code="I21"),)), "sales.vat_codes[0]", "for purchase"),
        (Side(vat_codes=(VatCode(key=VatKey(rate=Decimal(21)), code="X"),)), "sales.vat_codes[0]", "no VAT code X"),
    ],
)
async def test_settings_that_the_tool_would_refuse_are_named_and_not_stored(
    world: World, settings: Side, field: str, words: str
) -> None:
    row = await world.connected()
    wanted = ConnectionSettings(sales=settings)
    (problem,) = await connections.save_settings(world.db, world.plugins, row.id, wanted)
    assert problem.field == field
    assert words in problem.message
    assert (await connections.find(world.db, row.id)).settings == ConnectionSettings()


async def test_half_a_side_is_stored_but_not_enough(world: World) -> None:
    row = await world.connected()
    assert await world.save(row.id, ConnectionSettings(sales=Side(invoice_journal="V1"))) == []
    assert (await connections.find(world.db, row.id)).state is State.CONFIGURATION_NEEDED


async def test_settings_before_the_lists_say_what_to_do(world: World) -> None:
    row = await world.choose((await world.connect()).connection_id)
    with pytest.raises(contexts.NoContext, match="settings refresh"):
        await world.save(row.id, SETTINGS)


async def test_many_tools_in_one_go_and_a_bad_one_holds_up_nobody(world: World) -> None:
    good = await world.connected()
    other = await ensure_entity(world.db, world.tenant.id, "North Services", vat_number="BE0403170701")
    begun = await world.connect(other, {"user": "second", "password": "right horse"})
    bad = await world.choose(begun.connection_id, SOUTH)
    await world.db.run("UPDATE login SET settings = %s WHERE id = %s", b"not encrypted by us", bad.login_id)
    nobody = uuid4()
    session = new_session(5.0)
    opened = await connections.open_tools(
        world.db, world.plugins, world.vault, [good.id, bad.id, nobody], session=session
    )
    assert opened.tools.keys() == {good.id}
    assert opened.unusable.keys() == {bad.id, nobody}
    assert "not encrypted by us" not in str(opened.unusable[bad.id])
    assert opened.tools[good.id].client.session is session
    await opened.close()
    assert not session.closed  # it may serve others
    await session.close()


async def test_tools_have_the_limits_of_their_books(world: World) -> None:
    row = await world.connected()
    tool = await world.open(row.id)
    await tool.lists()
    await tool.lists()
    with pytest.raises(Throttled):
        await tool.lists()
    await tool.close()


async def test_lists_of_the_same_books_are_not_read_twice(world: World) -> None:
    await world.connected()
    other = await ensure_entity(world.db, world.tenant.id, "North Services", vat_number="BE0403170701")
    row = await world.choose((await world.connect(other)).connection_id)
    tool = await world.open(row.id)
    before = MemoryTool.reads
    assert await contexts.refresh(world.db, row.id, tool, older_than=timedelta(hours=1)) == 1
    assert MemoryTool.reads == before
    _, context = await contexts.current(world.db, row.id)
    assert context.lists["vat_codes"][0].rate == Decimal(21)
    await tool.close()


async def test_queries_are_scoped_by_tenant(world: World) -> None:
    row = await world.connected()
    with pytest.raises(ConnectionProblem):
        await connections.find(world.db, row.id, tenant_id=uuid4())
    with pytest.raises(ConnectionProblem):
        await connections.delete_connection(world.db, row.id, tenant_id=uuid4())
    assert await connections.listed(world.db, uuid4()) == []


def test_secrets_of_settings_are_known_for_striking_out() -> None:
    settings = ToolSettings(user="clerk", password=SecretStr("right horse"))
    assert logins.secrets_of(settings) == {"right horse"}
    assert logins.names_of_secrets(ToolSettings) == ["password"]
    assert logins.host_of(settings) == "books.example"
