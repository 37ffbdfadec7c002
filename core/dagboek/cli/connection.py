"""`dagboek connection`: the connections there are, and their end."""

from typing import Annotated

import typer

from dagboek import administrations, connections
from dagboek.cli import tables
from dagboek.cli.calls import calls_json, calls_left, print_calls_left
from dagboek.cli.failures import CommandFailed
from dagboek.cli.selecting import target, tenants
from dagboek.cli.session import open_session, run
from dagboek.cli.wording import Wording

Named = Annotated[str, typer.Argument(metavar="CONNECTION", help="id or the start of it, entity, VAT number")]
Tenant = Annotated[str | None, typer.Option(help="of one tenant")]
Json = Annotated[bool, typer.Option("--json", help="for programs")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    group = typer.Typer(help="List and delete connections.", no_args_is_help=True)
    app.add_typer(group, name="connection")

    @group.command("list")
    def list_all(tenant: Tenant = None, as_json: Json = False) -> None:
        """Show all connections."""
        run(lambda: _list(tenant, as_json))

    @group.command("delete")
    def delete(
        connection: Named,
        tenant: Tenant = None,
        yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
        as_json: Json = False,
    ) -> None:
        """Delete a connection. What it booked stays in the tool and is remembered."""
        run(lambda: _delete(connection, tenant, yes or as_json, as_json))

    @group.command("share")
    def share(
        tool: Annotated[str, typer.Argument(help="such as octopus")],
        administration: Annotated[str, typer.Argument(help="the tool's own id of the books")],
    ) -> None:
        """Allow several tenants to connect the same books. Documents of both could then be booked twice."""
        run(lambda: _share(tool, administration))


async def _list(tenant: str | None, as_json: bool) -> None:
    async with open_session() as session:
        tenant_id = (await tenants(session.db, tenant))[0].id if tenant else None
        rows = await connections.listed(session.db, tenant_id)
        wording = Wording(session.plugins, "en") if any(row.broken for row in rows) else None
        left = await calls_left(session, (row.id for row in rows)) if rows else {}
    if as_json:
        tables.print_json([{**_content(row), "calls_left": calls_json(left.get(row.id, ()))} for row in rows])
        return
    if not rows:
        tables.console().print("There is no connection yet. Make one with `dagboek connect`.")
        return
    shown = tables.table("connection", "tenant", "entity", "tool", "administration", "user", "state", "next run (UTC)")
    for row in rows:
        state = row.state.value.replace("_", " ")
        books = f"{row.administration_name} ({row.tool_id})" if row.tool_id else ""
        cells = [str(row.id)[:8], row.tenant_name, row.entity_name, row.plugin, books, row.tool_user, state]
        cells.append(tables.moment(row.next_run_at))
        shown.add_row(*(tables.cell(text) for text in cells))
    tables.console().print(shown)
    print_calls_left(tables.console(), left, {row.id: row.plugin for row in rows})
    for row in rows:
        if wording and row.broken:
            text = wording.of(row.broken)
            tables.console().print(tables.cell(f"{str(row.id)[:8]}: {text.cause} {text.remedy}"), style="yellow")


async def _delete(named: str, tenant: str | None, sure: bool, as_json: bool) -> None:
    async with open_session() as session:
        chosen = await target(session.db, named, tenant)
        if not sure and not typer.confirm(f"Delete {chosen.label}?", err=True):
            raise CommandFailed("Nothing was deleted.", code=1)
        said = await connections.delete_connection(session.db, chosen.id, chosen.tenant_id)
    if as_json:
        tables.print_json({"connection": chosen.id, "consequences": said})
        return
    for sentence in said:
        tables.console().print(tables.cell(sentence))


async def _share(tool: str, administration: str) -> None:
    async with open_session() as session:
        if not await administrations.share(session.db, tool, administration):
            raise CommandFailed(f"No tenant has connected {administration} of {tool}. Nothing was changed.")
    tables.console().print(tables.cell(f"Other tenants may connect {administration} of {tool} now."))


def _content(row: connections.ConnectionRow) -> dict[str, object]:
    return {
        "connection": row.id,
        "tenant": row.tenant_name,
        "entity": row.entity_name,
        "tool": row.plugin,
        "administration": row.tool_id or None,
        "administration_name": row.administration_name or None,
        "user": row.tool_user,
        "state": row.state,
        "reconnect_because": row.broken.model_dump(mode="json") if row.broken else None,
        "next_run_at": row.next_run_at,
    }
