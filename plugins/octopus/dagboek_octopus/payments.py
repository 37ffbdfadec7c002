"""How far entries are paid, out of open items and balancings (api.md section 4.6).

There is no "paid" flag. An entry that is no longer among the open items counts as paid only when balancings prove it:
at the turn of the year the report may be empty because nothing was carried over yet, and everything would look paid.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from dagboek_schemas.documents import PaymentState, PaymentStatus
from dagboek_sdk.mapping import CENT, ZERO

from dagboek_octopus.entries import EntryId, amount

WHOLE_DOCUMENT = -1
"""Line number that stands for the document itself in a balancing."""


@dataclass(frozen=True, slots=True)
class OpenItem:
    """What is open of an entry, in its own currency; total None where the report does not tell."""

    open: Decimal
    total: Decimal | None
    currency: str | None


@dataclass
class Balanced:
    """What balancings say of entries, in the accounting currency."""

    amounts: dict[EntryId, Decimal] = field(default_factory=dict)
    totals: dict[EntryId, Decimal] = field(default_factory=dict)
    """The entry's own total, where the balancing gives it."""
    undone: set[EntryId] = field(default_factory=set)


def open_items(report: Iterable[Mapping[str, Any]] | None) -> dict[EntryId, OpenItem]:
    """Open items by entry; several rows of one entry are added up."""
    items: dict[EntryId, OpenItem] = {}
    for row in report or ():
        entry = EntryId.of(row)
        if entry is None:
            continue
        rest = amount(row.get("openDocAmount"))
        if rest is None:
            rest = amount(row.get("openBookingAmount")) or ZERO
        debit, credit = amount(row.get("debetDocumentAmount")), amount(row.get("creditDocumentAmount"))
        total = None if debit is None and credit is None else abs((debit or ZERO) - (credit or ZERO))
        known = items.get(entry)
        if known:
            rest += known.open
            total = None if total is None or known.total is None else total + known.total
        items[entry] = OpenItem(rest, total, row.get("currencyCode"))
    return items


def balanced(answer: Mapping[str, Any] | None) -> Balanced:
    """What a `balancings/modified` answer says. The amount stands on either side, whichever is filled."""
    found = Balanced()
    for row in (answer or {}).get("modifiedBalancings") or ():
        sums = [abs(amount(row.get(f"{side}BalancedBookingAmount")) or ZERO) for side in ("debet", "credit")]
        for entry, total in _entries(row):
            found.amounts[entry] = found.amounts.get(entry, ZERO) + max(sums)
            if total:
                found.totals[entry] = total
    for row in (answer or {}).get("deletedBalancings") or ():
        found.undone.update(entry for entry, _ in _entries(row))
    return found


def statuses(
    asked: Sequence[EntryId],
    items: Mapping[EntryId, OpenItem],
    proof: Balanced,
    totals: Mapping[EntryId, Decimal],
    empty: frozenset[str],
) -> list[PaymentStatus]:
    """Statuses of `asked`, and of entries whose payment was undone; those that nobody can tell are left out.

    `totals`: entry → total in the accounting currency, where known. `empty`: letters of the journals whose report was
    empty, so that only balancings over the full amount prove anything.
    """
    found = []
    for entry in [*asked, *(one for one in sorted(proof.undone, key=str) if one in items and one not in asked)]:
        item = items.get(entry)
        if item:
            found.append(_open(entry, item, balanced=entry in proof.amounts))
        elif _paid(entry, proof, totals, strict=entry.journal[:1] in empty):
            found.append(PaymentStatus(entry_id=str(entry), state=PaymentState.PAID, open_amount=ZERO))
    return found


def _open(entry: EntryId, item: OpenItem, *, balanced: bool) -> PaymentStatus:
    rest = abs(item.open)
    partial = rest + CENT / 2 < item.total if item.total else balanced
    state = PaymentState.PARTIALLY_PAID if partial else PaymentState.NOT_PAID
    return PaymentStatus(entry_id=str(entry), state=state, open_amount=rest, currency=item.currency)


def _paid(entry: EntryId, proof: Balanced, totals: Mapping[EntryId, Decimal], *, strict: bool) -> bool:
    paid = proof.amounts.get(entry)
    if paid is None:
        return False
    total = proof.totals.get(entry) or totals.get(entry)
    if total is None:
        return not strict
    return paid + CENT / 2 >= abs(total)


def _entries(row: Mapping[str, Any]) -> list[tuple[EntryId, Decimal | None]]:
    """The documents that a balancing ties as a whole; a line of a bank statement is none of ours."""
    found = []
    for side in ("debet", "credit"):
        document = row.get(f"{side}Document") or {}
        key = document.get("balancingKey") or {}
        entry = EntryId.of(key)
        if entry is None or key.get("lineSequenceNr", WHOLE_DOCUMENT) != WHOLE_DOCUMENT:
            continue
        debit, credit = amount(document.get("debetBookingAmount")), amount(document.get("creditBookingAmount"))
        total = None if debit is None and credit is None else abs((debit or ZERO) - (credit or ZERO))
        found.append((entry, total))
    return found
