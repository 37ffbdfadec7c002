"""Invoices written by others (../shared/data/ubl beside the checkout), and what `facts.json` says is to be booked.

The facts were made apart from the product: nothing here reads a UBL file.
"""

import json
from collections import defaultdict
from decimal import ROUND_HALF_UP, Decimal
from functools import cache
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "shared" / "data" / "ubl"
_FACTS = FOLDER / "facts.json"
needed = pytest.mark.skipif(not _FACTS.is_file(), reason="no folder shared/data/ubl beside the checkout")


@cache
def facts() -> dict[str, dict[str, Any]]:
    """What is known of each file, by its name."""
    return {fact["file"]: fact for fact in json.loads(_FACTS.read_text("utf-8"))}


def sound() -> list[str]:
    """Files that are to be booked; of all others a total is wrong or something is missing."""
    return [name for name, fact in facts().items() if fact["verdict"] == "ok"]


def due(file: str) -> dict[str, Any]:
    """What the books are to have, to the cent: credit notes are negative; what was prepaid is owed all the same.

    `vat` is base and VAT by rate, without rates of which both are 0.00.
    """
    fact = facts()[file]
    sign = -1 if fact["document_type"] == "CreditNote" or fact["type_code"] == "381" else 1
    effect, totals = fact["effect"], fact["totals"]
    rates: dict[Decimal, list[Decimal]] = defaultdict(lambda: [Decimal(0), Decimal(0)])
    for row in fact["vat_breakdown"]:
        rate = rates[Decimal(row["percent"] or 0)]
        rate[0] += sign * _cents(row["taxable"])
        rate[1] += sign * _cents(row["tax"])
    if not fact["vat_breakdown"]:
        rates[Decimal(0)][0] = _cents(effect["net"])
    return {
        "number": fact["number"],
        "currency": fact["currency"],
        "net": _cents(effect["net"]),
        "vat": {rate: (base, vat) for rate, (base, vat) in rates.items() if base or vat},
        "vat_total": _cents(effect["vat"]),
        "rounding": sign * _cents(totals["rounding"]),
        "total": _cents(effect["payable"]) + sign * _cents(totals["prepaid"]),
    }


def _cents(amount: str | None) -> Decimal:
    return Decimal(amount or 0).quantize(Decimal("0.01"), ROUND_HALF_UP)
