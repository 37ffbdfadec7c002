"""`kill -9` of the core while it plans: what was planned is pushed once, and the run ends once."""

import asyncio
from pathlib import Path

from crash.books import audit, dossiers, ended, prepare, request
from dagboek_schemas.topics import Topic
from end_to_end.harness import GUARD, Installation, octopus

LIVES = ["window_stored:2", "window_admitted:2", "window_published:2"]


async def test_a_planner_killed_between_storing_admitting_publishing_and_remembering(
    dagboek: Installation, tmp_path: Path
) -> None:
    async with octopus(dossiers=dossiers(4)) as sandbox:
        asked = await prepare(dagboek, sandbox, tmp_path / "ubl", connections=4, documents=70)
        dagboek.worker()
        await request(dagboek, asked)

        for fault_point in LIVES:
            core = dagboek.core(DAGBOEK_FAULT_POINT=fault_point)
            assert await asyncio.to_thread(core.wait, GUARD) == -9, fault_point
        dagboek.core()
        runs = await ended(dagboek, asked)

        assert {run["status"] for run in runs} == {"Success"}
        found = await audit(dagboek, sandbox, asked)
        assert found.faults() == {}
        published = await asyncio.to_thread(dagboek.events, Topic.DOCUMENTS)
        assert len(published) > asked.documents, "nothing was published twice: the test did not hit the moment"


async def test_whoever_ends_a_run_may_be_killed_right_after(dagboek: Installation, tmp_path: Path) -> None:
    async with octopus() as sandbox:
        asked = await prepare(dagboek, sandbox, tmp_path / "ubl", connections=1, documents=5)
        dagboek.core()
        worker = dagboek.worker(DAGBOEK_FAULT_POINT="run_finished")
        await request(dagboek, asked)

        assert await asyncio.to_thread(worker.wait, GUARD) == -9
        await ended(dagboek, asked)  # by the core alone: the end was committed with its events
        dagboek.worker()
        runs = await ended(dagboek, asked)

        assert {run["status"] for run in runs} == {"Success"}
        found = await audit(dagboek, sandbox, asked)
        assert found.faults() == {}
