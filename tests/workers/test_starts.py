"""A lane whose last holder died: start marks, quarantine, and what stops the worker again and again is set aside."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import pytest
from dagboek.lanes import give_back, take_lane
from dagboek.starts import STARTS
from dagboek_schemas.documents import Document, Party
from dagboek_sdk.attempt import Attempt, Candidate
from dagboek_sdk.errors import ToolUnavailable
from dagboek_sdk.samples import document, line
from dagboek_workers import quarantine, trouble
from dagboek_workers.quarantine import Quarantine
from lane_books import LaneOf, Tool, again, event, planned
from push_books import Books

N1 = document(line("100.00"), number="N1")
N2 = document(line("200.00"), number="N2")


async def held_by_the_dead(books: Books) -> None:
    """Another process took the lane and never gave it back."""
    await take_lane(books.connection, books.administration, "1", uuid4())


class Noting(Tool):
    """Notes how often the document it maps was started."""

    def __init__(self, books: Books, **about: Any) -> None:
        super().__init__(**about)
        self.books = books
        self.starts: list[int] = []

    async def prepare(self) -> None:
        rows = await self.books.db.all("SELECT starts FROM item WHERE state = 'planned' ORDER BY sequence LIMIT 1")
        self.starts += [row["starts"] for row in rows]


async def test_only_the_first_item_after_an_unclean_takeover_is_marked(books: Books, lane: LaneOf) -> None:
    await planned(books, 0, N1)
    await planned(books, 1, N2)
    await held_by_the_dead(books)

    await lane(Noting(books)).work(event(books, 0), event(books, 1))

    assert [(await books.item_row(at))["starts"] for at in (0, 1)] == [1, 0]
    assert [(await books.item_row(at))["state"] for at in (0, 1)] == ["synced", "synced"]


async def test_a_lane_that_was_given_back_writes_no_mark(books: Books, lane: LaneOf) -> None:
    await planned(books, 0, N1)
    taken = await take_lane(books.connection, books.administration, "1", uuid4())
    await give_back(books.connection, {books.administration: taken.epoch})

    await lane(Tool()).work(event(books, 0))

    item = await books.item_row()
    assert (item["starts"], item["state"]) == (0, "synced")


async def test_a_lane_is_not_given_back_by_who_lost_it(books: Books) -> None:
    before = await take_lane(books.connection, books.administration, "1", uuid4())
    await take_lane(books.connection, books.administration, "2", uuid4())
    await give_back(books.connection, {books.administration: before.epoch})

    assert (await take_lane(books.connection, books.administration, "3", uuid4())).suspect


async def test_a_lane_that_its_holder_takes_again_is_not_suspect(books: Books) -> None:
    holder = uuid4()
    await take_lane(books.connection, books.administration, "1", holder)
    assert not (await take_lane(books.connection, books.administration, "1", holder)).suspect


async def test_the_mark_is_there_before_any_code_of_the_plugin_runs(books: Books, lane: LaneOf) -> None:
    await planned(books, 0, N1)
    await held_by_the_dead(books)
    tool = Noting(books)

    await lane(tool).work(event(books, 0))

    assert tool.starts == [1]


async def test_an_item_that_a_living_process_leaves_is_not_counted(books: Books, lane: LaneOf) -> None:
    """The tool is away: the run is parked, and that says nothing against the document."""
    await planned(books, 0, N1)
    await held_by_the_dead(books)

    class Away(Tool):
        async def prepare(self) -> None:
            raise ToolUnavailable("away")

    await lane(Away()).work(event(books, 0))

    item = await books.item_row()
    assert (item["state"], item["starts"]) == ("planned", 0)
    run = await books.db.one("SELECT state FROM run WHERE id = %s", books.run)
    assert run == {"state": "parked"}


async def test_what_was_started_three_times_is_skipped_without_the_plugin(books: Books, lane: LaneOf) -> None:
    await planned(books, 0, N1)
    await planned(books, 1, N2)
    await books.db.run("UPDATE item SET starts = %s WHERE sequence = 0", STARTS)
    tool = Tool()

    done = await lane(tool).work(event(books, 0), event(books, 1))

    item = await books.item_row()
    assert (item["state"], [one["code"] for one in item["issues"]]) == ("skipped", ["D32"])
    assert item["issues"][0]["facts"]["reference"]
    assert (await books.item_row(1))["state"] == "synced"
    assert [attempt.booking.reference for attempt in tool.pushed] == ["N2"]
    assert done == [0, 1]


async def test_what_may_stand_in_the_tool_is_left_to_settling(books: Books, lane: LaneOf) -> None:
    """Its attempt is open: nobody may say that it was skipped."""
    link = await planned(books, 0, N1)
    await books.intend(books.intent(link))
    await again(books, 2)
    await books.db.run("UPDATE item SET starts = %s", STARTS)
    tool = Tool()

    await lane(tool).work(event(books, 0, generation=2))

    assert (await books.item_row())["state"] == "to_settle"
    assert (await books.link(link))["state"] == "intent"
    assert tool.pushed == []


async def test_many_of_one_run_that_stop_the_worker_park_it(books: Books, lane: LaneOf) -> None:
    """A release whose every document ends the process must not end it a hundred times."""
    for at in range(trouble.STOPPERS + 1):
        await planned(books, at, N1.model_copy(update={"number": f"N{at}"}))
    await books.db.run("UPDATE item SET starts = %s", STARTS)

    await lane(Tool()).work(*(event(books, at) for at in range(trouble.STOPPERS + 1)))

    run = await books.db.one("SELECT state, park_reason, park_issue FROM run WHERE id = %s", books.run)
    assert run is not None
    assert (run["state"], run["park_reason"], run["park_issue"]["code"]) == ("parked", "circuit", "D16")
    assert (await books.item_row(trouble.STOPPERS))["state"] == "planned"


async def test_what_was_started_before_waits_until_the_quarantine_is_free(books: Books, lane: LaneOf) -> None:
    await planned(books, 0, N1)
    await books.db.run("UPDATE item SET starts = 1")
    tool = Tool()
    loop = lane(tool)
    neighbour = object()
    assert loop.quarantine.enter(neighbour)

    working = asyncio.create_task(loop.work(event(books, 0)))
    await asyncio.sleep(0.5)
    assert tool.pushed == []
    assert (await books.item_row())["starts"] == 1, "a start is counted before it begins"
    loop.quarantine.leave(neighbour)
    await working

    assert (await books.item_row())["state"] == "synced"
    assert loop.quarantine.enter(neighbour), "nobody left the quarantine"


async def test_what_waits_for_the_quarantine_can_be_taken_away(books: Books, lane: LaneOf) -> None:
    """Else partitions that go elsewhere would wait for it."""
    await planned(books, 0, N1)
    await books.db.run("UPDATE item SET starts = 1")
    loop = lane(Tool())
    loop.quarantine.enter(object())

    working = asyncio.create_task(loop.work(event(books, 0)))
    await asyncio.sleep(0.3)
    loop.lanes[books.administration].forget(0)

    assert await working == []


def test_who_stays_in_the_quarantine_for_long_keeps_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 100.0
    monkeypatch.setattr(quarantine, "monotonic", lambda: now)
    place = Quarantine()
    assert place.enter("first")
    assert not place.enter("second")
    now += quarantine.PATIENCE
    assert place.enter("second")
    place.leave("first")
    assert not place.enter("third"), "one that was overtaken let another in"
    place.leave("second")
    assert place.enter("third")


async def test_a_party_on_trial_is_searched_alone(books: Books, lane: LaneOf) -> None:
    """Else the one that ends the process is blamed on whichever comes first."""
    for at in range(2):
        await planned(books, at, Party(name=f"P{at}"))
    await held_by_the_dead(books)
    asked: list[int] = []

    class Asked(Tool):
        def map_document(self, document: Document, *more: Any) -> Any:
            raise NotImplementedError

        async def match_parties(self, parties: Mapping[str, Party]) -> Mapping[str, Sequence[Candidate]]:
            asked.append(len(parties))
            return {}

        async def push(self, attempt: Attempt) -> Any:
            attempt.series_number = attempt.link_no
            return await super().push(attempt)

    await lane(Asked()).work(event(books, 0, party=True), event(books, 1, party=True))

    assert asked == [1, 1]
    assert [(await books.item_row(at))["state"] for at in range(2)] == ["synced", "synced"]
