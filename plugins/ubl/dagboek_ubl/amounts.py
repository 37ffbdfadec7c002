"""Amounts as UBL writes them (xs:decimal), rounded to the cent as EN 16931 wants them (BR-DEC)."""

import re
from collections.abc import Sequence
from decimal import ROUND_HALF_UP, Decimal

CENT = Decimal("0.01")
ZERO = Decimal(0)
_DECIMAL = re.compile(r"[+-]?(?:\d{1,13}(?:\.\d*)?|\.\d+)", re.ASCII)
"""With 13 digits before the point: rounded up and added up they still fit the contract, which has 14."""
_TENTH_DECIMAL = Decimal("1E-10")


def decimal(text: str) -> Decimal | None:
    """The number that `text` is, with at most ten decimals; None when it is no xs:decimal below 10^13."""
    if not _DECIMAL.fullmatch(text):
        return None
    value = Decimal(text)
    return ten_decimals(value) if len(text) > 11 else value


def ten_decimals(value: Decimal) -> Decimal:
    """`value` with at most ten decimals, which is what the contract holds."""
    exponent = value.as_tuple().exponent
    return value.quantize(_TENTH_DECIMAL, ROUND_HALF_UP) if isinstance(exponent, int) and exponent < -10 else value


def cents(value: Decimal) -> Decimal:
    """`value` to the cent, halves away from zero."""
    return value.quantize(CENT, ROUND_HALF_UP)


def has_fractions(value: Decimal) -> bool:
    """Whether `value` is no whole number of cents."""
    return cents(value) != value


def spread(values: Sequence[Decimal]) -> list[Decimal]:
    """Each value to the cent, such that their sum is the rounded sum: what rounding leaves over is carried on."""
    result, before, total = [], ZERO, ZERO
    for value in values:
        total += value
        after = cents(total)
        result.append(after - before)
        before = after
    return result
