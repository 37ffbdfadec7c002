"""Payments by hand, and how they show: open items, receivables, payments, payment terms."""

from typing import Any

import pytest

from .conftest import Client


async def _terms(client: Client, path: str) -> list[dict[str, Any]]:
    return await client.rows(
        path, select="ID,Status,AmountDC,IsFullyPaid,TransactionEntryID,TransactionAmountDC,Account"
    )


async def test_what_is_open_stands_in_the_lists_until_it_is_paid(client: Client) -> None:
    party = await client.relation()
    sale, purchase = (await client.sale(party)).d, (await client.purchase(party)).d
    (receivable,) = await client.rows("read/financial/ReceivablesList")
    assert (receivable["EntryNumber"], receivable["JournalCode"]) == (sale["EntryNumber"], "70")
    assert (receivable["Amount"], receivable["YourRef"]) == (121.0, "2026/001")
    (payable,) = await client.rows("read/financial/PayablesList")
    assert (payable["EntryNumber"], payable["Amount"], payable["ApprovalStatus"]) == (purchase["EntryNumber"], 121.0, 1)
    for entry in (sale, purchase):
        client.tell("pay", dossier=client.division, journal=entry["Journal"], number=entry["EntryNumber"])
    assert await client.rows("read/financial/ReceivablesList") == []
    assert await client.rows("read/financial/PayablesList") == []
    books = client.sandbox.books
    assert books.ledger(client.division)["difference"] == 0
    balances = {row["account"]: row["balance"] for row in books.ledger(client.division)["accounts"]}
    assert (balances["400000"], balances["440000"], balances["550000"]) == (0, 0, 0)


async def test_a_receivable_is_negative_and_settled_by_a_payment(client: Client) -> None:
    sale = (await client.sale(await client.relation())).d
    (term,) = await _terms(client, "cashflow/Receivables")
    assert (term["AmountDC"], term["TransactionAmountDC"], term["Status"]) == (-121.0, 121.0, 20)
    assert term["TransactionEntryID"] == sale["EntryID"]
    client.tell("pay", dossier=client.division, journal="70", number=sale["EntryNumber"], date="2026-03-04")
    (paid,) = await client.rows("cashflow/Receivables", select="Status,IsFullyPaid,LastPaymentDate,EndDate")
    assert (paid["Status"], paid["IsFullyPaid"]) == (50, True)
    assert paid["LastPaymentDate"] == paid["EndDate"] == "/Date(1772582400000)/"
    (synced,) = await client.rows("sync/Cashflow/PaymentTerms", filter="Timestamp gt 1")
    assert (synced["LineType"], synced["Status"], synced["TransactionEntryID"]) == (20, 50, sale["EntryID"])


async def test_a_part_payment_splits_the_term(client: Client) -> None:
    sale = (await client.sale(await client.relation())).d
    told = client.tell("pay", dossier=client.division, journal="70", number=sale["EntryNumber"], amount="21.00")
    assert told["open"] == "100.00"
    terms = sorted(await _terms(client, "cashflow/Receivables"), key=lambda term: str(term["Status"]))
    assert [(term["Status"], term["AmountDC"]) for term in terms] == [(20, -100.0), (50, -21.0)]
    assert {term["TransactionEntryID"] for term in terms} == {sale["EntryID"]}
    (rest,) = await client.rows("read/financial/ReceivablesList")
    assert rest["Amount"] == 100.0
    client.tell("pay", dossier=client.division, journal="70", number=sale["EntryNumber"])
    assert await client.rows("read/financial/ReceivablesList") == []
    with pytest.raises(ValueError, match="nothing is open"):
        client.tell("pay", dossier=client.division, journal="70", number=sale["EntryNumber"])


async def test_what_was_matched_can_be_open_again(client: Client) -> None:
    sale = (await client.sale(await client.relation())).d
    client.tell("pay", dossier=client.division, journal="70", number=sale["EntryNumber"])
    before = (await client.rows("sync/Cashflow/PaymentTerms", filter="Timestamp gt 1"))[0]["Timestamp"]
    client.tell("unpay", dossier=client.division, journal="70", number=sale["EntryNumber"])
    (term,) = await client.rows("sync/Cashflow/PaymentTerms", filter=f"Timestamp gt {before}L")
    assert (term["Status"], term["IsFullyPaid"], term["LastPaymentDate"]) == (20, False, None)
    assert len(await client.rows("read/financial/ReceivablesList")) == 1


async def test_a_paid_entry_is_processed_and_its_relation_gives_a_new_term(client: Client) -> None:
    one, two = await client.relation(), await client.relation("Ander")
    sale = (await client.sale(one)).d
    path = f"salesentry/SalesEntries(guid'{sale['EntryID']}')"
    (before,) = await client.rows("read/financial/ReceivablesList")
    assert (await client.call("PUT", path, {"Customer": two})).status == 204
    (after,) = await client.rows("read/financial/ReceivablesList")
    assert (after["AccountName"], after["HID"] != before["HID"]) == ("Ander", True)
    client.tell("pay", dossier=client.division, journal="70", number=sale["EntryNumber"])
    assert (await client.call("PUT", path, {"Customer": one})).error == "Reeds verwerkt"
    assert (await client.call("DELETE", path)).error == "Reeds verwerkt"
    assert (await client.call("PUT", path, {"Description": "later"})).status == 204


async def test_a_credit_note_is_paid_back(client: Client) -> None:
    minus = [await client.line(amount="-100.00")]
    note = (await client.sale(await client.relation(), SalesEntryLines=minus)).d
    (term,) = await _terms(client, "cashflow/Receivables")
    assert term["AmountDC"] == 121.0
    client.tell("pay", dossier=client.division, journal="70", number=note["EntryNumber"])
    assert await client.rows("read/financial/ReceivablesList") == []
    assert client.sandbox.books.ledger(client.division)["difference"] == 0


async def test_a_foreign_entry_is_open_in_its_currency(client: Client) -> None:
    sale = (await client.sale(await client.relation(), Currency="USD", Rate="0.9")).d
    (receivable,) = await client.rows("read/financial/ReceivablesList")
    assert (receivable["Amount"], receivable["CurrencyCode"]) == (121.0, "USD")
    (term,) = await _terms(client, "cashflow/Receivables")
    assert term["AmountDC"] == -108.9
    client.tell("pay", dossier=client.division, journal="70", number=sale["EntryNumber"], amount="60.50")
    assert (await client.rows("read/financial/ReceivablesList"))[0]["Amount"] == 60.5
    assert client.sandbox.books.ledger(client.division)["difference"] == 0
