"""Consent, codes and tokens, by a clock that can be moved."""

import base64
import json

import aiohttp
from dagboek_exact.sandbox import Rules

from .conftest import CALLBACK, Client, Starter


async def _me(client: Client) -> int:
    headers = {"Authorization": f"Bearer {client.tokens['access_token']}", "Accept": "application/json"}
    return (await client.send("GET", "/api/v1/current/Me", headers=headers)).status


async def test_tokens_look_as_they_do_and_say_whose_they_are(client: Client) -> None:
    assert client.tokens["token_type"] == "bearer"
    assert client.tokens["expires_in"] == "600"
    assert client.tokens["access_token"].startswith("AAEAA")
    assert client.tokens["refresh_token"].startswith("Gcp7!IAAAA")
    headers = {"Authorization": f"Bearer {client.tokens['access_token']}", "Accept": "application/json"}
    answer = await client.send("GET", "/api/v1/current/Me", headers=headers)
    (me,) = answer.d["results"]
    assert (me["UserName"], me["FullName"], me["CurrentDivision"]) == ("voorbeeld", "Vera Voorbeeld", 3_100_001)
    assert me["Legislation"] == "2"
    assert "X-RateLimit-Limit" not in answer.headers


async def test_a_code_is_escaped_in_the_address_and_good_once_for_three_minutes(client: Client) -> None:
    query = {"client_id": client.app["client_id"], "redirect_uri": CALLBACK, "response_type": "code", "state": "s/1"}
    answer = await client.send("GET", "/api/oauth2/auth", params=query)
    assert "%21" in answer.headers["Location"]
    assert "state=s%2F1" in answer.headers["Location"]
    used = await client.consent()
    form = {"grant_type": "authorization_code", "redirect_uri": CALLBACK}
    assert (await client.token(**form, code=used)).status == 200
    again = await client.token(**form, code=used)
    assert again.status == 400
    assert json.loads(again.text)["error"] == "invalid_grant"
    assert "chainId" in again.headers["Reason"]
    late = await client.consent()
    client.tell("clock", advance_seconds=181)
    assert (await client.token(**form, code=late)).status == 400
    early = await client.consent()
    client.tell("clock", advance_seconds=170)
    assert (await client.token(**form, code=early)).status == 200


async def test_a_code_belongs_to_its_app_and_address(client: Client) -> None:
    client.tell("apps", client_id="other", client_secret="hush")
    form = {"grant_type": "authorization_code", "code": await client.consent()}
    other = {"client_id": "other", "client_secret": "hush", "redirect_uri": CALLBACK}
    assert (await client.token(**form, **other)).status == 400
    assert (await client.token(**form, redirect_uri=CALLBACK + "/")).status == 400
    assert (await client.token(**form, redirect_uri=CALLBACK)).status == 200


async def test_the_app_may_say_who_it_is_in_a_basic_header(client: Client) -> None:
    form = {"grant_type": "authorization_code", "code": await client.consent(), "redirect_uri": CALLBACK}
    header = base64.b64encode(f"{client.app['client_id']}:{client.app['client_secret']}".encode()).decode()
    headers = {"Authorization": f"Basic {header}"}
    answer = await client.send("POST", "/api/oauth2/token", data=form, headers=headers)
    assert answer.status == 200


async def test_a_wrong_app_or_secret_is_refused(client: Client) -> None:
    wrong = await client.token(grant_type="refresh_token", refresh_token="x", client_secret="wrong")
    assert wrong.status == 401
    assert json.loads(wrong.text)["error"] == "invalid_client"
    query = {"client_id": "nobody", "redirect_uri": CALLBACK, "response_type": "code"}
    assert (await client.send("GET", "/api/oauth2/auth", params=query)).status == 400
    assert (await client.send("GET", "/api/oauth2/token")).status == 405


async def test_an_address_must_be_registered_as_it_stands(start: Starter) -> None:
    client = await start(redirect_uris=[CALLBACK])
    query = {"client_id": client.app["client_id"], "response_type": "code"}
    for target in (CALLBACK + "/", "http://127.0.0.1:9/other", "https://elsewhere.test/"):
        refused = await client.send("GET", "/api/oauth2/auth", params=query | {"redirect_uri": target})
        assert refused.status == 400
        assert "Location" not in refused.headers
    open_to_all = await start()
    plain = await open_to_all.send("GET", "/api/oauth2/auth", params=query | {"redirect_uri": "http://far.test/"})
    assert plain.status == 400


async def test_the_person_may_refuse_or_be_asked_on_a_page(client: Client) -> None:
    client.tell("browser", answer="refuse")
    assert await client.consent() == "access_denied"
    client.tell("browser", answer="ask")
    client.tell("logins", user="piet", full_name="Piet Puk")
    query = {"client_id": client.app["client_id"], "redirect_uri": CALLBACK, "response_type": "code", "state": "s"}
    page = await client.send("GET", "/api/oauth2/auth", params=query)
    assert page.status == 200
    assert "Piet Puk" in page.text
    sent = await client.send("POST", "/api/oauth2/auth", params=query, data={"answer": "consent", "user": "piet"})
    assert sent.status == 302
    assert [chain["user"] for chain in client.tell("chains")] == ["voorbeeld"]
    code = sent.headers["Location"].split("code=")[1].split("&")[0].replace("%21", "!")
    done = await client.token(grant_type="authorization_code", code=code, redirect_uri=CALLBACK)
    assert done.status == 200
    assert [chain["user"] for chain in client.tell("chains")] == ["voorbeeld", "piet"]


async def test_access_ends_after_600_seconds(client: Client) -> None:
    client.tell("clock", advance_seconds=560)
    assert await _me(client) == 200
    client.tell("clock", advance_seconds=41)
    headers = {"Authorization": f"Bearer {client.tokens['access_token']}"}
    answer = await client.send("GET", "/api/v1/current/Me", headers=headers)
    assert (answer.status, answer.text) == (401, "")
    assert answer.headers["Reason"] == "access token expired"


async def test_a_refresh_before_570_seconds_is_refused_and_uses_nothing_up(client: Client) -> None:
    client.tell("clock", advance_seconds=560)
    early = await client.refresh()
    assert early.status == 401
    assert "not expired" in json.loads(early.text)["error_description"]
    client.tell("rules", early_status=400)
    assert (await client.refresh()).status == 400
    client.tell("clock", advance_seconds=12)
    assert (await client.refresh()).status == 200
    assert await _me(client) == 200


async def test_a_refresh_token_is_good_once(client: Client) -> None:
    old = client.tokens["refresh_token"]
    client.tell("clock", advance_seconds=571)
    assert (await client.refresh()).status == 200
    new = client.tokens["refresh_token"]
    assert new != old
    again = await client.refresh(old)
    assert again.status == 401
    assert json.loads(again.text) == {
        "error": "unauthorized_client",
        "error_description": "Old refresh token used.",
    }
    client.tell("clock", advance_seconds=571)
    assert (await client.refresh(new)).status == 200, "the chain goes on"


async def test_the_old_token_may_work_until_the_new_one_is_used(start: Starter) -> None:
    client = await start(rules=Rules(reuse="once"))
    old = client.tokens["refresh_token"]
    client.tell("clock", advance_seconds=571)
    assert (await client.refresh()).status == 200
    lost = dict(client.tokens)
    assert (await client.refresh(old)).status == 200, "the answer was lost, so the old one is tried"
    assert client.tokens["refresh_token"] != lost["refresh_token"]
    assert await _me(client) == 200
    assert (await client.refresh(old)).status == 401
    assert (await client.refresh(lost["refresh_token"])).status == 401, "what it brought is used"


async def test_the_old_token_may_be_dead_once_the_new_access_token_is_used(start: Starter) -> None:
    client = await start(rules=Rules(reuse="once"))
    old = client.tokens["refresh_token"]
    client.tell("clock", advance_seconds=571)
    assert (await client.refresh()).status == 200
    assert await _me(client) == 200
    assert (await client.refresh(old)).status == 401


async def test_the_old_token_may_end_the_chain(start: Starter) -> None:
    client = await start(rules=Rules(reuse="end"))
    old = client.tokens["refresh_token"]
    client.tell("clock", advance_seconds=571)
    assert (await client.refresh()).status == 200
    new = client.tokens["refresh_token"]
    assert (await client.refresh(old)).status == 401
    assert await _me(client) == 401
    client.tell("clock", advance_seconds=571)
    dead = await client.refresh(new)
    assert dead.status == 400
    assert "chainId" in json.loads(dead.text)["error_description"]


async def test_a_refresh_token_lives_for_thirty_days(client: Client) -> None:
    client.tell("clock", advance_seconds=30 * 86_400 - 60)
    assert (await client.refresh()).status == 200
    client.tell("clock", advance_seconds=30 * 86_400 + 1)
    assert (await client.refresh()).status == 400


async def test_a_second_consent_of_the_same_user_ends_the_chain_before(client: Client) -> None:
    first = client.tokens["refresh_token"]
    client.tell("logins", user="piet")
    assert (await client.log_in()).status == 200
    client.tell("clock", advance_seconds=600)
    assert (await client.refresh(first)).status == 400
    client.tell("browser", user="piet")
    second = client.tokens["refresh_token"]
    assert (await client.log_in()).status == 200
    assert (await client.refresh(second)).status == 200, "another user has a chain of their own"


async def test_a_user_who_is_gone_or_changed_the_password_has_no_tokens(client: Client) -> None:
    client.tell("clock", advance_seconds=600)
    client.tell("logins", user="voorbeeld", active=False)
    inactive = await client.refresh()
    assert (inactive.status, json.loads(inactive.text)["error_description"]) == (400, "The user is not active")
    client.tell("logins", user="voorbeeld", active=True, divisions=[])
    assert (await client.refresh()).status == 403
    client.tell("logins", user="voorbeeld", divisions=None, end=True)
    assert (await client.refresh()).status == 400


async def test_two_hundred_calls_for_tokens_a_day(start: Starter) -> None:
    client = await start()
    for _ in range(199):
        assert (await client.refresh()).status == 401
    assert (await client.refresh()).status == 429
    client.tell("clock", advance_seconds=86_400)
    assert (await client.refresh()).status == 200


async def test_calls_without_a_token_are_answered_in_three_ways(client: Client) -> None:
    url = f"/api/v1/{client.division}/crm/Accounts"
    for headers in ({}, {"Authorization": "Bearer AAEAAinvented"}):
        answer = await client.send("GET", url, headers=headers)
        assert (answer.status, answer.text) == (401, "")
        assert answer.headers["Reason"]
    client.tell("rules", anonymous="page")
    assert "Object moved" in (await client.send("GET", url)).text
    client.tell("rules", anonymous="redirect")
    moved = await client.send("GET", url)
    assert (moved.status, moved.headers["Location"]) == (302, "/docs/Login.aspx")


async def test_two_processes_with_one_token_cannot_both_win(client: Client) -> None:
    client.tell("clock", advance_seconds=600)
    form = {**client.app, "grant_type": "refresh_token", "refresh_token": client.tokens["refresh_token"]}
    async with aiohttp.ClientSession() as other:
        url = client.sandbox.base_url + "/api/oauth2/token"
        async with other.post(url, data=form) as one, other.post(url, data=form) as two:
            assert sorted((one.status, two.status)) == [200, 401]
