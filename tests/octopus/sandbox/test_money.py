"""Financial and sundry bookings, balancings, open items, history."""

from decimal import Decimal
from typing import Any

from .conftest import START, Client, booking, money

ALL = {
    "fromBookyearKey": {"id": 1},
    "toBookyearKey": {"id": 3},
    "fromBookyearPeriodNr": 202401,
    "toBookyearPeriodNr": 202604,
    "relationId": -1,
    "externalRelationId": -1,
}


def key(journal: str, number: int, line: int) -> dict[str, Any]:
    return {
        "bookyearKey": {"id": 2},
        "journalKey": journal,
        "documentSequenceNr": number,
        "lineSequenceNr": line,
    }


async def open_items(client: Client, kind: str = "clients", **changed: Any) -> dict[tuple[str, int], float]:
    """Journal and number to the open amount in the document's currency."""
    answer = await client.call("POST", f"reports/{kind}/open", {**ALL, **changed})
    if answer.status == 404:
        return {}
    return {(row["journalKey"], row["documentSequenceNr"]): row["openDocAmount"] for row in answer.json}


async def test_money_received_is_booked_on_bank_and_client(client: Client) -> None:
    body = {"financialDiversBookingServiceData": money()}
    answer = await client.call("POST", "financialdiversbookings", body)
    assert (answer.status, answer.text) == (201, "")
    ledger = client.sandbox.books.ledger(1001)
    assert {row["account"]: row["balance"] for row in ledger["accounts"]} == {
        550000: Decimal(121),
        400000: Decimal(-121),
    }
    assert (await client.get("bookyears/2/journals/F1")).json == {
        "balance": 121.0,
        "bookyearKey": {"id": 2},
        "journalKey": "F1",
    }
    assert (await client.get("bookyears/2/journals/V1")).code == -38
    read = await client.get("financialdiversbookings", bookyearId=2, journalKey="F1", documentSeqNr=1)
    assert read.json["bookingLines"] == [
        {"amount": 121.0, "externalRelationId": 5001, "reference": "dank u", "relationId": 1, "type": "C"}
    ]
    modified = await client.get("financialdiversbookings/modified", bookyearId=2, modifiedTimeStamp=START)
    assert modified.json == [read.json]
    assert (await client.get("buysellbookings/modified", bookyearId=2, modifiedTimeStamp=START)).status == 404


async def test_what_a_financial_booking_may_not_be(client: Client) -> None:
    async def refused(**changed: Any) -> int | None:
        body = {"financialDiversBookingServiceData": money(**changed)}
        return (await client.call("POST", "financialdiversbookings", body)).code

    assert await refused(number=2) == -13
    assert await refused(journal="V1") == -38
    assert await refused(bookyearPeriodeNr=None, exchangeRate=None) == -14
    assert await refused(documentDate=None) == -17
    assert await refused(exchangeRate=2.0) == -20
    assert await refused(bookingLines=[{"type": "X", "amount": 1.0}]) == -25
    assert await refused(bookingLines=[{"type": "A", "amount": 1.0, "accountKey": 1}]) == -21
    assert await refused(bookingLines=[{"type": "C", "amount": 1.0, "relationId": 99}]) == -16
    assert await refused(journal="D1", bookingLines=[{"type": "A", "accountKey": 499000, "amount": 1.0}]) == -79
    assert client.sandbox.books.entries(1001) == []


async def test_a_sundry_booking_and_its_update(client: Client) -> None:
    lines = [{"type": "A", "accountKey": 499000, "amount": 5.0}, {"type": "S", "relationId": 1, "amount": -5.0}]
    data = money(journal="D1", bookingLines=lines)
    body = {"financialDiversBookingServiceData": data}
    assert (await client.call("POST", "financialdiversbookings", body)).status == 201
    changed = {**data, "documentDate": "2025-03-01"}
    assert (await client.call("PUT", "financialdiversbookings", changed)).status == 204
    assert (await client.call("PUT", "financialdiversbookings", {**data, "documentSequenceNr": 2})).code == -34
    entry = client.sandbox.books.entries(1001)[0]
    assert (entry["date"].isoformat(), entry["revision"], entry["balanced"]) == ("2025-03-01", 2, True)


async def test_a_payment_is_tied_to_its_document(client: Client) -> None:
    await client.book(booking(1))
    paid = await client.control("POST", "pay", {"dossier": 1001, "journal": "V1", "number": 1, "amount": 21})
    assert paid.json["open"] == "100.00"
    assert await open_items(client) == {("V1", 1): 100.0}
    answer = await client.get("balancings/modified", modifiedTimeStamp=START)
    row = answer.json["modifiedBalancings"][0]
    assert (row["creditBalancedBookingAmount"], row["debetBalancedBookingAmount"]) == (21.0, 0.0)
    assert row["debetDocument"]["balancingKey"] == key("V1", 1, -1)
    credit = row["creditDocument"]["balancingKey"]
    assert (credit["journalKey"], credit["documentSequenceNr"], credit["lineSequenceNr"]) == ("F1", 1, 1)
    assert row["type"] == {"externalRelationId": 5001, "relationKey": {"id": 1}, "type": "C"}
    rest = await client.control("POST", "pay", {"dossier": 1001, "journal": "V1", "number": 1})
    assert rest.json["open"] == "0.00"
    assert await open_items(client) == {}
    too_much = await client.control("POST", "pay", {"dossier": 1001, "journal": "V1", "number": 1})
    assert too_much.status == 400
    assert client.sandbox.books.ledger(1001)["balanced"]


async def test_a_payment_is_taken_back(client: Client) -> None:
    await client.book(booking(1))
    client.sandbox.control.pay(1001, journal="V1", number=1)
    await client.control("POST", "unpay", {"dossier": 1001, "journal": "V1", "number": 1})
    answer = (await client.get("balancings/modified", modifiedTimeStamp=START)).json
    assert answer["modifiedBalancings"] == []
    assert len(answer["deletedBalancings"]) == 1
    assert await open_items(client) == {("V1", 1): 121.0, ("F1", 1): -121.0}


async def test_purchases_and_credit_notes_are_paid_the_other_way(client: Client) -> None:
    await client.book(booking(1, "A1"))
    await client.book(booking(1, "V2", amount=-121.0))
    assert await open_items(client, "suppliers") == {("A1", 1): 121.0}
    assert await open_items(client) == {("V2", 1): -121.0}
    for journal in ("A1", "V2"):
        client.sandbox.control.pay(1001, journal=journal, number=1)
    assert await open_items(client, "suppliers") == await open_items(client) == {}
    rows = (await client.get("balancings/modified", modifiedTimeStamp=START)).json["modifiedBalancings"]
    ends = {
        (each["debetDocument"]["balancingKey"]["journalKey"], each["creditDocument"]["balancingKey"]["journalKey"])
        for each in rows
    }
    assert ends == {("F1", "A1"), ("F1", "V2")}
    bank = next(row for row in client.sandbox.books.ledger(1001)["accounts"] if row["account"] == 550000)
    assert bank["balance"] == Decimal(-242)


async def test_foreign_documents_are_open_in_both_currencies(client: Client) -> None:
    await client.book(booking(1, currencyCode="USD", exchangeRate=0.9))
    row = (await client.call("POST", "reports/clients/open", ALL)).json[0]
    assert (row["openDocAmount"], row["openBookingAmount"], row["currencyCode"]) == (121.0, 108.9, "USD")
    client.sandbox.control.pay(1001, journal="V1", number=1, amount="60.50")
    row = (await client.call("POST", "reports/clients/open", ALL)).json[0]
    assert (row["openDocAmount"], row["openBookingAmount"]) == (60.5, 54.45)
    client.sandbox.control.pay(1001, journal="V1", number=1)
    assert await open_items(client) == {}


async def test_open_items_by_relation_and_period(client: Client) -> None:
    await client.book(booking(1))
    await client.book(booking(2, bookyearPeriodeNr=202503))
    assert len(await open_items(client)) == 2
    assert len(await open_items(client, relationId=1)) == 2
    assert len(await open_items(client, externalRelationId=5001)) == 2
    assert await open_items(client, relationId=77) == {}
    assert await open_items(client, externalRelationId=0) == {}
    assert list(await open_items(client, toBookyearKey={"id": 2}, toBookyearPeriodNr=202502)) == [("V1", 1)]
    left_out = {name: value for name, value in ALL.items() if name != "relationId"}
    assert (await client.call("POST", "reports/clients/open", left_out)).status == 404
    assert (await client.call("POST", "reports/clients/open", {**ALL, "toBookyearKey": {"id": 99}})).code == -9


async def test_the_turn_of_the_year_may_hide_open_items(client: Client) -> None:
    await client.book(booking(1))
    newest: dict[str, Any] = {"fromBookyearKey": {"id": 3}, "fromBookyearPeriodNr": 202601}
    assert await open_items(client, **newest) == {("V1", 1): 121.0}
    await client.control("POST", "dossiers", {"change": 1001, "open_items_carried": False})
    assert await open_items(client, **newest) == {}
    assert await open_items(client) == {("V1", 1): 121.0}


async def test_ties_made_through_the_api(client: Client) -> None:
    await client.book(booking(1))
    await client.call("POST", "financialdiversbookings", {"financialDiversBookingServiceData": money()})
    pair = {"debetKey": key("V1", 1, -1), "creditKey": key("F1", 1, 1)}
    assert (await client.call("POST", "balancings", {**pair, "balanceAmount": 122.0})).code == -26
    assert (await client.call("POST", "balancings", {**pair, "balanceAmount": 121.0})).status == 201
    assert await open_items(client) == {}
    assert (await client.call("DELETE", "balancings/delete", pair)).status == 204
    assert (await client.call("DELETE", "balancings/delete", pair)).code == -26
    for path, body in (
        ("bookingline", key("F1", 1, 1)),
        ("document", {"bookyearKey": {"id": 2}, "journal": "V1", "documentSequenceNr": 1}),
    ):
        assert (await client.call("POST", "balancings", {**pair, "balanceAmount": 121.0})).status == 201
        assert (await client.call("DELETE", f"balancings/{path}/delete", body)).status == 204
        assert len(await open_items(client)) == 2
    swapped = {"debetKey": pair["creditKey"], "creditKey": pair["debetKey"], "balanceAmount": 1.0}
    assert (await client.call("POST", "balancings", swapped)).code == -26


async def test_what_is_paid_keeps_relation_and_amount(client: Client) -> None:
    await client.book(booking(1))
    client.sandbox.control.pay(1001, journal="V1", number=1, amount=1)
    assert (await client.call("PUT", "buysellbookings", booking(1, comment="mag"))).status == 204
    other = booking(
        1, amount=1.21, bookingLines=[{"accountKey": 700021, "baseAmount": 1.0, "vatAmount": 0.21, "vatCodeKey": "21"}]
    )
    assert (await client.call("PUT", "buysellbookings", other)).code == -35


async def test_history_of_relations_and_accounts(client: Client) -> None:
    await client.book(booking(1))
    client.sandbox.control.pay(1001, journal="V1", number=1)
    one = {**ALL, "relationId": 1, "toBookyearKey": {"id": 3}}
    rows = (await client.call("POST", "reports/clients/history", one)).json
    assert [(row["debetBookingAmount"], row["creditBookingAmount"]) for row in rows] == [(121.0, 0.0), (0.0, 121.0)]
    assert (await client.call("POST", "reports/clients/history", ALL)).status == 404
    assert (await client.call("POST", "reports/suppliers/history", one)).status == 404
    account = {**ALL, "accountNr": 700021}
    assert len((await client.call("POST", "reports/accounts/history", account)).json) == 1
