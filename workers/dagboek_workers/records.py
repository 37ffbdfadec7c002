"""Records straight from Faust's consumer to the dispatcher, without its channels, streams and agents.

Faust hands each record on through two tasks, a queue and a stream, which costs a third of a worker's CPU and serves
nothing that is used here, since the dispatcher never waits. See docs/decisions/0018.
"""

import asyncio
from collections.abc import Callable
from typing import Any, cast

import faust
from faust.transport.drivers import aiokafka
from mode.types import ServiceT

TURN = 100
"""Records that are handed on before other tasks of the loop have their turn."""


class RecordConsumer(aiokafka.Consumer):
    """Hands on every record that comes, in order, unless its partitions are about to go elsewhere."""

    async def _drain_messages(self, fetcher: ServiceT) -> None:
        """In place of Faust's: runs as long as the fetcher, which is made anew for each assignment."""
        try:
            while not (self.should_stop or fetcher.should_stop):
                await self._next_batch(fetcher)
                await asyncio.sleep(0)
        except self.consumer_stopped_errors:
            if not self.app.should_stop:
                raise

    async def _next_batch(self, fetcher: ServiceT) -> None:
        records, _ = await self._wait_next_records(1.0)
        generation = self.app.consumer_generation_id  # not before: it may have waited for a new assignment's records
        for partition, batch in (records or {}).items():
            for at in range(0, len(batch), TURN):
                await asyncio.sleep(0)
                for record in batch[at : at + TURN]:
                    await self._note_hole(partition, record.offset)
                    if not self._ours(fetcher, generation):
                        return  # what is left comes again, from the offset that is committed
                    self._hand_on(partition, record)

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
