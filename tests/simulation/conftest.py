"""The simulation needs a PostgreSQL and no broker; each of its processes lives through seeds of its own."""

import asyncio
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from simulation.database import server

TESTS = Path(__file__).parent.parent


@pytest.fixture(scope="session")
def simulated_database() -> Iterator[str]:
    with server() as url:
        yield url


async def simulate(database: str, *given: str) -> tuple[int, str]:
    """`python -m simulation` with these arguments: its status, and what it said."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "simulation", "--database", database, *given),
        env=os.environ | {"PYTHONPATH": str(TESTS), "PYTHONHASHSEED": "0"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said, _ = await process.communicate()
    return process.returncode or 0, said.decode()
