"""Settings of a connection as a table: setting, value, where it came from, what is wrong with it."""

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from dagboek_sdk.accounting import Lists
from dagboek_sdk.settings import ConnectionSettings, Side, VatKey

from dagboek.cli import tables
from dagboek.connection_settings import Problem, rule_words

_MANY = ("vat_codes", "ledger_accounts")


def print_settings(
    settings: ConnectionSettings,
    lists: Lists | None = None,
    reasons: Mapping[str, str] | None = None,
    problems: Sequence[Problem] = (),
) -> None:
    """Prints all settings that say something; names of the tool's codes from `lists`, remarks by path."""
    remarks = {**(reasons or {}), **{problem.field: problem.message for problem in problems}}
    wrong = {problem.field for problem in problems}
    rows = list(_rows(settings))
    rows += [(field, field, None, None) for field in remarks if field not in {path for path, *_ in rows}]
    shown = tables.table("setting", "value", "name", *(["remark"] if remarks else []))
    for path, label, value, list_name in rows:
        remark = remarks.get(path, "")
        cells = [label, value or "", _name(lists, list_name, value), *([remark] if remarks else [])]
        shown.add_row(*(tables.cell(text) for text in cells), style="yellow" if path in wrong else None)
    tables.console().print(shown)


def key_words(key: VatKey) -> str:
    """`S 21 %, EU, credit notes`."""
    words = [f"{key.category} {percent(key.rate)}"]
    words += [word for word in (key.region, key.vat_name) if word]
    if key.credit_note is not None:
        words.append("credit notes" if key.credit_note else "invoices")
    return ", ".join(words)


def percent(rate: Decimal) -> str:
    """`21 %`, `5.5 %`."""
    return f"{rate.normalize():f} %"


def _rows(settings: ConnectionSettings) -> Iterator[tuple[str, str, str | None, str | None]]:
    """Path, words for it, value, and the list that names the value."""
    for name in ("start_date", "currency", "country", "default_payment_days", "automatic", "check_vat_numbers"):
        yield name, name, _words(getattr(settings, name)), None
    for name, side in (("sales", settings.sales), ("purchases", settings.purchases)):
        yield from _side(name, side)
    for at, term in enumerate(settings.payment_terms):
        words = f"{term.days} days{' end of month' if term.end_of_month else ''}"
        yield f"payment_terms[{at}]", f"payment term {words}", term.code, "payment_terms"
    for currency, rate in settings.exchange_rates.items():
        yield f"exchange_rates.{currency}", f"1 {currency} in {settings.currency}", str(rate), None


def _words(value: object) -> str:
    match value:
        case None:
            return "(not set)"
        case bool():
            return "yes" if value else "no"
    return str(value)


def _side(name: str, side: Side) -> Iterator[tuple[str, str, str | None, str | None]]:
    for field in (field for field in Side.model_fields if field not in _MANY):
        list_name = "journals" if field.endswith("_journal") else "ledger_accounts"
        yield f"{name}.{field}", f"{name}.{field}", getattr(side, field), list_name
    for at, row in enumerate(side.vat_codes):
        reverse = f" (owes {percent(row.reverse_rate)})" if row.reverse_rate is not None else ""
        yield f"{name}.vat_codes[{at}]", f"{name} VAT {key_words(row.key)}{reverse}", row.code, "vat_codes"
    for at, rule in enumerate(side.ledger_accounts):
        yield f"{name}.ledger_accounts[{at}]", f"{name} {rule_words(rule)}", rule.account, "ledger_accounts"


def _name(lists: Lists | None, list_name: str | None, value: str | None) -> str:
    rows = (lists or {}).get(list_name or "", ())
    return next((row.name for row in rows if row.code == value), "")
