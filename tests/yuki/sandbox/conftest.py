"""A sandbox for each test, and a plain HTTP client that writes envelopes by hand and knows nothing else of Yuki."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

import aiohttp
import pytest
from dagboek_yuki.sandbox import Sandbox, start_sandbox
from lxml import etree

NAMESPACE = "http://www.theyukicompany.com/"
SOAP11 = "http://schemas.xmlsoap.org/soap/envelope/"
SOAP12 = "http://www.w3.org/2003/05/soap-envelope"
_MEDIA = {SOAP11: "text/xml; charset=utf-8", SOAP12: "application/soap+xml; charset=utf-8"}


class Answer(NamedTuple):
    """What came back."""

    status: int
    text: str
    headers: Any

    @property
    def body(self) -> etree._Element:
        """The one element in the envelope's body."""
        root = etree.fromstring(self.text.encode())
        version = etree.QName(root).namespace
        body = root.find(f"{{{version}}}Body")
        assert body is not None and len(body) == 1
        return body[0]

    @property
    def result(self) -> etree._Element | None:
        """The `<OperationResult>`; None: there is none."""
        assert self.status == 200, self.text
        return next(iter(self.body), None)

    @property
    def value(self) -> str:
        """A plain result."""
        found = self.result
        return "" if found is None else found.text or ""

    @property
    def inner(self) -> etree._Element:
        """The root of an untyped result."""
        found = self.result
        assert found is not None and len(found) == 1
        return found[0]

    @property
    def rows(self) -> list[dict[str, str | None]]:
        """The rows of a typed result, flat; nil is None."""
        found = self.result
        assert found is not None
        return [{etree.QName(field).localname: field.text for field in row} for row in found]

    @property
    def fault(self) -> str:
        """The words of a refusal."""
        assert self.status == 500, self.text
        names = "string(//faultstring | //*[local-name() = 'Reason']/*[local-name() = 'Text'])"
        return str(etree.fromstring(self.text.encode()).xpath(names))


class Client:
    """Sends, and keeps a session."""

    def __init__(self, sandbox: Sandbox, http: aiohttp.ClientSession) -> None:
        self.sandbox = sandbox
        self.http = http
        self.site = str(sandbox.credentials["site"])
        self.key = str(sandbox.credentials["access_key"])
        self.administration = next(iter(sandbox.books.administrations))
        self.session = ""

    def tell(self, what: str, **body: Any) -> Any:
        """A control call."""
        return getattr(self.sandbox.control, what)(**body)

    async def send(self, method: str, path: str, **options: Any) -> Answer:
        """Any call; `path` below the host's address."""
        async with self.http.request(method, self.sandbox.base_urls[self.site] + path, **options) as response:
            return Answer(response.status, await response.text(), response.headers)

    async def post(
        self, service: str, content: str | bytes, action: str | None = None, version: str = SOAP11, **headers: str
    ) -> Answer:
        """The content of an envelope's body, as text."""
        inside = content if isinstance(content, str) else content.decode()
        envelope = f'<s:Envelope xmlns:s="{version}"><s:Body>{inside}</s:Body></s:Envelope>'
        given = {"Content-Type": _MEDIA[version], **headers}
        if action is not None and version == SOAP11:
            given["SOAPAction"] = f'"{NAMESPACE}{action}"'
        return await self.send("POST", f"/ws/{service}.asmx", data=envelope.encode(), headers=given)

    async def call(self, name: str, *, version: str = SOAP11, **params: Any) -> Answer:
        """An operation such as "Sales.GetSalesItems", with its parameters by their names on the wire; text goes in as
        it is escaped, an element as XML, None is left out. The session is added where nothing is given for it."""
        service, _, operation = name.partition(".")
        if not ({"accessKey", "sessionId", "sessionID", "sessionless"} & params.keys()):
            params = {session_parameter(name): self.session, **params}
        params.pop("sessionless", None)
        inside = "".join(_parameter(name, value) for name, value in params.items() if value is not None)
        content = f'<{operation} xmlns="{NAMESPACE}">{inside}</{operation}>'
        return await self.post(service, content, operation, version)

    async def log_in(self, key: str | None = None, *, app: bool = False) -> str:
        """A session, which is kept."""
        known = self.sandbox.credentials
        extra = {"clientID": known["client_id"], "clientSecret": known["client_secret"]} if app else {}
        operation = "AuthenticateClient" if app else "Authenticate"
        answer = await self.call(f"Sales.{operation}", **extra, accessKey=key or self.key)
        self.session = answer.value
        return self.session


def session_parameter(name: str) -> str:
    """How the session is called, which is not the same everywhere."""
    service, _, operation = name.partition(".")
    old = operation.startswith("Process") and service in ("Sales", "Purchase")
    return "sessionId" if old or service == "Integration" else "sessionID"


def _parameter(name: str, value: Any) -> str:
    if isinstance(value, etree._Element):
        return f"<{name}>{etree.tostring(value, encoding='unicode')}</{name}>"
    text = str(value).lower() if isinstance(value, bool) else str(value)
    escaped = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return f"<{name}>{escaped}</{name}>"


Starter = Callable[..., Awaitable[Client]]


@pytest.fixture
async def start() -> AsyncIterator[Starter]:
    """Starts sandboxes with options; each comes with a client that has logged in."""
    async with AsyncExitStack() as stack:

        async def begin(*, logged_in: bool = True, **options: Any) -> Client:
            options.setdefault("site", "nl")
            sandbox = await start_sandbox(**options)
            stack.push_async_callback(sandbox.stop)
            client = Client(sandbox, await stack.enter_async_context(aiohttp.ClientSession()))
            if logged_in:
                await client.log_in()
            return client

        yield begin


@pytest.fixture
async def client(start: Starter) -> Client:
    """A client of a sandbox with one Dutch administration."""
    return await start()
