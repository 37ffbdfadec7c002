"""`dagboek preview`: what a synchronisation would book, as journal lines, and what it would skip."""

from collections import Counter
from typing import Annotated

import typer
from dagboek_schemas.statuses import ItemKind
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from dagboek.cli import tables
from dagboek.cli.history import print_issue
from dagboek.cli.selecting import target
from dagboek.cli.session import language_of, open_session, run
from dagboek.cli.wording import Wording
from dagboek.preview import Preview, PreviewRow, Would, preview
from dagboek.sources import sources_of

_STYLES = {Would.BOOK: "green", Would.UPDATE: "cyan", Would.UNCHANGED: "dim", Would.NOT_READY: "dim"}


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("preview")
    def command(
        connection: Annotated[str, typer.Argument(help="a connection: its entity, VAT number or id")],
        tenant: Annotated[str | None, typer.Option(help="of one tenant")] = None,
        everything: Annotated[bool, typer.Option("--all", help="also parties and what is booked already")] = False,
        language: Annotated[str | None, typer.Option(help="of causes and remedies: nl, fr or en")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    ) -> None:
        """Show what would be booked, and what would be skipped and why. Nothing is written anywhere."""
        run(lambda: _show(connection, tenant, everything, language, as_json))


async def _show(connection: str, tenant: str | None, everything: bool, language: str | None, as_json: bool) -> None:
    wanted = language_of(language)
    async with open_session() as session:
        chosen = await target(session.db, connection, tenant)
        found = await preview(session.db, session.plugins, session.vault, chosen.id)
        wording = Wording(session.plugins, wanted)
        sources = await sources_of(session.db, chosen.tenant_id)
    rows = [row for row in found.rows if everything or _worth_showing(row)]
    if as_json:
        tables.print_json(_json(found, rows, wording))
        return
    out = tables.console()
    out.print(tables.cell(f"{chosen.tenant} / {chosen.label}"), style="bold")
    for row in rows:
        _print_row(out, row, wording)
    counts = Counter(row.would for row in found.rows if row.kind is ItemKind.DOCUMENT)
    words = ", ".join(f"{number} {would}" for would, number in counts.items()) or "nothing"
    out.print(f"\nDocuments: {words}. Nothing was written.", style="dim")
    if not sources:
        out.print(
            tables.cell(
                f"{chosen.tenant} has no source of documents yet. Add one, such as a folder of UBL files: "
                f'dagboek source add ubl --tenant "{chosen.tenant}" --folder FOLDER'
            ),
            style="yellow",
        )


def _worth_showing(row: PreviewRow) -> bool:
    return row.would is not Would.UNCHANGED and (row.kind is ItemKind.DOCUMENT or bool(row.issues))


def _print_row(out: Console, row: PreviewRow, wording: Wording) -> None:
    component = row.component.replace("_", " ") if row.component else "unreadable"
    head = Text.assemble(
        (f"\n{component}  ", "dim"),
        (tables.cell(row.title).plain, "bold"),
        f"  {tables.cell(row.party).plain}  {row.issue_date or ''}  {tables.amount(row.gross, row.currency)}  ",
        (row.would, _STYLES.get(row.would, "yellow")),
        f" in {row.journal}" if row.journal else "",
        f" (booked as {row.booking_number})" if row.booking_number else "",
    )
    out.print(head)
    if row.lines:
        shown = tables.table("account", "debit", "credit", "VAT", "text", "because", right=("debit", "credit"))
        for line in row.lines:
            shown.add_row(
                tables.cell(line.account),
                tables.amount(line.debit) if line.debit else "",
                tables.amount(line.credit) if line.credit else "",
                tables.cell(line.vat_code),
                tables.cell(line.text),
                Text(line.because, style="dim"),
            )
        out.print(Padding(shown, (0, 0, 0, 2), expand=False))
    elif row.would is Would.BOOK and row.kind is ItemKind.DOCUMENT:
        words = "The document goes to the tool as it is, and the accounts are chosen there when it is booked."
        out.print(Padding(Text(words, style="dim"), (0, 0, 0, 2), expand=False))
    for issue in row.issues:
        print_issue(out, issue, wording, indent=2)


def _json(found: Preview, rows: list[PreviewRow], wording: Wording) -> dict[str, object]:
    shown = [{**tables.json_of(row), "issues": [wording.json(issue) for issue in row.issues]} for row in rows]
    for row in shown:
        row.pop("order")
    return {"context_version": found.context_version, "rows": shown}
