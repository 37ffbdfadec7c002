"""Limits of tools and how much of them is used, by all tenants together."""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from dagboek.database import Database


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit, and what is used of it in the present window."""

    key: str
    """Who shares it."""
    group: str
    """The calls that count; `*` for all."""
    period: str
    used: int
    amount: int | None
    """None where nobody has said it since this is kept."""
    ends: datetime
    """When all of it is back."""
    errors: int
    """Answers of the last hour that the tool counts as errors."""

    @property
    def part(self) -> float | None:
        """How much of it is used, from 0 to 1."""
        return min(1.0, self.used / self.amount) if self.amount else None

    @property
    def low(self) -> bool:
        """Whether four fifths are used."""
        return self.part is not None and self.part >= 0.8


@dataclass(frozen=True, slots=True)
class Share:
    """What an administration has had of a day's calls that it shares with others."""

    administration_id: UUID
    administration: str
    tenant_id: UUID
    tenant: str
    used: int
    at_work: bool
    """Whether a run of it has not ended."""


# A day's window begins at midnight of the tool's own zone, which its start says well enough.
_QUOTAS: Final = """
SELECT u.key, u.operation_group AS "group", u.period, u.used, coalesce(u.amount, u.known) AS amount, u.until AS ends,
       (SELECT count(*) FROM limit_error e WHERE e.key = u.key AND e.operation_group = u.operation_group
        AND e.at > now() - interval '1 hour') AS errors
FROM (SELECT *, coalesce(ends, window_start + ('1 ' || period)::interval) AS until FROM limit_use) u
WHERE u.until > now()
  AND (NOT %(low)s OR u.used >= 0.8 * coalesce(u.amount, u.known))
  AND (%(key)s::text IS NULL OR (u.key, u.operation_group, u.period) > (%(key)s, %(group)s, %(period)s))
ORDER BY u.key, u.operation_group, u.period LIMIT %(limit)s
"""

_SHARES: Final = """
WITH page AS MATERIALIZED (
    SELECT s.administration_id, s.used FROM limit_share s JOIN limit_use u USING (key, operation_group, period)
    WHERE s.key = %(key)s AND s.operation_group = %(group)s AND s.period = %(period)s
      AND s.window_start = u.window_start
      AND (%(used)s::int IS NULL OR (-s.used, s.administration_id) > (-%(used)s::int, %(after)s::uuid))
    ORDER BY -s.used, s.administration_id LIMIT %(limit)s
)
SELECT page.administration_id, a.name AS administration, a.tenant_id, t.name AS tenant, page.used,
       EXISTS (SELECT 1 FROM run WHERE administration_id = page.administration_id AND state <> 'ended') AS at_work
FROM page JOIN administration a ON a.id = page.administration_id JOIN tenant t ON t.id = a.tenant_id
ORDER BY -page.used, page.administration_id
"""


async def quotas(
    db: Database, *, low: bool = False, after: tuple[str, str, str] | None = None, limit: int
) -> list[Quota]:
    """Limits that something is used of just now, by key, group and period, after one. `low`: four fifths or more."""
    key, group, period = after or (None, None, None)
    rows = await db.all(_QUOTAS, {"low": low, "key": key, "group": group, "period": period, "limit": limit})
    return [Quota(**row) for row in rows]


async def shares(
    db: Database, key: str, group: str, period: str, *, after: tuple[int, UUID] | None = None, limit: int
) -> list[Share]:
    """Who has had how much of a limit's present window, the most first, after one with this much."""
    used, last = after or (None, None)
    rows = await db.all(
        _SHARES, {"key": key, "group": group, "period": period, "used": used, "after": last, "limit": limit}
    )
    return [Share(**row) for row in rows]
