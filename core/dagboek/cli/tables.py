"""Aligned tables, colours on terminals only, JSON for programs."""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

from pydantic import BaseModel
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

NARROWEST = 100

STATUS_STYLES = {
    "Success": "green",
    "Warning": "yellow",
    "Error": "bold red",
    "Stalled": "bold magenta",
    "In progress": "cyan",
    "Pending": "dim",
    "Cancelled": "dim",
}


def console() -> Console:
    """Standard output. Without a terminal there are no colours and lines are not folded to a guessed width."""
    out = Console(highlight=False)
    return out if out.is_terminal else Console(highlight=False, width=max(out.width, 200))


def table(*columns: str, right: Iterable[str] = ()) -> Table:
    """A table without frame whose `right` columns are numbers."""
    made = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, header_style="bold")
    numbers = set(right)
    for name in columns:
        made.add_column(name, justify="right" if name in numbers else "left", no_wrap=name in numbers)
    return made


def cell(value: object) -> Text:
    """Any text from outside: never read as markup, and without control characters."""
    text = "" if value is None else str(value)
    return Text("".join(sign if sign.isprintable() else " " for sign in text))


def status(value: str) -> Text:
    """A status in its colour."""
    return Text(value, style=STATUS_STYLES.get(value, ""))


def moment(value: datetime | None) -> str:
    """A time for people, in UTC."""
    return value.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S") if value else ""


def duration(seconds: float | None) -> str:
    """`0.4 s`, `12 s`, `3 min 20 s`, `2 h 5 min`."""
    if seconds is None:
        return ""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def amount(value: Decimal | None, currency: str | None = None) -> str:
    """An amount with two decimals or more, and its currency."""
    if value is None:
        return ""
    shown = f"{value:.2f}" if value == value.quantize(Decimal("0.01")) else format(value.normalize(), "f")
    return f"{shown} {currency}" if currency else shown


def counted(number: int, noun: str) -> str:
    """`1 document`, `2 documents`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def json_of(value: Any) -> Any:
    """What JSON can hold: amounts as text, times in ISO 8601."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", exclude_none=True)
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: json_of(getattr(value, part.name)) for part in fields(value)}
    if isinstance(value, Mapping):
        return {str(name): json_of(item) for name, item in value.items()}
    if isinstance(value, Sequence | set | frozenset) and not isinstance(value, str | bytes):
        return [json_of(item) for item in value]
    return _plain(value)


def _plain(value: Any) -> Any:
    match value:
        case Enum():
            return value.value
        case datetime() | date():
            return value.isoformat()
        case Decimal() | UUID() | Path():
            return str(value)
    return value


def print_json(value: Any) -> None:
    """One JSON document on standard output."""
    sys.stdout.write(json.dumps(json_of(value), ensure_ascii=False, indent=2) + "\n")
    sys.stdout.flush()


def print_json_line(value: Any) -> None:
    """One JSON object on a line of its own, at once."""
    sys.stdout.write(json.dumps(json_of(value), ensure_ascii=False) + "\n")
    sys.stdout.flush()
