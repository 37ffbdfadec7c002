"""The calls of a day: for a domain, shared by its keys, administrations and services."""

from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from dagboek_yuki.sandbox import Rules

from .conftest import Client, Starter

DOMAINS: list[dict[str, Any]] = [
    {"id": "a" * 32, "name": "Eerste", "calls_a_day": 5},
    {"id": "b" * 32, "name": "Tweede", "calls_a_day": 5},
]


def _of(client: Client, domain: str) -> dict[str, Any]:
    return next(row for row in client.tell("limits")["domains"] if row["name"] == domain)


async def test_the_calls_of_a_domain_come_to_an_end_for_all_its_keys(start: Starter) -> None:
    keys = [{"key": "one"}, {"key": "two", "domains": ["a" * 32]}]
    client = await start(domains=DOMAINS, keys=keys)
    first = client.session
    await client.log_in("two")
    for _ in range(3):
        assert (await client.call("Vat.Domains")).status == 200
    assert _of(client, "Eerste") == {
        "domain": "a" * 32, "name": "Eerste", "calls_a_day": 5, "used": 5, "refused": 0, "left": 0,
    }  # fmt: skip
    for session in (first, client.session):
        client.session = session
        answer = await client.call("Sales.Domains")
        assert "Daily limit exceeded" in answer.fault
        assert answer.body.findtext("faultcode") == "soap:Client"
        assert "5 free calls per domain per day" in (answer.body.findtext("detail") or "")
    assert "Daily limit exceeded" in (await client.call("Sales.Authenticate", accessKey="two")).fault
    assert (_of(client, "Eerste")["used"], _of(client, "Eerste")["refused"]) == (5, 3)
    assert _of(client, "Tweede")["used"] == 0


async def test_a_domain_is_counted_where_the_session_is(start: Starter) -> None:
    client = await start(domains=DOMAINS)
    await client.call("Sales.SetCurrentDomain", domainID="b" * 32)
    await client.call("Sales.Domains")
    assert (_of(client, "Eerste")["used"], _of(client, "Tweede")["used"]) == (2, 1)


async def test_a_thousand_by_default_and_more_where_it_is_bought(start: Starter) -> None:
    client = await start()
    assert _of(client, "Voorbeeld")["calls_a_day"] == 1000
    client.tell("limits", domain="Voorbeeld", used=999)
    assert (await client.call("Sales.Domains")).status == 200
    assert "Daily limit" in (await client.call("Sales.Domains")).fault
    client.tell("domains", change="Voorbeeld", calls_a_day=5000)
    assert (await client.call("Sales.Domains")).status == 200
    assert _of(client, "Voorbeeld")["left"] == 3999


async def test_the_day_ends_at_the_servers_midnight(start: Starter) -> None:
    client = await start(logged_in=False)
    # Noon, so that the session outlives the midnight.
    zone = ZoneInfo("Europe/Amsterdam")
    now = datetime.fromtimestamp(client.sandbox.clock.now(), zone)
    noon = (now + timedelta(days=1)).replace(hour=12, minute=0, second=0)
    client.tell("clock", advance_seconds=noon.timestamp() - now.timestamp())
    await client.log_in()
    client.tell("limits", domain="Voorbeeld", used=1000)
    client.tell("clock", advance_seconds=11.9 * 3600)
    assert "Daily limit" in (await client.call("Sales.Domains")).fault
    client.tell("clock", advance_seconds=0.2 * 3600)
    assert (await client.call("Sales.Domains")).status == 200
    assert _of(client, "Voorbeeld")["used"] == 1


async def test_what_does_not_count(start: Starter) -> None:
    client = await start(domains=DOMAINS)
    await client.call("Sales.Domains", sessionID="wrong")
    await client.call("Sales.Authenticate", accessKey="wrong")
    await client.send("GET", "/ws/Sales.asmx?WSDL")
    assert _of(client, "Eerste")["used"] == 1
    await client.call("Sales.SetLanguage", language="xx")
    assert _of(client, "Eerste")["used"] == 2, "a call that is refused for what it asks does"


async def test_another_status_where_the_rules_say_so(start: Starter) -> None:
    client = await start(rules=Rules(limit_status=429))
    client.tell("limits", domain="Voorbeeld", used=1000)
    answer = await client.call("Sales.Domains")
    assert (answer.status, answer.body.findtext("faultstring")) == (429, "Daily limit exceeded")


async def test_limits_can_be_lifted_and_forgotten(start: Starter) -> None:
    client = await start(domains=DOMAINS, limits=False)
    for _ in range(8):
        assert (await client.call("Sales.Domains")).status == 200
    assert client.tell("limits", on=True)["on"] is True
    assert "Daily limit" in (await client.call("Sales.Domains")).fault
    client.tell("limits", clear=True)
    assert (await client.call("Sales.Domains")).status == 200
