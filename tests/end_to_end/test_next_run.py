"""What the next run does: exactly what is left, and nothing a second time."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from dagboek import connections
from dagboek.chaos.ubl import Ubl, UblLine
from end_to_end.harness import Installation, settings_of, write_files

NUMBERS = [f"2026/{at:03}" for at in range(1, 11)]


def ten(folder: Path) -> None:
    """Ten invoices, of which the seventh has a rate of its own."""
    write_files(
        folder,
        [
            Ubl(number, lines=(UblLine(f"{at}00.00", rate="12" if at == 7 else "21"),))
            for at, number in enumerate(NUMBERS, 1)
        ],
    )


def booked(sandbox: Any, journal: str = "V1", dossier: int = 1001) -> dict[str, int]:
    """Numbers of the entries by what their comment says; a document that stands twice fails."""
    found: dict[str, int] = {}
    for entry in sandbox.books.entries(dossier, journal=journal):
        assert entry["comment"] not in found, f"{entry['comment']} stands twice"
        found[entry["comment"]] = entry["number"]
    return found


async def test_after_the_fix_one_document_is_booked_and_then_nothing(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    ten(tmp_path / "ubl")
    connection = await house.connection(
        sandbox, tenant="Fix", folder=tmp_path / "ubl", settings=settings_of({"21": "700000"})
    )

    first = await house.sync(connection)

    assert first["status"] == "Warning"
    assert await house.states(first["id"]) == dict.fromkeys(NUMBERS, "synced") | {"2026/007": "skipped B04"}
    assert await connections.save_settings(house.db, house.plugins, connection, settings_of()) == []

    second = await house.sync(connection)

    assert second["status"] == "Success"
    assert await house.states(second["id"]) == {"2026/007": "synced"}
    assert booked(sandbox)["2026/007"] == 10
    assert sorted(booked(sandbox).values()) == list(range(1, 11))

    third = await house.sync(connection)

    assert third["status"] == "Success"
    assert [item["kind"] for item in await house.items(third["id"]) if item["kind"] != "pull"] == []
    assert len(booked(sandbox)) == 10


async def test_an_integration_that_is_deleted_and_added_again_books_nothing_twice(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    ten(tmp_path / "ubl")
    connection = await house.connection(sandbox, tenant="Again", folder=tmp_path / "ubl")
    await house.sync(connection)
    before = booked(sandbox)

    await connections.delete_connection(house.db, connection)
    again = await house.connection(sandbox, tenant="Again", folder=tmp_path / "ubl")
    write_files(tmp_path / "ubl", [Ubl("2026/011")])
    run = await house.sync(again)

    assert again != connection
    assert run["status"] == "Success"
    assert await house.states(run["id"]) == {"2026/011": "synced"}
    assert booked(sandbox) == before | {"2026/011": 11}
    assert len(sandbox.control.relations(1001)) == 1


async def test_the_same_document_from_two_files_is_booked_once(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl("2026/001"), Ubl("2026/002")])
    (folder / "copy of 001.xml").write_text(Ubl("2026/001").xml())
    (folder / "changed 002.xml").write_text(Ubl("2026/002", lines=(UblLine("250.00"),)).xml())
    connection = await house.connection(sandbox, tenant="Twins", folder=folder)

    run = await house.sync(connection)

    assert booked(sandbox) == {"2026/001": 1, "2026/002": 2}
    issues = [
        (item["state"], issue["code"], issue["facts"]["origin"], issue["facts"]["first"])
        for item in await house.items(run["id"])
        for issue in item["issues"]
    ]
    # files are listed by name: capitals and letters come after digits
    assert sorted(issues) == [
        ("not_ready", "D05", "copy of 001.xml", "2026_001.xml"),
        ("skipped", "D06", "changed 002.xml", "2026_002.xml"),
    ]
    assert run["status"] == "Warning"

    (folder / "changed 002.xml").unlink()
    (folder / "third 001.xml").write_text(Ubl("2026/001").xml())
    run = await house.sync(connection)

    assert run["status"] == "Success"
    assert booked(sandbox) == {"2026/001": 1, "2026/002": 2}


async def test_a_first_file_that_goes_away_leaves_its_twin_in_charge(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl("2026/001")])
    connection = await house.connection(sandbox, tenant="Heirs", folder=folder)
    await house.sync(connection)

    (folder / "2026_001.xml").rename(folder / "moved.xml")
    run = await house.sync(connection)

    assert run["status"] == "Success"
    assert await house.states(run["id"]) == {}
    assert booked(sandbox) == {"2026/001": 1}


async def test_a_file_that_gets_another_number_after_booking_is_no_new_document(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl("2026/001"), Ubl("2026/002")])
    connection = await house.connection(sandbox, tenant="Renumbered", folder=folder)
    await house.sync(connection)

    (folder / "2026_002.xml").write_text(Ubl("2026/022").xml())
    run = await house.sync(connection)

    assert run["status"] == "Warning"
    states = list((await house.states(run["id"])).values())
    assert states == ["skipped D07"]
    [issue] = [issue for item in await house.items(run["id"]) for issue in item["issues"]]
    assert issue["facts"] == {"number": "2026/002", "booking_number": "2", "origin": "2026_002.xml"}
    assert booked(sandbox) == {"2026/001": 1, "2026/002": 2}

    # the next run says so again, and forgets nothing
    run = await house.sync(connection)

    assert list((await house.states(run["id"])).values()) == ["skipped D07"]
    assert booked(sandbox) == {"2026/001": 1, "2026/002": 2}

    # put back as it was
    (folder / "2026_002.xml").write_text(Ubl("2026/002").xml())
    run = await house.sync(connection)

    assert run["status"] == "Success"
    assert booked(sandbox) == {"2026/001": 1, "2026/002": 2}


async def test_a_booked_document_that_changed_is_updated_where_octopus_allows_it(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    documents = [Ubl(number) for number in NUMBERS[:3]]
    write_files(folder, documents)
    connection = await house.connection(sandbox, tenant="Changed", folder=folder)
    await house.sync(connection)

    write_files(folder, [replace(documents[1], lines=(UblLine("150.00"),))])
    run = await house.sync(connection)

    assert run["status"] == "Success"
    assert await house.states(run["id"]) == {"2026/002": "synced O09"}
    [item] = [item for item in await house.items(run["id"]) if item["kind"] == "document"]
    assert item["updated"] and item["booking_number"] == "2"
    amounts = {entry["comment"]: str(entry["total"]) for entry in sandbox.books.entries(1001, journal="V1")}
    assert amounts == {"2026/001": "121.00", "2026/002": "181.50", "2026/003": "121.00"}

    # refused: told, not booked anew, and the link still stands for its entry
    sandbox.control.faults(kind="refuse_update")
    write_files(folder, [replace(documents[2], lines=(UblLine("300.00"),))])
    run = await house.sync(connection)

    assert run["status"] == "Warning"
    assert await house.states(run["id"]) == {"2026/003": "skipped O91"}
    link = await house.link(connection, "2026/003")
    assert (link["state"], link["entry_number"]) == ("booked", "3")
    assert booked(sandbox) == {number: at for at, number in enumerate(NUMBERS[:3], 1)}

    # a period that was closed meanwhile says so in its own words
    sandbox.control.faults(off=True)
    sandbox.control.journals(1001, journal="V1", closed_period=202601)
    run = await house.sync(connection)

    assert await house.states(run["id"]) == {"2026/003": "skipped O08"}
    assert booked(sandbox) == {number: at for at, number in enumerate(NUMBERS[:3], 1)}
