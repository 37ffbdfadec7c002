"""What became of each file: outcome, issues, booking number, and the amounts as the tool's own books have them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from dagboek_schemas.documents import Direction
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component, ItemKind, ItemState
from dagboek_sdk.settings import ConnectionSettings

from dagboek.cli.tables import json_of
from dagboek.cli.wording import Wording
from dagboek.demo.books import Entry
from dagboek.demo.sorting import Pile
from dagboek.history import Detail, RunDetails

BOOKED = "booked"
SKIPPED = "skipped"
COPY = "D05"
"""Issue of a file with the content of another one."""

_ZERO = Decimal(0)
_SALES = frozenset({Component.SALES_INVOICES, Component.SALES_CREDIT_NOTES})


@dataclass(frozen=True, slots=True)
class Amounts:
    """Of an entry, in the document's currency; a credit note is negative. net + vat_total + rounding = total."""

    currency: str
    net: Decimal
    vat: tuple[Mapping[str, Any], ...]
    """Rows of rate, base and vat."""
    vat_total: Decimal
    rounding: Decimal
    total: Decimal


@dataclass(frozen=True, slots=True)
class FileOutcome:
    """What became of one file."""

    file: str
    outcome: str
    state: str
    entity: str
    issues: tuple[Issue, ...] = ()
    document_number: str | None = None
    component: str | None = None
    booking_number: str | None = None
    journal: str | None = None
    amounts: Amounts | None = None
    reason: str | None = None
    """Where there is no issue: in a sentence."""
    copy_of: str | None = None
    """The file whose entry this one stands for too, having the same content."""
    nameless: bool = False
    """Its issuer cannot be read: `entity` is where it is shown, and it may be any other company's."""

    def json(self, wording: Wording) -> dict[str, Any]:
        """One line of the report."""
        content: dict[str, Any] = json_of(self)
        content["issues"] = [wording.json(issue) for issue in self.issues]
        content["issue_codes"] = list(dict.fromkeys(issue.code for issue in self.issues))
        content["rules"] = list(dict.fromkeys(issue.rule for issue in self.issues if issue.rule))
        return content


def outcomes(pile: Pile, run: RunDetails, entries: Sequence[Entry], settings: ConnectionSettings) -> list[FileOutcome]:
    """The outcome of every file of a pile, in the order of their names."""
    items = {item.origin_id: item for item in run.details if item.kind is ItemKind.DOCUMENT}
    parties = {item.identity: item for item in run.details if item.kind is ItemKind.PARTY}
    by_id = {entry.id: entry for entry in entries}
    return [_outcome(pile, file, items, parties, by_id, settings) for file in sorted(pile.files)]


def _outcome(
    pile: Pile,
    file: str,
    items: Mapping[str | None, Detail],
    parties: Mapping[str, Detail],
    entries: Mapping[str, Entry],
    settings: ConnectionSettings,
) -> FileOutcome:
    name = pile.entity.name
    item = items.get(file)
    if item is None:
        reason = f"neither seller nor buyer of it is {name}"
        return FileOutcome(file, SKIPPED, "other_entity", name, reason=reason)
    copied = next((items.get(issue.facts.get("first", "")) for issue in item.issues if issue.code == COPY), None)
    told = copied or item
    entry = entries.get(told.entry_id or "")
    booked = told.state in (ItemState.SYNCED, ItemState.UNCHANGED) and entry is not None
    party = parties.get(item.party_identity or "")
    because = party.issues if party and not booked and party.state is ItemState.SKIPPED else ()
    return FileOutcome(
        file=file,
        outcome=BOOKED if booked else SKIPPED,
        state=item.state,
        entity=name,
        issues=(*item.issues, *because),
        document_number=item.title,
        component=item.component,
        booking_number=told.booking_number,
        journal=entry.journal if entry else None,
        amounts=_amounts(entry, _rounding_account(told, settings)) if booked and entry else None,
        copy_of=copied.origin_id if copied else None,
        nameless=file in pile.nameless,
    )


def _rounding_account(item: Detail, settings: ConnectionSettings) -> str | None:
    return settings.side(Direction.SALES if item.component in _SALES else Direction.PURCHASE).rounding_account


def _amounts(entry: Entry, rounding_account: str | None) -> Amounts:
    rounding = entry.on_account(rounding_account)
    code = next((line["vat_code"] for line in entry.lines if str(line["account"]) == rounding_account), None)
    rates: dict[Decimal | None, dict[str, Any]] = {}
    for row in entry.vat:
        base = row.base - (rounding if rounding and row.code == code else _ZERO)
        if not base and not row.vat and rounding:
            continue
        found = rates.setdefault(row.rate, {"rate": row.rate, "base": _ZERO, "vat": _ZERO})
        found["base"] += base
        found["vat"] += row.vat
    return Amounts(
        currency=entry.currency,
        net=entry.net - rounding,
        vat=tuple(rates.values()),
        vat_total=entry.vat_total,
        rounding=rounding,
        total=entry.total,
    )


def write_report(file: Path, found: Sequence[FileOutcome], wording: Wording) -> None:
    """One JSON object a line."""
    lines = [json.dumps(one.json(wording), ensure_ascii=False) for one in found]
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
