"""The lists of an administration as the mapping asks for them. An empty one stands for not known, not for nothing."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal, InvalidOperation

from dagboek_sdk.accounting import Lists, Row


@dataclass(frozen=True, slots=True)
class VatType:
    """A VAT code of Yuki: it has no code of its own, but a type, a percentage and a country, for a time."""

    code: str
    type: int
    percentage: Decimal
    country: str
    description: str = ""
    start: date | None = None
    end: date | None = None

    def holds(self, on: date) -> bool:
        """Whether it can be used on a day."""
        return (self.start is None or self.start <= on) and (self.end is None or on <= self.end)


@dataclass(frozen=True, slots=True)
class Tables:
    """Ledger accounts and VAT types, by their codes."""

    accounts: Mapping[str, Row] = field(default_factory=dict)
    vat_types: Mapping[str, VatType] = field(default_factory=dict)

    def vat_type(self, code: str) -> VatType | None:
        """The type that a code of ours stands for; None for one that Yuki does not have."""
        return self.vat_types.get(code) if self.vat_types else parsed(code)


def tables(lists: Lists) -> Tables:
    """`lists` as stored: their details as JSON gives them back."""
    found: dict[str, VatType] = {}
    for row in lists.get("vat_codes", ()):
        if plain := parsed(row.code):
            details = row.details
            found[row.code] = VatType(
                plain.code,
                plain.type,
                plain.percentage,
                plain.country,
                row.name,
                _day(details.get("start")),
                _day(details.get("end")),
            )
    return Tables({row.code: row for row in lists.get("ledger_accounts", ())}, found)


def parsed(code: str) -> VatType | None:
    """The parts of `1/21/BE`. None for anything else."""
    kind, _, rest = code.partition("/")
    percentage, _, country = rest.partition("/")
    try:
        return VatType(code, int(kind), Decimal(percentage), country.upper())
    except (ValueError, InvalidOperation):
        return None


def _day(written: object) -> date | None:
    return date.fromisoformat(str(written)[:10]) if written else None
