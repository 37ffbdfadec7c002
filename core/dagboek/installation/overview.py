"""The installation at a glance."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from dagboek.database import Database
from dagboek.installation.connections import connections_by_plugin
from dagboek.installation.runs import parked_by_reason, runs_by_state


@dataclass(frozen=True, slots=True)
class Overview:
    """Counts over all tenants."""

    tenants: int
    connections: Mapping[str, int]
    """By state."""
    not_installed: Mapping[str, int]
    """Connections whose plugin is not installed, by plugin."""
    runs: Mapping[str, int]
    """That have not ended, by state."""
    parked: Mapping[str, int]
    """By what they wait for."""
    person: int
    """Documents and parties that need a person."""
    overdue: int
    """Nightly runs that are more than an hour overdue."""
    core_seen_at: datetime | None
    """When a core process wrote into the database last; it does every few seconds."""


async def overview(db: Database, installed: Collection[str]) -> Overview:
    """Counts over all tenants; `installed`: names of the tools that are."""
    plugins = await connections_by_plugin(db)
    states: Counter[str] = Counter()
    for counts in plugins.values():
        states.update(counts)
    row = await db.one(
        """SELECT (SELECT count(*) FROM tenant) AS tenants,
                  (SELECT count(*) FROM link WHERE current AND state = 'needs_person') AS person,
                  (SELECT count(*) FROM connection WHERE deleted_at IS NULL
                   AND next_run_at < now() - interval '1 hour') AS overdue,
                  (SELECT seen_at FROM stamp) AS core_seen_at"""
    )
    assert row is not None
    return Overview(
        tenants=row["tenants"],
        connections=dict(states),
        not_installed={name: sum(counts.values()) for name, counts in plugins.items() if name not in installed},
        runs=await runs_by_state(db),
        parked=await parked_by_reason(db),
        person=row["person"],
        overdue=row["overdue"],
        core_seen_at=row["core_seen_at"],
    )
