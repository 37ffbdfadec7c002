"""What somebody at Yuki reads off an uploaded UBL invoice or credit note (EN 16931 fields)."""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Final

from lxml import etree

_COMMON: Final = "urn:oasis:names:specification:ubl:schema:xsd:"
_NAMES: Final = {"c": f"{_COMMON}CommonAggregateComponents-2", "b": f"{_COMMON}CommonBasicComponents-2"}
_ROOTS: Final = {f"{{{_COMMON}{name}-2}}{name}": name for name in ("Invoice", "CreditNote")}
_CREDIT_TYPES: Final = frozenset({"81", "83", "381", "396", "532"})
_PARSER: Final = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True)


class NotUbl(Exception):
    """A file that says not what an entry needs; the text says why."""


@dataclass(frozen=True, slots=True)
class Share:
    """VAT of one category and rate."""

    category: str
    rate: Decimal
    base: Decimal
    vat: Decimal


@dataclass(frozen=True, slots=True)
class Party:
    """Who sent it: fields as a contact has them."""

    name: str
    fields: dict[str, str]


@dataclass(frozen=True, slots=True)
class Paper:
    """An invoice or credit note. Amounts are in its currency; those of a credit note are below zero."""

    credit: bool
    number: str
    day: date
    due: date | None
    currency: str
    supplier: Party
    shares: tuple[Share, ...]
    total: Decimal
    payment_id: str

    @property
    def difference(self) -> Decimal:
        """What the total has beside its bases and VAT."""
        return self.total - sum((one.base + one.vat for one in self.shares), Decimal(0))


def read(data: bytes) -> Paper:
    """Reads a file; raises NotUbl."""
    try:
        root = etree.fromstring(data, _PARSER)
    except (etree.XMLSyntaxError, ValueError):
        raise NotUbl("not an XML document") from None
    if root.tag not in _ROOTS:
        raise NotUbl("not a UBL invoice or credit note")
    try:
        return _paper(root)
    except (InvalidOperation, ValueError) as error:
        raise NotUbl(f"a date or an amount cannot be read ({type(error).__name__})") from None


def _paper(root: etree._Element) -> Paper:
    credit = _ROOTS[str(root.tag)] == "CreditNote" or _text(root, "b:InvoiceTypeCode") in _CREDIT_TYPES
    sign = -1 if credit else 1
    currency = _text(root, "b:DocumentCurrencyCode") or "EUR"
    totals = root.find("c:LegalMonetaryTotal", _NAMES)
    number, day = _text(root, "b:ID"), _text(root, "b:IssueDate")
    if totals is None or not number or not day:
        raise NotUbl("a number, a date or the totals are missing")
    net = _amount(totals, "b:TaxExclusiveAmount")
    if _text(totals, "b:TaxInclusiveAmount"):
        gross = _amount(totals, "b:TaxInclusiveAmount") + _amount(totals, "b:PayableRoundingAmount")
    else:
        gross = _amount(totals, "b:PayableAmount") + _amount(totals, "b:PrepaidAmount")
    shares = tuple(_shares(root, currency, sign)) or (Share("O", Decimal(0), sign * net, Decimal(0)),)
    due = _text(root, "b:DueDate") or _text(root, "c:PaymentMeans/b:PaymentDueDate")
    return Paper(
        credit=credit,
        number=number,
        day=date.fromisoformat(day[:10]),
        due=date.fromisoformat(due[:10]) if due else None,
        currency=currency,
        supplier=_party(root),
        shares=shares,
        total=sign * gross,
        payment_id=_text(root, "c:PaymentMeans/b:PaymentID"),
    )


def _shares(root: etree._Element, currency: str, sign: int) -> list[Share]:
    found = []
    for row in root.iterfind("c:TaxTotal/c:TaxSubtotal", _NAMES):
        amount = row.find("b:TaxAmount", _NAMES)
        if amount is None or amount.get("currencyID", currency) != currency:
            continue  # the same VAT again, in the currency of the tax
        category = _text(row, "c:TaxCategory/b:ID") or "S"
        rate = Decimal(_text(row, "c:TaxCategory/b:Percent") or _text(row, "b:Percent") or 0)
        found.append(Share(category, rate, sign * _amount(row, "b:TaxableAmount"), sign * Decimal(amount.text or "0")))
    return found


def _party(root: etree._Element) -> Party:
    party = root.find("c:AccountingSupplierParty/c:Party", _NAMES)
    if party is None:
        raise NotUbl("there is no supplier")
    registered = _text(party, "c:PartyLegalEntity/b:RegistrationName")
    name = registered or _text(party, "c:PartyName/b:Name")
    fields = {
        "AddressLine_1": _text(party, "c:PostalAddress/b:StreetName"),
        "AddressLine_2": _text(party, "c:PostalAddress/b:AdditionalStreetName"),
        "Postcode": _text(party, "c:PostalAddress/b:PostalZone"),
        "City": _text(party, "c:PostalAddress/b:CityName"),
        "Country": _text(party, "c:PostalAddress/c:Country/b:IdentificationCode"),
        "VATNumber": _text(party, "c:PartyTaxScheme/b:CompanyID"),
        "CoCNumber": _text(party, "c:PartyLegalEntity/b:CompanyID"),
        "EMailWork": _text(party, "c:Contact/b:ElectronicMail"),
    }
    if not name:
        raise NotUbl("the supplier has no name")
    return Party(name, {key: value for key, value in fields.items() if value})


def _text(element: etree._Element, path: str) -> str:
    found = element.findtext(path, namespaces=_NAMES)
    return found.strip() if found else ""


def _amount(element: etree._Element, path: str) -> Decimal:
    return Decimal(_text(element, path) or 0)
