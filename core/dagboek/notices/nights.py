"""Nights that fail: counted for who watches an integration, who is told after as many in a row as they said.

A night has failed when its run ended as Error, or when there was none because the integration waits for a person. A
run that ends otherwise, also one that somebody started, begins the count anew.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID, uuid5

from dagboek_schemas.statuses import RunStatus, Trigger

from dagboek.database import Connection, Database, Jsonb
from dagboek.notices.apart import apart
from dagboek.notices.bell import may_know

COLLECTED: Final = "4 hours"
"""How long a mail of failed nights waits for those of other integrations: nobody reads it at night."""


async def run_ended(connection: Connection, run: dict[str, Any]) -> None:
    """Counts the end of a run. A run that somebody started is no night, but may show that all is well again."""
    if run["status"] == RunStatus.CANCELLED:
        return
    if run["status"] != RunStatus.ERROR:
        await connection.execute(
            "UPDATE night_watch SET failed = 0 WHERE connection_id = %s AND failed > 0", (run["connection_id"],)
        )
    elif run["trigger"] == Trigger.AUTOMATIC:
        await _failed(connection, [run["connection_id"]], [run["id"]], run["id"])


async def not_run(connection: Connection, nights: Sequence[tuple[UUID, datetime]]) -> None:
    """Counts nights, each of a connection and its moment, in which nothing ran: a person has to see to it first."""
    if nights:
        ids = [one for one, _ in nights]
        async with apart(connection):
            await _failed(connection, ids, [uuid5(one, moment.isoformat()) for one, moment in nights], None)


async def _failed(
    connection: Connection, connections: Sequence[UUID], about: Sequence[UUID], run_id: UUID | None
) -> None:
    found = await connection.execute(
        """UPDATE night_watch w SET failed = failed + 1
           FROM unnest(%(connections)s::uuid[], %(about)s::uuid[]) AS n(connection_id, about)
           WHERE w.connection_id = n.connection_id
           RETURNING w.tenant_id, w.connection_id, w.person_id, w.nights, w.failed, n.about""",
        {"connections": list(connections), "about": list(about)},
    )
    # in one order: two ends that tell the same people would wait for each other's mail
    for row in sorted(await found.fetchall(), key=lambda one: (one["person_id"], one["connection_id"])):
        if row["failed"] % row["nights"] == 0:
            await _tell(connection, row, run_id)


async def _tell(connection: Connection, row: dict[str, Any], run_id: UUID | None) -> None:
    made = await connection.execute(
        f"""INSERT INTO notice (tenant_id, person_id, kind, about, facts)
           SELECT %(tenant_id)s, p.id, 'nights', %(about)s,
                  jsonb_build_object('connection', c.id, 'entity', e.name, 'tool', c.plugin, 'state', c.state,
                                     'failed', %(failed)s::int) || %(run)s
           FROM person p, connection c JOIN entity e ON e.id = c.entity_id
           WHERE p.id = %(person_id)s AND c.id = %(connection_id)s AND c.deleted_at IS NULL
             AND {may_know("%(tenant_id)s")}
           ON CONFLICT (person_id, about) DO NOTHING RETURNING id""",
        {**row, "run": Jsonb({"run": str(run_id)} if run_id else {})},
    )
    if (notice := await made.fetchone()) is not None:
        await connection.execute(_COLLECT, {**row, "id": notice["id"]})


_COLLECT: Final = f"""
WITH mail AS (
    INSERT INTO email (tenant_id, person_id, kind, due_at)
    SELECT %(tenant_id)s, p.id, 'nights', now() + interval '{COLLECTED}' FROM person p
    WHERE p.id = %(person_id)s AND p.emails
    ON CONFLICT (tenant_id, person_id) WHERE kind = 'nights' AND state = 'waiting' AND tries = 0
    DO UPDATE SET due_at = email.due_at RETURNING id)
UPDATE notice SET email_id = mail.id FROM mail WHERE notice.id = %(id)s
"""


async def watched_after(db: Database, connection_id: UUID, person_id: UUID) -> int | None:
    """After how many failed nights in a row the person is told of a connection; None: not at all."""
    row = await db.one(
        "SELECT nights FROM night_watch WHERE connection_id = %s AND person_id = %s", connection_id, person_id
    )
    return int(row["nights"]) if row else None


async def watch(db: Database, tenant_id: UUID, connection_id: UUID, person_id: UUID, nights: int) -> None:
    """Has the person told of a connection after so many failed nights in a row."""
    await db.run(
        """INSERT INTO night_watch (tenant_id, connection_id, person_id, nights) VALUES (%s, %s, %s, %s)
           ON CONFLICT (connection_id, person_id) DO UPDATE SET nights = excluded.nights""",
        tenant_id,
        connection_id,
        person_id,
        nights,
    )


async def unwatch(db: Database, connection_id: UUID, person_id: UUID) -> bool:
    """The person is not told of its nights any more."""
    return bool(
        await db.run("DELETE FROM night_watch WHERE connection_id = %s AND person_id = %s", connection_id, person_id)
    )
