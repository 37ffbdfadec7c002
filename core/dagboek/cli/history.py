"""`dagboek history`: what synchronisations did, and of one run what needs attention and how to fix it."""

from datetime import datetime
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.padding import Padding
from rich.text import Text

from dagboek.cli import tables
from dagboek.cli.calls import Left, calls_json, calls_left, print_calls_left
from dagboek.cli.selecting import target, tenant_of_run, tenants
from dagboek.cli.session import language_of, open_session, run
from dagboek.cli.wording import Wording
from dagboek.exchanges import Kept, of_run
from dagboek.history import Detail, RunDetails, RunSummary, next_automatic, recent_runs, run_details

_COUNTS = ("total", "synced", "unchanged", "skipped")
_SELDOM = ("not_ready", "not_tried", "to_settle", "planned")
"""Counts that have a column where there are any, so that a table fits a terminal of 80 columns."""


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command()
    def history(
        run_id: Annotated[str | None, typer.Argument(metavar="[RUN]", help="a run, by the start of its id")] = None,
        details: Annotated[bool, typer.Option("--details", help="each item: cause, remedy, the tool's words")] = False,
        everything: Annotated[bool, typer.Option("--all", help="with --details: also what went well")] = False,
        exchanges: Annotated[
            bool, typer.Option("--exchanges", help="what was asked of the tool and answered, where it was no success")
        ] = False,
        connection: Annotated[str | None, typer.Option(help="runs of one connection")] = None,
        tenant: Annotated[str | None, typer.Option(help="runs of one tenant")] = None,
        language: Annotated[str | None, typer.Option(help="of causes and remedies: nl, fr or en")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    ) -> None:
        """Runs of the last 7 days and the latest success; or one run with components, counts and details."""
        if run_id is None:
            run(lambda: _list(tenant, connection, language, as_json))
        else:
            run(lambda: _one(run_id, tenant, details or everything, everything, exchanges, language, as_json))


async def _list(tenant: str | None, connection: str | None, language: str | None, as_json: bool) -> None:
    wanted = language_of(language)
    async with open_session() as session:
        wording = Wording(session.plugins, wanted)
        chosen = await target(session.db, connection, tenant) if connection else None
        found: list[RunSummary] = []
        due: list[datetime] = []
        for one in await tenants(session.db, tenant):
            if chosen is None or chosen.tenant_id == one.id:
                found += await recent_runs(session.db, one.id, connection_id=chosen.id if chosen else None)
                if moment := await next_automatic(session.db, one.id, chosen.id if chosen else None):
                    due.append(moment)
        left = await calls_left(session, (row.connection_id for row in found)) if found else {}
    found.sort(key=lambda row: row.requested_at, reverse=True)
    if as_json:
        tables.print_json([run_json(row, left) for row in found])
        return
    out = tables.console()
    if not found:
        out.print("No synchronisation in the last 7 days. Start one with `dagboek sync CONNECTION`.")
    else:
        print_runs(out, found)
        print_waiting(out, found, wording)
        print_calls_left(out, left, {row.connection_id: row.tool for row in found}, only_low=True)
    if due:
        out.print(f"\nNext automatic run: {tables.moment(min(due))} UTC.")
    if not found:
        return
    out.print("\nOne run: `dagboek history RUN --details`. Times are UTC.", style="dim")


def print_waiting(out: Console, runs: list[RunSummary], wording: Wording) -> None:
    """What the runs wait for that wait, and until when."""
    waiting = [row for row in runs if row.next_step]
    if waiting:
        out.print()
    for row in waiting:
        why = f": {wording.of(row.park_issue).title}" if row.park_issue else ""
        out.print(tables.cell(f"{str(row.id)[:8]}  {row.status}, {row.next_step}{why}"), style="cyan")


def print_runs(out: Console, runs: list[RunSummary]) -> None:
    """A table of runs."""
    several = len({row.tenant for row in runs}) > 1
    shown = tables.table(
        "run", "date", *(("tenant",) if several else ()), "entity", "into", "status", "run time", "type", "by",
        "synced", "unchanged", "skipped", "total", right=("run time", "synced", "unchanged", "skipped", "total"),
    )  # fmt: skip
    for row in runs:
        shown.add_row(
            str(row.id)[:8],
            tables.moment(row.requested_at),
            *((tables.cell(row.tenant),) if several else ()),
            tables.cell(row.entity),
            row.tool,
            tables.status(row.status),
            tables.duration(row.seconds()),
            str(row.trigger) + (", one document" if row.small else ""),
            tables.cell(row.requested_by),
            str(row.counts.synced),
            str(row.counts.unchanged),
            str(row.counts.skipped),
            str(row.counts.total),
        )
    out.print(shown)


async def _one(
    run_id: str,
    tenant: str | None,
    details: bool,
    everything: bool,
    exchanges: bool,
    language: str | None,
    as_json: bool,
) -> None:
    chosen = language_of(language)
    async with open_session() as session:
        tenant_id = await tenant_of_run(session.db, run_id, tenant)
        found = await run_details(session.db, tenant_id, run_id, everything=everything)
        kept = await of_run(session.db, tenant_id, found.summary.id) if exchanges else []
        wording = Wording(session.plugins, chosen)
        left = await calls_left(session, [found.summary.connection_id])
    if as_json:
        shown = details_json(found, wording, left)
        tables.print_json(shown | {"exchanges": tables.json_of(kept)} if exchanges else shown)
        return
    out = tables.console()
    print_run(out, found, wording)
    print_calls_left(out, left, {found.summary.connection_id: found.summary.tool})
    if exchanges:
        print_exchanges(out, kept)
    if details:
        print_details(out, found.details, wording)
    elif found.details:
        out.print(f"\nWhat needs attention: `dagboek history {str(found.summary.id)[:8]} --details`", style="dim")


def print_run(out: Console, found: RunDetails, wording: Wording) -> None:
    """One run: what it was, its components with status and counts, and what holds it up."""
    row = found.summary
    head = Text.assemble(
        ("Run " + str(row.id)[:8], "bold"),
        f"  {row.tenant} / {row.entity} into {row.tool} ({row.administration})  ",
        tables.status(row.status),
    )
    out.print(head)
    by = f" by {row.requested_by}" if row.requested_by else ""
    started = f"{tables.moment(row.requested_at)} UTC, {row.trigger}{by}"
    took = tables.duration(row.seconds())
    out.print(tables.cell(f"{started}, {took}" if took else f"{started}, not started yet"), style="dim")
    if row.next_step:
        out.print(f"{row.status}, {row.next_step}", style="cyan")
    if found.park_issue:
        print_issue(out, found.park_issue, wording, indent=2)
    seldom = (name for name in _SELDOM if any(getattr(one.counts, name) for one in found.components))
    names = (*_COUNTS, *seldom)
    shown = tables.table("component", "status", *(name.replace("_", " ") for name in names))
    for component in found.components:
        counts = (getattr(component.counts, name) for name in names)
        shown.add_row(
            component.component.replace("_", " "),
            tables.status(component.status),
            *(Text(str(number), justify="right", style="" if number else "dim") for number in counts),
        )
    out.print()
    if found.components:
        out.print(shown)
    elif row.ended:
        out.print("There was nothing to send: nothing is new, and nothing has changed.", style="dim")
    if found.accepted:
        out.print(tables.cell(accepted_words(found.accepted)), style="dim")
    for component in found.components:
        if component.issue:
            out.print(Text("\n" + component.component.replace("_", " "), style="bold"))
            print_issue(out, wording.issue(component.issue), wording, indent=2)


def accepted_words(number: int) -> str:
    """What *accepted* means, of so many documents."""
    return (
        f"{tables.counted(number, 'document')} accepted: the tool has them and books them later; a booking number "
        "follows by itself."
    )


def print_details(out: Console, details: tuple[Detail, ...], wording: Wording) -> None:
    """Each item with its issues: what, why, how to fix it, and the tool's own words."""
    if not details:
        out.print("\nNothing needs attention.", style="green")
    for item in details:
        booked = f"  booked as {item.booking_number}" if item.booking_number else ""
        line = Text.assemble(
            ("\n" + item.component.replace("_", " "), "dim"),
            "  ",
            (tables.cell(item.title).plain, "bold"),
            f"  {item.state.replace('_', ' ')}{booked}",
            "  not tried again, as nothing has changed: `dagboek sync` tries it" if item.repeated else "",
        )
        out.print(line)
        for issue in item.issues:
            print_issue(out, issue, wording, indent=2)
        if item.source_url:
            out.print(Padding(tables.cell(item.source_url), (0, 0, 0, 2), expand=False), style="dim")


def print_exchanges(out: Console, kept: list[Kept]) -> None:
    """What was asked of the tool and answered, for support. Passwords and tokens are struck out."""
    if not kept:
        out.print("\nThe tool answered everything with success.", style="green")
    for one in kept:
        answer = str(one.status) if one.status else "no answer"
        out.print(
            Text.assemble(
                (f"\n{one.at:%H:%M:%S}", "dim"),
                f"  {tables.cell(one.title or '').plain}  ",
                (f"{one.method} {tables.cell(one.url).plain}", "bold"),
                f"  {answer}",
            )
        )
        for label, words in (("Trouble", one.trouble), ("Asked", one.request), ("Answered", one.answer)):
            if words:
                block = Text.assemble((f"{label}: ", "dim"), tables.cell(words).plain)
                out.print(Padding(block, (0, 0, 0, 2), expand=False))


def print_issue(out: Console, issue: Any, wording: Wording, indent: int) -> None:
    """One issue in the reader's language."""
    texts = wording.of(issue)
    rule = f" [{issue.rule}]" if issue.rule else ""
    field = f" at {issue.field}" if issue.field else ""
    block = Text.assemble((f"{issue.code}{rule} ", "yellow"), (tables.cell(texts.title).plain, "bold"), field)
    for label, words in (("Cause", texts.cause), ("Remedy", texts.remedy), ("The tool says", issue.tool_words)):
        if words:
            block.append(f"\n  {label}: ", style="dim")
            block.append(tables.cell(words).plain)
    if issue.url:
        block.append("\n  " + issue.url, style="dim")
    out.print(Padding(block, (0, 0, 0, indent), expand=False))


def run_json(row: RunSummary, left: Left | None = None) -> dict[str, Any]:
    """A run for programs; `left`: with the calls that are left to its connection today."""
    calls = {} if left is None else {"calls_left": calls_json(left.get(row.connection_id, ()))}
    return {**tables.json_of(row), "seconds": row.seconds(), **calls}


def details_json(found: RunDetails, wording: Wording, left: Left | None = None) -> dict[str, Any]:
    """One run for programs, with the texts of its issues."""
    return {
        "run": run_json(found.summary, left),
        "components": tables.json_of(found.components),
        "park_issue": wording.json(found.park_issue) if found.park_issue else None,
        "details": [
            {**tables.json_of(item), "issues": [wording.json(issue) for issue in item.issues]} for item in found.details
        ],
    }
