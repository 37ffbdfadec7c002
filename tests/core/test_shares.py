"""The calls of a day that many connections share: none lost, none passed, none starved, the urgent first."""

import asyncio
import sys
from contextlib import suppress
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import pytest
from dagboek.database import Database
from dagboek.permits import CAN_WAIT, FLOOR, SHARED_AGAIN, CallsLeft, RowPermits, calls_left, can_wait, sharers
from dagboek_sdk.errors import Throttled
from dagboek_sdk.limits import ALL, Budget, Limit, Window

DOMAIN = Limit("", ALL, 1000, Window.DAY, reserve=20)
SHARERS = 20
SHARE = (1000 - 20) // SHARERS


@pytest.fixture(autouse=True)
def a_domain_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """For each test, as they share a database."""
    monkeypatch.setattr(sys.modules[__name__], "DOMAIN", replace(DOMAIN, key=f"yuki:api.example:{uuid4().hex}"))


async def connected(database: Database, number: int = SHARERS, *, at_work: bool = True) -> list[UUID]:
    """Administrations with a connection each, and a run where they are at work."""
    made = []
    for _ in range(number):
        row = await database.one(
            """WITH t AS (INSERT INTO tenant (name) VALUES (%(name)s) RETURNING id),
                    e AS (INSERT INTO entity (tenant_id, name) SELECT id, 'E' FROM t RETURNING id),
                    l AS (INSERT INTO login (tenant_id, plugin, tool_user, settings)
                          SELECT id, 'x', 'u', '' FROM t RETURNING id),
                    a AS (INSERT INTO administration (tenant_id, plugin, host, tool_id, name)
                          SELECT id, 'x', 'h', %(name)s, 'A' FROM t RETURNING id),
                    c AS (INSERT INTO connection (tenant_id, entity_id, administration_id, login_id, plugin, state)
                          SELECT t.id, e.id, a.id, l.id, 'x', 'connected' FROM t, e, a, l RETURNING id)
               INSERT INTO run (id, tenant_id, entity_id, connection_id, administration_id, trigger, state, selected)
               SELECT %(run)s, t.id, e.id, c.id, a.id, 'manual', %(state)s, true FROM t, e, a, c
               RETURNING administration_id""",
            {"name": uuid4().hex, "run": uuid4(), "state": "active" if at_work else "ended"},
        )
        assert row is not None
        made.append(row["administration_id"])
        await RowPermits(database, [DOMAIN], row["administration_id"]).take("any")  # as any connection does at set-up
    return made


async def granted(permits: RowPermits, tries: int, **how: Any) -> int:
    """How many, until it is refused three times."""
    count = refused = 0
    while count < tries and refused < 3:
        try:
            await permits.take("any", **how)
            count += 1
        except Throttled:
            refused += 1
    return count


async def used(database: Database) -> int:
    row = await database.one("SELECT used FROM limit_use WHERE key = %s", DOMAIN.key)
    assert row is not None
    return int(row["used"])


async def test_who_has_most_to_do_leaves_the_others_their_share_and_every_call_is_used(database: Database) -> None:
    greedy, *others = await connected(database)
    assert 1 + await granted(RowPermits(database, [DOMAIN], greedy), 1000) == SHARE
    for one in others:
        assert 1 + await granted(RowPermits(database, [DOMAIN], one), SHARE - 1) == SHARE
    assert await used(database) == SHARE * SHARERS


async def test_in_whatever_order_they_come_all_have_the_same(database: Database) -> None:
    all_of_them = await connected(database)
    had = await asyncio.gather(*(granted(RowPermits(database, [DOMAIN], one), 100) for one in all_of_them))
    assert set(had) == {SHARE - 1}
    assert await used(database) == 980


async def test_whoever_had_enough_leaves_the_rest_to_who_has_not(database: Database) -> None:
    greedy, *others = await connected(database)
    await granted(RowPermits(database, [DOMAIN], greedy), 1000)
    for one in others:
        await granted(RowPermits(database, [DOMAIN], one), 9)
    await database.run("UPDATE run SET state = 'ended' WHERE administration_id = ANY(%s)", others)
    had = SHARE + await granted(RowPermits(database, [DOMAIN], greedy), 1000)
    left = 1000 - 20 - had - 19 * 10
    assert left == 19 * (SHARE // FLOOR - 10), "all but what may still come today"


async def test_who_comes_late_in_the_day_still_has_something(database: Database) -> None:
    greedy, late = (await connected(database, 1))[0], (await connected(database, 1, at_work=False))[0]
    assert await granted(RowPermits(database, [DOMAIN], greedy), 2000) == 980 - 490 // FLOOR - 1
    await database.run("UPDATE run SET state = 'active' WHERE administration_id = %s", late)
    assert 1 + await granted(RowPermits(database, [DOMAIN], late), 2000) == 490 // FLOOR
    assert await used(database) == 980


@pytest.mark.parametrize("gone", ["deleted_at = now()", "state = 'reconnect'"])
async def test_nothing_is_kept_for_who_does_not_come(database: Database, gone: str) -> None:
    alone, *others = await connected(database, 4)
    await database.run(f"UPDATE connection SET {gone} WHERE administration_id = ANY(%s)", others)
    assert await granted(RowPermits(database, [DOMAIN], alone), 2000) == 980 - 4


async def test_whoever_has_had_their_share_asks_again_soon_and_is_told_why(database: Database) -> None:
    greedy, _ = await connected(database, 2)
    permits = RowPermits(database, [DOMAIN], greedy)
    await granted(permits, 1000)
    before = await used(database)
    with pytest.raises(Throttled) as refused:
        await permits.take("any")
    assert refused.value.seconds is not None and refused.value.seconds <= SHARED_AGAIN.total_seconds()
    assert refused.value.issue is not None
    assert (refused.value.issue.code, refused.value.issue.facts["amount"]) == ("B16", "1000")
    assert await used(database) == before, "nothing is taken by who gets nothing"


async def test_the_reserve_is_for_settling_whoever_has_had_how_much(database: Database) -> None:
    one, other = await connected(database, 2)
    for each in (one, other):
        await granted(RowPermits(database, [DOMAIN], each), 1000)
    assert await used(database) == 980
    assert await granted(RowPermits(database, [DOMAIN], one), 100, settling=True) == 20
    assert await used(database) == 1000


async def test_what_can_wait_leaves_the_last_quarter_to_what_cannot(database: Database) -> None:
    (one,) = await connected(database, 1)
    permits = RowPermits(database, [DOMAIN], one)
    with can_wait():
        assert 1 + await granted(permits, 1000) == 1000 * CAN_WAIT - 20
    assert await granted(permits, 1000) == 250
    with can_wait():
        assert await granted(permits, 5) == 0


async def test_what_the_tool_says_of_its_limit_counts_for_shares_too(database: Database) -> None:
    one, other = await connected(database, 2)
    await RowPermits(database, [DOMAIN], one).correct("any", [Budget(Window.DAY, 118, amount=120)])
    assert 1 + await granted(RowPermits(database, [DOMAIN], one), 1000) == 50
    assert 1 + await granted(RowPermits(database, [DOMAIN], other), 1000) == 50


async def test_a_new_day_begins_with_new_shares(database: Database) -> None:
    one, _ = await connected(database, 2)
    permits = RowPermits(database, [DOMAIN], one)
    assert 1 + await granted(permits, 1000) == 490
    for table in ("limit_use", "limit_share"):
        await database.run(
            f"UPDATE {table} SET window_start = window_start - interval '1 day' WHERE key = %s", DOMAIN.key
        )
    assert await granted(permits, 1000) == 490


async def test_other_limits_of_a_day_are_not_shared_out(database: Database) -> None:
    one, _ = await connected(database, 2)
    assert await granted_of(RowPermits(database, [Limit(uuid4().hex, "book", 40, Window.DAY)], one), "book") == 40


async def granted_of(permits: RowPermits, group: str) -> int:
    count = 0
    with suppress(Throttled):
        while count < 100:
            await permits.take(group)
            count += 1
    return count


async def test_what_is_left_is_told_in_words(database: Database) -> None:
    one, other = await connected(database, 2)
    key = uuid4().hex
    limits = [DOMAIN, Limit(key, "book", 10, Window.DAY), Limit(key, ALL, 5, Window.MINUTE)]
    given = {each: RowPermits(database, limits, each).of_a_day for each in (one, other)}
    found = await calls_left(database, given)
    ((left, by),) = sharers(found).items()
    assert (left.left, left.amount, left.low, by) == (998, 1000, False, [one, other])
    assert left.until is not None
    told = f"998 of 1,000 calls left today, all again at {left.until:%H:%M} UTC"
    assert (left.words(), left.words(2)) == (told, f"{told}; shared by 2 connections")

    await database.run("UPDATE limit_use SET used = 800 WHERE key = %s", DOMAIN.key)
    await database.run(
        """INSERT INTO limit_use (key, operation_group, period, window_start, used)
           VALUES (%s, 'book', 'day', date_trunc('day', now(), 'UTC'), 9)""",
        key,
    )
    low = (await calls_left(database, given))[one]
    assert {(one.group, one.left, one.low) for one in low} == {("book", 1, True), (ALL, 200, True)}
    assert low[1].words().startswith("1 of 10 calls (book) left today")

    await database.run("UPDATE limit_use SET window_start = window_start - interval '1 day'")
    (fresh,) = (await calls_left(database, {1: [DOMAIN]}))[1]
    assert fresh == CallsLeft(DOMAIN.key, ALL, 1000, 1000, None)
    assert fresh.words() == "1,000 of 1,000 calls left today"


RACER = """
import asyncio, sys
from uuid import UUID
from dagboek.database import Database
from dagboek.permits import RowPermits
from dagboek_sdk.errors import Throttled
from dagboek_sdk.limits import ALL, Limit, Window

DOMAIN = Limit(sys.argv[2], ALL, 1000, Window.DAY, reserve=20)

async def take(permits, most):
    count = 0
    for _ in range(most):
        try:
            await permits.take("any")
            count += 1
        except Throttled:
            pass
    return count

async def main():
    async with Database(sys.argv[1], size=4) as db:
        print("ready", flush=True)
        sys.stdin.readline()
        counts = await asyncio.gather(*(take(RowPermits(db, [DOMAIN], UUID(one)), 60) for one in sys.argv[3:]))
        print(*counts)

asyncio.run(main())
"""


async def test_two_processes_of_twenty_connections_use_a_days_calls_up_and_each_has_its_share(
    database: Database,
) -> None:
    all_of_them = [str(one) for one in await connected(database)]
    pipe = asyncio.subprocess.PIPE
    racers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", RACER, database.url, DOMAIN.key, *mine, stdin=pipe, stdout=pipe
        )
        for mine in (all_of_them[:10], all_of_them[10:])
    ]
    for racer in racers:
        assert racer.stdout is not None
        assert await racer.stdout.readline() == b"ready\n"
    outputs = await asyncio.gather(*(racer.communicate(b"go\n") for racer in racers))
    had = [int(word) for output, _ in outputs for word in output.split()]
    assert had == [SHARE - 1] * SHARERS, "one each was taken before"
    assert await used(database) == 980, "and none is left in a process that needs it no more"
