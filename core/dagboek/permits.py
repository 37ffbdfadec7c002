"""Limits of a tool in rows: shared by all processes, kept over restarts, never passed (design section 8).

A process takes small packs of permits and hands them out from memory; what a pack still holds when its window or its
process ends is lost, so packs are at most one fiftieth of a limit. Windows are cut by the database's clock, until the
tool says in an answer when its own ends.

A *budget* is the limit of all calls of a day, such as Yuki's of a domain. It is taken call by call, so that none is
lost; shared fairly by the administrations that take from it; and what can wait leaves the last of it to what cannot
(decision 0024).
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar
from uuid import UUID
from weakref import WeakKeyDictionary

from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk import clock
from dagboek_sdk.errors import Throttled
from dagboek_sdk.limits import ALL, FREE, Budget, Limit, Window

from dagboek.database import Connection, Database

Key = TypeVar("Key")

LARGEST_PACK: Final = 10
PACKS_PER_LIMIT: Final = 50
"""A pack is at most this part of a limit, so that limits up to 50 are taken one at a time."""
CAN_WAIT: Final = 0.75
"""Part of a budget that what can wait may use; the rest is for what cannot."""
FLOOR: Final = 4
"""Who has no work just now is kept one part in so many of their share: it may come later in the day."""
SHARED_AGAIN: Final = timedelta(minutes=10)
"""How long whoever has had their share waits before they ask again: others may have ended by then."""

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

_MOST: Final = "(coalesce(kept.amount, %(amount)s) * %(part)s::float8 - %(held)s)"

_TAKE: Final = f"""
    INSERT INTO limit_use AS kept (key, operation_group, period, window_start, used, known)
    VALUES (%(key)s, %(group)s, %(period)s, {_START}, %(pack)s, %(amount)s)
    ON CONFLICT (key, operation_group, period) DO UPDATE
    SET known = %(amount)s,
        used = CASE WHEN {_OPEN} THEN kept.used ELSE 0 END + %(pack)s,
        window_start = CASE WHEN {_OPEN} THEN kept.window_start ELSE {_START} END,
        ends = CASE WHEN {_OPEN} THEN kept.ends END
    WHERE CASE WHEN {_OPEN} THEN kept.used ELSE 0 END + %(pack)s <= {_MOST}
    RETURNING extract(epoch FROM {_END} - clock_timestamp())::float8 AS seconds, used,
              coalesce(amount, %(amount)s) AS amount, {_MOST} AS most, ends IS NOT NULL AS told, window_start
"""

# In the transaction that has taken: the row of the budget is ours, so that shares are counted one by one. Whoever has
# had less than we have is kept what they may claim, but no more than we have had: the last calls go to who had least.
_SHARE: Final = """
    WITH ours AS (
        INSERT INTO limit_share AS s (key, operation_group, period, administration_id, window_start, used)
        VALUES (%(key)s, %(group)s, %(period)s, %(sharer)s, %(start)s, %(pack)s)
        ON CONFLICT (key, operation_group, period, administration_id) DO UPDATE
        SET used = CASE WHEN s.window_start = %(start)s THEN s.used ELSE 0 END + %(pack)s, window_start = %(start)s
        RETURNING used - %(pack)s AS before
    ), other AS (
        SELECT CASE WHEN s.window_start = %(start)s THEN s.used ELSE 0 END AS used,
               EXISTS (SELECT 1 FROM run WHERE administration_id = s.administration_id AND state <> 'ended') AS at_work
        FROM limit_share s
        WHERE s.key = %(key)s AND s.operation_group = %(group)s AND s.period = %(period)s
          AND s.administration_id <> %(sharer)s
          AND EXISTS (SELECT 1 FROM connection c WHERE c.administration_id = s.administration_id
                      AND c.deleted_at IS NULL AND c.state <> 'reconnect')
    ), claim AS (
        SELECT used, %(shared)s / (1 + count(*) OVER ()) / CASE WHEN at_work THEN 1 ELSE %(floor)s END AS most
        FROM other
    )
    SELECT coalesce(sum(greatest(least(c.most, ours.before) - c.used, 0)), 0)::int AS kept
    FROM ours LEFT JOIN claim c ON true
"""

_USED: Final = """
    SELECT w.place - 1 AS place, coalesce(kept.amount, w.amount) AS amount, kept.used, e.renewed AS until
    FROM unnest(%s::text[], %s::text[], %s::text[], %s::int[])
        WITH ORDINALITY AS w(key, operation_group, zone, amount, place)
    JOIN limit_use kept ON kept.key = w.key AND kept.operation_group = w.operation_group AND kept.period = 'day'
    CROSS JOIN LATERAL (
        SELECT coalesce(kept.ends, (kept.window_start AT TIME ZONE w.zone + interval '1 day') AT TIME ZONE w.zone)
               AS renewed
    ) e
    WHERE clock_timestamp() < e.renewed
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
    INSERT INTO limit_use AS kept (key, operation_group, period, window_start, used, ends, amount, known)
    VALUES (%(key)s, %(group)s, %(period)s, {_START}, %(used)s, {_TOLD}, %(told)s, %(amount)s)
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


_waits: ContextVar[bool] = ContextVar("waits", default=False)


@contextmanager
def can_wait() -> Iterator[None]:
    """Calls that are made within can be made another day: lists that were read before, polls, payment statuses."""
    mark = _waits.set(True)
    try:
        yield
    finally:
        _waits.reset(mark)


@dataclass(frozen=True, slots=True)
class CallsLeft:
    """What is left of a day's calls."""

    key: str
    """Who shares them."""
    group: str
    """The calls that are counted; `*` for all."""
    left: int
    amount: int
    until: datetime | None
    """When they renew; None while none was made."""

    @property
    def low(self) -> bool:
        """Whether four fifths are used."""
        return self.left * 5 <= self.amount

    def words(self, sharers: int = 1) -> str:
        """For people: `742 of 1,000 calls left today, all again at 23:00 UTC; shared by 3 connections`."""
        of = "" if self.group == ALL else f" ({self.group})"
        renews = f", all again at {self.until.astimezone(UTC):%H:%M} UTC" if self.until else ""
        shared = f"; shared by {sharers} connections" if sharers > 1 else ""
        return f"{self.left:,} of {self.amount:,} calls{of} left today{renews}{shared}"


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


_packs: WeakKeyDictionary[Database, defaultdict[tuple[Limit, UUID | None], _Pack]] = WeakKeyDictionary()
"""Shared by all connections of one event loop that share a limit; of a budget, by those of one administration."""


class RowPermits:
    """`dagboek_sdk.limits.Permits` over `limit_use` and `limit_error`. A group without limit costs nothing.

    `sharer` is the administration whose calls these are; None while none is chosen.
    """

    def __init__(self, db: Database, limits: Sequence[Limit], sharer: UUID | None = None) -> None:
        self._db = db
        self._sharer = sharer
        self._packs = _packs.setdefault(db, defaultdict(_Pack))
        self._calls = sorted((one for one in limits if not one.errors), key=lambda one: -_LENGTHS[one.window])
        self._errors = [one for one in limits if one.errors]

    async def take(self, group: str, *, settling: bool = False) -> None:
        """One call of `group`, from every limit of it. Throttled when one is used up, of calls or of errors."""
        for limit in _of(self._errors, group):
            await self._look_at_errors(limit, group, settling)
        limits = _of(self._calls, group)
        packs = [self._pack(limit) for limit in limits]
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

    @property
    def of_a_day(self) -> list[Limit]:
        """The limits of a day."""
        return [limit for limit in self._calls if limit.window is Window.DAY]

    def _pack(self, limit: Limit) -> _Pack:
        return self._packs[limit, self._sharer if _is_budget(limit) else None]

    async def _correct(self, limit: Limit, budget: Budget) -> None:
        pack = self._pack(limit)
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
        part = CAN_WAIT if _is_budget(limit) and _waits.get() and not settling else 1.0
        size = max(1, min(LARGEST_PACK, (pack.amount or limit.amount) // PACKS_PER_LIMIT))
        size = 1 if _is_budget(limit) else size
        for wanted in (size, 1) if size > 1 else (1,):
            given = {**_names(limit), "pack": wanted, "held": held, "part": part}
            if wanted <= limit.amount - held and await self._taken(limit, pack, given, settling):
                return
        raise await self._spent(limit)

    async def _taken(self, limit: Limit, pack: _Pack, given: dict[str, Any], settling: bool) -> bool:
        asked = clock.boot_time()
        async with self._db.connection() as connection:
            if self._sharer is None or not _is_budget(limit):
                row = await (await connection.execute(_TAKE, given)).fetchone()
            else:
                async with connection.transaction():
                    row = await (await connection.execute(_TAKE, given)).fetchone()
                    if row is not None:
                        await self._share(connection, limit, given, row, settling)
        if row is None:
            return False
        pack.left, pack.ends = given["pack"], asked + row["seconds"]
        pack.used, pack.amount, pack.told = row["used"], row["amount"], row["told"]
        return True

    async def _share(
        self, connection: Connection, limit: Limit, given: dict[str, Any], row: dict[str, Any], settling: bool
    ) -> None:
        """Counts what was taken as the sharer's. Throttled, and nothing taken, where it is kept for others."""
        shared = row["amount"] - limit.reserve
        more = {"sharer": self._sharer, "start": row["window_start"], "shared": shared, "floor": FLOOR}
        counted = await (await connection.execute(_SHARE, given | more)).fetchone()
        assert counted is not None
        if settling or row["used"] + counted["kept"] <= row["most"]:
            return
        seconds = min(row["seconds"], SHARED_AGAIN.total_seconds())
        until = clock.now() + timedelta(seconds=seconds)
        throttled = Throttled(until, seconds=seconds)
        facts = {"amount": str(row["amount"]), "until": until.isoformat()}
        throttled.issue = Issue(code="B16", severity=Severity.ERROR, facts=facts)
        raise throttled

    async def _spent(self, limit: Limit) -> Throttled:
        async with self._db.connection() as connection:
            row = await (await connection.execute(_UNTIL, _names(limit))).fetchone()
        assert row is not None
        group = None if limit.group == ALL else limit.group
        return Throttled(row["until"].astimezone(UTC), group=group, seconds=row["seconds"])


async def calls_left(db: Database, of: Mapping[Key, Sequence[Limit]]) -> dict[Key, list[CallsLeft]]:
    """What is left of the day's calls, by whose limits they are: of budgets, and of other limits that are low."""
    limits = list(dict.fromkeys(limit for those in of.values() for limit in those))
    columns = ([getattr(one, name) for one in limits] for name in ("key", "group", "time_zone", "amount"))
    used = {limits[row["place"]]: row for row in await db.all(_USED, *columns)}
    found: dict[Key, list[CallsLeft]] = {}
    for whose, those in of.items():
        left = [_left(limit, used.get(limit)) for limit in those]
        found[whose] = [one for one in left if one.group == ALL or one.low]
    return found


def sharers(left: Mapping[Key, Sequence[CallsLeft]]) -> dict[CallsLeft, list[Key]]:
    """Each count once, with all who share it."""
    found: dict[CallsLeft, list[Key]] = {}
    for whose, counts in left.items():
        for one in counts:
            found.setdefault(one, []).append(whose)
    return found


def _left(limit: Limit, row: Mapping[str, Any] | None) -> CallsLeft:
    if row is None:
        return CallsLeft(limit.key, limit.group, limit.amount, limit.amount, None)
    return CallsLeft(limit.key, limit.group, max(row["amount"] - row["used"], 0), row["amount"], row["until"])


def _of(limits: Sequence[Limit], group: str) -> list[Limit]:
    """Those that count calls of `group`."""
    return [] if group == FREE else [one for one in limits if one.group in (group, ALL)]


def _is_budget(limit: Limit) -> bool:
    return limit.window is Window.DAY and limit.group == ALL and not limit.errors


def _names(limit: Limit) -> dict[str, Any]:
    return {
        "key": limit.key,
        "group": limit.group,
        "period": limit.window.value,
        "zone": limit.time_zone,
        "amount": limit.amount,
    }
