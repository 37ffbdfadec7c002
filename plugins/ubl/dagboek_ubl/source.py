"""A folder of UBL files as a source of documents."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, ClassVar, Literal

from dagboek_schemas.documents import Approval, Direction, Document, Party
from dagboek_sdk.sides import Side, entity_of, is_entity, marks, side_of
from dagboek_sdk.source import DocumentSource, EntityRef, Fetched, Listed, SourceAbout, SourceUnavailable
from pydantic import BaseModel, ConfigDict, Field

from dagboek_ubl import xml
from dagboek_ubl.attachments import attachment_bytes
from dagboek_ubl.folder import approval_beside, locate, walk
from dagboek_ubl.issues import issue
from dagboek_ubl.reader import ReadResult, read_file, unwrapped

_LISTED_AT_ONCE = 1000
_READ_AT_ONCE = 50


class UblSettings(BaseModel):
    """Settings of a folder of UBL files."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    folder: Path = Field(description="every *.xml in it and below it is a document")
    approval: Literal["not_required", "pending", "from_folder"] = Field(
        "not_required",
        description="review of purchase documents. not_required: none is waited for. pending: each waits for a file "
        "NAME.xml.approved (or .refused) beside it. from_folder: only those wait that have a file NAME.xml.pending "
        "beside them, and .refused ones are never booked",
    )
    max_megabytes: int = Field(25, ge=1, le=200, description="larger files are not read")
    ledger_accounts: bool = Field(False, description="take the AccountingCost of a line as its ledger account")


class UblFolder(DocumentSource):
    """UBL invoices and credit notes in a folder, seen for one entity."""

    about: ClassVar[SourceAbout] = SourceAbout(name="ubl", title="Folder of UBL files", settings=UblSettings)

    def __init__(self, settings: Any, entity: EntityRef) -> None:
        super().__init__(settings, entity)
        self._settings = UblSettings.model_validate(settings if isinstance(settings, dict) else dict(settings))

    async def list(self, since: datetime | None) -> AsyncIterator[Sequence[Listed]]:
        """Pages of all files. `since` is not used: a file may be moved here long after it was written."""
        files = walk(self._settings.folder)
        while True:
            try:
                page = await asyncio.to_thread(lambda: [*islice(files, _LISTED_AT_ONCE)])
            except OSError as error:
                raise SourceUnavailable(_unavailable(self._settings.folder, error)) from None
            if not page:
                return
            yield page

    async def fetch(self, origin_ids: Sequence[str]) -> Sequence[Fetched]:
        """The documents in these files. A bad file is a Fetched with issues; another entity's one with neither."""
        fetched: list[Fetched] = []
        for start in range(0, len(origin_ids), _READ_AT_ONCE):
            fetched += await asyncio.to_thread(self._fetch_some, origin_ids[start : start + _READ_AT_ONCE])
        return fetched

    async def issuers(self) -> Sequence[tuple[EntityRef | None, Sequence[str]]]:
        """Suppliers of the documents in the folder, with their files."""
        try:
            return await asyncio.to_thread(issuers_in, self._settings.folder)
        except OSError as error:
            raise SourceUnavailable(_unavailable(self._settings.folder, error)) from None

    async def attachment(self, ref: str) -> bytes:
        """The bytes of an embedded file. FileNotFoundError when file or attachment is gone."""
        return await asyncio.to_thread(self._attachment, ref)

    def _fetch_some(self, origin_ids: Sequence[str]) -> Sequence[Fetched]:
        return tuple(map(self._fetch, origin_ids))

    def _fetch(self, origin_id: str) -> Fetched:
        try:
            path = locate(self._settings.folder, origin_id)
        except xml.Refused as refused:
            return Fetched(origin_id, issues=(issue(refused.code, origin_id),))
        except (OSError, ValueError) as error:
            return Fetched(origin_id, issues=(issue("U01", origin_id, reason=type(error).__name__),))
        result = read_file(path, origin_id, self._max_bytes, ledger_accounts=self._settings.ledger_accounts)
        return self._seen(path, result)

    def _seen(self, path: Path, result: ReadResult) -> Fetched:
        """What was read, as the entity sees it. Where a party cannot be read, it may be the entity's: it is shown."""
        issues, document = result.issues, result.document
        if result.seller and result.buyer:
            side, by_name = side_of(self.entity, result.seller, result.buyer)
            if side is Side.NEITHER:
                return Fetched(result.file)
            if side is Side.BOTH:
                issues, document = (*issues, issue("U15", result.file, found=self.entity.name)), None
            elif by_name:
                issues = (*issues, issue("U38", result.file, found=f"{result.seller.name} / {result.buyer.name}"))
            if document and side is Side.BUYER:
                document = self._purchase(path, document)
        return Fetched(result.file, document, issues)

    def _purchase(self, path: Path, document: Document) -> Document:
        approval = Approval.NOT_REQUIRED
        if self._settings.approval != "not_required":
            default = Approval.PENDING if self._settings.approval == "pending" else Approval.NOT_REQUIRED
            approval = approval_beside(path) or default
        return document.model_copy(update={"direction": Direction.PURCHASE, "approval": approval})

    def _attachment(self, ref: str) -> bytes:
        origin_id, _, number = ref.rpartition("#")
        if not number.isdecimal():
            raise FileNotFoundError(ref)
        try:
            data = xml.read_bytes(locate(self._settings.folder, origin_id), self._max_bytes)
            return attachment_bytes(unwrapped(xml.parse(data)), int(number))
        except (xml.Refused, OSError, ValueError):
            raise FileNotFoundError(ref) from None

    @property
    def _max_bytes(self) -> int:
        return self._settings.max_megabytes * 1024 * 1024


def entities_in(folder: Path) -> list[EntityRef]:
    """Every supplier of the documents in `folder`, each once; those with a number first. Reads all files."""
    return [entity for entity, _ in issuers_in(folder) if entity is not None]


def issuers_in(folder: Path) -> list[tuple[EntityRef | None, list[str]]]:
    """Every supplier of the documents in `folder` with their files, those with a number first; None comes last."""
    sellers = [(listed.origin_id, _seller(folder, listed.origin_id)) for listed in walk(folder)]
    found: list[tuple[EntityRef, list[str]]] = []
    by_mark: dict[str, list[int]] = defaultdict(list)
    for numbered in (True, False):
        for file, seller in sellers:
            if seller is None:
                continue
            entity = entity_of(seller)
            if bool(entity.vat_number or entity.company_number) is not numbered:
                continue
            alike = sorted({place for mark in marks(seller) for place in by_mark[mark]})
            known = next((place for place in alike if is_entity(found[place][0], seller)), None)
            if known is not None:
                found[known][1].append(file)
                continue
            for mark in marks(seller):
                by_mark[mark].append(len(found))
            found.append((entity, [file]))
    nameless = [file for file, seller in sellers if seller is None]
    return [*found, *([(None, nameless)] if nameless else [])]


def _seller(folder: Path, origin_id: str) -> Party | None:
    try:
        return read_file(locate(folder, origin_id), origin_id).seller
    except (xml.Refused, OSError, ValueError):
        return None


def _unavailable(folder: Path, error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        fix = "it is not there: make it, or set another folder"
    elif isinstance(error, NotADirectoryError):
        fix = "it is a file: set the folder that it is in"
    elif isinstance(error, PermissionError):
        fix = "Dagboek may not read it: give its user the right to"
    else:
        fix = error.strerror or type(error).__name__
    return f"folder of UBL files {folder}: {fix}"
