"""The one write of an attempt or a batch: what is known of it afterwards, whatever comes back."""

from collections.abc import AsyncIterator
from datetime import timedelta
from itertools import count
from typing import Any

import pytest
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock
from dagboek_sdk.attempt import Attempt, Booking, Op
from dagboek_sdk.errors import (
    AccessDenied,
    LoginBroken,
    NotProcessed,
    Refused,
    Throttled,
    TokenRefused,
    ToolError,
    Uncertain,
)
from dagboek_yuki import reading
from dagboek_yuki.client import Services
from lxml import etree
from lxml.builder import ElementMaker
from yuki_portal import KEY, NORTH, Portal, Start, later, start_portals

NAMESPACE = "urn:xmlns:http://www.theyukicompany.com:salesinvoices"
X = ElementMaker(namespace=NAMESPACE, nsmap={None: NAMESPACE})

_numbers = count(1)


@pytest.fixture
async def start() -> AsyncIterator[Start]:
    """Starts a portal with options of its own."""
    async with start_portals() as started:
        yield started


@pytest.fixture
async def portal(start: Start) -> Portal:
    """A portal as it comes."""
    return await start()


def attempts(how_many: int) -> list[Attempt]:
    made = []
    for number in (next(_numbers) for _ in range(how_many)):
        one = Attempt(
            link_id=number,
            link_no=number,
            number=1,
            op=Op.CREATE,
            identity=f"d1:{number}",
            kind=ItemKind.DOCUMENT,
            component=Component.SALES_INVOICES,
            booking=Booking({}),
            group="calls",
        )
        made.append(one.start(clock.boot_time()))
    return made


def invoices(sent: list[Attempt], day: str = "2026-03-01") -> etree._Element:
    """Smallest invoices, one for each attempt."""
    made = X.SalesInvoices()
    for one in sent:
        product = X.Product(
            X.Description("Advies"),
            X.SalesPrice("100.00"),
            X.VATPercentage("21.00"),
            X.VATIncluded("false"),
            X.VATType("1"),
        )
        made.append(
            X.SalesInvoice(
                X.Reference(f"2026-{one.link_id}"),
                X.Process("true"),
                X.Date(day),
                X.Contact(X.ContactCode("7"), X.FullName("Klant BV"), X.CountryCode("NL"), X.City("Gent")),
                X.InvoiceLines(X.InvoiceLine(X.Description("Advies"), X.ProductQuantity("1"), product)),
            )
        )
    return made


async def sent(caller: Services, batch: list[Attempt], day: str = "2026-03-01") -> etree._Element:
    return await caller.write(batch, "Sales", "ProcessSalesInvoices", xmlDoc=invoices(batch, day))


async def failed(caller: Services, batch: list[Attempt], day: str = "2026-03-01") -> ToolError:
    with pytest.raises(ToolError) as raised:
        await sent(caller, batch, day)
    assert all(one.sent for one in batch)
    return raised.value


def booked(portal: Portal) -> int:
    found = portal.sandbox.control.requests(last=1000, operation="Sales.ProcessSalesInvoices")
    return int(found["total"])


async def test_a_batch_goes_in_one_call_and_each_invoice_has_its_outcome(portal: Portal) -> None:
    batch = attempts(3)
    result = await sent(portal.caller(), batch)
    told = [(reading.text(row, "Reference"), reading.flag(row, "Succeeded")) for row in reading.rows(result, "Invoice")]
    assert told == [(f"2026-{one.link_id}", True) for one in batch]
    assert portal.calls("ProcessSalesInvoices") == 1
    assert all(one.sent and one.answer_ok and one.verdict is None for one in batch)


@pytest.mark.parametrize(
    "kind", ["html_fault_after", "html_fault", "empty_body", "wrong_namespace", "wrong_body", "bad_gateway"]
)
async def test_an_answer_that_is_not_yukis_own_leaves_all_of_a_batch_uncertain(portal: Portal, kind: str) -> None:
    portal.sandbox.control.faults(kind=kind, operation="Sales.*", times=1)
    batch = attempts(2)
    error = await failed(portal.caller(), batch)
    assert isinstance(error, Uncertain)
    assert "not Yuki's own" in str(error)
    assert all(one.verdict is None for one in batch)


async def test_a_form_that_yuki_does_not_take_refuses_the_call_as_a_whole(portal: Portal) -> None:
    batch = attempts(2)
    error = await failed(portal.caller(), batch, "yesterday")
    assert isinstance(error, Refused)
    assert [issue.code for issue in error.issues] == ["Y91"]
    assert all(isinstance(one.verdict, Refused) for one in batch)


async def test_a_call_that_is_too_large_has_processed_nothing(portal: Portal) -> None:
    caller, batch = portal.caller(), attempts(9)
    await caller.prepare()
    portal.sandbox.control.rules(largest_request=2000)
    error = await failed(caller, batch)
    assert isinstance(error, Refused)
    assert [issue.code for issue in error.issues] == ["Y28"]


async def test_a_session_that_is_gone_has_processed_nothing_and_the_next_write_has_a_new_one(portal: Portal) -> None:
    caller, batch = portal.caller(), attempts(2)
    await caller.prepare()
    portal.sandbox.books.sessions.clear()
    error = await failed(caller, batch)
    assert isinstance(error, NotProcessed)
    assert all(isinstance(one.verdict, TokenRefused) for one in batch)
    await sent(caller, attempts(1))
    assert portal.calls("Authenticate") == 2


async def test_a_key_that_is_gone_is_told_by_the_write_that_finds_out(portal: Portal) -> None:
    caller, batch = portal.caller(), attempts(1)
    await caller.prepare()
    portal.sandbox.control.faults(kind="refuse", operation="Sales.*", body="Invalid access key")
    error = await failed(caller, batch)
    assert isinstance(error, LoginBroken)
    assert (error.issue.code, error.issue.facts["site"]) == ("Y20", "yukiworks.nl")
    assert batch[0].verdict is error


@pytest.mark.parametrize(("old", "kind"), [(True, NotProcessed), (False, Refused)])
async def test_words_that_nobody_knows_may_mean_that_an_old_session_has_ended(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, old: bool, kind: type[ToolError]
) -> None:
    caller, batch = portal.caller(), attempts(2)
    await caller.prepare()
    if old:
        later(monkeypatch, timedelta(hours=2))
    portal.sandbox.control.faults(kind="refuse", operation="Sales.*", body="Uw aanmelding is vervallen", times=1)
    error = await failed(caller, batch)
    assert isinstance(error, kind)
    assert all(one.verdict is error for one in batch)
    await caller.prepare()
    assert portal.calls("Authenticate") == (2 if old else 1)


@pytest.mark.parametrize("old", [True, False])
async def test_words_that_nobody_knows_leave_an_upload_uncertain_as_yuki_takes_it_twice(
    portal: Portal, monkeypatch: pytest.MonkeyPatch, old: bool
) -> None:
    caller, batch = portal.caller(), attempts(1)
    await caller.prepare()
    if old:
        later(monkeypatch, timedelta(hours=2))
    portal.sandbox.control.faults(kind="refuse", operation="Archive.*", body="Er ging iets mis", times=1)
    with pytest.raises(Uncertain) as raised:
        await caller.write(batch, "Archive", "UploadDocument", fileName="a.xml", data=b"<a/>", folder=1)
    assert raised.value.tool_words == "Er ging iets mis"
    assert not isinstance(batch[0].verdict, Refused | NotProcessed)
    await caller.prepare()
    assert portal.calls("Authenticate") == (2 if old else 1)


async def test_a_module_that_is_not_active_is_told_for_sales(portal: Portal) -> None:
    portal.sandbox.control.domains(change=NORTH, modules=[])
    batch = attempts(2)
    error = await failed(portal.caller(), batch)
    assert isinstance(error, AccessDenied)
    assert (error.scope, error.issue.code, error.issue.facts) == ("Sales", "Y02", {"scope": "Sales"})
    assert all(one.verdict is error for one in batch)


async def test_a_missing_right_to_upload_is_told_as_that(start: Start) -> None:
    portal = await start(keys=[{"key": KEY, "site": "nl", "rights": ["Archive", "Sales"]}])
    batch: list[Any] = attempts(1)
    with pytest.raises(AccessDenied) as denied:
        await portal.caller().write(batch, "Archive", "UploadDocument", fileName="a.pdf", data=b"%PDF", folder=1)
    assert (denied.value.scope, denied.value.issue.code) == ("Upload", "Y23")


async def test_the_days_calls_used_up_have_processed_nothing(portal: Portal) -> None:
    caller, batch = portal.caller(), attempts(2)
    await caller.prepare()
    portal.sandbox.control.limits(domain=NORTH, used=1000)
    error = await failed(caller, batch)
    assert isinstance(error, Throttled)
    assert all(one.verdict is error for one in batch)
    portal.sandbox.control.limits(clear=True)
    result = await sent(caller, attempts(1))
    assert [reading.text(row, "Succeeded") for row in reading.rows(result, "Invoice")] == ["true"]


async def test_characters_that_xml_forbids_do_not_keep_a_file_from_going(portal: Portal) -> None:
    (one,) = attempts(1)
    result = await portal.caller().write(
        (one,),
        "Archive",
        "UploadDocumentWithData",
        fileName="a\x00b\x1f.pdf",
        data=b"%PDF\x00",
        folder=1,
        remarks="\ud800x",
    )
    assert reading.text(result)
