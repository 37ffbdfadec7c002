"""Delivers what waits for webhooks: a job of the core, in as many processes as there are.

A lot of deliveries is taken by moving their time on: a process that dies gives them back by that, and whoever has a lot
holds no lock. Each webhook has few requests open at a time, and one that does not answer is left alone for a while, so
that a slow one holds up no other.
"""

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import aiohttp
import structlog
from dagboek_sdk import clock

from dagboek.database import AWAY, Connection, Database
from dagboek.notices.bell_alone import webhook_switched_off
from dagboek.plugins import unexpected
from dagboek.vault import Vault, VaultError
from dagboek.webhooks.addresses import Allowed
from dagboek.webhooks.deliveries import LEASE, give_back, hurry
from dagboek.webhooks.endpoints import OffReason
from dagboek.webhooks.kinds import TEST
from dagboek.webhooks.sending import Tried, session, tried
from dagboek.webhooks.signing import signed_headers
from dagboek.webhooks.spreading import LOT as SPREAD_LOT
from dagboek.webhooks.spreading import spread

log = structlog.get_logger()

AT_ONCE: Final = 4
"""Requests that a process has open to one webhook."""
LOT: Final = 16
"""Deliveries that are taken together."""
MOST: Final = 100
"""Webhooks that a process serves at a time."""
FIRST: Final = 5.0
"""Seconds until a second try."""
LONGEST: Final = 12 * 3600.0
"""Seconds between tries at most."""
SOME: Final = 3
"""Failures in a row after which one delivery alone is tried, and then rest is kept."""
REST: Final = 300.0
"""Seconds for which a webhook is left alone at most."""
HOUR: Final = 3600.0
"""For which one may ask to be left alone, by Retry-After."""
PATIENCE: Final = timedelta(days=3)
"""For which nothing may arrive before a webhook is switched off."""

_OPEN: Final = "w.state = 'on' AND (w.rest_until IS NULL OR w.rest_until <= now())"

# Tests have an index of their own: what waits for one that is paused or rests may be very much, and is not looked at.
DUE: Final = f"""
SELECT w.id FROM webhook w WHERE w.state <> 'deleted' AND w.id <> ALL (%(busy)s::uuid[]) AND (
    {_OPEN} AND EXISTS (
        SELECT 1 FROM webhook_delivery d WHERE d.webhook_id = w.id AND d.state = 'waiting' AND d.next_at <= now())
    OR EXISTS (
        SELECT 1 FROM webhook_delivery d WHERE d.webhook_id = w.id AND d.state = 'waiting' AND d.next_at <= now()
        AND d.type = '{TEST}'))
ORDER BY random() LIMIT %(most)s
"""

_TAKEN: Final = f"""
WITH lot AS MATERIALIZED (
    SELECT d.id FROM webhook_delivery d JOIN webhook w ON w.id = d.webhook_id
    WHERE w.id = %(webhook)s AND d.state = 'waiting' AND d.next_at <= now()
      AND ({_OPEN} OR w.state <> 'deleted' AND d.type = '{TEST}')
    ORDER BY d.next_at
    LIMIT (SELECT CASE WHEN failures >= %(some)s THEN 1 ELSE %(lot)s END FROM webhook WHERE id = %(webhook)s)
    FOR UPDATE OF d SKIP LOCKED
)
UPDATE webhook_delivery d SET next_at = now() + make_interval(secs => %(lease)s)
FROM lot, webhook w WHERE d.id = lot.id AND w.id = %(webhook)s
RETURNING d.id, d.event_id, d.type, d.body, d.attempts, d.give_up_at, w.address, w.secret, w.old_secret,
          w.old_secret_until
"""


@dataclass(frozen=True, slots=True)
class _Ended:
    """A delivery, and what came of a try."""

    row: dict[str, Any]
    tried: Tried

    @property
    def delivered(self) -> bool:
        return self.tried.trouble is None


class Deliverer:
    """Sends what is due to the webhooks of all tenants."""

    def __init__(self, db: Database, vault: Vault, allowed: Allowed) -> None:
        self._db = db
        self._vault = vault
        self._allowed = allowed
        self._http: aiohttp.ClientSession | None = None
        self._serving: dict[UUID, asyncio.Task[None]] = {}

    async def step(self) -> None:
        """Spreads what has happened, and begins with webhooks for which something is due."""
        while await spread(self._db) == SPREAD_LOT:
            pass
        free = MOST - len(self._serving)
        if free <= 0:
            return
        due = await self._db.all(DUE, {"busy": list(self._serving), "most": free})
        for row in due:
            webhook_id: UUID = row["id"]
            task = asyncio.create_task(self._serve(webhook_id))
            self._serving[webhook_id] = task
            task.add_done_callback(partial(self._served, webhook_id))

    def _served(self, webhook_id: UUID, _: object) -> None:
        del self._serving[webhook_id]

    async def idle(self) -> None:
        """Waits until nothing is being sent."""
        while self._serving:
            await asyncio.wait(self._serving.values())

    async def close(self) -> None:
        """Ends what is being sent; another process takes it over."""
        for task in list(self._serving.values()):
            task.cancel()
        await asyncio.gather(*self._serving.values(), return_exceptions=True)
        if self._http is not None:
            await self._http.close()

    async def _serve(self, webhook_id: UUID) -> None:
        """Sends to one webhook as long as something is due for it."""
        try:
            while lot := await self._take(webhook_id):
                await self._record(webhook_id, lot, await self._send(lot))
        except AWAY as trouble:  # what was taken is taken again later
            log.warning("job.waits", job="webhooks", error=type(trouble).__name__)
        except VaultError as wrong:
            log.error("webhook.secret_unreadable", webhook=str(webhook_id), error=str(wrong))
        except Exception as bug:
            unexpected("webhooks", bug)

    async def _take(self, webhook_id: UUID) -> Sequence[dict[str, Any]]:
        given = {"webhook": webhook_id, "lease": LEASE, "lot": LOT, "some": SOME}
        return await self._db.all(_TAKEN, given)

    async def _send(self, lot: Sequence[dict[str, Any]]) -> list[_Ended]:
        """Those that were tried; after the first that fails no other is begun."""
        if self._http is None:
            self._http = session(self._allowed)
        http, places, failed = self._http, asyncio.Semaphore(AT_ONCE), asyncio.Event()
        keys = self._keys(lot[0])

        async def one(row: dict[str, Any]) -> _Ended | None:
            async with places:
                if failed.is_set():
                    return None
                now = clock.now()
                headers = signed_headers(row["event_id"], now, row["body"], keys)
                ended = _Ended(row, await tried(http, row["address"], headers, row["body"], now))
                if not ended.delivered:
                    failed.set()
                return ended

        return [ended for ended in await asyncio.gather(*map(one, lot)) if ended is not None]

    def _keys(self, row: dict[str, Any]) -> list[str]:
        """The secret, and the one that it replaced a short while ago."""
        keys = [self._vault.decrypt(row["secret"])["secret"]]
        if row["old_secret"] and row["old_secret_until"] > clock.now():
            keys.append(self._vault.decrypt(row["old_secret"])["secret"])
        return keys

    async def _record(self, webhook_id: UUID, lot: Sequence[dict[str, Any]], ended: Sequence[_Ended]) -> None:
        begun = {one.row["id"] for one in ended}
        async with self._db.transaction() as connection:
            await _attempts(connection, ended)
            await _deliveries(connection, ended)
            await _webhook(connection, webhook_id, ended)
            await give_back(connection, [row["id"] for row in lot if row["id"] not in begun])


async def _attempts(connection: Connection, lot: Sequence[_Ended]) -> None:
    await connection.execute(
        """INSERT INTO webhook_attempt (delivery_id, at, status, trouble, milliseconds, answer)
           SELECT * FROM unnest(%s::uuid[], %s::timestamptz[], %s::smallint[], %s::text[], %s::int[], %s::text[])""",
        (
            [one.row["id"] for one in lot],
            [one.tried.at for one in lot],
            [one.tried.status for one in lot],
            [one.tried.trouble for one in lot],
            [one.tried.milliseconds for one in lot],
            [one.tried.answer for one in lot],
        ),
    )


async def _deliveries(connection: Connection, lot: Sequence[_Ended]) -> None:
    now = clock.now()
    nexts = [None if one.delivered else _next(one, now) for one in lot]
    states = [
        "delivered" if one.delivered else "waiting" if at else "failed" for one, at in zip(lot, nexts, strict=True)
    ]
    await connection.execute(
        """UPDATE webhook_delivery d SET state = t.state, attempts = d.attempts + 1,
                  next_at = coalesce(t.next_at, d.next_at), ended_at = CASE WHEN t.state <> 'waiting' THEN now() END
           FROM unnest(%s::uuid[], %s::text[], %s::timestamptz[]) AS t(id, state, next_at) WHERE d.id = t.id""",
        ([one.row["id"] for one in lot], states, nexts),
    )


def _next(one: _Ended, now: datetime) -> datetime | None:
    """When it is tried again; None where it is given up."""
    at = now + timedelta(seconds=max(one.tried.wait if one.tried.wait < LONGEST else 0, delay(one.row["attempts"])))
    return at if at < one.row["give_up_at"] else None


def delay(attempts: int) -> float:
    """Seconds until the next try, after so many before the one that failed: longer each time, and never all at once."""
    return min(FIRST * 4.0 ** min(attempts, 10), LONGEST) * random.uniform(0.8, 1.2)  # noqa: S311


async def _webhook(connection: Connection, webhook_id: UUID, lot: Sequence[_Ended]) -> None:
    """What a lot says of the webhook itself: how it fares, whether it rests, whether it is switched off."""
    if any(one.tried.gone for one in lot):
        await _switch_off(connection, webhook_id, OffReason.GONE)
        return
    failed = [one for one in lot if not one.delivered and one.row["type"] != TEST]
    arrived = any(one.delivered for one in lot)
    if arrived:
        recovered = await connection.execute(
            """UPDATE webhook SET failures = 0, failing_since = NULL, rest_until = NULL
               WHERE id = %s AND (failures > 0 OR failing_since IS NOT NULL) RETURNING id""",
            (webhook_id,),
        )
        if recovered.rowcount:
            await hurry(connection, webhook_id)
    if failed:
        await _failed(connection, webhook_id, failed)


async def _failed(connection: Connection, webhook_id: UUID, failed: Sequence[_Ended]) -> None:
    found = await connection.execute(
        """UPDATE webhook SET failures = failures + %s, failing_since = coalesce(failing_since, now())
           WHERE id = %s RETURNING failures, failing_since < now() - %s AS lasting""",
        (len(failed), webhook_id, PATIENCE),
    )
    row = await found.fetchone()
    if row is None:
        return
    if row["lasting"]:
        await _switch_off(connection, webhook_id, OffReason.FAILING)
    asked = min(max(one.tried.wait for one in failed), HOUR)
    await connection.execute(
        "UPDATE webhook SET rest_until = now() + make_interval(secs => %s) WHERE id = %s",
        (max(asked, _rest(row["failures"])), webhook_id),
    )


def _rest(failures: int) -> float:
    """Seconds for which a webhook is left alone after so many failures in a row."""
    return min(FIRST * 2.0 ** min(failures - SOME, 10), REST) if failures >= SOME else 0.0


async def _switch_off(connection: Connection, webhook_id: UUID, reason: OffReason) -> None:
    done = await connection.execute(
        "UPDATE webhook SET state = 'off', off_reason = %s WHERE id = %s AND state IN ('on', 'paused')",
        (reason, webhook_id),
    )
    if done.rowcount:
        await webhook_switched_off(connection, webhook_id)
        log.warning("webhook.switched_off", webhook=str(webhook_id), reason=str(reason))
