"""The hours of the night: chosen by a tenant, told where an integration is switched to automatic, in its time zone."""

import re
from datetime import UTC, datetime

import aiohttp
import pytest
from console.conftest import Reading
from dagboek.web.rights import Right
from playwright.async_api import expect
from web.conftest import Site


async def test_hours_are_chosen_and_told_with_the_next_time(site: Site, reading: Reading) -> None:
    await site.db.run(
        """UPDATE connection SET settings = '{"automatic": true}', next_run_at = NULL WHERE id = %s""",
        site.north.id("connection"),
    )
    async with reading(language="nl") as reader:
        page, _ = await reader.at(f"/integrations/{site.north.id('connection')}?tab=sync")
        assert "tussen 01:00 en 05:00 (Europe/Brussels)" in await page.inner_text("main")
        await page.get_by_role("link", name="Uren wijzigen").click()
        await page.get_by_label("Van").fill("22:00")
        await page.get_by_label("Tot").fill("22:00")
        await page.get_by_role("button", name="Opslaan").click()
        assert "Kies twee verschillende uren" in await page.get_by_role("alert").inner_text()
        assert await page.get_by_label("Van").input_value() == "22:00"
        await page.get_by_label("Tot").fill("23:00")
        await page.get_by_label("Tijdzone").select_option("Pacific/Auckland")
        await page.get_by_role("button", name="Opslaan").click()
        await expect(page.get_by_role("status").first).to_contain_text("Opgeslagen")

        await reader.at(f"/integrations/{site.north.id('connection')}?tab=sync")
        told = await page.inner_text("main")
        assert "tussen 22:00 en 23:00 (Pacific/Auckland)" in told
        assert re.search(r"Volgende automatische\s+(vandaag|morgen) om 22:\d\d", told)

        run = datetime(2026, 1, 5, 12, 30, tzinfo=UTC)
        await site.db.run(
            "UPDATE run SET requested_at = %s, finished_at = NULL WHERE id = %s", run, site.north.id("run")
        )
        await reader.at(f"/runs/{site.north.id('run')}")
        assert "01:30" in await page.inner_text("main"), "times on pages are the tenant's: half past one on the 6th"

        await site.db.run("UPDATE connection SET state = 'reconnect' WHERE id = %s", site.north.id("connection"))
        await reader.at(f"/integrations/{site.north.id('connection')}")
        assert "Gepauzeerd" in await page.inner_text("main")
    await site.db.run(
        "UPDATE connection SET state = 'connected', settings = '{}' WHERE id = %s", site.north.id("connection")
    )
    await site.db.run("UPDATE tenant SET nightly = NULL, time_zone = NULL")


@pytest.mark.parametrize("given", [{"hours": "25:00-26:00"}, {"time_zone": "Mars/Base"}, {"hours": "01:00-01:00"}])
async def test_the_api_takes_hours_and_no_nonsense(site: Site, given: dict[str, str]) -> None:
    headers = await site.key(site.south, Right.READ, Right.CONNECT)
    async with aiohttp.ClientSession(site.address, headers=headers) as http:
        async with http.put("/api/v1/schedule", json={"hours": "22:00-04:00"}) as answer:
            assert answer.status == 200
        async with http.put("/api/v1/schedule", json=given) as answer:
            assert answer.status == 422
        async with http.get("/api/v1/schedule") as answer:
            assert await answer.json() == {
                "hours": "22:00-04:00",
                "time_zone": "Europe/Brussels",
                "chosen": {"hours": "22:00-04:00", "time_zone": None},
            }
