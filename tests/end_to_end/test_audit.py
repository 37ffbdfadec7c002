"""An audit of each tool against its sandbox's books, in which somebody has been at work."""

import json
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from dagboek import connections
from dagboek.audit import records
from dagboek.audit.comparing import Kind
from dagboek.audit.records import AuditRow, FindingRow
from dagboek.chaos.ubl import Ubl, UblLine
from dagboek_sdk.accounting import Period
from end_to_end.harness import (
    Installation,
    exact,
    exact_settings,
    octopus,
    settings_of,
    write_files,
    yuki,
    yuki_settings,
)
from end_to_end.test_commands import dagboek_command

MARCH = Period(date(2026, 3, 1), date(2026, 3, 31))
NUMBERS = [f"2026-{place:03}" for place in range(1, 8)]
GONE, DEARER, MOVED, TWICE, RENAMED, FINE, AWAITED = NUMBERS
OTHERS = "H-77"


@dataclass
class Books:
    """A sandbox of a tool, and how a person works in it: by the document's number."""

    tool: str
    start: Any
    settings: Any
    names: Callable[[dict[str, Any]], dict[str, Any]]
    """How the sandbox's calls name an entry."""
    type_in: Callable[[str], dict[str, Any]]
    """What `book_by_hand` is told of a sale of 100.00 and VAT, of 2 March."""
    dearer: str
    """What `alter_by_hand` is told so that 363.00 are due."""
    rename: str = "comment"
    sandbox: Any = field(default=None)

    @property
    def dossier(self) -> Any:
        return self.sandbox.control.status()["dossiers"][0]["id"]

    def entry(self, number: str) -> dict[str, Any]:
        (found,) = [one for one in self.sandbox.control.entries(self.dossier) if one["comment"] == number]
        return self.names(found)

    def at_work(self) -> None:
        """One is deleted, one made dearer, one moved, one typed again, one renumbered; one is somebody else's."""
        control, dossier = self.sandbox.control, self.dossier
        for number in (TWICE, OTHERS):
            control.book_by_hand(dossier, **self.type_in(number))
        control.alter_by_hand(dossier, **self.entry(DEARER), amount=self.dearer)
        control.alter_by_hand(dossier, **self.entry(MOVED), date="2026-04-09")
        control.alter_by_hand(dossier, **self.entry(RENAMED), **{self.rename: "26/5"})
        control.delete_by_hand(dossier, **self.entry(GONE))


def by_journal(entry: dict[str, Any]) -> dict[str, Any]:
    return {"journal": entry["journal"], "number": entry["number"]}


TOOLS = [
    Books(
        "octopus",
        octopus,
        settings_of,
        by_journal,
        lambda number: {"journal": "V1", "date": "2026-03-02", "amount": "121.00", "comment": number, "account": 700000,
                        "name": "Bakkerij De Klaver BV" if number == TWICE else "Iemand anders"},
        "363.00",
    ),
    Books(
        "exact",
        exact,
        exact_settings,
        by_journal,
        lambda number: {"journal": "70", "date": "2026-03-02", "amount": "100.00", "vat_code": "V21",
                        "comment": number, "name": "Bakkerij De Klaver BV" if number == TWICE else "Iemand anders"},
        "300.00",
    ),
    Books(
        "yuki",
        yuki,
        yuki_settings,
        lambda entry: {"number": entry["comment"]},
        lambda number: {"number": number, "date": "2026-03-02", "amount": "100.00", "account": "700000",
                        "name": "Bakkerij De Klaver BV" if number == TWICE else "Iemand anders"},
        "300.00",
        rename="new_number",
    ),
]  # fmt: skip


@pytest.fixture(params=TOOLS, ids=lambda one: one.tool)
async def books(request: pytest.FixtureRequest) -> AsyncIterator[Books]:
    made: Books = request.param
    async with AsyncExitStack() as stack:
        made.sandbox = await stack.enter_async_context(made.start())
        yield made


async def audited(house: Installation, connection: UUID, period: Period = MARCH) -> tuple[AuditRow, list[FindingRow]]:
    """An audit from request to end, and all that it found."""
    row = await connections.find(house.db, connection)
    expected = await records.estimate(house.db, house.db, house.plugins, house.vault, row, period)
    audit = await records.request(house.db, row, period, "a test", expected)
    await house.until(
        "SELECT 1 AS done FROM audit WHERE id = %s AND state IN ('done', 'failed', 'cancelled')", audit, seconds=120
    )
    found = await records.one(house.db, row.tenant_id, audit)
    return found, await records.findings(house.db, audit, limit=1000)


def told(found: list[FindingRow]) -> dict[tuple[str, str], set[str]]:
    """Differences by kind and number of the document, or of the entry where there is none."""
    return {
        (one.kind, one.document_number or one.entry_reference or "?"): {str(what) for what in one.differences}
        for one in found
    }


async def test_what_somebody_did_in_the_books_is_found(house: Installation, books: Books, tmp_path: Path) -> None:
    folder = tmp_path / "ubl"
    sales = [Ubl(number, lines=(UblLine("50.00" if number == RENAMED else "100.00"),)) for number in NUMBERS]
    write_files(folder, [*sales, Ubl("C-1", credit=True), Ubl("2026-900", date="2026-05-04")])
    connection = await house.connection(
        books.sandbox, tenant=f"Audit {books.tool}", folder=folder, plugin=books.tool, settings=books.settings()
    )
    run = await house.sync(connection)
    assert run["status"] == "Success", await house.states(run["id"])
    link = await house.link(connection, AWAITED)
    await house.db.run("UPDATE link SET state = 'needs_person' WHERE id = %s", link["id"])

    before, found = await audited(house, connection)

    assert before.state == "done", before.issue
    assert told(found) == {("waiting", AWAITED): set()} | {("found", one): set() for one in [*NUMBERS[:-1], "C-1"]}
    assert before.counts == {Kind.WAITING: 1, Kind.FOUND: 7}
    there = books.sandbox.control.entries(books.dossier)

    books.at_work()
    standing = books.sandbox.control.entries(books.dossier)
    assert standing != there
    after, found = await audited(house, connection)

    assert after.state == "done", after.issue
    tells = told(found)
    renamed = tells.pop(("differs", RENAMED), None) or tells.pop(("missing", RENAMED))
    assert renamed >= {"reference"}
    assert tells.pop(("twice", TWICE)) <= {"entry", "party", "journal"}
    assert tells == {
        ("missing", GONE): set(),
        ("differs", DEARER): {"amount"},
        ("differs", MOVED): {"date"},
        ("others", OTHERS): set(),
        ("waiting", AWAITED): set(),
        **{("found", one): set() for one in (TWICE, FINE, "C-1")},
    }
    dearer = next(one for one in found if one.document_number == DEARER)
    assert (dearer.document_gross, dearer.entry_gross, dearer.difference) == (Decimal(121), Decimal(363), Decimal(242))
    assert (dearer.document_currency, dearer.entry_currency) == ("EUR", "EUR")
    assert after.calls <= after.expected_calls + 1
    assert books.sandbox.control.entries(books.dossier) == standing, "an audit changes nothing"


async def test_an_audit_that_is_killed_goes_on_where_it_was(house: Installation, tmp_path: Path) -> None:
    """Its lease ends, and whoever is there takes it up; what was read is not read again."""
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl("2026-001")])
    async with yuki() as sandbox:
        connection = await house.connection(
            sandbox, tenant="Audit killed", folder=folder, plugin="yuki", settings=yuki_settings()
        )
        await house.sync(connection)
        row = await connections.find(house.db, connection)
        calls = len(sandbox.control.requests(last=1000)["requests"])
        await house.db.run(
            """INSERT INTO audit (tenant_id, connection_id, administration_id, first_day, last_day, requested_by,
                                  state, claim, cursor, due_at, started_at, expected_calls)
               VALUES (%s, %s, %s, %s, %s, 'x', 'running', 3, 'purchase', now() + interval '2 seconds', now(), 3)""",
            row.tenant_id,
            row.id,
            row.administration_id,
            MARCH.first,
            MARCH.last,
        )
        ended = await house.until("SELECT * FROM audit WHERE connection_id = %s AND state = 'done'", connection)
        assert ended["claim"] == 4
        assert ended["counts"] == {"missing": 1}, "sales were not read once more"
        ledger = [one["operation"] for one in sandbox.control.requests(last=1000)["requests"][calls:]]
        assert ledger.count("AccountingInfo.GetTransactionDetails") == 1

        found = await dagboek_command(house, "audit", str(connection), "--from", "2026-03-01", "--to", "2026-03-31")
        assert found.returncode == 0, found.stderr
        assert "1 found. 1 of the tool's entries were read" in found.stdout
        assert "Takes 3 calls of the tool's or more" in found.stderr
        sandbox.control.delete_by_hand(sandbox.control.status()["dossiers"][0]["id"], number="2026-001")
        period = ("--from", "2026-03-01", "--to", "2026-03-31")
        found = await dagboek_command(house, "audit", str(connection), *period, "--json")
        assert found.returncode == 1, found.stderr
        told = json.loads(found.stdout)
        assert [(one["kind"], one["document_number"]) for one in told["findings"]] == [("missing", "2026-001")]
        assert [one["code"] for one in told["remarks"]] == ["Y46"]
