"""The commands topic: reads commands and has the planner act on them."""

import asyncio
import threading
from collections.abc import Mapping
from datetime import datetime

import structlog
from confluent_kafka import Consumer, KafkaException, Message, TopicPartition
from dagboek_schemas.cloudevents import NotAnEvent, UnknownEvent, decode, event_time
from dagboek_schemas.events import ContinueSync, EventData, StartSync
from dagboek_schemas.topics import Topic

from dagboek.acks import Acks
from dagboek.database import AWAY
from dagboek.dead_letters import WORDS, dead_letter
from dagboek.planner import Planner
from dagboek.plugins import unexpected
from dagboek.publisher import Publisher, Undeliverable
from dagboek.stamp import ahead

log = structlog.get_logger()

AT_ONCE = 64
"""Commands that are worked on at the same time; those of one administration stay in order. Most wait for a source."""


class CommandReader:
    """Consumes commands in a thread, acts on them on the loop, commits in order."""

    def __init__(
        self, bootstrap: str, prefix: str, planner: Planner, publisher: Publisher, security: Mapping[str, str]
    ) -> None:
        self._topic = Topic.COMMANDS.named(prefix)
        self._planner = planner
        self._publisher = publisher
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": f"{prefix}.planner",
                "auto.offset.reset": "earliest",
                "enable.auto.commit": False,
                "session.timeout.ms": 10_000,
                "log_level": 2,
                **security,
            }
        )
        self._stopping = threading.Event()
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._turns: dict[bytes, asyncio.Lock] = {}
        self._loop = asyncio.get_running_loop()
        self._acks: Acks[Message] = Acks(self._done)
        self._to_commit: dict[int, int] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Starts to consume."""
        self._thread = threading.Thread(target=self._consume, name="commands", daemon=True)
        self._thread.start()

    async def stop(self) -> None:
        """Stops; what is not acked comes again."""
        self._stopping.set()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await asyncio.to_thread(self._thread.join, 10)

    def _consume(self) -> None:
        self._consumer.subscribe([self._topic], on_revoke=self._revoked)
        while not self._stopping.is_set():
            try:
                message = self._consumer.poll(0.2)
            except KafkaException as trouble:
                log.warning("commands.broker_away", error=str(trouble.args[0]))
                continue
            if message is not None and message.error() is None:
                self._loop.call_soon_threadsafe(self._take, message)
            self._commit()
        self._commit()
        self._consumer.close()

    def _revoked(self, _consumer: Consumer, _partitions: list[TopicPartition]) -> None:
        self._loop.call_soon_threadsafe(self._acks.forget)

    def _take(self, message: Message) -> None:
        self._acks.received(message.partition() or 0, message.offset() or 0, message)
        task = self._loop.create_task(self._act(message))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _act(self, message: Message) -> None:
        key = message.key() or b""
        try:
            command = decode(message.value(), _headers(message))
        except NotAnEvent as fault:
            await self._dead_letter(message, str(fault))
        except UnknownEvent as unknown:
            log.info("command.let_go", type=str(unknown)[:WORDS])
        else:
            async with self._turns.setdefault(bytes(key), asyncio.Lock()), self._slots:
                await self._plan(command, event_time(_headers(message)))
        self._acks.finished(message.partition() or 0, message.offset() or 0)

    async def _plan(self, command: EventData, at: datetime | None) -> None:
        try:
            if isinstance(command, StartSync):
                await ahead(self._planner.db, command.run_id, 0, 0, at)
                await self._planner.start(command.run_id)
            elif isinstance(command, ContinueSync):
                await ahead(self._planner.db, command.run_id, command.generation, command.window, at)
                await self._planner.publish_window(command.run_id, command.generation, command.window)
        # the run's row says where it stands: the watchdog plans it on
        except (*AWAY, KafkaException) as trouble:
            log.warning("command.waits", command=type(command).__name__, error=type(trouble).__name__)
        except Exception as bug:
            issue = unexpected("command", bug)
            log.error("command.failed", command=type(command).__name__, reference=issue.facts["reference"])

    async def _dead_letter(self, message: Message, why: str) -> None:
        log.warning("command.dead_letter", reason=why[:WORDS], offset=message.offset())
        letter = dead_letter(
            message.value(),
            key=message.key(),
            headers=_headers(message),
            why=why,
            topic=self._topic,
            partition=message.partition() or 0,
            offset=message.offset() or 0,
        )
        try:
            await self._publisher.publish(Topic.DEADLETTERS, [letter])
        except Undeliverable:  # logged; waiting for it would hold up all that comes behind it
            return

    def _done(self, message: Message) -> None:
        self._to_commit[message.partition() or 0] = (message.offset() or 0) + 1

    def _commit(self) -> None:
        """In the consumer's own thread: the client lets one thread in at a time."""
        done, self._to_commit = self._to_commit, {}
        if not done:
            return
        offsets = [TopicPartition(self._topic, partition, offset) for partition, offset in done.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as trouble:
            log.warning("commands.commit_refused", error=str(trouble.args[0]))


def _headers(message: Message) -> list[tuple[str, bytes]]:
    given = message.headers() or []
    pairs = given.items() if isinstance(given, dict) else given
    return [(name, value.encode() if isinstance(value, str) else value or b"") for name, value in pairs]
