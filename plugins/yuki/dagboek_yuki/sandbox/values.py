"""Values of parameters and results as they stand in XML: read as strictly as the server reads them, and written."""

import binascii
import re
from collections.abc import Callable
from datetime import date, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from lxml import etree

from .table import Field, Service

NAMESPACE = "http://www.theyukicompany.com/"
TNS = f"{{{NAMESPACE}}}"
NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"
ZONE = ZoneInfo("Europe/Amsterdam")
"""Of the servers; times on the wire have none."""
NO_DATE = datetime(1, 1, 1)  # noqa: DTZ001 - the server's "no date"

_INT = re.compile(r"\s*[+-]?[0-9]{1,10}\s*\Z")
_DECIMAL = re.compile(r"\s*[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)\s*\Z")
_TIME = re.compile(r"(\d{4}-\d\d-\d\d)(T\d\d:\d\d:\d\d)?(\.\d{1,7})?(Z|[+-]\d\d:\d\d)?\Z")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_FORMAT = "Input string was not in a correct format."
_ESCAPES = dict.fromkeys([*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF]) | {38: "&amp;", 60: "&lt;", 62: "&gt;"}


class Unreadable(Exception):
    """A value that does not fit its type; the text is what .NET says of it."""


def read_params(service: Service, fields: tuple[Field, ...], element: etree._Element) -> dict[str, Any]:
    """The fields that are children of an element, by name. Order does not matter and unknown ones are ignored; what is
    missing, not in the namespace or written in another case has its type's default. Raises Unreadable."""
    children = {child.tag: child for child in element}
    found = {}
    for field in fields:
        child = children.get(TNS + field.name)
        found[field.name] = default(service, field) if child is None else _read(service, field, child)
    return found


def default(service: Service, field: Field) -> Any:
    """The value of what was left out."""
    if field.nillable:
        return None
    match field.kind:
        case "int":
            return 0
        case "decimal":
            return Decimal(0)
        case "bool":
            return False
        case "dateTime":
            return NO_DATE
        case kind if kind in service.enums and not field.many:
            return service.enums[kind][0]
    return None


def parse(service: Service, field: Field, text: str) -> Any:
    """A simple value from its text; raises Unreadable."""
    match field.kind:
        case "string":
            return text
        case "int":
            if not _INT.match(text):
                raise Unreadable(_FORMAT)
            if not -(2**31) <= (number := int(text)) < 2**31:
                raise Unreadable("Value was either too large or too small for an Int32.")
            return number
        case "decimal":
            if not _DECIMAL.match(text):
                raise Unreadable(_FORMAT)
            return Decimal(text.strip())
        case "bool":
            if (truth := _TRUTH.get(text.strip())) is None:
                raise Unreadable(f"The string '{text}' is not a valid Boolean value.")
            return truth
        case "dateTime":
            return _moment(text)
        case "bytes":
            try:
                return binascii.a2b_base64("".join(text.split()), strict_mode=True)
            except ValueError:
                raise Unreadable("The input is not a valid Base-64 string.") from None
    if text not in service.enums[field.kind]:
        raise Unreadable(f"Instance validation error: '{text}' is not a valid value for {field.kind}.")
    return text


def _read(service: Service, field: Field, element: etree._Element) -> Any:
    if element.get(NIL) in ("true", "1"):
        return default(service, field)
    if field.many:
        fields = service.types[field.kind]
        return [read_params(service, fields, row) for row in element if row.tag == TNS + field.kind]
    if field.kind == "xml":
        return next(iter(element), None)
    if fields := service.types.get(field.kind, ()):
        return read_params(service, fields, element)
    return parse(service, field, "".join(element.itertext()) if len(element) else element.text or "")


def _moment(text: str) -> datetime:
    match = _TIME.match(text.strip())
    try:
        if match is None:
            raise ValueError
        day, time, fraction, zone = match.groups()
        found = datetime.fromisoformat(
            f"{day}{time or ''}{(fraction or '')[:7] if time else ''}{zone or ''}" if time else day
        )
        return found.astimezone(ZONE).replace(tzinfo=None) if found.tzinfo else found
    except (ValueError, OverflowError):
        raise Unreadable(f"The string '{text}' is not a valid AllXsd value.") from None


# --- writing ----------------------------------------------------------------------------------------------------------


def escaped(text: str) -> str:
    """As character data; what XML forbids is left out."""
    return text.translate(_ESCAPES)


def quoted(text: str) -> str:
    """As an attribute's value, with its quotes."""
    return '"' + escaped(text).replace('"', "&quot;").replace("\n", "&#xA;").replace("\t", "&#x9;") + '"'


def _plain(value: Any) -> str:
    """A simple value as text."""
    if isinstance(value, str):
        return value.translate(_ESCAPES)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, date):
        return f"{value.isoformat()}T00:00:00"
    if isinstance(value, bytes):
        return binascii.b2a_base64(value, newline=False).decode()
    return escaped(str(value))


def write(out: Callable[[str], None], service: Service, field: Field, value: Any, name: str | None = None) -> None:
    """A field as an element of the namespace in force, called `name` in place of its own."""
    name = name or field.name
    if field.many:
        if value is not None:
            out(f"<{name}>")
            write_rows(out, service, field.kind, value)
            out(f"</{name}>")
    elif field.kind in service.types:
        if value is not None:
            _write_type(out, service, service.types[field.kind], value, name)
    elif value is None and field.nillable:
        out(f'<{name} xsi:nil="true" />')
    else:
        if value is None:
            value = default(service, field)
        if value is not None:
            out(f"<{name}>{_plain(value)}</{name}>")


def write_rows(out: Callable[[str], None], service: Service, kind: str, rows: list[dict[str, Any]]) -> None:
    """The rows of an array."""
    fields = service.types[kind]
    for row in rows:
        _write_type(out, service, fields, row, kind)


def _write_type(
    out: Callable[[str], None], service: Service, fields: tuple[Field, ...], row: dict[str, Any], name: str
) -> None:
    attributes = "".join(
        f" {each.name}={quoted(str(row[each.name]))}" for each in fields if each.attribute and row.get(each.name)
    )
    out(f"<{name}{attributes}>")
    for each in fields:
        if each.attribute:
            continue
        value = row.get(each.name)
        if value.__class__ is str and each.kind == "string":
            out(f"<{each.name}>{value.translate(_ESCAPES)}</{each.name}>")
        else:
            write(out, service, each, value)
    out(f"</{name}>")


def untyped(element: etree._Element | str) -> str:
    """Any XML inside an element of our namespace: without a namespace of its own it says so. A text is escaped."""
    if isinstance(element, str):
        return escaped(element)
    text = etree.tostring(element, encoding="unicode", with_tail=False)
    name = etree.QName(element)
    if name.namespace:
        return text
    cut = len(name.localname) + 1
    return f'{text[:cut]} xmlns=""{text[cut:]}'
