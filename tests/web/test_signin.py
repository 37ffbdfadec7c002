"""Signing in: passwords, one-time links, sessions, CSRF, throttling, API keys, the trail."""

import asyncio
import secrets
from datetime import timedelta
from http.cookies import SimpleCookie
from typing import Any

import aiohttp
import pytest
from dagboek.tenants import Unusable
from dagboek.web.problems import Problem
from dagboek.web.rights import Right, Role
from dagboek.web.signin import keys, links, passwords, people, sessions, throttle, trail
from dagboek.web.signin.tokens import csrf_of, hash_of
from web.conftest import Site

PASSWORD = "een zin van vier woorden"


async def somebody(site: Site, role: Role = Role.ADMIN, *, password: str | None = PASSWORD) -> people.Person:
    person = await people.ensure_person(site.db, f"{secrets.token_hex(6)}@north.example", "Anna")
    await people.set_role(site.db, site.north.tenant, person.id, role)
    if password:
        await people.choose_password(site.db, person, password)
    return person


async def signed_in(http: aiohttp.ClientSession, person: people.Person, password: str = PASSWORD) -> dict[str, str]:
    """Headers of a browser."""
    async with http.post("/api/v1/session", json={"email": person.email, "password": password}) as answer:
        assert answer.status == 200, await answer.text()
        me = await answer.json()
        cookie = answer.cookies["dagboek"]
    return {"Cookie": f"dagboek={cookie.value}", "X-CSRF-Token": me["csrf_token"]}


async def status_of(http: aiohttp.ClientSession, method: str, path: str, headers: Any = None, json: Any = None) -> int:
    async with http.request(method, path, headers=headers, json=json) as answer:
        return answer.status


async def test_a_password_opens_a_session_whose_cookie_no_script_reads(site: Site, http: aiohttp.ClientSession) -> None:
    person = await somebody(site, Role.BOOKKEEPER)
    async with http.post(
        "/api/v1/session", json={"email": f" {person.email.upper()} ", "password": PASSWORD}
    ) as answer:
        me = await answer.json()
        cookie: SimpleCookie = answer.cookies
    assert (me["who"], me["tenant"]["name"], me["tenant"]["role"]) == (person.email, "north", "bookkeeper")
    assert me["rights"] == ["connect", "decide", "read", "send", "sync"]
    morsel = cookie["dagboek"]
    assert morsel["httponly"]
    assert morsel["samesite"].lower() == "lax"
    token = morsel.value
    row = await site.db.one("SELECT token_hash FROM web_session WHERE person_id = %s", person.id)
    assert row == {"token_hash": hash_of(token)}, "the token itself is kept nowhere"
    headers = {"Cookie": f"dagboek={token}", "X-CSRF-Token": me["csrf_token"]}
    assert await status_of(http, "GET", "/api/v1/documents", headers) == 200
    assert await status_of(http, "DELETE", "/api/v1/session", headers) == 204
    assert await status_of(http, "GET", "/api/v1/documents", headers) == 401


async def test_a_wrong_password_and_an_unknown_address_are_told_alike(site: Site, http: aiohttp.ClientSession) -> None:
    person = await somebody(site)
    answers = []
    for email in (person.email, "nobody@north.example"):
        async with http.post("/api/v1/session", json={"email": email, "password": "another one"}) as answer:
            answers.append((answer.status, await answer.text()))
    assert answers[0] == answers[1]
    assert answers[0][0] == 401


async def test_guessing_is_slowed_down_and_a_link_lets_the_person_in_again(
    site: Site, http: aiohttp.ClientSession
) -> None:
    person = await somebody(site)
    given = {"email": person.email, "password": "guessed wrong"}
    for _ in range(throttle.OF_EMAIL):
        assert await status_of(http, "POST", "/api/v1/session", json=given) == 401
    right = {"email": person.email, "password": PASSWORD}
    async with http.post("/api/v1/session", json=right) as answer:
        assert answer.status == 429
        assert 0 < int(answer.headers["Retry-After"]) <= throttle.MINUTES * 60
    other = await somebody(site)
    await signed_in(http, other)

    await site.db.run("UPDATE sign_in_failure SET at = at - interval '16 minutes'")
    await signed_in(http, person)
    found = await site.db.one(
        "SELECT count(*) AS number FROM sign_in_failure WHERE key = %s", hash_of(f"email {person.email}")
    )
    assert found == {"number": 0}


async def test_tries_from_one_address_are_counted_over_all_people(site: Site) -> None:
    for at in range(throttle.OF_ADDRESS):
        await throttle.failed(site.db, f"{at}@x.example", "192.0.2.7")
    with pytest.raises(Exception, match="Too many tries"):
        await throttle.refuse_too_many(site.db, "new@x.example", "192.0.2.7")
    await throttle.refuse_too_many(site.db, "new@x.example", "192.0.2.8")


async def test_tries_with_links_are_counted_for_where_they_come_from_and_lock_nobody_else_out(site: Site) -> None:
    for _ in range(throttle.OF_EMAIL):
        await throttle.failed(site.db, "", "192.0.2.17")
    with pytest.raises(Problem, match="Too many tries"):
        await throttle.refuse_too_many(site.db, "", "192.0.2.17")
    await throttle.refuse_too_many(site.db, "", "192.0.2.18")


async def test_a_link_works_once_even_for_two_at_once(site: Site, http: aiohttp.ClientSession) -> None:
    person = await somebody(site, password=None)
    token = await links.make_link(site.db, person.id)
    assert await links.person_of_link(site.db, token) == person, "looking at it uses nothing up"
    statuses = await asyncio.gather(
        *(status_of(http, "POST", "/api/v1/session/link", json={"token": token}) for _ in range(4))
    )
    assert sorted(statuses) == [200, 401, 401, 401]
    late = await links.make_link(site.db, person.id, timedelta(seconds=-1))
    assert await status_of(http, "POST", "/api/v1/session/link", json={"token": late}) == 401


async def by_link(site: Site, http: aiohttp.ClientSession, person: people.Person) -> dict[str, str]:
    """Headers of a browser in which a link was used."""
    async with http.post("/api/v1/session/link", json={"token": await links.make_link(site.db, person.id)}) as answer:
        assert answer.status == 200, await answer.text()
        me = await answer.json()
        return {"Cookie": f"dagboek={answer.cookies['dagboek'].value}", "X-CSRF-Token": me["csrf_token"]}


async def chooses(http: aiohttp.ClientSession, headers: dict[str, str], new: str, **given: str) -> tuple[int, str]:
    """Status and code of the answer to who chooses a password."""
    async with http.put("/api/v1/me/password", headers=headers, json={"new": new, **given}) as answer:
        return answer.status, "" if answer.status == 204 else (await answer.json())["code"]


async def test_who_forgot_a_password_chooses_another_after_a_link_once(site: Site, http: aiohttp.ClientSession) -> None:
    person = await somebody(site)
    before, headers = await signed_in(http, person), await by_link(site, http, person)
    for _ in range(throttle.OF_EMAIL):  # whoever guesses keeps nobody from it
        await throttle.failed(site.db, person.email, "192.0.2.9")
    assert await chooses(http, headers, "kort") == (422, "unusable")
    assert await chooses(http, headers, "een nieuwe lange zin") == (204, "")
    assert await status_of(http, "GET", "/api/v1/me", before) == 401
    assert await chooses(http, headers, "nog een lange zin") == (422, "old_password")
    assert await chooses(http, headers, "nog een lange zin", old=PASSWORD) == (422, "wrong_password")
    await signed_in(http, person, "een nieuwe lange zin")
    rows = await site.db.all(
        """SELECT action, details FROM trail WHERE who = %s AND action IN ('session.begin', 'person.password')
           ORDER BY id LIMIT 3""",
        person.email,
    )
    assert [(row["action"], row["details"]) for row in rows] == [
        ("session.begin", {}),
        ("session.begin", {"by": "link"}),
        ("person.password", {"by": "link"}),
    ]


async def test_of_two_who_choose_at_once_after_a_link_one_may(site: Site, http: aiohttp.ClientSession) -> None:
    person = await somebody(site)
    headers = await by_link(site, http, person)
    answers = await asyncio.gather(*(chooses(http, headers, f"een nieuwe zin met {at}") for at in range(3)))
    assert sorted(answers) == [(204, ""), (422, "old_password"), (422, "old_password")]


async def test_an_hour_after_a_link_the_old_password_is_asked_for(site: Site, http: aiohttp.ClientSession) -> None:
    for minutes, expected in ((59, (204, "")), (61, (422, "old_password"))):
        person = await somebody(site)
        headers = await by_link(site, http, person)
        await site.db.run(
            "UPDATE web_session SET created_at = now() - make_interval(mins => %s) WHERE person_id = %s",
            minutes,
            person.id,
        )
        assert await chooses(http, headers, "een nieuwe lange zin") == expected
        assert await chooses(http, headers, "nog een lange zin", old=PASSWORD) == (
            (204, "") if expected[0] == 422 else (422, "wrong_password")
        )


async def test_a_session_without_a_link_gives_the_old_password_whatever_others_of_the_person_may(
    site: Site, http: aiohttp.ClientSession
) -> None:
    person = await somebody(site)
    headers, linked = await signed_in(http, person), await by_link(site, http, person)
    assert await chooses(http, headers, "een nieuwe lange zin") == (422, "old_password")
    for _ in range(throttle.OF_EMAIL):
        assert await chooses(http, headers, "een nieuwe lange zin", old="") == (422, "wrong_password")
    assert await chooses(http, headers, "een nieuwe lange zin", old=PASSWORD) == (429, "too_many_tries")
    await throttle.forgive(site.db, person.email)
    assert await chooses(http, headers, "een nieuwe lange zin", old=PASSWORD) == (204, "")
    assert await status_of(http, "GET", "/api/v1/me", linked) == 401, "a link that was used before ends with it"


async def test_an_older_process_begins_sessions_that_give_the_old_password(
    site: Site, http: aiohttp.ClientSession
) -> None:
    person, token = await somebody(site), secrets.token_hex()
    await site.db.run(
        "INSERT INTO web_session (token_hash, person_id, expires_at) VALUES (%s, %s, now() + interval '1 day')",
        hash_of(token),
        person.id,
    )
    headers = {"Cookie": f"dagboek={token}", "X-CSRF-Token": csrf_of(token)}
    assert await chooses(http, headers, "een nieuwe lange zin") == (422, "old_password")


async def test_who_came_by_a_link_chooses_a_password_and_other_sessions_end(
    site: Site, http: aiohttp.ClientSession
) -> None:
    person = await somebody(site, password=None)
    headers = await by_link(site, http, person)
    elsewhere = {"Cookie": f"dagboek={await sessions.begin(site.db, person, 'elsewhere')}"}
    assert await status_of(http, "GET", "/api/v1/me", elsewhere) == 200
    unused = await links.make_link(site.db, person.id)
    assert await status_of(http, "PUT", "/api/v1/me/password", headers, {"new": "kort"}) == 422
    assert await status_of(http, "PUT", "/api/v1/me/password", headers, {"new": PASSWORD}) == 204
    assert await status_of(http, "GET", "/api/v1/me", headers) == 200
    assert await status_of(http, "GET", "/api/v1/me", elsewhere) == 401
    assert await links.person_of_link(site.db, unused) is None
    wrong = {"old": "not this one", "new": "een andere lange zin"}
    assert await status_of(http, "PUT", "/api/v1/me/password", headers, wrong) == 422
    assert await status_of(http, "PUT", "/api/v1/me/password", headers, {**wrong, "old": PASSWORD}) == 204
    await signed_in(http, person, "een andere lange zin")


async def test_sessions_are_listed_and_ended_by_their_person_alone(site: Site, http: aiohttp.ClientSession) -> None:
    person, other = await somebody(site), await somebody(site)
    headers, others = await signed_in(http, person), await signed_in(http, other)
    elsewhere = {"Cookie": f"dagboek={await sessions.begin(site.db, person, 'Phone')}"}
    async with http.get("/api/v1/me/sessions", headers=headers) as answer:
        found = (await answer.json())["items"]
    (phone,) = [one["id"] for one in found if one["browser"] == "Phone"]
    assert [one["current"] for one in found].count(True) == 1
    assert await status_of(http, "DELETE", f"/api/v1/me/sessions/{phone}", others) == 404
    assert await status_of(http, "DELETE", f"/api/v1/me/sessions/{phone}", headers) == 204
    assert await status_of(http, "GET", "/api/v1/me", elsewhere) == 401


async def test_a_session_ends_when_it_is_idle_or_old_or_its_person_is_disabled(
    site: Site, http: aiohttp.ClientSession
) -> None:
    for ending in (
        "UPDATE web_session SET seen_at = now() - interval '25 hours' WHERE person_id = %s",
        "UPDATE web_session SET expires_at = now() WHERE person_id = %s",
        "UPDATE person SET disabled_at = now() WHERE id = %s",
    ):
        person = await somebody(site)
        headers = await signed_in(http, person)
        assert await status_of(http, "GET", "/api/v1/me", headers) == 200
        await site.db.run(ending, person.id)
        assert await status_of(http, "GET", "/api/v1/me", headers) == 401


async def test_what_was_taken_away_is_gone_with_the_next_request(site: Site, http: aiohttp.ClientSession) -> None:
    person = await somebody(site)
    headers = await signed_in(http, person)
    assert await status_of(http, "GET", "/api/v1/trail", headers) == 200
    await people.set_role(site.db, site.north.tenant, person.id, Role.VIEWER)
    assert await status_of(http, "GET", "/api/v1/trail", headers) == 403
    await people.remove_member(site.db, site.north.tenant, person.id)
    assert await status_of(http, "GET", "/api/v1/documents", headers) == 403
    async with http.get("/api/v1/me", headers=headers) as answer:
        assert (await answer.json())["tenant"] is None


async def test_a_write_without_the_sessions_token_or_from_another_site_is_refused(
    site: Site, http: aiohttp.ClientSession
) -> None:
    headers = await site.person(site.north, Role.ADMIN)
    cookie = {"Cookie": headers["Cookie"]}
    given = {"language": "fr"}
    assert await status_of(http, "PATCH", "/api/v1/me", cookie, given) == 403
    assert await status_of(http, "PATCH", "/api/v1/me", {**cookie, "X-CSRF-Token": "0" * 64}, given) == 403
    assert await status_of(http, "PATCH", "/api/v1/me", {**headers, "Origin": "https://evil.example"}, given) == 403
    assert await status_of(http, "PATCH", "/api/v1/me", {**headers, "Origin": site.address}, given) == 204
    others = await site.person(site.north, Role.VIEWER)
    assert (
        await status_of(http, "PATCH", "/api/v1/me", {**cookie, "X-CSRF-Token": others["X-CSRF-Token"]}, given) == 403
    )
    signing_in = {"email": "x@north.example", "password": "whatever it is"}
    assert await status_of(http, "POST", "/api/v1/session", {"Origin": "https://evil.example"}, signing_in) == 403
    async with http.get("/api/v1/me", headers=headers) as answer:
        assert (await answer.json())["person"]["language"] == "fr"


async def test_a_key_opens_what_its_scopes_say_until_it_is_revoked_or_expires(
    site: Site, http: aiohttp.ClientSession
) -> None:
    admin = await site.person(site.north, Role.ADMIN)
    async with http.post(
        "/api/v1/api-keys", headers=admin, json={"name": "shop", "scopes": ["read", "sync"]}
    ) as answer:
        assert answer.status == 201
        made = await answer.json()
    headers = {"Authorization": f"Bearer {made['key']}"}
    async with http.get("/api/v1/me", headers=headers) as answer:
        me = await answer.json()
    assert (me["who"], me["rights"], me["person"], me["csrf_token"]) == ("key shop", ["read", "sync"], None, None)
    assert await status_of(http, "GET", "/api/v1/trail", headers) == 403
    assert await status_of(http, "DELETE", f"/api/v1/api-keys/{made['id']}", admin) == 204
    assert await status_of(http, "GET", "/api/v1/me", headers) == 401
    async with http.get("/api/v1/api-keys", headers=admin) as answer:
        text = await answer.text()
    assert made["key"] not in text
    assert made["id"] in text

    secret, key = await keys.make_key(site.db, site.north.tenant, "old", [Right.READ], "a test")
    await site.db.run("UPDATE api_key SET expires_at = now() WHERE id = %s", key.id)
    assert await status_of(http, "GET", "/api/v1/me", {"Authorization": f"Bearer {secret}"}) == 401


async def test_a_key_can_do_no_more_than_who_makes_it(site: Site, http: aiohttp.ClientSession) -> None:
    manager = await site.key(site.north, Right.MANAGE)
    for scope in ("read", "operate"):
        given = {"name": "more", "scopes": [scope]}
        assert await status_of(http, "POST", "/api/v1/api-keys", manager, given) == 422
    operator = await site.person(site.north, Role.ADMIN, operator=True)
    assert await status_of(http, "POST", "/api/v1/api-keys", operator, {"name": "more", "scopes": ["operate"]}) == 422
    assert await status_of(http, "POST", "/api/v1/api-keys", manager, {"name": "same", "scopes": ["manage"]}) == 201


async def test_an_operator_looks_at_any_tenant_and_others_at_their_own(site: Site, http: aiohttp.ClientSession) -> None:
    operator = await site.person(site.north, Role.VIEWER, operator=True)
    admin = await site.person(site.north, Role.ADMIN)
    choice = {"tenant_id": str(site.south.tenant)}
    assert await status_of(http, "PUT", "/api/v1/me/tenant", admin, choice) == 404
    assert await status_of(http, "PUT", "/api/v1/me/tenant", operator, choice) == 204
    async with http.get("/api/v1/documents", headers=operator) as answer:
        assert [one["identity"] for one in (await answer.json())["items"]] == ["d1:south"]
    async with http.get("/api/v1/tenants", headers=operator) as answer:
        assert {"north", "south"} <= {one["name"] for one in (await answer.json())["items"]}
    async with http.get("/api/v1/tenants", headers=admin) as answer:
        assert [one["name"] for one in (await answer.json())["items"]] == ["north"]


async def test_the_last_admin_stays_one(site: Site, http: aiohttp.ClientSession) -> None:
    admin = await site.person(site.south, Role.ADMIN)
    await site.db.run(
        "DELETE FROM membership WHERE tenant_id = %s AND person_id <> (SELECT id FROM person WHERE email = %s)",
        site.south.tenant,
        "admin@south.example",
    )
    async with http.get("/api/v1/people", headers=admin) as answer:
        (me,) = (await answer.json())["items"]
    assert await status_of(http, "DELETE", f"/api/v1/people/{me['person_id']}", admin) == 409
    assert await status_of(http, "PUT", f"/api/v1/people/{me['person_id']}/role", admin, {"role": "viewer"}) == 409
    given = {"email": "second@south.example", "role": "admin"}
    assert await status_of(http, "POST", "/api/v1/people", admin, given) == 201
    assert await status_of(http, "PUT", f"/api/v1/people/{me['person_id']}/role", admin, {"role": "viewer"}) == 200
    done = [(one.action, one.subject) for one in await trail.deeds(site.web.requests.of(site.south.tenant), limit=2)]
    assert done == [("member.role", "admin@south.example"), ("member.role", "second@south.example")]


async def test_adding_somebody_who_is_of_another_tenant_too_changes_nothing_there(
    site: Site, http: aiohttp.ClientSession
) -> None:
    other = await people.ensure_person(site.db, "both@example.com", "Both")
    await people.set_role(site.db, site.south.tenant, other.id, Role.ADMIN)
    headers = await site.person(site.north, Role.ADMIN)
    given = {"email": "BOTH@example.com", "name": "Somebody else", "role": "viewer"}
    async with http.post("/api/v1/people", headers=headers, json=given) as answer:
        text = await answer.text()
        assert answer.status == 201, text
    assert "link" not in text, "who adds somebody cannot sign in as them"
    assert [(one.name, one.role) for one in await people.belongings(site.db, other.id)] == [
        ("north", Role.VIEWER),
        ("south", Role.ADMIN),
    ]
    assert (await people.find_person(site.db, "both@example.com")).name == "Both"


@pytest.mark.parametrize(
    "email", ["", "anna", "@x", "a@", "a b@x.example", "a@x.example, b@x.example", "a\x00@x.example"]
)
def test_what_is_no_address(email: str) -> None:
    with pytest.raises(Unusable):
        people.checked_email(email)


@pytest.mark.parametrize("password", ["kort", "x" * 201, "anna@north.example", "aaaaaaaaaaaa"])
def test_weak_passwords(password: str) -> None:
    with pytest.raises(passwords.WeakPassword):
        passwords.check(password, "anna@north.example")


async def test_what_has_ended_is_forgotten(site: Site) -> None:
    person = await somebody(site, password=None)
    kept, old = await sessions.begin(site.db, person, ""), await sessions.begin(site.db, person, "")
    await site.db.run("UPDATE web_session SET expires_at = now() WHERE token_hash = %s", hash_of(old))
    link = await links.make_link(site.db, person.id)
    await links.make_link(site.db, person.id, timedelta(days=-1))
    await sessions.drop_old(site.db)
    assert await sessions.session_of(site.db, kept) is not None
    assert await links.person_of_link(site.db, link) == person
    rows = await site.db.all(
        """SELECT 1 FROM web_session WHERE person_id = %(id)s
           UNION ALL SELECT 1 FROM one_time_link WHERE person_id = %(id)s""",
        {"id": person.id},
    )
    assert len(rows) == 2


async def test_the_language_is_the_browsers_until_one_is_chosen(site: Site, http: aiohttp.ClientSession) -> None:
    person = await somebody(site)

    async def reads(browser: str) -> str:
        given = {"email": person.email, "password": PASSWORD}
        async with http.post("/api/v1/session", json=given, headers={"Accept-Language": browser}) as answer:
            return str((await answer.json())["person"]["language"])

    assert [await reads("fr-BE,fr;q=0.9"), await reads("de,en;q=0.5"), await reads("nl-BE")] == ["fr", "en", "nl"]
    await people.choose_language(site.db, person.id, "fr")
    assert await reads("nl-BE") == "fr"
