"""An event loop whose time passes only when nothing else is left to do, and the processes that share it.

A process is a context variable: every callback and task that it starts inherits it. The loop runs nothing of a process
that was killed, and holds back what belongs to one that is frozen until it goes on.
"""

import asyncio
import functools
import heapq
import itertools
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context, ContextVar, copy_context
from dataclasses import dataclass, field
from typing import Any


@dataclass(eq=False)
class Process:
    """One simulated operating-system process."""

    name: str
    dead: bool = False
    frozen: bool = False
    held: list[asyncio.Handle] = field(default_factory=list)
    """What would have run while it was frozen, in order."""
    connections: "list[Any]" = field(default_factory=list)
    at_thaw: list[Callable[[], None]] = field(default_factory=list)
    """What the system has kept for it, such as records that it had not sent yet."""
    in_flight: list[Any] = field(default_factory=list)
    """Records on their way to the brokers."""

    def context(self) -> Context:
        """A context that belongs to this process."""
        context = copy_context()
        context.run(PROCESS.set, self)
        return context


PROCESS: ContextVar[Process | None] = ContextVar("PROCESS", default=None)


class NothingLeft(RuntimeError):
    """No callback is ready and no timer is set: whoever waits would wait for ever."""


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in the order in which they came; jumps to the next timer when there is none."""

    def __init__(self) -> None:
        super().__init__()
        self._clock_resolution = 1e-9
        self._passed = 0.0
        self._timers: list[tuple[float, int, asyncio.TimerHandle]] = []
        """By time, and those of one time in the order in which they were set."""
        self._numbers = itertools.count()
        self.steps = 0
        self.tasks: list[asyncio.Task[Any]] = []
        self.set_exception_handler(lambda *_: None)
        self.set_task_factory(self._task)

    def _task(self, loop: asyncio.AbstractEventLoop, work: Any, **given: Any) -> "asyncio.Task[Any]":
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, **given)
        if PROCESS.get() is not None:
            self.tasks.append(task)  # so that nothing of a killed process is finalized while others go on
        return task

    def time(self) -> float:
        return self._passed

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._numbers), timer))
        return timer

    def _write_to_self(self) -> None:
        """There is no other thread to wake it for."""

    def _process_events(self, _: Any) -> None:
        """There are no sockets."""

    def run_in_executor(self, executor: Any, func: Any, *args: Any) -> Any:  # type: ignore[override]
        """At once: a thread's work would come at a time of its own."""
        future = self.create_future()
        try:
            future.set_result(func(*args))
        except Exception as error:
            future.set_exception(error)
        return future

    def _run_once(self) -> None:
        timers, ready = self._timers, self._ready  # type: ignore[attr-defined]
        while timers and timers[0][2].cancelled():
            heapq.heappop(timers)
        if not ready and not self._stopping:  # type: ignore[attr-defined]
            if not timers:
                raise NothingLeft
            self._passed = max(self._passed, timers[0][0])
        while timers and timers[0][0] <= self._passed:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if handle._cancelled:
                continue
            process = handle._context.get(PROCESS)
            if process is not None:
                if process.dead:
                    continue
                if process.frozen:
                    process.held.append(handle)
                    continue
            self.steps += 1
            handle._run()

    def thaw(self, process: Process) -> None:
        """All that was held back goes on."""
        process.frozen = False
        self._ready.extend(process.held)  # type: ignore[attr-defined]
        process.held.clear()
        for kept in process.at_thaw:
            self.call_soon(kept, context=Context())
        process.at_thaw.clear()

    def start(self, process: Process, work: Any, name: str) -> "asyncio.Task[Any]":
        """A task of `process`."""
        return process.context().run(functools.partial(self.create_task, work, name=name))

    def bury(self) -> None:
        """Ends what is left of all processes. Their connections are gone by now: nothing has an effect any more."""
        for task in self.tasks:
            if not task.done():
                task._log_destroy_pending = False  # type: ignore[attr-defined]
                with suppress(BaseException):  # of a coroutine that waits for something in its end
                    task.get_coro().close()
        self.tasks.clear()
        self._ready.clear()  # type: ignore[attr-defined]
        self._timers.clear()
