"""The calls that came to a sandbox; no tokens and no bodies."""

from collections import deque
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from typing import Any, NamedTuple


class Request(NamedTuple):
    """A call; `at` in seconds since 1970 on the sandbox's clock, status None: it was never answered."""

    at: float
    method: str
    path: str
    status: int | None
    seconds: float
    operation: str | None
    dossier: int | str | None
    fault: str | None


class Requests:
    """The last calls, and how many there were."""

    def __init__(self, keep: int) -> None:
        self._last: deque[Request] = deque(maxlen=keep)
        self.total = 0

    def add(self, request: Request) -> None:
        """Notes a call."""
        self.total += 1
        self._last.append(request)

    def clear(self) -> None:
        """Forgets all."""
        self._last.clear()
        self.total = 0

    def last(
        self, count: int = 100, operation: str | None = None, dossier: int | str | None = None
    ) -> list[dict[str, Any]]:
        """The last calls, oldest first; `operation` may have *."""
        rows = [
            {
                "time": utc_text(one.at),
                "method": one.method,
                "path": one.path,
                "status": one.status,
                "milliseconds": round(one.seconds * 1000, 3),
                "operation": one.operation,
                "dossier": one.dossier,
                "fault": one.fault,
            }
            for one in self._last
            if (operation is None or fnmatchcase(one.operation or "", operation)) and dossier in (None, one.dossier)
        ]
        return rows[-count:]


def utc_text(seconds: float) -> str:
    """Seconds since 1970 as an ISO time in UTC with milliseconds."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
