"""Delivers what is final and was not reported: no result is lost to a crash between commit and delivery.

An outcome that cannot be told is set aside, so that it holds up no other: `reported_at` is then the epoch.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from dagboek_schemas.cloudevents import Record, headers_of
from dagboek_schemas.topics import Topic

from dagboek.database import Database
from dagboek.outcome_events import WARNED, item_event, stored_record
from dagboek.plugins import unexpected
from dagboek.publisher import Publisher, Undeliverable
from dagboek.webhooks.outbox import NOTE_OUTCOMES

log = structlog.get_logger()

LOT = 500

Row = Mapping[str, Any]

# What implies the predicate of the index item_unreported: rows are kept for months, and this is asked all the time.
UNWRITTEN = """
SELECT * FROM item WHERE reported_at IS NULL AND outcome_at IS NOT NULL AND event IS NULL AND state <> 'planned'
ORDER BY outcome_at LIMIT %s
"""
UNTOLD = """
SELECT run_id, sequence, state, event, repeated, outcome_at FROM item
WHERE reported_at IS NULL AND outcome_at IS NOT NULL AND event IS NOT NULL
  AND outcome_at < now() - make_interval(secs => %s)
ORDER BY outcome_at LIMIT %s
"""


async def write_events(db: Database) -> int:
    """Writes the events of outcomes that were given by the core: what was not tried, not readable, settled; how many.

    Whoever gives an item its outcome in the database alone leaves its event empty.
    """
    items = _in_order(await db.all(UNWRITTEN, LOT))
    if not items:
        return 0
    runs = {
        run["id"]: run
        for run in await db.all("SELECT * FROM run WHERE id = ANY(%s)", list({item["run_id"] for item in items}))
    }
    written = await _recorded(db, items, lambda item: item_event(runs[item["run_id"]], item))
    if written:
        await db.run(
            f"""WITH written AS (
                   UPDATE item i SET event = e.event
                   FROM unnest(%s::uuid[], %s::int[], %s::text[], %s::bigint[], %s::bytea[])
                       AS e(run_id, sequence, state, link_version, event)
                   WHERE i.run_id = e.run_id AND i.sequence = e.sequence AND i.state = e.state
                     AND i.link_version = e.link_version AND i.event IS NULL
                   RETURNING i.run_id, i.event
               ) {NOTE_OUTCOMES}""",
            [item["run_id"] for item, _ in written],
            [item["sequence"] for item, _ in written],
            [item["state"] for item, _ in written],
            [item["link_version"] for item, _ in written],
            [event.value for _, event in written],
        )
    return len(items)


async def deliver_items(db: Database, publisher: Publisher, older_than: float = 3.0) -> int:
    """Delivers outcomes of items that have waited for `older_than` seconds; how many."""
    rows = _in_order(await db.all(UNTOLD, older_than, LOT))
    told = await _recorded(db, rows, lambda row: stored_record(row["event"]))
    try:
        await _publish(publisher, told)
    except Undeliverable:
        told = [one for one in told if await _delivered(db, publisher, *one)]
    if told:
        await db.run(
            """UPDATE item i SET reported_at = now()
               FROM unnest(%s::uuid[], %s::int[], %s::bytea[]) AS r(run_id, sequence, event)
               WHERE i.run_id = r.run_id AND i.sequence = r.sequence AND i.event = r.event""",
            [row["run_id"] for row, _ in told],
            [row["sequence"] for row, _ in told],
            [row["event"] for row, _ in told],
        )
    return len(rows)


def _in_order(rows: Sequence[Row]) -> list[Row]:
    """Those of one moment, such as of one call of many documents, in the order of their run."""
    return sorted(rows, key=lambda row: (row["outcome_at"], row["run_id"], row["sequence"] or 0))


async def _recorded(db: Database, rows: Sequence[Row], record: Callable[[Row], Record]) -> list[tuple[Row, Record]]:
    """Rows with their records; one of which none can be made is set aside."""
    made = []
    for row in rows:
        try:
            made.append((row, record(row)))
        except Exception as trouble:
            await _set_aside(db, row, trouble)
    return made


async def _publish(publisher: Publisher, told: Sequence[tuple[Row, Record]]) -> None:
    await publisher.publish(Topic.RESULTS, [record for _, record in told])
    warned = [record for row, record in told if row["state"] in WARNED and not row["repeated"]]
    await publisher.publish(Topic.WARNINGS, warned)


async def _delivered(db: Database, publisher: Publisher, row: Row, record: Record) -> bool:
    try:
        await _publish(publisher, [(row, record)])
    except Undeliverable as trouble:
        await _set_aside(db, row, trouble)
        return False
    return True


async def _set_aside(db: Database, row: Row, trouble: Exception) -> None:
    reference = unexpected("sweeper", trouble).facts["reference"]
    log.error("outcome.set_aside", run=str(row["run_id"]), sequence=row["sequence"], reference=reference)
    await db.run(
        """UPDATE item SET reported_at = to_timestamp(0)
           WHERE run_id = %s AND sequence = %s AND state = %s AND reported_at IS NULL""",
        row["run_id"],
        row["sequence"],
        row["state"],
    )


async def deliver_run_events(db: Database, publisher: Publisher, run_id: UUID | None = None) -> int:
    """Delivers ends of components and runs, once all outcomes of the run's items are delivered; how many."""
    rows = await db.all(
        """SELECT e.* FROM run_event e WHERE e.reported_at IS NULL AND e.run_id = coalesce(%s, e.run_id)
             AND NOT EXISTS (SELECT 1 FROM item i WHERE i.run_id = e.run_id AND i.outcome_at IS NOT NULL
                             AND i.reported_at IS NULL OFFSET 0) -- looked up by run, not all there are for each
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
    return [
        Record(
            str(row["administration_id"]).encode(),
            row["value"],
            headers_of(row["type"], row["event_id"], subject=str(row["run_id"]), time=row["created_at"]),
        )
        for row in rows
    ]
