"""Identity: the same over sources, spellings and reinstalled integrations, and never a name in clear."""

import re
from datetime import date

import pytest
from dagboek_schemas.documents import Address, Direction, Document, Kind, Party
from dagboek_schemas.identity import (
    document_identity,
    fiscal_year,
    legal_identity,
    normal_number,
    normal_text,
    normal_vat,
    party_identity,
)
from hypothesis import given
from hypothesis import strategies as st

TENANT = "0198f0aa-0000-7000-8000-000000000002"
ENTITY = "BE0123456749"


def identity(document: Document, tenant: str = TENANT, entity: str = ENTITY, first_month: int = 1) -> str:
    return document_identity(document, tenant, entity, first_month)


def but(document: Document, **changes: object) -> Document:
    """The document with some fields changed, checked anew."""
    return Document.model_validate(document.model_dump() | changes)


@pytest.fixture
def purchase(invoice: Document) -> Document:
    return but(invoice, direction=Direction.PURCHASE)


@pytest.mark.parametrize(
    "written", ["BE 0123.456.749", "be0123456749", " BE-0123-456-749 ", "BE 0123 456 749", "BE/0123.456.749"]
)
def test_a_registration_number_is_the_same_however_it_is_written(written: str) -> None:
    assert normal_number(written) == "BE0123456749"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-0007", " 2026-0007 "),
        ("FACT 7", "fact  7"),
        ("Straße", "STRASSE"),
        ("Ångström", "A\u030angstro\u0308m"),
        ("№ 7", "No 7"),
        ("7\u00a08", "7 8"),
    ],
)
def test_text_is_the_same_however_it_is_written(one: str, other: str) -> None:
    assert normal_text(one) == normal_text(other)


@pytest.mark.parametrize(("one", "other"), [("2026-7", "2026-07"), ("A1", "A 1"), ("F-7", "F7")])
def test_numbers_that_differ_in_more_than_spelling_stay_apart(one: str, other: str) -> None:
    """A wrong merge loses a document; a missed one is seen by a person."""
    assert normal_text(one) != normal_text(other)


@given(st.text())
def test_normal_text_is_stable(text: str) -> None:
    assert normal_text(normal_text(text)) == normal_text(text)


@given(st.text())
def test_normal_number_is_stable_and_plain(text: str) -> None:
    assert re.fullmatch("[0-9A-Z]*", normal_number(text))
    assert normal_number(normal_number(text)) == normal_number(text)


@pytest.mark.parametrize(
    ("day", "first_month", "year"),
    [
        (date(2026, 1, 1), 1, 2026),
        (date(2026, 12, 31), 1, 2026),
        (date(2026, 6, 30), 7, 2025),
        (date(2026, 7, 1), 7, 2026),
        (date(2027, 6, 30), 7, 2026),
        (date(2026, 11, 30), 12, 2025),
        (date(2026, 12, 1), 12, 2026),
    ],
)
def test_a_fiscal_year_is_named_after_the_year_it_starts_in(day: date, first_month: int, year: int) -> None:
    assert fiscal_year(day, first_month) == year


@given(st.dates(max_value=date(9998, 1, 1)), st.integers(1, 12))
def test_a_fiscal_year_has_twelve_months(day: date, first_month: int) -> None:
    later = day.replace(year=day.year + 1, day=1)
    assert fiscal_year(later, first_month) == fiscal_year(day.replace(day=1), first_month) + 1


def test_what_a_party_is_known_by_goes_from_strong_to_weak() -> None:
    party = Party(
        name="Café  ÅNGSTRÖM",
        vat_number="BE 0987.654.394",
        company_number="12 345 678",
        company_number_scheme="0106",
        endpoint="8712345678906",
        endpoint_scheme="0088",
        source_id="c-17",
        address=Address(country="NL", postal_code="9000"),
    )
    expected = [
        ("vat_number", "vat:BE0987654394"),
        ("company_number", "company:NL:12345678"),
        ("endpoint", "endpoint:0088:8712345678906"),
        ("source_id", "source:c-17"),
        ("name", "name:café ångström:9000"),
    ]
    for field, legal in expected:
        assert legal_identity(party) == legal
        if field != "name":
            party = party.model_copy(update={field: None})


@pytest.mark.parametrize("empty", ["", " ", ".-/"])
def test_a_number_that_says_nothing_counts_for_none(empty: str) -> None:
    party = Party(name="A", vat_number=empty, company_number=empty, source_id="c-17")
    assert legal_identity(party) == "source:c-17"


@pytest.mark.parametrize(
    ("country", "written"),
    [
        ("BE", {"vat_number": "BE 0987.654.394"}),
        ("BE", {"vat_number": "0987 654 394"}),
        ("BE", {"vat_number": "BE987654394"}),
        (None, {"vat_number": "BE 987.654.394"}),
        ("BE", {"company_number": "0987.654.394"}),
        ("BE", {"company_number": "987654394"}),
        (None, {"company_number": "BE0987654394", "company_number_scheme": "0208"}),
        (None, {"endpoint": "0987654394", "endpoint_scheme": "0208"}),
        (None, {"endpoint": "BE0987654394", "endpoint_scheme": "9925"}),
    ],
)
def test_a_belgian_company_is_one_party_whatever_a_source_has_of_it(
    country: str | None, written: dict[str, str]
) -> None:
    assert legal_identity(Party(name="A", address=Address(country=country), **written)) == "vat:BE0987654394"


@pytest.mark.parametrize(
    ("number", "country", "expected"),
    [
        ("1633.92.705 B01", "NL", "NL163392705B01"),
        ("NL1633.92.705 B01", "NL", "NL163392705B01"),
        ("X1234567L", "ES", "ESX1234567L"),
        ("123456789", "GR", "EL123456789"),
        ("123456789", None, "123456789"),
        ("BE123456789", "NL", "BE0123456789"),
    ],
)
def test_a_vat_number_bears_its_country(number: str, country: str | None, expected: str) -> None:
    assert normal_vat(number, country) == expected


def test_a_party_is_the_same_as_customer_and_as_supplier_and_under_a_new_name(invoice: Document) -> None:
    renamed = invoice.buyer.model_copy(update={"name": "Bar Ångström", "email": "new@cafe.example"})
    assert party_identity(renamed) == party_identity(invoice.buyer)


def test_parties_with_a_number_in_two_countries_stay_apart() -> None:
    belgian = Party(name="A", company_number="12345678", address=Address(country="BE"))
    dutch = Party(name="A", company_number="12345678", address=Address(country="NL"))
    assert party_identity(belgian) != party_identity(dutch)


def test_the_same_invoice_from_two_sources_is_one_document(invoice: Document) -> None:
    """A UBL file and an application's own record: other spellings, other details, one invoice."""
    elsewhere = but(
        invoice,
        number=" 2026-0007",
        note="sent by mail",
        source_url="https://app.example/invoices/7",
        attachments=(),
        seller=Party(name="BAKKERIJ ZUID BV", vat_number="be0123456749"),
        buyer=Party(name="Angstrom", source_id="c-17"),
    )
    assert identity(elsewhere, entity="BE 0123.456.749") == identity(invoice)


def test_a_changed_amount_or_due_date_is_a_new_revision_and_not_a_new_document(invoice: Document) -> None:
    assert identity(but(invoice, due_date=date(2026, 4, 1), lines=())) == identity(invoice)


@pytest.mark.parametrize(
    "changes",
    [
        {"number": "2026-0008"},
        {"kind": Kind.CREDIT_NOTE},
        {"direction": Direction.PURCHASE},
        {"issue_date": date(2027, 2, 3)},
    ],
)
def test_another_document_has_another_identity(invoice: Document, changes: dict[str, object]) -> None:
    assert identity(but(invoice, **changes)) != identity(invoice)


def test_tenants_and_their_companies_are_apart(invoice: Document) -> None:
    identities = {
        identity(invoice),
        identity(invoice, tenant="0198f0aa-0000-7000-8000-000000000009"),
        identity(invoice, entity="BE0111111152"),
    }
    assert len(identities) == 3


def test_a_date_within_the_fiscal_year_is_no_part_of_it(invoice: Document) -> None:
    moved = but(invoice, issue_date=date(2026, 8, 1))
    assert identity(moved) == identity(invoice)
    assert identity(moved, first_month=7) != identity(invoice, first_month=7)


def test_two_suppliers_may_use_one_number(purchase: Document) -> None:
    other = but(purchase, seller=Party(name="Bakkerij Noord", vat_number="BE0111111152"))
    assert identity(other) != identity(purchase)


def test_the_customer_is_no_part_of_a_sale(invoice: Document) -> None:
    """The entity numbers its own sales: a corrected customer is a change, not a second invoice."""
    assert identity(but(invoice, buyer=Party(name="Someone else"))) == identity(invoice)


def test_a_purchase_without_vat_number_is_known_by_name_and_postcode(purchase: Document) -> None:
    def bought_from(name: str, postcode: str | None) -> str:
        return identity(but(purchase, seller=Party(name=name, address=Address(postal_code=postcode))))

    assert bought_from("Bakkerij Zuid", "9000") == bought_from(" bakkerij  ZUID ", "9000")
    assert bought_from("Bakkerij Zuid", "9000") != bought_from("Bakkerij Zuid", "8000")
    assert bought_from("Bakkerij Zuid", "9000") != bought_from("Bakkerij Noord", "9000")
    assert bought_from("Bakkerij Zuid", None) == bought_from("Bakkerij Zuid", "")


@given(st.text(), st.text(), st.text())
def test_nothing_of_a_person_shows_in_an_identity(number: str, tenant: str, entity: str) -> None:
    document = Document.model_validate(PLAIN | {"number": number})
    found = document_identity(document, tenant, entity)
    assert re.fullmatch(r"d1:[0-9a-f]{40}", found)
    assert re.fullmatch(r"p1:[0-9a-f]{40}", party_identity(Party(name=number)))


def test_identities_stay_what_they_are_over_releases(invoice: Document, purchase: Document) -> None:
    """Golden: what is booked is found by its identity for ever. A change here books everything twice."""
    assert identity(invoice) == "d1:8295cb61db497be1240b39e980e117d8ecba7d2d"
    assert identity(purchase) == "d1:68c721e6730429728d3ee44ca7e9a57a998734fa"
    assert party_identity(invoice.buyer) == "p1:6f396feffc1c04f8e7504f1c4b41ab624be1b147"
    assert (
        party_identity(Party(name="A", address=Address(postal_code="9000")))
        == "p1:f20372c963d1aa22da3cc5e804802c5373bf031c"
    )


PLAIN = {
    "kind": "invoice",
    "direction": "purchase",
    "number": "1",
    "issue_date": "2026-02-03",
    "currency": "EUR",
    "seller": {"name": "S"},
    "buyer": {"name": "B"},
    "lines": [],
    "totals": {"lines": "0", "net": "0", "vat": "0", "gross": "0", "payable": "0"},
}
