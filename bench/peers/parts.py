"""What both loops are made of: clients, the call with its retries, the result, offsets in order."""

import argparse
import asyncio
import gc
import signal
from collections import deque
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import aiohttp
import orjson
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer, TopicPartition

JSON = {"Content-Type": "application/json"}
CALL_SECONDS = 5.0
RETRIES = (0.1, 1.0, 5.0, None)
"""Seconds to wait after a failed call; after the last one the document has failed."""
IDLE = 0.005
"""Seconds that the loop rests when nothing came."""


def options() -> argparse.Namespace:
    """What a loop is started with."""
    parser = argparse.ArgumentParser()
    for name in ("bootstrap", "documents", "results", "group", "slot", "tool"):
        parser.add_argument(f"--{name}", required=True)
    parser.add_argument("--calls", type=int, default=256, help="documents at work at the same time")
    return parser.parse_args()


def stop_event() -> asyncio.Event:
    """Set by TERM and INT."""
    gc.set_threshold(50_000, 20, 50)
    stop = asyncio.Event()
    for sign in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(sign, stop.set)
    return stop


@dataclass(slots=True)
class Record:
    """A document to book."""

    partition: int
    offset: int
    key: bytes
    value: bytes
    done: bool = False
    """Its result is with the brokers."""


@dataclass
class Kafka:
    """Consumer and producer, and the offsets between them. Everything happens on the loop, nothing waits."""

    consumer: Consumer
    producer: Producer
    topic: str
    results: str
    open: dict[int, deque[Record]] = field(default_factory=dict)
    """By partition, in order: what was read and has not been committed."""
    changed: set[int] = field(default_factory=set)

    def turn(self) -> None:
        """Takes note of delivered results, and marks the offsets that they set free."""
        self.producer.poll(0)
        self.commit()

    def read(self, most: int) -> list[Record]:
        """What has come, at once."""
        self.turn()
        records = []
        for message in self.consumer.consume(most, 0):
            if (error := message.error()) is not None:
                _raise_if_fatal(error)
                continue
            record = Record(
                message.partition() or 0, message.offset() or 0, message.key() or b"", message.value() or b""
            )
            self.open.setdefault(record.partition, deque()).append(record)
            records.append(record)
        return records

    def tell(self, record: Record, result: bytes) -> None:
        """Sends the result; its offset can be committed once it is delivered, and all before it."""
        self.producer.produce(self.results, result, record.key, on_delivery=partial(self._delivered, record))

    def _delivered(self, record: Record, error: KafkaError | None, _: Message) -> None:
        if error is not None:
            raise KafkaException(error)  # ends the loop: what is not committed comes again
        record.done = True
        self.changed.add(record.partition)

    def commit(self) -> None:
        """Marks offsets; the client commits what is marked once a second, and when it is closed."""
        offsets = []
        for partition in self.changed:
            waiting, last = self.open.get(partition, ()), None
            while waiting and waiting[0].done:
                last = waiting.popleft().offset
            if last is not None:
                offsets.append(TopicPartition(self.topic, partition, last + 1))
        self.changed.clear()
        if offsets:
            self.consumer.store_offsets(offsets=offsets)

    def forget(self, partitions: Iterable[int]) -> None:
        """Partitions that went elsewhere."""
        for partition in partitions:
            self.open.pop(partition, None)


def _raise_if_fatal(error: KafkaError) -> None:
    if error.fatal():
        raise KafkaException(error)


@asynccontextmanager
async def clients(given: argparse.Namespace) -> AsyncIterator[tuple[Kafka, aiohttp.ClientSession]]:
    """Kafka and the tool; in the end results are delivered and offsets committed."""
    consumer = Consumer(
        {
            "bootstrap.servers": given.bootstrap,
            "group.id": given.group,
            "group.instance.id": f"{given.group}-{given.slot}",  # a restart keeps its partitions
            "auto.offset.reset": "earliest",
            "enable.auto.offset.store": False,
            "auto.commit.interval.ms": 1000,
            "session.timeout.ms": 10_000,
            "queued.max.messages.kbytes": 16_384,
            "log_level": 2,
        }
    )
    producer = Producer(
        {
            "bootstrap.servers": given.bootstrap,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 3,
            "queue.buffering.max.messages": 500_000,
            "log_level": 2,
        }
    )
    connector = aiohttp.TCPConnector(limit=given.calls, ttl_dns_cache=60)
    timeout = aiohttp.ClientTimeout(total=CALL_SECONDS)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
    ) as session:
        kafka = Kafka(consumer, producer, given.documents, given.results)
        try:
            yield kafka, session
        finally:
            producer.flush(10)
            kafka.commit()
            consumer.close()


async def book(session: aiohttp.ClientSession, tool: str, record: Record) -> bytes:
    """Books one document and says what came of it. A call that failed is made again: nobody knows better."""
    document = orjson.loads(record.value)
    body = orjson.dumps(payload(document))
    url = f"{tool}/books/{record.key.decode()}/entries"
    outcome: dict[str, Any] = {}
    for wait in RETRIES:
        try:
            async with session.post(url, data=body, headers=JSON) as answer:
                read = await answer.read()
                if answer.status == 201:
                    outcome = {"state": "booked", "entry": orjson.loads(read)["id"]}
                    break
                outcome = {"state": "failed", "status": answer.status}
                if answer.status < 500:
                    break
        except (aiohttp.ClientError, TimeoutError) as trouble:
            outcome = {"state": "failed", "error": type(trouble).__name__}
        if wait is not None:
            await asyncio.sleep(wait)
    return orjson.dumps({"number": document["number"], **outcome})


def payload(document: Mapping[str, Any]) -> dict[str, Any]:
    """What the tool takes."""
    return {
        "number": document["number"],
        "date": document["issue_date"],
        "lines": [{"account": "700000", "amount": line["net"], "vat": "21"} for line in document["lines"]],
        "amount": document["totals"]["gross"],
    }
