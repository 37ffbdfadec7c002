"""How the API answers: problems, ETags, idempotency keys, pages, headers, live progress."""

import asyncio
import json
import socket
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import aiohttp
import psycopg
import pytest
from dagboek.web import routes
from dagboek.web.caller import Caller
from dagboek.web.problems import Problem
from dagboek.web.rights import Right, Role
from dagboek.web.server import listener_of
from dagboek_sdk.settings import ConnectionSettings, Side
from web.conftest import Site
from web.tenants import TenantRows


async def a_run(site: Site, of: TenantRows, state: str = "active", **columns: Any) -> UUID:
    run = uuid4()
    given = {
        "id": run, "tenant_id": of.tenant, "entity_id": of.id("entity"), "connection_id": of.id("connection"),
        "administration_id": of.id("administration"), "trigger": "manual", "state": state, "small": True, **columns,
    }  # fmt: skip
    marks = ", ".join(["%s"] * len(given))
    await site.db.run(f"INSERT INTO run ({', '.join(given)}) VALUES ({marks})", *given.values())
    return run


def test_a_body_is_not_held_back_until_the_headers_are_acknowledged() -> None:
    with listener_of("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_a_problem_says_what_where_and_by_which_code(site: Site, http: aiohttp.ClientSession) -> None:
    headers = await site.key(site.north)
    async with http.get("/api/v1/documents?limit=0&since=0", headers=headers) as answer:
        assert (answer.status, answer.content_type) == (422, "application/problem+json")
        told = await answer.json()
    assert told["code"] == "invalid"
    assert {one["field"] for one in told["errors"]} == {"query.limit", "query.since"}
    async with http.post("/api/v1/session", json={"email": "a", "password": "x" * 300}) as answer:
        assert "xxx" not in await answer.text(), "what was given may be a password"
    async with http.get("/api/v1/nothing", headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (404, "not_found")
    async with http.delete("/api/v1/documents", headers=headers) as answer:
        assert (answer.status, answer.headers["Allow"]) == (405, "GET")
    async with http.put("/api/v1/me/password", headers=headers) as answer:
        assert answer.status in (403, 422)


async def test_a_bug_is_told_with_a_reference_and_no_more(
    site: Site, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("a secret in a bug")

    monkeypatch.setattr("dagboek.api.documents.documents.part", broken)
    async with http.get("/api/v1/documents", headers=await site.key(site.north)) as answer:
        text = await answer.text()
    assert answer.status == 500
    assert json.loads(text)["reference"]
    assert "secret" not in text


async def test_what_has_not_changed_is_not_sent_again(site: Site, http: aiohttp.ClientSession) -> None:
    headers = await site.key(site.north)
    async with http.get("/api/v1/entities", headers=headers) as answer:
        tag = answer.headers["ETag"]
    async with http.get("/api/v1/entities", headers={**headers, "If-None-Match": tag}) as answer:
        assert (answer.status, answer.headers["ETag"], await answer.read()) == (304, tag, b"")
    async with http.get("/api/v1/entities", headers={**headers, "If-None-Match": '"another"'}) as answer:
        assert answer.status == 200


async def test_of_two_people_who_change_settings_the_second_is_told(site: Site, http: aiohttp.ClientSession) -> None:
    headers = await site.key(site.north)
    path = f"/api/v1/connections/{site.north.id('connection')}/settings"
    async with http.get(path, headers=headers) as answer:
        tag, read = answer.headers["ETag"], (await answer.json())["settings"]
    assert read == ConnectionSettings().model_dump(mode="json")
    mine = {"settings": {**read, "default_payment_days": 14}}
    async with http.put(path, headers=headers, json=mine) as answer:
        assert answer.status == 428
    async with http.put(path, headers={**headers, "If-Match": tag}, json=mine) as answer:
        assert answer.status == 200
        after = answer.headers["ETag"]
    assert after != tag
    async with http.put(path, headers={**headers, "If-Match": tag}, json={"settings": {"currency": "SEK"}}) as answer:
        assert answer.status == 412
    async with http.get(path, headers=headers) as answer:
        assert answer.headers["ETag"] == after
        assert (await answer.json())["settings"]["default_payment_days"] == 14


async def test_settings_that_do_not_fit_the_books_are_told_by_field(site: Site, http: aiohttp.ClientSession) -> None:
    headers = {**await site.key(site.north), "If-Match": "*"}
    path = f"/api/v1/connections/{site.north.id('connection')}/settings"
    side = Side(invoice_journal="V9").model_dump(mode="json")
    async with http.put(path, headers=headers, json={"settings": {"sales": side}}) as answer:
        told = await answer.json()
    assert (answer.status, told["code"]) == (422, "settings")
    assert told["errors"][0]["field"] == "body.settings.sales.invoice_journal"
    assert "V1" in told["errors"][0]["message"]
    async with http.put(path, headers=headers, json={"settings": {"salse": {}}}) as answer:
        assert (answer.status, "salse" in await answer.text()) == (422, True)


async def test_a_write_that_comes_again_with_its_key_is_done_once(site: Site, http: aiohttp.ClientSession) -> None:
    headers = {**await site.key(site.north), "Idempotency-Key": "made once"}
    given = {"name": "Idem NV"}
    answers = []
    for _ in range(3):
        async with http.post("/api/v1/entities", headers=headers, json=given) as answer:
            answers.append((answer.status, await answer.text(), answer.headers.get("Idempotency-Replayed")))
    assert answers[0][0] == 201
    assert answers[1][:2] == answers[2][:2] == answers[0][:2]
    assert [one[2] for one in answers] == [None, "true", "true"]
    assert len(await site.db.all('SELECT 1 FROM trail WHERE details @> \'{"name": "Idem NV"}\'')) == 1
    async with http.post("/api/v1/entities", headers=headers, json={"name": "Other NV"}) as answer:
        assert (answer.status, (await answer.json())["code"]) == (422, "key_used")
    others = {**await site.key(site.south), "Idempotency-Key": "made once"}
    async with http.post("/api/v1/entities", headers=others, json=given) as answer:
        assert answer.status == 201, "another's key is another key"


async def test_a_refusal_is_the_answer_too(site: Site, http: aiohttp.ClientSession) -> None:
    headers = {**await site.key(site.north), "Idempotency-Key": "refused"}
    given = {"name": "Refused NV", "vat_number": "BE0123456700"}
    for replayed in (None, "true"):
        async with http.post("/api/v1/entities", headers=headers, json=given) as answer:
            assert (answer.status, answer.headers.get("Idempotency-Replayed")) == (422, replayed)
            assert answer.content_type == "application/problem+json"


async def test_of_two_at_once_with_one_key_one_is_carried_out(site: Site, http: aiohttp.ClientSession) -> None:
    headers = {**await site.key(site.north), "Idempotency-Key": "twice at once"}

    async def made() -> int:
        async with http.post("/api/v1/entities", headers=headers, json={"name": "At once NV"}) as answer:
            return answer.status

    statuses = await asyncio.gather(*(made() for _ in range(5)))
    assert set(statuses) <= {201, 409}
    assert 201 in statuses
    assert len(await site.db.all('SELECT 1 FROM trail WHERE details @> \'{"name": "At once NV"}\'')) == 1


async def test_a_request_that_broke_off_is_not_carried_out_again(site: Site, http: aiohttp.ClientSession) -> None:
    """Nobody knows how far it came."""
    headers = {**await site.key(site.north), "Idempotency-Key": "died"}
    given = {"name": "Died NV"}
    async with http.post("/api/v1/entities", headers=headers, json=given) as answer:
        assert answer.status == 201
    await site.db.run("UPDATE idempotency_key SET status = NULL WHERE key = 'died'")
    async with http.post("/api/v1/entities", headers=headers, json=given) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "in_progress")
    await site.db.run("UPDATE idempotency_key SET created_at = now() - interval '3 minutes' WHERE key = 'died'")
    async with http.post("/api/v1/entities", headers=headers, json=given) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "broken_off")
    assert routes.BROKEN_OFF == "2 minutes"
    assert len(await site.db.all('SELECT 1 FROM trail WHERE details @> \'{"name": "Died NV"}\'')) == 1


async def test_a_fault_after_something_was_done_is_no_leave_to_do_it_twice(
    site: Site, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {**await site.key(site.north), "Idempotency-Key": "half done"}
    given = {"name": "Half NV"}

    async def away(*_: Any, **__: Any) -> None:
        raise psycopg.OperationalError

    with monkeypatch.context() as broken:
        broken.setattr(Caller, "note", away)
        async with http.post("/api/v1/entities", headers=headers, json=given) as answer:
            assert answer.status == 503
    async with http.post("/api/v1/entities", headers=headers, json=given) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "broken_off")
    assert len(await site.db.all("SELECT 1 FROM entity WHERE name = 'Half NV'")) == 1


async def test_what_passes_may_be_asked_again_with_its_key(
    site: Site, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    headers = {**await site.key(site.north), "Idempotency-Key": "passes"}
    for status in routes.PASSING:
        with monkeypatch.context() as passing:
            passing.setattr(Caller, "note", _raising(Problem(status, "passes")))
            async with http.post("/api/v1/entities", headers=headers, json={"name": "Passing NV"}) as answer:
                assert answer.status == status
    async with http.post("/api/v1/entities", headers=headers, json={"name": "Passing NV"}) as answer:
        assert answer.status == 201


async def test_an_answer_that_is_too_large_to_keep_is_not_made_twice(
    site: Site, http: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(routes, "LARGEST_KEPT", 10)
    headers = {**await site.key(site.north), "Idempotency-Key": "large"}
    async with http.post("/api/v1/entities", headers=headers, json={"name": "Large NV"}) as answer:
        assert answer.status == 201
    async with http.post("/api/v1/entities", headers=headers, json={"name": "Large NV"}) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "not_kept")


def _raising(problem: Problem) -> Callable[..., Coroutine[Any, Any, None]]:
    async def raises(*_: Any, **__: Any) -> None:
        raise problem

    return raises


async def test_a_secret_is_kept_nowhere(site: Site, http: aiohttp.ClientSession) -> None:
    headers = {**await site.key(site.north), "Idempotency-Key": "secret"}
    given = {"name": "Told once", "scopes": ["read"]}
    async with http.post("/api/v1/api-keys", headers=headers, json=given) as answer:
        secret = (await answer.json())["key"]
    async with http.post("/api/v1/api-keys", headers=headers, json=given) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "not_kept")
    assert len(await site.db.all("SELECT 1 FROM api_key WHERE name = 'Told once'")) == 1
    for row in await site.db.all(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    ):
        kept = await site.db.all(f"SELECT t::text AS t FROM {row['relname']} t")
        assert not [one for one in kept if secret in one["t"] or secret.encode().hex() in one["t"]], row["relname"]


HALF = "WyIyMDI2LTAxLTAxIiwiXHVkODAwIl0"
"""A day, and half a character."""


async def test_a_list_in_pages_is_the_list(site: Site, http: aiohttp.ClientSession) -> None:
    headers = await site.key(site.north)
    base = datetime(2026, 1, 1, tzinfo=UTC)
    for at in range(11):
        await site.db.run(
            """INSERT INTO document (tenant_id, identity, entity_id, direction, kind, number, issue_date, currency,
                                     gross, party_identity, party_name, source_id, origin_id, revision)
               SELECT tenant_id, %s, entity_id, direction, kind, %s, %s, currency, gross, party_identity, %s, source_id,
                      %s, revision FROM document WHERE identity = %s""",
            f"d1:page{at}",
            f"P/{at}",
            (base + timedelta(days=at // 3)).date(),
            "50% <b>korting</b>",
            f"p{at}",
            site.north.identity,
        )
    whole = await listed(http, headers, "/api/v1/documents?limit=200")
    assert await listed(http, headers, "/api/v1/documents?limit=4") == whole
    assert len(whole) == 12
    assert [one["issue_date"] for one in whole] == sorted((one["issue_date"] for one in whole), reverse=True)
    found = await listed(http, headers, "/api/v1/documents?limit=2&search=50%25%20%3Cb")
    assert len(found) == 11, "a sign of a pattern is a sign"
    assert len(await listed(http, headers, "/api/v1/documents?search=P/1")) == 2
    assert await listed(http, headers, "/api/v1/documents?search=%25%25") == []
    standing = await listed(http, headers, "/api/v1/documents?standing=needs%20a%20person&limit=3")
    assert [one["identity"] for one in standing] == [site.north.identity]
    assert len(await listed(http, headers, "/api/v1/documents?not_synced=true&until=2026-01-01")) == 3
    for cursor in ("x", "W10", "WzEsMl0", "bnVsbA", "%00", "WyIyMDI2LTAxLTAxIixudWxsXQ", HALF):
        async with http.get(f"/api/v1/documents?cursor={cursor}", headers=headers) as answer:
            assert (answer.status, (await answer.json())["errors"][0]["field"]) == (422, "query.cursor")
    await site.db.run("DELETE FROM document WHERE identity LIKE 'd1:page%%'")


async def listed(http: aiohttp.ClientSession, headers: dict[str, str], path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    cursor: str | None = ""
    while cursor is not None:
        async with http.get(f"{path}&cursor={cursor}" if cursor else path, headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            page = await answer.json()
        found += page["items"]
        cursor = page["next"]
    return found


async def test_every_answer_has_the_headers_that_browsers_obey(site: Site, http: aiohttp.ClientSession) -> None:
    for path in ("/api/v1/me", "/api/v1/openapi.json", "/health", "/nothing"):
        async with http.get(path) as answer:
            policy = answer.headers["Content-Security-Policy"]
            assert "default-src 'self'" in policy
            assert "unsafe" not in policy
            assert answer.headers["X-Content-Type-Options"] == "nosniff"
            assert "frame-ancestors 'none'" in policy
            assert "Server" not in answer.headers


async def test_only_our_own_names_are_answered_to(site: Site, http: aiohttp.ClientSession) -> None:
    """Else a page of another site that has its name point here would be of the same origin."""
    async with http.get("/api/v1/me", headers={"Host": "evil.example"}) as answer:
        assert (answer.status, (await answer.json())["code"]) == (421, "other_host")
    async with http.get("/health", headers={"Host": "10.0.0.7:8420"}) as answer:
        assert answer.status == 200


async def test_what_is_too_large_is_not_read(site: Site, http: aiohttp.ClientSession) -> None:
    headers = await site.key(site.north)

    async def endless() -> Any:
        for _ in range(200):
            yield b" " * 100_000

    async with http.post("/api/v1/entities", headers=headers, data=endless()) as answer:
        assert (answer.status, (await answer.json())["code"]) == (413, "too_large")


async def test_a_run_is_started_once_and_cancelled(site: Site, http: aiohttp.ClientSession) -> None:
    headers = await site.person(site.north, Role.BOOKKEEPER)
    path = f"/api/v1/connections/{site.north.id('connection')}/runs"
    await site.db.run("UPDATE connection SET state = 'configuration_needed' WHERE id = %s", site.north.id("connection"))
    async with http.post(path, headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "not_ready")
    await site.db.run("UPDATE connection SET state = 'connected' WHERE id = %s", site.north.id("connection"))
    async with http.post(path, headers=headers) as answer:
        started = await answer.json()
        assert (answer.status, answer.headers["Location"]) == (202, f"/api/v1/runs/{started['id']}")
    assert (started["status"], started["requested_by"]) == ("Pending", "bookkeeper@north.example")
    async with http.post(path, headers=headers) as answer:
        told = await answer.json()
        assert (answer.status, told["code"], told["run_id"]) == (409, "already_running", started["id"])
    async with http.post(f"/api/v1/runs/{started['id']}/cancel", headers=headers) as answer:
        assert answer.status == 202
    await site.db.run("UPDATE run SET state = 'ended', status = 'Cancelled' WHERE id = %s", started["id"])
    async with http.post(f"/api/v1/runs/{started['id']}/cancel", headers=headers) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "ended")
    done = await site.db.all("SELECT action FROM trail WHERE subject = %s ORDER BY id", started["id"])
    assert [row["action"] for row in done] == ["run.start", "run.cancel"]


async def test_all_are_started_that_can_be_and_none_of_another_tenant(site: Site, http: aiohttp.ClientSession) -> None:
    key = await site.key(site.south, Right.SYNC)
    await site.db.run("UPDATE run SET state = 'ended' WHERE tenant_id = %s", site.north.tenant)
    told = []
    for _ in range(2):
        async with http.post("/api/v1/runs", headers=key) as answer:
            assert answer.status == 202
            told.append((await answer.json())["started"])
    assert told == [1, 0]
    rows = await site.db.all("SELECT tenant_id, requested_by FROM run WHERE state = 'requested'")
    assert [(row["tenant_id"], row["requested_by"]) for row in rows] == [(site.south.tenant, "key a program")]


async def test_a_run_is_watched_until_it_ends(site: Site, http: aiohttp.ClientSession) -> None:
    headers = await site.key(site.north, Right.READ)
    run = await a_run(site, site.north)
    heard: list[dict[str, Any]] = []
    async with http.get(f"/api/v1/runs/{run}/events", headers=headers) as answer:
        assert answer.content_type == "text/event-stream"
        async for line in answer.content:
            if line.startswith(b"data: "):
                heard.append(json.loads(line.removeprefix(b"data: ")))
                if len(heard) == 1:
                    await site.db.run("UPDATE run SET started_at = now(), selected = true WHERE id = %s", run)
                elif len(heard) == 2:
                    await site.db.run("UPDATE run SET state = 'ended', status = 'Success' WHERE id = %s", run)
    assert [one["status"] for one in heard] == ["Pending", "In progress", "Success"]
    assert heard[-1]["ended"]


async def test_decisions_about_a_document(site: Site, http: aiohttp.ClientSession) -> None:
    headers = await site.person(site.south, Role.BOOKKEEPER)
    path = f"/api/v1/documents/{site.south.identity}"
    async with http.get(path, headers=headers) as answer:
        before = await answer.json()
    assert (before["standing"], before["booking_number"]) == ("needs a person", None)
    stale = {"booking_number": "17", "link_version": before["link_version"] + 1}
    async with http.post(f"{path}/mark-booked", headers=headers, json=stale) as answer:
        assert (answer.status, (await answer.json())["code"]) == (409, "cannot_resolve")
    async with http.post(
        f"{path}/mark-booked", headers=headers, json={"booking_number": " 17 ", "link_version": before["link_version"]}
    ) as answer:
        marked = await answer.json()
    assert (marked["standing"], marked["booking_number"]) == ("booked", "17")
    async with http.get(f"{path}/attempts", headers=headers) as answer:
        (tried,) = (await answer.json())["items"]
    assert tried["lines"][0]["account"] == "400000"
    assert tried["notes"] == ["marked as booked 17 by bookkeeper@south.example"]

    async with http.post(f"{path}/reset-link", headers=headers, json={}) as answer:
        assert (await answer.json())["standing"] == "skipped", "as the last run left it"
    link = await site.db.one("SELECT state, incarnation FROM link WHERE identity = %s AND current", site.south.identity)
    assert link == {"state": "free", "incarnation": 2}
    async with http.post(f"{path}/reset-link", headers=headers, json={}) as answer:
        assert answer.status == 409
    viewer = await site.person(site.south, Role.VIEWER)
    async with http.post(f"{path}/reset-link", headers=viewer, json={}) as answer:
        assert answer.status == 403


async def test_links_are_reset_from_a_day_on(site: Site, http: aiohttp.ClientSession) -> None:
    headers = await site.key(site.north, Right.DECIDE)
    path = f"/api/v1/connections/{site.north.id('connection')}/reset-links"
    async with http.post(path, headers=headers, json={"since": "2026-02-04"}) as answer:
        assert await answer.json() == {"reset": 0, "left": 0}
    await site.db.run("UPDATE link SET settle_due = now() + interval '1 hour' WHERE identity = %s", site.north.identity)
    async with http.post(path, headers=headers, json={"since": "2026-02-03"}) as answer:
        assert await answer.json() == {"reset": 0, "left": 1}, "it may still arrive"
    await site.db.run("UPDATE link SET settle_due = NULL WHERE identity = %s", site.north.identity)
    async with http.post(path, headers=headers, json={"since": "2026-02-03"}) as answer:
        assert await answer.json() == {"reset": 1, "left": 0}
    rows = await site.db.all(
        "SELECT incarnation, current, state FROM link WHERE identity = %s ORDER BY id", site.north.identity
    )
    assert [(row["incarnation"], row["current"], row["state"]) for row in rows] == [
        (1, False, "needs_person"),
        (2, True, "free"),
    ]


async def test_where_a_tool_is_only_an_operator_says(site: Site, http: aiohttp.ClientSession) -> None:
    """Else whoever may connect would have this machine call whatever it can reach."""
    headers = await site.key(site.north, Right.CONNECT)
    login = {"base_url": "http://169.254.169.254/"}
    given = {"entity_id": str(site.north.id("entity")), "tool": "octopus", "login": login}
    async with http.post("/api/v1/connections", headers=headers, json=given) as answer:
        assert (answer.status, (await answer.json())["code"]) == (422, "address")
