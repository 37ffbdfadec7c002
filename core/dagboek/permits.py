"""Limits of a tool in rows: shared by all processes, kept over restarts, never passed (design section 8).

A process takes small packs of permits and hands them out from memory; what a pack still holds when its window or its
process ends is lost, so packs are at most one fiftieth of a limit. Windows are cut by the database's clock.
"""

import asyncio
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final
from weakref import WeakKeyDictionary

from dagboek_sdk import clock
from dagboek_sdk.errors import Throttled
from dagboek_sdk.limits import Limit, Window

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

_END: Final = """
    CASE %(period)s WHEN 'day' THEN (kept.window_start AT TIME ZONE %(zone)s + interval '1 day') AT TIME ZONE %(zone)s
    ELSE kept.window_start + ('1 ' || %(period)s)::interval END
"""

# While waiting for the row's lock our window may have ended: then the row's later window is the one that counts.
_USED: Final = "CASE WHEN kept.window_start >= excluded.window_start THEN kept.used ELSE 0 END"

_TAKE: Final = f"""
    INSERT INTO limit_use AS kept (key, operation_group, period, window_start, used)
    VALUES (%(key)s, %(group)s, %(period)s, {_START}, %(pack)s)
    ON CONFLICT (key, operation_group, period) DO UPDATE
    SET used = {_USED} + excluded.used, window_start = greatest(kept.window_start, excluded.window_start)
    WHERE {_USED} + excluded.used <= %(ceiling)s AND coalesce(kept.blocked_until <= clock_timestamp(), true)
    RETURNING extract(epoch FROM {_END} - clock_timestamp())::float8 AS seconds
"""

# Told with how long that is by the same clock: a worker's may be wrong.
_UNTIL: Final = f"""
    SELECT until, greatest(0, extract(epoch FROM until - clock_timestamp()))::float8 AS seconds
    FROM (SELECT coalesce(
        CASE WHEN coalesce(used, 0) < %(ceiling)s THEN blocked_until ELSE greatest(blocked_until, {_END}) END,
        clock_timestamp()
    ) AS until
    FROM (
        SELECT max(CASE WHEN window_start >= {_START} THEN used END) AS used, max(blocked_until) AS blocked_until,
               greatest(max(window_start), {_START}) AS window_start
        FROM limit_use WHERE key = %(key)s AND operation_group = %(group)s AND period = %(period)s
    ) AS kept) AS ends
"""

_CORRECT: Final = f"""
    INSERT INTO limit_use AS kept (key, operation_group, period, window_start, used, blocked_until)
    VALUES (%(key)s, %(group)s, %(period)s, {_START}, %(used)s, least(%(until)s, clock_timestamp() + %(longest)s))
    ON CONFLICT (key, operation_group, period) DO UPDATE
    SET used = greatest({_USED}, excluded.used),
        window_start = greatest(kept.window_start, excluded.window_start),
        blocked_until = greatest(kept.blocked_until, excluded.blocked_until)
"""


@dataclass
class _Pack:
    """Permits of one limit that this process holds; times in seconds of CLOCK_BOOTTIME."""

    left: int = 0
    ends: float = 0.0
    refill: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def usable(self) -> bool:
        return self.left > 0 and clock.boot_time() < self.ends


_packs: WeakKeyDictionary[Database, defaultdict[Limit, _Pack]] = WeakKeyDictionary()
"""Shared by all connections of one event loop that share a limit."""


class RowPermits:
    """`dagboek_sdk.limits.Permits` over the table `limit_use`. A group without limit costs nothing."""

    def __init__(self, db: Database, limits: Sequence[Limit]) -> None:
        self._db = db
        self._packs = _packs.setdefault(db, defaultdict(_Pack))
        self._limits: dict[str, list[Limit]] = {}
        for limit in sorted(limits, key=lambda one: _LENGTHS[one.window], reverse=True):
            self._limits.setdefault(limit.group, []).append(limit)

    async def take(self, group: str, *, settling: bool = False) -> None:
        """One call of `group`, from every limit of it. Throttled(until, group) when one is used up."""
        limits = self._limits.get(group)
        if not limits:
            return
        packs = [self._packs[limit] for limit in limits]
        # A refused limit leaves the packs of the others as they are: a caller that tries again loses nothing.
        while not all(pack.usable for pack in packs):
            for limit, pack in zip(limits, packs, strict=True):
                async with pack.refill:
                    if not pack.usable:
                        await self._refill(limit, pack, settling)
        for pack in packs:
            pack.left -= 1

    async def correct(self, group: str, *, remaining: int | None, reset: datetime | None) -> None:
        """What the tool says of the limit of `group` whose window ends at `reset` (UTC; None: its shortest).

        Counts only downwards: what other calls in flight have taken is not in the tool's figure yet.
        """
        limits = self._limits.get(group)
        if not limits or remaining is None:
            return
        limit = _limit_that_ends(limits, reset)
        spent = remaining <= 0
        pack = self._packs[limit]
        pack.left = min(pack.left, max(remaining, 0))
        async with self._db.connection() as connection:
            await connection.execute(
                _CORRECT,
                {
                    **_names(limit),
                    # Where the tool names the end of its own window, that end counts and not the one of ours.
                    "used": 0 if spent and reset else max(limit.amount - max(remaining, 0), 0),
                    "until": reset if spent else None,
                    # A tool with a wrong clock must not stop us for years.
                    "longest": _LENGTHS[limit.window] * 1.1,
                },
            )

    async def _refill(self, limit: Limit, pack: _Pack, settling: bool) -> None:
        ceiling = limit.amount if settling else limit.amount - limit.reserve
        size = max(1, min(LARGEST_PACK, limit.amount // PACKS_PER_LIMIT))
        for wanted in (size, 1) if size > 1 else (1,):
            if wanted <= ceiling and await self._taken(limit, pack, wanted, ceiling):
                return
        raise await self._spent(limit, ceiling)

    async def _taken(self, limit: Limit, pack: _Pack, wanted: int, ceiling: int) -> bool:
        asked = clock.boot_time()
        async with self._db.connection() as connection:
            taken = await connection.execute(_TAKE, {**_names(limit), "pack": wanted, "ceiling": ceiling})
            row = await taken.fetchone()
        if row is None:
            return False
        pack.left, pack.ends = wanted, asked + row["seconds"]
        return True

    async def _spent(self, limit: Limit, ceiling: int) -> Throttled:
        async with self._db.connection() as connection:
            row = await (await connection.execute(_UNTIL, {**_names(limit), "ceiling": ceiling})).fetchone()
        assert row is not None
        return Throttled(row["until"].astimezone(UTC), group=limit.group, seconds=row["seconds"])


def _names(limit: Limit) -> dict[str, str]:
    return {"key": limit.key, "group": limit.group, "period": limit.window.value, "zone": limit.time_zone}


def _limit_that_ends(limits: Sequence[Limit], reset: datetime | None) -> Limit:
    """Of limits, longest window first, the shortest whose window may end at `reset`."""
    if reset is None:
        return limits[-1]
    ahead = reset - clock.now()
    return next((limit for limit in reversed(limits) if ahead <= _LENGTHS[limit.window]), limits[0])
