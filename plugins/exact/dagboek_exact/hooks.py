"""What this distribution registers with Dagboek."""

from collections.abc import Sequence
from typing import Any

from dagboek_sdk.hooks import hookimpl
from dagboek_sdk.sandbox import RunningSandbox, SandboxCommand


@hookimpl
def dagboek_sandboxes() -> Sequence[SandboxCommand]:
    """A server that behaves as Exact Online does."""
    return (SandboxCommand("exact", _start),)


async def _start(**options: Any) -> RunningSandbox:
    """Loads the server only when it is asked for: it is no part of a worker."""
    from dagboek_exact.sandbox import start_sandbox  # noqa: PLC0415

    return await start_sandbox(**options)
