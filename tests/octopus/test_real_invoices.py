"""All sound files of ../shared/data/ubl as purchases: they stand in the books with the amounts of the facts.

As sales they go through the whole product in `end_to_end/test_real_invoices.py`.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Iterable
from decimal import Decimal
from typing import Any

import pytest
import real_invoices
from dagboek_schemas.documents import Direction
from dagboek_schemas.statuses import Component, ItemKind
from octopus_books import CONNECTION, Dossier, attempt, context

reader = pytest.importorskip("dagboek_ubl.reader")
pytestmark = real_invoices.needed


async def test_all_sound_files_are_booked_as_purchases_with_their_own_amounts(
    start_dossier: Callable[..., Awaitable[Dossier]],
) -> None:
    dossier = await start_dossier(years=(2005, 2029))
    plugin = dossier.plugin()
    ready = context(CONNECTION, await plugin.lists())
    numbers: Counter[str] = Counter()
    due: dict[str, dict[str, Any]] = {}
    for file in real_invoices.sound():
        read = reader.read_file(real_invoices.FOLDER / file)
        assert read.document is not None, (file, read.issues)
        document = read.document.model_copy(update={"direction": Direction.PURCHASE})
        supplier = plugin.map_party(document.other_party, Component.SUPPLIERS, ready)
        relation = (await plugin.push(attempt(supplier, ItemKind.PARTY))).entry_id
        booking = plugin.map_document(document, Component.SUPPLIERS, ready)
        assert booking.series
        numbers[booking.series] += 1
        made = attempt(booking, party_entry=relation, series_number=numbers[booking.series])
        wanted = real_invoices.due(file)
        taxed = charged((rate, base, vat) for rate, (base, vat) in wanted["vat"].items())
        due[(await plugin.push(made)).entry_id] = {**wanted, "vat": taxed}

    entries = {
        f"{entry['bookyear']}/{entry['journal']}/{entry['number']}": entry
        for entry in await dossier.get("entries", dossier=1001)
    }

    assert all(entry["balanced"] for entry in entries.values())
    assert {entry: amounts(row) for entry, row in entries.items()} == due
    assert Decimal((await dossier.get("ledger", dossier=1001))["difference"]) == 0


def amounts(entry: dict[str, Any]) -> dict[str, Any]:
    """Amounts of an entry as the facts have them; `vat` by rate where the supplier charges any."""
    moved = [
        Decimal(line["document_debit"]) - Decimal(line["document_credit"])
        for line in entry["lines"]
        if str(line["account"]) == CONNECTION.purchases.rounding_account
    ]
    rounding = sum(moved, Decimal(0))
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
