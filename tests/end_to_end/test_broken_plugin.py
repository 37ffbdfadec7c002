"""A plugin with bugs: no second entry, the others go on, and what is not known is found out."""

import asyncio
from pathlib import Path
from typing import Any

from dagboek.chaos.ubl import Ubl
from end_to_end.broken_worker import start_broken_worker
from end_to_end.harness import GUARD, Installation, write_files

BOOKED_ALL_THE_SAME = ("EMPTY-1", "EXIT-1", "KEY-1", "KEY-2", "NONE-1", "SLOW-1", "STRAY-1")
NEVER_SENT = ("BEFORE-1", "CANCEL-1", "COIN-1", "GROUP-1", "MAP-1")
SOUND = ("2026-1", "ZZ-9")


async def test_bugs_of_a_plugin_book_nothing_twice_and_stop_nobody(
    dagboek: Installation, sandbox: Any, tmp_path: Path
) -> None:
    numbers = [*BOOKED_ALL_THE_SAME, *NEVER_SENT, *SOUND]
    write_files(tmp_path / "ubl", [Ubl(number) for number in numbers])
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl", call_deadline=1)
    dagboek.core()
    start_broken_worker(dagboek, tmp_path / "worker.log")

    run = await dagboek.sync(connection)

    states = await dagboek.states(run["id"])
    assert {number: states[number] for number in NEVER_SENT} == dict.fromkeys(NEVER_SENT, "skipped D13")
    assert {number: states[number] for number in SOUND} == dict.fromkeys(SOUND, "synced")
    assert {number: states[number] for number in BOOKED_ALL_THE_SAME} == dict.fromkeys(BOOKED_ALL_THE_SAME, "synced")
    entries = sandbox.books.entries(1001, journal="V1")
    assert sorted(entry["comment"] for entry in entries) == sorted([*BOOKED_ALL_THE_SAME, *SOUND])
    assert [entry["number"] for entry in entries] == list(range(1, len(entries) + 1))
    assert run["status"] == "Warning"
    # what a bug's message quotes is in no log
    assert "Klaver" not in (tmp_path / "worker.log").read_text()

    # a worker without the bugs finds the rest, and nothing else
    dagboek.processes[-1].terminate()
    await asyncio.to_thread(dagboek.processes[-1].wait, GUARD)
    dagboek.worker(1)
    run = await dagboek.sync(connection)

    assert await dagboek.states(run["id"]) == dict.fromkeys(NEVER_SENT, "synced")
    assert run["status"] == "Success"
