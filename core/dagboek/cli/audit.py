"""`dagboek audit`: what we have booked in a period against what stands in the tool's books."""

import asyncio
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Annotated, Any, Final
from uuid import UUID

import typer
from dagboek_sdk.accounting import Period
from rich.console import Console
from rich.text import Text

from dagboek import connections
from dagboek.audit import records
from dagboek.audit.comparing import Difference, Kind
from dagboek.audit.records import AlreadyAuditing, AuditRow, AuditState, CannotAudit, Estimate, FindingRow
from dagboek.cli import tables
from dagboek.cli.failures import CommandFailed, tell
from dagboek.cli.history import print_issue
from dagboek.cli.selecting import Target, target
from dagboek.cli.session import Session, language_of, open_session, run, who
from dagboek.cli.wording import Wording

POLL: Final = 0.5
SILENCE: Final = 20.0
"""Seconds after which an audit that nobody takes up is remarked upon."""
SHOWN: Final = 10_000

WORDS: Final[Mapping[Kind, tuple[str, str, str]]] = {
    Kind.MISSING: (
        "missing",
        "bold red",
        "Not in the tool. To book it again, reset its link.",
    ),
    Kind.DIFFERS: ("differs", "yellow", "Somebody changed it in the tool. Correct it there or in the source."),
    Kind.TWICE: ("twice", "bold red", "A second entry, or one that looks so. Delete the one that is too many."),
    Kind.OTHERS: ("not ours", "cyan", "By hand or another program. One of our documents: mark it as booked."),
    Kind.WAITING: ("waiting", "magenta", "Its outcome is not known yet: `dagboek resolve list`."),
    Kind.UNTOLD: ("cannot tell", "dim", "The tool does not show it here. Look there."),
    Kind.FOUND: ("found", "green", ""),
}
"""In the table, its colour, and what to do."""

_DIFFERENCES: Final = {Difference.REFERENCE: "document number", Difference.ENTRY: "another entry"}


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("audit")
    def command(
        connection: Annotated[str, typer.Argument(help="a connection: its entity, VAT number or id")],
        first: Annotated[datetime, typer.Option("--from", formats=["%Y-%m-%d"], help="first day of the period")],
        last: Annotated[datetime, typer.Option("--to", formats=["%Y-%m-%d"], help="last day of the period")],
        tenant: Annotated[str | None, typer.Option(help="of one tenant")] = None,
        everything: Annotated[bool, typer.Option("--all", help="also what is as it should be")] = False,
        no_wait: Annotated[bool, typer.Option("--no-wait", help="start only")] = False,
        language: Annotated[str | None, typer.Option(help="of causes and remedies: nl, fr or en")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    ) -> None:
        """Compare what we booked in a period with the tool's books. Nothing is changed; status 1: look at something."""
        wanted = language_of(language)
        period = Period(first.date(), last.date())
        raise typer.Exit(run(lambda: _audit(connection, tenant, period, everything, no_wait, wanted, as_json)))


async def _audit(
    named: str, tenant: str | None, period: Period, everything: bool, no_wait: bool, language: str, as_json: bool
) -> int:
    async with open_session() as session:
        chosen = await target(session.db, named, tenant)
        audit_id = await _started(session, chosen, period)
        if no_wait:
            if as_json:
                tables.print_json({"audit": audit_id})
            return 0
        ended = await _watched(session, chosen, audit_id, quiet=as_json)
        found = await records.findings(session.db, audit_id, everything=everything, limit=SHOWN)
        wording = Wording(session.plugins, language)
    if as_json:
        tables.print_json(_json(ended, found, wording))
    else:
        _print(tables.console(), ended, found, wording)
    return 0 if ended.state is AuditState.DONE and not ended.problems else 1


async def _started(session: Session, chosen: Target, period: Period) -> UUID:
    """A new audit; one of this connection that has not ended is watched instead."""
    row = await connections.find(session.db, chosen.id)
    try:
        expected = await records.estimate(session.db, session.db, session.plugins, session.vault, row, period)
        tell(_calls(expected))
        return await records.request(session.db, row, period, who() or "?", expected)
    except AlreadyAuditing as other:
        tell("An audit of this connection has not ended: that one is shown.")
        return other.audit_id
    except CannotAudit as reason:
        raise CommandFailed(str(reason)) from None


def _calls(expected: Estimate) -> str:
    left = "; ".join(one.words() for one in expected.left)
    at_least = f"Takes {tables.counted(expected.calls, 'call')} of the tool's or more"
    return (
        f"{at_least}, as it holds entries of others; {left}." if left else f"{at_least}, as it holds others' entries."
    )


async def _watched(session: Session, chosen: Target, audit_id: UUID, *, quiet: bool) -> AuditRow:
    """Until it has ended. Ctrl-C ends the watching, not the audit."""
    begun, told = time.monotonic(), ""
    with Console(stderr=True, quiet=quiet).status("") as status:
        while True:
            found = await records.one(session.db, chosen.tenant_id, audit_id)
            if found.state.ended:
                return found
            words = _progress(found, time.monotonic() - begun)
            status.update(words)
            if found.state is AuditState.WAITING and words != told:
                told = words
                tell(words)
            await asyncio.sleep(POLL)


def _progress(found: AuditRow, elapsed: float) -> str:
    if found.state is AuditState.WAITING and found.goes_on_at:
        return f"Waits for the tool, and goes on at {found.goes_on_at.astimezone(UTC):%Y-%m-%d %H:%M} UTC."
    if found.state is AuditState.REQUESTED and elapsed > SILENCE:
        return "Nobody takes this audit up. Is `dagboek up` (or `dagboek core`) running?"
    return f"Reading the books: {found.entries} so far ..."


def _print(out: Console, audit: AuditRow, found: Sequence[FindingRow], wording: Wording) -> None:
    head = f"{audit.entity} into {audit.tool} ({audit.administration}), {audit.first_day} to {audit.last_day}"
    out.print(tables.cell(head), style="bold")
    for one in (*audit.remarks, *([audit.issue] if audit.issue else [])):
        print_issue(out, one, wording, indent=2)
    if audit.state is not AuditState.DONE:
        out.print(f"\n{audit.state}. Nothing was changed in the tool.", style="yellow")
        return
    if found:
        _print_table(out, found)
    for kind in dict.fromkeys(one.kind for one in found):
        if kind is not Kind.FOUND:
            out.print(Text.assemble((f"  {WORDS[kind][0]}: ", WORDS[kind][1]), WORDS[kind][2]))
    counts = ", ".join(f"{number} {WORDS[kind][0]}" for kind, number in audit.counts.items()) or "nothing booked"
    out.print(
        f"\n{counts}. {audit.entries} of the tool's entries were read, in {tables.counted(audit.calls, 'call')}. "
        "Totals with VAT are compared, in the currency that the tool gives. Nothing was changed.",
        style="dim",
    )


def _print_table(out: Console, found: Sequence[FindingRow]) -> None:
    shown = tables.table(
        "", "document", "party", "date", "ours", "in the tool", "number in the tool", "what differs",
        right=("ours", "in the tool"),
    )  # fmt: skip
    for one in found:
        shown.add_row(
            Text(WORDS[one.kind][0], style=WORDS[one.kind][1]),
            tables.cell(one.document_number or one.entry_reference),
            tables.cell(one.document_party or one.entry_party),
            str(one.document_day or one.entry_day or ""),
            tables.amount(one.document_gross, one.document_currency),
            tables.amount(one.entry_gross, one.entry_currency),
            tables.cell(one.entry_number or one.booked_number),
            ", ".join(_DIFFERENCES.get(name, str(name)) for name in one.differences),
        )
    out.print(shown)


def _json(audit: AuditRow, found: Sequence[FindingRow], wording: Wording) -> dict[str, Any]:
    shown: dict[str, Any] = tables.json_of(audit)
    shown |= {
        "remarks": [wording.json(one) for one in audit.remarks],
        "issue": wording.json(audit.issue) if audit.issue else None,
    }
    rows = [{**tables.json_of(one), "difference": tables.json_of(one.difference)} for one in found]
    return {**shown, "findings": rows}
