"""The same loop with one document at a time, in the order of the log: what most begin with.

cd bench && uv run python -m peers.one_at_a_time --bootstrap HOST:PORT ...      as `peers.lanes`
"""

import argparse
import asyncio

import uvloop

from peers.parts import IDLE, book, clients, options, stop_event

BATCH = 100
"""Few: all of them are worked off before the next are asked for, and the group waits for five minutes at most."""


async def main(given: argparse.Namespace) -> None:
    """Runs until TERM."""
    stop = stop_event()
    async with clients(given) as (kafka, session):
        kafka.consumer.subscribe([kafka.topic], on_revoke=lambda _, gone: kafka.forget(one.partition for one in gone))
        while not stop.is_set():
            records = kafka.read(BATCH)
            for record in records:
                kafka.tell(record, await book(session, given.tool, record))
                kafka.turn()
                if stop.is_set():
                    break
            if not records:
                await asyncio.sleep(IDLE)


if __name__ == "__main__":
    uvloop.run(main(options()))
