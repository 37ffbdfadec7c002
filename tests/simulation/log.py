"""The brokers: an in-memory log with offsets, committed offsets, retention and a group that is rebalanced."""

import asyncio
import zlib
from collections.abc import Callable, Mapping, Sequence
from contextvars import Context
from dataclasses import dataclass, field
from typing import Any

from confluent_kafka import KafkaException, TopicPartition
from dagboek.commands import CommandReader
from dagboek.publisher import Publisher
from dagboek_schemas.cloudevents import Record
from dagboek_schemas.topics import Topic
from simulation.loop import PROCESS, Process, VirtualLoop

SESSION = 10.0
"""Seconds after which a member that is not heard of loses its partitions."""
REBALANCE = 30.0
"""Seconds that the others are waited for in a rebalance."""


@dataclass(slots=True)
class Kept:
    """A record in the log, with the surfaces of both clients."""

    topic: Topic
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes] | None
    at: float


class Message:
    """A record as confluent-kafka gives it."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def partition(self) -> int:
        return self._kept.partition

    def offset(self) -> int:
        return self._kept.offset

    def key(self) -> bytes | None:
        return self._kept.key

    def value(self) -> bytes | None:
        return self._kept.value

    def headers(self) -> list[tuple[str, bytes]]:
        return list((self._kept.headers or {}).items())

    def error(self) -> None:
        return None


@dataclass
class Partition:
    """`first`: offset of the oldest record that is kept."""

    records: list[Kept] = field(default_factory=list)
    first: int = 0
    next: int = 0

    def read(self, position: int, most: int = 20) -> list[Kept]:
        return [one for one in self.records if one.offset >= position][:most]


class Log:
    """All topics of one installation."""

    def __init__(self, loop: VirtualLoop, partitions: int) -> None:
        self.loop = loop
        self.number = partitions
        self.partitions: dict[Topic, list[Partition]] = {
            topic: [Partition() for _ in range(partitions)] for topic in Topic
        }
        self.committed: dict[tuple[Topic, int], int] = {}
        self.all: list[Kept] = []
        """Every record that was ever written, whatever retention did to it since."""
        self.away_until = 0.0
        self.latency: Callable[[], float] = lambda: 0.0
        self.fate: Callable[[Topic], int] = lambda _: 1
        """How often a record of a topic is written: 0 for one that is lost, 2 for one that comes twice."""
        self.written: Callable[[Kept], None] = lambda _: None
        self.committing: Callable[[Kept], None] = lambda _: None
        """Told of each record of the documents topic that the workers' group has committed."""

    @property
    def away(self) -> bool:
        return self.loop.time() < self.away_until

    def append(self, topic: Topic, record: Record) -> tuple[int, int]:
        number = zlib.crc32(record.key) % self.number
        partition = self.partitions[topic][number]
        for _ in range(self.fate(topic)):
            kept = Kept(topic, number, partition.next, record.key, record.value, dict(record.headers), self.loop.time())
            partition.records.append(kept)
            partition.next += 1
            self.all.append(kept)
            self.written(kept)
        return number, max(partition.next - 1, 0)

    def commit(self, topic: Topic, partition: int, offset: int) -> None:
        before = self.committed.get((topic, partition), 0)
        if topic is Topic.DOCUMENTS:
            for kept in self.partitions[topic][partition].records:
                if before <= kept.offset < offset:
                    self.committing(kept)
        self.committed[topic, partition] = offset

    def position(self, topic: Topic, partition: int) -> int:
        """Where a consumer of the group begins: what was committed, or the oldest record where that is not there."""
        kept = self.partitions[topic][partition]
        at = self.committed.get((topic, partition), 0)
        return at if kept.first <= at <= kept.next else kept.first

    # trouble

    def forget(self, topic: Topic, partition: int, most: int) -> int:
        """Retention takes the oldest records; how many."""
        kept = self.partitions[topic][partition]
        gone = kept.records[:most]
        del kept.records[:most]
        kept.first = kept.records[0].offset if kept.records else kept.next
        return len(gone)

    def make_anew(self, topic: Topic) -> None:
        """The topic is deleted and made again; what the group has committed stays."""
        self.partitions[topic] = [Partition() for _ in range(self.number)]


LOG: dict[str, Log] = {}
"""The log of this simulation, under `it`: production constructs its clients by address."""


class SimPublisher(Publisher):
    """Production's publisher on the log: delivered in order, after a while, or not at all when its process dies."""

    def __init__(self, bootstrap: str, prefix: str, security: Mapping[str, str] | None = None) -> None:
        self.prefix = prefix
        self._log = LOG["it"]
        self._process = PROCESS.get()
        self._last = 0.0

    def send(self, topic: Topic, record: Record, delivered: Any, failed: Any = None) -> None:
        log, process = self._log, self._process
        if process is None:
            delivered(*log.append(topic, record))
            return
        if process.dead:
            return
        self._last = max(self._last + 1e-6, log.loop.time() + log.latency())
        sent = _Sent(topic, record, delivered, process)
        process.in_flight.append(sent)
        log.loop.call_at(self._last, self._arrive, sent, context=Context())

    def _arrive(self, sent: "_Sent") -> None:
        log, process = self._log, sent.process
        if process.dead and not sent.on_wire:
            return
        if process.frozen and not sent.on_wire:
            process.at_thaw.append(lambda: self._arrive(sent))
            return
        if log.away:
            self._last = max(self._last + 1e-6, log.away_until + 0.05)
            log.loop.call_at(self._last, self._arrive, sent, context=Context())
            return
        place = log.append(sent.topic, sent.record)
        if process.dead:
            return
        process.in_flight.remove(sent)
        log.loop.call_later(log.latency(), sent.delivered, *place, context=process.context())

    def close(self, seconds: float = 10.0) -> None:
        return


@dataclass(eq=False)
class _Sent:
    topic: Topic
    record: Record
    delivered: Callable[[int, int], None]
    process: Process
    on_wire: bool = False
    """It arrives, even if its process dies."""


class SimConsumer:
    """What core asks of a consumer besides records: offsets, and to commit."""

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._log = LOG["it"]

    def committed(self, wanted: Sequence[TopicPartition], timeout: float) -> list[TopicPartition]:
        self._there()
        return [
            TopicPartition(one.topic, one.partition, self._log.committed.get((Topic.DOCUMENTS, one.partition), -1001))
            for one in wanted
        ]

    def get_watermark_offsets(self, one: TopicPartition, timeout: float) -> tuple[int, int]:
        self._there()
        kept = self._log.partitions[Topic.DOCUMENTS][one.partition]
        return kept.first, kept.next

    def commit(self, offsets: Sequence[TopicPartition], asynchronous: bool) -> None:
        self._there()
        for one in offsets:
            self._log.commit(Topic.COMMANDS, one.partition, one.offset)

    def close(self) -> None:
        return

    def _there(self) -> None:
        if self._log.away:
            raise KafkaException("the brokers are away")


class SimReader(CommandReader):
    """Production's reader of commands; only its thread is a task here."""

    def start(self) -> None:
        self._tasks.add(asyncio.create_task(self._consume_here()))

    async def _consume_here(self) -> None:
        log = LOG["it"]
        positions = {number: log.position(Topic.COMMANDS, number) for number in range(log.number)}
        idle = 0.05
        while True:
            await asyncio.sleep(idle + log.latency())
            if log.away:
                continue
            taken = 0
            for number, partition in enumerate(log.partitions[Topic.COMMANDS]):
                if not partition.first <= positions[number] <= partition.next:
                    positions[number] = partition.first
                for kept in partition.read(positions[number]):
                    positions[number] = kept.offset + 1
                    self._take(Message(kept))  # type: ignore[arg-type]
                    taken += 1
            idle = 0.05 if taken else min(idle * 2, 1.5)
            self._commit()


@dataclass(eq=False)
class Member:
    """A worker in the group. `slot` is its static name: a quick restart keeps its partitions."""

    slot: str
    process: Process
    heard: float
    generation: int | None = None
    positions: dict[int, int] = field(default_factory=dict)
    acked: dict[int, int] = field(default_factory=dict)
    joining: "asyncio.Future[None] | None" = None


class Group:
    """The workers' group, as a broker coordinates it: eager rebalances, static members, fenced commits."""

    def __init__(self, log: Log) -> None:
        self.log = log
        self.members: dict[str, Member] = {}
        self.generation = 0
        self.stable = True
        self._deadline = 0.0
        self._assigned: dict[str, list[int]] = {}

    def join(self, member: Member) -> "asyncio.Future[None]":
        """Asks for partitions; done when they are given."""
        known = self.members.get(member.slot)
        self.members[member.slot] = member
        given = member.joining = self.log.loop.create_future()
        if known is not None and known is not member and self.stable and member.slot in self._assigned:
            self._give(member)  # a static member is back in time
        elif self.stable:
            self.rebalance()
        self._complete()
        return given

    def rebalance(self) -> None:
        """All give up their partitions, and get others."""
        self.generation += 1
        self.stable = False
        self._deadline = self.log.loop.time() + REBALANCE
        self._complete()

    def tick(self) -> None:
        """Looks who is still there."""
        now = self.log.loop.time()
        for slot, member in list(self.members.items()):
            if not (member.process.dead or member.process.frozen):
                member.heard = now
            elif now - member.heard > SESSION:
                del self.members[slot]
                if self.stable:
                    self.rebalance()
        if not self.stable and now > self._deadline:
            for slot, member in list(self.members.items()):
                if member.joining is None:
                    del self.members[slot]
        self._complete()

    def _complete(self) -> None:
        if self.stable or not self.members or any(one.joining is None for one in self.members.values()):
            return
        self.stable = True
        slots = sorted(self.members)
        turn = self.generation % len(slots)
        slots = slots[turn:] + slots[:turn]  # partitions wander
        self._assigned = {
            slot: [number for number in range(self.log.number) if number % len(slots) == at]
            for at, slot in enumerate(slots)
        }
        for member in self.members.values():
            self._give(member)

    def _give(self, member: Member) -> None:
        joining, member.joining = member.joining, None
        member.generation = self.generation
        member.acked = {}
        member.positions = {
            number: self.log.position(Topic.DOCUMENTS, number) for number in self._assigned.get(member.slot, ())
        }
        if joining is not None and not joining.done():
            joining.set_result(None)

    def owns(self, member: Member) -> bool:
        """Whether the broker still takes what this member says."""
        return self.stable and member.generation == self.generation and self.members.get(member.slot) is member

    def commit(self, member: Member) -> None:
        """Commits what was acked; refused when the group has moved on."""
        if not self.owns(member) or self.log.away:
            return
        for partition, offset in member.acked.items():
            if offset > self.log.committed.get((Topic.DOCUMENTS, partition), 0) or partition in member.positions:
                self.log.commit(Topic.DOCUMENTS, partition, offset)
        member.acked.clear()
