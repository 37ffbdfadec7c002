"""Two workers that were started with one slot: the newer goes on; the older ends, and says why."""

import asyncio
import signal
import subprocess
from pathlib import Path

import pytest
from crash.books import audit, dossiers, ended, prepare, request, until_booked
from end_to_end.harness import GUARD, Installation, octopus

BOOKING = "insertBuySellBooking"


@pytest.mark.parametrize("older_is", ["at work", "frozen"])
async def test_the_newer_goes_on_and_the_older_ends(dagboek: Installation, tmp_path: Path, older_is: str) -> None:
    async with octopus(dossiers=dossiers(8)) as sandbox:
        asked = await prepare(dagboek, sandbox, tmp_path / "ubl", connections=8, documents=25)
        sandbox.control.faults(kind="latency", operation=BOOKING, seconds=0.3)
        dagboek.core()
        older = dagboek.worker(1)
        await request(dagboek, asked)
        await until_booked(sandbox, 20)
        if older_is == "frozen":
            older.send_signal(signal.SIGSTOP)
        before = await dagboek.until("SELECT holder FROM worker_slot")
        newer = dagboek.worker(1)
        try:
            await dagboek.until("SELECT 1 FROM worker_slot WHERE holder <> %s", before["holder"])
        finally:
            older.send_signal(signal.SIGCONT)
        status = await asyncio.to_thread(older.wait, GUARD)
        runs = await ended(dagboek, asked)

        assert status == 2
        assert newer.poll() is None, dagboek.logs()
        assert told_of_the_slot(dagboek) == 1
        assert {run["status"] for run in runs} == {"Success"}
        found = await audit(dagboek, sandbox, asked)
        assert found.faults() == {}


async def test_of_two_that_start_at_the_same_time_one_goes_on(dagboek: Installation) -> None:
    workers = [dagboek.worker(1), dagboek.worker(1)]
    ends = [asyncio.create_task(asyncio.to_thread(worker.wait, GUARD)) for worker in workers]
    (first,), _ = await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)

    assert first.result() == 2
    assert told_of_the_slot(dagboek) == 1
    other = next(worker for worker in workers if worker.returncode is None)
    with pytest.raises(subprocess.TimeoutExpired):
        await asyncio.to_thread(other.wait, 5)
    other.terminate()
    await asyncio.wait(ends)


def told_of_the_slot(dagboek: Installation) -> int:
    """How many workers said that another one has their slot, which one it is, and what to do."""
    told = [path.read_text() for path in dagboek.folder.glob("worker-*.log")]
    return sum("worker.slot_taken" in log and "--slot 1" in log and "a slot of its own" in log for log in told)
