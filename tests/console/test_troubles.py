"""What goes wrong: too much of it, twice at once, too late, or with something that is gone."""

import asyncio
import re
from datetime import timedelta
from pathlib import Path

import pytest
from console.conftest import PHONE, Reading
from console.test_pages import PAGES, SCREENSHOTS, address_of
from dagboek.database import Jsonb
from dagboek.web.rights import Role
from dagboek.web.signin import links, people
from playwright.async_api import expect
from web.conftest import Site

MANY = 10_000


async def test_ten_thousand_issues_in_one_run_come_a_page_at_a_time(site: Site, reading: Reading) -> None:
    issue = {"code": "B04", "severity": "warning", "facts": {"line": "1", "name": "Coffee", "rate": "12"}}
    await site.db.run(
        """INSERT INTO item (run_id, component, identity, kind, sequence, title, state, issues)
           SELECT %s, 'sales_invoices', 'd9:' || n, 'document', n, 'N' || n, 'skipped', %s
           FROM generate_series(1, %s) n""",
        site.north.id("run"),
        Jsonb([issue]),
        MANY,
    )
    async with reading() as reader:
        page, _ = await reader.at(f"/runs/{site.north.id('run')}?component=sales_invoices")
        await expect(page.locator(".components")).to_contain_text("10001 skipped")
        first = await page.locator("li.detail h3").all_inner_texts()
        assert 10 <= len(first) <= 200
        assert len(await page.content()) < 500_000
        await page.get_by_role("link", name="Next page").click()
        await expect(page.locator("li.detail h3").first).not_to_have_text(first[0])
        await page.wait_for_load_state()
        second = await page.locator("li.detail h3").all_inner_texts()
        assert len(second) == len(first) and not set(first) & set(second)
        await expect(page.locator("li.detail h3 a")).to_have_count(0)  # what was never read has no page
        assert "component=sales_invoices" in page.url
    await site.db.run("DELETE FROM item WHERE identity LIKE 'd9:%%'")


async def test_of_two_who_start_a_run_at_once_the_second_is_told(site: Site, reading: Reading) -> None:
    async with reading() as one, reading(role=Role.BOOKKEEPER) as other:
        for reader in (one, other):
            await reader.at(f"/integrations/{site.north.id('connection')}")
        buttons = [reader.page.get_by_role("button", name="Sync", exact=True) for reader in (one, other)]
        await asyncio.gather(*(button.click() for button in buttons))
        for reader in (one, other):
            await expect(reader.page.get_by_role("heading", name="Components")).to_be_visible()
        told = [await reader.page.get_by_text("No second one was started.").count() for reader in (one, other)]
        assert sorted(told) == [0, 1]
    rows = await site.db.all("SELECT id FROM run WHERE state <> 'ended'")
    assert len(rows) == 1
    await site.db.run("DELETE FROM run WHERE id = %s", rows[0]["id"])


async def test_a_link_that_is_old_or_used_says_so(site: Site, reading: Reading) -> None:
    person = await people.ensure_person(site.db, "late@north.example")
    old = await links.make_link(site.db, person.id, timedelta(seconds=-1))
    good = await links.make_link(site.db, person.id)
    async with reading(role=None) as reader:
        page, status = await reader.at(f"{links.PATH}{old}")
        assert status == 410
        await expect(page.get_by_role("heading", level=1)).to_have_text("This link does not work any more")
        await reader.accessible()
        await reader.at(f"{links.PATH}{good}")
        await page.get_by_role("button").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("You belong to no tenant yet")  # but signed in
    async with reading(role=None) as reader:
        _, status = await reader.at(f"{links.PATH}{good}")
        assert status == 410


async def test_who_forgot_a_password_chooses_another_after_a_link(site: Site, reading: Reading) -> None:
    person = await people.ensure_person(site.db, "forgot@north.example")
    await people.set_role(site.db, site.north.tenant, person.id, Role.VIEWER)
    await people.choose_password(site.db, person, "what was it again")
    await people.choose_language(site.db, person.id, "nl")
    link = await links.make_link(site.db, person.id)
    async with reading(role=None, language="nl", size=PHONE) as reader:
        page, _ = await reader.at(f"{links.PATH}{link}")
        await page.get_by_role("button", name="Aanmelden").click()
        await expect(page.get_by_role("heading", level=1, name="Koppelingen")).to_be_visible()
        await reader.at("/profile")
        await expect(page.get_by_text("zonder het huidige")).to_be_visible()
        await expect(page.get_by_label("Huidig wachtwoord")).to_have_count(0)
        if SCREENSHOTS:
            await page.screenshot(path=Path(SCREENSHOTS) / "profile by link-nl-phone.png", full_page=True)
        await reader.accessible()
        new, again = page.get_by_label("Nieuw wachtwoord"), page.get_by_label("Nog eens hetzelfde")
        save = page.locator("form[action='/profile/password'] button")
        for word, words in (("een lange nieuwe zin", "niet hetzelfde"), ("aaaaaaaaaaaa", "vier verschillende")):
            await new.fill(word)
            await again.fill("aaaaaaaaaaaa")
            await save.click()
            await expect(page.get_by_role("alert")).to_contain_text(words)
            await expect(page.get_by_label("Huidig wachtwoord")).to_have_count(0)
        await new.fill("een lange nieuwe zin")
        await again.fill("een lange nieuwe zin")
        await save.click()
        await expect(page.get_by_role("status").first).to_contain_text("Uw wachtwoord is opgeslagen")
        await expect(page.get_by_label("Huidig wachtwoord")).to_be_visible()
        if SCREENSHOTS:
            await page.screenshot(path=Path(SCREENSHOTS) / "profile chosen-nl-phone.png", full_page=True)
        await reader.accessible()
        await page.locator("summary").filter(has=page.locator(".name")).click()
        await page.locator("form[action='/sign-out'] button").click()
        await page.get_by_label("E-mailadres").fill(person.email)
        await page.get_by_label("Wachtwoord").fill("een lange nieuwe zin")
        await page.get_by_role("button", name="Aanmelden").click()
        await expect(page.get_by_role("heading", level=1, name="Koppelingen")).to_be_visible()


async def test_who_opened_the_profile_too_long_after_a_link_is_told(site: Site, reading: Reading) -> None:
    person = await people.ensure_person(site.db, "slow@north.example")
    await people.choose_password(site.db, person, "what was it again")
    link = await links.make_link(site.db, person.id)
    async with reading(role=None) as reader:
        page, _ = await reader.at(f"{links.PATH}{link}")
        await page.get_by_role("button").click()
        await expect(page.get_by_role("heading", level=1)).not_to_have_text(re.compile("Welcome"))
        await reader.at("/profile")
        await site.db.run(
            "UPDATE web_session SET created_at = now() - interval '61 minutes' WHERE person_id = %s", person.id
        )
        for label in ("New password", "The same once more"):
            await page.get_by_label(label).fill("a long new sentence")
        await page.locator("form[action='/profile/password'] button").click()
        await expect(page.get_by_role("alert")).to_contain_text("choose another within an hour")
        await page.get_by_label("Present password").fill("what was it again")
        for label in ("New password", "The same once more"):
            await page.get_by_label(label).fill("a long new sentence")
        await page.locator("form[action='/profile/password'] button").click()
        await expect(page.get_by_role("status").first).to_contain_text("Your password is stored")


async def test_a_journal_that_is_gone_is_seen_and_nothing_is_stored_before_another_is_chosen(
    site: Site, reading: Reading
) -> None:
    await site.db.run(
        "UPDATE connection SET settings = jsonb_build_object('sales', %s::jsonb) WHERE id = %s",
        Jsonb({"invoice_journal": "V9"}),
        site.north.id("connection"),
    )
    async with reading() as reader:
        page, _ = await reader.at(f"/integrations/{site.north.id('connection')}")
        journal = page.get_by_label("Journal outgoing invoices")
        await expect(journal).to_have_value("V9")
        await expect(journal.locator("option:checked")).to_have_text("V9 is not there any more")
        await reader.accessible()
        await page.get_by_label("Payment term in days").fill("14")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("alert")).to_contain_text("V9")
        await expect(page.get_by_label("Payment term in days")).to_have_value("14")
        await journal.select_option("V1")
        await page.get_by_role("button", name="Save").click()
        await expect(page.get_by_role("status").first).to_have_text("Stored.")
        await expect(journal).to_have_value("V1")


async def test_a_plugin_that_was_uninstalled_leaves_pages_that_say_so(site: Site, reading: Reading) -> None:
    south = {what: site.south.id(what) for what in ("run", "entity", "connection")}
    for table in ("connection", "administration", "login"):
        await site.db.run(f"UPDATE {table} SET plugin = 'gone' WHERE id = %s", site.south.id(table))
    async with reading(of=site.south) as reader:
        for path in ("/", "/runs", "/runs/{run}", "/documents", "/set-up/{connection}", "/set-up/{connection}/books"):
            page, status = await reader.at(path.format(**south))
            assert status in (200, 422), path
        page, _ = await reader.at(f"/integrations/{south['connection']}")
        await expect(page.get_by_role("alert")).to_contain_text("The plugin gone is not installed any more")
        await reader.accessible()
        for button in ("Check connection and rights", "Read the lists again"):
            async with page.expect_navigation():
                await page.get_by_role("button", name=button).click()
            await expect(page.get_by_role("alert")).to_have_count(2)  # and why it cannot be done
        await reader.at(f"/integrations/{south['connection']}/preview")
        await expect(page.get_by_role("alert").first).to_be_visible()


@pytest.mark.parametrize("size", [None, PHONE])
async def test_all_pages_can_be_read_without_javascript(
    site: Site, reading: Reading, size: tuple[int, int] | None
) -> None:
    how = {"size": size} if size else {}
    async with reading(script=False, operator=True, **how) as reader:
        for name in PAGES:
            page, status = await reader.at(address_of(site, name))
            assert status == (404 if name == "not found" else 200), name
            assert await page.get_by_role("heading", level=1).is_visible(), name
        if size:
            await page.get_by_text("Menu").first.click()
        await page.get_by_role("link", name="Sync history").first.click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("Sync history")
        await page.locator("summary").filter(has=page.locator(".name")).click()
        await page.get_by_role("link", name="My profile").click()
        await page.get_by_label("Français").check()
        await page.get_by_role("button", name="Save").first.click()
        await expect(page.get_by_role("heading", name="Langue")).to_be_visible()
