"""Writes UBL as other programs would: for the samples in the package, and for documents that tests make up."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from decimal import ROUND_HALF_UP, Decimal
from xml.sax.saxutils import escape, quoteattr

D = Decimal
CENT = D("0.01")
ZERO, ONE, HIGH = D(0), D(1), D(21)
PROFILES = {
    "bis3": (
        "urn:cen.eu:en16931:2017#compliant#urn:fdc:peppol.eu:2017:poacc:billing:3.0",
        "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0",
    ),
    "nlcius": ("urn:cen.eu:en16931:2017#compliant#urn:fdc:nen.nl:nlcius:v1.0", None),
    "ublbe": (
        "urn:cen.eu:en16931:2017#conformant#urn:UBL.BE:1.0.0.20180214",
        "urn:fdc:peppol.eu:2017:poacc:billing:01:1.0",
    ),
    "en16931": ("urn:cen.eu:en16931:2017", None),
    "ubl20": (None, None),
}


def cents(value: Decimal) -> Decimal:
    return value.quantize(CENT, ROUND_HALF_UP)


@dataclass(frozen=True)
class Company:
    name: str
    country: str
    vat: str | None = None
    number: str | None = None
    scheme: str | None = None
    street: str = "Kade 1"
    city: str = "Oostende"
    zone: str = "8400"
    email: str | None = None
    iban: str | None = None


@dataclass(frozen=True)
class Row:
    """A line; `net` only where it is not quantity times price."""

    name: str
    quantity: Decimal = ONE
    price: Decimal = ZERO
    category: str = "S"
    rate: Decimal | None = HIGH
    vat_name: str | None = None
    unit: str = "C62"
    net: Decimal | None = None
    discount: Decimal = ZERO
    cost: str | None = None

    @property
    def amount(self) -> Decimal:
        return cents(self.quantity * self.price - self.discount) if self.net is None else self.net


@dataclass(frozen=True)
class Extra:
    """A discount or charge on the document."""

    charge: bool
    amount: Decimal
    category: str = "S"
    rate: Decimal | None = HIGH
    reason: str = "Korting"
    vat_name: str | None = None


@dataclass(frozen=True)
class Paper:
    """An invoice or credit note."""

    number: str
    day: str
    seller: Company
    buyer: Company
    rows: tuple[Row, ...]
    extras: tuple[Extra, ...] = ()
    credit: bool = False
    type_code: str | None = None
    profile: str = "bis3"
    currency: str = "EUR"
    due: str | None = None
    reference: str | None = None
    prepaid: Decimal = ZERO
    rounding: Decimal = ZERO
    preceding: str | None = None
    order: str | None = None
    buyer_reference: str | None = "inkoop"
    note: str | None = None
    delivery: str | None = None
    attachment: tuple[str, str, str] | None = None
    tax_currency: str | None = None
    rate: Decimal | None = None
    reasons: dict[str, tuple[str, str]] = field(default_factory=dict)
    totals: dict[str, str] = field(default_factory=dict)
    """Totals to write instead of the right ones, by the name of their element; an empty one is left out."""

    def with_total(self, name: str, value: str) -> "Paper":
        return replace(self, totals={**self.totals, name: value})


def breakdown(paper: Paper) -> dict[tuple[str, Decimal | None, str | None], tuple[Decimal, Decimal]]:
    """Base and VAT by category, rate and name."""
    bases: dict[tuple[str, Decimal | None, str | None], Decimal] = defaultdict(Decimal)
    for row in paper.rows:
        bases[row.category, row.rate, row.vat_name] += row.amount
    for extra in paper.extras:
        bases[extra.category, extra.rate, extra.vat_name] += extra.amount if extra.charge else -extra.amount
    return {key: (base, cents(base * (key[1] or 0) / 100)) for key, base in bases.items()}


def totals(paper: Paper) -> dict[str, Decimal]:
    """The right totals, by the name of their element."""
    lines = sum((row.amount for row in paper.rows), D(0))
    allowances = sum((extra.amount for extra in paper.extras if not extra.charge), D(0))
    charges = sum((extra.amount for extra in paper.extras if extra.charge), D(0))
    vat = sum((tax for _, tax in breakdown(paper).values()), D(0))
    net = lines - allowances + charges
    return {
        "LineExtensionAmount": lines,
        "TaxExclusiveAmount": net,
        "TaxInclusiveAmount": net + vat,
        "AllowanceTotalAmount": allowances,
        "ChargeTotalAmount": charges,
        "PrepaidAmount": paper.prepaid,
        "PayableRoundingAmount": paper.rounding,
        "PayableAmount": net + vat - paper.prepaid + paper.rounding,
    }


def render(paper: Paper) -> str:
    """The document as XML, with its declaration."""
    root = "CreditNote" if paper.credit and paper.type_code is None else "Invoice"
    code = paper.type_code or ("381" if paper.credit else "380")
    customization, profile = PROFILES[paper.profile]
    body = [
        _b("UBLVersionID", "2.0" if paper.profile == "ubl20" else None),
        _b("CustomizationID", customization),
        _b("ProfileID", profile),
        _b("ID", paper.number),
        _b("IssueDate", paper.day),
        _b("DueDate", paper.due if root == "Invoice" else None),
        _b(f"{root}TypeCode", code),
        _b("Note", paper.note),
        _b("DocumentCurrencyCode", paper.currency),
        _b("TaxCurrencyCode", paper.tax_currency),
        _b("BuyerReference", paper.buyer_reference),
        _a("OrderReference", _b("ID", paper.order)) if paper.order else "",
        _a("BillingReference", _a("InvoiceDocumentReference", _b("ID", paper.preceding))) if paper.preceding else "",
        _attachment(paper),
        _party("AccountingSupplierParty", paper.seller, paper.profile),
        _party("AccountingCustomerParty", paper.buyer, paper.profile),
        _a("Delivery", _b("ActualDeliveryDate", paper.delivery)) if paper.delivery else "",
        _payment(paper, root),
        _rate(paper),
        *(_extra(paper, extra) for extra in paper.extras),
        *_taxes(paper),
        _totals(paper),
        *(_line(paper, root, number, row) for number, row in enumerate(paper.rows, 1)),
    ]
    namespace = "urn:oasis:names:specification:ubl:schema:xsd"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<{root} xmlns="{namespace}:{root}-2"\n    xmlns:cac="{namespace}:CommonAggregateComponents-2"\n'
        f'    xmlns:cbc="{namespace}:CommonBasicComponents-2">\n' + _indented("".join(body)) + f"</{root}>\n"
    )


def _b(name: str, value: object, **attributes: str | None) -> str:
    if value is None:
        return ""
    written = "".join(f" {key}={quoteattr(one)}" for key, one in attributes.items() if one is not None)
    return f"<cbc:{name}{written}>{escape(str(value))}</cbc:{name}>\n"


def _a(name: str, *inner: str) -> str:
    return f"<cac:{name}>\n{''.join(inner)}</cac:{name}>\n"


def _indented(body: str) -> str:
    depth, lines = 1, []
    for line in body.splitlines():
        if line.startswith("</cac:"):
            depth -= 1
        lines.append("  " * depth + line)
        if line.startswith("<cac:"):
            depth += 1
    return "\n".join(lines) + "\n"


def _money(paper: Paper, name: str, value: object) -> str:
    return _b(name, value, currencyID=paper.currency)


def _party(role: str, company: Company, profile: str) -> str:
    scheme = company.scheme
    endpoint = _b("EndpointID", company.number, schemeID=scheme) if company.number and profile != "ubl20" else ""
    tax = _a("PartyTaxScheme", _b("CompanyID", company.vat), _scheme()) if company.vat else ""
    legal = _b("RegistrationName", company.name) + _b("CompanyID", company.number, schemeID=scheme)
    return _a(
        role,
        _a(
            "Party",
            endpoint,
            _a("PartyName", _b("Name", company.name)),
            _a(
                "PostalAddress",
                _b("StreetName", company.street),
                _b("CityName", company.city),
                _b("PostalZone", company.zone),
                _a("Country", _b("IdentificationCode", company.country)),
            ),
            tax,
            _a("PartyLegalEntity", legal),
            _a("Contact", _b("ElectronicMail", company.email)) if company.email else "",
        ),
    )


def _scheme() -> str:
    return _a("TaxScheme", _b("ID", "VAT"))


def _payment(paper: Paper, root: str) -> str:
    if not paper.reference and not paper.seller.iban:
        return ""
    account = _a("PayeeFinancialAccount", _b("ID", paper.seller.iban)) if paper.seller.iban else ""
    due = _b("PaymentDueDate", paper.due if root == "CreditNote" else None)
    return _a("PaymentMeans", _b("PaymentMeansCode", "30"), due, _b("PaymentID", paper.reference), account)


def _rate(paper: Paper) -> str:
    if paper.rate is None or paper.tax_currency is None:
        return ""
    return _a(
        "TaxExchangeRate",
        _b("SourceCurrencyCode", paper.currency),
        _b("TargetCurrencyCode", paper.tax_currency),
        _b("CalculationRate", paper.rate),
        _b("MathematicOperatorCode", "Multiply"),
    )


def _category(paper: Paper, element: str, category: str, rate: Decimal | None, name: str | None) -> str:
    code, reason = paper.reasons.get(category, (None, None)) if element == "TaxCategory" else (None, None)
    return _a(
        element,
        _b("ID", category),
        _b("Name", name),
        _b("Percent", rate),
        _b("TaxExemptionReasonCode", code),
        _b("TaxExemptionReason", reason),
        _scheme(),
    )


def _extra(paper: Paper, extra: Extra) -> str:
    return _a(
        "AllowanceCharge",
        _b("ChargeIndicator", "true" if extra.charge else "false"),
        _b("AllowanceChargeReason", extra.reason),
        _money(paper, "Amount", extra.amount),
        _category(replace(paper, reasons={}), "TaxCategory", extra.category, extra.rate, extra.vat_name),
    )


def _taxes(paper: Paper) -> list[str]:
    rows = breakdown(paper)
    vat = paper.totals.get("TaxAmount", str(sum((tax for _, tax in rows.values()), D(0))))
    subtotals = [
        _a(
            "TaxSubtotal",
            _money(paper, "TaxableAmount", base),
            _money(paper, "TaxAmount", paper.totals.get("SubtotalTaxAmount", tax)),
            _category(paper, "TaxCategory", *key),
        )
        for key, (base, tax) in rows.items()
    ]
    found = [_a("TaxTotal", _money(paper, "TaxAmount", vat), *subtotals)]
    if paper.tax_currency and paper.rate:
        converted = cents(sum((tax for _, tax in rows.values()), D(0)) * paper.rate)
        found.append(_a("TaxTotal", _b("TaxAmount", converted, currencyID=paper.tax_currency)))
    return found


def _totals(paper: Paper) -> str:
    optional = {"AllowanceTotalAmount", "ChargeTotalAmount", "PrepaidAmount", "PayableRoundingAmount"}
    written = []
    for name, value in totals(paper).items():
        shown = paper.totals.get(name, "" if name in optional and not value else str(value))
        written.append(_money(paper, name, shown or None))
    return _a("LegalMonetaryTotal", *written)


def _line(paper: Paper, root: str, number: int, row: Row) -> str:
    discount = _a(
        "AllowanceCharge",
        _b("ChargeIndicator", "false"),
        _b("AllowanceChargeReason", "Regelkorting"),
        _money(paper, "Amount", row.discount),
    )
    return _a(
        "InvoiceLine" if root == "Invoice" else "CreditNoteLine",
        _b("ID", number),
        _b("InvoicedQuantity" if root == "Invoice" else "CreditedQuantity", row.quantity, unitCode=row.unit),
        _money(paper, "LineExtensionAmount", row.amount),
        _b("AccountingCost", row.cost),
        discount if row.discount else "",
        _a(
            "Item",
            _b("Name", row.name),
            _category(paper, "ClassifiedTaxCategory", row.category, row.rate, row.vat_name),
        ),
        _a("Price", _money(paper, "PriceAmount", row.price)),
    )


def _attachment(paper: Paper) -> str:
    if paper.attachment is None:
        return ""
    file_name, media_type, content = paper.attachment
    binary = _b("EmbeddedDocumentBinaryObject", content, mimeCode=media_type, filename=file_name)
    return _a(
        "AdditionalDocumentReference",
        _b("ID", paper.number),
        _b("DocumentDescription", "CommercialInvoice"),
        _a("Attachment", binary),
    )
