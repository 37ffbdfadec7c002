"""Budgets of a minute and a day, their headers, and the block after ten errors."""

from email.utils import parsedate_to_datetime

import pytest
from dagboek_exact.sandbox import Rules

from .conftest import Answer, Client, Starter


async def _at_the_start_of_a_minute(client: Client) -> None:
    client.tell("clock", advance_seconds=60 - client.sandbox.clock.now() % 60 + 0.01)


def _numbers(answer: Answer, prefix: str) -> list[int]:
    return [int(answer.headers[f"{prefix}-{name}"]) for name in ("Limit", "Remaining", "Reset")]


@pytest.fixture
async def limited(start: Starter) -> Client:
    """A sandbox with limits, at the start of a minute."""
    client = await start()
    await _at_the_start_of_a_minute(client)
    return client


async def test_every_answer_says_what_is_left(limited: Client) -> None:
    now = limited.sandbox.clock.now()
    answer = await limited.get("crm/Accounts", top=1)
    minute, day = _numbers(answer, "X-RateLimit-Minutely"), _numbers(answer, "X-RateLimit")
    assert minute == [60, 59, int((now // 60 + 1) * 60_000)]
    assert day == [5000, 4999, int((now // 86_400 + 1) * 86_400_000)]
    assert 0 <= parsedate_to_datetime(answer.headers["Date"]).timestamp() - int(now) <= 2, "the clock that was moved"
    refused = await limited.get("crm/Accounts", filter="x")
    assert _numbers(refused, "X-RateLimit-Minutely")[1] == 58


async def test_the_sixty_first_call_of_a_minute_waits_for_the_next(limited: Client) -> None:
    for _ in range(60):
        assert (await limited.get("crm/Accounts", top=1)).status == 200
    over = await limited.get("crm/Accounts", top=1)
    assert (over.status, over.text) == (429, "")
    assert _numbers(over, "X-RateLimit-Minutely")[1] == 0
    assert "X-RateLimit-Limit" not in over.headers
    assert "Retry-After" not in over.headers
    limited.tell("limits", retry_after=7)
    assert (await limited.get("crm/Accounts", top=1)).headers["Retry-After"] == "7"
    headers = {"Authorization": f"Bearer {limited.tokens['access_token']}", "Accept": "application/json"}
    assert (await limited.send("GET", "/api/v1/current/Me", headers=headers)).status == 200
    await _at_the_start_of_a_minute(limited)
    assert (await limited.get("crm/Accounts", top=1)).status == 200


async def test_each_division_and_each_app_has_a_budget_of_its_own(limited: Client) -> None:
    (other,) = limited.tell("dossiers", name="Ander")["ids"]
    for _ in range(61):
        last = await limited.get("crm/Accounts", top=1)
    assert last.status == 429
    first, limited.division = limited.division, other
    assert (await limited.get("crm/Accounts", top=1)).status == 200
    limited.division = first
    limited.tell("apps", client_id="other", client_secret="hush", minutely=100)
    limited.app = {"client_id": "other", "client_secret": "hush"}
    await limited.log_in()
    answer = await limited.get("crm/Accounts", top=1)
    assert (answer.status, _numbers(answer, "X-RateLimit-Minutely")[:2]) == (200, [100, 99])


async def test_a_day_ends_at_midnight_in_greenwich(limited: Client) -> None:
    limited.tell("apps", client_id=limited.app["client_id"], daily=3)
    for _ in range(3):
        assert (await limited.get("crm/Accounts", top=1)).status == 200
    over = await limited.get("crm/Accounts", top=1)
    assert (over.status, over.text) == (429, "")
    assert _numbers(over, "X-RateLimit")[:2] == [3, 0]
    assert "X-RateLimit-Minutely-Limit" not in over.headers
    left = 86_400 - limited.sandbox.clock.now() % 86_400
    limited.tell("clock", advance_seconds=left + 1)
    await limited.log_in()
    assert (await limited.get("crm/Accounts", top=1)).status == 200


async def test_more_than_ten_errors_in_an_hour_block_for_an_hour_and_then_for_two(limited: Client) -> None:
    limited.tell("apps", client_id=limited.app["client_id"], minutely=1000)
    for _ in range(10):
        assert (await limited.get("crm/Accounts", filter="x")).status == 400
    assert (await limited.get("crm/Accounts", top=1)).status == 200, "ten are let through"
    assert (await limited.get("crm/Accounts", filter="x")).status == 400
    blocked = await limited.get("financial/Journals")
    assert (blocked.status, blocked.text) == (429, ""), "the division, for this app and user"
    limited.tell("clock", advance_seconds=3601)
    await limited.refresh()
    assert (await limited.get("crm/Accounts", top=1)).status == 200
    for _ in range(11):
        await limited.get("crm/Accounts", filter="x")
    limited.tell("clock", advance_seconds=3601)
    await limited.refresh()
    assert (await limited.get("crm/Accounts", top=1)).status == 429
    limited.tell("clock", advance_seconds=3600)
    await limited.refresh()
    assert (await limited.get("crm/Accounts", top=1)).status == 200


async def test_errors_of_more_than_an_hour_ago_do_not_count(limited: Client) -> None:
    limited.tell("apps", client_id=limited.app["client_id"], minutely=1000)
    for _ in range(10):
        await limited.get("crm/Accounts", filter="x")
    limited.tell("clock", advance_seconds=3601)
    await limited.refresh()
    for _ in range(10):
        assert (await limited.get("crm/Accounts", filter="x")).status == 400
    assert (await limited.get("crm/Accounts", top=1)).status == 200


async def test_refused_bookings_count_where_that_is_the_rule(start: Starter) -> None:
    for statuses, last in (((400, 401, 403, 404), 500), ((400, 401, 403, 404, 500), 429)):
        client = await start(rules=Rules(velocity_statuses=statuses))
        client.tell("apps", client_id=client.app["client_id"], minutely=1000)
        for _ in range(11):
            assert (await client.post("crm/Accounts", {"Name": ""})).status == 500
        assert (await client.post("crm/Accounts", {"Name": ""})).status == last


async def test_a_block_may_be_of_the_endpoint_alone_and_have_another_status(start: Starter) -> None:
    client = await start(rules=Rules(velocity_scope="endpoint", velocity_status=403))
    for _ in range(11):
        await client.get("crm/Accounts", filter="x")
    assert (await client.get("crm/Accounts", top=1)).status == 403
    assert (await client.get("financial/Journals")).status == 200


async def test_limits_can_be_lifted_and_forgotten(limited: Client) -> None:
    for _ in range(11):
        await limited.get("crm/Accounts", filter="x")
    assert limited.tell("limits")["blocked"]
    assert (await limited.get("crm/Accounts", top=1)).status == 429
    limited.tell("limits", clear=True)
    assert (await limited.get("crm/Accounts", top=1)).status == 200
    limited.tell("limits", on=False)
    for _ in range(70):
        assert (await limited.get("crm/Accounts", filter="x")).status == 400
