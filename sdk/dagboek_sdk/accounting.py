"""What an accounting tool is to Dagboek: the interface that a plugin implements (design section 8)."""

from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, ClassVar, Protocol

from dagboek_schemas.documents import Document, LedgerAccount, Party, PaymentStatus
from dagboek_schemas.issues import Issue
from dagboek_schemas.statuses import Component, ItemKind
from pydantic import BaseModel

from dagboek_sdk.attempt import Accepted, AttachedFile, Attempt, Booked, Booking, Candidate, Resolution
from dagboek_sdk.errors import ToolError
from dagboek_sdk.http import Answer, Client
from dagboek_sdk.limits import Budget, Limit, NoLimits, Permits
from dagboek_sdk.settings import ConnectionSettings


class Settling(StrEnum):
    """How the tool can be asked whether an uncertain attempt was booked."""

    NUMBER = "number"
    """A number can be taken once: the same attempt may be sent again at once."""
    KEY = "key"
    """The tool keeps an idempotency key, or an external id: the same attempt may be sent again at once."""
    LOOK_UP = "look_up"
    """The tool can be searched for our reference; nothing is sent again before that."""
    NONE = "none"
    """Neither; a person decides."""

    @property
    def repeatable(self) -> bool:
        """Whether the same attempt may be sent again without asking first."""
        return self in (Settling.NUMBER, Settling.KEY)


@dataclass(frozen=True, slots=True)
class About:
    """What a plugin says of itself and of its tool."""

    name: str
    """As in commands and settings: `octopus`."""
    title: str
    countries: frozenset[str]
    components: tuple[Component, ...]
    settings: type[BaseModel]
    """The tool's own settings; the console draws the form, secrets are `SecretStr` fields and are encrypted."""
    updates_documents: bool = False
    updates_parties: bool = True
    batch_size: int = 1
    """Documents that one call takes at most; more than one: core calls `push_batch`."""
    batch_bytes: int = 4 * 1024 * 1024
    """Bytes that the bookings of one call come to at most, with their files in base64; one alone may be longer."""
    attachments: bool = False
    """Files go inside the booking: they come with the attempt."""
    attaches: bool = False
    """Files go to an entry that stands: core calls `attach`."""
    has_journals: bool = True
    parties_inside_documents: bool = False
    settling: Settling = Settling.NONE
    """Of documents."""
    component_settling: Mapping[Component, Settling] = field(default_factory=dict)
    """Of documents of components that are settled in another way, such as uploads that are booked later."""
    party_settling: Settling = Settling.NONE
    call_deadline: float = 30.0
    """Seconds that one call may take."""
    resolve_deadline: float | None = None
    """Seconds that `resolve` may take for a hundred attempts; None: as long as four calls."""
    settle_lag: float = 0.0
    """Seconds after which a booking is visible to a reader of the tool."""
    poll_seconds: float = 3600.0
    """How often core calls `poll` for all that a connection has accepted, at most."""
    accepted_days: int = 14
    """Days after which what was accepted and is not booked becomes a person's business."""
    keeps_connections: bool = False
    """Whether calls may share a connection: only where each answer names what it answers for, and the plugin looks.

    Else an answer that comes twice could be taken for that of the next call.
    """
    reads_periods: bool = False
    """Whether `entries_of` lists what stands in the books for a period: then our push record can be audited."""
    keep_alive_days: int | None = None
    """A login by consent (`oauth`) dies when it is not used for this long; core uses it before, with `prepare`."""

    @property
    def settle_seconds(self) -> float:
        """Time after an intent in which its request may still arrive (design section 6)."""
        return 5.0 + self.call_deadline + self.settle_lag

    def settling_of(self, kind: ItemKind, component: Component | None) -> Settling:
        """How an uncertain attempt of this kind and component is settled."""
        if kind is ItemKind.PARTY:
            return self.party_settling
        return self.settling if component is None else self.component_settling.get(component, self.settling)


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a look-up list: a journal, a VAT code, a ledger account."""

    code: str
    name: str
    kind: str | None = None
    """Journals: `sales_invoice`, `purchase_credit_note`, ..., or `sales`, `purchase` where one takes both kinds.

    VAT codes: `sales`, `purchase`, and with `_credit_note` behind it where the tool keeps those apart.
    """
    active: bool = True
    rate: Decimal | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


Lists = Mapping[str, tuple[Row, ...]]
"""Names: `journals`, `vat_codes`, `ledger_accounts`, `payment_terms`, `book_years`, `cost_centres`, ..."""


@dataclass(frozen=True, slots=True)
class Administration:
    """A set of books that a login can reach."""

    id: str
    """The tool's own id: dossier, division, administration."""
    name: str
    vat_number: str | None = None
    country: str | None = None
    currency: str = "EUR"
    disabled: bool = False
    domain: str = ""
    """The tool's own id of what holds this and other administrations and has limits, or sessions, of its own.

    Core stores it and gives it back in `Link.domain` and to `limits`. Empty where the tool has no such thing.
    """


@dataclass(frozen=True, slots=True)
class MappingContext:
    """All that a mapping may look at. Frozen and stored by version, so that a preview is the real thing."""

    settings: ConnectionSettings
    lists: Lists
    lists_at: datetime | None = None
    """When the lists were read from the tool."""
    reference: str = ""
    """Our mark, put where the tool keeps free text."""


class Secrets(Protocol):
    """Where short-lived tokens are kept between calls and processes, encrypted. Saved before they are used."""

    async def load(self, name: str) -> tuple[str, datetime] | None:
        """The token and the moment (UTC) at which it ends; None when there is none."""

    async def save(self, name: str, value: str, until: datetime) -> None:
        """Keeps the token, replacing an older one."""

    def lock(self, name: str) -> Any:
        """An async context manager: one refresher at a time over all processes. Read again after taking it."""


@dataclass
class Link:
    """What a plugin object is given of its connection."""

    settings: Any
    """An instance of `about.settings`."""
    administration: str
    """The tool's own id of the books; empty while none is chosen."""
    secrets: Secrets
    """Of the login, which may reach several administrations and domains: what belongs to one of them bears its name."""
    domain: str = ""
    """`Administration.domain` of the books; empty while none is chosen."""
    permits: Permits = field(default_factory=NoLimits)
    client_options: dict[str, Any] = field(default_factory=dict)
    """Passed to `http.Client`: a shared session, a recorder."""


@dataclass(frozen=True, slots=True)
class Attaching:
    """Files for an entry that stands."""

    entry_id: str
    number: str | None
    booking: Booking
    """As it was sent."""
    party_entry: str | None
    files: tuple[AttachedFile, ...]
    again: bool
    """It was begun before: what stands there is looked up first, and not written a second time."""
    step: Callable[[], Awaitable[Attempt]]
    """Asked for before each write, which takes the attempt that it gives: until then nobody else begins."""


@dataclass(frozen=True, slots=True)
class Period:
    """Days of the books, both included."""

    first: date
    last: date

    def holds(self, day: date | None) -> bool:
        """Whether a day is one of them."""
        return day is not None and self.first <= day <= self.last


@dataclass(frozen=True, slots=True)
class EntriesPage:
    """A part of what stands in the books for a period."""

    entries: Sequence[Candidate]
    cursor: str | None = None
    """Where the next part begins; None: this was the last. It is stored, so it holds no secret."""
    remarks: tuple[Issue, ...] = ()
    """What a person should know of the whole, such as what the tool does not tell."""


class AccountingPlugin(ABC):
    """One connection to one administration of a tool. All calls are made on one event loop.

    Every method raises the errors of `dagboek_sdk.errors`; anything else is taken for a bug of the plugin.
    """

    about: ClassVar[About]

    def __init__(self, link: Link) -> None:
        self.link = link
        self.client = Client(
            classify=self.classify,
            call_deadline=self.call_deadline,
            permits=link.permits,
            budgets=self.budgets,
            counts_as_error=self.counts_as_error,
            **link.client_options,
        )

    @property
    def call_deadline(self) -> float:
        """Seconds that one call may take; a plugin may let the connection's settings decide."""
        return self.about.call_deadline

    @property
    def settle_seconds(self) -> float:
        """Time after an intent in which its request may still arrive (design section 6)."""
        return self.about.settle_seconds - self.about.call_deadline + self.call_deadline

    @property
    def resolve_deadline(self) -> float:
        """Seconds that `resolve` may take."""
        return self.about.resolve_deadline or 4 * self.call_deadline

    async def close(self) -> None:
        """Gives back what the object holds."""
        await self.client.close()

    # connect

    @abstractmethod
    async def administrations(self) -> Sequence[Administration]:
        """The books that this login can reach. LoginBroken for wrong credentials."""

    async def missing_rights(self) -> Sequence[Issue]:
        """Rights and modules that the login lacks for what the plugin does."""
        return ()

    @classmethod
    @abstractmethod
    def limits(cls, settings: Any, administration: str, domain: str) -> Sequence[Limit]:
        """The tool's limits for this connection; none when the settings lift them.

        `administration` and `domain` are empty while none is chosen. What is shared has the same key everywhere, with
        the tool's host in it.
        """

    def budgets(self, answer: Answer) -> Sequence[Budget]:
        """What the headers of any answer say of the limits; core corrects its own count by it."""
        return ()

    def counts_as_error(self, answer: Answer) -> bool:
        """Whether the tool counts this answer where it limits errors (`Limit.errors`)."""
        return False

    async def prepare(self) -> None:
        """What a write needs and that may take time, such as a fresh token."""

    async def prepare_for(self, attempts: Sequence[Attempt]) -> None:
        """Called before the intents of what goes in one call are written; for what not every write needs, too."""
        await self.prepare()

    # lists

    @abstractmethod
    async def lists(self) -> Lists:
        """All look-up lists of the administration, for set-up and as mapping context."""

    # map: pure, no I/O

    @abstractmethod
    def map_party(self, party: Party, component: Component, context: MappingContext) -> Booking:
        """What to store of a customer or supplier. Refused for what the tool cannot take."""

    @abstractmethod
    def map_document(self, document: Document, component: Component, context: MappingContext) -> Booking:
        """What to book for an invoice or credit note. Refused for what the tool cannot take."""

    @classmethod
    def number_once(cls, document: Document) -> str | None:
        """The number under which the tool keeps the document, where it keeps one for all of an administration.

        Of two documents that have the same, such as those of two entities, or an invoice and a credit note, the second
        is not sent. None: journals keep them apart, or the tool numbers.
        """
        return None

    # parties and what is there already

    async def match_parties(self, parties: Mapping[str, Party]) -> Mapping[str, Sequence[Candidate]]:
        """Parties by identity → relations of the tool that may be them. Core adopts a certain one."""
        return {}

    async def entries(self) -> Sequence[Candidate]:
        """All document entries in the journals of this connection, for the first run on an administration."""
        return ()

    # audit: reads alone, where `about.reads_periods`

    async def entries_of(self, period: Period, cursor: str | None) -> EntriesPage:
        """Sales and purchases that are dated in a period by whoever booked them, in parts of a call or two.

        Every entry once, with all fields that the tool gives; two of one `entry_id` where the tool has two. Entries
        around the period may come along: what was moved is found by them. `cursor` is that of the part before, also
        in another process. Amounts are totals with VAT, in `currency`.
        """
        raise NotImplementedError

    def calls_of(self, period: Period, booked: int) -> int:
        """How many calls `entries_of` takes at least, where we have booked so many documents in it."""
        return 2

    async def entries_with(self, entry_ids: Sequence[str]) -> Sequence[Candidate]:
        """Where entries of ours stand that the period does not hold, for tools that can be asked for them by id."""
        return ()

    def may_hide(self, booking: Booking) -> bool:
        """Whether this may be booked where `entries_of` does not look: that it is not found proves nothing."""
        return False

    # push

    @abstractmethod
    async def push(self, attempt: Attempt) -> Booked | Accepted:
        """Writes the item with one `client.write(attempt, ...)`, an update when `attempt.op` says so."""

    async def push_batch(self, attempts: Sequence[Attempt]) -> Mapping[int, Booked | Accepted | ToolError]:
        """Writes several new documents with one `client.write_batch(attempts, ...)`, in their order.

        The outcome of each by `link_id`, an error as a value: what a good answer says of one counts for that one.
        What it says was not looked at is `NotProcessed`: it goes out again in a call that follows. One that is
        missing is uncertain. Raised is what holds for the whole call: `Refused` says that nothing of it was processed
        and that something in it is why. Core halves it, until the bad one is alone.

        One document alone, an update and a number series go to `push`.
        """
        raise NotImplementedError

    async def poll(self, tokens: Sequence[str]) -> Mapping[str, Booked | ToolError]:
        """What became of accepted items, by token; one that is missing is not booked yet.

        Refused: the tool has rejected it since. Asked for all of a connection at once, seldom: as few calls as can be.
        """
        raise NotImplementedError

    async def attach(self, attaching: "Attaching") -> None:
        """Adds files to an entry that stands, where `about.attaches`. Done twice, each must be there once.

        It is called after the booking, and once more when it was interrupted or its outcome is not known, not before
        what was sent can no longer arrive. Refused: the files are left out, and that is told.
        """
        raise NotImplementedError

    def operation_group(self, attempt: Attempt) -> str | None:
        """The operation group whose permit the write of `attempt` takes; core takes it before the intent."""
        return None

    async def last_number(self, series: str) -> int:
        """The last number that the tool has in `series`."""
        raise NotImplementedError

    @abstractmethod
    def classify(self, answer: Any) -> ToolError | None:
        """What an answer means: None for plain success, an error the tool's own words stand for, or Uncertain."""

    # settle

    async def resolve(self, attempts: Sequence[Attempt]) -> Mapping[int, Resolution]:
        """Whether uncertain attempts stand in the tool, by `link_id`. Core compares the candidates."""
        return {}

    # pull

    async def ledger_accounts(self) -> Sequence[LedgerAccount]:
        """The ledger accounts, to choose from in the source."""
        return ()

    async def payment_statuses(
        self, open_entries: Sequence[str], cursor: str | None
    ) -> tuple[Sequence[PaymentStatus], str | None]:
        """Payment state of entries that were open, and where to go on the next time."""
        return (), cursor
