"""When the tool's answer is lost, late, or no answer: one entry per document, whatever came back."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from dagboek.chaos.ubl import Ubl
from end_to_end.harness import Installation, octopus, write_files

NUMBERS = [f"2026/{at:03}" for at in range(1, 9)]
BOOKED = [(number, at) for at, number in enumerate(NUMBERS, 1)]
BOOKING, RELATION = "insertBuySellBooking", "insertUpdateRelation"


async def connected(house: Installation, sandbox: Any, folder: Path, tenant: str, call_deadline: float = 5.0) -> Any:
    write_files(folder, [Ubl(number) for number in NUMBERS])
    return await house.connection(sandbox, tenant=tenant, folder=folder, call_deadline=call_deadline)


@pytest.mark.parametrize(
    "fault",
    [
        {"kind": "timeout_after_commit", "seconds": 3},
        {"kind": "error_503_after"},
        {"kind": "reset_after_commit"},
        {"kind": "wrong_body"},
        {"kind": "wrong_body", "body": "<html>ok</html>"},
        {"kind": "maintenance_page"},
        {"kind": "error_503_before"},
        {"kind": "reset"},
        {"kind": "timeout_before", "seconds": 3},
        {"kind": "rate_limited", "seconds": 1},
        {"kind": "token_expired"},
        {"kind": "slow_drip", "seconds": 3},
    ],
    ids=lambda fault: " ".join(str(value) for value in fault.values())[:40],
)
async def test_a_fault_while_booking_leaves_one_entry_a_document(
    house: Installation, sandbox: Any, tmp_path: Path, fault: dict[str, Any]
) -> None:
    """Twice in a run, at the third document and again two documents later."""
    connection = await connected(house, sandbox, tmp_path / "ubl", f"Fault {tmp_path.name}", call_deadline=1.0)
    sandbox.control.faults(operation=BOOKING, after=2, times=1, **fault)
    sandbox.control.faults(operation=BOOKING, after=5, times=1, **fault)
    sandbox.control.faults(operation=RELATION, times=1, **fault)

    run = await house.sync(connection)

    assert run["status"] == "Success"
    assert await house.states(run["id"]) == dict.fromkeys(NUMBERS, "synced")
    entries = sandbox.books.entries(1001, journal="V1")
    assert [(entry["comment"], entry["number"]) for entry in entries] == BOOKED
    assert len(sandbox.control.relations(1001)) == 1
    assert sandbox.books.ledger(1001)["difference"] == 0


async def test_what_the_repeat_does_not_tell_either_is_settled_by_asking(house: Installation, tmp_path: Path) -> None:
    """Send and repeat stay without an answer: what is there is adopted, what is not there is sent again."""
    async with octopus() as holds, octopus() as holds_not:
        there = await connected(house, holds, tmp_path / "there", "Settled")
        absent = await connected(house, holds_not, tmp_path / "absent", "Absent")
        holds.control.faults(kind="error_503_after", operation=BOOKING, after=2, times=1)
        holds.control.faults(kind="error_503_before", operation=BOOKING, after=3, times=1)
        holds_not.control.faults(kind="error_503_before", operation=BOOKING, after=2, times=2)

        runs = await asyncio.gather(house.sync(there), house.sync(absent))

        for run, sandbox in zip(runs, (holds, holds_not), strict=True):
            assert run["status"] == "Success"
            entries = sandbox.books.entries(1001, journal="V1")
            assert [(entry["comment"], entry["number"]) for entry in entries] == BOOKED
            told = await house.told(run["id"])
            of_third = [type_ for type_, data in told if data.get("document_number") == "2026/003"]
            assert of_third == ["dagboek.document.to-settle.v1", "dagboek.document.booked.v1"]
        tried = await house.db.all(
            "SELECT outcome FROM attempt WHERE link_id = %s ORDER BY number",
            (await house.link(absent, "2026/003"))["id"],
        )
        assert [row["outcome"] for row in tried] == ["absent", "booked"]


async def test_a_limit_without_an_end_parks_the_run_and_says_so(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    connection = await connected(house, sandbox, tmp_path / "ubl", "Limited")
    sandbox.control.faults(kind="rate_limited", operation=BOOKING, after=2, times=1)

    run_id = await house.start_run(connection)
    parked = await house.until("SELECT * FROM run WHERE id = %s AND state = 'parked'", run_id)

    assert parked["park_reason"] == "limit"
    assert parked["park_issue"]["code"] == "B05"
    assert parked["parked_seconds"] == 0  # waiting for a limit does not count as waiting without an end

    # the hour comes
    await house.db.run("UPDATE run SET parked_until = now() WHERE id = %s", run_id)
    run = await house.ended(run_id)

    assert run["status"] == "Success"
    assert [entry["number"] for entry in sandbox.books.entries(1001, journal="V1")] == list(range(1, 9))
