"""A lane on a real PostgreSQL: what it does with one item when the tool, a plugin or a person is in its way."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any, ClassVar

import pytest
from dagboek.booking_json import booking_json
from dagboek.connections import ConnectionProblem
from dagboek.logins import LoginProblem
from dagboek.permits import RowPermits
from dagboek.plugins import Plugins
from dagboek.push_record import start_series
from dagboek.status import run_status
from dagboek_schemas.documents import Document, Party
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import RunStatus
from dagboek_sdk import clock
from dagboek_sdk.attempt import Absent, Accepted, Attempt, Booked, Booking, Candidate, Found, Resolution
from dagboek_sdk.errors import NumberTaken, Throttled, ToolUnavailable, Trouble
from dagboek_sdk.limits import ALL, Budget, Limit, Window
from dagboek_sdk.samples import THEIRS, document, line
from dagboek_workers import trouble
from lane_books import LaneOf, Tool, again, event, planned, revision_of, snapshot
from push_books import SERIES, Books

N1 = document(line("100.00"), number="N1")
N2 = document(line("200.00"), number="N2")


class Lagging(Tool):
    """Books, loses the first answer, refuses a number that is taken; its readers see nothing for a while."""

    sees: Resolution = Absent()
    reference: str | None = None
    """Of the entry that takes number 1 in place of ours."""

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[tuple[int, str | None]] = []

    async def push(self, attempt: Attempt) -> Any:
        attempt.sent = True
        number = attempt.series_number or 0
        if number in dict(self.entries):
            attempt.verdict = NumberTaken(max(dict(self.entries)))
            raise attempt.verdict
        if not self.entries:
            self.entries.append((number, self.reference or attempt.booking.reference))
            raise ConnectionResetError
        self.entries.append((number, attempt.booking.reference))
        attempt.answer_ok = True
        return Booked(f"e{number}", str(number))

    async def resolve(self, attempts: Sequence[Attempt]) -> Mapping[int, Resolution]:
        return {attempt.link_id: self.sees for attempt in attempts}


async def test_a_number_that_a_repeat_finds_taken_is_not_given_up_while_readers_may_lag(
    books: Books, lane: LaneOf
) -> None:
    """Found out 0.2 s after the booking that Octopus may show only seconds later: a second number books it twice."""
    link = await planned(books, 0, N1)
    tool = Lagging()

    await lane(tool).work(event(books, 0))

    assert tool.entries == [(1, "N1")]
    row = await books.link(link)
    assert (row["state"], row["attempt"]) == ("intent", 1)
    assert (await books.item_row())["state"] == "to_settle"
    due = await books.db.one("SELECT settle_due > clock_timestamp() + '25 s' AS later FROM link WHERE id = %s", link)
    assert due == {"later": True}


async def test_a_number_that_another_entry_is_seen_to_have_is_given_up(books: Books, lane: LaneOf) -> None:
    await planned(books, 0, N1)
    tool = Lagging()
    tool.reference = "by hand"
    tool.sees = Found((Candidate("e1", number="1", reference="by hand"),))

    await lane(tool).work(event(books, 0))

    assert tool.entries == [(1, "by hand"), (2, "N1")]
    assert (await books.item_row())["booking_number"] == "2"


async def test_the_last_event_of_a_window_is_finished_when_its_result_is_delivered_and_not_before(
    books: Books, lane: LaneOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As every other: else it is acked while the brokers are away, and nobody has heard of it."""
    await planned(books, 0, N1)
    loop, withheld = lane(Tool()), list[Callable[[int, int], None]]()

    def send(_topic: object, _record: object, delivered: Callable[[int, int], None], _failed: object) -> None:
        withheld.append(delivered)

    monkeypatch.setattr(loop.publisher, "send", send)
    done = await loop.work(event(books, 0, end=True))
    assert (len(withheld), list(done)) == (1, [])

    withheld[0](0, 1)
    await asyncio.sleep(0.05)
    assert done == [0]


async def test_an_entry_under_our_number_that_bears_our_reference_is_a_persons_business(
    books: Books, lane: LaneOf
) -> None:
    """Whatever else is different in it: somebody may have corrected party, date and amount meanwhile."""
    await planned(books, 0, N1)
    tool = Lagging()
    changed = Candidate("e1", number="1", reference="N1", party_id="9", day=date(2019, 1, 1), gross=Decimal(7))
    tool.sees = Found((changed,))

    await lane(tool).work(event(books, 0))

    assert tool.entries == [(1, "N1")]
    item = await books.item_row()
    assert (item["state"], item["issues"][0]["code"]) == ("needs_person", "D14")


async def test_what_is_sent_again_by_a_person_goes_on_with_its_new_link(books: Books, lane: LaneOf) -> None:
    """The item was planned with the link of before; the documents behind it are not held up."""
    link, _ = await planned(books, 0, N1), await planned(books, 1, N2)
    await books.db.run("UPDATE link SET current = false WHERE id = %s", link)
    (fresh,) = await books.links(identity="d1:item0", incarnation=2)
    tool = Tool()

    await lane(tool).work(event(books, 0), event(books, 1))

    assert [attempt.link_id for attempt in tool.pushed] == [fresh, _]
    assert (await books.item_row(1))["state"] == "synced"


async def test_a_link_that_is_closed_while_its_item_is_at_work_is_read_again(books: Books, lane: LaneOf) -> None:
    link = await planned(books, 0, N1)

    class Meanwhile(Tool):
        async def prepare(self) -> None:
            if (await books.link(link))["current"]:
                await books.db.run("UPDATE link SET current = false WHERE id = %s", link)
                await books.links(identity="d1:item0", incarnation=2)

    tool = Meanwhile()
    await lane(tool).work(event(books, 0))

    assert [attempt.link_id for attempt in tool.pushed] == [link + 1]


async def test_a_repeat_records_what_it_sent_and_not_what_the_source_says_now(books: Books, lane: LaneOf) -> None:
    """Else the correction that was made meanwhile is neither booked nor reported, ever."""
    link = await planned(books, 0, N1)
    tool = Tool()
    loop = lane(tool)
    await start_series(books.connection, *books.key, 0)
    before = booking_json(tool.map_document(N1))
    await books.intend(books.intent(link, booking=before, revision=revision_of(N1), series=SERIES, party_entry="7"))
    # the worker died; the run comes again, and its window is fetched anew
    corrected = N1.model_copy(update={"order_reference": "corrected"})
    await snapshot(books, 0, corrected)
    await again(books, 2)

    await loop.work(event(books, 0, generation=2))

    [attempt] = tool.pushed
    assert (attempt.booking.payload["order"], attempt.party_entry) == (None, "7")
    row = await books.link(link)
    assert (row["state"], row["revision"]) == ("booked", revision_of(N1))


@pytest.mark.parametrize(
    ("result", "number", "url"),
    [
        (Booked("e1", 7), "7", None),  # type: ignore[arg-type]
        (Booked("e1", "7\ud800"), "7?", None),
        (Booked("e\x001", "7", url="http://x/\x00"), "7", "http://x/ "),
        (Booked("e1", "7", details={"x": {1, 2}, 3: object()}), "7", None),  # type: ignore[dict-item]
        (Booked("e1", "7", remarks=("a text",)), "7", None),  # type: ignore[arg-type]
        (Booked("e" * 9000, "7"), "7", None),
    ],
)
async def test_what_is_booked_is_told_as_booked_whatever_the_plugin_says_beside_it(
    books: Books, lane: LaneOf, result: Booked, number: str, url: str | None
) -> None:
    link = await planned(books, 0, N1)

    class Careless(Tool):
        async def push(self, attempt: Attempt) -> Any:
            attempt.sent = attempt.answer_ok = True
            return result

    loop = lane(Careless())
    done = await loop.work(event(books, 0))

    row = await books.link(link)
    assert (row["state"], row["entry_number"], row["entry_url"]) == ("booked", number, url)
    assert (await books.item_row())["state"] == "synced"
    assert loop.publisher.types() == ["dagboek.document.booked.v1"]
    assert done == [0]


async def test_what_is_said_of_something_accepted_is_told_with_it(books: Books, lane: LaneOf) -> None:
    link = await planned(books, 0, N1)
    remark = Issue(code="D24", severity=Severity.INFORMATION, facts={"file": "hours.csv"})

    class Later(Tool):
        async def push(self, attempt: Attempt) -> Any:
            attempt.sent = attempt.answer_ok = True
            return Accepted("t1", (remark, "a text"))  # type: ignore[arg-type]

    await lane(Later()).work(event(books, 0))

    row, item = await books.link(link), await books.item_row()
    assert (row["state"], row["accepted_token"], item["state"]) == ("accepted", "t1", "accepted")
    assert [one["code"] for one in item["issues"]] == ["D24"]


@pytest.mark.parametrize(("sent", "codes"), [(N1, []), (N2, ["D44"])], ids=["as it was sent", "changed since"])
async def test_what_is_accepted_and_has_changed_since_says_so(
    books: Books, lane: LaneOf, sent: Document, codes: list[str]
) -> None:
    await planned(books, 0, N1, state="accepted", accepted_token="t1", revision=revision_of(sent))

    await lane(Tool()).work(event(books, 0))

    item = await books.item_row()
    assert (item["state"], [one["code"] for one in item["issues"]]) == ("accepted", codes)


async def test_remarks_of_a_mapping_that_are_none_are_left_out(books: Books, lane: LaneOf) -> None:
    await planned(books, 0, N1)

    class Careless(Tool):
        def map_document(self, document: Document, *more: Any) -> Any:
            made = super().map_document(document, *more)
            return Booking(made.payload, series=made.series, reference=made.reference, remarks=("a text",))  # type: ignore[arg-type]

    await lane(Careless()).work(event(books, 0))

    item = await books.item_row()
    assert (item["state"], item["issues"]) == ("synced", [])


@pytest.mark.parametrize("garbage", [None, 7, {}, "booking"])
async def test_what_is_no_booking_is_skipped_and_the_next_goes_on(books: Books, lane: LaneOf, garbage: Any) -> None:
    await planned(books, 0, N1)
    await planned(books, 1, N2)

    class Careless(Tool):
        def map_document(self, document: Document, *more: Any) -> Any:
            return garbage if document.number == "N1" else super().map_document(document, *more)

    await lane(Careless()).work(event(books, 0), event(books, 1))

    item = await books.item_row(0)
    assert (item["state"], item["issues"][0]["code"]) == ("skipped", "D13")
    assert (await books.item_row(1))["state"] == "synced"


class Busy(Tool):
    """Says for a while that it must not be asked now."""

    times: ClassVar[int] = 2

    def __init__(self, seconds: float = 0.05) -> None:
        super().__init__()
        self.seconds = seconds
        self.asked = 0

    async def prepare(self) -> None:
        self.asked += 1
        if self.asked <= self.times:
            raise Throttled(datetime.now(UTC) + timedelta(seconds=self.seconds))


async def test_a_short_wait_before_anything_is_sent_is_waited_out_in_place(books: Books, lane: LaneOf) -> None:
    await planned(books, 0, N1)
    tool = Busy()

    await lane(tool).work(event(books, 0))

    assert (await books.item_row())["state"] == "synced"
    assert tool.asked == 3


async def test_short_waits_without_end_count_as_trouble(books: Books, lane: LaneOf) -> None:
    """Not a circle of generations that nobody sees."""
    await planned(books, 0, N1)
    tool = Busy()
    tool.times = 99  # type: ignore[misc]

    await lane(tool).work(event(books, 0))

    assert tool.asked == trouble.TRIES
    run = await books.db.one("SELECT state, park_reason, parked_seconds FROM run WHERE id = %s", books.run)
    assert run is not None
    assert (run["state"], run["park_reason"]) == ("parked", "limit")
    assert run["parked_seconds"] == pytest.approx(trouble.SHORT, abs=1)


async def test_a_limit_that_is_reset_each_minute_is_no_trouble_while_documents_go_through(
    books: Books, lane: LaneOf
) -> None:
    """Else a run of many documents would end as Error after some hours of a minute each."""
    await planned(books, 0, N1)
    await planned(books, 1, N2)

    class Limited(Tool):
        left = 1

        async def prepare(self) -> None:
            if not self.left:
                raise Throttled(datetime.now(UTC) + timedelta(seconds=30))
            self.left -= 1

    at_work = lane(Limited())
    await at_work.work(event(books, 0))
    await at_work.work(event(books, 1))

    assert (await books.item_row())["state"] == "synced"
    run = await books.db.one("SELECT park_reason, parked_seconds FROM run WHERE id = %s", books.run)
    assert run == {"park_reason": "limit", "parked_seconds": 0}


async def test_too_many_refusals_are_waited_out_as_such(books: Books, lane: LaneOf) -> None:
    """Before the tool blocks the connection: in progress, with the time that it goes on."""
    await planned(books, 0, N1)
    limit = Limit(f"tool:{books.administration}", ALL, 10, Window.HOUR, reserve=2, errors=True)
    permits = RowPermits(books.db, [limit])
    for _ in range(8):
        await permits.failed("bookings")

    class Limited(Tool):
        def operation_group(self, attempt: Attempt) -> str:
            return "bookings"

    tool = Limited()
    tool.link = SimpleNamespace(permits=permits)
    await lane(tool).work(event(books, 0))

    assert tool.pushed == []
    run = await books.db.one("SELECT * FROM run WHERE id = %s", books.run)
    assert run is not None
    assert (run["park_issue"]["code"], run["park_issue"]["facts"]["errors"]) == ("B15", "8")
    assert run["parked_seconds"] == 0
    assert timedelta(minutes=55) < run["parked_until"] - datetime.now(UTC) <= timedelta(minutes=61)
    assert run_status({**run, "started_at": run["parked_until"]}) is RunStatus.IN_PROGRESS


async def test_nothing_is_sent_without_a_permit(books: Books, lane: LaneOf) -> None:
    await planned(books, 0, N1)
    takes: list[str] = []

    class Spent:
        async def take(self, group: str, *, settling: bool = False) -> None:
            takes.append(group)
            raise Throttled(datetime.now(UTC) + timedelta(milliseconds=5))

    class Limited(Tool):
        def operation_group(self, attempt: Attempt) -> str:
            return "bookings"

    tool = Limited()
    tool.link = SimpleNamespace(permits=Spent())
    await lane(tool).work(event(books, 0))

    assert tool.pushed == []
    assert len(takes) >= trouble.TRIES
    assert (await books.item_row())["state"] == "planned"


@pytest.mark.parametrize("hours", [5, -5])
async def test_a_limit_is_waited_out_by_the_clock_that_its_end_is_of(
    books: Books, lane: LaneOf, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """The database's: that of a worker may be wrong."""
    await planned(books, 0, N1)
    limit = Limit(f"tool:{books.administration}", "bookings", 1, Window.DAY)
    permits = RowPermits(books.db, [limit])
    await permits.correct("bookings", [Budget(Window.DAY, 0, seconds=600)])

    class Limited(Tool):
        def operation_group(self, attempt: Attempt) -> str:
            return "bookings"

    tool = Limited()
    tool.link = SimpleNamespace(permits=permits)
    real = clock.now
    monkeypatch.setattr(clock, "now", lambda: real() + timedelta(hours=hours))
    await lane(tool).work(event(books, 0))

    run = await books.db.one(
        "SELECT extract(epoch FROM parked_until - now())::float8 AS wait, parked_seconds FROM run WHERE id = %s",
        books.run,
    )
    assert run is not None
    assert run["wait"] == pytest.approx(600, abs=60)
    assert run["parked_seconds"] == 0, "it was taken for trouble without a known end"


async def test_a_run_that_waits_for_the_tool_says_why(books: Books, lane: LaneOf) -> None:
    await planned(books, 0, N1)

    class Away(Tool):
        async def prepare(self) -> None:
            raise ToolUnavailable("127.0.0.1:1 cannot be reached", trouble=Trouble.REFUSED)

    await lane(Away()).work(event(books, 0))

    run = await books.db.one("SELECT park_reason, park_issue FROM run WHERE id = %s", books.run)
    assert run is not None
    issue = Issue.model_validate(run["park_issue"])
    assert (run["park_reason"], issue.code) == ("tool_unavailable", "B06")
    assert "127.0.0.1" not in str(run["park_issue"])
    shown = {language: Plugins(entry_points=False).catalogue.text(issue, language).cause for language in ("nl", "fr")}
    assert shown == {
        "nl": "X is niet te bereiken: het neemt geen verbindingen aan.",
        "fr": "X est injoignable : il n'accepte pas de connexions.",
    }


async def test_a_spent_limit_of_reading_parties_stops_only_new_parties(books: Books, lane: LaneOf) -> None:
    await planned(books, 0, Party(name="New"))
    await planned(books, 1, N1)

    class Spent(Tool):
        async def match_parties(self, parties: Mapping[str, Party]) -> Mapping[str, Sequence[Candidate]]:
            raise Throttled(datetime.now(UTC) + timedelta(hours=10), group="relations")

    loop = lane(Spent())
    await loop.work(event(books, 0, party=True), event(books, 1))

    item = await books.item_row(0)
    assert (item["state"], item["issues"][0]["code"]) == ("not_ready", "B05")
    assert (await books.item_row(1))["state"] == "synced"


async def test_a_spent_limit_of_all_calls_lets_the_run_wait_and_calls_nothing_done(books: Books, lane: LaneOf) -> None:
    """Told as not ready, a run would end well with nothing booked."""
    await planned(books, 0, Party(name="New"))

    class Spent(Tool):
        async def match_parties(self, parties: Mapping[str, Party]) -> Mapping[str, Sequence[Candidate]]:
            raise Throttled(datetime.now(UTC) + timedelta(hours=10))

    await lane(Spent()).work(event(books, 0, party=True))

    assert (await books.item_row(0))["state"] == "planned"
    run = await books.db.one("SELECT state, park_reason, parked_seconds FROM run WHERE id = %s", books.run)
    assert run == {"state": "parked", "park_reason": "limit", "parked_seconds": 0}


@pytest.mark.parametrize(("cause", "broken"), [(LoginProblem("wrong"), True), (TypeError("a bug"), False)])
async def test_only_settings_that_do_not_fit_break_a_login(
    books: Books, lane: LaneOf, cause: Exception, broken: bool
) -> None:
    """A bad deploy must not ask every tenant to connect again."""
    await planned(books, 0, N1)
    problem = ConnectionProblem("cannot be opened")
    problem.__cause__ = cause

    await lane(problem).work(event(books, 0))

    row = await books.db.one(
        """SELECT l.broken_since IS NOT NULL AS broken, r.state FROM run r JOIN connection c ON c.id = r.connection_id
           JOIN login l ON l.id = c.login_id WHERE r.id = %s""",
        books.run,
    )
    assert row == {"broken": broken, "state": "ended" if broken else "parked"}


async def test_an_entry_that_another_document_has_is_told_as_a_persons_business(books: Books, lane: LaneOf) -> None:
    await books.links(identity="d1:other", state="booked", entry_id="e1", entry_number="1")
    link = await planned(books, 0, N1)
    loop = lane(Tool())

    await loop.work(event(books, 0))

    assert (await books.link(link))["state"] == "needs_person"
    item = await books.item_row()
    assert (item["state"], item["issues"][0]["code"], item["event"]) == ("needs_person", "D11", None)
    assert loop.publisher.types() == []  # the sweeper tells it


async def test_a_party_is_booked_with_its_own_kind(books: Books, lane: LaneOf) -> None:
    link = await planned(books, 0, THEIRS)
    loop = lane(Tool())

    await loop.work(event(books, 0, party=True))

    assert (await books.link(link))["roles"] == ["customers"]
    assert loop.publisher.types() == ["dagboek.party.synced.v1"]


async def test_what_was_left_in_a_window_comes_before_the_windows_after_it(books: Books, lane: LaneOf) -> None:
    """Settling was faster than the next window: nothing of the run waits for it any more, but what it held up does."""
    for sequence in range(4):
        await planned(books, sequence, document(number=f"F{sequence}"))
    await books.db.run("UPDATE item SET window_no = 2 WHERE sequence > 1")
    await books.db.run("UPDATE run SET window_no = 2, admitted_no = 2")
    await books.db.run("UPDATE item SET state = 'synced', outcome_at = now() WHERE sequence = 0")
    loop = lane(tool := Tool())

    done = await loop.work(event(books, 2, window=2), event(books, 3, window=2, end=True))

    assert (done, tool.pushed) == ([2, 3], [])
    run = await books.db.one("SELECT state, generation FROM run WHERE id = %s", books.run)
    assert run == {"state": "active", "generation": 2}
    await again(books, 2)
    await loop.work(*(event(books, at, generation=2) for at in (1, 2, 3)))
    assert [attempt.booking.reference for attempt in tool.pushed] == ["F1", "F2", "F3"]


async def test_what_follows_a_document_whose_party_comes_again_does_not_overtake_it(books: Books, lane: LaneOf) -> None:
    """Settling found that the party does not stand there, and put it back, after its window was on the log."""
    party = await planned(books, 0, THEIRS)
    await books.db.run("UPDATE item SET window_no = 2 WHERE sequence = 0")
    await books.db.run("UPDATE run SET window_no = 2, admitted_no = 2")
    (known,) = await books.links(identity="p1:known", kind="party", state="booked", entry_id="r2")
    for sequence, of in ((1, "p1:item0"), (2, "p1:known")):
        await planned(books, sequence, document(number=f"F{sequence}"))
        await books.db.run("UPDATE item SET party_identity = %s WHERE sequence = %s", of, sequence)
    loop = lane(tool := Tool(parties_inside_documents=False))

    done = await loop.work(event(books, 1), event(books, 2, end=True), event(books, 2, end=True))

    assert (done, tool.pushed) == ([1, 2, 2], []), "not even where its event comes again, and the window is read anew"
    await again(books, 2)
    await loop.work(*(event(books, at, generation=2, party=at == 0) for at in range(3)))
    assert next(attempt.link_id for attempt in tool.pushed) == party
    assert [attempt.booking.reference for attempt in tool.pushed][1:] == ["F1", "F2"]
    assert known not in {attempt.link_id for attempt in tool.pushed}


async def test_a_document_does_not_wait_for_its_party_to_come_later_in_another_role(books: Books, lane: LaneOf) -> None:
    """Refused as a customer, and a supplier in the same run, after the sales: the run would begin anew for ever."""
    await planned(books, 0, document(number="F0"))
    await planned(books, 1, THEIRS)
    await books.db.run("UPDATE item SET party_identity = 'p1:item1' WHERE sequence = 0")
    await books.db.run("UPDATE item SET component = 'suppliers' WHERE sequence = 1")
    loop = lane(tool := Tool(parties_inside_documents=False))

    await loop.work(event(books, 0), event(books, 1, party=True))

    item = await books.item_row(0)
    assert (item["state"], item["issues"][0]["code"]) == ("skipped", "D08")
    assert [attempt.kind for attempt in tool.pushed] == ["party"]
