"""A plugin that blocks its loop is found by the consumer's loop: what it was at is named, and the process restarts.

A thread cannot be stopped from outside, so the process ends, once the other tools' loops have finished what they were
at. Time counts by turns of the consumer's loop: a process that was frozen, or a machine that slept, is not blocked.
"""

import asyncio
import faulthandler
import os
import signal
import sys
import traceback
from collections.abc import Iterable
from typing import Final
from uuid import uuid4

import structlog
from dagboek.database import connect
from dagboek.starts import Start, park_blocked
from dagboek_schemas.issues import Issue, Severity

from dagboek_workers.dispatcher import Dispatcher
from dagboek_workers.tool_loop import ToolLoop

log = structlog.get_logger()

LOOKS: Final = 5
"""Looks, a second apart, in which a loop must have gone round once."""
PARKING: Final = 10.0
"""Seconds for telling the database."""
DRAINING: Final = 20.0
"""Seconds for the other loops' calls in flight."""
STARVED: Final = 15
"""Seconds of CPU without a turn of the consumer's loop after which the process ends: its place in the group is lost."""


class Watch:
    """Counts how often each loop was looked at since it last went round."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[float, int]] = {}

    def look(self, tools: Iterable[ToolLoop]) -> list[ToolLoop]:
        """The loops that are blocked. To be called about once a second, never faster."""
        blocked = []
        for tool in tools:
            ticked, looks = self._seen.get(tool.name, (None, 0))
            looks = looks + 1 if ticked == tool.ticked else 0
            self._seen[tool.name] = (tool.ticked, looks)
            if looks >= LOOKS:
                blocked.append(tool)
        return blocked


async def end_blocked(dispatcher: Dispatcher, blocked: list[ToolLoop], database_url: str) -> None:
    """Names what blocks, parks its run, lets the other tools finish, and ends the process with status 70."""
    for tool in blocked:
        await _name(tool, database_url)
    await dispatcher.drain(blocked, DRAINING)
    os._exit(70)  # what is not acked comes again, to whoever starts in its place


async def _name(tool: ToolLoop, database_url: str) -> None:
    reference = uuid4().hex[:8]
    lane = tool.executing()
    event = lane.current.event if lane is not None and lane.current is not None else None
    log.error(
        "tool_loop.blocked",
        tool=tool.name,
        reference=reference,
        run=str(event.run_id) if event else None,
        sequence=event.sequence if event else None,
        frames=_frames(tool),
    )
    if lane is None or event is None or lane.epoch is None:
        return  # its lanes stay held: their next holder suspects them all
    start = Start(event.run_id, event.generation, event.sequence, event.administration_id, lane.epoch)
    facts = {"where": tool.name, "error": "blocked", "reference": reference}
    issue = Issue(code="D13", severity=Severity.ERROR, facts=facts)
    try:
        async with asyncio.timeout(PARKING):
            connection = await connect(database_url, connect_timeout=5)
            async with connection:
                await park_blocked(connection, start, issue, marked=lane.on_trial)
    except Exception as trouble:
        log.error("tool_loop.not_parked", run=str(event.run_id), error=type(trouble).__name__)


def _frames(tool: ToolLoop) -> list[str]:
    """Where its thread is, without values: they may be of a document."""
    frame = sys._current_frames().get(tool.thread_id or 0)  # the only way to see another thread's stack
    found = traceback.extract_stack(frame)[-12:] if frame is not None else []
    return [f"{one.filename}:{one.lineno} {one.name}" for one in found]


async def show_life() -> None:
    """Has the system end the process when this loop does not go round any more; where its threads are goes to the log.

    What holds the interpreter (a regular expression that backtracks without end) stops all threads, and nobody of ours
    could look. CPU is what counts, as a process that is frozen uses none.
    """
    faulthandler.register(signal.SIGPROF, file=sys.stderr, all_threads=True, chain=True)
    try:
        while True:
            signal.setitimer(signal.ITIMER_PROF, STARVED)
            await asyncio.sleep(1)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
