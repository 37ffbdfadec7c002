"""The time. Core, workers, plugins and SDK read it here alone, so that the simulation can let it pass as it likes."""

import time
from datetime import UTC, datetime
from typing import Final

# The Mac's monotonic clock goes on while the machine sleeps, as Linux's boot time does.
_BOOT_TIME: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)


def boot_time() -> float:
    """Seconds that go on while the machine sleeps, and that nobody sets back: for deadlines."""
    return time.clock_gettime(_BOOT_TIME)
