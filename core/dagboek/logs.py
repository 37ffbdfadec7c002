"""Log lines: one event a line, no secrets. Tracebacks come without the values of variables."""

import logging
import sys

import structlog


def configure(level: str = "INFO") -> None:
    """Sets up logging for a process; lines go to standard error, coloured on a terminal."""
    number = logging.getLevelNamesMapping().get(level, logging.INFO)
    logging.basicConfig(
        level=max(number, logging.WARNING), stream=sys.stderr, format="%(asctime)s %(name)s %(message)s"
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
