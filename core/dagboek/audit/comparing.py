"""Our push record against the tool's books: pure, so that it is the same for every tool and can be tried without one.

What is compared is the document's total with VAT, in the currency that the tool gives it in, which is told beside it;
then its date, other party, journal and number. A field that the tool does not give is no difference.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import StrEnum
from typing import Final

from dagboek_schemas.statuses import Component
from dagboek_sdk.accounting import Period
from dagboek_sdk.attempt import Booking, Candidate

from dagboek.matching import Likeness, bears_reference, likeness, plain_reference


class Kind(StrEnum):
    """What an audit says of a document or an entry."""

    MISSING = "missing"
    """Booked by us, and not there."""
    DIFFERS = "differs"
    """There, with another amount, date, party, journal or number."""
    TWICE = "twice"
    """An entry besides ours of the same document, or one that looks so."""
    OTHERS = "others"
    """Booked by hand, or by another program. It may be a document of ours that is not booked."""
    WAITING = "waiting"
    """Sent, and its outcome is not known yet; or sent while the books were read."""
    UNTOLD = "untold"
    """Not found where the tool can be looked into, which proves nothing."""
    FOUND = "found"
    """As it should be."""


class Difference(StrEnum):
    """What is not the same."""

    AMOUNT = "amount"
    CURRENCY = "currency"
    DATE = "date"
    PARTY = "party"
    JOURNAL = "journal"
    REFERENCE = "reference"
    """The number that the document bears."""
    ENTRY = "entry"
    """The tool's own number: another entry than the one that we made."""


BOOKED: Final = "booked"
OPEN: Final = ("intent", "accepted", "needs_person")
"""States of links whose outcome is not known yet, or not to us."""


@dataclass(frozen=True, slots=True)
class Ours:
    """A document as the push record has it."""

    identity: str
    state: str | None
    """Of its link; None where it was never planned."""
    booking: Booking
    """Reference, day, signed total, currency and journal, as they were sent."""
    in_period: bool = True
    own: bool = True
    """Of the entity that is audited, and not of another in the same books."""
    link_id: int | None = None
    entry_id: str | None = None
    entry_number: str | None = None
    party_entry: str | None = None
    recent: bool = False
    """It changed after the reading began."""
    number: str = ""
    party: str = ""
    component: Component | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the outcome."""

    kind: Kind
    ours: Ours | None = None
    entry: Candidate | None = None
    differences: tuple[Difference, ...] = ()


def compare(period: Period, ours: Sequence[Ours], entries: Sequence[Candidate]) -> list[Finding]:
    """What stands where, in the order of the kinds. Each entry counts for one document.

    What bears a document's number is its own before anything is taken for what it is by its looks.
    """
    shelf = _Shelf(entries)
    standing = {place: entry for place, one in enumerate(ours) if (entry := shelf.with_id(one)) is not None}
    certain: set[int] = set(standing)
    found: list[Finding] = []
    for bearing in (True, False):
        for place, one in enumerate(ours):
            if place not in standing and (entry := shelf.like(one, bearing=bearing)) is not None:
                standing[place] = entry
                certain |= {place} if bearing else set()
        for place in standing:
            while (entry := shelf.like(ours[place], bearing=bearing)) is not None:
                found.append(_finding(Kind.TWICE, ours[place], entry))
    for place, one in enumerate(ours):
        if (told := _told(period, one, standing.get(place), certain=place in certain)) is not None:
            found.append(told)
    found += [Finding(Kind.OTHERS, None, entry) for entry in shelf.left() if period.holds(entry.day)]
    return in_order(one for one in found if one.ours is None or one.ours.own)


def in_order(found: Iterable[Finding]) -> list[Finding]:
    """What is wrong first."""
    order = list(Kind)
    return sorted(found, key=lambda one: order.index(one.kind))


def _told(period: Period, one: Ours, entry: Candidate | None, *, certain: bool) -> Finding | None:
    """What is to be said of a document; `certain`: the entry bears its number, or is the one that we know of."""
    if one.state == BOOKED and entry is not None and certain:
        if not one.in_period and not period.holds(entry.day):
            return None
        differences = differing(one, entry)
        return Finding(Kind.DIFFERS if differences else Kind.FOUND, one, entry, differences)
    if not one.in_period:
        return None
    if one.state == BOOKED:
        return _finding(Kind.WAITING if one.recent else Kind.MISSING, one, entry)
    if one.state in OPEN:
        return _finding(Kind.WAITING, one, entry)
    return _finding(Kind.OTHERS, one, entry) if entry is not None else None


def _finding(kind: Kind, one: Ours, entry: Candidate | None) -> Finding:
    return Finding(kind, one, entry, differing(one, entry) if entry else ())


def differing(ours: Ours, entry: Candidate) -> tuple[Difference, ...]:
    """What is not the same, of what both sides tell."""
    booking = ours.booking
    pairs: list[tuple[Difference, object, object]] = [
        (Difference.CURRENCY, booking.currency, entry.currency),
        (Difference.DATE, booking.day, entry.day),
        (Difference.PARTY, ours.party_entry, entry.party_id),
        (Difference.JOURNAL, booking.journal, entry.journal),
        (Difference.ENTRY, ours.entry_id, entry.entry_id),
    ]
    if booking.currency is None or entry.currency in (None, booking.currency):
        pairs.insert(0, (Difference.AMOUNT, booking.gross, entry.gross))
    found = [name for name, mine, theirs in pairs if mine is not None and theirs is not None and mine != theirs]
    if entry.reference and booking.reference and not bears_reference(booking, entry) and not _renumbered(ours, entry):
        found.append(Difference.REFERENCE)
    return tuple(found)


def _renumbered(ours: Ours, entry: Candidate) -> bool:
    """The tool keeps the document under a number of its own, and has told so when it was booked."""
    return entry.reference is not None and entry.reference == ours.entry_number


class _Shelf:
    """The entries that are not taken yet, found by id, by number, by reference, or by day and amount."""

    def __init__(self, entries: Iterable[Candidate]) -> None:
        self._free: dict[int, Candidate] = dict(enumerate(entries))
        self._by_id: dict[str, list[int]] = defaultdict(list)
        self._by_number: dict[str, list[int]] = defaultdict(list)
        self._by_mark: dict[str, list[int]] = defaultdict(list)
        self._by_total: dict[tuple[date | None, Decimal | None], list[int]] = defaultdict(list)
        for place, entry in self._free.items():
            self._by_id[entry.entry_id].append(place)
            if entry.number:
                self._by_number[entry.number].append(place)
            for mark in {plain_reference(text) for text in (entry.reference, *entry.texts) if text}:
                self._by_mark[mark].append(place)
            self._by_total[entry.day, entry.gross].append(place)

    def with_id(self, ours: Ours) -> Candidate | None:
        """Takes the entry that our link names: of several under one id the one that is most like ours."""
        places = self._there(self._by_id.get(ours.entry_id or "", ()))
        if ours.entry_id is None and ours.entry_number:  # a person has told no more than its number
            places = self._there(self._by_number.get(ours.entry_number, ()))
            if len(places) > 1:  # journals and years have the same ones
                places = [one for one in places if self._alike(ours, one) is not Likeness.OTHER]
        return self._taken(ours, places)

    def like(self, ours: Ours, *, bearing: bool) -> Candidate | None:
        """Takes an entry that bears the document's number, or one that is the same but for that."""
        return self._taken(ours, [one for one in self._near(ours) if self._same(ours, one, bearing=bearing)])

    def left(self) -> list[Candidate]:
        """What nothing has taken."""
        return list(self._free.values())

    def _near(self, ours: Ours) -> list[int]:
        booking = ours.booking
        marks = self._by_mark.get(plain_reference(booking.reference), ()) if booking.reference else ()
        return self._there({*marks, *self._by_total.get((booking.day, booking.gross), ())})

    def _there(self, places: Iterable[int]) -> list[int]:
        return sorted(place for place in places if place in self._free)

    def _alike(self, ours: Ours, place: int) -> Likeness:
        return likeness(ours.booking, ours.party_entry, self._free[place])

    def _same(self, ours: Ours, place: int, *, bearing: bool) -> bool:
        """A number alone may be another supplier's, or come back the next year."""
        entry = self._free[place]
        if self._alike(ours, place) is Likeness.OTHER or bears_reference(ours.booking, entry) is not bearing:
            return False
        wrong = set(differing(ours, entry)) & {Difference.AMOUNT, Difference.CURRENCY, Difference.PARTY}
        return len(wrong) <= 1

    def _taken(self, ours: Ours, places: Sequence[int]) -> Candidate | None:
        """The most like ours, which is nobody else's from now on."""
        if not places:
            return None
        return self._free.pop(min(places, key=lambda place: len(differing(ours, self._free[place]))))
