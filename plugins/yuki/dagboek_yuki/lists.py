"""Yuki's reference data as look-up lists (api.md sections 3 and 8).

Details are plain JSON: core stores them.

    ledger_accounts  code 80000, details {type, subtype, vat} as Yuki has them
    vat_codes        code `type/percentage/country`, such as 1/21/NL or 40/25/DK, kind sales | purchase | None where
                     Yuki does not tell, rate, details {type, description, country, start, end}
    payment_methods  code 0, name

Yuki has no code for a VAT rate: type, percentage and country make one together, and several rows may be of one, with
periods of their own; they are one row, from the first day to the last.
"""

from dataclasses import replace
from decimal import Decimal
from typing import Any, Final

from dagboek_sdk.accounting import Lists, Row
from lxml.etree import _Element as Element

from dagboek_yuki.client import Services
from dagboek_yuki.reading import day, flag, number, rows, text, whole

SALES_TYPES: Final = frozenset((0, 1, 2, 4, 6, 7, 8, 17, 19, 20, 21, 40))
"""VAT types of sales lines (api.md section 8.1); what the others stand for, purchases among them, is not documented."""


async def read(services: Services) -> Lists:
    """All lists of the administration, in three calls."""
    return {
        "ledger_accounts": account_rows(await services.call("AccountingInfo", "GetGLAccountScheme")),
        "vat_codes": vat_code_rows(await services.call("Vat", "ActiveVATCodesList")),
        "payment_methods": payment_method_rows(await services.call("AccountingInfo", "GetCustomPaymentMethods")),
    }


def account_rows(result: Element) -> tuple[Row, ...]:
    """The chart of accounts, in the order of its codes."""
    found = []
    for one in rows(result, "GlAccount"):
        code = text(one, "code")
        if not code:
            continue
        # `descripton` is Yuki's own spelling.
        names = ("descripton", "description", "descriptionNL", "descriptionFR", "descriptionEN")
        name = next((told for each in names if (told := text(one, each))), code)
        details = {"type": whole(one, "type"), "subtype": whole(one, "subtype"), "vat": flag(one, "isVATApplicable")}
        found.append(Row(code, name, active=flag(one, "isEnabled", absent=True), details=details))
    return tuple(sorted(found, key=lambda row: row.code))


def vat_code_rows(result: Element) -> tuple[Row, ...]:
    """VAT rates by type, percentage and country."""
    found: dict[str, Row] = {}
    for one in rows(result, "VATCode"):
        kind, rate = whole(one, "type"), number(one, "percentage")
        if kind is None or rate is None:
            continue
        country = text(one, "country").upper()
        code = f"{kind}/{_plain(rate)}/{country}"
        start, end = day(one, "startDate"), day(one, "endDate")
        described = text(one, "description") or text(one, "typeDescription") or code
        details: dict[str, Any] = {
            "type": kind,
            "description": text(one, "typeDescription"),
            "country": country,
            "start": start.isoformat() if start else None,
            "end": end.isoformat() if end else None,
        }
        row = Row(code, described, kind=_side(kind, described), rate=rate.normalize() + 0, details=details)
        found[code] = _joined(found[code], row) if code in found else row
    return tuple(sorted(found.values(), key=lambda row: (row.details["type"], row.code)))


def payment_method_rows(result: Element) -> tuple[Row, ...]:
    """Ways to pay, beside those that every administration has."""
    named = ((text(one, "ID"), text(one, "Description")) for one in rows(result, "PaymentMethod"))
    return tuple(Row(code, name or code) for code, name in named if code)


def _side(kind: int, described: str) -> str | None:
    """By the words first, in the languages that Yuki has, as the types of purchases are not documented."""
    words = described.casefold()
    if any(one in words for one in ("purchase", "inkoop", "aankoop", "achat", "deductible", "voorbelasting")):
        return "purchase"
    return "sales" if kind in SALES_TYPES else None


def _joined(before: Row, more: Row) -> Row:
    """One row for both periods: no day is the earliest start, and the latest end."""
    starts, ends = [before.details["start"], more.details["start"]], [before.details["end"], more.details["end"]]
    details = {
        **before.details,
        "start": None if None in starts else min(starts),
        "end": None if None in ends else max(ends),
    }
    return replace(before, details=details)


def _plain(rate: Decimal) -> str:
    return format(rate.normalize() + 0, "f")
