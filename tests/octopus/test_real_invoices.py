"""All sound files written by others (../shared/data/ubl beside the checkout) can be booked, to the cent."""

import json
from collections import Counter
from collections.abc import Awaitable, Callable
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from dagboek_octopus import lists, mapping
from dagboek_schemas.documents import Direction, Document
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk.attempt import Booking
from dagboek_sdk.mapping import ZERO, cents
from octopus_books import CONNECTION, OCTOPUS, Dossier, attempt, book_year, context, journal, made_lists

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


async def test_all_of_them_stand_in_the_books_with_their_own_amounts(
    start_dossier: Callable[..., Awaitable[Dossier]],
) -> None:
    dossier = await start_dossier(years=(YEARS[0], YEARS[-1]))
    plugin = dossier.plugin()
    ready = context(CONNECTION, await plugin.lists())
    numbers: Counter[str] = Counter()
    meant: dict[str, Booking] = {}
    for file in sound_files():
        read = reader.read_file(FOLDER / file)
        assert read.document is not None
        for direction in Direction:
            document = read.document.model_copy(update={"direction": direction})
            component = Component.CUSTOMERS if direction is Direction.SALES else Component.SUPPLIERS
            party = attempt(plugin.map_party(document.other_party, component, ready), ItemKind.PARTY)
            relation = (await plugin.push(party)).entry_id
            booking = plugin.map_document(document, component, ready)
            assert booking.series
            numbers[booking.series] += 1
            made = attempt(booking, party_entry=relation, series_number=numbers[booking.series])
            meant[(await plugin.push(made)).entry_id] = booking
    entries = await dossier.get("entries", dossier=1001)
    assert len(entries) == len(meant) == 2 * len(sound_files())
    for entry in entries:
        booking = meant[f"{entry['bookyear']}/{entry['journal']}/{entry['number']}"]
        assert entry["balanced"]
        assert (Decimal(entry["total"]), entry["currency"]) == (booking.gross, booking.currency)
        shown = sum((row.debit - row.credit for row in booking.lines if row.because == "VAT"), ZERO)
        assert abs(Decimal(entry["vat_total"])) == abs(shown)
    assert Decimal((await dossier.get("ledger", dossier=1001))["difference"]) == 0
