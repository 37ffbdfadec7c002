"""`dagboek retry`: one document again, in a small run of its own."""

from typing import Annotated
from uuid import UUID

import typer

from dagboek.cli.failures import CommandFailed, listed
from dagboek.cli.selecting import Target, targets, tenant_of_run, tenants
from dagboek.cli.session import Session, language_of, open_session, run, who
from dagboek.cli.sync import finish, show_started
from dagboek.cli.wording import Wording
from dagboek.documents import SYNCED, DocumentRow, documents
from dagboek.history import run_details
from dagboek.resolve import retry


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("retry")
    def command(
        first: Annotated[str, typer.Argument(metavar="RUN|DOCUMENT", help="a run, or the number of a document")],
        item: Annotated[str | None, typer.Argument(metavar="[ITEM]", help="a document of that run")] = None,
        tenant: Annotated[str | None, typer.Option(help="of one tenant")] = None,
        no_wait: Annotated[bool, typer.Option("--no-wait", help="start only")] = False,
        language: Annotated[str | None, typer.Option(help="of causes and remedies: nl, fr or en")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    ) -> None:
        """Try one document again now, with its customer or supplier where that is not booked."""
        wanted = language_of(language)
        raise typer.Exit(run(lambda: _retry(first, item, tenant, no_wait, wanted, as_json)))


async def _retry(first: str, item: str | None, tenant: str | None, no_wait: bool, language: str, as_json: bool) -> int:
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
        return await finish(session, started, Wording(session.plugins, language), as_json)


async def _administration(session: Session, connection_id: UUID) -> UUID:
    row = await session.db.one("SELECT administration_id FROM connection WHERE id = %s", connection_id)
    if row is None or row["administration_id"] is None:
        raise CommandFailed("The set-up of this connection is not complete. Finish it with `dagboek settings`.")
    return UUID(str(row["administration_id"]))


async def _item(session: Session, named: str, item: str, tenant: str | None) -> tuple[UUID, UUID, str]:
    tenant_id = await tenant_of_run(session.db, named, tenant)
    found = await run_details(session.db, tenant_id, named, everything=True)
    fitting = {one.identity for one in found.details if item in (one.title, one.identity, one.origin_id)}
    if len(fitting) != 1:
        titles = listed([one.title for one in found.details if one.issues])
        what = "has no item" if not fitting else "has several items"
        raise CommandFailed(f"Run {named} {what} called {item}. With issues: {titles}.")
    row = await session.db.one("SELECT entity_id FROM run WHERE id = %s", found.summary.id)
    assert row is not None
    return tenant_id, row["entity_id"], fitting.pop()


async def _document(session: Session, number: str, tenant: str | None) -> tuple[UUID, UUID, str]:
    found: list[tuple[UUID, DocumentRow]] = []
    for one in await tenants(session.db, tenant):
        found += [(one.id, row) for row in await documents(session.db, one.id, named=number) if row.identity]
    waiting = [(tenant_id, row) for tenant_id, row in found if row.standing not in SYNCED]
    if len(waiting) != 1:
        if found and not waiting:
            raise CommandFailed(f"{number} is booked already as {found[0][1].booking_number}.", code=1)
        what = "No document is" if not found else "Several documents are"
        raise CommandFailed(f"{what} called {number}. `dagboek documents --not-synced` lists them; name its RUN too.")
    tenant_id, row = waiting[0]
    entity = await session.db.one(
        "SELECT entity_id FROM document WHERE tenant_id = %s AND identity = %s", tenant_id, row.identity
    )
    if entity is None or row.identity is None:
        raise CommandFailed(f"{number} could not be read, so it cannot be tried on its own. Correct the file and sync.")
    return tenant_id, entity["entity_id"], row.identity
