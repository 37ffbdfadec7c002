"""The documents of a trial: UBL invoices and credit notes of companies that do not exist."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from dagboek.chaos.schedule import CREDIT_NOTE
from dagboek.chaos.ubl import Ubl, UblLine

SELLER = "BE0999100196"
DAY = "2026-03-02"
CUSTOMERS = 5
"""Customers of a connection; their cards are written by the same runs as the documents."""


@dataclass(frozen=True, slots=True)
class Paper:
    """One document as it is asked for, in its newest wording."""

    connection: int
    place: int
    wording: int = 1
    """Rises when the document is changed."""

    @property
    def credit(self) -> bool:
        """Whether it is a credit note."""
        return self.place % CREDIT_NOTE == CREDIT_NOTE - 1

    @property
    def number(self) -> str:
        """Its number; in the order of booking within its kind."""
        return f"{'C' if self.credit else 'F'}{self.connection:04}-{self.place:06}"

    @property
    def net(self) -> Decimal:
        """An amount that tells documents and wordings apart."""
        return Decimal(100 + self.place % 9000) + Decimal(self.wording) / 100

    @property
    def vat(self) -> Decimal:
        """VAT of 21 per cent."""
        return (self.net * 21 / 100).quantize(Decimal("0.01"))

    @property
    def total(self) -> Decimal:
        """What the books must show."""
        return self.net + self.vat

    def write(self, folder: Path) -> None:
        """Writes the file, whole or not at all: a source may be reading."""
        draft = folder / f".{self.number}.draft"
        draft.write_text(self._xml(), encoding="utf-8")
        draft.replace(folder / f"{self.number}.xml")

    def _xml(self) -> str:
        customer = self.place % CUSTOMERS
        document = Ubl(
            self.number,
            DAY,
            lines=(UblLine(str(self.net)),),
            supplier=SELLER,
            supplier_name="Chaos BV",
            customer=customer_vat(customer),
            customer_name=f"Klant {customer} NV",
            credit=self.credit,
        )
        return document.xml()


def customer_vat(customer: int) -> str:
    """A VAT number with the right check digits that nobody has."""
    base = 9_992_000 + customer
    return f"BE0{base:07}{97 - base % 97:02}"
