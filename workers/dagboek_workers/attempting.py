"""One attempt: permit, intent, send; sent again where that is safe (design section 6)."""

import asyncio

from dagboek import attaching
from dagboek.booking_json import booking_from, booking_json
from dagboek.fault_points import reached
from dagboek.push_record import Granted, Intent, Outcome, repeat_intent, start_series
from dagboek.runs import ASKING
from dagboek_schemas.documents import Document
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import ItemKind, ItemState
from dagboek_sdk import clock
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.attempt import AttachedFile, Attempt, Op
from dagboek_sdk.errors import AlreadyThere, NotProcessed, NumberTaken, Refused, Throttled, Uncertain
from dagboek_sdk.source import SourceUnavailable

from dagboek_workers.item_task import Changed, ItemTask, LetGo, Ready
from dagboek_workers.outcomes import take_outcome
from dagboek_workers.restored import sent_since_look_up
from dagboek_workers.sending import Verdict, again, send, settles
from dagboek_workers.trouble import SHORT, TRIES, park, wait_for
from dagboek_workers.window import LinkSeen, read_link

MAX_BOOKING = 8 * 1024 * 1024
"""Bytes of a booking at most, as it is stored with its attempt: ten thousand lines take less."""


async def make_attempt(ready: Ready) -> LinkSeen | None:
    """Intent, send, outcome; again in place where the tool says that it may be done.

    The link, if it has moved meanwhile, and what the item needs is to be decided by it.
    """
    task = ready.task
    verdict: Verdict | None = None
    for _ in range(TRIES):
        granted, attempt = await _intend(ready)
        if granted is None or attempt is None:
            await not_granted(ready)
            return None
        reached("after_intent")
        verdict = await send(ready.tool, attempt)
        reached("after_call")
        settled = await _settled_in_place(ready, attempt, granted, verdict)
        ready.link = link = await take_outcome(ready, attempt, granted, settled) or ready.link
        if link.state != "again":
            return None
        ready.link = link = await task.read_again(link)
        if link.state != ("free" if ready.op is Op.CREATE else "booked"):
            return link
    if isinstance(verdict, NumberTaken | AlreadyThere):  # the item's own trouble: the others go on
        facts = {"number": task.item.title, "reference": f"{ready.link.id}/{ready.link.attempt}"}
        task.tell(ItemState.SKIPPED, [Issue(code="D33", facts=facts)], link=ready.link)
        return None
    await park(task, NotProcessed("tried several times"))
    return None


async def _intend(ready: Ready) -> tuple[Granted | None, Attempt | None]:
    task, tool = ready.task, ready.tool
    attempt = new_attempt(ready)
    group = tool.operation_group(attempt)
    if group is not None:
        await permit(tool, group)
    attempt.group = group
    async with asyncio.timeout(tool.call_deadline * 4):
        await tool.prepare_for([attempt])
    if ready.booking.series is not None and ready.op is Op.CREATE:
        await _series_known(task, tool, ready.booking.series)
    await attach(task, tool, attempt)
    t0 = clock.boot_time()
    intent = new_intent(ready)
    reached("before_intent")
    granted = await task.loop.recorder.intent(intent)
    if granted is None:
        return None, None
    begin(task, attempt, granted, t0)
    return granted, attempt


def begin(task: ItemTask, attempt: Attempt, granted: Granted, t0: float) -> None:
    """The intent stands, and was asked for at `t0` or later."""
    task.open, task.sent_before = True, False
    attempt.number = granted.attempt
    attempt.series_number = granted.series_number
    attempt.start(t0)


def new_attempt(ready: Ready) -> Attempt:
    """One try to write the item."""
    task, link = ready.task, ready.link
    return Attempt(
        link_id=link.id,
        link_no=link.link_no,
        number=link.attempt + 1,
        op=ready.op,
        identity=task.item.identity,
        kind=task.item.kind,
        component=task.item.component,
        booking=ready.booking,
        party_entry=task.party_entry(),
        entry_id=link.entry_id,
        entry_number=link.entry_number,
        run_id=task.window.run["id"],
    )


def new_intent(ready: Ready) -> Intent:
    """What is written before it. Refused for a booking that is too long to be stored."""
    task, link, booking, op = ready.task, ready.link, ready.booking, ready.op
    assert task.lane.epoch is not None
    stored = booking_json(booking)
    if len(stored) > MAX_BOOKING:
        facts = {"number": task.item.title, "size": str(len(stored) >> 20), "most": str(MAX_BOOKING >> 20)}
        raise Refused([Issue(code="D34", facts=facts)])
    return Intent(
        link_id=link.id,
        administration_id=task.lane.administration_id,
        run_id=task.window.run["id"],
        generation=task.window.generation,
        epoch=task.lane.epoch,
        sequence=task.item.sequence,
        op=op,
        expected="free" if op is Op.CREATE else "booked",
        seen=link.attempt,
        settle_seconds=ready.tool.settle_seconds,
        booking=stored,
        revision=task.item.revision,
        context_version=task.window.run["context_version"],
        series=booking.series if op is Op.CREATE else None,
        party_entry=task.party_entry(),
    )


async def attach(task: ItemTask, tool: AccountingPlugin, attempt: Attempt) -> None:
    """Gives a new booking the files of its document, or has them follow when it stands.

    One that its source no longer has is told and left out.
    """
    about = tool.about
    takes_files = about.attachments or about.attaches
    if not (takes_files and attempt.op is Op.CREATE and task.item.kind is ItemKind.DOCUMENT):
        return
    document = task.document or task.item.document()
    if not document.attachments:
        return
    if about.attaches:
        assert task.item.source_id is not None
        entity_id = task.window.run["entity_id"]
        await attaching.remember(task.loop.db, attempt.link_id, task.item.source_id, entity_id, document.attachments)
    else:
        attempt.attachments = await _files(task, document)


async def _files(task: ItemTask, document: Document) -> tuple[AttachedFile, ...]:
    assert task.item.source_id is not None
    files: list[AttachedFile] = []
    async with task.loop.source(task.item.source_id, task.window.run["entity_id"]) as source:
        for one in document.attachments:
            try:
                content = await source.attachment(one.ref)
            except (OSError, SourceUnavailable):
                gone = Issue(code="D24", facts={"number": document.number, "file": one.file_name})
                if gone not in task.remarks:
                    task.remarks.append(gone)
            else:
                files.append(AttachedFile(one.file_name, one.media_type, content))
    return tuple(files)


async def permit(tool: AccountingPlugin, group: str, *, settling: bool = False) -> None:
    """Takes a permit for a write; a short wait for it is waited out. Throttled."""
    for left in reversed(range(TRIES)):
        try:
            await tool.link.permits.take(group, settling=settling)
        except Throttled as throttled:
            wait = wait_for(throttled)
            if wait is None or wait > SHORT or not left:
                raise
            await asyncio.sleep(wait)
        else:
            return


async def _series_known(task: ItemTask, tool: AccountingPlugin, key: str) -> None:
    known = task.loop.series
    if (task.lane.administration_id, key) in known:
        return
    row = await task.loop.db.one(
        "SELECT 1 AS known FROM series WHERE administration_id = %s AND key = %s", task.lane.administration_id, key
    )
    if row is None:
        async with asyncio.timeout(tool.call_deadline * 4):
            last = await tool.last_number(key)
        async with task.loop.db.connection() as connection:
            await start_series(connection, task.lane.administration_id, key, last)
    known.add((task.lane.administration_id, key))


async def not_granted(ready: Ready) -> None:
    """No intent: the link has moved, the run is over, the lane is another's, or the series is held."""
    task, seen, booking = ready.task, ready.link, ready.booking
    link = await read_link(task.loop.db, seen.id)
    if link.attempt != seen.attempt or link.state != seen.state or not link.current:
        raise Changed
    if booking.series is not None:
        held = await task.loop.db.one(
            """SELECT greatest(0, extract(epoch FROM l.settle_due - clock_timestamp()))::float8 AS seconds
               FROM series s JOIN link l ON l.id = s.open_link
               WHERE s.administration_id = %s AND s.key = %s AND l.state = 'intent'""",
            task.lane.administration_id,
            booking.series,
        )
        task.loop.series.discard((task.lane.administration_id, booking.series))  # its row may have been lost
        if held is not None:
            wait = held["seconds"] + ASKING.total_seconds()
            await task.lane.park(task.window, wait, "series", None, known_end=True)
    raise LetGo


def repeatable(task: ItemTask, tool: AccountingPlugin) -> bool:
    """Whether the same new attempt may be sent once more without asking first."""
    return tool.about.settling_of(task.item.kind, task.item.component).repeatable


async def attempt_left_open(task: ItemTask, tool: AccountingPlugin, link: LinkSeen) -> LinkSeen | None:
    """An attempt without outcome: sent again where that is safe and it is this item's, else left to settle.

    The link, if what the item needs is to be decided by what came of it.
    """
    own = link.run_id == task.window.run["id"] and link.sequence == task.item.sequence
    may_repeat = own and repeatable(task, tool) and link.op == Op.CREATE
    if not may_repeat or not await sent_since_look_up(task.loop.db, link):  # another attempt may have been lost
        task.tell_to_settle(link)
        return None
    row = await task.loop.db.one(
        "SELECT booking, revision, series_number, party_entry FROM attempt WHERE link_id = %s AND number = %s",
        link.id,
        link.attempt,
    )
    assert row is not None
    task.open, task.revision = True, row["revision"]
    ready = Ready(task, tool, link, booking_from(row["booking"]), Op.CREATE)
    attempt = new_attempt(ready)
    attempt.number, attempt.series_number = link.attempt, row["series_number"]
    attempt.party_entry = row["party_entry"]
    await attach(task, tool, attempt)
    granted = Granted(link.id, link.attempt, link.version, row["series_number"])
    verdict = await _repeat(ready, attempt, granted)
    settled = await _settled_in_place(ready, attempt, granted, verdict)
    after = await take_outcome(ready, attempt, granted, settled)
    if after is not None and after.state == "again":
        return await task.read_again(link)
    return None


async def _repeat(ready: Ready, attempt: Attempt, granted: Granted) -> Verdict:
    """Sends the same attempt once more; only booked, already there or number taken settle it."""
    task, tool = ready.task, ready.tool
    task.sent_before = True
    try:
        attempt.group = tool.operation_group(attempt)
        if attempt.group is not None:
            await permit(tool, attempt.group, settling=True)
    except Throttled:
        return Uncertain("no permit for a repeat")
    t0 = clock.boot_time()
    async with task.loop.db.transaction() as connection:
        ours = await repeat_intent(connection, new_intent(ready), granted.attempt)
    if ours is None:  # settled meanwhile, the run is over, or the lane is another's: the database knows
        raise LetGo
    verdict = await send(tool, again(attempt, t0))
    if settles(verdict) or isinstance(verdict, Uncertain):
        return verdict
    return Uncertain("the repeat was not answered either")


async def _settled_in_place(ready: Ready, attempt: Attempt, granted: Granted, verdict: Verdict) -> Verdict:
    """What is known after an uncertain send, which is repeated at once where that is safe."""
    task = ready.task
    if not isinstance(verdict, Uncertain):
        return verdict
    if attempt.op is Op.CREATE and repeatable(task, ready.tool) and not attempt.repeat:
        task.record(granted, Outcome.UNCERTAIN)
        await task.loop.recorder.written()
        await asyncio.sleep(0.2)
        return await _repeat(ready, attempt, granted)
    return verdict
