"""A lane whose database went back in time: nothing is pushed before it was compared, whatever the tool."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest
from dagboek import stamp
from dagboek.booking_json import booking_json
from dagboek.database import Database
from dagboek.push_record import AttemptOutcome, Outcome
from dagboek_schemas.issues import Issue
from dagboek_sdk.accounting import Settling
from dagboek_sdk.attempt import Attempt, Booked, Booking, Candidate
from dagboek_sdk.errors import Refused, Throttled
from dagboek_sdk.samples import document, line
from lane_books import LaneOf, Tool, again, event, planned, ready
from push_books import SERIES, Books, new_books

N1 = document(line("100.00"), number="N1")
N2 = document(line("200.00"), number="N2")
GENERATION = 5_000


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    """Of a database of which nothing was noticed."""
    await database.run("UPDATE stamp SET noticed_at = NULL, since = NULL, replayed_until = NULL, unchecked = false")
    await database.run("UPDATE administration SET suspect_since = NULL")
    async with new_books(database) as made:
        await ready(made)
        yield made


class LookUp(Tool):
    """Takes everything, any number of times; it can be searched, and that is all."""

    settle_seconds = 0.0

    def __init__(self, *there: Candidate) -> None:
        super().__init__(settling=Settling.LOOK_UP, party_settling=Settling.LOOK_UP)
        self.there = list(there)
        self.looked = 0

    def map_document(self, *given: Any) -> Booking:
        booking: Booking = super().map_document(*given)
        return Booking(
            booking.payload,
            reference=booking.reference,
            gross=booking.gross,
            day=booking.day,
            currency=booking.currency,
        )

    async def entries(self) -> Sequence[Candidate]:
        self.looked += 1
        return list(self.there)

    async def push(self, attempt: Attempt) -> Any:
        self.pushed.append(attempt)
        attempt.sent = attempt.answer_ok = True
        self.there.append(entry(f"t{len(self.pushed)}", attempt.booking.reference or ""))
        return Booked(f"t{len(self.pushed)}", str(len(self.pushed)))

    @property
    def references(self) -> list[str | None]:
        return [attempt.booking.reference for attempt in self.pushed]


def entry(entry_id: str, reference: str, what: Any = N1, **more: Any) -> Candidate:
    given = {"gross": what.totals.gross, "day": what.issue_date, "currency": "EUR", **more}
    return Candidate(entry_id, number=entry_id[1:], reference=reference, **given)


async def notice(books: Books, *, replayed: bool = True) -> None:
    """The database went back; what was active is planned again."""
    async with books.db.connection() as connection:
        await stamp.suspect(connection, "a test said so")
    await again(books, GENERATION)
    if replayed:
        await books.db.run("UPDATE stamp SET replayed_until = clock_timestamp() + interval '1 hour'")


async def suspect(books: Books) -> bool:
    row = await books.db.one("SELECT suspect_since FROM administration WHERE id = %s", books.administration)
    return row is not None and row["suspect_since"] is not None


async def run_of(books: Books) -> dict[str, Any]:
    row = await books.db.one("SELECT * FROM run WHERE id = %s", books.run)
    assert row is not None
    return row


async def test_nothing_is_pushed_before_the_results_were_taken_over(books: Books, lane: LaneOf) -> None:
    await planned(books, 0, N1)
    await notice(books, replayed=False)
    tool = LookUp()

    await lane(tool).work(event(books, 0, generation=GENERATION))

    run = await run_of(books)
    assert (tool.pushed, tool.looked) == ([], 0)
    assert (run["state"], run["park_reason"], run["park_issue"]["code"]) == ("parked", "restored", "D40")
    assert await suspect(books)


async def test_nothing_is_looked_up_before_readers_see_what_was_sent(books: Books, lane: LaneOf) -> None:
    await planned(books, 0, N1)
    await notice(books)
    await books.db.run("UPDATE stamp SET replayed_until = noticed_at + interval '59 seconds'")
    tool = LookUp()
    tool.settle_seconds = 60.0

    await lane(tool).work(event(books, 0, generation=GENERATION))

    assert (tool.pushed, tool.looked) == ([], 0)
    due = await books.db.one(
        "SELECT parked_until > now() + interval '50 seconds' AS late FROM run WHERE id = %s", books.run
    )
    assert due == {"late": True}


async def test_what_the_tool_holds_is_adopted_and_what_it_does_not_is_booked(books: Books, lane: LaneOf) -> None:
    links = [await planned(books, 0, N1), await planned(books, 1, N2)]
    await notice(books)
    tool = LookUp(entry("e7", "N1"))

    done = await lane(tool).work(event(books, 0, generation=GENERATION), event(books, 1, generation=GENERATION))

    assert (done, tool.references, tool.looked) == ([0, 1], ["N2"], 1)
    rows = [await books.link(link) for link in links]
    assert [(row["state"], row["entry_id"]) for row in rows] == [("booked", "e7"), ("booked", "t1")]
    assert (await books.item_row(0))["issues"][0]["code"] == "D15"
    assert not await suspect(books)


async def test_what_is_perhaps_ours_is_a_persons_business(books: Books, lane: LaneOf) -> None:
    await planned(books, 0, N1)
    await notice(books)
    tool = LookUp(entry("e7", "N1", N2))

    await lane(tool).work(event(books, 0, generation=GENERATION))

    item = await books.item_row(0)
    assert (tool.pushed, item["state"], item["issues"][0]["code"]) == ([], "needs_person", "D14")


async def test_what_was_tried_before_is_compared_as_well(books: Books, lane: LaneOf) -> None:
    """Refused before the database went back, and perhaps booked in the time that is lost."""

    class Refusing(LookUp):
        async def push(self, attempt: Attempt) -> Any:
            attempt.sent = True
            attempt.verdict = Refused(Issue(code="D33"))
            raise attempt.verdict

    link = await planned(books, 0, N1)
    await lane(Refusing()).work(event(books, 0))
    assert (await books.link(link))["attempt"] == 1
    await books.db.run("UPDATE item SET state = 'planned', event = NULL WHERE run_id = %s", books.run)
    await notice(books)
    tool = LookUp(entry("e7", "N1"))

    await lane(tool).work(event(books, 0, generation=GENERATION))

    row = await books.link(link)
    assert (tool.pushed, row["state"], row["entry_id"]) == ([], "booked", "e7")


async def test_an_open_attempt_is_settled_and_not_sent_again(books: Books, lane: LaneOf) -> None:
    """It may have been settled in the time that is lost, and another attempt may have booked."""

    class Keyed(LookUp):
        def __init__(self) -> None:
            super().__init__()
            self.about.settling = Settling.KEY

    link = await planned(books, 0, N1)
    assert await books.intend(books.intent(link, booking=booking_json(Tool().map_document(N1))))
    await notice(books)
    tool = Keyed()

    await lane(tool).work(event(books, 0, generation=GENERATION))

    assert (tool.pushed, tool.looked) == ([], 1)
    assert (await books.link(link))["state"] == "intent"
    assert (await books.item_row(0))["state"] == "to_settle"


async def test_what_comes_by_after_the_suspicion_ended_was_not_compared_yet(books: Books, lane: LaneOf) -> None:
    """Its source was away meanwhile. A later attempt of it needs no comparison any more."""
    first = await planned(books, 0, N1)
    (second,) = await books.links(identity="d1:item1", attempt=3)
    await notice(books)
    tool = LookUp(entry("e7", "N2", N2))
    await lane(tool).work(event(books, 0, generation=GENERATION))
    assert not await suspect(books)
    await books.db.run("DELETE FROM link WHERE id = %s", second)

    second = await planned(books, 1, N2, attempt=3)
    await again(books, GENERATION + 1)
    await lane(tool).work(event(books, 1, generation=GENERATION + 1))

    assert tool.references == ["N1"]
    assert ((await books.link(first))["entry_id"], (await books.link(second))["entry_id"]) == ("t1", "e7")


@pytest.mark.parametrize("second", [True, False])
async def test_what_a_person_had_sent_again_is_no_copy_of_what_stood_there_before(
    books: Books, lane: LaneOf, second: bool
) -> None:
    await books.links(identity="d1:item0", current=False, state="booked", entry_id="e1")
    await planned(books, 0, N1, incarnation=2)
    await notice(books)
    tool = LookUp(entry("e1", "N1"), *([entry("e2", "N1")] if second else []))

    await lane(tool).work(event(books, 0, generation=GENERATION))

    row = await books.db.one(
        "SELECT * FROM link WHERE administration_id = %s AND identity = 'd1:item0' AND current", books.administration
    )
    assert row is not None
    assert (tool.references, row["entry_id"]) == (([], "e2") if second else (["N1"], "t1"))


async def test_a_tool_that_cannot_be_looked_up_for_now_keeps_its_books_waiting(books: Books, lane: LaneOf) -> None:
    class Spent(LookUp):
        async def entries(self) -> Sequence[Candidate]:
            raise Throttled(None)

    await planned(books, 0, N1)
    await notice(books)
    tool = Spent()

    await lane(tool).work(event(books, 0, generation=GENERATION))

    assert (tool.pushed, (await run_of(books))["state"]) == ([], "parked")
    assert await suspect(books)


async def test_a_series_goes_on_after_the_last_number_of_the_tool(books: Books, lane: LaneOf) -> None:
    """Numbers went back with the database, and this tool takes one twice."""

    class Numbered(Tool):
        settle_seconds = 0.0

        async def entries(self) -> Sequence[Candidate]:
            return ()

        async def last_number(self, series: str) -> int:
            if series != SERIES:  # of a book year that is gone
                raise Refused(Issue(code="D33"))
            return 41

    await planned(books, 0, N1)
    await books.db.run("INSERT INTO series (administration_id, key, next_number) VALUES (%s, %s, 7)", *books.key)
    await books.db.run("INSERT INTO series VALUES (%s, 'gone', 7)", books.administration)
    await notice(books)
    tool = Numbered()

    await lane(tool).work(event(books, 0, generation=GENERATION))

    assert [attempt.series_number for attempt in tool.pushed] == [42]


async def test_a_series_whose_row_was_lost_is_made_known_again(books: Books, lane: LaneOf) -> None:
    """This process knew it before the database went back."""
    await planned(books, 0, N1)
    tool, loop = Tool(), None
    loop = lane(tool)
    loop.series.add(books.key)

    await loop.work(event(books, 0))
    assert tool.pushed == []
    await again(books, 2)
    await loop.work(event(books, 0, generation=2))

    assert [attempt.series_number for attempt in tool.pushed] == [1]
    assert (await books.series())["key"] == SERIES


async def test_a_lane_that_was_at_work_gets_no_intent_any_more(books: Books, lane: LaneOf) -> None:
    """It has read its window before the notice, and would push the rest of it."""
    link = await planned(books, 0, N1)

    class Meanwhile(LookUp):
        async def prepare(self) -> None:
            if not await suspect(books):
                async with books.db.connection() as connection:
                    await stamp.suspect(connection, "a test said so")

    tool = Meanwhile()
    await lane(tool).work(event(books, 0))

    assert tool.pushed == []
    assert (await books.link(link))["state"] == "free"


async def test_an_event_of_a_window_that_the_database_does_not_know(books: Books, lane: LaneOf) -> None:
    done = await lane(LookUp()).work(event(books, 0, generation=9))
    assert done == [0]
    assert await suspect(books)


async def test_an_event_of_before_a_resume_is_let_go_as_ever(books: Books, lane: LaneOf) -> None:
    await again(books, 3)
    assert await lane(LookUp()).work(event(books, 0, generation=2)) == [0]
    assert not await suspect(books)


async def test_after_a_restart_of_the_server_lanes_wait_for_the_core(books: Books, lane: LaneOf) -> None:
    await planned(books, 0, N1)
    await books.db.run("UPDATE stamp SET unchecked = true")
    tool = LookUp()
    loop = lane(tool)
    with pytest.raises(TimeoutError):
        await loop.work(event(books, 0), seconds=1.5)
    assert tool.pushed == []

    await books.db.run("UPDATE stamp SET unchecked = false")
    await loop.work(seconds=20)
    assert tool.references == ["N1"]


async def test_an_answer_to_what_the_database_lost_is_kept_and_noticed(books: Books, lane: LaneOf) -> None:
    link = await planned(books, 0, N1)
    loop = lane(LookUp())

    loop.recorder.outcome(AttemptOutcome(link, 1, Outcome.BOOKED, "rev1:a", entry_id="e1", entry_number="1"))
    await loop.recorder.written()

    row = await books.link(link)
    assert (row["state"], row["entry_id"]) == ("booked", "e1")
    assert await suspect(books)
