"""A dossier as the Octopus plugin sees it, settings that fit it, and attempts: for the tests of the plugin.

The sandbox is spoken to over HTTP alone, also to tell it what to do.
"""

import asyncio
from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from itertools import count
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from dagboek_octopus import lists
from dagboek_octopus.plugin import OctopusPlugin
from dagboek_octopus.settings import OctopusSettings
from dagboek_schemas.documents import Direction, Kind
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock
from dagboek_sdk.accounting import Link, Lists, MappingContext
from dagboek_sdk.attempt import Attempt, Booking, Op
from dagboek_sdk.sandbox import RunningSandbox
from dagboek_sdk.settings import ConnectionSettings, LedgerRule, Side, VatCode, VatKey
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
    *(vat("S", rate, code) for rate, code in (("21", "21"), ("12", "12"), ("6", "06"))),
    *(vat("S", rate, code, credit_note=True) for rate, code in (("21", "C21"), ("12", "C12"), ("6", "C06"))),
    *(vat("S", rate, f"B{rate.zfill(2)}") for rate in ("25", "20", "19", "15", "10", "9", "7")),
    vat("Z", "0", "00"),
    vat("E", "0", "VR"),
    vat("AE", "0", "MC"),
    vat("AE", "0", "ICD", region="EU"),
    vat("AE", "10", "MC"),
    vat("K", "0", "ICG"),
    vat("G", "0", "EX"),
    vat("O", "0", "NO"),
)

PURCHASE_CODES = (
    *(vat("S", rate, code) for rate, code in (("21", "D21"), ("12", "D12"), ("6", "D06"))),
    *(vat("S", rate, f"F{rate.zfill(2)}") for rate in ("25", "20", "19", "15", "10", "9", "7")),
    vat("Z", "0", "D00"),
    vat("E", "0", "DVR"),
    vat("AE", "0", "DMC", reverse="21"),
    vat("AE", "0", "DIC", reverse="21", region="EU"),
    vat("AE", "10", "F10"),  # VAT that a supplier charges all the same is no reverse charge
    vat("K", "0", "GIC", reverse="21"),
    vat("G", "0", "GEX", reverse="21"),
    vat("O", "0", "D00"),
)

CONNECTION = ConnectionSettings(
    sales=Side(
        invoice_journal="V1",
        credit_note_journal="V2",
        vat_codes=SALES_CODES,
        ledger_accounts=(LedgerRule(account="700000"), LedgerRule(account="700021", rate=Decimal(21))),
        discount_account="708000",
        charge_account="744000",
        rounding_account="759000",
    ),
    purchases=Side(
        invoice_journal="A1",
        credit_note_journal="A2",
        vat_codes=PURCHASE_CODES,
        ledger_accounts=(LedgerRule(account="604000"),),
        discount_account="608000",
        charge_account="613000",
        rounding_account="659000",
    ),
    exchange_rates={"USD": Decimal("0.92"), "SEK": Decimal("0.089"), "DKK": Decimal("0.134"), "GBP": Decimal("1.17")},
)

OCTOPUS = OctopusSettings(software_house_uuid="house", user="user", password=SecretStr("hush"))


def book_year(number: int, year: int, *, closed: bool = False) -> dict[str, Any]:
    """A calendar year of four quarters, on the wire."""
    quarters = (("01-01", "03-31"), ("04-01", "06-30"), ("07-01", "09-30"), ("10-01", "12-31"))
    periods = [
        {"bookyearPeriod": year * 100 + place, "startDate": f"{year}-{start}", "endDate": f"{year}-{end}"}
        for place, (start, end) in enumerate(quarters, start=1)
    ]
    return {
        "bookyearKey": {"id": number},
        "bookyearDescription": str(year),
        "startDate": f"{year}-01-01",
        "endDate": f"{year}-12-31",
        "closed": closed,
        "periods": periods,
    }


def journal(key: str, **more: Any) -> dict[str, Any]:
    """A journal, on the wire."""
    basis: dict[str, Any] = {"journalKey": key, "name": f"Journal {key}", "closed": False}
    if key.startswith("V"):
        basis["insertionType"] = 1
    return basis | {"closedPeriod": 0, "protectedPeriod": 0, "lastBookedDocumentNr": 6} | more


def account(year: int, number: int, **more: Any) -> dict[str, Any]:
    """A ledger account of a book year, on the wire."""
    key = {"bookyearKey": {"id": year}, "id": number}
    return {"accountKey": key, "costCentreType": 0, "description": {"description_NL": f"Account {number}"}} | more


JOURNALS = [journal(key) for key in ("A1", "A2", "V1", "V2")]
ACCOUNTS = [account(7, number) for number in (604000, 608000, 613000, 659000, 700000, 700021, 708000, 744000, 759000)]


def made_lists(
    *,
    years: Sequence[dict[str, Any]] = (book_year(7, 2025),),
    journals: Sequence[dict[str, Any]] = JOURNALS,
    accounts: Sequence[dict[str, Any]] = ACCOUNTS,
    complete: frozenset[str] = frozenset(("7",)),
) -> Lists:
    """Lists as `OctopusPlugin.lists` makes them; all journals are in book year 7."""
    kinds = {1: {row.code for row in PURCHASE_CODES}, 2: {row.code for row in SALES_CODES}}
    codes = [
        {"code": code, "type": kind + 2 if code.startswith("C") else kind, "basePercentage": 21.0}
        for kind, found in kinds.items()
        for code in sorted(found)
    ]
    centres = [
        {"costCentreKey": {"id": 1}, "description": {"description_NL": "Shop"}, "closed": False},
        {"costCentreKey": {"id": 2}, "description": {"description_NL": "Old"}, "closed": True},
    ]
    return {
        "book_years": lists.book_year_rows(years, complete),
        "journals": lists.journal_rows({"7": journals}),
        "vat_codes": lists.vat_code_rows(codes),
        "ledger_accounts": lists.account_rows(accounts),
        "cost_centres": lists.cost_centre_rows(centres),
        "currencies": lists.currency_rows(["EUR", "USD", "SEK", "DKK", "GBP"]),
    }


def context(connection: ConnectionSettings = CONNECTION, found: Lists | None = None) -> MappingContext:
    """What a mapping may look at."""
    return MappingContext(settings=connection, lists=made_lists() if found is None else found)


class Memory:
    """Secrets in memory, shared by all plugins of a test as they are by all processes."""

    def __init__(self) -> None:
        self.kept: dict[str, tuple[str, datetime]] = {}
        self.saves: list[str] = []
        self._locks: dict[str, asyncio.Lock] = {}

    async def load(self, name: str) -> tuple[str, datetime] | None:
        return self.kept.get(name)

    async def save(self, name: str, value: str, until: datetime) -> None:
        self.saves.append(name)
        self.kept[name] = value, until

    def lock(self, name: str) -> asyncio.Lock:
        return self._locks.setdefault(name, asyncio.Lock())


_numbers = count(1)


def attempt(booking: Booking, kind: ItemKind = ItemKind.DOCUMENT, op: Op = Op.CREATE, **more: Any) -> Attempt:
    """An attempt whose request may start now."""
    number = next(_numbers)
    made = Attempt(
        link_id=number,
        link_no=more.pop("link_no", number),
        number=1,
        op=op,
        identity=f"d1:{number}",
        kind=kind,
        component=Component.SALES_INVOICES,
        booking=booking,
        **more,
    )
    return made.start(clock.boot_time())


class Dossier:
    """A running sandbox, plugins connected to it, and its control calls."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self.base_url = sandbox.base_url
        self.credentials: Mapping[str, Any] = sandbox.credentials
        self.secrets = Memory()
        self._control = "http://" + urlsplit(sandbox.base_url).netloc + "/_sandbox/"
        self._plugins: list[OctopusPlugin] = []

    def plugin(self, administration: str = "1001", **changes: Any) -> OctopusPlugin:
        """A plugin as one process has it; all of them share their secrets."""
        settings = OctopusSettings.model_validate(
            {"base_url": self.base_url, "lift_limits": True, **self.credentials, **changes}
        )
        made = OctopusPlugin(Link(settings=settings, administration=administration, secrets=self.secrets))
        self._plugins.append(made)
        return made

    async def get(self, what: str, **query: Any) -> Any:
        async with aiohttp.ClientSession() as session, session.get(self._control + what, params=query) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def tell(self, what: str, **body: Any) -> Any:
        async with aiohttp.ClientSession() as session, session.post(self._control + what, json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def calls(self, operation: str) -> int:
        """How often the tool was asked this."""
        requests = await self.get("requests", last=1000)
        rows = requests["requests"] if isinstance(requests, dict) else requests
        return sum(1 for row in rows if row["operation"] == operation)

    async def close(self) -> None:
        for plugin in self._plugins:
            await plugin.close()
