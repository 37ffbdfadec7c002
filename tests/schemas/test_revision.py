"""Revision: changes with what would be booked differently, and with nothing else; frozen for ever."""

import itertools
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from dagboek_schemas.documents import (
    AllowanceCharge,
    Approval,
    Attachment,
    Document,
    Line,
    Party,
    Payment,
    Totals,
    VatSubtotal,
)
from dagboek_schemas.revision import document_revision, party_revision, same_document, same_party
from hypothesis import given
from hypothesis import strategies as st

IN_REV1 = {
    "document": "kind direction number issue_date due_date tax_point_date currency exchange_rate order_reference",
    "payment": "reference structured_communication",
    "totals": "net vat gross prepaid rounding payable",
    "line": "quantity price net vat_rate name description vat_category vat_name account cost_centre cost_unit",
    "allowance": "charge amount vat_category vat_rate reason account",
    "subtotal": "category rate taxable tax exemption_code vat_name",
    "party": "vat_number company_number name email phone language",
    "address": "street additional_street city postal_code country",
}
"""The frozen list. It is not changed: a new list is a new version (`rev2`) beside it."""

MODELS: dict[str, Any] = {
    "document": Document,
    "payment": Payment,
    "totals": Totals,
    "line": Line,
    "allowance": AllowanceCharge,
    "subtotal": VatSubtotal,
}

STRUCTURE = {"seller", "buyer", "lines", "allowances_charges", "vat_breakdown", "totals", "payment"}
"""Fields of a document that are models of their own."""


def changed(value: Any) -> Any:
    """Another value of the same sort."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, Decimal):
        return value + 1
    if isinstance(value, date):
        return value.replace(day=value.day % 28 + 1)
    return {"sales": "purchase", "invoice": "credit_note", "EUR": "USD", "BE": "NL"}.get(value, f"{value}9")


def with_part(document: Document, part: str, update: dict[str, Any]) -> Document:
    """The document with fields of one of its parts changed."""
    data = document.model_dump()
    target: Any = {
        "document": data,
        "payment": data["payment"],
        "totals": data["totals"],
        "line": data["lines"][0],
        "allowance": data["allowances_charges"][0],
        "subtotal": data["vat_breakdown"][1],
    }[part]
    target.update(update)
    return Document.model_validate(data)


def listed(*parts: str) -> list[tuple[str, str]]:
    return [(part, name) for part in parts for name in IN_REV1[part].split()]


def not_listed() -> list[tuple[str, str]]:
    return [
        (part, name)
        for part, model in MODELS.items()
        for name in model.model_fields
        if name not in IN_REV1[part].split() and not (part == "document" and name in STRUCTURE)
    ]


OTHER_VALUES: dict[str, Any] = {
    "approval": Approval.REFUSED,
    "attachments": (Attachment(ref="2", file_name="other.pdf", media_type="application/pdf"),),
    "preceding_invoices": ("2025-1",),
    "accounts": ("BE68539007547034",),
    "delivery_date": date(2026, 1, 1),
    "tax_currency": "USD",
    "vat_in_tax_currency": Decimal(1),
    "source_url": "https://app.example/7",
}


@pytest.mark.parametrize(("part", "name"), listed(*MODELS))
def test_a_business_field_makes_another_revision(invoice: Document, part: str, name: str) -> None:
    data = invoice.model_dump()
    where = {"line": "lines", "allowance": "allowances_charges", "subtotal": "vat_breakdown"}
    values = data if part == "document" else data[where.get(part, part)]
    values = values[1 if part == "subtotal" else 0] if isinstance(values, tuple | list) else values
    other = with_part(invoice, part, {name: changed(values[name])})
    assert other != invoice
    assert document_revision(other) != document_revision(invoice)
    assert not same_document(document_revision(invoice), other)


@pytest.mark.parametrize(("part", "name"), not_listed())
def test_any_other_field_makes_none(invoice: Document, part: str, name: str) -> None:
    """Approval, addresses of files and pages, notes, the source's own sums: nothing is booked by them."""
    value = OTHER_VALUES.get(name, Decimal("5.55") if part == "totals" else "something")
    other = with_part(invoice, part, {name: value})
    assert other != invoice
    assert document_revision(other) == document_revision(invoice)


def test_the_list_is_whole(invoice: Document) -> None:
    assert document_revision(invoice.model_copy(update={"lines": invoice.lines[:1]})) != document_revision(invoice)
    assert document_revision(invoice.model_copy(update={"allowances_charges": ()})) != document_revision(invoice)
    assert document_revision(invoice.model_copy(update={"vat_breakdown": ()})) != document_revision(invoice)


@pytest.mark.parametrize("rows", ["lines", "vat_breakdown"])
def test_the_order_of_rows_is_part_of_a_document(invoice: Document, rows: str) -> None:
    turned = invoice.model_copy(update={rows: getattr(invoice, rows)[::-1]})
    assert document_revision(turned) != document_revision(invoice)


def test_the_order_of_keys_is_not(invoice: Document) -> None:
    backwards = dict(reversed(invoice.model_dump(mode="json").items()))
    assert document_revision(Document.model_validate(backwards)) == document_revision(invoice)


@pytest.mark.parametrize(
    ("part", "update"),
    [
        ("line", {"net": Decimal("50.0000")}),
        ("line", {"net": Decimal("5E+1"), "quantity": Decimal("10.000")}),
        ("line", {"name": " bread "}),
        ("totals", {"payable": Decimal("101")}),
        ("document", {"number": "2026-0007 "}),
        ("payment", {"reference": "Your  Order"}),
    ],
)
def test_another_way_to_write_the_same_is_the_same_revision(
    invoice: Document, part: str, update: dict[str, Any]
) -> None:
    assert document_revision(with_part(invoice, part, update)) == document_revision(invoice)


def test_nothing_and_an_empty_text_are_the_same_but_nothing_and_zero_are_not(invoice: Document) -> None:
    bare = with_part(invoice, "line", {"account": None})
    assert document_revision(with_part(invoice, "line", {"account": ""})) == document_revision(bare)
    free = with_part(invoice, "line", {"price": Decimal("0.00")})
    assert document_revision(with_part(invoice, "line", {"price": None})) != document_revision(free)
    assert document_revision(with_part(invoice, "line", {"price": Decimal("-0")})) == document_revision(free)


def test_details_of_the_other_party_are_the_partys_own_revision(invoice: Document) -> None:
    moved = invoice.buyer.model_copy(update={"email": "new@cafe.example", "name": "Bar Ångström"})
    assert document_revision(invoice.model_copy(update={"buyer": moved})) == document_revision(invoice)
    assert party_revision(moved) != party_revision(invoice.buyer)
    stranger = Party(name="Someone else", vat_number="BE0111111152")
    assert document_revision(invoice.model_copy(update={"buyer": stranger})) != document_revision(invoice)


def test_the_company_itself_is_no_part_of_its_documents_revision(invoice: Document) -> None:
    renamed = invoice.seller.model_copy(update={"name": "Bakkerij Zuid NV", "vat_number": None})
    assert document_revision(invoice.model_copy(update={"seller": renamed})) == document_revision(invoice)


@pytest.mark.parametrize("name", IN_REV1["party"].split())
def test_a_field_of_a_party_makes_another_revision(invoice: Document, name: str) -> None:
    other = invoice.buyer.model_copy(update={name: changed(getattr(invoice.buyer, name))})
    assert party_revision(other) != party_revision(invoice.buyer)
    assert not same_party(party_revision(invoice.buyer), other)


@pytest.mark.parametrize("name", IN_REV1["address"].split())
def test_a_field_of_an_address_makes_another_revision(invoice: Document, name: str) -> None:
    address = invoice.buyer.address
    other = address.model_copy(update={name: changed(getattr(address, name))})
    assert party_revision(invoice.buyer.model_copy(update={"address": other})) != party_revision(invoice.buyer)


@pytest.mark.parametrize("name", sorted(set(Party.model_fields) - {*IN_REV1["party"].split(), "address"}))
def test_any_other_field_of_a_party_makes_none(invoice: Document, name: str) -> None:
    other = invoice.buyer.model_copy(update={name: "something"})
    assert other != invoice.buyer
    assert party_revision(other) == party_revision(invoice.buyer)


def test_the_comparison_uses_the_version_that_was_written(invoice: Document) -> None:
    assert same_document(document_revision(invoice, "rev1"), invoice)
    assert same_party(party_revision(invoice.buyer, "rev1"), invoice.buyer)
    with pytest.raises(KeyError):
        same_document("rev0:" + "0" * 40, invoice)


amounts = st.decimals(-(10**9), 10**9, allow_nan=False, allow_infinity=False, places=4)


@given(amounts, st.integers(0, 6))
def test_zeros_behind_a_number_say_nothing(amount: Decimal, places: int) -> None:
    longer = amount.quantize(Decimal(10) ** -(4 + places))
    one, other = (line_revision(Line(id="1", net=net)) for net in (amount, longer))
    assert one == other


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=5), min_size=2, max_size=2, unique=True))
def test_a_text_does_not_flow_into_the_next_field(texts: list[str]) -> None:
    """`ab` + `c` and `a` + `bc` differ, also when a text holds the sign between fields."""
    one, other = texts
    for name, description in itertools.permutations((one, other)):
        first = Line(id="1", net=Decimal(1), name=name + description)
        second = Line(id="1", net=Decimal(1), name=name, description=description)
        if description.strip():
            assert line_revision(first) != line_revision(second)


def test_revisions_stay_what_they_are_over_releases(invoice: Document) -> None:
    """Golden: if these change, every booked document would look changed after an upgrade."""
    assert document_revision(invoice) == "rev1:ca669c202fdfad78e4a6be5435fad867c4b55dcc"
    assert (
        document_revision(with_part(invoice, "document", {"direction": "purchase"}))
        == "rev1:d31891bd1d90e0996cbda5879655dc53968a14f6"
    )
    assert party_revision(invoice.buyer) == "rev1:bd362dae6e89c317778de959d561bef3a9f28fb1"
    assert party_revision(Party(name="A")) == "rev1:c419d24dd49824bbfa5292e6fc873611c36ac15d"


def line_revision(line: Line) -> str:
    zero = Decimal(0)
    return document_revision(
        Document(
            kind="invoice",
            direction="sales",
            number="1",
            issue_date=date(2026, 2, 3),
            currency="EUR",
            seller=Party(name="S"),
            buyer=Party(name="B"),
            lines=(line,),
            totals=Totals(lines=zero, net=zero, vat=zero, gross=zero, payable=zero),
        )
    )
