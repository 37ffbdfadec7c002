"""What Octopus' answers mean, as errors that say what must happen next (api.md section 7).

Numeric codes are negative and the same for all calls. Three of them were seen on this API (-13, -14, -79), the
others are those of its predecessor; their HTTP status is therefore left open and the code decides.
"""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk import clock
from dagboek_sdk.errors import (
    AccessDenied,
    LoginBroken,
    NotProcessed,
    NumberTaken,
    Refused,
    Throttled,
    ToolError,
    ToolUnavailable,
    Trouble,
    Uncertain,
)
from dagboek_sdk.http import Answer

SHORT_WAIT = timedelta(seconds=30)
"""How long to wait for a journal that somebody has open."""

LONG_WAIT = timedelta(minutes=15)
"""How long to wait where the tool says too much without saying until when."""

UNRECOGNISED = "O90"
NOT_STORED = "O91"

NUMBER = -13
IN_USE = -12
TOO_MANY = -51

REFUSED: Mapping[int, str] = {
    -7: NOT_STORED,
    -9: "O10",
    -10: "O11",
    -11: "O12",
    -14: "O13",
    -15: "O01",
    -16: "O14",
    -17: "O15",
    -18: "O16",
    -19: "O17",
    -20: "O18",
    -21: "O19",
    -22: "O20",
    -23: "O21",
    -24: NOT_STORED,
    -25: UNRECOGNISED,
    -26: NOT_STORED,
    -27: NOT_STORED,
    -28: NOT_STORED,
    -29: "O02",
    -30: "O22",
    -31: "O22",
    -32: "O22",
    -34: "O23",
    -35: NOT_STORED,
    -37: NOT_STORED,
    -38: "O24",
    -39: UNRECOGNISED,
    -40: "O25",
    -41: "O26",
    -43: NOT_STORED,
    -49: NOT_STORED,
    -50: "O27",
    -59: UNRECOGNISED,
    -61: UNRECOGNISED,
    -63: NOT_STORED,
    -64: NOT_STORED,
    -69: UNRECOGNISED,
    -70: UNRECOGNISED,
    -73: UNRECOGNISED,
    -75: "O28",
    -76: NOT_STORED,
    -78: UNRECOGNISED,
    -79: UNRECOGNISED,
}
"""Business refusals: code of Octopus → code of the issue catalogue."""

LOGIN: Mapping[int, str] = {-1: "O31", -3: "O32", -5: "O33", -68: "O34"}
"""The login or the dossier is gone: code of Octopus → code of the issue catalogue."""

TOKEN = frozenset((-2, -4, -6))
"""No session, or no dossier open: log in again."""

# fmt: off
READ_FAILED = frozenset((
    -8, -33, -36, -42, -44, -45, -46, -47, -48, -52, -53, -54, -55, -56, -57, -58, -60, -62, -65, -66, -67, -71, -72,
    -74, -77,
))
# fmt: on
"""Octopus could not read something of its own: trouble on its side, nothing was written."""

KNOWN = frozenset(REFUSED) | frozenset(LOGIN) | TOKEN | READ_FAILED | {0, NUMBER, IN_USE, TOO_MANY}
"""All codes that are known to exist; later ones (below -79) are unrecognised refusals."""


class TokenRefused(NotProcessed):
    """The token has ended or was never one: log in again. What came with it was not processed."""


def classify(answer: Answer) -> ToolError | None:
    """What an answer means; None for plain success. Anything that is not Octopus' own answer is Uncertain."""
    status = answer.status
    if 200 <= status < 300:
        return _success(answer)
    if status == 429:
        return Throttled(_retry_after(answer), tool_words=_words(_error(answer)))
    if status >= 500 or status < 400:
        return Uncertain(f"answer {status}", tool_words=_words(_error(answer)))
    error = _error(answer)
    if status == 401:
        return _unauthorised(error)
    if error is None:
        # Octopus answers in JSON; a page of a proxy in between says nothing about what was done.
        return Uncertain(f"answer {status} that is not Octopus' own")
    return _refusal(status, error)


def last_number(words: str | None, offered: int, dossier: str) -> int | None:
    """The last number that a refused number's `technicalInfo` names, beside the dossier and the offered number.

    None where it cannot be told; then the journal is asked.
    """
    numbers = [int(found) for found in re.findall(r"(?<![\w.,-])\d{1,9}(?![.,-]?\w)", words or "")]
    if offered not in numbers:
        return None
    numbers.remove(offered)
    if dossier.isdecimal() and int(dossier) in numbers:
        numbers.remove(int(dossier))
    return numbers[0] if len(numbers) == 1 else None


def login_broken(code: str, error: ToolError) -> LoginBroken:
    """`error`, which came while logging in, as what a person must do about it."""
    return LoginBroken(issue=Issue(code=code, severity=Severity.ERROR, tool_words=error.tool_words))


def _success(answer: Answer) -> ToolError | None:
    body = answer.body.lstrip()
    if not body or body[:1] in b'[{"-0123456789tfn':
        return None
    return Uncertain(f"answer {answer.status} that is not Octopus' own")


def _error(answer: Answer) -> dict[str, Any] | None:
    try:
        error = json.loads(answer.body)
    except ValueError:
        return None
    return error if isinstance(error, dict) else None


def _words(error: Mapping[str, Any] | None) -> str | None:
    if not error:
        return None
    return ": ".join(str(error[key]) for key in ("errorMessage", "technicalInfo") if error.get(key)) or None


def _code(error: Mapping[str, Any] | None) -> int:
    """The numeric code; 0, which stands for no error, where there is none."""
    code = error.get("errorCode") if error else None
    return code if isinstance(code, int) else 0


def _unauthorised(error: Mapping[str, Any] | None) -> ToolError:
    """`technicalInfo` is left out: at a failed login it names the user and the caller's address."""
    code = _code(error)
    words = str(error["errorMessage"]) if error and error.get("errorMessage") else None
    return _broken(code, words) if code in LOGIN else TokenRefused("the token was refused", tool_words=words)


def _refusal(status: int, error: Mapping[str, Any]) -> ToolError:
    code, words = _code(error), _words(error)
    found: ToolError
    if code == NUMBER:
        found = NumberTaken(tool_words=words)
    elif code == IN_USE:
        issue = Issue(code="O07", tool_words=words)
        found = ToolUnavailable("journal in use", until=clock.now() + SHORT_WAIT, issue=issue, tool_words=words)
    elif code == TOO_MANY:
        found = Throttled(clock.now() + LONG_WAIT, tool_words=words)
    elif code in TOKEN:
        found = TokenRefused("no session", tool_words=words)
    elif code in LOGIN:
        found = _broken(code, words)
    elif code in READ_FAILED:
        found = ToolUnavailable(f"Octopus reports {code}", trouble=Trouble.OWN_FAULT, tool_words=words)
    elif not code and status == 403:
        found = AccessDenied("octopus", tool_words=words)
    else:
        issue = Issue(
            code=REFUSED.get(code, UNRECOGNISED),
            facts={"code": str(code or ""), "status": str(status)},
            tool_words=words,
        )
        found = Refused(issue, tool_words=words)
    return found


def _broken(code: int, words: str | None) -> LoginBroken:
    return LoginBroken(issue=Issue(code=LOGIN[code], severity=Severity.ERROR, tool_words=words), tool_words=words)


def _retry_after(answer: Answer) -> datetime:
    told = answer.headers.get("Retry-After") or ""
    now = clock.now()
    if told.isdecimal():
        return now + timedelta(seconds=min(int(told), 86_400))
    try:
        until = parsedate_to_datetime(told)
    except ValueError:
        return now + LONG_WAIT
    return until if until.tzinfo else until.replace(tzinfo=UTC)
