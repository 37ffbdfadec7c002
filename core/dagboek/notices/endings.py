"""What the end of a run is told of, and to whom: in the transaction that ends it, so that no crash comes in between.

Whoever started runs is told once, when the last of what they started together has ended. Automatic runs are told of
to who watches their nights (`nights.py`), and to nobody else.
"""

from typing import Any, Final
from uuid import UUID

from dagboek_schemas.events import ComponentFinished, RunFinished
from dagboek_schemas.statuses import Trigger

from dagboek.database import Connection, Jsonb
from dagboek.notices import nights
from dagboek.notices.apart import apart
from dagboek.notices.bell import may_know

NAMED: Final = 50
"""Runs of a batch that a notice names: those that need somebody first."""
_LOCK: Final = 7_316_003


async def run_ended(connection: Connection, run: dict[str, Any]) -> None:
    """Writes what the end of a run is told of. The caller's transaction has just ended it, with its events stored."""
    if run["person_id"] is not None and run["batch_id"] is not None:
        async with apart(connection):
            await _tell_starter(connection, run["tenant_id"], run["person_id"], run["batch_id"])
    if not run["small"] and run["trigger"] in (Trigger.AUTOMATIC, Trigger.MANUAL):
        async with apart(connection):
            await nights.run_ended(connection, run)


async def _tell_starter(connection: Connection, tenant_id: UUID, person_id: UUID, batch_id: UUID) -> None:
    # Of two runs that end in one moment each would see the other still at work.
    await connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", (_LOCK, str(batch_id)))
    left = await connection.execute("SELECT 1 FROM run WHERE batch_id = %s AND state <> 'ended' LIMIT 1", (batch_id,))
    if await left.fetchone() is not None:
        return
    made = await connection.execute(
        f"""INSERT INTO notice (tenant_id, person_id, kind, about, facts)
           SELECT %(tenant)s, p.id, 'runs', %(about)s, %(facts)s FROM person p
           WHERE p.id = %(person)s AND {may_know("%(tenant)s")}
           ON CONFLICT (person_id, about) DO NOTHING RETURNING id""",
        {
            "tenant": tenant_id,
            "person": person_id,
            "about": batch_id,
            "facts": Jsonb(await _facts(connection, batch_id)),
        },
    )
    if (row := await made.fetchone()) is not None:
        await _mail(connection, row["id"])


async def _mail(connection: Connection, notice_id: UUID) -> None:
    """Has a notice mailed, to who wants mail."""
    await connection.execute(
        """WITH made AS (INSERT INTO email (tenant_id, person_id, kind)
                         SELECT n.tenant_id, n.person_id, n.kind FROM notice n JOIN person p ON p.id = n.person_id
                         WHERE n.id = %(id)s AND p.emails RETURNING id)
           UPDATE notice SET email_id = made.id FROM made WHERE notice.id = %(id)s""",
        {"id": notice_id},
    )


async def _facts(connection: Connection, batch_id: UUID) -> dict[str, Any]:
    """How the runs of a batch ended: how many of each status, what became of each kind of item, and which runs."""
    given = {"batch": batch_id, "component": ComponentFinished.TYPE, "run": RunFinished.TYPE, "named": NAMED}
    statuses = await (await connection.execute(_STATUSES, given)).fetchall()
    components = await (await connection.execute(_COMPONENTS, given)).fetchall()
    runs = await (await connection.execute(_RUNS, given)).fetchall()
    return {
        "statuses": {row["status"]: row["number"] for row in statuses},
        "components": {row.pop("component"): row for row in components},
        "runs": [{**row, "id": str(row["id"])} for row in runs],
    }


_STATUSES: Final = "SELECT status, count(*) AS number FROM run WHERE batch_id = %(batch)s GROUP BY status"

_COUNTS: Final = "CROSS JOIN LATERAL (SELECT convert_from(e.value, 'UTF8')::jsonb AS told) v"

_COMPONENTS: Final = f"""
SELECT v.told ->> 'component' AS component, sum((v.told #>> '{{counts,synced}}')::int)::int AS synced,
       sum((v.told #>> '{{counts,skipped}}')::int)::int AS skipped
FROM run r JOIN run_event e ON e.run_id = r.id AND e.type = %(component)s {_COUNTS}
WHERE r.batch_id = %(batch)s GROUP BY 1
"""

_RUNS: Final = f"""
SELECT r.id, n.name AS entity, c.plugin AS tool, r.status, (v.told #>> '{{counts,synced}}')::int AS synced,
       (v.told #>> '{{counts,skipped}}')::int AS skipped
FROM run r JOIN entity n ON n.id = r.entity_id JOIN connection c ON c.id = r.connection_id
JOIN run_event e ON e.run_id = r.id AND e.type = %(run)s {_COUNTS}
WHERE r.batch_id = %(batch)s
ORDER BY array_position(ARRAY['Error', 'Warning', 'Cancelled', 'Success'], r.status), n.name, r.id LIMIT %(named)s
"""
