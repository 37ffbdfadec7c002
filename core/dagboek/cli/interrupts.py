"""Ctrl-C while modules load and while a command runs. Imports little, as it must be there before all else."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import current_thread, main_thread
from types import FrameType

INTERRUPTED = 130
"""Exit status after Ctrl-C."""

Handler = Callable[[int, FrameType | None], None]


@contextmanager
def ends_at_once() -> Iterator[None]:
    """While modules load: nothing is begun yet, so Ctrl-C simply ends the process.

    An exception would not do: a module that loads may swallow it, or it comes up where Python prints and ignores it.
    """
    with on_interrupt(lambda _number, _frame: os._exit(INTERRUPTED)):
        yield


@contextmanager
def on_interrupt(handler: Handler) -> Iterator[None]:
    """Ctrl-C calls `handler`, where Python would raise KeyboardInterrupt."""
    # A process that was born deaf to Ctrl-C, as in the background of a shell, stays so.
    ours = current_thread() is main_thread() and signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if not ours:
        yield
        return
    signal.signal(signal.SIGINT, handler)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGINT) is handler:
            signal.signal(signal.SIGINT, signal.default_int_handler)
