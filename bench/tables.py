"""The tables of the comparison: how large they are, and how each row is measured.

Times of bookings are the tool's own, CPU and memory are those of /proc.
"""

import asyncio
import math
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from processes import Cost, busy
from sides import Side, Tool, side
from tenants_of_bench import administration_id

CALLS = 256
"""Documents that each side has at work at the same time, at most."""
WARM = 20
"""Bookings of the first connection before the others come in front of which it stands."""
GONE = 0.1
"""Seconds after a KILL in which bookings may come that were on their way."""
STUCK = 120.0
"""Seconds without a booking after which a measurement is given up."""

Row = dict[str, Any]
Entry = tuple[float, str, str]


@dataclass(frozen=True)
class Sizes:
    """How large the tables are."""

    latencies: tuple[float, ...] = (0, 5, 50, 300)
    """Milliseconds that the tool takes."""
    connections: tuple[int, ...] = (1, 10, 100, 1000)
    documents: int = 20_000
    """Of all connections together, at most."""
    seconds: float = 20
    """After the first booking, at most."""
    rounds: int = 1
    partitions: int = 48
    whale: int = 40_000
    whale_partitions: int = 8
    """Few, so that many share one with the whale."""
    others: int = 100
    others_documents: int = 10
    patience: float = 45
    kills: int = 5
    killed_documents: int = 5_000
    unchanged_connections: int = 1_000
    unchanged_documents: int = 5


QUICK = Sizes(
    latencies=(5,),
    connections=(5,),
    documents=60,
    seconds=10,
    partitions=4,
    whale=400,
    whale_partitions=2,
    others=5,
    others_documents=2,
    patience=10,
    kills=1,
    killed_documents=200,
    unchanged_connections=3,
    unchanged_documents=2,
)


@dataclass
class Bench:
    """What all measurements share."""

    bootstrap: str
    database_url: str
    tool: Tool
    sizes: Sizes
    names: tuple[str, ...]
    troubles: list[str] = field(default_factory=list)
    """What could not be measured, and why."""

    async def tried(self, what: str, measurement: Awaitable[Row]) -> Row:
        """A measurement, or nothing where it fails: the others of a long run are not lost for it."""
        try:
            return await measurement
        except Exception as trouble:
            self.troubles.append(f"{what}: {type(trouble).__name__}: {trouble}")
            print(self.troubles[-1], file=sys.stderr, flush=True)
            return {}

    @asynccontextmanager
    async def open(self, name: str, documents: Sequence[int], latency: float, partitions: int) -> AsyncIterator[Side]:
        """A side with its connections, and the tool with empty books."""
        made = side(name, self.bootstrap, self.database_url, self.tool, partitions)
        await self.tool.reset(latency)
        await made.open(documents)
        try:
            yield made
        finally:
            await made.close()

    async def booked(self, documents: int, worker: subprocess.Popen[bytes], seconds: float = math.inf) -> bool:
        """Waits until the tool has so many documents; False after `seconds`."""
        before, moved, until = -1, time.monotonic(), time.monotonic() + seconds
        while (now := (await self.tool.count())[1]) < documents:
            if now != before:
                before, moved = now, time.monotonic()
            if time.monotonic() > until:
                return False
            if worker.poll() is not None:
                raise RuntimeError(f"the worker ended by itself (status {worker.returncode})")
            if time.monotonic() > moved + STUCK:
                raise TimeoutError(f"{now} of {documents} documents are booked, and nothing more comes")
            await asyncio.sleep(0.02)
        return True

    async def drained(self, one: Side, seconds: float = 300) -> bool:
        """Waits until a side has nothing left to do; False after `seconds`."""
        until = time.monotonic() + seconds
        while not await one.drained():
            if time.monotonic() > until:
                return False
            await asyncio.sleep(0.2)
        return True


# latency and connections


@dataclass(frozen=True)
class Sample:
    """What is so at one moment."""

    booked: int
    worker: Cost
    planning: Cost | None
    machine: float
    """Seconds that all processors have been busy."""


async def throughput(bench: Bench, name: str, latency: float, connections: int) -> Row:
    """Documents a second, and what one costs, of one side."""
    each = documents_of_each(bench.sizes, latency, connections)
    async with bench.open(name, [each] * connections, latency / 1000, bench.sizes.partitions) as one:
        await one.ask(range(connections))
        await one.on_log()
        samples = await _watch(bench, one, each * connections)
        return _figures([at for at, *_ in await bench.tool.entries()], samples)


def documents_of_each(sizes: Sizes, latency: float, connections: int) -> int:
    """As many as can be booked in the time, and no more than wanted."""
    at_once = min(connections, CALLS)
    possible = sizes.seconds * at_once / (latency / 1000) if latency else math.inf
    return max(1, math.ceil(min(possible, sizes.documents) / connections))


async def _watch(bench: Bench, one: Side, total: int) -> list[Sample]:
    worker = one.worker()
    await bench.booked(1, worker)
    samples: list[Sample] = []
    until = time.monotonic() + bench.sizes.seconds
    while time.monotonic() < until and (not samples or samples[-1].booked < total):
        booked, _ = await bench.tool.count()
        if worker.poll() is not None:
            raise RuntimeError(f"the worker ended by itself (status {worker.returncode})")
        samples.append(Sample(booked, Cost.of(worker.pid), one.planning(), busy()))
        await asyncio.sleep(0.05)
    return samples


def _figures(times: Sequence[float], samples: Sequence[Sample]) -> Row:
    """Without the first and the last tenth of the bookings: starting and running dry are no rate."""
    tenth = len(times) // 10
    first, last = tenth, len(times) - 1 - tenth
    taken = times[last] - times[first] if times else 0
    row: Row = {"per_s": (last - first) / taken if taken else None}
    row["mb"] = max((sample.worker.most_memory for sample in samples), default=None)
    measured = [sample for sample in samples if first <= sample.booked <= last + 1]
    if len(measured) > 1 and (booked := measured[-1].booked - measured[0].booked):
        begin, end = measured[0], measured[-1]
        row["worker_us"] = (end.worker.cpu - begin.worker.cpu) / booked * 1e6
        row["machine_us"] = (end.machine - begin.machine) / booked * 1e6
        if begin.planning and end.planning:
            row["core_us"] = (end.planning.cpu - begin.planning.cpu) / booked * 1e6
    return row


async def latency_table(bench: Bench) -> AsyncIterator[Row]:
    """A row for each latency and number of connections."""
    for latency in bench.sizes.latencies:
        for connections in bench.sizes.connections:
            found: dict[str, list[Row]] = {name: [] for name in bench.names}
            for _ in range(bench.sizes.rounds):
                for name in bench.names:
                    what = f"{name}, {latency:g} ms, {connections} connections"
                    found[name].append(await bench.tried(what, throughput(bench, name, latency, connections)))
            row: Row = {"latency_ms": latency, "connections": connections}
            row["documents"] = documents_of_each(bench.sizes, latency, connections) * connections
            row |= {f"{name}_per_s": _median(found[name], "per_s") for name in bench.names}
            for name in bench.names if "dagboek" in bench.names else ():
                if name != "dagboek":
                    row[f"dagboek_to_{name}"] = _ratio(row["dagboek_per_s"], row[f"{name}_per_s"])
            row |= {f"{name}_worker_us": _median(found[name], "worker_us") for name in bench.names}
            if "dagboek" in bench.names:
                row["dagboek_core_us"] = _median(found["dagboek"], "core_us")
            row |= {f"{name}_machine_us": _median(found[name], "machine_us") for name in bench.names}
            row |= {f"{name}_mb": _median(found[name], "mb") for name in bench.names}
            yield row


def _median(rows: Iterable[Row], figure: str) -> float | None:
    known = [row[figure] for row in rows if row.get(figure) is not None]
    return statistics.median(known) if known else None


def _ratio(ours: float | None, theirs: float | None) -> float | None:
    return ours / theirs if ours and theirs else None


# the whale


async def whale_table(bench: Bench) -> AsyncIterator[Row]:
    """A row for each side: what becomes of the others behind a whale, and without one."""
    for name in bench.names:
        yield {"side": name, **await bench.tried(f"whale, {name}", _whale(bench, name))}


async def _whale(bench: Bench, name: str) -> Row:
    sizes = bench.sizes
    alone = await _behind(bench, name, WARM)
    behind = await _behind(bench, name, sizes.whale)
    return {
        "whale_documents": sizes.whale,
        "others_documents": sizes.others * sizes.others_documents,
        "others_done": len(behind),
        "others_done_without": len(alone),
        "p95_s": _p95(sizes, behind),
        "p95_without_s": _p95(sizes, alone),
        "p95_ratio": _ratio(_p95(sizes, behind), _p95(sizes, alone)),
    }


async def _behind(bench: Bench, name: str, whale: int) -> list[float]:
    """Seconds from the moment at which the others were asked for to each of their bookings, within the patience."""
    sizes = bench.sizes
    documents = [whale, *[sizes.others_documents] * sizes.others]
    async with bench.open(name, documents, 0.005, sizes.whale_partitions) as one:
        await one.ask([0])
        await one.on_log()
        worker = one.worker()
        await bench.booked(WARM, worker)
        asked = time.time()
        await one.ask(range(1, len(documents)))
        wanted = {str(administration_id(at)) for at in range(1, len(documents))}
        found: list[float] = []
        while len(found) < sizes.others * sizes.others_documents and time.time() < asked + sizes.patience:
            await asyncio.sleep(0.25)
            new = _first_bookings(await bench.tool.entries())
            found = [at - asked for at, administration, _ in new if administration in wanted]
        return sorted(seconds for seconds in found if seconds <= sizes.patience)


def _p95(sizes: Sizes, seconds: Sequence[float]) -> float | None:
    """None: more than one in twenty was not there within the patience."""
    place = math.ceil(0.95 * sizes.others * sizes.others_documents) - 1
    return seconds[place] if place < len(seconds) else None


def _first_bookings(entries: Sequence[Entry]) -> list[Entry]:
    """The first entry of every document, in order."""
    seen: dict[tuple[str, str], Entry] = {}
    for entry in entries:
        seen.setdefault(entry[1:], entry)
    return list(seen.values())


# KILL


async def recovery_table(bench: Bench) -> AsyncIterator[Row]:
    """A row for each side: a worker is killed again and again, and started again at once in its place."""
    for name in bench.names:
        yield {"side": name, **await bench.tried(f"recovery, {name}", _killed(bench, name))}


async def _killed(bench: Bench, name: str) -> Row:
    sizes = bench.sizes
    connections = min(100, max(1, sizes.killed_documents // 20))
    documents = [sizes.killed_documents // connections] * connections
    kills: list[float] = []
    async with bench.open(name, documents, 0.05, sizes.partitions) as one:
        await one.ask(range(connections))
        await one.on_log()
        worker = one.worker()
        for at in range(1, sizes.kills + 1):
            await bench.booked(sum(documents) * at // (sizes.kills + 1), worker)
            worker.kill()
            await asyncio.to_thread(worker.wait)
            kills.append(time.time())
            worker = one.worker()
        over = await bench.drained(one)
        entries = await bench.tool.entries()
    first = _first_bookings(entries)
    pauses = [found for at in kills if (found := _pauses(first, at))]
    return {
        "kills": sizes.kills,
        "documents": sum(documents),
        "booked_twice": len(entries) - len(first),
        "not_booked": sum(documents) - len(first),
        "over": over,
        "next_booking_s": statistics.median(min(found) for found in pauses) if pauses else None,
        "next_booking_worst_s": max((min(found) for found in pauses), default=None),
        "all_connections_worst_s": max((max(found) for found in pauses), default=None),
    }


def _pauses(first: Sequence[Entry], killed: float) -> list[float]:
    """Seconds from a KILL until each connection that had documents left had one of them booked."""
    next_of: dict[str, float] = {}
    for at, administration, _ in first:
        if at > killed + GONE:
            next_of.setdefault(administration, at - killed)
    return list(next_of.values())


# nothing to do


async def unchanged_table(bench: Bench) -> AsyncIterator[Row]:
    """A row for each side: everything is asked for a second time, and nothing has changed."""
    for name in bench.names:
        yield {"side": name, **await bench.tried(f"unchanged, {name}", _unchanged(bench, name))}


async def _unchanged(bench: Bench, name: str) -> Row:
    sizes = bench.sizes
    connections = sizes.unchanged_connections
    async with bench.open(name, [sizes.unchanged_documents] * (connections + 1), 0, sizes.partitions) as one:
        worker = one.worker()
        await _round(bench, one, worker, [0])  # starting is no part of it
        first = await _round(bench, one, worker, range(1, connections + 1))
        second = await _round(bench, one, worker, range(1, connections + 1))
        entries = await bench.tool.entries()
    return {
        "connections": connections,
        "documents": sizes.unchanged_documents * connections,
        "first_cpu_ms": first["cpu"] / connections * 1000,
        "unchanged_cpu_ms": second["cpu"] / connections * 1000,
        "unchanged_to_first": _ratio(second["cpu"], first["cpu"]),
        "unchanged_s": second["seconds"],
        "calls": second["calls"],
        "booked_twice": len(entries) - len(_first_bookings(entries)),
    }


async def _round(bench: Bench, one: Side, worker: subprocess.Popen[bytes], connections: Sequence[int]) -> Row:
    """All of these asked for, to their end: CPU of worker and core, seconds, calls to the tool."""
    before, calls, began = _cpu(one, worker), (await bench.tool.count())[0], time.monotonic()
    await one.ask(connections)
    if not await bench.drained(one):
        raise TimeoutError("what was asked for is not over")
    seconds = time.monotonic() - began
    return {
        "cpu": _cpu(one, worker) - before,
        "seconds": seconds,
        "calls": (await bench.tool.count())[0] - calls,
    }


def _cpu(one: Side, worker: subprocess.Popen[bytes]) -> float:
    beside = one.planning()
    return Cost.of(worker.pid).cpu + (beside.cpu if beside else 0)


TABLES: dict[str, Callable[[Bench], AsyncIterator[Row]]] = {
    "latency": latency_table,
    "whale": whale_table,
    "recovery": recovery_table,
    "unchanged": unchanged_table,
}
