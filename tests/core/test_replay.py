"""What the results topic knows and the database does not: on a real broker and database."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from confluent_kafka.admin import AdminClient
from confluent_kafka.cimpl import NewTopic
from dagboek import replay, stamp
from dagboek.database import Database
from dagboek.embedded import Services
from dagboek.outcome_events import outcome_record
from dagboek.publisher import Publisher
from dagboek.replay import Replay, knows_more, last_told
from dagboek.runs import finish_run
from dagboek.sweeper import deliver_run_events
from dagboek_schemas.events import ItemOutcome
from dagboek_schemas.topics import Topic
from push_books import Books, new_books

PARTITIONS = 3


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    """Of a database of which nothing was noticed."""
    await database.run("UPDATE stamp SET noticed_at = NULL, since = NULL, replayed_until = NULL, seen_at = now()")
    await database.run("UPDATE administration SET suspect_since = NULL")
    async with new_books(database) as made:
        yield made


@pytest.fixture
def publisher(services: Services, topic_prefix: str) -> Iterator[Publisher]:
    admin = AdminClient({"bootstrap.servers": services.kafka_bootstrap})
    name = Topic.RESULTS.named(topic_prefix)
    admin.create_topics([NewTopic(name, PARTITIONS, 1)])[name].result(60)
    running = Publisher(services.kafka_bootstrap, topic_prefix, services.kafka_security)
    yield running
    running.close()


@pytest.fixture
def reader(services: Services, books: Books, publisher: Publisher) -> Iterator[Replay]:
    made = Replay(books.db, services.kafka_bootstrap, publisher.prefix, services.kafka_security)
    yield made
    made.close()


def outcome(books: Books, identity: str, version: int, state: str = "synced", **changes: Any) -> ItemOutcome:
    """An outcome as it is told of a document that is booked."""
    given = {
        "run_id": books.run,
        "tenant_id": books.tenant,
        "entity_id": uuid4(),
        "connection_id": uuid4(),
        "administration_id": books.administration,
        "component": "sales_invoices",
        "kind": "document",
        "sequence": 0,
        "state": state,
        "identity": identity,
        "revision": "rev1:b",
        "link_version": version,
        "attempt": 1,
        "occurred_at": datetime.now(UTC),
        **({"entry_id": f"e{identity}", "booking_number": f"n{identity}"} if state == "synced" else {}),
        **changes,
    }
    return ItemOutcome.model_validate(given)


async def tell(publisher: Publisher, *outcomes: ItemOutcome) -> None:
    await publisher.publish(Topic.RESULTS, [outcome_record(one) for one in outcomes])


async def notice(books: Books) -> None:
    async with books.db.connection() as connection:
        await stamp.suspect(connection, "a test said so")


async def link_of(books: Books, identity: str) -> dict[str, Any]:
    row = await books.db.one(
        "SELECT * FROM link WHERE administration_id = %s AND identity = %s AND current", books.administration, identity
    )
    assert row is not None
    return row


async def all_links(books: Books) -> list[dict[str, Any]]:
    return await books.db.all("SELECT * FROM link WHERE administration_id = %s ORDER BY id", books.administration)


async def proof(services: Services, books: Books, publisher: Publisher) -> str:
    """What the end of the topic proves."""
    told = await asyncio.to_thread(last_told, services.kafka_bootstrap, publisher.prefix, services.kafka_security)
    async with books.db.connection() as connection:
        found = await knows_more(connection, told)
    return found.words if found else ""


# noticing


async def test_a_database_that_knows_all_that_was_told(services: Services, books: Books, publisher: Publisher) -> None:
    await books.links(identity="d1:a", link_version=3)
    await tell(publisher, outcome(books, "d1:a", 3), outcome(books, "d1:a", 2), outcome(books, "d1:x", 0, "skipped"))
    async with books.db.connection() as connection:
        await finish_run(connection, books.run)
    await deliver_run_events(books.db, publisher)
    assert await proof(services, books, publisher) == ""


async def test_a_link_that_was_told_at_a_higher_version(services: Services, books: Books, publisher: Publisher) -> None:
    await books.links(identity="d1:a", link_version=2)
    await tell(publisher, outcome(books, "d1:a", 3))
    assert "d1:a was told as synced of version 3" in await proof(services, books, publisher)


async def test_a_link_that_is_not_there(services: Services, books: Books, publisher: Publisher) -> None:
    await tell(publisher, outcome(books, "d1:a", 1))
    assert "d1:a" in await proof(services, books, publisher)


async def test_versions_are_those_of_all_incarnations(services: Services, books: Books, publisher: Publisher) -> None:
    await books.links(identity="d1:a", link_version=9, current=False)
    await books.links(identity="d1:a", link_version=7, incarnation=2)
    await tell(publisher, outcome(books, "d1:a", 9))
    assert await proof(services, books, publisher) == ""


async def test_a_run_that_is_not_there(services: Services, books: Books, publisher: Publisher) -> None:
    lost = uuid4()
    await tell(publisher, outcome(books, "d1:a", 0, "skipped", run_id=lost))
    assert await proof(services, books, publisher) == f"run {lost} is not in the database"


async def test_a_run_that_was_dropped_for_its_age(services: Services, books: Books, publisher: Publisher) -> None:
    old = datetime.now(UTC) - timedelta(days=8)
    await tell(publisher, outcome(books, "d1:a", 0, "skipped", run_id=uuid4(), occurred_at=old))
    assert await proof(services, books, publisher) == ""


async def test_a_run_whose_end_was_told(services: Services, books: Books, publisher: Publisher) -> None:
    async with books.db.connection() as connection:
        await finish_run(connection, books.run)
    await deliver_run_events(books.db, publisher)
    assert await proof(services, books, publisher) == ""
    await books.db.run("UPDATE run SET state = 'active' WHERE id = %s", books.run)
    assert await proof(services, books, publisher) == f"run {books.run} has not ended in the database"


async def test_what_was_noticed_is_not_noticed_again(services: Services, books: Books, publisher: Publisher) -> None:
    await tell(publisher, outcome(books, "d1:a", 1))
    await notice(books)
    assert await proof(services, books, publisher) == ""
    await tell(publisher, outcome(books, "d1:b", 1))
    assert "d1:b" in await proof(services, books, publisher)


async def test_only_the_end_of_a_long_topic_is_read(
    services: Services, books: Books, publisher: Publisher, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "LAST", 5)
    await tell(publisher, outcome(books, "d1:old", 1))
    await tell(publisher, *(outcome(books, f"d1:{at}", 0, "skipped") for at in range(100)))
    told = await asyncio.to_thread(last_told, services.kafka_bootstrap, publisher.prefix, services.kafka_security)
    assert len(told) == 5  # one key, one partition
    assert await proof(services, books, publisher) == ""


async def test_after_a_restart_of_the_database_the_core_compares(
    books: Books, publisher: Publisher, reader: Replay
) -> None:
    await books.db.run("UPDATE stamp SET unchecked = true")
    await reader.step()
    assert await books.db.one("SELECT unchecked, noticed_at FROM stamp") == {"unchecked": False, "noticed_at": None}

    await tell(publisher, outcome(books, "d1:a", 1))
    await books.db.run("UPDATE stamp SET unchecked = true")
    await reader.step()
    row = await books.db.one("SELECT unchecked, noticed_at IS NOT NULL AS noticed, proof FROM stamp")
    assert row is not None
    assert (row["unchecked"], row["noticed"]) == (False, True)
    assert "the results topic has it" in row["proof"]


# taking over


async def test_entries_are_taken_over(books: Books, publisher: Publisher, reader: Replay) -> None:
    await books.links(identity="d1:free", link_version=2, attempt=1)
    await books.links(identity="d1:newer", link_version=9, state="booked", entry_id="e9", revision="rev1:z")
    await books.links(identity="d1:changed", link_version=3, state="booked", entry_id="ed1:changed", revision="rev1:a")
    (open_,) = await books.links(identity="d1:open")
    await books.intend(books.intent(open_))
    await tell(
        publisher,
        outcome(books, "d1:free", 4, attempt=2),
        outcome(books, "d1:newer", 7),
        outcome(books, "d1:changed", 5, updated=True),
        outcome(books, "d1:open", 4, attempt=2),
        outcome(books, "d1:lost", 2),
        outcome(books, "p1:lost", 2, kind="party", component="customers", booking_number=None),
        outcome(books, "d1:taken", 2, "accepted"),
        outcome(books, "d1:refused", 6, "skipped"),
    )
    await notice(books)

    adopted = await reader.step()

    assert sorted(identity for identity, _ in adopted.entries) == [
        "d1:changed", "d1:free", "d1:lost", "d1:open", "d1:taken", "p1:lost"
    ]  # fmt: skip
    assert adopted.for_person == []
    for identity, version, attempt in (("d1:free", 4, 2), ("d1:changed", 5, 1), ("d1:open", 4, 2), ("d1:lost", 2, 1)):
        row = await link_of(books, identity)
        assert (row["state"], row["entry_id"], row["revision"]) == ("booked", f"e{identity}", "rev1:b")
        assert (row["entry_number"], row["link_version"], row["attempt"]) == (f"n{identity}", version, attempt)
    newer = await link_of(books, "d1:newer")
    assert (newer["entry_id"], newer["revision"], newer["link_version"]) == ("e9", "rev1:z", 9)
    party = await link_of(books, "p1:lost")
    assert (party["state"], party["kind"], party["roles"]) == ("booked", "party", ["customers"])
    taken = await link_of(books, "d1:taken")
    assert (taken["state"], taken["accepted_token"]) == ("accepted", "")
    refused = await link_of(books, "d1:refused")
    assert (refused["state"], refused["link_version"]) == ("free", 6)
    numbers = [row["link_no"] for row in await all_links(books)]
    assert len(numbers) == len(set(numbers))


async def test_taking_over_twice_changes_nothing(books: Books, publisher: Publisher, reader: Replay) -> None:
    await tell(publisher, outcome(books, "d1:lost", 2), outcome(books, "d1:sent", 3, "to_settle"))
    await notice(books)
    await reader.step()
    before = await all_links(books)
    reader.close()
    assert await reader.step() == replay.Adopted()
    assert await all_links(books) == before


async def test_what_nobody_can_tell_waits_for_a_person(books: Books, publisher: Publisher, reader: Replay) -> None:
    (settling,) = await books.links(identity="d1:settling")
    await books.intend(books.intent(settling))
    await books.links(identity="d1:update", state="booked", entry_id="e1", attempt=1, link_version=2)
    await tell(
        publisher,
        outcome(books, "d1:sent", 2, "to_settle"),
        outcome(books, "d1:settling", 2, "to_settle"),
        outcome(books, "d1:update", 4, "to_settle", attempt=2),
        outcome(books, "p1:sent", 2, "to_settle", kind="party", component="customers"),
        outcome(books, "d1:asked", 2, "synced"),
        outcome(books, "d1:asked", 4, "needs_person"),
    )
    await notice(books)

    adopted = await reader.step()

    assert sorted(adopted.for_person) == ["d1:asked", "d1:sent"]
    sent = await link_of(books, "d1:sent")
    assert (sent["state"], sent["needs_person_issue"]["code"]) == ("needs_person", "D41")
    assert (await link_of(books, "d1:settling"))["state"] == "intent"  # it is settled as any other
    assert (await link_of(books, "d1:update"))["state"] == "booked"  # it is sent again as a whole
    assert (await link_of(books, "p1:sent"))["state"] == "free"  # it is looked for before it is made
    asked = await link_of(books, "d1:asked")
    assert (asked["state"], asked["entry_id"], asked["link_version"]) == ("needs_person", "ed1:asked", 4)


async def test_what_a_person_had_sent_again_is_a_link_of_its_own(
    books: Books, publisher: Publisher, reader: Replay
) -> None:
    (old,) = await books.links(identity="d1:a", state="booked", entry_id="e1", link_version=3)
    await tell(publisher, outcome(books, "d1:a", 6, entry_id="e2", booking_number="2"))
    await notice(books)

    assert (await reader.step()).entries == [("d1:a", "2")]

    fresh = await link_of(books, "d1:a")
    assert (fresh["state"], fresh["entry_id"], fresh["incarnation"], fresh["link_version"]) == ("booked", "e2", 2, 6)
    closed = await books.link(old)
    assert (closed["current"], closed["entry_id"]) == (False, "e1")


async def test_an_entry_that_another_link_holds_is_a_persons_business(
    books: Books, publisher: Publisher, reader: Replay
) -> None:
    await books.links(identity="d1:a", state="booked", entry_id="e1", link_version=3)
    await tell(publisher, outcome(books, "d1:b", 2, entry_id="e1"), outcome(books, "d1:c", 2))
    await notice(books)

    adopted = await reader.step()

    assert (adopted.entries, adopted.for_person) == ([("d1:c", "nd1:c")], ["d1:b"])
    assert (await link_of(books, "d1:b"))["needs_person_issue"]["code"] == "D11"


async def test_what_is_told_while_calls_of_before_end_is_taken_over_too(
    books: Books, publisher: Publisher, reader: Replay
) -> None:
    await notice(books)
    assert await reader.step() == replay.Adopted()
    first = await books.db.one("SELECT replayed_until FROM stamp")
    await tell(publisher, outcome(books, "d1:late", 2))

    assert (await reader.step()).entries == [("d1:late", "nd1:late")]

    second = await books.db.one("SELECT replayed_until FROM stamp")
    assert first is not None and second is not None
    assert first["replayed_until"] < second["replayed_until"]


async def test_books_that_are_not_suspect_are_left_alone(books: Books, publisher: Publisher, reader: Replay) -> None:
    await notice(books)
    await books.db.run("UPDATE administration SET suspect_since = NULL")
    await tell(publisher, outcome(books, "d1:a", 2))
    assert await reader.step() == replay.Adopted()
    assert await all_links(books) == []


async def test_only_what_was_told_since_is_read(books: Books, publisher: Publisher, reader: Replay) -> None:
    await tell(publisher, outcome(books, "d1:before", 2))
    async with books.db.connection() as connection:
        await stamp.suspect(connection, "a test said so", since=datetime.now(UTC) + timedelta(seconds=1))
    await asyncio.sleep(1.1)
    await tell(publisher, outcome(books, "d1:after", 2))
    assert (await reader.step()).entries == [("d1:after", "nd1:after")]


async def test_a_lot_that_cannot_be_written_is_read_again(
    books: Books, publisher: Publisher, reader: Replay, monkeypatch: pytest.MonkeyPatch
) -> None:
    await tell(publisher, outcome(books, "d1:a", 2))
    await notice(books)

    async def locked(*_: Any) -> Any:
        raise TimeoutError

    with monkeypatch.context() as broken:
        broken.setattr(replay, "adopt", locked)
        with pytest.raises(TimeoutError):
            await reader.step()
    assert (await reader.step()).entries == [("d1:a", "nd1:a")]
