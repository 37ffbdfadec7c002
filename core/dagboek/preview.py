"""What a synchronisation would do now: entries as journal lines, and what would be skipped. Writes nothing anywhere.

The source is listed and read, then the same rules and the same pure mapping run with the same context as in a run:
what is shown is what would be sent. The accounting tool itself is not asked.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

from dagboek_schemas.documents import Document, Party
from dagboek_schemas.identity import party_identity
from dagboek_schemas.issues import Issue, Severity
from dagboek_schemas.revision import document_revision, same_document
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk.accounting import AccountingPlugin, MappingContext
from dagboek_sdk.attempt import Booking, JournalLine
from dagboek_sdk.errors import NotReady, Refused
from dagboek_sdk.source import DocumentSource, Fetched

from dagboek import connections, contexts, sources
from dagboek.database import Database
from dagboek.origins import called, component_of, identity_of, party_component, sort_key
from dagboek.plugins import Plugins, unexpected
from dagboek.vault import Vault

FETCH = 100


class Would(StrEnum):
    """What would become of an item."""

    BOOK = "book"
    UPDATE = "update"
    UNCHANGED = "unchanged"
    SKIP = "skip"
    NOT_READY = "not ready"
    SETTLE = "to settle"
    """Sent before, and the answer is not known yet."""
    PERSON = "needs a person"


@dataclass(frozen=True, slots=True)
class PreviewRow:
    """One document or party."""

    component: Component | None
    """None for what could not be read."""
    kind: ItemKind
    title: str
    would: Would
    party: str | None = None
    issue_date: date | None = None
    gross: Decimal | None = None
    currency: str | None = None
    journal: str | None = None
    lines: tuple[JournalLine, ...] = ()
    issues: tuple[Issue, ...] = ()
    origin_id: str | None = None
    booking_number: str | None = None
    """Of the entry that is there already."""
    order: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Preview:
    """All that a run would consist of, in the order of the work; unreadable files come last."""

    rows: tuple[PreviewRow, ...]
    context_version: int


async def preview(db: Database, plugins: Plugins, vault: Vault, connection_id: UUID) -> Preview:
    """What the next run of a connection would do. ConnectionProblem, NoContext, SourceUnavailable."""
    await connections.find(db, connection_id)
    row = await db.one("SELECT * FROM connection WHERE id = %s", connection_id)
    assert row is not None
    version, context = await contexts.current(db, connection_id)
    entity = await db.one("SELECT * FROM entity WHERE id = %s", row["entity_id"])
    assert entity is not None
    tool = await connections.open_tool(db, plugins, vault, connection_id)
    try:
        pass_ = _Pass(db, plugins, tool, context, entity, row["administration_id"])
        for source in await db.all("SELECT * FROM source WHERE tenant_id = %s ORDER BY created_at", row["tenant_id"]):
            reader = sources.open_source(db, plugins, source, entity)
            try:
                async for part in _fetched(reader):
                    await pass_.take(part)
            finally:
                await reader.close()
    finally:
        await tool.close()
    return Preview(tuple(sorted(pass_.rows, key=_place)), version)


def _place(row: PreviewRow) -> tuple[int, str]:
    return (row.component.position if row.component else len(Component)), row.order


async def _fetched(reader: DocumentSource) -> AsyncIterator[Sequence[Fetched]]:
    async for page in reader.list(None):
        ids = [one.origin_id for one in page]
        for at in range(0, len(ids), FETCH):
            yield await reader.fetch(ids[at : at + FETCH])


@dataclass
class _Pass:
    """One reading of all sources."""

    db: Database
    plugins: Plugins
    tool: AccountingPlugin
    context: MappingContext
    entity: Mapping[str, Any]
    administration_id: UUID | None
    rows: list[PreviewRow] = field(default_factory=list)
    origins: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Identity → first origin and revision."""
    parties: dict[tuple[str, Component], bool] = field(default_factory=dict)
    """Whether a party could be booked."""

    async def take(self, part: Sequence[Fetched]) -> None:
        """Adds rows for what was fetched."""
        ours = [(one, one.document) for one in part if one.document is not None and not one.hidden]
        identities = {one.origin_id: identity_of(document, self.entity) for one, document in ours}
        wanted = {*identities.values(), *(party_identity(document.other_party) for _, document in ours)}
        links = await self._links(wanted)
        for one in part:
            if one.hidden or (one.document is None and not one.issues):
                continue
            if one.document is None:
                self.rows.append(_unreadable(one))
            else:
                self._document(one, one.document, identities[one.origin_id], links)

    async def _links(self, identities: set[str]) -> dict[str, Mapping[str, Any]]:
        rows = await self.db.all(
            "SELECT * FROM link WHERE administration_id = %s AND current AND identity = ANY(%s)",
            self.administration_id,
            list(identities),
        )
        return {row["identity"]: row for row in rows}

    def _document(
        self, fetched: Fetched, document: Document, identity: str, links: Mapping[str, Mapping[str, Any]]
    ) -> None:
        link = links.get(identity)
        would, issues, booking = self._decided(fetched, document, identity, link)
        component = component_of(document)
        if would in (Would.BOOK, Would.UPDATE) and not self._party_fits(document.other_party, component, links):
            would, booking = Would.SKIP, None
            issues = (Issue(code="D08", facts={"number": document.number}),)
        self.rows.append(
            PreviewRow(
                component=component,
                kind=ItemKind.DOCUMENT,
                title=document.number,
                would=would,
                party=document.other_party.name,
                issue_date=document.issue_date,
                gross=document.totals.gross,
                currency=document.currency,
                journal=booking.journal if booking else None,
                lines=booking.lines if booking else (),
                issues=(*issues, *fetched.issues),
                origin_id=fetched.origin_id,
                booking_number=link["entry_number"] if link else None,
                order=sort_key(document),
            )
        )

    def _decided(
        self, fetched: Fetched, document: Document, identity: str, link: Mapping[str, Any] | None
    ) -> tuple[Would, tuple[Issue, ...], Booking | None]:
        first = self.origins.setdefault(identity, (fetched.origin_id, document_revision(document)))
        if first[0] != fetched.origin_id:
            return Would.SKIP, (_duplicate(document, fetched.origin_id, first),), None
        state = link["state"] if link else "free"
        if link and state in ("intent", "needs_person"):
            stored = link["needs_person_issue"]
            known = (Issue.model_validate(stored),) if stored else ()
            return (Would.SETTLE if state == "intent" else Would.PERSON), known, None
        booked = bool(link and state in ("booked", "accepted"))
        if link and booked:
            if link["revision"] and same_document(link["revision"], document):
                return Would.UNCHANGED, (), None
            if not self.tool.about.updates_documents:
                facts = {"number": document.number, "booking_number": link["entry_number"] or "?"}
                return Would.SKIP, (Issue(code="D07", facts=facts),), None
        return self._mapped(document, Would.UPDATE if booked else Would.BOOK)

    def _mapped(self, document: Document, would: Would) -> tuple[Would, tuple[Issue, ...], Booking | None]:
        component = component_of(document)
        issues = self.plugins.validate_document(document, component, self.context)
        if issues:
            return _verdict(issues), tuple(issues), None
        try:
            return would, (), self.tool.map_document(document, component, self.context)
        except Refused as refused:
            return Would.SKIP, refused.issues, None
        except NotReady as waiting:
            return Would.NOT_READY, (waiting.issue,), None
        except Exception as bug:
            return Would.SKIP, (unexpected(self.tool.about.name, bug),), None

    def _party_fits(self, party: Party, component: Component, links: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether the other party is or can be booked; the first time it gets a row of its own."""
        if self.tool.about.parties_inside_documents:
            return True
        identity, role = party_identity(party), party_component(component)
        if (identity, role) in self.parties:
            return self.parties[identity, role]
        link = links.get(identity)
        known = link is not None and link["state"] == "booked" and role in link["roles"]
        would, issues = (Would.UNCHANGED, ()) if known else self._mapped_party(party, role, link)
        self.parties[identity, role] = would is not Would.SKIP
        self.rows.append(
            PreviewRow(
                component=role, kind=ItemKind.PARTY, title=party.name, would=would, issues=issues, order=party.name
            )
        )
        return self.parties[identity, role]

    def _mapped_party(
        self, party: Party, role: Component, link: Mapping[str, Any] | None
    ) -> tuple[Would, tuple[Issue, ...]]:
        issues = self.plugins.validate_party(party, role, self.context)
        if issues:
            return _verdict(issues), tuple(issues)
        try:
            self.tool.map_party(party, role, self.context)
        except Refused as refused:
            return Would.SKIP, refused.issues
        except Exception as bug:
            return Would.SKIP, (unexpected(self.tool.about.name, bug),)
        return (Would.UPDATE if link and link["state"] == "booked" else Would.BOOK), ()


def _verdict(issues: Sequence[Issue]) -> Would:
    """As in a run: what is only information waits, anything else is skipped."""
    return Would.NOT_READY if all(one.severity is Severity.INFORMATION for one in issues) else Would.SKIP


def _duplicate(document: Document, origin: str, first: tuple[str, str]) -> Issue:
    same, number = first[1] == document_revision(document), document.number
    return Issue(
        code="D05" if same else "D06",
        severity=Severity.INFORMATION if same else Severity.WARNING,
        facts={"number": number, "origin": called(origin, number), "first": called(first[0], number)},
    )


def _unreadable(fetched: Fetched) -> PreviewRow:
    return PreviewRow(
        component=None,
        kind=ItemKind.DOCUMENT,
        title=fetched.origin_id,
        would=_verdict(fetched.issues),
        issues=fetched.issues,
        origin_id=fetched.origin_id,
        order=fetched.origin_id,
    )
