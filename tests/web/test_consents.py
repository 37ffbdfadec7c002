"""A tool is connected by API with the consent of a person whose browser an application sends there."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import aiohttp
import pytest
from dagboek.web.rights import Role
from dagboek_exact.sandbox import start_sandbox
from dagboek_sdk import clock
from dagboek_sdk.sandbox import RunningSandbox
from web.conftest import Site

BACK = "https://app.example/back"


@pytest.fixture
async def exact() -> AsyncIterator[RunningSandbox]:
    sandbox = await start_sandbox()
    yield sandbox
    await sandbox.stop()


async def ask(
    http: aiohttp.ClientSession, headers: dict[str, str], site: Site, exact: RunningSandbox, **other: Any
) -> dict[str, Any]:
    login = {"base_url": exact.base_url, **{name: exact.credentials[name] for name in ("client_id", "client_secret")}}
    wanted = {"entity_id": str(site.north.id("entity")), "tool": "exact", "login": login, "redirect_uri": BACK}
    async with http.post("/api/v1/consents", headers=headers, json=wanted | other) as answer:
        return {"status": answer.status, "cache": answer.headers.get("Cache-Control"), **await answer.json()}


async def answered(
    http: aiohttp.ClientSession, headers: dict[str, str], ticket: str, address: str
) -> tuple[int, dict[str, Any]]:
    given = {"ticket": ticket, "address": address}
    async with http.post("/api/v1/consents/answer", headers=headers, json=given) as answer:
        return answer.status, await answer.json()


async def browser_at(address: str) -> str:
    """Where the tool sends the browser of somebody who consents."""
    async with aiohttp.ClientSession() as browser, browser.get(address, allow_redirects=False) as answer:
        return answer.headers["Location"]


async def test_a_tool_is_connected_by_a_consent(site: Site, http: aiohttp.ClientSession, exact: RunningSandbox) -> None:
    headers = await site.person(site.north, Role.ADMIN, operator=True)
    asked = await ask(http, headers, site, exact)
    assert (asked["status"], asked["cache"]) == (201, "no-store")
    assert str(exact.credentials["client_secret"]) not in asked["ticket"] + asked["address"]
    came_back = await browser_at(asked["address"])
    assert came_back.startswith(BACK)

    assert (await answered(http, headers, asked["ticket"], BACK + "?code=made-up&state=x"))[0] == 422
    status, begun = await answered(http, headers, asked["ticket"], came_back)
    assert (status, len(begun["administrations"]) > 0) == (201, True)
    status, told = await answered(http, headers, asked["ticket"], came_back)  # a code is good once
    assert status in (409, 422, 424) and told["detail"]


async def test_an_answer_of_another_or_too_late_is_refused(
    site: Site, http: aiohttp.ClientSession, exact: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = await site.person(site.north, Role.ADMIN, operator=True)
    asked = await ask(http, headers, site, exact)
    stranger = await site.person(site.south, Role.ADMIN)
    refused = [await answered(http, stranger, asked["ticket"], BACK), await answered(http, headers, "made up", BACK)]
    now = clock.now() + timedelta(minutes=11)
    monkeypatch.setattr("dagboek.api.consents.clock.now", lambda: now)
    refused.append(await answered(http, headers, asked["ticket"], BACK))
    assert [(status, told["code"]) for status, told in refused] == [(409, "consent_gone")] * 3


@pytest.mark.parametrize(
    ("other", "code"),
    [
        ({"redirect_uri": "http://app.example/back"}, "redirect_uri"),
        ({"redirect_uri": "javascript:alert(1)"}, "redirect_uri"),
        ({"tool": "octopus", "login": {}}, "no_consent_needed"),
    ],
    ids=["not encrypted", "no address", "a tool with passwords"],
)
async def test_what_cannot_be_asked_is_told(
    site: Site, http: aiohttp.ClientSession, exact: RunningSandbox, other: dict[str, Any], code: str
) -> None:
    headers = await site.person(site.north, Role.ADMIN, operator=True)
    assert (await ask(http, headers, site, exact, **other))["code"] == code
