"""Writes records to Kafka and tells when they are delivered. Nothing counts as told before that."""

import asyncio
import threading
from collections import deque
from collections.abc import Callable, Mapping, Sequence

from confluent_kafka import KafkaError, Message, Producer
from dagboek_schemas.cloudevents import Record
from dagboek_schemas.topics import Topic

Delivered = Callable[[int, int], None]
"""Called with partition and offset, from the publisher's own thread."""


class Publisher:
    """One idempotent producer for a process; may be used from every thread and loop.

    A record that could not be delivered is sent again until it is, or the publisher is closed: whoever waits for
    it does not go on, and what is not delivered is not acked.
    """

    def __init__(self, bootstrap: str, prefix: str, security: Mapping[str, str] | None = None) -> None:
        self.prefix = prefix
        self._producer = Producer(
            {
                "bootstrap.servers": bootstrap,
                "enable.idempotence": True,
                "acks": "all",
                "linger.ms": 3,
                "queue.buffering.max.messages": 200_000,
                "delivery.timeout.ms": 60_000,
                "socket.keepalive.enable": True,
                "log_level": 2,
                **(security or {}),
            }
        )
        self._waiting: deque[tuple[str, Record, Delivered]] = deque()
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._poll, name="publisher", daemon=True)
        self._thread.start()

    def send(self, topic: Topic, record: Record, delivered: Delivered) -> None:
        """Sends a record; `delivered` is called once the brokers have it. Order is kept per key."""
        name = topic.named(self.prefix)
        if self._waiting:
            self._waiting.append((name, record, delivered))
        else:
            self._produce(name, record, delivered)

    def _produce(self, name: str, record: Record, delivered: Delivered) -> bool:
        def told(error: KafkaError | None, message: Message) -> None:
            if error is None:
                delivered(message.partition() or 0, message.offset() or 0)
            elif not self._closing.is_set():
                self._waiting.append((name, record, delivered))

        try:
            self._producer.produce(name, record.value, record.key, headers=list(record.headers), on_delivery=told)
        except BufferError:
            self._waiting.append((name, record, delivered))
            return False
        return True

    def _poll(self) -> None:
        while not self._closing.is_set():
            self._producer.poll(0.05)
            for _ in range(len(self._waiting)):
                if not self._produce(*self._waiting.popleft()):
                    self._waiting.rotate(1)
                    break

    async def publish(self, topic: Topic, records: Sequence[Record]) -> list[tuple[int, int]]:
        """Sends records and waits until all are delivered: partition and offset of each."""
        loop = asyncio.get_running_loop()
        futures: list[asyncio.Future[tuple[int, int]]] = []
        for record in records:
            future: asyncio.Future[tuple[int, int]] = loop.create_future()
            futures.append(future)
            self.send(topic, record, _waker(loop, future))
        return list(await asyncio.gather(*futures))

    def close(self, seconds: float = 10.0) -> None:
        """Delivers what it can within `seconds`, then stops."""
        self._producer.flush(seconds)
        self._closing.set()
        self._thread.join(timeout=2)


def _waker(loop: asyncio.AbstractEventLoop, future: "asyncio.Future[tuple[int, int]]") -> Delivered:
    def done(partition: int, offset: int) -> None:
        loop.call_soon_threadsafe(_resolve, future, (partition, offset))

    return done


def _resolve(future: "asyncio.Future[tuple[int, int]]", value: tuple[int, int]) -> None:
    if not future.done():
        future.set_result(value)
