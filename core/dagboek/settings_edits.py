"""Changes to the settings of a connection, one at a time, as a person asks for them."""

import difflib
from collections.abc import Mapping
from typing import Any, Final

from dagboek_sdk.settings import ConnectionSettings, LedgerRule, PaymentTerm, Side, VatCode
from pydantic import ValidationError

from dagboek.reasons import COMMAND_LINE, Reason, reasons_of
from dagboek.tenants import Unusable

SIDES: Final = ("sales", "purchases")

_TABLES: Final = {"vat_codes": "vat", "ledger_accounts": "account", "payment_terms": "term"}
"""Settings of many rows, and the command for each."""


def paths() -> list[str]:
    """Names of all settings that hold one value."""
    general = [name for name in ConnectionSettings.model_fields if name not in (*SIDES, *_TABLES, "exchange_rates")]
    sides = [f"{side}.{name}" for side in SIDES for name in Side.model_fields if name not in _TABLES]
    return [*general, *sides, "exchange_rates.CURRENCY"]


def with_values(settings: ConnectionSettings, values: Mapping[str, str]) -> ConnectionSettings:
    """`settings` with the values set by path, such as `sales.invoice_journal`; empty for the default.

    Unusable with every fault at once.
    """
    content = settings.model_dump(mode="json")
    for path, value in values.items():
        holder, name = _place(content, path)
        if value.strip():
            holder[name] = value.strip()
        else:
            holder.pop(name, None)
    return checked(content)


def checked(content: Mapping[str, Any]) -> ConnectionSettings:
    """Settings from JSON. Unusable with every fault at once."""
    unknown = [f"{path}: there is no such setting" for path in _unknown(content)]
    reasons = [Reason("there is no such setting", "invalid_extra", place=path) for path in _unknown(content)]
    try:
        made = ConnectionSettings.model_validate(content)
    except ValidationError as error:
        unknown += [_fault(fault) for fault in error.errors()]
        reasons += reasons_of(error)
    if unknown:
        refused = Unusable(
            "These settings cannot be used:" + "".join(f"\n  - {fault}" for fault in unknown), "settings"
        )
        refused.reasons = tuple(reasons)
        raise refused
    return made


_FORMS: Final = {
    "date": "write it as 2026-12-31",
    "bool": "write yes or no",
    "int": "write a whole number",
    "decimal": "write a number such as 0.92",
}
"""How a value is written, by the beginning of the kind of fault."""


def _fault(fault: Any) -> str:
    path, given = ".".join(map(str, fault["loc"])), fault.get("input")
    form = _FORMS.get(str(fault["type"]).partition("_")[0])
    if form is None or not isinstance(given, str):
        return f"{path}: {fault['msg']}"
    return f"{path}: {given!r} cannot be read; {form}"


def with_vat_code(settings: ConnectionSettings, side: str, row: VatCode) -> ConnectionSettings:
    """`settings` with `row` in the VAT-code map of `side`, in place of one with the same key."""
    kept = tuple(one for one in getattr(settings, side).vat_codes if one.key != row.key)
    return _with(settings, side, vat_codes=(*kept, row))


def without_vat_code(settings: ConnectionSettings, side: str, row: VatCode) -> ConnectionSettings:
    """`settings` without the row that has the key of `row`. Unusable when there is none."""
    kept = tuple(one for one in getattr(settings, side).vat_codes if one.key != row.key)
    if len(kept) == len(getattr(settings, side).vat_codes):
        raise Unusable(f"No VAT code of {side} is linked for that. `dagboek settings show` lists them.", COMMAND_LINE)
    return _with(settings, side, vat_codes=kept)


def with_ledger_rule(settings: ConnectionSettings, side: str, rule: LedgerRule) -> ConnectionSettings:
    """`settings` with `rule` among the ledger accounts of `side`, in place of one for the same rate and category."""
    kept = tuple(one for one in getattr(settings, side).ledger_accounts if not _same(one, rule))
    return _with(settings, side, ledger_accounts=(*kept, rule))


def without_ledger_rule(settings: ConnectionSettings, side: str, rule: LedgerRule) -> ConnectionSettings:
    """`settings` without the rule for the rate and category of `rule`. Unusable when there is none."""
    kept = tuple(one for one in getattr(settings, side).ledger_accounts if not _same(one, rule))
    if len(kept) == len(getattr(settings, side).ledger_accounts):
        raise Unusable(
            f"No ledger account of {side} is set for that. `dagboek settings show` lists them.", COMMAND_LINE
        )
    return _with(settings, side, ledger_accounts=kept)


def with_payment_term(settings: ConnectionSettings, term: PaymentTerm) -> ConnectionSettings:
    """`settings` with `term`, in place of one for the same days; one without code is taken away."""
    kept = tuple(
        one for one in settings.payment_terms if (one.days, one.end_of_month) != (term.days, term.end_of_month)
    )
    return settings.model_copy(update={"payment_terms": (*kept, term) if term.code else kept})


def filled(settings: ConnectionSettings, proposed: ConnectionSettings) -> ConnectionSettings:
    """`settings` with what `proposed` has where nothing was chosen."""
    sides = {name: _filled_side(getattr(settings, name), getattr(proposed, name)) for name in SIDES}
    terms = settings.payment_terms or proposed.payment_terms
    return settings.model_copy(update={**sides, "payment_terms": terms})


def _filled_side(side: Side, proposed: Side) -> Side:
    empty = {name: getattr(proposed, name) for name in Side.model_fields if not getattr(side, name)}
    return side.model_copy(update=empty)


def _with(settings: ConnectionSettings, side: str, **changes: Any) -> ConnectionSettings:
    return settings.model_copy(update={side: getattr(settings, side).model_copy(update=changes)})


def _same(one: LedgerRule, other: LedgerRule) -> bool:
    return (one.rate, one.category) == (other.rate, other.category)


def _place(content: dict[str, Any], path: str) -> tuple[dict[str, Any], str]:
    """The dictionary that holds the setting at `path`, and its name there."""
    head, _, name = path.partition(".")
    if (name or head) in _TABLES:
        text = f"{path} has many rows. Use `dagboek settings {_TABLES[name or head]}` for one of them."
        raise Unusable(text, COMMAND_LINE)
    if head == "exchange_rates" and name:
        return content["exchange_rates"], name.upper()
    if path not in paths():
        near = difflib.get_close_matches(path, paths(), n=1)
        raise Unusable(
            f"There is no setting {path}. "
            + (f"Did you mean {near[0]}?" if near else f"There are: {', '.join(paths())}."),
            COMMAND_LINE,
        )
    return (content[head], name) if name else (content, head)


def _unknown(content: Mapping[str, Any]) -> list[str]:
    found = [name for name in content if name not in ConnectionSettings.model_fields]
    for side in SIDES:
        given = content.get(side)
        if isinstance(given, Mapping):
            found += [f"{side}.{name}" for name in given if name not in Side.model_fields]
    return found
