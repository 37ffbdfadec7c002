"""The sandbox as a running server."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote

from aiohttp import web
from dagboek_sdk.sandbox.clock import Clock
from dagboek_sdk.sandbox.exchange import Exchange, cut, html
from dagboek_sdk.sandbox.faults import AFTER, KINDS, Fault, Faults
from dagboek_sdk.sandbox.listening import Listening
from dagboek_sdk.sandbox.requests import Requests
from lxml import etree

from . import call, forms, general, rights, soap
from .access import Session
from .administration import begin_administration
from .books import SITES, Books, Json, Start
from .call import Call
from .changes import CHANGES
from .control import Control
from .limits import EXCEEDED, Limits
from .operations import OPERATIONS
from .rules import Rules
from .table import SERVICES, Service, Signature
from .values import NAMESPACE, Unreadable, read_params
from .wsdl import wsdl

UPDATES = ("Contact.UpdateContact",)
AFTERWARDS = ("empty_body", "wrong_namespace", "html_fault_after")
"""Kinds of this sandbox's own that strike when the call has taken place."""
OWN_KINDS = (*AFTERWARDS, "html_fault", "bad_gateway", "half_batch")

SAMPLE_CREDENTIALS = MappingProxyType(
    {
        "site": "be",
        "access_key": "5b1f0c86-8a57-4c0e-9d5e-3f2c7a6b9e01",
        "client_id": "voorbeeld-koppeling",
        "client_secret": "voorbeeld-geheim",
    }
)
SAMPLE_DOMAIN = "9d3c1f7e-52a4-4b0d-8a66-1c5e0f7b2d10"
SAMPLE_ADMINISTRATION = "0e6b7a52-31c9-4f8e-b7d4-6a9c2e5f8b20"

_NOT_FOUND = b"<!DOCTYPE html><html><head><title>The resource cannot be found.</title></head><body></body></html>"
_SERVER_ERROR = (
    b"<!DOCTYPE html><html><head><title>Runtime Error</title></head><body><span><h1>Server Error in '/' Application."
    b"<hr width=100% size=1></h1><h2><i>Runtime Error</i></h2></span></body></html>"
)
_BY_LOWER_CASE = {name.lower(): service for name, service in SERVICES.items()}


class Sandbox(Listening):
    """A running sandbox; made by `start_sandbox`."""

    books: Books
    control: Control

    def __init__(
        self,
        *,
        site: str = "be",
        domains: Sequence[Json] | None = None,
        dossiers: Sequence[Json] | None = None,
        years: Sequence[int] | None = None,
        keys: Sequence[Json] | None = None,
        clients: Mapping[str, str] | None = None,
        address: str | None = None,
        limits: bool = True,
        state_file: str | Path | None = None,
        seed: int = 0,
        keep_requests: int = 10_000,
        rules: Rules | None = None,
    ) -> None:
        super().__init__()
        sample = SAMPLE_CREDENTIALS
        shared = {"years": list(years)} if years is not None else {}
        homes = [{"site": site, **row} for row in domains or [{"id": SAMPLE_DOMAIN, "name": "Voorbeeld"}]]
        rows = list(dossiers or [{"id": SAMPLE_ADMINISTRATION, "name": "Voorbeeld BV"}])
        known = dict(clients if clients is not None else {sample["client_id"]: sample["client_secret"]})
        entries = [{"site": homes[0]["site"], **row} for row in keys or [{"key": sample["access_key"]}]]
        self._address = address
        self.clock = Clock()
        start = Start(homes, [{**shared, **row} for row in rows], entries, known)
        self.books = Books(start, self.clock, rules or Rules(), CHANGES, begin_administration, state_file)
        self.limits = Limits(limits)
        self.faults = Faults(seed, updates=UPDATES, kinds=(*KINDS, *OWN_KINDS), after=(*AFTER, *AFTERWARDS))
        self.requests = Requests(keep_requests)
        self.control = Control(self.books, self.faults, self.limits, self.requests)
        client_id, client_secret = next(iter(known.items()), ("", ""))
        self.credentials: dict[str, Any] = {
            "site": entries[0]["site"],
            "access_key": str(entries[0]["key"]),
            "client_id": client_id,
            "client_secret": client_secret,
        }

    @property
    def base_url(self) -> str:
        """Where a client is pointed at: in place of https://api.yukiworks.nl, or .be."""
        return self.base_urls[str(self.credentials["site"])]

    @property
    def base_urls(self) -> dict[str, str]:
        """The same for each country."""
        return {site: f"{self.origin}/{site}" for site in SITES}

    def told_url(self, site: str) -> str:
        """The same as it stands in answers."""
        return f"{self._address or self.origin}/{site}"

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """The same as for all, but that a body beyond all bounds is answered with a page."""
        try:
            return await super().handle(request)
        except web.HTTPRequestEntityTooLarge:
            return html(413, _NOT_FOUND)

    async def answer(self, request: web.BaseRequest, path: str, query_text: str, raw: bytes) -> web.StreamResponse:
        """Answers a call of the API."""
        return await _Call(self, request, unquote(path), query_text, raw).run()


class _Call(Exchange):
    """One call, with the faults that strike it. `version` None: without an envelope."""

    sandbox: Sandbox
    service: Service
    signature: Signature

    def __init__(self, sandbox: Sandbox, request: web.BaseRequest, path: str, query_text: str, raw: bytes) -> None:
        super().__init__(sandbox, request, path, query_text, raw)
        self.site = ""
        self.version: str | None = None
        self.element: etree._Element | None = None
        self.form: dict[str, str] = {}

    @property
    def shown(self) -> str:
        """The path as it is noted; a query may hold a key or a session, so it is left out."""
        return self.path

    # --- finding what is called ---------------------------------------------------------------------------------

    def route(self) -> web.Response | None:
        """Finds host, service, operation and administration."""
        site, _, below = self.path[1:].partition("/")
        folder, _, rest = below.partition("/")
        file, _, name = rest.partition("/")
        service = _BY_LOWER_CASE.get(file[:-5].lower()) if file.lower().endswith(".asmx") else None
        if site not in SITES or folder.lower() != "ws" or service is None:
            return html(404, _NOT_FOUND)
        self.site, self.service = site, service
        self.path = f"/ws/{service.name}.asmx" + (f"/{name}" if name else "")
        if len(self.raw) > self.sandbox.books.rules.largest_request:
            self.version = None if name else self._version()
            self.operation = service.name
            return self._refusal(call.Fault("Maximum request length exceeded."))
        if name:
            return self._route_form(name)
        if self.request.method == "POST":
            return self._route_envelope()
        self.operation = f"{service.name}.{'wsdl' if self.query_text.lower() == 'wsdl' else 'page'}"
        return None

    def _route_form(self, name: str) -> web.Response | None:
        signature = self.service.operations.get(name)
        self.operation = f"{self.service.name}.{name}"
        offered = (self.service.name, name) in OPERATIONS
        if signature is None or not offered or not forms.has_form(self.service, signature):
            return forms.refusal(f"{name} Web Service method name is not valid.")
        text = self.raw.decode("utf-8", "replace") if self.request.method == "POST" else self.query_text
        self.signature, self.form = signature, dict(parse_qsl(text, keep_blank_values=True))
        self._note_administration(self.form.get("administrationID") or self.form.get("administrationId"))
        return None

    def _route_envelope(self) -> web.Response | None:
        self.operation = self.service.name
        self.version = self._version()
        try:
            if self.version is None:
                return forms.refusal(f"Request format is invalid: {self.request.content_type}.", 415)
            self.element = soap.body_of(soap.parse(self.raw), self.version)
            self.signature = soap.operation_of(self.service, self._action(), self.element)
        except call.Fault as refusal:
            return self._refusal(refusal)
        self.operation = f"{self.service.name}.{self.signature.name}"
        for child in self.element:
            if child.tag in (f"{{{NAMESPACE}}}administrationID", f"{{{NAMESPACE}}}administrationId"):
                self._note_administration(child.text)
        return None

    def _version(self) -> str | None:
        return {"text/xml": soap.SOAP11, "application/soap+xml": soap.SOAP12}.get(self.request.content_type)

    def _action(self) -> str:
        """Of the header SOAPAction, with quotes or without, or of the media type."""
        header = self.request.headers.get("SOAPAction")
        if header is None:
            _, _, parameters = self.request.headers.get("Content-Type", "").partition(";")
            pairs = (each.strip().partition("=") for each in parameters.split(";"))
            header = next((value for name, _, value in pairs if name.lower() == "action"), "")
        return header.strip().strip('"')

    def _note_administration(self, id: str | None) -> None:
        id = (id or "").strip().strip("{}").lower()
        self.dossier = id if id in self.sandbox.books.administrations else None

    # --- doing it -----------------------------------------------------------------------------------------------

    def perform(self) -> web.Response:
        """Does what the call asks for."""
        try:
            if self.operation in (f"{self.service.name}.wsdl", f"{self.service.name}.page"):
                return self._page()
            value = self._result()
        except call.Fault as refusal:
            return self._refusal(refusal)
        if self.version is None:
            return forms.answer(self.service, self.signature, value)
        if self.signature.name == "AuthenticateClient":
            name = self.sandbox.books.rules.client_answer
            return soap.answer(self.version, self.service, self.service.operations[name], value)
        return soap.answer(self.version, self.service, self.signature, value)

    def _result(self) -> Any:
        sandbox, service, signature = self.sandbox, self.service.name, self.signature
        operation = OPERATIONS.get((service, signature.name))
        if operation is None:
            raise call.Fault(f"The sandbox does not have {service}.{signature.name}")
        now = sandbox.clock.now()
        params = self._params()
        address = sandbox.told_url(self.site)
        made = Call(sandbox.books, self.site, service, signature.name, params, now, address=address)
        if open_session := general.OPENING.get(signature.name):
            session = open_session(made)
            self._count(session, now)
            return session.id
        if signature.session is not None:
            made.session = rights.session_of(sandbox.books, params[signature.session] or "", self.site, now)
            self._count(made.session, now)
            if signature.name not in general.OPERATIONS:
                rights.check(sandbox.books, made.session, service, signature.name)
        return operation(made)

    def _params(self) -> dict[str, Any]:
        if self.element is None:
            return forms.read(self.service, self.signature, self.form)
        try:
            return read_params(self.service, self.signature.params, self.element)
        except Unreadable as error:
            raise soap.not_fitting(self.element, error) from None

    def _count(self, session: Session, now: float) -> None:
        books = self.sandbox.books
        self.sandbox.limits.take(books.domains[session.domain], now, books.rules)

    def _page(self) -> web.Response:
        name = self.service.name
        offered = [each for each in self.service.operations if (name, each) in OPERATIONS]
        address = f"{self.sandbox.told_url(self.site)}/ws/{name}.asmx"
        if self.operation == f"{name}.wsdl":
            return web.Response(body=wsdl(self.service, offered, address), headers={"Content-Type": soap.TYPE11})
        rows = "".join(f"<li>{each}</li>" for each in offered)
        page = f"<html><head><title>{name} Web Service</title></head><body><ul>{rows}</ul></body></html>"
        return html(200, page.encode())

    def _refusal(self, refusal: call.Fault) -> web.Response:
        if self.version is None:
            return forms.refusal(soap.full_text(refusal), refusal.status)
        return soap.fault(self.version, refusal)

    # --- misbehaving --------------------------------------------------------------------------------------------

    def instead(self, fault: Fault) -> web.Response:
        """An answer in place of the call."""
        match fault.kind:
            case "html_fault":
                return html(500, fault.body.encode() if fault.body is not None else _SERVER_ERROR)
            case "bad_gateway":
                return html(502, b"<html><head><title>502 Bad Gateway</title></head><body></body></html>")
            case "half_batch":
                self._halve()
                self.execute()
                return cut(self.request, reset=True)
            case "rate_limited":
                status = self.sandbox.books.rules.limit_status
                return self._refusal(call.Fault(EXCEEDED, "Client", "1000 free calls per domain per day", status))
            case "token_expired":
                self._end_session()
                return self.execute()
            case "refuse_update":
                return self._refusal(call.Fault("Contact cannot be changed", "Client"))
        return self._refusal(call.Fault(fault.body or "Refused", "Client", status=fault.status or 500))

    def garbled(self, fault: Fault, response: web.Response) -> web.Response:
        """An answer that nobody expects, of a call that took place."""
        content = bytes(response.body) if isinstance(response.body, bytes) else b""
        match fault.kind:
            case "empty_body":
                return web.Response(status=200, headers={"Content-Type": soap.TYPE11})
            case "html_fault_after":
                return html(500, fault.body.encode() if fault.body is not None else _SERVER_ERROR)
            case "wrong_namespace":
                content = content.replace(NAMESPACE.encode(), b"http://www.theyukicompany.com/other/")
            case _:
                content = fault.body.encode() if fault.body is not None else content[: len(content) * 2 // 3]
        return web.Response(status=response.status, body=content, headers={"Content-Type": soap.TYPE11})

    def _halve(self) -> None:
        """Leaves the first half of the documents in the call."""
        document = None if self.element is None else self.element.find(f"{{{NAMESPACE}}}xmlDoc/*")
        if document is not None:
            del document[len(document) // 2 :]

    def _end_session(self) -> None:
        if self.element is not None and self.signature.session is not None:
            found = self.element.findtext(f"{{{NAMESPACE}}}{self.signature.session}")
            self.sandbox.books.sessions.end(found or "")


async def start_sandbox(host: str = "127.0.0.1", port: int = 0, **options: Any) -> Sandbox:
    """A sandbox that listens; see the package's page for the options. Raises OSError when the port is taken."""
    sandbox = Sandbox(**options)
    await sandbox.start(host, port)
    return sandbox
