"""Turns silence into progress: what waits is resumed when it may, what was lost on the way is found (design section 4).

A run is resumed only when the log proves that its events are gone: the group's committed offset has passed its
last one, or the log no longer holds it. Waiting in line is not silence.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any
from uuid import UUID

import structlog
from confluent_kafka import Consumer, KafkaException, TopicPartition
from dagboek_schemas.issues import Issue
from dagboek_schemas.topics import Topic

from dagboek.database import AWAY, Database
from dagboek.planner import Planner
from dagboek.plugins import unexpected
from dagboek.runs import MAX_PARKED_SECONDS, Next, advance, finish_run, resume

log = structlog.get_logger()

Row = Mapping[str, Any]

AT_ONCE = 50
"""Runs that something is done for at the same time."""
PATIENCE = 1.0
"""Seconds after which the next runs are looked at, whoever is not done."""


class Watchdog:
    """Looks after runs that do not move by themselves."""

    def __init__(
        self, db: Database, planner: Planner, bootstrap: str, prefix: str, security: Mapping[str, str]
    ) -> None:
        self._db = db
        self._planner = planner
        self._steps: dict[UUID, asyncio.Task[None]] = {}
        self._topic = Topic.DOCUMENTS.named(prefix)
        # Reads the workers' offsets without joining their group. Not the admin client: its list of group offsets
        # takes the whole process down when the group's coordinator is still loading (librdkafka 2.16.1).
        self._reader = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"{prefix}.workers",
                "enable.auto.commit": False,
                "log_level": 2,
                **security,
            }
        )

    def close(self) -> None:
        """Closes its clients; what it is at is done by whoever looks next."""
        for task in self._steps.values():
            task.cancel()
        self._reader.close()

    async def resume_parked(self) -> None:
        """Runs whose time has come go on; one that waited too long in all ends as Error."""
        rows = await self._db.all(
            """SELECT id, generation, parked_seconds, park_issue FROM run
               WHERE state = 'parked' AND parked_until <= now()"""
        )
        await self._each(rows, self._end_of_parking)

    async def _end_of_parking(self, row: Row) -> None:
        async with self._db.connection() as connection:
            if row["parked_seconds"] >= MAX_PARKED_SECONDS:
                issue = Issue.model_validate(row["park_issue"]) if row["park_issue"] else Issue(code="B09")
                await finish_run(connection, row["id"], broken=issue)
                return
            generation = await resume(connection, row["id"], row["generation"])
        if generation is not None:
            await self._go_on(row["id"], generation)

    async def _go_on(self, run_id: Any, generation: int) -> None:
        row = await self._db.one("SELECT selected FROM run WHERE id = %s", run_id)
        if row is not None and row["selected"]:
            await self._planner.publish_window(run_id, generation, 0)
        else:
            await self._planner.start(run_id)

    async def finish_cancelled(self) -> None:
        """Cancelled runs end once nothing of theirs is in flight, or can be any more."""
        rows = await self._db.all(
            """SELECT r.id FROM run r WHERE r.state = 'cancelling'
                 AND NOT EXISTS (SELECT 1 FROM link l WHERE l.state = 'intent' AND l.run_id = r.id
                                 AND l.settle_due > clock_timestamp()
                                 AND NOT EXISTS (SELECT 1 FROM item i WHERE i.run_id = r.id
                                                 AND i.link_id = l.id AND i.state = 'to_settle'))"""
        )
        await self._each(rows, self._finish_cancelled)

    async def _finish_cancelled(self, row: Row) -> None:
        async with self._db.connection() as connection:
            await finish_run(connection, row["id"], cancelled=True)

    async def plan_forgotten(self, seconds: float = 20.0) -> None:
        """Runs whose planning stopped on the way are planned on from where they were; not those that wait for room."""
        rows = await self._db.all(
            """SELECT id, generation, selected, window_no FROM run
               WHERE state IN ('requested', 'active') AND moved_at < now() - make_interval(secs => %s)
                 AND (NOT selected OR (published_at IS NULL AND window_no <= admitted_no))""",
            seconds,
        )
        await self._each([row for row in rows if not self._planner.at_work[row["id"]]], self._plan)

    async def _plan(self, row: Row) -> None:
        log.warning("run.replanned", run=str(row["id"]))
        if not row["selected"] or row["window_no"] == 0:
            await self._planner.start(row["id"])
        else:
            await self._planner.publish_window(row["id"], row["generation"], row["window_no"] - 1)

    async def find_lost(self, seconds: float = 10.0) -> None:
        """Runs whose last event has been passed, or is gone, or never was, while items are not handled.

        Also of a run whose next window waits for room: what is lost would keep that room for ever.
        """
        rows = await self._db.all(_ON_THE_LOG, {"seconds": seconds})
        if not rows:
            return
        partitions = sorted({row["window_partition"] for row in rows} - {None})
        try:
            passed = await asyncio.to_thread(self._passed, partitions)
        except KafkaException as trouble:
            log.warning("watchdog.broker_away", error=str(trouble.args[0]))
            return
        await self._each([row for row in rows if _is_passed(row, passed)], self._advance)

    async def _advance(self, row: Row) -> None:
        step = await advance(self._db, row["id"], row["generation"], row["window_no"], lost=True)
        if step.next is Next.WINDOW:
            log.warning("run.resumed", run=str(row["id"]), generation=step.generation)
            await self._planner.publish_window(row["id"], step.generation, step.window)

    async def _each(self, rows: Sequence[Row], step: Callable[[Row], Awaitable[None]]) -> None:
        """Does a step for each run, all beside each other: one that waits for its source or fails holds up no other.

        Steps that take longer than `PATIENCE` go on in the background; a run has one at a time.
        """
        started = []
        for row in rows:
            if row["id"] not in self._steps and len(self._steps) < AT_ONCE:
                task = asyncio.create_task(self._apart(row, step))
                self._steps[row["id"]] = task
                started.append(task)
        if started:
            await asyncio.wait(started, timeout=PATIENCE)

    async def _apart(self, row: Row, step: Callable[[Row], Awaitable[None]]) -> None:
        """Trouble with one run is that run's; the others are looked after all the same."""
        try:
            await step(row)
        except (*AWAY, KafkaException) as trouble:
            log.warning("run.not_moved", run=str(row["id"]), error=type(trouble).__name__)
        except Exception as bug:
            issue = unexpected("watchdog", bug)
            log.error("run.not_moved", run=str(row["id"]), reference=issue.facts["reference"])
        finally:
            del self._steps[row["id"]]

    def _passed(self, partitions: list[int]) -> dict[int, tuple[int, int, int]]:
        """Committed offset, first and next offset of each partition."""
        wanted = [TopicPartition(self._topic, partition) for partition in partitions]
        committed = {one.partition: one.offset for one in self._reader.committed(wanted, timeout=10)}
        found = {}
        for one in wanted:
            low, high = self._reader.get_watermark_offsets(one, timeout=10)
            found[one.partition] = (max(committed.get(one.partition, -1), -1), low, high)
        return found


_ON_THE_LOG = """
SELECT id, generation, window_no, window_partition, window_offset FROM run
WHERE state = 'active' AND selected AND published_at < now() - make_interval(secs => %(seconds)s)
UNION ALL
SELECT id, generation, admitted_no, window_partition, window_offset FROM run r
WHERE state = 'active' AND window_no > admitted_no AND admitted_no > 0
  AND moved_at < now() - make_interval(secs => %(seconds)s)
  AND EXISTS (SELECT 1 FROM item i WHERE i.run_id = r.id AND i.window_no BETWEEN r.admitted_no - 1 AND r.admitted_no
                                     AND i.generation = r.generation AND i.state = 'planned'
              OFFSET 0) -- looked up by run, not all there are for each
"""


def _is_passed(row: Row, passed: Mapping[int, tuple[int, int, int]]) -> bool:
    """Whether nothing of what was published is still to come. None had an event where none could be fetched."""
    if row["window_partition"] is None:
        return True
    committed, low, high = passed[row["window_partition"]]
    offset = int(row["window_offset"])
    return committed > offset or offset < low or offset >= high
