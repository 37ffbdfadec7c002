"""Documents for the Yuki sandbox, written by hand from the reference: sales, purchases, contacts, UBL."""

import base64
from decimal import Decimal
from typing import Any

from lxml import etree

SALES = "urn:xmlns:http://www.theyukicompany.com:salesinvoices"
SALES_ANSWER = "urn:xmlns:http://www.theyukicompany.com:salesinvoicesresponse"
PURCHASES = "urn:xmlns:http://www.theyukicompany.com:purchaseinvoices"
JOURNAL = "urn:xmlns:http://www.theyukicompany.com:journal"

CUSTOMER = {
    "ContactCode": "10010",
    "FullName": "Klant A BV",
    "CountryCode": "NL",
    "City": "Utrecht",
    "Zipcode": "3511 AB",
    "AddressLine_1": "Oudegracht 1",
    "ContactType": "Company",
}


def element(name: str, content: Any, namespace: str = SALES) -> etree._Element:
    """An element with children in the order of a mapping; lists repeat, None is left out."""
    made = etree.Element(f"{{{namespace}}}{name}", nsmap={None: namespace})
    _fill(made, content, namespace)
    return made


def _fill(made: etree._Element, content: Any, namespace: str) -> None:
    if not isinstance(content, dict):
        made.text = str(content)
        return
    for name, value in content.items():
        for one in value if isinstance(value, list) else [value]:
            if one is not None:
                _fill(etree.SubElement(made, f"{{{namespace}}}{name}"), one, namespace)


def line(
    amount: str = "100.00", vat: str | None = None, *, kind: int = 1, rate: str = "21", product: Any = None, **more: Any
) -> dict[str, Any]:
    """An invoice line for one piece."""
    sold = {
        "Description": "Advies",
        "SalesPrice": str(abs(float(amount))),
        "VATPercentage": rate,
        "VATIncluded": "false",
        "VATType": kind,
        "VATDescription": None,
        "GLAccountCode": None,
    }
    quantity = "-1" if amount.startswith("-") else "1"
    basis = {"Description": "Een uur advies", "ProductQuantity": quantity, "LineAmount": amount, "LineVATAmount": vat}
    return {**basis, "Product": {**sold, **(product or {})}, **more}


def invoice(reference: str | None = "2026001", *lines: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """An invoice, in order; a change to None leaves an element out."""
    basis = {
        "Reference": reference,
        "Subject": None,
        "PaymentMethod": None,
        "PaymentID": None,
        "Process": "true",
        "EmailToCustomer": None,
        "Date": "2026-03-02",
        "DueDate": None,
        "PriceList": None,
        "Currency": None,
        "DocumentFileName": None,
        "DocumentBase64": None,
        "Contact": CUSTOMER,
        "InvoiceLines": {"InvoiceLine": list(lines) or [line()]},
    }
    return {**basis, **changes}


def sales(*invoices: dict[str, Any], namespace: str = SALES) -> etree._Element:
    """The document that ProcessSalesInvoices takes."""
    return element("SalesInvoices", {"SalesInvoice": list(invoices)}, namespace)


def customer(**changes: Any) -> dict[str, Any]:
    """Another customer; None leaves an element out."""
    order = (
        "ContactCode FullName FirstName MiddleName LastName Gender CountryCode City Zipcode AddressLine_1 "
        "AddressLine_2 EmailAddress Website CoCNumber VATNumber ContactType BankAccount PhoneHome MobileHome"
    )
    given = {**CUSTOMER, **changes}
    return {name: given[name] for name in order.split() if given.get(name) is not None}


def purchase(reference: str | None = "INK-1", **changes: Any) -> dict[str, Any]:
    """A purchase invoice of 100.00 + 21.00, in the order of the reference."""
    basis = {
        "Process": "true",
        "Reference": reference,
        "Date": "2026-03-02",
        "DueDate": None,
        "InvoiceAmount": "121.00",
        "InvoiceVATAmount": "21.00",
        "Currency": None,
        "PaymentMethod": None,
        "Remarks": None,
        "DocumentFileName": None,
        "DocumentBase64": None,
        "Contact": {"ContactCode": "20010", "FullName": "Leverancier B NV", "CountryCode": "BE"},
        "InvoiceLines": {
            "InvoiceLine": [
                {
                    "Description": "Papier",
                    "LineAmount": "100.00",
                    "LineVATType": 5,
                    "LineVATPercentage": 21,
                    "GLAccountCode": None,
                }
            ]
        },
    }
    return {**basis, **changes}


def purchases(*invoices: dict[str, Any]) -> etree._Element:
    """The document that ProcessPurchaseInvoices takes."""
    return element("PurchaseInvoices", {"PurchaseInvoice": list(invoices)}, PURCHASES)


def journal(
    amounts: dict[str, str], *, kind: str = "GeneralJournal", days: dict[str, str] | None = None
) -> etree._Element:
    """The document that ProcessJournal takes: amounts by account, on days of their own where there are."""
    rows = [
        {"EntryDate": (days or {}).get(account, "2026-03-02"), "GLAccount": account, "Amount": amount}
        for account, amount in amounts.items()
    ]
    return element("Journal", {"DocumentSubject": "Memo", "JournalType": kind, "JournalEntry": rows}, JOURNAL)


def outcomes(answer: etree._Element) -> list[dict[str, str]]:
    """What became of each invoice; children have no namespace, as in the newer examples."""
    return [{str(child.tag): child.text or "" for child in row} for row in answer.iterfind("Invoice")]


def counts(answer: etree._Element) -> tuple[int, int, int]:
    """Succeeded, failed, skipped."""
    done, failed, skipped = (answer.findtext(f"Total{name}") or "" for name in ("Succeeded", "Failed", "Skipped"))
    return int(done), int(failed), int(skipped)


def ubl(
    number: str = "UBL-1",
    *,
    credit: bool = False,
    supplier: str = "Leverancier C BV",
    vat_number: str = "NL123456789B01",
    shares: tuple[tuple[str, str, str, str], ...] = (("S", "21", "100.00", "21.00"),),
    rounding: str = "0.00",
    total: str | None = None,
    currency: str = "EUR",
    day: str = "2026-03-05",
) -> bytes:
    """A UBL invoice or credit note; `shares` are category, rate, base and VAT."""
    net = sum((Decimal(base) for _, _, base, _ in shares), Decimal(0))
    vat = sum((Decimal(one) for _, _, _, one in shares), Decimal(0))
    name = "CreditNote" if credit else "Invoice"
    base = "urn:oasis:names:specification:ubl:schema:xsd:"
    rows = "".join(
        f'<c:TaxSubtotal><b:TaxableAmount currencyID="{currency}">{taxed}</b:TaxableAmount>'
        f'<b:TaxAmount currencyID="{currency}">{amount}</b:TaxAmount><c:TaxCategory><b:ID>{category}</b:ID>'
        f"<b:Percent>{rate}</b:Percent></c:TaxCategory></c:TaxSubtotal>"
        for category, rate, taxed, amount in shares
    )
    inclusive = total or str(net + vat)
    return (
        f'<{name} xmlns="{base}{name}-2" xmlns:c="{base}CommonAggregateComponents-2" '
        f'xmlns:b="{base}CommonBasicComponents-2"><b:ID>{number}</b:ID><b:IssueDate>{day}</b:IssueDate>'
        f"<b:DocumentCurrencyCode>{currency}</b:DocumentCurrencyCode><c:AccountingSupplierParty><c:Party>"
        "<c:PostalAddress><b:CityName>Delft</b:CityName><c:Country><b:IdentificationCode>NL</b:IdentificationCode>"
        f"</c:Country></c:PostalAddress><c:PartyTaxScheme><b:CompanyID>{vat_number}</b:CompanyID></c:PartyTaxScheme>"
        f"<c:PartyLegalEntity><b:RegistrationName>{supplier}</b:RegistrationName></c:PartyLegalEntity></c:Party>"
        f'</c:AccountingSupplierParty><c:TaxTotal><b:TaxAmount currencyID="{currency}">{vat}</b:TaxAmount>{rows}'
        f"</c:TaxTotal><c:LegalMonetaryTotal><b:TaxExclusiveAmount>{net}</b:TaxExclusiveAmount><b:TaxInclusiveAmount>"
        f"{inclusive}</b:TaxInclusiveAmount><b:PayableRoundingAmount>{rounding}</b:PayableRoundingAmount>"
        f"<b:PayableAmount>{Decimal(inclusive) + Decimal(rounding)}</b:PayableAmount></c:LegalMonetaryTotal></{name}>"
    ).encode()


async def upload(client: Any, data: bytes, name: str = "inkoop.xml", folder: int = 1, **hints: Any) -> str:
    """An upload with data: the id of its document."""
    answer = await client.call(
        "Archive.UploadDocumentWithData",
        fileName=name,
        data=base64.b64encode(data).decode(),
        folder=folder,
        administrationID=client.administration,
        currency="EUR",
        amount=hints.pop("amount", "121.00"),
        paymentMethod=0,
        **hints,
    )
    return str(answer.value)
