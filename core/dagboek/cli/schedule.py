"""`dagboek schedule`: between which hours of the night, and in which time zone, a tenant's integrations synchronise."""

from typing import Annotated, Any
from uuid import UUID

import typer

from dagboek.cli import tables
from dagboek.cli.selecting import tenants
from dagboek.cli.session import Session, open_session, run, who
from dagboek.history import next_automatic
from dagboek.night import Night
from dagboek.schedule import Hours, choose_hours, hours_of
from dagboek.web.signin import trail

DEFAULT = "default"
"""Typed for: as the installation has it."""


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("schedule")
    def command(
        tenant: Annotated[str | None, typer.Option(help="of one tenant; else all are shown")] = None,
        hours: Annotated[
            str | None, typer.Option(metavar="22:00-04:00", help=f"choose these hours; {DEFAULT}: the installation's")
        ] = None,
        time_zone: Annotated[
            str | None, typer.Option(metavar="Europe/Paris", help=f"choose a time zone; {DEFAULT}: the installation's")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    ) -> None:
        """Show or choose when integrations that are switched to automatic are synchronised."""
        if tenant is None and (hours or time_zone):
            raise typer.BadParameter("say whose night it is, with --tenant")
        run(lambda: _schedule(tenant, hours, time_zone, as_json))


async def _schedule(tenant: str | None, hours: str | None, time_zone: str | None, as_json: bool) -> None:
    async with open_session() as session:
        found = await tenants(session.db, tenant)
        if hours or time_zone:
            before = await hours_of(session.db, found[0].id)
            chosen = Hours(_chosen(hours, before.nightly), _chosen(time_zone, before.time_zone))
            await choose_hours(session.db, found[0].id, chosen)
            by = f"command line {who() or ''}".strip()
            said = {"hours": chosen.nightly, "time_zone": chosen.time_zone}
            await trail.note(session.db, found[0].id, by, "schedule.choose", **said)
        rows = [{"tenant": one.name, **await _row(session, one.id)} for one in found]
    if as_json:
        tables.print_json(rows)
        return
    shown = tables.table("tenant", "hours", "time zone", "next run (UTC)")
    for row in rows:
        shown.add_row(
            *map(tables.cell, (row["tenant"], row["hours"], row["time_zone"], tables.moment(row["next_run_at"])))
        )
    tables.console().print(shown)


def _chosen(given: str | None, before: str | None) -> str | None:
    return before if given is None else None if given == DEFAULT else given


async def _row(session: Session, tenant_id: UUID) -> dict[str, Any]:
    chosen = await hours_of(session.db, tenant_id)
    night = Night.of(session.settings.nightly, session.settings.time_zone).changed(chosen.nightly, chosen.time_zone)
    return {
        "hours": night.hours,
        "time_zone": night.zone.key,
        "next_run_at": await next_automatic(session.db, tenant_id),
    }
