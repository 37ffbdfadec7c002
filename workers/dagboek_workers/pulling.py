"""Items that read from the tool: ledger accounts with the other lists, what is there already, payment statuses."""

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING

from dagboek import contexts
from dagboek.payments import open_entries, store_statuses
from dagboek.permits import can_wait
from dagboek.tool_entries import store
from dagboek_schemas.statuses import Component
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.errors import Throttled

from dagboek_workers.window import ItemSeen, Window

if TYPE_CHECKING:
    from dagboek_workers.lane import Lane

FRESH = timedelta(hours=11)
"""Lists read within this time are not asked for again, by whichever connection of the books."""
PULL_DEADLINE = 180.0
"""Seconds that a pull may take; first loads can be slow (octopus/api.md section 5)."""


async def pull(lane: "Lane", window: Window, item: ItemSeen, tool: AccountingPlugin) -> None:
    """Reads what the item stands for, and stores it."""
    async with asyncio.timeout(PULL_DEADLINE):
        if item.component is Component.LEDGER_ACCOUNTS:
            await _lists(lane, window, tool)
        else:
            await _payment_statuses(lane, window, tool)


async def _lists(lane: "Lane", window: Window, tool: AccountingPlugin) -> None:
    db, run = lane.loop.db, window.run
    try:
        with can_wait():
            version = await contexts.refresh(db, run["connection_id"], tool, older_than=FRESH)
    except Throttled:  # some tools give a list twice a day: what was read before serves on
        version, _ = await contexts.current(db, run["connection_id"])
    if not window.looked_up:
        await look_up(lane, window, tool)
    await db.run("UPDATE run SET context_version = %s WHERE id = %s", version, run["id"])
    await _pulled(lane, window, Component.LEDGER_ACCOUNTS, None)
    run["context_version"] = version
    window.context = await contexts.load(db, run["connection_id"], version)


async def look_up(lane: "Lane", window: Window, tool: AccountingPlugin) -> None:
    """The first run on an administration: what stands there was typed by hand, or is another connector's."""
    entries = await tool.entries()
    await store(lane.loop.db, lane.administration_id, entries)
    window.run["looked_up"] = True
    window.entries_there = bool(entries)


async def _payment_statuses(lane: "Lane", window: Window, tool: AccountingPlugin) -> None:
    db, run = lane.loop.db, window.run
    row = await db.one(
        "SELECT cursor FROM pull_cursor WHERE connection_id = %s AND name = %s",
        run["connection_id"],
        Component.PAYMENT_STATUSES,
    )
    entries = await open_entries(db, lane.administration_id)
    if entries:
        with can_wait():
            statuses, cursor = await tool.payment_statuses(entries, row["cursor"] if row else None)
        await store_statuses(db, lane.loop.publisher, run, statuses)
        await _pulled(lane, window, Component.PAYMENT_STATUSES, cursor)


async def _pulled(lane: "Lane", window: Window, component: Component, cursor: str | None) -> None:
    await lane.loop.db.run(
        """INSERT INTO pull_cursor (connection_id, name, cursor) VALUES (%s, %s, %s)
           ON CONFLICT (connection_id, name) DO UPDATE SET cursor = excluded.cursor, pulled_at = now()""",
        window.run["connection_id"],
        component,
        cursor,
    )
