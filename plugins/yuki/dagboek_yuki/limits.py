"""Yuki counts the calls of a day per domain, whatever they do and whoever makes them (api.md section 9).

Its answers say nothing of what is left, but that nothing is.
"""

from collections.abc import Sequence
from datetime import timedelta
from typing import Final
from urllib.parse import urlsplit

from dagboek_sdk import clock
from dagboek_sdk.errors import Throttled
from dagboek_sdk.http import Answer
from dagboek_sdk.limits import ALL, Budget, Limit, Window

from dagboek_yuki import errors
from dagboek_yuki.settings import YukiSettings

RESERVE: Final = 20
"""One call of so many is kept back, to find out what became of what was sent."""


def limits(settings: YukiSettings, domain: str) -> Sequence[Limit]:
    """The calls of the domain's day. While no administration is chosen its domain is not known: a few calls, not
    counted.
    """
    if settings.lift_limits or not domain:
        return ()
    host = urlsplit(settings.address).netloc.lower()
    day = settings.calls_per_day
    key = f"yuki:{host}:{domain.lower()}"
    return (Limit(key, ALL, day, Window.DAY, reserve=day // RESERVE, time_zone=str(errors.ZONE)),)


def budgets(answer: Answer) -> Sequence[Budget]:
    """Nothing is left, where Yuki says so: others have made calls as well."""
    if b"Fault" not in answer.body[:2000]:
        return ()
    meant = errors.classify(answer)
    if not (isinstance(meant, Throttled) and meant.issue):  # without one it is a pause, and not the end of the day
        return ()
    return (Budget(Window.DAY, 0, seconds=(errors.renewal() - clock.now()) / timedelta(seconds=1)),)
