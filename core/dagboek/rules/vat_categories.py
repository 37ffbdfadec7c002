"""VAT categories are those of EN 16931: its subset of UNCL5305 (ubl-and-vat.md section 4.1)."""

from collections.abc import Sequence
from typing import Final

from dagboek_schemas.documents import Document
from dagboek_schemas.issues import Issue
from dagboek_sdk.hooks import hookimpl

KNOWN: Final = frozenset({None, "S", "Z", "E", "AE", "K", "G", "O", "L", "M", "B"})
"""None: older documents have none, and the mapping takes the category of the breakdown."""


@hookimpl
def dagboek_validate_document(document: Document) -> Sequence[Issue] | None:
    """D23 for each line or document-level amount of a category that nobody could book rightly."""
    issues = [
        _issue(line.vat_category, line.id, f"lines[{place}]")
        for place, line in enumerate(document.lines)
        if line.vat_category not in KNOWN
    ]
    issues += [
        _issue(row.vat_category, row.reason or str(row.amount), f"allowances_charges[{place}]")
        for place, row in enumerate(document.allowances_charges)
        if row.vat_category not in KNOWN
    ]
    return issues


def _issue(category: str | None, where: str, field: str) -> Issue:
    facts = {"where": where, "category": category or ""}
    return Issue(code="D23", rule="BR-CL-18", facts=facts, field=f"{field}.vat_category")
