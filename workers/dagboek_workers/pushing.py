"""One item is pushed: tried until it has its outcome, is left for now, or its run is (design section 7).

Where the tool takes several documents in one call, those behind it go along.
"""

import asyncio
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from dagboek.database import AWAY
from dagboek_schemas.statuses import ItemKind
from dagboek_sdk.attempt import Op
from dagboek_sdk.errors import AccessDenied, Later, LoginBroken, Throttled, ToolUnavailable, Trouble

from dagboek_workers.attempting import make_attempt
from dagboek_workers.batching import gather, make_attempts
from dagboek_workers.deciding import by_link, decide
from dagboek_workers.item_task import Finished, ItemTask, Left, Ready
from dagboek_workers.trouble import (
    SHORT,
    TRIES,
    break_login,
    park,
    set_aside,
    stop_component,
    wait_for,
    wait_for_limit,
)
from dagboek_workers.window import ItemSeen, LinkSeen, Window

if TYPE_CHECKING:
    from dagboek_workers.lane import Lane


async def push_item(lane: "Lane", window: Window, item: ItemSeen, finished: Finished) -> None:
    """Works on one item; `finished` is called once nothing of it can be lost any more."""
    for left in reversed(range(TRIES)):
        task = ItemTask(lane, window, item, finished)
        try:
            await _push(task)
        except Later as trouble:
            wait = wait_for(trouble)
            if wait is None or wait > SHORT or task.open or not left:
                await park(task, trouble)
            await asyncio.sleep(wait or 0)
            if item.link is not None:
                item.link = await task.read_again(item.link)
            continue
        except AccessDenied as denied:
            await stop_component(task, denied)
        except LoginBroken as broken:
            await break_login(task, broken)
        except TimeoutError:
            await park(task, ToolUnavailable("no answer in time", trouble=Trouble.TIME_OUT))
        except (*AWAY, KafkaException):
            raise
        except Exception as trouble:
            # what may stand in the tool is not called skipped
            if task.open or task.booked or isinstance(trouble, Left):
                raise
            await set_aside(task, trouble)
        return


async def _push(task: ItemTask) -> None:
    """Decides and sends, until the item needs nothing more."""
    ready = await decide(task)
    while ready is not None:
        moved = await _send(ready)
        ready = await by_link(task, ready.tool, moved) if moved is not None else None


async def _send(ready: Ready) -> LinkSeen | None:
    """Sends it, with what may go along; the item's link, where what it needs is to be decided by it."""
    if ready.tool.about.batch_size > 1:
        members = await gather(ready)
        if len(members) > 1:
            return await make_attempts(members)
    try:
        return await make_attempt(ready)
    except Throttled as spent:
        # updates of documents may have a small limit of their own (Octopus: ten a day); it stops nothing else
        if ready.op is Op.CREATE or ready.task.item.kind is ItemKind.PARTY:
            raise
        wait_for_limit(ready.task, spent)
        return None
