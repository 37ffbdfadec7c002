"""Faults that can be switched on: what strikes whom, and what was booked all the same."""

import asyncio
import json
from typing import Any

import aiohttp
import pytest
from dagboek_sdk.sandbox.faults import KINDS

from .conftest import Answer, Client

BOOKING = "SalesEntries.post"


async def _booked(client: Client) -> int:
    return len(client.sandbox.books.entries())


@pytest.fixture
async def customer(client: Client) -> str:
    """A customer."""
    return await client.relation()


@pytest.mark.parametrize(
    ("kind", "status", "booked"),
    [
        ("error_503_before", 503, 0),
        ("error_503_after", 503, 1),
        ("rate_limited", 429, 0),
        ("token_expired", 401, 0),
        ("maintenance_page", 200, 0),
        ("redirect", 302, 0),
        ("login_page", 200, 0),
        ("refuse", 500, 0),
        ("wrong_body", 201, 1),
        ("slow_drip", 201, 1),
        ("latency", 201, 1),
        ("repeated", 201, 2),
        ("answered_twice", 201, 1),
    ],
)
async def test_faults_that_answer(client: Client, customer: str, kind: str, status: int, booked: int) -> None:
    client.tell("faults", kind=kind, operation=BOOKING, times=1, seconds=0.05)
    answer = await client.sale(customer)
    assert (answer.status, await _booked(client)) == (status, booked)
    (call,) = client.sandbox.requests.last(10, BOOKING)
    assert (call["fault"], call["status"], call["dossier"]) == (kind, status, client.division)
    assert client.tell("faults") == {"faults": []}
    if kind not in ("token_expired", "answered_twice"):
        assert (await client.sale(customer)).status == 201


@pytest.mark.parametrize(
    ("kind", "booked"),
    [("reset", 0), ("timeout_before", 0), ("reset_after_commit", 1), ("timeout_after_commit", 1)],
)
async def test_faults_that_do_not_answer(client: Client, customer: str, kind: str, booked: int) -> None:
    client.tell("faults", kind=kind, operation=BOOKING, times=1, seconds=0.2)
    with pytest.raises((aiohttp.ClientError, TimeoutError)):
        await client.sale(customer)
    assert await _booked(client) == booked
    (call,) = client.sandbox.requests.last(10, BOOKING)
    assert (call["status"], call["fault"]) == (None, kind)


async def test_every_kind_of_the_other_sandboxes_is_known(client: Client) -> None:
    assert set(KINDS) <= set(client.sandbox.faults.kinds)
    told = client.tell("status")["faults_known"]
    assert set(client.sandbox.faults.kinds) - set(told) == {"repeated"}, "a sale that comes twice is booked twice"


async def test_a_token_that_was_said_to_have_ended_has(client: Client) -> None:
    client.tell("faults", kind="token_expired", times=1)
    assert (await client.get("crm/Accounts", top=1)).status == 401
    assert (await client.get("crm/Accounts", top=1)).status == 401
    client.tell("clock", advance_seconds=600)
    assert (await client.refresh()).status == 200
    assert (await client.get("crm/Accounts", top=1)).status == 200


async def test_too_many_calls_say_until_when_if_they_are_told_to(client: Client) -> None:
    client.tell("faults", kind="rate_limited", times=1)
    assert "X-RateLimit-Minutely-Reset" not in (await client.get("crm/Accounts", top=1)).headers
    client.tell("faults", kind="rate_limited", times=1, seconds=3)
    answer = await client.get("crm/Accounts", top=1)
    assert (answer.headers["Retry-After"], answer.text) == ("3", "")
    assert 0 < int(answer.headers["X-RateLimit-Minutely-Reset"]) / 1000 - client.sandbox.clock.now() <= 3


async def test_a_refusal_in_any_words(client: Client, customer: str) -> None:
    client.tell("faults", kind="refuse", operation="*Entries.post", times=1, body="Onbekend: Iets", status=500)
    answer = await client.sale(customer)
    assert (answer.status, answer.error) == (500, "Onbekend: Iets")
    client.tell("faults", kind="refuse", operation=BOOKING, times=1, code=-22, status=400)
    assert (await client.sale(customer)).status == 400


async def test_changes_can_be_refused_and_bookings_not(client: Client, customer: str) -> None:
    client.tell("faults", kind="refuse_update")
    entry = await client.sale(customer)
    assert entry.status == 201
    changed = await client.call("PUT", f"salesentry/SalesEntries(guid'{entry.d['EntryID']}')", {"YourRef": "x"})
    assert (changed.status, changed.error) == (500, "Reeds verwerkt")


async def test_conditions_choose_the_calls(client: Client) -> None:
    client.tell("faults", kind="error_503_before", operation="Accounts.get", after=1, times=1)
    assert [(await client.get("crm/Accounts", top=1)).status for _ in range(3)] == [200, 503, 200]
    client.tell("faults", kind="error_503_before", path="/api/v1/*/financial/*", method="GET")
    assert (await client.get("financial/Journals")).status == 503
    assert (await client.get("crm/Accounts", top=1)).status == 200
    client.tell("faults", off=True)
    client.tell("faults", kind="error_503_before", dossier=4711)
    assert (await client.get("financial/Journals")).status == 200
    with pytest.raises(ValueError, match="no kind of fault"):
        client.tell("faults", kind="nonsense")


@pytest.mark.parametrize("kind", ["error_503_before", "error_503_after", "reset_after_commit", "wrong_body"])
async def test_tokens_are_struck_too(client: Client, kind: str) -> None:
    client.tell("clock", advance_seconds=600)
    client.tell("faults", kind=kind, operation="token", times=1)
    old = client.tokens["refresh_token"]
    answer: Answer | None = None
    try:
        answer = await client.token(grant_type="refresh_token", refresh_token=old)
    except aiohttp.ClientError:
        assert kind == "reset_after_commit"
    if answer is not None:
        with pytest.raises((ValueError, KeyError)):
            assert json.loads(answer.text)["access_token"]
    lost = kind != "error_503_before"
    assert (await client.refresh(old)).status == (401 if lost else 200)


async def test_requests_show_neither_codes_nor_tokens(client: Client) -> None:
    noted: Any = client.tell("requests")
    text = json.dumps(noted)
    assert (noted["requests"][0]["operation"], noted["requests"][0]["path"]) == ("authorise", "/api/oauth2/auth")
    assert "stampNL" not in text
    assert CALLBACK_SECRET not in text
    assert client.tokens["access_token"] not in text


CALLBACK_SECRET = "voorbeeld-geheim"


async def test_an_answer_may_come_again_unasked(client: Client, customer: str) -> None:
    """The second one is taken for the answer of the next call on the connection."""
    client.tell("faults", kind="answered_twice", operation=BOOKING, times=1, seconds=0.05)
    assert (await client.sale(customer)).status == 201
    await asyncio.sleep(0.2)
    assert (await client.get("crm/Accounts", top=1)).status == 201
