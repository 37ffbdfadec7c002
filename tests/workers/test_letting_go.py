"""A lane that all of its partition waits behind lets its run go: with the real dispatcher, loop, lane and recorder."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from dagboek.database import Database
from dagboek.plugins import Plugins
from dagboek.runs import resume
from dagboek.status import run_status
from dagboek_schemas.cloudevents import Record, decode, encode
from dagboek_schemas.events import ContinueSync, ItemReady, stable_id
from dagboek_schemas.topics import Topic
from dagboek_sdk.attempt import Attempt
from dagboek_sdk.errors import ToolUnavailable
from dagboek_sdk.samples import document, line
from dagboek_workers.dispatcher import Dispatcher
from dagboek_workers.tool_loop import Parts, ToolLoop
from lane_books import Producer, Tool, again, event, planned, ready
from push_books import Books, new_books

LONG = 0.2
"""Seconds at one item that are too many here."""


@pytest.fixture
async def slow(database: Database) -> AsyncIterator[Books]:
    async with new_books(database) as made:
        await ready(made)
        await made.db.run("UPDATE run SET started_at = now() WHERE id = %s", made.run)
        yield made


@pytest.fixture
async def quick(database: Database) -> AsyncIterator[Books]:
    async with new_books(database) as made:
        await ready(made)
        yield made


class Hanging(Tool):
    """Answers for the books of `slow` when it is let, and then as it is told."""

    def __init__(self, slow: Books) -> None:
        super().__init__()
        self._slow = slow
        self.asked = False
        self.answer = threading.Event()
        self.trouble: Exception | None = None
        self.booked: list[tuple[UUID | None, str]] = []
        self.call_deadline = 60.0

    async def push(self, attempt: Attempt) -> Any:
        number = attempt.booking.reference or ""
        run = attempt.run_id
        if run == self._slow.run:
            self.asked = True
            await asyncio.to_thread(self.answer.wait, 60)
        if self.trouble is not None:
            raise self.trouble
        result = await super().push(attempt)
        self.booked.append((run, number))
        return result


class Slow(Producer):
    """Delivers when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.late: list[Callable[[], None]] = []
        self.held = False

    def send(self, topic: Topic, record: Record, delivered: Callable[[int, int], None], failed: Any = None) -> None:
        if self.held:
            self.late.append(lambda: delivered(0, 0))
        else:
            super().send(topic, record, delivered, failed)


@dataclass
class Received:
    """A record, as the consumer gives it."""

    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: Mapping[str, bytes] | None


@dataclass
class Worker:
    """The dispatcher with one tool, and a partition whose log a test writes."""

    dispatcher: Dispatcher
    tool: Hanging
    producer: Slow
    acked: list[int]
    log: list[Received] = field(default_factory=list)

    def take(self, *events: ItemReady) -> None:
        for one in events:
            record = encode(one, type_=ItemReady.TYPE, event_id=stable_id(uuid4()), key=one.administration_id)
            self.log.append(Received(0, len(self.log), record.key, record.value, dict(record.headers)))
            self.dispatcher.take(self.log[-1], self.log[-1], "documents")

    async def look(self, until: Callable[[], bool], seconds: float = 60) -> None:
        """Looks for what is held, as the application does every second, until something has come of it."""
        async with asyncio.timeout(seconds):
            while not until():
                self.dispatcher.let_go_held(LONG)
                await asyncio.sleep(0.02)

    async def until(self, seen: Callable[[], bool], seconds: float = 60) -> None:
        async with asyncio.timeout(seconds):
            while not seen():
                await asyncio.sleep(0.01)

    @property
    def asked(self) -> list[tuple[UUID, int, int]]:
        """Windows that were asked for: run, generation, after."""
        read = [decode(one.value, one.headers) for topic, one in self.producer.sent if topic is Topic.COMMANDS]
        return [(one.run_id, one.generation, one.window) for one in read if isinstance(one, ContinueSync)]


@pytest.fixture
async def worker(database: Database, slow: Books, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Worker]:
    tool, producer = Hanging(slow), Slow()
    plugins = Plugins(entry_points=False)
    plugins.validate_document = plugins.validate_party = lambda *_: []  # type: ignore[method-assign,assignment]
    plugins.tool = lambda _: SimpleNamespace(about=tool.about)  # type: ignore[method-assign,assignment,return-value]

    async def opened(_: ToolLoop, __: Mapping[str, Any]) -> Any:
        return tool

    monkeypatch.setattr(ToolLoop, "tool", opened)
    acked: list[int] = []
    parts: Any = Parts(database.url, plugins, None, producer, "1")  # type: ignore[arg-type]
    dispatcher = Dispatcher(parts, lambda received: acked.append(received.offset))
    yield Worker(dispatcher, tool, producer, acked)
    tool.answer.set()
    await dispatcher.stop(5)


async def documents(books: Books, *numbers: str) -> list[ItemReady]:
    """These are planned: their events."""
    for at, number in enumerate(numbers):
        await planned(books, at, document(line("100.00"), number=number))
    return [event(books, at) for at in range(len(numbers))]


async def run_of(books: Books) -> dict[str, Any]:
    row = await books.db.one("SELECT * FROM run WHERE id = %s", books.run)
    assert row is not None
    return row


async def test_all_of_a_run_that_others_wait_behind_is_let_go_and_comes_again(
    worker: Worker, slow: Books, quick: Books
) -> None:
    worker.take(*await documents(slow, "S1", "S2", "S3"), *await documents(quick, "Q1", "Q2"))
    await worker.until(lambda: len(worker.tool.booked) == 2 and worker.tool.asked)
    assert worker.acked == []  # all are behind what is held

    await worker.look(lambda: len(worker.acked) == 5)

    assert worker.acked == [0, 1, 2, 3, 4]
    run = await run_of(slow)
    assert (run["state"], run["park_reason"], run["generation"], run_status(run)) == (
        "parked", "held", 1, "In progress",
    )  # fmt: skip
    assert worker.asked == []  # its lane is not free yet

    worker.tool.answer.set()
    await worker.until(lambda: bool(worker.asked))

    assert worker.asked == [(slow.run, 2, 0)]
    assert [number for run_id, number in worker.tool.booked if run_id == slow.run] == ["S1"]  # none overtook it
    items = [(await slow.item_row(at))["state"] for at in range(3)]
    assert items == ["synced", "planned", "planned"]
    run = await run_of(slow)
    assert (run["state"], run["generation"], run["parked_seconds"]) == ("active", 2, 0)

    await again(slow, 2)
    worker.take(*(event(slow, at, generation=2) for at in range(3)))
    await worker.until(lambda: len(worker.acked) == 8)
    assert [number for run_id, number in worker.tool.booked if run_id == slow.run] == ["S1", "S2", "S3"]


async def test_another_run_of_the_same_books_is_let_go_too_and_nothing_overtakes(worker: Worker, slow: Books) -> None:
    """It waits behind the same item, and all of the partition behind it."""
    long = await documents(slow, "S1", "S2")
    small = [one.model_copy(update={"run_id": uuid4()}) for one in long[:1]]  # its run has ended
    worker.take(*long, *small)
    await worker.until(lambda: worker.tool.asked)

    await worker.look(lambda: len(worker.acked) == 3)
    worker.tool.answer.set()
    await worker.until(lambda: bool(worker.asked))

    assert worker.asked == [(slow.run, 2, 0)]
    assert [number for _, number in worker.tool.booked] == ["S1"]


async def test_what_the_last_call_found_out_counts_for_more(worker: Worker, slow: Books, quick: Books) -> None:
    """A tool that is away is not asked again at once because its lane is free."""
    worker.take(*await documents(slow, "S1", "S2"))
    await worker.until(lambda: worker.tool.asked)
    await worker.look(lambda: len(worker.acked) == 2)
    worker.tool.trouble = ToolUnavailable("away")
    worker.tool.answer.set()

    async with asyncio.timeout(60):
        while (run := await run_of(slow))["park_reason"] == "held":
            await asyncio.sleep(0.02)

    assert (run["state"], run["park_reason"], run["generation"]) == ("parked", "tool_unavailable", 1)
    assert run_status(run) == "Stalled"
    worker.tool.trouble = None
    worker.take(*await documents(quick, "Q1"))
    await worker.until(lambda: len(worker.acked) == 3)
    assert worker.asked == []


async def test_a_run_that_went_on_elsewhere_is_not_parked(worker: Worker, slow: Books) -> None:
    """Its events are old: they are let go all the same."""
    worker.take(*await documents(slow, "S1", "S2"))
    await worker.until(lambda: worker.tool.asked)
    async with slow.db.transaction() as connection:
        assert await resume(connection, slow.run, 1) == 2

    await worker.look(lambda: len(worker.acked) == 2)
    worker.tool.answer.set()
    await worker.until(lambda: bool(worker.tool.booked))
    await asyncio.sleep(0.2)

    run = await run_of(slow)
    assert (run["state"], run["generation"], worker.asked) == ("active", 2, [])
    assert (await slow.item_row(0))["state"] == "synced"


async def test_what_waits_for_the_brokers_is_not_let_go(worker: Worker, quick: Books) -> None:
    worker.producer.held = True
    worker.take(*await documents(quick, "Q1", "Q2"))
    await worker.until(lambda: len(worker.producer.late) == 2)
    for _ in range(30):
        worker.dispatcher.let_go_held(LONG)
        await asyncio.sleep(0.02)

    assert (await run_of(quick))["state"] == "active"
    assert worker.acked == []
    for deliver in worker.producer.late:
        deliver()
    await worker.until(lambda: worker.acked == [0, 1])


async def test_a_run_of_which_the_lane_holds_nothing_is_not_let_go(worker: Worker, slow: Books, quick: Books) -> None:
    """Its results wait for the brokers, while the lane is at another run of the same books."""
    events = await documents(slow, "S1")
    worker.take(*events)
    await worker.until(lambda: worker.tool.asked)
    loop = worker.dispatcher.tools["x"]

    await loop.call(loop.let_go_held(events[0].model_copy(update={"run_id": quick.run}), 0))
    assert (await run_of(quick))["state"] == "active"
    await loop.call(loop.let_go_held(events[0], 0))
    assert (await run_of(slow))["state"] == "parked"


async def test_partitions_that_go_and_come_back_while_a_run_is_let_go(
    worker: Worker, slow: Books, quick: Books
) -> None:
    events = await documents(slow, "S1", "S2"), await documents(quick, "Q1")
    worker.take(*events[0], *events[1])
    await worker.until(lambda: len(worker.tool.booked) == 1 and worker.tool.asked)
    await asyncio.sleep(LONG)
    for _ in range(2):
        worker.dispatcher.let_go_held(LONG)
    await asyncio.sleep(0)  # the lane is asked, and has not answered
    await worker.dispatcher.revoke(0.5)
    before = list(worker.acked)

    worker.take(*events[0], *events[1])
    await worker.look(lambda: len(worker.acked) == len(before) + 3)

    assert worker.acked == [*before, 3, 4, 5]
    worker.tool.answer.set()
    await worker.until(lambda: len(worker.tool.booked) == 2)
    assert [number for _, number in worker.tool.booked] == ["Q1", "S1"]
    async with asyncio.timeout(60):
        while (run := await run_of(slow))["state"] != "active":
            await asyncio.sleep(0.02)
    assert run["generation"] == 2
