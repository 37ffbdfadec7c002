"""Book years, journals, accounts, VAT codes, cost centres, relations."""

from decimal import Decimal
from typing import Any

import pytest
from dagboek_octopus.sandbox import Rules

from .conftest import START, Client, Starter, booking, line, relation


async def test_book_years_follow_the_option(start: Starter) -> None:
    client = await start(years=(2010, 2027), limits=False)
    rows = (await client.get("bookyears")).json
    assert [row["bookyearDescription"] for row in rows] == [str(year) for year in range(2010, 2028)]
    assert [row["bookyearKey"]["id"] for row in rows] == list(range(1, 19))
    assert list(rows[0]) == ["bookyearDescription", "bookyearKey", "closed", "endDate", "periods", "startDate"]
    assert rows[0]["periods"] == [
        {"bookyearPeriod": 201001, "endDate": "2010-03-31", "startDate": "2010-01-01"},
        {"bookyearPeriod": 201002, "endDate": "2010-06-30", "startDate": "2010-04-01"},
        {"bookyearPeriod": 201003, "endDate": "2010-09-30", "startDate": "2010-07-01"},
        {"bookyearPeriod": 201004, "endDate": "2010-12-31", "startDate": "2010-10-01"},
    ]


async def test_book_years_default_to_the_clock(start: Starter) -> None:
    client = await start(years=None)
    this_year = int((await client.control("GET", "clock")).json["now"][:4])
    rows = (await client.get("bookyears")).json
    assert [row["bookyearDescription"] for row in rows] == [str(this_year + each) for each in (-1, 0, 1)]


async def test_monthly_periods_and_broken_book_years(start: Starter) -> None:
    client = await start(
        dossiers=[{"id": 1001, "periods": "month"}, {"id": 1002, "years": (2025, 2025), "first_month": 7}]
    )
    february_2024 = (await client.get("bookyears")).json[0]["periods"][1]
    assert february_2024 == {"bookyearPeriod": 202402, "endDate": "2024-02-29", "startDate": "2024-02-01"}
    await client.open(1002)
    broken = (await client.get("bookyears")).json
    assert [(row["startDate"], row["endDate"]) for row in broken] == [("2025-07-01", "2026-06-30")]
    assert broken[0]["periods"][-1] == {"bookyearPeriod": 202504, "endDate": "2026-06-30", "startDate": "2026-04-01"}


async def test_a_book_year_in_detail_and_a_new_one(client: Client) -> None:
    detail = (await client.get("bookyears/2")).json
    assert (detail["bookingPeriodType"], detail["fromDate"], detail["toDate"]) == (
        "QUARTER",
        "2025-01-01",
        "2025-12-31",
    )
    wanted = {
        "names": [{"language": "NL", "value": "2027"}],
        "bookingPeriodType": "MONTH",
        "fromDate": "2027-01-01",
        "toDate": "2027-12-31",
        "proRataTemporis": False,
        "declarantType": "MONTHLY",
    }
    made = await client.call("POST", "bookyears", wanted)
    assert made.json["bookyearKey"] == {"id": 4}
    assert len((await client.get("bookyears")).json[-1]["periods"]) == 12
    assert (await client.call("POST", "bookyears", wanted)).status == 400


async def test_journals_of_a_book_year(client: Client) -> None:
    await client.book(booking())
    rows = {row["journalKey"]: row for row in (await client.get("bookyears/2/journals")).json}
    assert list(rows) == ["A1", "A2", "V1", "V2", "V3", "F1", "D1"]
    assert rows["V1"] == {
        "bookyearKey": {"id": 2},
        "closed": False,
        "closedPeriod": 0,
        "insertionType": 1,
        "journalKey": "V1",
        "lastBookedDocumentNr": 1,
        "name": "Verkopen",
        "protectedPeriod": 0,
    }
    assert rows["V3"]["insertionType"] == 2
    assert "insertionType" not in rows["A1"]
    assert rows["F1"]["currencyCode"] == "EUR"
    assert "currencyCode" not in rows["V1"]
    assert (await client.get("bookyears/99/journals")).code == -9
    await client.open(locale=2)
    assert (await client.get("bookyears/2/journals")).json[2]["name"] == "Ventes"


async def test_the_typed_journal_tells_the_next_number(client: Client) -> None:
    await client.book(booking())
    detail = (await client.get("bookyears/2/journals/V/1")).json
    assert detail["commonJournalServiceData"]["nextDocumentNumber"] == 2
    assert detail["insertionType"] == "BOOKING"
    assert (await client.get("bookyears/2/journals/V/3")).json["insertionType"] == "VAT_EXCLUSIVE"
    assert (await client.get("bookyears/2/journals/F/1")).json["account"] == 550000
    assert (await client.get("bookyears/2/journals/A/9")).code == -10
    assert (await client.get("bookyears/2/journals/V/x")).status == 400


async def test_journals_are_made_changed_and_deleted(client: Client) -> None:
    common = {
        "bookyearKey": {"id": 2},
        "sequenceNumber": 7,
        "names": [{"language": "NL", "value": "Winkel"}],
        "nextDocumentNumber": 100,
    }
    body = {"commonJournalInsertRequestData": common, "sellJournalInsertionType": "BOOKING"}
    made = await client.call("POST", "journals/V", body)
    assert made.json["commonJournalServiceData"]["nextDocumentNumber"] == 100
    assert (await client.call("POST", "journals/V", body)).status == 400
    changed = {"bookyearKey": {"id": 2}, "sequenceNumber": 7, "protectedPeriod": 202501}
    await client.call("PUT", "journals/V", {"commonJournalUpdateRequestData": changed})
    assert (await client.book(booking(100, "V7"))).code == -15
    assert (await client.book(booking(100, "V7", bookyearPeriodeNr=202502))).status == 201
    assert (await client.call("DELETE", "bookyears/2/journals/V/7")).status == 400
    assert (await client.call("DELETE", "bookyears/2/journals/V/2")).status == 204
    modified = (await client.get("journals/modified", modifiedTimeStamp=START)).json
    gone = {"bookyearKey": {"id": 2}, "journalTypeCode": "V", "sequenceNumber": 2}
    assert modified["deletedJournalList"] == [gone]
    assert len(modified["modifiedJournalServiceDataList"]) == 21


async def test_a_new_book_year_may_lack_journals_and_accounts(client: Client) -> None:
    made = await client.control("POST", "bookyears", {"dossier": 1001, "add": 2027, "journals": False})
    bookyear = made.json["bookyear"]
    assert (await client.get(f"bookyears/{bookyear}/journals")).status == 404
    in_2027 = booking(bookyearKey={"id": bookyear}, bookyearPeriodeNr=202701)
    assert (await client.book(in_2027)).code == -10
    await client.control("POST", "journals", {"dossier": 1001, "bookyear": bookyear, "journal": "V1", "create": True})
    await client.control("POST", "accounts", {"dossier": 1001, "bookyear": bookyear, "account": 700021, "remove": True})
    assert (await client.book(in_2027)).code == -21
    assert (await client.book(booking())).status == 201


async def test_accounts_are_per_book_year(client: Client) -> None:
    rows = {row["accountKey"]["id"]: row for row in (await client.get("accounts", bookyearId=2)).json}
    assert rows[700021] == {
        "accountKey": {"bookyearKey": {"id": 2}, "id": 700021},
        "costCentreType": 0,
        "description": {
            "description_EN": "Sales 21%",
            "description_FR": "Ventes 21%",
            "description_NL": "Verkopen 21%",
        },
        "fiscProfessionalPercentage": 100.0,
        "fiscRecupPercentage": 100.0,
        "salesVatCode": "21",
        "vatRecupPercentage": 100.0,
    }
    assert rows[613200]["costCentreType"] == 1
    new = {"accountKey": {"bookyearKey": {"id": 2}, "id": 612900}, "description": {"description_NL": "Nieuw"}}
    assert (await client.call("PUT", "accounts", new)).status == 201
    assert (await client.call("PUT", "accounts", {**new, "vatRecupPercentage": 50})).status == 204
    assert (await client.call("PUT", "accounts", {**new, "vatRecupPercentage": 101})).code == -30
    in_2025 = {row["accountKey"]["id"] for row in (await client.get("accounts", bookyearId=2)).json}
    in_2026 = {row["accountKey"]["id"] for row in (await client.get("accounts", bookyearId=3)).json}
    assert in_2025 - in_2026 == {612900}
    modified = (await client.get("accounts/modified", modifiedTimeStamp=START)).json
    assert [row["accountKey"]["id"] for row in modified["modified"]] == [612900]
    assert modified["deleted"] == []
    assert (await client.get("accounts", bookyearId=99)).code == -9
    assert (await client.get("accounts")).status == 400


async def test_nothing_changed_is_a_404(client: Client) -> None:
    for path in ("accounts/modified", "accounts/amounts/modified", "balancings/modified"):
        answer = await client.get(path, modifiedTimeStamp=START)
        assert answer.status == 404
        assert answer.json["technicalInfo"]


async def test_changed_balances(client: Client) -> None:
    await client.book(booking(1))
    await client.book(booking(2))
    rows = (await client.get("accounts/amounts/modified", modifiedTimeStamp=START)).json["modified"]
    found = {row["accountAmountKey"]["accountKey"]["id"]: row["balance"] for row in rows}
    assert found == {400000: 242.0, 451000: -42.0, 700021: -200.0}


async def test_vat_codes_have_sides_and_rates(client: Client) -> None:
    rows = {row["code"]: row for row in (await client.get("vatcodes")).json}
    assert rows["21"] == {
        "basePercentage": 21.0,
        "code": "21",
        "defaultSellBookingAccountNr": 700021,
        "description": "Verkopen 21%",
        "type": 2,
    }
    assert [rows[code]["type"] for code in ("D21", "G06", "I12", "CD21", "C21", "MC", "GIC")] == [1, 1, 1, 3, 4, 2, 1]
    for side in (1, 2):
        rates = {row["basePercentage"] for row in rows.values() if row["type"] == side}
        assert {0, 6, 7, 9, 10, 12, 15, 19, 20, 21, 25} <= rates
    chart = {row["accountKey"]["id"] for row in (await client.get("accounts", bookyearId=2)).json}
    assert {
        row["defaultSellBookingAccountNr"] for row in rows.values() if "defaultSellBookingAccountNr" in row
    } <= chart


async def test_vat_codes_journals_and_chart_can_be_given(start: Starter) -> None:
    dossier: dict[str, Any] = {
        "id": 1001,
        "vat_codes": [{"code": "X8", "description": "acht", "type": 2, "basePercentage": 8}],
        "accounts": [{"account": 701234, "nl": "Omzet"}],
        "journals": [{"key": "V4", "nl": "Mijn verkopen", "last": 41}],
        "currencies": ["USD", "EUR"],
        "language": "fr",
    }
    client = await start(dossiers=[dossier])
    client.sandbox.control.book_by_hand(
        1001, "V4", date="2025-05-01", amount=108, vat_code="X8", account=701234, currency="USD"
    )
    entry = client.sandbox.books.entries(1001)[0]
    assert (entry["number"], entry["net"], entry["vat_total"]) == (42, Decimal(100), Decimal(8))
    assert [row["code"] for row in (await client.get("vatcodes")).json] == ["X8"]
    assert (await client.get("currencies")).json == ["USD", "EUR"]
    assert (await client.get("bookyears/99/journals")).json["errorMessage"] == "Exercice inconnu"


async def test_cost_centres(client: Client) -> None:
    assert [row["costCentreKey"]["id"] for row in (await client.get("costcentres")).json] == [1, 2, 3]
    assert [row["costCentreKey"]["id"] for row in (await client.get("costcentres/active")).json] == [1, 2]
    new = {"costCentreKey": {"id": 9}, "description": {"description_NL": "Negen"}, "closed": False}
    assert (await client.call("PUT", "costcentres", new)).status == 201
    assert (await client.call("PUT", "costcentres", {**new, "closed": True})).status == 204
    assert (await client.book(booking(bookingLines=[line(costCentreKey={"id": 9})]))).code == -41


async def test_lists_that_are_empty_are_404(client: Client) -> None:
    for path in ("products", "productgroups", "customfields"):
        assert (await client.get(path)).status == 404


# --- relations ----------------------------------------------------------------------------------------------


async def test_a_new_relation_comes_back_whole_with_its_defaults(client: Client) -> None:
    answer = await client.call("PUT", "relations", relation(7, "Nieuw", client=True))
    assert answer.status == 201
    made = answer.json
    assert list(made) == sorted(made)
    assert made["relationIdentificationServiceData"] == {"externalRelationId": 7, "relationKey": {"id": 2}}
    expected = {
        "active": True, "client": True, "supplier": False, "corporationType": 0, "country": "  ", "currencyCode": "EUR",
        "defaultBookingAccountClient": 0, "defaultBookingAccountSupplier": 0, "expirationDays": 30,
        "expirationType": 2, "factLanguage": 0, "name": "Nieuw", "supplierPaymentMethod": 0, "vatNr": "", "vatType": 0,
        "city": "", "email": "",
    }  # fmt: skip
    assert {name: made[name] for name in expected} == expected


async def test_upsert_merges_by_key_and_by_external_id(client: Client) -> None:
    by_external = await client.call("PUT", "relations", relation(5001, "Klant B", city="Gent", country="BE"))
    assert (by_external.status, by_external.text) == (204, "")
    by_key = {"relationIdentificationServiceData": {"relationKey": {"id": 1}}, "currencyCode": "EUR", "supplier": True}
    assert (await client.call("PUT", "relations", by_key)).status == 204
    found = (await client.get("relations")).json
    assert len(found) == 1
    assert (found[0]["name"], found[0]["city"], found[0]["client"], found[0]["supplier"]) == (
        "Klant B",
        "Gent",
        True,
        True,
    )
    assert found[0]["relationIdentificationServiceData"] == {"externalRelationId": 5001, "relationKey": {"id": 1}}


async def test_no_match_makes_a_new_relation(client: Client) -> None:
    unknown_key = {
        "relationIdentificationServiceData": {"relationKey": {"id": 900}},
        "currencyCode": "EUR",
        "name": "X",
    }
    assert (await client.call("PUT", "relations", unknown_key)).json["relationIdentificationServiceData"] == {
        "externalRelationId": 0,
        "relationKey": {"id": 2},
    }
    for expected in (3, 4):
        answer = await client.call("PUT", "relations", relation(0, "Zonder nummer"))
        assert answer.json["relationIdentificationServiceData"]["relationKey"] == {"id": expected}


async def test_an_external_id_belongs_to_one_relation(client: Client) -> None:
    await client.call("PUT", "relations", relation(7, "Andere"))
    both = {
        "relationIdentificationServiceData": {"relationKey": {"id": 2}, "externalRelationId": 5001},
        "currencyCode": "EUR",
    }
    assert (await client.call("PUT", "relations", both)).code == -7


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "X", "currencyCode": "EUR"}, 400),
        ({"relationIdentificationServiceData": {"externalRelationId": 9}, "name": "X"}, 400),
        (relation(9, "X", expirationDays="30"), 500),
        (relation(2**40, "X"), 500),
        (relation(9, "X", client="ja"), 500),
        (relation(9, "X", sddSignatureDate="gisteren"), 500),
    ],
)
async def test_relations_that_are_refused(client: Client, body: dict[str, Any], status: int) -> None:
    answer = await client.call("PUT", "relations", body)
    assert answer.status == status
    assert len((await client.get("relations")).json) == 1


@pytest.mark.parametrize(
    ("given", "printed"),
    [
        ("BE0123456749", "BE0123.456.749"),
        ("be 0123.456.749", "BE0123.456.749"),
        ("NL163392705B01", "NL1633.92.705 B01"),
        ("DE123456789", "DE123456789"),
        ("", ""),
    ],
)
async def test_vat_numbers_are_printed_as_the_service_does(client: Client, given: str, printed: str) -> None:
    made = await client.call("PUT", "relations", relation(7, "Met btw", vatNr=given))
    assert made.json["vatNr"] == printed
    if given:
        assert len((await client.get("relations", vatNr=given)).json) == 1
        assert len((await client.get("relations", vatNr=printed)).json) == 1


async def test_search_is_any_of_the_conditions_and_finds_inactive_ones(client: Client) -> None:
    await client.call("PUT", "relations", relation(7, "Oude klant", active=False, vatNr="BE0123456749"))
    await client.call("PUT", "relations", relation(8, "Derde"))

    async def names(**query: Any) -> list[str]:
        return [row["name"] for row in (await client.get("relations", **query)).json]

    assert await names() == ["Klant B", "Derde"]
    assert await names(name="OUDE KLANT") == ["Oude klant"]
    assert await names(name="Oude") == []
    assert await names(name="Oude klant", extRelationId=8) == ["Oude klant", "Derde"]
    assert await names(relationId=1, vatNr="BE 0123 456 749") == ["Klant B", "Oude klant"]
    assert await names(extRelationId=0) == []
    assert (await client.get("relations", relationId="x")).status == 400
    await client.call("PUT", "relations", relation(7, "Nieuwe naam"))
    assert await names(name="Oude klant") == []
    assert await names(vatNr="BE0123456749") == ["Nieuwe naam"]


async def test_a_search_without_a_hit_may_be_a_404(start: Starter) -> None:
    client = await start(rules=Rules(empty_search="404"))
    assert (await client.get("relations", name="Niemand")).status == 404


async def test_modified_relations(client: Client) -> None:
    await client.call("PUT", "relations", relation(7, "Tweede"))
    await client.call("PUT", "relations", relation(5001, "Klant B", city="Gent"))
    everything = (await client.get("relations/modified")).json
    assert sorted(row["name"] for row in everything["modified"]) == ["Klant B", "Tweede"]
    assert everything["deleted"] == []
    later = await client.get("relations/modified", modifiedTimeStamp="2099-01-01 00:00:00.000")
    assert later.status == 404
