"""The page of what may fail: every test that it names is there."""

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "reliability.md"
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def names_of(file: Path) -> set[str]:
    """The test functions of a file."""
    return {
        node.name
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
    }


def test_every_test_that_the_page_names_is_there() -> None:
    named = NAMED.findall(PAGE.read_text())
    assert len(named) > 30
    missing = [f"{file}::{test}" for file, test in named if test not in names_of(ROOT / file)]
    assert missing == []


def test_every_test_of_the_matrix_is_on_the_page() -> None:
    named = {test for _, test in NAMED.findall(PAGE.read_text())}
    there = {test for file in (ROOT / "tests" / "fault_matrix").glob("test_*.py") for test in names_of(file)}
    assert there - named == set()
