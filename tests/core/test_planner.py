"""The planner on a real PostgreSQL, with a source that a test writes."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from types import SimpleNamespace
from typing import Any
from uuid import UUID, uuid4

import pytest
from dagboek import resolve, runs, selection, sources
from dagboek.database import Database, Jsonb
from dagboek.planner import Planner
from dagboek.plugins import Plugins
from dagboek.push_record import Outcome
from dagboek_schemas.cloudevents import Record, decode, encode, event_time
from dagboek_schemas.documents import Direction, Document, Kind
from dagboek_schemas.events import ItemReady, stable_id
from dagboek_schemas.issues import Issue
from dagboek_schemas.revision import document_revision
from dagboek_schemas.statuses import Component
from dagboek_schemas.topics import Topic
from dagboek_sdk import samples
from dagboek_sdk.source import Fetched, Listed
from push_books import Books

OLD = b'{"number": "as it was planned"}'


@dataclass
class Source:
    """Gives what a test says."""

    faults: dict[str, Issue] = field(default_factory=dict)
    documents: dict[str, Document] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    hangs: str = ""
    """The call that gets no answer."""

    async def list(self, _since: object) -> AsyncIterator[Sequence[Listed]]:
        if self.hangs == "list":
            await asyncio.sleep(60)
        yield [Listed(one, "f1") for one in self.documents or ("o1",)]

    async def fetch(self, ids: Sequence[str]) -> Sequence[Fetched]:
        if self.hangs == "fetch":
            await asyncio.sleep(60)
        self.asked += ids
        found = [Fetched(one, issues=(self.faults[one],)) for one in ids if one in self.faults]
        return found + [Fetched(one, self.documents[one]) for one in ids if one in self.documents]

    async def close(self) -> None:
        if self.hangs == "close":
            await asyncio.sleep(60)


class Log:
    """Takes what is published."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    async def publish(self, topic: Topic, records: Sequence[Record]) -> list[tuple[int, int]]:
        if topic is Topic.DOCUMENTS:
            self.records += records
        return [(0, len(self.records) + at) for at, _ in enumerate(records)]

    @property
    def sequences(self) -> list[int]:
        read = [decode(one.value, one.headers) for one in self.records]
        return [one.sequence for one in read if isinstance(one, ItemReady)]


@pytest.fixture
def source(monkeypatch: pytest.MonkeyPatch) -> Source:
    made = Source()
    monkeypatch.setattr(sources, "open_source", lambda *_: made)
    return made


@pytest.fixture
def log() -> Log:
    return Log()


def once(document: Document) -> str | None:
    """Sales of a year are kept under their number, whoever sold."""
    return f"{document.issue_date.year}/{document.number}" if document.direction is Direction.SALES else None


@pytest.fixture
def planner(books: Books, source: Source, log: Log) -> Planner:
    about = SimpleNamespace(components=tuple(Component), parties_inside_documents=True, batch_size=1)
    tool = SimpleNamespace(about=about, number_once=once)
    plugins = SimpleNamespace(tool=lambda _: tool, releases=lambda _: "x 1")
    return Planner(books.db, plugins, log)  # type: ignore[arg-type]


async def run_of(books: Books) -> dict[str, Any]:
    row = await books.db.one("SELECT * FROM run WHERE id = %s", books.run)
    assert row is not None
    return row


async def item(books: Books, sequence: int, **columns: Any) -> int:
    """A document of the test's source; its link."""
    row = await books.db.one(
        """INSERT INTO source (tenant_id, plugin, name) VALUES (%s, 'x', 's')
           ON CONFLICT (tenant_id, name) DO UPDATE SET name = 's' RETURNING id""",
        books.tenant,
    )
    assert row is not None
    (link,) = await books.links(kind=columns.get("kind", "document"), identity=f"d1:{sequence}")
    given = {"link_id": link, "source_id": row["id"], "origin_id": str(sequence), "title": str(sequence), **columns}
    await books.item(sequence, **given)
    return link


async def in_a_second_generation(books: Books) -> None:
    """The first one published its items, and was lost."""
    await books.db.run("UPDATE item SET window_no = 1, generation = 1 WHERE run_id = %s", books.run)
    await books.db.run(
        "INSERT INTO snapshot (run_id, sequence, body) SELECT run_id, sequence, %s FROM item WHERE run_id = %s",
        OLD,
        books.run,
    )
    async with books.db.transaction() as connection:
        assert await runs.resume(connection, books.run, 1) == 2


async def test_what_may_stand_in_the_tool_is_not_skipped_when_its_file_is_gone(
    books: Books, planner: Planner, source: Source, log: Log
) -> None:
    """Its attempt was sent before the worker died: it is asked about, with what was planned."""
    sent, _ = await item(books, 0, revision="rev1:a"), await item(books, 1, revision="rev1:a")
    await books.intend(books.intent(sent))
    await in_a_second_generation(books)
    source.faults = {"0": Issue(code="D21"), "1": Issue(code="D21")}

    await planner.publish_window(books.run, 2, 0)

    assert (source.asked, log.sequences) == (["1"], [0])
    rows = [await books.item_row(one) for one in (0, 1)]
    assert [(row["state"], row["generation"]) for row in rows] == [("planned", 2), ("skipped", 2)]
    assert rows[0]["revision"] == "rev1:a"
    kept = await books.db.one("SELECT body FROM snapshot WHERE run_id = %s AND sequence = 0", books.run)
    assert kept is not None and bytes(kept["body"]) == OLD


async def test_an_attempt_of_another_run_keeps_no_file_that_is_gone(
    books: Books, planner: Planner, source: Source, log: Log
) -> None:
    """That run tells what became of it."""
    link = await item(books, 0)
    await books.intend(books.intent(link, sequence=7))
    source.faults = {"0": Issue(code="D21")}

    await planner.publish_window(books.run, 1, 0)

    assert (await books.item_row(0))["state"] == "skipped"


async def test_items_that_wait_to_be_settled_in_a_component_in_error_hold_up_no_other(
    books: Books, planner: Planner, source: Source, log: Log
) -> None:
    customer = await item(books, 0, component="customers", kind="party", state="to_settle", generation=1, window_no=1)
    await books.intend(books.intent(customer, settle_seconds=3600))
    await item(books, 1, component="ledger_accounts", kind="pull", state="planned", generation=1, window_no=1)
    await books.db.run("UPDATE item SET component = 'suppliers' WHERE run_id = %s AND sequence = 1", books.run)
    await books.db.run(
        "UPDATE run SET component_errors = %s, window_no = 1, published_at = now() WHERE id = %s",
        Jsonb({"customers": {"code": "B07"}}),
        books.run,
    )

    step = await runs.advance(books.db, books.run, 1, 1)
    await planner.publish_window(books.run, step.generation, step.window)

    assert log.sequences == [1]


async def test_an_item_that_is_sent_again_while_a_run_has_it_goes_out_with_its_new_link(
    books: Books, planner: Planner, source: Source, log: Log
) -> None:
    link = await item(books, 0, kind="party", component="customers")
    await books.intend(books.intent(link, settle_seconds=-1))
    await books.came(link, Outcome.PERSON)
    await books.db.run("UPDATE administration SET next_link_no = 100 WHERE id = %s", books.administration)

    await resolve.send_again(books.db, None, books.tenant, link)  # type: ignore[arg-type]  # a party needs no run

    current = await books.db.one(
        "SELECT id FROM link WHERE identity = 'd1:0' AND current AND tenant_id = %s", books.tenant
    )
    assert current is not None
    assert (await books.item_row())["link_id"] == current["id"] != link


async def test_a_window_is_stored_with_the_links_of_that_moment(
    books: Books, planner: Planner, source: Source, log: Log
) -> None:
    """Its items may have been selected while a person sent one of them again."""
    link = await item(books, 0, component="ledger_accounts", kind="pull")
    await books.db.run("UPDATE link SET current = false WHERE id = %s", link)
    (again,) = await books.links(identity="d1:0", incarnation=2)

    await planner.publish_window(books.run, 1, 0)

    assert log.sequences == [0]
    assert (await books.item_row())["link_id"] == again


# documents that are read and pushed


async def start_with(books: Books, planner: Planner, source: Source, *numbers: str) -> list[dict[str, Any]]:
    """Plans invoices of one customer; the items with their snapshots."""
    source.documents = {number: samples.document(number=number) for number in numbers}
    await to_be_selected(books, "s")
    await planner.start(books.run)
    return await books.db.all(
        """SELECT i.title, i.revision, i.window_no, s.body FROM item i JOIN snapshot s USING (run_id, sequence)
           WHERE i.run_id = %s AND i.kind = 'document' ORDER BY i.sequence""",
        books.run,
    )


async def test_a_run_of_few_documents_reads_each_of_them_once(
    books: Books, planner: Planner, source: Source, log: Log
) -> None:
    rows = await start_with(books, planner, source, "1", "2", "3")

    assert source.asked == ["1", "2", "3"]
    assert [row["title"] for row in rows] == ["1", "2", "3"]
    for row in rows:
        pushed = Document.model_validate_json(row["body"])
        assert pushed == source.documents[row["title"]]
        assert row["revision"] == document_revision(pushed)


async def test_a_run_of_many_documents_keeps_none_of_them_in_memory(
    books: Books, planner: Planner, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "FETCHED_AT_ONCE", 2)
    monkeypatch.setattr(selection, "FETCHED_AT_ONCE", 2)

    rows = await start_with(books, planner, source, "1", "2", "3")

    assert source.asked == ["1", "2", "3", "1", "2", "3"]
    assert [Document.model_validate_json(row["body"]).number for row in rows] == ["1", "2", "3"]


async def test_an_event_of_a_window_is_what_its_model_writes(
    books: Books, planner: Planner, source: Source, log: Log
) -> None:
    await start_with(books, planner, source, "1", "2", "3")

    for record in log.records:
        event = decode(record.value, record.headers)
        assert isinstance(event, ItemReady)
        event_id = stable_id(event.run_id, event.generation, event.sequence)
        written = encode(
            event,
            type_=ItemReady.TYPE,
            event_id=event_id,
            key=event.administration_id,
            time=event_time(record.headers),
        )
        assert record == written
    assert len({(one.key, one.value) for one in log.records}) == len(log.sequences) > 3


# a source that hangs


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "DEADLINE", 0.1)


async def test_a_source_that_hangs_while_a_window_is_fetched_parks_its_run(
    books: Books, planner: Planner, source: Source, impatient: None
) -> None:
    await item(books, 0)
    source.hangs = "fetch"

    async with asyncio.timeout(60):
        await planner.publish_window(books.run, 1, 0)

    run = await run_of(books)
    assert (run["state"], run["park_reason"], run["park_issue"]["code"]) == ("parked", "source_unavailable", "D20")
    assert "did not answer" in run["park_issue"]["facts"]["reason"]
    assert not planner.at_work


async def test_a_source_that_does_not_let_itself_be_closed_stops_nothing(
    books: Books, planner: Planner, source: Source, log: Log, impatient: None
) -> None:
    source.hangs, source.faults = "close", {"0": Issue(code="D21")}
    await item(books, 0)
    await item(books, 1, component="suppliers", kind="pull")

    async with asyncio.timeout(60):
        await planner.publish_window(books.run, 1, 0)

    assert log.sequences == [1]


@pytest.mark.parametrize("call", ["list", "fetch"])
async def test_one_of_two_sources_that_hangs_is_told_and_the_other_is_read(
    books: Books, planner: Planner, monkeypatch: pytest.MonkeyPatch, impatient: None, call: str
) -> None:
    both = {"good": Source(faults={"o1": Issue(code="D07")}), "bad": Source(hangs=call)}
    monkeypatch.setattr(sources, "open_source", lambda _, __, row, ___: both[row["name"]])
    await to_be_selected(books, *both)

    async with asyncio.timeout(60):
        await planner.start(books.run)

    rows = await books.db.all("SELECT title, state, issues FROM item WHERE run_id = %s AND kind <> 'pull'", books.run)
    told = {row["title"]: (row["state"], row["issues"][0]["code"]) for row in rows}
    assert told == {"o1": ("skipped", "D07"), "bad": ("skipped", "D20")}


@pytest.mark.parametrize(("identity", "told"), [("d1:mine", {"bad"}), ("d1:another", set())])
async def test_a_small_run_tells_of_no_source_but_that_of_its_document(
    books: Books, planner: Planner, monkeypatch: pytest.MonkeyPatch, impatient: None, identity: str, told: set[str]
) -> None:
    both = {"good": Source(faults={"o1": Issue(code="D07")}), "bad": Source(hangs="list")}
    monkeypatch.setattr(sources, "open_source", lambda _, __, row, ___: both[row["name"]])
    await to_be_selected(books, *both)
    await books.db.run(
        """INSERT INTO origin (source_id, entity_id, origin_id, fingerprint, identity)
           SELECT s.id, r.entity_id, 'o2', '', %s FROM source s, run r
           WHERE s.tenant_id = r.tenant_id AND s.name = 'bad' AND r.id = %s""",
        identity,
        books.run,
    )
    await books.db.run("UPDATE run SET small = true, scope = %s WHERE id = %s", Jsonb(["d1:mine"]), books.run)

    await planner.start(books.run)

    rows = await books.db.all("SELECT title FROM item WHERE run_id = %s", books.run)
    assert {row["title"] for row in rows} == told


async def test_planning_takes_one_connection_at_a_time(books: Books, planner: Planner, source: Source) -> None:
    """Runs that are planned beside each other would all hold one and wait for another, and none would go on."""
    source.faults = {"o1": Issue(code="D07")}
    await to_be_selected(books, "s")
    async with asyncio.timeout(60), Database(books.db.url, size=1) as alone:
        planner.db = alone
        await planner.start(books.run)
    run = await run_of(books)
    assert (run["selected"], run["window_no"]) == (True, 1)


async def to_be_selected(books: Books, *names: str) -> None:
    """A run that is to list these sources, into a tool that is not asked."""
    for name in names:
        await books.db.run("INSERT INTO source (tenant_id, plugin, name) VALUES (%s, 'x', %s)", books.tenant, name)
    await books.db.run(
        """INSERT INTO mapping_context (connection_id, version, settings, lists)
           SELECT connection_id, 1, '{}', '{}' FROM run WHERE id = %s""",
        books.run,
    )
    await books.db.run("UPDATE run SET selected = false WHERE id = %s", books.run)


# a run with nothing to do


@pytest.fixture
async def quiet(books: Books, planner: Planner, source: Source) -> str:
    """The trigger of nightly runs; all that the source lists is booked, and its lists were read some days ago."""
    await to_be_selected(books, "s")
    given = {"run": books.run, "tenant": books.tenant, "administration": books.administration}
    for statement in (
        """INSERT INTO origin (source_id, entity_id, origin_id, fingerprint, identity, component, revision, sort_key)
           SELECT s.id, r.entity_id, 'o1', 'f1', 'd1:1', 'sales_invoices', 'rev1:a', '1' FROM source s, run r
           WHERE s.tenant_id = %(tenant)s AND r.id = %(run)s""",
        """INSERT INTO link (tenant_id, administration_id, identity, kind, link_no, state, revision)
           VALUES (%(tenant)s, %(administration)s, 'd1:1', 'document', 1, 'booked', 'rev1:a')""",
        """INSERT INTO payment_status (link_id, state) SELECT id, 'paid' FROM link WHERE tenant_id = %(tenant)s""",
        """INSERT INTO pull_cursor (connection_id, name, pulled_at)
           SELECT connection_id, 'ledger_accounts', now() - interval '3 days' FROM run WHERE id = %(run)s""",
        "UPDATE administration SET looked_up_at = now() WHERE id = %(administration)s",
        "UPDATE run SET trigger = 'automatic', state = 'requested' WHERE id = %(run)s",
    ):
        await books.db.run(statement, given)
    return "automatic"


async def items(books: Books) -> dict[str, str]:
    rows = await books.db.all("SELECT component, title FROM item WHERE run_id = %s", books.run)
    return {row["component"]: row["title"] for row in rows}


async def test_a_run_with_nothing_to_do_is_ended_by_the_planner_and_gives_the_workers_nothing(
    books: Books, planner: Planner, log: Log, quiet: str
) -> None:
    await planner.start(books.run)

    run = await run_of(books)
    assert (run["state"], run["status"], run["window_no"]) == ("ended", "Success", 0)
    assert await items(books) == {}
    assert log.records == []
    told = await books.db.all("SELECT type FROM run_event WHERE run_id = %s", books.run)
    assert [row["type"] for row in told] == ["dagboek.run.finished.v1"]


async def test_who_asks_for_a_run_has_the_lists_read(
    books: Books, planner: Planner, source: Source, quiet: str
) -> None:
    await books.db.run("UPDATE run SET trigger = 'manual' WHERE id = %s", books.run)
    await planner.start(books.run)
    assert await items(books) == {"ledger_accounts": ""}


async def test_a_night_with_a_document_reads_the_lists_first(
    books: Books, planner: Planner, source: Source, quiet: str
) -> None:
    await books.db.run("UPDATE link SET revision = 'rev1:before' WHERE tenant_id = %s", books.tenant)
    await planner.start(books.run)
    assert set(await items(books)) == {"ledger_accounts", "sales_invoices"}


async def test_what_is_not_paid_is_asked_about_every_night(books: Books, planner: Planner, quiet: str) -> None:
    await books.db.run(
        """UPDATE payment_status SET state = 'partially_paid'
           WHERE link_id IN (SELECT id FROM link WHERE tenant_id = %s)""",
        books.tenant,
    )
    await planner.start(books.run)
    assert await items(books) == {"payment_statuses": ""}


@pytest.mark.parametrize(("batch", "first", "later"), [(1, 50, 200), (50, 50, 200), (60, 60, 240), (300, 300, 300)])
async def test_a_window_holds_full_calls_of_a_tool_that_takes_many(
    books: Books, planner: Planner, log: Log, batch: int, first: int, later: int
) -> None:
    """Else each window would end with a call that is not full, and calls may be few a day."""
    planner.plugins.tool("x").about.batch_size = batch  # type: ignore[misc]
    await books.db.run(
        """INSERT INTO item (run_id, sequence, component, identity, kind, title)
           SELECT %s, n, 'ledger_accounts', 'pull:' || n, 'pull', '' FROM generate_series(0, 999) n""",
        books.run,
    )

    await planner.publish_window(books.run, 1, 0)
    await planner.publish_window(books.run, 1, 1)

    assert log.sequences == list(range(first + later))


# two documents with one number


async def of_another_entity(books: Books) -> UUID:
    """A run of another entity's connection to the same books."""
    row = await books.db.one(
        """WITH e AS (INSERT INTO entity (tenant_id, name) VALUES (%(tenant)s, 'F') RETURNING id),
                c AS (INSERT INTO connection (tenant_id, entity_id, administration_id, login_id, plugin, state)
                      SELECT c.tenant_id, e.id, c.administration_id, c.login_id, c.plugin, 'connected'
                      FROM connection c JOIN run r ON r.connection_id = c.id, e WHERE r.id = %(run)s
                      RETURNING id, entity_id),
                m AS (INSERT INTO mapping_context (connection_id, version, settings, lists)
                      SELECT id, 1, '{}', '{}' FROM c)
           INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, state)
           SELECT %(new)s, %(tenant)s, c.entity_id, c.id, %(administration)s, 'manual', 'active' FROM c RETURNING id""",
        {"tenant": books.tenant, "run": books.run, "administration": books.administration, "new": uuid4()},
    )
    assert row is not None
    return UUID(str(row["id"]))


async def states(books: Books, run: UUID | None = None) -> dict[str, str]:
    """Of the documents of a run by title, with the codes of their issues."""
    rows = await books.db.all(
        "SELECT * FROM item WHERE run_id = %s AND kind = 'document' ORDER BY sequence", run or books.run
    )
    return {row["title"]: " ".join([row["state"], *(one["code"] for one in row["issues"])]) for row in rows}


async def test_two_entities_with_one_range_of_numbers_are_found_before_the_second_sends(
    books: Books, planner: Planner, source: Source, log: Log
) -> None:
    await start_with(books, planner, source, "2026/1", "2026/2")
    second, published = await of_another_entity(books), len(log.records)
    source.documents["2026/3"] = samples.document(number="2026/3")
    source.documents["P-1"] = samples.document(number="P-1", direction=Direction.PURCHASE)

    await planner.start(second)

    assert await states(books) == {"2026/1": "planned", "2026/2": "planned"}
    assert await states(books, second) == {
        "2026/1": "skipped D43",
        "2026/2": "skipped D43",
        "2026/3": "planned",
        "P-1": "planned",
    }
    row = await books.db.one("SELECT * FROM item WHERE run_id = %s AND issues <> '[]' ORDER BY title LIMIT 1", second)
    assert row is not None
    (issue,) = row["issues"]
    assert (
        issue["facts"] | {"number": "2026/1", "entity": "F", "other": "2026/1", "other_entity": "E"} == issue["facts"]
    )
    text = Plugins(entry_points=False).catalogue.text(Issue.model_validate(issue), "en")
    assert text.cause.startswith("Invoice 2026/1 of F and invoice 2026/1 of E go into the same administration")
    assert len(log.records) > published, "the others go on"


async def test_an_invoice_and_a_credit_note_with_one_number_meet_too_and_those_of_another_year_do_not(
    books: Books, planner: Planner, source: Source
) -> None:
    source.documents = {
        "a": samples.document(number="7"),
        "b": samples.document(number="7", kind=Kind.CREDIT_NOTE),
        "c": samples.document(number="7", issue_date=date(2024, 2, 3)),
    }
    await to_be_selected(books, "s")
    await planner.start(books.run)
    rows = await books.db.all(
        "SELECT component, state, issues FROM item WHERE run_id = %s AND kind = 'document' ORDER BY sequence", books.run
    )
    told = [(row["component"], row["state"], [one["code"] for one in row["issues"]]) for row in rows]
    assert told == [
        ("sales_invoices", "planned", []),
        ("sales_invoices", "planned", []),
        ("sales_credit_notes", "skipped", ["D43"]),
    ]


async def test_a_number_is_free_again_when_its_document_is_neither_planned_nor_in_the_tool(
    books: Books, planner: Planner, source: Source
) -> None:
    await start_with(books, planner, source, "2026/1")
    async with books.db.transaction() as connection:
        await runs.finish_run(connection, books.run)
    second = await of_another_entity(books)
    await planner.start(second)
    assert await states(books, second) == {"2026/1": "planned"}


@pytest.mark.parametrize("state", ["intent", "booked", "accepted", "needs_person"])
async def test_a_number_stays_with_what_may_stand_in_the_tool(
    books: Books, planner: Planner, source: Source, state: str
) -> None:
    await start_with(books, planner, source, "2026/1")
    await books.db.run("UPDATE link SET state = %s WHERE administration_id = %s", state, books.administration)
    async with books.db.transaction() as connection:
        await runs.finish_run(connection, books.run)
    second = await of_another_entity(books)
    await planner.start(second)
    assert await states(books, second) == {"2026/1": "skipped D43"}
    link = await books.db.one("SELECT * FROM link WHERE refused_issues IS NOT NULL AND tenant_id = %s", books.tenant)
    assert link is not None and link["refused_issues"][0]["code"] == "D43", "no night warns of it anew"


async def test_a_document_keeps_its_own_number_in_each_run(books: Books, planner: Planner, source: Source) -> None:
    await start_with(books, planner, source, "2026/1")
    async with books.db.transaction() as connection:
        await runs.finish_run(connection, books.run)
    again = uuid4()
    await books.db.run(
        """INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, state)
           SELECT %s, tenant_id, entity_id, connection_id, administration_id, 'manual', 'active'
           FROM run WHERE id = %s""",
        again,
        books.run,
    )
    await planner.start(again)
    assert await states(books, again) == {"2026/1": "planned"}


async def test_two_runs_that_are_planned_at_once_send_a_number_once(
    books: Books, planner: Planner, source: Source
) -> None:
    source.documents = {number: samples.document(number=number) for number in ("2026/1", "2026/2", "2026/3")}
    await to_be_selected(books, "s")
    second = await of_another_entity(books)
    await asyncio.gather(planner.start(books.run), planner.start(second))
    both = [*(await states(books)).values(), *(await states(books, second)).values()]
    assert sorted(both) == ["planned"] * 3 + ["skipped D43"] * 3


async def test_a_plugin_that_fails_at_a_number_stops_nothing(
    books: Books, planner: Planner, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(_: Document) -> str:
        raise KeyError("a bug")

    monkeypatch.setattr(planner.plugins.tool("x"), "number_once", fails)
    await start_with(books, planner, source, "2026/1")
    assert await states(books) == {"2026/1": "planned"}
