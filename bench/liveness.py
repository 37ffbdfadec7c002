"""How long the others take while one tenant's tool is down, another's hangs, and a third's takes no more for today.

    uv run python bench/liveness.py                                       on an idle machine, minutes
    uv run python bench/liveness.py --others 5 --documents 4 --rounds 1   tiny numbers, which show that it works
    uv run python bench/liveness.py --json

Each round takes the others' documents alone, and beside the three; a latency is the time from the request of the runs
to a booking in the tool. The three are asked for first, and their troubles have begun. Aim: a p95 of at most 1.2 times.
"""

import argparse
import asyncio
import json
import math
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dagboek.embedded import Services, services_for
from dagboek.logs import configure
from dagboek.settings import Settings
from machine import machine
from sides import Dagboek, Tool
from tenants_of_bench import administration_id

TROUBLED = 3
"""The first connections: down, hanging, exhausted."""
WARM = TROUBLED
"""A connection that is booked before all others: the worker is at work when they come."""
OF_TROUBLED = 50
"""Documents of each."""
TROUBLE = 8.0
"""Seconds that the three are left alone with their troubles, more than a call may take."""


@dataclass(frozen=True)
class Sizes:
    """What is asked for."""

    others: int
    documents: int
    """Of each of the others."""
    latency: float
    """Seconds that their tool takes."""
    partitions: int
    patience: float


async def others_take(services: Services, tool: Tool, sizes: Sizes, *, trouble: bool) -> tuple[list[float], list[str]]:
    """Seconds from the request to each booking of the others; how the three are shown at the end."""
    await tool.reset(sizes.latency)
    one = Dagboek(services.kafka_bootstrap, tool, sizes.partitions, services.database_url)
    await one.open([OF_TROUBLED] * TROUBLED + [sizes.documents] * (1 + sizes.others))
    try:
        one.worker()
        others = range(WARM + 1, WARM + 1 + sizes.others)
        await one.ask([WARM])
        await _over(one, sizes.patience)
        if trouble:
            await one.down(0)
            await tool.trouble("hang", administration_id(1))
            await tool.trouble("limit", administration_id(2))
        await one.ask(range(TROUBLED))
        await asyncio.sleep(TROUBLE)
        asked = time.time()
        await one.ask(others)
        wanted = {str(administration_id(at)) for at in others}
        return await _bookings(tool, wanted, asked, sizes), await one.shown(range(TROUBLED))
    finally:
        await one.close()


async def _over(one: Dagboek, patience: float) -> None:
    until = time.monotonic() + patience
    while not await one.drained():
        if time.monotonic() > until:
            raise TimeoutError("what was asked for first is not over")
        await asyncio.sleep(0.2)


async def _bookings(tool: Tool, wanted: set[str], asked: float, sizes: Sizes) -> list[float]:
    found: list[float] = []
    while len(found) < sizes.others * sizes.documents and time.time() < asked + sizes.patience:
        await asyncio.sleep(0.25)
        found = sorted(at - asked for at, administration, _ in await tool.entries() if administration in wanted)
    return found


def p95(sizes: Sizes, seconds: Sequence[float]) -> float:
    """Infinite, if more than one in twenty was not booked within the patience."""
    place = math.ceil(0.95 * sizes.others * sizes.documents) - 1
    return seconds[place] if place < len(seconds) else math.inf


async def measure(sizes: Sizes, rounds: int) -> dict[str, Any]:
    """The medians over the rounds."""
    alone: list[float] = []
    beside: list[float] = []
    shown: list[str] = []
    with (
        tempfile.TemporaryDirectory(prefix="dagboek-bench-") as folder,
        services_for(Settings(data_dir=Path(folder))) as services,
    ):
        tool = Tool()
        try:
            for _ in range(rounds):
                alone.append(p95(sizes, (await others_take(services, tool, sizes, trouble=False))[0]))
                taken, shown = await others_take(services, tool, sizes, trouble=True)
                beside.append(p95(sizes, taken))
        finally:
            await tool.close()
    ratios = [with_trouble / without for with_trouble, without in zip(beside, alone, strict=True)]
    return {
        "others": sizes.others,
        "documents": sizes.others * sizes.documents,
        "p95_alone_s": statistics.median(alone),
        "p95_beside_s": statistics.median(beside),
        "ratio": statistics.median(ratios),
        "ratios": ratios,
        "shown": dict(zip(("down", "hanging", "exhausted"), shown, strict=True)),
    }


def main() -> None:
    """Measures, and prints."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--others", type=int, default=100)
    parser.add_argument("--documents", type=int, default=20)
    parser.add_argument("--latency-ms", type=float, default=50)
    parser.add_argument("--partitions", type=int, default=8, help="few, so that they share them with the three")
    parser.add_argument("--patience", type=float, default=120, help="seconds")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args()
    configure("ERROR")
    sizes = Sizes(given.others, given.documents, given.latency_ms / 1000, given.partitions, given.patience)
    found = asyncio.run(measure(sizes, given.rounds))
    if given.json:
        print(json.dumps(found))
        return
    print(machine())
    print(
        f"{found['documents']} documents of {found['others']} connections: p95 {found['p95_alone_s']:.2f} s alone, "
        f"{found['p95_beside_s']:.2f} s beside tools in trouble, {found['ratio']:.2f} times "
        f"({', '.join(f'{ratio:.2f}' for ratio in found['ratios'])}); shown: {found['shown']}"
    )


if __name__ == "__main__":
    main()
