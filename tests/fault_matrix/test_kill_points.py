"""`kill -9` of the worker at each of the six moments of one document, and what is there at that moment."""

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from dagboek_schemas.topics import Topic
from end_to_end.harness import GUARD, Installation, octopus
from fault_matrix.cells import BOOKING, Cell, cell

THIRD = "1001-0003"
"""The document that is met. Its customer comes first, so that it is the fourth item of its run."""
MOMENTS: Mapping[str, str | None] = {
    "before the intent": "before_intent:4",
    "after the intent": "after_intent:4",
    "after the commit of the tool, before its answer": None,
    "after the answer, before the outcome": "after_call:4",
    "after the outcome, before the event": "after_outcome:4",
    "after the event, before the ack": "after_event:4",
}
"""Fault points; None: the tool stays silent, and the test kills."""
BEFORE_THE_COMMIT = ("before the intent", "after the intent")


@pytest.fixture(scope="module")
async def running(bare: Installation) -> Installation:
    """An installation with a core, and no worker."""
    bare.core()
    return bare


@pytest.fixture
async def sandbox() -> AsyncIterator[Any]:
    async with octopus() as running:
        yield running


@pytest.mark.parametrize("moment", MOMENTS)
async def test_a_worker_killed(running: Installation, sandbox: Any, tmp_path: Path, moment: str) -> None:
    """What is there decides what happens next: one entry a document, each told, whatever the moment was."""
    one = await cell(running, sandbox, tmp_path, moment, documents=6)
    await _killed(running, one, moment)
    booked_by_the_killed = len(sandbox.books.entries())
    worker = running.worker()
    (run,) = await one.ended(running)

    assert run["status"] == "Success"
    assert (await one.audit(running)).faults() == {}
    assert 0 < booked_by_the_killed < one.documents
    assert one.calls() <= one.documents + 1, "more than the one attempt was sent again"
    await _stopped(worker)


async def _killed(running: Installation, one: Cell, moment: str) -> None:
    """Has a worker begin, and end at `moment`; shows that it was that moment."""
    fault_point = MOMENTS[moment]
    if fault_point is None:
        one.sandbox.control.faults(kind="timeout_after_commit", operation=BOOKING, after=2, times=1)
    worker = running.worker(1, **({"DAGBOEK_FAULT_POINT": fault_point} if fault_point else {}))
    await one.start(running)
    if fault_point is None:
        async with asyncio.timeout(GUARD):
            while one.sandbox.faults.current:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)
        worker.kill()
    assert await asyncio.to_thread(worker.wait, GUARD) == -9
    await _is_met(running, one, moment)


async def _is_met(running: Installation, one: Cell, moment: str) -> None:
    booked = [entry["comment"] for entry in one.sandbox.books.entries()]
    outcomes = await running.db.all(
        """SELECT title, event IS NOT NULL AS stored, reported_at FROM item
           WHERE run_id = %s AND kind = 'document' AND state = 'synced' AND reported_at IS NULL""",
        one.runs[0],
    )
    told = await asyncio.to_thread(_told, running, one)
    if moment.startswith("after the outcome"):
        assert any(row["stored"] and row["title"] not in told for row in outcomes), "each outcome was told"
        return
    if moment.startswith("after the event"):
        assert any(row["title"] in told for row in outcomes), "no outcome was told and not marked"
        return
    (connection,) = one.connections.values()
    link = await running.link(connection, THIRD)
    assert link["state"] == ("free" if moment == "before the intent" else "intent")
    assert (THIRD in booked) == (moment not in BEFORE_THE_COMMIT)


def _told(running: Installation, one: Cell) -> set[str]:
    """Documents of the run that the results topic has an outcome of."""
    data = [json.loads(value) for _, value in running.events(Topic.RESULTS)]
    return {row["document_number"] for row in data if row["run_id"] == str(one.runs[0]) and row.get("document_number")}


async def _stopped(worker: "subprocess.Popen[bytes]") -> None:
    worker.terminate()
    await asyncio.to_thread(worker.wait, GUARD)
