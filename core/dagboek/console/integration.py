"""One integration: where it stands, its settings in tabs, a preview of the next synchronisation, and its end."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from functools import partial
from typing import Annotated, Any, Final
from uuid import UUID

from dagboek_sdk import clock
from dagboek_sdk.accounting import Lists, Row
from dagboek_sdk.settings import ConnectionSettings
from fastapi import Form, Query, Request, Response

from dagboek import connections, contexts
from dagboek.api import connecting, previews
from dagboek.api import connections as of_api
from dagboek.api import notices as of_notices
from dagboek.api import schedule as of_schedule
from dagboek.connection_settings import unfinished, without_headings
from dagboek.connections import ConnectionRow, State
from dagboek.console.pages import Connecting, Reading, Syncing, Visitor, page_router, see
from dagboek.console.why import said
from dagboek.contexts import NoContext
from dagboek.history import runs_page
from dagboek.night import Night
from dagboek.preview import Would
from dagboek.schedule import hours_of
from dagboek.settings_edits import checked
from dagboek.speech import Speech
from dagboek.tenants import Unusable
from dagboek.web.problems import Problem

router = page_router()

TABS: Final = ("details", "discounts", "vat", "ledgers", "sync")
SIDES: Final = ("sales", "purchases")
SINGLE: Final = {
    "details": (
        "start_date", "sales.invoice_journal", "sales.credit_note_journal", "purchases.invoice_journal",
        "purchases.credit_note_journal", "default_payment_days", "check_vat_numbers",
    ),
    "discounts": tuple(
        f"{side}.{name}_account" for side in SIDES for name in ("discount", "charge", "rounding", "prepaid")
    ),
    "vat": (),
    "ledgers": (),
    "sync": ("automatic",),
}  # fmt: skip
"""Settings of one value on each tab."""
_WORDS: Final = {"sales": "sales", "purchases": "purchase"}
_LABELS: Final = {
    "default_payment_days": "integration.payment_days",
    "check_vat_numbers": "integration.check_vat",
    "country": "reasons.what_country",
    "currency": "documents.currency",
}
_TABLES: Final = {
    "vat_codes": "integration.tab_vat",
    "ledger_accounts": "integration.tab_ledgers",
    "exchange_rates": "integration.rates",
}


@dataclass(frozen=True)
class Choice:
    """A select of codes; what is chosen and not there any more stays to be seen."""

    options: tuple[Row, ...]
    chosen: str

    @property
    def gone(self) -> bool:
        """Whether the tool has not, or not any more, what is chosen."""
        return bool(self.chosen) and self.chosen not in [row.code for row in self.options]


@dataclass(frozen=True)
class Choices:
    """What can be chosen for each setting, by the tool's lists."""

    settings: ConnectionSettings
    lists: Lists

    def of(self, path: str) -> Choice:
        """For a setting of one value, such as `sales.invoice_journal`."""
        side, _, name = path.partition(".")
        chosen = getattr(getattr(self.settings, side), name) or ""
        if not name.endswith("_journal"):
            return self.account(chosen)
        kinds = {_WORDS[side], f"{_WORDS[side]}_{name.removesuffix('_journal')}", None}
        return Choice(_active([one for one in self.lists.get("journals", ()) if one.kind in kinds]), chosen)

    def account(self, chosen: str) -> Choice:
        """A ledger account."""
        return Choice(_active(without_headings(self.lists.get("ledger_accounts", ()))), chosen)

    def vat(self, side: str, chosen: str) -> Choice:
        """A VAT code of sales or purchases."""
        rows = self.lists.get("vat_codes", ())
        return Choice(_active([one for one in rows if one.kind is None or one.kind.startswith(_WORDS[side])]), chosen)


@router.get("/integrations/{connection_id}")
async def one(
    visitor: Reading, connection_id: UUID, tab: Annotated[str, Query()] = "details", done: Annotated[str, Query()] = ""
) -> Response:
    """The page."""
    return await _page(visitor, connection_id, tab, done=done)


@router.post("/integrations/{connection_id}/settings")
async def save(visitor: Connecting, request: Request, connection_id: UUID, tab: Annotated[str, Query()]) -> Response:
    """Stores what a tab says; what other tabs say stays."""
    caller = visitor.caller
    row = await connections.find(caller.db, connection_id, caller.tenant)
    form = {name: value for name, value in (await request.form()).items() if isinstance(value, str)}
    if form.get("seen") != of_api.settings_etag(row.settings):
        raise Problem(412, "changed")
    try:
        wanted = checked(_merged(row.settings, tab, form))
        found = await connections.save_settings(
            caller.db, visitor.web.plugins, connection_id, wanted, tenant_id=caller.tenant, seen=row.settings
        )
    except ArithmeticError:
        number = visitor.speech.say("reasons.invalid_number")
        return await _page(visitor, connection_id, tab, faults=[f"{visitor.speech.say('integration.rate')}: {number}"])
    except Unusable as unusable:
        faults = visitor.why(unusable, partial(_called, visitor.speech))
        return await _page(visitor, connection_id, tab, faults=faults)
    if found:
        faults = [said(visitor.speech, one.reason, partial(_called, visitor.speech)) for one in found]
        return await _page(visitor, connection_id, tab, faults=faults, given=wanted)
    await caller.note("connection.settings", connection_id, tab=tab)
    return see(f"/integrations/{connection_id}?tab={tab}&done=settings")


@router.post("/integrations/{connection_id}/lists")
async def read_lists(visitor: Connecting, connection_id: UUID) -> Response:
    """Reads journals, VAT codes and accounts from the tool again."""
    try:
        await connecting.refresh_lists(visitor.caller, connection_id)
    except Exception as error:
        return await _refused(visitor, connection_id, error)
    return see(f"/integrations/{connection_id}?done=lists")


@router.post("/integrations/{connection_id}/check")
async def check(visitor: Connecting, connection_id: UUID) -> Response:
    """Asks the tool whether the login works, and which rights it lacks."""
    try:
        found = await connecting.check(visitor.caller, visitor.texts, connection_id)
    except Exception as error:
        return await _refused(visitor, connection_id, error)
    return await _page(
        visitor, connection_id, "details", done="" if found.missing_rights else "check", missing=found.missing_rights
    )


@router.get("/integrations/{connection_id}/preview")
async def preview(visitor: Syncing, connection_id: UUID) -> Response:
    """What the next synchronisation would book. Nothing is sent."""
    row = await connections.find(visitor.caller.db, connection_id, visitor.caller.tenant)
    try:
        found = await previews.preview_next(visitor.caller, visitor.texts, connection_id, 200)
    except Exception as error:
        return await _refused(visitor, connection_id, error)
    return await visitor.page(
        "preview.html",
        row=row,
        title=visitor.tool_title(row.plugin),
        counts=[(would, number) for would, number in found.counts.items() if number],
        rows=sorted(found.rows, key=lambda one: _attention(one.would)),
        total=sum(found.counts.values()),
    )


@router.post("/integrations/{connection_id}/delete")
async def delete(visitor: Connecting, connection_id: UUID, sure: Annotated[str, Form()] = "") -> Response:
    """Ends it, once its consequences were read."""
    if not sure:
        return await _page(visitor, connection_id, "details", faults=[visitor.speech.say("integration.read_first")])
    try:
        await of_api.disconnect(visitor.caller, connection_id)
    except Exception as error:
        return await _refused(visitor, connection_id, error)
    return see("/?done=deleted")


def _attention(would: Would) -> int:
    """What somebody must see to comes first, what stays as it is last; else it is as it would go."""
    if would in (Would.SKIP, Would.PERSON):
        return 0
    return 2 if would is Would.UNCHANGED else 1


def _called(speech: Speech, path: str) -> str:
    """What a setting is called on its tab; a row of a table by the tab and its place, from 1."""
    if speech.knows(f"integration.{path}"):
        return speech.say(f"integration.{path}")
    if path in _LABELS:
        return speech.say(_LABELS[path])
    row = re.match(r"(?:sales\.|purchases\.)?(vat_codes|ledger_accounts|exchange_rates)[.\[]?(\w*)", path)
    if row:
        place = str(int(row[2]) + 1) if row[2].isdecimal() else row[2]
        return f"{speech.say(_TABLES[row[1]])} {place}".strip()
    side, _, account = path.partition(".")
    key = f"integration.account_{account.removesuffix('_account')}"
    return speech.say(key) if side in SIDES and speech.knows(key) else path


async def _refused(visitor: Visitor, connection_id: UUID, error: Exception) -> Response:
    return await _page(visitor, connection_id, "details", faults=visitor.why(error))


async def _page(
    visitor: Visitor,
    connection_id: UUID,
    tab: str,
    *,
    done: str = "",
    faults: Sequence[str] = (),
    missing: Sequence[Any] = (),
    given: ConnectionSettings | None = None,
) -> Response:
    """`given`: what somebody filled in that could not be stored, to be put right rather than typed again."""
    caller = visitor.caller
    row = await connections.find(caller.db, connection_id, caller.tenant)
    settings = given or row.settings
    tab = tab if tab in TABS else "details"
    lists, read_at = await _lists(visitor, connection_id)
    night = of_schedule.night_of(caller, await hours_of(caller.db, caller.tenant))
    plugin = visitor.web.plugins.tools.get(row.plugin)
    return await visitor.page(
        "integration.html",
        status=422 if faults else 200,
        row=row,
        title=visitor.tool_title(row.plugin),
        tab=tab,
        tabs=TABS,
        done=done if visitor.speech.knows(f"integration.done_{done}") else "",
        faults=faults,
        missing=missing,
        unfinished=unfinished(row.settings, plugin.about) if plugin else [],
        installed=plugin is not None,
        has_journals=plugin is None or plugin.about.has_journals,
        broken=visitor.told(row.broken, row.id) if row.broken else None,
        settings=settings,
        seen=of_api.settings_etag(row.settings),
        choices=Choices(settings, lists),
        sides=[(side, getattr(settings, side)) for side in SIDES],
        read_at=read_at,
        runs=await runs_page(caller.db, caller.tenant, connection_id=connection_id, limit=5),
        ready=row.state is State.CONNECTED,
        night_watch=(await of_notices.night_watch(caller, connection_id)).nights if tab == "sync" else None,
        night=night,
        next_run_at=_next(row, night),
    )


async def _lists(visitor: Visitor, connection_id: UUID) -> tuple[Lists, Any]:
    try:
        _, context = await contexts.current(visitor.caller.db, connection_id)
    except NoContext:
        return {}, None
    return context.lists, context.lists_at


def _next(row: ConnectionRow, night: Night) -> datetime | None:
    """When it synchronises by itself, also before the core has come to plan it; None while it does not."""
    if not row.settings.automatic or row.state is not State.CONNECTED:
        return None
    return row.next_run_at or night.moment(row.id, clock.now())


def _active(rows: Sequence[Row]) -> tuple[Row, ...]:
    return tuple({row.code: row for row in rows if row.active}.values())


def _merged(settings: ConnectionSettings, tab: str, form: Mapping[str, str]) -> dict[str, Any]:
    """The settings with what a tab's form says."""
    content = settings.model_dump(mode="json")
    for path in SINGLE.get(tab, ()):
        if path not in form and path not in ("automatic", "check_vat_numbers"):
            continue  # not on this form, as journals of a tool without any
        holder, _, name = path.rpartition(".")
        value = form.get(path, "").strip()
        if path in ("automatic", "check_vat_numbers"):
            content[path] = path in form
        elif value:
            (content[holder] if holder else content)[name] = value
        else:
            (content[holder] if holder else content).pop(name, None)
    if tab == "details":
        content["exchange_rates"] = _rates(content["exchange_rates"], form)
    if tab in ("vat", "ledgers"):
        for side in SIDES:
            _merge_rows(content[side], side, tab, form)
    return content


def _rates(known: Mapping[str, Any], form: Mapping[str, str]) -> dict[str, str]:
    """Exchange rates: one that is emptied goes, one that was filled in at the end comes."""
    given = {currency: form.get(f"rate.{currency}", str(rate)) for currency, rate in known.items()}
    given[form.get("rate_currency", "").strip().upper()] = form.get("rate_new", "")
    written = {currency: rate.strip().replace(",", ".") for currency, rate in given.items()}
    return {currency: rate for currency, rate in written.items() if currency and rate}


def _merge_rows(content: dict[str, Any], side: str, tab: str, form: Mapping[str, str]) -> None:
    """Rows of a table: one whose code is emptied goes, one that was filled in at the end comes."""
    table, code = ("vat_codes", "code") if tab == "vat" else ("ledger_accounts", "account")
    rows = [
        {**row, code: form.get(f"{side}.{at}", "").strip()}
        for at, row in enumerate(content[table])
        if form.get(f"{side}.{at}", "").strip()
    ]
    if added := form.get(f"{side}.new", "").strip():
        rate, category = form.get(f"{side}.rate", "").strip().replace(",", "."), form.get(f"{side}.category", "")
        if tab == "vat":
            owed = form.get(f"{side}.reverse_rate", "").strip().replace(",", ".")
            region = form.get(f"{side}.region") or None
            key = {"category": category or "S", "rate": str(Decimal(rate or 0)), "region": region}
            rows.append({"key": key, "code": added, "reverse_rate": str(Decimal(owed)) if owed else None})
        else:
            rows.append({"account": added, "rate": str(Decimal(rate)) if rate else None, "category": category or None})
    content[table] = rows
