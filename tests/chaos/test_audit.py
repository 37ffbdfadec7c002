"""The audit finds what is wrong: true books first, then books and topics that somebody tampered with."""

import asyncio
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from dagboek.chaos.audit import Asked, Audit, Wanted, audit
from dagboek.chaos.told import Headers, told
from dagboek.chaos.ubl import Ubl, UblLine
from end_to_end.harness import Installation, exact, exact_settings, octopus, write_files

NUMBERS = ["A1", "A2", "A3", "A4"]
TOTAL = Decimal("121.00")

Record = tuple[Headers, bytes]


async def test_what_somebody_tampered_with_is_reported(dagboek: Installation, tmp_path: Path) -> None:
    async with octopus() as sandbox:
        write_files(tmp_path / "ubl", [Ubl(number, lines=(UblLine("100.00"),)) for number in NUMBERS])
        connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl")
        dagboek.core()
        dagboek.worker()
        run = await dagboek.sync(connection)
        await dagboek.told(run["id"])
        records: list[Record] = await asyncio.to_thread(dagboek.events)
        asked = Asked({"1001": [Wanted(number, TOTAL) for number in NUMBERS]}, {connection: "1001"})

        async def found(heard: Sequence[Record] = records, wanted: Asked = asked) -> Audit:
            return await audit(dagboek.db, wanted, sandbox.books.entries(), told(heard))

        # as it is
        right = await found()
        assert (right.faults(), right.asked, right.booked, right.waiting) == ({}, 4, 4, [])
        assert (await found([*records, *records])).faults() == {}, "a repeat is no fault"

        # where a series begins is the tool's business
        far = [{**row, "number": row["number"] + 26_700_000} for row in sandbox.books.entries()]
        begins = [{**row, "first": 26_700_001} for row in far]
        assert "gaps" in (await audit(dagboek.db, asked, far, told(records))).faults()
        assert "gaps" not in (await audit(dagboek.db, asked, begins, told(records))).faults()
        assert "gaps" in (await audit(dagboek.db, asked, begins[1:], told(records))).faults()

        # a tool that numbers nothing: no gaps, and the order is that of the list
        named = [{**row, "number": f"N{row['number']}", "first": None} for row in sandbox.books.entries()]
        faults = (await audit(dagboek.db, asked, named, told(records))).faults()
        assert not {"gaps", "order"} & faults.keys()
        assert "order" in (await audit(dagboek.db, asked, named[::-1], told(records))).faults()
        assert "gaps" not in (await audit(dagboek.db, asked, named[1:], told(records))).faults()
        credit = [*named[1:], {**named[0], "total": "-121.00"}]
        assert "order" not in (await audit(dagboek.db, asked, credit, told(records))).faults(), "invoices come first"

        # what was told
        assert (await found(without(records, "A2"))).faults() == {
            "untold": [f"item 1001 sales_invoices A2 (run {run['id']} {place_of(records, 'A2')}): synced",
                       "1001 A2: in the books as 2"],
        }  # fmt: skip
        assert (await found([one for one in records if "run.finished" not in str(one[0])])).faults() == {
            "untold": [f"end of run {run['id']}"]
        }
        assert (await found([*records, *told_as(records, "A3", "77")])).faults() == {
            "told_wrong": ["1001 A3: told as 77, books 3"]
        }

        # what was asked for
        more = Asked({"1001": [*asked.documents["1001"], Wanted("A5", TOTAL)]}, asked.connections)
        assert (await found(wanted=more)).faults() == {"lost": ["1001 A5"]}
        other = Asked({"1001": [*asked.documents["1001"][:3], Wanted("A4", Decimal("242.00"))]}, asked.connections)
        assert (await found(wanted=other)).faults() == {"amounts": ["1001 A4: 121.00, asked for 242.00"]}
        turned = Asked({"1001": asked.documents["1001"][::-1]}, asked.connections)
        assert [*(await found(wanted=turned)).faults()] == ["order"]

        # the books
        sandbox.control.delete_by_hand(1001, journal="V1", number=4)
        gone = await found()
        assert gone.faults() == {
            "lost": ["1001 A4"],
            "database": ["1001 A4: booked as 4, books -"],
            "told_wrong": ["1001 A4: told as 4, books -"],
        }
        assert gone.booked == 3
        by_hand(sandbox, "A4")
        assert (await found()).faults() == {}, "somebody typed it again, under its number"
        by_hand(sandbox, "A2")
        assert (await found()).faults() == {"twice": ["1001 A2 as 2, 5"]}
        by_hand(sandbox, "B9")
        assert (await found()).faults() == {"twice": ["1001 A2 as 2, 5"], "foreign": ["1001 B9 as 6"]}
        sandbox.control.delete_by_hand(1001, journal="V1", number=6)
        sandbox.control.delete_by_hand(1001, journal="V1", number=5)

        # the database
        await dagboek.db.run("UPDATE link SET entry_number = '9' WHERE entry_number = '1'")
        assert (await found()).faults() == {"database": ["1001 A1: booked as 9, books 1"]}
        await dagboek.db.run("UPDATE link SET state = 'free' WHERE entry_number = '9'")
        assert (await found()).faults() == {"database": ["1001 A1: free, and in the books as 1"]}
        await dagboek.db.run(
            "UPDATE link SET state = 'intent', settle_due = now() + interval '1 day' WHERE entry_number = '9'"
        )
        assert (await found()).faults() == {"not_final": ["link of 1001 A1: intent"]}
        await dagboek.db.run("UPDATE link SET state = 'accepted', settle_due = NULL WHERE entry_number = '9'")
        assert (await found()).faults() == {"not_final": ["link of 1001 A1: accepted"]}


async def test_what_waits_for_a_person_is_not_lost_if_the_reason_is_stated(
    dagboek: Installation, tmp_path: Path
) -> None:
    async with octopus() as sandbox:
        write_files(tmp_path / "ubl", [Ubl(number, lines=(UblLine("100.00"),)) for number in NUMBERS])
        connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl")
        sandbox.control.faults(kind="refuse", operation="insertBuySellBooking", code=-22, status=400, after=1, times=1)
        dagboek.core()
        dagboek.worker()
        run = await dagboek.sync(connection)
        await dagboek.told(run["id"])
        heard = told(await asyncio.to_thread(dagboek.events))
        asked = Asked({"1001": [Wanted(number) for number in NUMBERS]}, {connection: "1001"})

        found = await audit(dagboek.db, asked, sandbox.books.entries(), heard)
        assert found.faults() == {}
        assert (found.booked, found.waiting) == (3, ["1001 A2: skipped O20"])
        await dagboek.db.run("UPDATE item SET issues = '[]' WHERE title = 'A2'")
        assert (await audit(dagboek.db, asked, sandbox.books.entries(), heard)).faults() == {"lost": ["1001 A2"]}


async def test_a_tool_that_gives_the_numbers_and_changes_no_entries(dagboek: Installation, tmp_path: Path) -> None:
    numbers, books, before = ["A1", "A2", "A3"], "3100001", frozenset((TOTAL,))
    async with exact() as sandbox:
        write_files(tmp_path / "ubl", [Ubl(number, lines=(UblLine("100.00"),)) for number in numbers])
        connection = await dagboek.connection(
            sandbox, folder=tmp_path / "ubl", plugin="exact", settings=exact_settings()
        )
        dagboek.core()
        dagboek.worker()
        await dagboek.sync(connection)
        write_files(tmp_path / "ubl", [Ubl("A2", lines=(UblLine("200.00"),))])
        run = await dagboek.sync(connection)
        await dagboek.told(run["id"])
        heard = told(await asyncio.to_thread(dagboek.events))

        async def found(changed: Wanted) -> Audit:
            asked = Asked({books: [Wanted("A1", TOTAL), changed, Wanted("A3", TOTAL)]}, {connection: books})
            return await audit(dagboek.db, asked, sandbox.books.entries(), heard)

        right = await found(Wanted("A2", Decimal("242.00"), before))
        assert (right.faults(), right.booked, right.waiting) == ({}, 3, [])
        assert right.not_adapted == [f"{books} A2: skipped D07"]
        wrong = await found(Wanted("A2", Decimal("242.00"), frozenset((Decimal("120.00"),))))
        assert wrong.faults() == {"amounts": [f"{books} A2: 121.00, asked for 242.00"]}, "it was never asked for so"

        first, second, _ = (entry["number"] for entry in sandbox.books.entries())
        assert first > 1, "the tool's own numbers"
        sandbox.control.delete_by_hand(int(books), journal="70", number=second)
        gone = (await found(Wanted("A2", Decimal("242.00"), before))).faults()
        assert gone["gaps"] == [f"{books} 70 2026"]
        assert "database" in gone and "lost" not in gone, "a person was told of it, for another reason"


def without(records: Sequence[Record], number: str) -> list[Record]:
    """The records but for those of one document."""
    return [one for one in records if json.loads(one[1]).get("document_number") != number]


def place_of(records: Sequence[Record], number: str) -> int:
    """Its place in the run."""
    return next(int(json.loads(value)["sequence"]) for _, value in records if f'"{number}"'.encode() in value)


def told_as(records: Sequence[Record], number: str, booking_number: str) -> list[Record]:
    """The records of a document, with another booking number."""
    chosen = [(headers, json.loads(value)) for headers, value in records if f'"{number}"'.encode() in value]
    return [(headers, json.dumps({**data, "booking_number": booking_number}).encode()) for headers, data in chosen]


def by_hand(sandbox: Any, comment: str) -> None:
    """A person books the same document, or another one."""
    sandbox.control.book_by_hand(
        1001, journal="V1", date="2026-03-02", amount="121.00", vat_code="21", account=700000, comment=comment
    )
