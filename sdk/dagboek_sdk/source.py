"""Where documents come from: the interface that a source implements (design section 8)."""

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar

from dagboek_schemas.documents import Document, Party, PaymentStatus
from dagboek_schemas.issues import Issue
from pydantic import BaseModel


@dataclass(frozen=True, slots=True)
class SourceAbout:
    """What a source says of itself."""

    name: str
    """As in commands and settings: `ubl`."""
    title: str
    settings: type[BaseModel]


@dataclass(frozen=True, slots=True)
class EntityRef:
    """The company whose documents are asked for; the source decides sales or purchase by it."""

    name: str
    vat_number: str | None = None
    company_number: str | None = None
    country: str = "BE"


@dataclass(frozen=True, slots=True)
class Listed:
    """One document in a list: its id at the source, and a mark that changes whenever its content does."""

    origin_id: str
    fingerprint: str
    title: str = ""
    """For people: a file name, a number."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """One fetched document, or what is wrong with it, or neither: it is not this entity's."""

    origin_id: str
    document: Document | None = None
    issues: tuple[Issue, ...] = ()
    """With a document: remarks. Without: why it cannot be read. None and no document: of another entity."""
    hidden: bool = False
    """Part of the source, but never to be booked, such as a draft; not shown either."""


class DocumentSource(ABC):
    """One place that documents come from, seen for one entity."""

    about: ClassVar[SourceAbout]

    def __init__(self, settings: Any, entity: EntityRef) -> None:
        self.settings = settings
        self.entity = entity

    async def close(self) -> None:
        """Gives back what the object holds."""

    @abstractmethod
    def list(self, since: datetime | None) -> AsyncIterator[Sequence[Listed]]:
        """Pages of all documents, in a stable order; `since` (UTC) may be used to leave out what did not change.

        A source that cannot be listed raises `SourceUnavailable` with what is wrong and how to fix it.
        """

    @abstractmethod
    async def fetch(self, origin_ids: Sequence[str]) -> Sequence[Fetched]:
        """The documents themselves, in the order asked. One bad document is a `Fetched` with issues, no error."""

    @abstractmethod
    async def attachment(self, ref: str) -> bytes:
        """The bytes of an attachment. FileNotFoundError when it is gone."""

    async def issuers(self) -> Sequence[tuple[EntityRef | None, Sequence[str]]]:
        """Companies that issued documents of the source, each with the ids of these; None: no issuer can be read.

        For set-up and demonstrations: entities to choose from. It may read everything.
        """
        return ()

    async def record_booking(self, origin_id: str, booking_number: str | None) -> None:
        """Writes the booking number back, where the source keeps one."""

    async def record_payment(self, origin_id: str, status: PaymentStatus) -> None:
        """Writes the payment state back, where the source keeps one."""


@dataclass(frozen=True, slots=True)
class ReaderAbout:
    """What a reader says of itself."""

    name: str
    """As it is stored with what it read: `ubl`. It never changes."""
    title: str
    media_types: tuple[str, ...]
    """In which such documents come, such as `application/xml`."""


@dataclass(frozen=True, slots=True)
class ReadDocument:
    """A document as its seller sees it, or why it cannot be read. Beside a document, `issues` are remarks."""

    document: Document | None = None
    seller: Party | None = None
    buyer: Party | None = None
    issues: tuple[Issue, ...] = ()


class DocumentReader(ABC):
    """Reads documents of one format, whoever brings them: for those that are sent in."""

    about: ClassVar[ReaderAbout]

    @abstractmethod
    def read(self, data: bytes, name: str) -> ReadDocument:
        """What a file says. Never raises; the n-th file within it has `NAME#n` as its `ref`, from 1."""

    @abstractmethod
    def attachment(self, data: bytes, number: int) -> bytes:
        """The bytes of the n-th file within it. FileNotFoundError when there is no such one."""


class SourceUnavailable(Exception):
    """The source as a whole cannot be read: what is wrong, where, and how to fix it."""
