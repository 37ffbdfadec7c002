"""What an audit says: the push record against entries that a test makes up."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from dagboek.audit.comparing import Difference, Ours, compare, differing
from dagboek_sdk.accounting import Period
from dagboek_sdk.attempt import Booking, Candidate

FEBRUARY = Period(date(2026, 2, 1), date(2026, 2, 28))
DAY = date(2026, 2, 3)


def ours(number: str = "2026/1", state: str | None = "booked", **more: Any) -> Ours:
    sent = {"reference": number, "day": DAY, "gross": Decimal("121.00"), "currency": "EUR", "journal": "V1"}
    booking = Booking({}, **{**sent, **more.pop("sent", {})})
    given = {"entry_id": f"e {number}", "entry_number": "1", "party_entry": "P1", **more}
    return Ours(identity=f"d1:{number}", state=state, booking=booking, number=number, **given)


def entry(bears: str = "2026/1", **more: Any) -> Candidate:
    given = {
        "entry_id": f"e {bears}",
        "number": "1",
        "reference": bears,
        "journal": "V1",
        "party_id": "P1",
        "day": DAY,
        "gross": Decimal("121.00"),
        "currency": "EUR",
    }
    return Candidate(**{**given, **more})


def told(booked: Sequence[Ours], there: Sequence[Candidate]) -> list[tuple[str, ...]]:
    """Kind, our document, the entry, and what differs."""
    return [
        (one.kind, one.ours.number if one.ours else "", one.entry.entry_id if one.entry else "", *one.differences)
        for one in compare(FEBRUARY, booked, there)
    ]


def test_what_stands_there_as_it_was_booked_is_fine() -> None:
    assert told([ours()], [entry()]) == [("found", "2026/1", "e 2026/1")]


def test_what_is_not_there_is_missing() -> None:
    assert told([ours(), ours("2026/2")], [entry("2026/2")]) == [
        ("missing", "2026/1", ""),
        ("found", "2026/2", "e 2026/2"),
    ]


@pytest.mark.parametrize(
    ("changed", "difference"),
    [
        ({"gross": Decimal("12.10")}, Difference.AMOUNT),
        ({"gross": Decimal("-121.00")}, Difference.AMOUNT),
        ({"day": date(2026, 2, 4)}, Difference.DATE),
        ({"day": date(2026, 3, 4)}, Difference.DATE),
        ({"party_id": "P2"}, Difference.PARTY),
        ({"journal": "V2"}, Difference.JOURNAL),
        ({"reference": "2026/7"}, Difference.REFERENCE),
        ({"currency": "USD", "gross": Decimal("140.00")}, Difference.CURRENCY),
    ],
)
def test_what_somebody_changed_is_named(changed: dict[str, Any], difference: Difference) -> None:
    """Also where they moved it out of the period; amounts of two currencies are not held against each other."""
    assert told([ours()], [replace(entry(), **changed)]) == [("differs", "2026/1", "e 2026/1", difference)]


@pytest.mark.parametrize("field", ["gross", "day", "party_id", "journal", "reference", "currency"])
def test_what_the_tool_does_not_tell_is_no_difference(field: str) -> None:
    nothing: dict[str, Any] = {field: None}
    assert told([ours()], [replace(entry(), **nothing)]) == [("found", "2026/1", "e 2026/1")]


def test_an_entry_typed_in_the_place_of_a_deleted_one_is_another_entry() -> None:
    assert told([ours()], [entry(entry_id="typed")]) == [("differs", "2026/1", "typed", Difference.ENTRY)]


def test_something_like_a_missing_one_is_shown_beside_it() -> None:
    typed = entry(entry_id="typed", reference="no number")
    assert told([ours()], [typed]) == [("missing", "2026/1", "typed", Difference.ENTRY, Difference.REFERENCE)]


@pytest.mark.parametrize(
    "second",
    [
        entry(entry_id="second"),
        entry(entry_id="second", day=date(2026, 2, 9)),
        entry(entry_id="second", gross=Decimal("100.00")),
        entry(entry_id="second", party_id="P2"),
        entry(entry_id="second", reference=None, texts=("invoice", "2026/1")),
        entry(entry_id="second", reference="typed"),
        entry(),
    ],
)
def test_a_second_entry_of_a_document_is_named(second: Candidate) -> None:
    """Also one of the very same id, and one that bears another number but is the same in everything else."""
    kinds = {(kind, which) for kind, _, which, *_ in told([ours()], [entry(), second])}
    assert kinds == {("twice", second.entry_id), ("found", "e 2026/1")}


def test_a_number_alone_makes_nothing_the_same() -> None:
    """Suppliers have the same numbers, and numbers come back each year."""
    other = entry(entry_id="other", party_id="P2", gross=Decimal("9.99"))
    assert ("others", "", "other") in told([ours()], [entry(), other])
    last_year = ours(party_entry="P1")
    assert told([last_year], [entry(), entry(entry_id="before", day=date(2025, 2, 3), gross=Decimal(5))]) == [
        ("found", "2026/1", "e 2026/1")
    ]


def test_what_others_booked_is_told_within_the_period_alone() -> None:
    there = [entry("x1", party_id="P9"), entry("x2", party_id="P9", day=date(2026, 3, 1)), entry("x3", day=None)]
    assert told([], there) == [("others", "", "e x1")]


def test_an_entry_of_a_document_of_ours_that_is_not_booked_is_told_with_it() -> None:
    assert told([ours(state="free", entry_id=None), ours("2026/2", state=None, entry_id=None)], [entry()]) == [
        ("others", "2026/1", "e 2026/1")
    ]


@pytest.mark.parametrize("state", ["intent", "accepted", "needs_person"])
def test_what_has_no_outcome_waits_with_what_may_be_it(state: str) -> None:
    assert told([ours(state=state, entry_id=None), ours("2026/2", state=state, entry_id=None)], [entry()]) == [
        ("waiting", "2026/1", "e 2026/1"),
        ("waiting", "2026/2", ""),
    ]


def test_what_was_booked_while_the_books_were_read_is_not_called_missing() -> None:
    assert told([ours(recent=True)], []) == [("waiting", "2026/1", "")]


def test_entries_of_another_company_in_the_same_books_are_nobodys_finding() -> None:
    other = ours("Z1", own=False)
    assert told([other, ours()], [entry("Z1", gross=Decimal(5)), entry()]) == [("found", "2026/1", "e 2026/1")]


def test_what_a_person_named_by_its_number_is_found_by_it() -> None:
    marked = ours(entry_id=None, entry_number="43")
    assert told([marked], [entry(entry_id="x", number="43")]) == [("found", "2026/1", "x")]
    both = [entry(entry_id="x", number="43"), entry("9", entry_id="y", number="43", journal="A1", gross=Decimal(7))]
    assert ("found", "2026/1", "x") in told([marked], both)


def test_a_number_that_the_tool_made_plain_is_no_other_number() -> None:
    assert differing(ours(entry_number="20261"), entry(reference="20261")) == ()


def test_what_bears_a_number_is_taken_by_nothing_that_only_looks_like_it() -> None:
    """Of two that are alike, the entry of the one that waits is no second one of the other."""
    there = [entry("2026/1"), entry("2026/2", entry_id="new")]
    waits = ours("2026/2", state="intent", entry_id=None, entry_number=None)
    assert told([ours(), waits], there) == [("waiting", "2026/2", "new"), ("found", "2026/1", "e 2026/1")]


def test_each_entry_counts_once() -> None:
    pair = [ours("A", entry_id="gone"), ours("A", entry_id="there", party_entry=None)]
    assert [kind for kind, *_ in told(pair, [entry("A", entry_id="there")])] == ["missing", "found"]
