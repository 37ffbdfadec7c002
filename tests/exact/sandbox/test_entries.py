"""Sales and purchase entries: deep insert, numbers, VAT, what is refused, changes, and books that balance."""

from decimal import Decimal
from typing import Any

import pytest

from .conftest import Client, Starter

NOWHERE = "51f0c0a9-5ae5-4d0c-8ee9-4c4d4ac45d3a"


def _lines(entry: dict[str, Any]) -> dict[str, Decimal]:
    """What stands on each account, debit minus credit."""
    return {line["account"]: line["debit"] - line["credit"] for line in entry["lines"]}


def _books(client: Client) -> list[dict[str, Any]]:
    books = client.sandbox.books
    assert books.ledger(client.division)["difference"] == 0
    found = books.entries(client.division)
    assert all(entry["balanced"] for entry in found)
    return found


async def test_a_sale_stands_in_the_books(client: Client) -> None:
    customer = await client.relation()
    made = await client.sale(customer)
    assert made.status == 201
    assert made.headers["Location"].endswith(f"SalesEntries(guid'{made.d['EntryID']}')")
    assert (made.d["EntryNumber"], made.d["AmountFC"], made.d["VATAmountFC"]) == (26_700_001, 121.0, 21.0)
    assert (made.d["Type"], made.d["Status"], made.d["PaymentReference"]) == (20, 20, "2/26700001")
    (entry,) = _books(client)
    assert (entry["id"], entry["comment"], entry["number"]) == (made.d["EntryID"], "2026/001", 26_700_001)
    assert _lines(entry) == {"400000": 121, "700000": -100, "451000": -21}
    assert entry["relation"]["name"] == "Klant B"
    assert entry["origin"] == "api"


async def test_a_purchase_stands_in_the_books(client: Client) -> None:
    made = await client.purchase(await client.relation())
    assert (made.d["EntryNumber"], made.d["Type"], made.d["SupplierName"]) == (26_600_001, 30, "Klant B")
    assert _lines(_books(client)[0]) == {"440000": -121, "612100": 100, "411000": 21}


async def test_numbers_run_in_each_journal_and_year(client: Client) -> None:
    customer = await client.relation()
    numbers = [
        (await client.sale(customer, Journal=journal, EntryDate=day)).d["EntryNumber"]
        for journal, day in (("70", "2026-01-01"), ("70", "2026-12-31"), ("71", "2026-01-01"), ("70", "2025-05-05"))
    ]
    assert numbers == [26_700_001, 26_700_002, 26_710_001, 25_700_001]
    refused = await client.sale(customer, Journal="60")
    assert refused.status == 500
    assert (await client.sale(customer)).d["EntryNumber"] == 26_700_003, "a refusal uses no number up"
    wished = (await client.sale(customer, EntryNumber=26_700_010)).d
    assert wished["EntryNumber"] == 26_700_010
    assert (await client.sale(customer, EntryNumber=26_700_010)).d["EntryNumber"] == 26_700_011, "not heeded"
    client.tell("rules", wished_number="refuse")
    taken = await client.sale(customer, EntryNumber=26_700_010)
    assert (taken.status, taken.error) == (500, "In gebruik: Boekstuknummer 26700010")


@pytest.mark.parametrize(
    ("code", "amount", "extra", "total", "accounts"),
    [
        ("V21", "33.33", {}, "40.33", {"400000": "40.33", "700000": "-33.33", "451000": "-7.00"}),
        ("V21", "100", {"VATAmountFC": "20.99"}, "120.99", {"400000": "120.99", "700000": "-100", "451000": "-20.99"}),
        ("V21", 100.0, {}, "121", {"400000": "121", "700000": "-100", "451000": "-21"}),
        ("I21", "121", {}, "121", {"400000": "121", "700000": "-100", "451000": "-21"}),
        ("ICG", "100", {}, "100", {"400000": "100", "700000": "-100"}),
        ("MC", "100", {}, "100", {"400000": "100", "700000": "-100"}),
        ("GEE", "100", {}, "100", {"400000": "100", "700000": "-100"}),
    ],
)
async def test_vat_of_sales(
    client: Client, code: str, amount: Any, extra: dict[str, Any], total: str, accounts: dict[str, str]
) -> None:
    line = await client.line(amount=amount, VATCode=code, **extra)
    made = await client.sale(await client.relation(), SalesEntryLines=[line])
    assert made.status == 201, made.text
    (entry,) = _books(client)
    assert entry["total"] == Decimal(total)
    assert _lines(entry) == {name: Decimal(value) for name, value in accounts.items()}


@pytest.mark.parametrize(
    ("account", "code", "accounts"),
    [
        ("613100", "AMC", {"440000": -100, "613100": 100, "411000": 21, "451000": -21}),
        ("604000", "AIG", {"440000": -100, "604000": 100, "411000": 21, "451000": -21}),
        ("616000", "A21", {"440000": -121, "616000": Decimal("110.50"), "411000": Decimal("10.50")}),
        ("610000", None, {"440000": -100, "610000": 100}),
        ("608000", None, {"440000": -100, "608000": 100}),
    ],
)
async def test_vat_of_purchases(client: Client, account: str, code: str | None, accounts: dict[str, Any]) -> None:
    line = await client.line(account, **({"VATCode": code} if code else {}))
    made = await client.purchase(await client.relation(), PurchaseEntryLines=[line])
    assert made.status == 201, made.text
    (entry,) = _books(client)
    assert _lines(entry) == accounts
    assert entry["total"] == Decimal(str(made.d["AmountFC"])) == -Decimal(accounts["440000"])


async def test_a_credit_note_is_negative_and_known_by_its_type_or_its_total(client: Client) -> None:
    customer = await client.relation()
    minus = [await client.line(amount="-100.00")]
    derived = (await client.sale(customer, SalesEntryLines=minus)).d
    assert (derived["Type"], derived["AmountFC"], derived["VATAmountFC"]) == (21, -121.0, -21.0)
    assert (await client.sale(customer, SalesEntryLines=minus, Type=21)).d["Type"] == 21
    odd = await client.sale(customer, Type=21)
    assert odd.status == 201
    entries = _books(client)
    assert [entry["warnings"] for entry in entries] == [[], [], ["a credit note with a positive total"]]
    assert _lines(entries[0]) == {"400000": -121, "700000": 100, "451000": 21}
    client.tell("rules", positive_credit="refuse")
    assert (await client.sale(customer, Type=21)).status == 500
    assert (await client.sale(customer, Type=30)).error == "Ongeldig: Type"
    client.tell("rules", type_posted=False)
    assert (await client.sale(customer, Type=21)).d["Type"] == 20, "passed over, as it is read-only"
    bought = await client.purchase(customer, PurchaseEntryLines=[await client.line("612100", "-10")])
    assert bought.d["Type"] == 31


async def test_a_foreign_currency_has_a_rate_and_the_books_are_in_their_own(client: Client) -> None:
    made = await client.sale(await client.relation(), Currency="USD", Rate="0.9137", EntryDate="2026-03-01")
    assert (made.d["Currency"], made.d["Rate"], made.d["AmountFC"]) == ("USD", 0.9137, 121.0)
    (entry,) = _books(client)
    assert _lines(entry) == {"400000": Decimal("110.56"), "700000": Decimal("-91.37"), "451000": Decimal("-19.19")}
    assert entry["lines"][0]["document_debit"] == 121
    assert made.d["AmountDC"] == 110.56


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"Customer": None}, "Verplicht: Klant"),
        ({"Customer": NOWHERE}, "Ongeldige referentie: Klant"),
        ({"Journal": None}, "Verplicht: Dagboek"),
        ({"Journal": "99"}, "Ongeldige referentie: Dagboek"),
        ({"Journal": NOWHERE}, "Ongeldige referentie: Journals"),
        ({"Journal": "60"}, "Ongeldig: Dagboek (type)"),
        ({"EntryDate": "2019-05-05"}, "Onbekend: Boekjaar (Periode-datumtabel)"),
        ({"ReportingYear": 2019, "ReportingPeriod": 5}, "Onbekend: Boekjaar (Periode-datumtabel)"),
        ({"Currency": "XXX"}, "Ongeldige referentie: Valuta"),
        ({"Rate": "1.5"}, "Ongeldig: Wisselkoers"),
        ({"PaymentCondition": "99"}, "Ongeldige referentie: Betalingsconditie"),
        ({"Document": NOWHERE}, "Ongeldige referentie: Document"),
        ({"SalesEntryLines": []}, "Verplicht: Boekingsregels"),
        ({"SalesEntryLines": None}, "Verplicht: Boekingsregels"),
        ({"SalesEntryLines": [{"GLAccount": NOWHERE, "AmountFC": 1}]}, "Ongeldige referentie: Grootboekrekening"),
        ({"SalesEntryLines": [{"GLAccount": NOWHERE}]}, "Verplicht: Bedrag"),
        ({"SalesEntryLines": [{"AmountFC": 1}]}, "Verplicht: Grootboekrekening"),
        ({"VATAmountFC": "20.99"}, "De boeking is niet in evenwicht op: 2026 / 2 (Type: Verkoopboeking) - "
                                   "Verschil: EUR -0,01"),
        ({"Customer": None, "Journal": "99"}, "Verplicht: Klant\r\nOngeldige referentie: Dagboek"),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_sale_is_said(client: Client, changed: dict[str, Any], words: str) -> None:
    answer = await client.sale(await client.relation(), **changed)
    assert (answer.status, answer.error) == (500, words)
    assert _books(client) == []


@pytest.mark.parametrize(
    ("account", "fields", "words"),
    [
        ("400000", {}, "Ongeldig: Grootboekrekeningtype"),
        ("451000", {}, "Ongeldig: Grootboekrekeningtype"),
        ("690000", {}, "Geblokkeerd: Grootboekrekening 690000 Oude kosten"),
        ("613200", {"VATCode": "V21"}, "Verplicht: Kostenplaats"),
        ("613200", {"CostCenter": "OUD", "VATCode": "V21"}, "Ongeldige referentie: Kostenplaats"),
        ("613200", {"CostCenter": "QQQ", "VATCode": "V21"}, "Ongeldige referentie: Kostenplaats"),
        ("620000", {"CostCenter": "WIN"}, "Niet toegestaan: Kostenplaats"),
        ("700000", {"CostUnit": "QQQ"}, "Ongeldige referentie: Kostendrager"),
        ("700000", {"VATCode": "QQQ"}, "Ongeldige referentie: Btw-code"),
        ("700000", {"VATCode": "OUD"}, "Geblokkeerd: Btw-code OUD"),
        ("700000", {"VATCode": "A21"}, "Niet toegestaan: Btw-code"),
        ("700000", {"VATCode": "V21", "VATPercentage": 0.06}, "Ongeldig: Btw-percentage []"),
        ("700000", {"VATCode": "GEE", "VATAmountFC": "1"},
         'Een btw bedrag is niet toegestaan in combinatie met een btw-code van het type "geen btw"'),
    ],
)  # fmt: skip
async def test_what_is_wrong_with_a_line_is_said(
    client: Client, account: str, fields: dict[str, Any], words: str
) -> None:
    line = await client.line(account, **fields)
    answer = await client.sale(await client.relation(), SalesEntryLines=[line])
    assert (answer.status, answer.error) == (500, words)


async def test_relations_without_the_role_or_blocked_are_refused(client: Client) -> None:
    prospect = await client.relation(Status="P", IsSupplier=False)
    assert (await client.sale(prospect)).error == "Ongeldig: Klant (Type)"
    assert (await client.purchase(prospect)).error == "Ongeldig: Leverancier (Type)"
    blocked = await client.relation("Dicht", Blocked=True)
    assert (await client.sale(blocked)).error == "Geblokkeerd: Klant 3"
    ended = await client.relation("Weg", EndDate="2025-12-31")
    assert (await client.sale(ended)).error == "Ongeldig: Klant"
    assert (await client.purchase(ended, Supplier=None)).error == "Verplicht: Relatie"


async def test_closed_periods_and_journals_are_refused(client: Client) -> None:
    customer = await client.relation()
    client.tell("bookyears", dossier=client.division, year=2026, period=2)
    assert (await client.sale(customer)).error == "Periode is afgesloten: 2026 - 2"
    assert (await client.sale(customer, EntryDate="2026-03-01")).status == 201
    client.tell("bookyears", dossier=client.division, year=2026, period=2, closed=False)
    client.tell("bookyears", dossier=client.division, year=2026, period=2, journal="70")
    assert (await client.sale(customer)).status == 500
    assert (await client.sale(customer, Journal="71")).status == 201
    statuses = await client.rows(
        "read/financial/JournalStatusList", filter="Year eq 2026 and Period eq 2 and Status eq 1", select="Journal"
    )
    assert [row["Journal"] for row in statuses] == ["70"]
    client.tell("journals", dossier=client.division, journal="71", blocked=True)
    assert (await client.sale(customer, Journal="71")).error == "Geblokkeerd: Dagboek 71"
    client.tell("journals", dossier=client.division, journal="71", remove=True)
    assert (await client.sale(customer, Journal="71")).error == "Ongeldige referentie: Dagboek"
    client.tell("bookyears", dossier=client.division, year=2027, remove=True)
    assert (await client.sale(customer, EntryDate="2027-01-01")).error == "Onbekend: Boekjaar (Periode-datumtabel)"


async def test_a_journal_may_hold_one_currency_and_its_rate(client: Client) -> None:
    customer = await client.relation()
    client.tell("journals", dossier=client.division, journal="70", any_currency=False)
    assert (await client.sale(customer, Currency="USD")).error == "Niet toegestaan: Valuta"
    client.tell("journals", dossier=client.division, journal="70", any_currency=True, any_rate=False)
    assert (await client.sale(customer, Currency="USD", Rate="0.5")).error == "Niet toegestaan: Wisselkoers"
    assert (await client.sale(customer, Currency="USD")).d["Rate"] == 0.92


async def test_payment_conditions_come_from_the_relation_then_the_company(client: Client) -> None:
    own = await client.relation(PaymentConditionSales="14")
    assert (await client.sale(own)).d["PaymentCondition"] == "14"
    none = await client.relation("Zonder")
    assert (await client.sale(none)).d["PaymentCondition"] == "30"
    end_of_month = (await client.sale(none, PaymentCondition="EM")).d
    assert end_of_month["DueDate"] == "/Date(1777507200000)/", "31 March and 30 days"
    client.tell("dossiers", change=client.division, sales_condition=None)
    assert (await client.sale(none)).error == "Verplicht: Betalingsconditie"


async def test_purchases_are_checked_for_doubles_and_sales_are_not(client: Client) -> None:
    party = await client.relation()
    assert (await client.purchase(party)).status == 201
    double = await client.purchase(party)
    assert (double.status, double.error) == (500, "Bestaat reeds: Uw ref. F-17")
    for different in (
        {"YourRef": "F-18"},
        {"EntryDate": "2026-02-04"},
        {"Supplier": await client.relation("Ander")},
        {"PurchaseEntryLines": [await client.line("612100", "100.01")]},
    ):
        assert (await client.purchase(party, **different)).status == 201
    assert (await client.purchase(party, YourRef=None)).status == 201
    assert (await client.purchase(party, YourRef=None)).status == 500
    assert (await client.sale(party)).status == 201
    assert (await client.sale(party)).status == 201
    client.tell("rules", sales_duplicates=True)
    assert (await client.sale(party)).status == 500


async def test_a_difference_goes_to_its_account_where_there_is_one(start: Starter) -> None:
    client = await start(limits=False, dossiers=[{"id": 3_100_001, "differences": "659000"}])
    made = await client.sale(await client.relation(), VATAmountFC="20.99")
    assert (made.d["AmountFC"], made.d["VATAmountFC"]) == (120.99, 20.99)
    (entry,) = _books(client)
    assert _lines(entry)["659000"] == Decimal("0.01")


async def test_the_head_of_an_entry_changes_and_lines_are_bound_to_their_own_resource(client: Client) -> None:
    customer = await client.relation()
    entry = (await client.sale(customer)).d
    path = f"salesentry/SalesEntries(guid'{entry['EntryID']}')"
    assert (await client.call("PUT", path, {"YourRef": "2026/002", "EntryDate": "2026-04-05"})).status == 204
    changed = (await client.get(path)).d
    assert (changed["YourRef"], changed["ReportingPeriod"], changed["AmountFC"]) == ("2026/002", 4, 121.0)
    assert changed["EntryNumber"] == entry["EntryNumber"]
    bound = await client.call("PUT", path, {"SalesEntryLines": [await client.line()]})
    assert bound.status == 400
    assert "Binding to new entities" in bound.error
    wrong = await client.call("PUT", path, {"Customer": NOWHERE})
    assert wrong.error == "Ongeldige referentie: Klant"
    assert _books(client)[0]["revision"] == 2
    client.tell("bookyears", dossier=client.division, year=2026, period=4)
    assert (await client.call("PUT", path, {"YourRef": "x"})).status == 500


async def test_lines_are_added_changed_and_removed_and_the_last_takes_the_entry_with_it(client: Client) -> None:
    entry = (await client.sale(await client.relation())).d
    path = f"salesentry/SalesEntries(guid'{entry['EntryID']}')"
    added = await client.post(
        "salesentry/SalesEntryLines", {"EntryID": entry["EntryID"], **await client.line("700006", "50", VATCode="V06")}
    )
    assert added.status == 201
    assert (await client.get(path)).d["AmountFC"] == 174.0
    line = f"salesentry/SalesEntryLines(guid'{added.d['ID']}')"
    assert (await client.call("PUT", line, {"AmountFC": "10"})).status == 204
    assert (await client.get(path)).d["AmountFC"] == 131.6
    assert (await client.get(line)).d["VATAmountFC"] == 0.6
    assert (await client.call("DELETE", line)).status == 204
    assert (await client.get(path)).d["AmountFC"] == 121.0
    assert _lines(_books(client)[0]) == {"400000": 121, "700000": -100, "451000": -21}
    (last,) = (await client.get(f"{path}/SalesEntryLines")).d["results"]
    assert (await client.call("DELETE", f"salesentry/SalesEntryLines(guid'{last['ID']}')")).status == 204
    assert (await client.get(path)).status == 404
    assert _books(client) == []
    orphan = await client.post("salesentry/SalesEntryLines", {"EntryID": NOWHERE, **await client.line()})
    assert orphan.error == "Ongeldige referentie: Boekstuknummer"


async def test_an_entry_is_undone_and_the_last_number_is_free_again(client: Client) -> None:
    customer = await client.relation()
    first, second = (await client.sale(customer)).d, (await client.sale(customer)).d
    assert (await client.call("DELETE", f"salesentry/SalesEntries(guid'{second['EntryID']}')")).status == 204
    assert (await client.sale(customer)).d["EntryNumber"] == second["EntryNumber"]
    assert (await client.call("DELETE", f"salesentry/SalesEntries(guid'{first['EntryID']}')")).status == 204
    assert (await client.sale(customer)).d["EntryNumber"] == second["EntryNumber"] + 1


async def test_purchases_may_be_read_with_the_other_sign(client: Client) -> None:
    entry = (await client.purchase(await client.relation())).d
    client.tell("rules", purchase_sign=-1, payables_sign=-1)
    assert (await client.get(f"purchaseentry/PurchaseEntries(guid'{entry['EntryID']}')")).d["AmountFC"] == -121.0
    (payable,) = await client.rows("read/financial/PayablesList")
    assert payable["Amount"] == -121.0
    assert _books(client)[0]["total"] == 121


async def test_texts_and_vat_may_have_bounds(client: Client) -> None:
    customer = await client.relation()
    client.tell("rules", lengths=[["YourRef", 8]], vat_tolerance="0.05")
    assert (await client.sale(customer, YourRef="2026/00123")).error == "Ongeldig: YourRef (lengte)"
    off = await client.line(VATCode="V21", VATAmountFC="20.90")
    assert (await client.sale(customer, SalesEntryLines=[off])).error == "Ongeldig: Btw-percentage []"


async def test_a_dutch_company_has_its_own_lists_and_rates_have_a_history(start: Starter) -> None:
    client = await start(limits=False, dossiers=[{"id": 3_200_001, "country": "NL"}], years=(2018, 2027))
    customer = await client.relation()
    line = await client.line("8010")
    old = (await client.sale(customer, SalesEntryLines=[line], EntryDate="2018-06-01")).d
    new = (await client.sale(customer, SalesEntryLines=[line], EntryDate="2026-06-01")).d
    assert (old["VATAmountFC"], new["VATAmountFC"]) == (6.0, 9.0)
    (division,) = await client.rows("hrm/Divisions", select="Code,Country,VATNumber")
    assert (division["Code"], division["Country"]) == (3_200_001, "NL ")
