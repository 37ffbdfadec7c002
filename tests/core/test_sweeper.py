"""What was not told is told; one outcome that cannot be holds up no other, and is no secret."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from dagboek import doctor
from dagboek.database import Database, Jsonb
from dagboek.embedded import Services
from dagboek.publisher import Publisher
from dagboek.runs import finish_run
from dagboek.sweeper import UNTOLD, UNWRITTEN, deliver_items, deliver_run_events, write_events
from dagboek_schemas.topics import Topic
from push_books import Books, new_books


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    await database.run("UPDATE item SET reported_at = now()")  # of the test before
    async with new_books(database) as made:
        yield made


@pytest.fixture
def publisher(services: Services, topic_prefix: str) -> Iterator[Publisher]:
    admin = AdminClient({"bootstrap.servers": services.kafka_bootstrap})
    topics = [NewTopic(topic.named(topic_prefix), 1, 1) for topic in (Topic.RESULTS, Topic.WARNINGS)]
    for made in admin.create_topics(topics).values():
        made.result(60)
    running = Publisher(services.kafka_bootstrap, topic_prefix, services.kafka_security)
    yield running
    running.close()


async def outcome(books: Books, sequence: int, **columns: Any) -> None:
    """An item with an outcome that nobody was told of."""
    given = {"state": "skipped", "title": str(sequence), "revision": "rev1:a", **columns}
    await books.item(sequence, **given)
    await books.db.run(
        "UPDATE item SET outcome_at = now() - interval '1 minute' WHERE run_id = %s AND sequence = %s",
        books.run,
        sequence,
    )


async def told(books: Books) -> list[str]:
    """How each item stands with those who listen."""
    rows = await books.db.all(
        """SELECT CASE WHEN reported_at IS NULL THEN 'not yet' WHEN reported_at = to_timestamp(0) THEN 'set aside'
                       ELSE 'told' END AS it FROM item WHERE run_id = %s ORDER BY sequence""",
        books.run,
    )
    return [row["it"] for row in rows]


async def findings(books: Books) -> str:
    """What `dagboek doctor` says of the work."""
    return " ".join([f"{one.what} {one.fix}" async for one in doctor._work(books.db)])


async def test_a_look_that_finds_nothing_to_write_is_one_statement(
    books: Books, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each core looks twice a second."""
    asked: list[str] = []
    really = books.db.all

    async def counted(query: str, *given: Any) -> Any:
        asked.append(query)
        return await really(query, *given)

    monkeypatch.setattr(books.db, "all", counted)

    assert await write_events(books.db) == 0
    assert asked == [UNWRITTEN]


async def test_an_outcome_of_which_no_event_can_be_made_holds_up_no_other(books: Books, publisher: Publisher) -> None:
    await outcome(books, 0)
    await outcome(books, 1, issues=Jsonb([{"code": 7}]))
    await outcome(books, 2)

    for _ in range(2):
        await write_events(books.db)
        await deliver_items(books.db, publisher)

    assert await told(books) == ["told", "set aside", "told"]
    assert "1 results could not be told" in await findings(books)
    async with books.db.connection() as connection:
        assert await finish_run(connection, books.run)
    assert await deliver_run_events(books.db, publisher, books.run) == 2


async def test_an_event_that_cannot_be_read_or_that_no_topic_takes_holds_up_no_other(
    books: Books, publisher: Publisher
) -> None:
    for sequence in range(5):
        await outcome(books, sequence, title="9" * (1_500_000 if sequence == 1 else 1))
    await write_events(books.db)
    await books.db.run("UPDATE item SET event = '{}' WHERE run_id = %s AND sequence = 3", books.run)

    async with asyncio.timeout(60):
        await deliver_items(books.db, publisher)

    assert await told(books) == ["told", "set aside", "told", "set aside", "told"]
    assert await deliver_items(books.db, publisher) == 0


async def test_what_was_set_aside_is_told_when_it_becomes_something_else(books: Books, publisher: Publisher) -> None:
    await outcome(books, 0, issues=Jsonb([{"code": 7}]))
    await write_events(books.db)
    assert await told(books) == ["set aside"]

    await books.db.run("UPDATE item SET issues = '[]', reported_at = NULL WHERE run_id = %s", books.run)
    await write_events(books.db)
    await deliver_items(books.db, publisher)

    assert await told(books) == ["told"]


@pytest.mark.parametrize("query", [UNWRITTEN, UNTOLD], ids=["unwritten", "untold"])
async def test_what_was_told_is_not_looked_through_again_and_again(books: Books, query: str) -> None:
    """Months of items are there, and this is asked twice a second."""
    await books.db.run(
        """INSERT INTO item (run_id, component, identity, kind, sequence, state, outcome_at, event, reported_at)
           SELECT %s, 'sales_invoices', 'd1:' || n, 'document', n, 'synced', now(), '{}', now()
           FROM generate_series(1, 20000) n""",
        books.run,
    )
    await books.db.run("ANALYZE item")
    given = (3, 500) if query is UNTOLD else (500,)

    plan = "\n".join(row["QUERY PLAN"] for row in await books.db.all(f"EXPLAIN {query}", *given))

    assert "item_unreported" in plan and "Seq Scan" not in plan, plan


async def test_ends_are_told_in_the_order_of_the_work_and_the_run_last(
    books: Books, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever order their rows lie in: all are written at the same time."""
    order = ["customers", "sales_invoices", "sales_credit_notes"]
    for sequence, component in enumerate(order):
        await books.item(sequence, state="synced", component=component)
    async with books.db.connection() as connection:
        assert await finish_run(connection, books.run)
    # the first one now lies last
    await books.db.run(
        """WITH gone AS (DELETE FROM run_event WHERE position('customers' IN encode(value, 'escape')) > 0 RETURNING *)
           INSERT INTO run_event SELECT * FROM gone"""
    )
    sent: list[Any] = []

    async def kept(_: Topic, records: Any) -> None:
        sent.extend(json.loads(record.value) for record in records)

    monkeypatch.setattr(publisher, "publish", kept)
    assert await deliver_run_events(books.db, publisher, books.run) == 4
    assert [event.get("component") for event in sent] == [*order, None]
