"""Places for items in work: a tenant gets its turn, however many lanes another has, and never more than its share."""

import asyncio
import random
from collections import Counter
from uuid import UUID

import pytest
from dagboek_workers.places import Places

LARGE, SMALL, THIRD = (UUID(int=at) for at in range(3))


class Hall:
    """Lanes that take places and keep them until they are told."""

    def __init__(self, places: Places) -> None:
        self.places = places
        self.order: list[UUID] = []
        self._ends: dict[UUID, list[asyncio.Event]] = {}

    async def lanes(self, tenant: UUID, number: int) -> "list[asyncio.Task[None]]":
        made = [asyncio.create_task(self._lane(tenant)) for _ in range(number)]
        await asyncio.sleep(0)
        return made

    async def _lane(self, tenant: UUID) -> None:
        await self.places.take(tenant)
        try:
            self.order.append(tenant)
            end = asyncio.Event()
            self._ends.setdefault(tenant, []).append(end)
            await end.wait()
        finally:
            self.places.give_back(tenant)

    async def end(self, tenant: UUID) -> None:
        """One of the tenant's items is done."""
        self._ends[tenant].pop(0).set()
        for _ in range(3):
            await asyncio.sleep(0)

    def at_work(self) -> dict[UUID, int]:
        return {tenant: len(ends) for tenant, ends in self._ends.items() if ends}


async def test_a_tenant_with_many_lanes_leaves_places_to_others() -> None:
    hall = Hall(Places(8, 5))
    await hall.lanes(LARGE, 1000)
    assert hall.at_work() == {LARGE: 5}

    await hall.lanes(SMALL, 2)
    assert hall.at_work() == {LARGE: 5, SMALL: 2}  # at once
    assert hall.places.busy == 7

    await hall.end(LARGE)
    assert hall.at_work() == {LARGE: 5, SMALL: 2}


async def test_who_waits_gets_a_place_in_turn_tenants_first() -> None:
    hall = Hall(Places(2, 2))
    await hall.lanes(LARGE, 50)
    await hall.lanes(SMALL, 3)
    await hall.lanes(THIRD, 2)
    hall.order.clear()

    for tenant in (LARGE, LARGE, SMALL, THIRD):
        await hall.end(tenant)

    assert hall.order == [SMALL, THIRD, LARGE, SMALL]


async def test_a_lane_that_is_cancelled_keeps_no_place() -> None:
    hall = Hall(Places(1, 1))
    await hall.lanes(LARGE, 1)
    waiting = await hall.lanes(SMALL, 2)
    waiting[0].cancel()
    hall._ends[LARGE][0].set()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    waiting[1].cancel()  # in the moment in which it is given its place

    third = await hall.lanes(THIRD, 1)
    for _ in range(5):
        await asyncio.sleep(0)

    assert hall.at_work().get(THIRD) == 1
    third[0].cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert hall.places.busy == 0


@pytest.mark.parametrize("seed", range(30))
async def test_no_place_is_lost_and_none_given_twice(seed: int) -> None:
    chance = random.Random(seed)
    total, each = chance.randint(1, 6), chance.randint(1, 6)
    places = Places(total, each)
    at_work: Counter[UUID] = Counter()
    most: Counter[UUID] = Counter()
    done = 0

    async def item(tenant: UUID) -> None:
        nonlocal done
        await places.take(tenant)
        try:
            at_work[tenant] += 1
            most[tenant] = max(most[tenant], at_work[tenant])
            assert at_work.total() <= places.busy <= total
            await asyncio.sleep(chance.random() / 1000)
        finally:
            at_work[tenant] -= 1
            places.give_back(tenant)
        done += 1

    tasks = [asyncio.create_task(item(UUID(int=chance.randint(0, 3)))) for _ in range(200)]
    cancelled = chance.sample(tasks, 40)
    for task in cancelled:
        await asyncio.sleep(chance.random() / 2000)
        task.cancel()
    async with asyncio.timeout(60):
        await asyncio.gather(*tasks, return_exceptions=True)

    assert done >= 160
    assert places.busy == 0
    assert max(most.values()) <= min(each, total)
    async with asyncio.timeout(60):
        for _ in range(min(total, each)):
            await places.take(LARGE)
