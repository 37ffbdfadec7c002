"""Makes `ubl.write_ubl` importable, and gives a folder to put documents in."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).parents[1]))

from dagboek_ubl.reader import ReadResult, read_file
from ubl.write_ubl import Paper, render


@pytest.fixture
def read(tmp_path: Path) -> Callable[[str | bytes | Paper], ReadResult]:
    """Reads a document that is given as text, bytes, or a paper to write."""

    def reader(document: str | bytes | Paper) -> ReadResult:
        text = render(document) if isinstance(document, Paper) else document
        path = tmp_path / "document.xml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_file(path)

    return reader
