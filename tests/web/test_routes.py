"""What holds for every route of the API, walked over its description: rights, tenants, answers."""

import json
from collections.abc import Iterator
from typing import Any

import aiohttp
import jsonschema
import pytest
from dagboek import console
from dagboek.web.rights import Right, Role
from fastapi.routing import APIRoute
from web.conftest import Site
from web.tenants import TenantRows

METHODS = ("get", "post", "put", "patch", "delete")


def operations(description: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, methods in description["paths"].items():
        for method, operation in methods.items():
            if method in METHODS:
                yield path, method, operation


def names_of(rows: TenantRows) -> dict[str, str]:
    """What a path's parameters name of a tenant. A new kind of parameter fails until it stands here."""
    return {
        "tenant_id": str(rows.tenant),
        "entity_id": str(rows.id("entity")),
        "connection_id": str(rows.id("connection")),
        "document_id": str(rows.id("sent")),
        "position": "1",
        "run_id": str(rows.id("run")),
        "audit_id": str(rows.id("audit")),
        "identity": rows.identity,
        "link_id": str(rows.party_link),
        "person_id": str(rows.id("person")),
        "key_id": str(rows.id("api_key")),
        "session_id": str(rows.id("session")),
        "notice_id": str(rows.id("notice")),
        "webhook_id": str(rows.id("webhook")),
        "delivery_id": str(rows.id("delivery")),
    }


PEOPLE_ONLY = ("/api/v1/me/", "/api/v1/notices")
"""What a program has none of: sessions, notices."""
OF_NOBODY = {"code", "name", "partition", "offset"}
"""Parameters that name what belongs to no tenant: an issue, a plugin, a dead letter."""

BODIES: dict[tuple[str, str], Any] = {
    ("post", "/api/v1/webhooks"): {"address": "https://127.0.0.1/", "types": ["dagboek.run.finished.v1"]},
    ("put", "/api/v1/webhooks/{webhook_id}"): {"address": "https://127.0.0.1/", "types": ["dagboek.run.finished.v1"]},
    ("put", "/api/v1/connections/{connection_id}/settings"): {"settings": {}},
    ("put", "/api/v1/connections/{connection_id}/administration"): {"id": "1"},
    ("post", "/api/v1/connections/{connection_id}/audits"): {"first": "2026-02-01", "last": "2026-02-28"},
    ("put", "/api/v1/people/{person_id}/role"): {"role": "viewer"},
    ("put", "/api/v1/connections/{connection_id}/night-watch"): {"nights": 3},
    ("post", "/api/v1/connections/{connection_id}/reset-links"): {"since": "2026-01-01"},
    ("post", "/api/v1/documents/{identity}/mark-booked"): {"booking_number": "1"},
    ("post", "/api/v1/documents/{identity}/send-again"): {},
    ("post", "/api/v1/documents/{identity}/reset-link"): {},
    ("post", "/api/v1/parties/{link_id}/mark-booked"): {"entry_id": "1"},
    ("post", "/api/v1/parties/{link_id}/send-again"): {},
}


def filled(path: str, names: dict[str, str]) -> str:
    for name, value in names.items():
        path = path.replace(f"{{{name}}}", value)
    return path


async def everything(site: Site) -> dict[str, list[str]]:
    """All rows of all tables, but for when somebody was seen."""
    found = {}
    rows = await site.db.all(
        "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    for table in (row["relname"] for row in rows):
        if table not in ("web_session", "api_key", "stamp"):
            found[table] = [row["t"] for row in await site.db.all(f"SELECT t::text AS t FROM {table} t ORDER BY 1")]
    return found


async def test_what_belongs_to_another_tenant_is_not_there(
    site: Site, http: aiohttp.ClientSession, description: dict[str, Any]
) -> None:
    """For people with all rights of a tenant, for operators who look at it, and for keys; and nothing is changed."""
    callers = {
        "key": await site.key(site.north),
        "admin": await site.person(site.north, Role.ADMIN),
    }
    walked = set()
    for who, headers in callers.items():
        before = await everything(site)
        for path, method, operation in operations(description):
            parameters = {part.strip("{}") for part in path.split("/") if part.startswith("{")}
            if not parameters or parameters <= OF_NOBODY:
                continue
            people_only = path.startswith(PEOPLE_ONLY)
            given = {"If-Match": "*", **headers}
            address = filled(path, names_of(site.south))
            assert "{" not in address, f"{path}: say in names_of what its parameters name"
            async with http.request(method, address, headers=given, json=BODIES.get((method, path))) as answer:
                text = await answer.text()
            operators_only = operation.get("x-right") == Right.OPERATE
            expected = 403 if operators_only or (people_only and who == "key") else 404
            assert (answer.status, who) == (expected, who), f"{method} {path}: {text}"
            assert "south" not in text
            walked.add(path)
        assert await everything(site) == before
    assert len(walked) > 20


BESIDE: dict[tuple[str, str], Any] = {
    ("post", "/api/v1/connections"): {"tool": "octopus", "login": {}},
    ("post", "/api/v1/consents"): {"tool": "exact", "login": {}, "redirect_uri": "http://localhost/"},
    ("put", "/api/v1/me/tenant"): {},
}
"""What else a body has that names something."""


OF_TOOLS = {"entry_id"}
"""Ids that a tool has given."""


def ids_beside(operation: dict[str, Any], description: dict[str, Any]) -> tuple[set[str], set[str]]:
    """What an operation's query and its body name of a tenant."""
    given = {one["name"] for one in operation.get("parameters", ()) if one["in"] == "query"}
    body = operation.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
    schema = description["components"]["schemas"].get(body.get("$ref", "").rpartition("/")[2], {})
    named = set(schema.get("properties", {}))
    return (
        {name for name in given if name.endswith("_id")},
        {name for name in named - OF_TOOLS if name.endswith("_id")},
    )


async def test_what_a_query_or_a_body_names_of_another_tenant_is_not_there(
    site: Site, http: aiohttp.ClientSession, description: dict[str, Any]
) -> None:
    """A new one fails until names_of and BESIDE say what it names."""
    theirs, walked = names_of(site.south), set()
    headers = await site.person(site.north, Role.ADMIN)
    before = await everything(site)
    for path, method, operation in operations(description):
        query, body = ids_beside(operation, description)
        if operation.get("x-right") == Right.OPERATE or not query | body:
            continue
        walked.add((method, path))
        params = {name: theirs[name] for name in query}
        given = {**BESIDE[method, path], **{name: theirs[name] for name in body}} if body else None
        async with http.request(method, path, headers=headers, params=params, json=given) as answer:
            text = await answer.text()
            if method == "get" and answer.status == 200:
                assert (await answer.json())["items"] == [], path
            else:
                assert answer.status == 404, f"{method} {path}: {text}"
        assert "south" not in text, path
    assert await everything(site) == before
    assert {path for method, path in walked if method != "get"} == {path for _, path in BESIDE}


OWN: dict[tuple[str, str], Any] = {
    ("patch", "/api/v1/me"): {"language": "fr"},
    ("put", "/api/v1/schedule"): {"hours": "01:00-02:00"},
    ("post", "/api/v1/entities"): {"name": "Another", "vat_number": "BE0403170701"},
    ("post", "/api/v1/people"): {"email": "new@north.example", "role": "viewer"},
    ("post", "/api/v1/api-keys"): {"name": "another", "scopes": ["read"]},
    ("post", "/api/v1/sources"): {"plugin": "sent-in"},
    ("post", "/api/v1/webhooks"): {"address": "https://127.0.0.1/", "types": ["dagboek.run.finished.v1"]},
    ("post", "/api/v1/notices/read"): None,
    ("post", "/api/v1/runs"): None,
    ("post", "/api/v1/consents/answer"): {"ticket": "x", "address": "http://localhost/"},
    ("put", "/api/v1/me/password"): {"new": "a password that is long enough"},
}
"""Writes that name nothing which is there already, with a body: what they change is the caller's."""
OF_NO_TENANT = {("post", "/api/v1/session"), ("post", "/api/v1/session/link"), ("delete", "/api/v1/session")}
"""Who signs in or out has no tenant yet, or none any more; test_signin.py has them."""


async def test_what_names_nothing_changes_the_callers_tenant_alone(
    site: Site, http: aiohttp.ClientSession, description: dict[str, Any]
) -> None:
    """With this, every operation is in one of the tests of what belongs to another tenant."""
    named, own = set(), set()
    for path, method, operation in operations(description):
        beside = any(ids_beside(operation, description))
        if "{" in path or method == "get" or beside or operation.get("x-right") == Right.OPERATE:
            named.add((method, path))
        else:
            own.add((method, path))
    assert own == set(OWN) | OF_NO_TENANT

    def of_south(rows: dict[str, list[str]]) -> list[str]:
        return [row for table in rows.values() for row in table if "south" in row or str(site.south.tenant) in row]

    headers, before = await site.person(site.north, Role.ADMIN), of_south(await everything(site))
    refused = set()
    for (method, path), body in OWN.items():
        async with http.request(method, path, headers=headers, json=body) as answer:
            text = await answer.text()
            if not answer.ok:
                refused.add((path, answer.status, text))
        assert "south" not in text, path
    assert {path for path, *_ in refused} == {"/api/v1/consents/answer"}, refused
    assert [row for row in of_south(await everything(site)) if row not in before] == []
    assert [row for row in before if row not in of_south(await everything(site))] == []


async def test_what_belongs_to_the_tenant_is_there(
    site: Site, http: aiohttp.ClientSession, description: dict[str, Any]
) -> None:
    """Otherwise the test above would prove nothing."""
    headers = await site.key(site.north)
    walked = 0
    for path, method, operation in operations(description):
        if (
            method != "get"
            or path.startswith(PEOPLE_ONLY)
            or "administrations" in path
            or "estimate" in path  # opens the tool, for its limits
            or operation.get("x-right") == Right.OPERATE
        ):
            continue
        names = names_of(site.north) | {"code": "B04", "name": "octopus"}
        async with http.get(filled(path, names), headers=headers) as answer:
            text = await answer.text()
            assert answer.status == 200, f"{path}: {text}"
            assert "south" not in text.lower(), path
        walked += 1
    assert walked > 15


async def test_lists_show_the_tenant_alone(
    site: Site, http: aiohttp.ClientSession, description: dict[str, Any]
) -> None:
    headers = await site.person(site.north, Role.ADMIN)
    for path, method, operation in operations(description):
        if method == "get" and "{" not in path and operation.get("x-right") != Right.OPERATE:
            async with http.get(path, headers=headers) as answer:
                text = await answer.text()
                assert answer.status == 200, (path, text)
                assert "south" not in text.lower(), path
                assert str(site.south.tenant) not in text, path


async def test_every_route_asks_for_a_right_and_gives_nobody_anything(
    site: Site, http: aiohttp.ClientSession, description: dict[str, Any]
) -> None:
    public, known = set(), set()
    for path, method, operation in operations(description):
        if operation["security"] == []:
            public.add((method, path))
            continue
        if "x-right" not in operation:
            known.add((method, path))
        address = filled(path, names_of(site.north) | {"code": "B04", "name": "octopus"})
        async with http.request(method, address, json=BODIES.get((method, path))) as answer:
            assert answer.status == 401, (method, path)
            assert answer.content_type == "application/problem+json"
            assert answer.headers["WWW-Authenticate"] == "Bearer"
        async with http.request(method, address, headers={"Authorization": "Bearer dgb_wrong"}) as answer:
            assert answer.status == 401, (method, path)
    assert public == {("post", "/api/v1/session"), ("post", "/api/v1/session/link")}
    assert {path for _, path in known} == {
        "/api/v1/session",
        "/api/v1/me",
        "/api/v1/me/tenant",
        "/api/v1/me/password",
        "/api/v1/me/sessions",
        "/api/v1/me/sessions/{session_id}",
        "/api/v1/tenants",
        "/api/v1/tenants/{tenant_id}",
        "/api/v1/plugins",
        "/api/v1/plugins/tools/{name}",
        "/api/v1/issues",
        "/api/v1/issues/{code}",
        "/api/v1/notices",
        "/api/v1/notices/read",
        "/api/v1/notices/{notice_id}/read",
    }


@pytest.mark.parametrize("right", [right for right in Right if right is not Right.OPERATE])
async def test_a_key_without_the_right_is_refused(
    site: Site, http: aiohttp.ClientSession, description: dict[str, Any], right: Right
) -> None:
    others = [scope for scope in Right if scope not in (right, Right.OPERATE)]
    headers = {**await site.key(site.north, *others), "If-Match": "*"}
    found = 0
    for path, method, operation in operations(description):
        if operation.get("x-right") == right:
            found += 1
            address = filled(path, names_of(site.north))
            body = BODIES.get(
                (method, path),
                {
                    "name": "x",
                    "entity_id": str(site.north.tenant),
                    "tool": "x",
                    "login": {},
                    "email": "x@example.com",
                    "role": "viewer",
                    "scopes": ["read"],
                    "nights": 3,
                },
            )
            async with http.request(method, address, headers=headers, json=None if method == "get" else body) as answer:
                text = await answer.text()
                assert answer.status == 403, (method, path, text)
                assert json.loads(text)["code"] == "no_right"
    assert found


async def test_the_description_is_openapi_and_says_what_every_route_can_answer(description: dict[str, Any]) -> None:
    assert description["openapi"].startswith("3.1")
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemDetails"}}}
    identifiers = set()
    for path, method, operation in operations(description):
        told = operation["responses"]
        assert {"422", "500", "503"} <= told.keys(), path
        if operation["security"]:
            assert {"401", "403"} <= told.keys(), path
        assert ("404" in told) or "{" not in path, path
        assert not {"404"} - {"404"}
        for status, answer in told.items():
            if status >= "400":
                assert answer["content"] == problem, (path, status)
        if "200" in told and method == "get" and "application/json" in told["200"].get("content", {}):
            assert "304" in told
        assert operation["summary"]
        identifiers.add(operation["operationId"])
    assert len(identifiers) == len(list(operations(description)))
    for name, schema in description["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert "HTTPValidationError" not in name


FORM = {
    "administration": "1",
    "sure": "yes",
    "link_version": "0",
    "booking_number": "1",
    "looked": "yes",
    "deleted": "yes",
    "role": "viewer",
    "email": "new@south.example",
    "name": "x",
    "address": "https://127.0.0.1/",
    "seen": "x",
    "nights": "3",
}
"""What forms of the console send, of all of them."""


def writes() -> list[str]:
    """Addresses of the console that change something."""
    routes = [route for router in console.ROUTERS for route in router.routes if isinstance(route, APIRoute)]
    return [route.path.replace(":path}", "}") for route in routes if "POST" in (route.methods or ())]


async def test_no_form_of_the_console_reaches_another_tenant(site: Site, http: aiohttp.ClientSession) -> None:
    headers = {**await site.person(site.north, Role.ADMIN), "Accept": "text/html"}
    addresses = [one for one in writes() if "{" in one and "{token}" not in one]
    before = await everything(site)
    for path in addresses:
        address = filled(path, names_of(site.south))
        async with http.post(f"{address}?tab=details", headers=headers, data=FORM, allow_redirects=False) as answer:
            text = await answer.text()
        assert answer.status == (403 if path.startswith("/operator/") else 404), f"{path}: {answer.status}"
        assert "south" not in text, path
    assert await everything(site) == before
    assert len(addresses) > 20


async def test_no_form_is_taken_without_the_sessions_token(site: Site, http: aiohttp.ClientSession) -> None:
    """As another site's page would send it, with the person's cookie."""
    headers = await site.person(site.north, Role.ADMIN, operator=True)
    before = await everything(site)
    for path in writes():
        if path.startswith("/sign-in"):
            continue
        address = filled(path, names_of(site.north))
        for token in (None, "x" * 64):
            data = FORM | ({"csrf": token} if token else {})
            async with http.post(address, headers={"Cookie": headers["Cookie"]}, data=data) as answer:
                assert answer.status == 403, f"{path}: {answer.status}"
    assert await everything(site) == before
