"""What a line of an entry comes to: VAT by its code, and the amounts in the currency of the company.

VAT is worked out for each line from its code and rounded to the cent, unless the line says otherwise (`VATAmountFC`).
Type E: the amount is without VAT; I: with it, so that the base is lower; B: base alone; N: no VAT, and none may be
given. `Charged`: the buyer owes it, so it is booked on both sides and is no part of the total.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from .division import Division
from .edm import ZERO, Row, cents
from .refusal import Problems, sentence


@dataclass(frozen=True, slots=True)
class Vat:
    """What the VAT of a line is; `charged` stands apart from the total."""

    code: Row | None
    percentage: Decimal
    base: Decimal
    amount: Decimal

    @property
    def charged(self) -> bool:
        """Whether the buyer owes it."""
        return bool(self.code and self.code["Charged"])


def percentage_at(division: Division, code: Row, day: date) -> Decimal:
    """The percentage of a code on a day, as a fraction; 0 when it has none then."""
    for row in division.rows("vat_percentages"):
        if row["VATCodeID"] == code["ID"] and row["StartDate"].date() <= day:
            end = row["EndDate"]
            if end is None or day <= end.date():
                return Decimal(row["Percentage"])
    return Decimal(0)


def vat_of(
    division: Division, line: Row, code: Row | None, day: date, problems: Problems, tolerance: str | None
) -> Vat:
    """The VAT of a line whose code was found already; notes what does not fit."""
    amount = cents(line["AmountFC"])
    given = cents(line["VATAmountFC"]) if line.get("VATAmountFC") is not None else None
    if code is None:
        return Vat(None, Decimal(0), amount, given or ZERO)
    rate = percentage_at(division, code, day)
    wished = line.get("VATPercentage")
    if wished is not None and wished > 0 and wished != rate:
        problems.add("invalid", "vat_percentage", "[]")
    if code["Type"] in ("N", "B"):
        if given and code["Type"] == "N":
            problems.say(sentence("vat_on_none"))
        elif given:
            problems.add("not_allowed", "vat_code")
        return Vat(code, Decimal(0), amount, ZERO)
    if code["Type"] == "I":
        base = cents(amount / (1 + rate))
        return Vat(code, rate, base, amount - base)
    computed = cents(amount * rate)
    if given is not None and tolerance is not None and abs(given - computed) > Decimal(tolerance):
        problems.add("invalid", "vat_percentage", "[]")
    return Vat(code, rate, amount, computed if given is None else given)


def in_own(amount: Decimal, rate: Decimal) -> Decimal:
    """An amount in the currency of the company."""
    return cents(amount * rate)
