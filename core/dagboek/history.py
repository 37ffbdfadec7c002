"""What synchronisations did: the runs of seven days, one run with its components, and what needs attention.

Statuses and counts come from `status`; here they are only asked for and put side by side. Every query is scoped
to a tenant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from dagboek_schemas.events import Counts
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component, ItemKind, ItemState, RunStatus, Trigger
from dagboek_sdk import clock

from dagboek.database import Database
from dagboek.status import ComponentRow, component_rows, run_status, total_counts

RETENTION = timedelta(days=7)
"""How far back the sync history goes; the latest successful run is kept even if it is older."""

TELLING = (ItemState.SKIPPED, ItemState.NEEDS_PERSON, ItemState.NOT_READY, ItemState.TO_SETTLE)
"""States of items that the details list; others only where they bear an issue."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A line of the sync history."""

    id: UUID
    tenant: str
    connection_id: UUID
    entity: str
    tool: str
    administration: str
    requested_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    trigger: Trigger
    requested_by: str | None
    small: bool
    """One document tried again, rather than a whole synchronisation."""
    status: RunStatus
    parked_until: datetime | None
    """When it goes on, or is tried again."""
    park_issue: Issue | None
    """What the whole run waits for, or what ended it."""
    ended: bool
    counts: Counts

    def seconds(self, now: datetime | None = None) -> float | None:
        """Run time, until now for one that is under way; None before it started."""
        if self.started_at is None:
            return None
        return max(0.0, ((self.finished_at or now or clock.now()) - self.started_at).total_seconds())

    @property
    def next_step(self) -> str:
        """When a run that waits does what, for people: `goes on at 20:15 UTC`; empty for any other."""
        if self.parked_until is None:
            return ""
        step = "tried again" if self.status is RunStatus.STALLED else "goes on"
        return f"{step} at {self.parked_until.astimezone(UTC):%H:%M} UTC"


@dataclass(frozen=True, slots=True)
class Detail:
    """An item that a person should know about, with its issues."""

    component: Component
    kind: ItemKind
    identity: str
    title: str
    state: ItemState
    booking_number: str | None
    entry_id: str | None
    issues: tuple[Issue, ...]
    party_identity: str | None
    link_id: int | None
    source_url: str | None
    origin_id: str | None
    repeated: bool
    """Skipped as before, without being tried: nothing has changed."""


@dataclass(frozen=True, slots=True)
class RunDetails:
    """One run: its summary, its components in the order of the work, and its details."""

    summary: RunSummary
    components: tuple[ComponentRow, ...]
    details: tuple[Detail, ...]

    @property
    def park_issue(self) -> Issue | None:
        """What the whole run waits for, or what ended it."""
        return self.summary.park_issue


class UnknownRun(LookupError):
    """No run of this tenant has an id that begins so, or several have."""


_RUNS = """
SELECT run.*, tenant.name AS tenant, entity.name AS entity, administration.plugin AS tool,
       administration.name AS administration
  FROM run
  JOIN tenant ON tenant.id = run.tenant_id
  JOIN entity ON entity.id = run.entity_id
  JOIN administration ON administration.id = run.administration_id
 WHERE run.tenant_id = %(tenant)s
"""

_RECENT = """
   AND (%(connection)s::uuid IS NULL OR run.connection_id = %(connection)s)
   AND (run.requested_at >= %(since)s OR run.state <> 'ended' OR run.id IN (
        SELECT DISTINCT ON (connection_id) id FROM run
         WHERE tenant_id = %(tenant)s AND status = 'Success' AND NOT small
         ORDER BY connection_id, finished_at DESC))
 ORDER BY run.requested_at DESC, run.id
 LIMIT %(limit)s
"""


async def recent_runs(
    database: Database,
    tenant_id: UUID,
    *,
    connection_id: UUID | None = None,
    now: datetime | None = None,
    limit: int = 200,
) -> list[RunSummary]:
    """Runs of the last seven days, newest first, and the latest success of each connection however old."""
    since = (now or clock.now()) - RETENTION
    values = {"tenant": tenant_id, "connection": connection_id, "since": since, "limit": limit}
    async with database.connection() as connection:
        rows = await (await connection.execute(_RUNS + _RECENT, values)).fetchall()
        return [_summary(row, await component_rows(connection, row)) for row in rows]


async def next_automatic(database: Database, tenant_id: UUID, connection_id: UUID | None = None) -> datetime | None:
    """When the next automatic run of a connection, or of any of the tenant's, is due."""
    row = await database.one(
        """SELECT min(next_run_at) AS next FROM connection
           WHERE tenant_id = %(tenant)s AND (%(connection)s::uuid IS NULL OR id = %(connection)s)""",
        {"tenant": tenant_id, "connection": connection_id},
    )
    return row["next"] if row else None


async def run_details(database: Database, tenant_id: UUID, run: str | UUID, *, everything: bool = False) -> RunDetails:
    """One run, named by its id or an unambiguous beginning of it. UnknownRun when there is none.

    `everything`: all items are listed, also those that went well.
    """
    async with database.connection() as connection:
        values = {"tenant": tenant_id, "run": f"{str(run).lower().replace('%', '')}%"}
        query = _RUNS + " AND run.id::text LIKE %(run)s ORDER BY run.requested_at DESC LIMIT 2"
        rows = await (await connection.execute(query, values)).fetchall()
        if len(rows) != 1:
            raise UnknownRun(f"{'No run' if not rows else 'More than one run'} has an id that begins with {run}")
        components = await component_rows(connection, rows[0])
        details = await (
            await connection.execute(
                _DETAILS,
                {
                    "tenant": tenant_id,
                    "run": rows[0]["id"],
                    "states": [str(state) for state in TELLING],
                    "everything": everything,
                },
            )
        ).fetchall()
    return RunDetails(
        _summary(rows[0], components),
        tuple(components),
        tuple(map(_detail, details)),
    )


_DETAILS = """
SELECT item.*, document.source_url
  FROM item
  LEFT JOIN document ON document.tenant_id = %(tenant)s AND document.identity = item.identity
 WHERE item.run_id = %(run)s
   AND (%(everything)s OR item.state = ANY(%(states)s) OR (item.state <> 'not_tried' AND item.issues <> '[]'))
 ORDER BY item.sequence NULLS LAST, item.component, item.title
"""


def _summary(row: Mapping[str, Any], components: Sequence[ComponentRow]) -> RunSummary:
    return RunSummary(
        id=row["id"],
        tenant=row["tenant"],
        connection_id=row["connection_id"],
        entity=row["entity"],
        tool=row["tool"],
        administration=row["administration"],
        requested_at=row["requested_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        trigger=Trigger(row["trigger"]),
        requested_by=row["requested_by"],
        small=row["small"],
        status=run_status(row),
        parked_until=row["parked_until"] if row["state"] == "parked" else None,
        park_issue=Issue.model_validate(row["park_issue"]) if row["park_issue"] else None,
        ended=row["state"] == "ended",
        counts=total_counts(components),
    )


def _detail(row: Mapping[str, Any]) -> Detail:
    return Detail(
        component=Component(row["component"]),
        kind=ItemKind(row["kind"]),
        identity=row["identity"],
        title=row["title"] or row["identity"],
        state=ItemState(row["state"]),
        booking_number=row["booking_number"],
        entry_id=row["entry_id"],
        issues=tuple(map(Issue.model_validate, row["issues"])),
        party_identity=row["party_identity"],
        link_id=row["link_id"],
        source_url=row["source_url"],
        origin_id=row["origin_id"],
        repeated=row["repeated"],
    )
