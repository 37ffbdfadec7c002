"""The watchdog on a real broker and database: what the log has lost is brought back, what waits in line is left."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from dagboek.database import Database
from dagboek.embedded import Services
from dagboek.runs import MAX_PARKED_SECONDS, park
from dagboek.watchdog import Watchdog
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.topics import Topic
from dagboek_sdk import clock
from push_books import Books, new_books

AWAY = Issue(code="B06", severity=Severity.ERROR, facts={"tool": "x"})


@dataclass
class Planner:
    """Remembers which windows it was asked for."""

    asked: list[tuple[UUID, int, int]] = field(default_factory=list)
    started: list[UUID] = field(default_factory=list)
    trouble: set[UUID] = field(default_factory=set)
    hanging: set[UUID] = field(default_factory=set)
    at_work: Counter[UUID] = field(default_factory=Counter)

    async def publish_window(self, run_id: UUID, generation: int, after: int) -> None:
        if run_id in self.trouble:
            raise ValueError("this run cannot be planned")
        if run_id in self.hanging:
            await asyncio.sleep(60)
        self.asked.append((run_id, generation, after))

    async def start(self, run_id: UUID) -> None:
        self.started.append(run_id)


class Log:
    """The documents topic with one partition, and how far the workers' group has come."""

    def __init__(self, services: Services, prefix: str) -> None:
        self.name = Topic.DOCUMENTS.named(prefix)
        self._servers: dict[str, str | int | float | bool] = {
            "bootstrap.servers": services.kafka_bootstrap,
            "log_level": 0,
        }
        self._admin = AdminClient(self._servers)
        self._group = {**self._servers, "group.id": f"{prefix}.workers", "enable.auto.commit": False}
        self.make()

    def make(self) -> None:
        self._admin.create_topics([NewTopic(self.name, 1, 1)])[self.name].result(timeout=60)

    def delete(self) -> None:
        self._admin.delete_topics([self.name])[self.name].result(timeout=60)

    def write(self, records: int) -> None:
        producer = Producer(self._servers)
        for _ in range(records):
            producer.produce(self.name, b"{}", partition=0)
        producer.flush(60)

    def commit(self, offset: int) -> None:
        """What a worker does that has finished everything before `offset`."""
        consumer = Consumer(self._group)
        consumer.commit(offsets=[TopicPartition(self.name, 0, offset)], asynchronous=False)
        consumer.close()

    def forget(self, before: int) -> None:
        """What retention does."""
        self._admin.delete_records([TopicPartition(self.name, 0, before)])[TopicPartition(self.name, 0, before)].result(
            timeout=60
        )


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    await database.run("UPDATE run SET state = 'ended'")  # of the test before
    async with new_books(database) as made:
        yield made


@pytest.fixture
def log(services: Services, topic_prefix: str) -> Log:
    return Log(services, topic_prefix)


@pytest.fixture
def planner() -> Planner:
    return Planner()


@pytest.fixture
def watchdog(
    books: Books, planner: Planner, services: Services, topic_prefix: str, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Watchdog]:
    monkeypatch.setattr("dagboek.watchdog.PATIENCE", 30.0)  # what it does is looked at when it is done
    made = Watchdog(books.db, planner, services.kafka_bootstrap, topic_prefix, {})  # type: ignore[arg-type]
    yield made
    made.close()


async def published(books: Books, *states: str, offset: int = 9, seconds_ago: float = 60) -> None:
    """A window whose last event is at `offset`, with an item in each of these states."""
    for sequence, state in enumerate(states):
        outcome = None if state == "planned" else datetime.now(UTC)
        await books.item(sequence, state=state, window_no=1, generation=1, outcome_at=outcome)
    await books.db.run(
        """UPDATE run SET window_no = 1, published_at = now() - make_interval(secs => %s), window_partition = 0,
                  window_offset = %s WHERE id = %s""",
        seconds_ago,
        offset,
        books.run,
    )


async def run_of(books: Books) -> dict[str, Any]:
    row = await books.db.one("SELECT * FROM run WHERE id = %s", books.run)
    assert row is not None
    return row


async def look(books: Books, watchdog: Watchdog) -> dict[str, Any]:
    """The run after the watchdog has looked for what was lost."""
    await watchdog.find_lost()
    return await run_of(books)


# what was lost


async def test_items_that_the_group_has_passed_come_again_in_a_new_generation(
    books: Books, log: Log, planner: Planner, watchdog: Watchdog
) -> None:
    log.write(10)
    log.commit(10)
    await published(books, "synced", "planned")

    run = await look(books, watchdog)

    assert (run["state"], run["generation"], run["window_no"], run["window_offset"]) == ("active", 2, 0, None)
    assert planner.asked == [(books.run, 2, 0)]


async def test_a_window_that_retention_has_removed_comes_again(
    books: Books, log: Log, planner: Planner, watchdog: Watchdog
) -> None:
    """No worker was there for a week."""
    log.write(20)
    log.commit(3)
    log.forget(before=10)
    await published(books, "planned", offset=9)

    assert (await look(books, watchdog))["generation"] == 2
    assert planner.asked == [(books.run, 2, 0)]


async def test_a_window_of_a_topic_that_was_made_anew_comes_again(
    books: Books, log: Log, planner: Planner, watchdog: Watchdog
) -> None:
    log.write(10)
    log.commit(4)
    await asyncio.to_thread(log.delete)
    await asyncio.to_thread(log.make)
    log.write(2)
    await published(books, "planned", offset=9)

    assert (await look(books, watchdog))["generation"] == 2
    assert planner.asked == [(books.run, 2, 0)]


async def test_a_run_of_which_all_is_handled_ends_though_nobody_ended_it(
    books: Books, log: Log, planner: Planner, watchdog: Watchdog
) -> None:
    """Its worker died between the last outcome and the end."""
    log.write(10)
    log.commit(10)
    await published(books, "synced", "skipped")

    run = await look(books, watchdog)

    assert (run["state"], run["status"], planner.asked) == ("ended", "Warning", [])


async def test_a_run_that_cannot_be_planned_holds_up_no_other(
    books: Books, log: Log, planner: Planner, watchdog: Watchdog
) -> None:
    log.write(10)
    log.commit(10)
    await published(books, "planned")
    async with new_books(books.db) as other:
        await published(other, "planned")
        planner.trouble = {min(books.run, other.run)}

        await watchdog.find_lost()

        assert planner.asked == [(max(books.run, other.run), 2, 0)]


async def test_a_window_of_which_nothing_could_be_fetched_and_whose_planner_died_is_gone_on_from(
    books: Books, planner: Planner, watchdog: Watchdog
) -> None:
    """It had no event that could be passed, and there was no window before it."""
    await books.item(0, state="skipped", window_no=1, generation=1)
    await books.item(1, state="planned")
    await books.db.run(
        "UPDATE run SET window_no = 1, published_at = now() - interval '1 minute', moved_at = now() WHERE id = %s",
        books.run,
    )

    await watchdog.find_lost()

    assert planner.asked == [(books.run, 1, 1)]


async def test_a_run_whose_source_hangs_holds_up_no_other(
    books: Books, planner: Planner, watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    await park_for(books, 60)
    planner.hanging = {books.run}
    async with new_books(books.db) as other:
        with monkeypatch.context() as soon:
            soon.setattr("dagboek.watchdog.PATIENCE", 1.0)
            await watchdog.resume_parked()
        await park_for(other, 60)

        async with asyncio.timeout(60):
            await watchdog.resume_parked()

        assert planner.asked == [(other.run, 2, 0)]
    assert list(watchdog._steps) == [books.run]


async def test_a_run_that_is_being_planned_is_not_planned_twice(
    books: Books, planner: Planner, watchdog: Watchdog
) -> None:
    await books.db.run("UPDATE run SET selected = false, moved_at = now() - interval '1 minute'")
    planner.at_work[books.run] += 1
    await watchdog.plan_forgotten()
    assert planner.started == []

    planner.at_work.clear()
    await watchdog.plan_forgotten()
    assert planner.started == [books.run]


# what waits


@pytest.mark.parametrize("committed", [None, 0, 9])
async def test_what_waits_in_line_is_left_however_long_it_waits(
    books: Books, log: Log, planner: Planner, watchdog: Watchdog, committed: int | None
) -> None:
    """Up to the very last event of the window: 9 is committed when everything before 9 is done."""
    log.write(10)
    if committed is not None:
        log.commit(committed)
    await published(books, "synced", "planned", seconds_ago=6 * 24 * 3600)

    run = await look(books, watchdog)

    assert (run["state"], run["generation"], planner.asked) == ("active", 1, [])


async def test_an_old_event_that_the_log_still_holds_is_not_lost(
    books: Books, log: Log, planner: Planner, watchdog: Watchdog
) -> None:
    log.write(20)
    log.forget(before=9)
    await published(books, "planned", offset=9)

    assert (await look(books, watchdog))["generation"] == 1
    assert planner.asked == []


async def test_what_was_published_just_now_is_given_time(
    books: Books, log: Log, planner: Planner, watchdog: Watchdog
) -> None:
    log.write(10)
    log.commit(10)
    await published(books, "planned", seconds_ago=2)

    assert (await look(books, watchdog))["generation"] == 1
    assert planner.asked == []


@pytest.mark.parametrize("state", ["parked", "cancelling", "requested"])
async def test_a_run_that_is_not_at_work_is_not_looked_for(
    books: Books, log: Log, planner: Planner, watchdog: Watchdog, state: str
) -> None:
    log.write(10)
    log.commit(10)
    await published(books, "planned")
    await books.db.run("UPDATE run SET state = %s WHERE id = %s", state, books.run)

    assert (await look(books, watchdog))["generation"] == 1
    assert planner.asked == []


# parking


async def park_for(books: Books, seconds: float, *, known_end: bool = False) -> None:
    """Parks the run, and has that time pass."""
    run = await run_of(books)
    async with books.db.transaction() as connection:
        until = datetime.now(UTC) + timedelta(seconds=seconds)
        assert await park(
            connection,
            books.run,
            run["generation"],
            until=until,
            reason="tool_unavailable",
            issue=AWAY,
            known_end=known_end,
        )
    await books.db.run("UPDATE run SET parked_until = now() WHERE id = %s", books.run)


async def test_a_parked_run_goes_on_in_a_new_generation_when_its_time_has_come(
    books: Books, planner: Planner, watchdog: Watchdog
) -> None:
    await park_for(books, 60)
    await books.db.run("UPDATE run SET parked_until = now() + interval '1 minute' WHERE id = %s", books.run)
    await watchdog.resume_parked()
    assert (await run_of(books))["state"] == "parked"

    await books.db.run("UPDATE run SET parked_until = now() WHERE id = %s", books.run)
    await watchdog.resume_parked()

    run = await run_of(books)
    assert (run["state"], run["generation"], run["park_reason"]) == ("active", 2, None)
    assert planner.asked == [(books.run, 2, 0)]


async def test_a_run_that_was_parked_before_its_items_were_selected_is_started_anew(
    books: Books, planner: Planner, watchdog: Watchdog
) -> None:
    await books.db.run("UPDATE run SET selected = false WHERE id = %s", books.run)
    await park_for(books, 60)

    await watchdog.resume_parked()

    assert (planner.started, planner.asked) == ([books.run], [])


async def test_two_hours_of_waiting_in_all_end_a_run_as_error_and_the_rest_is_not_tried(
    books: Books, planner: Planner, watchdog: Watchdog
) -> None:
    for sequence, state in enumerate(("synced", "planned", "planned")):
        await books.item(sequence, state=state)
    for _ in range(3):
        await park_for(books, MAX_PARKED_SECONDS / 4 + 1)
        await watchdog.resume_parked()
        assert (await run_of(books))["state"] == "active"
    await park_for(books, MAX_PARKED_SECONDS / 4 + 1)

    await watchdog.resume_parked()

    run = await run_of(books)
    assert (run["state"], run["status"], run["park_issue"]["code"]) == ("ended", "Error", "B06")
    assert [(await books.item_row(one))["state"] for one in range(3)] == ["synced", "not_tried", "not_tried"]
    assert len(planner.asked) == 3


async def test_waiting_for_a_time_that_is_known_does_not_count(
    books: Books, planner: Planner, watchdog: Watchdog
) -> None:
    for _ in range(3):
        await park_for(books, MAX_PARKED_SECONDS, known_end=True)
        await watchdog.resume_parked()

    run = await run_of(books)
    assert (run["state"], run["generation"], run["parked_seconds"]) == ("active", 4, 0)


async def test_a_process_with_a_wrong_clock_parks_for_as_long_as_it_meant(
    books: Books, planner: Planner, watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A minute of a worker that is three hours ahead is no outage of three hours."""
    ahead = datetime.now(UTC) + timedelta(hours=3)
    monkeypatch.setattr(clock, "now", lambda: ahead)
    run = await run_of(books)
    async with books.db.transaction() as connection:
        until = ahead + timedelta(seconds=60)
        assert await park(connection, books.run, run["generation"], until=until, reason="tool_unavailable", issue=AWAY)

    parked = await books.db.one("SELECT parked_seconds, parked_until - now() AS wait FROM run WHERE id = %s", books.run)
    assert parked is not None
    assert parked["parked_seconds"] == 60
    assert timedelta(seconds=30) < parked["wait"] <= timedelta(seconds=60)


async def test_a_parked_run_with_trouble_of_its_own_holds_up_no_other(
    books: Books, planner: Planner, watchdog: Watchdog
) -> None:
    await park_for(books, MAX_PARKED_SECONDS + 1)
    await books.db.run("UPDATE run SET park_issue = '{\"code\": 1}' WHERE id = %s", books.run)
    async with new_books(books.db) as other:
        await park_for(other, 60)

        await watchdog.resume_parked()

        assert planner.asked == [(other.run, 2, 0)]
