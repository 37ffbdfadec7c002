"""What people do in the console, with a keyboard or without JavaScript, and that nobody sees another tenant's rows."""

import pytest
from console.conftest import Reading
from dagboek.web.rights import Role
from playwright.async_api import expect
from web.conftest import Site


async def test_marked_as_booked_with_the_keyboard_alone(site: Site, reading: Reading) -> None:
    async with reading(of=site.south, role=Role.BOOKKEEPER) as reader:
        page, _ = await reader.at(f"/documents/{site.south.identity}")
        await page.get_by_label("Booking number in the accounting tool").focus()
        await page.keyboard.type("V1-2026-17")
        await page.keyboard.press("Tab")
        await page.keyboard.press("Enter")
        await page.get_by_text("V1-2026-17").first.wait_for()
        row = await site.db.one("SELECT state, entry_number FROM link WHERE id = %s", site.south.link)
        assert row == {"state": "booked", "entry_number": "V1-2026-17"}
        await reader.accessible()
        told = await site.db.one("SELECT who FROM trail WHERE action = 'document.mark_booked'")
        assert told == {"who": "bookkeeper.en@south.example"}


async def test_what_has_changed_since_is_not_decided(site: Site, reading: Reading) -> None:
    async with reading(of=site.north, role=Role.BOOKKEEPER) as reader:
        page, _ = await reader.at(f"/documents/{site.north.identity}")
        await site.db.run("UPDATE link SET link_version = link_version + 1 WHERE id = %s", site.north.link)
        await page.get_by_label("Booking number in the accounting tool").fill("1")
        await page.get_by_role("button", name="Mark as booked").click()
        assert "This cannot be done now" in await page.get_by_role("alert").inner_text()
        row = await site.db.one("SELECT state FROM link WHERE id = %s", site.north.link)
        assert row == {"state": "needs_person"}


async def test_nothing_is_sent_again_before_somebody_says_that_they_looked(site: Site, reading: Reading) -> None:
    async with reading(of=site.north, role=Role.BOOKKEEPER, script=False) as reader:
        page, _ = await reader.at(f"/documents/{site.north.identity}")
        await page.locator("form[action^='/send-again'] input[name=looked]").evaluate("one => one.remove()")
        await page.get_by_role("button", name="Send again").click()
        assert "Look in the accounting tool first" in await page.get_by_role("alert").inner_text()
        row = await site.db.one("SELECT state, current FROM link WHERE id = %s", site.north.link)
        assert row == {"state": "needs_person", "current": True}


async def test_a_viewer_is_offered_no_decision(site: Site, reading: Reading) -> None:
    async with reading(of=site.north, role=Role.VIEWER) as reader:
        page, _ = await reader.at(f"/documents/{site.north.identity}")
        await expect(page.get_by_role("button", name="Send again")).to_have_count(0)
        await expect(page.get_by_role("button", name="Retry this one")).to_have_count(0)


@pytest.mark.parametrize(
    "path",
    ["/runs/{run}", "/runs/{run}/live", "/documents/{identity}", "/integrations/{connection}",
     "/runs?integration={connection}", "/set-up/{connection}", "/set-up/{connection}/books",
     "/integrations/{connection}/preview", "/set-up/login?entity_id={entity}&tool=octopus"],
)  # fmt: skip
async def test_another_tenants_page_is_none(site: Site, reading: Reading, path: str) -> None:
    ids = {what: site.south.id(what) for what in ("run", "entity", "connection")}
    async with reading(of=site.north, role=Role.ADMIN) as reader:
        page, status = await reader.at(path.format(identity=site.south.identity, **ids))
        assert status == 404
        assert "south" not in await page.inner_text("main")


async def test_people_and_keys(site: Site, reading: Reading) -> None:
    async with reading(of=site.north, role=Role.ADMIN) as reader:
        page, _ = await reader.at("/people")
        await page.get_by_label("E-mail address").fill("new@north.example")
        await page.get_by_role("button", name="Add somebody").click()
        await page.get_by_text("new@north.example").first.wait_for()
        await page.get_by_label("Name of the key").fill("nightly report")
        await page.get_by_role("button", name="Make a key").click()
        secret = await page.locator("code.secret").inner_text()
        assert secret.startswith("dgb_")
        await reader.accessible()
        await reader.at("/people")
        assert secret not in await page.content()
        await page.get_by_role("link", name="Who did what").click()
        await expect(page.locator("main")).to_contain_text("made a key")


async def test_html_in_names_is_text(site: Site, reading: Reading) -> None:
    wild = "<img src=x onerror=alert(1)>"
    await site.db.run("UPDATE document SET party_name = %s WHERE identity = %s", wild, site.north.identity)
    async with reading(of=site.north) as reader:
        page, _ = await reader.at("/documents")
        await expect(page.get_by_text(wild).first).to_be_visible()
        page, _ = await reader.at(f"/documents/{site.north.identity}")
        await expect(page.locator("img")).to_have_count(0)


async def test_an_export_is_no_formula(site: Site, reading: Reading) -> None:
    await site.db.run("UPDATE document SET party_name = '=1+1' WHERE identity = %s", site.north.identity)
    async with reading(of=site.north) as reader:
        await reader.at("/documents")
        answer = await reader.page.request.get(f"{site.address}/documents.csv")
        text = await answer.text()
        assert ";'=1+1;" in text and ";121;" in text and text.startswith("\ufeffCompany;")


async def test_where_sign_in_leads_is_ours(site: Site, reading: Reading) -> None:
    async with reading(of=site.north) as reader:
        for wicked in ("//evil.example", "https://evil.example", "/\\evil.example"):
            page, _ = await reader.at(f"/sign-in?next={wicked}")
            assert page.url == f"{site.address}/"
