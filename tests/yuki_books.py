"""An administration as the Yuki plugin sees it, settings that fit it, and attempts: for the tests of the plugin.

The sandbox is spoken to over HTTP alone, also to tell it what to do.
"""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from itertools import count
from typing import Any

import aiohttp
from dagboek_schemas.documents import Direction, Kind
from dagboek_schemas.identity import party_identity
from dagboek_schemas.statuses import Component, ItemKind
from dagboek_sdk import clock
from dagboek_sdk.accounting import Link, Lists, MappingContext, Row
from dagboek_sdk.attempt import Attempt, Booking, Op
from dagboek_sdk.samples import THEIRS
from dagboek_sdk.sandbox import RunningSandbox
from dagboek_sdk.settings import ConnectionSettings, LedgerRule, Side, VatCode, VatKey
from dagboek_yuki.plugin import YukiPlugin
from dagboek_yuki.settings import YukiSettings
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


FOREIGN = ("25", "24", "23", "20", "19", "15", "10", "7")
"""Rates of other countries that real invoices have."""
ODD = 99
"""A VAT type that the reference does not tell of, for those rates."""

SALES_CODES = (
    *(vat("S", rate, code) for rate, code in (("21", "1/21/BE"), ("12", "21/12/BE"), ("6", "2/6/BE"))),
    *(vat("S", rate, f"{ODD}/{rate}/BE") for rate in FOREIGN),
    vat("Z", "0", "4/0/BE"),
    vat("E", "0", "0/0/BE"),
    vat("AE", "0", "17/0/BE"),
    vat("AE", "0", "20/0/BE", region="EU"),
    vat("AE", "10", f"{ODD}/10/BE"),
    vat("K", "0", "19/0/BE"),
    vat("G", "0", "6/0/BE"),
    vat("O", "0", "0/0/BE"),
)
PURCHASE_CODES = (
    *(vat("S", rate, f"5/{rate}/BE") for rate in ("21", "12", "6", *FOREIGN)),
    vat("Z", "0", "10/0/BE"),
    vat("E", "0", "16/0/BE"),
    vat("AE", "0", "14/21/BE", reverse="21"),
    vat("AE", "0", "12/21/BE", reverse="21", region="EU"),
    vat("AE", "10", "5/10/BE"),  # VAT that a supplier charges all the same is no reverse charge
    vat("K", "0", "11/21/BE", reverse="21"),
    vat("G", "0", "13/21/BE", reverse="21"),
    vat("O", "0", "16/0/BE"),
)
BOOKS = ConnectionSettings(
    sales=Side(
        vat_codes=SALES_CODES,
        ledger_accounts=(LedgerRule(account="700000"), LedgerRule(account="700021", rate=Decimal(21))),
        discount_account="708000",
        charge_account="744000",
        rounding_account="759000",
    ),
    purchases=Side(
        vat_codes=PURCHASE_CODES,
        ledger_accounts=(LedgerRule(account="604000"),),
        discount_account="608000",
        charge_account="613000",
        rounding_account="659000",
    ),
)
"""Settings that fit the lists below, and administrations that are made with `vat_rows`."""

ACCOUNTS = ("700000", "700021", "708000", "744000", "759000", "604000", "608000", "613000", "659000")
YUKI = YukiSettings(site="be", access_key=SecretStr("5b1f0c86-8a57-4c0e-9d5e-3f2c7a6b9e01"))


def vat_rows() -> list[dict[str, Any]]:
    """The VAT types of the map above, as an administration of the sandbox is made with."""
    codes = dict.fromkeys(one.code for one in (*SALES_CODES, *PURCHASE_CODES))
    rows = [code.split("/") for code in codes]
    return [
        {"type": int(kind), "percentage": rate, "country": country, "description": f"VAT {kind} {rate}%"}
        for kind, rate, country in rows
    ]


def vat_row(code: str, name: str = "", start: str | None = None, end: str | None = None) -> Row:
    """A VAT type as it is listed."""
    kind, rate, country = code.split("/")
    details = {"type": int(kind), "description": "", "country": country, "start": start, "end": end}
    return Row(code, name or f"VAT {code}", rate=Decimal(rate), details=details)


def made_lists(accounts: Sequence[Row] = (), codes: Sequence[Row] = ()) -> Lists:
    """Lists as `YukiPlugin.lists` makes them; what is given takes the place of what has its code."""
    known = {code: Row(code, f"Account {code}") for code in ACCOUNTS} | {one.code: one for one in accounts}
    types = {one.code: vat_row(one.code) for one in (*SALES_CODES, *PURCHASE_CODES)} | {one.code: one for one in codes}
    return {"ledger_accounts": tuple(known.values()), "vat_codes": tuple(types.values())}


def context(connection: ConnectionSettings = BOOKS, found: Lists | None = None) -> MappingContext:
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
        identity=more.pop("identity", party_identity(THEIRS) if kind is ItemKind.PARTY else f"d1:{number}"),
        kind=kind,
        component=more.pop("component", Component.SALES_INVOICES),
        booking=booking,
        **more,
    )
    return made.start(clock.boot_time())


ADMINISTRATION = "0e6b7a52-31c9-4f8e-b7d4-6a9c2e5f8b20"
DOMAIN = "9d3c1f7e-52a4-4b0d-8a66-1c5e0f7b2d10"


async def new_house(administration: Mapping[str, Any] | None = None, **options: Any) -> "House":
    """A sandbox with one Belgian administration that has the VAT types of `BOOKS`; its chart has the accounts."""
    from dagboek_yuki.sandbox import start_sandbox

    books = {"id": ADMINISTRATION, "name": "Bakkerij Voorbeeld BV", "domain": DOMAIN, "country": "BE"}
    own = {**books, "vat_codes": vat_rows(), **(administration or {})}
    home = {"id": DOMAIN, "name": "Voorbeeld", "site": "be"}
    chosen: dict[str, Any] = {"site": "be", "domains": [home], "dossiers": [own], "limits": False} | options
    return House(await start_sandbox(**chosen), ADMINISTRATION, DOMAIN)


class House:
    """A running sandbox, plugins connected to one of its administrations, and its control calls."""

    def __init__(self, sandbox: RunningSandbox, administration: str, domain: str) -> None:
        self.sandbox = sandbox
        self.base_url = sandbox.base_url
        self.administration = administration
        self.domain = domain
        self.secrets = Memory()
        self._plugins: list[YukiPlugin] = []

    async def plugin(self, **changes: Any) -> YukiPlugin:
        """A plugin as one process has it; all of them share their secrets."""
        given: Mapping[str, Any] = {"base_url": self.base_url, "lift_limits": True} | self.sandbox.credentials
        link = Link(
            settings=YukiSettings.model_validate({**given, **changes}),
            administration=self.administration,
            domain=self.domain,
            secrets=self.secrets,
        )
        self._plugins.append(YukiPlugin(link))
        return self._plugins[-1]

    async def get(self, what: str, **query: Any) -> Any:
        address = f"{self.origin}/_sandbox/{what}"
        async with aiohttp.ClientSession() as session, session.get(address, params=query) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def tell(self, what: str, **body: Any) -> Any:
        address = f"{self.origin}/_sandbox/{what}"
        async with aiohttp.ClientSession() as session, session.post(address, json=body) as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    @property
    def origin(self) -> str:
        return self.base_url.removesuffix("/nl").removesuffix("/be")

    async def calls(self, operation: str) -> int:
        """How often the tool was asked this."""
        found = await self.get("requests", last=10_000, operation=operation)
        return len(found["requests"])

    async def close(self) -> None:
        for plugin in self._plugins:
            await plugin.close()
