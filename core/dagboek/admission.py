"""Which windows may go onto the log: what is outstanding is bounded before Kafka (design section 4).

Nothing may wait inside a worker, where one full buffer stops everybody. So a stored window waits in the database until
its partition has room. What is admitted counts from then on, whether it is published yet or not: the count and the
mark are one transaction under a lock of the partition, which no broker is waited for.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

import psycopg
import structlog
from confluent_kafka import KafkaException

from dagboek.database import AWAY, Database
from dagboek.plugins import unexpected

if TYPE_CHECKING:
    from dagboek.planner import Planner

log = structlog.get_logger()

ROOM = 2000
"""Items of a partition that may be on the log and not handled; a window goes out while there are fewer."""
KEPT = ROOM // 4
"""Of them, kept for first windows, and as many for following ones: neither kind can keep the other out."""
LANE = 400
"""The same for one administration, whose lane does one thing at a time: more than this is of no use to it."""
LOOKED_AT = 100
"""Waiting windows of each kind that are looked at together."""
AT_ONCE = 16
"""Windows that are published at the same time."""

_LOCK = 7_316_002


@dataclass(frozen=True, slots=True)
class Waiting:
    """A stored window that waits for room."""

    run_id: UUID
    generation: int
    window: int
    administration_id: UUID
    items: int


@dataclass(frozen=True, slots=True)
class Outstanding:
    """Items that are on the log and not handled: of one administration, in first windows or in following ones."""

    administration_id: UUID
    following: bool
    items: int


async def admit(db: Database, partition: int, only: UUID | None = None) -> list[Waiting]:
    """Admits the windows of a partition that there is room for: those are the caller's to publish.

    With `only`, the window of that run alone, if it is its turn. A run that was parked, cancelled or resumed meanwhile
    is not admitted.
    """
    async with db.transaction() as connection:
        await connection.execute("SELECT pg_advisory_xact_lock(%s, %s)", (_LOCK, partition))
        # a statement of its own: it sees what was committed under the lock before
        rows = await (await connection.execute(OUTSTANDING, {"partition": partition})).fetchall()
        out = [Outstanding(**row) for row in rows]
        full = [key for key, items in _by_lane(out).items() if items >= LANE]
        given = {"partition": partition, "full": full, "most": LOOKED_AT}
        rows = await (await connection.execute(WAITING, given)).fetchall()
        turn = [one for one in fitting(out, [Waiting(**row) for row in rows]) if only in (None, one.run_id)]
        if not turn:
            return []
        names = ("run_id", "generation", "window")
        admitted = await connection.execute(_ADMIT, [[getattr(one, name) for one in turn] for name in names])
        ids = {row["id"] for row in await admitted.fetchall()}
    return [one for one in turn if one.run_id in ids]


def fitting(out: Sequence[Outstanding], waiting: Iterable[Waiting]) -> list[Waiting]:
    """Those of `waiting`, in their order, that there is room for beside what is `out`."""
    lanes = _by_lane(out)
    kinds = Counter[bool]()
    for one in out:
        kinds[one.following] += one.items
    found = []
    for window in waiting:
        following = window.window > 1
        no_room = kinds.total() >= ROOM and kinds[following] >= KEPT
        if window.items and (no_room or lanes[window.administration_id] >= LANE):
            continue
        found.append(window)
        kinds[following] += window.items
        lanes[window.administration_id] += window.items
    return found


def _by_lane(out: Iterable[Outstanding]) -> Counter[UUID]:
    lanes = Counter[UUID]()
    for one in out:
        lanes[one.administration_id] += one.items
    return lanes


class Admission:
    """Publishes what waits, as room is made. Several cores may do it: each window is admitted by one of them."""

    def __init__(self, db: Database, planner: "Planner") -> None:
        self._db = db
        self._planner = planner
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: set[asyncio.Task[None]] = set()

    async def admit_waiting(self) -> None:
        """Admits what there is room for, partition by partition, and publishes it beside all else."""
        for row in await self._db.all(PARTITIONS):
            for window in await self._admit(row["partition"]):
                task = asyncio.create_task(self._publish(window))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def _admit(self, partition: int) -> list[Waiting]:
        """A core that froze under a partition's lock holds up no other partition; the server ends it in seconds."""
        try:
            return await admit(self._db, partition)
        except psycopg.errors.LockNotAvailable:
            log.warning("partition.locked", partition=partition)
            return []

    async def _publish(self, window: Waiting) -> None:
        """Trouble with one run is that run's; what is admitted and not published is planned on by the watchdog."""
        async with self._slots:
            try:
                await self._planner.publish_window(window.run_id, window.generation, window.window - 1)
            except (*AWAY, KafkaException) as trouble:
                log.warning("window.not_published", run=str(window.run_id), error=type(trouble).__name__)
            except Exception as bug:
                issue = unexpected("admission", bug)
                log.error("window.not_published", run=str(window.run_id), reference=issue.facts["reference"])

    def close(self) -> None:
        """What it is at is done by whoever looks next."""
        for task in self._tasks:
            task.cancel()


PARTITIONS = "SELECT DISTINCT partition FROM run WHERE state = 'active' AND window_no > admitted_no"

# A run has two windows out at most: it asks for the next in the middle of one. Counted run by run: as a plain join it
# reads all items there are, once the server takes these runs for many.
OUTSTANDING = """
SELECT r.administration_id, out.following, sum(out.items)::int AS items
FROM run r CROSS JOIN LATERAL (
    SELECT i.window_no > 1 AS following, count(*) AS items FROM item i
    WHERE i.run_id = r.id AND i.window_no BETWEEN r.admitted_no - 1 AND r.admitted_no
      AND i.generation = r.generation AND i.state = 'planned'
    GROUP BY 1
) out
WHERE r.partition = %(partition)s AND r.state = 'active' AND r.admitted_no > 0
GROUP BY 1, 2
"""

# What people wait for goes first, then first windows; within these, administrations take turns, the oldest first.
# Each kind has places of its own in what is looked at, and so has each administration: no number of them hides another.
WAITING = """
WITH mine AS (
    SELECT id, generation, window_no, administration_id, moved_at, trigger = 'automatic' AS automatic,
           window_no > 1 AS following,
           row_number() OVER (PARTITION BY administration_id, window_no > 1
                              ORDER BY trigger = 'automatic', moved_at, id) AS turn
    FROM run
    WHERE partition = %(partition)s AND state = 'active' AND window_no > admitted_no
      AND administration_id <> ALL(%(full)s)
), ranked AS (
    SELECT *, row_number() OVER (PARTITION BY following ORDER BY automatic, turn, moved_at, id) AS place FROM mine
)
SELECT w.id AS run_id, w.generation, w.window_no AS window, w.administration_id,
       (SELECT count(*) FROM item i WHERE i.run_id = w.id AND i.window_no = w.window_no
                                      AND i.generation = w.generation AND i.state = 'planned') AS items
FROM ranked w WHERE w.place <= %(most)s
ORDER BY w.automatic, w.following, w.turn, w.moved_at, w.id
"""

# Locked in the order in which intents lock them, and found by their ids alone: an index of what is active looks small.
_ADMIT = """
WITH turn AS MATERIALIZED (
    SELECT * FROM unnest(%s::uuid[], %s::int[], %s::int[]) AS t(id, generation, window_no)
), mine AS MATERIALIZED (
    SELECT r.id, r.generation, r.window_no, r.admitted_no, r.state FROM run r JOIN turn t ON t.id = r.id
    ORDER BY r.id FOR NO KEY UPDATE OF r
)
UPDATE run r SET admitted_no = t.window_no, moved_at = now() FROM turn t JOIN mine m ON m.id = t.id
WHERE r.id = t.id AND m.generation = t.generation AND m.window_no = t.window_no AND m.state = 'active'
  AND m.admitted_no < t.window_no
RETURNING r.id
"""
