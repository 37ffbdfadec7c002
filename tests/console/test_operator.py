"""An operator at the console: a new tenant and its first person, runs that wait, plugins that are gone."""

import secrets
from pathlib import Path

from console.conftest import DESKTOP, PHONE, Reading
from console.test_pages import SCREENSHOTS
from dagboek.dead_letters import dead_letter
from dagboek.embedded import Services
from dagboek.permits import RowPermits
from dagboek.web.caller import COOKIE
from dagboek.web.rights import Role
from dagboek.web.signin import people, sessions
from dagboek_schemas.topics import Topic
from dagboek_sdk.limits import ALL, Limit, Window
from playwright.async_api import expect
from web.conftest import Site


async def test_others_see_nothing_of_it(reading: Reading) -> None:
    async with reading(role=Role.ADMIN) as reader:
        page, status = await reader.at("/operator/tenants")
        assert status == 403
        await expect(page.locator("a[href='/operator']")).to_have_count(0)


async def test_an_operator_of_no_tenant_begins_with_the_installation(site: Site, reading: Reading) -> None:
    async with reading(role=None) as reader:
        person = await people.ensure_person(site.db, "operator@example.com", operator=True)
        await people.choose_language(site.db, person.id, "en")
        token = await sessions.begin(site.db, person, "a test")
        await reader.page.context.add_cookies([{"name": COOKIE, "value": token, "url": site.address}])
        page, _ = await reader.at("/")
        assert page.url.endswith("/operator")
        await expect(page.locator("header a[href='/documents']")).to_have_count(0)  # they look at no tenant yet

        await page.get_by_role("link", name="Tenants", exact=True).first.click()
        name, email = f"West {secrets.token_hex(3)}", f"{secrets.token_hex(3)}@west.example"
        await page.get_by_label("Name").fill(name)
        await page.get_by_role("button", name="Add a tenant").click()
        await expect(page.locator("h1")).to_have_text(name)
        await page.get_by_label("E-mail").fill(email)
        await page.get_by_role("button", name="Add somebody").click()
        await page.get_by_role("button", name=f"Sign-in link for {email}").click()
        link = await page.locator("code.secret").inner_text()
        assert link.startswith(f"{site.address}/sign-in/link/")
        await reader.accessible()

        await page.get_by_role("button", name="Go on with this tenant").click()
        await page.get_by_text("No integrations yet").wait_for(timeout=60_000)


async def test_a_run_that_waits_is_woken(site: Site, reading: Reading) -> None:
    rows = site.south
    await site.db.run(
        """INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, state, selected,
                            started_at, park_reason, park_issue, parked_until)
           VALUES (gen_random_uuid(), %s, %s, %s, %s, 'automatic', 'parked', true, now(), 'tool_unavailable', %s,
                   now() + interval '1 hour')""",
        rows.tenant,
        rows.id("entity"),
        rows.id("connection"),
        rows.id("administration"),
        '{"code": "B06", "severity": "error", "facts": {}}',
    )
    async with reading(operator=True, size=PHONE) as reader:
        page, _ = await reader.at("/operator/runs?state=parked")
        await page.get_by_role("button", name="Try the run of south Trading now").click()
        await page.get_by_text("The run is tried now").wait_for(timeout=60_000)
        await reader.accessible()
    row = await site.db.one("SELECT parked_until <= now() AS due FROM run WHERE state = 'parked'")
    assert row == {"due": True}


async def test_the_pages_of_an_integration_whose_plugin_is_gone(site: Site, reading: Reading) -> None:
    connection = site.north.id("connection")
    await site.db.run("UPDATE connection SET plugin = 'gone' WHERE id = %s", connection)
    await site.db.run("UPDATE administration SET plugin = 'gone' WHERE id = %s", site.north.id("administration"))
    try:
        async with reading() as reader:
            addresses = [
                "/",
                f"/integrations/{connection}",
                f"/set-up/{connection}",
                "/runs",
                f"/runs/{site.north.id('run')}",
                f"/documents/{site.north.identity}",
            ]
            for address in addresses:
                page, status = await reader.at(address)
                assert status == 200, address
                if "integrations" in page.url or address == "/":
                    assert await page.get_by_text("Plugin not installed").first.is_visible(), address
                    await expect(page.get_by_role("button", name="Sync", exact=False)).to_have_count(
                        int(address == "/")
                    )
    finally:
        await site.db.run("UPDATE connection SET plugin = 'octopus' WHERE id = %s", connection)
        await site.db.run("UPDATE administration SET plugin = 'octopus' WHERE id = %s", site.north.id("administration"))


async def test_workers_and_limits_that_are_at_work(site: Site, reading: Reading) -> None:
    prefix, books = site.web.settings.topic_prefix, site.north.id("administration")
    await site.db.run(
        """INSERT INTO worker_slot (member, holder, seen_at, ended_at)
           SELECT %s || slot, gen_random_uuid(), now() - age, ended FROM (VALUES
               ('1', interval '0', NULL), ('2', interval '1 hour', NULL), ('3', interval '1 hour', now())
           ) v(slot, age, ended)""",
        f"{prefix}.workers-",
    )
    await site.db.run("UPDATE lane SET slot = '1', holder = gen_random_uuid() WHERE administration_id = %s", books)
    limits = [Limit("yuki:example:1", ALL, 5, Window.DAY), Limit("octopus:dossier:1001", "update", 10, Window.DAY)]
    permits = RowPermits(site.db, limits, books)
    for _ in range(4):
        await permits.take(ALL)
    await permits.take("update")
    for language, size in (("nl", DESKTOP), ("fr", PHONE), ("en", PHONE)):
        async with reading(operator=True, language=language, size=size) as reader:
            for name in ("workers", "quotas", "quotas/shares?key=yuki:example:1&group=*&period=day"):
                page, status = await reader.at(f"/operator/{name}")
                assert status == 200
                await expect(page.locator("tbody tr").first).to_be_visible()
                await reader.accessible()
                if SCREENSHOTS:
                    file = f"at-work-{name.partition('?')[0].replace('/', '-')}-{language}.png"
                    await page.screenshot(path=Path(SCREENSHOTS) / file, full_page=True)
            page, _ = await reader.at("/operator/workers")
            await expect(page.locator("tbody .status")).to_have_count(3)
    await site.db.run("UPDATE lane SET slot = '', holder = NULL WHERE administration_id = %s", books)


async def test_a_dead_letter_is_published_again_once(site: Site, reading: Reading) -> None:
    letter = dead_letter(
        b'{"run_id": "not one", "name": "Jan Janssens", "window": 4}',
        key=b"6f0b0f6e-5b7e-4a52-9a53-111111111111",
        headers=[("ce_type", b"dagboek.sync.start.v1"), ("X-Customer", b"Jan")],
        why="dagboek.sync.start.v1: run_id",
        topic=Topic.COMMANDS.named(site.web.settings.topic_prefix),
        partition=1,
        offset=7,
    )
    ((partition, offset),) = await site.web.publisher.publish(Topic.DEADLETTERS, [letter])
    address = f"/operator/dead-letters/{partition}/{offset}"
    for language, size in (("en", DESKTOP), ("nl", PHONE), ("fr", PHONE)):
        async with reading(operator=True, language=language, size=size) as reader:
            page, _ = await reader.at("/operator/dead-letters")
            await reader.accessible()
            page, _ = await reader.at(address)
            assert "Janssens" not in await page.content()
            if language == "en":
                old = await page.context.new_page()
                await old.goto(site.address + address)
                await page.get_by_role("button", name="Publish again").click()
                await page.get_by_text("The record was published again.").wait_for(timeout=60_000)
                await old.get_by_role("button", name="Publish again").click()
                await old.get_by_text("It does not go a second time.").wait_for(timeout=60_000)
            await expect(page.locator("form[action$=publish]")).to_have_count(0)
            await reader.accessible()
            if SCREENSHOTS:
                await page.screenshot(path=Path(SCREENSHOTS) / f"at-work-letter-{language}.png", full_page=True)


async def test_pages_open_without_kafka_and_say_so(site: Site, reading: Reading) -> None:
    services = site.web.services
    site.web.services = Services("127.0.0.1:1", services.database_url)
    try:
        async with reading(operator=True) as reader:
            for name in ("lag", "dead-letters", "dead-letters/0/0"):
                page, status = await reader.at(f"/operator/{name}")
                assert status == 200
                await expect(page.get_by_text("Kafka does not answer.")).to_be_visible()
                await reader.accessible()
            if SCREENSHOTS:
                await page.screenshot(path=Path(SCREENSHOTS) / "at-work-no-kafka.png", full_page=True)
    finally:
        site.web.services = services


async def test_what_doctor_finds_is_on_a_page(site: Site, reading: Reading) -> None:
    async with reading(operator=True, language="fr") as reader:
        page, _ = await reader.at("/operator/doctor")
        await page.get_by_role("button", name="Examiner maintenant").click()
        await page.get_by_text("Erreurs :").wait_for(timeout=120_000)
        await reader.accessible()
        if SCREENSHOTS:
            await page.screenshot(path=Path(SCREENSHOTS) / "at-work-doctor-fr.png", full_page=True)
