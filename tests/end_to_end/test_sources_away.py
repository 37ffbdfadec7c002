"""A source that cannot be read holds back its own documents; where there is no other, the run waits for it."""

from pathlib import Path
from typing import Any

from dagboek import sources, tenants
from dagboek.chaos.ubl import Ubl
from end_to_end.harness import Installation, write_files


async def test_one_source_that_is_away_is_named_and_the_others_go_on(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/001")])
    connection = await house.connection(sandbox, tenant="Sources", folder=tmp_path / "ubl")
    owner = await tenants.ensure_tenant(house.db, "Sources")
    other = tmp_path / "other"
    write_files(other, [Ubl("2026/002")])
    await sources.ensure_source(house.db, house.plugins, owner.id, "ubl", "the other", {"folder": str(other)})
    other.rename(tmp_path / "unmounted")

    run = await house.sync(connection)

    assert run["status"] == "Warning"
    assert await house.states(run["id"]) == {"the other": "skipped D20", "2026/001": "synced"}
    told = {data.get("document_number"): type_ for type_, data in await house.told(run["id"])}
    assert told["2026/001"] == "dagboek.document.booked.v1"

    (tmp_path / "unmounted").rename(other)
    run = await house.sync(connection)

    assert run["status"] == "Success"
    assert await house.states(run["id"]) == {"2026/002": "synced"}


async def test_a_run_whose_only_source_is_away_stands_still_and_goes_on_when_it_is_back(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl("2026/001")])
    connection = await house.connection(sandbox, tenant="Folder away", folder=folder)
    folder.rename(tmp_path / "unmounted")

    run_id = await house.start_run(connection)
    parked = await house.until("SELECT * FROM run WHERE id = %s AND state = 'parked'", run_id)

    assert parked["park_reason"] == "source_unavailable"
    assert parked["park_issue"]["code"] == "D20"
    (tmp_path / "unmounted").rename(folder)
    await house.db.run("UPDATE run SET parked_until = now() WHERE id = %s", run_id)
    run = await house.ended(run_id)
    assert run["status"] == "Success"
    assert await house.states(run_id) == {"2026/001": "synced"}
