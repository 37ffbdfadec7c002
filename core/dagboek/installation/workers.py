"""Worker processes and what they are at, as far as the database knows it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from dagboek.database import Database

SILENT: Final = timedelta(seconds=30)
"""A worker that was not seen for so long has died, or reaches the database no more."""


@dataclass(frozen=True, slots=True)
class Worker:
    """A slot, and the process that took it last."""

    slot: str
    taken_at: datetime
    seen_at: datetime
    ended_at: datetime | None
    """When it ended in order."""
    lives: bool
    lanes: int
    """That it holds."""


@dataclass(frozen=True, slots=True)
class HeldLane:
    """A lane that a process holds, and what is done in it."""

    administration_id: UUID
    administration: str
    tool: str
    tenant_id: UUID
    tenant: str
    slot: str
    taken_at: datetime
    epoch: int
    suspect: bool
    """Whoever held it before did not give it back."""
    run_id: UUID | None
    """The run that is at work in it; None between two."""
    run_state: str | None
    sending: int
    """Attempts that have no answer yet."""
    sending_since: datetime | None
    to_settle: int
    """Attempts of which nobody knows what came."""


_WORKERS: Final = """
SELECT s.member, s.taken_at, s.seen_at, s.ended_at, s.ended_at IS NULL AND s.seen_at > now() - %(silent)s AS lives,
       coalesce(l.number, 0) AS lanes
FROM worker_slot s LEFT JOIN (
    SELECT slot, count(*) AS number FROM lane WHERE holder IS NOT NULL GROUP BY slot
) l ON s.member = %(prefix)s || l.slot
WHERE starts_with(s.member, %(prefix)s) ORDER BY s.member LIMIT 1000
"""

# What was sent and has no answer is little of what there is: it is read once for all lanes of a page.
_LANES: Final = """
WITH page AS MATERIALIZED (
    SELECT * FROM lane
    WHERE holder IS NOT NULL AND (%(slot)s::text IS NULL OR slot = %(slot)s)
      AND (%(after)s::uuid IS NULL OR administration_id > %(after)s)
    ORDER BY administration_id LIMIT %(limit)s
), sent AS MATERIALIZED (
    SELECT l.administration_id, count(*) FILTER (WHERE t.outcome IS NULL) AS sending,
           min(t.started_at) FILTER (WHERE t.outcome IS NULL) AS since,
           count(*) FILTER (WHERE t.outcome IS NOT NULL) AS to_settle
    FROM link l JOIN attempt t ON t.link_id = l.id AND t.number = l.attempt
    WHERE l.state = 'intent' AND l.administration_id IN (SELECT administration_id FROM page) GROUP BY 1
)
SELECT page.administration_id, a.name AS administration, a.plugin AS tool, a.tenant_id, t.name AS tenant, page.slot,
       page.taken_at, page.epoch, page.suspect, r.id AS run_id, r.state AS run_state,
       coalesce(sent.sending, 0) AS sending, sent.since AS sending_since, coalesce(sent.to_settle, 0) AS to_settle
FROM page JOIN administration a ON a.id = page.administration_id JOIN tenant t ON t.id = a.tenant_id
LEFT JOIN sent ON sent.administration_id = page.administration_id
LEFT JOIN LATERAL (SELECT id, state FROM run WHERE administration_id = page.administration_id AND state <> 'ended'
                   ORDER BY state <> 'active', requested_at LIMIT 1) r ON true
ORDER BY page.administration_id
"""


async def workers(db: Database, prefix: str) -> list[Worker]:
    """All slots that were ever taken under the topics' prefix, by name."""
    start = f"{prefix}.workers-"  # as members of the consumer group
    rows = await db.all(_WORKERS, {"prefix": start, "silent": SILENT})
    return [
        Worker(
            slot=row["member"].removeprefix(start),
            taken_at=row["taken_at"],
            seen_at=row["seen_at"],
            ended_at=row["ended_at"],
            lives=row["lives"],
            lanes=row["lanes"],
        )
        for row in rows
    ]


async def held_lanes(db: Database, *, slot: str | None = None, after: UUID | None = None, limit: int) -> list[HeldLane]:
    """Lanes that are held, of all workers or of one, after the one of this administration."""
    rows: list[Mapping[str, Any]] = list(await db.all(_LANES, {"slot": slot, "after": after, "limit": limit}))
    return [HeldLane(**row) for row in rows]
