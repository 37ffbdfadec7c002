"""Settling: attempts whose outcome is not known, once they can no longer arrive (design section 6).

The job asks the tool and records what it says. It never pushes: what the tool does not hold goes back to the lane.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import orjson
import structlog
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.attempt import Absent, Attempt, Booking, Candidate, Found, Op, Resolution, Unknown

from dagboek import connections
from dagboek.booking_json import booking_from
from dagboek.database import Connection, Database
from dagboek.matching import Likeness, describe, match
from dagboek.outcome_events import item_event
from dagboek.plugins import Plugins
from dagboek.push_record import AttemptOutcome, Group, Outcome, correct_series, entries_of_others, write
from dagboek.vault import Vault

log = structlog.get_logger()

RETRY = 60.0
"""Seconds after which a tool that could not be asked is asked again."""
PACK = 100
"""Attempts that one tool is asked about at once."""


async def settle_due(db: Database, plugins: Plugins, vault: Vault) -> int:
    """Settles every link that is past its due time; how many were looked at."""
    rows = await db.all(_DUE)
    by_connection: dict[UUID | None, list[Mapping[str, Any]]] = {}
    for row in rows:
        by_connection.setdefault(row["connection_id"], []).append(row)
    troubles = await asyncio.gather(
        *(_settle(db, plugins, vault, connection_id, due) for connection_id, due in by_connection.items()),
        return_exceptions=True,
    )
    await wake_settled(db)
    for trouble in troubles:
        if isinstance(trouble, Exception):
            log.error("settle.failed", exc_info=trouble)
    return len(rows)


_DUE = """
SELECT l.id, l.tenant_id, l.administration_id, l.identity, l.kind, l.link_no, l.attempt, l.link_version, l.op,
       l.entry_id, l.entry_number, a.booking, a.series, a.series_number, a.party_entry, a.revision, a.run_id,
       a.sequence, i.component, c.id AS connection_id
FROM link l
JOIN attempt a ON a.link_id = l.id AND a.number = l.attempt
LEFT JOIN item i ON i.run_id = a.run_id AND i.sequence = a.sequence
LEFT JOIN LATERAL (
    SELECT c.id FROM connection c LEFT JOIN run r ON r.id = a.run_id
    WHERE c.administration_id = l.administration_id AND c.deleted_at IS NULL AND c.state <> 'reconnect'
    ORDER BY c.id = r.connection_id DESC LIMIT 1
) c ON true
WHERE l.state = 'intent' AND l.settle_due < clock_timestamp()
ORDER BY l.settle_due LIMIT 500
"""


async def _settle(
    db: Database, plugins: Plugins, vault: Vault, connection_id: UUID | None, due: Sequence[Mapping[str, Any]]
) -> None:
    updates = [row for row in due if row["op"] == Op.UPDATE]
    for row in updates:  # an update sends the whole document: it may be sent again
        await _record(db, row, AttemptOutcome(row["id"], row["attempt"], Outcome.ABSENT))
    creates = [row for row in due if row["op"] != Op.UPDATE]
    if not creates:
        return
    if connection_id is None:
        await _postpone(db, creates, RETRY * 10)
        return
    try:
        tool = await connections.open_tool(db, plugins, vault, connection_id)
    except Exception as trouble:
        log.warning("settle.not_opened", error=type(trouble).__name__)
        await _postpone(db, creates, RETRY)
        return
    try:
        for at in range(0, len(creates), PACK):
            await _ask(db, tool, creates[at : at + PACK])
    finally:
        await tool.close()


async def _ask(db: Database, tool: AccountingPlugin, due: Sequence[Mapping[str, Any]]) -> None:
    attempts = {row["id"]: _attempt(row) for row in due}
    try:
        async with asyncio.timeout(tool.call_deadline * 4):
            resolutions = await tool.resolve(list(attempts.values()))
    except Exception as trouble:
        log.warning("settle.tool_not_asked", tool=tool.about.name, error=type(trouble).__name__)
        await _postpone(db, due, RETRY)
        return
    for row in due:
        await _decide(db, tool, row, attempts[row["id"]].booking, resolutions.get(row["id"], Unknown("not answered")))


async def _decide(
    db: Database, tool: AccountingPlugin, row: Mapping[str, Any], booking: Booking, resolution: Resolution
) -> None:
    candidates = resolution.candidates if isinstance(resolution, Found) else ()
    others = await entries_of_others(db, row["administration_id"], row["kind"], row["id"], candidates)
    found = match(booking, row["party_entry"], (one for one in candidates if one.entry_id not in others))
    if found.likeness is Likeness.OURS:
        await _record(db, row, _booked(row, found.candidates[0]))
    elif found.likeness is Likeness.PERHAPS or isinstance(resolution, Unknown):
        facts = {"number": row["identity"], "candidates": describe(found.candidates) or "?"}
        issue = Issue(code="D10", facts=facts)
        issues = orjson.dumps([issue.model_dump(mode="json")])
        await _record(db, row, AttemptOutcome(row["id"], row["attempt"], Outcome.PERSON, issues=issues))
        await _correct(db, tool, row)
    else:
        assert isinstance(resolution, Absent | Found)
        await _record(db, row, AttemptOutcome(row["id"], row["attempt"], Outcome.ABSENT))
        await _correct(db, tool, row)


async def _correct(db: Database, tool: AccountingPlugin, row: Mapping[str, Any]) -> None:
    """The tool's last number decides how a series goes on after a number that was not settled as ours."""
    if row["series"] is None:
        return
    try:
        last = await tool.last_number(row["series"])
    except Exception as trouble:
        log.warning("settle.series_not_read", tool=tool.about.name, error=type(trouble).__name__)
        return
    async with db.connection() as connection:
        await correct_series(connection, row["administration_id"], row["series"], last)


def _attempt(row: Mapping[str, Any]) -> Attempt:
    return Attempt(
        link_id=row["id"],
        link_no=row["link_no"],
        number=row["attempt"],
        op=Op(row["op"]),
        identity=row["identity"],
        kind=ItemKind(row["kind"]),
        component=Component(row["component"]) if row["component"] else Component.SALES_INVOICES,
        booking=booking_from(row["booking"]),
        series_number=row["series_number"],
        party_entry=row["party_entry"],
        entry_id=row["entry_id"],
        entry_number=row["entry_number"],
        run_id=row["run_id"],
        sent=True,
    )


def _booked(row: Mapping[str, Any], entry: Candidate) -> AttemptOutcome:
    return AttemptOutcome(
        row["id"],
        row["attempt"],
        Outcome.BOOKED,
        revision=row["revision"],
        role=row["component"] if row["kind"] == ItemKind.PARTY else None,
        entry_id=entry.entry_id,
        entry_number=entry.number,
        entry_url=entry.url,
    )


async def _record(db: Database, row: Mapping[str, Any], outcome: AttemptOutcome) -> None:
    """Records what settling found, for the link and for the item that waits for it."""
    async with db.transaction() as connection:
        written = await write(connection, Group(outcomes=[outcome]))
        if written.late:  # its own answer came meanwhile
            return
        await _tell_item(connection, row, outcome)
    log.info("settled", link=row["id"], attempt=row["attempt"], outcome=str(outcome.outcome))


async def _tell_item(connection: Connection, row: Mapping[str, Any], outcome: AttemptOutcome) -> None:
    found = await connection.execute(
        """SELECT i.*, r.state AS run_state FROM item i JOIN run r ON r.id = i.run_id
           WHERE i.run_id = %s AND i.sequence = %s AND i.state IN ('planned', 'to_settle', 'not_tried') FOR UPDATE""",
        (row["run_id"], row["sequence"]),
    )
    item = await found.fetchone()
    if item is None:
        return
    if outcome.outcome is Outcome.ABSENT:
        state = "not_tried" if item["run_state"] == "ended" else "planned"
        await connection.execute(
            "UPDATE item SET state = %s, generation = NULL, event = NULL WHERE run_id = %s AND sequence = %s",
            (state, row["run_id"], row["sequence"]),
        )
        return
    run = await (await connection.execute("SELECT * FROM run WHERE id = %s", (row["run_id"],))).fetchone()
    assert run is not None
    item |= {
        "state": "synced" if outcome.outcome is Outcome.BOOKED else "needs_person",
        "issues": orjson.loads(outcome.issues),
        "attempt": row["attempt"],
        "link_version": row["link_version"] + 1,
        "booking_number": outcome.entry_number if row["kind"] == ItemKind.DOCUMENT else None,
        "entry_id": outcome.entry_id,
        "outcome_at": datetime.now(UTC),
    }
    await connection.execute(
        """UPDATE item SET state = %(state)s, issues = %(stored_issues)s, attempt = %(attempt)s,
                  link_version = %(link_version)s, booking_number = %(booking_number)s, entry_id = %(entry_id)s,
                  outcome_at = %(outcome_at)s, event = %(stored)s, reported_at = NULL
           WHERE run_id = %(run_id)s AND sequence = %(sequence)s""",
        item | {"stored": item_event(run, item).value, "stored_issues": outcome.issues.decode()},
    )


async def _postpone(db: Database, due: Sequence[Mapping[str, Any]], seconds: float) -> None:
    await db.run(
        """UPDATE link SET settle_due = clock_timestamp() + make_interval(secs => %s)
           WHERE id = ANY(%s) AND state = 'intent'""",
        seconds,
        [row["id"] for row in due],
    )


async def wake_settled(db: Database) -> None:
    """Runs that were parked for settling, or for a number that is not settled, go on as soon as nothing is open.

    An item that waited for an attempt of another run is decided anew: its link says what became of it.
    """
    await db.run(
        """UPDATE item i SET state = 'planned', generation = NULL, event = NULL
           FROM run r, link l
           WHERE r.state = 'parked' AND r.park_reason IN ('settling', 'series') AND r.id = i.run_id
             AND i.state = 'to_settle' AND l.id = i.link_id AND l.state <> 'intent'"""
    )
    await db.run(
        """UPDATE run r SET parked_until = now() WHERE r.state = 'parked' AND r.parked_until > now()
             AND (r.park_reason = 'settling'
                  AND NOT EXISTS (SELECT 1 FROM item i JOIN link l ON l.id = i.link_id
                                  WHERE i.run_id = r.id AND i.state = 'to_settle' AND l.state = 'intent')
               OR r.park_reason = 'series'
                  AND NOT EXISTS (SELECT 1 FROM series s JOIN link l ON l.id = s.open_link
                                  WHERE s.administration_id = r.administration_id AND l.state = 'intent'))"""
    )
