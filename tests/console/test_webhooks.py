"""An administrator sets up a webhook in the console, tries it, and sees what came of it."""

from console.conftest import Reading
from core.test_webhooks import receiving
from dagboek.web.rights import Role
from playwright.async_api import expect
from standardwebhooks import Webhook as Verifier
from web.conftest import Site
from web.test_webhooks import delivered


async def test_from_an_address_to_what_it_answered(site: Site, reading: Reading) -> None:
    async with receiving(status=500, answer="<b>not yet</b>") as receiver, reading(of=site.south) as reader:
        page, _ = await reader.at("/webhooks")
        await page.get_by_label("Address", exact=True).fill("https://10.0.0.1/")
        await page.get_by_role("button", name="Add a webhook").click()
        assert "private network" in await page.get_by_role("alert").inner_text()
        await page.get_by_label("Address", exact=True).fill(receiver.address)
        await page.get_by_role("button", name="Add a webhook").click()
        secret = await page.locator("code.secret").inner_text()
        await reader.accessible()

        await page.get_by_role("button", name="Send a test event").click()
        await page.get_by_text("Not tried yet").wait_for()
        await delivered(site)
        await page.get_by_text("Given up").wait_for()  # the page looks itself
        await expect(page.get_by_text("<b>not yet</b>")).to_have_count(1)
        headers, body = receiver.got[0]
        assert Verifier(secret).verify(body, headers)
        await reader.accessible()

        receiver.status = 200
        await page.get_by_role("button", name="Send again").click()
        await page.get_by_text("Waits").wait_for()
        await delivered(site)
        await page.get_by_text("Delivered").first.wait_for()
        await page.get_by_role("link", name="Webhook", exact=True).click()
        assert "whsec_" not in await page.content()
        await page.get_by_label("What it is for").fill("Our shop")
        await page.get_by_role("button", name="Save").click()
        await expect(page.locator("h1")).to_contain_text("Our shop")
        await page.get_by_role("button", name="Delete the webhook").click()
        await page.wait_for_url("**/webhooks")
        await expect(page.get_by_text("Our shop")).to_have_count(0)


async def test_one_that_was_switched_off_is_told_on_the_first_page(site: Site, reading: Reading) -> None:
    webhook = site.north.id("webhook")
    await site.db.run("UPDATE webhook SET state = 'off', off_reason = 'failing' WHERE id = %s", webhook)
    async with reading(of=site.north) as reader:
        page, _ = await reader.at("/")
        await page.get_by_role("link", name="Look at the webhooks").click()
        await page.get_by_role("link", name="https://north.example/hook").click()
        await expect(page.get_by_text("Nothing arrived for three days")).to_have_count(1)
        await page.get_by_role("button", name="Resume").click()
        await expect(page.get_by_text("Switched off")).to_have_count(0)
        await reader.at("/")
        await expect(page.get_by_role("link", name="Look at the webhooks")).to_have_count(0)
    async with reading(of=site.north, role=Role.BOOKKEEPER) as reader:
        await site.db.run("UPDATE webhook SET state = 'off', off_reason = 'failing' WHERE id = %s", webhook)
        page, status = await reader.at("/webhooks")
        assert status == 403
        page, _ = await reader.at("/")
        await expect(page.get_by_role("link", name="Look at the webhooks")).to_have_count(0)
