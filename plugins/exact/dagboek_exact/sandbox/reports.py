"""How the books are looked into: entries with their journal lines, and the ledger. Amounts are Decimal."""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

from dagboek_sdk.sandbox.requests import utc_text
from dagboek_sdk.sandbox.trial_balance import trial_balance

from .division import Division
from .edm import ZERO, Row
from .journal_lines import Posting
from .sides import side_of


def entries(division: Division, rows: Iterable[Row]) -> list[dict[str, Any]]:
    """Entries as they are shown."""
    files: dict[UUID, list[dict[str, Any]]] = defaultdict(list)
    for one in division.rows("attachments"):
        files[one["Document"]].append({"name": one["FileName"], "size": len(one["Attachment"])})
    return [_entry(division, row, files.get(row.get("Document") or UUID(int=0), [])) for row in rows]


def _entry(division: Division, row: Row, files: list[dict[str, Any]]) -> dict[str, Any]:
    """One entry, in the shape that all sandboxes have; `comment` is the number that the document has itself.

    `first`: the number that the series of its journal and year begins with.

    `total`, `net`, `vat` and `vat_total` are in the currency of the entry (a credit note is negative); `vat` has a
    row for each VAT code; VAT that the buyer owes is not in the total and stands apart as `reverse_vat`. `lines` are
    the journal lines: `debit` and `credit` in the company's currency, `document_debit` and `document_credit` in the
    entry's.
    """
    document = row.get("Type") is not None
    vat = _vat_rows(division, row) if document else []
    return {
        "id": str(row["EntryID"]),
        "dossier": division.code,
        "bookyear": row["ReportingYear"],
        "journal": row["Journal"],
        "number": row["EntryNumber"],
        "first": row["EntryNumber"] // 10_000 * 10_000 + 1,
        "period": row["ReportingPeriod"],
        "type": row.get("Type"),
        "date": row["EntryDate"].date(),
        "expiry": row["DueDate"].date() if row.get("DueDate") else None,
        "relation": _relation(division, row) if document else None,
        "comment": row.get("YourRef"),
        "reference": row.get("PaymentReference"),
        "order_reference": row.get("Description"),
        "payment_condition": row.get("PaymentCondition"),
        "currency": row["Currency"],
        "rate": row["Rate"],
        "total": row["AmountFC"],
        "net": sum((one["base"] for one in vat), ZERO),
        "vat": vat,
        "vat_total": row.get("VATAmountFC", ZERO),
        "lines": [_posting(division, posting) for posting in row["postings"]],
        "balanced": not sum((posting.amount for posting in row["postings"]), ZERO),
        "attachments": files,
        "warnings": list(row["warnings"]),
        "origin": row["origin"],
        "booked": utc_text(row["booked"]),
        "modified": row["Modified"].isoformat(),
        "revision": row["revision"],
    }


def _relation(division: Division, row: Row) -> dict[str, Any] | None:
    account = division.tables["accounts"].get(row.get("Customer") or row.get("Supplier"))
    if account is None:
        return None
    return {
        "id": str(account["ID"]),
        "external_id": account["Code"].strip(),
        "name": account["Name"],
        "vat_number": account.get("VATNumber"),
    }


def _vat_rows(division: Division, row: Row) -> list[dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for key in row["line_ids"]:
        line = division.tables[side_of(row["Type"]).line_table][key]
        code = (line["VATCode"] or "").strip()
        one = found.setdefault(
            code,
            {"code": code, "percentage": line["VATPercentage"] * 100, "base": ZERO, "vat": ZERO, "reverse_vat": ZERO},
        )
        one["base"] += line["VATBaseAmountFC"]
        one["reverse_vat" if line["charged"] else "vat"] += line["VATAmountFC"]
    return list(found.values())


def _posting(division: Division, posting: Posting) -> dict[str, Any]:
    account = division.tables["gl_accounts"].get(posting.account)
    return {
        "line": posting.line,
        "account": account["Code"] if account else str(posting.account),
        "debit": max(posting.amount, ZERO),
        "credit": max(-posting.amount, ZERO),
        "document_debit": max(posting.document_amount, ZERO),
        "document_credit": max(-posting.document_amount, ZERO),
        "relation": str(posting.party) if posting.party else None,
        "vat_code": (posting.vat_code or "").strip() or None,
        "cost_centre": posting.cost_centre,
        "cost_unit": posting.cost_unit,
    }


def ledger(division: Division, bookyear: int | None = None) -> dict[str, Any]:
    """Debit, credit and balance (debit - credit) of each account that was booked on, and of all together."""
    postings = []
    for row in division.entries():
        if bookyear not in (None, row["ReportingYear"]):
            continue
        for posting in row["postings"]:
            account = division.tables["gl_accounts"].get(posting.account, {})
            code, name = str(account.get("Code", posting.account)), str(account.get("Description", ""))
            postings.append((code, name, posting.amount))
    return trial_balance(division.code, bookyear, postings)
