"""`/_sandbox`: looking into the books, setting them up, and a file that keeps them."""

from pathlib import Path
from typing import Any

import pytest
from dagboek_exact.sandbox import SAMPLE_CREDENTIALS, Rules

from .conftest import Client, Starter


async def _control(client: Client, method: str, name: str, body: Any = None, **query: Any) -> tuple[int, Any]:
    url = f"{client.sandbox.origin}/_sandbox/{name}"
    async with client.session.request(method, url, json=body, params=query) as response:
        return response.status, await response.json()


async def test_a_program_knows_that_these_are_no_real_books(client: Client) -> None:
    status, told = await _control(client, "GET", "status")
    assert (status, told["sandbox"], told["booking"]) == (200, "exact", "*Entries.post")
    assert told["dossiers"][0]["id"] == SAMPLE_CREDENTIALS["division"]


async def test_entries_have_the_shape_that_audits_want(client: Client) -> None:
    await client.sale(await client.relation())
    _, (entry,) = await _control(client, "GET", "entries", dossier=client.division)
    assert (entry["dossier"], entry["comment"], entry["total"]) == (client.division, "2026/001", "121.00")
    assert entry["vat"] == [
        {"code": "V21", "percentage": "21.00", "base": "100.00", "vat": "21.00", "reverse_vat": "0.00"}
    ]
    _, ledger = await _control(client, "GET", "ledger", dossier=client.division)
    assert (ledger["difference"], ledger["balanced"]) == ("0.00", True)
    _, calls = await _control(client, "GET", "requests", operation="*Entries.post")
    assert [call["operation"] for call in calls["requests"]] == ["SalesEntries.post"]


async def test_copies_of_a_division_are_books_of_their_own(client: Client) -> None:
    _, made = await _control(client, "POST", "dossiers", {"name": "Chaos", "years": [2025, 2027], "copies": 3})
    assert len(made["ids"]) == 3
    client.division = made["ids"][1]
    assert (await client.sale(await client.relation())).d["EntryNumber"] == 26_700_001
    assert [len(client.sandbox.books.entries(one)) for one in made["ids"]] == [0, 1, 0]


async def test_a_person_types_entries_and_undoes_them(client: Client) -> None:
    body = {"dossier": client.division, "journal": "70", "amount": "50", "comment": "H1", "date": "2026-05-05"}
    _, sale = await _control(client, "POST", "book_by_hand", body)
    _, purchase = await _control(client, "POST", "book_by_hand", {"dossier": client.division, "journal": "60"})
    entries = client.sandbox.books.entries(client.division)
    assert [(entry["journal"], entry["origin"]) for entry in entries] == [("70", "hand"), ("60", "hand")]
    assert {entry["relation"]["name"] for entry in entries} == {"Met de hand"}
    assert (await client.sale(await client.relation())).d["EntryNumber"] == sale["number"] + 1
    undo = {"dossier": client.division, "journal": "60", "number": purchase["number"]}
    assert (await _control(client, "POST", "delete_by_hand", undo))[0] == 200
    assert (await _control(client, "POST", "delete_by_hand", undo))[0] == 400


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("nonsense", {}),
        ("dossiers", {"nonsense": 1}),
        ("logins", {"user": "x", "nonsense": 1}),
        ("rights", {"user": "nobody", "resource": "crm/Accounts"}),
        ("rights", {"user": "voorbeeld", "resource": "crm/Nonsense"}),
        ("rules", {"nonsense": 1}),
        ("browser", {"answer": "nonsense"}),
        ("clock", {"advance_seconds": -1}),
        ("pay", {"dossier": 3_100_001, "journal": "70", "number": 1}),
        ("journals", {"dossier": 1, "journal": "70"}),
    ],
)
async def test_a_slip_of_the_pen_is_said(client: Client, name: str, body: dict[str, Any]) -> None:
    status, told = await _control(client, "POST", name, body)
    assert status in (400, 404)
    assert told["error"]


async def test_lists_are_set_up_and_rows_removed(client: Client) -> None:
    dossier = {"dossier": client.division}
    for name, body in (
        ("journals", {"journal": "72", "name": "Webwinkel", "type": 20, "account": "400000"}),
        ("accounts", {"code": "700900", "name": "Webwinkel", "type": 110, "vat": "V09"}),
        ("vat_codes", {"code": "V09", "name": "Verkopen 9%", "percentage": 9, "side": "S"}),
        ("conditions", {"code": "45", "name": "45 dagen", "days": 45}),
        ("cost_centres", {"code": "WEB", "name": "Webwinkel"}),
        ("cost_centres", {"code": "W1", "name": "Webwinkel", "unit": True}),
        ("bookyears", {"add": 2030}),
    ):
        assert (await _control(client, "POST", name, dossier | body))[0] == 200, name
    line = await client.line("700900", CostCenter="WEB", CostUnit="W1")
    made = await client.sale(
        await client.relation(), Journal="72", PaymentCondition="45", EntryDate="2030-01-01", SalesEntryLines=[line]
    )
    assert (made.status, made.d["EntryNumber"], made.d["VATAmountFC"]) == (201, 30_720_001, 9.0)
    assert (await _control(client, "POST", "vat_codes", dossier | {"code": "V09", "remove": True}))[0] == 200
    assert (await client.sale(await client.relation("x"), SalesEntryLines=[line])).status == 500
    await _control(client, "POST", "journals", dossier | {"journal": "72", "next_number": 77, "year": 2026})
    numbered = await client.sale(await client.relation("y"), Journal="72")
    assert numbered.d["EntryNumber"] == 26_720_077


async def test_a_state_file_brings_books_and_tokens_back(start: Starter, tmp_path: Path) -> None:
    file = tmp_path / "books.jsonl"
    one = await start(state_file=file, limits=False)
    customer = await one.relation()
    sale, purchase = (await one.sale(customer)).d, (await one.purchase(customer)).d
    await one.call("PUT", f"salesentry/SalesEntries(guid'{sale['EntryID']}')", {"YourRef": "2026/002"})
    assert (await one.sale(customer, Journal="99")).status == 500, "what was refused is not there"
    one.tell("pay", dossier=one.division, journal="60", number=purchase["EntryNumber"], amount="21")
    one.tell("clock", advance_seconds=571)
    assert (await one.refresh()).status == 200
    tokens, before = dict(one.tokens), one.sandbox.books.entries()
    await one.sandbox.stop()
    two = await start(state_file=file, limits=False)
    assert two.sandbox.books.entries() == before
    two.tokens = tokens
    headers = {"Authorization": f"Bearer {tokens['access_token']}", "Accept": "application/json"}
    assert (await two.send("GET", "/api/v1/current/Me", headers=headers)).status == 200
    await two.log_in()
    assert (await two.sale(customer)).d["EntryNumber"] == sale["EntryNumber"] + 1
    assert two.tell("reset") == {}
    assert two.sandbox.books.entries() == []


async def test_a_chain_outlives_a_restart(start: Starter, tmp_path: Path) -> None:
    file = tmp_path / "books.jsonl"
    one = await start(state_file=file, limits=False)
    tokens, answer = dict(one.tokens), one.tell("clock", advance_seconds=571)
    assert answer["now"]
    await one.relation()
    await one.sandbox.stop()
    two = await start(state_file=file, limits=False, users=[{"name": "voorbeeld"}, {"name": "ander"}])
    two.tell("logins", user="ander")
    assert len(two.tell("chains")) == 2, "the one from before, and the one of this start"
    refused = await two.refresh(tokens["refresh_token"])
    assert refused.status == 400, "its user consented again"


async def test_rules_that_were_changed_hold_for_what_is_done_again(start: Starter, tmp_path: Path) -> None:
    file = tmp_path / "books.jsonl"
    one = await start(state_file=file, limits=False)
    one.tell("rules", wished_number="refuse")
    sale = await one.sale(await one.relation(), EntryNumber=26_700_005)
    assert sale.status == 201
    await one.sandbox.stop()
    two = await start(state_file=file, limits=False)
    assert two.tell("rules")["wished_number"] == "refuse"
    assert [entry["number"] for entry in two.sandbox.books.entries()] == [26_700_005]


async def test_a_line_that_was_being_written_did_not_happen(start: Starter, tmp_path: Path) -> None:
    file = tmp_path / "books.jsonl"
    one = await start(state_file=file, limits=False)
    await one.relation()
    await one.sandbox.stop()
    file.write_bytes(file.read_bytes()[:-3])
    two = await start(state_file=file, limits=False)
    assert len(two.tell("relations", dossier=two.division)) == 1


async def test_rules_are_shown_and_changed(start: Starter) -> None:
    client = await start(rules=Rules(reuse="once"))
    assert client.tell("rules")["reuse"] == "once"
    _, told = await _control(client, "POST", "rules", {"iso_dates": ["*"]})
    assert told["iso_dates"] == ["*"]
    assert (await client.rows("financial/FinancialPeriods", top=1))[0]["StartDate"].endswith("T00:00:00")
