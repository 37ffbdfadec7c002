"""Our own rules: each finds what it stands for, in all its forms, and lets sound documents through."""

from datetime import date, timedelta
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

import pytest
from dagboek.plugins import Plugins
from dagboek.rules.vat_numbers import _FORMS, Fault, vat_number
from dagboek_schemas.documents import (
    Address,
    AllowanceCharge,
    Approval,
    Direction,
    Document,
    Kind,
    Line,
    Party,
    Totals,
    VatSubtotal,
)
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import Component
from dagboek_sdk.accounting import MappingContext, Row
from dagboek_sdk.settings import ConnectionSettings, Side
from hypothesis import given
from hypothesis import strategies as st

PLUGINS = Plugins(entry_points=False)
ZERO = Decimal(0)


def cents(amount: Decimal) -> Decimal:
    return amount.quantize(Decimal("0.01"), ROUND_HALF_UP)


def party(**fields: Any) -> Party:
    fields.setdefault("address", Address(country="BE"))
    return Party(name="Fietsen Verlinden", **fields)


def invoice(
    rows: list[tuple[str, str]] | None = None,
    *,
    allowances: list[AllowanceCharge] | None = None,
    prepaid: Decimal = ZERO,
    rounding: Decimal = ZERO,
    **fields: Any,
) -> Document:
    """A document that adds up. `rows`: net and VAT rate of each line."""
    rows = rows if rows is not None else [("100.00", "21"), ("50.50", "6")]
    lines = tuple(
        Line(id=str(place), net=Decimal(net), vat_category="S", vat_rate=Decimal(rate))
        for place, (net, rate) in enumerate(rows, start=1)
    )
    taxable: dict[Decimal, Decimal] = {}
    for line in lines:
        assert line.vat_rate is not None
        taxable[line.vat_rate] = taxable.get(line.vat_rate, ZERO) + line.net
    around = tuple(allowances or ())
    for row in around:
        assert row.vat_rate is not None
        taxable[row.vat_rate] = taxable.get(row.vat_rate, ZERO) + (row.amount if row.charge else -row.amount)
    breakdown = tuple(
        VatSubtotal(category="S", rate=rate, taxable=base, tax=cents(base * rate / 100))
        for rate, base in taxable.items()
    )
    total = sum((line.net for line in lines), ZERO)
    off = sum((row.amount for row in around if not row.charge), ZERO)
    on = sum((row.amount for row in around if row.charge), ZERO)
    vat = sum((row.tax for row in breakdown), ZERO)
    gross = total - off + on + vat
    return Document(
        **{
            "kind": Kind.INVOICE,
            "direction": Direction.SALES,
            "number": "2026-014",
            "issue_date": date(2026, 6, 1),
            "currency": "EUR",
            "seller": party(),
            "buyer": party(),
            "lines": lines,
            "allowances_charges": around,
            "vat_breakdown": breakdown,
            "totals": Totals(
                lines=total,
                allowances=off,
                charges=on,
                net=total - off + on,
                vat=vat,
                gross=gross,
                prepaid=prepaid,
                rounding=rounding,
                payable=gross - prepaid + rounding,
            ),
            **fields,
        }
    )


def with_totals(document: Document, **totals: Decimal) -> Document:
    return document.model_copy(update={"totals": document.totals.model_copy(update=totals)})


def context(journals: tuple[Row, ...] = (), **settings: Any) -> MappingContext:
    return MappingContext(ConnectionSettings(**settings), {"journals": journals} if journals else {})


def found(document: Document, given: MappingContext | None = None) -> list[Issue]:
    return PLUGINS.validate_document(document, Component.SALES_INVOICES, given or context())


def found_of(someone: Party, **settings: Any) -> list[Issue]:
    return PLUGINS.validate_party(someone, Component.CUSTOMERS, context(**settings))


# approval and dates


@pytest.mark.parametrize(("approval", "code"), [(Approval.PENDING, "B10"), (Approval.REFUSED, "D17")])
def test_a_purchase_that_is_not_approved_is_not_ready(approval: Approval, code: str) -> None:
    issues = found(invoice(direction=Direction.PURCHASE, approval=approval))
    assert [(issue.code, issue.severity) for issue in issues] == [(code, Severity.INFORMATION)]


@pytest.mark.parametrize("approval", [Approval.APPROVED, Approval.NOT_REQUIRED])
def test_an_approved_purchase_may_be_booked(approval: Approval) -> None:
    issues = found(invoice(direction=Direction.PURCHASE, approval=approval))
    assert issues == []


def test_what_is_not_ready_is_not_blamed_for_anything_else_yet() -> None:
    document = with_totals(invoice(approval=Approval.PENDING), payable=Decimal(1))
    assert [issue.code for issue in found(document)] == ["B10"]


@given(st.dates(date(2000, 1, 1), date(2100, 1, 1)), st.integers(-400, 400))
def test_documents_before_the_start_date_are_not_ready(start: date, days: int) -> None:
    issues = found(invoice(issue_date=start + timedelta(days)), context(start_date=start))
    assert [issue.code for issue in issues] == (["D04"] if days < 0 else [])


# journals

JOURNALS = (Row("V1", "Verkopen"), Row("V9", "Oud", active=False))


@pytest.mark.parametrize(("chosen", "code"), [("V1", None), ("V9", "D25"), ("V3", "D25"), (None, "R05"), ("", "R05")])
def test_the_journal_is_chosen_and_there(chosen: str | None, code: str | None) -> None:
    given_context = context(JOURNALS, sales=Side(invoice_journal=chosen, credit_note_journal="V1"))
    assert [issue.code for issue in found(invoice(), given_context)] == ([code] if code else [])
    assert found(invoice(kind=Kind.CREDIT_NOTE), given_context) == []


def test_a_tool_without_journals_needs_none() -> None:
    assert found(invoice(), context()) == []


# VAT categories


def test_unknown_categories_are_all_named() -> None:
    document = invoice()
    lines = (document.lines[0], document.lines[1].model_copy(update={"vat_category": "X"}))
    row = AllowanceCharge(charge=True, amount=ZERO, vat_category="AA", reason="Verpakking")
    issues = found(document.model_copy(update={"lines": lines, "allowances_charges": (row,)}))
    assert [(issue.code, issue.field) for issue in issues] == [
        ("D23", "lines[1].vat_category"),
        ("D23", "allowances_charges[0].vat_category"),
    ]
    assert issues[0].facts == {"where": "2", "category": "X"}


# totals

AMOUNTS = st.decimals("-9999.99", "9999.99", places=2)
RATES = st.sampled_from(["0", "6", "9", "12", "21"])
ROWS = st.lists(st.tuples(AMOUNTS.map(str), RATES), min_size=1, max_size=6)
AROUND = st.lists(
    st.builds(
        AllowanceCharge,
        charge=st.booleans(),
        amount=st.decimals("0", "99.99", places=2),
        vat_category=st.just("S"),
        vat_rate=RATES.map(Decimal),
    ),
    max_size=3,
)


@given(ROWS, AROUND, AMOUNTS, st.decimals("-0.05", "0.05", places=2))
def test_sound_totals_pass(
    rows: list[tuple[str, str]], around: list[AllowanceCharge], prepaid: Decimal, rounding: Decimal
) -> None:
    assert found(invoice(rows, allowances=around, prepaid=prepaid, rounding=rounding)) == []


@given(
    ROWS,
    AROUND,
    st.sampled_from(["lines", "allowances", "charges", "net", "vat", "gross", "prepaid", "rounding", "payable"]),
    st.decimals("0.01", "500", places=2),
    st.booleans(),
)
def test_any_total_that_is_off_by_a_cent_or_more_is_found(
    rows: list[tuple[str, str]], around: list[AllowanceCharge], name: str, by: Decimal, less: bool
) -> None:
    document = invoice(rows, allowances=around)
    wrong = with_totals(document, **{name: getattr(document.totals, name) + (-by if less else by)})
    issues = found(wrong)
    assert {issue.code for issue in issues} == {"R02"}


@pytest.mark.parametrize(
    ("name", "broken"),
    [
        ("lines", {"BR-CO-10", "BR-CO-13"}),
        ("allowances", {"BR-CO-11", "BR-CO-13"}),
        ("charges", {"BR-CO-12", "BR-CO-13"}),
        ("net", {"BR-CO-13", "BR-CO-15"}),
        ("vat", {"BR-CO-14", "BR-CO-15"}),
        ("gross", {"BR-CO-15", "BR-CO-16"}),
        ("prepaid", {"BR-CO-16"}),
        ("payable", {"BR-CO-16"}),
    ],
)
def test_the_rule_that_is_broken_is_named(name: str, broken: set[str]) -> None:
    document = invoice()
    wrong = with_totals(document, **{name: getattr(document.totals, name) + 1})
    assert {issue.rule for issue in found(wrong)} == broken


def test_expected_and_found_are_told() -> None:
    issue = found(with_totals(invoice(), payable=Decimal("170.00")))[0]
    assert (issue.rule, issue.field) == ("BR-CO-16", "totals.payable")
    assert issue.facts == {"expected": "174.53", "found": "170.00"}


@pytest.mark.parametrize(("tax", "sound"), [("21.99", True), ("20.01", True), ("22.00", False), ("20.00", False)])
def test_vat_of_a_row_may_be_off_by_less_than_one(tax: str, sound: bool) -> None:
    document = invoice([("100.00", "21")])
    row = document.vat_breakdown[0].model_copy(update={"tax": Decimal(tax)})
    vat = Decimal(tax)
    totals = document.totals.model_copy(update={"vat": vat, "gross": 100 + vat, "payable": 100 + vat})
    issues = found(document.model_copy(update={"vat_breakdown": (row,), "totals": totals}))
    assert [issue.rule for issue in issues] == ([] if sound else ["BR-CO-17"])


def test_vat_against_the_sign_of_its_base_is_found() -> None:
    document = invoice([("2.00", "21")])
    row = document.vat_breakdown[0].model_copy(update={"tax": Decimal("-0.42")})
    totals = document.totals.model_copy(
        update={"vat": Decimal("-0.42"), "gross": Decimal("1.58"), "payable": Decimal("1.58")}
    )
    issues = found(document.model_copy(update={"vat_breakdown": (row,), "totals": totals}))
    assert [issue.rule for issue in issues] == ["BR-CO-17"]


def test_rounding_inside_the_total_as_before_en_16931_passes() -> None:
    document = with_totals(
        invoice([("10.01", "21")]), gross=Decimal("12.10"), rounding=Decimal("-0.01"), payable=Decimal("12.10")
    )
    assert found(document) == []
    assert [issue.rule for issue in found(with_totals(document, payable=Decimal("12.09")))] == ["BR-CO-15"]


def test_a_document_without_breakdown_is_left_to_the_mapping() -> None:
    assert found(invoice().model_copy(update={"vat_breakdown": ()})) == []


def test_more_decimals_than_cents_are_compared_in_cents() -> None:
    document = invoice([("33.333", "0"), ("33.333", "0"), ("33.334", "0")])
    assert found(with_totals(document, lines=Decimal("100.004"))) == []


# parties


def belgian(eight: int) -> str:
    return f"BE{eight:08}{97 - eight % 97:02}"


@given(st.integers(1, 19_999_999))
def test_belgian_numbers_with_a_right_check_digit_pass_and_others_do_not(eight: int) -> None:
    number = belgian(eight)
    assert found_of(party(vat_number=number)) == []
    dotted = f"{number[:2]} {number[2:6]}.{number[6:9]}.{number[9:]}"
    assert found_of(party(vat_number=dotted)) == []
    other = number[:-1] + str((int(number[-1]) + 1) % 10)
    assert [issue.code for issue in found_of(party(vat_number=other))] == ["D01"]


@pytest.mark.parametrize("prefix", sorted(_FORMS))
def test_each_country_has_its_form(prefix: str) -> None:
    example = _FORMS[prefix][1].split(",")[0].split(" ..")[0]
    known = vat_number(prefix + example[2:].replace("X", "A"), None)
    if prefix not in ("IE", "RO"):  # their examples stand for several forms
        assert known is not None
        assert known.fault is not Fault.FORM
    too_long = vat_number(prefix + "1" * 14, None)
    assert too_long is not None
    assert too_long.fault is Fault.FORM


@pytest.mark.parametrize(
    ("written", "country", "fault"),
    [
        ("NL000000000B00", "NL", Fault.CHECK_DIGIT),
        ("NL12345678", "NL", Fault.FORM),
        ("123456789B99", "NL", Fault.CHECK_DIGIT),
        ("FR AB 123456789", "FR", Fault.CHECK_DIGIT),
        ("ES123456789", "ES", Fault.FORM),
        ("CHE-123.456.789 TVA", "CH", Fault.CHECK_DIGIT),
        ("CHE-123.456.789 BTW", "CH", Fault.FORM),
        ("BE2123456749", "BE", Fault.FORM),
        ("BE123456749", "BE", Fault.FORM),
        ("BE", "BE", Fault.FORM),
        ("-", "BE", Fault.FORM),
        ("ABC123", "BE", Fault.FORM),
    ],
)
def test_numbers_that_are_wrong(written: str, country: str, fault: Fault) -> None:
    number = vat_number(written, country)
    assert number is not None
    assert (number.country, number.fault) == (country, fault)


@pytest.mark.parametrize(("written", "country"), [("12-3456789", "US"), ("US123", None), ("123", None), ("", None)])
def test_numbers_of_countries_that_are_not_known_here_are_let_through(written: str, country: str | None) -> None:
    assert vat_number(written, country) is None


def test_a_number_without_prefix_is_read_as_one_of_the_address() -> None:
    assert found_of(party(vat_number="0123.456.749")) == []


def test_a_wrong_form_says_what_was_expected() -> None:
    issue = found_of(party(vat_number="NL12345678", address=Address(country="NL")))[0]
    assert issue.code == "B03"
    assert issue.facts == {"vat_number": "NL12345678", "country": "NL", "expected": "NL999999999B99"}


@pytest.mark.parametrize("number", ["NL12345678", "BE0123456740", belgian(1234567)])
def test_checks_of_vat_numbers_can_be_switched_off(number: str) -> None:
    dutch = party(vat_number=number, address=Address(country="NL"))
    assert found_of(dutch) != []
    assert found_of(dutch, check_vat_numbers=False) == []


@pytest.mark.parametrize(
    ("prefix", "country", "fits"),
    [
        ("BE", "BE", True),
        ("BE", "NL", False),
        ("BE", "US", False),
        ("EL", "GR", True),
        ("XI", "GB", True),
        ("GB", "IM", True),
        ("FR", "MC", True),
        ("CH", "LI", True),
    ],
)
def test_country_and_vat_number_agree(prefix: str, country: str, fits: bool) -> None:
    example = prefix + _FORMS[prefix][1].split(",")[0][2:].replace("X", "A")
    codes = [issue.code for issue in found_of(party(vat_number=example, address=Address(country=country)))]
    assert ("D03" in codes) is not fits


def test_a_contradiction_names_both_countries() -> None:
    issue = found_of(party(vat_number=belgian(1234567), address=Address(country="NL")))[0]
    assert (issue.code, issue.facts["country"], issue.facts["vat_country"]) == ("D03", "NL", "BE")


@pytest.mark.parametrize(
    ("number", "codes"), [(None, ["D02"]), ("12345", ["D02"]), (belgian(1234567), []), ("EL123456789", ["D01"])]
)
def test_a_country_is_told_by_the_address_or_the_number(number: str | None, codes: list[str]) -> None:
    assert [issue.code for issue in found_of(party(vat_number=number, address=Address()))] == codes


def test_a_private_person_needs_no_number() -> None:
    assert found_of(party()) == []


# words


def test_every_issue_of_a_rule_has_all_facts_that_its_words_show() -> None:
    wrong = with_totals(invoice(lines=(Line(id="1", net=Decimal(1), vat_category="X"),)), payable=ZERO)
    issues = found(wrong, context(JOURNALS, sales=Side(invoice_journal="V3")))
    issues += found(invoice(), context(start_date=date(2027, 1, 1)))
    issues += found(invoice(), context(JOURNALS))
    issues += found_of(party(vat_number="NL12345678"))
    issues += found_of(party(vat_number="BE0123456740"))
    issues += found_of(party(address=Address()))
    assert {issue.code for issue in issues} == {"R02", "D23", "D25", "D04", "R05", "B03", "D03", "D01", "D02"}
    for issue in issues:
        text = PLUGINS.catalogue.text(issue, "nl")
        assert "?" not in f"{text.title} {text.cause} {text.remedy}"
