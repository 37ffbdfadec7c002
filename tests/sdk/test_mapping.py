"""Accounts, VAT codes and amounts as every tool takes them: to the cent, or an issue."""

from decimal import Decimal

import pytest
from dagboek_schemas.documents import Address, Direction, Kind, Party, VatSubtotal
from dagboek_sdk import mapping
from dagboek_sdk.errors import Refused
from dagboek_sdk.samples import THEIRS, allowance, charge, document, line
from dagboek_sdk.settings import ConnectionSettings, LedgerRule, Side, VatCode, VatKey
from hypothesis import given
from hypothesis import strategies as st

RATES = ("21", "12", "6", "0")


def vat(category: str, rate: str, code: str, **more: object) -> VatCode:
    reverse = more.pop("reverse_rate", None)
    key = VatKey.model_validate({"category": category, "rate": Decimal(rate), **more})
    return VatCode(key=key, code=code, reverse_rate=Decimal(str(reverse)) if reverse else None)


SALES = Side(
    invoice_journal="V1",
    credit_note_journal="V2",
    vat_codes=(
        *(vat("S", rate, rate) for rate in RATES if rate != "0"),
        vat("Z", "0", "00"),
        vat("E", "0", "EX"),
        vat("AE", "0", "MC"),
        vat("K", "0", "IC"),
        vat("K", "0", "ICS", vat_name="44"),
        vat("O", "0", "NA"),
        vat("G", "0", "EXP", region="NON_EU"),
        vat("S", "21", "21C", credit_note=True),
    ),
    ledger_accounts=(
        LedgerRule(account="700000"),
        LedgerRule(account="700021", rate=Decimal(21)),
        LedgerRule(account="700900", category="K"),
        LedgerRule(account="700012", rate=Decimal(12), category="S"),
    ),
    discount_account="708000",
    charge_account="708100",
    rounding_account="758000",
)
SETTINGS = ConnectionSettings(sales=SALES, purchases=SALES)


def amounts(split: mapping.Split) -> list[tuple[str, str | None, str, str]]:
    return [
        (part.account, part.vat.code if part.vat else None, str(part.base), str(part.vat_amount))
        for part in split.parts
    ]


def codes(refused: pytest.ExceptionInfo[Refused]) -> list[str]:
    return [issue.code for issue in refused.value.issues]


def test_lines_of_one_account_and_code_are_one_part_and_others_stay_apart() -> None:
    split = mapping.split(document(line("100"), line("50", id="2"), line("10", "6", id="3")), SETTINGS)
    assert amounts(split) == [("700021", "21", "150.00", "31.50"), ("700000", "6", "10.00", "0.60")]
    assert split.owed == Decimal("192.10") == split.effect
    assert split.parts[0].because == "ledger account for 21 %; VAT code for S 21 %"
    assert split.parts[0].text == "Item 1 (+1)"


def test_the_account_of_the_line_comes_before_the_rules() -> None:
    split = mapping.split(document(line("100", account="701234")), SETTINGS)
    assert split.parts[0].account == "701234"
    assert split.parts[0].because.startswith("ledger account of the line")


@pytest.mark.parametrize(
    ("rate", "category", "account"),
    [("21", "S", "700021"), ("12", "S", "700012"), ("6", "S", "700000"), ("0", "K", "700900"), ("0", "Z", "700000")],
)
def test_the_most_precise_ledger_rule_wins(rate: str, category: str, account: str) -> None:
    assert mapping.line_account(line("1", rate, category), SALES).code == account


def test_a_line_without_any_account_is_named_and_so_is_everything_else_that_is_wrong() -> None:
    bare = SALES.model_copy(update={"ledger_accounts": (), "discount_account": None, "charge_account": None})
    bad = document(line("100"), line("50", "5.5", id="2"), rows=[allowance("10"), charge("5")])
    with pytest.raises(Refused) as refused:
        mapping.split(bad, SETTINGS.model_copy(update={"sales": bare}))
    assert codes(refused) == ["B04", "B04", "B01", "B02", "R04"]
    assert [issue.field for issue in refused.value.issues][:3] == [
        "lines[0].account",
        "lines[1].account",
        "lines[1].vat_category",
    ]


def test_a_rate_that_is_not_linked_never_becomes_no_vat() -> None:
    with pytest.raises(Refused) as refused:
        mapping.split(document(line("100", "19")), SETTINGS)
    assert codes(refused) == ["B01"]
    assert refused.value.issues[0].facts["rate"] == "19"


@pytest.mark.parametrize(
    ("country", "category", "name", "code"),
    [("NL", "K", None, "IC"), ("NL", "K", "44", "ICS"), ("US", "G", None, "EXP")],
)
def test_the_most_precise_vat_row_wins(country: str, category: str, name: str | None, code: str) -> None:
    abroad = Party(name="Elders", address=Address(country=country))
    split = mapping.split(document(line("100", "0", category, vat_name=name), other=abroad), SETTINGS)
    assert split.parts[0].vat is not None
    assert split.parts[0].vat.code == code


def test_a_row_for_another_region_does_not_fit() -> None:
    with pytest.raises(Refused) as refused:
        mapping.split(document(line("100", "0", "G")), SETTINGS)
    assert codes(refused) == ["B01"]


def test_a_credit_note_may_have_codes_of_its_own_and_works_the_other_way() -> None:
    split = mapping.split(document(line("100"), kind=Kind.CREDIT_NOTE), SETTINGS)
    assert amounts(split) == [("700021", "21C", "100.00", "21.00")]
    assert split.credit
    assert split.effect == Decimal("-121.00")


@pytest.mark.parametrize(("kind", "credit"), [(Kind.INVOICE, True), (Kind.CREDIT_NOTE, False)])
def test_a_negative_total_turns_the_effect_around(kind: Kind, credit: bool) -> None:
    split = mapping.split(document(line("-100"), kind=kind), SETTINGS)
    assert split.credit is credit
    assert split.effect == Decimal("-121.00" if credit else "121.00")


def test_discounts_and_charges_on_the_document_go_to_their_accounts() -> None:
    split = mapping.split(document(line("100"), rows=[allowance("10"), charge("5", "6")]), SETTINGS)
    assert amounts(split) == [
        ("700021", "21", "100.00", "21.00"),
        ("708000", "21", "-10.00", "-2.10"),
        ("708100", "6", "5.00", "0.30"),
    ]
    assert split.owed == Decimal("114.20")


def test_prepaid_changes_nothing_that_is_booked_and_rounding_is_a_part_of_its_own() -> None:
    split = mapping.split(document(line("99.99"), prepaid="50", rounding="0.01"), SETTINGS)
    assert amounts(split) == [("700021", "21", "99.99", "21.00"), ("758000", "NA", "0.01", "0")]
    assert split.owed == Decimal("121.00")


def test_rounding_needs_an_account_and_its_vat_code_is_optional() -> None:
    without = SALES.model_copy(update={"vat_codes": tuple(row for row in SALES.vat_codes if row.code != "NA")})
    split = mapping.split(document(line("100"), rounding="-0.02"), SETTINGS.model_copy(update={"sales": without}))
    assert split.parts[1].vat is None
    bare = SALES.model_copy(update={"rounding_account": None})
    with pytest.raises(Refused) as refused:
        mapping.split(document(line("100"), rounding="0.01"), SETTINGS.model_copy(update={"sales": bare}))
    assert codes(refused) == ["R03"]


def test_the_documents_own_vat_is_booked_even_where_the_rate_gives_another_cent() -> None:
    odd = document(line("33.33", id="1", account="700001"), line("33.33", id="2", account="700002"))
    (row,) = odd.vat_breakdown
    odd = odd.model_copy(
        update={
            "vat_breakdown": (row.model_copy(update={"tax": Decimal("14.01")}),),
            "totals": odd.totals.model_copy(
                update={"vat": Decimal("14.01"), "gross": Decimal("80.67"), "payable": Decimal("80.67")}
            ),
        }
    )
    split = mapping.split(odd, SETTINGS)
    assert sum(part.vat_amount for part in split.parts) == Decimal("14.01")


def test_lines_without_category_take_that_of_the_only_breakdown_row() -> None:
    plain = document(line("100", None, None)).model_copy(
        update={"vat_breakdown": (VatSubtotal(category="S", rate=Decimal(21), taxable=Decimal(100), tax=Decimal(21)),)}
    )
    totals = plain.totals.model_copy(update={"vat": Decimal(21), "gross": Decimal(121), "payable": Decimal(121)})
    assert amounts(mapping.split(plain.model_copy(update={"totals": totals}), SETTINGS)) == [
        ("700021", "21", "100.00", "21.00")
    ]


def test_a_document_without_any_vat_is_outside_the_scope_if_that_is_linked() -> None:
    plain = document(line("100", None, None)).model_copy(update={"vat_breakdown": ()})
    assert amounts(mapping.split(plain, SETTINGS)) == [("700000", "NA", "100.00", "0.00")]


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"payable": Decimal(122)}, "BR-CO-16"),
        ({"gross": Decimal(130)}, "BR-CO-15"),
        ({"net": Decimal(99), "gross": Decimal(120), "payable": Decimal(120)}, "BR-CO-13"),
        ({"vat": Decimal(20), "gross": Decimal(120), "payable": Decimal(120)}, "BR-CO-14"),
    ],
)
def test_totals_that_do_not_add_up_are_an_issue_with_the_rule(changes: dict[str, Decimal], rule: str) -> None:
    bad = document(line("100"))
    bad = bad.model_copy(update={"totals": bad.totals.model_copy(update=changes)})
    with pytest.raises(Refused) as refused:
        mapping.split(bad, SETTINGS)
    assert [(issue.code, issue.rule) for issue in refused.value.issues] == [("R02", rule)]


def test_the_rate_of_exchange_comes_from_the_document_then_the_table_then_both_vat_amounts() -> None:
    table = SETTINGS.model_copy(update={"exchange_rates": {"USD": Decimal("0.9")}})
    dollars = document(line("100"), currency="USD")
    assert mapping.exchange_rate(document(line("100")), SETTINGS) == 1
    assert mapping.exchange_rate(dollars.model_copy(update={"exchange_rate": Decimal("0.95")}), table) == Decimal(
        "0.95"
    )
    assert mapping.exchange_rate(dollars, table) == Decimal("0.9")
    both = dollars.model_copy(update={"tax_currency": "EUR", "vat_in_tax_currency": Decimal("19.95")})
    assert mapping.exchange_rate(both, SETTINGS) == Decimal("0.95")
    with pytest.raises(Refused) as refused:
        mapping.exchange_rate(dollars, SETTINGS)
    assert codes(refused) == ["R01"]


def test_the_journal_follows_side_and_kind() -> None:
    assert mapping.journal(document(line("1"), kind=Kind.CREDIT_NOTE), SETTINGS) == "V2"
    with pytest.raises(Refused) as refused:
        mapping.journal(document(line("1"), direction=Direction.PURCHASE), ConnectionSettings())
    assert codes(refused) == ["R05"]


@pytest.mark.parametrize(("country", "region"), [("BE", "BE"), ("NL", "EU"), ("GB", "NON_EU"), (None, "BE")])
def test_regions(country: str | None, region: str) -> None:
    party = THEIRS.model_copy(update={"address": Address(country=country)})
    assert mapping.region_of(party, "BE") == region


money = st.decimals(min_value=-5000, max_value=5000, places=2)
rows = st.tuples(money, st.sampled_from(RATES[:3]), st.sampled_from(["700001", "700002", "700003", None]))


@given(
    lines=st.lists(rows, min_size=1, max_size=25),
    discounts=st.lists(st.tuples(st.decimals(0, 500, places=2), st.sampled_from(RATES[:3])), max_size=3),
    kind=st.sampled_from(Kind),
    prepaid=st.decimals(0, 100, places=2),
    rounding=st.decimals("-0.04", "0.04", places=2),
)
def test_whatever_the_document_the_parts_add_up_to_the_cent(
    lines: list[tuple[Decimal, str, str | None]],
    discounts: list[tuple[Decimal, str]],
    kind: Kind,
    prepaid: Decimal,
    rounding: Decimal,
) -> None:
    made = document(
        *(line(net, rate, id=str(place), account=account) for place, (net, rate, account) in enumerate(lines)),
        rows=[allowance(amount, rate) for amount, rate in discounts],
        kind=kind,
        prepaid=prepaid,
        rounding=rounding,
    )
    split = mapping.split(made, SETTINGS)
    totals = made.totals
    assert sum(part.base + part.vat_amount for part in split.parts) == split.owed == totals.gross + rounding
    assert sum(part.vat_amount for part in split.parts) == totals.vat
    assert sum(part.base for part in split.parts if part.account != "758000") == totals.net
    assert all(part.base == mapping.cents(part.base) for part in split.parts)
    for row in made.vat_breakdown:
        of_rate = [part for part in split.parts if part.vat and part.vat.code.rstrip("C") == f"{row.rate:f}"]
        assert sum(part.base for part in of_rate) == row.taxable
        assert sum(part.vat_amount for part in of_rate) == row.tax


@given(
    exact=st.lists(st.decimals(-1000, 1000, places=4), min_size=1, max_size=30),
    off=st.integers(-20, 20),
)
def test_spread_keeps_the_total_and_moves_nothing_far(exact: list[Decimal], off: int) -> None:
    total = mapping.cents(sum(exact, Decimal(0))) + off * mapping.CENT
    shared = mapping.spread(exact, total)
    assert sum(shared) == total
