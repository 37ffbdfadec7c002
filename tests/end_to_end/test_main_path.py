"""The main job: documents in, booked once, one skipped with its reason, the rest gone on."""

from pathlib import Path
from typing import Any

from dagboek.chaos.ubl import Ubl, UblLine
from end_to_end.harness import Installation, settings_of, write_files


async def test_ten_invoices_of_which_the_seventh_lacks_an_account(
    dagboek: Installation, sandbox: Any, tmp_path: Path
) -> None:
    numbers = [f"2026/{at:03}" for at in range(1, 11)]
    write_files(
        tmp_path / "ubl",
        [
            Ubl(number, lines=(UblLine(f"{at}00.00", rate="12" if at == 7 else "21"),))
            for at, number in enumerate(numbers, 1)
        ],
    )
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl", settings=settings_of({"21": "700000"}))
    dagboek.core()
    dagboek.worker()

    run = await dagboek.sync(connection)

    assert run["status"] == "Warning"
    invoices = [item for item in await dagboek.items(run["id"]) if item["component"] == "sales_invoices"]
    assert [item["title"] for item in invoices] == numbers
    assert [item["state"] for item in invoices] == ["synced"] * 6 + ["skipped"] + ["synced"] * 3
    assert [issue["code"] for issue in invoices[6]["issues"]] == ["B04"]
    booked = sandbox.books.entries(journal="V1")
    assert [entry["number"] for entry in booked] == list(range(1, 10))
