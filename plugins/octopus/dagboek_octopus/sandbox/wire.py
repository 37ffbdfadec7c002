"""What stands on the wire: how bodies are read and answers written.

Reading follows the reference, section 7: a field that is missing is judged as value 0 (or empty), not as
missing; a body that cannot be read, such as a wrong date format, is a 500 without JSON; unknown keys are let
through. Types are held strictly (a number in quotes is not a number), which the real service may not do.

Writing follows section 3: keys in alphabetical order, null fields left out, decimals always with a fraction.
Amounts are `Decimal` everywhere inside; they become JSON numbers here and nowhere else.
"""

import json
from collections.abc import Mapping
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

Json = dict[str, Any]

CENT = Decimal("0.01")
ZERO = Decimal("0.00")
INT32 = 2**31


class Refused(Exception):
    """The call is answered with an ErrorResult: `status`, a code (or None) and `technicalInfo`."""

    def __init__(self, status: int, code: int | None, info: str) -> None:
        super().__init__(info)
        self.status = status
        self.code = code
        self.info = info


class Unreadable(Exception):
    """The body cannot be read: a 500 without JSON."""


class Result(NamedTuple):
    """What an operation answers: a status and a value for the body (None: no body)."""

    status: int
    value: Any = None


def invalid_parameters() -> Refused:
    """400 as it was seen for a missing parameter or header: no code, and no name of the parameter."""
    return Refused(400, None, "The request has missing or invalid parameters")


# --- reading ---------------------------------------------------------------------------------------------


def _no_constant(name: str) -> Any:
    raise Unreadable(f"{name} is not a number")


_decode = json.JSONDecoder(parse_float=Decimal, parse_constant=_no_constant).decode


def parse(raw: bytes) -> Any:
    """A JSON body with exact numbers; raises Unreadable."""
    try:
        return _decode(raw.decode())
    except (ValueError, RecursionError) as error:
        raise Unreadable("the body is not JSON") from error


def parse_object(raw: bytes) -> Json:
    """A JSON body that must be an object; raises Unreadable."""
    return mapping(parse(raw))


def mapping(value: Any) -> Json:
    """The value as an object; null counts as an empty one."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise Unreadable("an object was expected")
    return value


def rows(value: Any) -> list[Json]:
    """The value as a list of objects; null counts as an empty one."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unreadable("a list was expected")
    return [mapping(row) for row in value]


def integer(body: Mapping[str, Any], name: str) -> int:
    """An int32; 0 when missing."""
    value = body.get(name)
    if value is None:
        return 0
    if type(value) is not int or not -INT32 <= value < INT32:
        raise Unreadable(f"{name} is not a 32-bit number")
    return value


def text(body: Mapping[str, Any], name: str) -> str:
    """A string; empty when missing."""
    value = body.get(name)
    if value is None:
        return ""
    if type(value) is not str:
        raise Unreadable(f"{name} is not text")
    return value


def boolean(body: Mapping[str, Any], name: str, default: bool = False) -> bool:
    """A truth value; `default` when missing."""
    value = body.get(name)
    if value is None:
        return default
    if type(value) is not bool:
        raise Unreadable(f"{name} is not true or false")
    return value


def number(body: Mapping[str, Any], name: str) -> Decimal:
    """A number as it was written; 0 when missing."""
    value = body.get(name)
    if value is None:
        return Decimal(0)
    if type(value) is Decimal:
        return value
    if type(value) is int:
        return Decimal(value)
    raise Unreadable(f"{name} is not a number")


def amount(body: Mapping[str, Any], name: str) -> Decimal:
    """A number of money, rounded half up to the cent; 0 when missing."""
    return cents(number(body, name))


def cents(value: Decimal) -> Decimal:
    """Rounded half up to the cent."""
    try:
        return value.quantize(CENT, ROUND_HALF_UP)
    except InvalidOperation as error:
        raise Unreadable("the amount is too large") from error


def day(body: Mapping[str, Any], name: str) -> date | None:
    """A date written as yyyy-MM-dd; None when missing."""
    value = body.get(name)
    if value is None:
        return None
    # fromisoformat takes more forms than the API does, hence the look at the shape.
    if type(value) is not str or len(value) != 10 or value[4] != "-" or value[7] != "-":
        raise Unreadable(f"{name} is not a date")
    try:
        return date.fromisoformat(value)
    except ValueError as error:
        raise Unreadable(f"{name} is not a date") from error


def key(body: Mapping[str, Any], name: str) -> int:
    """The id of a key object such as `bookyearKey`; 0 when missing."""
    value = body.get(name)
    return integer(mapping(value), "id") if value is not None else 0


def query_integer(query: Mapping[str, str], name: str) -> int:
    """A required int32 of the query string; else 400."""
    value = optional_query_integer(query, name)
    if value is None:
        raise invalid_parameters()
    return value


def optional_query_integer(query: Mapping[str, str], name: str) -> int | None:
    """An int32 of the query string, None when it is not there; 400 when it is no number."""
    value = query.get(name)
    if value is None:
        return None
    try:
        parsed = int(value)
    except ValueError:
        raise invalid_parameters() from None
    if not -INT32 <= parsed < INT32:
        raise invalid_parameters()
    return parsed


def query_text(query: Mapping[str, str], name: str) -> str:
    """A required text of the query string; else 400."""
    value = query.get(name)
    if not value:
        raise invalid_parameters()
    return value


def query_moment(query: Mapping[str, str], name: str, zone: ZoneInfo) -> float:
    """A required `yyyy-MM-dd HH:mm:ss.SSS` in the service's zone, as seconds since 1970; else 400."""
    value = query_text(query, name)
    try:
        moment = datetime.strptime(value, "%Y-%m-%d %H:%M:%S.%f")  # noqa: DTZ007 - the zone is added below
    except ValueError:
        raise invalid_parameters() from None
    return moment.replace(tzinfo=zone).timestamp()


# --- writing ---------------------------------------------------------------------------------------------

_encode = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode


def dump(value: Any) -> bytes:
    """The value as the API writes it."""
    return _encode(_wire_value(value)).encode()


def _wire_value(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _wire_value(item) for name, item in value.items() if item is not None}
    if isinstance(value, list | tuple):
        return [_wire_value(item) for item in value]
    if isinstance(value, Decimal):
        return float(value) or 0.0  # a negative zero would be written as -0.0
    if isinstance(value, date):
        return value.isoformat()
    return value
