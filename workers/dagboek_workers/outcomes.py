"""What came of an attempt: it is recorded as a fact, and the item told, adopted or to be tried once more."""

import asyncio

import orjson
import structlog
from dagboek.database import AWAY
from dagboek.matching import Likeness, Match, bears_reference, describe, match
from dagboek.push_record import Granted, Outcome, correct_series
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import ItemKind, ItemState
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.attempt import Absent, Accepted, Attempt, Booked, Booking, Found, Op
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

from dagboek_workers.item_task import ItemTask, issues_json
from dagboek_workers.sending import Unexpected, Verdict, sound
from dagboek_workers.trouble import SHORT, unexpected_error, wait_for
from dagboek_workers.window import LinkSeen

log = structlog.get_logger()


async def take_outcome(
    task: ItemTask,
    tool: AccountingPlugin,
    link: LinkSeen,
    booking: Booking,
    attempt: Attempt,
    granted: Granted,
    verdict: Verdict,
) -> LinkSeen | None:
    """Records what came of an attempt. A link in state `again` is to be tried once more."""
    if isinstance(verdict, Booked | Accepted | Refused | NumberTaken | AlreadyThere):
        task.lane.plugin_worked()
    link.attempt, link.version = granted.attempt, granted.link_version + 1
    task.item.link = link
    if isinstance(verdict, Booked | Accepted):
        _booked(task, link, granted, verdict, attempt)
        return None
    if isinstance(verdict, NumberTaken | AlreadyThere):
        return await _taken(task, tool, link, booking, attempt, granted, verdict)
    if isinstance(verdict, Uncertain):
        await _to_settle(task, link, granted, verdict)
        return None
    if isinstance(verdict, Refused):
        _refused(task, link, granted, verdict)
        return None
    task.record(granted, Outcome.NOT_PROCESSED)
    if isinstance(verdict, NotReady):
        task.tell(ItemState.NOT_READY, [verdict.issue])
    elif isinstance(verdict, NotProcessed):
        return _again(link)
    elif isinstance(verdict, Later):
        return await _wait_or_raise(task, link, verdict)
    elif isinstance(verdict, Unexpected):
        if isinstance(verdict.error, AWAY):  # our own database, while the plugin asked for a token or a permit
            raise verdict.error
        await unexpected_error(task, verdict.error)
    else:
        raise verdict
    return None


def _booked(task: ItemTask, link: LinkSeen, granted: Granted, entry: Booked | Accepted, attempt: Attempt) -> None:
    task.lane.uncertain = 0
    role = task.item.component if task.item.kind is ItemKind.PARTY else None
    link.version = granted.link_version + 1
    link.attempt = granted.attempt
    if isinstance(entry, Accepted):
        link.state = "accepted"
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


def _refused(task: ItemTask, link: LinkSeen, granted: Granted, refused: Refused) -> None:
    task.lane.uncertain = 0
    issues = [
        issue if issue.tool_words else issue.model_copy(update={"tool_words": refused.tool_words})
        for issue in refused.issues
    ]
    task.record(granted, Outcome.REFUSED, issues=issues_json(issues))
    link.version, link.attempt = granted.link_version + 1, granted.attempt
    link.refused_revision = task.revision
    task.party_changed(link)
    task.tell(ItemState.SKIPPED, issues, link=link)


async def _to_settle(task: ItemTask, link: LinkSeen, granted: Granted, verdict: Uncertain) -> None:
    task.record(granted, Outcome.UNCERTAIN)
    link.state, link.attempt, link.version = "intent", granted.attempt, granted.link_version + 1
    task.party_changed(link)
    task.lane.uncertain += 1
    log.warning("item.uncertain", run=str(task.window.run["id"]), sequence=task.item.sequence, why=str(verdict))
    task.tell_to_settle(link)
    if task.window.unsettled is None:
        task.window.unsettled = task.item.component
    if task.lane.uncertain >= 2:
        task.lane.uncertain = 0
        facts = {"tool": task.loop.title, "trouble": verdict.trouble or "?"}
        issue = Issue(code="B06", severity=Severity.ERROR, facts=facts)
        await task.lane.park(task.window, 60, "tool_unavailable", issue)


async def _taken(
    task: ItemTask,
    tool: AccountingPlugin,
    link: LinkSeen,
    booking: Booking,
    attempt: Attempt,
    granted: Granted,
    verdict: NumberTaken | AlreadyThere,
) -> LinkSeen | None:
    """The tool holds something under our number or key: ours is adopted, another's makes a new attempt."""
    try:
        async with asyncio.timeout(tool.resolve_deadline):
            resolution = (await tool.resolve([attempt])).get(attempt.link_id)
        found = await _compared(task, link, booking, attempt, resolution)
    except Exception as trouble:
        log.warning("resolve.failed", tool=task.loop.name, error=type(trouble).__name__)
        await _to_settle(task, link, granted, Uncertain("the tool could not be asked"))
        return None
    if found is not None and found.likeness is Likeness.OURS:
        ours = found.candidates[0]
        entry = sound(Booked(ours.entry_id, ours.number, ours.url))
        if isinstance(entry, Booked):
            _booked(task, link, granted, entry, attempt)
            return None
    if found is None and (task.sent_before or isinstance(verdict, AlreadyThere)):
        # what was sent before may be what took the number, and its readers may lag: settling asks later
        await _to_settle(task, link, granted, Uncertain("the tool cannot tell"))
        return None
    if found is not None and (found.likeness is not Likeness.OTHER or isinstance(verdict, AlreadyThere)):
        facts = {"number": task.item.title, "candidates": describe(found.candidates) or "?"}
        issue = Issue(code="D14", facts=facts)
        task.record(granted, Outcome.PERSON, issues=issues_json([issue]))
        task.tell(ItemState.NEEDS_PERSON, [issue], link=link)
        return None
    return await _next_number(task, tool, link, booking, granted, verdict)


async def _compared(
    task: ItemTask, link: LinkSeen, booking: Booking, attempt: Attempt, resolution: object
) -> Match | None:
    """How what the tool holds compares with what was sent; None where it says that it holds nothing."""
    if isinstance(resolution, Absent):
        return None
    if not isinstance(resolution, Found):
        raise ToolUnavailable("it cannot tell")
    others = await task.of_others(link, resolution.candidates)
    free = [one for one in resolution.candidates if one.entry_id not in others]
    found = match(booking, attempt.party_entry, free)
    if found.likeness is Likeness.OTHER and any(bears_reference(booking, one) for one in free):
        return Match(Likeness.PERHAPS, tuple(free))  # perhaps ours, corrected meanwhile
    return found


async def _next_number(
    task: ItemTask,
    tool: AccountingPlugin,
    link: LinkSeen,
    booking: Booking,
    granted: Granted,
    verdict: NumberTaken | AlreadyThere,
) -> LinkSeen:
    """The number is another's: the series is corrected, and a new attempt is made."""
    task.record(granted, Outcome.NOT_PROCESSED)
    await task.loop.recorder.written()
    if booking.series is not None:
        last = verdict.last if isinstance(verdict, NumberTaken) else None
        if last is None:
            async with asyncio.timeout(tool.call_deadline * 4):
                last = await tool.last_number(booking.series)
        async with task.loop.db.connection() as connection:
            await correct_series(connection, task.lane.administration_id, booking.series, last)
    return _again(link)


async def _wait_or_raise(task: ItemTask, link: LinkSeen, trouble: Later) -> LinkSeen:
    wait = wait_for(trouble)
    if wait is None or wait > SHORT:
        raise trouble
    await task.loop.recorder.written()
    await asyncio.sleep(wait)
    return _again(link)


def _again(link: LinkSeen) -> LinkSeen:
    link.state = "again"
    return link
