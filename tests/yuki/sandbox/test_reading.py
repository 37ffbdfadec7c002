"""Reading back: transactions, outstanding items, lists, balances, the feed of changes, contacts, the archive."""

import base64
from decimal import Decimal
from typing import Any

import pytest
from lxml import etree
from yuki_papers import SALES, customer, element, invoice, journal, line, sales, ubl, upload

YEAR = {"StartDate": "2026-01-01", "EndDate": "2026-12-31"}
ANY_TIME = {"startDate": "0001-01-01", "endDate": "0001-01-01", "numberOfRecords": 0, "startRecord": 1}


async def sell(client: Any, *invoices: Any) -> None:
    xml = sales(*invoices)
    answer = await client.call("Sales.ProcessSalesInvoices", administrationId=client.administration, xmlDoc=xml)
    assert answer.inner.findtext("TotalSucceeded") == str(len(invoices)), answer.text


async def details(client: Any, account: str | None = "13000", **dates: str) -> list[dict[str, Any]]:
    answer = await client.call(
        "AccountingInfo.GetTransactionDetails",
        administrationID=client.administration,
        GLAccountCode=account,
        **{**YEAR, **dates},
        financialMode=1,
    )
    return list(answer.rows)


async def outstanding(client: Any, name: str = "OutstandingDebtorItems", **params: Any) -> list[dict[str, str]]:
    order = {"sortOrder": "DateAsc", "includeBankTransactions": False}
    answer = await client.call(
        f"Accounting.{name}",
        administrationID=client.administration,
        **({} if "Reference" in params else order),
        **params,
    )
    return [{str(child.tag): child.text or "" for child in item} for item in answer.inner]


# --- transactions -----------------------------------------------------------------------------------------------------


async def test_a_ranged_read_tells_what_is_booked(client: Any) -> None:
    await sell(client, *(invoice(f"F-{day}", Date=f"2026-03-{day:02}") for day in (1, 2, 3, 4)))

    found = await details(client, StartDate="2026-03-02", EndDate="2026-03-03")
    assert [row["documentReference"] for row in found] == ["F-2", "F-3"]
    row = found[0]
    entry = client.tell("entries", dossier=client.administration)[1]
    assert (row["documentID"], row["transactionAmount"], row["glAccountCode"]) == (entry["id"], "121.00", "13000")
    assert (row["contactCode"], row["fullName"], row["currency"]) == ("10010", "Klant A BV", "EUR")
    assert (row["documentType"], row["transactionDate"]) == ("TRMSales invoice", "2026-03-02T00:00:00")
    assert len({row["id"] for row in await details(client, None)}) == 12
    client.tell("rules", blank_account="none")
    assert await details(client, None) == []


async def test_invoices_paid_at_once_are_not_on_the_debtors_account(client: Any) -> None:
    await sell(client, invoice("F-1", PaymentMethod="iDeal"), invoice("F-2", PaymentMethod="ElectronicTransfer"))

    assert [row["documentReference"] for row in await details(client)] == ["F-2"]
    assert [row["documentReference"] for row in await details(client, "23000")] == ["F-1"]
    assert [row["Reference"] for row in await outstanding(client)] == ["F-2"]


async def test_an_upload_is_found_by_its_id_once_it_is_booked(client: Any) -> None:
    id = await upload(client, ubl("B-1"))
    assert await details(client, "16000") == []
    client.tell("clock", advance_seconds=3600)

    (row,) = await details(client, "16000")
    assert (row["documentID"], row["documentReference"], row["transactionAmount"]) == (id, "B-1", "-121.00")


async def transactions(client: Any, **params: Any) -> list[etree._Element]:
    given = {"glAccountCode": "13000", "startDate": "2026-01-01", "endDate": "2026-12-31", "dataGroups": "document"}
    answer = await client.call(
        "AccountingInfo.GetTransactions", administrationID=client.administration, **{**given, **params}
    )
    return list(answer.result)


async def test_nested_transactions_come_in_pages(client: Any) -> None:
    await sell(client, *(invoice(f"F-{number}") for number in range(1, 6)))

    ns = {"y": "http://www.theyukicompany.com/"}
    rows = await transactions(client, numberOfRecords=2, startRecord=3)
    assert [row.findtext("y:document/y:reference", namespaces=ns) for row in rows] == ["F-3", "F-4"]
    assert len(await transactions(client, numberOfRecords=2, startRecord=0)) == 2
    client.tell("rules", first_record=0)
    rows = await transactions(client, numberOfRecords=2, startRecord=3)
    assert [row.findtext("y:document/y:reference", namespaces=ns) for row in rows] == ["F-4", "F-5"]
    (first, *_) = await transactions(client, dataGroups="")
    assert first.find("y:document", namespaces=ns) is None


async def test_changed_and_deleted_bookings_are_told(client: Any) -> None:
    await sell(client, *(invoice(f"F-{number}") for number in (1, 2, 3)))
    client.tell("delete_by_hand", dossier=client.administration, number="F-1")
    client.tell("alter_by_hand", dossier=client.administration, number="F-2", amount="50.00", new_number="F-20")

    answer = await client.call(
        "ChangeDigest.GetUpdatedAndDeletedTransactions",
        administrationID=client.administration,
        startDate="2020-01-01",
        endDate="2099-01-01",
        numberOfRecords=0,
        startRecord=1,
    )
    assert [(row["deleted"], row["transactionAmount"]) for row in answer.rows if row["glAccountCode"] == "13000"] == [
        ("true", "121.00"),
        ("false", "60.50"),
    ]
    assert {row["documentReference"] for row in await details(client)} == {"F-20", "F-3"}
    await sell(client, invoice("F-1"))


# --- outstanding ------------------------------------------------------------------------------------------------------


async def test_open_amounts_fall_with_payments(client: Any) -> None:
    await sell(client, invoice("F-1", DueDate="2026-04-01"), invoice("F-2", line("-10.00")))
    client.tell("pay", dossier=client.administration, number="F-1", amount="21.00", date="2026-03-10")

    found = await outstanding(client)
    assert [(row["Reference"], row["OpenAmount"], row["OriginalAmount"]) for row in found] == [
        ("F-1", "100.00", "121.00"),
        ("F-2", "-12.10", "-12.10"),
    ]
    assert (found[0]["DueDate"], found[0]["ContactCode"]) == ("2026-04-01", "10010")
    client.tell("pay", dossier=client.administration, number="F-1")
    with pytest.raises(ValueError, match="nothing is open"):
        client.tell("pay", dossier=client.administration, number="F-1")
    # A payment stands on the same account, but is no document with the invoice's number.
    rows = [(row["documentReference"], row["transactionAmount"]) for row in await details(client, EndDate="2099-01-01")]
    assert set(rows) == {(None, "-100.00"), (None, "-21.00"), ("F-1", "121.00"), ("F-2", "-12.10")}
    assert [row["Reference"] for row in await outstanding(client)] == ["F-2"]
    assert await outstanding(client, "CheckOutstandingItemAdmin", Reference="F-1") == []
    assert await outstanding(client, "CheckOutstandingItemAdmin", Reference="unknown") == []
    assert client.tell("ledger", dossier=client.administration)["balanced"]
    client.tell("unpay", dossier=client.administration, number="F-1")
    (row,) = await outstanding(client, "CheckOutstandingItemAdmin", Reference="F-1")
    assert (row["OpenAmount"], "DocumentID" in row) == ("121.00", False)


async def test_outstanding_lists_lag_behind(client: Any) -> None:
    client.tell("rules", outstanding_lag=3600)
    await sell(client, invoice("F-1"))

    assert await outstanding(client) == []
    client.tell("clock", advance_seconds=3601)
    assert [row["OpenAmount"] for row in await outstanding(client)] == ["121.00"]
    client.tell("pay", dossier=client.administration, number="F-1")
    assert [row["OpenAmount"] for row in await outstanding(client)] == ["121.00"]
    client.tell("clock", advance_seconds=3601)
    assert await outstanding(client) == []


async def test_outstanding_by_date_and_of_suppliers(client: Any) -> None:
    await sell(client, invoice("F-1", Date="2026-03-01"), invoice("F-2", Date="2026-03-31"))
    await upload(client, ubl("B-1"))
    client.tell("handle_upload", dossier=client.administration)
    client.tell("pay", dossier=client.administration, number="F-1", date="2026-03-20")

    dates = {"startDate": "2026-03-15", "endDate": "2026-03-31"}
    assert [row["Reference"] for row in await outstanding(client, "OutstandingDebtorItemsByDate", **dates)] == ["F-2"]
    on = await outstanding(client, "OutstandingDebtorItemsByDateOutstanding", dateOutstanding="2026-03-15")
    assert [row["Reference"] for row in on] == ["F-1"]
    (bought,) = await outstanding(client, "OutstandingCreditorItems")
    assert (bought["Reference"], bought["OpenAmount"], bought["Type"]) == ("B-1", "121.00", "Inkoopfactuur")


# --- lists ------------------------------------------------------------------------------------------------------------


async def test_the_chart_has_disabled_accounts_and_a_name_spelt_so(client: Any) -> None:
    answer = await client.call("AccountingInfo.GetGLAccountScheme", administrationID=client.administration)

    accounts = {row["code"]: row for row in answer.rows}
    assert accounts["80000"]["descripton"] == "Omzet"
    assert (accounts["80000"]["isEnabled"], accounts["83000"]["isEnabled"]) == ("true", "false")


async def test_vat_codes_that_are_over_are_not_listed(client: Any) -> None:
    answer = await client.call("Vat.ActiveVATCodesList", administrationID=client.administration)

    low = [row for row in answer.rows if row["type"] == "2"]
    assert [(row["percentage"], row["startDate"], row["endDate"]) for row in low] == [
        ("9", "2019-01-01T00:00:00", None)
    ]
    german = [row["percentage"] for row in answer.rows if (row["type"], row["country"]) == ("40", "DE")]
    assert german == ["19", "7"]


async def test_an_administration_may_have_lists_of_its_own(client: Any) -> None:
    (id,) = client.tell(
        "dossiers",
        name="Anders BV",
        domain=client.sandbox.books.administration(client.administration).domain,
        vat_codes=[{"type": 1, "percentage": "25", "description": "Moms 25%"}],
        accounts=[{"code": "80999", "kind": "revenue", "name": "Eigen"}],
        currencies={"ISK": "0.0068"},
    )["ids"]
    xml = sales(invoice("F-1", line(rate="25", product={"GLAccountCode": "80999"}), Currency="ISK"))
    await client.call("Sales.ProcessSalesInvoices", administrationId=id, xmlDoc=xml)

    (entry,) = client.tell("entries", dossier=id)
    assert (entry["total"], entry["lines"][1]["account"]) == (Decimal("125.00"), "80999")
    answer = await client.call("Vat.ActiveVATCodesList", administrationID=id)
    assert "Moms 25%" in [row["description"] for row in answer.rows]


# --- sums and the general journal -------------------------------------------------------------------------------------


async def test_balances_and_revenue(client: Any) -> None:
    await sell(client, invoice("F-1"), invoice("F-2", Date="2026-06-01"))

    answer = await client.call(
        "Accounting.GLAccountBalance", administrationID=client.administration, transactionDate="2026-05-01"
    )
    rows = {row.get("Code"): (row.get("BalanceType"), row.findtext("Amount")) for row in answer.inner}
    assert (rows["13000"], rows["80000"]) == (("B", "121.00"), ("W", "-100.00"))
    answer = await client.call("Accounting.NetRevenue", administrationID=client.administration, **YEAR)
    assert answer.value == "200.00"


async def test_a_general_journal_must_balance_on_each_day(client: Any) -> None:
    async def send(document: etree._Element) -> Any:
        return await client.call("Accounting.ProcessJournal", administrationID=client.administration, xmlDoc=document)

    right = {"29000": "10.00", "45000": "-10.00"}
    assert "not in balance" in (await send(journal({"29000": "10.00", "45000": "-9.00"}))).fault
    assert "not in balance" in (await send(journal(right, days={"45000": "2026-03-03"}))).fault
    assert "disabled" in (await send(journal({"29000": "10.00", "45800": "-10.00"}))).fault
    assert "last day" in (await send(journal(right, kind="FiscalCorrection"))).fault
    id = (await send(journal(right))).value
    (entry,) = client.tell("entries", dossier=client.administration, journal="M")
    assert (entry["id"], entry["balanced"]) == (id, True)


# --- contacts ---------------------------------------------------------------------------------------------------------


async def contacts(client: Any, name: str = "SearchContacts", **params: Any) -> list[dict[str, str]]:
    given = {"searchOption": "All", "sortOrder": "HID", "active": "Both", "pageNumber": 1}
    kind = {"contactType": "Both"} if name == "GetSuppliersAndCustomers" else {}
    answer = await client.call(f"Contact.{name}", **{**given, **kind, **params})
    return [{"ID": one.get("ID"), **{str(child.tag): child.text or "" for child in one}} for one in answer.inner]


async def test_contacts_come_a_hundred_a_page(client: Any) -> None:
    await sell(
        client, *(invoice(f"F-{n}", Contact=customer(ContactCode=str(n), FullName=f"Klant {n:03}")) for n in range(101))
    )

    pages = [await contacts(client, pageNumber=page) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [100, 1, 0]
    (one,) = await contacts(client, searchOption="Code", searchValue="7")
    assert (one["Name"], one["Type"], one["Country"]) == ("Klant 007", "Company", "NL")
    assert one["Created"].endswith(("AM", "PM"))
    assert len(await contacts(client, searchvalue="Klant 007")) == 100  # a name in another case: everything
    assert len(await contacts(client, "GetSuppliersAndCustomers", contactType="Supplier")) == 0
    (first, *_) = await contacts(client, "GetSuppliersAndCustomers", contactType="Customer")
    assert (first["IsCustomer"], first["IsSupplier"]) == ("true", "false")


def card(namespace: str = "urn:xmlns:http://www.theyukicompany.com:contact", **content: Any) -> etree._Element:
    return element("Contact", content, namespace) if namespace else _plain("Contact", content)


def _plain(name: str, content: dict[str, Any]) -> etree._Element:
    inside = "".join(f"<{key}>{value}</{key}>" for key, value in content.items())
    return etree.fromstring(f'<{name} xmlns="">{inside}</{name}>')


async def update(client: Any, document: etree._Element) -> str:
    answer = await client.call("Contact.UpdateContact", xmlDoc=document)
    assert answer.inner.tag.endswith("contactResponse}ContactResponse")
    return str(answer.inner[1].text)


async def test_a_contact_is_updated_by_id_code_or_name(client: Any) -> None:
    await sell(client, invoice("F-1"))
    (one,) = await contacts(client)
    done = f"Succesfully updated Contact {one['ID']}"

    assert await update(client, card(ID=one["ID"], Code="10020")) == done
    assert await update(client, card(Code="10020", VATNumber="NL1")) == done
    assert await update(client, card(Type="2", FullName="klant a bv", City="Breda")) == done
    assert await update(client, card("", Code="10020", PostCode="4811")) == done
    (one,) = await contacts(client)
    shown = (one["Code"], one["VATNumber"], one["City"], one["Postcode"], one["Name"])
    assert shown == ("10020", "NL1", "Breda", "4811", "klant a bv")
    assert (await update(client, card(Type="2", Code="9", FullName="Nieuw"))).startswith("Succesfully updated Contact ")
    assert len(await contacts(client)) == 2
    assert "does not exist" in await update(client, card(ID="0e6b7a52-31c9-4f8e-b7d4-6a9c2e5f8b99", City="X"))
    answer = await client.call("Contact.UpdateContact", xmlDoc=card("urn:other", Code="9"))
    assert "not declared" in answer.fault


# --- the archive ------------------------------------------------------------------------------------------------------


async def archive(client: Any, name: str, **params: Any) -> list[etree._Element]:
    order = {} if name == "FindDocument" else {"sortOrder": "CreatedAsc", **ANY_TIME}
    return list((await client.call(f"Archive.{name}", **{**order, **params})).inner)


async def test_a_sale_is_in_the_archive_with_what_was_sent(client: Any) -> None:
    await sell(client, invoice("F-1"), invoice("F-2", DocumentFileName="eigen.pdf", DocumentBase64="JVBERi0="))

    rows = await archive(client, "DocumentsInFolder", folderID=2)
    assert [row.findtext("FileName") for row in rows] == ["Invoice F-1.pdf", "eigen.pdf"]
    assert [row.get("ID") for row in rows] == [
        one["id"] for one in client.tell("entries", dossier=client.administration)
    ]
    assert len(await archive(client, "DocumentsByType", documentType=6)) == 2
    answer = await client.call("Archive.DocumentXMLData", documentID=rows[0].get("ID"))
    assert answer.inner.findtext(f"{{{SALES}}}Reference") == "F-1"
    answer = await client.call("Archive.DocumentBinaryData", documentID=rows[1].get("ID"))
    assert base64.b64decode(answer.value) == b"%PDF-"


@pytest.mark.parametrize(("option", "text"), [("All", "merk-1"), ("Subject", "merk-1"), ("All", "opmerking-1")])
async def test_an_upload_is_found_by_its_marks(client: Any, option: str, text: str) -> None:
    id = await upload(client, ubl("B-1"), name="inkoop merk-1.xml", remarks="opmerking-1")
    await upload(client, ubl("B-2"), name="inkoop merk-2.xml", remarks="opmerking-2")

    rows = await archive(client, "SearchDocuments", searchOption=option, searchText=text, folderID=-1, tabID=-1)
    assert [row.get("ID") for row in rows] == [id]
    (row,) = await archive(client, "FindDocument", documentID=id)
    assert (row.find("Folder").get("ID"), row.findtext("FileName")) == ("1", "inkoop merk-1.xml")  # type: ignore[union-attr]
    client.tell("handle_upload", dossier=client.administration)
    (row,) = await archive(client, "FindDocument", documentID=id)
    assert (row.findtext("Subject"), row.findtext("Amount")) == ("Leverancier C BV B-1", "121.00")
    assert row.findtext("FileName") == "inkoop merk-1.xml"


async def test_dates_of_lists_are_of_creation_or_of_documents(client: Any) -> None:
    await sell(client, invoice("F-1", Date="2026-03-02"))
    old = {**ANY_TIME, "startDate": "2026-03-01", "endDate": "2026-03-31", "folderID": 2}

    assert await archive(client, "DocumentsInFolder", **old) == []
    client.tell("rules", archive_dates="document")
    assert len(await archive(client, "DocumentsInFolder", **old)) == 1


# --- by hand ----------------------------------------------------------------------------------------------------------


async def test_what_a_person_does(client: Any) -> None:
    client.tell(
        "book_by_hand", dossier=client.administration, number="H-1", amount="10.00", date="2026-03-02", name="X"
    )
    client.tell(
        "book_by_hand", dossier=client.administration, number="H-1", amount="20.00", date="2026-03-02", name="X"
    )
    found = client.tell("entries", dossier=client.administration)
    assert [(one["number"], one["total"], one["origin"]) for one in found] == [
        ("H-1", Decimal("12.10"), "hand"),
        ("H-1", Decimal("24.20"), "hand"),
    ]
    xml = sales(invoice("H-1"))
    answer = await client.call("Sales.ProcessSalesInvoices", administrationId=client.administration, xmlDoc=xml)
    assert answer.inner.findtext("TotalFailed") == "1"
    client.tell("close", dossier=client.administration, before="2026-03-03")
    for change in ("delete_by_hand", "alter_by_hand"):
        with pytest.raises(ValueError, match="before 03-03-2026"):
            client.tell(change, dossier=client.administration, number="H-1")
    with pytest.raises(ValueError, match="no option"):
        client.tell("pay", dossier=client.administration, nummer="H-1")
    assert client.tell("ledger", dossier=client.administration)["balanced"]


async def test_all_of_it_is_in_the_state_file(start: Any, tmp_path: Any) -> None:
    first = await start(state_file=tmp_path / "books")
    await sell(first, invoice("F-1"), invoice("F-2"), invoice("F-3"))
    await update(first, card(Type="2", FullName="Nieuw"))
    for change, body in (
        ("pay", {"number": "F-1"}),
        ("delete_by_hand", {"number": "F-2"}),
        ("alter_by_hand", {"number": "F-3", "amount": "5.00"}),
        ("book_by_hand", {"number": "H-1", "amount": "10.00"}),
        ("accounts", {"code": "80100", "enabled": False}),
        ("vat_codes", {"type": 1, "percentage": "22"}),
        ("close", {"before": "2026-01-01"}),
    ):
        first.tell(change, dossier=first.administration, **body)
    seen = [first.tell(what, dossier=first.administration) for what in ("entries", "ledger", "relations", "documents")]
    await first.sandbox.stop()

    again = await start(state_file=tmp_path / "books")
    assert [
        again.tell(what, dossier=again.administration) for what in ("entries", "ledger", "relations", "documents")
    ] == seen
