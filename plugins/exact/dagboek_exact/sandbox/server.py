"""The sandbox as a running server."""

from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web
from dagboek_sdk.sandbox.clock import Clock
from dagboek_sdk.sandbox.exchange import MAINTENANCE, Exchange, html
from dagboek_sdk.sandbox.faults import KINDS, Fault, Faults
from dagboek_sdk.sandbox.listening import Listening
from dagboek_sdk.sandbox.requests import Requests

from . import access, address, oauth
from .address import Address
from .api import Call
from .beginning import begin_division
from .books import App, Books, Start
from .changes import CHANGES
from .control import Control
from .edm import Json
from .limits import Limits
from .oauth import Browser
from .refusal import Refused, rejected, sentence
from .rules import Rules

UPDATES = ("SalesEntries.put", "PurchaseEntries.put", "SalesEntryLines.*", "PurchaseEntryLines.*")

SAMPLE_CREDENTIALS = MappingProxyType(
    {
        "client_id": "6a1f0d2e-7c54-4b8e-9f31-0d5c2b7e4a10",
        "client_secret": "voorbeeld-geheim",
        "user": "voorbeeld",
        "division": 3_100_001,
    }
)
_FILE = "/docs/SysAttachment.aspx"
_NOT_FOUND = b"<html><head><title>404</title></head><body>The resource cannot be found.</body></html>"


class Sandbox(Listening):
    """A running sandbox; made by `start_sandbox`."""

    books: Books
    control: Control

    def __init__(
        self,
        *,
        dossiers: Sequence[Json] | None = None,
        years: Sequence[int] | None = None,
        users: Sequence[Json] | None = None,
        client_id: str = str(SAMPLE_CREDENTIALS["client_id"]),
        client_secret: str = str(SAMPLE_CREDENTIALS["client_secret"]),
        redirect_uris: Sequence[str] | None = None,
        address: str | None = None,
        limits: bool = True,
        state_file: str | Path | None = None,
        seed: int = 0,
        keep_requests: int = 10_000,
        rules: Rules | None = None,
    ) -> None:
        super().__init__()
        first = {"id": SAMPLE_CREDENTIALS["division"], "name": "Voorbeeld BV"}
        shared = {"years": list(years)} if years is not None else {}
        rows = [{**shared, **row} for row in dossiers or [first]]
        people = list(users or [{"name": SAMPLE_CREDENTIALS["user"], "full_name": "Vera Voorbeeld"}])
        app = App(client_id, client_secret, None if redirect_uris is None else tuple(redirect_uris))
        self._address = address
        self.clock = Clock()
        self.books = Books(
            Start([app], people, rows), self.clock, rules or Rules(), CHANGES, begin_division, state_file
        )
        self.browser = Browser(str(people[0]["name"]))
        self.limits = Limits(limits)
        self.faults = Faults(seed, updates=UPDATES, kinds=(*KINDS, "redirect", "login_page"))
        self.requests = Requests(keep_requests)
        self.control = Control(self.books, self.faults, self.limits, self.requests, self.browser)
        self.credentials: dict[str, Any] = {
            "client_id": client_id,
            "client_secret": client_secret,
            "user": self.browser.user,
            "division": next(iter(self.books.divisions)),
        }

    @property
    def base_url(self) -> str:
        """Where a client is pointed at: in place of https://start.exactonline.nl."""
        return self.origin

    async def start(self, host: str, port: int) -> None:
        """Listens; port 0 takes a free one."""
        await super().start(host, port)
        self.books.origin = self._address or self.origin

    async def answer(self, request: web.BaseRequest, path: str, query_text: str, raw: bytes) -> web.StreamResponse:
        """Answers a call of the API."""
        return await _Call(self, request, unquote(path), query_text, raw).run()


class _Call(Exchange):
    """One call, with the faults that strike it."""

    sandbox: Sandbox

    def __init__(self, sandbox: Sandbox, request: web.BaseRequest, path: str, query_text: str, raw: bytes) -> None:
        super().__init__(sandbox, request, path, query_text, raw)
        self.address = Address(None, None)

    @property
    def shown(self) -> str:
        """The path as it is noted; a query may hold a code, so that of the login pages is left out."""
        return self.path if self.path.startswith("/api/oauth2/") else super().shown

    def route(self) -> web.Response | None:
        """Finds what is called, and the division."""
        method = self.request.method.lower()
        if self.path in (oauth.AUTHORISE, oauth.TOKEN):
            self.operation = "authorise" if self.path == oauth.AUTHORISE else "token"
            wanted = ("get", "post") if self.path == oauth.AUTHORISE else ("post",)
            return None if method in wanted else html(405, _NOT_FOUND)
        if self.path == _FILE:
            self.operation = "SysAttachment"
            return None
        if not self.path.startswith(address.BASE):
            return html(404, _NOT_FOUND)
        self.address = address.read(self.path[len(address.BASE) :])
        self.operation, self.dossier = f"{self.address.name}.{method}", self.address.division
        if len(self.query_text) > self.sandbox.books.rules.longest_query:
            return html(404, _NOT_FOUND)
        return None

    def perform(self) -> web.Response:
        """Does what the call asks for."""
        sandbox = self.sandbox
        asked = tuple(parse_qsl(self.query_text, keep_blank_values=True))
        if self.operation == "authorise":
            form = dict(parse_qsl(self.raw.decode("utf-8", "replace"))) if self.request.method == "POST" else {}
            return oauth.authorise(sandbox.books, sandbox.browser, dict(asked), form)
        if self.operation == "token":
            return oauth.token(sandbox.books, sandbox.limits, self.request, self.raw)
        if self.operation == "SysAttachment":
            return self._file(dict(asked))
        return self._call(asked).run()

    def _call(self, asked: tuple[tuple[str, str], ...] = ()) -> Call:
        books, limits = self.sandbox.books, self.sandbox.limits
        return Call(books, limits, self.request.method, self.request.headers, self.address, asked, self.raw)

    def _file(self, asked: dict[str, str]) -> web.Response:
        """The content of an attachment, for whoever has an access token."""
        books = self.sandbox.books
        try:
            who = access.caller(books, self.request.headers.get("Authorization", ""))
            division = access.division(books, who, int(asked.get("Division", "0")))
        except (access.NotLoggedIn, Refused, ValueError):
            return web.Response(status=401)
        found = next((row for row in division.rows("attachments") if str(row["ID"]) == asked.get("ID")), None)
        if found is None:
            return html(404, _NOT_FOUND)
        return web.Response(body=found["Attachment"], content_type="application/octet-stream")

    def instead(self, fault: Fault) -> web.Response:
        """An answer in place of the call."""
        match fault.kind:
            case "redirect":
                response = html(302, MAINTENANCE)
                response.headers["Location"] = f"{self.sandbox.origin}/docs/Maintenance.aspx"
                return response
            case "login_page":
                return html(200, access.LOGIN_PAGE)
            case "rate_limited":
                return self._too_many(fault.seconds)
            case "token_expired":
                token = self.request.headers.get("Authorization", "").partition(" ")[2].strip()
                self.sandbox.books.apply("end_access", None, {"token": token})
                return self._call().refusal(Refused(401, reason="access token expired"))
            case "refuse_update":
                return self._call().refusal(rejected(sentence("processed")))
        text = fault.body if fault.body is not None else "Ongeldig: Geweigerd"
        return self._call().refusal(Refused(fault.status or 500, text))

    def _too_many(self, seconds: float | None) -> web.Response:
        """With the headers of the minute where it is said when it ends, else with none, as was seen as well."""
        response = web.Response(status=429)
        if seconds is not None:
            reset = int((self.sandbox.clock.now() + seconds) * 1000)
            response.headers["X-RateLimit-Minutely-Limit"] = "60"
            response.headers["X-RateLimit-Minutely-Remaining"] = "0"
            response.headers["X-RateLimit-Minutely-Reset"] = str(reset)
        return response


async def start_sandbox(host: str = "127.0.0.1", port: int = 0, **options: Any) -> Sandbox:
    """A sandbox that listens; see the package's page for the options. Raises OSError when the port is taken."""
    sandbox = Sandbox(**options)
    await sandbox.start(host, port)
    return sandbox
