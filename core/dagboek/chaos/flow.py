"""How the books filled: pauses, and how long a kill stopped others. Pure functions over times in seconds.

Only time in which a run was open and something was left to book counts: nobody is slow who has nothing to do.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median


@dataclass(frozen=True, slots=True)
class Struck:
    """One process that was killed."""

    at: float
    process: str
    signal: str
    burst: bool = False
    away: float = 0.0
    """Seconds until it was started again."""
    books: frozenset[str] | None = None
    """The sets of books that it worked on; None: all are concerned."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """Seconds from kills to the next booking of a document that was not under way at the kill."""

    number: int
    median: float | None
    worst: float | None


@dataclass(frozen=True, slots=True)
class Pause:
    """Time without a booking."""

    seconds: float
    books: str
    since: float


@dataclass
class Flow:
    """What was asked for and what was booked, by set of books."""

    asked: dict[str, list[tuple[float, int]]] = field(default_factory=lambda: defaultdict(list))
    """When how many documents were asked for."""
    booked: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    runs: dict[str, list[tuple[float, float]]] = field(default_factory=lambda: defaultdict(list))
    """From when to when a run was open."""

    def waits(self, books: str) -> list[tuple[float, float]]:
        """Spans without a booking in which a run was open and something was left to book."""
        times = [*self.asked[books], *((at, -1) for at in self.booked[books])]
        spans: list[tuple[float, float]] = []
        left, since = 0, 0.0
        for at, change in sorted(times):
            if change < 0 and left > 0:
                spans.append((since, at))
            if change < 0 or left <= 0:
                since = at
            left += change
        runs = _joined(self.runs[books])
        parts = [(max(since, start), min(at, end)) for since, at in spans for start, end in runs]
        return [(since, at) for since, at in parts if since < at]

    def longest(self) -> "Pause":
        """The longest pause of any one set of books."""
        pauses = (Pause(at - since, books, since) for books in list(self.booked) for since, at in self.waits(books))
        return max(pauses, key=lambda pause: pause.seconds, default=Pause(0.0, "", 0.0))

    def together(self) -> "Flow":
        """All sets of books as if they were one."""
        one = Flow()
        for name in ("asked", "booked", "runs"):
            getattr(one, name)["all"] = sorted(row for rows in getattr(self, name).values() for row in rows)
        return one

    def after(self, struck: Struck, under_way: float) -> float | None:
        """Seconds from a kill to the next booking that began after it; None where nothing waited.

        A call takes `under_way` seconds: what is booked sooner had begun before.
        """
        books = [one for one in self.booked if struck.books is None or one in struck.books]
        if not any(since <= struck.at < at for one in books for since, at in self.waits(one)):
            return None
        later = [at for one in books for at in self.booked[one] if at > struck.at + under_way]
        return min(later) - struck.at if later else None


def _joined(runs: Iterable[tuple[float, float]]) -> list[tuple[float, float]]:
    """Overlapping spans as one."""
    found: list[tuple[float, float]] = []
    for start, end in sorted(runs):
        if found and start <= found[-1][1]:
            found[-1] = found[-1][0], max(end, found[-1][1])
        else:
            found.append((start, end))
    return found


def recoveries(flow: Flow, kills: Sequence[Struck], under_way: float) -> Mapping[str, Recovery]:
    """By kind of process, and of all together."""
    by_kind: dict[str, list[Struck]] = {"all": [*kills]}
    for one in kills:
        by_kind.setdefault(one.process.split()[0], []).append(one)
        if _alone(one, kills):
            by_kind.setdefault(ALONE, []).append(one)
    return {kind: _recovery(flow.after(one, under_way) for one in rows) for kind, rows in by_kind.items()}


ALONE = "worker KILL, nothing else killed, started again at once"
QUIET = 15.0
"""Seconds before and after a kill in which nothing else is killed, for one of which the recovery is its own."""


def _alone(struck: Struck, kills: Sequence[Struck]) -> bool:
    by_itself = all(one is struck or abs(one.at - struck.at) > QUIET for one in kills)
    return by_itself and struck.process.startswith("worker") and struck.signal == "KILL" and struck.away < 3


def _recovery(times: Iterable[float | None]) -> Recovery:
    known = [time for time in times if time is not None]
    return Recovery(len(known), round(median(known), 2), round(max(known), 2)) if known else Recovery(0, None, None)
