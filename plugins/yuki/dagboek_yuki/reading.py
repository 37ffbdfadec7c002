"""Values out of Yuki's results. Names are looked for in any namespace: inner documents have none, or their own."""

from collections.abc import Iterator
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Final

from lxml.etree import _Element as Element

NIL: Final = "{http://www.w3.org/2001/XMLSchema-instance}nil"
US: Final = ("%m/%d/%Y %I:%M:%S %p", "%m/%d/%Y %H:%M:%S", "%m/%d/%Y")
"""How contacts tell when they were made: `4/10/2019 3:50:52 PM`."""


def rows(result: Element, name: str) -> Iterator[Element]:
    """All elements called `name`, however deep."""
    return result.iter(f"{{*}}{name}")


def text(row: Element, *path: str) -> str:
    """The text of a child, or of a child's child; `@ID` as the last part is an attribute. Empty where there is none."""
    for name in path:
        if name.startswith("@"):
            return (row.get(name[1:]) or "").strip()
        found = row.find(f"{{*}}{name}")
        if found is None:
            return ""
        row = found
    if row.get(NIL) in ("true", "1"):
        return ""
    return "".join(row.itertext()).strip()


def number(row: Element, *path: str) -> Decimal | None:
    """A number, with a point before its decimals. None where there is none."""
    try:
        found = Decimal(text(row, *path))
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def whole(row: Element, *path: str) -> int | None:
    """A whole number. None where there is none."""
    found = number(row, *path)
    return int(found) if found is not None and found == found.to_integral_value() else None


def flag(row: Element, *path: str, absent: bool = False) -> bool:
    """A yes or no; `absent` where Yuki says neither."""
    return {"true": True, "1": True, "false": False, "0": False}.get(text(row, *path).lower(), absent)


def moment(row: Element, *path: str) -> datetime | None:
    """A date with time, as Yuki tells it: without a zone, or US style. None for none, and for the year 1: never."""
    told = text(row, *path)
    found = _iso(told) or next((parsed for form in US if (parsed := _parsed(told, form))), None)
    return found if found and found.year > 1 else None


def day(row: Element, *path: str) -> date | None:
    """A date; its time, if any, is left out."""
    found = moment(row, *path)
    return found.date() if found else None


def _iso(told: str) -> datetime | None:
    try:
        return datetime.fromisoformat(told)
    except ValueError:
        return None


def _parsed(told: str, form: str) -> datetime | None:
    try:
        return datetime.strptime(told, form)  # noqa: DTZ007 - Yuki tells no zone
    except ValueError:
        return None
