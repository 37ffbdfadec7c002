"""What Octopus is sent for documents and parties, and what is said beforehand."""

import json
from collections.abc import Iterable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from dagboek_octopus import lists, mapping
from dagboek_octopus.settings import CreditNoteStyle, OctopusSettings, RateStyle
from dagboek_schemas.documents import Address, Direction, Document, Kind, Party, Payment
from dagboek_schemas.statuses import Component
from dagboek_sdk.accounting import Lists, Row
from dagboek_sdk.attempt import Booking, JournalLine
from dagboek_sdk.errors import Refused
from dagboek_sdk.samples import THEIRS, allowance, charge, document, line
from dagboek_sdk.settings import ConnectionSettings
from hypothesis import given
from hypothesis import strategies as st
from octopus_books import CONNECTION, OCTOPUS, account, book_year, context, journal, made_lists, vat

ABROAD = Party(name="Buitenland GmbH", vat_number="DE123456789", address=Address(country="DE"))
LISTS = made_lists()


def mapped(
    one: Document,
    found: Lists = LISTS,
    connection: ConnectionSettings = CONNECTION,
    octopus: OctopusSettings = OCTOPUS,
) -> Booking:
    return mapping.map_document(one, context(connection, found), lists.tables(found), octopus)


def refused(one: Document, found: Lists = LISTS, connection: ConnectionSettings = CONNECTION) -> list[str]:
    with pytest.raises(Refused) as error:
        mapped(one, found, connection)
    return [issue.code for issue in error.value.issues]


def amounts(booking: Booking) -> list[tuple[int, str, str | None, str]]:
    return [
        (row["accountKey"], row["baseAmount"], row.get("vatCodeKey"), row["vatAmount"])
        for row in booking.payload["bookingLines"]
    ]


def balance(lines: Iterable[JournalLine]) -> Decimal:
    return sum((row.debit - row.credit for row in lines), Decimal(0))


def test_a_sales_invoice_as_octopus_takes_it() -> None:
    payment = Payment(means_code="30", structured_communication="000000009797")
    booking = mapped(document(line("100"), line("50", "6", id="2"), payment=payment, order_reference="PO-7"))
    assert booking.payload == {
        "bookyearKey": {"id": 7},
        "journalKey": "V1",
        "bookyearPeriodeNr": 202501,
        "documentDate": "2025-02-03",
        "expiryDate": "2025-03-05",
        "comment": "2025/0001",
        "reference": "+++000/0000/09797+++",
        "orderReference": "PO-7",
        "amount": "174.00",
        "currencyCode": "EUR",
        "exchangeRate": "1",
        "paymentMethod": 1,
        "bookingLines": [
            {
                "accountKey": 700021,
                "baseAmount": "100.00",
                "vatAmount": "21.00",
                "comment": "Item 1",
                "vatCodeKey": "21",
            },
            {"accountKey": 700000, "baseAmount": "50.00", "vatAmount": "3.00", "comment": "Item 2", "vatCodeKey": "06"},
        ],
    }
    assert (booking.series, booking.reference, booking.gross) == ("7:V1", "2025/0001", Decimal("174.00"))
    json.dumps(booking.payload)


def test_amounts_go_on_the_wire_as_numbers_with_a_fraction() -> None:
    body = mapping.wire(mapped(document(line("100"))).payload)
    assert json.dumps(body["amount"]) == "121.0"
    assert json.dumps(body["exchangeRate"]) == "1.0"
    assert body["bookingLines"][0]["vatAmount"] == 21.0


def test_a_purchase_goes_to_its_own_journal_codes_and_accounts() -> None:
    booking = mapped(document(line("100"), direction=Direction.PURCHASE, due_date=date(2025, 2, 10)))
    assert booking.payload["journalKey"] == "A1"
    assert booking.payload["expiryDate"] == "2025-02-10"
    assert amounts(booking) == [(604000, "100.00", "D21", "21.00")]
    assert [(row.account, row.debit, row.credit) for row in booking.lines] == [
        ("440000", Decimal(0), Decimal("121.00")),
        ("604000", Decimal("100.00"), Decimal(0)),
        ("411000", Decimal("21.00"), Decimal(0)),
    ]


def test_an_entry_is_recognised_by_the_documents_number_in_its_comment() -> None:
    booking = mapped(document(line("1"), number="2025/0043"))
    assert booking.reference == booking.payload["comment"] == "2025/0043"


@pytest.mark.parametrize(
    ("kind", "net", "style", "total", "base"),
    [
        (Kind.INVOICE, "100", CreditNoteStyle.NEGATIVE_TOTAL, "121.00", "100.00"),
        (Kind.INVOICE, "-100", CreditNoteStyle.NEGATIVE_TOTAL, "-121.00", "100.00"),
        (Kind.CREDIT_NOTE, "100", CreditNoteStyle.NEGATIVE_TOTAL, "-121.00", "100.00"),
        (Kind.CREDIT_NOTE, "-100", CreditNoteStyle.NEGATIVE_TOTAL, "121.00", "100.00"),
        (Kind.CREDIT_NOTE, "100", CreditNoteStyle.NEGATIVE_LINES, "-121.00", "-100.00"),
        (Kind.INVOICE, "100", CreditNoteStyle.NEGATIVE_LINES, "121.00", "100.00"),
    ],
)
def test_signs_of_what_raises_and_what_lowers(
    kind: Kind, net: str, style: CreditNoteStyle, total: str, base: str
) -> None:
    octopus = OCTOPUS.model_copy(update={"credit_note_style": style})
    booking = mapped(document(line(net), kind=kind), octopus=octopus)
    assert booking.payload["amount"] == total
    assert booking.payload["bookingLines"][0]["baseAmount"] == base
    assert booking.gross == Decimal(total)
    # whatever the spelling, the preview raises or lowers the customer
    assert booking.lines[0].debit - booking.lines[0].credit == Decimal(total)
    assert balance(booking.lines) == 0


def test_a_credit_note_of_nothing_takes_plain_codes_and_still_works_the_other_way() -> None:
    nothing = document(line("100"), line("-100", id="2", account="700000"), kind=Kind.CREDIT_NOTE)
    booking = mapped(nothing)
    assert amounts(booking) == [(700021, "-100.00", "21", "-21.00"), (700000, "100.00", "21", "21.00")]
    assert Decimal(booking.payload["amount"]) == 0
    assert [(row.account, row.debit) for row in booking.lines if row.debit] == [
        ("700021", Decimal(100)),
        ("451000", Decimal(21)),
    ]


def test_a_negative_line_stays_negative_beside_the_others() -> None:
    booking = mapped(document(line("100"), line("-30", "6", id="2"), kind=Kind.CREDIT_NOTE))
    assert booking.payload["amount"] == "-89.20"
    assert amounts(booking) == [(700021, "100.00", "C21", "21.00"), (700000, "-30.00", "C06", "-1.80")]


def test_discounts_charges_rounding_and_prepaid() -> None:
    one = document(line("100"), rows=[allowance("10"), charge("5", "6")], rounding="0.03", prepaid="20")
    booking = mapped(one)
    assert amounts(booking) == [
        (700021, "100.00", "21", "21.00"),
        (708000, "-10.00", "21", "-2.10"),
        (744000, "5.00", "06", "0.30"),
        (759000, "0.03", "NO", "0"),
    ]
    assert booking.payload["amount"] == "114.23"
    assert balance(booking.lines) == 0


def test_vat_that_the_receiver_owes_is_no_part_of_the_amount_but_is_shown() -> None:
    booking = mapped(document(line("100", "0", "K"), direction=Direction.PURCHASE, other=ABROAD))
    assert booking.payload["amount"] == "100.00"
    assert amounts(booking) == [(604000, "100.00", "GIC", "0.00")]
    owed = [(row.account, row.debit, row.credit) for row in booking.lines[2:]]
    assert owed == [("411000", Decimal("21.00"), Decimal(0)), ("451000", Decimal(0), Decimal("21.00"))]
    assert balance(booking.lines) == 0


def test_vat_that_is_charged_on_a_code_for_reverse_charge_is_a_contradiction() -> None:
    codes = (vat("S", "21", "DMC", reverse="21"),)
    purchases = CONNECTION.purchases.model_copy(update={"vat_codes": codes})
    charged = document(line("100"), direction=Direction.PURCHASE)
    found = {**LISTS, "vat_codes": lists.vat_code_rows([{"code": "DMC", "type": 1}])}
    assert refused(charged, found, CONNECTION.model_copy(update={"purchases": purchases})) == ["O38"]


def test_foreign_currency_keeps_its_amounts_and_names_its_rate() -> None:
    dollars = document(line("100", "0", "G"), currency="USD", other=ABROAD)
    booking = mapped(dollars)
    assert (booking.payload["amount"], booking.payload["exchangeRate"]) == ("100.00", "0.92")
    other = OCTOPUS.model_copy(update={"exchange_rate_style": RateStyle.UNITS_PER_BOOKS})
    assert mapped(dollars, octopus=other).payload["exchangeRate"] == "1.086957"
    assert refused(document(line("100"), currency="CHF")) == ["R01", "O17"]


@pytest.mark.parametrize(
    ("found", "codes"),
    [
        (made_lists(years=[book_year(7, 2024)]), ["O10"]),
        (made_lists(years=[book_year(7, 2025, closed=True)]), ["O01"]),
        (made_lists(years=[book_year(7, 2025) | {"periods": []}]), ["O13"]),
        (made_lists(journals=[]), ["O11"]),
        (made_lists(journals=[journal("A1")]), ["O03"]),
        (made_lists(journals=[journal("V7")]), ["O05"]),
        (made_lists(journals=[journal("V1", closed=True)]), ["O12"]),
        (made_lists(journals=[journal("V1", protectedPeriod=202501)]), ["O01"]),
        (made_lists(journals=[journal("V1", closedPeriod=202503)]), ["O01"]),
        (made_lists(journals=[journal("V1", insertionType=2)]), ["O02"]),
        (made_lists(accounts=[account(7, 700000)]), ["O19"]),
        (made_lists(accounts=[account(8, 700021)]), ["O19"]),
        (made_lists(accounts=[account(7, 700021, costCentreType=1)]), ["O29"]),
    ],
)
def test_what_the_lists_tell_is_said_beforehand(found: Lists, codes: list[str]) -> None:
    assert refused(document(line("100")), found) == codes


def test_an_earlier_closed_period_holds_nothing_up() -> None:
    assert mapped(document(line("1")), made_lists(journals=[journal("V1", protectedPeriod=202404)])).journal == "V1"


def test_a_new_year_without_journals_or_accounts_names_those_of_the_year_before() -> None:
    found = made_lists(years=[book_year(7, 2025), book_year(8, 2026)], complete=frozenset(("7", "8")))
    january = document(line("1"), line("1", "6", id="2"), issue_date=date(2026, 1, 5))
    with pytest.raises(Refused) as error:
        mapped(january, found)
    named = [(issue.code, issue.facts.get("journal") or issue.facts["account"]) for issue in error.value.issues]
    assert named == [("O11", "V1"), ("O19", "700021"), ("O19", "700000")]
    assert {issue.facts["book_year"] for issue in error.value.issues} == {"2026"}


def test_a_closed_year_names_the_period_too() -> None:
    with pytest.raises(Refused) as error:
        mapped(document(line("1")), made_lists(years=[book_year(7, 2025, closed=True)]))
    assert error.value.issues[0].facts["period"] == "202501"


def test_a_journal_is_not_missed_in_a_year_whose_journals_were_not_read() -> None:
    years = lists.book_year_rows([book_year(9, 2025)], frozenset(), frozenset(("7",)))
    assert mapped(document(line("1")), {**LISTS, "book_years": years}).journal == "V1"


def test_an_account_is_not_missed_where_not_all_of_them_were_read() -> None:
    assert mapped(document(line("1")), made_lists(accounts=[], complete=frozenset())).journal == "V1"


def test_a_journal_of_the_other_side_does_not_fit() -> None:
    sales = CONNECTION.sales.model_copy(update={"invoice_journal": "A1"})
    assert refused(document(line("1")), connection=CONNECTION.model_copy(update={"sales": sales})) == ["O24"]


@pytest.mark.parametrize(("code", "issue"), [("D21", "O28"), ("C21", "O28"), ("99", "O20")])
def test_vat_codes_must_exist_and_be_of_the_documents_side_and_kind(code: str, issue: str) -> None:
    sales = CONNECTION.sales.model_copy(update={"vat_codes": (vat("S", "21", code),)})
    assert refused(document(line("1")), connection=CONNECTION.model_copy(update={"sales": sales})) == [issue]


def test_a_plain_code_may_serve_a_credit_note() -> None:
    sales = CONNECTION.sales.model_copy(update={"vat_codes": (vat("S", "21", "21"),)})
    credit = document(line("1"), kind=Kind.CREDIT_NOTE)
    assert amounts(mapped(credit, connection=CONNECTION.model_copy(update={"sales": sales})))[0][2] == "21"


@pytest.mark.parametrize(("centre", "issue"), [("9", "O25"), ("2", "O26"), ("shop", "O25")])
def test_cost_centres_must_exist_and_be_open(centre: str, issue: str) -> None:
    assert refused(document(line("1", cost_centre=centre))) == [issue]
    assert mapped(document(line("1", cost_centre="1"))).payload["bookingLines"][0]["costCentreKey"] == {"id": 1}


def test_all_that_is_wrong_is_said_at_once_and_each_thing_once() -> None:
    one = document(line("1", account="999999"), line("1", id="2", account="999999", cost_centre="9"), line("1", "5"))
    assert refused(one, made_lists(journals=[])) == ["B01", "O11"]
    assert refused(document(*one.lines[:2]), made_lists(journals=[])) == ["O11", "O19", "O25"]


def test_lists_may_come_back_from_json() -> None:
    stored = {
        name: tuple(
            Row(row.code, row.name, row.kind, row.active, row.rate, json.loads(json.dumps(dict(row.details))))
            for row in rows
        )
        for name, rows in LISTS.items()
    }
    assert mapped(document(line("1")), stored) == mapped(document(line("1")))


def test_set_up_sees_which_journals_take_what() -> None:
    rows = lists.journal_rows({"7": [journal("V1"), journal("V3", insertionType=3), journal("A1"), journal("F1")]})
    assert {row.code: row.kind for row in rows} == {
        "A1": "purchase",
        "F1": "financial",
        "V1": "sales",
        "V3": "sales_invoicing",
    }


def party_payload(party: Party, component: Component = Component.CUSTOMERS) -> dict[str, Any]:
    return mapping.map_party(party, component, context()).payload


def test_a_customer_as_octopus_takes_it() -> None:
    assert party_payload(THEIRS) == {
        "name": "Klant & Zonen NV",
        "client": True,
        "currencyCode": "EUR",
        "active": True,
        "vatType": 1,
        "vatNr": "BE0999.999.922",
        "streetAndNr": "Dorpsplein 2",
        "postalCode": "9300",
        "city": "Aalst",
        "country": "BE",
        "email": "boekhouding@example.com",
        "factLanguage": 0,
    }


def test_a_supplier_is_a_supplier_and_stays_a_customer_if_it_was() -> None:
    payload = party_payload(THEIRS, Component.SUPPLIERS)
    assert payload["supplier"] is True
    assert "client" not in payload


@pytest.mark.parametrize(
    ("country", "number", "company", "vat_type"),
    [
        ("BE", "BE0123456749", None, 1),
        ("BE", None, None, 7),
        ("BE", None, "0123456749", 10),
        ("NL", "NL123456782B90", None, 4),
        ("NL", None, None, 8),
        ("US", None, "12-3456789", 6),
        ("US", None, None, 9),
        (None, "FR83404833048", None, 4),
    ],
)
def test_vat_types(country: str | None, number: str | None, company: str | None, vat_type: int) -> None:
    party = Party(name="X", vat_number=number, company_number=company, address=Address(country=country))
    assert party_payload(party)["vatType"] == vat_type


def test_a_party_of_which_too_little_is_known_is_sent_with_a_remark() -> None:
    """Without a VAT type, so that one that a person chose on the card is kept."""
    booking = mapping.map_party(Party(name="X"), Component.CUSTOMERS, context())
    assert "vatType" not in booking.payload
    assert [(issue.code, issue.severity) for issue in booking.remarks] == [("O06", "information")]


@pytest.mark.parametrize(
    ("number", "country", "written"),
    [
        ("BE 0123.456.749", "BE", "BE0123.456.749"),
        ("0123456749", "BE", "BE0123.456.749"),
        ("nl123456782b90", "NL", "NL123456782B90"),
        (None, "BE", None),
    ],
)
def test_vat_numbers_are_written_as_octopus_shows_them(number: str | None, country: str, written: str | None) -> None:
    assert mapping.octopus_vat_number(number, country) == written


money = st.decimals(min_value=-3000, max_value=3000, places=2)


@given(
    rows=st.lists(
        st.tuples(money, st.sampled_from(["21", "12", "6"]), st.sampled_from(["700000", "700021", None])),
        min_size=1,
        max_size=20,
    ),
    discounts=st.lists(st.tuples(st.decimals(0, 300, places=2), st.sampled_from(["21", "6"])), max_size=3),
    kind=st.sampled_from(Kind),
    direction=st.sampled_from(Direction),
    style=st.sampled_from(CreditNoteStyle),
    rounding=st.decimals("-0.04", "0.04", places=2),
)
def test_total_lines_and_preview_agree_to_the_cent(
    rows: list[tuple[Decimal, str, str | None]],
    discounts: list[tuple[Decimal, str]],
    kind: Kind,
    direction: Direction,
    style: CreditNoteStyle,
    rounding: Decimal,
) -> None:
    one = document(
        *(line(net, rate, id=str(place), account=chosen) for place, (net, rate, chosen) in enumerate(rows)),
        rows=[allowance(amount, rate) for amount, rate in discounts],
        kind=kind,
        direction=direction,
        rounding=rounding,
    )
    try:
        booking = mapped(one, octopus=OCTOPUS.model_copy(update={"credit_note_style": style}))
    except Refused as error:  # base and VAT of opposite signs: said, never sent
        assert {issue.code for issue in error.issues} == {"O21"}
        return
    payload = booking.payload
    written = sum(
        (Decimal(row["baseAmount"]) + Decimal(row["vatAmount"]) for row in payload["bookingLines"]), Decimal(0)
    )
    total = Decimal(payload["amount"])
    raises = (one.totals.gross + rounding) * (1 if kind is Kind.INVOICE else -1)
    assert total == booking.gross == raises
    turned = total < 0 and style is CreditNoteStyle.NEGATIVE_TOTAL
    assert written == (-total if turned else total)
    assert balance(booking.lines) == 0
    assert all(row.debit >= 0 and row.credit >= 0 for row in booking.lines)
    vat_amount = sum((Decimal(row["vatAmount"]) for row in payload["bookingLines"]), Decimal(0))
    assert abs(vat_amount) == abs(one.totals.vat)
    assert sum(
        (abs(Decimal(str(row["baseAmount"]))) for row in mapping.wire(payload)["bookingLines"]), Decimal(0)
    ) == sum((abs(Decimal(row["baseAmount"])) for row in payload["bookingLines"]), Decimal(0))
