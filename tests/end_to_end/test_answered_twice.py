"""A gateway gives an answer twice, the second time while the next write waits: each is told what became of itself."""

from pathlib import Path

from dagboek.chaos.ubl import Ubl
from end_to_end.harness import Installation, octopus, write_files

BOOKING = "insertBuySellBooking"


async def test_a_booking_that_is_refused_is_not_told_as_booked_by_the_second_answer_to_another(
    house: Installation, tmp_path: Path
) -> None:
    async with octopus() as sandbox:
        write_files(tmp_path / "ubl", [Ubl("2026/1"), Ubl("2026/2"), Ubl("2026/3")])
        connection = await house.connection(sandbox, tenant="Answered twice", folder=tmp_path / "ubl")
        sandbox.control.faults(kind="latency", operation=BOOKING, seconds=1.0)
        sandbox.control.faults(kind="answered_twice", operation=BOOKING, times=1, seconds=0.5)
        sandbox.control.faults(kind="refuse", operation=BOOKING, after=1, times=1, code=-10, status=400)

        run = await house.sync(connection)

        assert len(sandbox.books.entries(1001)) == 2
        states = await house.states(run["id"])
        assert sorted(state.split()[0] for state in states.values()) == ["skipped", "synced", "synced"], states
        booked = {entry["comment"] for entry in sandbox.books.entries(1001)}
        assert {number for number, state in states.items() if state == "synced"} == booked
