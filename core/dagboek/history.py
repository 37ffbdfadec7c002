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
from dagboek.status import DEPENDS_ON, ComponentRow, component_rows, components_of, run_status, total_counts

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
    documents: Counts
    """Of its documents alone, without lists, customers and suppliers: what a person has in mind who counts invoices."""

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
    place: int
    """In the order of the work."""
    known: bool = True
    """Whether it is a document that was read; a file that could not be is listed, and is none."""


@dataclass(frozen=True, slots=True)
class RunDetails:
    """One run: its summary, its components in the order of the work, and its details."""

    summary: RunSummary
    components: tuple[ComponentRow, ...]
    details: tuple[Detail, ...]
    accepted: int = 0
    """Documents that the tool has taken and not booked yet; they count as synced."""

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
        components = await components_of(connection, rows)
        return [_summary(row, components[row["id"]]) for row in rows]


async def runs_page(
    database: Database,
    tenant_id: UUID,
    *,
    connection_id: UUID | None = None,
    open_only: bool = False,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[RunSummary]:
    """Runs that are kept, newest first, that come after the one with this moment and id. `open_only`: not ended."""
    query = (
        _RUNS
        + """
   AND (%(connection)s::uuid IS NULL OR run.connection_id = %(connection)s)
   AND (NOT %(open)s OR run.state <> 'ended')
   AND (%(at)s::timestamptz IS NULL OR (run.requested_at, run.id) < (%(at)s, %(id)s::uuid))
 ORDER BY run.requested_at DESC, run.id DESC
 LIMIT %(limit)s"""
    )
    at, id_ = after or (None, None)
    values = {"tenant": tenant_id, "connection": connection_id, "open": open_only, "at": at, "id": id_, "limit": limit}
    async with database.connection() as connection:
        rows = await (await connection.execute(query, values)).fetchall()
        components = await components_of(connection, rows)
        return [_summary(row, components[row["id"]]) for row in rows]


@dataclass(frozen=True, slots=True)
class LastRun:
    """The latest whole run of a connection."""

    id: UUID
    status: RunStatus
    requested_at: datetime
    finished_at: datetime | None


async def last_runs(database: Database, connection_ids: Sequence[UUID]) -> dict[UUID, LastRun]:
    """The latest whole run of each connection that has one."""
    rows = await database.all(
        """SELECT r.* FROM unnest(%s::uuid[]) AS c(id) CROSS JOIN LATERAL (
               SELECT * FROM run WHERE connection_id = c.id AND NOT small ORDER BY requested_at DESC LIMIT 1) r""",
        list(connection_ids),
    )
    return {
        row["connection_id"]: LastRun(row["id"], run_status(row), row["requested_at"], row["finished_at"])
        for row in rows
    }


async def next_automatic(database: Database, tenant_id: UUID, connection_id: UUID | None = None) -> datetime | None:
    """When the next automatic run of a connection, or of any of the tenant's, is due."""
    row = await database.one(
        """SELECT min(next_run_at) AS next FROM connection
           WHERE tenant_id = %(tenant)s AND (%(connection)s::uuid IS NULL OR id = %(connection)s)
             AND state = 'connected'""",
        {"tenant": tenant_id, "connection": connection_id},
    )
    return row["next"] if row else None


async def run_overview(database: Database, tenant_id: UUID, run_id: UUID) -> RunDetails:
    """One run with its components, without details. UnknownRun."""
    async with database.connection() as connection:
        query = _RUNS + " AND run.id = %(run)s"
        row = await (await connection.execute(query, {"tenant": tenant_id, "run": run_id})).fetchone()
        if row is None:
            raise UnknownRun("There is no such run.")
        components = await component_rows(connection, row)
    return RunDetails(_summary(row, components), tuple(components), ())


async def details_page(
    database: Database,
    tenant_id: UUID,
    run_id: UUID,
    *,
    everything: bool = False,
    component: Component | None = None,
    state: ItemState | None = None,
    after: tuple[int, str, str] | None = None,
    limit: int,
) -> list[Detail]:
    """Items of a run of the tenant that a person should know about, in the order of the work, after one of them.

    `everything`: all items; `component` and `state`: of these alone.
    """
    place, after_component, after_identity = after or (None, None, None)
    rows = await database.all(
        _DETAILS.format(
            more="""AND (%(component)s::text IS NULL OR item.component = %(component)s)
   AND (%(state)s::text IS NULL OR item.state = %(state)s)
   AND (%(place)s::bigint IS NULL
        OR (coalesce(item.sequence, 2147483647), item.component, item.identity) > (%(place)s, %(last)s, %(identity)s))
   AND EXISTS (SELECT 1 FROM run WHERE run.id = %(run)s AND run.tenant_id = %(tenant)s)""",
            order="place, item.component, item.identity LIMIT %(limit)s",
        ),
        {
            "tenant": tenant_id,
            "run": run_id,
            "states": [str(one) for one in TELLING],
            "everything": everything or state is not None,
            "component": component,
            "state": state,
            "place": place,
            "last": after_component,
            "identity": after_identity,
            "limit": limit,
        },
    )
    return list(map(_detail, rows))


async def booked_since(database: Database, run_id: UUID, identities: Sequence[str]) -> dict[str, str]:
    """Which of these documents stand in the books of a run by now, with their booking numbers, empty where there is
    none yet: what the run itself has left may have been tried again."""
    rows = await database.all(
        """SELECT identity, entry_number FROM link
           WHERE administration_id = (SELECT administration_id FROM run WHERE id = %s)
             AND identity = ANY(%s) AND current AND state IN ('booked', 'accepted')""",
        run_id,
        list(identities),
    )
    return {row["identity"]: row["entry_number"] or "" for row in rows}


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
                _DETAILS.format(more="", order="item.sequence NULLS LAST, item.component, item.title"),
                {
                    "tenant": tenant_id,
                    "run": rows[0]["id"],
                    "states": [str(state) for state in TELLING],
                    "everything": everything,
                },
            )
        ).fetchall()
        accepted = await (
            await connection.execute(
                "SELECT count(*) AS number FROM item WHERE run_id = %s AND state = 'accepted'", (rows[0]["id"],)
            )
        ).fetchone()
    return RunDetails(
        _summary(rows[0], components),
        tuple(components),
        tuple(map(_detail, details)),
        accepted["number"] if accepted else 0,
    )


_DETAILS = """
SELECT item.*, document.source_url, document.identity IS NOT NULL AS known, coalesce(item.sequence, 2147483647) AS place
  FROM item
  LEFT JOIN document ON document.tenant_id = %(tenant)s AND document.identity = item.identity
 WHERE item.run_id = %(run)s
   AND (%(everything)s OR item.state = ANY(%(states)s) OR (item.state <> 'not_tried' AND item.issues <> '[]'))
   {more}
 ORDER BY {order}
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
        documents=total_counts(row for row in components if row.component in DEPENDS_ON),
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
        place=row["place"],
        known=row["known"],
    )
