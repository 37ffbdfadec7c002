"""Tools that are down for good, that hang, and that take no more for today: the others do not notice.

The bounds of time are generous; `bench/liveness.py` measures.
"""

import asyncio
import json
import subprocess
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from crash.books import until_booked
from dagboek.runs import MAX_PARKED_SECONDS
from dagboek_sdk import clock
from end_to_end.harness import Installation, octopus
from fault_matrix.cells import BOOKING, Cell, cell, nobody_waits

HEALTHY, DOCUMENTS = 6, 15
A_DAYS_CALLS = 5


@pytest.fixture
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as made:
        yield made


@dataclass
class Troubled:
    """Three tenants whose tools do not work."""

    dead: Cell
    hanging: Cell
    exhausted: Cell
    port: int
    state: Path

    @property
    def all(self) -> tuple[Cell, ...]:
        return self.dead, self.hanging, self.exhausted

    async def back(self, stack: AsyncExitStack) -> None:
        """All three work again."""
        self.dead.sandbox = await stack.enter_async_context(octopus(port=self.port, state_file=self.state))
        self.hanging.sandbox.control.faults(off=True)
        self.exhausted.sandbox.control.faults(off=True)


async def healthy(house: Installation, stack: AsyncExitStack, folder: Path, name: str) -> list[Cell]:
    """Tenants whose tools take 50 ms for a booking."""
    made = []
    for at in range(HEALTHY):
        sandbox = await stack.enter_async_context(octopus())
        sandbox.control.faults(kind="latency", operation=BOOKING, seconds=0.05)
        made.append(await cell(house, sandbox, folder / f"{name} {at}", f"{name} {at}", documents=DOCUMENTS))
    return made


async def troubled(house: Installation, stack: AsyncExitStack, folder: Path) -> Troubled:
    """The three, in trouble, with their runs asked for and parked."""
    state = folder / "books.jsonl"
    falling = AsyncExitStack()
    dead = await falling.enter_async_context(octopus(state_file=state))
    hanging = await stack.enter_async_context(octopus())
    exhausted = await stack.enter_async_context(octopus())
    made = Troubled(
        await cell(house, dead, folder / "dead", "Dead", documents=DOCUMENTS, call_deadline=5.0),
        await cell(house, hanging, folder / "hanging", "Hanging", documents=DOCUMENTS, call_deadline=3.0),
        await cell(house, exhausted, folder / "exhausted", "Exhausted", documents=DOCUMENTS, call_deadline=5.0),
        int(dead.origin.rpartition(":")[2]),
        state,
    )
    await falling.aclose()
    hanging.control.faults(kind="timeout_before", operation=BOOKING)
    exhausted.control.faults(kind="rate_limited", operation=BOOKING, after=A_DAYS_CALLS, seconds=7200)
    for one in made.all:
        await one.start(house)
    return made


async def took(house: Installation, cells: list[Cell]) -> float:
    """Seconds of the slowest run from request to end."""
    for one in cells:
        await one.start(house)
    ended = [row for one in cells for row in await one.ended(house)]
    assert {row["status"] for row in ended} == {"Success"}
    times: list[timedelta] = [row["finished_at"] - row["requested_at"] for row in ended]
    return max(times).total_seconds()


def history(house: Installation, *arguments: str) -> Any:
    """What `dagboek history ... --json` says."""
    return json.loads(_said(house, *arguments, "--json"))


def _said(house: Installation, *arguments: str) -> str:
    command = [sys.executable, "-m", "dagboek", "history", *arguments]
    return subprocess.run(command, env=house.environment(), capture_output=True, text=True, check=True).stdout


async def parked(house: Installation, one: Cell) -> UUID:
    """Waits until the run of a cell is parked: its id."""
    await house.until("SELECT 1 FROM run WHERE id = %s AND state = 'parked'", one.runs[-1])
    return one.runs[-1]


async def test_dead_hanging_and_exhausted_tools_slow_nobody_and_go_on_by_themselves(
    house: Installation, stack: AsyncExitStack, tmp_path: Path
) -> None:
    before = await took(house, await healthy(house, stack, tmp_path, "Before"))
    trouble = await troubled(house, stack, tmp_path)
    beside = await healthy(house, stack, tmp_path, "Beside")
    during = await took(house, beside)

    print(f"slowest run: {before:.1f} s alone, {during:.1f} s beside tools in trouble")
    assert during < 3 * before + 30
    for one in beside:
        assert (await one.audit(house)).faults() == {}
    await is_shown(house, trouble)

    await trouble.back(stack)
    async with nobody_waits(house):
        ended = [(await one.ended(house))[0] for one in trouble.all]
    assert {row["status"] for row in ended} == {"Success"}
    for one in trouble.all:
        assert (await one.audit(house)).faults() == {}
    rows = [await asyncio.to_thread(history, house, str(one.runs[0])) for one in trouble.all]
    # the customer, the accounts and the payments count as well
    assert {(row["run"]["counts"]["synced"], row["run"]["counts"]["skipped"]) for row in rows} <= {
        (DOCUMENTS + extra, 0) for extra in range(1, 4)
    }
    assert {row["run"]["parked_until"] for row in rows} == {None}


async def is_shown(house: Installation, trouble: Troubled) -> None:
    """Stalled with the reason and the time of the next try; for a limit that ends, In progress with the time."""
    runs = {str(await parked(house, one)): one for one in trouble.all}
    away = "SELECT 1 FROM run WHERE id = %s AND state = 'parked' AND park_reason = 'tool_unavailable'"
    await house.until(away, trouble.hanging.runs[0], seconds=90)  # its first send is asked about before that
    rows = {row["id"]: row for row in await asyncio.to_thread(history, house) if row["id"] in runs}
    shown = {
        runs[run].name: (row["status"], row["park_issue"]["code"], row["parked_until"] is not None)
        for run, row in rows.items()
    }
    assert shown == {
        "Dead": ("Stalled", "B06", True),
        "Hanging": ("Stalled", "B06", True),
        "Exhausted": ("In progress", "B05", True),
    }
    people = await asyncio.to_thread(_said, house)
    assert people.count("tried again at") == 2
    assert people.count("goes on at") == 1
    dead = await asyncio.to_thread(history, house, str(trouble.dead.runs[0]))
    assert dead["park_issue"]["title"]
    statuses: Mapping[str, str] = {row["component"]: row["status"] for row in dead["components"]}
    assert list(statuses.values()).count("Error") == 1
    assert statuses["sales_invoices"] == "Pending"


async def test_waiting_without_a_known_end_is_bounded_and_the_next_run_goes_on_from_there(
    house: Installation, stack: AsyncExitStack, tmp_path: Path
) -> None:
    sandbox = await stack.enter_async_context(octopus())
    one = await cell(house, sandbox, tmp_path, "Bounded", documents=DOCUMENTS, call_deadline=5.0)
    sandbox.control.faults(kind="latency", operation=BOOKING, seconds=0.05)
    (run_id,) = await one.start(house)
    await until_booked(sandbox, 4)
    sandbox.control.faults(kind="error_503_before")
    await parked(house, one)
    booked = len(sandbox.books.entries())
    # as if it had been parked and tried again for two hours; the next time its time is up
    await house.db.run("UPDATE run SET parked_seconds = %s WHERE id = %s", MAX_PARKED_SECONDS - 1, run_id)
    async with nobody_waits(house, "tool_unavailable", "settling", "series"):
        (first,) = await one.ended(house, 120)

    assert (first["status"], first["park_issue"]["code"]) == ("Error", "B06")
    states = set((await house.states(run_id)).values())
    assert "planned" not in states
    assert any(state.startswith("not_tried") for state in states)
    sandbox.control.faults(off=True)
    async with nobody_waits(house):
        await one.start(house)
        (_, second) = await one.ended(house, 120)

    assert second["status"] == "Success"
    found = await one.audit(house, calm=False)
    assert found.faults() == {}
    assert found.booked == DOCUMENTS
    assert booked < DOCUMENTS
    assert clock.now() - second["requested_at"] < timedelta(minutes=2)
