"""A plugin that fails time after time is left alone for a while: a bad release must not turn documents into warnings.

Closed: an unexpected error is the item's own. Open: nothing is tried. After that half-open: the first error opens it
again, and a success closes it.
"""

from typing import Final
from uuid import UUID

from dagboek_sdk import clock

ERRORS: Final = 5
"""Unexpected errors in a row, without a success between them, that open it."""
APART: Final = 3
"""Administrations that they come from, before it is the tool's plugin that is broken and not what one of them holds."""
SECONDS: Final = 600.0
"""How long nothing is tried."""


class Circuit:
    """Of one lane, or of all lanes of a tool in this process."""

    def __init__(self, apart: int = 1) -> None:
        self._apart = apart
        self._errors = 0
        self._failing: set[UUID] = set()
        self._tripped = False
        self._until = 0.0
        self.reference = "?"
        """Of the error that opened it."""

    def failed(self, administration_id: UUID, reference: str) -> bool:
        """Takes an unexpected error; whether it is the plugin's now, and the item is to be kept."""
        self._errors += 1
        self._failing.add(administration_id)
        if not self._tripped and (self._errors < ERRORS or len(self._failing) < self._apart):
            return False
        self._tripped, self._until, self.reference = True, clock.boot_time() + SECONDS, reference
        return True

    def half_open(self) -> None:
        """It was open for a run that goes on here, perhaps in a process before this one."""
        self._tripped = True

    def worked(self) -> None:
        """Takes a success: it closes."""
        if self._errors or self._tripped:
            self._errors, self._tripped, self._until = 0, False, 0.0
            self._failing.clear()

    @property
    def closed(self) -> bool:
        """Whether an error is the item's own, for now."""
        return not self._tripped

    @property
    def wait(self) -> float:
        """Seconds for which nothing is to be tried; 0 for closed or half-open."""
        return max(0.0, self._until - clock.boot_time()) if self._tripped else 0.0
