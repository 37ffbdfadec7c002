"""All sound files written by others (../shared/data/ubl beside the checkout) can be booked, to the cent."""

import json
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from dagboek_octopus import lists, mapping
from dagboek_schemas.documents import Direction, Document
from dagboek_sdk.attempt import Booking
from dagboek_sdk.mapping import ZERO, cents
from octopus_books import CONNECTION, OCTOPUS, book_year, context, journal, made_lists

reader = pytest.importorskip("dagboek_ubl.reader")

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "ubl"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no folder shared/data/ubl beside the checkout")


def sound_files() -> list[str]:
    facts = FOLDER / "facts.json"
    if not facts.is_file():
        return []
    return [row["file"] for row in json.loads(facts.read_text("utf-8")) if row["verdict"] == "ok"]


@cache
def facts() -> dict[str, dict[str, Any]]:
    return {row["file"]: row for row in json.loads((FOLDER / "facts.json").read_text("utf-8"))}


YEARS = range(2005, 2030)
LISTS = made_lists(years=[book_year(year, year) for year in YEARS], accounts=[], complete=frozenset())
LISTS = {
    **LISTS,
    "journals": lists.journal_rows({str(year): [journal(key) for key in ("A1", "A2", "V1", "V2")] for year in YEARS}),
}
TABLES = lists.tables(LISTS)


def book(document: Document) -> Booking:
    """A purchase is what a received file is; both sides are tried, as an entity may be either."""
    return mapping.map_document(document, context(CONNECTION, LISTS), TABLES, OCTOPUS)


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("file", sound_files())
def test_a_sound_file_is_booked_with_its_own_amounts(file: str, direction: Direction) -> None:
    read = reader.read_file(FOLDER / file)
    assert read.document is not None, read.issues
    document = read.document.model_copy(update={"direction": direction})
    booking = book(document)
    effect, rows = facts()[file]["effect"], booking.payload["bookingLines"]
    base = sum((Decimal(row["baseAmount"]) for row in rows), ZERO)
    vat = sum((Decimal(row["vatAmount"]) for row in rows), ZERO)
    assert booking.gross is not None
    sign = -1 if booking.gross < 0 else 1
    totals = document.totals
    assert sign * vat == cents(Decimal(effect["vat"] or 0))
    assert abs(sign * base - totals.rounding - Decimal(effect["net"])) <= Decimal("0.01")
    raises = 1 if document.kind == "invoice" else -1
    assert booking.gross == cents(Decimal(effect["payable"]) + raises * totals.prepaid)
    assert base + vat == abs(booking.gross)
    assert sum((row.debit - row.credit for row in booking.lines), ZERO) == 0
