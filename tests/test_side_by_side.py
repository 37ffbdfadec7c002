"""What runs beside what, when the whole suite runs in several processes."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from side_by_side import ALONE, LONG, begun_first, group_of

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("place", [*ALONE, *LONG])
def test_what_is_named_is_there(place: str) -> None:
    assert (ROOT / place).exists()


def test_a_module_stays_in_one_process_and_what_keeps_the_machine_busy_is_never_side_by_side() -> None:
    assert group_of("tests/core/test_vault.py::test_a") == group_of("tests/core/test_vault.py::test_b[x::y]")
    assert group_of("tests/core/test_vault.py::test_a") != group_of("tests/core/test_rules.py::test_a")
    assert len({group_of(f"{place}::test_a") for place in ALONE}) == 1


def test_what_takes_longest_is_begun_first() -> None:
    names = ["tests/core/test_vault.py::test_a", f"{LONG[0]}test_x.py::test_b", f"{ALONE[-1]}::test_c"]
    items: list[Any] = [SimpleNamespace(nodeid=name) for name in names]
    assert [item.nodeid for item in begun_first(items)] == names[::-1]
