"""An audit as a person makes it: a period, what it takes, the start, how far it is, what it found, the file."""

from typing import Any

import pytest
from console.conftest import PHONE, Reading
from dagboek.audit import records
from dagboek.audit.records import Estimate
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
        assert "/documents/" in page.url


async def test_a_period_that_cannot_be_is_said_so(site: Site, reading: Reading) -> None:
    async with reading(size=PHONE, language="fr") as reader:
        address = f"/audits?integration={site.north.id('connection')}&first=2026-03-01&last=2026-02-01"
        page, status = await reader.at(address)
        assert status == 200
        await page.get_by_text("Une période se termine après son début").wait_for()
        await reader.accessible()


async def test_who_only_looks_is_offered_no_start(site: Site, reading: Reading) -> None:
    async with reading(role=Role.VIEWER) as reader:
        page, _ = await reader.at("/audits")
        await expect(page.get_by_role("button", name="See what it takes")).to_have_count(0)
        await expect(page.locator("table.cards tbody tr").first).to_be_visible()
