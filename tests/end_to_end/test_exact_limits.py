"""Documents through the calls that Exact Online allows: clocks are moved on while the run waits; no 429."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from dagboek.chaos.ubl import Ubl
from dagboek.history import run_details
from dagboek_schemas.statuses import RunStatus
from end_to_end.harness import Installation, exact, exact_settings, write_files


async def moved_on(house: Installation, books: Any, run: UUID, wait: timedelta) -> None:
    """As if `wait` had passed: at Exact, in the rows that count its calls, and for the run that waits."""
    books.control.clock(advance_seconds=wait.total_seconds())
    host = books.base_url.removeprefix("http://")
    for column in ("window_start", "ends"):
        await house.db.run(f"UPDATE limit_use SET {column} = {column} - %s WHERE key LIKE %s", wait, f"exact:{host}%")
    await house.db.run("UPDATE run SET parked_until = parked_until - %s WHERE id = %s AND state = 'parked'", wait, run)


async def waits_and_ends(house: Installation, books: Any, run: UUID) -> list[dict[str, Any]]:
    """Each parking of the run, until it has ended."""
    parked: list[dict[str, Any]] = []
    while (row := await house.db.one("SELECT * FROM run WHERE id = %s", run)) is None or row["state"] != "ended":
        await asyncio.sleep(0.1)
        if row is None or row["state"] != "parked" or (parked and parked[-1]["generation"] == row["generation"]):
            continue
        details = await run_details(house.db, row["tenant_id"], run)
        parked.append({**row, "shown": (details.summary.status, details.summary.next_step)})
        await moved_on(house, books, run, row["parked_until"] - datetime.now(UTC) + timedelta(seconds=0.1))
    return parked


async def passed(house: Installation, folder: Path, documents: int, **app: int) -> list[dict[str, Any]]:
    """The parkings of a run of so many documents, which was a success without one call that was refused for a limit."""
    write_files(folder, [Ubl(f"2026/{number:03}") for number in range(1, documents + 1)])
    async with exact(limits=True) as books:
        books.control.apps(client_id=books.credentials["client_id"], **app)
        connection = await house.connection(
            books, tenant="Exact limits", folder=folder, plugin="exact", settings=exact_settings(), lift_limits=False
        )
        run = await house.start_run(connection)
        async with asyncio.timeout(300):
            parked = await waits_and_ends(house, books, run)
        asked = books.control.requests(last=10_000)["requests"]
        booked = [entry["comment"] for entry in books.books.entries(3_100_001)]

    ended = await house.db.one("SELECT * FROM run WHERE id = %s", run)
    assert ended is not None
    assert (ended["status"], ended["parked_seconds"]) == ("Success", 0)
    assert len(booked) == len(set(booked)) == documents
    assert Counter(row["status"] for row in asked)[429] == 0
    assert {(row["park_reason"], row["park_issue"]["code"]) for row in parked} == {("limit", "B05")}
    assert {status for status, _ in (row["shown"] for row in parked)} == {RunStatus.IN_PROGRESS}
    assert all(step.startswith("goes on at") for _, step in (row["shown"] for row in parked))
    return parked


@pytest.mark.timeout(400)
async def test_300_documents_pass_through_60_calls_a_minute(house: Installation, tmp_path: Path) -> None:
    parked = await passed(house, tmp_path / "ubl", 300)

    assert len(parked) >= 4


@pytest.mark.timeout(400)
async def test_the_calls_of_a_day_are_waited_for_until_midnight_utc(house: Installation, tmp_path: Path) -> None:
    parked = await passed(house, tmp_path / "ubl", 150, minutely=5000, daily=200)

    assert len(parked) >= 1
    for row in parked:  # the first by the day's real end; clocks are moved to midnight then, and a day is left
        left = row["parked_until"] - row["moved_at"]
        assert timedelta(0) < left <= timedelta(days=1, minutes=1)
    midnight = (parked[0]["moved_at"] + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    assert abs(parked[0]["parked_until"] - midnight) < timedelta(minutes=1)
