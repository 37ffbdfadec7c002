"""Movements of relations and accounts: the history reports and changed account balances. Reference, section 4.6."""

from collections import defaultdict
from collections.abc import Callable
from decimal import Decimal

from . import sample, wire
from .balancing import period_range
from .booking import Booking, Posting
from .dossier import Dossier
from .wire import ZERO, Json


def of_relation(dossier: Dossier, body: Json, account: int) -> list[Json]:
    """HistoryData for HistoryRelationQueryData on the receivable or payable account.

    Relation -1 gives nothing unless an external id is named: all relations at once cannot be asked.
    """
    relation_id, external_id = wire.integer(body, "relationId"), wire.integer(body, "externalRelationId")
    relation = dossier.relations.find(relation_id, external_id if relation_id == -1 else 0)
    if relation is None:
        return []
    return _movements(dossier, body, lambda posting: posting.account == account and posting.relation == relation.id)


def of_account(dossier: Dossier, body: Json) -> list[Json]:
    """HistoryData for HistoryAccountQueryData."""
    account = wire.integer(body, "accountNr")
    return _movements(dossier, body, lambda posting: posting.account == account)


def _movements(dossier: Dossier, body: Json, wanted: Callable[[Posting], bool]) -> list[Json]:
    first, last = period_range(dossier, body)
    return [
        _wire(booking, posting)
        for booking in dossier.bookings.values()
        if first <= (dossier.bookyears[booking.bookyear].start, booking.period) <= last
        for posting in booking.postings
        if wanted(posting)
    ]


def _wire(booking: Booking, posting: Posting) -> Json:
    return {
        "bookyearKey": {"id": booking.bookyear},
        "bookyearPeriodNr": booking.period,
        "comment": booking.comment,
        "creditBookingAmount": max(-posting.amount, ZERO),
        "creditDocumentAmount": max(-posting.document_amount, ZERO),
        "currencyCode": booking.currency,
        "debetBookingAmount": max(posting.amount, ZERO),
        "debetDocumentAmount": max(posting.document_amount, ZERO),
        "documentDate": booking.document_date,
        "documentSequenceNr": booking.number,
        "exchangeRate": booking.rate,
        "journalKey": booking.journal,
        "reference": booking.reference,
    }


def changed_balances(dossier: Dossier, since: float) -> list[Json]:
    """AccountAmountServiceData: the balance of each account and period that was booked on since a moment."""
    changed = {
        (booking.bookyear, booking.period, posting.account)
        for key in dossier.booking_changes.between(since)
        if (booking := dossier.bookings.get(key))
        for posting in booking.postings
    }
    balances: dict[tuple[int, int, int], Decimal] = defaultdict(lambda: ZERO)
    for booking in dossier.bookings.values() if changed else ():
        for posting in booking.postings:
            balances[booking.bookyear, booking.period, posting.account] += posting.amount
    return [
        {
            "accountAmountKey": {
                "accountKey": {"bookyearKey": {"id": bookyear}, "id": account},
                "bookyearPeriodKey": {"bookyearKey": {"id": bookyear}, "bookyearPeriodNr": period},
            },
            "balance": balances[bookyear, period, account],
        }
        for bookyear, period, account in sorted(changed)
    ]


def journal_balance(dossier: Dossier, bookyear: int, journal: str, account: int) -> Decimal:
    """What a financial journal moved on its own account in a book year."""
    return sum(
        (
            posting.amount
            for booking in dossier.bookings.values()
            if (booking.bookyear, booking.journal) == (bookyear, journal)
            for posting in booking.postings
            if posting.account == account
        ),
        ZERO,
    )


CLIENTS, SUPPLIERS = sample.RECEIVABLE, sample.PAYABLE
