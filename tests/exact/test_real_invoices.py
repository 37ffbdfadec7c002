"""All sound files of ../shared/data/ubl, as sales and as purchases, and our own samples: in the books to the cent.

What each file comes to was written down apart from the product (`facts.json`).
"""

from collections.abc import Awaitable, Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import real_invoices
from dagboek.plugins import Plugins
from dagboek_exact.plugin import ExactPlugin
from dagboek_schemas.documents import Direction, Document
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk.accounting import MappingContext
from dagboek_sdk.errors import AlreadyThere
from dagboek_sdk.mapping import ZERO, cents, is_credit
from exact_books import BOOKS, COMPONENTS, Division, attempt, context

reader = pytest.importorskip("dagboek_ubl.reader")


@real_invoices.needed
@pytest.mark.parametrize("direction", Direction)
async def test_all_sound_files_stand_in_the_books_with_their_own_amounts(
    start_division: Callable[..., Awaitable[Division]], direction: Direction
) -> None:
    division = await start_division(years=(2005, 2029))
    plugin = await division.plugin()
    ready = context(BOOKS, await plugin.lists())
    due: dict[str, dict[str, Any]] = {}
    for file in real_invoices.sound():
        read = reader.read_file(real_invoices.FOLDER / file)
        assert read.document is not None, (file, read.issues)
        document = read.document.model_copy(update={"direction": direction})
        booked = await book(plugin, ready, document)
        if booked is not None:
            wanted = real_invoices.due(file)
            due[booked] = {**wanted, "vat": charged((rate, *row) for rate, row in wanted["vat"].items())}

    found = await entries(division)

    assert len(due) > 0.9 * len(real_invoices.sound())
    assert {entry: amounts(row, direction) for entry, row in found.items() if entry in due} == due
    assert all(row["balanced"] for row in found.values())
    assert Decimal((await division.get("ledger", dossier=int(division.code)))["difference"]) == 0


async def test_our_own_samples_stand_in_the_books_with_their_own_amounts(
    start_division: Callable[..., Awaitable[Division]],
) -> None:
    division = await start_division(years=(2024, 2028))
    plugin = await division.plugin()
    ready = context(BOOKS, await plugin.lists())
    folder = Path(reader.__file__).parent / "samples"
    rules = Plugins()
    due: dict[str, tuple[Decimal, Decimal]] = {}
    for file in sorted(folder.rglob("*.xml")):
        read = reader.read_file(file)
        for direction in Direction:
            if read.document is None:
                continue
            document = read.document.model_copy(update={"direction": direction})
            component = COMPONENTS[direction, document.kind]
            wrong = [
                *rules.validate_party(document.other_party, component, ready),
                *rules.validate_document(document, component, ready),
            ]
            booked = None if wrong else await book(plugin, ready, document)
            if booked is not None:
                sign = -1 if is_credit(document) else 1
                total = abs(cents(document.totals.payable + document.totals.prepaid))
                due[booked] = sign * total, sign * abs(cents(document.totals.vat))

    found = await entries(division)

    assert len(due) > 20
    assert {entry: (Decimal(found[entry]["total"]), Decimal(found[entry]["vat_total"])) for entry in due} == due
    assert all(row["balanced"] for row in found.values())


async def book(plugin: ExactPlugin, ready: MappingContext, document: Document) -> str | None:
    """The id of the entry, of a document that is booked; None for one that Exact holds already (same file twice)."""
    component = COMPONENTS[document.direction, document.kind]
    role = Component.CUSTOMERS if document.direction is Direction.SALES else Component.SUPPLIERS
    party = plugin.map_party(document.other_party, role, ready)
    relation = (await plugin.push(attempt(party, ItemKind.PARTY, component=role))).entry_id
    booking = plugin.map_document(document, component, ready)
    try:
        return (await plugin.push(attempt(booking, party_entry=relation, component=component))).entry_id
    except AlreadyThere:
        return None


async def entries(division: Division) -> dict[str, Mapping[str, Any]]:
    """Entries of the sandbox's books, by the id that the plugin gives them."""
    rows = await division.get("entries", dossier=int(division.code))
    return {f"{'sales' if row['type'] in (20, 21) else 'purchase'}/{row['id']}": row for row in rows}


def amounts(entry: Mapping[str, Any], direction: Direction) -> dict[str, Any]:
    """Amounts of an entry as the facts have them; `vat` by rate where any is charged."""
    side = BOOKS.side(direction)
    sign = -1 if direction is Direction.SALES else 1
    moved = [
        Decimal(line["document_debit"]) - Decimal(line["document_credit"])
        for line in entry["lines"]
        if str(line["account"]) == side.rounding_account
    ]
    rounding = sign * sum(moved, ZERO)
    return {
        "number": entry["comment"],
        "currency": entry["currency"],
        "net": Decimal(entry["net"]) - rounding,
        "vat": charged((row["percentage"], row["base"], row["vat"]) for row in entry["vat"]),
        "vat_total": Decimal(entry["vat_total"]),
        "rounding": rounding,
        "total": Decimal(entry["total"]),
    }


def charged(rows: Iterable[tuple[Any, Any, Any]]) -> dict[Decimal, tuple[Decimal, Decimal]]:
    """Base and VAT by rate, of rows with VAT."""
    return {Decimal(rate): (Decimal(base), Decimal(vat)) for rate, base, vat in rows if Decimal(vat)}
