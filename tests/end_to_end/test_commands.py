"""The commands of a working day, each in a process of its own, against a running installation."""

import asyncio
import contextlib
import fcntl
import json
import os
import pty
import re
import signal
import struct
import subprocess
import sys
import termios
import threading
from pathlib import Path
from typing import Any

from dagboek import connections
from dagboek.chaos.ubl import Ubl, UblLine
from dagboek_schemas.topics import Topic
from dagboek_sdk.settings import LedgerRule
from end_to_end.harness import GUARD, Installation, settings_of, write_files


async def dagboek_command(
    dagboek: Installation, *arguments: str, answer: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs a command with the installation's environment, and `answer` typed; never a traceback."""
    environment = {**dagboek.environment(), "LANG": "C.UTF-8", "USER": "anna"}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "dagboek", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        input=answer,
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
        await asyncio.to_thread(process.wait, GUARD)
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

    taken = await dagboek_command(dagboek, "resolve", "booked", "--link", str(row["link_id"]), "1")
    assert taken.returncode == 2
    assert "belongs to another document" in taken.stderr
    done = await dagboek_command(dagboek, "resolve", "booked", "2026/2", "2")
    assert done.returncode == 0, done.stderr
    assert "Nothing needs a person" in (await dagboek_command(dagboek, "resolve", "list")).stdout
    assert "nothing to decide" in (await dagboek_command(dagboek, "resolve", "booked", "2026/2", "2")).stderr
    rows = json.loads((await dagboek_command(dagboek, "documents", "--json")).stdout)
    assert {row["title"]: row["booking_number"] for row in rows}["2026/2"] == "2"


async def test_a_days_calls_are_told_before_they_are_used_up(
    dagboek: Installation, sandbox: Any, tmp_path: Path
) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/1")])
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl", lift_limits=False)
    dagboek.core()
    dagboek.worker()
    await dagboek.sync(connection)

    async def says() -> list[bool]:
        told = [await dagboek_command(dagboek, *words) for words in (("history",), ("connection", "list"), ("doctor",))]
        return ["of 400 calls (bookings.create) left today" in re.sub(r"\s+", " ", one.stdout) for one in told]

    assert await says() == [False] * 3
    await dagboek.db.run("UPDATE limit_use SET used = 330 WHERE operation_group = 'bookings.create'")
    assert await says() == [True] * 3
    (row,) = json.loads((await dagboek_command(dagboek, "connection", "list", "--json")).stdout)
    (run,) = json.loads((await dagboek_command(dagboek, "history", "--json")).stdout)
    one = json.loads((await dagboek_command(dagboek, "history", run["id"], "--json")).stdout)["run"]
    for shown in (row, run, one):
        (calls,) = [calls for calls in shown["calls_left"] if calls["group"] == "bookings.create"]
        assert (calls["left"], calls["amount"], calls["low"]) == (70, 400, True)
    findings = json.loads((await dagboek_command(dagboek, "doctor", "--json")).stdout)
    assert ("calls", "note") in {(finding["subject"], finding["health"]) for finding in findings}


async def test_what_cannot_be_tried_again_is_told_as_it_is(dagboek: Installation, sandbox: Any, tmp_path: Path) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/1")])
    (tmp_path / "ubl" / "odd.xml").write_text("<Invoice>")
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl")
    dagboek.core()
    dagboek.worker()
    run = await dagboek.sync(connection)
    for arguments in (("odd.xml",), (str(run["id"])[:8], "odd.xml")):
        done = await dagboek_command(dagboek, "retry", *arguments)
        assert done.returncode == 2
        assert done.stderr.startswith("odd.xml could not be read as a document"), done.stderr
    party = await dagboek_command(dagboek, "retry", str(run["id"])[:8], "Bakkerij De Klaver BV")
    assert (party.returncode, "is no document" in party.stderr) == (2, True), party.stderr


async def test_a_long_wait_is_told_once_and_can_be_left(dagboek: Installation, sandbox: Any, tmp_path: Path) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/1"), Ubl("2026/2", lines=(UblLine("10.00", rate="12"),))])
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl", settings=settings_of({"21": "700021"}))
    sandbox.control.faults(kind="rate_limited", operation="insertBuySellBooking", seconds=7200)
    dagboek.core()
    dagboek.worker()
    await dagboek.ready()

    synced = await dagboek_command(dagboek, "sync", "--all", "--json", "--timeout", "30")
    assert synced.returncode == 1
    (run,) = json.loads(synced.stdout)
    short = run["id"][:8]
    assert run["status"] != "Success"
    assert synced.stderr.count("Octopus takes no more requests until 2") == 1, synced.stderr
    assert f"`dagboek history {short}`" in synced.stderr and f"`dagboek cancel {short}`" in synced.stderr
    assert f"Not ended yet, and going on: {short}" in synced.stderr

    again = await dagboek_command(dagboek, "sync", "--all", "--no-wait")
    assert again.stdout.strip().endswith("is going on already") and short in again.stdout

    first = await dagboek_command(dagboek, "retry", "2026/1", "--no-wait", "--json")
    (retried,) = json.loads(first.stdout)
    second = await dagboek_command(dagboek, "retry", "2026/1")
    assert second.returncode == 2
    assert f"Run {retried['run'][:8]} is trying this document already" in second.stderr, second.stderr
    for one in (run["id"], retried["run"]):
        await dagboek_command(dagboek, "cancel", one)
    assert await dagboek.db.one("SELECT 1 FROM connection WHERE id = %s", connection)


async def test_names_that_fit_nothing_or_too_much(dagboek: Installation, sandbox: Any, tmp_path: Path) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/1")])
    await dagboek.connection(sandbox, folder=tmp_path / "ubl")
    for arguments, words in (
        (("sync", "Nobody"), "No connection is called Nobody"),
        (("sync", "--tenant", "Nobody"), "There is no tenant Nobody"),
        (("retry", "2026/9"), "No document is called 2026/9"),
        (("history", "ffffffff"), "No run has an id"),
        (("resolve", "booked", "2026/9", "1"), "There is no document 2026/9"),
        (("resolve", "booked", "2026/9"), "Name the document and its booking number"),
        (("resolve", "booked", "--link", "7", "2026/9", "1"), "Name the document and its booking number"),
        (("resolve", "send-again", "--yes"), "Name the document by its number, or by --link"),
        (("resolve", "seen", "2026/1", "--link", "7"), "Name the document by its number, or by --link"),
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
        async with asyncio.timeout(GUARD):
            while not await asyncio.to_thread(dagboek.events, Topic.COMMANDS):
                await asyncio.sleep(0.2)
        await asyncio.sleep(1)
        waiting.send_signal(signal.SIGINT)
        _, errors = await asyncio.to_thread(waiting.communicate, timeout=60)
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


async def test_what_a_person_decides(dagboek: Installation, sandbox: Any, tmp_path: Path) -> None:
    folder = tmp_path / "ubl"
    write_files(folder, [Ubl("2026/1"), Ubl("2026/2")])
    connection = await dagboek.connection(sandbox, folder=folder)
    dagboek.core()
    dagboek.worker()
    assert (await dagboek.sync(connection))["status"] == "Success"
    await dagboek.db.run(
        """UPDATE link SET state = 'needs_person', entry_id = NULL, entry_number = NULL, settle_due = now()
           WHERE kind = 'document'"""
    )

    # not there: sent again, but only by one who has looked
    hesitant = await dagboek_command(dagboek, "resolve", "send-again", "2026/1", answer="n\n")
    assert hesitant.returncode == 1
    assert "sales invoice 2026/1, Bakkerij De Klaver BV, 2026-03-02, 121.00 EUR: needs a person" in hesitant.stdout
    assert "Have you looked" in hesitant.stdout
    assert await dagboek.db.one("SELECT 1 FROM run WHERE trigger = 'resend'") is None
    sent = await dagboek_command(dagboek, "resolve", "send-again", "2026/1", answer="y\n")
    assert sent.returncode == 0, sent.stderr
    resent = await dagboek.until("SELECT id, requested_by FROM run WHERE trigger = 'resend'")
    assert str(resent["id"])[:8] in sent.stdout
    assert resent["requested_by"] == "anna"
    assert (await dagboek.ended(resent["id"]))["status"] == "Success"
    comments = [entry["comment"] for entry in sandbox.books.entries(1001, journal="V1")]
    assert comments == ["2026/1", "2026/2", "2026/1"]

    # there: booked under a number alone, so a later change can only be told, until a person has seen it
    assert (await dagboek_command(dagboek, "resolve", "booked", "2026/2", "2")).returncode == 0
    assert await changes_told(dagboek) == []
    write_files(folder, [Ubl("2026/2", lines=(UblLine("70.00"),))])
    assert await changes_told(dagboek) == await changes_told(dagboek) == ["D07"]
    seen = await dagboek_command(dagboek, "resolve", "seen", "2026/2", "--tenant", "noord")
    assert (seen.returncode, "not reported again" in seen.stdout) == (0, True), seen.stderr
    assert await changes_told(dagboek) == []
    write_files(folder, [Ubl("2026/2", lines=(UblLine("80.00"),))])
    assert await changes_told(dagboek) == ["D07"]
    assert len(sandbox.books.entries(1001, journal="V1")) == 3


async def changes_told(dagboek: Installation) -> list[str]:
    """Codes of the issues of a new synchronisation."""
    synced = await dagboek_command(dagboek, "sync", "--all", "--json")
    (run,) = json.loads(synced.stdout)
    details = json.loads((await dagboek_command(dagboek, "history", run["id"], "--json")).stdout)["details"]
    codes = [issue["code"] for item in details for issue in item["issues"]]
    assert synced.returncode == (1 if codes else 0), synced.stdout + synced.stderr
    return codes


async def test_a_run_at_work_is_cancelled(dagboek: Installation, sandbox: Any, tmp_path: Path) -> None:
    write_files(tmp_path / "ubl", [Ubl(f"2026/{at:03}") for at in range(1, 61)])
    await dagboek.connection(sandbox, folder=tmp_path / "ubl")
    sandbox.control.faults(kind="latency", operation="insertBuySellBooking", seconds=0.2)
    dagboek.core()
    dagboek.worker()
    started = json.loads((await dagboek_command(dagboek, "sync", "--all", "--no-wait", "--json")).stdout)
    run_id = started[0]["run"]
    await dagboek.until("SELECT 1 FROM item WHERE run_id = %s AND kind = 'document' AND state = 'synced'", run_id)

    done = await dagboek_command(dagboek, "cancel", run_id[:8])

    assert (done.returncode, "is being cancelled" in done.stdout) == (0, True), done.stderr
    await dagboek.ended(run_id)
    shown = json.loads((await dagboek_command(dagboek, "history", run_id[:8], "--json")).stdout)["run"]
    assert shown["status"] == "Cancelled"
    assert shown["counts"]["not_tried"] > 0
    documents = [item for item in await dagboek.items(run_id) if item["kind"] == "document"]
    booked = len(sandbox.books.entries(1001, journal="V1"))
    assert 0 < booked < 60
    assert booked == sum(item["state"] == "synced" for item in documents)
    again = await dagboek_command(dagboek, "cancel", run_id[:8])
    assert (again.returncode, "ended already (Cancelled)" in again.stderr) == (1, True)


async def test_details_give_cause_remedy_and_the_words_of_the_tool(
    dagboek: Installation, sandbox: Any, tmp_path: Path
) -> None:
    write_files(tmp_path / "ubl", [Ubl("2026/1")])
    connection = await dagboek.connection(sandbox, folder=tmp_path / "ubl")
    sandbox.control.journals(1001, journal="V1", closed_period=202601)  # after its lists were read: the tool says so
    dagboek.core()
    dagboek.worker()
    run = await dagboek.sync(connection)

    shown = await dagboek_command(dagboek, "history", str(run["id"])[:8], "--details", "--language", "en")

    assert shown.returncode == 0, shown.stderr
    told = shown.stdout.partition("sales invoices  2026/1  skipped")[2]
    for words in (
        "O01 Book year or period is closed",
        "Cause: The document of 2026-03-02 belongs in period 202601 of book year 2026",
        "Remedy: In Octopus, set 'Secured till period'",
        "The tool says: Deze periode is beveiligd of afgesloten: Dossier 1001",
    ):
        assert words in told, shown.stdout
    plain = await dagboek_command(dagboek, "history", str(run["id"])[:8])
    assert "Cause: " not in plain.stdout and "--details" in plain.stdout


async def test_a_terminal_shows_progress_by_component(dagboek: Installation, sandbox: Any, tmp_path: Path) -> None:
    write_files(tmp_path / "ubl", [Ubl(f"2026/{at}") for at in range(1, 11)])
    await dagboek.connection(sandbox, folder=tmp_path / "ubl")
    sandbox.control.faults(kind="latency", operation="insertBuySellBooking", seconds=0.3)
    dagboek.core()
    dagboek.worker()

    status, shown = await asyncio.to_thread(on_a_terminal, dagboek, "sync", "--all")

    assert status == 0, shown
    assert re.search(r"Noordzee Koffie BV into octopus +In progress", shown), shown
    steps = re.findall(r"sales invoices +(?:Pending|In progress|Success) +━+ +(\d+)/10", shown)
    assert len(set(steps)) > 2 and sorted(steps, key=int) == steps, shown
    assert re.search(r"customers +Success +━+ +1/1", shown), shown
    assert re.search(r"sales invoices +Success +10 +10 +0", shown.rpartition("component")[2]), shown


def on_a_terminal(dagboek: Installation, *arguments: str) -> tuple[int, str]:
    """Exit status, and all that a terminal of 80 columns was sent, without colours."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 80, 0, 0))
    environment = {name: value for name, value in dagboek.environment().items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "dagboek", *arguments],
        env={**environment, "LANG": "C.UTF-8", "TERM": "xterm"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    shown = bytearray()
    reader = threading.Thread(target=read_into, args=(shown, ours), daemon=True)
    reader.start()
    try:
        status = process.wait(120)
    finally:
        process.kill()
    reader.join(2)  # not every system says that the other side is closed
    os.close(ours)
    return status, re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown.decode())


def read_into(shown: bytearray, terminal: int) -> None:
    with contextlib.suppress(OSError):
        while some := os.read(terminal, 65536):
            shown += some
