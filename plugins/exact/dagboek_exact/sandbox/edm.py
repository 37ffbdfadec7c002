"""Values of the Entity Data Model: how they are read from bodies, and how they stand in JSON and Atom.

Inside, a guid is UUID, a double Decimal, an int64 int, a time a datetime without zone (of the server, Amsterdam).
"""

import base64
import binascii
import json
import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from .refusal import malformed

Json = dict[str, Any]
Row = dict[str, Any]

ZONE = ZoneInfo("Europe/Amsterdam")
CENT = Decimal("0.01")
ZERO = Decimal("0.00")
EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - times of the server have no zone on the wire

EDM_NAMES = {
    "guid": "Guid",
    "text": "String",
    "double": "Double",
    "int16": "Int16",
    "int32": "Int32",
    "int64": "Int64",
    "byte": "Byte",
    "bool": "Boolean",
    "time": "DateTime",
    "binary": "Binary",
}
_CLR_NAMES = EDM_NAMES | {"bool": "Boolean", "binary": "Byte[]"}
_RANGES = {"int16": 2**15, "int32": 2**31, "int64": 2**63, "byte": 2**8}
_VERBOSE_DATE = re.compile(r"^/Date\((-?\d+)\)/$")
_ISO = re.compile(r"^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d{1,7})?)?)?(Z|[+-]\d\d:\d\d)?$")


def server_time(at: float) -> datetime:
    """Seconds since 1970 as the server's own time."""
    return datetime.fromtimestamp(at, ZONE).replace(tzinfo=None, microsecond=0)


def cents(value: Decimal) -> Decimal:
    """Rounded half up to the cent."""
    return value.quantize(CENT, ROUND_HALF_UP)


def as_time(day: date) -> datetime:
    """A date as it stands in a time field: midnight."""
    return datetime(day.year, day.month, day.day)  # noqa: DTZ001


# --- reading ---------------------------------------------------------------------------------------------------------


def parse_json(raw: bytes) -> Any:
    """A body with exact numbers; raises Refused (400)."""
    try:
        return json.loads(raw.decode("utf-8-sig"), parse_float=Decimal, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        raise malformed("The request content is not valid JSON.") from None


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def parse(name: str, kind: str, value: Any) -> Any:
    """A value of a body; raises Refused (400) as the service does for one of another type."""
    if value is None:
        return None
    try:
        return _PARSERS[kind](kind, value)
    except (ValueError, TypeError, InvalidOperation, OverflowError):
        raise malformed(
            "Error encountered in converting the value from request payload for property "
            f"'{name}' to type '{_CLR_NAMES[kind]}'."
        ) from None


def _text(kind: str, value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _double(kind: str, value: Any) -> Decimal:
    # Clients post amounts as text too, and that is accepted.
    if isinstance(value, bool) or not isinstance(value, int | Decimal | str):
        raise TypeError
    number = Decimal(value.strip() if isinstance(value, str) else value)
    if not number.is_finite() or abs(number) >= 10**15:
        raise ValueError
    return number


def _integer(kind: str, value: Any) -> int:
    if isinstance(value, str) and kind == "int64":
        value = int(value)
    if type(value) is not int or not -_RANGES[kind] <= value < _RANGES[kind]:
        raise ValueError
    return value


def _boolean(kind: str, value: Any) -> bool:
    if type(value) is not bool:
        raise TypeError
    return value


def _guid(kind: str, value: Any) -> UUID:
    if not isinstance(value, str) or len(value.strip("{}")) != 36:
        raise ValueError
    return UUID(value)


def _time(kind: str, value: Any) -> datetime:
    return read_time(value)


def read_time(value: Any) -> datetime:
    """ISO 8601 with or without time and zone, or `/Date(ms)/`; raises ValueError or TypeError."""
    if not isinstance(value, str):
        raise TypeError
    if found := _VERBOSE_DATE.match(value):
        return datetime.fromtimestamp(int(found[1]) / 1000, UTC).replace(tzinfo=None)
    if not _ISO.match(value):
        raise ValueError
    moment = datetime.fromisoformat(value)
    return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment


def _binary(kind: str, value: Any) -> bytes:
    if not isinstance(value, str):
        raise TypeError
    try:
        return base64.b64decode(value, validate=True)
    except binascii.Error:
        raise ValueError from None


_PARSERS: dict[str, Callable[[str, Any], Any]] = {
    "text": _text,
    "double": _double,
    "int16": _integer,
    "int32": _integer,
    "int64": _integer,
    "byte": _integer,
    "bool": _boolean,
    "guid": _guid,
    "time": _time,
    "binary": _binary,
}


# --- writing ---------------------------------------------------------------------------------------------------------


def to_json(kind: str, value: Any, *, iso: bool = False) -> Any:
    """A value as it stands in JSON; `iso`: times as ISO text, as some resources have them."""
    if value is None:
        return None
    match kind:
        case "guid":
            return str(value)
        case "double":
            return float(value) or 0.0  # a negative zero would be written as -0.0
        case "int64":
            return str(value)
        case "time":
            return value.isoformat() if iso else f"/Date({milliseconds(value)})/"
        case "binary":
            return base64.b64encode(value).decode()
    return value


def to_text(kind: str, value: Any) -> str:
    """A value as it stands in Atom."""
    if kind == "time":
        return str(value.isoformat())
    if kind == "bool":
        return "true" if value else "false"
    return str(to_json(kind, value))


def milliseconds(value: datetime) -> int:
    """Of a time as the wire counts them, as if it were UTC."""
    return round((value - EPOCH).total_seconds() * 1000)


def key_literal(kind: str, value: Any) -> str:
    """A value as it stands in the address of an entity and in a `$skiptoken`."""
    if kind == "guid":
        return f"guid'{value}'"
    if kind == "text":
        return "'" + str(value).replace("'", "''") + "'"
    return f"{value}L" if kind == "int64" else str(value)
