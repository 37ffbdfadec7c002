"""A journal is chosen for the kind of document, and the tool has it (product.md sections 1.3 and 4.6)."""

from collections.abc import Sequence

from dagboek_schemas.documents import Document
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component
from dagboek_sdk.accounting import MappingContext
from dagboek_sdk.hooks import hookimpl


@hookimpl
def dagboek_validate_document(
    document: Document, component: Component, context: MappingContext
) -> Sequence[Issue] | None:
    """R05 when none is chosen, D25 when the tool's list has it no more. Tools without journals list none."""
    journals = context.lists.get("journals")
    if not journals:
        return None
    chosen = context.settings.side(document.direction).journal(document.kind)
    if not chosen:
        return (Issue(code="R05", facts={"direction": document.direction, "kind": document.kind}),)
    for row in journals:
        if row.code == chosen and row.active:
            return None
    return (Issue(code="D25", facts={"journal": chosen}),)
