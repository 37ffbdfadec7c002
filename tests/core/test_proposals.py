"""Proposals for set-up: right by the names and rates that tools show, in three languages, and silent otherwise."""

import re
from decimal import Decimal

import pytest
from dagboek.proposals import Proposals, propose
from dagboek.row_words import Word, rate_in, words_of
from dagboek_schemas.documents import Direction, Kind, Line
from dagboek_sdk.accounting import Row
from dagboek_sdk.errors import Refused
from dagboek_sdk.mapping import line_account, vat_code
from dagboek_sdk.settings import Side
from hypothesis import given
from hypothesis import strategies as st

R = Decimal

NAMES = {
    "nl": {
        "21": "Verkoop 21 %",
        "6": "Verkoop 6 %",
        "0": "Verkoop 0 %",
        "MC": "Medecontractant",
        "ICD": "IC-diensten binnen de EU",
        "ICG": "Intracommunautaire levering goederen",
        "EX": "Uitvoer buiten de EU",
        "VR": "Vrijgesteld art. 44",
        "NO": "Niet onderworpen",
    },
    "fr": {
        "21": "Ventes 21 %",
        "6": "Ventes 6 %",
        "0": "Ventes 0 %",
        "MC": "Cocontractant (autoliquidation)",
        "ICD": "Prestations de services intracommunautaires",
        "ICG": "Livraisons de biens intracommunautaires",
        "EX": "Exportation hors UE",
        "VR": "Exonéré",
        "NO": "Non soumis à la TVA",
    },
    "en": {
        "21": "Sales 21%",
        "6": "Sales 6%",
        "0": "Sales 0%",
        "MC": "Domestic reverse charge",
        "ICD": "Intra-community services",
        "ICG": "Intra-community goods",
        "EX": "Export outside the EU",
        "VR": "Exempt",
        "NO": "Not subject",
    },
}


def sales_codes(language: str, kind: str | None = "sales") -> tuple[Row, ...]:
    return tuple(
        Row(code, name, kind, rate=R(code) if code.isdigit() else R(0)) for code, name in NAMES[language].items()
    )


def code_for(side: Side, category: str, rate: str = "0", *, region: str | None = None, credit: bool = False) -> str:
    try:
        return vat_code(side, category, R(rate), region=region, credit=credit).code
    except Refused:
        return "-"


def because(proposals: Proposals, setting: str) -> str:
    return next(one.because for one in proposals.proposed if one.setting == setting)


def why(proposals: Proposals, setting: str) -> str:
    return next(one.why for one in proposals.missing if one.setting == setting)


# VAT codes


@pytest.mark.parametrize("language", NAMES)
def test_belgian_sales_find_their_codes_by_rate_and_name(language: str) -> None:
    side = propose({"vat_codes": sales_codes(language)}, "BE").settings.sales
    assert code_for(side, "S", "21", region="BE") == "21"
    assert code_for(side, "S", "6", region="EU") == "6"
    assert code_for(side, "Z", region="BE") == "0"
    assert code_for(side, "E", region="BE") == "VR"
    assert code_for(side, "O", region="BE") == "NO"
    assert code_for(side, "AE", region="BE") == "MC"
    assert code_for(side, "AE", region="EU") == "ICD"
    assert code_for(side, "K", region="EU") == "ICG"
    assert code_for(side, "G", region="NON_EU") == "EX"
    assert code_for(side, "O", region="NON_EU") == "EX"
    assert vat_code(side, "K", R(0), region="EU", vat_name="44").code == "ICD"


@pytest.mark.parametrize(
    ("category", "rate", "region"),
    [
        ("S", "12", "BE"),
        ("K", "0", "BE"),
        ("K", "0", "NON_EU"),
        ("AE", "0", "NON_EU"),
        ("G", "0", "EU"),
        ("AE", "0", None),
    ],
)
def test_what_no_code_stands_for_stays_unlinked(category: str, rate: str, region: str | None) -> None:
    side = propose({"vat_codes": sales_codes("nl")}, "BE").settings.sales
    assert code_for(side, category, rate, region=region) == "-"


def test_no_code_is_said_and_never_replaced_by_zero() -> None:
    found = propose({"vat_codes": (Row("21", "Verkoop 21 %", "sales"), Row("0", "Verkoop 0 %", "sales"))}, "BE")
    side = found.settings.sales
    for category, region in (("AE", "BE"), ("AE", "EU"), ("K", "EU"), ("G", "NON_EU"), ("O", "BE")):
        assert code_for(side, category, region=region) == "-"
    assert "intra-community" in why(found, "sales VAT goods, EU")
    assert "reverse charge" in why(found, "sales VAT reverse charge, own country")


def test_exempt_goes_with_zero_in_belgium_alone() -> None:
    rows = (Row("0", "Verkoop 0 %", "sales", rate=R(0)),)
    belgian = propose({"vat_codes": rows}, "BE")
    assert code_for(belgian.settings.sales, "E", region="BE") == "0"
    assert "in Belgium" in because(belgian, "sales VAT exempt")
    assert code_for(propose({"vat_codes": rows}, "NL").settings.sales, "E", region="NL") == "-"


def test_dutch_books() -> None:
    rows = (
        Row("1", "Btw hoog 21%", "sales"),
        Row("2", "Btw laag 9%", "sales"),
        Row("3", "Btw nul 0%", "sales"),
        Row("4", "Btw verlegd", "sales", rate=R(0)),
        Row("5", "Leveringen binnen de EU", "sales", rate=R(0)),
        Row("6", "Diensten binnen de EU", "sales", rate=R(0)),
        Row("7", "Leveringen buiten de EU", "sales", rate=R(0)),
        Row("8", "Marge-regeling 21%", "sales"),
    )
    side = propose({"vat_codes": rows}, "NL").settings.sales
    found = [
        code_for(side, "S", "21", region="NL"),
        code_for(side, "S", "9", region="NL"),
        code_for(side, "Z", region="NL"),
        code_for(side, "AE", region="NL"),
        code_for(side, "K", region="EU"),
        code_for(side, "AE", region="EU"),
        code_for(side, "G", region="NON_EU"),
    ]
    assert found == ["1", "2", "3", "4", "5", "6", "7"]


PURCHASES = (
    Row("G21", "Goederen 21%", "purchase", rate=R(21)),
    Row("I21", "Investeringen 21%", "purchase", rate=R(21)),
    Row("D21", "Diensten en diverse goederen 21%", "purchase", rate=R(21)),
    Row("X21", "Goederen intracommunautair", "purchase", rate=R(21)),
    Row("X06", "Goederen intracommunautair 6%", "purchase", rate=R(6)),
    Row("Y21", "Diensten intracommunautair", "purchase", rate=R(21)),
    Row("M06", "Diensten medecontractant 6%", "purchase", rate=R(6)),
    Row("M21", "Diensten medecontractant", "purchase", rate=R(21)),
    Row("V21", "Invoer van goederen, btw verlegd", "purchase", rate=R(21)),
)


def test_the_receiver_owes_vat_on_purchases_without_it() -> None:
    side = propose({"vat_codes": PURCHASES}, "BE").settings.purchases
    assert code_for(side, "S", "21", region="BE") == "D21"
    for category, region, code in (("K", "EU", "X21"), ("AE", "EU", "Y21"), ("AE", "BE", "M21")):
        choice = vat_code(side, category, R(0), region=region)
        assert (choice.code, choice.reverse_rate) == (code, R(21))
    # Whether import with deferment applies is a licence that no list shows.
    assert code_for(side, "G", region="NON_EU") == "-"


def test_what_is_sold_owes_nothing_on_our_side() -> None:
    side = propose({"vat_codes": sales_codes("nl")}, "BE").settings.sales
    assert {row.reverse_rate for row in side.vat_codes} == {None}


def test_codes_of_the_other_side_are_not_taken() -> None:
    found = propose({"vat_codes": PURCHASES}, "BE")
    assert found.settings.sales.vat_codes == ()
    assert {row.code for row in found.settings.purchases.vat_codes} <= {row.code for row in PURCHASES}


def test_codes_for_credit_notes_are_used_for_those_alone() -> None:
    rows = sales_codes("nl") + tuple(
        Row(f"C{row.code}", f"CN {row.name}", "sales_credit_note", rate=row.rate) for row in sales_codes("nl")
    )
    side = propose({"vat_codes": rows}, "BE").settings.sales
    for category, rate, region in (("S", "21", "BE"), ("AE", "0", "BE"), ("K", "0", "EU"), ("Z", "0", "BE")):
        plain = code_for(side, category, rate, region=region)
        assert code_for(side, category, rate, region=region, credit=True) == f"C{plain}"


def test_without_codes_for_credit_notes_the_same_ones_serve() -> None:
    side = propose({"vat_codes": sales_codes("nl")}, "BE").settings.sales
    assert code_for(side, "S", "21", credit=True) == "21"


def test_codes_without_a_kind_serve_both_sides_unless_their_name_says_one() -> None:
    rows = (Row("1", "BTW 21%", None), Row("2", "Inkoop 6%", None), Row("3", "Verkoop 12%", None))
    found = propose({"vat_codes": rows}, "BE").settings
    assert {row.code for row in found.sales.vat_codes} == {"1", "3"}
    assert {row.code for row in found.purchases.vat_codes} == {"1", "2"}


def test_an_export_inside_the_eu_is_none_outside_it() -> None:
    names = ("Export buiten de EU", "Export binnen de EU", "Export van goederen binnen de EU",
             "Export van diensten binnen de EU")  # fmt: skip
    rows = tuple(Row(str(place), name, "sales", rate=R(0)) for place, name in enumerate(names))
    sales = propose({"vat_codes": rows}, "BE").settings.sales
    assert [code_for(sales, "G", region="NON_EU"), code_for(sales, "K", region="EU")] == ["0", "2"]
    assert [code_for(sales, "AE", region="EU"), code_for(sales, "O", region="NON_EU")] == ["3", "0"]


def test_inactive_codes_are_not_proposed() -> None:
    found = propose({"vat_codes": (Row("21", "Verkoop 21 %", "sales", active=False),)}, "BE")
    assert found.settings.sales.vat_codes == ()


# journals


def test_journals_by_kind() -> None:
    rows = (
        Row("1", "Een", "sales_credit_note"),
        Row("2", "Twee", "sales_invoice"),
        Row("3", "Drie", "purchase_invoice"),
        Row("4", "Vier", "purchase_credit_note"),
    )
    found = propose({"journals": rows}, "BE").settings
    assert (found.sales.journal(Kind.INVOICE), found.sales.journal(Kind.CREDIT_NOTE)) == ("2", "1")
    assert (found.purchases.journal(Kind.INVOICE), found.purchases.journal(Kind.CREDIT_NOTE)) == ("3", "4")


@pytest.mark.parametrize("name", ["Creditnota's verkoop", "Notes de crédit ventes", "Sales credit notes", "CN verkoop"])
def test_journals_by_name(name: str) -> None:
    rows = (Row("V0", "Oud", "sales", active=False), Row("V2", name, "sales"), Row("V1", "Verkopen", "sales"))
    found = propose({"journals": rows}, "BE")
    assert found.settings.sales.invoice_journal == "V1"
    assert found.settings.sales.credit_note_journal == "V2"
    assert "credit notes" in because(found, "sales.credit_note_journal")


def test_the_only_journal_of_a_side_serves_for_both() -> None:
    found = propose({"journals": (Row("70", "Verkoopboek", None), Row("60", "Inkoopboek", None))}, "NL").settings
    assert (found.sales.invoice_journal, found.sales.credit_note_journal) == ("70", "70")
    assert (found.purchases.invoice_journal, found.purchases.credit_note_journal) == ("60", "60")


def test_a_credit_note_journal_that_no_name_tells_is_left_to_a_person() -> None:
    found = propose({"journals": (Row("V1", "Winkel", "sales"), Row("V2", "Web", "sales"))}, "BE")
    assert found.settings.sales.invoice_journal == "V1"
    assert found.settings.sales.credit_note_journal is None
    assert "credit notes" in why(found, "sales.credit_note_journal")


def test_a_tool_without_journals_misses_none() -> None:
    found = propose({}, "BE")
    assert not [one for one in found.missing if "journal" in one.setting]


# ledger accounts

ACCOUNTS = tuple(
    Row(code, name)
    for code, name in (
        ("70", "Omzet"),
        ("700000", "Verkopen algemeen"),
        ("700021", "Verkopen 21%"),
        ("700006", "Verkopen 6%"),
        ("700090", "Verkopen buitenlands tarief 19%"),
        ("700100", "Verkopen intracommunautair"),
        ("700300", "Verkopen medecontractant"),
        ("708000", "Toegekende kortingen"),
        ("709999", "Doorgerekende verzendkosten"),
        ("604000", "Aankopen handelsgoederen"),
        ("608000", "Ontvangen kortingen"),
        ("610000", "Huur"),
        ("657000", "Financiële kortingen"),
        ("659000", "Afrondingsverschillen"),
        ("759000", "Afrondingsverschillen"),
    )
)


def account_for(side: Side, category: str, rate: str) -> str:
    try:
        return line_account(Line(id="1", net=R(1), vat_category=category, vat_rate=R(rate)), side).code
    except Refused:
        return "-"


def test_belgian_accounts_by_rate_and_case() -> None:
    side = propose({"ledger_accounts": ACCOUNTS}, "BE").settings.sales
    assert account_for(side, "S", "21") == "700021"
    assert account_for(side, "S", "6") == "700006"
    assert account_for(side, "S", "19") == "700000"
    assert account_for(side, "K", "0") == "700100"
    assert account_for(side, "AE", "0") == "700300"
    assert account_for(side, "E", "0") == "700000"
    assert (side.discount_account, side.charge_account, side.rounding_account) == ("708000", "709999", "759000")


def test_purchases_get_no_account_that_is_not_general() -> None:
    found = propose({"ledger_accounts": ACCOUNTS}, "BE")
    assert account_for(found.settings.purchases, "S", "21") == "-"
    assert found.settings.purchases.charge_account is None
    assert "general" in why(found, "purchases account for all other lines")
    assert (found.settings.purchases.discount_account, found.settings.purchases.rounding_account) == (
        "608000",
        "659000",
    )
    more = (*ACCOUNTS, Row("612900", "Diverse diensten"))
    assert account_for(propose({"ledger_accounts": more}, "BE").settings.purchases, "S", "21") == "612900"


def test_dutch_accounts_begin_with_eight() -> None:
    rows = (
        Row("8000", "Omzet hoog 21%"),
        Row("8010", "Omzet"),
        Row("4990", "Betaalde kortingen"),
        Row("7000", "Inkoop"),
    )
    side = propose({"ledger_accounts": rows}, "NL").settings.sales
    assert account_for(side, "S", "21") == "8000"
    assert account_for(side, "S", "9") == "8010"
    assert side.discount_account == "4990"


def test_a_chart_of_another_country_is_read_by_name() -> None:
    rows = (Row("3001", "Sales 25%"), Row("3000", "Sales general"), Row("4010", "Purchases"))
    side = propose({"ledger_accounts": rows}, "SE").settings.sales
    assert account_for(side, "S", "25") == "3001"
    assert account_for(side, "S", "12") == "3000"


# as a whole


def test_what_is_known_is_kept_and_every_proposal_has_its_reason() -> None:
    lists = {
        "journals": (Row("V1", "Verkopen", "sales"),),
        "vat_codes": sales_codes("nl") + PURCHASES,
        "ledger_accounts": ACCOUNTS,
    }
    found = propose(lists, "BE", currency="USD", check_vat_numbers=False)
    assert (found.settings.currency, found.settings.check_vat_numbers) == ("USD", False)
    assert all(one.value and one.because for one in found.proposed)
    assert all(one.why for one in found.missing)
    assert found == propose(lists, "BE", currency="USD", check_vat_numbers=False)


def test_without_lists_all_is_missing_but_journals() -> None:
    found = propose({}, "BE")
    assert found.proposed == ()
    assert {re.split("[. ]", one.setting)[0] for one in found.missing} == {"sales", "purchases"}
    assert all(one.command and one.without for one in found.missing)


WORDS = st.sampled_from(
    [
        "Verkoop",
        "Aankoop",
        "21%",
        "6 %",
        "EU",
        "buiten",
        "verlegd",
        "creditnota",
        "korting",
        "goed",
        "é",
        "",
        "algemeen",
    ]
)
ROWS = st.lists(
    st.builds(
        Row,
        code=st.text("0678", min_size=1, max_size=6),
        name=st.lists(WORDS, max_size=4).map(" ".join) | st.text(max_size=10),
        kind=st.sampled_from([None, "sales", "purchase", "sales_credit_note", "purchase_credit_note", "financial"]),
        active=st.booleans(),
        rate=st.none() | st.sampled_from([R(0), R(6), R(21)]),
    ),
    max_size=12,
).map(tuple)


@given(ROWS, ROWS, ROWS, st.sampled_from(["BE", "NL", "DE"]))
def test_whatever_the_lists_hold_only_what_is_active_there_is_proposed(
    journals: tuple[Row, ...], codes: tuple[Row, ...], accounts: tuple[Row, ...], country: str
) -> None:
    found = propose({"journals": journals, "vat_codes": codes, "ledger_accounts": accounts}, country)
    active = {row.code for row in (*journals, *codes, *accounts) if row.active}
    assert {one.value for one in found.proposed} <= active
    for direction, other in ((Direction.SALES, "purchase"), (Direction.PURCHASE, "sales")):
        side = found.settings.side(direction)
        of_side = {row.code for row in codes if row.active and not (row.kind or "").startswith(other)}
        assert {row.code for row in side.vat_codes} <= of_side
        keys = [row.key for row in side.vat_codes]
        assert len(keys) == len(set(keys))


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("Aankopen van buiten de EU zonder btw", {Word.PURCHASES, Word.NON_EU}),
        ("Intracommunautaire diensten", {Word.INTRA_EU, Word.SERVICES}),
        ("Verkoop niet-EU", {Word.SALES, Word.NON_EU}),
        ("Achats hors UE", {Word.PURCHASES, Word.NON_EU}),
        ("Export van goederen binnen de EU", {Word.GOODS, Word.INTRA_EU}),
        ("Exportation dans l'UE", {Word.INTRA_EU}),
        ("Export of services inside the EU", {Word.SERVICES, Word.INTRA_EU}),
        ("Uitvoer, niet binnen de EU", {Word.NON_EU}),
        ("Meubelen", set()),
        ("Euro-rekening", set()),
    ],
)
def test_words_of_names(name: str, words: set[Word]) -> None:
    assert words_of(name) == words


@pytest.mark.parametrize(
    ("name", "rate"),
    [("Verkoop 21%", R(21)), ("TVA 5,5 %", R("5.5")), ("6% en 21%", None), ("Verkoop", None), ("121%", None)],
)
def test_rates_in_names(name: str, rate: Decimal | None) -> None:
    assert rate_in(name) == rate
