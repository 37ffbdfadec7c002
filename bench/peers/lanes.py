"""The hand-written loop: many documents at the same time, those of one key one after the other.

    cd bench && uv run python -m peers.lanes --bootstrap HOST:PORT --documents TOPIC --results TOPIC --group NAME \\
        --slot 1 --tool http://127.0.0.1:8080
"""

import argparse
import asyncio
from collections import deque

import aiohttp
import uvloop
from confluent_kafka import Consumer, TopicPartition

from peers.parts import IDLE, Kafka, Record, book, clients, options, stop_event

BATCH = 500
PER_PARTITION = 2000
"""Records of a partition that are held in memory; with more it is paused, since memory has an end."""


class Lanes:
    """What waits, by key; each key is in `ready` while it has work and nobody is at it."""

    def __init__(self, kafka: Kafka) -> None:
        self.kafka = kafka
        self.waiting: dict[bytes, deque[Record]] = {}
        self.ready: asyncio.Queue[bytes] = asyncio.Queue()
        self.paused: set[int] = set()
        self.stopping = False

    def put(self, record: Record) -> None:
        """Behind what its key has already."""
        lane = self.waiting.get(record.key)
        if lane is None:
            lane = self.waiting[record.key] = deque()
            self.ready.put_nowait(record.key)
        lane.append(record)

    async def work(self, session: aiohttp.ClientSession, tool: str) -> None:
        """One of the places for documents at work: takes keys in turn, one document each."""
        while True:
            key = await self.ready.get()
            if self.stopping:
                return
            if lane := self.waiting[key]:
                record = lane.popleft()
                self.kafka.tell(record, await book(session, tool, record))
            if lane:
                self.ready.put_nowait(key)
            else:
                del self.waiting[key]

    def stop(self, places: int) -> None:
        """What is at work ends; nothing more is begun."""
        self.stopping = True
        for _ in range(places):
            self.ready.put_nowait(b"")

    def hold(self) -> None:
        """Pauses partitions that have enough in memory, and lets them go on."""
        for partition, records in self.kafka.open.items():
            if len(records) >= PER_PARTITION and partition not in self.paused:
                self.paused.add(partition)
                self.kafka.consumer.pause([TopicPartition(self.kafka.topic, partition)])
            elif len(records) < PER_PARTITION // 2 and partition in self.paused:
                self.paused.discard(partition)
                self.kafka.consumer.resume([TopicPartition(self.kafka.topic, partition)])

    def revoked(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        """What others go on with is forgotten; what is at work ends."""
        gone = {one.partition for one in partitions}
        self.kafka.forget(gone)
        self.paused -= gone
        for lane in self.waiting.values():
            if lane and lane[0].partition in gone:
                lane.clear()


async def main(given: argparse.Namespace) -> None:
    """Runs until TERM, or until a place ends, which takes the process with it."""
    stop = stop_event()
    async with clients(given) as (kafka, session), asyncio.TaskGroup() as group:
        lanes = Lanes(kafka)
        kafka.consumer.subscribe([kafka.topic], on_revoke=lanes.revoked)
        for _ in range(given.calls):
            group.create_task(lanes.work(session, given.tool))
        while not stop.is_set():
            records = kafka.read(BATCH)
            for record in records:
                lanes.put(record)
            lanes.hold()
            await asyncio.sleep(0 if records else IDLE)
        lanes.stop(given.calls)


if __name__ == "__main__":
    uvloop.run(main(options()))
