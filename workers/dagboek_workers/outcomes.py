"""What came of an attempt: it is recorded as a fact, and the item told, adopted or to be tried once more."""

import asyncio
from collections.abc import Mapping, Sequence

import orjson
import structlog
from dagboek.database import AWAY
from dagboek.matching import Likeness, Match, bears_reference, describe, match
from dagboek.push_record import Granted, Outcome, correct_series
from dagboek.settle import TRIES
from dagboek.sound import sound
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import ItemKind, ItemState
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.attempt import Absent, Accepted, Attempt, Booked, Found, Op, Resolution
from dagboek_sdk.errors import (
    AlreadyThere,
    Later,
    NotProcessed,
    NotReady,
    NumberTaken,
    Refused,
    ToolUnavailable,
    Uncertain,
)

from dagboek_workers.item_task import ItemTask, Ready, issues_json
from dagboek_workers.sending import Unexpected, Verdict
from dagboek_workers.trouble import SHORT, unexpected_error, wait_for
from dagboek_workers.window import LinkSeen

log = structlog.get_logger()

ANSWERED = (Booked, Accepted, Refused, NumberTaken, AlreadyThere)
"""What only a tool that was reached says: its plugin works."""


Asked = Mapping[int, Resolution]
"""What the tool says that it holds of attempts, by link."""


async def take_outcome(ready: Ready, attempt: Attempt, granted: Granted, verdict: Verdict) -> LinkSeen | None:
    """Records what came of an attempt, and does what follows. A link in state `again` is to be tried once more."""
    note(ready, attempt, granted, verdict)
    return await follow(ready, attempt, granted, verdict)


def note(ready: Ready, attempt: Attempt, granted: Granted, verdict: Verdict) -> None:
    """Records what a verdict says of the attempt, as a fact; tells the item's outcome where it is one.

    What the tool holds already is left: it is to be asked first.
    """
    task, link = ready.task, ready.link
    if isinstance(verdict, ANSWERED):
        task.lane.plugin_worked()
    link.attempt, link.version = granted.attempt, granted.link_version + 1
    task.item.link = link
    if isinstance(verdict, Booked | Accepted):
        _booked(ready, granted, verdict, attempt)
    elif isinstance(verdict, Refused):
        _refused(ready, granted, verdict)
    elif isinstance(verdict, Uncertain):
        _to_settle(ready, granted, verdict)
    elif not isinstance(verdict, NumberTaken | AlreadyThere):
        task.record(granted, Outcome.NOT_PROCESSED)
        if isinstance(verdict, NotReady):
            task.tell(ItemState.NOT_READY, [verdict.issue])


async def follow(
    ready: Ready, attempt: Attempt, granted: Granted, verdict: Verdict, asked: Asked | None = None
) -> LinkSeen | None:
    """What a verdict that was noted means for what comes next. A link in state `again` is to be tried once more.

    `asked` is what the tool says that it holds, where it was asked about several at once.
    """
    if isinstance(verdict, NumberTaken | AlreadyThere):
        return await _taken(ready, attempt, granted, verdict, asked)
    if isinstance(verdict, Uncertain):
        await _count_uncertain(ready.task, verdict)
    elif isinstance(verdict, NotProcessed):
        return _again(ready.link)
    elif isinstance(verdict, Later):
        return await _wait_or_raise(ready, verdict)
    elif isinstance(verdict, Unexpected):
        if isinstance(verdict.error, AWAY):  # our own database, while the plugin asked for a token or a permit
            raise verdict.error
        await unexpected_error(ready.task, verdict.error)
    elif isinstance(verdict, Exception) and not isinstance(verdict, Refused | NotReady):
        raise verdict
    return None


def _booked(ready: Ready, granted: Granted, entry: Booked | Accepted, attempt: Attempt) -> None:
    task, link = ready.task, ready.link
    task.lane.uncertain = 0
    role = task.item.component if task.item.kind is ItemKind.PARTY else None
    link.version = granted.link_version + 1
    link.attempt = granted.attempt
    if isinstance(entry, Accepted):
        link.state = "accepted"
        task.remarks += entry.remarks
        task.record(granted, Outcome.ACCEPTED, accepted_token=entry.token)
        task.tell(ItemState.ACCEPTED, link=link)
        return
    link.state, link.entry_id, link.entry_number = "booked", entry.entry_id, entry.number
    link.refused_revision = None
    task.remarks += entry.remarks
    task.record(
        granted,
        Outcome.BOOKED,
        role=role,
        entry_id=entry.entry_id,
        entry_number=entry.number,
        entry_url=entry.url,
        entry_details=orjson.dumps(entry.details, default=str),
    )
    task.party_changed(link)
    number = entry.number if task.item.kind is ItemKind.DOCUMENT else None
    task.tell(ItemState.SYNCED, link=link, number=number, updated=attempt.op is Op.UPDATE)


def _refused(ready: Ready, granted: Granted, refused: Refused) -> None:
    task, link = ready.task, ready.link
    task.lane.uncertain = 0
    issues = refused.told
    task.record(granted, Outcome.REFUSED, issues=issues_json(issues))
    link.version, link.attempt = granted.link_version + 1, granted.attempt
    link.refused_revision = task.revision
    task.party_changed(link)
    task.tell(ItemState.SKIPPED, issues, link=link)


def _to_settle(ready: Ready, granted: Granted, verdict: Uncertain) -> None:
    task, link = ready.task, ready.link
    task.record(granted, Outcome.UNCERTAIN)
    link.state, link.attempt, link.version = "intent", granted.attempt, granted.link_version + 1
    task.party_changed(link)
    log.warning("item.uncertain", run=str(task.window.run["id"]), sequence=task.item.sequence, why=str(verdict))
    task.tell_to_settle(link)
    if task.window.unsettled is None:
        task.window.unsettled = task.item.component


async def _count_uncertain(task: ItemTask, verdict: Uncertain) -> None:
    """Two calls in a row park the run; of a batch, its first document stands for the call."""
    if task.ahead:
        return
    task.lane.uncertain += 1
    if task.lane.uncertain >= 2:
        task.lane.uncertain = 0
        facts = {"tool": task.loop.title, "trouble": verdict.trouble or "?"}
        issue = Issue(code="B06", severity=Severity.ERROR, facts=facts)
        await task.lane.park(task.window, 60, "tool_unavailable", issue)


async def ask(tool: AccountingPlugin, attempts: Sequence[Attempt]) -> Asked:
    """What the tool holds of these; nothing where it cannot be asked."""
    try:
        async with asyncio.timeout(tool.resolve_deadline):
            return await tool.resolve(attempts)
    except Exception as trouble:
        log.warning("resolve.failed", tool=tool.about.name, error=type(trouble).__name__)
        return {}


async def _taken(
    ready: Ready, attempt: Attempt, granted: Granted, verdict: NumberTaken | AlreadyThere, asked: Asked | None
) -> LinkSeen | None:
    """The tool holds something under our number or key: ours is adopted, another's makes a new attempt."""
    task, link = ready.task, ready.link
    if asked is None:
        asked = await ask(ready.tool, [attempt])
    try:
        found = await _compared(ready, attempt, asked.get(attempt.link_id))
    except Exception as trouble:
        log.warning("resolve.failed", tool=task.loop.name, error=type(trouble).__name__)
        return await take_outcome(ready, attempt, granted, Uncertain("the tool could not be asked"))
    if found is not None and found.likeness is Likeness.OURS:
        ours = found.candidates[0]
        entry = sound(Booked(ours.entry_id, ours.number, ours.url))
        if isinstance(entry, Booked):
            _booked(ready, granted, entry, attempt)
            return None
    if found is None and isinstance(verdict, AlreadyThere) and task.item.in_vain >= TRIES - 1:
        found = Match(Likeness.PERHAPS)  # said once more, and seen by no reader: such as the number of another year
    if found is None and (task.sent_before or isinstance(verdict, AlreadyThere)):
        # what was sent before may be what took the number, and its readers may lag: settling asks later
        return await take_outcome(ready, attempt, granted, Uncertain("the tool cannot tell"))
    if found is not None and (found.likeness is not Likeness.OTHER or isinstance(verdict, AlreadyThere)):
        facts = {"number": task.item.title, "candidates": describe(found.candidates) or task.item.title}
        issue = Issue(code="D14", facts=facts, tool_words=verdict.tool_words)
        task.record(granted, Outcome.PERSON, issues=issues_json([issue]))
        task.tell(ItemState.NEEDS_PERSON, [issue], link=link)
        return None
    return await _next_number(ready, granted, verdict)


async def _compared(ready: Ready, attempt: Attempt, resolution: object) -> Match | None:
    """How what the tool holds compares with what was sent; None where it says that it holds nothing."""
    if isinstance(resolution, Absent):
        return None
    if not isinstance(resolution, Found):
        raise ToolUnavailable("it cannot tell")
    others = await ready.task.of_others(ready.link, resolution.candidates)
    free = [one for one in resolution.candidates if one.entry_id not in others]
    found = match(ready.booking, attempt.party_entry, free)
    if found.likeness is Likeness.OTHER and any(bears_reference(ready.booking, one) for one in free):
        return Match(Likeness.PERHAPS, tuple(free))  # perhaps ours, corrected meanwhile
    return found


async def _next_number(ready: Ready, granted: Granted, verdict: NumberTaken | AlreadyThere) -> LinkSeen:
    """The number is another's: the series is corrected, and a new attempt is made."""
    task, tool, series = ready.task, ready.tool, ready.booking.series
    task.record(granted, Outcome.NOT_PROCESSED)
    await task.loop.recorder.written()
    if series is not None:
        last = verdict.last if isinstance(verdict, NumberTaken) else None
        if last is None:
            async with asyncio.timeout(tool.call_deadline * 4):
                last = await tool.last_number(series)
        async with task.loop.db.connection() as connection:
            await correct_series(connection, task.lane.administration_id, series, last)
    return _again(ready.link)


async def _wait_or_raise(ready: Ready, trouble: Later) -> LinkSeen:
    wait = wait_for(trouble)
    if wait is None or wait > SHORT:
        raise trouble
    await ready.task.loop.recorder.written()
    await asyncio.sleep(wait)
    return _again(ready.link)


def _again(link: LinkSeen) -> LinkSeen:
    link.state = "again"
    return link
