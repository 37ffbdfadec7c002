"""A tool that answers after a given time, and a source that makes documents: for benches, no part of the product.

Both run in the process of the worker or the core. The tool counts what it was sent, so that a bench can tell
whether everything was booked once.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any, ClassVar

from dagboek_schemas.documents import Address, Direction, Document, Kind, Line, Party, Totals, VatSubtotal
from dagboek_schemas.statuses import Component
from dagboek_sdk.accounting import About, AccountingPlugin, Administration, Lists, MappingContext, Row, Settling
from dagboek_sdk.attempt import Attempt, Booked, Booking, JournalLine
from dagboek_sdk.errors import ToolError
from dagboek_sdk.hooks import hookimpl
from dagboek_sdk.limits import Limit
from dagboek_sdk.source import DocumentSource, EntityRef, Fetched, Listed, SourceAbout
from pydantic import BaseModel

DELAY = float(os.environ.get("BENCH_DELAY_MS", "0")) / 1000


class InstantSettings(BaseModel):
    """The tool needs a name to log in with, no more."""

    user: str = "bench"
    base_url: str = "http://127.0.0.1"


class InstantTool(AccountingPlugin):
    """Books everything after `BENCH_DELAY_MS`."""

    about: ClassVar[About] = About(
        name="instant",
        title="Instant",
        countries=frozenset({"BE"}),
        components=tuple(Component),
        settings=InstantSettings,
        settling=Settling.LOOK_UP,
        party_settling=Settling.KEY,
        call_deadline=10,
    )
    booked: ClassVar[dict[str, int]] = {}

    async def administrations(self) -> Sequence[Administration]:
        return [Administration(str(number), f"Books {number}") for number in range(2000)]

    @classmethod
    def limits(cls, settings: Any, administration: str, domain: str) -> Sequence[Limit]:
        return ()

    async def lists(self) -> Lists:
        return {
            "journals": (Row("S", "Sales", "sales_invoice"),),
            "vat_codes": (Row("21", "21 %", "sales", rate=Decimal(21)),),
            "ledger_accounts": (Row("700000", "Sales"),),
        }

    def map_party(self, party: Party, component: Component, context: MappingContext) -> Booking:
        return Booking({"name": party.name, "vat": party.vat_number})

    def map_document(self, document: Document, component: Component, context: MappingContext) -> Booking:
        totals = document.totals
        lines = [JournalLine("700000", credit=line.net, vat_code="21") for line in document.lines]
        payload = {
            "number": document.number,
            "date": document.issue_date.isoformat(),
            "lines": [{"account": line.account, "amount": str(line.credit), "vat": "21"} for line in lines],
            "amount": str(totals.gross),
        }
        lines.append(JournalLine("400000", debit=totals.gross))
        return Booking(
            payload,
            tuple(lines),
            journal="S",
            reference=document.number,
            day=document.issue_date,
            gross=totals.gross,
            currency=document.currency,
        )

    async def push(self, attempt: Attempt) -> Booked:
        if DELAY:
            await asyncio.sleep(DELAY)
        return Booked(f"{attempt.link_no}", str(attempt.link_no))

    def classify(self, answer: Any) -> ToolError | None:
        return None


class GeneratedSettings(BaseModel):
    """How many documents each entity has, and how many of them are so old that they are not listed any more."""

    documents: int = 10
    old: int = 0


class Generated(DocumentSource):
    """Invoices of two lines, about 2 KB each as JSON."""

    about: ClassVar[SourceAbout] = SourceAbout("generated", "Generated", GeneratedSettings)

    def __init__(self, settings: Any, entity: EntityRef) -> None:
        super().__init__(settings, entity)
        self.count, self.old = settings.documents, settings.old

    async def list(self, since: datetime | None) -> AsyncIterator[Sequence[Listed]]:
        for first in range(self.old, self.count, 500):
            yield [Listed(f"{at}", "1", f"2026-{at:06}") for at in range(first, min(self.count, first + 500))]

    async def fetch(self, origin_ids: Sequence[str]) -> Sequence[Fetched]:
        return [Fetched(origin_id, self.document(int(origin_id))) for origin_id in origin_ids]

    async def attachment(self, ref: str) -> bytes:
        raise FileNotFoundError(ref)

    def document(self, at: int) -> Document:
        """The document with the id `at`."""
        address = Address(street="Kade 12", city="Oostende", postal_code="8400", country="BE")
        net, vat = Decimal("200.00"), Decimal("42.00")
        line = {"quantity": Decimal(2), "price": Decimal(50), "net": Decimal(100), "vat_category": "S"}
        return Document(
            kind=Kind.INVOICE,
            direction=Direction.SALES,
            number=f"2026-{at:06}",
            issue_date=date(2026, 3, 1),
            due_date=date(2026, 3, 31),
            currency="EUR",
            seller=Party(name=self.entity.name, vat_number=self.entity.vat_number, address=address),
            buyer=Party(name="Bakkerij De Klaver BV", vat_number="BE0404616494", address=address),
            lines=tuple(
                Line(id=str(number), name="Coffee beans", description="Roasted", vat_rate=Decimal(21), **line)
                for number in range(2)
            ),
            vat_breakdown=(VatSubtotal(category="S", rate=Decimal(21), taxable=net, tax=vat),),
            totals=Totals(lines=net, net=net, vat=vat, gross=net + vat, payable=net + vat),
        )


@hookimpl
def dagboek_accounting_plugins() -> Sequence[type[AccountingPlugin]]:
    """The instant tool."""
    return (InstantTool,)


@hookimpl
def dagboek_sources() -> Sequence[type[DocumentSource]]:
    """The generated documents."""
    return (Generated,)
