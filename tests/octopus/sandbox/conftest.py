"""A sandbox for each test, and a plain HTTP client that knows the tokens and nothing else."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple

import aiohttp
import pytest
from dagboek_octopus.sandbox import Sandbox, start_sandbox

START = "1980-01-01 00:00:00.000"


class Answer(NamedTuple):
    """What came back."""

    status: int
    text: str
    headers: Any

    @property
    def json(self) -> Any:
        """The body."""
        return json.loads(self.text)

    @property
    def code(self) -> int | None:
        """The error code."""
        return json.loads(self.text).get("errorCode")  # type: ignore[no-any-return]


class Client:
    """Logs in, opens a dossier, and sends."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.dossier = int(sandbox.credentials["dossierId"])
        self.token = ""
        self.dossier_token = ""

    async def send(self, method: str, url: str, **options: Any) -> Answer:
        """Any call; `url` below the base address."""
        async with self.session.request(method, self.sandbox.base_url + url, **options) as response:
            return Answer(response.status, await response.text(), response.headers)

    async def log_in(self, **changed: str) -> Answer:
        """The first step; keeps the token."""
        known = {**self.sandbox.credentials, **changed}
        answer = await self.send(
            "POST",
            "/authentication",
            json={"user": known["user"], "password": known["password"]},
            headers={"softwareHouseUuid": known["softwareHouseUuid"]},
        )
        if answer.status == 200:
            self.token = answer.json["token"]
        return answer

    async def open(self, dossier: int | None = None, locale: int | None = None) -> Answer:
        """The second step; keeps the token."""
        wanted = dossier if dossier is not None else self.dossier
        query = {"dossierId": wanted} | ({"localeId": locale} if locale is not None else {})
        answer = await self.send("POST", "/dossiers", params=query, headers={"Token": self.token})
        if answer.status == 200:
            self.dossier, self.dossier_token = wanted, answer.json["Dossiertoken"]
        return answer

    async def call(self, method: str, path: str, body: Any = None, **options: Any) -> Answer:
        """A call below the dossier."""
        headers = {"dossierToken": self.dossier_token, **options.pop("headers", {})}
        if body is not None:
            options["json"] = body
        return await self.send(method, f"/dossiers/{self.dossier}/{path}", headers=headers, **options)

    async def get(self, path: str, **query: Any) -> Answer:
        """A read below the dossier."""
        return await self.call("GET", path, params=query)

    async def book(self, data: dict[str, Any], attachments: Any = None) -> Answer:
        """A sales or purchase booking."""
        return await self.call(
            "POST", "buysellbookings", {"buySellBookingServiceData": data, "attachments": attachments}
        )

    async def control(self, method: str, name: str, body: Any = None, **query: Any) -> Answer:
        """A call below /_sandbox."""
        url = f"{self.sandbox.origin}/_sandbox/{name}"
        options = {"json": body} if body is not None else {}
        async with self.session.request(method, url, params=query, **options) as response:
            return Answer(response.status, await response.text(), response.headers)


Starter = Callable[..., Awaitable[Client]]


@pytest.fixture
async def start() -> AsyncIterator[Starter]:
    """Starts a sandbox with options, logged in and with the first dossier open; stopped at the end."""
    sandboxes: list[Sandbox] = []
    async with aiohttp.ClientSession() as session:

        async def starter(**options: Any) -> Client:
            options.setdefault("years", (2024, 2026))
            sandbox = await start_sandbox(**options)
            sandboxes.append(sandbox)
            client = Client(sandbox, session)
            assert (await client.log_in()).status == 200
            assert (await client.open()).status == 200
            return client

        yield starter
        for sandbox in sandboxes:
            await sandbox.stop()


@pytest.fixture
async def client(start: Starter) -> Client:
    """A sandbox with one relation: key 1, external id 5001."""
    client = await start(limits=False)
    made = await client.call("PUT", "relations", relation(5001, "Klant B"))
    assert made.status == 201
    return client


def relation(external_id: int, name: str, **fields: Any) -> dict[str, Any]:
    """RelationServiceData."""
    return {
        "relationIdentificationServiceData": {"externalRelationId": external_id},
        "currencyCode": "EUR",
        "name": name,
        "client": True,
        **fields,
    }


def line(
    account: int = 700021, base: float = 100.0, code: str = "21", vat: float = 21.0, **more: Any
) -> dict[str, Any]:
    """A booking line."""
    return {"accountKey": account, "baseAmount": base, "vatCodeKey": code, "vatAmount": vat, **more}


def booking(number: int = 1, journal: str = "V1", **changed: Any) -> dict[str, Any]:
    """BuySellBookingServiceData in book year 2 (2025): 100.00 + 21.00; a value of None is left out."""
    purchase = journal.startswith("A")
    data = {
        "bookyearKey": {"id": 2},
        "journalKey": journal,
        "documentSequenceNr": number,
        "relationIdentificationServiceData": {"externalRelationId": 5001},
        "bookyearPeriodeNr": 202501,
        "documentDate": "2025-02-03",
        "expiryDate": "2025-03-05",
        "amount": 121.0,
        "currencyCode": "EUR",
        "exchangeRate": 1.0,
        "bookingLines": [line(612100, code="D21") if purchase else line()],
        **changed,
    }
    return {name: value for name, value in data.items() if value is not None}


def money(number: int = 1, journal: str = "F1", **changed: Any) -> dict[str, Any]:
    """FinancialDiversBookingServiceData in book year 2: 121.00 from the client with external id 5001."""
    data = {
        "bookyearKey": {"id": 2},
        "journalKey": journal,
        "documentSequenceNr": number,
        "bookyearPeriodeNr": 202501,
        "documentDate": "2025-02-20",
        "exchangeRate": 1.0,
        "bookingLines": [{"type": "C", "externalRelationId": 5001, "amount": 121.0, "reference": "dank u"}],
        **changed,
    }
    return {name: value for name, value in data.items() if value is not None}
