"""Nightly runs: each connection that wants them, once a night at a moment of its own (design section 4).

The moment is a hash of the connection within its tenant's night, so that ten thousand of them come to no tool and no
database at once. When it comes next stands in `connection.next_run_at`; a run is requested by moving that to the
following night, in one transaction with the run, so that cores beside each other request it once. What was missed while
no core was there is caught up: at once, and once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

import structlog
from confluent_kafka import KafkaException
from dagboek_schemas.statuses import Trigger
from dagboek_schemas.topics import Topic
from dagboek_sdk import clock
from psycopg.rows import DictRow

from dagboek.database import Connection, Database
from dagboek.fault_points import reached
from dagboek.night import Night, times_of, zone_of
from dagboek.notices.nights import not_run
from dagboek.publisher import Publisher
from dagboek.runs import start_record
from dagboek.tenants import Unusable

log = structlog.get_logger()

LOT = 50
"""Runs that are requested at a time."""
UNPLANNED = 100
"""Nightly runs that may wait to be planned: more come as these are done, so that people's own runs find room."""


@dataclass(frozen=True, slots=True)
class Hours:
    """What a tenant has chosen of its night; None: as the installation has it."""

    nightly: str | None
    time_zone: str | None


async def hours_of(db: Database, tenant_id: UUID) -> Hours:
    """What the tenant has chosen."""
    row = await db.one("SELECT nightly, time_zone FROM tenant WHERE id = %s", tenant_id)
    return Hours(**row) if row else Hours(None, None)


async def choose_hours(db: Database, tenant_id: UUID, hours: Hours) -> None:
    """Stores them; connections get their moment in the next night that begins. Unusable for what is no night."""
    for what, key, value, check in (
        ("hours", "night_hours", hours.nightly, times_of),
        ("time zone", "night_zone", hours.time_zone, zone_of),
    ):
        try:
            if value is not None:
                check(value)
        except ValueError as wrong:
            raise Unusable(f"The {what} {value!r}: {wrong}.", key) from None
    async with db.transaction() as connection:
        changed = await connection.execute(
            """UPDATE tenant SET nightly = %(nightly)s, time_zone = %(zone)s
               WHERE id = %(tenant)s AND (nightly, time_zone) IS DISTINCT FROM (%(nightly)s, %(zone)s)""",
            {"nightly": hours.nightly, "zone": hours.time_zone, "tenant": tenant_id},
        )
        if changed.rowcount:
            await connection.execute(
                "UPDATE connection SET next_run_at = NULL WHERE tenant_id = %s AND next_run_at IS NOT NULL",
                (tenant_id,),
            )


async def request_due(db: Database, publisher: Publisher, night: Night) -> int:
    """Requests the runs whose time has come, a lot at a time; how many. `night`: where a tenant chose none.

    None for a connection that has one under way, or waits for a person: its turn comes the next night.
    """
    now = clock.now()
    await _plan(db, night, now)
    async with db.transaction() as connection:
        runs = await _request(connection, night, now)
    if runs:
        reached("runs_requested")
        try:
            await publisher.publish(Topic.COMMANDS, [start_record(**run) for run in runs])
        except KafkaException as away:  # the watchdog plans runs that nobody takes up
            log.warning("schedule.not_told", runs=len(runs), error=str(away.args[0]))
    return len(runs)


async def _plan(db: Database, night: Night, now: datetime) -> None:
    """The first moment of connections that have none yet."""
    async with db.transaction() as connection:
        # Whoever changes a tenant's hours waits for this, or this for them: no moment is left of hours that were.
        found = await connection.execute(
            """SELECT c.id, t.nightly, t.time_zone FROM connection c JOIN tenant t ON t.id = c.tenant_id
               WHERE c.next_run_at IS NULL AND c.deleted_at IS NULL AND c.settings ->> 'automatic' = 'true'
               LIMIT 1000 FOR SHARE OF t SKIP LOCKED"""
        )
        if rows := await found.fetchall():
            await connection.execute(
                """UPDATE connection c SET next_run_at = n.next
                   FROM unnest(%s::uuid[], %s::timestamptz[]) AS n(id, next)
                   WHERE c.id = n.id AND c.next_run_at IS NULL AND c.settings ->> 'automatic' = 'true'""",
                ([row["id"] for row in rows], [_moment(night, row, now) for row in rows]),
            )


def _moment(night: Night, row: DictRow, now: datetime) -> datetime:
    """A connection's moment in the next night of its tenant."""
    return night.changed(row["nightly"], row["time_zone"]).moment(row["id"], now)


async def _request(connection: Connection, night: Night, now: datetime) -> Sequence[dict[str, Any]]:
    """Runs of the connections that are due; those that somebody changes at this moment come the next time."""
    found = await connection.execute(_DUE, {"now": now, "lot": LOT, "unplanned": UNPLANNED})
    due = await found.fetchall()
    if not due:
        return ()
    moved = await connection.execute(
        _MOVE,
        {
            "ids": [row["id"] for row in due],
            "seen": [row["next_run_at"] for row in due],
            "next": [_moment(night, row, now) for row in due],
        },
    )
    rows = await moved.fetchall()
    moments = {row["id"]: row["next_run_at"] for row in due}
    await not_run(connection, [(row["id"], moments[row["id"]]) for row in rows if row["waits"]])
    ids = [row["id"] for row in rows]
    runs = await connection.execute(_RUNS, {"ids": ids, "runs": [uuid4() for _ in ids], "trigger": Trigger.AUTOMATIC})
    return await runs.fetchall()


# Few at a time, and fewer while what was requested before is not planned yet.
_DUE = """
SELECT c.id, c.next_run_at, t.nightly, t.time_zone FROM connection c JOIN tenant t ON t.id = c.tenant_id
WHERE c.next_run_at <= %(now)s
ORDER BY c.next_run_at, c.id
LIMIT least(%(lot)s, greatest(0, %(unplanned)s - (
    SELECT count(*) FROM run WHERE state IN ('requested', 'active') AND NOT selected AND trigger = 'automatic')))
FOR NO KEY UPDATE OF c SKIP LOCKED
"""

_MOVE = """
UPDATE connection c SET next_run_at = n.next
FROM unnest(%(ids)s::uuid[], %(seen)s::timestamptz[], %(next)s::timestamptz[]) AS n(id, seen, next)
WHERE c.id = n.id AND c.next_run_at = n.seen
RETURNING c.id, c.state <> 'connected' AND c.deleted_at IS NULL AND c.settings ->> 'automatic' = 'true' AS waits
"""

_RUNS = """
INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger)
SELECT n.run, c.tenant_id, c.entity_id, c.id, c.administration_id, %(trigger)s
FROM unnest(%(ids)s::uuid[], %(runs)s::uuid[]) AS n(id, run) JOIN connection c ON c.id = n.id
WHERE c.state = 'connected' AND c.administration_id IS NOT NULL AND c.deleted_at IS NULL
  AND c.settings ->> 'automatic' = 'true'
ON CONFLICT (connection_id) WHERE state <> 'ended' AND NOT small DO NOTHING
RETURNING id AS run_id, connection_id, tenant_id, administration_id, trigger
"""
