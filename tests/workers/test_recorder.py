"""The recorder on a real PostgreSQL: one bad row stays alone, and a database that goes away loses nothing."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import psycopg
import pytest
from dagboek.push_record import Adoption, AttemptOutcome, Granted, ItemOutcome, Outcome, late_outcome
from dagboek.sweeper import write_events
from dagboek_schemas import events
from dagboek_schemas.cloudevents import Record
from dagboek_schemas.statuses import ItemState
from dagboek_schemas.topics import Topic
from dagboek_workers.recorder import Recorder, Told
from push_books import Books


class Producer:
    """Takes what is sent, and confirms it at once, or when it is told to."""

    def __init__(self) -> None:
        self.sent: list[tuple[Topic, bytes]] = []
        self.withheld: dict[Topic, Any] | None = None
        """What has yet to be confirmed, where nothing is confirmed at once."""

    def send(self, topic: Topic, record: Record, delivered: Any, failed: Any = None) -> None:
        self.sent.append((topic, record.value))
        if self.withheld is None:
            delivered(0, len(self.sent))
        else:
            self.withheld[topic] = delivered


@pytest.fixture
def producer() -> Producer:
    return Producer()


@pytest.fixture
async def recorder(books: Books, producer: Producer) -> AsyncIterator[Recorder]:
    made = Recorder(books.db.url, producer)  # type: ignore[arg-type]  # all that it needs of a publisher
    yield made
    await made.stop()


def told(books: Books, sequence: int, state: ItemState = ItemState.SYNCED, **more: Any) -> tuple[Told, list[int]]:
    """An outcome to tell, and a list that grows when it is finished."""
    finished: list[int] = []
    event = f'{{"sequence": {sequence}}}'.encode()
    item = ItemOutcome(books.run, sequence, state, event, **more)
    return Told(item, Record(b"k", event, []), lambda: finished.append(sequence)), finished


async def sessions(books: Books, end: bool = False) -> int:
    """The recorder's sessions in the database; ends them, as a failover would."""
    rows = await books.db.all(
        f"""SELECT pid{", pg_terminate_backend(pid)" if end else ""} FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid() AND application_name = 'dagboek'"""
    )
    return len(rows)


async def test_an_entry_that_another_link_has_goes_to_a_person_and_the_rest_is_written(
    books: Books, recorder: Recorder
) -> None:
    holder, wrong, right, following = await books.links(4)
    await books.db.run("UPDATE link SET state = 'booked', entry_id = 'e1', entry_number = '1' WHERE id = %s", holder)
    await books.intend(books.intent(wrong), books.intent(right))

    recorder.outcome(AttemptOutcome(wrong, 1, Outcome.BOOKED, "rev1:a", entry_id="e1", entry_number="1"))
    recorder.outcome(AttemptOutcome(right, 1, Outcome.BOOKED, "rev1:a", entry_id="e2", entry_number="2"))
    granted = await recorder.intent(books.intent(following))
    await recorder.written()

    assert isinstance(granted, Granted)
    assert ((await books.link(right))["state"], (await books.link(right))["entry_id"]) == ("booked", "e2")
    row = await books.link(wrong)
    assert (row["state"], row["entry_id"], row["needs_person_issue"]["code"]) == ("needs_person", None, "D11")
    assert (await books.link(holder))["entry_id"] == "e1"


async def test_two_links_that_adopt_one_entry_in_one_group(books: Books, recorder: Recorder) -> None:
    links = await books.links(2)
    wanted = [Adoption(link, 0, "rev1:a", "e1", "1") for link in links]

    assert sorted(await asyncio.gather(*map(recorder.adopt, wanted))) == [False, True]


async def test_words_that_the_database_does_not_take_hold_nobody_up(books: Books, recorder: Recorder) -> None:
    """A fact is stored without them."""
    first, second = await books.links(2)
    await books.intend(books.intent(first))
    await books.item(0)
    await books.item(1)
    bad, bad_finished = told(books, 0, ItemState.SKIPPED, issues=b'[{"code": "B04", "tool_words": "\\u0000"}]')
    good, finished = told(books, 1)

    recorder.outcome(AttemptOutcome(first, 1, Outcome.BOOKED, entry_id="e1", entry_details=b'{"note": "\\u0000"}'))
    recorder.tell(bad)
    recorder.tell(good)
    granted = await recorder.intent(books.intent(second))
    await recorder.written()

    assert granted is not None
    assert ((await books.link(first))["state"], (await books.link(first))["entry_id"]) == ("booked", "e1")
    assert [(await books.item_row(one))["state"] for one in (0, 1)] == ["skipped", "synced"]
    assert (bad_finished, finished) == ([0], [1])


async def test_what_is_told_is_delivered_after_it_is_stored_and_marked_after_it_is_delivered(
    books: Books, recorder: Recorder, producer: Producer
) -> None:
    await books.item(0)
    await books.item(1)
    booked, finished = told(books, 0)
    skipped, warned = told(books, 1, ItemState.SKIPPED)

    recorder.tell(booked)
    recorder.tell(skipped)
    assert producer.sent == []
    await recorder.written()
    await asyncio.sleep(0)
    await recorder.written()

    assert producer.sent == [
        (Topic.RESULTS, b'{"sequence": 0}'),
        (Topic.RESULTS, b'{"sequence": 1}'),
        (Topic.WARNINGS, b'{"sequence": 1}'),
    ]
    assert (finished, warned) == ([0], [1])
    for sequence in (0, 1):
        assert (await books.item_row(sequence))["reported_at"] is not None


async def test_a_worker_that_was_frozen_tells_nothing_that_another_has_told_otherwise(
    books: Books, recorder: Recorder, producer: Producer
) -> None:
    """What it sent was settled, or done by another, while it did not run: its own "to settle" comes too late."""
    await books.item(0, state="synced", outcome_at=datetime.now(UTC), event=b"of another")
    late, finished = told(books, 0, ItemState.TO_SETTLE)

    recorder.tell(late)
    await recorder.written()

    assert (producer.sent, finished) == ([], [0])
    row = await books.item_row(0)
    assert (row["state"], bytes(row["event"])) == ("synced", b"of another")


@pytest.mark.parametrize("told_version", [2, 3])
async def test_what_a_frozen_worker_booked_is_told_behind_what_was_told_meanwhile(
    books: Books, recorder: Recorder, producer: Producer, told_version: int
) -> None:
    """Its event was made before that: consumers who order by version and time would never come to know of it."""
    meanwhile = datetime.now(UTC)
    await books.item(
        0,
        state="needs_person",
        title="2026-1",
        revision="rev1:a",
        link_version=told_version,
        outcome_at=meanwhile,
        event=b"of settling",
        reported_at=meanwhile,
    )
    late, finished = told(books, 0, link_version=2)

    recorder.tell(late)
    await recorder.written()

    assert (producer.sent, finished) == ([], [0])
    assert await write_events(books.db) == 1
    row = await books.item_row(0)
    assert (row["state"], row["reported_at"]) == ("synced", None)
    event = events.ItemOutcome.model_validate_json(row["event"])
    assert (event.state, event.link_version) == (ItemState.SYNCED, told_version)
    assert event.occurred_at > meanwhile


async def test_an_outcome_whose_commit_was_not_answered_is_told_all_the_same(
    books: Books, recorder: Recorder, producer: Producer
) -> None:
    """It stands there already when it is written again."""
    await books.item(0, state="synced", outcome_at=datetime.now(UTC), event=b'{"sequence": 0}')
    again, _ = told(books, 0)

    recorder.tell(again)
    await recorder.written()

    assert producer.sent == [(Topic.RESULTS, b'{"sequence": 0}')]


@pytest.mark.parametrize(
    ("state", "topics"),
    [
        (ItemState.SYNCED, [Topic.RESULTS]),
        (ItemState.NOT_READY, [Topic.RESULTS]),
        (ItemState.SKIPPED, [Topic.RESULTS, Topic.WARNINGS]),
        (ItemState.SKIPPED, [Topic.WARNINGS, Topic.RESULTS]),
        (ItemState.NEEDS_PERSON, [Topic.WARNINGS, Topic.RESULTS]),
    ],
)
@pytest.mark.parametrize("stored_before", [False, True])
async def test_an_item_is_finished_when_every_topic_has_confirmed_it_and_not_before(
    books: Books, recorder: Recorder, producer: Producer, state: ItemState, topics: list[Topic], stored_before: bool
) -> None:
    """What is finished is acked: a result that only one topic has, or none, would be lost with the brokers."""
    producer.withheld = {}
    item, finished = told(books, 0, state)

    if stored_before:
        await books.item(0, state=state, outcome_at=datetime.now(UTC))
        recorder.deliver(item)
    else:
        await books.item(0)
        recorder.tell(item)
    await passed(recorder)
    assert set(producer.withheld) == set(topics)
    for topic in topics:
        assert finished == []
        assert (await books.item_row(0))["reported_at"] is None
        await asyncio.to_thread(producer.withheld[topic], 0, 1)  # confirmed by the producer's own thread
        await passed(recorder)

    assert finished == [0]
    assert (await books.item_row(0))["reported_at"] is not None


async def passed(recorder: Recorder) -> None:
    """Waits until the recorder has done what it could."""
    await asyncio.sleep(0)
    await recorder.written()
    await recorder.written()


async def test_a_connection_that_is_cut_is_made_again_and_nothing_is_lost(books: Books, recorder: Recorder) -> None:
    first, second = await books.links(2)
    assert await recorder.intent(books.intent(first)) is not None
    assert await sessions(books, end=True) >= 1

    recorder.outcome(AttemptOutcome(first, 1, Outcome.BOOKED, "rev1:a", entry_id="e1"))
    assert await recorder.intent(books.intent(second)) is not None
    assert (await books.link(first))["state"] == "booked"


async def test_a_late_outcome_is_taken_though_the_connection_is_cut_in_between(
    books: Books, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    (link,) = await books.links()
    await books.intend(books.intent(link))
    await books.came(link, Outcome.ABSENT)
    cut = iter([True])

    async def cut_once(connection: Any, **given: Any) -> Any:
        if next(cut, False):
            raise psycopg.OperationalError("the connection is lost")
        return await late_outcome(connection, **given)

    monkeypatch.setattr("dagboek_workers.recorder.late_outcome", cut_once)
    recorder.outcome(AttemptOutcome(link, 1, Outcome.BOOKED, "rev1:a", entry_id="e1"))
    await recorder.written()

    assert (await books.link(link))["state"] == "booked"


async def test_a_group_that_meets_a_locked_row_waits_for_it(books: Books, recorder: Recorder) -> None:
    first, second = await books.links(2)
    async with books.db.transaction() as other:
        await other.execute("SELECT 1 FROM link WHERE id = %s FOR UPDATE", (first,))
        asked = asyncio.gather(recorder.intent(books.intent(first)), recorder.intent(books.intent(second)))
        await asyncio.sleep(0.3)
        assert not asked.done()
    assert None not in await asked


async def test_text_that_cannot_be_sent_stays_alone(books: Books, recorder: Recorder) -> None:
    """The driver refuses it before the database sees it; the others are written, and the worker lives."""
    bad, good = await books.links(2)
    await books.intend(books.intent(bad), books.intent(good, sequence=1))

    recorder.outcome(AttemptOutcome(bad, 1, Outcome.BOOKED, "rev1:a", entry_id="e1", entry_number="1\ud800"))
    recorder.outcome(AttemptOutcome(good, 1, Outcome.BOOKED, "rev1:a", entry_id="e2", entry_number="2"))
    await recorder.written()

    assert (await books.link(good))["state"] == "booked"
    assert (await books.link(bad))["state"] == "intent"  # settled later


async def test_an_event_that_can_never_be_delivered_keeps_no_partition_waiting(
    books: Books, recorder: Recorder, producer: Producer, monkeypatch: pytest.MonkeyPatch
) -> None:
    await books.item(0)
    one, finished = told(books, 0)
    monkeypatch.setattr(producer, "send", lambda topic, record, delivered, failed: failed("MSG_SIZE_TOO_LARGE"))

    recorder.tell(one)
    await recorder.written()

    assert finished == [0]
    item = await books.item_row()
    assert (item["state"], item["reported_at"]) == ("synced", None)
