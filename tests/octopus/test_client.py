"""Answers that no well-behaved server gives: what the plugin makes of them, and that it writes once."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from dagboek_octopus.plugin import OctopusPlugin
from dagboek_schemas.documents import Party
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk.accounting import Link
from dagboek_sdk.attempt import Attempt, Booked, Op
from dagboek_sdk.errors import (
    AccessDenied,
    LoginBroken,
    NotProcessed,
    Refused,
    Throttled,
    ToolError,
    ToolUnavailable,
    Uncertain,
)
from dagboek_sdk.http import Exchange
from dagboek_sdk.samples import THEIRS, document, line
from octopus_books import OCTOPUS, Memory, attempt, context

Scripted = tuple[int, Any] | None
"""Status and body; None: the connection is cut before anything is answered."""


class Script:
    """A server that logs in whoever comes, and answers everything else as told, in turn."""

    def __init__(self) -> None:
        self.answers: list[Scripted] = []
        self.seen: list[tuple[str, str, Any]] = []
        self.tokens = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        place = request.path.removeprefix("/v1")
        if place == "/authentication":
            return web.json_response({"token": "login"})
        if place == "/dossiers" and request.method == "POST":
            self.tokens += 1
            return web.json_response({"Dossiertoken": f"dossier-{self.tokens}"})
        self.seen.append((request.method, place, await request.json() if request.can_read_body else None))
        told = self.answers.pop(0) if self.answers else (200, [])
        if told is None:
            assert request.transport
            request.transport.abort()
            return web.Response()
        status, body = told
        if isinstance(body, str):
            return web.Response(status=status, text=body, content_type="text/html")
        return web.Response(status=status) if body is None else web.json_response(body, status=status)


@pytest.fixture
async def script() -> AsyncIterator[Script]:
    yield Script()


@pytest.fixture
async def recorded() -> list[Exchange]:
    return []


@pytest.fixture
async def plugin(script: Script, recorded: list[Exchange]) -> AsyncIterator[OctopusPlugin]:
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", script.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    address = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    settings = OCTOPUS.model_copy(update={"base_url": address, "lift_limits": True})
    link = Link(settings=settings, administration="1001", secrets=Memory(), client_options={"record": recorded.append})
    made = OctopusPlugin(link)
    yield made
    await made.close()
    await runner.cleanup()


def sale(plugin: OctopusPlugin, **more: Any) -> Attempt:
    booking = plugin.map_document(document(line("100")), Component.SALES_INVOICES, context())
    return attempt(booking, party_entry="12", series_number=7, **more)


def party(plugin: OctopusPlugin) -> Attempt:
    return attempt(plugin.map_party(THEIRS, Component.CUSTOMERS, context()), ItemKind.PARTY)


async def test_the_wire_format_of_a_booking(plugin: OctopusPlugin, script: Script) -> None:
    script.answers = [(201, None)]
    assert await plugin.push(sale(plugin)) == Booked("7/V1/7", "7")
    ((method, path, body),) = script.seen
    assert (method, path) == ("POST", "/dossiers/1001/buysellbookings")
    assert body["attachments"] == []
    booking = body["buySellBookingServiceData"]
    assert (booking["documentSequenceNr"], booking["amount"], booking["exchangeRate"]) == (7, 121.0, 1.0)
    assert booking["relationIdentificationServiceData"] == {"relationKey": {"id": 12}}
    assert booking["bookingLines"][0]["accountKey"] == 700021


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (None, Uncertain),
        ((200, "<html>maintenance</html>"), Uncertain),
        ((301, None), Uncertain),
        ((404, "<html>no such page</html>"), Uncertain),
        ((500, {"errorCode": -24}), Uncertain),
        ((403, {"technicalInfo": "not granted"}), AccessDenied),
        ((429, None), Throttled),
        ((400, {"technicalInfo": "missing or invalid"}), Refused),
        ((401, {"technicalInfo": "ended"}), NotProcessed),
        ((403, {"errorCode": -5}), LoginBroken),
    ],
)
async def test_a_write_is_made_once_whatever_comes_back(
    plugin: OctopusPlugin, script: Script, answer: Scripted, error: type[ToolError]
) -> None:
    script.answers = [answer]
    made = sale(plugin)
    made.group = "updates"
    with pytest.raises(error) as raised:
        await plugin.push(made)
    assert len(script.seen) == 1
    assert (made.verdict is None) is (error is Uncertain)
    if isinstance(raised.value, AccessDenied):
        assert raised.value.issue.facts == {"scope": "sales_invoices"}
    if isinstance(raised.value, Throttled):
        assert raised.value.group == "updates", "each operation has a limit of its own"


@pytest.mark.parametrize(
    ("changed", "answer", "code"),
    [
        (False, (404, {"technicalInfo": "nothing found"}), "O90"),
        (True, (404, {"technicalInfo": "nothing found"}), "O23"),
        (True, (400, {"errorCode": -34}), "O23"),
        (True, (400, {"errorCode": -15}), "O08"),
        (False, (400, {"errorCode": -15}), "O01"),
    ],
)
async def test_a_refusal_of_a_change_is_told_as_one(
    plugin: OctopusPlugin, script: Script, changed: bool, answer: Scripted, code: str
) -> None:
    script.answers = [answer]
    made = sale(plugin)
    if changed:
        made.op, made.entry_id = Op.UPDATE, "7/V1/3"
    with pytest.raises(Refused) as refused:
        await plugin.push(made)
    assert [issue.code for issue in refused.value.issues] == [code]
    assert refused.value.issues[0].facts.get("entry") == ("7/V1/3" if changed else None)


async def test_a_second_write_of_one_attempt_is_held_back(plugin: OctopusPlugin, script: Script) -> None:
    script.answers = [(201, None), (201, None)]
    made = sale(plugin)
    await plugin.push(made)
    with pytest.raises(Uncertain):
        await plugin.push(made)
    assert len(script.seen) == 1


async def test_a_write_that_is_too_late_is_not_sent(plugin: OctopusPlugin, script: Script) -> None:
    made = sale(plugin)
    made.send_until = 0
    with pytest.raises(NotProcessed):
        await plugin.push(made)
    assert script.seen == []


async def test_nothing_is_sent_for_a_document_without_number_or_relation(plugin: OctopusPlugin, script: Script) -> None:
    made = sale(plugin)
    made.party_entry = None
    with pytest.raises(ValueError, match="relation"):
        await plugin.push(made)
    assert script.seen == []


async def test_a_new_relation_whose_answer_has_no_key_is_read_back(plugin: OctopusPlugin, script: Script) -> None:
    made = party(plugin)
    number = plugin.settings.external_id_base + made.link_no
    key = {"externalRelationId": number, "relationKey": {"id": 44}}
    script.answers = [(200, []), (201, {}), (200, [{"relationIdentificationServiceData": key}])]
    assert (await plugin.push(made)).entry_id == "44"
    assert [method for method, _, _ in script.seen] == ["GET", "PUT", "GET"]


async def test_an_answer_of_another_relation_is_not_taken_for_that_of_ours(
    plugin: OctopusPlugin, script: Script
) -> None:
    made = party(plugin)
    number = plugin.settings.external_id_base + made.link_no
    other = {"relationIdentificationServiceData": {"externalRelationId": number - 1, "relationKey": {"id": 3}}}
    script.answers = [(200, []), (201, other)]
    with pytest.raises(Uncertain, match="another relation"):
        await plugin.push(made)


async def test_a_change_of_a_relation_sends_back_what_must_stay(plugin: OctopusPlugin, script: Script) -> None:
    made = attempt(plugin.map_party(Party(name="X"), Component.CUSTOMERS, context()), ItemKind.PARTY, entry_id="44")
    card = {
        "expirationType": 1,
        "expirationDays": 0,
        "vatType": 10,
        "country": "  ",
        "currencyCode": "USD",
        "city": "Y",
    }
    script.answers = [(200, [{**card, "relationIdentificationServiceData": {"relationKey": {"id": 44}}}]), (204, None)]
    assert await plugin.push(made) == Booked("44", "44")
    assert script.seen[1] == ("PUT", "/dossiers/1001/relations", {
        "relationIdentificationServiceData": {"relationKey": {"id": 44}},
        "name": "X", "client": True, "active": True,
        "expirationType": 1, "expirationDays": 0, "vatType": 10, "currencyCode": "USD",
    })  # fmt: skip


async def test_a_relation_that_was_written_and_cannot_be_found_is_uncertain(
    plugin: OctopusPlugin, script: Script
) -> None:
    made = party(plugin)
    script.answers = [(404, {}), (204, None), (200, [{"relationIdentificationServiceData": {"externalRelationId": 1}}])]
    with pytest.raises(Uncertain):
        await plugin.push(made)
    assert made.answer_ok
    assert made.verdict is None


@pytest.mark.parametrize(
    "answer", [(200, "<html>maintenance</html>"), (200, [{"odd": 1}]), (503, None), (404, "<html>gone</html>"), None]
)
async def test_lists_that_cannot_be_read_are_trouble_of_the_tool(
    plugin: OctopusPlugin, script: Script, answer: Scripted
) -> None:
    script.answers = [answer, answer]  # the HTTP library repeats a read whose kept-alive connection was cut
    with pytest.raises(ToolUnavailable):
        await plugin.lists()


async def test_an_empty_dossier_has_empty_lists(plugin: OctopusPlugin, script: Script) -> None:
    script.answers = [(404, {}), (404, None), (200, []), (404, {"technicalInfo": "none"})]
    assert all(rows == () for rows in (await plugin.lists()).values())
    assert not await plugin.ledger_accounts()
    assert not await plugin.entries()


async def test_tokens_and_passwords_are_in_no_record(
    plugin: OctopusPlugin, script: Script, recorded: list[Exchange]
) -> None:
    script.answers = [(400, {"technicalInfo": "password hush is wrong"})]
    with pytest.raises(Refused):
        await plugin.push(sale(plugin))
    shown = " ".join(map(str, recorded))
    assert recorded
    assert "hush" not in shown
    assert "dossier-1" not in shown


@pytest.mark.parametrize("refused", [1, 2])
async def test_reads_at_once_renew_a_refused_token_together(
    plugin: OctopusPlugin, script: Script, refused: int
) -> None:
    await plugin.prepare()
    script.answers = [(401, {"technicalInfo": "ended"})] * refused
    await asyncio.gather(plugin.missing_rights(), plugin.missing_rights())
    assert script.tokens == 2
