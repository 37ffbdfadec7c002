"""How a division comes to be: its lists from the rows of options, or from sample data."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

from . import sample
from .books import Turn
from .division import Division
from .edm import Json, Row, as_time

OPTIONS = {
    "id", "name", "country", "currency", "vat_number", "years", "journals", "vat_codes", "accounts", "conditions",
    "cost_centres", "cost_units", "currencies", "sales_condition", "purchase_condition", "differences",
}  # fmt: skip


def begin_division(turn: Turn, options: Json) -> Division:
    """A division with its lists, and itself as a relation; raises ValueError for an unknown option."""
    if unknown := options.keys() - OPTIONS:
        raise ValueError(f"a division has no option {', '.join(sorted(unknown))}")
    code, country = int(options["id"]), str(options.get("country") or "BE")
    if country not in sample.CHARTS:
        raise ValueError(f"country is one of {', '.join(sample.CHARTS)}")
    division = Division(
        code=code,
        name=str(options.get("name") or f"Voorbeeld {code} BV"),
        country=country,
        currency=str(options.get("currency") or "EUR"),
        vat_number=str(options.get("vat_number") or _vat_number(country, code)),
    )
    turn = Turn(turn.books, turn.at, turn.user, division)
    division.defaults = {
        "sales_condition": options.get("sales_condition", "30"),
        "purchase_condition": options.get("purchase_condition", "30"),
        "differences": options.get("differences"),
        **sample.ACCOUNTS[country],
    }
    for row in options.get("accounts") or sample.CHARTS[country]:
        add_gl_account(turn, row)
    for row in options.get("vat_codes") or sample.VAT_CODES[country]:
        add_vat_code(turn, row)
    for row in options.get("journals") or sample.journals(country):
        add_journal(turn, row)
    for row in options.get("conditions") or sample.CONDITIONS:
        add_condition(turn, row)
    for table, rows in (("cost_centres", sample.COST_CENTRES), ("cost_units", sample.COST_UNITS)):
        for row in options.get(table) or rows:
            add_cost(turn, table, row)
    for currency, rate in (options.get("currencies") or sample.CURRENCIES).items():
        division.tables["currencies"][currency] = turn.stamp(
            {"Code": currency, "Description": currency, "AmountPrecision": Decimal("0.01"), "rate": Decimal(str(rate))},
            new=True,
        )
    for number, name, creatable in sample.DOCUMENT_TYPES:
        division.tables["document_types"][number] = turn.stamp(
            {
                "ID": number,
                "Description": name,
                "DocumentIsCreatable": creatable,
                "DocumentIsDeletable": creatable,
                "DocumentIsUpdatable": creatable,
                "DocumentIsViewable": True,
                "TypeCategory": 1,
            },
            new=True,
        )
    first, last = options.get("years") or (turn.today.year - 1, turn.today.year + 1)
    for year in range(int(first), int(last) + 1):
        add_year(turn, year)
    _add_itself(turn)
    return division


def add_gl_account(turn: Turn, row: Row) -> None:
    """A ledger account from `{code, name, type, vat, cost_centre, cost_unit, not_deductible, blocked}`."""
    kind = int(row.get("type", 90))
    balance = kind in sample.BALANCE
    debit = kind not in (22, 24, 27, 50, 52, 55, 60, 110, 140, 160)
    _keep(
        turn,
        "gl_accounts",
        {
            "Code": str(row["code"]),
            "Description": str(row.get("name") or row["code"]),
            "SearchCode": str(row["code"]),
            "Type": kind,
            "BalanceType": "B" if balance else "W",
            "BalanceSide": "D" if debit else "C",
            "IsBlocked": bool(row.get("blocked", False)),
            "VATCode": padded(row["vat"]) if row.get("vat") else None,
            "UseCostcenter": int(row.get("cost_centre", 0)),
            "UseCostunit": int(row.get("cost_unit", 0)),
            "VATNonDeductiblePercentage": Decimal(str(row.get("not_deductible", 0))),
            "Compress": False,
            "Matching": False,
            "RevalueCurrency": False,
        },
    )


def add_vat_code(turn: Turn, row: Row) -> None:
    """A VAT code from `{code, name, percentage, side, type, charged, eu, blocked, earlier}`, or changes it."""
    division = turn.division
    to_pay, to_claim = (division.gl_account(division.defaults[name]) for name in ("to_pay", "to_claim"))
    made = _keep(
        turn,
        "vat_codes",
        {
            "Code": padded(row["code"]),
            "Description": str(row.get("name") or row["code"]),
            "Type": str(row.get("type") or "E"),
            "VATTransactionType": str(row.get("side") or "B"),
            "Charged": bool(row.get("charged", False)),
            "EUSalesListing": str(row.get("eu") or "N"),
            "IsBlocked": bool(row.get("blocked", False)),
            "GLToPay": to_pay["ID"] if to_pay else None,
            "GLToClaim": to_claim["ID"] if to_claim else None,
            "CalculationBasis": 0,
            "IntraStat": row.get("eu") == "L",
            "TaxReturnType": 0,
            "VatDocType": "P",
            "VatMargin": 0,
        },
    )
    percentages = division.tables["vat_percentages"]
    for key in [key for key, one in percentages.items() if one["VATCodeID"] == made["ID"]]:
        del percentages[key]
    starts: datetime | None = datetime(1990, 1, 1)  # noqa: DTZ001
    if earlier := row.get("earlier"):
        ends = datetime.fromisoformat(str(earlier[0]))
        _percentage(turn, made, earlier[1], starts, ends)
        starts = ends + timedelta(days=1)
    _percentage(turn, made, row.get("percentage", 0), starts, None)


def add_journal(turn: Turn, row: Row) -> None:
    """A journal from `{code, name, type, account, currency, any_currency, any_rate, blocked}`, or changes it."""
    account = turn.division.gl_account(row.get("account"))
    kind = int(row["type"])
    _keep(
        turn,
        "journals",
        {
            "Code": str(row["code"]),
            "Description": str(row.get("name") or row["code"]),
            "Type": kind,
            "Currency": str(row.get("currency") or turn.division.currency),
            "AllowVariableCurrency": bool(row.get("any_currency", True)),
            "AllowVariableExchangeRate": bool(row.get("any_rate", True)),
            "AllowVAT": kind == 90,
            "AutoSave": False,
            "IsBlocked": bool(row.get("blocked", False)),
            "GLAccount": account["ID"] if account else None,
        },
    )


def add_condition(turn: Turn, row: Row) -> None:
    """A payment condition from `{code, name, days, month_ends, method, discount, discount_days}`, or changes it."""
    _keep(
        turn,
        "payment_conditions",
        {
            "Code": str(row["code"]),
            "Description": str(row.get("name") or row["code"]),
            "PaymentDays": int(row.get("days", 0)),
            "PaymentEndOfMonths": int(row.get("month_ends", 0)),
            "PaymentMethod": str(row.get("method") or "B"),
            "PaymentDiscountType": "B",
            "DiscountCalculation": "I",
            "DiscountPercentage": Decimal(str(row.get("discount", 0))),
            "DiscountPaymentDays": int(row.get("discount_days", 0)),
            "Percentage": Decimal(1),
            "VATCalculation": "I",
        },
    )


def add_cost(turn: Turn, table: str, row: Row) -> None:
    """A cost centre or unit from `{code, name, ended}`, or changes it."""
    ended = bool(row.get("ended", False))
    made = {
        "Code": str(row["code"]),
        "Description": str(row.get("name") or row["code"]),
        "EndDate": as_time(turn.today - timedelta(days=400)) if ended else None,
    }
    _keep(turn, table, made | ({"Active": not ended} if table == "cost_centres" else {}))


def add_year(turn: Turn, year: int) -> None:
    """A calendar year of twelve periods."""
    for month in range(1, 13):
        start = date(year, month, 1)
        end = date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)
        row = {
            "ID": turn.books.guid(),
            "FinYear": year,
            "FinPeriod": month,
            "StartDate": as_time(start),
            "EndDate": as_time(end),
        }
        turn.division.tables["periods"][row["ID"]] = turn.stamp(row, new=True)


def padded(code: Any) -> str:
    """A VAT code as it is stored: three characters."""
    return str(code).strip().ljust(3)


def account_code(code: Any) -> str:
    """A code of a relation as it is stored: eighteen characters with the blanks in front."""
    return str(code).strip().rjust(18)


def _keep(turn: Turn, table: str, values: Row) -> Row:
    """The row with this code gets the values, or is made with them."""
    found = turn.division.by_code(table, values["Code"])
    if found is None:
        found = {"ID": turn.books.guid()}
        turn.division.tables[table][found["ID"]] = found
    new = "Created" not in found
    found.update(values)
    return turn.stamp(found, new=new)


def _percentage(turn: Turn, code: Row, per_cent: Any, start: datetime | None, end: datetime | None) -> UUID:
    key = turn.books.guid()
    turn.division.tables["vat_percentages"][key] = turn.stamp(
        {
            "ID": key,
            "VATCodeID": code["ID"],
            "LineNumber": 1,
            "Percentage": Decimal(str(per_cent)) / 100,
            "StartDate": start,
            "EndDate": end,
            "Type": 0,
        },
        new=True,
    )
    return key


def _add_itself(turn: Turn) -> None:
    """The own company stands among the relations, as type D."""
    division = turn.division
    row: Row = {
        "ID": turn.books.guid(),
        "Code": account_code(1),
        "Name": division.name,
        "Type": "D",
        "Status": "A",
        "IsSupplier": False,
        "IsSales": False,
        "Blocked": False,
        "Country": division.country.ljust(3),
        "VATNumber": division.vat_number,
    }
    division.own_account = row["ID"]
    division.tables["accounts"][row["ID"]] = turn.stamp(row, new=True)


def _vat_number(country: str, code: int) -> str:
    if country == "NL":
        return f"NL{code % 1_000_000_000:09}B01"
    body = 4_000_000 + code % 1_000_000
    return f"BE0{body:07}{97 - body % 97:02}"
