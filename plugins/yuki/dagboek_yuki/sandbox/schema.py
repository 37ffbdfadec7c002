"""Documents inside a call are checked as a whole before anything of them is done, as Yuki checks them with its XSDs.

An `xs:sequence`: elements in their order, all in the document's namespace, nothing unknown, nothing empty. What is
wrong is a fault of the call in the words of .NET's validation. What comes out is plain JSON: texts as they were sent.
"""

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Any, Final, NoReturn

from lxml import etree

from .call import Fault

Json = dict[str, Any]
Check = Callable[[str], str | None]
"""Says what is wrong with a text, None when nothing is."""

_DECIMAL = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)\Z")
_DATE = re.compile(r"(\d{4}-\d\d-\d\d)(Z|[+-]\d\d:\d\d)?\Z")


@dataclass(frozen=True, slots=True)
class Kind:
    """A simple type: its name in XML Schema, how spaces are taken, and what it checks."""

    name: str
    check: Check
    spaces: str | None = " "
    """What becomes of spaces and line ends; None: they stay as they are."""

    def read(self, given: str) -> str:
        """The text without the spaces that do not count."""
        return given if self.spaces is None else self.spaces.join(given.split())


@dataclass(frozen=True, slots=True)
class Item:
    """An element of a sequence."""

    name: str
    what: "Kind | Shape"
    needed: bool = False
    many: bool = False


class Shape:
    """A sequence of elements."""

    def __init__(self, *items: Item) -> None:
        self.items: Final = items
        self.places: Final[Mapping[str, int]] = {item.name: place for place, item in enumerate(items)}


def read(root: etree._Element | None, name: str, namespace: str, shape: Shape) -> Json:
    """The whole document; raises Fault for the first thing that is wrong with it."""
    prefix = f"{{{namespace}}}" if namespace else ""
    if root is None or root.tag != prefix + name:
        given = "" if root is None else etree.QName(root).localname
        _wrong(f"The '{given or name}' element is not declared." if given else "The document is empty.")
    return _sequence(root, shape, namespace, prefix)


def _sequence(element: etree._Element, shape: Shape, namespace: str, prefix: str) -> Json:
    found: Json = {}
    items, places = shape.items, shape.places
    start, at = len(prefix), 0
    if element.text and element.text.strip():
        _wrong(f"The element {_named(element, namespace)} cannot contain text.")
    for child in element:
        tag = child.tag
        if not isinstance(tag, str):
            continue
        place = places.get(tag[start:]) if tag.startswith(prefix) else None
        if place is None or place < at:
            again = place is not None and place == at - 1 and items[place].many
            if place is None or not again:
                raise _unexpected(element, child, items, at, namespace)
        elif any(item.needed for item in items[at:place]):
            raise _unexpected(element, child, items, at, namespace)
        item = items[place]
        what = item.what
        value = _sequence(child, what, namespace, prefix) if isinstance(what, Shape) else _value(child, what, namespace)
        if item.many:
            found.setdefault(item.name, []).append(value)
        else:
            found[item.name] = value
        at = place + 1
    missing = [item.name for item in items[at:] if item.needed]
    if missing:
        _wrong(
            f"The element {_named(element, namespace)} has incomplete content. "
            f"List of possible elements expected: '{', '.join(_expected(items, at))}' in namespace '{namespace}'."
        )
    return found


def _value(element: etree._Element, kind: Kind, namespace: str) -> str:
    if len(element):
        _wrong(f"The element {_named(element, namespace)} cannot contain child elements; it has text only.")
    text = kind.read(element.text or "")
    wrong = kind.check(text)
    if wrong is not None:
        name = etree.QName(element).localname
        shown = text if len(text) <= 80 else f"{text[:80]}..."
        _wrong(
            f"The '{namespace}:{name}' element is invalid - The value '{shown}' is invalid according to its datatype "
            f"'{kind.name}' - {wrong}"
        )
    return text


def _unexpected(
    element: etree._Element, child: etree._Element, items: tuple[Item, ...], at: int, namespace: str
) -> Fault:
    name = etree.QName(child)
    where = f" in namespace '{name.namespace}'" if name.namespace else ""
    expected = ", ".join(_expected(items, at))
    tail = f" List of possible elements expected: '{expected}' in namespace '{namespace}'." if expected else ""
    return Fault(f"The element {_named(element, namespace)} has invalid child element '{name.localname}'{where}.{tail}")


def _expected(items: tuple[Item, ...], at: int) -> Iterable[str]:
    for item in items[at:]:
        yield item.name
        if item.needed:
            return


def _named(element: etree._Element, namespace: str) -> str:
    return f"'{etree.QName(element).localname}' in namespace '{namespace}'"


def _wrong(words: str) -> NoReturn:
    raise Fault(words)


# --- simple types -----------------------------------------------------------------------------------------------------


def text(most: int | None = None) -> Kind:
    """A text of at least one character and at most so many."""

    def check(value: str) -> str | None:
        if not value.strip():
            return "The actual length is less than the MinLength value."
        if most is not None and len(value) > most:
            return "The actual length is greater than the MaxLength value."
        return None

    return Kind("String", check, spaces=None)


def one_of(*values: str) -> Kind:
    """One of some words."""

    def check(value: str) -> str | None:
        return None if value in values else "The Enumeration constraint failed."

    return Kind("String", check)


def decimal(digits: int, fraction: int) -> Kind:
    """A number with so many digits, so many of them behind the point."""

    def check(value: str) -> str | None:
        if not _DECIMAL.match(value):
            return f"The string '{value}' is not a valid Decimal value."
        _, given, exponent = Decimal(value).normalize().as_tuple()
        assert isinstance(exponent, int)
        if -exponent > fraction:
            return "The FractionDigits constraint failed."
        if max(len(given) + max(exponent, 0), -exponent) > digits:
            return "The TotalDigits constraint failed."
        return None

    return Kind("http://www.w3.org/2001/XMLSchema:decimal", check)


def _boolean(value: str) -> str | None:
    return None if value in ("true", "false", "1", "0") else f"The string '{value}' is not a valid Boolean value."


def _integer(value: str) -> str | None:
    good = re.match(r"[+-]?\d{1,9}\Z", value)
    return None if good else f"The string '{value}' is not a valid Int32 value."


def _day(value: str) -> str | None:
    found = _DATE.match(value)
    try:
        date.fromisoformat(found[1] if found else "")
    except ValueError:
        return f"The string '{value}' is not a valid Date value."
    return None


def _base64(value: str) -> str | None:
    try:
        base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return "The input is not a valid Base-64 string."
    return None if value else "The actual length is less than the MinLength value."


BOOLEAN: Final = Kind("http://www.w3.org/2001/XMLSchema:boolean", _boolean)
INTEGER: Final = Kind("http://www.w3.org/2001/XMLSchema:int", _integer)
DATE: Final = Kind("http://www.w3.org/2001/XMLSchema:date", _day)
BASE64: Final = Kind("http://www.w3.org/2001/XMLSchema:base64Binary", _base64, spaces="")


def truth(value: str | None) -> bool:
    """What a boolean that was checked says; false when it was left out."""
    return value in ("true", "1")


def day(value: str) -> date:
    """A date that was checked."""
    return date.fromisoformat(value[:10])
