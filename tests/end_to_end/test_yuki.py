"""Yuki in the whole product: core, workers, Kafka and PostgreSQL, and the sandbox's own books."""

import asyncio
import re
from collections import Counter
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from dagboek.accepted import poll_soon
from dagboek.chaos.ubl import NORDZEE, Ubl, UblLine
from dagboek.logins import own_names
from dagboek.plugins import Plugins
from dagboek_sdk.errors import LoginBroken
from dagboek_yuki.sandbox.call import Fault
from dagboek_yuki.sandbox.operations import OPERATIONS
from end_to_end.harness import (
    GUARD,
    Installation,
    exact,
    exact_settings,
    octopus,
    settings_of,
    write_files,
    yuki,
    yuki_settings,
)
from lxml import etree

SUPPLIER, SUPPLIER_NAME = "BE0400378485", "Brouwer NV"
SALES = "Sales.ProcessSalesInvoices"
A_NIGHT = 12 * 3600
HELD = 4
"""Seconds for which a fault keeps the line open."""


@pytest.fixture
async def books() -> AsyncIterator[Any]:
    """A Yuki sandbox of this test's own."""
    async with yuki() as running:
        yield running


def bought(number: str, **more: Any) -> Ubl:
    """A document that the entity received."""
    return Ubl(
        number,
        customer=NORDZEE,
        customer_name="Noordzee Koffie BV",
        supplier=SUPPLIER,
        supplier_name=SUPPLIER_NAME,
        **more,
    )


def dossier_of(sandbox: Any) -> str:
    """The id of the first administration."""
    return str(sandbox.control.status()["dossiers"][0]["id"])


async def connected(house: Installation, sandbox: Any, folder: Path, tenant: str, **more: Any) -> Any:
    return await house.connection(
        sandbox, tenant=tenant, folder=folder, plugin="yuki", settings=yuki_settings(), **more
    )


def totals(sandbox: Any, dossier: str | None = None) -> dict[str, list[tuple[str, Decimal]]]:
    """What stands in the books, by side, in the order in which it was delivered."""
    found: dict[str, list[tuple[str, Decimal]]] = {}
    for entry in sandbox.control.entries(dossier or dossier_of(sandbox)):
        found.setdefault(entry["journal"], []).append((entry["comment"], entry["total"]))
    return found


async def a_night_passes(house: Installation, sandbox: Any, connection: UUID) -> None:
    """Yuki books what it took, is asked for it, and that is told."""
    sandbox.control.clock(advance_seconds=A_NIGHT)
    row = await house.db.one("SELECT administration_id FROM connection WHERE id = %s", connection)
    assert row is not None
    await poll_soon(house.db, [row["administration_id"]])
    await house.until(
        """SELECT 1 AS done WHERE NOT EXISTS (SELECT 1 FROM link
             WHERE administration_id = %s AND state = 'accepted')
           AND NOT EXISTS (SELECT 1 FROM item JOIN run ON run.id = run_id
             WHERE connection_id = %s AND outcome_at IS NOT NULL AND item.reported_at IS NULL)""",
        row["administration_id"],
        connection,
        seconds=GUARD,
    )


async def settled(house: Installation, run: UUID, seconds: float = 90) -> dict[str, Any]:
    """The run at its end; settling begins once the calls of the test are over, and waits no longer."""
    async with asyncio.timeout(seconds):
        while (row := await house.db.one("SELECT * FROM run WHERE id = %s", run)) is None or row["state"] != "ended":
            await asyncio.sleep(0.2)
            if row is not None and row["state"] == "parked" and row["park_reason"] == "settling":
                await asyncio.sleep(HELD)
                await house.db.run(
                    "UPDATE link SET settle_due = now() WHERE state = 'intent' AND administration_id = %s",
                    row["administration_id"],
                )
    return row


async def test_all_components_with_uploads_that_are_booked_later_and_payments(
    house: Installation, books: Any, tmp_path: Path
) -> None:
    folder, dossier = tmp_path / "ubl", dossier_of(books)
    both = (UblLine("100.00"), UblLine("50.00", rate="6"))
    write_files(
        folder,
        [
            Ubl("2026/001", lines=both, file=("invoice.pdf", b"%PDF-1")),
            Ubl("2026/002"),
            Ubl("C/1", credit=True, lines=both),
            bought("A/1", lines=both, file=("bill.pdf", b"%PDF-2")),
            bought("A/2"),
            bought("AC/1", credit=True),
            # a company may be customer and supplier
            Ubl("2026/003", customer=SUPPLIER, customer_name=SUPPLIER_NAME),
        ],
    )
    connection = await connected(house, books, folder, "Yuki sides")

    run = await house.sync(connection)

    assert run["status"] == "Success", await house.states(run["id"])
    sales = [("2026/001", Decimal("174.00")), ("2026/002", Decimal("121.00")), ("2026/003", Decimal("121.00"))]
    assert totals(books) == {"V": [*sales, ("C/1", Decimal("-174.00"))]}
    states = await house.states(run["id"])
    assert {states[number] for number in ("A/1", "A/2", "AC/1")} == {"accepted"}
    assert {state for number, state in states.items() if "A" not in number} == {"synced"}

    await a_night_passes(house, books, connection)

    bills = [("A/1", Decimal("174.00")), ("A/2", Decimal("121.00")), ("AC/1", Decimal("-121.00"))]
    assert totals(books)["I"] == bills
    assert set((await house.states(run["id"])).values()) == {"synced"}
    assert all(item["booking_number"] == item["title"] for item in await house.items(run["id"])
               if item["kind"] == "document")  # fmt: skip
    told = {(data["document_number"], data["state"]) for _, data in await house.told(run["id"])
            if data.get("document_number")}  # fmt: skip
    assert {(number, state) for number in ("A/1", "A/2", "AC/1") for state in ("accepted", "synced")} <= told
    assert books.control.ledger(dossier)["difference"] == 0
    assert all(entry["balanced"] for entry in books.control.entries(dossier))
    assert len(books.control.relations(dossier)) == 2, "a company is one contact, whatever it is to us"
    calls = Counter(one["operation"] for one in books.control.requests(last=1000)["requests"])
    assert calls[SALES] == 2, "invoices, then credit notes"
    assert calls["Contact.UpdateContact"] <= 1, "a contact is made by its invoice; what gets a second role is changed"

    books.control.pay(dossier, number="2026/001")
    books.control.pay(dossier, number="2026/002", amount="21.00")
    books.control.pay(dossier, number="A/1", purchase=True)
    run = await house.sync(connection)

    assert run["status"] == "Success"
    rows = await house.db.all(
        """SELECT d.number, p.state, p.open_amount FROM payment_status p JOIN link l ON l.id = p.link_id
           JOIN document d ON d.identity = l.identity AND d.tenant_id = l.tenant_id
           JOIN connection c ON c.administration_id = l.administration_id WHERE c.id = %s""",
        connection,
    )
    paid = {row["number"]: (row["state"], row["open_amount"]) for row in rows}
    assert paid["2026/002"] == ("partially_paid", Decimal("100.00"))
    assert paid["2026/003"][0] == "not_paid"


BAD = (3, 9, 11, 20, 21, 22, 40)


async def test_of_a_batch_of_50_the_good_ones_are_booked_once_in_order_and_the_bad_ones_are_named(
    house: Installation, books: Any, tmp_path: Path
) -> None:
    """Seven are wrong, and Yuki stops after six: what it did not look at goes out again."""
    folder, dossier = tmp_path / "ubl", dossier_of(books)
    numbers = [f"2026-{place:03}" for place in range(1, 51)]
    write_files(folder, [Ubl(number) for number in numbers])
    bad = [numbers[place - 1] for place in BAD]
    words = "Cannot book this transaction line because the GLAccount is disabled"
    books.control.refuse_invoices(dossier, references=bad, message=words)
    connection = await connected(house, books, folder, "Yuki batch")

    run = await house.sync(connection)

    assert run["status"] == "Warning"
    states = await house.states(run["id"])
    assert {number for number, state in states.items() if state == "skipped Y03"} == set(bad)
    assert {number for number, state in states.items() if state == "synced"} == set(numbers) - set(bad)
    assert len(states) == 50, "none is forgotten"
    assert [number for number, _ in totals(books)["V"]] == [one for one in numbers if one not in bad]
    told = [item for item in await house.items(run["id"]) if item["title"] in bad]
    assert all(issue["tool_words"] == words for item in told for issue in item["issues"])
    calls = books.control.requests(last=1000, operation=SALES)["requests"]
    assert len(calls) <= 3, "one that stops after the sixth wrong one, then the rest"

    books.control.refuse_invoices(dossier, references=bad, off=True)
    run = await house.sync(connection)

    assert run["status"] == "Success", await house.states(run["id"])
    assert [number for number, _ in totals(books)["V"]] == [one for one in numbers if one not in bad] + bad


async def test_one_invoice_that_the_schema_refuses_does_not_stop_the_other_49(
    house: Installation, books: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl(f"2026-{place:03}") for place in range(1, 51)])
    connection = await connected(house, books, folder, "Yuki schema")
    process = OPERATIONS["Sales", "ProcessSalesInvoices"]

    def checked(call: Any) -> Any:
        """Yuki's schema is not public: here it refuses one of the invoices, and with it the call."""
        if b"2026-017" in etree.tostring(call.params["xmlDoc"]):
            raise Fault("The 'Subject' element is invalid according to its datatype 'String'", "Client")
        return process(call)

    monkeypatch.setitem(OPERATIONS, ("Sales", "ProcessSalesInvoices"), checked)

    run = await house.sync(connection)

    states = await house.states(run["id"])
    assert run["status"] == "Warning"
    assert {number: state for number, state in states.items() if state != "synced"} == {"2026-017": "skipped Y91"}
    expected = [f"2026-{place:03}" for place in range(1, 51) if place != 17]
    assert [number for number, _ in totals(books)["V"]] == expected, "in their order"
    assert len(books.control.requests(last=1000, operation=SALES)["requests"]) <= 14, "halves, and not one each"


@pytest.mark.parametrize(
    "fault",
    ["timeout_after_commit", "error_503_after", "reset_after_commit", "empty_body", "html_fault_after",
     "wrong_namespace", "wrong_body", "timeout_before"],
)  # fmt: skip
async def test_a_batch_whose_answer_was_lost_is_looked_up_and_stands_once(
    house: Installation, books: Any, tmp_path: Path, fault: str
) -> None:
    folder = tmp_path / "ubl"
    numbers = [f"2026-{place:03}" for place in range(1, 31)]
    write_files(folder, [Ubl(number) for number in numbers])
    connection = await connected(house, books, folder, f"Yuki lost {fault}", call_deadline=2)
    books.control.faults(kind=fault, operation=SALES, times=1, seconds=HELD)

    run = await settled(house, await house.start_run(connection))

    assert run["status"] == "Success", await house.states(run["id"])
    assert [number for number, _ in totals(books)["V"]] == numbers
    calls = books.control.requests(last=1000)["requests"]
    looked_up = [one for one in calls if one["operation"] == "AccountingInfo.GetTransactionDetails"]
    assert len(looked_up) <= 6, "one ranged read for all of them, not one each"


@pytest.mark.timeout(200)
async def test_a_worker_killed_in_the_middle_of_a_batch_books_nothing_twice_and_loses_nothing(
    dagboek: Installation, books: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    numbers = [f"2026-{place:03}" for place in range(1, 61)]
    write_files(folder, [*(Ubl(number) for number in numbers), bought("A/1"), bought("A/2")])
    connection = await connected(dagboek, books, folder, "Yuki killed", call_deadline=2)
    dagboek.core()
    run_id = await dagboek.start_run(connection)
    for fault_point in ("before_intent:1", "after_intent:1", "after_call:1", "after_outcome:2"):
        worker = dagboek.worker(DAGBOEK_FAULT_POINT=fault_point)
        assert await asyncio.to_thread(worker.wait, 90) == -9, (fault_point, dagboek.logs())
    dagboek.worker()
    run = await settled(dagboek, run_id)

    assert run["status"] == "Success", await dagboek.states(run_id)
    await a_night_passes(dagboek, books, connection)
    found = totals(books)
    assert sorted(number for number, _ in found["V"]) == numbers
    assert sorted(number for number, _ in found["I"]) == ["A/1", "A/2"]


@pytest.mark.parametrize("fault", ["timeout_after_commit", "reset_after_commit", "timeout_before", "empty_body"])
async def test_an_upload_whose_answer_was_lost_is_found_in_the_archive_or_sent_again(
    house: Installation, books: Any, tmp_path: Path, fault: str
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [bought(f"A/{place}") for place in range(1, 5)])
    connection = await connected(house, books, folder, f"Yuki upload {fault}", call_deadline=2)
    books.control.faults(kind=fault, operation="Archive.Upload*", after=1, times=1, seconds=HELD)

    run = await settled(house, await house.start_run(connection))

    assert run["status"] == "Success", await house.states(run["id"])
    await a_night_passes(house, books, connection)
    assert sorted(number for number, _ in totals(books)["I"]) == [f"A/{place}" for place in range(1, 5)]


# bad input


@pytest.mark.parametrize("letters", ["keep", "refuse"])
async def test_numbers_with_letters_are_booked_where_yuki_takes_them_and_named_where_not(
    house: Installation, books: Any, tmp_path: Path, letters: str
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl("20260001"), Ubl("F-2026-A"), Ubl("20260002")])
    books.control.rules(letters=letters)
    connection = await connected(house, books, folder, f"Yuki letters {letters}")

    run = await house.sync(connection)

    states = await house.states(run["id"])
    assert (states["20260001"], states["20260002"]) == ("synced", "synced")
    assert states["F-2026-A"] == "synced" if letters == "keep" else states["F-2026-A"].startswith("skipped Y")
    assert run["status"] == ("Success" if letters == "keep" else "Warning")


async def test_a_customer_without_country_is_named_and_the_others_are_booked(
    house: Installation, books: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl("1"), Ubl("2"), Ubl("3")])
    nowhere = Ubl("2", customer="", customer_name="Jan Nergens").xml()
    whole = re.sub(r"<cac:Country>\s*<cbc:IdentificationCode></cbc:IdentificationCode></cac:Country>", "", nowhere)
    whole = re.sub(r"<cac:PartyTaxScheme><cbc:CompanyID></cbc:CompanyID>.*?</cac:PartyTaxScheme>", "", whole)
    (folder / "2.xml").write_text(whole)
    connection = await connected(house, books, folder, "Yuki nowhere")

    run = await house.sync(connection)

    states = await house.states(run["id"])
    assert (states["1"], states["3"], run["status"]) == ("synced", "synced", "Warning")
    party = [item for item in await house.items(run["id"]) if item["title"] == "Jan Nergens"]
    codes = {issue["code"] for item in party for issue in item["issues"]} | set(states["2"].split())
    assert "D02" in codes, "core's own rule names it before Yuki could"


async def test_a_module_that_is_not_active_stops_sales_alone_and_tells_so(
    house: Installation, books: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl("1"), Ubl("2"), bought("A/1")])
    (domain,) = {one["domain"] for one in books.control.status()["dossiers"]}
    books.control.domains(change=domain, modules=[])
    connection = await connected(house, books, folder, "Yuki module")

    run = await house.sync(connection)

    assert run["status"] == "Error"
    states = await house.states(run["id"])
    assert {states["1"], states["2"]} == {"not_tried D27"}
    assert states["A/1"] == "accepted", "purchases need no such module"
    assert {name: issue["code"] for name, issue in run["component_errors"].items()} == {"sales_invoices": "Y02"}

    books.control.domains(change=domain, modules=["sales"])
    run = await house.sync(connection)
    assert run["status"] == "Success", await house.states(run["id"])
    assert [number for number, _ in totals(books)["V"]] == ["1", "2"]


async def test_a_key_that_is_wrong_or_of_the_other_country_is_told_at_connect_and_later(
    house: Installation, books: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl("1")])
    for wrong in ({"access_key": "00000000-0000-0000-0000-000000000000"}, {"base_url": books.base_urls["nl"]}):
        tool = Plugins().tool("yuki")
        given = {**own_names(tool.about.settings, books.credentials), "base_url": books.base_url, **wrong}
        with pytest.raises(LoginBroken) as refused:
            await house_tried(house, given)
        assert refused.value.issue is not None and refused.value.issue.code == "Y20"
    connection = await connected(house, books, folder, "Yuki key")
    books.control.keys(key=books.credentials["access_key"], active=False)

    run = await house.sync(connection)

    assert run["status"] == "Error"
    row = await house.db.one("SELECT state FROM connection WHERE id = %s", connection)
    assert row is not None and row["state"] == "reconnect"
    books.control.keys(key=books.credentials["access_key"], active=True)
    assert await connected(house, books, folder, "Yuki key") == connection
    run = await house.sync(connection)
    assert run["status"] == "Success", await house.states(run["id"])


async def house_tried(house: Installation, given: dict[str, Any]) -> None:
    """A login that is tried with these settings."""
    from dagboek import connections

    await connections.try_login(house.db, house.plugins, "yuki", given)


# three tools


async def test_one_tenant_has_entities_on_three_tools_and_its_history_reads_the_same_for_each(
    house: Installation, tmp_path: Path
) -> None:
    folder, tenant = tmp_path / "ubl", "Three tools"
    companies = {"octopus": (NORDZEE, "Noordzee Koffie BV"), "exact": (SUPPLIER, SUPPLIER_NAME),
                 "yuki": ("BE0999100394", "Derde BV")}  # fmt: skip
    write_files(
        folder,
        [
            one
            for name, (vat, company) in companies.items()
            for one in (
                Ubl(f"{name}-1", supplier=vat, supplier_name=company),
                Ubl(f"{name}-2", supplier=vat, supplier_name=company, credit=True),
                Ubl(f"{name}-3", supplier="BE0999200166", supplier_name="Levert NV", customer=vat,
                    customer_name=company),
            )
        ],
    )  # fmt: skip
    settings = {"octopus": settings_of(), "exact": exact_settings(), "yuki": yuki_settings()}
    async with octopus() as first, exact() as second, yuki() as third:
        sandboxes = {"octopus": first, "exact": second, "yuki": third}
        connections = [
            await house.connection(
                sandboxes[name], tenant=tenant, folder=folder, plugin=name, settings=settings[name],
                entity=company, vat=vat,
            )
            for name, (vat, company) in companies.items()
        ]  # fmt: skip
        started = [await house.start_run(one) for one in connections]
        runs = [await house.ended(one) for one in started]

        assert {run["status"] for run in runs} == {"Success"}
        read = [Counter((item["component"], item["kind"]) for item in await house.items(run["id"])) for run in runs]
        assert read[0] == read[1] == read[2]
        for name, run in zip(companies, runs, strict=True):
            states = await house.states(run["id"])
            assert states.keys() == {f"{name}-{place}" for place in (1, 2, 3)}
            assert set(states.values()) <= {"synced", "accepted"}
        await a_night_passes(house, third, connections[2])
        assert set((await house.states(runs[2]["id"])).values()) == {"synced"}
