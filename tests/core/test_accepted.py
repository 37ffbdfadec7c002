"""What a tool accepts and books later, on a real PostgreSQL, with a tool that says what a test tells it to."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import orjson
import pytest
from dagboek import connections
from dagboek.accepted import ASKED_FOR, Poller, poll_soon
from dagboek.booking_json import booking_json
from dagboek.catalogue import LANGUAGES
from dagboek.database import Database
from dagboek.documents import Standing, documents
from dagboek.history import run_details
from dagboek.plugins import Plugins
from dagboek.push_record import Outcome, late_outcome
from dagboek.resolve import mark_as_booked, send_again
from dagboek.retention import drop_old
from dagboek.runs import finish_run
from dagboek.status import run_status
from dagboek.sweeper import write_events
from dagboek_schemas.events import MODELS
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import RunStatus
from dagboek_sdk.accounting import About
from dagboek_sdk.attempt import Booked, Booking
from dagboek_sdk.errors import LoginBroken, NotReady, Refused, Throttled, ToolError, ToolUnavailable
from dagboek_sdk.settings import ConnectionSettings
from push_books import Books, new_books

BOOKING = booking_json(Booking({}, reference="2026/1"))
DAYS = 5
Said = Mapping[str, Booked | ToolError]


class Tool:
    """Says what became of what it accepted."""

    about = About("x", "X", frozenset(), (), ConnectionSettings, poll_seconds=60.0, accepted_days=DAYS)
    resolve_deadline = 5.0

    def __init__(self) -> None:
        self.said: Said | Exception = {}
        self.asked: list[Sequence[str]] = []
        self.lasts = 0.0

    async def poll(self, tokens: Sequence[str]) -> Said:
        self.asked.append(list(tokens))
        await asyncio.sleep(self.lasts)
        if isinstance(self.said, Exception):
            raise self.said
        return self.said

    async def close(self) -> None:
        return


@pytest.fixture
async def books(database: Database) -> AsyncIterator[Books]:
    await database.run("UPDATE link SET accepted_token = NULL")  # of the test before
    async with new_books(database) as made:
        yield made


@pytest.fixture
def tool(monkeypatch: pytest.MonkeyPatch) -> Tool:
    made = Tool()

    async def open_tool(*_: Any) -> Any:
        return made

    monkeypatch.setattr(connections, "open_tool", open_tool)
    return made


@pytest.fixture
def poller(books: Books, tool: Tool) -> Poller:
    return make_poller(books)


def make_poller(books: Books) -> Poller:
    named = SimpleNamespace(tools={"x": Tool}, releases=lambda _: "1")
    return Poller(books.db, named, None)  # type: ignore[arg-type]  # only what is replaced looks at more


async def accepted(books: Books, sequence: int = 0, days: float = 0.1) -> int:
    """A document that the tool accepted days ago, as its item says."""
    (link,) = await books.links()
    await books.item(
        sequence,
        identity=f"d1:{link}",
        link_id=link,
        state="accepted",
        outcome_at="2026-01-01",
        reported_at="2026-01-01",
    )
    await books.intend(books.intent(link, sequence=sequence, booking=BOOKING))
    await books.came(link, Outcome.ACCEPTED, accepted_token=f"t{link}")
    await pass_time(books, days)
    return link


async def pass_time(books: Books, days: float = 0.1) -> None:
    for table, column in (("link", "updated_at"), ("attempt", "started_at"), ("administration", "polled_at")):
        await books.db.run(f"UPDATE {table} SET {column} = {column} - make_interval(secs => %s)", days * 86400)


async def told(books: Books, sequence: int = 0) -> dict[str, Any]:
    """The event of the item, as the sweeper is about to deliver it."""
    await write_events(books.db)
    item = await books.item_row(sequence)
    assert item["reported_at"] is None
    event: dict[str, Any] = orjson.loads(item["event"])
    return event


async def test_what_is_booked_later_is_told_as_the_next_outcome_of_its_item(
    books: Books, tool: Tool, poller: Poller
) -> None:
    link = await accepted(books)
    before = (await books.link(link))["link_version"]
    tool.said = {f"t{link}": Booked("e1", "2026/7", "https://tool/e1", {"batch": 3})}

    assert await poller.poll_due(10) == 1

    row, item = await books.link(link), await books.item_row()
    assert (row["state"], row["entry_id"], row["entry_number"], row["entry_url"]) == (
        "booked",
        "e1",
        "2026/7",
        "https://tool/e1",
    )
    assert (row["accepted_token"], row["revision"], row["entry_details"]) == (None, "rev1:a", {"batch": 3})
    assert (item["state"], item["booking_number"], item["entry_id"]) == ("synced", "2026/7", "e1")
    event = await told(books)
    assert (event["state"], event["booking_number"], event["link_version"]) == ("synced", "2026/7", row["link_version"])
    assert row["link_version"] > before, "a consumer keeps the highest"
    assert "dagboek.document.booked.v1" in MODELS


async def test_what_was_accepted_before_a_later_attempt_stands_as_it_was_sent_then(
    books: Books, tool: Tool, poller: Poller
) -> None:
    """A worker froze before it could tell; the document was changed, sent again and refused. The change is not lost."""
    (link,) = await books.links()
    await books.intend(books.intent(link, booking=BOOKING))
    await books.came(link, Outcome.ABSENT)
    await books.intend(books.intent(link, seen=1, booking=BOOKING, revision="rev1:b"))
    await books.came(link, Outcome.REFUSED, 2, revision="rev1:b")
    (late,) = (await books.came(link, Outcome.ACCEPTED, 1, accepted_token="t")).late
    await late_outcome(books.connection, late, b"{}")
    await pass_time(books)

    tool.said = {"t": Booked("e1", "1")}
    assert await poller.poll_due(10) == 1

    row = await books.link(link)
    assert (row["state"], row["entry_id"], row["revision"]) == ("booked", "e1", "rev1:a")


async def test_all_of_an_administration_are_asked_for_in_one_call_and_no_more_often_than_the_plugin_says(
    books: Books, tool: Tool, poller: Poller
) -> None:
    links = [await accepted(books, place) for place in range(25)]
    await poller.poll_due(10)
    assert tool.asked == [[f"t{link}" for link in links]]
    await poller.poll_due(10)
    await make_poller(books).poll_due(10)  # another core, or the next one
    assert len(tool.asked) == 1, "none is booked yet, and an hour has not passed"
    await pass_time(books)
    await poller.poll_due(10)
    assert len(tool.asked) == 2


async def test_what_was_accepted_just_now_is_left_alone_for_a_while(books: Books, tool: Tool, poller: Poller) -> None:
    await accepted(books, days=0)
    assert await poller.poll_due(10) == 0
    assert tool.asked == []


async def test_what_was_accepted_just_now_can_be_asked_for_at_once(books: Books, tool: Tool, poller: Poller) -> None:
    link = await accepted(books, days=0)
    administration = (await books.link(link))["administration_id"]
    assert await poller.poll_due(10) == 0
    await poll_soon(books.db, [administration])
    assert (await poller.poll_due(10), tool.asked) == (1, [[f"t{link}"]])
    assert await poller.poll_due(10) == 0, "once"


async def test_two_cores_ask_once(books: Books, tool: Tool) -> None:
    await accepted(books)
    tool.lasts = 0.5
    await asyncio.gather(*(make_poller(books).poll_due(10) for _ in range(5)))
    assert len(tool.asked) == 1


async def test_a_kill_between_answer_and_commit_changes_nothing(
    books: Books, tool: Tool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Link and item are one transaction, so that the end is told with it or not at all."""
    link = await accepted(books)
    tool.said = {f"t{link}": Booked("e1")}

    async def killed(*_: Any) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as patched:
        patched.setattr("dagboek.accepted._tell", killed)
        await make_poller(books).poll_due(10)
    assert ((await books.link(link))["state"], (await books.item_row())["state"]) == ("accepted", "accepted")
    await pass_time(books)
    await make_poller(books).poll_due(10)
    assert ((await books.link(link))["state"], (await books.item_row())["state"]) == ("booked", "synced")


@pytest.mark.parametrize(
    "trouble",
    [Throttled(None), ToolUnavailable(), LoginBroken(), TimeoutError(), OSError()],
    ids=lambda trouble: type(trouble).__name__,
)
async def test_a_tool_that_cannot_be_asked_changes_nothing(
    books: Books, tool: Tool, poller: Poller, trouble: Exception
) -> None:
    link = await accepted(books, days=DAYS + 1)
    tool.said = trouble
    await poller.poll_due(10)
    assert (await books.link(link))["state"] == "accepted"
    tool.said = {f"t{link}": Booked("e1")}
    await pass_time(books)
    await poller.poll_due(10)
    assert (await books.link(link))["state"] == "booked"


async def test_a_plugin_that_hangs_keeps_nothing_waiting_for_ever(books: Books, tool: Tool, poller: Poller) -> None:
    link, fresh = await accepted(books, days=DAYS + 1), await accepted(books, 1)
    tool.lasts, tool.resolve_deadline = 60.0, 0.1
    await poller.poll_due(10)
    row = await books.link(link)
    assert (row["state"], row["needs_person_issue"]["code"]) == ("needs_person", "D42")
    assert (await books.link(fresh))["state"] == "accepted"
    tool.lasts, tool.resolve_deadline, tool.said = 0.0, 5.0, {f"t{link}": Booked("e1")}
    await pass_time(books)
    await poller.poll_due(10)
    assert (await books.link(link))["state"] == "booked", "it is asked on"


@pytest.mark.parametrize("connection", ["deleted_at = now()", "state = 'reconnect'"])
async def test_nobody_asks_without_a_connection_whose_login_works_and_it_goes_on_when_there_is_one(
    books: Books, tool: Tool, poller: Poller, connection: str
) -> None:
    link = await accepted(books, days=DAYS + 1)
    await books.db.run(f"UPDATE connection SET {connection} WHERE administration_id = %s", books.administration)
    assert await poller.poll_due(10) == 0
    await books.db.run(
        """INSERT INTO connection (tenant_id, entity_id, administration_id, login_id, plugin, state)
           SELECT tenant_id, entity_id, administration_id, login_id, plugin, 'connected' FROM connection
           WHERE administration_id = %s AND deleted_at IS NOT NULL""",
        books.administration,
    )
    await books.db.run("UPDATE connection SET state = 'connected' WHERE state = 'reconnect'")
    tool.said = {f"t{link}": Booked("e1")}
    assert await poller.poll_due(10) == 1
    assert (await books.link(link))["state"] == "booked"


async def test_what_the_tool_rejects_later_is_skipped_with_its_words_and_may_be_sent_anew(
    books: Books, tool: Tool, poller: Poller
) -> None:
    link = await accepted(books)
    await ended(books)
    tool.said = {f"t{link}": Refused(Issue(code="D01", facts={"field": "date"}), tool_words="Verkeerde periode")}

    await poller.poll_due(10)

    row, item = await books.link(link), await books.item_row()
    assert (row["state"], row["accepted_token"], row["entry_id"]) == ("free", None, None)
    assert row["refused_issues"] == item["issues"], "a nightly run does not send it again each time"
    assert row["retry_at"] is not None
    assert (item["state"], item["issues"][0]["tool_words"]) == ("skipped", "Verkeerde periode")
    assert (await told(books))["state"] == "skipped"
    assert await label(books) is RunStatus.WARNING


async def test_what_nobody_books_becomes_a_persons_business_with_words_for_it(
    books: Books, tool: Tool, poller: Poller
) -> None:
    link, fresh = await accepted(books, days=DAYS), await accepted(books, 1, days=1)
    await ended(books)
    assert await label(books) is RunStatus.SUCCESS

    await poller.poll_due(10)

    assert (await books.link(fresh))["state"] == "accepted"
    row, item = await books.link(link), await books.item_row()
    assert (row["state"], row["needs_person_issue"]["code"]) == ("needs_person", "D42")
    assert (item["state"], item["issues"][0]["code"]) == ("needs_person", "D42")
    assert (await told(books))["state"] == "needs_person"
    assert await label(books) is RunStatus.WARNING
    texts = [Plugins().catalogue.text(Issue.model_validate(item["issues"][0]), one) for one in LANGUAGES]
    assert all("X" in text.cause and str(DAYS) in text.cause for text in texts)


async def test_the_tool_is_asked_on_while_a_person_thinks_and_may_book_it_after_all(
    books: Books, tool: Tool, poller: Poller
) -> None:
    link = await accepted(books, days=DAYS + 1)
    await ended(books)
    await poller.poll_due(10)
    tool.said = {f"t{link}": Booked("e1", "7")}
    await pass_time(books)
    await poller.poll_due(10)
    row, item = await books.link(link), await books.item_row()
    assert (row["state"], row["needs_person_issue"], item["state"], item["issues"]) == ("booked", None, "synced", [])
    assert await label(books) is RunStatus.SUCCESS


async def test_it_is_not_asked_for_for_ever(books: Books, tool: Tool, poller: Poller) -> None:
    link = await accepted(books, days=DAYS + 1)
    await poller.poll_due(10)
    await pass_time(books, DAYS * ASKED_FOR)
    await poller.poll_due(10)
    assert (await books.link(link))["state"] == "needs_person"
    await pass_time(books)
    assert await poller.poll_due(10) == 0
    assert len(tool.asked) == 2


async def test_a_plugin_that_fails_or_says_something_else_keeps_nothing_waiting_for_ever(
    books: Books, tool: Tool, poller: Poller
) -> None:
    link, other = await accepted(books, days=DAYS), await accepted(books, 1)
    tool.said = KeyError("a bug")
    await poller.poll_due(10)
    assert (await books.link(link))["state"] == "needs_person"
    tool.said = {f"t{other}": NotReady(Issue(code="B10")), f"t{link}": Booked("")}
    await pass_time(books)
    await poller.poll_due(10)
    assert (await books.link(other))["state"] == "accepted"
    assert (await books.link(link))["state"] == "needs_person"


async def test_an_entry_of_another_document_is_never_taken(books: Books, tool: Tool, poller: Poller) -> None:
    link = await accepted(books)
    await books.links(state="booked", entry_id="e1")
    tool.said = {f"t{link}": Booked("e1", "7")}
    await poller.poll_due(10)
    row = await books.link(link)
    assert (row["state"], row["entry_id"], row["needs_person_issue"]["code"]) == ("needs_person", None, "D11")


async def test_one_that_cannot_be_stored_holds_up_no_other(books: Books, tool: Tool, poller: Poller) -> None:
    """Two at once say the same entry: the first has it."""
    first, second, third = [await accepted(books, place) for place in range(3)]
    tool.said = {f"t{first}": Booked("e1"), f"t{second}": Booked("e1"), f"t{third}": Booked("e3", "a\x00b")}
    await poller.poll_due(10)
    states = [(await books.link(one))["state"] for one in (first, second, third)]
    assert states == ["booked", "needs_person", "booked"]


async def test_what_a_person_marked_keeps_their_number_and_gets_the_tools_entry(
    books: Books, tool: Tool, poller: Poller
) -> None:
    link = await accepted(books)
    await mark_as_booked(books.db, books.tenant, link, "7")
    row = await books.link(link)
    assert (row["state"], row["entry_number"], row["accepted_token"]) == ("booked", "7", None)
    assert await poller.poll_due(10) == 0


async def test_two_that_are_booked_after_all_are_a_persons_business(
    books: Books, tool: Tool, poller: Poller, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A person sent it again while the first was still to be booked."""
    for name in ("_brought_by", "write_run", "start"):
        monkeypatch.setattr(f"dagboek.resolve.{name}", _nothing)
    first = await accepted(books)
    await books.db.run("UPDATE link SET settle_due = now() - interval '1 day' WHERE id = %s", first)
    await books.db.run("UPDATE administration SET next_link_no = 100 WHERE id = %s", books.administration)
    await send_again(books.db, None, books.tenant, first)  # type: ignore[arg-type]  # the run is another test's
    second = (await books.db.all("SELECT id FROM link WHERE administration_id = %s AND current", books.administration))[
        0
    ]["id"]
    await books.intend(books.intent(second, booking=BOOKING))
    await books.came(second, Outcome.BOOKED, entry_id="e2", entry_number="8")
    tool.said = {f"t{first}": Booked("e1", "7")}
    await pass_time(books)
    await poller.poll_due(10)
    row = await books.link(second)
    assert (row["state"], row["needs_person_issue"]["code"]) == ("needs_person", "D12")
    await pass_time(books)
    assert await poller.poll_due(10) == 0


async def test_what_was_accepted_in_a_time_that_the_database_lost_is_a_persons_business(
    books: Books, tool: Tool, poller: Poller
) -> None:
    """`Replay` takes it over from the results topic, which holds no token."""
    link = await accepted(books)
    await books.db.run("UPDATE link SET accepted_token = '' WHERE id = %s", link)
    await poller.poll_due(10)
    row = await books.link(link)
    assert (row["state"], row["needs_person_issue"]["code"], tool.asked) == ("needs_person", "D41", [])


async def test_a_run_is_kept_until_the_end_of_what_was_accepted_of_it_is_told(
    books: Books, tool: Tool, poller: Poller
) -> None:
    link = await accepted(books)
    await ended(books)
    await books.db.run("UPDATE run SET status = 'Error', finished_at = now() - interval '30 days'")
    await books.db.run("UPDATE run_event SET reported_at = now()")
    await drop_old(books.db)
    tool.said = {f"t{link}": Booked("e1", "7")}
    await poller.poll_due(10)
    assert (await told(books))["booking_number"] == "7"
    await books.db.run("UPDATE item SET reported_at = now()")
    await drop_old(books.db)
    assert await books.db.one("SELECT 1 FROM run WHERE id = %s", books.run) is None


async def test_history_and_documents_show_the_end(books: Books, tool: Tool, poller: Poller) -> None:
    link = await accepted(books)
    await books.db.run(
        """WITH s AS (INSERT INTO source (tenant_id, plugin, name, settings)
                      SELECT tenant_id, 'x', 's', '{}' FROM run WHERE id = %(run)s RETURNING id)
           INSERT INTO document (tenant_id, identity, entity_id, direction, kind, number, issue_date, gross, currency,
                                 revision, party_name, party_identity, source_id, origin_id)
           SELECT tenant_id, 'd1:' || %(link)s::int, entity_id, 'purchase', 'invoice', '2026-1', '2026-01-01', 1, 'EUR',
                  'rev1:a', 'P', 'p1:1', s.id, 'o' FROM run, s WHERE run.id = %(run)s""",
        {"link": link, "run": books.run},
    )
    await books.db.run("UPDATE link SET identity = 'd1:' || id WHERE id = %s", link)
    await ended(books)
    assert [row.standing for row in await documents(books.db, books.tenant)] == [Standing.ACCEPTED]
    tool.said = {f"t{link}": Booked("e1", "7")}
    await poller.poll_due(10)
    (row,) = await documents(books.db, books.tenant)
    assert (row.standing, row.booking_number) == (Standing.BOOKED, "7")
    details = await run_details(books.db, books.tenant, books.run, everything=True)
    assert [(one.state, one.booking_number) for one in details.details] == [("synced", "7")]
    assert details.summary.counts.synced == 1


async def ended(books: Books) -> None:
    async with books.db.transaction() as connection:
        await finish_run(connection, books.run)


async def label(books: Books) -> RunStatus:
    row = await books.db.one("SELECT * FROM run WHERE id = %s", books.run)
    assert row is not None
    return run_status(row)


async def _nothing(*_: Any, **__: Any) -> Any:
    return SimpleNamespace(run_id=None)
