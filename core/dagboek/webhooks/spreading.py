"""From what happened to the deliveries of those who want to be told."""

from collections.abc import Sequence
from typing import Any, Final
from uuid import UUID

import orjson
from dagboek_schemas.events import ItemOutcome

from dagboek.database import Connection, Database
from dagboek.plugins import unexpected
from dagboek.webhooks.outbox import Event

LOT: Final = 500
"""Events that are spread in one transaction."""
DAYS: Final = 3
"""For which a delivery is tried."""

Told = tuple[UUID, Event, bytes]
"""For whom, what happened, and what is sent of it."""


async def spread(db: Database) -> int:
    """Makes a delivery of each event for each webhook that wants it; how many events."""
    async with db.transaction() as connection:
        found = await connection.execute(
            """WITH lot AS MATERIALIZED (SELECT id FROM webhook_event ORDER BY id LIMIT %s FOR UPDATE SKIP LOCKED)
               DELETE FROM webhook_event e USING lot WHERE e.id = lot.id
               RETURNING e.id, e.tenant_id, e.event_id, e.type, e.value""",
            (LOT,),
        )
        rows = sorted(await found.fetchall(), key=lambda row: row["id"])
        told = [made for row in rows if (made := _told(row)) is not None]
        if told:
            await _deliveries(connection, told)
    return len(rows)


def _told(row: dict[str, Any]) -> Told | None:
    try:
        if row["type"] is not None:
            event = Event(row["event_id"], row["type"], row["value"])
        else:
            outcome = ItemOutcome.model_validate_json(row["value"])
            event = Event(outcome.event_id, outcome.event_type, row["value"])
        return row["tenant_id"], event, body_of(event)
    except (ValueError, LookupError) as bug:  # written by a later release, or by a bug: it holds up no other
        unexpected("webhooks", bug)
        return None


async def _deliveries(connection: Connection, told: Sequence[Told]) -> None:
    await connection.execute(
        """INSERT INTO webhook_delivery (tenant_id, webhook_id, event_id, type, body, give_up_at)
           SELECT e.tenant_id, w.id, e.event_id, e.type, e.body, now() + make_interval(days => %s)
           FROM unnest(%s::uuid[], %s::uuid[], %s::text[], %s::bytea[]) WITH ORDINALITY
               AS e(tenant_id, event_id, type, body, place)
           JOIN webhook w ON w.tenant_id = e.tenant_id AND w.state IN ('on', 'paused') AND e.type = ANY (w.types)
           ORDER BY e.place
           ON CONFLICT (webhook_id, event_id) DO NOTHING""",
        (
            DAYS,
            [tenant_id for tenant_id, _, _ in told],
            [event.event_id for _, event, _ in told],
            [event.type for _, event, _ in told],
            [body for _, _, body in told],
        ),
    )


def body_of(event: Event) -> bytes:
    """What is sent: the data as they stand on the topics, with the type that stands in a header there."""
    when = orjson.dumps(orjson.loads(event.value)["occurred_at"])
    return b'{"type":"%s","timestamp":%s,"data":%s}' % (event.type.encode(), when, event.value)
