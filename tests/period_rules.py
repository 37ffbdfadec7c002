"""What every plugin that says `reads_periods` keeps to: for the tests of each of them."""

from collections.abc import Awaitable, Callable
from datetime import date
from decimal import Decimal
from typing import Any

from dagboek_sdk.accounting import AccountingPlugin, Period
from dagboek_sdk.attempt import Candidate

WINTER = Period(date(2025, 11, 15), date(2026, 3, 31))
WITHIN = ("2025-11-15", "2025-12-31", "2026-01-01", "2026-03-31")
AROUND = ("2025-11-14", "2026-04-01")


async def period_rules(
    plugin: Callable[[], Awaitable[AccountingPlugin]],
    book: Callable[[str], Awaitable[Any]],
    standing: Callable[[], Awaitable[Any]],
    calls: Callable[[], Awaitable[int]],
    *,
    more: int = 0,
) -> None:
    """Entries of 100.00 and 21 % of VAT, of these days, `more` of the first: all of the period once, with what is
    compared, in parts that go on in another process. Nothing is written, and no fewer calls are made than were told.
    """
    for day in (*WITHIN, *AROUND, *[WITHIN[0]] * more):
        await book(day)
    before, made = await standing(), await calls()
    found: list[Candidate] = []
    cursor, parts = None, 0
    while True:
        tool = await plugin()  # as another process has it
        assert tool.about.reads_periods
        part = await tool.entries_of(WINTER, cursor)
        found += part.entries
        cursor, parts = part.cursor, parts + 1
        if cursor is None:
            break
        assert parts < 20

    within = [one for one in found if WINTER.holds(one.day)]
    assert sorted(str(one.day) for one in within) == sorted([*WITHIN, *[WITHIN[0]] * more])
    assert len({one.entry_id for one in found}) == len(found), "each once"
    for one in within:
        assert (one.gross, one.currency, bool(one.party_id), bool(one.number)) == (Decimal("121.00"), "EUR", True, True)
    assert await standing() == before
    told = (await plugin()).calls_of(WINTER, len(within))
    assert parts <= told <= await calls() - made + 1, "a session may be there already"
