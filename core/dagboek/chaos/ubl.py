"""UBL documents of companies that do not exist, for trials and tests: small, complete, and easy to bend."""

from base64 import b64encode
from dataclasses import dataclass, field
from decimal import Decimal

NORDZEE = "BE0403019261"
KLANT = "BE0404616494"


@dataclass(frozen=True)
class UblLine:
    """A line of a document."""

    net: str
    rate: str = "21"
    category: str = "S"
    account: str | None = None


@dataclass(frozen=True)
class Ubl:
    """A document; its totals follow from the lines."""

    number: str
    date: str = "2026-03-02"
    lines: tuple[UblLine, ...] = (UblLine("100.00"),)
    supplier: str = NORDZEE
    supplier_name: str = "Noordzee Koffie BV"
    customer: str = KLANT
    customer_name: str = "Bakkerij De Klaver BV"
    credit: bool = False
    note: str = ""
    currency: str = "EUR"
    rate: str | None = None
    """Euros for one unit of the currency, when the document says so."""
    wrong_total: Decimal = field(default=Decimal(0))
    file: tuple[str, bytes] | None = None
    """An embedded PDF: its name and its bytes."""

    def xml(self) -> str:
        """The document as UBL 2.1."""
        root, line, quantity = (
            ("CreditNote", "CreditNoteLine", "CreditedQuantity")
            if self.credit
            else ("Invoice", "InvoiceLine", "InvoicedQuantity")
        )
        subtotals: dict[tuple[str, str], Decimal] = {}
        for one in self.lines:
            key = (one.category, one.rate)
            subtotals[key] = subtotals.get(key, Decimal(0)) + Decimal(one.net)
        taxes = {key: (base * Decimal(key[1]) / 100).quantize(Decimal("0.01")) for key, base in subtotals.items()}
        net, vat = sum(subtotals.values(), Decimal(0)), sum(taxes.values(), Decimal(0))
        gross = net + vat + self.wrong_total
        due = "" if self.credit else f"<cbc:DueDate>{self.date}</cbc:DueDate>"
        code = (
            "CreditNoteTypeCode>381</cbc:CreditNoteTypeCode"
            if self.credit
            else "InvoiceTypeCode>380</cbc:InvoiceTypeCode"
        )
        return (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            f'<{root} xmlns="urn:oasis:names:specification:ubl:schema:xsd:{root}-2"'
            ' xmlns:cac="urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"'
            ' xmlns:cbc="urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2">'
            f"<cbc:ID>{self.number}</cbc:ID><cbc:IssueDate>{self.date}</cbc:IssueDate>{due}<cbc:{code}>"
            f"{f'<cbc:Note>{self.note}</cbc:Note>' if self.note else ''}"
            f"<cbc:DocumentCurrencyCode>{self.currency}</cbc:DocumentCurrencyCode>"
            + self._attachment()
            + _party("AccountingSupplierParty", self.supplier_name, self.supplier)
            + _party("AccountingCustomerParty", self.customer_name, self.customer)
            + self._exchange_rate()
            + f'<cac:TaxTotal><cbc:TaxAmount currencyID="{self.currency}">{vat}</cbc:TaxAmount>'
            + "".join(
                f'<cac:TaxSubtotal><cbc:TaxableAmount currencyID="{self.currency}">{base}</cbc:TaxableAmount>'
                f'<cbc:TaxAmount currencyID="{self.currency}">{taxes[category, rate]}</cbc:TaxAmount>'
                f"{_tax('TaxCategory', category, rate)}</cac:TaxSubtotal>"
                for (category, rate), base in subtotals.items()
            )
            + "</cac:TaxTotal><cac:LegalMonetaryTotal>"
            + "".join(
                f'<cbc:{name} currencyID="{self.currency}">{amount}</cbc:{name}>'
                for name, amount in (
                    ("LineExtensionAmount", net),
                    ("TaxExclusiveAmount", net),
                    ("TaxInclusiveAmount", gross),
                    ("PayableAmount", gross),
                )
            )
            + "</cac:LegalMonetaryTotal>"
            + "".join(
                f'<cac:{line}><cbc:ID>{at}</cbc:ID><cbc:{quantity} unitCode="C62">1</cbc:{quantity}>'
                f'<cbc:LineExtensionAmount currencyID="{self.currency}">{one.net}</cbc:LineExtensionAmount>'
                f"{f'<cbc:AccountingCost>{one.account}</cbc:AccountingCost>' if one.account else ''}"
                f"<cac:Item><cbc:Name>Coffee {at}</cbc:Name>"
                f"{_tax('ClassifiedTaxCategory', one.category, one.rate)}</cac:Item>"
                f'<cac:Price><cbc:PriceAmount currencyID="{self.currency}">{one.net}</cbc:PriceAmount></cac:Price>'
                f"</cac:{line}>"
                for at, one in enumerate(self.lines, 1)
            )
            + f"</{root}>"
        )

    def _attachment(self) -> str:
        if self.file is None:
            return ""
        name, content = self.file
        return (
            f"<cac:AdditionalDocumentReference><cbc:ID>{name}</cbc:ID><cac:Attachment>"
            f'<cbc:EmbeddedDocumentBinaryObject mimeCode="application/pdf" filename="{name}">'
            f"{b64encode(content).decode()}</cbc:EmbeddedDocumentBinaryObject></cac:Attachment>"
            "</cac:AdditionalDocumentReference>"
        )

    def _exchange_rate(self) -> str:
        if self.rate is None:
            return ""
        return (
            f"<cac:PaymentExchangeRate><cbc:SourceCurrencyCode>{self.currency}</cbc:SourceCurrencyCode>"
            f"<cbc:TargetCurrencyCode>EUR</cbc:TargetCurrencyCode><cbc:CalculationRate>{self.rate}</cbc:CalculationRate>"
            "</cac:PaymentExchangeRate>"
        )


def _tax(name: str, category: str, rate: str) -> str:
    return (
        f"<cac:{name}><cbc:ID>{category}</cbc:ID><cbc:Percent>{rate}</cbc:Percent>"
        f"<cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme></cac:{name}>"
    )


def _party(role: str, name: str, vat: str) -> str:
    return (
        f"<cac:{role}><cac:Party><cac:PartyName><cbc:Name>{name}</cbc:Name></cac:PartyName>"
        "<cac:PostalAddress><cbc:StreetName>Kade 1</cbc:StreetName><cbc:CityName>Oostende</cbc:CityName>"
        "<cbc:PostalZone>8400</cbc:PostalZone>"
        f"<cac:Country><cbc:IdentificationCode>{vat[:2]}</cbc:IdentificationCode></cac:Country></cac:PostalAddress>"
        f"<cac:PartyTaxScheme><cbc:CompanyID>{vat}</cbc:CompanyID><cac:TaxScheme><cbc:ID>VAT</cbc:ID></cac:TaxScheme>"
        f"</cac:PartyTaxScheme><cac:PartyLegalEntity><cbc:RegistrationName>{name}</cbc:RegistrationName>"
        f"</cac:PartyLegalEntity></cac:Party></cac:{role}>"
    )
