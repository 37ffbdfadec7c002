"""Exact's limits (api.md section 3): calls a minute and a day of an app in a division, errors of each resource an hour.

They are counted per app and division, whoever calls. Operation groups are the resources themselves, as errors are
counted of each. Exact blocks after the tenth error, for an hour and then longer: we stop at eight.
"""

from collections.abc import Sequence
from datetime import timedelta
from urllib.parse import urlsplit

from dagboek_sdk.http import Answer
from dagboek_sdk.limits import ALL, FREE, Budget, Limit, Window
from dagboek_sdk.oauth import GROUP as TOKEN

from dagboek_exact import errors
from dagboek_exact.settings import ExactSettings

ME = FREE
"""Calls without a division in their address are not counted."""

ERRORS = 8
TOKENS_A_DAY = 200

_HEADERS = (
    (Window.MINUTE, "X-RateLimit-Minutely-"),
    (Window.DAY, "X-RateLimit-"),
)


def limits(settings: ExactSettings, division: str) -> list[Limit]:
    """The limits of an app in one division; those who share it share the count."""
    app = f"exact:{urlsplit(settings.address).netloc}:{settings.client_id}"
    books = f"{app}:{division}"
    minute, day = settings.calls_per_minute, settings.calls_per_day
    return [
        Limit(books, ALL, minute, Window.MINUTE, reserve=min(5, minute // 4)),
        Limit(books, ALL, day, Window.DAY, reserve=min(100, day // 10)),
        Limit(books, ALL, ERRORS, Window.HOUR, errors=True),
        Limit(app, TOKEN, TOKENS_A_DAY, Window.DAY),
    ]


def budgets(answer: Answer) -> Sequence[Budget]:
    """What the headers say: those of both limits as a rule, on a 429 only those of the one that was hit."""
    found, there = [], errors.now_there(answer)
    for window, name in _HEADERS:
        left = answer.headers.get(f"{name}Remaining", "")
        if not left.strip().isdecimal():
            if answer.status != 429 or f"{name}Reset" not in answer.headers:
                continue
            left = "0"
        most = answer.headers.get(f"{name}Limit", "")
        reset = errors.milliseconds(answer.headers.get(f"{name}Reset"))
        seconds = None if reset is None else max((reset - there) / timedelta(seconds=1), 0.0)
        amount = int(most) if most.strip().isdecimal() else None
        found.append(Budget(window, 0 if answer.status == 429 else int(left), amount, seconds))
    return found


def counts_as_error(answer: Answer) -> bool:
    """Exact names 400, 401, 403 and 404; whether refusals, which come as 500, count too is not known: they do here."""
    return answer.status in (400, 401, 403, 404, 405, 500)
