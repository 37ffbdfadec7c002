"""A database that is one of an earlier time is noticed by its first connection, or by what is ahead of it."""

import re
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from dagboek import stamp
from dagboek.commands import CommandReader
from dagboek.database import Database, connect
from dagboek.embedded import Services
from dagboek.lanes import take_lane
from dagboek_schemas.events import ContinueSync, StartSync
from dagboek_schemas.statuses import Trigger
from psycopg import sql
from psycopg.conninfo import make_conninfo
from push_books import Books, migrated


@pytest.fixture
async def database(services: Services) -> AsyncIterator[Database]:
    async with migrated(services) as db:
        yield db


@asynccontextmanager
async def copy_of(services: Services, books: Books) -> AsyncIterator[Database]:
    """The database as it is now, under another name; the original has no connections meanwhile."""
    name = f"copy_{secrets.token_hex(6)}"
    before = books.db.url.rpartition("/")[2].partition("?")[0]
    await books.db.close()
    await books.connection.close()
    with psycopg.connect(services.database_url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(before)))
    try:
        async with Database(re.sub(r"/[^/?]*(\?.*)?$", rf"/{name}\1", services.database_url), size=2) as db:
            yield db
    finally:
        with psycopg.connect(services.database_url, autocommit=True) as server:
            server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


async def row_of(db: Database, query: str, *given: Any) -> dict[str, Any]:
    row = await db.one(query, *given)
    assert row is not None
    return row


async def suspects(db: Database) -> int:
    row = await row_of(db, "SELECT count(*) AS number FROM administration WHERE suspect_since IS NOT NULL")
    return int(row["number"])


async def test_a_copy_is_noticed_by_its_first_connection_and_shares_no_number_with_what_was_lost(
    services: Services, books: Books
) -> None:
    (link,) = await books.links()
    epoch = books.epoch
    await books.db.run("UPDATE run SET window_no = 3, published_at = now(), window_offset = 7 WHERE id = %s", books.run)
    await books.db.run("UPDATE stamp SET seen_at = now() - interval '1 hour'")
    before = await row_of(books.db, "SELECT * FROM administration")

    async with copy_of(services, books) as copy:
        row = await row_of(copy, "SELECT * FROM administration")
        noticed = await row_of(copy, "SELECT * FROM stamp")
        made = await row_of(
            copy,
            """INSERT INTO link (tenant_id, administration_id, identity, kind, link_no)
               VALUES (%s, %s, 'd1:new', 'document', %s) RETURNING id""",
            books.tenant,
            books.administration,
            row["next_link_no"],
        )
        async with copy.connection() as connection:
            taken = await take_lane(connection, books.administration, "1", uuid4())
        run = await row_of(copy, "SELECT * FROM run")

        assert row["suspect_since"] < datetime.now(UTC) - timedelta(hours=1)
        assert noticed["since"] == row["suspect_since"]
        assert "it was database" in noticed["proof"]
        assert row["next_link_no"] >= before["next_link_no"] + stamp.NUMBERS
        assert made["id"] > link + 1_000_000
        assert taken.epoch > epoch + 1_000
        assert run["generation"] > 1_000
        assert (run["state"], run["window_no"], run["published_at"]) == ("active", 0, None)
        async with Database(copy.url, size=1) as again:
            assert (await row_of(again, "SELECT noticed_at FROM stamp"))["noticed_at"] == noticed["noticed_at"]


async def test_the_same_database_is_not_suspect(books: Books) -> None:
    for _ in range(2):
        await (await connect(books.db.url)).close()
    assert await suspects(books.db) == 0
    assert await row_of(books.db, "SELECT noticed_at, unchecked FROM stamp") == {"noticed_at": None, "unchecked": False}


@pytest.mark.parametrize(("column", "value"), [("system", "'1'"), ("timeline", "'00000000'"), ("database", "1")])
async def test_another_server_timeline_or_database_is_noticed(books: Books, column: str, value: str) -> None:
    """As after a dump is loaded elsewhere, a replica was promoted, or a copy took the name."""
    await books.db.run(f"UPDATE stamp SET {column} = {value}")
    await (await connect(books.db.url)).close()
    assert await suspects(books.db) == 1


async def test_a_restart_of_the_server_proves_nothing_and_is_to_be_checked(books: Books) -> None:
    await books.db.run("UPDATE stamp SET started_at = started_at - interval '1 day'")
    await (await connect(books.db.url)).close()
    assert await suspects(books.db) == 0
    assert (await row_of(books.db, "SELECT unchecked FROM stamp"))["unchecked"]


async def test_who_may_only_read_gets_in(services: Services, books: Books) -> None:
    role = f"reader_{secrets.token_hex(4)}"
    with psycopg.connect(books.db.url, autocommit=True) as server:
        server.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD {}").format(sql.Identifier(role), sql.Literal(role)))
        server.execute(sql.SQL("GRANT SELECT ON stamp TO {}").format(sql.Identifier(role)))
    await books.db.run("UPDATE stamp SET timeline = '00000000'")
    try:
        connection = await connect(make_conninfo(books.db.url, user=role, password=role))
        found = await connection.execute("SELECT current_user AS it, timeline FROM stamp")
        assert await found.fetchone() == {"it": role, "timeline": "00000000"}
        await connection.close()
    finally:
        with psycopg.connect(books.db.url, autocommit=True) as server:
            server.execute(sql.SQL("DROP OWNED BY {}").format(sql.Identifier(role)))
            server.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(role)))


@pytest.mark.parametrize(
    ("generation", "window", "lost"), [(2, 3, False), (1, 9, False), (2, 4, True), (3, 1, True), (0, 0, False)]
)
async def test_an_event_ahead_of_its_run_proves_it(books: Books, generation: int, window: int, lost: bool) -> None:
    await books.db.run("UPDATE run SET generation = 2, window_no = 3 WHERE id = %s", books.run)
    assert await stamp.ahead(books.db, books.run, generation, window, datetime.now(UTC)) is lost
    assert await suspects(books.db) == lost


async def test_an_event_of_a_run_that_is_not_there_proves_it_once(books: Books) -> None:
    lost, told = uuid4(), datetime.now(UTC)
    assert await stamp.ahead(books.db, lost, 1, 1, told)
    assert not await stamp.ahead(books.db, uuid4(), 1, 1, told - timedelta(seconds=1))  # lost at the same time
    assert await stamp.ahead(books.db, lost, 1, 1, datetime.now(UTC) + timedelta(seconds=1))  # once more


class Planner:
    def __init__(self, db: Database) -> None:
        self.db = db
        self.asked: list[Any] = []

    async def start(self, *given: Any) -> None:
        self.asked.append(given)

    publish_window = start


@pytest.mark.parametrize("lost", [True, False])
async def test_a_command_ahead_of_the_database_proves_it(services: Services, books: Books, lost: bool) -> None:
    planner = Planner(books.db)
    reader = CommandReader(services.kafka_bootstrap, "x", planner, None, {})  # type: ignore[arg-type]
    given = {"run_id": books.run, "administration_id": books.administration}
    await reader._plan(ContinueSync(**given, generation=1, window=1 if lost else 0), datetime.now(UTC))
    assert await suspects(books.db) == lost
    assert len(planner.asked) == 1


async def test_a_command_of_a_run_that_is_not_there_proves_it(services: Services, books: Books) -> None:
    reader = CommandReader(services.kafka_bootstrap, "x", Planner(books.db), None, {})  # type: ignore[arg-type]
    given: dict[str, Any] = dict.fromkeys(("run_id", "tenant_id", "connection_id", "administration_id"), uuid4())
    await reader._plan(StartSync(**given, trigger=Trigger.MANUAL), datetime.now(UTC))
    assert await suspects(books.db) == 1


async def test_an_old_event_of_a_run_that_was_dropped_for_its_age_proves_nothing(books: Books) -> None:
    assert not await stamp.ahead(books.db, uuid4(), 1, 1, datetime.now(UTC) - timedelta(days=6))


async def test_an_outcome_of_an_attempt_that_was_never_made_proves_it(books: Books) -> None:
    (link,) = await books.links()
    await books.intend(books.intent(link))
    async with books.db.connection() as connection:
        assert not await stamp.outcome_ahead(connection, link, 1)
        assert await stamp.outcome_ahead(connection, link, 2)
        assert not await stamp.outcome_ahead(connection, link, 2)  # noticed already


async def test_the_suspicion_reaches_back_to_when_the_database_of_before_was_last_written(books: Books) -> None:
    """The core has written since it was put back; that nothing was written for an hour before that tells the time."""
    await books.db.run("UPDATE stamp SET seen_at = now() - interval '1 hour'")
    await stamp.alive(books.db)
    await stamp.alive(books.db)
    await stamp.ahead(books.db, uuid4(), 1, 1, datetime.now(UTC))
    since = (await row_of(books.db, "SELECT since FROM stamp"))["since"]
    assert timedelta(hours=1) < datetime.now(UTC) - since < timedelta(hours=2)


async def test_a_suspicion_ends_only_for_what_was_known_when_it_was_compared(books: Books) -> None:
    (free,), (booked,) = await books.links(), await books.links(state="booked", attempt=1)
    await books.db.run(
        """INSERT INTO series (administration_id, key, next_number, open_link)
           VALUES (%s, 's', 5, NULL), (%s, 'h', 5, %s)""",
        books.administration,
        books.administration,
        free,
    )
    async with books.db.connection() as connection:
        await stamp.suspect(connection, "first")
        first = (await row_of(books.db, "SELECT noticed_at FROM stamp"))["noticed_at"]
        await stamp.suspect(connection, "second")
        second = (await row_of(books.db, "SELECT noticed_at FROM stamp"))["noticed_at"]

        assert not await stamp.cleared(connection, books.administration, first, {})
        assert await suspects(books.db) == 1
        assert await stamp.cleared(connection, books.administration, second, {"s": 41, "h": 41})

    assert await suspects(books.db) == 0
    numbers = await books.db.all("SELECT key, next_number FROM series ORDER BY key")
    assert [(row["key"], row["next_number"]) for row in numbers] == [("h", 5), ("s", 42)]
    assert (await books.link(free))["attempt"] > 100
    assert (await books.link(booked))["attempt"] == 1
