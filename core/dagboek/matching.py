"""Whether an entry in the tool is the one that we meant. Core compares; plugins only say what they found."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

from dagboek_sdk.attempt import Booking, Candidate


class Likeness(StrEnum):
    """How far a candidate is ours."""

    OURS = "ours"
    PERHAPS = "perhaps"
    """Same party, date and amount, but not our reference: a person must look."""
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Match:
    """The outcome of comparing all candidates."""

    likeness: Likeness
    candidates: tuple[Candidate, ...] = ()


def likeness(booking: Booking, party_entry: str | None, candidate: Candidate) -> Likeness:
    """Compares one candidate with what was to be booked.

    Our reference with the same amount, date and journal is ours. The same without our reference may have been typed
    by hand, and so may our reference with a slip in amount, date or journal. A field that the tool does not give is
    no ground for refusal.
    """
    if candidate.certain:
        return Likeness.OURS
    same_amount = not (_differ(booking.gross, candidate.gross) or _differ(booking.currency, candidate.currency))
    same_day = not _differ(booking.day, candidate.day)
    same_party = not _differ(party_entry, candidate.party_id)
    same = same_amount and same_day and not _differ(booking.journal, candidate.journal)
    if any(_same_reference(booking.reference, text) for text in (candidate.reference, *candidate.texts)):
        if same:
            return Likeness.OURS if same_party else Likeness.PERHAPS
        slip = same_party and (same_amount or same_day)
        return Likeness.PERHAPS if slip else Likeness.OTHER
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


def describe(candidates: Sequence[Candidate]) -> str:
    """The candidates' numbers, for people."""
    return ", ".join(candidate.number or candidate.entry_id for candidate in candidates[:5])


def _differ(ours: object, theirs: object) -> bool:
    return ours is not None and theirs is not None and ours != theirs


def _same_reference(ours: str | None, theirs: str | None) -> bool:
    if not ours or not theirs:
        return False
    return " ".join(ours.split()).casefold() == " ".join(theirs.split()).casefold()
