"""Audits: what we booked in a period against the tool's books, and what to do about what differs."""

from collections import Counter
from collections.abc import AsyncIterator
from datetime import date
from typing import Annotated, Any, Final
from uuid import UUID

from dagboek_sdk import clock
from dagboek_sdk.accounting import Period
from fastapi import Form, Query, Response
from fastapi.responses import StreamingResponse

from dagboek import connections
from dagboek.api.audits import EXPORTED, cancelled, estimated, started
from dagboek.audit import records
from dagboek.audit.comparing import Difference, Kind
from dagboek.audit.records import AlreadyAuditing, CannotAudit, FindingRow
from dagboek.connections import ConnectionProblem, ConnectionRow, State
from dagboek.console.pages import Reading, Syncing, Visitor, page_router, see
from dagboek.web.paging import Paging, identifier, moment, number
from dagboek.web.spreadsheet import csv_lines

router = page_router()

CHOICES: Final = 500
"""Integrations to choose from at most."""


@router.get("/audits")
async def audits(
    visitor: Reading,
    paged: Paging,
    connection_id: Annotated[UUID | None, Query(alias="integration")] = None,
    first: Annotated[date | None, Query()] = None,
    last: Annotated[date | None, Query()] = None,
) -> Response:
    """All of a year, and the form for another; with an integration and a period: what that one would take."""
    caller = visitor.caller
    after = paged.after(moment, identifier)
    rows = await records.page(
        caller.db, caller.tenant, after=(after[0], after[1]) if after else None, limit=paged.limit + 1
    )
    shown = paged.page(rows, lambda row: row, lambda row: (row.requested_at, row.id))
    values: dict[str, Any] = {
        "audits": shown.items,
        "next": shown.next,
        "first_page": paged.cursor is None,
        "live": any(not one.state.ended for one in shown.items),
    }
    if visitor.asked_by_htmx:
        return visitor.part("audits_list.html", **values)
    usual = records.usual_period(clock.now().date())
    period = Period(first or usual.first, last or usual.last)
    values |= await _offered(visitor, connection_id, period, asked=first is not None)
    return await visitor.page("audits.html", **values)


@router.post("/audits")
async def start(
    visitor: Syncing,
    integration: Annotated[UUID, Form()],
    first: Annotated[date, Form()],
    last: Annotated[date, Form()],
) -> Response:
    """Starts one; where one has not ended, that one is shown."""
    try:
        return see(f"/audits/{await started(visitor.caller, integration, Period(first, last))}")
    except AlreadyAuditing as other:
        return see(f"/audits/{other.audit_id}")


@router.get("/audits/{audit_id}")
async def one(
    visitor: Reading,
    paged: Paging,
    audit_id: UUID,
    kind: Annotated[Kind | None, Query()] = None,
) -> Response:
    """One audit: how far it is, and what it found, what is wrong first."""
    caller = visitor.caller
    found = await records.one(caller.db, caller.tenant, audit_id)
    after = paged.after(number)
    rows = await records.findings(
        caller.db,
        audit_id,
        kind=kind,
        everything=False,
        after=after[0] if after else -1,
        limit=paged.limit + 1,
    )
    shown = paged.page(rows, lambda row: row, lambda row: (row.place,))
    values: dict[str, Any] = {
        "audit": found,
        "issue": visitor.told(found.issue) if found.issue else None,
        "remarks": [visitor.told(one) for one in found.remarks],
        "findings": shown.items,
        "next": shown.next,
        "first": paged.cursor is None,
        "kind": kind,
        "live": not found.state.ended,
        "advice": advice,
    }
    if visitor.asked_by_htmx:
        return visitor.part("audit_parts.html", **values)
    return await visitor.page("audit.html", **values)


@router.post("/audits/{audit_id}/cancel")
async def stop(visitor: Syncing, audit_id: UUID) -> Response:
    """Ends one; one that has ended already stays as it is."""
    await cancelled(visitor.caller, audit_id)
    return see(f"/audits/{audit_id}")


@router.get("/audits/{audit_id}/findings.csv")
async def exported(visitor: Reading, audit_id: UUID) -> StreamingResponse:
    """What it found as a file for spreadsheets, whole."""
    await records.one(visitor.caller.db, visitor.caller.tenant, audit_id)
    name = visitor.speech.say("audits.file_name")
    return StreamingResponse(
        _csv(visitor, audit_id),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}.csv"'},
    )


async def _offered(visitor: Visitor, connection_id: UUID | None, period: Period, *, asked: bool) -> dict[str, Any]:
    """The form: integrations to choose from and which one is, the period, what it would take or why it cannot be made.

    No other integration is ever chosen than the one asked for, as its books would be audited instead.
    """
    caller = visitor.caller
    wanted = None if connection_id is None else await connections.find(caller.db, connection_id, caller.tenant)
    rows = await connections.page(caller.db, caller.tenant, limit=CHOICES)
    choices = [one for one in rows if _can_be_asked(one)]
    if wanted is None:
        chosen = choices[0] if len(choices) == 1 else None
    else:
        chosen = wanted if _can_be_asked(wanted) else None
    if chosen is not None and chosen.id not in {one.id for one in choices}:  # there are more than are listed
        choices.insert(0, chosen)
    expected, fault = None, None
    if wanted is not None and chosen is None:
        fault = "reasons.reconnect_first" if wanted.state is State.RECONNECT else "audits.not_connected"
    elif wanted is not None and asked:
        try:
            expected = await estimated(caller, wanted.id, period)
        except CannotAudit:
            fault = "audits.period_wrong"
        except ConnectionProblem as problem:
            if isinstance(problem, connections.UnknownConnection):
                raise
            fault = "audits.not_connected"
    return {
        "choices": choices,
        "several": {name for name, number in Counter(one.entity_name for one in choices).items() if number > 1},
        "wanted": wanted,
        "chosen": chosen,
        "period": period,
        "expected": expected,
        "fault": fault,
    }


def _can_be_asked(row: ConnectionRow) -> bool:
    """Whether there are books, and a login that opens them as far as is known."""
    return row.administration_id is not None and row.state is not State.RECONNECT


_COLUMNS: Final = (
    "what", "document", "party", "date", "amount", "currency", "booked_number", "tool_number", "tool_reference",
    "tool_party", "tool_date", "tool_amount", "tool_currency", "difference", "differs", "to_do",
)  # fmt: skip


async def _csv(visitor: Visitor, audit_id: UUID) -> AsyncIterator[str]:
    yield "\ufeff" + csv_lines([[visitor.speech.say(f"audits.{name}") for name in _COLUMNS]])
    after = -1
    while rows := await records.findings(visitor.caller.db, audit_id, after=after, limit=EXPORTED):
        yield csv_lines([_cells(visitor, row) for row in rows])
        after = rows[-1].place


def _cells(visitor: Visitor, row: FindingRow) -> list[str]:
    say = visitor.speech.say
    cells = (
        say(f"audits.kind_{row.kind}"), row.document_number, row.document_party, row.document_day, row.document_gross,
        row.document_currency, row.booked_number, row.entry_number, row.entry_reference, row.entry_party,
        row.entry_day, row.entry_gross, row.entry_currency, row.difference,
        ", ".join(say(f"audits.differs_{one}") for one in row.differences), say(f"audits.do_{advice(row)}"),
    )  # fmt: skip
    return ["" if cell is None else str(cell) for cell in cells]


def advice(row: FindingRow) -> str:
    """Which advice fits: by its kind, and by what is known of it."""
    if row.kind is Kind.OTHERS and row.identity:
        return "ours_by_hand"
    if row.kind is Kind.TWICE and Difference.REFERENCE in row.differences:
        return "perhaps_twice"
    if row.kind is Kind.MISSING and row.entry_id:
        return "perhaps_there"
    return row.kind
