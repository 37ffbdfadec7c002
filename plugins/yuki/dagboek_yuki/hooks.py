"""What this distribution registers with Dagboek."""

from collections.abc import Sequence
from typing import Any

from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.catalogue import read_catalogue
from dagboek_sdk.hooks import CatalogueEntry, hookimpl
from dagboek_sdk.sandbox import RunningSandbox, SandboxCommand

from dagboek_yuki.plugin import YukiPlugin


@hookimpl
def dagboek_accounting_plugins() -> Sequence[type[AccountingPlugin]]:
    """Yuki."""
    return (YukiPlugin,)


@hookimpl
def dagboek_issue_catalogue() -> Sequence[CatalogueEntry]:
    """The issues of Yuki, Y01 to Y99."""
    return read_catalogue("dagboek_yuki", tool="yuki")


@hookimpl
def dagboek_sandboxes() -> Sequence[SandboxCommand]:
    """A server that behaves as Yuki does."""
    return (SandboxCommand("yuki", _start),)


async def _start(**options: Any) -> RunningSandbox:
    """Loads the server only when it is asked for: it is no part of a worker."""
    from dagboek_yuki.sandbox import start_sandbox  # noqa: PLC0415

    return await start_sandbox(**options)
