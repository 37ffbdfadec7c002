"""A booking as JSON, as it is kept with its attempt: payload, journal lines, reference."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import orjson
from dagboek_sdk.attempt import Booking, JournalLine


def booking_json(booking: Booking) -> bytes:
    """The booking as JSON; amounts are strings."""
    return orjson.dumps(booking, default=_plain)


def booking_from(stored: Mapping[str, Any]) -> Booking:
    """The booking that was stored with an attempt."""
    return Booking(
        payload=stored["payload"],
        lines=tuple(
            JournalLine(**{**line, "debit": Decimal(line["debit"]), "credit": Decimal(line["credit"])})
            for line in stored["lines"]
        ),
        journal=stored["journal"],
        series=stored["series"],
        reference=stored["reference"],
        day=date.fromisoformat(stored["day"]) if stored["day"] else None,
        gross=Decimal(stored["gross"]) if stored["gross"] is not None else None,
        currency=stored["currency"],
    )


def _plain(value: object) -> str:
    return str(value)
