"""The plugin against the sandbox over HTTP."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from dagboek_sdk.sandbox import RunningSandbox
from octopus_books import Dossier


@pytest.fixture
async def start_dossier() -> AsyncIterator[Callable[..., Awaitable[Dossier]]]:
    """Starts a sandbox with options of its own."""
    started: list[tuple[RunningSandbox, Dossier]] = []

    async def start(**options: Any) -> Dossier:
        from dagboek_octopus.sandbox import start_sandbox

        chosen: dict[str, Any] = {"years": (2024, 2027), "limits": False} | options
        sandbox = await start_sandbox(**chosen)
        started.append((sandbox, Dossier(sandbox)))
        return started[-1][1]

    yield start
    for sandbox, dossier in started:
        await dossier.close()
        await sandbox.stop()


@pytest.fixture
async def dossier(start_dossier: Callable[..., Awaitable[Dossier]]) -> Dossier:
    """A dossier of its own, limits lifted."""
    return await start_dossier()
