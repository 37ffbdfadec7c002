"""The operations of Yuki's web services that are used: exact names, wire order, types (api.md section 3)."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final


class Type(StrEnum):
    """How a parameter is written."""

    TEXT = "text"
    WHOLE = "whole"
    DECIMAL = "decimal"
    FLAG = "flag"
    MOMENT = "moment"
    WORD = "word"
    """One of a few words that Yuki knows."""
    BYTES = "bytes"
    XML = "xml"
    """A document, as an element and not as text."""


TEXT, WHOLE, DECIMAL, FLAG, MOMENT, WORD, BYTES, XML = Type

Parameters = Mapping[str, Type]

_SESSION: Final = {"sessionID": TEXT}
_BOOKS: Final = {"sessionID": TEXT, "administrationID": TEXT}
_PAGE: Final = {
    "sortOrder": WORD,
    "startDate": MOMENT,
    "endDate": MOMENT,
    "numberOfRecords": WHOLE,
    "startRecord": WHOLE,
}
_CONTACTS: Final = {
    "sessionID": TEXT,
    "domainID": TEXT,
    "searchOption": WORD,
    "searchValue": TEXT,
    "sortOrder": WORD,
    "modifiedAfter": MOMENT,
    "active": WORD,
    "pageNumber": WHOLE,
}
_OUTSTANDING: Final = {**_BOOKS, "includeBankTransactions": FLAG, "sortOrder": WORD}
_HINTS: Final = {
    "currency": TEXT,
    "amount": DECIMAL,
    "costCategory": TEXT,
    "paymentMethod": WHOLE,
    "project": TEXT,
    "remarks": TEXT,
}

EVERYWHERE: Final[Mapping[str, Parameters]] = {
    "Authenticate": {"accessKey": TEXT},
    "AuthenticateClient": {"clientID": TEXT, "clientSecret": TEXT, "accessKey": TEXT},
    "Domains": _SESSION,
    "SetCurrentDomain": {"sessionID": TEXT, "domainID": TEXT},
    "Administrations": _SESSION,
}
"""Operations that every service has."""

OF_SERVICES: Final[Mapping[str, Mapping[str, Parameters]]] = {
    "Sales": {
        "ProcessSalesInvoices": {"sessionId": TEXT, "administrationId": TEXT, "xmlDoc": XML},
        "GetSalesItems": _BOOKS,
    },
    "Purchase": {
        "ProcessPurchaseInvoices": {
            "sessionId": TEXT,
            "administrationId": TEXT,
            "disableAutoCorrect": TEXT,
            "xmlDoc": XML,
        },
    },
    "Accounting": {
        "OutstandingDebtorItems": _OUTSTANDING,
        "OutstandingCreditorItems": _OUTSTANDING,
        "CheckOutstandingItemAdmin": {**_BOOKS, "Reference": TEXT},
    },
    "AccountingInfo": {
        "GetGLAccountScheme": _BOOKS,
        "GetCustomPaymentMethods": _BOOKS,
        "GetTransactionDetails": {
            **_BOOKS,
            "GLAccountCode": TEXT,
            "StartDate": MOMENT,
            "EndDate": MOMENT,
            "financialMode": WHOLE,
        },
        "GetTransactions": {
            **_BOOKS,
            "glAccountCode": TEXT,
            "startDate": MOMENT,
            "endDate": MOMENT,
            "financialMode": WHOLE,
            "dataGroups": TEXT,
            "numberOfRecords": WHOLE,
            "startRecord": WHOLE,
        },
    },
    "Archive": {
        "DocumentFolders": _SESSION,
        "Documents": {**_SESSION, **_PAGE},
        "DocumentsInFolder": {**_SESSION, "folderID": WHOLE, **_PAGE},
        "DocumentsByType": {**_SESSION, "documentType": WHOLE, **_PAGE},
        "ModifiedDocumentsInFolder": {
            **_SESSION,
            "folderID": WHOLE,
            "sortOrder": WORD,
            "modifiedSince": MOMENT,
            "numberOfRecords": WHOLE,
            "startRecord": WHOLE,
        },
        "FindDocument": {**_SESSION, "documentID": TEXT},
        "UploadDocument": {
            **_SESSION,
            "fileName": TEXT,
            "data": BYTES,
            "folder": WHOLE,
            "administrationID": TEXT,
        },
        "UploadDocumentWithData": {
            **_SESSION,
            "fileName": TEXT,
            "data": BYTES,
            "folder": WHOLE,
            "administrationID": TEXT,
            **_HINTS,
        },
        "UploadDocumentWithAttachment": {
            **_SESSION,
            "fileName1": TEXT,
            "data1": BYTES,
            "fileName2": TEXT,
            "data2": BYTES,
            "folder": WHOLE,
            "administrationID": TEXT,
            **_HINTS,
        },
        "PaymentMethods": _SESSION,
    },
    "Contact": {
        "SearchContacts": _CONTACTS,
        "GetSuppliersAndCustomers": {**_CONTACTS, "contactType": WORD},
        "UpdateContact": {"sessionID": TEXT, "domainID": TEXT, "xmlDoc": XML},
    },
    "Vat": {"ActiveVATCodesList": _BOOKS},
}
"""By service, what it has beside those. The spelling of `sessionId` is its own in some: a wrong one is not read."""


def parameters(service: str, operation: str) -> Parameters:
    """The parameters of an operation in wire order. KeyError for one that is not in the table."""
    return OF_SERVICES[service].get(operation) or EVERYWHERE[operation]
