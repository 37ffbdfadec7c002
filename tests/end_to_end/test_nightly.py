"""A connection that is switched to automatic: booked at night without anybody, once, whatever cores there are."""

import asyncio
import json
from pathlib import Path
from typing import Any

from dagboek.chaos.ubl import Ubl
from dagboek_schemas.topics import Topic
from end_to_end.harness import Installation, write_files
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
    first = await dagboek.until(ENDED, [], seconds=60)
    assert (first["status"], first["requested_by"]) == ("Success", None)
    assert len(sandbox.books.entries()) == 2
    published = len(await asyncio.to_thread(dagboek.events, Topic.DOCUMENTS))

    core.terminate()
    await asyncio.to_thread(core.wait, 30)
    await dagboek.db.run(
        "INSERT INTO payment_status (link_id, state) SELECT id, 'paid' FROM link ON CONFLICT DO NOTHING"
    )
    await dagboek.db.run("UPDATE payment_status SET state = 'paid'")
    await dagboek.db.run("UPDATE pull_cursor SET pulled_at = now() - interval '1 day'")
    await dagboek.db.run(MISSED, connection)
    cores = [dagboek.core(), dagboek.core()]
    second = await dagboek.until(ENDED, [first["id"]], seconds=60)
    await asyncio.sleep(3)

    assert (second["status"], second["window_no"]) == ("Success", 0)
    assert await dagboek.items(second["id"]) == []
    runs = await dagboek.db.one("SELECT count(*) AS runs FROM run WHERE trigger = 'automatic'")
    assert runs == {"runs": 2}, "once, though two cores were there"
    assert len(await asyncio.to_thread(dagboek.events, Topic.DOCUMENTS)) == published
    assert all(process.poll() is None for process in cores)

    done = await dagboek_command(dagboek, "settings", "set", named, "automatic=no")
    assert done.returncode == 0, done.stderr
    assert await dagboek.db.one("SELECT next_run_at FROM connection") == {"next_run_at": None}
