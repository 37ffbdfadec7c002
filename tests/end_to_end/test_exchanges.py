"""What was asked of the tool and answered is kept where it was no plain success, without secrets."""

import json
from pathlib import Path
from typing import Any

from dagboek.chaos.ubl import Ubl
from end_to_end.harness import Installation, write_files
from end_to_end.test_commands import dagboek_command


async def test_a_refusal_is_kept_with_its_words_and_without_secrets(
    house: Installation, sandbox: Any, tmp_path: Path
) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/001"), Ubl("2026/002")])
    connection = await house.connection(sandbox, tenant="Kept", folder=tmp_path / "ubl")
    sandbox.control.faults(kind="refuse", operation="insertBuySellBooking", code=-16, status=400, times=1)
    run = await house.sync(connection)
    await house.until("SELECT 1 FROM exchange WHERE run_id = %s", run["id"])  # they are stored beside the work

    told = await dagboek_command(house, "history", str(run["id"]), "--exchanges", "--json")

    [kept] = json.loads(told.stdout)["exchanges"]
    assert (kept["title"], kept["method"], kept["status"]) == ("2026/001", "POST", 400)
    assert "/buysellbookings" in kept["url"]
    assert '"comment": "2026/001"' in kept["request"]
    assert "-16" in kept["answer"]
    for secret in (sandbox.credentials["password"], "eyJ"):
        assert secret not in told.stdout
    shown = await dagboek_command(house, "history", str(run["id"]), "--exchanges")
    assert "POST" in shown.stdout and "Answered: " in shown.stdout
