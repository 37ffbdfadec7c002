"""Payment states: what is open, what is proved paid, and what nobody can tell."""

from decimal import Decimal
from typing import Any

import pytest
from dagboek_octopus import payments
from dagboek_octopus.entries import EntryId
from dagboek_schemas.documents import PaymentState

ENTRY = EntryId("7", "V1", 43)
LAST_YEAR = EntryId("6", "V1", 43)


def key(entry: EntryId, line: int = -1) -> dict[str, Any]:
    return {
        "bookyearKey": {"id": int(entry.book_year)},
        "journalKey": entry.journal,
        "documentSequenceNr": entry.number,
        "lineSequenceNr": line,
    }


def item(entry: EntryId, rest: str, total: str | None = "121") -> dict[str, Any]:
    row = key(entry) | {"openDocAmount": Decimal(rest), "currencyCode": "EUR"}
    return row | ({} if total is None else {"debetDocumentAmount": Decimal(total), "creditDocumentAmount": Decimal(0)})


def balancing(entry: EntryId, paid: str, total: str | None = None) -> dict[str, Any]:
    document: dict[str, Any] = {"balancingKey": key(entry)}
    if total is not None:
        document["debetBookingAmount"] = Decimal(total)
    bank = {"balancingKey": key(EntryId("7", "F1", 5), 1)}
    sums = {"debetBalancedBookingAmount": Decimal(0), "creditBalancedBookingAmount": Decimal(paid)}
    return {"debetDocument": document, "creditDocument": bank, **sums}


def states(
    items: list[dict[str, Any]],
    modified: list[dict[str, Any]],
    *,
    deleted: list[dict[str, Any]] | None = None,
    totals: dict[EntryId, Decimal] | None = None,
    asked: tuple[EntryId, ...] = (ENTRY,),
) -> dict[str, PaymentState]:
    proof = payments.balanced({"modifiedBalancings": modified, "deletedBalancings": deleted or []})
    empty = frozenset(() if items else ("V",))
    found = payments.statuses(asked, payments.open_items(items), proof, totals or {}, empty)
    return {one.entry_id: one.state for one in found}


@pytest.mark.parametrize(
    ("rest", "total", "state"),
    [
        ("121", "121", PaymentState.NOT_PAID),
        ("-121", "121", PaymentState.NOT_PAID),
        ("100", "121", PaymentState.PARTIALLY_PAID),
        ("121", None, PaymentState.NOT_PAID),
    ],
)
def test_an_open_item_is_compared_with_its_total(rest: str, total: str | None, state: PaymentState) -> None:
    assert states([item(ENTRY, rest, total)], []) == {str(ENTRY): state}


def test_an_item_without_total_is_partly_paid_when_a_balancing_names_it() -> None:
    assert states([item(ENTRY, "100", None)], [balancing(ENTRY, "21")])[str(ENTRY)] is PaymentState.PARTIALLY_PAID


def test_the_same_number_of_another_year_or_journal_is_another_document() -> None:
    other = item(EntryId("7", "V2", 43), "121")
    assert states([item(LAST_YEAR, "121"), other], []) == {}


def test_absent_without_a_balancing_says_nothing() -> None:
    assert states([item(LAST_YEAR, "121")], []) == {}


def test_absent_and_balanced_is_paid() -> None:
    assert states([item(LAST_YEAR, "121")], [balancing(ENTRY, "121")]) == {str(ENTRY): PaymentState.PAID}
    two = [balancing(ENTRY, "100", "121"), balancing(ENTRY, "21", "121")]
    assert states([item(LAST_YEAR, "121")], two) == {str(ENTRY): PaymentState.PAID}


def test_absent_and_balanced_in_part_is_not_paid() -> None:
    assert states([item(LAST_YEAR, "121")], [balancing(ENTRY, "21", "121")]) == {}


def test_an_empty_report_proves_nothing_and_only_the_full_amount_does() -> None:
    assert states([], [balancing(ENTRY, "121")]) == {}
    assert states([], [balancing(ENTRY, "21")], totals={ENTRY: Decimal(121)}) == {}
    assert states([], [balancing(ENTRY, "121")], totals={ENTRY: Decimal(121)}) == {str(ENTRY): PaymentState.PAID}


def test_a_payment_that_was_undone_opens_the_entry_again_though_nobody_asked() -> None:
    found = states([item(ENTRY, "121")], [], deleted=[balancing(ENTRY, "121")], asked=())
    assert found == {str(ENTRY): PaymentState.NOT_PAID}


def test_a_line_of_a_bank_statement_is_no_entry_of_ours() -> None:
    proof = payments.balanced({"modifiedBalancings": [balancing(ENTRY, "121")]})
    assert set(proof.amounts) == {ENTRY}


@pytest.mark.parametrize("answer", [None, {}, {"modifiedBalancings": [{}], "deletedBalancings": [{}]}])
def test_odd_answers_are_nothing_new(answer: dict[str, Any] | None) -> None:
    assert payments.balanced(answer).amounts == {}
    assert payments.open_items([{}]) == {}
