"""The XML documents that go inside calls: elements in the order that Yuki's schemas want (api.md sections 4 to 6).

Payloads are JSON by the names of elements; a database may give their keys back in another order, so what is written
goes by the tables here, and a key that is in none of them is a mistake of ours and not passed over.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from lxml import etree
from lxml.etree import _Element as Element

from dagboek_yuki.soap import cleaned

Shape = Mapping[str, "Shape | None"]
"""Names of children in their order; those that have children themselves with their shape."""

_NAMESPACE: Final = "urn:xmlns:http://www.theyukicompany.com:"


def _of(*names: str, **inner: Shape) -> dict[str, Shape | None]:
    return {name: inner.get(name) for name in names}


INVOICE_CONTACT: Final = _of(
    "ContactCode", "FullName", "FirstName", "MiddleName", "LastName", "Gender", "CountryCode", "City", "Zipcode",
    "AddressLine_1", "AddressLine_2", "EmailAddress", "Website", "CoCNumber", "VATNumber", "ContactType",
    "BankAccount", "PhoneHome", "MobileHome",
)  # fmt: skip
_PRODUCT: Final = _of(
    "Description", "Reference", "Category", "SalesPrice", "VATPercentage", "VATIncluded", "VATType", "VATDescription",
    "GLAccountCode", "Remarks",
)  # fmt: skip
_SALES_LINE: Final = _of(
    "Description", "Remarks", "ProductQuantity", "LineAmount", "LineVATAmount", "Product", "AccrualDate",
    "AccrualPeriods", "AccrualInterval",
    Product=_PRODUCT,
)  # fmt: skip
SALES_INVOICE: Final = _of(
    "Reference", "Subject", "PaymentMethod", "PaymentID", "PurchaseOrderNumber", "Process", "EmailToCustomer",
    "SentToPeppol", "Layout", "Notes", "Date", "DueDate", "PriceList", "Currency", "ProjectID", "ProjectCode",
    "Remarks", "DocumentFileName", "DocumentBase64", "Contact", "InvoiceLines",
    Contact=INVOICE_CONTACT,
    InvoiceLines={"InvoiceLine": _SALES_LINE},
)  # fmt: skip
_PURCHASE_LINE: Final = _of("Description", "LineAmount", "LineVATType", "LineVATPercentage", "GLAccountCode")
PURCHASE_INVOICE: Final = _of(
    "Process", "Reference", "Date", "DueDate", "InvoiceAmount", "InvoiceVATAmount", "Currency", "PaymentMethod",
    "Remarks", "DocumentFileName", "DocumentBase64", "Contact", "InvoiceLines",
    Contact=INVOICE_CONTACT,
    InvoiceLines={"InvoiceLine": _PURCHASE_LINE},
)  # fmt: skip
"""The order in which api.md names them: of the schema itself no copy was found (decision 0025)."""

CONTACT: Final = _of(
    "ID", "Type", "Code", "FirstName", "MiddleName", "LastName", "FullName", "AddressLine_1", "AddressLine_2",
    "PostCode", "City", "Country", "PhoneHome", "PhoneWork", "EmailHome", "EmailWork", "VATNumber", "CoCNumber",
)  # fmt: skip


def sales_invoices(invoices: Sequence[Mapping[str, Any]]) -> Element:
    """What ProcessSalesInvoices takes."""
    return _written("salesinvoices", "SalesInvoices", {"SalesInvoice": SALES_INVOICE}, {"SalesInvoice": invoices})


def purchase_invoices(invoices: Sequence[Mapping[str, Any]]) -> Element:
    """What ProcessPurchaseInvoices takes."""
    shape = {"PurchaseInvoice": PURCHASE_INVOICE}
    return _written("purchaseinvoices", "PurchaseInvoices", shape, {"PurchaseInvoice": invoices})


def contact(values: Mapping[str, Any]) -> Element:
    """What UpdateContact takes."""
    return _written("contact", "Contact", CONTACT, values)


def _written(namespace: str, name: str, shape: Shape, values: Mapping[str, Any]) -> Element:
    space = _NAMESPACE + namespace
    root = etree.Element(f"{{{space}}}{name}", nsmap={None: space})
    _fill(root, space, shape, values)
    return root


def _fill(parent: Element, space: str, shape: Shape, values: Mapping[str, Any]) -> None:
    """Children that have a value: several elements are refused when they are empty, and may all be left out."""
    if wrong := sorted(set(values) - set(shape)):
        raise KeyError(f"{etree.QName(parent).localname} has no {', '.join(wrong)}")
    for name, inner in shape.items():
        given = values.get(name)
        for value in given if isinstance(given, list | tuple) else (given,):
            if value in (None, ""):
                continue
            child = etree.SubElement(parent, f"{{{space}}}{name}")
            if inner is None:
                child.text = cleaned(str(value))
            else:
                _fill(child, space, inner, value)
