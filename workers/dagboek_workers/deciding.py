"""What one item needs, by what its link says: nothing, a booking, an update, an adoption, or a person."""

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

from dagboek.catalogue import UNEXPECTED
from dagboek.connections import ConnectionProblem
from dagboek.matching import Likeness, describe, match
from dagboek.origins import party_component
from dagboek.outcome_events import outcome_record
from dagboek.push_record import Adoption, ItemOutcome
from dagboek.tool_entries import like
from dagboek_schemas import events
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.revision import same_document, same_party
from dagboek_schemas.statuses import Component, ItemKind, ItemState
from dagboek_sdk.accounting import AccountingPlugin
from dagboek_sdk.attempt import Booking, Candidate, Op
from dagboek_sdk.errors import NotReady, Refused, Throttled

from dagboek_workers.attempting import attempt_left_open
from dagboek_workers.item_task import Changed, ItemTask, Ready
from dagboek_workers.pulling import PULL_DEADLINE, look_up, pull
from dagboek_workers.recorder import Told
from dagboek_workers.restored import closed_entries, compare, sent_since_look_up
from dagboek_workers.trouble import fault, not_opened, park_for_circuit, unexpected_error, wait_for_limit
from dagboek_workers.window import ItemSeen, LinkSeen


async def decide(task: ItemTask) -> Ready | None:
    """Decides what the item needs, and does it, unless it is to be sent: that is left to the caller."""
    item = task.item
    if item.state is not ItemState.PLANNED:
        _already_told(task)
        return None
    if item.component in task.window.held or _waits_for_others(task):
        task.finished()
        return None
    if wait := task.loop.circuit.wait:
        await park_for_circuit(task, task.loop.circuit.reference, wait)
    try:
        tool = await task.loop.tool(task.window.run)
    except ConnectionProblem as problem:
        await not_opened(task, problem)
        return None
    if task.window.suspect:
        await compare(task.lane, task.window, tool)
        raise Changed
    if item.kind is ItemKind.PULL:
        await _pull(task, tool)
        return None
    assert item.link is not None
    return await by_link(task, tool, item.link)


async def _pull(task: ItemTask, tool: AccountingPlugin) -> None:
    try:
        await pull(task.lane, task.window, task.item, tool)
    except Throttled as spent:
        wait_for_limit(task, spent)
    else:
        task.tell(ItemState.SYNCED)


def _already_told(task: ItemTask) -> None:
    """It has its outcome, from a batch or an earlier delivery: delivered from the stored event, if it was not."""
    item = task.item
    if item.delivery is not None:
        item.delivery.then(task.finished)
        return
    if item.reported or item.event is None:
        task.finished()
        return
    outcome = events.ItemOutcome.model_validate_json(item.event)
    row = ItemOutcome(task.window.run["id"], item.sequence, item.state, item.event)
    task.loop.recorder.deliver(Told(row, outcome_record(outcome), task.finished))


def _waits_for_others(task: ItemTask) -> bool:
    unsettled = task.window.unsettled
    if unsettled is not None and unsettled.position < task.item.component.position:
        return True
    return not task.window.comes_next(task.item)


async def by_link(task: ItemTask, tool: AccountingPlugin, link: LinkSeen) -> Ready | None:
    """Decides by what the item's link says."""
    if link.state == "intent":
        task.only_in_turn()
        moved = await attempt_left_open(task, tool, link)
        return await by_link(task, tool, moved) if moved is not None else None
    if link.state == "needs_person":
        issue = link.needs_person_issue
        task.tell(ItemState.NEEDS_PERSON, [Issue.model_validate(issue) if issue else Issue(code="D10")])
    elif link.state == "accepted":
        task.tell(ItemState.ACCEPTED, _changed_since(task, tool, link))
    elif link.state == "booked":
        return await _booked_before(task, tool, link)
    else:
        return await _create(task, tool, link)
    return None


def _changed_since(task: ItemTask, tool: AccountingPlugin, link: LinkSeen) -> list[Issue]:
    if same_revision(task.item, link.revision):
        return []
    facts = {"number": task.item.title, "tool": tool.about.title}
    return [Issue(code="D44", severity=Severity.INFORMATION, facts=facts)]


# what is booked already


async def _booked_before(task: ItemTask, tool: AccountingPlugin, link: LinkSeen) -> Ready | None:
    item = task.item
    is_party = item.kind is ItemKind.PARTY
    if await _unchanged(task, link) and (not is_party or item.component in link.roles):
        task.tell(ItemState.UNCHANGED)
        return None
    updates = tool.about.updates_parties if is_party else tool.about.updates_documents
    if updates and link.entry_id:  # a person may have told its number alone
        task.only_in_turn()
        booking = await _mapped(task, tool)
        return Ready(task, tool, link, booking, Op.UPDATE) if booking is not None else None
    if is_party or same_revision(item, link.acknowledged_revision):
        task.tell(ItemState.UNCHANGED)
    else:
        facts = {"number": item.title, "booking_number": link.entry_number or "?"}
        task.tell(ItemState.SKIPPED, [Issue(code="D07", facts=facts)])
    return None


async def _unchanged(task: ItemTask, link: LinkSeen) -> bool:
    """Whether the item is what was booked. What an older release computed is brought up to date."""
    before, now = link.revision, task.item.revision
    if not same_revision(task.item, before):
        return False
    if before != now:
        await task.loop.db.run(
            "UPDATE link SET revision = %s WHERE id = %s AND state = 'booked' AND revision = %s",
            now,
            link.id,
            before,
        )
    return True


# new items


async def _create(task: ItemTask, tool: AccountingPlugin, link: LinkSeen) -> Ready | None:
    is_party = task.item.kind is ItemKind.PARTY
    if not (is_party or await _party_is_there(task, tool)):
        return None
    booking = await _mapped(task, tool)
    if booking is None:
        return None
    if is_party:
        return await _new_party(task, tool, link, booking)
    known = await _known_entry(task, tool, link, booking)
    return None if known else Ready(task, tool, link, booking, Op.CREATE)


async def _party_is_there(task: ItemTask, tool: AccountingPlugin) -> bool:
    if tool.about.parties_inside_documents:
        return True
    party = task.window.parties.get(task.item.party_identity or "")
    state = party.state if party is not None else None
    if party is not None and state == "booked" and party.refused_revision is None:
        return True
    if state == "intent":
        task.only_in_turn()
        task.window.unsettled = party_component(task.item.component)
        task.finished()  # stays planned, and comes again when its party is settled
        return False
    of_run = await _party_in_run(task)
    if party is not None and state == "booked" and party.refused_revision not in {row["revision"] for row in of_run}:
        return True  # refused once, and not as it is now
    # a customer may be a supplier too, later on, which is not waited for
    if state == "free" and any(
        row["state"] == ItemState.PLANNED and row["sequence"] < task.item.sequence for row in of_run
    ):
        task.finished()  # its party comes again in this run, and so does it
        return False
    issue = Issue(code="D08", facts={"number": task.item.title})
    if any(row["state"] == ItemState.NOT_READY for row in of_run):  # it waits for a limit, and so does what needs it
        task.tell(ItemState.NOT_READY, [issue.model_copy(update={"severity": Severity.INFORMATION})])
    else:
        task.tell(ItemState.SKIPPED, [issue])
    return False


async def _party_in_run(task: ItemTask) -> list[dict[str, Any]]:
    """Items of this run that are the other party, once for each role: state, revision, sequence."""
    await task.loop.recorder.written()
    return await task.loop.db.all(
        "SELECT state, revision, sequence FROM item WHERE run_id = %s AND identity = %s AND kind = 'party'",
        task.window.run["id"],
        task.item.party_identity,
    )


async def _mapped(task: ItemTask, tool: AccountingPlugin) -> Booking | None:
    """The booking, or None after telling why there is none."""
    try:
        booking, issues = _map(task, tool)
    except Refused as refused:
        task.tell(ItemState.SKIPPED, refused.issues)
        return None
    except NotReady as waiting:
        task.tell(ItemState.NOT_READY, [waiting.issue])
        return None
    except Exception as bug:
        task.only_in_turn()  # else the circuit would count faults without the answers that come between them
        await unexpected_error(task, bug)
        return None
    if booking is None and any(one.code == UNEXPECTED for one in issues):  # a rule that fails is a plugin too
        task.only_in_turn()
        await fault(task, issues)
        return None
    if booking is None:
        waits = any(one.severity is Severity.INFORMATION for one in issues)
        task.tell(ItemState.NOT_READY if waits else ItemState.SKIPPED, issues)
        return None
    said = (one for one in booking.remarks if isinstance(one, Issue))
    task.remarks = [*task.item.remarks, *said]
    return booking


def _map(task: ItemTask, tool: AccountingPlugin) -> tuple[Booking | None, list[Issue]]:
    """The booking; or none, and the issues that the rules found."""
    item, context, rules = task.item, task.window.context, task.loop.parts.plugins
    if item.kind is ItemKind.PARTY:
        party = item.party()
        issues = rules.validate_party(party, item.component, context)
        booking = None if issues else tool.map_party(party, item.component, context)
    else:
        document = task.document = item.document()
        issues = rules.validate_document(document, item.component, context)
        booking = None if issues else tool.map_document(document, item.component, context)
        if isinstance(booking, Booking) and booking.currency not in (None, document.currency):
            raise ValueError(f"the mapping gave {booking.currency} for a document in {document.currency}")
    if not (issues or isinstance(booking, Booking)):
        raise TypeError(f"the mapping gave {type(booking).__name__}")
    return booking, issues


async def _new_party(task: ItemTask, tool: AccountingPlugin, link: LinkSeen, booking: Booking) -> Ready | None:
    """A relation that the tool has already is adopted, or a person is asked."""
    try:
        found = await _relations(task, tool)
    except Throttled as spent:
        wait_for_limit(task, spent)
        return None
    candidates: list[Candidate] = list(found.get(task.item.identity, ()))
    certain = [candidate for candidate in candidates if candidate.certain]
    if len(certain) == 1:
        return await _adopt_party(task, tool, link, booking, certain[0])
    if candidates:
        facts = {"name": task.item.title, "candidates": describe(candidates)}
        task.tell(ItemState.SKIPPED, [Issue(code="D09", facts=facts)])
        return None
    return Ready(task, tool, link, booking, Op.CREATE)


async def _relations(task: ItemTask, tool: AccountingPlugin) -> Mapping[str, Sequence[Candidate]]:
    """By identity, what the tool has that new parties of the window may be; asked once for all of them."""
    if task.window.candidates is not None:
        return task.window.candidates
    parties = {
        item.identity: item.party()
        for item in task.window.items.values()
        if item.kind is ItemKind.PARTY and item.state is ItemState.PLANNED and item.body
        and item.link is not None and item.link.state == "free"
        and (item is task.item or not task.item.starts)  # else one that stops the worker is blamed on another
    }  # fmt: skip
    async with asyncio.timeout(tool.call_deadline * 4):
        found = await tool.match_parties(parties)
    if not task.item.starts:
        task.window.candidates = found
    return found


async def _adopt_party(
    task: ItemTask, tool: AccountingPlugin, link: LinkSeen, booking: Booking, candidate: Candidate
) -> Ready | None:
    """A relation that is there; one that is no customer yet, or no supplier, is made one."""
    if candidate.roles is None or task.item.component in candidate.roles:
        if await _adopt(task, link, candidate):
            return None
    elif await task.loop.recorder.adopt(_adoption(task, link, candidate, role=None)):
        return await by_link(task, tool, await task.read_again(link))
    return Ready(task, tool, link, booking, Op.CREATE)


async def _known_entry(task: ItemTask, tool: AccountingPlugin, link: LinkSeen, booking: Booking) -> bool:
    """What the tool held before we came is adopted, or a person is asked; it is not booked again."""
    if not task.window.looked_up:
        async with asyncio.timeout(PULL_DEADLINE):
            await look_up(task.lane, task.window, tool)
    if not task.window.entries_there or await sent_since_look_up(task.loop.db, link):
        return False
    there = await like(task.loop.db, task.lane.administration_id, booking)
    others = await task.of_others(link, there) | await closed_entries(task.loop.db, link)
    found = match(booking, task.party_entry(), [one for one in there if one.entry_id not in others])
    if found.likeness is Likeness.OURS:
        return await _adopt(task, link, found.candidates[0])
    if found.likeness is Likeness.PERHAPS:
        facts = {"number": task.item.title, "candidates": describe(found.candidates)}
        task.tell(ItemState.NEEDS_PERSON, [Issue(code="D14", facts=facts)])
        return True
    return False


def _adoption(task: ItemTask, link: LinkSeen, candidate: Candidate, role: Component | None) -> Adoption:
    return Adoption(
        link_id=link.id,
        seen=link.attempt,
        revision=task.item.revision,
        entry_id=candidate.entry_id,
        entry_number=candidate.number,
        entry_url=candidate.url,
        role=role,
    )


async def _adopt(task: ItemTask, link: LinkSeen, candidate: Candidate) -> bool:
    item = task.item
    role = item.component if item.kind is ItemKind.PARTY else None
    if not await task.loop.recorder.adopt(_adoption(task, link, candidate, role)):
        return False
    link.state, link.entry_id, link.entry_number = "booked", candidate.entry_id, candidate.number
    link.version += 1
    task.party_changed(link)
    number = None if item.kind is ItemKind.PARTY else candidate.number
    issue = Issue(code="D15", severity=Severity.INFORMATION, facts={"booking_number": candidate.number or "?"})
    task.tell(ItemState.SYNCED, [] if item.kind is ItemKind.PARTY else [issue], link=link, number=number)
    return True


def same_revision(item: ItemSeen, before: str | None) -> bool:
    """Whether the item still is what `before` was computed from, perhaps by an older release."""
    now = item.revision
    if before == now or before is None or now is None:
        return before == now
    if before.partition(":")[0] == now.partition(":")[0]:
        return False
    try:
        if item.kind is ItemKind.PARTY:
            return same_party(before, item.party())
        return same_document(before, item.document())
    except KeyError:  # a newer release computed it: nothing says that anything has changed
        return True
