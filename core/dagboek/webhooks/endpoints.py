"""Webhooks of a tenant: register, change, pause, rotate the secret, delete."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final
from uuid import UUID, uuid4

import orjson
from dagboek_sdk import clock
from psycopg.rows import DictRow

from dagboek.database import Database
from dagboek.reasons import Refusal
from dagboek.vault import Vault
from dagboek.webhooks.deliveries import hurry
from dagboek.webhooks.kinds import TEST
from dagboek.webhooks.outbox import Event
from dagboek.webhooks.signing import new_secret
from dagboek.webhooks.spreading import body_of

MOST: Final = 20
"""Webhooks of a tenant."""
GRACE_HOURS: Final = 24
"""In which a secret that was replaced signs as well."""


class State(StrEnum):
    """Whether a webhook is told what happens."""

    ON = "on"
    PAUSED = "paused"
    """What happens is kept for it, for as long as deliveries are tried."""
    OFF = "off"
    """What happens is not kept."""


class OffReason(StrEnum):
    """Why nobody but we have switched it off."""

    GONE = "gone"
    """It answered 410 Gone."""
    FAILING = "failing"
    """Nothing has arrived for days."""


class UnknownWebhook(LookupError):
    """The tenant has no webhook with this id."""


class TooMany(Refusal):
    """The tenant has as many webhooks as it may."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """Where a tenant is told what happens, without its secret."""

    id: UUID
    tenant_id: UUID
    address: str
    description: str
    types: tuple[str, ...]
    state: State
    off_reason: OffReason | None
    old_secret_until: datetime | None
    """Until when the secret of before signs as well."""
    failing_since: datetime | None
    created_by: str
    created_at: datetime


_COLUMNS: Final = """id, tenant_id, address, description, types, state, off_reason, old_secret_until, failing_since,
                     created_by, created_at"""


async def register(
    db: Database, vault: Vault, tenant_id: UUID, address: str, types: Sequence[str], description: str, by: str
) -> tuple[str, Webhook]:
    """A new webhook: its secret, which is shown this once, and what is kept. TooMany."""
    found = await db.one(
        "SELECT count(*) AS number FROM webhook WHERE tenant_id = %s AND state <> 'deleted'", tenant_id
    )
    if found is None or found["number"] >= MOST:
        raise TooMany(
            f"A tenant has {MOST} webhooks at most. Delete one that is not used.", "too_many_webhooks", most=MOST
        )
    secret = new_secret()
    row = await db.one(
        f"""INSERT INTO webhook (tenant_id, address, description, types, secret, created_by)
            VALUES (%s, %s, %s, %s, %s, %s) RETURNING {_COLUMNS}""",
        tenant_id,
        address,
        description.strip(),
        sorted(set(types)),
        vault.encrypt({"secret": secret}),
        by,
    )
    assert row is not None
    return secret, _webhook(row)


async def page(
    db: Database, tenant_id: UUID, *, after: tuple[datetime, UUID] | None = None, limit: int
) -> list[Webhook]:
    """Webhooks of the tenant, oldest first."""
    rows = await db.all(
        f"""SELECT {_COLUMNS} FROM webhook WHERE tenant_id = %(tenant)s AND state <> 'deleted'
            AND (%(at)s::timestamptz IS NULL OR (created_at, id) > (%(at)s, %(id)s::uuid))
            ORDER BY created_at, id LIMIT %(limit)s""",
        {
            "tenant": tenant_id,
            "at": after[0] if after else None,
            "id": after[1] if after else None,
            "limit": limit,
        },
    )
    return [_webhook(row) for row in rows]


async def any_switched_off(db: Database, tenant_id: UUID) -> bool:
    """Whether we have switched one off, and nobody has seen to it."""
    row = await db.one(
        "SELECT 1 AS one FROM webhook WHERE tenant_id = %s AND state = 'off' AND off_reason IS NOT NULL", tenant_id
    )
    return row is not None


async def find(db: Database, tenant_id: UUID, webhook_id: UUID) -> Webhook:
    """A webhook of the tenant. UnknownWebhook."""
    row = await db.one(
        f"SELECT {_COLUMNS} FROM webhook WHERE id = %s AND tenant_id = %s AND state <> 'deleted'", webhook_id, tenant_id
    )
    if row is None:
        raise UnknownWebhook("There is no such webhook.")
    return _webhook(row)


async def change(
    db: Database, tenant_id: UUID, webhook_id: UUID, address: str, types: Sequence[str], description: str
) -> Webhook:
    """Another address, other types. What waits goes to the new address, at once. UnknownWebhook."""
    async with db.transaction() as connection:
        found = await connection.execute(
            f"""UPDATE webhook SET address = %(address)s, types = %(types)s, description = %(description)s,
                    failures = 0, rest_until = NULL,
                    failing_since = CASE WHEN address = %(address)s THEN failing_since END
                WHERE id = %(webhook)s AND tenant_id = %(tenant)s AND state <> 'deleted' RETURNING {_COLUMNS}""",
            {
                "address": address,
                "types": sorted(set(types)),
                "description": description.strip(),
                "webhook": webhook_id,
                "tenant": tenant_id,
            },
        )
        row = await found.fetchone()
        if row is None:
            raise UnknownWebhook("There is no such webhook.")
        await hurry(connection, webhook_id)
    return _webhook(row)


async def pause(db: Database, tenant_id: UUID, webhook_id: UUID) -> bool:
    """Nothing is sent until it is resumed; False where it was not on."""
    return bool(
        await db.run(
            "UPDATE webhook SET state = 'paused' WHERE id = %s AND tenant_id = %s AND state = 'on'",
            webhook_id,
            tenant_id,
        )
    )


async def resume(db: Database, tenant_id: UUID, webhook_id: UUID) -> bool:
    """What waits is sent, and what happens from now on; False where it was on already."""
    async with db.transaction() as connection:
        done = await connection.execute(
            """UPDATE webhook SET state = 'on', off_reason = NULL, failures = 0, failing_since = NULL, rest_until = NULL
               WHERE id = %s AND tenant_id = %s AND state IN ('paused', 'off')""",
            (webhook_id, tenant_id),
        )
        await hurry(connection, webhook_id)
    return bool(done.rowcount)


async def rotate(core: Database, vault: Vault, webhook: Webhook) -> str:
    """A new secret; the one of before signs as well for a day. `core` is the service's own: requests read no secret."""
    secret = new_secret()
    await core.run(
        """UPDATE webhook SET old_secret = secret, old_secret_until = now() + make_interval(hours => %s), secret = %s
           WHERE id = %s AND state <> 'deleted'""",
        GRACE_HOURS,
        vault.encrypt({"secret": secret}),
        webhook.id,
    )
    return secret


async def delete(db: Database, tenant_id: UUID, webhook_id: UUID) -> None:
    """Nothing is sent any more, and the secret is gone at once. The log of its deliveries goes with the clean-up."""
    await db.run(
        "UPDATE webhook SET state = 'deleted', secret = '', old_secret = NULL WHERE id = %s AND tenant_id = %s",
        webhook_id,
        tenant_id,
    )


async def test(db: Database, webhook: Webhook) -> UUID:
    """Sends something that means nothing, once, whatever the webhook's state: the delivery."""
    event_id = uuid4()
    value = orjson.dumps({"tenant_id": webhook.tenant_id, "webhook_id": webhook.id, "occurred_at": clock.now()})
    row = await db.one(
        """INSERT INTO webhook_delivery (tenant_id, webhook_id, event_id, type, body, give_up_at)
           VALUES (%s, %s, %s, %s, %s, now()) RETURNING id""",
        webhook.tenant_id,
        webhook.id,
        event_id,
        TEST,
        body_of(Event(event_id, TEST, value)),
    )
    assert row is not None
    found: UUID = row["id"]
    return found


async def rotate_keys(db: Database, vault: Vault) -> int:
    """Encrypts all secrets under the newest key of the vault; the number of values. VaultError."""
    rows = await db.all("SELECT id, secret, old_secret FROM webhook WHERE state <> 'deleted'")
    for row in rows:
        # Compared, so that a secret that was replaced meanwhile stays as it is.
        await db.run(
            "UPDATE webhook SET secret = %s, old_secret = %s WHERE id = %s AND secret = %s",
            vault.rotate(row["secret"]),
            vault.rotate(row["old_secret"]) if row["old_secret"] else None,
            row["id"],
            row["secret"],
        )
    return len(rows)


def _webhook(row: DictRow) -> Webhook:
    reason = OffReason(row["off_reason"]) if row["off_reason"] else None
    return Webhook(**{**row, "types": tuple(row["types"]), "state": State(row["state"]), "off_reason": reason})
