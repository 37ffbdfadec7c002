"""`dagboek connect`: ties an entity to its books in an accounting tool."""

import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import click
import orjson
import typer
from dagboek_schemas.identity import normal_number
from dagboek_sdk.accounting import AccountingPlugin, Administration
from dagboek_sdk.errors import LoginBroken, Throttled
from pydantic import BaseModel

from dagboek import connections, contexts
from dagboek.cli import tables
from dagboek.cli.failures import CommandFailed, listed
from dagboek.cli.proposing import propose_settings
from dagboek.cli.session import Session, open_session, run
from dagboek.cli.wording import Wording
from dagboek.connections import ConnectionRow
from dagboek.logins import names_of_secrets
from dagboek.settings import ENV_PREFIX
from dagboek.tenants import Entity, Unusable, ensure_entity, ensure_tenant, find_entity

FRESH = timedelta(hours=1)
"""Lists that were read within this time are taken as they are; `dagboek settings refresh` reads them anew."""


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("connect")
    def command(
        tool: Annotated[str, typer.Argument(help="such as octopus")],
        tenant: Annotated[str, typer.Option(help="customer account; made if there is none")],
        entity: Annotated[str, typer.Option(help="company whose books are kept; made if there is none")],
        vat: Annotated[str | None, typer.Option(help="VAT number of the company")] = None,
        company_number: Annotated[str | None, typer.Option(help="where it has no VAT number")] = None,
        fiscal_year_start: Annotated[int | None, typer.Option(min=1, max=12, help="month")] = None,
        base_url: Annotated[str | None, typer.Option(help="address of the tool, such as that of a sandbox")] = None,
        values: Annotated[
            list[str] | None,
            typer.Option("--set", metavar="NAME=VALUE", help="a setting of the login; may be repeated"),
        ] = None,
        credentials_file: Annotated[
            Path | None, typer.Option(help="JSON with settings of the login, or what `dagboek sandbox --json` prints")
        ] = None,
        administration: Annotated[str | None, typer.Option(help="the books to use, by id or name")] = None,
        start_date: Annotated[datetime | None, typer.Option(formats=["%Y-%m-%d"], help="book from this day on")] = None,
        accept: Annotated[bool, typer.Option("--accept", help="store the proposed settings")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="for programs; asks nothing")] = False,
    ) -> None:
        """Connect a company to its books: credentials, administration, proposed settings.

        What is not given is taken from DAGBOEK_<TOOL>_<NAME>, such as DAGBOEK_OCTOPUS_PASSWORD, or asked for.
        """
        from_file, from_options = _from_file(credentials_file), _from_options(values or (), base_url)

        async def program() -> None:
            async with open_session() as session:
                company = await _company(session, tenant, entity, vat, company_number, fiscal_year_start)
                setup = _Setup(session, tool, company, as_json)
                await setup.connect({**setup.own_names(from_file), **from_options}, administration)
                await setup.settle(start_date.date() if start_date else None, accept)

        run(program)


class _Setup:
    """One connection being made; asks on a terminal, unless a program reads."""

    def __init__(self, session: Session, tool: str, entity: Entity, as_json: bool) -> None:
        self._session = session
        self._tool_class = session.plugins.tool(tool)
        self._entity = entity
        self._json = as_json
        self._asks = sys.stdin.isatty() and not as_json
        self._row: ConnectionRow

    def own_names(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Settings under the names of the plugin. A sandbox tells the tool's own names, and more than a login takes."""
        if not isinstance(given.get("credentials"), dict):
            return dict(given)
        told = {_snake_case(name): value for name, value in {**given, **given["credentials"]}.items()}
        return {name: value for name, value in told.items() if name in self._tool_class.about.settings.model_fields}

    async def connect(self, given: Mapping[str, Any], wanted: str | None) -> None:
        """Credentials, then the administration."""
        about, session = self._tool_class.about, self._session
        settings = _completed(about.settings, about.name, given, self._asks)
        try:
            begun = await connections.connect(
                session.db,
                session.plugins,
                session.vault,
                tenant_id=self._entity.tenant_id,
                entity_id=self._entity.id,
                plugin=about.name,
                given=settings,
            )
        except LoginBroken as broken:
            text = Wording(session.plugins, "en").of(broken.issue)
            words = f" Its words: {broken.tool_words}" if broken.tool_words else ""
            raise CommandFailed(f"{about.title}: {text.cause} {text.remedy}{words}") from None
        chosen = self._chosen(begun.administrations, wanted)
        self._row = await connections.choose_administration(
            session.db, session.plugins, session.vault, begun.connection_id, chosen
        )
        self._say(f"{self._entity.name} is connected to {chosen.name} ({chosen.id}) as {str(self._row.id)[:8]}.")
        self._compare(chosen)

    async def settle(self, start_date: date | None, accept: bool) -> None:
        """Lists, missing rights, proposals."""
        session = self._session
        tool = await connections.open_tool(session.db, session.plugins, session.vault, self._row.id)
        try:
            await self._rights(tool)
            await contexts.refresh(session.db, self._row.id, tool, older_than=FRESH)
        except Throttled as spent:
            short = str(self._row.id)[:8]
            raise CommandFailed(
                f"{self._entity.name} is connected as {short}, but the tool gives its lists only so often, and that is "
                f"used up until {tables.moment(spent.until) or 'later'} UTC. Then go on with "
                f"`dagboek settings refresh {short}` and `dagboek settings propose {short}`."
            ) from None
        finally:
            await tool.close()
        await propose_settings(
            session, self._row.id, start_date=start_date, accept=accept, asks=self._asks, as_json=self._json
        )

    async def _rights(self, tool: AccountingPlugin) -> None:
        wording = Wording(self._session.plugins, "en")
        for issue in await tool.missing_rights():
            text = wording.of(issue)
            self._say(f"{text.title}: {text.cause} {text.remedy}", "yellow")

    def _chosen(self, administrations: Sequence[Administration], wanted: str | None) -> Administration:
        usable = [one for one in administrations if not one.disabled]
        if wanted is not None:
            fitting = [one for one in administrations if one.id == wanted]
            fitting = fitting or [one for one in usable if one.name.casefold() == wanted.casefold()]
            if len(fitting) == 1:
                return fitting[0]
            what = "Several administrations are called" if fitting else "This login does not reach an administration"
            raise CommandFailed(f"{what} {wanted}. It reaches: {_names(usable)}.")
        if len(usable) == 1:
            return usable[0]
        if not usable:
            raise CommandFailed("This login reaches no administration. Give the user access to the books in the tool.")
        if not self._asks:
            raise CommandFailed(f"Say which books with --administration ID. This login reaches: {_names(usable)}.")
        return _asked_for(usable, self._entity)

    def _compare(self, chosen: Administration) -> None:
        theirs, ours = normal_number(chosen.vat_number or ""), self._entity.vat_number or ""
        if theirs and ours and theirs.removeprefix("BE") != ours.removeprefix("BE"):
            self._say(
                f"Mind: the books are those of {theirs}, the company is {ours}. "
                "Delete the connection if that is wrong: dagboek connection delete",
                "yellow",
            )

    def _say(self, text: str, style: str = "") -> None:
        if not self._json:
            tables.console().print(tables.cell(text), style=style)


async def _company(
    session: Session,
    tenant: str,
    name: str,
    vat: str | None,
    company_number: str | None,
    fiscal_year_start: int | None,
) -> Entity:
    owner = await ensure_tenant(session.db, tenant)
    if vat is None and company_number is None:
        try:
            return await find_entity(session.db, owner.id, name)
        except Unusable:
            raise CommandFailed(
                f"{name} is new: give its --vat number, or its --company-number. Whether an invoice is a sale or a "
                "purchase is decided by it."
            ) from None
    return await ensure_entity(
        session.db,
        owner.id,
        name,
        vat_number=vat,
        company_number=company_number,
        fiscal_year_start=fiscal_year_start,
    )


def _completed(model: type[BaseModel], tool: str, given: Mapping[str, Any], asks: bool) -> dict[str, Any]:
    """`given`, then the environment, then answers for what has no default."""
    settings, secret = dict(given), set(names_of_secrets(model))
    for name, one in model.model_fields.items():
        variable = f"{ENV_PREFIX}{tool}_{name}".upper()
        if name not in settings and os.environ.get(variable):
            settings[name] = os.environ[variable]
        if name not in settings and one.is_required() and asks:
            settings[name] = typer.prompt(one.title or name, hide_input=name in secret, err=True)
    return settings


def _from_options(values: Sequence[str], base_url: str | None) -> dict[str, Any]:
    found: dict[str, Any] = {"base_url": base_url} if base_url else {}
    for value in values:
        name, equals, text = value.partition("=")
        if not equals or not name:
            raise CommandFailed("--set takes NAME=VALUE, such as --set user=clerk.")
        found[name] = text
    return found


def _from_file(path: Path | None) -> dict[str, Any]:
    """Settings of the login. What goes wrong is told without what the file holds."""
    if path is None:
        return {}
    try:
        content = orjson.loads(path.read_bytes())
    except OSError as error:
        raise CommandFailed(f"{path} cannot be read: {error.strerror}.") from None
    except orjson.JSONDecodeError:
        raise CommandFailed(f"{path} is no JSON.") from None
    if not isinstance(content, dict):
        raise CommandFailed(f"{path} must hold one JSON object.")
    return content


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def _asked_for(usable: Sequence[Administration], entity: Entity) -> Administration:
    shown = tables.table("", "administration", "id", "VAT number", right=[""])
    for at, one in enumerate(usable, start=1):
        shown.add_row(*(tables.cell(text) for text in (at, one.name, one.id, one.vat_number)))
    tables.console().print(shown)
    same = [at for at, one in enumerate(usable, start=1) if normal_number(one.vat_number or "") == entity.vat_number]
    answer = typer.prompt(
        f"Which one keeps the books of {entity.name}?",
        type=click.IntRange(1, len(usable)),
        default=same[0] if len(same) == 1 else None,
        err=True,
    )
    return usable[int(answer) - 1]


def _names(administrations: Sequence[Administration]) -> str:
    return listed([f"{one.id} ({one.name})" for one in administrations])
