"""One item is pushed: tried until it has its outcome, is left for now, or its run is (design section 7)."""

import asyncio
from typing import TYPE_CHECKING

from confluent_kafka import KafkaException
from dagboek.database import AWAY
from dagboek_sdk.errors import AccessDenied, Later, LoginBroken, ToolUnavailable, Trouble

from dagboek_workers.deciding import decide
from dagboek_workers.item_task import Finished, ItemTask, Left
from dagboek_workers.trouble import SHORT, TRIES, break_login, park, set_aside, stop_component, wait_for
from dagboek_workers.window import ItemSeen, Window

if TYPE_CHECKING:
    from dagboek_workers.lane import Lane


async def push_item(lane: "Lane", window: Window, item: ItemSeen, finished: Finished) -> None:
    """Works on one item; `finished` is called once nothing of it can be lost any more."""
    for left in reversed(range(TRIES)):
        task = ItemTask(lane, window, item, finished)
        try:
            await decide(task)
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
