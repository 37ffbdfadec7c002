"""Audits as they are stored: asked for, looked at, cancelled."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date, datetime, timedelta
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from dagboek_schemas.issues import Issue
from dagboek_sdk.accounting import Period

from dagboek import connections
from dagboek.audit.comparing import Difference, Finding, Kind
from dagboek.connections import ConnectionProblem, ConnectionRow, State
from dagboek.database import Connection, Database
from dagboek.permits import CallsLeft
from dagboek.plugins import Plugins
from dagboek.reasons import Refusal
from dagboek.vault import Vault

LONGEST: Final = 732
"""Days of a period."""
YEARS: Final = (1980, 2999)
"""In which a period lies: nobody keeps other books."""


class AuditState(StrEnum):
    """How far an audit is."""

    REQUESTED = "requested"
    RUNNING = "running"
    WAITING = "waiting"
    """For the tool, or for its limit."""
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def ended(self) -> bool:
        """Whether nothing more comes of it."""
        return self in (AuditState.DONE, AuditState.FAILED, AuditState.CANCELLED)


def usual_period(today: date) -> Period:
    """This month and the one before it, which are still being worked on."""
    before = today.replace(day=1) - timedelta(days=1)
    return Period(before.replace(day=1), today)


class CannotAudit(Refusal):
    """An audit cannot be made of this. The text says why and what to do."""


class AlreadyAuditing(CannotAudit):
    """One of this connection has not ended."""

    def __init__(self, audit_id: UUID) -> None:
        super().__init__("An audit of this connection has not ended yet. Wait for it, or cancel it.", "audit_open")
        self.audit_id = audit_id


class UnknownAudit(LookupError):
    """The tenant has no such audit."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What an audit would take of the tool's calls."""

    calls: int
    """At least: what others have booked in the period is not known before."""
    booked: int
    """Documents of the period that we have booked."""
    left: Sequence[CallsLeft]
    """Of the day, where the tool counts all of them."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """An audit, and what came of it."""

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
    goes_on_at: datetime | None
    """When it is tried again, while it waits."""
    expected_calls: int
    calls: int
    entries: int
    """Of the tool's, that were read."""
    issue: Issue | None
    """What it waits for, or why it failed."""
    remarks: tuple[Issue, ...]
    counts: Mapping[Kind, int]

    @property
    def problems(self) -> int:
        """What is not as it should be."""
        return sum(number for kind, number in self.counts.items() if kind is not Kind.FOUND)


@dataclass(frozen=True, slots=True)
class FindingRow:
    """One line of an outcome: our document, the tool's entry, or both."""

    place: int
    kind: Kind
    differences: tuple[Difference, ...]
    identity: str | None
    component: str | None
    document_number: str | None
    document_party: str | None
    document_state: str | None
    """Of its link in the push record."""
    document_day: date | None
    document_gross: Decimal | None
    document_currency: str | None
    document_journal: str | None
    booked_number: str | None
    """The tool's number of the entry that we know of."""
    entry_id: str | None
    entry_number: str | None
    entry_reference: str | None
    entry_party: str | None
    entry_journal: str | None
    entry_day: date | None
    entry_gross: Decimal | None
    entry_currency: str | None
    entry_url: str | None

    @property
    def difference(self) -> Decimal | None:
        """What the tool has more than we, where both are in one currency."""
        if self.entry_gross is None or self.document_gross is None or self.entry_currency != self.document_currency:
            return None
        return self.entry_gross - self.document_gross


_COLUMNS: Final = """
    audit.id, audit.connection_id, entity.name AS entity, administration.plugin AS tool,
    administration.name AS administration, audit.first_day, audit.last_day, audit.state, audit.requested_by,
    audit.requested_at, audit.started_at, audit.finished_at,
    CASE WHEN audit.state = 'waiting' THEN audit.due_at END AS goes_on_at, audit.expected_calls, audit.calls,
    audit.entries, audit.issue, audit.remarks, audit.counts
"""

_TABLES: Final = """
    audit JOIN connection ON connection.id = audit.connection_id JOIN entity ON entity.id = connection.entity_id
    JOIN administration ON administration.id = audit.administration_id
"""


async def estimate(
    db: Database, core: Database, plugins: Plugins, vault: Vault, row: ConnectionRow, period: Period
) -> Estimate:
    """What an audit of the period takes. CannotAudit, ConnectionProblem. `core` opens the tool, `db` counts."""
    _refuse(plugins, row, period)
    found = await db.one(
        """SELECT count(*) AS booked FROM document d JOIN link l
             ON l.administration_id = %s AND l.identity = d.identity AND l.current AND l.state = 'booked'
           WHERE d.tenant_id = %s AND d.entity_id = %s AND d.issue_date BETWEEN %s AND %s""",
        row.administration_id,
        row.tenant_id,
        row.entity_id,
        period.first,
        period.last,
    )
    assert found is not None
    tool = await connections.open_tool(core, plugins, vault, row.id)
    try:
        calls = tool.calls_of(period, found["booked"])
    finally:
        await tool.close()
    left = await connections.calls_left(core, plugins, vault, [row.id])
    return Estimate(calls, found["booked"], left.get(row.id, ()))


async def request(
    db: Database, row: ConnectionRow, period: Period, by: str, expected: Estimate, *, person_id: UUID | None = None
) -> UUID:
    """Asks for an audit, which a core makes: its id. `person_id` is who is told of its end. AlreadyAuditing."""
    made = await db.one(
        """INSERT INTO audit (tenant_id, connection_id, administration_id, first_day, last_day, requested_by,
                              person_id, expected_calls)
           VALUES (%s, %s, %s, %s, %s, %s, %s, %s)
           ON CONFLICT (connection_id) WHERE state IN ('requested', 'running', 'waiting') DO NOTHING RETURNING id""",
        row.tenant_id,
        row.id,
        row.administration_id,
        period.first,
        period.last,
        by,
        person_id,
        expected.calls,
    )
    if made is None:
        before = await db.one(
            "SELECT id FROM audit WHERE connection_id = %s ORDER BY requested_at DESC LIMIT 1", row.id
        )
        assert before is not None
        raise AlreadyAuditing(before["id"])
    return UUID(str(made["id"]))


async def cancel(db: Database, tenant_id: UUID, audit_id: UUID) -> bool:
    """Ends an audit. False where it has ended already."""
    return bool(
        await db.run(
            """UPDATE audit SET state = 'cancelled', finished_at = now() WHERE id = %s AND tenant_id = %s
                 AND state IN ('requested', 'running', 'waiting')""",
            audit_id,
            tenant_id,
        )
    )


async def page(
    db: Database,
    tenant_id: UUID,
    *,
    connection_id: UUID | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[AuditRow]:
    """Audits of a tenant, newest first, that come after the one of this time and id."""
    rows = await db.all(
        f"""SELECT {_COLUMNS} FROM {_TABLES} WHERE audit.tenant_id = %(tenant)s
              AND (%(connection)s::uuid IS NULL OR audit.connection_id = %(connection)s)
              AND (%(at)s::timestamptz IS NULL OR (audit.requested_at, audit.id) < (%(at)s, %(id)s))
            ORDER BY audit.requested_at DESC, audit.id DESC LIMIT %(limit)s""",
        {
            "tenant": tenant_id,
            "connection": connection_id,
            "at": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [_row(row) for row in rows]


async def one(db: Database, tenant_id: UUID, audit_id: UUID) -> AuditRow:
    """An audit. UnknownAudit."""
    row = await db.one(
        f"SELECT {_COLUMNS} FROM {_TABLES} WHERE audit.tenant_id = %s AND audit.id = %s", tenant_id, audit_id
    )
    if row is None:
        raise UnknownAudit("There is no such audit.")
    return _row(row)


async def findings(
    db: Database, audit_id: UUID, *, kind: Kind | None = None, everything: bool = True, after: int = -1, limit: int
) -> list[FindingRow]:
    """Lines of the outcome, what is wrong first. `everything`: also what is as it should be."""
    rows = await db.all(
        """SELECT * FROM audit_finding WHERE audit_id = %(audit)s AND place > %(after)s
             AND (%(kind)s::text IS NULL OR kind = %(kind)s) AND (%(everything)s OR kind <> 'found')
           ORDER BY place LIMIT %(limit)s""",
        {
            "audit": audit_id,
            "after": after,
            "kind": kind,
            "everything": everything or kind is Kind.FOUND,
            "limit": limit,
        },
    )
    return [_finding(row) for row in rows]


async def store(connection: Connection, audit_id: UUID, found: Sequence[Finding]) -> None:
    """Writes the outcome, in the caller's transaction."""
    names = [one.name for one in fields(FindingRow)]
    async with connection.cursor() as cursor:
        await cursor.executemany(
            f"""INSERT INTO audit_finding (audit_id, {", ".join(names)})
                VALUES ({", ".join(["%s"] * (len(names) + 1))})""",
            [(audit_id, place, *_values(finding)) for place, finding in enumerate(found)],
        )


def _refuse(plugins: Plugins, row: ConnectionRow, period: Period) -> None:
    usual = YEARS[0] <= period.first.year and period.last.year <= YEARS[1]
    if not usual or period.last < period.first or (period.last - period.first).days >= LONGEST:
        raise CannotAudit("A period ends after it begins, and is two years at most.", "period")
    if row.deleted or row.administration_id is None or row.state is State.RECONNECT:
        text = "Its tool cannot be asked. Finish the set-up of the connection, or connect it again."
        raise ConnectionProblem(text, "tool_unasked")
    about = plugins.tool(row.plugin).about
    if not about.reads_periods:
        text = f"The plugin for {about.title} cannot read what stands in the books of a period."
        raise CannotAudit(text, "periods_unread", tool=about.title)


def _values(finding: Finding) -> tuple[Any, ...]:
    """In the order of the fields of `FindingRow`, after the place."""
    ours, entry = finding.ours, finding.entry
    document: tuple[Any, ...] = (None,) * 9
    if ours is not None:
        sent = ours.booking
        document = (
            ours.identity, ours.component, ours.number, ours.party, ours.state, sent.day, sent.gross, sent.currency,
            sent.journal,
        )  # fmt: skip
    stands: tuple[Any, ...] = (None,) * 9
    if entry is not None:
        stands = (
            entry.entry_id, entry.number, entry.reference, entry.name or entry.party_id, entry.journal, entry.day,
            entry.gross, entry.currency, entry.url,
        )  # fmt: skip
    booked = (ours.entry_number or ours.entry_id) if ours else None
    return (finding.kind, list(finding.differences), *document, booked, *stands)


def _row(found: Mapping[str, Any]) -> AuditRow:
    return AuditRow(
        **{
            **found,
            "state": AuditState(found["state"]),
            "issue": Issue.model_validate(found["issue"]) if found["issue"] else None,
            "remarks": tuple(map(Issue.model_validate, found["remarks"])),
            "counts": {kind: found["counts"][kind] for kind in Kind if kind in found["counts"]},
        }
    )


def _finding(found: Mapping[str, Any]) -> FindingRow:
    given = {one.name: found[one.name] for one in fields(FindingRow)}
    return FindingRow(
        **{
            **given,
            "kind": Kind(given["kind"]),
            "differences": tuple(map(Difference, given["differences"])),
        }
    )
