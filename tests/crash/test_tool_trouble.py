"""Trouble of the tool and of the worker at once: what the tool has booked is not booked again."""

import asyncio
from pathlib import Path

from crash.books import audit, dossiers, ended, prepare, request, until_booked
from end_to_end.harness import GUARD, Installation, octopus

BOOKING = "insertBuySellBooking"


async def test_a_time_out_after_the_booking_and_the_worker_killed_while_it_waits(
    dagboek: Installation, tmp_path: Path
) -> None:
    async with octopus(dossiers=dossiers(3)) as sandbox:
        asked = await prepare(dagboek, sandbox, tmp_path / "ubl", connections=3, documents=20)
        # Each lane has more than twelve, so all three are still at work.
        sandbox.control.faults(kind="timeout_after_commit", operation=BOOKING, after=12, times=3)
        dagboek.core()
        worker = dagboek.worker()
        await request(dagboek, asked)

        async with asyncio.timeout(GUARD):  # all three lanes wait for an answer that does not come
            while sandbox.faults.current:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.5)
        silent = len(sandbox.books.entries())
        worker.kill()
        await asyncio.to_thread(worker.wait)
        dagboek.worker()
        runs = await ended(dagboek, asked)

        assert silent == 15
        assert {run["status"] for run in runs} == {"Success"}
        found = await audit(dagboek, sandbox, asked)
        assert found.faults() == {}


async def test_the_tool_restarts_in_the_middle_of_runs(dagboek: Installation, tmp_path: Path) -> None:
    state, rows = tmp_path / "books.jsonl", dossiers(5)
    async with octopus(dossiers=rows, state_file=state) as sandbox:
        asked = await prepare(dagboek, sandbox, tmp_path / "ubl", connections=5, documents=20, call_deadline=2)
        sandbox.control.faults(kind="latency", operation=BOOKING, seconds=0.05)
        dagboek.core()
        dagboek.worker()
        await request(dagboek, asked)
        await until_booked(sandbox, 30)
        port = int(sandbox.origin.rpartition(":")[2])
    await asyncio.sleep(1)
    async with octopus(dossiers=rows, state_file=state, port=port) as sandbox:
        assert 30 <= len(sandbox.books.entries()) < asked.documents
        # a tool that was away is tried again after a minute; the test does not wait for it
        resumed = asyncio.create_task(_hurry(dagboek))
        runs = await ended(dagboek, asked, 120)
        resumed.cancel()

        assert {run["status"] for run in runs} == {"Success"}
        found = await audit(dagboek, sandbox, asked)
        assert found.faults() == {}


async def _hurry(dagboek: Installation) -> None:
    while True:
        await dagboek.db.run(
            "UPDATE run SET parked_until = now() WHERE state = 'parked' AND park_reason = 'tool_unavailable'"
        )
        await asyncio.sleep(1)
