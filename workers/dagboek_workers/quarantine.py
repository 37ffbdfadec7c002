"""Items that were started before without an outcome run one at a time: a poisonous neighbour's kills are its own."""

import threading
from time import monotonic
from typing import Final

PATIENCE: Final = 10.0
"""Seconds after which the next one enters all the same: a tool that does not answer must not keep the others out."""


class Quarantine:
    """The one place of a process for such items, whichever tool's loop they are on."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside: object = None
        self._since = 0.0

    def enter(self, who: object) -> bool:
        """Whether `who` may begin; else it is to ask again."""
        with self._lock:
            if self._inside is not None and monotonic() - self._since < PATIENCE:
                return False
            self._inside, self._since = who, monotonic()
            return True

    def leave(self, who: object) -> None:
        """Lets the next one in; nothing for who is not inside, or was overtaken."""
        with self._lock:
            if self._inside is who:
                self._inside = None
