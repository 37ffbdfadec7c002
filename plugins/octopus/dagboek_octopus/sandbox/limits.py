"""Daily maxima of calls, per kind of call and dossier. Numbers of the reference, section 4.

What the real service answers when one is passed is not known, so the answer is a setting:
"429" (with a Retry-After in seconds if wanted), "403", or "400" with code -51.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

ANSWERS = ("429", "403", "400")


@dataclass(slots=True)
class Limits:
    """Counts calls of the sandbox's day; `numbers` replaces maxima by operation name."""

    zone: ZoneInfo
    on: bool = True
    answer: str = "429"
    retry_after: int | None = None
    numbers: dict[str, int] = field(default_factory=dict)
    used: Counter[tuple[str, str]] = field(default_factory=Counter)
    _day_ends: float = 0.0

    def __post_init__(self) -> None:
        if self.answer not in ANSWERS:
            raise ValueError(f"the answer of a passed limit is one of {', '.join(ANSWERS)}, not {self.answer!r}")

    def allow(self, operation: str, maximum: int | None, scope: str, now: float) -> bool:
        """Counts a call (also one that is refused later); False when the day's maximum is spent."""
        if now >= self._day_ends:
            self.used.clear()
            self._day_ends = _next_midnight(now, self.zone)
        counted = operation, scope
        self.used[counted] += 1
        if not self.on:
            return True
        limit = self.numbers.get(operation, maximum)
        return limit is None or self.used[counted] <= limit


def _next_midnight(now: float, zone: ZoneInfo) -> float:
    today = datetime.fromtimestamp(now, zone).date()
    tomorrow = today + timedelta(days=1)
    return datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=zone).timestamp()
