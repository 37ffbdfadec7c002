"""Records straight from Faust's consumer to the dispatcher, without its channels, streams and agents.

Faust hands each record on through two tasks, a queue and a stream, which costs a third of a worker's CPU and serves
nothing that is used here, since the dispatcher never waits. See docs/decisions/0018.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, cast

import faust
from aiokafka.errors import KafkaError
from faust.transport.drivers import aiokafka
from mode.types import ServiceT

TURN = 100
"""Records that are handed on before other tasks of the loop have their turn."""
BETWEEN = 0.1
"""Seconds until partitions that were given out anew are looked at again."""


class RecordConsumer(aiokafka.Consumer):
    """Hands on every record that comes, in order, unless its partitions are about to go elsewhere."""

    _left: Mapping[Any, int] | None = None
    """By partition, the first offset of what was fetched last and not handed on."""

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """In place of Faust's: runs as long as the fetcher, which is made anew for each assignment."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._next_batch(fetcher)
                await asyncio.sleep(0)
        except asyncio.CancelledError:
            if not fetcher.should_stop:  # else it is stopped for an assignment, of which Faust would make a crash
                raise
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    async def _next_batch(self, fetcher: ServiceT) -> None:
        if self._left is not None and not await self._went_back(self._left):
            return
        records, _ = await self._wait_next_records(1.0)
        generation = self.app.consumer_generation_id  # not before: it may have waited for a new assignment's records
        left = {partition: batch[0].offset for partition, batch in (records or {}).items()}
        for partition, batch in (records or {}).items():
            for at in range(0, len(batch), TURN):
                await asyncio.sleep(0)
                for record in batch[at : at + TURN]:
                    await self._note_hole(partition, record.offset)
                    if not self._ours(fetcher, generation):
                        self._left = {**left, partition: record.offset}
                        return
                    self._hand_on(partition, record)
            del left[partition]

    async def _went_back(self, left: Mapping[Any, int]) -> bool:
        """What was left comes again, also where it was fetched after an assignment had set us back already.

        Where that came later, we are there, or before it. False where partitions are given out once more, or all ends.
        """
        if not self.flow_active:
            await self.wait(self.can_resume_flow)  # type: ignore[arg-type]  # as Faust does
        if self.should_stop:
            return False
        try:
            for partition, offset in left.items():
                if partition in self.assignment() and (await self.position(partition) or 0) > offset:
                    await self.seek(partition, offset)
        except KafkaError:
            await asyncio.sleep(BETWEEN)
            return False
        self._left = None
        return True

    def _ours(self, fetcher: ServiceT, generation: int) -> bool:
        stopping = self.should_stop or fetcher.should_stop
        return not stopping and self.flow_active and self.app.consumer_generation_id == generation

    def verify_event_path(self, now: float, tp: Any) -> None:
        """Whether records are fetched. Faust looks whether they pass its streams as well, and there are none here."""
        self._thread._verify_aiokafka_event_path(now, tp)

    async def _note_hole(self, partition: Any, offset: int) -> None:
        """Offsets of the log that are no records are committed over."""
        before = self._read_offset[partition]
        if before is not None and offset - before > 1:
            await self._add_gap(partition, before + 1, offset - 1)

    def _hand_on(self, partition: Any, record: Any) -> None:
        before = self._read_offset[partition]
        if before is None or record.offset >= before:
            self._read_offset[partition] = record.offset
            cast("RecordApp", self.app).take(self._to_message(partition, record))


class _Transport(aiokafka.Transport):
    Consumer = RecordConsumer


class RecordApp(faust.App):
    """A Faust application whose records go to `take`, which neither waits nor raises."""

    take: Callable[[Any], None]

    def _new_transport(self) -> aiokafka.Transport:
        return _Transport(self.conf.broker_consumer, self)
