"""Few documents of very many: a page is what was found in some seconds, says so, and goes on where it ended."""

import csv
import io
from collections.abc import AsyncIterator

import aiohttp
import pytest
from console.conftest import PHONE, Reading
from dagboek import documents
from dagboek.web.rights import Right, Role
from playwright.async_api import expect
from web.conftest import Site, http

__all__ = ["http"]

MANY = """
INSERT INTO document (tenant_id, identity, entity_id, direction, kind, number, issue_date, currency, gross,
                      party_identity, party_name, source_id, origin_id, revision, linked)
SELECT tenant_id, 'd1:long' || n, entity_id, direction, kind, 'L' || n, date '2025-12-31' - n, currency, gross,
       party_identity, 'Long', source_id, 'long' || n, revision, true
FROM document, generate_series(1, 60) n WHERE identity = %s
"""
BOOKED = """
INSERT INTO link (tenant_id, administration_id, identity, kind, link_no, state, entry_id, entry_number)
SELECT tenant_id, %s, identity, 'document', 100 + substr(number, 2)::int, 'booked', number, number
FROM document WHERE number IN ('L20', 'L21', 'L50')
"""


@pytest.fixture
async def found(site: Site, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[str]]:
    """Of sixty these are booked; time is up after each look."""
    await site.db.run(MANY, site.north.identity)
    await site.db.run(BOOKED, site.north.id("administration"))
    monkeypatch.setattr(documents, "PATIENCE", 0)
    yield ["L20", "L21", "L50"]
    await site.db.run("DELETE FROM link WHERE starts_with(identity, 'd1:long')")
    await site.db.run("DELETE FROM document WHERE starts_with(identity, 'd1:long')")


async def test_a_program_that_follows_the_cursors_gets_each_once(
    site: Site, http: aiohttp.ClientSession, found: list[str]
) -> None:
    headers, pages = await site.key(site.north, Right.READ), list[list[str]]()
    asked = {"standing": "booked", "limit": "4"}
    while True:
        async with http.get("/api/v1/documents", headers=headers, params=asked) as answer:
            page = await answer.json()
            assert answer.status == 200, page
        pages.append([one["number"] for one in page["items"]])
        if page["next"] is None:
            break
        asked["cursor"] = page["next"]
    assert [number for page in pages for number in page] == found
    assert pages[0] == [], "nothing was found, and there is more"


async def test_the_file_is_whole(
    site: Site, http: aiohttp.ClientSession, found: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dagboek.console.documents.EXPORTED", 2)
    headers = await site.person(site.north, Role.VIEWER)
    async with http.get("/documents.csv?standing=booked", headers=headers) as answer:
        rows = list(csv.reader(io.StringIO(await answer.text()), delimiter=";"))
    assert [row[3] for row in rows[1:]] == found


async def test_a_page_says_how_far_was_looked_and_goes_on(site: Site, reading: Reading, found: list[str]) -> None:
    async with reading(language="nl", size=PHONE) as reader:
        page, _ = await reader.at("/documents?standing=booked&limit=4")
        rows, onward = page.locator("table.cards tbody tr"), page.get_by_role("link", name="Verder zoeken")
        await page.get_by_role("heading", name="In dit deel niets gevonden").wait_for()
        await expect(page.get_by_text("Er is gezocht tot 22 dec 2025.")).to_have_count(1)
        await reader.accessible()

        await onward.click()
        await expect(rows).to_have_count(0)
        await expect(page.get_by_text("Er is gezocht tot 12 dec 2025.")).to_have_count(1)
        await onward.click()
        await expect(rows).to_have_count(2)
        await expect(page.get_by_text("Er is gezocht tot 2 dec 2025.")).to_have_count(1)
        await reader.accessible()

        await page.goto(f"{reader.address}/documents?standing=booked&limit=30")
        await expect(rows).to_have_count(3)
        await expect(onward).to_have_count(0)


async def test_the_end_of_what_was_looked_through_says_that_there_is_no_more(
    site: Site, reading: Reading, found: list[str]
) -> None:
    async with reading() as reader:
        page, _ = await reader.at("/documents?standing=booked&limit=25")
        await expect(page.locator("table.cards tbody tr")).to_have_count(3)
        await page.get_by_role("link", name="Search on").click()
        await page.get_by_role("heading", name="No more documents found").wait_for()
        await page.get_by_role("link", name="First page").click()
        await expect(page.locator("table.cards tbody tr")).to_have_count(3)
