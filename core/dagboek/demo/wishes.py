"""What is asked of the demo."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for."""

    invoices: Path | None
    """A folder of UBL files; None: the samples."""
    entity: str | None
    """VAT number of the company whose books are kept; None: each supplier for itself."""
    apart: bool
    """Files with the number of another one of their company, but other content, get books of their own."""
    report: Path | None
    rates: Mapping[str, Decimal]
    """Units of the books' currency for one unit of each foreign one."""
    workers: int
    language: str
    as_json: bool
