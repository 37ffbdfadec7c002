"""The HTTP client of plugins: send deadline, one write per attempt, redaction, trouble as the right error.

Redirects and repeats of the HTTP library are off. A read is retried by whoever calls it; a write never.
"""

import asyncio
import contextlib
import json
import os
import socket
from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Self
from urllib.parse import quote, quote_plus, urlsplit
from xml.sax.saxutils import escape

import aiohttp
from aiohttp.client_reqrep import ClientRequest, ClientResponse

from dagboek_sdk.attempt import Attempt
from dagboek_sdk.errors import NotProcessed, ToolError, ToolUnavailable, Trouble, Uncertain
from dagboek_sdk.limits import Budget, NoLimits, Permits

MAX_BODY = 32 * 1024 * 1024
"""Bytes of an answer that are read at most; a longer one is trouble of the tool."""
COUNTING = 5.0
"""Seconds in which what an answer says of the limits must be stored."""
_LOOKED_AT = 200_000
"""Characters of a body that are looked through for secrets; a tenth of it is recorded."""

_SECRET_HEADERS = {"authorization", "token", "dossiertoken", "softwarehouseuuid", "cookie", "set-cookie", "x-api-key"}

_writing: ContextVar[Sequence[Attempt]] = ContextVar("_writing", default=())


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer of the tool, read whole."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    def json(self) -> Any:
        """The body as JSON, numbers with a fraction as Decimal. ValueError if it is none."""
        return json.loads(self.body, parse_float=Decimal)

    @property
    def text(self) -> str:
        """The body as text, whatever it holds."""
        return self.body.decode("utf-8", "replace")

    @property
    def beginning(self) -> str:
        """As much of the text as may be recorded."""
        return self.body[:_LOOKED_AT].decode("utf-8", "replace")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A recorded exchange with the tool, for what was not plain success. Headers are redacted."""

    method: str
    url: str
    status: int | None
    request_headers: Mapping[str, str]
    request_body: str | None
    answer_body: str | None
    trouble: str | None = None
    link_id: int | None = None
    """The link that was written, where it was a write of one."""


Classify = Callable[[Answer], ToolError | None]
"""None: plain success. A ToolError: the tool's own words, recognised. `Uncertain`: nobody can tell."""

Recorder = Callable[[Exchange], None]


class _TooLong(aiohttp.ClientPayloadError):
    """An answer that is not read to its end."""


class _DeadlineRequest(ClientRequest):
    """Checks the send deadline at the last moment before the request's first byte is written."""

    async def send(self, conn: Any) -> ClientResponse:
        if conn.protocol.should_close:
            raise _Spoilt
        _check_deadline()
        return await super().send(conn)


class _Spoilt(Exception):
    """Something came on a kept connection after its last answer; the library would take it for the next one's."""


def _check_deadline() -> None:
    attempts = _writing.get()
    if any(one.sent for one in attempts):  # the HTTP library repeats a call whose kept-alive connection was closed
        raise Uncertain("a second send of one write was held back")
    if not all(one.may_start for one in attempts):
        raise NotProcessed("too late to send: the attempt's send deadline has passed")
    for one in attempts:
        one.sent = True


def _socket_factory(call_deadline: float) -> Callable[[Any], socket.socket]:
    def make(info: Any) -> socket.socket:
        made = socket.socket(family=info[0], type=info[1], proto=info[2])
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(call_deadline * 1000))
        return made

    return make


@dataclass
class Client:
    """HTTP for one connection. `classify` is the plugin's; `permits` are core's.

    `call_deadline` is in seconds and holds for a whole call, connecting and reading included.
    """

    classify: Classify
    call_deadline: float = 30.0
    permits: Permits = field(default_factory=NoLimits)
    budgets: Callable[[Answer], Sequence[Budget]] | None = None
    counts_as_error: Callable[[Answer], bool] | None = None
    record: Recorder | None = None
    session: aiohttp.ClientSession | None = None
    secrets: frozenset[str] = frozenset()
    """Values that are struck out of what is recorded."""
    keep_connections: bool = False
    """Whether a connection is used for more than one call; see `About.keeps_connections`."""
    _own: aiohttp.ClientSession | None = field(default=None, init=False, repr=False)

    def __post_init__(self) -> None:
        self._timeout = aiohttp.ClientTimeout(total=self.call_deadline)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _session(self) -> aiohttp.ClientSession:
        if self.session is None or self.session.closed:
            self.session = self._own = new_session(self.call_deadline, keep=self.keep_connections)
        return self.session

    async def close(self) -> None:
        """Closes the session, unless it was given and may serve others."""
        if self._own is not None:
            await self._own.close()
            self._own = None
        self.session = None

    async def read(
        self,
        method: str,
        url: str,
        *,
        group: str,
        settling: bool = False,
        accept: frozenset[int] = frozenset(),
        **request: Any,
    ) -> Answer:
        """A call that changes nothing in the books. Statuses in `accept` come back as they are.

        Raises what `classify` says, Throttled when its limit is used up, ToolUnavailable on trouble.
        """
        await self.permits.take(group, settling=settling)
        try:
            answer = await self._exchange(method, url, request)
        except (aiohttp.ClientError, TimeoutError, OSError) as trouble:
            self._recorded(method, url, request, None, trouble)
            raise ToolUnavailable(self._told(trouble, url), trouble=_trouble(trouble)) from trouble
        await self._count(group, answer)
        if answer.status in accept:
            return answer
        if error := self.classify(answer):
            self._recorded(method, url, request, answer, error)
            if isinstance(error, Uncertain):
                kind = error.trouble or _trouble_of(answer)
                raise ToolUnavailable(str(error), trouble=kind, tool_words=error.tool_words) from error
            raise error
        return answer

    async def write(self, attempt: Attempt, method: str, url: str, *, group: str | None, **request: Any) -> Answer:
        """The one call of an attempt that may write.

        The permit for `group` must have been taken before the intent; pass the group only for calls outside the
        push loop. Raises NotProcessed while nothing has been sent, the tool's own recognised answer, or Uncertain.
        """
        return await self.write_batch((attempt,), method, url, group=group, **request)

    async def write_batch(
        self, attempts: Sequence[Attempt], method: str, url: str, *, group: str | None, **request: Any
    ) -> Answer:
        """The one call of all these attempts that may write, as `write` is of one.

        It starts while every one of them may. What is raised holds for all: the answer was recognised as a whole.
        """
        if not attempts:
            raise ValueError("a write without an attempt")
        if any(one.sent for one in attempts):
            raise Uncertain("a second write in one attempt was held back")
        if group is not None:
            await self.permits.take(group)
        token = _writing.set(attempts)
        try:
            answer = await self._exchange(method, url, request)
        except (NotProcessed, Uncertain):
            raise
        except BaseException as trouble:
            self._recorded(method, url, request, None, trouble, attempts)
            if attempts[0].sent:
                if isinstance(trouble, Exception):
                    unknown = Uncertain(f"{self._told(trouble, url)}, after sending")
                    unknown.trouble = _trouble(trouble)
                    raise unknown from trouble
                raise
            if isinstance(trouble, aiohttp.ClientError | TimeoutError | OSError):
                told = f"{self._told(trouble, url)}, before sending"
                raise ToolUnavailable(told, trouble=_trouble(trouble)) from trouble
            raise
        finally:
            _writing.reset(token)
        try:
            return self._judged(attempts, method, url, request, answer)
        finally:
            await self._count(group or attempts[0].group, answer)

    async def _count(self, group: str | None, answer: Answer) -> None:
        """Has the limits know what the answer says of them; never at the cost of the answer itself."""
        if group is None or self.budgets is None or self.counts_as_error is None:
            return
        with contextlib.suppress(Exception):
            async with asyncio.timeout(COUNTING):
                if self.counts_as_error(answer):
                    await self.permits.failed(group)
                if budgets := self.budgets(answer):
                    await self.permits.correct(group, budgets)

    def _judged(
        self, attempts: Sequence[Attempt], method: str, url: str, request: dict[str, Any], answer: Answer
    ) -> Answer:
        try:
            verdict = self.classify(answer)
        except Exception as bug:
            verdict = Uncertain(f"the answer {answer.status} could not be read: {type(bug).__name__}")
        if verdict is None:
            for one in attempts:
                one.answer_ok = True
            return answer
        self._recorded(method, url, request, answer, verdict, attempts)
        if isinstance(verdict, Uncertain):
            verdict.trouble = verdict.trouble or _trouble_of(answer)
        else:
            for one in attempts:
                one.verdict = verdict
        raise verdict

    async def _exchange(self, method: str, url: str, request: dict[str, Any]) -> Answer:
        # a session may be shared by connections with other deadlines
        request = {"timeout": self._timeout, **request}
        while True:
            try:
                return await self._call(method, url, request)
            except _Spoilt:  # nothing was written, and the library has closed the connection
                continue

    async def _call(self, method: str, url: str, request: dict[str, Any]) -> Answer:
        async with self._session().request(method, url, allow_redirects=False, **request) as response:
            if (response.content_length or 0) > MAX_BODY:  # so it is not read at all
                raise _TooLong
            body = bytearray()
            async for chunk in response.content.iter_any():
                if len(body) + len(chunk) > MAX_BODY:
                    raise _TooLong
                body += chunk
            return Answer(response.status, response.headers, bytes(body))

    def _told(self, trouble: BaseException, url: str) -> str:
        """What went wrong on the way to the tool and back, in words, with the host: no path, which may hold data."""
        host = urlsplit(url).netloc.rpartition("@")[2] or "the tool"
        match trouble:
            case aiohttp.ClientConnectorDNSError():
                return f"the host {host} cannot be found"
            case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
                return f"the address of {host} cannot be used"
            case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
                return f"{host} does not prove who it is: its certificate is not accepted"
            case aiohttp.ConnectionTimeoutError():
                return f"{host} cannot be reached in time"
            case TimeoutError():
                return f"{host} did not answer within {self.call_deadline:g} seconds"
            case aiohttp.ClientConnectorError():
                reason = os.strerror(trouble.os_error.errno).lower() if trouble.os_error.errno else ""
                return f"{host} cannot be reached" + (f" ({reason})" if reason else "")
            case _TooLong():
                return f"the answer of {host} was longer than {MAX_BODY // 2**20} MB"
            case aiohttp.ClientPayloadError():
                return f"the answer of {host} came incomplete"
            case aiohttp.ClientError() | OSError():
                return f"{host} ended the connection without an answer"
        return f"{type(trouble).__name__} in the call to {host}"

    def _recorded(
        self,
        method: str,
        url: str,
        request: dict[str, Any],
        answer: Answer | None,
        trouble: BaseException | None,
        attempts: Sequence[Attempt] = (),
    ) -> None:
        if self.record is None:
            return
        shown = _shown(request.get("json", request.get("data")))
        headers = redact_headers(request.get("headers") or {})
        self.record(
            Exchange(
                method=method,
                url=self._struck(url),
                status=answer.status if answer else None,
                request_headers={name: self._struck(value) for name, value in headers.items()},
                request_body=self._struck(shown[:_LOOKED_AT])[:20_000] if shown else None,
                answer_body=self._struck(answer.beginning)[:20_000] if answer else None,
                trouble=self._struck(f"{type(trouble).__name__}: {trouble}") if trouble else None,
                link_id=attempts[0].link_id if len(attempts) == 1 else None,
            )
        )

    def _struck(self, text: str) -> str:
        """`text` without the secrets, however JSON or an address spells them; the longest first."""
        spelled = {way(secret) for secret in self.secrets if secret for way in _SPELLINGS}
        for secret in sorted(spelled, key=len, reverse=True):
            text = text.replace(secret, "[redacted]")
        return text


def _trouble_of(answer: Answer) -> Trouble:
    """Of an answer that the tool did not give as one."""
    return Trouble.OWN_FAULT if answer.status >= 500 else Trouble.PAGE


def _trouble(trouble: BaseException) -> Trouble | None:
    """What kind of trouble on the way it was, for people: without the host, and without anything of a document."""
    match trouble:
        case aiohttp.ClientConnectorDNSError():
            return Trouble.NAME
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return None
        case aiohttp.ClientSSLError() | aiohttp.ServerFingerprintMismatch():
            return Trouble.CERTIFICATE
        case TimeoutError():
            return Trouble.TIME_OUT
        case aiohttp.ClientConnectorError(os_error=ConnectionRefusedError()):
            return Trouble.REFUSED
        case aiohttp.ClientConnectorError():
            return Trouble.NO_WAY
        case _TooLong() | aiohttp.ClientResponseError():
            return Trouble.PAGE
    return Trouble.CUT_OFF


def _shown(body: Any) -> str | None:
    if isinstance(body, bytes):
        return body.decode("utf-8", "replace")
    return body if isinstance(body, str | None) else json.dumps(body, default=str)


_SPELLINGS: tuple[Callable[[str], str], ...] = (
    str,
    lambda secret: json.dumps(secret)[1:-1],
    lambda secret: json.dumps(secret, ensure_ascii=False)[1:-1],
    quote,
    quote_plus,
    lambda secret: quote(secret, safe=""),
    escape,
)


def new_session(call_deadline: float, connections: int = 256, *, keep: bool = False) -> aiohttp.ClientSession:
    """A session whose requests keep the send deadline; may be shared by all connections of one loop.

    Without `keep` each of its connections is used once: HTTP/1.1 names no request in an answer, so that one which comes
    twice, as gateways have them come, is taken for that of the next call which waits on its connection.
    """
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(
            limit=connections,
            socket_factory=_socket_factory(call_deadline),
            ttl_dns_cache=60,
            force_close=not keep,
        ),
        timeout=aiohttp.ClientTimeout(total=call_deadline),
        request_class=_DeadlineRequest,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=True,
    )


def redact_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Headers with the values of those that carry secrets struck out."""
    return {name: "[redacted]" if name.lower() in _SECRET_HEADERS else value for name, value in headers.items()}
