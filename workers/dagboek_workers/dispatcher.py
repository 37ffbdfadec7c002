"""From the log to the lanes. Never waits: one full buffer would stop every topic of the process."""

import asyncio
from collections import deque
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

import structlog
from dagboek.acks import Acks
from dagboek.database import AWAY
from dagboek.dead_letters import WORDS, dead_letter
from dagboek.plugins import UnknownPlugin
from dagboek_schemas.cloudevents import NotAnEvent, UnknownEvent, decode, event_time
from dagboek_schemas.events import ItemReady
from dagboek_schemas.topics import Topic

from dagboek_workers.lane import Work
from dagboek_workers.missing import park_for_missing_tool
from dagboek_workers.tool_loop import Parts, ToolLoop

log = structlog.get_logger()

HOLD = 30.0
"""Seconds that a lane may be at one item while all of its partition waits behind it to be acked."""


class Received(Protocol):
    """A record as the consumer gives it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes] | None


@dataclass(frozen=True, slots=True)
class _Token:
    partition: int
    offset: int


class Dispatcher:
    """Owns the acks and the tool loops. All methods are called on the consumer's loop."""

    def __init__(self, parts: Parts, ack: Callable[[Any], None]) -> None:
        self._parts = parts
        self._acks: Acks[tuple[Received, Any]] = Acks(lambda held: ack(held[1]))
        self._loop = asyncio.get_running_loop()
        self._tools: dict[str, ToolLoop] = {}
        self._done: deque[tuple[int, _Token]] = deque()
        self._waking = False
        self._stopping = False
        self._oldest: dict[int, int] = {}
        self._letting_go: set[int] = set()
        self._assignment = 0
        self._background: set[asyncio.Task[None]] = set()
        self._parking = asyncio.Semaphore(4)
        """Each takes a connection of its own."""

    @property
    def tools(self) -> Mapping[str, ToolLoop]:
        """The running tool loops, by plugin name."""
        return self._tools

    def take(self, received: Received, message: Any, topic: str) -> None:
        """Takes a record of the documents topic; `message` is what is acked when it is finished."""
        if self._stopping:
            return  # not acked: it comes again, to whoever reads then
        token = _Token(received.partition, received.offset)
        self._acks.received(token.partition, token.offset, (received, message))
        finished = self._finisher(token)
        try:
            event = decode(received.value, received.headers)
        except NotAnEvent as fault:
            self._dead_letter(received, topic, str(fault), finished)
            return
        except UnknownEvent as unknown:
            log.info("event.let_go", type=str(unknown))
            finished()
            return
        if isinstance(event, ItemReady):
            self._to_lane(event, finished, event_time(received.headers))
        else:
            finished()

    def _to_lane(self, event: ItemReady, finished: Callable[[], None], at: datetime | None) -> None:
        tool = self._tools.get(event.tool)
        if tool is None:
            try:
                self._parts.plugins.tool(event.tool)
            except UnknownPlugin as missing:
                self._spawn(self._park(event, str(missing), finished))
                return
            tool = self._tools[event.tool] = ToolLoop(event.tool, self._parts)
        tool.submit([Work(event, finished, self._assignment, at)])

    async def _park(self, event: ItemReady, words: str, finished: Callable[[], None]) -> None:
        async with self._parking:
            await park_for_missing_tool(self._parts.database_url, event, words, finished)

    def _spawn(self, work: Any) -> None:
        task = self._loop.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def _dead_letter(self, received: Received, topic: str, why: str, finished: Callable[[], None]) -> None:
        log.warning("event.dead_letter", reason=why[:WORDS], partition=received.partition, offset=received.offset)
        record = dead_letter(
            received.value,
            key=received.key,
            headers=dict(received.headers or {}).items(),
            why=why,
            topic=topic,
            partition=received.partition,
            offset=received.offset,
        )
        self._parts.publisher.send(Topic.DEADLETTERS, record, lambda *_: finished(), lambda _: finished())

    # letting go

    def let_go_held(self, seconds: float = HOLD) -> None:
        """Looks, every second or so, whose oldest record is held by a lane that has been at one item for `seconds`.

        Else no offset of the partition moves, and a restart does all behind it again.
        """
        oldest = {partition: (offset, held) for partition, offset, held in self._acks.oldest()}
        still = [one for one, (offset, _) in oldest.items() if self._oldest.get(one) == offset]
        self._oldest = {partition: offset for partition, (offset, _) in oldest.items()}
        for partition in still:
            received, _ = oldest[partition][1]
            if partition not in self._letting_go and not self._stopping:
                self._let_go(partition, received, seconds)

    def _let_go(self, partition: int, received: Received, seconds: float) -> None:
        try:
            event = decode(received.value, received.headers)
        except (NotAnEvent, UnknownEvent):
            return  # its dead letter is on the way
        tool = self._tools.get(event.tool) if isinstance(event, ItemReady) else None
        if isinstance(event, ItemReady) and tool is not None:
            self._letting_go.add(partition)
            self._spawn(self._ask_lane(partition, tool, event, seconds))

    async def _ask_lane(self, partition: int, tool: ToolLoop, event: ItemReady, seconds: float) -> None:
        try:
            await tool.call(tool.let_go_held(event, seconds))
        except AWAY as trouble:
            log.warning("run.not_let_go", run=str(event.run_id), error=type(trouble).__name__)
        finally:
            self._letting_go.discard(partition)

    # finishing: called from any thread

    def _finisher(self, token: _Token) -> Callable[[], None]:
        assignment = self._assignment

        def finished() -> None:
            self._done.append((assignment, token))
            if not self._waking:
                self._waking = True
                try:
                    self._loop.call_soon_threadsafe(self._take_done)
                except RuntimeError:
                    self._waking = False  # the consumer has ended; the log brings it again

        return finished

    def _take_done(self) -> None:
        self._waking = False
        while self._done:
            assignment, token = self._done.popleft()
            if assignment == self._assignment:
                self._acks.finished(token.partition, token.offset)

    # assignment

    async def revoke(self, seconds: float) -> None:
        """Partitions go elsewhere: nothing new is started, calls in flight are waited for, the rest is forgotten."""
        dropping = [tool.call(tool.drop_lanes(self._assignment, seconds)) for tool in self._tools.values()]
        if dropping:
            await asyncio.wait(dropping, timeout=seconds + 6)
        self._take_done()
        self._assignment += 1
        self._acks.forget()

    async def drain(self, without: Collection[ToolLoop], seconds: float) -> None:
        """The process is about to end: takes nothing more, and lets all loops but these finish what they are at."""
        self._stopping = True
        others = [tool for tool in self._tools.values() if tool not in without]
        dropping = [tool.call(tool.drop_lanes(self._assignment, seconds)) for tool in others]
        if dropping:
            await asyncio.wait(dropping, timeout=seconds + 6)

    def in_flight(self) -> int:
        """Records that are not acked yet."""
        return self._acks.in_flight()

    async def stop(self, seconds: float) -> None:
        """Ends all tool loops. What is taken from now on is left to whoever reads it next."""
        self._stopping = True
        await asyncio.gather(*(asyncio.to_thread(tool.stop, seconds) for tool in self._tools.values()))
        self._take_done()
