"""The sandbox as a running server: one asyncio task per connection, no threads.

Built on aiohttp's low-level server, since the routing is our own and a call should cost little: benchmarks use it.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import parse_qsl, unquote
from zoneinfo import ZoneInfo

from aiohttp import web

from . import api, control, routes, wire
from .api import Call, Operation
from .booking import Rules
from .books import Books, Change, Start
from .by_hand import BOOKS_CHANGES, DOSSIER_CHANGES
from .changes import CHANGES
from .clock import Clock
from .codes import UPDATE_BOOKING, message
from .control import Control, Requests
from .faults import AFTER, Fault, Faults
from .limits import Limits
from .tokens import Tokens
from .wire import Json, Refused, Unreadable

logger = logging.getLogger(__name__)

SAMPLE_CREDENTIALS = MappingProxyType(
    {
        "softwareHouseUuid": "7d3f1c52-0b6e-4c19-9a55-2f4be1c0a001",
        "user": "voorbeeld",
        "password": "voorbeeld-wachtwoord",
        "dossierId": 1001,
    }
)

_LARGE = 16_384
"""Bodies over this many bytes are sent in chunks, without a length."""
_MAX_BODY = 64 * 1024 * 1024
_NEVER = 3600.0

_MAINTENANCE = (
    b"<!DOCTYPE html><html><head><title>Onderhoud</title></head>"
    b"<body><h1>Onderhoud</h1><p>De dienst is binnenkort weer beschikbaar.</p></body></html>"
)
_SERVER_ERROR = b"<html><head><title>Error</title></head><body>Internal Server Error</body></html>"
_NOT_AVAILABLE = b"<html><head><title>Error</title></head><body>Service Unavailable</body></html>"
_NOT_FOUND = b"<html><head><title>Error</title></head><body>Not Found</body></html>"


class Sandbox:
    """A running sandbox; made by `start_sandbox`."""

    def __init__(
        self,
        *,
        dossiers: Sequence[Json] | None = None,
        years: Sequence[int] | None = None,
        periods: str = "quarter",
        vat_codes: Sequence[Json] | None = None,
        users: dict[str, str] | None = None,
        software_house: str = str(SAMPLE_CREDENTIALS["softwareHouseUuid"]),
        limits: bool = True,
        limit_answer: str | int = "429",
        state_file: str | Path | None = None,
        seed: int = 0,
        keep_requests: int = 10_000,
        rules: Rules | None = None,
    ) -> None:
        rules = rules or Rules()
        shared = {"years": years, "periods": periods, "vat_codes": vat_codes}
        first = {"id": SAMPLE_CREDENTIALS["dossierId"], "name": "Voorbeeld BV"}
        rows = [
            {**{name: value for name, value in shared.items() if value is not None}, **row}
            for row in dossiers or [first]
        ]
        users = users or {str(SAMPLE_CREDENTIALS["user"]): str(SAMPLE_CREDENTIALS["password"])}
        path = Path(state_file) if state_file is not None else None
        self.clock = Clock()
        self.books = Books(Start(software_house.lower(), users, rows), self.clock, rules, _all_changes(), path)
        self.tokens = Tokens(self.clock, self.books.secret)
        self.limits = Limits(ZoneInfo(rules.time_zone), limits, str(limit_answer))
        self.faults = Faults(seed)
        self.requests = Requests(keep_requests)
        self.control = Control(self.books, self.faults, self.limits, self.requests)
        user, password = next(iter(users.items()))
        self.credentials: dict[str, Any] = {
            "softwareHouseUuid": software_house,
            "user": user,
            "password": password,
            "dossierId": next(iter(self.books.dossiers)),
        }
        self.origin = ""
        self._stopping = asyncio.Event()
        self._runner: web.ServerRunner | None = None

    @property
    def base_url(self) -> str:
        """Where a client is pointed at; ends in /octopus-rest-api/v1."""
        return self.origin + routes.BASE

    async def start(self, host: str, port: int) -> None:
        """Listens; port 0 takes a free one."""
        server = web.Server(self._handle, request_factory=_request, access_log=None)
        self._runner = web.ServerRunner(server, shutdown_timeout=0.5)
        await self._runner.setup()
        site = web.TCPSite(self._runner, host, port, backlog=1024)
        try:
            await site.start()
        except OSError:
            await self.stop()
            raise
        address = self._runner.addresses[0]
        shown = f"[{host}]" if ":" in host else host
        self.origin = f"http://{shown}:{address[1]}"

    async def stop(self) -> None:
        """Stops listening, cuts what is held open, closes the state file."""
        self._stopping.set()
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None
        self.books.close()

    # --- a call ----------------------------------------------------------------------------------------------

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        path, _, query_text = request.raw_path.partition("?")
        try:
            raw = await request.read() if request.body_exists else b""
        except ConnectionError:  # the caller left in the middle
            return _Unanswered()
        if path.startswith("/_sandbox"):
            query = dict(parse_qsl(query_text, keep_blank_values=True))
            status, body = control.run(self.control, request.method, path[10:], query, raw)
            return _json(status, body)
        if not path.startswith(routes.BASE):
            return _html(404, _NOT_FOUND)
        exchange = _Exchange(self, request, path[len(routes.BASE) :], query_text, raw)
        return await exchange.run()

    async def hold(self, request: web.BaseRequest, seconds: float) -> None:
        """Keeps the line open without an answer until time is up, the caller is gone or the sandbox stops."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while loop.time() < ends and not self._stopping.is_set():
            if request.transport is None or request.transport.is_closing():
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), min(0.25, ends - loop.time()))


class _Exchange:
    """One call of the API, from routing to the answer, with the faults that strike it."""

    def __init__(self, sandbox: Sandbox, request: web.BaseRequest, path: str, query_text: str, raw: bytes) -> None:
        self.sandbox = sandbox
        self.request = request
        self.path = unquote(path) if "%" in path else path
        self.query_text = query_text
        self.raw = raw
        self.operation: Operation | None = None
        self.dossier_id: int | None = None
        self.fault: str | None = None

    async def run(self) -> web.StreamResponse:
        loop = asyncio.get_running_loop()
        begun, at = loop.time(), self.sandbox.clock.now()
        response: web.StreamResponse | None = None
        try:
            response = await self._answer()
        finally:
            shown = f"{self.path}?{self.query_text}" if self.query_text else self.path
            self.sandbox.requests.add(
                at,
                self.request.method,
                shown,
                response.status if response is not None and not isinstance(response, _Unanswered) else None,
                loop.time() - begun,
                self.operation.name if self.operation else None,
                self.dossier_id,
                self.fault,
            )
        return response

    async def _answer(self) -> web.StreamResponse:
        self.operation, changing, known = routes.find(self.request.method, self.path)
        if self.operation is None:
            return _html(405 if known else 404, _NOT_FOUND)
        if self.operation.access == "dossier":
            self.dossier_id, changing = _number(changing[0]), changing[1:]
        struck = self.sandbox.faults.strike(self.operation.name, self.request.method, self.path, self.dossier_id)
        for fault in struck:
            if fault.kind not in AFTER and (response := await self._before(fault)) is not None:
                return response
        response = self._execute(changing)
        for fault in struck:
            if fault.kind == "repeated":
                self.fault, response = fault.kind, self._execute(changing)
            elif fault.kind in AFTER:
                response = await self._after(fault, response)
        return response

    def _execute(self, changing: tuple[str, ...]) -> web.Response:
        """Does what the call asks for; never waits, so nothing comes in between."""
        operation = self.operation
        assert operation is not None
        call = Call(
            books=self.sandbox.books,
            tokens=self.sandbox.tokens,
            query=dict(parse_qsl(self.query_text, keep_blank_values=True)) if self.query_text else {},
            headers=self.request.headers,
            raw=self.raw,
            path=changing,
            address=self.request.remote or "",
            dossier_id=self.dossier_id,
        )
        try:
            api.admit(call, operation, self.sandbox.limits)
            status, value = operation.handler(call)
        except Refused as refused:
            return self._refusal(refused, call.language)
        except Unreadable:
            return _html(500, _SERVER_ERROR)
        except Exception:
            # A fault of the sandbox itself: it must not pass for an answer of the tool.
            logger.exception("the sandbox failed in %s", operation.name)
            return _html(500, b"<html><body>The sandbox itself failed: see its log</body></html>")
        if value is None:
            return web.Response(status=status)
        if isinstance(value, str):
            return web.Response(status=status, text=value)
        return _json(status, wire.dump(value))

    def _refusal(self, refused: Refused, language: str) -> web.Response:
        text = message(refused.code, language) if refused.code is not None else None
        body = {"errorCode": refused.code, "errorMessage": text, "technicalInfo": refused.info}
        response = _json(refused.status, wire.dump(body))
        if refused.status == 429 and self.sandbox.limits.retry_after is not None:
            response.headers["Retry-After"] = str(self.sandbox.limits.retry_after)
        return response

    # --- faults ------------------------------------------------------------------------------------------------

    async def _before(self, fault: Fault) -> web.StreamResponse | None:
        """What a fault does before the call is looked at; None: the call goes on."""
        self.fault = fault.kind
        match fault.kind:
            case "latency":
                await asyncio.sleep(fault.seconds or 0)
                return None
            case "timeout_before":
                await self.sandbox.hold(self.request, fault.seconds or _NEVER)
                return _cut(self.request, reset=False)
            case "reset":
                return _cut(self.request, reset=True)
        return self._instead(fault)

    def _instead(self, fault: Fault) -> web.Response:
        """An answer in place of the call."""
        if fault.kind == "maintenance_page":
            return _html(200, _MAINTENANCE)
        if fault.kind == "error_503_before":
            return _html(503, _NOT_AVAILABLE)
        if fault.kind == "token_expired":
            for name in ("dossierToken", "Token"):
                self.sandbox.tokens.revoke(self.request.headers.get(name, ""))
        refused = {
            "rate_limited": Refused(429, None, "Too many requests"),
            "token_expired": Refused(401, None, "The token is invalid or has ended"),
            "refuse_update": Refused(fault.status or 400, fault.code or UPDATE_BOOKING, "The update is refused"),
            "refuse": Refused(fault.status or 400, fault.code, "Refused by a fault"),
        }[fault.kind]
        response = self._refusal(refused, "nl")
        if fault.kind == "rate_limited" and fault.seconds is not None:
            response.headers["Retry-After"] = f"{fault.seconds:g}"
        return response

    async def _after(self, fault: Fault, response: web.Response) -> web.Response:
        """What a fault does with the answer of a call that took place."""
        self.fault = fault.kind
        match fault.kind:
            case "timeout_after_commit":
                await self.sandbox.hold(self.request, fault.seconds or _NEVER)
                return _cut(self.request, reset=False)
            case "reset_after_commit":
                return _cut(self.request, reset=True)
            case "error_503_after":
                return _html(503, _NOT_AVAILABLE)
            case "wrong_body":
                text = fault.body if fault.body is not None else '{"unexpected": [1, 2'
                return _json(response.status, text.encode())
            case "answered_twice":
                seconds = 0.1 if fault.seconds is None else fault.seconds
                asyncio.get_running_loop().call_later(seconds, _write_again, self.request.transport, response)
                return response
            case _:
                return _Dripping(response, fault.seconds or 5.0)


class _Unanswered(web.Response):
    """Stands for an answer that never left: the connection is gone already."""


class _Dripping(web.Response):
    """Sends its body in small pieces over some seconds (an empty body: waits, then answers)."""

    def __init__(self, response: web.Response, seconds: float) -> None:
        super().__init__(status=response.status)
        if "Content-Type" in response.headers:
            self.headers["Content-Type"] = response.headers["Content-Type"]
        self._content = bytes(response.body) if isinstance(response.body, bytes) else b""
        self._seconds = seconds

    async def prepare(self, request: web.BaseRequest) -> Any:
        if not self._content:
            await asyncio.sleep(self._seconds)
            return await super().prepare(request)
        self.enable_chunked_encoding()
        return await super().prepare(request)

    async def write_eof(self, data: bytes = b"") -> None:
        size = max(1, len(self._content) // 10)
        pieces = [self._content[start : start + size] for start in range(0, len(self._content), size)]
        for piece in pieces:
            await asyncio.sleep(self._seconds / len(pieces))
            await self.write(piece)
        await super().write_eof(data)


def _cut(request: web.BaseRequest, *, reset: bool) -> web.Response:
    """Ends the connection without an answer; `reset`: with RST instead of a plain end."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if reset and connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return _Unanswered(status=500)


def _write_again(transport: asyncio.Transport | None, response: web.Response) -> None:
    """The same answer once more on its connection, unasked."""
    if transport is not None and not transport.is_closing():
        body = bytes(response.body) if isinstance(response.body, bytes) else b""
        head = f"HTTP/1.1 {response.status} OK\r\nContent-Type: {response.content_type}\r\nContent-Length: {len(body)}"
        transport.write(head.encode() + b"\r\n\r\n" + body)


def _json(status: int, body: bytes) -> web.Response:
    response = web.Response(status=status, body=body, content_type="application/json")
    if len(body) > _LARGE:
        response.enable_chunked_encoding()
    return response


def _html(status: int, body: bytes) -> web.Response:
    return web.Response(status=status, body=body, content_type="text/html")


def _request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else -1


def _all_changes() -> dict[str, Change]:
    return {
        **{name: Change(of_dossier=change) for name, change in (CHANGES | DOSSIER_CHANGES).items()},
        **{name: Change(of_books=change) for name, change in BOOKS_CHANGES.items()},
    }


async def start_sandbox(host: str = "127.0.0.1", port: int = 0, **options: Any) -> Sandbox:
    """A sandbox that listens; see the package's page for the options. Raises OSError when the port is taken."""
    sandbox = Sandbox(**options)
    await sandbox.start(host, port)
    return sandbox
