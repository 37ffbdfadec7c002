"""`dagboek sync`: starts synchronisations and shows how far they are; Ctrl-C leaves them going."""

import asyncio
import time
from collections.abc import Collection, Sequence
from datetime import UTC, timedelta
from typing import Annotated, Any
from uuid import UUID

import typer
from dagboek_schemas.statuses import RunStatus, Trigger
from dagboek_sdk import clock
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
LIMIT_USED_UP = "B05"
LONG = timedelta(seconds=60)
"""A wait that is told where no progress is shown."""
SILENCE = 20.0
"""Seconds after which a run that nobody takes up is remarked upon."""

Timeout = Annotated[float | None, typer.Option(metavar="SECONDS", min=0, help="wait no longer; the run goes on")]


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("sync")
    def command(
        connection: Annotated[str | None, typer.Argument(help="a connection: its entity, VAT number or id")] = None,
        tenant: Annotated[str | None, typer.Option(help="all connections of a tenant")] = None,
        everything: Annotated[bool, typer.Option("--all", help="all connections of all tenants")] = False,
        no_wait: Annotated[bool, typer.Option("--no-wait", help="start only")] = False,
        language: Annotated[str | None, typer.Option(help="of causes and remedies: nl, fr or en")] = None,
        timeout: Timeout = None,
        as_json: Annotated[bool, typer.Option("--json", help="the runs at their end, for programs")] = False,
    ) -> None:
        """Synchronise, with live progress per component. Exit status 1 when a run does not end in Success."""
        if connection is None and tenant is None and not everything:
            raise typer.BadParameter("name a connection, or use --tenant or --all")
        wanted = language_of(language)
        raise typer.Exit(run(lambda: _sync(connection, tenant, everything, no_wait, wanted, timeout, as_json)))


async def _sync(
    connection: str | None,
    tenant: str | None,
    everything: bool,
    no_wait: bool,
    language: str,
    timeout: float | None,
    as_json: bool,
) -> int:
    async with open_session(broker=True) as session:
        chosen = await _chosen(session, connection, tenant, everything)
        started, going_on, problems = await start_runs(session, chosen)
        for problem in problems:
            tell(problem)
        if no_wait:
            show_started(started, as_json, going_on)
            return 1 if problems else 0
        status = await finish(session, started, Wording(session.plugins, language), as_json, timeout)
    return 1 if problems else status


async def finish(
    session: Session,
    started: Sequence[tuple[Target, UUID]],
    wording: Wording,
    as_json: bool,
    timeout: float | None = None,
) -> int:
    """Watches the runs to their end, or for `timeout` seconds, and prints them; the exit status."""
    ended = await watch(session, started, quiet=as_json, timeout=timeout)
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


async def start_runs(
    session: Session, chosen: Sequence[Target]
) -> tuple[list[tuple[Target, UUID]], set[UUID], list[str]]:
    """Requests a run for each; one that runs already is watched instead, and is in the second value.

    The third value says what did not start.
    """
    started: list[tuple[Target, UUID]] = []
    going_on: set[UUID] = set()
    problems: list[str] = []
    for one in chosen:
        try:
            run_id = await request_run(session.db, session.publisher, one.id, Trigger.MANUAL, requested_by=who())
        except AlreadyRunning as other:
            run_id = other.run_id
            going_on.add(run_id)
        except NotReadyToSync as reason:
            problems.append(f"{one.tenant} / {one.label}: {_unready(one) or reason}")
            continue
        started.append((one, run_id))
    return started, going_on, problems


def _unready(one: Target) -> str:
    """The very command that ends the set-up of a connection."""
    if one.state != "configuration_needed":
        return ""
    short = str(one.id)[:8]
    return (
        f"The settings of this connection are not complete. Take the proposed ones with `dagboek settings propose "
        f"{short} --accept`; `dagboek settings show {short}` says what is missing."
    )


async def watch(
    session: Session, started: Sequence[tuple[Target, UUID]], *, quiet: bool = False, timeout: float | None = None
) -> list[RunDetails]:
    """Shows the runs until all have ended, or for `timeout` seconds; their details.

    Ctrl-C and the time-out end the watching, not the runs. Where nothing is shown, a long wait is told once on stderr.
    """
    begun = time.monotonic()
    out = tables.console()
    live = Live(console=out, refresh_per_second=4, transient=True, auto_refresh=False)
    show = not quiet and out.is_terminal
    told: set[UUID] = set()
    if show:
        live.start()
    try:
        while True:
            found = [await run_details(session.db, one.tenant_id, run_id) for one, run_id in started]
            if all(one.summary.ended for one in found):
                return found
            if timeout is not None and time.monotonic() - begun >= timeout:
                live.stop()
                tell(_left([one for one in found if not one.summary.ended]))
                return found
            if show:
                live.update(progress(found, time.monotonic() - begun), refresh=True)
            else:
                _tell_waiting(found, told)
            await asyncio.sleep(POLL)
    except (KeyboardInterrupt, asyncio.CancelledError):
        live.stop()
        names = " ".join(str(run_id)[:8] for _, run_id in started)
        tell(f"The synchronisation goes on. `dagboek history` shows it ({names}); `dagboek cancel RUN` ends it.")
        raise KeyboardInterrupt from None
    finally:
        live.stop()


def _tell_waiting(found: Sequence[RunDetails], told: set[UUID]) -> None:
    """Says once of each run that it waits for longer than anyone would think it does."""
    for one in found:
        row = one.summary
        if row.parked_until and row.id not in told and row.parked_until - clock.now() > LONG:
            told.add(row.id)
            short, until = str(row.id)[:8], row.parked_until.astimezone(UTC)
            issue = one.park_issue
            limited = issue is not None and issue.code == LIMIT_USED_UP
            tool = str(issue.facts.get("tool", row.tool)) if issue is not None else row.tool
            why = f"{tool} takes no more requests" if limited else f"{row.entity} into {tool} waits"
            tell(
                f"{why} until {until:%Y-%m-%d %H:%M} UTC. The run goes on by itself; watch with `dagboek history "
                f"{short}`, stop with `dagboek cancel {short}`."
            )


def _left(open_runs: Sequence[RunDetails]) -> str:
    names = ", ".join(str(one.summary.id)[:8] for one in open_runs)
    return f"Not ended yet, and going on: {names}. `dagboek history RUN` shows it; `dagboek cancel RUN` ends it."


def progress(found: Sequence[RunDetails], elapsed: float) -> Group:
    """How far each run and each of its components is."""
    parts: list[Table | Text] = []
    for one in found:
        row = one.summary
        head = Text.assemble((f"{row.entity} into {row.tool}  ", "bold"), tables.status(row.status))
        if row.next_step:
            head.append(f", {row.next_step}", style="cyan")
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


def show_started(
    started: Sequence[tuple[Target, UUID]], as_json: bool, going_on: Collection[UUID] = frozenset()
) -> None:
    """Prints which runs were started, and which were going on already."""
    if as_json:
        tables.print_json(
            [
                {"run": run_id, "connection": one.id, "entity": one.entity, "started": run_id not in going_on}
                for one, run_id in started
            ]
        )
        return
    for one, run_id in started:
        words = "is going on already" if run_id in going_on else "started"
        tables.console().print(tables.cell(f"{str(run_id)[:8]}  {one.label}: {words}"))


def _print_ended(ended: Sequence[RunDetails], wording: Wording) -> None:
    out: Console = tables.console()
    for one in ended:
        print_run(out, one, wording)
        worth: Any = tuple(item for item in one.details if item.issues)
        if worth:
            print_details(out, worth, wording)
        out.print()
