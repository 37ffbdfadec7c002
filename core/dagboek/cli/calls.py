"""What is left of the calls that a tool allows in a day, for people and programs."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from rich.console import Console

from dagboek import connections
from dagboek.cli import tables
from dagboek.cli.session import Session
from dagboek.permits import CallsLeft, sharers
from dagboek.settings import SettingsError
from dagboek.vault import VaultError

Left = Mapping[UUID, Sequence[CallsLeft]]
"""By connection."""


async def calls_left(session: Session, connection_ids: Iterable[UUID]) -> Left:
    """Of connections that can be opened; of none where the key of their credentials is not here."""
    try:
        vault = session.vault
    except (VaultError, SettingsError):
        return {}
    return await connections.calls_left(session.db, session.plugins, vault, set(connection_ids))


def print_calls_left(out: Console, left: Left, tools: Mapping[UUID, str], *, only_low: bool = False) -> None:
    """A line for each count, by whichever connections it is shared; a warning where four fifths are used."""
    for one, by in sharers(left).items():
        if one.low or not only_low:
            out.print(tables.cell(f"{tools[by[0]]}: {one.words(len(by))}"), style="yellow" if one.low else "dim")


def calls_json(counts: Sequence[CallsLeft]) -> list[dict[str, Any]]:
    """For programs."""
    return [{**tables.json_of(one), "low": one.low} for one in counts]
