"""The bell, by those who are told: in a browser, with JavaScript and without it, and nobody else's."""

from typing import Any
from uuid import UUID, uuid4

import aiohttp
import pytest
from console.conftest import PHONE, Reading
from console.test_pages import SCREENSHOTS
from dagboek.database import Jsonb
from dagboek.runs import finish_run
from dagboek.web.rights import Role
from dagboek.web.signin import people, sessions
from playwright.async_api import expect
from web.conftest import Site, http
from web.tenants import TenantRows

__all__ = ["http"]


async def told(site: Site, of: TenantRows, email: str, runs: int = 1, **more: Any) -> UUID:
    """A notice for somebody, of as many runs; those with an odd number need attention."""
    person = await people.ensure_person(site.db, email)
    named = [
        {"id": str(of.id("run")), "entity": f"Bakkerij {number}", "tool": "octopus", "synced": 4, "skipped": number % 2,
         "status": "Warning" if number % 2 else "Success"}
        for number in range(1, runs + 1)
    ]  # fmt: skip
    facts = {
        "statuses": {"Warning": (runs + 1) // 2, "Success": runs // 2},
        "components": {
            "sales_invoices": {"synced": 3 * runs, "skipped": (runs + 1) // 2},
            "purchase_invoices": {"synced": runs, "skipped": 0},
        },
        "runs": named,
    }
    row = await site.db.one(
        """INSERT INTO notice (tenant_id, person_id, kind, about, facts)
           VALUES (%s, %s, 'runs', %s, %s) RETURNING id""",
        of.tenant,
        person.id,
        uuid4(),
        Jsonb(facts),
    )
    assert row is not None
    return UUID(str(row["id"]))


async def test_the_end_of_what_one_started_rings_the_bell_by_itself(site: Site, reading: Reading) -> None:
    async with reading(of=site.north, role=Role.BOOKKEEPER) as reader:
        page, _ = await reader.at("/")
        await page.get_by_role("button", name="Sync north Trading").click()
        await page.wait_for_url("**/runs/*")
        run = page.url.rpartition("/")[2]
        assert await page.locator("#bell").inner_text() == "Notifications: no unread notifications"
        async with site.db.connection() as connection:
            assert await finish_run(connection, UUID(run))
        await page.locator(".bell .count").wait_for(timeout=60_000)
        await page.get_by_role("group").filter(has=page.locator("#bell")).locator("summary").click()
        entry = page.locator(".bell .sheet a.unread")
        await entry.wait_for(timeout=60_000)
        assert "north Trading is synchronised" in await entry.inner_text()
        await reader.accessible()
        await entry.click()
        await page.wait_for_url(f"**/runs/{run}")
        await expect(page.locator(".bell .count")).to_have_count(0)  # it is read


@pytest.mark.parametrize("language", ["nl", "fr", "en"])
async def test_several_are_told_in_one(site: Site, reading: Reading, language: str) -> None:
    script = language != "en"  # without it, axe does not run either
    email = f"viewer.{language}@north.example"
    notice = await told(site, site.north, email, runs=7)
    await told(site, site.north, email)
    async with reading(role=Role.VIEWER, language=language, size=PHONE, script=script) as reader:
        page, _ = await reader.at("/")
        await page.locator(".bell summary").click()
        if script:
            await page.locator(".bell .sheet a.unread").first.wait_for(timeout=60_000)
            await reader.accessible()
        await picture(page, f"bell-{language}-phone")
        await page.locator(".bell .sheet a[href='/notices']").click()
        await page.wait_for_url("**/notices")
        await expect(page.locator(".notices .unread")).to_have_count(2)
        if script:
            await reader.accessible()
        await picture(page, f"notices-{language}-phone")
        await page.locator(f"main a[href='/notices/{notice}']").click()
        await page.wait_for_url(f"**/notices/{notice}")
        await expect(page.locator("main a[href^='/runs/']")).to_have_count(4)  # those that need attention
        if script:
            await reader.accessible()
        await picture(page, f"notice-{language}-phone")
        await reader.at("/notices?unread=true")
        await expect(page.locator(".notices .unread")).to_have_count(1)
        await page.locator("form[action='/notices/read'] button").click()
        await expect(page.locator(".notices .unread")).to_have_count(0)


async def test_one_of_another_tenant_of_the_reader_says_so_first(site: Site, reading: Reading) -> None:
    email = "viewer.en@north.example"
    async with reading(of=site.north, role=Role.VIEWER) as reader:
        person = await people.find_person(site.db, email)
        notice = await told(site, site.south, email, runs=3)
        page, status = await reader.at(f"/notices/{notice}")
        assert status == 404, "they are no member there"
        await people.set_role(site.db, site.south.tenant, person.id, Role.VIEWER)
        page, status = await reader.at(f"/notices/{notice}")
        assert status == 200
        await reader.accessible()
        await page.get_by_role("button", name="Go on with south").click()
        await expect(page.locator("h1")).to_contain_text("3 integrations are synchronised")
        await people.remove_member(site.db, site.south.tenant, person.id)


async def test_nobody_reads_what_others_of_the_tenant_are_told(site: Site, http: aiohttp.ClientSession) -> None:
    mine = await site.person(site.north, Role.BOOKKEEPER)
    theirs = await told(site, site.north, "somebody.else@north.example")
    own = await told(site, site.north, "bookkeeper@north.example")
    async with http.get("/api/v1/notices", headers=mine) as answer:
        listed = (await answer.json())["items"]
    assert [one["id"] for one in listed] == [str(own)]
    assert (listed[0]["title"], listed[0]["status"]) == (
        "Bakkerij 1 is gesynchroniseerd, niet alles ging door",
        "Warning",
    )
    assert listed[0]["counts"][0] == {"component": "sales_invoices", "synced": 3, "skipped": 1}
    for notice, status in ((theirs, 404), (own, 204), (own, 204)):
        async with http.post(f"/api/v1/notices/{notice}/read", headers=mine) as answer:
            assert answer.status == status
    async with http.get("/api/v1/notices?unread=true", headers=mine) as answer:
        assert (await answer.json())["items"] == []
    async with http.post("/api/v1/notices/read", headers=mine) as answer:
        assert await answer.json() == {"read": 0}
    row = await site.db.one("SELECT read_at FROM notice WHERE id = %s", theirs)
    assert row == {"read_at": None}


async def test_mail_and_nights_are_chosen(site: Site, reading: Reading) -> None:
    async with reading(of=site.south, role=Role.BOOKKEEPER) as reader:
        person = await people.find_person(site.db, "bookkeeper.en@south.example")
        page, _ = await reader.at("/profile")
        await page.get_by_label("Send me notifications by e-mail, too").uncheck()
        async with page.expect_navigation():
            await page.locator("form[action='/profile/emails'] button").click()
        await expect(page.get_by_label("Send me notifications by e-mail, too")).not_to_be_checked()
        assert not await people.wants_mail(site.db, person.id)
        connection = site.south.id("connection")
        await reader.at(f"/integrations/{connection}?tab=sync")
        await page.get_by_label("Tell me").select_option("after 3 failed nights in a row")
        async with page.expect_navigation():
            await page.locator("form[action$='/night-watch'] button").click()
        row = await site.db.one("SELECT nights FROM night_watch WHERE person_id = %s", person.id)
        assert row == {"nights": 3}
        await page.get_by_label("Tell me").select_option("never")
        async with page.expect_navigation():
            await page.locator("form[action$='/night-watch'] button").click()
        assert await site.db.one("SELECT nights FROM night_watch WHERE person_id = %s", person.id) is None


async def test_who_is_added_is_mailed_and_the_admin_sees_no_link(
    site: Site, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    admin = await site.person(site.north, Role.ADMIN)
    settings = site.web.settings
    monkeypatch.setattr(
        site.web, "settings", settings.model_copy(update={"smtp_host": "mail.example", "smtp_from": "a@b.example"})
    )
    given = {"email": "Nieuw@north.example", "role": "viewer"}
    for _ in range(2):
        async with http.post("/api/v1/people", headers=admin, json=given) as answer:
            member = await answer.json()
            assert (answer.status, member["invitation"]) == (201, "waiting")
    rows = await site.db.all("SELECT kind, invited_by FROM email WHERE person_id = %s", UUID(member["person_id"]))
    assert rows == [{"kind": "invitation", "invited_by": "admin@north.example"}], "once, as one who is there is not new"
    path = f"/api/v1/people/{member['person_id']}/link"
    async with http.post(path, headers=admin) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "just_mailed")
    await site.db.run(
        "UPDATE email SET created_at = now() - interval '1 hour', state = 'sent' WHERE kind = 'invitation'"
    )
    async with http.post(path, headers=admin) as answer:
        assert answer.status == 202
        assert "sign-in" not in await answer.text()
    monkeypatch.setattr(site.web, "settings", settings)
    async with http.post(path, headers=admin) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "no_mail")


async def picture(page: Any, name: str) -> None:
    if SCREENSHOTS:
        await page.screenshot(path=f"{SCREENSHOTS}/{name}.png", full_page=True)


async def test_audits_and_webhooks_ring_and_lead_to_their_pages(
    site: Site, reading: Reading, http: aiohttp.ClientSession
) -> None:
    email, of = "admin.fr@south.example", site.south
    person = await people.ensure_person(site.db, email)
    audit = {"audit": str(of.id("audit")), "entity": "Zuid", "tool": "octopus", "first": "2026-01-01",
             "last": "2026-01-31", "state": "done", "problems": 1}  # fmt: skip
    webhook = {"webhook": str(of.id("webhook")), "name": "hook.example", "reason": "failing"}
    for kind, facts in (("audit", audit), ("webhook", webhook)):
        await site.db.run(
            "INSERT INTO notice (tenant_id, person_id, kind, about, facts) VALUES (%s, %s, %s, %s, %s)",
            of.tenant, person.id, kind, uuid4(), Jsonb(facts),
        )  # fmt: skip
    async with reading(of=of, role=Role.ADMIN, language="fr", size=PHONE) as reader:
        page, _ = await reader.at("/notices")
        said = await page.inner_text("main")
        assert "Le contrôle de Zuid est terminé" in said and "1 à regarder" in said
        assert "Le webhook hook.example a été désactivé" in said and "trois jours" in said
        await reader.accessible()
        await picture(page, "notices-of-audit-and-webhook-fr-phone")
        for name, path in (("contrôle", f"/audits/{of.id('audit')}"), ("webhook", f"/webhooks/{of.id('webhook')}")):
            page, _ = await reader.at("/notices")
            await page.locator("main").get_by_role("link", name=name).click()
            await page.wait_for_url(f"**{path}")
        page, _ = await reader.at("/profile")
        assert await page.locator(".fault").count() == 0
        await site.db.run(
            """INSERT INTO email (tenant_id, person_id, kind, state, reason, ended_at)
               VALUES (%s, %s, 'runs', 'given_up', '550 5.1.1 unknown', now())""",
            of.tenant, person.id,
        )  # fmt: skip
        page, _ = await reader.at("/profile")
        assert "n'a pas pu être remis" in await page.locator(".fault").inner_text()
        await reader.accessible()
    token = await sessions.begin(site.db, person, "a test")
    async with http.get("/api/v1/notices", headers={"Cookie": f"dagboek={token}"}) as answer:
        shown = (await answer.json())["items"]
    assert [(one["kind"], one["webhook_id"], one["audit_id"]) for one in shown] == [
        ("webhook", webhook["webhook"], None), ("audit", None, audit["audit"])
    ]  # fmt: skip
