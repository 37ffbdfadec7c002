"""The publisher on a real broker: what can never be delivered fails alone, and nothing else ends its thread."""

import asyncio
import os
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from dagboek import publisher as module
from dagboek.embedded import Services
from dagboek.publisher import BATCH, Publisher, Undeliverable, partition_of
from dagboek_schemas.cloudevents import Record
from dagboek_schemas.topics import Topic

SMALL_TOPIC = BATCH + 50_000
"""Bytes of a record that the topic of warnings takes."""
HUGE = Record(b"k", b"x" * 1_500_000, [])


def plain(text: str) -> Record:
    return Record(b"k", text.encode(), [])


@pytest.fixture
def publisher(services: Services, topic_prefix: str) -> Iterator[Publisher]:
    admin = AdminClient({"bootstrap.servers": services.kafka_bootstrap})
    topics = [
        NewTopic(Topic.RESULTS.named(topic_prefix), 1, 1),
        NewTopic(Topic.DOCUMENTS.named(topic_prefix), 7, 1),
        NewTopic(Topic.WARNINGS.named(topic_prefix), 1, 1, config={"max.message.bytes": str(SMALL_TOPIC)}),
    ]
    for made in admin.create_topics(topics).values():
        made.result(60)
    running = Publisher(services.kafka_bootstrap, topic_prefix, services.kafka_security)
    yield running
    running.close()


def read(services: Services, publisher: Publisher, topic: Topic, number: int) -> list[bytes]:
    """The first records of a topic."""
    consumer = Consumer({"bootstrap.servers": services.kafka_bootstrap, "group.id": "x", "enable.auto.commit": False})
    consumer.assign([TopicPartition(topic.named(publisher.prefix), 0, 0)])
    found: list[Any] = consumer.consume(number, 60)
    consumer.close()
    return [message.value() for message in found]


async def test_the_partition_of_a_key_is_known_before_it_is_delivered(publisher: Publisher) -> None:
    """Admission counts by it."""
    keys = [str(uuid4()).encode() for _ in range(200)]

    delivered = await publisher.publish(Topic.DOCUMENTS, [Record(key, b"x", []) for key in keys])

    assert [partition for partition, _ in delivered] == [partition_of(key, 7) for key in keys]
    assert {partition for partition, _ in delivered} == set(range(7))


async def test_a_record_that_is_too_large_fails_alone(services: Services, publisher: Publisher) -> None:
    """The client itself refuses it."""
    with pytest.raises(Undeliverable, match=r"does not take a record of 1500001 bytes: MSG_SIZE_TOO_LARGE"):
        await publisher.publish(Topic.RESULTS, [plain("1"), HUGE, plain("2")])

    assert await publisher.publish(Topic.RESULTS, [plain("3")]) == [(0, 2)]
    assert await asyncio.to_thread(read, services, publisher, Topic.RESULTS, 3) == [b"1", b"2", b"3"]


async def test_a_record_that_the_brokers_refuse_fails_alone(services: Services, publisher: Publisher) -> None:
    large = Record(b"k", b"x" * (SMALL_TOPIC + 1000), [])
    with pytest.raises(Undeliverable, match="MSG_SIZE_TOO_LARGE"):
        async with asyncio.timeout(60):
            await publisher.publish(Topic.WARNINGS, [plain("1"), large, plain("2")])

    async with asyncio.timeout(60):
        await publisher.publish(Topic.WARNINGS, [Record(b"k", os.urandom(900), []) for _ in range(1000)])
    assert len(await asyncio.to_thread(read, services, publisher, Topic.WARNINGS, 1002)) == 1002


async def test_one_that_waits_for_room_and_is_too_large_ends_nobody_elses_delivery(publisher: Publisher) -> None:
    """It comes to the producer in the publisher's own thread."""
    failed: list[Undeliverable] = []
    publisher._waiting.append(module._Sent(Topic.RESULTS.named(publisher.prefix), HUGE, print, failed.append))
    async with asyncio.timeout(60):
        await publisher.publish(Topic.RESULTS, [plain("1")])

    assert publisher._thread.is_alive()
    assert len(failed) == 1


async def test_who_is_gone_when_a_record_is_delivered_ends_nobody_elses_delivery(publisher: Publisher) -> None:
    def gone(_partition: int, _offset: int) -> None:
        raise RuntimeError("Event loop is closed")

    publisher.send(Topic.RESULTS, plain("1"), gone)
    publisher.send(Topic.RESULTS, HUGE, gone)  # nobody asked to hear of it
    async with asyncio.timeout(60):
        await publisher.publish(Topic.RESULTS, [plain("2")])

    assert publisher._thread.is_alive()


async def test_a_topic_that_is_not_there_yet_is_waited_for(services: Services, publisher: Publisher) -> None:
    waiting = asyncio.create_task(publisher.publish(Topic.COMMANDS, [plain("1")]))
    await asyncio.sleep(1)
    assert not waiting.done()

    admin = AdminClient({"bootstrap.servers": services.kafka_bootstrap})
    name = Topic.COMMANDS.named(publisher.prefix)
    await asyncio.to_thread(admin.create_topics([NewTopic(name, 1, 1)])[name].result, 60)

    async with asyncio.timeout(60):
        assert await waiting == [(0, 0)]


@pytest.mark.parametrize("raised", [True, False])
def test_a_producer_that_can_do_nothing_any_more_ends_the_process(
    publisher: Publisher, monkeypatch: pytest.MonkeyPatch, raised: bool
) -> None:
    """What is not acked comes again, to a process that can deliver."""
    ended: list[int] = []
    monkeypatch.setattr(os, "_exit", ended.append)
    fatal = KafkaError(KafkaError._FATAL, "out of order", fatal=True)

    class Broken:
        def produce(self, *_: object, on_delivery: Any, **__: object) -> None:
            if raised:
                raise KafkaException(fatal)
            on_delivery(fatal, None)

        def poll(self, *_: object) -> None:
            return

        flush = poll

    publisher._closing.set()
    publisher._thread.join()
    monkeypatch.setattr(publisher, "_producer", Broken())
    publisher.send(Topic.RESULTS, plain("1"), print)

    assert ended == [70]
