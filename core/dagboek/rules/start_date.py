"""Documents dated before the connection's start date are not booked (product.md sections 1.3 and 3.1)."""

from collections.abc import Sequence

from dagboek_schemas.documents import Document
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import Component
from dagboek_sdk.accounting import MappingContext
from dagboek_sdk.hooks import hookimpl


@hookimpl
def dagboek_validate_document(
    document: Document, component: Component, context: MappingContext
) -> Sequence[Issue] | None:
    """D04, information."""
    start = context.settings.start_date
    if start is None or document.issue_date >= start:
        return None
    facts = {"date": f"{document.issue_date:%d-%m-%Y}", "start_date": f"{start:%d-%m-%Y}"}
    return (Issue(code="D04", severity=Severity.INFORMATION, facts=facts, field="issue_date"),)
