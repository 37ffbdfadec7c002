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

    Our reference with the same amount and date is ours. The same amount, date and party without our reference may
    have been typed by hand. A field that the tool does not give is no ground for refusal, two different ones are.
    """
    if candidate.certain:
        return Likeness.OURS
    if _differ(booking.gross, candidate.gross) or _differ(booking.currency, candidate.currency):
        return Likeness.OTHER
    if _differ(booking.day, candidate.day) or _differ(booking.journal, candidate.journal):
        return Likeness.OTHER
    same_party = not _differ(party_entry, candidate.party_id)
    if any(_same_reference(booking.reference, text) for text in (candidate.reference, *candidate.texts)):
        return Likeness.OURS if same_party else Likeness.PERHAPS
    if same_party and booking.gross is not None and candidate.gross is not None and party_entry and candidate.party_id:
        return Likeness.PERHAPS
    return Likeness.OTHER


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
