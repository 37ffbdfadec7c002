"""An event loop in a thread of its own for one tool: its lanes, its plugin objects, its recorder.

Plugin code runs here and nowhere else, so that a plugin that blocks stops its own tool and never the consumer.
"""

import asyncio
import contextlib
import os
import threading
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from time import monotonic
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import structlog
import uvloop
from dagboek import connections
from dagboek.database import Database, DatabaseUnavailable
from dagboek.lanes import Taken, give_back, take_lane
from dagboek.plugins import Plugins, unexpected
from dagboek.publisher import Publisher
from dagboek.sources import open_source
from dagboek.vault import Vault
from dagboek_schemas.events import ItemReady
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.http import new_session
from dagboek_sdk.source import DocumentSource

from dagboek_workers.circuit import APART, Circuit
from dagboek_workers.exchanges import Exchanges
from dagboek_workers.lane import Lane, Work
from dagboek_workers.places import Places
from dagboek_workers.quarantine import Quarantine
from dagboek_workers.recorder import Recorder

log = structlog.get_logger()

CLOSING = 5.0
"""Seconds that a plugin object may take to close."""
CALLS = 256
"""Items of one tool that are worked on at the same time, in this process."""
TENANT_CALLS = 64
"""Of them, those of one tenant."""


@dataclass
class Parts:
    """What all tool loops of a worker share."""

    database_url: str
    plugins: Plugins
    vault: Vault
    publisher: Publisher
    slot: str
    calls: int = CALLS
    tenant_calls: int = TENANT_CALLS
    holder: UUID = field(default_factory=uuid4)
    """This process, as holder of lanes."""
    quarantine: Quarantine = field(default_factory=Quarantine)


@dataclass(eq=False)
class ToolLoop:
    """The thread of one tool."""

    name: str
    parts: Parts
    lanes: dict[UUID, Lane] = field(default_factory=dict)
    series: set[tuple[UUID, str]] = field(default_factory=set)
    """Number series that are known to have a row."""
    circuit: Circuit = field(default_factory=lambda: Circuit(APART))
    """Of the plugin, over all lanes."""
    stopping: bool = False
    ticked: float = field(default_factory=monotonic)
    """When the loop last went round; a loop that does not is blocked by its plugin."""

    def __post_init__(self) -> None:
        self._stop = asyncio.Event()
        self._opened = False
        self._incoming: list[Work] = []
        self._incoming_lock = threading.Lock()
        self._tools: dict[UUID, tuple[UUID, AccountingPlugin]] = {}
        self._opening: dict[UUID, asyncio.Lock] = {}
        self._session: aiohttp.ClientSession | None = None
        self._held: dict[UUID, int] = {}
        """Epochs of the lanes that are ours and were not given back."""
        self._resting: set[UUID] = set()
        """Those of them that had nothing to do when last looked at."""
        self._start()

    def _start(self) -> None:
        """Its loop, in a thread."""
        self._loop: asyncio.AbstractEventLoop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self._main, name=f"tool {self.name}", daemon=True)
        self._thread.start()

    @property
    def publisher(self) -> Publisher:
        """The process's producer."""
        return self.parts.publisher

    @property
    def quarantine(self) -> Quarantine:
        """The process's place for items that were started before in vain."""
        return self.parts.quarantine

    @property
    def thread_id(self) -> int | None:
        """Of the thread that the loop runs in."""
        return self._thread.ident

    def executing(self) -> Lane | None:
        """The lane whose code runs at this moment; for a loop that is blocked, from another thread.

        None where that is no lane's own task, as a plugin may make tasks of its own.
        """
        task = asyncio.current_task(self._loop)
        return next((lane for lane in list(self.lanes.values()) if task is not None and lane.task is task), None)

    # called from the consumer's loop

    def submit(self, work: Sequence[Work]) -> None:
        """Hands events over; returns at once."""
        with self._incoming_lock:
            waking = not self._incoming
            self._incoming += work
        if waking:
            self._loop.call_soon_threadsafe(self._take)

    def call(self, coroutine: Coroutine[Any, Any, Any]) -> "asyncio.Future[Any]":
        """Runs a coroutine on this loop; awaitable on the caller's."""
        return asyncio.wrap_future(asyncio.run_coroutine_threadsafe(coroutine, self._loop))

    def stop(self, seconds: float) -> None:
        """Ends the loop: what is in flight gets `seconds`, what is queued is forgotten."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(seconds + 5)

    async def drop_lanes(self, assignment: int, seconds: float) -> None:
        """Forgets the work of `assignment` and of those before, and waits for what is in flight, `seconds` at most.

        A loop that was blocked gets here late: what has come with a newer assignment stays.
        """
        with self._incoming_lock:
            self._incoming = [work for work in self._incoming if work.assignment > assignment]
        if not self._opened:
            return
        dropped = []
        for key, lane in list(self.lanes.items()):
            lane.forget(assignment)
            if not lane.queue:
                del self.lanes[key]
                dropped.append(lane)
        running = [lane.task for lane in dropped if lane.task is not None and not lane.task.done()]
        if running:
            await asyncio.wait(running, timeout=seconds)
        await asyncio.wait_for(self.recorder.written(), timeout=5)
        await self._give_back([lane for lane in dropped if lane.idle])
        for connection_id in list(self._tools):
            await self.release(connection_id)

    # on this loop

    def _take(self) -> None:
        if not self._opened:
            return
        with self._incoming_lock:
            work, self._incoming = self._incoming, []
        for one in work:
            key = one.event.administration_id
            lane = self.lanes.get(key)
            if lane is None:
                lane = self.lanes[key] = Lane(self, key)
            lane.put(one)

    def _main(self) -> None:
        try:
            with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._serve())
        except BaseException as bug:
            unexpected(f"loop of {self.name}", bug)
            os._exit(70)  # its lanes would wait for ever; what is not acked comes again

    async def _serve(self) -> None:
        ticking = asyncio.create_task(self._tick())
        self._places = Places(self.parts.calls, self.parts.tenant_calls)
        if not await self._open():
            return
        self.recorder = Recorder(self.parts.database_url, self.parts.publisher, self.busy)
        self.exchanges = Exchanges(self.db)
        keeping = asyncio.create_task(self.exchanges.serve())
        self._opened = True
        self._take()
        while not self._stop.is_set():
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), timeout=1)
            await self._give_back_resting()
        keeping.cancel()
        await self._finish()
        ticking.cancel()

    async def _tick(self) -> None:
        while True:
            self.ticked = monotonic()
            await asyncio.sleep(0.5)

    async def _open(self) -> bool:
        """Opens the database, however long it is away; False when the loop is to end instead."""
        while not self._stop.is_set():
            try:
                self.db = await Database(self.parts.database_url, size=6).open()
            except DatabaseUnavailable as trouble:
                log.warning("tool_loop.database_away", tool=self.name, error=str(trouble))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stop.wait(), timeout=1)
            else:
                return True
        return False

    async def _finish(self) -> None:
        self.stopping = True
        running = [lane.task for lane in self.lanes.values() if lane.task is not None and not lane.task.done()]
        if running:
            _, late = await asyncio.wait(running, timeout=35)
            for task in late:
                task.cancel()
        await self.recorder.stop()
        await self._give_back([lane for lane in self.lanes.values() if lane.idle])
        await self.exchanges.store()
        for connection_id in list(self._tools):
            await self.release(connection_id)
        if self._session is not None:
            await self._session.close()
        await self.db.close()

    @asynccontextmanager
    async def slot(self, tenant_id: UUID) -> AsyncIterator[None]:
        """One of the places for items that are worked on at the same time; in turn, so that tenants share them."""
        await self._places.take(tenant_id)
        try:
            yield
        finally:
            self._places.give_back(tenant_id)

    def busy(self) -> int:
        """Lanes that are at work."""
        return self._places.busy

    async def let_go_held(self, event: ItemReady, seconds: float) -> None:
        """Lets the run of `event` go, which all of its partition waits behind, if its lane is at one item that long."""
        lane = self.lanes.get(event.administration_id)
        if lane is not None:
            await lane.let_go_held(event, seconds)

    async def take_lane(self, administration_id: UUID) -> Taken:
        """Raises the lane's epoch, so that nobody else gets an intent for it."""
        async with self.db.connection() as connection:
            taken = await take_lane(connection, administration_id, self.parts.slot, self.parts.holder)
        self._held[administration_id] = taken.epoch
        return taken

    async def _give_back_resting(self) -> None:
        """Gives back the lanes that had nothing to do for a second or two, in one statement."""
        idle = {key for key in self._held if (lane := self.lanes.get(key)) is not None and lane.idle}
        await self._give_back([self.lanes[key] for key in idle & self._resting])
        self._resting = idle

    async def _give_back(self, lanes: Sequence[Lane]) -> None:
        """Whoever takes these next has nothing to suspect; we too take them anew."""
        epochs = {}
        for lane in lanes:
            lane.epoch = lane.window = None
            if (epoch := self._held.pop(lane.administration_id, None)) is not None:
                epochs[lane.administration_id] = epoch
        if not epochs:
            return
        try:
            async with self.db.connection() as connection:
                await give_back(connection, epochs)
        except Exception as trouble:  # they are taken for suspect then: that costs a mark each
            log.warning("lanes.not_given_back", tool=self.name, error=type(trouble).__name__)

    async def tool(self, run: Mapping[str, Any]) -> AccountingPlugin:
        """The plugin object of a run's connection; made anew for each run, since its login may have changed.

        ConnectionProblem when the connection cannot be used.
        """
        connection_id, run_id = run["connection_id"], run["id"]
        found = self._tools.get(connection_id)
        if found is not None and found[0] == run_id:
            return found[1]
        await self.release(connection_id)
        async with self._opening.setdefault(connection_id, asyncio.Lock()):
            if self._session is None:
                about = self.parts.plugins.tool(self.name).about
                self._session = new_session(about.call_deadline, self.parts.calls, keep=about.keeps_connections)
            tool = await connections.open_tool(
                self.db,
                self.parts.plugins,
                self.parts.vault,
                connection_id,
                session=self._session,
                record=partial(self.exchanges.keep, run["administration_id"], run_id),
            )
            self._tools[connection_id] = (run_id, tool)
            return tool

    @property
    def batch_size(self) -> int:
        """How many documents the tool takes in one call."""
        return self.parts.plugins.tool(self.name).about.batch_size

    @property
    def title(self) -> str:
        """The tool's name for people."""
        return self.parts.plugins.tool(self.name).about.title

    @asynccontextmanager
    async def source(self, source_id: UUID, entity_id: UUID) -> AsyncIterator[DocumentSource]:
        """The source that a document came from."""
        source = await self.db.one("SELECT * FROM source WHERE id = %s", source_id)
        entity = await self.db.one("SELECT * FROM entity WHERE id = %s", entity_id)
        assert source is not None and entity is not None
        reader = open_source(self.db, self.parts.plugins, source, entity)
        try:
            yield reader
        finally:
            await reader.close()

    async def release(self, connection_id: UUID) -> None:
        """Its run goes on elsewhere, later, or not at all: the connection's plugin object is closed."""
        found = self._tools.pop(connection_id, None)
        self._opening.pop(connection_id, None)
        if found is not None:
            try:
                async with asyncio.timeout(CLOSING):
                    await found[1].close()
            except Exception as bug:
                log.warning("tool.not_closed", tool=self.name, error=type(bug).__name__)
