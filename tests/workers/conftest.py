"""A database of its own for each module, books in it, and lanes at work on them."""

from collections.abc import AsyncIterator
from typing import Any

import pytest
from dagboek.database import Database
from lane_books import LaneOf, Loop, ready
from push_books import Books, new_books


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    async with new_books(database) as made:
        await ready(made)
        yield made


@pytest.fixture
async def lane(books: Books) -> AsyncIterator[LaneOf]:
    """Makes the lane of the books at work with the given tool."""
    made: list[Loop] = []

    def make(tool: Any) -> Loop:
        made.append(Loop(books, tool))
        return made[-1]

    yield make
    for one in made:
        await one.recorder.stop()
