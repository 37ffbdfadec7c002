"""All files written by others (../shared/data/ubl beside the checkout), against the facts noted about them."""

import hashlib
import json
from collections import defaultdict
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dagboek_schemas.documents import Direction, Document, Kind, Party
from dagboek_schemas.issues import Severity
from dagboek_sdk.sides import entity_of
from dagboek_sdk.source import EntityRef, Fetched
from dagboek_ubl import amounts
from dagboek_ubl.reader import read_file
from dagboek_ubl.source import UblFolder, UblSettings, entities_in
from stdnum.be import ogm_vcs

FOLDER = Path(__file__).parents[3] / "shared" / "data" / "ubl"
pytestmark = pytest.mark.skipif(not FOLDER.is_dir(), reason="no folder shared/data/ubl beside the checkout")

FACTS: list[dict[str, Any]] = json.loads((FOLDER / "facts.json").read_text()) if FOLDER.is_dir() else []
MISSING = {
    "missing-currency": "BR-05",
    "missing-issue_date": "BR-03",
    "missing-lines": "BR-16",
    "missing-payable_amount": "BR-15",
}
BEYOND = {"BR-CL-17"}
"""Rules that the facts do not check: two of the incomplete files use a VAT category that EN 16931 does not know."""

BOOKABLE = [facts for facts in FACTS if facts["verdict"] == "ok"]

each_file = pytest.mark.parametrize("facts", FACTS, ids=lambda facts: facts["file"])
each_bookable_file = pytest.mark.parametrize("facts", BOOKABLE, ids=lambda facts: facts["file"])


def cents(value: Any) -> Decimal:
    return amounts.cents(Decimal(value or 0))


async def fetched(facts: dict[str, Any], party: Party) -> Fetched:
    source = UblFolder(UblSettings(folder=FOLDER), entity_of(party))
    (result,) = await source.fetch([facts["file"]])
    return result


def rules(facts: dict[str, Any]) -> set[str]:
    return {MISSING.get(error["check"], error["check"]) for error in facts["errors"]}


def test_all_113_are_there() -> None:
    assert (len(FACTS), len(BOOKABLE)) == (113, 94)


@each_file
async def test_verdict_and_rules(facts: dict[str, Any]) -> None:
    read = read_file(FOLDER / facts["file"])
    assert read.seller and read.buyer
    for party in (read.seller, read.buyer):
        result = await fetched(facts, party)
        blocking = [issue for issue in result.issues if issue.severity is not Severity.INFORMATION]
        assert (result.document is not None) == (facts["verdict"] == "ok")
        assert {issue.rule for issue in blocking} - BEYOND == rules(facts)
        for issue in blocking:
            assert issue.facts["file"] == facts["file"]


@each_file
def test_figures_of_what_does_not_add_up(facts: dict[str, Any]) -> None:
    told = defaultdict(list)
    for issue in read_file(FOLDER / facts["file"]).issues:
        told[issue.rule].append(issue.facts)
    for error in facts["errors"]:
        if error["check"].startswith("BR-CO"):
            numbers = [(one["expected"], one["found"]) for one in told[error["check"]]]
            assert any(
                f"{expected}" in error["detail"] and f"says {found}" in error["detail"] for expected, found in numbers
            )


@each_bookable_file
async def test_document_is_right_to_the_cent(facts: dict[str, Any]) -> None:
    read = read_file(FOLDER / facts["file"])
    assert read.seller and read.buyer
    sale, purchase = (await fetched(facts, read.seller)).document, (await fetched(facts, read.buyer)).document
    assert sale and purchase
    assert (sale.direction, purchase.direction) == (Direction.SALES, Direction.PURCHASE)
    assert purchase.model_copy(update={"direction": Direction.SALES}) == sale
    assert_header(sale, facts)
    assert_amounts(sale, facts)


def assert_header(document: Document, facts: dict[str, Any]) -> None:
    assert document.kind is (Kind.CREDIT_NOTE if facts["document_type"] == "CreditNote" else Kind.INVOICE)
    assert document.number == facts["number"]
    assert document.type_code == facts["type_code"]
    days = (document.issue_date, document.due_date, document.tax_point_date, document.delivery_date)
    names = ("issue_date", "due_date", "tax_point_date", "delivery_date")
    assert days == tuple(date.fromisoformat(facts[name]) if facts[name] else None for name in names)
    assert document.currency == facts["currency"]
    assert document.tax_currency == facts["tax_currency"]
    assert document.buyer_reference == facts["buyer_reference"]
    assert document.order_reference == facts["order_reference"]
    assert list(document.preceding_invoices) == facts["preceding_invoices"]
    for party, found in ((document.seller, facts["supplier"]), (document.buyer, facts["customer"])):
        assert (party.name, party.trade_name) == (found["name"], found["trade_name"])
        assert party.vat_number == found["vat"]
        assert party.address.country == found["country"]
        assert (party.endpoint, party.endpoint_scheme) == (found["endpoint"], found["endpoint_scheme"])
        if found["legal_id"]:
            assert (party.company_number, party.company_number_scheme) == (found["legal_id"], found["legal_id_scheme"])
    payment = facts["payment"]
    assert document.payment.reference == (payment["payment_ids"] or [None])[0]
    assert list(document.payment.accounts) == list(dict.fromkeys(payment["accounts"]))
    communication = document.payment.structured_communication
    assert (communication is not None) == any(map(ogm_vcs.is_valid, payment["payment_ids"]))
    embedded = [one for one in facts["attachments"] if one["kind"] == "embedded"]
    assert [one.size for one in document.attachments] == [one["bytes"] for one in embedded]


def assert_amounts(document: Document, facts: dict[str, Any]) -> None:
    nets: dict[str, Decimal] = defaultdict(Decimal)
    for line in document.lines:
        nets[line.id.partition("/")[0]] += line.net
    expected: dict[str, Decimal] = defaultdict(Decimal)
    for line in facts["lines"]:
        expected[line["id"]] += cents(line["net"])
    assert nets == expected
    rows = [(row.charge, row.amount) for row in document.allowances_charges]
    assert rows == [(row["charge"], cents(row["amount"])) for row in facts["document_allowances_charges"]]
    totals, found = document.totals, facts["totals"]
    assert totals.net == cents(found["tax_exclusive"])
    assert totals.lines == cents(found["line_extension"])
    assert totals.vat == cents(facts["tax_total"])
    assert totals.gross == cents(found["tax_inclusive"] or found["tax_exclusive"])
    assert (totals.allowances, totals.charges) == (cents(found["allowance_total"]), cents(found["charge_total"]))
    assert (totals.prepaid, totals.rounding) == (cents(found["prepaid"]), cents(found["rounding"]))
    assert totals.payable == cents(facts["payable_amount"])
    assert document.vat_in_tax_currency == (cents(facts["tax_total_accounting_currency"]) or None)
    told = [(row.category, row.rate, row.taxable, row.tax, row.vat_name) for row in document.vat_breakdown]
    if not facts["vat_breakdown"]:
        assert told == [("O", None, totals.net, Decimal(0), None)]
    else:
        assert told == [
            (row["category"], percent(row), cents(row["taxable"]), cents(row["tax"]), row["name"])
            for row in facts["vat_breakdown"]
            if row["scheme"] == "VAT"
        ]


def percent(row: dict[str, Any]) -> Decimal | None:
    return Decimal(row["percent"]) if row["percent"] else None


async def test_attachments_are_the_bytes_that_were_embedded() -> None:
    for facts in FACTS:
        embedded = [one for one in facts["attachments"] if one["kind"] == "embedded"]
        document = read_file(FOLDER / facts["file"], facts["file"]).document
        if not embedded or document is None:
            continue
        source = UblFolder(UblSettings(folder=FOLDER), entity_of(document.seller))
        for attachment, found in zip(document.attachments, embedded, strict=True):
            assert hashlib.sha256(await source.attachment(attachment.ref)).hexdigest() == found["sha256"]
            assert attachment.media_type == found["mime"]


@pytest.fixture(scope="module")
def suppliers() -> list[EntityRef]:
    return entities_in(FOLDER)


async def test_each_file_is_the_sale_of_one_supplier(suppliers: list[EntityRef]) -> None:
    """What `demo --invoices` does: every supplier an entity; each file is sold by one of them, and one alone."""
    sold: dict[str, int] = defaultdict(int)
    for entity in suppliers:
        source = UblFolder(UblSettings(folder=FOLDER), entity)
        for result in await source.fetch([facts["file"] for facts in FACTS]):
            if (result.issues and result.document is None) or (
                result.document and result.document.direction is Direction.SALES
            ):
                sold[result.origin_id] += 1
    assert {facts["file"]: 1 for facts in FACTS} == sold


async def test_listed_are_the_113() -> None:
    source = UblFolder(UblSettings(folder=FOLDER), EntityRef("nobody"))
    listed = [one.origin_id async for page in source.list(None) for one in page]
    assert sorted(listed) == sorted(facts["file"] for facts in FACTS)
