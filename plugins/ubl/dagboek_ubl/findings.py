"""What a reader finds in one file: the values it asks for, and the issues that it meets on the way."""

import re
from datetime import date
from decimal import Decimal

from dagboek_schemas.issues import Issue, Severity
from lxml import etree

from dagboek_ubl import issues
from dagboek_ubl.amounts import ZERO, decimal

Element = etree._Element

CAC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2}"
CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
_LONGEST_TEXT = 4000
_MOST_ISSUES = 50
_DAY = re.compile(r"(\d{4}-\d\d-\d\d)([TZ+-].*)?", re.ASCII)
_CURRENCY = re.compile(r"[A-Z]{3}")
_YEARS = range(1900, 2200)
"""Beyond these a date is mistyped, and adding a term of payment to it may not be possible."""


def part(element: Element | None, *path: str) -> Element | None:
    """The first aggregate at `path`."""
    for name in path:
        if element is None:
            return None
        element = next(element.iterchildren(CAC + name), None)
    return element


def parts(element: Element, name: str) -> list[Element]:
    """All aggregates of that name."""
    return list(element.iterchildren(CAC + name))


def leaf(element: Element | None, *path: str) -> Element | None:
    """The first basic element at `path`: in UBL only the last step of a path is a basic one."""
    element = part(element, *path[:-1])
    return None if element is None else next(element.iterchildren(CBC + path[-1]), None)


def text(element: Element | None, *path: str) -> str | None:
    """The text at `path` with single blanks; None when it is missing or empty."""
    return own_text(leaf(element, *path))


def own_text(element: Element | None) -> str | None:
    """The text of a basic element with single blanks, at most 4,000 characters; also that of what is within it."""
    if element is None:
        return None
    written = "".join(map(str, element.itertext())) if len(element) else element.text or ""
    return " ".join(written[: 2 * _LONGEST_TEXT].split())[:_LONGEST_TEXT] or None


def texts(element: Element, name: str) -> list[str]:
    """The texts of all basic elements of that name that are not empty."""
    return [found for one in element.iterchildren(CBC + name) if (found := own_text(one))]


def attribute(element: Element | None, name: str) -> str | None:
    """An attribute without blanks around it, at most 4,000 characters; None when it is missing or empty."""
    return None if element is None else (element.get(name) or "").strip()[:_LONGEST_TEXT] or None


def currency_code(written: str | None) -> str | None:
    """The code of a currency in capitals; None for what is none."""
    code = (written or "").upper()
    return code if _CURRENCY.fullmatch(code) else None


class Findings:
    """Issues of one file, and the readers of values that may add to them.

    What is told twice helps nobody: at most one issue of a code is kept for a field, and 50 in all.
    """

    def __init__(self, file: str) -> None:
        self.file = file
        self.currency: str | None = None
        self.issues: list[Issue] = []
        self.blocked = False
        self.figures_known = True
        """False once an amount is missing or cannot be read: then adding up tells nothing."""
        self._told: set[tuple[str, str]] = set()
        self._unreadable: set[str] = set()

    def add(self, code: str, *, rule: str | None = None, path: str | None = None, **facts: str) -> None:
        """Adds an issue of the catalogue."""
        found = issues.issue(code, self.file, rule=rule, path=path, **facts)
        self.blocked = self.blocked or found.severity is not Severity.INFORMATION
        told = (code, facts.get("field", ""))
        if told not in self._told and len(self._told) < _MOST_ISSUES:
            self._told.add(told)
            self.issues.append(found)

    def once(self, code: str, *, rule: str | None = None, path: str | None = None, **facts: str) -> None:
        """As `add`, unless this code was told already."""
        if all(told != code for told, _ in self._told):
            self.add(code, rule=rule, path=path, **facts)

    def missing(self, field: str, rule: str, path: str) -> None:
        """Adds that a required field is not there; one that is there but cannot be read was told already."""
        self.blocked = True
        if field.rpartition("/")[2].partition(" ")[0] not in self._unreadable:
            self.add("U09", rule=rule, path=path, field=field)

    def missing_amount(self, field: str, rule: str, path: str) -> Decimal:
        """As `missing`, of an amount that others are added up from; 0 to go on with."""
        self.figures_known = False
        self.missing(field, rule, path)
        return ZERO

    def unreadable(self, field: str, found: str, expected: str, rule: str | None = None) -> None:
        """Adds that a value cannot be read, which blocks."""
        self._unreadable.add(field)
        self.add("U10", rule=rule, field=field, found=found[:60], expected=expected)

    def number(self, element: Element | None, name: str) -> Decimal | None:
        """The number in the basic element `name`. One that is there and cannot be read blocks."""
        found = leaf(element, name)
        return self._number(found, name)

    def amount(self, element: Element | None, name: str, currency: str | None = None) -> Decimal | None:
        """As `number`, in the document's currency (or `currency`): another one blocks."""
        found = leaf(element, name)
        if found is None:
            return None
        expected = currency or self.currency
        unit = attribute(found, "currencyID")
        if unit and expected and unit.upper() != expected:
            self.figures_known = False
            self.once("U14", rule="PEPPOL-EN16931-R051", field=name, found=unit, expected=expected)
        return self._number(found, name)

    def _number(self, element: Element | None, name: str) -> Decimal | None:
        written = own_text(element)
        if written is None:
            return None
        value = decimal(written)
        if value is None:
            self.figures_known = False
            self.unreadable(name, written, "1234.56")
        return value

    def day(self, element: Element | None, *path: str, required: bool = False) -> date | None:
        """The date at `path`. One that cannot be read blocks if it is required, else it is left out."""
        written = text(element, *path)
        if written is None:
            return None
        value = _day(written)
        if value is None:
            if required:
                self._unreadable.add(path[-1])
                self.add("U25", field=path[-1], found=written[:60], expected="2026-12-31")
            else:
                self.add("U39", field=path[-1], found=written[:60])
        return value


def _day(written: str) -> date | None:
    # xs:date may end in a time zone, and some write a time: the day as written is what counts.
    match = _DAY.fullmatch(written)
    try:
        day = date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None
    return day if day and day.year in _YEARS else None
