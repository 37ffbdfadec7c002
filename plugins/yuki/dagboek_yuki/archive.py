"""Documents in Yuki's archive: how an upload is marked, and how it is found again (api.md sections 3 and 5).

Yuki gives an upload a new id each time and checks nothing. So our mark is in the file's name and in the remarks, and
before anything is sent again the archive is looked through, from the newest document to those that are older than what
was sent. There is no search for it: nothing says that Yuki's own looks at the names of files, and that it finds nothing
would prove nothing.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Final, Self
from uuid import UUID

from dagboek_sdk.attempt import Attempt
from lxml.etree import _Element as Element

from dagboek_yuki.client import Services
from dagboek_yuki.reading import day, rows, text

SERVICE: Final = "Archive"
PURCHASES: Final = 1
"""Folder."""
NO_DATE: Final = date(1, 1, 1)
PAGE: Final = 500
"""Documents that one call lists."""
PAGES: Final = 20
"""How far back it is looked at most."""
CLOCKS: Final = timedelta(days=2)
"""How far Yuki's clock and ours may be apart, as it tells no zone."""
LARGEST: Final = 3 * 1024 * 1024
"""Bytes of a file in base64: nothing documents a limit, and ASP.NET's own for a request is 4 MB."""

_UNSAFE: Final = re.compile(r"[^\w.-]+")
_MARK: Final = re.compile(r"dagboek-[0-9a-f]{16}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Token:
    """What was accepted: an upload by its document, or a sale that Yuki kept as a draft by its number."""

    upload: bool
    day: date
    key: str

    def __str__(self) -> str:
        return f"{'upload' if self.upload else 'draft'}/{self.day.isoformat()}/{self.key}"

    @classmethod
    def parse(cls, written: str) -> Self:
        """The parts of `upload/2025-02-03/6f6d...`. ValueError for anything else."""
        kind, _, rest = written.partition("/")
        day, _, key = rest.partition("/")
        return cls(kind == "upload", date.fromisoformat(day), key)


def mark(administration: str, attempt: Attempt) -> str:
    """What an upload of this link is known by, in a domain that may hold many administrations."""
    told = f"{administration.lower()}\x1f{attempt.identity}\x1f{attempt.link_id}"
    return f"dagboek-{hashlib.sha256(told.encode()).hexdigest()[:16]}"


def file_name(reference: str, marked: str) -> str:
    """The name of the file: the number as people look for it, then the mark."""
    return f"{_UNSAFE.sub('_', reference).strip('_.')[:60] or 'document'} {marked}.xml"


def document_id(told: str) -> str | None:
    """The id that an upload is answered with, as lists tell it; None for what is none, such as words or the nil id."""
    try:
        found = UUID(told)
    except ValueError:
        return None
    return str(found) if found.int else None


async def find(services: Services, marks: Iterable[str], since: datetime | None) -> tuple[dict[str, str], str]:
    """The ids of documents that bear `marks`, by mark; and why nobody can tell of the others. That is empty where the
    archive does not hold them, as all was looked at that came after `since`.
    """
    wanted, seen = set(marks), _Seen(since)
    found: dict[str, str] = {}
    for _ in range(PAGES):
        page = await _listed(services, seen.next)
        found |= _bearing(rows(page, "Document"), wanted)
        if len(found) == len(wanted):
            return found, ""
        if seen.ends_with(page):
            return found, seen.doubt
    return found, "the archive has too much to look through"


async def _listed(services: Services, first: int) -> Element:
    return await services.call(
        SERVICE,
        "Documents",
        settling=True,
        sortOrder="CreatedDesc",
        startDate=NO_DATE,
        endDate=NO_DATE,
        numberOfRecords=PAGE,
        startRecord=first,
    )


@dataclass(slots=True)
class _Seen:
    """What the pages of the archive have shown, from the newest document to older ones.

    Yuki may list fewer than it is asked for, so a short page is not the last: that is one that brings nothing new, or
    whose documents are too old.
    """

    since: datetime | None
    _rows: dict[str, Element] = field(default_factory=dict)
    """By id, as they came."""
    _days: list[date] = field(default_factory=list)
    _pages: int = 0
    _gap: str = ""

    @property
    def next(self) -> int:
        """Where the next page begins: at one that was seen, also where the first record is 1, so that they join."""
        return max(len(self._rows) - 1, 0)

    @property
    def doubt(self) -> str:
        """Why something may be there that was not seen, or not known again; empty where all was seen."""
        if self._gap:
            return self._gap
        if any(map(self._may_be_ours, self._rows.values())):
            return "the archive has a new document without a name"
        return ""

    def ends_with(self, page: Element) -> bool:
        """Takes a page. Whether none is to be asked for behind it."""
        listed = {text(row, "@ID").lower(): row for row in rows(page, "Document")}
        new = {id: row for id, row in listed.items() if id not in self._rows}
        self._pages += 1
        self._gap = self._gap or self._lacks(page, listed, new)
        self._rows |= new
        self._days += [created for row in new.values() if (created := day(row, "Created"))]
        if not self._rows:
            return self._pages > 1  # that there is nothing at all is asked twice
        return not new or self._reaches()

    def _lacks(self, page: Element, listed: Mapping[str, Element], new: Mapping[str, Element]) -> str:
        """What a page lacks to prove anything."""
        if next(rows(page, "Documents"), None) is None or "" in listed:
            return "the archive does not say what it holds"
        if self._rows and len(new) == len(listed):
            return "pages of the archive do not join"
        if len(self._rows) > 2 and not new and next(iter(listed)) == next(iter(self._rows)):
            return "the archive lists its first page again"
        return ""

    def _reaches(self) -> bool:
        """Whether all that follows is older: the order was asked for, but only the days that are told prove it."""
        if self.since is None or not self._days or self._days != sorted(self._days, reverse=True):
            return False
        return self._days[-1] < self.since.date() - CLOCKS

    def _may_be_ours(self, row: Element) -> bool:
        """Whether it came since, and tells nothing by which ours is known: Yuki may leave out the name of a file."""
        if text(row, "FileName") or _MARK.search(text(row, "Subject")):
            return False
        created = day(row, "Created")
        return self.since is None or created is None or created >= self.since.date() - CLOCKS


def _bearing(listed: Iterable[Element], marks: Iterable[str]) -> dict[str, str]:
    found = {}
    for row in listed:
        told = f"{text(row, 'FileName')} {text(row, 'Subject')}".lower()
        for one in marks:
            if one in told and text(row, "@ID"):
                found[one] = text(row, "@ID").lower()
    return found
