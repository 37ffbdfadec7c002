"""Every fault: what the caller sees, and what then stands in the books."""

import asyncio
import time
from typing import Any

import aiohttp
import pytest

from .conftest import START, Client, Starter, booking

POST = "insertBuySellBooking"


async def fault(client: Client, kind: str, **conditions: Any) -> int:
    """Switches a fault on (once, on bookings, unless said otherwise)."""
    body = {"kind": kind, "operation": POST, "times": 1, **conditions}
    answer = await client.control("POST", "faults", body)
    assert answer.status == 200, answer.text
    return int(answer.json["id"])


def booked(client: Client) -> int:
    return len(client.sandbox.books.entries(1001))


async def last_request(client: Client) -> dict[str, Any]:
    rows = (await client.control("GET", "requests", last=1)).json["requests"]
    return dict(rows[0])


async def test_latency(client: Client) -> None:
    await fault(client, "latency", seconds=0.2)
    begun = time.monotonic()
    assert (await client.book(booking(1))).status == 201
    assert time.monotonic() - begun >= 0.2
    assert (await last_request(client))["fault"] == "latency"
    assert (await client.book(booking(2))).status == 201
    assert (await last_request(client))["fault"] is None


@pytest.mark.parametrize(("kind", "count"), [("timeout_before", 0), ("timeout_after_commit", 1)])
async def test_silence(client: Client, kind: str, count: int) -> None:
    await fault(client, kind)
    with pytest.raises(TimeoutError):
        await client.call(
            "POST",
            "buysellbookings",
            {"buySellBookingServiceData": booking(1)},
            timeout=aiohttp.ClientTimeout(total=10),
        )
    assert booked(client) == count
    again = await client.book(booking(1))
    assert (again.status == 201) is (count == 0)
    assert booked(client) == 1
    told: list[int | None] = []
    async with asyncio.timeout(60):
        while not told:  # the line is looked at four times a second
            await asyncio.sleep(0.1)
            rows = (await client.control("GET", "requests")).json["requests"]
            told = [row["status"] for row in rows if row["fault"] == kind]
    assert told == [None]


async def test_silence_ends_after_the_seconds_given(client: Client) -> None:
    await fault(client, "timeout_after_commit", seconds=0.2)
    with pytest.raises(aiohttp.ServerDisconnectedError):
        await client.book(booking(1))
    assert booked(client) == 1


@pytest.mark.parametrize(("kind", "count"), [("error_503_before", 0), ("error_503_after", 1)])
async def test_503(client: Client, kind: str, count: int) -> None:
    await fault(client, kind)
    answer = await client.book(booking(1))
    assert answer.status == 503
    assert "json" not in answer.headers["Content-Type"]
    assert booked(client) == count


@pytest.mark.parametrize(("kind", "count"), [("reset", 0), ("reset_after_commit", 1)])
async def test_reset(client: Client, kind: str, count: int) -> None:
    await fault(client, kind)
    with pytest.raises(aiohttp.ClientOSError):
        await client.book(booking(1))
    assert booked(client) == count
    assert (await last_request(client))["status"] is None


async def test_rate_limited_with_and_without_retry_after(client: Client) -> None:
    await fault(client, "rate_limited")
    await fault(client, "rate_limited", seconds=7, after=1)
    first, second, third = [await client.book(booking(1)) for _ in range(3)]
    assert (first.status, first.headers.get("Retry-After")) == (429, None)
    assert (second.status, second.headers.get("Retry-After")) == (429, "7")
    assert third.status == 201


async def test_a_token_that_ends_during_a_run_is_dead(client: Client) -> None:
    await fault(client, "token_expired")
    assert (await client.book(booking(1))).status == 401
    assert (await client.book(booking(1))).status == 401
    await client.open()
    assert (await client.book(booking(1))).status == 201


async def test_maintenance_page_is_html_with_200(client: Client) -> None:
    await fault(client, "maintenance_page")
    answer = await client.book(booking(1))
    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert booked(client) == 0


async def test_slow_drip(client: Client) -> None:
    await client.book(booking(1))
    await fault(client, "slow_drip", operation="getModifiedBuySellBookings", seconds=0.3)
    begun = time.monotonic()
    answer = await client.get("buysellbookings/modified", bookyearId=2, modifiedTimeStamp=START)
    assert time.monotonic() - begun >= 0.25
    assert [row["documentSequenceNr"] for row in answer.json] == [1]
    await fault(client, "slow_drip", seconds=0.2)
    answer = await client.book(booking(2))
    assert (answer.status, answer.text) == (201, "")


async def test_wrong_body_after_a_booking(client: Client) -> None:
    await fault(client, "wrong_body")
    answer = await client.book(booking(1))
    assert answer.status == 201
    with pytest.raises(ValueError, match=r"Expecting|Unterminated|delimiter"):
        _ = answer.json
    assert booked(client) == 1
    await fault(client, "wrong_body", operation="getBookyears", body='{"other": "shape"}')
    assert (await client.get("bookyears")).json == {"other": "shape"}


async def test_a_repeated_booking_is_in_the_books_once_and_answered_as_taken(client: Client) -> None:
    await fault(client, "repeated")
    answer = await client.book(booking(1))
    assert (answer.status, answer.code) == (400, -13)
    assert booked(client) == 1
    assert (await last_request(client))["fault"] == "repeated"


async def test_an_answer_that_comes_twice_is_taken_by_a_plain_client_for_that_of_its_next_call(client: Client) -> None:
    await fault(client, "answered_twice", seconds=0.05)
    assert (await client.book(booking(1))).status == 201
    await asyncio.sleep(0.2)
    assert (await client.get("bookyears")).text == ""
    assert booked(client) == 1


async def test_refused_updates(client: Client) -> None:
    await client.book(booking(1))
    await fault(client, "refuse_update", operation=None)
    answer = await client.call("PUT", "buysellbookings", booking(1, comment="anders"))
    assert (answer.status, answer.code) == (400, -35)
    assert (await client.book(booking(2))).status == 201
    assert (await client.call("PUT", "buysellbookings", booking(1))).status == 204


async def test_any_refusal_can_be_asked_for(client: Client) -> None:
    await fault(client, "refuse", code=-12, status=403)
    answer = await client.book(booking(1))
    assert (answer.status, answer.code) == (403, -12)
    assert answer.json["errorMessage"]


async def test_conditions(client: Client) -> None:
    await fault(client, "error_503_before", operation=None, path="/dossiers/*/vat*", times=None)
    await fault(client, "error_503_before", operation="getJ*", method="get", times=None)
    await fault(client, "error_503_before", operation="getCurrencyCodes", dossier=7, times=None)
    assert (await client.get("vatcodes")).status == 503
    assert (await client.get("bookyears/2/journals")).status == 503
    assert (await client.get("currencies")).status == 200
    assert (await client.get("bookyears")).status == 200


async def test_times_after_and_probability(start: Starter) -> None:
    client = await start(limits=False, seed=7)
    await client.control(
        "POST", "faults", {"kind": "error_503_before", "operation": "getCurrencyCodes", "after": 2, "times": 2}
    )
    assert [(await client.get("currencies")).status for _ in range(6)] == [200, 200, 503, 503, 200, 200]
    assert (await client.control("GET", "faults")).json == {"faults": []}
    await client.control(
        "POST", "faults", {"kind": "error_503_before", "operation": "getCurrencyCodes", "probability": 0.5}
    )
    statuses = [(await client.get("currencies")).status for _ in range(100)]
    assert 25 < statuses.count(503) < 75


async def test_with_a_seed_the_same_calls_are_struck_whatever_else_is_on(start: Starter) -> None:
    seeded = {"kind": "error_503_before", "operation": "getCurrencyCodes", "probability": 0.3, "seed": 11}

    async def struck(*others: dict[str, Any]) -> list[int]:
        client = await start(limits=False)
        for one in others:
            await client.control("POST", "faults", one)
        shown = await client.control("POST", "faults", seeded)
        assert shown.json["seed"] == 11 and "chance" not in shown.json
        found = []
        for call in range(60):
            await client.get("vatcodes")
            if (await client.get("currencies")).status == 503:
                found.append(call)
        return found

    alone = await struck()
    assert 5 < len(alone) < 40
    assert await struck({"kind": "latency", "operation": "*", "probability": 0.5, "seconds": 0}) == alone


async def test_switching_off(client: Client) -> None:
    one = await fault(client, "error_503_before", times=None)
    await fault(client, "latency", times=None, seconds=0)
    left = await client.control("POST", "faults", {"off": one})
    assert [each["kind"] for each in left.json["faults"]] == ["latency"]
    assert (await client.control("POST", "faults", {"off": True})).json == {"faults": []}
    assert (await client.book(booking(1))).status == 201


async def test_an_unknown_fault_is_named(client: Client) -> None:
    answer = await client.control("POST", "faults", {"kind": "explode"})
    assert answer.status == 400
    assert "explode" in answer.json["error"]
    assert (await client.control("POST", "faults", {"kind": "latency", "colour": 1})).status == 400


async def test_the_sandbox_stops_at_once_while_lines_are_held(start: Starter) -> None:
    client = await start()
    await client.control("POST", "faults", {"kind": "timeout_before"})
    held = [asyncio.ensure_future(client.get("bookyears")) for _ in range(5)]
    await asyncio.sleep(0.1)
    begun = time.monotonic()
    await client.sandbox.stop()
    assert time.monotonic() - begun < 20
    for outcome in await asyncio.gather(*held, return_exceptions=True):
        assert isinstance(outcome, aiohttp.ClientError)
