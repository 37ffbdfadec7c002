"""Lists of an administration: ledger accounts, VAT codes, ways to pay, and what else a client may ask of one."""

from datetime import date, datetime
from typing import Any

from . import sample
from .administration import VatCode
from .archive import named
from .call import Call, Fault, Operation

Row = dict[str, Any]


def ledger_accounts(call: Call) -> list[Row]:
    """GetGLAccountScheme: the chart, with disabled accounts."""
    return [
        {
            "code": one.code,
            "type": sample.KINDS[one.kind][0],
            "subtype": sample.KINDS[one.kind][1],
            "isEnabled": one.enabled,
            "descripton": one.name(call.language),
            "descriptionNL": one.nl,
            "descriptionFR": one.fr,
            "descriptionEN": one.en,
            "isVATApplicable": one.kind in ("revenue", "costs", "fixed"),
            "deductableVATPercentage": one.deductible,
            "professionalPercentage": 100,
        }
        for one in call.administration().accounts.values()
    ]


def vat_codes(call: Call) -> list[Row]:
    """ActiveVATCodesList: what can be used now or later."""
    today = call.now.date()
    return [
        {
            "description": one.description(call.language),
            "type": one.type,
            "typeDescription": one.type_description(call.language),
            "percentage": one.percentage,
            "country": one.country,
            "startDate": _midnight(one.start),
            "endDate": _midnight(one.end),
        }
        for one in call.administration().vat_codes
        if not _over(one, today)
    ]


def _over(code: VatCode, today: date) -> bool:
    return code.end is not None and code.end < today


def _midnight(day: date | None) -> datetime | None:
    return datetime(day.year, day.month, day.day) if day else None  # noqa: DTZ001 - times on the wire have no zone


def vat_returns(call: Call) -> list[Row]:
    """VATReturnList: nobody files returns here."""
    call.administration()
    return []


def payment_methods(call: Call) -> list[Row]:
    """GetCustomPaymentMethods."""
    call.administration()
    return [{"ID": row[0], "Description": named(row[1:4], call.language)} for row in sample.PAYMENT_METHODS.values()]


def nothing(call: Call) -> list[Row]:
    """Lists of what the sandbox does not keep: projects, defaults of contacts, opening balances, RGS."""
    call.administration()
    return []


def period(call: Call) -> Row:
    """GetPeriodDateTable: books go by calendar years."""
    call.administration()
    year = call.params["yearID"] or call.now.year
    if not 1 <= year <= 9999:
        raise Fault(f"There is no year {year}", "Client")
    return {"name": str(year), "period": date(year, 1, 1), "wholePeriod": str(year), "ISO8601Period": False}


def year_modified(call: Call) -> datetime:
    """GetFinancialYearModifiedDate: when something of a year was booked or changed last."""
    administration, year = call.administration(), call.params["yearID"]
    moments = [one.modified for one in administration.entries.values() if one.day.year == year]
    return call.books.local(max(moments)) if moments else datetime(1, 1, 1)  # noqa: DTZ001 - as above


def administration_data(call: Call) -> Row:
    """Integration.GetAdministrationData."""
    one = call.administration()
    return {
        "CompanyName": one.name,
        "Description": one.name,
        "AddressLine_1": one.address_line,
        "Postcode": one.postcode,
        "City": one.city,
        "Country": one.country,
        "CoCNumber": one.coc_number,
        "VATNumber": one.vat_number,
    }


OPERATIONS: dict[tuple[str, str], Operation] = {
    ("AccountingInfo", "GetGLAccountScheme"): ledger_accounts,
    ("AccountingInfo", "GetCustomPaymentMethods"): payment_methods,
    ("AccountingInfo", "GetPeriodDateTable"): period,
    ("AccountingInfo", "GetFinancialYearModifiedDate"): year_modified,
    ("AccountingInfo", "GetContactDefaultValues"): nothing,
    ("AccountingInfo", "GetProjects"): nothing,
    ("AccountingInfo", "GetProjectsAndID"): nothing,
    ("AccountingInfo", "GetProjectBalance"): nothing,
    ("AccountingInfo", "GetRGSScheme"): nothing,
    ("AccountingInfo", "GetStartBalanceByGlAccount"): nothing,
    ("Vat", "ActiveVATCodesList"): vat_codes,
    ("Vat", "VATReturnList"): vat_returns,
    ("Integration", "GetAdministrationData"): administration_data,
}
