"""The whole plugin against the sandbox's books over HTTP."""

from collections.abc import Awaitable, Callable, Sequence
from datetime import date, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from dagboek_schemas.documents import Direction, Document, Kind, Party, Payment, PaymentState
from dagboek_schemas.identity import party_identity
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock
from dagboek_sdk.accounting import Period
from dagboek_sdk.attempt import Absent, Accepted, AttachedFile, Attempt, Booked, Found, Op, Unknown
from dagboek_sdk.errors import AccessDenied, AlreadyThere, NotProcessed, Refused, Throttled, Uncertain
from dagboek_sdk.limits import NoLimits
from dagboek_sdk.samples import THEIRS, document, line
from dagboek_yuki import archive, mapping, parties, soap, ubl
from dagboek_yuki.answers import Told
from dagboek_yuki.plugin import BATCH, YukiPlugin, _outcome
from octopus_books import Memory
from period_rules import period_rules
from yuki_books import BOOKS, COMPONENTS, House, attempt, context

CODE = mapping.contact_code(party_identity(THEIRS))
READY = context(BOOKS)
NIGHT = 12 * 3600


def sale(plugin: YukiPlugin, one: Document, **more: Any) -> Attempt:
    component = COMPONENTS[one.direction, one.kind]
    made = attempt(plugin.map_document(one, component, READY), component=component, **{"party_entry": CODE, **more})
    return made.start(clock.boot_time())


def numbered(plugin: YukiPlugin, numbers: Sequence[str], **more: Any) -> list[Attempt]:
    return [sale(plugin, document(line("100"), number=number, **more)) for number in numbers]


def purchase(plugin: YukiPlugin, number: str = "L-7", **more: Any) -> Attempt:
    return sale(plugin, document(line("100"), number=number, direction=Direction.PURCHASE, **more))


async def books(house: House) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = await house.get("entries", dossier=house.administration)
    return found


async def numbers(house: House) -> list[str]:
    return [one["comment"] for one in await books(house)]


# sales


async def test_an_invoice_is_booked_under_its_own_number(house: House) -> None:
    plugin = await house.plugin()
    booked = await plugin.push(sale(plugin, document(line("100"), line("50", "6", id="2"), number="F-2025/07")))
    assert booked == Booked("sales/2025/F-2025/07", "F-2025/07")
    (entry,) = await books(house)
    assert (entry["total"], entry["vat_total"], entry["currency"]) == ("174.00", "24.00", "EUR")
    accounts = {row["account"]: row["credit"] for row in entry["lines"] if row["credit"] != "0.00"}
    assert (accounts["700021"], accounts["700000"]) == ("100.00", "50.00")


async def test_a_batch_has_an_outcome_for_each_and_goes_on_where_it_stopped(house: House) -> None:
    plugin = await house.plugin()
    named = [f"{number:02}" for number in range(1, BATCH + 1)]
    bad = [named[at - 1] for at in (3, 9, 11, 20, 21, 22, 40)]
    message = "Cannot book this transaction line because the GLAccount is disabled"
    await house.tell("refuse_invoices", dossier=house.administration, references=bad, message=message)
    waiting = numbered(plugin, named)
    outcomes: dict[str, Any] = {}
    calls = 0
    while waiting:
        found = await plugin.push_batch([one.start(clock.boot_time()) for one in waiting])
        calls += 1
        outcomes |= {str(one.booking.reference): found[one.link_id] for one in waiting}
        skipped = {one.booking.reference for one in waiting if isinstance(found[one.link_id], NotProcessed)}
        waiting = numbered(plugin, [name for name in named if name in skipped])

    assert calls == 2
    assert await numbers(house) == [name for name in named if name not in bad]
    assert [name for name, one in outcomes.items() if isinstance(one, Refused)] == bad
    refused = outcomes["03"]
    assert [(one.code, one.facts["account"]) for one in refused.issues] == [("Y03", "700021")]
    assert all(isinstance(one, Booked) for name, one in outcomes.items() if name not in bad)


async def test_one_invoice_whose_message_speaks_of_rights_keeps_no_other_from_going(house: House) -> None:
    plugin = await house.plugin()
    message = "You have no rights to use this web service"
    await house.tell("refuse_invoices", dossier=house.administration, references=["1"], message=message)
    first, second, alone = numbered(plugin, ["1", "2", "1"])
    found = await plugin.push_batch([first, second])
    refused = found[first.link_id]
    assert isinstance(refused, Refused)
    assert [(one.code, one.tool_words) for one in refused.issues] == [("Y90", message)]
    assert isinstance(found[second.link_id], Booked)
    assert isinstance((await plugin.push_batch([alone]))[alone.link_id], AccessDenied)


async def test_a_call_that_is_refused_as_a_whole_says_so_and_nothing_is_booked(house: House) -> None:
    plugin = await house.plugin()
    good, bad = numbered(plugin, ["1", "2"])
    bad.booking.payload["sale"]["Date"] = "soon"
    with pytest.raises(Refused) as error:
        await plugin.push_batch([good, bad])
    assert [issue.code for issue in error.value.issues] == ["Y91"]
    assert await books(house) == []


async def test_a_number_that_is_taken_is_there_already(house: House) -> None:
    plugin = await house.plugin()
    first, second = numbered(plugin, ["7", "7"])
    assert isinstance(await plugin.push(first), Booked)
    with pytest.raises(AlreadyThere):
        await plugin.push(second)
    found = await plugin.resolve([second])
    resolution = found[second.link_id]
    assert isinstance(resolution, Found)
    assert [one.entry_id for one in resolution.candidates] == ["sales/2025/7"]


ODD_WORDS = "Fout 4711"


async def sent_again(house: House, plugin: YukiPlugin, **more: Any) -> Attempt:
    """A sale that stands in the books, as it is sent once more; Yuki tells that in words that nobody knows."""
    await house.tell("rules", duplicate_text=ODD_WORDS)
    await plugin.push(sale(plugin, document(line("100"), number="7", **more)))
    return sale(plugin, document(line("100"), number="7", **more), number=2)


async def test_what_was_sent_before_and_is_refused_in_unknown_words_is_looked_up(house: House) -> None:
    plugin = await house.plugin()
    one = await sent_again(house, plugin)
    await house.tell("refuse_invoices", dossier=house.administration, references=["8", "9"], message=ODD_WORDS)
    other = sale(plugin, document(line("100"), number="8"), number=2)
    (first,) = numbered(plugin, ["9"])
    before = await house.calls("AccountingInfo.*")
    found = await plugin.push_batch([one, other, first])
    assert [type(found[each.link_id]) for each in (one, other, first)] == [AlreadyThere, Refused, Refused]
    assert await house.calls("AccountingInfo.*") == before + 1
    alone = sale(plugin, document(line("100"), number="7"), number=2)
    with pytest.raises(AlreadyThere) as there:
        await plugin.push(alone)
    assert alone.verdict is there.value
    assert there.value.tool_words == ODD_WORDS
    with pytest.raises(Refused):
        await plugin.push(sale(plugin, document(line("100"), number="7"), number=1))


async def test_a_call_that_is_refused_as_a_whole_in_unknown_words_is_looked_up_too(house: House) -> None:
    plugin = await house.plugin()
    one = await sent_again(house, plugin)
    other = sale(plugin, document(line("100"), number="8"), number=2)
    await house.tell("faults", kind="refuse", operation="Sales.*", body=ODD_WORDS, times=2)
    with pytest.raises(AlreadyThere):
        await plugin.push(one)
    with pytest.raises(Refused):
        await plugin.push(other)


async def test_where_it_cannot_be_looked_up_what_was_sent_before_is_not_told_refused(house: House) -> None:
    plugin = await house.plugin()
    one = await sent_again(house, plugin)
    await house.tell("faults", kind="error_503_before", operation="AccountingInfo.*", times=1)
    with pytest.raises(Uncertain) as uncertain:
        await plugin.push(one)
    assert one.verdict is uncertain.value
    blind = await house.plugin(debtors_account="411111")
    with pytest.raises(Uncertain):
        await blind.push(sale(blind, document(line("100"), number="7"), number=2))


async def test_what_may_go_past_the_ledger_is_told_refused_as_it_is_sent_again_by_a_person_alone(house: House) -> None:
    plugin = await house.plugin()
    one = await sent_again(house, plugin, payment=Payment(means_code="48"))
    with pytest.raises(Refused):
        await plugin.push(one)


def test_a_number_is_taken_once_in_a_year_whatever_the_document() -> None:
    one = document(line("1"), number=" F 7 ")
    same = [one, document(line("2"), number="f 7", kind=Kind.CREDIT_NOTE, issue_date=date(2025, 12, 31))]
    other = document(line("1"), number="F 7", issue_date=date(2026, 1, 1))
    assert [YukiPlugin.number_once(each) for each in same] == ["2025/f 7"] * 2
    assert YukiPlugin.number_once(other) == "2026/f 7"
    assert YukiPlugin.number_once(document(line("1"), direction=Direction.PURCHASE)) is None


async def test_two_of_one_number_in_a_batch_keep_their_outcomes_apart(house: House) -> None:
    plugin = await house.plugin()
    first, second = numbered(plugin, ["7", "7"])
    found = await plugin.push_batch([first, second])
    assert isinstance(found[first.link_id], Booked)
    assert isinstance(found[second.link_id], AlreadyThere)


@pytest.mark.parametrize("rule", [{"answer": "text"}, {"answer": "qualified"}, {"draft_reference": "given"}])
async def test_answers_are_read_in_all_their_forms(house: House, rule: dict[str, str]) -> None:
    await house.tell("rules", **rule)
    plugin = await house.plugin()
    found = await plugin.push_batch(numbered(plugin, ["1", "2"]))
    assert [type(one) for one in found.values()] == [Booked, Booked]


@pytest.mark.parametrize("rule", [{"line_amount": "computed"}, {"line_amount": "equal"}, {"line_vat": "computed"}])
async def test_the_books_are_right_whichever_amounts_yuki_takes(house: House, rule: dict[str, str]) -> None:
    await house.tell("rules", **rule)
    plugin = await house.plugin()
    for kind in Kind:
        await plugin.push(sale(plugin, document(line("33.33"), line("0.01", "6", id="2"), kind=kind, number=kind)))
    assert [entry["total"] for entry in await books(house)] == ["40.34", "-40.34"]


async def test_a_number_that_lost_its_letters_is_known_again_and_told(house: House) -> None:
    await house.tell("rules", letters="strip")
    plugin = await house.plugin()
    one = sale(plugin, document(line("1"), number="F-2025/07"))
    booked = await plugin.push(one)
    assert isinstance(booked, Booked)
    assert (booked.entry_id, booked.number) == ("sales/2025/202507", "202507")
    assert [(issue.code, issue.facts) for issue in booked.remarks] == [
        ("Y45", {"number": "F-2025/07", "kept": "202507"})
    ]
    resolution = (await plugin.resolve([one]))[one.link_id]
    assert isinstance(resolution, Found)
    assert [candidate.entry_id for candidate in resolution.candidates] == ["sales/2025/202507"]


async def test_a_number_that_is_refused_for_its_letters_says_so_in_yukis_words(house: House) -> None:
    await house.tell("rules", letters="refuse")
    plugin = await house.plugin()
    with pytest.raises(Refused) as error:
        await plugin.push(sale(plugin, document(line("1"), number="F-7")))
    assert error.value.tool_words


async def test_an_invoice_whose_contact_has_no_code_is_refused_before_it_is_sent(house: House) -> None:
    plugin = await house.plugin()
    one = sale(plugin, document(line("1")), party_entry="id:c1")
    with pytest.raises(Refused) as error:
        await plugin.push(one)
    assert [issue.code for issue in error.value.issues] == ["Y44"]
    assert not one.sent


async def test_two_customers_of_one_name_are_two_contacts(house: House) -> None:
    plugin = await house.plugin()
    other = Party(name=THEIRS.name, vat_number="BE0123456749", address=THEIRS.address)
    code = mapping.contact_code(party_identity(other))
    await plugin.push_batch(
        [
            sale(plugin, document(line("1"), number="1")),
            sale(plugin, document(line("1"), number="2", other=other), party_entry=code),
        ]
    )
    found = await house.get("relations", dossier=house.administration)
    assert {one["code"]: one["name"] for one in found} == {
        CODE: THEIRS.name,
        code: f"{THEIRS.name} (BE0123456749)",
    }


async def contacts_of(house: House) -> dict[str, str]:
    """Names by code."""
    found = await house.get("relations", dossier=house.administration)
    return {one["code"]: one["name"] for one in found}


def another_process() -> None:
    """What follows is done by a process that has read nothing yet."""
    parties._contacts.clear()


NAMESAKE = Party(name=THEIRS.name, vat_number="BE0123456749", address=THEIRS.address)


async def test_a_customer_of_the_same_name_is_told_apart_by_a_process_that_was_started_since(house: House) -> None:
    """Yuki takes the other one's contact by its name, where it does not know the code."""
    await house.tell("rules", unknown_code="name")
    plugin, code = await house.plugin(), mapping.contact_code(party_identity(NAMESAKE))
    await plugin.push(sale(plugin, document(line("1"), number="1")))
    another_process()
    one = sale(plugin, document(line("1"), number="2", other=NAMESAKE), party_entry=code)
    await plugin.prepare_for([one])
    assert isinstance(await plugin.push(one), Booked)
    assert await contacts_of(house) == {CODE: THEIRS.name, code: f"{THEIRS.name} (BE0123456749)"}


async def test_a_changed_address_goes_to_no_other_customer_of_the_same_name(house: House) -> None:
    """Its own contact is made by its first invoice, which is still to come."""
    await house.tell("rules", unknown_code="name")
    plugin, code = await house.plugin(), mapping.contact_code(party_identity(NAMESAKE))
    await plugin.push(sale(plugin, document(line("1"), number="1")))
    another_process()
    booking = plugin.map_party(NAMESAKE, Component.CUSTOMERS, READY)
    one = attempt(booking, ItemKind.PARTY, Op.UPDATE, entry_id=code, identity=party_identity(NAMESAKE))
    await plugin.prepare_for([one])
    assert await plugin.push(one) == Booked(code, code)
    assert await contacts_of(house) == {CODE: THEIRS.name}, "it was changed into the other one"


async def test_contacts_are_read_before_names_are_sent_and_only_when_they_may_have_changed(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin, now = await house.plugin(), [1000.0]
    monkeypatch.setattr(parties, "monotonic", lambda: now[0])
    one, upload = sale(plugin, document(line("1"), number="1")), purchase(plugin)
    new = attempt(plugin.map_party(THEIRS, Component.CUSTOMERS, READY), ItemKind.PARTY)

    async def read(*attempts: Attempt, after: float = 0.0) -> bool:
        before, now[0] = await house.calls("Contact.*"), now[0] + after
        await plugin.prepare_for(attempts)
        return await house.calls("Contact.*") > before

    assert not await read(upload)
    assert not await read(new)
    assert await read(one)
    assert not await read(one, after=parties.FRESH - 1), "as often as new parties are matched"
    await plugin.push(one)
    assert await read(one, after=2), "another may have made a contact of the same name"
    assert not await read(one, after=parties.KEPT - parties.FRESH - 2), "Yuki knows the code and looks at no name"
    assert await read(one, after=2), "what was deleted shows in the whole list alone"


async def test_calls_of_the_day_that_are_used_up_by_then_are_told_before_anything_is_sent(
    start_house: Callable[..., Awaitable[House]],
) -> None:
    house = await start_house(limits=True)
    plugin = await house.plugin()
    await plugin.prepare()
    await house.tell("limits", domain=house.domain, used=1000)
    one = sale(plugin, document(line("1")))
    with pytest.raises(Throttled):
        await plugin.prepare_for([one])
    assert not one.sent


async def test_a_pdf_goes_along_and_what_has_no_place_is_told(house: House) -> None:
    plugin = await house.plugin()
    pdf = AttachedFile("invoice.pdf", "application/pdf", b"%PDF-1.7")
    large = AttachedFile("large.pdf", "application/pdf", b"x" * (archive.LARGEST * 3 // 4 + 3))
    sheet = AttachedFile("hours.csv", "text/csv", b"1;2")
    booked = await plugin.push(sale(plugin, document(line("1")), attachments=(large, sheet, pdf)))
    assert isinstance(booked, Booked)
    assert [(one.code, one.facts["file"]) for one in booked.remarks] == [("Y42", "large.pdf"), ("Y42", "hours.csv")]
    (kept,) = await house.get("documents", dossier=house.administration)
    assert [file["name"] for file in kept["files"]] == ["invoice.pdf"]


# settling


@pytest.mark.parametrize(("fault", "there"), [("timeout_after_commit", True), ("error_503_before", False)])
async def test_a_sale_of_unknown_outcome_is_found_by_one_call_or_proven_absent(
    house: House, fault: str, there: bool
) -> None:
    plugin = await house.plugin(call_deadline=5.0)
    await plugin.push(sale(plugin, document(line("1"), number="before", issue_date=date(2025, 3, 1))))
    await house.tell("faults", kind=fault, operation="Sales.ProcessSalesInvoices", times=1)
    sent = numbered(plugin, ["1", "2", "3"]) + numbered(plugin, ["4"], issue_date=date(2025, 6, 30))
    with pytest.raises(Uncertain):
        await plugin.push_batch(sent)
    before = await house.calls("AccountingInfo.*")
    found = await plugin.resolve(sent)
    assert await house.calls("AccountingInfo.*") == before + 1
    for one in sent:
        resolution = found[one.link_id]
        if there:
            assert isinstance(resolution, Found)
            (candidate,) = resolution.candidates
            assert (candidate.entry_id, candidate.gross, candidate.party_id, candidate.day) == (
                f"sales/2025/{one.booking.reference}",
                one.booking.gross,
                CODE,
                one.booking.day,
            )
        else:
            assert resolution == Absent()


async def test_of_a_batch_that_broke_off_each_is_known_by_one_call(house: House) -> None:
    plugin = await house.plugin()
    await house.tell("faults", kind="half_batch", operation="Sales.ProcessSalesInvoices", times=1)
    sent = numbered(plugin, ["1", "2", "3", "4"])
    with pytest.raises(Uncertain):
        await plugin.push_batch(sent)
    found = await plugin.resolve(sent)
    assert [type(found[one.link_id]) for one in sent] == [Found, Found, Absent, Absent]
    assert await numbers(house) == ["1", "2"]


async def test_an_invoice_that_is_paid_is_found_all_the_same(house: House) -> None:
    plugin = await house.plugin()
    one = sale(plugin, document(line("100"), number="1"))
    await plugin.push(one)
    await house.tell("pay", dossier=house.administration, number="1")
    assert isinstance((await plugin.resolve([one]))[one.link_id], Found)


async def test_books_without_a_row_prove_absence_only_with_the_right_account(house: House) -> None:
    plugin, blind = await house.plugin(), await house.plugin(debtors_account="411111")
    one = sale(plugin, document(line("100"), number="1"))
    assert await plugin.resolve([one]) == {one.link_id: Absent()}
    assert isinstance((await blind.resolve([one]))[one.link_id], Unknown)


async def test_what_is_paid_by_card_is_a_persons_business_as_it_goes_past_the_debtors(house: House) -> None:
    plugin = await house.plugin()
    one = sale(plugin, document(line("100"), number="1", payment=Payment(means_code="48")))
    await plugin.push(one)
    assert isinstance((await plugin.resolve([one]))[one.link_id], Unknown)


async def test_another_currency_is_compared_in_its_own_amount(house: House) -> None:
    plugin = await house.plugin()
    one = sale(plugin, document(line("100"), number="1", currency="USD"))
    await plugin.push(one)
    resolution = (await plugin.resolve([one]))[one.link_id]
    assert isinstance(resolution, Found)
    assert [(row.gross, row.currency) for row in resolution.candidates] == [(Decimal("121.00"), "USD")]


# purchases


async def test_a_purchase_is_accepted_and_booked_when_somebody_has_looked_at_it(house: House) -> None:
    plugin = await house.plugin()
    first, second = purchase(plugin, "L-7"), purchase(plugin, "L-8", kind=Kind.CREDIT_NOTE)
    tokens = []
    for one in (first, second):
        accepted = await plugin.push(one)
        assert isinstance(accepted, Accepted)
        tokens.append(accepted.token)
    assert await plugin.poll(tokens) == {}
    await house.tell("clock", advance_seconds=NIGHT)
    before = await house.calls("AccountingInfo.*")
    found = await plugin.poll(tokens)
    assert await house.calls("AccountingInfo.*") == before + 1
    entries = await books(house)
    assert [one["total"] for one in entries] == ["121.00", "-121.00"]
    assert [(found[token].entry_id, found[token].number) for token in tokens] == [  # type: ignore[union-attr]
        (f"purchase/{one['id']}", one["comment"]) for one in entries
    ]


async def test_files_of_a_purchase_are_in_what_is_uploaded(house: House) -> None:
    plugin = await house.plugin()
    pdf = AttachedFile("invoice.pdf", "application/pdf", b"%PDF-1.7")
    one = purchase(plugin)
    large = AttachedFile("large.pdf", "application/pdf", b"x" * (archive.LARGEST * 9 // 16))
    one.attachments = (large, pdf)
    accepted = await plugin.push(one)
    assert isinstance(accepted, Accepted)
    assert [(issue.code, issue.facts["file"]) for issue in accepted.remarks] == [("Y42", "large.pdf")]
    (kept,) = await house.get("documents", dossier=house.administration)
    (file,) = kept["files"]
    assert file["name"] == archive.file_name("L-7", archive.mark(house.administration, one))
    assert file["size"] == len(ubl.with_files(one.booking.payload["upload"]["document"], [pdf]))


async def test_uploads_of_a_batch_go_one_by_one_until_one_is_of_unknown_outcome(house: House) -> None:
    plugin = await house.plugin(call_deadline=5.0)
    await house.tell("faults", kind="timeout_after_commit", operation="Archive.Upload*", times=1, after=2)
    sent = [purchase(plugin, number) for number in ("1", "2", "3", "4")]
    found = await plugin.push_batch(sent)
    assert [type(found.get(one.link_id)) for one in sent] == [Accepted, Accepted, type(None), type(None)]
    assert [one.sent for one in sent] == [True, True, True, False]


async def test_an_upload_that_is_too_late_takes_no_call_of_the_day(house: House) -> None:
    plugin = await house.plugin()
    taken: list[str] = []

    class Counting(NoLimits):
        async def take(self, group: str, *, settling: bool = False) -> None:
            taken.append(group)

    first, second, late = (purchase(plugin, number) for number in ("1", "2", "3"))
    late.send_until = 0
    plugin.link.permits = Counting()
    found = await plugin.push_batch([first, second, late])
    assert found.keys() == {first.link_id, second.link_id}
    assert taken == ["calls"]
    assert not late.sent


@pytest.mark.parametrize("told", ["Document stored", "00000000-0000-0000-0000-000000000000"])
async def test_an_upload_that_is_answered_without_an_id_is_found_by_its_mark(house: House, told: str) -> None:
    plugin = await house.plugin()
    name = "UploadDocumentWithData"
    inner = f"<{name}Response xmlns='{soap.YUKI}'><{name}Result>{told}</{name}Result></{name}Response>"
    body = f"<s:Envelope xmlns:s='{soap.SOAP}'><s:Body>{inner}</s:Body></s:Envelope>"
    await house.tell("faults", kind="wrong_body", operation="Archive.Upload*", body=body, times=1)
    one = purchase(plugin, "L-7")
    with pytest.raises(Uncertain, match="names no document"):
        await plugin.push(one)
    (kept,) = await house.get("documents", dossier=house.administration)
    resolution = (await plugin.resolve([one]))[one.link_id]
    assert isinstance(resolution, Accepted)
    assert resolution.token.endswith(kept["id"])


@pytest.mark.parametrize(("fault", "there"), [("timeout_after_commit", True), ("error_503_before", False)])
async def test_an_upload_of_unknown_outcome_is_looked_for_in_the_archive(house: House, fault: str, there: bool) -> None:
    plugin = await house.plugin(call_deadline=5.0)
    await plugin.push(purchase(plugin, "L-6"))
    one, other = purchase(plugin, "L-7"), purchase(plugin, "L-7")
    await house.tell("faults", kind=fault, operation="Archive.Upload*", times=1)
    with pytest.raises(Uncertain):
        await plugin.push(one)
    found = await plugin.resolve([one, other])
    assert found[other.link_id] == Absent()
    if not there:
        assert found[one.link_id] == Absent()
        return
    resolution = found[one.link_id]
    assert isinstance(resolution, Accepted)
    await house.tell("clock", advance_seconds=NIGHT)
    assert isinstance((await plugin.poll([resolution.token]))[resolution.token], Booked)


async def test_an_archive_is_looked_through_as_far_back_as_the_upload_may_be(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin = await house.plugin()
    monkeypatch.setattr(archive, "PAGE", 3)
    lost = purchase(plugin, "L-1")
    uploads = [purchase(plugin, f"L-{number}") for number in range(2, 8)]
    for one in (lost, *uploads):
        await plugin.push(one)
    assert isinstance((await plugin.resolve([lost]))[lost.link_id], Accepted)

    absent = purchase(plugin, "L-9")
    monkeypatch.setattr(archive, "PAGES", 2)
    assert isinstance((await plugin.resolve([absent]))[absent.link_id], Unknown)
    absent.begun = clock.now()
    assert isinstance((await plugin.resolve([absent]))[absent.link_id], Unknown)
    absent.begun = clock.now() + timedelta(days=9)
    assert (await plugin.resolve([absent]))[absent.link_id] == Absent()


async def test_a_draft_is_not_taken_for_what_had_its_number_in_another_year(house: House) -> None:
    plugin = await house.plugin()
    await plugin.push(sale(plugin, document(line("100"), number="7", issue_date=date(2024, 5, 1))))
    drafts = [str(archive.Token(upload=False, day=date(year, 5, 1), key="7")) for year in (2024, 2025)]
    assert list(await plugin.poll(drafts)) == drafts[:1]


async def test_a_purchase_that_yuki_keeps_back_is_not_taken_for_a_sale_of_its_number(house: House) -> None:
    """A supplier may number as we do, and drafts are asked for by number among our sales."""
    plugin = await house.plugin(purchases="process")
    kept = Told(reference="7", succeeded=True, processed=False, message="")
    sold = sale(plugin, document(line("100"), number="7"))
    assert isinstance(_outcome(sold, kept, ()), Accepted)
    assert _outcome(purchase(plugin, "7"), kept, ()) is None, "settling looks for it among purchases"


async def test_a_look_up_reaches_beyond_the_days_of_what_was_sent(house: House) -> None:
    """A bookkeeper may have moved it: that it is not there under its own day proves nothing."""
    plugin = await house.plugin()
    await plugin.push(sale(plugin, document(line("100"), number="7", issue_date=date(2025, 5, 9))))
    moved = sale(plugin, document(line("100"), number="7", issue_date=date(2025, 5, 1)))
    assert isinstance((await plugin.resolve([moved]))[moved.link_id], Found)


async def test_purchases_with_one_number_are_told_apart_by_supplier_and_amount(house: House) -> None:
    plugin = await house.plugin(purchases="process")
    one = purchase(plugin, "L-7")
    other = sale(plugin, document(line("50"), number="L-7", direction=Direction.PURCHASE))
    found = await plugin.push_batch([one, other])
    entries = {entry["total"]: entry["id"] for entry in await books(house)}
    assert found[one.link_id] == Booked(f"purchase/{entries['121.00']}", "L-7")
    assert found[other.link_id] == Booked(f"purchase/{entries['60.50']}", "L-7")


async def test_a_purchase_that_is_not_there_is_a_persons_business_as_yuki_takes_it_twice(house: House) -> None:
    plugin = await house.plugin(purchases="process")
    one = purchase(plugin, "L-7")
    assert isinstance((await plugin.resolve([one]))[one.link_id], Unknown)


async def test_purchases_that_were_refused_are_so_although_the_ledger_cannot_be_asked(house: House) -> None:
    plugin = await house.plugin(purchases="process")
    good, bad = purchase(plugin, "L-7"), purchase(plugin, "L-8")
    await plugin.prepare()
    await house.tell("refuse_invoices", dossier=house.administration, references=["L-8"])
    await house.tell("faults", kind="error_503_before", operation="AccountingInfo.*", times=1)
    found = await plugin.push_batch([good, bad])
    assert good.link_id not in found
    assert isinstance(found[bad.link_id], Refused)


async def test_a_purchase_may_be_booked_at_once(house: House) -> None:
    plugin = await house.plugin(purchases="process")
    first, second = purchase(plugin, "L-7"), purchase(plugin, "L-8", kind=Kind.CREDIT_NOTE)
    found = await plugin.push_batch([first, second])
    entries = await books(house)
    assert [one["total"] for one in entries] == ["121.00", "-121.00"]
    assert [found[one.link_id] for one in (first, second)] == [
        Booked(f"purchase/{entry['id']}", entry["comment"]) for entry in entries
    ]


# parties


async def test_a_new_party_costs_no_call(house: House) -> None:
    plugin = await house.plugin()
    party = attempt(plugin.map_party(THEIRS, Component.CUSTOMERS, READY), ItemKind.PARTY)
    assert plugin.operation_group(party) is None
    assert await plugin.push(party) == Booked(CODE, CODE)
    assert await house.calls("*") == 0
    assert await plugin.resolve([party]) == {party.link_id: Absent()}


async def test_parties_are_matched_by_lists_that_are_read_once(house: House) -> None:
    for number in range(120):
        await house.tell("relation", dossier=house.administration, name=f"Klant {number}", code=f"K{number}")
    made = await house.tell(
        "relation", dossier=house.administration, name="KZ", VATNumber="BE 0999.999.922", customer=True
    )
    plugin = await house.plugin()
    other = Party(name="Klant 7", address=THEIRS.address)
    parties = {party_identity(one): one for one in (THEIRS, other, OURS_ALONE)}
    found = await plugin.match_parties(parties)
    assert [(one.entry_id, one.certain) for one in found[party_identity(THEIRS)]] == [(f"id:{made['id']}", True)]
    assert [(one.entry_id, one.certain) for one in found[party_identity(other)]] == [("K7", True)]
    assert found[party_identity(OURS_ALONE)] == []
    calls = await house.calls("Contact.*")
    assert calls == 3
    await (await house.plugin()).match_parties(parties)
    assert await house.calls("Contact.*") == calls


async def test_what_one_key_has_read_is_for_no_other_that_may_not(house: House) -> None:
    """The contacts of a domain are of several tenants, where it is their accountant's."""
    parties = {party_identity(THEIRS): THEIRS}
    await (await house.plugin()).match_parties(parties)
    key = "7d3e2f10-1111-4222-8333-444455556666"
    await house.tell("keys", key=key, site="be", rights=["Sales", "Financial"])
    house.secrets = Memory()  # another login
    other = await house.plugin(access_key=key)
    with pytest.raises(AccessDenied):
        await other.match_parties(parties)


OURS_ALONE = Party(name="Niemand", address=THEIRS.address)


async def test_a_contact_without_code_is_given_ours_and_then_takes_invoices(house: House) -> None:
    made = await house.tell("relation", dossier=house.administration, name="KZ", VATNumber="BE0999999922")
    plugin = await house.plugin()
    identity = party_identity(THEIRS)
    (candidate,) = (await plugin.match_parties({identity: THEIRS}))[identity]
    assert candidate.roles is not None
    assert Component.CUSTOMERS not in candidate.roles
    booking = plugin.map_party(THEIRS, Component.CUSTOMERS, READY)
    changed = attempt(booking, ItemKind.PARTY, Op.UPDATE, entry_id=candidate.entry_id)
    assert await plugin.push(changed) == Booked(CODE, CODE)
    await plugin.push(sale(plugin, document(line("1"))))
    found = await house.get("relations", dossier=house.administration)
    assert [(one["id"], one["code"]) for one in found] == [(made["id"], CODE)]


# what is there already, and what is paid


async def test_what_was_typed_by_hand_is_among_the_entries(house: House) -> None:
    plugin = await house.plugin()
    today = clock.now().date().isoformat()
    typed = await house.tell("book_by_hand", dossier=house.administration, number="H1", date=today, amount="100")
    bought = await house.tell(
        "book_by_hand", dossier=house.administration, number="L1", date=today, amount="50", purchase=True
    )
    await house.tell("pay", dossier=house.administration, number="H1")
    found = {one.entry_id: one for one in await plugin.entries()}
    assert found.keys() == {f"sales/{today[:4]}/H1", f"purchase/{bought['id']}"}
    assert found[f"sales/{today[:4]}/H1"].gross == Decimal("121.00")
    assert found[f"purchase/{bought['id']}"].gross == Decimal("60.50")
    assert typed["number"] == "H1"


async def test_payment_statuses_come_of_two_lists_a_day(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    plugin = await house.plugin()
    entries = []
    for number in ("1", "2", "3"):
        booked = await plugin.push(sale(plugin, document(line("100"), number=number)))
        assert isinstance(booked, Booked)
        entries.append(booked.entry_id)
    await house.tell("pay", dossier=house.administration, number="2", amount="21")
    found, cursor = await plugin.payment_statuses(entries, None)
    assert [(one.state, one.open_amount) for one in found] == [
        (PaymentState.NOT_PAID, Decimal("121.00")),
        (PaymentState.PARTIALLY_PAID, Decimal("100.00")),
        (PaymentState.NOT_PAID, Decimal("121.00")),
    ]
    calls = await house.calls("Accounting.*")
    assert await plugin.payment_statuses(entries, cursor) == ((), cursor)
    assert await house.calls("Accounting.*") == calls == 1
    await house.tell("pay", dossier=house.administration, number="3")
    yesterday = str(cursor).replace(clock.now().date().isoformat(), "2025-01-01")
    found, _ = await plugin.payment_statuses(entries, yesterday)
    assert [one.state for one in found] == [PaymentState.NOT_PAID, PaymentState.PARTIALLY_PAID, PaymentState.PAID]


async def test_a_period_is_read_by_the_rules(house: House) -> None:
    await period_rules(
        house.plugin,
        lambda day: house.tell("book_by_hand", dossier=house.administration, date=day),
        lambda: house.get("entries", dossier=house.administration),
        partial(requests_of, house),
    )


async def requests_of(house: House) -> int:
    return int((await house.get("requests"))["total"])


async def test_where_the_account_of_debtors_is_not_known_a_period_cannot_be_read(house: House) -> None:
    """Nothing on an account that there is not proves nothing."""
    plugin = await house.plugin(debtors_account="499999")
    with pytest.raises(Refused) as refused:
        await plugin.entries_of(Period(date(2026, 1, 1), date(2026, 1, 31)), None)
    assert refused.value.issues[0].code == "Y47"
