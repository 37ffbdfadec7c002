"""Delivers what is final and was not reported: no result is lost to a crash between commit and delivery."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from dagboek_schemas.cloudevents import Record, headers_of
from dagboek_schemas.topics import Topic

from dagboek.database import Database
from dagboek.outcome_events import WARNED, item_event, stored_record
from dagboek.publisher import Publisher

LOT = 500


async def write_events(db: Database) -> int:
    """Writes the events of outcomes that were given by the core: what was not tried, not readable, settled; how many.

    Whoever gives an item its outcome in the database alone leaves its event empty.
    """
    items = await db.all(
        """SELECT * FROM item WHERE event IS NULL AND outcome_at IS NOT NULL AND state <> 'planned'
           ORDER BY outcome_at LIMIT %s""",
        LOT,
    )
    runs = {
        run["id"]: run
        for run in await db.all("SELECT * FROM run WHERE id = ANY(%s)", list({item["run_id"] for item in items}))
    }
    if items:
        await db.run(
            """UPDATE item i SET event = e.event
               FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::bigint[], %s::bytea[])
                   AS e(run_id, sequence, state, link_version, event)
               WHERE i.run_id = e.run_id AND i.sequence = e.sequence AND i.state = e.state
                 AND i.link_version = e.link_version AND i.event IS NULL""",
            [item["run_id"] for item in items],
            [item["sequence"] for item in items],
            [item["state"] for item in items],
            [item["link_version"] for item in items],
            [item_event(runs[item["run_id"]], item).value for item in items],
        )
    return len(items)


async def deliver_items(db: Database, publisher: Publisher, older_than: float = 3.0) -> int:
    """Delivers outcomes of items that have waited for `older_than` seconds; how many."""
    rows = await db.all(
        """SELECT run_id, sequence, state, event FROM item
           WHERE event IS NOT NULL AND reported_at IS NULL AND outcome_at < now() - make_interval(secs => %s)
           ORDER BY outcome_at LIMIT %s""",
        older_than,
        LOT,
    )
    if not rows:
        return 0
    records = [(row, stored_record(row["event"])) for row in rows]
    await publisher.publish(Topic.RESULTS, [record for _, record in records])
    warned = [record for row, record in records if row["state"] in WARNED]
    if warned:
        await publisher.publish(Topic.WARNINGS, warned)
    await db.run(
        """UPDATE item i SET reported_at = now()
           FROM unnest(%s::uuid[], %s::int[], %s::bytea[]) AS r(run_id, sequence, event)
           WHERE i.run_id = r.run_id AND i.sequence = r.sequence AND i.event = r.event""",
        [row["run_id"] for row in rows],
        [row["sequence"] for row in rows],
        [row["event"] for row in rows],
    )
    return len(rows)


async def deliver_run_events(db: Database, publisher: Publisher, run_id: UUID | None = None) -> int:
    """Delivers ends of components and runs, once all outcomes of the run's items are delivered; how many."""
    rows = await db.all(
        """SELECT e.* FROM run_event e WHERE e.reported_at IS NULL AND e.run_id = coalesce(%s, e.run_id)
             AND NOT EXISTS (SELECT 1 FROM item i WHERE i.run_id = e.run_id AND i.outcome_at IS NOT NULL
                             AND i.reported_at IS NULL)
           ORDER BY e.created_at LIMIT %s""",
        run_id,
        LOT,
    )
    if not rows:
        return 0
    await publisher.publish(Topic.RESULTS, _records(rows))
    await db.run("UPDATE run_event SET reported_at = now() WHERE event_id = ANY(%s)", [row["event_id"] for row in rows])
    return len(rows)


def _records(rows: Sequence[dict[str, Any]]) -> list[Record]:
    ordered = sorted(rows, key=lambda row: (row["created_at"], "run" in row["type"]))
    return [
        Record(
            str(row["administration_id"]).encode(),
            row["value"],
            headers_of(row["type"], row["event_id"], subject=str(row["run_id"]), time=row["created_at"]),
        )
        for row in ordered
    ]
