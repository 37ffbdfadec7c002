"""What a reader finds in one file: the values it asks for, and the issues that it meets on the way."""

from datetime import date
from decimal import Decimal

from dagboek_schemas.issues import Issue, Severity
from lxml import etree

from dagboek_ubl import issues
from dagboek_ubl.amounts import decimal

Element = etree._Element

CAC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2}"
CBC = "{urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2}"
_LONGEST_TEXT = 4000


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
    """The text of a basic element with single blanks, at most 4,000 characters."""
    if element is None or not element.text:
        return None
    return " ".join(element.text[: 2 * _LONGEST_TEXT].split())[:_LONGEST_TEXT] or None


def texts(element: Element, name: str) -> list[str]:
    """The texts of all basic elements of that name that are not empty."""
    return [found for one in element.iterchildren(CBC + name) if (found := own_text(one))]


def attribute(element: Element | None, name: str) -> str | None:
    """An attribute without blanks around it; None when it is missing or empty."""
    return None if element is None else (element.get(name) or "").strip() or None


class Findings:
    """Issues of one file, and the readers of values that may add to them."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.currency: str | None = None
        self.issues: list[Issue] = []
        self._foreign: set[str] = set()

    @property
    def blocked(self) -> bool:
        """Whether something found forbids to book."""
        return any(issue.severity is not Severity.INFORMATION for issue in self.issues)

    def add(self, code: str, *, rule: str | None = None, path: str | None = None, **facts: str) -> None:
        """Adds an issue of the catalogue."""
        self.issues.append(issues.issue(code, self.file, rule=rule, path=path, **facts))

    def missing(self, field: str, rule: str, path: str) -> None:
        """Adds that a required field is not there."""
        self.add("U09", rule=rule, path=path, field=field)

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
        if unit and expected and unit != expected and unit not in self._foreign:
            self._foreign.add(unit)
            self.add("U14", rule="PEPPOL-EN16931-R051", field=name, found=unit, expected=expected)
        return self._number(found, name)

    def _number(self, element: Element | None, name: str) -> Decimal | None:
        written = own_text(element)
        if written is None:
            return None
        value = decimal(written)
        if value is None:
            self.add("U10", field=name, found=written[:60], expected="1234.56")
        return value

    def day(self, element: Element | None, *path: str, required: bool = False) -> date | None:
        """The date at `path`. One that cannot be read blocks if it is required, else it is left out."""
        written = text(element, *path)
        if written is None:
            return None
        value = _day(written)
        if value is None:
            code, expected = ("U10", {"expected": "2026-12-31"}) if required else ("U39", {})
            self.add(code, field=path[-1], found=written[:60], **expected)
        return value


def _day(written: str) -> date | None:
    # xs:date may end in a time zone, and some write a time: the day as written is what counts.
    if len(written) > 10 and written[10] not in "TZ+-":
        return None
    try:
        return date.fromisoformat(written[:10]) if len(written) >= 10 else None
    except ValueError:
        return None
