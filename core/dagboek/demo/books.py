"""The sandbox's own books, as its control calls below `/_sandbox` show them: what really stands in the tool."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import urlsplit

import aiohttp
from dagboek_sdk.sandbox import RunningSandbox


class SandboxTrouble(Exception):
    """The sandbox did not do what it was asked; the text has its own words."""


class Books:
    """A client of the control calls of a running sandbox."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        parts = urlsplit(sandbox.base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}/_sandbox"
        self._session = aiohttp.ClientSession()

    async def close(self) -> None:
        """Closes the connections."""
        await self._session.close()

    async def look(self, what: str, **question: Any) -> Any:
        """The answer of `GET /_sandbox/WHAT`; amounts are Decimal."""
        params = {name: str(value) for name, value in question.items() if value is not None}
        async with self._session.get(f"{self._origin}/{what}", params=params) as answer:
            return await _content(what, answer)

    async def do(self, what: str, **body: Any) -> Any:
        """The answer of `POST /_sandbox/WHAT`."""
        async with self._session.post(f"{self._origin}/{what}", json=body) as answer:
            return await _content(what, answer)

    async def add_dossier(self, name: str, years: tuple[int, int], vat_number: str | None = None) -> str:
        """A new set of books with the book years from the first to the last; its id."""
        options: dict[str, Any] = {"name": name, "years": list(years)}
        made = await self.do("dossiers", **options, **({"vat_number": vat_number} if vat_number else {}))
        return str(made["ids"][0])

    async def entries(self, dossier: str) -> list["Entry"]:
        """What is booked in `dossier`, in the order of booking."""
        found = await self.look("entries", dossier=dossier)
        rows = found["entries"] if isinstance(found, dict) else found
        return [_entry(row) for row in rows]

    async def balance(self, dossier: str) -> "Balance":
        """Debit and credit of all accounts of `dossier`."""
        ledger = await self.look("ledger", dossier=dossier)
        return Balance(dossier, _decimal(ledger["debit"]), _decimal(ledger["credit"]))


@dataclass(frozen=True, slots=True)
class VatRow:
    """VAT of one code in an entry, in the document's currency."""

    code: str
    rate: Decimal | None
    base: Decimal
    vat: Decimal


@dataclass(frozen=True, slots=True)
class Entry:
    """A booked document. Amounts are in its own currency, negative for a credit note."""

    id: str
    """The tool's own, else book year, journal and number; the plugin's name for the entry ends with it."""
    journal: str
    number: str
    reference: str
    party: str
    currency: str
    net: Decimal
    vat: tuple[VatRow, ...]
    vat_total: Decimal
    total: Decimal
    balanced: bool
    origin: str
    lines: tuple[Mapping[str, Any], ...]

    def on_account(self, account: str | None) -> Decimal:
        """What was booked on `account` without VAT, with the sign of the total."""
        rows = [line for line in self.lines if str(line["account"]) == account]
        moved = sum((_decimal(row["document_credit"]) - _decimal(row["document_debit"]) for row in rows), Decimal(0))
        return moved if self.journal.startswith("V") else -moved


@dataclass(frozen=True, slots=True)
class Balance:
    """Sums of one set of books."""

    dossier: str
    debit: Decimal
    credit: Decimal

    @property
    def even(self) -> bool:
        """Whether debit equals credit."""
        return self.debit == self.credit


def _entry(row: Mapping[str, Any]) -> Entry:
    return Entry(
        id=str(row.get("id") or f"{row['bookyear']}/{row['journal']}/{row['number']}"),
        journal=row["journal"],
        number=str(row["number"]),
        reference=row["comment"],
        party=(row["relation"] or {}).get("name", ""),
        currency=row["currency"],
        net=_decimal(row["net"]),
        vat=tuple(_vat(one) for one in row["vat"]),
        vat_total=_decimal(row["vat_total"]),
        total=_decimal(row["total"]),
        balanced=bool(row["balanced"]),
        origin=row["origin"],
        lines=tuple(row["lines"]),
    )


def _vat(row: Mapping[str, Any]) -> VatRow:
    rate = row["percentage"]
    return VatRow(row["code"], None if rate is None else _decimal(rate), _decimal(row["base"]), _decimal(row["vat"]))


async def _content(what: str, answer: aiohttp.ClientResponse) -> Any:
    text = await answer.text()
    if answer.status != 200:
        raise SandboxTrouble(f"The sandbox refused {what} ({answer.status}): {text[:300]}")
    return json.loads(text, parse_float=Decimal)


def _decimal(value: Any) -> Decimal:
    return Decimal(str(value))
