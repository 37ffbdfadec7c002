"""What the result of a push means: every result at every stage of the send."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock
from dagboek_sdk.attempt import Accepted, Attempt, Booked, Booking, Op
from dagboek_sdk.errors import (
    AccessDenied,
    AlreadyThere,
    LoginBroken,
    NotProcessed,
    NotReady,
    NumberTaken,
    Refused,
    Throttled,
    ToolError,
    ToolUnavailable,
    Uncertain,
)
from dagboek_workers.sending import Unexpected, again, judge, send, settles

BOOKED = Booked("e1", "1")
REFUSED = Refused(Issue(code="O01"))
KNOWN: list[BaseException] = [
    REFUSED,
    NotReady(Issue(code="D01")),
    AlreadyThere("e1"),
    NumberTaken(7),
    Throttled(datetime(2026, 3, 1, tzinfo=UTC)),
    ToolUnavailable(),
    AccessDenied("purchases"),
    LoginBroken(),
    NotProcessed(),
    Uncertain(),
]
"""What a plugin raises on purpose."""
BUGS: list[BaseException] = [
    KeyError("bookingKey"),
    ValueError("x"),
    AssertionError(),
    RecursionError(),
    ToolError("other"),
]
GARBAGE: list[Any] = [None, 0, "e1", {"id": 1}, [], object(), Booked]
"""What is no answer of `push`."""


def attempt(*, sent: bool = False, verdict: BaseException | None = None, answer_ok: bool = False) -> Attempt:
    return Attempt(
        link_id=1,
        link_no=1,
        number=1,
        op=Op.CREATE,
        identity="d1:x",
        kind=ItemKind.DOCUMENT,
        component=Component.SALES_INVOICES,
        booking=Booking(payload={}),
        sent=sent,
        verdict=verdict,
        answer_ok=answer_ok,
    )


def named(value: object) -> str:
    return type(value).__name__


# nothing was sent


@pytest.mark.parametrize("raised", KNOWN, ids=named)
def test_before_sending_a_known_error_is_what_it_says(raised: BaseException) -> None:
    assert judge(attempt(), raised) is raised


@pytest.mark.parametrize("raised", BUGS, ids=named)
def test_before_sending_a_bug_is_a_bug(raised: BaseException) -> None:
    verdict = judge(attempt(), raised)
    assert isinstance(verdict, Unexpected)
    assert verdict.error is raised


def test_before_sending_a_time_out_has_written_nothing() -> None:
    assert isinstance(judge(attempt(), TimeoutError()), NotProcessed)


@pytest.mark.parametrize("result", GARBAGE, ids=named)
def test_before_sending_garbage_is_a_bug(result: object) -> None:
    assert isinstance(judge(attempt(), result), Unexpected)


# sent, and the tool's answer was not recognised as a refusal


@pytest.mark.parametrize("raised", [*KNOWN, *BUGS, TimeoutError(), ConnectionResetError(), OSError()], ids=named)
@pytest.mark.parametrize("answer_ok", [False, True])
def test_after_sending_whatever_is_raised_is_uncertain(raised: BaseException, answer_ok: bool) -> None:
    """Also a KeyError while reading the answer of a booking that succeeded, and a refusal that nobody recognised."""
    assert isinstance(judge(attempt(sent=True, answer_ok=answer_ok), raised), Uncertain)


@pytest.mark.parametrize("result", GARBAGE, ids=named)
def test_after_sending_garbage_is_uncertain(result: object) -> None:
    assert isinstance(judge(attempt(sent=True, answer_ok=True), result), Uncertain)


# sent, and the tool's own refusal was recognised


@pytest.mark.parametrize("verdict", KNOWN, ids=named)
@pytest.mark.parametrize("result", [*KNOWN, *BUGS, TimeoutError(), None], ids=named)
def test_the_tools_own_answer_stands_whatever_the_plugin_makes_of_it(verdict: BaseException, result: object) -> None:
    assert judge(attempt(sent=True, verdict=verdict), result) is verdict


# booked


@pytest.mark.parametrize("result", [BOOKED, Booked("e1"), Accepted("token")], ids=["booked", "unnumbered", "accepted"])
@pytest.mark.parametrize("sent", [False, True])
def test_booked_is_booked(result: Booked | Accepted, sent: bool) -> None:
    assert judge(attempt(sent=sent, answer_ok=sent), result) is result


@pytest.mark.parametrize("entry", ["", None, 0, 17], ids=repr)
def test_booked_without_an_entry_is_not_known_to_be_booked(entry: Any) -> None:
    assert isinstance(judge(attempt(sent=True, answer_ok=True), Booked(entry)), Uncertain)
    assert isinstance(judge(attempt(), Booked(entry)), Unexpected)


@pytest.mark.parametrize("result", [BOOKED, Accepted("token")], ids=named)
@pytest.mark.parametrize("verdict", [one for one in KNOWN if not isinstance(one, AlreadyThere)], ids=named)
def test_booked_against_the_tools_word_is_uncertain(result: Booked | Accepted, verdict: BaseException) -> None:
    """Believing the plugin might lose the document, believing the tool might book it twice: it is settled by asking."""
    assert isinstance(judge(attempt(sent=True, verdict=verdict), result), Uncertain)


def test_a_plugin_may_say_under_which_entry_it_is_there_already() -> None:
    assert judge(attempt(sent=True, verdict=AlreadyThere("e1")), BOOKED) is BOOKED


# a repeat of an uncertain send


def test_a_repeat_is_the_same_attempt_with_a_fresh_start() -> None:
    first = replace(attempt(sent=True, verdict=REFUSED, answer_ok=True), series_number=5)
    repeated = again(first, clock.boot_time())
    assert (repeated.sent, repeated.verdict, repeated.answer_ok, repeated.repeat) == (False, None, False, True)
    assert (repeated.number, repeated.series_number, repeated.booking) == (first.number, 5, first.booking)
    assert repeated.may_start
    assert not again(first, clock.boot_time() - 6).may_start


@pytest.mark.parametrize("verdict", [BOOKED, Accepted("t"), *KNOWN, Unexpected(KeyError())], ids=named)
def test_only_these_verdicts_of_a_repeat_tell_what_became_of_the_send_before_it(verdict: Any) -> None:
    assert settles(verdict) is isinstance(verdict, Booked | Accepted | AlreadyThere | NumberTaken)


# send


class Tool:
    """The part of a plugin that `send` needs."""

    call_deadline = 0.05

    def __init__(self, act: Any) -> None:
        self._act = act

    async def push(self, given: Attempt) -> Any:
        return await self._act(given)


async def test_a_plugin_that_hangs_before_sending_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dagboek_workers.sending.GRACE", 0.05)

    async def hangs(_: Attempt) -> None:
        await asyncio.sleep(60)

    assert isinstance(await send(Tool(hangs), attempt()), NotProcessed)  # type: ignore[arg-type]


async def test_a_plugin_that_hangs_after_sending_leaves_it_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dagboek_workers.sending.GRACE", 0.05)

    async def hangs(given: Attempt) -> None:
        given.sent = True
        await asyncio.sleep(60)

    assert isinstance(await send(Tool(hangs), attempt()), Uncertain)  # type: ignore[arg-type]


async def test_a_plugin_that_breaks_while_it_reads_the_answer_leaves_it_uncertain() -> None:
    async def breaks(given: Attempt) -> Booked:
        given.sent, given.answer_ok = True, True
        answer: dict[str, str] = {}
        return Booked(answer["bookingKey"])

    assert isinstance(await send(Tool(breaks), attempt()), Uncertain)  # type: ignore[arg-type]


async def test_a_lane_that_is_cancelled_is_not_told_a_verdict() -> None:
    async def hangs(_: Attempt) -> None:
        await asyncio.sleep(60)

    tool = Tool(hangs)
    tool.call_deadline = 60
    sending = asyncio.create_task(send(tool, attempt()))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending


async def test_the_cancellation_of_something_else_ends_the_attempt_and_not_the_lane() -> None:
    async def before(_: Attempt) -> None:
        raise asyncio.CancelledError

    async def after(given: Attempt) -> None:
        given.sent = True
        raise asyncio.CancelledError

    assert isinstance(await send(Tool(before), attempt()), Unexpected)  # type: ignore[arg-type]
    assert isinstance(await send(Tool(after), attempt()), Uncertain)  # type: ignore[arg-type]
