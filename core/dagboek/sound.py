"""What a plugin says was booked, as it can be stored and told."""

from typing import Any, Final

import orjson
from dagboek_schemas.issues import Issue
from dagboek_sdk.attempt import Accepted, Booked

DETAILS: Final = 65_536
"""Bytes that a plugin may keep beside an entry; what is longer is left out."""


def sound(result: Booked | Accepted) -> Booked | Accepted | None:
    """What a plugin says was booked, as it can be stored and told; None where it names nothing.

    It stands in the tool: that must not get lost for a word beside it that a database does not take.
    """
    name = result.token if isinstance(result, Accepted) else result.entry_id
    if not (isinstance(name, str) and name):
        return None
    remarks = tuple(one for one in result.remarks if isinstance(one, Issue))
    if isinstance(result, Accepted):
        kept: Booked | Accepted = Accepted(_text(name, 4000) or "", remarks)
    else:
        number, url = _text(result.number, 100), _text(result.url, 2000)
        kept = Booked(_text(name, 400) or "", number, url, _details(result.details), remarks)
    return result if kept == result else kept


def _text(given: object, most: int) -> str | None:
    if not isinstance(given, str | int):
        return None
    return str(given).encode("utf-8", "replace").decode().replace("\x00", " ")[:most]


def _details(given: object) -> dict[str, Any]:
    try:
        size = len(orjson.dumps(given, default=str))
    except (TypeError, ValueError):
        return {}
    return given if isinstance(given, dict) and size <= DETAILS else {}
