"""The button that leads to the OpenID provider, in a browser."""

import os
from pathlib import Path

import pytest
from console.conftest import PHONE, Reading
from dagboek.settings import Settings
from dagboek.web.signin.oidc import Provider
from web.conftest import Site
from web.openid_provider import CLIENT, SECRET, openid_provider


async def test_somebody_signs_in_there_and_is_told_when_that_fails(
    site: Site, reading: Reading, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with openid_provider() as provider, reading(role=None, size=PHONE) as reader:
        settings = Settings(
            oidc_issuer=provider.issuer, oidc_client_id=CLIENT, oidc_client_secret=SECRET, oidc_title="Acme"
        )
        monkeypatch.setattr(site.web, "settings", settings)
        monkeypatch.setattr(site.web, "oidc", Provider.of(settings))
        page, _ = await reader.at("/runs")
        if folder := os.environ.get("DAGBOEK_SCREENSHOTS"):
            await page.screenshot(path=Path(folder) / "openid.png", full_page=True)
        await reader.accessible()
        provider.person["email_verified"] = False
        await page.get_by_role("link", name="Sign in with Acme").click()
        await page.get_by_role("alert").get_by_text("has not verified your e-mail").wait_for()
        await reader.accessible()
        provider.person["email_verified"] = True
        page, _ = await reader.at("/runs")
        await page.get_by_role("link", name="Sign in with Acme").click()
        await page.wait_for_url(f"{site.address}/runs")
