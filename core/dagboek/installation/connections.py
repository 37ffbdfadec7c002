"""Connections of all tenants, by where they stand and which plugin they use."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from dagboek.connections import State
from dagboek.database import Database


@dataclass(frozen=True, slots=True)
class ConnectionSummary:
    """A connection, without its settings and its login."""

    id: UUID
    tenant_id: UUID
    tenant: str
    entity: str
    plugin: str
    administration: str
    """Empty while none is chosen."""
    state: State
    automatic: bool
    next_run_at: datetime | None
    created_at: datetime


_PAGE: Final = """
WITH page AS MATERIALIZED (
    SELECT * FROM connection
    WHERE deleted_at IS NULL
      AND (%(tenant)s::uuid IS NULL OR tenant_id = %(tenant)s)
      AND (%(plugin)s::text IS NULL OR plugin = %(plugin)s)
      AND (%(state)s::text IS NULL OR state = %(state)s)
      AND (%(installed)s::text[] IS NULL OR plugin <> ALL(%(installed)s))
      AND (%(at)s::timestamptz IS NULL OR (created_at, id) > (%(at)s, %(last)s::uuid))
    ORDER BY created_at, id LIMIT %(limit)s
)
SELECT c.id, c.tenant_id, t.name AS tenant, e.name AS entity, c.plugin, coalesce(a.name, '') AS administration,
       c.state, coalesce(c.settings ->> 'automatic' = 'true', false) AS automatic, c.next_run_at, c.created_at
FROM page c JOIN tenant t ON t.id = c.tenant_id JOIN entity e ON e.id = c.entity_id
LEFT JOIN administration a ON a.id = c.administration_id
ORDER BY c.created_at, c.id
"""


async def connections_page(
    db: Database,
    *,
    tenant_id: UUID | None = None,
    plugin: str | None = None,
    state: State | None = None,
    besides: Collection[str] | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[ConnectionSummary]:
    """Connections that are not deleted, oldest first. `besides`: those of none of these plugins."""
    at, last = after or (None, None)
    rows = await db.all(
        _PAGE,
        {
            "tenant": tenant_id,
            "plugin": plugin,
            "state": state,
            "installed": list(besides) if besides is not None else None,
            "at": at,
            "last": last,
            "limit": limit,
        },
    )
    return [ConnectionSummary(**{**row, "state": State(row["state"])}) for row in rows]


async def connections_by_plugin(db: Database) -> dict[str, dict[str, int]]:
    """How many connections each plugin has, by state; also plugins that are not installed."""
    found: dict[str, dict[str, int]] = {}
    for row in await db.all(
        """SELECT plugin, state, count(*) AS number FROM connection WHERE deleted_at IS NULL
           GROUP BY 1, 2 ORDER BY 1, 2"""
    ):
        found.setdefault(row["plugin"], {})[row["state"]] = row["number"]
    return found


async def sources_by_plugin(db: Database) -> dict[str, int]:
    """How many sources each plugin has; also plugins that are not installed."""
    rows = await db.all("SELECT plugin, count(*) AS number FROM source GROUP BY 1 ORDER BY 1")
    return {row["plugin"]: row["number"] for row in rows}
