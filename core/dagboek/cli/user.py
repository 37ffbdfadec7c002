"""`dagboek user`: who can sign in to console and API."""

from typing import Annotated

import typer

from dagboek.cli import tables
from dagboek.cli.failures import CommandFailed
from dagboek.cli.running import web_address
from dagboek.cli.session import Session, open_session, run, who
from dagboek.tenants import Tenant, find_tenant
from dagboek.web.rights import Role
from dagboek.web.signin import links, people, trail

Email = Annotated[str, typer.Argument(metavar="E-MAIL", help="address that the user signs in with")]


def register(app: typer.Typer) -> None:
    """Adds the command."""
    group = typer.Typer(help="Users of console and API, and what they may do.")
    app.add_typer(group, name="user")

    @group.command("add")
    def add(
        email: Email,
        tenant: Annotated[str | None, typer.Option(help="of which they are a member")] = None,
        role: Annotated[str, typer.Option(help="viewer, bookkeeper or admin")] = Role.ADMIN,
        name: Annotated[str, typer.Option(help="as others see it")] = "",
        operator: Annotated[
            bool | None, typer.Option("--operator/--no-operator", help="of the whole installation, all tenants")
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    ) -> None:
        """Make a user, or change their role; prints a link for the first sign-in."""
        run(lambda: _add(email, tenant, role, name, operator, as_json))

    @group.command("link")
    def link(email: Email, as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False) -> None:
        """Print a link that signs the user in once, to choose a password."""
        run(lambda: _link(email, as_json))

    @group.command("list")
    def list_(
        tenant: Annotated[str | None, typer.Option(help="of one tenant")] = None,
        as_json: Annotated[bool, typer.Option("--json", help="for programs")] = False,
    ) -> None:
        """Users, with their tenants and roles."""
        run(lambda: _list(tenant, as_json))

    @group.command("remove")
    def remove(email: Email, tenant: Annotated[str, typer.Option(help="that they leave")]) -> None:
        """Take a user out of a tenant."""
        run(lambda: _remove(email, tenant))

    @group.command("disable")
    def disable(email: Email) -> None:
        """Keep a user from signing in; what they have open ends."""
        run(lambda: _disable(email))

    @group.command("enable")
    def enable(email: Email) -> None:
        """Let a user sign in again."""
        run(lambda: _enable(email))


async def _add(email: str, tenant: str | None, role: str, name: str, operator: bool | None, as_json: bool) -> None:
    if role not in tuple(Role):
        raise CommandFailed(f"There is no role {role}. Choose one of: {', '.join(Role)}.")
    chosen = Role(role)
    async with open_session() as session:
        found = await _tenant(session, tenant, needed=not operator)
        person = await people.ensure_person(session.db, email, name, operator=operator)
        if found is not None:
            await people.set_role(session.db, found.id, person.id, chosen)
            await trail.note(
                session.db, found.id, f"command line {who() or ''}".strip(), "member.role", person.email, role=chosen
            )
        address = await _address(session, person)
    if as_json:
        tables.print_json({"email": person.email, "link": address})
        return
    what = f"{chosen} of {found.name}" if found else "operator"
    tables.console().print(tables.cell(f"{person.email} is {what}. To sign in, once, within two days:"))
    tables.console().print(tables.cell(address), soft_wrap=True)


async def _tenant(session: Session, named: str | None, *, needed: bool) -> Tenant | None:
    if named is not None:
        return await find_tenant(session.db, named)
    if not needed:
        return None
    rows = await session.db.all("SELECT id, name FROM tenant ORDER BY name LIMIT 2")
    if len(rows) == 1:
        return Tenant(**rows[0])
    raise CommandFailed("Say of which tenant, with --tenant." if rows else "There is no tenant yet: `dagboek connect`.")


async def _address(session: Session, person: people.Person) -> str:
    token = await links.make_link(session.db, person.id)
    return f"{web_address(session.settings)}{links.PATH}{token}"


async def _link(email: str, as_json: bool) -> None:
    async with open_session() as session:
        person = await people.find_person(session.db, email)
        address = await _address(session, person)
    if as_json:
        tables.print_json({"email": person.email, "link": address})
        return
    tables.console().print("To sign in, once, within two days:")
    tables.console().print(tables.cell(address), soft_wrap=True)


async def _list(tenant: str | None, as_json: bool) -> None:
    async with open_session() as session:
        found = await find_tenant(session.db, tenant) if tenant else None
        rows = await people.people(session.db, found.id if found else None)
    if as_json:
        tables.print_json([dict(row) for row in rows])
        return
    out = tables.console()
    if not rows:
        out.print("There is no user yet. `dagboek user add E-MAIL` makes one.")
        return
    shown = tables.table("e-mail", "name", "tenant", "role", "remarks")
    for row in rows:
        remarks = [
            word
            for word, holds in (
                ("operator", row["operator"]),
                ("disabled", row["disabled_at"]),
                ("no password yet", not row["has_password"]),
            )
            if holds
        ]
        shown.add_row(*map(tables.cell, (row["email"], row["name"], row["tenant"], row["role"], ", ".join(remarks))))
    out.print(shown)


async def _remove(email: str, tenant: str) -> None:
    async with open_session() as session:
        found = await find_tenant(session.db, tenant)
        person = await people.find_person(session.db, email)
        if not await people.remove_member(session.db, found.id, person.id):
            raise CommandFailed(f"{person.email} is no member of {found.name}.", code=1)
        await trail.note(session.db, found.id, f"command line {who() or ''}".strip(), "member.remove", person.email)
    tables.console().print(tables.cell(f"{person.email} is no member of {found.name} any more."))


async def _disable(email: str) -> None:
    async with open_session() as session:
        person = await people.find_person(session.db, email)
        await people.disable(session.db, person.id)
    tables.console().print(tables.cell(f"{person.email} cannot sign in any more."))


async def _enable(email: str) -> None:
    async with open_session() as session:
        person = await people.find_person(session.db, email)
        await people.enable(session.db, person.id)
    tables.console().print(tables.cell(f"{person.email} can sign in again."))
