"""`dagboek resolve`: what only a person can decide."""

from typing import Annotated

import typer

from dagboek.cli import tables
from dagboek.cli.selecting import link, tenants
from dagboek.cli.session import language_of, open_session, run, who
from dagboek.cli.wording import Wording
from dagboek.documents import DocumentRow, Standing, documents
from dagboek.resolve import acknowledge_change, mark_as_booked, send_again


def register(app: typer.Typer) -> None:
    """Adds the command."""
    group = typer.Typer(help="Decide about documents of which nobody but a person knows whether they are booked.")
    app.add_typer(group, name="resolve")

    @group.command("list")
    def list_(
        tenant: Annotated[str | None, typer.Option(help="of one tenant")] = None,
        language: Annotated[str | None, typer.Option(help="of the reasons: nl, fr or en")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    ) -> None:
        """Documents that need a person, with their link number."""
        wanted = language_of(language)
        run(lambda: _list(tenant, wanted, as_json))

    @group.command("booked")
    def booked(
        named: Annotated[str, typer.Argument(metavar="LINK", help="link number, or the number of the document")],
        number: Annotated[str, typer.Argument(metavar="BOOKING-NUMBER", help="under which the tool has it")],
        tenant: Annotated[str | None, typer.Option(help="of one tenant")] = None,
    ) -> None:
        """It stands in the tool: take over its booking number; nothing is sent."""
        run(lambda: _booked(named, number, tenant))

    @group.command("send-again")
    def again(
        named: Annotated[str, typer.Argument(metavar="LINK", help="link number, or the number of the document")],
        tenant: Annotated[str | None, typer.Option(help="of one tenant")] = None,
        yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
    ) -> None:
        """It does not stand in the tool: send it again, as a new entry."""
        if not yes and not typer.confirm("Have you looked in the accounting tool, and is it not there?"):
            raise typer.Exit(1)
        run(lambda: _again(named, tenant))

    @group.command("seen")
    def seen(
        named: Annotated[str, typer.Argument(metavar="LINK", help="link number, or the number of the document")],
        tenant: Annotated[str | None, typer.Option(help="of one tenant")] = None,
    ) -> None:
        """A booked document was changed in the source: you have seen it; it is not reported again."""
        run(lambda: _seen(named, tenant))


async def _list(tenant: str | None, language: str, as_json: bool) -> None:
    rows: list[tuple[str, DocumentRow]] = []
    async with open_session() as session:
        for one in await tenants(session.db, tenant):
            found = await documents(session.db, one.id, not_synced=True)
            rows += [(one.name, row) for row in found if row.standing is Standing.NEEDS_PERSON]
        wording = Wording(session.plugins, language)
    if as_json:
        tables.print_json(
            [
                {**tables.json_of(row), "tenant": name, "issues": [wording.json(issue) for issue in row.issues]}
                for name, row in rows
            ]
        )
        return
    out = tables.console()
    if not rows:
        out.print("Nothing needs a person.", style="green")
        return
    shown = tables.table("link", "tenant", "entity", "number", "party", "date", "amount", "why", right=("amount",))
    for name, row in rows:
        first = next(iter(row.issues), None)
        shown.add_row(
            str(row.link_id),
            *(tables.cell(part) for part in (name, row.entity, row.title, row.party, row.issue_date)),
            tables.amount(row.gross, row.currency),
            tables.cell(f"{wording.of(first).title}: {wording.of(first).cause}" if first else ""),
        )
    out.print(shown)
    out.print(
        "\nLook in the accounting tool. It is there: `dagboek resolve booked LINK NUMBER`. "
        "It is not: `dagboek resolve send-again LINK`.",
        style="dim",
    )


async def _booked(named: str, number: str, tenant: str | None) -> None:
    async with open_session() as session:
        await mark_as_booked(session.db, await link(session.db, named, tenant), number, who())
    tables.console().print(tables.cell(f"Booked as {number}; nothing was sent."))


async def _again(named: str, tenant: str | None) -> None:
    async with open_session(broker=True) as session:
        run_id = await send_again(session.db, session.publisher, await link(session.db, named, tenant), who())
    tables.console().print(f"Being sent again in run {str(run_id)[:8]}; `dagboek history {str(run_id)[:8]}` shows it.")


async def _seen(named: str, tenant: str | None) -> None:
    async with open_session() as session:
        await acknowledge_change(session.db, await link(session.db, named, tenant))
    tables.console().print("Noted: this change is not reported again.")
