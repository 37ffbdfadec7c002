"""`dagboek resolve`: what only a person can decide."""

import sys
from typing import Annotated

import typer

from dagboek.cli import tables
from dagboek.cli.failures import bad_arguments
from dagboek.cli.selecting import Decidable, decidable, tenants
from dagboek.cli.session import language_of, open_session, run, who
from dagboek.cli.wording import Wording
from dagboek.documents import DocumentRow, Standing, documents, parties_in_doubt
from dagboek.resolve import acknowledge_change, mark_as_booked, send_again

Document = Annotated[str | None, typer.Argument(help="number of the document")]
Link = Annotated[int | None, typer.Option(help="number of the link, as `resolve list` shows it, not of the document")]
Tenant = Annotated[str | None, typer.Option(help="of one tenant")]
Yes = Annotated[bool, typer.Option("--yes", help="do not ask")]


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
        document: Annotated[str, typer.Argument(metavar="[DOCUMENT]", help="number of the document")],
        number: Annotated[
            str | None, typer.Argument(metavar="BOOKING-NUMBER", help="under which the tool has it")
        ] = None,
        link: Link = None,
        tenant: Tenant = None,
        yes: Yes = False,
    ) -> None:
        """It stands in the tool: take over its booking number; nothing is sent."""
        given = [document] if number is None else [document, number]
        if len(given) != (1 if link is not None else 2):
            raise bad_arguments("Name the document and its booking number, or --link and the booking number.")
        run(lambda: _booked(given[0] if link is None else None, link, given[-1], tenant, yes))

    @group.command("send-again")
    def again(document: Document = None, link: Link = None, tenant: Tenant = None, yes: Yes = False) -> None:
        """It does not stand in the tool: send it again, as a new entry."""
        _one_of(document, link)
        run(lambda: _again(document, link, tenant, yes))

    @group.command("seen")
    def seen(document: Document = None, link: Link = None, tenant: Tenant = None, yes: Yes = False) -> None:
        """A booked document was changed in the source: you have seen it; it is not reported again."""
        _one_of(document, link)
        run(lambda: _seen(document, link, tenant, yes))


def _one_of(document: str | None, link: int | None) -> None:
    if (document is None) == (link is None):
        raise bad_arguments("Name the document by its number, or by --link.")


async def _list(tenant: str | None, language: str, as_json: bool) -> None:
    rows: list[tuple[str, DocumentRow]] = []
    async with open_session() as session:
        for one in await tenants(session.db, tenant):
            found = await documents(session.db, one.id, not_synced=True)
            rows += [(one.name, row) for row in found if row.standing is Standing.NEEDS_PERSON]
            rows += [(one.name, row) for row in await parties_in_doubt(session.db, one.id)]
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
        "\nLook in the accounting tool. It is there: `dagboek resolve booked NUMBER BOOKING-NUMBER`. "
        "It is not: `dagboek resolve send-again NUMBER`. A customer, a supplier, or a number that is there twice: "
        "`--link LINK` instead.",
        style="dim",
    )


async def _booked(document: str | None, link: int | None, number: str, tenant: str | None, yes: bool) -> None:
    async with open_session() as session:
        chosen = await decidable(session.db, document, link, tenant)
        _confirm(chosen, f"Does it stand in the accounting tool as {number}?", yes=yes or not sys.stdin.isatty())
        await mark_as_booked(session.db, chosen.tenant_id, chosen.link_id, number, who())
    tables.console().print(tables.cell(f"Booked as {number}; nothing was sent."))


async def _again(document: str | None, link: int | None, tenant: str | None, yes: bool) -> None:
    async with open_session(broker=True) as session:
        chosen = await decidable(session.db, document, link, tenant)
        _confirm(chosen, "Have you looked in the accounting tool, and is it not there?", yes=yes)
        run_id = await send_again(
            session.db, session.publisher, chosen.tenant_id, chosen.link_id, who(), seen=chosen.link_version
        )
    short = str(run_id)[:8]
    how = "with the next synchronisation" if run_id is None else f"in run {short}; `dagboek history {short}` shows it"
    tables.console().print(f"Being sent again {how}.")


async def _seen(document: str | None, link: int | None, tenant: str | None, yes: bool) -> None:
    async with open_session() as session:
        chosen = await decidable(session.db, document, link, tenant)
        _confirm(chosen, "Have you seen what was changed?", yes=yes or not sys.stdin.isatty())
        await acknowledge_change(session.db, chosen.tenant_id, chosen.link_id)
    tables.console().print("Noted: this change is not reported again.")


def _confirm(chosen: Decidable, question: str, *, yes: bool) -> None:
    """Shows what is decided about; a person may have meant another one."""
    tables.console().print(tables.cell(chosen.label))
    if not yes and not typer.confirm(question):
        raise typer.Exit(1)
