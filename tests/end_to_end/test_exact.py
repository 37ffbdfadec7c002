"""Exact Online in the whole product: core, workers, Kafka and PostgreSQL, and the sandbox's own books."""

from collections.abc import AsyncIterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dagboek.chaos.ubl import NORDZEE, Ubl, UblLine
from end_to_end.harness import GUARD, Installation, exact, exact_settings, octopus, write_files

SUPPLIER, SUPPLIER_NAME = "BE0400378485", "Brouwer NV"
DIVISION = 3_100_001


@pytest.fixture
async def books() -> AsyncIterator[Any]:
    """An Exact Online sandbox of this test's own."""
    async with exact() as running:
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


async def connected(house: Installation, sandbox: Any, folder: Path, tenant: str, **more: Any) -> Any:
    return await house.connection(
        sandbox, tenant=tenant, folder=folder, plugin="exact", settings=exact_settings(), **more
    )


def totals(sandbox: Any, division: int = DIVISION) -> dict[str, list[tuple[str, Decimal]]]:
    found: dict[str, list[tuple[str, Decimal]]] = {}
    for entry in sandbox.books.entries(division):
        found.setdefault(entry["journal"], []).append((entry["comment"], entry["total"]))
    return found


async def attached(house: Installation, connection: Any) -> None:
    """Waits until no file of the connection's books is left to attach."""
    await house.until(
        """SELECT 1 WHERE NOT EXISTS (SELECT 1 FROM attaching a JOIN link l ON l.id = a.link_id
               JOIN connection c ON c.administration_id = l.administration_id WHERE c.id = %s)""",
        connection,
    )


async def test_all_components_with_signs_files_roles_and_payments(
    house: Installation, books: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
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
    # it is in Exact as a prospect, and must become both
    books.control.relation(DIVISION, Name=SUPPLIER_NAME, Status="P", VATNumber=SUPPLIER, Country="BE")
    connection = await connected(house, books, folder, "Exact sides")

    run = await house.sync(connection)

    assert run["status"] == "Success", await house.states(run["id"])
    assert totals(books) == {
        "70": [("2026/001", Decimal("174.00")), ("2026/002", Decimal("121.00")), ("2026/003", Decimal("121.00"))],
        "71": [("C/1", Decimal("-174.00"))],
        "60": [("A/1", Decimal("174.00")), ("A/2", Decimal("121.00"))],
        "61": [("AC/1", Decimal("-121.00"))],
    }
    assert books.books.ledger(DIVISION)["difference"] == 0
    roles = {
        row["Name"]: (row.get("Status"), row.get("IsSupplier"))
        for row in books.control.relations(DIVISION)
        if row.get("Type") != "D"
    }
    assert roles[SUPPLIER_NAME] == ("C", "True")
    assert len([name for name in roles if name in (SUPPLIER_NAME, "Bakkerij De Klaver BV")]) == 2
    numbers = {entry["comment"]: str(entry["number"]) for entry in books.books.entries(DIVISION)}
    for item in await house.items(run["id"]):
        if item["kind"] == "document":
            assert item["booking_number"] == numbers[item["title"]]

    await attached(house, connection)
    files = {entry["comment"]: len(entry["attachments"]) for entry in books.books.entries(DIVISION)}
    assert {number for number, count in files.items() if count} == {"2026/001", "A/1"}
    assert len(books.control.documents(DIVISION)) == 2

    for journal, comment, amount in (("70", "2026/001", "174.00"), ("70", "2026/002", "21.00"), ("60", "A/1", None)):
        books.control.pay(DIVISION, journal=journal, number=int(numbers[comment]), amount=amount)
    run = await house.sync(connection)

    assert run["status"] == "Success"
    rows = await house.db.all(
        """SELECT d.number, p.state, p.open_amount FROM payment_status p JOIN link l ON l.id = p.link_id
           JOIN document d ON d.identity = l.identity AND d.tenant_id = l.tenant_id
           JOIN connection c ON c.administration_id = l.administration_id WHERE c.id = %s""",
        connection,
    )
    states = {row["number"]: (row["state"], row["open_amount"]) for row in rows}
    assert states["2026/001"][0] == states["A/1"][0] == "paid"
    assert states["2026/002"] == ("partially_paid", Decimal("100.00"))
    assert states["2026/003"][0] == "not_paid"


@pytest.mark.parametrize("fault", ["timeout_after_commit", "error_503_after", "reset_after_commit", "error_503_before"])
async def test_a_sale_whose_answer_was_lost_is_looked_up_and_stands_once(
    house: Installation, books: Any, tmp_path: Path, fault: str
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl(f"2026/{number:03}") for number in range(1, 6)])
    connection = await connected(house, books, folder, f"Exact lost {fault}", call_deadline=2)
    books.control.faults(kind=fault, operation="SalesEntries.post", after=2, times=1, seconds=4)

    run = await house.sync(connection, seconds=120)

    assert run["status"] == "Success", await house.states(run["id"])
    assert sorted(comment for comment, _ in totals(books)["70"]) == [f"2026/{number:03}" for number in range(1, 6)]


async def test_what_exact_refuses_is_skipped_with_its_reason_and_the_rest_goes_on(
    house: Installation, books: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl(f"2026/{number:03}") for number in range(1, 5)])
    connection = await connected(house, books, folder, "Exact refuses")
    books.control.faults(
        kind="refuse", operation="SalesEntries.post", after=1, times=1, body="Niet toegestaan: Btw-code"
    )

    run = await house.sync(connection)

    assert run["status"] == "Warning"
    assert sorted((await house.states(run["id"])).values()) == ["skipped X44", "synced", "synced", "synced"]
    run = await house.sync(connection)
    assert run["status"] == "Success"
    assert len(totals(books)["70"]) == 4


async def test_ten_bad_documents_in_a_row_do_not_get_the_app_blocked(house: Installation, tmp_path: Path) -> None:
    """Whether Exact counts refusals is not known: here it does, and blocks after ten."""
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl(f"2026/{number:03}") for number in range(1, 15)])
    async with exact(limits=True) as books:
        books.control.rules(velocity_statuses=[400, 401, 403, 404, 500])
        connection = await connected(house, books, folder, "Exact bad", lift_limits=False)
        books.control.faults(kind="refuse", operation="SalesEntries.post", body="Niet toegestaan: Btw-code")

        run_id = await house.start_run(connection)
        parked = await house.until("SELECT * FROM run WHERE id = %s AND state = 'parked'", run_id, seconds=GUARD)

        assert (parked["park_reason"], parked["park_issue"]["code"]) == ("limit", "B15")
        assert parked["parked_until"] - parked["moved_at"] > timedelta(minutes=50)
        sent = books.control.requests(last=1000, operation="SalesEntries.post")["requests"]
        assert 0 < len(sent) <= 8
        assert books.control.limits()["blocked"] == {}
        assert sorted(set((await house.states(run_id)).values())) == ["planned", "skipped X44"]


async def test_a_right_that_is_missing_for_files_leaves_the_bookings_alone(
    house: Installation, books: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl("2026/001", file=("invoice.pdf", b"%PDF-1"))])
    connection = await connected(house, books, folder, "Exact rights")
    books.control.rights(user="voorbeeld", resource="documents/Documents", method="POST", allowed=False)

    run = await house.sync(connection)

    assert run["status"] == "Success"
    await attached(house, connection)
    (item,) = [one for one in await house.items(run["id"]) if one["kind"] == "document"]
    assert (item["state"], [issue["code"] for issue in item["issues"]]) == ("synced", ["D24", "X60"])
    assert len(totals(books)["70"]) == 1


async def test_entries_that_stood_there_before_are_adopted_and_not_booked_again(
    house: Installation, books: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl("2026/001"), Ubl("2026/002")])
    document = Ubl("2026/001")
    known = books.control.relation(DIVISION, Name=document.customer_name, Status="C", VATNumber=document.customer)
    books.control.book_by_hand(
        DIVISION,
        journal="70",
        date=document.date,
        amount="100.00",
        vat_code="V21",
        comment="2026/001",
        relation=known["code"],
    )
    connection = await connected(house, books, folder, "Exact before")

    run = await house.sync(connection)

    assert run["status"] == "Success", await house.states(run["id"])
    assert sorted(comment for comment, _ in totals(books)["70"]) == ["2026/001", "2026/002"]


async def test_one_tenant_has_entities_on_two_tools_and_two_divisions_of_one_login(
    house: Installation, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    derde = "BE0999100295"
    write_files(
        folder,
        [
            Ubl("2026/001"),
            Ubl("F/1", supplier=SUPPLIER, supplier_name=SUPPLIER_NAME),
            Ubl("D/1", supplier=derde, supplier_name="Derde BV"),
        ],
    )
    divisions = [{"id": 100, "name": "Een BV"}, {"id": 200, "name": "Twee BV"}]
    async with exact(dossiers=divisions) as books, octopus() as dossier:
        tenant = "Exact and Octopus"
        connections = [
            await connected(house, books, folder, tenant, dossier="100"),
            await connected(house, books, folder, tenant, dossier="200", entity=SUPPLIER_NAME, vat=SUPPLIER),
            await house.connection(dossier, tenant=tenant, entity="Derde BV", vat=derde, folder=folder),
        ]
        for connection in connections:
            assert (await house.sync(connection))["status"] == "Success"
        assert totals(books, 100) == {"70": [("2026/001", Decimal("121.00"))]}
        assert totals(books, 200)["70"] == [("F/1", Decimal("121.00"))]
        assert [entry["comment"] for entry in dossier.books.entries(1001, journal="V1")] == ["D/1"]
        assert len([chain for chain in books.control.chains() if not chain["ended"]]) == 1
