"""`dagboek sync`: starts synchronisations and shows how far they are; Ctrl-C leaves them going."""

import asyncio
import time
from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer
from dagboek_schemas.statuses import RunStatus, Trigger
from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from dagboek.cli import tables
from dagboek.cli.failures import CommandFailed, tell
from dagboek.cli.history import print_details, print_run, run_json
from dagboek.cli.selecting import Target, target, targets, tenants
from dagboek.cli.session import Session, language_of, open_session, run, who
from dagboek.cli.wording import Wording
from dagboek.history import RunDetails, run_details
from dagboek.runs import AlreadyRunning, NotReadyToSync, request_run

POLL = 0.5
SILENCE = 20.0
"""Seconds after which a run that nobody takes up is remarked upon."""


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("sync")
    def command(
        connection: Annotated[str | None, typer.Argument(help="a connection: its entity, VAT number or id")] = None,
        tenant: Annotated[str | None, typer.Option(help="all connections of a tenant")] = None,
        everything: Annotated[bool, typer.Option("--all", help="all connections of all tenants")] = False,
        no_wait: Annotated[bool, typer.Option("--no-wait", help="start only")] = False,
        language: Annotated[str | None, typer.Option(help="of causes and remedies: nl, fr or en")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="the runs at their end, for programs")] = False,
    ) -> None:
        """Synchronise, with live progress per component. Exit status 1 when a run does not end in Success."""
        if connection is None and tenant is None and not everything:
            raise typer.BadParameter("name a connection, or use --tenant or --all")
        wanted = language_of(language)
        raise typer.Exit(run(lambda: _sync(connection, tenant, everything, no_wait, wanted, as_json)))


async def _sync(
    connection: str | None, tenant: str | None, everything: bool, no_wait: bool, language: str, as_json: bool
) -> int:
    async with open_session(broker=True) as session:
        chosen = await _chosen(session, connection, tenant, everything)
        started, problems = await start_runs(session, chosen)
        for problem in problems:
            tell(problem)
        if no_wait:
            show_started(started, as_json)
            return 1 if problems else 0
        status = await finish(session, started, Wording(session.plugins, language), as_json)
    return 1 if problems else status


async def finish(session: Session, started: Sequence[tuple[Target, UUID]], wording: Wording, as_json: bool) -> int:
    """Watches the runs to their end and prints them; the exit status."""
    ended = await watch(session, started, quiet=as_json)
    if as_json:
        tables.print_json([{**run_json(one.summary), "components": one.components} for one in ended])
    else:
        _print_ended(ended, wording)
    return 0 if all(one.summary.status is RunStatus.SUCCESS for one in ended) else 1


async def _chosen(session: Session, connection: str | None, tenant: str | None, everything: bool) -> list[Target]:
    if connection is not None:
        return [await target(session.db, connection, tenant)]
    chosen: list[Target] = []
    for one in await tenants(session.db, None if everything else tenant):
        chosen += await targets(session.db, one.id)
    if not chosen:
        raise CommandFailed("There is no connection yet. Make one with `dagboek connect`.")
    return chosen


async def start_runs(session: Session, chosen: Sequence[Target]) -> tuple[list[tuple[Target, UUID]], list[str]]:
    """Requests a run for each; one that runs already is watched instead. The second value says what did not start."""
    started: list[tuple[Target, UUID]] = []
    problems: list[str] = []
    for one in chosen:
        try:
            run_id = await request_run(session.db, session.publisher, one.id, Trigger.MANUAL, requested_by=who())
        except AlreadyRunning as other:
            run_id = other.run_id
        except NotReadyToSync as reason:
            problems.append(f"{one.tenant} / {one.label}: {reason}")
            continue
        started.append((one, run_id))
    return started, problems


async def watch(session: Session, started: Sequence[tuple[Target, UUID]], *, quiet: bool = False) -> list[RunDetails]:
    """Shows the runs until all have ended; their details. Ctrl-C ends the watching, not the runs."""
    begun = time.monotonic()
    out = tables.console()
    live = Live(console=out, refresh_per_second=4, transient=True, auto_refresh=False)
    show = not quiet and out.is_terminal
    if show:
        live.start()
    try:
        while True:
            found = [await run_details(session.db, one.tenant_id, run_id) for one, run_id in started]
            if all(one.summary.ended for one in found):
                return found
            if show:
                live.update(progress(found, time.monotonic() - begun), refresh=True)
            await asyncio.sleep(POLL)
    except (KeyboardInterrupt, asyncio.CancelledError):
        live.stop()
        names = " ".join(str(run_id)[:8] for _, run_id in started)
        tell(f"The synchronisation goes on. `dagboek history` shows it ({names}); `dagboek cancel RUN` ends it.")
        raise KeyboardInterrupt from None
    finally:
        live.stop()


def progress(found: Sequence[RunDetails], elapsed: float) -> Group:
    """How far each run and each of its components is."""
    parts: list[Table | Text] = []
    for one in found:
        row = one.summary
        head = Text.assemble((f"{row.entity} into {row.tool}  ", "bold"), tables.status(row.status))
        if row.parked_until:
            head.append(f", goes on at {row.parked_until:%H:%M} UTC", style="cyan")
        parts.append(head)
        shown = Table.grid(padding=(0, 2))
        for component in one.components:
            counts = component.counts
            done = counts.total - counts.planned
            shown.add_row(
                "  " + component.component.replace("_", " "),
                tables.status(component.status),
                _bar(done, counts.total),
                f"{done}/{counts.total}",
                Text(f"{counts.skipped} skipped" if counts.skipped else "", style="yellow"),
            )
        parts.append(shown)
        if row.status is RunStatus.PENDING and elapsed > SILENCE:
            parts.append(Text("  Nobody takes this run up. Is `dagboek up` (or `dagboek core`) running?", "yellow"))
    return Group(*parts)


def _bar(done: int, total: int, width: int = 24) -> Text:
    filled = width * done // total if total else width
    return Text.assemble(("━" * filled, "green"), ("━" * (width - filled), "bright_black"))


def show_started(started: Sequence[tuple[Target, UUID]], as_json: bool) -> None:
    """Prints which runs were started."""
    if as_json:
        tables.print_json([{"run": run_id, "connection": one.id, "entity": one.entity} for one, run_id in started])
        return
    for one, run_id in started:
        tables.console().print(tables.cell(f"{str(run_id)[:8]}  {one.label}: started"))


def _print_ended(ended: Sequence[RunDetails], wording: Wording) -> None:
    out: Console = tables.console()
    for one in ended:
        print_run(out, one, wording)
        worth: Any = tuple(item for item in one.details if item.issues)
        if worth:
            print_details(out, worth, wording)
        out.print()
