"""The console in a real browser (Debian's Chromium), before the web process of `web/conftest.py`."""

import os
import shutil
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from axe_playwright_python.async_playwright import Axe
from dagboek.web.caller import COOKIE
from dagboek.web.rights import Role
from dagboek.web.signin import people, sessions
from end_to_end.harness import GUARD
from playwright.async_api import Browser, Page, async_playwright, expect
from web.conftest import Site, site
from web.tenants import TenantRows

__all__ = ["site"]

DESKTOP, PHONE = (1280, 900), (390, 844)
PATIENCE = GUARD
"""Seconds that a browser waits for what must come."""
expect.set_options(timeout=PATIENCE * 1000)


def chromium() -> str:
    """The browser; where the tests must all run, its absence is a failure."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if found is None:
        message = "No Chromium on this machine (apt-get install chromium)."
        if os.environ.get("CI") == "true":
            pytest.fail(message)
        pytest.skip(message)
    return found


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        yield launched
        await launched.close()


@dataclass
class Reader:
    """Somebody at a browser."""

    page: Page
    address: str
    """Of the console."""
    faults: list[str]
    """What the browser complained of: script errors, what the policy forbade, answers of 500."""

    async def at(self, path: str) -> tuple[Page, int]:
        """Opens a page: it, and the status of the answer."""
        answer = await self.page.goto(self.address + path)
        return self.page, answer.status if answer else 0

    async def accessible(self) -> None:
        """No violation of WCAG 2.2 AA that axe knows of, nothing wider than the window."""
        await self.page.wait_for_load_state()  # an element is there before the style is
        rules = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
        # else it tells each element that is as it should be, which takes longer than to look at it
        found = await Axe().run(self.page, options={"runOnly": rules, "resultTypes": ["violations"]})
        told = [
            f"{one['id']}: {one['help']} {[node['target'] for node in one['nodes']][:3]}"
            for one in found.response["violations"]
        ]
        assert told == [], f"{self.page.url}: {told}"
        wider = await self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wider <= 0, f"{self.page.url} is {wider} pixels too wide"


@asynccontextmanager
async def looking(
    browser: Browser,
    address: str,
    *,
    language: str = "en",
    size: tuple[int, int] = DESKTOP,
    dark: bool = False,
    script: bool = True,
    token: str | None = None,
) -> AsyncIterator[Reader]:
    """Somebody who looks at the console, in the session of this token. What the browser complains of fails."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]},
        color_scheme="dark" if dark else "light",
        locale={"nl": "nl-BE", "fr": "fr-BE", "en": "en-GB"}[language],
        java_script_enabled=script,
    )
    context.set_default_timeout(PATIENCE * 1000)
    if token is not None:
        await context.add_cookies([{"name": COOKIE, "value": token, "url": address}])
    page = await context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(f"script: {error}"))
    page.on("console", lambda said: faults.append(f"{said.type}: {said.text}") if said.type == "error" else None)
    page.on("response", lambda got: faults.append(f"{got.status} {got.url}") if got.status >= 500 else None)
    yield Reader(page, address, faults)
    await context.close()
    assert [one for one in faults if "Failed to load resource" not in one] == []


Reading = Callable[..., AbstractAsyncContextManager[Reader]]


@pytest.fixture
def reading(site: Site, browser: Browser) -> Reading:
    """A browser in which somebody of a tenant is signed in; `role=None`: nobody is."""

    @asynccontextmanager
    async def opened(
        of: TenantRows | None = None,
        role: Role | None = Role.ADMIN,
        *,
        language: str = "en",
        operator: bool = False,
        **how: Any,
    ) -> AsyncIterator[Reader]:
        token = None
        if role is not None:
            of = of or site.north
            person = await people.ensure_person(site.db, f"{role}.{language}@{of.name}.example", operator=operator)
            await people.set_role(site.db, of.tenant, person.id, role)
            await people.choose_language(site.db, person.id, language)
            token = await sessions.begin(site.db, person, "a test")
        async with looking(browser, site.address, language=language, token=token, **how) as reader:
            yield reader

    return opened
