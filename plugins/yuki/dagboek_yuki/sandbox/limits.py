"""The calls of a day, counted for each domain; all its keys, administrations and services share them."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from .books import Domain
from .call import Fault
from .rules import Rules

EXCEEDED = "Daily limit exceeded"


@dataclass(slots=True)
class Limits:
    """What was used since the day began; `on` False: there is no end to it."""

    on: bool = True
    used: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    _ends: float = 0.0

    def take(self, domain: Domain, now: float, rules: Rules) -> None:
        """Counts a call of the domain; raises Fault when there are none left, which is not counted as used."""
        self._turn(now, rules.day)
        if self.on and self.used[domain.id] >= domain.calls_a_day:
            self.refused[domain.id] += 1
            detail = f"You have exceeded the limit of {domain.calls_a_day} free calls per domain per day"
            raise Fault(EXCEEDED, "Client", detail, rules.limit_status)
        self.used[domain.id] += 1

    def shown(self, domain: Domain, now: float, zone: str) -> dict[str, Any]:
        """Where a domain stands."""
        self._turn(now, zone)
        return {
            "domain": domain.id,
            "name": domain.name,
            "calls_a_day": domain.calls_a_day,
            "used": self.used[domain.id],
            "refused": self.refused[domain.id],
            "left": max(0, domain.calls_a_day - self.used[domain.id]),
        }

    def clear(self) -> None:
        """Forgets what was used."""
        self.used.clear()
        self.refused.clear()

    def _turn(self, now: float, zone: str) -> None:
        if now >= self._ends:
            self.clear()
            today = datetime.fromtimestamp(now, ZoneInfo(zone)).date()
            tomorrow = today + timedelta(days=1)
            self._ends = datetime(tomorrow.year, tomorrow.month, tomorrow.day, tzinfo=ZoneInfo(zone)).timestamp()
