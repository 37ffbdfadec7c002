"""The clock: one place for the time, in UTC and aware; deadlines on a clock that nobody sets back."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagboek
import dagboek_octopus
import dagboek_sdk
import dagboek_workers
from dagboek_sdk import clock

ELSEWHERE = re.compile(r"datetime\.now\(|datetime\.utcnow\(|\btime\.time\(|\bclock_gettime\(")


def test_the_moment_is_aware_and_deadlines_go_forwards() -> None:
    assert clock.now().tzinfo is UTC
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)
    before = clock.boot_time()
    assert clock.boot_time() >= before


def test_core_workers_sdk_and_plugin_read_the_time_here_alone() -> None:
    """Whoever reads it elsewhere is left out of the simulation and of the tests of clocks that jump. Not so what stands
    beside the product and watches it.
    """
    roots = [Path(package.__path__[0]) for package in (dagboek, dagboek_octopus, dagboek_sdk, dagboek_workers)]
    files = [
        file
        for root in roots
        for file in root.rglob("*.py")
        if file != Path(clock.__file__) and not {"chaos", "sandbox"} & set(file.relative_to(root).parts)
    ]
    assert len(files) > 50
    assert [file.name for file in files if ELSEWHERE.search(file.read_text())] == []
