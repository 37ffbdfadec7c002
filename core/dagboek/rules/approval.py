"""A purchase is booked once it is approved (product.md sections 1.10 and 3.1, B10)."""

from collections.abc import Sequence

from dagboek_schemas.documents import Approval, Document
from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk.hooks import hookimpl


@hookimpl
def dagboek_validate_document(document: Document) -> Sequence[Issue] | None:
    """B10 while the review is pending, D17 once it was refused; both information."""
    if document.approval is Approval.PENDING:
        return (Issue(code="B10", severity=Severity.INFORMATION, field="approval"),)
    if document.approval is Approval.REFUSED:
        return (Issue(code="D17", severity=Severity.INFORMATION, field="approval"),)
    return None
