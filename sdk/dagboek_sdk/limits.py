"""Limits of a tool: how many calls in how long, and who shares them.

Core keeps them in rows, shared by all workers and kept over restarts, and hands out calls in small packs.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

ALL: Final = "*"
"""The group of a limit that counts the calls of all groups together."""
FREE: Final = ""
"""The group of calls that the tool does not count."""


class Window(StrEnum):
    """What a limit counts in. A day is a calendar day of the limit's own time zone."""

    SECOND = "second"
    MINUTE = "minute"
    HOUR = "hour"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `amount` calls of operation group `group` in one `window`, for all that share `key`.

    With `errors` it counts the answers that the tool counts as errors, of each group by itself where that is `ALL`;
    its window begins with the oldest of them.
    """

    key: str
    """Who shares it, such as `octopus:dossier:1001`."""
    group: str
    amount: int
    window: Window
    reserve: int = 0
    """Calls kept back for settling; ordinary work stops before them."""
    time_zone: str = "UTC"
    errors: bool = False


@dataclass(frozen=True, slots=True)
class Budget:
    """What an answer says of the limit of one window; the truth is the tool's."""

    window: Window
    remaining: int
    amount: int | None = None
    """The limit itself, where the answer tells it."""
    seconds: float | None = None
    """Until the window ends, by the tool's own clock; None: it does not say."""


class Permits(Protocol):
    """Core's side of the limits, as the client sees it."""

    async def take(self, group: str, *, settling: bool = False) -> None:
        """One call of `group`. Throttled(until) when it is used up; `settling` may use the reserve."""

    async def correct(self, group: str, budgets: Sequence[Budget]) -> None:
        """What the answer to a call of `group` says about its limits."""

    async def failed(self, group: str) -> None:
        """The answer to a call of `group` is one that the tool counts as an error."""


class NoLimits:
    """Permits that never refuse, for tests and for benches that lift the limits."""

    async def take(self, group: str, *, settling: bool = False) -> None:
        """Always granted."""

    async def correct(self, group: str, budgets: Sequence[Budget]) -> None:
        """Nothing to correct."""

    async def failed(self, group: str) -> None:
        """Nothing to count."""
