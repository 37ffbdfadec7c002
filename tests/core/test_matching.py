"""Which entry of the tool is ours, which may be, and which is another's."""

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from dagboek.matching import Likeness, absent, likeness, match
from dagboek_sdk.accounting import Settling
from dagboek_sdk.attempt import Booking, Candidate

DAY = date(2026, 3, 2)
BOOKING = Booking(payload={}, journal="V1", reference="2026/001", day=DAY, gross=Decimal("121.00"), currency="EUR")
ENTRY = Candidate(
    entry_id="7/V1/4", number="4", reference="2026/001", journal="V1", party_id="12", day=DAY,
    gross=Decimal("121.0"), currency="EUR",
)  # fmt: skip


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({}, Likeness.OURS),
        ({"reference": " 2026/001 "}, Likeness.OURS),
        ({"reference": "levering", "texts": ("levering", "2026/001")}, Likeness.OURS),
        ({"party_id": None}, Likeness.OURS),
        ({"party_id": "13"}, Likeness.PERHAPS),
        # typed by hand, without the number
        ({"reference": None}, Likeness.PERHAPS),
        ({"reference": "levering maart"}, Likeness.PERHAPS),
        ({"reference": None, "party_id": "13"}, Likeness.OTHER),
        ({"reference": None, "party_id": None}, Likeness.OTHER),
        ({"reference": None, "gross": Decimal("121.01")}, Likeness.OTHER),
        # typed by hand, with a slip
        ({"gross": Decimal("121.01")}, Likeness.PERHAPS),
        ({"day": date(2026, 3, 3)}, Likeness.PERHAPS),
        ({"journal": "V4"}, Likeness.PERHAPS),
        ({"gross": Decimal("121.01"), "party_id": "13"}, Likeness.PERHAPS),
        ({"day": date(2026, 3, 3), "party_id": "13"}, Likeness.PERHAPS),
        # corrected since, both
        ({"gross": Decimal("121.01"), "day": date(2026, 3, 3)}, Likeness.PERHAPS),
        ({"gross": Decimal("55.00"), "day": date(2026, 12, 3), "journal": "V4"}, Likeness.PERHAPS),
        ({"gross": Decimal("55.00"), "day": date(2026, 3, 3), "party_id": None}, Likeness.PERHAPS),
        # the number of another supplier
        ({"gross": Decimal("55.00"), "day": date(2026, 3, 3), "party_id": "13"}, Likeness.OTHER),
        # the number of another year, to the same customer, and where all amounts are alike
        ({"gross": Decimal("55.00"), "day": date(2025, 3, 2)}, Likeness.OTHER),
        ({"day": date(2025, 3, 2), "party_id": "13"}, Likeness.OTHER),
        ({"day": date(2025, 3, 2)}, Likeness.PERHAPS),
        ({"reference": "2026/002", "gross": Decimal("55.00")}, Likeness.OTHER),
        ({"certain": True, "reference": None, "party_id": "13"}, Likeness.OURS),
    ],
    ids=str,
)
def test_how_far_an_entry_is_ours(changed: dict[str, Any], expected: Likeness) -> None:
    assert likeness(BOOKING, "12", replace(ENTRY, **changed)) is expected


def test_a_document_that_was_moved_over_new_year_is_not_that_of_another_year() -> None:
    booking = replace(BOOKING, day=date(2026, 1, 4))
    moved = replace(ENTRY, day=date(2025, 12, 31), gross=Decimal("121.01"))

    assert likeness(booking, "12", moved) is Likeness.PERHAPS
    assert likeness(booking, "12", replace(moved, day=date(2025, 1, 4))) is Likeness.OTHER


@pytest.mark.parametrize("reference", ["2026/001", "2026/002", None])
@pytest.mark.parametrize("settling", Settling)
def test_who_else_has_our_number_proves_that_we_are_not_there_and_nothing_else_does(
    settling: Settling, reference: str | None
) -> None:
    """Not even of another year: a book year may begin in any month."""
    other = replace(ENTRY, reference=reference, gross=Decimal("55.00"), day=date(2025, 3, 2), party_id="13")

    assert absent(BOOKING, [other], settling) is (settling is Settling.NUMBER and reference != "2026/001")
    assert absent(BOOKING, [], settling) is (settling in (Settling.NUMBER, Settling.LOOK_UP))


def test_the_one_that_is_ours_wins_over_those_that_may_be() -> None:
    twin = replace(ENTRY, entry_id="7/V1/5", reference=None)

    assert match(BOOKING, "12", [twin, ENTRY]).candidates == (ENTRY,)


def test_two_that_are_ours_are_a_question() -> None:
    found = match(BOOKING, "12", [ENTRY, replace(ENTRY, entry_id="7/V1/5")])

    assert found.likeness is Likeness.PERHAPS and len(found.candidates) == 2
