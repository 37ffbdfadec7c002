"""Keeps logins alive that die when nobody uses them, such as those of connections that a person starts twice a year."""

import asyncio
from typing import Any, Final

import structlog
from dagboek_sdk.errors import LoginBroken, ToolError
from dagboek_sdk.oauth import NAME

from dagboek import connections, logins
from dagboek.connections import ConnectionProblem
from dagboek.database import Database
from dagboek.plugins import Plugins, unexpected
from dagboek.vault import Vault

log = structlog.get_logger()

UNUSED: Final = 1 / 3
"""Part of its life after which a login is used: what is left is time for trouble of ours or of the tool's."""
LOT: Final = 200
"""Logins that are looked after at a time; by chance, so that some which fail keep no others waiting."""
AT_ONCE: Final = 8

# A connection whose login is to be used. Those that wait for a person are past help.
_DUE: Final = """
SELECT DISTINCT ON (l.id) l.id, l.plugin, c.id AS connection_id
FROM unnest(%s::text[], %s::float8[]) AS p(plugin, days)
JOIN login l ON l.plugin = p.plugin AND l.broken_since IS NULL
JOIN login_token t ON t.login_id = l.id AND t.name = %s AND t.until < now() + p.days * interval '1 day'
JOIN connection c ON c.login_id = l.id AND c.deleted_at IS NULL
ORDER BY l.id, c.created_at
"""


async def keep_alive(db: Database, plugins: Plugins, vault: Vault) -> int:
    """Uses the logins that nobody has used for a third of the time after which they die; how many were."""
    mortal = {one.about.name: one.about.keep_alive_days for one in plugins.tools.values() if one.about.keep_alive_days}
    if not mortal:
        return 0
    left = [days * (1 - UNUSED) for days in mortal.values()]
    due = await db.all(f"SELECT * FROM ({_DUE}) AS due ORDER BY random() LIMIT {LOT}", list(mortal), left, NAME)
    places = asyncio.Semaphore(AT_ONCE)

    async def one(row: dict[str, Any]) -> bool:
        async with places:
            return await _used(db, plugins, vault, row)

    return sum(await asyncio.gather(*(one(row) for row in due)))


async def _used(db: Database, plugins: Plugins, vault: Vault, row: dict[str, Any]) -> bool:
    """Whether the login works. One that has ended is marked, and its connections ask to be connected again."""
    try:
        tool = await connections.open_tool(db, plugins, vault, row["connection_id"])
        try:
            async with asyncio.timeout(tool.call_deadline * 4):
                await tool.prepare()
        finally:
            await tool.close()
    except LoginBroken as broken:
        issue = broken.issue.model_copy(update={"tool_words": broken.tool_words})
        async with db.transaction() as connection:
            await logins.mark_broken(connection, row["id"], issue)
        log.warning("login.broken", tool=row["plugin"], login=str(row["id"]))
    except (ToolError, TimeoutError, ConnectionProblem) as trouble:  # another time: there is enough left
        log.warning("login.not_used", tool=row["plugin"], login=str(row["id"]), error=type(trouble).__name__)
    except Exception as bug:
        unexpected(row["plugin"], bug)
    else:
        return True
    return False
