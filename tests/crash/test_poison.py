"""Documents that stop the worker (a kill, all memory, a loop without end) are named, and all others are booked."""

import asyncio
import os
import signal
from pathlib import Path

from crash.books import FIRST, Asked, audit, dossiers, ended, prepare, request
from dagboek.chaos.ubl import Ubl
from end_to_end.broken_worker import kept_running
from end_to_end.harness import GUARD, Installation, octopus, write_files

HELD = "SELECT 1 FROM lane WHERE holder IS NOT NULL"


def poisoned(folder: Path, dossier: int, how: str) -> str:
    """A document that stops the worker, in the middle of a dossier's others: its number."""
    number = f"{dossier - FIRST:02}-0003-{how}"
    write_files(folder / str(dossier), [Ubl(number)])
    return number


async def codes(dagboek: Installation, asked: Asked) -> dict[str, str]:
    """States and issues of what was not booked, by number."""
    rows = await dagboek.db.all(
        "SELECT title, state, issues FROM item WHERE run_id = ANY(%s) AND kind = 'document' AND state <> 'synced'",
        asked.runs,
    )
    return {row["title"]: " ".join([row["state"], *(one["code"] for one in row["issues"])]) for row in rows}


async def test_documents_that_kill_the_worker_are_named_and_all_others_are_booked(
    dagboek: Installation, tmp_path: Path
) -> None:
    """One kills it, one eats all memory, and one booking is merely far too large."""
    async with octopus(dossiers=dossiers(6)) as sandbox:
        asked = await prepare(dagboek, sandbox, tmp_path / "ubl", connections=6, documents=8)
        sandbox.control.faults(kind="latency", operation="insertBuySellBooking", seconds=0.05)
        for at, how in enumerate(("KILL", "EAT", "HUGE")):
            poisoned(tmp_path / "ubl", FIRST + at, how)
        dagboek.core()
        await request(dagboek, asked)

        async with kept_running(dagboek, tmp_path / "worker.log") as ends:
            await ended(dagboek, asked, 240)

        found = await audit(dagboek, sandbox, asked)
        assert found.faults() == {}
        assert await codes(dagboek, asked) == {
            "00-0003-KILL": "skipped D32",
            "01-0003-EAT": "skipped D32",
            "02-0003-HUGE": "skipped D34",
        }
        assert set(ends) == {-9}
        # three marked starts each; the first start of a lane that was given back is not marked, and kills once more
        assert 7 <= len(ends) <= 10, "and the order of the others costs one life more"
        assert (tmp_path / "worker.log").read_text().count("item.stops_worker") == 2


async def test_a_document_that_kills_after_it_was_booked_is_found_in_the_books(
    dagboek: Installation, tmp_path: Path
) -> None:
    """Nobody may call it skipped: settling finds it, and it stands there once."""
    async with octopus(dossiers=dossiers(1)) as sandbox:
        asked = await prepare(dagboek, sandbox, tmp_path / "ubl", connections=1, documents=3, call_deadline=2)
        asked.numbers[FIRST].insert(3, poisoned(tmp_path / "ubl", FIRST, "SENT"))
        dagboek.core()
        await request(dagboek, asked)

        async with kept_running(dagboek, tmp_path / "worker.log"):
            await ended(dagboek, asked, 240)

        found = await audit(dagboek, sandbox, asked)
        assert found.faults() == {}


async def test_a_document_that_hangs_its_loop_restarts_the_worker_and_is_set_aside(
    dagboek: Installation, tmp_path: Path
) -> None:
    async with octopus(dossiers=dossiers(4)) as sandbox:
        asked = await prepare(dagboek, sandbox, tmp_path / "ubl", connections=4, documents=8)
        hanging = poisoned(tmp_path / "ubl", FIRST, "HANG")
        asked.numbers[FIRST + 1].insert(3, poisoned(tmp_path / "ubl", FIRST + 1, "PAUSE"))
        dagboek.core()
        await request(dagboek, asked)

        async with kept_running(dagboek, tmp_path / "worker.log") as ends:
            await ended(dagboek, asked, 240)

        assert await codes(dagboek, asked) == {hanging: "skipped D32"}
        found = await audit(dagboek, sandbox, asked)
        assert found.faults() == {}
        log = (tmp_path / "worker.log").read_text()
        assert set(ends) == {70}
        assert len(ends) == log.count("tool_loop.blocked") == 3
        row = await dagboek.db.one("SELECT run_id, sequence FROM item WHERE title = %s", hanging)
        assert row is not None
        named = [line for line in log.splitlines() if "tool_loop.blocked" in line]
        assert all(str(row["run_id"]) in line and str(row["sequence"]) in line for line in named)
        assert "_stop" in named[0], "the place in the plugin is not named"


async def test_a_document_that_holds_the_whole_interpreter_ends_the_worker_and_is_set_aside(
    dagboek: Installation, tmp_path: Path
) -> None:
    """A regular expression that backtracks without end: no thread of the process could look."""
    async with octopus(dossiers=dossiers(2)) as sandbox:
        asked = await prepare(dagboek, sandbox, tmp_path / "ubl", connections=2, documents=5)
        holding = poisoned(tmp_path / "ubl", FIRST, "BACKTRACK")
        dagboek.core()
        await request(dagboek, asked)

        async with kept_running(dagboek, tmp_path / "worker.log", STARVED="5") as ends:
            await ended(dagboek, asked, 400)

        assert await codes(dagboek, asked) == {holding: "skipped D32"}
        found = await audit(dagboek, sandbox, asked)
        assert found.faults() == {}
        assert set(ends) == {-signal.SIGPROF}
        assert "_stop" in (tmp_path / "worker.log").read_text(), "the place in the plugin is not named"


async def test_a_worker_that_was_frozen_goes_on_and_suspects_nobody(dagboek: Installation, tmp_path: Path) -> None:
    async with octopus(dossiers=dossiers(2)) as sandbox:
        asked = await prepare(dagboek, sandbox, tmp_path / "ubl", connections=2, documents=30)
        sandbox.control.faults(kind="latency", operation="insertBuySellBooking", seconds=0.2)
        dagboek.core()
        worker = dagboek.worker()
        await request(dagboek, asked)
        await dagboek.until("SELECT 1 AS booked FROM link WHERE kind = 'document' AND state = 'booked' LIMIT 1")

        os.kill(worker.pid, signal.SIGSTOP)
        await asyncio.sleep(8)
        os.kill(worker.pid, signal.SIGCONT)
        await ended(dagboek, asked, 120)

        assert worker.poll() is None
        assert "blocked" not in dagboek.logs()
        found = await audit(dagboek, sandbox, asked)
        assert found.faults() == {}
        # what has nothing to do is given back, and so nobody is suspected of anything
        await dagboek.until(f"SELECT 1 AS all_given_back WHERE NOT EXISTS ({HELD})")
        started = await dagboek.db.one("SELECT count(*) AS number FROM item WHERE starts > 0")
        assert started == {"number": 0}


async def test_a_worker_that_stops_in_order_gives_its_lanes_back(dagboek: Installation, tmp_path: Path) -> None:
    async with octopus(dossiers=dossiers(3)) as sandbox:
        asked = await prepare(dagboek, sandbox, tmp_path / "ubl", connections=3, documents=20)
        sandbox.control.faults(kind="latency", operation="insertBuySellBooking", seconds=0.2)
        dagboek.core()
        worker = dagboek.worker()
        await request(dagboek, asked)
        await dagboek.until(HELD)

        worker.terminate()
        assert await asyncio.to_thread(worker.wait, GUARD) == 0
        assert await dagboek.db.one(HELD) is None
        dagboek.worker()
        await ended(dagboek, asked)

        started = await dagboek.db.one("SELECT count(*) AS number FROM item WHERE starts > 0")
        assert started == {"number": 0}
