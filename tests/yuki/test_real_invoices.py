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
from dagboek_schemas.documents import Direction, Document
from dagboek_schemas.identity import party_identity
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock
from dagboek_sdk.accounting import MappingContext
from dagboek_sdk.attempt import Attempt, Booked
from dagboek_sdk.errors import Refused
from dagboek_sdk.mapping import ZERO, cents, is_credit
from dagboek_yuki.plugin import YukiPlugin
from yuki_books import BOOKS, COMPONENTS, House, attempt, context

reader = pytest.importorskip("dagboek_ubl.reader")
ROUNDED = ("V01/15000025", {Decimal(21): (Decimal("0.83"), Decimal("0.18"))})
LONG = 400 * 24 * 3600
"""Seconds in which every upload is booked."""


@real_invoices.needed
@pytest.mark.parametrize(
    ("direction", "purchases"),
    [(Direction.SALES, "upload"), (Direction.PURCHASE, "upload"), (Direction.PURCHASE, "process")],
)
async def test_all_sound_files_stand_in_the_books_with_their_own_amounts(
    start_house: Callable[..., Awaitable[House]], direction: Direction, purchases: str
) -> None:
    house = await start_house()
    plugin = await house.plugin(purchases=purchases)
    ready = context(BOOKS, await plugin.lists())
    documents: list[Document] = []
    due: list[dict[str, Any]] = []
    for file in real_invoices.sound():
        read = reader.read_file(real_invoices.FOLDER / file)
        assert read.document is not None, (file, read.issues)
        wanted = real_invoices.due(file)
        number = other_number(wanted["number"], due)
        documents.append(read.document.model_copy(update={"direction": direction, "number": number}))
        due.append({**wanted, "number": number, "vat": charged((rate, *row) for rate, row in wanted["vat"].items())})

    refused = await book(plugin, ready, documents)
    await house.tell("clock", advance_seconds=LONG)
    found = await house.get("entries", dossier=house.administration)

    if purchases == "process":  # its lines have no VAT of their own: VAT that was rounded otherwise cannot be told
        assert [(due[place]["number"], due[place]["vat"]) for place in refused] == [ROUNDED]
        due = [one for place, one in enumerate(due) if place not in refused]
    else:
        assert not refused
    assert [amounts(row, direction) for row in found] == due
    assert all(row["balanced"] for row in found)
    assert Decimal((await house.get("ledger", dossier=house.administration))["difference"]) == 0


async def test_our_own_samples_stand_in_the_books_with_their_own_amounts(
    start_house: Callable[..., Awaitable[House]],
) -> None:
    folder = Path(reader.__file__).parent / "samples"
    rules = Plugins()
    for direction in Direction:
        house = await start_house()
        plugin = await house.plugin()
        ready = context(BOOKS, await plugin.lists())
        documents: list[Document] = []
        for file in sorted(folder.rglob("*.xml")):
            read = reader.read_file(file)
            if read.document is None:
                continue
            document = read.document.model_copy(update={"direction": direction})
            component = COMPONENTS[direction, document.kind]
            if not (
                rules.validate_party(document.other_party, component, ready)
                or rules.validate_document(document, component, ready)
            ):
                documents.append(document)

        assert not await book(plugin, ready, documents)
        await house.tell("clock", advance_seconds=LONG)
        found = await house.get("entries", dossier=house.administration)

        assert len(documents) > 10
        assert [(Decimal(row["total"]), Decimal(row["vat_total"])) for row in found] == [*map(totals, documents)]
        assert all(row["balanced"] for row in found)


def other_number(number: str, known: list[dict[str, Any]]) -> str:
    """The files are of many sellers, which have the same numbers: one seller's are all different."""
    times = sum(one["number"].partition(" no ")[0] == number for one in known)
    return f"{number} no {times + 1}" if times else number


async def book(plugin: YukiPlugin, ready: MappingContext, documents: Iterable[Document]) -> list[int]:
    """Sends them all, one by one; the places of those that are refused."""
    attempts: list[Attempt] = []
    for document in documents:
        component = COMPONENTS[document.direction, document.kind]
        role = Component.CUSTOMERS if document.direction is Direction.SALES else Component.SUPPLIERS
        identity = party_identity(document.other_party)
        party = attempt(plugin.map_party(document.other_party, role, ready), ItemKind.PARTY, identity=identity)
        code = await booked_party(plugin, party)
        booking = plugin.map_document(document, component, ready)
        attempts.append(attempt(booking, party_entry=code, component=component))
    refused = []
    for place, one in enumerate(attempts):
        try:
            await plugin.push(one.start(clock.boot_time()))
        except Refused:
            refused.append(place)
    return refused


async def booked_party(plugin: YukiPlugin, party: Attempt) -> str:
    """The contact's code."""
    found = await plugin.push(party)
    assert isinstance(found, Booked)
    return found.entry_id


def totals(document: Document) -> tuple[Decimal, Decimal]:
    sign = -1 if is_credit(document) else 1
    return sign * abs(cents(document.totals.payable + document.totals.prepaid)), sign * abs(cents(document.totals.vat))


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
        "net": Decimal(entry["total"]) - Decimal(entry["vat_total"]) - rounding,
        "vat": charged((row["percentage"], row["base"], row["vat"]) for row in entry["vat"]),
        "vat_total": Decimal(entry["vat_total"]),
        "rounding": rounding,
        "total": Decimal(entry["total"]),
    }


def charged(rows: Iterable[tuple[Any, Any, Any]]) -> dict[Decimal, tuple[Decimal, Decimal]]:
    """Base and VAT by rate, of rows with VAT."""
    return {Decimal(rate): (Decimal(base), Decimal(vat)) for rate, base, vat in rows if Decimal(vat)}
