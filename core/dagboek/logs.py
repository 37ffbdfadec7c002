"""Log lines: one event a line, no secrets. Tracebacks come without the values of variables."""

import logging
import sys
from time import monotonic
from typing import Final

import structlog

REPEAT_SECONDS: Final = 10.0
"""How often a library may say the same: without its broker a client would many times a second."""


class _Seldom(logging.Filter):
    def __init__(self) -> None:
        super().__init__()
        self._said: dict[tuple[str, str], float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        words, now = (record.name, record.getMessage()), monotonic()
        if now - self._said.get(words, -REPEAT_SECONDS) < REPEAT_SECONDS:
            return False
        if len(self._said) > 1000:
            self._said.clear()
        self._said[words] = now
        return True


def configure(level: str = "INFO") -> None:
    """Sets up logging for a process; lines go to standard error, coloured on a terminal."""
    number = logging.getLevelNamesMapping().get(level, logging.INFO)
    of_libraries = logging.StreamHandler(sys.stderr)
    of_libraries.addFilter(_Seldom())
    logging.basicConfig(
        level=max(number, logging.WARNING), handlers=[of_libraries], format="%(asctime)s %(name)s %(message)s"
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(
                colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
            ),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=lambda *_: structlog.PrintLogger(sys.stderr),
        cache_logger_on_first_use=False,  # whatever standard error is then
    )
