"""Nightly runs: each connection that wants them, once a night at a moment of its own (design section 4).

The moment is a hash of the connection within the night, so that ten thousand of them come to no tool and no database
at once. When it comes next stands in `connection.next_run_at`; a run is requested by moving that to the following
night, in one transaction with the run, so that cores beside each other request it once. What was missed while no core
was there is caught up: at once, and once.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import structlog
from confluent_kafka import KafkaException
from dagboek_schemas.statuses import Trigger
from dagboek_schemas.topics import Topic
from dagboek_sdk import clock

from dagboek.database import Connection, Database
from dagboek.night import Night
from dagboek.publisher import Publisher
from dagboek.runs import start_record

log = structlog.get_logger()

LOT = 50
"""Runs that are requested at a time."""
UNPLANNED = 100
"""Nightly runs that may wait to be planned: more come as these are done, so that people's own runs find room."""


async def request_due(db: Database, publisher: Publisher, night: Night) -> int:
    """Requests the runs whose time has come, a lot at a time; how many.

    None for a connection that has one under way, or waits for a person: its turn comes the next night.
    """
    now = clock.now()
    await _plan(db, night, now)
    async with db.transaction() as connection:
        runs = await _request(connection, night, now)
    if runs:
        try:
            await publisher.publish(Topic.COMMANDS, [start_record(**run) for run in runs])
        except KafkaException as away:  # the watchdog plans runs that nobody takes up
            log.warning("schedule.not_told", runs=len(runs), error=str(away.args[0]))
    return len(runs)


async def _plan(db: Database, night: Night, now: datetime) -> None:
    """The first moment of connections that have none yet."""
    rows = await db.all(
        """SELECT id FROM connection WHERE next_run_at IS NULL AND deleted_at IS NULL
             AND settings ->> 'automatic' = 'true' LIMIT 1000"""
    )
    if rows:
        ids = [row["id"] for row in rows]
        await db.run(
            """UPDATE connection c SET next_run_at = n.next FROM unnest(%s::uuid[], %s::timestamptz[]) AS n(id, next)
               WHERE c.id = n.id AND c.next_run_at IS NULL AND c.settings ->> 'automatic' = 'true'""",
            ids,
            [night.moment(one, now) for one in ids],
        )


async def _request(connection: Connection, night: Night, now: datetime) -> Sequence[dict[str, Any]]:
    """Runs of the connections that are due; those that somebody changes at this moment come the next time."""
    found = await connection.execute(_DUE, {"now": now, "lot": LOT, "unplanned": UNPLANNED})
    due = {row["id"]: row["next_run_at"] for row in await found.fetchall()}
    if not due:
        return ()
    moved = await connection.execute(
        _MOVE, {"ids": list(due), "seen": list(due.values()), "next": [night.moment(one, now) for one in due]}
    )
    ids = [row["id"] for row in await moved.fetchall()]
    runs = await connection.execute(_RUNS, {"ids": ids, "runs": [uuid4() for _ in ids], "trigger": Trigger.AUTOMATIC})
    return await runs.fetchall()


# Few at a time, and fewer while what was requested before is not planned yet.
_DUE = """
SELECT id, next_run_at FROM connection
WHERE next_run_at <= %(now)s
ORDER BY next_run_at, id
LIMIT least(%(lot)s, greatest(0, %(unplanned)s - (
    SELECT count(*) FROM run WHERE state IN ('requested', 'active') AND NOT selected AND trigger = 'automatic')))
FOR NO KEY UPDATE SKIP LOCKED
"""

_MOVE = """
UPDATE connection c SET next_run_at = n.next
FROM unnest(%(ids)s::uuid[], %(seen)s::timestamptz[], %(next)s::timestamptz[]) AS n(id, seen, next)
WHERE c.id = n.id AND c.next_run_at = n.seen
RETURNING c.id
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
