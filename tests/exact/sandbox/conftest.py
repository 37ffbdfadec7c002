"""A sandbox for each test, and a plain HTTP client that knows OAuth and OData and nothing else."""

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest
from dagboek_exact.sandbox import Sandbox, start_sandbox

CALLBACK = "http://127.0.0.1:9/callback"


class Answer(NamedTuple):
    """What came back."""

    status: int
    text: str
    headers: Any

    @property
    def d(self) -> Any:
        """What is in the envelope."""
        return json.loads(self.text)["d"]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows of a listing, whichever envelope it has."""
        found = self.d
        return found["results"] if isinstance(found, dict) else found  # type: ignore[no-any-return]

    @property
    def error(self) -> str:
        """The words of a refusal."""
        return json.loads(self.text)["error"]["message"]["value"]  # type: ignore[no-any-return]


class Client:
    """Logs in, and sends."""

    def __init__(self, sandbox: Sandbox, session: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.session = session
        self.app = {name: str(sandbox.credentials[name]) for name in ("client_id", "client_secret")}
        self.division = int(sandbox.credentials["division"])
        self.tokens: dict[str, str] = {}

    async def send(self, method: str, url: str, **options: Any) -> Answer:
        """Any call; `url` below the base address. Redirects are not followed."""
        options.setdefault("allow_redirects", False)
        async with self.session.request(method, self.sandbox.base_url + url, **options) as response:
            return Answer(response.status, await response.text(), response.headers)

    async def consent(self, **changed: str) -> str:
        """What the browser does: the code, or the error, that comes back."""
        query = {"client_id": self.app["client_id"], "redirect_uri": CALLBACK, "response_type": "code", "state": "s1"}
        answer = await self.send("GET", "/api/oauth2/auth", params=query | changed)
        assert answer.status == 302, answer.text
        back = parse_qs(urlsplit(answer.headers["Location"]).query)
        assert back["state"] == ["s1"]
        return str(back.get("code", back.get("error", [""]))[0])

    async def token(self, **form: str) -> Answer:
        """A call of the token endpoint with the app's credentials."""
        return await self.send("POST", "/api/oauth2/token", data=self.app | form)

    async def log_in(self) -> Answer:
        """From consent to tokens, which are kept."""
        answer = await self.token(grant_type="authorization_code", code=await self.consent(), redirect_uri=CALLBACK)
        return self._keep(answer)

    async def refresh(self, token: str | None = None) -> Answer:
        """New tokens for the refresh token, kept."""
        return self._keep(
            await self.token(grant_type="refresh_token", refresh_token=token or self.tokens["refresh_token"])
        )

    def _keep(self, answer: Answer) -> Answer:
        if answer.status == 200:
            self.tokens = json.loads(answer.text)
        return answer

    async def call(
        self, method: str, path: str, body: Any = None, *, headers: dict[str, str] | None = None, **query: Any
    ) -> Answer:
        """A call below the division, in JSON; `select="ID"` is `$select=ID`."""
        given = {"Authorization": f"Bearer {self.tokens['access_token']}", "Accept": "application/json"}
        options: dict[str, Any] = {"headers": given | (headers or {}), "params": {f"${k}": v for k, v in query.items()}}
        if body is not None:
            options["json"] = body
        return await self.send(method, f"/api/v1/{self.division}/{path}", **options)

    async def get(self, path: str, **query: Any) -> Answer:
        """A read below the division."""
        return await self.call("GET", path, **query)

    async def post(self, path: str, body: dict[str, Any]) -> Answer:
        """A new row."""
        return await self.call("POST", path, body)

    async def rows(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """The rows of a listing."""
        answer = await self.get(path, **query)
        assert answer.status == 200, answer.text
        return answer.rows

    async def key(self, path: str, code: str) -> str:
        """The ID of the row with this code."""
        found = await self.rows(path, filter=f"trim(Code) eq '{code}'", select="ID")
        return str(found[0]["ID"])

    async def relation(self, name: str = "Klant B", **fields: Any) -> str:
        """A new customer and supplier: its ID."""
        answer = await self.post("crm/Accounts", {"Name": name, "Status": "C", "IsSupplier": True, **fields})
        assert answer.status == 201, answer.text
        return str(answer.d["ID"])

    async def sale(self, customer: str, **changed: Any) -> Answer:
        """A sales entry of 100.00 + 21.00; a value of None is left out."""
        body = {
            "Customer": customer,
            "Journal": "70",
            "EntryDate": "2026-02-03",
            "YourRef": "2026/001",
            **({} if "SalesEntryLines" in changed else {"SalesEntryLines": [await self.line()]}),
            **changed,
        }
        return await self.post("salesentry/SalesEntries", {k: v for k, v in body.items() if v is not None})

    async def purchase(self, supplier: str, **changed: Any) -> Answer:
        """A purchase entry of 100.00 + 21.00."""
        body = {
            "Supplier": supplier,
            "Journal": "60",
            "EntryDate": "2026-02-03",
            "YourRef": "F-17",
            "PurchaseEntryLines": [await self.line("612100", VATCode="A21")],
            **changed,
        }
        return await self.post("purchaseentry/PurchaseEntries", {k: v for k, v in body.items() if v is not None})

    async def line(self, account: str = "700000", amount: Any = "100.00", **more: Any) -> dict[str, Any]:
        """A line of an entry."""
        return {"GLAccount": await self.key("financial/GLAccounts", account), "AmountFC": amount, **more}

    def tell(self, what: str, **body: Any) -> Any:
        """What a person does, or a switch."""
        return getattr(self.sandbox.control, what)(**body)


Starter = Callable[..., Awaitable[Client]]


@pytest.fixture
async def start() -> AsyncIterator[Starter]:
    """Starts a sandbox with options, logged in; stopped at the end."""
    sandboxes: list[Sandbox] = []
    async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:

        async def starter(**options: Any) -> Client:
            options.setdefault("years", (2024, 2027))
            sandbox = await start_sandbox(**options)
            sandboxes.append(sandbox)
            client = Client(sandbox, session)
            assert (await client.log_in()).status == 200
            return client

        yield starter
        for sandbox in sandboxes:
            await sandbox.stop()


@pytest.fixture
async def client(start: Starter) -> Client:
    """A sandbox without limits."""
    return await start(limits=False)
