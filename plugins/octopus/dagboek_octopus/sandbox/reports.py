"""How the books are looked into: entries with their journal lines, and the ledger. Amounts are Decimal."""

from typing import Any

from dagboek_sdk.sandbox.requests import utc_text
from dagboek_sdk.sandbox.trial_balance import trial_balance

from .booking import Booking, Posting
from .dossier import Dossier
from .wire import ZERO


def entry(dossier: Dossier, booking: Booking) -> dict[str, Any]:
    """One booked document.

    `total`, `net`, `vat` and `vat_total` are in the document's currency with the sign of the header (a credit
    note is negative); `vat` has a row for each VAT code; VAT under reverse charge is not in the total and stands
    apart as `reverse_vat`. `lines` are the journal lines: `debit` and `credit` in the dossier's currency,
    `document_debit` and `document_credit` in the document's.
    """
    relation = dossier.relations.by_id.get(booking.relation or 0)
    vat = _vat_rows(dossier, booking)
    return {
        "dossier": dossier.id,
        "bookyear": booking.bookyear,
        "journal": booking.journal,
        "number": booking.number,
        "period": booking.period,
        "date": booking.document_date,
        "expiry": booking.expiry,
        "relation": {
            "id": relation.id,
            "external_id": relation.external_id,
            "name": relation.fields["name"],
            "vat_number": relation.fields["vatNr"],
        }
        if relation
        else None,
        "comment": booking.comment,
        "reference": booking.reference,
        "order_reference": booking.order_reference,
        "currency": booking.currency,
        "rate": booking.rate,
        "total": booking.amount,
        "net": sum((row["base"] for row in vat), ZERO),
        "vat": vat,
        "vat_total": sum((row["vat"] for row in vat), ZERO),
        "lines": [_posting(posting) for posting in booking.postings],
        "balanced": not sum((posting.amount for posting in booking.postings), ZERO),
        "attachments": [attachment._asdict() for attachment in booking.attachments],
        "origin": booking.origin,
        "booked": utc_text(booking.booked),
        "modified": utc_text(booking.modified),
        "revision": booking.revision,
    }


def _vat_rows(dossier: Dossier, booking: Booking) -> list[dict[str, Any]]:
    rows: dict[str, dict[str, Any]] = {}
    for line in booking.lines:
        code = dossier.vat_codes.get(line.vat_code)
        row = rows.setdefault(
            line.vat_code,
            {
                "code": line.vat_code,
                "percentage": code.percentage if code else None,
                "base": ZERO,
                "vat": ZERO,
                "reverse_vat": ZERO,
            },
        )
        row["base"] += booking.line_sign * line.base
        row["reverse_vat" if code and code.reverse else "vat"] += booking.line_sign * line.vat
    return list(rows.values())


def _posting(posting: Posting) -> dict[str, Any]:
    return {
        "line": posting.line,
        "account": posting.account,
        "debit": max(posting.amount, ZERO),
        "credit": max(-posting.amount, ZERO),
        "document_debit": max(posting.document_amount, ZERO),
        "document_credit": max(-posting.document_amount, ZERO),
        "relation": posting.relation,
        "vat_code": posting.vat_code,
        "cost_centre": posting.cost_centre or None,
    }


def ledger(dossier: Dossier, bookyear: int | None = None) -> dict[str, Any]:
    """Debit, credit and balance (debit - credit) of each account that was booked on, and of all together."""
    postings = []
    for booking in dossier.bookings.values():
        if bookyear not in (None, booking.bookyear):
            continue
        accounts = dossier.bookyears[booking.bookyear].accounts
        for posting in booking.postings:
            account = accounts.get(posting.account)
            postings.append((posting.account, account.names.get("nl", "") if account else "", posting.amount))
    return trial_balance(dossier.id, bookyear, postings)
