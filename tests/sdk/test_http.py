"""The HTTP client against real servers on loopback: one write per attempt, and the truth about what was sent."""

import asyncio
import re
import resource
import sys
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock, http
from dagboek_sdk.attempt import SEND_WINDOW, Attempt, Booking, Op
from dagboek_sdk.errors import NotProcessed, Refused, Throttled, ToolError, ToolUnavailable, Trouble, Uncertain
from dagboek_sdk.http import Answer, Client, Exchange, new_session, redact_headers
from dagboek_sdk.limits import Budget, Window


def an_attempt(late: bool = False) -> Attempt:
    attempt = Attempt(
        link_id=1,
        link_no=1,
        number=1,
        op=Op.CREATE,
        identity="d1:1",
        kind=ItemKind.DOCUMENT,
        component=Component.SALES_INVOICES,
        booking=Booking({}),
    )
    return attempt.start(clock.boot_time() - (SEND_WINDOW + 1 if late else 0))


def classify(answer: Answer) -> ToolError | None:
    """As a plugin does: success, the tool's own refusal, or nobody knows."""
    if answer.status < 400:
        return None
    if answer.status == 422:
        return Refused(Issue(code="T1"), tool_words=answer.text)
    if answer.status == 429:
        return Throttled(None)
    return Uncertain(f"answer {answer.status}")


@dataclass
class Tool:
    """A server that does what the test says, and remembers what it saw."""

    answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]
    seen: list[tuple[str, str, bytes]] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self.seen.append((request.method, request.path_qs, await request.read()))
        return await self.answer(request)


@asynccontextmanager
async def tool(
    answer: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]] | web.Response,
) -> AsyncIterator[Tool]:
    async def always(_: web.BaseRequest) -> web.StreamResponse:
        assert isinstance(answer, web.Response)
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)

    served = Tool(always if isinstance(answer, web.Response) else answer)
    runner = web.ServerRunner(web.Server(served.handle))
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        served.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield served
    finally:
        await runner.cleanup()


@dataclass
class RawServer:
    """Speaks HTTP by hand, so that it can leave a connection in any state."""

    requests: list[bytes] = field(default_factory=list)
    connections: int = 0
    url: str = ""


@asynccontextmanager
async def raw_server(
    respond: Callable[[RawServer, bytes, asyncio.StreamWriter], Awaitable[bool]],
) -> AsyncIterator[RawServer]:
    """`respond` gets each request and its writer, and says whether the connection stays open."""
    served = RawServer()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = re.search(rb"(?i)content-length: (\d+)", head)
                served.requests.append(head + await reader.readexactly(int(length[1]) if length else 0))
                if not await respond(served, served.requests[-1], writer):
                    return
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    served.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    try:
        yield served
    finally:
        server.close()
        await server.wait_closed()


@asynccontextmanager
async def client(**options: Any) -> AsyncIterator[Client]:
    made = Client(**{"classify": classify, "call_deadline": 5.0, **options})
    try:
        yield made
    finally:
        await made.close()


class Permits:
    """Counts what is taken, and refuses when it is told to."""

    def __init__(self, refuse: bool = False) -> None:
        self.taken: list[tuple[str, bool]] = []
        self.refuse = refuse
        self.corrected: list[tuple[str | Budget, ...]] = []
        self.failures: list[str] = []

    async def take(self, group: str, *, settling: bool = False) -> None:
        self.taken.append((group, settling))
        if self.refuse:
            raise Throttled(None, group=group)

    async def correct(self, group: str, budgets: Sequence[Budget]) -> None:
        self.corrected.append((group, *budgets))

    async def failed(self, group: str) -> None:
        self.failures.append(group)


# a write that goes well, or is answered by the tool itself


async def test_a_write_that_succeeds_is_sent_once_and_marked() -> None:
    async with tool(web.json_response({"id": 7, "amount": 121.10}, status=201)) as server, client() as http_client:
        attempt = an_attempt()
        answer = await http_client.write(attempt, "POST", f"{server.url}/entries", group="book", json={"a": 1})
    assert answer.status == 201
    assert answer.json()["amount"] == Decimal("121.10")
    assert (attempt.sent, attempt.answer_ok, attempt.verdict) == (True, True, None)
    assert server.seen == [("POST", "/entries", b'{"a": 1}')]


async def test_the_tools_own_refusal_is_a_verdict() -> None:
    async with tool(web.Response(status=422, text="period closed")) as server, client() as http_client:
        attempt = an_attempt()
        with pytest.raises(Refused) as raised:
            await http_client.write(attempt, "POST", server.url, group=None)
    assert attempt.verdict is raised.value
    assert raised.value.tool_words == "period closed"
    assert attempt.sent
    assert not attempt.answer_ok


# the send deadline


async def test_after_the_send_deadline_nothing_reaches_the_tool() -> None:
    async with tool(web.Response()) as server, client() as http_client:
        attempt = an_attempt(late=True)
        with pytest.raises(NotProcessed, match="too late"):
            await http_client.write(attempt, "POST", server.url, group=None)
    assert server.seen == []
    assert not attempt.sent
    assert attempt.verdict is None


async def test_the_deadline_is_checked_just_before_writing_and_not_before_connecting() -> None:
    """Waiting for a permit, a free connection or a slow handshake counts: all of that comes before the check."""

    class SlowPermits(Permits):
        async def take(self, group: str, *, settling: bool = False) -> None:
            attempt.send_until = clock.boot_time() + 0.05
            await asyncio.sleep(0.1)

    attempt = an_attempt()
    async with tool(web.Response()) as server, client(permits=SlowPermits()) as http_client:
        with pytest.raises(NotProcessed):
            await http_client.write(attempt, "POST", server.url, group="book")
    assert server.seen == []
    assert not attempt.sent


async def test_a_wait_for_a_free_connection_counts_towards_the_deadline() -> None:
    answers = asyncio.Event()

    async def slow(request: web.BaseRequest) -> web.Response:
        await answers.wait()
        return web.Response()

    session = new_session(5.0, connections=1)
    async with tool(slow) as server, client(session=session) as http_client:
        reading = asyncio.create_task(http_client.read("GET", f"{server.url}/first", group="read"))
        async with asyncio.timeout(60):
            while not server.seen:
                await asyncio.sleep(0.01)
        attempt = an_attempt()
        attempt.send_until = clock.boot_time() + 0.1
        asyncio.get_running_loop().call_later(1, answers.set)  # the connection is free when time is up
        with pytest.raises(NotProcessed):
            await http_client.write(attempt, "POST", f"{server.url}/second", group=None)
        await reading
    await session.close()
    assert [path for _, path, _ in server.seen] == ["/first"]


async def test_an_attempt_that_was_never_started_may_not_be_sent() -> None:
    async with tool(web.Response()) as server, client() as http_client:
        attempt = an_attempt()
        attempt.send_until = 0.0
        with pytest.raises(NotProcessed):
            await http_client.write(attempt, "POST", server.url, group=None)
    assert server.seen == []


async def test_reads_know_no_send_deadline() -> None:
    async with tool(web.json_response({"ok": True})) as server, client() as http_client:
        await http_client.write(an_attempt(), "POST", server.url, group=None)
        answer = await http_client.read("GET", server.url, group="read")
    assert answer.json() == {"ok": True}


# one write per attempt


async def test_a_second_write_of_an_attempt_is_held_back() -> None:
    async with tool(web.Response(status=201)) as server, client() as http_client:
        attempt = an_attempt()
        await http_client.write(attempt, "POST", server.url, group=None)
        with pytest.raises(Uncertain, match="second write"):
            await http_client.write(attempt, "POST", server.url, group=None)
    assert len(server.seen) == 1


async def test_a_second_write_is_held_back_after_a_refusal_as_well() -> None:
    async with tool(web.Response(status=422)) as server, client() as http_client:
        attempt = an_attempt()
        with pytest.raises(Refused):
            await http_client.write(attempt, "POST", server.url, group=None)
        with pytest.raises(Uncertain):
            await http_client.write(attempt, "POST", server.url, group=None)
    assert len(server.seen) == 1


# one write for many attempts


async def test_a_write_of_many_is_one_request_that_marks_each() -> None:
    attempts = [an_attempt() for _ in range(3)]
    async with tool(web.Response(status=201)) as server, client() as http_client:
        answer = await http_client.write_batch(attempts, "POST", server.url, group=None, data=b"three")
        with pytest.raises(Uncertain, match="second write"):
            await http_client.write(attempts[2], "POST", server.url, group=None)
    assert answer.status == 201
    assert [body for _, _, body in server.seen] == [b"three"]
    assert [(one.sent, one.answer_ok, one.verdict) for one in attempts] == [(True, True, None)] * 3


async def test_a_refusal_of_many_is_the_verdict_of_each() -> None:
    attempts = [an_attempt() for _ in range(3)]
    async with tool(web.Response(status=422)) as server, client() as http_client:
        with pytest.raises(Refused) as raised:
            await http_client.write_batch(attempts, "POST", server.url, group=None)
    assert [one.verdict for one in attempts] == [raised.value] * 3
    assert not any(one.answer_ok for one in attempts)


@pytest.mark.parametrize("late", range(3))
async def test_a_write_of_many_starts_while_each_of_them_may(late: int) -> None:
    attempts = [an_attempt(late=at == late) for at in range(3)]
    async with tool(web.Response()) as server, client() as http_client:
        with pytest.raises(NotProcessed, match="too late"):
            await http_client.write_batch(attempts, "POST", server.url, group=None)
    assert server.seen == []
    assert not any(one.sent for one in attempts)


async def test_a_write_of_many_is_held_back_where_one_of_them_was_written() -> None:
    written, fresh = an_attempt(), an_attempt()
    async with tool(web.Response()) as server, client() as http_client:
        await http_client.write(written, "POST", server.url, group=None)
        with pytest.raises(Uncertain):
            await http_client.write_batch([fresh, written], "POST", server.url, group=None)
    assert len(server.seen) == 1
    assert not fresh.sent


async def test_a_write_of_many_without_an_answer_leaves_each_uncertain() -> None:
    attempts = [an_attempt() for _ in range(3)]
    async with raw_server(keep_the_first_close_the_second) as server, client() as http_client:
        with pytest.raises(Uncertain):
            await http_client.write_batch(attempts, "PUT", server.url, group=None, data=b"entries")
    assert len(server.requests) == 1
    assert [(one.sent, one.answer_ok, one.verdict) for one in attempts] == [(True, False, None)] * 3


async def test_a_write_without_an_attempt_is_none() -> None:
    """Else anything could be written, with no intent and no deadline."""
    async with tool(web.Response()) as server, client() as http_client:
        with pytest.raises(ValueError, match="without an attempt"):
            await http_client.write_batch([], "POST", server.url, group=None)
    assert server.seen == []


async def keep_the_first_close_the_second(server: RawServer, request: bytes, writer: asyncio.StreamWriter) -> bool:
    """Answers reads and keeps the connection; closes it as soon as a PUT has been read on it."""
    if request.startswith(b"PUT"):
        return False
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    await writer.drain()
    return True


async def test_the_http_library_itself_would_send_a_put_again() -> None:
    """Not a test of ours: it shows that the next one guards against something that happens."""
    async with raw_server(keep_the_first_close_the_second) as server, aiohttp.ClientSession() as session:
        async with session.get(server.url) as answer:
            await answer.read()
        with pytest.raises(aiohttp.ServerDisconnectedError):
            await session.put(server.url, data=b"entry")
    assert sum(request.startswith(b"PUT") for request in server.requests) == 2


@pytest.mark.parametrize("warm", [True, False], ids=["kept-alive", "fresh"])
async def test_a_put_on_a_dropped_connection_is_sent_once(warm: bool) -> None:
    async with raw_server(keep_the_first_close_the_second) as server, client() as http_client:
        if warm:
            await http_client.read("GET", server.url, group="read")
        attempt = an_attempt()
        with pytest.raises(Uncertain):
            await http_client.write(attempt, "PUT", server.url, group=None, data=b"entry")
    assert sum(request.startswith(b"PUT") for request in server.requests) == 1
    assert attempt.sent
    assert attempt.verdict is None


async def answer_twice(server: RawServer, request: bytes, writer: asyncio.StreamWriter) -> bool:
    """The first entry is answered at once and again a moment later; the tool refuses the second entry."""
    booked = b"HTTP/1.1 201 Created\r\nContent-Length: 6\r\n\r\nbooked"
    if b"first" in request:
        writer.write(booked)
        await writer.drain()
        await asyncio.sleep(0.1)
        writer.write(booked)
    else:
        writer.write(b"HTTP/1.1 422 No\r\nContent-Length: 7\r\n\r\nrefused")
    await writer.drain()
    return True


async def test_the_http_library_itself_would_take_an_answer_that_comes_twice_for_that_of_the_next_call() -> None:
    """Not a test of ours: it shows that the next one guards against something that happens."""
    async with raw_server(answer_twice) as server, aiohttp.ClientSession() as session:
        async with session.post(server.url, data=b"first") as answer:
            await answer.read()
        await asyncio.sleep(0.3)
        async with session.post(server.url, data=b"second") as answer:
            assert answer.status == 201


@pytest.mark.parametrize("method", ["POST", "PUT"])
async def test_an_answer_that_comes_twice_is_not_taken_for_that_of_the_next_write(method: str) -> None:
    async with raw_server(answer_twice) as server, client() as http_client:
        first, second = an_attempt(), an_attempt()
        await http_client.write(first, method, server.url, group=None, data=b"first")
        await asyncio.sleep(0.3)
        with pytest.raises(Refused):
            await http_client.write(second, method, server.url, group=None, data=b"second")
    assert [b"second" in request for request in server.requests] == [False, True]
    assert server.connections == 2


async def answer_twice_while_the_next_waits(server: RawServer, request: bytes, writer: asyncio.StreamWriter) -> bool:
    """The second answer of the first comes when the next write has been sent; that one is refused a moment later."""
    if b"first" in request:
        booked = b"HTTP/1.1 201 Created\r\nContent-Length: 6\r\n\r\nbooked"
        writer.write(booked)
        asyncio.get_running_loop().call_later(0.3, writer.write, booked)
    else:
        await asyncio.sleep(0.8)
        writer.write(b"HTTP/1.1 422 No\r\nContent-Length: 7\r\n\r\nrefused")
    return True


@pytest.mark.parametrize("keep", [False, True])
async def test_an_answer_that_comes_twice_while_the_next_write_waits(*, keep: bool) -> None:
    async with (
        raw_server(answer_twice_while_the_next_waits) as server,
        client(keep_connections=keep) as http_client,
    ):
        await http_client.write(an_attempt(), "POST", server.url, group=None, data=b"first")
        second = an_attempt()
        if keep:  # what else would happen
            await http_client.write(second, "POST", server.url, group=None, data=b"second")
        else:
            with pytest.raises(Refused):
                await http_client.write(second, "POST", server.url, group=None, data=b"second")
    assert second.answer_ok == keep
    assert server.connections == (1 if keep else 2)


async def test_writes_of_two_attempts_at_once_do_not_mix_up() -> None:
    async def slow(request: web.BaseRequest) -> web.Response:
        await asyncio.sleep(0.05)
        return web.Response(status=201)

    async with tool(slow) as server, client() as http_client:
        attempts = [an_attempt() for _ in range(20)]
        late = an_attempt(late=True)
        answers = await asyncio.gather(
            *(http_client.write(attempt, "POST", server.url, group=None) for attempt in [*attempts, late]),
            return_exceptions=True,
        )
    assert isinstance(answers.pop(), NotProcessed)
    assert all(isinstance(answer, Answer) for answer in answers)
    assert all(attempt.sent and attempt.answer_ok for attempt in attempts)
    assert not late.sent
    assert len(server.seen) == 20


# trouble before sending, and after


async def test_a_refused_connection_is_trouble_before_sending() -> None:
    async with raw_server(keep_the_first_close_the_second) as server:
        pass  # closed again: nobody listens there
    async with client() as http_client:
        attempt = an_attempt()
        with pytest.raises(ToolUnavailable, match="before sending"):
            await http_client.write(attempt, "POST", server.url, group=None)
        with pytest.raises(ToolUnavailable):
            await http_client.read("GET", server.url, group="read")
    assert not attempt.sent


async def never(server: "RawServer", request: bytes, writer: asyncio.StreamWriter) -> bool:
    return True


async def cut(server: "RawServer", request: bytes, writer: asyncio.StreamWriter) -> bool:
    return False


async def page(server: "RawServer", request: bytes, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n<ht>")
    return True


async def down(server: "RawServer", request: bytes, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 503 Down\r\nContent-Length: 0\r\n\r\n")
    return True


@pytest.mark.parametrize(
    ("answering", "trouble"),
    [(never, Trouble.TIME_OUT), (cut, Trouble.CUT_OFF), (page, Trouble.PAGE), (down, Trouble.OWN_FAULT)],
)
async def test_the_kind_of_trouble_is_told(answering: Any, trouble: Trouble) -> None:
    def classified(answer: Answer) -> ToolError:
        return Uncertain(f"answer {answer.status}")

    deadline = 5.0 if answering is never else 30.0  # a busy machine may take a while to connect
    async with raw_server(answering) as server, Client(classify=classified, call_deadline=deadline) as http_client:
        with pytest.raises(ToolUnavailable) as away:
            await http_client.read("GET", server.url, group="read")
        with pytest.raises(Uncertain) as unknown:
            await http_client.write(an_attempt(), "POST", server.url, group=None)
    assert (away.value.trouble, unknown.value.trouble) == (trouble, trouble)


async def test_the_kind_of_trouble_before_anything_is_sent_is_told() -> None:
    async def no_tls(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 This is no TLS\r\n\r\n")
        writer.close()

    babbling = await asyncio.start_server(no_tls, "127.0.0.1", 0)
    async with babbling, client(call_deadline=60.0) as http_client:
        port = babbling.sockets[0].getsockname()[1]
        with pytest.raises(ToolUnavailable) as foreign:
            await http_client.read("GET", f"https://127.0.0.1:{port}/", group="read")
        with pytest.raises(ToolUnavailable) as unknown:
            await http_client.read("GET", "http://nobody.invalid/", group="read")
    async with client() as http_client:
        with pytest.raises(ToolUnavailable) as refused:
            await http_client.write(an_attempt(), "POST", f"http://127.0.0.1:{port}/", group=None)
    found = [one.value.trouble for one in (foreign, unknown, refused)]
    assert found == [Trouble.CERTIFICATE, Trouble.NAME, Trouble.REFUSED]


async def test_a_time_out_after_sending_is_uncertain() -> None:
    gone = asyncio.Event()

    async def never(request: web.BaseRequest) -> web.Response:
        await gone.wait()
        return web.Response(status=201)

    async with tool(never) as server, client(call_deadline=5.0) as http_client:
        attempt = an_attempt()
        before = time.monotonic()
        with pytest.raises(Uncertain, match="after sending"):
            await http_client.write(attempt, "POST", server.url, group=None)
        assert time.monotonic() - before < 60
        gone.set()
    assert attempt.sent
    assert len(server.seen) == 1


async def test_a_time_out_in_the_middle_of_the_answer_is_uncertain() -> None:
    async def half(server: RawServer, request: bytes, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\nbooked un")
        await writer.drain()
        return True

    async with raw_server(half) as server, client(call_deadline=5.0) as http_client:
        attempt = an_attempt()
        with pytest.raises(Uncertain):
            await http_client.write(attempt, "POST", server.url, group=None)
    assert attempt.sent


@pytest.mark.parametrize(
    "answered", [b"", b"HTTP/1.1 201 Crea", b"HTTP/1.1 201 Created\r\nContent-Length: 9\r\n\r\nboo"]
)
async def test_a_reset_after_sending_is_uncertain(answered: bytes) -> None:
    async def reset(server: RawServer, request: bytes, writer: asyncio.StreamWriter) -> bool:
        if answered:
            writer.write(answered)
            await writer.drain()
        writer.transport.abort()
        return False

    async with raw_server(reset) as server, client() as http_client:
        attempt = an_attempt()
        with pytest.raises(Uncertain):
            await http_client.write(attempt, "POST", server.url, group=None)
    assert attempt.sent
    assert attempt.verdict is None
    assert len(server.requests) == 1


async def test_an_answer_that_is_no_http_is_uncertain() -> None:
    async def babble(server: RawServer, request: bytes, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"what?\r\n\r\n")
        await writer.drain()
        return False

    async with raw_server(babble) as server, client() as http_client:
        attempt = an_attempt()
        with pytest.raises(Uncertain):
            await http_client.write(attempt, "POST", server.url, group=None)
    assert attempt.sent


@pytest.mark.parametrize("status", [500, 502, 503, 504])
async def test_trouble_of_the_server_is_uncertain_unless_the_plugin_knows_better(status: int) -> None:
    async with tool(web.Response(status=status, text="<h1>Maintenance</h1>")) as server, client() as http_client:
        attempt = an_attempt()
        with pytest.raises(Uncertain):
            await http_client.write(attempt, "POST", server.url, group=None)
        with pytest.raises(ToolUnavailable):
            await http_client.read("GET", server.url, group="read")
    assert attempt.verdict is None
    assert not attempt.answer_ok


async def test_what_a_plugin_says_of_an_answer_that_is_none_is_told_to_who_reads() -> None:
    def says(answer: Answer) -> ToolError | None:
        odd = Uncertain("an answer that is empty", tool_words="Oops")
        odd.trouble = Trouble.PAGE
        return odd

    async with tool(web.Response(status=500)) as server, client(classify=says) as http_client:
        with pytest.raises(ToolUnavailable, match="an answer that is empty") as unavailable:
            await http_client.read("GET", server.url, group="read")
    told = unavailable.value
    assert (told.trouble, told.tool_words) == (Trouble.PAGE, "Oops")
    assert isinstance(told.__cause__, Uncertain)


async def test_a_plugin_that_stumbles_over_the_answer_leaves_it_uncertain() -> None:
    def stumbling(answer: Answer) -> ToolError | None:
        raise KeyError("id")

    async with tool(web.json_response({}, status=201)) as server, client(classify=stumbling) as http_client:
        attempt = an_attempt()
        with pytest.raises(Uncertain, match="could not be read: KeyError"):
            await http_client.write(attempt, "POST", server.url, group=None)
    assert attempt.sent
    assert attempt.verdict is None
    assert not attempt.answer_ok


async def test_a_cancelled_write_says_whether_it_was_sent() -> None:
    arrived, gone = asyncio.Event(), asyncio.Event()

    async def hold(request: web.BaseRequest) -> web.Response:
        arrived.set()
        await gone.wait()
        return web.Response()

    async with tool(hold) as server, client() as http_client:
        attempt = an_attempt()
        writing = asyncio.create_task(http_client.write(attempt, "POST", server.url, group=None))
        await arrived.wait()
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        gone.set()
    assert attempt.sent
    assert attempt.verdict is None


async def test_an_answer_without_end_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_BODY", 10_000)

    async def endless(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for _ in range(10_000):
            await response.write(b"x" * 1000)
        return response

    async with tool(endless) as server, client() as http_client:
        attempt = an_attempt()
        with pytest.raises(Uncertain):
            await http_client.write(attempt, "POST", server.url, group=None)
        with pytest.raises(ToolUnavailable):
            await http_client.read("GET", server.url, group="read")


async def test_an_answer_that_says_that_it_is_too_long_is_not_read_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http, "MAX_BODY", 3 * 1024 * 1024)
    written: list[int] = []

    async def long(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 3 * 1024 * 1024 + 1
        await response.prepare(request)
        await asyncio.sleep(0.2)  # whoever reads has the head before the body
        with suppress(ConnectionError):
            for _ in range(3):
                await response.write(b"x" * 1024 * 1024)
                written.append(1)
        return response

    async with tool(long) as server, client() as http_client:
        with pytest.raises(ToolUnavailable, match="was longer than 3 MB"):
            await http_client.read("GET", server.url, group="read")
        await asyncio.sleep(0.5)
    assert len(written) < 3


async def test_a_small_answer_that_unpacks_to_gigabytes_is_refused_before_it_takes_them() -> None:
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    bomb = b"".join([packer.compress(bytes(1 << 20)) for _ in range(1024)]) + packer.flush()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    async with tool(web.Response(body=bomb, headers={"Content-Encoding": "gzip"})) as server, client() as http_client:
        with pytest.raises(ToolUnavailable, match="was longer than 32 MB"):
            await http_client.read("GET", server.url, group="read")
    kilobytes = 1024 if sys.platform == "darwin" else 1
    assert (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / kilobytes < 300_000


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirects_are_answers_and_not_followed(status: int) -> None:
    """A 307 would have the library send the entry a second time, to another address."""
    moved = web.Response(status=status, headers={"Location": "/elsewhere"})
    async with tool(moved) as server, client(classify=lambda answer: None) as http_client:
        attempt = an_attempt()
        answer = await http_client.write(attempt, "POST", f"{server.url}/here", group=None, data=b"entry")
        await http_client.read("GET", f"{server.url}/here", group="read")
    assert answer.status == status
    assert [path for _, path, _ in server.seen] == ["/here", "/here"]


async def test_cookies_are_not_kept() -> None:
    """All connections of a tool may share a session: what one was given must not be sent by another."""
    cookies: list[str | None] = []

    async def give(request: web.BaseRequest) -> web.Response:
        cookies.append(request.headers.get("Cookie"))
        return web.Response(headers={"Set-Cookie": "session=1"})

    async with tool(give) as server, client() as http_client:
        address = server.url.replace("127.0.0.1", "localhost")  # no library keeps cookies of bare addresses
        await http_client.read("GET", address, group="read")
        await http_client.read("GET", address, group="read")
    assert cookies == [None, None]


# limits


async def test_a_permit_is_taken_before_anything_is_sent() -> None:
    permits = Permits(refuse=True)
    async with tool(web.Response()) as server, client(permits=permits) as http_client:
        attempt = an_attempt()
        with pytest.raises(Throttled):
            await http_client.write(attempt, "POST", server.url, group="book")
        with pytest.raises(Throttled):
            await http_client.read("GET", server.url, group="read", settling=True)
    assert permits.taken == [("book", False), ("read", True)]
    assert server.seen == []
    assert not attempt.sent


async def test_a_write_whose_permit_core_took_takes_none() -> None:
    permits = Permits(refuse=True)
    async with tool(web.Response(status=201)) as server, client(permits=permits) as http_client:
        await http_client.write(an_attempt(), "POST", server.url, group=None)
    assert permits.taken == []


@pytest.mark.parametrize("writes", [True, False])
async def test_what_an_answer_says_of_the_limits_is_told_beside_its_meaning(writes: bool) -> None:
    permits = Permits()
    said = Budget(Window.MINUTE, 7)
    options: dict[str, Any] = {"permits": permits, "budgets": lambda _: [said]}
    options["counts_as_error"] = lambda answer: answer.status == 422
    attempt = an_attempt()
    attempt.group = "bookings"
    async with tool(web.Response(status=422, text="no such journal")) as server, client(**options) as http_client:
        with pytest.raises(Refused):
            if writes:
                await http_client.write(attempt, "POST", server.url, group=None)
            else:
                await http_client.read("GET", server.url, group="bookings")
    assert permits.failures == ["bookings"]
    assert permits.corrected == [("bookings", said)]


async def test_limits_that_cannot_be_told_change_no_outcome() -> None:
    class Away(Permits):
        async def correct(self, group: str, budgets: Sequence[Budget]) -> None:
            raise OSError("the database is away")

    options: dict[str, Any] = {"budgets": lambda _: [Budget(Window.MINUTE, 7)], "counts_as_error": lambda _: False}
    attempt = an_attempt()
    async with tool(web.Response()) as server, client(permits=Away(), **options) as http_client:
        await http_client.write(attempt, "POST", server.url, group="bookings")
    assert attempt.answer_ok


# reads


async def test_statuses_that_a_read_expects_come_back_as_they_are() -> None:
    async with tool(web.Response(status=404, text="none")) as server, client() as http_client:
        answer = await http_client.read("GET", server.url, group="read", accept=frozenset({404}))
    assert (answer.status, answer.text) == (404, "none")


async def test_a_read_raises_what_the_plugin_recognises() -> None:
    async with tool(web.Response(status=429)) as server, client() as http_client:
        with pytest.raises(Throttled):
            await http_client.read("GET", server.url, group="read")


# what is recorded


async def recorded(answer: web.Response, write: bool = False, **request: Any) -> Exchange:
    found: list[Exchange] = []
    secrets = frozenset({"tok-123", 'p"a/s&s w'})
    async with tool(answer) as server, client(record=found.append, secrets=secrets) as http_client:
        address = f"{server.url}/?key={request.pop('key', '')}"
        with pytest.raises(ToolError):
            if write:
                await http_client.write(an_attempt(), "POST", address, group=None, **request)
            else:
                await http_client.read("POST", address, group="read", **request)
    (exchange,) = found
    return exchange


async def test_plain_success_is_not_recorded() -> None:
    found: list[Exchange] = []
    async with tool(web.Response()) as server, client(record=found.append) as http_client:
        await http_client.write(an_attempt(), "POST", server.url, group=None)
        await http_client.read("GET", server.url, group="read")
    assert found == []


@pytest.mark.parametrize("write", [True, False])
async def test_headers_that_carry_secrets_are_struck_out(write: bool) -> None:
    names = ("Authorization", "dossierToken", "Token", "softwareHouseUuid", "Cookie", "X-Api-Key")
    headers = dict.fromkeys(names, "do not tell") | {"X-Trace": "7", "X-Other": "with tok-123 in it"}
    exchange = await recorded(web.Response(status=422, text="no"), write, headers=headers)
    assert dict(exchange.request_headers) == {
        **dict.fromkeys(names, "[redacted]"),
        "X-Trace": "7",
        "X-Other": "with [redacted] in it",
    }
    assert (exchange.method, exchange.status, exchange.answer_body) == ("POST", 422, "no")


@pytest.mark.parametrize("secret", ["tok-123", 'p"a/s&s w'])
@pytest.mark.parametrize("body", ["json", "text", "bytes", "form"])
async def test_secrets_are_struck_out_however_they_are_spelled(secret: str, body: str) -> None:
    ways: dict[str, dict[str, Any]] = {
        "json": {"json": {"password": secret}},
        "text": {"data": f"before {secret} after"},
        "bytes": {"data": f"before {secret} after".encode()},
        "form": {"data": {"password": secret}},
    }
    exchange = await recorded(web.json_response({"you sent": secret}, status=422), key=secret, **ways[body])
    for shown in (exchange.url, exchange.request_body or "", exchange.answer_body or ""):
        assert "[redacted]" in shown
        assert not any(part in shown for part in ("tok-123", "a/s", "s&s", "s%26s"))


async def test_long_bodies_are_cut() -> None:
    exchange = await recorded(web.Response(status=422, text="n" * 50_000), data="o" * 50_000)
    assert (len(exchange.request_body or ""), len(exchange.answer_body or "")) == (20_000, 20_000)


async def test_trouble_is_recorded_without_secrets() -> None:
    found: list[Exchange] = []
    async with client(record=found.append, secrets=frozenset({"tok-123"})) as http_client:
        with pytest.raises(ToolUnavailable):
            await http_client.read("GET", "http://127.0.0.1:1/tok-123", group="read")
        attempt = an_attempt()
        with pytest.raises(ToolUnavailable):
            await http_client.write(attempt, "POST", "http://tok-123:port/", group=None)
    assert not attempt.sent
    assert len(found) == 2
    for exchange in found:
        assert exchange.status is None
        assert exchange.trouble
        assert "tok-123" not in str(exchange)


def test_redaction_does_not_care_for_capitals() -> None:
    assert redact_headers({"AUTHORIZATION": "x", "set-cookie": "y", "Accept": "z"}) == {
        "AUTHORIZATION": "[redacted]",
        "set-cookie": "[redacted]",
        "Accept": "z",
    }


# sessions


async def test_a_shared_session_stays_open_for_the_others() -> None:
    session = new_session(5.0)
    async with tool(web.Response()) as server:
        async with client(session=session) as first:
            await first.read("GET", server.url, group="read")
        assert not session.closed
        async with client(session=session) as second:
            await second.read("GET", server.url, group="read")
    await session.close()


async def test_a_session_of_its_own_is_closed_with_the_client() -> None:
    async with tool(web.Response()) as server:
        async with client() as http_client:
            await http_client.read("GET", server.url, group="read")
            session = http_client.session
        assert session is not None
        assert session.closed
        assert http_client.session is None


def test_an_answer_is_text_whatever_it_holds() -> None:
    assert Answer(200, {}, b"\xffoo").text == "\ufffdoo"
    with pytest.raises(ValueError, match="Expecting value"):
        Answer(200, {}, b"<html>").json()
