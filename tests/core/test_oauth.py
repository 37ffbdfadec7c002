"""Logins by consent, on a real database and a real server: one chain of tokens per user, none lost, none used twice."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import psycopg
import pytest
from consent_books import ConsentHooks, ConsentServer, ConsentTool, consent_server
from dagboek import connections, consent, database
from dagboek.connections import ConnectionProblem, State
from dagboek.database import Database
from dagboek.embedded import Services
from dagboek.keep_alive import keep_alive
from dagboek.logins import BelongsToAnother, LoginSecrets
from dagboek.plugins import Plugins
from dagboek.service import CoreService
from dagboek.settings import Settings
from dagboek.tenants import Entity, ensure_entity, ensure_tenant
from dagboek.topics import ensure_topics
from dagboek.vault import Vault, new_key
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock
from dagboek_sdk.attempt import Attempt, Booking, Op
from dagboek_sdk.errors import LoginBroken, Throttled, TokenRefused, ToolUnavailable
from dagboek_sdk.limits import Limit, Window
from dagboek_sdk.oauth import GROUP


class World:
    """A database, a server, and a clock for both that can be moved."""

    def __init__(self, db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
        self.db, self.vault, self.plugins = db, Vault([new_key()]), Plugins(entry_points=False)
        self.plugins.register(ConsentHooks(), "consented")
        self.server: ConsentServer
        self.moved = timedelta(0)
        monkeypatch.setattr(clock, "now", self.now)

    def now(self) -> datetime:
        return datetime.now(UTC) + self.moved

    def later(self, seconds: float) -> None:
        self.moved += timedelta(seconds=seconds)

    async def entity(self, name: str = "North", tenant: str | None = None) -> Entity:
        owner = await ensure_tenant(self.db, tenant or name)
        return await ensure_entity(self.db, owner.id, name, vat_number="BE0403019261")

    async def connect(self, entity: Entity, division: int = 0, **given: Any) -> UUID:
        begun = await connections.connect(
            self.db,
            self.plugins,
            self.vault,
            tenant_id=entity.tenant_id,
            entity_id=entity.id,
            plugin="consented",
            given={"base_url": self.server.url, "client_id": "app", "client_secret": "hush", **given},
            consent=consent.of_sandbox,
        )
        chosen = begun.administrations[division]
        row = await connections.choose_administration(self.db, self.plugins, self.vault, begun.connection_id, chosen)
        return row.id

    async def open(self, connection_id: UUID) -> ConsentTool:
        tool = await connections.open_tool(self.db, self.plugins, self.vault, connection_id)
        assert isinstance(tool, ConsentTool)
        return tool

    async def works(self, connection_id: UUID) -> bool:
        tool = await self.open(connection_id)
        try:
            return bool(await tool.administrations())
        finally:
            await tool.close()

    async def count(self, table: str) -> int:
        row = await self.db.one(f"SELECT count(*) AS number FROM {table}")
        assert row is not None
        return int(row["number"])


@pytest.fixture
async def world(database_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[World]:
    database.migrate(database_url)
    async with Database(database_url, size=4) as db:
        made = World(db, monkeypatch)
        async with consent_server(now=made.now) as made.server:
            yield made


# connecting


async def test_one_login_serves_all_books_of_its_user(world: World) -> None:
    entity = await world.entity()
    first = await world.connect(entity, 0)
    second = await world.connect(entity, 1)
    rows = await connections.listed(world.db)
    assert {row.id for row in rows} == {first, second}
    assert len({row.login_id for row in rows}) == 1
    assert {row.tool_user for row in rows} == {"Ann"}
    assert {row.tool_id for row in rows} == {"11", "12"}
    assert await world.works(first) and await world.works(second)
    world.server.user = "bea"
    await world.connect(await world.entity("South", "North"), 0)
    assert await world.count("login") == 2


async def test_more_books_of_one_user_need_no_other_consent(world: World) -> None:
    entity, given = await world.entity(), {"base_url": world.server.url, "client_id": "app", "client_secret": "hush"}

    async def again(**changed: str) -> connections.Tried | None:
        return await connections.try_again(
            world.db, world.plugins, world.vault, entity.tenant_id, "consented", {**given, **changed}
        )

    assert await again() is None
    row = await world.connect(entity, 0)
    chain = world.server.chains["ann"]
    tried = await again()
    assert tried is not None
    begun = await connections.begin(world.db, world.vault, tried, entity.tenant_id, entity.id)
    assert begun != row
    assert world.server.chains["ann"] is chain
    assert len({one.login_id for one in await connections.listed(world.db)}) == 1
    assert await again(client_id="other") is None
    assert await again(call_deadline="7") is None  # other settings are stored with a consent
    world.server.dead.add(chain.access)
    assert await again() is None
    await world.connect(entity, 0)
    world.server.user = "bea"
    await world.connect(await world.entity("South", "North"), 1)
    assert await again() is None  # which of the two?


async def test_calls_for_tokens_are_limited_for_each_login(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    limits = staticmethod(lambda *_: [Limit("app", GROUP, 1, Window.DAY)])
    monkeypatch.setattr(ConsentTool, "limits", limits)
    rows = [await world.connect(await world.entity("North"), 0)]
    world.server.user = "bea"
    rows.append(await world.connect(await world.entity("South"), 1))
    world.later(700)
    for row in rows:
        assert await world.works(row)
    world.later(700)
    with pytest.raises(Throttled):
        await world.works(rows[0])
    await world.db.run("UPDATE limit_use SET used = 0")
    assert await world.works(rows[0])  # nothing was sent, and nothing is waited for
    assert world.server.renewals == ["given"] * 3


async def test_a_user_of_another_tenant_is_refused_and_that_one_goes_on(world: World) -> None:
    theirs = await world.connect(await world.entity("North"))
    ours = await world.entity("South")
    before = await world.count("connection"), await world.count("login")
    with pytest.raises(BelongsToAnother, match="another user"):
        await world.connect(ours)
    assert (await world.count("connection"), await world.count("login")) == before
    # The consent has ended the tokens of the other tenant's login: it has the new ones.
    world.later(700)
    assert await world.works(theirs)
    assert world.server.renewals == ["given"]
    # Another app of theirs has a chain of its own, and so has the same user once the other tenant is gone.
    await world.connect(ours, 1, client_id="other")
    await connections.delete_connection(world.db, theirs)
    await world.db.run("UPDATE administration SET shared = true")
    await world.connect(await world.entity("West"))


async def test_two_tenants_that_connect_one_user_at_once(world: World) -> None:
    """The second is refused by the database, where it looked before the first was stored."""
    given = {"base_url": world.server.url, "client_id": "app", "client_secret": "hush"}
    tried = [
        await connections.try_login(world.db, world.plugins, "consented", given, consent.of_sandbox) for _ in range(2)
    ]
    entities = [await world.entity("North"), await world.entity("South")]
    answers = await asyncio.gather(
        *(
            connections.begin(world.db, world.vault, one, entity.tenant_id, entity.id)
            for one, entity in zip(tried, entities, strict=True)
        ),
        return_exceptions=True,
    )
    assert [type(one) for one in answers].count(BelongsToAnother) == 1
    assert await world.count("login") == 1


async def test_connecting_again_makes_a_broken_login_whole(world: World) -> None:
    entity = await world.entity()
    row = await world.connect(entity)
    world.server.chains.clear()
    world.later(700)
    with pytest.raises(LoginBroken) as ended:
        await world.works(row)
    async with world.db.transaction() as connection:
        await connections.break_login(connection, row, ended.value.issue)
    broken = await connections.find(world.db, row)
    assert broken.state is not State.CONNECTED
    assert broken.broken is not None and broken.broken.facts["login_end"] == "ended"
    assert await world.connect(entity) == row
    assert (await connections.find(world.db, row)).broken is None
    assert await world.works(row)


async def test_who_has_not_consented_is_told_where_that_is_done(world: World) -> None:
    with pytest.raises(ConnectionProblem, match="browser"):
        await connections.try_login(
            world.db,
            world.plugins,
            "consented",
            {"base_url": world.server.url, "client_id": "app", "client_secret": "hush"},
        )
    with pytest.raises(LoginBroken) as wrong:
        await world.connect(await world.entity(), client_secret="loud")
    assert wrong.value.issue.facts["login_end"] == "app"
    assert await world.count("login") == 0


async def test_nothing_of_a_token_is_readable_or_recorded(world: World) -> None:
    row = await world.connect(await world.entity())
    recorded: list[Any] = []
    tool = await connections.open_tool(world.db, world.plugins, world.vault, row, record=recorded.append)
    world.later(700)
    world.server.faults = ["lose"]
    refresh = world.server.chains["ann"].refresh
    with pytest.raises(ToolUnavailable):
        await tool.prepare()
    await tool.close()
    assert len(recorded) == 1
    assert not any(secret in str(recorded) for secret in (refresh, "hush"))
    stored = await world.db.all("SELECT value FROM login_token UNION ALL SELECT settings FROM login")
    chain = world.server.chains["ann"]
    for secret in (chain.refresh, chain.access, refresh, "hush"):
        assert not any(secret.encode() in bytes(one["value"]) for one in stored)


# renewing


async def test_a_token_is_used_until_its_last_seconds_and_renewed_once_for_all(world: World) -> None:
    row = await world.connect(await world.entity())
    tools = [await world.open(row) for _ in range(6)]
    world.later(585)
    await asyncio.gather(*(tool.administrations() for tool in tools))
    assert world.server.renewals == []
    world.later(7)
    await asyncio.gather(*(tool.administrations() for tool in tools))
    assert world.server.renewals == ["given"]
    assert world.server.overlaps == 0
    for tool in tools:
        await tool.close()


async def test_after_a_failed_renewal_nobody_asks_for_a_while(world: World) -> None:
    row = await world.connect(await world.entity())
    world.later(700)
    world.server.faults = ["500", "page"]
    for waits in (60, 120):
        for _ in range(3):
            with pytest.raises(ToolUnavailable) as away:
                await world.works(row)
        assert away.value.until is not None
        assert timedelta(seconds=waits - 30) < away.value.until - world.now() <= timedelta(seconds=waits)
        world.later(waits + 1)
    assert world.server.renewals == ["500", "page"]
    assert await world.works(row)  # with the old token, which was not used up
    assert world.server.renewals == ["500", "page", "given"]


@pytest.mark.parametrize("lenient", [True, False])
async def test_after_a_lost_answer_the_old_token_is_tried_once(world: World, lenient: bool) -> None:
    world.server.lenient = lenient
    row = await world.connect(await world.entity())
    world.later(700)
    world.server.faults = ["lose"]
    with pytest.raises(ToolUnavailable):
        await world.works(row)
    world.later(61)
    if lenient:
        assert await world.works(row)
        assert world.server.renewals == ["given", "repaired"]
        return
    for _ in range(3):
        with pytest.raises(LoginBroken) as ended:
            await world.works(row)
        assert (ended.value.issue.code, ended.value.issue.facts["login_end"]) == ("B14", "lost")
        assert ended.value.tool_words == "Old refresh token used."
        world.later(4000)
    assert world.server.renewals == ["given", "old"]  # and nobody asks again


async def test_what_was_asked_by_one_who_is_gone_is_waited_for(world: World) -> None:
    """A process that has lost its database may still get its answer; no second renewal beside it."""
    row = await world.connect(await world.entity())
    world.later(700)
    tool = await world.open(row)
    world.server.faults = ["hang"]
    renewal = asyncio.create_task(tool.prepare())
    while not world.server.asking:
        await asyncio.sleep(0.005)
    await world.db.run(
        "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory' AND pid <> pg_backend_pid()"
    )
    async with Database(world.db.url, size=2) as theirs:  # another process, as far as locks go
        other = await connections.open_tool(theirs, world.plugins, world.vault, row)
        with pytest.raises(ToolUnavailable) as busy:
            await other.prepare()
        await other.close()
    assert busy.value.until is not None
    assert busy.value.until < world.now() + timedelta(seconds=15)
    await renewal
    assert await world.works(row)
    assert (world.server.overlaps, world.server.renewals) == (0, ["given"])
    await tool.close()


async def test_who_gives_up_waiting_loses_no_token(world: World) -> None:
    row = await world.connect(await world.entity())
    world.later(700)
    world.server.faults = ["hang"]
    tool = await world.open(row)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await tool.prepare()
    await tool.close()
    assert await world.works(row)
    assert world.server.renewals == ["given"]


async def test_a_pair_is_stored_as_soon_as_the_database_is_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    row = await world.connect(await world.entity())
    world.later(700)
    save, away = LoginSecrets.save, 2

    async def saved(self: LoginSecrets, name: str, value: str, until: datetime) -> None:
        nonlocal away
        if world.server.renewals and away:
            away -= 1
            raise psycopg.OperationalError("away")
        await save(self, name, value, until)

    monkeypatch.setattr(LoginSecrets, "save", saved)
    assert await world.works(row)
    assert away == 0
    world.later(700)
    assert await world.works(row)
    assert world.server.renewals == ["given", "given"]


async def test_a_token_that_is_not_taken_is_renewed_before_it_ends(world: World) -> None:
    """Where the tool's clock is ahead of ours."""
    row = await world.connect(await world.entity())
    world.server.now = lambda: world.now() + timedelta(seconds=650)
    assert await world.works(row)
    assert world.server.renewals == ["given"]


async def test_a_token_that_the_tool_calls_good_and_does_not_take(world: World) -> None:
    row = await world.connect(await world.entity())
    world.server.dead.add(world.server.chains["ann"].access)
    for _ in range(2):
        with pytest.raises(LoginBroken) as ended:
            await world.works(row)
        assert ended.value.issue.facts["login_end"] == "refused"
    assert world.server.renewals == ["early"]


async def test_a_token_that_was_not_taken_by_chance_goes_on(world: World) -> None:
    row = await world.connect(await world.entity())
    tool = await world.open(row)
    await tool.tokens.refuse(await tool.tokens.access(), TokenRefused())
    assert await tool.administrations()
    assert world.server.renewals == ["early"]
    world.later(700)
    assert await tool.administrations()
    assert world.server.renewals == ["early", "given"]
    await tool.close()


async def test_a_write_with_a_refused_token_frees_its_link(world: World) -> None:
    row = await world.connect(await world.entity())
    tool = await world.open(row)
    world.server.dead.add(world.server.chains["ann"].access)
    for error in (TokenRefused, LoginBroken):
        attempt = Attempt(1, 1, 1, Op.CREATE, "d1:1", ItemKind.DOCUMENT, Component.SALES_INVOICES, Booking({}))
        with pytest.raises(error):
            await tool.push(attempt.start(clock.boot_time()))
        assert isinstance(attempt.verdict, error)
    await tool.close()


# kept alive


async def test_a_login_that_nobody_uses_is_kept_alive(world: World) -> None:
    entity = await world.entity()
    await world.connect(entity, 0)
    await world.connect(entity, 1)
    assert await keep_alive(world.db, world.plugins, world.vault) == 0

    async def ago(days: float) -> None:
        world.later(700)
        await world.db.run("UPDATE login_token SET until = now() + (30 - %s) * interval '1 day'", days)

    await ago(9)
    assert await keep_alive(world.db, world.plugins, world.vault) == 0
    await ago(11)
    assert await keep_alive(world.db, world.plugins, world.vault) == 1
    assert world.server.renewals == ["given"]
    row = await world.db.one("SELECT until > now() + interval '29 days' AS fresh FROM login_token")
    assert row == {"fresh": True}
    assert await keep_alive(world.db, world.plugins, world.vault) == 0


async def test_what_cannot_be_kept_alive_says_why_and_waits_for_a_person(world: World) -> None:
    row = await world.connect(await world.entity())
    await world.db.run("UPDATE connection SET state = 'connected'")
    world.server.chains.clear()
    world.later(700)
    await world.db.run("UPDATE login_token SET until = now() + interval '1 day'")
    assert await keep_alive(world.db, world.plugins, world.vault) == 0
    found = await connections.find(world.db, row)
    assert found.state is State.RECONNECT
    assert found.broken is not None and found.broken.code == "B14"
    assert found.broken.tool_words == "Old refresh token used."
    assert await keep_alive(world.db, world.plugins, world.vault) == 0
    assert world.server.renewals == ["old"]


async def test_trouble_in_keeping_alive_is_no_reason_to_ask_a_person(world: World) -> None:
    row = await world.connect(await world.entity())
    world.later(700)
    world.server.faults = ["500"]
    await world.db.run("UPDATE login_token SET until = now() + interval '1 day'")
    assert await keep_alive(world.db, world.plugins, world.vault) == 0
    assert (await connections.find(world.db, row)).broken is None
    world.later(3600)
    await world.db.run("UPDATE login_token SET until = now() + interval '1 day'")
    assert await keep_alive(world.db, world.plugins, world.vault) == 1


async def test_the_core_keeps_logins_alive_as_soon_as_it_is_there(
    world: World, services: Services, topic_prefix: str, tmp_path: Path
) -> None:
    row = await world.connect(await world.entity())
    world.later(700)
    await world.db.run("UPDATE login_token SET until = now() + interval '1 day'")
    settings = Settings(
        topic_prefix=topic_prefix,
        partitions=1,
        data_dir=tmp_path,
        kafka_bootstrap=services.kafka_bootstrap,
        kafka_security=dict(services.kafka_security),
        database_url=world.db.url,
    )
    await asyncio.to_thread(ensure_topics, services.kafka_bootstrap, settings)
    addresses = SimpleNamespace(kafka_bootstrap=services.kafka_bootstrap, database_url=world.db.url)
    stop = asyncio.Event()
    core = asyncio.create_task(CoreService(settings, addresses, world.plugins, world.vault).run(stop))
    async with asyncio.timeout(60):
        while not world.server.renewals:
            await asyncio.sleep(0.05)
    stop.set()
    await core
    assert world.server.renewals == ["given"]
    assert await world.works(row)
