"""`kill -9` of the worker at each moment that matters: one entry per document, everything told."""

import asyncio
from pathlib import Path

import pytest
from crash.books import audit, dossiers, ended, prepare, request
from end_to_end.harness import Installation, octopus

CONNECTIONS, DOCUMENTS = 6, 20


@pytest.mark.parametrize(
    "fault_point",
    ["before_intent:50", "after_intent:50", "after_call:50", "after_outcome:8", "after_event:50"],
)
async def test_a_worker_killed_loses_nothing_and_books_nothing_twice(
    dagboek: Installation, tmp_path: Path, fault_point: str
) -> None:
    async with octopus(dossiers=dossiers(CONNECTIONS)) as sandbox:
        asked = await prepare(dagboek, sandbox, tmp_path / "ubl", CONNECTIONS, DOCUMENTS)
        sandbox.control.faults(kind="latency", operation="insertBuySellBooking", seconds=0.02)
        dagboek.core()
        worker = dagboek.worker(DAGBOEK_FAULT_POINT=fault_point)
        await request(dagboek, asked)

        assert await asyncio.to_thread(worker.wait, 60) == -9
        before = len(sandbox.books.entries())
        dagboek.worker()
        runs = await ended(dagboek, asked)

        assert 0 < before < asked.documents
        assert {run["status"] for run in runs} == {"Success"}
        found = await audit(dagboek, sandbox, asked)
        assert found.faults() == {}
