"""Telling people stands apart from what is recorded: no fault of it keeps a run from ending, or a night from coming."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from dagboek.database import AWAY, Connection
from dagboek.plugins import unexpected


@asynccontextmanager
async def apart(connection: Connection) -> AsyncIterator[None]:
    """What cannot be told is undone alone, and logged. Trouble that passes is raised: all of it is tried again."""
    try:
        async with connection.transaction():
            yield
    except AWAY:
        raise
    except Exception as bug:
        unexpected("notices", bug)
