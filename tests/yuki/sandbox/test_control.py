"""`/_sandbox`: what the outside of the sandbox tells and takes, and a file that keeps its state."""

import asyncio
import sys
from pathlib import Path
from typing import Any

import pytest
from dagboek_yuki.sandbox import SAMPLE_CREDENTIALS, Rules
from yuki_papers import invoice, sales

from .conftest import Client, Starter
from .test_wsdl import load


async def _control(client: Client, method: str, name: str, body: Any = None, **query: Any) -> tuple[int, Any]:
    url = f"{client.sandbox.origin}/_sandbox/{name}"
    async with client.http.request(method, url, json=body, params=query) as response:
        return response.status, await response.json()


async def test_a_program_knows_that_these_are_no_real_books(client: Client) -> None:
    status, told = await _control(client, "GET", "status")
    assert (status, told["sandbox"]) == (200, "yuki")
    assert told["dossiers"][0]["id"] == client.administration


@pytest.mark.parametrize(
    ("operation", "books"),
    [
        ("Sales.ProcessSalesInvoices", True),
        ("Purchase.ProcessPurchaseInvoices", True),
        ("Accounting.ProcessJournal", True),
        ("Archive.UploadDocumentWithData", True),
        ("Archive.Projects", False),
        ("Contact.UpdateContact", False),
        ("Sales.Authenticate", False),
    ],
)
async def test_the_operations_that_book_are_told_apart(client: Client, operation: str, books: bool) -> None:
    for pattern in client.tell("status")["booking"]:
        client.tell("faults", kind="html_fault", operation=pattern)
    answer = await client.call(operation)
    assert answer.headers["Content-Type"].startswith("text/html") == books


async def test_requests_show_no_keys_sessions_or_bodies(client: Client) -> None:
    await client.call("Sales.Domains")
    await client.send("GET", "/ws/Sales.asmx/Domains", params={"sessionID": client.session})
    _, told = await _control(client, "GET", "requests", last=10)
    assert [row["operation"] for row in told["requests"]] == ["Sales.Authenticate", "Sales.Domains", "Sales.Domains"]
    _, sessions = await _control(client, "GET", "sessions")
    assert (len(sessions), sessions[0]["domain"], sessions[0]["language"]) == (1, "Voorbeeld", "nl")
    for secret in (client.key, client.session):
        assert secret not in str(told) + str(sessions)


async def test_copies_of_an_administration_stand_in_a_domain_or_in_new_ones(client: Client) -> None:
    books = client.sandbox.books
    _, domain = await _control(client, "POST", "domains", {"name": "Chaos", "site": "be"})
    _, made = await _control(client, "POST", "dossiers", {"name": "Chaos", "copies": 3, "domain": "Chaos"})
    found = [books.administration(one) for one in made["ids"]]
    assert [(one.name, one.domain, one.country) for one in found] == [
        (f"Chaos {number}", domain["id"], "BE") for number in (1, 2, 3)
    ]
    _, made = await _control(client, "POST", "dossiers", {"name": "Veel", "copies": 6, "years": [2025, 2027]})
    names = [books.domains[books.administration(one).domain].name for one in made["ids"]]
    assert names == ["Veel 1"] * 4 + ["Veel 2"] * 2
    assert (await client.call("Sales.SetCurrentDomain", domainID=books.domain("Veel 2").id)).status == 200
    _, made = await _control(client, "POST", "dossiers", {"name": "Nieuw", "domain": "Nog niet"})
    assert books.domain("Nog niet").id == books.administration(made["ids"][0]).domain
    _, made = await _control(client, "POST", "dossiers", {"name": "Thuis"})
    assert books.administration(made["ids"][0]).domain == next(iter(books.domains))


@pytest.mark.parametrize(
    ("method", "name", "body"),
    [
        ("POST", "nonsense", {}),
        ("DELETE", "status", {}),
        ("POST", "domains", {"nonsense": 1}),
        ("POST", "domains", {"site": "fr"}),
        ("POST", "domains", {"change": "nowhere", "active": False}),
        ("POST", "dossiers", {"change": "nowhere", "active": False}),
        ("POST", "keys", {"rights": ["Everything"]}),
        ("POST", "keys", {"nonsense": 1}),
        ("POST", "clients", {"client_id": "x"}),
        ("POST", "limits", {"domain": "nowhere", "used": 3}),
        ("POST", "rules", {"nonsense": 1}),
        ("POST", "clock", {"advance_seconds": -1}),
        ("POST", "faults", {"kind": "nonsense"}),
    ],
)
async def test_a_slip_of_the_pen_is_said(client: Client, method: str, name: str, body: dict[str, Any]) -> None:
    status, told = await _control(client, method, name, body)
    assert status in (400, 404)
    assert told["error"]


async def test_a_state_file_brings_all_but_sessions_back(start: Starter, tmp_path: Path) -> None:
    file = tmp_path / "books.jsonl"
    one = await start(state_file=file)
    (domain,) = one.sandbox.books.domains
    made = one.tell("dossiers", name="Twee BV")["ids"][0]
    one.tell("domains", change=domain, calls_a_day=5000)
    key = one.tell("keys", rights=["Sales"])["key"]
    one.tell("clients", client_id="other", client_secret="secret")
    one.tell("clock", advance_seconds=3600)
    one.tell("dossiers", change=made, customer_code="K2")
    with pytest.raises(ValueError, match="no administration"):
        one.tell("dossiers", change="nowhere")
    now = one.sandbox.clock.now()
    await one.sandbox.stop()
    with file.open("ab") as cut:
        cut.write(b'["set_key",null,17')  # killed in the middle of a line

    two = await start(state_file=file)
    assert list(two.sandbox.books.administrations) == list(one.sandbox.books.administrations)
    assert two.sandbox.books.administration(made).customer_code == "K2"
    assert two.sandbox.books.domains[domain].calls_a_day == 5000
    assert two.sandbox.books.keys[key].rights == {"Sales"}
    assert two.sandbox.books.clients["other"] == "secret"
    assert two.sandbox.clock.now() >= now
    two.session = one.session
    assert "not valid" in (await two.call("Sales.Domains")).fault, "sessions end with the server"
    await two.log_in(key)
    assert (await two.call("Sales.Domains")).status == 200
    later = two.tell("dossiers", name="Drie BV")["ids"][0]
    await two.sandbox.stop()

    two = await start(state_file=file)
    assert two.sandbox.books.administration(later).name == "Drie BV", "what came after the cut line is read as well"
    two.tell("reset")
    assert list(two.sandbox.books.administrations) != list(one.sandbox.books.administrations)
    await two.sandbox.stop()
    three = await start(state_file=file)
    assert len(three.sandbox.books.administrations) == 1
    assert key not in three.sandbox.books.keys


_SERVER = """
import asyncio, sys
from dagboek_yuki.sandbox import start_sandbox

async def main():
    sandbox = await start_sandbox(state_file=sys.argv[1])
    print(sandbox.base_url, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


async def _serve(file: Path) -> tuple[asyncio.subprocess.Process, str]:
    command = (sys.executable, "-c", _SERVER, str(file))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert process.stdout
    line = await asyncio.wait_for(process.stdout.readline(), 60)
    return process, line.decode().strip()


async def test_a_sandbox_that_was_killed_comes_back_with_its_books(tmp_path: Path) -> None:
    def work(base_url: str) -> tuple[str | None, str | None]:
        sales_service = load(base_url, "Sales").service
        session = sales_service.Authenticate(accessKey=SAMPLE_CREDENTIALS["access_key"])
        (books,) = sales_service.Administrations(sessionID=session)
        answer = sales_service.ProcessSalesInvoices(
            sessionId=session, administrationId=books.get("ID"), xmlDoc=sales(invoice("F-1"))
        )
        return answer.findtext("{*}TotalSucceeded"), answer.findtext("{*}TotalFailed")

    for expected in (("1", "0"), ("0", "1")):  # the second time the number is taken
        process, base_url = await _serve(tmp_path / "books.jsonl")
        try:
            assert await asyncio.to_thread(work, base_url) == expected
        finally:
            process.kill()
            await process.wait()


async def test_rules_can_be_changed_while_it_runs(start: Starter) -> None:
    client = await start(rules=Rules(day="UTC"))
    assert client.tell("rules")["day"] == "UTC"
    assert client.tell("rules", day="Europe/Brussels")["day"] == "Europe/Brussels"


async def test_an_address_before_it_stands_in_the_wsdl(start: Starter) -> None:
    client = await start(address="https://yuki.example.test")
    answer = await client.send("GET", "/ws/Sales.asmx?WSDL")
    assert 'location="https://yuki.example.test/nl/ws/Sales.asmx"' in answer.text
