"""What operators see and do over all tenants, and that nobody else does."""

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import psycopg
import pytest
from confluent_kafka import Consumer, TopicPartition
from dagboek import slots
from dagboek.dead_letters import dead_letter
from dagboek.embedded import Services
from dagboek.installation.lag import read_lag
from dagboek.installation.letters import shape
from dagboek.permits import RowPermits
from dagboek.slots import Slot
from dagboek.web.rights import Right, Role
from dagboek.web.signin import people, sessions
from dagboek.web.signin.tokens import csrf_of
from dagboek.web.tenancy import InstallationDatabase
from dagboek_schemas.topics import Topic
from dagboek_sdk.limits import ALL, Budget, Limit, Window
from web.conftest import Site
from web.test_routes import BODIES, everything, filled, names_of, operations

OPERATOR = "/api/v1/operator"


@pytest.fixture
async def operator(site: Site) -> dict[str, str]:
    """Headers of an operator who is in no tenant."""
    person = await people.ensure_person(site.db, "operator@example.com", operator=True)
    token = await sessions.begin(site.db, person, "a test")
    return {"Cookie": f"dagboek={token}", "X-CSRF-Token": csrf_of(token)}


@pytest.fixture
async def parked(site: Site) -> AsyncIterator[dict[str, UUID]]:
    """A parked run of each tenant, by its name."""
    made = {}
    for rows in (site.north, site.south):
        made[rows.name] = uuid4()
        await site.db.run(
            """INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, state, selected,
                                started_at, park_reason, park_issue, parked_until, parked_seconds)
               VALUES (%s, %s, %s, %s, %s, 'automatic', 'parked', true, now(), 'tool_unavailable', %s,
                       now() + interval '1 hour', 7000)""",
            made[rows.name],
            rows.tenant,
            rows.id("entity"),
            rows.id("connection"),
            rows.id("administration"),
            '{"code": "B06", "severity": "error", "facts": {}}',
        )
    yield made
    await site.db.run("DELETE FROM run WHERE id = ANY(%s)", list(made.values()))


def written(site: Site, topic: Topic) -> int:
    """Records that a topic has had."""
    services, prefix = site.web.services, site.web.settings.topic_prefix
    found = read_lag(services.kafka_bootstrap, prefix, services.kafka_security)
    return {one.topic: one.written for one in found.topics}[topic.named(prefix)]


async def set_aside(site: Site, value: bytes, topic: str | None = None) -> str:
    """A dead letter: its address."""
    letter = dead_letter(
        value,
        key=b"6f0b0f6e-5b7e-4a52-9a53-111111111111",
        headers=[("ce_type", b"dagboek.sync.start.v1"), ("X-Customer", b"Jan Janssens")],
        why="dagboek.sync.start.v1: run_id",
        topic=topic or Topic.COMMANDS.named(site.web.settings.topic_prefix),
        partition=1,
        offset=7,
    )
    ((partition, offset),) = await site.web.publisher.publish(Topic.DEADLETTERS, [letter])
    return f"/dead-letters/{partition}/{offset}"


@asynccontextmanager
async def without_kafka(site: Site) -> AsyncIterator[None]:
    services = site.web.services
    site.web.services = Services("127.0.0.1:1", services.database_url)
    try:
        yield
    finally:
        site.web.services = services


async def asked(
    http: aiohttp.ClientSession, method: str, path: str, headers: dict[str, str], json: Any = None
) -> tuple[int, Any]:
    async with http.request(method, OPERATOR + path, headers=headers, json=json) as answer:
        return answer.status, await answer.json() if answer.content_type.endswith("json") else None


async def trail_of(site: Site, tenant: UUID | None) -> list[tuple[str, str, str]]:
    rows = await site.db.all("SELECT who, action, subject FROM trail WHERE tenant_id IS NOT DISTINCT FROM %s", tenant)
    return [(row["who"], row["action"], row["subject"]) for row in rows]


async def test_nobody_else_gets_anything_or_changes_anything(
    site: Site, http: aiohttp.ClientSession, description: dict[str, Any], parked: dict[str, UUID]
) -> None:
    callers = [await site.key(site.north), await site.person(site.north, Role.ADMIN)]
    names = {**names_of(site.north), "run_id": str(parked["north"]), "partition": "0", "offset": "0"}
    before, walked = await everything(site), 0
    for path, method, operation in operations(description):
        assert path.startswith(f"{OPERATOR}/") == (operation.get("x-right") == Right.OPERATE), path
        if operation.get("x-right") != Right.OPERATE:
            continue
        for headers in callers:
            address = filled(path, names)
            async with http.request(method, address, headers=headers, json=BODIES.get((method, path))) as answer:
                assert answer.status == 403, (method, path)
                assert (await answer.json())["code"] == "no_right"
        walked += 1
    assert walked > 10
    assert await everything(site) == before


async def test_what_operators_look_at_cannot_be_written(site: Site) -> None:
    seen = InstallationDatabase(site.db)

    assert len(await seen.all("SELECT id FROM tenant")) >= 2
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        await seen.run("INSERT INTO tenant (name) VALUES ('x')")


async def test_all_tenants_with_how_they_stand(
    site: Site, http: aiohttp.ClientSession, operator: dict[str, str], parked: dict[str, UUID]
) -> None:
    status, shown = await asked(http, "GET", "/tenants?search=ORTH", operator)
    assert status == 200
    (north,) = shown["items"]
    assert (north["id"], north["name"], north["entities"]) == (str(site.north.tenant), "north", 1)
    assert north["connections"] == {"connected": 1}
    assert north["open_runs"] == 1
    assert north["person"] == 2, "a document and a party"
    assert north["last_run"]["id"] == str(parked["north"])
    assert north["last_run"]["status"] == "Stalled"

    names, cursor = [], ""
    while cursor is not None:
        _, shown = await asked(http, "GET", f"/tenants?limit=1{cursor and f'&cursor={cursor}'}", operator)
        names += [one["name"] for one in shown["items"]]
        cursor = shown["next"]
    assert names == sorted(set(names))
    assert {"north", "south"} <= set(names)


async def test_a_new_tenant_its_first_person_and_their_way_in(
    site: Site, http: aiohttp.ClientSession, operator: dict[str, str]
) -> None:
    name, email = f"East {secrets.token_hex(3)}", f"{secrets.token_hex(4)}@east.example"
    status, made = await asked(http, "POST", "/tenants", operator, {"name": f" {name} "})
    assert (status, made["name"], made["connections"]) == (201, name, {})
    assert (await asked(http, "POST", "/tenants", operator, {"name": name}))[0] == 422
    tenant = made["id"]

    status, member = await asked(
        http, "POST", f"/tenants/{tenant}/people", operator, {"email": email, "role": "admin", "name": "Anna"}
    )
    assert status == 201
    person = member["person_id"]
    _, shown = await asked(http, "GET", f"/people?search={email}", operator)
    assert shown["items"][0]["tenants"] == [{"id": tenant, "name": name, "role": "admin"}]

    async with http.post(f"{OPERATOR}/people/{person}/link", headers=operator) as answer:
        assert answer.status == 201
        assert answer.headers["Cache-Control"] == "no-store"
        link = (await answer.json())["link"]
    assert link.startswith(site.address)
    async with http.post("/api/v1/session/link", json={"token": link.rpartition("/")[2]}) as answer:
        assert answer.status == 200
        cookie = {"Cookie": f"dagboek={answer.cookies['dagboek'].value}"}

    status, shown = await asked(http, "POST", f"/people/{person}/disable", operator)
    assert (status, shown["disabled"]) == (200, True)
    async with http.get("/api/v1/me", headers=cookie) as answer:
        assert answer.status == 401, "what they had open has ended"
    assert (await asked(http, "POST", f"/people/{person}/link", operator))[0] == 409
    assert (await asked(http, "POST", f"/people/{person}/enable", operator))[1]["disabled"] is False

    acts = [act for who, act, _ in await trail_of(site, UUID(tenant)) if who == "operator@example.com"]
    assert acts == ["tenant.add", "member.role", "person.link", "person.disable", "person.enable"]


async def test_a_write_of_who_is_in_no_tenant_is_done_once_for_a_key(
    site: Site, http: aiohttp.ClientSession, operator: dict[str, str]
) -> None:
    name, headers = f"West {secrets.token_hex(3)}", {**operator, "Idempotency-Key": secrets.token_hex(8)}
    first = await asked(http, "POST", "/tenants", headers, {"name": name})
    assert first[0] == 201
    assert await asked(http, "POST", "/tenants", headers, {"name": name}) == first
    status, problem = await asked(http, "POST", "/tenants", headers, {"name": f"{name} too"})
    assert (status, problem["code"]) == (422, "key_used")
    assert (await asked(http, "POST", "/tenants", {**headers, "Idempotency-Key": "é"}, {"name": name}))[0] == 422


async def test_an_operator_stays_able_to_sign_in(
    site: Site, http: aiohttp.ClientSession, operator: dict[str, str]
) -> None:
    me = await people.find_person(site.db, "operator@example.com")
    status, problem = await asked(http, "POST", f"/people/{me.id}/disable", operator)
    assert (status, problem["code"]) == (409, "yourself")
    assert (await asked(http, "GET", "/overview", operator))[0] == 200


async def test_what_is_done_for_no_tenant_is_in_the_trail_too(
    site: Site, http: aiohttp.ClientSession, operator: dict[str, str]
) -> None:
    alone = await people.ensure_person(site.db, f"{secrets.token_hex(4)}@nowhere.example")
    await asked(http, "POST", f"/people/{alone.id}/disable", operator)

    assert ("operator@example.com", "person.disable", alone.email) in await trail_of(site, None)
    _, shown = await asked(http, "GET", "/trail?limit=5", operator)
    assert next((one["action"], one["subject"], one["tenant_id"]) for one in shown["items"]) == (
        "person.disable",
        alone.email,
        None,
    )
    async with http.get("/api/v1/trail?limit=200", headers=await site.person(site.north, Role.ADMIN)) as answer:
        assert alone.email not in await answer.text(), "tenants do not see it"


async def test_a_parked_run_is_woken_and_a_run_is_ended_in_whichever_tenant(
    site: Site, http: aiohttp.ClientSession, operator: dict[str, str], parked: dict[str, UUID]
) -> None:
    _, shown = await asked(http, "GET", "/runs?reason=tool_unavailable", operator)
    assert {one["tenant"]: one["id"] for one in shown["items"]} == {name: str(id_) for name, id_ in parked.items()}
    assert shown["items"][0]["waits_for"]["code"] == "B06"
    assert (await asked(http, "GET", "/runs?state=active", operator))[1]["items"] == []
    _, found = await asked(http, "GET", "/overview", operator)
    assert (found["runs"]["parked"], found["parked"]["tool_unavailable"]) == (2, 2)

    assert (await asked(http, "POST", f"/runs/{parked['north']}/wake", operator))[0] == 204
    row = await site.db.one(
        "SELECT parked_until <= now() AS due, parked_seconds FROM run WHERE id = %s", parked["north"]
    )
    assert row == {"due": True, "parked_seconds": 0}, "the watchdog takes it up, and it has its patience anew"

    assert (await asked(http, "POST", f"/runs/{parked['south']}/cancel", operator))[0] == 204
    row = await site.db.one("SELECT state FROM run WHERE id = %s", parked["south"])
    assert row == {"state": "cancelling"}
    assert (await asked(http, "POST", f"/runs/{parked['south']}/wake", operator))[0] == 409
    assert (await asked(http, "POST", f"/runs/{uuid4()}/wake", operator))[0] == 404

    me = "operator@example.com"
    assert (me, "run.wake", str(parked["north"])) in await trail_of(site, site.north.tenant)
    assert (me, "run.cancel", str(parked["south"])) in await trail_of(site, site.south.tenant)


async def test_looking_at_a_tenant_is_noted_there(
    site: Site, http: aiohttp.ClientSession, operator: dict[str, str]
) -> None:
    given = {"tenant_id": str(site.south.tenant)}
    async with http.put("/api/v1/me/tenant", headers=operator, json=given) as answer:
        assert answer.status == 204
    assert ("operator@example.com", "operator.look", "") in await trail_of(site, site.south.tenant)


async def test_a_connection_whose_plugin_is_gone_is_told_and_not_an_error(
    site: Site, http: aiohttp.ClientSession, operator: dict[str, str]
) -> None:
    await site.db.run("UPDATE connection SET plugin = 'gone' WHERE id = %s", site.south.id("connection"))
    try:
        _, found = await asked(http, "GET", "/overview", operator)
        _, shown = await asked(http, "GET", "/connections?not_installed=true", operator)
        reader = await site.key(site.south, Right.READ)
        async with http.get(f"/api/v1/connections/{site.south.id('connection')}", headers=reader) as answer:
            theirs = (answer.status, (await answer.json())["installed"])
    finally:
        await site.db.run("UPDATE connection SET plugin = 'octopus' WHERE id = %s", site.south.id("connection"))
    assert found["not_installed"] == {"gone": 1}
    assert [(one["tenant"], one["plugin"], one["installed"]) for one in shown["items"]] == [("south", "gone", False)]
    assert theirs == (200, False)


async def test_a_worker_lives_until_it_ends_or_falls_silent_and_what_it_holds_is_told(
    site: Site, http: aiohttp.ClientSession, operator: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(slots, "LOOK", 0.01)
    slot = Slot(site.db.url, f"{site.web.settings.topic_prefix}.workers-7")
    await slot.take()
    await site.db.run("UPDATE worker_slot SET seen_at = now() - interval '1 hour'")
    (told,) = (await asked(http, "GET", "/workers", operator))[1]["items"]
    assert (told["slot"], told["lives"], told["lanes"]) == ("7", False, 0), "silent for an hour"

    living = asyncio.create_task(slot.lost())
    async with asyncio.timeout(60):
        while not told["lives"]:
            (told,) = (await asked(http, "GET", "/workers", operator))[1]["items"]
    books = site.north.id("administration")
    await site.db.run("UPDATE lane SET slot = '7', holder = gen_random_uuid() WHERE administration_id = %s", books)
    await site.db.run("UPDATE link SET state = 'intent' WHERE id = %s", site.north.link)
    try:
        (told,) = (await asked(http, "GET", "/workers", operator))[1]["items"]
        (lane,) = (await asked(http, "GET", "/lanes?slot=7", operator))[1]["items"]
        assert (await asked(http, "GET", "/lanes?slot=8", operator))[1]["items"] == []
    finally:
        await site.db.run("UPDATE lane SET slot = '', holder = NULL WHERE administration_id = %s", books)
        await site.db.run("UPDATE link SET state = 'needs_person' WHERE id = %s", site.north.link)
    assert told["lanes"] == 1
    assert (lane["tenant"], lane["tool"], lane["sending"], lane["to_settle"]) == ("north", "octopus", 1, 0)

    living.cancel()
    await slot.end()
    (told,) = (await asked(http, "GET", "/workers", operator))[1]["items"]
    assert (told["lives"], told["ended_at"] is None) == (False, False)
    await slot.take()
    assert (await asked(http, "GET", "/workers", operator))[1]["items"][0]["lives"] is False, "it took its slot before"


async def test_limits_are_told_with_what_is_used_by_whom(
    site: Site, http: aiohttp.ClientSession, operator: dict[str, str]
) -> None:
    limits = [Limit("yuki:example:1", ALL, 5, Window.DAY), Limit("exact:1", "read", 60, Window.HOUR)]
    for rows, calls in ((site.north, 3), (site.south, 1)):
        permits = RowPermits(site.db, limits, rows.id("administration"))
        for _ in range(calls):
            await permits.take(ALL)
    await permits.take("read")
    await permits.correct("read", [Budget(Window.HOUR, remaining=10, amount=100, seconds=1800)])

    shown = {one["key"]: one for one in (await asked(http, "GET", "/quotas", operator))[1]["items"]}
    assert (shown["yuki:example:1"]["used"], shown["yuki:example:1"]["amount"]) == (5, 5)
    assert (shown["exact:1"]["used"], shown["exact:1"]["amount"]) == (90, 100), "as the tool says"
    low = (await asked(http, "GET", "/quotas?low=true", operator))[1]["items"]
    assert {one["key"] for one in low} == {"exact:1", "yuki:example:1"}
    first = (await asked(http, "GET", "/quotas?limit=1", operator))[1]
    rest = (await asked(http, "GET", f"/quotas?limit=1&cursor={first['next']}", operator))[1]
    assert [one["key"] for one in first["items"] + rest["items"]] == ["exact:1", "yuki:example:1"]

    _, shared = await asked(http, "GET", "/quotas/shares?key=yuki:example:1&group=*&period=day", operator)
    assert [(one["tenant"], one["used"]) for one in shared["items"]] == [("north", 3), ("south", 2)]
    _, first = await asked(http, "GET", "/quotas/shares?key=yuki:example:1&group=*&period=day&limit=1", operator)
    rest = f"/quotas/shares?key=yuki:example:1&group=*&period=day&limit=1&cursor={first['next']}"
    assert [one["tenant"] for one in (await asked(http, "GET", rest, operator))[1]["items"]] == ["south"]


async def test_a_dead_letter_is_shown_without_what_it_says_of_people_and_published_again_once(
    site: Site, http: aiohttp.ClientSession, operator: dict[str, str]
) -> None:
    run = str(uuid4())
    value = f'{{"run_id": "{run}", "tool": "Jan 12", "name": "Jan Janssens", "Jan": 12, "window": 4}}'
    address = await set_aside(site, value.encode())
    _, shown = await asked(http, "GET", "/dead-letters", operator)
    assert shown["items"][0]["reason"] == "dagboek.sync.start.v1: run_id"
    status, letter = await asked(http, "GET", address, operator)
    assert status == 200
    assert (letter["type"], letter["from_offset"], letter["published"]) == ("dagboek.sync.start.v1", "7", None)
    assert run in letter["body"]
    assert '"window": 4' in letter["body"]
    assert "Jan" not in str(letter)
    assert "xxx xxxxxxxx" in letter["body"]
    assert ["X-Customer", "xxx xxxxxxxx"] in letter["headers"]

    before = await asyncio.to_thread(written, site, Topic.COMMANDS)
    twice = await asyncio.gather(*(asked(http, "POST", f"{address}/publish", operator) for _ in range(3)))
    assert sorted(status for status, _ in twice) == [200, 409, 409]
    status, problem = await asked(http, "POST", f"{address}/publish", operator)
    assert (status, problem["code"]) == (409, "published_already")
    assert await asyncio.to_thread(written, site, Topic.COMMANDS) == before + 1
    _, letter = await asked(http, "GET", address, operator)
    assert letter["published"]["by"] == "operator@example.com"
    assert letter["published"]["at"] is not None
    acts = [act for act in await trail_of(site, None) if act[1] == "dead_letter.publish"]
    assert acts == [("operator@example.com", "dead_letter.publish", address.removeprefix("/dead-letters/"))]


async def test_dead_letters_come_in_pages_and_what_cannot_go_back_says_so(
    site: Site, http: aiohttp.ClientSession, operator: dict[str, str]
) -> None:
    addresses = [await set_aside(site, b"<xml/>"), await set_aside(site, b"x" * 300_000)]
    addresses.append(await set_aside(site, b"{}", topic="elsewhere.sync.commands"))
    found, cursor = [], ""
    while cursor is not None:
        _, shown = await asked(http, "GET", f"/dead-letters?limit=2{cursor and f'&cursor={cursor}'}", operator)
        found += [f"/dead-letters/{one['partition']}/{one['offset']}" for one in shown["items"]]
        cursor = shown["next"]
    assert found[:3] == addresses[::-1]
    assert len(found) == len(set(found))
    for address in addresses[1:]:
        assert (await asked(http, "POST", f"{address}/publish", operator))[0] == 422, "cut, or from elsewhere"
    assert (await asked(http, "GET", "/dead-letters/0/999999", operator))[0] == 404
    assert (await asked(http, "GET", "/dead-letters/5/0", operator))[0] == 404


def test_the_shape_of_a_text_says_nothing_else() -> None:
    assert shape("Jan's nr. 12\n\x00é") == "xxx'x xx. 00\n·x"
    assert shape("x" * 500) == "x" * 200 + "… (500)"


async def test_how_far_readers_are_behind(site: Site, http: aiohttp.ClientSession, operator: dict[str, str]) -> None:
    await set_aside(site, b"one")
    services, prefix = site.web.services, site.web.settings.topic_prefix
    topic = Topic.DEADLETTERS.named(prefix)

    def read_one() -> None:
        consumer = Consumer(
            {"bootstrap.servers": services.kafka_bootstrap, "group.id": f"{prefix}.workers", **services.kafka_security}
        )
        consumer.commit(offsets=[TopicPartition(topic, 0, 1)], asynchronous=False)
        consumer.close()

    await asyncio.to_thread(read_one)
    status, shown = await asked(http, "GET", "/lag", operator)
    assert (status, shown["answers"]) == (200, True)
    ends = {one["topic"]: one["written"] for one in shown["topics"]}
    assert len(ends) == 5
    (group,) = [one for one in shown["groups"] if one["group"] == f"{prefix}.workers"]
    assert (group["topic"], group["behind"], group["ours"]) == (topic, ends[topic] - 1, True)


async def test_what_the_brokers_know_is_asked_for_and_missed_in_plain_words(
    site: Site, http: aiohttp.ClientSession, operator: dict[str, str]
) -> None:
    async with without_kafka(site):
        status, shown = await asked(http, "GET", "/lag", operator)
        assert (status, shown["answers"]) == (200, False)
        assert "127.0.0.1:1" in shown["trouble"]
        status, problem = await asked(http, "GET", "/dead-letters", operator)
        assert (status, problem["code"]) == (503, "kafka_away")


async def test_plugins_with_who_uses_them_and_what_doctor_finds(
    site: Site, http: aiohttp.ClientSession, operator: dict[str, str], parked: dict[str, UUID]
) -> None:
    await site.db.run("UPDATE connection SET plugin = 'gone' WHERE id = %s", site.south.id("connection"))
    await site.db.run("UPDATE run SET park_reason = 'circuit' WHERE id = %s", parked["north"])
    try:
        _, shown = await asked(http, "GET", "/plugins", operator)
        status, found = await asked(http, "POST", "/examination", operator)
    finally:
        await site.db.run("UPDATE connection SET plugin = 'octopus' WHERE id = %s", site.south.id("connection"))
    tools = {one["name"]: one for one in shown["tools"]}
    assert tools["octopus"]["connections"] == {"connected": 1}
    assert (tools["octopus"]["failing"], tools["yuki"]["failing"]) == (1, 0)
    assert tools["octopus"]["origin"].startswith("dagboek-octopus ")
    assert "sales_invoices" in tools["octopus"]["capabilities"]["components"]
    assert shown["gone"] == [{"name": "gone", "connections": 1, "sources": 0}]
    assert {one["name"]: one["sources"] for one in shown["sources"]}["ubl"] == 2
    assert status == 200
    assert found["findings"][0]["health"] == "wrong"
    assert any("the plugin is not installed" in one["what"] and one["fix"] for one in found["findings"])
    assert ("operator@example.com", "installation.examine", "") in await trail_of(site, None)
