"""The dispatcher: never waits, acks in order and only what is finished, forgets what was revoked."""

import asyncio
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from dagboek.database import Database
from dagboek.plugins import UnknownPlugin
from dagboek_schemas.cloudevents import Record, encode, headers_of
from dagboek_schemas.events import ItemReady, StartSync, stable_id
from dagboek_schemas.statuses import Component, ItemKind, Trigger
from dagboek_schemas.topics import Topic
from dagboek_workers import missing
from dagboek_workers.dispatcher import Dispatcher
from dagboek_workers.lane import Lane, Work
from dagboek_workers.tool_loop import Parts, ToolLoop

TOPIC = "dagboek.sync.documents"


@dataclass
class Received:
    """A record, as the consumer gives it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes] | None


class Producer:
    """Keeps what is sent; the test says when it is delivered."""

    def __init__(self) -> None:
        self.sent: list[tuple[Topic, Record, Callable[[int, int], None]]] = []

    def send(self, topic: Topic, record: Record, delivered: Callable[[int, int], None], _: Any = None) -> None:
        self.sent.append((topic, record, delivered))


class Tools:
    """Names of tools that are installed."""

    def tool(self, name: str) -> object:
        if name == "missing":
            raise UnknownPlugin("there is no accounting tool `missing`")
        return object()


@dataclass
class Handed:
    """In the place of a tool's loop: keeps the work."""

    name: str
    parts: Any
    works: list[Work] = field(default_factory=list)
    dropped: int = 0

    def submit(self, work: Sequence[Work]) -> None:
        self.works += work

    def call(self, coroutine: Any) -> "asyncio.Future[Any]":
        made: asyncio.Future[Any] = asyncio.ensure_future(coroutine)
        return made

    async def drop_lanes(self, _: int, __: float) -> None:
        self.dropped += 1

    def stop(self, _: float) -> None:
        pass


@pytest.fixture
def producer() -> Producer:
    return Producer()


@pytest.fixture
def acked() -> list[tuple[int, int]]:
    return []


@pytest.fixture
async def dispatcher(producer: Producer, acked: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch) -> Dispatcher:
    """A dispatcher that hands work to `Handed` loops."""
    monkeypatch.setattr("dagboek_workers.dispatcher.ToolLoop", Handed)
    parts: Any = Parts("postgresql://nowhere", Tools(), None, producer, "1")  # type: ignore[arg-type]
    return Dispatcher(parts, acked.append)


def ready(offset: int, *, partition: int = 0, tool: str = "octopus", administration: UUID | None = None) -> Received:
    """An event for an item of a tool."""
    key = administration or UUID(int=partition)
    data = ItemReady(
        run_id=UUID(int=1),
        tenant_id=UUID(int=2),
        connection_id=UUID(int=3),
        administration_id=key,
        tool=tool,
        generation=1,
        window=1,
        sequence=offset,
        component=Component.SALES_INVOICES,
        kind=ItemKind.DOCUMENT,
        identity=f"d1:{offset}",
    )
    record = encode(data, type_=ItemReady.TYPE, event_id=stable_id(offset), key=key)
    return Received(partition, offset, record.key, record.value, dict(record.headers))


def take(dispatcher: Dispatcher, *received: Received) -> None:
    for one in received:
        dispatcher.take(one, (one.partition, one.offset), TOPIC)


def handed(dispatcher: Dispatcher, tool: str = "octopus") -> list[Work]:
    loop: Any = dispatcher.tools[tool]
    return list(loop.works)


async def test_acks_follow_the_log_though_the_work_does_not(
    dispatcher: Dispatcher, acked: list[tuple[int, int]]
) -> None:
    take(dispatcher, ready(0), ready(1), ready(2))
    first, second, third = handed(dispatcher)
    third.finished()
    second.finished()
    await asyncio.sleep(0)
    assert acked == []
    first.finished()
    await asyncio.sleep(0)
    assert acked == [(0, 0), (0, 1), (0, 2)]


async def test_work_ends_in_another_thread(dispatcher: Dispatcher, acked: list[tuple[int, int]]) -> None:
    take(dispatcher, *(ready(offset) for offset in range(500)))
    works = handed(dispatcher)
    threads = [threading.Thread(target=lambda part=works[at::4]: [one.finished() for one in part]) for at in range(4)]
    for thread in threads:
        thread.start()
    async with asyncio.timeout(60):
        while len(acked) < 500:
            await asyncio.sleep(0.01)
    assert acked == [(0, offset) for offset in range(500)]


async def test_each_tool_has_a_loop_of_its_own(dispatcher: Dispatcher) -> None:
    take(dispatcher, ready(0), ready(1, tool="yuki"), ready(2))
    assert [work.event.sequence for work in handed(dispatcher)] == [0, 2]
    assert [work.event.sequence for work in handed(dispatcher, "yuki")] == [1]


@pytest.mark.parametrize(
    "spoil",
    [
        {"headers": None},
        {"headers": {}},
        {"headers": {"ce_type": b"dagboek.item.ready.v1"}},
        {"value": None},
        {"value": b""},
        {"value": b"\xff\xfe"},
        {"value": b'{"run_id": "no uuid"}'},
        {"value": b"[" * 10_000},
    ],
    ids=lambda spoil: str(spoil)[:40],
)
async def test_what_is_no_event_goes_to_the_dead_letters_and_is_acked_when_it_is_there(
    dispatcher: Dispatcher, producer: Producer, acked: list[tuple[int, int]], spoil: dict[str, Any]
) -> None:
    bad = ready(0)
    for name, value in spoil.items():
        setattr(bad, name, value)
    take(dispatcher, bad, ready(1))
    handed(dispatcher)[0].finished()
    await asyncio.sleep(0)
    assert acked == []

    ((topic, record, delivered),) = producer.sent
    assert topic is Topic.DEADLETTERS
    assert record.value == (bad.value or b"")
    headers = dict(record.headers)
    assert (headers["dagboek_topic"], headers["dagboek_partition"], headers["dagboek_offset"]) == (
        TOPIC.encode(),
        b"0",
        b"0",
    )
    assert headers["dagboek_reason"]
    delivered(0, 0)
    await asyncio.sleep(0)
    assert acked == [(0, 0), (0, 1)]


async def test_a_foreign_record_of_a_megabyte_becomes_a_dead_letter_that_can_be_delivered(
    dispatcher: Dispatcher, producer: Producer, acked: list[tuple[int, int]]
) -> None:
    """The broker takes more than our producer sends: the same record came first again, for ever."""
    huge = ready(0)
    huge.headers, huge.value = None, b"x" * 1_048_000
    take(dispatcher, huge)

    ((_, record, delivered),) = producer.sent
    assert len(record.value) < 500_000
    assert dict(record.headers)["dagboek_cut"] == b"1048000"
    delivered(0, 0)
    await asyncio.sleep(0)
    assert acked == [(0, 0)]


@pytest.mark.parametrize("type_", ["dagboek.item.ready.v2", "somebody.elses.v1"])
async def test_an_event_of_an_unknown_type_is_let_go(
    dispatcher: Dispatcher, producer: Producer, acked: list[tuple[int, int]], type_: str
) -> None:
    unknown = ready(0)
    unknown.headers = dict(headers_of(type_, uuid4()))
    take(dispatcher, unknown)
    await asyncio.sleep(0)
    assert acked == [(0, 0)]
    assert producer.sent == []


async def test_an_event_that_belongs_elsewhere_is_let_go(dispatcher: Dispatcher, acked: list[tuple[int, int]]) -> None:
    ids = {name: uuid4() for name in ("run_id", "tenant_id", "connection_id", "administration_id")}
    command = StartSync(trigger=Trigger.MANUAL, **ids)
    record = encode(command, type_=StartSync.TYPE, event_id=uuid4(), key=ids["administration_id"])
    take(dispatcher, Received(0, 0, record.key, record.value, dict(record.headers)))
    await asyncio.sleep(0)
    assert acked == [(0, 0)]


async def test_an_event_for_a_tool_that_is_not_here_is_acked_when_its_run_is_parked(
    dispatcher: Dispatcher, acked: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The database is away at first: everything behind the event waits, nothing is lost."""
    tries = []

    async def no_database(*_: Any, **__: Any) -> Any:
        tries.append(1)
        if len(tries) < 3:
            raise psycopg.OperationalError("away")
        return Nowhere()

    class Nowhere:
        async def __aenter__(self) -> "Nowhere":
            return self

        async def __aexit__(self, *_: object) -> None:
            return None

    async def parks(*_: Any, **__: Any) -> bool:
        return True

    monkeypatch.setattr(missing, "connect", no_database)
    monkeypatch.setattr(missing, "park", parks)
    monkeypatch.setattr(missing, "PAUSE", 0.01)
    take(dispatcher, ready(0, tool="missing"), ready(1))
    handed(dispatcher)[0].finished()
    await asyncio.sleep(0)
    assert acked == []
    async with asyncio.timeout(60):
        while len(acked) < 2:
            await asyncio.sleep(0.01)
    assert len(tries) == 3


async def test_what_was_revoked_is_not_acked(dispatcher: Dispatcher, acked: list[tuple[int, int]]) -> None:
    take(dispatcher, ready(0), ready(1))
    first, second = handed(dispatcher)
    first.finished()

    await dispatcher.revoke(1)
    assert acked == [(0, 0)]  # that was still ours
    second.finished()
    await asyncio.sleep(0)
    assert acked == [(0, 0)]
    assert dispatcher.in_flight() == 0

    take(dispatcher, ready(1))  # it comes again with the next assignment
    second.finished()
    await asyncio.sleep(0)
    assert acked == [(0, 0)]
    handed(dispatcher)[-1].finished()
    await asyncio.sleep(0)
    assert acked == [(0, 0), (0, 1)]


async def test_before_the_process_ends_all_loops_but_the_blocked_one_are_drained(dispatcher: Dispatcher) -> None:
    take(dispatcher, ready(0, tool="stuck"), ready(1, tool="sound"))
    tools: dict[str, Any] = dict(dispatcher.tools)

    await dispatcher.drain([tools["stuck"]], 1)
    take(dispatcher, ready(2, tool="sound"))

    assert {name: tool.dropped for name, tool in tools.items()} == {"stuck": 0, "sound": 1}
    assert len(handed(dispatcher, "sound")) == 1


async def test_a_dispatcher_that_stops_takes_nothing_more(dispatcher: Dispatcher, acked: list[tuple[int, int]]) -> None:
    take(dispatcher, ready(0))
    await dispatcher.stop(1)
    take(dispatcher, ready(1))
    assert len(handed(dispatcher)) == 1
    assert dispatcher.in_flight() == 1


# with the real loops of tools


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Event]:
    """Lanes of the tool `stuck` block their loop, as a plugin in C would, until this is set; others are quick."""
    release = threading.Event()

    async def work(lane: Lane, one: Work) -> None:
        if one.event.tool == "stuck":
            release.wait(60)
        one.finished()

    monkeypatch.setattr(Lane, "_work", work)
    yield release
    release.set()


@pytest.fixture
def parts(database_url: str, producer: Producer) -> Parts:
    return Parts(database_url, Tools(), None, producer, "1")  # type: ignore[arg-type]


async def test_a_plugin_that_blocks_its_loop_stops_neither_the_consumer_nor_another_tool(
    parts: Parts, acked: list[tuple[int, int]], released: threading.Event
) -> None:
    dispatcher = Dispatcher(parts, acked.append)
    many, slowest = 12_000, 0.0
    stuck = [ready(offset, partition=0, tool="stuck") for offset in range(many)]
    quick = [ready(offset, partition=1, administration=UUID(int=offset % 50)) for offset in range(2_000)]
    try:
        for one in stuck:
            begun = time.perf_counter()
            take(dispatcher, one)
            slowest = max(slowest, time.perf_counter() - begun)
        take(dispatcher, *quick)
        async with asyncio.timeout(60):
            while len(acked) < len(quick):
                await asyncio.sleep(0.01)
        assert {partition for partition, _ in acked} == {1}
        assert [offset for _, offset in acked] == list(range(len(quick)))
        assert slowest < 20, "take waited"  # as long as the loop is blocked, which is a minute
        released.set()
        async with asyncio.timeout(60):
            while dispatcher.in_flight():
                await asyncio.sleep(0.01)
        assert len(acked) == many + len(quick)
    finally:
        released.set()
        await dispatcher.stop(5)


async def test_a_tool_loop_whose_database_is_away_keeps_its_work_until_it_is_there(
    parts: Parts, acked: list[tuple[int, int]], released: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, tried, back = Database.open, [0], threading.Event()

    async def not_yet(self: Database) -> Database:
        tried[0] += 1
        return await real(self if back.is_set() else Database("postgresql://127.0.0.1:1/nobody"))

    monkeypatch.setattr(Database, "open", not_yet)
    dispatcher = Dispatcher(parts, acked.append)
    take(dispatcher, ready(0), ready(1))  # one that waits for the database never comes back
    try:
        async with asyncio.timeout(60):
            while tried[0] < 2:
                await asyncio.sleep(0.01)
        assert acked == []
        back.set()
        async with asyncio.timeout(60):
            while len(acked) < 2:
                await asyncio.sleep(0.01)
    finally:
        await dispatcher.stop(5)


async def test_a_tool_loop_that_never_reached_its_database_can_be_dropped_and_stopped(
    parts: Parts, acked: list[tuple[int, int]]
) -> None:
    nowhere = Parts("postgresql://127.0.0.1:1/nobody", parts.plugins, parts.vault, parts.publisher, "1")
    dispatcher = Dispatcher(nowhere, acked.append)
    take(dispatcher, ready(0))
    await dispatcher.revoke(1)
    await dispatcher.stop(5)
    assert acked == []
    assert not any(thread.name == "tool octopus" for thread in threading.enumerate())


async def test_one_tenant_has_a_share_of_a_tools_places(
    parts: Parts, acked: list[tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many administrations it has."""
    at_work: Counter[UUID] = Counter()
    release = threading.Event()

    async def work(_: Lane, one: Work) -> None:
        at_work[one.event.tenant_id] += 1
        while not release.is_set():
            await asyncio.sleep(0.01)
        one.finished()

    monkeypatch.setattr(Lane, "_work", work)
    parts.calls, parts.tenant_calls = 8, 3
    dispatcher = Dispatcher(parts, acked.append)
    large, small = UUID(int=2), UUID(int=9)
    events = [ready(offset, administration=UUID(int=offset)) for offset in range(20)]
    one = ItemReady.model_validate_json(events[-1].value or b"").model_copy(update={"tenant_id": small})
    events[-1].value = one.model_dump_json().encode()
    try:
        take(dispatcher, *events)
        async with asyncio.timeout(60):
            while at_work[small] == 0:
                await asyncio.sleep(0.01)
        await asyncio.sleep(0.2)
        assert at_work == {large: 3, small: 1}
        release.set()
        async with asyncio.timeout(60):
            while len(acked) < len(events):
                await asyncio.sleep(0.01)
    finally:
        release.set()
        await dispatcher.stop(5)


async def test_dropped_lanes_forget_what_is_queued_and_end_what_is_at_work(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    worked: list[int] = []
    begun, goes_on = threading.Event(), threading.Event()

    async def work(lane: Lane, one: Work) -> None:
        begun.set()
        while not goes_on.is_set():
            await asyncio.sleep(0.01)
        worked.append(one.event.sequence)
        one.finished()

    monkeypatch.setattr(Lane, "_work", work)
    loop = ToolLoop("octopus", parts)
    try:
        events = [ready(offset) for offset in range(10)]
        loop.submit([Work(ItemReady.model_validate_json(one.value or b""), lambda: None) for one in events])
        assert await asyncio.to_thread(begun.wait, 60)
        dropping = loop.call(loop.drop_lanes(1, 60))
        async with asyncio.timeout(60):
            while loop.lanes:
                await asyncio.sleep(0.01)
        assert (worked, dropping.done()) == ([], False)
        goes_on.set()
        await dropping
        assert worked == [0]
        await asyncio.sleep(0.5)
        assert worked == [0]
        assert loop.lanes == {}
    finally:
        goes_on.set()
        await asyncio.to_thread(loop.stop, 5)


async def test_lanes_that_are_dropped_late_keep_the_work_of_the_next_assignment(
    parts: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plugin blocks the loop while partitions go and come: what comes afterwards is worked on."""
    worked: list[int] = []

    async def work(lane: Lane, one: Work) -> None:
        worked.append(one.event.sequence)
        one.finished()

    monkeypatch.setattr(Lane, "_work", work)
    loop = ToolLoop("octopus", parts)
    try:
        async with asyncio.timeout(60):
            while not hasattr(loop, "recorder"):
                await asyncio.sleep(0.01)
        blocked = loop.call(blocks(0.6))
        await asyncio.sleep(0.1)
        after = Work(ItemReady.model_validate_json(ready(1).value or b""), lambda: None, assignment=1)
        dropping = loop.call(loop.drop_lanes(0, 1))
        loop.submit([after])
        await asyncio.gather(blocked, dropping)
        async with asyncio.timeout(60):
            while not worked:
                await asyncio.sleep(0.01)
        assert worked == [after.event.sequence]
    finally:
        await asyncio.to_thread(loop.stop, 5)


async def blocks(seconds: float) -> None:
    """As a plugin does that computes for long."""
    time.sleep(seconds)
