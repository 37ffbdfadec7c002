"""Trouble that repeats itself parks the run before it has gone through all documents, and the run goes on by itself."""

import asyncio
from pathlib import Path
from typing import Any
from uuid import UUID

from dagboek.chaos.ubl import Ubl
from dagboek.status import run_status
from end_to_end.broken_worker import start_broken_worker
from end_to_end.harness import GUARD, Installation, octopus, write_files

BOOKING = "insertBuySellBooking"
YEARS = (2024, 2025, 2026, 2027)
"""Each book year has numbers of its own, so that one that is not settled holds up no other."""


async def connected(house: Installation, sandbox: Any, folder: Path, tenant: str) -> UUID:
    """A connection with a document in each year."""
    write_files(folder, [Ubl(f"{year}/001", date=f"{year}-03-02") for year in YEARS])
    return await house.connection(sandbox, tenant=tenant, folder=folder, call_deadline=5.0)


async def test_two_uncertain_sends_in_a_row_park_the_run(house: Installation, tmp_path: Path) -> None:
    """A tool that no longer answers would else leave every document to be settled."""
    async with octopus(years=(YEARS[0], YEARS[-1])) as sandbox:
        connection = await connected(house, sandbox, tmp_path / "ubl", "Silent twice")
        # send and repeat of the second document, send and repeat of the third
        sandbox.control.faults(kind="error_503_before", operation=BOOKING, after=1, times=4)

        run_id = await house.start_run(connection)
        parked = await house.until("SELECT * FROM run WHERE id = %s AND state = 'parked'", run_id)

        assert (parked["park_reason"], parked["park_issue"]["code"], run_status(parked)) == (
            "tool_unavailable", "B06", "Stalled",
        )  # fmt: skip
        assert parked["park_issue"]["facts"]["trouble"] == "own_fault"
        assert 0 < parked["parked_seconds"] <= 60
        assert len(sandbox.requests.last(1000, BOOKING)) == 5, "the fourth document was sent all the same"

        await house.db.run("UPDATE run SET parked_until = now() WHERE id = %s", run_id)
        run = await house.ended(run_id)

        assert run["status"] == "Success"
        assert sorted(entry["comment"] for entry in sandbox.books.entries(1001)) == [f"{year}/001" for year in YEARS]


async def test_an_answer_in_between_says_that_the_tool_is_there(house: Installation, tmp_path: Path) -> None:
    async with octopus(years=(YEARS[0], YEARS[-1])) as sandbox:
        connection = await connected(house, sandbox, tmp_path / "ubl", "Silent now and then")
        for document in (0, 3):
            sandbox.control.faults(kind="error_503_before", operation=BOOKING, after=document, times=2)

        run_id = await house.start_run(connection)
        reasons = await parked_for(house, run_id)

        assert reasons == {"settling"}
        assert (await house.ended(run_id))["status"] == "Success"
        tried = await house.db.all("SELECT outcome FROM attempt WHERE run_id = %s AND outcome <> 'booked'", run_id)
        assert [row["outcome"] for row in tried] == ["absent", "absent"]
        assert sorted(entry["comment"] for entry in sandbox.books.entries(1001)) == [f"{year}/001" for year in YEARS]


async def parked_for(house: Installation, run_id: UUID) -> set[str]:
    """The reasons for which a run was parked, up to its end."""
    reasons = set()
    async with asyncio.timeout(GUARD):
        while (row := await house.db.one("SELECT * FROM run WHERE id = %s", run_id)) and row["state"] != "ended":
            if row["state"] == "parked":
                reasons.add(row["park_reason"])
            await asyncio.sleep(0.05)
    return reasons


async def test_five_bugs_in_a_row_park_the_run_and_the_circuit_closes_by_itself(
    dagboek: Installation, sandbox: Any, tmp_path: Path
) -> None:
    """A bad release of a plugin does not turn all documents into warnings."""
    numbers = [*[f"MAP-{at}" for at in range(1, 5)], "OK-1", *[f"MAP-{at}" for at in range(5, 10)], "OK-2", "OK-3"]
    write_files(tmp_path / "ubl", [Ubl(number, date=f"2026-03-{day:02}") for day, number in enumerate(numbers, 1)])
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl")
    dagboek.core()
    start_broken_worker(dagboek, tmp_path / "worker.log")

    run_id = await dagboek.start_run(connection)
    parked = await dagboek.until("SELECT * FROM run WHERE id = %s AND state = 'parked'", run_id)

    assert (parked["park_reason"], parked["park_issue"]["code"], run_status(parked)) == ("circuit", "D16", "Stalled")
    bugs = {number: "skipped D13" for number in numbers if number.startswith("MAP") and number != "MAP-9"}
    # four are no five, and a document that is booked begins the count anew
    kept = dict.fromkeys(("MAP-9", "OK-2", "OK-3"), "planned")
    assert await dagboek.states(run_id) == {**bugs, "OK-1": "synced", **kept}
    assert [entry["comment"] for entry in sandbox.books.entries(1001)] == ["OK-1"]

    # half-open, whichever process goes on: the first error parks it at once, and the document is not skipped
    dagboek.processes[-1].terminate()
    await asyncio.to_thread(dagboek.processes[-1].wait, GUARD)
    start_broken_worker(dagboek, tmp_path / "worker.log")
    await dagboek.db.run("UPDATE run SET parked_until = now() WHERE id = %s", run_id)
    await dagboek.until("SELECT 1 AS again FROM run WHERE id = %s AND state = 'parked' AND generation > 1", run_id)
    assert (await dagboek.states(run_id))["MAP-9"] == "planned"

    # the next release is sound
    dagboek.processes[-1].terminate()
    await asyncio.to_thread(dagboek.processes[-1].wait, GUARD)
    dagboek.worker(1)
    await dagboek.db.run("UPDATE run SET parked_until = now() WHERE id = %s", run_id)
    run = await dagboek.ended(run_id)

    assert (run["status"], run["half_open"]) == ("Warning", False)
    booked = ["OK-1", "MAP-9", "OK-2", "OK-3"]
    assert await dagboek.states(run_id) == {**bugs, **dict.fromkeys(booked, "synced")}
    assert [entry["comment"] for entry in sandbox.books.entries(1001)] == booked
