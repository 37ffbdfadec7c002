"""What the results topic says, from its beginning to its end."""

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

from confluent_kafka import OFFSET_BEGINNING, Consumer, TopicPartition
from dagboek_schemas.events import RunFinished

from dagboek.embedded import Services

Headers = dict[str, bytes]


@dataclass(slots=True)
class Told:
    """The outcomes and ends that were told."""

    outcomes: set[tuple[UUID, int, str]] = field(default_factory=set)
    """Run, sequence and state."""
    ended: set[UUID] = field(default_factory=set)
    numbers: dict[tuple[UUID, str], set[str]] = field(default_factory=dict)
    """Booking numbers by connection and document number."""


def told(records: Iterable[tuple[Headers, bytes]]) -> Told:
    """Sums up records of the results topic; repeats make no difference, as consumers are promised."""
    found = Told()
    for headers, value in records:
        data = json.loads(value)
        if headers["ce_type"] == RunFinished.TYPE.encode():
            found.ended.add(UUID(data["run_id"]))
        elif "sequence" in data:
            found.outcomes.add((UUID(data["run_id"]), data["sequence"], data["state"]))
            if data.get("document_number") and data.get("booking_number"):
                key = UUID(data["connection_id"]), data["document_number"]
                found.numbers.setdefault(key, set()).add(data["booking_number"])
    return found


def records(
    services: Services, topic: str, seconds: float = 10.0, until: int | None = None
) -> Iterator[tuple[Headers, bytes]]:
    """Headers and values of all records of a topic.

    Stops at the end of the log, at `until` records, or after `seconds` in all without any.
    """
    settings: dict[str, Any] = {
        **services.kafka_security,
        "bootstrap.servers": services.kafka_bootstrap,
        "group.id": uuid4().hex,
        "auto.offset.reset": "earliest",
        "enable.partition.eof": True,
        "fetch.wait.max.ms": 20,
    }
    consumer = Consumer(settings)
    try:
        left = set(consumer.list_topics(topic, timeout=seconds).topics[topic].partitions)
        consumer.assign([TopicPartition(topic, partition, OFFSET_BEGINNING) for partition in left])
        waited, count = 0.0, 0
        while left and waited < seconds and (until is None or count < until):
            begun = time.monotonic()
            message = consumer.poll(0.2)
            if message is None:
                waited += time.monotonic() - begun
            elif message.error():
                left.discard(message.partition() or 0)
            else:
                count += 1
                headers: Any = message.headers() or []
                yield dict(headers), message.value() or b""
    finally:
        consumer.close()
