"""What is to be told to webhooks, written in the transaction in which it happens.

Nothing is written for a tenant without webhooks, and nothing is asked for each document (decision 0029).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from dagboek.database import Connection

# Part of statements that give items their outcome: `written` are those, with `run_id` and `event`. Where nobody at all
# listens, that is found out once for the statement, and nothing of the rest is done.
NOTE_OUTCOMES: Final = """
INSERT INTO webhook_event (tenant_id, value)
SELECT of.tenant_id, written.event FROM written CROSS JOIN LATERAL (
    SELECT r.tenant_id FROM run r WHERE r.id = written.run_id
    AND EXISTS (SELECT 1 FROM webhook w WHERE w.tenant_id = r.tenant_id AND w.state IN ('on', 'paused') OFFSET 0)
    LIMIT 1) of -- one by one and by id: else all runs, or all webhooks, would be read for a few
WHERE EXISTS (SELECT 1 FROM webhook WHERE state IN ('on', 'paused')) AND written.event IS NOT NULL
"""


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, as consumers of the topics read it."""

    event_id: UUID
    type: str
    value: bytes


async def note(connection: Connection, tenant_id: UUID, events: Sequence[Event]) -> None:
    """Has the tenant's webhooks told, if it has any. In the transaction in which it happens."""
    await connection.execute(
        """INSERT INTO webhook_event (tenant_id, event_id, type, value)
           SELECT %(tenant)s, * FROM unnest(%(ids)s::uuid[], %(types)s::text[], %(values)s::bytea[])
           WHERE EXISTS (SELECT 1 FROM webhook WHERE tenant_id = %(tenant)s AND state IN ('on', 'paused'))""",
        {
            "tenant": tenant_id,
            "ids": [one.event_id for one in events],
            "types": [one.type for one in events],
            "values": [one.value for one in events],
        },
    )
