"""The commands of a working day, each in a process of its own, against a running installation."""

import asyncio
import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from dagboek import connections
from dagboek_sdk.settings import LedgerRule
from end_to_end.harness import Installation, settings_of, write_files
from ubl_text import Ubl, UblLine


async def dagboek_command(dagboek: Installation, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs a command with the installation's environment; never a traceback."""
    environment = {**dagboek.environment(), "LANG": "C.UTF-8", "USER": "anna"}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "dagboek", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        env=environment,
    )
    assert "Traceback" not in done.stdout + done.stderr
    return done


async def test_a_working_day(dagboek: Installation, sandbox: Any, tmp_path: Path) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/1"), Ubl("2026/2", lines=(UblLine("10.00", rate="12"),)), Ubl("2026/3")])
    settings = settings_of({"21": "700021"})
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl", settings=settings)
    dagboek.core()
    dagboek.worker()

    synced = await dagboek_command(dagboek, "sync", "Noordzee Koffie BV", "--json")
    assert synced.returncode == 1, synced.stderr
    (run,) = json.loads(synced.stdout)
    assert (run["status"], run["requested_by"], run["counts"]["skipped"]) == ("Warning", "anna", 1)

    listed = await dagboek_command(dagboek, "history")
    assert run["id"][:8] in listed.stdout
    details = await dagboek_command(dagboek, "history", run["id"][:8], "--details", "--language", "nl")
    assert "Grootboekrekening ontbreekt" in details.stdout
    assert "2026/2" in details.stdout
    as_json = json.loads((await dagboek_command(dagboek, "history", run["id"], "--json")).stdout)
    assert [issue["code"] for item in as_json["details"] for issue in item["issues"]] == ["B04"]

    rows = json.loads((await dagboek_command(dagboek, "documents", "--json")).stdout)
    assert {row["title"]: row["booking_number"] for row in rows} == {"2026/1": "1", "2026/2": None, "2026/3": "2"}
    waiting = await dagboek_command(dagboek, "documents", "--not-synced", "--tenant", "Noord")
    assert "2026/2" in waiting.stdout
    assert "2026/3" not in waiting.stdout

    fixed = settings.model_copy(
        update={
            "sales": settings.sales.model_copy(
                update={"ledger_accounts": (*settings.sales.ledger_accounts, LedgerRule(account="700012", rate=12))}
            )
        }
    )
    assert await connections.save_settings(dagboek.db, dagboek.plugins, connection, fixed) == []
    shown = await dagboek_command(dagboek, "preview", "BE0403019261")
    assert "700012" in shown.stdout
    again = await dagboek_command(dagboek, "retry", "2026/2")
    assert again.returncode == 0, again.stdout + again.stderr
    assert sandbox.books.entries()[-1]["number"] == 3
    assert (await dagboek_command(dagboek, "retry", "2026/2")).returncode == 1

    nothing = await dagboek_command(dagboek, "sync", "--all")
    assert nothing.returncode == 0, nothing.stdout + nothing.stderr
    assert len(sandbox.books.entries()) == 3
    assert "ended already" in (await dagboek_command(dagboek, "cancel", run["id"])).stderr


async def test_doctor_and_resolve_name_what_a_person_must_do(
    dagboek: Installation, sandbox: Any, tmp_path: Path
) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/1"), Ubl("2026/2")])
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl")
    core = dagboek.core()
    worker = dagboek.worker()
    await dagboek.sync(connection)
    for process in (core, worker):
        process.terminate()
        await asyncio.to_thread(process.wait, 30)
    assert (await dagboek_command(dagboek, "doctor")).returncode == 0

    await dagboek.db.run(
        """UPDATE link SET state = 'needs_person', entry_id = NULL, entry_number = NULL,
                  needs_person_issue = '{"code": "D10", "severity": "warning"}'
            WHERE identity = (SELECT identity FROM document WHERE number = '2026/2')"""
    )
    sick = await dagboek_command(dagboek, "doctor")
    assert sick.returncode == 1
    assert "dagboek resolve list" in sick.stdout
    (row,) = json.loads((await dagboek_command(dagboek, "resolve", "list", "--json")).stdout)
    assert (row["title"], row["standing"]) == ("2026/2", "needs a person")

    taken = await dagboek_command(dagboek, "resolve", "booked", str(row["link_id"]), "1")
    assert taken.returncode == 2
    assert "belongs to another document" in taken.stderr
    done = await dagboek_command(dagboek, "resolve", "booked", "2026/2", "2")
    assert done.returncode == 0, done.stderr
    assert "Nothing needs a person" in (await dagboek_command(dagboek, "resolve", "list")).stdout
    assert "nothing to decide" in (await dagboek_command(dagboek, "resolve", "booked", "2026/2", "2")).stderr
    rows = json.loads((await dagboek_command(dagboek, "documents", "--json")).stdout)
    assert {row["title"]: row["booking_number"] for row in rows}["2026/2"] == "2"


async def test_names_that_fit_nothing_or_too_much(dagboek: Installation, sandbox: Any, tmp_path: Path) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/1")])
    await dagboek.connection(sandbox, folder=tmp_path / "ubl")
    for arguments, words in (
        (("sync", "Nobody"), "No connection is called Nobody"),
        (("sync", "--tenant", "Nobody"), "There is no tenant Nobody"),
        (("retry", "2026/9"), "No document is called 2026/9"),
        (("history", "ffffffff"), "No run has an id"),
        (("resolve", "booked", "2026/9", "1"), "No document is called 2026/9"),
        (("preview", "Noordzee", "--language", "xx"), "There are no texts in xx"),
    ):
        done = await dagboek_command(dagboek, *arguments)
        assert done.returncode == 2, arguments
        assert words in done.stderr, done.stderr


async def test_ctrl_c_leaves_the_run_going(dagboek: Installation, sandbox: Any, tmp_path: Path) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/1")])
    await dagboek.connection(sandbox, folder=tmp_path / "ubl")
    waiting = subprocess.Popen(
        [sys.executable, "-m", "dagboek", "sync", "--all"],
        env=dagboek.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # tests that a shell started in the background are born deaf to Ctrl-C, and so would this be
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )
    try:
        async with asyncio.timeout(60):
            while await dagboek.db.one("SELECT 1 FROM run") is None:
                await asyncio.sleep(0.2)
        await asyncio.sleep(1)
        waiting.send_signal(signal.SIGINT)
        _, errors = await asyncio.to_thread(waiting.communicate, timeout=30)
    finally:
        waiting.kill()
    assert waiting.returncode == 130
    assert "goes on" in errors
    assert "Traceback" not in errors
    run = await dagboek.db.one("SELECT state FROM run")
    assert run == {"state": "requested"}

    listed = await dagboek_command(dagboek, "history", "--json")
    (row,) = json.loads(listed.stdout)
    assert row["status"] == "Pending"
    assert (await dagboek_command(dagboek, "cancel", row["id"][:8])).returncode == 0
