"""Two workers that believe to hold one lane: each document gets one intent, whoever asks and whoever took it last.

The bare statement, and the checked fence that loses this race, are in tests/core/test_push_record.py.
"""

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest
from dagboek.lanes import take_lane
from dagboek.push_record import AttemptOutcome, Outcome, start_series
from dagboek_workers.recorder import Recorder
from push_books import SERIES, Books


@pytest.fixture
async def workers(books: Books) -> AsyncIterator[list[Recorder]]:
    """The recorders of two workers, each with a connection of its own."""
    nobody: Any = None  # nothing is told here
    async with AsyncExitStack() as stack:
        made = [Recorder(books.db.url, nobody) for _ in range(2)]
        for one in made:
            stack.push_async_callback(one.stop)
        yield made


async def test_two_workers_that_want_one_link_at_the_same_time(books: Books, workers: list[Recorder]) -> None:
    for link in await books.links(100):
        granted = await asyncio.gather(*(worker.intent(books.intent(link)) for worker in workers))
        assert sum(one is not None for one in granted) == 1


async def test_a_lane_that_was_taken_away_gets_no_intent_any_more(books: Books, workers: list[Recorder]) -> None:
    first, second = await books.links(2)
    assert await workers[0].intent(books.intent(first)) is not None
    async with books.db.connection() as connection:
        epoch = (await take_lane(connection, books.administration, "2", uuid4())).epoch

    assert await workers[0].intent(books.intent(second)) is None
    assert await workers[0].intent(books.intent(second, run_id=uuid4())) is None
    assert await workers[1].intent(books.intent(second, epoch=epoch)) is not None


@pytest.mark.parametrize("seed", range(5))
async def test_two_workers_that_take_one_lane_from_each_other(books: Books, workers: list[Recorder], seed: int) -> None:
    """All through the documents both take the lane, ask, book under the series' number, or find nothing processed."""
    await start_series(books.connection, books.administration, SERIES, 0)
    links = await books.links(25)
    booked: list[tuple[int, int]] = []
    chance = random.Random(seed)

    async def work(recorder: Recorder) -> None:
        async with books.db.connection() as connection:
            for _ in range(60):
                taken = await take_lane(connection, books.administration, "x", uuid4())
                for _ in range(chance.randint(1, 6)):
                    await try_one(recorder, taken.epoch)

    async def try_one(recorder: Recorder, epoch: int) -> None:
        link = await books.link(chance.choice(links))
        intent = books.intent(link["id"], epoch=epoch, seen=link["attempt"], series=SERIES)
        granted = await recorder.intent(intent)
        if granted is None:
            return
        await asyncio.sleep(chance.random() * 0.003)  # the call
        assert granted.series_number is not None
        if chance.random() < 0.3:
            recorder.outcome(AttemptOutcome(link["id"], granted.attempt, Outcome.NOT_PROCESSED))
        else:
            booked.append((granted.series_number, link["id"]))
            recorder.outcome(
                AttemptOutcome(link["id"], granted.attempt, Outcome.BOOKED, entry_id=f"e{granted.series_number}")
            )
        await recorder.written()

    await asyncio.gather(*(work(recorder) for recorder in workers))

    assert len(booked) > 5
    assert [number for number, _ in booked] == list(range(1, len(booked) + 1))
    assert len({link for _, link in booked}) == len(booked)
    for number, link in booked:
        row = await books.link(link)
        assert (row["state"], row["entry_id"]) == ("booked", f"e{number}")
    assert (await books.series())["next_number"] == len(booked) + 1
