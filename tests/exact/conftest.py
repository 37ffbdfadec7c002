"""The plugin against the sandbox over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from dagboek_sdk.sandbox import RunningSandbox
from exact_books import Division


@pytest.fixture
async def start_division() -> AsyncIterator[Callable[..., Awaitable[Division]]]:
    """Starts a sandbox with options of its own."""
    started: list[tuple[RunningSandbox, Division]] = []

    async def start(**options: Any) -> Division:
        from dagboek_exact.sandbox import start_sandbox

        chosen: dict[str, Any] = {"years": (2024, 2027), "limits": False} | options
        sandbox = await start_sandbox(**chosen)
        started.append((sandbox, Division(sandbox)))
        return started[-1][1]

    yield start
    for sandbox, division in started:
        await division.close()
        await sandbox.stop()


@pytest.fixture
async def division(start_division: Callable[..., Awaitable[Division]]) -> Division:
    """A division of its own, limits lifted."""
    return await start_division()
