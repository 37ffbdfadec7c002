"""Writes records to Kafka and tells when they are delivered. Nothing counts as told before that."""

import asyncio
import os
import threading
import zlib
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog
from confluent_kafka import KafkaError, KafkaException, Message, Producer
from dagboek_schemas.cloudevents import Record
from dagboek_schemas.topics import Topic

log = structlog.get_logger()

Delivered = Callable[[int, int], None]
"""Called with partition and offset, from the publisher's own thread."""


def partition_of(key: bytes, partitions: int) -> int:
    """The partition of a key in a topic of so many: as librdkafka's partitioner `consistent` has it."""
    return zlib.crc32(key) % partitions


class Undeliverable(Exception):
    """The brokers would never take this record: which topic, and why."""


Failed = Callable[[Undeliverable], None]
"""Called instead of `Delivered`, perhaps from the thread that sends."""

BATCH = 65_536
"""Bytes of records that go to a broker together, which refuses them together: what is smaller is never to blame."""
_TOO_LARGE = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})
_INVALID = frozenset({KafkaError.INVALID_RECORD, KafkaError._INVALID_ARG})


@dataclass(frozen=True, slots=True)
class _Sent:
    topic: str
    record: Record
    delivered: Delivered
    failed: Failed


class Publisher:
    """One idempotent producer for a process; may be used from every thread and loop.

    A record that could not be delivered is sent again until it is, or the publisher is closed: whoever waits for
    it does not go on, and what is not delivered is not acked. One that can never be delivered fails alone. A producer
    that can no longer deliver anything ends the process (status 70).
    """

    def __init__(self, bootstrap: str, prefix: str, security: Mapping[str, str] | None = None) -> None:
        self.prefix = prefix
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                "partitioner": "consistent",
                "linger.ms": 3,
                "batch.size": BATCH,
                "queue.buffering.max.messages": 200_000,
                "delivery.timeout.ms": 60_000,
                "socket.keepalive.enable": True,
                "log_level": 2,
                "error_cb": _end_if_fatal,
                **(security or {}),
            }
        )
        self._waiting: deque[_Sent] = deque()
        self._order = threading.RLock()
        """Whoever sends looks first whether others wait: without it a record could overtake one of its key."""
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="publisher", daemon=True)
        self._thread.start()

    def send(self, topic: Topic, record: Record, delivered: Delivered, failed: Failed | None = None) -> None:
        """Sends a record; `delivered` is called once the brokers have it. Order is kept per key.

        `failed` is called for a record that they would never take; it is logged in any case.
        """
        sent = _Sent(topic.named(self.prefix), record, delivered, failed or _nothing)
        with self._order:
            if self._waiting or not self._produce(sent):
                self._waiting.append(sent)

    def _produce(self, sent: _Sent) -> bool:
        """False when there is no room, and the record has to wait."""

        def told(error: KafkaError | None, message: Message) -> None:
            if error is None:
                _call(sent.delivered, message.partition() or 0, message.offset() or 0)
            else:
                self._not_taken(sent, error)

        record = sent.record
        try:
            self._producer.produce(sent.topic, record.value, record.key, headers=list(record.headers), on_delivery=told)
        except BufferError:
            return False
        except KafkaException as refused:
            self._not_taken(sent, refused.args[0])
        except (TypeError, ValueError) as bug:
            _fail(sent, type(bug).__name__)
        return True

    def _not_taken(self, sent: _Sent, error: KafkaError) -> None:
        _end_if_fatal(error)
        if error.code() in _INVALID or (error.code() in _TOO_LARGE and _size(sent.record) > BATCH):
            _fail(sent, error.name())
        elif not self._closing.is_set():
            self._waiting.append(sent)

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(0.05)
            for _ in range(len(self._waiting)):
                with self._order:
                    if not self._produce(self._waiting[0]):
                        break
                    self._waiting.popleft()

    async def publish(self, topic: Topic, records: Sequence[Record]) -> list[tuple[int, int]]:
        """Sends records and waits until all are delivered: partition and offset of each.

        Undeliverable when one can never be; by then all others are delivered.
        """
        lot = _Lot(len(records))
        for at, record in enumerate(records):
            self.send(topic, record, partial(lot.delivered, at), lot.failed)
        return await lot.all_told()

    def close(self, seconds: float = 10.0) -> None:
        """Delivers what it can within `seconds`, then stops."""
        self._producer.flush(seconds)
        self._closing.set()
        self._thread.join(timeout=2)


def _end_if_fatal(error: KafkaError) -> None:
    """A producer in this state takes no record any more. What is not acked comes again, to a new process."""
    if error.fatal():
        log.critical("publisher.fatal", error=error.name(), reason=error.str())
        os._exit(70)


def _fail(sent: _Sent, why: str) -> None:
    size = _size(sent.record)
    log.error("record.undeliverable", topic=sent.topic, bytes=size, error=why)
    _call(sent.failed, Undeliverable(f"{sent.topic} does not take a record of {size} bytes: {why}"))


def _size(record: Record) -> int:
    return len(record.value) + len(record.key) + sum(len(name) + len(value) for name, value in record.headers)


def _call(told: Callable[..., None], *given: object) -> None:
    """Whoever asked may be gone, and its loop with it: that ends nobody else's delivery."""
    try:
        told(*given)
    except Exception as gone:
        log.warning("delivery.nobody_told", error=type(gone).__name__)


def _nothing(_: Undeliverable) -> None:
    return


class _Lot:
    """Records that somebody waits for together, to be woken once and not for each of them."""

    def __init__(self, size: int) -> None:
        self._places = [(0, 0)] * size
        self._trouble: Undeliverable | None = None
        self._left = size
        self._order = threading.Lock()
        self._loop = asyncio.get_running_loop()
        self._told = asyncio.Event()

    async def all_told(self) -> list[tuple[int, int]]:
        """Partition and offset of each. Undeliverable when one can never be."""
        if self._places:
            await self._told.wait()
        if self._trouble is not None:
            raise self._trouble
        return self._places

    def delivered(self, at: int, partition: int, offset: int) -> None:
        """The record at this place is."""
        self._places[at] = (partition, offset)
        self._one_less()

    def failed(self, trouble: Undeliverable) -> None:
        """One never will be."""
        self._trouble = self._trouble or trouble
        self._one_less()

    def _one_less(self) -> None:
        with self._order:
            self._left -= 1
            last = self._left == 0
        if last:
            self._loop.call_soon_threadsafe(self._told.set)
