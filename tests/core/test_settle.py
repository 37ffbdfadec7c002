"""Settling on a real PostgreSQL, with a tool that says what a test tells it to: nothing waits for ever."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import orjson
import pytest
from dagboek import connections, runs
from dagboek.booking_json import booking_json
from dagboek.database import Database
from dagboek.push_record import Outcome, repeat_intent, start_series
from dagboek.runs import MAX_PARKED_SECONDS
from dagboek.settle import TRIES, UNANSWERED, Settler, free_series, wake_settled
from dagboek.status import run_status
from dagboek.sweeper import write_events
from dagboek_sdk.accounting import About, Settling
from dagboek_sdk.attempt import Absent, Accepted, Attempt, Booking, Candidate, Found, Resolution, Unknown
from dagboek_sdk.errors import AccessDenied, ToolUnavailable, Trouble
from dagboek_sdk.settings import ConnectionSettings
from push_books import SERIES, Books, new_books
from structlog.testing import capture_logs

BOOKING = booking_json(Booking({}, reference="2026/1"))


class Tool:
    """Answers `resolve`, after what a test wants to happen meanwhile."""

    resolve_deadline = 30.0

    def __init__(
        self,
        resolution: Resolution,
        meanwhile: Callable[[], Awaitable[Any]] | None = None,
        settling: Settling = Settling.NUMBER,
    ) -> None:
        self.about = About(
            "x", "X", frozenset(), (), ConnectionSettings, settling=settling, party_settling=Settling.KEY
        )
        self.resolution = resolution
        self.meanwhile = meanwhile
        self.asked = 0

    async def resolve(self, attempts: Sequence[Attempt]) -> dict[int, Resolution]:
        self.asked += 1
        if self.meanwhile:
            await self.meanwhile()
        return {attempt.link_id: self.resolution for attempt in attempts}

    async def last_number(self, key: str) -> int:
        return 0

    async def close(self) -> None:
        return


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    await database.run("UPDATE link SET state = 'needs_person' WHERE state = 'intent'")  # of the test before
    async with new_books(database) as made:
        yield made


@pytest.fixture
def settling_with(books: Books, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Settler]:
    """A settler whose tool is the given one."""

    def make(tool: Any) -> Settler:
        async def open_tool(*_: Any) -> Any:
            return tool

        monkeypatch.setattr(connections, "open_tool", open_tool)
        named = SimpleNamespace(tool=lambda name: SimpleNamespace(about=SimpleNamespace(title=name)))
        return Settler(books.db, named, None)  # type: ignore[arg-type]  # only open_tool looks at more of them

    return make


async def sent(books: Books, sequence: int = 0, kind: str = "document", **intent: Any) -> int:
    """A link whose attempt is past its due time, with the item that waits for it."""
    (link,) = await books.links(kind=kind)
    await books.item(sequence, link_id=link, kind=kind, state="to_settle", generation=1)
    given = {"sequence": sequence, "booking": BOOKING, "settle_seconds": -1, **intent}
    await books.intend(books.intent(link, **given))
    return link


async def another_run(books: Books, state: str = "active") -> UUID:
    """A small run beside the run of the books."""
    row = await books.db.one(
        """INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, state, selected, small)
           SELECT %s, tenant_id, entity_id, connection_id, administration_id, 'retry', %s, true, true FROM run
           WHERE id = %s RETURNING id""",
        uuid4(),
        state,
        books.run,
    )
    assert row is not None
    return UUID(str(row["id"]))


async def run_row(books: Books, run: UUID | None = None) -> dict[str, Any]:
    row = await books.db.one("SELECT * FROM run WHERE id = %s", run or books.run)
    assert row is not None
    return row


async def told(books: Books) -> dict[str, Any]:
    """The event of the item, as the sweeper is about to deliver it."""
    await write_events(books.db)
    item = await books.item_row()
    assert item["reported_at"] is None
    event: dict[str, Any] = orjson.loads(item["event"])
    return event


async def test_an_attempt_that_is_sent_again_while_the_tool_is_asked_is_not_called_absent(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    """The answer is older than the repeat, which may stand there by now."""
    link = await sent(books)

    async def repeated() -> None:
        async with books.db.transaction() as connection:
            assert await repeat_intent(connection, books.intent(link, settle_seconds=30), 1)

    await settling_with(Tool(Absent(), repeated)).settle_due(5)

    assert (await books.link(link))["state"] == "intent"
    assert (await books.item_row())["state"] == "to_settle"


async def test_what_is_to_be_sent_again_goes_back_in_its_order_whatever_came_due_first(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    """A run that goes on before all are settled sends the first ones first."""
    links = {sequence: await sent(books, sequence) for sequence in (2, 0, 1)}

    await settling_with(Tool(Absent())).settle_due(5)

    rows = await books.db.all(
        "SELECT sequence FROM attempt WHERE link_id = ANY(%s) AND outcome = 'absent' ORDER BY outcome_at, sequence",
        list(links.values()),
    )
    assert [row["sequence"] for row in rows] == [0, 1, 2]


async def test_what_is_found_is_a_fact_also_while_it_is_sent_again(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    link = await sent(books)

    async def repeated() -> None:
        async with books.db.transaction() as connection:
            assert await repeat_intent(connection, books.intent(link, settle_seconds=30), 1)

    entry = Candidate("e1", number="1", reference="2026/1", certain=True)
    await settling_with(Tool(Found((entry,)), repeated)).settle_due(5)

    assert (await books.link(link))["state"] == "booked"
    assert (await books.item_row())["state"] == "synced"


async def test_what_is_found_but_not_booked_yet_is_accepted_and_polled_from_then_on(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    link = await sent(books, revision="r1")
    await settling_with(Tool(Accepted("upload/1"), settling=Settling.LOOK_UP)).settle_due(patience=5)
    row = await books.link(link)
    assert (row["state"], row["accepted_token"], row["revision"]) == ("accepted", "upload/1", "r1")
    event = await told(books)
    assert event["state"] == "accepted"


WHOLE = Booking({}, reference="2026/1", day=date(2026, 1, 31), gross=Decimal("121.00"), currency="EUR")
ENTRY = Candidate(
    "e9", number="9", reference="2026/1", party_id="7", day=date(2026, 1, 31), gross=Decimal("121.00"), currency="EUR"
)


@pytest.mark.parametrize(
    "corrected",
    [
        {"day": date(2026, 2, 1)},
        {"gross": Decimal("121.01")},
        {"day": date(2026, 2, 1), "gross": Decimal("121.01")},
        {"day": date(2026, 2, 1), "gross": Decimal("121.01"), "party_id": "8"},
        {"day": date(2025, 9, 1), "gross": Decimal("121.01"), "party_id": "8"},  # the book year may begin in July
    ],
    ids=str,
)
@pytest.mark.parametrize("settling", Settling)
async def test_an_entry_with_our_reference_that_was_corrected_meanwhile_is_not_called_absent(
    books: Books, settling_with: Callable[..., Settler], settling: Settling, corrected: dict[str, Any]
) -> None:
    link = await sent(books, booking=booking_json(WHOLE), party_entry="7")

    await settling_with(Tool(Found((replace(ENTRY, **corrected),)), settling=settling)).settle_due(5)

    assert (await books.link(link))["state"] == "needs_person"
    item = await books.item_row()
    assert (item["state"], item["issues"][0]["code"]) == ("needs_person", "D10")
    assert item["issues"][0]["facts"]["candidates"] == "9"


@pytest.mark.parametrize(
    ("settling", "state"),
    [
        (Settling.NUMBER, "free"),
        (Settling.KEY, "needs_person"),
        (Settling.LOOK_UP, "needs_person"),
        (Settling.NONE, "needs_person"),
    ],
)
async def test_an_entry_that_is_not_ours_proves_absence_only_where_a_number_is_taken_once(
    books: Books, settling_with: Callable[..., Settler], settling: Settling, state: str
) -> None:
    link = await sent(books, booking=booking_json(WHOLE), party_entry="7")
    other = replace(ENTRY, reference="2026/2", gross=Decimal("5.00"), party_id="8")

    await settling_with(Tool(Found((other,)), settling=settling)).settle_due(5)

    assert (await books.link(link))["state"] == state


@pytest.mark.parametrize("settling", [Settling.NUMBER, Settling.LOOK_UP])
async def test_an_entry_that_another_link_holds_is_not_ours(
    books: Books, settling_with: Callable[..., Settler], settling: Settling
) -> None:
    """The number of last year, where numbers begin anew."""
    await books.links(state="booked", entry_id="e9")
    link = await sent(books, booking=booking_json(WHOLE), party_entry="7")

    await settling_with(Tool(Found((ENTRY,)), settling=settling)).settle_due(5)

    assert (await books.link(link))["state"] == "free"


async def test_a_party_that_is_not_found_by_its_key_for_certain_is_a_persons_business(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    link = await sent(books, kind="party")

    await settling_with(Tool(Found((Candidate("7", name="De Klaver"),)))).settle_due(5)

    assert (await books.link(link))["state"] == "needs_person"


async def test_what_is_found_for_an_attempt_that_another_process_called_absent_is_a_fact_all_the_same(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    """Two processes of the core asked, and the tool was slow to show it."""
    link = await sent(books)

    async def called_absent_and_sent_anew() -> None:
        await books.came(link, Outcome.ABSENT)
        await books.intend(books.intent(link, seen=1))
        await books.came(link, Outcome.BOOKED, 2, entry_id="e2", entry_number="2")

    entry = Candidate("e1", number="1", reference="2026/1", certain=True)
    await settling_with(Tool(Found((entry,)), called_absent_and_sent_anew)).settle_due(5)

    row = await books.link(link)
    issue = row["needs_person_issue"]
    assert (row["state"], issue["code"], issue["facts"]) == ("needs_person", "D12", {"entry": "1"})


async def test_what_is_sent_in_vain_again_and_again_is_skipped_and_holds_nobody_up(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    link = await sent(books)
    settler = settling_with(Tool(Absent()))
    for tries in range(1, TRIES + 1):
        assert (await books.item_row())["state"] in ("to_settle", "planned")
        await settler.settle_due(5)
        if tries < TRIES:
            await books.intend(books.intent(link, seen=tries, booking=BOOKING, settle_seconds=-1))

    item = await books.item_row()
    assert (item["state"], item["issues"][0]["code"]) == ("skipped", "D32")
    assert (await told(books))["state"] == "skipped"
    assert (await books.link(link))["state"] == "free"  # another run tries it again


async def test_an_item_that_goes_back_has_told_nothing(books: Books, settling_with: Callable[..., Settler]) -> None:
    """Whatever becomes of it next is delivered, also by a process that only looks at what was not reported."""
    await sent(books)
    await books.db.run("UPDATE item SET event = '{}', reported_at = now() WHERE run_id = %s", books.run)

    await settling_with(Tool(Absent())).settle_due(5)

    item = await books.item_row()
    assert (item["state"], item["event"], item["reported_at"]) == ("planned", None, None)


async def test_a_slow_tool_keeps_no_other_waiting(books: Books, settling_with: Callable[..., Settler]) -> None:
    link = await sent(books)
    go_on = asyncio.Event()
    tool = Tool(Absent(), go_on.wait)
    settler = settling_with(tool)

    await settler.settle_due(0.05)
    await settler.settle_due(0.05)

    assert tool.asked == 1
    go_on.set()
    await settler.settle_due(5)
    assert (await books.link(link))["state"] == "free"


async def test_an_attempt_that_cannot_be_compared_holds_up_no_other(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    bad, good = await sent(books), await sent(books, 1)

    class Odd(Tool):
        async def resolve(self, attempts: Sequence[Attempt]) -> dict[int, Resolution]:
            return {bad: Found((None,)), good: Absent()}  # type: ignore[arg-type]

    await settling_with(Odd(Absent())).settle_due(5)

    assert (await books.link(good))["state"] == "free"
    row = await books.db.one("SELECT settle_due > now() AS later FROM link WHERE id = %s", bad)
    assert row == {"later": True}


async def test_a_tool_is_told_since_when_what_it_is_asked_about_may_be_there(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    link = await sent(books)
    asked: list[Attempt] = []

    class Asked(Tool):
        async def resolve(self, attempts: Sequence[Attempt]) -> dict[int, Resolution]:
            asked.extend(attempts)
            return await super().resolve(attempts)

    await settling_with(Asked(Absent())).settle_due(5)
    row = await books.db.one("SELECT started_at FROM attempt WHERE link_id = %s", link)
    assert row is not None
    assert [one.begun for one in asked] == [row["started_at"]]


async def test_a_tool_that_cannot_be_asked_counts_as_trouble_of_the_run(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    """So the run ends some day, as it does for any trouble without a known end."""
    await sent(books)
    await books.db.run("UPDATE run SET state = 'parked', park_reason = 'settling' WHERE id = %s", books.run)

    async def down() -> None:
        raise ToolUnavailable(trouble=Trouble.REFUSED)

    await settling_with(Tool(Absent(), down)).settle_due(5)

    run = await run_row(books)
    assert (run["parked_seconds"], run["park_issue"]["code"], run_status(run)) == (60, "B06", "Stalled")
    assert run["park_issue"]["facts"]["trouble"] == Trouble.REFUSED
    await books.db.run("UPDATE run SET parked_seconds = %s", MAX_PARKED_SECONDS - 60)
    assert not await books.db.one("SELECT 1 AS due FROM run WHERE parked_until <= now()")
    await books.db.run("UPDATE link SET settle_due = now()")
    await settling_with(Tool(Absent(), down)).settle_due(5)
    assert await books.db.one("SELECT 1 AS due FROM run WHERE parked_until <= now()"), "it would never end"


async def test_who_connects_again_does_not_wait_long_for_what_was_uncertain(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    link = await sent(books)
    await books.db.run(
        "UPDATE connection SET state = 'reconnect' WHERE id = (SELECT connection_id FROM run WHERE id = %s)", books.run
    )
    settler = settling_with(tool := Tool(Absent()))

    await settler.settle_due(60)

    assert (tool.asked, (await books.link(link))["state"]) == (0, "intent")
    row = await books.db.one("SELECT settle_due - now() < '2 minutes' AS soon FROM link WHERE id = %s", link)
    assert row == {"soon": True}


async def test_a_number_is_held_by_nothing_but_an_open_attempt(books: Books) -> None:
    await start_series(books.connection, *books.key, 41)
    (link,) = await books.links()
    await books.intend(books.intent(link, series=SERIES))
    await free_series(books.db)
    assert (await books.series())["open_link"] == link

    await books.db.run("UPDATE link SET state = 'needs_person' WHERE id = %s", link)
    await free_series(books.db)

    series = await books.series()
    assert (series["open_link"], series["next_number"]) == (None, 42)


@pytest.mark.parametrize(
    ("became", "state"), [("booked", "unchanged"), ("free", "not_tried"), ("needs_person", "needs_person")]
)
async def test_an_item_of_a_run_that_ended_is_final_once_the_attempt_of_another_run_is(
    books: Books, became: str, state: str
) -> None:
    (link,) = await books.links(state="intent", run_id=await another_run(books), sequence=7)
    await books.item(link_id=link, state="to_settle")
    await books.db.run("UPDATE run SET state = 'ended' WHERE id = %s", books.run)
    await wake_settled(books.db)
    assert (await books.item_row())["state"] == "to_settle"

    await books.db.run("UPDATE link SET state = %s, link_version = 7 WHERE id = %s", became, link)
    await wake_settled(books.db)

    assert (await books.item_row())["state"] == state
    event = await told(books)
    assert (event["state"], event["link_version"]) == (state, 7)


@pytest.mark.parametrize(
    ("resolution", "state", "revision"),
    [
        (Found((Candidate("e1", number="1", certain=True),)), "synced", "rev1:new"),
        (Absent(), "planned", "rev1:old"),
        (Unknown(), "planned", "rev1:old"),
    ],
)
async def test_an_uncertain_update_is_settled_by_what_the_tool_says_of_it(
    books: Books, settling_with: Callable[..., Settler], resolution: Resolution, state: str, revision: str
) -> None:
    """What did arrive is not sent again, since updates are few; what did not keeps its entry, and is."""
    (link,) = await books.links(state="booked", entry_id="e1", entry_number="1", revision="rev1:old")
    await books.item(0, link_id=link, state="to_settle", generation=1)
    await books.intend(
        books.intent(link, op="update", expected="booked", booking=BOOKING, settle_seconds=-1, revision="rev1:new")
    )

    await settling_with(Tool(resolution)).settle_due(5)

    item, found = await books.item_row(), await books.link(link)
    assert (item["state"], item["updated"]) == (state, state == "synced")
    assert (found["state"], found["entry_id"], found["revision"]) == ("booked", "e1", revision)


async def test_documents_wait_for_a_party_that_another_run_has_sent(books: Books) -> None:
    """Not in a circle of generations: the run is parked until the party is settled, and goes on at once then."""
    (party,) = await books.links(identity="p1:x", kind="party")
    await books.intend(books.intent(party, run_id=books.run, sequence=99))
    (link,) = await books.links()
    await books.item(link_id=link, party_identity="p1:x", window_no=1, generation=1)
    await books.db.run("UPDATE link SET run_id = %s WHERE id = %s", await another_run(books), party)

    step = await runs.advance(books.db, books.run, 1, 1)
    run = await run_row(books)
    assert (step.next, run["state"], run["park_reason"], run["generation"]) == ("nothing", "parked", "settling", 1)

    await wake_settled(books.db)
    assert (await run_row(books))["parked_until"] == run["parked_until"]

    await books.came(party, Outcome.BOOKED, entry_id="r1")
    await wake_settled(books.db)
    row = await books.db.one("SELECT parked_until <= now() AS due FROM run WHERE id = %s", books.run)
    assert row == {"due": True}


async def test_a_run_of_whose_generation_nothing_came_does_not_begin_anew_at_once(books: Books) -> None:
    """Whatever keeps its items from being worked on: it would write its events again, without end."""
    (link,) = await books.links()
    await books.item(0, link_id=link, window_no=1, generation=1)
    await books.item(1, window_no=1, generation=1)

    step = await runs.advance(books.db, books.run, 1, 1)

    run = await run_row(books)
    assert (step.next, run["state"], run["generation"], run["parked_seconds"] > 0) == ("nothing", "parked", 1, True)
    await books.db.run("UPDATE run SET state = 'active' WHERE id = %s", books.run)
    await books.db.run("UPDATE item SET state = 'synced', outcome_at = now() WHERE sequence = 0")
    step = await runs.advance(books.db, books.run, 1, 1)
    assert (step.next, step.generation) == ("window", 2)


# what nobody can say


async def due_again(books: Books) -> None:
    """In the order in which they were to be asked about."""
    await books.db.run("UPDATE link SET settle_due = settle_due - interval '2 minutes' WHERE state = 'intent'")


class Fails(Tool):
    """Does as a test says when it is asked about one link, and finds nothing of all others."""

    def __init__(self, link: int, how: Callable[[], Awaitable[Any]]) -> None:
        super().__init__(Absent())
        self.link, self.how = link, how

    async def resolve(self, attempts: Sequence[Attempt]) -> dict[int, Resolution]:
        if self.link in [attempt.link_id for attempt in attempts]:
            await self.how()
        return await super().resolve(attempts)


async def breaks() -> None:
    raise KeyError("Bakkerij De Klaver")


async def hangs() -> None:
    await asyncio.sleep(60)


@pytest.mark.parametrize("how", [breaks, hangs])
async def test_one_that_cannot_be_asked_about_holds_up_no_other_and_comes_to_a_person(
    books: Books, settling_with: Callable[..., Settler], how: Callable[[], Awaitable[Any]]
) -> None:
    await start_series(books.connection, *books.key, 41)
    bad = await sent(books, series=SERIES)
    tool = Fails(bad, how)
    tool.resolve_deadline = 0.1
    settler = settling_with(tool)
    for tries in range(1, UNANSWERED + 1):
        assert (await books.series())["open_link"] == bad
        good = await sent(books, tries, settle_seconds=-300)
        await settler.settle_due(5)
        assert (await books.link(good))["state"] == "free"
        await due_again(books)

    link, item = await books.link(bad), await books.item_row()
    assert (link["state"], link["needs_person_issue"]["code"]) == ("needs_person", "D10")
    assert (item["state"], item["issues"][0]["code"]) == ("needs_person", "D10")
    assert (await books.series())["open_link"] is None


@pytest.mark.parametrize(("how", "rounds"), [(breaks, 1), (hangs, 2)])
async def test_what_is_due_behind_one_that_cannot_be_asked_about_does_not_wait_for_it(
    books: Books, settling_with: Callable[..., Settler], how: Callable[[], Awaitable[Any]], rounds: int
) -> None:
    """One that hangs may be the tool, which is then left alone for a minute: it comes last the next time."""
    bad, good = await sent(books, settle_seconds=-300), await sent(books, 1)
    tool = Fails(bad, how)
    tool.resolve_deadline = 0.1
    settler = settling_with(tool)
    for _ in range(rounds):
        assert (await books.link(good))["state"] == "intent"
        await settler.settle_due(5)
        await due_again(books)

    assert (await books.link(good))["state"] == "free"
    assert (await books.link(bad))["state"] == "intent"


async def test_what_a_fault_quotes_of_a_document_stays_out_of_the_log(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    link = await sent(books)
    with capture_logs() as lines:
        await settling_with(Fails(link, breaks)).settle_due(5)
        await due_again(books)
        await settling_with(Tool(Found((None,)))).settle_due(5)  # type: ignore[arg-type]

    assert {line["error"] for line in lines if line["log_level"] == "error"} == {"KeyError", "AttributeError"}
    assert "Klaver" not in str(lines)


async def test_an_outage_has_a_day_to_end(books: Books, settling_with: Callable[..., Settler]) -> None:
    link = await sent(books)

    async def away() -> None:
        raise ToolUnavailable

    settler = settling_with(Fails(link, away))
    for _ in range(UNANSWERED * 2):
        await settler.settle_due(5)
        await due_again(books)
    assert (await books.link(link))["state"] == "intent"

    await books.db.run("UPDATE attempt SET started_at = now() - interval '25 hours' WHERE link_id = %s", link)
    await settler.settle_due(5)
    assert (await books.link(link))["state"] == "needs_person"


async def test_a_right_that_is_missing_for_one_kind_of_document_holds_up_no_other(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    sale, purchase, other_sale = [await sent(books, sequence) for sequence in range(3)]
    await books.db.run("UPDATE item SET component = 'purchase_invoices' WHERE link_id = %s", purchase)

    class Denied(Tool):
        async def resolve(self, attempts: Sequence[Attempt]) -> dict[int, Resolution]:
            if purchase in (attempt.link_id for attempt in attempts):
                raise AccessDenied("archive")
            return await super().resolve(attempts)

    tool = Denied(Absent())
    await settling_with(tool).settle_due(5)

    assert tool.asked == 1, "about both sales at once"
    assert [(await books.link(one))["state"] for one in (sale, purchase, other_sale)] == ["free", "intent", "free"]
    assert (await books.link(purchase))["settle_due"] > datetime.now(UTC), "it is asked about later"


async def test_a_tool_that_is_away_is_not_asked_again_for_each_attempt(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    links = [await sent(books, sequence) for sequence in range(5)]
    asked = []

    async def away() -> None:
        asked.append(1)
        raise ToolUnavailable

    await settling_with(Fails(links[0], away)).settle_due(5)

    assert len(asked) == 1
    assert {(await books.link(link))["state"] for link in links} == {"intent"}


async def test_an_update_of_which_nobody_can_say_whether_it_arrived_is_sent_again(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    (link,) = await books.links(state="booked", entry_id="e1", revision="rev1:old")
    await books.item(0, link_id=link, state="to_settle", generation=1)
    await books.intend(books.intent(link, op="update", expected="booked", booking=BOOKING, settle_seconds=-1))
    settler = settling_with(Fails(link, breaks))
    for _ in range(UNANSWERED):
        await settler.settle_due(5)
        await due_again(books)

    assert (await books.link(link))["state"] == "booked"
    assert (await books.item_row())["state"] == "planned"


async def test_runs_that_wait_for_a_number_or_for_another_runs_party_wait_no_longer_than_any_other(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    await start_series(books.connection, *books.key, 41)
    document = await sent(books, series=SERIES)
    party = await sent(books, 1, kind="party")
    for_number, for_party, for_neither = [await another_run(books, "parked") for _ in range(3)]
    await books.db.run("UPDATE run SET park_reason = 'series' WHERE id = %s", for_number)
    await books.db.run("UPDATE run SET park_reason = 'settling' WHERE id = ANY(%s)", [for_party, for_neither])
    identity = (await books.link(party))["identity"]
    await books.item(0, run_id=for_party, party_identity=identity, generation=1)
    await books.item(0, run_id=for_neither, party_identity="p1:another", generation=1)

    async def down() -> None:
        raise ToolUnavailable

    await settling_with(Fails(document, down)).settle_due(5)

    waited = [(await run_row(books, run))["parked_seconds"] for run in (for_number, for_party, for_neither)]
    assert waited == [60, 60, 0]


async def test_an_item_that_was_skipped_while_its_attempt_was_open_is_told_when_that_was_booked(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    """Its file was gone when the window was fetched once more, and that was told."""
    link = await sent(books)
    await books.db.run(
        """UPDATE item SET state = 'skipped', issues = '[{"code": "D21"}]', event = '{}', reported_at = now()
           WHERE run_id = %s""",
        books.run,
    )

    await settling_with(Tool(Found((Candidate("e1", number="1", certain=True),)))).settle_due(5)

    item = await books.item_row()
    assert (item["state"], item["issues"], item["booking_number"]) == ("synced", [], "1")
    assert (await told(books))["state"] == "synced"
    assert (await books.link(link))["state"] == "booked"


@pytest.mark.parametrize("resolution", [Absent(), Unknown()])
async def test_an_item_that_was_skipped_stays_so_when_nothing_was_booked(
    books: Books, settling_with: Callable[..., Settler], resolution: Resolution
) -> None:
    await sent(books)
    await books.db.run("UPDATE item SET state = 'skipped' WHERE run_id = %s", books.run)

    await settling_with(Tool(resolution)).settle_due(5)

    assert (await books.item_row())["state"] == "skipped"


@pytest.mark.parametrize(
    ("became", "state"),
    [("booked", "synced"), ("free", "not_tried"), ("needs_person", "needs_person"), ("accepted", "accepted")],
)
async def test_an_own_item_that_was_told_to_wait_after_settling_had_decided_is_final_too(
    books: Books, became: str, state: str
) -> None:
    (link,) = await books.links(state=became, run_id=books.run, sequence=0, attempt=1)
    await books.item(link_id=link, state="to_settle")
    await books.db.run("UPDATE run SET state = 'ended' WHERE id = %s", books.run)

    await wake_settled(books.db)

    assert (await books.item_row())["state"] == state


async def test_a_batch_that_was_not_answered_is_asked_about_in_one_call(
    books: Books, settling_with: Callable[..., Settler]
) -> None:
    """Calls may be few a day. What stands there is adopted, and what does not comes again."""
    links = [await sent(books, at, booking=booking_json(Booking({}, reference=f"N{at}"))) for at in range(50)]

    class Half(Tool):
        async def resolve(self, attempts: Sequence[Attempt]) -> dict[int, Resolution]:
            await super().resolve(attempts)
            return {
                one.link_id: Found((Candidate(f"e{one.link_id}", reference=one.booking.reference),))
                if one.link_id in links[:20]
                else Absent()
                for one in attempts
            }

    tool = Half(Absent(), settling=Settling.LOOK_UP)
    await settling_with(tool).settle_due(60)

    assert tool.asked == 1
    assert [(await books.link(one))["state"] for one in links] == ["booked"] * 20 + ["free"] * 30
    assert [(await books.item_row(at))["state"] for at in range(50)] == ["synced"] * 20 + ["planned"] * 30
