"""A first run on books that already hold something: adopted, or asked about, and never booked again."""

from decimal import Decimal
from pathlib import Path
from typing import Any

from dagboek.chaos.ubl import Ubl, UblLine
from dagboek.resolve import mark_as_booked, send_again
from end_to_end.harness import Installation, write_files

HAND: dict[str, Any] = {"dossier": 1001, "journal": "V1", "date": "2026-03-02", "vat_code": "21", "account": 700000}


def the_customer(sandbox: Any) -> int:
    """A relation card that somebody made for the customer of `Ubl`."""
    made = sandbox.books.apply(
        "upsert_relation",
        1001,
        {
            "relationIdentificationServiceData": {},
            "name": "De Klaver",
            "vatNr": "BE0404.616.494",
            "currencyCode": "EUR",
            "client": True,
        },
    )
    return int(made.value["relationIdentificationServiceData"]["relationKey"]["id"])


async def test_what_was_typed_by_hand_is_adopted_or_asked_about(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    by_hand = {**HAND, "relation": the_customer(sandbox)}
    # with its number, as a person types it; without it; with its number and a slip; of another customer
    sandbox.control.book_by_hand(**by_hand, amount="121.00", comment="2026/001")
    sandbox.control.book_by_hand(**by_hand, amount="242.00", comment="levering maart")
    sandbox.control.book_by_hand(**by_hand, amount="363.01", comment="2026/003")
    sandbox.control.book_by_hand(**HAND, amount="484.00", comment="factuur", name="Iemand anders")
    write_files(
        tmp_path / "ubl",
        [Ubl(f"2026/{at:03}", lines=(UblLine(f"{at}00.00"),)) for at in range(1, 5)]
        # twins of the first two: the same customer, day and amount under numbers of their own
        + [Ubl("2026/005", lines=(UblLine("100.00"),))],
    )
    connection = await house.connection(sandbox, tenant="Typed", folder=tmp_path / "ubl")

    run = await house.sync(connection)

    assert run["status"] == "Warning"
    states = await house.states(run["id"])
    assert states["2026/001"] == "synced D15"
    assert states["2026/002"] == "needs_person D14"
    assert states["2026/003"] == "needs_person D14"
    assert states["2026/004"] == "synced"
    assert (await house.link(connection, "2026/001"))["entry_number"] == "1"
    [item] = [item for item in await house.items(run["id"]) if item["title"] == "2026/002"]
    assert item["issues"][0]["facts"]["candidates"] == "2"
    # 2026/001 bears its own number, so its twin is no question once that is adopted
    assert states["2026/005"] == "synced"
    assert len(sandbox.control.relations(1001)) == 2
    entries = {entry["number"]: entry for entry in sandbox.books.entries(1001, journal="V1")}
    assert [entries[number]["comment"] for number in sorted(entries) if number > 4] == ["2026/004", "2026/005"]

    # asking again does not book it
    again = await house.sync(connection)
    assert (await house.states(again["id"]))["2026/002"] == "needs_person D14"

    # a person says: it is that one
    link = await house.link(connection, "2026/002")
    await mark_as_booked(house.db, link["tenant_id"], link["id"], "2")
    after = await house.sync(connection)
    assert "2026/002" not in await house.states(after["id"])

    # and it is that entry from then on: a change of the document is an update of it
    write_files(tmp_path / "ubl", [Ubl("2026/002", lines=(UblLine("210.00"),))])
    changed = await house.sync(connection)
    assert (await house.states(changed["id"]))["2026/002"] == "synced O09"
    [entry] = [entry for entry in sandbox.books.entries(1001, journal="V1") if entry["number"] == 2]
    assert entry["total"] == Decimal("254.10")


async def test_a_person_who_says_that_it_is_not_there_has_it_booked(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    sandbox.control.book_by_hand(**HAND, relation=the_customer(sandbox), amount="121.00", comment="iets anders")
    write_files(tmp_path / "ubl", [Ubl("2026/001")])
    connection = await house.connection(sandbox, tenant="Decided", folder=tmp_path / "ubl")
    run = await house.sync(connection)
    assert await house.states(run["id"]) == {"2026/001": "needs_person D14"}

    link = await house.link(connection, "2026/001")
    sent = await send_again(house.db, house.publisher, link["tenant_id"], link["id"])
    assert sent is not None
    small = await house.ended(sent)

    assert small["status"] == "Success"
    assert [entry["comment"] for entry in sandbox.books.entries(1001, journal="V1")] == ["iets anders", "2026/001"]


async def test_nothing_is_booked_before_it_is_known_what_is_there(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    sandbox.control.book_by_hand(**HAND, relation=the_customer(sandbox), amount="121.00", comment="2026/001")
    write_files(tmp_path / "ubl", [Ubl("2026/001"), Ubl("2026/002")])
    connection = await house.connection(sandbox, tenant="Unseen", folder=tmp_path / "ubl")
    sandbox.control.faults(kind="refuse", path="/dossiers/*/buysellbookings/modified", status=403, code=0)

    run = await house.sync(connection)

    assert run["status"] == "Error"
    assert run["component_errors"]["sales_invoices"]["code"] == "B07"
    assert set((await house.states(run["id"])).values()) == {"not_tried D27"}
    assert len(sandbox.books.entries(1001, journal="V1")) == 1

    sandbox.control.faults(off=True)
    run = await house.sync(connection)

    assert await house.states(run["id"]) == {"2026/001": "synced D15", "2026/002": "synced"}
    assert [entry["comment"] for entry in sandbox.books.entries(1001, journal="V1")] == ["2026/001", "2026/002"]
