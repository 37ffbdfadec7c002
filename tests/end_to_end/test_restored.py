"""The database is put back to an earlier time, or a replica that lags takes over: nothing is booked a second time."""

import asyncio
import subprocess
import sys
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from confluent_kafka.admin import AdminClient
from dagboek.chaos.ubl import Ubl, UblLine
from dagboek.resolve import retry
from dagboek.topics import ensure_topics
from dagboek_schemas.topics import Topic
from end_to_end.harness import GUARD, Installation, write_files
from psycopg import sql


class Databases:
    """The server's databases, as an operator copies and renames them: processes may run meanwhile."""

    def __init__(self, dagboek: Installation) -> None:
        self._server = dagboek.services.database_url
        self.name = dagboek.database_url.rpartition("/")[2].partition("?")[0]
        self.copy = f"{self.name}_copy"

    def take_copy(self) -> None:
        self._run(
            "ALTER DATABASE {0} ALLOW_CONNECTIONS false",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {0s}",
            "CREATE DATABASE {1} TEMPLATE {0}",
            "ALTER DATABASE {0} ALLOW_CONNECTIONS true",
        )

    def put_back(self) -> None:
        """The copy takes the place of what is there now."""
        self._run(
            "ALTER DATABASE {0} ALLOW_CONNECTIONS false",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = {0s}",
            "ALTER DATABASE {0} RENAME TO {2}",
            "ALTER DATABASE {1} RENAME TO {0}",
            "DROP DATABASE {2} WITH (FORCE)",
        )

    def hide_the_copy(self) -> None:
        """As a disk that was put back: it stands where it stood."""
        with psycopg.connect(self._server.replace(self._server.rpartition("/")[2], self.copy)) as copy:
            copy.execute("UPDATE stamp SET database = (SELECT oid FROM pg_database WHERE datname = current_database())")

    def _run(self, *statements: str) -> None:
        names = [sql.Identifier(name) for name in (self.name, self.copy, f"{self.name}_lost")]
        with psycopg.connect(self._server, autocommit=True) as server:
            for statement in statements:
                query = statement.replace("{0s}", "'" + self.name + "'")
                server.execute(sql.SQL(query).format(*names))


def numbers(first: int, last: int) -> list[str]:
    return [f"2026/{at:03}" for at in range(first, last + 1)]


def invoices(first: int, last: int) -> list[Ubl]:
    """Of different amounts, as look-alikes would be a person's business."""
    return [Ubl(number, lines=(UblLine(f"{100 + at}.00"),)) for at, number in enumerate(numbers(first, last), first)]


def stop(dagboek: Installation) -> None:
    for process in dagboek.processes:
        process.terminate()
    for process in dagboek.processes:
        process.wait(60)
    dagboek.processes.clear()


async def once_each(dagboek: Installation, sandbox: Any, connection: UUID, last: int) -> None:
    """The books hold each document once, and every link the number of its entry."""
    entries = sandbox.books.entries(1001, journal="V1")
    booked = {entry["comment"]: str(entry["number"]) for entry in entries}
    assert sorted(entry["comment"] for entry in entries) == numbers(1, last)
    for number in numbers(1, last):
        link = await dagboek.link(connection, number)
        assert (link["state"], link["entry_number"]) == ("booked", booked[number])
    assert len(sandbox.control.relations(1001)) == 1
    suspect = await dagboek.db.one("SELECT count(*) AS number FROM administration WHERE suspect_since IS NOT NULL")
    assert suspect == {"number": 0}


async def forget_results(dagboek: Installation) -> None:
    """The results topic is made anew: nothing of before is on it."""
    admin = AdminClient({"bootstrap.servers": dagboek.services.kafka_bootstrap})
    name = Topic.RESULTS.named(dagboek.prefix)
    await asyncio.to_thread(lambda: admin.delete_topics([name])[name].result(timeout=60))
    async with asyncio.timeout(GUARD):
        while name in (await asyncio.to_thread(admin.list_topics, timeout=60)).topics:
            await asyncio.sleep(0.1)
    await asyncio.to_thread(ensure_topics, dagboek.services.kafka_bootstrap, dagboek.settings)


@pytest.mark.parametrize("topic_knows", [True, False])
async def test_put_back_under_stopped_processes(
    dagboek: Installation, sandbox: Any, tmp_path: Path, topic_knows: bool
) -> None:
    """What was booked since is taken from the results topic, or found in the tool where that does not tell."""
    databases = Databases(dagboek)
    write_files(tmp_path / "ubl", invoices(1, 5))
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl", call_deadline=2)
    dagboek.core()
    dagboek.worker()
    await dagboek.sync(connection)
    await asyncio.to_thread(databases.take_copy)
    # in another order than they come in afterwards: the numbers that they have do not tell which is which
    for first, last in ((9, 12), (6, 8)):
        write_files(tmp_path / "ubl", invoices(first, last))
        assert (await dagboek.sync(connection))["status"] == "Success"
    assert len(sandbox.books.entries(1001)) == 12

    await asyncio.to_thread(stop, dagboek)
    await asyncio.to_thread(databases.put_back)
    if not topic_knows:
        await forget_results(dagboek)
    write_files(tmp_path / "ubl", invoices(13, 14))
    dagboek.core()
    dagboek.worker()
    run = await dagboek.sync(connection, 120)

    assert run["status"] == "Success"
    states = await dagboek.states(run["id"])
    assert {states[number] for number in numbers(13, 14)} == {"synced"}
    found = {states[number] for number in numbers(6, 12) if number in states}
    assert found <= ({"unchanged"} if topic_knows else {"synced D15"})
    assert topic_knows or len(states) == 9
    await once_each(dagboek, sandbox, connection, 14)


async def test_a_replica_that_lags_takes_over_under_running_processes(
    dagboek: Installation, sandbox: Any, tmp_path: Path
) -> None:
    databases = Databases(dagboek)
    write_files(tmp_path / "ubl", invoices(1, 90))
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl", call_deadline=2)
    sandbox.control.faults(kind="latency", operation="insertBuySellBooking", seconds=0.1)
    dagboek.core()
    dagboek.worker()
    run_id = await dagboek.start_run(connection)
    await until_booked(sandbox, 5)
    await asyncio.to_thread(databases.take_copy)
    # out of turn, so that the numbers of before do not tell which is which: behind the first window
    link = await dagboek.link(connection, "2026/090")
    await retry(dagboek.db, dagboek.publisher, link["administration_id"], link["identity"])
    await until_booked(sandbox, 60)
    assert "2026/090" in {entry["comment"] for entry in sandbox.books.entries(1001)}
    await asyncio.to_thread(databases.put_back)
    at_the_swap = len(sandbox.books.entries(1001))
    run = await dagboek.ended(run_id, 180)

    assert at_the_swap < 90
    assert run["status"] == "Success"
    assert set((await dagboek.states(run_id)).values()) <= {"synced", "unchanged", "synced D15"}
    await once_each(dagboek, sandbox, connection, 90)


async def until_booked(sandbox: Any, count: int) -> None:
    async with asyncio.timeout(GUARD):
        while len(sandbox.books.entries(1001)) < count:
            await asyncio.sleep(0.02)


async def command(dagboek: Installation, *words: str) -> str:
    """Runs a command of the installation; what it printed."""
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "dagboek", *words],
        env=dagboek.environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return " ".join((done.stdout + done.stderr).split())


async def test_an_operator_is_told_what_to_do_and_does_it(dagboek: Installation, sandbox: Any, tmp_path: Path) -> None:
    """A disk was put back, and the server was not restarted by anybody's knowledge: only the topic knows."""
    databases = Databases(dagboek)
    write_files(tmp_path / "ubl", invoices(1, 3))
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl", call_deadline=2)
    dagboek.core()
    dagboek.worker()
    await dagboek.sync(connection)
    assert "the database knows all that was told last" in await command(dagboek, "doctor")
    await asyncio.to_thread(databases.take_copy)
    await asyncio.to_thread(databases.hide_the_copy)
    write_files(tmp_path / "ubl", invoices(4, 6))
    later = await dagboek.sync(connection)
    await dagboek.told(later["id"])
    await asyncio.to_thread(stop, dagboek)
    await asyncio.to_thread(databases.put_back)

    sick = await command(dagboek, "doctor")
    assert "the results topic knows more than the database" in sick
    advice = sick.partition("Stop core and workers, then: dagboek ")[2].split()[:3]
    assert advice[:2] == ["restored", "--since"]

    told = await command(dagboek, *advice)
    assert "Taken over from the results topic: 3 entries." in told
    assert "1 administrations are compared" in told
    assert "1 administrations are suspect since" in await command(dagboek, "doctor")

    write_files(tmp_path / "ubl", invoices(7, 7))
    dagboek.core()
    dagboek.worker()
    assert (await dagboek.sync(connection, 120))["status"] == "Success"
    await once_each(dagboek, sandbox, connection, 7)
    well = await command(dagboek, "doctor")
    assert "the database knows all that was told last" in well
