"""What a person does by hand, many dossiers, the requests list, reset, and books that outlive the process."""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from dagboek_octopus.sandbox import SAMPLE_CREDENTIALS, start_sandbox
from dagboek_sdk.sandbox.faults import KINDS

from .conftest import Client, Starter, booking, relation


async def test_a_person_takes_the_next_number(client: Client) -> None:
    await client.book(booking(1))
    typed = await client.control(
        "POST",
        "book-by-hand",
        {"dossier": 1001, "journal": "V1", "date": "2025-02-01", "amount": "60.50", "name": "Jan"},
    )
    assert typed.json == {"bookyear": 2, "journal": "V1", "number": 2}
    assert (await client.book(booking(2))).code == -13
    assert (await client.book(booking(3))).status == 201
    entry = client.sandbox.books.entries(1001)[1]
    assert (entry["origin"], entry["total"], entry["net"]) == ("hand", Decimal("60.50"), Decimal("50.00"))
    assert entry["relation"]["name"] == "Jan"


async def test_a_person_may_type_what_we_would_have_booked(client: Client) -> None:
    body = {"dossier": 1001, "journal": "A1", "external_relation": 5001, "reference": "2025/7", "date": "2025-04-01"}
    await client.control("POST", "book_by_hand", {**body, "booking": {"documentDate": "2025-03-31"}})
    entry = client.sandbox.books.entries(1001)[0]
    assert (entry["reference"], entry["period"], entry["date"].isoformat()) == ("2025/7", 202502, "2025-03-31")
    assert entry["relation"]["external_id"] == 5001


async def test_a_person_types_while_the_journal_is_in_use(client: Client) -> None:
    await client.control("POST", "journals", {"dossier": 1001, "journal": "V1", "in_use": True})
    typed = await client.control("POST", "book_by_hand", {"dossier": 1001, "journal": "V1", "date": "2025-01-01"})
    assert typed.status == 200
    assert (await client.book(booking(2))).code == -12


async def test_what_is_undone_frees_the_last_number_only(client: Client) -> None:
    for number in (1, 2, 3):
        await client.book(booking(number))
    await client.control("POST", "delete_by_hand", {"dossier": 1001, "journal": "V1", "number": 2})
    assert (await client.book(booking(2))).code == -13
    await client.control("POST", "delete_by_hand", {"dossier": 1001, "journal": "V1", "number": 3})
    assert (await client.book(booking(3))).status == 201
    assert [entry["number"] for entry in client.sandbox.books.entries(1001)] == [1, 3]
    gone = await client.get("buysellbookings", bookyearId=2, journalKey="V1", documentSeqNr=2)
    assert gone.status == 404


async def test_many_dossiers_at_once(client: Client) -> None:
    made = await client.control("POST", "dossiers", {"copies": 50, "years": [2025, 2025], "name": "Kopie BV"})
    ids = made.json["ids"]
    assert ids == list(range(1002, 1052))
    listed = await client.send("GET", "/dossiers", headers={"Token": client.token})
    assert len(listed.json) == 51
    assert len({row["vatNr"] for row in listed.json}) == 51
    await client.open(ids[-1])
    await client.call("PUT", "relations", relation(5001, "Klant"))
    assert (await client.book(booking(bookyearKey={"id": 1}))).status == 201
    assert client.sandbox.books.entries(1001) == []
    assert len(client.sandbox.books.entries()) == 1
    assert (await client.control("POST", "dossiers", {"id": 1001})).status == 400


async def test_the_requests_list_has_no_tokens(client: Client) -> None:
    await client.get("relations", name="Klant B")
    await client.book(booking(9))
    answer = await client.control("GET", "requests", operation="insertBuySellBooking", dossier=1001)
    row = answer.json["requests"][-1]
    assert (row["method"], row["path"], row["status"]) == ("POST", "/dossiers/1001/buysellbookings", 400)
    everything = (await client.control("GET", "requests", last=1000)).text
    assert client.token not in everything
    assert client.dossier_token not in everything
    assert str(SAMPLE_CREDENTIALS["password"]) not in everything
    assert (await client.control("GET", "requests")).json["total"] >= 5


async def test_status_tells_where_things_stand(client: Client) -> None:
    await client.book(booking(1))
    status = (await client.control("GET", "status")).json
    assert status["dossiers"] == [
        {"id": 1001, "name": "Voorbeeld BV", "disabled": False, "bookings": 1, "relations": 1}
    ]
    assert status["limits"]["on"] is False
    assert (status["sandbox"], status["booking"]) == ("octopus", "insertBuySellBooking")
    assert status["faults_known"] == list(KINDS)


async def test_reset_empties_the_books(client: Client) -> None:
    await client.book(booking(1))
    await client.control("POST", "dossiers", {"id": 2000})
    await client.control("POST", "faults", {"kind": "reset"})
    await client.control("POST", "reset")
    assert client.sandbox.books.entries() == []
    assert list(client.sandbox.books.dossiers) == [1001]
    assert (await client.call("PUT", "relations", relation(5001, "Weer"))).status == 201
    assert (await client.book(booking(1))).status == 201


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("pay", {"dossier": 1001, "journal": "V1", "number": 1}),
        ("pay", {"journal": "V1"}),
        ("journals", {"dossier": 1001, "journal": "V9", "closed": True}),
        ("journals", {"dossier": 1001, "journal": "?", "create": True}),
        ("journals", {"dossier": 1001, "journal": "V1", "close": True}),
        ("dossiers", {"nmae": "x"}),
        ("dossiers", {"change": 1001, "disable": True}),
        ("pay", {"dossier": 1001, "journal": "V1", "nummer": 1}),
        ("book_by_hand", {"dossier": 1001, "journal": "V9"}),
        ("book_by_hand", {"dossier": 1001, "journal": "V1", "relation": 99}),
        ("book_by_hand", {"dossier": 4, "journal": "V1"}),
        ("clock", {"advance_seconds": -1}),
        ("limits", {"answer": "500"}),
        ("accounts", {"dossier": 1001, "bookyear": 99, "account": 1}),
        ("nothing", {}),
    ],
)
async def test_wrong_wishes_are_answered_in_words(client: Client, name: str, body: dict[str, object]) -> None:
    answer = await client.control("POST", name, body)
    assert answer.status in (400, 404)
    assert answer.json["error"]
    assert client.sandbox.books.entries() == []


async def test_a_caller_that_leaves_in_the_middle(client: Client, caplog: pytest.LogCaptureFixture) -> None:
    host, port = client.sandbox.origin.removeprefix("http://").split(":")
    head = (
        "POST /octopus-rest-api/v1/dossiers/1001/buysellbookings HTTP/1.1\r\nHost: x\r\n"
        f"dossierToken: {client.dossier_token}\r\n"
    )
    for raw in (b"", b"GET /x", head.encode(), f"{head}Content-Length: 5000\r\n\r\n{{".encode(), b"\x00\x01\r\n\r\n"):
        _, writer = await asyncio.open_connection(host, int(port))
        writer.write(raw)
        await writer.drain()
        await asyncio.sleep(0.02)
        writer.transport.abort()
    await asyncio.sleep(0.05)
    assert (await client.book(booking(1))).status == 201
    assert not [
        record for record in caplog.records if record.levelname == "ERROR" and "Traceback" in str(record.exc_text)
    ]


async def test_a_port_that_is_taken(start: Starter) -> None:
    client = await start()
    port = int(client.sandbox.origin.rsplit(":", 1)[1])
    with pytest.raises(OSError, match="address already in use"):
        await start_sandbox(port=port)


async def test_the_base_address_and_the_credentials(start: Starter) -> None:
    client = await start()
    assert client.sandbox.base_url == f"{client.sandbox.origin}/octopus-rest-api/v1"
    assert client.sandbox.credentials == dict(SAMPLE_CREDENTIALS)
    answer = await client.send("GET", "/about/version", headers={"Host": "service.example"})
    assert answer.status == 200


# --- books that outlive the process --------------------------------------------------------------------------


async def test_a_state_file_brings_everything_back(start: Starter, tmp_path: Path) -> None:
    file = tmp_path / "books.jsonl"
    one = await start(state_file=file, limits=False)
    await one.call("PUT", "relations", relation(5001, "Klant B"))
    pretty = json.dumps({"buySellBookingServiceData": booking(1)}, indent=2)
    await one.call("POST", "buysellbookings", data=pretty.encode(), headers={"Content-Type": "application/json"})
    await one.book(booking(2), [{"fileName": "a.pdf", "fileData": "AAAA"}])
    assert (await one.book(booking(2))).code == -13
    await one.call("PUT", "buysellbookings", booking(1, comment="anders"))
    control = one.sandbox.control
    control.pay(1001, journal="V1", number=2, amount="21.00")
    control.book_by_hand(1001, "A1", date="2025-05-05")
    control.clock(advance_seconds=90_000)
    control.dossiers(id=2000, years=[2025, 2025])
    control.journals(1001, journal="V2", closed=True)
    control.logins(user="ander", password="x", dossiers=[2000])
    before = (one.sandbox.books.entries(), one.sandbox.books.ledger(1001), control.relations(1001))
    assert "AAAA" not in file.read_text()
    await one.sandbox.stop()

    two = await start(state_file=file, limits=False)
    assert (two.sandbox.books.entries(), two.sandbox.books.ledger(1001), two.sandbox.control.relations(1001)) == before
    assert list(two.sandbox.books.dossiers) == [1001, 2000]
    assert two.sandbox.books.users["ander"].dossiers == {2000}
    assert (await two.book(booking(1, "V2", amount=-121.0))).code == -11
    assert (await two.book(booking(3))).status == 201
    two.sandbox.control.reset()
    await two.sandbox.stop()

    three = await start(state_file=file)
    assert three.sandbox.books.entries() == []


async def test_tokens_outlive_a_restart_with_the_same_file(start: Starter, tmp_path: Path) -> None:
    one = await start(state_file=tmp_path / "books.jsonl")
    await one.sandbox.stop()
    two = await start(state_file=tmp_path / "books.jsonl")
    answer = await two.send("GET", "/dossiers/1001/bookyears", headers={"dossierToken": one.dossier_token})
    assert answer.status == 200


async def test_half_a_line_at_the_end_never_happened(start: Starter, tmp_path: Path) -> None:
    file = tmp_path / "books.jsonl"
    one = await start(state_file=file)
    one.sandbox.control.book_by_hand(1001, "V1", date="2025-01-01")
    await one.sandbox.stop()
    whole = file.read_bytes()
    file.write_bytes(whole + b'["insert_buy_sell",1001,17')
    two = await start(state_file=file)
    assert len(two.sandbox.books.entries()) == 1
    assert file.read_bytes() == whole


_ALONE = """
import asyncio, sys
from dagboek_octopus.sandbox import start_sandbox

async def main():
    sandbox = await start_sandbox(state_file=sys.argv[1], years=(2025, 2025))
    print(sandbox.origin, flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


def _alone(file: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, "-c", _ALONE, str(file)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


async def test_a_killed_sandbox_keeps_its_books(tmp_path: Path) -> None:
    file = tmp_path / "books.jsonl"
    process, origin = _alone(file)
    async with aiohttp.ClientSession() as session:
        try:
            for _ in range(3):
                body = {"dossier": 1001, "journal": "V1"}
                async with session.post(f"{origin}/_sandbox/book_by_hand", json=body) as response:
                    assert response.status == 200
        finally:
            os.kill(process.pid, signal.SIGKILL)
            process.communicate()
        process, origin = _alone(file)
        try:
            async with session.get(f"{origin}/_sandbox/entries?dossier=1001") as response:
                assert [entry["number"] for entry in await response.json()] == [1, 2, 3]
        finally:
            os.kill(process.pid, signal.SIGTERM)
            process.communicate()


async def test_a_sandbox_listens_on_ipv6_too() -> None:
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    try:
        sandbox = await start_sandbox(host="::1")
    except OSError:
        pytest.skip("this machine has no IPv6 loopback")
    try:
        assert sandbox.origin.startswith("http://[::1]:")
        async with aiohttp.ClientSession() as session, session.get(f"{sandbox.base_url}/about/version") as response:
            assert response.status == 200
    finally:
        await sandbox.stop()
