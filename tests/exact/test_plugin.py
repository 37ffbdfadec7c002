"""The plugin against a server that behaves as Exact Online: connect, lists, match, push, attach, settle, pull."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from dagboek_exact.plugin import ExactPlugin
from dagboek_exact.settings import ByName
from dagboek_schemas.documents import Address, Direction, Document, Kind, Party, PaymentState
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock
from dagboek_sdk.accounting import Attaching, MappingContext
from dagboek_sdk.attempt import Absent, AttachedFile, Attempt, Booked, Found, Op
from dagboek_sdk.errors import (
    AccessDenied,
    AlreadyThere,
    LoginBroken,
    NotProcessed,
    Refused,
    Throttled,
    ToolError,
    ToolUnavailable,
    Uncertain,
)
from dagboek_sdk.samples import THEIRS, document, line
from exact_books import BOOKS, COMPONENTS, Division, attempt, context
from period_rules import period_rules

Start = Callable[..., Awaitable[Division]]

META = Path(__file__).parents[3] / "shared" / "reference" / "exact" / "meta-data.json"


async def relation(
    plugin: ExactPlugin,
    ready: MappingContext,
    party: Party = THEIRS,
    role: Component = Component.CUSTOMERS,
    **more: Any,
) -> Booked:
    made = attempt(plugin.map_party(party, role, ready), ItemKind.PARTY, component=role, **more)
    return await plugin.push(made)


async def ready_to_book(division: Division) -> tuple[ExactPlugin, MappingContext, str]:
    """A plugin, its mapping context, and a customer's id."""
    plugin = await division.plugin()
    ready = context(BOOKS, await plugin.lists())
    return plugin, ready, (await relation(plugin, ready)).entry_id


def entry_attempt(
    plugin: ExactPlugin, ready: MappingContext, party: str, one: Document | None = None, **more: Any
) -> Attempt:
    one = one or document(line("100"))
    component = COMPONENTS[one.direction, one.kind]
    return attempt(plugin.map_document(one, component, ready), party_entry=party, component=component, **more)


async def entries(division: Division) -> list[dict[str, Any]]:
    found = await division.get("entries", dossier=int(division.code))
    assert isinstance(found, list)
    return found


async def relations(division: Division) -> dict[str, dict[str, Any]]:
    return {row["Code"].strip(): row for row in await division.get("relations", dossier=int(division.code))}


# connect


async def test_divisions_and_the_user_of_a_login(start_division: Start) -> None:
    dossiers = [
        {"id": 100, "name": "Een BV"},
        {"id": 200, "name": "Twee BV", "country": "NL"},
        {"id": 300, "name": "Oud BV"},
    ]
    division = await start_division(dossiers=dossiers)
    await division.tell("dossiers", change=300, status=2)
    plugin = await division.plugin()
    assert (await plugin.identity()).name == "Vera Voorbeeld"
    found = {one.id: one for one in await plugin.administrations()}
    assert not found["100"].disabled
    assert "300" not in found or found["300"].disabled
    assert found["200"].country == "NL"


async def test_one_login_books_in_several_divisions(start_division: Start) -> None:
    division = await start_division(dossiers=[{"id": 100, "name": "Een"}, {"id": 200, "name": "Twee"}])
    for code in ("100", "200"):
        plugin = await division.plugin(code)
        ready = context(BOOKS, await plugin.lists())
        party = (await relation(plugin, ready)).entry_id
        await plugin.push(entry_attempt(plugin, ready, party))
    found = await division.get("entries")
    assert [(row["dossier"], row["total"]) for row in found] == [(100, "121.00"), (200, "121.00")]
    assert await division.calls("token") == 1


async def test_a_division_without_licence_ends_the_run_and_one_that_is_busy_is_waited_for(division: Division) -> None:
    plugin = await division.plugin()
    await division.tell("dossiers", change=int(division.code), blocking=1)
    with pytest.raises(ToolUnavailable) as busy:
        await plugin.lists()
    assert busy.value.issue is not None
    assert busy.value.issue.code == "X65"
    await division.tell("dossiers", change=int(division.code), blocking=0, licensed=False)
    with pytest.raises(LoginBroken) as broken:
        await plugin.lists()
    assert broken.value.issue.code == "X62"


async def test_a_division_that_the_user_may_not_see_ends_the_run(division: Division) -> None:
    plugin = await division.plugin()
    await division.tell("logins", user="voorbeeld", divisions=[])
    with pytest.raises((LoginBroken, AccessDenied)):
        await plugin.lists()


async def test_rights_that_are_missing_are_named_and_the_rest_goes_on(division: Division) -> None:
    plugin = await division.plugin()
    for resource in ("hrm/Costcenters", "hrm/Costunits", "general/Currencies", "read/financial/JournalStatusList"):
        await division.tell("rights", user="voorbeeld", resource=resource, allowed=False)
    found = await plugin.lists()
    assert found["cost_centres"] == found["currencies"] == ()
    assert found["journals"]
    assert await plugin.missing_rights() == ()
    await division.tell("rights", user="voorbeeld", resource="documents/Documents", allowed=False)
    (missing,) = await plugin.missing_rights()
    assert (missing.code, missing.facts["scope"]) == ("X60", "documents/Documents")


async def test_lists_that_nothing_goes_without_say_which_right_is_missing(division: Division) -> None:
    plugin = await division.plugin()
    await division.tell("rights", user="voorbeeld", resource="financial/Journals", allowed=False)
    with pytest.raises(AccessDenied) as denied:
        await plugin.lists()
    assert (denied.value.issue.code, denied.value.scope) == ("X09", "financial/Journals")


# lists


async def test_closed_periods_and_deleted_journals_are_said_before_anything_is_sent(division: Division) -> None:
    plugin, ready, party = await ready_to_book(division)
    code = int(division.code)
    await division.tell("bookyears", dossier=code, year=2025, period=2, journal="70", closed=True)
    await division.tell("journals", dossier=code, journal="71", remove=True)
    ready = context(BOOKS, await plugin.lists())
    for one, issue in ((document(line("1")), "X21"), (document(line("1"), kind=Kind.CREDIT_NOTE), "X30")):
        with pytest.raises(Refused) as refused:
            entry_attempt(plugin, ready, party, one)
        assert [found.code for found in refused.value.issues] == [issue]


async def test_what_was_closed_since_the_lists_were_read_is_refused_by_exact(division: Division) -> None:
    plugin, ready, party = await ready_to_book(division)
    code = int(division.code)
    await division.tell("bookyears", dossier=code, year=2025, period=2, journal="70", closed=True)
    with pytest.raises(Refused) as refused:
        await plugin.push(entry_attempt(plugin, ready, party))
    (issue,) = refused.value.issues
    assert issue.code == "X21"
    assert issue.facts["journal"] == "70"
    assert issue.tool_words


async def test_a_list_that_takes_more_than_a_minutes_calls_is_gone_on_with(division: Division) -> None:
    plugin = await division.plugin()
    for number in range(130):
        await division.tell("accounts", dossier=int(division.code), code=f"6{number:05}", name="x")

    class Spent:
        """Lets two calls through, then none."""

        calls = 0

        async def take(self, group: str, *, settling: bool = False) -> None:
            self.calls += 1
            if self.calls == 3:
                raise Throttled(None)

        async def correct(self, *_: Any) -> None:
            return

        async def failed(self, *_: Any) -> None:
            return

    plugin.client.permits = Spent()
    before = await division.calls("GLAccounts.get")
    with pytest.raises(Throttled):
        await plugin.ledger_accounts()
    again = await division.plugin()  # the run waited, and has a new object
    codes = [one.code for one in await again.ledger_accounts()]
    assert len(codes) == len(set(codes)) > 130
    assert await division.calls("GLAccounts.get") - before == 3


# relations


async def test_a_new_customer_bears_a_padded_code_of_ours(division: Division) -> None:
    plugin, ready, _ = await ready_to_book(division)
    made = attempt(plugin.map_party(THEIRS, Component.CUSTOMERS, ready), ItemKind.PARTY, link_no=77)
    booked = await plugin.push(made)
    assert booked.number == "1000000077"
    row = (await relations(division))["1000000077"]
    assert (row["ID"], row["Status"], row["Name"]) == (booked.entry_id, "C", THEIRS.name)


async def test_a_repeat_finds_its_own_relation_and_makes_no_second_one(division: Division) -> None:
    plugin, ready, _ = await ready_to_book(division)
    made = attempt(plugin.map_party(THEIRS, Component.CUSTOMERS, ready), ItemKind.PARTY, link_no=77)
    booked = await plugin.push(made)
    again = replace(made, sent=False, verdict=None, answer_ok=False, repeat=True).start(clock.boot_time())
    with pytest.raises(AlreadyThere):
        await plugin.push(again)
    assert isinstance(again.verdict, AlreadyThere)
    found = (await plugin.resolve([again]))[again.link_id]
    assert isinstance(found, Found)
    (candidate,) = found.candidates
    assert (candidate.entry_id, candidate.certain) == (booked.entry_id, True)


async def test_a_code_that_another_relation_bears_is_not_taken_for_ours(division: Division) -> None:
    plugin, ready, _ = await ready_to_book(division)
    await division.tell("relation", dossier=int(division.code), Code="1000000099", Name="Iemand anders", Status="C")
    made = attempt(plugin.map_party(THEIRS, Component.CUSTOMERS, ready), ItemKind.PARTY, link_no=99)
    with pytest.raises(Refused) as refused:
        await plugin.push(made)
    assert [(issue.code, issue.facts["name"]) for issue in refused.value.issues] == [("X51", THEIRS.name)]
    assert made.verdict is refused.value
    found = (await plugin.resolve([made]))[made.link_id]
    assert isinstance(found, Found)
    assert [one.certain for one in found.candidates] == [False]


async def test_an_update_sends_no_code_and_adds_the_missing_role(division: Division) -> None:
    plugin, ready, _ = await ready_to_book(division)
    code = int(division.code)
    prospect = await division.tell("relation", dossier=code, Name="Prospect NV", Status="P", City="Gent")
    party = Party(name="Prospect NV", address=Address(country="BE"))
    booked = await relation(plugin, ready, party, entry_id=prospect["id"], op=Op.UPDATE)
    row = (await relations(division))[prospect["code"]]
    assert (booked.entry_id, row["Status"], row["City"]) == (prospect["id"], "C", "Gent")
    await relation(plugin, ready, party, Component.SUPPLIERS, entry_id=prospect["id"], op=Op.UPDATE)
    row = (await relations(division))[prospect["code"]]
    assert (row["Status"], row["IsSupplier"]) == ("C", "True")


async def test_a_relation_that_is_gone_says_how_to_go_on(division: Division) -> None:
    plugin, ready, _ = await ready_to_book(division)
    gone = "11111111-2222-3333-4444-555555555555"
    with pytest.raises(ToolError) as refused:
        await relation(plugin, ready, entry_id=gone, op=Op.UPDATE)
    assert isinstance(refused.value, Refused)
    assert [issue.code for issue in refused.value.issues] == ["X10"]
    assert refused.value.issues[0].facts["name"] == THEIRS.name


NUMBERED = Party(name="Klant", vat_number="BE0999999922", address=Address(country="BE"))


@pytest.mark.parametrize(
    ("row", "party", "certain"),
    [
        ({"VATNumber": "BE0999999922"}, NUMBERED, [True]),
        ({"VATNumber": "BE0999.999.922"}, NUMBERED, [True]),
        ({"ChamberOfCommerce": "0999999922"}, NUMBERED, [True]),
        ({"ChamberOfCommerce": "0999.999.922", "Country": "BE"}, NUMBERED, [True]),
        ({"ChamberOfCommerce": "12345678", "Country": "NL"},
         Party(name="N", company_number="12345678", address=Address(country="NL")), [True]),
        ({"ChamberOfCommerce": "12345678", "Country": "DE"},
         Party(name="N", company_number="12345678", address=Address(country="NL")), []),
        ({"VATNumber": "BE0410000192"}, NUMBERED, []),
        ({}, Party(name="Bestaat al"), [False]),
        ({"VATNumber": "BE0410000192"}, Party(name="Bestaat al", vat_number="BE0999999922"), []),
    ],
)  # fmt: skip
async def test_relations_are_matched_by_number_and_by_name_as_a_question(
    division: Division, row: dict[str, str], party: Party, certain: list[bool]
) -> None:
    plugin = await division.plugin()
    await division.tell("relation", dossier=int(division.code), **{"Name": "Bestaat al", "Status": "C", **row})
    found = await plugin.match_parties({"p": party})
    assert [one.certain for one in found["p"]] == certain


async def test_the_external_id_comes_first_and_roles_are_told(division: Division) -> None:
    plugin = await division.plugin()
    code = int(division.code)
    one = await division.tell("relation", dossier=code, Name="Een", Status="P", VATNumber="BE0999999922")
    other = await division.tell("relation", dossier=code, Name="Ander", IsSupplier=True)
    party = NUMBERED.model_copy(update={"source_id": "{" + other["id"].upper() + "}"})
    (found,) = (await plugin.match_parties({"p": party}))["p"]
    assert (found.entry_id, found.certain, found.roles) == (other["id"], True, frozenset((Component.SUPPLIERS,)))
    (found,) = (await plugin.match_parties({"p": NUMBERED}))["p"]
    assert (found.entry_id, found.roles) == (one["id"], frozenset())


async def test_several_with_one_number_are_asked_about_unless_one_has_the_name(division: Division) -> None:
    plugin = await division.plugin()
    code = int(division.code)
    for name in ("Een", "Twee"):
        await division.tell("relation", dossier=code, Name=name, Status="C", VATNumber="BE0999999922")
    found = await plugin.match_parties({"p": NUMBERED, "q": NUMBERED.model_copy(update={"name": "twee"})})
    assert [one.certain for one in found["p"]] == [False, False]
    assert [(one.name, one.certain) for one in found["q"]] == [("Twee", True)]


@pytest.mark.parametrize(("by_name", "certain"), [(ByName.ASK, [False]), (ByName.TAKE, [True]), (ByName.NEVER, [])])
async def test_names_alone_count_as_the_connection_has_it(
    division: Division, by_name: ByName, certain: list[bool]
) -> None:
    plugin = await division.plugin(by_name=by_name)
    await division.tell("relation", dossier=int(division.code), Name="O'Neill & Zn", Status="C")
    found = await plugin.match_parties({"p": Party(name="o'neill  & zn")})
    assert [one.certain for one in found["p"]] == certain or (by_name is not ByName.NEVER and found["p"] == [])
    exactly = await plugin.match_parties({"p": Party(name="O'Neill & Zn")})
    assert [one.certain for one in exactly["p"]] == certain


async def test_many_parties_are_looked_up_in_few_calls(division: Division) -> None:
    plugin = await division.plugin()
    parties = {str(number): Party(name=f"Klant {number}", vat_number=f"BE0{number:09}") for number in range(100)}
    before = await division.calls("Accounts.get")
    assert len(await plugin.match_parties(parties)) == 100
    assert await division.calls("Accounts.get") - before < 40


# entries


async def test_an_entry_stands_with_its_number_and_amounts(division: Division) -> None:
    plugin, ready, party = await ready_to_book(division)
    one = document(line("100"), line("50", "6", id="2"), due_date=date(2025, 2, 17))
    booked = await plugin.push(entry_attempt(plugin, ready, party, one))
    (entry,) = await entries(division)
    assert booked.entry_id == f"sales/{entry['id']}"
    assert booked.number == str(entry["number"])
    assert (entry["total"], entry["vat_total"], entry["comment"]) == ("174.00", "24.00", "2025/0001")
    assert (entry["expiry"], entry["payment_condition"], entry["balanced"]) == ("2025-02-17", "14", True)
    assert entry["relation"]["id"] == party
    assert booked.details["Journal"] == "70"


async def test_a_credit_note_is_one_in_exact(division: Division) -> None:
    plugin, ready, party = await ready_to_book(division)
    await plugin.push(entry_attempt(plugin, ready, party, document(line("100"), kind=Kind.CREDIT_NOTE)))
    (entry,) = await entries(division)
    assert (entry["type"], entry["journal"], entry["total"], entry["warnings"]) == (21, "71", "-121.00", [])


async def test_a_relation_that_is_only_a_prospect_is_refused_with_the_remedy(division: Division) -> None:
    plugin, ready, _ = await ready_to_book(division)
    prospect = await division.tell("relation", dossier=int(division.code), Name="P", Status="P")
    with pytest.raises(Refused) as refused:
        await plugin.push(entry_attempt(plugin, ready, prospect["id"]))
    assert [issue.code for issue in refused.value.issues] == ["X23"]


@pytest.mark.parametrize("language", ["nl", "en", "fr", "de"])
async def test_refusals_mean_the_same_in_whatever_language(division: Division, language: str) -> None:
    plugin, ready, party = await ready_to_book(division)
    code = int(division.code)
    await division.tell("logins", user="voorbeeld", language=language)
    await division.tell("accounts", dossier=code, code="700021", blocked=True)
    with pytest.raises(Refused) as refused:
        await plugin.push(entry_attempt(plugin, ready, party))
    assert [issue.code for issue in refused.value.issues] == ["X26"]
    assert "700021" in refused.value.issues[0].facts["account"]


async def test_a_purchase_that_is_there_is_known_by_exacts_own_check(division: Division) -> None:
    plugin, ready, _ = await ready_to_book(division)
    supplier = (await relation(plugin, ready, role=Component.SUPPLIERS)).entry_id
    one = document(line("100"), direction=Direction.PURCHASE)
    booked = await plugin.push(entry_attempt(plugin, ready, supplier, one))
    second = entry_attempt(plugin, ready, supplier, one)
    with pytest.raises(AlreadyThere):
        await plugin.push(second)
    found = (await plugin.resolve([second]))[second.link_id]
    assert isinstance(found, Found)
    assert [candidate.entry_id for candidate in found.candidates] == [booked.entry_id]


async def test_a_sale_that_may_have_been_sent_before_is_looked_for_first(division: Division) -> None:
    plugin, ready, party = await ready_to_book(division)
    booked = await plugin.push(entry_attempt(plugin, ready, party))
    second = entry_attempt(plugin, ready, party, number=2)
    with pytest.raises(AlreadyThere):
        await plugin.push(second)
    assert not second.sent
    found = (await plugin.resolve([second]))[second.link_id]
    assert isinstance(found, Found)
    assert [candidate.entry_id for candidate in found.candidates] == [booked.entry_id]
    assert len(await entries(division)) == 1


@pytest.mark.parametrize("direction", Direction)
@pytest.mark.parametrize("kind", Kind)
async def test_what_was_booked_is_found_with_all_that_core_compares(
    division: Division, direction: Direction, kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    plugin, ready, _ = await ready_to_book(division)
    role = Component.CUSTOMERS if direction is Direction.SALES else Component.SUPPLIERS
    party = (await relation(plugin, ready, role=role)).entry_id
    made = entry_attempt(plugin, ready, party, document(line("100"), direction=direction, kind=kind))
    booked = await plugin.push(made)
    absent = entry_attempt(plugin, ready, party, document(line("1"), number="never", direction=direction, kind=kind))
    answers = await plugin.resolve([made, absent])
    assert answers[absent.link_id] == Absent()
    found = answers[made.link_id]
    assert isinstance(found, Found)
    (candidate,) = found.candidates
    booking = made.booking
    assert (candidate.entry_id, candidate.number) == (booked.entry_id, booked.number)
    assert (candidate.reference, candidate.journal, candidate.party_id) == (booking.reference, booking.journal, party)
    assert (candidate.day, candidate.gross, candidate.currency) == (booking.day, booking.gross, booking.currency)
    monkeypatch.setattr(clock, "now", lambda: datetime(2026, 3, 1, tzinfo=UTC))  # the last years are asked for
    assert candidate in await plugin.entries()


@pytest.mark.parametrize(
    ("fault", "raised", "stands"),
    [
        ("timeout_before", Uncertain, False),
        ("timeout_after_commit", Uncertain, True),
        ("error_503_before", Uncertain, False),
        ("error_503_after", Uncertain, True),
        ("reset", Uncertain, False),
        ("reset_after_commit", Uncertain, True),
        ("maintenance_page", Uncertain, False),
        ("redirect", Uncertain, False),
        ("login_page", Uncertain, False),
        ("wrong_body", Uncertain, True),
        ("token_expired", NotProcessed, False),
        ("rate_limited", Throttled, False),
        ("refuse", Refused, False),
    ],
)
async def test_what_came_of_a_write_is_told_and_looked_up(
    division: Division, fault: str, raised: type[Exception], stands: bool
) -> None:
    plugin, ready, party = await ready_to_book(division)
    plugin.client.call_deadline = 5.0
    plugin.client.__post_init__()
    await division.tell("faults", kind=fault, operation="SalesEntries.post", times=1, seconds=20)
    made = entry_attempt(plugin, ready, party)
    with pytest.raises(raised):
        await plugin.push(made)
    if fault == "token_expired":  # else Exact gives no other yet
        await division.tell("clock", advance_seconds=600)
    found = (await plugin.resolve([made]))[made.link_id]
    assert isinstance(found, Found if stands else Absent)
    assert len(await entries(division)) == stands


async def test_a_page_instead_of_a_list_is_trouble_of_the_tool(division: Division) -> None:
    plugin = await division.plugin()
    for fault in ("maintenance_page", "redirect", "login_page", "error_503_before"):
        await division.tell("faults", kind=fault, operation="Journals.get", times=1)
        with pytest.raises(ToolUnavailable):
            await plugin.lists()


# files


def attaching(
    plugin: ExactPlugin, booked: Booked, made: Attempt, *names: str, again: bool = False, content: bytes = b"%PDF"
) -> Attaching:
    async def step() -> Attempt:
        return attempt(made.booking, op=Op.UPDATE, entry_id=booked.entry_id)

    files = tuple(AttachedFile(name, "application/pdf", content) for name in names)
    return Attaching(booked.entry_id, booked.number, made.booking, made.party_entry, files, again, step)


async def documents(division: Division) -> list[tuple[str, list[str]]]:
    rows = await division.get("documents", dossier=int(division.code))
    return [(row["entry"], [file["name"] for file in row["files"]]) for row in rows]


@pytest.mark.parametrize("direction", Direction)
async def test_files_are_in_one_document_that_names_the_entry(division: Division, direction: Direction) -> None:
    plugin, ready, _ = await ready_to_book(division)
    role = Component.CUSTOMERS if direction is Direction.SALES else Component.SUPPLIERS
    party = (await relation(plugin, ready, role=role)).entry_id
    made = entry_attempt(plugin, ready, party, document(line("100"), direction=direction))
    booked = await plugin.push(made)
    await plugin.attach(attaching(plugin, booked, made, "a.pdf", "b.pdf"))
    guid = booked.entry_id.partition("/")[2]
    assert await documents(division) == [(guid, ["a.pdf", "b.pdf"])]
    (entry,) = await entries(division)
    assert [file["name"] if isinstance(file, dict) else file for file in entry["attachments"]] == ["a.pdf", "b.pdf"]


@pytest.mark.parametrize("operation", ["Documents.post", "DocumentAttachments.post"])
@pytest.mark.parametrize("fault", ["reset", "reset_after_commit", "error_503_before", "error_503_after"])
async def test_interrupted_at_any_step_files_are_there_once_in_the_end(
    division: Division, operation: str, fault: str
) -> None:
    plugin, ready, party = await ready_to_book(division)
    made = entry_attempt(plugin, ready, party)
    booked = await plugin.push(made)
    await division.tell("faults", kind=fault, operation=operation, times=1)
    with pytest.raises(Uncertain):
        await plugin.attach(attaching(plugin, booked, made, "a.pdf", "b.pdf"))
    await plugin.attach(attaching(plugin, booked, made, "a.pdf", "b.pdf", again=True))
    guid = booked.entry_id.partition("/")[2]
    assert await documents(division) == [(guid, ["a.pdf", "b.pdf"])]
    await plugin.attach(attaching(plugin, booked, made, "a.pdf", "b.pdf", again=True))
    assert await documents(division) == [(guid, ["a.pdf", "b.pdf"])]


async def test_files_of_one_name_stay_two(division: Division) -> None:
    plugin, ready, party = await ready_to_book(division)
    made = entry_attempt(plugin, ready, party)
    booked = await plugin.push(made)
    for again in (False, True):
        await plugin.attach(attaching(plugin, booked, made, "a.pdf", "a.pdf", again=again))
    ((_, names),) = await documents(division)
    assert names == ["a.pdf", "a (2).pdf"]


async def test_a_file_that_is_too_large_is_named_and_the_others_are_attached(division: Division) -> None:
    plugin, ready, party = await ready_to_book(division)
    made = entry_attempt(plugin, ready, party)
    booked = await plugin.push(made)
    given = attaching(plugin, booked, made, "a.pdf")
    large = AttachedFile("large.pdf", "application/pdf", bytes(10 * 1024 * 1024 + 1))
    with pytest.raises(Refused) as refused:
        await plugin.attach(replace(given, files=(large, *given.files)))
    assert [(issue.code, issue.facts["file"]) for issue in refused.value.issues] == [("X50", "large.pdf")]
    ((_, names),) = await documents(division)
    assert names == ["a.pdf"]


# payments


@pytest.mark.parametrize("direction", Direction)
async def test_payment_statuses_follow_what_is_paid(division: Division, direction: Direction) -> None:
    plugin, ready, _ = await ready_to_book(division)
    code = int(division.code)
    role = Component.CUSTOMERS if direction is Direction.SALES else Component.SUPPLIERS
    party = (await relation(plugin, ready, role=role)).entry_id
    booked = await plugin.push(entry_attempt(plugin, ready, party, document(line("100"), direction=direction)))
    key = {"journal": "70" if direction is Direction.SALES else "60", "number": int(booked.number or 0)}

    async def state(cursor: str | None) -> tuple[list[tuple[PaymentState, Decimal | None]], str | None]:
        found, after = await plugin.payment_statuses([booked.entry_id], cursor)
        assert {one.entry_id for one in found} <= {booked.entry_id}
        return [(one.state, one.open_amount) for one in found], after

    found, cursor = await state(None)
    assert found == [(PaymentState.NOT_PAID, Decimal("121.00"))]
    assert (await state(cursor))[0] == []
    await division.tell("pay", dossier=code, amount="21.00", **key)
    found, cursor = await state(cursor)
    assert found == [(PaymentState.PARTIALLY_PAID, Decimal("100.00"))]
    await division.tell("pay", dossier=code, **key)
    found, cursor = await state(cursor)
    assert found == [(PaymentState.PAID, Decimal(0))]
    await division.tell("unpay", dossier=code, **key)
    found, cursor = await state(cursor)
    assert found == [(PaymentState.NOT_PAID, Decimal("121.00"))]
    # what became ours after its terms had changed is looked at within a week
    assert cursor is not None
    version = cursor.partition(" ")[0]
    assert (await state(f"{version} {clock.now().date()}"))[0] == []
    assert (await state(f"{version} {clock.now().date() - timedelta(days=7)}"))[0] == found


# what the reference has


@pytest.mark.skipif(not META.is_file(), reason="no folder shared/reference beside the checkout")
async def test_every_request_uses_only_what_exacts_reference_has(
    division: Division, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Resources, methods and fields; nothing hidden or read-only is written."""
    asked: list[tuple[str, str, Any]] = []
    plugin, ready, _ = await ready_to_book(division)
    exchange = plugin.client._exchange

    async def noted(method: str, url: str, request: dict[str, Any]) -> Any:
        asked.append((method, url, request))
        return await exchange(method, url, request)

    monkeypatch.setattr(plugin.client, "_exchange", noted)
    await everything(plugin, ready)
    known = {one["uri"]: one for one in json.loads(META.read_text("utf-8")).values()}
    checked = {check(known, division.code, *one) for one in asked if "/api/v1/" in one[1]}
    assert {"salesentry/SalesEntries", "purchaseentry/PurchaseEntries", "documents/DocumentAttachments"} <= checked
    assert {"crm/Accounts", "cashflow/Receivables", "sync/Cashflow/PaymentTerms", "current/Me"} <= checked


async def everything(plugin: ExactPlugin, ready: MappingContext) -> None:
    """All that the plugin can ask for and write."""
    await plugin.identity()
    await plugin.administrations()
    await plugin.missing_rights()
    await plugin.lists()
    await plugin.ledger_accounts()
    full = THEIRS.model_copy(update={"phone": "09 123", "company_number": "0999999922", "email": "a@b.example"})
    full = full.model_copy(update={"address": full.address.model_copy(update={"additional_street": "bus 3"})})
    await plugin.match_parties({"p": full.model_copy(update={"source_id": "11111111-2222-3333-4444-555555555555"})})
    booked_entries = []
    for direction in Direction:
        role = Component.CUSTOMERS if direction is Direction.SALES else Component.SUPPLIERS
        booked = await relation(plugin, ready, full, role)
        await relation(plugin, ready, full, role, entry_id=booked.entry_id, op=Op.UPDATE)
        one = document(
            line("100", cost_centre="ALG", cost_unit="P1"),
            direction=direction,
            currency="USD",
            due_date=date(2025, 2, 17),
            other=full,
        )
        made = entry_attempt(plugin, ready, booked.entry_id, one, number=2)
        entry = await plugin.push(made)
        booked_entries.append(entry.entry_id)
        await plugin.attach(attaching(plugin, entry, made, "a.pdf"))
        await plugin.attach(attaching(plugin, entry, made, "a.pdf", again=True))
        await plugin.resolve([made, attempt(plugin.map_party(full, role, ready), ItemKind.PARTY)])
    await plugin.entries()
    await plugin.payment_statuses(booked_entries, None)


def check(known: dict[str, Any], division: str, method: str, url: str, request: dict[str, Any]) -> str:
    """The resource of a call, after comparing all of it with the reference."""
    path = url.partition("?")[0].partition("/api/v1/")[2].partition("(")[0]
    uri = f"/api/v1/{path}".replace(f"/{division}/", "/{division}/")
    resource = known[uri]
    verb = method.lower()
    assert resource["supportedMethods"][verb], (method, uri)
    fields = {one["name"]: one for one in resource["properties"]}
    parameters = request.get("params") or {}
    for name in (parameters.get("$select") or "").split(","):
        assert not name or name in fields, (uri, name)
    for condition in (parameters.get("$filter") or "").split(" or "):
        assert not condition or condition.split(" ")[0] in fields, (uri, condition)
    written(known, uri, verb, request.get("json") or {})
    return path.replace(f"{division}/", "")


def written(known: dict[str, Any], uri: str, verb: str, body: dict[str, Any]) -> None:
    fields = {one["name"]: one for one in known[uri]["properties"]}
    for name, value in body.items():
        field = fields[name]
        assert field["supportedMethods"][verb], (uri, name)
        assert not field["hidden"], (uri, name)
        if isinstance(value, list):
            lines = uri.rsplit("/", 1)[0] + "/" + name
            for one in value:
                written(known, lines, verb, one)


async def test_many_processes_renew_one_login_once(division: Division) -> None:
    plugins = [await division.plugin() for _ in range(10)]
    await division.tell("clock", advance_seconds=700)
    for plugin in plugins:
        plugin.client.call_deadline = 5.0
    await asyncio.gather(*(plugin.identity() for plugin in plugins))
    assert await division.calls("token") <= 2


async def test_a_period_is_read_by_the_rules(division: Division) -> None:
    await period_rules(
        division.plugin,
        lambda day: division.tell("book_by_hand", dossier=int(division.code), journal="70", date=day, vat_code="V21"),
        lambda: division.get("entries", dossier=division.code),
        partial(requests_of, division),
        more=60,
    )


async def requests_of(division: Division) -> int:
    return int((await division.get("requests"))["total"])


async def test_entries_that_were_moved_are_found_by_their_ids(division: Division) -> None:
    plugin = await division.plugin()
    sale = {"dossier": int(division.code), "journal": "70", "vat_code": "V21"}
    made = [await division.tell("book_by_hand", **sale, date=day) for day in ("2025-02-03", "2026-04-01")]

    found = await plugin.entries_with([f"sales/{one['id']}" for one in made])

    assert sorted(str(one.day) for one in found) == ["2025-02-03", "2026-04-01"]
