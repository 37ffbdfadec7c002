"""Documents that go in one call, for tools that take many at once (docs/decisions/0023).

The first one is at its turn; those behind it are decided ahead of theirs, by the same rules. Whatever is not settled by
the call is decided once more when its own event is reached, so that nothing overtakes what is left.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from itertools import takewhile
from math import isqrt

from dagboek.database import AWAY
from dagboek.fault_points import reached
from dagboek.plugins import unexpected
from dagboek.push_record import Granted, Intent, Outcome
from dagboek.settle import TRIES
from dagboek_schemas.statuses import ItemKind, ItemState
from dagboek_sdk import clock
from dagboek_sdk.attempt import Attempt, Op
from dagboek_sdk.errors import AlreadyThere, Later, NotProcessed, NumberTaken, Uncertain

from dagboek_workers.attempting import attach, begin, new_attempt, new_intent, not_granted, permit, repeatable
from dagboek_workers.deciding import by_link
from dagboek_workers.item_task import ItemTask, Left, Ready
from dagboek_workers.outcomes import ask, follow, note
from dagboek_workers.sending import Verdict, send_batch
from dagboek_workers.window import ItemSeen, LinkSeen


@dataclass(slots=True)
class Member:
    """One document of a batch."""

    ready: Ready
    intent: Intent
    attempt: Attempt
    granted: Granted = field(init=False)
    verdict: Verdict = field(init=False)

    @classmethod
    def of(cls, ready: Ready) -> "Member":
        """Refused for a booking that is too long to be stored."""
        return cls(ready, new_intent(ready), new_attempt(ready))

    @property
    def item(self) -> ItemSeen:
        """Its item."""
        return self.ready.task.item

    @property
    def size(self) -> int:
        """Bytes that it adds to a call, about."""
        return len(self.intent.booking) + sum((len(one.content) + 2) // 3 * 4 for one in self.attempt.attachments)


# what goes in one call


async def gather(first: Ready) -> list[Member]:
    """The first one, and what follows it at once and may go with it."""
    members = [Member.of(first)]
    group = first.tool.operation_group(members[0].attempt)
    for item in _candidates(first):
        await asyncio.sleep(0)  # other lanes have their turn while many are mapped
        try:
            ready = await _decided(first, item)
            if ready is None:  # it has its outcome, without being sent
                continue
            member = Member.of(ready)
            if first.tool.operation_group(member.attempt) != group:
                break
        except Exception:  # it is decided anew when its turn comes, and told what is wrong
            break
        members.append(member)
    return await _that_fit(members) if len(members) > 1 else members


def _candidates(first: Ready) -> list[ItemSeen]:
    """The items that may go with the first one, by what is known without looking into them."""
    window, item = first.task.window, first.task.item
    if item.kind is not ItemKind.DOCUMENT or item.starts or not _batchable(first):
        return []
    behind = takewhile(lambda one: _alike(one, item), window.after(item))
    found = [one for one in behind if one.state is ItemState.PLANNED]
    most = _most(first.tool.about.batch_size, item.in_vain)
    if window.halving is not None and window.halving >= item.sequence:
        most = min(most, max(1, (1 + sum(one.sequence <= window.halving for one in found)) // 2))
    return found[: most - 1]


def _alike(one: ItemSeen, first: ItemSeen) -> bool:
    return one.component is first.component and not one.starts and one.in_vain == first.in_vain


def _most(size: int, in_vain: int) -> int:
    """How many go in a call, given how often they went out without an answer, and were not booked.

    One of them may be what the tool does not get over. It is alone before it is given up (`settle.TRIES`).
    """
    return (size, isqrt(size))[in_vain] if in_vain < TRIES - 1 else 1


def _batchable(ready: Ready) -> bool:
    return ready.op is Op.CREATE and ready.booking.series is None


async def _decided(first: Ready, item: ItemSeen) -> Ready | None:
    """What an item needs, ahead of its turn: to be sent, or nothing any more. Left where only its turn can tell."""
    if item.link is None:
        raise Left
    task = ItemTask.ahead_of_turn(first.task.lane, first.task.window, item)
    ready = await by_link(task, first.tool, item.link)
    if (ready is None and item.state is ItemState.PLANNED) or (ready is not None and not _batchable(ready)):
        raise Left
    return ready


async def _that_fit(members: list[Member]) -> list[Member]:
    """Those that one call can hold, with their files."""
    tool, total = members[0].ready.tool, 0
    for at, one in enumerate(members):
        try:
            await attach(one.ready.task, tool, one.attempt)
        except Exception:  # that one's own, told when its turn comes; the first one is at its turn
            if at == 0:
                raise
            return members[:at]
        total += one.size
        if at and total > tool.about.batch_bytes:
            return members[:at]
    return members


# the call, and what came of it


async def make_attempts(members: list[Member]) -> LinkSeen | None:
    """Intents, one call, outcomes.

    The link of the first one, where what that needs is to be decided by it.
    """
    first, tool = members[0], members[0].ready.tool
    group = tool.operation_group(first.attempt)
    if group is not None:
        await permit(tool, group)
    async with asyncio.timeout(tool.call_deadline * 4):
        await tool.prepare_for([one.attempt for one in members])
    members = await _intended(members, group)
    if not members:
        await not_granted(first.ready)
        return None
    reached("after_intent")
    verdicts = await send_batch(tool, [one.attempt for one in members])
    reached("after_call")
    for one, verdict in zip(members, verdicts, strict=True):
        one.verdict = verdict
    await _for_each(members, _noted)
    await _ask(members)
    return await _what_the_first_needs(members)


async def _intended(members: list[Member], group: str | None) -> list[Member]:
    """Those whose intent stands, in one transaction. What is behind one that was refused does not overtake it."""
    t0 = clock.boot_time()
    reached("before_intent")
    recorder = members[0].ready.task.loop.recorder
    granted = await recorder.intents([one.intent for one in members])
    ours = granted.index(None) if None in granted else len(members)
    for one, grant in zip(members, granted, strict=True):
        if grant is not None:
            one.granted, one.attempt.group, one.verdict = grant, group, NotProcessed("behind one that was refused")
            begin(one.ready.task, one.attempt, grant, t0)
    await _for_each([one for one, grant in zip(members[ours:], granted[ours:], strict=True) if grant], _noted)
    return members[:ours]


async def _for_each(members: Sequence[Member], action: Callable[[Member], Coroutine[None, None, None]]) -> None:
    """Does it for each, whatever is in the way of one, as what came of a call is a fact for all of them.

    Where that is a bug, the attempt stays open and is settled; the first one's own is told by whoever called.
    """
    trouble: Exception | None = None
    for one in members:
        try:
            await action(one)
        except Exception as error:
            if one.ready.task.ahead and not isinstance(error, (Left, *AWAY)):
                unexpected("batch", error)
                one.ready.link.state = "intent"
            else:
                trouble = trouble or error
    if trouble is not None:
        raise trouble


async def _noted(one: Member) -> None:
    """Records what came of it. What may be sent again as it is, is: when its turn comes."""
    ready = one.ready
    if not (isinstance(one.verdict, Uncertain) and repeatable(ready.task, ready.tool)):
        note(ready, one.attempt, one.granted, one.verdict)
        return
    ready.task.record(one.granted, Outcome.UNCERTAIN)
    link, run = ready.link, ready.task.window.run
    link.state, link.attempt, link.version = "intent", one.granted.attempt, one.granted.link_version + 1
    link.run_id, link.sequence, link.op = run["id"], one.item.sequence, str(ready.op)


async def _ask(members: list[Member]) -> None:
    """What the tool holds already is asked about at once."""
    taken = [one for one in members if isinstance(one.verdict, NumberTaken | AlreadyThere)]
    if not taken:
        return
    asked = await ask(taken[0].ready.tool, [one.attempt for one in taken])

    async def compared(one: Member) -> None:
        if await follow(one.ready, one.attempt, one.granted, one.verdict, asked) is not None:
            one.ready.link.state = "free"  # it is sent once more

    await _for_each(taken, compared)


async def _what_the_first_needs(members: list[Member]) -> LinkSeen | None:
    """The others come to their turn. A call that left the first one as it was is not made once more as it was."""
    first, window = members[0], members[0].ready.task.window
    if isinstance(first.verdict, Later):
        raise first.verdict
    if first.item.state is not ItemState.PLANNED and not isinstance(first.verdict, Uncertain):
        return None
    if isinstance(first.verdict, NotProcessed | NumberTaken | AlreadyThere):
        some = any(one.item.state is not ItemState.PLANNED for one in members)
        window.halving = (first if some else members[-1]).item.sequence
    elif first.ready.link.state != "intent" or first.item.state is not ItemState.PLANNED:
        await follow(first.ready, first.attempt, first.granted, first.verdict)
        return None
    return await first.ready.task.read_again(first.ready.link)
