"""What Yuki's answers and lists mean: imports, the ledger, contacts, outstanding items."""

from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, cast

import pytest
from dagboek_schemas.documents import Address, Direction, Party, PaymentState
from dagboek_schemas.identity import party_identity
from dagboek_schemas.statuses import Component
from dagboek_sdk.attempt import Booking
from dagboek_sdk.samples import THEIRS
from dagboek_yuki import answers, archive, ledger, parties, payments, soap
from dagboek_yuki.answers import Skipped, Told
from dagboek_yuki.archive import Token
from dagboek_yuki.ledger import EntryId
from dagboek_yuki.mapping import contact_code
from dagboek_yuki.parties import Contact, Contacts
from lxml import etree
from yuki_books import attempt

# what an import answers


def row(reference: str, succeeded: bool = True, message: str = "", processed: bool = True) -> str:
    told = f"<Succeeded>{str(succeeded).lower()}</Succeeded><Processed>{str(processed).lower()}</Processed>"
    return f'<Invoice xmlns="">{told}<Reference>{reference}</Reference><Message>{message}</Message></Invoice>'


def answer(*told: str, counts: tuple[int, int, int] | None = None, escaped: bool = False) -> etree._Element:
    """The result of a call; the counts follow from the rows, with nothing skipped, where they are not given."""
    good = sum("<Succeeded>true" in one for one in told)
    succeeded, failed, skipped = counts or (good, len(told) - good, 0)
    totals = f"<TotalSucceeded>{succeeded}</TotalSucceeded><TotalFailed>{failed}</TotalFailed>"
    response = f"{totals}<TotalSkipped>{skipped}</TotalSkipped>{''.join(told)}"
    inner = f'<SalesInvoicesImportResponse xmlns="urn:x">{response}</SalesInvoicesImportResponse>'
    if escaped:
        inner = inner.replace("&", "&amp;").replace("<", "&lt;")
    body = (
        f'<s:Envelope xmlns:s="{soap.SOAP}"><s:Body><ProcessSalesInvoicesResponse xmlns="{soap.YUKI}">'
        f"<ProcessSalesInvoicesResult>{inner}</ProcessSalesInvoicesResult>"
        "</ProcessSalesInvoicesResponse></s:Body></s:Envelope>"
    )
    return soap.result(body.encode(), "ProcessSalesInvoices")


def words(found: Sequence[Told | Skipped | None]) -> list[str]:
    def word(one: Told | Skipped | None) -> str:
        if isinstance(one, Told):
            return "ok" if one.succeeded else "no"
        return "skipped" if one else "-"

    return [word(one) for one in found]


@pytest.mark.parametrize("escaped", [False, True])
def test_each_invoice_has_its_own_outcome(escaped: bool) -> None:
    result = answer(row("A 1"), row("B/2", False, "Period is closed"), row("C-3", processed=False), escaped=escaped)
    first, second, third = answers.outcomes(result, ["A 1", "B/2", "C-3"])
    assert first == Told("A 1", True, True, "")
    assert second == Told("B/2", False, True, "Period is closed")
    assert isinstance(third, Told)
    assert not third.processed


SENT = [f"{number:02}" for number in range(1, 51)]
BAD = {"03", "09", "11", "20", "21", "22", "40"}


def test_after_six_wrong_ones_the_others_were_not_looked_at() -> None:
    told = [row(one, one not in BAD) for one in SENT[:22]]
    found = words(answers.outcomes(answer(*told, counts=(16, 6, 28)), SENT))
    assert [at for at, word in enumerate(found, 1) if word == "no"] == [3, 9, 11, 20, 21, 22]
    assert found[22:] == ["skipped"] * 28
    assert found.count("ok") == 16


@pytest.mark.parametrize(
    ("looked_at", "counts"),
    [
        (22, (16, 6, 27)),  # one is missing and not counted as skipped
        (22, (15, 6, 28)),  # the counts do not fit what is told
        (22, (16, 6, 0)),
        (21, (16, 5, 29)),  # skipped, although there were not six wrong ones
    ],
)
def test_what_is_missing_and_not_provably_skipped_is_uncertain(looked_at: int, counts: tuple[int, int, int]) -> None:
    told = [row(one, one not in BAD) for one in SENT[:looked_at]]
    found = words(answers.outcomes(answer(*told, counts=counts), SENT))
    assert "skipped" not in found
    assert found[looked_at:] == ["-"] * (50 - looked_at)


def test_skipped_ones_may_be_listed_too() -> None:
    told = [row(one, one not in BAD) for one in SENT[:22]] + [row(one, False) for one in SENT[22:]]
    found = words(answers.outcomes(answer(*told, counts=(16, 6, 28)), SENT))
    assert found[22:] == ["skipped"] * 28


def test_a_draft_may_have_no_number_yet() -> None:
    """Taken for unknown, it would not be found in the ledger, and be made once more."""
    result = answer(row("1"), row("", processed=False), row("3"))
    assert words(answers.outcomes(result, ["1", "2", "3"])) == ["ok", "ok", "ok"]


def test_an_answer_in_another_order_is_read_by_its_numbers() -> None:
    result = answer(row("2", False), row("1"))
    assert words(answers.outcomes(result, ["1", "2", "3"])) == ["ok", "no", "-"]


def test_two_with_one_number_are_told_apart_by_their_order_alone() -> None:
    assert words(answers.outcomes(answer(row("7"), row("7", False)), ["7", "7"])) == ["ok", "no"]
    assert words(answers.outcomes(answer(row("8"), row("7"), row("7", False)), ["7", "7", "8"])) == ["-", "-", "ok"]


def test_an_invoice_that_was_not_sent_says_nothing() -> None:
    assert words(answers.outcomes(answer(row("other")), ["1"])) == ["-"]
    assert words(answers.outcomes(answer(row("", True)), ["1"])) == ["-"]
    assert words(answers.outcomes(answer(row("", False, "no number")), ["1"])) == ["no"]
    assert words(answers.outcomes(answer(), ["1"])) == ["-"]


# the ledger


def transaction(document: str, amount: str, **more: str) -> str:
    fields = {
        "transactionDate": "2025-02-03T00:00:00",
        "description": "Invoice",
        "transactionAmount": amount,
        "transactionAmountForeignCurrency": "0",
        "currencyRate": "1",
        "currency": "EUR",
        "contactCode": "17",
        "documentID": document,
        "documentReference": "2025/0001",
        "documentFolder": "Verkoop",
        "contactID": "AB-1",
        **more,
    }
    inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
    return f"<TransactionInfo>{inner}</TransactionInfo>"


def transactions(*told: str) -> etree._Element:
    return etree.fromstring(f'<R xmlns="{soap.YUKI}">{"".join(told)}</R>')


def test_a_sale_is_found_by_its_number_and_what_the_customer_owes() -> None:
    (found,) = ledger.entries(transactions(transaction("D1", "121.00")), Direction.SALES)
    candidate = found.candidate()
    assert (candidate.entry_id, candidate.number, candidate.party_id) == ("sales/2025/2025/0001", "2025/0001", "17")
    assert (candidate.gross, candidate.currency, candidate.day) == (Decimal("121.00"), "EUR", date(2025, 2, 3))
    assert EntryId.parse(candidate.entry_id) == ledger.sale(" 2025/0001 ", date(2025, 12, 31))


def test_a_purchase_is_found_by_its_document_and_what_we_owe() -> None:
    (found,) = ledger.entries(transactions(transaction("D1", "-121.00", contactCode="")), Direction.PURCHASE)
    candidate = found.candidate()
    assert (candidate.entry_id, candidate.gross, candidate.party_id) == ("purchase/d1", Decimal("121.00"), "id:ab-1")
    assert EntryId.parse(candidate.entry_id) == ledger.purchase("D1")


def test_a_document_is_one_entry_in_its_own_currency_and_payments_are_none() -> None:
    rows = transactions(
        transaction("D1", "100.00", currency="USD", currencyRate="1.1", transactionAmountForeignCurrency="110.00"),
        transaction("D1", "-10.00", currency="USD", currencyRate="1.1", transactionAmountForeignCurrency="-11.00"),
        transaction("D2", "-90.00", documentFolder="Bank"),
        transaction("", "5.00"),
    )
    (found,) = ledger.entries(rows, Direction.SALES)
    assert (found.amount, found.currency) == (Decimal("99.00"), "USD")


@pytest.mark.parametrize("written", ["", "sales", "other/1", "sales/x/1"])
def test_what_is_no_entry_is_told(written: str) -> None:
    with pytest.raises(ValueError):
        EntryId.parse(written)


# the archive


def test_a_mark_is_of_one_link_in_one_administration() -> None:
    first, second = attempt(Booking({})), attempt(Booking({}))
    marks = {archive.mark("A", first), archive.mark("A", second), archive.mark("B", first)}
    assert len(marks) == 3
    assert archive.mark("a", first) in marks
    again = attempt(Booking({}), identity=first.identity, number=2)
    again.link_id = first.link_id
    assert archive.mark("A", again) == archive.mark("A", first)


def listed(days: Sequence[int], *, first: int = 0, named: bool = True) -> etree._Element:
    """A page of documents that were made on days of a month, each known by its place in the archive."""
    name = "<FileName>scan.pdf</FileName>" if named else "<FileName/><Subject>Scan</Subject>"
    inner = "".join(
        f"<Document ID='{at}'><Created>2026-03-{day:02}T10:00:00</Created>{name}</Document>"
        for at, day in enumerate(days, first)
    )
    return etree.fromstring(f"<r><Documents>{inner}</Documents></r>")


NOTHING = etree.fromstring("<DocumentsResult/>")
SINCE = datetime(2026, 3, 8, tzinfo=UTC)


async def is_absent(
    monkeypatch: pytest.MonkeyPatch, archived: Callable[[int], etree._Element], since: datetime | None = SINCE
) -> tuple[bool, int]:
    """Whether what is looked for is proven not to be there; and the calls that took."""
    begun: list[int] = []

    async def page(_: Any, first: int) -> etree._Element:
        begun.append(first)
        return archived(first)

    monkeypatch.setattr(archive, "_listed", page)
    found, doubt = await archive.find(cast("Any", None), ["dagboek-1"], since)
    assert found == {}
    return doubt == "", len(begun)


@pytest.mark.parametrize(("days", "seen"), [((9, 5, 1), True), ((1, 2, 3), False), ((9, 9, 8), False)])
async def test_an_archive_was_seen_far_enough_only_where_its_order_shows_it(
    monkeypatch: pytest.MonkeyPatch, days: Sequence[int], seen: bool
) -> None:
    absent, calls = await is_absent(monkeypatch, lambda _: listed(days))
    assert absent is seen
    assert calls == (1 if seen else 2), "the same page again tells nothing"


@pytest.mark.parametrize("rows_at_most", [3, 5, 500])
@pytest.mark.parametrize("first_record", [0, 1])
@pytest.mark.parametrize("many", [1, 2, 3, 8])
async def test_a_short_page_is_not_the_last_as_yuki_may_list_fewer_than_it_is_asked_for(
    monkeypatch: pytest.MonkeyPatch, rows_at_most: int, first_record: int, many: int
) -> None:
    days, asked = [9] * many, list[int]()

    def page(first: int) -> etree._Element:
        begin = max(first - first_record, 0)
        asked.extend(range(begin, min(begin + rows_at_most, many)))
        return listed(days[begin : begin + rows_at_most], first=begin)

    absent, calls = await is_absent(monkeypatch, page)
    assert absent
    assert set(asked) == set(range(many))
    assert calls == 2 or rows_at_most < many


@pytest.mark.parametrize(
    ("pages", "absent"),
    [
        ((listed(()), listed(())), True),
        ((NOTHING, NOTHING), False),
        ((listed(()), NOTHING), False),
        ((listed((9, 9, 9)), NOTHING), False),
        ((listed((9, 9, 9)), listed(())), False),
        ((listed((9, 9, 9)), listed((9,), first=4), listed((9,), first=4)), False),
        ((listed((9, 9, 9)), listed((9,), first=2)), True),
    ],
    ids=["nothing, twice", "no list", "no list the second time", "none behind", "empty behind", "a gap", "all of it"],
)
async def test_what_the_archive_does_not_tell_proves_nothing(
    monkeypatch: pytest.MonkeyPatch, pages: Sequence[etree._Element], absent: bool
) -> None:
    left = iter(pages)
    assert (await is_absent(monkeypatch, lambda _: next(left))) == (absent, len(pages))


@pytest.mark.parametrize(
    ("days", "since", "absent"), [((9, 5), SINCE, False), ((5, 1), SINCE, True), ((5, 1), None, False)]
)
async def test_a_document_without_a_name_that_came_since_may_be_ours(
    monkeypatch: pytest.MonkeyPatch, days: Sequence[int], since: datetime | None, absent: bool
) -> None:
    assert (await is_absent(monkeypatch, lambda _: listed(days, named=False), since))[0] is absent


@pytest.mark.parametrize(
    ("told", "id"),
    [
        ("6F6D1C3E-52A4-4B0D-8A66-1C5E0F7B2D10", "6f6d1c3e-52a4-4b0d-8a66-1c5e0f7b2d10"),
        ("{6f6d1c3e-52a4-4b0d-8a66-1c5e0f7b2d10}", "6f6d1c3e-52a4-4b0d-8a66-1c5e0f7b2d10"),
        ("", None),
        ("Document could not be stored", None),
        ("00000000-0000-0000-0000-000000000000", None),
    ],
)
def test_an_upload_is_answered_with_an_id_or_nothing_is_known(told: str, id: str | None) -> None:
    assert archive.document_id(told) == id


@pytest.mark.parametrize(
    ("reference", "name"),
    [("2025/0001", "2025_0001 m.xml"), ("../x", "x m.xml"), ("№", "document m.xml"), ("F 1-é.2", "F_1-é.2 m.xml")],
)
def test_the_name_of_a_file_has_the_number_and_the_mark(reference: str, name: str) -> None:
    assert archive.file_name(reference, "m") == name


def test_tokens_come_back_as_they_were_given() -> None:
    for token in (Token(True, date(2025, 2, 3), "6f6d"), Token(False, date(2025, 2, 3), "2025/0001/B")):
        assert Token.parse(str(token)) == token


# contacts

DOUBLE = Party(name="Jan Peeters", address=Address(country="BE", postal_code="9000"))


def contact(id: str = "c1", **more: Any) -> Contact:
    return Contact(**{"id": id, "code": "17", "name": "Other", "vat": "", "company": "", "country": "", **more})


def matched(party: Party, *known: Contact, needed: frozenset[Component] = frozenset({Component.CUSTOMERS})) -> Any:
    identity = party_identity(party)
    return parties.matches({identity: party}, Contacts({one.id: one for one in known}), needed)[identity]


@pytest.mark.parametrize(
    ("party", "known"),
    [
        (THEIRS, contact(vat="BE 0999.999.922")),
        (THEIRS, contact(company="0999999922", country="BE")),
        (THEIRS.model_copy(update={"vat_number": None, "company_number": "0999999922"}), contact(vat="BE0999999922")),
        (THEIRS, contact(code=contact_code(party_identity(THEIRS)), vat="BE0000000000")),
        (DOUBLE, contact(name="jan  PEETERS")),
        (DOUBLE, contact(name="Jan Peeters", vat="BE0123456749", country="BE")),
    ],
)
def test_a_contact_with_its_code_or_number_or_name_alone_is_the_party(party: Party, known: Contact) -> None:
    (found,) = matched(party, known, contact("c2", name="Nobody", code="18"))
    assert (found.certain, found.entry_id, found.roles) == (True, known.code, None)


@pytest.mark.parametrize(
    "known",
    [
        contact(name="Klant & Zonen NV", vat="BE0123456749"),  # the same name, another number
        contact(vat="BE0999999922", country="NL"),
        contact(name="Klant & Zonen NV", country="FR"),
        contact(name="Klant & Zonen NV", code="123456789012345"),  # ours, of another party
    ],
)
def test_a_contact_that_says_otherwise_is_not_the_party(known: Contact) -> None:
    assert matched(THEIRS, known) == []


def test_several_with_one_number_are_asked_about_unless_one_has_the_name() -> None:
    shops = [contact("c1", code="1", vat="BE0999999922"), contact("c2", code="2", vat="BE0999999922")]
    assert [(one.certain, one.entry_id) for one in matched(THEIRS, *shops)] == [(False, "1"), (False, "2")]
    named = contact("c3", code="3", vat="BE0999999922", name="Klant & Zonen NV")
    assert [(one.certain, one.entry_id) for one in matched(THEIRS, *shops, named)] == [(True, "3")]


def test_a_contact_without_code_lacks_the_role_that_needs_one() -> None:
    (found,) = matched(THEIRS, contact(code="", vat="BE0999999922"))
    assert (found.entry_id, found.certain, found.roles) == ("id:c1", True, frozenset({Component.SUPPLIERS}))


def test_the_second_of_a_name_is_told_apart_by_its_number() -> None:
    known = Contacts()
    assert known.name_for("Jan Peeters", "1", "") == "Jan Peeters"
    assert known.name_for("Jan Peeters", "1", "") == "Jan Peeters"
    assert known.name_for("jan peeters", "2", "BE7") == "jan peeters (BE7)"
    assert known.name_for("Jan Peeters", "3", "") == "Jan Peeters (3)"
    assert known.name_for("Jan Peeters", "1", "") == "Jan Peeters"


@pytest.mark.parametrize("code", ["2", ""])
def test_who_was_named_first_gives_way_to_a_contact_that_stands_in_yuki(code: str) -> None:
    """Its first invoice may have been refused, and another one's contact made since."""
    known = Contacts()
    assert known.name_for("Jan Peeters", "1", "BE7") == "Jan Peeters"
    known.codes["jan peeters"] |= {code}
    known.coded |= {code} - {""}
    assert known.name_for("Jan Peeters", "1", "BE7") == "Jan Peeters (BE7)"


# payments

TODAY = date(2025, 6, 2)
ENTRY = str(ledger.sale("2025/0001", date(2025, 2, 3)))


def items(*told: tuple[str, str, str]) -> etree._Element:
    inner = "".join(
        f"<Item ID='x'><Date>2025-02-03</Date><OpenAmount>{left}</OpenAmount><OriginalAmount>{of}</OriginalAmount>"
        f"<Reference>{reference}</Reference><DocumentID>{reference}</DocumentID></Item>"
        for reference, left, of in told
    )
    return etree.fromstring(
        f'<R xmlns="{soap.YUKI}"><OutstandingDebtorItems xmlns="">{inner}</OutstandingDebtorItems></R>'
    )


@pytest.mark.parametrize(
    ("left", "of", "state"),
    [
        ("121.00", "121.00", PaymentState.NOT_PAID),
        ("21.00", "121.00", PaymentState.PARTIALLY_PAID),
        ("-121.00", "-121.00", PaymentState.NOT_PAID),
    ],
)
def test_what_is_in_the_list_is_open_for_so_much(left: str, of: str, state: PaymentState) -> None:
    lists = payments.outstanding(items(("2025/0001", left, of)), Direction.SALES)
    (found,), _ = payments.statuses([ENTRY], lists, payments.Cursor(), TODAY)
    assert (found.state, found.open_amount) == (state, abs(Decimal(left)))


def test_purchases_are_known_by_their_document() -> None:
    lists = payments.outstanding(items(("D9", "1.00", "2.00")), Direction.PURCHASE)
    assert lists == {"purchase/d9": (Decimal("1.00"), Decimal("2.00"))}


def test_what_left_the_list_is_paid_and_what_was_never_in_it_is_so_when_the_list_cannot_lag_any_more() -> None:
    before = payments.Cursor()
    lists = payments.outstanding(items(("2025/0001", "1", "1")), Direction.SALES)
    late = str(ledger.sale("late", date(2025, 2, 3)))
    told: list[dict[str, PaymentState]] = []
    for day in range(5):
        found, after = payments.statuses([ENTRY, late], lists if day == 0 else {}, before, TODAY + timedelta(days=day))
        told.append({one.entry_id: one.state for one in found})
        before = payments.Cursor.parse(str(after))
    assert [one[ENTRY] for one in told[:2]] == [PaymentState.NOT_PAID, PaymentState.PAID]
    assert [one[late] for one in told[:4]] == [PaymentState.UNKNOWN] * 3 + [PaymentState.PAID]


@pytest.mark.parametrize("written", [None, "", "{}", "[]", "2025-01-01", '{"read": "x", "entries": {}}'])
def test_a_cursor_that_cannot_be_read_is_the_beginning(written: str | None) -> None:
    assert payments.Cursor.parse(written) == payments.Cursor()


def test_only_the_lists_that_are_needed_are_read() -> None:
    assert payments.directions([ENTRY]) == [Direction.SALES]
    assert payments.directions([ENTRY, "purchase/d1", "typed by hand"]) == [Direction.SALES, Direction.PURCHASE]
