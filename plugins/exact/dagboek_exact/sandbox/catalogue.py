"""All resources that are served, each with where its rows come from and what is worked out from others."""

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any

from . import amounts, financial, terms_read
from .edm import Row
from .resources import Collection, Derived, Resource, View
from .sides import PURCHASES, SALES, Side

_ALL = ("GET", "POST", "PUT", "DELETE")


def _table(table: str) -> dict[str, Any]:
    """Rows of a table of the division."""

    def rows(view: View) -> Iterable[Row]:
        return view.division.rows(table)

    def find(view: View, key: Any) -> Row | None:
        return view.division.tables[table].get(key)

    return {"rows": rows, "find": find}


def _listed(rows: Callable[[View], Iterable[Row]], key: str) -> dict[str, Any]:
    """Rows that are worked out when they are looked at."""

    def find(view: View, wanted: Any) -> Row | None:
        return next((row for row in rows(view) if row[key] == wanted), None)

    return {"rows": rows, "find": find}


def _of(table: str, reference: str, name: str) -> Derived:
    """A field of the row that another field points to by its key."""

    def value(view: View, row: Row) -> Any:
        found = view.division.tables[table].get(row.get(reference))
        return found.get(name) if found else None

    return value


def _by_code(table: str, reference: str, name: str = "Description") -> Derived:
    """A field of the row that another field points to by its code."""

    def value(view: View, row: Row) -> Any:
        code = row.get(reference)
        found = view.division.by_code(table, code) if code else None
        return found.get(name) if found else None

    return value


def _gl(reference: str = "GLAccount") -> dict[str, Derived]:
    return {
        f"{reference}Code": _of("gl_accounts", reference, "Code"),
        f"{reference}Description": _of("gl_accounts", reference, "Description"),
    }


_ACCOUNT: Mapping[str, Derived] = {
    "CountryName": lambda view, row: (row.get("Country") or "").strip() or None,
    "PaymentConditionSalesDescription": _by_code("payment_conditions", "PaymentConditionSales"),
    "PaymentConditionPurchaseDescription": _by_code("payment_conditions", "PaymentConditionPurchase"),
    "SalesVATCodeDescription": _by_code("vat_codes", "SalesVATCode"),
    "PurchaseVATCodeDescription": _by_code("vat_codes", "PurchaseVATCode"),
    "InvoiceAccountCode": _of("accounts", "InvoiceAccount", "Code"),
    "InvoiceAccountName": _of("accounts", "InvoiceAccount", "Name"),
}

_JOURNAL: Mapping[str, Derived] = {**_gl(), "GLAccountType": _of("gl_accounts", "GLAccount", "Type")}


def _vat_percentage(view: View, row: Row) -> Decimal:
    return amounts.percentage_at(view.division, row, financial.today(view))


_VAT_CODE: Mapping[str, Derived] = {"Percentage": _vat_percentage, **_gl("GLToPay"), **_gl("GLToClaim")}

_VAT_PERCENTAGES = Collection(
    "vat/VatPercentages",
    lambda view, row: [one for one in view.division.rows("vat_percentages") if one["VATCodeID"] == row["ID"]],
)


def _signed(side: Side, name: str) -> Derived:
    """An amount of an entry as it is read; see `Rules.purchase_sign`."""

    def value(view: View, row: Row) -> Any:
        sign = view.books.rules.purchase_sign if side is PURCHASES else 1
        return row[name] * sign if row.get(name) is not None else None

    return value


_TYPES = {20: "Verkoopboeking", 21: "Verkoopcreditnota", 30: "Inkoopboeking", 31: "Inkoopcreditnota"}


def _entry(side: Side) -> Mapping[str, Derived]:
    return {
        f"{side.party}Name": _of("accounts", side.party, "Name"),
        "JournalDescription": _by_code("journals", "Journal"),
        "PaymentConditionDescription": _by_code("payment_conditions", "PaymentCondition"),
        "DocumentNumber": _of("documents", "Document", "HID"),
        "DocumentSubject": _of("documents", "Document", "Subject"),
        "StatusDescription": lambda view, row: {20: "Open", 50: "Verwerkt"}.get(row["Status"]),
        "TypeDescription": lambda view, row: _TYPES.get(row["Type"]),
        **{name: _signed(side, name) for name in ("AmountFC", "AmountDC", "VATAmountFC", "VATAmountDC")},
    }


_LINE: Mapping[str, Derived] = {
    **_gl(),
    "VATCodeDescription": _by_code("vat_codes", "VATCode"),
    "CostCenterDescription": _by_code("cost_centres", "CostCenter"),
    "CostUnitDescription": _by_code("cost_units", "CostUnit"),
}


def _lines(side: Side, path: str) -> Collection:
    return Collection(path, lambda view, row: [view.division.tables[side.line_table][key] for key in row["line_ids"]])


_DOCUMENT: Mapping[str, Derived] = {
    "AccountCode": _of("accounts", "Account", "Code"),
    "AccountName": _of("accounts", "Account", "Name"),
    "TypeDescription": _of("document_types", "Type", "Description"),
    "HasEmptyBody": lambda view, row: not row.get("Body"),
    "FinancialTransactionEntryID": lambda view, row: financial.entry_of_document(view.division, row),
}

_ATTACHMENT: Mapping[str, Derived] = {
    # The content is read at the address alone.
    "Attachment": lambda view, row: None,
    "FileSize": lambda view, row: Decimal(len(row["Attachment"])),
    "Url": lambda view, row: (
        f"{view.books.origin}/docs/SysAttachment.aspx?ID={row['ID']}&Division={view.division.code}"
    ),
}

_ENTITIES = (
    Resource(
        "system/Divisions",
        "Division",
        **_listed(financial.divisions, "Code"),
        key="Code",
        scope="organization administration",
    ),
    Resource(
        "hrm/Divisions",
        "Division",
        **_listed(financial.divisions, "Code"),
        key="Code",
        table="system/Divisions",
        scope="organization administration",
    ),
    Resource(
        "system/AllDivisions",
        "Division",
        **_listed(financial.all_divisions, "Code"),
        key="Code",
        table="system/Divisions",
        scope="organization administration",
    ),
    Resource(
        "financial/GLAccounts",
        "GLAccount",
        **_table("gl_accounts"),
        scope="financial generalledgers",
        derived={
            "TypeDescription": lambda view, row: financial.GL_TYPES.get(row["Type"]),
            "VATDescription": _by_code("vat_codes", "VATCode"),
        },
    ),
    Resource(
        "financial/Journals",
        "Journal",
        **_table("journals"),
        scope="financial generalledgers",
        derived=_JOURNAL,
    ),
    Resource("financial/FinancialPeriods", "FinancialPeriod", **_table("periods"), scope="financial accounting"),
    Resource(
        "read/financial/JournalStatusList",
        "JournalStatus",
        rows=financial.journal_statuses,
        find=lambda view, key: None,
        key="Journal",
        also=("Period", "Year"),
        scope="financial accounting",
    ),
    Resource(
        "vat/VATCodes",
        "VATCode",
        **_table("vat_codes"),
        scope="financial accounting",
        derived=_VAT_CODE,
        collections={"VATPercentages": _VAT_PERCENTAGES},
    ),
    Resource("vat/VatPercentages", "VatPercentage", **_table("vat_percentages"), scope="financial accounting"),
    Resource(
        "cashflow/PaymentConditions",
        "PaymentCondition",
        **_table("payment_conditions"),
        scope="financial cashflow",
    ),
    Resource("hrm/Costcenters", "Costcenter", **_table("cost_centres"), scope="financial costcenters"),
    Resource("hrm/Costunits", "Costunit", **_table("cost_units"), scope="financial costcenters"),
    Resource("general/Currencies", "Currency", **_table("currencies"), key="Code", scope="financial currencies"),
    Resource(
        "crm/Accounts",
        "Account",
        **_table("accounts"),
        scope="crm accounts",
        methods=_ALL,
        derived=_ACCOUNT,
    ),
    Resource(
        "salesentry/SalesEntries",
        "SalesEntry",
        **_table("sales"),
        key="EntryID",
        scope="financial accounting",
        methods=_ALL,
        derived=_entry(SALES),
        collections={"SalesEntryLines": _lines(SALES, "salesentry/SalesEntryLines")},
    ),
    Resource(
        "salesentry/SalesEntryLines",
        "SalesEntryLine",
        **_table("sales_lines"),
        scope="financial accounting",
        methods=_ALL,
        derived=_LINE,
    ),
    Resource(
        "purchaseentry/PurchaseEntries",
        "PurchaseEntry",
        **_table("purchases"),
        key="EntryID",
        scope="financial accounting",
        methods=_ALL,
        derived=_entry(PURCHASES),
        collections={"PurchaseEntryLines": _lines(PURCHASES, "purchaseentry/PurchaseEntryLines")},
    ),
    Resource(
        "purchaseentry/PurchaseEntryLines",
        "PurchaseEntryLine",
        **_table("purchase_lines"),
        scope="financial accounting",
        methods=_ALL,
        derived=_LINE,
    ),
    Resource(
        "documents/Documents",
        "Document",
        **_table("documents"),
        scope="organization documents",
        methods=_ALL,
        derived=_DOCUMENT,
    ),
    Resource(
        "documents/DocumentAttachments",
        "DocumentAttachment",
        **_table("attachments"),
        scope="organization documents",
        methods=("GET", "POST", "DELETE"),
        derived=_ATTACHMENT,
    ),
    Resource("documents/DocumentTypes", "DocumentType", **_table("document_types"), scope="organization documents"),
    Resource(
        "read/financial/ReceivablesList",
        "ReceivablesList",
        **_listed(lambda view: terms_read.open_list(view, SALES), "HID"),
        key="HID",
        scope="financial receivables",
    ),
    Resource(
        "read/financial/PayablesList",
        "PayablesList",
        **_listed(lambda view: terms_read.open_list(view, PURCHASES), "HID"),
        key="HID",
        scope="financial payables",
    ),
    Resource(
        "cashflow/Receivables",
        "Receivable",
        **_listed(lambda view: terms_read.of_side(view, SALES), "ID"),
        scope="financial receivables",
    ),
    Resource(
        "cashflow/Payments",
        "Payment",
        **_listed(lambda view: terms_read.of_side(view, PURCHASES), "ID"),
        scope="financial cashflow",
    ),
    Resource(
        "sync/Cashflow/PaymentTerms",
        "PaymentTerm",
        **_listed(terms_read.all_terms, "Timestamp"),
        key="Timestamp",
        scope="financial cashflow",
    ),
    Resource(
        "sync/Deleted",
        "Deleted",
        **_listed(lambda view: view.division.rows("deleted"), "Timestamp"),
        key="Timestamp",
        scope="organization administration",
    ),
)


def _bulk(path: str, of: str) -> Resource:
    """The same rows in larger pages."""
    found = next(each for each in _ENTITIES if each.path == of)
    return Resource(
        path,
        found.entity,
        rows=found.rows,
        find=found.find,
        key=found.key,
        table=of,
        scope=found.scope,
        derived=found.derived,
    )


def _sync(path: str, of: str) -> Resource:
    """The same rows in the order of their version, which is the key."""
    found = next(each for each in _ENTITIES if each.path == of)
    return Resource(
        path,
        found.entity,
        **_listed(found.rows, "Timestamp"),
        key="Timestamp",
        table=of,
        more="Timestamp:int64",
        scope=found.scope,
        derived=found.derived,
    )


RESOURCES: Mapping[str, Resource] = {
    each.path: each
    for each in (
        *_ENTITIES,
        _bulk("bulk/CRM/Accounts", "crm/Accounts"),
        _bulk("bulk/Financial/GLAccounts", "financial/GLAccounts"),
        _bulk("bulk/Cashflow/Receivables", "cashflow/Receivables"),
        _bulk("bulk/Cashflow/Payments", "cashflow/Payments"),
        _bulk("bulk/Documents/Documents", "documents/Documents"),
        _sync("sync/CRM/Accounts", "crm/Accounts"),
        _sync("sync/Financial/GLAccounts", "financial/GLAccounts"),
        _sync("sync/Documents/Documents", "documents/Documents"),
        _sync("sync/Documents/DocumentAttachments", "documents/DocumentAttachments"),
    )
}

ME = Resource("current/Me", "Me", **_listed(financial.me, "UserID"), key="UserID")
