"""The preview: what would be booked, as journal lines, with the reason of each account; nothing is written."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from dagboek.chaos.ubl import Ubl, UblLine
from dagboek.preview import Would, preview
from dagboek_schemas.statuses import Component, ItemKind
from end_to_end.harness import Installation, settings_of, write_files

TABLES = ("document", "origin", "run", "item", "link", "attempt", "series", "lane")


async def test_preview_shows_what_a_run_would_book_and_writes_nothing(
    dagboek: Installation, sandbox: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    write_files(
        folder,
        [
            Ubl("2026/1", lines=(UblLine("100.00"), UblLine("50.00", rate="6"))),
            Ubl("2026/2", lines=(UblLine("10.00", rate="12"),)),
            Ubl("2026/3", credit=True),
        ],
    )
    (folder / "again.xml").write_text((folder / "2026_1.xml").read_text())
    (folder / "broken.xml").write_text("<Invoice")
    accounts = {"21": "700021", "6": "700006"}
    connection = await dagboek.connection(sandbox, folder=folder, settings=settings_of(accounts))
    before = await _counts(dagboek), len(sandbox.requests.last(10_000))

    found = await preview(dagboek.db, dagboek.plugins, dagboek.vault, connection)

    assert (await _counts(dagboek), len(sandbox.requests.last(10_000))) == before
    assert sandbox.books.entries() == []
    rows = {(row.title, row.origin_id): row for row in found.rows}
    invoice = rows["2026/1", "2026_1.xml"]
    assert (invoice.would, invoice.journal, invoice.component) == (Would.BOOK, "V1", Component.SALES_INVOICES)
    assert sum(line.debit for line in invoice.lines) == sum(line.credit for line in invoice.lines) == Decimal("174.00")
    by_account = {line.account: line for line in invoice.lines}
    assert by_account["700006"].credit == Decimal("50.00")
    assert by_account["700006"].because.startswith("ledger account for 6 %")
    assert [issue.code for issue in rows["2026/2", "2026_2.xml"].issues] == ["B04"]
    note = rows["2026/3", "2026_3.xml"]
    assert (note.would, note.journal) == (Would.BOOK, "V2")
    assert {line.account: line.debit for line in note.lines}["700021"] == Decimal("100.00")
    assert [issue.code for issue in rows["2026/1", "again.xml"].issues] == ["D05"]
    assert rows["broken.xml", "broken.xml"].would is Would.SKIP
    assert [row.title for row in found.rows if row.kind is ItemKind.PARTY] == ["Bakkerij De Klaver BV"]
    assert found.rows[0].kind is ItemKind.PARTY
    assert found.rows[-1].title == "broken.xml"


async def test_what_is_booked_already_is_unchanged(dagboek: Installation, sandbox: Any, tmp_path: Path) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/1")])
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl")
    dagboek.core()
    dagboek.worker()
    await dagboek.sync(connection)

    found = await preview(dagboek.db, dagboek.plugins, dagboek.vault, connection)
    assert [(row.would, row.booking_number) for row in found.rows if row.kind is ItemKind.DOCUMENT] == [
        (Would.UNCHANGED, "1")
    ]


async def _counts(dagboek: Installation) -> list[int]:
    counts = []
    for table in TABLES:
        row = await dagboek.db.one(f"SELECT count(*) AS number FROM {table}")
        assert row is not None
        counts.append(row["number"])
    return counts
