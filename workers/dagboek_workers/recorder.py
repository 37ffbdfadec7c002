"""Group commit: what many lanes have to write goes into one transaction, and again as soon as that is done.

A lane waits for its intents, never for its outcomes: an outcome shares the commit of the next intent. Facts are
not given up: while the database is away they are kept and tried again.
"""

import asyncio
import contextlib
import os
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, TypeVar
from uuid import UUID

import psycopg
import structlog
from dagboek.database import AWAY, Connection, connect
from dagboek.fault_points import reached
from dagboek.outcome_events import WARNED
from dagboek.plugins import unexpected
from dagboek.publisher import Publisher
from dagboek.push_record import (
    Adoption,
    AttemptOutcome,
    Granted,
    Group,
    Intent,
    ItemOutcome,
    Late,
    Outcome,
    Written,
    hand_to_person,
    late_outcome,
    write,
)
from dagboek.stamp import outcome_ahead
from dagboek_schemas.cloudevents import Record
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.topics import Topic

log = structlog.get_logger()

MOST = 500
"""Rows of one kind in a group at most."""

MANY = 16
"""Lanes at work from which on a group waits a moment, so that one commit serves more of them."""
GATHER = 0.002
"""That moment, in seconds."""

Result = TypeVar("Result")
Finished = Callable[[], None]


@dataclass(slots=True)
class Told:
    """An item's outcome with the record that tells it; `finished` is called once it is delivered."""

    item: ItemOutcome
    record: Record
    finished: Finished
    undelivered: int = 1
    """Topics that have yet to confirm it."""
    failed: bool = False
    """No broker would ever take it. It is in the database, and the sweeper names it to operators."""


class Recorder:
    """Writes for all lanes of one loop, through one connection."""

    def __init__(self, url: str, publisher: Publisher, busy: Callable[[], int] = lambda: 0) -> None:
        self._url = url
        self._busy = busy
        self._publisher = publisher
        self._intents: deque[tuple[Sequence[Intent], asyncio.Future[list[Granted | None]]]] = deque()
        self._adoptions: deque[tuple[Adoption, asyncio.Future[bool]]] = deque()
        self._outcomes: deque[AttemptOutcome] = deque()
        self._told: deque[Told] = deque()
        self._reported: deque[tuple[UUID, int, str]] = deque()
        self._delivered: deque[Told] = deque()
        self._for_person: dict[int, bytes] = {}
        """Issues by link, of entries that turned out to be another link's."""
        self._waking = False
        self._wake = asyncio.Event()
        self._settled: deque[asyncio.Future[None]] = deque()
        self._connection: Connection | None = None
        self._loop = asyncio.get_running_loop()
        self._stopping = False
        self._task = self._loop.create_task(self._run(), name="recorder")

    # what lanes call

    async def intent(self, intent: Intent) -> Granted | None:
        """Asks for an intent; None when the link, the run or the lane says no."""
        return (await self.intents((intent,)))[0]

    async def intents(self, intents: Sequence[Intent]) -> list[Granted | None]:
        """Asks for these in one transaction; None for each to which the link, the run or the lane says no."""
        future: asyncio.Future[list[Granted | None]] = self._loop.create_future()
        self._intents.append((intents, future))
        self._wake.set()
        return await future

    async def adopt(self, adoption: Adoption) -> bool:
        """Books a link on an entry that is there already; False when the link is not free for it."""
        future: asyncio.Future[bool] = self._loop.create_future()
        self._adoptions.append((adoption, future))
        self._wake.set()
        return await future

    def outcome(self, outcome: AttemptOutcome) -> None:
        """Records what became of an attempt."""
        self._outcomes.append(outcome)
        self._wake.set()

    def tell(self, told: Told) -> None:
        """Records what became of an item, then delivers its event, then calls `finished`."""
        self._told.append(told)
        self._wake.set()

    def deliver(self, told: Told) -> None:
        """Delivers an outcome that is stored already."""
        self._send([told])

    async def written(self) -> None:
        """Waits until all that was handed in so far is committed."""
        future: asyncio.Future[None] = self._loop.create_future()
        self._settled.append(future)
        self._wake.set()
        await future

    async def stop(self, seconds: float = 10.0) -> None:
        """Writes what is left, within `seconds`."""
        self._stopping = True
        self._wake.set()
        try:
            await asyncio.wait_for(asyncio.shield(self._task), seconds)
        except TimeoutError:
            self._task.cancel()
        if self._connection is not None:
            await self._connection.close()

    # the loop

    async def _run(self) -> None:
        try:
            await self._serve()
        except Exception as bug:
            unexpected("recorder", bug)
            os._exit(70)  # all lanes would wait for ever; what is not acked comes again

    async def _serve(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending():
                if self._busy() > MANY and len(self._intents) * 2 < self._busy():
                    await asyncio.sleep(GATHER)
                await self._flush()
            if self._stopping:
                return

    def _pending(self) -> bool:
        return bool(self._outcomes or self._told or self._intents or self._adoptions or self._reported or self._settled)

    async def _flush(self) -> None:
        # taken in this order so that an outcome is never behind the intent that follows it
        settled = list(self._settled)
        self._settled.clear()
        outcomes = _take(self._outcomes, len(self._outcomes))
        told = _take(self._told, len(self._told))
        reported = _take(self._reported, MOST)
        adoptions = _take(self._adoptions, MOST)
        intents = self._take_intents()
        group = Group(
            outcomes=outcomes,
            adoptions=[adoption for adoption, _ in adoptions],
            items=[one.item for one in told],
            reported=reported,
            intents=[intent for wanted, _ in intents for intent in wanted],
        )
        written = await self._write(group)
        for late in written.late:
            await self._late(late)
        told = [one for one in told if not await self._taken_back(one) and _holds(one, written)]
        for wanted, future in intents:
            if not future.done():
                future.set_result([written.granted.get(intent.link_id) for intent in wanted])
        for adoption, adopted in adoptions:
            if not adopted.done():
                adopted.set_result(adoption.link_id in written.adopted)
        if told:
            reached("after_outcome")
        self._send(told)
        for waiting in settled:
            if not waiting.done():
                waiting.set_result(None)

    def _take_intents(self) -> list[tuple[Sequence[Intent], asyncio.Future[list[Granted | None]]]]:
        """As many as go in a group; those of one batch stay together."""
        rows, number = 0, 0
        for wanted, _ in self._intents:
            if number and rows + len(wanted) > MOST:
                break
            rows, number = rows + len(wanted), number + 1
        return _take(self._intents, number)

    async def _write(self, group: Group) -> Written:
        """Writes a group, however long the database is away. One that fails is taken apart: the bad row stays alone."""
        try:
            return await self._kept(partial(write, group=group))
        except Exception as error:  # also of the driver, for text that cannot be sent
            parts = _parts(group)
            if len(parts) == 1:
                return await self._refused(group, error)
            log.warning("group.split", error=type(error).__name__, rows=len(parts))
        written = Written()
        for part in parts:
            one = await self._write(part)
            written.granted |= one.granted
            written.late += one.late
            written.adopted |= one.adopted
            written.told |= one.told
        return written

    async def _kept(self, action: Callable[[Connection], Awaitable[Result]]) -> Result:
        """Does something in the database, again and again while it is away or another holds the rows."""
        delay = 0.1
        while True:
            try:
                return await action(await self._open())
            except AWAY as trouble:
                if isinstance(trouble, psycopg.errors.LockNotAvailable | psycopg.errors.DeadlockDetected):
                    log.warning("group.locked", error=type(trouble).__name__)
                else:
                    log.warning("database.away", error=type(trouble).__name__)
                    await self._drop()
                await asyncio.sleep(delay)
                delay = min(delay * 2, 2.0)

    async def _refused(self, row: Group, error: Exception) -> Written:
        """A row that the database does not take. An entry that another link has is for a person to look at."""
        if not isinstance(error, psycopg.errors.UniqueViolation) or not row.outcomes:
            log.error("row.refused", error=type(error).__name__, kind=_kind(row))
            plain = _without_words(row)
            return await self._write(plain) if _parts(plain) and plain != row else Written()
        outcome = row.outcomes[0]
        issue = Issue(code="D11", severity=Severity.ERROR, facts={"entry": outcome.entry_number or "?"})
        issues = f"[{issue.model_dump_json()}]".encode()
        person = AttemptOutcome(outcome.link_id, outcome.attempt, Outcome.PERSON, issues=issues)
        written = await self._write(Group(outcomes=[person]))
        self._for_person[outcome.link_id] = issues
        return written

    async def _taken_back(self, told: Told) -> bool:
        """Whether an item was told as booked on an entry that another link has; the sweeper tells the truth."""
        issues = self._for_person.pop(told.item.link_id or 0, None)
        if issues is None:
            return False
        await self._kept(partial(hand_to_person, item=told.item, issues=issues))
        told.finished()
        return True

    async def _late(self, late: AttemptOutcome) -> None:
        twice = Issue(code="D12", severity=Severity.ERROR, facts={"entry": late.entry_number or "?"})
        await self._kept(partial(outcome_ahead, link_id=late.link_id, attempt=late.attempt))
        try:
            found = await self._kept(partial(late_outcome, late=late, twice=twice.model_dump_json().encode()))
        except psycopg.Error as error:
            log.error("late_outcome.refused", link=late.link_id, attempt=late.attempt, error=type(error).__name__)
            return
        if found is Late.BOOKED_TWICE:
            log.error("booked.twice", link=late.link_id, attempt=late.attempt)

    async def _open(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await connect(self._url, connect_timeout=5)
        return self._connection

    async def _drop(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            await connection.close()

    # delivery

    def _send(self, told: list[Told]) -> None:
        for one in told:
            topics = (Topic.RESULTS, Topic.WARNINGS) if one.item.state in WARNED else (Topic.RESULTS,)
            one.undelivered = len(topics)
            for topic in topics:
                self._publisher.send(topic, one.record, self._waker(one), partial(_failed, one))

    def _waker(self, told: Told) -> Callable[[int, int], None]:
        def delivered(_partition: int, _offset: int) -> None:
            self._delivered.append(told)
            if not self._waking:
                self._waking = True
                with contextlib.suppress(RuntimeError):  # the loop has ended; the sweeper delivers what is unmarked
                    self._loop.call_soon_threadsafe(self._take_delivered)

        return delivered

    def _take_delivered(self) -> None:
        self._waking = False
        while self._delivered:
            told = self._delivered.popleft()
            told.undelivered -= 1
            if told.undelivered == 0:
                reached("after_event")
                self._reported.append((told.item.run_id, told.item.sequence, told.item.state))
                told.finished()
        self._wake.set()


def _holds(told: Told, written: Written) -> bool:
    """Whether the item has this outcome. A worker that was frozen comes too late with its own: another's was told."""
    if (told.item.run_id, told.item.sequence) in written.told:
        return True
    told.finished()
    return False


def _failed(told: Told, _: object) -> None:
    if not told.failed:  # there may be two topics
        told.failed = True
        told.finished()


def _without_words(row: Group) -> Group:
    """An outcome is a fact, and goes without what the tool or a rule said about it if it must."""
    return Group(
        outcomes=[replace(one, entry_details=b"{}", issues=b"[]") for one in row.outcomes],
        items=[replace(one, issues=b"[]") for one in row.items],
    )


def _parts(group: Group) -> list[Group]:
    return [Group(**{name: [row]}) for name in Group.__dataclass_fields__ for row in getattr(group, name)]


def _kind(group: Group) -> str:
    return next((name for name in Group.__dataclass_fields__ if getattr(group, name)), "nothing")


def _take(queue: "deque[Any]", most: int) -> list[Any]:
    return [queue.popleft() for _ in range(min(most, len(queue)))]
