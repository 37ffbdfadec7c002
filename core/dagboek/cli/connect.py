"""`dagboek connect`: ties an entity to its books in an accounting tool."""

import os
import sys
import webbrowser
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import click
import orjson
import typer
from dagboek_schemas.identity import normal_number
from dagboek_schemas.issues import Issue
from dagboek_sdk.accounting import AccountingPlugin, Administration
from dagboek_sdk.errors import AccessDenied, LoginBroken, Throttled, ToolUnavailable
from dagboek_sdk.oauth import OAuth
from pydantic import BaseModel

from dagboek import connections, consent, contexts
from dagboek.cli import tables
from dagboek.cli.failures import CommandFailed, listed
from dagboek.cli.proposing import propose_settings
from dagboek.cli.session import Session, open_session, run
from dagboek.cli.wording import Wording
from dagboek.connections import ConnectionRow, Tried
from dagboek.consent import Consent
from dagboek.logins import names_of_secrets, own_names
from dagboek.settings import ENV_PREFIX
from dagboek.tenants import (
    Entity,
    Unusable,
    ensure_entity,
    ensure_tenant,
    find_entity,
    find_tenant,
    vat_number_fault,
)


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
        start_date: Annotated[
            datetime | None, typer.Option(formats=["%Y-%m-%d"], metavar="YYYY-MM-DD", help="book from this day on")
        ] = None,
        accept: Annotated[bool, typer.Option("--accept", help="store the proposed settings")] = False,
        browser: Annotated[bool, typer.Option("--browser/--no-browser", help="open one where consent is asked")] = True,
        anew: Annotated[bool, typer.Option("--consent", help="ask for consent though there is one")] = False,
        sure: Annotated[bool, typer.Option("--yes", help="take a VAT number whose check digit is wrong")] = False,
        as_json: Annotated[bool, typer.Option("--json", help="for programs; asks nothing")] = False,
    ) -> None:
        """Connect a company to its books: credentials, administration, proposed settings.

        What is not given is taken from DAGBOEK_<TOOL>_<NAME>, such as DAGBOEK_OCTOPUS_PASSWORD, or asked for. Where the
        tool wants a person's consent, that is given in a browser: its address is shown, and opened on a terminal.
        """
        from_file, from_options = _from_file(credentials_file), _from_options(values or (), base_url)
        company = _Company(tenant.strip(), entity.strip(), vat, company_number, fiscal_year_start)

        async def program() -> None:
            async with open_session() as session:
                setup = _Setup(session, tool, company, as_json)
                # Nothing is written before all that can be checked is right: a mistyped word leaves nothing behind.
                await setup.check_company(sure=sure)
                tried = await setup.log_in({**setup.own_names(from_file), **from_options}, browser=browser, anew=anew)
                await setup.connect(tried, administration)
                await setup.settle(start_date.date() if start_date else None, accept)

        run(program)


@dataclass(frozen=True, slots=True)
class _Company:
    """What was said of the company whose books are kept."""

    tenant: str
    name: str
    vat: str | None
    company_number: str | None
    fiscal_year_start: int | None


class _Setup:
    """One connection being made; asks on a terminal, unless a program reads."""

    def __init__(self, session: Session, tool: str, company: _Company, as_json: bool) -> None:
        self._session = session
        self._tool_class = session.plugins.tool(tool)
        self._company = company
        self._json = as_json
        self._asks = sys.stdin.isatty() and not as_json
        self._before: Entity | None = None
        self._row: ConnectionRow
        self._warnings: list[str] = []

    async def check_company(self, *, sure: bool) -> None:
        """Whether the company can be told apart by what is given, and its VAT number can be one."""
        company = self._company
        if not company.tenant or not company.name:
            raise CommandFailed("Give the names of a --tenant and an --entity; they cannot be empty.")
        self._before = await _known(self._session, company)
        if company.vat is None:
            if company.company_number is None and self._before is None:
                raise CommandFailed(
                    f"{company.name} is new: give its --vat number, or its --company-number. Whether an invoice is a "
                    "sale or a purchase is decided by it."
                )
            return
        if self._before and self._before.vat_number == normal_number(company.vat):
            return
        fault = vat_number_fault(company.vat)
        if fault is None or (sure and not fault.certain):
            return
        if fault.certain:
            raise CommandFailed(f"{fault.what} Nothing was stored.")
        if not self._asks:
            raise CommandFailed(f"{fault.what} Nothing was stored; with --yes it is taken as it is.")
        if not typer.confirm(f"{fault.what} Is it right all the same?", err=True):
            raise CommandFailed("Nothing was stored.", code=1)

    def own_names(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Settings under the names of the plugin. A sandbox tells the tool's own names, and more than a login takes."""
        if not isinstance(given.get("credentials"), dict):
            return dict(given)
        return own_names(self._tool_class.about.settings, {**given, **given["credentials"]})

    async def log_in(self, given: Mapping[str, Any], *, browser: bool, anew: bool) -> Tried:
        """Tries the credentials; what is missing is asked for, as is a consent where the tool wants one.

        `anew`: also where the tenant has one already, as for another user.
        """
        about, session = self._tool_class.about, self._session
        settings = _completed(about.settings, about.name, given, self._asks)

        async def consented(oauth: OAuth) -> Consent:
            return await self._consent(oauth, browser=browser and self._asks)

        owner = await self._tenant()
        try:
            if owner is not None and not anew:
                known = await connections.try_again(
                    session.db, session.plugins, session.vault, owner, about.name, settings
                )
                if known is not None:
                    self._say("The consent that this tenant has given before is used; --consent asks for another.")
                    return known
            tried = await connections.try_login(session.db, session.plugins, about.name, settings, consented)
            await connections.refuse_another(session.db, session.vault, tried, owner)
            return tried
        except (LoginBroken, AccessDenied) as refused:
            words = _quoted(refused.tool_words)
            raise CommandFailed(f"{about.title}: {self._told(refused.issue)}{words} Nothing was stored.") from None
        except Throttled as spent:
            words = _quoted(spent.tool_words)
            until = tables.moment(spent.until) or "later"
            raise CommandFailed(
                f"{about.title} takes no more calls until {until} UTC.{words} Nothing was stored; connect again then."
            ) from None
        except ToolUnavailable as away:
            words = _quoted(away.tool_words)
            raise CommandFailed(
                f"{about.title} could not be asked: {away}.{words} Nothing was stored. Check its address (--base-url) "
                "and the internet connection, or try again later."
            ) from None

    async def _consent(self, oauth: OAuth, *, browser: bool) -> Consent:
        """Standard error has the address, also for a program."""
        title = self._tool_class.about.title

        def show(address: str) -> None:
            typer.echo(f"Log in to {title} and consent, in a browser on this machine:\n\n{address}\n", err=True)
            if browser:
                webbrowser.open(address)

        if not consent.by_paste(oauth):
            return await consent.in_browser(oauth, show)
        if not self._asks:
            raise CommandFailed(
                f"The app's redirect address is {oauth.redirect_uri}, so the answer of {title} must be pasted: connect "
                "on a terminal, without --json."
            )
        return await consent.pasted(
            oauth, show, lambda: str(typer.prompt("The address the browser is at now", err=True))
        )

    async def _tenant(self) -> UUID | None:
        try:
            return (await find_tenant(self._session.db, self._company.tenant)).id
        except Unusable:
            return None

    async def connect(self, tried: Tried, wanted: str | None) -> None:
        """The administration, then everything is written."""
        session, company = self._session, self._company
        chosen = self._chosen(tried.administrations, wanted)
        owner = await ensure_tenant(session.db, company.tenant)
        entity = await ensure_entity(
            session.db,
            owner.id,
            company.name if self._before is None else self._before.name,
            vat_number=company.vat,
            company_number=company.company_number,
            fiscal_year_start=company.fiscal_year_start,
        )
        begun = await connections.begin(session.db, session.vault, tried, owner.id, entity.id)
        try:
            self._row = await connections.choose_administration(
                session.db, session.plugins, session.vault, begun, chosen
            )
        except connections.ConnectionProblem:
            await connections.delete_connection(session.db, begun, owner.id)  # else it stays, unfinished
            raise
        self._say(f"{entity.name} is connected to {chosen.name} ({chosen.id}) as {self._short}.")
        if self._before and self._before.vat_number and self._before.vat_number != entity.vat_number:
            self._warn(f"The VAT number of {entity.name} was {self._before.vat_number}; it is {entity.vat_number} now.")
        self._compare(chosen, entity)

    @property
    def _short(self) -> str:
        return str(self._row.id)[:8]

    async def settle(self, start_date: date | None, accept: bool) -> None:
        """Lists, missing rights, proposals."""
        session = self._session
        tool = await connections.open_tool(session.db, session.plugins, session.vault, self._row.id)
        try:
            await self._rights(tool)
            await contexts.refresh(session.db, self._row.id, tool, older_than=contexts.FRESH)
        except AccessDenied as denied:
            short = self._short
            raise CommandFailed(
                f"{self._row.entity_name} is connected as {short}, but its lists cannot be read: "
                f"{self._told(denied.issue)} Then go on with `dagboek settings refresh {short}` and "
                f"`dagboek settings propose {short}`."
            ) from None
        except Throttled as spent:
            short = self._short
            raise CommandFailed(
                f"{self._row.entity_name} is connected as {short}, but the tool gives its lists only so often, and "
                f"that is used up until {tables.moment(spent.until) or 'later'} UTC. Then go on with "
                f"`dagboek settings refresh {short}` and `dagboek settings propose {short}`."
            ) from None
        finally:
            await tool.close()
        await propose_settings(
            session,
            self._row.id,
            start_date=start_date,
            accept=accept,
            asks=self._asks,
            as_json=self._json,
            warnings=self._warnings,
        )

    async def _rights(self, tool: AccountingPlugin) -> None:
        wording = Wording(self._session.plugins, "en")
        for issue in await tool.missing_rights():
            text = wording.of(issue)
            self._warn(f"{text.title}: {text.cause} {text.remedy}")

    def _told(self, issue: Issue) -> str:
        text = Wording(self._session.plugins, "en").of(issue)
        return f"{text.cause} {text.remedy} ({issue.code})"

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
        ours = self._company.vat or (self._before.vat_number if self._before else None)
        return _asked_for(usable, self._company.name, normal_number(ours or ""))

    def _compare(self, chosen: Administration, entity: Entity) -> None:
        theirs, ours = normal_number(chosen.vat_number or ""), entity.vat_number or ""
        if theirs and ours and theirs.removeprefix("BE") != ours.removeprefix("BE"):
            self._warn(
                f"Mind: the books are those of {theirs}, the company is {ours}. "
                f"Delete the connection if that is wrong: dagboek connection delete {self._short}"
            )

    def _warn(self, text: str) -> None:
        """Said now, and again where the proposals end: they are long."""
        self._warnings.append(text)
        self._say(text, "yellow")

    def _say(self, text: str, style: str = "") -> None:
        if not self._json:
            tables.console().print(tables.cell(text), style=style)


async def _known(session: Session, company: _Company) -> Entity | None:
    """The company, where the tenant has it already."""
    try:
        owner = await find_tenant(session.db, company.tenant)
        return await find_entity(session.db, owner.id, company.name)
    except Unusable:
        return None


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


def _asked_for(usable: Sequence[Administration], company: str, vat_number: str) -> Administration:
    shown = tables.table("", "administration", "id", "VAT number", right=[""])
    for at, one in enumerate(usable, start=1):
        shown.add_row(*(tables.cell(text) for text in (at, one.name, one.id, one.vat_number)))
    tables.console().print(shown)
    same = [at for at, one in enumerate(usable, start=1) if vat_number == normal_number(one.vat_number or "") != ""]
    answer = typer.prompt(
        f"Which one keeps the books of {company}?",
        type=click.IntRange(1, len(usable)),
        default=same[0] if len(same) == 1 else None,
        err=True,
    )
    return usable[int(answer) - 1]


def _quoted(words: str | None) -> str:
    """A sentence of its own, whatever the tool's words end with."""
    return f" Its words: {words.strip().rstrip('.')}." if words and words.strip() else ""


def _names(administrations: Sequence[Administration]) -> str:
    return listed([f"{one.id} ({one.name})" for one in administrations])
