"""Hooks, declared with pluggy under the name `dagboek`; plugins are found by entry points of the same name."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pluggy
from dagboek_schemas.documents import Document, Party
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.statuses import Component

from dagboek_sdk.accounting import AccountingPlugin, MappingContext
from dagboek_sdk.sandbox import SandboxCommand
from dagboek_sdk.source import DocumentReader, DocumentSource

PROJECT = "dagboek"
hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@dataclass(frozen=True, slots=True)
class CatalogueText:
    """Title, cause and remedy of an issue in one language; `{name}` is filled from the issue's facts.

    `{name:amount}`: a number such as 1234.50, which is written as the reader's language has it (1.234,50).
    """

    title: str
    cause: str
    remedy: str


@dataclass(frozen=True, slots=True)
class CatalogueEntry:
    """An entry of the issue catalogue, in nl, fr and en."""

    code: str
    texts: Mapping[str, CatalogueText]
    severity: Severity = Severity.WARNING
    link: str | None = None
    """Template of the page where it is fixed."""
    tool: str | None = None
    components: frozenset[Component] = field(default_factory=frozenset)


@hookspec
def dagboek_accounting_plugins() -> Sequence[type[AccountingPlugin]]:
    """Accounting tools that this distribution can book into."""
    return ()


@hookspec
def dagboek_sources() -> Sequence[type[DocumentSource]]:
    """Sources that this distribution can read documents from."""
    return ()


@hookspec
def dagboek_readers() -> Sequence[type[DocumentReader]]:
    """Formats of documents that this distribution can read, for documents that are sent in."""
    return ()


@hookspec
def dagboek_issue_catalogue() -> Sequence[CatalogueEntry]:
    """Entries for the issue catalogue. A code that is there already is refused at the start."""
    return ()


@hookspec
def dagboek_sandboxes() -> Sequence[SandboxCommand]:
    """Sandbox servers that `dagboek sandbox NAME` can run."""
    return ()


@hookspec
def dagboek_validate_document(
    document: Document, component: Component, context: MappingContext
) -> Sequence[Issue] | None:
    """Why a document is not booked, found before the tool is asked.

    Warnings and errors skip it. Information means that it is not ready yet and wins over the others: it waits.
    A remark on what is booked all the same belongs in `Booking.remarks`.
    """


@hookspec
def dagboek_validate_party(party: Party, component: Component, context: MappingContext) -> Sequence[Issue] | None:
    """Why a party does not go to the tool, as for documents."""
