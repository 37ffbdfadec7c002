"""One try to write an item into a tool, and what came of it (design section 6)."""

from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Self
from uuid import UUID

from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component, ItemKind

from dagboek_sdk import clock

SEND_WINDOW = 5.0
"""Seconds after the intent in which the request of an attempt may start."""


class Op(StrEnum):
    """What an attempt does."""

    CREATE = "create"
    UPDATE = "update"


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One line of the entry as it will stand in the ledger. Amounts in the document's currency, not negative."""

    account: str
    debit: Decimal = Decimal(0)
    credit: Decimal = Decimal(0)
    vat_code: str | None = None
    text: str = ""
    because: str = ""
    """Where the account and the VAT code came from, for people: `ledger account for 21 %`."""

    @classmethod
    def of(cls, account: str, debit: Decimal, vat_code: str | None = None, text: str = "", because: str = "") -> Self:
        """A debit, or a credit where the amount is negative."""
        return cls(account, max(debit, Decimal(0)), max(-debit, Decimal(0)), vat_code, text, because)


@dataclass(frozen=True, slots=True)
class Booking:
    """What a plugin makes of an item: the tool's payload and, for documents, the journal lines it stands for.

    `payload` is JSON, complete but for what only the attempt knows (number, the party's id in the tool).
    Amounts in it are strings; the client turns them into the tool's numbers.
    """

    payload: dict[str, Any]
    lines: tuple[JournalLine, ...] = ()
    journal: str | None = None
    series: str | None = None
    """Key of the number series that the attempt takes its number from; None where the tool numbers."""
    reference: str | None = None
    """Our mark in the entry, by which it is recognised when the tool is asked."""
    day: date | None = None
    gross: Decimal | None = None
    """Signed effect on the other party's balance: a credit note is negative."""
    currency: str | None = None
    remarks: tuple[Issue, ...] = ()
    """Information for people that holds nothing up, such as a relation whose VAT type is not known."""


@dataclass(frozen=True, slots=True)
class AttachedFile:
    """A file of the document with its bytes, for tools that take files inside the booking."""

    file_name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Booked:
    """The entry stands in the tool."""

    entry_id: str
    number: str | None = None
    url: str | None = None
    details: dict[str, Any] = field(default_factory=dict)
    remarks: tuple[Issue, ...] = ()
    """Information for people about what the tool did with it, such as cost centres that an update reset."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """The tool took it and books it later; `poll` asks with this token."""

    token: str
    remarks: tuple[Issue, ...] = ()
    """Information for people about what was sent, such as files that the tool does not take."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """Something in the tool that may be our item; core compares, not the plugin."""

    entry_id: str
    number: str | None = None
    reference: str | None = None
    journal: str | None = None
    party_id: str | None = None
    day: date | None = None
    gross: Decimal | None = None
    currency: str | None = None
    url: str | None = None
    name: str | None = None
    texts: tuple[str, ...] = ()
    """All free texts of the entry: a document typed by hand may bear its number in any of them."""
    certain: bool = False
    """A party that the tool knows by our own id: adopted without comparison."""
    roles: frozenset[Component] | None = None
    """Of a party, where the tool keeps customers and suppliers apart: those that it has; one that is missing is added.

    None: the tool does not tell, or does not care.
    """


@dataclass(frozen=True, slots=True)
class Found:
    """The tool holds these; one that matches is adopted, several are a person's business."""

    candidates: tuple[Candidate, ...]


@dataclass(frozen=True, slots=True)
class Absent:
    """The tool provably does not hold the item, and an attempt sent before now can no longer arrive."""


@dataclass(frozen=True, slots=True)
class Unknown:
    """The tool cannot tell; a person decides."""

    why: str = ""


Resolution = Found | Absent | Unknown | Accepted
"""Accepted: the tool has it, and will book it; from then on it is polled."""


@dataclass(slots=True)
class Attempt:
    """One try to write one item. Made by core; the client marks it as it is sent and answered.

    Times are seconds of CLOCK_BOOTTIME, which goes on while a machine sleeps.
    """

    link_id: int
    link_no: int
    """Number of the link, int32, unique within the administration: an external id for tools that want numbers."""
    number: int
    """Which try of this link it is, from 1."""
    op: Op
    identity: str
    kind: ItemKind
    component: Component
    booking: Booking
    series_number: int | None = None
    """The number to book under, where the plugin names a series."""
    party_entry: str | None = None
    """The other party's id in the tool."""
    entry_id: str | None = None
    """What an update changes."""
    entry_number: str | None = None
    run_id: UUID | None = None
    begun: datetime | None = None
    """When its intent was written, where it is asked about later: nothing of it is older in the tool."""
    group: str | None = None
    """Operation group whose permit was taken for its write."""
    attachments: tuple[AttachedFile, ...] = ()
    """The document's files; core fills it where `about.attachments` is true and the tool has no `attach`."""
    send_until: float = 0.0
    repeat: bool = False
    """The same attempt sent once more after an uncertain send; settles only by booked, there or taken."""
    sent: bool = False
    """The first byte of its one write is out."""
    verdict: BaseException | None = None
    """The tool's own answer to the write, recognised by `classify`."""
    answer_ok: bool = False

    def start(self, t0: float) -> Self:
        """Sets the send deadline, counted from `t0`, a moment before the intent statement was sent."""
        self.send_until = t0 + SEND_WINDOW
        return self

    @property
    def may_start(self) -> bool:
        """Whether its request may still be written."""
        return clock.boot_time() < self.send_until
