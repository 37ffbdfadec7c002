"""Kills processes: core and workers by their supervisor, broker and database where they are our own."""

import asyncio
import signal
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dagboek.chaos.flow import Struck
from dagboek.chaos.schedule import SERVERS, Kill
from dagboek.cli.children import Child
from dagboek.embedded import EmbeddedServices

TERM_GRACE = 30.0
"""Seconds that a process has to end after TERM; a supervisor kills it then."""

REST = 8.0
"""Seconds that a server is left alone after it is back: one that is never there proves nothing."""

Books = Callable[[str], frozenset[str]]
"""The sets of books that the worker of a slot is at."""


@dataclass
class Killer:
    """Kills what it is told to, and has it started again."""

    children: Sequence[Child]
    embedded: EmbeddedServices | None
    books_of: Books
    struck: list[Struck] = field(default_factory=list)
    missed: int = 0
    """Kills that found no process: it was not back yet from the one before."""
    slow: list[str] = field(default_factory=list)
    """Processes that did not end upon TERM."""
    _locks: dict[str, asyncio.Lock] = field(default_factory=dict)
    _back: dict[str, float] = field(default_factory=dict)
    """When each server was back, on the clock of the loop."""
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def start(self, kill: Kill) -> None:
        """Does it in the background; two of the same server one after the other."""
        task = asyncio.get_running_loop().create_task(self._kill(kill), name=f"kill {kill.process}")
        self._tasks.add(task)

    async def done(self) -> None:
        """Waits until all is killed and started again. Raises what went wrong with that."""
        tasks, self._tasks = self._tasks, set()
        await asyncio.gather(*tasks)

    async def _kill(self, kill: Kill) -> None:
        if kill.process in SERVERS:
            async with self._locks.setdefault(kill.process, asyncio.Lock()):
                await self._kill_server(kill)
            return
        for time_ in range(kill.times):
            if time_:
                await asyncio.sleep(kill.every)
            self._kill_child(kill)

    def _kill_child(self, kill: Kill) -> None:
        child = next(one for one in self.children if one.name == kill.process)
        pid = child.pid
        # read before the kill: the supervisor may be fast
        books = self.books_of(kill.process.removeprefix("worker ")) if kill.process.startswith("worker") else None
        if pid is None or not child.strike(signal.Signals[f"SIG{kill.signal}"], kill.away):
            self.missed += 1
            return
        self.struck.append(Struck(time.time(), kill.process, kill.signal, kill.times > 1, kill.away, books))
        if kill.signal == "TERM":
            task = asyncio.get_running_loop().create_task(self._insist(child, pid))
            self._tasks.add(task)

    async def _insist(self, child: Child, pid: int) -> None:
        """What does not end upon TERM is killed, as any supervisor does."""
        for _ in range(int(TERM_GRACE * 5)):
            await asyncio.sleep(0.2)
            if child.pid != pid:
                return
        self.slow.append(child.name)
        child.strike(signal.SIGKILL, 0.5)

    async def _kill_server(self, kill: Kill) -> None:
        assert self.embedded is not None
        actions: Mapping[tuple[str, str], Callable[[], None]] = {
            ("kafka", "KILL"): self.embedded.kill_kafka,
            ("kafka", "TERM"): self.embedded.stop_kafka,
            ("postgres", "KILL"): self.embedded.kill_postgres,
            ("postgres", "TERM"): self.embedded.stop_postgres,
        }
        start = self.embedded.start_kafka if kill.process == "kafka" else self.embedded.start_postgres
        loop = asyncio.get_running_loop()
        await asyncio.sleep(self._back.get(kill.process, 0.0) + REST - loop.time())
        self.struck.append(Struck(time.time(), kill.process, kill.signal, away=kill.away))
        await asyncio.to_thread(actions[kill.process, kill.signal])
        await asyncio.sleep(kill.away)
        await asyncio.to_thread(start)
        self._back[kill.process] = loop.time()
