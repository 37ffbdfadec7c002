"""`kill -9` of the worker at each moment that matters: one entry per document, everything told."""

import asyncio
from pathlib import Path

from crash.books import audit, dossiers, ended, prepare, request
from end_to_end.harness import GUARD, Installation, octopus

LIVES = ["before_intent:40", "after_intent:40", "after_call:40", "after_outcome:6", "after_event:40"]
"""Where each life of the worker ends. An outcome is counted by the transaction, which holds those of many lanes."""


async def test_a_worker_killed_at_every_moment_loses_nothing_and_books_nothing_twice(
    dagboek: Installation, tmp_path: Path
) -> None:
    async with octopus(dossiers=dossiers(10)) as sandbox:
        asked = await prepare(dagboek, sandbox, tmp_path / "ubl", connections=10, documents=30)
        sandbox.control.faults(kind="latency", operation="insertBuySellBooking", seconds=0.02)
        dagboek.core()
        await request(dagboek, asked)

        for fault_point in LIVES:
            worker = dagboek.worker(DAGBOEK_FAULT_POINT=fault_point)
            assert await asyncio.to_thread(worker.wait, GUARD) == -9, fault_point
        booked_by_the_killed = len(sandbox.books.entries())
        dagboek.worker()
        runs = await ended(dagboek, asked)

        assert 0 < booked_by_the_killed < asked.documents
        assert {run["status"] for run in runs} == {"Success"}
        found = await audit(dagboek, sandbox, asked)
        assert found.faults() == {}
