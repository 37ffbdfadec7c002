"""What a tool has taken and books by itself later: shown as that, then time passes in the tool, and it is booked."""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from dagboek.accepted import poll_soon
from dagboek.demo.company import Company, DemoTrouble
from dagboek.demo.stage import Stage
from dagboek.demo.telling import Teller

A_NIGHT: Final = 12 * 3600
"""Seconds that pass in the tool."""
POLL: Final = 0.2

_TAKEN: Final = """
SELECT l.id, d.number, l.state, l.entry_number
  FROM link l JOIN document d ON d.tenant_id = l.tenant_id AND d.identity = l.identity
 WHERE l.administration_id = %s AND l.current AND l.kind = 'document' AND (l.state = 'accepted' OR l.id = ANY(%s))
 ORDER BY d.issue_date, d.number
"""


@dataclass(frozen=True, slots=True)
class Taken:
    """A document that a tool took and did not book at once."""

    company: Company
    link_id: int
    number: str
    state: str
    booking_number: str | None


async def taken(stage: Stage, companies: Sequence[Company], before: Sequence[Taken] = ()) -> list[Taken]:
    """What tools took so and have not booked, and what became of those that were so `before`."""
    links = [one.link_id for one in before]
    found: list[Taken] = []
    for company in companies:
        rows = await stage.db.all(_TAKEN, company.administration_id, links)
        found += [Taken(company, row["id"], row["number"], row["state"], row["entry_number"]) for row in rows]
    return found


async def a_night_passes(stage: Stage, companies: Sequence[Company], teller: Teller, seconds: float) -> list[Taken]:
    """In the tools that have taken something; what became of it. DemoTrouble when they do not book it."""
    waiting = await taken(stage, companies)
    tools = sorted({one.company.tool for one in waiting})
    if not waiting:
        return []
    titles = " and ".join(stage.plugins.tool(tool).about.title for tool in tools)
    teller.chapter(f"What {titles} has taken and books later by itself")
    for one in waiting:
        teller.step(f"{one.number} of {one.company.entity.name} is accepted, and not booked yet.")
    for tool in tools:
        await stage.books[tool].do("clock", advance_seconds=A_NIGHT)
    teller.step(f"A night passes in {titles}, and Dagboek asks what became of them.")
    await poll_soon(stage.db, [one.company.administration_id for one in waiting])
    deadline = time.monotonic() + seconds
    found = waiting
    while late := [one.number for one in found if one.state == "accepted"]:
        if time.monotonic() > deadline:
            raise DemoTrouble(f"{titles} took these and did not book them in {seconds:.0f} s: {late[:5]}.")
        await asyncio.sleep(POLL)
        found = await taken(stage, companies, waiting)
    for one in found:
        teller.step(f"{one.number} of {one.company.entity.name} is booked now, as number {one.booking_number}.")
    return found
