"""Limits of a tool: how many calls in how long, and who shares them.

Core keeps them in rows, shared by all workers and kept over restarts, and hands out calls in small packs.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Window(StrEnum):
    """What a limit counts in. A day is a calendar day of the limit's own time zone."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` calls of operation group `group` in one `window`, for all that share `key`."""

    key: str
    """Who shares it, such as `octopus:dossier:1001`."""
    group: str
    amount: int
    window: Window
    reserve: int = 0
    """Calls kept back for settling; ordinary work stops before them."""
    time_zone: str = "UTC"


class Permits(Protocol):
    """Core's side of the limits, as the client sees it."""

    async def take(self, group: str, *, settling: bool = False) -> None:
        """One call of `group`. Throttled(until) when it is used up; `settling` may use the reserve."""

    async def correct(self, group: str, *, remaining: int | None, reset: datetime | None) -> None:
        """What the tool's own answer says about the limit; the truth is theirs."""


class NoLimits:
    """Permits that never refuse, for tests and for benches that lift the limits."""

    async def take(self, group: str, *, settling: bool = False) -> None:
        """Always granted."""

    async def correct(self, group: str, *, remaining: int | None, reset: datetime | None) -> None:
        """Nothing to correct."""
