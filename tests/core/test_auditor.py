"""The job that audits, on a real PostgreSQL, with a tool that says what a test tells it to."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import date, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from dagboek import connections
from dagboek.audit import records
from dagboek.audit.auditor import Auditor
from dagboek.audit.records import AlreadyAuditing, AuditRow, Estimate, FindingRow
from dagboek.booking_json import booking_json
from dagboek.notices import bell, telling
from dagboek.push_record import Outcome
from dagboek.speech import Speech
from dagboek.web.rights import Role
from dagboek.web.signin import people
from dagboek_schemas.issues import Issue
from dagboek_sdk import clock
from dagboek_sdk.accounting import EntriesPage, Period
from dagboek_sdk.attempt import Booking, Candidate
from dagboek_sdk.errors import AccessDenied, Throttled, ToolUnavailable, Trouble
from dagboek_sdk.limits import NoLimits
from push_books import Books

FEBRUARY = Period(date(2026, 2, 1), date(2026, 2, 28))
Part = EntriesPage | Exception | Callable[[], Awaitable[EntriesPage]]


class Tool:
    """Gives its parts one after another, by their cursor; one that is an error is raised, once."""

    def __init__(self, *parts: Part, hides: bool = False, elsewhere: tuple[Candidate, ...] = ()) -> None:
        self.about = SimpleNamespace(title="X", reads_periods=True)
        self.parts = dict(enumerate(parts))
        self.hides = hides
        self.elsewhere = elsewhere
        self.client = SimpleNamespace(permits=NoLimits())
        self.asked: list[str | None] = []

    async def entries_of(self, period: Period, cursor: str | None) -> EntriesPage:
        assert period == FEBRUARY
        self.asked.append(cursor)
        await self.client.permits.take("*")
        part = self.parts[int(cursor or 0)]
        if isinstance(part, Exception):
            self.parts[int(cursor or 0)] = EntriesPage(())
            raise part
        return part if isinstance(part, EntriesPage) else await part()

    async def entries_with(self, entry_ids: list[str]) -> tuple[Candidate, ...]:
        return tuple(one for one in self.elsewhere if one.entry_id in entry_ids)

    def may_hide(self, booking: Booking) -> bool:
        return self.hides and booking.payload == {"paid": "by card"}

    async def close(self) -> None:
        return


Audited = Callable[..., Auditor]


@pytest.fixture
def auditor(books: Books, monkeypatch: pytest.MonkeyPatch) -> Audited:
    """An auditor whose tool is the given one."""

    def make(tool: Tool) -> Auditor:
        async def open_tool(*_: Any) -> Tool:
            return tool

        monkeypatch.setattr(connections, "open_tool", open_tool)
        return Auditor(books.db, SimpleNamespace(tool=lambda _: tool), None)  # type: ignore[arg-type]

    return make


async def booked(books: Books, number: str) -> None:
    """A sale that we booked under the entry `e NUMBER`."""
    row = {"number": number, "identity": f"d1:{number}", "run": books.run}
    await books.db.run(
        """WITH s AS (INSERT INTO source (tenant_id, plugin, name) SELECT tenant_id, 'x', %(number)s FROM run
                      WHERE id = %(run)s RETURNING id)
           INSERT INTO document (tenant_id, identity, entity_id, direction, kind, number, issue_date, currency, gross,
                                 party_identity, party_name, source_id, origin_id, revision)
           SELECT r.tenant_id, %(identity)s, r.entity_id, 'sales', 'invoice', %(number)s, '2026-02-03', 'EUR', 121,
                  'p1:k', 'Klant', s.id, %(number)s, 'rev1:a' FROM run r, s WHERE r.id = %(run)s""",
        row,
    )
    (link,) = await books.links(identity=row["identity"])
    sent = Booking({"paid": "by card"}, reference=number, day=date(2026, 2, 3), gross=Decimal(121), currency="EUR")
    await books.intend(books.intent(link, booking=booking_json(sent)))
    await books.came(link, Outcome.BOOKED, entry_id=f"e {number}", entry_number=number)


def entry(number: str, **more: Any) -> Candidate:
    given = {"number": number, "reference": number, "day": date(2026, 2, 3), "gross": Decimal(121), "currency": "EUR"}
    return Candidate(f"e {number}", **{**given, **more})


async def asked(books: Books, person: UUID | None = None) -> UUID:
    row = await books.db.one("SELECT connection_id FROM run WHERE id = %s", books.run)
    assert row is not None
    found = await connections.find(books.db, row["connection_id"])
    return await records.request(books.db, found, FEBRUARY, "anna", Estimate(2, 1, ()), person_id=person)


async def looked_at(books: Books, audit: UUID) -> tuple[AuditRow, list[FindingRow]]:
    return await records.one(books.db, books.tenant, audit), await records.findings(books.db, audit, limit=100)


async def due(books: Books, audit: UUID) -> None:
    await books.db.run("UPDATE audit SET due_at = now() WHERE id = %s", audit)


async def test_a_limit_parks_it_and_it_goes_on_with_the_next_part(books: Books, auditor: Audited) -> None:
    await booked(books, "1")
    await booked(books, "2")
    limit = Throttled(clock.now() + timedelta(hours=5))
    first = EntriesPage((entry("1"),), "1", (Issue(code="Y46"),))
    tool = Tool(first, limit)
    job, audit = auditor(tool), await asked(books)

    await job.audit_due(30)

    waits, found = await looked_at(books, audit)
    assert (waits.state, waits.entries, waits.calls, found) == ("waiting", 1, 2, [])
    assert waits.goes_on_at is not None
    assert timedelta(hours=4) < waits.goes_on_at - clock.now() < timedelta(hours=6)
    assert waits.issue is not None
    assert waits.issue.code == "B05"
    assert await job.audit_due(30) == 0, "not before its time"

    tool.parts[1] = EntriesPage((entry("2", gross=Decimal(100)),))
    await due(books, audit)
    await auditor(tool).audit_due(30)  # as another process

    done, found = await looked_at(books, audit)
    assert (done.state, done.requested_by, done.issue, done.calls) == ("done", "anna", None, 3)
    assert [one.code for one in done.remarks] == ["Y46"]
    assert [(one.kind, one.document_number, one.difference) for one in found] == [
        ("differs", "2", Decimal(-21)),
        ("found", "1", Decimal(0)),
    ]
    assert tool.asked == [None, "1", "1"], "what was read is not read again"
    assert await books.db.all("SELECT 1 AS one FROM audit_entry WHERE audit_id = %s", audit) == []


async def test_two_cores_make_one_audit_and_who_lost_it_stores_nothing(books: Books, auditor: Audited) -> None:
    """The first one is frozen in a call until another has taken its audit up and ended it."""
    await booked(books, "1")
    frozen, goes_on = asyncio.Event(), asyncio.Event()

    async def late() -> EntriesPage:
        frozen.set()
        await goes_on.wait()
        return EntriesPage((entry("1"), entry("9")))

    audit = await asked(books)
    one = auditor(Tool(late))
    await one.audit_due(0.01)
    await frozen.wait()
    assert await auditor(Tool(EntriesPage((entry("9"),)))).audit_due(30) == 0, "it is under way"
    await due(books, audit)
    await auditor(Tool(EntriesPage((entry("1"),)))).audit_due(30)
    goes_on.set()
    await asyncio.wait(one._busy.values(), timeout=30)

    done, found = await looked_at(books, audit)
    assert (done.state, done.entries) == ("done", 1)
    assert [one.kind for one in found] == ["found"]


async def test_one_at_a_time_and_a_cancelled_one_stores_nothing_more(books: Books, auditor: Audited) -> None:
    audit = await asked(books)
    with pytest.raises(AlreadyAuditing) as other:
        await asked(books)
    assert other.value.audit_id == audit

    async def cancelled() -> EntriesPage:
        assert await records.cancel(books.db, books.tenant, audit)
        return EntriesPage((entry("1"),))

    await auditor(Tool(cancelled)).audit_due(30)

    ended, found = await looked_at(books, audit)
    assert (ended.state, ended.entries, found) == ("cancelled", 0, [])
    assert await asked(books) != audit, "the next one may begin"
    await books.db.run("UPDATE audit SET state = 'cancelled', finished_at = now() WHERE state = 'requested'")


async def test_what_may_stand_where_nobody_looks_is_not_called_missing(books: Books, auditor: Audited) -> None:
    await booked(books, "1")
    audit = await asked(books)
    await auditor(Tool(EntriesPage(()), hides=True)).audit_due(30)
    assert [one.kind for one in (await looked_at(books, audit))[1]] == ["untold"]

    audit = await asked(books)
    await auditor(Tool(EntriesPage(()))).audit_due(30)
    assert [one.kind for one in (await looked_at(books, audit))[1]] == ["missing"]


async def test_what_was_moved_out_of_the_period_is_asked_for(books: Books, auditor: Audited) -> None:
    await booked(books, "1")
    audit = await asked(books)
    await auditor(Tool(EntriesPage(()), elsewhere=(entry("1", day=date(2024, 7, 1)),))).audit_due(30)
    (found,) = (await looked_at(books, audit))[1]
    assert (found.kind, found.differences, found.entry_day) == ("differs", ("date",), date(2024, 7, 1))


async def test_a_tool_that_stays_away_is_given_up_after_two_hours(books: Books, auditor: Audited) -> None:
    audit = await asked(books)
    for waited, state in ((0, "waiting"), (7200, "failed")):
        await books.db.run("UPDATE audit SET waited_seconds = %s, due_at = now() WHERE id = %s", waited, audit)
        await auditor(Tool(ToolUnavailable(trouble=Trouble.REFUSED))).audit_due(30)
        found, _ = await looked_at(books, audit)
        assert found.state == state
        assert found.issue is not None
        assert (found.issue.code, found.issue.facts["trouble"]) == ("B06", "refused")


@pytest.mark.parametrize(
    ("trouble", "code"), [(AccessDenied("salesentry/SalesEntries"), "B07"), (ZeroDivisionError("a bug"), "D13")]
)
async def test_why_it_failed_is_told(books: Books, auditor: Audited, trouble: Exception, code: str) -> None:
    audit = await asked(books)
    await auditor(Tool(EntriesPage((entry("1"),), "1"), trouble)).audit_due(30)
    failed, found = await looked_at(books, audit)
    assert (failed.state, found) == ("failed", [])
    assert failed.issue is not None
    assert failed.issue.code == code
    assert await books.db.all("SELECT 1 AS one FROM audit_entry WHERE audit_id = %s", audit) == []


async def test_who_asked_for_it_finds_its_end_in_the_bell(books: Books, auditor: Audited) -> None:
    anna, bert = [await people.ensure_person(books.db, f"{uuid4().hex}@example.com") for _ in range(2)]
    for person in (anna, bert):
        await people.set_role(books.db, books.tenant, person.id, Role.ADMIN)
    speech = Speech("en", ZoneInfo("Europe/Brussels"))
    await booked(books, "1")

    audit = await asked(books, anna.id)
    assert await bell.standing(books.db, anna.id) == bell.Standing(0, waits=True)
    await auditor(Tool(EntriesPage((entry("1"), entry("2"))))).audit_due(30)
    assert await bell.standing(books.db, anna.id) == bell.Standing(1, waits=False)

    failed = await asked(books, anna.id)
    await auditor(Tool(AccessDenied("books"))).audit_due(30)

    of_failed, of_done = [telling.told(one, speech, str) for one in await bell.page(books.db, anna.id, limit=9)]
    assert (of_done.title, of_done.status, of_done.address) == (
        "The audit of E is done", "Warning", f"/audits/{audit}"
    )  # fmt: skip
    assert of_done.summary == "x · 1 Feb 2026 to 28 Feb 2026 · 1 to look at"
    assert (of_failed.title, of_failed.status, of_failed.address) == (
        "The audit of E failed", "Error", f"/audits/{failed}"
    )  # fmt: skip
    assert await bell.page(books.db, bert.id, limit=9) == [], "nobody else"
    assert await books.db.all("SELECT 1 AS one FROM email WHERE person_id = %s", anna.id) == [], "and no mail"
