"""Purchase invoices: by ProcessPurchaseInvoices, and by uploads that somebody books later."""

import base64
from decimal import Decimal
from typing import Any

import pytest
from yuki_papers import counts, outcomes, purchase, purchases, ubl, upload

HOUR = 3600


def entries(client: Any) -> Any:
    return client.tell("entries", dossier=client.administration)


async def test_an_upload_is_booked_later(client: Any) -> None:
    id = await upload(client, ubl("B-1", shares=(("S", "21", "100.00", "21.00"), ("S", "9", "10.00", "0.90"))))

    assert entries(client) == []
    assert client.tell("documents", dossier=client.administration)[0]["waits"]
    client.tell("clock", advance_seconds=HOUR)
    (entry,) = entries(client)
    assert (entry["id"], entry["number"], entry["journal"], entry["origin"]) == (id, "B-1", "I", "upload")
    assert (entry["net"], entry["vat_total"], entry["total"]) == (
        Decimal("110.00"),
        Decimal("21.90"),
        Decimal("131.90"),
    )
    assert [(one["account"], one["debit"], one["credit"]) for one in entry["lines"]] == [
        ("16000", 0, Decimal("131.90")),
        ("45000", Decimal("100.00"), 0),
        ("45000", Decimal("10.00"), 0),
        ("18100", Decimal("21.00"), 0),
        ("18100", Decimal("0.90"), 0),
    ]
    assert entry["balanced"] and entry["relation"]["name"] == "Leverancier C BV"
    assert client.tell("ledger", dossier=client.administration)["balanced"]


async def test_a_credit_note_is_below_zero(client: Any) -> None:
    await upload(client, ubl("B-1", credit=True))
    client.tell("handle_upload", dossier=client.administration)

    (entry,) = entries(client)
    assert (entry["total"], entry["lines"][0]["debit"]) == (Decimal("-121.00"), Decimal("121.00"))


async def test_vat_that_the_buyer_owes_is_not_in_the_total(client: Any) -> None:
    await upload(client, ubl("B-1", shares=(("K", "0", "100.00", "0.00"),)))
    client.tell("handle_upload", dossier=client.administration)

    (entry,) = entries(client)
    assert (entry["total"], entry["vat_total"], entry["balanced"]) == (Decimal("100.00"), 0, True)
    assert entry["vat"][0]["reverse_vat"] == Decimal("21.00")


async def test_rounding_is_booked_apart(client: Any) -> None:
    await upload(client, ubl("B-1", rounding="0.03"))
    client.tell("handle_upload", dossier=client.administration)

    (entry,) = entries(client)
    assert (entry["total"], entry["balanced"]) == (Decimal("121.03"), True)
    assert [one["debit"] for one in entry["lines"] if one["role"] == "rounding"] == [Decimal("0.03")]


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"%PDF-1.4", "not an XML document"),
        (b"<Invoice/>", "not a UBL invoice"),
        (ubl(total="200.00"), "do not add up"),
        (ubl(currency="XYZ"), "not supported"),
        (ubl(day="2026-13-01"), "cannot be read"),
    ],
)
async def test_what_cannot_be_booked_stays_to_be_handled(client: Any, data: bytes, why: str) -> None:
    id = await upload(client, data, folder=7)
    client.tell("clock", advance_seconds=HOUR)

    assert entries(client) == []
    (document,) = client.tell("documents", dossier=client.administration)
    assert (document["waits"], document["folder"]) == (False, 7)
    assert why in document["left"]
    typed = {"name": "Leverancier D", "number": "D-1", "amount": "10.00"}
    client.tell("handle_upload", dossier=client.administration, id=id, **typed)
    (entry,) = entries(client)
    assert (entry["id"], entry["number"], entry["total"]) == (id, "D-1", Decimal("12.10"))


async def test_entries_are_listed_as_they_were_delivered(client: Any) -> None:
    first, second = await upload(client, ubl("B-1")), await upload(client, ubl("B-2"))
    client.tell("handle_upload", dossier=client.administration, id=second)
    client.tell("handle_upload", dossier=client.administration, id=first)

    assert [one["id"] for one in entries(client)] == [first, second]


async def test_an_upload_with_its_page(client: Any) -> None:
    files = {"fileName1": "b.pdf", "data1": "JVBERi0=", "fileName2": "b.xml"}
    answer = await client.call(
        "Archive.UploadDocumentWithAttachment",
        **files,
        data2=base64.b64encode(ubl("B-1")).decode(),
        folder=1,
        administrationID=client.administration,
        amount="121.00",
        paymentMethod=0,
    )
    client.tell("handle_upload", dossier=client.administration)

    (entry,) = entries(client)
    assert entry["id"] == answer.value
    assert [one["name"] for one in entry["attachments"]] == ["b.xml", "b.pdf"]


async def test_cost_category_names_the_account_and_suppliers_are_found_by_vat_number(client: Any) -> None:
    await upload(client, ubl("B-1"), costCategory="41000")
    await upload(client, ubl("B-2", supplier="Anders geschreven", vat_number="NL 123456789 B01"))
    client.tell("handle_upload", dossier=client.administration)

    found = entries(client)
    assert [one["lines"][1]["account"] for one in found] == ["41000", "45000"]
    assert found[0]["relation"] == found[1]["relation"]


async def test_a_second_upload_of_an_invoice(client: Any) -> None:
    for rule, booked in (("book", 2), ("refuse", 1)):
        client.tell("reset")
        await client.log_in()
        client.tell("rules", purchase_duplicates=rule)
        await upload(client, ubl("B-1"))
        await upload(client, ubl("B-1"))
        client.tell("clock", advance_seconds=HOUR)
        assert len(entries(client)) == booked


async def test_nobody_may_look(client: Any) -> None:
    client.tell("rules", uploads="leave")
    await upload(client, ubl("B-1"))
    client.tell("clock", advance_seconds=HOUR)
    assert entries(client) == []
    client.tell(
        "handle_upload",
        dossier=client.administration,
        id=client.tell("documents", dossier=client.administration)[0]["id"],
    )
    assert len(entries(client)) == 1


async def test_a_state_file_has_what_somebody_did_meanwhile(start: Any, tmp_path: Any) -> None:
    first = await start(state_file=tmp_path / "books")
    first.tell("rules", booking_lag=60)
    await upload(first, ubl("B-1"))
    await upload(first, b"%PDF-1.4", name="b.pdf")
    first.tell("clock", advance_seconds=61)
    booked = first.tell("entries", dossier=first.administration)
    first.tell("pay", dossier=first.administration, number="B-1", purchase=True, amount="21.00")
    await upload(first, ubl("B-2"))
    await first.sandbox.stop()

    again = await start(state_file=tmp_path / "books")
    assert again.tell("rules")["booking_lag"] == 60
    (entry,) = again.tell("entries", dossier=again.administration)
    assert {**entry, "open": None} == {**booked[0], "open": None} and entry["open"] == Decimal("100.00")
    again.tell("clock", advance_seconds=61)
    assert [one["number"] for one in again.tell("entries", dossier=again.administration)] == ["B-1", "B-2"]


# --- ProcessPurchaseInvoices ------------------------------------------------------------------------------------------


async def send(client: Any, *invoices: Any, exact: bool = False) -> Any:
    """The root of the answer."""
    await client.log_in(app=True)
    answer = await client.call(
        "Purchase.ProcessPurchaseInvoices",
        administrationId=client.administration,
        disableAutoCorrect=exact,
        xmlDoc=purchases(*invoices),
    )
    return answer.inner


async def test_a_processed_purchase_is_booked_at_once(client: Any) -> None:
    answer = await send(client, purchase("P-1"))

    assert counts(answer) == (1, 0, 0)
    assert outcomes(answer)[0] == {
        "Succeeded": "true",
        "Processed": "true",
        "Reference": "P-1",
        "Subject": "Leverancier B NV P-1",
        "Contact": "Leverancier B NV",
        "Message": "",
    }
    (entry,) = entries(client)
    assert (entry["number"], entry["total"], entry["balanced"]) == ("P-1", Decimal("121.00"), True)


async def test_one_that_is_not_processed_is_booked_by_somebody(client: Any) -> None:
    answer = await send(client, purchase("P-1", Process=None))

    assert outcomes(answer)[0]["Processed"] == "false"
    assert entries(client) == []
    client.tell("clock", advance_seconds=HOUR)
    assert [one["number"] for one in entries(client)] == ["P-1"]


async def test_what_a_purchase_must_say(client: Any) -> None:
    wrong = [
        purchase(None),
        purchase("P-1", InvoiceVATAmount="20.00"),
        purchase("P-2", InvoiceAmount="120.00"),
        purchase("P-3", Currency="XYZ"),
        purchase("P-4", InvoiceLines=None, InvoiceVATAmount="0"),
        purchase("P-5", Contact={"CountryCode": "BE"}),
        purchase("P-6"),
    ]
    answer = await send(client, *wrong)

    assert counts(answer) == (0, 6, 1)
    words = ["mandatory", "InvoiceVATAmount", "InvoiceAmount", "not supported", "mandatory", "no name"]
    assert all(word in one["Message"] for word, one in zip(words, outcomes(answer), strict=True))
    assert entries(client) == []


async def test_small_differences_are_corrected_unless_that_is_off(client: Any) -> None:
    off = {"InvoiceVATAmount": "21.01", "InvoiceAmount": "121.01"}
    assert counts(await send(client, purchase("P-1", **off), exact=True)) == (0, 1, 0)
    assert counts(await send(client, purchase("P-1", **off))) == (1, 0, 0)
    assert entries(client)[0]["total"] == Decimal("121.01")


async def test_amounts_are_mandatory(client: Any) -> None:
    await client.log_in(app=True)
    answer = await client.call(
        "Purchase.ProcessPurchaseInvoices",
        administrationId=client.administration,
        xmlDoc=purchases(purchase("P-1", InvoiceVATAmount=None)),
    )
    assert "InvoiceVATAmount" in answer.fault
