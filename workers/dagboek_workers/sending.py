"""Sending one attempt, and judging what came of it (design section 6).

Once the first byte of an attempt is out, everything but the tool's own recognised answer leaves it uncertain:
also a bug in the plugin while it reads a successful answer.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from dagboek.database import AWAY
from dagboek.plugins import unexpected
from dagboek.sound import sound
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.attempt import Accepted, Attempt, Booked
from dagboek_sdk.errors import (
    AccessDenied,
    AlreadyThere,
    Later,
    LoginBroken,
    NotProcessed,
    NotReady,
    NumberTaken,
    Refused,
    ToolError,
    Uncertain,
)

GRACE = 5.0
"""Seconds that a plugin may take beyond the deadline of its one call."""


@dataclass(frozen=True, slots=True)
class Unexpected:
    """A bug in a plugin, before anything was sent."""

    error: BaseException


Verdict = (
    Booked
    | Accepted
    | Refused
    | NotReady
    | AlreadyThere
    | NumberTaken
    | Later
    | AccessDenied
    | LoginBroken
    | NotProcessed
    | Uncertain
    | Unexpected
)


async def send(tool: AccountingPlugin, attempt: Attempt) -> Verdict:
    """Has the plugin write the attempt; what came of it."""
    return judge(attempt, await _result(tool, partial(tool.push, attempt)))


async def send_batch(tool: AccountingPlugin, attempts: Sequence[Attempt]) -> list[Verdict]:
    """Has the plugin write these in one call; what came of each.

    What is raised holds for the call. Where that says that something in it cannot be taken, nobody knows what.
    """
    result = await _result(tool, partial(tool.push_batch, attempts))
    if isinstance(result, Mapping):
        return [_judge_one(one, result) for one in attempts]
    if isinstance(result, Exception) and not isinstance(result, (ToolError, TimeoutError, *AWAY)):
        unexpected(tool.about.name, result)
    return [_not_of_one(judge(one, result)) for one in attempts]


def _not_of_one(verdict: Verdict) -> Verdict:
    if isinstance(verdict, Unexpected) and isinstance(verdict.error, AWAY):
        return verdict
    if isinstance(verdict, Refused | NotReady | AlreadyThere | NumberTaken | Unexpected):
        return NotProcessed(f"the call was refused as a whole: {type(verdict).__name__}")
    return verdict


async def _result(tool: AccountingPlugin, call: Callable[[], Awaitable[object]]) -> object:
    """What a call of the plugin gave, or raised."""
    try:
        async with asyncio.timeout(tool.call_deadline + GRACE):
            return await call()
    except asyncio.CancelledError as stray:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return stray  # of something else, let through by the plugin
    except (Exception, SystemExit) as error:
        return error


def _judge_one(attempt: Attempt, results: Mapping[object, object]) -> Verdict:
    """What a batch's results mean for one of it: what its answer says of this one counts, once it could be read."""
    result = results.get(attempt.link_id)
    if result is None:
        left_out = "the plugin left it out"
        return Uncertain(left_out) if attempt.sent else NotProcessed(left_out)
    if isinstance(result, ToolError) and (attempt.answer_ok or attempt.verdict is not None):
        return _known(result)
    return judge(attempt, result)


def judge(attempt: Attempt, result: object) -> Verdict:
    """What the result of a push means, given how far the attempt had come."""
    if isinstance(result, Booked | Accepted):
        if attempt.verdict is not None and not isinstance(attempt.verdict, AlreadyThere):
            return Uncertain("the plugin says booked, the tool said no")
        kept = sound(result)
        if kept is None:
            return Uncertain("the plugin named no entry") if attempt.sent else Unexpected(TypeError("no entry id"))
        return kept
    if attempt.verdict is not None:
        return _known(attempt.verdict)
    if attempt.sent:
        return result if isinstance(result, Uncertain) else Uncertain(f"{type(result).__name__} after sending")
    if isinstance(result, TimeoutError):
        return NotProcessed("the deadline passed before anything was sent")
    return _known(result)


def _known(result: object) -> Verdict:
    kinds = (
        Refused,
        NotReady,
        AlreadyThere,
        NumberTaken,
        Later,
        AccessDenied,
        LoginBroken,
        NotProcessed,
        Uncertain,
    )
    if isinstance(result, kinds):
        return result
    if isinstance(result, ToolError):
        return Unexpected(result)
    return Unexpected(result if isinstance(result, BaseException) else TypeError(f"push gave {type(result).__name__}"))


def again(attempt: Attempt, t0: float) -> Attempt:
    """The same attempt, to be sent once more after an uncertain send."""
    return replace(attempt, sent=False, verdict=None, answer_ok=False, repeat=True).start(t0)


def settles(verdict: Verdict) -> bool:
    """Whether a repeat's verdict says something about the attempt before it."""
    return isinstance(verdict, Booked | Accepted | AlreadyThere | NumberTaken)
