"""All calls of the API with their paths and daily maxima (reference, section 4), and how a path finds its call."""

from . import api, history
from .api import Handler, Operation

BASE = "/octopus-rest-api/v1"

_BOOKINGS = "buysellbookings"
_MONEY = "financialdiversbookings"

# name, method, path below the base, calls a day, handler
_FREE: tuple[tuple[str, str, str, int | None, Handler], ...] = (
    ("getApiVersion", "GET", "/about/version", None, api.version),
    ("generateSampleError", "GET", "/error", 100, api.sample_error),
    ("authenticateUser", "POST", "/authentication", None, api.log_in),
)

_LOGIN: tuple[tuple[str, str, str, int | None, Handler], ...] = (
    ("whoami", "GET", "/authentication", None, api.who_am_i),
    ("getDossiers", "GET", "/dossiers", 150, api.get_dossiers),
    ("connectDossier", "POST", "/dossiers", 150, api.connect_dossier),
)

# Paths below /dossiers/{dossierId}.
_DOSSIER: tuple[tuple[str, str, str, int | None, Handler], ...] = (
    ("getBookyears", "GET", "bookyears", 24, api.get_bookyears),
    ("insertBookyear", "POST", "bookyears", 24, api.insert_bookyear),
    ("getBookyear", "GET", "bookyears/{bookyearId}", 24, api.get_bookyear),
    ("getJournals", "GET", "bookyears/{bookyearId}/journals", 24, api.get_journals),
    ("getFinancialJournalBalance", "GET", "bookyears/{bookyearId}/journals/{journalKey}", 24, api.get_journal_balance),
    ("getBuyJournal", "GET", "bookyears/{bookyearId}/journals/A/{sequenceNumber}", 24, api.get_journal("A")),
    ("getSellJournal", "GET", "bookyears/{bookyearId}/journals/V/{sequenceNumber}", 24, api.get_journal("V")),
    ("getFinancialJournal", "GET", "bookyears/{bookyearId}/journals/F/{sequenceNumber}", 24, api.get_journal("F")),
    ("getDiversJournal", "GET", "bookyears/{bookyearId}/journals/D/{sequenceNumber}", 24, api.get_journal("D")),
    ("getDeliveryJournal", "GET", "bookyears/{bookyearId}/journals/L/{sequenceNumber}", 24, api.get_journal("L")),
    ("deleteJournal", "DELETE", "bookyears/{bookyearId}/journals/{journalTypeCode}/{sequenceNumber}", 24,
     api.delete_journal),
    ("insertBuyJournal", "POST", "journals/A", 24, api.insert_journal("A")),
    ("insertSellJournal", "POST", "journals/V", 24, api.insert_journal("V")),
    ("insertFinancialJournal", "POST", "journals/F", 24, api.insert_journal("F")),
    ("insertDiversJournal", "POST", "journals/D", 24, api.insert_journal("D")),
    ("updateBuyJournal", "PUT", "journals/A", 24, api.update_journal("A")),
    ("updateSellJournal", "PUT", "journals/V", 24, api.update_journal("V")),
    ("updateFinancialJournal", "PUT", "journals/F", 24, api.update_journal("F")),
    ("updateDiversJournal", "PUT", "journals/D", 24, api.update_journal("D")),
    ("getModifiedJournals", "GET", "journals/modified", 48, api.get_modified_journals),
    ("getAccounts", "GET", "accounts", 2, api.get_accounts),
    ("insertUpdateAccount", "PUT", "accounts", 400, api.put_account),
    ("getModifiedAccounts", "GET", "accounts/modified", 48, api.get_modified_accounts),
    ("getModifiedAccountAmounts", "GET", "accounts/amounts/modified", 48, api.get_modified_amounts),
    ("getVatCodes", "GET", "vatcodes", 2, api.get_vat_codes),
    ("getCostCentres", "GET", "costcentres", 2, api.get_cost_centres),
    ("getActiveCostCentres", "GET", "costcentres/active", 2, api.get_active_cost_centres),
    ("insertUpdateCostCentre", "PUT", "costcentres", 400, api.put_cost_centre),
    ("getCurrencyCodes", "GET", "currencies", 2, api.get_currencies),
    ("getCustomFields", "GET", "customfields", 2, api.nothing),
    ("getProductgroups", "GET", "productgroups", 2, api.nothing),
    ("getProducts", "GET", "products", 2, api.nothing),
    ("getRelations", "GET", "relations", 2, api.get_relations),
    ("insertUpdateRelation", "PUT", "relations", 400, api.put_relation),
    ("getModifiedRelations", "GET", "relations/modified", 48, api.get_modified_relations),
    ("insertBuySellBooking", "POST", _BOOKINGS, 400, api.insert_booking("insert_buy_sell")),
    ("updateBuySellBooking", "PUT", _BOOKINGS, 10, api.update_booking("update_buy_sell")),
    ("getBuySellBooking", "GET", _BOOKINGS, 10, api.get_booking("AV")),
    ("getModifiedBuySellBookings", "GET", f"{_BOOKINGS}/modified", 48, api.get_modified_bookings("AV")),
    ("insertFinancialDiversBooking", "POST", _MONEY, 400, api.insert_booking("insert_money")),
    ("updateFinancialDiversBooking", "PUT", _MONEY, 10, api.update_booking("update_money")),
    ("getFinancialDiversBooking", "GET", _MONEY, 10, api.get_booking("FD")),
    ("getModifiedFinancialDiversBookings", "GET", f"{_MONEY}/modified", 48, api.get_modified_bookings("FD")),
    ("getReportModifiedBooking", "GET", "bookyears/{bookyearId}/bookings/modified", 48, api.get_booking_report),
    ("addAttachementToBooking", "POST", "bookyears/{bookyearId}/bookings/attachements", 400, api.attach),
    ("getModifiedBalancingRelations", "GET", "balancings/modified", 48, api.get_modified_balancings),
    ("insertBalancing", "POST", "balancings", 400, api.change_balancings("insert_balancing")),
    ("deleteBalancing", "DELETE", "balancings/delete", 400, api.change_balancings("delete_balancing")),
    ("deleteBalancingByBookingline", "DELETE", "balancings/bookingline/delete", 400,
     api.change_balancings("delete_balancings_of_line")),
    ("deleteBalancingByDocument", "DELETE", "balancings/document/delete", 400,
     api.change_balancings("delete_balancings_of_document")),
    ("getReportOpenClient", "POST", "reports/clients/open", 24, api.get_open_items("C")),
    ("getReportOpenSupplier", "POST", "reports/suppliers/open", 24, api.get_open_items("S")),
    ("getReportHistoryClient", "POST", "reports/clients/history", 24, api.get_relation_history(history.CLIENTS)),
    ("getReportHistorySupplier", "POST", "reports/suppliers/history", 24, api.get_relation_history(history.SUPPLIERS)),
    ("getReportHistoryAccount", "POST", "reports/accounts/history", 24, api.get_account_history),
)  # fmt: skip

# Known, but not offered.
_OTHERS: tuple[tuple[str, str, str], ...] = (
    ("updateBookyear", "PUT", "bookyears"),
    ("bookBookyear", "POST", "bookyears/book"),
    ("closeBookyear", "POST", "bookyears/{bookyearId}/close"),
    ("insertDeliveryJournal", "POST", "journals/L"),
    ("updateDeliveryJournal", "PUT", "journals/L"),
    ("insertUpdateProduct", "PUT", "products"),
    ("getReportOpenAccount", "POST", "reports/accounts/open"),
    ("getReportHistoryCostCentre", "POST", "reports/costcentres/history"),
    ("importCoda", "POST", "coda"),
    ("importSoda", "POST", "payroll"),
    ("getRappelInformation", "GET", "rappels"),
    ("exportRappel", "GET", "rappels/export"),
    ("getUnbalancedInvoices", "GET", "bank/invoices"),
    ("getPaymentList", "GET", "bank/paymentlist"),
    ("addInvoiceToPaymentList", "POST", "bank/paymentlist"),
    ("addFreePaymentToPaymentList", "POST", "bank/paymentlist/freepayment"),
    ("removePaymentFromPaymentList", "DELETE", "bank/paymentlist/{paymentListKeyId}"),
    ("getEnveloppes", "GET", "bank/enveloppes"),
    ("insertEnveloppe", "POST", "bank/enveloppes"),
    ("getEnveloppeContent", "GET", "bank/enveloppes/{enveloppeKeyId}"),
    ("updateEnveloppe", "PUT", "bank/enveloppes/{enveloppeKeyId}"),
    ("removeEnveloppe", "DELETE", "bank/enveloppes/{enveloppeKeyId}"),
    ("addPaymentToEnveloppe", "POST", "bank/enveloppes/{enveloppeKeyId}/add"),
    ("removePaymentFromEnveloppe", "POST", "bank/enveloppes/{enveloppeKeyId}/remove"),
    ("exportEnveloppe", "POST", "bank/enveloppes/{enveloppeKeyId}/export"),
    ("getDeliveryNote", "GET", "deliverynotes"),
    ("insertDeliveryNote", "POST", "deliverynotes"),
    ("updateDeliveryNote", "PUT", "deliverynotes"),
    ("getModifiedDeliveryNotes", "GET", "deliverynotes/modified"),
    ("exportDeliveryNote", "GET", "deliverynotes/export"),
    ("generateDeliveryNote", "POST", "deliverynotes/generate"),
    ("getInvoice", "GET", "invoices"),
    ("insertInvoice", "POST", "invoices"),
    ("updateInvoice", "PUT", "invoices"),
    ("getModifiedInvoices", "GET", "invoices/modified"),
    ("bookInvoices", "POST", "invoices/book"),
    ("exportInvoice", "GET", "invoices/export"),
    ("generateInvoice", "POST", "invoices/generate"),
    ("sendInvoices", "POST", "invoices/send"),
    ("sendTestMail", "POST", "invoices/send/testmail/{language}"),
    ("getDeliveryStates", "POST", "invoices/send/report/deliverystate"),
    ("uploadInvoiceAttachment", "POST", "invoices/attachments/upload"),
)

_UNDER = "/dossiers/{dossierId}/"

OPERATIONS: tuple[Operation, ...] = (
    *(Operation(name, method, path, limit, "free", handler) for name, method, path, limit, handler in _FREE),
    *(Operation(name, method, path, limit, "login", handler) for name, method, path, limit, handler in _LOGIN),
    *(
        Operation(name, method, _UNDER + path, limit, "dossier", handler)
        for name, method, path, limit, handler in _DOSSIER
    ),
    *(Operation(name, method, _UNDER + path, None, "dossier", api.not_offered) for name, method, path in _OTHERS),
)


class _Node:
    """A step of a path; `any` is a changing part."""

    def __init__(self) -> None:
        self.parts: dict[str, _Node] = {}
        self.any: _Node | None = None
        self.operations: dict[str, Operation] = {}


def _tree() -> _Node:
    root = _Node()
    for operation in OPERATIONS:
        node = root
        for part in operation.path.strip("/").split("/"):
            if part.startswith("{"):
                node.any = node.any or _Node()
                node = node.any
            else:
                node = node.parts.setdefault(part, _Node())
        node.operations[operation.method] = operation
    return root


_ROOT = _tree()


def find(method: str, path: str) -> tuple[Operation | None, tuple[str, ...], bool]:
    """The operation of a path below the base, the changing parts, and whether the path exists at all."""
    parts = path.strip("/").split("/")
    for node, changing in _nodes(_ROOT, parts, ()):
        if operation := node.operations.get(method):
            return operation, changing, True
    return None, (), any(node.operations for node, _ in _nodes(_ROOT, parts, ()))


def _nodes(node: _Node, parts: list[str], changing: tuple[str, ...]) -> list[tuple[_Node, tuple[str, ...]]]:
    """Where a path leads, fixed parts before changing ones."""
    if not parts:
        return [(node, changing)]
    found = []
    if fixed := node.parts.get(parts[0]):
        found += _nodes(fixed, parts[1:], changing)
    if node.any:
        found += _nodes(node.any, parts[1:], (*changing, parts[0]))
    return found
