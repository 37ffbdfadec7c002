"""The job that makes audits: reads the tool's books part by part, then compares. It never writes anything there.

Each part that was read is stored with the place where the next begins. So an audit that is interrupted, by a limit of
the tool or by the end of this process, goes on where it was, in whichever core takes it up.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import Any, Final
from uuid import UUID

import structlog
from dagboek_schemas.documents import Kind as DocumentKind
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import Component
from dagboek_sdk import clock
from dagboek_sdk.accounting import AccountingPlugin, EntriesPage, Period
from dagboek_sdk.attempt import Booking, Candidate
from dagboek_sdk.errors import (
    AccessDenied,
    Later,
    LoginBroken,
    NotReady,
    Refused,
    Throttled,
    ToolError,
    ToolUnavailable,
    Trouble,
)
from dagboek_sdk.limits import FREE, Budget, Permits

from dagboek import connections
from dagboek.audit.comparing import Finding, Kind, Ours, compare, in_order
from dagboek.audit.records import store
from dagboek.booking_json import booking_from
from dagboek.connections import ConnectionProblem
from dagboek.database import AWAY, Connection, Database, Jsonb
from dagboek.notices.bell_alone import audit_ended
from dagboek.permits import can_wait
from dagboek.plugins import Plugins, unexpected
from dagboek.runs import MAX_PARKED_SECONDS
from dagboek.tool_issues import issue_of
from dagboek.vault import Vault

log = structlog.get_logger()

Row = Mapping[str, Any]

AT_ONCE: Final = 4
"""Audits that a process makes at the same time."""
LEASE: Final = 30.0
"""Seconds after which another core goes on with what a process says nothing more of."""
RETRY: Final = 60.0
"""Seconds after which a tool that could not be asked is asked again."""
LOOKED_UP: Final = 500
"""Documents that are looked for one by one where the period does not hold them; more is no accident."""
PART_SECONDS: Final = 600.0
"""How long one part may take; a call has a deadline of its own."""


class Lost(Exception):
    """The audit was cancelled, or another core has it."""


@dataclass
class Counted:
    """Permits that are counted as they are taken."""

    permits: Permits
    taken: int = 0

    async def take(self, group: str, *, settling: bool = False) -> None:
        """As of the permits."""
        await self.permits.take(group, settling=settling)
        self.taken += group != FREE

    async def correct(self, group: str, budgets: Sequence[Budget]) -> None:
        """As of the permits."""
        await self.permits.correct(group, budgets)

    async def failed(self, group: str) -> None:
        """As of the permits."""
        await self.permits.failed(group)


@dataclass
class Auditor:
    """Makes the audits that are asked for, each at the pace of its tool."""

    db: Database
    plugins: Plugins
    vault: Vault
    _busy: dict[UUID, asyncio.Task[None]] = field(default_factory=dict)

    async def audit_due(self, patience: float = 1.0) -> int:
        """Takes up what is due, and says of what it is at that it is; how many were taken up."""
        await self.db.run(
            """UPDATE audit SET due_at = now() + make_interval(secs => %s)
               WHERE id = ANY(%s) AND state = 'running'""",
            LEASE,
            list(self._busy),
        )
        rows = await self.db.all(_CLAIM, {"most": AT_ONCE - len(self._busy), "lease": LEASE, "busy": list(self._busy)})
        for row in rows:
            self._busy[row["id"]] = asyncio.create_task(self._audit(row))
        if self._busy:
            await asyncio.wait(self._busy.values(), timeout=patience)
        return len(rows)

    async def _audit(self, row: Row) -> None:
        try:
            await self._made(row)
        except Lost:
            log.info("audit.left", audit=str(row["id"]))
        except AWAY as trouble:  # its lease ends, and it is taken up again
            log.warning("audit.database_away", error=type(trouble).__name__)
        except Later as later:
            await self._wait(row, later)
        except OSError:
            await self._wait(row, ToolUnavailable(trouble=Trouble.TIME_OUT))
        except Exception as error:
            await self._failed(row, _why(error))
        finally:
            self._busy.pop(row["id"], None)

    async def _made(self, row: Row) -> None:
        tool = await connections.open_tool(self.db, self.plugins, self.vault, row["connection_id"])
        counted = tool.client.permits = Counted(tool.client.permits)
        try:
            with can_wait():
                if not row["read_all"]:
                    await self._read(tool, row, counted)
                await self._look_up(tool, row, counted)
            await self._compare(tool, row)
        finally:
            await tool.close()
            if counted.taken:  # of a part that did not come
                await self.db.run("UPDATE audit SET calls = calls + %s WHERE id = %s", counted.taken, row["id"])

    async def _read(self, tool: AccountingPlugin, row: Row, counted: Counted) -> None:
        """Part by part; what was read before is not read again."""
        period, cursor = _period(row), row["cursor"]
        while True:
            async with asyncio.timeout(PART_SECONDS):
                part = await tool.entries_of(period, cursor)
            if part.cursor is not None and part.cursor == cursor:
                raise ValueError("a cursor that leads to itself")
            await self._store(row, part, counted)
            if part.cursor is None:
                return
            cursor = part.cursor

    async def _store(self, row: Row, part: EntriesPage, counted: Counted) -> None:
        calls, counted.taken = counted.taken, 0
        async with self.db.transaction() as connection:
            await _held(
                connection,
                row,
                """cursor = %(cursor)s, read_all = %(cursor)s::text IS NULL, calls = calls + %(calls)s,
                   entries = entries + %(entries)s, issue = NULL, waited_seconds = 0,
                   remarks = remarks || %(remarks)s""",
                cursor=part.cursor,
                calls=calls,
                entries=len(part.entries),
                remarks=Jsonb([one.model_dump(mode="json") for one in part.remarks]),
            )
            await _kept(connection, row["id"], part.entries)

    async def _look_up(self, tool: AccountingPlugin, row: Row, counted: Counted) -> None:
        """Entries of ours that the period does not hold: somebody may have given them another date."""
        rows = await self.db.all(_ELSEWHERE, {**row, "most": LOOKED_UP + 1})
        if not rows or len(rows) > LOOKED_UP:
            return
        async with asyncio.timeout(PART_SECONDS):
            found = await tool.entries_with([one["entry_id"] for one in rows])
        calls, counted.taken = counted.taken, 0
        async with self.db.transaction() as connection:
            await _held(connection, row, "calls = calls + %(calls)s", calls=calls)
            await _kept(connection, row["id"], found)

    async def _compare(self, tool: AccountingPlugin, row: Row) -> None:
        ours = [_ours(one, row) for query in (_OF_PERIOD, _OF_ENTRIES) for one in await self.db.all(query, row)]
        stored = await self.db.all("SELECT * FROM audit_entry WHERE audit_id = %s ORDER BY id", row["id"])
        entries = [_candidate(one) for one in stored]
        found = await asyncio.to_thread(compare, _period(row), ours, entries)
        found = await self._without_proof(tool, found)
        counts = Counter(str(one.kind) for one in found)
        async with self.db.transaction() as connection:
            await _held(
                connection,
                row,
                "state = 'done', finished_at = now(), issue = NULL, counts = %(counts)s",
                counts=Jsonb(counts),
            )
            await connection.execute("DELETE FROM audit_entry WHERE audit_id = %s", (row["id"],))
            await store(connection, row["id"], found)
            await audit_ended(connection, row["id"])
        log.info("audit.done", audit=str(row["id"]), entries=len(entries), **counts)

    async def _without_proof(self, tool: AccountingPlugin, found: list[Finding]) -> list[Finding]:
        """What is missing where it can be seen, and may stand where it cannot, is said so."""
        missing = [one.ours.link_id for one in found if one.kind is Kind.MISSING and one.ours]
        sent = {one["link_id"]: one["booking"] for one in await self.db.all(_SENT, missing)} if missing else {}
        hidden = {link for link, booking in sent.items() if tool.may_hide(booking_from(booking))}
        if not hidden:
            return found
        told = [
            replace(one, kind=Kind.UNTOLD) if one.ours and one.kind is Kind.MISSING and one.ours.link_id in hidden
            else one for one in found
        ]  # fmt: skip
        return in_order(told)

    async def _wait(self, row: Row, later: Later) -> None:
        """Until the limit is given back, or the tool answers again; that is not waited for for ever."""
        throttled = isinstance(later, Throttled)
        known = throttled and (later.until is not None or later.seconds is not None)
        seconds = later.seconds
        if seconds is None and later.until is not None:
            seconds = (later.until - clock.now()).total_seconds()
        wait = max(1.0, seconds) if seconds is not None else RETRY
        issue = self._told(row, later)
        if not known and row["waited_seconds"] + wait > MAX_PARKED_SECONDS:
            await self._failed(row, issue)
            return
        try:
            async with self.db.transaction() as connection:
                await _held(
                    connection,
                    row,
                    """state = 'waiting', due_at = now() + make_interval(secs => %(wait)s), issue = %(issue)s,
                       waited_seconds = waited_seconds + %(counted)s""",
                    wait=wait,
                    counted=0.0 if known else wait,
                    issue=Jsonb(issue.model_dump(mode="json")),
                )
        except (Lost, *AWAY):
            return
        log.info("audit.waits", audit=str(row["id"]), seconds=round(wait), error=type(later).__name__)

    def _told(self, row: Row, later: Later) -> Issue:
        return issue_of(later, self.plugins.tool(row["plugin"]).about.title)

    async def _failed(self, row: Row, issue: Issue) -> None:
        try:
            async with self.db.transaction() as connection:
                await _held(
                    connection,
                    row,
                    "state = 'failed', finished_at = now(), issue = %(issue)s",
                    issue=Jsonb(issue.model_dump(mode="json")),
                )
                await connection.execute("DELETE FROM audit_entry WHERE audit_id = %s", (row["id"],))
                await audit_ended(connection, row["id"])
        except (Lost, *AWAY):
            return
        log.warning("audit.failed", audit=str(row["id"]), issue=issue.code)


_CLAIM: Final = """
UPDATE audit SET state = 'running', claim = claim + 1, started_at = coalesce(started_at, now()),
       due_at = now() + make_interval(secs => %(lease)s)
FROM administration adm
WHERE adm.id = audit.administration_id AND audit.id IN (
    SELECT id FROM audit WHERE state IN ('requested', 'running', 'waiting') AND due_at <= now()
       AND id <> ALL(%(busy)s::uuid[])
    ORDER BY due_at LIMIT %(most)s FOR UPDATE SKIP LOCKED)
RETURNING audit.*, adm.plugin,
          (SELECT entity_id FROM connection c WHERE c.id = audit.connection_id) AS entity_id
"""

_SENT_LAST: Final = """
LEFT JOIN LATERAL (
    SELECT party_entry, booking - 'payload' - 'lines' AS sent FROM attempt
    WHERE link_id = l.id AND outcome IN ('booked', 'accepted') ORDER BY number DESC LIMIT 1
) a ON true
LEFT JOIN link p ON p.administration_id = %(administration_id)s AND p.identity = d.party_identity AND p.current
"""

_FIELDS: Final = """
    d.identity, d.number, d.party_name, d.issue_date, d.direction, d.kind, d.currency, d.gross, d.entity_id,
    l.id AS link_id, l.state, l.entry_id, l.entry_number, l.updated_at > %(started_at)s AS recent, a.sent,
    coalesce(a.party_entry, p.entry_id) AS party_entry
"""

_OF_PERIOD: Final = f"""
SELECT {_FIELDS} FROM document d
LEFT JOIN link l ON l.administration_id = %(administration_id)s AND l.identity = d.identity AND l.current
{_SENT_LAST}
WHERE d.tenant_id = %(tenant_id)s AND d.entity_id = %(entity_id)s
  AND d.issue_date BETWEEN %(first_day)s AND %(last_day)s
ORDER BY d.issue_date, d.identity
"""

# Documents of another date, or of another entity in the same books, whose entries were read.
_OF_ENTRIES: Final = f"""
SELECT DISTINCT ON (l.id) {_FIELDS} FROM audit_entry e
JOIN link l ON l.administration_id = %(administration_id)s AND l.kind = 'document' AND l.entry_id = e.entry_id
           AND l.current
JOIN document d ON d.tenant_id = l.tenant_id AND d.identity = l.identity
{_SENT_LAST}
WHERE e.audit_id = %(id)s
  AND NOT (d.entity_id = %(entity_id)s AND d.issue_date BETWEEN %(first_day)s AND %(last_day)s)
ORDER BY l.id
"""

_ELSEWHERE: Final = """
SELECT l.entry_id FROM document d
JOIN link l ON l.administration_id = %(administration_id)s AND l.identity = d.identity AND l.current
WHERE d.tenant_id = %(tenant_id)s AND d.entity_id = %(entity_id)s
  AND d.issue_date BETWEEN %(first_day)s AND %(last_day)s AND l.state = 'booked' AND l.entry_id IS NOT NULL
  AND NOT EXISTS (SELECT 1 FROM audit_entry e WHERE e.audit_id = %(id)s AND e.entry_id = l.entry_id)
ORDER BY l.id LIMIT %(most)s
"""

_SENT: Final = """
SELECT DISTINCT ON (link_id) link_id, booking FROM attempt
WHERE link_id = ANY(%s) AND outcome IN ('booked', 'accepted') ORDER BY link_id, number DESC
"""


async def _held(connection: Connection, row: Row, change: str, **values: Any) -> None:
    """Changes the audit's row, as long as it is ours. Lost."""
    done = await connection.execute(
        f"UPDATE audit SET {change} WHERE id = %(id)s AND claim = %(claim)s AND state = 'running'",
        {"id": row["id"], "claim": row["claim"], **values},
    )
    if done.rowcount != 1:
        raise Lost


async def _kept(connection: Connection, audit_id: UUID, entries: Sequence[Candidate]) -> None:
    async with connection.cursor() as cursor:
        await cursor.executemany(
            """INSERT INTO audit_entry (audit_id, entry_id, number, reference, texts, journal, party_id, name, day,
                                        gross, currency, url)
               VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)""",
            [
                (
                    audit_id,
                    *(_text(text) for text in (one.entry_id, one.number, one.reference)),
                    [_text(text) for text in one.texts],
                    *(_text(text) for text in (one.journal, one.party_id, one.name)),
                    one.day,
                    one.gross,
                    _text(one.currency),
                    _text(one.url),
                )
                for one in entries
            ],
        )


def _text(given: str | None) -> str | None:
    """As a database takes it."""
    return None if given is None else given.encode("utf-8", "replace").decode().replace("\x00", " ")[:2000]


def _period(row: Row) -> Period:
    return Period(row["first_day"], row["last_day"])


def _ours(found: Row, audit: Row) -> Ours:
    kinds = {DocumentKind.INVOICE: "invoices", DocumentKind.CREDIT_NOTE: "credit_notes"}
    return Ours(
        identity=found["identity"],
        state=found["state"],
        booking=_booking(found),
        in_period=_period(audit).holds(found["issue_date"]),
        own=found["entity_id"] == audit["entity_id"],
        link_id=found["link_id"],
        entry_id=found["entry_id"],
        entry_number=found["entry_number"],
        party_entry=found["party_entry"],
        recent=bool(found["recent"]),
        number=found["number"],
        party=found["party_name"],
        component=Component(f"{found['direction']}_{kinds[DocumentKind(found['kind'])]}"),
    )


def _booking(found: Row) -> Booking:
    """As it was sent; of what we did not send ourselves, as the document would be."""
    if found["sent"]:
        return booking_from({"payload": {}, "lines": (), **found["sent"]})
    credit = found["kind"] == DocumentKind.CREDIT_NOTE
    return Booking(
        payload={},
        reference=found["number"],
        day=found["issue_date"],
        gross=Decimal(-found["gross"] if credit else found["gross"]),
        currency=found["currency"],
    )


def _candidate(row: Row) -> Candidate:
    names = ("entry_id", "number", "reference", "journal", "party_id", "name", "day", "gross", "currency", "url")
    return Candidate(**{name: row[name] for name in names}, texts=tuple(row["texts"]))


def _why(error: Exception) -> Issue:
    """What a person is told of an audit that cannot go on."""
    if isinstance(error, (AccessDenied, LoginBroken, NotReady)) or (isinstance(error, Refused) and error.issues):
        return issue_of(error)
    if isinstance(error, ConnectionProblem):
        return Issue(code="D13", severity=Severity.ERROR, facts={"where": "audit", "reference": str(error)})
    found = unexpected("audit", error)
    words = error.tool_words if isinstance(error, ToolError) else None
    return found.model_copy(update={"severity": Severity.ERROR, "tool_words": words})
