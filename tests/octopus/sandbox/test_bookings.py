"""Sales and purchase bookings: what is booked, what is refused with which code, and what reads back."""

import asyncio
import base64
import hashlib
from decimal import Decimal
from typing import Any

import pytest
from dagboek_octopus.sandbox import Rules
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from .conftest import START, Client, Starter, booking, line, relation


def balances(client: Client, dossier: int = 1001) -> dict[int, str]:
    """Account to balance, after a look at the proof."""
    ledger = client.sandbox.books.ledger(dossier)
    assert ledger["balanced"]
    assert ledger["difference"] == 0
    return {row["account"]: str(row["balance"]) for row in ledger["accounts"]}


# --- booked ---------------------------------------------------------------------------------------------------


async def test_a_sale_is_201_without_a_body_and_becomes_journal_lines(client: Client) -> None:
    answer = await client.book(booking(comment="our-id-1", reference="+++000/0000/00097+++"))
    assert (answer.status, answer.text) == (201, "")
    entry = (await client.control("GET", "entries", dossier=1001, journal="V1")).json[0]
    assert (entry["number"], entry["total"], entry["net"], entry["vat_total"]) == (1, "121.00", "100.00", "21.00")
    assert entry["vat"] == [{"code": "21", "percentage": "21", "base": "100.00", "vat": "21.00", "reverse_vat": "0.00"}]
    assert entry["relation"]["external_id"] == 5001
    assert (entry["comment"], entry["reference"], entry["origin"]) == ("our-id-1", "+++000/0000/00097+++", "api")
    assert [(each["account"], each["debit"], each["credit"]) for each in entry["lines"]] == [
        (400000, "121.00", "0.00"),
        (700021, "0.00", "100.00"),
        (451000, "0.00", "21.00"),
    ]
    assert entry["balanced"] is True


async def test_a_purchase_goes_the_other_way(client: Client) -> None:
    assert (await client.book(booking(journal="A1"))).status == 201
    assert balances(client) == {612100: "100.00", 411000: "21.00", 440000: "-121.00"}


async def test_vat_that_cannot_be_recovered_is_cost(client: Client) -> None:
    car = booking(journal="A1", bookingLines=[line(616000, code="D21")])
    assert (await client.book(car)).status == 201
    assert balances(client) == {616000: "110.50", 411000: "10.50", 440000: "-121.00"}
    said_on_the_line = booking(2, "A1", bookingLines=[line(616000, code="D21", vatRecupPercentage=100.0)])
    assert (await client.book(said_on_the_line)).status == 201
    assert balances(client)[411000] == "31.50"


@pytest.mark.parametrize("vat", [0.0, 21.0])
async def test_reverse_charge_is_posted_on_both_sides(client: Client, vat: float) -> None:
    data = booking(journal="A1", amount=100.0, bookingLines=[line(604100, 100.0, "GIC", vat)])
    assert (await client.book(data)).status == 201
    assert balances(client) == {604100: "100.00", 411000: "21.00", 451000: "-21.00", 440000: "-100.00"}
    entry = client.sandbox.books.entries(1001)[0]
    assert (entry["total"], entry["vat_total"]) == (Decimal("100.00"), Decimal("0.00"))


async def test_a_credit_note_has_a_negative_amount_and_positive_lines(client: Client) -> None:
    assert (await client.book(booking(journal="V2", amount=-121.0))).status == 201
    assert balances(client) == {400000: "-121.00", 451000: "21.00", 700021: "100.00"}
    entry = client.sandbox.books.entries(1001)[0]
    assert (entry["total"], entry["net"], entry["vat_total"]) == (Decimal(-121), Decimal(-100), Decimal(-21))
    own_code = booking(2, "V2", amount=-121.0, bookingLines=[line(code="C21")])
    assert (await client.book(own_code)).status == 201
    purchase = booking(1, "A2", amount=-121.0, bookingLines=[line(612100, code="CD21")])
    assert (await client.book(purchase)).status == 201
    assert balances(client)[440000] == "121.00"


async def test_what_a_credit_note_may_not_be(client: Client) -> None:
    negative_lines = booking(journal="V2", amount=-121.0, bookingLines=[line(base=-100.0, vat=-21.0)])
    assert (await client.book(negative_lines)).code == -79
    credit_code_on_invoice = booking(bookingLines=[line(code="C21")])
    assert (await client.book(credit_code_on_invoice)).code == -75


async def test_the_lines_of_a_credit_note_may_have_to_be_negative(start: Starter) -> None:
    client = await start(limits=False, rules=Rules(credit_lines="negative"))
    await client.call("PUT", "relations", relation(5001, "Klant"))
    assert (await client.book(booking(journal="V2", amount=-121.0))).code == -79
    negative = booking(journal="V2", amount=-121.0, bookingLines=[line(base=-100.0, vat=-21.0)])
    assert (await client.book(negative)).status == 201
    assert balances(client) == {400000: "-121.00", 451000: "21.00", 700021: "100.00"}
    await client.control("POST", "book_by_hand", {"dossier": 1001, "journal": "V2", "amount": "-12.10"})
    assert [entry["net"] for entry in client.sandbox.books.entries(1001)] == [Decimal(-100), Decimal("-10.00")]


async def test_a_discount_is_a_negative_line(client: Client) -> None:
    lines = [line(), line(708000, -10.0, "21", -2.1)]
    assert (await client.book(booking(amount=108.9, bookingLines=lines))).status == 201
    assert balances(client) == {400000: "108.90", 451000: "-18.90", 700021: "-100.00", 708000: "10.00"}


async def test_foreign_currency_is_kept_and_counted_over(client: Client) -> None:
    lines = [line(700500, 80.01, "B25", 20.0), line(700500, 0.01, "B25", 0.0)]
    data = booking(amount=100.02, currencyCode="SEK", exchangeRate=0.0913, bookingLines=lines)
    assert (await client.book(data)).status == 201
    entry = client.sandbox.books.entries(1001)[0]
    assert (entry["currency"], entry["total"]) == ("SEK", Decimal("100.02"))
    assert entry["lines"][0]["document_debit"] == Decimal("100.02")
    # 80.01 and 20.00 times 0.0913, each to the cent; 0.01 vanishes
    assert entry["lines"][0]["debit"] == Decimal("7.30") + Decimal("1.83")
    balances(client)


async def test_an_empty_document_can_be(client: Client) -> None:
    assert (await client.book(booking(amount=0.0, bookingLines=[]))).status == 201
    assert balances(client) == {400000: "0.00"}


async def test_several_rates_to_the_cent(client: Client) -> None:
    lines = [line(base=0.1, vat=0.02), line(700006, 0.2, "06", 0.01), line(700000, 0.3, "00", 0.0)]
    assert (await client.book(booking(amount=0.63, bookingLines=lines))).status == 201
    assert client.sandbox.books.entries(1001)[0]["net"] == Decimal("0.60")


async def test_the_document_date_may_lie_outside_its_period(client: Client) -> None:
    assert (await client.book(booking(documentDate="2024-12-31", bookyearPeriodeNr=202504))).status == 201


# --- numbers ----------------------------------------------------------------------------------------------------


async def test_numbers_have_no_gap_no_repeat_and_no_way_back(client: Client) -> None:
    for number in (0, 2, 7):
        answer = await client.book(booking(number))
        assert (answer.status, answer.code) == (400, -13)
        info = answer.json["technicalInfo"]
        assert "1001" in info
        assert "last document number 0" in info
        assert f"offered number {number}" in info
    for number in (1, 2):
        assert (await client.book(booking(number))).status == 201
    for number in (1, 2, 4):
        assert (await client.book(booking(number))).code == -13
    assert (await client.book(booking(3))).status == 201
    assert [entry["number"] for entry in client.sandbox.books.entries(1001)] == [1, 2, 3]


async def test_each_journal_and_book_year_counts_for_itself(client: Client) -> None:
    assert (await client.book(booking(1, "V1"))).status == 201
    assert (await client.book(booking(1, "A1"))).status == 201
    other_year = booking(1, bookyearKey={"id": 3}, bookyearPeriodeNr=202601)
    assert (await client.book(other_year)).status == 201
    assert (await client.book(booking(2, "V1"))).status == 201


async def test_of_many_callers_with_one_number_one_wins(client: Client) -> None:
    answers = await asyncio.gather(*(client.book(booking(1, comment=str(each))) for each in range(40)))
    assert sorted(answer.status for answer in answers) == [201] + [400] * 39
    assert {answer.code for answer in answers if answer.status == 400} == {-13}
    assert len(client.sandbox.books.entries(1001)) == 1


async def test_the_start_number_can_be_set_higher(client: Client) -> None:
    await client.control("POST", "journals", {"dossier": 1001, "bookyear": 2, "journal": "V1", "next_number": 501})
    assert (await client.book(booking(1))).code == -13
    assert (await client.book(booking(501))).status == 201


async def test_the_number_is_judged_before_the_period(client: Client) -> None:
    assert (await client.book(booking(9, bookyearPeriodeNr=209901))).code == -13


# --- refused ------------------------------------------------------------------------------------------------------

REFUSED: list[tuple[str, dict[str, Any], int]] = [
    ("book year unknown", {"bookyearKey": {"id": 99}}, -9),
    ("book year missing", {"bookyearKey": None}, -9),
    ("journal unknown", {"journalKey": "V9"}, -10),
    ("journal missing", {"journalKey": None}, -10),
    ("journal of another type", {"journalKey": "F1"}, -38),
    ("journal for invoices", {"journalKey": "V3"}, -29),
    ("number missing", {"documentSequenceNr": None}, -13),
    ("period unknown", {"bookyearPeriodeNr": 202505}, -14),
    ("period missing", {"bookyearPeriodeNr": None}, -14),
    ("period of another year", {"bookyearPeriodeNr": 202401}, -14),
    ("document date missing", {"documentDate": None}, -17),
    ("due date missing", {"expiryDate": None}, -18),
    ("relation unknown", {"relationIdentificationServiceData": {"externalRelationId": 77}}, -16),
    ("relation key unknown", {"relationIdentificationServiceData": {"relationKey": {"id": 77}}}, -16),
    ("relation missing", {"relationIdentificationServiceData": None}, -16),
    ("external id 0 is none", {"relationIdentificationServiceData": {"externalRelationId": 0}}, -16),
    ("currency unknown", {"currencyCode": "XAU"}, -19),
    ("currency missing", {"currencyCode": None}, -19),
    ("rate missing", {"exchangeRate": None}, -20),
    ("rate negative", {"exchangeRate": -1.0}, -20),
    ("rate of the own currency", {"exchangeRate": 1.1}, -20),
    ("account unknown", {"bookingLines": [line(799999)]}, -21),
    ("account missing", {"bookingLines": [{"baseAmount": 1.0, "vatCodeKey": "21"}]}, -21),
    ("account is a heading", {"bookingLines": [line(70)]}, -50),
    ("VAT code unknown", {"bookingLines": [line(code="99")]}, -22),
    ("VAT code missing", {"bookingLines": [{"accountKey": 700021, "baseAmount": 1.0}]}, -22),
    ("VAT code of purchases", {"bookingLines": [line(code="D21")]}, -75),
    ("signs differ", {"bookingLines": [line(vat=-21.0)]}, -23),
    ("cost centre unknown", {"bookingLines": [line(costCentreKey={"id": 99})]}, -40),
    ("cost centre closed", {"bookingLines": [line(costCentreKey={"id": 3})]}, -41),
    ("VAT recovery out of range", {"bookingLines": [line(vatRecupPercentage=101.0)]}, -30),
    ("amount is not the sum", {"amount": 121.01}, -79),
    ("amount missing", {"amount": None}, -79),
]  # fmt: skip


@pytest.mark.parametrize(("changed", "code"), [row[1:] for row in REFUSED], ids=[row[0] for row in REFUSED])
async def test_refused_with_its_code_and_nothing_booked(client: Client, changed: dict[str, Any], code: int) -> None:
    answer = await client.book(booking(**changed))
    assert (answer.status, answer.code) == (400, code)
    assert answer.json["errorMessage"]
    assert answer.json["technicalInfo"]
    assert client.sandbox.books.entries(1001) == []
    assert (await client.book(booking())).status == 201


async def test_the_other_side_of_vat_codes_for_purchases(client: Client) -> None:
    assert (await client.book(booking(journal="A1", bookingLines=[line(612100, code="21")]))).code == -75


async def test_an_account_may_want_a_cost_centre(client: Client) -> None:
    assert (await client.book(booking(journal="A1", bookingLines=[line(613200, code="D21")]))).code == -40
    with_one = booking(journal="A1", bookingLines=[line(613200, code="D21", costCentreKey={"id": 2})])
    assert (await client.book(with_one)).status == 201
    entry = client.sandbox.books.entries(1001)[0]
    assert entry["lines"][1]["cost_centre"] == 2


@pytest.mark.parametrize(("switch", "status", "code"), [("closed", 403, -11), ("in_use", 403, -12)])
async def test_a_journal_that_is_closed_or_in_use(client: Client, switch: str, status: int, code: int) -> None:
    await client.control("POST", "journals", {"dossier": 1001, "journal": "V1", switch: True})
    answer = await client.book(booking())
    assert (answer.status, answer.code) == (status, code)
    await client.control("POST", "journals", {"dossier": 1001, "journal": "V1", switch: False})
    assert (await client.book(booking())).status == 201


@pytest.mark.parametrize("switch", ["protected_period", "closed_period"])
async def test_periods_up_to_a_point_take_no_bookings(client: Client, switch: str) -> None:
    await client.control("POST", "journals", {"dossier": 1001, "bookyear": 2, "journal": "V1", switch: 202502})
    for period in (202501, 202502):
        answer = await client.book(booking(bookyearPeriodeNr=period))
        assert (answer.status, answer.code) == (400, -15)
    assert (await client.book(booking(bookyearPeriodeNr=202503))).status == 201


async def test_closed_period_can_be_read_the_other_way(start: Starter) -> None:
    client = await start(rules=Rules(closed_period="from", sum_code=-24))
    client.sandbox.control.book_by_hand(1001, "V1", date="2025-01-02")
    await client.control("POST", "journals", {"dossier": 1001, "bookyear": 2, "journal": "V1", "closed_period": 202503})
    data = booking(2, relationIdentificationServiceData={"relationKey": {"id": 1}})
    assert (await client.book({**data, "bookyearPeriodeNr": 202503})).code == -15
    assert (await client.book({**data, "amount": 1.0})).code == -24
    assert (await client.book({**data, "bookyearPeriodeNr": 202502})).status == 201


async def test_a_closed_book_year(client: Client) -> None:
    await client.control("POST", "bookyears", {"dossier": 1001, "bookyear": 2, "closed": True})
    assert (await client.book(booking())).code == -15


@pytest.mark.parametrize(
    "data",
    [
        booking(documentDate="03/02/2025"),
        booking(documentDate="2025-02-30"),
        booking(documentDate="20250203"),
        booking(documentSequenceNr="1"),
        booking(documentSequenceNr=1.0),
        booking(amount="121.0"),
        booking(comment=5),
        booking(relationIdentificationServiceData={"externalRelationId": 2**31}),
        booking(bookingLines={"accountKey": 700021}),
        booking(bookingLines=[line(base=1e40)]),
    ],
)
async def test_a_body_that_cannot_be_read_is_a_500_without_json(client: Client, data: dict[str, Any]) -> None:
    answer = await client.book(data)
    assert answer.status == 500
    assert "json" not in answer.headers["Content-Type"]
    assert client.sandbox.books.entries(1001) == []


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b'{"a": NaN}', b"\xff\xfe", b"[" * 100_000])
async def test_what_is_no_json_at_all(client: Client, raw: bytes) -> None:
    answer = await client.call("POST", "buysellbookings", data=raw, headers={"Content-Type": "application/json"})
    assert answer.status == 500


async def test_a_misspelled_field_counts_as_missing(client: Client) -> None:
    assert (await client.book(booking(bookyearPeriodeNr=None, bookyearPeriodNr=202501))).code == -14


# --- reading back ---------------------------------------------------------------------------------------------------


async def test_a_booking_reads_back_in_the_style_of_the_wire(client: Client) -> None:
    await client.book(booking(amount=121))
    answer = await client.get("buysellbookings", bookyearId=2, journalKey="V1", documentSeqNr=1)
    assert answer.text == (
        '{"amount":121.0,"bookingLines":[{"accountKey":700021,"baseAmount":100.0,"comment":"","vatAmount":21.0,'
        '"vatCodeKey":"21"}],"bookyearKey":{"id":2},"bookyearPeriodeNr":202501,"comment":"","currencyCode":"EUR",'
        '"documentDate":"2025-02-03","documentSequenceNr":1,"exchangeRate":1.0,"expiryDate":"2025-03-05",'
        '"journalKey":"V1","paymentMethod":0,"reference":"",'
        '"relationIdentificationServiceData":{"externalRelationId":5001,"relationKey":{"id":1}}}'
    )
    assert answer.headers["Content-Type"] == "application/json"


async def test_only_purchase_lines_show_the_recovery_percentage(client: Client) -> None:
    await client.book(booking(journal="A1"))
    answer = await client.get("buysellbookings", bookyearId=2, journalKey="A1", documentSeqNr=1)
    assert answer.json["bookingLines"][0]["vatRecupPercentage"] == 100.0


async def test_what_is_not_there_is_a_404(client: Client) -> None:
    answer = await client.get("buysellbookings", bookyearId=2, journalKey="V1", documentSeqNr=1)
    assert answer.status == 404
    assert answer.json["technicalInfo"]
    assert (await client.get("buysellbookings", bookyearId=2, journalKey="V1")).status == 400
    modified = await client.get("buysellbookings/modified", bookyearId=-1, modifiedTimeStamp=START)
    assert modified.status == 404


async def test_modified_by_book_year_journal_and_time(client: Client) -> None:
    await client.book(booking(1))
    await client.book(booking(1, "A1"))
    await client.book(booking(1, bookyearKey={"id": 3}, bookyearPeriodeNr=202601))

    async def modified(**query: Any) -> list[tuple[int, str, int]]:
        answer = await client.get("buysellbookings/modified", **{"bookyearId": -1, "modifiedTimeStamp": START, **query})
        if answer.status == 404:
            return []
        return [(row["bookyearKey"]["id"], row["journalKey"], row["documentSequenceNr"]) for row in answer.json]

    assert await modified() == [(2, "V1", 1), (2, "A1", 1), (3, "V1", 1)]
    assert await modified(bookyearId=2) == [(2, "V1", 1), (2, "A1", 1)]
    assert await modified(journalKey="A1") == [(2, "A1", 1)]
    assert await modified(modifiedTimeStamp="2099-01-01 00:00:00.000") == []
    assert (await client.get("buysellbookings/modified", bookyearId=99, modifiedTimeStamp=START)).code == -9
    for wrong in ("2025-01-01", "2025-01-01T00:00:00.000", ""):
        assert (await client.get("buysellbookings/modified", bookyearId=-1, modifiedTimeStamp=wrong)).status == 400
    assert (await client.get("buysellbookings/modified", modifiedTimeStamp=START)).status == 400


async def test_modified_knows_the_moment(client: Client) -> None:
    await client.book(booking(1))
    await client.control("POST", "clock", {"advance_seconds": 7200})
    await client.log_in()
    await client.open()
    now = (await client.control("GET", "clock")).json["now"]
    from datetime import datetime, timedelta
    from zoneinfo import ZoneInfo

    brussels = datetime.fromisoformat(now).astimezone(ZoneInfo("Europe/Brussels")) - timedelta(hours=1)
    stamp = brussels.strftime("%Y-%m-%d %H:%M:%S.000")
    await client.book(booking(2))
    answer = await client.get("buysellbookings/modified", bookyearId=-1, modifiedTimeStamp=stamp)
    assert [row["documentSequenceNr"] for row in answer.json] == [2]


async def test_large_answers_come_in_chunks(client: Client) -> None:
    for number in range(1, 61):
        await client.book(booking(number))
    answer = await client.get("buysellbookings/modified", bookyearId=-1, modifiedTimeStamp=START)
    assert answer.headers.get("Transfer-Encoding") == "chunked"
    assert "Content-Length" not in answer.headers
    assert len(answer.json) == 60


async def test_the_line_report_of_all_journals(client: Client) -> None:
    await client.book(booking(1))
    await client.book(booking(1, "A1"))
    path = "bookyears/-1/bookings/modified"
    answer = await client.get(path, journalTypeId=-1, modifiedTimeStamp=START)
    rows = answer.json["modifiedBookings"]
    assert len(rows) == 6
    assert sum(row["bookingAmount"] for row in rows) == 0
    assert answer.json["deletedBookings"] == []
    only_sales = await client.get(path, journalTypeId=2, modifiedTimeStamp=START)
    assert {row["journalType"] for row in only_sales.json["modifiedBookings"]} == {2}
    assert (await client.get(path, journalTypeId=4, modifiedTimeStamp=START)).status == 404
    await client.control("POST", "delete_by_hand", {"dossier": 1001, "journal": "V1", "number": 1})
    deleted = await client.get(path, journalTypeId=2, modifiedTimeStamp=START)
    assert deleted.json == {
        "deletedBookings": [
            {"bookyearKey": {"id": 2}, "documentSequenceNr": 1, "journalSequenceNr": 1, "journalType": 2}
        ],
        "modifiedBookings": [],
    }


# --- changing ---------------------------------------------------------------------------------------------------------


async def test_put_replaces_the_whole_booking(client: Client) -> None:
    await client.book(booking(1))
    await client.book(booking(2))
    data = booking(1, amount=242.0, bookingLines=[line(base=200.0, vat=42.0)], comment="anders")
    assert (await client.call("PUT", "buysellbookings", data)).status == 204
    entry = client.sandbox.books.entries(1001)[0]
    assert (entry["total"], entry["comment"], entry["revision"]) == (Decimal(242), "anders", 2)
    assert balances(client)[400000] == "363.00"
    assert (await client.book(booking(3))).status == 201


async def test_put_of_what_is_not_there_or_may_not_be_changed(client: Client) -> None:
    assert (await client.call("PUT", "buysellbookings", booking(1))).code == -34
    await client.book(booking(1))
    assert (await client.call("PUT", "buysellbookings", booking(1, amount=1.0))).code == -79
    await client.control("POST", "journals", {"dossier": 1001, "journal": "V1", "protected_period": 202501})
    moved = booking(1, bookyearPeriodeNr=202502)
    assert (await client.call("PUT", "buysellbookings", moved)).code == -15
    assert client.sandbox.books.entries(1001)[0]["revision"] == 1


async def test_attachments_are_kept_as_name_size_and_hash(client: Client) -> None:
    content = b"%PDF-1.7 voorbeeld"
    file = {"fileName": "factuur.pdf", "fileData": base64.b64encode(content).decode()}
    assert (await client.book(booking(), [file])).status == 201
    sha = hashlib.sha256(content).hexdigest()
    kept = [{"name": "factuur.pdf", "size": len(content), "sha256": sha}]
    assert client.sandbox.books.entries(1001)[0]["attachments"] == kept
    path = "bookyears/2/bookings/attachements"
    headers = {"journalKey": "V1", "documentSequennceNr": "1"}
    assert (await client.call("POST", path, file, headers=headers)).status == 204
    assert client.sandbox.books.entries(1001)[0]["attachments"] == kept * 2
    assert (await client.call("POST", path, file)).status == 400
    assert (await client.call("POST", path, file, headers={**headers, "documentSequennceNr": "9"})).code == -34
    assert (await client.book(booking(2), [{"fileName": "x", "fileData": "geen base64"}])).status == 500
    assert (await client.book(booking(2), [{**file, "fileName": None}])).status == 201


async def test_a_large_attachment_is_taken(client: Client) -> None:
    file = {"fileName": "groot.pdf", "fileData": base64.b64encode(bytes(5_000_000)).decode()}
    assert (await client.book(booking(), [file])).status == 201
    assert client.sandbox.books.entries(1001)[0]["attachments"][0]["size"] == 5_000_000


# --- always balanced --------------------------------------------------------------------------------

_cents = st.integers(1, 10_000_000).map(lambda number: Decimal(number) / 100)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=st.lists(st.tuples(_cents, _cents), min_size=1, max_size=6),
    journal=st.sampled_from(["A1", "A2", "V1", "V2"]),
    credit=st.booleans(),
    rate=st.sampled_from(["1", "0.0913", "1.0831", "7.4601"]),
)
async def test_any_accepted_booking_balances_to_the_cent(
    client: Client, rows: list[tuple[Decimal, Decimal]], journal: str, credit: bool, rate: str
) -> None:
    codes = ["G21", "GIC", "D21"] if journal[0] == "A" else ["21", "06", "B25"]
    accounts = [604000, 616000, 604100] if journal[0] == "A" else [700021, 700006, 700500]
    lines, total = [], Decimal(0)
    for index, (base, vat) in enumerate(rows):
        code = codes[index % 3]
        total += base if code == "GIC" else base + vat
        lines.append(line(accounts[index % 3], float(base), code, float(vat)))
    last = client.sandbox.books.dossier(1001).bookyears[2].journals[journal].last
    data = booking(
        last + 1,
        journal,
        amount=float(-total if credit else total),
        currencyCode="EUR" if rate == "1" else "USD",
        exchangeRate=float(rate),
        bookingLines=lines,
    )
    answer = await client.book(data)
    assert answer.status == 201, answer.text
    entry = client.sandbox.books.entries(1001)[-1]
    assert entry["balanced"]
    assert abs(entry["total"]) == total
    assert client.sandbox.books.ledger(1001)["difference"] == 0
