"""One trial: set up, kill and mislead while documents are booked, heal, wait, compare."""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp
from dagboek_schemas.topics import Topic

from dagboek.chaos.asking import Asking
from dagboek.chaos.audit import audit
from dagboek.chaos.processes import Killer
from dagboek.chaos.report import Report, report
from dagboek.chaos.sandboxes import Tool, sandboxes_of
from dagboek.chaos.schedule import Kill, Schedule, Wishes, schedule
from dagboek.chaos.told import records, told
from dagboek.cli.children import Child, child_environment
from dagboek.cli.up import working
from dagboek.database import AWAY, Database, migrate
from dagboek.embedded import Services
from dagboek.plugins import Plugins
from dagboek.publisher import Publisher
from dagboek.settings import Settings
from dagboek.topics import ensure_topics
from dagboek.vault import vault_for

TICK: Final = 0.2
LONGER: Final = 1.5
"""How many times the time that was wished for the chaos may last."""
MOST: Final = 0.9
"""Share of the documents that are booked by its end, if it does not take longer."""
PATIENCE: Final = 180.0
"""Seconds without any progress, all being healed, after which a trial stops to wait."""
AGAIN: Final = 5
"""How often a connection is synchronised after the healing, until a run ends in Success."""


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a trial is."""

    seconds: float
    phase: str
    documents: int
    given_out: int
    booked: int
    kills: int


Show = Callable[[Progress], None]


@dataclass
class Trial:
    """Everything of one trial that goes on."""

    wishes: Wishes
    plan: Schedule
    tools: Sequence[Tool]
    asking: Asking
    killer: Killer
    show: Show
    begun: float = field(default_factory=time.monotonic)
    phase: str = "chaos"
    counts: dict[str, int] = field(default_factory=dict)
    """Documents in the books, by their ids, as last seen."""
    lanes: dict[str, frozenset[str]] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Since the chaos began."""
        return time.monotonic() - self.begun

    @property
    def booked(self) -> int:
        """Documents of ours that stand in the books."""
        return sum(self.counts.get(one.books, 0) for one in self.asking.customers)

    async def chaos(self) -> None:
        """Gives out documents and kills, by the schedule."""
        lots, retries, kills = ([*rows] for rows in (self.plan.lots, self.plan.retries, self.plan.kills))
        while lots or retries or kills or not self._enough():
            while lots and lots[0].at <= self.seconds:
                await self.asking.give_out(lots.pop(0))
            while retries and retries[0].at <= self.seconds:
                self.asking.ask_alone(retries.pop(0))
            while kills and self._time_for(kills[0]):
                self.killer.start(kills.pop(0))
            self.asking.ask()
            await asyncio.sleep(TICK)

    def _enough(self) -> bool:
        """A slow machine is given longer: what is booked after the healing proves little."""
        share = self.seconds / self.wishes.seconds
        return share >= LONGER or (share >= 1 and self.booked >= MOST * self.wishes.documents)

    def _time_for(self, kill: Kill) -> bool:
        """At its share of the documents; where the tool and earlier kills keep them up, some time after its time."""
        late = self.seconds >= self.wishes.seconds * kill.at * LONGER
        return self.booked >= kill.at * self.wishes.documents or late

    async def heal(self) -> Counter[str]:
        """No more faults, no more kills, all processes there: how often each fault struck."""
        self.phase = "healing"
        struck = Counter[str]()
        for tool in self.tools:
            for fault in (await tool.books.look("faults"))["faults"]:
                if fault["probability"] < 1:  # else it is how slow the tool is
                    struck[fault["kind"]] += fault["struck"]
            await tool.books.do("faults", off=True)
        await self.killer.done()
        await self.asking.settled()
        return struck

    async def finish(self) -> bool:
        """Synchronises until everything is final; False when nothing moves any more."""
        self.phase = "finishing"
        healed = (await self.asking.db.one("SELECT now() AS at") or {})["at"]
        tries: Counter[int] = Counter()
        moved, last = time.monotonic(), None
        while True:
            latest = await self.asking.latest()
            for place in range(self.wishes.connections):
                run = latest.get(place)
                done = run is not None and run["requested_at"] > healed and run["done"]
                ready = run is None or (run["state"] == "ended" and not run["waits"])
                if ready and not done and tries[place] < AGAIN:
                    tries[place] += 1
                    self.asking.due.add(place)
            self.asking.ask()
            await self.asking.settled()
            await self.asking.consent_again()
            now = await self.asking.left_open()
            if now == (0, 0) and not self.asking.due:
                return True
            if (now, self.booked) != last:
                moved, last = time.monotonic(), (now, self.booked)
            if time.monotonic() - moved > PATIENCE:
                return False
            await asyncio.sleep(1)

    async def watch(self) -> None:
        """Looks into the books, moves what is parked, and shows how far it is; servers may be away."""
        while True:
            with suppress(aiohttp.ClientError, TimeoutError):
                self.counts = {books: count for tool in self.tools for books, count in (await tool.counts()).items()}
            self.show(
                Progress(
                    self.seconds,
                    self.phase,
                    self.wishes.documents,
                    self.asking.given_out,
                    self.booked,
                    len(self.killer.struck),
                )
            )
            await asyncio.sleep(TICK)

    async def look_after(self) -> None:
        """What is read from the database all the while."""
        while True:
            with suppress(*AWAY):
                found = await self.asking.lanes()
                self.lanes.clear()
                self.lanes.update(found)
                await self.asking.hurry()
                await self.asking.pass_time()
            await asyncio.sleep(1)


async def trial(
    wishes: Wishes,
    settings: Settings,
    services: Services,
    children: Sequence[Child],
    sandbox: Path | None,
    show: Show,
    ended: Sequence[str],
) -> Report:
    """One trial on services that answer; nothing of it runs afterwards. `ended` collects what the supervisor tells."""
    plugins = Plugins()
    async with sandboxes_of(plugins, wishes.tools, sandbox) as tools:
        plan = schedule(wishes, [tool.target for tool in tools])
        # what a killed process leaves goes with the rest
        environment = {**child_environment(settings, services), "TMPDIR": str(settings.data_dir)}
        await asyncio.gather(
            asyncio.to_thread(migrate, services.database_url),
            asyncio.to_thread(
                ensure_topics, services.kafka_bootstrap, settings, security=dict(services.kafka_security)
            ),
        )
        async with (
            working(children, environment),
            Database(services.database_url, size=10) as db,
            _publisher(settings, services) as publisher,
            _limits_lifted(tools),
        ):
            asking = Asking(db, publisher, plugins, vault_for(settings), tools, wishes, settings.data_dir / "documents")
            show(Progress(0, "connecting", wishes.documents, 0, 0, 0))
            await asking.connect()
            lanes: dict[str, frozenset[str]] = {}
            killer = Killer(children, services.embedded, lambda slot: lanes.get(slot, frozenset()))
            one = Trial(wishes, plan, tools, asking, killer, show, lanes=lanes)
            return await _perform(one, settings, services, ended)


async def _perform(one: Trial, settings: Settings, services: Services, ended: Sequence[str]) -> Report:
    for tool in one.tools:
        for fault in one.plan.faults:
            if fault.tool == tool.name:
                await tool.books.do("faults", **fault.body())
        for operation in tool.target.booking:
            await tool.books.do("faults", kind="latency", operation=operation, seconds=one.plan.latency)
    begun = time.time()
    async with _beside(one.watch(), one.look_after()):
        await one.chaos()
        struck = await one.heal()
        finished = await one.finish()
    entries = [
        row
        for tool in one.tools
        for row in await tool.entries([mine.books for mine in one.asking.customers if mine.tool is tool])
    ]
    topic = Topic.RESULTS.named(settings.topic_prefix)
    heard = await asyncio.to_thread(lambda: told(records(services, topic)))
    found = await audit(one.asking.db, one.asking.asked(), entries, heard)
    found.parties += await one.asking.doubled()
    await one.asking.finish(entries)
    return report(
        one.wishes,
        one.plan,
        found,
        one.asking.flow,
        kills=one.killer.struck,
        missed=one.killer.missed,
        slow=one.killer.slow,
        faults=struck,
        runs=await one.asking.statuses(),
        reconnected=one.asking.reconnected,
        ended=[*ended],
        finished=finished,
        begun=begun,
        seconds=time.time() - begun,
    )


@asynccontextmanager
async def _beside(*work: Any) -> AsyncIterator[None]:
    """Does these meanwhile; what fails there fails the whole."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one) for one in work]
        yield
        for task in tasks:
            task.cancel()


@asynccontextmanager
async def _publisher(settings: Settings, services: Services) -> AsyncIterator[Publisher]:
    publisher = Publisher(services.kafka_bootstrap, settings.topic_prefix, services.kafka_security)
    try:
        yield publisher
    finally:
        await asyncio.to_thread(publisher.close)


@asynccontextmanager
async def _limits_lifted(tools: Sequence[Tool]) -> AsyncIterator[None]:
    """A trial is not about how many calls a day are allowed; faults that it switched on go with it."""
    before = [(await tool.books.look("limits"))["on"] for tool in tools]
    for tool in tools:
        await tool.books.do("limits", on=False)
    try:
        yield
    finally:
        for tool, on in zip(tools, before, strict=True):
            with suppress(aiohttp.ClientError):
                await tool.books.do("limits", on=on)
                await tool.books.do("faults", off=True)
