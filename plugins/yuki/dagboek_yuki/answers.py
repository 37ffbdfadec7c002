"""What an import answers: an outcome of each invoice (`SalesInvoicesImportResponse`, api.md section 4).

A call that succeeds may hold invoices that failed. Yuki goes through them in their order and stops after six wrong
ones; the others it counts as skipped. Who is not named and not provably skipped has no known outcome.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from lxml.etree import _Element as Element

from dagboek_yuki.ledger import digits, plain
from dagboek_yuki.reading import flag, rows, text, whole

STOP: Final = 6
"""Wrong invoices after which Yuki goes no further."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of one invoice."""

    reference: str
    succeeded: bool
    processed: bool
    message: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """The invoice was not looked at."""


def outcomes(result: Element, references: Sequence[str]) -> list[Told | Skipped | None]:
    """What is said of each of `references`, in their order; None where nothing is.

    An invoice is known by its number alone. Of two that share one, the order of the answer tells which is meant: Yuki
    answers in the order of the call, as far as it came. An answer in another order says nothing of those two.
    """
    told = [_told(row) for row in rows(result, "Invoice")]
    sent = [plain(one) for one in references]
    if len(told) <= len(sent) and all(map(_fits, told, sent)):
        found: list[Told | Skipped | None] = [*told, *[None] * (len(sent) - len(told))]
        return _with_skipped(result, found)
    by_number = {one: [row for row in told if row.reference == one] for one in sent}
    return [named[0] if len(named := by_number[one]) == 1 == sent.count(one) else None for one in sent]


def _with_skipped(result: Element, found: list[Told | Skipped | None]) -> list[Told | Skipped | None]:
    """The last ones are skipped, where the counts say so: six were wrong, and all the others are told."""
    succeeded, failed, skipped = (_total(result, name) for name in ("TotalSucceeded", "TotalFailed", "TotalSkipped"))
    head, tail = found[: len(found) - skipped], found[len(found) - skipped :]
    counted = (succeeded, failed) == (_count(head, True), _count(head, False)) and None not in head
    if skipped and failed >= STOP and counted and not _count(tail, True):
        return [*head, *[Skipped()] * len(tail)]
    return found


def _count(found: Sequence[Told | Skipped | None], succeeded: bool) -> int:
    return sum(isinstance(one, Told) and one.succeeded is succeeded for one in found)


def _total(result: Element, name: str) -> int:
    row = next(rows(result, name), None)
    return (whole(row) if row is not None else None) or 0


def _told(row: Element) -> Told:
    return Told(
        reference=plain(text(row, "Reference")),
        succeeded=flag(row, "Succeeded"),
        processed=flag(row, "Processed"),
        message=text(row, "Message"),
    )


def _fits(told: Told, reference: str) -> bool:
    """A refused invoice and a draft may come without its number, and any without the letters and signs of it."""
    if not told.reference:
        return not (told.succeeded and told.processed)
    return told.reference in (reference, digits(reference))
