"""Trouble of the database that ends is waited for; what it would refuse again is not."""

import asyncio
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import psycopg
import pytest
from dagboek import database, migrations
from dagboek.database import AWAY, Connection, Database, StatementRefused, connect
from dagboek.doctor import newest_revision
from dagboek.push_record import AttemptOutcome, Group, Outcome, write
from psycopg_pool import AsyncConnectionPool
from push_books import Books

LONG = secrets.token_urlsafe(6000)
"""No index takes an id of this length."""


def test_what_is_refused_is_not_away() -> None:
    assert not issubclass(StatementRefused, AWAY)
    assert issubclass(StatementRefused, psycopg.Error)


async def test_a_value_that_no_index_takes_is_refused(books: Books) -> None:
    (link,) = await books.links()

    with pytest.raises(StatementRefused) as refused:
        await books.db.run("UPDATE link SET entry_id = %s WHERE id = %s", LONG, link)

    assert refused.value.sqlstate == "54000"


async def test_one_row_of_a_group_that_is_refused_is_told_as_that(books: Books) -> None:
    """The statements of a group go out at once, and those behind it fail because of it."""
    bad, good, other = await books.links(3)
    await books.intend(*(books.intent(link) for link in (bad, good)))
    came = [
        AttemptOutcome(link, 1, Outcome.BOOKED, entry_id=entry, entry_number="1")
        for link, entry in ((bad, LONG), (good, "e1"))
    ]

    with pytest.raises(StatementRefused):
        await write(books.connection, Group(outcomes=came, intents=[books.intent(other)]))

    assert not books.connection.closed
    await write(books.connection, Group(outcomes=came[1:], intents=[books.intent(other)]))
    assert [(await books.link(link))["state"] for link in (bad, good, other)] == ["intent", "booked", "intent"]


async def test_a_lock_that_another_holds_is_waited_for(books: Books) -> None:
    (link,) = await books.links()
    async with books.db.transaction() as other, await connect(books.db.url) as mine:
        await other.execute("UPDATE link SET roles = '{x}' WHERE id = %s", (link,))
        await mine.execute("SET lock_timeout = '20ms'")

        with pytest.raises(AWAY):
            await mine.execute("UPDATE link SET roles = '{y}' WHERE id = %s", (link,))


async def test_a_frozen_process_does_not_keep_its_locks(books: Books, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dagboek.database.IDLE_SECONDS", 3)
    (link,) = await books.links()
    async with await connect(books.db.url) as frozen, await connect(books.db.url) as other:
        with pytest.raises(AWAY):  # when it wakes
            async with frozen.transaction():
                await frozen.execute("UPDATE link SET roles = '{x}' WHERE id = %s", (link,))

                await other.execute("UPDATE link SET roles = '{y}' WHERE id = %s", (link,))

                await frozen.execute("SELECT 1")
    assert (await books.link(link))["roles"] == ["y"]


async def test_a_process_frozen_between_statements_that_go_together_does_not_keep_its_locks(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the server it is busy, as more of them are to come."""
    monkeypatch.setattr("dagboek.database.TOGETHER_SECONDS", 3)
    (link,) = await books.links()
    async with await connect(books.db.url) as frozen, await connect(books.db.url) as other:
        with pytest.raises(AWAY):  # when it wakes
            async with frozen.together():
                await frozen.execute("UPDATE link SET roles = '{x}' WHERE id = %s", (link,))
                await locked(other, link)

                await other.execute("UPDATE link SET roles = '{y}' WHERE id = %s", (link,))

                await frozen.execute("SELECT 1")
    assert (await books.link(link))["roles"] == ["y"]


async def locked(other: Connection, link: int) -> None:
    """Waits until somebody holds the link: a pipeline does not wait for what it has sent."""
    async with asyncio.timeout(60):
        while await (
            await other.execute("SELECT 1 FROM link WHERE id = %s FOR UPDATE SKIP LOCKED", (link,))
        ).fetchone():
            await asyncio.sleep(0.01)


async def test_a_connection_that_was_cut_is_waited_for(books: Books) -> None:
    connection = await connect(books.db.url)
    await books.db.run("SELECT pg_terminate_backend(%s)", connection.info.backend_pid)

    for _ in range(2):  # while it is used, and after that
        with pytest.raises(AWAY):
            await connection.execute("SELECT 1")
    await connection.close()


async def test_a_connection_that_was_cut_while_it_lay_is_not_given_out(books: Books) -> None:
    """It was used a moment ago, so it is only looked at, and nobody is asked."""
    async with Database(books.db.url, size=1) as alone:
        mine = await alone.one("SELECT pg_backend_pid() AS pid")
        assert mine is not None
        cut = await books.db.one("SELECT pg_terminate_backend(%s, 5000) AS gone", mine["pid"])
        assert cut == {"gone": True}

        fresh = await alone.one("SELECT pg_backend_pid() AS pid")

    assert fresh is not None
    assert fresh["pid"] != mine["pid"]


async def test_a_connection_that_was_just_used_is_not_asked_whether_it_is_one(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []
    whole = AsyncConnectionPool.check_connection

    async def check(connection: Any) -> None:
        asked.append(connection)
        await whole(connection)

    monkeypatch.setattr(AsyncConnectionPool, "check_connection", staticmethod(check))
    async with Database(books.db.url, size=1) as alone:
        for _ in range(3):
            await alone.one("SELECT 1 AS one")
        assert asked == []
        monkeypatch.setattr(database, "REST_SECONDS", 0)
        await alone.one("SELECT 1 AS one")
        assert len(asked) == 1


async def test_a_database_that_is_not_there_is_waited_for() -> None:
    with pytest.raises(AWAY):
        await connect("postgresql://x@127.0.0.1:1/x", connect_timeout=1)


def test_migrations_form_one_line_and_bear_their_numbers() -> None:
    """Two that follow the same one, made beside each other, would leave every database without a newest revision."""
    files = list((Path(migrations.__path__[0]) / "versions").glob("[0-9]*.py"))
    said = [re.findall(r'^(?:down_)?revision = "?(\w+)"?$', file.read_text(), re.M) for file in files]
    assert [file.stem.partition("_")[0] for file in files] == [number for number, _ in said]
    after = {before: number for number, before in said}
    line = ["None"]
    while line[-1] in after:
        line.append(after[line[-1]])
    assert sorted(line[1:]) == sorted(number for number, _ in said)
    assert newest_revision() == line[-1]


def test_no_command_loads_what_migrates() -> None:
    """It takes as long as all the rest of a command's start."""
    look = "import sys, dagboek.cli.session; print([one for one in ('alembic', 'sqlalchemy') if one in sys.modules])"
    told = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "[]"
