"""A nightly run does not send what was refused before, and says that it still is not booked."""

from pathlib import Path
from typing import Any

from dagboek import connections
from dagboek.chaos.ubl import Ubl
from dagboek_schemas.statuses import Trigger
from dagboek_schemas.topics import Topic
from end_to_end.harness import Installation, settings_of, write_files

BOOKING = "insertBuySellBooking"


def sent(sandbox: Any) -> int:
    return len(sandbox.requests.last(100_000, BOOKING))


async def test_what_the_tool_refused_is_not_sent_each_night_until_something_changes(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/001")])
    connection = await house.connection(sandbox, tenant="Refused", folder=tmp_path / "ubl")
    sandbox.control.faults(kind="refuse", operation=BOOKING, code=-16, status=400, times=100)
    run = await house.sync(connection, trigger=Trigger.AUTOMATIC)
    before = await house.states(run["id"])
    assert (run["status"], list(before)) == ("Warning", ["2026/001"])
    assert before["2026/001"].startswith("skipped")
    calls = sent(sandbox)
    assert calls > 0

    night = await house.sync(connection, trigger=Trigger.AUTOMATIC)

    assert sent(sandbox) == calls, "it was sent again for nothing"
    assert night["status"] == "Warning"
    assert await house.states(night["id"]) == before
    [told] = [data for _, data in await house.told(night["id"]) if data.get("document_number")]
    assert (told["state"], told["repeated"], len(told["issues"])) == ("skipped", True, 1)
    [end] = [data for type_, data in await house.told(night["id"]) if type_ == "dagboek.run.finished.v1"]
    assert (end["counts"]["total"], end["counts"]["skipped"]) == (1, 1)
    # whoever listens to warnings heard of it when it was tried, and once
    warnings = await house.heard(Topic.WARNINGS)
    mine = [data["run_id"] for _, data in warnings.values() if data["connection_id"] == str(connection)]
    assert mine == [str(run["id"])]

    # a person asks: it is tried
    by_hand = await house.sync(connection)
    assert sent(sandbox) > calls
    assert await house.states(by_hand["id"]) == before

    # and so it is when a setting changes, at night
    sandbox.control.faults(off=True)
    settings = settings_of().model_copy(update={"check_vat_numbers": True})
    assert await connections.save_settings(house.db, house.plugins, connection, settings) == []
    night = await house.sync(connection, trigger=Trigger.AUTOMATIC)
    assert (night["status"], await house.states(night["id"])) == ("Success", {"2026/001": "synced"})


async def test_documents_of_a_refused_customer_wait_for_it_and_go_when_it_is_corrected(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/001", customer="BE0404616495", customer_name="Typfout BV")])
    settings = settings_of().model_copy(update={"check_vat_numbers": True})
    connection = await house.connection(sandbox, tenant="Waits", folder=tmp_path / "ubl", settings=settings)
    for _ in range(2):
        run = await house.sync(connection, trigger=Trigger.AUTOMATIC)
        assert await house.states(run["id"]) == {"2026/001": "skipped D08"}

    # a second document of the same customer: the customer is not tried, and it waits as well
    write_files(tmp_path / "ubl", [Ubl("2026/002", customer="BE0404616495", customer_name="Typfout BV")])
    run = await house.sync(connection, trigger=Trigger.AUTOMATIC)
    assert await house.states(run["id"]) == {"2026/001": "skipped D08", "2026/002": "skipped D08"}
    rows = await house.items(run["id"])
    assert {row["title"]: row["repeated"] for row in rows if row["kind"] != "pull"} == {
        "Typfout BV": True,
        "2026/001": True,
        "2026/002": False,
    }

    write_files(tmp_path / "ubl", [Ubl(f"2026/00{at}", customer="BE0404616494") for at in (1, 2)])
    run = await house.sync(connection, trigger=Trigger.AUTOMATIC)
    assert await house.states(run["id"]) == {"2026/001": "synced", "2026/002": "synced"}
