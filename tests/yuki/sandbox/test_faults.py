"""Faults that can be switched on: what strikes whom, and whether the call took place all the same."""

from collections.abc import Callable

import aiohttp
import pytest
from dagboek_sdk.sandbox.faults import KINDS
from dagboek_yuki.sandbox.call import Call
from dagboek_yuki.sandbox.operations import OPERATIONS
from lxml import etree
from yuki_papers import invoice, sales

from .conftest import Answer, Client

BOOKING = "Sales.ProcessSalesInvoices"
process = OPERATIONS["Sales", "ProcessSalesInvoices"]


@pytest.fixture(autouse=True)
def booked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was booked: an operation that only notes that it took place."""
    done: list[str] = []

    def book(call: Call) -> etree._Element:
        done.append(call.operation)
        return etree.fromstring(
            "<SalesInvoicesImportResponse><TotalSucceeded>1</TotalSucceeded></SalesInvoicesImportResponse>"
        )

    monkeypatch.setitem(OPERATIONS, ("Sales", "ProcessSalesInvoices"), book)
    monkeypatch.setitem(OPERATIONS, ("Contact", "UpdateContact"), book)
    return done


async def _book(client: Client) -> Answer:
    return await client.call(BOOKING, administrationId=client.administration)


def _is_fault(words: str) -> Callable[[Answer], bool]:
    return lambda answer: words in answer.fault


def _is_page(answer: Answer) -> bool:
    return answer.headers["Content-Type"].startswith("text/html") and "<html" in answer.text


def _is_whole(answer: Answer) -> bool:
    return answer.inner.findtext("TotalSucceeded") == "1"


def _is_cut(answer: Answer) -> bool:
    with pytest.raises(etree.XMLSyntaxError):
        etree.fromstring(answer.text.encode())
    return True


def _is_elsewhere(answer: Answer) -> bool:
    return etree.QName(answer.body).namespace == "http://www.theyukicompany.com/other/"


@pytest.mark.parametrize(
    ("kind", "status", "took_place", "looks"),
    [
        ("error_503_before", 503, 0, _is_page),
        ("error_503_after", 503, 1, _is_page),
        ("rate_limited", 500, 0, _is_fault("Daily limit exceeded")),
        ("token_expired", 500, 0, _is_fault("not valid or has expired")),
        ("maintenance_page", 200, 0, _is_page),
        ("refuse", 500, 0, _is_fault("Refused")),
        ("wrong_body", 200, 1, _is_cut),
        ("slow_drip", 200, 1, _is_whole),
        ("latency", 200, 1, _is_whole),
        ("repeated", 200, 2, _is_whole),
        ("answered_twice", 200, 1, _is_whole),
        ("empty_body", 200, 1, lambda answer: answer.text == ""),
        ("wrong_namespace", 200, 1, _is_elsewhere),
        ("html_fault", 500, 0, _is_page),
        ("html_fault_after", 500, 1, _is_page),
        ("bad_gateway", 502, 0, _is_page),
    ],
)
async def test_faults_that_answer(
    client: Client, booked: list[str], kind: str, status: int, took_place: int, looks: Callable[[Answer], bool]
) -> None:
    client.tell("faults", kind=kind, operation=BOOKING, dossier=client.administration, times=1, seconds=0.05)
    answer = await _book(client)
    assert (answer.status, len(booked)) == (status, took_place)
    assert looks(answer)
    (call,) = client.sandbox.requests.last(10, BOOKING)
    assert (call["fault"], call["status"], call["dossier"]) == (kind, status, client.administration)
    assert client.tell("faults") == {"faults": []}
    if kind not in ("token_expired", "answered_twice"):
        assert _is_whole(await _book(client))


@pytest.mark.parametrize(
    ("kind", "took_place"),
    [("reset", 0), ("timeout_before", 0), ("reset_after_commit", 1), ("timeout_after_commit", 1)],
)
async def test_faults_that_do_not_answer(client: Client, booked: list[str], kind: str, took_place: int) -> None:
    client.tell("faults", kind=kind, operation=BOOKING, times=1, seconds=0.2)
    with pytest.raises((aiohttp.ClientError, TimeoutError)):
        await _book(client)
    assert len(booked) == took_place
    (call,) = client.sandbox.requests.last(10, BOOKING)
    assert (call["status"], call["fault"]) == (None, kind)


@pytest.mark.parametrize(("sent", "booked_of_them"), [(5, 2), (4, 2), (1, 0)])
async def test_a_batch_that_ends_in_the_middle(
    client: Client, monkeypatch: pytest.MonkeyPatch, sent: int, booked_of_them: int
) -> None:
    monkeypatch.setitem(OPERATIONS, ("Sales", "ProcessSalesInvoices"), process)
    client.tell("faults", kind="half_batch", operation=BOOKING, times=1)
    document = sales(*(invoice(f"F-{number}") for number in range(sent)))
    with pytest.raises(aiohttp.ClientError):
        await client.call(BOOKING, administrationId=client.administration, xmlDoc=document)
    entries = client.tell("entries", dossier=client.administration)
    assert [row["number"] for row in entries] == [f"F-{number}" for number in range(booked_of_them)]


async def test_updates_can_be_refused_apart(client: Client, booked: list[str]) -> None:
    client.tell("faults", kind="refuse_update")
    assert _is_whole(await _book(client))
    assert "cannot be changed" in (await client.call("Contact.UpdateContact")).fault


async def test_a_refusal_has_the_words_that_were_asked_for(client: Client) -> None:
    client.tell("faults", kind="refuse", path="/ws/Sales.asmx*", body="Onjuiste artikelcategorie", times=2)
    assert "Onjuiste artikelcategorie" in (await _book(client)).fault
    form = {"sessionID": client.session}
    answer = await client.send("POST", "/ws/sales.asmx/Domains", data=form)
    assert (answer.status, answer.text.strip()) == (500, "Onjuiste artikelcategorie"), "whatever the case of the path"


async def test_a_session_that_was_said_to_have_ended_has(client: Client) -> None:
    client.tell("faults", kind="token_expired", times=1)
    for _ in range(2):
        assert "not valid" in (await _book(client)).fault
    await client.log_in()
    assert (await _book(client)).status == 200


async def test_every_kind_of_the_other_sandboxes_is_known(client: Client) -> None:
    assert set(KINDS) <= set(client.sandbox.faults.kinds)
    told = client.tell("status")["faults_known"]
    assert set(client.sandbox.faults.kinds) - set(told) == {"repeated"}
