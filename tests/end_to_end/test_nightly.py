"""A connection that is switched to automatic: booked at night without anybody, once, whatever cores there are."""

import asyncio
import json
import signal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from dagboek.chaos.ubl import Ubl
from dagboek_schemas.topics import Topic
from end_to_end.harness import GUARD, Installation, write_files
from end_to_end.test_commands import dagboek_command

MISSED = "UPDATE connection SET next_run_at = now() - interval '1 day' WHERE id = %s"
ENDED = "SELECT * FROM run WHERE trigger = 'automatic' AND state = 'ended' AND id <> ALL(%s)"


async def test_a_night_books_what_is_new_and_the_next_one_gives_the_workers_nothing(
    dagboek: Installation, sandbox: Any, tmp_path: Path
) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/1"), Ubl("2026/2")])
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl")
    named = str(connection)[:8]
    assert "automatic=yes" in (await dagboek_command(dagboek, "doctor")).stdout

    done = await dagboek_command(dagboek, "settings", "set", named, "automatic=yes")
    assert done.returncode == 0, done.stderr
    core = dagboek.core()
    dagboek.worker()
    row = await dagboek.until("SELECT next_run_at FROM connection WHERE next_run_at > now()")
    doctor = (await dagboek_command(dagboek, "doctor")).stdout
    history = (await dagboek_command(dagboek, "history", "--connection", named)).stdout
    assert f"{row['next_run_at']:%Y-%m-%d %H:%M}" in " ".join(doctor.split())
    assert f"Next automatic run: {row['next_run_at']:%Y-%m-%d %H:%M:%S} UTC" in history
    (listed,) = json.loads((await dagboek_command(dagboek, "connection", "list", "--json")).stdout)
    assert listed["next_run_at"].startswith(f"{row['next_run_at']:%Y-%m-%d}")

    await dagboek.db.run(MISSED, connection)
    first = await dagboek.until(ENDED, [], seconds=GUARD)
    assert (first["status"], first["requested_by"]) == ("Success", None)
    assert len(sandbox.books.entries()) == 2
    published = len(await asyncio.to_thread(dagboek.events, Topic.DOCUMENTS))

    core.terminate()
    await asyncio.to_thread(core.wait, GUARD)
    await dagboek.db.run(
        "INSERT INTO payment_status (link_id, state) SELECT id, 'paid' FROM link ON CONFLICT DO NOTHING"
    )
    await dagboek.db.run("UPDATE payment_status SET state = 'paid'")
    await dagboek.db.run("UPDATE pull_cursor SET pulled_at = now() - interval '1 day'")
    await dagboek.db.run(MISSED, connection)
    cores = [dagboek.core(), dagboek.core()]
    second = await dagboek.until(ENDED, [first["id"]], seconds=GUARD)
    await asyncio.sleep(3)

    assert (second["status"], second["window_no"]) == ("Success", 0)
    assert await dagboek.items(second["id"]) == []
    runs = await dagboek.db.one("SELECT count(*) AS runs FROM run WHERE trigger = 'automatic'")
    assert runs == {"runs": 2}, "once, though two cores were there"
    assert len(await asyncio.to_thread(dagboek.events, Topic.DOCUMENTS)) == published
    assert all(process.poll() is None for process in cores)

    done = await dagboek_command(dagboek, "schedule", "--tenant", "Noord", "--hours", "22:00-22:30", "--json")
    assert [one["hours"] for one in json.loads(done.stdout)] == ["22:00-22:30"], done.stderr
    moved = await dagboek.until("SELECT next_run_at FROM connection WHERE next_run_at > now()")
    assert moved["next_run_at"].astimezone(ZoneInfo("Europe/Brussels")).hour == 22
    done = await dagboek_command(dagboek, "schedule", "--tenant", "Noord", "--time-zone", "Mars/Base")
    assert (done.returncode, "no time zone" in done.stderr) == (2, True)

    done = await dagboek_command(dagboek, "settings", "set", named, "automatic=no")
    assert done.returncode == 0, done.stderr
    assert await dagboek.db.one("SELECT next_run_at FROM connection") == {"next_run_at": None}


MORE = """
WITH made AS (
    SELECT gen_random_uuid() AS entity, gen_random_uuid() AS books, number
    FROM generate_series(1, %(number)s) AS number),
entities AS (
    INSERT INTO entity (id, tenant_id, name, country)
    SELECT made.entity, c.tenant_id, 'Company ' || number, 'BE' FROM made, connection c RETURNING id),
administrations AS (
    INSERT INTO administration (id, tenant_id, plugin, host, tool_id, name)
    SELECT made.books, c.tenant_id, c.plugin, 'h', 'b' || number, '' FROM made, connection c RETURNING id)
INSERT INTO connection (tenant_id, entity_id, administration_id, login_id, plugin, state, settings)
SELECT c.tenant_id, made.entity, made.books, c.login_id, c.plugin, c.state, c.settings FROM made, connection c
"""
THEIR_LISTS = """
INSERT INTO mapping_context (connection_id, version, settings, lists, lists_at)
SELECT c.id, m.version, m.settings, m.lists, m.lists_at FROM mapping_context m, connection c
WHERE c.id <> m.connection_id
"""
RUNS = "SELECT count(*) AS runs, count(DISTINCT connection_id) AS connections FROM run"


async def test_cores_that_are_killed_in_the_night_leave_nobody_out_and_start_nothing_twice(
    dagboek: Installation, sandbox: Any, tmp_path: Path
) -> None:
    (tmp_path / "ubl").mkdir()
    await dagboek.connection(sandbox, folder=tmp_path / "ubl")
    await dagboek.db.run("""UPDATE connection SET settings = settings || '{"automatic": true}'""")
    await dagboek.db.run(MORE, {"number": 80})
    await dagboek.db.run(THEIR_LISTS)
    await dagboek.db.run("UPDATE connection SET next_run_at = now() - interval '1 minute'")

    killed = dagboek.core(DAGBOEK_FAULT_POINT="runs_requested")
    assert await asyncio.to_thread(killed.wait, GUARD) == -signal.SIGKILL, (
        "between requesting the runs and telling of them"
    )
    assert await dagboek.db.one(RUNS) == {"runs": 50, "connections": 50}, "a lot"

    cores = [dagboek.core(), dagboek.core()]
    await dagboek.until("SELECT 1 FROM run HAVING count(*) > 50", seconds=120)
    cores[0].kill()
    await dagboek.until("SELECT 1 FROM run WHERE selected HAVING count(*) >= 81", seconds=180)
    assert await dagboek.db.one(RUNS) == {"runs": 81, "connections": 81}
    assert await dagboek.db.one("SELECT count(*) AS due FROM connection WHERE next_run_at <= now()") == {"due": 0}
    assert cores[1].poll() is None
