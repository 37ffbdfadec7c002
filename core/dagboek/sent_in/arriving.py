"""A document as it arrives: what it says, whose side the entity is on, and by which id it is known from now on."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from dagboek_schemas.documents import Direction, Document, Party
from dagboek_schemas.issues import Issue, Severity
from dagboek_sdk.sides import Side, entity_numbers, party_numbers, side_of
from dagboek_sdk.source import DocumentReader, EntityRef, ReadDocument

from dagboek.origins import identity_of
from dagboek.rules.totals import dagboek_validate_document as wrong_totals
from dagboek.sent_in.files import fault_of_kind
from dagboek.sent_in.our_json import JsonReader, own_words
from dagboek.tenants import Entity

Readers = Mapping[str, type[DocumentReader]]

MOST_FILES: Final = 20
"""Beside a document."""

_SIDES: Final = {Side.SELLER: Direction.SALES, Side.BUYER: Direction.PURCHASE}


class NotTaken(Exception):
    """A document that cannot be used as it is: `issues` say what is wrong, where, and how to put it right."""

    def __init__(self, issues: Sequence[Issue]) -> None:
        super().__init__(", ".join(issue.code for issue in issues))
        self.issues = tuple(issues)


@dataclass(frozen=True, slots=True)
class File:
    """A file that came beside a document. Its name is harmless by now."""

    name: str
    media_type: str
    body: bytes


@dataclass(frozen=True, slots=True)
class Sent:
    """What somebody sends."""

    body: bytes
    format: str
    """Name of a reader."""
    file_name: str = ""
    id: str | None = None
    direction: Direction | None = None
    files: tuple[File, ...] = ()


@dataclass(frozen=True, slots=True)
class Arrived:
    """A document that can be booked, as far as it says itself."""

    sent: Sent
    origin_id: str
    """The sender's own id of it, or what it is."""
    document: Document
    remarks: tuple[Issue, ...]


def format_of(readers: Readers, media_type: str) -> str | None:
    """The name of who reads this kind of file."""
    return next((name for name, reader in readers.items() if media_type in reader.about.media_types), None)


def format_within(body: bytes) -> str:
    """The format of a file that somebody chose, whatever it is called: what is no JSON is told by the reader of UBL."""
    return JsonReader.about.name if body.lstrip()[:1] == b"{" else "ubl"


async def arrive(readers: Readers, entity: Entity, sent: Sent) -> Arrived:
    """What is sent, read for its entity. NotTaken."""
    return await asyncio.to_thread(_arrive, readers, entity, sent)


def _arrive(readers: Readers, entity: Entity, sent: Sent) -> Arrived:
    if wrong_kinds := [issue for one in sent.files if (issue := fault_of_kind(one.name, one.media_type))]:
        raise NotTaken(wrong_kinds)
    reader = readers.get(sent.format)
    if reader is None:
        raise NotTaken([Issue(code="D30", severity=Severity.ERROR, facts={"plugin": sent.format})])
    read = reader().read(sent.body, sent.file_name or "document")
    if read.document is None:
        raise NotTaken(read.issues)
    if wrong := wrong_totals(read.document):
        raise NotTaken(wrong)
    own_id, direction = _stated(sent)
    document = read.document.model_copy(update={"direction": _direction(entity, read, direction)})
    return Arrived(sent, own_id or identity_of(document, asdict(entity)), document, read.issues)


def _stated(sent: Sent) -> tuple[str | None, Direction | None]:
    """Id and direction, as they stand beside the document or in it."""
    if sent.format != JsonReader.about.name:
        return sent.id, sent.direction
    own_id, direction = own_words(sent.body)
    for field, beside, within in (("id", sent.id, own_id), ("direction", sent.direction, direction)):
        if beside and within and beside != within:
            reason = f"the document says {within}, and what was sent beside it {beside}"
            raise NotTaken([Issue(code="S01", field=field, facts={"field": field, "reason": reason})])
    return sent.id or own_id, sent.direction or direction


def _direction(entity: Entity, read: ReadDocument, stated: Direction | None) -> Direction:
    """Sale or purchase, by its parties. What is stated decides where they leave it open, and never against them."""
    assert read.document is not None
    seller, buyer = read.seller or read.document.seller, read.buyer or read.document.buyer
    ours = EntityRef(entity.name, entity.vat_number, entity.company_number, entity.country)
    side, _ = side_of(ours, seller, buyer)
    facts = {"number": read.document.number, "seller": seller.name, "buyer": buyer.name, "entity": entity.name}
    if side is Side.BOTH:
        if stated is None:
            raise NotTaken([Issue(code="S03", field="direction", facts=facts)])
        return stated
    if side is Side.NEITHER:
        if stated is None or not _may_be(ours, seller if stated is Direction.SALES else buyer):
            raise NotTaken([Issue(code="S02", field="seller, buyer", facts=facts)])
        return stated
    found = _SIDES[side]
    if stated not in (None, found):
        raise NotTaken([Issue(code="S04", field="direction", facts={**facts, "direction": found})])
    return found


def _may_be(entity: EntityRef, party: Party) -> bool:
    """Whether no number of a party says that it is another company."""
    return not entity_numbers(entity).keys() & party_numbers(party).keys()
