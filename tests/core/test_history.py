"""The sync history: which runs it shows, their counts, and what the details say. On a real PostgreSQL."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from uuid import UUID, uuid4

import pytest
from dagboek.cli.main import main
from dagboek.database import Database, Jsonb, migrate
from dagboek.documents import Standing, documents, parties_in_doubt
from dagboek.history import UnknownRun, recent_runs, run_details
from dagboek_schemas.statuses import Component, ComponentStatus, ItemState, RunStatus
from dagboek_sdk import clock

NOW = datetime(2026, 3, 14, 12, 0, tzinfo=UTC)


class Rows:
    """One tenant with one connection, and runs as the planner and the lanes would have left them."""

    def __init__(self, db: Database) -> None:
        self.db = db
        self.tenant = self.entity = self.connection = self.administration = self.source = UUID(int=0)

    async def prepare(self, name: str) -> "Rows":
        self.tenant = await self._insert("tenant", name=name)
        self.entity = await self._insert("entity", tenant_id=self.tenant, name=f"{name} Trading")
        self.source = await self._insert("source", tenant_id=self.tenant, plugin="ubl", name="files")
        await self.books(name, "octopus")
        return self

    async def books(self, name: str, plugin: str) -> None:
        """Connects the company to other books: what is written from here on is of those."""
        self.administration = await self._insert(
            "administration", tenant_id=self.tenant, plugin=plugin, host="h", tool_id=name, name=f"Books of {name}"
        )
        login = await self._insert("login", tenant_id=self.tenant, plugin=plugin, tool_user="u", settings=b"x")
        self.connection = await self._insert(
            "connection",
            tenant_id=self.tenant,
            entity_id=self.entity,
            administration_id=self.administration,
            login_id=login,
            plugin=plugin,
            state="connected",
        )

    async def _insert(self, table: str, **values: object) -> UUID:
        names = ", ".join(values)
        marks = ", ".join(["%s"] * len(values))
        row = await self.db.one(f"INSERT INTO {table} ({names}) VALUES ({marks}) RETURNING id", *values.values())
        assert row is not None
        return UUID(str(row["id"]))

    async def run(self, at: datetime, status: str | None = "Success", **values: object) -> UUID:
        ended = status is not None
        return await self._insert(
            "run",
            **{
                "id": uuid4(),
                "tenant_id": self.tenant,
                "entity_id": self.entity,
                "connection_id": self.connection,
                "administration_id": self.administration,
                "trigger": "manual",
                "requested_by": "anna",
                "state": "ended" if ended else "active",
                "selected": True,
                "status": status,
                "requested_at": at,
                "started_at": at,
                "finished_at": at + timedelta(seconds=5) if ended else None,
                **values,
            },
        )

    async def item(self, run: UUID, sequence: int, state: str, **values: object) -> None:
        content = {
            "run_id": run,
            "component": "sales_invoices",
            "identity": f"d1:{sequence}",
            "kind": "document",
            "sequence": sequence,
            "title": f"2026/{sequence}",
            "state": state,
            **values,
        }
        await self.db.run(
            f"INSERT INTO item ({', '.join(content)}) VALUES ({', '.join(['%s'] * len(content))})", *content.values()
        )

    async def document(self, identity: str, number: str, **values: object) -> None:
        content = {
            "tenant_id": self.tenant,
            "identity": identity,
            "entity_id": self.entity,
            "direction": "sales",
            "kind": "invoice",
            "number": number,
            "issue_date": NOW.date(),
            "currency": "EUR",
            "gross": "121.00",
            "party_identity": "p1:1",
            "party_name": "Klant NV",
            "source_id": self.source,
            "origin_id": f"{number}.xml",
            "revision": "rev1:a",
            **values,
        }
        await self.db.run(
            f"INSERT INTO document ({', '.join(content)}) VALUES ({', '.join(['%s'] * len(content))})",
            *content.values(),
        )

    async def link(self, identity: str, state: str, **values: object) -> None:
        number = await self.db.one("SELECT coalesce(max(link_no), 0) + 1 AS next FROM link")
        assert number is not None
        content = {
            "tenant_id": self.tenant,
            "administration_id": self.administration,
            "identity": identity,
            "kind": "document",
            "link_no": number["next"],
            "state": state,
            **values,
        }
        await self.db.run(
            f"INSERT INTO link ({', '.join(content)}) VALUES ({', '.join(['%s'] * len(content))})", *content.values()
        )


@pytest.fixture
async def db(database_url: str) -> AsyncIterator[Database]:
    migrate(database_url)
    async with Database(database_url, size=2) as opened:
        yield opened


@pytest.fixture
async def rows(db: Database) -> Rows:
    return await Rows(db).prepare("north")


async def test_seven_days_and_the_latest_success_however_old(db: Database, rows: Rows) -> None:
    await rows.run(NOW - timedelta(days=60))
    latest = await rows.run(NOW - timedelta(days=30))
    await rows.run(NOW - timedelta(days=20), "Warning")
    recent = await rows.run(NOW - timedelta(days=2), "Error")

    found = await recent_runs(db, rows.tenant, now=NOW)

    assert [one.id for one in found] == [recent, latest]
    assert found[0].status is RunStatus.ERROR
    assert found[0].seconds() == 5.0
    assert (found[0].requested_by, found[0].trigger, found[0].entity) == ("anna", "manual", "north Trading")


async def test_a_tenant_sees_nothing_of_another(db: Database, rows: Rows) -> None:
    run = await rows.run(NOW)
    await rows.document("d1:1", "2026/1")
    other = await Rows(db).prepare("south")

    assert await recent_runs(db, other.tenant, now=NOW) == []
    assert await documents(db, other.tenant) == []
    with pytest.raises(UnknownRun):
        await run_details(db, other.tenant, run)


async def test_one_run_with_counts_that_add_up_and_what_needs_attention(db: Database, rows: Rows) -> None:
    run = await rows.run(NOW, "Warning")
    issue = {"code": "B04", "severity": "warning", "facts": {"line": "1"}, "tool_words": "no account"}
    await rows.item(run, 0, "synced", booking_number="1")
    await rows.item(run, 1, "skipped", issues=Jsonb([issue]))
    await rows.item(run, 2, "unchanged")
    await rows.item(run, 3, "not_ready", component="purchase_invoices", issues=Jsonb([{"code": "B10"}]))

    found = await run_details(db, rows.tenant, str(run)[:8])

    sales, purchases = found.components
    assert (sales.component, sales.status) == (Component.SALES_INVOICES, ComponentStatus.WARNING)
    assert (sales.counts.total, sales.counts.synced, sales.counts.skipped, sales.counts.unchanged) == (3, 1, 1, 1)
    assert (purchases.status, purchases.counts.not_ready) == (ComponentStatus.SUCCESS, 1)
    assert [(one.title, one.state) for one in found.details] == [
        ("2026/1", ItemState.SKIPPED),
        ("2026/3", ItemState.NOT_READY),
    ]
    assert found.details[0].issues[0].tool_words == "no account"
    assert found.summary.counts.total == 4

    everything = await run_details(db, rows.tenant, run, everything=True)
    assert [one.booking_number for one in everything.details] == ["1", None, None, None]


async def test_a_run_is_named_by_the_start_of_its_id_if_it_is_the_only_one(db: Database, rows: Rows) -> None:
    await rows.run(NOW, id=UUID("aaaa0000-0000-4000-8000-000000000001"))
    await rows.run(NOW, id=UUID("aaaa0000-0000-4000-8000-000000000002"))
    with pytest.raises(UnknownRun, match="More than one run"):
        await run_details(db, rows.tenant, "aaaa")
    with pytest.raises(UnknownRun, match="No run"):
        await run_details(db, rows.tenant, "bbbb")
    with pytest.raises(UnknownRun):
        await run_details(db, rows.tenant, "%")


async def test_a_parked_run_tells_until_when(db: Database, rows: Rows) -> None:
    later = NOW + timedelta(minutes=10)
    await rows.run(NOW, None, state="parked", parked_until=later, park_reason="tool_unavailable")
    (found,) = await recent_runs(db, rows.tenant, now=NOW)
    assert (found.status, found.parked_until, found.ended) == (RunStatus.STALLED, later, False)


@pytest.mark.parametrize(
    ("reason", "status", "component", "step"),
    [
        ("tool_unavailable", RunStatus.STALLED, ComponentStatus.ERROR, "tried again at 12:10 UTC"),
        ("limit", RunStatus.IN_PROGRESS, ComponentStatus.IN_PROGRESS, "goes on at 12:10 UTC"),
    ],
)
async def test_a_parked_run_tells_why_and_what_happens_next(
    db: Database, rows: Rows, reason: str, status: RunStatus, component: ComponentStatus, step: str
) -> None:
    """What it was at stands still; what comes after that waits."""
    issue = Jsonb({"code": "B06", "severity": "error"})
    later = NOW + timedelta(minutes=10)
    run = await rows.run(NOW, None, state="parked", parked_until=later, park_reason=reason, park_issue=issue)
    for sequence, at in enumerate(("customers", "sales_invoices", "purchase_invoices")):
        await rows.item(run, sequence, "synced" if at == "customers" else "planned", component=at)
    (found,) = await recent_runs(db, rows.tenant, now=NOW)
    assert (found.status, found.next_step) == (status, step)
    assert found.park_issue is not None and found.park_issue.code == "B06"
    details = await run_details(db, rows.tenant, run)
    assert [one.status for one in details.components] == [ComponentStatus.SUCCESS, component, ComponentStatus.PENDING]


async def test_documents_with_their_booking_number_or_where_they_stand(db: Database, rows: Rows) -> None:
    run = await rows.run(NOW)
    for identity, state, values in (
        ("d1:1", "booked", {"entry_id": "1/V1/7", "entry_number": "7"}),
        ("d1:2", "free", {}),
        ("d1:3", "needs_person", {"needs_person_issue": Jsonb({"code": "P01"})}),
        ("d1:4", "intent", {}),
    ):
        await rows.document(identity, f"2026/{identity[-1]}")
        await rows.link(identity, state, **values)
    await rows.item(run, 2, "skipped", issues=Jsonb([{"code": "B04"}]))
    await rows.document("d1:5", "2026/5")

    found = {row.title: row for row in await documents(db, rows.tenant)}

    assert [row.standing for row in found.values()] == [
        Standing.BOOKED,
        Standing.SKIPPED,
        Standing.NEEDS_PERSON,
        Standing.TO_SETTLE,
        Standing.WAITING,
    ]
    assert found["2026/1"].booking_number == "7"
    assert [issue.code for issue in found["2026/2"].issues] == ["B04"]
    assert [issue.code for issue in found["2026/3"].issues] == ["P01"]
    assert "2026/1" not in {row.title for row in await documents(db, rows.tenant, not_synced=True)}


async def test_what_goes_into_two_books_stands_where_it_does_not_go_well(db: Database, rows: Rows) -> None:
    """The last run of the one says nothing about the other."""
    first = await rows.run(NOW)
    await rows.document("d1:1", "2026/1")
    await rows.link("d1:1", "booked", entry_number="7", entry_id="7")
    await rows.document("d1:2", "2026/2")
    await rows.link("d1:2", "free")
    await rows.item(first, 2, "skipped", issues=Jsonb([{"code": "B04"}]))
    await rows.books("second", "exact")
    await rows.link("d1:1", "needs_person", needs_person_issue=Jsonb({"code": "D10"}))
    await rows.link("d1:2", "booked", entry_number="8", entry_id="8")
    second = await rows.run(NOW + timedelta(hours=1))
    await rows.item(second, 2, "synced", issues=Jsonb([{"code": "D24"}]))

    one, two = await documents(db, rows.tenant)
    assert (one.standing, [issue.code for issue in one.issues]) == (Standing.NEEDS_PERSON, ["D10"])
    assert (two.standing, [issue.code for issue in two.issues]) == (Standing.SKIPPED, ["B04"])
    assert [row.title for row in await documents(db, rows.tenant, not_synced=True)] == ["2026/1", "2026/2"]

    # the second books are no longer connected
    await db.run("UPDATE connection SET deleted_at = now() WHERE id = %s", rows.connection)
    one, two = await documents(db, rows.tenant)
    assert (one.standing, one.booking_number, one.issues) == (Standing.BOOKED, "7", ())
    assert two.standing == Standing.SKIPPED


async def test_of_many_documents_the_newest_are_shown_and_any_is_found_by_its_number(db: Database, rows: Rows) -> None:
    for at in range(1, 6):
        day = NOW.date() + timedelta(days=at)
        await rows.document(f"d1:{at}", f"2026/{at}", issue_date=day, origin_id=f"{at}.xml")

    assert [row.title for row in await documents(db, rows.tenant, limit=2)] == ["2026/4", "2026/5"]
    for named in ("2026/1", "d1:1", "1.xml"):
        assert [row.title for row in await documents(db, rows.tenant, named=named, limit=1)] == ["2026/1"]
    assert await documents(db, rows.tenant, named="2026/9") == []


async def test_customers_and_suppliers_that_need_a_person_are_not_silent(db: Database, rows: Rows) -> None:
    await rows.document("d1:1", "2026/1")
    await rows.link("p1:1", "needs_person", kind="party")
    await rows.link("p1:2", "booked", kind="party")

    (found,) = await parties_in_doubt(db, rows.tenant)

    assert (found.party, found.entity, found.standing) == ("Klant NV", "north Trading", Standing.NEEDS_PERSON)
    assert [issue.code for issue in found.issues] == ["D10"]


async def test_unreadable_files_and_duplicates_are_not_silent(db: Database, rows: Rows) -> None:
    await rows.document("d1:1", "2026/1")
    for origin, identity, duplicate, code in (
        ("broken.xml", None, None, "U02"),
        ("2026-1-again.xml", "d1:1", "2026/1.xml", "D05"),
        ("2026-1.xml", "d1:1", None, None),
        ("somebody-else.xml", None, None, None),
    ):
        await db.run(
            """INSERT INTO origin (source_id, entity_id, origin_id, fingerprint, identity, duplicate_of, title, issues)
               VALUES (%s, %s, %s, 'f', %s, %s, %s, %s)""",
            rows.source,
            rows.entity,
            origin,
            identity,
            duplicate,
            origin,
            Jsonb([{"code": code}] if code else []),
        )
    found = await documents(db, rows.tenant, not_synced=True)
    assert [(row.title, row.standing) for row in found] == [
        ("2026/1", Standing.WAITING),
        ("2026-1-again.xml", Standing.DUPLICATE),
        ("broken.xml", Standing.UNREADABLE),
    ]
    assert found[1].duplicate_of == "2026/1.xml"


@pytest.fixture
def told(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., Awaitable[str]]:
    """What a command line prints."""
    monkeypatch.setenv("DAGBOEK_DATABASE_URL", database_url)
    monkeypatch.setenv("DAGBOEK_DATA_DIR", str(tmp_path))

    async def printed(*arguments: str) -> str:
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            await asyncio.to_thread(main, arguments)
        assert not end.value.code
        return capsys.readouterr().out

    return printed


async def test_runs_that_wait_have_a_line_each(db: Database, rows: Rows, told: Callable[..., Awaitable[str]]) -> None:
    until = {"state": "parked", "parked_until": clock.now() + timedelta(hours=1), "park_reason": "limit"}
    second = await Rows(db).prepare("south")
    runs = [await rows.run(clock.now(), None, **until), await second.run(clock.now(), None, **until)]
    lines = (await told("history")).splitlines()
    for run in runs:
        assert any(line.startswith(f"{str(run)[:8]}  In progress, goes on at ") for line in lines), lines


async def test_accepted_is_explained_and_payments_are_shown(rows: Rows, told: Callable[..., Awaitable[str]]) -> None:
    run = await rows.run(NOW)
    await rows.item(run, 1, "accepted")
    await rows.item(run, 2, "synced")
    await rows.document("d1:1", "2026/1")
    await rows.link("d1:1", "accepted", accepted_token="t")
    assert "paid" not in await told("documents")
    await rows.document("d1:2", "2026/2")
    await rows.link("d1:2", "booked", entry_id="1", entry_number="7")
    await rows.db.run(
        "INSERT INTO payment_status (link_id, state, currency) "
        "SELECT id, 'partially_paid', 'EUR' FROM link WHERE state = 'booked'"
    )

    shown = await told("documents")
    assert "1 document accepted: the tool has them and books them later" in shown
    assert "2 documents, 0 not synced" in shown
    (line,) = (line for line in shown.splitlines() if "2026/2" in line)
    assert "in part" in line
    assert "1 document accepted" in await told("history", str(run))


async def test_a_run_without_work_says_so(rows: Rows, told: Callable[..., Awaitable[str]]) -> None:
    run = await rows.run(NOW)
    shown = await told("history", str(run))
    assert "There was nothing to send" in shown and "component" not in shown
