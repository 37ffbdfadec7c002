"""Proposals for settings: shown with their reasons, stored when a person agrees."""

from collections.abc import Sequence
from datetime import date
from typing import Any
from uuid import UUID

import typer
from dagboek_sdk.settings import ConnectionSettings

from dagboek import connections, contexts
from dagboek.cli import tables
from dagboek.cli.failures import CommandFailed, listed
from dagboek.cli.session import Session
from dagboek.cli.settings_view import percent
from dagboek.connection_settings import Problem, unfinished
from dagboek.proposals import Proposals, propose
from dagboek.settings_edits import filled


async def propose_settings(
    session: Session,
    connection_id: UUID,
    *,
    start_date: date | None = None,
    accept: bool = False,
    asks: bool = False,
    as_json: bool = False,
    warnings: Sequence[str] | None = None,
) -> None:
    """Shows proposals for what was not chosen yet, and stores them with `accept`, or when the answer is yes.

    With `warnings`, as a connection is made: VAT codes in brief, and the warnings once more before the question.
    """
    row = await connections.find(session.db, connection_id)
    _, context = await contexts.current(session.db, connection_id)
    found = propose(context.lists, row.settings.country)
    wanted = filled(row.settings, found.settings)
    if start_date:
        wanted = wanted.model_copy(update={"start_date": start_date})
    if not as_json:
        _print(found, wanted, str(connection_id)[:8], brief=warnings is not None)
        for warning in warnings or ():
            tables.console().print(tables.cell(warning), style="yellow")
    accept = accept or (asks and typer.confirm("Store these settings?", default=True, err=True))
    if accept:
        await _store(session, connection_id, wanted)
    row = await connections.find(session.db, connection_id)
    missing = unfinished(row.settings, session.plugins.tool(row.plugin).about)
    if as_json:
        tables.print_json(_content(row, found, wanted, missing))
    else:
        _next_step(row, accept, missing)


async def _store(session: Session, connection_id: UUID, wanted: ConnectionSettings) -> None:
    problems = await connections.save_settings(session.db, session.plugins, connection_id, wanted)
    if problems:
        raise CommandFailed("Nothing was stored:" + "".join(f"\n  - {problem}" for problem in problems))


def _print(found: Proposals, wanted: ConnectionSettings, short: str, *, brief: bool) -> None:
    out = tables.console()
    shown = tables.table("setting", "proposal", "because")
    rows = [one for one in found.proposed if not (brief and _is_vat(one.setting))]
    for one in rows:
        shown.add_row(*(tables.cell(text) for text in (one.setting, one.value, one.because)))
    if rows:
        out.print(shown)
    if brief and len(rows) < len(found.proposed):
        for name, side in (("sales", found.settings.sales), ("purchases", found.settings.purchases)):
            rates = [one for one in side.vat_codes if one.key.category == "S" and not one.key.credit_note]
            words = listed([f"{percent(one.key.rate)} by code {one.code}" for one in rates], 4)
            out.print(tables.cell(f"{name} VAT: {len(side.vat_codes)} rows, such as {words}"))
        out.print(f"All VAT codes, with reasons: dagboek settings propose {short}", style="dim")
    for missing in found.missing:
        command = f"dagboek settings {missing.command.format(connection=short)}"
        out.print(tables.cell(f"Not proposed: {missing.setting}, as there is {missing.why}."), style="yellow")
        out.print(tables.cell(f"    Without it {missing.without}. If you need it: {command}"), style="yellow")
    if found.missing:
        out.print(f"Codes to choose from: dagboek settings lists {short}", style="dim")
    if (wanted.sales, wanted.purchases) != (found.settings.sales, found.settings.purchases):
        out.print("What was chosen before stays as it is.", style="dim")


def _is_vat(setting: str) -> bool:
    return setting.startswith(("sales VAT ", "purchases VAT "))


def _next_step(row: connections.ConnectionRow, accepted: bool, missing: list[Problem]) -> None:
    out, short = tables.console(), str(row.id)[:8]
    out.print("The settings are stored." if accepted else "The proposals are not stored.")
    if not accepted:
        out.print(f"Store them with: dagboek settings propose {short} --accept")
    elif missing:
        out.print(f"Still to do, with `dagboek settings set {short} NAME=VALUE`:", style="yellow")
        for problem in missing:
            out.print(tables.cell(f"  {problem}"), style="yellow")
    else:
        out.print(f"See what would be booked: dagboek preview {short}. Book it: dagboek sync {short}")


def _content(
    row: connections.ConnectionRow, found: Proposals, wanted: ConnectionSettings, missing: list[Problem]
) -> dict[str, Any]:
    return {
        "connection": row.id,
        "tenant": row.tenant_name,
        "entity": row.entity_name,
        "tool": row.plugin,
        "administration": row.tool_id,
        "administration_name": row.administration_name,
        "state": row.state,
        "settings": row.settings.model_dump(mode="json"),
        "proposal": wanted.model_dump(mode="json"),
        "reasons": found.proposed,
        "to_choose": found.missing,
        "problems": missing,
    }
