"""What people do meanwhile: cancel, retry one document, decide about one, connect again."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from dagboek import resolve, runs
from dagboek.chaos.ubl import Ubl, UblLine
from dagboek.runs import AlreadyRunning, NotReadyToSync
from end_to_end.harness import GUARD, Installation, settings_of, write_files

MANY = [f"2026/{at:03}" for at in range(1, 61)]


async def slow(house: Installation, sandbox: Any, folder: Path, tenant: str, **options: Any) -> Any:
    """A connection with many documents to a tool that takes its time."""
    write_files(folder, [Ubl(number) for number in MANY])
    connection = await house.connection(sandbox, tenant=tenant, folder=folder, **options)
    sandbox.control.faults(kind="latency", operation="insertBuySellBooking", seconds=0.05)
    return connection


async def some_booked(sandbox: Any, number: int = 3) -> None:
    async with asyncio.timeout(GUARD):
        while len(sandbox.books.entries(1001, journal="V1")) < number:
            await asyncio.sleep(0.02)


async def test_a_cancelled_run_ends_and_the_next_goes_on_where_it_was(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    connection = await slow(house, sandbox, tmp_path / "ubl", "Cancelled")
    run_id = await house.start_run(connection)
    await some_booked(sandbox)

    assert await runs.cancel(house.db, run_id)
    run = await house.ended(run_id)

    assert run["status"] == "Cancelled"
    states = await house.states(run_id)
    assert set(states.values()) == {"synced", "not_tried D27"}
    booked = sandbox.books.entries(1001, journal="V1")
    assert sum(state == "synced" for state in states.values()) == len(booked) < len(MANY)
    told = await house.told(run_id)
    assert told[-1][0] == "dagboek.run.finished.v1" and told[-1][1]["status"] == "Cancelled"
    outcomes = [data for _, data in told if data.get("document_number")]
    assert {data["document_number"]: data["state"] for data in outcomes} == {
        number: state.partition(" ")[0] for number, state in states.items()
    }
    assert len(outcomes) == len(MANY)
    assert not await runs.cancel(house.db, run_id)

    sandbox.control.faults(off=True)
    run = await house.sync(connection)

    assert run["status"] == "Success"
    assert [entry["comment"] for entry in sandbox.books.entries(1001, journal="V1")] == MANY


async def test_one_document_is_retried_while_a_long_run_goes_on(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl("2025/999", lines=(UblLine("10.00", rate="12"),), date="2025-12-31")])
    connection = await slow(house, sandbox, folder, "Retried", settings=settings_of({"21": "700000"}))
    long_id = await house.start_run(connection)
    await house.until("SELECT 1 FROM item WHERE run_id = %s AND title = '2025/999' AND state = 'skipped'", long_id)
    with pytest.raises(AlreadyRunning):
        await house.start_run(connection)

    # its own page has the button; one that is booked already is asked for as well
    link = await house.link(connection, "2025/999")
    small = await resolve.retry(house.db, house.publisher, link["administration_id"], link["identity"])
    await house.ended(small)
    again = await resolve.retry(house.db, house.publisher, link["administration_id"], link["identity"])
    of_long = await house.link(connection, "2026/060")
    same = await resolve.retry(house.db, house.publisher, of_long["administration_id"], of_long["identity"])
    ended = [await house.ended(run_id) for run_id in (small, again, same, long_id)]

    assert [row["status"] for row in ended] == ["Warning", "Warning", "Success", "Warning"]
    assert await house.states(small) == {"2025/999": "skipped B04"}
    assert list((await house.states(same)).keys()) == ["2026/060"]
    entries = sandbox.books.entries(1001, journal="V1")
    assert sorted(entry["comment"] for entry in entries) == MANY
    assert sorted(entry["number"] for entry in entries) == list(range(1, 61))
    totals = {(await house.states(run_id))["2026/060"] for run_id in (same, long_id)}
    assert totals <= {"synced", "unchanged"} and "synced" in totals


async def test_a_person_decides_about_a_booking_that_nobody_can_find(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    """Somebody typed the document while its answer was lost: alike, and not ours for certain."""
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl("2026/001"), Ubl("2026/002", lines=(UblLine("50.00"),))])
    connection = await house.connection(sandbox, tenant="Asked", folder=folder, call_deadline=5)
    sandbox.control.faults(kind="error_503_before", operation="insertBuySellBooking", times=2)
    run_id = await house.start_run(connection)
    await house.until("SELECT 1 FROM item WHERE run_id = %s AND state = 'to_settle'", run_id)
    [relation] = sandbox.control.relations(1001)
    sandbox.control.book_by_hand(
        1001, "V1", relation=relation["relationIdentificationServiceData"]["relationKey"]["id"], date="2026-03-02",
        vat_code="21", account=700000, amount="121.00", comment="met de hand",
    )  # fmt: skip

    run = await house.ended(run_id)

    assert run["status"] == "Warning"
    assert await house.states(run_id) == {"2026/001": "needs_person D10", "2026/002": "synced"}
    assert [entry["number"] for entry in sandbox.books.entries(1001, journal="V1")] == [1, 2]
    later = await house.sync(connection)
    assert await house.states(later["id"]) == {"2026/001": "needs_person D10"}

    link = await house.link(connection, "2026/001")
    with pytest.raises(resolve.CannotResolve, match="belongs to another"):
        await resolve.mark_as_booked(house.db, link["tenant_id"], link["id"], "2")
    sent = await resolve.send_again(house.db, house.publisher, link["tenant_id"], link["id"], "test")
    assert sent is not None
    small = await house.ended(sent)

    assert small["status"] == "Success" and small["trigger"] == "resend"
    comments = [entry["comment"] for entry in sandbox.books.entries(1001, journal="V1")]
    assert comments == ["met de hand", "2026/002", "2026/001"]
    versions = [row["link_version"] for row in await house.db.all(
        "SELECT link_version FROM link WHERE identity = %s ORDER BY incarnation", link["identity"]
    )]  # fmt: skip
    assert len(versions) == 2 and versions[0] < versions[1]
    assert (await house.states((await house.sync(connection))["id"])) == {}


async def test_a_password_that_no_longer_works_ends_the_run_and_loses_nothing(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    connection = await slow(house, sandbox, tmp_path / "ubl", "Locked")
    run_id = await house.start_run(connection)
    await some_booked(sandbox)
    user, old = sandbox.credentials["user"], sandbox.credentials["password"]
    sandbox.control.logins(user=user, password="another")
    sandbox.control.faults(kind="token_expired", operation="insertBuySellBooking", times=1)
    sandbox.control.faults(kind="token_expired", path="/dossiers", times=1)

    run = await house.ended(run_id)

    assert run["status"] == "Error"
    assert run["park_issue"]["code"] == "O31"
    assert old not in str(run)
    states = set((await house.states(run_id)).values())
    assert states == {"synced", "not_tried D27"}
    row = await house.db.one("SELECT state FROM connection WHERE id = %s", connection)
    assert row == {"state": "reconnect"}
    with pytest.raises(NotReadyToSync, match="Connect it again"):
        await house.start_run(connection)

    sandbox.control.faults(off=True)
    sandbox.control.logins(user=user, password=old)
    again = await house.connection(sandbox, tenant="Locked", folder=tmp_path / "ubl")
    run = await house.sync(again)

    assert again == connection
    assert run["status"] == "Success"
    assert [entry["comment"] for entry in sandbox.books.entries(1001, journal="V1")] == MANY
