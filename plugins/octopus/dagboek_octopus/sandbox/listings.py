"""How book years, journals, accounts, codes and changed bookings read on the wire."""

from typing import Any

from .booking import Booking
from .dossier import LETTER_TYPES, Account, Bookyear, CostCentre, Dossier, Journal, Names, VatCode
from .wire import Json

_INSERTION_TYPES = {1: "BOOKING", 2: "VAT_EXCLUSIVE", 3: "VAT_INCLUSIVE", 4: "VAT_EXCLUSIVE", 5: "VAT_INCLUSIVE"}


def localized(names: Names, language: str) -> str:
    """A text in the language of the session, else in Dutch, else in any."""
    return names.get(language) or names.get("nl") or next(iter(names.values()), "")


def dossier_row(dossier: Dossier) -> Json:
    """DossierServiceData."""
    return {
        "city": "Gent",
        "country": "BE",
        "dossierDescription": dossier.name,
        "dossierKey": None if dossier.disabled and dossier.hide_key else {"id": dossier.id},
        "email": "",
        "languageCode": dossier.language,
        "postalCode": "9000",
        "streetAndNr": "Voorbeeldstraat 1",
        "url": "",
        "vatNr": dossier.vat_number,
    }


def bookyear_row(bookyear: Bookyear) -> Json:
    """BookyearServiceData."""
    return {
        "bookyearDescription": bookyear.description,
        "bookyearKey": {"id": bookyear.id},
        "closed": bookyear.closed,
        "endDate": bookyear.end,
        "periods": [
            {"bookyearPeriod": period.number, "endDate": period.end, "startDate": period.start}
            for period in bookyear.periods.values()
        ],
        "startDate": bookyear.start,
    }


def bookyear_detail(bookyear: Bookyear) -> Json:
    """BookyearDetailServiceData."""
    return {
        "activateDbaNp": True,
        "activateDfbNp": True,
        "bookingPeriodType": bookyear.period_type,
        "bookyearKey": {"id": bookyear.id},
        "closed": bookyear.closed,
        "declarantIntrastatReceiver": False,
        "declarantIntrastatSender": False,
        "declarantType": "MONTHLY" if bookyear.period_type == "MONTH" else "QUARTERLY",
        "deprecationFullBookyear": True,
        "fromDate": bookyear.start,
        "names": [{"language": "NL", "value": bookyear.description}],
        "proRataTemporis": False,
        "toDate": bookyear.end,
        "visibleFiscalControl": False,
    }


def journal_row(bookyear: Bookyear, journal: Journal, language: str) -> Json:
    """JournalServiceData."""
    return {
        "bookyearKey": {"id": bookyear.id},
        "closed": journal.closed,
        "closedPeriod": journal.closed_period,
        "currencyCode": journal.currency if journal.letter == "F" else None,
        "insertionType": journal.insertion_type if journal.letter == "V" else None,
        "journalKey": journal.key,
        "lastBookedDocumentNr": journal.last,
        "name": localized(journal.names, language),
        "protectedPeriod": journal.protected_period,
    }


def journal_common(bookyear: Bookyear, journal: Journal) -> Json:
    """CommonJournalServiceData."""
    return {
        "closed": journal.closed,
        "closedPeriod": journal.closed_period,
        "journalKeyServiceData": {
            "bookyearKey": {"id": bookyear.id},
            "journalTypeCode": journal.letter,
            "sequenceNumber": journal.sequence,
        },
        "names": [{"language": language.upper(), "value": text} for language, text in journal.names.items()],
        "nextDocumentNumber": journal.last + 1,
        "protectedPeriod": journal.protected_period,
    }


def journal_detail(bookyear: Bookyear, journal: Journal) -> Json:
    """The typed detail of a journal, such as SellJournalServiceData."""
    detail: Json = {"commonJournalServiceData": journal_common(bookyear, journal)}
    if journal.letter in "VF":
        detail["bankAccountServiceData"] = {"bankAccountBic": "", "bankAccountIban": "", "bankAccountNumber": ""}
    if journal.letter in "VL":
        detail["insertionType"] = _INSERTION_TYPES[journal.insertion_type]
        detail["invoicingServiceData"] = {"showDescription": True, "showTotal": True, "unitPriceScale": "TWO"}
    if journal.letter == "F":
        detail["account"] = journal.account
        detail["currency"] = journal.currency
    return detail


def account_row(bookyear_id: int, account: Account) -> Json:
    """AccountServiceData. Nothing on the wire tells a heading from an account."""
    return {
        "accountKey": {"bookyearKey": {"id": bookyear_id}, "id": account.number},
        "costCentreType": account.cost_centre,
        "description": _description(account.names),
        "fiscProfessionalPercentage": 100.0,
        "fiscRecupPercentage": 100.0,
        "purchaseVatCode": account.purchase_vat,
        "salesVatCode": account.sales_vat,
        "vatRecupPercentage": account.vat_recovery,
    }


def vat_code_row(code: VatCode) -> Json:
    """VatCodeServiceData."""
    return {
        "basePercentage": code.percentage,
        "code": code.code,
        "defaultSellBookingAccountNr": code.default_account,
        "description": code.description,
        "type": code.type,
    }


def cost_centre_row(cost_centre: CostCentre) -> Json:
    """CostCentreServiceData."""
    return {
        "closed": cost_centre.closed,
        "costCentreKey": {"id": cost_centre.id},
        "description": _description(cost_centre.names),
    }


def _description(names: Names) -> Json:
    return {f"description_{language.upper()}": names.get(language, "") for language in ("nl", "fr", "en")}


def booking_report(booking: Booking) -> list[Json]:
    """BookingReportData: a row for each journal line; debit is positive."""
    rows: list[dict[str, Any]] = []
    for posting in booking.postings:
        cost_centre = {"id": posting.cost_centre} if posting.cost_centre else None
        rows.append(
            {
                "accountKey": posting.account,
                "bookingAmount": posting.amount,
                "bookyearKey": {"id": booking.bookyear},
                "bookyearPeriodeNr": booking.period,
                "comment": booking.comment,
                "costCentreKey": cost_centre,
                "currencyCode": booking.currency,
                "documentAmount": posting.document_amount,
                "documentDate": booking.document_date,
                "documentSequenceNr": booking.number,
                "exchangeRate": booking.rate,
                "expiryDate": booking.expiry,
                "journalNr": int(booking.journal[1:]),
                "journalType": LETTER_TYPES[booking.letter],
                "lineSequenceNr": posting.line,
                "reference": booking.reference,
                "relationKey": {"id": posting.relation} if posting.relation else None,
                "vatSectionCode": posting.vat_code,
            }
        )
    return rows


def document_key(bookyear: int, journal: str, number: int) -> Json:
    """DocumentKey."""
    return {
        "bookyearKey": {"id": bookyear},
        "documentSequenceNr": number,
        "journalSequenceNr": int(journal[1:]),
        "journalType": LETTER_TYPES[journal[0]],
    }
