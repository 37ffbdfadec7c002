"""`dagboek settings`: journals, VAT codes, accounts and the rest of a connection."""

from collections.abc import Callable, Collection
from decimal import Decimal, InvalidOperation
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import orjson
import typer
from dagboek_sdk.accounting import About
from dagboek_sdk.errors import Throttled
from dagboek_sdk.settings import ConnectionSettings, LedgerRule, PaymentTerm, VatCode, VatKey
from pydantic import ValidationError

from dagboek import connections, contexts, settings_edits
from dagboek.cli import tables
from dagboek.cli.failures import CommandFailed
from dagboek.cli.proposing import propose_settings
from dagboek.cli.selecting import target
from dagboek.cli.session import Session, open_session, run
from dagboek.cli.settings_view import print_settings
from dagboek.connection_settings import Problem, faults, unfinished

Change = Callable[[ConnectionSettings], ConnectionSettings]

Named = Annotated[str, typer.Argument(metavar="CONNECTION", help="id or the start of it, entity, VAT number")]
Tenant = Annotated[str | None, typer.Option(help="of one tenant")]
Json = Annotated[bool, typer.Option("--json", help="for programs")]


class SideName(StrEnum):
    """The side that a setting is for."""

    SALES = "sales"
    PURCHASES = "purchases"


SideOption = Annotated[SideName, typer.Option("--side", help="sales or purchases")]
Remove = Annotated[bool, typer.Option("--remove", help="take the row away")]


def register(app: typer.Typer) -> None:
    """Adds the commands."""
    settings = typer.Typer(help="Journals, VAT codes, accounts and the rest of a connection.", no_args_is_help=True)
    app.add_typer(settings, name="settings")
    _reading(settings)
    _single(settings)
    _rows(settings)


def _reading(settings: typer.Typer) -> None:
    @settings.command("show")
    def show(connection: Named, tenant: Tenant = None, as_json: Json = False) -> None:
        """Show all settings, and what is wrong or missing. Exit status 1: something is."""
        run(lambda: _show(connection, tenant, as_json))

    @settings.command("lists")
    def lists(
        connection: Named,
        name: Annotated[str | None, typer.Argument(help="one list, such as journals")] = None,
        tenant: Tenant = None,
        as_json: Json = False,
    ) -> None:
        """Show what the tool has to choose from: journals, VAT codes, ledger accounts."""
        run(lambda: _lists(connection, name, tenant, as_json))

    @settings.command("refresh")
    def refresh(connection: Named, tenant: Tenant = None) -> None:
        """Read the lists from the tool now."""
        run(lambda: _refresh(connection, tenant))

    @settings.command("propose")
    def propose(
        connection: Named,
        accept: Annotated[bool, typer.Option("--accept", help="store the proposals")] = False,
        tenant: Tenant = None,
        as_json: Json = False,
    ) -> None:
        """Propose settings from the tool's lists; what was chosen before stays."""

        async def program() -> None:
            async with open_session() as session:
                row = await _found(session, connection, tenant)
                await propose_settings(session, row.id, accept=accept, as_json=as_json)

        run(program)


def _single(settings: typer.Typer) -> None:
    @settings.command("set")
    def set_values(
        connection: Named,
        values: Annotated[list[str], typer.Argument(metavar="NAME=VALUE...", help="empty value: the default")],
        tenant: Tenant = None,
        as_json: Json = False,
    ) -> None:
        """Set values, such as sales.invoice_journal=V1 start_date=2026-01-01 exchange_rates.USD=0.92."""
        pairs = dict(_pair(value) for value in values)
        run(lambda: _change(connection, tenant, as_json, lambda now: settings_edits.with_values(now, pairs), pairs))

    @settings.command("load")
    def load(
        connection: Named,
        file: Annotated[Path, typer.Argument(help="JSON as `settings show --json` has it under `settings`")],
        tenant: Tenant = None,
        as_json: Json = False,
    ) -> None:
        """Replace all settings by those of a file."""
        content = _json_file(file)
        run(lambda: _change(connection, tenant, as_json, lambda _: settings_edits.checked(content)))


def _rows(settings: typer.Typer) -> None:
    @settings.command("vat")
    def vat(
        connection: Named,
        code: Annotated[str, typer.Argument(help="the tool's VAT code; leave out with --remove")] = "",
        side: SideOption = SideName.SALES,
        category: Annotated[str, typer.Option(help="UNCL5305: S, Z, E, AE, K, G, O")] = "S",
        rate: Annotated[str, typer.Option(help="per cent")] = "0",
        region: Annotated[str | None, typer.Option(help="country code, EU or NON_EU; leave out for any")] = None,
        vat_name: Annotated[str | None, typer.Option(help="UBL.BE name, such as 46/GO")] = None,
        credit_note: Annotated[bool | None, typer.Option("--credit-notes/--invoices", help="for one kind only")] = None,
        reverse_rate: Annotated[str | None, typer.Option(help="rate owed by the receiver")] = None,
        remove: Remove = False,
        tenant: Tenant = None,
        as_json: Json = False,
    ) -> None:
        """Link a VAT rate and category of documents to the tool's VAT code."""
        _needs(code, remove, "a VAT code")
        row = _made(
            lambda: VatCode(
                key=VatKey(
                    category=category, rate=_rate(rate), region=region, vat_name=vat_name, credit_note=credit_note
                ),
                code=code,
                reverse_rate=_rate(reverse_rate) if reverse_rate is not None else None,
            )
        )
        change = settings_edits.without_vat_code if remove else settings_edits.with_vat_code
        run(lambda: _change(connection, tenant, as_json, lambda now: change(now, side, row)))

    @settings.command("account")
    def account(
        connection: Named,
        code: Annotated[str, typer.Argument(metavar="ACCOUNT", help="leave out with --remove")] = "",
        side: SideOption = SideName.SALES,
        rate: Annotated[str | None, typer.Option(help="VAT rate of the lines; leave out for all others")] = None,
        category: Annotated[str | None, typer.Option(help="VAT category of the lines")] = None,
        remove: Remove = False,
        tenant: Tenant = None,
        as_json: Json = False,
    ) -> None:
        """Choose the ledger account for lines that bear none: by VAT rate, or for all others."""
        _needs(code, remove, "a ledger account")
        rule = _made(
            lambda: LedgerRule(account=code, rate=_rate(rate) if rate is not None else None, category=category)
        )
        change = settings_edits.without_ledger_rule if remove else settings_edits.with_ledger_rule
        run(lambda: _change(connection, tenant, as_json, lambda now: change(now, side, rule)))

    @settings.command("term")
    def term(
        connection: Named,
        days: Annotated[int, typer.Option(min=0, max=1000)],
        code: Annotated[str, typer.Argument(help="the tool's code; leave out with --remove")] = "",
        end_of_month: Annotated[bool, typer.Option("--end-of-month")] = False,
        remove: Remove = False,
        tenant: Tenant = None,
        as_json: Json = False,
    ) -> None:
        """Link a payment term to the tool's code."""
        _needs(code, remove, "a code")
        made = PaymentTerm(days=days, end_of_month=end_of_month, code="" if remove else code)
        run(lambda: _change(connection, tenant, as_json, lambda now: settings_edits.with_payment_term(now, made)))


async def _show(named: str, tenant: str | None, as_json: bool) -> None:
    async with open_session() as session:
        row = await _found(session, named, tenant)
        about = session.plugins.tool(row.plugin).about
        context = await _context(session, row)
        lists = context.lists if context else {}
        problems = [*faults(row.settings, lists, about), *unfinished(row.settings, about)]
    if as_json:
        tables.print_json(_content(row, problems))
    else:
        out = tables.console()
        out.print(tables.cell(f"{row.entity_name} in {row.administration_name or row.plugin} ({row.state.value})"))
        if context is None:
            hint = f"The tool's lists were not read yet: `dagboek settings refresh {str(row.id)[:8]}`."
            out.print(hint, style="yellow")
        print_settings(row.settings, lists, problems=problems)
    raise typer.Exit(1 if problems else 0)


async def _lists(named: str, name: str | None, tenant: str | None, as_json: bool) -> None:
    async with open_session() as session:
        row = await _found(session, named, tenant)
        _, context = await contexts.current(session.db, row.id)
    if name is not None and name not in context.lists:
        raise CommandFailed(f"The tool gives no list {name}. It gives: {', '.join(context.lists)}.")
    chosen = {name: context.lists[name]} if name else context.lists
    if as_json:
        tables.print_json(chosen)
        return
    for title, rows in chosen.items():
        shown = tables.table(title, "name", "kind", "rate", "", right=["rate"])
        for one in rows:
            rate = "" if one.rate is None else f"{one.rate} %"
            cells = [one.code, one.name, one.kind or "", rate, "" if one.active else "closed"]
            shown.add_row(*(tables.cell(text) for text in cells))
        tables.console().print(shown)
        tables.console().print()


async def _refresh(named: str, tenant: str | None) -> None:
    async with open_session() as session:
        row = await _found(session, named, tenant)
        tool = await connections.open_tool(session.db, session.plugins, session.vault, row.id)
        try:
            await contexts.refresh(session.db, row.id, tool)
        except Throttled as spent:
            raise CommandFailed(
                f"{row.plugin} gives its lists only so often, and that is used up until "
                f"{tables.moment(spent.until) or 'later'} UTC. Until then the lists read before are used."
            ) from None
        finally:
            await tool.close()
        _, context = await contexts.current(session.db, row.id)
    counts = ", ".join(f"{len(rows)} {name.replace('_', ' ')}" for name, rows in context.lists.items())
    tables.console().print(f"Read: {counts}.")


def _refuse_of_login(row: connections.ConnectionRow, about: About, names: Collection[str]) -> None:
    """Says where a setting is given that is one of the login."""
    for name in names:
        if name in about.settings.model_fields and name not in settings_edits.paths():
            raise CommandFailed(
                f"{name} is a setting of the login, which is given when one connects. Connect again, what is booked "
                f'stays known: dagboek connect {row.plugin} --tenant "{row.tenant_name}" --entity "{row.entity_name}" '
                f"--set {name}=VALUE"
            )


async def _change(named: str, tenant: str | None, as_json: bool, change: Change, names: Collection[str] = ()) -> None:
    async with open_session() as session:
        row = await _found(session, named, tenant)
        _refuse_of_login(row, session.plugins.tool(row.plugin).about, names)
        problems = await connections.save_settings(session.db, session.plugins, row.id, change(row.settings))
        if problems:
            if as_json:
                tables.print_json(_content(row, problems))
                raise typer.Exit(2)
            raise CommandFailed("Nothing was changed:" + "".join(f"\n  - {problem}" for problem in problems))
        row = await connections.find(session.db, row.id)
        missing = unfinished(row.settings, session.plugins.tool(row.plugin).about)
    if as_json:
        tables.print_json(_content(row, missing))
        return
    out, short = tables.console(), str(row.id)[:8]
    out.print("Stored.")
    for problem in missing:
        out.print(tables.cell(f"Still to do: {problem}"), style="yellow")
    if missing:
        out.print(
            f"Set it with `dagboek settings set {short} NAME=VALUE`; `dagboek settings lists {short}` has the codes."
        )
    else:
        out.print(f"See what would be booked: dagboek preview {short}. Book it: dagboek sync {short}")


async def _found(session: Session, named: str, tenant: str | None) -> connections.ConnectionRow:
    chosen = await target(session.db, named, tenant)
    return await connections.find(session.db, chosen.id, chosen.tenant_id)


async def _context(session: Session, row: connections.ConnectionRow) -> Any:
    try:
        return (await contexts.current(session.db, row.id))[1]
    except contexts.NoContext:
        return None


def _content(row: connections.ConnectionRow, problems: list[Problem]) -> dict[str, Any]:
    return {
        "connection": row.id,
        "tenant": row.tenant_name,
        "entity": row.entity_name,
        "tool": row.plugin,
        "administration": row.administration_name,
        "state": row.state,
        "settings": row.settings.model_dump(mode="json"),
        "problems": problems,
    }


def _pair(value: str) -> tuple[str, str]:
    name, equals, text = value.partition("=")
    if not equals or not name.strip():
        raise CommandFailed(f"{value!r} is not of the form NAME=VALUE, such as sales.invoice_journal=V1.")
    return name.strip(), text


def _rate(text: str) -> Decimal:
    try:
        return Decimal(text.removesuffix("%").strip().replace(",", "."))
    except InvalidOperation:
        raise CommandFailed(f"{text!r} is no rate; write it in per cent, such as 21 or 5.5.") from None


def _needs(code: str, remove: bool, what: str) -> None:
    if bool(code) == remove:
        raise CommandFailed(f"Give {what}, or --remove to take the row away.")


def _made(make: Callable[[], Any]) -> Any:
    try:
        return make()
    except ValidationError as error:
        words = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
        raise CommandFailed(f"That cannot be stored: {words}.") from None


def _json_file(file: Path) -> dict[str, Any]:
    try:
        content = orjson.loads(file.read_bytes())
    except OSError as error:
        raise CommandFailed(f"{file} cannot be read: {error.strerror}.") from None
    except orjson.JSONDecodeError as error:
        raise CommandFailed(f"{file} is no JSON: {error}.") from None
    content = content.get("settings", content) if isinstance(content, dict) else content
    if not isinstance(content, dict):
        raise CommandFailed(f"{file} must hold one JSON object.")
    return content
