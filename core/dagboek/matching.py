"""Whether an entry in the tool is the one that we meant. Core compares; plugins only say what they found."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dagboek_sdk.accounting import Settling
from dagboek_sdk.attempt import Booking, Candidate

NEW_YEAR = 31
"""Days that a document may be moved over New Year; farther away, the same number is that of another year."""


class Likeness(StrEnum):
    """How far a candidate is ours."""

    OURS = "ours"
    PERHAPS = "perhaps"
    """Our reference with something else that differs, or all the same without our reference: a person must look."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Match:
    """The outcome of comparing all candidates."""

    likeness: Likeness
    candidates: tuple[Candidate, ...] = ()


def likeness(booking: Booking, party_entry: str | None, candidate: Candidate) -> Likeness:
    """Compares one candidate with what was to be booked.

    Our reference with the same amount, date and journal is ours. The same without our reference may have been typed
    by hand. So may our reference whatever else differs: typed with slips, or corrected since we sent it. It is
    another's where numbers come back: each year, and with every supplier. A field that the tool does not give is no
    ground for refusal.
    """
    if candidate.certain:
        return Likeness.OURS
    same_amount = not (_differ(booking.gross, candidate.gross) or _differ(booking.currency, candidate.currency))
    same_day = not _differ(booking.day, candidate.day)
    same_party = not _differ(party_entry, candidate.party_id)
    same = same_amount and same_day and not _differ(booking.journal, candidate.journal)
    if bears_reference(booking, candidate):
        if same and same_party:
            return Likeness.OURS
        another_year = _another_year(booking, candidate)
        alike = same_party and same_amount if another_year else same_party or same_amount or same_day
        return Likeness.PERHAPS if alike else Likeness.OTHER
    known = booking.gross is not None and candidate.gross is not None and party_entry and candidate.party_id
    return Likeness.PERHAPS if same and same_party and known else Likeness.OTHER


def match(booking: Booking, party_entry: str | None, candidates: Iterable[Candidate]) -> Match:
    """The candidates that are ours, else those that may be, else none."""
    ours: list[Candidate] = []
    perhaps: list[Candidate] = []
    for candidate in candidates:
        found = likeness(booking, party_entry, candidate)
        if found is Likeness.OURS:
            ours.append(candidate)
        elif found is Likeness.PERHAPS:
            perhaps.append(candidate)
    if len(ours) == 1:
        return Match(Likeness.OURS, (ours[0],))
    if ours or perhaps:
        return Match(Likeness.PERHAPS, tuple(ours or perhaps))
    return Match(Likeness.OTHER)


def bears_reference(booking: Booking, candidate: Candidate) -> bool:
    """Whether our mark stands in any text of the entry."""
    return any(_same_reference(booking.reference, text) for text in (candidate.reference, *candidate.texts))


def absent(booking: Booking, candidates: Sequence[Candidate], settling: Settling) -> bool:
    """Whether what the tool shows for an attempt that was sent, none of it ours, proves that the attempt is not there.

    Where a number is taken once, another's entry under ours proves it, unless it bears our reference: then it may be
    ours, corrected meanwhile. A search for our reference proves it by nothing at all. `candidates` are without those
    that other links hold.
    """
    if settling is Settling.NUMBER:
        return not any(bears_reference(booking, one) for one in candidates)
    return settling is Settling.LOOK_UP and not candidates


def describe(candidates: Sequence[Candidate]) -> str:
    """The candidates' numbers, for people."""
    return ", ".join(candidate.number or candidate.entry_id for candidate in candidates[:5])


def _another_year(booking: Booking, candidate: Candidate) -> bool:
    if booking.day is None or candidate.day is None:
        return False
    return booking.day.year != candidate.day.year and abs((booking.day - candidate.day).days) > NEW_YEAR


def _differ(ours: object, theirs: object) -> bool:
    return ours is not None and theirs is not None and ours != theirs


def plain_reference(text: str) -> str:
    """A reference as it is compared: whatever its capitals and blanks."""
    return " ".join(text.split()).casefold()


def _same_reference(ours: str | None, theirs: str | None) -> bool:
    return bool(ours and theirs) and plain_reference(ours or "") == plain_reference(theirs or "")
