"""`dagboek demo` as a stranger runs it: one command, nothing but Python, and nothing left running."""

import json
import re
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
import psutil  # type: ignore[import-untyped]
import pytest
from dagboek.chaos.ubl import Ubl, UblLine
from end_to_end.demo_command import demo, left_running, on_a_terminal, outlived
from end_to_end.harness import write_files


def test_the_demo_books_all_but_one_then_that_one(home: Path) -> None:
    done = demo(home, "--json")
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    assert told["faults"] == []
    assert len({run["tenant"] for run in told["runs"]}) == 2
    assert len({run["entity"] for run in told["runs"]}) == 4
    assert [one["issues"] for one in told["skipped"]] == [["B04"]]
    assert [one["document"] for one in told["booked_after_the_fix"]] == [told["skipped"][0]["document"]]
    assert all(one["balanced"] and one["documents"] == one["asked"] > 0 for one in told["ledgers"])
    tenant = {
        run["tenant"]: {one["entity"] for one in told["runs"] if one["tenant"] == run["tenant"]} for run in told["runs"]
    }
    tools = {name: {one["tool"] for one in told["ledgers"] if one["entity"] in of} for name, of in tenant.items()}
    assert {"octopus", "exact", "yuki"} in tools.values(), "one tenant has its companies on three tools"
    uploaded = {one["document"]: one for one in told["taken_and_booked_later"]}
    assert uploaded.keys() == {"P-260218", "DR26/5512", "P-260218C"}
    assert {(one["tool"], one["booking_number"] is not None) for one in uploaded.values()} == {("yuki", True)}
    assert told["console"]["pages"] == ["/", "/runs", "/documents"], "without a terminal the demo itself looked at them"
    assert told["console"]["link"] is None
    assert not (home / "demo" / "services.json").exists()


async def test_on_a_terminal_the_console_stays_open_until_ctrl_c(home: Path) -> None:
    with on_a_terminal(home) as terminal:
        told = terminal.until(r"Ctrl-C stops it\.")
        (link,) = re.findall(r"^(http://127\.0\.0\.1:\d+/sign-in/link/\S+)$", told, re.M)
        assert re.search(r"Exact Online\n.*Address of a sandbox: http://127\.0\.0\.1:", told, re.S)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
            async with browser.get(link) as offered:
                assert (offered.status, "Demo" in await offered.text()) == (200, True)
            async with browser.post(link) as signed_in:
                integrations = await signed_in.text()
            assert all(name in integrations for name in ("Noordzee Koffie", "Octopus", "Exact Online", "Yuki"))
            runs = await read(browser, link, "/runs")
            assert runs.count("demo@example.com") >= 6, "two runs of each company of the tenant"
            pages = [await read(browser, link, run) for run in dict.fromkeys(re.findall(r"/runs/[0-9a-f-]{36}", runs))]
            assert [("2026-0007" in page, "Ledger account missing" in page) for page in pages].count((True, True)) == 1
            assert "2026-0007" in await read(browser, link, "/documents")
            async with browser.post(link) as again:
                assert again.status == 410, "it signs in once"
        family = psutil.Process(terminal.process.pid).children(recursive=True)
        terminal.type("\x03")
        terminal.until(r"Everything is stopped\.")
        assert terminal.process.wait(60) == 0
    assert outlived(family) == []
    assert left_running(home) == []


async def read(browser: aiohttp.ClientSession, link: str, path: str) -> str:
    """A page of the console that `link` leads to."""
    async with browser.get(urljoin(link, path)) as answer:
        assert (answer.status, answer.url.path) == (200, path)
        return await answer.text()


def test_again_for_people_in_dutch_from_a_fresh_state(home: Path) -> None:
    done = demo(home, "--language", "nl", "--no-console")
    assert done.returncode == 0, done.stderr
    assert "Grootboekrekening ontbreekt" in done.stdout
    assert "is booked now, as number" in done.stdout
    assert "What to try next" in done.stdout
    assert not (home / "demo" / "logs" / "web.log").exists(), "there was no console"
    assert "Traceback" not in done.stdout + done.stderr


def test_anyones_files_with_a_report(home: Path, tmp_path: Path) -> None:
    folder, report = tmp_path / "mine", tmp_path / "out" / "report.jsonl"
    write_files(
        folder,
        [
            Ubl("A1", lines=(UblLine("100.00"), UblLine("33.33", rate="6"), UblLine("10.00", rate="17.5"))),
            Ubl("A2", credit=True, lines=(UblLine("50.00"),)),
            Ubl("B1", supplier="BE0404616494", supplier_name="Andere NV", customer="BE0403019261"),
            Ubl("W1", wrong_total=Decimal("1.00")),
        ],
    )
    (folder / "below").mkdir()
    (folder / "below" / "copy.xml").write_text((folder / "A1.xml").read_text())
    (folder / "broken.xml").write_text("<Invoice")

    done = demo(home, "--invoices", str(folder), "--report", str(report), "--json")

    assert done.returncode == 0, done.stderr
    rows = {row["file"]: row for row in map(json.loads, report.read_text().splitlines())}
    assert {file: row["outcome"] for file, row in rows.items()} == {
        "A1.xml": "booked",
        "A2.xml": "booked",
        "B1.xml": "booked",
        "W1.xml": "skipped",
        "below/copy.xml": "booked",
        "broken.xml": "skipped",
    }
    amounts = rows["A1.xml"]["amounts"]
    assert (amounts["net"], amounts["vat_total"], amounts["total"]) == ("143.33", "24.75", "168.08")
    assert {row["rate"]: row["vat"] for row in amounts["vat"]} == {"21": "21.00", "6": "2.00", "17.5": "1.75"}
    assert rows["A2.xml"]["amounts"]["total"] == "-60.50"
    copy = rows["below/copy.xml"]
    assert copy["issue_codes"] == ["D05"]
    assert (copy["copy_of"], copy["booking_number"]) == ("A1.xml", rows["A1.xml"]["booking_number"])
    assert json.loads(done.stdout)["outcomes"] == {"booked": 4, "skipped": 2}
    assert (rows["W1.xml"]["rules"], rows["A1.xml"]["rules"]) == (["BR-CO-15"], [])
    assert rows["broken.xml"]["issues"][0]["remedy"]
    assert len({row["entity"] for row in rows.values()}) == 2


def test_one_company_among_others_sees_its_purchases(home: Path, tmp_path: Path) -> None:
    folder, report = tmp_path / "mine", tmp_path / "report.jsonl"
    write_files(
        folder,
        [
            Ubl("S1"),
            Ubl("P1", supplier="BE0404616494", supplier_name="Andere NV", customer="BE0403019261"),
            Ubl("X1", supplier="BE0404616494", supplier_name="Andere NV", customer="BE0999200166"),
        ],
    )
    done = demo(
        home, "--invoices", str(folder), "--entity", "BE 0403.019.261", "--report", str(report), "--language", "fr"
    )
    assert done.returncode == 0, done.stderr
    rows = {row["document_number"] or row["file"]: row for row in map(json.loads, report.read_text().splitlines())}
    assert (rows["S1"]["journal"], rows["P1"]["journal"]) == ("V1", "A1")
    assert rows["X1.xml"]["outcome"] == "skipped"
    assert "neither seller nor buyer" in rows["X1.xml"]["reason"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--invoices", "nowhere"), "is no folder"),
        (("--report", "x.jsonl"), "go with --invoices"),
        (("--invoices", ".", "--rate", "SEK"), "SEK=0.09"),
        (
            ("--invoices", ".", "--entity", "BE123"),
            "--entity BE123 is no VAT number of BE: one looks like BE0999999999",
        ),
        (("--invoices", ".", "--entity", "Acme"), "--entity Acme is no VAT number"),
    ],
)
def test_wrong_wishes_are_told_before_anything_starts(home: Path, arguments: tuple[str, ...], words: str) -> None:
    done = demo(home, *arguments)
    assert done.returncode == 2
    assert words in " ".join(done.stderr.split())
    assert "Starting" not in done.stdout


def test_a_folder_without_files_is_told_before_anything_starts(home: Path, tmp_path: Path) -> None:
    (tmp_path / ".hidden").mkdir()
    for name in ("photo.jpg", ".A1.xml", ".hidden/A1.xml"):
        (tmp_path / name).write_text("<Invoice/>")
    done = demo(home, "--invoices", str(tmp_path))
    assert done.returncode == 2
    assert "There is no UBL file" in done.stderr
    assert done.stdout == ""


def test_people_read_why_a_file_is_not_booked_and_what_to_do(home: Path, tmp_path: Path) -> None:
    wrong = [Ubl(f"W{number:02}", wrong_total=Decimal("1.00")) for number in range(1, 13)]
    write_files(tmp_path, [Ubl("A1"), Ubl("B1", supplier="BE0404616494", supplier_name="Andere NV"), *wrong])
    (tmp_path / "A1.xml.approved").write_text("")
    (tmp_path / "photo.xml").write_bytes(b"\xff\xd8\xff\xe0")
    for name in ("photo.jpg", "letter.pdf", "a.txt", "b.txt", "below/c.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")

    done = demo(home, "--invoices", str(tmp_path), "--language", "nl")

    assert done.returncode == 0, done.stderr
    told = " ".join(done.stdout.split())
    assert "15 files in" in told
    assert "5 other files are left alone (no .xml): a.txt, b.txt, letter.pdf and 2 more." in told
    booked, _, others = told.partition("Not booked: 13 files")
    assert re.search(r"A1\.xml Noordzee Koffie BV 1 ", booked) and re.search(r"B1\.xml Andere NV 1 ", booked)
    assert "U11 Bedragen kloppen niet 12 files W01.xml books of Noordzee Koffie BV In W01.xml is" in others
    assert others.count("Laat de opsteller de factuur verbeteren") == 1
    assert "and 2 files more: W11.xml, W12.xml. --report FILE writes every cause." in others
    assert "photo.xml issuer unknown photo.xml is geen XML, maar een afbeelding (JPEG). Remedy: Een foto" in others
