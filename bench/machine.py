"""What machine a figure was measured on: a figure without it says nothing."""

import os
import platform
import re
from importlib.metadata import version
from pathlib import Path

from dagboek.embedded.jars import KAFKA_VERSION
from dagboek.embedded.postgres import MAJOR_VERSION


def machine() -> str:
    """Processor, cores, memory, and the versions that matter, in one line."""
    return (
        f"{os.cpu_count()} cores of {_processor()}, {_gib()} GiB, {platform.system()} {platform.release()}, "
        f"Python {platform.python_version()}, Kafka {KAFKA_VERSION}, PostgreSQL {MAJOR_VERSION}, "
        f"faust-streaming {version('faust-streaming')}"
    )


def _processor() -> str:
    try:
        found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        found = None
    return found[1] if found else platform.machine()


def _gib() -> int:
    return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30)
