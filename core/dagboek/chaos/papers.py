"""The documents of a trial: UBL invoices and credit notes of companies that do not exist."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from dagboek.chaos.schedule import CREDIT_NOTE

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
        root, line, quantity = (
            ("CreditNote", "CreditNoteLine", "CreditedQuantity")
            if self.credit
            else ("Invoice", "InvoiceLine", "InvoicedQuantity")
        )
        kind = (
            "<cbc:CreditNoteTypeCode>381</cbc:CreditNoteTypeCode>"
            if self.credit
            else "<cbc:InvoiceTypeCode>380</cbc:InvoiceTypeCode>"
        )
        due = "" if self.credit else f"<cbc:DueDate>{DAY}</cbc:DueDate>"
        customer = self.place % CUSTOMERS
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<{root} xmlns="urn:oasis:names:specification:ubl:schema:xsd:{root}-2"'
            ' xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"'
            ' xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">'
            f"<cbc:ID>{self.number}</cbc:ID><cbc:IssueDate>{DAY}</cbc:IssueDate>{due}{kind}"
            "<cbc:DocumentCurrencyCode>EUR</cbc:DocumentCurrencyCode>"
            f"{_party('AccountingSupplierParty', 'Chaos BV', SELLER)}"
            f"{_party('AccountingCustomerParty', f'Klant {customer} NV', customer_vat(customer))}"
            f"<cac:TaxTotal>{_amount('TaxAmount', self.vat)}<cac:TaxSubtotal>{_amount('TaxableAmount', self.net)}"
            f"{_amount('TaxAmount', self.vat)}{_tax('TaxCategory')}</cac:TaxSubtotal></cac:TaxTotal>"
            f"<cac:LegalMonetaryTotal>{_amount('LineExtensionAmount', self.net)}"
            f"{_amount('TaxExclusiveAmount', self.net)}{_amount('TaxInclusiveAmount', self.total)}"
            f"{_amount('PayableAmount', self.total)}</cac:LegalMonetaryTotal>"
            f'<cac:{line}><cbc:ID>1</cbc:ID><cbc:{quantity} unitCode="C62">1</cbc:{quantity}>'
            f"{_amount('LineExtensionAmount', self.net)}"
            f"<cac:Item><cbc:Name>Work</cbc:Name>{_tax('ClassifiedTaxCategory')}</cac:Item>"
            f"<cac:Price>{_amount('PriceAmount', self.net)}</cac:Price></cac:{line}></{root}>"
        )


def customer_vat(customer: int) -> str:
    """A VAT number with the right check digits that nobody has."""
    base = 9_992_000 + customer
    return f"BE0{base:07}{97 - base % 97:02}"


def _amount(name: str, value: Decimal) -> str:
    return f'<cbc:{name} currencyID="EUR">{value}</cbc:{name}>'


def _tax(name: str) -> str:
    return (
        f"<cac:{name}><cbc:ID>S</cbc:ID><cbc:Percent>21</cbc:Percent>"
        f"<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:{name}>"
    )


def _party(role: str, name: str, vat: str) -> str:
    return (
        f"<cac:{role}><cac:Party><cac:PartyName><cbc:Name>{name}</cbc:Name></cac:PartyName>"
        "<cac:PostalAddress><cbc:StreetName>Kade 1</cbc:StreetName><cbc:CityName>Oostende</cbc:CityName>"
        "<cbc:PostalZone>8400</cbc:PostalZone>"
        "<cac:Country><cbc:IdentificationCode>BE</cbc:IdentificationCode></cac:Country></cac:PostalAddress>"
        f"<cac:PartyTaxScheme><cbc:CompanyID>{vat}</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>"
        f"</cac:PartyTaxScheme><cac:PartyLegalEntity><cbc:RegistrationName>{name}</cbc:RegistrationName>"
        f"</cac:PartyLegalEntity></cac:Party></cac:{role}>"
    )
