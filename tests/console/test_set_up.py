"""From nothing to an integration that is ready: login with words for what is wrong, books, settings, preview, end."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from console.conftest import PHONE, Reading
from dagboek.database import Jsonb
from dagboek.web.rights import Role
from dagboek_exact.sandbox import start_sandbox as exact_sandbox
from dagboek_octopus.sandbox import start_sandbox as octopus_sandbox
from dagboek_sdk.sandbox import RunningSandbox
from playwright.async_api import Page, expect
from web.conftest import Site


@pytest.fixture
async def octopus() -> AsyncIterator[RunningSandbox]:
    sandbox = await octopus_sandbox()
    yield sandbox
    await sandbox.stop()


@pytest.fixture
async def exact() -> AsyncIterator[RunningSandbox]:
    sandbox = await exact_sandbox()
    yield sandbox
    await sandbox.stop()


async def _new_company(page: Page, name: str, tool: str, vat_number: str = "") -> None:
    await page.get_by_role("link", name="Add an integration").click()
    await expect(page.get_by_label("Name")).to_be_hidden()
    await page.get_by_label("Company", exact=True).select_option("A new company")
    await page.get_by_label("Name").fill(name)
    await page.get_by_label("VAT number").fill(vat_number)
    await page.get_by_label(tool, exact=True).check()
    await page.get_by_role("button", name="Next").click()


async def test_what_is_refused_is_told_in_dutch(site: Site, reading: Reading, octopus: RunningSandbox) -> None:
    async with reading(operator=True, language="nl") as reader:
        page, _ = await reader.at(f"/set-up/login?entity_id={site.north.id('entity')}&tool=octopus")
        for address, refused in (
            ("nowhere", "moet een adres zijn dat met http:// of https:// begint"),
            (octopus.base_url, "Wat het boekhoudpakket zelf zegt:"),
        ):
            for name, value in {"software_house_uuid": "another", "user": "x", "password": "y"}.items():
                await page.locator(f"#f-{name}").fill(value)
            await page.locator("main summary").click()
            await page.locator("#f-base_url").fill(address)
            await page.get_by_role("button", name="Verbinden").click()
            await expect(page.get_by_role("alert")).to_contain_text(refused)
        await reader.accessible()
        page, status = await reader.at("/integrations/none")
        assert status == 422
        assert "is geen geldige verwijzing" in await page.inner_text("main")


async def test_octopus_from_the_first_page_to_the_preview(
    site: Site, reading: Reading, octopus: RunningSandbox, tmp_path: Path
) -> None:
    folder = Jsonb({"folder": str(tmp_path)})
    await site.db.run("UPDATE source SET settings = %s WHERE id = %s", folder, site.north.id("source"))
    async with reading(operator=True) as reader:
        page, _ = await reader.at("/")
        await _new_company(page, "Zeevonk BV", "Octopus")
        given = octopus.credentials
        await page.get_by_text("More settings").click()
        await page.get_by_label("Address of the service").fill(octopus.base_url)
        await page.get_by_label("Software house id").fill(str(given["softwareHouseUuid"]))
        await page.get_by_label("User", exact=True).fill(str(given["user"]))
        await page.get_by_label("Password").fill("another one")
        await page.get_by_role("button", name="Connect").click()
        assert "Nothing was stored" in await page.get_by_role("alert").inner_text()
        await reader.accessible()
        await page.get_by_label("Password").fill(str(given["password"]))
        await page.get_by_text("More settings").click()
        await page.get_by_label("Address of the service").fill(octopus.base_url)
        await page.get_by_role("button", name="Connect").click()
        await page.get_by_role("radio").first.check()
        await expect(page.get_by_role("alert")).to_have_count(0)  # nothing is wrong before books are chosen
        await reader.accessible()
        await page.get_by_role("button", name="Use these books").click()
        await expect(page.get_by_role("status").first).to_contain_text("proposed settings")
        await expect(page.get_by_label("Journal outgoing invoices")).not_to_have_value("")
        await reader.accessible()
        await page.get_by_role("link", name="Ledgers").click()
        await page.get_by_role("link", name="Preview").click()
        await expect(page.get_by_text("There is nothing to do.")).to_be_visible()
        await reader.accessible()


async def test_exact_by_consent_in_the_browser(site: Site, reading: Reading, exact: RunningSandbox) -> None:
    async with reading(operator=True, size=PHONE) as reader:
        page, _ = await reader.at("/")
        await _new_company(page, "Duinroos BV", "Exact Online", "BE 0410.000.192")
        given = exact.credentials
        await page.get_by_label("Client id of the app").fill(str(given["client_id"]))
        await page.get_by_label("Client secret of the app").fill(str(given["client_secret"]))
        await page.get_by_text("More settings").click()
        await page.get_by_label("Address of a sandbox").fill(exact.base_url)
        await page.get_by_role("button", name="Connect").click()
        consent = page.get_by_role("link", name="Go to Exact Online")
        await expect(consent).to_be_visible()
        await reader.accessible()
        await consent.click()
        await expect(page.get_by_label("BE0410000192")).to_be_checked()
        await page.get_by_role("button", name="Use these books").click()
        await expect(page.get_by_role("status").first).to_contain_text("proposed settings")
        rows = await site.db.all("SELECT settings FROM login WHERE plugin = 'exact'")
        assert rows and all(str(given["client_secret"]).encode() not in bytes(row["settings"]) for row in rows)


async def test_two_people_who_change_the_same_settings(site: Site, reading: Reading) -> None:
    address = f"/integrations/{site.north.id('connection')}"
    async with reading() as one, reading() as other:
        first, _ = await one.at(address)
        second, _ = await other.at(address)
        await first.get_by_label("Payment term in days").fill("14")
        await first.get_by_role("button", name="Save").click()
        await expect(first.get_by_role("status").first).to_have_text("Stored.")
        await second.get_by_label("Payment term in days").fill("60")
        await second.get_by_role("button", name="Save").click()
        await expect(second.get_by_role("heading", level=1)).to_contain_text("Somebody else changed this meanwhile")
        await other.at(address)
        assert await second.get_by_label("Payment term in days").input_value() == "14"


async def test_exchange_rates_are_added_and_dropped(site: Site, reading: Reading) -> None:
    stored = "SELECT settings->'exchange_rates' AS rates FROM connection WHERE id = %s"
    async with reading() as reader:
        page, _ = await reader.at(f"/integrations/{site.north.id('connection')}")
        await page.get_by_text("Add a currency").click()
        await page.get_by_label("Currency").fill("usd")
        await page.get_by_label("One unit in EUR").fill("0,92")
        await page.get_by_role("button", name="Save").click()
        await page.get_by_text("Stored.").wait_for()
        assert await page.get_by_label("USD").input_value() == "0.92"
        assert await site.db.one(stored, site.north.id("connection")) == {"rates": {"USD": "0.92"}}
        await page.get_by_label("USD").fill("")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_label("USD")).to_have_count(0)
        assert await site.db.one(stored, site.north.id("connection")) == {"rates": {}}


async def test_a_viewer_changes_nothing(site: Site, reading: Reading) -> None:
    async with reading(role=Role.VIEWER) as reader:
        page, _ = await reader.at(f"/integrations/{site.north.id('connection')}")
        assert await page.get_by_label("Payment term in days").is_disabled()
        await expect(page.get_by_role("button", name="Save")).to_have_count(0)
        _, status = await reader.at("/set-up")
        assert status == 403
