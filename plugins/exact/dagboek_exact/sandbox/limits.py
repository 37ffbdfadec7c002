"""Budgets and blocks: calls a minute and a day for each app and division, errors for each endpoint, calls for tokens.

The minute is that of the clock, the day ends at 00:00 UTC. On a 429 only the headers of the limit that was hit are
there, and the body is empty. More than ten errors of an app and user on an endpoint of a division in an hour block it
for an hour, and for one hour more each time it happens again within a day.
"""

from collections import Counter, defaultdict, deque
from dataclasses import dataclass, field
from email.utils import formatdate

from .books import App
from .rules import Rules

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0
ERRORS = 10
TOKEN_CALLS = 200

Endpoint = tuple[str, str, int, str]
"""App, user, division, resource."""


@dataclass(slots=True)
class Limits:
    """What was used. `on` False lifts everything but the times of tokens."""

    on: bool = True
    retry_after: int | None = None
    """Seconds in a Retry-After of a 429; it is not known to be sent."""
    minutes: Counter[tuple[str, int]] = field(default_factory=Counter)
    days: Counter[tuple[str, int]] = field(default_factory=Counter)
    tokens: Counter[tuple[str, str]] = field(default_factory=Counter)
    errors: dict[Endpoint, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    blocked: dict[Endpoint, float] = field(default_factory=dict)
    """Until when."""
    blocks: dict[Endpoint, deque[float]] = field(default_factory=lambda: defaultdict(deque))
    _minute: float = 0
    _day: float = 0

    def take(self, app: App, division: int, now: float) -> dict[str, str] | None:
        """Counts a call; the headers of the limit that was hit, or None when there is room."""
        self._turn(now)
        key = app.client_id, division
        if self.on and self.minutes[key] >= app.minutely:
            return self._minutely(app, key) | _date(now)
        if self.on and self.days[key] >= app.daily:
            return self._daily(app, key) | _date(now)
        self.minutes[key] += 1
        self.days[key] += 1
        return None

    def headers(self, app: App, division: int, now: float) -> dict[str, str]:
        """What every answer with a division in its address tells."""
        self._turn(now)
        key = app.client_id, division
        return self._minutely(app, key) | self._daily(app, key) | _date(now)

    def is_blocked(self, endpoint: Endpoint, now: float, rules: Rules) -> bool:
        """Whether the endpoint, or the whole division, is blocked for this app and user."""
        if not self.on:
            return False
        keys = [
            key
            for key in self.blocked
            if key[:3] == endpoint[:3] and (rules.velocity_scope == "division" or key == endpoint)
        ]
        return any(now < self.blocked[key] for key in keys)

    def note(self, endpoint: Endpoint, status: int, now: float, rules: Rules) -> None:
        """Counts an answer that was an error; the eleventh of an hour blocks."""
        if not self.on or status not in rules.velocity_statuses:
            return
        errors = self.errors[endpoint]
        errors.append(now)
        while errors[0] <= now - HOUR:
            errors.popleft()
        if len(errors) > ERRORS:
            earlier = self.blocks[endpoint]
            while earlier and earlier[0] <= now - DAY:
                earlier.popleft()
            earlier.append(now)
            self.blocked[endpoint] = now + HOUR * len(earlier)
            errors.clear()

    def allow_token(self, app: str, user: str, now: float) -> bool:
        """Counts a call for a token; at most 200 a day."""
        self._turn(now)
        self.tokens[app, user] += 1
        return not self.on or self.tokens[app, user] <= TOKEN_CALLS

    def clear(self) -> None:
        """Forgets what was used, and all blocks."""
        for each in (self.minutes, self.days, self.tokens, self.errors, self.blocked, self.blocks):
            each.clear()

    def _turn(self, now: float) -> None:
        """A new minute or day begins at nothing."""
        if now // MINUTE != self._minute:
            self._minute = now // MINUTE
            self.minutes.clear()
        if now // DAY != self._day:
            self._day = now // DAY
            self.days.clear()
            self.tokens.clear()

    def _minutely(self, app: App, key: tuple[str, int]) -> dict[str, str]:
        return _headers("X-RateLimit-Minutely", app.minutely, self.minutes[key], (self._minute + 1) * MINUTE)

    def _daily(self, app: App, key: tuple[str, int]) -> dict[str, str]:
        return _headers("X-RateLimit", app.daily, self.days[key], (self._day + 1) * DAY)


def _date(now: float) -> dict[str, str]:
    """The clock's own time, by which the ends of limits are to be read."""
    return {"Date": formatdate(now, usegmt=True)}


def _headers(prefix: str, limit: int, used: int, reset: float) -> dict[str, str]:
    return {
        f"{prefix}-Limit": str(limit),
        f"{prefix}-Remaining": str(max(0, limit - used)),
        f"{prefix}-Reset": str(int(reset * 1000)),
    }
