"""Batches on a real PostgreSQL: one call for many documents, and for each of them what holds for one alone."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from uuid import uuid4

import pytest
from dagboek.booking_json import booking_json
from dagboek.lanes import take_lane
from dagboek.push_record import Outcome
from dagboek.runs import finish_run
from dagboek_schemas.documents import Attachment, Document
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import ItemState
from dagboek_sdk import clock
from dagboek_sdk.accounting import Settling
from dagboek_sdk.attempt import Absent, AttachedFile, Attempt, Booked, Booking, Candidate, Found, Resolution
from dagboek_sdk.errors import (
    AccessDenied,
    AlreadyThere,
    LoginBroken,
    NotProcessed,
    NumberTaken,
    Refused,
    Throttled,
    ToolError,
    ToolUnavailable,
    Uncertain,
)
from dagboek_sdk.samples import document, line
from dagboek_workers import attempting
from dagboek_workers.item_task import ItemTask
from lane_books import LaneOf, Loop, Tool, again, event, planned
from push_books import SERIES, Books

Given = Callable[[Sequence[Attempt]], Any]


def numbered(at: int, **changes: Any) -> Document:
    return document(line("100.00"), number=f"N{at:02}", **changes)


class Batching(Tool):
    """Takes fifty in a call, and leaves the rest after six bad ones; a call with a broken one in it is refused."""

    def __init__(self, **about: Any) -> None:
        super().__init__(**{"batch_size": 50, "settling": Settling.LOOK_UP, "updates_documents": False, **about})
        self.calls: list[list[str]] = []
        self.together: list[int] = []
        """Sizes of the calls of many."""
        self.entries: list[str] = []
        self.bad: set[str] = set()
        self.broken: set[str] = set()
        self.instead: dict[int, Given] = {}
        """What happens in place of a call, by its number, after it was sent."""
        self.before: dict[int, Given] = {}
        """What happens before it is sent."""
        self.asked: list[int] = []

    def map_document(self, document: Document, *_: Any) -> Any:
        return Booking(
            {"number": document.number}, reference=document.number, gross=document.totals.gross, day=document.issue_date
        )

    async def push(self, attempt: Attempt) -> Any:
        result = (await self._written([attempt]))[attempt.link_id]
        if isinstance(result, ToolError):
            attempt.verdict = result
            raise result
        return result

    async def push_batch(self, attempts: Sequence[Attempt]) -> Any:
        self.together.append(len(attempts))
        return await self._written(attempts)

    async def _written(self, attempts: Sequence[Attempt]) -> Any:
        names = [str(one.booking.reference) for one in attempts]
        number = len(self.calls)
        self.calls.append(names)
        if number in self.before:
            return self.before[number](attempts)
        for one in attempts:
            assert not one.sent
            one.sent = True
        if number in self.instead:
            given = self.instead[number](attempts)
            return await given if asyncio.iscoroutine(given) else given
        if self.broken & set(names):
            for one in attempts:
                one.verdict = Refused(Issue(code="D34"))
            raise attempts[0].verdict  # type: ignore[misc]
        return self.booked(attempts)

    def booked(self, attempts: Sequence[Attempt]) -> dict[int, Booked | ToolError]:
        results: dict[int, Booked | ToolError] = {}
        for one in attempts:
            one.answer_ok, name = True, str(one.booking.reference)
            if sum(isinstance(result, Refused) for result in results.values()) == 6:
                results[one.link_id] = NotProcessed()
            elif name in self.bad:
                results[one.link_id] = Refused(Issue(code="D01", facts={"number": name}))
            else:
                self.entries.append(name)
                results[one.link_id] = Booked(f"e{name}", name)
        return results

    async def resolve(self, attempts: Sequence[Attempt]) -> Mapping[int, Resolution]:
        self.asked.append(len(attempts))
        return {one.link_id: self._found(one) for one in attempts}

    def _found(self, attempt: Attempt) -> Resolution:
        name = str(attempt.booking.reference)
        if name not in self.entries:
            return Absent()
        day, gross = attempt.booking.day, attempt.booking.gross
        return Found((Candidate(f"e{name}", name, reference=name, day=day, gross=gross),))


def raises(error: BaseException, *, recognised: bool = False) -> Given:
    def given(attempts: Sequence[Attempt]) -> Any:
        for one in attempts:
            one.verdict = error if recognised else None
        raise error

    return given


def names(*numbers: int) -> list[str]:
    return [f"N{at:02}" for at in numbers]


async def plan(books: Books, number: int, first: int = 0, **changes: Any) -> list[int]:
    return [await planned(books, at, numbered(at, **changes)) for at in range(first, first + number)]


async def work(books: Books, loop: Loop, number: int, first: int = 0, generation: int = 1) -> list[int]:
    return await loop.work(*(event(books, at, generation=generation) for at in range(first, first + number)))


async def states(books: Books) -> list[str]:
    rows = await books.db.all("SELECT state FROM item WHERE run_id = %s ORDER BY sequence", books.run)
    return [row["state"] for row in rows]


async def run_state(books: Books) -> tuple[str, str | None]:
    row = await books.db.one("SELECT state, park_reason FROM run WHERE id = %s", books.run)
    assert row is not None
    return row["state"], row["park_reason"]


async def outcomes(books: Books) -> list[str | None]:
    rows = await books.db.all(
        "SELECT a.outcome FROM attempt a WHERE a.run_id = %s ORDER BY a.sequence, a.number", books.run
    )
    return [row["outcome"] for row in rows]


# a call that goes well


async def test_what_a_window_holds_goes_in_one_call_and_each_is_told_once(books: Books, lane: LaneOf) -> None:
    links = await plan(books, 50)
    tool = Batching()
    loop = lane(tool)

    done = await work(books, loop, 50)

    assert tool.calls == [names(*range(50))]
    assert done == list(range(50))
    assert await states(books) == ["synced"] * 50
    assert {(await books.link(one))["state"] for one in links} == {"booked"}
    assert loop.publisher.types() == ["dagboek.document.booked.v1"] * 50


async def test_intents_of_a_batch_are_one_transaction(books: Books, lane: LaneOf) -> None:
    await plan(books, 50)
    tool = Batching()
    loop = lane(tool)
    seen: list[Any] = []

    async def look(attempts: Sequence[Attempt]) -> Any:
        seen.extend(
            await books.db.all(
                """SELECT DISTINCT a.xmin::text AS written, l.state FROM attempt a JOIN link l ON l.id = a.link_id
                   WHERE a.run_id = %s""",
                books.run,
            )
        )
        return tool.booked(attempts)

    tool.instead = {0: look}
    await work(books, loop, 50)

    assert [row["state"] for row in seen] == ["intent"]


async def test_more_than_a_call_takes_goes_in_calls_of_that_size(books: Books, lane: LaneOf) -> None:
    await plan(books, 25)
    tool = Batching(batch_size=10)
    await work(books, lane(tool), 25)
    assert tool.together == [10, 10, 5]
    assert tool.entries == names(*range(25))


async def test_one_document_alone_goes_by_itself(books: Books, lane: LaneOf) -> None:
    await plan(books, 1)
    tool = Batching()
    await work(books, lane(tool), 1)
    assert (tool.calls, tool.together) == ([["N00"]], [])
    assert await states(books) == ["synced"]


async def test_an_event_of_a_batch_is_finished_when_its_own_result_is_delivered(
    books: Books, lane: LaneOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it is acked while the brokers are away, and nobody has heard of it."""
    await plan(books, 3)
    loop, withheld = lane(Batching()), list[Callable[[int, int], None]]()

    def send(_topic: object, _record: object, delivered: Callable[[int, int], None], _failed: object) -> None:
        withheld.append(delivered)

    monkeypatch.setattr(loop.publisher, "send", send)
    done = await work(books, loop, 3)
    assert (len(withheld), done) == (3, [])

    withheld[2](0, 1)
    await asyncio.sleep(0.05)
    assert done == [2]
    withheld[0](0, 2)
    withheld[1](0, 3)
    await asyncio.sleep(0.05)
    assert sorted(done) == [0, 1, 2]


async def test_the_bytes_of_a_call_have_a_limit(books: Books, lane: LaneOf) -> None:
    await plan(books, 5)
    size = len(booking_json(Batching().map_document(numbered(0))))
    tool = Batching(batch_bytes=size * 2 + 1)
    await work(books, lane(tool), 5)
    assert tool.calls == [names(0, 1), names(2, 3), names(4)]


async def test_files_count_as_they_are_sent(books: Books, lane: LaneOf, monkeypatch: pytest.MonkeyPatch) -> None:
    files = (Attachment(ref="r", file_name="a.pdf", media_type="application/pdf"),)
    source = await books.db.one(
        "INSERT INTO source (tenant_id, plugin, name) VALUES (%s, 's', %s) RETURNING id", books.tenant, uuid4().hex
    )
    assert source is not None
    await plan(books, 4, attachments=files)
    await books.db.run("UPDATE item SET source_id = %s", source["id"])
    tool = Batching(attachments=True, batch_bytes=3000)
    loop = lane(tool)
    had: list[int] = []

    async def read(task: Any, document: Document) -> Any:
        return (AttachedFile("a.pdf", "application/pdf", b"x" * 900),)

    def note(attempts: Sequence[Attempt]) -> Any:
        had.extend(len(one.attachments) for one in attempts)
        return tool.booked(attempts)

    monkeypatch.setattr(attempting, "_files", read)
    tool.instead = {0: note, 1: note}
    await work(books, loop, 4)
    assert tool.calls == [names(0, 1), names(2, 3)]
    assert had == [1] * 4


# bad ones


async def test_bad_ones_are_named_and_what_the_tool_left_goes_in_the_next_call(books: Books, lane: LaneOf) -> None:
    """It stops after six: what comes behind them was not looked at."""
    bad = [3, 9, 11, 20, 21, 22, 40]
    await plan(books, 50)
    tool = Batching()
    tool.bad = set(names(*bad))

    done = await work(books, lane(tool), 50)

    good = [at for at in range(50) if at not in bad]
    assert tool.entries == names(*good)
    assert tool.calls == [names(*range(50)), names(*range(23, 50))]
    for at in range(50):
        item = await books.item_row(at)
        assert item["state"] == ("skipped" if at in bad else "synced")
        assert [one["facts"]["number"] for one in item["issues"]] == (names(at) if at in bad else [])
    assert done == list(range(50))
    assert await outcomes(books) == [
        outcome
        for at in range(50)
        for outcome in (*(["not_processed"] if at > 22 else []), "refused" if at in bad else "booked")
    ]


async def test_six_bad_ones_in_front_hold_up_no_other(books: Books, lane: LaneOf) -> None:
    await plan(books, 14)
    tool = Batching()
    tool.bad = set(names(*range(13)))
    await work(books, lane(tool), 14)
    assert tool.calls == [names(*range(14)), names(*range(6, 14)), names(12, 13)]
    assert await states(books) == ["skipped"] * 13 + ["synced"]


@pytest.mark.parametrize("broken", [[0], [1], [17], [48], [49], [3, 9, 11, 20, 21, 22, 40], [0, 1, 2, 49]])
async def test_a_call_that_is_refused_whole_is_halved_until_the_bad_one_is_alone(
    books: Books, lane: LaneOf, broken: list[int]
) -> None:
    await plan(books, 50)
    tool = Batching()
    tool.broken = set(names(*broken))

    done = await work(books, lane(tool), 50)

    good = [at for at in range(50) if at not in broken]
    assert tool.entries == names(*good)
    assert [at for at, state in enumerate(await states(books)) if state == "skipped"] == broken
    assert [one["code"] for one in (await books.item_row(broken[0]))["issues"]] == ["D34"]
    assert done == list(range(50))
    assert len(tool.calls) <= 1 + len(broken) * 8


async def test_a_bug_in_writing_many_leaves_each_to_be_written_alone(books: Books, lane: LaneOf) -> None:
    await plan(books, 8)
    tool = Batching()
    tool.before = dict.fromkeys(range(4), raises(KeyError("a bug")))

    await work(books, lane(tool), 8)

    assert [len(one) for one in tool.calls[:4]] == [8, 4, 2, 1]
    assert tool.entries == names(*range(1, 8))
    assert await states(books) == ["skipped"] + ["synced"] * 7


async def test_what_is_refused_alone_but_not_together_is_booked_all_the_same(books: Books, lane: LaneOf) -> None:
    """A tool that refuses calls of many: each goes by itself in the end, and none is called bad."""
    await plan(books, 6)
    tool = Batching()

    async def refuse(attempts: Sequence[Attempt]) -> Any:
        if len(attempts) == 1:
            return tool.booked(attempts)
        for one in attempts:
            one.verdict = Refused(Issue(code="D34"))
        raise attempts[0].verdict  # type: ignore[misc]

    tool.instead = dict.fromkeys(range(100), refuse)
    await work(books, lane(tool), 6)
    assert await states(books) == ["synced"] * 6
    assert tool.entries == names(*range(6))


async def test_documents_that_our_rules_refuse_are_told_and_hold_up_no_other(books: Books, lane: LaneOf) -> None:
    await plan(books, 6)

    class Choosy(Batching):
        def map_document(self, document: Document, *rest: Any) -> Any:
            if document.number in ("N01", "N04"):
                raise Refused(Issue(code="D01"))
            return super().map_document(document, *rest)

    tool = Choosy()
    done = await work(books, lane(tool), 6)
    assert tool.calls == [names(0, 2, 3, 5)]
    assert await states(books) == ["synced", "skipped", "synced", "synced", "skipped", "synced"]
    assert sorted(done) == list(range(6))


async def test_bugs_between_good_ones_do_not_open_the_circuit(books: Books, lane: LaneOf) -> None:
    """Each of them comes to its turn after the answer to what stands before it."""
    await plan(books, 14)

    class Broken(Batching):
        def map_document(self, document: Document, *rest: Any) -> Any:
            if int(document.number[1:]) % 2:
                raise KeyError(document.number)
            return super().map_document(document, *rest)

    tool = Broken()
    await work(books, lane(tool), 14)
    assert tool.entries == names(*range(0, 14, 2))
    assert await states(books) == ["synced", "skipped"] * 7
    assert await run_state(books) == ("active", None)


# no answer, or none that can be read


@pytest.mark.parametrize(
    "given",
    [
        raises(TimeoutError()),
        raises(Uncertain("empty")),
        raises(KeyError("a bug while reading")),
        lambda _: None,
        lambda _: {},
        lambda attempts: [one.link_id for one in attempts],
        lambda attempts: {one.link_id: Refused(Issue(code="D34")) for one in attempts},
        lambda attempts: {one.link_id: NotProcessed() for one in attempts},
    ],
    ids=["time-out", "empty", "bug", "nothing", "no result", "a list", "refused unread", "skipped unread"],
)
async def test_without_a_readable_answer_all_are_uncertain_and_none_goes_out_again(
    books: Books, lane: LaneOf, given: Given
) -> None:
    await plan(books, 5)
    tool = Batching(batch_size=5)
    tool.instead = {0: given}
    loop = lane(tool)

    done = await work(books, loop, 5)

    assert tool.calls == [names(*range(5))]
    assert await states(books) == ["to_settle"] * 5
    assert await outcomes(books) == ["uncertain"] * 5
    assert done == list(range(5))
    assert await run_state(books) == ("active", None)


async def test_two_calls_in_a_row_without_an_answer_park_the_run(books: Books, lane: LaneOf) -> None:
    await plan(books, 9)
    tool = Batching(batch_size=3)
    tool.instead = {0: raises(TimeoutError()), 1: raises(TimeoutError())}

    await work(books, lane(tool), 9)

    assert tool.calls == [names(0, 1, 2), names(3, 4, 5)]
    assert await states(books) == ["to_settle"] * 6 + ["planned"] * 3
    assert await run_state(books) == ("parked", "tool_unavailable")


async def test_what_an_answer_leaves_out_is_uncertain_and_the_others_are_not(books: Books, lane: LaneOf) -> None:
    await plan(books, 6)
    tool = Batching()

    def without_two(attempts: Sequence[Attempt]) -> Any:
        results = tool.booked(attempts)
        del results[attempts[0].link_id], results[attempts[4].link_id]
        return results

    tool.instead = {0: without_two}
    done = await work(books, lane(tool), 6)
    assert await states(books) == ["to_settle", "synced", "synced", "synced", "to_settle", "synced"]
    assert len(tool.calls) == 1
    assert done == list(range(6))


async def test_what_the_plugin_never_sent_goes_in_a_later_call(books: Books, lane: LaneOf) -> None:
    await plan(books, 5)
    tool = Batching()

    def two(attempts: Sequence[Attempt]) -> Any:
        for one in attempts[:2]:
            one.sent = True
        return tool.booked(attempts[:2])

    tool.before = {0: two}
    await work(books, lane(tool), 5)
    assert tool.entries == names(*range(5))
    assert tool.calls == [names(*range(5)), names(2, 3, 4)]


async def test_a_plugin_that_says_booked_for_a_call_that_was_refused_is_not_believed(
    books: Books, lane: LaneOf
) -> None:
    await plan(books, 2)
    tool = Batching()

    def liar(attempts: Sequence[Attempt]) -> Any:
        for one in attempts:
            one.verdict = Refused(Issue(code="D34"))
        return {one.link_id: Booked("e", "1") for one in attempts}

    tool.instead = {0: liar}
    await work(books, lane(tool), 2)
    assert await states(books) == ["to_settle"] * 2


async def test_a_plugin_that_sends_twice_and_raises_for_one_call_frees_nothing_that_was_sent(
    books: Books, lane: LaneOf
) -> None:
    """Only what was refused is free: the other half may stand there."""
    await plan(books, 4)
    tool = Batching()

    def two_calls(attempts: Sequence[Attempt]) -> Any:
        refused = Refused(Issue(code="D34"))
        for one in attempts[:2]:
            one.verdict = refused
        tool.booked(attempts[2:])
        raise refused

    tool.instead = {0: two_calls}
    await work(books, lane(tool), 4)
    assert sorted(tool.entries) == names(*range(4))
    assert await states(books) == ["synced", "synced", "to_settle", "to_settle"]


async def test_a_tool_that_takes_a_key_once_gets_each_again_in_order(books: Books, lane: LaneOf) -> None:
    await plan(books, 3)
    tool = Batching(settling=Settling.KEY)
    tool.instead = {0: raises(TimeoutError())}

    done = await work(books, lane(tool), 3)

    assert tool.calls == [names(0, 1, 2), names(0), names(1), names(2)]
    assert await states(books) == ["synced"] * 3
    assert await outcomes(books) == ["booked"] * 3
    assert done == [0, 1, 2]


async def test_what_the_tool_holds_already_is_asked_about_at_once_and_adopted(books: Books, lane: LaneOf) -> None:
    links = await plan(books, 5)
    tool = Batching()

    def there(attempts: Sequence[Attempt]) -> Any:
        results: dict[int, Any] = tool.booked(attempts)
        return results | {one.link_id: AlreadyThere() for one in attempts[1:4]}

    tool.instead = {0: there}
    await work(books, lane(tool), 5)

    assert tool.asked == [3]
    assert await states(books) == ["synced"] * 5
    assert [(await books.link(one))["entry_id"] for one in links] == [f"e{name}" for name in names(*range(5))]


async def test_what_is_said_to_be_there_and_cannot_be_found_is_settled_later(books: Books, lane: LaneOf) -> None:
    await plan(books, 3)
    tool = Batching()

    def there(attempts: Sequence[Attempt]) -> Any:
        results: dict[int, Any] = tool.booked(attempts[1:])
        attempts[0].answer_ok = True
        return results | {attempts[0].link_id: AlreadyThere()}

    tool.instead = {0: there}
    await work(books, lane(tool), 3)
    assert await states(books) == ["to_settle", "synced", "synced"]


async def test_what_is_said_to_be_there_again_and_again_is_for_a_person_to_find(books: Books, lane: LaneOf) -> None:
    """Such as a number that Yuki took in another year: the document does not stop the worker, and nothing is broken."""
    first, _ = await plan(books, 2)
    tool = Batching()
    loop = lane(tool)

    def there(attempts: Sequence[Attempt]) -> Any:
        results: dict[int, Any] = tool.booked([one for one in attempts if one.booking.reference != "N00"])
        attempts[0].answer_ok = True
        return {one.link_id: AlreadyThere(tool_words="Number N00 exists") for one in attempts} | results

    tool.instead = dict.fromkeys(range(100), there)
    for generation in (1, 2, 3):
        await work(books, loop, 2, generation=generation)
        link = await books.link(first)
        if link["state"] == "intent":  # what settling finds
            await books.came(first, Outcome.ABSENT, link["attempt"])
            await books.db.run("UPDATE item SET state = 'planned' WHERE run_id = %s AND sequence = 0", books.run)
            await again(books, generation + 1)

    assert await states(books) == ["needs_person", "synced"]
    row = await books.db.one("SELECT issues FROM item WHERE run_id = %s AND sequence = 0", books.run)
    assert row is not None
    (issue,) = row["issues"]
    assert (issue["code"], issue["facts"]["candidates"], issue["tool_words"]) == ("D14", "N00", "Number N00 exists")
    assert await outcomes(books) == ["absent", "absent", "person", "booked"]


async def test_numbers_that_are_taken_again_and_again_hold_up_no_other(books: Books, lane: LaneOf) -> None:
    await plan(books, 4)

    class Taken(Batching):
        async def _written(self, attempts: Sequence[Attempt]) -> Any:
            results = await super()._written(attempts)
            return {
                one.link_id: NumberTaken() if one.booking.reference == "N01" else results[one.link_id]
                for one in attempts
            }

        async def resolve(self, attempts: Sequence[Attempt]) -> Mapping[int, Resolution]:
            return {one.link_id: Found((Candidate("other", "7", reference="other"),)) for one in attempts}

    tool = Taken()
    await work(books, lane(tool), 4)
    assert await states(books) == ["synced", "skipped", "synced", "synced"]
    assert [one["code"] for one in (await books.item_row(1))["issues"]] == ["D33"]


# trouble before anything was processed


@pytest.mark.parametrize(
    ("error", "reason"),
    [(ToolUnavailable("down"), "tool_unavailable"), (Throttled(None), "limit")],
    ids=["unavailable", "throttled"],
)
async def test_trouble_before_processing_leaves_all_planned_and_parks(
    books: Books, lane: LaneOf, error: ToolError, reason: str
) -> None:
    links = await plan(books, 5)
    tool = Batching()
    tool.instead = {0: raises(error, recognised=True)}

    done = await work(books, lane(tool), 5)

    assert tool.calls == [names(*range(5))]
    assert await states(books) == ["planned"] * 5
    assert {(await books.link(one))["state"] for one in links} == {"free"}
    assert await run_state(books) == ("parked", reason)
    assert sorted(done) == list(range(5))

    await again(books, 2)
    loop = lane(tool)
    await work(books, loop, 5, generation=2)
    assert tool.entries == names(*range(5))


async def test_a_short_wait_is_waited_out_with_all_of_them(books: Books, lane: LaneOf) -> None:
    await plan(books, 5)
    tool = Batching()
    soon = Throttled(None)
    soon.until, soon.seconds = clock.now(), 0.01
    tool.instead = {0: raises(soon, recognised=True)}
    await work(books, lane(tool), 5)
    assert tool.calls == [names(*range(5))] * 2
    assert await states(books) == ["synced"] * 5


async def test_a_right_that_is_missing_ends_the_component_and_leaves_all(books: Books, lane: LaneOf) -> None:
    await plan(books, 3)
    tool = Batching()
    tool.instead = {0: raises(AccessDenied("sales"), recognised=True)}
    done = await work(books, lane(tool), 3)
    assert len(tool.calls) == 1
    assert await states(books) == ["planned"] * 3
    assert await outcomes(books) == ["not_processed"] * 3
    assert sorted(done) == [0, 1, 2]


async def test_a_login_that_is_broken_ends_the_run(books: Books, lane: LaneOf) -> None:
    await plan(books, 3)
    tool = Batching()
    tool.instead = {0: raises(LoginBroken(), recognised=True)}
    await work(books, lane(tool), 3)
    assert len(tool.calls) == 1
    assert (await run_state(books))[0] == "ended"


async def test_a_call_that_is_always_too_late_is_not_made_for_ever(books: Books, lane: LaneOf) -> None:
    await plan(books, 4)
    tool = Batching()
    tool.before = dict.fromkeys(range(100), raises(NotProcessed("too late")))
    await work(books, lane(tool), 4)
    assert len(tool.calls) <= 8
    assert await states(books) == ["planned"] * 4
    assert await run_state(books) == ("parked", "tool_unavailable")


async def test_one_permit_is_taken_for_a_call(books: Books, lane: LaneOf) -> None:
    await plan(books, 6)

    class Permits:
        taken = 0

        async def take(self, group: str, *, settling: bool = False) -> None:
            self.taken += 1

    class Grouped(Batching):
        def operation_group(self, attempt: Attempt) -> str | None:
            return "late" if attempt.booking.reference in names(4, 5) else "early"

    tool = Grouped()
    tool.link.permits = Permits()
    await work(books, lane(tool), 6)
    assert tool.calls == [names(0, 1, 2, 3), names(4, 5)]
    assert tool.link.permits.taken == 2


# what may go in a batch


async def test_only_what_its_intent_was_granted_is_sent_and_nothing_overtakes_it(books: Books, lane: LaneOf) -> None:
    links = await plan(books, 5)
    tool = Batching()

    class Meanwhile(Batching):
        async def prepare(self) -> None:
            if (await books.link(links[2]))["current"]:
                await books.db.run("UPDATE link SET current = false WHERE id = %s", links[2])
                await books.links(identity="d1:item2", incarnation=2)

    tool = Meanwhile()
    done = await work(books, lane(tool), 5)
    assert tool.calls == [names(0, 1), names(2, 3, 4)]
    assert await states(books) == ["synced"] * 5
    assert done == list(range(5))


async def test_an_open_attempt_in_the_middle_is_settled_and_not_sent(books: Books, lane: LaneOf) -> None:
    links = await plan(books, 5)
    await books.intend(books.intent(links[2], sequence=2))
    await again(books, 2)
    tool = Batching()
    await work(books, lane(tool), 5, generation=2)
    assert tool.calls == [names(0, 1), names(3, 4)]
    assert await states(books) == ["synced", "synced", "to_settle", "synced", "synced"]


async def test_a_killed_batch_is_settled_whole_and_nothing_of_it_goes_out_again(books: Books, lane: LaneOf) -> None:
    """The process died between the intents and their outcomes: who takes over cannot know what stands there."""
    links = await plan(books, 4)
    await books.intend(*(books.intent(link, sequence=at) for at, link in enumerate(links)))
    await again(books, 2)
    tool = Batching()
    done = await work(books, lane(tool), 4, generation=2)
    assert tool.calls == []
    assert await states(books) == ["to_settle"] * 4
    assert done == [0, 1, 2, 3]


async def test_updates_go_one_by_one_in_their_place(books: Books, lane: LaneOf) -> None:
    await plan(books, 2)
    await planned(books, 2, numbered(2), state="booked", entry_id="e2", revision="rev1:other", attempt=1)
    await plan(books, 2, first=3)
    tool = Batching(updates_documents=True)
    await work(books, lane(tool), 5)
    assert tool.calls == [names(0, 1), names(2), names(3, 4)]
    assert await states(books) == ["synced"] * 5


async def test_what_takes_a_number_of_ours_goes_one_by_one(books: Books, lane: LaneOf) -> None:
    await plan(books, 3)

    class Numbered(Batching):
        def map_document(self, document: Document, *rest: Any) -> Any:
            return Tool.map_document(self, document, *rest)

    tool = Numbered()
    await work(books, lane(tool), 3)
    assert tool.calls == [names(0), names(1), names(2)]
    assert (await books.series())["key"] == SERIES


async def test_a_batch_holds_one_component(books: Books, lane: LaneOf) -> None:
    await plan(books, 4)
    await books.db.run("UPDATE item SET component = 'sales_credit_notes' WHERE sequence > 1")
    tool = Batching()
    await work(books, lane(tool), 4)
    assert tool.calls == [names(0, 1), names(2, 3)]


async def test_a_document_whose_party_waits_ends_the_batch_and_what_follows_waits_with_it(
    books: Books, lane: LaneOf
) -> None:
    """Nothing overtakes it."""
    await plan(books, 4)
    await books.links(identity="p1:there", kind="party", state="booked", entry_id="7")
    await books.links(identity="p1:open", kind="party", state="intent", attempt=1)
    await books.db.run(
        "UPDATE item SET party_identity = CASE sequence WHEN 2 THEN 'p1:open' ELSE 'p1:there' END, source_id = NULL"
    )
    tool = Batching(parties_inside_documents=False)
    tool.before = {0: raises(NotProcessed("too late"))}  # so that the first one is decided once more
    await work(books, lane(tool), 4)
    assert tool.calls == [names(0, 1), names(0), names(1)]
    assert await states(books) == ["synced", "synced", "planned", "planned"]


async def test_a_document_whose_party_comes_again_ends_the_batch_and_holds_what_follows(
    books: Books, lane: LaneOf
) -> None:
    """Settling has put the party back: it comes in a later window, and so does the document."""
    await plan(books, 4, first=1)
    await books.links(identity="p1:there", kind="party", state="booked", entry_id="7")
    await books.links(identity="p1:again", kind="party")
    await books.item(0, identity="p1:again", kind="party", component="customers")
    await books.db.run(
        """UPDATE item SET party_identity = CASE sequence WHEN 3 THEN 'p1:again' ELSE 'p1:there' END
           WHERE kind = 'document'"""
    )
    tool = Batching(parties_inside_documents=False)
    done = await work(books, lane(tool), 4, first=1)
    assert tool.calls == [names(1, 2)]
    assert await states(books) == ["planned", "synced", "synced", "planned", "planned"]
    assert sorted(done) == [1, 2, 3, 4]


async def test_what_was_left_planned_holds_what_follows(books: Books, lane: LaneOf) -> None:
    """An event of a window that lost its first ones begins no batch."""
    await plan(books, 4)
    tool = Batching()
    await work(books, lane(tool), 2, first=2)
    assert tool.calls == []
    assert await states(books) == ["planned"] * 4


# people, other processes, and processes that die


async def test_a_run_that_is_cancelled_in_mid_call_keeps_what_was_booked(books: Books, lane: LaneOf) -> None:
    links = await plan(books, 6)
    tool = Batching(batch_size=3)

    async def cancelled(attempts: Sequence[Attempt]) -> Any:
        async with books.db.transaction() as connection:
            await finish_run(connection, books.run, cancelled=True)
        return tool.booked(attempts)

    tool.instead = {0: cancelled}
    done = await work(books, lane(tool), 6)

    assert tool.calls == [names(0, 1, 2)]
    assert [(await books.link(one))["state"] for one in links] == ["booked"] * 3 + ["free"] * 3
    assert await states(books) == ["synced"] * 3 + ["not_tried"] * 3
    assert sorted(done) == list(range(6))


async def test_a_lane_that_another_took_gets_no_intent_for_any(books: Books, lane: LaneOf) -> None:
    await plan(books, 4)

    class Taken(Batching):
        async def prepare(self) -> None:
            await take_lane(books.connection, books.administration, "2", uuid4())

    tool = Taken()
    await work(books, lane(tool), 4)
    assert tool.calls == []
    assert await states(books) == ["planned"] * 4


async def test_partitions_that_go_in_mid_call_lose_no_outcome(books: Books, lane: LaneOf) -> None:
    links = await plan(books, 3)
    tool = Batching()
    loop = lane(tool)

    def revoked(attempts: Sequence[Attempt]) -> Any:
        loop.lanes[books.administration].forget(10)
        return tool.booked(attempts)

    tool.instead = {0: revoked}
    done = await work(books, loop, 3)
    assert done == [0]
    assert [(await books.link(one))["state"] for one in links] == ["booked"] * 3
    assert await states(books) == ["synced"] * 3
    # another worker gets what was not acked
    after = await work(books, lane(tool), 2, first=1)
    assert sorted(after) == [1, 2]
    assert len(tool.calls) == 1


async def test_a_lane_whose_holder_died_works_one_by_one_through_what_may_have_been_its_batch(
    books: Books, lane: LaneOf
) -> None:
    """Any of them may be what the process died of, and a mark must be its own."""
    await plan(books, 9)
    await take_lane(books.connection, books.administration, "1", uuid4())
    tool = Batching(batch_size=3)
    await work(books, lane(tool), 9)
    assert tool.calls == [names(0), names(1), names(2), names(3, 4, 5), names(6, 7, 8)]
    assert [(await books.item_row(at))["starts"] for at in range(9)] == [1, 1, 1] + [0] * 6


async def test_what_was_started_in_vain_goes_in_no_batch(books: Books, lane: LaneOf) -> None:
    await plan(books, 5)
    await books.db.run("UPDATE item SET starts = 1 WHERE sequence = 2")
    tool = Batching()
    await work(books, lane(tool), 5)
    assert tool.calls == [names(0, 1), names(2), names(3, 4)]


async def test_what_cannot_be_recorded_of_one_is_settled_and_the_others_are_not(
    books: Books, lane: LaneOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    await plan(books, 4)
    before = ItemTask.record

    def record(self: ItemTask, *given: Any, **more: Any) -> None:
        if self.item.sequence == 2:
            raise RuntimeError
        before(self, *given, **more)

    tool = Batching()
    monkeypatch.setattr(ItemTask, "record", record)
    await work(books, lane(tool), 4)
    assert tool.calls == [names(*range(4))]
    assert await states(books) == ["synced", "synced", "to_settle", "synced"]


async def test_two_that_are_told_as_the_same_entry_are_a_persons_business(books: Books, lane: LaneOf) -> None:
    await plan(books, 3)
    tool = Batching()
    tool.instead = {0: lambda attempts: tool.booked(attempts) | {attempts[1].link_id: Booked("eN00", "N00")}}
    loop = lane(tool)
    await work(books, loop, 3)
    assert ItemState.NEEDS_PERSON in await states(books)
    assert (await states(books))[2] == "synced"


async def test_what_went_out_in_vain_goes_in_smaller_calls_and_then_alone(books: Books, lane: LaneOf) -> None:
    """One that the tool does not get over would else have all of its batch given up."""
    links = await plan(books, 9)
    tool = Batching(batch_size=9)
    loop = lane(tool)

    def hangs(attempts: Sequence[Attempt]) -> Any:
        if "N04" in [one.booking.reference for one in attempts]:
            raise TimeoutError
        return tool.booked(attempts)

    tool.instead = dict.fromkeys(range(100), hangs)
    for generation in (1, 2, 3):
        await work(books, loop, 9, generation=generation)
        for at, link in enumerate(links):  # what settling finds
            if (await books.link(link))["state"] == "intent":
                attempt = (await books.link(link))["attempt"]
                await books.came(link, Outcome.ABSENT, attempt)
                await books.db.run("UPDATE item SET state = 'planned' WHERE sequence = %s", at)
        await again(books, generation + 1)

    assert tool.calls == [
        names(*range(9)),
        *(names(0, 1, 2), names(3, 4, 5), names(6, 7, 8)),
        *(names(3), names(4), names(5)),
    ]
    assert await states(books) == ["synced"] * 4 + ["planned"] + ["synced"] * 4


async def test_a_bug_where_one_is_made_ready_is_its_own(books: Books, lane: LaneOf) -> None:
    await plan(books, 4)

    class Broken(Batching):
        def operation_group(self, attempt: Attempt) -> str | None:
            if attempt.booking.reference == "N02":
                raise KeyError("group")
            return None

    tool = Broken()
    await work(books, lane(tool), 4)
    assert tool.calls == [names(0, 1), names(3)]
    assert await states(books) == ["synced", "synced", "skipped", "synced"]


async def test_windows_of_full_calls_take_no_call_more(books: Books, lane: LaneOf) -> None:
    """So ten thousand documents take two hundred calls, and a few."""
    await plan(books, 450)
    await books.db.run(
        "UPDATE item SET window_no = CASE WHEN sequence < 50 THEN 1 WHEN sequence < 250 THEN 2 ELSE 3 END"
    )
    await books.db.run("UPDATE run SET window_no = 3 WHERE id = %s", books.run)
    tool = Batching()
    windows = [1] * 50 + [2] * 200 + [3] * 200
    await lane(tool).work(*(event(books, at, window=window) for at, window in enumerate(windows)))
    assert tool.together == [50] * 9
    assert tool.entries == names(*range(450))
