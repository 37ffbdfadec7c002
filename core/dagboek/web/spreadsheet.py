"""Lines of CSV files for spreadsheets."""

import csv
import io
from collections.abc import Sequence
from typing import Any, Final

CSV: Final[dict[str, Any]] = {"description": "the file", "content": {"text/csv": {"schema": {"type": "string"}}}}
"""Of a route that answers one."""


_CALCULATED: Final = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
"""With which a text begins that some spreadsheet calculates (OWASP, CSV Injection); the last four are wide."""


def csv_lines(rows: Sequence[Sequence[str]]) -> str:
    """Rows of a file, separated by semicolons. A text that a spreadsheet would calculate is marked as text."""
    file = io.StringIO()
    csv.writer(file, delimiter=";").writerows([_harmless(cell) for cell in row] for row in rows)
    return file.getvalue()


def _harmless(cell: str) -> str:
    amount = cell.removeprefix("-").replace(".", "", 1).isdecimal()
    return f"'{cell}" if cell.lstrip(" \xa0")[:1] in _CALCULATED and not amount else cell
