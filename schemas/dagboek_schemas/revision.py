"""Revision of a document or party: a hash over a frozen list of business fields (design section 2).

The version stands before the colon. A change of the list makes a new version beside the old one, and whoever
compares recomputes the version that the link has: an upgrade of the program changes no revision.
Payment state, approval, addresses of files and times are no part of it.
"""

import hashlib
from collections.abc import Callable
from decimal import Decimal

from dagboek_schemas.documents import AllowanceCharge, Document, Line, Party, VatSubtotal
from dagboek_schemas.identity import legal_identity, normal_number, normal_text

CURRENT = "rev1"


def document_revision(document: Document, version: str = CURRENT) -> str:
    """Revision of `document`, such as `rev1:3f...`. KeyError for a version nobody ever wrote."""
    return f"{version}:{_hash(_DOCUMENT[version](document))}"


def party_revision(party: Party, version: str = CURRENT) -> str:
    """Revision of `party`: what an accounting tool stores of it."""
    return f"{version}:{_hash(_PARTY[version](party))}"


def same_document(revision: str, document: Document) -> bool:
    """Whether `document` still is what `revision` was computed from, whatever version that was."""
    return document_revision(document, revision.partition(":")[0]) == revision


def same_party(revision: str, party: Party) -> bool:
    """Whether `party` still is what `revision` was computed from, whatever version that was."""
    return party_revision(party, revision.partition(":")[0]) == revision


def _hash(fields: list[str]) -> str:
    return hashlib.sha256("\x1f".join(fields).encode()).hexdigest()[:40]


def _number(value: Decimal | None) -> str:
    return "" if value is None else format(value.normalize(), "f") if value else "0"


def _text(value: str | None) -> str:
    return normal_text(value) if value else ""


def _line(line: Line) -> list[str]:
    numbers = (_number(line.quantity), _number(line.price), _number(line.net), _number(line.vat_rate))
    texts = (line.name, line.description, line.vat_category, line.vat_name, line.account)
    return [*numbers, *map(_text, texts), _text(line.cost_centre), _text(line.cost_unit)]


def _allowance(row: AllowanceCharge) -> list[str]:
    return [
        "charge" if row.charge else "allowance",
        _number(row.amount),
        _text(row.vat_category),
        _number(row.vat_rate),
        _text(row.reason),
        _text(row.account),
    ]


def _subtotal(row: VatSubtotal) -> list[str]:
    return [
        _text(row.category),
        _number(row.rate),
        _number(row.taxable),
        _number(row.tax),
        _text(row.exemption_code),
        _text(row.vat_name),
    ]


def _document_rev1(document: Document) -> list[str]:
    totals = document.totals
    fields = [
        document.kind,
        document.direction,
        _text(document.number),
        document.issue_date.isoformat(),
        document.due_date.isoformat() if document.due_date else "",
        document.tax_point_date.isoformat() if document.tax_point_date else "",
        document.currency,
        _number(document.exchange_rate),
        _text(document.order_reference),
        _text(document.payment.reference),
        _text(document.payment.structured_communication),
        legal_identity(document.other_party),
        *map(_number, (totals.net, totals.vat, totals.gross, totals.prepaid, totals.rounding, totals.payable)),
    ]
    for line in document.lines:
        fields += ["line", *_line(line)]
    for row in document.allowances_charges:
        fields += ["row", *_allowance(row)]
    for subtotal in document.vat_breakdown:
        fields += ["vat", *_subtotal(subtotal)]
    return fields


def _party_rev1(party: Party) -> list[str]:
    address = party.address
    return [
        normal_number(party.vat_number or ""),
        normal_number(party.company_number or ""),
        *map(_text, (party.name, party.email, party.phone, party.language)),
        *map(_text, (address.street, address.additional_street, address.city, address.postal_code)),
        address.country or "",
    ]


_DOCUMENT: dict[str, Callable[[Document], list[str]]] = {"rev1": _document_rev1}
_PARTY: dict[str, Callable[[Party], list[str]]] = {"rev1": _party_rev1}
