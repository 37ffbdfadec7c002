"""An audit as a person makes it: a period, what it takes, the start, how far it is, what it found, the file."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid5

import pytest
from console.conftest import PHONE, Reading
from dagboek.audit import records
from dagboek.audit.records import Estimate
from dagboek.console import audits
from dagboek.permits import CallsLeft
from dagboek.web.rights import Role
from playwright.async_api import expect
from web.conftest import Site


@pytest.fixture
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    """What it takes is known without a tool."""

    async def estimate(*_: Any) -> Estimate:
        return Estimate(3, 1, (CallsLeft("k", "*", 742, 1000, None),))

    monkeypatch.setattr(records, "estimate", estimate)


async def test_an_audit_from_its_period_to_what_it_found(site: Site, reading: Reading, known: None) -> None:
    async with reading() as reader:
        page, _ = await reader.at("/")
        await page.get_by_role("link", name="Audits").click()
        await page.get_by_label("From").fill("2026-02-01")
        await page.get_by_label("Up to and including").fill("2026-02-28")
        await page.get_by_role("button", name="See what it takes").click()
        await page.get_by_text("This audit takes at least 3 calls").wait_for()
        await expect(page.get_by_text("742 of 1,000 are left today")).to_have_count(1)
        await reader.accessible()

        await page.get_by_role("button", name="Start the audit").click()
        await page.get_by_text("About to begin").wait_for()
        audit = page.url.rsplit("/", 1)[1]
        await reader.accessible()
        await site.db.run("UPDATE audit SET state = 'waiting', due_at = now() + interval '1 day' WHERE id = %s", audit)
        await page.get_by_text("Goes on by itself at").wait_for(timeout=60_000)

        await site.db.run(
            """INSERT INTO audit_finding (audit_id, place, kind, differences, identity, component, document_number,
                                          document_day, document_gross, document_currency, booked_number, entry_id,
                                          entry_number, entry_gross, entry_currency, entry_reference)
               VALUES (%(audit)s, 0, 'differs', '{amount}', %(identity)s, 'sales_invoices', '2026/1', '2026-02-03', 121,
                       'EUR', '41', '41', '41', 363, 'EUR', '2026/1'),
                      (%(audit)s, 1, 'others', '{}', NULL, NULL, NULL, NULL, NULL, NULL, NULL, '42', '42', 5, 'EUR',
                       'H-1'),
                      (%(audit)s, 2, 'found', '{}', %(identity)s, NULL, '2026/9', NULL, 1, 'EUR', NULL, '43', NULL, 1,
                       'EUR', NULL)""",
            {"audit": audit, "identity": site.north.identity},
        )
        await site.db.run(
            """UPDATE audit SET state = 'done', finished_at = now(), entries = 3, calls = 3,
                      counts = '{"differs": 1, "others": 1, "found": 1}' WHERE id = %s""",
            audit,
        )
        await page.get_by_text("What needs attention (2)").wait_for(timeout=60_000)
        shown = page.locator("li.detail")
        await expect(shown).to_have_count(2)  # what is as it should be is not in the way
        first = await shown.nth(0).inner_text()
        assert "€121.00" in first
        assert "€363.00" in first
        assert "€242.00" in first
        assert "What differs: amount" in first
        await reader.accessible()
        async with page.expect_download() as download:
            await page.get_by_role("link", name="Export as CSV").click()
        text = (await (await download.value).path()).read_text()
        assert text.startswith("\ufeffWhat;Document;")
        assert "Different;2026/1;" in text
        await page.get_by_role("link", name="As it should be (1)").click()
        await page.get_by_role("link", name="2026/9").click()
        await page.wait_for_url("**/documents/*")


async def test_a_period_that_cannot_be_is_said_so(site: Site, reading: Reading) -> None:
    async with reading(size=PHONE, language="fr") as reader:
        address = f"/audits?integration={site.north.id('connection')}&first=2026-03-01&last=2026-02-01"
        page, status = await reader.at(address)
        assert status == 200
        await page.get_by_text("Une période se termine après son début").wait_for()
        await reader.accessible()


@pytest.fixture
async def another(site: Site) -> AsyncIterator[UUID]:
    """An integration that was made later, of another company."""
    made = uuid5(site.north.tenant, "another")
    await site.db.run(
        """WITH company AS (
                INSERT INTO entity (id, tenant_id, name) VALUES (%(id)s, %(tenant)s, 'Zeezicht') RETURNING id
           ), books AS (
                INSERT INTO administration (id, tenant_id, plugin, host, tool_id, name, next_link_no)
                VALUES (%(id)s, %(tenant)s, 'octopus', 'h', 'zeezicht', 'Books of Zeezicht', 1) RETURNING id
           )
           INSERT INTO connection (id, tenant_id, entity_id, administration_id, login_id, plugin, state, settings)
           SELECT %(id)s, %(tenant)s, company.id, books.id, %(login)s, 'octopus', 'connected', '{}'
           FROM company, books""",
        {"id": made, "tenant": site.north.tenant, "login": site.north.id("login")},
    )
    yield made
    for table in ("audit", "connection", "administration", "entity"):
        await site.db.run(f"DELETE FROM {table} WHERE {'connection_id' if table == 'audit' else 'id'} = %s", made)


async def test_the_integration_that_was_asked_for_is_chosen_also_where_it_is_not_listed(
    site: Site, reading: Reading, another: UUID, known: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audits, "CHOICES", 1)
    async with reading() as reader:
        page, _ = await reader.at(f"/audits?integration={another}")
        await expect(page.get_by_label("Integration")).to_have_value(str(another))
        await expect(page.get_by_label("Integration").get_by_role("option")).to_have_count(2)
        await page.get_by_role("button", name="See what it takes").click()
        await page.get_by_text("Zeezicht, Octopus: ").wait_for()
        await page.get_by_role("button", name="Start the audit").click()
        await page.get_by_text("About to begin").wait_for()
    started = await site.db.one("SELECT connection_id FROM audit WHERE state = 'requested'")
    assert started == {"connection_id": another}


async def test_none_of_several_is_chosen_where_none_was_asked_for(
    site: Site, reading: Reading, another: UUID, known: None
) -> None:
    async with reading() as reader:
        page, _ = await reader.at("/audits")
        chosen = page.get_by_label("Integration")
        await expect(chosen).to_have_value("")
        assert await chosen.evaluate("one => one.validity.valueMissing")
        await reader.accessible()
        await chosen.select_option("Zeezicht, Octopus")
        await page.get_by_role("button", name="See what it takes").click()
        await page.get_by_text("This audit takes at least 3 calls").wait_for()
        await expect(chosen).to_have_value(str(another))


@pytest.mark.parametrize("asked", ["", "&first=2026-02-01&last=2026-02-28"])
async def test_one_that_must_be_connected_again_says_so_and_no_other_is_chosen(
    site: Site, reading: Reading, another: UUID, asked: str
) -> None:
    await site.db.run("UPDATE connection SET state = 'reconnect' WHERE id = %s", another)
    async with reading(language="nl", size=PHONE) as reader:
        page, _ = await reader.at(f"/audits?integration={another}{asked}")
        told = page.get_by_role("alert")
        await expect(told).to_contain_text("Zeezicht, Octopus")
        await expect(told).to_contain_text("aanvaardt de aanmelding niet meer")
        again = told.get_by_role("link", name="Opnieuw verbinden")
        await expect(again).to_have_attribute("href", f"/set-up/{another}")
        await expect(page.get_by_label("Koppeling")).to_have_value("")
        await expect(page.get_by_role("button", name="Start de controle")).to_have_count(0)
        await reader.accessible()


async def test_what_is_audited_alone_is_chosen(site: Site, reading: Reading) -> None:
    async with reading() as reader:
        page, _ = await reader.at("/audits")
        await expect(page.get_by_label("Integration")).to_have_value(str(site.north.id("connection")))


async def test_who_only_looks_is_offered_no_start(site: Site, reading: Reading) -> None:
    async with reading(role=Role.VIEWER) as reader:
        page, _ = await reader.at("/audits")
        await expect(page.get_by_role("button", name="See what it takes")).to_have_count(0)
        await expect(page.locator("table.cards tbody tr").first).to_be_visible()
