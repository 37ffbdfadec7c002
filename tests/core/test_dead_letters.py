"""Whatever comes, its dead letter is small enough to be delivered, and says what it was."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from dagboek.commands import CommandReader
from dagboek.dead_letters import BODY, HEADERS, KEY, dead_letter
from dagboek.embedded import Services
from dagboek.publisher import Publisher
from dagboek_schemas.cloudevents import encode
from dagboek_schemas.events import StartSync
from dagboek_schemas.statuses import Trigger
from dagboek_schemas.topics import Topic

FROM: dict[str, Any] = {"topic": "x.sync.commands", "partition": 3, "offset": 7}


def test_a_dead_letter_says_what_came_and_from_where() -> None:
    letter = dead_letter(b"{}", key=b"k", headers=[("ce_id", b"1"), ("x", None)], why="no type", **FROM)

    headers = dict(letter.headers)
    assert len(headers.pop("dagboek_reference")) == 8
    assert headers == {
        "ce_id": b"1",
        "x": b"",
        "dagboek_reason": b"no type",
        "dagboek_topic": b"x.sync.commands",
        "dagboek_partition": b"3",
        "dagboek_offset": b"7",
    }
    assert (letter.key, letter.value) == (b"k", b"{}")


def test_a_large_one_is_cut_and_says_so() -> None:
    headers = [(f"h{at}", b"x" * 1000) for at in range(1000)]

    letter = dead_letter(b"x" * 1_000_000, key=b"k" * 500_000, headers=headers, why="w" * 500_000, **FROM)

    assert dict(letter.headers)["dagboek_cut"] == b"1000000"
    assert (len(letter.value), len(letter.key)) == (BODY, KEY)
    assert sum(len(name) + len(value) for name, value in letter.headers) < HEADERS + 2000
    assert letter.headers[0] == ("h0", b"x" * 1000)


def test_a_dead_letter_of_a_dead_letter_has_one_reason() -> None:
    first = dead_letter(None, key=None, headers=[], why="no type", **FROM)

    second = dead_letter(first.value, key=first.key, headers=first.headers, why="still none", **FROM)

    assert [value for name, value in second.headers if name == "dagboek_reason"] == [b"still none"]


# on a real broker


class Planner:
    def __init__(self) -> None:
        self.started: asyncio.Queue[Any] = asyncio.Queue()
        self.db = self

    async def one(self, *_: Any) -> dict[str, int]:
        """Every run is in the database."""
        return {"generation": 1, "window_no": 1}

    async def start(self, run_id: Any) -> None:
        await self.started.put(run_id)


@pytest.fixture
def publisher(services: Services, topic_prefix: str) -> Iterator[Publisher]:
    admin = AdminClient({"bootstrap.servers": services.kafka_bootstrap})
    names = [topic.named(topic_prefix) for topic in (Topic.COMMANDS, Topic.DEADLETTERS)]
    for made in admin.create_topics([NewTopic(name, 1, 1) for name in names]).values():
        made.result(60)
    running = Publisher(services.kafka_bootstrap, topic_prefix, services.kafka_security)
    yield running
    running.close()


@pytest.fixture
async def reader(services: Services, topic_prefix: str, publisher: Publisher) -> AsyncIterator[tuple[Any, Planner]]:
    planner = Planner()
    running = CommandReader(
        services.kafka_bootstrap,
        topic_prefix,
        planner,  # type: ignore[arg-type]
        publisher,
        services.kafka_security,
    )
    running.start()
    yield running, planner
    await running.stop()


async def test_a_foreign_record_of_a_megabyte_holds_up_no_command(
    services: Services, publisher: Publisher, reader: tuple[Any, Planner]
) -> None:
    commands = Topic.COMMANDS.named(publisher.prefix)
    producer = Producer({"bootstrap.servers": services.kafka_bootstrap, "message.max.bytes": 1_048_000})
    producer.produce(commands, b"x" * 1_040_000, b"k")
    producer.flush(10)
    run_id, books = uuid4(), uuid4()
    start = StartSync(
        run_id=run_id, tenant_id=uuid4(), connection_id=uuid4(), administration_id=books, trigger=Trigger.MANUAL
    )
    await publisher.publish(Topic.COMMANDS, [encode(start, type_=StartSync.TYPE, event_id=uuid4(), key=books)])

    async with asyncio.timeout(60):
        assert await reader[1].started.get() == run_id
        while await asyncio.to_thread(committed, services, publisher.prefix, commands) < 2:
            await asyncio.sleep(0.2)


def committed(services: Services, prefix: str, topic: str) -> int:
    consumer = Consumer({"bootstrap.servers": services.kafka_bootstrap, "group.id": f"{prefix}.planner"})
    (found,) = consumer.committed([TopicPartition(topic, 0)], timeout=60)
    consumer.close()
    return int(found.offset)
