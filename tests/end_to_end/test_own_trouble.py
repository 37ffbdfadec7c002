"""Trouble of one item stays its own: a spent limit of updates, numbers that are taken, a customer refused once."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from dagboek.chaos.ubl import Ubl, UblLine
from end_to_end.harness import Installation, octopus, write_files

MORE = (UblLine("150.00"),)


def comments(sandbox: Any) -> list[str]:
    """What the entries in the sales journal say, in the order of their numbers."""
    entries = sandbox.books.entries(1001, journal="V1")
    assert [entry["number"] for entry in entries] == list(range(1, len(entries) + 1))
    return [entry["comment"] for entry in entries]


async def test_updates_beyond_the_days_limit_wait_and_new_documents_go_on(house: Installation, tmp_path: Path) -> None:
    """Octopus takes ten changes of bookings a day."""
    folder = tmp_path / "ubl"
    documents = [Ubl(f"2026/{at:03}") for at in range(1, 13)]
    write_files(folder, documents)
    async with octopus(limits=True) as sandbox:
        connection = await house.connection(sandbox, tenant="Updates", folder=folder, lift_limits=False)
        await house.sync(connection)
        write_files(folder, [*(replace(one, lines=MORE) for one in documents), Ubl("2026/013")])

        run = await house.sync(connection)

        states = await house.states(run["id"])
        updated = dict.fromkeys([one.number for one in documents[:10]], "synced O09")
        assert states == updated | {"2026/011": "not_ready B05", "2026/012": "not_ready B05", "2026/013": "synced"}
        assert run["status"] == "Success"
        assert comments(sandbox) == [f"2026/{at:03}" for at in range(1, 14)]


async def test_an_item_whose_number_is_taken_each_time_is_named_and_the_others_go_on(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/001"), Ubl("2026/002")])
    connection = await house.connection(sandbox, tenant="Taken", folder=tmp_path / "ubl")
    sandbox.control.faults(kind="refuse", operation="insertBuySellBooking", code=-13, status=400, times=4)

    run = await house.sync(connection)

    assert await house.states(run["id"]) == {"2026/001": "skipped D33", "2026/002": "synced"}
    run = await house.sync(connection)
    assert await house.states(run["id"]) == {"2026/001": "synced"}
    assert comments(sandbox) == ["2026/002", "2026/001"]


async def test_a_customer_refused_once_holds_back_nothing_when_it_is_as_it_was(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl("2026/001")])
    connection = await house.connection(sandbox, tenant="Once", folder=folder)
    await house.sync(connection)
    sandbox.control.faults(kind="refuse", operation="insertUpdateRelation", code=-16, status=400)
    moved = Ubl("2026/002", customer_name="Bakkerij Het Klavertje BV")
    write_files(folder, [moved])

    run = await house.sync(connection)

    assert await house.states(run["id"]) == {"2026/002": "skipped D08"}
    # the name was a mistake of ours: what is booked of the customer is right, and nothing is sent of it
    write_files(folder, [replace(moved, customer_name=Ubl("").customer_name)])

    run = await house.sync(connection)

    assert await house.states(run["id"]) == {"2026/002": "synced"}
    assert comments(sandbox) == ["2026/001", "2026/002"]


async def test_a_login_that_is_refused_is_tried_once_and_ends_the_run(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    """Octopus counts failed logins: each item trying again would lock the user out."""
    write_files(tmp_path / "ubl", [Ubl(f"2026/{at:03}") for at in range(1, 31)])
    connection = await house.connection(sandbox, tenant="Locked", folder=tmp_path / "ubl")
    sandbox.control.faults(kind="refuse", path="/authentication", code=-1, status=401)
    sandbox.control.clock(advance_seconds=3600)  # every token has ended
    before = len(sandbox.control.requests(operation="authenticateUser", last=1000)["requests"])

    run = await house.sync(connection)

    assert run["status"] == "Error"
    assert run["park_issue"]["code"] == "O31"
    assert set((await house.states(run["id"])).values()) == {"not_tried D27"}
    assert sandbox.books.entries(1001) == []
    after = len(sandbox.control.requests(operation="authenticateUser", last=1000)["requests"])
    assert after - before == 1
    row = await house.db.one("SELECT state FROM connection WHERE id = %s", connection)
    assert row == {"state": "reconnect"}
