"""Payment statuses of entries, as the tool knows them."""

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import UUID

from dagboek_schemas.cloudevents import encode
from dagboek_schemas.documents import PaymentStatus
from dagboek_schemas.events import PaymentChanged, stable_id
from dagboek_schemas.topics import Topic
from dagboek_sdk import clock

from dagboek.database import Database
from dagboek.publisher import Publisher
from dagboek.webhooks.outbox import Event, note


async def open_entries(db: Database, administration_id: UUID) -> list[str]:
    """Ids of the entries that are not known to be paid."""
    rows = await db.all(
        """SELECT l.entry_id FROM link l LEFT JOIN payment_status p ON p.link_id = l.id
           WHERE l.administration_id = %s AND l.kind = 'document' AND l.current AND l.state = 'booked'
             AND l.entry_id IS NOT NULL AND p.state IS DISTINCT FROM 'paid' ORDER BY l.id""",
        administration_id,
    )
    return [row["entry_id"] for row in rows]


async def store_statuses(
    db: Database, publisher: Publisher, run: Mapping[str, Any], statuses: Sequence[PaymentStatus]
) -> int:
    """Stores what changed and tells it; how many changed. Delivered before it is stored: told twice, never lost."""
    links = {
        row["entry_id"]: row
        for row in await db.all(
            """SELECT l.id, l.identity, l.entry_id, l.entry_number, p.state, p.open_amount FROM link l
               LEFT JOIN payment_status p ON p.link_id = l.id
               WHERE l.administration_id = %s AND l.kind = 'document' AND l.current AND l.entry_id = ANY(%s)""",
            run["administration_id"],
            [status.entry_id for status in statuses],
        )
    }
    changed = [
        (links[status.entry_id], status)
        for status in statuses
        if status.entry_id in links
        and (links[status.entry_id]["state"], links[status.entry_id]["open_amount"])
        != (status.state, status.open_amount)
    ]
    if not changed:
        return 0
    events = [_event(run, link, status) for link, status in changed]
    records = [
        encode(data, type_=data.TYPE, event_id=event_id, key=run["administration_id"], subject=data.identity)
        for event_id, data in events
    ]
    await publisher.publish(Topic.RESULTS, records)
    async with db.transaction() as connection, connection.cursor() as cursor:
        await cursor.executemany(
            """INSERT INTO payment_status (link_id, state, open_amount, currency) VALUES (%s, %s, %s, %s)
               ON CONFLICT (link_id) DO UPDATE SET state = excluded.state, open_amount = excluded.open_amount,
                   currency = excluded.currency, changed_at = now()""",
            [(link["id"], status.state, status.open_amount, status.currency) for link, status in changed],
        )
        told = [
            Event(event_id, data.TYPE, record.value) for (event_id, data), record in zip(events, records, strict=True)
        ]
        await note(connection, run["tenant_id"], told)
    return len(changed)


def _event(run: Mapping[str, Any], link: Mapping[str, Any], status: PaymentStatus) -> tuple[UUID, PaymentChanged]:
    data = PaymentChanged(
        run_id=run["id"],
        tenant_id=run["tenant_id"],
        entity_id=run["entity_id"],
        connection_id=run["connection_id"],
        administration_id=run["administration_id"],
        identity=link["identity"],
        booking_number=link["entry_number"],
        state=status.state,
        open_amount=f"{status.open_amount:.2f}" if status.open_amount is not None else None,
        currency=status.currency,
        occurred_at=clock.now(),
    )
    return stable_id("payment", link["id"], status.state, status.open_amount, run["id"]), data
