"""A division as the Exact plugin sees it, settings that fit it, and attempts: for the tests of the plugin.

The sandbox is spoken to over HTTP alone, also to tell it what to do.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import count
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import UUID

import aiohttp
from dagboek_exact import lists, logins
from dagboek_exact.plugin import ExactPlugin
from dagboek_exact.settings import ExactSettings
from dagboek_schemas.documents import Direction, Kind
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock
from dagboek_sdk.accounting import Link, Lists, MappingContext
from dagboek_sdk.attempt import Attempt, Booking, Op
from dagboek_sdk.sandbox import RunningSandbox
from dagboek_sdk.settings import ConnectionSettings, LedgerRule, Side, VatCode, VatKey
from octopus_books import Memory
from pydantic import SecretStr

COMPONENTS = {
    (Direction.SALES, Kind.INVOICE): Component.SALES_INVOICES,
    (Direction.SALES, Kind.CREDIT_NOTE): Component.SALES_CREDIT_NOTES,
    (Direction.PURCHASE, Kind.INVOICE): Component.PURCHASE_INVOICES,
    (Direction.PURCHASE, Kind.CREDIT_NOTE): Component.PURCHASE_CREDIT_NOTES,
}


def vat(category: str, rate: str, code: str, *, reverse: str | None = None, **more: Any) -> VatCode:
    """A row of the VAT map."""
    key = VatKey.model_validate({"category": category, "rate": Decimal(rate), **more})
    return VatCode(key=key, code=code, reverse_rate=Decimal(reverse) if reverse else None)


SALES_CODES = (
    *(vat("S", rate, rate) for rate in ("21", "12", "6")),
    vat("Z", "0", "0"),
    vat("E", "0", "VR"),
    vat("AE", "0", "MC"),
    vat("K", "0", "IC"),
    vat("G", "0", "EX"),
    vat("O", "0", "NO"),
)

PURCHASE_CODES = (
    *(vat("S", rate, f"P{rate}") for rate in ("21", "12", "6")),
    vat("Z", "0", "P0"),
    vat("AE", "0", "PMC", reverse="21"),
    vat("K", "0", "PIC", reverse="21"),
    vat("O", "0", "NO"),
)

CONNECTION = ConnectionSettings(
    sales=Side(
        invoice_journal="70",
        credit_note_journal="71",
        vat_codes=SALES_CODES,
        ledger_accounts=(LedgerRule(account="700000"), LedgerRule(account="700021", rate=Decimal(21))),
        discount_account="708000",
        charge_account="744000",
        rounding_account="759000",
    ),
    purchases=Side(
        invoice_journal="60",
        credit_note_journal="61",
        vat_codes=PURCHASE_CODES,
        ledger_accounts=(LedgerRule(account="604000"),),
        discount_account="608000",
        charge_account="613000",
        rounding_account="659000",
    ),
    exchange_rates={"USD": Decimal("0.92")},
)

FOREIGN = ("25", "24", "23", "20", "19", "15", "10", "7")
BOOKS = ConnectionSettings(
    sales=Side(
        invoice_journal="70",
        credit_note_journal="71",
        vat_codes=(
            *(vat("S", rate, f"V{rate.zfill(2)}") for rate in ("21", "12", "6")),
            *(vat("S", rate, f"B{rate.zfill(2)}") for rate in FOREIGN),
            vat("Z", "0", "V00"),
            vat("E", "0", "VRS"),
            vat("AE", "0", "MC"),
            vat("AE", "0", "ICD", region="EU"),
            vat("AE", "10", "B10"),
            vat("K", "0", "ICG"),
            vat("G", "0", "EXP"),
            vat("O", "0", "GEE"),
        ),
        ledger_accounts=(LedgerRule(account="700000"), LedgerRule(account="700021", rate=Decimal(21))),
        discount_account="708000",
        charge_account="744000",
        rounding_account="759000",
    ),
    purchases=Side(
        invoice_journal="60",
        credit_note_journal="61",
        vat_codes=(
            *(vat("S", rate, f"A{rate.zfill(2)}") for rate in ("21", "12", "6")),
            *(vat("S", rate, f"F{rate.zfill(2)}") for rate in FOREIGN),
            vat("Z", "0", "A00"),
            vat("E", "0", "AVR"),
            vat("AE", "0", "AMC", reverse="21"),
            vat("AE", "0", "AID", reverse="21", region="EU"),
            vat("AE", "10", "F10"),  # VAT that a supplier charges all the same is no reverse charge
            vat("K", "0", "AIG", reverse="21"),
            vat("G", "0", "AIV", reverse="21"),
            vat("O", "0", "GEE"),
        ),
        ledger_accounts=(LedgerRule(account="604000"),),
        discount_account="608000",
        charge_account="613000",
        rounding_account="659000",
    ),
    exchange_rates={"USD": Decimal("0.92"), "SEK": Decimal("0.089"), "DKK": Decimal("0.134"), "GBP": Decimal("1.17")},
)
"""Settings that fit the sandbox's division."""

EXACT = ExactSettings(client_id="app", client_secret=SecretStr("hush"))


def guid(code: str) -> str:
    """The id of an account in the made lists."""
    return str(UUID(int=int(code)))


def journal(code: str, kind: int, **more: Any) -> dict[str, Any]:
    """A journal, on the wire."""
    basis = {"Code": code, "Description": f"Journal {code}", "Type": kind, "Currency": "EUR", "IsBlocked": False}
    return basis | {"AllowVariableCurrency": True, "AllowVariableExchangeRate": True} | more


def vat_row(code: str, side: str, share: str, **more: Any) -> dict[str, Any]:
    """A VAT code, on the wire: padded, with a fraction."""
    kind = "E" if Decimal(share) else "B"
    basis = {"Code": code.ljust(3), "Description": f"VAT {code}", "Type": kind, "Percentage": Decimal(share)}
    accounts = {"GLToPayCode": "451000", "GLToClaimCode": "411000"}
    return basis | {"VATTransactionType": side, "Charged": False, "IsBlocked": False} | accounts | more


def account(code: str, kind: int = 110, **more: Any) -> dict[str, Any]:
    """A ledger account, on the wire."""
    basis = {"ID": guid(code), "Code": code, "Description": f"Account {code}", "Type": kind, "IsBlocked": False}
    return basis | {"UseCostcenter": 0, "UseCostunit": 0, "VATCode": None} | more


def period(year: int, number: int) -> dict[str, Any]:
    """A month of the period-date table, on the wire."""
    days = {2: 28, 4: 30, 6: 30, 9: 30, 11: 30}.get(number, 31)
    start, end = f"{year}-{number:02}-01T00:00:00", f"{year}-{number:02}-{days}T00:00:00"
    return {"FinYear": year, "FinPeriod": number, "StartDate": start, "EndDate": end}


def term(code: str, days: int, months: int = 0, **more: Any) -> dict[str, Any]:
    """A payment condition, on the wire."""
    basis = {"Code": code, "Description": f"Term {code}", "PaymentDays": days, "PaymentEndOfMonths": months}
    return basis | {"PaymentMethod": "B", "DiscountPercentage": 0.0, "DiscountPaymentDays": 0} | more


JOURNALS = [journal("70", 20), journal("71", 20), journal("60", 22), journal("61", 22), journal("90", 90)]
ACCOUNTS = [
    account("400000", 20),
    account("440000", 22),
    account("451000", 24),
    account("411000", 24),
    *(account(code) for code in ("700000", "700021", "708000", "744000", "759000")),
    *(account(code, 121) for code in ("604000", "608000", "613000", "659000")),
]
VAT_ROWS = [
    *(vat_row(code, "S", f"0.{int(code):02}") for code in ("21", "12", "6")),
    *(vat_row(f"P{code}", "P", f"0.{int(code):02}") for code in ("21", "12", "6")),
    *(vat_row(code, "S", "0") for code in ("0", "VR", "MC", "IC", "EX")),
    vat_row("P0", "P", "0"),
    vat_row("PMC", "P", "0.21", Charged=True),
    vat_row("PIC", "P", "0.21", Charged=True),
    vat_row("NO", "B", "0", Type="N"),
    vat_row("21I", "S", "0.21", Type="I"),
]
TERMS = [
    term("00", 0),
    term("14", 14),
    term("30", 30),
    term("DD", 30, PaymentMethod="I"),
    term("EM", 0, 1),
    term("20K", 20, DiscountPercentage=0.02, DiscountPaymentDays=8),
]


def made_lists(
    *,
    journals: Sequence[dict[str, Any]] = JOURNALS,
    closed: Sequence[tuple[str, int, int]] = (),
    accounts: Sequence[dict[str, Any]] = ACCOUNTS,
    codes: Sequence[dict[str, Any]] = VAT_ROWS,
    years: Sequence[int] = (2025,),
    terms: Sequence[dict[str, Any]] = TERMS,
) -> Lists:
    """Lists as `ExactPlugin.lists` makes them."""
    statuses = [{"Journal": one, "Year": year, "Period": number, "Status": 1} for one, year, number in closed]
    return {
        "journals": lists.journal_rows(journals, statuses),
        "vat_codes": lists.vat_code_rows(codes),
        "ledger_accounts": lists.account_rows(accounts),
        "book_years": lists.book_year_rows([period(year, month) for year in years for month in range(1, 13)]),
        "payment_terms": lists.payment_term_rows(terms),
        "cost_centres": lists.plain_rows(
            [{"Code": "SHOP", "Active": True}, {"Code": "OLD", "Active": False}], "Active"
        ),
        "cost_units": lists.plain_rows([{"Code": "BREAD", "Description": "Bread"}]),
        "currencies": lists.plain_rows([{"Code": code} for code in ("EUR", "USD")]),
    }


def context(connection: ConnectionSettings = CONNECTION, found: Lists | None = None) -> MappingContext:
    """What a mapping may look at."""
    return MappingContext(settings=connection, lists=made_lists() if found is None else found)


_numbers = count(1)


def attempt(booking: Booking, kind: ItemKind = ItemKind.DOCUMENT, op: Op = Op.CREATE, **more: Any) -> Attempt:
    """An attempt whose request may start now."""
    number = next(_numbers)
    made = Attempt(
        link_id=number,
        link_no=more.pop("link_no", number),
        number=more.pop("number", 1),
        op=op,
        identity=f"d1:{number}",
        kind=kind,
        component=more.pop("component", Component.SALES_INVOICES),
        booking=booking,
        **more,
    )
    return made.start(clock.boot_time())


class Division:
    """A running sandbox, plugins connected to it, and its control calls."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.base_url = sandbox.base_url
        self.credentials: Mapping[str, Any] = sandbox.credentials
        self.code = str(sandbox.credentials["division"])
        self.secrets = Memory()
        self._plugins: list[ExactPlugin] = []

    def settings(self, **changes: Any) -> ExactSettings:
        given = {name: self.credentials[name] for name in ("client_id", "client_secret")}
        return ExactSettings.model_validate({"base_url": self.base_url, "lift_limits": True, **given, **changes})

    async def plugin(self, administration: str | None = None, **changes: Any) -> ExactPlugin:
        """A plugin as one process has it, of a person who has consented; all of them share their secrets."""
        link = Link(settings=self.settings(**changes), administration=administration or self.code, secrets=self.secrets)
        made = ExactPlugin(link)
        self._plugins.append(made)
        if not self.secrets.kept:
            await made.tokens.exchange(await self.consent(), REDIRECT)
        return made

    async def consent(self) -> str:
        """The code that comes back when the person at the browser agrees."""
        address = logins.oauth(self.settings()).address(REDIRECT, "state")
        async with aiohttp.ClientSession() as session, session.get(address, allow_redirects=False) as answer:
            assert answer.status == 302, await answer.text()
            return parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]

    async def get(self, what: str, **query: Any) -> Any:
        address = f"{self.base_url}/_sandbox/{what}"
        async with aiohttp.ClientSession() as session, session.get(address, params=query) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def tell(self, what: str, **body: Any) -> Any:
        address = f"{self.base_url}/_sandbox/{what}"
        async with aiohttp.ClientSession() as session, session.post(address, json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def calls(self, operation: str) -> int:
        """How often the tool was asked this."""
        found = await self.get("requests", last=10_000, operation=operation)
        return len(found["requests"])

    async def close(self) -> None:
        for plugin in self._plugins:
            await plugin.close()


REDIRECT = "https://127.0.0.1/callback"
