"""The log of deliveries: what was sent, what was answered, sending again, and what is dropped after a while."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID

from psycopg.rows import DictRow

from dagboek.database import Connection, Database
from dagboek.webhooks.kinds import TEST
from dagboek.webhooks.sending import Trouble
from dagboek.webhooks.spreading import DAYS

LEASE: Final = 120
"""Seconds for which a process has what it takes; longer than a lot may take it."""
KEPT_DAYS: Final = 14
"""For which the log is kept."""
_DROPPED: Final = 10_000
"""Rows that are dropped in one go."""


class DeliveryState(StrEnum):
    """How a delivery stands."""

    WAITING = "waiting"
    """To be sent, or to be tried again."""
    DELIVERED = "delivered"
    FAILED = "failed"
    """Given up."""


class UnknownDelivery(LookupError):
    """The webhook has no delivery with this id."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event for a webhook."""

    id: UUID
    event_id: UUID
    """What it bears in the header `webhook-id`, however often it is sent."""
    type: str
    state: DeliveryState
    attempts: int
    created_at: datetime
    next_at: datetime | None
    """Where it waits: when it is sent next."""
    ended_at: datetime | None
    status: int | None
    """Of the latest answer."""
    trouble: Trouble | None
    """Of the latest try."""


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """One try."""

    at: datetime
    milliseconds: int
    status: int | None
    trouble: Trouble | None
    answer: str


_DELIVERIES: Final = """
SELECT d.id, d.event_id, d.type, d.state, d.attempts, d.created_at, d.ended_at,
       CASE WHEN d.state = 'waiting' THEN d.next_at END AS next_at, a.status, a.trouble
FROM webhook_delivery d LEFT JOIN LATERAL (
    SELECT status, trouble FROM webhook_attempt WHERE delivery_id = d.id ORDER BY id DESC LIMIT 1) a ON true
WHERE d.tenant_id = %(tenant)s AND d.webhook_id = %(webhook)s
"""


async def page(
    db: Database,
    tenant_id: UUID,
    webhook_id: UUID,
    *,
    state: DeliveryState | None = None,
    after: tuple[datetime, UUID] | None = None,
    limit: int,
) -> list[Delivery]:
    """Deliveries of a webhook, newest first."""
    at, id_ = after or (None, None)
    rows = await db.all(
        _DELIVERIES
        + """AND (%(state)s::text IS NULL OR d.state = %(state)s)
             AND (%(at)s::timestamptz IS NULL OR (d.created_at, d.id) < (%(at)s, %(id)s::uuid))
             ORDER BY d.created_at DESC, d.id DESC LIMIT %(limit)s""",
        {"tenant": tenant_id, "webhook": webhook_id, "state": state, "at": at, "id": id_, "limit": limit},
    )
    return [_delivery(row) for row in rows]


async def one(db: Database, tenant_id: UUID, webhook_id: UUID, delivery_id: UUID) -> Delivery:
    """A delivery of a webhook. UnknownDelivery."""
    row = await db.one(
        _DELIVERIES + "AND d.id = %(delivery)s",
        {"tenant": tenant_id, "webhook": webhook_id, "delivery": delivery_id},
    )
    if row is None:
        raise UnknownDelivery("There is no such delivery.")
    return _delivery(row)


async def body(db: Database, delivery_id: UUID) -> bytes:
    """What is sent."""
    row = await db.one("SELECT body FROM webhook_delivery WHERE id = %s", delivery_id)
    return bytes(row["body"]) if row else b""


async def attempts(db: Database, delivery_id: UUID, limit: int = 100) -> list[AttemptRow]:
    """Tries of a delivery, the latest first."""
    rows = await db.all(
        """SELECT at, milliseconds, status, trouble, answer FROM webhook_attempt WHERE delivery_id = %s
           ORDER BY id DESC LIMIT %s""",
        delivery_id,
        limit,
    )
    return [AttemptRow(**{**row, "trouble": _trouble(row)}) for row in rows]


async def send_again(db: Database, tenant_id: UUID, webhook_id: UUID, delivery_id: UUID) -> bool:
    """Sends it, also if it was delivered, under the same `webhook-id`; False while it is on its way."""
    return bool(
        await db.run(
            """UPDATE webhook_delivery SET state = 'waiting', next_at = now(), ended_at = NULL,
                   give_up_at = now() + CASE WHEN type = %(test)s THEN 0 ELSE %(days)s END * interval '1 day'
               WHERE id = %(delivery)s AND webhook_id = %(webhook)s AND tenant_id = %(tenant)s
                 AND (state <> 'waiting' OR next_at <= now() OR next_at > now() + make_interval(secs => %(lease)s))""",
            {
                "test": TEST,
                "days": DAYS,
                "delivery": delivery_id,
                "webhook": webhook_id,
                "tenant": tenant_id,
                "lease": LEASE,
            },
        )
    )


async def hurry(connection: Connection, webhook_id: UUID) -> None:
    """What waits for its time is due now, but for what a process is sending just now."""
    await connection.execute(
        """UPDATE webhook_delivery SET next_at = now() WHERE webhook_id = %s AND state = 'waiting'
           AND next_at > now() + make_interval(secs => %s)""",
        (webhook_id, LEASE),
    )


async def give_back(connection: Connection, delivery_ids: Sequence[UUID]) -> None:
    """What was taken and not begun is anybody's again."""
    if delivery_ids:
        await connection.execute(
            "UPDATE webhook_delivery SET next_at = now() WHERE id = ANY (%s) AND state = 'waiting'",
            (list(delivery_ids),),
        )


async def drop_old(db: Database) -> int:
    """Gives up what has waited too long, and drops what is older than the log is kept; how many deliveries."""
    await db.run(
        """UPDATE webhook_delivery SET state = 'failed', ended_at = now()
           WHERE state = 'waiting' AND greatest(give_up_at, next_at) < now() - interval '1 hour'"""
    )
    await db.run("UPDATE webhook SET old_secret = NULL WHERE old_secret_until < now() AND old_secret IS NOT NULL")
    old = await _dropped(db, "created_at < now() - make_interval(days => %s)", KEPT_DAYS)
    gone = await _dropped(db, "webhook_id IN (SELECT id FROM webhook WHERE state = %s)", "deleted")
    await db.run(
        """DELETE FROM webhook w WHERE state = 'deleted'
           AND NOT EXISTS (SELECT 1 FROM webhook_delivery d WHERE d.webhook_id = w.id)"""
    )
    return old + gone


async def _dropped(db: Database, condition: str, given: object) -> int:
    """Drops deliveries with their tries, some at a time."""
    dropped, some = 0, _DROPPED
    while some == _DROPPED:
        some = await db.run(
            f"""DELETE FROM webhook_delivery WHERE id IN (
                    SELECT id FROM webhook_delivery WHERE {condition} LIMIT {_DROPPED})""",
            given,
        )
        dropped += some
    return dropped


def _delivery(row: DictRow) -> Delivery:
    return Delivery(**{**row, "state": DeliveryState(row["state"]), "trouble": _trouble(row)})


def _trouble(row: DictRow) -> Trouble | None:
    return Trouble(row["trouble"]) if row["trouble"] else None
