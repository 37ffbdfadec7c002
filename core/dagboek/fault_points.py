"""Places where a test may kill the process, named by what has just happened.

`DAGBOEK_FAULT_POINT=after_call:3` kills the process, as `kill -9` would, the third time it comes by. Generic faults
rarely hit the moments that matter; these are the moments that matter. Without the variable they cost one comparison.
"""

import os
import signal

POINTS = (
    "before_intent",
    "after_intent",
    "after_call",
    "after_outcome",
    "after_event",
    "window_stored",
    "window_admitted",
    "window_published",
    "run_finished",
    "runs_requested",
    "mail_sent",
)

_NAME, _, _TIMES = os.environ.get("DAGBOEK_FAULT_POINT", "").partition(":")
_left = int(_TIMES or 1)

if _NAME and _NAME not in POINTS:
    raise SystemExit(f"DAGBOEK_FAULT_POINT names {_NAME!r}; there are: {', '.join(POINTS)}")


def reached(name: str) -> None:
    """Says that the process is at `name`; does not return when a test asked for its end here."""
    global _left  # noqa: PLW0603  # one process, one count
    if name == _NAME:
        _left -= 1
        if _left == 0:
            os.kill(os.getpid(), signal.SIGKILL)
