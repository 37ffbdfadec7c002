"""What Yuki is sent for documents and parties, and what is said beforehand."""

import json
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from dagboek_schemas.documents import Address, Direction, Document, Kind, Party, Payment
from dagboek_schemas.identity import party_identity
from dagboek_sdk.accounting import Lists, Row
from dagboek_sdk.attempt import AttachedFile, Booking, JournalLine
from dagboek_sdk.errors import Refused
from dagboek_sdk.samples import THEIRS, allowance, charge, document, line
from dagboek_sdk.settings import ConnectionSettings, Side
from dagboek_yuki import documents, mapping, tables, ubl
from dagboek_yuki.settings import Purchases, YukiSettings
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree
from yuki_books import BOOKS, YUKI, context, made_lists, vat, vat_row

reader = pytest.importorskip("dagboek_ubl.reader")

LISTS = made_lists()
PROCESS = YUKI.model_copy(update={"purchases": Purchases.PROCESS})
ABROAD = Party(name="Buitenland GmbH", vat_number="DE123456789", address=Address(country="DE"))
CONSUMER = Party(name="Jan Peeters", address=Address(city="Kolding", country="DK"))


def mapped(
    one: Document, found: Lists = LISTS, connection: ConnectionSettings = BOOKS, yuki: YukiSettings = YUKI
) -> Booking:
    return mapping.map_document(one, context(connection, found), tables.tables(found), yuki)


def refused(one: Document, found: Lists = LISTS, connection: ConnectionSettings = BOOKS, **more: Any) -> list[str]:
    with pytest.raises(Refused) as error:
        mapped(one, found, connection, **more)
    return [issue.code for issue in error.value.issues]


def sale(booking: Booking) -> dict[str, Any]:
    found = booking.payload["sale"]
    assert isinstance(found, dict)
    return found


def lines(booking: Booking) -> list[dict[str, Any]]:
    found = next(iter(booking.payload.values()))["InvoiceLines"]["InvoiceLine"]
    assert isinstance(found, list)
    return found


def amounts(booking: Booking) -> list[tuple[str, str, str]]:
    return [(row["Product"]["GLAccountCode"], row["LineAmount"], row["LineVATAmount"]) for row in lines(booking)]


def balance(rows: Iterable[JournalLine]) -> Decimal:
    return sum((row.debit - row.credit for row in rows), Decimal(0))


def test_a_sales_invoice_as_yuki_takes_it() -> None:
    payment = Payment(means_code="30", structured_communication="000000009797")
    one = document(line("100"), line("50", "6", id="2"), payment=payment, due_date=date(2025, 3, 5))
    booking = mapped(one)
    assert booking.payload == {
        "sale": {
            "Reference": "2025/0001",
            "Subject": "2025/0001 Klant & Zonen NV",
            "PaymentMethod": "ElectronicTransfer",
            "PaymentID": "000000009797",
            "Process": "true",
            "EmailToCustomer": "false",
            "SentToPeppol": "false",
            "Date": "2025-02-03",
            "DueDate": "2025-03-05",
            "Currency": "EUR",
            "Contact": {
                "FullName": "Klant & Zonen NV",
                "CountryCode": "BE",
                "City": "Aalst",
                "Zipcode": "9300",
                "AddressLine_1": "Dorpsplein 2",
                "EmailAddress": "boekhouding@example.com",
                "VATNumber": "BE0999999922",
                "ContactType": "Company",
            },
            "InvoiceLines": {
                "InvoiceLine": [
                    {
                        "Description": "Item 1",
                        "ProductQuantity": "1",
                        "LineAmount": "100.00",
                        "LineVATAmount": "21.00",
                        "Product": {
                            "Description": "Dagboek 700021 1/21/BE",
                            "SalesPrice": "100.00",
                            "VATPercentage": "21.00",
                            "VATIncluded": "false",
                            "VATType": "1",
                            "GLAccountCode": "700021",
                        },
                    },
                    {
                        "Description": "Item 2",
                        "ProductQuantity": "1",
                        "LineAmount": "50.00",
                        "LineVATAmount": "3.00",
                        "Product": {
                            "Description": "Dagboek 700000 2/6/BE",
                            "SalesPrice": "50.00",
                            "VATPercentage": "6.00",
                            "VATIncluded": "false",
                            "VATType": "2",
                            "GLAccountCode": "700000",
                        },
                    },
                ]
            },
        }
    }
    assert (booking.reference, booking.gross, booking.currency) == ("2025/0001", Decimal("174.00"), "EUR")
    assert [(row.account, row.debit, row.credit) for row in booking.lines] == [
        ("400000", Decimal("174.00"), Decimal(0)),
        ("700021", Decimal(0), Decimal("100.00")),
        ("", Decimal(0), Decimal("21.00")),
        ("700000", Decimal(0), Decimal("50.00")),
        ("", Decimal(0), Decimal("3.00")),
    ]


def test_elements_stand_in_the_order_of_the_schema_whatever_a_database_makes_of_the_payload() -> None:
    payload = sale(mapped(document(line("100"))))
    shuffled = json.loads(json.dumps(payload, sort_keys=True))
    root = documents.sales_invoices([shuffled])
    space = "{urn:xmlns:http://www.theyukicompany.com:salesinvoices}"
    assert root.tag == f"{space}SalesInvoices"
    assert all(str(one.tag).startswith(space) for one in root.iter())
    assert [etree.QName(one).localname for one in root[0]] == [
        "Reference", "Subject", "Process", "EmailToCustomer", "SentToPeppol", "Date", "Currency", "Contact",
        "InvoiceLines",
    ]  # fmt: skip
    contact, row = root[0].find(f"{space}Contact"), root[0].find(f"{space}InvoiceLines/{space}InvoiceLine")
    assert contact is not None
    assert row is not None
    assert [etree.QName(one).localname for one in contact] == [
        "FullName", "CountryCode", "City", "Zipcode", "AddressLine_1", "EmailAddress", "VATNumber", "ContactType",
    ]  # fmt: skip
    assert [etree.QName(one).localname for one in row] == [
        "Description", "ProductQuantity", "LineAmount", "LineVATAmount", "Product",
    ]  # fmt: skip
    assert [etree.QName(one).localname for one in row[-1]] == [
        "Description", "SalesPrice", "VATPercentage", "VATIncluded", "VATType", "GLAccountCode",
    ]  # fmt: skip


def test_an_element_that_yuki_does_not_know_is_a_mistake_and_not_passed_over() -> None:
    with pytest.raises(KeyError, match="SalesInvoice has no Referentie"):
        documents.sales_invoices([{"Referentie": "1"}])


def test_what_xml_forbids_and_what_is_empty_is_not_sent() -> None:
    one = document(line("1").model_copy(update={"name": "Brood\x0b & boter\ufffe"}))
    text = etree.tostring(documents.sales_invoices([sale(mapped(one))]), encoding="unicode")
    assert "Brood &amp; boter" in text
    assert not [one for one in etree.fromstring(text).iter() if len(one) == 0 and not one.text]


@pytest.mark.parametrize(
    ("kind", "net", "quantity", "amount", "vat_amount", "gross"),
    [
        (Kind.INVOICE, "100", "1", "100.00", "21.00", "121.00"),
        (Kind.INVOICE, "-100", "-1", "-100.00", "-21.00", "-121.00"),
        (Kind.CREDIT_NOTE, "100", "-1", "-100.00", "-21.00", "-121.00"),
        (Kind.CREDIT_NOTE, "-100", "1", "100.00", "21.00", "121.00"),
    ],
)
def test_what_lowers_the_debt_has_a_negative_quantity_and_no_price_is_negative(
    kind: Kind, net: str, quantity: str, amount: str, vat_amount: str, gross: str
) -> None:
    booking = mapped(document(line(net), kind=kind))
    row = lines(booking)[0]
    assert (row["ProductQuantity"], row["LineAmount"], row["LineVATAmount"]) == (quantity, amount, vat_amount)
    assert row["Product"]["SalesPrice"] == "100.00"
    assert booking.gross == Decimal(gross)
    assert balance(booking.lines) == 0


def test_discounts_charges_and_rounding_are_lines_with_accounts_of_their_own() -> None:
    one = document(line("100"), rows=[allowance("10"), charge("5", "6")], rounding="0.02")
    assert amounts(mapped(one)) == [
        ("700021", "100.00", "21.00"),
        ("708000", "-10.00", "-2.10"),
        ("744000", "5.00", "0.30"),
        ("759000", "0.02", "0.00"),
    ]


@pytest.mark.parametrize(
    ("without", "kind"), [({"O"}, "4"), ({"O", "Z"}, "0"), ({"O", "Z", "E"}, None)], ids=["Z", "E", "none"]
)
def test_rounding_takes_a_type_without_vat_as_yuki_has_no_line_without_a_type(
    without: set[str], kind: str | None
) -> None:
    codes = tuple(one for one in BOOKS.sales.vat_codes if one.key.category not in without)
    connection = BOOKS.model_copy(update={"sales": BOOKS.sales.model_copy(update={"vat_codes": codes})})
    one = document(line("100"), rounding="0.02")
    if kind is None:
        assert refused(one, connection=connection) == ["B01"]
    else:
        row = lines(mapped(one, connection=connection))[-1]
        assert (row["LineAmount"], row["Product"]["VATType"]) == ("0.02", kind)


def test_a_line_without_price_or_quantity_counts_for_what_it_comes_to() -> None:
    plain, priced = line("12.345"), line("12.345", quantity=Decimal("2.5"), price=Decimal("4.938"))
    assert amounts(mapped(document(plain))) == amounts(mapped(document(priced)))


# products


def test_one_product_for_each_account_and_vat_type_whatever_the_line_says() -> None:
    rows = [line("1", account="700000"), line("2", id="2", account="700000"), line("3", id="3", account="708000")]
    one = mapped(document(*rows, line("4", "6", id="4", account="700000")))
    names = [row["Product"]["Description"] for row in lines(one)]
    assert names == ["Dagboek 700000 1/21/BE", "Dagboek 708000 1/21/BE", "Dagboek 700000 2/6/BE"]
    assert [row["Description"] for row in lines(one)] == ["Item 1 (+1)", "Item 3", "Item 4"]


def test_accounts_that_are_missing_or_disabled_are_said_beforehand_each_once() -> None:
    found = made_lists(accounts=[Row("700021", "Omzet 21", active=False)])
    one = document(line("1"), line("2", id="2"), line("3", id="3", account="712345"))
    with pytest.raises(Refused) as error:
        mapped(one, found)
    assert [(issue.code, issue.facts["account"]) for issue in error.value.issues] == [
        ("Y03", "700021 Omzet 21"),
        ("Y25", "712345"),
    ]


# VAT types


def oss(code: str, **more: Any) -> tuple[ConnectionSettings, Lists]:
    """A connection that sells at 25 % in Denmark, and lists that have the code."""
    codes = (vat("S", "25", code), *BOOKS.sales.vat_codes[:3])
    sales = BOOKS.sales.model_copy(update={"vat_codes": codes})
    return BOOKS.model_copy(update={"sales": sales}), made_lists(codes=[vat_row(code, "OSS Denmark", **more)])


def test_distance_sales_bear_the_countrys_rate_and_its_name() -> None:
    connection, found = oss("40/25/DK")
    row = lines(mapped(document(line("100", "25"), other=CONSUMER), found, connection))[0]
    product = row["Product"]
    assert (product["VATType"], product["VATPercentage"], product["VATDescription"]) == ("40", "25.00", "OSS Denmark")
    assert row["LineVATAmount"] == "25.00"


@pytest.mark.parametrize(
    ("buyer", "more", "code"),
    [
        (THEIRS, {}, ["Y05"]),  # a customer in Belgium has no Danish rate
        (CONSUMER, {"start": "2025-02-04"}, ["Y05"]),  # the rate begins a day after the invoice
        (CONSUMER, {"end": "2025-02-02"}, ["Y05"]),
    ],
)
def test_a_rate_of_another_country_or_time_is_said_beforehand(
    buyer: Party, more: dict[str, str], code: list[str]
) -> None:
    connection, found = oss("40/25/DK", **more)
    assert refused(document(line("100", "25"), other=buyer), found, connection) == code


def test_a_vat_code_that_yuki_does_not_have_is_said_beforehand() -> None:
    found = {**LISTS, "vat_codes": tuple(row for row in LISTS["vat_codes"] if row.code != "1/21/BE")}
    assert refused(document(line("100")), found) == ["Y05"]


@pytest.mark.parametrize(
    ("category", "buyer", "kind"),
    [("AE", THEIRS, "17"), ("AE", ABROAD, "20"), ("K", ABROAD, "19"), ("E", THEIRS, "0"), ("Z", THEIRS, "4")],
)
def test_sales_without_vat_keep_their_kinds_apart(category: str, buyer: Party, kind: str) -> None:
    row = lines(mapped(document(line("100", "0", category), other=buyer)))[0]
    assert (row["Product"]["VATType"], row["Product"]["VATPercentage"]) == (kind, "0.00")
    assert row["LineVATAmount"] == "0.00"


def test_export_is_a_type_of_its_own() -> None:
    buyer = Party(name="Overseas Inc", address=Address(country="US"))
    assert lines(mapped(document(line("100", "0", "G"), other=buyer)))[0]["Product"]["VATType"] == "6"


def test_sales_within_the_eu_need_the_customers_vat_number() -> None:
    buyer = ABROAD.model_copy(update={"vat_number": None})
    assert refused(document(line("100", "0", "K"), other=buyer)) == ["Y07"]


def test_a_customer_without_country_is_said_beforehand() -> None:
    unknown = Party(name="Onbekend", address=Address(city="Ergens"))
    assert refused(document(line("100"), other=unknown)) == ["Y08"]
    told = unknown.model_copy(update={"vat_number": "NL123456782B12"})
    assert sale(mapped(document(line("100"), other=told)))["Contact"]["CountryCode"] == "NL"


def test_vat_that_yuki_cannot_book_is_said_beforehand() -> None:
    free = BOOKS.model_copy(update={"sales": BOOKS.sales.model_copy(update={"vat_codes": (vat("S", "21", "4/0/BE"),)})})
    assert refused(document(line("100")), connection=free) == ["Y41"]


# numbers


@pytest.mark.parametrize("number", ["2025/0001", "F-2025-01", "Rekening №7", "0001", "  7 "])
def test_numbers_keep_their_letters_and_signs(number: str) -> None:
    assert mapped(document(line("1"), number=number)).reference == " ".join(number.split())


@pytest.mark.parametrize("number", ["", "   ", "7" * 61, "2025\x070001"])
def test_numbers_that_cannot_be_kept_are_refused(number: str) -> None:
    assert refused(document(line("1"), number=number)) == ["Y40"]
    assert refused(document(line("1"), number=number, direction=Direction.PURCHASE)) == ["Y40"]


# dates and payment


def test_a_due_date_before_the_invoice_is_left_out() -> None:
    assert "DueDate" not in sale(mapped(document(line("1"), due_date=date(2025, 2, 2))))


@pytest.mark.parametrize(
    ("means", "word"), [("30", "ElectronicTransfer"), ("48", "CreditCard"), ("59", "DirectCollection"), (None, None)]
)
def test_how_it_is_paid_is_yukis_word(means: str | None, word: str | None) -> None:
    assert sale(mapped(document(line("1"), payment=Payment(means_code=means)))).get("PaymentMethod") == word


def test_another_currency_goes_without_a_rate_as_yuki_has_its_own() -> None:
    booking = mapped(document(line("100"), currency="USD"))
    assert (sale(booking)["Currency"], booking.currency, booking.gross) == ("USD", "USD", Decimal("121.00"))


def test_cost_centres_are_left_out_and_that_is_told() -> None:
    booking = mapped(document(line("1", cost_centre="SHOP")))
    assert [(issue.code, issue.severity) for issue in booking.remarks] == [("Y43", "information")]


# parties


def test_a_contact_as_it_is_written() -> None:
    payload = mapping.map_party(THEIRS, context()).payload
    assert payload == {
        "contact": {
            "Type": "2",
            "FullName": "Klant & Zonen NV",
            "AddressLine_1": "Dorpsplein 2",
            "PostCode": "9300",
            "City": "Aalst",
            "Country": "BE",
            "EmailWork": "boekhouding@example.com",
            "VATNumber": "BE0999999922",
        }
    }


def test_a_party_has_the_same_code_wherever_it_is_met() -> None:
    belgian = THEIRS.model_copy(update={"vat_number": "be 0999.999.922", "name": "KLANT"})
    codes = {mapping.contact_code(party_identity(one)) for one in (THEIRS, belgian)}
    assert codes == {"338158107012713"} or len(codes) == 1
    assert all(len(code) == 15 and code.isdecimal() for code in codes)
    assert mapping.contact_code(party_identity(ABROAD)) not in codes


# purchases


def test_a_purchase_is_a_file_and_needs_no_accounts() -> None:
    bare = ConnectionSettings(purchases=Side())
    booking = mapped(document(line("100"), direction=Direction.PURCHASE), connection=bare)
    upload = booking.payload["upload"]
    assert (upload["currency"], upload["amount"], upload["name"]) == ("EUR", "121.00", "Klant & Zonen NV")
    assert (booking.reference, booking.gross, booking.lines) == ("2025/0001", Decimal("121.00"), ())
    credit = mapped(document(line("100"), direction=Direction.PURCHASE, kind=Kind.CREDIT_NOTE), connection=bare)
    assert (credit.gross, credit.payload["upload"]["amount"]) == (Decimal("-121.00"), "-121.00")


def test_a_purchase_that_is_booked_at_once_is_an_invoice() -> None:
    one = document(line("100"), line("50", "6", id="2"), direction=Direction.PURCHASE)
    payload = mapped(one, yuki=PROCESS).payload["purchase"]
    assert {name: value for name, value in payload.items() if name not in ("Contact", "InvoiceLines")} == {
        "Process": "true",
        "Reference": "2025/0001",
        "Date": "2025-02-03",
        "InvoiceAmount": "174.00",
        "InvoiceVATAmount": "24.00",
        "Currency": "EUR",
    }
    assert payload["InvoiceLines"]["InvoiceLine"] == [
        {
            "Description": "Item 1",
            "LineAmount": "100.00",
            "LineVATType": "5",
            "LineVATPercentage": "21.00",
            "GLAccountCode": "604000",
        },
        {
            "Description": "Item 2",
            "LineAmount": "50.00",
            "LineVATType": "5",
            "LineVATPercentage": "6.00",
            "GLAccountCode": "604000",
        },
    ]


@pytest.mark.parametrize("kind", Kind)
def test_the_file_says_what_the_document_says(kind: Kind) -> None:
    one = document(
        line("100", quantity=Decimal(4), price=Decimal(25), description="More of it"),
        line("50", "6", id="2"),
        line("7", "0", "E", id="3"),
        rows=[allowance("10", reason="Winter"), charge("5", "6", reason="Transport")],
        prepaid="20",
        rounding="0.03",
        kind=kind,
        direction=Direction.PURCHASE,
        payment=Payment(means_code="30", structured_communication="000000009797", accounts=("BE71096123456769",)),
        due_date=date(2025, 3, 5),
        order_reference="PO 7",
    )
    found = reader.read_root(etree.fromstring(ubl.written(one)), "file.xml")
    assert found.issues == ()
    read = found.document.model_copy(update={"direction": Direction.PURCHASE})
    assert read.totals == one.totals
    assert read.vat_breakdown == one.vat_breakdown
    assert [(row.net, row.vat_category, row.vat_rate, row.name) for row in read.lines] == [
        (row.net, row.vat_category, row.vat_rate, row.name) for row in one.lines
    ]
    for name in ("kind", "number", "issue_date", "due_date", "currency", "order_reference"):
        assert getattr(read, name) == getattr(one, name), name
    assert [(row.charge, row.amount, row.vat_rate) for row in read.allowances_charges] == [
        (row.charge, row.amount, row.vat_rate) for row in one.allowances_charges
    ]
    assert (read.seller.name, read.seller.vat_number, read.buyer.name) == (
        one.seller.name,
        one.seller.vat_number,
        one.buyer.name,
    )
    assert read.payment.structured_communication == "000000009797"


def test_files_of_the_document_are_in_the_file() -> None:
    file = AttachedFile("invoice.pdf", "application/pdf", b"%PDF-1.7\x00\xff")
    one = document(line("100"), direction=Direction.PURCHASE)
    written = ubl.with_files(ubl.written(one), [file])
    read = reader.read_root(etree.fromstring(written), "file.xml").document
    assert [(row.file_name, row.media_type, row.size) for row in read.attachments] == [
        ("invoice.pdf", "application/pdf", 10)
    ]


# amounts

money = st.decimals(min_value=-3000, max_value=3000, places=2)


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # of a machine that others load
@given(
    rows=st.lists(
        st.tuples(money, st.sampled_from(["21", "12", "6"]), st.sampled_from(["700000", "700021", None])),
        min_size=1,
        max_size=20,
    ),
    discounts=st.lists(st.tuples(st.decimals(0, 300, places=2), st.sampled_from(["21", "6"])), max_size=3),
    kind=st.sampled_from(Kind),
    rounding=st.decimals("-0.04", "0.04", places=2),
)
def test_lines_add_up_to_the_document_whichever_of_their_amounts_is_taken(
    rows: list[tuple[Decimal, str, str | None]],
    discounts: list[tuple[Decimal, str]],
    kind: Kind,
    rounding: Decimal,
) -> None:
    one = document(
        *(line(net, rate, id=str(place), account=chosen) for place, (net, rate, chosen) in enumerate(rows)),
        rows=[allowance(amount, rate) for amount, rate in discounts],
        kind=kind,
        rounding=rounding,
    )
    try:
        booking = mapped(one)
    except Refused as error:  # VAT without a base: said, never sent
        assert {issue.code for issue in error.issues} == {"Y41"}
        return
    sign = 1 if kind is Kind.INVOICE else -1
    found = lines(booking)
    net = sum((Decimal(row["LineAmount"]) for row in found), Decimal(0))
    tax = sum((Decimal(row["LineVATAmount"]) for row in found), Decimal(0))
    assert net == sign * (one.totals.net + rounding)
    assert tax == sign * one.totals.vat
    assert booking.gross == net + tax
    assert balance(booking.lines) == 0
    for row in found:
        assert Decimal(row["ProductQuantity"]) * Decimal(row["Product"]["SalesPrice"]) == Decimal(row["LineAmount"])
        exact = Decimal(row["LineAmount"]) * Decimal(row["Product"]["VATPercentage"]) / 100
        assert abs(exact - Decimal(row["LineVATAmount"])) < Decimal("0.02")
        assert -Decimal(row["LineAmount"]).as_tuple().exponent == 2  # type: ignore[operator]


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(
    rows=st.lists(
        st.tuples(st.decimals(-3000, 3000, places=4), st.sampled_from(["21", "6", "0"])), min_size=1, max_size=9
    ),
    kind=st.sampled_from(Kind),
    prepaid=st.decimals(0, 50, places=2),
)
def test_the_file_has_the_documents_amounts(rows: list[tuple[Decimal, str]], kind: Kind, prepaid: Decimal) -> None:
    one = document(
        *(line(net, rate, "S" if rate != "0" else "Z", id=str(place)) for place, (net, rate) in enumerate(rows)),
        kind=kind,
        direction=Direction.PURCHASE,
        prepaid=prepaid,
    )
    root = etree.fromstring(ubl.written(one))
    totals = root.find(f"{{{ubl.CAC}}}LegalMonetaryTotal")
    assert totals is not None
    told = {etree.QName(row).localname: Decimal(row.text or "") for row in totals}
    assert told["PayableAmount"] + told.get("PrepaidAmount", Decimal(0)) == one.totals.gross
    assert told["TaxInclusiveAmount"] - told["TaxExclusiveAmount"] == one.totals.vat
    taxes = [Decimal(row.text or "") for row in root.iterfind(f"{{{ubl.CAC}}}TaxTotal/{{*}}TaxSubtotal/{{*}}TaxAmount")]
    assert sum(taxes, Decimal(0)) == one.totals.vat
