"""Every page in every language, on a desk and on a phone, light and dark: whole and readable, without complaints."""

import os
import re
from pathlib import Path
from zoneinfo import ZoneInfo

import aiohttp
import pytest
from console.conftest import DESKTOP, PHONE, Reading
from dagboek.console.set_up import fields_of
from dagboek.plugins import Plugins
from dagboek.speech import Speech, texts
from playwright.async_api import expect
from web.conftest import Site

PAGES = {
    "integrations": "/",
    "runs": "/runs",
    "run": "/runs/{run}",
    "documents": "/documents?search=&standing=",
    "document": "/documents/{identity}",
    "leftovers": "/leftovers",
    "audits": "/audits",
    "audit": "/audits/{audit}",
    "companies": "/companies",
    "company": "/companies/{entity}",
    "new company": "/companies/new",
    "profile": "/profile",
    "help": "/help",
    "notices": "/notices",
    "people": "/people",
    "trail": "/trail",
    "webhooks": "/webhooks",
    "webhook": "/webhooks/{webhook}",
    "webhook delivery": "/webhooks/{webhook}/deliveries/{delivery}",
    "issue": "/issues/B04",
    "set-up": "/set-up",
    "login": "/set-up/login?entity_id={entity}&tool=octopus",
    "login by consent": "/set-up/login?entity_id={entity}&tool=exact",
    "details": "/integrations/{connection}",
    "discounts": "/integrations/{connection}?tab=discounts",
    "vat codes": "/integrations/{connection}?tab=vat",
    "ledgers": "/integrations/{connection}?tab=ledgers",
    "hours of the night": "/schedule",
    "synchronisation": "/integrations/{connection}?tab=sync",
    "operator": "/operator",
    "operator tenants": "/operator/tenants",
    "operator tenant": "/operator/tenants/{tenant}",
    "operator people": "/operator/people",
    "operator connections": "/operator/connections",
    "operator runs": "/operator/runs",
    "operator trail": "/operator/trail",
    "operator lag": "/operator/lag",
    "operator dead letters": "/operator/dead-letters",
    "operator plugins": "/operator/plugins",
    "operator doctor": "/operator/doctor",
    "operator workers": "/operator/workers",
    "operator quotas": "/operator/quotas",
    "operator shares": "/operator/quotas/shares?key=k&group=*&period=day",
    "not found": "/nothing",
}
SCREENSHOTS = os.environ.get("DAGBOEK_SCREENSHOTS")
"""A folder that pictures of all pages are put into, to be looked at."""


def address_of(site: Site, name: str) -> str:
    """Where a page is, with the rows of a tenant that has one of everything."""
    rows = ("tenant", "run", "entity", "connection", "audit", "webhook", "delivery")
    return PAGES[name].format(identity=site.north.identity, **{what: site.north.id(what) for what in rows})


@pytest.mark.parametrize("language", ["nl", "fr", "en"])
@pytest.mark.parametrize("name", PAGES)
async def test_a_page(site: Site, reading: Reading, name: str, language: str) -> None:
    operator = name.startswith("operator")
    async with reading(language=language, dark=language == "fr", operator=operator) as reader:
        page, status = await reader.at(address_of(site, name))
        assert status == (404 if name == "not found" else 200)
        assert await page.get_attribute("html", "lang") == language
        await expect(page.locator("h1")).to_have_count(1)
        for device, (width, height) in (("desktop", DESKTOP), ("phone", PHONE)):
            await page.set_viewport_size({"width": width, "height": height})
            if SCREENSHOTS:
                await page.screenshot(path=Path(SCREENSHOTS) / f"{name}-{language}-{device}.png", full_page=True)
            await reader.accessible()


@pytest.mark.parametrize("language", ["nl", "fr", "en"])
async def test_all_tabs_of_the_operator_fit_and_the_chosen_one_is_in_view(reading: Reading, language: str) -> None:
    async with reading(language=language, operator=True) as reader:
        page, _ = await reader.at("/operator/plugins")
        hidden = "document.querySelector('.tabs').scrollWidth - document.querySelector('.tabs').clientWidth"
        assert await page.evaluate(hidden) <= 0
        await page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        await reader.at("/operator/plugins")
        chosen = await page.locator(".tabs [aria-current]").bounding_box()
        assert chosen is not None
        assert 0 <= chosen["x"] <= PHONE[0] - chosen["width"]


async def test_the_reference_of_the_api_tells_of_every_call(site: Site, reading: Reading) -> None:
    async with aiohttp.ClientSession(site.address) as http, http.get("/api/v1/openapi.json") as answer:
        described = await answer.json()
    async with reading(role=None, script=False) as reader:
        page, status = await reader.at("/api/v1/docs")
        assert status == 200
        calls = [
            f"{method.upper()} {path}"
            for path, methods in described["paths"].items()
            for method in methods
            if method in ("get", "post", "put", "patch", "delete")
        ]
        assert sorted(calls) == sorted(await page.locator("h3 > code").all_inner_texts())
        objects = await page.locator("#objects ~ h3").all_inner_texts()
        assert objects == sorted(described["components"]["schemas"])
        links = set(re.findall(r'href="#([^"]+)"', await page.content()))
        assert links - set(re.findall(r' id="([^"]+)"', await page.content())) == set()


async def test_the_reference_of_the_api_can_be_read_by_all(reading: Reading) -> None:
    async with reading(role=None) as reader:
        page, _ = await reader.at("/api/v1/docs")
        for width, height in (DESKTOP, PHONE):
            await page.set_viewport_size({"width": width, "height": height})
            await reader.accessible()


@pytest.mark.parametrize("language", ["nl", "fr", "en"])
async def test_the_door(reading: Reading, language: str) -> None:
    async with reading(role=None, language=language, size=PHONE) as reader:
        page, _ = await reader.at("/runs")
        assert page.url.endswith("/sign-in?next=/runs")
        assert await page.get_attribute("html", "lang") == language
        await reader.accessible()
        if SCREENSHOTS:
            await page.screenshot(path=Path(SCREENSHOTS) / f"sign-in-{language}.png")


def test_one_is_not_told_as_many() -> None:
    speech = Speech("fr", ZoneInfo("Europe/Brussels"))
    assert speech.say("runs.skipped", number=1) == "1 ignoré"
    assert speech.say("runs.skipped", number=2) == "2 ignorés"


@pytest.mark.parametrize("language", ["nl", "fr"])
def test_every_setting_of_a_tool_is_asked_for_in_the_readers_language(language: str) -> None:
    tools = Plugins().tools
    assert {"exact", "octopus", "yuki"} <= set(tools)
    for name, tool in tools.items():
        fields = fields_of(tool.about.settings, language, operator=True)
        assert [one.name for one in fields if one.language != language] == [], name


def test_every_text_is_there_in_every_language() -> None:
    assert [key for key, text in texts().items() if set(text) != {"nl", "fr", "en"} or not all(text.values())] == []
