"""Sending one attempt, and judging what came of it (design section 6).

Once the first byte of an attempt is out, everything but the tool's own recognised answer leaves it uncertain:
also a bug in the plugin while it reads a successful answer.
"""

import asyncio
from dataclasses import dataclass, replace
from typing import Any

import orjson
from dagboek_schemas.issues import Issue
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

DETAILS = 65_536
"""Bytes that a plugin may keep beside an entry; what is longer is left out."""
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
    try:
        async with asyncio.timeout(tool.call_deadline + GRACE):
            result: object = await tool.push(attempt)
    except asyncio.CancelledError as stray:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise
        return judge(attempt, stray)  # of something else, let through by the plugin
    except (Exception, SystemExit) as error:
        return judge(attempt, error)
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


def sound(result: Booked | Accepted) -> Booked | Accepted | None:
    """What a plugin says was booked, as it can be stored and told; None where it names nothing.

    It stands in the tool: that must not get lost for a word beside it that a database does not take.
    """
    name = result.token if isinstance(result, Accepted) else result.entry_id
    if not (isinstance(name, str) and name):
        return None
    if isinstance(result, Accepted):
        kept: Booked | Accepted = Accepted(_text(name, 4000) or "")
    else:
        remarks = tuple(one for one in result.remarks if isinstance(one, Issue))
        number, url = _text(result.number, 100), _text(result.url, 2000)
        kept = Booked(_text(name, 400) or "", number, url, _details(result.details), remarks)
    return result if kept == result else kept


def _text(given: object, most: int) -> str | None:
    if not isinstance(given, str | int):
        return None
    return str(given).encode("utf-8", "replace").decode().replace("\x00", " ")[:most]


def _details(given: object) -> dict[str, Any]:
    try:
        size = len(orjson.dumps(given, default=str))
    except (TypeError, ValueError):
        return {}
    return given if isinstance(given, dict) and size <= DETAILS else {}


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
