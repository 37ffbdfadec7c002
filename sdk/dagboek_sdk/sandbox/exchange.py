"""One call of a sandbox's API, from routing to the answer, with the faults that strike it.

Built on aiohttp's low-level server, since routing is the sandbox's own and a call should cost little: benchmarks use
it.
"""

import asyncio
import contextlib
import logging
import socket
import struct
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any

from aiohttp import web

from .faults import Fault
from .requests import Request

if TYPE_CHECKING:
    from .listening import Listening

logger = logging.getLogger(__name__)

_NEVER = 3600.0
_LARGE = 16_384
"""Bodies over this many bytes are sent in chunks, without a length."""
_MAX_BODY = 64 * 1024 * 1024

MAINTENANCE = (
    b"<!DOCTYPE html><html><head><title>Onderhoud</title></head>"
    b"<body><h1>Onderhoud</h1><p>De dienst is binnenkort weer beschikbaar.</p></body></html>"
)
NOT_AVAILABLE = b"<html><head><title>Error</title></head><body>Service Unavailable</body></html>"


class Exchange(ABC):
    """What a sandbox says of itself is abstract; what faults do to a call is the same for all."""

    def __init__(self, sandbox: "Listening", request: web.BaseRequest, path: str, query_text: str, raw: bytes) -> None:
        self.sandbox = sandbox
        self.request = request
        self.path = path
        """Below the base, as faults and `requests` know it."""
        self.query_text = query_text
        self.raw = raw
        self.operation: str | None = None
        self.dossier: int | str | None = None
        self.fault: str | None = None

    @abstractmethod
    def route(self) -> web.Response | None:
        """Finds operation, path and dossier; an answer where there is no such call."""

    @abstractmethod
    def perform(self) -> web.Response:
        """Does what the call asks for; never waits, so nothing comes in between."""

    @abstractmethod
    def instead(self, fault: Fault) -> web.Response:
        """The tool's own answer for rate_limited, token_expired, refuse_update, refuse, and kinds of its own."""

    def garbled(self, fault: Fault, response: web.Response) -> web.Response:
        """An answer that no client expects, in place of that of a call that took place: wrong_body, and the sandbox's
        own kinds of this sort."""
        text = fault.body if fault.body is not None else '{"unexpected": [1, 2'
        return json_answer(response.status, text.encode())

    def execute(self) -> web.Response:
        """The same, where a fault of the sandbox itself does not pass for an answer of the tool."""
        try:
            return self.perform()
        except Exception:
            logger.exception("the sandbox failed in %s", self.operation)
            return html(500, b"<html><body>The sandbox itself failed: see its log</body></html>")

    @property
    def shown(self) -> str:
        """The path as it is noted."""
        _, mark, query = self.request.raw_path.partition("?")
        return f"{self.path}{mark}{query}"

    async def run(self) -> web.StreamResponse:
        """The answer; the call is noted."""
        loop = asyncio.get_running_loop()
        begun, at = loop.time(), self.sandbox.clock.now()
        response: web.StreamResponse | None = None
        try:
            response = await self._answer()
        finally:
            status = response.status if response is not None and not isinstance(response, Unanswered) else None
            self.sandbox.requests.add(
                Request(
                    at,
                    self.request.method,
                    self.shown,
                    status,
                    loop.time() - begun,
                    self.operation,
                    self.dossier,
                    self.fault,
                )
            )
        return response

    async def _answer(self) -> web.StreamResponse:
        if (unknown := self.route()) is not None:
            return unknown
        struck = self.sandbox.faults.strike(self.operation or "", self.request.method, self.path, self.dossier)
        for fault in struck:
            if fault.kind not in self.sandbox.faults.after and (response := await self._before(fault)) is not None:
                return response
        answer = self.execute()
        for fault in struck:
            if fault.kind == "repeated":
                self.fault, answer = fault.kind, self.execute()
            elif fault.kind in self.sandbox.faults.after:
                answer = await self._after(fault, answer)
        return answer

    async def _before(self, fault: Fault) -> web.StreamResponse | None:
        """What a fault does before the call is looked at; None: the call goes on."""
        self.fault = fault.kind
        match fault.kind:
            case "latency":
                await asyncio.sleep(fault.seconds or 0)
                return None
            case "timeout_before":
                await self._hold(fault.seconds or _NEVER)
                return cut(self.request, reset=False)
            case "reset":
                return cut(self.request, reset=True)
            case "maintenance_page":
                return html(200, MAINTENANCE)
            case "error_503_before":
                return html(503, NOT_AVAILABLE)
        response = self.instead(fault)
        if fault.kind == "rate_limited" and fault.seconds is not None:
            response.headers["Retry-After"] = f"{fault.seconds:g}"
        return response

    async def _after(self, fault: Fault, response: web.Response) -> web.Response:
        """What a fault does with the answer of a call that took place."""
        self.fault = fault.kind
        match fault.kind:
            case "timeout_after_commit":
                await self._hold(fault.seconds or _NEVER)
                return cut(self.request, reset=False)
            case "reset_after_commit":
                return cut(self.request, reset=True)
            case "error_503_after":
                return html(503, NOT_AVAILABLE)
            case "answered_twice":
                seconds = 0.1 if fault.seconds is None else fault.seconds
                asyncio.get_running_loop().call_later(seconds, _write_again, self.request.transport, response)
                return response
            case "slow_drip":
                return _Dripping(response, fault.seconds or 5.0)
            case _:
                return self.garbled(fault, response)

    async def _hold(self, seconds: float) -> None:
        """Keeps the line open without an answer until time is up, the caller is gone or the sandbox stops."""
        loop = asyncio.get_running_loop()
        ends = loop.time() + seconds
        while loop.time() < ends and not self.sandbox.stopping.is_set():
            if self.request.transport is None or self.request.transport.is_closing():
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self.sandbox.stopping.wait(), min(0.25, ends - loop.time()))


class Unanswered(web.Response):
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


def cut(request: web.BaseRequest, *, reset: bool) -> web.Response:
    """Ends the connection without an answer; `reset`: with RST instead of a plain end."""
    transport = request.transport
    if transport is not None:
        connection = transport.get_extra_info("socket")
        if reset and connection is not None:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        transport.abort()
    return Unanswered(status=500)


def _write_again(transport: asyncio.Transport | None, response: web.Response) -> None:
    """The same answer once more on its connection, unasked."""
    if transport is not None and not transport.is_closing():
        body = bytes(response.body) if isinstance(response.body, bytes) else b""
        head = f"HTTP/1.1 {response.status} OK\r\nContent-Type: {response.content_type}\r\nContent-Length: {len(body)}"
        transport.write(head.encode() + b"\r\n\r\n" + body)


def json_answer(status: int, body: bytes) -> web.Response:
    """An answer in JSON."""
    response = web.Response(status=status, body=body, content_type="application/json")
    if len(body) > _LARGE:
        response.enable_chunked_encoding()
    return response


def html(status: int, body: bytes) -> web.Response:
    """A page."""
    return web.Response(status=status, body=body, content_type="text/html")


def base_request(message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> web.BaseRequest:
    """A request factory for `web.Server` that takes large bodies."""
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=_MAX_BODY)
