"""Runs under way in all tenants, and what those that wait are waiting for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import RunStatus, Trigger

from dagboek.database import Database
from dagboek.status import run_status

COUNTED: Final = 10_000
"""Items of a run that are counted at most; a list of runs must not take the longer, the larger they are."""


class RunState(StrEnum):
    """Where a run stands that has not ended."""

    REQUESTED = "requested"
    ACTIVE = "active"
    PARKED = "parked"
    CANCELLING = "cancelling"


@dataclass(frozen=True, slots=True)
class OpenRun:
    """A run that has not ended."""

    id: UUID
    tenant_id: UUID
    tenant: str
    connection_id: UUID
    entity: str
    tool: str
    administration: str
    state: RunState
    status: RunStatus
    trigger: Trigger
    requested_by: str | None
    small: bool
    requested_at: datetime
    started_at: datetime | None
    moved_at: datetime
    """When something of it was done last."""
    generation: int
    parked_until: datetime | None
    park_reason: str | None
    park_issue: Issue | None
    left: int
    """Items that have no outcome yet, up to `COUNTED`."""


_OPEN: Final = f"""
WITH page AS MATERIALIZED (
    SELECT * FROM run
    WHERE state <> 'ended' AND (%(id)s::uuid IS NULL OR id = %(id)s)
      AND (%(state)s::text IS NULL OR state = %(state)s)
      AND (%(reason)s::text IS NULL OR (state = 'parked' AND park_reason = %(reason)s))
      AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
      AND (%(at)s::timestamptz IS NULL OR (requested_at, id) < (%(at)s, %(last)s::uuid))
    ORDER BY requested_at DESC, id DESC LIMIT %(limit)s
)
SELECT page.*, t.name AS tenant, e.name AS entity, a.plugin AS tool, a.name AS administration,
       (SELECT count(*) FROM (SELECT 1 FROM item i WHERE i.run_id = page.id AND i.state IN ('planned', 'to_settle')
                              LIMIT {COUNTED}) few) AS "left"
FROM page JOIN tenant t ON t.id = page.tenant_id JOIN entity e ON e.id = page.entity_id
JOIN administration a ON a.id = page.administration_id
ORDER BY page.requested_at DESC, page.id DESC
"""


async def open_runs(
    db: Database,
    *,
    state: RunState | None = None,
    reason: str | None = None,
    tenant_id: UUID | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[OpenRun]:
    """Runs of all tenants, or of one, that have not ended, newest first, after the one with this moment and id."""
    at, last = after or (None, None)
    wanted = {"id": None, "state": state, "reason": reason, "tenant": tenant_id, "at": at, "last": last, "limit": limit}
    return [_run(row) for row in await db.all(_OPEN, wanted)]


async def open_run(db: Database, run_id: UUID) -> OpenRun | None:
    """One of them; None where there is none, or it has ended."""
    nothing = dict.fromkeys(("state", "reason", "tenant", "at", "last"))
    rows = await db.all(_OPEN, {**nothing, "id": run_id, "limit": 1})
    return _run(rows[0]) if rows else None


async def runs_by_state(db: Database) -> dict[str, int]:
    """How many runs have not ended, by state."""
    rows = await db.all("SELECT state, count(*) AS number FROM run WHERE state <> 'ended' GROUP BY state")
    return {row["state"]: row["number"] for row in rows}


async def parked_by_reason(db: Database) -> dict[str, int]:
    """How many runs are parked, by what they wait for, the most first."""
    rows = await db.all(
        """SELECT coalesce(park_reason, '') AS reason, count(*) AS number FROM run WHERE state = 'parked'
           GROUP BY 1 ORDER BY 2 DESC, 1"""
    )
    return {row["reason"]: row["number"] for row in rows}


async def circuits(db: Database) -> dict[str, int]:
    """How many runs wait because the plugin of their tool keeps failing, by plugin."""
    rows = await db.all(
        """SELECT a.plugin, count(*) AS number FROM run r JOIN administration a ON a.id = r.administration_id
           WHERE r.state = 'parked' AND r.park_reason = 'circuit' GROUP BY 1"""
    )
    return {row["plugin"]: row["number"] for row in rows}


def _run(row: Mapping[str, Any]) -> OpenRun:
    parked = row["state"] == "parked"
    return OpenRun(
        id=row["id"],
        tenant_id=row["tenant_id"],
        tenant=row["tenant"],
        connection_id=row["connection_id"],
        entity=row["entity"],
        tool=row["tool"],
        administration=row["administration"],
        state=RunState(row["state"]),
        status=run_status(row),
        trigger=Trigger(row["trigger"]),
        requested_by=row["requested_by"],
        small=row["small"],
        requested_at=row["requested_at"],
        started_at=row["started_at"],
        moved_at=row["moved_at"],
        generation=row["generation"],
        parked_until=row["parked_until"] if parked else None,
        park_reason=row["park_reason"] if parked else None,
        park_issue=Issue.model_validate(row["park_issue"]) if parked and row["park_issue"] else None,
        left=row["left"],
    )
