"""Production's own code through seeds of trouble: nothing lost, nothing twice, everything told, everything ends."""

import asyncio

import pytest
from simulation.conftest import simulate

IN_A_MINUTE = 2000
"""What is asked for on every push; a machine with more to do leaves some of them out, and says how many it did."""


@pytest.mark.timeout(0)
async def test_what_goes_wrong_loses_nothing_and_books_nothing_twice(
    simulated_database: str, request: pytest.FixtureRequest
) -> None:
    """The seed that fails is named, with the command that replays it. Many more: `pytest --seeds 100000`."""
    number: int = request.config.getoption("--seeds")
    limit = ("--seconds", "60") if number <= IN_A_MINUTE else ()
    done = await asyncio.gather(
        *(
            simulate(simulated_database, "--seeds", half, *limit)
            for half in (f"0:{number // 2}", f"{number // 2}:{number}")
        )
    )
    for status, said in done:
        print(said)
        assert status == 0, said


async def test_the_same_seed_is_the_same_story(simulated_database: str) -> None:
    """Also after others have been lived through in the same process."""
    first = await simulate(simulated_database, "--seeds", "6:12", "--hashes")
    second = await simulate(simulated_database, "--seeds", "0:12", "--hashes")
    told = [line for line in first[1].splitlines() if line[:1].isdigit() and "seeds" not in line]
    assert len(told) == 6
    assert set(told) < set(second[1].splitlines())
