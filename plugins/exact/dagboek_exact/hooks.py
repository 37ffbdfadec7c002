"""What this distribution registers with Dagboek."""

from collections.abc import Sequence
from typing import Any

from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.catalogue import read_catalogue
from dagboek_sdk.hooks import CatalogueEntry, hookimpl
from dagboek_sdk.sandbox import RunningSandbox, SandboxCommand

from dagboek_exact.plugin import ExactPlugin


@hookimpl
def dagboek_accounting_plugins() -> Sequence[type[AccountingPlugin]]:
    """Exact Online."""
    return (ExactPlugin,)


@hookimpl
def dagboek_issue_catalogue() -> Sequence[CatalogueEntry]:
    """The issues of Exact Online, X01 to X92."""
    return read_catalogue("dagboek_exact", tool="exact")


@hookimpl
def dagboek_sandboxes() -> Sequence[SandboxCommand]:
    """A server that behaves as Exact Online does."""
    return (SandboxCommand("exact", _start),)


async def _start(**options: Any) -> RunningSandbox:
    """Loads the server only when it is asked for: it is no part of a worker."""
    from dagboek_exact.sandbox import start_sandbox  # noqa: PLC0415

    return await start_sandbox(**options)
