"""ProcessSalesInvoices: what is checked, what is booked, what is refused, what is skipped."""

from decimal import Decimal
from typing import Any

import pytest
from yuki_papers import SALES_ANSWER, counts, customer, invoice, line, outcomes, sales


async def send(client: Any, *invoices: Any) -> Any:
    """The root of the answer."""
    answer = await client.call(
        "Sales.ProcessSalesInvoices", administrationId=client.administration, xmlDoc=sales(*invoices)
    )
    return answer.inner


async def refused(client: Any, **changes: Any) -> str:
    """The message of the one invoice of a call, which is wrong."""
    found = outcomes(await send(client, invoice(**changes)))
    assert [one["Succeeded"] for one in found] == ["false"], found
    assert not client.tell("entries", dossier=client.administration)
    return found[0]["Message"]


async def test_an_invoice_is_booked_and_balances(client: Any) -> None:
    answer = await send(
        client, invoice("F-1", line("100.00", "21.00"), line("50.05", kind=2, rate="9"), PaymentID="RF1")
    )

    assert answer.tag == f"{{{SALES_ANSWER}}}SalesInvoicesImportResponse"
    assert counts(answer) == (1, 0, 0)
    (one,) = outcomes(answer)
    assert (one["Succeeded"], one["Processed"], one["Reference"]) == ("true", "true", "F-1")
    (entry,) = client.tell("entries", dossier=client.administration)
    assert (entry["number"], entry["comment"], entry["journal"], entry["origin"]) == ("F-1", "F-1", "V", "api")
    assert (entry["net"], entry["vat_total"], entry["total"]) == (
        Decimal("150.05"), Decimal("25.50"), Decimal("175.55"),
    )  # fmt: skip
    assert [(one["code"], one["base"], one["vat"]) for one in entry["vat"]] == [
        ("1/21", Decimal("100.00"), Decimal("21.00")),
        ("2/9", Decimal("50.05"), Decimal("4.50")),
    ]
    assert [(one["account"], one["debit"], one["credit"]) for one in entry["lines"]] == [
        ("13000", Decimal("175.55"), 0),
        ("80000", 0, Decimal("100.00")),
        ("80000", 0, Decimal("50.05")),
        ("18000", 0, Decimal("21.00")),
        ("18000", 0, Decimal("4.50")),
    ]
    ledger = client.tell("ledger", dossier=client.administration)
    assert ledger["balanced"] and ledger["debit"] == Decimal("175.55")
    assert entry["balanced"] and entry["relation"]["external_id"] == "10010"


async def test_a_credit_note_is_below_zero(client: Any) -> None:
    await send(client, invoice("C-1", line("-100.00", "-21.00")))

    (entry,) = client.tell("entries", dossier=client.administration)
    assert (entry["total"], entry["balanced"]) == (Decimal("-121.00"), True)
    first = entry["lines"][0]
    assert (first["account"], first["credit"]) == ("13000", Decimal("121.00"))


async def test_another_currency_is_booked_in_euros_and_balances(client: Any) -> None:
    await send(client, invoice("F-1", line("33.33", "7.00"), line("33.33", "7.00"), Currency="USD"))

    (entry,) = client.tell("entries", dossier=client.administration)
    assert (entry["total"], entry["currency"], entry["balanced"]) == (Decimal("80.66"), "USD", True)
    assert sum(one["debit"] for one in entry["lines"]) == Decimal("74.20")
    assert sum(one["document_debit"] for one in entry["lines"]) == Decimal("80.66")


async def test_prices_with_vat_are_taken_apart(client: Any) -> None:
    await send(client, invoice("F-1", line("121.00", product={"SalesPrice": "121", "VATIncluded": "true"})))

    (entry,) = client.tell("entries", dossier=client.administration)
    assert (entry["net"], entry["vat_total"]) == (Decimal("100.00"), Decimal("21.00"))


@pytest.mark.parametrize(
    ("document", "words"),
    [
        ({"Date": None}, "invalid child element 'Contact'"),
        ({"Date": "2026-02-30"}, "is not a valid Date value"),
        ({"Subject": ""}, "MinLength"),
        ({"Notes": "x" * 501}, "invalid child element 'Notes'"),
        ({"Process": "yes"}, "is not a valid Boolean value"),
        ({"Unknown": "x"}, "invalid child element 'Unknown'"),
        ({"InvoiceLines": {"InvoiceLine": []}}, "has incomplete content"),
        ({"InvoiceLines": None}, "has incomplete content"),
        ({"DocumentBase64": "not base64!"}, "Base-64"),
        ({"InvoiceLines": {"InvoiceLine": [line(LineAmount="1.001")]}}, "FractionDigits"),
        ({"InvoiceLines": {"InvoiceLine": [line(ProductQuantity="12345678901.1234")]}}, "TotalDigits"),
        ({"InvoiceLines": {"InvoiceLine": [line(product={"VATType": ""})]}}, "Int32"),
        ({"InvoiceLines": {"InvoiceLine": [line(product={"VATPercentage": "21.125"})]}}, "FractionDigits"),
        (
            {"InvoiceLines": {"InvoiceLine": [line(product={"Description": None})]}},
            "invalid child element 'SalesPrice'",
        ),
        ({"Contact": customer(ContactType="Firm")}, "Enumeration"),
    ],
)
async def test_one_schema_error_refuses_the_whole_call(client: Any, document: dict[str, Any], words: str) -> None:
    wrong = {name: value for name, value in invoice("F-2").items() if name not in document} | document
    ordered = {**invoice("F-2"), **document}
    xml = sales(invoice("F-1"), ordered if "Notes" not in document else wrong)
    answer = await client.call("Sales.ProcessSalesInvoices", administrationId=client.administration, xmlDoc=xml)

    assert words in answer.fault
    assert not client.tell("entries", dossier=client.administration)
    assert not client.tell("relations", dossier=client.administration)


async def test_the_order_of_elements_matters(client: Any) -> None:
    right = invoice("F-1")
    turned = {"Process": right["Process"], "Reference": right["Reference"]} | {
        name: value for name, value in right.items() if name not in ("Process", "Reference")
    }
    answer = await client.call(
        "Sales.ProcessSalesInvoices", administrationId=client.administration, xmlDoc=sales(turned)
    )
    assert "invalid child element 'Reference'" in answer.fault


async def test_another_namespace_is_refused(client: Any) -> None:
    for namespace in ("urn:other", "urn:xmlns:http://www.theyukicompany.com:salesinvoices/"):
        xml = sales(invoice(), namespace=namespace)
        answer = await client.call("Sales.ProcessSalesInvoices", administrationId=client.administration, xmlDoc=xml)
        assert "element is not declared" in answer.fault


async def test_newer_elements_have_no_known_place_unless_a_rule_gives_one(client: Any) -> None:
    def newer() -> Any:
        content = {"Reference": "F-1", "BuyerReference": "B-1"}
        return sales(content | {name: value for name, value in invoice("F-1").items() if name != "Reference"})

    answer = await client.call("Sales.ProcessSalesInvoices", administrationId=client.administration, xmlDoc=newer())
    assert "BuyerReference" in answer.fault
    client.tell("rules", newer_elements=True)
    answer = await client.call("Sales.ProcessSalesInvoices", administrationId=client.administration, xmlDoc=newer())
    assert counts(answer.inner) == (1, 0, 0)


async def test_after_six_wrong_invoices_the_rest_is_skipped(client: Any) -> None:
    """The batch of the issue: bad ones at 3, 9, 11, 20, 21, 22 and 40."""
    bad = {3, 9, 11, 20, 21, 22, 40}
    wrong = line(product={"VATPercentage": "20"})
    batch = [invoice(f"F-{place:02}", wrong if place in bad else line()) for place in range(1, 51)]

    answer = await send(client, *batch)

    assert counts(answer) == (16, 6, 28)
    found = outcomes(answer)
    assert [one["Reference"] for one in found] == [f"F-{place:02}" for place in range(1, 23)]
    assert {place for place, one in enumerate(found, 1) if one["Succeeded"] == "false"} == bad - {40}
    booked = [one["number"] for one in client.tell("entries", dossier=client.administration)]
    assert booked == [f"F-{place:02}" for place in range(1, 23) if place not in bad]


async def test_a_number_is_taken_once_processed(client: Any) -> None:
    await send(client, invoice("F-1"))
    again = await send(client, invoice("F-1"), invoice("F-2"))

    assert counts(again) == (1, 1, 0)
    assert "F-1" in outcomes(again)[0]["Message"]
    assert len(client.tell("entries", dossier=client.administration)) == 2


async def test_a_number_may_be_taken_in_its_year_alone(client: Any) -> None:
    client.tell("rules", duplicate_scope="year")
    await send(client, invoice("1"))

    assert counts(await send(client, invoice("1", Date="2025-03-02"), invoice("1"))) == (1, 1, 0)


async def test_drafts_are_not_guarded_and_have_no_number_yet(client: Any) -> None:
    answers = [await send(client, invoice("F-1", Process=process)) for process in ("false", None, "true", "false")]

    assert [counts(one) for one in answers] == [(1, 0, 0)] * 4
    assert [outcomes(one)[0]["Reference"] for one in answers] == ["", "", "F-1", ""]
    assert [outcomes(one)[0]["Processed"] for one in answers] == ["false", "false", "true", "false"]
    assert len(client.tell("drafts", dossier=client.administration)) == 3
    assert len(client.tell("entries", dossier=client.administration)) == 1


async def test_an_invoice_without_a_number_gets_one(client: Any) -> None:
    found = outcomes(await send(client, invoice(None), invoice(None)))

    assert [one["Reference"] for one in found] == ["202600001", "202600002"]


@pytest.mark.parametrize(("rule", "sent", "kept"), [("keep", "F-7", "F-7"), ("strip", "F-7", "7")])
async def test_numbers_with_letters(client: Any, rule: str, sent: str, kept: str) -> None:
    client.tell("rules", letters=rule)

    assert outcomes(await send(client, invoice(sent)))[0]["Reference"] == kept


async def test_numbers_with_letters_may_be_refused(client: Any) -> None:
    client.tell("rules", letters="refuse")

    assert "not a valid invoice number" in await refused(client, reference="F-7")


async def test_a_closed_period(client: Any) -> None:
    client.tell("close", dossier=client.administration, before="2026-04-01")

    words = "Could not create or modify transactions before 01-04-2026 for administration Voorbeeld BV"
    assert await refused(client) == words


async def test_a_disabled_account(client: Any) -> None:
    client.tell("accounts", dossier=client.administration, code="80100", enabled=False)
    lines = {"InvoiceLine": [line(product={"GLAccountCode": "80100"})]}

    words = "Cannot book this transaction line because the GLAccount is disabled"
    assert await refused(client, InvoiceLines=lines) == words
    client.tell("accounts", dossier=client.administration, code="80100", enabled=True)
    assert counts(await send(client, invoice("F-1", *lines["InvoiceLine"]))) == (1, 0, 0)


async def test_an_account_that_is_no_revenue_account(client: Any) -> None:
    lines = {"InvoiceLine": [line(product={"GLAccountCode": "45000"})]}

    assert await refused(client, InvoiceLines=lines) == "Onjuiste artikelcategorie"


@pytest.mark.parametrize(
    ("kind", "rate", "day", "country"),
    [
        (1, "20", "2026-03-02", "NL"),  # no such rate
        (3, "21", "2026-03-02", "NL"),  # no such type
        (5, "21", "2026-03-02", "NL"),  # a type of purchases
        (2, "9", "2018-03-02", "NL"),  # not valid yet
        (2, "6", "2026-03-02", "NL"),  # not valid any more
        (40, "19", "2026-03-02", "FR"),  # the rate of another country
        (40, "19", "2021-06-30", "DE"),  # before there was such a thing
    ],
)
async def test_a_vat_code_must_match_in_type_rate_country_and_day(
    client: Any, kind: int, rate: str, day: str, country: str
) -> None:
    lines = {"InvoiceLine": [line(kind=kind, rate=rate)]}

    words = f'Sales tax code with percentage "{rate}" and type "{kind}" cannot be found'
    assert await refused(client, Date=day, Contact=customer(CountryCode=country), InvoiceLines=lines) == words


async def test_distance_sales_go_by_the_customers_country(client: Any) -> None:
    sold = invoice("F-1", line(kind=40, rate="19"), Contact=customer(CountryCode="DE"))

    assert counts(await send(client, sold)) == (1, 0, 0)
    (entry,) = client.tell("entries", dossier=client.administration)
    assert (entry["vat"][0]["code"], entry["vat_total"]) == ("40/19/DE", Decimal("19.00"))


async def test_a_vat_code_that_is_taken_away(client: Any) -> None:
    client.tell("vat_codes", dossier=client.administration, type=1, percentage=21, remove=True)

    assert "Sales tax code" in await refused(client)


async def test_deliveries_inside_the_eu_want_a_vat_number(client: Any) -> None:
    lines = {"InvoiceLine": [line(kind=7, rate="0")]}
    for number in (None, "0123456789", "N/A"):
        contact = customer(CountryCode="BE", VATNumber=number)
        assert "The VAT number of the relation must be filled in" in await refused(
            client, Contact=contact, InvoiceLines=lines
        )
    contact = customer(CountryCode="BE", VATNumber="BE 0123.456.749")
    assert counts(await send(client, invoice("F-1", *lines["InvoiceLine"], Contact=contact))) == (1, 0, 0)


async def test_a_customer_without_a_country(client: Any) -> None:
    for country in (None, "XX"):
        assert await refused(client, Contact=customer(CountryCode=country)) == "HTML render is blank"


async def test_what_a_wrong_invoice_would_have_made_is_not_made(client: Any) -> None:
    await refused(client, InvoiceLines={"InvoiceLine": [line(), line(kind=3)]})

    assert not client.tell("relations", dossier=client.administration)
    answer = await client.call("Sales.GetSalesItems", administrationID=client.administration)
    assert answer.rows == []


async def test_documents_come_with_processed_invoices_alone(client: Any) -> None:
    words = "When supplying a document process must be set to true"
    assert await refused(client, Process="false", DocumentBase64="JVBERi0=") == words
    await send(client, invoice("F-1", DocumentFileName="f.pdf", DocumentBase64="JVBERi0="))
    (entry,) = client.tell("entries", dossier=client.administration)
    assert entry["attachments"] == [{"name": "f.pdf", "size": 5}]


async def test_the_price_list_must_be_in_the_currency(client: Any) -> None:
    words = await refused(client, PriceList="Standaard", Currency="USD")
    assert words.startswith("The pricelist's currency \"EUR\" does not match with the invoice's")
    assert "not supported" in await refused(client, Currency="XYZ")
    assert "PaymentMethod" in await refused(client, PaymentMethod="Barter")


# --- contacts ---------------------------------------------------------------------------------------------------------


async def test_a_contact_found_by_code_has_its_address_overwritten_and_blanks_filled(client: Any) -> None:
    await send(client, invoice("F-1"))
    changed = customer(FullName="Andere naam", City="Breda", VATNumber="NL123456789B01")
    await send(client, invoice("F-2", Contact=changed), invoice("F-3", Contact=customer(VATNumber="NL000000000B01")))

    (contact,) = client.tell("relations", dossier=client.administration)
    assert (contact["name"], contact["City"], contact["VATNumber"]) == ("Klant A BV", "Utrecht", "NL123456789B01")


async def test_a_contact_found_by_name_has_blanks_filled_alone(client: Any) -> None:
    await send(client, invoice("F-1", Contact=customer(ContactCode=None, AddressLine_1=None)))
    await send(client, invoice("F-2", Contact=customer(ContactCode=None, City="Breda", FullName="klant A, BV.")))

    (contact,) = client.tell("relations", dossier=client.administration)
    assert (contact["City"], contact["AddressLine_1"]) == ("Utrecht", "Oudegracht 1")


@pytest.mark.parametrize(("rule", "codes"), [("name", ["1"]), ("nameless", ["1", "2"]), ("create", ["1", "2"])])
async def test_an_unknown_code_with_the_name_of_a_contact_that_has_another(
    client: Any, rule: str, codes: list[str]
) -> None:
    client.tell("rules", unknown_code=rule)
    for code in ("1", "2"):
        await send(client, invoice(f"F-{code}", Contact=customer(ContactCode=code)))

    assert [one["code"] for one in client.tell("relations", dossier=client.administration)] == codes


async def test_a_contact_without_a_code_gets_the_one_that_comes_with_its_name(client: Any) -> None:
    client.tell("relation", dossier=client.administration, name="Klant A BV", Country="NL")
    await send(client, invoice("F-1"))

    (contact,) = client.tell("relations", dossier=client.administration)
    assert (contact["code"], contact["City"]) == ("10010", "Utrecht")


async def test_codes_are_those_of_the_domain(client: Any) -> None:
    (other,) = client.tell(
        "dossiers", name="Tweede BV", domain=client.sandbox.books.administration(client.administration).domain
    )["ids"]
    await send(client, invoice("F-1"))
    xml = sales(invoice("F-1", Contact=customer(City="Breda")))
    answer = await client.call("Sales.ProcessSalesInvoices", administrationId=other, xmlDoc=xml)

    assert counts(answer.inner) == (1, 0, 0)
    (contact,) = client.tell("relations", dossier=client.administration)
    assert contact["City"] == "Breda"
    assert client.tell("relations", dossier=other) == []


# --- products ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rule", "account"), [(False, "80100"), (True, "80200")])
async def test_a_product_keeps_its_account(client: Any, rule: bool, account: str) -> None:
    client.tell("rules", product_update=rule)
    await send(client, invoice("F-1", line(product={"GLAccountCode": "80100"})))
    await send(client, invoice("F-2", line(product={"GLAccountCode": "80200"})))

    entries = client.tell("entries", dossier=client.administration)
    assert [one["lines"][1]["account"] for one in entries] == ["80100", account]


async def test_products_are_known_by_sixty_characters(client: Any) -> None:
    for place, account in enumerate(("80100", "80200"), 1):
        product = {"Description": "x" * 60 + account, "GLAccountCode": account}
        await send(client, invoice(f"F-{place}", line(product=product)))

    answer = await client.call("Sales.GetSalesItems", administrationID=client.administration)
    assert [row["description"] for row in answer.rows] == ["x" * 60]
    assert client.tell("entries", dossier=client.administration)[1]["lines"][1]["account"] == "80100"


async def test_an_unknown_account_falls_back(client: Any) -> None:
    await send(client, invoice("F-1", line(product={"GLAccountCode": "99999"})))

    assert client.tell("entries", dossier=client.administration)[0]["lines"][1]["account"] == "80000"


async def test_prices_come_from_the_price_list_or_nowhere(client: Any) -> None:
    bare = {"Description": "Advies", "SalesPrice": None, "VATPercentage": None, "VATIncluded": None, "VATType": None}
    short = line(product=bare, LineAmount=None)
    assert "price list" in await refused(client, InvoiceLines={"InvoiceLine": [short]})
    await send(client, invoice("F-1"), invoice("F-2", short))
    assert [one["total"] for one in client.tell("entries", dossier=client.administration)] == [Decimal("121.00")] * 2


# --- amounts ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("rules", "total"),
    [({}, "100.04"), ({"line_amount": "computed"}, "121.02"), ({"line_vat": "computed"}, "100.03")],
)
async def test_whose_amounts_count(client: Any, rules: dict[str, Any], total: str) -> None:
    client.tell("rules", **rules)
    priced = {"SalesPrice": "100.0000"}
    given = (
        line("82.67", "17.37", product=priced)
        if not rules.get("line_amount")
        else line("82.67", "21.02", product=priced)
    )
    await send(client, invoice("F-1", given))

    assert [one["total"] for one in client.tell("entries", dossier=client.administration)] == [Decimal(total)]


async def test_vat_that_is_far_off_is_refused(client: Any) -> None:
    assert "differs too much" in await refused(client, InvoiceLines={"InvoiceLine": [line("100.00", "20.00")]})
    client.tell("rules", vat_tolerance="1.00", line_amount="equal")
    assert "is not ProductQuantity times" in await refused(
        client, InvoiceLines={"InvoiceLine": [line("100.00", "20.00", product={"SalesPrice": "99"})]}
    )


# --- more -------------------------------------------------------------------------------------------------------------


async def test_an_answer_may_be_in_one_namespace_or_escaped(client: Any) -> None:
    client.tell("rules", answer="qualified")
    answer = await send(client, invoice("F-1"))
    assert answer.findtext(f"{{{SALES_ANSWER}}}TotalSucceeded") == "1"
    client.tell("rules", answer="text")
    xml = sales(invoice("F-2"))
    text = (await client.call("Sales.ProcessSalesInvoices", administrationId=client.administration, xmlDoc=xml)).value
    assert '<TotalSucceeded xmlns="">1</TotalSucceeded>' in text


async def test_invoices_can_be_made_bad_for_a_test(client: Any) -> None:
    client.tell("refuse_invoices", dossier=client.administration, references=["F-2"], message="No")
    answer = await send(client, *(invoice(f"F-{place}") for place in (1, 2, 3)))
    assert [one["Message"] for one in outcomes(answer)] == ["", "No", ""]
    client.tell("refuse_invoices", dossier=client.administration, off=True)
    assert counts(await send(client, invoice("F-2"))) == (1, 0, 0)


async def test_two_entities_in_one_administration_share_its_numbers(client: Any) -> None:
    """Nothing in a document says which entity sends it: the same number of two of them is a duplicate."""
    await send(client, invoice("10001"), invoice("20001"))
    again = await send(client, invoice("10001", line("7.00")))
    assert counts(again) == (0, 1, 0)


async def test_a_belgian_administration(start: Any) -> None:
    client = await start(site="be")
    await send(client, invoice("F-1", line("100.00", kind=21, rate="12"), Contact=customer(CountryCode="BE")))

    (entry,) = client.tell("entries", dossier=client.administration)
    assert [one["account"] for one in entry["lines"]] == ["400000", "700000", "451000"]
    assert entry["total"] == Decimal("112.00")
