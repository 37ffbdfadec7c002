"""Limits of a tool in rows: shared by all processes, kept over restarts, never passed (design section 8).

A process takes small packs of permits and hands them out from memory; what a pack still holds when its window or its
process ends is lost, so packs are at most one fiftieth of a limit. Windows are cut by the database's clock, until the
tool says in an answer when its own ends.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, timedelta
from typing import Any, Final
from weakref import WeakKeyDictionary

from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk import clock
from dagboek_sdk.errors import Throttled
from dagboek_sdk.limits import ALL, FREE, Budget, Limit, Window

from dagboek.database import Database

LARGEST_PACK: Final = 10
PACKS_PER_LIMIT: Final = 50
"""A pack is at most this part of a limit, so that limits up to 50 are taken one at a time."""

_LENGTHS: Final = {
    Window.SECOND: timedelta(seconds=1),
    Window.MINUTE: timedelta(minutes=1),
    Window.HOUR: timedelta(hours=1),
    Window.DAY: timedelta(days=1),
}

_START: Final = "date_trunc(%(period)s, clock_timestamp(), %(zone)s)"

# Of the row's window: when the tool has said so, else by the database's clock.
_END: Final = """
    coalesce(kept.ends, CASE %(period)s
    WHEN 'day' THEN (kept.window_start AT TIME ZONE %(zone)s + interval '1 day') AT TIME ZONE %(zone)s
    ELSE kept.window_start + ('1 ' || %(period)s)::interval END)
"""

# Looked at when the row's lock is ours: while we waited for it, a window may have ended.
_OPEN: Final = f"clock_timestamp() < {_END}"

_TAKE: Final = f"""
    INSERT INTO limit_use AS kept (key, operation_group, period, window_start, used)
    VALUES (%(key)s, %(group)s, %(period)s, {_START}, %(pack)s)
    ON CONFLICT (key, operation_group, period) DO UPDATE
    SET used = CASE WHEN {_OPEN} THEN kept.used ELSE 0 END + %(pack)s,
        window_start = CASE WHEN {_OPEN} THEN kept.window_start ELSE {_START} END,
        ends = CASE WHEN {_OPEN} THEN kept.ends END
    WHERE CASE WHEN {_OPEN} THEN kept.used ELSE 0 END + %(pack)s <= coalesce(kept.amount, %(amount)s) - %(held)s
    RETURNING extract(epoch FROM {_END} - clock_timestamp())::float8 AS seconds, used,
              coalesce(amount, %(amount)s) AS amount, ends IS NOT NULL AS told
"""

# Told with how long that is by the same clock: a worker's may be wrong.
_UNTIL: Final = f"""
    SELECT until, greatest(0, extract(epoch FROM until - clock_timestamp()))::float8 AS seconds
    FROM (SELECT greatest(max({_END}), clock_timestamp()) AS until FROM limit_use kept
          WHERE key = %(key)s AND operation_group = %(group)s AND period = %(period)s) AS kept
"""

# A tool whose window ends half of one later than ours has begun its next. One that ends half of one earlier was told
# by an answer that came late, or our clock is ahead: whatever the tool has said of this window before, counts.
_TOLD: Final = "(clock_timestamp() + %(seconds)s::interval)"
_SAME: Final = f"({_OPEN} AND coalesce({_TOLD} < {_END} + %(length)s / 2, true))"
_LATE: Final = f"({_OPEN} AND kept.ends IS NOT NULL AND coalesce({_TOLD} < {_END} - %(length)s / 2, false))"

_CORRECT: Final = f"""
    INSERT INTO limit_use AS kept (key, operation_group, period, window_start, used, ends, amount)
    VALUES (%(key)s, %(group)s, %(period)s, {_START}, %(used)s, {_TOLD}, %(told)s)
    ON CONFLICT (key, operation_group, period) DO UPDATE
    SET used = CASE WHEN {_SAME} THEN greatest(kept.used, %(used)s) ELSE %(used)s END,
        window_start = CASE WHEN {_SAME} THEN kept.window_start ELSE {_START} END,
        ends = CASE WHEN {_SAME} THEN coalesce({_TOLD}, kept.ends) ELSE {_TOLD} END,
        amount = coalesce(%(told)s, kept.amount)
    WHERE NOT {_LATE}
"""

_FAILED: Final = """
    WITH old AS (DELETE FROM limit_error WHERE key = %(key)s AND operation_group = %(group)s
                 AND at < clock_timestamp() - %(length)s)
    INSERT INTO limit_error (key, operation_group) VALUES (%(key)s, %(group)s)
"""

# The oldest of as many errors as there may be at one time.
_ERRORS: Final = """
    SELECT at + %(length)s AS until, extract(epoch FROM at + %(length)s - clock_timestamp())::float8 AS seconds
    FROM limit_error WHERE key = %(key)s AND operation_group = %(group)s AND at > clock_timestamp() - %(length)s
    ORDER BY at DESC OFFSET %(most)s - 1 LIMIT 1
"""


@dataclass
class _Pack:
    """Permits of one limit that this process holds; times in seconds of CLOCK_BOOTTIME."""

    left: int = 0
    ends: float = 0.0
    used: int = 0
    """By all, when the pack was taken."""
    amount: int = 0
    """The limit, as it was known then."""
    told: bool = False
    """Whether the tool has said when this window ends."""
    refill: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def current(self) -> bool:
        return clock.boot_time() < self.ends

    def knows(self, limit: Limit, budget: Budget) -> bool:
        """Whether the tool says nothing that the row does not hold."""
        amount = budget.amount or self.amount
        fits = amount == self.amount and budget.remaining > 0 and amount - budget.remaining <= self.used
        return self.current and fits and (self.told or budget.seconds is None)


_packs: WeakKeyDictionary[Database, defaultdict[Limit, _Pack]] = WeakKeyDictionary()
"""Shared by all connections of one event loop that share a limit."""


class RowPermits:
    """`dagboek_sdk.limits.Permits` over `limit_use` and `limit_error`. A group without limit costs nothing."""

    def __init__(self, db: Database, limits: Sequence[Limit]) -> None:
        self._db = db
        self._packs = _packs.setdefault(db, defaultdict(_Pack))
        self._calls = sorted((one for one in limits if not one.errors), key=lambda one: -_LENGTHS[one.window])
        self._errors = [one for one in limits if one.errors]

    async def take(self, group: str, *, settling: bool = False) -> None:
        """One call of `group`, from every limit of it. Throttled when one is used up, of calls or of errors."""
        for limit in _of(self._errors, group):
            await self._look_at_errors(limit, group, settling)
        limits = _of(self._calls, group)
        packs = [self._packs[limit] for limit in limits]
        # A refused limit leaves the packs of the others as they are: a caller that tries again loses nothing.
        while not all(pack.left > 0 and pack.current for pack in packs):
            for limit, pack in zip(limits, packs, strict=True):
                async with pack.refill:
                    if not (pack.left > 0 and pack.current):
                        await self._refill(limit, pack, settling)
        for pack in packs:
            pack.left -= 1

    async def correct(self, group: str, budgets: Sequence[Budget]) -> None:
        """What the tool says of the limits of `group`.

        Counts only downwards: what other calls in flight have taken is not in the tool's figure yet.
        """
        told = {budget.window: budget for budget in budgets}
        for limit in _of(self._calls, group):
            if limit.window in told:
                await self._correct(limit, told[limit.window])

    async def failed(self, group: str) -> None:
        """Counts an error of `group`."""
        for limit in _of(self._errors, group):
            async with self._db.connection() as connection:
                given = {"key": limit.key, "group": group, "length": _LENGTHS[limit.window]}
                await connection.execute(_FAILED, given)

    async def _correct(self, limit: Limit, budget: Budget) -> None:
        pack = self._packs[limit]
        if pack.knows(limit, budget):
            return
        pack.left = min(pack.left, max(budget.remaining, 0))
        length = _LENGTHS[limit.window]
        # A tool with a wrong clock must not stop us for years.
        seconds = None if budget.seconds is None else min(timedelta(seconds=budget.seconds), length * 1.1)
        async with self._db.connection() as connection:
            await connection.execute(
                _CORRECT,
                {
                    **_names(limit),
                    "used": max((budget.amount or limit.amount) - max(budget.remaining, 0), 0),
                    "told": budget.amount,
                    "seconds": seconds,
                    "length": length,
                },
            )
        pack.told = pack.told or seconds is not None

    async def _look_at_errors(self, limit: Limit, group: str, settling: bool) -> None:
        most = limit.amount if settling else limit.amount - limit.reserve
        given = {"key": limit.key, "group": group, "length": _LENGTHS[limit.window], "most": most}
        async with self._db.connection() as connection:
            row = await (await connection.execute(_ERRORS, given)).fetchone()
        if row is not None:
            until = row["until"].astimezone(UTC)
            throttled = Throttled(until, group=group, seconds=max(0.0, row["seconds"]))
            facts = {"errors": str(most), "endpoint": group, "until": until.isoformat()}
            throttled.issue = Issue(code="B15", severity=Severity.ERROR, facts=facts)
            raise throttled

    async def _refill(self, limit: Limit, pack: _Pack, settling: bool) -> None:
        held = 0 if settling else limit.reserve
        size = max(1, min(LARGEST_PACK, (pack.amount or limit.amount) // PACKS_PER_LIMIT))
        for wanted in (size, 1) if size > 1 else (1,):
            if wanted <= limit.amount - held and await self._taken(limit, pack, wanted, held):
                return
        raise await self._spent(limit)

    async def _taken(self, limit: Limit, pack: _Pack, wanted: int, held: int) -> bool:
        asked = clock.boot_time()
        async with self._db.connection() as connection:
            taken = await connection.execute(_TAKE, {**_names(limit), "pack": wanted, "held": held})
            row = await taken.fetchone()
        if row is None:
            return False
        pack.left, pack.ends = wanted, asked + row["seconds"]
        pack.used, pack.amount, pack.told = row["used"], row["amount"], row["told"]
        return True

    async def _spent(self, limit: Limit) -> Throttled:
        async with self._db.connection() as connection:
            row = await (await connection.execute(_UNTIL, _names(limit))).fetchone()
        assert row is not None
        group = None if limit.group == ALL else limit.group
        return Throttled(row["until"].astimezone(UTC), group=group, seconds=row["seconds"])


def _of(limits: Sequence[Limit], group: str) -> list[Limit]:
    """Those that count calls of `group`."""
    return [] if group == FREE else [one for one in limits if one.group in (group, ALL)]


def _names(limit: Limit) -> dict[str, Any]:
    return {
        "key": limit.key,
        "group": limit.group,
        "period": limit.window.value,
        "zone": limit.time_zone,
        "amount": limit.amount,
    }
