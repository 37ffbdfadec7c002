"""The whole suite in several processes: which tests go together, and what begins first.

A process has a broker, a database server and installations of its own. The tests of a module stay together, as they
share fixtures.
"""

from collections.abc import Sequence

import pytest
from xdist.scheduler import LoadScopeScheduling

PROCESSES = 3
"""Most of the suite waits, so two cores have time for them."""

ALONE = (
    "tests/crash/test_two_workers.py",
    "tests/fault_matrix/test_liveness.py",
    "tests/chaos/test_trial.py",
    "tests/simulation/",
    "tests/test_bench.py",
)
"""What measures time, and what keeps a machine busy: one after the other, so that they do not disturb each other."""

LONG = ("tests/crash/", "tests/fault_matrix/", "tests/chaos/", "tests/end_to_end/")
"""What takes minutes: begun first, so that nobody waits for it in the end."""


def group_of(nodeid: str) -> str:
    """The tests of a group run in one process."""
    return "alone" if nodeid.startswith(ALONE) else nodeid.partition("::")[0]


def begun_first(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """The items in the order in which their groups are handed out."""

    def rank(item: pytest.Item) -> int:
        if group_of(item.nodeid) == "alone":
            return -1
        return next((at for at, folder in enumerate(LONG) if item.nodeid.startswith(folder)), len(LONG))

    return sorted(items, key=rank)


class Scheduling(LoadScopeScheduling):  # type: ignore[misc]  # it is not typed
    """Hands out groups instead of single tests."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)
