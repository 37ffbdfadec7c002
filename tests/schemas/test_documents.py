"""Canonical documents: amounts are exact decimals on every way, and what is no amount is refused."""

import json
from decimal import Decimal
from typing import Any

import jsonschema
import pytest
from dagboek_schemas import generate
from dagboek_schemas.documents import Direction, Document, LedgerAccount, Line, PaymentState, PaymentStatus, Totals
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

amounts = st.decimals(
    min_value=Decimal("-99999999999999"),
    max_value=Decimal("99999999999999"),
    allow_nan=False,
    allow_infinity=False,
    places=10,
)


def floats_in(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [one for part in value.values() for one in floats_in(part)]
    if isinstance(value, list):
        return [one for part in value for one in floats_in(part)]
    return [value] if isinstance(value, float) else []


def test_amounts_are_texts_in_json(invoice: Document) -> None:
    data = json.loads(invoice.model_dump_json())
    assert floats_in(data) == []
    assert data["totals"]["payable"] == "101.00"
    assert data["lines"][0]["price"] == "5.00"
    assert floats_in(invoice.model_dump(mode="json")) == []


def test_a_document_survives_the_way_through_json(invoice: Document) -> None:
    again = Document.model_validate_json(invoice.model_dump_json())
    assert again == invoice
    assert str(again.totals.payable) == "101.00"


@given(amounts)
def test_any_amount_survives_the_way_through_json_digit_for_digit(amount: Decimal) -> None:
    line = Line(id="1", net=amount)
    again = Line.model_validate_json(line.model_dump_json())
    assert str(again.net) == str(amount)


@pytest.mark.parametrize("amount", ["NaN", "Infinity", "-Infinity", "1e400", "0.12345678901", "one", "", None])
def test_what_is_no_amount_is_refused(amount: Any) -> None:
    with pytest.raises(ValidationError):
        Line.model_validate({"id": "1", "net": amount})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("currency", "eur"),
        ("currency", "EURO"),
        ("direction", "both"),
        ("issue_date", "2026-02-30"),
        ("colour", "blue"),
    ],
)
def test_what_is_no_document_is_refused(invoice: Document, field: str, value: str) -> None:
    with pytest.raises(ValidationError, match=field):
        Document.model_validate(invoice.model_dump() | {field: value})


def test_a_document_does_not_change(invoice: Document) -> None:
    with pytest.raises(ValidationError):
        invoice.number = "8"  # type: ignore[misc]


def test_the_other_party_is_who_we_deal_with(invoice: Document) -> None:
    assert invoice.other_party is invoice.buyer
    assert invoice.model_copy(update={"direction": Direction.PURCHASE}).other_party is invoice.seller


def test_what_is_written_fits_the_published_schema(invoice: Document) -> None:
    schema = json.loads((generate.FOLDER / "documents.schema.json").read_text())
    check = jsonschema.Draft202012Validator(schema)
    written = [
        invoice,
        invoice.buyer,
        LedgerAccount(code="700000", name="Sales"),
        PaymentStatus(entry_id="7", state=PaymentState.PARTIALLY_PAID, open_amount=Decimal("1.10"), currency="EUR"),
    ]
    for model in written:
        check.validate(json.loads(model.model_dump_json()))
        check.validate(json.loads(model.model_dump_json(exclude_none=True)))
    with pytest.raises(jsonschema.ValidationError):
        check.validate({"colour": "blue"})


def test_a_float_is_no_amount_in_the_published_schema() -> None:
    schema = json.loads((generate.FOLDER / "documents.schema.json").read_text())
    net = schema["$defs"]["Totals"]["properties"]["net"]
    assert net["type"] == "string"
    for right in ("-121.05", "0", str(Decimal("5E+1")), str(Decimal("0E-10"))):
        jsonschema.validate(right, net)
    for wrong in (121.05, "121,05", "NaN"):
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(wrong, net)


def test_every_amount_of_the_totals_is_exact() -> None:
    totals = Totals.model_validate_json('{"lines":"0.1","net":"0.2","vat":"0.3","gross":"0.5","payable":"0.5"}')
    assert totals.lines + totals.net == totals.vat
