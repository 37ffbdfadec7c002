"""Balancings: which payment goes with which document, and what is still open. Reference, section 4.6.

An *item* is what a relation owes or is owed: a whole sales or purchase document (line -1), or a line of type C or S
of a financial or sundry booking. A balancing ties a debit item to a credit item for an amount in the dossier's
currency. The amount stands on the credit side of the answer and 0.0 on the debit side, as was seen.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal
from typing import NamedTuple

from . import codes, sample, wire
from .booking import DOCUMENT_LINE, Booking, Posting
from .dossier import BookingKey, Bookyear, ChangeLog, Dossier
from .wire import ZERO, Json, Refused


class ItemKey(NamedTuple):
    """BalancingKeyServiceData."""

    bookyear: int
    journal: str
    number: int
    line: int

    @property
    def booking(self) -> BookingKey:
        """The booking it is in."""
        return self.bookyear, self.journal, self.number

    def wire(self) -> Json:
        """As on the wire."""
        return {
            "bookyearKey": {"id": self.bookyear},
            "documentSequenceNr": self.number,
            "journalKey": self.journal,
            "lineSequenceNr": self.line,
        }


@dataclass(frozen=True, slots=True)
class Balancing:
    """A tie; `type` is C for clients, S for suppliers; the amount is positive, in the dossier's currency."""

    type: str
    relation: int
    debit: ItemKey
    credit: ItemKey
    amount: Decimal


@dataclass(slots=True)
class Balancings:
    """The ties of a dossier, and what was untied."""

    current: dict[tuple[ItemKey, ItemKey], Balancing] = field(default_factory=dict)
    changes: ChangeLog = field(default_factory=ChangeLog)
    _deleted: dict[tuple[ItemKey, ItemKey], Balancing] = field(default_factory=dict)
    _balanced: dict[ItemKey, Decimal] = field(default_factory=dict)

    def balanced(self, item: ItemKey) -> Decimal:
        """How much of an item is tied, without sign."""
        return self._balanced.get(item, ZERO)

    def add(self, balancing: Balancing, at: float) -> None:
        """Ties two items; a second tie of the same pair adds to the first."""
        pair = balancing.debit, balancing.credit
        earlier = self.current.get(pair)
        total = balancing.amount + (earlier.amount if earlier else ZERO)
        self.current[pair] = Balancing(balancing.type, balancing.relation, *pair, total)
        self._deleted.pop(pair, None)
        for item in pair:
            self._balanced[item] = self.balanced(item) + balancing.amount
        self.changes.add(at, pair)

    def remove(self, pair: tuple[ItemKey, ItemKey], at: float) -> None:
        """Unties a pair; raises Refused when it is not tied."""
        balancing = self.current.pop(pair, None)
        if balancing is None:
            raise Refused(400, codes.STORE_BALANCING, "These lines are not balanced with each other")
        self._deleted[pair] = balancing
        for item in pair:
            self._balanced[item] -= balancing.amount
        self.changes.add(at, pair)

    def remove_where(self, at: float, booking: BookingKey, line: int | None = None) -> None:
        """Unties everything of a booking, or of one of its lines."""
        pairs = [
            pair for pair in self.current if any(item.booking == booking and line in (None, item.line) for item in pair)
        ]
        if not pairs:
            raise Refused(400, codes.STORE_BALANCING, "Nothing is balanced with this")
        for pair in pairs:
            self.remove(pair, at)

    def modified(self, since: float) -> tuple[list[Balancing], list[Balancing]]:
        """Tied, and untied, at or after a moment."""
        pairs = self.changes.between(since)
        tied = [self.current[pair] for pair in pairs if pair in self.current]
        return tied, [self._deleted[pair] for pair in pairs if pair in self._deleted]


class Item(NamedTuple):
    """What a relation owes (positive) or is owed (negative)."""

    key: ItemKey
    type: str
    booking: Booking
    posting: Posting
    reference: str


def items_of(booking: Booking) -> Iterator[Item]:
    """The items of one booking."""
    for posting in booking.postings:
        if posting.relation is None or posting.account not in (sample.RECEIVABLE, sample.PAYABLE):
            continue
        kind = "C" if posting.account == sample.RECEIVABLE else "S"
        reference = booking.reference
        if posting.line != DOCUMENT_LINE:
            reference = booking.money_lines[posting.line - 1].reference
        yield Item(ItemKey(*booking.key, posting.line), kind, booking, posting, reference)


def find_item(dossier: Dossier, key: ItemKey) -> Item:
    """The item with a key; raises Refused."""
    booking = dossier.bookings.get(key.booking)
    for item in items_of(booking) if booking else ():
        if item.key == key:
            return item
    raise Refused(400, codes.STORE_BALANCING, f"Nothing to balance at {key.journal} {key.number} line {key.line}")


def open_amount(dossier: Dossier, item: Item) -> Decimal:
    """What is open of an item in the dossier's currency, with the item's sign."""
    balanced = dossier.balancings.balanced(item.key)
    return item.posting.amount + (balanced if item.posting.amount < 0 else -balanced)


def open_document_amount(dossier: Dossier, item: Item) -> Decimal:
    """What is open of an item in the document's currency, with the item's sign."""
    left = open_amount(dossier, item)
    if left == item.posting.amount:
        return item.posting.document_amount
    return wire.cents(left * item.posting.document_amount / item.posting.amount)


def tie(dossier: Dossier, debit: ItemKey, credit: ItemKey, amount: Decimal, at: float) -> Balancing:
    """Ties a debit to a credit item of one relation for at most what is open of both; raises Refused."""
    debit_item, credit_item = find_item(dossier, debit), find_item(dossier, credit)
    if debit_item.posting.relation != credit_item.posting.relation or debit_item.type != credit_item.type:
        raise Refused(400, codes.STORE_BALANCING, "The lines belong to different relations")
    most = min(open_amount(dossier, debit_item), -open_amount(dossier, credit_item))
    if amount <= 0 or amount > most:
        raise Refused(400, codes.STORE_BALANCING, f"Amount {amount} is not within what is open, {most}")
    relation = debit_item.posting.relation or 0
    balancing = Balancing(debit_item.type, relation, debit, credit, amount)
    dossier.balancings.add(balancing, at)
    return balancing


def read_item_key(body: Json) -> ItemKey:
    """BalancingKeyServiceData."""
    return ItemKey(
        wire.key(body, "bookyearKey"),
        wire.text(body, "journalKey"),
        wire.integer(body, "documentSequenceNr"),
        wire.integer(body, "lineSequenceNr"),
    )


def balancing_wire(dossier: Dossier, balancing: Balancing) -> Json:
    """BalancingDetailServiceData."""
    relation = dossier.relations.by_id[balancing.relation]
    return {
        "creditBalancedBookingAmount": balancing.amount,
        "creditDocument": _document_wire(dossier, balancing.credit),
        "debetBalancedBookingAmount": ZERO,
        "debetDocument": _document_wire(dossier, balancing.debit),
        "type": {
            "externalRelationId": relation.external_id or None,
            "relationKey": {"id": relation.id},
            "type": balancing.type,
        },
    }


def _document_wire(dossier: Dossier, key: ItemKey) -> Json:
    booking = dossier.bookings.get(key.booking)
    return {
        "balancingKey": key.wire(),
        "currencyCode": booking.currency if booking else None,
        "documentDate": booking.document_date if booking else None,
        "exchangeRate": booking.rate if booking else None,
    }


def open_items(dossier: Dossier, body: Json, kind: str) -> list[Json]:
    """OpenData rows for OpenRelationQueryData; `kind` is C or S.

    Amounts are positive for what is usual (a client owes, we owe a supplier), so that they compare with the amount
    of the booking. A relation left out is judged as relation 0, so it finds nothing; -1 is all.
    """
    first, last = period_range(dossier, body)
    relation_id, external_id = wire.integer(body, "relationId"), wire.integer(body, "externalRelationId")
    found = []
    for booking in dossier.bookings.values():
        place = (dossier.bookyears[booking.bookyear].start, booking.period)
        # Items of an earlier book year show in a later one once they are carried over.
        early = place < first and not (dossier.open_items_carried and place[0] < first[0])
        if early or place > last:
            continue
        for item in items_of(booking):
            relation = dossier.relations.by_id[item.posting.relation or 0]
            wanted = relation_id in (-1, relation.id)
            if relation_id == -1 and external_id != -1:
                wanted = external_id != 0 and relation.external_id == external_id
            if item.type == kind and wanted and open_amount(dossier, item):
                found.append(_open_wire(dossier, item, 1 if kind == "C" else -1))
    return found


Place = tuple[date, int]
"""Start of a book year and a period in it: orders bookings over the years."""


def period_range(dossier: Dossier, body: Json) -> tuple[Place, Place]:
    """From and to of a report's query; raises Refused for an unknown book year."""
    ends: list[Place] = []
    for end in ("from", "to"):
        bookyear = _bookyear(dossier, wire.key(body, f"{end}BookyearKey"))
        ends.append((bookyear.start, wire.integer(body, f"{end}BookyearPeriodNr")))
    return ends[0], ends[1]


def _bookyear(dossier: Dossier, bookyear_id: int) -> Bookyear:
    bookyear = dossier.bookyears.get(bookyear_id)
    if bookyear is None:
        raise Refused(400, codes.UNKNOWN_BOOKYEAR, f"Dossier {dossier.id} has no bookyear {bookyear_id}")
    return bookyear


def _open_wire(dossier: Dossier, item: Item, direction: int) -> Json:
    booking, posting = item.booking, item.posting
    relation = dossier.relations.by_id[posting.relation or 0]
    debit = posting.amount > 0
    return {
        "bookyearKey": {"id": booking.bookyear},
        "bookyearPeriodNr": booking.period,
        "comment": booking.comment,
        "creditBookingAmount": ZERO if debit else -posting.amount,
        "creditDocumentAmount": ZERO if debit else -posting.document_amount,
        "currencyCode": booking.currency,
        "debetBookingAmount": posting.amount if debit else ZERO,
        "debetDocumentAmount": posting.document_amount if debit else ZERO,
        "documentDate": booking.document_date,
        "documentSequenceNr": booking.number,
        "exchangeRate": booking.rate,
        "expirationDate": booking.expiry,
        "externalRelationId": relation.external_id,
        "journalKey": booking.journal,
        "lineSequenceNr": posting.line,
        "openBookingAmount": open_amount(dossier, item) * direction,
        "openDocAmount": open_document_amount(dossier, item) * direction,
        "reference": item.reference,
        "relationKey": {"id": relation.id},
    }
