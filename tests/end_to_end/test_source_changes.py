"""Files that change while a run is at work: what was planned is what is pushed, and the next run does the rest."""

import asyncio
import json
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from dagboek import selection
from dagboek.chaos.ubl import Ubl, UblLine
from dagboek.planner import Planner
from dagboek_schemas.topics import Topic
from dagboek_ubl.source import UblFolder
from end_to_end.harness import GUARD, Installation, write_files

NUMBERS = [f"2026/{at:03}" for at in range(1, 61)]
"""The first window holds the pull, the customer and 48 of them; the other 12 are fetched when half of it is done."""
GONE, TURNED, CHANGED_BEFORE, CHANGED_AFTER = "2026/055", "2026/056", "2026/057", "2026/040"


def totals(sandbox: Any) -> dict[str, Decimal]:
    """Totals of the entries by the document's number; a document that stands twice fails."""
    entries = sandbox.books.entries(1001, journal="V1")
    found = {entry["comment"]: entry["total"] for entry in entries}
    assert len(found) == len(entries)
    return found


async def test_a_file_that_is_gone_another_document_or_changed_before_and_after_its_window_was_stored(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl(number) for number in NUMBERS])
    connection = await house.connection(sandbox, tenant="Moving", folder=folder)
    sandbox.control.faults(kind="latency", operation="insertBuySellBooking", seconds=1)

    run_id = await house.start_run(connection)
    async with asyncio.timeout(GUARD):
        while len(sandbox.books.entries(1001)) < 3:
            await asyncio.sleep(0.02)
    (folder / "2026_055.xml").unlink()
    (folder / "2026_056.xml").write_text(Ubl("2026/156").xml())
    write_files(folder, [Ubl(number, lines=(UblLine("300.00"),)) for number in (CHANGED_BEFORE, CHANGED_AFTER)])
    moment = await house.db.one("SELECT window_no FROM run WHERE id = %s", run_id)
    assert moment == {"window_no": 1}, "the second window was stored already: the test came too late"
    assert CHANGED_AFTER not in totals(sandbox)
    sandbox.faults.remove()
    run = await house.ended(run_id)

    skipped = {GONE: "skipped U01", TURNED: "skipped D22"}
    assert run["status"] == "Warning"
    assert await house.states(run_id) == dict.fromkeys(NUMBERS, "synced") | skipped
    planned = {number: Decimal("121.00") for number in NUMBERS if number not in skipped}
    assert totals(sandbox) == planned | {CHANGED_BEFORE: Decimal("363.00")}

    run = await house.sync(connection)

    assert run["status"] == "Success"
    assert await house.states(run["id"]) == {CHANGED_AFTER: "synced O09", "2026/156": "synced"}
    assert {item["title"] for item in await house.items(run["id"]) if item["updated"]} == {CHANGED_AFTER}
    now = {CHANGED_BEFORE: Decimal("363.00"), CHANGED_AFTER: Decimal("363.00"), "2026/156": Decimal("121.00")}
    assert totals(sandbox) == planned | now
    again = await house.sync(connection)
    assert await house.states(again["id"]) == {}


async def test_a_document_of_which_the_source_knows_nothing_any_more_is_skipped_and_the_others_go_on(
    dagboek: Installation, sandbox: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source need not say why."""
    write_files(tmp_path / "ubl", [Ubl(f"2026/00{at}") for at in range(1, 4)])
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl")
    run_id = await dagboek.start_run(connection)
    asked = []
    fetch = UblFolder.fetch

    async def forgetful(source: UblFolder, ids: Sequence[str]) -> Any:
        asked.append(ids)
        fetched = await fetch(source, ids)
        return fetched if len(asked) == 1 else [one for one in fetched if one.origin_id != "2026_002.xml"]

    monkeypatch.setattr(UblFolder, "fetch", forgetful)
    monkeypatch.setattr(selection, "FETCHED_AT_ONCE", 2)  # too many to be kept from one step to the next
    await Planner(dagboek.db, dagboek.plugins, dagboek.publisher).start(run_id)

    assert len(asked) == 2, "once to select, once for the window"
    assert await dagboek.states(run_id) == {"2026/001": "planned", "2026/002": "skipped D21", "2026/003": "planned"}
    published = await asyncio.to_thread(dagboek.events, Topic.DOCUMENTS)
    assert [json.loads(value)["sequence"] for _, value in published] == [0, 1, 2, 4]
