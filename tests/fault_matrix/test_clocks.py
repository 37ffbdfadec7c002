"""Wall clocks that are wrong, and that jump in the middle of a run: nothing of what keeps books right reads them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from crash.books import dossiers, until_booked
from end_to_end.harness import Installation, octopus
from fault_matrix.cells import BOOKING, cell, nobody_waits
from fault_matrix.shifted_clock import set_clock, start

HOUR = 3600.0
JUMPS = {
    "three hours forward": [3 * HOUR],
    "three hours back": [-3 * HOUR],
    "back and forth": [HOUR, -HOUR] * 200,
}


@pytest.fixture(scope="module")
async def wrong(bare: Installation) -> AsyncIterator[Path]:
    """A core and a worker whose clock is as the file says."""
    file = bare.folder / "clock"
    set_clock(file, 0)
    start(bare, file, "core")
    start(bare, file, "worker", "--slot", "1")
    await bare.ready()
    yield file


@pytest.fixture
async def sandbox() -> AsyncIterator[Any]:
    async with octopus(dossiers=dossiers(2)) as running:
        running.control.faults(kind="latency", operation=BOOKING, seconds=0.05)
        yield running


@pytest.mark.parametrize("jump", JUMPS)
async def test_a_clock_that_jumps(bare: Installation, wrong: Path, sandbox: Any, tmp_path: Path, jump: str) -> None:
    """In the middle of a run that is parked for trouble as well: it waits a minute and no hours."""
    set_clock(wrong, 0)
    one = await cell(bare, sandbox, tmp_path, jump, connections=2, documents=30, call_deadline=1.0)
    sandbox.control.faults(kind="timeout_after_commit", operation=BOOKING, after=25, times=1, seconds=3)
    sandbox.control.faults(kind="error_503_before", operation=BOOKING, after=40, times=2)
    sandbox.control.faults(kind="rate_limited", operation=BOOKING, after=50, times=1)
    await one.start(bare)
    await until_booked(sandbox, 10)
    jumping = asyncio.create_task(_jump(wrong, jump))
    try:
        async with nobody_waits(bare) as parked:
            runs = await one.ended(bare)
    finally:
        jumping.cancel()
        with suppress(asyncio.CancelledError):
            await jumping

    assert {run["status"] for run in runs} == {"Success"}
    assert (await one.audit(bare)).faults() == {}
    assert {one.reason for seen in parked.values() for one in seen} & {"limit", "settling", "series"}
    assert max(run["parked_seconds"] for run in runs) <= 300, "a wrong clock was taken for a long outage"
    assert sandbox.books.ledger(1001)["difference"] == 0


async def _jump(file: Path, jump: str) -> None:
    for seconds in JUMPS[jump]:
        set_clock(file, seconds)
        await asyncio.sleep(0.3)
