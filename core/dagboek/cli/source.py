"""`dagboek source`: where the documents of a tenant come from."""

import asyncio
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer
from dagboek_sdk.source import SourceUnavailable

from dagboek.cli import tables
from dagboek.cli.failures import CommandFailed
from dagboek.cli.selecting import targets, tenants
from dagboek.cli.session import Session, open_session, run
from dagboek.logins import check_settings
from dagboek.sources import SourceRow, ensure_source, open_source, sources_of
from dagboek.tenants import ensure_tenant

PATIENCE = 10.0
"""Seconds for counting what a source lists."""


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help="Where the documents of a tenant come from.", no_args_is_help=True)
    app.add_typer(group, name="source")

    @group.command("add")
    def add(
        plugin: Annotated[str, typer.Argument(help="such as ubl")],
        tenant: Annotated[str, typer.Option(help="customer account; made if there is none")],
        folder: Annotated[Path | None, typer.Option(help="folder with the documents")] = None,
        values: Annotated[
            list[str] | None, typer.Option("--set", metavar="NAME=VALUE", help="another setting, may be repeated")
        ] = None,
        name: Annotated[str | None, typer.Option(help="to tell several apart")] = None,
    ) -> None:
        """Add a source to a tenant, or change the one of that name. All entities of the tenant use it."""
        given = dict(_pair(value) for value in values or ())
        if folder is not None:
            given["folder"] = str(folder.expanduser().absolute())
        run(lambda: _add(plugin, tenant, name or plugin, given))

    @group.command("list")
    def list_all(
        tenant: Annotated[str | None, typer.Option(help="of one tenant")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    ) -> None:
        """Show all sources."""
        run(lambda: _list(tenant, as_json))


async def _add(plugin: str, tenant: str, name: str, given: dict[str, Any]) -> None:
    async with open_session() as session:
        about = session.plugins.source(plugin).about
        check_settings(about.settings, given, about.title)  # before a tenant is made for nothing
        owner = await ensure_tenant(session.db, tenant)
        row = await ensure_source(session.db, session.plugins, owner.id, plugin, name, given)
        known = [one for one in await targets(session.db, owner.id) if one.state == "connected"]
        found = await _counted(session, row)
    settings = ", ".join(str(value) for name, value in row.settings.items() if name == "folder")
    where = f": {settings}" if settings else ""
    out = tables.console()
    out.print(tables.cell(f"{owner.name} has the source {row.name} ({row.plugin}){where}."))
    out.print(tables.cell(found))
    quoted = shlex.quote(owner.name)
    if known:
        out.print(tables.cell(f"See what would be booked: dagboek preview {str(known[0].id)[:8]}"))
    else:
        out.print(tables.cell(f"Next: dagboek connect TOOL --tenant {quoted} --entity NAME --vat NUMBER"))


async def _counted(session: Session, row: SourceRow) -> str:
    """How many documents the source lists, whosever they are; or why it cannot be read."""
    nobody = {"name": "", "vat_number": None, "company_number": None, "country": "BE"}
    stored = {"plugin": row.plugin, "settings": row.settings, "name": row.name}
    number = 0
    try:
        source = open_source(session.db, session.plugins, stored, nobody)
        try:
            async with asyncio.timeout(PATIENCE):
                async for page in source.list(None):
                    number += len(page)
        finally:
            await source.close()
    except SourceUnavailable as away:
        return f"It is stored, but it cannot be read now: {away}"
    except TimeoutError:
        return f"It lists over {number} documents; counting was ended after {PATIENCE:.0f} seconds."
    return f"It lists {number} documents." if number else "It lists no document yet."


async def _list(tenant: str | None, as_json: bool) -> None:
    async with open_session() as session:
        owners = await tenants(session.db, tenant)
        rows = [(owner, row) for owner in owners for row in await sources_of(session.db, owner.id)]
    if as_json:
        tables.print_json(
            [{"tenant": owner.name, "source": row.name, "plugin": row.plugin, **row.settings} for owner, row in rows]
        )
        return
    shown = tables.table("tenant", "source", "kind", "settings")
    for owner, row in rows:
        settings = ", ".join(f"{name}={value}" for name, value in row.settings.items() if value is not None)
        shown.add_row(*(tables.cell(text) for text in (owner.name, row.name, row.plugin, settings)))
    tables.console().print(shown if rows else "There is no source yet. Add one with `dagboek source add`.")


def _pair(value: str) -> tuple[str, str]:
    name, equals, text = value.partition("=")
    if not equals or not name:
        raise CommandFailed("--set takes NAME=VALUE.")
    return name, text
