"""A lane: the work of one administration, one thing at a time, in the order of the log."""

import asyncio
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import count
from typing import TYPE_CHECKING
from uuid import UUID

import structlog
from dagboek.database import AWAY
from dagboek.plugins import unexpected
from dagboek.runs import HELD, Next, advance, park, publish_continue, resume
from dagboek.stamp import ahead
from dagboek.starts import STARTS, Start, mark, take_back
from dagboek_schemas.events import ItemReady
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import ItemState
from dagboek_sdk import clock

from dagboek_workers.circuit import Circuit
from dagboek_workers.item_task import Changed, Finished, ItemTask, Left, LetGo, NotYet
from dagboek_workers.pushing import push_item
from dagboek_workers.trouble import stops_worker
from dagboek_workers.window import ItemSeen, Window, load_window

if TYPE_CHECKING:
    from dagboek_workers.tool_loop import ToolLoop

log = structlog.get_logger()

HELD_SECONDS = 60.0
"""Seconds after which a run that was let go is published again at the latest, if its worker is gone."""
PAUSE = 1.0
"""Seconds after which a lane tries the database again."""
TURN = 0.05
"""Seconds after which a lane asks again whether it may enter the quarantine."""


class Apart(Left):
    """The item was started before in vain: it is worked on in quarantine."""


@dataclass(slots=True)
class Work:
    """An event with what to call when it is finished."""

    event: ItemReady
    finished: Callable[[], None]
    assignment: int = 0
    """Rises whenever partitions go elsewhere."""
    at: datetime | None = None
    """When the event was written."""


@dataclass
class Lane:
    """One administration in this worker, from an assignment on."""

    loop: "ToolLoop"
    administration_id: UUID
    queue: deque[Work] = field(default_factory=deque)
    epoch: int | None = None
    window: Window | None = None
    task: "asyncio.Task[None] | None" = None
    dropped: set[tuple[UUID, int]] = field(default_factory=set)
    """Runs and generations that were let go."""
    held: set[tuple[UUID, int]] = field(default_factory=set)
    """Of them, those that are published again once the item that is at work is done."""
    current: Work | None = None
    """The work that it is at, or that waits for a place, since `began`."""
    began: float = 0.0
    circuit: Circuit = field(default_factory=Circuit)
    """Of the plugin, with what these books hold."""
    uncertain: int = 0
    """Uncertain sends in a row."""
    moved: bool = False
    """An item got its outcome since a run was parked here."""
    suspect: int = 0
    """Taken over from a process that may have died of one of so many items, the first without an outcome."""
    on_trial: bool = False
    """The start of what it is at is marked."""
    apart: bool = False
    """Its next item is worked on in quarantine."""

    def put(self, work: Work) -> None:
        """Takes an event; starts to work when the lane was idle."""
        self.queue.append(work)
        if self.task is None or self.task.done():
            self.task = asyncio.get_running_loop().create_task(self._run(), name=f"lane {self.administration_id}")

    def plugin_failed(self, reference: str) -> bool:
        """Takes an unexpected error; whether it is the plugin's, here or everywhere, and the item is to be kept."""
        here = self.circuit.failed(self.administration_id, reference)
        return self.loop.circuit.failed(self.administration_id, reference) or here

    def plugin_worked(self) -> None:
        """Takes a success of the plugin."""
        self.circuit.worked()
        self.loop.circuit.worked()

    def forget(self, assignment: int) -> None:
        """Forgets what came with `assignment` or before; what is at work goes on."""
        self.queue = deque(work for work in self.queue if work.assignment > assignment)

    @property
    def idle(self) -> bool:
        """Whether it has nothing to do, and is at nothing."""
        return not self.queue and (self.task is None or self.task.done())

    async def _run(self) -> None:
        while (self.queue or self.held) and not self.loop.stopping:
            if self.held:
                await self._publish_held()
                continue
            if self.apart and not self.loop.quarantine.enter(self):
                await asyncio.sleep(TURN)
                continue
            apart = self.apart
            work = self.queue.popleft()
            if work is not self.current:
                self.current, self.began = work, clock.boot_time()
            await self._attend(work)
            if apart:
                self.apart = False
                self.loop.quarantine.leave(self)
        self.current = None

    async def _attend(self, work: Work) -> None:
        try:
            async with self.loop.slot(work.event.tenant_id):
                await self._work(work)
        except LetGo:
            await self._release()
            self._let_go(work.event)
            work.finished()
        except asyncio.CancelledError as stray:
            if _cancelled():
                raise
            await self._fail(work, stray)
        except Apart:
            self.apart = True
            self._anew(work)
        except Changed:
            self._anew(work)
        except NotYet:
            self._anew(work)
            await asyncio.sleep(PAUSE / 4)
        except AWAY as trouble:
            log.warning("lane.database_away", run=str(work.event.run_id), error=type(trouble).__name__)
            self._anew(work)
            await asyncio.sleep(PAUSE)
        except Exception as bug:
            await self._fail(work, bug)

    async def _fail(self, work: Work, bug: BaseException) -> None:
        await self._park_after(work.event, unexpected(self.loop.name, bug))
        await self._release()
        self._let_go(work.event)
        work.finished()

    def _anew(self, work: Work) -> None:
        """The same event again, decided by what is stored then; unless the lane was taken away meanwhile."""
        self.window = None
        if self.loop.lanes.get(self.administration_id) is self:
            self.queue.appendleft(work)

    async def _work(self, work: Work) -> None:
        event = work.event
        if (event.run_id, event.generation) in self.dropped:
            work.finished()
            return
        if self.epoch is None:  # first, so that what is read below can only be changed by answers to earlier calls
            await self._take()
        window = await self._window(event)
        if window is None:
            await ahead(self.loop.db, event.run_id, event.generation, event.window, work.at)
            self._let_go(event)
            work.finished()
            return
        if window.unchecked:
            raise NotYet
        item = window.items.get(event.sequence)
        if event.ask_next:
            await publish_continue(
                self.loop.publisher, event.run_id, self.administration_id, event.generation, event.window
            )
        if item is None and not event.window_end:  # settling has put it back; it comes again in a later generation
            work.finished()
            return
        finished = work.finished
        if item is not None:
            if event.window_end:
                finished = _when_both(work.finished)
            if item.state is ItemState.PLANNED and (self.suspect or item.starts):
                await self._try(window, item, finished)
            else:
                await push_item(self, window, item, finished)
            if window.run["half_open"] and self.circuit.closed:
                await self.loop.db.run("UPDATE run SET half_open = false WHERE id = %s", event.run_id)
                window.run["half_open"] = False
        if not event.window_end:
            return
        await self.loop.recorder.written()
        await self._end_of_window(event)
        finished()

    async def _take(self) -> None:
        taken = await self.loop.take_lane(self.administration_id)
        self.epoch = taken.epoch
        if taken.suspect:
            self.suspect = self.loop.batch_size

    async def _try(self, window: Window, item: ItemSeen, finished: Finished) -> None:
        """Works on an item of which a process may have died: its start is marked first, too many are the last.

        The outcome is committed before anything else is begun, so that what dies next does not count against it.
        """
        if item.starts and not self.apart:
            raise Apart
        assert self.epoch is not None
        start = Start(window.run["id"], window.generation, item.sequence, self.administration_id, self.epoch)
        if item.starts >= STARTS:
            await stops_worker(ItemTask(self, window, item, finished))
        else:
            async with self.loop.db.connection() as connection:
                item.starts = await mark(connection, start)
            self.on_trial = True
            try:
                await push_item(self, window, item, finished)
            finally:
                self.on_trial = False
                if item.state is ItemState.PLANNED:  # by a process that lives
                    async with self.loop.db.connection() as connection:
                        item.starts = await take_back(connection, start)
        await self.loop.recorder.written()
        if self.suspect and item.state is not ItemState.PLANNED:
            self.suspect -= 1

    async def _window(self, event: ItemReady) -> Window | None:
        window = self.window
        if (
            window is not None
            and window.number == event.window
            and window.run["id"] == event.run_id
            and window.generation == event.generation
        ):
            return window
        await self.loop.recorder.written()
        self.window = await load_window(self.loop.db, event.run_id, event.generation, event.window)
        if self.window is not None and self.window.run["half_open"]:
            self.circuit.half_open()
        return self.window

    async def _end_of_window(self, event: ItemReady) -> None:
        window, self.window = self.window, None
        step = await advance(self.loop.db, event.run_id, event.generation, event.window)
        if step.next is Next.WINDOW:
            await publish_continue(
                self.loop.publisher, event.run_id, self.administration_id, step.generation, step.window
            )
        elif window is not None:
            await self.loop.release(window.run["connection_id"])

    def _let_go(self, event: ItemReady) -> None:
        self.window = None
        self.epoch = None  # if another took the lane for what was left in its queues, what comes next takes it back
        if len(self.dropped) > 100:
            self.dropped.clear()
        self.dropped.add((event.run_id, event.generation))

    # letting go of what others wait behind

    async def let_go_held(self, event: ItemReady, seconds: float) -> None:
        """Lets all of the event's run and generation go, if the lane has been at one item for `seconds`.

        Never one event alone, as those behind it would overtake it. What is in flight goes on, and its outcome is a
        fact like any other. The run is parked first, so that the database brings back what is acked here.
        """
        run, current = (event.run_id, event.generation), self.current
        if current is None or clock.boot_time() - self.began < seconds:
            return
        if run not in self.dropped:
            if not any(_run_of(work) == run for work in (current, *self.queue)):
                return  # its outcome is on the way to the brokers
            await self.loop.recorder.written()
            if self.current is not current:
                return  # it was done in the meantime
            await self._park_held(run)
        for work in (current, *self.queue):
            if _run_of(work) == run:
                work.finished()
        self.queue = deque(work for work in self.queue if _run_of(work) != run)

    async def _park_held(self, run: tuple[UUID, int]) -> None:
        """Not if it ended, was parked or resumed meanwhile: then its events are old, and dropped all the same."""
        until = clock.now() + timedelta(seconds=HELD_SECONDS)
        async with self.loop.db.transaction() as connection:
            parked = await park(connection, *run, until=until, reason=HELD, known_end=True)
        self.dropped.add(run)
        if not parked:
            return
        log.warning("run.let_go", run=str(run[0]), generation=run[1], administration=str(self.administration_id))
        self.held.add(run)
        if self.current is None:
            await self._publish_held()

    async def _publish_held(self) -> None:
        """What was let go comes again in a new generation, now that the lane is free for it."""
        await self.loop.recorder.written()  # what it was at is not planned again
        held, self.held = self.held, set()
        for run_id, generation in held:
            try:
                async with self.loop.db.connection() as connection:
                    fresh = await resume(connection, run_id, generation, only=HELD)
                if fresh is not None:
                    await publish_continue(self.loop.publisher, run_id, self.administration_id, fresh, 0)
            except Exception as trouble:  # the watchdog does it
                log.warning("lane.not_resumed", run=str(run_id), error=type(trouble).__name__)

    async def park(
        self, window: Window, seconds: float, reason: str, issue: Issue | None, *, known_end: bool = False
    ) -> None:
        """Parks the run of `window` for `seconds` and lets the rest of it go."""
        self.moved = False
        await self.loop.recorder.written()
        until = clock.now() + timedelta(seconds=seconds)
        async with self.loop.db.transaction() as connection:
            await park(
                connection,
                window.run["id"],
                window.generation,
                until=until,
                reason=reason,
                issue=issue,
                known_end=known_end,
            )
        raise LetGo

    async def _release(self) -> None:
        if self.window is not None:
            await self.loop.release(self.window.run["connection_id"])

    async def _park_after(self, event: ItemReady, issue: Issue) -> None:
        issue = issue.model_copy(update={"severity": Severity.ERROR})
        try:
            until = clock.now() + timedelta(seconds=60)
            async with self.loop.db.transaction() as connection:
                await park(connection, event.run_id, event.generation, until=until, reason="unexpected", issue=issue)
        except Exception as trouble:
            log.error("lane.park_failed", run=str(event.run_id), error=type(trouble).__name__)


def _run_of(work: Work) -> tuple[UUID, int]:
    return work.event.run_id, work.event.generation


def _when_both(finished: Finished) -> Finished:
    """To be called twice: a window's last event is finished when its result is delivered and its window is closed."""
    calls = count(1)

    def called() -> None:
        if next(calls) == 2:
            finished()

    return called


def _cancelled() -> bool:
    """Whether the lane itself is to end; a plugin may let the cancellation of something else through."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
