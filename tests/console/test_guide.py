"""The guide for bookkeepers: what it says is clicked in `dagboek demo`, which also is what its pictures show.

`pytest tests/console/test_guide.py --pictures` takes the pictures anew.
"""

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from conftest import temporary_folder
from console.conftest import chromium
from dagboek.database import Database, Jsonb
from playwright.async_api import Page, async_playwright, expect

GUIDE = Path(__file__).parents[2] / "core" / "dagboek" / "console" / "guide"
PICTURES = GUIDE / "pictures"
LARGEST = 1_500_000
"""Bytes of all pictures: they are part of the distribution."""
SECONDS = 120_000


@pytest.fixture(scope="module")
def demo() -> Iterator[tuple[dict[str, Any], str]]:
    """What an open demo says of its console, and the address of its database."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("DAGBOEK_")}
    with temporary_folder() as home, (home / "demo.err").open("w") as errors:
        process = subprocess.Popen(
            [sys.executable, "-m", "dagboek.cli.main", "demo", "--json", "--console", "--workers", "1"],
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env={**clean, "DAGBOEK_DATA_DIR": str(home), "LANG": "C.UTF-8"},
        )
        try:
            assert process.stdout is not None
            lines: list[str] = []
            for line in process.stdout:
                lines.append(line)
                if line == "}\n":
                    break
            told = json.loads("".join(lines) or "{}")
            assert told.get("faults") == [], (home / "demo.err").read_text()
            yield told["console"], json.loads((home / "demo" / "services.json").read_text())["database_url"]
        finally:
            process.send_signal(signal.SIGINT)
            assert process.wait(90) == 0


@pytest.fixture
async def page(demo: tuple[dict[str, Any], str]) -> AsyncIterator[Page]:
    """A browser at the link that the demo prints."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        context = await browser.new_context(viewport={"width": 1060, "height": 720}, locale="en-GB")
        context.set_default_timeout(SECONDS)
        opened = await context.new_page()
        await opened.goto(demo[0]["link"])
        yield opened
        await browser.close()


@pytest.fixture
def shoot(request: pytest.FixtureRequest) -> Any:
    """Takes a picture of what is on the screen, where that is asked for; its height is that of the content."""

    async def taken(page: Page, name: str, height: int = 720) -> None:
        assert f"(pictures/{name}.png)" in (GUIDE / "bookkeeper.md").read_text(), f"the guide does not show {name}"
        if request.config.getoption("--pictures"):
            await page.set_viewport_size({"width": 1060, "height": height})
            await page.screenshot(path=PICTURES / f"{name}.png")

    return taken


async def test_everything_that_the_guide_says(page: Page, demo: tuple[dict[str, Any], str], shoot: Any) -> None:
    console, database = demo
    await page.get_by_role("button").click()
    await page.get_by_role("link", name="Add an integration").click()
    await set_up(page, next(one for one in console["sandboxes"] if one["tool"] == "Octopus"), shoot)

    connection = urlsplit(page.url).path
    await page.get_by_role("link", name="Preview").click()
    await page.get_by_role("heading", name="2026-0001").scroll_into_view_if_needed()
    await page.evaluate("window.scrollBy(0, 320)")
    await page.get_by_text("Journal lines").first.click()
    await shoot(page, "preview")
    await page.goto(console["address"] + connection)
    await page.get_by_role("button", name="Sync", exact=True).click()
    await page.locator("main").get_by_text(re.compile("Success|Warning")).first.wait_for()
    await expect(page.locator("main .status.busy")).to_have_count(0)
    await shoot(page, "run")
    assert re.search("Success|Warning", await page.inner_text("main"))

    await what_did_not_go_through(page, console["address"], shoot)
    await an_audit(page, console["address"], shoot)
    await needs_a_decision(page, console["address"], database, shoot)

    await page.goto(f"{console['address']}{connection}?tab=sync")
    await page.get_by_label("Synchronise every night by itself").check()
    await page.get_by_role("button", name="Save").first.click()
    coming = re.compile(r"Next automatic\s+(today|tomorrow) at 0\d:\d\d")
    await expect(page.locator("main")).to_contain_text(coming, use_inner_text=True, timeout=SECONDS)
    await shoot(page, "night")
    await page.get_by_role("link", name="Change the hours").click()
    await page.get_by_label("Time zone").wait_for()


async def set_up(page: Page, sandbox: dict[str, Any], shoot: Any) -> None:
    """Company and tool, login, books, settings."""
    await page.get_by_label("Company", exact=True).select_option("Noordzee Koffie BV (BE0999100196)")
    await page.get_by_label(sandbox["tool"], exact=True).check()
    await page.get_by_role("button", name="Next").click()
    await page.get_by_label("Password").wait_for()
    for label in ("Software house id", "User", "Password"):
        await page.get_by_label(label, exact=True).fill(sandbox["login"][label])
    await shoot(page, "log-in")
    await page.get_by_text("More settings").click()
    await page.get_by_label("Address of the service").fill(sandbox["login"]["Address of the service"])
    await page.get_by_role("button", name="Connect").click()
    await page.get_by_label(re.compile(sandbox["books"])).check()
    await expect(page.get_by_role("alert")).to_have_count(0)
    await shoot(page, "books", 560)
    await page.get_by_role("button", name="Use these books").click()
    await page.get_by_text("Look through the proposed settings").wait_for()
    await shoot(page, "settings", 900)
    for tab in ("Details", "Discounts", "VAT codes", "Ledgers", "Synchronisation"):
        await expect(page.get_by_role("link", name=tab, exact=True)).to_have_count(1)


async def what_did_not_go_through(page: Page, address: str, shoot: Any) -> None:
    """The run with a skipped document, the list of documents, and one of them."""
    await page.goto(f"{address}/runs")
    await page.get_by_role("row").filter(has_text="Warning").last.get_by_role("link").first.click()
    skipped = page.get_by_text("Ledger account missing").first
    await skipped.scroll_into_view_if_needed()
    assert "What to do:" in await page.inner_text("main")
    await shoot(page, "skipped")
    await page.goto(f"{address}/documents")
    await page.get_by_label("Only not synced").wait_for()
    await shoot(page, "documents")
    await page.get_by_role("link", name="2026-0007").first.click()
    await page.get_by_role("heading", level=1).wait_for()
    await shoot(page, "document", 900)


async def an_audit(page: Page, address: str, shoot: Any) -> None:
    """What was booked in a half year, beside the tool's books."""
    await page.goto(f"{address}/audits")
    await page.get_by_label("Integration").select_option("Noordzee Catering BV, Exact Online")
    await page.get_by_label("From").fill("2026-01-01")
    await page.get_by_label("Up to and including").fill("2026-06-30")
    await page.get_by_role("button", name="See what it takes").click()
    await page.get_by_role("button", name="Start the audit").click()
    await page.get_by_text("Everything stands as we booked it.").wait_for()
    await shoot(page, "audit")


async def needs_a_decision(page: Page, address: str, database: str, shoot: Any) -> None:
    """A document of which nobody can tell whether it is booked: so it is said here, no tool needs to lose an answer."""
    async with Database(database, size=1) as db:
        row = await db.one(
            """UPDATE link SET state = 'needs_person', needs_person_issue = %s
               WHERE id = (SELECT l.id FROM link l JOIN document d USING (tenant_id, identity)
                           JOIN administration a ON a.id = l.administration_id AND a.plugin = 'exact'
                           WHERE l.current AND l.state = 'booked' AND d.direction = 'sales'
                           ORDER BY l.id LIMIT 1) RETURNING identity""",
            Jsonb({"code": "D10", "facts": {}}),
        )
    assert row is not None
    await page.goto(f"{address}/documents/{row['identity']}")
    await page.get_by_role("button", name="Mark as booked").first.wait_for()
    await expect(page.get_by_text("Send again").first).to_be_attached()
    await shoot(page, "decision", 900)


def test_the_pictures_of_the_guide_are_there_and_small() -> None:
    for guide in GUIDE.glob("*.md"):
        shown = re.findall(r"\(pictures/([^)]+)\)", guide.read_text())
        assert sorted(shown) == sorted(one.name for one in PICTURES.iterdir()), guide.name
    assert sum(one.stat().st_size for one in PICTURES.iterdir()) < LARGEST
