"""The sandbox's clock: real time plus what tests moved it forward by."""

import time


class Clock:
    """Never goes back, so changes are always recorded in order."""

    def __init__(self) -> None:
        self.advanced = 0.0
        self._latest = 0.0

    def now(self) -> float:
        """Seconds since 1970."""
        self._latest = max(self._latest, time.time() + self.advanced)
        return self._latest

    def advance(self, seconds: float) -> None:
        """Moves the clock forward; raises ValueError for a negative number."""
        if seconds < 0:
            raise ValueError("the clock only goes forward")
        self.advanced += seconds

    def not_before(self, moment: float) -> None:
        """Moves the clock to a moment that was reached already (books read back from a file)."""
        self.advanced += max(0.0, moment - self.now())
