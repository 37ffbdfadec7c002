"""A full producer buffer: nothing is lost, told twice or overtaken, whoever sends from wherever."""

import asyncio
import sys
import threading
import time
from collections.abc import Iterator

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from dagboek.embedded import EmbeddedServices
from dagboek.publisher import Publisher
from dagboek_schemas.cloudevents import Record
from dagboek_schemas.topics import Topic

KEYS, RECORDS = 4, 3000


@pytest.fixture
def publisher(own_services: EmbeddedServices) -> Iterator[Publisher]:
    """A publisher with room for ten records."""
    admin = AdminClient({"bootstrap.servers": own_services.kafka_bootstrap})
    for made in admin.create_topics([NewTopic(Topic.RESULTS.named("full"), 1, 1)]).values():
        made.result(60)
    switching = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)  # threads come between each other wherever they can
    running = Publisher(own_services.kafka_bootstrap, "full", {"queue.buffering.max.messages": "10"})
    yield running
    running.close()
    sys.setswitchinterval(switching)


class Sent:
    """What several threads send at the same time, each with a key of its own, and what was confirmed."""

    def __init__(self, publisher: Publisher) -> None:
        self.confirmed: list[int] = []
        self._publisher = publisher
        self._threads = [threading.Thread(target=self._send, args=(key,)) for key in range(KEYS)]
        for thread in self._threads:
            thread.start()

    def _send(self, key: int) -> None:
        for at in range(RECORDS):
            record = Record(b"%d" % key, b"%d" % at, [])
            self._publisher.send(Topic.RESULTS, record, lambda _, offset: self.confirmed.append(offset))
            time.sleep(0.001)

    async def all_confirmed(self) -> None:
        for thread in self._threads:
            await asyncio.to_thread(thread.join)
        async with asyncio.timeout(120):
            while len(self.confirmed) < KEYS * RECORDS:
                await asyncio.sleep(0.1)


async def test_a_buffer_that_is_full_all_the_time(own_services: EmbeddedServices, publisher: Publisher) -> None:
    sent = Sent(publisher)
    await sent.all_confirmed()

    assert len(set(sent.confirmed)) == KEYS * RECORDS
    assert read(own_services) == {b"%d" % key: list(range(RECORDS)) for key in range(KEYS)}


async def test_a_buffer_that_is_full_while_the_broker_is_away(
    own_services: EmbeddedServices, publisher: Publisher
) -> None:
    await asyncio.to_thread(own_services.kill_kafka)
    sent = Sent(publisher)
    await asyncio.sleep(2)
    assert sent.confirmed == []
    await asyncio.to_thread(own_services.start_kafka)
    await sent.all_confirmed()

    assert len(set(sent.confirmed)) == KEYS * RECORDS
    assert read(own_services) == {b"%d" % key: list(range(RECORDS)) for key in range(KEYS)}


def read(services: EmbeddedServices) -> dict[bytes, list[int]]:
    """All records of the topic, by key."""
    settings = {"bootstrap.servers": services.kafka_bootstrap, "group.id": "x", "enable.auto.commit": False}
    consumer = Consumer(settings)
    partition = TopicPartition(Topic.RESULTS.named("full"), 0, 0)
    consumer.assign([partition])
    found: dict[bytes, list[int]] = {}
    _, there = consumer.get_watermark_offsets(partition, timeout=60)
    ends = time.monotonic() + 60
    while there > sum(map(len, found.values())) and time.monotonic() < ends:
        for message in consumer.consume(KEYS * RECORDS, 1):
            if message.error() is None:
                found.setdefault(message.key() or b"", []).append(int(message.value() or b"-1"))
    consumer.close()
    return found
