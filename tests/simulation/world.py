"""One seed: an installation with its processes, its tools and what goes wrong, in one thread and in virtual time."""

import asyncio
import functools
import hashlib
import json
from collections.abc import Awaitable, Callable
from contextvars import Context
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from uuid import UUID

from confluent_kafka import KafkaException
from dagboek import contexts, resolve, runs
from dagboek.database import AWAY, IDLE_SECONDS, TOGETHER_SECONDS, Database, Jsonb, place_of
from dagboek.plugins import Plugins, unexpected
from dagboek.resolve import CannotResolve
from dagboek.runs import AlreadyRunning, NotReadyToSync, request_run
from dagboek.service import CoreService
from dagboek.settings import Settings
from dagboek.vault import Vault
from dagboek_schemas.cloudevents import Record
from dagboek_schemas.documents import Address, Direction, Document, Kind, Party, Totals
from dagboek_schemas.statuses import Trigger
from dagboek_schemas.topics import Topic
from dagboek_sdk.accounting import Settling
from dagboek_sdk.settings import ConnectionSettings
from dagboek_workers.app import REVOKE_SECONDS
from dagboek_workers.dispatcher import Dispatcher
from dagboek_workers.tool_loop import Parts, ToolLoop
from simulation.database import Lines, Server
from simulation.invariants import Broken, acked_undone, acked_unheard, check
from simulation.jobs import CALLED, CALLED_JOBS, IDLE
from simulation.log import LOG, Group, Kept, Log, Member, SimPublisher
from simulation.loop import PROCESS, Process, VirtualLoop
from simulation.tool import BATCH, CHARACTERS, GROSS, NETWORK, SHELVES, Books, Hooks, Network, Shelf

EPOCH = datetime(2026, 3, 2, 8, 0, tzinfo=UTC)
TROUBLE = 25.0
"""Seconds in which things go wrong; after that everything is whole again."""
PATIENCE = 1200.0
"""Seconds in which what has begun must have ended, once nothing goes wrong any more."""
ROUNDS = 6
"""Runs after which every document must be final, with a person who decides what is asked."""

WORLDS: "dict[str, World]" = {}
"""The world of this moment, under `it`."""

VAULT = Vault(["MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="])
LOGIN = VAULT.encrypt({})


@functools.cache
def _plugins() -> Plugins:
    plugins = Plugins(entry_points=False)
    plugins.register(Hooks())
    nothing: Any = lambda *_: []  # noqa: E731
    plugins.validate_document = plugins.validate_party = nothing  # type: ignore[method-assign]
    return plugins


class SimToolLoop(ToolLoop):
    """Production's tool loop; only its thread is a task here."""

    def _start(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._serving = asyncio.create_task(self._serve(), name=f"tool {self.name}")
        self._serving.add_done_callback(_report)

    def stop(self, seconds: float) -> None:
        self._stop.set()

    async def _tick(self) -> None:
        """Nothing blocks it."""


def _report(task: "asyncio.Task[Any]") -> None:
    if not task.cancelled() and task.exception() is not None:
        unexpected("tool loop", cast("BaseException", task.exception()))


@dataclass(frozen=True)
class Focus:
    """What a seed is to be about, where not everything is to be drawn: the faults that a safeguard is there for."""

    characters: tuple[str, ...] = tuple(CHARACTERS)
    slots: tuple[int, ...] = (1, 2, 2)
    administrations: tuple[int, ...] = (1, 1, 1, 1, 1, 1, 2, 3)
    documents: tuple[int, ...] = (1, 1, 2, 2, 3, 5)
    """Of each administration."""
    frozen_at: tuple[int, ...] = (0, 0, 0, 1, 2, 3)
    fuses: float = 0.4
    """How likely a process is to end, or to freeze, at one of its steps."""
    early: tuple[str, ...] = ()
    """Faults that happen for certain, in the first seconds."""
    others: tuple[int, ...] = (0, 1, 1, 2, 4)
    """How many other faults there are."""
    weather: tuple[float, ...] = (0.0, 0.15, 0.4)
    """How likely each kind of trouble of the tool is to be there at all."""
    certain: tuple[str, ...] = ()
    """Kinds that are there for certain."""


class World:
    """An installation. `trace` is what happened, in order: the same for the same seed."""

    def __init__(self, seed: int, server: Server, focus: Focus = Focus()) -> None:
        self.seed = seed
        self.focus = focus
        self.rng = Random(seed)
        self.loop = VirtualLoop()
        self.server = server
        self.lines = Lines(server, lambda: EPOCH.timestamp() + self.loop.time())
        self.trace: list[tuple[Any, ...]] = []
        self.faults: list[tuple[str, str]] = []
        """Invariants that were found broken on the way."""
        self.activity = 0
        self.called: dict[str, asyncio.Event] = {}
        """Calls a job of the core."""
        self.open = True
        """Not all runs have ended."""
        self.trouble = True
        self.processes: dict[str, Process] = {}
        self.background: set[asyncio.Task[Any]] = set()
        self.fuses: dict[Process, int] = {}
        self.counts: dict[str, int] = {}

    # what it consists of

    def _prepare(self) -> None:
        rng = self.rng
        self.log = LOG["it"] = Log(self.loop, partitions=rng.choice((1, 1, 2)))
        self.network = NETWORK["it"] = Network(self.loop, Random(rng.random()))
        self.log.written = self._written
        self.log.committing = self._committing
        self.told: set[tuple[str, int]] = set()
        """Items of which an outcome is on the results topic."""
        self.left_to_core: set[tuple[str, int]] = set()
        """Items that were given their outcome by the core, and are told by it: a worker acks them without a word."""
        self.gaps = False
        """The log has lost records."""
        self.group = Group(self.log)
        self.slots = ["1", "2"][: rng.choice(self.focus.slots)]
        self.small = Random(rng.random())
        """For what happens often: how long a statement or a record takes."""
        self.log.latency = lambda: self.small.uniform(0.001, 0.03 if self.small.random() < 0.8 else 0.8)
        self.lines.latency = self._latency
        self.lines.arriving = self.lines.answered = self._statement
        self.network.trace = self.note
        self.network.sending = self._step
        self.frozen_at = rng.choice(self.focus.frozen_at)
        """The intent at which its process is frozen, once; none where 0."""
        self.calm = True
        """No process was killed, frozen or cut off, and no topic made anew."""
        self.uncertain: set[str] = set()
        """Runs in which an attempt was uncertain."""
        self.plugins = _plugins()
        SHELVES.clear()
        contexts._parsed = contexts._ParsedContexts(contexts.KEPT_ROWS)  # of another world's processes
        self.db = Database(self.server.url)
        self.publisher = SimPublisher("", "sim")
        self.connections: list[Connected] = []
        self.quick = rng.random() < 0.5

    def _latency(self) -> tuple[float, float]:
        took = self.small.uniform(0.0005, 0.006)
        return (took, 0.0) if self.small.random() < 0.5 else (0.0, took)

    async def _set_up(self) -> None:
        row = await self.db.one("INSERT INTO tenant (name) VALUES ('T') RETURNING id")
        assert row is not None
        self.tenant = row["id"]
        await self.db.run("INSERT INTO source (tenant_id, plugin, name) VALUES (%s, 'sim', 's')", self.tenant)
        for number in range(self.rng.choice(self.focus.administrations)):
            await self._connect(number)

    async def _connect(self, number: int) -> None:
        rng, name = self.rng, f"E{number}"
        character = rng.choice(self.focus.characters)
        about = CHARACTERS[character].about
        row = await self.db.one(
            """WITH e AS (INSERT INTO entity (tenant_id, name, vat_number)
                          VALUES (%(tenant)s, %(name)s, %(vat)s) RETURNING id),
                    l AS (INSERT INTO login (tenant_id, plugin, tool_user, settings)
                          VALUES (%(tenant)s, %(plugin)s, %(name)s, %(login)s) RETURNING id),
                    a AS (INSERT INTO administration (tenant_id, plugin, host, tool_id, name, looked_up_at)
                          VALUES (%(tenant)s, %(plugin)s, 'h', %(name)s, %(name)s, now()) RETURNING id),
                    c AS (INSERT INTO connection (tenant_id, entity_id, administration_id, login_id, plugin, state)
                          SELECT %(tenant)s, e.id, a.id, l.id, %(plugin)s, 'connected' FROM e, a, l RETURNING id),
                    m AS (INSERT INTO mapping_context (connection_id, version, settings, lists)
                          SELECT c.id, 1, %(settings)s, '{}' FROM c)
               SELECT c.id, a.id AS administration_id FROM c, a""",
            {
                "tenant": self.tenant,
                "name": name,
                "vat": f"BE040000000{number}",
                "plugin": character,
                "login": LOGIN,
                "settings": Jsonb(ConnectionSettings().model_dump(mode="json")),
            },
        )
        assert row is not None
        shelf = SHELVES[name] = Shelf()
        books = self.network.books[name] = Books(about.settling, later="later" in character)
        made = Connected(row["id"], row["administration_id"], name, character, shelf, books)
        for at in range(rng.choice(self.focus.documents) + (BATCH if about.batch_size > 1 else 0)):
            self._write_document(made, at)
        if rng.random() < 0.25:
            books.refuses.add(rng.choice(list(shelf.documents)))
            if rng.random() < 0.5:
                books.broken |= books.refuses
        if books.later and rng.random() < 0.3:
            books.rejects.add(rng.choice(list(shelf.documents)))
        self.connections.append(made)

    def _write_document(self, connected: "Connected", at: int, order: str = "as first seen") -> None:
        number = f"{connected.name}-{at:03}"
        customer = self.rng.randint(0, 2) if number not in connected.customers else connected.customers[number]
        connected.customers[number] = customer
        connected.shelf.documents[number] = Document(
            kind=Kind.INVOICE if at % 4 != 3 else Kind.CREDIT_NOTE,
            direction=Direction.SALES,
            number=number,
            issue_date=date(2026, 1, 1) + timedelta(days=at),
            currency="EUR",
            order_reference=order,
            seller=Party(name=connected.name),
            buyer=Party(name=f"C{customer}", source_id=f"C{customer}", address=Address(country="BE")),
            lines=(),
            totals=Totals(lines=GROSS, net=GROSS, vat=GROSS - GROSS, gross=GROSS, payable=GROSS),
        )
        connected.shelf.fingerprints[number] = order

    # what is told

    def note(self, what: str, process: Process | None = None, *given: Any) -> None:
        """Adds to the trace."""
        self.activity += 1
        self.trace.append((round(self.loop.time(), 6), what, process.name if process else "", *given))

    def _written(self, kept: Kept) -> None:
        told = json.loads(kept.value or b"{}")
        if kept.topic is Topic.RESULTS and "sequence" in told:
            self.told.add((told["run_id"], told["sequence"]))
        shown = [told[name] for name in ("generation", "window", "sequence", "state", "status") if name in told]
        run = told["run_id"][:8]
        self.note("record", None, str(kept.topic), kept.partition, kept.offset, run, told.get("component", ""), *shown)

    def _committing(self, kept: Kept) -> None:
        data = json.loads(kept.value or b"{}")
        item = (data["run_id"], data["sequence"])
        if item in self.told or item in self.left_to_core:
            return
        event = (data["run_id"], data["sequence"], data["generation"], data["window"])
        fault = acked_unheard(self, *event)
        if fault is not None:
            self.broken("a result is delivered before its event is acked", fault)
        if self.calm and data["run_id"] not in self.uncertain and "parties" not in data["tool"]:
            fault = acked_undone(self, *event)
            if fault is not None:
                self.broken("nothing is acked before it is done", fault)

    def seconds(self, moment: datetime) -> float:
        """A time of the database as time of the loop."""
        return (moment - EPOCH).total_seconds()

    def broken(self, invariant: str, told: str) -> None:
        """Notes a broken invariant; the seed fails in the end."""
        self.faults.append((invariant, told))
        self.note("BROKEN", None, invariant, told)

    def logged(self, event: str, given: dict[str, Any]) -> None:
        """What production logs."""
        process = PROCESS.get()
        if self.lines.over or (process is not None and process.dead):
            return
        self.note("log", process, event, {name: self._shown(value) for name, value in given.items() if name in _SHOWN})
        if event == "item.uncertain":
            self.uncertain.add(given["run"])
        if event == "booked.twice":
            self.broken("one entry per document", f"link {given['link']}, by production's own account")
        if event in _FAULTS:
            self.broken("no fault of a program", f"{event} {given}")

    def _shown(self, value: Any) -> str:
        """Without the database's name and the places of rows, which are others each time."""
        return str(value).partition("\n")[0].replace(place_of(self.server.url), "the database")

    def exited(self, status: int) -> None:
        """Production gave up a process."""
        process = PROCESS.get()
        if process is not None and not process.dead:
            self.broken("no fault of a program", f"{process.name} ended itself with {status}")
            self.kill(process)

    # processes

    def start_core(self) -> None:
        process = self._new("core")
        stop = process.context().run(asyncio.Event)
        settings = Settings(
            topic_prefix="sim", partitions=self.log.number, nightly="01:00-05:00", time_zone="UTC", smtp_host=None
        )
        services: Any = SimpleNamespace(kafka_bootstrap="", database_url=self.server.url)
        service = CoreService(settings, services, self.plugins, VAULT)
        self.loop.start(process, self._kept_up(lambda: service.run(stop)), "core")

    def start_worker(self, slot: str) -> None:
        process = self._new(f"worker {slot}")
        self.loop.start(process, self._kept_up(lambda: self._work(process, slot)), process.name)

    def _new(self, name: str) -> Process:
        number = self.counts[name] = self.counts.get(name, 0) + 1
        process = Process(f"{name}#{number}")
        self.processes[name] = process
        if self.trouble and self.rng.random() < self.focus.fuses:
            self.fuses[process] = self.rng.choice((10, 40, 100, 200))
            self.fuses[process] = self.rng.randint(1, self.fuses[process])
        return process

    async def _kept_up(self, work: Callable[[], Awaitable[None]]) -> None:
        """A process whose database is away at its start is started again, as by whoever supervises it."""
        while True:
            try:
                await work()
            except (*AWAY, KafkaException):
                await asyncio.sleep(1)
            except Exception as bug:
                unexpected("main", bug)
                return

    async def _work(self, process: Process, slot: str) -> None:
        """What Faust does for a worker: hand over what comes, revoke, commit what was acked."""
        publisher = SimPublisher("", "sim")
        holder = UUID(int=self.rng.getrandbits(128), version=4)
        parts = Parts(self.server.url, self.plugins, VAULT, publisher, slot, holder=holder)
        member = Member(slot, process, self.loop.time())
        dispatcher = Dispatcher(parts, lambda kept: self._ack(member, kept))
        commit_at, idle = 0.0, 0.05
        while True:
            if not self.group.owns(member):
                if member.generation is not None:
                    self.note("revoke", process)
                    await dispatcher.revoke(REVOKE_SECONDS)
                await self.group.join(member)
                self.note("assigned", process, dict(member.positions))
                continue
            taken = self._poll(dispatcher, member)
            if self.loop.time() >= commit_at:
                dispatcher.let_go_held()
                self.group.commit(member)
                commit_at = self.loop.time() + 1.0
            idle = 0.03 if taken else min(idle * 2, 0.3 if member.acked else 1.5)
            await asyncio.sleep(idle)

    def _poll(self, dispatcher: Dispatcher, member: Member) -> int:
        if self.log.away:
            return 0
        taken = 0
        for number in member.positions:
            partition = self.log.partitions[Topic.DOCUMENTS][number]
            if not partition.first <= member.positions[number] <= partition.next:
                member.positions[number] = partition.first
            for kept in partition.read(member.positions[number]):
                member.positions[number] = kept.offset + 1
                taken += 1
                dispatcher.take(kept, kept, "sim.documents")
        self.activity += taken
        return taken

    def _ack(self, member: Member, kept: Kept) -> None:
        # as Faust: what is acked beyond a gap is committed all the same
        member.acked[kept.partition] = max(member.acked.get(kept.partition, 0), kept.offset + 1)

    # faults

    def _step(self, process: Process | None) -> None:
        """A process has come to where it talks to somebody: this may be its end."""
        if process is None or not self.trouble:
            return
        left = self.fuses.get(process)
        if left is None:
            return
        self.fuses[process] = left - 1
        if left > 1:
            return
        del self.fuses[process]
        if self.rng.random() < 0.6:
            self.kill(process)
        else:
            self.freeze(process)

    def reached(self, name: str) -> None:
        """A fault point of production: these are the moments that matter."""
        process = PROCESS.get()
        if process is None or process.dead or not self.trouble:
            return
        self._step(process)
        if name == "before_intent":
            self.frozen_at -= 1
            if self.frozen_at == 0:  # it is granted meanwhile, or not
                self.later(self.rng.uniform(0.001, 0.04), self.freeze, process, self.rng.choice((30.0, 60.0, 90.0)))

    def _statement(self, process: Process, _: Any) -> None:
        if process.name[0] == "w":
            self.activity += 1
        self._step(process)

    def kill(self, process: Process) -> None:
        """As kill -9. It is started again after a while."""
        if process.dead:
            return
        self.note("kill", process)
        process.dead = True
        self._cut(process)
        self.calm = False
        self._send_some(process)
        self.later(self.rng.choice((0.3, 2.0, 2.0, 14.0)), self._restart, process)

    def _send_some(self, process: Process) -> None:
        """Of the records that it was sending the first ones are on the wire: a producer keeps their order."""
        for sent in process.in_flight[: self.rng.randint(0, len(process.in_flight))]:
            sent.on_wire = True

    def _restart(self, process: Process) -> None:
        name = process.name.partition("#")[0]
        if self.processes[name] is process:
            self.note("start", process)
            if name == "core":
                self.start_core()
            else:
                self.start_worker(name.removeprefix("worker "))

    def freeze(self, process: Process, seconds: float | None = None) -> None:
        """As SIGSTOP, and after a while SIGCONT."""
        if process.dead or process.frozen:
            return
        seconds = seconds or self.rng.choice((1.0, 6.0, 12.0, 25.0, 60.0))
        self.note("freeze", process, seconds)
        process.frozen = True
        self.calm = False
        self._send_some(process)
        self.later(IDLE_SECONDS, self._end_transactions, process, False)
        self.later(TOGETHER_SECONDS, self._end_transactions, process, True)
        self.later(seconds, self.thaw, process)

    def thaw(self, process: Process) -> None:
        if process.frozen:
            self.note("thaw", process)
            self.loop.thaw(process)

    def _end_transactions(self, process: Process, together: bool) -> None:
        """What `idle_in_transaction_session_timeout` does, and for those that go together `transaction_timeout`."""
        if process.frozen:
            self.server.end_idle(process.connections, together=together)

    def _cut(self, process: Process) -> None:
        self.calm = False
        for connection in process.connections:
            self.server.give_back(connection)
        process.connections.clear()

    def later(self, seconds: float, what: Callable[..., None], *given: Any) -> None:
        """Something of the world itself."""
        self.loop.call_later(seconds, what, *given, context=Context())

    def background_task(self, work: Any) -> None:
        task = self.loop.create_task(work)
        self.background.add(task)
        task.add_done_callback(self.background.discard)

    def _plan_trouble(self) -> None:
        rng, weather = self.rng, self.network.weather
        chance = rng.choice(self.focus.weather)
        for name in (
            "late", "lost", "unanswered", "failed", "failed_after", "reset_after", "maintenance", "twice", "throttled",
            "unreachable", "midway",
        ):  # fmt: skip
            if name in self.focus.certain or rng.random() < chance:
                setattr(weather, name, rng.uniform(0.03, 0.25))
        lost, twice = rng.choice((0.0, 0.3)), rng.choice((0.0, 0.3))
        draw = Random(rng.random())
        self.log.fate = lambda topic: self._fate(topic, draw.random(), lost, twice)
        for kind in self.focus.early:
            self.later(rng.uniform(0.3, 3.0), self._trouble, kind)
        for _ in range(rng.choice(self.focus.others)):
            kind = rng.choice(_TROUBLE)
            self.later(rng.uniform(0.1, rng.choice((4.0, TROUBLE))), self._trouble, kind)
        for kind in ("typed", "repeat"):
            if rng.random() < 0.35:
                self.later(rng.uniform(0.4, 4.0), self._trouble, kind)

    def _trouble(self, kind: str) -> None:
        """Strikes; not any more once all is well, which a world with nothing left to do is before its time."""
        if self.trouble:
            getattr(self, "_trouble_" + kind)()

    def _fate(self, topic: Topic, drawn: float, lost: float, twice: float) -> int:
        if not self.trouble or topic not in (Topic.COMMANDS, Topic.DOCUMENTS):
            return 1
        if topic is Topic.COMMANDS and drawn < lost:
            return 0
        return 2 if drawn > 1 - (twice if topic is Topic.COMMANDS else 0.05) else 1

    def _worker(self) -> Process:
        return self.processes[f"worker {self.rng.choice(self.slots)}"]

    def _trouble_kill_worker(self) -> None:
        self.kill(self._worker())

    def _trouble_kill_core(self) -> None:
        self.kill(self.processes["core"])

    def _trouble_freeze_worker(self) -> None:
        self.freeze(self._worker())

    def _trouble_freeze_core(self) -> None:
        self.freeze(self.processes["core"])

    def _trouble_cut(self) -> None:
        process = self.rng.choice(list(self.processes.values()))
        self.note("cut", process)
        self._cut(process)

    def _trouble_database_away(self) -> None:
        self.note("database away")
        self.lines.away = True
        for process in self.processes.values():
            self._cut(process)
        self.later(self.rng.choice((0.5, 4.0, 12.0)), self._database_back)

    def _database_back(self) -> None:
        self.lines.away = False

    def _trouble_broker_away(self) -> None:
        self.log.away_until = self.loop.time() + self.rng.choice((1.0, 5.0, 15.0))
        self.note("brokers away", None, self.log.away_until)

    def _trouble_retention(self) -> None:
        topic = self.rng.choice((Topic.DOCUMENTS, Topic.DOCUMENTS, Topic.COMMANDS))
        partition = self.rng.randrange(self.log.number)
        self.gaps = True
        self.note("retention", None, topic, self.log.forget(topic, partition, self.rng.randint(1, 6)))

    def _trouble_topic_anew(self) -> None:
        topic = self.rng.choice((Topic.DOCUMENTS, Topic.DOCUMENTS, Topic.COMMANDS))
        self.gaps = True
        self.calm = False  # offsets of the old one are committed in the new one, and what is passed over comes again
        self.note("topic made anew", None, topic)
        self.log.make_anew(topic)

    def _trouble_rebalance(self) -> None:
        if self.group.stable:
            self.note("rebalance")
            self.group.rebalance()

    def _trouble_redelivery(self) -> None:
        """The group's offsets are set back, as by a commit that was lost."""
        for number in range(self.log.number):
            at = self.log.committed.get((Topic.DOCUMENTS, number), 0)
            self.log.committed[Topic.DOCUMENTS, number] = max(0, at - self.rng.randint(1, 5))
        self._trouble_rebalance()

    def _trouble_repeat(self) -> None:
        """Somebody publishes old events once more."""
        old = [one for one in self.log.all if one.topic is Topic.DOCUMENTS]
        if not old:
            return
        at = self.rng.randrange(len(old))
        self.note("repeat", None, at)
        for one in old[at : at + self.rng.randint(1, 6)]:
            self.log.append(one.topic, Record(one.key or b"", one.value or b"", list((one.headers or {}).items())))
        self.later(self.rng.uniform(1, 8), self._trouble_repeat_once_more)

    def _trouble_repeat_once_more(self) -> None:
        if self.trouble and self.rng.random() < 0.6:
            self._trouble_repeat()

    def _trouble_behind(self) -> None:
        """Later, when runs that were parked go on, workers are away, and then begin earlier than they had come."""
        for _ in range(2):
            self.later(self.rng.uniform(20, 70), self._fall_behind)

    def _fall_behind(self) -> None:
        for slot in self.slots:
            self.kill(self.processes[f"worker {slot}"])
        for number in range(self.log.number):
            at = self.log.committed.get((Topic.DOCUMENTS, number), 0)
            self.log.committed[Topic.DOCUMENTS, number] = max(0, at - self.rng.randint(1, 5))

    def _trouble_source_away(self) -> None:
        shelf = self.rng.choice(list(SHELVES.values()))
        shelf.away = True
        self.note("source away")
        self.later(self.rng.uniform(1, 10), setattr, shelf, "away", False)

    def _trouble_tool_down(self) -> None:
        self.network.weather.down_until = self.loop.time() + self.rng.choice((2.0, 10.0))
        self.note("tool down")

    def _trouble_cancel(self) -> None:
        self.background_task(self._cancel())

    async def _cancel(self) -> None:
        row = await self.db.one("SELECT id FROM run WHERE state <> 'ended' ORDER BY id LIMIT 1")
        if row is not None:
            self.note("cancel", None, self._name(row["id"]))
            await runs.cancel(self.db, row["id"])

    def _trouble_change(self) -> None:
        connected = self.rng.choice(self.connections)
        at = self.rng.randrange(len(connected.shelf.documents))
        self.note("changed", None, connected.name, at)
        self._write_document(connected, at, f"changed at {self.loop.time():.3f}")

    def _trouble_run(self) -> None:
        self.background_task(self._request(self.rng.choice(self.connections)))

    def _trouble_small_run(self) -> None:
        self.background_task(self._retry(self.rng.choice(self.connections)))

    async def _retry(self, connected: "Connected") -> None:
        row = await self.db.one(
            "SELECT identity FROM link WHERE administration_id = %s AND kind = 'document' AND current"
            " ORDER BY id OFFSET %s LIMIT 1",
            connected.administration,
            self.rng.randint(0, 3),
        )
        if row is not None:
            self.note("retry", None, connected.name, row["identity"])
            try:
                await resolve.retry(self.db, self.publisher, connected.administration, row["identity"])
            except (CannotResolve, NotReadyToSync) as no:
                self.note("no", None, str(no))

    def _trouble_person(self) -> None:
        self.background_task(self.decide())

    def _trouble_typed(self) -> None:
        self.background_task(self._type_by_hand(self.rng.choice(self.connections)))

    async def _type_by_hand(self, connected: "Connected") -> None:
        """A person books a document themselves: marks it as booked first, and then types it into the tool."""
        row = await self.db.one(
            """SELECT l.id, d.number, d.identity FROM link l JOIN document d ON d.identity = l.identity
               WHERE l.administration_id = %s AND l.kind = 'document' AND l.current AND l.state = 'free'
                 AND NOT EXISTS (SELECT 1 FROM attempt a WHERE a.link_id = l.id)
               ORDER BY l.id DESC LIMIT 1""",
            connected.administration,
        )
        if row is None or connected.books.settling is Settling.NUMBER or connected.books.of(row["number"]):
            return
        number = connected.books.last() + 1000
        try:
            await resolve.mark_as_booked(self.db, self.tenant, row["id"], str(number), "person")
        except (CannotResolve, *AWAY) as no:
            self.note("no", None, str(no))
            return
        self.note("typed by hand", None, row["number"])
        connected.by_hand.add(row["number"])
        self.network.book(connected.books, row["number"], "by hand", number, "document")

    # people

    async def decide(self) -> int:
        """A person looks at what is asked, looks into the tool's books, and says what is true; how often."""
        rows = await self.db.all(
            """SELECT l.id, l.administration_id, l.identity, l.link_version, d.number FROM link l
               JOIN document d ON d.identity = l.identity
               WHERE l.state = 'needs_person' AND l.current AND l.settle_due < clock_timestamp() - interval '10 s'
               ORDER BY l.id"""
        )
        decided = 0
        for row in rows:
            connected = next(one for one in self.connections if one.administration == row["administration_id"])
            there = connected.books.of(row["number"])
            if row["number"] in connected.books.waiting.values():
                continue  # they see that it is still to be booked
            try:
                if there:
                    await resolve.mark_as_booked(self.db, self.tenant, row["id"], str(there[0].number), "person")
                    connected.excused.add(row["number"])
                    self.note("marked as booked", None, row["number"])
                else:
                    await resolve.send_again(
                        self.db, self.publisher, self.tenant, row["id"], "person", seen=row["link_version"]
                    )
                    connected.excused.add(row["number"])
                    self.note("sent again", None, row["number"])
                decided += 1
            except (CannotResolve, *AWAY) as no:
                self.note("no", None, str(no))
        return decided

    async def _request(self, connected: "Connected") -> bool:
        try:
            run = await request_run(self.db, self.publisher, connected.id, Trigger.MANUAL)
        except (AlreadyRunning, NotReadyToSync, *AWAY) as no:
            self.note("no", None, type(no).__name__)
            return False
        self.note("requested", None, connected.name, self._name(run))
        return True

    def _name(self, run: UUID) -> str:
        return str(run)[:8]

    # the story

    async def _live(self) -> None:
        await self._set_up()
        self.start_core()
        for slot in self.slots:
            self.start_worker(slot)
        ticking = [self.loop.create_task(work) for work in (self._tick(), self._call_jobs())]
        self._plan_trouble()
        for connected in self.connections:
            await self._request(connected)
        while self.loop.time() < TROUBLE:
            await asyncio.sleep(2.5)
            if self.quick and not self.open:
                break
        await self._heal()
        await self._until_ended()
        for _ in range(ROUNDS):
            await asyncio.sleep(30)  # a person takes their time, and so does what was sent late
            asked, left = await self.decide(), await self._unfinished()
            if not asked and not left:
                break
            self.note("not final", None, asked, left)
            for connected in self.connections:
                await self._request(connected)
            await self._until_ended()
        else:
            raise Broken("each is final", left)
        for one in ticking:
            one.cancel()

    async def _tick(self) -> None:
        while True:
            self.group.tick()
            await asyncio.sleep(0.5 if self.trouble else 2.0)

    async def _heal(self) -> None:
        self.note("all is well again")
        self.trouble = False
        self.lines.away = False
        weather = self.network.weather
        for name in weather.__dataclass_fields__:
            setattr(weather, name, 0.0)
        for shelf in SHELVES.values():
            shelf.away = False
        for process in list(self.processes.values()):
            if process.dead:
                self._restart(process)

    async def _call_jobs(self) -> None:
        """Calls the jobs of the core for which there may be something to do."""
        seen, wait = -1, IDLE
        while True:
            wait = self.small.uniform(0.4, 2.0) if self.activity != seen else min(wait * 2, IDLE)
            seen = self.activity
            await asyncio.sleep(wait)
            self._ask_for_jobs()

    def _ask_for_jobs(self) -> None:
        self.server.tell(EPOCH.timestamp() + self.loop.time())
        self.open, *wanted = self.server.look(CALLED)
        for name, there in zip(CALLED_JOBS, wanted, strict=True):
            if there and name in self.called:
                self.called[name].set()

    async def _until_ended(self) -> None:
        """Everything ends, and is told."""
        until = self.loop.time() + PATIENCE
        self.open = True
        while self.open or any(one.frozen for one in self.processes.values()):
            if self.loop.time() > until:
                rows = await self.db.all(
                    "SELECT id, state, generation, park_reason, window_no, selected FROM run WHERE state <> 'ended'"
                )
                raise Broken("everything ends", str([dict(row) for row in rows]))
            await asyncio.sleep(2)
            if self.rng.random() < 0.1:
                await self.decide()

    async def _unfinished(self) -> str:
        """What is not final yet; empty when nothing is."""
        for connected in self.connections:
            for number, document in connected.shelf.documents.items():
                there = connected.books.of(number)
                if not there:
                    if number not in connected.books.refuses:
                        return f"{number} is not booked"
                elif number in connected.by_hand | connected.excused:
                    continue
                elif there[0].content != document.order_reference:
                    return f"{number} was changed"
        row = await self.db.one(
            """SELECT (SELECT min('link ' || id || ' is ' || state) FROM link
                       WHERE state IN ('intent', 'accepted', 'needs_person') AND current) AS link,
                      (SELECT min('item ' || title || ' was not told') FROM item
                       WHERE outcome_at IS NOT NULL AND reported_at IS NULL) AS item,
                      (SELECT min('run ' || run_id || ' was not told') FROM run_event WHERE reported_at IS NULL) AS run
            """
        )
        assert row is not None
        return row["link"] or row["item"] or row["run"] or ""

    def run(self) -> str:
        """Lives through the seed; a hash of all that happened. Broken where an invariant does not hold."""
        WORLDS["it"] = self
        self.server.tell(EPOCH.timestamp())
        self.server.clear()
        asyncio.set_event_loop(self.loop)
        try:
            self._prepare()
            self.loop.run_until_complete(self._live())
            if not self.faults:
                self.loop.run_until_complete(check(self))
        finally:
            self.lines.over = True
            for process in self.processes.values():
                process.dead = True
                self._cut(process)
            for connection in self.lines.own:
                self.server.give_back(connection)
            for task in self.background:
                task.cancel()
            self.loop.bury()
            asyncio.set_event_loop(None)
            self.loop.close()
        if self.faults:
            raise Broken(*self.faults[0])
        return self.hash()

    def troubles(self) -> set[str]:
        """Kinds of what went wrong: faults, fates of requests and records, and what production noted of it."""
        found = set()
        for _, what, process, *given in self.trace:
            if what == "sent":
                found.add(f"request {given[2]}")
            elif what == "log":
                found.add(f"log {given[0]}")
            elif what != "record":
                found.add(f"{what} {process.partition('#')[0]}".strip())
        return found

    def hash(self) -> str:
        return hashlib.sha256(repr(self.trace).encode()).hexdigest()[:16]


class Connected:
    """A connection with its shelf and its books."""

    def __init__(
        self, connection: UUID, administration: UUID, name: str, character: str, shelf: Shelf, books: Books
    ) -> None:
        self.id = connection
        self.administration = administration
        self.name = name
        self.character = character
        self.shelf = shelf
        self.books = books
        self.customers: dict[str, int] = {}
        self.by_hand: set[str] = set()
        self.excused: set[str] = set()
        """Documents of which a person said something: their place in the order is that person's."""


_TROUBLE = (
    "kill_worker", "kill_worker", "kill_core", "freeze_worker", "freeze_worker", "freeze_core", "cut", "database_away",
    "behind",
    "broker_away", "retention", "topic_anew", "rebalance", "redelivery", "source_away", "tool_down", "cancel", "change",
    "run", "small_run", "person", "typed",
)  # fmt: skip
_FAULTS = frozenset({"unexpected fault", "record.undeliverable", "late_outcome.refused", "row.refused"})
_SHOWN = frozenset({"run", "error", "sequence", "generation", "where", "outcome", "why", "job", "command", "frames"})
