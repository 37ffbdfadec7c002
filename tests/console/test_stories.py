"""What a bookkeeper lives through, in a browser before a whole installation: core, worker, web process, and tools.

From the first sign-in to the first booking with each tool; what does not go through, and what is done about it.
"""

import asyncio
import html
import os
import re
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from console.conftest import PHONE, Reader, looking
from dagboek import sources, tenants
from dagboek.chaos.ubl import Ubl, UblLine
from dagboek.embedded import Services
from dagboek.web.rights import Role
from dagboek.web.signin import people
from end_to_end.harness import (
    GUARD,
    Installation,
    exact,
    installation,
    new_database,
    octopus,
    settings_of,
    topics_deleted,
    write_files,
    yuki,
)
from playwright.async_api import Browser, Locator, Page, expect

PASSWORD = "a horse, a battery, and a staple"
WILD = "&lt;b&gt;Bakkerij&lt;/b&gt; &amp; zonen"
SCREENSHOTS = os.environ.get("DAGBOEK_SCREENSHOTS")


@dataclass
class House:
    """A running installation, and a browser."""

    of: Installation
    address: str
    browser: Browser

    async def company(self, name: str, folder: Path | None = None) -> UUID:
        """A tenant, whose documents come from a folder, with an administrator who has a password."""
        tenant = await tenants.ensure_tenant(self.of.db, name)
        if folder:
            given = {"folder": str(folder)}
            await sources.ensure_source(self.of.db, self.of.plugins, tenant.id, "ubl", "files", given)
        person = await people.ensure_person(self.of.db, f"{name}@example.com", name.capitalize(), operator=True)
        await people.set_role(self.of.db, tenant.id, person.id, Role.ADMIN)
        await people.choose_language(self.of.db, person.id, "en")
        await people.choose_password(self.of.db, person, PASSWORD)
        return tenant.id

    async def connected(self, name: str, tool: Any, folder: Path, documents: Sequence[Ubl], **more: Any) -> UUID:
        """A company with documents and an integration that is ready."""
        write_files(folder, documents)
        await self.company(name)
        return await self.of.connection(tool, tenant=name, folder=folder, **more)

    @asynccontextmanager
    async def at_work(self, name: str, **how: Any) -> AsyncIterator[Reader]:
        """Somebody of a company who has signed in at the door."""
        async with looking(self.browser, self.address, **how) as reader:
            page, _ = await reader.at("/")
            await page.get_by_label("E-mail address").fill(f"{name}@example.com")
            await page.get_by_label("Password").fill(PASSWORD)
            await page.get_by_role("button", name="Sign in").click()
            await expect(page.get_by_role("heading", level=1)).to_have_text("Integrations")
            yield reader


@pytest.fixture(scope="module")
async def house(services: Services, browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[House]:
    prefix, folder = f"stories-{secrets.token_hex(4)}", tmp_path_factory.mktemp("stories")
    with new_database(services) as url, topics_deleted(services, prefix):
        async with installation(services, url, prefix, folder) as made:
            made.core()
            made.worker()
            made.start("web", DAGBOEK_WEB_PORT="0")
            await made.ready()
            found = re.search(r"web\.started\s+address=(\S+)", made.logs())
            assert found, made.logs()
            yield House(made, found[1], browser)


async def begin(page: Page, company: str, vat: str, tool: str) -> None:
    """The wizard's first page."""
    await page.get_by_role("link", name="Add an integration").first.click()
    await page.get_by_label("Name").fill(company)
    await page.get_by_label("VAT number").fill(vat)
    await page.get_by_label(tool, exact=True).check()
    await page.get_by_role("button", name="Next").click()


async def use_books(page: Page) -> None:
    """The wizard's third page: the first books that the login reaches."""
    await page.get_by_role("radio").first.check()
    await page.get_by_role("button", name="Use these books").click()
    await expect(page.get_by_role("status").first).to_contain_text("proposed settings")


async def preview_and_sync(page: Page, *numbers: str) -> None:
    """What would be booked, and the button."""
    await page.get_by_role("link", name="Preview").click()
    for number in numbers:
        await expect(page.get_by_role("heading", name=number, exact=True)).to_be_visible()
    await page.get_by_role("button", name="Sync").click()
    await expect(page.get_by_role("heading", name="Components")).to_be_visible()


def facts(page: Page, name: str) -> Locator:
    """What the head of a page says about something."""
    return page.locator(".facts > div").filter(has=page.get_by_text(name, exact=True)).locator("dd")


async def booking_numbers(page: Page) -> dict[str, str]:
    """Those of the overview, by the numbers of documents."""
    await page.goto(re.sub(r"(//[^/]+)/.*", r"\1/documents", page.url))
    rows = await page.locator("tbody tr").all()
    return {await row.locator("th a").inner_text(): await row.get_by_role("cell").nth(3).inner_text() for row in rows}


async def picture(page: Page, name: str) -> None:
    """For people who look at them."""
    if SCREENSHOTS:
        await page.screenshot(path=Path(SCREENSHOTS) / f"story-{name}.png", full_page=True)


async def stays(page: Page) -> None:
    """Marks the page: `stayed` tells whether it was loaded again."""
    await page.evaluate("window.mark = 'it'")


async def stayed(page: Page) -> bool:
    return bool(await page.evaluate("window.mark === 'it'"))


async def sync(page: Page, status: str) -> None:
    """Starts a synchronisation on the first page, and waits for its end."""
    await page.goto(re.sub(r"(//[^/]+)/.*", r"\1/", page.url))
    await page.get_by_role("row").get_by_role("button", name="Sync").click()
    await expect(facts(page, "Status")).to_have_text(status)


async def test_octopus_from_signing_in_to_booking_numbers_seen_live(house: House, tmp_path: Path) -> None:
    write_files(tmp_path, [Ubl("2026/001"), Ubl("2026/002"), Ubl("C/1", credit=True)])
    await house.company("octopus", tmp_path)
    async with octopus() as tool, house.at_work("octopus") as reader:
        page, given = reader.page, tool.credentials
        await begin(page, "Noordzee Koffie BV", "BE0403019261", "Octopus")
        await page.get_by_text("More settings").click()
        await page.get_by_label("Address of the service").fill(tool.base_url)
        await page.get_by_label("Software house id").fill(str(given["softwareHouseUuid"]))
        await page.get_by_label("User", exact=True).fill(str(given["user"]))
        await page.get_by_label("Password").fill(str(given["password"]))
        await page.get_by_role("button", name="Connect").click()
        await expect(page.get_by_role("heading", level=1)).to_contain_text("Which books?")

        # left, and gone on with another day
        await page.get_by_role("link", name="Integrations").first.click()
        row = page.get_by_role("row", name="Noordzee Koffie BV")
        await expect(row).to_contain_text("Connecting")
        await row.get_by_role("link", name="Go on with set-up").click()
        await use_books(page)

        tool.control.faults(kind="latency", operation="insertBuySellBooking", seconds=5)
        await preview_and_sync(page, "2026/001", "2026/002", "C/1")
        await stays(page)
        await expect(facts(page, "Status")).to_have_text("In progress")
        await expect(page.get_by_role("button", name="Stop")).to_be_visible()
        tool.control.faults(off=True)
        await expect(facts(page, "Status")).to_have_text("Success")
        await expect(page.locator("#said")).to_have_text("Success")
        await expect(page.get_by_role("button", name="Stop")).to_have_count(0)
        assert await stayed(page), "it moved by itself"
        await reader.accessible()

        entries = {entry["comment"]: str(entry["number"]) for entry in tool.books.entries(1001)}
        assert entries == {"2026/001": "1", "2026/002": "2", "C/1": "1"}
        assert await booking_numbers(page) == entries


async def test_exact_from_signing_in_to_booking_numbers_on_a_phone(house: House, tmp_path: Path) -> None:
    write_files(tmp_path, [Ubl("2026/001"), Ubl("2026/002")])
    await house.company("exact", tmp_path)
    async with exact() as tool, house.at_work("exact", size=PHONE) as reader:
        page, given = reader.page, tool.credentials
        await begin(page, "Noordzee Koffie BV", "BE0403019261", "Exact Online")
        await page.get_by_label("Client id of the app").fill(str(given["client_id"]))
        await page.get_by_label("Client secret of the app").fill(str(given["client_secret"]))
        await page.get_by_text("More settings").click()
        await page.get_by_label("Address of a sandbox").fill(tool.base_url)
        await page.get_by_role("button", name="Connect").click()
        await page.get_by_role("link", name="Go to Exact Online").click()
        await use_books(page)

        await preview_and_sync(page, "2026/001", "2026/002")
        await expect(facts(page, "Status")).to_have_text("Success")
        await reader.accessible()

        entries = {entry["comment"]: str(entry["number"]) for entry in tool.books.entries(3_100_001)}
        assert set(entries) == {"2026/001", "2026/002"}
        assert await booking_numbers(page) == entries


async def test_yuki_from_signing_in_to_booking_numbers_without_javascript(house: House, tmp_path: Path) -> None:
    write_files(tmp_path, [Ubl("2026/001"), Ubl("2026/002")])
    await house.company("yuki", tmp_path)
    async with yuki() as tool, house.at_work("yuki", script=False) as reader:
        page, given = reader.page, tool.credentials
        await begin(page, "Noordzee Koffie BV", "BE0403019261", "Yuki")
        await page.get_by_label("Web service access key").fill(str(given["access_key"]))
        await page.get_by_text("More settings").click()
        await page.get_by_label("Address of a sandbox").fill(tool.base_url)
        await page.get_by_role("button", name="Connect").click()
        await use_books(page)

        await preview_and_sync(page, "2026/001", "2026/002")
        async with asyncio.timeout(GUARD):
            while await facts(page, "Status").inner_text() != "Success":
                await asyncio.sleep(0.3)
                await page.reload()

        dossier = str(tool.control.status()["dossiers"][0]["id"])
        entries = {entry["comment"] for entry in tool.control.entries(dossier)}
        assert entries == {"2026/001", "2026/002"}
        assert await booking_numbers(page) == {number: number for number in entries}


async def test_ten_invoices_of_which_two_are_skipped_put_right_and_retried(house: House, tmp_path: Path) -> None:
    numbers = [f"2026/{at:03}" for at in range(1, 11)]
    ten = {number: Ubl(number) for number in numbers}
    ten["2026/004"] = Ubl("2026/004", currency="USD", customer_name=WILD)
    ten["2026/007"] = Ubl("2026/007", lines=(UblLine("100.00", rate="12"),))
    async with octopus() as tool:
        accounts = settings_of({"21": "700000"})
        connection = await house.connected("ten", tool, tmp_path, list(ten.values()), settings=accounts)
        async with house.at_work("ten") as reader:
            page = reader.page
            await sync(page, "Warning")
            await expect(facts(page, "Result")).to_have_text("8 synced · 2 skipped")
            run = page.url
            sales = page.locator(".components li").filter(has_text="Sales invoices")
            await expect(sales).to_contain_text(re.compile(r"Warning\s+8 synced\s*2 skipped"))
            await sales.get_by_role("link", name="View details").click()
            wrong, lacks = (page.locator("li.detail").filter(has_text=number) for number in ("2026/004", "2026/007"))
            await expect(lacks).to_contain_text("Ledger account missing")
            await expect(lacks).to_contain_text("Line 1 (Coffee 1) has no ledger account, and none is set for 12 %.")
            await expect(lacks).to_contain_text("What to do: Choose an account on the line")
            await expect(wrong).to_contain_text("What to do:")
            await reader.accessible()

            # in the settings
            await lacks.get_by_role("link", name="Open where this is put right").click()
            await page.wait_for_url(re.compile(rf"/integrations/{connection}\?tab=ledgers$"))
            await page.get_by_text("Add a row").first.click()
            row = page.locator("form details").first
            await row.get_by_label("Rate in %").fill("12")
            await row.get_by_label("Account").select_option("700000")
            await page.get_by_role("button", name="Save").click()
            await expect(page.get_by_role("status").first).to_have_text("Stored.")
            await page.goto(run)
            await page.get_by_role("button", name="Retry 2026/007").click()
            await expect(facts(page, "Status")).to_have_text("Success")
            await expect(facts(page, "Type")).to_contain_text("One tried again")

            # at the source, and retried from the document's own page
            write_files(tmp_path, [Ubl("2026/004", customer_name=WILD)])
            await page.goto(run)
            await expect(lacks).to_contain_text("Booked since then as 9")
            await expect(lacks.get_by_role("button")).to_have_count(0)
            await wrong.get_by_role("link", name="2026/004").click()
            await page.get_by_role("button", name="Retry this one").click()
            await expect(facts(page, "Status")).to_have_text("Success")
            await page.goto(run)
            await expect(wrong).to_contain_text("Booked since then as 10")
            await expect(facts(page, "Result")).to_have_text("8 synced · 2 skipped")

            await page.get_by_role("link", name="Sync history").first.click()
            rows = page.locator("tbody tr")
            await expect(rows).to_contain_text(["Success", "Success", "Warning"])
            entries = {entry["comment"]: str(entry["number"]) for entry in tool.books.entries(1001)}
            assert sorted(entries) == numbers and len(tool.books.entries(1001)) == 10
            assert await booking_numbers(page) == entries
            await expect(page.get_by_text(html.unescape(WILD))).to_be_visible()


async def test_a_tool_that_is_away_is_told_as_stalled_and_goes_on_by_itself(house: House, tmp_path: Path) -> None:
    async with octopus() as tool:
        connection = await house.connected("stalled", tool, tmp_path, [Ubl(f"2026/{at:03}") for at in range(1, 4)])
        tool.control.faults(kind="maintenance_page")
        async with house.at_work("stalled") as reader:
            page = reader.page
            await page.get_by_role("button", name="Sync Noordzee Koffie BV").click()
            await expect(page.get_by_role("heading", name="Components")).to_be_visible()
            await stays(page)
            await expect(facts(page, "Status")).to_have_text("Stalled")
            waits = page.locator("section.notice")
            await expect(waits).to_contain_text(re.compile(r"tries again by itself at \d+ \w+ \d{4} \d\d:\d\d"))
            await expect(waits).to_contain_text("What to do:")
            await expect(page.locator("#said")).to_have_text("Stalled")
            await reader.accessible()
            await picture(page, "stalled")

            tool.control.faults(off=True)
            await house.of.db.run(
                "UPDATE run SET parked_until = now() WHERE connection_id = %s AND state = 'parked'", connection
            )
            await expect(facts(page, "Status")).to_have_text("Success")
            await expect(waits).to_have_count(0)
            await expect(facts(page, "Result")).to_contain_text("synced")
            assert await stayed(page), "without loading it again"
        assert len(tool.books.entries(1001)) == 3


async def test_what_needs_a_person_is_resolved_both_ways(house: House, tmp_path: Path) -> None:
    async with octopus() as tool:
        card = {"relationIdentificationServiceData": {}, "name": "De Klaver", "vatNr": "BE0404.616.494",
                "currencyCode": "EUR", "client": True}  # fmt: skip
        made = tool.books.apply("upsert_relation", 1001, card)
        customer = int(made.value["relationIdentificationServiceData"]["relationKey"]["id"])
        for amount in ("121.00", "242.00"):
            tool.control.book_by_hand(
                1001, "V1", relation=customer, date="2026-03-02", vat_code="21", account=700000, amount=amount,
                comment="levering maart",
            )  # fmt: skip
        documents = [Ubl("2026/001"), Ubl("2026/002", lines=(UblLine("200.00"),))]
        await house.connected("person", tool, tmp_path, documents)
        async with house.at_work("person") as reader, house.at_work("person") as other:
            page = reader.page
            await sync(page, "Warning")
            assert len(tool.books.entries(1001)) == 2, "nothing is booked while nobody has looked"
            await page.locator("li.detail").filter(has_text="2026/001").get_by_role("link", name="decide").click()
            await expect(page.get_by_text("Dagboek remembers its number and sends nothing.")).to_be_visible()
            await expect(page.get_by_text("If it does stand there, it will be there twice.")).to_be_visible()
            await reader.accessible()
            await picture(page, "needs-a-person")
            await other.page.goto(page.url)
            await page.get_by_label("Booking number in the accounting tool").fill("1")
            await page.get_by_role("button", name="Mark as booked").click()
            await expect(facts(page, "Where it stands")).to_have_text("Booked")

            # somebody who still has the page of before cannot have it sent
            await other.page.get_by_label("I have looked in the accounting tool").check()
            await other.page.get_by_role("button", name="Send again").click()
            await expect(other.page.get_by_role("alert")).to_contain_text("This cannot be done now")

            await page.get_by_role("link", name="Documents").click()
            await page.get_by_role("link", name="2026/002").click()
            await page.get_by_label("I have looked in the accounting tool").check()
            await page.get_by_role("button", name="Send again").click()
            await expect(facts(page, "Type")).to_contain_text("Sent again")
            await expect(facts(page, "Status")).to_have_text("Success")
            await sync(page, "Success")
            assert await booking_numbers(page) == {"2026/001": "1", "2026/002": "3"}
        assert [one["comment"] for one in tool.books.entries(1001)] == ["levering maart", "levering maart", "2026/002"]


FOCUSED = """() => {
  const one = document.activeElement, style = getComputedStyle(one), box = one.getBoundingClientRect();
  const at = document.elementFromPoint(box.x + box.width / 2, box.y + Math.min(box.height, 20) / 2);
  return {
    name: one.ariaLabel || one.labels?.[0]?.innerText || one.innerText || one.name || one.tagName,
    seen: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2,
    covered: !(at && (one.contains(at) || at.contains(one))),
  };
}"""


async def tab_to(page: Page, name: str) -> None:
    """Presses Tab until something of this name has the focus; each that has it on the way shows it."""
    await page.wait_for_load_state()
    for _ in range(60):
        await page.keyboard.press("Tab")
        focus = await page.evaluate(FOCUSED)
        assert focus["name"] == "BODY" or focus["seen"], f"that {focus['name']!r} has the focus is not seen"
        assert not focus["covered"], f"something covers {focus['name']!r}, which has the focus"
        if name in focus["name"]:
            return
    raise AssertionError(f"no {name!r} is come to with Tab")


async def test_from_the_door_to_a_retry_with_the_keyboard_alone(house: House, tmp_path: Path) -> None:
    async with octopus() as tool:
        documents = [Ubl("2026/001"), Ubl("2026/002", currency="USD"), Ubl("2026/003")]
        await house.connected("keys", tool, tmp_path, documents)
        tool.control.faults(kind="latency", operation="insertBuySellBooking", seconds=20)
        async with looking(house.browser, house.address) as reader:
            page, _ = await reader.at("/")
            press, type_ = page.keyboard.press, page.keyboard.type
            await expect(page.get_by_label("E-mail address")).to_be_focused()
            await type_("keys@example.com")
            await press("Tab")
            await type_(PASSWORD)
            await press("Enter")
            await expect(page.get_by_role("heading", level=1)).to_have_text("Integrations")

            await tab_to(page, "Skip to the content")
            await press("Enter")
            await expect(page.locator("main")).to_be_focused()
            await tab_to(page, "Sync Noordzee Koffie BV")
            await press("Space")

            # what has the focus keeps it while the page moves, and where it goes, reading goes on from there
            await expect(facts(page, "Result")).to_contain_text("0 of 3 done")
            await tab_to(page, "Stop")
            await expect(facts(page, "Result")).to_contain_text("2 of 3 done")
            await expect(page.get_by_role("button", name="Stop")).to_be_focused()
            tool.control.faults(off=True)
            await expect(facts(page, "Status")).to_have_text("Warning")
            await expect(page.locator("main")).to_be_focused()

            write_files(tmp_path, [Ubl("2026/002")])
            await tab_to(page, "View details")
            await press("Enter")
            await page.wait_for_url(re.compile("component=sales_invoices"))
            await tab_to(page, "Retry 2026/002")
            await press("Space")
            await expect(facts(page, "Status")).to_have_text("Success")
        assert {entry["comment"] for entry in tool.books.entries(1001)} == {"2026/001", "2026/002", "2026/003"}
