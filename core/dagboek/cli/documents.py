"""`dagboek documents`: every document with its booking number, or where it stands and why."""

from typing import Annotated

import typer
from dagboek_schemas.documents import Direction, Kind
from rich.text import Text

from dagboek.cli import tables
from dagboek.cli.history import accepted_words
from dagboek.cli.selecting import target, tenants
from dagboek.cli.session import language_of, open_session, run
from dagboek.cli.wording import Wording
from dagboek.documents import SYNCED, DocumentRow, Standing, documents

_STYLES = {
    Standing.BOOKED: "green",
    Standing.ACCEPTED: "green",
    Standing.SKIPPED: "yellow",
    Standing.UNREADABLE: "yellow",
    Standing.DUPLICATE: "yellow",
    Standing.NEEDS_PERSON: "bold red",
    Standing.TO_SETTLE: "magenta",
}

_PAID = {"paid": "yes", "partially_paid": "in part", "not_paid": "no"}
"""How far an entry is paid; empty where the tool has not told."""


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("documents")
    def command(
        not_synced: Annotated[bool, typer.Option("--not-synced", help="only those without an entry")] = False,
        connection: Annotated[str | None, typer.Option(help="of the entity of one connection")] = None,
        tenant: Annotated[str | None, typer.Option(help="of one tenant")] = None,
        sales: Annotated[bool, typer.Option("--sales", help="sales only")] = False,
        purchases: Annotated[bool, typer.Option("--purchases", help="purchases only")] = False,
        language: Annotated[str | None, typer.Option(help="of the reasons: nl, fr or en")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    ) -> None:
        """Documents: number, party, date, amount, booking number or where it stands."""
        direction = None if sales == purchases else Direction.SALES if sales else Direction.PURCHASE
        run(lambda: _show(not_synced, connection, tenant, direction, language, as_json))


async def _show(
    not_synced: bool,
    connection: str | None,
    tenant: str | None,
    direction: Direction | None,
    language: str | None,
    as_json: bool,
) -> None:
    wanted = language_of(language)
    async with open_session() as session:
        chosen = await target(session.db, connection, tenant) if connection else None
        rows: list[tuple[str, DocumentRow]] = []
        for one in await tenants(session.db, tenant):
            if chosen is None or chosen.tenant_id == one.id:
                entity_id = chosen.entity_id if chosen else None
                found = await documents(
                    session.db, one.id, entity_id=entity_id, direction=direction, not_synced=not_synced
                )
                rows += [(one.name, row) for row in found]
        wording = Wording(session.plugins, wanted)
    if as_json:
        tables.print_json(
            [
                {**tables.json_of(row), "tenant": name, "issues": [wording.json(issue) for issue in row.issues]}
                for name, row in rows
            ]
        )
        return
    _print(rows, wording, not_synced)


def _print(rows: list[tuple[str, DocumentRow]], wording: Wording, not_synced: bool) -> None:
    out = tables.console()
    if not rows:
        out.print("No document waits to be booked." if not_synced else "No document has been seen yet.")
        return
    paid = any(row.payment for _, row in rows)
    shown = tables.table(
        "tenant", "entity", "kind", "number", "party", "date", "amount", "booking number", *(("paid",) if paid else ()),
        "why", right=("amount",),
    )  # fmt: skip
    for tenant, row in rows:
        state = Text(row.booking_number or row.standing, style=_STYLES.get(row.standing, ""))
        first = next(iter(row.issues), None) if row.standing not in SYNCED else None
        why = f"{first.code} {wording.of(first).title}" if first else ""
        shown.add_row(
            tables.cell(tenant),
            tables.cell(row.entity),
            _kind(row),
            tables.cell(row.title),
            tables.cell(row.party),
            str(row.issue_date or ""),
            tables.amount(row.gross, row.currency),
            state,
            *((_PAID.get(row.payment or "", ""),) if paid else ()),
            tables.cell(f"as {row.duplicate_of}" if row.duplicate_of and not why else why),
        )
    out.print(shown)
    missing = sum(row.standing not in SYNCED for _, row in rows)
    out.print(f"\n{tables.counted(len(rows), 'document')}, {missing} not synced", style="dim")
    if accepted := sum(row.standing is Standing.ACCEPTED for _, row in rows):
        out.print(accepted_words(accepted), style="dim")


def _kind(row: DocumentRow) -> str:
    if row.kind is None or row.direction is None:
        return ""
    return f"{'sales' if row.direction is Direction.SALES else 'purchase'} " + (
        "invoice" if row.kind is Kind.INVOICE else "credit note"
    )
