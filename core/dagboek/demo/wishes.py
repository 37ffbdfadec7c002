"""What is asked of the demo; what cannot be done is told before anything starts."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import Final

from dagboek_schemas.identity import normal_number

from dagboek.cli.failures import CommandFailed
from dagboek.rules.vat_numbers import Fault, vat_number

SUFFIX: Final = ".xml"
"""Of the files that are documents."""


class Ending(StrEnum):
    """How the demo ends."""

    STAYS = "stays"
    """The console is open, and everything runs, until Ctrl-C."""
    LOOKS = "looks"
    """The demo reads the console's first pages itself, and ends: for scripts, which nobody stops."""
    WITHOUT = "without"
    """There is no console."""


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for. CommandFailed for a folder without documents, and for what is no VAT number."""

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
    ending: Ending

    def __post_init__(self) -> None:
        if self.entity is not None:
            _refuse_what_is_no_vat_number(self.entity)
        if self.invoices is not None:
            _refuse_without_documents(self.invoices)


def _refuse_what_is_no_vat_number(written: str) -> None:
    number = normal_number(written)
    country = number[:2] if number[:2].isalpha() else "BE"
    known = vat_number(number, country)
    if known is not None and known.fault is Fault.FORM:
        raise CommandFailed(
            f"--entity {written} is no VAT number of {known.country}: one looks like {known.form}, 9 being any digit."
        )
    if known is None and not any(sign.isdigit() for sign in number):
        raise CommandFailed(f"--entity {written} is no VAT number. Give one with its country, such as BE0123456749.")


def _refuse_without_documents(folder: Path) -> None:
    try:
        next(folder.iterdir(), None)
    except OSError as error:
        raise CommandFailed(f"{folder} cannot be read: {error.strerror}. Give a folder that may be read.") from None
    for _, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        if any(name.lower().endswith(SUFFIX) and not name.startswith(".") for name in names):
            return
    raise CommandFailed(f"There is no UBL file (*{SUFFIX}) in {folder}. Give the folder that holds them.")
