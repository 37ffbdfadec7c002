"""`dagboek retry`: one document again, in a small run of its own."""

from collections.abc import Sequence
from typing import Annotated
from uuid import UUID

import typer
from dagboek_schemas.statuses import ItemKind

from dagboek.cli.failures import CommandFailed, listed
from dagboek.cli.selecting import Target, targets, tenant_of_run, tenants
from dagboek.cli.session import Session, language_of, open_session, run, who
from dagboek.cli.sync import Timeout, finish, show_started
from dagboek.cli.wording import Wording
from dagboek.documents import SYNCED, DocumentRow, Standing, documents
from dagboek.history import run_details
from dagboek.resolve import retry

_UNREADABLE = (
    "{} could not be read as a document, so it cannot be tried on its own. Correct the file, then `dagboek sync`: it "
    "is read again."
)


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("retry")
    def command(
        first: Annotated[str, typer.Argument(metavar="RUN|DOCUMENT", help="a run, or the number of a document")],
        item: Annotated[str | None, typer.Argument(metavar="[ITEM]", help="a document of that run")] = None,
        tenant: Annotated[str | None, typer.Option(help="of one tenant")] = None,
        no_wait: Annotated[bool, typer.Option("--no-wait", help="start only")] = False,
        timeout: Timeout = None,
        language: Annotated[str | None, typer.Option(help="of causes and remedies: nl, fr or en")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    ) -> None:
        """Try one document again now, with its customer or supplier where that is not booked."""
        wanted = language_of(language)
        raise typer.Exit(run(lambda: _retry(first, item, tenant, no_wait, wanted, timeout, as_json)))


async def _retry(
    first: str,
    item: str | None,
    tenant: str | None,
    no_wait: bool,
    language: str,
    timeout: float | None,
    as_json: bool,
) -> int:
    async with open_session(broker=True) as session:
        if item is None:
            tenant_id, entity, identity = await _document(session, first, tenant)
        else:
            tenant_id, entity, identity = await _item(session, first, item, tenant)
        chosen = [one for one in await targets(session.db, tenant_id) if one.entity_id == entity]
        if not chosen:
            raise CommandFailed("No connection books this entity's documents. Make one with `dagboek connect`.")
        started: list[tuple[Target, UUID]] = [
            (
                one,
                await retry(session.db, session.publisher, await _administration(session, one.id), identity, by=who()),
            )
            for one in chosen
        ]
        if no_wait:
            show_started(started, as_json)
            return 0
        return await finish(session, started, Wording(session.plugins, language), as_json, timeout)


async def _administration(session: Session, connection_id: UUID) -> UUID:
    row = await session.db.one("SELECT administration_id FROM connection WHERE id = %s", connection_id)
    if row is None or row["administration_id"] is None:
        raise CommandFailed("The set-up of this connection is not complete. Connect it again with `dagboek connect`.")
    return UUID(str(row["administration_id"]))


async def _item(session: Session, named: str, item: str, tenant: str | None) -> tuple[UUID, UUID, str]:
    tenant_id = await tenant_of_run(session.db, named, tenant)
    found = await run_details(session.db, tenant_id, named, everything=True)
    fitting = {one.identity: one for one in found.details if item in (one.title, one.identity, one.origin_id)}
    if len(fitting) != 1:
        titles = listed([one.title for one in found.details if one.issues])
        what = "has no item" if not fitting else "has several items"
        raise CommandFailed(f"Run {named} {what} called {item}. With issues: {titles}.")
    identity, chosen = fitting.popitem()
    if chosen.kind is not ItemKind.DOCUMENT:
        raise CommandFailed(f"{item} is no document. Retry a document of this customer or supplier: it goes along.")
    entity_id = await _entity_of(session, tenant_id, identity)
    if entity_id is None:
        raise CommandFailed(_UNREADABLE.format(item))
    return tenant_id, entity_id, identity


async def _document(session: Session, number: str, tenant: str | None) -> tuple[UUID, UUID, str]:
    rows = [
        (one.id, row)
        for one in await tenants(session.db, tenant)
        for row in await documents(session.db, one.id, named=number)
    ]
    found = [(tenant_id, row) for tenant_id, row in rows if row.identity and row.standing is not Standing.DUPLICATE]
    waiting = [(tenant_id, row) for tenant_id, row in found if row.standing not in SYNCED]
    if len(waiting) == 1:
        tenant_id, row = waiting[0]
        entity_id = await _entity_of(session, tenant_id, row.identity or "")
        if entity_id is not None:
            return tenant_id, entity_id, row.identity or ""
    if waiting:
        raise CommandFailed(
            f"Several documents are called {number}. Name the RUN of the one that is meant, or --tenant."
        )
    if found:
        raise CommandFailed(f"{number} is booked already as {found[0][1].booking_number}.", code=1)
    raise CommandFailed(_nothing_to_try(number, [row for _, row in rows]))


def _nothing_to_try(number: str, rows: Sequence[DocumentRow]) -> str:
    if not rows:
        return f"No document is called {number}. `dagboek documents --not-synced` lists them."
    if rows[0].duplicate_of:
        return f"{number} is there already as {rows[0].duplicate_of}, so there is nothing to try again."
    return _UNREADABLE.format(rows[0].title)


async def _entity_of(session: Session, tenant_id: UUID, identity: str) -> UUID | None:
    """The entity of a document; None for a file of which no document could be made."""
    row = await session.db.one(
        "SELECT entity_id FROM document WHERE tenant_id = %s AND identity = %s", tenant_id, identity
    )
    return row["entity_id"] if row else None
