"""Planning in two steps: select what a run consists of, then publish it window by window (design section 4).

Select (`selection`) lists the sources once and writes an item for what is new, changed or due (`items`). A window
(`windows`) takes the next items, fetches and stores their snapshots, and is published; what was planned is what is
pushed.
"""

from collections import Counter
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import structlog
from confluent_kafka import KafkaException
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.topics import Topic
from dagboek_sdk import clock
from dagboek_sdk.source import SourceUnavailable

from dagboek import contexts
from dagboek.admission import admit
from dagboek.database import AWAY, Database
from dagboek.fault_points import reached
from dagboek.plugins import Plugins, UnknownPlugin, unexpected
from dagboek.publisher import Publisher, partition_of
from dagboek.runs import Next, advance, finish_run, park
from dagboek.selection import Kept, select
from dagboek.windows import store_window, window_records

log = structlog.get_logger()

WINDOW = 200
FIRST_WINDOW = 50
"""The first window is small, so that the first result is there soon."""

RETRY = timedelta(minutes=5)
"""How long a run that could not be planned is parked."""
SOURCE_PATIENCE = 900.0
"""Seconds that a run waits for its source, all in all."""


@dataclass
class Planner:
    """Plans runs. Every step may be repeated: each is a compare-and-set on what it goes on from."""

    db: Database
    plugins: Plugins
    publisher: Publisher
    window: int = WINDOW
    partitions: int = 48
    """Of the documents topic."""
    at_work: Counter[UUID] = field(default_factory=Counter)
    """Runs that are planned at this moment."""

    async def start(self, run_id: UUID) -> None:
        """Selects, if that is still to be done, and publishes the first window.

        What goes wrong stays with the run, which is parked or ended with the reason; only trouble of the database or
        the broker is raised, and then the step is to be repeated.
        """
        await self._step(run_id, self._start(run_id))

    async def publish_window(self, run_id: UUID, generation: int, after: int) -> None:
        """Publishes the window after `after`. A command for a window that is published already is dropped.

        Trouble as with `start`.
        """
        await self._step(run_id, self._publish_window(run_id, generation, after))

    async def _step(self, run_id: UUID, step: Coroutine[Any, Any, None]) -> None:
        self.at_work[run_id] += 1
        try:
            await step
        except Exception as trouble:
            await self._stop_for(run_id, trouble)
        finally:
            self.at_work -= Counter({run_id: 1})  # none is left of a run that is not planned

    async def _start(self, run_id: UUID) -> None:
        run = await self.db.one(_BEGIN, run_id) or await self.db.one(_RUN, run_id)
        if run is None or run["state"] != "active":
            return
        kept: Kept = {}
        if not run["selected"] and not await select(self.db, self.plugins, run, kept):
            reached("run_finished")
        elif run["window_no"] <= 1:  # 1: it may be stored and not published
            await self._publish_window(run_id, run["generation"], 0, kept)

    async def _publish_window(self, run_id: UUID, generation: int, after: int, kept: Kept | None = None) -> None:
        run = await self.db.one(_RUN, run_id)
        if run is None or run["state"] != "active" or run["generation"] != generation or not run["selected"]:
            return
        if run["window_no"] == after:
            if not await self._store(run, after + 1, kept or {}):
                # what is published is the lane's; only it can tell that something of it was lost
                step = await advance(self.db, run_id, generation, 0)
                if step.next is Next.WINDOW and step.generation != generation:
                    await self._publish_window(run_id, step.generation, step.window)
                return
        elif run["window_no"] != after + 1 or run["published_at"] is not None:
            return
        await self._publish(run, after + 1)

    async def _store(self, run: Mapping[str, Any], number: int, kept: Kept) -> bool:
        size = self._full_calls(FIRST_WINDOW if number == 1 else self.window, run["plugin"])
        return await store_window(self.db, self.plugins, run, number, size, self._partition(run), kept)

    def _full_calls(self, size: int, plugin: str) -> int:
        """At least `size` items, so that a window is no reason for a call that is not full."""
        batch = self.plugins.tool(plugin).about.batch_size
        return -(-size // batch) * batch

    def _partition(self, run: Mapping[str, Any]) -> int:
        return partition_of(str(run["administration_id"]).encode(), self.partitions)

    async def _publish(self, run: Mapping[str, Any], number: int) -> None:
        """Puts a stored window on the log if its partition has room for it. If not, it waits to be admitted."""
        reached("window_stored")
        if run["admitted_no"] < number and not await admit(self.db, self._partition(run), run["id"]):
            return
        reached("window_admitted")
        records = await window_records(self.db, run, number)
        offsets = await self.publisher.publish(Topic.DOCUMENTS, records)
        reached("window_published")
        partition, offset = offsets[-1] if offsets else (None, None)
        if partition not in (None, self._partition(run)):  # counted where it is, all the same
            log.error("partition.unexpected", partition=partition, expected=self._partition(run))
        await self.db.run(
            """UPDATE run SET published_at = now(), window_partition = coalesce(%s, window_partition),
                      partition = coalesce(%s, partition), window_offset = coalesce(%s, window_offset), moved_at = now()
               WHERE id = %s AND generation = %s AND window_no = %s""",
            partition,
            partition,
            offset,
            run["id"],
            run["generation"],
            number,
        )
        if not records:
            await self._publish_window(run["id"], run["generation"], number)

    async def _stop_for(self, run_id: UUID, trouble: Exception) -> None:
        if isinstance(trouble, (*AWAY, KafkaException)):
            raise trouble
        if isinstance(trouble, SourceUnavailable):
            await self._park(run_id, "source_unavailable", _error("D20", reason=str(trouble)))
        elif isinstance(trouble, UnknownPlugin):
            run = await self.db.one(
                "SELECT c.plugin FROM run r JOIN connection c ON c.id = r.connection_id WHERE r.id = %s", run_id
            )
            await self._park(run_id, "plugin_missing", _error("D30", plugin=run["plugin"] if run else "?"))
        elif isinstance(trouble, contexts.NoContext):
            async with self.db.connection() as connection:
                await finish_run(connection, run_id, broken=_error("B11", missing=str(trouble)))
        else:
            issue = unexpected("planner", trouble)
            await self._park(run_id, "unexpected", issue.model_copy(update={"severity": Severity.ERROR}))

    async def _park(self, run_id: UUID, reason: str, issue: Issue) -> None:
        """Parks a run that cannot be planned; a source that stays away ends it sooner than other trouble."""
        run = await self.db.one("SELECT * FROM run WHERE id = %s", run_id)
        if run is None:
            return
        async with self.db.transaction() as connection:
            if reason == "source_unavailable" and run["parked_seconds"] >= SOURCE_PATIENCE:
                await finish_run(connection, run_id, broken=issue)
            else:
                await park(connection, run_id, run["generation"], until=clock.now() + RETRY, reason=reason, issue=issue)


def _error(code: str, **facts: str) -> Issue:
    return Issue(code=code, severity=Severity.ERROR, facts=facts)


_RUN = "SELECT r.*, c.plugin FROM run r JOIN connection c ON c.id = r.connection_id WHERE r.id = %s"

_BEGIN = """
UPDATE run r SET state = 'active', started_at = now(), moved_at = now() FROM connection c
WHERE r.id = %s AND r.state = 'requested' AND c.id = r.connection_id RETURNING r.*, c.plugin
"""
