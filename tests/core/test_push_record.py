"""The push record on a real PostgreSQL: one intent whoever races for it, outcomes are facts, series have no gaps."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import orjson
import pytest
from dagboek import push_record
from dagboek.database import Database
from dagboek.embedded import Services
from dagboek.lanes import take_lane
from dagboek.push_record import (
    Adoption,
    AttemptOutcome,
    Granted,
    Group,
    ItemOutcome,
    Late,
    Outcome,
    correct_series,
    late_outcome,
    repeat_intent,
    start_series,
    write,
)
from dagboek_schemas.statuses import ItemState
from push_books import SERIES, Books, migrated

TWICE = b'{"code": "D12", "severity": "error", "facts": {"entry": "2"}}'


@pytest.fixture(scope="module")
async def database(services: Services) -> AsyncIterator[Database]:
    """One database for the tests of this file; each has an administration of its own."""
    async with migrated(services) as db:
        yield db


# the race for an intent


async def test_a_fence_that_is_only_checked_lets_two_workers_have_one_intent(books: Books) -> None:
    """What must not be done: look, then write. Both have looked before either writes."""
    (link,) = await books.links()
    both_looked = asyncio.Barrier(2)

    async def worker() -> bool:
        async with books.db.transaction() as connection:
            found = await connection.execute(
                """SELECT l.state FROM link l, run r, lane n WHERE l.id = %s AND r.id = %s AND r.state = 'active'
                   AND n.administration_id = l.administration_id AND n.epoch = %s""",
                (link, books.run, books.epoch),
            )
            row = await found.fetchone()
            assert row is not None
            await both_looked.wait()
            if row["state"] != "free":
                return False
            done = await connection.execute(
                "UPDATE link SET state = 'intent', attempt = attempt + 1 WHERE id = %s", (link,)
            )
            return done.rowcount == 1

    assert list(await asyncio.gather(worker(), worker())) == [True, True]
    assert (await books.link(link))["attempt"] == 2


async def test_a_compare_and_set_gives_one_intent_to_one_of_two(books: Books) -> None:
    (link,) = await books.links()
    both_looked = asyncio.Barrier(2)

    async def worker() -> bool:
        async with books.db.connection() as connection:
            assert await (await connection.execute("SELECT state FROM link WHERE id = %s", (link,))).fetchone()
            await both_looked.wait()
            return link in (await write(connection, Group(intents=[books.intent(link)]))).granted

    assert sorted(await asyncio.gather(worker(), worker())) == [False, True]
    assert (await books.link(link))["attempt"] == 1


async def test_hundreds_of_racers_for_one_link(books: Books) -> None:
    (link,) = await books.links()

    async def racer() -> int:
        async with books.db.connection() as connection:
            return len((await write(connection, Group(intents=[books.intent(link)]))).granted)

    assert sum(await asyncio.gather(*(racer() for _ in range(300)))) == 1


async def test_racing_groups_of_many_links_in_any_order(books: Books) -> None:
    """Every link goes to one of the racers, and no two block each other for good."""
    links = await books.links(60)

    async def racer(seed: int) -> list[int]:
        mine = random.Random(seed).sample(links, 45)
        async with books.db.connection() as connection:
            return list((await write(connection, Group(intents=[books.intent(one) for one in mine]))).granted)

    won = [link for granted in await asyncio.gather(*(racer(seed) for seed in range(24))) for link in granted]

    assert sorted(won) == sorted(set(won)) == links
    attempts = await books.db.all("SELECT link_id, number FROM attempt WHERE run_id = %s", books.run)
    assert sorted((row["link_id"], row["number"]) for row in attempts) == [(link, 1) for link in links]


async def test_racers_for_one_series_get_a_number_one_after_the_other(books: Books) -> None:
    await start_series(books.connection, *books.key, 41)
    links = await books.links(40)

    async def racer(link: int) -> list[int | None]:
        async with books.db.connection() as connection:
            granted = (await write(connection, Group(intents=[books.intent(link, series=SERIES)]))).granted
            return [one.series_number for one in granted.values()]

    numbers = [number for found in await asyncio.gather(*map(racer, links)) for number in found]

    assert numbers == [42]
    assert (await books.series())["next_number"] == 42


# what speaks against an intent


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE run SET generation = 2 WHERE id = %(run)s",
        "UPDATE run SET state = 'parked' WHERE id = %(run)s",
        "UPDATE run SET state = 'cancelling' WHERE id = %(run)s",
        "UPDATE run SET state = 'ended' WHERE id = %(run)s",
        "UPDATE lane SET epoch = epoch + 1 WHERE administration_id = %(administration)s",
        "DELETE FROM lane WHERE administration_id = %(administration)s",
        "UPDATE link SET current = false WHERE id = %(link)s",
        "UPDATE link SET attempt = 1 WHERE id = %(link)s",
        "UPDATE link SET state = 'booked' WHERE id = %(link)s",
        "UPDATE link SET state = 'intent' WHERE id = %(link)s",
        "UPDATE link SET state = 'accepted' WHERE id = %(link)s",
        "UPDATE link SET state = 'needs_person' WHERE id = %(link)s",
    ],
)
async def test_what_has_changed_since_it_was_decided_gives_no_intent(books: Books, change: str) -> None:
    (link,) = await books.links()
    await books.db.run(change, {"run": books.run, "administration": books.administration, "link": link})

    assert await books.intend(books.intent(link)) == {}
    assert await books.db.all("SELECT * FROM attempt WHERE link_id = %s", link) == []


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE run SET generation = generation + 1 WHERE id = %(run)s",
        "UPDATE run SET state = 'cancelling' WHERE id = %(run)s",
        "UPDATE lane SET epoch = epoch + 1 WHERE administration_id = %(administration)s",
    ],
)
async def test_a_change_that_is_about_to_be_committed_is_waited_for(books: Books, change: str) -> None:
    (link,) = await books.links()
    async with books.db.connection() as other:
        async with other.transaction():
            await other.execute(change, {"run": books.run, "administration": books.administration})
            asked = asyncio.create_task(books.intend(books.intent(link)))
            await asyncio.sleep(0.2)
            assert not asked.done()
        assert await asked == {}


async def test_one_intent_of_a_group_may_be_refused_alone(books: Books) -> None:
    links = await books.links(3)
    await books.db.run("UPDATE link SET state = 'booked' WHERE id = %s", links[1])

    granted = await books.intend(*(books.intent(link) for link in links))

    assert sorted(granted) == [links[0], links[2]]


async def test_an_intent_says_what_was_about_to_be_sent_and_until_when(books: Books) -> None:
    (link,) = await books.links()
    granted = await books.intend(books.intent(link, booking=b'{"total": "121.00"}', party_entry="7", sequence=3))

    assert granted[link] == Granted(link, 1, 1, None)
    row = await books.link(link)
    assert (row["state"], row["prior_state"], row["run_id"], row["sequence"]) == ("intent", "free", books.run, 3)
    assert 25 < (row["settle_due"] - datetime.now(UTC)).total_seconds() < 35
    attempt = await books.db.one("SELECT * FROM attempt WHERE link_id = %s", link)
    assert attempt is not None
    assert (attempt["number"], attempt["booking"], attempt["party_entry"]) == (1, {"total": "121.00"}, "7")
    assert (attempt["generation"], attempt["epoch"], attempt["outcome"]) == (1, books.epoch, None)


# a repeat of the same attempt


async def test_a_repeat_needs_what_an_intent_needs(books: Books) -> None:
    (link,) = await books.links()
    intent = books.intent(link)
    await books.intend(intent)
    before = (await books.link(link))["settle_due"]

    assert await repeat_intent(books.connection, intent, 1) > before
    assert await repeat_intent(books.connection, intent, 2) is None
    assert await repeat_intent(books.connection, replace(intent, generation=2), 1) is None
    assert await repeat_intent(books.connection, replace(intent, epoch=intent.epoch + 1), 1) is None
    await books.came(link, Outcome.NOT_PROCESSED)
    assert await repeat_intent(books.connection, intent, 1) is None


# number series


async def series_of(books: Books, last: int = 10) -> list[int]:
    await start_series(books.connection, *books.key, last)
    return await books.links(3)


async def test_a_number_is_held_by_one_attempt_until_it_is_settled(books: Books) -> None:
    first, second, _ = await series_of(books)

    granted = await books.intend(*(books.intent(one, series=SERIES) for one in (first, second)))
    assert len(granted) == 1
    (winner,) = granted.values()
    other = second if winner.link_id == first else first
    assert winner.series_number == 11
    assert (await books.link(other))["state"] == "free"

    await books.came(winner.link_id, Outcome.UNCERTAIN)
    assert await books.intend(books.intent(other, series=SERIES)) == {}
    assert (await books.series())["open_link"] == winner.link_id


@pytest.mark.parametrize(
    ("outcome", "following"),
    [
        (Outcome.BOOKED, 12),
        (Outcome.ACCEPTED, 12),
        (Outcome.REFUSED, 11),
        (Outcome.NOT_PROCESSED, 11),
        (Outcome.ABSENT, 11),
        (Outcome.PERSON, 11),
    ],
)
async def test_every_outcome_but_uncertain_frees_the_series(books: Books, outcome: Outcome, following: int) -> None:
    first, second, _ = await series_of(books)
    await books.intend(books.intent(first, series=SERIES))
    await books.came(first, outcome, entry_id="1:V1:11", entry_number="11")

    row = await books.series()
    assert (row["next_number"], row["open_link"], row["open_attempt"]) == (following, None, None)
    granted = await books.intend(books.intent(second, series=SERIES))
    assert granted[second].series_number == following


async def test_outcome_and_next_intent_share_a_transaction(books: Books) -> None:
    first, second, _ = await series_of(books)
    await books.intend(books.intent(first, series=SERIES))
    booked = AttemptOutcome(first, 1, Outcome.BOOKED, entry_id="e11", entry_number="11")

    written = await write(books.connection, Group(outcomes=[booked], intents=[books.intent(second, series=SERIES)]))

    assert written.granted[second].series_number == 12


async def test_a_series_never_goes_back(books: Books) -> None:
    """Somebody corrected it upwards while the attempt was away; a low number that is booked changes nothing."""
    first, *_ = await series_of(books)
    await books.intend(books.intent(first, series=SERIES))
    await books.db.run("UPDATE series SET next_number = 30 WHERE administration_id = %s", books.administration)
    await books.came(first, Outcome.BOOKED, entry_id="e11", entry_number="11")

    assert (await books.series())["next_number"] == 30


async def test_a_held_series_is_not_corrected(books: Books) -> None:
    first, *_ = await series_of(books)
    await books.intend(books.intent(first, series=SERIES))
    await correct_series(books.connection, *books.key, 99)
    assert (await books.series())["next_number"] == 11

    await books.came(first, Outcome.NOT_PROCESSED)
    await correct_series(books.connection, *books.key, 99)
    assert (await books.series())["next_number"] == 100


async def test_a_series_that_is_known_is_not_started_again(books: Books) -> None:
    await series_of(books, last=10)
    await start_series(books.connection, *books.key, 500)
    assert (await books.series())["next_number"] == 11


async def test_an_unknown_series_gives_no_intent(books: Books) -> None:
    (link,) = await books.links()
    assert await books.intend(books.intent(link, series="2:V9")) == {}


# outcomes


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE run SET generation = 7 WHERE id = %(run)s",
        "UPDATE run SET state = 'ended' WHERE id = %(run)s",
        "UPDATE lane SET epoch = epoch + 5 WHERE administration_id = %(administration)s",
    ],
)
async def test_an_outcome_is_a_fact_whoever_brings_it(books: Books, change: str) -> None:
    (link,) = await books.links()
    await books.intend(books.intent(link))
    await books.db.run(change, {"run": books.run, "administration": books.administration})

    written = await books.came(link, Outcome.BOOKED, entry_id="e1", entry_number="1")

    assert written.late == []
    row = await books.link(link)
    assert (row["state"], row["entry_id"], row["revision"]) == ("booked", "e1", "rev1:a")


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.BOOKED, "booked"),
        (Outcome.ACCEPTED, "accepted"),
        (Outcome.REFUSED, "free"),
        (Outcome.NOT_PROCESSED, "free"),
        (Outcome.ABSENT, "free"),
        (Outcome.UNCERTAIN, "intent"),
        (Outcome.PERSON, "needs_person"),
    ],
)
async def test_where_a_new_link_stands_after_each_outcome(books: Books, outcome: Outcome, state: str) -> None:
    (link,) = await books.links()
    await books.intend(books.intent(link))
    await books.came(link, outcome, issues=b'[{"code": "D10"}]')
    row = await books.link(link)
    assert row["state"] == state
    assert row["refused_revision"] == ("rev1:a" if outcome is Outcome.REFUSED else None)
    assert row["needs_person_issue"] == ({"code": "D10"} if outcome is Outcome.PERSON else None)


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.NOT_PROCESSED, Outcome.ABSENT])
async def test_a_link_with_an_entry_never_becomes_free(books: Books, outcome: Outcome) -> None:
    """A refused update must not be booked again as something new."""
    (link,) = await books.links(state="booked", entry_id="e1", entry_number="1", revision="rev1:old", attempt=1)
    await books.intend(books.intent(link, op="update", expected="booked", seen=1))
    await books.came(link, outcome, attempt=2)

    row = await books.link(link)
    assert (row["state"], row["entry_id"], row["revision"]) == ("booked", "e1", "rev1:old")
    assert await books.intend(books.intent(link, seen=2)) == {}


async def test_an_update_may_be_given_a_new_entry_id(books: Books) -> None:
    (link,) = await books.links(state="booked", entry_id="e1", entry_number="1", attempt=1)
    await books.intend(books.intent(link, op="update", expected="booked", seen=1))
    await books.came(link, Outcome.BOOKED, attempt=2, entry_id="e1b", entry_number="1b")
    row = await books.link(link)
    assert (row["state"], row["entry_id"], row["entry_number"]) == ("booked", "e1b", "1b")


async def test_roles_of_a_party_gather(books: Books) -> None:
    (link,) = await books.links(kind="party")
    for attempt, role in enumerate(("customers", "suppliers", "customers")):
        await books.intend(
            books.intent(
                link, op="update" if attempt else "create", expected="booked" if attempt else "free", seen=attempt
            )
        )
        await books.came(link, Outcome.BOOKED, attempt=attempt + 1, entry_id="7", role=role)
    assert (await books.link(link))["roles"] == ["customers", "suppliers"]


# outcomes that come late


async def absent_meanwhile(books: Books) -> int:
    """A link whose first attempt was settled as absent."""
    (link,) = await books.links()
    await books.intend(books.intent(link))
    await books.came(link, Outcome.ABSENT)
    return link


async def comes_late(
    books: Books, link: int, outcome: Outcome = Outcome.BOOKED, attempt: int = 1, entry: str = "e1"
) -> Late:
    given = {
        Outcome.BOOKED: {"entry_id": entry, "entry_number": entry[1:]},
        Outcome.ACCEPTED: {"accepted_token": f"t{attempt}"},
    }.get(outcome, {})
    written = await books.came(link, outcome, attempt, **given)
    assert len(written.late) == 1
    return await late_outcome(books.connection, written.late[0], TWICE)


async def outcomes(books: Books, link: int) -> list[str | None]:
    rows = await books.db.all("SELECT outcome FROM attempt WHERE link_id = %s ORDER BY number", link)
    return [row["outcome"] for row in rows]


async def test_booked_after_all_is_adopted(books: Books) -> None:
    link = await absent_meanwhile(books)
    assert await comes_late(books, link) is Late.ADOPTED
    row = await books.link(link)
    assert (row["state"], row["entry_id"], row["entry_number"], row["revision"]) == ("booked", "e1", "1", "rev1:a")
    assert await outcomes(books, link) == ["booked"]


async def test_booked_by_an_attempt_that_the_database_lost_is_adopted(books: Books) -> None:
    """The answer came after it was put back to before the attempt: pushed again, it would stand there twice."""
    (link,) = await books.links()
    assert await comes_late(books, link) is Late.ADOPTED
    row = await books.link(link)
    assert (row["state"], row["entry_id"], row["revision"]) == ("booked", "e1", "rev1:a")


async def test_booked_by_a_lost_attempt_while_another_has_booked_is_a_persons_business(books: Books) -> None:
    (link,) = await books.links()
    await books.intend(books.intent(link))
    await books.came(link, Outcome.BOOKED, entry_id="e2", entry_number="2")
    assert await comes_late(books, link, attempt=7) is Late.BOOKED_TWICE
    assert (await books.link(link))["state"] == "needs_person"


async def test_booked_after_a_person_was_asked_is_adopted(books: Books) -> None:
    (link,) = await books.links()
    await books.intend(books.intent(link))
    await books.came(link, Outcome.PERSON, issues=b'[{"code": "D10"}]')
    assert await comes_late(books, link) is Late.ADOPTED
    row = await books.link(link)
    assert (row["state"], row["needs_person_issue"]) == ("booked", None)


async def test_accepted_after_a_person_was_asked_is_asked_for(books: Books) -> None:
    (link,) = await books.links()
    await books.intend(books.intent(link))
    await books.came(link, Outcome.PERSON, issues=b'[{"code": "D10"}]')
    assert await comes_late(books, link, Outcome.ACCEPTED) is Late.ACCEPTED
    row = await books.link(link)
    assert (row["state"], row["accepted_token"]) == ("needs_person", "t1")
    assert await comes_late(books, link, Outcome.ACCEPTED) is Late.NO_MATTER
    assert await books.link(link) == row


async def test_accepted_after_it_was_found_absent_is_not_sent_again(books: Books) -> None:
    link = await absent_meanwhile(books)
    assert await comes_late(books, link, Outcome.ACCEPTED) is Late.ACCEPTED
    row = await books.link(link)
    assert (row["state"], row["accepted_token"], row["revision"]) == ("accepted", "t1", "rev1:a")
    assert await outcomes(books, link) == ["accepted"]


async def test_accepted_by_an_attempt_that_another_came_after_changes_no_link(books: Books) -> None:
    link = await absent_meanwhile(books)
    await books.intend(books.intent(link, seen=1))
    before = await books.link(link)
    assert await comes_late(books, link, Outcome.ACCEPTED) is Late.NO_MATTER
    assert await books.link(link) == before


async def test_accepted_by_an_attempt_that_the_database_lost_is_not_sent_again(books: Books) -> None:
    """The tool books it later: sent meanwhile, it would stand there twice."""
    (link,) = await books.links()
    assert await comes_late(books, link, Outcome.ACCEPTED) is Late.ACCEPTED
    row = await books.link(link)
    assert (row["state"], row["accepted_token"]) == ("accepted", "t1")
    # and what the tool says in the end finds its link
    told = await books.came(link, Outcome.BOOKED, row["attempt"], entry_id="e1", entry_number="1", expected="accepted")
    assert told.late == []
    row = await books.link(link)
    assert (row["state"], row["entry_id"], row["accepted_token"]) == ("booked", "e1", None)


async def test_what_a_lost_attempt_had_accepted_and_the_tool_rejects_is_free_again(books: Books) -> None:
    (link,) = await books.links()
    await comes_late(books, link, Outcome.ACCEPTED)
    assert (await books.came(link, Outcome.REFUSED, 0, expected="accepted")).late == []
    row = await books.link(link)
    assert (row["state"], row["accepted_token"]) == ("free", None)


async def test_accepted_by_an_attempt_after_which_another_was_refused_is_not_sent_a_third_time(books: Books) -> None:
    link = await absent_meanwhile(books)
    await books.intend(books.intent(link, seen=1))
    await books.came(link, Outcome.REFUSED, attempt=2)
    assert (await books.link(link))["state"] == "free"
    assert await comes_late(books, link, Outcome.ACCEPTED) is Late.ACCEPTED
    row = await books.link(link)
    assert (row["state"], row["accepted_token"]) == ("accepted", "t1")


async def test_what_was_recorded_already_may_be_recorded_again(books: Books) -> None:
    """A commit whose answer was lost is written once more."""
    (link,) = await books.links()
    await books.intend(books.intent(link))
    await books.came(link, Outcome.BOOKED, entry_id="e1", entry_number="1")
    version = (await books.link(link))["link_version"]
    assert await comes_late(books, link) is Late.KNOWN
    assert (await books.link(link))["link_version"] == version


async def test_the_entry_that_settling_found_is_known(books: Books) -> None:
    (link,) = await books.links()
    await books.intend(books.intent(link))
    await books.came(link, Outcome.UNCERTAIN)
    await books.came(link, Outcome.BOOKED, entry_id="e1")
    assert await comes_late(books, link) is Late.KNOWN


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.NOT_PROCESSED, Outcome.UNCERTAIN])
async def test_late_news_of_nothing_changes_no_link(books: Books, outcome: Outcome) -> None:
    link = await absent_meanwhile(books)
    await books.intend(books.intent(link, seen=1))
    before = await books.link(link)
    assert await comes_late(books, link, outcome) is Late.NO_MATTER
    assert await books.link(link) == before
    assert await outcomes(books, link) == [outcome, None]


async def test_a_booked_attempt_is_never_called_otherwise_later(books: Books) -> None:
    (link,) = await books.links()
    await books.intend(books.intent(link))
    await books.came(link, Outcome.BOOKED, entry_id="e1", entry_number="1")
    assert await comes_late(books, link, Outcome.NOT_PROCESSED) is Late.NO_MATTER
    assert await outcomes(books, link) == ["booked"]
    assert (await books.link(link))["state"] == "booked"


async def test_two_booked_attempts_are_for_a_person(books: Books) -> None:
    link = await absent_meanwhile(books)
    await books.intend(books.intent(link, seen=1))
    await books.came(link, Outcome.BOOKED, attempt=2, entry_id="e2", entry_number="2")
    assert await comes_late(books, link) is Late.BOOKED_TWICE
    row = await books.link(link)
    assert (row["state"], row["entry_id"], row["needs_person_issue"]["code"]) == ("needs_person", "e2", "D12")
    assert await outcomes(books, link) == ["booked", "booked"]


async def test_late_but_the_same_entry_is_one_entry(books: Books) -> None:
    link = await absent_meanwhile(books)
    await books.intend(books.intent(link, seen=1))
    await books.came(link, Outcome.BOOKED, attempt=2, entry_id="e1", entry_number="1")
    assert await comes_late(books, link) is Late.KNOWN
    assert (await books.link(link))["state"] == "booked"


async def newer_open(books: Books) -> int:
    """The first attempt comes back as booked while a second one is away."""
    link = await absent_meanwhile(books)
    await books.intend(books.intent(link, seen=1))
    assert await comes_late(books, link) is Late.ADOPTED
    row = await books.link(link)
    assert (row["state"], row["entry_id"], row["prior_state"]) == ("intent", "e1", "booked")
    return link


@pytest.mark.parametrize("outcome", [Outcome.REFUSED, Outcome.NOT_PROCESSED, Outcome.ABSENT])
async def test_after_a_late_booking_the_newer_attempt_leaves_the_link_booked(books: Books, outcome: Outcome) -> None:
    link = await newer_open(books)
    await books.came(link, outcome, attempt=2)
    row = await books.link(link)
    assert (row["state"], row["entry_id"]) == ("booked", "e1")


async def test_after_a_late_booking_the_newer_one_may_be_the_same_entry(books: Books) -> None:
    link = await newer_open(books)
    await books.came(link, Outcome.BOOKED, attempt=2, entry_id="e1", entry_number="1")
    assert (await books.link(link))["state"] == "booked"


async def test_after_a_late_booking_a_second_entry_is_for_a_person(books: Books) -> None:
    link = await newer_open(books)
    await books.came(link, Outcome.BOOKED, attempt=2, entry_id="e2", entry_number="2")
    row = await books.link(link)
    assert (row["state"], row["entry_id"], row["entry_number"]) == ("needs_person", "e1", "1")
    assert row["needs_person_issue"] == {"code": "D12", "severity": "error", "facts": {"entry": "2"}}


async def test_an_entry_of_another_link_is_not_adopted_late(books: Books) -> None:
    link = await absent_meanwhile(books)
    await books.links(state="booked", entry_id="e1")
    assert await comes_late(books, link) is Late.BOOKED_TWICE
    row = await books.link(link)
    assert (row["state"], row["entry_id"]) == ("needs_person", None)


async def test_an_entry_that_another_link_takes_at_this_moment_is_not_adopted_late(books: Books) -> None:
    link = await absent_meanwhile(books)
    (other,) = await books.links()
    async with books.db.transaction() as connection:
        await connection.execute("UPDATE link SET state = 'booked', entry_id = 'e1' WHERE id = %s", (other,))
        late = asyncio.create_task(comes_late(books, link))
        await asyncio.sleep(0.3)
        assert not late.done()

    assert await late is Late.BOOKED_TWICE
    assert (await books.link(link))["state"] == "needs_person"
    assert await outcomes(books, link) == ["booked"]


@pytest.mark.parametrize(("number", "late"), [("1", Late.ADOPTED), ("2", Late.BOOKED_TWICE)])
async def test_the_entry_that_a_person_found_by_its_number_is_one_entry(books: Books, number: str, late: Late) -> None:
    link = await absent_meanwhile(books)
    await books.db.run("UPDATE link SET state = 'booked', entry_number = %s WHERE id = %s", number, link)
    assert await comes_late(books, link) is late


async def test_two_attempts_of_one_link_that_come_in_one_group_are_told_apart(books: Books) -> None:
    link = await absent_meanwhile(books)
    await books.intend(books.intent(link, seen=1))
    both = [
        AttemptOutcome(link, at, Outcome.BOOKED, "rev1:a", entry_id=f"e{at}", entry_number=str(at)) for at in (1, 2)
    ]

    written = await write(books.connection, Group(outcomes=both))

    assert written.late == both[:1]
    assert await outcomes(books, link) == ["absent", "booked"]
    assert await late_outcome(books.connection, written.late[0], TWICE) is Late.BOOKED_TWICE
    row = await books.link(link)
    assert (row["state"], row["entry_id"], row["needs_person_issue"]["code"]) == ("needs_person", "e2", "D12")


async def sent_again(books: Books) -> tuple[int, int]:
    """A link that a person closed, since nobody found its entry, and the one that took its place."""
    (old,) = await books.links()
    await books.intend(books.intent(old))
    await books.came(old, Outcome.PERSON)
    identity = (await books.link(old))["identity"]
    await books.db.run("UPDATE link SET current = false WHERE id = %s", old)
    (new,) = await books.links(identity=identity, incarnation=2)
    return old, new


async def test_what_was_booked_after_all_and_sent_again_is_booked_twice(books: Books) -> None:
    old, new = await sent_again(books)
    await books.intend(books.intent(new))
    await books.came(new, Outcome.BOOKED, entry_id="e2", entry_number="2")

    assert await comes_late(books, old) is Late.BOOKED_TWICE

    row = await books.link(new)
    assert (row["state"], row["entry_id"], row["needs_person_issue"]["code"]) == ("needs_person", "e2", "D12")
    assert (await books.link(old))["entry_id"] is None


async def test_what_was_booked_after_all_is_not_sent_again_where_that_is_still_to_be_done(books: Books) -> None:
    old, new = await sent_again(books)

    assert await comes_late(books, old) is Late.ADOPTED

    row = await books.link(new)
    assert (row["state"], row["entry_id"]) == ("booked", "e1")
    assert await books.intend(books.intent(new)) == {}


async def test_what_was_booked_after_all_while_it_is_sent_again_waits_for_that(books: Books) -> None:
    old, new = await sent_again(books)
    await books.intend(books.intent(new))
    assert await comes_late(books, old) is Late.ADOPTED
    assert (await books.link(new))["state"] == "intent"

    await books.came(new, Outcome.BOOKED, entry_id="e2", entry_number="2")

    row = await books.link(new)
    assert (row["state"], row["needs_person_issue"]["code"]) == ("needs_person", "D12")


async def test_the_entry_of_a_closed_link_that_its_successor_found_is_one_entry(books: Books) -> None:
    old, new = await sent_again(books)
    await books.db.run("UPDATE link SET state = 'booked', entry_id = 'e1' WHERE id = %s", new)
    assert await comes_late(books, old) is Late.KNOWN
    assert (await books.link(new))["state"] == "booked"


async def test_an_outcome_of_a_link_that_is_gone(books: Books) -> None:
    assert await late_outcome(books.connection, AttemptOutcome(-1, 1, Outcome.BOOKED), TWICE) is Late.NO_MATTER


# adoption


def adoption(link: int, entry: str = "e1", **changes: Any) -> Adoption:
    return replace(Adoption(link, 0, "rev1:a", entry, entry[1:]), **changes)


async def adopted(books: Books, *wanted: Adoption) -> set[int]:
    return (await write(books.connection, Group(adoptions=list(wanted)))).adopted


async def test_a_free_link_adopts_an_entry(books: Books) -> None:
    (link,) = await books.links(kind="party")
    assert await adopted(books, adoption(link, role="customers")) == {link}
    row = await books.link(link)
    assert (row["state"], row["entry_id"], row["roles"], row["attempt"]) == ("booked", "e1", ["customers"], 0)


async def test_an_entry_that_another_link_has_is_not_adopted(books: Books) -> None:
    holder, link = await books.links(2)
    assert await adopted(books, adoption(holder)) == {holder}
    assert await adopted(books, adoption(link)) == set()
    assert (await books.link(link))["state"] == "free"


async def test_an_entry_that_an_old_incarnation_had_may_be_adopted(books: Books) -> None:
    await books.links(state="booked", entry_id="e1", current=False)
    (link,) = await books.links()
    assert await adopted(books, adoption(link)) == {link}


@pytest.mark.parametrize("state", ["intent", "booked", "accepted", "needs_person"])
async def test_only_a_free_link_adopts(books: Books, state: str) -> None:
    (link,) = await books.links(state=state)
    assert await adopted(books, adoption(link)) == set()


async def test_a_link_that_was_tried_meanwhile_does_not_adopt(books: Books) -> None:
    (link,) = await books.links(attempt=1)
    assert await adopted(books, adoption(link)) == set()


async def test_two_that_adopt_one_entry_at_once(books: Books) -> None:
    links = await books.links(2)

    async def adopts(link: int) -> Sequence[int]:
        async with books.db.connection() as connection:
            try:
                return list((await write(connection, Group(adoptions=[adoption(link)]))).adopted)
            except Exception as error:
                assert type(error).__name__ == "UniqueViolation"
                return []

    assert len([link for won in await asyncio.gather(*map(adopts, links)) for link in won]) == 1


# items


async def tell(books: Books, state: ItemState, event: bytes = b"{}") -> None:
    told = ItemOutcome(
        books.run, 0, state, event, issues=orjson.dumps([{"code": "B04"}]), attempt=1, booking_number="9"
    )
    await write(books.connection, Group(items=[told]))


@pytest.mark.parametrize("before", ["planned", "to_settle", "accepted", "needs_person", "not_tried"])
async def test_an_item_that_is_not_final_takes_an_outcome(books: Books, before: str) -> None:
    await books.item(state=before, reported_at=datetime.now(UTC))
    await tell(books, ItemState.SYNCED, b'{"new": 1}')
    row = await books.item_row()
    assert (row["state"], row["event"], row["booking_number"], row["reported_at"]) == (
        "synced",
        b'{"new": 1}' if before == "planned" else None,  # the sweeper tells what comes after another
        "9",
        None,
    )
    assert row["issues"] == [{"code": "B04"}]


@pytest.mark.parametrize("before", ["synced", "unchanged", "skipped", "not_ready"])
async def test_a_final_item_keeps_its_outcome(books: Books, before: str) -> None:
    await books.item(state=before, event=b"old")
    await tell(books, ItemState.TO_SETTLE)
    row = await books.item_row()
    assert (row["state"], row["event"]) == (before, b"old")


async def test_a_delivered_event_is_marked(books: Books) -> None:
    await books.item(state="synced", event=b"{}")
    await write(books.connection, Group(reported=[(books.run, 0, ItemState.SYNCED)]))
    assert (await books.item_row())["reported_at"] is not None


async def test_the_delivery_of_an_older_outcome_marks_nothing(books: Books) -> None:
    """`to settle` was delivered, but settling has booked it meanwhile: that is still to be delivered."""
    await books.item(state="to_settle", event=b"{}")
    await tell(books, ItemState.SYNCED)
    await write(books.connection, Group(reported=[(books.run, 0, ItemState.TO_SETTLE)]))
    assert (await books.item_row())["reported_at"] is None


# lanes


async def test_whoever_takes_a_lane_is_the_only_one_who_gets_intents(books: Books) -> None:
    first, second = await books.links(2)
    async with books.db.connection() as other:
        taken = await take_lane(other, books.administration, "2", uuid4())
        assert taken.epoch == books.epoch + 1
        assert await books.intend(books.intent(first)) == {}
        granted = await write(other, Group(intents=[books.intent(second, epoch=books.epoch + 1)]))
        assert list(granted.granted) == [second]


# each safeguard is needed: without it the intent is given


@pytest.mark.parametrize(
    ("safeguard", "change"),
    [
        ("AND live.generation = w.generation", "UPDATE run SET generation = 2 WHERE id = %(run)s"),
        ("AND live.state = 'active'", "UPDATE run SET state = 'parked' WHERE id = %(run)s"),
        ("AND mine.epoch = w.epoch", "UPDATE lane SET epoch = epoch + 1 WHERE administration_id = %(administration)s"),
        ("l.state = a.expected AND", "UPDATE link SET state = 'booked' WHERE id = %(link)s"),
        ("AND l.attempt = a.seen", "UPDATE link SET attempt = 1 WHERE id = %(link)s"),
        ("AND l.current", "UPDATE link SET current = false WHERE id = %(link)s"),
        (
            "AND s.open_link IS NULL",
            "UPDATE series SET open_link = -1 WHERE administration_id = %(administration)s",
        ),
    ],
)
async def test_without_a_safeguard_the_intent_is_given(
    books: Books, monkeypatch: pytest.MonkeyPatch, safeguard: str, change: str
) -> None:
    (first,) = await books.links()
    await start_series(books.connection, *books.key, 0)
    given = {"run": books.run, "administration": books.administration, "link": first}
    await books.db.run(change, given)
    assert await books.intend(books.intent(first, series=SERIES)) == {}

    statement = push_record._INTENTS
    assert safeguard in statement
    monkeypatch.setattr(push_record, "_INTENTS", statement.replace(safeguard, ""))
    assert list(await books.intend(books.intent(first, series=SERIES))) == [first]
