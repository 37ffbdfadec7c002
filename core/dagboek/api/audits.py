"""Audits: what we have booked in a period against what stands in the tool's books."""

from collections.abc import AsyncIterator
from datetime import date, datetime
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import UUID

from dagboek_sdk import clock
from dagboek_sdk.accounting import Period
from fastapi import Query, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

from dagboek import connections
from dagboek.api.fields import Day, Shown
from dagboek.api.texts import IssueShown, Texts, Words
from dagboek.audit import records
from dagboek.audit.comparing import Difference, Kind
from dagboek.audit.records import AuditRow, AuditState, Estimate
from dagboek.web.caller import Caller, Reader, Syncer
from dagboek.web.paging import Page, Paging, identifier, moment, number
from dagboek.web.problems import answers
from dagboek.web.routes import api_router
from dagboek.web.spreadsheet import CSV, csv_lines

router = api_router("audits")

EXPORTED: Final = 500
"""Rows that an export reads at a time."""


class AuditedPeriod(BaseModel):
    """The days that are looked at, both included; two years at most."""

    first: Day
    last: Day


class CallsShown(BaseModel):
    """What is left of the tool's calls of a day."""

    group: str = Field(description="the calls that are counted; `*` for all")
    left: int
    amount: int
    renews_at: datetime | None


class EstimateShown(BaseModel):
    """What an audit takes before it is started."""

    calls: int = Field(description="of the tool's, at least: what others have booked is not known before")
    booked: int = Field(description="documents of the period that we have booked")
    left: list[CallsShown] = Field(description="where the tool counts calls")


class AuditShown(BaseModel):
    """An audit, and how far it is."""

    id: UUID
    connection_id: UUID
    entity: str
    tool: str
    administration: str
    first_day: date
    last_day: date
    state: AuditState
    requested_by: str
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    goes_on_at: datetime | None = Field(description="when it goes on, while it waits for the tool or its limit")
    expected_calls: int
    calls: int = Field(description="of the tool's, so far")
    entries: int = Field(description="of the tool's books, read so far")
    issue: IssueShown | None = Field(description="what it waits for, or why it failed")
    remarks: list[IssueShown] = Field(description="what the tool does not tell")
    counts: dict[Kind, int]
    problems: int = Field(description="findings that are not `found`")


class FindingShown(Shown):
    """Our document, the tool's entry, or both.

    Amounts are totals with VAT, in the currency beside them: that of the document where the tool gives it.
    """

    kind: Kind
    differences: list[Difference]
    identity: str | None = Field(description="of our document; null for what others booked")
    component: str | None
    document_number: str | None
    document_party: str | None
    document_state: str | None = Field(description="of its link in the push record")
    document_day: date | None
    document_gross: Decimal | None = Field(description="as it was sent; a credit note is negative")
    document_currency: str | None
    document_journal: str | None
    booked_number: str | None = Field(description="the tool's number that we know of")
    entry_id: str | None = Field(description="of what stands in the tool")
    entry_number: str | None
    entry_reference: str | None
    entry_party: str | None
    entry_journal: str | None
    entry_day: date | None
    entry_gross: Decimal | None
    entry_currency: str | None
    entry_url: str | None
    difference: Decimal | None = Field(description="what the tool has more, where both are in one currency")


@router.get("/connections/{connection_id}/audit-estimate", responses=answers(409))
async def estimate(
    caller: Reader,
    connection_id: UUID,
    first: Annotated[Day | None, Query(description="first day of the period; of last month where absent")] = None,
    last: Annotated[Day | None, Query(description="last day; today where absent")] = None,
) -> EstimateShown:
    """What an audit of this period would take of the tool's calls. The tool is not asked."""
    usual = records.usual_period(clock.now().date())
    found = await estimated(caller, connection_id, Period(first or usual.first, last or usual.last))
    left = [CallsShown(group=one.group, left=one.left, amount=one.amount, renews_at=one.until) for one in found.left]
    return EstimateShown(calls=found.calls, booked=found.booked, left=left)


@router.post("/connections/{connection_id}/audits", status_code=202, responses=answers(409))
async def start(
    caller: Syncer, words: Words, response: Response, connection_id: UUID, period: AuditedPeriod
) -> AuditShown:
    """Start an audit of a period. One of a connection at a time: 409 names the one that has not ended.

    It reads the books in the background and changes nothing there.
    """
    audit_id = await started(caller, connection_id, Period(period.first, period.last))
    response.headers["Location"] = f"/api/v1/audits/{audit_id}"
    return _shown(await records.one(caller.db, caller.tenant, audit_id), words)


@router.get("/audits")
async def list_audits(
    caller: Reader,
    words: Words,
    paged: Paging,
    connection_id: Annotated[UUID | None, Query(description="of one connection")] = None,
) -> Page[AuditShown]:
    """Audits of a year, newest first."""
    after = paged.after(moment, identifier)
    rows = await records.page(
        caller.db,
        caller.tenant,
        connection_id=connection_id,
        after=(after[0], after[1]) if after else None,
        limit=paged.limit + 1,
    )
    return paged.page(rows, lambda row: _shown(row, words), lambda row: (row.requested_at, row.id))


@router.get("/audits/{audit_id}")
async def one_audit(caller: Reader, words: Words, audit_id: UUID) -> AuditShown:
    """One of them."""
    return _shown(await records.one(caller.db, caller.tenant, audit_id), words)


@router.post("/audits/{audit_id}/cancel", status_code=202)
async def cancel(caller: Syncer, words: Words, audit_id: UUID) -> AuditShown:
    """End an audit. One that has ended already stays as it is."""
    await cancelled(caller, audit_id)
    return _shown(await records.one(caller.db, caller.tenant, audit_id), words)


@router.get("/audits/{audit_id}/findings")
async def findings(
    caller: Reader,
    paged: Paging,
    audit_id: UUID,
    kind: Annotated[Kind | None, Query()] = None,
    problems: Annotated[bool, Query(description="only what is not as it should be")] = False,
) -> Page[FindingShown]:
    """What it found, what is wrong first. Empty while it has not ended."""
    await records.one(caller.db, caller.tenant, audit_id)
    after = paged.after(number)
    rows = await records.findings(
        caller.db,
        audit_id,
        kind=kind,
        everything=not problems,
        after=after[0] if after else -1,
        limit=paged.limit + 1,
    )
    return paged.page(rows, FindingShown.model_validate, lambda row: (row.place,))


@router.get("/audits/{audit_id}/findings.csv", response_class=Response, responses={200: CSV})
async def findings_as_csv(caller: Reader, audit_id: UUID) -> StreamingResponse:
    """All of it as a file: separated by semicolons, with the names of the fields in its first line."""
    await records.one(caller.db, caller.tenant, audit_id)
    return StreamingResponse(
        _csv(caller, audit_id),
        media_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="audit-{audit_id}.csv"'},
    )


async def estimated(caller: Caller, connection_id: UUID, period: Period) -> Estimate:
    """What an audit would take."""
    web = caller.web
    row = await connections.find(caller.db, connection_id, caller.tenant)
    return await records.estimate(caller.db, web.core, web.plugins, web.vault, row, period)


async def started(caller: Caller, connection_id: UUID, period: Period) -> UUID:
    """Asks for an audit: its id."""
    row = await connections.find(caller.db, connection_id, caller.tenant)
    expected = await estimated(caller, connection_id, period)
    audit_id = await records.request(caller.db, row, period, caller.who, expected, person_id=caller.person_id)
    days = {"first": period.first.isoformat(), "last": period.last.isoformat()}
    await caller.note("audit.start", audit_id, connection=str(connection_id), **days)
    return audit_id


async def cancelled(caller: Caller, audit_id: UUID) -> None:
    """Ends an audit, if it has not ended."""
    await records.one(caller.db, caller.tenant, audit_id)
    if await records.cancel(caller.db, caller.tenant, audit_id):
        await caller.note("audit.cancel", audit_id)


async def _csv(caller: Caller, audit_id: UUID) -> AsyncIterator[str]:
    names = list(FindingShown.model_fields)
    yield csv_lines([names])
    after = -1
    while rows := await records.findings(caller.db, audit_id, after=after, limit=EXPORTED):
        shown = map(FindingShown.model_validate, rows)
        yield csv_lines([[_cell(getattr(one, name)) for name in names] for one in shown])
        after = rows[-1].place


def _cell(value: Any) -> str:
    return " ".join(value) if isinstance(value, list) else "" if value is None else str(value)


def _shown(row: AuditRow, words: Texts) -> AuditShown:
    names = set(AuditShown.model_fields) - {"issue", "remarks"}
    return AuditShown(
        **{name: getattr(row, name) for name in names},
        issue=words.of(row.issue) if row.issue else None,
        remarks=[words.of(one) for one in row.remarks],
    )
