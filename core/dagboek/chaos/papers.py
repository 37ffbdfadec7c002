"""The documents of a trial: UBL invoices and credit notes of companies that do not exist."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from dagboek.chaos.schedule import CREDIT_NOTE, PURCHASE
from dagboek.chaos.ubl import Ubl, UblLine

COMPANY = "BE0999100196"
NAME = "Chaos BV"
DAY = "2026-03-02"
PARTIES = 5
"""Customers of a connection, who are its suppliers too; their cards are written by the same runs as the documents."""


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
    def purchase(self) -> bool:
        """Whether it comes from a supplier."""
        return self.place % PURCHASE == PURCHASE - 1

    @property
    def party(self) -> int:
        """Which of the parties is on the other side."""
        return self.place % PARTIES

    @property
    def number(self) -> str:
        """Its number; in the order of booking within its kind."""
        kind = ("PD" if self.purchase else "FC")[self.credit]
        return f"{kind}{self.connection:04}-{self.place:06}"

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

    @property
    def earlier(self) -> frozenset[Decimal]:
        """What the books may show where the tool does not change an entry, and a person is told."""
        return frozenset(Paper(self.connection, self.place, wording).total for wording in range(1, self.wording))

    def write(self, folder: Path) -> None:
        """Writes the file, whole or not at all: a source may be reading."""
        draft = folder / f".{self.number}.draft"
        draft.write_text(self._xml(), encoding="utf-8")
        draft.replace(folder / f"{self.number}.xml")

    def _xml(self) -> str:
        ours, theirs = (COMPANY, NAME), (party_vat(self.party), f"Klant {self.party} NV")
        seller, buyer = (theirs, ours) if self.purchase else (ours, theirs)
        document = Ubl(
            self.number,
            DAY,
            lines=(UblLine(str(self.net)),),
            supplier=seller[0],
            supplier_name=seller[1],
            customer=buyer[0],
            customer_name=buyer[1],
            credit=self.credit,
        )
        return document.xml()


def party_vat(party: int) -> str:
    """A VAT number with the right check digits that nobody has."""
    base = 9_992_000 + party
    return f"BE0{base:07}{97 - base % 97:02}"
