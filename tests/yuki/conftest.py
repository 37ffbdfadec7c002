"""The plugin against the sandbox over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from dagboek_sdk.sandbox import RunningSandbox
from yuki_books import House, new_house


@pytest.fixture
async def start_house() -> AsyncIterator[Callable[..., Awaitable[House]]]:
    """Starts a sandbox with options of its own."""
    started: list[tuple[RunningSandbox, House]] = []

    async def start(**options: Any) -> House:
        house = await new_house(**options)
        started.append((house.sandbox, house))
        return house

    yield start
    for sandbox, house in started:
        await house.close()
        await sandbox.stop()


@pytest.fixture
async def house(start_house: Callable[..., Awaitable[House]]) -> House:
    """Books of their own, limits lifted."""
    return await start_house()
