"""The plugin against a server that behaves as Octopus: connect, lists, push, settle, pull."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from dagboek_octopus import quotas, tokens
from dagboek_octopus.plugin import OctopusPlugin
from dagboek_octopus.sandbox import Rules
from dagboek_schemas.documents import Direction, Document, Kind, Party, PaymentState
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk.accounting import MappingContext
from dagboek_sdk.attempt import Absent, AttachedFile, Attempt, Booked, Found, Op
from dagboek_sdk.errors import (
    LoginBroken,
    NotProcessed,
    NotReady,
    NumberTaken,
    Refused,
    Throttled,
    ToolError,
    ToolUnavailable,
    Uncertain,
)
from dagboek_sdk.samples import THEIRS, document, line
from octopus_books import COMPONENTS, CONNECTION, Dossier, attempt, context
from period_rules import period_rules

Start = Callable[..., Awaitable[Dossier]]


async def customer(plugin: OctopusPlugin, ready: MappingContext, party: Party = THEIRS) -> Booked:
    return await plugin.push(attempt(plugin.map_party(party, Component.CUSTOMERS, ready), ItemKind.PARTY))


async def ready_to_book(dossier: Dossier) -> tuple[OctopusPlugin, MappingContext, str]:
    """A plugin, its mapping context, and a customer's id."""
    plugin = dossier.plugin()
    ready = context(CONNECTION, await plugin.lists())
    return plugin, ready, (await customer(plugin, ready)).entry_id


async def booking_attempt(
    plugin: OctopusPlugin, ready: MappingContext, party: str, one: Document | None = None, **more: Any
) -> Attempt:
    one = one or document(line("100"))
    booking = plugin.map_document(one, COMPONENTS[one.direction, one.kind], ready)
    assert booking.series
    number = more.pop("series_number", None) or await plugin.last_number(booking.series) + 1
    return attempt(booking, party_entry=party, series_number=number, **more)


async def test_dossiers_of_a_login_and_the_lists_of_one(dossier: Dossier) -> None:
    plugin = dossier.plugin()
    (found,) = await plugin.administrations()
    assert (found.id, found.disabled) == ("1001", False)
    assert await plugin.missing_rights() == ()
    lists = await plugin.lists()
    kinds = {row.code: row.kind for row in lists["journals"]}
    assert (kinds["V1"], kinds["A1"], kinds["V3"]) == ("sales", "purchase", "sales_invoicing")
    assert {"sales", "purchase", "sales_credit_note", "purchase_credit_note"} == {
        row.kind for row in lists["vat_codes"]
    }
    assert [row.name for row in lists["book_years"]] == ["2027", "2026", "2025", "2024"]
    assert all(row.details["accounts_complete"] for row in lists["book_years"])
    accounts = await plugin.ledger_accounts()
    assert {account.code for account in accounts} <= {row.code for row in lists["ledger_accounts"]}
    assert len({account.book_year for account in accounts}) == 1


async def test_a_disabled_dossier_is_listed_and_cannot_be_opened(dossier: Dossier) -> None:
    await dossier.tell("dossiers", change=1001, disabled=True, hide_key=True)
    plugin = dossier.plugin()
    assert [(one.id, one.disabled) for one in await plugin.administrations()] == [("", True)]
    with pytest.raises(LoginBroken) as broken:
        await plugin.lists()
    assert broken.value.issue.code in {"O32", "O33"}


@pytest.mark.parametrize(
    ("changes", "code"),
    [({"password": "wrong"}, "O31"), ({"user": "nobody"}, "O31"), ({"softwareHouseUuid": "other"}, "O34")],
)
async def test_wrong_credentials_ask_for_a_new_connection(dossier: Dossier, changes: dict[str, str], code: str) -> None:
    with pytest.raises(LoginBroken) as broken:
        await dossier.plugin(**changes).administrations()
    assert broken.value.issue.code == code
    assert next(iter(changes.values())) not in f"{broken.value} {broken.value.tool_words}"


async def test_many_processes_share_one_login_and_one_opening(dossier: Dossier) -> None:
    plugins = [dossier.plugin() for _ in range(20)]
    await asyncio.gather(*(plugin.prepare() for plugin in plugins))
    assert await dossier.calls("authenticateUser") == 1
    assert await dossier.calls("connectDossier") == 1


@pytest.mark.parametrize(("left", "openings"), [(10, 2), (20, 1)])
async def test_a_token_is_used_until_its_last_seconds(dossier: Dossier, left: int, openings: int) -> None:
    await dossier.plugin().prepare()
    for name, (token, _) in list(dossier.secrets.kept.items()):
        dossier.secrets.kept[name] = token, datetime.now(UTC) + timedelta(seconds=left)
    await dossier.plugin().prepare()
    assert await dossier.calls("connectDossier") == openings


def test_a_day_of_tokens_stays_within_the_openings_of_a_day() -> None:
    (openings,) = (one for one in quotas.limits("https://x", "u", "1001") if one.group == quotas.OPEN_DOSSIER)
    assert timedelta(days=1) / (tokens.LIFETIME - tokens.FRESH) < openings.amount


@pytest.mark.parametrize("operation", ["getDossiers", "connectDossier"])
async def test_a_login_that_died_before_its_time_is_made_again_once(dossier: Dossier, operation: str) -> None:
    async def ask() -> object:
        plugin = dossier.plugin()
        return await (plugin.administrations() if operation == "getDossiers" else plugin.prepare())

    await dossier.tell("faults", kind="token_expired", operation=operation, times=1)
    await ask()
    assert await dossier.calls("authenticateUser") == 2
    dossier.secrets.kept.clear()
    await dossier.tell("faults", kind="token_expired", operation=operation)
    with pytest.raises(LoginBroken) as broken:
        await ask()
    assert broken.value.issue.code == "O35"


async def test_a_read_whose_token_died_logs_in_again(dossier: Dossier) -> None:
    plugin = dossier.plugin()
    await plugin.prepare()
    await dossier.tell("faults", kind="token_expired", operation="getBookyears", times=1)
    assert await plugin.lists()


async def test_a_write_whose_token_died_frees_the_link_and_the_next_one_is_booked(dossier: Dossier) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    await dossier.tell("faults", kind="token_expired", operation="insertBuySellBooking", times=1)
    first = await booking_attempt(plugin, ready, party)
    with pytest.raises(NotProcessed):
        await plugin.push(first)
    assert isinstance(first.verdict, NotProcessed)
    assert await plugin.push(await booking_attempt(plugin, ready, party)) == Booked("2/V1/1", "1")


async def test_a_session_that_is_refused_again_and_again_asks_for_a_person(dossier: Dossier) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    await dossier.tell("faults", kind="token_expired", operation="insertBuySellBooking", times=9)
    with pytest.raises(NotProcessed):
        await plugin.push(await booking_attempt(plugin, ready, party, series_number=1))
    last = await booking_attempt(plugin, ready, party, series_number=1)
    with pytest.raises(LoginBroken):
        await plugin.push(last)
    assert isinstance(last.verdict, LoginBroken)


@pytest.mark.parametrize("direction", list(Direction))
@pytest.mark.parametrize("kind", list(Kind))
async def test_each_kind_of_document_reaches_the_books_as_it_was_shown(
    dossier: Dossier, direction: Direction, kind: Kind
) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    one = document(line("100"), line("50", "6", id="2"), kind=kind, direction=direction)
    file = AttachedFile("invoice.pdf", "application/pdf", b"%PDF-1.7")
    made = await booking_attempt(plugin, ready, party, one, attachments=(file,))
    booked = await plugin.push(made)
    (entry,) = await dossier.get("entries", dossier=1001)
    assert booked.entry_id == f"{entry['bookyear']}/{entry['journal']}/{entry['number']}"
    assert booked.number == "1"
    assert Decimal(entry["total"]) == made.booking.gross == (174 if kind is Kind.INVOICE else -174)
    assert (entry["comment"], entry["balanced"]) == ("2025/0001", True)
    assert [(file["name"], file["size"]) for file in entry["attachments"]] == [("invoice.pdf", 8)]
    shown = sorted((row.account, row.debit, row.credit) for row in made.booking.lines)
    assert shown == sorted(
        (str(row["account"]), Decimal(row["debit"]), Decimal(row["credit"])) for row in entry["lines"]
    )


@pytest.mark.parametrize("direction", list(Direction))
async def test_a_credit_note_where_the_lines_must_be_negative_too(start_dossier: Start, direction: Direction) -> None:
    dossier = await start_dossier(rules=Rules(credit_lines="negative"))
    plugin, ready, party = await ready_to_book(dossier)
    credit = document(line("100"), kind=Kind.CREDIT_NOTE, direction=direction)
    with pytest.raises(Refused):
        await plugin.push(await booking_attempt(plugin, ready, party, credit))
    plugin = dossier.plugin(credit_note_style="negative_lines")
    made = await booking_attempt(plugin, ready, party, credit)
    await plugin.push(made)
    (entry,) = await dossier.get("entries", dossier=1001)
    assert (entry["total"], entry["net"], entry["balanced"]) == ("-121.00", "-100.00", True)
    shown = {(row.account, row.debit, row.credit) for row in made.booking.lines}
    assert shown == {(str(row["account"]), Decimal(row["debit"]), Decimal(row["credit"])) for row in entry["lines"]}


async def test_a_party_is_made_once_and_merged_after_that(dossier: Dossier) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    moved = THEIRS.model_copy(update={"email": "new@example.com"})
    booking = plugin.map_party(moved, Component.SUPPLIERS, ready)
    again = await plugin.push(attempt(booking, ItemKind.PARTY, Op.UPDATE, entry_id=party))
    assert again.entry_id == party
    (relation,) = await dossier.get("relations", dossier=1001)
    assert _external(relation) > plugin.settings.external_id_base
    assert (relation["client"], relation["supplier"], relation["email"]) == (True, True, "new@example.com")


async def test_a_party_whose_relation_is_gone_is_not_made_anew(dossier: Dossier) -> None:
    plugin, ready, _ = await ready_to_book(dossier)
    booking = plugin.map_party(THEIRS, Component.CUSTOMERS, ready)
    with pytest.raises(Refused) as refused:
        await plugin.push(attempt(booking, ItemKind.PARTY, Op.UPDATE, entry_id="99"))
    assert [issue.code for issue in refused.value.issues] == ["O14"]
    assert len(await dossier.get("relations", dossier=1001)) == 1


async def test_a_party_written_twice_under_one_number_stays_one(dossier: Dossier) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    (relation,) = await dossier.get("relations", dossier=1001)
    number = _external(relation) - plugin.settings.external_id_base
    booking = plugin.map_party(THEIRS, Component.CUSTOMERS, ready)
    again = await plugin.push(attempt(booking, ItemKind.PARTY, link_no=number))
    assert again.entry_id == party
    assert len(await dossier.get("relations", dossier=1001)) == 1


async def test_another_relation_with_our_number_is_never_overwritten(dossier: Dossier) -> None:
    plugin, ready, _ = await ready_to_book(dossier)
    (relation,) = await dossier.get("relations", dossier=1001)
    number = _external(relation) - plugin.settings.external_id_base
    stranger = plugin.map_party(Party(name="Someone else"), Component.CUSTOMERS, ready)
    with pytest.raises(Refused) as refused:
        await plugin.push(attempt(stranger, ItemKind.PARTY, link_no=number))
    assert [issue.code for issue in refused.value.issues] == ["O30"]
    (relation,) = await dossier.get("relations", dossier=1001)
    assert relation["name"] == THEIRS.name


async def test_a_merge_that_cannot_be_read_back_is_uncertain_and_written_once(dossier: Dossier) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    (relation,) = await dossier.get("relations", dossier=1001)
    number = _external(relation) - plugin.settings.external_id_base
    writes = await dossier.calls("insertUpdateRelation")
    await plugin.match_parties({})  # a fresh directory, so that nothing is read before the write
    await dossier.tell("faults", kind="error_503_before", operation="getRelations", times=1)
    uncertain = attempt(plugin.map_party(THEIRS, Component.CUSTOMERS, ready), ItemKind.PARTY, link_no=number)
    with pytest.raises(Uncertain):
        await plugin.push(uncertain)
    assert await dossier.calls("insertUpdateRelation") == writes + 1
    resolved = await plugin.resolve([uncertain])
    assert resolved == {uncertain.link_id: Found(_candidates(resolved[uncertain.link_id]))}
    assert _candidates(resolved[uncertain.link_id])[0].entry_id == party


def _external(relation: dict[str, Any]) -> int:
    return int(relation["relationIdentificationServiceData"]["externalRelationId"])


def _candidates(resolution: object) -> tuple[Any, ...]:
    assert isinstance(resolution, Found)
    return resolution.candidates


async def test_a_lost_party_is_absent_and_a_written_one_is_found(dossier: Dossier) -> None:
    plugin, ready, _ = await ready_to_book(dossier)
    booking = plugin.map_party(Party(name="Nieuw", vat_number="BE0456789057"), Component.CUSTOMERS, ready)
    lost, kept = attempt(booking, ItemKind.PARTY), attempt(booking, ItemKind.PARTY)
    await dossier.tell("faults", kind="reset_after_commit", operation="insertUpdateRelation", times=1)
    with pytest.raises(Uncertain):
        await plugin.push(kept)
    resolved = await plugin.resolve([lost, kept])
    assert resolved[lost.link_id] == Absent()
    assert _candidates(resolved[kept.link_id])[0].certain


async def test_parties_that_are_there_are_matched_by_number_and_only_perhaps_by_name(dossier: Dossier) -> None:
    for name in ("By hand NV", "Unrelated"):
        await dossier.tell(
            "book_by_hand", dossier=1001, journal="V1", date="2025-01-10", amount="121.00", vat_code="21",
            account=700021, name=name,
        )  # fmt: skip
    plugin, _, party = await ready_to_book(dossier)
    parties = {
        "number": Party(name="Other name", vat_number="BE 0999 999 922"),
        "name": Party(name="by  hand nv"),
        "none": Party(name="By hand"),
    }
    matched = await plugin.match_parties(parties)
    assert [(one.entry_id, one.certain) for one in matched["number"]] == [(party, True)]
    assert [(one.name, one.certain) for one in matched["name"]] == [("By hand NV", False)]
    assert matched["none"] == []


async def test_parties_are_searched_for_when_all_relations_were_read_too_often(dossier: Dossier) -> None:
    await dossier.tell("book_by_hand", dossier=1001, journal="V1", date="2025-01-10", name="By hand NV")
    plugin, _, party = await ready_to_book(dossier)
    await dossier.tell("faults", kind="rate_limited", operation="getModifiedRelations")
    parties = {"number": Party(name="Other", vat_number="BE0999999922"), "name": Party(name="by hand nv")}
    matched = await plugin.match_parties(parties)
    assert [(one.entry_id, one.certain) for one in matched["number"]] == [(party, True)]
    assert [(one.name, one.certain) for one in matched["name"]] == [("By hand NV", False)]


async def test_a_number_that_is_taken_tells_the_last_one(dossier: Dossier) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    for _ in range(3):
        await plugin.push(await booking_attempt(plugin, ready, party))
    for offered in (2, 3, 5):
        taken = await booking_attempt(plugin, ready, party, series_number=offered)
        with pytest.raises(NumberTaken) as error:
            await plugin.push(taken)
        assert error.value.last in (3, None)
        assert isinstance(taken.verdict, NumberTaken)
    assert await plugin.last_number("2:V1") == 3


async def test_the_last_number_comes_from_the_list_where_the_journal_cannot_be_asked(dossier: Dossier) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    await plugin.push(await booking_attempt(plugin, ready, party))
    await dossier.tell("faults", kind="rate_limited", path="/dossiers/*/bookyears/*/journals/V/*", times=1)
    assert await plugin.last_number("2:V1") == 1
    with pytest.raises(Refused):
        await plugin.last_number("2:V9")


@pytest.mark.parametrize("fault", ["reset_after_commit", "error_503_after", "wrong_body"])
async def test_what_was_booked_without_an_answer_is_found_and_not_booked_again(dossier: Dossier, fault: str) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    await dossier.tell("faults", kind=fault, operation="insertBuySellBooking", times=1, body="<html>gone</html>")
    lost = await booking_attempt(plugin, ready, party)
    with pytest.raises(Uncertain):
        await plugin.push(lost)
    (found,) = _candidates((await plugin.resolve([lost]))[lost.link_id])
    booking = lost.booking
    assert (found.reference, found.gross, found.day) == (booking.reference, booking.gross, booking.day)
    assert (found.party_id, found.journal, found.currency) == (party, booking.journal, "EUR")
    assert found.entry_id == "2/V1/1"


@pytest.mark.parametrize("fault", ["reset", "error_503_before", "maintenance_page"])
async def test_what_was_never_booked_is_absent_and_goes_again_under_its_number(dossier: Dossier, fault: str) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    await dossier.tell("faults", kind=fault, operation="insertBuySellBooking", times=1)
    lost = await booking_attempt(plugin, ready, party)
    with pytest.raises(Uncertain):
        await plugin.push(lost)
    assert (await plugin.resolve([lost]))[lost.link_id] == Absent()
    again = await booking_attempt(plugin, ready, party, series_number=lost.series_number)
    assert (await plugin.push(again)).number == "1"


async def test_many_uncertain_bookings_are_looked_up_in_one_list(dossier: Dossier) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    attempts = [await booking_attempt(plugin, ready, party, series_number=number) for number in range(1, 7)]
    for one in attempts[:4]:
        await plugin.push(one)
    resolved = await plugin.resolve(attempts)
    assert [isinstance(resolved[one.link_id], Found) for one in attempts] == [True] * 4 + [False] * 2
    assert await dossier.calls("getBuySellBooking") == 0


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ({"kind": "refuse", "code": -12, "status": 403}, ToolUnavailable, None),
        ({"kind": "refuse", "code": -51, "status": 400}, Throttled, None),
        ({"kind": "rate_limited", "seconds": 3}, Throttled, None),
        ({"kind": "refuse", "code": -15, "status": 400}, Refused, "O01"),
        ({"kind": "refuse", "code": -16, "status": 400}, Refused, "O14"),
        ({"kind": "refuse", "code": -22, "status": 400}, Refused, "O20"),
        ({"kind": "refuse", "code": -99, "status": 400}, Refused, "O90"),
    ],
)
async def test_what_the_tool_says_decides_what_happens_next(
    dossier: Dossier, fault: dict[str, Any], error: type[ToolError], code: str | None
) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    await dossier.tell("faults", operation="insertBuySellBooking", times=1, **fault)
    refused = await booking_attempt(plugin, ready, party)
    with pytest.raises(error) as raised:
        await plugin.push(refused)
    assert isinstance(refused.verdict, error)
    if code:
        assert isinstance(raised.value, Refused)
        assert [issue.code for issue in raised.value.issues] == [code]
        assert raised.value.issues[0].facts["journal"] == "V1"
        assert raised.value.issues[0].facts["book_year"] == "2025"
    else:
        assert getattr(raised.value, "until", None)
    assert await dossier.get("entries", dossier=1001) == []


async def test_a_changed_document_updates_its_entry_and_says_what_was_reset(dossier: Dossier) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    entry = await plugin.push(await booking_attempt(plugin, ready, party))
    changed = document(line("200"), due_date=date(2025, 4, 1))
    booking = plugin.map_document(changed, Component.SALES_INVOICES, ready)
    update = attempt(booking, op=Op.UPDATE, party_entry=party, entry_id=entry.entry_id)
    booked = await plugin.push(update)
    assert (booked.entry_id, [issue.code for issue in booked.remarks]) == (entry.entry_id, ["O09"])
    (found,) = await dossier.get("entries", dossier=1001)
    assert (found["total"], found["number"]) == ("242.00", 1)
    assert plugin.operation_group(update) != plugin.operation_group(await booking_attempt(plugin, ready, party))


async def test_an_uncertain_update_is_settled_by_what_the_entry_says(dossier: Dossier) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    entry = await plugin.push(await booking_attempt(plugin, ready, party))
    booking = plugin.map_document(document(line("200")), Component.SALES_INVOICES, ready)
    update = attempt(booking, op=Op.UPDATE, party_entry=party, entry_id=entry.entry_id)
    assert (await plugin.resolve([update]))[update.link_id] == Absent()
    await dossier.tell("faults", kind="reset_after_commit", operation="updateBuySellBooking", times=1)
    with pytest.raises(Uncertain):
        await plugin.push(update)
    assert isinstance((await plugin.resolve([update]))[update.link_id], Found)


async def test_an_update_that_is_refused_names_the_closed_period_and_one_that_moves_is_not_sent(
    dossier: Dossier,
) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    entry = await plugin.push(await booking_attempt(plugin, ready, party))
    booking = plugin.map_document(document(line("200")), Component.SALES_INVOICES, ready)
    await dossier.tell("journals", dossier=1001, journal="V1", protected_period=202504)
    update = attempt(booking, op=Op.UPDATE, party_entry=party, entry_id=entry.entry_id)
    with pytest.raises(Refused) as refused:
        await plugin.push(update)
    assert [issue.code for issue in refused.value.issues] == ["O08"]
    moved = plugin.map_document(document(line("1"), issue_date=date(2026, 2, 1)), Component.SALES_INVOICES, ready)
    with pytest.raises(Refused) as refused:
        await plugin.push(attempt(moved, op=Op.UPDATE, party_entry=party, entry_id=entry.entry_id))
    assert [issue.code for issue in refused.value.issues] == ["O36"]
    assert (await dossier.get("entries", dossier=1001))[0]["total"] == "121.00"


async def test_what_is_there_already_is_told_for_the_first_run(dossier: Dossier) -> None:
    await dossier.tell(
        "book_by_hand", dossier=1001, journal="V1", date="2025-02-03", amount="-121.00", vat_code="21",
        account=700021, name="By hand NV", comment="2025/0001", reference="REF",
    )  # fmt: skip
    plugin = dossier.plugin()
    (found,) = await plugin.entries()
    assert (found.gross, found.day, found.reference) == (Decimal("-121.0"), date(2025, 2, 3), "2025/0001")
    assert found.texts == ("2025/0001", "REF")
    assert found.entry_id == "2/V1/1"


async def test_payments_full_partial_and_undone(dossier: Dossier) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    ids = []
    for direction in (Direction.SALES, Direction.SALES, Direction.SALES, Direction.PURCHASE):
        one = await booking_attempt(plugin, ready, party, document(line("100"), direction=direction))
        ids.append((await plugin.push(one)).entry_id)
    pay = {"dossier": 1001, "bookyear": 2, "journal": "V1"}
    await dossier.tell("pay", **pay, number=1, amount="121.00")
    await dossier.tell("pay", **pay, number=2, amount="21.00")
    statuses, cursor = await plugin.payment_statuses(ids, None)
    states = {one.entry_id: (one.state, one.open_amount) for one in statuses}
    assert states == {
        ids[0]: (PaymentState.PAID, Decimal(0)),
        ids[1]: (PaymentState.PARTIALLY_PAID, Decimal(100)),
        ids[2]: (PaymentState.NOT_PAID, Decimal(121)),
        ids[3]: (PaymentState.NOT_PAID, Decimal(121)),
    }
    await dossier.tell("unpay", **pay, number=1)
    statuses, _ = await plugin.payment_statuses(ids[1:], cursor)
    assert {one.entry_id: one.state for one in statuses}[ids[0]] is PaymentState.NOT_PAID


async def test_a_payment_that_was_undone_is_told_also_when_nobody_asks_for_that_year_or_side(dossier: Dossier) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    ids = []
    for direction, day in ((Direction.PURCHASE, date(2024, 3, 1)), (Direction.SALES, date(2025, 2, 3))):
        one = document(line("100"), direction=direction, issue_date=day)
        ids.append((await plugin.push(await booking_attempt(plugin, ready, party, one))).entry_id)
    bought = {"dossier": 1001, "bookyear": 1, "journal": "A1", "number": 1}
    await dossier.tell("pay", **bought)
    statuses, cursor = await plugin.payment_statuses(ids, None)
    assert {one.entry_id: one.state for one in statuses}[ids[0]] is PaymentState.PAID
    await dossier.tell("unpay", **bought)
    statuses, _ = await plugin.payment_statuses(ids[1:], cursor)
    assert {one.entry_id: one.state for one in statuses} == dict.fromkeys(ids, PaymentState.NOT_PAID)


async def test_an_empty_report_at_the_turn_of_the_year_is_not_taken_for_all_paid(dossier: Dossier) -> None:
    plugin, ready, party = await ready_to_book(dossier)
    ids = [(await plugin.push(await booking_attempt(plugin, ready, party))).entry_id for _ in range(3)]
    await dossier.tell("pay", dossier=1001, bookyear=2, journal="V1", number=1, amount="21.00")
    await dossier.tell("pay", dossier=1001, bookyear=2, journal="V1", number=2, amount="121.00")
    await dossier.tell("faults", kind="refuse", code=-34, status=404, operation="getReportOpenClient")
    statuses, _ = await plugin.payment_statuses(ids, None)
    assert [(one.entry_id, one.state) for one in statuses] == [(ids[1], PaymentState.PAID)]


async def test_open_items_that_are_not_carried_over_yet_stay_open(dossier: Dossier) -> None:
    """The trap itself: a report of the new year alone is empty, so the years of the entries are asked for."""
    plugin, ready, party = await ready_to_book(dossier)
    ids = []
    for day in (date(2025, 12, 30), date(2026, 1, 2)):
        one = await booking_attempt(plugin, ready, party, document(line("100"), issue_date=day))
        ids.append((await plugin.push(one)).entry_id)
    await dossier.tell("dossiers", change=1001, open_items_carried=False)
    statuses, _ = await plugin.payment_statuses(ids, None)
    assert {one.entry_id: one.state for one in statuses} == dict.fromkeys(ids, PaymentState.NOT_PAID)


async def test_a_dossier_of_many_open_years_can_be_set_up_within_a_days_calls(start_dossier: Start) -> None:
    dossier = await start_dossier(limits=True, years=(2005, 2027))
    lists = await dossier.plugin(lift_limits=False).lists()
    read = [row.name for row in lists["book_years"] if row.details["journals_read"]]
    assert read == [str(year) for year in range(2027, 2019, -1)]
    assert await dossier.calls("getJournals") == len(read)


async def test_accounts_that_were_read_twice_today_are_information(start_dossier: Start) -> None:
    dossier = await start_dossier(limits=True)
    plugin = dossier.plugin(lift_limits=False)
    lists = await plugin.lists()
    assert {row.details["accounts_complete"] for row in lists["book_years"]} == {True, False}
    assert await plugin.ledger_accounts()
    with pytest.raises(NotReady) as information:
        await plugin.ledger_accounts()
    assert information.value.issue.code == "O37"


async def test_limits_are_those_of_the_dossier_and_can_be_lifted(dossier: Dossier) -> None:
    settings = dossier.plugin(lift_limits=False).settings
    limits = {limit.group: limit for limit in OctopusPlugin.limits(settings, "1001", "")}
    assert limits["bookings.create"].amount == 400
    assert limits["bookings.update"].amount == 10
    assert limits["accounts"].amount == 2
    assert len({limit.key for limit in limits.values()}) == 2
    assert OctopusPlugin.limits(dossier.plugin().settings, "1001", "") == ()


async def test_a_period_is_read_by_the_rules(dossier: Dossier) -> None:
    async def plugin() -> OctopusPlugin:
        return dossier.plugin()

    await period_rules(
        plugin,
        lambda day: dossier.tell("book_by_hand", dossier=1001, journal="V1", date=day, amount="121.00"),
        lambda: dossier.get("entries", dossier=1001),
        partial(requests_of, dossier),
    )


async def requests_of(dossier: Dossier) -> int:
    return int((await dossier.get("requests"))["total"])
