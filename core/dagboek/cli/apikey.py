"""`dagboek apikey`: keys for programs that use the API."""

from typing import Annotated
from uuid import UUID

import typer

from dagboek.cli import tables
from dagboek.cli.failures import CommandFailed, listed
from dagboek.cli.session import open_session, run, who
from dagboek.tenants import find_tenant
from dagboek.web.rights import SCOPES, Right
from dagboek.web.signin import keys, trail


def register(app: typer.Typer) -> None:
    """Adds the command."""
    group = typer.Typer(help="Keys for programs that use the API.")
    app.add_typer(group, name="apikey")

    @group.command("add")
    def add(
        name: Annotated[str, typer.Argument(help="of the program, for the trail")],
        tenant: Annotated[str, typer.Option(help="whose data it opens")],
        scope: Annotated[list[str] | None, typer.Option(help=f"one or more of {', '.join(SCOPES)}")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    ) -> None:
        """Make a key; it is shown once."""
        run(lambda: _add(name, tenant, scope or [Right.READ], as_json))

    @group.command("list")
    def list_(as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
        """Keys, without their secrets."""
        run(lambda: _list(as_json))

    @group.command("revoke")
    def revoke(key: Annotated[str, typer.Argument(help="its id, as `apikey list` shows it")]) -> None:
        """End a key."""
        run(lambda: _revoke(key))


async def _add(name: str, tenant: str, scopes: list[str], as_json: bool) -> None:
    unknown = [scope for scope in scopes if scope not in SCOPES]
    if unknown or not name.strip():
        raise CommandFailed(
            f"There is no scope {listed(unknown)}. Choose of: {', '.join(SCOPES)}."
            if unknown
            else "A key needs a name."
        )
    async with open_session() as session:
        found = await find_tenant(session.db, tenant)
        by = f"command line {who() or ''}".strip()
        secret, made = await keys.make_key(session.db, found.id, name, [Right(scope) for scope in scopes], by)
        await trail.note(session.db, found.id, by, "api_key.add", made.id, name=made.name, scopes=made.scopes)
    if as_json:
        tables.print_json({"id": made.id, "key": secret})
        return
    tables.console().print("It is shown this once:")
    tables.console().print(tables.cell(secret), soft_wrap=True)


async def _list(as_json: bool) -> None:
    async with open_session() as session:
        found = await keys.keys(session.db)
        names = {row["id"]: row["name"] for row in await session.db.all("SELECT id, name FROM tenant")}
    if as_json:
        tables.print_json(found)
        return
    shown = tables.table("id", "tenant", "name", "begins", "scopes", "made by", "last used", "ended")
    for key in found:
        ended = key.revoked_at or key.expires_at
        cells = (key.id, names.get(key.tenant_id), key.name, key.start, ", ".join(key.scopes), key.created_by)
        shown.add_row(*map(tables.cell, cells), tables.moment(key.used_at), tables.moment(ended))
    tables.console().print(shown if found else "There is no key. `dagboek apikey add` makes one.")


async def _revoke(key: str) -> None:
    try:
        key_id = UUID(key)
    except ValueError:
        raise CommandFailed(f"{key} is no id of a key. `dagboek apikey list` shows them.") from None
    async with open_session() as session:
        found = await keys.find_key(session.db, key_id)
        if found is None or not await keys.revoke(session.db, key_id):
            raise CommandFailed("There is no such key, or it was revoked already.", code=1)
        await trail.note(session.db, found.tenant_id, f"command line {who() or ''}".strip(), "api_key.revoke", key_id)
    tables.console().print(tables.cell(f"The key {found.name} opens nothing any more."))
