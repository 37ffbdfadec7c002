"""What Faust does with offsets on a real broker, so that a change of it is noticed, and that our way keeps them right.

The first tests are about Faust alone, and assert what it does wrong: when one of them fails after an upgrade, read
docs/decisions on acks again, since some of our precautions may have become needless.
"""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import MethodType, SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from dagboek.embedded import Services
from dagboek_workers.records import RecordConsumer
from end_to_end.harness import GUARD
from faust.transport.consumer import Consumer as FaustConsumer
from faust.transport.drivers.aiokafka import AIOKafkaConsumerThread
from faust.types import TP

SCRIPT = Path(__file__).with_name("faust_cases.py")
MESSAGES = 8
MANY = 400
SECONDS = GUARD


@dataclass
class Case:
    """A running case."""

    topic: str
    process: subprocess.Popen[str]
    log: Path
    services: Services
    _reader: Consumer = field(init=False)

    def __post_init__(self) -> None:
        self._reader = Consumer(
            {"bootstrap.servers": self.services.kafka_bootstrap, "group.id": self.topic, "enable.auto.commit": False}
        )

    def done(self) -> list[int]:
        """Offsets whose work is done, in the order that they were."""
        return [int(line) for line in self.log.read_text().split("\n")[:-1] if line.isdigit()]

    def committed(self) -> int | None:
        """The group's committed offset, None before there is one."""
        try:
            (found,) = self._reader.committed([TopicPartition(self.topic, 0)], timeout=60)
        except KafkaException:  # a broker that has just started says that it does not know yet
            return None
        return found.offset if found.offset >= 0 else None

    def until_done(self, offsets: list[int]) -> None:
        """Waits until the work on exactly these is done."""
        self._until(lambda: sorted(set(self.done())) == offsets, f"work on {offsets}")

    def until_ended(self, seconds: float) -> None:
        """Waits until the process has ended, or for as long: Faust may hang while it stops."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)

    def until_committed(self, offset: int) -> None:
        """Waits for a committed offset."""
        self._until(lambda: self.committed() == offset, f"a commit of {offset}")

    def _until(self, true: Any, what: str) -> None:
        ends = time.monotonic() + SECONDS
        while not true():
            text = f"no {what}: {self.done()} done, {self.committed()} committed\n{self.log.read_text()[-3000:]}"
            assert time.monotonic() < ends, text
            time.sleep(0.2)

    def close(self) -> None:
        self.process.kill()
        self.process.wait()
        self._reader.close()


def start(name: str, topic: str, log: Path, services: Services) -> Case:
    """Starts a case; the caller closes it."""
    with log.open("w") as output:
        command = [sys.executable, str(SCRIPT), name, services.kafka_bootstrap, topic]
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, text=True)
    return Case(topic, process, log, services)


@pytest.fixture(scope="module")
def cases(services: Services, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Case]]:
    """All cases, started together since each takes some seconds to join its group."""
    names = ("a", "b", "c", "d", "e", "holes", "full", "never_waits")
    topics = {name: f"faust-{name.replace('_', '-')}-{uuid4().hex[:8]}" for name in names}
    admin = AdminClient({"bootstrap.servers": services.kafka_bootstrap})
    all_topics = [*topics.values(), f"{topics['full']}-waits", f"{topics['never_waits']}-waits"]
    for made in admin.create_topics([NewTopic(topic, 1, 1) for topic in all_topics]).values():
        made.result(timeout=60)
    producer = Producer({"bootstrap.servers": services.kafka_bootstrap})
    _produce_with_holes(services.kafka_bootstrap, topics["holes"])
    for topic in all_topics:
        if topic == topics["holes"]:
            continue
        for _ in range(MANY if "full" in topic or "never" in topic else MESSAGES):
            producer.produce(topic, b"x", b"one key")
    producer.flush(20)
    folder = tmp_path_factory.mktemp("faust")
    running = {}
    try:
        for name, topic in topics.items():
            running[name] = start(name, topic, folder / f"{name}.log", services)
        yield running
    finally:
        for case in running.values():
            case.close()
        for gone in admin.delete_topics(all_topics).values():
            gone.result(timeout=60)


def _produce_with_holes(bootstrap: str, topic: str) -> None:
    """Two messages, each in a transaction of its own, whose ends take an offset each: 0, 1, 4, 5 and so on."""
    producers = [Producer({"bootstrap.servers": bootstrap, "transactional.id": f"{topic}-{one}"}) for one in "ab"]
    for producer in producers:
        producer.init_transactions()
    for _ in range(MESSAGES // 2):
        for producer in producers:
            producer.begin_transaction()
            producer.produce(topic, b"x", b"one key")
            producer.flush(20)
        for producer in producers:
            producer.commit_transaction()


# Faust alone


def test_a_concurrency_commits_past_a_message_in_flight_and_breaks_the_order(cases: dict[str, Case]) -> None:
    case = cases["a"]
    case.until_done([1, 2, 3, 4, 5, 6, 7])  # same key as message 0, which is still at work
    case.until_committed(8)


def test_b_an_agent_that_fails_loses_its_message(cases: dict[str, Case]) -> None:
    case = cases["b"]
    case.until_done([0, 1, 2, 4, 5, 6, 7])
    case.until_committed(8)


def test_c_a_message_that_was_never_acked_is_lost_all_the_same(cases: dict[str, Case]) -> None:
    case = cases["c"]
    case.until_done([0, 1, 2, 4, 5, 6, 7])
    case.until_committed(8)


def test_d_a_crash_of_the_application_stops_it_before_the_next_message(cases: dict[str, Case]) -> None:
    """Mostly at the offset of the message that failed; a commit while it stops may pass that one all the same."""
    case = cases["d"]
    case.until_done([0, 1, 2])
    case.until_ended(20)
    assert case.done() == [0, 1, 2]
    assert case.committed() in (3, 4)


def new_offset(committed: int | None, acked: list[int]) -> int | None:
    """What Faust would commit."""
    partition = TP("t", 0)
    state: Any = SimpleNamespace(
        _acked={partition: list(acked)},
        _gap={partition: ()},
        _committed_offset={partition: committed},
        _acked_index={partition: set(acked)},
    )
    return FaustConsumer._new_offset(state, partition)


@pytest.mark.parametrize(
    ("committed", "acked", "commits"),
    [
        (2585, [2586, 2587, 2588, 2589], 2590),  # 2585 is in flight
        (None, [1, 2, 3, 4], 5),  # 0 is in flight
        (0, [3, 4], 5),  # 0 to 2 are in flight
        (10, [13, 14], None),  # only a wider gap is respected
        (10, [10, 11], 12),
    ],
)
def test_one_missing_message_at_the_head_is_taken_for_a_gap_of_the_log(
    committed: int | None, acked: list[int], commits: int | None
) -> None:
    assert new_offset(committed, acked) == commits


def test_one_full_buffer_stops_another_topic(cases: dict[str, Case]) -> None:
    case = cases["full"]
    ends = time.monotonic() + SECONDS
    first, since = 0, time.monotonic()
    while (first == 0 or time.monotonic() < since + 15) and time.monotonic() < ends:
        time.sleep(0.2)
        if (done := len(case.done())) != first:
            first, since = done, time.monotonic()
    time.sleep(3)
    assert 0 < len(case.done()) == first < MANY


# our way


def test_e_acks_in_order_keep_the_offset_of_what_is_in_flight(cases: dict[str, Case]) -> None:
    case = cases["e"]
    case.until_done([0, 1, 3, 4, 5, 6, 7])
    case.until_committed(2)
    time.sleep(2)
    assert case.committed() == 2


def test_records_that_pass_no_stream_are_not_told_as_a_stream_that_hangs() -> None:
    """Operators would read page after page about agents, on every partition that has something to do."""
    told: list[str] = []
    state = SimpleNamespace(timestamp=399_000, highwater=100, position=50)
    assignment = SimpleNamespace(active=True, state_value=lambda _: state)
    fetcher = SimpleNamespace(_subscriptions=SimpleNamespace(subscription=SimpleNamespace(assignment=assignment)))
    monitor = SimpleNamespace(stream_inbound_time={}, tp_committed_offsets={})
    app = SimpleNamespace(monitor=monitor, topics=SimpleNamespace(acks_enabled_for=lambda _: True))
    thread: Any = SimpleNamespace(
        consumer=SimpleNamespace(app=app),
        time_started=0.0,
        log=SimpleNamespace(error=lambda text, *_: told.append(text)),
        _log_slow_processing_stream=lambda text, *_: told.append(text),
        _ensure_consumer=lambda: SimpleNamespace(_fetcher=fetcher),
        tp_fetch_request_timeout_secs=1e9,
        tp_stream_timeout_secs=300.0,
    )
    thread._verify_aiokafka_event_path = lambda *given: AIOKafkaConsumerThread._verify_aiokafka_event_path(
        thread, *given
    )

    AIOKafkaConsumerThread.verify_event_path(thread, 400.0, TP("documents", 0))
    assert len(told) == 1, "Faust has changed: records.py need not look after this any more"
    told.clear()
    ours: Any = SimpleNamespace(_thread=thread)
    RecordConsumer.verify_event_path(ours, 400.0, TP("documents", 0))
    assert told == []
    thread.tp_fetch_request_timeout_secs = 0.5
    RecordConsumer.verify_event_path(ours, 400.0, TP("documents", 0))
    assert len(told) == 1, "that nothing is fetched is told"


async def test_what_was_left_while_partitions_were_given_out_anew_comes_again() -> None:
    """Fetched after the assignment had set the consumer back, and looked at before the flow was resumed."""
    log, taken, at = range(100), list[int](), {"position": 75}
    resumed, partition = asyncio.Event(), TP("documents", 0)

    async def fetch(_: float) -> tuple[dict[TP, list[Any]], None]:
        found = [SimpleNamespace(offset=offset) for offset in log[at["position"] : at["position"] + 5]]
        at["position"] += len(found)
        return {partition: found}, None

    async def position(_: TP) -> int:
        return at["position"]

    async def seek(_: TP, offset: int) -> None:
        at["position"] = offset

    async def wait(event: asyncio.Event) -> None:
        consumer.flow_active = await event.wait()

    app = SimpleNamespace(consumer_generation_id=7, take=lambda record: taken.append(record.offset))
    fetcher: Any = SimpleNamespace(should_stop=False)
    consumer: Any = SimpleNamespace(app=app, flow_active=False, should_stop=False, can_resume_flow=resumed, _left=None)
    consumer._wait_next_records, consumer.position, consumer.seek, consumer.wait = fetch, position, seek, wait
    consumer.assignment, consumer._read_offset = lambda: {partition}, {partition: 75}
    consumer._to_message = lambda _, record: record
    for name in ("_went_back", "_ours", "_note_hole", "_hand_on"):
        setattr(consumer, name, MethodType(getattr(RecordConsumer, name), consumer))

    await RecordConsumer._next_batch(consumer, fetcher)
    assert (taken, at["position"]) == ([], 80)
    resumed.set()
    for _ in range(2):
        await RecordConsumer._next_batch(consumer, fetcher)
    assert taken == [*range(75, 85)]


@pytest.mark.parametrize("stopped", [True, False])
async def test_a_fetcher_that_is_stopped_for_an_assignment_does_not_crash(stopped: bool) -> None:
    """It waited for the flow of the one before; Faust has a supervisor restart it, and there is none."""

    fetcher: Any = SimpleNamespace(should_stop=False)

    async def cancelled(_: Any) -> None:
        fetcher.should_stop = stopped
        raise asyncio.CancelledError

    consumer: Any = SimpleNamespace(should_stop=False, consumer_stopped_errors=(), _next_batch=cancelled)
    with nullcontext() if stopped else pytest.raises(asyncio.CancelledError):
        await RecordConsumer._drain_messages(consumer, fetcher)


def test_holes_of_the_log_are_committed_over(cases: dict[str, Case]) -> None:
    """Faust waits for ever for what is missing between what is committed and what is acked next, unless it is told."""
    case = cases["holes"]
    case.until_done([0, 1, 4, 5, 8, 9, 12, 13])
    case.until_committed(14)


def test_what_never_waits_stops_nobody(cases: dict[str, Case]) -> None:
    case = cases["never_waits"]
    case.until_done(list(range(MANY)))
    case.until_committed(MANY)


def test_what_comes_while_partitions_are_given_out_anew_is_handed_on(services: Services, tmp_path: Path) -> None:
    """Faust commits and goes on to where it has read; what it dropped then would come again with a restart alone."""
    topic, partitions = f"faust-shared-{uuid4().hex[:8]}", 6
    admin = AdminClient({"bootstrap.servers": services.kafka_bootstrap})
    admin.create_topics([NewTopic(topic, partitions, 1)])[topic].result(timeout=60)
    producer = Producer({"bootstrap.servers": services.kafka_bootstrap, "linger.ms": 0})
    sent = 0

    def until(true: Callable[[], bool]) -> None:
        nonlocal sent
        ends = time.monotonic() + SECONDS
        while not true():
            assert time.monotonic() < ends, [one.log.read_text()[-2000:] for one in members]
            producer.produce(topic, str(sent).encode(), partition=sent % partitions)
            producer.poll(0)
            sent += 1
            time.sleep(0.05)

    members = [start("shared", topic, tmp_path / "0.log", services)]
    try:
        until(lambda: bool(members[0].done()))
        for at in (1, 2):
            members.append(start("shared", topic, tmp_path / f"{at}.log", services))
            until(lambda: bool(members[-1].done()))
        producer.flush(20)
        members[0]._until(
            lambda: {value for one in members for value in one.done()} == set(range(sent)), f"work on all {sent}"
        )
    finally:
        for one in members:
            one.close()
